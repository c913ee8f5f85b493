/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the CA bundle of a trust store and turns away what must not be an anchor. Called by
 * trust_build on the control thread. All errors are collected. It must never let a
 * certificate in that is no CA: with partial chains it would vouch for itself.
 */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "cert/cert.h"
#include "cert/keyrule.h"
#include "cert/pem.h"
#include "cert/sigalg.h"
#include "cert/trust_int.h"

static void
fail(struct trust_builder *b, const X509 *cert, int line, const char *fmt, ...) GW_PRINTF(4, 5);

static void
fail(struct trust_builder *b, const X509 *cert, int line, const char *fmt, ...)
{
    char text[DIAG_TEXT_MAX], who[CERT_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    cert_describe(cert, who);
    diag_error(b->diag, b->file, line, 0, "CA certificate %s: %s", who, text);
}

/* ---- one certificate ---- */

static bool
is_ca(struct trust_builder *b, X509 *cert, int line)
{
    uint32_t flags = X509_get_extension_flags(cert);

    if (X509_get_version(cert) != X509_VERSION_3) {
        fail(b, cert, line, "is X.509 version %ld; only version 3 is accepted",
             X509_get_version(cert) + 1);
        return false;
    }
    if (flags & EXFLAG_INVALID) {
        fail(b, cert, line, "has a malformed or repeated extension");
        return false;
    }
    if ((flags & EXFLAG_CA) == 0) {
        fail(b, cert, line,
             "is no certificate authority (no basicConstraints CA:TRUE); a trust "
             "store holds CAs only, client certificates are trusted through them");
        return false;
    }
    if ((X509_get_key_usage(cert) & X509v3_KU_KEY_CERT_SIGN) == 0) {
        fail(b, cert, line, "may not sign certificates (keyUsage without keyCertSign)");
        return false;
    }
    if (flags & EXFLAG_CRITICAL) {
        fail(b, cert, line, "has a critical extension that is not understood");
        return false;
    }
    if (X509_NAME_entry_count(X509_get_subject_name(cert)) == 0) {
        fail(b, cert, line, "has an empty subject, so nothing can name it as issuer");
        return false;
    }
    return true;
}

static bool
has_allowed_algorithms(struct trust_builder *b, X509 *cert, int line)
{
    char why[KEYRULE_TEXT_MAX], algorithm[SIGALG_TEXT_MAX];
    struct sigalg alg;

    if (!keyrule_allows(cert, why)) {
        fail(b, cert, line, "%s", why);
        return false;
    }
    if (X509_get0_pubkey(cert) == NULL) {
        fail(b, cert, line, "its public key cannot be read");
        return false;
    }
    if (sigalg_of_cert(cert, &alg) != 0) {
        sigalg_describe_cert(cert, algorithm);
        fail(b, cert, line,
             "is signed with %s; RSA (also PSS) and ECDSA with SHA-256, SHA-384 or "
             "SHA-512 are allowed",
             algorithm);
        return false;
    }
    return true;
}

/* An expired CA that the running configuration already has is no reason to refuse a reload: the
 * judge refuses its clients anyway. */
static bool
has_good_dates(struct trust_builder *b, X509 *cert, int line)
{
    int64_t not_before_s, not_after_s;
    char who[CERT_TEXT_MAX], at[CLOCK_ISO_LEN];

    if (cert_dates(cert, &not_before_s, &not_after_s) != 0) {
        fail(b, cert, line, "has a validity date that is no valid time");
        return false;
    }
    cert_describe(cert, who);
    if (b->now_s < not_before_s) {
        clock_format_iso(at, not_before_s);
        diag_warn(b->diag, b->file, line, 0, "CA certificate %s: is not valid before %.*s", who,
                  CLOCK_ISO_LEN, at);
    }
    if (b->now_s <= not_after_s)
        return true;
    clock_format_iso(at, not_after_s);
    if (b->previous != NULL && trust_contains(b->previous, cert)) {
        diag_warn(b->diag, b->file, line, 0, "CA certificate %s: expired at %.*s; remove it", who,
                  CLOCK_ISO_LEN, at);
        return true;
    }
    fail(b, cert, line, "expired at %.*s; remove it", CLOCK_ISO_LEN, at);
    return false;
}

static bool
is_repeated(struct trust_builder *b, X509 *cert, int line)
{
    for (int i = 0; i < sk_X509_num(b->t->certs); i++) {
        if (X509_cmp(sk_X509_value(b->t->certs, i), cert) == 0) {
            fail(b, cert, line, "appears twice, first in line %d", b->lines[i]);
            return true;
        }
    }
    return false;
}

static int
on_certificate(void *arg, struct str der, int line)
{
    struct trust_builder *b = arg;
    X509 *cert = cert_from_der(der);
    int at = sk_X509_num(b->t->certs);

    if (cert == NULL) {
        diag_error(b->diag, b->file, line, 0, "is no certificate: the file is damaged");
        return 0;
    }
    if (at >= TRUST_CERTS_MAX) {
        X509_free(cert);
        diag_error(b->diag, b->file, line, 0, "more than %d certificates", TRUST_CERTS_MAX);
        return GW_E_LIMIT;
    }
    /* Caches the extensions now, while only this thread sees the certificate. */
    (void)X509_check_purpose(cert, -1, 0);
    if (!is_ca(b, cert, line) || !has_allowed_algorithms(b, cert, line) ||
        !has_good_dates(b, cert, line) || is_repeated(b, cert, line)) {
        X509_free(cert);
        return 0;
    }
    b->lines[at] = line;
    if (sk_X509_push(b->t->certs, cert) > 0)
        return 0;
    X509_free(cert);
    return GW_E_NOMEM;
}

/* ---- the bundle as a whole ---- */

/* Damage that leaves valid DER shows in the signature, as far as its signer is at hand. */
static void
check_signatures(struct trust_builder *b)
{
    int unchecked_count = 0;

    for (size_t i = 0; i < b->t->ca_count; i++) {
        X509 *cert = b->t->cas[i].cert;
        bool has_issuer = false, is_good = false;

        for (size_t j = 0; j < b->t->ca_count && !is_good; j++) {
            X509 *issuer = b->t->cas[j].cert;

            if (X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(issuer)) != 0)
                continue;
            has_issuer = true;
            is_good = X509_verify(cert, X509_get0_pubkey(issuer)) == 1;
        }
        if (has_issuer && !is_good)
            fail(b, cert, b->t->cas[i].line,
                 "its signature is not that of its issuer in this file: it is damaged, or its real "
                 "issuer is another CA of the same name, which must then be added");
        unchecked_count += !has_issuer;
    }
    if (unchecked_count > 0)
        diag_warn(b->diag, b->file, 0, 0,
                  "the signatures of %d of %zu CA certificates cannot be checked, because their "
                  "issuers are not in this file",
                  unchecked_count, b->t->ca_count);
}

