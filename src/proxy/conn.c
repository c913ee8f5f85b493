/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of an accepted connection as one visible state machine (conn.h has the picture).
 * Called by the listener (accept), the loop (I/O, timer, end-of-turn task) and by streams
 * through conn_kick. Owns descriptor, TLS, buffers, identity. Does all client-side I/O;
 * knows nothing of HTTP beyond the codec interface.
 */
#include "proxy/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "proxy/stream.h"
#include "proxy/sweep.h"

static const char *const end_texts[] = {
#define X(name, text) text,
    CONN_ENDS
#undef X
};

const char *
conn_end_text(enum conn_end end)
{
    return end_texts[end];
}

const struct site_listener *
conn_listener(const struct conn *c)
{
    const struct site *site = c->w->site->site;

    return c->listener_index < site->listener_count ? &site->listeners[c->listener_index] : NULL;
}

/* ---- birth ------------------------------------------------------------------------------ */

static void on_io(void *arg, unsigned bits);
static void on_timer(void *arg);
static int64_t conn_deadline(const struct conn *c);

static void
on_step_task(void *arg)
{
    struct conn *c = arg;

    if (c->state != CONN_CLOSED)
        conn_step(c);
}

static void
conn_free(struct conn *c)
{
    struct worker *w = c->w;

    list_remove(&c->link);
    loop_task_cancel(&c->step_task);
    loop_task_cancel(&c->free_task);
    loop_timer_done(&c->timer);
    arena_done(&c->arena);
    c->magic = MAGIC_DEAD;
    pool_release(&w->conn_pool, c);
}

static void
on_free_task(void *arg)
{
    conn_free(arg);
}

void
conns_reap(struct worker *w)
{
    list_for_each_safe (node, &w->dead_conns)
        conn_free(container_of(node, struct conn, link));
}

static void
conn_trace_id_make(struct conn *c)
{
    uint8_t random[16];

    worker_random(c->w, random, sizeof(random));
    memcpy(c->trace_id, "TID_", 4);
    str_hex_lower(c->trace_id + 4, random, sizeof(random));
    c->trace_id[36] = '\0';
}

static struct conn *
conn_new(struct worker *w, struct worker_listener *wl, int fd, const struct addr *from)
{
    struct conn *c = pool_acquire(&w->conn_pool);

    if (c == NULL)
        return NULL;
    memset(c, 0, sizeof(*c));
    c->magic = MAGIC_CONN;
    c->w = w;
    c->fd = fd;
    c->peer = *from;
    c->client = *from;
    c->local = wl->local;
    c->listener_index = wl->index;
    c->listener_port = addr_port(&wl->local);
    c->accepted_us = loop_now(w->loop)->mono_us;
    c->started_ms = worker_now_ms(w);
    list_init(&c->streams);
    arena_init(&c->arena, CONN_ARENA_BLOCK, CONN_ARENA_MAX);
    loop_task_init(&c->step_task, on_step_task, c);
    loop_task_init(&c->free_task, on_free_task, c);
    loop_timer_init(w->loop, &c->timer, on_timer, c);
    conn_trace_id_make(c);
    c->source = SOURCES_NONE;
    list_push_tail(&w->conns, &c->link);
    list_push_tail(&w->pending_conns, &c->pending);
    w->conn_count++;
    w->handshake_count++;
    metrics_add(&w->metrics, METRIC_CONNECTIONS_ACCEPTED, 1);
    metrics_add(&w->metrics, METRIC_CONNECTIONS_ACTIVE, 1);
    metrics_add(&w->metrics, METRIC_HANDSHAKES_PENDING, 1);
    return c;
}

/* Which phase comes first is the listener's; an untrusted source may not speak PROXY. False: the
 * connection is closed. */
static bool
conn_begin(struct conn *c)
{
    const struct site_listener *l = conn_listener(c);
    bool is_trusted = conn_proxy_may_speak(l, &c->peer);

    c->listener_name = arena_str(&c->arena, l->name);
    c->elb = arena_str(&c->arena, l->elb);
    c->state = l->proxy_mode != PROXY_OFF && is_trusted ? CONN_PROXY : CONN_HANDSHAKE;
    if (c->listener_name.ptr == NULL || c->elb.ptr == NULL)
        conn_close(c, CONN_END_LIMIT);
    else if (l->proxy_mode == PROXY_REQUIRED && !is_trusted)
        conn_proxy_failed(c, "proxy_protocol is required, and this address is no trusted source");
    else if (c->state == CONN_HANDSHAKE)
        return conn_count_source(c);
    return c->state != CONN_CLOSED;
}

