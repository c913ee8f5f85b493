/* SPDX-License-Identifier: Apache-2.0
 *
 * Responses on HTTP/2: the model becomes HEADERS, body bytes wait in a buffer per stream
 * until nghttp2's flow control asks for them. Called by stream (through the codec) and by
 * nghttp2. Bounded: one IO block a stream, H2_OUT_BLOCKS_MAX of them a connection.
 */
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "proxy/h2_conn.h"

/* Names go out in lower case (RFC 9113 8.2.1); their bytes are in the stream's own arena. */
static void
lower_in_place(struct str s)
{
    char *p = (char *)(uintptr_t)s.ptr;

    for (size_t i = 0; i < s.len; i++)
        p[i] = ascii_lower(p[i]);
}

/* nghttp2 copies what it is given, unless flags say that the memory is static: a stream may be gone
 * before its frames are. */
static nghttp2_nv
nv_make(struct str name, struct str value, uint8_t flags)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.ptr,
        .value = (uint8_t *)(uintptr_t)value.ptr,
        .namelen = name.len,
        .valuelen = value.len,
        .flags = flags,
    };
}

/* Identifiers of one request, X-Amzn-RequestId and its like: in the table of HPACK they only push
 * out what comes again. */
static uint8_t
index_flag(struct str name)
{
    return str_ends(name, STR("id")) ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
}

static bool
is_connection_field(const struct http_header *h)
{
    switch (h->token) {
    case HEADER_CONNECTION:
    case HEADER_KEEP_ALIVE:
    case HEADER_PROXY_CONNECTION:
    case HEADER_TRANSFER_ENCODING:
    case HEADER_UPGRADE:
    case HEADER_CONTENT_LENGTH: /* written from the model */
        return true;
    default:
        return false;
    }
}

static bool
has_no_body(const struct stream *s, const struct http_resp *resp)
{
    return s->req.method == METHOD_HEAD || resp->status == 204 || resp->status == 304 ||
           resp->framing == FRAMING_NONE ||
           (resp->framing == FRAMING_LENGTH && resp->content_length == 0);
}

/* The length to state, or an empty slice. */
static struct str
length_text(struct stream *s, const struct http_resp *resp)
{
    const struct http_header *h = http_headers_get(&resp->headers, HEADER_CONTENT_LENGTH);

    if (resp->status == 204)
        return STR("");
    if (resp->framing == FRAMING_LENGTH)
        return arena_u64(&s->arena, resp->content_length);
    return h == NULL ? STR("") : h->value;
}

static int
nva_build(struct stream *s, const struct http_resp *resp, nghttp2_nv **ret, size_t *ret_count)
{
    nghttp2_nv *nva = arena_new_array(&s->arena, nghttp2_nv, resp->headers.count + 2);
    struct str status = arena_u64(&s->arena, (uint64_t)resp->status);
    struct str length = length_text(s, resp);
    size_t n = 0;

    if (nva == NULL || status.ptr == NULL)
        return GW_E_NOSPACE;
    nva[n++] = nv_make(STR(":status"), status, NGHTTP2_NV_FLAG_NO_COPY_NAME);
    for (uint32_t i = 0; i < resp->headers.count; i++) {
        const struct http_header *h = &resp->headers.fields[i];
        struct str name = h->name;
        uint8_t flags = NGHTTP2_NV_FLAG_NONE;

        if (h->is_dropped || is_connection_field(h))
            continue;
        if (h->token != HEADER_OTHER)
            name = header_token_name((enum header_token)h->token);
        else
            name = arena_str(&s->arena, name); /* overrides are const */
        if (name.ptr == NULL)
            return GW_E_NOSPACE;
        if (h->token == HEADER_OTHER)
            lower_in_place(name);
        else
            flags |= NGHTTP2_NV_FLAG_NO_COPY_NAME;
        nva[n++] = nv_make(name, h->value, flags | index_flag(name));
    }
    if (length.len > 0)
        nva[n++] = nv_make(STR("content-length"), length, NGHTTP2_NV_FLAG_NO_COPY_NAME);
    *ret = nva;
    *ret_count = n;
    return 0;
}

