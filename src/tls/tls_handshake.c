/* SPDX-License-Identifier: Apache-2.0
 *
 * What libssl asks a server in the middle of a handshake: which certificate and policy for this
 * name, which protocol, whether the client's certificate will do. Called by libssl on the
 * connection's thread; keeps references in the tls_io. It must never decide a policy itself:
 * the hooks do, and where there is none the answer is no.
 */
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "http/target.h"
#include "tls/tls_int.h"

#define SNI_HEAD_LEN 5 /* list length, name type, name length */

struct tls_io *
tls_io_of(const SSL *ssl)
{
    struct tls_io *t = SSL_get_app_data(ssl);

    magic_check(t, MAGIC_TLS);
    return t;
}

static size_t
load16(const unsigned char *p)
{
    return (size_t)p[0] << 8 | p[1];
}

/* RFC 6066 3: a list of exactly one host_name. Empty when absent or in any other form. */
static struct str
raw_sni(SSL *ssl)
{
    const unsigned char *p;
    size_t n;

    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) != 1)
        return STR("");
    if (n <= SNI_HEAD_LEN || load16(p) != n - 2 || p[2] != TLSEXT_NAMETYPE_host_name ||
        load16(p + 3) != n - SNI_HEAD_LEN)
        return STR("");
    return str_make(p + SNI_HEAD_LEN, n - SNI_HEAD_LEN);
}

static bool
take_sni(struct tls_io *t)
{
    char canonical[TLS_SNI_MAX + 1];
    struct str raw = raw_sni(t->ssl);
    size_t len = 0;
    char *copy;

    if (raw.len == 0 || raw.len > sizeof(canonical) || host_canonical(raw, canonical, &len) < 0)
        return true;
    copy = malloc(len);
    if (copy == NULL)
        return false;
    memcpy(copy, canonical, len);
    t->sni = str_make(copy, len);
    return true;
}

/* SSL_set_SSL_CTX brings the certificate and the callbacks. What SSL_new copied from the first
 * context stays and has to be set again: how certificates are asked for and the lowest version.
 * Everything else is the same in all contexts. */
static bool
apply_policy(struct tls_io *t, struct tls_server *policy)
{
    size_t index = 0;

    t->policy = tls_server_ref(policy);
    t->used_default = !tls_names_find(&policy->names, t->sni, &index);
    t->cert_index = index;
    t->has_h2 = policy->has_h2;
    t->has_http11 = policy->has_http11;
    if (SSL_set_SSL_CTX(t->ssl, policy->contexts[index]) == NULL)
        return false;
    SSL_set_verify(t->ssl, policy->verify_mode, NULL);
    return SSL_set_min_proto_version(t->ssl, policy->minimum_version) == 1;
}

static bool
offers_alpn(SSL *ssl)
{
    const unsigned char *p;
    size_t n;

    return SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &p,
                                     &n) == 1;
}

static int
refuse_hello(struct tls_io *t, int *alert, int wanted, const char *why)
{
    bool is_mismatch = wanted != SSL_AD_UNRECOGNIZED_NAME && wanted != SSL_AD_INTERNAL_ERROR;

    tls_fault_set(t, is_mismatch ? REASON_PROTOCOL_MISMATCH : REASON_UNMAPPED, why);
    *alert = wanted;
    return SSL_CLIENT_HELLO_ERROR;
}

int
tls_on_client_hello(SSL *ssl, int *alert, void *arg GW_UNUSED)
{
    struct tls_io *t = tls_io_of(ssl);
    struct tls_server *policy = t->server;

    if (SSL_client_hello_isv2(ssl))
        return refuse_hello(t, alert, SSL_AD_PROTOCOL_VERSION, "client hello in SSL 2 format");
    if (!take_sni(t))
        return refuse_hello(t, alert, SSL_AD_INTERNAL_ERROR, "out of memory");
    if (t->hooks != NULL && t->hooks->on_client_hello != NULL)
        policy = t->hooks->on_client_hello(t->arg, t->sni);
    if (policy == NULL)
        return refuse_hello(t, alert, SSL_AD_UNRECOGNIZED_NAME, "no policy for this server name");
    if (!apply_policy(t, policy))
        return refuse_hello(t, alert, SSL_AD_INTERNAL_ERROR, "the policy could not be applied");
    /* Silence means HTTP/1.1; HTTP/2 has to be asked for (RFC 9113 3.2). */
    if (!t->has_http11 && !offers_alpn(ssl))
        return refuse_hello(t, alert, SSL_AD_NO_APPLICATION_PROTOCOL,
                            "the client offers no application protocol, HTTP/2 is required");
    return SSL_CLIENT_HELLO_SUCCESS;
}

