/* SPDX-License-Identifier: Apache-2.0
 *
 * The judge. Called inside the handshake, by the sweep after a reload and by `explain`, on
 * any thread. OpenSSL builds the path and checks its signatures; its findings and our own
 * are collected, and the gravest becomes the reason. It owns nothing between calls. It must
 * never read the clock, and never admit when a step could not be taken.
 */
#include "cert/verify.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"
#include "cert/cert.h"
#include "cert/keyrule.h"
#include "cert/sigalg.h"

struct judge {
    const struct trust *trust;
    const struct verify_options *options;
    const struct verify_trace *trace;
    struct verdict *v;
    X509 *const *chain; /* leaf first, anchor last */
    int count;
    int64_t now_s;
};

/* Of two findings the higher one is the reason. A revoked certificate is called revoked though it
 * has expired, but not when its path is forged. */
static const uint8_t gravity[REASON_COUNT] = {
    [REASON_CRL_PROCESSING] = 1,  [REASON_CRL_MISSING] = 2,      [REASON_CRL_EXPIRED] = 3,
    [REASON_PURPOSE_INVALID] = 4, [REASON_NOT_YET_VALID] = 5,    [REASON_EXPIRED] = 6,
    [REASON_INCOMPATIBLE] = 7,    [REASON_TYPE_UNSUPPORTED] = 8, [REASON_CRL_HIT] = 9,
    [REASON_UNTRUSTED] = 10,      [REASON_INVALID] = 11,         [REASON_MAX_CHAIN_DEPTH] = 12,
    [REASON_MAX_SIZE] = 13,       [REASON_UNMAPPED] = 14,
};

/* ---- findings ---- */

static void
found(struct judge *j, enum reason reason, int depth, const char *fmt, ...) GW_PRINTF(4, 5);
static void passed(const struct judge *j, const char *fmt, ...) GW_PRINTF(2, 3);

static void
found(struct judge *j, enum reason reason, int depth, const char *fmt, ...)
{
    char text[VERDICT_DETAIL_MAX];
    va_list args;

    gw_assert(gravity[reason] > 0);
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (j->trace != NULL)
        j->trace->step(j->trace->arg, false, text);
    if (gravity[reason] <= gravity[j->v->reason])
        return;
    j->v->reason = reason;
    j->v->depth = depth;
    memcpy(j->v->detail, text, sizeof(text));
}

/* Costs nothing without a trace. */
static void
passed(const struct judge *j, const char *fmt, ...)
{
    char text[VERDICT_DETAIL_MAX];
    va_list args;

    if (j->trace == NULL)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    j->trace->step(j->trace->arg, true, text);
}

static void
found_about(struct judge *j, enum reason reason, int depth, const X509 *cert, const char *what)
{
    char who[CERT_TEXT_MAX];

    cert_describe(cert, who);
    found(j, reason, depth, "certificate %d %s: %s", depth, who, what);
}

static void
begin(struct judge *j)
{
    *j->v = (struct verdict){.valid_until_s = INT64_MAX};
}

static void
finish(struct judge *j)
{
    j->v->is_admitted = j->v->reason == REASON_NONE;
    if (j->v->is_admitted)
        (void)snprintf(j->v->detail, sizeof(j->v->detail), "%s", reason_text(REASON_NONE));
}

static void
expires_by(struct judge *j, int64_t at_s)
{
    if (at_s < j->v->valid_until_s)
        j->v->valid_until_s = at_s;
}

/* ---- before the path: what bounds the work and what cannot be read ---- */

