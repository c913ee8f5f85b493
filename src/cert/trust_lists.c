/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the revocation lists of a trust store, compares them with each other and with those
 * in use, and answers lookups. Loading is for the control thread; the lookup runs at every
 * handshake on any worker and allocates nothing. It must never let a list replace a newer
 * one, nor say "good" where no list speaks for a certificate.
 */
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "cert/cert.h"
#include "cert/der.h"
#include "cert/pem.h"
#include "cert/trust_int.h"

/* ---- lists against each other ---- */

static const struct crl *
any_of(const struct trust_list *l)
{
    return l->crl != NULL ? l->crl : l->delta;
}

const struct crl *
trust_list_newest(const struct trust_list *l)
{
    return l->delta != NULL ? l->delta : l->crl;
}

static bool
is_same_scope(const struct crl *a, const struct crl *b)
{
    return str_eq(crl_info(a)->idp, crl_info(b)->idp);
}

static bool
is_same_list(const struct crl *a, const struct crl *b)
{
    return memcmp(crl_info(a)->sha256, crl_info(b)->sha256, sizeof(crl_info(a)->sha256)) == 0;
}

struct trust_list *
trust_list_find(const struct trust_issuer *issuer, const struct crl *crl)
{
    for (struct trust_list *l = issuer->lists; l != NULL; l = l->next) {
        if (is_same_scope(any_of(l), crl))
            return l;
    }
    return NULL;
}

/* a may stand in for b: not a lower number, not an earlier date. */
static bool
is_not_older(const struct crl *a, const struct crl *b)
{
    return crl_compare_number(a, b) >= 0 &&
           crl_info(a)->this_update_s >= crl_info(b)->this_update_s;
}

static bool
is_newer(const struct crl *a, const struct crl *b)
{
    return crl_compare_number(a, b) > 0 && is_not_older(a, b);
}

static void
report_superseded(struct trust_builder *b, const struct crl *old, const struct crl *new)
{
    const struct crl_info *o = crl_info(old), *n = crl_info(new);

    diag_warn(b->diag, o->file.ptr, o->line, 0,
              "list number %.*s of \"%.*s\" is not used: number %.*s in %.*s is newer",
              STR_ARG(o->number_hex), STR_ARG(o->issuer_text), STR_ARG(n->number_hex),
              STR_ARG(n->file));
}

static void
report_conflict(struct trust_builder *b, const struct crl *first, const struct crl *second)
{
    const struct crl_info *f = crl_info(first), *s = crl_info(second);

    diag_error(b->diag, s->file.ptr, s->line, 0,
               "list number %.*s of \"%.*s\" contradicts number %.*s in %.*s line %d: neither has "
               "both the higher number and the later date; remove the wrong one",
               STR_ARG(s->number_hex), STR_ARG(s->issuer_text), STR_ARG(f->number_hex),
               STR_ARG(f->file), f->line);
}

static int
append_list(struct trust *t, struct trust_issuer *issuer, struct trust_list **ret)
{
    struct trust_list *list;

    if (t->list_count == t->list_room) {
        size_t room = t->list_room != 0 ? 2 * t->list_room : 16;
        /* NOLINTNEXTLINE(bugprone-sizeof-expression): it is an array of pointers */
        struct trust_list **grown = reallocarray(t->lists, room, sizeof(grown[0]));

        if (grown == NULL)
            return GW_E_NOMEM;
        t->lists = grown;
        t->list_room = room;
    }
    list = calloc(1, sizeof(*list));
    if (list == NULL)
        return GW_E_NOMEM;
    *list = (struct trust_list){.next = issuer->lists, .issuer = issuer};
    issuer->lists = list;
    t->lists[t->list_count++] = list;
    *ret = list;
    return 0;
}

/* Of two lists for one place the newer one stays. Takes crl. */
static void
take_newer(struct trust_builder *b, struct crl **held, struct crl *crl)
{
    if (*held == NULL) {
        *held = crl;
    } else if (is_same_list(*held, crl)) {
        crl_unref(crl);
    } else if (is_newer(crl, *held)) {
        report_superseded(b, *held, crl);
        crl_unref(*held);
        *held = crl;
    } else if (is_newer(*held, crl)) {
        report_superseded(b, crl, *held);
        crl_unref(crl);
    } else {
        report_conflict(b, *held, crl);
        crl_unref(crl);
    }
}

