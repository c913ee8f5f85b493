/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection of the oracle origin and the steps it follows, on a thread of its own.
 * It records every byte before it acts on it, since what arrived is the evidence. It must
 * never hold the origin's lock while it waits for the network.
 */
#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/origin_priv.h"

enum { READ_BYTES = 65536, WRITE_WAIT_MS = 60000 };

/* ---- bytes ---- */

/* False: the origin stops, or the wait is over. */
static bool
wait_for(struct origin_conn *c, short events, int64_t deadline_ms)
{
    while (!origin_is_stopping(c->origin) && now_ms() < deadline_ms) {
        struct pollfd p = {.fd = c->fd, .events = events};

        if (poll(&p, 1, ORIGIN_POLL_MS) > 0)
            return true;
    }
    return false;
}

static void
record(struct origin_conn *c, const void *p, size_t n)
{
    struct origin *o = c->origin;

    pthread_mutex_lock(&o->lock);
    bytes_add(&c->received, p, n);
    bytes_add(&o->all, p, n);
    origin_announce(o);
    pthread_mutex_unlock(&o->lock);
}

/* One read into the record. False: nothing more will come, or the origin stops. */
static bool
conn_read(struct origin_conn *c)
{
    static __thread char block[READ_BYTES];
    ssize_t n;

    while (!c->peer_closed) {
        if (!(c->ssl && SSL_pending(c->ssl) > 0) && !wait_for(c, POLLIN, INT64_MAX))
            return false;
        n = c->ssl ? SSL_read(c->ssl, block, sizeof(block))
                   : recv(c->fd, block, sizeof(block), MSG_DONTWAIT);
        if (n > 0) {
            record(c, block, (size_t)n);
            return true;
        }
        if (c->ssl && SSL_get_error(c->ssl, (int)n) == SSL_ERROR_WANT_READ)
            continue;
        if (!c->ssl && n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        ERR_clear_error();
        c->peer_closed = true;
    }
    return false;
}

static bool
conn_write(struct origin_conn *c, const char *p, size_t n)
{
    int64_t deadline = now_ms() + WRITE_WAIT_MS;

    while (n > 0) {
        ssize_t did = c->ssl ? SSL_write(c->ssl, p, (int)size_min(n, READ_BYTES))
                             : send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (did > 0) {
            p += did;
            n -= (size_t)did;
            continue;
        }
        if (c->ssl && SSL_get_error(c->ssl, (int)did) != SSL_ERROR_WANT_WRITE)
            return false;
        if (!c->ssl && errno != EAGAIN && errno != EINTR)
            return false;
        if (!wait_for(c, POLLOUT, deadline))
            return false;
    }
    return true;
}

static void
conn_close(struct origin_conn *c, bool reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    pthread_mutex_lock(&c->origin->lock);
    if (c->fd >= 0) {
        if (reset)
            setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        close(c->fd);
    }
    c->fd = -1;
    pthread_mutex_unlock(&c->origin->lock);
}

/* ---- requests ---- */

static bool
read_until(struct origin_conn *c, const char *mark, size_t from, size_t *ret_end)
{
    size_t len = strlen(mark);

    for (;;) {
        const char *at = NULL;

        if (c->received.len > from)
            at = find_bytes(c->received.ptr + from, c->received.len - from, mark, len);
        if (at) {
            *ret_end = (size_t)(at - c->received.ptr) + len;
            return true;
        }
        if (!conn_read(c))
            return false;
    }
}

static bool
read_count(struct origin_conn *c, size_t end)
{
    while (c->received.len < end)
        if (!conn_read(c))
            return false;
    return true;
}

/* Value of a field in the head [from, end), or NULL. */
static const char *
field_in(const struct origin_conn *c, size_t from, size_t end, const char *name)
{
    size_t len = strlen(name);
    const char *at = c->received.ptr + from;
    const char *stop = c->received.ptr + end;

    while (at && at + len < stop) {
        at = find_bytes(at, (size_t)(stop - at), "\r\n", 2);
        if (!at)
            break;
        at += 2;
        if (at + len < stop && strncasecmp(at, name, len) == 0 && at[len] == ':') {
            at += len + 1;
            return at + strspn(at, " \t");
        }
    }
    return NULL;
}

static bool
read_chunks(struct origin_conn *c)
{
    for (;;) {
        size_t line_end;
        size_t size;

        if (!read_until(c, "\r\n", c->used, &line_end))
            return false;
        size = strtoull(c->received.ptr + c->used, NULL, 16);
        if (size == 0)
            break;
        c->used = line_end + size + 2;
        if (!read_count(c, c->used))
            return false;
    }
    /* Trailers end with an empty line; the last chunk's own CRLF may be half of it. */
    for (;;) {
        size_t line_start;
        size_t line_end;

        if (!read_until(c, "\r\n", c->used, &line_start))
            return false;
        c->used = line_start;
        if (!read_until(c, "\r\n", c->used, &line_end))
            return false;
        if (line_end == line_start + 2) {
            c->used = line_end;
            return true;
        }
    }
}

static bool
read_head(struct origin_conn *c, size_t *ret_start)
{
    size_t end;

    *ret_start = c->used;
    if (!read_until(c, "\r\n\r\n", c->used, &end))
        return false;
    c->used = end;
    return true;
}

static bool
read_request(struct origin_conn *c)
{
    size_t start;
    const char *value;

    if (!read_head(c, &start))
        return false;
    value = field_in(c, start, c->used, "transfer-encoding");
    if (value)
        return read_chunks(c);
    value = field_in(c, start, c->used, "content-length");
    if (value)
        c->used += strtoull(value, NULL, 10);
    return read_count(c, c->used);
}

static void
count_request(struct origin *o)
{
    pthread_mutex_lock(&o->lock);
    o->requests++;
    origin_announce(o);
    pthread_mutex_unlock(&o->lock);
}

/* ---- steps ---- */

static bool
step_read(struct origin_conn *c, const struct origin_step *step)
{
    size_t start;
    bool ok;

    if (step->op == ORIGIN_OP_READ_BYTES) {
        c->used += step->n;
        return read_count(c, c->used);
    }
    ok = step->op == ORIGIN_OP_READ_HEAD ? read_head(c, &start) : read_request(c);
    if (ok)
        count_request(c->origin);
    return ok;
}

static bool
step_pause(struct origin_conn *c, int ms)
{
    int64_t until = now_ms() + ms;

    while (now_ms() < until && !origin_is_stopping(c->origin))
        sleep_ms((int)size_min((size_t)(until - now_ms()), ORIGIN_POLL_MS));
    return !origin_is_stopping(c->origin);
}

static bool
step_write(struct origin_conn *c, const struct origin_step *step)
{
    struct str data = step->data;
    size_t count = step->n ? step->n : 1;

    if (step->op == ORIGIN_OP_SEND)
        return conn_write(c, data.ptr, data.len);
    if (step->op == ORIGIN_OP_REPEAT) {
        for (size_t i = 0; i < step->n; i++)
            if (!conn_write(c, data.ptr, data.len))
                return false;
        return true;
    }
    while (data.len > 0) {
        size_t part = size_min(count, data.len);

        if (!conn_write(c, data.ptr, part))
            return false;
        data = str_make(data.ptr + part, data.len - part);
        if (data.len > 0 && !step_pause(c, step->ms))
            return false;
    }
    return true;
}

static void
drain(struct origin_conn *c)
{
    while (conn_read(c))
        continue;
}

/* Closing with unread bytes would turn the FIN into a reset. */
static void
drain_ready(struct origin_conn *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};

    while (poll(&p, 1, 0) > 0 && conn_read(c))
        continue;
}

