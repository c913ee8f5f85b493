/* SPDX-License-Identifier: Apache-2.0
 *
 * One upstream connection as one visible state machine (uconn.h has the picture). Called by
 * the loop and by upstream and stream. Does all upstream-side I/O; parses nothing: what
 * arrived is for the stream to read. No byte is taken before the TLS handshake is over.
 */
#include "proxy/uconn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/limits.h"
#include "proxy/stream.h"
#include "proxy/upstream.h"

static void uconn_step(struct uconn *u);

const char *
uconn_error_text(enum uconn_error e)
{
    static const char *const texts[] = {
        "none",        "cannot connect",         "connect timeout",
        "TLS failure", "closed by the upstream", "no answer in time",
    };

    return texts[e];
}

/* ---- end ---------------------------------------------------------------------------------- */

static void
uconn_free(struct uconn *u)
{
    struct worker *w = u->w;

    list_remove(&u->link);
    loop_task_cancel(&u->step_task);
    loop_task_cancel(&u->free_task);
    loop_timer_done(&u->timer);
    u->magic = MAGIC_DEAD;
    pool_release(&w->uconn_pool, u);
}

static void
on_free_task(void *arg)
{
    uconn_free(arg);
}

void
uconns_reap(struct worker *w)
{
    list_for_each_safe (node, &w->dead_uconns)
        uconn_free(container_of(node, struct uconn, link));
}

void
uconn_close(struct uconn *u)
{
    struct worker *w = u->w;
    struct upstream *up = u->upstream;

    if (u->state == UCONN_CLOSED)
        return;
    magic_check(u, MAGIC_UCONN);
    gw_assert(u->stream == NULL);
    if (u->state == UCONN_IDLE)
        upstream_unkeep(up, u);
    u->state = UCONN_CLOSED;
    loop_watch_remove(&u->watch);
    if (u->tls != NULL && u->error == UCONN_ERROR_NONE)
        (void)!tls_shutdown(u->tls);
    tls_free(u->tls);
    u->tls = NULL;
    close(u->fd);
    u->fd = -1;
    worker_buf_drop(w, &u->in);
    worker_buf_drop(w, &u->out);
    loop_timer_set(&u->timer, 0);
    list_push_tail(&w->dead_uconns, &u->link);
    loop_defer(w->loop, &u->free_task);
    u->upstream = NULL;
    upstream_on_gone(up);
}

static bool
uconn_is_connecting(const struct uconn *u)
{
    return u->state == UCONN_CONNECTING || u->state == UCONN_TLS;
}

/* The stream decides what a failure means; without one the connection just goes. */
static void
uconn_fail(struct uconn *u, enum uconn_error error)
{
    u->error = error;
    if (error == UCONN_ERROR_TLS)
        metrics_add(&u->w->metrics, METRIC_UPSTREAM_TLS_ERRORS, 1);
    else if (error == UCONN_ERROR_CONNECT || error == UCONN_ERROR_CONNECT_TIMEOUT)
        metrics_add(&u->w->metrics, METRIC_UPSTREAM_CONNECT_ERRORS, 1);
    if (uconn_is_connecting(u))
        upstream_on_unreachable(u->upstream, u);
    if (u->stream != NULL)
        stream_on_uconn_failed(u->stream);
    else
        uconn_close(u);
}

/* ---- birth and lending --------------------------------------------------------------------- */

static void
on_io(void *arg, unsigned bits)
{
    struct uconn *u = arg;

    magic_check(u, MAGIC_UCONN);
    if (bits & LOOP_READ)
        u->is_readable = true;
    if (bits & LOOP_WRITE)
        u->is_writable = true;
    if (bits & LOOP_CLOSED) {
        u->saw_closed = true;
        u->is_readable = true;
    }
    if (u->tls != NULL)
        tls_on_ready(u->tls, (bits & LOOP_READ) != 0, (bits & LOOP_WRITE) != 0,
                     (bits & LOOP_CLOSED) != 0);
    uconn_step(u);
}

static void on_timer(void *arg);
static int64_t uconn_deadline(const struct uconn *u);

static void
on_step_task(void *arg)
{
    uconn_step(arg);
}

int
uconn_connect(struct upstream *up, unsigned target_index, const struct addr *addr,
              struct uconn **ret)
{
    struct worker *w = up->w;
    struct uconn *u = pool_acquire(&w->uconn_pool);
    int r;

