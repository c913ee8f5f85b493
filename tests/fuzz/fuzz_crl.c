/* SPDX-License-Identifier: Apache-2.0
 *
 * cert/crl: crl_load. The input is the signed part of a list: it is signed here, so that
 * the fuzzer gets past the signature to the extensions and entries. What loads must find
 * every one of its own entries; an unsigned copy must never load.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "cert/crl.h"
#include "cert/der.h"
#include "support/pki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_S INT64_C(1800000000)
#define ECDSA_SHA256 "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"

/* The one CA. Its key is new in every run: inputs are not signed yet. */
struct signer {
    struct pki_cert *ca;
    STACK_OF(X509) * cas;
};

static const struct signer *
signer_get(void)
{
    static struct signer s;

    if (s.ca == NULL) {
        s.ca = pki_root("Fuzz CA");
        s.cas = sk_X509_new_null();
        sk_X509_push(s.cas, s.ca->x509);
    }
    return &s;
}

static void
put_header(struct bytes *out, uint8_t tag, size_t len)
{
    uint8_t head[6] = {
        tag, 0x84, (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};

    if (len < 0x80) {
        head[1] = (uint8_t)len;
        bytes_add(out, head, 2);
        return;
    }
    for (size_t octets = 4; octets > 0; octets--) {
        if (len >> 8 * (octets - 1) == 0)
            continue;
        head[1] = (uint8_t)(0x80 | octets);
        bytes_add(out, head, 2);
        bytes_add(out, head + 6 - octets, octets);
        return;
    }
}

static struct bytes
sign(const struct signer *s, struct str tbs)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t signature[256];
    size_t len = sizeof(signature);
    struct bytes body = {0}, out = {0};

    if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, s->ca->key) != 1 ||
        EVP_DigestSign(ctx, signature, &len, (const uint8_t *)tbs.ptr, tbs.len) != 1)
        die("cannot sign");
    EVP_MD_CTX_free(ctx);
    bytes_add(&body, tbs.ptr, tbs.len);
    bytes_add(&body, ECDSA_SHA256, sizeof(ECDSA_SHA256) - 1);
    put_header(&body, DER_BIT_STRING, len + 1);
    bytes_add(&body, "\0", 1);
    bytes_add(&body, signature, len);
    put_header(&out, DER_SEQUENCE, body.len);
    bytes_add(&out, body.ptr, body.len);
    bytes_free(&body);
    return out;
}

static struct crl *
load(const struct signer *s, struct str der)
{
    struct crl *crl = NULL;
    struct diag diag;
    int err;

    diag_init(&diag);
    err = crl_load(
        &(struct crl_input){
            .der = der, .file = "fuzz", .line = 1, .candidates = s->cas, .now_s = NOW_S},
        &diag, &crl);
    gw_assert((err == 0) == (crl != NULL));
    gw_assert((err == 0) == (diag.error_count == 0));
    gw_assert(ERR_peek_error() == 0);
    diag_done(&diag);
    return crl;
}

/* An entry of a delta need not revoke. */
static bool
is_taken_off(const struct crl *crl, struct str serial)
{
    struct bytes der = {0};
    const uint8_t *p;
    ASN1_INTEGER *number;
    bool is_off;

    while (serial.len > 1 && (uint8_t)serial.ptr[0] == ((serial.ptr[1] & 0x80) ? 0xff : 0))
        serial = str_sub(serial, 1, serial.len); /* libcrypto reads no redundant octets */
    put_header(&der, DER_INTEGER, serial.len);
    bytes_add(&der, serial.ptr, serial.len);
    p = (const uint8_t *)der.ptr;
    number = d2i_ASN1_INTEGER(NULL, &p, (long)der.len);
    is_off = crl_info(crl)->is_delta && number != NULL && crl_takes_off(crl, number);
    ASN1_INTEGER_free(number);
    bytes_free(&der);
    return is_off;
}

/* Looks every entry up again, found by an independent walk: the only SEQUENCE OF of SEQUENCEs that
 * begin with an INTEGER. */
static void
check_entries(const struct crl *crl, struct str tbs)
{
    struct der outer = der_open(tbs), in, list, entry_in;
    struct str body, entry, serial;
    struct der_item item;
    uint64_t count = 0;

    gw_assert(der_expect(&outer, DER_SEQUENCE, &body) == 0);
    in = der_open(body);
    for (int i = 0; i < 4; i++) /* version, algorithm, issuer, thisUpdate */
        gw_assert(der_read(&in, &item) == 0);
    if (der_peek(&in) != DER_SEQUENCE)
        (void)!der_read(&in, &item);
    if (der_peek(&in) == DER_SEQUENCE && der_expect(&in, DER_SEQUENCE, &body) == 0) {
        list = der_open(body);
        while (!der_at_end(&list)) {
            gw_assert(der_expect(&list, DER_SEQUENCE, &entry) == 0);
            entry_in = der_open(entry);
            gw_assert(der_expect(&entry_in, DER_INTEGER, &serial) == 0);
            gw_assert(crl_contains(crl, serial) || is_taken_off(crl, serial));
            count++;
        }
    }
    gw_assert(crl_info(crl)->entry_count == count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct signer *s = signer_get();
    struct str tbs = str_make(data, size);
    struct bytes der = sign(s, tbs);
    struct crl *crl = load(s, bytes_str(&der));

    if (crl != NULL) {
        check_entries(crl, tbs);
        crl_unref(crl);
    }
    gw_assert(load(s, tbs) == NULL);
    bytes_free(&der);
    return 0;
}
