/* SPDX-License-Identifier: Apache-2.0
 *
 * The trust store: built in one piece from a bundle and its lists, then only asked. Built
 * and freed on the control thread, read by all workers. Owns the CA certificates and a
 * reference to each list. It must never exist half-built or without an anchor.
 */
#include "cert/trust.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "cert/cert.h"
#include "cert/trust_int.h"

static void
trust_free(struct trust *t)
{
    for (size_t i = 0; i < t->list_count; i++) {
        crl_unref(t->lists[i]->crl);
        crl_unref(t->lists[i]->delta);
        free(t->lists[i]);
    }
    free(t->lists);
    free(t->shown);
    map_done(&t->by_key);
    exceptions_done(&t->exceptions);
    free(t->issuers);
    free(t->cas);
    X509_STORE_free(t->store);
    sk_X509_pop_free(t->certs, X509_free);
    sk_X509_NAME_pop_free(t->ca_names, X509_NAME_free);
    free(t->name);
    free(t);
}

/* What every path through this store has in common; the judge sets the time. */
static bool
set_store_policy(struct trust *t)
{
    X509_VERIFY_PARAM *param = X509_STORE_get0_param(t->store);

    /* OpenSSL counts the intermediates between leaf and anchor. One more than allowed may be built,
     * so that the judge, who counts all certificates, is the one to name the limit. */
    X509_VERIFY_PARAM_set_depth(param, t->max_chain_depth - 1);
    X509_VERIFY_PARAM_set_auth_level(param, 2);
    return X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN |
                                                  X509_V_FLAG_TRUSTED_FIRST) == 1 &&
           X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT) == 1;
}

static struct trust *
trust_new(const struct trust_source *src)
{
    struct trust *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    ref_init(&t->ref);
    map_init(&t->by_key, TRUST_CERTS_MAX);
    t->crl_missing = src->crl_missing;
    t->crl_expired = src->crl_expired;
    t->crl_grace_s = src->crl_grace_s;
    t->max_chain_depth = src->max_chain_depth;
    t->checks_revocation = src->crls_configured || src->crl_path_count > 0;
    t->name = strdup(src->name);
    t->store = X509_STORE_new();
    t->certs = sk_X509_new_null();
    t->ca_names = sk_X509_NAME_new_null();
    if (t->name != NULL && t->store != NULL && t->certs != NULL && t->ca_names != NULL &&
        exceptions_copy(&t->exceptions, src->exceptions, src->exception_count) == 0 &&
        set_store_policy(t))
        return t;
    trust_free(t);
    return NULL;
}

static int
compare_digests(const void *a, const void *b)
{
    return memcmp(a, b, CERT_DIGEST_BYTES);
}

/* The order of the bundle does not matter. */
static int
digest_anchors(struct trust *t)
{
    int64_t policy[] = {t->crl_missing, t->crl_expired, t->crl_grace_s, t->max_chain_depth,
                        t->checks_revocation};
    size_t bytes = sizeof(policy) + (1 + t->ca_count) * CERT_DIGEST_BYTES;
    uint8_t *all = malloc(bytes);
    uint8_t *cas = all + sizeof(policy) + CERT_DIGEST_BYTES;
    bool is_done;

    if (all == NULL)
        return GW_E_NOMEM;
    memcpy(all, policy, sizeof(policy));
    for (size_t i = 0; i < t->ca_count; i++)
        memcpy(cas + i * CERT_DIGEST_BYTES, t->cas[i].sha256, CERT_DIGEST_BYTES);
    qsort(cas, t->ca_count, CERT_DIGEST_BYTES, compare_digests);
    is_done = exceptions_digest(&t->exceptions, all + sizeof(policy)) == 0 &&
              EVP_Digest(all, bytes, t->anchors_sha256, NULL, EVP_sha256(), NULL) == 1;
    free(all);
    return is_done ? 0 : GW_E_NOMEM;
}

static int
build(struct trust_builder *b)
{
    size_t errors_before = b->diag->error_count;
    int err = trust_bundle_load(b);

    /* Lists are verified under the CAs: with a damaged bundle only the bundle is reported. */
    if (err == 0 && b->diag->error_count == errors_before)
        err = trust_lists_load(b);
    if (err == 0)
        err = digest_anchors(b->t);
    if (err == 0 && b->diag->error_count != errors_before)
        err = GW_E_CONFIG;
    gw_assert(err != 0 || b->t->ca_count > 0);
    return err;
}