    if (u == NULL)
        return GW_E_LIMIT;
    memset(u, 0, sizeof(*u));
    r = sock_connect(addr, &u->fd);
    if (r != 0) {
        pool_release(&w->uconn_pool, u);
        return r;
    }
    u->magic = MAGIC_UCONN;
    u->w = w;
    u->upstream = up;
    u->target_index = target_index;
    u->addr = *addr;
    u->addr_text_len = addr_format(addr, u->addr_text);
    u->state = UCONN_CONNECTING;
    u->born_ms = worker_now_ms(w);
    u->deadline_ms = u->born_ms + UPSTREAM_CONNECT_TIMEOUT_MS;
    loop_task_init(&u->step_task, on_step_task, u);
    loop_task_init(&u->free_task, on_free_task, u);
    loop_timer_init(w->loop, &u->timer, on_timer, u);
    r = loop_watch_add(w->loop, &u->watch, u->fd, on_io, u);
    if (r != 0) {
        loop_timer_done(&u->timer);
        close(u->fd);
        pool_release(&w->uconn_pool, u);
        return r;
    }
    loop_timer_set(&u->timer, uconn_deadline(u));
    *ret = u;
    return 0;
}

void
uconn_assign(struct uconn *u, struct stream *s)
{
    u->stream = s;
    u->is_reused = u->state == UCONN_IDLE;
    if (u->state == UCONN_IDLE)
        u->state = UCONN_OPEN;
    u->has_head = false;
    u->keep_alive = false;
    u->activity_ms = worker_now_ms(u->w);
    h1_scan_init(&u->scan, false);
}

void
uconn_release(struct uconn *u)
{
    gw_assert(u->stream == NULL);
    if (u->state != UCONN_OPEN || !u->keep_alive || u->is_eof || u->saw_closed ||
        buf_len(&u->in) > 0 || buf_len(&u->out) > 0) {
        uconn_close(u);
        return;
    }
    worker_buf_trim(u->w, &u->in);
    worker_buf_trim(u->w, &u->out);
    u->is_readable = false; /* the response is complete; the next byte is a new edge */
    u->state = UCONN_IDLE;
    u->deadline_ms = worker_now_ms(u->w) + UPSTREAM_IDLE_TIMEOUT_MS;
    if (!upstream_keep(u->upstream, u)) {
        u->state = UCONN_OPEN;
        uconn_close(u);
        return;
    }
    loop_timer_set(&u->timer, u->deadline_ms);
}

void
uconn_kick(struct uconn *u)
{
    if (u->state != UCONN_CLOSED)
        loop_defer(u->w->loop, &u->step_task);
}

/* ---- phases ---------------------------------------------------------------------------------- */

static void
uconn_opened(struct uconn *u)
{
    u->state = UCONN_OPEN;
    u->activity_ms = worker_now_ms(u->w);
    upstream_on_reached(u->upstream, u);
}

static void
uconn_step_connecting(struct uconn *u)
{
    const struct site_upstream *conf;
    const char *name;

    gw_assert(u->upstream != NULL);
    conf = u->upstream->conf;
    if (!u->is_writable)
        return;
    u->connect_errno = sock_error(u->fd);
    if (u->connect_errno != 0) {
        uconn_fail(u, UCONN_ERROR_CONNECT);
        return;
    }
    if (!conf->has_tls) {
        uconn_opened(u);
        return;
    }
    name =
        conf->server_name.len > 0 ? conf->server_name.ptr : conf->targets[u->target_index].name.ptr;
    u->tls =
        tls_connect(conf->tls, u->fd, name, &u->upstream->targets[u->target_index].tls_session);
    if (u->tls == NULL) {
        uconn_fail(u, UCONN_ERROR_TLS);
        return;
    }
    tls_on_ready(u->tls, true, true, u->saw_closed);
    u->state = UCONN_TLS;
    u->deadline_ms = worker_now_ms(u->w) + UPSTREAM_TLS_TIMEOUT_MS;
}

static void
uconn_step_tls(struct uconn *u)
{
    int r = tls_handshake(u->tls);

    if (r == 0)
        uconn_opened(u);
    else if (err_class(r) != ERR_CLASS_BLOCKED)
        uconn_fail(u, r == GW_E_RESET || r == GW_E_CLOSED ? UCONN_ERROR_CONNECT : UCONN_ERROR_TLS);
}

/* ---- open: reading and writing ----------------------------------------------------------------
 */

static int
plain_read(struct uconn *u, void *dst, size_t room, size_t *ret_n)
{
    ssize_t n;

    if (!u->is_readable)
        return GW_E_WANT_READ;
    n = recv(u->fd, dst, room, 0);
    if (n > 0) {
        *ret_n = (size_t)n;
        return 0;
    }
    if (n == 0)
        return GW_E_CLOSED;
    if (errno == EAGAIN || errno == EINTR) {
        u->is_readable = errno == EINTR;
        return GW_E_WANT_READ;
    }
    return GW_E_RESET;
}

static int
plain_write(struct uconn *u, const void *src, size_t len, size_t *ret_n)
{
    ssize_t n;

    if (!u->is_writable)
        return GW_E_WANT_WRITE;
    n = send(u->fd, src, len, MSG_NOSIGNAL);
    if (n >= 0) {
        *ret_n = (size_t)n;
        return 0;
    }
    if (errno == EAGAIN || errno == EINTR) {
        u->is_writable = errno == EINTR;
        return GW_E_WANT_WRITE;
    }
    return GW_E_RESET;
}

