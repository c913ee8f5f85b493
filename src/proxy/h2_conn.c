/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/2 on a client connection: an nghttp2 session whose callbacks turn frames into streams
 * and count what an attacker could make us do. Called by conn and by nghttp2. Its state lives
 * in the connection's arena, the session is its own. No callback sends, receives or frees the
 * session; no I/O here.
 */
#include "proxy/h2_conn.h"

#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "http/h2_request.h"
#include "http/hygiene.h"

static void
h2_abuse(struct conn *c)
{
    struct h2_conn *h = c->h2;

    if (h->is_abusive)
        return;
    h->is_abusive = true;
    metrics_add(&c->w->metrics, METRIC_H2_GOAWAY_ABUSE, 1);
    (void)nghttp2_session_terminate_session(h->session, NGHTTP2_ENHANCE_YOUR_CALM);
    conn_kick(c);
}

static void
h2_glitch(struct conn *c)
{
    if (!ratelimit_admit(&c->h2->glitches, worker_now_ms(c->w)))
        h2_abuse(c);
}

/* ---- requests: head ---------------------------------------------------------------------------
 */

static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct conn *c = user;
    struct stream *s;

    c->h2->block_ms = worker_now_ms(c->w);
    c->h2->block_fields = 0;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    c->h2->request_ms = c->h2->block_ms;
    if (c->stream_count >= H2_STREAMS_MAX || conn_is_closing(c))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    s = stream_new(c);
    if (s == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (c->stream_count == 1)
        c->h2->check_ms = c->h2->block_ms + H2_CHECK_MS;
    s->h2_id = frame->hd.stream_id;
    s->req.version = HTTP_20;
    if (http_headers_init(&s->req.headers, &s->arena, REQUEST_HEADERS_MAX) != 0)
        s->h2_refused_head = true;
    (void)nghttp2_session_set_stream_user_data(session, s->h2_id, s);
    return 0;
}

static const struct str pseudo_names[] = {
    STR_INIT(":method"),
    STR_INIT(":scheme"),
    STR_INIT(":authority"),
    STR_INIT(":path"),
};

static void
h2_take_field(struct stream *s, struct str name, struct str value)
{
    name = arena_str(&s->arena, name);
    value = arena_str(&s->arena, value);
    if (name.ptr == NULL || value.ptr == NULL) {
        s->h2_refused_head = true;
        return;
    }
    if (name.len > 0 && name.ptr[0] == ':') {
        for (size_t i = 0; i < array_len(pseudo_names); i++) {
            if (str_eq(name, pseudo_names[i]))
                s->h2_pseudo[i] = value;
        }
        return;
    }
    if (http_headers_add(&s->req.headers, name, value) != 0)
        s->h2_refused_head = true;
}