int
trust_build(const struct trust_source *src, const struct trust *previous, int64_t now_s,
            struct diag *diag, struct trust **ret)
{
    struct trust_builder b = {.src = src, .previous = previous, .now_s = now_s, .diag = diag};
    int err;

    gw_assert(src->max_chain_depth >= 1 && src->max_chain_depth <= CHAIN_DEPTH_MAX);
    b.t = trust_new(src);
    if (b.t == NULL)
        return GW_E_NOMEM;
    ERR_set_mark();
    err = build(&b);
    ERR_pop_to_mark();
    if (err != 0) {
        if (err != GW_E_CONFIG)
            diag_error(diag, src->ca_bundle, 0, 0, "trust store %s: %s", src->name, err_text(err));
        trust_free(b.t);
        return err;
    }
    *ret = b.t;
    return 0;
}

struct trust *
trust_ref(struct trust *t)
{
    ref_take(&t->ref);
    return t;
}

void
trust_unref(struct trust *t)
{
    if (t != NULL && ref_drop(&t->ref))
        trust_free(t);
}

/* ---- questions ---- */

struct trust_issuer *
trust_issuer_find(const struct trust *t, const X509 *cert)
{
    struct trust_issuer *issuer = map_get(&t->by_key, cert_key_bits(cert));

    while (issuer != NULL && !cert_is_same_issuer(issuer->first->cert, cert))
        issuer = issuer->next_same_key;
    return issuer;
}

struct trust_ca *
trust_ca_find(const struct trust *t, const X509 *cert)
{
    const struct trust_issuer *issuer = trust_issuer_find(t, cert);

    for (struct trust_ca *ca = issuer != NULL ? issuer->first : NULL; ca != NULL;
         ca = ca->next_sibling) {
        if (X509_cmp(ca->cert, cert) == 0)
            return ca;
    }
    return NULL;
}

const char *
trust_name(const struct trust *t)
{
    return t->name;
}

X509_STORE *
trust_store(const struct trust *t)
{
    return t->store;
}

STACK_OF(X509_NAME) * trust_ca_names(const struct trust *t)
{
    return t->ca_names;
}

size_t
trust_ca_count(const struct trust *t)
{
    return t->ca_count;
}

X509 *
trust_ca(const struct trust *t, size_t i)
{
    gw_assert(i < t->ca_count);
    return t->cas[i].cert;
}

bool
trust_contains(const struct trust *t, X509 *cert)
{
    return trust_ca_find(t, cert) != NULL;
}

size_t
trust_crl_count(const struct trust *t)
{
    return t->shown_count;
}

const struct crl *
trust_crl(const struct trust *t, size_t i)
{
    gw_assert(i < t->shown_count);
    return t->shown[i].crl;
}

bool
trust_crl_is_newest(const struct trust *t, size_t i)
{
    return trust_crl(t, i) == trust_list_newest(t->shown[i].list);
}

/* Taken off is what was on hold: seldom many, so that the search is short. */
bool
trust_crl_revokes(const struct trust *t, size_t i, ASN1_INTEGER *ret)
{
    const struct crl *crl = trust_crl(t, i), *delta = t->shown[i].list->delta;

    for (size_t entry = 0; entry < TRUST_PROOF_ENTRIES_MAX; entry++) {
        if (!crl_serial_at(crl, entry, ret))
            return false;
        if (crl == delta || delta == NULL || !crl_takes_off(delta, ret))
            return true;
    }
    return false;
}

bool
trust_same_anchors(const struct trust *a, const struct trust *b)
{
    return memcmp(a->anchors_sha256, b->anchors_sha256, sizeof(a->anchors_sha256)) == 0;
}

const uint8_t *
trust_anchors_digest(const struct trust *t)
{
    return t->anchors_sha256;
}

int
trust_max_chain_depth(const struct trust *t)
{
    return t->max_chain_depth;
}

const struct crl *
trust_revoked_ca(const struct trust *t, X509 *ca)
{
    const struct trust_ca *found = trust_ca_find(t, ca);

    return found != NULL ? found->revoked_by : NULL;
}