/* Takes crl, even on failure. */
static int
take_list(struct trust_builder *b, struct crl *crl)
{
    struct trust_issuer *issuer = trust_issuer_find(b->t, crl_signer(crl));
    struct trust_list *list;

    gw_assert(issuer != NULL);
    list = trust_list_find(issuer, crl);
    if (list == NULL && append_list(b->t, issuer, &list) != 0) {
        crl_unref(crl);
        return GW_E_NOMEM;
    }
    take_newer(b, crl_info(crl)->is_delta ? &list->delta : &list->crl, crl);
    return 0;
}

/* ---- deltas and their complete lists, RFC 5280 5.2.4 ---- */

static void report_delta(struct trust_builder *b, const struct crl *delta, const char *fmt, ...)
    GW_PRINTF(3, 4);

static void
report_delta(struct trust_builder *b, const struct crl *delta, const char *fmt, ...)
{
    const struct crl_info *d = crl_info(delta);
    char text[DIAG_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    diag_error(b->diag, d->file.ptr, d->line, 0, "delta list number %.*s of \"%.*s\" %s",
               STR_ARG(d->number_hex), STR_ARG(d->issuer_text), text);
}

/* Both share one sequence of numbers: a complete list of the same number says the same. */
static bool
is_superseded(const struct trust_list *l)
{
    return crl_compare_number(l->delta, l->crl) <= 0;
}

static void
settle_delta(struct trust_builder *b, struct trust_list *l)
{
    const struct crl_info *base = l->crl != NULL ? crl_info(l->crl) : NULL;
    const struct crl_info *delta = crl_info(l->delta);

    if (base == NULL && b->src->candidate != NULL)
        return;
    if (base == NULL) {
        report_delta(b, l->delta,
                     "stands alone: by itself it would un-revoke all that its complete list "
                     "revokes; add the complete list, number %.*s or later, to crls",
                     STR_ARG(delta->base_hex));
    } else if (is_superseded(l)) {
        if (crl_compare_number(l->delta, l->crl) < 0)
            report_superseded(b, l->delta, l->crl);
        crl_unref(l->delta);
        l->delta = NULL;
    } else if (crl_compare_hex(base->number_hex, delta->base_hex) < 0) {
        report_delta(b, l->delta,
                     "goes with the complete list number %.*s or later, but %.*s has number %.*s; "
                     "fetch the current complete list",
                     STR_ARG(delta->base_hex), STR_ARG(base->file), STR_ARG(base->number_hex));
    } else if (delta->this_update_s < base->this_update_s) {
        report_delta(b, l->delta,
                     "has an earlier date than the complete list number %.*s in %.*s: one of the "
                     "two is wrong; fetch both anew",
                     STR_ARG(base->number_hex), STR_ARG(base->file));
    }
}

static void
show(struct trust *t, const struct trust_list *l, const struct crl *crl)
{
    if (crl != NULL)
        t->shown[t->shown_count++] = (struct trust_shown){l, crl};
}

static int
settle_lists(struct trust_builder *b)
{
    struct trust *t = b->t;

    t->shown = calloc(2 * t->list_count + 1, sizeof(t->shown[0]));
    if (t->shown == NULL)
        return GW_E_NOMEM;
    for (size_t i = 0; i < t->list_count; i++) {
        if (t->lists[i]->delta != NULL)
            settle_delta(b, t->lists[i]);
        show(t, t->lists[i], t->lists[i]->crl);
        show(t, t->lists[i], t->lists[i]->delta);
    }
    return 0;
}

/* ---- reading ---- */

/* The list with these bytes that the running configuration read from the same file, as long as the
 * certificate it was verified under is still trusted. */
static struct crl *
find_unchanged(const struct trust_builder *b, struct str der)
{
    uint8_t sha256[CERT_DIGEST_BYTES];

    if (b->previous == NULL || b->previous->shown_count == 0 ||
        EVP_Digest(der.ptr, der.len, sha256, NULL, EVP_sha256(), NULL) != 1)
        return NULL;
    for (size_t i = 0; i < b->previous->shown_count; i++) {
        const struct crl *crl = b->previous->shown[i].crl;
        const struct crl_info *info = crl_info(crl);

        if (memcmp(info->sha256, sha256, sizeof(sha256)) == 0 &&
            str_eq(info->file, str_from(b->file)) && trust_ca_find(b->t, crl_signer(crl)) != NULL &&
            info->this_update_s <= b->now_s)
            return (struct crl *)(uintptr_t)crl; /* shared, not changed */
    }
    return NULL;
}

static int
on_list(void *arg, struct str der, int line)
{
    struct trust_builder *b = arg;
    struct crl *crl = find_unchanged(b, der);
    const struct crl_input in = {.der = der,
                                 .file = b->file,
                                 .line = line,
                                 .candidates = b->t->certs,
                                 .now_s = b->now_s,
                                 .destroys_der = true};
    int err;

    if (crl != NULL)
        return take_list(b, crl_ref(crl));
    err = crl_load(&in, b->diag, &crl);
    if (err == 0)
        return take_list(b, crl);
    return err == GW_E_CONFIG ? 0 : err;
}

/* DER is what distribution points serve; its first octets cannot begin a PEM text. */
static bool
is_der(struct str text)
{
    return text.len > 1 && text.ptr[0] == DER_SEQUENCE && (text.ptr[1] & 0x80) != 0;
}

static int
read_text(struct trust_builder *b, struct str text)
{
    struct pem_input in = {
        .text = text, .file = b->file, .label = "X509 CRL", .destroys_text = true};
    int err = is_der(text) ? on_list(b, text, 0) : pem_parse(&in, on_list, b, b->diag);

    return err == GW_E_CONFIG ? 0 : err;
}

static int
read_file(struct trust_builder *b)
{
    struct file file = {0};
    int err = file_read(b->file, CRL_FILE_BYTES_MAX, FILE_PUBLIC, true, b->diag, &file);

    if (err != 0)
        return err == GW_E_CONFIG ? 0 : err;
    err = read_text(b, str_make(file.bytes, file.len));
    file_done(&file);
    return err;
}

static int
read_lists(struct trust_builder *b)
{
    for (size_t i = 0; i < b->src->crl_path_count; i++) {
        int err;

        b->file = b->src->crl_paths[i];
        err = read_file(b);
        if (err != 0)
            return err;
    }
    if (b->src->candidate == NULL)
        return 0;
    b->file = b->src->candidate_name;
    return read_text(b, str_make(b->src->candidate, b->src->candidate_len));
}

/* ---- against the clock and the running configuration ---- */

bool
trust_list_is_expired(const struct trust *t, const struct crl *crl, int64_t now_s)
{
    int64_t end_s = crl_info(crl)->next_update_s;

    if (t->crl_expired == CRL_EXPIRED_ALLOW || now_s <= end_s)
        return false;
    return t->crl_expired == CRL_EXPIRED_REFUSE || now_s - end_s > t->crl_grace_s;
}

static bool
held_before(const struct trust_builder *b, const struct crl *crl)
{
    for (size_t i = 0; b->previous != NULL && i < b->previous->shown_count; i++) {
        if (is_same_list(b->previous->shown[i].crl, crl))
            return true;
    }
    return false;
}

static void
check_expiry(struct trust_builder *b, const struct crl *crl)
{
    const struct crl_info *info = crl_info(crl);
    char at[CLOCK_ISO_LEN];

    if (b->now_s <= info->next_update_s)
        return;
    clock_format_iso(at, info->next_update_s);
    if (trust_list_is_expired(b->t, crl, b->now_s) && !held_before(b, crl))
        diag_error(b->diag, info->file.ptr, info->line, 0,
                   "list number %.*s of \"%.*s\" expired at %.*s; fetch the current one, or set "
                   "crl_expired",
                   STR_ARG(info->number_hex), STR_ARG(info->issuer_text), CLOCK_ISO_LEN, at);
    else
        diag_warn(b->diag, info->file.ptr, info->line, 0,
                  "list number %.*s of \"%.*s\" expired at %.*s; fetch the current one",
                  STR_ARG(info->number_hex), STR_ARG(info->issuer_text), CLOCK_ISO_LEN, at);
}

/* Number and date of the list that replaces old must not go back. */
static void
check_replacement(struct trust_builder *b, const struct crl *old, const struct crl *new)
{
    const struct crl_info *o = crl_info(old), *n = crl_info(new);
    bool is_older = !is_not_older(new, old);

    if (is_same_list(old, new))
        return;
    if (is_older || (crl_compare_number(new, old) == 0 && n->this_update_s == o->this_update_s))
        diag_error(b->diag, n->file.ptr, n->line, 0,
                   "list number %.*s of \"%.*s\" is %s than the one in use, number %.*s; a list "
                   "is replaced only by a newer one",
                   STR_ARG(n->number_hex), STR_ARG(n->issuer_text), is_older ? "older" : "no newer",
                   STR_ARG(o->number_hex));
}

static void
report_gone(struct trust_builder *b, const struct crl *old)
{
    const struct crl_info *info = crl_info(old);

    diag_error(b->diag, info->file.ptr, info->line, 0,
               "trust store %s: list number %.*s of \"%.*s\" is in use and has gone; put a list of "
               "that issuer back, or remove the issuer from the bundle",
               b->t->name, STR_ARG(info->number_hex), STR_ARG(info->issuer_text));
}

/* A complete list that is not older than the delta may take its place. */
static void
check_delta_replacement(struct trust_builder *b, const struct crl *old,
                        const struct trust_list *now)
{
    if (now->delta != NULL)
        check_replacement(b, old, now->delta);
    else if (!is_not_older(now->crl, old))
        report_gone(b, old);
}

static void
check_against_previous(struct trust_builder *b)
{
    for (size_t i = 0; i < b->previous->list_count; i++) {
        const struct trust_list *old = b->previous->lists[i];
        struct trust_issuer *issuer = trust_issuer_find(b->t, crl_signer(any_of(old)));
        struct trust_list *now = issuer != NULL ? trust_list_find(issuer, any_of(old)) : NULL;

        if (issuer == NULL)
            continue;
        if (now == NULL || now->crl == NULL) {
            report_gone(b, old->crl);
            continue;
        }
        check_replacement(b, old->crl, now->crl);
        if (old->delta != NULL)
            check_delta_replacement(b, old->delta, now);
    }
}

/* The delta's word goes before that of the complete list, but takes off only what is on hold there
 * (RFC 5280 5.3.1): a key that was called compromised stays so. */
static const struct crl *
find_revoking(const struct trust_list *l, const ASN1_INTEGER *serial)
{
    int64_t revoked_s;
    int reason;

    if (l->delta != NULL && crl_find(l->delta, serial, &revoked_s, &reason))
        return l->delta;
    if (l->crl == NULL || !crl_find(l->crl, serial, &revoked_s, &reason))
        return NULL;
    if (reason == CRL_REASON_HOLD && l->delta != NULL && crl_takes_off(l->delta, serial))
        return NULL;
    return l->crl;
}

/* A CA of the bundle that its own issuer has revoked. */
static void
mark_revoked(struct trust_builder *b, struct trust_ca *ca)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(ca->cert);
    char who[CERT_TEXT_MAX];

    for (size_t i = 0; i < b->t->list_count && ca->revoked_by == NULL; i++) {
        const struct trust_list *l = b->t->lists[i];
        const X509_NAME *issuer = X509_get_subject_name(crl_signer(any_of(l)));

        if (X509_NAME_cmp(X509_get_issuer_name(ca->cert), issuer) == 0)
            ca->revoked_by = find_revoking(l, serial);
    }
    if (ca->revoked_by == NULL)
        return;
    cert_describe(ca->cert, who);
    diag_warn(b->diag, b->src->ca_bundle, ca->line, 0,
              "CA certificate %s is revoked by list number %.*s of \"%.*s\"; its clients are "
              "refused; remove it",
              who, STR_ARG(crl_info(ca->revoked_by)->number_hex),
              STR_ARG(crl_info(ca->revoked_by)->issuer_text));
}

