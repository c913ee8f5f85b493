/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection of loadgen: connect, handshake, bytes out, bytes in. Called by load.c;
 * readiness is edge-triggered and registered once. How a connection ends is counted here,
 * once, with its kind.
 */
#include "loadgen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum turn { TURN_AGAIN, TURN_WAIT, TURN_GONE };

static int64_t
epoch_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
opening_done(struct lg_conn *c)
{
    if (c->is_counted_opening)
        c->load->opening--;
    c->is_counted_opening = false;
}

void
lg_conn_close(struct lg_conn *c)
{
    if (c->state == LG_CLOSED)
        return;
    opening_done(c);
    if (c->state == LG_OPEN)
        c->load->open--;
    c->state = LG_CLOSED;
    if (c->ssl && SSL_is_init_finished(c->ssl))
        SSL_shutdown(c->ssl);
    ERR_clear_error();
    SSL_free(c->ssl);
    c->ssl = NULL;
    close(c->fd);
    c->fd = -1;
    c->out.len = 0;
    c->out_at = 0;
    c->busy = 0;
    c->preset_us = 0;
}

/* The other side closed an idle connection: what a sweep after a revocation does. */
static void
count_idle_close(struct lg_conn *c)
{
    struct lg_stats *s = c->load->stats;
    int64_t now = epoch_ms();

    if (s->closed_by_peer++ == 0)
        s->first_close_ms = now;
    s->last_close_ms = now;
    c->cert->closed_by_peer++;
    c->cert->last_close_ms = now;
}

static enum turn
conn_lost(struct lg_conn *c, enum lg_error kind)
{
    struct lg_load *l = c->load;
    bool was_idle = c->state == LG_OPEN && c->busy == 0 && !c->preset_us;
    unsigned lost = c->busy > 0 ? c->busy : 1;

    if (was_idle && (kind == LG_E_EOF || kind == LG_E_RESET || kind == LG_E_ALERT))
        count_idle_close(c);
    else
        for (unsigned i = 0; i < lost; i++)
            lg_failed(c, kind);
    lg_conn_close(c);
    if (c->h2)
        lg_h2_end(c);
    c->retry_us = l->now_us + (int64_t)LG_BACKOFF_MS * 1000;
    return TURN_GONE;
}

static void
source_bind(struct lg_load *l, int fd)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    int on = 1;

    if (l->opt.sources == 0)
        return;
    from.sin_addr.s_addr = htonl(UINT32_C(0x7f000002) + l->next_source++ % l->opt.sources);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0)
        die("cannot use 127.0.0.%u and up: %s", 2 + (l->next_source - 1) % l->opt.sources,
            strerror(errno));
}

static void
tls_attach(struct lg_conn *c)
{
    const struct lg_options *o = &c->load->opt;

    c->ssl = SSL_new(c->cert->ctx);
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
        die("no TLS");
    if (o->sni)
        SSL_set_tlsext_host_name(c->ssl, o->sni);
    if (o->mode == LG_RESUMED && c->cert->session) {
        /* A copy: libssl spoils a session for others once a newer ticket has come for it. */
        SSL_SESSION *copy = SSL_SESSION_dup(c->cert->session);

        if (copy)
            SSL_set_session(c->ssl, copy);
        SSL_SESSION_free(copy);
    }
    SSL_set_connect_state(c->ssl);
}

void
lg_conn_open(struct lg_conn *c)
{
    struct lg_load *l = c->load;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    source_bind(l, c->fd);
    c->state = LG_CONNECTING;
    c->opened_us = now_us();
    c->asked = 0;
    c->answered = 0;
    c->first = 0;
    c->busy = 0;
    c->closes = false;
    c->is_read = false;
    c->body = LG_BODY_HEAD;
    c->body_left = 0;
    c->head.len = 0;
    c->is_counted_opening = true;
    l->opening++;
    memset(c->requests, 0, l->opt.streams * sizeof(*c->requests));
    if (!l->opt.plain)
        tls_attach(c);
    if (connect(c->fd, (const struct sockaddr *)&l->opt.to, sizeof(l->opt.to)) < 0 &&
        errno != EINPROGRESS) {
        conn_lost(c, LG_E_CONNECT);
        return;
    }
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
        die("epoll: %s", strerror(errno));
}

/* ---- turns ---- */

