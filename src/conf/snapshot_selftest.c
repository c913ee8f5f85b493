/* SPDX-License-Identifier: Apache-2.0
 *
 * The proof that a snapshot refuses: certificates of an authority that was made up a moment
 * ago are judged under every policy that judges, a list of such an authority is loaded and must
 * keep out who is on it and nobody else, and a serial number of every list in use is looked up.
 * Called last by snapshot_build, on the control thread. Owns keys and certificates for the time
 * of the call. Must never be skipped when a key cannot be made: then there is no proof, and no
 * snapshot.
 */
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "conf/snapshot_priv.h"

#define DAY_S 86400

/* An authority of the given name and a client certificate of its own making. */
struct impostor {
    EVP_PKEY *key;
    X509 *ca;
    X509 *leaf;
};

struct recipe {
    X509_NAME *subject;
    X509_NAME *issuer;
    int64_t now_s;
    bool is_ca;
    const ASN1_INTEGER *serial; /* NULL: 1 of an authority, 2 of a client */
};

static bool
add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool is_added = ext != NULL && X509_add_ext(cert, ext, -1) == 1;

    X509_EXTENSION_free(ext);
    return is_added;
}

static bool
add_extensions(X509 *cert, bool is_ca)
{
    if (is_ca)
        return add_extension(cert, NID_basic_constraints, "critical,CA:TRUE") &&
               add_extension(cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    return add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
           add_extension(cert, NID_ext_key_usage, "clientAuth");
}

static bool
set_serial(X509 *cert, const struct recipe *recipe)
{
    if (recipe->serial != NULL)
        return X509_set_serialNumber(cert, (ASN1_INTEGER *)(uintptr_t)recipe->serial) == 1;
    return ASN1_INTEGER_set(X509_get_serialNumber(cert), recipe->is_ca ? 1 : 2) == 1;
}

static bool
fill(X509 *cert, const struct recipe *recipe, EVP_PKEY *key)
{
    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert, recipe) &&
           X509_set_subject_name(cert, recipe->subject) == 1 &&
           X509_set_issuer_name(cert, recipe->issuer) == 1 &&
           ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(recipe->now_s - DAY_S)) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(recipe->now_s + DAY_S)) != NULL &&
           X509_set_pubkey(cert, key) == 1 && add_extensions(cert, recipe->is_ca) &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

static X509 *
make_cert(const struct recipe *recipe, EVP_PKEY *key)
{
    X509 *cert = X509_new();

    if (cert != NULL && fill(cert, recipe, key))
        return cert;
    X509_free(cert);
    return NULL;
}

static X509_NAME *
make_name(const char *cn)
{
    X509_NAME *name = X509_NAME_new();

    if (name != NULL && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                   (const unsigned char *)cn, -1, -1, 0) == 1)
        return name;
    X509_NAME_free(name);
    return NULL;
}

static bool
impostor_init(struct impostor *i, X509_NAME *name, int64_t now_s)
{
    X509_NAME *leaf_name = make_name("Sallyport self-test");
    struct recipe ca = {name, name, now_s, true, NULL};
    struct recipe leaf = {leaf_name, name, now_s, false, NULL};

    *i = (struct impostor){.key = EVP_EC_gen("prime256v1")};
    if (i->key != NULL && leaf_name != NULL) {
        i->ca = make_cert(&ca, i->key);
        i->leaf = make_cert(&leaf, i->key);
    }
    X509_NAME_free(leaf_name);
    return i->ca != NULL && i->leaf != NULL;
}

static void
impostor_done(struct impostor *i)
{
    X509_free(i->leaf);
    X509_free(i->ca);
    EVP_PKEY_free(i->key);
}

/* True when the certificate is refused, with and without its authority sent along. */
static bool
is_refused(const struct impostor *i, const struct trust *trust,
           const struct verify_options *options, int64_t now_s)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    struct verdict alone;
    struct verdict together;
    bool is_whole =
        chain != NULL && sk_X509_push(chain, i->leaf) > 0 && sk_X509_push(chain, i->ca) > 0;
    bool is_refused_twice;

    verify_chain(trust, i->leaf, NULL, options, now_s, NULL, &alone);
    verify_chain(trust, i->leaf, chain, options, now_s, NULL, &together);
    is_refused_twice = is_whole && !alone.is_admitted && !together.is_admitted;
    verdict_done(&alone);
    verdict_done(&together);
    sk_X509_free(chain);
    return is_refused_twice;
}