/* Counts before it stores: one small frame can decode to very many fields. */
static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
          size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags GW_UNUSED,
          void *user)
{
    struct conn *c = user;
    struct stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    if (++c->h2->block_fields > H2_BLOCK_FIELDS_MAX) {
        h2_abuse(c);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (s == NULL || frame->hd.type != NGHTTP2_HEADERS ||
        frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* trailers are dropped */
    s->h2_head_bytes += (uint32_t)(name_len + value_len + 32);
    if (s->h2_head_bytes > H2_HEADER_LIST_MAX)
        s->h2_refused_head = true;
    if (!s->h2_refused_head)
        h2_take_field(s, str_make(name, name_len), str_make(value, value_len));
    return 0;
}

static int
h2_judge_head(struct conn *c, struct stream *s, bool end_stream, enum h1_fault *ret_fault)
{
    const struct site_listener *l = conn_listener(c);
    struct hygiene_result hygiene;
    int r;

    r = h2_request_finish(&s->req, s->h2_pseudo[0], s->h2_pseudo[1], s->h2_pseudo[2],
                          s->h2_pseudo[3], end_stream, &s->arena, ret_fault);
    if (r == 0 && l == NULL)
        r = GW_E_PROTO;
    if (r == 0)
        r = hygiene_request(&l->forward.reserved, &s->req, &hygiene, ret_fault);
    if (r == 0 && hygiene.identity_dropped > 0)
        metrics_add(&c->w->metrics, METRIC_IDENTITY_HEADERS_DROPPED, hygiene.identity_dropped);
    return r;
}

static void
h2_head_complete(struct conn *c, struct stream *s, bool end_stream)
{
    enum h1_fault fault = H1_FAULT_BAD_LINE;

    s->body_done = end_stream;
    if (s->h2_refused_head) {
        s->req.head_bytes = s->h2_head_bytes;
        stream_refuse_fault(s, H1_FAULT_HEAD_TOO_LONG);
        return;
    }
    if (h2_judge_head(c, s, end_stream, &fault) != 0) {
        h2_glitch(c);
        s->req.head_bytes = s->h2_head_bytes;
        stream_refuse_fault(s, fault);
        return;
    }
    stream_start(s);
}

/* ---- requests: body ----------------------------------------------------------------------------
 */

static void
h2_consumed(struct conn *c, int32_t id, size_t n)
{
    if (n > 0)
        (void)nghttp2_session_consume(c->h2->session, id, n);
}

/* What waited goes on to the upstream as far as there is room. */
static void
h2_push_waiting(struct conn *c, struct stream *s)
{
    struct str piece = buf_peek(&s->h2_body_in);

    if (s->state != STREAM_RELAY && s->state != STREAM_REPLY && s->state != STREAM_FLUSH)
        return;
    piece.len = size_min(piece.len, stream_body_room(s));
    if (piece.len > 0) {
        stream_body_push(s, piece);
        buf_consume(&s->h2_body_in, piece.len);
        s->progress_ms = worker_now_ms(c->w);
        h2_consumed(c, s->h2_id, piece.len);
        conn_kick(c); /* window updates leave */
    }
    worker_buf_trim(c->w, &s->h2_body_in);
    if (s->h2_body_ended && !s->body_done && buf_len(&s->h2_body_in) == 0)
        stream_body_end(s);
}

static int
on_data_chunk(nghttp2_session *session, uint8_t flags GW_UNUSED, int32_t id, const uint8_t *data,
              size_t len, void *user)
{
    struct conn *c = user;
    struct stream *s = nghttp2_session_get_stream_user_data(session, id);
    struct str rest = str_make(data, len);
    size_t n;

    if (s == NULL) {
        h2_consumed(c, id, len);
        return 0;
    }
    s->progress_ms = worker_now_ms(c->w);
    if (buf_len(&s->h2_body_in) == 0) {
        n = size_min(len, stream_body_room(s));
        if (n > 0) {
            stream_body_push(s, str_sub(rest, 0, n));
            h2_consumed(c, id, n);
            rest = str_sub(rest, n, SIZE_MAX);
        }
    }
    if (rest.len == 0)
        return 0;
    /* Bounded by the stream's window, which is not reopened for bytes that wait here. */
    if (!worker_buf_ensure(c->w, &s->h2_body_in, rest.len) ||
        buf_append_str(&s->h2_body_in, rest) != 0)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return 0;
}

/* ---- frames
 * --------------------------------------------------------------------------------------- */

static void
h2_end_of_request(struct conn *c, const nghttp2_frame *frame, struct stream *s)
{
    if (s == NULL || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return;
    s->h2_body_ended = true;
    h2_push_waiting(c, s);
}

static void
h2_on_headers(struct conn *c, const nghttp2_frame *frame, struct stream *s)
{
    c->h2->block_ms = 0;
    if (s == NULL)
        return;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        h2_head_complete(c, s, (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    else
        h2_end_of_request(c, frame, s);
}

static int
on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct conn *c = user;
    struct stream *s = NULL;

    if (frame->hd.stream_id != 0)
        s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        h2_on_headers(c, frame, s);
        break;
    case NGHTTP2_DATA:
        if (frame->hd.length == 0 && !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
            h2_glitch(c);
        h2_end_of_request(c, frame, s);
        break;
    case NGHTTP2_RST_STREAM:
        if (!ratelimit_admit(&c->h2->resets, worker_now_ms(c->w)))
            h2_abuse(c);
        break;
    case NGHTTP2_PING:
    case NGHTTP2_SETTINGS:
        if (!(frame->hd.flags & NGHTTP2_FLAG_ACK))
            h2_glitch(c);
        break;
    case NGHTTP2_PRIORITY:
        h2_glitch(c);
        break;
    default:
        break;
    }
    return 0;
}

static int
on_invalid_frame(nghttp2_session *session GW_UNUSED, const nghttp2_frame *frame GW_UNUSED,
                 int error GW_UNUSED, void *user)
{
    h2_glitch(user);
    return 0;
}

/* Resets that the client provoked count against it like its own. */
static int
on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct conn *c = user;
    struct stream *s;

    if (frame->hd.type == NGHTTP2_RST_STREAM &&
        (frame->rst_stream.error_code == NGHTTP2_PROTOCOL_ERROR ||
         frame->rst_stream.error_code == NGHTTP2_STREAM_CLOSED ||
         frame->rst_stream.error_code == NGHTTP2_FLOW_CONTROL_ERROR))
        h2_glitch(c);
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        if (s != NULL)
            h2_on_response_sent(s);
    }
    return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    struct conn *c = user;
    struct stream *s = nghttp2_session_get_stream_user_data(session, id);

    c->h2->request_ms = worker_now_ms(c->w);
    if (s == NULL)
        return 0;
    if (s->state == STREAM_FLUSH && (error == NGHTTP2_NO_ERROR || buf_len(&s->h2_body_out) == 0))
        stream_finish(s, s->end);
    else
        stream_cancel(s, STREAM_END_CLIENT_CLOSED);
    return 0;
}

/* ---- session
 * ---------------------------------------------------------------------------------------- */

static int
h2_callbacks_make(nghttp2_session_callbacks **ret)
{
    nghttp2_session_callbacks *cb;

    if (nghttp2_session_callbacks_new(&cb) != 0)
        return GW_E_NOMEM;
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    *ret = cb;
    return 0;
}

static int
h2_session_make(struct conn *c, struct h2_conn *h)
{
    nghttp2_session_callbacks *cb = NULL;
    nghttp2_option *option = NULL;
    int r = GW_E_NOMEM;

    if (h2_callbacks_make(&cb) != 0)
        return GW_E_NOMEM;
    if (nghttp2_option_new(&option) == 0) {
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_no_closed_streams(option, 1);
        nghttp2_option_set_max_settings(option, H2_SETTINGS_MAX);
        nghttp2_option_set_max_outbound_ack(option, H2_OUTBOUND_ACKS_MAX);
        nghttp2_option_set_stream_reset_rate_limit(option, H2_RESET_BURST, H2_RESET_PER_SECOND);
        r = nghttp2_session_server_new2(&h->session, cb, c, option) == 0 ? 0 : GW_E_NOMEM;
        nghttp2_option_del(option);
    }
    nghttp2_session_callbacks_del(cb);
    return r;
}

static int
h2_open(struct conn *c)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_HEADER_LIST_MAX},
    };
    struct h2_conn *h = arena_new(&c->arena, struct h2_conn);
    int64_t now = worker_now_ms(c->w);

    if (h == NULL || h2_session_make(c, h) != 0)
        return GW_E_LIMIT;
    c->h2 = h;
    h->request_ms = now;
    ratelimit_init(&h->resets, H2_RESET_PER_SECOND, H2_RESET_BURST, now);
    ratelimit_init(&h->glitches, H2_GLITCH_PER_SECOND, H2_GLITCH_BURST, now);
    if (nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, array_len(settings)) !=
            0 ||
        nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, H2_CONN_WINDOW) !=
            0) {
        nghttp2_session_del(h->session);
        return GW_E_LIMIT;
    }
    return 0;
}

