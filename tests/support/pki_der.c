/* SPDX-License-Identifier: Apache-2.0
 *
 * DER by hand and signing, shared by the certificate and the list maker. Any thread. It
 * writes what it is told, right or wrong; it reads only what libcrypto has just written.
 */
#include "support/pki_der.h"

#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

size_t
der_head_len(size_t n)
{
    size_t len = 2;

    if (n < 0x80)
        return len;
    for (; n > 0; n >>= 8)
        len++;
    return len;
}

void
der_head(struct bytes *out, int tag, size_t n)
{
    uint8_t head[2 + sizeof(size_t)] = {(uint8_t)tag};
    size_t len = der_head_len(n);

    if (len == 2) {
        head[1] = (uint8_t)n;
    } else {
        head[1] = (uint8_t)(0x80 | (len - 2));
        for (size_t i = len; i > 2; i--, n >>= 8)
            head[i - 1] = (uint8_t)n;
    }
    bytes_add(out, head, len);
}

void
der_put(struct bytes *out, int tag, struct str content)
{
    der_head(out, tag, content.len);
    bytes_add(out, content.ptr, content.len);
}

void
der_put_uint(struct bytes *out, uint64_t value)
{
    uint8_t raw[9] = {0};
    size_t first = 0;

    for (int i = 0; i < 8; i++)
        raw[8 - i] = (uint8_t)(value >> (8 * i));
    while (first < 8 && raw[first] == 0 && !(raw[first + 1] & 0x80))
        first++;
    der_put(out, DER_INTEGER, str_make(raw + first, sizeof(raw) - first));
}

void
der_put_ext(struct bytes *out, struct str oid, bool critical, struct str value)
{
    struct bytes ext = {0};

    der_put(&ext, DER_OID, oid);
    if (critical)
        der_put(&ext, DER_BOOLEAN, STR("\xff"));
    der_put(&ext, DER_OCTET_STRING, value);
    der_put(out, DER_SEQUENCE, bytes_str(&ext));
    bytes_free(&ext);
}

struct str
der_take(struct str *rest)
{
    const unsigned char *at = (const unsigned char *)rest->ptr;
    const unsigned char *start = at;
    long len;
    int tag;
    int class;
    struct str tlv;

    if (ASN1_get_object(&at, &len, &tag, &class, (long)rest->len) & 0x80)
        die("our own DER does not parse");
    tlv = str_make(start, (size_t)(at - start) + (size_t)len);
    *rest = str_make(tlv.ptr + tlv.len, rest->len - tlv.len);
    return tlv;
}

struct str
der_content(struct str tlv)
{
    const unsigned char *at = (const unsigned char *)tlv.ptr;
    long len;
    int tag;
    int class;

    if (ASN1_get_object(&at, &len, &tag, &class, (long)tlv.len) & 0x80)
        die("our own DER does not parse");
    return str_make(at, (size_t)len);
}

EVP_MD_CTX *
pki_sign_start(const struct pki_signer *signer)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    const EVP_MD *md = EVP_get_digestbyname(signer->digest ? signer->digest : "SHA256");

    if (!md)
        die("unknown digest %s", signer->digest);
    if (EVP_PKEY_is_a(signer->key, "ED25519"))
        md = NULL;
    if (!ctx || EVP_DigestSignInit(ctx, &pctx, md, NULL, signer->key) != 1)
        die("cannot sign with this key");
    if (signer->pss && (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1 ||
                        EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) != 1))
        die("RSASSA-PSS needs an RSA key");
    return ctx;
}

struct bytes
pki_sign(const struct pki_signer *signer, struct str tbs)
{
    EVP_MD_CTX *ctx = pki_sign_start(signer);
    const unsigned char *in = (const unsigned char *)tbs.ptr;
    struct bytes signature = {0};
    unsigned char *raw;
    size_t len = 0;

    if (EVP_DigestSign(ctx, NULL, &len, in, tbs.len) != 1)
        die("cannot sign");
    raw = xmalloc(len);
    if (EVP_DigestSign(ctx, raw, &len, in, tbs.len) != 1)
        die("cannot sign");
    bytes_add(&signature, raw, len);
    free(raw);
    EVP_MD_CTX_free(ctx);
    return signature;
}
