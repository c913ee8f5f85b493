/* SPDX-License-Identifier: Apache-2.0
 *
 * Client contexts, one per target group, and the start of a connection to an upstream. Contexts
 * are built by the control thread and used by every worker; a session belongs to whoever owns
 * the slot. It must never connect without checking chain and name, nor take up a session that
 * was made under another trust or for another name.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/secret.h"
#include "tls/chain.h"
#include "tls/tls_int.h"

/* Where distributions keep the system's bundle; read once at load, so that no handshake opens a
 * file. */
static const char *
system_bundle(void)
{
    static const char *const paths[] = {
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    };

    for (size_t i = 0; i < array_len(paths); i++) {
        if (access(paths[i], R_OK) == 0)
            return paths[i];
    }
    return NULL;
}

static int
load_trust(SSL_CTX *ctx, const struct tls_client_source *src, struct diag *diag)
{
    const char *path = src->ca_bundle != NULL ? src->ca_bundle : system_bundle();

    if (path == NULL) {
        diag_error(diag, NULL, 0, 0,
                   "target group %s: this system has no CA bundle; install the package "
                   "ca-certificates or set tls.ca_bundle",
                   src->name);
        return GW_E_CONFIG;
    }
    /* An intermediate in a bundle of one's own is an anchor, as in a trust store. */
    if (src->ca_bundle != NULL)
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    return chain_load_store(path, SSL_CTX_get_cert_store(ctx), diag);
}

static int
load_client_pair(SSL_CTX *ctx, const struct tls_client_source *src, struct diag *diag)
{
    const struct tls_cert_source pair = {.certificate = src->certificate,
                                         .private_key = src->private_key};
    int64_t not_after_s;
    X509 *leaf;

    if (src->certificate == NULL && src->private_key == NULL)
        return 0;
    if (src->certificate == NULL || src->private_key == NULL) {
        diag_error(diag, NULL, 0, 0,
                   "target group %s: client_certificate and client_private_key go together; one "
                   "is missing",
                   src->name);
        return GW_E_CONFIG;
    }
    return tls_ctx_use(ctx, &pair, diag, &leaf, &not_after_s);
}

static SSL_CTX *
context_new(void)
{
    static const uint8_t alpn[] = "\x08http/1.1";
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (ctx == NULL)
        return NULL;
    if (tls_ctx_set_common(ctx) < 0 || SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1) != 0) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, tls_on_session);
    return ctx;
}

static void
client_free(struct tls_client *c)
{
    SSL_CTX_free(c->context);
    BIO_meth_free(c->bio_method);
    free(c);
}

int
tls_client_build(const struct tls_client_source *src, struct diag *diag, struct tls_client **ret)
{
    struct tls_client *c = calloc(1, sizeof(*c));
    int rc;
    int pair_rc;

    if (c != NULL) {
        ref_init(&c->ref);
        secret_random(c->id, sizeof(c->id));
        c->bio_method = sock_bio_method_new();
        c->context = context_new();
    }
    if (c == NULL || c->bio_method == NULL || c->context == NULL) {
        if (c != NULL)
            client_free(c);
        diag_error(diag, NULL, 0, 0, "target group %s: libssl gave no context", src->name);
        return GW_E_NOMEM;
    }
    rc = load_trust(c->context, src, diag);
    pair_rc = load_client_pair(c->context, src, diag);
    if (rc == 0)
        rc = pair_rc;
    if (rc < 0) {
        client_free(c);
        return rc;
    }
    *ret = c;
    return 0;
}

struct tls_client *
tls_client_ref(struct tls_client *c)
{
    ref_take(&c->ref);
    return c;
}

void
tls_client_unref(struct tls_client *c)
{
    if (c != NULL && ref_drop(&c->ref))
        client_free(c);
}

/* The newest ticket is the one to use; libssl hands over its reference when we return 1. */
int
tls_on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_io *t = tls_io_of(ssl);

    if (t->session_slot == NULL)
        return 0;
    SSL_SESSION_free(*t->session_slot);
    *t->session_slot = session;
    return 1;
}

void
tls_session_free(SSL_SESSION *s)
{
    SSL_SESSION_free(s);
}

static bool
pin_name(SSL *ssl, const char *server_name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    uint8_t ip[16];

    /* A common name is no host name (RFC 9525 6.3), and no name constraint holds it. */
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (inet_pton(AF_INET, server_name, ip) == 1)
        return X509_VERIFY_PARAM_set1_ip(param, ip, 4) == 1;
    if (inet_pton(AF_INET6, server_name, ip) == 1)
        return X509_VERIFY_PARAM_set1_ip(param, ip, 16) == 1;
    return server_name[0] != '\0' && X509_VERIFY_PARAM_set1_host(param, server_name, 0) == 1 &&
           SSL_set_tlsext_host_name(ssl, server_name) == 1;
}

/* A resumed session is not verified again, so it carries what it was verified against. */
static void
session_tag(const struct tls_client *c, const char *server_name, uint8_t tag[TLS_SESSION_TAG_BYTES])
{
    static const uint64_t key[2] = {0, 0}; /* names are the operator's own */
    uint64_t name_hash = siphash24(key, server_name, strlen(server_name));

    memcpy(tag, c->id, sizeof(c->id));
    memcpy(tag + sizeof(c->id), &name_hash, sizeof(name_hash));
}

static bool
offer_session(struct tls_io *t, const char *server_name)
{
    uint8_t tag[TLS_SESSION_TAG_BYTES];
    const unsigned char *theirs;
    SSL_SESSION *session = t->session_slot != NULL ? *t->session_slot : NULL;
    unsigned len = 0;

    session_tag(t->client, server_name, tag);
    if (SSL_set_session_id_context(t->ssl, tag, sizeof(tag)) != 1)
        return false;
    if (session == NULL || !SSL_SESSION_is_resumable(session))
        return true;
    theirs = SSL_SESSION_get0_id_context(session, &len);
    if (len != sizeof(tag) || memcmp(theirs, tag, sizeof(tag)) != 0)
        return true;
    t->offered = session;
    return SSL_set_session(t->ssl, session) == 1;
}

struct tls_io *
tls_connect(struct tls_client *client, int fd, const char *server_name, SSL_SESSION **session_slot)
{
    struct tls_io *t = tls_io_new(client->context, client->bio_method, fd);

    if (t == NULL)
        return NULL;
    t->client = tls_client_ref(client);
    t->session_slot = session_slot;
    SSL_set_connect_state(t->ssl);
    if (pin_name(t->ssl, server_name) && offer_session(t, server_name))
        return t;
    ERR_clear_error();
    tls_free(t);
    return NULL;
}
