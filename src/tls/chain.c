/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates of ours and of upstream authorities, from PEM files. Called while contexts are
 * built, on the control thread; the caller owns the result. It must never accept a file in
 * part: what it does not understand it refuses by name.
 */
#include "tls/chain.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "cert/pem.h"

#define DAY_S ((int64_t)24 * 60 * 60)
#define EXPIRY_WARNING_DAYS 7

struct load {
    const char *path;
    struct diag *diag;
    STACK_OF(X509) * certs;
};

/* INT64_MIN for a time that cannot be read, so that it counts as passed. */
static int64_t
epoch_of(const ASN1_TIME *t)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return INT64_MIN;
    return clock_from_civil(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                            tm.tm_sec);
}

static int
take_certificate(void *arg, struct str der, int line)
{
    struct load *load = arg;
    const unsigned char *p = (const unsigned char *)der.ptr;
    X509 *cert = der.len <= LONG_MAX ? d2i_X509(NULL, &p, (long)der.len) : NULL;

    ERR_clear_error();
    if (cert == NULL || (const char *)p != der.ptr + der.len) {
        diag_error(load->diag, load->path, line, 0,
                   "not a certificate: the PEM is intact but what it holds is no X.509 "
                   "certificate");
        X509_free(cert);
        return GW_E_CONFIG;
    }
    if (sk_X509_push(load->certs, cert) <= 0) {
        X509_free(cert);
        diag_error(load->diag, load->path, line, 0, "out of memory");
        return GW_E_NOMEM;
    }
    return 0;
}

/* The certificates of a file, at least one. NULL with diag filled. */
static STACK_OF(X509) * read_certificates(const char *path, size_t max_bytes, struct diag *diag)
{
    struct load load = {.path = path, .diag = diag};
    struct pem_input in = {.file = path, .label = "CERTIFICATE"};
    struct file file = {0};
    int rc = file_read(path, max_bytes, FILE_PUBLIC, false, diag, &file);

    if (rc < 0)
        return NULL;
    load.certs = sk_X509_new_null();
    if (load.certs == NULL) {
        diag_error(diag, path, 0, 0, "out of memory");
        file_done(&file);
        return NULL;
    }
    in.text = str_make(file.bytes, file.len);
    rc = pem_parse(&in, take_certificate, &load, diag);
    file_done(&file);
    if (rc == 0)
        return load.certs;
    sk_X509_pop_free(load.certs, X509_free);
    return NULL;
}

/* Why certificate number at was not issued by the next one; NULL when it was. */
static const char *
order_fault(STACK_OF(X509) * certs, int at)
{
    X509 *cert = sk_X509_value(certs, at);
    X509 *issuer = sk_X509_value(certs, at + 1);
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    int rc = X509_check_issued(issuer, cert);
    bool is_signed;

    if (rc != X509_V_OK)
        return X509_verify_cert_error_string(rc);
    is_signed = key != NULL && X509_verify(cert, key) == 1;
    ERR_clear_error();
    return is_signed ? NULL : "its signature is not by that key";
}

static bool
is_in_order(STACK_OF(X509) * certs, const char *path, struct diag *diag)
{
    for (int i = 0; i + 1 < sk_X509_num(certs); i++) {
        const char *why = order_fault(certs, i);

        if (why == NULL)
            continue;
        diag_error(diag, path, 0, 0,
                   "certificate %d is not issued by certificate %d (%s); the leaf comes first, "
                   "each followed by its issuer",
                   i + 1, i + 2, why);
        return false;
    }
    return true;
}

/* The leaf must serve now; the rest is a matter for those who built the chain. */
static bool
is_current(X509 *leaf, const char *path, struct diag *diag)
{
    int64_t not_before = epoch_of(X509_get0_notBefore(leaf));
    int64_t not_after = epoch_of(X509_get0_notAfter(leaf));
    char text[CLOCK_ISO_LEN];
    struct clock now;

    clock_read(&now);
    if (not_after < clock_wall_s(&now)) {
        clock_format_iso(text, not_after < 0 ? 0 : not_after);
        diag_error(diag, path, 0, 0, "the certificate expired on %.*s; renew it", CLOCK_ISO_LEN,
                   text);
        return false;
    }
    if (not_before > clock_wall_s(&now)) {
        clock_format_iso(text, not_before);
        diag_error(diag, path, 0, 0,
                   "the certificate is valid only from %.*s; use one that is valid now, or set "
                   "this machine's clock",
                   CLOCK_ISO_LEN, text);
        return false;
    }
    if (not_after - clock_wall_s(&now) < EXPIRY_WARNING_DAYS * DAY_S) {
        clock_format_iso(text, not_after);
        diag_warn(diag, path, 0, 0, "the certificate expires on %.*s, within %d days",
                  CLOCK_ISO_LEN, text, EXPIRY_WARNING_DAYS);
    }
    return true;
}

static int64_t
earliest_end(STACK_OF(X509) * certs)
{
    int64_t earliest = INT64_MAX;

    for (int i = 0; i < sk_X509_num(certs); i++) {
        int64_t end = epoch_of(X509_get0_notAfter(sk_X509_value(certs, i)));

        if (end < earliest)
            earliest = end;
    }
    return earliest;
}

int
chain_load(const char *path, struct diag *diag, struct chain *ret)
{
    STACK_OF(X509) *certs = read_certificates(path, CERT_FILE_BYTES_MAX, diag);
    bool is_good;

    if (certs == NULL)
        return GW_E_CONFIG;
    is_good = is_in_order(certs, path, diag);
    is_good = is_current(sk_X509_value(certs, 0), path, diag) && is_good;
    if (!is_good) {
        sk_X509_pop_free(certs, X509_free);
        return GW_E_CONFIG;
    }
    ret->not_after_s = earliest_end(certs);
    ret->leaf = sk_X509_shift(certs);
    ret->rest = certs;
    return 0;
}

int
chain_load_store(const char *path, X509_STORE *store, struct diag *diag)
{
    STACK_OF(X509) *certs = read_certificates(path, CA_BUNDLE_BYTES_MAX, diag);
    int rc = 0;

    if (certs == NULL)
        return GW_E_CONFIG;
    for (int i = 0; i < sk_X509_num(certs) && rc == 0; i++) {
        if (X509_STORE_add_cert(store, sk_X509_value(certs, i)) != 1)
            rc = GW_E_NOMEM;
    }
    if (rc < 0)
        diag_error(diag, path, 0, 0, "out of memory");
    ERR_clear_error();
    sk_X509_pop_free(certs, X509_free);
    return rc;
}

void
chain_done(struct chain *c)
{
    X509_free(c->leaf);
    sk_X509_pop_free(c->rest, X509_free);
    *c = (struct chain){0};
}