/* The request that has just begun is the last. */
static bool
h2_had_enough(const struct conn *c)
{
    const struct site_listener *l = conn_listener(c);
    int64_t age_ms = worker_now_ms(c->w) - c->accepted_us / 1000;

    return c->request_count >= H2_REQUESTS_MAX || (l != NULL && age_ms >= l->client_keep_alive_ms);
}

static void
h2_on_input(struct conn *c)
{
    struct h2_conn *h = c->h2;
    struct str in = buf_peek(&c->in);
    ssize_t n;

    if (in.len > 0) {
        n = nghttp2_session_mem_recv(h->session, (const uint8_t *)in.ptr, in.len);
        buf_reset(&c->in);
        if (n < 0) {
            conn_close(c, CONN_END_PROTOCOL);
            return;
        }
    }
    list_for_each_safe (node, &c->streams)
        h2_push_waiting(c, container_of(node, struct stream, link));
    if (!c->is_draining && h2_had_enough(c))
        conn_drain(c);
}

static bool
h2_wants_read(const struct conn *c)
{
    return nghttp2_session_want_read(c->h2->session) && buf_len(&c->out) < IO_BLOCK_BYTES &&
           nghttp2_session_get_outbound_queue_size(c->h2->session) < H2_OUTBOUND_FRAMES_MAX;
}