/* Room for one more that is not yet known. Whoever has dallied longest gives way, so that a crowd
 * of slow connections does not shut out those who would be through in milliseconds. A source that
 * has its share of places waits for its own. */
static bool
has_handshake_room(struct worker *w, uint16_t source)
{
    bool is_full = sources_is_full(&w->sources, source);
    struct conn *oldest;

    if (w->handshake_count < WORKER_HANDSHAKES_MAX && !is_full)
        return true;
    oldest = container_of(w->pending_conns.next, struct conn, pending);
    if (loop_now(w->loop)->mono_us - oldest->accepted_us < HANDSHAKE_PATIENCE_MS * 1000 ||
        (is_full && oldest->source != source))
        return false;
    metrics_add(&w->metrics, METRIC_HANDSHAKES_EVICTED, 1);
    conn_close(oldest, CONN_END_LIMIT);
    return true;
}

bool
conn_count_source(struct conn *c)
{
    struct worker *w = c->w;

    c->source = sources_slot(&w->sources, &c->client);
    if (!sources_is_full(&w->sources, c->source)) {
        sources_enter(&w->sources, c->source);
        return true;
    }
    c->source = SOURCES_NONE;
    metrics_add(&w->metrics, METRIC_CONNECTIONS_REJECTED, 1);
    conn_close(c, CONN_END_LIMIT);
    return false;
}

/* A load balancer that says whom it brings is no source of its own. */
static uint16_t
accept_source(const struct worker *w, const struct worker_listener *wl, const struct addr *from)
{
    const struct site_listener *l = &w->site->site->listeners[wl->index];
    bool brings_others = l->proxy_mode != PROXY_OFF && conn_proxy_may_speak(l, from);

    return brings_others ? SOURCES_NONE : sources_slot(&w->sources, from);
}

void
conn_accept(struct worker *w, struct worker_listener *wl, int fd, const struct addr *from)
{
    struct conn *c = NULL;

    if (!w->is_draining && has_handshake_room(w, accept_source(w, wl, from)))
        c = conn_new(w, wl, fd, from);
    if (c == NULL) {
        metrics_add(&w->metrics, METRIC_CONNECTIONS_REJECTED, 1);
        sock_close_reset(fd);
        if (w->conn_count >= WORKER_CONNS_MAX)
            listener_pause(&wl->ls);
        return;
    }
    if (!conn_begin(c))
        return;
    if (loop_watch_add(w->loop, &c->watch, fd, on_io, c) != 0) {
        conn_close(c, CONN_END_IO);
        return;
    }
    loop_timer_set(&c->timer, conn_deadline(c));
}

/* ---- the end ---------------------------------------------------------------------------- */

static void
conn_leave_handshake(struct conn *c)
{
    list_remove(&c->pending);
    sources_leave(&c->w->sources, c->source);
    c->source = SOURCES_NONE;
    c->w->handshake_count--;
    metrics_sub(&c->w->metrics, METRIC_HANDSHAKES_PENDING, 1);
}

static void
conn_log_end(struct conn *c)
{
    char ip[ADDR_TEXT_MAX];

    if (!log_is_on(LOG_DEBUG))
        return;
    addr_format_ip(&c->peer, ip);
    log_event(LOG_DEBUG, "conn", "%s from %s ended: %s (%llu requests, %llu bytes in, %llu out)",
              c->trace_id, ip, conn_end_text(c->end), (unsigned long long)c->request_count,
              (unsigned long long)c->bytes_in, (unsigned long long)c->bytes_out);
}

static int conn_write(struct conn *c);

/* Last words to a client that is cut off for a reason it should know: GOAWAY, close_notify. As far
 * as the socket takes them now. An HTTP/1 response may end with the connection: when it was cut,
 * close_notify would make it whole. */
