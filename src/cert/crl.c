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

#include "base/arena.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/ref.h"
#include "cert/crl_index.h"
#include "cert/der.h"
#include "cert/name.h"
#include "cert/sigalg.h"

enum {
    VERSION_2 = 1,
    STRINGS_BLOCK = 1024,
    STRINGS_MAX = 262144, /* issuer, scope and texts of one list, bytes */
    ISSUER_TEXT_MAX = 256,
    REASON_REMOVE_FROM_CRL = 8,
};

struct crl {
    struct ref ref;
    struct crl_info info;
    struct crl_index index;
    struct arena strings;
    X509 *signer;
};

struct loader {
    struct crl *c;
    STACK_OF(X509) * candidates;
    struct diag *diag;
    const char *file;
    int line;
    int64_t now_s;
    char issuer[ISSUER_TEXT_MAX]; /* for messages; empty until known */
    struct str tbs;               /* signed bytes, tag included */
    struct str algorithm, signature;
    struct str entries;    /* content of revokedCertificates */
    struct str extensions; /* content of crlExtensions */
};

static int fail(const struct loader *l, const char *fmt, ...) GW_PRINTF(2, 3);

static int
fail(const struct loader *l, const char *fmt, ...)
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
fail_nomem(const struct loader *l)
{
    (void)fail(l, "not enough memory to load it");
    return GW_E_NOMEM;
}

static int
fail_der(const struct loader *l, const char *what)
{
    return fail(l, "%s is no valid DER: the file is cut or damaged", what);
}

/* ---- the frame: CertificateList and TBSCertList, RFC 5280 5.1 ---- */

