/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <openssl/evp.h>

#include "cert/keyrule.h"
#include "support/pki.h"

static void
keys_of_every_kind_are_judged(void **state)
{
    static const struct {
        enum pki_key_kind kind;
        const char *why; /* NULL: allowed */
    } rows[] = {
        {PKI_P256, NULL},
        {PKI_P384, NULL},
        {PKI_P521, NULL},
        {PKI_RSA2048, NULL},
        {PKI_RSA4096, NULL},
        {PKI_RSA_PSS2048, NULL},
        {PKI_P224, "curve secp224r1"},
        {PKI_SECP256K1, "curve secp256k1"},
        {PKI_P256_EXPLICIT, "explicit parameters"},
        {PKI_RSA1024, "RSA key of 1024 bits; 2048 to 8192 are allowed"},
        {PKI_ED25519, "key type ED25519"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct pki_cert_spec spec = {.cn = "x", .key_kind = rows[i].kind};
        struct pki_cert *cert = pki_issue(&spec, NULL);
        char why[KEYRULE_TEXT_MAX] = "";

        assert_int_equal(keyrule_allows(cert->x509, why), rows[i].why == NULL);
        if (rows[i].why != NULL)
            assert_non_null(strstr(why, rows[i].why));
        pki_free(cert);
    }
}

/* ---- RSA keys as numbers: no generator makes these ---- */

static void
put_integer(struct bytes *out, const uint8_t *octets, size_t len)
{
    uint8_t head[4] = {0x02, 0x82, (uint8_t)(len >> 8), (uint8_t)len};

    if (len < 0x80) {
        head[1] = (uint8_t)len;
        bytes_add(out, head, 2);
    } else if (len < 0x100) {
        bytes_add(out, "\x02\x81", 2);
        bytes_add(out, &head[3], 1);
    } else {
        bytes_add(out, head, 4);
    }
    bytes_add(out, octets, len);
}

/* A certificate whose RSA key has a modulus of bits bits and this exponent. */
static bool
allows_rsa(size_t bits, struct str exponent)
{
    uint8_t modulus[2048] = {0};
    size_t len = (bits + 7) / 8;
    struct bytes body = {0}, key = {0};
    char why[KEYRULE_TEXT_MAX];
    X509 *cert = X509_new();
    uint8_t *copy;
    bool is_allowed;

    memset(modulus + 1, 0xff, len);
    modulus[1] = (uint8_t)(0xff >> (len * 8 - bits));
    if (modulus[1] & 0x80)
        put_integer(&body, modulus, len + 1);
    else
        put_integer(&body, modulus + 1, len);
    put_integer(&body, (const uint8_t *)exponent.ptr, exponent.len);
    bytes_add(&key, "\x30\x82", 2);
    bytes_add(&key, &(uint8_t){(uint8_t)(body.len >> 8)}, 1);
    bytes_add(&key, &(uint8_t){(uint8_t)body.len}, 1);
    bytes_add(&key, body.ptr, body.len);
    copy = OPENSSL_memdup(key.ptr, key.len);
    assert_int_equal(X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(cert),
                                            OBJ_nid2obj(NID_rsaEncryption), V_ASN1_NULL, NULL, copy,
                                            (int)key.len),
                     1);
    is_allowed = keyrule_allows(cert, why);
    X509_free(cert);
    bytes_free(&body);
    bytes_free(&key);
    return is_allowed;
}

static void
rsa_keys_are_bounded_at_both_ends(void **state)
{
    struct str e = STR("\x01\x00\x01");

    (void)state;
    assert_false(allows_rsa(2047, e));
    assert_true(allows_rsa(2048, e));
    assert_true(allows_rsa(2049, e));
    assert_true(allows_rsa(8191, e));
    assert_true(allows_rsa(8192, e));
    assert_false(allows_rsa(8193, e));
    assert_false(allows_rsa(16000, e));
}

static void
rsa_exponents_are_odd_and_below_2_to_32(void **state)
{
    (void)state;
    assert_true(allows_rsa(2048, STR("\x03")));
    assert_true(allows_rsa(2048, STR("\x00\xff\xff\xff\xff")));
    assert_false(allows_rsa(2048, STR("\x01\x00\x00\x00\x01")));
    assert_false(allows_rsa(2048, STR("\x01")));
    assert_false(allows_rsa(2048, STR("\x02")));
    assert_false(allows_rsa(2048, STR("\x00")));
    assert_false(allows_rsa(2048, STR("\x83"))); /* negative */
    assert_false(allows_rsa(2048, STR("\x00\x03")));
    assert_false(allows_rsa(2048, STR("")));
}

static void
a_certificate_without_a_key_is_refused(void **state)
{
    X509 *cert = X509_new();
    char why[KEYRULE_TEXT_MAX];

    (void)state;
    assert_false(keyrule_allows(cert, why));
    X509_free(cert);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_every_kind_are_judged),
        cmocka_unit_test(rsa_keys_are_bounded_at_both_ends),
        cmocka_unit_test(rsa_exponents_are_odd_and_below_2_to_32),
        cmocka_unit_test(a_certificate_without_a_key_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
