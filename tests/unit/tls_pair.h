/* SPDX-License-Identifier: Apache-2.0
 *
 * A tls_io on one end of a socket pair and plain libssl on the other, stepped in turns in one
 * thread. For the unit tests of src/tls only.
 */
#ifndef UNIT_TLS_PAIR_H
#define UNIT_TLS_PAIR_H

#include "support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/pki.h"
#include "tls/tls_ctx.h"
#include "tls/tls_io.h"

/* Certificates of a test program, and the folder with their files. */
struct tls_files {
    char *dir;
    struct pki_cert *root;
    struct pki_cert *ca;
    struct pki_cert *server; /* localhost, api.example.test, *.wild.test */
    struct pki_cert *other;  /* other.test */
    struct pki_cert *client;
};

/* One connection. */
struct tls_pair {
    struct tls_io *t;
    SSL_CTX *ctx; /* the plain side */
    SSL *ssl;
    int fd[2];       /* t's, the plain side's */
    int alert;       /* received by the plain side, -1 for none */
    int tickets;     /* NewSessionTicket messages that it got */
    int early;       /* SSL_get_early_data_status */
    int ssl_error;   /* of its last operation */
    bool is_done[2]; /* handshake complete: t's, the plain side's */
};

/* What the hooks saw and what they are to answer. */
struct tls_judge {
    struct tls_server *policy;
    enum reason answer;
    char sni[256];
    int hello_calls;
    int cert_calls;
    int chain_len;
    X509 *shared[2]; /* on_shared_cert finds these by their bytes */
};

static inline struct tls_server *
judge_hello(void *arg, struct str sni)
{
    struct tls_judge *j = arg;

    j->hello_calls++;
    assert_true(sni.len < sizeof(j->sni));
    memcpy(j->sni, sni.len > 0 ? sni.ptr : "", sni.len);
    j->sni[sni.len] = '\0';
    return j->policy;
}

static inline enum reason
judge_cert(void *arg, X509 *leaf, STACK_OF(X509) * chain)
{
    struct tls_judge *j = arg;

    assert_non_null(leaf);
    j->cert_calls++;
    j->chain_len = sk_X509_num(chain);
    return j->answer;
}

static inline X509 *
judge_shared(void *arg, X509 *cert)
{
    struct tls_judge *j = arg;

    for (size_t i = 0; i < array_len(j->shared); i++) {
        if (j->shared[i] != NULL && X509_cmp(j->shared[i], cert) == 0)
            return j->shared[i];
    }
    return NULL;
}

static const struct tls_hooks judge_hooks = {
    .on_client_hello = judge_hello, .on_client_cert = judge_cert, .on_shared_cert = judge_shared};

static inline char *
files_path(const struct tls_files *f, const char *name)
{
    return unit_path(f->dir, name);
}

static inline void
files_make(struct tls_files *f)
{
    char *bundle;

    f->dir = unit_tmp_new();
    f->root = pki_root("Unit Root");
    f->ca = pki_intermediate(f->root, "Unit CA");
    f->server = pki_server(f->ca, "localhost,api.example.test,*.wild.test,127.0.0.1");
    f->other = pki_server(f->ca, "other.test");
    f->client = pki_client(f->ca, "alice");
    pki_write_pair(f->dir, "server", f->server);
    pki_write_pair(f->dir, "other", f->other);
    pki_write_pair(f->dir, "client", f->client);
    bundle = files_path(f, "root.pem");
    pki_write_certs(bundle, f->root, NULL);
    free(bundle);
}

static inline void
files_free(struct tls_files *f)
{
    pki_free(f->client);
    pki_free(f->other);
    pki_free(f->server);
    pki_free(f->ca);
    pki_free(f->root);
    unit_tmp_done(f->dir);
}

static inline void
assert_no_errors(struct diag *d)
{
    if (diag_has_errors(d))
        diag_print(d, stderr);
    assert_false(diag_has_errors(d));
}

/* A server for the pairs NAME.pem, NAME.key; names end with NULL. */
static inline struct tls_server *
server_make(const struct tls_files *f, const char *const *names, struct tls_server_source src)
{
    struct tls_cert_source certs[8] = {0};
    struct tls_server *s = NULL;
    struct diag diag;
    size_t n = 0;

    diag_init(&diag);
    for (; names[n] != NULL; n++) {
        char *pem = xformat("%s/%s.pem", f->dir, names[n]);
        char *key = xformat("%s/%s.key", f->dir, names[n]);

        certs[n] = (struct tls_cert_source){.certificate = pem, .private_key = key};
    }
    src.name = "unit";
    src.certs = certs;
    src.cert_count = n;
    if (src.minimum_version == 0)
        src.minimum_version = TLS1_2_VERSION;
    if (!src.has_h2 && !src.has_http11)
        src.has_h2 = src.has_http11 = true;
    assert_int_equal(tls_server_build(&src, &diag, &s), 0);
    assert_no_errors(&diag);
    diag_done(&diag);
    for (size_t i = 0; i < n; i++) {
        free((char *)certs[i].certificate);
        free((char *)certs[i].private_key);
    }
    return s;
}

