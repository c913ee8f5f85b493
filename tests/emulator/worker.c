/* SPDX-License-Identifier: Apache-2.0
 *
 * One worker of the emulator: accepts, waits, moves bytes. Runs on its own thread and
 * owns its connections. Readiness is edge-triggered and registered once; a connection
 * that has had its turns waits on the ready list while others get theirs. It must never
 * read ahead while an answer is waiting to be written.
 */
#include "emulator.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What a turn of a connection ended with. */
enum turn { TURN_AGAIN, TURN_WAIT, TURN_CLOSE };

/* Result of moving bytes: a count, or: */
enum { IO_WAIT = -1, IO_END = -2 };

static void
conn_free(struct em_conn *c)
{
    struct em_worker *w = c->worker;

    if (c->prev)
        c->prev->next = c->next;
    else
        w->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    SSL_free(c->ssl);
    close(c->fd);
    EVP_MD_CTX_free(c->digest);
    bytes_free(&c->out);
    bytes_free(&c->trailers);
    free(c->in);
    free(c);
}

static ssize_t
io_result_tls(SSL *ssl, int n)
{
    int why;

    if (n > 0)
        return n;
    why = SSL_get_error(ssl, n);
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? IO_WAIT : IO_END;
}

static ssize_t
io_result_plain(ssize_t n)
{
    if (n > 0)
        return n;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return IO_WAIT;
    return IO_END;
}

static ssize_t
conn_read(struct em_conn *c, void *p, size_t n)
{
    ssize_t got;

    if (c->ssl)
        return io_result_tls(c->ssl, SSL_read(c->ssl, p, (int)n));
    got = recv(c->fd, p, n, 0);
    c->is_drained = got > 0 && (size_t)got < n;
    return io_result_plain(got);
}

static ssize_t
conn_write(struct em_conn *c, const void *p, size_t n)
{
    if (c->ssl)
        return io_result_tls(c->ssl, SSL_write(c->ssl, p, (int)size_min(n, 1 << 30)));
    return io_result_plain(send(c->fd, p, n, MSG_NOSIGNAL));
}

static enum turn
turn_of(ssize_t n)
{
    return n == IO_WAIT ? TURN_WAIT : n == IO_END ? TURN_CLOSE : TURN_AGAIN;
}

static enum turn
turn_flush(struct em_conn *c)
{
    ssize_t n = conn_write(c, c->out.ptr + c->out_at, c->out.len - c->out_at);

    if (n < 0)
        return turn_of(n);
    c->out_at += (size_t)n;
    if (c->out_at < c->out.len)
        return TURN_AGAIN;
    c->out.len = 0;
    c->out_at = 0;
    if (c->out.cap > EM_OUT_KEEP)
        bytes_free(&c->out);
    return TURN_AGAIN;
}

static enum turn
turn_stream(struct em_conn *c)
{
    size_t from = (size_t)(c->stream_at % EM_PATTERN_BYTES);
    size_t n = EM_PATTERN_BYTES - from;
    ssize_t did;

    if (c->stream_left < n)
        n = (size_t)c->stream_left;
    did = conn_write(c, c->worker->shared->pattern + from, n);
    if (did < 0)
        return turn_of(did);
    c->stream_at += (uint64_t)did;
    c->stream_left -= (uint64_t)did;
    return TURN_AGAIN;
}

/* Everything is written: FIN, then read on for a moment so that the peer sees the answer
 * and not a reset. */
static void
linger_begin(struct em_conn *c)
{
    if (c->ssl)
        SSL_shutdown(c->ssl);
    shutdown(c->fd, SHUT_WR);
    c->state = EM_LINGER;
}

static enum turn
turn_linger(struct em_conn *c)
{
    char waste[16384];

    return turn_of(io_result_plain(recv(c->fd, waste, sizeof(waste), 0)));
}