static void
warn_missing(struct trust_builder *b)
{
    for (size_t i = 0; i < b->t->ca_count; i++) {
        const struct trust_ca *ca = &b->t->cas[i];
        char who[CERT_TEXT_MAX];

        if (ca->issuer->lists != NULL || ca != ca->issuer->first)
            continue;
        cert_describe(ca->cert, who);
        diag_warn(b->diag, b->src->ca_bundle, ca->line, 0,
                  "CA certificate %s has no revocation list; %s", who,
                  b->t->crl_missing == CRL_MISSING_REFUSE ? "what it issued is refused (CrlMissing)"
                                                          : "what it issued counts as not revoked");
    }
}

int
trust_lists_load(struct trust_builder *b)
{
    int err = read_lists(b);

    if (err == 0)
        err = settle_lists(b);
    if (err != 0)
        return err;
    for (size_t i = 0; i < b->t->list_count; i++)
        check_expiry(b, trust_list_newest(b->t->lists[i]));
    if (b->previous != NULL)
        check_against_previous(b);
    trust_floors_check(b);
    for (size_t i = 0; i < b->t->ca_count; i++)
        mark_revoked(b, &b->t->cas[i]);
    if (b->t->checks_revocation)
        warn_missing(b);
    return 0;
}

/* ---- lookup ---- */