static void
conn_farewell(struct conn *c, bool is_cut)
{
    c->is_stepping = true; /* whatever fails in here, the connection is being closed */
    c->codec->drain(c);
    c->codec->collect(c);
    if (conn_write(c) == 0 && !(is_cut && c->codec == &codec_h1))
        (void)!tls_shutdown(c->tls);
    c->is_stepping = false;
}

static void
conn_close_now(struct conn *c)
{
    struct worker *w = c->w;
    enum conn_end end = c->end;
    bool is_cut = c->stream_count > 0 || c->wants_abort;

    list_for_each_safe (node, &c->streams)
        stream_cancel(container_of(node, struct stream, link),
                      end == CONN_END_REVOKED ? STREAM_END_REVOKED : STREAM_END_CLIENT_CLOSED);
    if (c->state < CONN_OPEN)
        conn_leave_handshake(c);
    if (c->state == CONN_OPEN &&
        (end == CONN_END_REVOKED || end == CONN_END_POLICY || end == CONN_END_DRAINED))
        conn_farewell(c, is_cut);
    conn_log_end(c);
    if (c->codec != NULL)
        c->codec->done(c);
    c->codec = NULL;
    c->state = CONN_CLOSED;
    sweep_on_conn_gone(w, c);
    loop_watch_remove(&c->watch);
    tls_free(c->tls);
    c->tls = NULL;
    client_unref(c->cl);
    c->cl = NULL;
    c->identity = NULL;
    if (end == CONN_END_PROXY_HEADER || end == CONN_END_SLOW)
        sock_close_reset(c->fd);
    else
        close(c->fd);
    c->fd = -1;
    worker_buf_drop(w, &c->in);
    worker_buf_drop(w, &c->out);
    loop_timer_set(&c->timer, 0);
    list_remove(&c->link);
    list_push_tail(&w->dead_conns, &c->link);
    loop_defer(w->loop, &c->free_task);
    w->conn_count--;
    metrics_sub(&w->metrics, METRIC_CONNECTIONS_ACTIVE, 1);
    worker_on_conn_gone(w);
}

void
conn_close(struct conn *c, enum conn_end end)
{
    if (c->state == CONN_CLOSED)
        return;
    magic_check(c, MAGIC_CONN);
    if (c->end == CONN_END_NONE)
        c->end = end;
    if (c->is_stepping)
        c->must_close = true;
    else
        conn_close_now(c);
}

void
conn_finish(struct conn *c, enum conn_end end)
{
    if (c->state >= CONN_FLUSH)
        return;
    gw_assert(c->state == CONN_OPEN);
    c->end = end;
    c->state = CONN_FLUSH;
    c->started_ms = worker_now_ms(c->w);
    conn_kick(c);
}

void
conn_drain(struct conn *c)
{
    if (c->is_draining || c->state >= CONN_FLUSH)
        return;
    c->is_draining = true;
    if (c->state == CONN_OPEN)
        c->codec->drain(c);
    conn_kick(c);
}

void
conn_kick(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    loop_defer(c->w->loop, &c->step_task);
}

/* ---- TLS handshake ---------------------------------------------------------------------- */

static void
conn_open(struct conn *c)
{
    conn_leave_handshake(c);
    c->state = CONN_OPEN;
    c->activity_ms = worker_now_ms(c->w);
    c->codec = tls_alpn(c->tls) == TLS_ALPN_H2 ? &codec_h2 : &codec_h1;
    metrics_add(&c->w->metrics,
                tls_is_resumed(c->tls) ? METRIC_HANDSHAKES_RESUMED : METRIC_HANDSHAKES_FULL, 1);
    if (c->codec->open(c) != 0) {
        c->codec = NULL;
        conn_close(c, CONN_END_LIMIT);
        return;
    }
    if (c->is_draining)
        c->codec->drain(c);
}

/* Nothing but perhaps a PROXY header ever came. */
static bool
conn_is_silent(const struct conn *c)
{
    return c->tls == NULL ? !c->got_bytes : !tls_got_bytes(c->tls);
}