static bool
has_good_size(struct judge *j, X509 *leaf, STACK_OF(X509) * untrusted)
{
    size_t bytes = cert_der_bytes(leaf);
    int sent = untrusted != NULL ? sk_X509_num(untrusted) : 0;

    if (bytes > CLIENT_CERT_DER_MAX) {
        found(j, REASON_MAX_SIZE, 0,
              "the client certificate has %zu bytes; at most %d are accepted", bytes,
              CLIENT_CERT_DER_MAX);
        return false;
    }
    if (sent > CHAIN_CERTS_MAX) {
        found(j, REASON_MAX_CHAIN_DEPTH, CHAIN_CERTS_MAX,
              "the client sent %d certificates; at most %d are accepted", sent, CHAIN_CERTS_MAX);
        return false;
    }
    passed(j, "size: %zu bytes of %d, %d certificates sent", bytes, CLIENT_CERT_DER_MAX, sent);
    return true;
}

static bool
is_readable(struct judge *j, X509 *cert, int depth)
{
    if (X509_get_extension_flags(cert) & EXFLAG_INVALID) {
        found_about(j, REASON_INVALID, depth, cert, "has a malformed or repeated extension");
        return false;
    }
    return true;
}

/* ---- the path ---- */

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

    if (cert == NULL) {
        found(j, error->reason, depth, "%s", X509_verify_cert_error_string(error->code));
    } else if (is_issuer_unknown(error->code)) {
        cert_describe(cert, who);
        cert_describe_name(X509_get_issuer_name(cert), issuer);
        found(j, error->reason, depth,
              "certificate %d %s: its issuer \"%s\" is not in trust store %s nor vouched for by it",
              depth, who, issuer, trust_name(j->trust));
    } else {
        found_about(j, error->reason, depth, cert,
                    error->reason == REASON_PURPOSE_INVALID
                        ? reason_text(REASON_PURPOSE_INVALID)
                        : X509_verify_cert_error_string(error->code));
    }
}

static int
on_verify(int ok, X509_STORE_CTX *ctx)
{
    struct judge *j = X509_STORE_CTX_get_ex_data(ctx, 0);
    struct openssl_error error;

    if (ok)
        return 1;
    error = openssl_error_find(X509_STORE_CTX_get_error(ctx));
    if (error.kind == KIND_OURS)
        return 1;
    found_by_openssl(j, &error, X509_STORE_CTX_get_error_depth(ctx),
                     X509_STORE_CTX_get_current_cert(ctx));
    return error.kind == KIND_COLLECT;
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
    found(j, REASON_UNMAPPED, 0, "the path that was found does not end in the trust store");
    verdict_done(j->v);
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
        found(j, REASON_UNMAPPED, 0, "OpenSSL could not judge the chain: %s",
              ctx != NULL ? X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx))
                          : "out of memory");
    X509_STORE_CTX_free(ctx);
    return j->count > 0;
}

/* OpenSSL passes over a malformed certificate as if it had not been sent: name it. */
static bool
has_path(struct judge *j, X509 *leaf, STACK_OF(X509) * untrusted)
{
    if (build_path(j, leaf, untrusted))
        return true;
    for (int i = 0; untrusted != NULL && i < sk_X509_num(untrusted); i++)
        (void)is_readable(j, sk_X509_value(untrusted, i), i);
    return false;
}

/* ---- rules of our own on the path ---- */

static void
judge_depth(struct judge *j)
{
    int max = trust_max_chain_depth(j->trust);

    if (j->count > max)
        found(j, REASON_MAX_CHAIN_DEPTH, j->count - 1,
              "the chain has %d certificates, client and anchor included; max_chain_depth is %d",
              j->count, max);
    else
        passed(j, "path: %d certificates, client and anchor included; max_chain_depth is %d",
               j->count, max);
}

