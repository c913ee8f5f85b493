/* SPDX-License-Identifier: Apache-2.0
 *
 * Revocation lists of any shape and size. Called by tests and mkpki; any thread. The DER
 * is produced three times, piece by piece, by one function: to count it, to sign it and
 * to write it. So a list of ten million entries needs no memory, and a wrong list is as
 * easy as a right one. It must never judge what it is asked to write.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "support/pki.h"
#include "support/pki_der.h"

enum {
    BACKDATE_S = 3600,
    REVOKED_AGO_S = 86400,
    LIFE_S = 30 * 86400,
    BATCH_ENTRIES = 1024,
    PEM_LINE_BYTES = 48,
    PEM_BATCH_BYTES = PEM_LINE_BYTES * 1024,
    TIME_TEXT_MAX = 20,
    CENTURY_DIGITS = 2, /* that UTCTime leaves out */
};

/* Where produced bytes go. */
struct sink {
    void (*put)(struct sink *s, const void *p, size_t n);
    size_t count;
    EVP_MD_CTX *digest;
    struct bytes *memory;
    FILE *file;
    struct bytes pem_rest; /* bytes that do not fill a PEM batch yet */
};

/* The pieces of one list around its entries. */
struct crl_plan {
    const struct pki_crl_spec *spec;
    int64_t now_s; /* one time for all three passes */
    struct pki_signer signer;
    struct bytes head; /* version .. nextUpdate */
    struct bytes tail; /* extensions */
    struct bytes alg;
    struct bytes signature;
    size_t entries_len;
    bool has_revoked;
    size_t body_len; /* content of the TBSCertList */
};

static void
sink_count(struct sink *s, const void *p, size_t n)
{
    (void)p;
    s->count += n;
}

static void
sink_digest(struct sink *s, const void *p, size_t n)
{
    if (EVP_DigestSignUpdate(s->digest, p, n) != 1)
        die("cannot sign");
}

static void
sink_memory(struct sink *s, const void *p, size_t n)
{
    bytes_add(s->memory, p, n);
}

static void
sink_file(struct sink *s, const void *p, size_t n)
{
    if (fwrite(p, 1, n, s->file) != n)
        die("cannot write the list: %s", strerror(errno));
}

/* n is a multiple of a line, except at the very end. */
static void
pem_lines(FILE *file, const unsigned char *at, size_t n)
{
    unsigned char line[PEM_LINE_BYTES / 3 * 4 + 2];

    while (n > 0) {
        size_t part = size_min(n, PEM_LINE_BYTES);
        int len = EVP_EncodeBlock(line, at, (int)part);

        line[len] = '\n';
        if (fwrite(line, 1, (size_t)len + 1, file) != (size_t)len + 1)
            die("cannot write the list: %s", strerror(errno));
        at += part;
        n -= part;
    }
}

static void
sink_pem(struct sink *s, const void *p, size_t n)
{
    size_t whole;

    bytes_add(&s->pem_rest, p, n);
    if (s->pem_rest.len < PEM_BATCH_BYTES)
        return;
    whole = s->pem_rest.len - s->pem_rest.len % PEM_LINE_BYTES;
    pem_lines(s->file, (const unsigned char *)s->pem_rest.ptr, whole);
    s->pem_rest.len -= whole;
    memmove(s->pem_rest.ptr, s->pem_rest.ptr + whole, s->pem_rest.len);
}

static void
put_bytes(struct sink *s, const struct bytes *b)
{
    if (b->len > 0)
        s->put(s, b->ptr, b->len);
}

static void
put_head(struct sink *s, int tag, size_t len)
{
    struct bytes head = {0};

    der_head(&head, tag, len);
    put_bytes(s, &head);
    bytes_free(&head);
}

static void
time_put(struct bytes *out, int64_t when_s, enum pki_time_form form)
{
    time_t when = when_s;
    struct tm tm;
    char text[TIME_TEXT_MAX];
    bool general = form == PKI_TIME_GENERALIZED;

    gmtime_r(&when, &tm);
    if (form == PKI_TIME_AS_RFC)
        general = tm.tm_year >= 150 || tm.tm_year < 50;
    strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm);
    der_put(out, general ? DER_GENERALIZED_TIME : DER_UTC_TIME,
            str_from(general ? text : text + CENTURY_DIGITS));
}

/* ---- entries ---- */

