/* SPDX-License-Identifier: Apache-2.0
 *
 * The judge. Called inside the handshake, by the sweep after a reload and by `explain`, on
 * any thread. Findings of all steps are collected, and the gravest becomes the reason. It
 * owns nothing between calls. It must never read the clock, and never admit when a step
 * could not be taken.
 */
#include "cert/verify.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"
#include "cert/cert.h"
#include "cert/verify_int.h"

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

void
judge_found(struct judge *j, enum reason reason, int depth, const char *fmt, ...)
{
    char text[VERDICT_DETAIL_MAX];
    va_list args;

    gw_assert(gravity[reason] > 0);
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (j->trace != NULL)
        j->trace->step(j->trace->arg, false, text);
    j->found |= UINT32_C(1) << reason;
    if (gravity[reason] <= gravity[j->v->reason] &&
        !(j->is_generic && reason == j->v->reason && depth == j->v->depth))
        return;
    j->is_generic = false;
    j->v->reason = reason;
    j->v->depth = depth;
    memcpy(j->v->detail, text, sizeof(text));
}

bool
judge_has_found(const struct judge *j, enum reason reason)
{
    return (j->found & UINT32_C(1) << reason) != 0;
}

/* Costs nothing without a trace. */
void
judge_passed(const struct judge *j, const char *fmt, ...)
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

void
judge_found_about(struct judge *j, enum reason reason, int depth, const X509 *cert,
                  const char *what)
{
    char who[CERT_TEXT_MAX];

    cert_describe(cert, who);
    judge_found(j, reason, depth, "certificate %d %s: %s", depth, who, what);
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
    if (!j->v->is_admitted)
        j->v->exception = NULL;
    if (j->v->is_admitted)
        (void)snprintf(j->v->detail, sizeof(j->v->detail), "%s", reason_text(REASON_NONE));
}

static void
expires_by(struct judge *j, int64_t at_s)
{
    if (at_s < j->v->valid_until_s)
        j->v->valid_until_s = at_s;
}

/* True when an exception lets this failure of the leaf pass. One is all a certificate gets. */
static bool
is_excepted(struct judge *j, const struct exception_need *need)
{
    char text[EXCEPTION_TEXT_MAX];
    const struct trust_exception *e;
    int64_t until_s;

    if (j->v->exception != NULL)
        return false;
    e = trust_exception_find(j->trust, need, &until_s);
    if (e == NULL)
        return false;
    j->v->exception = e;
    expires_by(j, until_s);
    if (j->trace != NULL) {
        exception_describe(e, text);
        judge_passed(j, "exception: %s", text);
    }
    return true;
}

/* ---- before the path: what bounds the work and what cannot be read ---- */

static bool
has_good_size(struct judge *j, X509 *leaf, STACK_OF(X509) * untrusted)
{
    size_t bytes = cert_der_bytes(leaf);
    int sent = untrusted != NULL ? sk_X509_num(untrusted) : 0;

    if (bytes > CLIENT_CERT_DER_MAX) {
        judge_found(j, REASON_MAX_SIZE, 0,
                    "the client certificate has %zu bytes; at most %d are accepted", bytes,
                    CLIENT_CERT_DER_MAX);
        return false;
    }
    if (sent > CHAIN_CERTS_MAX) {
        judge_found(j, REASON_MAX_CHAIN_DEPTH, CHAIN_CERTS_MAX,
                    "the client sent %d certificates; at most %d are accepted", sent,
                    CHAIN_CERTS_MAX);
        return false;
    }
    judge_passed(j, "size: %zu bytes of %d, %d certificate%s sent", bytes, CLIENT_CERT_DER_MAX,
                 sent, sent == 1 ? "" : "s");
    return true;
}

bool
judge_is_readable(struct judge *j, X509 *cert, int depth)
{
    if (X509_get_extension_flags(cert) & EXFLAG_INVALID) {
        judge_found_about(j, REASON_INVALID, depth, cert, "has a malformed or repeated extension");
        return false;
    }
    return true;
}

/* ---- client authentication, dates and revocation: all that verify_again looks at ---- */

bool
judge_lacks_client_auth(X509 *cert)
{
    return (X509_get_extension_flags(cert) & EXFLAG_XKUSAGE) != 0 &&
           (X509_get_extended_key_usage(cert) & XKU_SSL_CLIENT) == 0;
}

/* The old Netscape extension is no failure that an exception names. */
static void
judge_client_auth(struct judge *j)
{
    X509 *leaf = j->chain[0];
    struct exception_need need = {TRUST_ALLOW_NO_CLIENT_AUTH_EKU, leaf, j->now_s, 0};

    if (!judge_lacks_client_auth(leaf))
        return;
    if ((X509_get_extension_flags(leaf) & EXFLAG_NSCERT) == 0 && is_excepted(j, &need))
        return;
    judge_found_about(j, REASON_PURPOSE_INVALID, 0, leaf,
                      "its extendedKeyUsage lacks clientAuth, so it is not for TLS clients");
}

static void
found_date(struct judge *j, enum reason reason, int depth, int64_t at_s)
{
    char text[64], at[CLOCK_ISO_LEN];

    clock_format_iso(at, at_s);
    (void)snprintf(text, sizeof(text), "%s %.*s",
                   reason == REASON_EXPIRED ? "expired at" : "is not valid before", CLOCK_ISO_LEN,
                   at);
    judge_found_about(j, reason, depth, j->chain[depth], text);
}

