/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1 on a client connection: one request at a time, pipelined ones wait in the input
 * buffer. Called by conn (input, deadlines) and by stream (response). Its state lives in the
 * connection's arena. Everything sent is written from the model; no I/O here.
 *
 *   HEAD ---> BODY ---> WAIT ---> HEAD ...      DISCARD: the answer came before the body's end
 *      \________________/ \-----> END
 */
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "http/h1_body.h"
#include "http/h1_parse.h"
#include "proxy/stream.h"

enum h1_state { H1_HEAD, H1_BODY, H1_WAIT, H1_DISCARD, H1_END };

struct h1_conn {
    enum h1_state state;
    struct h1_scan scan;
    struct h1_body body;
    struct stream *stream;
    int64_t head_started_ms; /* first byte of an incomplete head; 0 without one */
    int64_t window_start_ms; /* the body's rate is measured over windows of BODY_GRACE_MS */
    uint64_t window_bytes;
    uint64_t discarded;
    bool keeps_alive;
    bool is_chunked;  /* the response in progress */
    bool has_no_body; /* HEAD, 204, 304 */
    bool is_blocked;  /* the stream was told that there is little room */
};

static void
h1_next_request(struct conn *c)
{
    struct h1_conn *h = c->h1;

    /* Who was let in just before the drain is still owed one answer. */
    h->state = h->keeps_alive && (!c->is_draining || c->request_count == 0) ? H1_HEAD : H1_END;
    h->head_started_ms = 0;
    h1_scan_init(&h->scan, true);
    if (h->state == H1_END)
        c->wants_close = true;
}

static int
h1_open(struct conn *c)
{
    struct h1_conn *h = arena_new(&c->arena, struct h1_conn);

    if (h == NULL)
        return GW_E_LIMIT;
    c->h1 = h;
    h->keeps_alive = true;
    h1_next_request(c);
    return 0;
}

/* ---- requests ------------------------------------------------------------------------------ */

/* What cannot be a request gets its status on a stream of its own, so that it is logged. */
static struct stream *
h1_refused_stream(struct conn *c)
{
    struct stream *s = stream_new(c);

    c->h1->keeps_alive = false;
    c->h1->state = H1_END;
    c->wants_close = true;
    if (s == NULL)
        return NULL;
    s->received_bytes = buf_len(&c->in);
    buf_reset(&c->in);
    c->h1->stream = s;
    return s;
}

static int
h1_parse(struct conn *c, struct stream *s, size_t len, enum h1_fault *ret_fault)
{
    const struct site_listener *l = conn_listener(c);
    struct hygiene_result hygiene;
    struct str head = arena_str(&s->arena, str_make(buf_peek(&c->in).ptr, len));
    int r;

    *ret_fault = H1_FAULT_NO_MEMORY;
    if (head.ptr == NULL || l == NULL)
        return GW_E_PROTO;
    r = h1_parse_request(head, &s->arena, &s->req, ret_fault);
    if (r == 0)
        r = hygiene_request(&l->forward.reserved, &s->req, &hygiene, ret_fault);
    if (r == 0 && hygiene.identity_dropped > 0)
        metrics_add(&c->w->metrics, METRIC_IDENTITY_HEADERS_DROPPED, hygiene.identity_dropped);
    return r;
}

static void
h1_begin(struct conn *c, size_t len)
{
    struct h1_conn *h = c->h1;
    struct stream *s = stream_new(c);
    enum h1_fault fault;

    if (s == NULL) {
        h->state = H1_END;
        c->wants_close = true;
        return;
    }
    h->stream = s;
    h->state = H1_WAIT;
    h->discarded = 0;
    if (h1_parse(c, s, len, &fault) != 0) {
        h->keeps_alive = false;
        if (s->req.head_bytes == 0)
            s->received_bytes = len;
        buf_reset(&c->in);
        stream_refuse_fault(s, fault);
        return;
    }
    buf_consume(&c->in, len);
    h->keeps_alive = s->req.keep_alive;
    h1_body_init(&h->body, s->req.framing, s->req.content_length);
    if (s->req.framing != FRAMING_NONE && !h->body.is_done) {
        h->state = H1_BODY;
        h->window_start_ms = worker_now_ms(c->w);
        h->window_bytes = 0;
    } else {
        s->body_done = true;
    }
    stream_start(s);
}

