/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads one revocation list from its DER: head and signature first, then every
 * entry straight into the index. Called by the trust store on the control thread; the
 * result is counted, immutable and read by all workers. It must never build OpenSSL's
 * form of the list, nor skip an entry it does not understand.
 */
#include "cert/crl.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "cert/crl_int.h"
#include "cert/der.h"
#include "cert/name.h"
#include "cert/pages.h"
#include "cert/sigalg.h"

enum {
    VERSION_2 = 1,
    STRINGS_BLOCK = 1024,
    DROP_BYTES = 1048576, /* of entries that have been read, at a time */
    STRINGS_MAX = 262144, /* issuer, scope and texts of one list, bytes */
};

int
crl_fail(const struct crl_loader *l, const char *fmt, ...)
{
    char text[DIAG_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (l->issuer[0] != 0)
        diag_error(l->diag, l->file, l->line, 0, "revocation list of \"%s\": %s", l->issuer, text);
    else
        diag_error(l->diag, l->file, l->line, 0, "revocation list: %s", text);
    return GW_E_CONFIG;
}

static int
fail_nomem(const struct crl_loader *l)
{
    (void)crl_fail(l, "not enough memory to load it");
    return GW_E_NOMEM;
}

int
crl_fail_der(const struct crl_loader *l, const char *what)
{
    return crl_fail(l, "%s is no valid DER: the file is cut or damaged", what);
}

/* ---- the frame: CertificateList and TBSCertList, RFC 5280 5.1 ---- */

static int
read_frame(struct crl_loader *l, struct str der)
{
    struct der outer = der_open(der), in;
    struct der_item tbs;
    struct str body, bits;

    if (der_expect(&outer, DER_SEQUENCE, &body) != 0)
        return crl_fail_der(l, "it");
    if (!der_at_end(&outer))
        return crl_fail(l, "%zu bytes follow after its end: the file is damaged",
                        (size_t)(outer.end - outer.ptr));
    in = der_open(body);
    if (der_read(&in, &tbs) != 0 || tbs.tag != DER_SEQUENCE ||
        der_expect(&in, DER_SEQUENCE, &l->algorithm) != 0 ||
        der_expect(&in, DER_BIT_STRING, &bits) != 0 || !der_at_end(&in) ||
        der_bit_octets(bits, &l->signature) != 0)
        return crl_fail_der(l, "its outer structure");
    l->tbs = tbs.whole;
    return 0;
}

static int
read_time(struct der *in, int64_t *ret_s)
{
    struct der_item item;

    if (der_read(in, &item) != 0)
        return GW_E_PARSE;
    return der_time(item.tag, item.body, ret_s);
}

static bool
is_time_next(const struct der *in)
{
    return der_peek(in) == DER_UTC_TIME || der_peek(in) == DER_GENERALIZED_TIME;
}

static int
keep_issuer(struct crl_loader *l, struct str der)
{
    const uint8_t *p = (const uint8_t *)der.ptr;
    X509_NAME *name = d2i_X509_NAME(NULL, &p, (long)der.len);
    struct crl_info *info = &l->c->info;

    if (name == NULL || p != (const uint8_t *)der.ptr + der.len) {
        X509_NAME_free(name);
        return crl_fail_der(l, "its issuer name");
    }
    name_describe(name, l->issuer, sizeof(l->issuer));
    X509_NAME_free(name);
    info->issuer_der = arena_str(&l->c->strings, der);
    info->issuer_text = arena_str(&l->c->strings, str_from(l->issuer));
    return l->c->strings.overflow ? crl_fail(l, "its issuer name is too long") : 0;
}

static int
read_version(const struct crl_loader *l, struct der *in)
{
    uint64_t version;
    struct str body;
    bool is_there;

    if (der_optional(in, DER_INTEGER, &body, &is_there) != 0)
        return crl_fail_der(l, "its version");
    if (!is_there)
        return crl_fail(l, "is a version 1 list, which has no number; have the CA issue version 2");
    if (der_uint(body, UINT64_MAX, &version) != 0 || version != VERSION_2)
        return crl_fail(l, "its version is not 2");
    return 0;
}

static int
read_dates(struct crl_loader *l, struct der *in)
{
    struct crl_info *info = &l->c->info;
    char at[CLOCK_ISO_LEN];

    info->next_update_s = INT64_MAX;
    if (read_time(in, &info->this_update_s) != 0)
        return crl_fail(l, "its thisUpdate is no valid time");
    if (is_time_next(in) && read_time(in, &info->next_update_s) != 0)
        return crl_fail(l, "its nextUpdate is no valid time");
    clock_format_iso(at, info->this_update_s);
    if (info->this_update_s > l->now_s)
        return crl_fail(l,
                        "its thisUpdate %.*s is in the future; check the clock of this machine and "
                        "of the CA",
                        CLOCK_ISO_LEN, at);
    if (info->next_update_s < info->this_update_s)
        return crl_fail(l, "its nextUpdate is before its thisUpdate %.*s", CLOCK_ISO_LEN, at);
    return 0;
}

/* Everything up to the entries, whose place is noted, and the place of the extensions. */
static int
read_tbs(struct crl_loader *l)
{
    struct der outer = der_open(l->tbs), in;
    struct str body, inner_algorithm, extensions;
    struct der_item issuer;
    bool is_there;
    int err;

    if (der_expect(&outer, DER_SEQUENCE, &body) != 0)
        return crl_fail_der(l, "its signed part");
    in = der_open(body);
    err = read_version(l, &in);
    if (err != 0)
        return err;
    if (der_expect(&in, DER_SEQUENCE, &inner_algorithm) != 0 || der_read(&in, &issuer) != 0 ||
        issuer.tag != DER_SEQUENCE)
        return crl_fail_der(l, "its head");
    err = keep_issuer(l, issuer.whole);
    if (err == 0)
        err = read_dates(l, &in);
    if (err != 0)
        return err;
    if (!str_eq(inner_algorithm, l->algorithm))
        return crl_fail(l, "names two different signature algorithms: it is damaged");
    if (der_optional(&in, DER_SEQUENCE, &l->entries, &is_there) != 0)
        return crl_fail_der(l, "its list of entries");
    if (der_optional(&in, DER_CONTEXT_NESTED(0), &extensions, &is_there) != 0 || !der_at_end(&in))
        return crl_fail_der(l, "what follows its entries");
    if (!is_there)
        return crl_fail(l, "has no extensions and so no crlNumber; an older copy could not be told "
                           "from a newer one");
    in = der_open(extensions);
    if (der_expect(&in, DER_SEQUENCE, &l->extensions) != 0 || !der_at_end(&in))
        return crl_fail_der(l, "its extensions");
    return 0;
}

/* ---- the signature ---- */

static bool
has_matching_key_id(const struct crl_info *info, const X509 *ca)
{
    const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id((X509 *)(uintptr_t)ca);

    if (ski == NULL || info->aki.len == 0)
        return true;
    return str_eq(info->aki, str_make(ASN1_STRING_get0_data(ski), (size_t)ASN1_STRING_length(ski)));
}

/* What kept the list from being accepted, the furthest step that any candidate reached. */
enum signer_step { STEP_NO_NAME, STEP_NO_KEY_ID, STEP_NO_USAGE, STEP_BAD_SIGNATURE, STEP_GOOD };

static enum signer_step
try_signer(const struct crl_loader *l, const struct sigalg *alg, X509 *ca)
{
    EVP_PKEY *key = X509_get0_pubkey(ca);

    if (!has_matching_key_id(&l->c->info, ca))
        return STEP_NO_KEY_ID;
    if ((X509_get_key_usage(ca) & X509v3_KU_CRL_SIGN) == 0)
        return STEP_NO_USAGE;
    if (key == NULL || sigalg_verify(alg, key, l->tbs, l->signature) != 0)
        return STEP_BAD_SIGNATURE;
    return STEP_GOOD;
}

static int
fail_signer(const struct crl_loader *l, enum signer_step step)
{
    switch (step) {
    case STEP_NO_KEY_ID:
        return crl_fail(l, "no CA of that name in the trust store has the key it was signed with "
                           "(authorityKeyIdentifier); add that CA or remove the list");
    case STEP_NO_USAGE:
        return crl_fail(l, "the CA's certificate does not allow it to sign lists (keyUsage without "
                           "cRLSign)");
    case STEP_BAD_SIGNATURE:
        return crl_fail(
            l, "its signature is not that of the CA in the trust store: a wrong or damaged "
               "list");
    case STEP_NO_NAME:
    case STEP_GOOD:
    default:
        return crl_fail(l,
                        "issuer not in the trust store: no CA of the bundle has that name; add the "
                        "CA's certificate to ca_bundle or remove the list");
    }
}

static int
find_signer(struct crl_loader *l)
{
    enum signer_step best = STEP_NO_NAME;
    char algorithm[SIGALG_TEXT_MAX];
    X509_NAME *issuer;
    struct sigalg alg;
    const uint8_t *p = (const uint8_t *)l->c->info.issuer_der.ptr;

    if (sigalg_parse(l->algorithm, &alg) != 0) {
        sigalg_describe(l->algorithm, algorithm);
        return crl_fail(l,
                        "is signed with %s; RSA (also PSS) and ECDSA with SHA-256, SHA-384 or "
                        "SHA-512 are allowed",
                        algorithm);
    }
    issuer = d2i_X509_NAME(NULL, &p, (long)l->c->info.issuer_der.len);
    if (issuer == NULL)
        return fail_nomem(l);
    for (int i = 0; i < sk_X509_num(l->candidates) && best != STEP_GOOD; i++) {
        X509 *ca = sk_X509_value(l->candidates, i);
        enum signer_step step;

        if (X509_NAME_cmp(X509_get_subject_name(ca), issuer) != 0)
            continue;
        step = try_signer(l, &alg, ca);
        best = step > best ? step : best;
        if (step == STEP_GOOD && X509_up_ref(ca) == 1)
            l->c->signer = ca;
    }
    X509_NAME_free(issuer);
    return best == STEP_GOOD ? 0 : fail_signer(l, best);
}

/* ---- entries ---- */

#define OID_REASON_CODE STR("\x55\x1d\x15")
#define OID_CERTIFICATE_ISSUER STR("\x55\x1d\x1d")

struct entry {
    struct crl_serial serial;
    int64_t revoked_s;
    int reason;
};

static int
fail_entry(const struct crl_loader *l, size_t at, const char *what)
{
    return crl_fail(l, "entry %zu: %s", at + 1, what);
}

static int
read_entry_extensions(const struct crl_loader *l, struct der *in, size_t at, struct entry *e)
{
    struct der_extension ext;
    struct der list, inner;
    struct str body, code;
    uint64_t reason;

    if (der_expect(in, DER_SEQUENCE, &body) != 0 || !der_at_end(in))
        return fail_entry(l, at, "no valid DER");
    list = der_open(body);
    while (!der_at_end(&list)) {
        if (der_read_extension(&list, &ext) != 0)
            return fail_entry(l, at, "an extension is no valid DER");
        if (str_eq(ext.oid, OID_REASON_CODE)) {
            inner = der_open(ext.value);
            if (der_expect(&inner, DER_ENUMERATED, &code) != 0 || !der_at_end(&inner) ||
                der_uint(code, 127, &reason) != 0)
                return fail_entry(l, at, "its reasonCode is no valid number");
            e->reason = (int)reason;
        } else if (str_eq(ext.oid, OID_CERTIFICATE_ISSUER)) {
            return fail_entry(l, at,
                              "names another issuer (an indirect list), which is not "
                              "supported");
        } else if (ext.is_critical) {
            return crl_fail_critical(l, "an entry", ext.oid);
        }
    }
    return 0;
}

static inline int
read_entry(const struct crl_loader *l, struct der *list, size_t at, struct entry *e)
{
    struct str body, serial;
    struct der in;

    if (der_expect(list, DER_SEQUENCE, &body) != 0)
        return fail_entry(l, at, "no valid DER");
    in = der_open(body);
    if (der_expect(&in, DER_INTEGER, &serial) != 0 || !der_integer_is_valid(serial, false))
        return fail_entry(l, at, "has no valid serial number");
    e->serial = crl_serial_from_content(serial);
    if (read_time(&in, &e->revoked_s) != 0)
        return fail_entry(l, at, "its revocation date is no valid time");
    e->reason = -1;
    return der_at_end(&in) ? 0 : read_entry_extensions(l, &in, at, e);
}

/* removeFromCRL takes a certificate off the base of a delta. In a complete list it has no meaning,
 * and what is listed there is revoked. */
static inline bool
is_removal(const struct crl_loader *l, const struct entry *e)
{
    return e->reason == CRL_REASON_REMOVE && l->c->info.is_delta;
}

/* How many there are of each kind. Of complete lists only the serials are looked at. */
static int
count_entry(const struct crl_loader *l, struct der *list, size_t at, struct crl_count counts[2])
{
    struct str body, serial_body;
    struct crl_serial serial;
    struct entry e;
    struct der in;

    if (l->c->info.is_delta) {
        int err = read_entry(l, list, at, &e);

        if (err == 0)
            crl_index_count(&counts[is_removal(l, &e)], &e.serial);
        return err;
    }
    if (der_expect(list, DER_SEQUENCE, &body) != 0)
        return fail_entry(l, at, "no valid DER");
    in = der_open(body);
    if (der_expect(&in, DER_INTEGER, &serial_body) != 0 ||
        !der_integer_is_valid(serial_body, false))
        return fail_entry(l, at, "has no valid serial number");
    serial = crl_serial_from_content(serial_body);
    crl_index_count(&counts[0], &serial);
    return 0;
}

static int
count_entries(struct crl_loader *l)
{
    struct der list = der_open(l->entries);
    struct crl_count counts[2] = {{0}, {0}}; /* revoked, removed */
    struct crl *c = l->c;

    for (size_t at = 0; !der_at_end(&list); at++) {
        int err = count_entry(l, &list, at, counts);

        if (err != 0)
            return err;
        c->info.entry_count++;
    }
    if (crl_index_init(&c->index, &counts[0]) != 0 || crl_index_init(&c->removed, &counts[1]) != 0)
        return fail_nomem(l);
    return 0;
}

/* Returns what is still there of the entries before at. */
static const char *
drop_entries(const struct crl_loader *l, const char *from, const char *at)
{
    if (!l->destroys_der || (size_t)(at - from) < DROP_BYTES)
        return from;
    pages_drop(from, at);
    return at;
}

/* Nothing but the entries is looked at from here on. */
static int
read_entries(struct crl_loader *l)
{
    struct der list = der_open(l->entries);
    const char *kept = l->entries.ptr;
    struct crl *c = l->c;
    struct entry e = {0};
    int err = count_entries(l);

    if (err != 0)
        return err;
    for (size_t at = 0; !der_at_end(&list); at++) {
        err = read_entry(l, &list, at, &e);
        if (err != 0)
            return err;
        kept = drop_entries(l, kept, (const char *)list.ptr);
        crl_index_add(is_removal(l, &e) ? &c->removed : &c->index, &e.serial, e.revoked_s,
                      e.reason);
    }
    crl_index_seal(&c->index);
    crl_index_seal(&c->removed);
    return 0;
}

/* ---- life ---- */

static void
crl_free(struct crl *c)
{
    crl_index_done(&c->index);
    crl_index_done(&c->removed);
    X509_free(c->signer);
    arena_done(&c->strings);
    free(c);
}

/* The signature comes before the entries: those are then a CA's own words. */
static int
load(struct crl_loader *l, struct str der)
{
    int err = read_frame(l, der);

    if (err == 0)
        err = read_tbs(l);
    if (err == 0)
        err = crl_read_extensions(l);
    if (err == 0)
        err = find_signer(l);
    if (err == 0 && EVP_Digest(der.ptr, der.len, l->c->info.sha256, NULL, EVP_sha256(), NULL) != 1)
        err = fail_nomem(l);
    return err == 0 ? read_entries(l) : err;
}

int
crl_load(const struct crl_input *in, struct diag *diag, struct crl **ret)
{
    struct crl_loader l = {.candidates = in->candidates,
                           .diag = diag,
                           .file = in->file,
                           .line = in->line,
                           .now_s = in->now_s,
                           .destroys_der = in->destroys_der,
                           .entries = STR("")};
    int err;

    l.c = calloc(1, sizeof(*l.c));
    if (l.c == NULL)
        return fail_nomem(&l);
    ref_init(&l.c->ref);
    arena_init(&l.c->strings, STRINGS_BLOCK, STRINGS_MAX);
    l.c->info.covers_users = true;
    l.c->info.covers_cas = true;
    l.c->info.file = arena_str(&l.c->strings, str_from(in->file));
    l.c->info.line = in->line;
    ERR_set_mark();
    err = load(&l, in->der);
    ERR_pop_to_mark();
    if (err != 0) {
        crl_free(l.c);
        return err;
    }
    *ret = l.c;
    return 0;
}

struct crl *
crl_ref(struct crl *c)
{
    ref_take(&c->ref);
    return c;
}

void
crl_unref(struct crl *c)
{
    if (c != NULL && ref_drop(&c->ref))
        crl_free(c);
}

/* ---- questions ---- */

const struct crl_info *
crl_info(const struct crl *c)
{
    return &c->info;
}

X509 *
crl_signer(const struct crl *c)
{
    return c->signer;
}

bool
crl_contains(const struct crl *c, struct str serial)
{
    int64_t revoked_s;
    int reason;

    return crl_lookup(c, serial, &revoked_s, &reason);
}

bool
crl_lookup(const struct crl *c, struct str serial, int64_t *ret_revoked_s, int *ret_reason)
{
    struct crl_serial s;

    if (serial.len == 0)
        return false;
    s = crl_serial_from_content(serial);
    return crl_index_find(&c->index, &s, ret_revoked_s, ret_reason);
}

bool
crl_find(const struct crl *c, const ASN1_INTEGER *serial, int64_t *ret_revoked_s, int *ret_reason)
{
    struct crl_serial s = crl_serial_from_asn1(serial);

    return crl_index_find(&c->index, &s, ret_revoked_s, ret_reason);
}

bool
crl_serial_at(const struct crl *c, size_t i, ASN1_INTEGER *ret)
{
    struct crl_serial s;

    if (!crl_index_at(&c->index, i, &s))
        return false;
    ret->type = s.is_negative ? V_ASN1_NEG_INTEGER : V_ASN1_INTEGER;
    return ASN1_STRING_set(ret, s.len > 0 ? (const void *)s.bytes : "",
                           s.len > 0 ? (int)s.len : 1) == 1;
}

size_t
crl_bytes(const struct crl *c)
{
    return sizeof(*c) + c->strings.used_bytes + crl_index_bytes(&c->index) +
           crl_index_bytes(&c->removed);
}

bool
crl_takes_off(const struct crl *c, const ASN1_INTEGER *serial)
{
    struct crl_serial s = crl_serial_from_asn1(serial);
    int64_t revoked_s;
    int reason;

    return crl_index_find(&c->removed, &s, &revoked_s, &reason);
}

int
crl_compare_hex(struct str a, struct str b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return memcmp(a.ptr, b.ptr, a.len);
}

int
crl_compare_number(const struct crl *a, const struct crl *b)
{
    return crl_compare_hex(a->info.number_hex, b->info.number_hex);
}

const char *
crl_reason_text(int reason)
{
    static const char *const texts[] = {
        [1] = "keyCompromise",
        [2] = "cACompromise",
        [3] = "affiliationChanged",
        [4] = "superseded",
        [5] = "cessationOfOperation",
        [CRL_REASON_HOLD] = "certificateHold",
        [CRL_REASON_REMOVE] = "removeFromCRL",
        [9] = "privilegeWithdrawn",
        [10] = "aACompromise",
    };

    if (reason < 0 || (size_t)reason >= array_len(texts) || texts[reason] == NULL)
        return "unspecified";
    return texts[reason];
}