#define OID_UNKNOWN STR("\x2b\x06\x01\x04\x01\x83\xb2\x03\x01")

static void
entry_exts_put(struct bytes *out, const struct pki_crl_entry *e, int64_t now_s)
{
    struct bytes value = {0};

    if (e->reason != PKI_REASON_NONE) {
        char code = (char)(e->reason - 1);

        der_put(&value, DER_ENUMERATED, str_make(&code, 1));
        der_put_ext(out, STR("\x55\x1d\x15"), false, bytes_str(&value));
        value.len = 0;
    }
    if (e->invalidity_date) {
        time_put(&value, now_s - LIFE_S, PKI_TIME_GENERALIZED);
        der_put_ext(out, STR("\x55\x1d\x18"), false, bytes_str(&value));
        value.len = 0;
    }
    if (e->certificate_issuer) {
        unsigned char *name = NULL;
        int len = i2d_X509_NAME(e->certificate_issuer, &name);
        struct bytes general = {0};

        der_put(&general, DER_CONTEXT_SET(4), str_make(name, (size_t)len));
        der_put(&value, DER_SEQUENCE, bytes_str(&general));
        der_put_ext(out, STR("\x55\x1d\x1d"), true, bytes_str(&value));
        OPENSSL_free(name);
        bytes_free(&general);
    }
    if (e->unknown_critical_ext || e->unknown_ext)
        der_put_ext(out, OID_UNKNOWN, e->unknown_critical_ext, STR("\x05\x00"));
    bytes_free(&value);
}

static void
entry_emit(struct sink *s, const struct pki_crl_entry *e, const struct crl_plan *plan)
{
    struct bytes content = {0};
    struct bytes exts = {0};

    der_put(&content, DER_INTEGER, e->cert ? e->cert->serial : e->serial);
    time_put(&content, e->revoked_s ? e->revoked_s : plan->now_s - REVOKED_AGO_S,
             plan->spec->time_form);
    entry_exts_put(&exts, e, plan->now_s);
    if (exts.len > 0)
        der_put(&content, DER_SEQUENCE, bytes_str(&exts));
    put_head(s, DER_SEQUENCE, content.len);
    put_bytes(s, &content);
    bytes_free(&content);
    bytes_free(&exts);
}

