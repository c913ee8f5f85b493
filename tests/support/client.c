/* SPDX-License-Identifier: Apache-2.0
 *
 * The test client: connection, TLS and bytes. Called by scenario tests; owns its socket,
 * SSL and buffers; one thread per client. It does what the spec says, however wrong, and
 * reports how a call ended; it must never judge and never hang beyond its time limit.
 */
#include "support/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/client_priv.h"

enum { TIMEOUT_DEFAULT_MS = 5000, FILL_BYTES = 65536, ALPN_MAX = 256, ALERT_FATAL = 2 };

static enum client_end
client_fail(struct client *c, enum client_end end, const char *what)
{
    unsigned long why = ERR_peek_last_error();

    c->state = end;
    free(c->error);
    c->error = why ? xformat("%s: %s", what, ERR_reason_error_string(why))
                   : xformat("%s: %s", what, strerror(errno));
    ERR_clear_error();
    return end;
}

/* ---- waiting and moving bytes ---- */

static bool
wait_fd(const struct client *c, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms - now_ms();
        struct pollfd p = {.fd = c->fd, .events = events};
        int n = poll(&p, 1, left > 0 ? (int)left : 0);

        if (n > 0)
            return true;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

static enum client_end
end_of_errno(void)
{
    return errno == ECONNRESET || errno == EPIPE ? CLIENT_RESET : CLIENT_FAILED;
}

/* Why an SSL call did not succeed; OK means: wait for *ret_events and try again. */
static enum client_end
end_of_ssl(struct client *c, int result, short *ret_events)
{
    int saved = errno;
    int why = SSL_get_error(c->ssl, result);

    errno = saved;
    switch (why) {
    case SSL_ERROR_WANT_READ:
        *ret_events = POLLIN;
        return CLIENT_OK;
    case SSL_ERROR_WANT_WRITE:
        *ret_events = POLLOUT;
        return CLIENT_OK;
    case SSL_ERROR_ZERO_RETURN:
        return CLIENT_EOF;
    case SSL_ERROR_SYSCALL:
        return saved == 0 ? CLIENT_EOF : end_of_errno();
    default:
        break;
    }
    if (c->alert >= 0)
        return CLIENT_ALERT;
    if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return CLIENT_EOF;
    return CLIENT_FAILED;
}

static enum client_end
end_of_plain(ssize_t n, short events, short *ret_events)
{
    if (n == 0)
        return CLIENT_EOF;
    if (errno != EAGAIN && errno != EINTR)
        return end_of_errno();
    *ret_events = events;
    return CLIENT_OK;
}

enum client_end
client_fill(struct client *c, int64_t deadline_ms)
{
    static __thread char block[FILL_BYTES];

    if (c->state != CLIENT_OK)
        return c->state;
    if (c->in_at == c->in.len)
        c->in.len = c->in_at = 0;
    for (;;) {
        short events = POLLIN;
        enum client_end end;
        ssize_t n;

        errno = 0;
        n = c->ssl ? SSL_read(c->ssl, block, sizeof(block)) : recv(c->fd, block, sizeof(block), 0);
        if (n > 0) {
            bytes_add(&c->in, block, (size_t)n);
            return CLIENT_OK;
        }
        end = c->ssl ? end_of_ssl(c, (int)n, &events) : end_of_plain(n, POLLIN, &events);
        if (end != CLIENT_OK)
            return client_fail(c, end, "read");
        if (!wait_fd(c, events, deadline_ms))
            return CLIENT_TIMEOUT;
    }
}

struct str
client_ahead(const struct client *c)
{
    return str_make(c->in.len ? c->in.ptr + c->in_at : "", c->in.len - c->in_at);
}

void
client_take(struct client *c, size_t n)
{
    c->in_at += n;
}

static int64_t
deadline_of(const struct client *c)
{
    return now_ms() + c->timeout_ms;
}

enum client_end
client_send(struct client *c, const void *p, size_t n)
{
    const char *at = p;
    int64_t deadline = deadline_of(c);

    while (n > 0 && c->state == CLIENT_OK) {
        short events = POLLOUT;
        enum client_end end;
        ssize_t did;

        errno = 0;
        did = c->ssl ? SSL_write(c->ssl, at, (int)size_min(n, 1 << 20))
                     : send(c->fd, at, n, MSG_NOSIGNAL);
        if (did > 0) {
            at += did;
            n -= (size_t)did;
            continue;
        }
        end = c->ssl ? end_of_ssl(c, (int)did, &events) : end_of_plain(did, POLLOUT, &events);
        if (end != CLIENT_OK) {
            client_fail(c, end, "write");
            c->state = CLIENT_OK; /* what the server said before can still be read */
            return end;
        }
        if (!wait_fd(c, events, deadline))
            return CLIENT_TIMEOUT;
    }
    return c->state;
}

enum client_end
client_puts(struct client *c, const char *text)
{
    return client_send(c, text, strlen(text));
}

enum client_end
client_dribble(struct client *c, struct str bytes, size_t step, int pause_ms)
{
    enum client_end end = c->state;

    while (bytes.len > 0 && end == CLIENT_OK) {
        size_t n = size_min(step ? step : 1, bytes.len);

        end = client_send(c, bytes.ptr, n);
        bytes = str_make(bytes.ptr + n, bytes.len - n);
        if (bytes.len > 0)
            sleep_ms(pause_ms);
    }
    return end;
}

enum client_end
client_read(struct client *c, void *p, size_t cap, size_t *ret_n)
{
    struct str have = client_ahead(c);

    *ret_n = 0;
    if (have.len == 0) {
        enum client_end end = client_fill(c, deadline_of(c));

        if (end != CLIENT_OK)
            return end;
        have = client_ahead(c);
    }
    *ret_n = size_min(cap, have.len);
    memcpy(p, have.ptr, *ret_n);
    client_take(c, *ret_n);
    return CLIENT_OK;
}

enum client_end
client_read_until(struct client *c, const char *needle, struct bytes *out)
{
    size_t from = out->len;
    size_t len = strlen(needle);
    int64_t deadline = deadline_of(c);

    for (;;) {
        struct str have = client_ahead(c);
        enum client_end end;

        bytes_add(out, have.ptr, have.len);
        client_take(c, have.len);
        if (find_bytes(out->ptr + from, out->len - from, needle, len))
            return CLIENT_OK;
        end = client_fill(c, deadline);
        if (end != CLIENT_OK)
            return end;
    }
}

enum client_end
client_read_all(struct client *c, struct bytes *out)
{
    for (;;) {
        struct str have = client_ahead(c);
        enum client_end end;

        bytes_add(out, have.ptr, have.len);
        client_take(c, have.len);
        end = client_fill(c, deadline_of(c));
        if (end != CLIENT_OK)
            return end;
    }
}

enum client_end
client_wait_closed(struct client *c, int timeout_ms)
{
    int64_t deadline = now_ms() + timeout_ms;
    enum client_end end;

    do {
        client_take(c, client_ahead(c).len);
        end = client_fill(c, deadline);
    } while (end == CLIENT_OK);
    return end;
}

void
client_set_timeout(struct client *c, int timeout_ms)
{
    c->timeout_ms = timeout_ms;
}

/* ---- TLS ---- */

static void
on_info(const SSL *ssl, int where, int value)
{
    struct client *c = SSL_get_app_data(ssl);

    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == ALERT_FATAL)
        c->alert = value & 0xff;
}

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
    struct client *c = SSL_get_app_data(ssl);

    SSL_SESSION_free(c->session);
    c->session = session;
    return 1;
}