static bool
has_name(struct str names, struct str wanted)
{
    struct der in = der_open(names);
    struct der_item name;

    while (!der_at_end(&in) && der_read(&in, &name) == 0) {
        if (str_eq(name.whole, wanted))
            return true;
    }
    return false;
}

/* One DistributionPoint of the certificate: does one of its full names stand in names? */
static bool
point_matches(struct str point, struct str names)
{
    struct der in = der_open(point), choice, full;
    struct str body, full_name;
    struct der_item name;

    if (der_expect(&in, DER_CONTEXT_NESTED(0), &body) != 0)
        return false;
    choice = der_open(body);
    if (der_expect(&choice, DER_CONTEXT_NESTED(0), &full_name) != 0)
        return false;
    full = der_open(full_name);
    while (!der_at_end(&full) && der_read(&full, &name) == 0) {
        if (has_name(names, name.whole))
            return true;
    }
    return false;
}

/* cRLDistributionPoints of RFC 5280 4.2.1.13 */
static bool
points_match(struct str extension, struct str names)
{
    struct der outer = der_open(extension), in;
    struct str body, point;

    if (der_expect(&outer, DER_SEQUENCE, &body) != 0)
        return false;
    in = der_open(body);
    while (!der_at_end(&in)) {
        if (der_expect(&in, DER_SEQUENCE, &point) != 0)
            return false;
        if (point_matches(point, names))
            return true;
    }
    return false;
}

