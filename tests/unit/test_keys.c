/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/pki.h"
#include "tls/keys.h"

static int
setup(void **state)
{
    *state = unit_tmp_new();
    return 0;
}

static int
teardown(void **state)
{
    unit_tmp_done(*state);
    return 0;
}

/* PEM of key; the caller frees it. cipher and passphrase may be NULL. */
static struct bytes
key_pem(EVP_PKEY *key, const EVP_CIPHER *cipher, bool traditional)
{
    static const unsigned char passphrase[] = "secret";
    BIO *bio = BIO_new(BIO_s_mem());
    struct bytes out = {0};
    char *text = NULL;
    long len;
    int ok;

    if (traditional)
        ok = PEM_write_bio_PrivateKey_traditional(bio, key, cipher, cipher ? passphrase : NULL,
                                                  cipher ? 6 : 0, NULL, NULL);
    else
        ok = PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, cipher ? "secret" : NULL,
                                           cipher ? 6 : 0, NULL, NULL);
    assert_int_equal(ok, 1);
    len = BIO_get_mem_data(bio, &text);
    bytes_add(&out, text, (size_t)len);
    BIO_free(bio);
    return out;
}

/* Loads content as a key file; the text of the first error goes to why. */
static int
load(const char *dir, struct str content, mode_t mode, char why[512])
{
    char *path = unit_write_file(dir, "some.key", content);
    struct diag diag;
    EVP_PKEY *key = NULL;
    int rc;

    assert_int_equal(chmod(path, mode), 0);
    diag_init(&diag);
    rc = keys_load(path, &diag, &key);
    assert_int_equal(diag.error_count, rc < 0 ? 1 : 0);
    why[0] = '\0';
    if (rc < 0) {
        snprintf(why, 512, "%s", diag.entries[0].text);
        assert_non_null(strstr(why, path));
        assert_null(key);
    }
    EVP_PKEY_free(key);
    diag_done(&diag);
    unlink(path);
    free(path);
    return rc;
}

static void
keys_of_every_kind_and_form_are_read(void **state)
{
    static const enum pki_key_kind kinds[] = {PKI_P256, PKI_P384, PKI_P521, PKI_RSA2048,
                                              PKI_ED25519};

    for (size_t i = 0; i < array_len(kinds); i++) {
        EVP_PKEY *key = pki_key(kinds[i]);
        char why[512];
        struct bytes pem = key_pem(key, NULL, false);

        assert_int_equal(load(*state, bytes_str(&pem), 0600, why), 0);
        bytes_free(&pem);
        if (kinds[i] != PKI_ED25519) {
            pem = key_pem(key, NULL, true);
            assert_int_equal(load(*state, bytes_str(&pem), 0400, why), 0);
            assert_int_equal(load(*state, bytes_str(&pem), 0640, why), 0);
            bytes_free(&pem);
        }
        EVP_PKEY_free(key);
    }
}

static void
curve_parameters_before_the_key_are_no_second_key(void **state)
{
    static const char parameters[] = "-----BEGIN EC PARAMETERS-----\n"
                                     "BggqhkjOPQMBBw==\n"
                                     "-----END EC PARAMETERS-----\n";
    EVP_PKEY *key = pki_key(PKI_P256);
    struct bytes pem = key_pem(key, NULL, true);
    struct bytes both = {0};
    char why[512];

    bytes_puts(&both, parameters);
    bytes_add(&both, pem.ptr, pem.len);
    assert_int_equal(load(*state, bytes_str(&both), 0600, why), 0);
    bytes_free(&both);
    bytes_free(&pem);
    EVP_PKEY_free(key);
}

static void
an_encrypted_key_is_refused_by_name(void **state)
{
    EVP_PKEY *key = pki_key(PKI_P256);

    for (int traditional = 0; traditional < 2; traditional++) {
        struct bytes pem = key_pem(key, EVP_aes_256_cbc(), traditional != 0);
        char why[512];

        assert_int_equal(load(*state, bytes_str(&pem), 0600, why), GW_E_CONFIG);
        assert_non_null(strstr(why, "is encrypted"));
        bytes_free(&pem);
    }
    EVP_PKEY_free(key);
}

static void
a_file_that_others_could_read_is_refused(void **state)
{
    static const mode_t modes[] = {0604, 0644, 0660, 0602, 0620, 0601};
    EVP_PKEY *key = pki_key(PKI_P256);
    struct bytes pem = key_pem(key, NULL, false);

    for (size_t i = 0; i < array_len(modes); i++) {
        char why[512];

        assert_int_equal(load(*state, bytes_str(&pem), modes[i], why), GW_E_CONFIG);
    }
    bytes_free(&pem);
    EVP_PKEY_free(key);
}

static void
what_is_not_exactly_one_key_is_refused(void **state)
{
    EVP_PKEY *key = pki_key(PKI_P256);
    struct bytes pem = key_pem(key, NULL, false);
    struct bytes two = {0};
    char why[512];

    bytes_add(&two, pem.ptr, pem.len);
    bytes_add(&two, pem.ptr, pem.len);
    assert_int_equal(load(*state, bytes_str(&two), 0600, why), GW_E_CONFIG);
    assert_non_null(strstr(why, "has 2 private keys"));
    assert_int_equal(load(*state, STR("no key at all\n"), 0600, why), GW_E_CONFIG);
    assert_non_null(strstr(why, "has 0 private keys"));
    assert_int_equal(load(*state, STR(""), 0600, why), GW_E_CONFIG);
    bytes_free(&two);
    bytes_free(&pem);
    EVP_PKEY_free(key);
}

static void
a_key_cut_short_is_refused_at_every_length(void **state)
{
    EVP_PKEY *key = pki_key(PKI_P256);
    struct bytes pem = key_pem(key, NULL, false);

    /* All but the last newline matters. */
    for (size_t len = 1; len + 1 < pem.len; len++) {
        char why[512];

        assert_int_equal(load(*state, str_make(pem.ptr, len), 0600, why), GW_E_CONFIG);
    }
    bytes_free(&pem);
    EVP_PKEY_free(key);
}

static void
a_file_that_is_not_there_is_named(void **state)
{
    struct diag diag;
    EVP_PKEY *key = NULL;

    (void)state;
    diag_init(&diag);
    assert_int_equal(keys_load("/nonexistent/some.key", &diag, &key), GW_E_CONFIG);
    assert_int_equal(diag.error_count, 1);
    assert_non_null(strstr(diag.entries[0].text, "/nonexistent/some.key"));
    assert_null(key);
    diag_done(&diag);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        test(keys_of_every_kind_and_form_are_read),
        test(curve_parameters_before_the_key_are_no_second_key),
        test(an_encrypted_key_is_refused_by_name),
        test(a_file_that_others_could_read_is_refused),
        test(what_is_not_exactly_one_key_is_refused),
        test(a_key_cut_short_is_refused_at_every_length),
        test(a_file_that_is_not_there_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