static void
ctx_set_cert(SSL_CTX *ctx, const struct client_spec *spec)
{
    const struct pki_cert *leaf = spec->cert;

    if (spec->cert_file &&
        (SSL_CTX_use_certificate_chain_file(ctx, spec->cert_file) != 1 ||
         SSL_CTX_use_PrivateKey_file(ctx, spec->key_file, SSL_FILETYPE_PEM) != 1))
        die("%s, %s: cannot be used", spec->cert_file, spec->key_file);
    if (!leaf)
        return;
    if (!leaf->x509 || SSL_CTX_use_certificate(ctx, leaf->x509) != 1 ||
        SSL_CTX_use_PrivateKey(ctx, leaf->key) != 1)
        die("libssl does not want to present this certificate: %s",
            ERR_reason_error_string(ERR_peek_last_error()));
    if (spec->chain) {
        for (size_t i = 0; i < spec->chain_count; i++)
            SSL_CTX_add1_chain_cert(ctx, spec->chain[i]->x509);
        return;
    }
    for (const struct pki_cert *up = leaf->issuer;
         !spec->leaf_only && up && up != leaf && up->issuer != up; up = up->issuer)
        SSL_CTX_add1_chain_cert(ctx, up->x509);
}

static void
ctx_set_alpn(SSL_CTX *ctx, const char *list)
{
    unsigned char wire[ALPN_MAX];
    size_t at = 0;

    while (list && *list && at < sizeof(wire)) {
        size_t n = strcspn(list, ",");

        if (at + 1 + n > sizeof(wire))
            die("ALPN list is too long");
        wire[at++] = (unsigned char)n;
        memcpy(wire + at, list, n);
        at += n;
        list += n;
        list += *list == ',';
    }
    if (at > 0 && SSL_CTX_set_alpn_protos(ctx, wire, (unsigned)at) != 0)
        die("ALPN list cannot be used");
}