static void
shut(struct origin_conn *c)
{
    if (c->ssl)
        SSL_shutdown(c->ssl);
    shutdown(c->fd, SHUT_WR);
}

/* False: the connection is done. */
static bool
step_run(struct origin_conn *c, const struct origin_step *step)
{
    switch (step->op) {
    case ORIGIN_OP_READ_REQUEST:
    case ORIGIN_OP_READ_HEAD:
    case ORIGIN_OP_READ_BYTES:
        return step_read(c, step);
    case ORIGIN_OP_SEND:
    case ORIGIN_OP_DRIBBLE:
    case ORIGIN_OP_REPEAT:
        return step_write(c, step);
    case ORIGIN_OP_DELAY:
        return step_pause(c, step->ms);
    case ORIGIN_OP_SHUT:
        shut(c);
        return true;
    case ORIGIN_OP_CLOSE:
        shut(c);
        drain_ready(c);
        return false;
    case ORIGIN_OP_CUT:
        return false;
    case ORIGIN_OP_RESET:
        conn_close(c, true);
        return false;
    case ORIGIN_OP_HOLD:
        drain(c);
        return false;
    case ORIGIN_OP_FREEZE:
        while (step_pause(c, ORIGIN_POLL_MS))
            continue;
        return false;
    case ORIGIN_OP_GATE:
        while (!origin_gate_is_open(c->origin) && step_pause(c, ORIGIN_POLL_MS))
            continue;
        return !origin_is_stopping(c->origin);
    case ORIGIN_OP_LOOP:
        return true;
    }
    return false;
}

static void
script_run(struct origin_conn *c)
{
    size_t at = 0;

    while (at < c->script.count && !origin_is_stopping(c->origin)) {
        const struct origin_step *step = &c->script.steps[at];

        if (!step_run(c, step))
            return;
        at = step->op == ORIGIN_OP_LOOP ? 0 : at + 1;
    }
    shut(c);
}

static bool
tls_accept(struct origin_conn *c)
{
    struct origin *o = c->origin;
    const char *sni;

    c->ssl = SSL_new(o->ctx);
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
        return false;
    for (;;) {
        int n = SSL_accept(c->ssl);
        int why = SSL_get_error(c->ssl, n);

        if (n == 1)
            break;
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            return false;
        if (!wait_for(c, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, INT64_MAX))
            return false;
    }
    sni = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);
    pthread_mutex_lock(&o->lock);
    c->sni = xstrdup(sni ? sni : "");
    c->resumed = SSL_session_reused(c->ssl) == 1;
    pthread_mutex_unlock(&o->lock);
    return true;
}

void *
origin_conn_run(void *arg)
{
    struct origin_conn *c = arg;
    struct origin *o = c->origin;

    if (!o->ctx || tls_accept(c))
        script_run(c);
    ERR_clear_error();
    conn_close(c, false);
    SSL_free(c->ssl);
    c->ssl = NULL;
    pthread_mutex_lock(&o->lock);
    c->ended = true;
    origin_announce(o);
    pthread_mutex_unlock(&o->lock);
    return NULL;
}
