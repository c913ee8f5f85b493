/* SPDX-License-Identifier: Apache-2.0
 *
 * The path from a client certificate to an anchor, and the rules about the certificates on
 * it. Called by the judge. OpenSSL builds the path and checks its signatures; what it finds
 * becomes a reason by one table. It must never go on with a path that is none.
 */
#include <openssl/x509v3.h>
#include <stdio.h>

#include "cert/cert.h"
#include "cert/keyrule.h"
#include "cert/sigalg.h"
#include "cert/verify_int.h"

enum openssl_kind {
    KIND_FINAL,   /* going on would judge a path that is none */
    KIND_COLLECT, /* noted; the rest of the path is still worth looking at */
    KIND_OURS,    /* judged by ourselves after the path is known */
};

struct openssl_error {
    int code;
    enum reason reason;
    enum openssl_kind kind;
};

static const struct openssl_error openssl_errors[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, REASON_EXPIRED, KIND_OURS},
    {X509_V_ERR_CERT_NOT_YET_VALID, REASON_NOT_YET_VALID, KIND_OURS},
    {X509_V_ERR_INVALID_PURPOSE, REASON_PURPOSE_INVALID, KIND_COLLECT},
    {X509_V_ERR_EE_KEY_TOO_SMALL, REASON_TYPE_UNSUPPORTED, KIND_COLLECT},
    {X509_V_ERR_CA_KEY_TOO_SMALL, REASON_TYPE_UNSUPPORTED, KIND_COLLECT},
    {X509_V_ERR_EC_KEY_EXPLICIT_PARAMS, REASON_TYPE_UNSUPPORTED, KIND_COLLECT},
    {X509_V_ERR_CA_MD_TOO_WEAK, REASON_INCOMPATIBLE, KIND_COLLECT},
    {X509_V_ERR_CERT_CHAIN_TOO_LONG, REASON_MAX_CHAIN_DEPTH, KIND_FINAL},
    {X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD, REASON_INVALID, KIND_FINAL},
    {X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD, REASON_INVALID, KIND_FINAL},
    {X509_V_ERR_INVALID_EXTENSION, REASON_INVALID, KIND_FINAL},
    {X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY, REASON_TYPE_UNSUPPORTED, KIND_FINAL},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_INVALID_CA, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_INVALID_NON_CA, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_PATH_LENGTH_EXCEEDED, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_PATH_LOOP, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_CERT_UNTRUSTED, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_CERT_REJECTED, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_SUBJECT_ISSUER_MISMATCH, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_AKID_SKID_MISMATCH, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_KEYUSAGE_NO_CERTSIGN, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_PROXY_CERTIFICATES_NOT_ALLOWED, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_PERMITTED_VIOLATION, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_EXCLUDED_VIOLATION, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_SUBTREE_MINMAX, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_UNSUPPORTED_NAME_SYNTAX, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH, REASON_UNTRUSTED, KIND_FINAL},
    {X509_V_ERR_SIGNATURE_ALGORITHM_INCONSISTENCY, REASON_UNTRUSTED, KIND_FINAL},
};

static struct openssl_error
openssl_error_find(int code)
{
    for (size_t i = 0; i < array_len(openssl_errors); i++) {
        if (openssl_errors[i].code == code)
            return openssl_errors[i];
    }
    return (struct openssl_error){code, REASON_UNMAPPED, KIND_FINAL};
}

static bool
is_issuer_unknown(int code)
{
    return code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           code == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
           code == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
           code == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
}

static void
found_by_openssl(struct judge *j, const struct openssl_error *error, int depth, const X509 *cert)
{
    char who[CERT_TEXT_MAX], issuer[CERT_TEXT_MAX];
    enum reason before = j->v->reason;

    if (cert == NULL) {
        judge_found(j, error->reason, depth, "%s", X509_verify_cert_error_string(error->code));
    } else if (is_issuer_unknown(error->code)) {
        cert_describe(cert, who);
        cert_describe_name(X509_get_issuer_name(cert), issuer);
        judge_found(
            j, error->reason, depth,
            "certificate %d %s: its issuer \"%s\" is not in trust store %s nor vouched for by it",
            depth, who, issuer, trust_name(j->trust));
    } else {
        judge_found_about(j, error->reason, depth, cert,
                          error->reason == REASON_PURPOSE_INVALID
                              ? reason_text(REASON_PURPOSE_INVALID)
                              : X509_verify_cert_error_string(error->code));
    }
    j->is_generic = j->is_generic || j->v->reason != before;
}

/* An exception may let the leaf's extendedKeyUsage pass: judged when the path is known. */
static bool
is_left_to_us(const struct openssl_error *error, X509_STORE_CTX *ctx)
{
    return error->code == X509_V_ERR_INVALID_PURPOSE && X509_STORE_CTX_get_error_depth(ctx) == 0 &&
           judge_lacks_client_auth(X509_STORE_CTX_get_current_cert(ctx));
}

static int
on_verify(int ok, X509_STORE_CTX *ctx)
{
    struct judge *j = X509_STORE_CTX_get_ex_data(ctx, 0);
    struct openssl_error error;

    if (ok)
        return 1;
    error = openssl_error_find(X509_STORE_CTX_get_error(ctx));
    if (error.kind == KIND_OURS || is_left_to_us(&error, ctx))
        return 1;
    found_by_openssl(j, &error, X509_STORE_CTX_get_error_depth(ctx),
                     X509_STORE_CTX_get_current_cert(ctx));
    return error.kind == KIND_COLLECT;
}