static SSL_CTX *
ctx_make(const struct client_spec *spec)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (!ctx)
        die("no TLS");
    SSL_CTX_set_security_level(ctx, 0); /* weak certificates are ours to present */
    SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_min_proto_version(ctx, spec->min_version ? spec->min_version : TLS1_VERSION);
    SSL_CTX_set_max_proto_version(ctx, spec->max_version);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    SSL_CTX_set_info_callback(ctx, on_info);
    if (spec->ciphers && SSL_CTX_set_cipher_list(ctx, spec->ciphers) != 1)
        die("%s: no such ciphers", spec->ciphers);
    if (spec->groups && SSL_CTX_set1_groups_list(ctx, spec->groups) != 1)
        die("%s: no such groups", spec->groups);
    if (spec->sigalgs && SSL_CTX_set1_sigalgs_list(ctx, spec->sigalgs) != 1)
        die("%s: no such signature algorithms", spec->sigalgs);
    if (spec->ca_file) {
        if (SSL_CTX_load_verify_locations(ctx, spec->ca_file, NULL) != 1)
            die("%s: cannot be used", spec->ca_file);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    }
    ctx_set_cert(ctx, spec);
    ctx_set_alpn(ctx, spec->alpn);
    return ctx;
}

static void
tls_prepare(struct client *c, const struct client_spec *spec)
{
    c->ctx = ctx_make(spec);
    c->ssl = SSL_new(c->ctx);
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
        die("no TLS");
    SSL_set_app_data(c->ssl, c);
    if (spec->sni && SSL_set_tlsext_host_name(c->ssl, spec->sni) != 1)
        die("%s: cannot be a server name", spec->sni);
    if (spec->session)
        SSL_set_session(c->ssl, spec->session);
    SSL_set_connect_state(c->ssl);
}

enum client_end
client_handshake(struct client *c)
{
    int64_t deadline = deadline_of(c);

    while (c->ssl && c->state == CLIENT_OK) {
        short events = 0;
        enum client_end end;
        int n;

        errno = 0;
        n = SSL_do_handshake(c->ssl);
        if (n == 1)
            break;
        end = end_of_ssl(c, n, &events);
        if (end != CLIENT_OK)
            return client_fail(c, end, "handshake");
        if (!wait_fd(c, events, deadline))
            return client_fail(c, CLIENT_TIMEOUT, "handshake");
    }
    return c->state;
}

/* ---- connecting ---- */

static struct sockaddr_in
address_of(const char *host, uint16_t port)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};

    if (inet_pton(AF_INET, host ? host : "127.0.0.1", &sin.sin_addr) != 1)
        die("%s: not an IPv4 address", host);
    return sin;
}