static bool
h1_step_head(struct conn *c)
{
    struct h1_conn *h = c->h1;
    enum h1_fault fault = H1_FAULT_NONE;
    struct stream *s;
    size_t len = 0;
    int r;

    if (buf_len(&c->in) == 0 || buf_len(&c->out) > IO_BLOCK_BYTES / 2)
        return false;
    r = h1_scan(&h->scan, buf_peek(&c->in), &len, &fault);
    if (r == 0) {
        h1_begin(c, len);
        return true;
    }
    if (r == GW_E_AGAIN) {
        if (h->head_started_ms == 0)
            h->head_started_ms = worker_now_ms(c->w);
        return false;
    }
    s = h1_refused_stream(c);
    if (s != NULL)
        stream_refuse_fault(s, fault);
    return false;
}

static void
h1_body_broken(struct conn *c, enum h1_fault fault)
{
    struct h1_conn *h = c->h1;
    struct stream *s = h->stream;

    h->keeps_alive = false;
    h->state = H1_WAIT;
    buf_reset(&c->in);
    s->fault = fault;
    if (s->head_sent)
        stream_abort(s, STREAM_END_MALFORMED);
    else
        stream_refuse_fault(s, fault);
}

static bool
h1_step_body(struct conn *c)
{
    struct h1_conn *h = c->h1;
    struct str in = buf_peek(&c->in);
    struct str payload = STR("");
    enum h1_fault fault = H1_FAULT_NONE;
    size_t used = 0;
    int r;

    in.len = size_min(in.len, stream_body_room(h->stream));
    if (in.len == 0)
        return false;
    r = h1_body_decode(&h->body, in, &used, &payload, &fault);
    if (r == GW_E_PROTO) {
        h1_body_broken(c, fault);
        return false;
    }
    if (payload.len > 0)
        stream_body_push(h->stream, payload);
    buf_consume(&c->in, used);
    h->window_bytes += used;
    if (h->body.is_done) {
        h->state = H1_WAIT;
        stream_body_end(h->stream);
    }
    return used > 0;
}

/* The response is over and the body is not: read on a little, so that the connection lives. */
static bool
h1_step_discard(struct conn *c)
{
    struct h1_conn *h = c->h1;
    struct str payload;
    enum h1_fault fault;
    size_t used = 0;
    int r = h1_body_decode(&h->body, buf_peek(&c->in), &used, &payload, &fault);

    buf_consume(&c->in, used);
    h->discarded += used;
    if (r == GW_E_PROTO || h->discarded > DRAIN_BYTES_MAX) {
        h->keeps_alive = false;
        h1_next_request(c);
        return false;
    }
    if (h->body.is_done)
        h1_next_request(c);
    return used > 0;
}

static void
h1_on_input(struct conn *c)
{
    struct h1_conn *h = c->h1;
    bool has_moved = true;

    while (has_moved && !conn_is_closing(c)) {
        switch (h->state) {
        case H1_HEAD:
            has_moved = h1_step_head(c);
            break;
        case H1_BODY:
            has_moved = h1_step_body(c);
            break;
        case H1_DISCARD:
            has_moved = h1_step_discard(c);
            break;
        case H1_WAIT:
        case H1_END:
            has_moved = false;
            break;
        }
    }
}

static bool
h1_wants_read(const struct conn *c)
{
    if (c->h1->state == H1_HEAD)
        return buf_len(&c->in) < REQUEST_HEAD_MAX && buf_len(&c->out) <= IO_BLOCK_BYTES / 2;
    if (c->h1->state == H1_END)
        return false;
    /* While it waits for its answer a client has nothing to say but that it is gone, and then there
     * is an event: no read that only finds the socket empty. */
    if (c->h1->state == H1_WAIT && !c->has_news)
        return false;
    return c->in.mem == NULL || buf_free(&c->in) > 0;
}

/* ---- responses ------------------------------------------------------------------------------ */

static bool
h1_may_keep(const struct conn *c, const struct stream *s)
{
    const struct site_listener *l = conn_listener(c);
    int64_t age_ms = worker_now_ms(c->w) - c->accepted_us / 1000;

    return s->req.keep_alive && !s->closes_after && !c->is_draining && l != NULL &&
           age_ms < l->client_keep_alive_ms;
}

/* A Content-Length that describes no body here (HEAD, 304), if the upstream gave one. */
static bool
h1_described_length(const struct http_resp *resp, uint64_t *ret)
{
    const struct http_header *h = http_headers_get(&resp->headers, HEADER_CONTENT_LENGTH);

    if (resp->framing == FRAMING_LENGTH) {
        *ret = resp->content_length;
        return true;
    }
    return h != NULL && str_parse_u64(h->value, CONTENT_LENGTH_MAX, ret) == 0;
}