static void
log_request(const struct em_conn *c)
{
    const struct em_request *r = &c->req;
    struct bytes line = {0};

    if (c->worker->shared->log_fd < 0)
        return;
    bytes_printf(&line, "%llu %d ", (unsigned long long)c->number, r->status);
    em_json_string(&line, r->method);
    bytes_puts(&line, " ");
    em_json_string(&line, r->target);
    bytes_puts(&line, " ");
    em_json_string(&line, r->host);
    bytes_printf(&line, " %llu\n", (unsigned long long)r->body_bytes);
    if (write(c->worker->shared->log_fd, line.ptr, line.len) < 0)
        perror("execute-api: access log");
    bytes_free(&line);
}

/* The request is answered: what is left in the input belongs to the next one. */
static void
request_finish(struct em_conn *c)
{
    em_request_end(c);
    log_request(c);
    c->in_len -= c->head_len;
    if (c->in_len > 0)
        memmove(c->in, c->in + c->head_len, c->in_len);
    c->head_len = 0;
    c->scanned = 0;
    c->state = EM_HEAD;
}

/* Takes body bytes that lie behind the head; the head stays for the answer. */
static enum turn
turn_body(struct em_conn *c)
{
    bool bad;
    size_t have = c->in_len - c->head_len;
    size_t took = em_body_take(c, c->in + c->head_len, have, &bad);

    c->in_len -= took;
    memmove(c->in + c->head_len, c->in + c->head_len + took, have - took);
    if (bad) {
        em_answer_bad_request(c);
        c->req.body_done = true;
    }
    if (c->req.body_done)
        request_finish(c);
    return TURN_AGAIN;
}

static void
in_reserve(struct em_conn *c, size_t cap)
{
    if (c->in_cap >= cap)
        return;
    c->in_cap = cap;
    c->in = xrealloc(c->in, cap);
}

/* The slices of a request point into the input, which therefore grows before they are used. */
static bool
head_parse(struct em_conn *c, size_t len)
{
    if (!em_head_parse(&c->req, c->in, len))
        return false;
    if (c->req.body_done || c->in_cap - len >= EM_BODY_ROOM)
        return true;
    if (!c->req.is_chunked && c->req.length <= c->in_cap - len)
        return true;
    in_reserve(c, len + EM_BODY_ROOM);
    return em_head_parse(&c->req, c->in, len);
}

static enum turn
turn_head(struct em_conn *c)
{
    size_t len = em_head_find(c);

    if (len == 0)
        return TURN_WAIT;
    c->requests++;
    c->head_len = len;
    c->state = EM_BODY;
    if (!head_parse(c, len)) {
        em_answer_bad_request(c);
        c->req.body_done = true;
    } else {
        em_request_begin(c);
    }
    if (c->req.body_done || c->close_after)
        request_finish(c);
    return TURN_AGAIN;
}

static enum turn
turn_read(struct em_conn *c)
{
    ssize_t n;

    if (c->is_drained)
        return TURN_WAIT;
    if (c->in_len == c->in_cap && c->in_cap < EM_HEAD_MAX)
        in_reserve(c, c->in_cap ? c->in_cap * 2 : EM_IN_BYTES);
    if (c->in_len == c->in_cap) {
        c->req = (struct em_request){0};
        em_answer_bad_request(c);
        return TURN_AGAIN;
    }
    n = conn_read(c, c->in + c->in_len, c->in_cap - c->in_len);
    if (n < 0)
        return turn_of(n);
    c->in_len += (size_t)n;
    c->active_s = c->worker->now_s;
    return TURN_AGAIN;
}

static enum turn
turn_handshake(struct em_conn *c)
{
    int n = SSL_do_handshake(c->ssl);

    if (n == 1) {
        c->state = EM_HEAD;
        return TURN_AGAIN;
    }
    return turn_of(io_result_tls(c->ssl, n));
}

static enum turn
conn_turn(struct em_conn *c)
{
    if (c->state == EM_HANDSHAKE)
        return turn_handshake(c);
    if (c->state == EM_LINGER)
        return turn_linger(c);
    if (c->out.len > 0)
        return turn_flush(c);
    if (c->stream_left > 0)
        return turn_stream(c);
    if (c->close_after) {
        linger_begin(c);
        return TURN_AGAIN;
    }
    if (c->state == EM_HEAD && c->scanned < c->in_len && turn_head(c) == TURN_AGAIN)
        return TURN_AGAIN;
    if (c->state == EM_BODY && c->in_len > c->head_len)
        return turn_body(c);
    return turn_read(c);
}

