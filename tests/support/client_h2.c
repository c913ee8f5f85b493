/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/2 frames of the test client. Frames and header blocks are written by hand, so that
 * any wrong one can be sent; received header blocks are decoded with nghttp2's HPACK.
 */
#include <stdlib.h>

#include "support/client_priv.h"

enum { FRAME_HEAD = 9, HPACK_PREFIX = 127, WORD = 4, PRIORITY_BYTES = 5, PING_BYTES = 8 };

#define STREAM_MASK UINT32_C(0x7fffffff)

static void
put_u32(uint8_t *to, uint32_t v)
{
    for (int i = 3; i >= 0; i--, v >>= 8)
        to[i] = (uint8_t)v;
}

static uint32_t
get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

enum client_end
h2_write(struct client *c, const struct h2_frame *frame)
{
    struct bytes wire = {0};
    uint8_t head[FRAME_HEAD] = {(uint8_t)(frame->len >> 16), (uint8_t)(frame->len >> 8),
                                (uint8_t)frame->len, frame->type, frame->flags};
    enum client_end end;

    put_u32(head + 5, frame->stream);
    bytes_add(&wire, head, sizeof(head));
    bytes_add(&wire, frame->payload, frame->len);
    end = client_send(c, wire.ptr, wire.len);
    bytes_free(&wire);
    return end;
}

static enum client_end
write_simple(struct client *c, uint8_t type, uint8_t flags, uint32_t stream, struct str payload)
{
    return h2_write(
        c, &(struct h2_frame){payload.len, type, flags, stream, (uint8_t *)(uintptr_t)payload.ptr});
}

enum client_end
h2_start(struct client *c, struct str settings_payload)
{
    client_puts(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    return write_simple(c, H2_SETTINGS, 0, 0, settings_payload);
}

static void
encode_string(struct bytes *out, struct str s)
{
    size_t n = s.len;
    uint8_t byte;

    if (n < HPACK_PREFIX) {
        byte = (uint8_t)n;
        bytes_add(out, &byte, 1);
    } else {
        bytes_add(out, "\x7f", 1);
        for (n -= HPACK_PREFIX; n >= 128; n >>= 7) {
            byte = (uint8_t)(0x80 | (n & 0x7f));
            bytes_add(out, &byte, 1);
        }
        byte = (uint8_t)n;
        bytes_add(out, &byte, 1);
    }
    bytes_add(out, s.ptr, s.len);
}

void
h2_encode(struct bytes *out, const struct h2_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bytes_add(out, "", 1); /* literal without indexing, new name */
        encode_string(out, fields[i].name);
        encode_string(out, fields[i].value);
    }
}

enum client_end
h2_headers(struct client *c, uint32_t stream, const struct h2_field *fields, size_t count,
           bool end_stream)
{
    struct bytes block = {0};
    uint8_t flags = end_stream ? H2_FLAG_END_HEADERS | H2_FLAG_END_STREAM : H2_FLAG_END_HEADERS;
    enum client_end end;

    h2_encode(&block, fields, count);
    end = write_simple(c, H2_HEADERS, flags, stream, bytes_str(&block));
    bytes_free(&block);
    return end;
}

enum client_end
h2_get(struct client *c, uint32_t stream, const char *authority, const char *path)
{
    const struct h2_field fields[] = {
        H2_FIELD(":method", "GET"),
        H2_FIELD(":scheme", "https"),
        {STR(":authority"), str_from(authority)},
        {STR(":path"), str_from(path)},
    };

    return h2_headers(c, stream, fields, array_len(fields), true);
}

enum client_end
h2_data(struct client *c, uint32_t stream, struct str data, bool end_stream)
{
    return write_simple(c, H2_DATA, end_stream ? H2_FLAG_END_STREAM : 0, stream, data);
}

enum client_end
h2_rst(struct client *c, uint32_t stream, uint32_t code)
{
    uint8_t payload[WORD];

    put_u32(payload, code);
    return write_simple(c, H2_RST_STREAM, 0, stream, str_make(payload, sizeof(payload)));
}

enum client_end
h2_window_update(struct client *c, uint32_t stream, uint32_t increment)
{
    uint8_t payload[WORD];

    put_u32(payload, increment);
    return write_simple(c, H2_WINDOW_UPDATE, 0, stream, str_make(payload, sizeof(payload)));
}