static enum turn
turn_tls_error(struct lg_conn *c, int result)
{
    int saved = errno;
    int why = SSL_get_error(c->ssl, result);
    unsigned long error = ERR_peek_last_error();
    enum lg_error kind = c->state == LG_OPEN ? LG_E_PROTOCOL : LG_E_TLS;

    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return TURN_WAIT;
    if (why == SSL_ERROR_ZERO_RETURN)
        kind = LG_E_EOF;
    else if (why == SSL_ERROR_SYSCALL)
        kind = saved == ECONNRESET || saved == EPIPE ? LG_E_RESET : LG_E_EOF;
    else if (ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        kind = LG_E_EOF;
    else if (ERR_GET_REASON(error) >= SSL_AD_REASON_OFFSET)
        kind = LG_E_ALERT;
    if (why == SSL_ERROR_ZERO_RETURN && !c->load->opt.h2 && lg_h1_eof_is_end(c)) {
        lg_conn_close(c);
        return TURN_GONE;
    }
    return conn_lost(c, kind);
}

static enum turn
turn_plain_error(struct lg_conn *c, ssize_t result)
{
    if (result < 0 && (errno == EAGAIN || errno == EINTR))
        return TURN_WAIT;
    if (result == 0 && lg_h1_eof_is_end(c)) {
        lg_conn_close(c);
        return TURN_GONE;
    }
    return conn_lost(c, result == 0 ? LG_E_EOF : LG_E_RESET);
}

static enum turn
turn_opened(struct lg_conn *c)
{
    struct lg_load *l = c->load;

    opening_done(c);
    c->state = LG_OPEN;
    l->open++;
    lg_hist_add(&l->stats->handshake, now_us() - c->opened_us);
    if (c->ssl && SSL_session_reused(c->ssl))
        l->stats->resumed++;
    else
        l->stats->full++;
    if (l->opt.h2 && !lg_h2_start(c))
        return conn_lost(c, LG_E_PROTOCOL);
    lg_conn_ask(c);
    return TURN_AGAIN;
}

static enum turn
turn_connecting(struct lg_conn *c)
{
    int failed = 0;
    socklen_t len = sizeof(failed);
    struct sockaddr_in peer;
    socklen_t peer_len = sizeof(peer);

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &failed, &len);
    if (failed)
        return conn_lost(c, LG_E_CONNECT);
    if (getpeername(c->fd, (struct sockaddr *)&peer, &peer_len) < 0)
        return TURN_WAIT;
    c->state = LG_HANDSHAKE;
    return TURN_AGAIN;
}

static enum turn
turn_handshake(struct lg_conn *c)
{
    const unsigned char *alpn = NULL;
    unsigned alpn_len = 0;
    int n;

    if (!c->ssl)
        return turn_opened(c);
    errno = 0;
    n = SSL_do_handshake(c->ssl);
    if (n != 1)
        return turn_tls_error(c, n);
    SSL_get0_alpn_selected(c->ssl, &alpn, &alpn_len);
    if (c->load->opt.h2 && (alpn_len != 2 || memcmp(alpn, "h2", 2) != 0))
        return conn_lost(c, LG_E_PROTOCOL);
    return turn_opened(c);
}

static enum turn
turn_write(struct lg_conn *c, const char *p, size_t n, size_t *ret_did)
{
    ssize_t did;

    *ret_did = 0;
    errno = 0;
    did = c->ssl ? SSL_write(c->ssl, p, (int)n) : send(c->fd, p, n, MSG_NOSIGNAL);
    if (did <= 0) {
        enum turn t = c->ssl ? turn_tls_error(c, (int)did) : turn_plain_error(c, did);

        c->is_blocked = t == TURN_WAIT;
        return t;
    }
    *ret_did = (size_t)did;
    return TURN_AGAIN;
}

/* WAIT here means: nothing can be written now. */
static enum turn
turn_out(struct lg_conn *c)
{
    size_t did;
    enum turn t;

    if (c->is_blocked)
        return TURN_WAIT;
    if (c->h2 && !lg_h2_output(c))
        return conn_lost(c, LG_E_PROTOCOL);
    if (c->out_at < c->out.len) {
        t = turn_write(c, c->out.ptr + c->out_at, c->out.len - c->out_at, &did);
        c->out_at += did;
        if (t != TURN_GONE && c->out_at == c->out.len)
            c->out.len = c->out_at = 0;
        return t;
    }
    if (c->body_left > 0) {
        size_t n = c->body_left < LG_BLOCK_BYTES ? (size_t)c->body_left : LG_BLOCK_BYTES;

        t = turn_write(c, c->load->block, n, &did);
        if (t == TURN_GONE)
            return t;
        c->body_left -= did;
        c->load->stats->bytes_out += did;
        return t;
    }
    return TURN_WAIT;
}