/* The alert has been written; give the client time to read it instead of a reset. */
static void
conn_handshake_failed(struct conn *c)
{
    c->end = CONN_END_HANDSHAKE;
    if (c->refusal == REASON_NONE)
        c->refusal = tls_reason(c->tls);
    if (c->refusal == REASON_NONE && conn_is_silent(c)) {
        conn_probed(c);
        return;
    }
    if (c->refusal == REASON_NONE)
        c->refusal = REASON_UNMAPPED;
    metrics_add(&c->w->metrics, METRIC_HANDSHAKES_FAILED, 1);
    metrics_refused(&c->w->metrics, c->refusal);
    conn_note_leaf(c);
    conn_log_line(c);
    conn_leave_handshake(c);
    c->sent_notify = true;
    c->state = CONN_FLUSH;
    c->started_ms = worker_now_ms(c->w);
}

static void
conn_step_handshake(struct conn *c)
{
    const struct site_listener *l = conn_listener(c);
    int r;

    if (!c->got_bytes)
        return; /* no TLS object before the first byte: health checks stay cheap */
    if (c->tls == NULL) {
        c->tls = tls_accept(c->w->snap->tls_servers[l->policies[0].tls_index], c->fd,
                            &conn_tls_hooks, c);
        if (c->tls == NULL) {
            conn_close(c, CONN_END_LIMIT);
            return;
        }
        c->hello_us = loop_now(c->w->loop)->mono_us;
        tls_on_ready(c->tls, true, true, false);
    }
    r = tls_handshake(c->tls);
    if (r == GW_E_WANT_READ || r == GW_E_WANT_WRITE)
        return;
    if (r != 0) {
        conn_handshake_failed(c);
        return;
    }
    if (conn_establish(c) != 0) {
        conn_handshake_failed(c);
        return;
    }
    conn_open(c);
    if (!conn_is_closing(c))
        conn_log_line(c);
}

/* ---- open: reading and writing ----------------------------------------------------------- */

static void
conn_read_ended(struct conn *c, int err)
{
    c->saw_eof = true;
    if (err == GW_E_CLOSED)
        c->end = CONN_END_CLIENT_CLOSED;
    else
        c->end = err == GW_E_RESET ? CONN_END_CLIENT_RESET : CONN_END_IO;
}

/* True when something was read. */
static bool
conn_read(struct conn *c)
{
    size_t n = 0;
    int r;

    if (c->saw_eof || !c->codec->wants_read(c))
        return false;
    if (!worker_buf_ensure(c->w, &c->in, 1))
        return false;
    r = tls_read(c->tls, buf_tail(&c->in), buf_room(&c->in), &n);
    c->has_news = false;
    if (r != 0) {
        if (err_class(r) != ERR_CLASS_BLOCKED)
            conn_read_ended(c, r);
        return c->saw_eof;
    }
    buf_commit(&c->in, n);
    c->bytes_in += n;
    c->activity_ms = worker_now_ms(c->w);
    metrics_add(&c->w->metrics, METRIC_CLIENT_BYTES_IN, n);
    return true;
}

/* 0 when out is empty, WANT_*, or the error. */
static int
conn_write(struct conn *c)
{
    while (buf_len(&c->out) > 0) {
        struct str s = buf_peek(&c->out);
        size_t n = 0;
        int r = tls_write(c->tls, s.ptr, s.len, &n);

        if (r != 0) {
            if (c->write_ms == 0)
                c->write_ms = worker_now_ms(c->w);
            return r;
        }
        buf_consume(&c->out, n);
        c->bytes_out += n;
        c->activity_ms = worker_now_ms(c->w);
        c->write_ms = 0;
        metrics_add(&c->w->metrics, METRIC_CLIENT_BYTES_OUT, n);
    }
    c->write_ms = 0;
    return 0;
}

/* One round: output that is ready leaves first, then input is taken. True when it moved. */
static bool
conn_open_round(struct conn *c)
{
    bool has_moved = false;
    size_t before;
    int r;

    c->codec->collect(c);
    before = buf_len(&c->out);
    r = conn_write(c);
    if (r != 0 && err_class(r) != ERR_CLASS_BLOCKED) {
        conn_close(c, r == GW_E_CLOSED || r == GW_E_RESET ? CONN_END_CLIENT_RESET : CONN_END_IO);
        return false;
    }
    has_moved = buf_len(&c->out) < before;
    if (conn_read(c)) {
        has_moved = true;
        c->codec->on_input(c);
    } else if (has_moved) {
        c->codec->on_input(c); /* room was made: what waited for it may go on */
    }
    return has_moved;
}

