/* SPDX-License-Identifier: Apache-2.0
 *
 * The oracle origin: listens, starts a thread per connection (origin_conn.c) and tells what
 * they saw. Tests call it from their own thread. The lock guards all of struct origin;
 * nobody holds it while waiting for the network.
 */
#include "support/origin_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static const struct origin_step default_steps[] = {
    ORIGIN_READ_REQUEST,
    ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"),
    ORIGIN_LOOP,
};

bool
origin_is_stopping(struct origin *o)
{
    bool stopping;

    pthread_mutex_lock(&o->lock);
    stopping = o->stopping;
    pthread_mutex_unlock(&o->lock);
    return stopping;
}

bool
origin_gate_is_open(struct origin *o)
{
    bool is_open;

    pthread_mutex_lock(&o->lock);
    is_open = o->gate_is_open;
    pthread_mutex_unlock(&o->lock);
    return is_open;
}

void
origin_open_gate(struct origin *o)
{
    pthread_mutex_lock(&o->lock);
    o->gate_is_open = true;
    pthread_mutex_unlock(&o->lock);
}

void
origin_announce(struct origin *o)
{
    pthread_cond_broadcast(&o->changed);
}

/* ---- the server ---- */

/* Tests keep steps on their stacks, and connections outlive tests: each has its own copy. */
static struct script
script_copy(const struct origin_step *steps, size_t count)
{
    struct origin_step *copy = xcalloc(count + 1, sizeof(*copy));

    if (count > 0)
        memcpy(copy, steps, count * sizeof(*copy));
    return (struct script){copy, count};
}

static void
script_replace(struct script *s, const struct origin_step *steps, size_t count)
{
    free(s->steps);
    *s = steps ? script_copy(steps, count) : (struct script){NULL, 0};
}

static struct script
script_for(const struct origin *o, size_t n)
{
    const struct script *s =
        n < ORIGIN_SPECIAL_MAX && o->special[n].steps ? &o->special[n] : &o->script;

    return script_copy(s->steps, s->count);
}

static void
conn_start(struct origin *o, int fd)
{
    struct origin_conn *c = xcalloc(1, sizeof(*c));
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->origin = o;
    c->fd = fd;
    pthread_mutex_lock(&o->lock);
    if (o->conn_count >= ORIGIN_CONNS_MAX)
        die("the origin has seen too many connections");
    c->number = o->conn_count - o->first;
    c->script = script_for(o, c->number);
    o->conns[o->conn_count++] = c;
    o->accepting = false;
    if (pthread_create(&c->thread, NULL, origin_conn_run, c) != 0)
        die("cannot start a thread");
    origin_announce(o);
    pthread_mutex_unlock(&o->lock);
}

static void
set_accepting(struct origin *o, bool is_accepting)
{
    pthread_mutex_lock(&o->lock);
    o->accepting = is_accepting;
    origin_announce(o);
    pthread_mutex_unlock(&o->lock);
}