static int
group_issuer(struct trust *t, struct trust_ca *ca)
{
    struct trust_issuer *same_key, *issuer;
    struct str key = cert_key_bits(ca->cert);

    ca->issuer = trust_issuer_find(t, ca->cert);
    if (ca->issuer != NULL) {
        ca->next_sibling = ca->issuer->first;
        ca->issuer->first = ca;
        return 0;
    }
    same_key = map_get(&t->by_key, key);
    issuer = &t->issuers[t->issuer_count++];
    issuer->first = ca;
    issuer->next_same_key = same_key;
    ca->issuer = issuer;
    return map_put(&t->by_key, key, issuer);
}

static int
add_name(struct trust *t, const X509_NAME *subject)
{
    X509_NAME *copy;

    for (int i = 0; i < sk_X509_NAME_num(t->ca_names); i++) {
        if (X509_NAME_cmp(sk_X509_NAME_value(t->ca_names, i), subject) == 0)
            return 0;
    }
    copy = X509_NAME_dup(subject);
    if (copy == NULL)
        return GW_E_NOMEM;
    if (sk_X509_NAME_push(t->ca_names, copy) > 0)
        return 0;
    X509_NAME_free(copy);
    return GW_E_NOMEM;
}

static int
index_certs(struct trust_builder *b)
{
    struct trust *t = b->t;
    size_t count = (size_t)sk_X509_num(t->certs);

    t->cas = calloc(count + 1, sizeof(t->cas[0]));
    t->issuers = calloc(count + 1, sizeof(t->issuers[0]));
    if (t->cas == NULL || t->issuers == NULL)
        return GW_E_NOMEM;
    for (; t->ca_count < count; t->ca_count++) {
        struct trust_ca *ca = &t->cas[t->ca_count];

        ca->cert = sk_X509_value(t->certs, (int)t->ca_count);
        ca->line = b->lines[t->ca_count];
        if (cert_digest(ca->cert, ca->sha256) != 0 || group_issuer(t, ca) != 0 ||
            add_name(t, X509_get_subject_name(ca->cert)) != 0 ||
            X509_STORE_add_cert(t->store, ca->cert) != 1)
            return GW_E_NOMEM;
    }
    return 0;
}

/* A bundle that was cut between two certificates is a good bundle: who has gone is said. */
static void
warn_gone(struct trust_builder *b)
{
    char who[CERT_TEXT_MAX];

    for (size_t i = 0; b->previous != NULL && i < b->previous->ca_count; i++) {
        const X509 *cert = b->previous->cas[i].cert;

        if (trust_ca_find(b->t, cert) != NULL)
            continue;
        cert_describe(cert, who);
        diag_warn(b->diag, b->file, 0, 0,
                  "CA certificate %s is in use and not in the file any more: its clients are "
                  "refused unless another CA of the file vouches for them",
                  who);
    }
}

static int
read_bundle(struct trust_builder *b)
{
    struct file file = {0};
    struct pem_input in = {.file = b->file, .label = "CERTIFICATE"};
    int err;

    err = file_read(b->file, CA_BUNDLE_BYTES_MAX, FILE_PUBLIC, false, b->diag, &file);
    if (err != 0)
        return err;
    in.text = str_make(file.bytes, file.len);
    err = pem_parse(&in, on_certificate, b, b->diag);
    file_done(&file);
    return err;
}

int
trust_bundle_load(struct trust_builder *b)
{
    int err;

    b->file = b->src->ca_bundle;
    b->lines = calloc(TRUST_CERTS_MAX, sizeof(b->lines[0]));
    if (b->lines == NULL)
        return GW_E_NOMEM;
    err = b->src->ca_der.len > 0 ? on_certificate(b, b->src->ca_der, 0) : read_bundle(b);
    if (err == 0)
        err = index_certs(b);
    if (err == 0) {
        check_signatures(b);
        warn_gone(b);
    }
    free(b->lines);
    b->lines = NULL;
    return err;
}
