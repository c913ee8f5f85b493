/* SPDX-License-Identifier: Apache-2.0
 *
 * What the floor asks of a single X509. Called by trust, verify and identity on any thread;
 * owns nothing. It must never change a certificate, which other threads may be reading.
 */
#include "cert/cert.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "cert/der.h"
#include "cert/name.h"

X509 *
cert_from_der(struct str der)
{
    const uint8_t *p = (const uint8_t *)der.ptr;
    X509 *cert = d2i_X509(NULL, &p, (long)der.len);

    if (cert != NULL && p != (const uint8_t *)der.ptr + der.len) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

static int
read_time(const ASN1_TIME *t, int64_t *ret_s)
{
    return der_time(ASN1_STRING_type(t),
                    str_make(ASN1_STRING_get0_data(t), (size_t)ASN1_STRING_length(t)), ret_s);
}

int
cert_dates(const X509 *cert, int64_t *ret_not_before_s, int64_t *ret_not_after_s)
{
    int64_t not_before_s, not_after_s;

    if (read_time(X509_get0_notBefore(cert), &not_before_s) != 0 ||
        read_time(X509_get0_notAfter(cert), &not_after_s) != 0)
        return GW_E_PARSE;
    *ret_not_before_s = not_before_s;
    *ret_not_after_s = not_after_s;
    return 0;
}

size_t
cert_der_bytes(X509 *cert)
{
    int len = i2d_X509(cert, NULL);

    return len > 0 ? (size_t)len : 0;
}

int
cert_der(X509 *cert, uint8_t **ret, size_t *ret_len)
{
    int len = i2d_X509(cert, NULL);
    uint8_t *der, *end;

    if (len <= 0)
        return GW_E_PARSE;
    der = malloc((size_t)len);
    if (der == NULL)
        return GW_E_NOMEM;
    end = der;
    if (i2d_X509(cert, &end) != len) {
        free(der);
        return GW_E_PARSE;
    }
    *ret = der;
    *ret_len = (size_t)len;
    return 0;
}

static bool
signature_eq(const X509 *a, const X509 *b)
{
    const ASN1_BIT_STRING *bits_a = NULL;
    const ASN1_BIT_STRING *bits_b = NULL;

    X509_get0_signature(&bits_a, NULL, a);
    X509_get0_signature(&bits_b, NULL, b);
    return str_eq(str_make(bits_a->data, (size_t)bits_a->length),
                  str_make(bits_b->data, (size_t)bits_b->length));
}

/* Not X509_cmp, which first decodes every extension of a certificate that it has not seen. */
bool
cert_eq(const X509 *a, const X509 *b)
{
    unsigned char *der_a = NULL;
    unsigned char *der_b = NULL;
    bool is_equal;
    int len_a, len_b;

    if (a == b || !signature_eq(a, b))
        return a == b;
    len_a = i2d_X509(a, &der_a);
    len_b = i2d_X509(b, &der_b);
    is_equal = len_a > 0 && len_a == len_b && memcmp(der_a, der_b, (size_t)len_a) == 0;
    OPENSSL_free(der_a);
    OPENSSL_free(der_b);
    return is_equal;
}

int
cert_digest(const X509 *cert, uint8_t ret[CERT_DIGEST_BYTES])
{
    return X509_digest(cert, EVP_sha256(), ret, NULL) == 1 ? 0 : GW_E_NOMEM;
}

void
cert_serial_text(const X509 *cert, char text[CERT_SERIAL_TEXT_MAX])
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    const uint8_t *p = ASN1_STRING_get0_data(serial);
    size_t len = (size_t)ASN1_STRING_length(serial);
    const size_t room = CERT_SERIAL_TEXT_MAX - sizeof("-...");
    bool is_cut = len > room / 2;
    char *out = text;

    if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
        *out++ = '-';
    if (is_cut)
        len = room / 2;
    str_hex_upper(out, p, len);
    (void)snprintf(out + 2 * len, sizeof("..."), "%s", is_cut ? "..." : "");
}

enum { NAME_TEXT_MAX = 128 };

void
cert_describe_name(const X509_NAME *name, char text[CERT_TEXT_MAX])
{
    name_describe(name, text, NAME_TEXT_MAX);
}

void
cert_describe(const X509 *cert, char text[CERT_TEXT_MAX])
{
    char serial[CERT_SERIAL_TEXT_MAX];
    char name[NAME_TEXT_MAX];

    cert_serial_text(cert, serial);
    name_describe(X509_get_subject_name(cert), name, sizeof(name));
    (void)snprintf(text, CERT_TEXT_MAX, "\"%s\" serial %.60s", name, serial);
}

struct str
cert_extension(const X509 *cert, int nid, bool *ret_is_repeated)
{
    const ASN1_OCTET_STRING *value;
    int at = X509_get_ext_by_NID(cert, nid, -1);

    if (ret_is_repeated != NULL)
        *ret_is_repeated = at >= 0 && X509_get_ext_by_NID(cert, nid, at) >= 0;
    if (at < 0)
        return (struct str){0};
    value = X509_EXTENSION_get_data(X509_get_ext(cert, at));
    return str_make(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
}

static bool
read_key(const X509 *cert, struct str *ret_bits, X509_ALGOR **ret_algorithm)
{
    const uint8_t *bits;
    int len;

    if (X509_PUBKEY_get0_param(NULL, &bits, &len, ret_algorithm, X509_get_X509_PUBKEY(cert)) != 1)
        return false;
    *ret_bits = str_make(bits, (size_t)len);
    return true;
}

struct str
cert_key_bits(const X509 *cert)
{
    X509_ALGOR *algorithm;
    struct str bits;

    return read_key(cert, &bits, &algorithm) ? bits : (struct str){0};
}

bool
cert_is_same_issuer(const X509 *a, const X509 *b)
{
    X509_ALGOR *algorithm_a, *algorithm_b;
    struct str bits_a, bits_b;

    return read_key(a, &bits_a, &algorithm_a) && read_key(b, &bits_b, &algorithm_b) &&
           str_eq(bits_a, bits_b) && X509_ALGOR_cmp(algorithm_a, algorithm_b) == 0 &&
           X509_NAME_cmp(X509_get_subject_name(a), X509_get_subject_name(b)) == 0;
}

static bool
digest_add(EVP_MD_CTX *md, X509 *cert)
{
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    bool is_done = len > 0 && EVP_DigestUpdate(md, der, (size_t)len) == 1;

    OPENSSL_free(der);
    return is_done;
}

int
cert_list_digest(struct str prefix, X509 *leaf, STACK_OF(X509) * rest,
                 uint8_t ret[CERT_DIGEST_BYTES])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool is_good = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
                   EVP_DigestUpdate(md, prefix.ptr, prefix.len) == 1 && digest_add(md, leaf);

    /* DER says its own length, so what is concatenated stays unambiguous. */
    for (int i = 0; is_good && rest != NULL && i < sk_X509_num(rest); i++)
        is_good = digest_add(md, sk_X509_value(rest, i));
    is_good = is_good && EVP_DigestFinal_ex(md, ret, NULL) == 1;
    EVP_MD_CTX_free(md);
    return is_good ? 0 : GW_E_BUG;
}