static void
conn_after_rounds(struct conn *c)
{
    if (c->state != CONN_OPEN)
        return;
    if (c->wants_abort) {
        conn_close(c, CONN_END_PROTOCOL);
        return;
    }
    if (c->saw_eof && buf_len(&c->in) == 0) {
        conn_close(c, c->end);
        return;
    }
    if (c->saw_eof && c->stream_count > 0) {
        conn_close(c, c->end); /* gone while it waits for an answer */
        return;
    }
    if (c->saw_eof && !c->wants_close) {
        conn_close(c, c->end); /* the rest can never become a request */
        return;
    }
    if (c->wants_close && c->stream_count == 0)
        conn_finish(c, c->is_draining ? CONN_END_DRAINED : CONN_END_DONE);
}

static void
conn_step_open(struct conn *c)
{
    int rounds = 0;

    c->codec->on_input(c);
    while (c->state == CONN_OPEN && !c->must_close && conn_open_round(c)) {
        if (++rounds >= STEP_ROUNDS_MAX) {
            c->must_step = true;
            break;
        }
    }
    if (c->state == CONN_OPEN && !c->must_close) {
        c->codec->collect(c);
        if (buf_len(&c->out) > 0 && c->write_ms == 0)
            c->must_step = true;
    }
    if (!c->must_close)
        conn_after_rounds(c);
    if (c->state != CONN_OPEN || c->must_close)
        return;
    worker_buf_trim(c->w, &c->in);
    worker_buf_trim(c->w, &c->out);
}

/* ---- closing ----------------------------------------------------------------------------- */

static void
conn_step_flush(struct conn *c)
{
    int r = conn_write(c);

    if (r == 0 && !c->sent_notify) {
        r = tls_shutdown(c->tls);
        c->sent_notify = r == 0;
    }
    if (r != 0 && err_class(r) == ERR_CLASS_BLOCKED)
        return;
    if (r != 0 || c->saw_eof) {
        conn_close(c, c->end);
        return;
    }
    shutdown(c->fd, SHUT_WR);
    c->state = CONN_LINGER;
    c->started_ms = worker_now_ms(c->w);
}

