/* SPDX-License-Identifier: Apache-2.0
 *
 * Server contexts: one SSL_CTX per certificate, all with the policy of one listener. Built by
 * the control thread, then read by every worker; a tls_server owns its contexts and names. It
 * must never be built from part of what was configured, nor offer less than the promised
 * minimum of TLS.
 */
#include "tls/tls_ctx.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "tls/chain.h"
#include "tls/compat.h"
#include "tls/keys.h"
#include "tls/ticket.h"
#include "tls/ticket_keys.h"
#include "tls/tls_int.h"

/* 128-bit AES first: it is the cheapest where the CPU has AES, and a client without AES says so
 * by preferring ChaCha20 (SSL_OP_PRIORITIZE_CHACHA). */
#define CIPHERS_12                                               \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:" \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
#define CIPHERS_13 "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"

static bool
set_groups(SSL_CTX *ctx)
{
    /* In TLS 1.2 this list also bounds the curves that client certificates may have, hence P-521.
     * The hybrid of ML-KEM is known from OpenSSL 3.5 on. */
    if (SSL_CTX_set1_groups_list(ctx, "X25519MLKEM768:X25519:P-256:P-384:P-521") == 1)
        return true;
    return SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384:P-521") == 1;
}

int
tls_ctx_set_common(SSL_CTX *ctx)
{
    bool is_set;

    SSL_CTX_set_security_level(ctx, 2);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                 COMPAT_NO_CERT_COMPRESSION);
    /* Without NO_AUTO_CHAIN a context that has only a leaf would search its issuers anew in
     * every handshake. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    /* One read for the header and the body of a record instead of two. The buffer exists only while
     * there is something in it (RELEASE_BUFFERS); a larger one than libssl's own, for several
     * records a read, measured no difference. */
    SSL_CTX_set_read_ahead(ctx, 1);
    is_set = SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
             SSL_CTX_set_cipher_list(ctx, CIPHERS_12) == 1 &&
             SSL_CTX_set_ciphersuites(ctx, CIPHERS_13) == 1 && set_groups(ctx);
    ERR_clear_error();
    return is_set ? 0 : GW_E_BUG;
}

/* The plain words of libcrypto's last failure. */
static const char *
library_error(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return text != NULL ? text : "no reason given";
}

static int
use_pair(SSL_CTX *ctx, const struct tls_cert_source *src, const struct chain *chain, EVP_PKEY *key,
         struct diag *diag)
{
    if (X509_check_private_key(chain->leaf, key) != 1) {
        ERR_clear_error();
        diag_error(diag, src->private_key, 0, 0,
                   "is not the private key of %s; give the key that this certificate was issued "
                   "for",
                   src->certificate);
        return GW_E_CONFIG;
    }
    if (SSL_CTX_use_certificate(ctx, chain->leaf) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1 ||
        SSL_CTX_set1_chain(ctx, chain->rest) != 1) {
        diag_error(diag, src->certificate, 0, 0,
                   "cannot be used for TLS: %s; keys of at least P-256 or RSA 2048 bits and "
                   "signatures with SHA-256 or better are needed",
                   library_error());
        return GW_E_CONFIG;
    }
    return 0;
}

int
tls_ctx_use(SSL_CTX *ctx, const struct tls_cert_source *src, struct diag *diag, X509 **ret_leaf,
            int64_t *ret_not_after_s)
{
    struct chain chain = {0};
    EVP_PKEY *key = NULL;
    int rc = chain_load(src->certificate, diag, &chain);
    int key_rc = keys_load(src->private_key, diag, &key); /* also when the other failed */

    if (rc == 0)
        rc = key_rc;
    if (rc == 0)
        rc = use_pair(ctx, src, &chain, key, diag);
    if (rc == 0) {
        *ret_leaf = SSL_CTX_get0_certificate(ctx);
        *ret_not_after_s = chain.not_after_s;
    }
    EVP_PKEY_free(key);
    chain_done(&chain);
    return rc;
}

static int
verify_mode(enum tls_client_auth auth)
{
    switch (auth) {
    case TLS_CLIENT_AUTH_REQUEST:
        return SSL_VERIFY_PEER;
    case TLS_CLIENT_AUTH_REQUIRE:
        return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    case TLS_CLIENT_AUTH_OFF:
    default:
        return SSL_VERIFY_NONE;
    }
}

/* Sessions are not resumed: no tickets of either version and no cache. Both switches matter, for
 * TLS 1.3 falls back to the cache when tickets are off. */
static void
set_no_resumption(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_early_data(ctx, 0);
}