/* True when something was read or the stream of bytes ended. */
static bool
uconn_read(struct uconn *u)
{
    size_t n = 0;
    int r;

    if (u->is_eof)
        return false;
    u->read_stopped = u->in.mem != NULL && buf_free(&u->in) == 0;
    if (u->read_stopped)
        return false;
    if (!worker_buf_ensure(u->w, &u->in, 1)) {
        u->read_stopped = true;
        return false;
    }
    r = u->tls != NULL ? tls_read(u->tls, buf_tail(&u->in), buf_room(&u->in), &n)
                       : plain_read(u, buf_tail(&u->in), buf_room(&u->in), &n);
    if (r == 0) {
        buf_commit(&u->in, n);
        u->activity_ms = worker_now_ms(u->w);
        return true;
    }
    if (err_class(r) == ERR_CLASS_BLOCKED)
        return false;
    u->is_eof = true;
    u->eof_is_clean = r == GW_E_CLOSED && (u->tls == NULL || tls_saw_close_notify(u->tls));
    return true;
}

/* True when something left. A write error is not reported here: the response may have been sent
 * before the upstream closed, and reading will tell. */
static bool
uconn_write(struct uconn *u)
{
    bool has_moved = false;

    while (buf_len(&u->out) > 0) {
        struct str s = buf_peek(&u->out);
        size_t n = 0;
        int r =
            u->tls != NULL ? tls_write(u->tls, s.ptr, s.len, &n) : plain_write(u, s.ptr, s.len, &n);

        if (r != 0) {
            if (err_class(r) != ERR_CLASS_BLOCKED) {
                buf_reset(&u->out);
                u->write_failed = true;
                u->is_readable = true;
            }
            return has_moved;
        }
        buf_consume(&u->out, n);
        u->activity_ms = worker_now_ms(u->w);
        has_moved = true;
    }
    return has_moved;
}

static void
uconn_step_open(struct uconn *u)
{
    int rounds = 0;
    bool has_moved;

    do {
        has_moved = uconn_write(u);
        has_moved |= uconn_read(u);
        if (u->stream != NULL)
            stream_step(u->stream);
        if (u->state != UCONN_OPEN || u->stream == NULL)
            return;
    } while (has_moved && ++rounds < STEP_ROUNDS_MAX);
    if (has_moved)
        uconn_kick(u);
    worker_buf_trim(u->w, &u->in);
    worker_buf_trim(u->w, &u->out);
}

/* Whatever an idle connection says, it is not an answer to anybody. */
static void
uconn_step_idle(struct uconn *u)
{
    if (uconn_read(u)) {
        uconn_close(u);
        return;
    }
    worker_buf_trim(u->w, &u->in);
}

static int64_t
uconn_deadline(const struct uconn *u)
{
    const struct stream *s = u->stream;

    if (uconn_is_connecting(u) && !u->is_suspect)
        return u->born_ms + CONNECT_SUSPECT_MS;
    if (u->state != UCONN_OPEN)
        return u->deadline_ms;
    if (u->read_stopped || s == NULL)
        return 0; /* we are the ones who wait: the client's own deadlines hold */
    if (!s->body_end_sent && buf_len(&u->out) == 0)
        return 0; /* it waits for the client's body */
    return u->activity_ms + s->listener->idle_timeout_ms;
}

static void
uconn_step(struct uconn *u)
{
    enum uconn_state before;

    magic_check(u, MAGIC_UCONN);
    do {
        before = u->state;
        switch (u->state) {
        case UCONN_CONNECTING:
            uconn_step_connecting(u);
            break;
        case UCONN_TLS:
            uconn_step_tls(u);
            break;
        case UCONN_OPEN:
            uconn_step_open(u);
            break;
        case UCONN_IDLE:
            uconn_step_idle(u);
            break;
        case UCONN_CLOSED:
            return;
        }
    } while (u->state != before && u->state != UCONN_CLOSED && u->state != UCONN_IDLE);
    if (u->state != UCONN_CLOSED)
        loop_timer_set(&u->timer, uconn_deadline(u));
}

static void
on_timer(void *arg)
{
    struct uconn *u = arg;
    int64_t at;

    magic_check(u, MAGIC_UCONN);
    if (u->state == UCONN_CLOSED)
        return;
    at = uconn_deadline(u);
    if (at == 0 || worker_now_ms(u->w) < at) {
        loop_timer_set(&u->timer, at);
        return;
    }
    if (uconn_is_connecting(u) && !u->is_suspect) {
        u->is_suspect = true;
        upstream_on_unreachable(u->upstream, u);
        loop_timer_set(&u->timer, u->deadline_ms);
    } else if (u->state == UCONN_IDLE) {
        uconn_close(u);
    } else {
        uconn_fail(u, u->state == UCONN_OPEN ? UCONN_ERROR_TIMEOUT : UCONN_ERROR_CONNECT_TIMEOUT);
    }
}
