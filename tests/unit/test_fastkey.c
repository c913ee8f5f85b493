/* SPDX-License-Identifier: Apache-2.0
 *
 * The shorter way to public keys must lead to the same verdicts: every kind of key and flaw is
 * judged before and after it is taken.
 */
#include "support/pki.h"
#include "unit/verify_store.h"

#include "cert/cert.h"
#include "cert/fastkey.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

struct shape {
    enum pki_key_kind kind;
    bool corrupt_signature;
    bool wrong_signer;
};

static const struct shape shapes[] = {
    {PKI_P256, false, false},      {PKI_P384, false, false},
    {PKI_P521, false, false},      {PKI_P224, false, false},
    {PKI_SECP256K1, false, false}, {PKI_P256_EXPLICIT, false, false},
    {PKI_RSA1024, false, false},   {PKI_RSA2048, false, false},
    {PKI_RSA4096, false, false},   {PKI_RSA_PSS2048, false, false},
    {PKI_ED25519, false, false},   {PKI_P256, true, false},
    {PKI_P256, false, true},       {PKI_RSA2048, true, false},
};

struct finding {
    enum reason reason;
    char detail[VERDICT_DETAIL_MAX];
    int key_bits;
};

static struct finding
look(const struct fixture *f, const struct pki_cert *leaf)
{
    struct pki_cert again = *leaf;
    struct finding r = {0};
    struct verdict v;

    /* Decoded anew, by whichever way is now in use. */
    again.x509 = cert_from_der(leaf->der);
    if (again.x509 == NULL)
        return r;
    v = judge(f, &again);
    r.reason = v.reason;
    memcpy(r.detail, v.detail, sizeof(r.detail));
    if (X509_get0_pubkey(again.x509) != NULL)
        r.key_bits = EVP_PKEY_get_bits(X509_get0_pubkey(again.x509));
    ERR_clear_error();
    verdict_done(&v);
    X509_free(again.x509);
    return r;
}

static void
verdicts_are_the_same_with_and_without_it(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaves[array_len(shapes)];
    struct finding before[array_len(shapes)];
    struct finding after;
    size_t admitted = 0;

    for (size_t i = 0; i < array_len(shapes); i++) {
        struct pki_cert_spec spec = {
            .role = PKI_CLIENT,
            .cn = "shape",
            .key_kind = shapes[i].kind,
            .corrupt_signature = shapes[i].corrupt_signature,
            .sign_with = shapes[i].wrong_signer ? f->foreign_ca->key : NULL,
        };

        leaves[i] = pki_issue(&spec, f->ca);
        before[i] = look(f, leaves[i]);
        admitted += before[i].reason == REASON_NONE && before[i].key_bits > 0;
    }
    assert_int_equal(admitted, 6); /* P-256, P-384, P-521, RSA 2048 and 4096, RSA-PSS */
    assert_true(fastkey_install());
    for (size_t i = 0; i < array_len(shapes); i++) {
        after = look(f, leaves[i]);
        if (after.reason != before[i].reason || after.key_bits != before[i].key_bits ||
            strcmp(after.detail, before[i].detail) != 0)
            fail_msg("shape %zu: \"%s\" (%d bits), before \"%s\" (%d bits)", i, after.detail,
                     after.key_bits, before[i].detail, before[i].key_bits);
        pki_free(leaves[i]);
    }
}

static void
sign_and_verify(EVP_PKEY *key, bool pss)
{
    static const unsigned char text[] = "what the handshake signs";
    unsigned char signature[1024];
    size_t len = sizeof(signature);
    EVP_PKEY_CTX *option = NULL;
    EVP_MD_CTX *md = EVP_MD_CTX_new();

    assert_int_equal(EVP_DigestSignInit(md, &option, EVP_sha256(), NULL, key), 1);
    if (pss)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(option, RSA_PKCS1_PSS_PADDING), 1);
    assert_int_equal(EVP_DigestSign(md, signature, &len, text, sizeof(text)), 1);
    EVP_MD_CTX_free(md);
    md = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(md, &option, EVP_sha256(), NULL, key), 1);
    if (pss)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(option, RSA_PKCS1_PSS_PADDING), 1);
    assert_int_equal(EVP_DigestVerify(md, signature, len, text, sizeof(text)), 1);
    signature[len / 2] ^= 1;
    EVP_MD_CTX_free(md);
    md = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(md, &option, EVP_sha256(), NULL, key), 1);
    if (pss)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(option, RSA_PKCS1_PSS_PADDING), 1);
    assert_int_not_equal(EVP_DigestVerify(md, signature, len, text, sizeof(text)), 1);
    EVP_MD_CTX_free(md);
    ERR_clear_error();
}

