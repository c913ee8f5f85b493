/* SPDX-License-Identifier: Apache-2.0
 *
 * The proof that a snapshot refuses: certificates of an authority that was made up a moment
 * ago are judged under every policy that judges. Called last by snapshot_build, on the control
 * thread. Owns keys and certificates for the time of the call. Must never be skipped when a
 * key cannot be made: then there is no proof, and no snapshot.
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
fill(X509 *cert, const struct recipe *recipe, EVP_PKEY *key)
{
    return X509_set_version(cert, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 &&
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
    struct recipe ca = {name, name, now_s, true};
    struct recipe leaf = {leaf_name, name, now_s, false};

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
    const struct site *site = job->snapshot->site;

    for (size_t i = 0; i < site->listener_count; i++)
        for (size_t j = 0; j < site->listeners[i].policy_count; j++)
            test_policy(job, &site->listeners[i], &site->listeners[i].policies[j]);
}