static enum client_end
have_bytes(struct client *c, size_t n, int64_t deadline_ms)
{
    while (client_ahead(c).len < n) {
        enum client_end end = client_fill(c, deadline_ms);

        if (end != CLIENT_OK)
            return end;
    }
    return CLIENT_OK;
}

enum client_end
h2_read(struct client *c, struct h2_frame *ret)
{
    int64_t deadline = now_ms() + c->timeout_ms;
    enum client_end end = have_bytes(c, FRAME_HEAD, deadline);
    const uint8_t *p;
    size_t len;

    if (end != CLIENT_OK)
        return end;
    p = (const uint8_t *)client_ahead(c).ptr;
    len = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
    end = have_bytes(c, FRAME_HEAD + len, deadline);
    if (end != CLIENT_OK)
        return end;
    p = (const uint8_t *)client_ahead(c).ptr;
    c->frame.len = 0;
    bytes_add(&c->frame, p + FRAME_HEAD, len);
    *ret =
        (struct h2_frame){len, p[3], p[4], get_u32(p + 5) & STREAM_MASK, (uint8_t *)c->frame.ptr};
    client_take(c, FRAME_HEAD + len);
    return CLIENT_OK;
}

/* ---- keeping what streams receive ---- */

static struct h2_stream *
stream_of(struct client *c, uint32_t id)
{
    for (size_t i = 0; i < c->stream_count; i++)
        if (c->streams[i].id == id)
            return &c->streams[i];
    c->streams = xrealloc(c->streams, (c->stream_count + 1) * sizeof(*c->streams));
    c->streams[c->stream_count] =
        (struct h2_stream){.id = id, .response = {.rst_code = -1, .goaway_code = -1}};
    return &c->streams[c->stream_count++];
}

static int
status_of(const uint8_t *p, size_t n)
{
    int status = 0;

    for (size_t i = 0; i < n && i < 3; i++)
        status = status * 10 + (p[i] - '0');
    return status;
}

/* One field of a header block: status, head or trailer. */
static void
field_keep(struct h2_stream *s, const nghttp2_nv *nv)
{
    struct h2_response *r = &s->response;
    struct bytes *to = s->has_head ? &r->trailers : &r->fields;

    bytes_add(to, nv->name, nv->namelen);
    bytes_add(to, ": ", 2);
    bytes_add(to, nv->value, nv->valuelen);
    bytes_add(to, "\n", 1);
    if (nv->namelen == 7 && memcmp(nv->name, ":status", 7) == 0)
        r->status = status_of(nv->value, nv->valuelen);
}

static void
block_decode(struct client *c)
{
    struct h2_stream *s = stream_of(c, c->block_stream);
    const uint8_t *at = (const uint8_t *)c->block.ptr;
    size_t left = c->block.len;

    if (!c->inflater && nghttp2_hd_inflate_new(&c->inflater) != 0)
        die("no HPACK decoder");
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(c->inflater, &nv, &flags, at, left, 1);

        if (n < 0)
            die("a header block of the server does not decode: %s", nghttp2_strerror((int)n));
        at += n;
        left -= (size_t)n;
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            field_keep(s, &nv);
        if (flags & NGHTTP2_HD_INFLATE_FINAL)
            break;
    }
    nghttp2_hd_inflate_end_headers(c->inflater);
    c->block.len = 0;
    if (s->response.status >= 200) {
        s->has_head = true;
    } else {
        s->response.fields.len = 0; /* 1xx: the final head follows */
    }
    s->response.complete |= c->block_ends_stream;
}

/* Payload without padding and priority. */
static struct str
content_of(const struct h2_frame *f)
{
    const uint8_t *p = f->payload;
    size_t n = f->len;

    if ((f->flags & H2_FLAG_PADDED) && n > 0) {
        size_t pad = p[0];

        p++;
        n = n - 1 >= pad ? n - 1 - pad : 0;
    }
    if (f->type == H2_HEADERS && (f->flags & H2_FLAG_PRIORITY) && n >= PRIORITY_BYTES) {
        p += PRIORITY_BYTES;
        n -= PRIORITY_BYTES;
    }
    return str_make(p, n);
}