/* The gateway's own keys sign as before, those made before it and after it. */
static void
handshake_signatures_still_work(void **state)
{
    EVP_PKEY *before = pki_key(PKI_RSA2048);
    EVP_PKEY *ec;

    (void)state;
    (void)fastkey_install();
    ec = EVP_EC_gen("prime256v1");
    assert_non_null(ec);
    sign_and_verify(ec, false);
    sign_and_verify(before, false);
    sign_and_verify(before, true);
    EVP_PKEY_free(ec);
}

static EVP_PKEY *
read_key(const unsigned char *der, int len)
{
    return d2i_PUBKEY(NULL, &der, len);
}

/* own was made by libcrypto alone, and so is its DER. */
static void
reads_and_writes_like(EVP_PKEY *own, EVP_PKEY *other)
{
    unsigned char *der = NULL;
    unsigned char *again = NULL;
    int len = i2d_PUBKEY(own, &der);
    EVP_PKEY *key = read_key(der, len);
    EVP_PKEY *twin = read_key(der, len);

    assert_in_range(len, 40, 1024);
    assert_non_null(key);
    assert_null(EVP_PKEY_get0_provider(key)); /* the way that this test is about */
    assert_int_equal(i2d_PUBKEY(key, &again), len);
    assert_memory_equal(again, der, len);
    assert_int_equal(EVP_PKEY_get_bits(key), EVP_PKEY_get_bits(own));
    assert_int_equal(EVP_PKEY_get_size(key), EVP_PKEY_get_size(own));
    assert_int_equal(EVP_PKEY_get_security_bits(key), EVP_PKEY_get_security_bits(own));
    assert_int_equal(EVP_PKEY_eq(key, own), 1);
    assert_int_equal(EVP_PKEY_eq(key, twin), 1);
    assert_int_not_equal(EVP_PKEY_eq(key, other), 1);
    der[len - 1] ^= 1; /* leaves the curve, or becomes another point of it */
    EVP_PKEY_free(twin);
    twin = read_key(der, len);
    assert_true(twin == NULL || EVP_PKEY_eq(key, twin) == 0);
    for (int n = 0; n < len; n++)
        assert_null(read_key(der, n));
    ERR_clear_error();
    EVP_PKEY_free(key);
    EVP_PKEY_free(twin);
    OPENSSL_free(der);
    OPENSSL_free(again);
}

/* Made before the engine is: such keys are libcrypto's alone, and stay so. */
static const enum pki_key_kind curve_kinds[] = {PKI_P256, PKI_P384,      PKI_P521,
                                                PKI_P224, PKI_SECP256K1, PKI_P256_EXPLICIT};
static EVP_PKEY *native[array_len(curve_kinds)];

static void
natives_make(void)
{
    for (size_t i = 0; i < array_len(native); i++)
        native[i] = pki_key(curve_kinds[i]);
}

static void
natives_free(void)
{
    for (size_t i = 0; i < array_len(native); i++)
        EVP_PKEY_free(native[i]);
}

static void
keys_on_curves_read_and_write_as_before(void **state)
{
    static const char *const forms[] = {"uncompressed", "compressed", "hybrid"};

    (void)state;
    assert_true(fastkey_install());
    for (size_t i = 0; i < array_len(native); i++)
        for (size_t k = 0; k < array_len(forms); k++) {
            /* libcrypto writes the generator of a curve that it knows in its own form. */
            if (curve_kinds[i] == PKI_P256_EXPLICIT && k > 0)
                continue;
            assert_int_equal(EVP_PKEY_set_utf8_string_param(
                                 native[i], OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, forms[k]),
                             1);
            reads_and_writes_like(native[i], native[(i + 1) % array_len(native)]);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(verdicts_are_the_same_with_and_without_it, setup, teardown),
        cmocka_unit_test(keys_on_curves_read_and_write_as_before),
        cmocka_unit_test_setup_teardown(handshake_signatures_still_work, setup, teardown),
    };

    int failed;

    natives_make();
    failed = cmocka_run_group_tests(tests, setup_all, teardown_all);
    natives_free();
    return failed;
}
