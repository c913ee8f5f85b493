/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "cert/sigalg.h"
#include "support/pki.h"

#define RSA_PREFIX "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01"
#define ECDSA_PREFIX "\x06\x08\x2a\x86\x48\xce\x3d\x04\x03"
#define SHA256_ID "\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00"
#define SHA384_ID "\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00"
#define SHA1_ID "\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00"
#define MGF1_OID "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"
#define MGF1(id) "\x30\x1a" MGF1_OID id

static void
allowed_algorithms_are_told_apart(void **state)
{
    static const struct {
        struct str identifier;
        struct sigalg want;
    } rows[] = {
        {STR_INIT(ECDSA_PREFIX "\x02"), {SIGALG_ECDSA, NID_sha256, 0, 0}},
        {STR_INIT(ECDSA_PREFIX "\x03"), {SIGALG_ECDSA, NID_sha384, 0, 0}},
        {STR_INIT(ECDSA_PREFIX "\x04"), {SIGALG_ECDSA, NID_sha512, 0, 0}},
        {STR_INIT(RSA_PREFIX "\x0b\x05\x00"), {SIGALG_RSA, NID_sha256, 0, 0}},
        {STR_INIT(RSA_PREFIX "\x0c\x05\x00"), {SIGALG_RSA, NID_sha384, 0, 0}},
        {STR_INIT(RSA_PREFIX "\x0d\x05\x00"), {SIGALG_RSA, NID_sha512, 0, 0}},
        {STR_INIT(RSA_PREFIX "\x0b"), {SIGALG_RSA, NID_sha256, 0, 0}},
        {STR_INIT(RSA_PREFIX "\x0a\x30\x34\xa0\x0f" SHA256_ID
                             "\xa1\x1c" MGF1(SHA256_ID) "\xa2\x03\x02\x01\x20"),
         {SIGALG_RSA_PSS, NID_sha256, NID_sha256, 32}},
        {STR_INIT(RSA_PREFIX "\x0a\x30\x2f\xa0\x0f" SHA256_ID "\xa1\x1c" MGF1(SHA384_ID)),
         {SIGALG_RSA_PSS, NID_sha256, NID_sha384, 20}},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct sigalg got;

        assert_int_equal(sigalg_parse(rows[i].identifier, &got), 0);
        assert_int_equal(got.kind, rows[i].want.kind);
        assert_int_equal(got.digest_nid, rows[i].want.digest_nid);
        assert_int_equal(got.mgf1_digest_nid, rows[i].want.mgf1_digest_nid);
        assert_int_equal(got.salt_bytes, rows[i].want.salt_bytes);
    }
}

static void
other_algorithms_and_odd_parameters_are_refused(void **state)
{
    static const struct str bad[] = {
        STR_INIT(""),
        STR_INIT("\x05\x00"),
        STR_INIT(ECDSA_PREFIX "\x01"),                    /* SHA-224 */
        STR_INIT("\x06\x07\x2a\x86\x48\xce\x3d\x04\x01"), /* SHA-1 */
        STR_INIT(RSA_PREFIX "\x05\x05\x00"),              /* SHA-1 */
        STR_INIT(RSA_PREFIX "\x04\x05\x00"),              /* MD5 */
        STR_INIT("\x06\x03\x2b\x65\x70"),                 /* Ed25519 */
        STR_INIT(RSA_PREFIX "\x0b\x05\x01\x00"),          /* a NULL with content */
        STR_INIT(RSA_PREFIX "\x0b\x02\x01\x00"),
        STR_INIT(RSA_PREFIX "\x0b\x05\x00\x05\x00"),
        STR_INIT(ECDSA_PREFIX "\x02\x06\x01\x2a"),
        STR_INIT(RSA_PREFIX "\x0a"), /* PSS by its defaults is SHA-1 */
        STR_INIT(RSA_PREFIX "\x0a\x05\x00"),
        STR_INIT(RSA_PREFIX "\x0a\x30\x00"),
        STR_INIT(RSA_PREFIX "\x0a\x30\x11\xa0\x0f" SHA256_ID), /* MGF1 by default with SHA-1 */
        STR_INIT(RSA_PREFIX "\x0a\x30\x2b\xa0\x0b" SHA1_ID "\xa1\x1c" MGF1(SHA256_ID)),
        STR_INIT(RSA_PREFIX "\x0a\x30\x34\xa0\x0f" SHA256_ID
                            "\xa1\x1c" MGF1(SHA256_ID) "\xa3\x03\x02\x01\x02"), /* trailer */
        STR_INIT(RSA_PREFIX "\x0a\x30\x34\xa0\x0f" SHA256_ID
                            "\xa1\x1c" MGF1(SHA256_ID) "\xa2\x03\x02\x01\x80"), /* negative salt */
        STR_INIT(RSA_PREFIX "\x0a\x30\x34\xa0\x0f" SHA256_ID
                            "\xa1\x1c" MGF1(SHA256_ID) "\xa4\x03\x02\x01\x20"), /* unknown field */
    };

    (void)state;
    for (size_t i = 0; i < array_len(bad); i++) {
        struct sigalg got = {.salt_bytes = -7};

        assert_int_not_equal(sigalg_parse(bad[i], &got), 0);
        assert_int_equal(got.salt_bytes, -7);
    }
}