static SSL_CTX *
context_new(const struct tls_server *s, STACK_OF(X509_NAME) * ca_names)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    STACK_OF(X509_NAME) *names = NULL;

    if (ctx == NULL || tls_ctx_set_common(ctx) < 0 ||
        SSL_CTX_set_min_proto_version(ctx, s->minimum_version) != 1)
        goto fail;
    if (ca_names != NULL) {
        names = SSL_dup_CA_list(ca_names);
        if (names == NULL)
            goto fail;
        SSL_CTX_set_client_CA_list(ctx, names);
    }
    if (s->ticket_keys != NULL)
        ticket_enable(ctx);
    else
        set_no_resumption(ctx);
    SSL_CTX_set_max_cert_list(ctx, CLIENT_CERT_LIST_MAX);
    SSL_CTX_set_verify(ctx, s->verify_mode, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, tls_on_verify, NULL);
    SSL_CTX_set_client_hello_cb(ctx, tls_on_client_hello, NULL);
    SSL_CTX_set_alpn_select_cb(ctx, tls_on_alpn, NULL);
    return ctx;
fail:
    ERR_clear_error();
    SSL_CTX_free(ctx);
    return NULL;
}

/* A certificate that browsers and libraries would refuse on a server. */
static void
warn_of_purpose(X509 *leaf, const char *path, struct diag *diag)
{
    if (X509_check_purpose(leaf, X509_PURPOSE_SSL_SERVER, 0) == 1)
        return;
    diag_warn(diag, path, 0, 0,
              "the certificate's key usage does not allow a TLS server; clients will refuse it");
}

static int
add_certificate(struct tls_server *s, const struct tls_server_source *src, size_t index,
                struct diag *diag)
{
    const struct tls_cert_source *cert = &src->certs[index];
    SSL_CTX *ctx = context_new(s, src->ca_names);
    int64_t not_after_s = 0;
    X509 *leaf = NULL;
    int rc;

    if (ctx == NULL) {
        diag_error(diag, NULL, 0, 0, "listener %s: libssl gave no context", src->name);
        return GW_E_NOMEM;
    }
    s->contexts[s->count] = ctx;
    s->paths[s->count++] = strdup(cert->certificate);
    if (s->paths[index] == NULL) {
        diag_error(diag, NULL, 0, 0, "listener %s: out of memory", src->name);
        return GW_E_NOMEM;
    }
    rc = tls_ctx_use(ctx, cert, diag, &leaf, &not_after_s);
    if (rc < 0)
        return rc;
    if (not_after_s < s->not_after_s)
        s->not_after_s = not_after_s;
    warn_of_purpose(leaf, cert->certificate, diag);
    rc = tls_names_add(&s->names, leaf, index);
    if (rc < 0)
        diag_error(diag, cert->certificate, 0, 0, "its names cannot be indexed: %s", err_text(rc));
    return rc;
}

static void
server_free(struct tls_server *s)
{
    for (size_t i = 0; i < s->count; i++) {
        SSL_CTX_free(s->contexts[i]);
        free(s->paths[i]);
    }
    free(s->contexts);
    free(s->paths);
    tls_names_done(&s->names);
    ticket_keys_unref(s->ticket_keys);
    BIO_meth_free(s->bio_method);
    free(s);
}

static struct tls_server *
server_new(const struct tls_server_source *src)
{
    struct tls_server *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    ref_init(&s->ref);
    tls_names_init(&s->names);
    s->minimum_version = src->minimum_version;
    s->verify_mode = verify_mode(src->client_auth);
    s->has_h2 = src->has_h2;
    s->has_http11 = src->has_http11;
    s->not_after_s = INT64_MAX;
    if (src->ticket_keys != NULL)
        s->ticket_keys = ticket_keys_ref(src->ticket_keys);
    s->bio_method = sock_bio_method_new();
    s->contexts = calloc(src->cert_count, sizeof(SSL_CTX *));
    s->paths = calloc(src->cert_count, sizeof(char *));
    if (s->bio_method != NULL && s->contexts != NULL && s->paths != NULL)
        return s;
    server_free(s);
    return NULL;
}

int
tls_server_build(const struct tls_server_source *src, struct diag *diag, struct tls_server **ret)
{
    struct tls_server *s;
    int result = 0;

    if (src->cert_count == 0) {
        diag_error(diag, NULL, 0, 0,
                   "listener %s: has no certificate; give at least one certificate and "
                   "private_key",
                   src->name);
        return GW_E_CONFIG;
    }
    s = server_new(src);
    if (s == NULL) {
        diag_error(diag, NULL, 0, 0, "listener %s: out of memory", src->name);
        return GW_E_NOMEM;
    }
    for (size_t i = 0; i < src->cert_count; i++) {
        const struct diag_place *named = &src->certs[i].named;
        int rc;

        diag_named_at(diag, named->file, named->line, named->column);
        rc = add_certificate(s, src, i, diag);
        diag_named_nowhere(diag);
        if (rc < 0)
            result = rc;
    }
    if (result < 0) {
        server_free(s);
        return result;
    }
    *ret = s;
    return 0;
}

struct tls_server *
tls_server_ref(struct tls_server *s)
{
    ref_take(&s->ref);
    return s;
}

void
tls_server_unref(struct tls_server *s)
{
    if (s != NULL && ref_drop(&s->ref))
        server_free(s);
}

int64_t
tls_server_not_after(const struct tls_server *s)
{
    return s->not_after_s;
}

size_t
tls_server_cert_count(const struct tls_server *s)
{
    return s->count;
}