static void
judge_expired(struct judge *j, int depth, int64_t not_after_s)
{
    struct exception_need need = {TRUST_ALLOW_EXPIRED, j->chain[depth], j->now_s, not_after_s};

    if (depth == 0 && is_excepted(j, &need))
        return;
    expires_by(j, not_after_s);
    found_date(j, REASON_EXPIRED, depth, not_after_s);
}

static void
judge_dates(struct judge *j, int depth)
{
    bool ignores_end = depth == 0 && j->options != NULL && j->options->ignore_expiry;
    int64_t not_before_s, not_after_s;

    if (cert_dates(j->chain[depth], &not_before_s, &not_after_s) != 0) {
        judge_found_about(j, REASON_INVALID, depth, j->chain[depth],
                          "has a date that is no valid time");
        return;
    }
    if (j->now_s < not_before_s)
        found_date(j, REASON_NOT_YET_VALID, depth, not_before_s);
    if (!ignores_end && j->now_s > not_after_s)
        judge_expired(j, depth, not_after_s);
    else if (!ignores_end)
        expires_by(j, not_after_s);
    else if (j->now_s > not_after_s)
        judge_passed(j, "dates: certificate 0 has expired, which this listener ignores");
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
    judge_found(j, REASON_CRL_HIT, depth,
                "certificate %d %s is on %slist number %.*s of \"%.80s\"%s%s (reason %s)", depth,
                who, info->is_delta ? "delta " : "", STR_ARG(info->number_hex),
                info->issuer_text.ptr, revoked_s != 0 ? " since " : "", at,
                crl_reason_text(reason));
}

static void
found_stale(struct judge *j, int depth, const struct crl *crl)
{
    const struct crl_info *info = crl_info(crl);
    char who[CERT_TEXT_MAX], at[CLOCK_ISO_LEN];

    cert_describe(j->chain[depth], who);
    clock_format_iso(at, info->next_update_s);
    judge_found(j, REASON_CRL_EXPIRED, depth,
                "certificate %d %s: %slist number %.*s of \"%.80s\" was to be replaced by %.*s",
                depth, who, info->is_delta ? "delta " : "", STR_ARG(info->number_hex),
                info->issuer_text.ptr, CLOCK_ISO_LEN, at);
}

static void
found_missing(struct judge *j, int depth)
{
    char text[CERT_TEXT_MAX + 64], issuer[CERT_TEXT_MAX];

    cert_describe_name(X509_get_issuer_name(j->chain[depth]), issuer);
    (void)snprintf(text, sizeof(text), "no revocation list of its issuer \"%s\" covers it", issuer);
    judge_found_about(j, REASON_CRL_MISSING, depth, j->chain[depth], text);
}

static void
passed_revocation(const struct judge *j, int depth, const struct revocation *r)
{
    const struct crl_info *info;

    if (r->crl == NULL) {
        judge_passed(j, "revocation: certificate %d: no list applies, and none is demanded", depth);
        return;
    }
    info = crl_info(r->crl);
    if (r->delta != NULL && crl_takes_off(r->delta, X509_get0_serialNumber(j->chain[depth])))
        judge_passed(j,
                     "revocation: certificate %d is not revoked any more: delta list number %.*s "
                     "of \"%.80s\" takes it off hold",
                     depth, STR_ARG(crl_info(r->delta)->number_hex), info->issuer_text.ptr);
    else
        judge_passed(j, "revocation: certificate %d is not on list number %.*s of \"%.80s\"", depth,
                     STR_ARG(info->number_hex), info->issuer_text.ptr);
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
        passed_revocation(j, depth, &r);
        break;
    case REVOCATION_HIT:
        found_hit(j, depth, r.crl);
        break;
    case REVOCATION_EXPIRED:
        found_stale(j, depth, r.delta != NULL ? r.delta : r.crl);
        break;
    case REVOCATION_MISSING:
        found_missing(j, depth);
        break;
    case REVOCATION_PROCESSING:
        judge_found_about(j, REASON_CRL_PROCESSING, depth, cert,
                          "leaves its revocation to another issuer's list, which is not supported");
        break;
    default:
        judge_found_about(j, REASON_UNMAPPED, depth, cert, "its revocation could not be looked up");
        break;
    }
}

static void
judge_standing(struct judge *j)
{
    const struct crl *anchor_list = trust_revoked_ca(j->trust, j->chain[j->count - 1]);

    judge_client_auth(j);
    if (!judge_has_found(j, REASON_PURPOSE_INVALID))
        judge_passed(j, "usage: certificate 0 is for TLS clients");
    for (int i = 0; i < j->count; i++)
        judge_dates(j, i);
    if (!judge_has_found(j, REASON_EXPIRED) && !judge_has_found(j, REASON_NOT_YET_VALID))
        judge_passed(j, "dates: %d certificates looked at, none refused for them", j->count);
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
    if (has_good_size(&j, leaf, untrusted) && judge_is_readable(&j, leaf, 0) &&
        verify_path_build(&j, leaf, untrusted)) {
        verify_path_depth(&j);
        verify_path_rules(&j);
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
        verify_path_depth(&j);
        judge_standing(&j);
    } else {
        judge_found_about(&j, REASON_UNTRUSTED, chain_count - 1, chain[chain_count - 1],
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