static void
algorithms_are_named_for_messages(void **state)
{
    char text[SIGALG_TEXT_MAX];

    (void)state;
    sigalg_describe(STR(ECDSA_PREFIX "\x02"), text);
    assert_string_equal(text, "ecdsa-with-SHA256");
    sigalg_describe(STR("\x06\x03\x2b\x65\x70"), text);
    assert_string_equal(text, "ED25519");
    sigalg_describe(STR("\x06\x03\x88\x37\x03"), text);
    assert_string_equal(text, "2.999.3");
    sigalg_describe(STR("\x05\x00"), text);
    assert_string_equal(text, "unreadable");
}

static void
a_certificates_algorithm_is_read(void **state)
{
    struct pki_cert_spec spec = {.cn = "x", .key_kind = PKI_RSA2048, .pss = true};
    struct pki_cert *cert = pki_issue(&spec, NULL);
    struct sigalg alg;
    char text[SIGALG_TEXT_MAX];

    (void)state;
    assert_int_equal(sigalg_of_cert(cert->x509, &alg), 0);
    assert_int_equal(alg.kind, SIGALG_RSA_PSS);
    assert_int_equal(alg.digest_nid, NID_sha256);
    sigalg_describe_cert(cert->x509, text);
    assert_string_equal(text, "rsassaPss");
    pki_free(cert);
}

/* Signs text as alg says. */
static struct bytes
sign(const struct sigalg *alg, EVP_PKEY *key, struct str text)
{
    const EVP_MD *md = EVP_get_digestbynid(alg->digest_nid);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_ctx;
    struct bytes out = {0};
    uint8_t signature[1024];
    size_t len = sizeof(signature);

    assert_int_equal(EVP_DigestSignInit(ctx, &key_ctx, md, NULL, key), 1);
    if (alg->kind == SIGALG_RSA_PSS) {
        EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(key_ctx, alg->salt_bytes);
        EVP_PKEY_CTX_set_rsa_mgf1_md(key_ctx, EVP_get_digestbynid(alg->mgf1_digest_nid));
    }
    assert_int_equal(EVP_DigestSign(ctx, signature, &len, (const uint8_t *)text.ptr, text.len), 1);
    EVP_MD_CTX_free(ctx);
    bytes_add(&out, signature, len);
    return out;
}

static void
signatures_verify_only_as_what_they_are(void **state)
{
    const struct {
        struct sigalg alg;
        enum pki_key_kind key;
    } rows[] = {
        {{SIGALG_ECDSA, NID_sha256, 0, 0}, PKI_P256},
        {{SIGALG_ECDSA, NID_sha512, 0, 0}, PKI_P521},
        {{SIGALG_RSA, NID_sha384, 0, 0}, PKI_RSA2048},
        {{SIGALG_RSA_PSS, NID_sha256, NID_sha384, 20}, PKI_RSA2048},
        {{SIGALG_RSA_PSS, NID_sha256, NID_sha256, 32}, PKI_RSA2048},
    };
    struct str text = STR("signed text");

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        EVP_PKEY *key = pki_key(rows[i].key);
        struct bytes signature = sign(&rows[i].alg, key, text);

        for (size_t k = 0; k < array_len(rows); k++) {
            EVP_PKEY *other = i == k ? NULL : pki_key(rows[k].key);

            assert_int_equal(
                sigalg_verify(&rows[k].alg, i == k ? key : other, text, bytes_str(&signature)) == 0,
                i == k);
            EVP_PKEY_free(other);
        }
        assert_int_equal(
            sigalg_verify(&rows[i].alg, key, STR("signed texT"), bytes_str(&signature)),
            GW_E_DENIED);
        assert_int_equal(sigalg_verify(&rows[i].alg, key, text, STR("")), GW_E_DENIED);
        signature.ptr[signature.len - 1] ^= 1;
        assert_int_equal(sigalg_verify(&rows[i].alg, key, text, bytes_str(&signature)),
                         GW_E_DENIED);
        bytes_free(&signature);
        EVP_PKEY_free(key);
    }
    ERR_clear_error();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allowed_algorithms_are_told_apart),
        cmocka_unit_test(other_algorithms_and_odd_parameters_are_refused),
        cmocka_unit_test(algorithms_are_named_for_messages),
        cmocka_unit_test(a_certificates_algorithm_is_read),
        cmocka_unit_test(signatures_verify_only_as_what_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