static void
socket_connect(struct client *c, const struct client_spec *spec)
{
    struct sockaddr_in to = address_of(spec->host, spec->port);
    int on = 1;
    int failed = 0;
    socklen_t len = sizeof(failed);

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        die("socket: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (spec->receive_buffer)
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &spec->receive_buffer,
                   sizeof(spec->receive_buffer));
    if (spec->source) {
        struct sockaddr_in from = address_of(spec->source, 0);

        if (bind(c->fd, (struct sockaddr *)&from, sizeof(from)) < 0)
            die("%s: %s", spec->source, strerror(errno));
    }
    if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) {
        client_fail(c, end_of_errno(), "connect");
        return;
    }
    if (!wait_fd(c, POLLOUT, deadline_of(c))) {
        client_fail(c, CLIENT_TIMEOUT, "connect");
        return;
    }
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &failed, &len);
    errno = failed;
    if (failed)
        client_fail(c, end_of_errno(), "connect");
}

struct client *
client_open(const struct client_spec *spec)
{
    struct client *c = xcalloc(1, sizeof(*c));

    signal(SIGPIPE, SIG_IGN);
    ERR_clear_error();
    c->alert = -1;
    c->goaway_code = -1;
    c->timeout_ms = spec->timeout_ms ? spec->timeout_ms : TIMEOUT_DEFAULT_MS;
    socket_connect(c, spec);
    if (c->state == CLIENT_OK && spec->prelude.len > 0)
        client_send(c, spec->prelude.ptr, spec->prelude.len);
    if (!spec->plain)
        tls_prepare(c, spec);
    if (!spec->connect_only)
        client_handshake(c);
    return c;
}

enum client_end
client_state(const struct client *c)
{
    return c->state;
}

int
client_alert(const struct client *c)
{
    return c->alert;
}

const char *
client_error(const struct client *c)
{
    return c->error ? c->error : "no error";
}

bool
client_close_notify(const struct client *c)
{
    return c->ssl && (SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN) && c->alert < 0;
}

bool
client_admitted(struct client *c, int wait_ms)
{
    enum client_end end = client_fill(c, now_ms() + wait_ms);

    return end == CLIENT_OK || end == CLIENT_TIMEOUT;
}

SSL *
client_ssl(struct client *c)
{
    return c->ssl;
}

int
client_fd(const struct client *c)
{
    return c->fd;
}

uint16_t
client_local_port(const struct client *c)
{
    struct sockaddr_in sin = {0};
    socklen_t len = sizeof(sin);

    getsockname(c->fd, (struct sockaddr *)&sin, &len);
    return ntohs(sin.sin_port);
}

const char *
client_alpn(const struct client *c)
{
    static __thread char name[ALPN_MAX];
    const unsigned char *wire = NULL;
    unsigned n = 0;

    if (c->ssl)
        SSL_get0_alpn_selected(c->ssl, &wire, &n);
    snprintf(name, sizeof(name), "%.*s", (int)n, wire ? (const char *)wire : "");
    return name;
}

bool
client_resumed(const struct client *c)
{
    return c->ssl && SSL_session_reused(c->ssl) == 1;
}

SSL_SESSION *
client_session(struct client *c)
{
    if (c->session)
        SSL_SESSION_up_ref(c->session);
    return c->session;
}

void
client_shutdown_write(struct client *c)
{
    if (c->ssl && c->state == CLIENT_OK)
        SSL_shutdown(c->ssl);
    if (c->fd >= 0)
        shutdown(c->fd, SHUT_WR);
    ERR_clear_error();
}

void
client_reset(struct client *c)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(c->fd);
    c->fd = -1;
    c->state = CLIENT_RESET;
}

void
client_close(struct client *c)
{
    if (!c)
        return;
    if (c->ssl && c->state == CLIENT_OK && SSL_is_init_finished(c->ssl))
        SSL_shutdown(c->ssl);
    ERR_clear_error();
    client_h2_free(c);
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    SSL_SESSION_free(c->session);
    if (c->fd >= 0)
        close(c->fd);
    bytes_free(&c->in);
    free(c->error);
    free(c);
}
