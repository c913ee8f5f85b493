/* SPDX-License-Identifier: Apache-2.0
 *
 * The body pump and the response head: bytes go from the codec into the upstream's buffer
 * and from the upstream's buffer to the codec, re-framed on the way, and stop where the
 * other side has no room. Called by stream only. An upstream that breaks HTTP is a 502, or
 * an aborted response once the head is out; never a clean end.
 */
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "proxy/stream.h"
#include "proxy/upstream.h"

/* ---- towards the upstream -------------------------------------------------------------------- */

int
relay_request_head(struct stream *s)
{
    struct conn *c = s->conn;
    struct uconn *u = s->uconn;
    struct forward_request f = {
        .settings = &s->listener->forward,
        .conn = &c->forward,
        .req = &s->req,
        .host = s->upstream->conf->host_header,
        .wall_s = clock_wall_s(loop_now(c->w->loop)),
        .framing = s->body_framing,
    };
    size_t need = s->req.head_bytes + c->forward.identity_block.len + FORWARD_EXTRA_BYTES;
    int r;

    worker_random(c->w, f.trace_random, sizeof(f.trace_random));
    buf_reset(&u->out);
    if (!worker_buf_ensure(c->w, &u->out, size_min(need, HEAD_BLOCK_BYTES)))
        return GW_E_NOSPACE;
    r = forward_request_write(&f, &u->out, &s->arena, &s->trace_id);
    if (r == GW_E_NOSPACE && u->out.cap < HEAD_BLOCK_BYTES &&
        worker_buf_ensure(c->w, &u->out, HEAD_BLOCK_BYTES))
        r = forward_request_write(&f, &u->out, &s->arena, &s->trace_id);
    return r;
}

static size_t
framing_bytes(const struct stream *s)
{
    return s->body_framing == FRAMING_CHUNKED ? H1_CHUNK_OVERHEAD : 0;
}

size_t
stream_body_room(const struct stream *s)
{
    const struct uconn *u = s->uconn;
    size_t room;

    if (s->state == STREAM_REPLY || s->state == STREAM_FLUSH)
        return IO_BLOCK_BYTES; /* swallowed */
    if (s->state != STREAM_RELAY || u == NULL || u->state != UCONN_OPEN)
        return 0;
    if (u->write_failed)
        return IO_BLOCK_BYTES;
    room = u->out.mem == NULL ? IO_BLOCK_BYTES : buf_free(&u->out);
    return room > framing_bytes(s) ? room - framing_bytes(s) : 0;
}

static void
append(struct buf *b, struct str bytes)
{
    int r = buf_append_str(b, bytes);

    gw_assert(r == 0); /* room was asked for before */
}

void
stream_body_push(struct stream *s, struct str payload)
{
    struct uconn *u = s->uconn;
    char head[H1_CHUNK_HEAD_MAX];

    s->body_bytes += payload.len;
    if (s->state != STREAM_RELAY || u->write_failed || payload.len == 0)
        return;
    gw_assert(payload.len <= stream_body_room(s));
    if (!worker_buf_ensure(s->conn->w, &u->out, payload.len + framing_bytes(s))) {
        u->write_failed = true; /* the worker is out of buffers: the request cannot be completed */
        return;
    }
    s->body_sent += payload.len;
    s->is_replayable = false;
    if (s->body_framing == FRAMING_CHUNKED) {
        append(&u->out, str_make(head, h1_chunk_head(head, payload.len)));
        append(&u->out, payload);
        append(&u->out, STR("\r\n"));
    } else {
        append(&u->out, payload);
    }
    u->activity_ms = worker_now_ms(s->conn->w);
    uconn_kick(u);
}

/* The end of our framing, as soon as there is a buffer for it. */
static void
relay_body_end(struct stream *s)
{
    struct uconn *u = s->uconn;

    if (!s->body_done || s->body_end_sent || u == NULL || u->state == UCONN_CLOSED)
        return;
    if (s->body_framing == FRAMING_CHUNKED && !u->write_failed) {
        if (!worker_buf_ensure(s->conn->w, &u->out, H1_CHUNK_LAST.len))
            return;
        append(&u->out, H1_CHUNK_LAST);
    }
    s->body_end_sent = true;
    u->activity_ms = worker_now_ms(s->conn->w);
    uconn_kick(u);
}

void
stream_body_end(struct stream *s)
{
    s->body_done = true;
    if (s->state == STREAM_RELAY)
        relay_body_end(s);
}

/* ---- from the upstream
 * --------------------------------------------------------------------------- */

static void
relay_malformed(struct stream *s, enum h1_fault fault)
{
    s->failure = str_from(h1_fault_text(fault));
    if (s->head_sent) {
        stream_abort(s, STREAM_END_UPSTREAM_MALFORMED);
        return;
    }
    stream_refuse(s, 502, STREAM_END_UPSTREAM_MALFORMED);
}

static void
relay_closed(struct stream *s)
{
    s->uconn->error = UCONN_ERROR_CLOSED;
    stream_on_uconn_failed(s);
}

