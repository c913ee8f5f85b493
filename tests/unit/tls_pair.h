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

static const struct tls_hooks judge_hooks = {judge_hello, judge_cert};

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

        certs[n] = (struct tls_cert_source){pem, key};
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

#endif