/* OpenSSL calls a path good that ends nowhere when a fault that was noted, and passed over, is the
 * last it knows of: it asks about that fault again instead of saying that an issuer is missing. */
static void
found_no_anchor(struct judge *j, STACK_OF(X509) * path)
{
    const struct openssl_error error =
        openssl_error_find(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    int last = sk_X509_num(path) - 1;

    found_by_openssl(j, &error, last, sk_X509_value(path, last));
    verdict_done(j->v);
}

/* The path down from its first certificate that is an anchor: OpenSSL may have gone on to a root.
 */
static void
take_chain(struct judge *j, STACK_OF(X509) * path)
{
    for (int i = 0; i < sk_X509_num(path) && i < (int)array_len(j->v->chain); i++) {
        X509 *cert = sk_X509_value(path, i);

        if (X509_up_ref(cert) != 1)
            break;
        j->v->chain[j->v->chain_count++] = cert;
        if (trust_contains(j->trust, cert)) {
            j->chain = j->v->chain;
            j->count = j->v->chain_count;
            return;
        }
    }
    found_no_anchor(j, path);
}

static bool
build_path(struct judge *j, X509 *leaf, STACK_OF(X509) * untrusted)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int result = 0;

    if (ctx != NULL && X509_STORE_CTX_init(ctx, trust_store(j->trust), leaf, untrusted) == 1 &&
        X509_STORE_CTX_set_ex_data(ctx, 0, j) == 1) {
        X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(ctx), (time_t)j->now_s);
        X509_STORE_CTX_set_verify_cb(ctx, on_verify);
        result = X509_verify_cert(ctx);
        if (result == 1)
            take_chain(j, X509_STORE_CTX_get0_chain(ctx));
    }
    if (result != 1 && j->v->reason == REASON_NONE)
        judge_found(j, REASON_UNMAPPED, 0, "OpenSSL could not judge the chain: %s",
                    ctx != NULL ? X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx))
                                : "out of memory");
    X509_STORE_CTX_free(ctx);
    return j->count > 0;
}

/* OpenSSL passes over a malformed certificate as if it had not been sent: name it. */
bool
verify_path_build(struct judge *j, X509 *leaf, STACK_OF(X509) * untrusted)
{
    if (build_path(j, leaf, untrusted))
        return true;
    for (int i = 0; untrusted != NULL && i < sk_X509_num(untrusted); i++)
        (void)judge_is_readable(j, sk_X509_value(untrusted, i), i);
    return false;
}

/* ---- rules of our own on the path ---- */

void
verify_path_depth(struct judge *j)
{
    int max = trust_max_chain_depth(j->trust);

    if (j->count > max)
        judge_found(
            j, REASON_MAX_CHAIN_DEPTH, j->count - 1,
            "the chain has %d certificates, client and anchor included; max_chain_depth is %d",
            j->count, max);
    else
        judge_passed(j, "path: %d certificates, client and anchor included; max_chain_depth is %d",
                     j->count, max);
}

/* Below the anchor; the anchor was checked when it was loaded. */
static void
judge_shape(struct judge *j, int depth)
{
    X509 *cert = j->chain[depth];
    char why[KEYRULE_TEXT_MAX], algorithm[SIGALG_TEXT_MAX], text[SIGALG_TEXT_MAX + 32];
    struct sigalg alg;

    if (!judge_is_readable(j, cert, depth))
        return;
    if (X509_get_version(cert) != X509_VERSION_3)
        judge_found_about(j, REASON_TYPE_UNSUPPORTED, depth, cert, "is not X.509 version 3");
    if (!keyrule_allows(cert, why))
        judge_found_about(j, REASON_TYPE_UNSUPPORTED, depth, cert, why);
    else if (X509_get0_pubkey(cert) == NULL)
        judge_found_about(j, REASON_INVALID, depth, cert, "its public key cannot be read");
    if (sigalg_of_cert(cert, &alg) != 0) {
        sigalg_describe_cert(cert, algorithm);
        (void)snprintf(text, sizeof(text), "is signed with %s", algorithm);
        judge_found_about(j, REASON_INCOMPATIBLE, depth, cert, text);
    }
}

static void
judge_leaf_use(struct judge *j)
{
    X509 *leaf = j->chain[0];

    if (X509_get_extension_flags(leaf) & EXFLAG_CA)
        judge_found_about(j, REASON_PURPOSE_INVALID, 0, leaf,
                          "is a certificate authority's; clients present one with CA:FALSE");
    if ((X509_get_key_usage(leaf) & X509v3_KU_DIGITAL_SIGNATURE) == 0)
        judge_found_about(j, REASON_PURPOSE_INVALID, 0, leaf,
                          "its keyUsage lacks digitalSignature");
}

void
verify_path_rules(struct judge *j)
{
    for (int i = 0; i + 1 < j->count; i++)
        judge_shape(j, i);
    if (!judge_has_found(j, REASON_TYPE_UNSUPPORTED) && !judge_has_found(j, REASON_INVALID) &&
        !judge_has_found(j, REASON_INCOMPATIBLE))
        judge_passed(j, "rules: versions, keys and signature algorithms are allowed");
    judge_leaf_use(j);
}