/* A complete head was parsed. False: interim, look for the next one. */
static int
relay_take_head(struct stream *s, enum h1_fault *ret_fault)
{
    struct uconn *u = s->uconn;

    if (s->resp.status >= 100 && s->resp.status < 200) {
        *ret_fault = H1_FAULT_BAD_STATUS;
        if (s->resp.status == 101 || ++s->interim_count > RESPONSE_INTERIM_MAX)
            return GW_E_PROTO;
        h1_scan_init(&u->scan, false);
        return GW_E_AGAIN;
    }
    s->has_resp = true;
    s->target_status = s->resp.status;
    s->head_us = loop_now(s->conn->w->loop)->mono_us;
    u->has_head = true;
    u->keep_alive = s->resp.keep_alive && s->resp.framing != FRAMING_UNTIL_CLOSE;
    h1_body_init(&u->body, s->resp.framing, s->resp.content_length);
    return 0;
}

/* 0: has_resp. AGAIN: more input needed. PROTO: malformed. */
static int
relay_read_head(struct stream *s, enum h1_fault *ret_fault)
{
    struct uconn *u = s->uconn;
    struct str head;
    size_t len = 0;
    int r;

    *ret_fault = H1_FAULT_HEAD_TOO_LONG;
    do {
        r = h1_scan(&u->scan, buf_peek(&u->in), &len, ret_fault);
        if (r == GW_E_AGAIN && u->read_stopped)
            return GW_E_PROTO; /* the buffer is as large as a head may be */
        if (r != 0)
            return r;
        head = arena_str(&s->arena, str_make(buf_peek(&u->in).ptr, len));
        if (head.ptr == NULL)
            return GW_E_PROTO;
        buf_consume(&u->in, len);
        r = h1_parse_response(head, s->req.method, &s->arena, &s->resp, ret_fault);
        if (r == 0 && s->resp.status >= 200)
            r = hygiene_response(&s->resp, ret_fault);
        if (r == 0)
            r = relay_take_head(s, ret_fault);
    } while (r == GW_E_AGAIN && buf_len(&u->in) > 0);
    return r;
}

/* Gives the head to the codec. False when the stream is over. */
static bool
relay_send_head(struct stream *s)
{
    struct conn *c = s->conn;

    if (forward_response_prepare(&s->listener->forward, &s->resp) != 0) {
        relay_malformed(s, H1_FAULT_TOO_MANY_HEADERS);
        return false;
    }
    s->status = s->resp.status;
    if (c->codec->send_head(s, &s->resp) != 0) {
        s->status = 0;
        relay_malformed(s, H1_FAULT_HEAD_TOO_LONG);
        return false;
    }
    s->head_sent = true;
    conn_kick(c);
    return true;
}

/* Moves body bytes while both sides can. False when the stream is over. */
static bool
relay_send_body(struct stream *s)
{
    struct conn *c = s->conn;
    struct uconn *u = s->uconn;
    enum h1_fault fault;
    struct str in;
    struct str payload;
    size_t used;

    while (!u->body.is_done) {
        in = buf_peek(&u->in);
        in.len = size_min(in.len, c->codec->body_room(s));
        used = 0;
        if (in.len == 0)
            break;
        if (h1_body_decode(&u->body, in, &used, &payload, &fault) == GW_E_PROTO) {
            relay_malformed(s, fault);
            return false;
        }
        if (payload.len > 0) {
            c->codec->send_body(s, payload);
            s->resp_bytes += payload.len;
            s->progress_ms = worker_now_ms(c->w);
            conn_kick(c);
        }
        if (used == 0)
            break;
        buf_consume(&u->in, used);
    }
    if (u->read_stopped && buf_free(&u->in) > 0)
        uconn_kick(u);
    return true;
}

static void
relay_response(struct stream *s)
{
    struct uconn *u = s->uconn;
    enum h1_fault fault;
    int r;

    if (!s->has_resp) {
        r = relay_read_head(s, &fault);
        if (r == GW_E_AGAIN) {
            if (u->is_eof)
                relay_closed(s);
            return;
        }
        if (r != 0) {
            relay_malformed(s, fault);
            return;
        }
    }
    if (!s->head_sent && !relay_send_head(s))
        return;
    if (!relay_send_body(s))
        return;
    if (!u->body.is_done && u->is_eof && buf_len(&u->in) == 0) {
        if (!u->eof_is_clean || h1_body_eof(&u->body) != 0) {
            relay_closed(s);
            return;
        }
        u->body.is_done = true;
    }
    if (u->body.is_done) {
        conn_kick(s->conn);
        stream_flush(s);
    }
}

void
relay_step(struct stream *s)
{
    struct uconn *u = s->uconn;

    gw_assert(u != NULL && u->stream == s);
    if (u->state != UCONN_OPEN)
        return;
    if (s->dispatched_us == 0)
        s->dispatched_us = loop_now(s->conn->w->loop)->mono_us;
    relay_body_end(s);
    if (!s->body_done && stream_body_room(s) > 0)
        conn_kick(s->conn); /* the codec may hold body bytes that now fit */
    relay_response(s);
}