int
h2_send_head(struct stream *s, const struct http_resp *resp)
{
    struct h2_conn *h = s->conn->h2;
    nghttp2_data_provider provider = {.source = {.ptr = NULL}, .read_callback = h2_data_read};
    nghttp2_nv *nva = NULL;
    size_t count = 0;
    int r = nva_build(s, resp, &nva, &count);

    if (r != 0)
        return r;
    s->h2_no_body = has_no_body(s, resp);
    if (nghttp2_submit_response(h->session, s->h2_id, nva, count,
                                s->h2_no_body ? NULL : &provider) != 0)
        return GW_E_PROTO;
    for (size_t i = 0; i < count; i++)
        s->sent_bytes += nva[i].namelen + nva[i].valuelen + 4;
    conn_kick(s->conn);
    return 0;
}

size_t
h2_body_room(struct stream *s)
{
    struct h2_conn *h = s->conn->h2;
    size_t room;

    if (s->h2_no_body)
        return IO_BLOCK_BYTES; /* swallowed */
    if (s->h2_body_out.mem == NULL)
        room = h->out_blocks < H2_OUT_BLOCKS_MAX ? IO_BLOCK_BYTES : 0;
    else
        room = buf_free(&s->h2_body_out);
    s->h2_wants_step = room < IO_BLOCK_BYTES / 4;
    return room;
}

static void
h2_resume(struct stream *s)
{
    if (!s->h2_deferred)
        return;
    s->h2_deferred = false;
    (void)nghttp2_session_resume_data(s->conn->h2->session, s->h2_id);
    conn_kick(s->conn);
}

void
h2_send_body(struct stream *s, struct str bytes)
{
    struct conn *c = s->conn;
    bool is_first = s->h2_body_out.mem == NULL;

    if (s->h2_no_body || bytes.len == 0)
        return;
    if (!worker_buf_ensure(c->w, &s->h2_body_out, bytes.len) ||
        buf_append_str(&s->h2_body_out, bytes) != 0) {
        h2_abort(s);
        return;
    }
    if (is_first)
        c->h2->out_blocks++;
    s->sent_bytes += bytes.len;
    h2_resume(s);
}

void
h2_send_end(struct stream *s)
{
    s->h2_end_queued = true;
    h2_resume(s);
    conn_kick(s->conn);
}

void
h2_abort(struct stream *s)
{
    struct h2_conn *h = s->conn->h2;

    if (h == NULL || s->h2_id == 0)
        return;
    (void)nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->h2_id,
                                    NGHTTP2_INTERNAL_ERROR);
    conn_kick(s->conn);
}

static void
h2_trim_out(struct stream *s)
{
    if (s->h2_body_out.mem == NULL || buf_len(&s->h2_body_out) > 0)
        return;
    worker_buf_drop(s->conn->w, &s->h2_body_out);
    s->conn->h2->out_blocks--;
}

ssize_t
h2_data_read(nghttp2_session *session, int32_t id, uint8_t *dst, size_t len, uint32_t *flags,
             nghttp2_data_source *source GW_UNUSED, void *user GW_UNUSED)
{
    struct stream *s = nghttp2_session_get_stream_user_data(session, id);
    struct str piece;

    if (s == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* given up: becomes RST_STREAM */
    magic_check(s, MAGIC_STREAM);
    piece = buf_peek(&s->h2_body_out);
    piece.len = size_min(piece.len, len);
    if (piece.len > 0)
        memcpy(dst, piece.ptr, piece.len);
    buf_consume(&s->h2_body_out, piece.len);
    if (buf_len(&s->h2_body_out) == 0 && s->h2_end_queued)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    s->progress_ms = worker_now_ms(s->conn->w);
    h2_trim_out(s);
    if (piece.len == 0 && !s->h2_end_queued) {
        s->h2_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)piece.len;
}

bool
h2_step_waiting(struct conn *c)
{
    bool has_moved = false;

    list_for_each_safe (node, &c->streams) {
        struct stream *s = container_of(node, struct stream, link);

        if (!s->h2_wants_step || buf_len(&s->h2_body_out) > IO_BLOCK_BYTES / 2)
            continue;
        if (s->h2_body_out.mem == NULL && c->h2->out_blocks >= H2_OUT_BLOCKS_MAX)
            continue;
        s->h2_wants_step = false;
        has_moved = true;
        stream_step(s);
    }
    return has_moved;
}

void
h2_on_response_sent(struct stream *s)
{
    if (s->body_done)
        return;
    (void)nghttp2_submit_rst_stream(s->conn->h2->session, NGHTTP2_FLAG_NONE, s->h2_id,
                                    NGHTTP2_NO_ERROR);
}