static void
h1_choose_framing(struct conn *c, struct stream *s, struct forward_h1_response *f)
{
    struct h1_conn *h = c->h1;

    h->has_no_body =
        s->req.method == METHOD_HEAD || f->resp->status == 204 || f->resp->status == 304;
    if (h->has_no_body) {
        f->framing = FRAMING_NONE;
        f->writes_length =
            f->resp->status != 204 && h1_described_length(f->resp, &f->content_length);
    } else if (f->resp->framing == FRAMING_CHUNKED || f->resp->framing == FRAMING_UNTIL_CLOSE) {
        f->framing = s->req.version == HTTP_10 ? FRAMING_UNTIL_CLOSE : FRAMING_CHUNKED;
    } else {
        f->framing = FRAMING_LENGTH;
        f->content_length = f->resp->framing == FRAMING_LENGTH ? f->resp->content_length : 0;
    }
    h->is_chunked = f->framing == FRAMING_CHUNKED;
    h->keeps_alive = h1_may_keep(c, s) && f->framing != FRAMING_UNTIL_CLOSE;
    f->keep_alive = h->keeps_alive;
}

static int
h1_send_head(struct stream *s, const struct http_resp *resp)
{
    struct conn *c = s->conn;
    struct forward_h1_response f = {.resp = resp};
    size_t before = buf_len(&c->out);
    int r;

    h1_choose_framing(c, s, &f);
    if (!worker_buf_ensure(c->w, &c->out, resp->head_bytes + FORWARD_EXTRA_BYTES))
        return GW_E_LIMIT;
    r = forward_response_write(&f, &c->out);
    if (r == GW_E_NOSPACE && worker_buf_ensure(c->w, &c->out, HEAD_BLOCK_BYTES - before))
        r = forward_response_write(&f, &c->out);
    if (r == 0)
        s->sent_bytes += buf_len(&c->out) - before;
    return r;
}

static void
h1_send_continue(struct stream *s)
{
    struct conn *c = s->conn;

    if (s->req.version == HTTP_11 && worker_buf_ensure(c->w, &c->out, 32) &&
        buf_append_str(&c->out, STR("HTTP/1.1 100 Continue\r\n\r\n")) == 0)
        conn_kick(c);
}

static size_t
framing_bytes(const struct h1_conn *h)
{
    return h->is_chunked ? H1_CHUNK_OVERHEAD : 0;
}

static size_t
h1_body_room(struct stream *s)
{
    struct conn *c = s->conn;
    size_t room = c->out.mem == NULL ? IO_BLOCK_BYTES : buf_free(&c->out);
    size_t framing = framing_bytes(c->h1);

    room = room > framing ? room - framing : 0;
    c->h1->is_blocked = room < IO_BLOCK_BYTES / 4;
    return size_min(room, IO_BLOCK_BYTES - framing);
}

static void
append(struct conn *c, struct str bytes)
{
    int r = buf_append_str(&c->out, bytes);

    gw_assert(r == 0); /* h1_body_room left room for it */
}

static void
h1_send_body(struct stream *s, struct str bytes)
{
    struct conn *c = s->conn;
    char head[H1_CHUNK_HEAD_MAX];
    size_t before;

    if (c->h1->has_no_body || bytes.len == 0)
        return;
    if (!worker_buf_ensure(c->w, &c->out, bytes.len + framing_bytes(c->h1))) {
        c->wants_abort = true;
        return;
    }
    before = buf_len(&c->out);
    if (c->h1->is_chunked)
        append(c, str_make(head, h1_chunk_head(head, bytes.len)));
    append(c, bytes);
    if (c->h1->is_chunked)
        append(c, STR("\r\n"));
    s->sent_bytes += buf_len(&c->out) - before;
}

static void
h1_send_end(struct stream *s)
{
    struct conn *c = s->conn;

    if (c->h1->is_chunked && !c->h1->has_no_body) {
        if (worker_buf_ensure(c->w, &c->out, H1_CHUNK_LAST.len))
            append(c, H1_CHUNK_LAST);
        else
            c->wants_abort = true;
        s->sent_bytes += H1_CHUNK_LAST.len;
    }
    stream_finish(s, s->end);
}