/* Below the anchor; the anchor was checked when it was loaded. */
static void
judge_shape(struct judge *j, int depth)
{
    X509 *cert = j->chain[depth];
    char why[KEYRULE_TEXT_MAX], algorithm[SIGALG_TEXT_MAX], text[SIGALG_TEXT_MAX + 32];
    struct sigalg alg;

    if (!is_readable(j, cert, depth))
        return;
    if (X509_get_version(cert) != X509_VERSION_3)
        found_about(j, REASON_TYPE_UNSUPPORTED, depth, cert, "is not X.509 version 3");
    if (!keyrule_allows(cert, why))
        found_about(j, REASON_TYPE_UNSUPPORTED, depth, cert, why);
    else if (X509_get0_pubkey(cert) == NULL)
        found_about(j, REASON_INVALID, depth, cert, "its public key cannot be read");
    if (sigalg_of_cert(cert, &alg) != 0) {
        sigalg_describe_cert(cert, algorithm);
        (void)snprintf(text, sizeof(text), "is signed with %s", algorithm);
        found_about(j, REASON_INCOMPATIBLE, depth, cert, text);
    }
}

static void
judge_leaf_use(struct judge *j)
{
    X509 *leaf = j->chain[0];

    if (X509_get_extension_flags(leaf) & EXFLAG_CA)
        found_about(j, REASON_PURPOSE_INVALID, 0, leaf,
                    "is a certificate authority's; clients present one with CA:FALSE");
    if ((X509_get_key_usage(leaf) & X509v3_KU_DIGITAL_SIGNATURE) == 0)
        found_about(j, REASON_PURPOSE_INVALID, 0, leaf, "its keyUsage lacks digitalSignature");
}

/* ---- dates and revocation: all that verify_again looks at ---- */

static void
found_date(struct judge *j, enum reason reason, int depth, int64_t at_s)
{
    char text[64], at[CLOCK_ISO_LEN];

    clock_format_iso(at, at_s);
    (void)snprintf(text, sizeof(text), "%s %.*s",
                   reason == REASON_EXPIRED ? "expired at" : "is not valid before", CLOCK_ISO_LEN,
                   at);
    found_about(j, reason, depth, j->chain[depth], text);
}

static void
judge_dates(struct judge *j, int depth)
{
    bool ignores_end = depth == 0 && j->options != NULL && j->options->ignore_expiry;
    int64_t not_before_s, not_after_s;

    if (cert_dates(j->chain[depth], &not_before_s, &not_after_s) != 0) {
        found_about(j, REASON_INVALID, depth, j->chain[depth], "has a date that is no valid time");
        return;
    }
    if (j->now_s < not_before_s)
        found_date(j, REASON_NOT_YET_VALID, depth, not_before_s);
    if (!ignores_end) {
        expires_by(j, not_after_s);
        if (j->now_s > not_after_s)
            found_date(j, REASON_EXPIRED, depth, not_after_s);
    } else if (j->now_s > not_after_s) {
        passed(j, "dates: certificate 0 has expired, which this listener ignores");
    }
}

static void
found_hit(struct judge *j, int depth, const struct crl *crl)
{
    const struct crl_info *info = crl_info(crl);
    char who[CERT_TEXT_MAX], at[CLOCK_ISO_LEN + 1] = "";
    int64_t revoked_s = 0;
    int reason = -1;

    cert_describe(j->chain[depth], who);
    (void)crl_find(crl, X509_get0_serialNumber(j->chain[depth]), &revoked_s, &reason);
    if (revoked_s != 0)
        clock_format_iso(at, revoked_s);
    found(j, REASON_CRL_HIT, depth,
          "certificate %d %s is on list number %.*s of \"%.80s\"%s%s (reason %s)", depth, who,
          STR_ARG(info->number_hex), info->issuer_text.ptr, revoked_s != 0 ? " since " : "", at,
          crl_reason_text(reason));
}

static void
found_stale(struct judge *j, int depth, const struct crl *crl)
{
    const struct crl_info *info = crl_info(crl);
    char who[CERT_TEXT_MAX], at[CLOCK_ISO_LEN];

    cert_describe(j->chain[depth], who);
    clock_format_iso(at, info->next_update_s);
    found(j, REASON_CRL_EXPIRED, depth,
          "certificate %d %s: list number %.*s of \"%.80s\" was to be replaced by %.*s", depth, who,
          STR_ARG(info->number_hex), info->issuer_text.ptr, CLOCK_ISO_LEN, at);
}