/* Once under a name nobody knows, once under the name of an authority of the store. */
static bool
refuses_impostors(const struct trust *trust, const struct verify_options *options, int64_t now_s)
{
    X509_NAME *unknown = make_name("Sallyport self-test authority");
    X509_NAME *names[] = {unknown, NULL};
    bool is_good = unknown != NULL && trust_ca_count(trust) > 0;

    if (is_good)
        names[1] = X509_get_subject_name(trust_ca(trust, 0));
    for (size_t n = 0; n < array_len(names) && is_good; n++) {
        struct impostor impostor;

        is_good = impostor_init(&impostor, names[n], now_s) &&
                  is_refused(&impostor, trust, options, now_s);
        impostor_done(&impostor);
    }
    X509_NAME_free(unknown);
    return is_good;
}

/* ---- a list of a made-up authority, from its DER to the verdict ---- */

static bool
set_times(X509_CRL *list, int64_t now_s)
{
    ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)(now_s - DAY_S));
    ASN1_TIME *until = ASN1_TIME_set(NULL, (time_t)(now_s + DAY_S));
    bool is_set = from != NULL && until != NULL && X509_CRL_set1_lastUpdate(list, from) == 1 &&
                  X509_CRL_set1_nextUpdate(list, until) == 1;

    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    return is_set;
}

static bool
add_entry(X509_CRL *list, const X509 *cert, int64_t now_s)
{
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_TIME *at = ASN1_TIME_set(NULL, (time_t)(now_s - DAY_S));
    ASN1_INTEGER *serial = (ASN1_INTEGER *)(uintptr_t)X509_get0_serialNumber(cert);
    bool is_added =
        entry != NULL && at != NULL && X509_REVOKED_set_serialNumber(entry, serial) == 1 &&
        X509_REVOKED_set_revocationDate(entry, at) == 1 && X509_CRL_add0_revoked(list, entry) == 1;

    ASN1_TIME_free(at);
    if (!is_added)
        X509_REVOKED_free(entry);
    return is_added;
}

/* DER of a list with the impostor's client on it; OPENSSL_free. Below 1: not made. */
static int
make_list(const struct impostor *i, int64_t now_s, uint8_t **ret_der)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    int len = -1;

    if (list != NULL && number != NULL && ASN1_INTEGER_set(number, 1) == 1 &&
        X509_CRL_set_version(list, X509_CRL_VERSION_2) == 1 &&
        X509_CRL_set_issuer_name(list, X509_get_subject_name(i->ca)) == 1 &&
        set_times(list, now_s) && add_entry(list, i->leaf, now_s) &&
        X509_CRL_add1_ext_i2d(list, NID_crl_number, number, 0, 0) == 1 &&
        X509_CRL_sign(list, i->key, EVP_sha256()) > 0)
        len = i2d_X509_CRL(list, ret_der);
    X509_CRL_free(list);
    ASN1_INTEGER_free(number);
    return len;
}

static struct trust *
trust_impostor(const struct impostor *i, int64_t now_s)
{
    struct trust_source src = {.name = "self-test",
                               .ca_bundle = "self-test",
                               .candidate_name = "self-test",
                               .crls_configured = true,
                               .max_chain_depth = 2};
    uint8_t *ca = NULL, *list = NULL;
    int ca_len = i2d_X509(i->ca, &ca), list_len = make_list(i, now_s, &list);
    struct trust *t = NULL;
    struct diag diag;

    diag_init(&diag);
    src.ca_der = str_make(ca, ca_len > 0 ? (size_t)ca_len : 0);
    src.candidate = (char *)list;
    src.candidate_len = list_len > 0 ? (size_t)list_len : 0;
    if (ca_len <= 0 || list_len <= 0 || trust_build(&src, NULL, now_s, &diag, &t) != 0)
        t = NULL;
    diag_done(&diag);
    OPENSSL_free(ca);
    OPENSSL_free(list);
    return t;
}

static enum reason
judge(const struct trust *trust, X509 *leaf, int64_t now_s)
{
    struct verdict v;

    verify_chain(trust, leaf, NULL, NULL, now_s, NULL, &v);
    verdict_done(&v);
    return v.reason;
}

/* Who is on the list is refused for that, who is not is admitted: it is no judge that refuses
 * everybody. */