static void *
accept_thread(void *arg)
{
    struct origin *o = arg;

    while (!origin_is_stopping(o)) {
        struct pollfd p = {.fd = o->fd, .events = POLLIN};
        int fd;

        if (poll(&p, 1, ORIGIN_POLL_MS) <= 0)
            continue;
        set_accepting(o, true);
        fd = accept4(o->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            conn_start(o, fd);
        else
            set_accepting(o, false);
    }
    return NULL;
}

static void
socket_open(struct origin *o)
{
    struct sockaddr_in sin = {.sin_family = AF_INET,
                              .sin_port = htons(o->spec.port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sin);
    int on = 1;

    o->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (o->fd < 0)
        die("socket: %s", strerror(errno));
    setsockopt(o->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(o->fd, (struct sockaddr *)&sin, len) < 0)
        die("origin: port %u: %s", o->spec.port, strerror(errno));
    if (!o->spec.refuse && listen(o->fd, o->spec.never_accept ? 1 : BACKLOG) < 0)
        die("origin: %s", strerror(errno));
    getsockname(o->fd, (struct sockaddr *)&sin, &len);
    o->port = ntohs(sin.sin_port);
    snprintf(o->address, sizeof(o->address), "127.0.0.1:%u", o->port);
}

static int
alpn_pick(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
          unsigned int in_len, void *arg)
{
    const char *want = arg;
    size_t n = strlen(want);

    (void)ssl;
    for (unsigned int at = 0; at < in_len; at += in[at] + 1u) {
        if (in[at] != n || at + 1 + n > in_len || memcmp(in + at + 1, want, n) != 0)
            continue;
        *out = in + at + 1;
        *out_len = in[at];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

static void
tls_open(struct origin *o)
{
    const struct pki_cert *cert = o->spec.cert;

    o->ctx = SSL_CTX_new(TLS_server_method());
    if (!o->ctx || SSL_CTX_use_certificate(o->ctx, cert->x509) != 1 ||
        SSL_CTX_use_PrivateKey(o->ctx, cert->key) != 1)
        die("origin: cannot use the certificate");
    for (const struct pki_cert *c = cert->issuer; c && c != c->issuer && c != cert; c = c->issuer)
        if (SSL_CTX_add1_chain_cert(o->ctx, c->x509) != 1)
            die("origin: cannot use the chain");
    SSL_CTX_set_session_id_context(o->ctx, (const unsigned char *)"origin", 6);
    SSL_CTX_set_mode(o->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (o->spec.alpn)
        SSL_CTX_set_alpn_select_cb(o->ctx, alpn_pick, (void *)(uintptr_t)o->spec.alpn);
    if (o->spec.client_ca) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(o->ctx), o->spec.client_ca->x509);
        SSL_CTX_set_verify(o->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
}

struct origin *
origin_start(const struct origin_spec *spec)
{
    struct origin *o = xcalloc(1, sizeof(*o));
    pthread_condattr_t monotonic;

    signal(SIGPIPE, SIG_IGN);
    o->spec = *spec;
    if (spec->steps)
        o->script = script_copy(spec->steps, spec->count);
    else
        o->script = script_copy(default_steps, array_len(default_steps));
    o->conns = xcalloc(ORIGIN_CONNS_MAX, sizeof(struct origin_conn *));
    pthread_mutex_init(&o->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&o->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    socket_open(o);
    if (spec->cert)
        tls_open(o);
    if (!spec->refuse && !spec->never_accept &&
        pthread_create(&o->thread, NULL, accept_thread, o) != 0)
        die("cannot start a thread");
    return o;
}

uint16_t
origin_port(const struct origin *o)
{
    return o->port;
}

const char *
origin_address(const struct origin *o)
{
    return o->address;
}

void
origin_set_steps(struct origin *o, const struct origin_step *steps, size_t count)
{
    pthread_mutex_lock(&o->lock);
    if (steps)
        script_replace(&o->script, steps, count);
    else
        script_replace(&o->script, default_steps, array_len(default_steps));
    pthread_mutex_unlock(&o->lock);
}

void
origin_set_conn_steps(struct origin *o, size_t n, const struct origin_step *steps, size_t count)
{
    if (n >= ORIGIN_SPECIAL_MAX)
        die("the origin keeps steps for %d connections", (int)ORIGIN_SPECIAL_MAX);
    pthread_mutex_lock(&o->lock);
    script_replace(&o->special[n], steps, count);
    pthread_mutex_unlock(&o->lock);
}

/* ---- what it saw; the lock is held by the _locked ones ---- */

static size_t
conns_locked(const struct origin *o)
{
    return o->conn_count - o->first;
}

/* Connections that wait to be accepted count: they may hold bytes already. */
static size_t
open_locked(const struct origin *o)
{
    bool is_served = !o->spec.never_accept && !o->spec.refuse;
    struct pollfd queue = {.fd = is_served ? o->fd : -1, .events = POLLIN};
    size_t n = o->accepting || poll(&queue, 1, 0) > 0;

    for (size_t i = o->first; i < o->conn_count; i++)
        n += !o->conns[i]->ended;
    return n;
}

static size_t
requests_locked(const struct origin *o)
{
    return o->requests;
}

static size_t
figure(struct origin *o, size_t (*count)(const struct origin *))
{
    size_t n;

    pthread_mutex_lock(&o->lock);
    n = count(o);
    pthread_mutex_unlock(&o->lock);
    return n;
}

size_t
origin_conn_count(struct origin *o)
{
    return figure(o, conns_locked);
}

size_t
origin_open_count(struct origin *o)
{
    return figure(o, open_locked);
}

size_t
origin_request_count(struct origin *o)
{
    return figure(o, requests_locked);
}

static struct timespec
deadline_in(int timeout_ms)
{
    int64_t at = now_us() + (int64_t)timeout_ms * 1000;

    return (struct timespec){at / 1000000, (long)(at % 1000000) * 1000};
}

/* Waits until count is at least (or, with at_most, not above) n. */
static bool
wait_count(struct origin *o, size_t (*count)(const struct origin *), size_t n, bool at_most,
           int timeout_ms)
{
    struct timespec until = deadline_in(timeout_ms);
    bool reached;

    pthread_mutex_lock(&o->lock);
    while (!(reached = at_most ? count(o) <= n : count(o) >= n))
        if (pthread_cond_timedwait(&o->changed, &o->lock, &until) == ETIMEDOUT)
            break;
    pthread_mutex_unlock(&o->lock);
    return reached;
}

bool
origin_wait_conns(struct origin *o, size_t n, int timeout_ms)
{
    return wait_count(o, conns_locked, n, false, timeout_ms);
}

bool
origin_wait_requests(struct origin *o, size_t n, int timeout_ms)
{
    return wait_count(o, requests_locked, n, false, timeout_ms);
}

bool
origin_wait_idle(struct origin *o, int timeout_ms)
{
    return wait_count(o, open_locked, 0, true, timeout_ms);
}

static struct origin_conn *
conn_of(struct origin *o, size_t n)
{
    if (n >= conns_locked(o))
        die("the origin has seen %zu connections, not %zu", conns_locked(o), n + 1);
    return o->conns[o->first + n];
}

struct bytes
origin_received(struct origin *o, size_t n)
{
    struct bytes copy = {0};

    pthread_mutex_lock(&o->lock);
    bytes_add(&copy, conn_of(o, n)->received.ptr, conn_of(o, n)->received.len);
    pthread_mutex_unlock(&o->lock);
    return copy;
}

struct bytes
origin_received_all(struct origin *o)
{
    struct bytes copy = {0};

    pthread_mutex_lock(&o->lock);
    bytes_add(&copy, o->all.ptr, o->all.len);
    pthread_mutex_unlock(&o->lock);
    return copy;
}

bool
origin_saw(struct origin *o, const char *text)
{
    struct bytes all = origin_received_all(o);
    bool saw = find_bytes(all.ptr, all.len, text, strlen(text)) != NULL;

    bytes_free(&all);
    return saw;
}

const char *
origin_sni(struct origin *o, size_t n)
{
    const char *sni;

    pthread_mutex_lock(&o->lock);
    sni = conn_of(o, n)->sni;
    pthread_mutex_unlock(&o->lock);
    return sni ? sni : "";
}

bool
origin_resumed(struct origin *o, size_t n)
{
    bool resumed;

    pthread_mutex_lock(&o->lock);
    resumed = conn_of(o, n)->resumed;
    pthread_mutex_unlock(&o->lock);
    return resumed;
}

void
origin_forget(struct origin *o)
{
    pthread_mutex_lock(&o->lock);
    o->first = o->conn_count;
    o->requests = 0;
    bytes_free(&o->all);
    pthread_mutex_unlock(&o->lock);
}

void
origin_stop(struct origin *o)
{
    if (!o)
        return;
    pthread_mutex_lock(&o->lock);
    o->stopping = true;
    origin_announce(o);
    pthread_mutex_unlock(&o->lock);
    if (!o->spec.refuse && !o->spec.never_accept)
        pthread_join(o->thread, NULL);
    for (size_t i = 0; i < o->conn_count; i++) {
        struct origin_conn *c = o->conns[i];

        pthread_join(c->thread, NULL);
        bytes_free(&c->received);
        free(c->script.steps);
        free(c->sni);
        free(c);
    }
    close(o->fd);
    SSL_CTX_free(o->ctx);
    pthread_cond_destroy(&o->changed);
    pthread_mutex_destroy(&o->lock);
    bytes_free(&o->all);
    free(o->script.steps);
    for (size_t i = 0; i < ORIGIN_SPECIAL_MAX; i++)
        free(o->special[i].steps);
    free(o->conns);
    free(o);
}