/* A bijection of 64 bits (the finaliser of splitmix64), so that serials never repeat. */
static uint64_t
mix(uint64_t v)
{
    v = (v ^ (v >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ (v >> 27)) * UINT64_C(0x94d049bb133111eb);
    return v ^ (v >> 31);
}

static void
put_u64(uint8_t *to, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        to[i] = (uint8_t)v;
}

void
pki_synthetic_serial(uint64_t seed, bool sorted, uint64_t i,
                     uint8_t serial[PKI_SYNTHETIC_SERIAL_BYTES])
{
    uint64_t salt = mix(seed + 1);
    uint64_t high = sorted ? i << 20 : mix(i * 2 + salt);

    put_u64(serial, (high & (UINT64_MAX >> 2)) | (UINT64_C(1) << 62));
    put_u64(serial + 8, mix(i ^ salt));
}

static void
synthetic_emit(struct sink *s, const struct crl_plan *plan)
{
    const struct pki_crl_spec *spec = plan->spec;
    struct bytes one = {0};
    struct bytes batch = {0};
    uint8_t serial[PKI_SYNTHETIC_SERIAL_BYTES] = {0x40};
    struct str content = str_make(serial, sizeof(serial));
    size_t at = 2 + 2; /* behind the heads of SEQUENCE and INTEGER */
    struct bytes entry = {0};

    der_put(&one, DER_INTEGER, content);
    time_put(&one, plan->now_s - REVOKED_AGO_S, PKI_TIME_UTC);
    der_put(&entry, DER_SEQUENCE, bytes_str(&one));
    for (int i = 0; i < BATCH_ENTRIES; i++)
        bytes_add(&batch, entry.ptr, entry.len);
    for (uint64_t i = 0; i < spec->synthetic_count; i += BATCH_ENTRIES) {
        size_t n = BATCH_ENTRIES;

        if (spec->synthetic_count - i < n)
            n = (size_t)(spec->synthetic_count - i);
        for (size_t k = 0; k < n; k++)
            pki_synthetic_serial(spec->synthetic_seed, spec->synthetic_sorted, i + k,
                                 (uint8_t *)batch.ptr + k * entry.len + at);
        s->put(s, batch.ptr, n * entry.len);
    }
    bytes_free(&one);
    bytes_free(&entry);
    bytes_free(&batch);
}

static void
entries_emit(struct sink *s, const struct crl_plan *plan)
{
    const struct pki_crl_spec *spec = plan->spec;

    for (size_t i = 0; i < spec->entry_count; i++)
        entry_emit(s, &spec->entries[i], plan);
    if (spec->synthetic_count > 0)
        synthetic_emit(s, plan);
}

/* ---- extensions of the list ---- */

static void
ext_put_number(struct bytes *out, const struct pki_crl_spec *spec)
{
    struct bytes value = {0};

    if (spec->number_raw.len > 0)
        der_put(&value, DER_INTEGER, spec->number_raw);
    else
        der_put_uint(&value, spec->number ? spec->number : 1);
    der_put_ext(out, STR("\x55\x1d\x14"), false, bytes_str(&value));
    bytes_free(&value);
}

static void
ext_put_aki(struct bytes *out, const struct pki_crl_spec *spec, const struct pki_cert *issuer)
{
    const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(issuer->x509);
    struct bytes value = {0};
    struct bytes id = {0};

    if (spec->wrong_aki)
        der_put(&id, DER_CONTEXT(0), STR("nobody"));
    else if (ski)
        der_put(&id, DER_CONTEXT(0),
                str_make(ASN1_STRING_get0_data(ski), (size_t)ASN1_STRING_length(ski)));
    der_put(&value, DER_SEQUENCE, bytes_str(&id));
    if (id.len > 0)
        der_put_ext(out, STR("\x55\x1d\x23"), false, bytes_str(&value));
    bytes_free(&value);
    bytes_free(&id);
}

static void
idp_put_name(struct bytes *out, const char *uri)
{
    struct bytes general = {0};
    struct bytes full = {0};

    der_put(&general, DER_CONTEXT(6), str_from(uri));
    der_put(&full, DER_CONTEXT_SET(0), bytes_str(&general));
    der_put(out, DER_CONTEXT_SET(0), bytes_str(&full));
    bytes_free(&general);
    bytes_free(&full);
}

/* ReasonFlags as a BIT STRING of two octets, named bit 0 being the highest of the first. */
static void
idp_put_reasons(struct bytes *out, unsigned bits)
{
    uint8_t raw[3] = {0};
    int last = 0;

    for (int i = 0; i < 16; i++) {
        if (!(bits & (1u << i)))
            continue;
        raw[1 + i / 8] = (uint8_t)(raw[1 + i / 8] | (0x80u >> (i % 8)));
        last = i;
    }
    raw[0] = (uint8_t)(7 - last % 8);
    der_put(out, DER_CONTEXT(3), str_make(raw, last < 8 ? 2 : 3));
}

static void
ext_put_idp(struct bytes *out, const struct pki_idp *idp)
{
    struct bytes parts = {0};
    struct bytes value = {0};

    if (idp->uri)
        idp_put_name(&parts, idp->uri);
    if (idp->only_users)
        der_put(&parts, DER_CONTEXT(1), STR("\xff"));
    if (idp->only_cas)
        der_put(&parts, DER_CONTEXT(2), STR("\xff"));
    if (idp->reason_bits)
        idp_put_reasons(&parts, idp->reason_bits);
    if (idp->indirect)
        der_put(&parts, DER_CONTEXT(4), STR("\xff"));
    if (idp->only_attributes)
        der_put(&parts, DER_CONTEXT(5), STR("\xff"));
    der_put(&value, DER_SEQUENCE, bytes_str(&parts));
    der_put_ext(out, STR("\x55\x1d\x1c"), !idp->not_critical, bytes_str(&value));
    bytes_free(&parts);
    bytes_free(&value);
}

static void
plan_tail(struct crl_plan *plan, const struct pki_cert *issuer)
{
    const struct pki_crl_spec *spec = plan->spec;
    struct bytes exts = {0};
    struct bytes list = {0};

    if (!spec->no_aki)
        ext_put_aki(&exts, spec, issuer);
    if (!spec->no_number)
        ext_put_number(&exts, spec);
    if (spec->duplicate_ext)
        ext_put_number(&exts, spec);
    if (spec->delta) {
        struct bytes base = {0};

        der_put_uint(&base, spec->delta_base);
        der_put_ext(&exts, STR("\x55\x1d\x1b"), true, bytes_str(&base));
        bytes_free(&base);
    }
    if (spec->idp)
        ext_put_idp(&exts, spec->idp);
    if (spec->unknown_critical_ext || spec->unknown_ext)
        der_put_ext(&exts, OID_UNKNOWN, spec->unknown_critical_ext, STR("\x05\x00"));
    if (exts.len > 0 && !spec->v1) {
        der_put(&list, DER_SEQUENCE, bytes_str(&exts));
        der_put(&plan->tail, DER_CONTEXT_SET(0), bytes_str(&list));
    }
    bytes_free(&exts);
    bytes_free(&list);
}

/* ---- the whole list ---- */

/* The AlgorithmIdentifier that libcrypto writes for this key and digest. */
static struct bytes
signer_alg(const struct pki_signer *signer)
{
    X509_CRL *tiny = X509_CRL_new();
    EVP_MD_CTX *ctx = pki_sign_start(signer);
    ASN1_TIME *now = ASN1_TIME_set(NULL, (time_t)wall_s());
    const X509_ALGOR *alg = NULL;
    unsigned char *der = NULL;
    struct bytes out = {0};
    int len;

    if (!tiny || !now || X509_CRL_set1_lastUpdate(tiny, now) != 1 ||
        X509_CRL_sign_ctx(tiny, ctx) <= 0)
        die("cannot sign a list: %s", ERR_reason_error_string(ERR_peek_last_error()));
    X509_CRL_get0_signature(tiny, NULL, &alg);
    len = i2d_X509_ALGOR(alg, &der);
    if (len <= 0)
        die("cannot encode an algorithm");
    bytes_add(&out, der, (size_t)len);
    OPENSSL_free(der);
    ASN1_TIME_free(now);
    EVP_MD_CTX_free(ctx);
    X509_CRL_free(tiny);
    return out;
}

static void
plan_head(struct crl_plan *plan, const struct pki_cert *issuer)
{
    const struct pki_crl_spec *spec = plan->spec;
    X509_NAME *name = spec->issuer_name ? spec->issuer_name : X509_get_subject_name(issuer->x509);
    unsigned char *der = NULL;
    int len = i2d_X509_NAME(name, &der);
    int64_t now = plan->now_s;

    if (len <= 0)
        die("cannot encode the issuer's name");
    if (!spec->v1)
        der_put_uint(&plan->head, spec->version ? (uint64_t)spec->version - 1 : 1);
    bytes_add(&plan->head, plan->alg.ptr, plan->alg.len);
    bytes_add(&plan->head, der, (size_t)len);
    time_put(&plan->head, spec->this_update_s ? spec->this_update_s : now - BACKDATE_S,
             spec->time_form);
    if (spec->next_update_s != PKI_NO_TIME)
        time_put(&plan->head, spec->next_update_s ? spec->next_update_s : now + LIFE_S,
                 spec->time_form);
    OPENSSL_free(der);
}

static void
tbs_emit(struct sink *s, const struct crl_plan *plan)
{
    put_head(s, DER_SEQUENCE, plan->body_len);
    put_bytes(s, &plan->head);
    if (plan->has_revoked)
        put_head(s, DER_SEQUENCE, plan->entries_len);
    entries_emit(s, plan);
    put_bytes(s, &plan->tail);
}

static void
plan_sign(struct crl_plan *plan)
{
    struct sink s = {.put = sink_digest};
    size_t len = 0;
    unsigned char *raw;

    if (EVP_PKEY_is_a(plan->signer.key, "ED25519")) {
        struct bytes tbs = {0};

        tbs_emit(&(struct sink){.put = sink_memory, .memory = &tbs}, plan);
        plan->signature = pki_sign(&plan->signer, bytes_str(&tbs));
        bytes_free(&tbs);
        return;
    }
    s.digest = pki_sign_start(&plan->signer);
    tbs_emit(&s, plan);
    if (EVP_DigestSignFinal(s.digest, NULL, &len) != 1)
        die("cannot sign the list");
    raw = xmalloc(len);
    if (EVP_DigestSignFinal(s.digest, raw, &len) != 1)
        die("cannot sign the list");
    bytes_add(&plan->signature, raw, len);
    free(raw);
    EVP_MD_CTX_free(s.digest);
}

static void
plan_make(struct crl_plan *plan, const struct pki_crl_spec *spec, const struct pki_cert *issuer)
{
    struct sink counter = {.put = sink_count};

    *plan = (struct crl_plan){.spec = spec, .now_s = wall_s()};
    plan->signer = (struct pki_signer){spec->sign_with ? spec->sign_with : issuer->key,
                                       spec->digest, spec->pss};
    plan->alg = signer_alg(&plan->signer);
    plan_head(plan, issuer);
    plan_tail(plan, issuer);
    entries_emit(&counter, plan);
    plan->entries_len = counter.count;
    plan->has_revoked = counter.count > 0 || spec->empty_revoked;
    plan->body_len = plan->head.len + plan->tail.len + plan->entries_len;
    if (plan->has_revoked)
        plan->body_len += der_head_len(plan->entries_len);
    plan_sign(plan);
    if (spec->corrupt_signature)
        plan->signature.ptr[plan->signature.len - 1] ^= 1;
}

static void
plan_done(struct crl_plan *plan)
{
    bytes_free(&plan->head);
    bytes_free(&plan->tail);
    bytes_free(&plan->alg);
    bytes_free(&plan->signature);
}

static void
list_emit(struct sink *s, const struct crl_plan *plan)
{
    size_t bits_len = plan->signature.len + 1;
    size_t len = der_head_len(plan->body_len) + plan->body_len + plan->alg.len +
                 der_head_len(bits_len) + bits_len;

    put_head(s, DER_SEQUENCE, len);
    tbs_emit(s, plan);
    put_bytes(s, &plan->alg);
    put_head(s, DER_BIT_STRING, bits_len);
    s->put(s, "", 1);
    put_bytes(s, &plan->signature);
    if (plan->spec->trailing.len > 0)
        s->put(s, plan->spec->trailing.ptr, plan->spec->trailing.len);
}

struct bytes
pki_crl_der(const struct pki_crl_spec *spec, const struct pki_cert *issuer)
{
    struct crl_plan plan;
    struct bytes der = {0};

    plan_make(&plan, spec, issuer);
    list_emit(&(struct sink){.put = sink_memory, .memory = &der}, &plan);
    plan_done(&plan);
    return der;
}

struct bytes
pki_crl_pem(const struct pki_crl_spec *spec, const struct pki_cert *issuer)
{
    struct bytes der = pki_crl_der(spec, issuer);
    struct bytes pem = {0};

    pki_pem_add(&pem, "X509 CRL", bytes_str(&der));
    bytes_free(&der);
    return pem;
}

void
pki_crl_write(const char *path, bool pem, const struct pki_crl_spec *spec,
              const struct pki_cert *issuer)
{
    char *temporary = xformat("%s.new", path);
    struct sink s = {.put = pem ? sink_pem : sink_file, .file = fopen(temporary, "we")};
    struct crl_plan plan;

    if (!s.file)
        die("%s: %s", temporary, strerror(errno));
    plan_make(&plan, spec, issuer);
    if (pem)
        fputs("-----BEGIN X509 CRL-----\n", s.file);
    list_emit(&s, &plan);
    if (pem) {
        pem_lines(s.file, (const unsigned char *)s.pem_rest.ptr, s.pem_rest.len);
        fputs("-----END X509 CRL-----\n", s.file);
    }
    if (fclose(s.file) != 0 || chmod(temporary, 0644) < 0 || rename(temporary, path) < 0)
        die("%s: %s", path, strerror(errno));
    plan_done(&plan);
    bytes_free(&s.pem_rest);
    free(temporary);
}

void
pki_crl_revoke(const char *path, const struct pki_cert *issuer, uint64_t number, ...)
{
    struct pki_crl_entry *entries = NULL;
    size_t count = 0;
    const struct pki_cert *c;
    struct bytes pem;
    va_list ap;

    va_start(ap, number);
    while ((c = va_arg(ap, const struct pki_cert *)) != NULL) {
        entries = xrealloc(entries, (count + 1) * sizeof(*entries));
        entries[count++] = (struct pki_crl_entry){.cert = c};
    }
    va_end(ap);
    pem = pki_crl_pem(
        &(struct pki_crl_spec){.entries = entries, .entry_count = count, .number = number}, issuer);
    file_spill(path, pem.ptr, pem.len, 0644);
    bytes_free(&pem);
    free(entries);
}