static void
absorb_headers(struct client *c, const struct h2_frame *f)
{
    struct str part = content_of(f);

    if (f->type == H2_HEADERS) {
        c->block.len = 0;
        c->block_stream = f->stream;
        c->block_ends_stream = (f->flags & H2_FLAG_END_STREAM) != 0;
    }
    bytes_add(&c->block, part.ptr, part.len);
    if (f->flags & H2_FLAG_END_HEADERS)
        block_decode(c);
}

static void
absorb_data(struct client *c, const struct h2_frame *f)
{
    struct h2_stream *s = stream_of(c, f->stream);
    struct str part = content_of(f);

    bytes_add(&s->response.body, part.ptr, part.len);
    if (f->len > 0) {
        h2_window_update(c, 0, (uint32_t)f->len);
        if (!(f->flags & H2_FLAG_END_STREAM))
            h2_window_update(c, f->stream, (uint32_t)f->len);
    }
    s->response.complete |= (f->flags & H2_FLAG_END_STREAM) != 0;
}

static void
absorb(struct client *c, const struct h2_frame *f)
{
    switch (f->type) {
    case H2_SETTINGS:
        if (!(f->flags & H2_FLAG_ACK))
            write_simple(c, H2_SETTINGS, H2_FLAG_ACK, 0, STR(""));
        break;
    case H2_PING:
        if (!(f->flags & H2_FLAG_ACK))
            write_simple(c, H2_PING, H2_FLAG_ACK, 0, str_make(f->payload, PING_BYTES));
        break;
    case H2_HEADERS:
    case H2_CONTINUATION:
        absorb_headers(c, f);
        break;
    case H2_DATA:
        absorb_data(c, f);
        break;
    case H2_RST_STREAM:
        if (f->len == WORD)
            stream_of(c, f->stream)->response.rst_code = get_u32(f->payload);
        break;
    case H2_GOAWAY:
        if (f->len >= 2 * WORD)
            c->goaway_code = get_u32(f->payload + WORD);
        break;
    default:
        break;
    }
}

enum client_end
h2_read_type(struct client *c, uint8_t type, uint32_t stream, struct h2_frame *ret)
{
    int64_t deadline = now_ms() + c->timeout_ms;

    while (now_ms() <= deadline) {
        enum client_end end = h2_read(c, ret);

        if (end != CLIENT_OK)
            return end;
        absorb(c, ret);
        if (ret->type == type && (stream == 0 || ret->stream == stream))
            return CLIENT_OK;
    }
    return CLIENT_TIMEOUT;
}

struct h2_response
h2_response(struct client *c, uint32_t stream)
{
    struct h2_stream *s = stream_of(c, stream);
    struct h2_response r;
    struct h2_frame frame;
    enum client_end end = CLIENT_OK;

    while (!s->response.complete && s->response.rst_code < 0) {
        end = h2_read(c, &frame);
        if (end != CLIENT_OK)
            break;
        absorb(c, &frame);
        s = stream_of(c, stream);
    }
    r = s->response;
    r.end = end;
    r.goaway_code = c->goaway_code;
    *s = (struct h2_stream){.id = stream, .response = {.rst_code = -1, .goaway_code = -1}};
    return r;
}

struct str
h2_response_field(const struct h2_response *r, const char *name)
{
    size_t n = strlen(name);
    const char *at = r->fields.ptr;

    while (at && *at) {
        const char *eol = strchr(at, '\n');

        if (!eol)
            break;
        if (strncmp(at, name, n) == 0 && at[n] == ':' && at[n + 1] == ' ')
            return str_make(at + n + 2, (size_t)(eol - at) - n - 2);
        at = eol + 1;
    }
    return (struct str){0};
}

void
h2_response_free(struct h2_response *r)
{
    bytes_free(&r->fields);
    bytes_free(&r->body);
    bytes_free(&r->trailers);
}

void
client_h2_free(struct client *c)
{
    for (size_t i = 0; i < c->stream_count; i++)
        h2_response_free(&c->streams[i].response);
    free(c->streams);
    if (c->inflater)
        nghttp2_hd_inflate_del(c->inflater);
    bytes_free(&c->frame);
    bytes_free(&c->block);
}
