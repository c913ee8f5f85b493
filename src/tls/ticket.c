/* SPDX-License-Identifier: Apache-2.0
 *
 * libssl's ticket callbacks: sealing with our keys, and the facts that travel inside. Called
 * by libssl on the connection's thread. It must never let a session be used that the hook
 * has not judged in this very handshake, nor let certificates from an unused ticket stand.
 */
#include "tls/ticket.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <time.h>

#include "tls/ticket_keys.h"

/* The sealed facts: version, policy digest, original time, server name, certificates behind the
 * leaf (the leaf is in the session itself). */
enum { FACTS_VERSION = 1, FACTS_HEAD = 1 + TLS_POLICY_DIGEST_BYTES + 8 + 1 };

static int64_t
now_seconds(void)
{
    return (int64_t)time(NULL);
}

/* ---- sealing ------------------------------------------------------------------------------- */

static bool
init_mac(const struct ticket_key *key, EVP_MAC_CTX *mac)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key->mac,
                                          sizeof(key->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb: -1 error, 0 not ours, 1 fine, 2 fine but renew. */
static int
seal(const struct ticket_keys *keys, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
     EVP_MAC_CTX *mac)
{
    const EVP_CIPHER *kind = ticket_keys_cipher(keys);
    struct ticket_key key;
    int result = -1;

    if (ticket_keys_seal(keys, now_seconds(), &key) != 0)
        return -1;
    memcpy(name, key.name, sizeof(key.name));
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(kind)) == 1 &&
        EVP_EncryptInit_ex(cipher, kind, NULL, key.cipher, iv) == 1 && init_mac(&key, mac))
        result = 1;
    OPENSSL_cleanse(&key, sizeof(key));
    return result;
}

static int
unseal(const struct ticket_keys *keys, const unsigned char *name, const unsigned char *iv,
       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    struct ticket_key key;
    bool is_old = false;
    int result = -1;

    if (ticket_keys_open(keys, name, now_seconds(), &key, &is_old) != 0)
        return 0;
    if (EVP_DecryptInit_ex(cipher, ticket_keys_cipher(keys), NULL, key.cipher, iv) == 1 &&
        init_mac(&key, mac))
        result = is_old ? 2 : 1;
    OPENSSL_cleanse(&key, sizeof(key));
    return result;
}

/* The signature is libssl's. */
static int
on_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
       int is_sealing)
{
    const struct ticket_keys *keys = tls_io_of(ssl)->server->ticket_keys;

    return is_sealing ? seal(keys, name, iv, cipher, mac) : unseal(keys, name, iv, cipher, mac);
}

/* ---- facts out ------------------------------------------------------------------------------ */

static bool
append_certs(struct tls_io *t, uint8_t *facts, size_t *len)
{
    for (int i = 1; t->chain != NULL && i < sk_X509_num(t->chain); i++) {
        X509 *cert = sk_X509_value(t->chain, i);
        int n = i2d_X509(cert, NULL);
        unsigned char *to = facts + *len;

        if (n <= 0 || *len + (size_t)n > TICKET_FACTS_MAX || i2d_X509(cert, &to) != n)
            return false;
        *len += (size_t)n;
    }
    return true;
}

static bool
put_facts(struct tls_io *t, SSL_SESSION *session, const uint8_t *policy_digest)
{
    uint8_t facts[TICKET_FACTS_MAX];
    size_t len = 0;

    facts[len++] = FACTS_VERSION;
    memcpy(facts + len, policy_digest, TLS_POLICY_DIGEST_BYTES);
    len += TLS_POLICY_DIGEST_BYTES;
    for (int i = 0; i < 8; i++)
        facts[len++] = (uint8_t)(t->original_s >> (56 - 8 * i));
    facts[len++] = (uint8_t)t->sni.len;
    if (t->sni.len > 0)
        memcpy(facts + len, t->sni.ptr, t->sni.len);
    len += t->sni.len;
    return append_certs(t, facts, &len) &&
           SSL_SESSION_set1_ticket_appdata(session, facts, len) == 1;
}

/* A ticket is being made. A chain too large for one leaves it without facts: such a ticket opens
 * to nothing and costs its client a full handshake. */
static int
on_issue(SSL *ssl, void *arg GW_UNUSED)
{
    struct tls_io *t = tls_io_of(ssl);
    SSL_SESSION *session = SSL_get_session(ssl);
    const uint8_t *digest = NULL;

    if (t->hooks != NULL && t->hooks->on_ticket != NULL)
        digest = t->hooks->on_ticket(t->arg);
    if (t->original_s == 0)
        t->original_s = now_seconds();
    if (digest == NULL || !put_facts(t, session, digest))
        (void)SSL_SESSION_set1_ticket_appdata(session, "", 0);
    return 1;
}