static void
h1_abort(struct stream *s)
{
    s->conn->h1->keeps_alive = false;
    s->conn->wants_abort = true;
    conn_kick(s->conn);
}

static void
h1_detach(struct stream *s)
{
    struct conn *c = s->conn;
    struct h1_conn *h = c->h1;

    h->stream = NULL;
    h->is_blocked = false;
    if (h->state == H1_BODY && h->keeps_alive && !c->is_draining) {
        h->state = H1_DISCARD;
        h->window_start_ms = worker_now_ms(c->w);
    } else {
        h1_next_request(c);
    }
}

/* Room was made in out: the response goes on. */
static void
h1_collect(struct conn *c)
{
    struct h1_conn *h = c->h1;

    if (h->is_blocked && h->stream != NULL && buf_len(&c->out) <= IO_BLOCK_BYTES / 2) {
        h->is_blocked = false;
        stream_step(h->stream);
    }
}

/* ---- time -------------------------------------------------------------------------------------
 */

static int64_t
h1_idle_timeout(const struct conn *c)
{
    const struct site_listener *l = conn_listener(c);

    return l == NULL ? IDLE_TIMEOUT_DEFAULT_MS : l->idle_timeout_ms;
}

static int64_t
h1_deadline(const struct conn *c)
{
    const struct h1_conn *h = c->h1;

    switch (h->state) {
    case H1_HEAD:
        if (h->head_started_ms != 0)
            return h->head_started_ms + REQUEST_HEAD_TIMEOUT_MS;
        return c->activity_ms + (c->is_draining ? DRAIN_FIRST_REQUEST_MS : h1_idle_timeout(c));
    case H1_BODY:
        return h->window_start_ms + BODY_GRACE_MS;
    case H1_DISCARD:
        return h->window_start_ms + LINGER_TIMEOUT_MS; /* however it dribbles */
    case H1_WAIT:
    case H1_END:
        break;
    }
    return 0;
}

/* Too few bytes in a window, and it was the client who kept us waiting. */
static void
h1_check_rate(struct conn *c, int64_t now_ms)
{
    struct h1_conn *h = c->h1;
    bool is_waiting = buf_len(&c->in) == 0;
    uint64_t least = (uint64_t)BODY_RATE_MIN * (BODY_GRACE_MS / 1000);

    if (is_waiting && h->window_bytes < least) {
        h->keeps_alive = false;
        h->state = H1_WAIT;
        if (h->stream->head_sent)
            stream_abort(h->stream, STREAM_END_CLIENT_TIMEOUT);
        else
            stream_refuse(h->stream, 408, STREAM_END_CLIENT_TIMEOUT);
        return;
    }
    h->window_start_ms = now_ms;
    h->window_bytes = 0;
}

static void
h1_head_too_slow(struct conn *c)
{
    struct stream *s = h1_refused_stream(c);

    if (s != NULL)
        stream_refuse(s, 408, STREAM_END_CLIENT_TIMEOUT);
}

static void
h1_on_deadline(struct conn *c, int64_t now_ms)
{
    struct h1_conn *h = c->h1;
    int64_t at = h1_deadline(c);

    if (at == 0 || now_ms < at)
        return;
    switch (h->state) {
    case H1_HEAD:
        if (h->head_started_ms != 0)
            h1_head_too_slow(c);
        else
            conn_finish(c, CONN_END_IDLE);
        break;
    case H1_BODY:
        h1_check_rate(c, now_ms);
        break;
    case H1_DISCARD:
        h->keeps_alive = false;
        h1_next_request(c);
        break;
    case H1_WAIT:
    case H1_END:
        break;
    }
}

static void
h1_drain(struct conn *c)
{
    struct h1_conn *h = c->h1;

    c->is_draining = true;
    if (h->state == H1_HEAD && buf_len(&c->in) == 0)
        h1_next_request(c);
}

static void
h1_done(struct conn *c)
{
    c->h1 = NULL; /* the arena has it */
}

const struct codec codec_h1 = {
    .version = "HTTP/1.1",
    .open = h1_open,
    .on_input = h1_on_input,
    .wants_read = h1_wants_read,
    .collect = h1_collect,
    .send_continue = h1_send_continue,
    .send_head = h1_send_head,
    .body_room = h1_body_room,
    .send_body = h1_send_body,
    .send_end = h1_send_end,
    .abort = h1_abort,
    .detach = h1_detach,
    .drain = h1_drain,
    .deadline = h1_deadline,
    .on_deadline = h1_on_deadline,
    .done = h1_done,
};