static inline struct tls_server *
server_simple(const struct tls_files *f, enum tls_client_auth auth)
{
    static const char *const names[] = {"server", NULL};

    return server_make(f, names, (struct tls_server_source){.client_auth = auth});
}

static inline void
note_alert(const SSL *ssl, int where, int value)
{
    struct tls_pair *p = SSL_get_app_data(ssl);

    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && (value & 0xff) != 0)
        p->alert = value & 0xff;
}

static inline void
note_message(int is_write, int version, int type, const void *buf, size_t len, SSL *ssl, void *arg)
{
    struct tls_pair *p = arg;

    (void)version;
    (void)ssl;
    if (!is_write && type == SSL3_RT_HANDSHAKE && len > 0 &&
        *(const uint8_t *)buf == SSL3_MT_NEWSESSION_TICKET)
        p->tickets++;
}

static inline void
pair_sockets(struct tls_pair *p)
{
    *p = (struct tls_pair){.alert = -1};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fd), 0);
}

static inline void
pair_add_plain(struct tls_pair *p, const SSL_METHOD *method, int version)
{
    p->ctx = SSL_CTX_new(method);
    assert_non_null(p->ctx);
    SSL_CTX_set_info_callback(p->ctx, note_alert);
    if (version != 0) {
        SSL_CTX_set_min_proto_version(p->ctx, version);
        SSL_CTX_set_max_proto_version(p->ctx, version);
    }
}

/* After the context has been told what the test needs. */
static inline void
pair_start_plain(struct tls_pair *p)
{
    p->ssl = SSL_new(p->ctx);
    assert_non_null(p->ssl);
    SSL_set_app_data(p->ssl, p);
    SSL_set_msg_callback(p->ssl, note_message);
    SSL_set_msg_callback_arg(p->ssl, p);
    assert_int_equal(SSL_set_fd(p->ssl, p->fd[1]), 1);
}

/* A client of one version (0: any) against server. */
static inline void
pair_client(struct tls_pair *p, struct tls_server *server, int version, struct tls_judge *judge)
{
    pair_sockets(p);
    p->t = tls_accept(server, p->fd[0], judge != NULL ? &judge_hooks : NULL, judge);
    assert_non_null(p->t);
    pair_add_plain(p, TLS_client_method(), version);
    pair_start_plain(p);
    SSL_set_connect_state(p->ssl);
}

static inline void
pair_use_cert(struct tls_pair *p, const struct pki_cert *c, const struct pki_cert *issuer)
{
    assert_int_equal(SSL_use_certificate(p->ssl, c->x509), 1);
    assert_int_equal(SSL_use_PrivateKey(p->ssl, c->key), 1);
    if (issuer != NULL)
        assert_int_equal(SSL_add1_chain_cert(p->ssl, issuer->x509), 1);
}

static inline void
pair_free(struct tls_pair *p)
{
    tls_free(p->t);
    SSL_free(p->ssl);
    SSL_CTX_free(p->ctx);
    for (int i = 0; i < 2; i++) {
        if (p->fd[i] >= 0)
            close(p->fd[i]);
    }
    ERR_clear_error();
}

/* One step of the plain side's handshake. */
static inline void
plain_step(struct tls_pair *p)
{
    int rc;

    if (p->is_done[1] || p->ssl_error == SSL_ERROR_SSL || p->ssl_error == SSL_ERROR_SYSCALL)
        return;
    ERR_clear_error();
    rc = SSL_do_handshake(p->ssl);
    p->ssl_error = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(p->ssl, rc);
    p->is_done[1] = rc == 1;
    ERR_clear_error();
}

/* Steps both sides until neither can go on. Returns what tls_handshake said last. */
static inline int
pair_shake(struct tls_pair *p)
{
    int rc = GW_E_WANT_READ;

    for (int i = 0; i < 50; i++) {
        plain_step(p);
        if (rc == GW_E_WANT_READ || rc == GW_E_WANT_WRITE) {
            tls_on_ready(p->t, true, true, false);
            rc = tls_handshake(p->t);
            p->is_done[0] = rc == 0;
        }
        if (p->is_done[0] && p->is_done[1])
            break;
    }
    return rc;
}

/* Lets the plain side read what it has been sent: tickets, alerts, data. */
static inline int
plain_read(struct tls_pair *p, void *dst, int n)
{
    int rc;

    ERR_clear_error();
    rc = SSL_read(p->ssl, dst, n);
    p->ssl_error = rc > 0 ? SSL_ERROR_NONE : SSL_get_error(p->ssl, rc);
    ERR_clear_error();
    return rc;
}

