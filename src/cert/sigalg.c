/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads AlgorithmIdentifiers and checks signatures over raw bytes. Called by the list
 * loader (whose lists never become an X509_CRL), the trust store and the judge. Owns
 * nothing between calls; any thread. It must never accept a digest that is not named here.
 */
#include "cert/sigalg.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <stdio.h>

#include "base/limits.h"
#include "cert/der.h"

/* RFC 4055 3.1: what absent parameters of RSASSA-PSS mean. */
enum { PSS_SALT_DEFAULT = 20, PSS_SALT_MAX = 512, PSS_TRAILER = 1 };

struct known_alg {
    struct str oid;
    enum sigalg_kind kind;
    int digest_nid;
};

static const struct known_alg known_algs[] = {
    {STR_INIT("\x2a\x86\x48\xce\x3d\x04\x03\x02"), SIGALG_ECDSA, NID_sha256},
    {STR_INIT("\x2a\x86\x48\xce\x3d\x04\x03\x03"), SIGALG_ECDSA, NID_sha384},
    {STR_INIT("\x2a\x86\x48\xce\x3d\x04\x03\x04"), SIGALG_ECDSA, NID_sha512},
    {STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"), SIGALG_RSA, NID_sha256},
    {STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"), SIGALG_RSA, NID_sha384},
    {STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"), SIGALG_RSA, NID_sha512},
    {STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"), SIGALG_RSA_PSS, NID_undef},
};

struct known_digest {
    struct str oid;
    int nid;
};

static const struct known_digest known_digests[] = {
    {STR_INIT("\x60\x86\x48\x01\x65\x03\x04\x02\x01"), NID_sha256},
    {STR_INIT("\x60\x86\x48\x01\x65\x03\x04\x02\x02"), NID_sha384},
    {STR_INIT("\x60\x86\x48\x01\x65\x03\x04\x02\x03"), NID_sha512},
};

#define OID_MGF1 STR("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08")

/* An OID and what follows it, which must be one item or nothing. */
static int
split_identifier(struct str identifier, struct str *ret_oid, struct der_item *ret_params)
{
    struct der in = der_open(identifier);

    *ret_params = (struct der_item){0};
    if (der_expect(&in, DER_OID, ret_oid) != 0)
        return GW_E_PARSE;
    if (!der_at_end(&in) && der_read(&in, ret_params) != 0)
        return GW_E_PARSE;
    return der_at_end(&in) ? 0 : GW_E_PARSE;
}

static bool
is_absent_or_null(const struct der_item *params)
{
    return params->tag == 0 || (params->tag == DER_NULL && params->body.len == 0);
}

static int
parse_digest(struct str identifier, int *ret_nid)
{
    struct der_item params;
    struct str oid;

    if (split_identifier(identifier, &oid, &params) != 0 || !is_absent_or_null(&params))
        return GW_E_PARSE;
    for (size_t i = 0; i < array_len(known_digests); i++) {
        if (str_eq(oid, known_digests[i].oid)) {
            *ret_nid = known_digests[i].nid;
            return 0;
        }
    }
    return GW_E_DENIED;
}

static int
parse_mgf1(struct str identifier, int *ret_nid)
{
    struct der_item params;
    struct str oid;

    if (split_identifier(identifier, &oid, &params) != 0)
        return GW_E_PARSE;
    if (!str_eq(oid, OID_MGF1) || params.tag != DER_SEQUENCE)
        return GW_E_DENIED;
    return parse_digest(params.body, ret_nid);
}

/* [n] EXPLICIT INTEGER DEFAULT value */
static int
parse_tagged_uint(struct der *in, int n, uint64_t max, uint64_t *value)
{
    struct str tagged, body;
    bool is_there;
    struct der inner;

    if (der_optional(in, DER_CONTEXT_NESTED(n), &tagged, &is_there) != 0)
        return GW_E_PARSE;
    if (!is_there)
        return 0;
    inner = der_open(tagged);
    if (der_expect(&inner, DER_INTEGER, &body) != 0 || !der_at_end(&inner))
        return GW_E_PARSE;
    return der_uint(body, max, value);
}

/* [n] EXPLICIT AlgorithmIdentifier; the default is SHA-1, so an absent one is refused. */
static int
parse_tagged_identifier(struct der *in, int n, struct str *ret)
{
    struct str tagged;
    bool is_there;
    struct der inner;

    if (der_optional(in, DER_CONTEXT_NESTED(n), &tagged, &is_there) != 0)
        return GW_E_PARSE;
    if (!is_there)
        return GW_E_DENIED;
    inner = der_open(tagged);
    if (der_expect(&inner, DER_SEQUENCE, ret) != 0 || !der_at_end(&inner))
        return GW_E_PARSE;
    return 0;
}

static int
parse_pss(const struct der_item *params, struct sigalg *alg)
{
    uint64_t salt = PSS_SALT_DEFAULT, trailer = PSS_TRAILER;
    struct str identifier;
    struct der in;
    int err;

    if (params->tag != DER_SEQUENCE)
        return GW_E_DENIED;
    in = der_open(params->body);
    err = parse_tagged_identifier(&in, 0, &identifier);
    if (err == 0)
        err = parse_digest(identifier, &alg->digest_nid);
    if (err == 0)
        err = parse_tagged_identifier(&in, 1, &identifier);
    if (err == 0)
        err = parse_mgf1(identifier, &alg->mgf1_digest_nid);
    if (err == 0)
        err = parse_tagged_uint(&in, 2, PSS_SALT_MAX, &salt);
    if (err == 0)
        err = parse_tagged_uint(&in, 3, PSS_TRAILER, &trailer);
    if (err != 0)
        return err;
    alg->salt_bytes = (int)salt;
    return der_at_end(&in) && trailer == PSS_TRAILER ? 0 : GW_E_PARSE;
}

int
sigalg_parse(struct str identifier, struct sigalg *ret)
{
    struct sigalg alg = {0};
    struct der_item params;
    struct str oid;
    int err;

    if (split_identifier(identifier, &oid, &params) != 0)
        return GW_E_PARSE;
    for (size_t i = 0; i < array_len(known_algs); i++) {
        if (!str_eq(oid, known_algs[i].oid))
            continue;
        alg.kind = known_algs[i].kind;
        alg.digest_nid = known_algs[i].digest_nid;
        err = alg.kind == SIGALG_RSA_PSS    ? parse_pss(&params, &alg)
              : !is_absent_or_null(&params) ? GW_E_PARSE
                                            : 0;
        if (err == 0)
            *ret = alg;
        return err;
    }
    return GW_E_DENIED;
}

void
sigalg_describe(struct str identifier, char text[SIGALG_TEXT_MAX])
{
    struct der_item params;
    struct str oid;
    size_t len;
    int nid;

    if (split_identifier(identifier, &oid, &params) != 0 ||
        der_format_oid(oid, text, SIGALG_TEXT_MAX, &len) != 0) {
        (void)snprintf(text, SIGALG_TEXT_MAX, "unreadable");
        return;
    }
    nid = OBJ_txt2nid(text);
    if (nid != NID_undef)
        (void)snprintf(text, SIGALG_TEXT_MAX, "%s", OBJ_nid2ln(nid));
}

/* The content of the AlgorithmIdentifier of cert, encoded into buf. */
static int
encode_cert_identifier(const X509 *cert, uint8_t *buf, size_t buf_size, struct str *ret)
{
    const X509_ALGOR *alg;
    struct der in;
    uint8_t *out = buf;
    int len;

    X509_get0_signature(NULL, &alg, cert);
    len = i2d_X509_ALGOR(alg, NULL);
    if (len <= 0 || (size_t)len > buf_size)
        return GW_E_PARSE;
    len = i2d_X509_ALGOR(alg, &out);
    in = der_open(str_make(buf, (size_t)len));
    return der_expect(&in, DER_SEQUENCE, ret);
}

enum { IDENTIFIER_BYTES_MAX = 512 };

int
sigalg_of_cert(const X509 *cert, struct sigalg *ret)
{
    uint8_t buf[IDENTIFIER_BYTES_MAX];
    struct str identifier;

    if (encode_cert_identifier(cert, buf, sizeof(buf), &identifier) != 0)
        return GW_E_PARSE;
    return sigalg_parse(identifier, ret);
}

void
sigalg_describe_cert(const X509 *cert, char text[SIGALG_TEXT_MAX])
{
    uint8_t buf[IDENTIFIER_BYTES_MAX];
    struct str identifier = {0};

    if (encode_cert_identifier(cert, buf, sizeof(buf), &identifier) != 0)
        identifier = (struct str){0};
    sigalg_describe(identifier, text);
}

static const EVP_MD *
digest_of(int nid)
{
    return nid == NID_sha256 ? EVP_sha256() : nid == NID_sha384 ? EVP_sha384() : EVP_sha512();
}

static bool
fits_key(const struct sigalg *alg, EVP_PKEY *key)
{
    int type = EVP_PKEY_get_base_id(key);

    if (alg->kind == SIGALG_ECDSA)
        return type == EVP_PKEY_EC;
    if (alg->kind == SIGALG_RSA)
        return type == EVP_PKEY_RSA;
    return type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS;
}

static bool
set_pss(const struct sigalg *alg, EVP_PKEY_CTX *ctx)
{
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, alg->salt_bytes) > 0 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, digest_of(alg->mgf1_digest_nid)) > 0;
}

int
sigalg_verify(const struct sigalg *alg, EVP_PKEY *key, struct str text, struct str signature)
{
    EVP_PKEY_CTX *key_ctx; /* belongs to ctx */
    EVP_MD_CTX *ctx;
    bool is_good;

    if (!fits_key(alg, key))
        return GW_E_DENIED;
    ctx = EVP_MD_CTX_new();
    if (ctx == NULL)
        return GW_E_NOMEM;
    is_good = EVP_DigestVerifyInit(ctx, &key_ctx, digest_of(alg->digest_nid), NULL, key) == 1 &&
              (alg->kind != SIGALG_RSA_PSS || set_pss(alg, key_ctx)) &&
              EVP_DigestVerify(ctx, (const uint8_t *)signature.ptr, signature.len,
                               (const uint8_t *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    return is_good ? 0 : GW_E_DENIED;
}