static void
passed_revocation(const struct judge *j, int depth, const struct crl *crl)
{
    const struct crl_info *info;

    if (crl == NULL) {
        passed(j, "revocation: certificate %d: no list applies, and none is demanded", depth);
        return;
    }
    info = crl_info(crl);
    passed(j,
           "revocation: certificate %d is not among the %llu entries of list number %.*s of "
           "\"%.80s\"",
           depth, (unsigned long long)info->entry_count, STR_ARG(info->number_hex),
           info->issuer_text.ptr);
}

static void
judge_revocation(struct judge *j, int depth)
{
    X509 *cert = j->chain[depth];
    struct revocation r;

    trust_revocation(j->trust, cert, j->chain[depth + 1], j->now_s, &r);
    switch (r.state) {
    case REVOCATION_GOOD:
        expires_by(j, r.valid_until_s);
        passed_revocation(j, depth, r.crl);
        break;
    case REVOCATION_HIT:
        found_hit(j, depth, r.crl);
        break;
    case REVOCATION_EXPIRED:
        found_stale(j, depth, r.crl);
        break;
    case REVOCATION_MISSING:
        found_about(j, REASON_CRL_MISSING, depth, cert,
                    "no revocation list of its issuer covers it");
        break;
    case REVOCATION_PROCESSING:
        found_about(j, REASON_CRL_PROCESSING, depth, cert,
                    "leaves its revocation to another issuer's list, which is not supported");
        break;
    default:
        found_about(j, REASON_UNMAPPED, depth, cert, "its revocation could not be looked up");
        break;
    }
}

static void
judge_standing(struct judge *j)
{
    const struct crl *anchor_list = trust_revoked_ca(j->trust, j->chain[j->count - 1]);

    for (int i = 0; i < j->count; i++)
        judge_dates(j, i);
    passed(j, "dates: %d certificates looked at", j->count);
    for (int i = 0; i + 1 < j->count; i++)
        judge_revocation(j, i);
    if (anchor_list != NULL)
        found_hit(j, j->count - 1, anchor_list);
}

/* ---- entry points ---- */

void
verify_chain(const struct trust *trust, X509 *leaf, STACK_OF(X509) * untrusted,
             const struct verify_options *options, int64_t now_s, const struct verify_trace *trace,
             struct verdict *ret)
{
    struct judge j = {.trust = trust, .options = options, .trace = trace, .v = ret, .now_s = now_s};

    begin(&j);
    ERR_set_mark();
    if (has_good_size(&j, leaf, untrusted) && is_readable(&j, leaf, 0) &&
        has_path(&j, leaf, untrusted)) {
        judge_depth(&j);
        for (int i = 0; i + 1 < j.count; i++)
            judge_shape(&j, i);
        judge_leaf_use(&j);
        judge_standing(&j);
    }
    ERR_pop_to_mark();
    finish(&j);
}

void
verify_again(const struct trust *trust, X509 *const *chain, int chain_count,
             const struct verify_options *options, int64_t now_s, struct verdict *ret)
{
    struct judge j = {.trust = trust,
                      .options = options,
                      .v = ret,
                      .chain = chain,
                      .count = chain_count,
                      .now_s = now_s};

    gw_assert(chain_count > 0);
    begin(&j);
    if (trust_contains(trust, chain[chain_count - 1])) {
        judge_depth(&j);
        judge_standing(&j);
    } else {
        found_about(&j, REASON_UNTRUSTED, chain_count - 1, chain[chain_count - 1],
                    "is not in the trust store any more");
    }
    finish(&j);
}

void
verdict_done(struct verdict *v)
{
    for (int i = 0; i < v->chain_count; i++) {
        X509_free(v->chain[i]);
        v->chain[i] = NULL;
    }
    v->chain_count = 0;
}
