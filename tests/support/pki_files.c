/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates and keys as PEM files, and back. Called by tests and mkpki; any thread.
 * Files are replaced by rename, so that a reader never sees half of one; a private key is
 * never readable by others, not even for a moment.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "support/pki.h"

enum { CHAIN_MAX = 64, PEM_LINE_BYTES = 48, MODE_PUBLIC = 0644, MODE_SECRET = 0600 };

void
pki_pem_add(struct bytes *out, const char *label, struct str der)
{
    const unsigned char *at = (const unsigned char *)der.ptr;
    size_t left = der.len;
    char line[PEM_LINE_BYTES / 3 * 4 + 2];

    bytes_printf(out, "-----BEGIN %s-----\n", label);
    while (left > 0) {
        size_t n = size_min(left, PEM_LINE_BYTES);
        int len = EVP_EncodeBlock((unsigned char *)line, at, (int)n);

        line[len] = '\n';
        bytes_add(out, line, (size_t)len + 1);
        at += n;
        left -= n;
    }
    bytes_printf(out, "-----END %s-----\n", label);
}

void
pki_pem_cert(struct bytes *out, const struct pki_cert *c)
{
    pki_pem_add(out, "CERTIFICATE", c->der);
}

void
pki_pem_chain(struct bytes *out, const struct pki_cert *leaf, bool with_root)
{
    const struct pki_cert *c = leaf;

    for (int i = 0; i < CHAIN_MAX; i++) {
        bool is_root = c->issuer == c;

        if (!is_root || with_root || c == leaf)
            pki_pem_cert(out, c);
        if (is_root || !c->issuer)
            break;
        c = c->issuer;
    }
}

static void
spill(const char *path, struct bytes *text, unsigned mode)
{
    file_spill(path, text->ptr, text->len, mode);
    bytes_free(text);
}

void
pki_write_certs(const char *path, ...)
{
    struct bytes text = {0};
    const struct pki_cert *c;
    va_list ap;

    va_start(ap, path);
    while ((c = va_arg(ap, const struct pki_cert *)) != NULL)
        pki_pem_cert(&text, c);
    va_end(ap);
    spill(path, &text, MODE_PUBLIC);
}

void
pki_write_chain(const char *path, const struct pki_cert *leaf)
{
    struct bytes text = {0};

    pki_pem_chain(&text, leaf, false);
    spill(path, &text, MODE_PUBLIC);
}

void
pki_write_key(const char *path, EVP_PKEY *key)
{
    BIO *mem = BIO_new(BIO_s_mem());
    char *text;
    long len;

    if (!mem || PEM_write_bio_PrivateKey(mem, key, NULL, NULL, 0, NULL, NULL) != 1)
        die("%s: cannot write the key", path);
    len = BIO_get_mem_data(mem, &text);
    file_spill(path, text, (size_t)len, MODE_SECRET);
    BIO_free(mem);
}

void
pki_write_pair(const char *dir, const char *name, const struct pki_cert *leaf)
{
    char *cert_path = xformat("%s/%s.pem", dir, name);
    char *key_path = xformat("%s/%s.key", dir, name);

    pki_write_chain(cert_path, leaf);
    pki_write_key(key_path, leaf->key);
    free(cert_path);
    free(key_path);
}

static struct str
serial_of(X509 *x)
{
    unsigned char *der = NULL;
    int len = i2d_ASN1_INTEGER(X509_get0_serialNumber(x), &der);
    char *raw;

    if (len < 2)
        die("cannot encode a serial number");
    raw = xmalloc((size_t)len);
    memcpy(raw, der + 2, (size_t)len - 2);
    OPENSSL_free(der);
    return str_make(raw, (size_t)len - 2);
}

static X509 *
read_cert(const char *path)
{
    BIO *in = BIO_new_file(path, "r");
    X509 *x = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;

    BIO_free(in);
    return x;
}

static EVP_PKEY *
read_key(const char *path)
{
    BIO *in = BIO_new_file(path, "r");
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;

    BIO_free(in);
    return key;
}

struct pki_cert *
pki_load(const char *cert_path, const char *key_path)
{
    X509 *x = read_cert(cert_path);
    EVP_PKEY *key = read_key(key_path);
    struct pki_cert *c;
    unsigned char *der = NULL;
    struct bytes copy = {0};
    int len;

    ERR_clear_error();
    if (!x || !key || X509_check_private_key(x, key) != 1) {
        ERR_clear_error();
        X509_free(x);
        EVP_PKEY_free(key);
        return NULL;
    }
    len = i2d_X509(x, &der);
    if (len < 0)
        die("%s: cannot encode", cert_path);
    bytes_add(&copy, der, (size_t)len);
    OPENSSL_free(der);
    c = xcalloc(1, sizeof(*c));
    *c = (struct pki_cert){x, key, bytes_str(&copy), serial_of(x), NULL};
    if (X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0)
        c->issuer = c;
    return c;
}