/* ---- facts in -------------------------------------------------------------------------------- */

static bool
take_certs(struct str der, X509 *leaf, STACK_OF(X509) * chain)
{
    const unsigned char *p = (const unsigned char *)der.ptr;
    const unsigned char *end = p + der.len;

    if (X509_up_ref(leaf) != 1)
        return false;
    if (sk_X509_push(chain, leaf) <= 0) {
        X509_free(leaf);
        return false;
    }
    while (p < end && sk_X509_num(chain) < CHAIN_CERTS_MAX) {
        X509 *cert = d2i_X509(NULL, &p, end - p);

        if (cert == NULL || sk_X509_push(chain, cert) <= 0) {
            X509_free(cert);
            return false;
        }
    }
    return p == end;
}

static bool
parse_facts(struct str facts, struct tls_ticket_facts *ret, struct str *ret_certs)
{
    const uint8_t *p = (const uint8_t *)facts.ptr;
    size_t sni_len;

    if (facts.len < FACTS_HEAD || p[0] != FACTS_VERSION)
        return false;
    ret->policy_digest = p + 1;
    ret->original_s = 0;
    for (int i = 0; i < 8; i++)
        ret->original_s = ret->original_s << 8 | p[1 + TLS_POLICY_DIGEST_BYTES + i];
    sni_len = p[FACTS_HEAD - 1];
    if (facts.len < FACTS_HEAD + sni_len)
        return false;
    ret->sni = str_sub(facts, FACTS_HEAD, sni_len);
    *ret_certs = str_sub(facts, FACTS_HEAD + sni_len, SIZE_MAX);
    return true;
}

static void
forget_certificates(struct tls_io *t)
{
    X509_free(t->leaf);
    sk_X509_pop_free(t->chain, X509_free);
    t->leaf = NULL;
    t->chain = NULL;
    t->has_ticket_certs = false;
    t->original_s = 0;
}

/* The session's client as it was sent, where the hook, logs and the sweep look for it. */
static bool
keep_session_certificates(struct tls_io *t, SSL_SESSION *session, struct str certs)
{
    X509 *leaf = SSL_SESSION_get0_peer(session);

    forget_certificates(t);
    if (leaf == NULL)
        return certs.len == 0;
    t->chain = sk_X509_new_null();
    if (t->chain == NULL || !take_certs(certs, leaf, t->chain) || X509_up_ref(leaf) != 1)
        return false;
    t->leaf = leaf;
    t->has_ticket_certs = true;
    return true;
}

static bool
judge_session(struct tls_io *t, SSL_SESSION *session)
{
    struct tls_ticket_facts facts;
    struct str certs;
    void *data = NULL;
    size_t len = 0;

    if (t->hooks == NULL || t->hooks->on_resume == NULL ||
        SSL_SESSION_get0_ticket_appdata(session, &data, &len) != 1 ||
        !parse_facts(str_make(data, len), &facts, &certs) || !str_eq(facts.sni, t->sni))
        return false;
    if (!keep_session_certificates(t, session, certs))
        return false;
    t->original_s = facts.original_s;
    if (!t->hooks->on_resume(t->arg, &facts, t->leaf, t->chain))
        return false;
    tls_share_certificates(t, t->chain);
    return true;
}

static SSL_TICKET_RETURN
on_open(SSL *ssl, SSL_SESSION *session, const unsigned char *name GW_UNUSED,
        size_t name_len GW_UNUSED, SSL_TICKET_STATUS status, void *arg GW_UNUSED)
{
    struct tls_io *t = tls_io_of(ssl);

    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    if (!judge_session(t, session)) {
        forget_certificates(t);
        ERR_clear_error();
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
    /* Clients of TLS 1.3 use a ticket once (RFC 8446 C.4), so they need the next one. */
    if (status == SSL_TICKET_SUCCESS && SSL_version(ssl) < TLS1_3_VERSION)
        return SSL_TICKET_RETURN_USE;
    return SSL_TICKET_RETURN_USE_RENEW;
}

void
ticket_settle(struct tls_io *t)
{
    if (t->has_ticket_certs && !SSL_session_reused(t->ssl))
        forget_certificates(t);
}

void
ticket_enable(SSL_CTX *ctx)
{
    static const unsigned char id[] = "sallyport";

    /* What a session may be used for is in its facts; libssl only wants some context. */
    (void)SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_early_data(ctx, 0);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_timeout(ctx, TICKET_LIFETIME_S);
    (void)SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_key);
    SSL_CTX_set_session_ticket_cb(ctx, on_issue, on_open, NULL);
}