/* What nghttp2 has serialised goes into out as far as an IO block takes it. */
static bool
h2_collect_pending(struct conn *c)
{
    struct h2_conn *h = c->h2;
    struct str piece = h->pending;

    if (piece.len == 0)
        return true;
    if (!worker_buf_ensure(c->w, &c->out, 1))
        return false;
    piece.len = size_min(piece.len, buf_room(&c->out));
    memcpy(buf_tail(&c->out), piece.ptr, piece.len);
    buf_commit(&c->out, piece.len);
    h->pending = str_sub(h->pending, piece.len, SIZE_MAX);
    return h->pending.len == 0;
}

static bool
h2_out_is_full(const struct conn *c)
{
    return c->out.mem != NULL && buf_free(&c->out) == 0;
}

static void
h2_collect_once(struct conn *c)
{
    struct h2_conn *h = c->h2;
    const uint8_t *data;
    ssize_t n;

    while (!h2_out_is_full(c) && h2_collect_pending(c)) {
        n = nghttp2_session_mem_send(h->session, &data);
        if (n < 0) {
            conn_close(c, CONN_END_PROTOCOL);
            return;
        }
        if (n == 0)
            return;
        h->pending = str_make(data, (size_t)n);
    }
}

/* After a connection error nghttp2 sends GOAWAY and then no frame of any stream: what streams still
 * do has no use, and a client that says nothing more must not keep them. */
static void
h2_cancel_streams(struct conn *c)
{
    list_for_each_safe (node, &c->streams)
        stream_cancel(container_of(node, struct stream, link), STREAM_END_CLIENT_CLOSED);
}

static void
h2_collect(struct conn *c)
{
    struct h2_conn *h = c->h2;

    do {
        h2_collect_once(c);
    } while (!conn_is_closing(c) && !h2_out_is_full(c) && h2_step_waiting(c));
    if (conn_is_closing(c) || h->pending.len > 0)
        return;
    if (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session)) {
        c->wants_close = true;
        h2_cancel_streams(c);
    }
    if (c->is_draining && c->stream_count == 0 && !nghttp2_session_want_write(h->session))
        c->wants_close = true;
}

static void
h2_detach(struct stream *s)
{
    struct conn *c = s->conn;
    struct h2_conn *h = c->h2;

    if (s->h2_id == 0)
        return;
    if (s->h2_body_out.mem != NULL)
        h->out_blocks--;
    (void)nghttp2_session_set_stream_user_data(h->session, s->h2_id, NULL);
    if (buf_len(&s->h2_body_in) > 0)
        (void)nghttp2_session_consume_connection(h->session, buf_len(&s->h2_body_in));
    h->request_ms = worker_now_ms(c->w);
}