static void
conn_run(struct em_conn *c)
{
    for (int i = 0; i < EM_TURNS; i++) {
        enum turn t = conn_turn(c);

        if (t == TURN_WAIT)
            return;
        if (t == TURN_CLOSE) {
            conn_free(c);
            return;
        }
    }
    if (!c->is_ready) {
        c->is_ready = true;
        c->next_ready = c->worker->ready;
        c->worker->ready = c;
    }
}

static void
conn_event(struct em_conn *c)
{
    c->is_drained = false;
    if (!c->is_ready)
        conn_run(c);
}

static void
conn_new(struct em_worker *w, int fd)
{
    struct em_shared *s = w->shared;
    struct em_conn *c = xcalloc(1, sizeof(*c));
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->worker = w;
    c->fd = fd;
    c->state = s->ctx ? EM_HANDSHAKE : EM_HEAD;
    c->number = __atomic_add_fetch(&s->conn_count, 1, __ATOMIC_RELAXED);
    c->active_s = w->now_s;
    c->next = w->conns;
    if (w->conns)
        w->conns->prev = c;
    w->conns = c;
    if (s->ctx) {
        c->ssl = SSL_new(s->ctx);
        if (!c->ssl || SSL_set_fd(c->ssl, fd) != 1)
            die("cannot make a TLS connection");
        SSL_set_accept_state(c->ssl);
    }
    ev.data.ptr = c;
    if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
        conn_free(c);
}

static void
accept_some(struct em_worker *w)
{
    for (int i = 0; i < EM_ACCEPTS; i++) {
        int fd = accept4(w->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            conn_new(w, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE)
            sleep_ms(10); /* the listener stays readable: do not spin */
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

static void
tick(struct em_worker *w)
{
    struct tm tm;
    time_t now = wall_s();
    struct em_conn *next;

    w->now_s = now_ms() / 1000;
    gmtime_r(&now, &tm);
    strftime(w->date, sizeof(w->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    for (struct em_conn *c = w->conns; c; c = next) {
        int64_t limit = c->state == EM_LINGER ? EM_LINGER_S : EM_IDLE_S;

        next = c->next;
        if (w->now_s - c->active_s > limit && !c->is_ready && c->stream_left == 0)
            conn_free(c);
    }
}

static void
run_ready(struct em_worker *w)
{
    struct em_conn *list = w->ready;

    w->ready = NULL;
    while (list) {
        struct em_conn *c = list;

        list = c->next_ready;
        c->is_ready = false;
        conn_run(c);
    }
}

/* False: it is time to stop. */
static bool
run_events(struct em_worker *w)
{
    struct epoll_event events[EM_EVENTS];
    int n = epoll_wait(w->epoll_fd, events, EM_EVENTS, w->ready ? 0 : 1000);

    for (int i = 0; i < n; i++) {
        void *what = events[i].data.ptr;

        if (what == w->shared)
            return false;
        if (what == w)
            accept_some(w);
        else
            conn_event(what);
    }
    return true;
}

static void
watch(struct em_worker *w, int fd, void *what)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = what};

    if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
        die("epoll: %s", strerror(errno));
}

void *
em_worker_run(void *arg)
{
    struct em_worker *w = arg;
    int64_t ticked_ms = 0;

    if (getrandom(&w->random, sizeof(w->random), 0) != (ssize_t)sizeof(w->random))
        die("getrandom: %s", strerror(errno));
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (w->epoll_fd < 0)
        die("epoll: %s", strerror(errno));
    watch(w, w->listen_fd, w);
    watch(w, w->shared->stop_fd, w->shared);
    do {
        int64_t now = now_ms();

        if (now - ticked_ms >= 1000) {
            ticked_ms = now;
            tick(w);
        }
        run_ready(w);
    } while (run_events(w));
    while (w->conns)
        conn_free(w->conns);
    close(w->epoll_fd);
    return NULL;
}