static bool
refuses_the_listed(int64_t now_s)
{
    X509_NAME *name = make_name("Sallyport self-test authority");
    X509_NAME *leaf_name = make_name("Sallyport self-test");
    struct impostor i = {.key = NULL};
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    struct recipe other = {leaf_name, name, now_s, false, serial};
    X509 *unlisted = NULL;
    struct trust *trust = NULL;
    bool is_good = name != NULL && leaf_name != NULL && serial != NULL &&
                   ASN1_INTEGER_set(serial, 3) == 1 && impostor_init(&i, name, now_s);

    if (is_good) {
        unlisted = make_cert(&other, i.key);
        trust = trust_impostor(&i, now_s);
    }
    is_good = unlisted != NULL && trust != NULL && judge(trust, i.leaf, now_s) == REASON_CRL_HIT &&
              judge(trust, unlisted, now_s) == REASON_NONE;
    trust_unref(trust);
    X509_free(unlisted);
    impostor_done(&i);
    ASN1_INTEGER_free(serial);
    X509_NAME_free(leaf_name);
    X509_NAME_free(name);
    return is_good;
}

/* ---- the lists in use ---- */

/* A certificate with that serial, as if the list's authority had issued it. Signatures are not
 * looked at: the chain is given as one that was verified before. */
static bool
is_serial_refused(const struct trust *trust, const struct crl *crl, const ASN1_INTEGER *serial,
                  int64_t now_s)
{
    X509_NAME *subject = make_name("Sallyport self-test");
    X509_NAME *issuer = X509_get_subject_name(crl_signer(crl));
    struct recipe recipe = {subject, issuer, now_s, false, serial};
    EVP_PKEY *key = EVP_EC_gen("prime256v1");
    X509 *leaf = subject != NULL && key != NULL ? make_cert(&recipe, key) : NULL;
    struct verdict v = {.is_admitted = true};

    if (leaf != NULL) {
        X509 *chain[] = {leaf, crl_signer(crl)};

        verify_again(trust, chain, 2, NULL, now_s, &v);
    }
    X509_free(leaf);
    EVP_PKEY_free(key);
    X509_NAME_free(subject);
    return !v.is_admitted && (v.reason == REASON_CRL_HIT || v.reason == REASON_MAX_CHAIN_DEPTH);
}

static void
test_lists(struct snapshot_job *job, const struct trust *trust)
{
    ASN1_INTEGER *serial = ASN1_INTEGER_new();

    gw_assert(serial != NULL);
    for (size_t i = 0; i < trust_crl_count(trust); i++) {
        const struct crl *crl = trust_crl(trust, i);

        if (trust_crl_revokes(trust, i, serial) &&
            !is_serial_refused(trust, crl, serial, job->now_s))
            diag_error(job->diag, job->config->file, 0, 0,
                       "trust store %s: self-test failed: it could not be shown that a certificate "
                       "on list number %.*s of \"%.*s\" is refused",
                       trust_name(trust), STR_ARG(crl_info(crl)->number_hex),
                       STR_ARG(crl_info(crl)->issuer_text));
    }
    ASN1_INTEGER_free(serial);
}

/* ---- all of it ---- */

static void
test_policy(struct snapshot_job *job, const struct site_listener *l, const struct site_policy *p)
{
    const struct trust *trust;

    if (p->mode != MUTUAL_VERIFY && p->mode != MUTUAL_OPTIONAL)
        return;
    trust = p->trust_index >= 0 ? job->snapshot->trusts[p->trust_index] : NULL;
    if (trust != NULL && refuses_impostors(trust, &p->verify, job->now_s))
        return;
    diag_error(job->diag, job->config->file, 0, 0,
               "listener \"%.*s\": self-test failed: it could not be shown that a "
               "certificate of an unknown authority is refused",
               STR_ARG(l->name));
}

void
snapshot_selftest(struct snapshot_job *job)
{
    const struct snapshot *s = job->snapshot;
    const struct site *site = s->site;

    if (s->trust_count > 0 && !refuses_the_listed(job->now_s))
        diag_error(job->diag, job->config->file, 0, 0,
                   "self-test failed: it could not be shown that a certificate on a revocation "
                   "list is refused, and one that is not on it admitted");
    for (size_t i = 0; i < s->trust_count; i++)
        test_lists(job, s->trusts[i]);
    for (size_t i = 0; i < site->listener_count; i++)
        for (size_t j = 0; j < site->listeners[i].policy_count; j++)
            test_policy(job, &site->listeners[i], &site->listeners[i].policies[j]);
}