static void
h2_drain(struct conn *c)
{
    struct h2_conn *h = c->h2;
    int32_t last = nghttp2_session_get_last_proc_stream_id(h->session);

    c->is_draining = true;
    if (h->sent_goaway)
        return;
    h->sent_goaway = true;
    (void)nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
    conn_kick(c);
}

/* ---- time
 * ---------------------------------------------------------------------------------------------- */

static int64_t
h2_idle_timeout(const struct conn *c)
{
    const struct site_listener *l = conn_listener(c);

    return l == NULL ? IDLE_TIMEOUT_DEFAULT_MS : l->idle_timeout_ms;
}

/* Whatever the client does meanwhile, the next look at its streams is not put off. */
static int64_t
h2_deadline(const struct conn *c)
{
    const struct h2_conn *h = c->h2;

    if (h->block_ms != 0)
        return h->block_ms + REQUEST_HEAD_TIMEOUT_MS;
    if (c->stream_count == 0)
        return h->request_ms + h2_idle_timeout(c);
    return h->check_ms;
}

/* A stream that its client does not let go on, or goes on with too slowly. */
static bool
h2_is_stalled(struct stream *s, int64_t now_ms)
{
    const uint64_t least = (uint64_t)BODY_RATE_MIN * (BODY_GRACE_MS / 1000);
    bool has_output = buf_len(&s->h2_body_out) > 0;
    bool waits_for_body = !s->body_done && !s->h2_body_ended && buf_len(&s->h2_body_in) == 0 &&
                          stream_body_room(s) > 0 && !has_output;

    if (has_output && now_ms >= s->progress_ms + WRITE_STALL_TIMEOUT_MS)
        return true;
    if (waits_for_body && s->body_bytes - s->h2_rate_bytes < least)
        return now_ms >= s->h2_rate_ms + BODY_GRACE_MS;
    s->h2_rate_ms = now_ms;
    s->h2_rate_bytes = s->body_bytes;
    return false;
}

static void
h2_check_streams(struct conn *c, int64_t now_ms)
{
    list_for_each_safe (node, &c->streams) {
        struct stream *s = container_of(node, struct stream, link);

        if (!h2_is_stalled(s, now_ms))
            continue;
        if (s->head_sent || s->state != STREAM_RELAY)
            stream_abort(s, STREAM_END_CLIENT_TIMEOUT);
        else
            stream_refuse(s, 408, STREAM_END_CLIENT_TIMEOUT);
    }
}

static void
h2_on_deadline(struct conn *c, int64_t now_ms)
{
    struct h2_conn *h = c->h2;

    if (h2_had_enough(c))
        conn_drain(c);
    if (h->block_ms != 0) {
        if (now_ms >= h->block_ms + REQUEST_HEAD_TIMEOUT_MS)
            conn_close(c, CONN_END_SLOW);
        return;
    }
    if (c->stream_count == 0) {
        if (now_ms >= h->request_ms + h2_idle_timeout(c))
            conn_drain(c);
    } else if (now_ms >= h->check_ms) {
        h->check_ms = now_ms + H2_CHECK_MS;
        h2_check_streams(c, now_ms);
    }
}

static void
h2_done(struct conn *c)
{
    nghttp2_session_del(c->h2->session);
    c->h2 = NULL;
}

const struct codec codec_h2 = {
    .version = "HTTP/2.0",
    .open = h2_open,
    .on_input = h2_on_input,
    .wants_read = h2_wants_read,
    .collect = h2_collect,
    .send_continue = NULL,
    .send_head = h2_send_head,
    .body_room = h2_body_room,
    .send_body = h2_send_body,
    .send_end = h2_send_end,
    .abort = h2_abort,
    .detach = h2_detach,
    .drain = h2_drain,
    .deadline = h2_deadline,
    .on_deadline = h2_on_deadline,
    .done = h2_done,
};