struct str
tls_alpn_select(struct str offered, bool has_h2, bool has_http11)
{
    struct str h2 = {NULL, 0};
    struct str http11 = {NULL, 0};

    if (offered.len == 0)
        return h2;
    while (offered.len > 0) {
        size_t len = (uint8_t)offered.ptr[0];
        struct str name = str_sub(offered, 1, len);

        if (len == 0 || name.len != len)
            return (struct str){NULL, 0};
        if (has_h2 && str_eq(name, STR("h2")))
            h2 = name;
        else if (has_http11 && str_eq(name, STR("http/1.1")))
            http11 = name;
        offered = str_sub(offered, 1 + len, offered.len);
    }
    return h2.ptr != NULL ? h2 : http11;
}

int
tls_on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
            const unsigned char *offered, unsigned offered_len, void *arg GW_UNUSED)
{
    struct tls_io *t = tls_io_of(ssl);
    struct str chosen = tls_alpn_select(str_make(offered, offered_len), t->has_h2, t->has_http11);

    if (chosen.ptr == NULL)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = (const unsigned char *)chosen.ptr;
    *ret_len = (unsigned char)chosen.len;
    return SSL_TLSEXT_ERR_OK;
}

/* libssl keeps nothing of a chain that it refused, and nothing but the leaf of one that it
 * accepted where logs and the sweep could find it. */
static void
keep_certificates(struct tls_io *t, X509 *leaf, STACK_OF(X509) * chain)
{
    X509_free(t->leaf);
    sk_X509_pop_free(t->chain, X509_free);
    X509_up_ref(leaf);
    t->leaf = leaf;
    t->chain = chain != NULL ? X509_chain_up_ref(chain) : NULL;
}

void
tls_share_certificates(const struct tls_io *t, STACK_OF(X509) * chain)
{
    if (t->hooks == NULL || t->hooks->on_shared_cert == NULL)
        return;
    for (int i = 0; chain != NULL && i < sk_X509_num(chain); i++) {
        X509 *own = sk_X509_value(chain, i);
        X509 *shared = t->hooks->on_shared_cert(t->arg, own);

        if (shared == NULL || shared == own || X509_up_ref(shared) != 1)
            continue;
        (void)sk_X509_set(chain, i, shared);
        X509_free(own);
    }
}

/* chain is libssl's own stack, of which it takes the session's leaf after this callback. What it
 * made its store context with lives on until the handshake is over. */
static void
share_handshake(struct tls_io *t, X509 *leaf, STACK_OF(X509) * chain)
{
    if (chain == NULL || sk_X509_value(chain, 0) != leaf)
        return;
    X509_free(t->replaced_leaf);
    X509_up_ref(leaf);
    t->replaced_leaf = leaf;
    tls_share_certificates(t, chain);
    keep_certificates(t, sk_X509_value(chain, 0), chain);
}

static enum reason
judge(struct tls_io *t, X509 *leaf, STACK_OF(X509) * chain)
{
    if (chain != NULL && sk_X509_num(chain) > CHAIN_CERTS_MAX)
        return REASON_MAX_CHAIN_DEPTH;
    if (t->hooks == NULL || t->hooks->on_client_cert == NULL)
        return REASON_UNTRUSTED;
    return t->hooks->on_client_cert(t->arg, leaf, chain);
}

int
tls_on_verify(X509_STORE_CTX *store, void *arg GW_UNUSED)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_io *t = tls_io_of(ssl);
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(store);
    enum reason reason;

    keep_certificates(t, leaf, chain);
    reason = judge(t, leaf, chain);
    if (reason == REASON_NONE) {
        share_handshake(t, leaf, chain);
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    tls_fault_set(t, reason, reason_text(reason));
    X509_STORE_CTX_set_error(store, tls_x509_error_for_alert(reason_alert(reason)));
    return 0;
}