/* Reads and drops raw bytes, so that our last words are not lost to a reset. */
static void
conn_step_linger(struct conn *c)
{
    char sink[16384];
    ssize_t n;

    for (int i = 0; i < STEP_ROUNDS_MAX; i++) {
        n = recv(c->fd, sink, sizeof(sink), 0);
        if (n > 0) {
            c->linger_bytes += (uint64_t)n;
            if (c->linger_bytes <= LINGER_BYTES_MAX)
                continue;
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        conn_close(c, c->end);
        return;
    }
    c->must_step = true;
}

/* ---- the machine -------------------------------------------------------------------------- */

static int64_t
earlier(int64_t a, int64_t b)
{
    if (a == 0 || b == 0)
        return a == 0 ? b : a;
    return a < b ? a : b;
}

/* When the certificate or its list ends, on the monotonic clock. */
static int64_t
conn_validity_deadline(const struct conn *c)
{
    const struct clock *now = loop_now(c->w->loop);
    int64_t left_s;

    if (c->cl == NULL || c->valid_until_s == INT64_MAX)
        return 0;
    left_s = c->valid_until_s - clock_wall_s(now);
    if (left_s > VALIDITY_CHECK_MAX_S)
        left_s = VALIDITY_CHECK_MAX_S;
    return now->mono_ms + (left_s < 0 ? 0 : left_s) * 1000 + 1000;
}

static int64_t
conn_deadline(const struct conn *c)
{
    int64_t at = 0;

    switch (c->state) {
    case CONN_PROXY:
        return c->started_ms + PROXY_HEADER_TIMEOUT_MS;
    case CONN_HANDSHAKE:
        return c->started_ms + HANDSHAKE_TIMEOUT_MS;
    case CONN_OPEN:
        at = earlier(c->codec->deadline(c), conn_validity_deadline(c));
        at = earlier(at, c->leave_ms);
        return c->write_ms == 0 ? at : earlier(at, c->write_ms + WRITE_STALL_TIMEOUT_MS);
    case CONN_FLUSH:
    case CONN_LINGER:
        return c->started_ms + LINGER_TIMEOUT_MS;
    case CONN_CLOSED:
        break;
    }
    return 0;
}

static void
conn_step_once(struct conn *c)
{
    enum conn_state before;

    do {
        before = c->state;
        switch (c->state) {
        case CONN_PROXY:
            conn_step_proxy(c);
            break;
        case CONN_HANDSHAKE:
            conn_step_handshake(c);
            break;
        case CONN_OPEN:
            conn_step_open(c);
            break;
        case CONN_FLUSH:
            conn_step_flush(c);
            break;
        case CONN_LINGER:
            conn_step_linger(c);
            break;
        case CONN_CLOSED:
            break;
        }
    } while (c->state != before && !conn_is_closing(c));
}

void
conn_step(struct conn *c)
{
    magic_check(c, MAGIC_CONN);
    gw_assert(!c->is_stepping);
    if (c->state < CONN_OPEN && conn_listener(c) == NULL) {
        conn_close(c, CONN_END_POLICY); /* its listener went before it was let in */
        return;
    }
    c->is_stepping = true;
    c->must_step = false;
    conn_step_once(c);
    c->is_stepping = false;
    if (c->must_close) {
        conn_close_now(c);
        return;
    }
    if (c->must_step)
        conn_kick(c);
    loop_timer_set(&c->timer, conn_deadline(c));
}

static void
on_io(void *arg, unsigned bits)
{
    struct conn *c = arg;

    magic_check(c, MAGIC_CONN);
    if (bits & LOOP_READ) {
        c->has_news = true;
        c->got_bytes = true;
    }
    if (c->tls != NULL)
        tls_on_ready(c->tls, (bits & LOOP_READ) != 0, (bits & LOOP_WRITE) != 0,
                     (bits & LOOP_CLOSED) != 0);
    conn_step(c);
}

static void
conn_handshake_timeout(struct conn *c)
{
    if (conn_is_silent(c)) {
        conn_probed(c);
        return;
    }
    c->refusal = REASON_HANDSHAKE_TIMEOUT;
    metrics_add(&c->w->metrics, METRIC_HANDSHAKES_FAILED, 1);
    metrics_refused(&c->w->metrics, c->refusal);
    conn_note_leaf(c);
    conn_log_line(c);
    conn_close(c, CONN_END_HANDSHAKE_TIMEOUT);
}

static void
conn_open_deadline(struct conn *c, int64_t now)
{
    if (c->write_ms != 0 && now >= c->write_ms + WRITE_STALL_TIMEOUT_MS) {
        conn_close(c, CONN_END_SLOW);
        return;
    }
    if (c->leave_ms != 0 && now >= c->leave_ms) {
        conn_close(c, CONN_END_POLICY);
        return;
    }
    if (c->cl != NULL && clock_wall_s(loop_now(c->w->loop)) > c->valid_until_s) {
        c->judged_epoch = 0; /* before any: forces a new judgement */
        if (!sweep_judge(c))
            return;
    }
    c->codec->on_deadline(c, now);
    if (c->state != CONN_CLOSED)
        conn_step(c);
}

static void
on_timer(void *arg)
{
    struct conn *c = arg;
    int64_t now = worker_now_ms(c->w);

    magic_check(c, MAGIC_CONN);
    switch (c->state) {
    case CONN_PROXY:
        if (c->got_bytes)
            conn_proxy_failed(c, "the PROXY protocol header took longer than its deadline");
        else
            conn_probed(c);
        break;
    case CONN_HANDSHAKE:
        conn_handshake_timeout(c);
        break;
    case CONN_OPEN:
        conn_open_deadline(c, now);
        break;
    case CONN_FLUSH:
    case CONN_LINGER:
        conn_close(c, c->end);
        break;
    case CONN_CLOSED:
        break;
    }
}