/* Everything asked is answered, and a server says no more until it is asked again: a read would
 * only find nothing. If it closed, the request that follows finds that out. */
static bool
is_quiet(const struct lg_conn *c)
{
    if (c->h2 || c->load->opt.mode != LG_REQUESTS || c->busy > 0)
        return false;
    return !c->ssl || SSL_has_pending(c->ssl) == 0;
}

static enum turn
turn_in(struct lg_conn *c)
{
    static char block[LG_BLOCK_BYTES];
    ssize_t n;
    bool ok;

    if (c->is_read)
        return TURN_WAIT;
    errno = 0;
    n = c->ssl ? SSL_read(c->ssl, block, sizeof(block)) : recv(c->fd, block, sizeof(block), 0);
    if (n <= 0) {
        enum turn t = c->ssl ? turn_tls_error(c, (int)n) : turn_plain_error(c, n);

        c->is_read = t == TURN_WAIT;
        return t;
    }
    ok = c->h2 ? lg_h2_input(c, block, (size_t)n) : lg_h1_input(c, block, (size_t)n);
    if (!ok)
        return conn_lost(c, LG_E_PROTOCOL);
    if (c->state != LG_OPEN)
        return TURN_GONE;
    c->is_read = is_quiet(c);
    return TURN_AGAIN;
}

/* True when this connection has done what it was opened for. */
static bool
is_spent(const struct lg_conn *c)
{
    enum lg_mode mode = c->load->opt.mode;

    if (c->busy > 0)
        return false;
    return c->closes || ((mode == LG_FULL || mode == LG_RESUMED) && c->answered > 0);
}

static bool
has_output(const struct lg_conn *c)
{
    return c->out_at < c->out.len || c->body_left > 0;
}

static enum turn
conn_turn(struct lg_conn *c)
{
    enum turn out;
    enum turn in;

    if (c->state == LG_CONNECTING)
        return turn_connecting(c);
    if (c->state == LG_HANDSHAKE)
        return turn_handshake(c);
    out = turn_out(c);
    if (out == TURN_GONE)
        return out;
    in = turn_in(c);
    if (in == TURN_GONE)
        return in;
    if (is_spent(c)) {
        lg_conn_close(c);
        return TURN_GONE;
    }
    lg_conn_ask(c);
    if (out == TURN_AGAIN || in == TURN_AGAIN)
        return TURN_AGAIN;
    if (c->h2 && !lg_h2_output(c))
        return conn_lost(c, LG_E_PROTOCOL);
    /* New output while the socket has room: go on, no edge will come for it. */
    return has_output(c) && !c->is_blocked ? TURN_AGAIN : TURN_WAIT;
}

void
lg_conn_run(struct lg_conn *c)
{
    c->is_blocked = false;
    for (int i = 0; i < LG_TURNS; i++) {
        enum turn t = conn_turn(c);

        if (t == TURN_WAIT)
            return;
        if (t == TURN_GONE) {
            if (c->h2)
                lg_h2_end(c);
            return;
        }
    }
    if (!c->is_ready) {
        c->is_ready = true;
        c->next_ready = c->load->ready;
        c->load->ready = c;
    }
}

static bool
may_ask(const struct lg_conn *c)
{
    const struct lg_options *o = &c->load->opt;

    if (c->state != LG_OPEN || c->busy >= o->streams || c->body_left > 0 || c->closes)
        return false;
    if (o->mode == LG_IDLE && c->asked > 0)
        return false;
    if ((o->mode == LG_FULL || o->mode == LG_RESUMED) && c->asked > 0)
        return false;
    return true;
}

void
lg_conn_ask(struct lg_conn *c)
{
    while (may_ask(c)) {
        int64_t start = c->preset_us;

        c->preset_us = 0;
        if (start == 0 && !lg_may_start(c->load, &start))
            return;
        if (!c->h2)
            lg_h1_ask(c, start);
        else if (!lg_h2_ask(c, start))
            return;
    }
}