static int
read_frame(struct loader *l, struct str der)
{
    struct der outer = der_open(der), in;
    struct der_item tbs;
    struct str body, bits;

    if (der_expect(&outer, DER_SEQUENCE, &body) != 0)
        return fail_der(l, "it");
    if (!der_at_end(&outer))
        return fail(l, "%zu bytes follow after its end: the file is damaged",
                    (size_t)(outer.end - outer.ptr));
    in = der_open(body);
    if (der_read(&in, &tbs) != 0 || tbs.tag != DER_SEQUENCE ||
        der_expect(&in, DER_SEQUENCE, &l->algorithm) != 0 ||
        der_expect(&in, DER_BIT_STRING, &bits) != 0 || !der_at_end(&in) ||
        der_bit_octets(bits, &l->signature) != 0)
        return fail_der(l, "its outer structure");
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
keep_issuer(struct loader *l, struct str der)
{
    const uint8_t *p = (const uint8_t *)der.ptr;
    X509_NAME *name = d2i_X509_NAME(NULL, &p, (long)der.len);
    struct crl_info *info = &l->c->info;

    if (name == NULL || p != (const uint8_t *)der.ptr + der.len) {
        X509_NAME_free(name);
        return fail_der(l, "its issuer name");
    }
    name_describe(name, l->issuer, sizeof(l->issuer));
    X509_NAME_free(name);
    info->issuer_der = arena_str(&l->c->strings, der);
    info->issuer_text = arena_str(&l->c->strings, str_from(l->issuer));
    return l->c->strings.overflow ? fail(l, "its issuer name is too long") : 0;
}

static int
read_version(const struct loader *l, struct der *in)
{
    uint64_t version;
    struct str body;
    bool is_there;

    if (der_optional(in, DER_INTEGER, &body, &is_there) != 0)
        return fail_der(l, "its version");
    if (!is_there)
        return fail(l, "is a version 1 list, which has no number; have the CA issue version 2");
    if (der_uint(body, UINT64_MAX, &version) != 0 || version != VERSION_2)
        return fail(l, "its version is not 2");
    return 0;
}

static int
read_dates(struct loader *l, struct der *in)
{
    struct crl_info *info = &l->c->info;
    char at[CLOCK_ISO_LEN];

    info->next_update_s = INT64_MAX;
    if (read_time(in, &info->this_update_s) != 0)
        return fail(l, "its thisUpdate is no valid time");
    if (is_time_next(in) && read_time(in, &info->next_update_s) != 0)
        return fail(l, "its nextUpdate is no valid time");
    clock_format_iso(at, info->this_update_s);
    if (info->this_update_s > l->now_s)
        return fail(l,
                    "its thisUpdate %.*s is in the future; check the clock of this machine and "
                    "of the CA",
                    CLOCK_ISO_LEN, at);
    if (info->next_update_s < info->this_update_s)
        return fail(l, "its nextUpdate is before its thisUpdate %.*s", CLOCK_ISO_LEN, at);
    return 0;
}

/* Everything up to the entries, whose place is noted, and the place of the extensions. */
static int
read_tbs(struct loader *l)
{
    struct der outer = der_open(l->tbs), in;
    struct str body, inner_algorithm, extensions;
    struct der_item issuer;
    bool is_there;
    int err;

    if (der_expect(&outer, DER_SEQUENCE, &body) != 0)
        return fail_der(l, "its signed part");
    in = der_open(body);
    err = read_version(l, &in);
    if (err != 0)
        return err;
    if (der_expect(&in, DER_SEQUENCE, &inner_algorithm) != 0 || der_read(&in, &issuer) != 0 ||
        issuer.tag != DER_SEQUENCE)
        return fail_der(l, "its head");
    err = keep_issuer(l, issuer.whole);
    if (err == 0)
        err = read_dates(l, &in);
    if (err != 0)
        return err;
    if (!str_eq(inner_algorithm, l->algorithm))
        return fail(l, "names two different signature algorithms: it is damaged");
    if (der_optional(&in, DER_SEQUENCE, &l->entries, &is_there) != 0)
        return fail_der(l, "its list of entries");
    if (der_optional(&in, DER_CONTEXT_NESTED(0), &extensions, &is_there) != 0 || !der_at_end(&in))
        return fail_der(l, "what follows its entries");
    if (!is_there)
        return fail(l, "has no extensions and so no crlNumber; an older copy could not be told "
                       "from a newer one");
    in = der_open(extensions);
    if (der_expect(&in, DER_SEQUENCE, &l->extensions) != 0 || !der_at_end(&in))
        return fail_der(l, "its extensions");
    return 0;
}

/* ---- extensions of the list ---- */

#define OID_DELTA STR("\x55\x1d\x1b")
#define OID_REASON_CODE STR("\x55\x1d\x15")
#define OID_CERTIFICATE_ISSUER STR("\x55\x1d\x1d")

static int
read_number(struct loader *l, struct str value)
{
    struct der in = der_open(value);
    char hex[2 * CRL_NUMBER_BYTES_MAX];
    struct str body;

    if (der_expect(&in, DER_INTEGER, &body) != 0 || !der_at_end(&in) ||
        !der_integer_is_valid(body, true) || (body.ptr[0] & 0x80))
        return fail(l, "its crlNumber is no positive number");
    if (body.len > 1 && body.ptr[0] == 0)
        body = str_sub(body, 1, body.len);
    if (body.len > CRL_NUMBER_BYTES_MAX)
        return fail(l, "its crlNumber has %zu bytes; at most %d are allowed", body.len,
                    CRL_NUMBER_BYTES_MAX);
    str_hex_upper(hex, (const uint8_t *)body.ptr, body.len);
    l->c->info.number_hex = arena_str(&l->c->strings, str_make(hex, 2 * body.len));
    return 0;
}

static int
read_aki(struct loader *l, struct str value)
{
    struct der outer = der_open(value), in;
    struct str body, key_id;
    bool is_there;

    if (der_expect(&outer, DER_SEQUENCE, &body) != 0 || !der_at_end(&outer))
        return fail_der(l, "its authorityKeyIdentifier");
    in = der_open(body);
    if (der_optional(&in, DER_CONTEXT(0), &key_id, &is_there) != 0)
        return fail_der(l, "its authorityKeyIdentifier");
    if (is_there)
        l->c->info.aki = arena_str(&l->c->strings, key_id);
    return 0;
}

/* distributionPoint [0], a choice of fullName [0] and nameRelativeToCRLIssuer [1] */
static int
read_idp_name(struct loader *l, struct str point)
{
    struct der in = der_open(point);
    struct der_item name;

    if (der_read(&in, &name) != 0 || !der_at_end(&in))
        return fail_der(l, "its issuingDistributionPoint");
    if (name.tag != DER_CONTEXT_NESTED(0) || name.body.len == 0)
        return fail(l, "names its distribution point relative to the issuer, which is not "
                       "supported; have the CA write a full name");
    l->c->info.idp_names = arena_str(&l->c->strings, name.body);
    return 0;
}

struct idp_flags {
    bool only_users, only_cas, some_reasons, indirect, only_attributes;
};

static int
read_idp_flag(const struct der_item *item, struct idp_flags *flags)
{
    switch (item->tag) {
    case DER_CONTEXT(1):
        return der_bool(item->body, &flags->only_users);
    case DER_CONTEXT(2):
        return der_bool(item->body, &flags->only_cas);
    case DER_CONTEXT(3):
        flags->some_reasons = true;
        return 0;
    case DER_CONTEXT(4):
        return der_bool(item->body, &flags->indirect);
    case DER_CONTEXT(5):
        return der_bool(item->body, &flags->only_attributes);
    default:
        return GW_E_PARSE;
    }
}

static int
check_idp(struct loader *l, const struct idp_flags *flags)
{
    if (flags->indirect)
        return fail(l, "is an indirect list (entries of several issuers), which is not supported; "
                       "one list per CA is");
    if (flags->some_reasons)
        return fail(l, "covers only some revocation reasons, which is not supported; a list of "
                       "all reasons is");
    if (flags->only_attributes)
        return fail(l, "covers attribute certificates only; it says nothing about clients");
    if (flags->only_users && flags->only_cas)
        return fail(l, "claims to cover only users and only CAs at once");
    l->c->info.covers_users = !flags->only_cas;
    l->c->info.covers_cas = !flags->only_users;
    return 0;
}

static int
read_idp(struct loader *l, struct str value)
{
    struct der outer = der_open(value), in;
    struct idp_flags flags = {0};
    struct der_item item;
    struct str body;
    int previous = -1;

    if (der_expect(&outer, DER_SEQUENCE, &body) != 0 || !der_at_end(&outer))
        return fail_der(l, "its issuingDistributionPoint");
    in = der_open(body);
    while (!der_at_end(&in)) {
        if (der_read(&in, &item) != 0 || (item.tag & 0x1f) <= previous)
            return fail_der(l, "its issuingDistributionPoint");
        previous = item.tag & 0x1f;
        if (item.tag == DER_CONTEXT_NESTED(0)) {
            int err = read_idp_name(l, item.body);

            if (err != 0)
                return err;
        } else if (read_idp_flag(&item, &flags) != 0) {
            return fail_der(l, "its issuingDistributionPoint");
        }
    }
    l->c->info.idp = arena_str(&l->c->strings, value);
    return check_idp(l, &flags);
}

struct list_extension {
    struct str oid;
    int (*read)(struct loader *l, struct str value);
};

static const struct list_extension list_extensions[] = {
    {STR_INIT("\x55\x1d\x14"), read_number}, /* crlNumber */
    {STR_INIT("\x55\x1d\x23"), read_aki},    /* authorityKeyIdentifier */
    {STR_INIT("\x55\x1d\x1c"), read_idp},    /* issuingDistributionPoint */
};

static int
fail_critical(const struct loader *l, const char *where, struct str oid)
{
    char text[SIGALG_TEXT_MAX];
    size_t len;

    if (der_format_oid(oid, text, sizeof(text), &len) != 0)
        (void)snprintf(text, sizeof(text), "of an unprintable type");
    return fail(l,
                "%s has the critical extension %s, which is not understood; what it demands "
                "cannot be honoured",
                where, text);
}

/* seen: a bit per row of list_extensions. */
static int
read_list_extension(struct loader *l, const struct der_extension *ext, unsigned *seen)
{
    if (str_eq(ext->oid, OID_DELTA))
        return fail(l, "is a delta list (deltaCRLIndicator): alone it would un-revoke all that its "
                       "base lists; give the complete list");
    for (size_t i = 0; i < array_len(list_extensions); i++) {
        if (!str_eq(ext->oid, list_extensions[i].oid))
            continue;
        if (*seen & 1u << i)
            return fail(l, "has the same extension twice");
        *seen |= 1u << i;
        return list_extensions[i].read(l, ext->value);
    }
    return ext->is_critical ? fail_critical(l, "it", ext->oid) : 0;
}

static int
read_list_extensions(struct loader *l)
{
    struct der in = der_open(l->extensions);
    struct der_extension ext;
    unsigned seen = 0;

    while (!der_at_end(&in)) {
        int err;

        if (der_read_extension(&in, &ext) != 0)
            return fail_der(l, "an extension");
        err = read_list_extension(l, &ext, &seen);
        if (err != 0)
            return err;
    }
    if (l->c->info.number_hex.len == 0)
        return fail(l, "has no crlNumber; an older copy could not be told from a newer one");
    return l->c->strings.overflow ? fail(l, "its extensions are too long") : 0;
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
try_signer(const struct loader *l, const struct sigalg *alg, X509 *ca)
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
fail_signer(const struct loader *l, enum signer_step step)
{
    switch (step) {
    case STEP_NO_KEY_ID:
        return fail(l, "no CA of that name in the trust store has the key it was signed with "
                       "(authorityKeyIdentifier); add that CA or remove the list");
    case STEP_NO_USAGE:
        return fail(l, "the CA's certificate does not allow it to sign lists (keyUsage without "
                       "cRLSign)");
    case STEP_BAD_SIGNATURE:
        return fail(l, "its signature is not that of the CA in the trust store: a wrong or damaged "
                       "list");
    case STEP_NO_NAME:
    case STEP_GOOD:
    default:
        return fail(l, "issuer not in the trust store: no CA of the bundle has that name; add the "
                       "CA's certificate to ca_bundle or remove the list");
    }
}

static int
find_signer(struct loader *l)
{
    enum signer_step best = STEP_NO_NAME;
    char algorithm[SIGALG_TEXT_MAX];
    X509_NAME *issuer;
    struct sigalg alg;
    const uint8_t *p = (const uint8_t *)l->c->info.issuer_der.ptr;

    if (sigalg_parse(l->algorithm, &alg) != 0) {
        sigalg_describe(l->algorithm, algorithm);
        return fail(l,
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

struct entry {
    struct crl_serial serial;
    int64_t revoked_s;
    int reason;
};

static int
fail_entry(const struct loader *l, size_t at, const char *what)
{
    return fail(l, "entry %zu: %s", at + 1, what);
}

static int
read_entry_extensions(const struct loader *l, struct der *in, size_t at, struct entry *e)
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
            return fail_critical(l, "an entry", ext.oid);
        }
    }
    return 0;
}

static inline int
read_entry(const struct loader *l, struct der *list, size_t at, struct entry *e)
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

/* How many there are of each kind; only the serials are looked at. */
static int
count_entries(const struct loader *l, struct crl_count *ret_count)
{
    struct der list = der_open(l->entries);
    struct str body, serial_body;

    for (size_t at = 0; !der_at_end(&list); at++) {
        struct crl_serial serial;
        struct der in;

        if (der_expect(&list, DER_SEQUENCE, &body) != 0)
            return fail_entry(l, at, "no valid DER");
        in = der_open(body);
        if (der_expect(&in, DER_INTEGER, &serial_body) != 0 ||
            !der_integer_is_valid(serial_body, false))
            return fail_entry(l, at, "has no valid serial number");
        serial = crl_serial_from_content(serial_body);
        crl_index_count(ret_count, &serial);
    }
    return 0;
}

static int
read_entries(struct loader *l)
{
    struct der list = der_open(l->entries);
    struct crl_count count = {0};
    struct crl *c = l->c;
    struct entry e = {0};
    int err;

    err = count_entries(l, &count);
    if (err != 0)
        return err;
    if (crl_index_init(&c->index, &count) != 0)
        return fail_nomem(l);
    for (size_t at = 0; !der_at_end(&list); at++) {
        err = read_entry(l, &list, at, &e);
        if (err != 0)
            return err;
        crl_index_add(&c->index, &e.serial, e.revoked_s, e.reason);
    }
    c->info.entry_count = count.narrow + count.wide + count.odd;
    crl_index_seal(&c->index);
    return 0;
}

/* ---- life ---- */

static void
crl_free(struct crl *c)
{
    crl_index_done(&c->index);
    X509_free(c->signer);
    arena_done(&c->strings);
    free(c);
}

/* The signature comes before the entries: those are then a CA's own words. */
static int
load(struct loader *l, struct str der)
{
    int err = read_frame(l, der);

    if (err == 0)
        err = read_tbs(l);
    if (err == 0)
        err = read_list_extensions(l);
    if (err == 0)
        err = find_signer(l);
    if (err == 0)
        err = read_entries(l);
    if (err == 0 && EVP_Digest(der.ptr, der.len, l->c->info.sha256, NULL, EVP_sha256(), NULL) != 1)
        err = fail_nomem(l);
    return err;
}

int
crl_load(struct str der, const char *file, int line, STACK_OF(X509) * candidates, int64_t now_s,
         struct diag *diag, struct crl **ret)
{
    struct loader l = {.candidates = candidates,
                       .diag = diag,
                       .file = file,
                       .line = line,
                       .now_s = now_s,
                       .entries = STR("")};
    int err;

    l.c = calloc(1, sizeof(*l.c));
    if (l.c == NULL)
        return fail_nomem(&l);
    ref_init(&l.c->ref);
    arena_init(&l.c->strings, STRINGS_BLOCK, STRINGS_MAX);
    l.c->info.covers_users = true;
    l.c->info.covers_cas = true;
    l.c->info.file = arena_str(&l.c->strings, str_from(file));
    l.c->info.line = line;
    ERR_set_mark();
    err = load(&l, der);
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

size_t
crl_bytes(const struct crl *c)
{
    return sizeof(*c) + c->strings.used_bytes + crl_index_bytes(&c->index);
}

/* Whole bytes without leading zeros: the longer one is the larger one. */
int
crl_compare_number(const struct crl *a, const struct crl *b)
{
    struct str x = a->info.number_hex, y = b->info.number_hex;

    if (x.len != y.len)
        return x.len < y.len ? -1 : 1;
    return memcmp(x.ptr, y.ptr, x.len);
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
        [6] = "certificateHold",
        [REASON_REMOVE_FROM_CRL] = "removeFromCRL",
        [9] = "privilegeWithdrawn",
        [10] = "aACompromise",
    };

    if (reason < 0 || (size_t)reason >= array_len(texts) || texts[reason] == NULL)
        return "unspecified";
    return texts[reason];
}