static bool
covers(const struct crl *crl, X509 *cert, struct str points)
{
    const struct crl_info *info = crl_info(crl);
    bool is_ca = (X509_get_extension_flags(cert) & EXFLAG_CA) != 0;

    if (is_ca ? !info->covers_cas : !info->covers_users)
        return false;
    return info->idp_names.len == 0 || points_match(points, info->idp_names);
}

/* Some DistributionPoint leaves its list to another issuer (cRLIssuer [2]). */
static bool
names_other_issuer(struct str extension)
{
    struct der outer = der_open(extension), in;
    struct str body, point;
    struct der_item item;

    if (der_expect(&outer, DER_SEQUENCE, &body) != 0)
        return false;
    in = der_open(body);
    while (!der_at_end(&in) && der_expect(&in, DER_SEQUENCE, &point) == 0) {
        struct der fields = der_open(point);

        while (!der_at_end(&fields) && der_read(&fields, &item) == 0) {
            if (item.tag == DER_CONTEXT_NESTED(2))
                return true;
        }
    }
    return false;
}

/* The serial is looked for in every list of the issuer, whatever its scope or age. */
static const struct crl *
find_hit(const struct trust_issuer *issuer, X509 *cert)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    const struct crl *hit = NULL;

    for (const struct trust_list *l = issuer->lists; l != NULL && hit == NULL; l = l->next)
        hit = find_revoking(l, serial);
    return hit;
}

static const struct trust_list *
find_covering(const struct trust_issuer *issuer, X509 *cert, struct str points)
{
    const struct trust_list *best = NULL;
    int64_t best_end_s = 0;

    for (const struct trust_list *l = issuer->lists; l != NULL; l = l->next) {
        int64_t end_s = crl_info(trust_list_newest(l))->next_update_s;

        if (!covers(any_of(l), cert, points) || (best != NULL && end_s <= best_end_s))
            continue;
        best = l;
        best_end_s = end_s;
    }
    return best;
}

static int64_t
list_end(const struct trust *t, const struct crl *crl)
{
    int64_t end_s = crl_info(crl)->next_update_s;

    if (t->crl_expired == CRL_EXPIRED_ALLOW || end_s == INT64_MAX)
        return INT64_MAX;
    return end_s + (t->crl_expired == CRL_EXPIRED_GRACE ? t->crl_grace_s : 0);
}

void
trust_revocation(const struct trust *t, X509 *cert, X509 *issuer_cert, int64_t now_s,
                 struct revocation *ret)
{
    const struct trust_issuer *issuer = trust_issuer_find(t, issuer_cert);
    const struct trust_list *list = NULL;
    struct str points;

    *ret = (struct revocation){.state = REVOCATION_GOOD, .valid_until_s = INT64_MAX};
    if (!t->checks_revocation)
        return;
    if (issuer != NULL && issuer->lists != NULL) {
        ret->crl = find_hit(issuer, cert);
        if (ret->crl != NULL) {
            ret->state = REVOCATION_HIT;
            return;
        }
        points = cert_extension(cert, NID_crl_distribution_points, NULL);
        list = find_covering(issuer, cert, points);
        if (list == NULL && t->crl_missing == CRL_MISSING_REFUSE && names_other_issuer(points)) {
            ret->state = REVOCATION_PROCESSING;
            return;
        }
    }
    if (list == NULL) {
        ret->state = t->crl_missing == CRL_MISSING_ALLOW ? REVOCATION_GOOD : REVOCATION_MISSING;
        return;
    }
    ret->crl = list->crl;
    ret->delta = list->delta;
    if (trust_list_is_expired(t, trust_list_newest(list), now_s))
        ret->state = REVOCATION_EXPIRED;
    else
        ret->valid_until_s = list_end(t, trust_list_newest(list));
}