static inline void
plain_write(struct tls_pair *p, const char *text)
{
    assert_int_equal(SSL_write(p->ssl, text, (int)strlen(text)), (int)strlen(text));
}

static inline void
assert_tls_reads(struct tls_pair *p, const char *text)
{
    char got[256];
    size_t n = 0;

    tls_on_ready(p->t, true, true, false);
    assert_int_equal(tls_read(p->t, got, sizeof(got), &n), 0);
    assert_str_equal(str_make(got, n), str_from(text));
}

static inline void
assert_plain_reads(struct tls_pair *p, const char *text)
{
    char got[256];
    int n = plain_read(p, got, sizeof(got));

    assert_true(n >= 0);
    assert_str_equal(str_make(got, (size_t)n), str_from(text));
}

static inline void
tls_write_all(struct tls_pair *p, const char *text)
{
    size_t n = 0;

    assert_int_equal(tls_write(p->t, text, strlen(text), &n), 0);
    assert_int_equal(n, strlen(text));
}

/* An open connection of one version without certificates. */
static inline struct tls_server *
open_pair(const struct tls_files *f, struct tls_pair *p, int version)
{
    struct tls_server *s = server_simple(f, TLS_CLIENT_AUTH_OFF);

    pair_client(p, s, version, NULL);
    assert_int_equal(pair_shake(p), 0);
    return s;
}

/* A ClientHello with extra bytes of padding in an extension of its own. */
static inline struct bytes
client_hello(size_t padding)
{
    struct bytes hello = {0};
    uint8_t *zeros = xcalloc(1, padding + 1);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    BIO *out = BIO_new(BIO_s_mem());
    char *bytes;
    long len;
    SSL *ssl;

    if (padding > 0) {
        /* One ALPN list cannot be longer than 64 KiB; names of 255 bytes fill it. */
        for (size_t i = 0; i < padding; i += 256)
            zeros[i] = (uint8_t)size_min(255, padding - i - 1);
        for (size_t i = 0; i < padding; i++)
            zeros[i] = zeros[i] != 0 ? zeros[i] : 'x';
    }
    ssl = SSL_new(ctx);
    SSL_set_tlsext_host_name(ssl, "localhost");
    if (padding > 0)
        assert_int_equal(SSL_set_alpn_protos(ssl, zeros, (unsigned)padding), 0);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
    SSL_set_connect_state(ssl);
    assert_int_equal(SSL_do_handshake(ssl), -1);
    len = BIO_get_mem_data(out, &bytes);
    bytes_add(&hello, bytes, (size_t)len);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    free(zeros);
    ERR_clear_error();
    return hello;
}

struct built {
    int rc;
    struct tls_server *server;
    struct diag diag;
};

/* Builds a server of one pair of files below the test's folder. */
static inline struct built
build(const struct tls_files *f, const char *pem, const char *key)
{
    char *pem_path = files_path(f, pem);
    char *key_path = files_path(f, key);
    struct tls_cert_source cert = {.certificate = pem_path, .private_key = key_path};
    struct tls_server_source src = {
        .name = "partners",
        .certs = &cert,
        .cert_count = 1,
        .minimum_version = TLS1_2_VERSION,
        .has_http11 = true,
    };
    struct built b = {0};

    diag_init(&b.diag);
    b.rc = tls_server_build(&src, &b.diag, &b.server);
    assert_int_equal(b.rc < 0, diag_has_errors(&b.diag));
    assert_int_equal(b.rc < 0, b.server == NULL);
    free(pem_path);
    free(key_path);
    return b;
}

static inline void
built_done(struct built *b)
{
    tls_server_unref(b->server);
    diag_done(&b->diag);
}

static inline void
assert_refused(const struct tls_files *f, const char *pem, const char *key, const char *text)
{
    struct built b = build(f, pem, key);
    bool found = false;

    assert_int_equal(b.rc, GW_E_CONFIG);
    for (size_t i = 0; i < b.diag.count; i++)
        found = found || strstr(b.diag.entries[i].text, text) != NULL;
    if (!found)
        diag_print(&b.diag, stderr);
    assert_true(found);
    built_done(&b);
}

/* Writes NAME.pem of these certificates (the list ends with NULL) and NAME.key. */
static inline void
write_pair(const struct tls_files *f, const char *name, EVP_PKEY *key,
           const struct pki_cert *const certs[3])
{
    char *pem_path = xformat("%s/%s.pem", f->dir, name);
    char *key_path = xformat("%s/%s.key", f->dir, name);

    pki_write_certs(pem_path, certs[0], certs[1], certs[2], NULL);
    pki_write_key(key_path, key);
    free(pem_path);
    free(key_path);
}

#endif
