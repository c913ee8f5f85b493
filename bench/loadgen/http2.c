/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/2 of loadgen: one nghttp2 session per connection. Called by conn.c; a slot of
 * c->requests is the user data of its stream. A stream that ends in any other way than
 * NO_ERROR must never count as answered.
 */
#include "loadgen.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

enum { NAME_MAX_BYTES = 128 };

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t len,
          const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
    struct lg_request *r = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    int status = 0;

    (void)flags;
    (void)arg;
    if (!r || len != 7 || memcmp(name, ":status", 7) != 0)
        return 0;
    for (size_t i = 0; i < value_len && i < 3; i++)
        status = status * 10 + (value[i] - '0');
    r->status = status >= 0 && status < LG_STATUS_MAX ? status : 0;
    return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *p, size_t n,
        void *arg)
{
    struct lg_conn *c = arg;

    (void)session;
    (void)flags;
    (void)stream;
    (void)p;
    c->load->stats->bytes_in += n;
    c->load->interval->bytes_in += n;
    return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *arg)
{
    struct lg_conn *c = arg;
    struct lg_request *r = nghttp2_session_get_stream_user_data(session, stream);

    if (!r)
        return 0;
    r->busy = false;
    c->busy--;
    if (code == NGHTTP2_NO_ERROR && r->status > 0)
        lg_answered(c, r);
    else if (code == NGHTTP2_REFUSED_STREAM && c->closes)
        lg_refused(c);
    else
        lg_failed(c, LG_E_STREAM);
    return 0;
}

static ssize_t
on_body_wanted(nghttp2_session *session, int32_t stream, uint8_t *to, size_t n, uint32_t *flags,
               nghttp2_data_source *source, void *arg)
{
    struct lg_conn *c = arg;
    struct lg_request *r = source->ptr;

    (void)session;
    (void)stream;
    if (r->body_left < n)
        n = (size_t)r->body_left;
    n = size_min(n, LG_BLOCK_BYTES);
    memcpy(to, c->load->block, n);
    r->body_left -= n;
    c->load->stats->bytes_out += n;
    if (r->body_left == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

/* The server wants no more requests here; what it has taken it still answers. */
static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct lg_conn *c = arg;

    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        c->closes = true;
    return 0;
}

static nghttp2_session *
session_new(struct lg_conn *c)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session = NULL;

    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        die("out of memory");
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    if (nghttp2_session_client_new(&session, callbacks, c) != 0)
        die("out of memory");
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

bool
lg_h2_start(struct lg_conn *c)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, LG_H2_WINDOW},
    };

    c->h2 = session_new(c);
    return nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, settings, array_len(settings)) == 0 &&
           nghttp2_session_set_local_window_size(c->h2, NGHTTP2_FLAG_NONE, 0, LG_H2_WINDOW) == 0;
}

static nghttp2_nv
field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

/* "Name: value" as a field with a lower-case name in the given storage. */
static nghttp2_nv
field_of_line(const char *line, char name[NAME_MAX_BYTES])
{
    size_t n = strcspn(line, ":");
    const char *value = line + n;

    n = size_min(n, NAME_MAX_BYTES - 1);
    for (size_t i = 0; i < n; i++)
        name[i] = ascii_lower(line[i]);
    name[n] = '\0';
    value += *value == ':';
    return field(name, value + strspn(value, " "));
}

static struct lg_request *
slot_free(struct lg_conn *c)
{
    for (unsigned i = 0; i < c->load->opt.streams; i++)
        if (!c->requests[i].busy)
            return &c->requests[i];
    return NULL;
}

bool
lg_h2_ask(struct lg_conn *c, int64_t start_us)
{
    const struct lg_options *o = &c->load->opt;
    nghttp2_nv fields[4 + LG_HEADERS_MAX];
    char names[LG_HEADERS_MAX][NAME_MAX_BYTES];
    size_t n = 0;
    struct lg_request *r = slot_free(c);
    nghttp2_data_provider body = {.read_callback = on_body_wanted};

    if (!r)
        return false;
    fields[n++] = field(":method", o->method);
    fields[n++] = field(":scheme", "https");
    fields[n++] = field(":authority", o->authority);
    fields[n++] = field(":path", o->path);
    for (size_t i = 0; i < o->header_count; i++)
        fields[n++] = field_of_line(o->headers[i], names[i]);
    *r = (struct lg_request){.start_us = start_us, .busy = true, .body_left = o->body};
    body.source.ptr = r;
    c->busy++;
    c->asked++;
    return nghttp2_submit_request(c->h2, NULL, fields, n, o->body > 0 ? &body : NULL, r) > 0;
}

bool
lg_h2_input(struct lg_conn *c, const char *p, size_t n)
{
    return nghttp2_session_mem_recv(c->h2, (const uint8_t *)p, n) == (ssize_t)n;
}

bool
lg_h2_output(struct lg_conn *c)
{
    while (c->out.len < LG_OUT_HIGH) {
        const uint8_t *p;
        ssize_t n = nghttp2_session_mem_send(c->h2, &p);

        if (n < 0)
            return false;
        if (n == 0)
            break;
        bytes_add(&c->out, p, (size_t)n);
    }
    return true;
}

void
lg_h2_end(struct lg_conn *c)
{
    nghttp2_session_del(c->h2);
    c->h2 = NULL;
}
