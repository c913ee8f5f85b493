/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include "cert/cert.h"
#include "support/pki.h"

static void
only_a_whole_certificate_is_read(void **state)
{
    struct pki_cert *c = pki_root("Root");
    struct bytes longer = {0};
    X509 *cert = cert_from_der(c->der);
    uint8_t want[32], got[32];

    (void)state;
    assert_non_null(cert);
    assert_int_equal(cert_der_bytes(cert), c->der.len);
    SHA256((const uint8_t *)c->der.ptr, c->der.len, want);
    assert_int_equal(cert_digest(cert, got), 0);
    assert_memory_equal(want, got, 32);
    X509_free(cert);
    assert_null(cert_from_der(str_sub(c->der, 0, c->der.len - 1)));
    bytes_add(&longer, c->der.ptr, c->der.len);
    bytes_add(&longer, "\0", 1);
    assert_null(cert_from_der(bytes_str(&longer)));
    assert_null(cert_from_der(STR("")));
    ERR_clear_error();
    bytes_free(&longer);
    pki_free(c);
}

static void
dates_are_read_in_both_forms(void **state)
{
    struct pki_cert_spec spec = {
        .cn = "x", .not_before_s = 951825600, .not_after_s = INT64_C(4102444799)};
    struct pki_cert *c = pki_issue(&spec, NULL);
    int64_t not_before_s = 0, not_after_s = 0;

    (void)state;
    assert_int_equal(cert_dates(c->x509, &not_before_s, &not_after_s), 0);
    assert_int_equal(not_before_s, 951825600);
    assert_int_equal(not_after_s, INT64_C(4102444799));
    pki_free(c);
}

static void
a_certificate_is_described_by_name_and_serial(void **state)
{
    struct pki_cert_spec spec = {.cn = "revoked", .serial = STR("\x03\xa5")};
    struct pki_cert *c = pki_issue(&spec, NULL);
    char text[CERT_TEXT_MAX], serial[CERT_SERIAL_TEXT_MAX];

    (void)state;
    cert_describe(c->x509, text);
    assert_string_equal(text, "\"CN=revoked\" serial 03A5");
    cert_serial_text(c->x509, serial);
    assert_string_equal(serial, "03A5");
    pki_free(c);
}

static void
long_serials_and_names_are_cut_visibly(void **state)
{
    char octets[200], cn[300];
    struct pki_attr attr = {.type = "CN", .value = str_make(cn, sizeof(cn))};
    struct pki_cert_spec spec = {
        .attrs = &attr, .attr_count = 1, .serial = str_make(octets, sizeof(octets))};
    char text[CERT_TEXT_MAX], serial[CERT_SERIAL_TEXT_MAX];
    struct pki_cert *c;

    (void)state;
    memset(octets, 0x99, sizeof(octets)); /* negative */
    memset(cn, 'n', sizeof(cn));
    c = pki_issue(&spec, NULL);
    cert_serial_text(c->x509, serial);
    assert_int_equal(serial[0], '-');
    assert_true(strlen(serial) < CERT_SERIAL_TEXT_MAX);
    assert_string_equal(serial + strlen(serial) - 3, "...");
    cert_describe(c->x509, text);
    assert_non_null(strstr(text, "nnn...\" serial -"));
    pki_free(c);
}

static void
extensions_come_as_they_are(void **state)
{
    struct pki_cert_spec spec = {
        .cn = "x", .extra_ext_oid = "2.5.29.17", .extra_ext_der = STR("\x05\x00")};
    struct pki_cert *c = pki_issue(&spec, NULL);
    bool is_repeated = true;

    (void)state;
    assert_str_equal(cert_extension(c->x509, NID_subject_alt_name, &is_repeated), STR("\x05\x00"));
    assert_false(is_repeated);
    assert_null(cert_extension(c->x509, NID_certificate_policies, &is_repeated).ptr);
    assert_false(is_repeated);
    assert_null(cert_extension(c->x509, NID_certificate_policies, NULL).ptr);
    pki_free(c);
}

static void
an_issuer_is_its_name_and_its_key(void **state)
{
    struct pki_cert *a = pki_root("One"), *b = pki_root("One");
    struct pki_cert_spec same_spec = {.role = PKI_CA, .cn = "One", .key = a->key};
    struct pki_cert_spec renamed_spec = {.role = PKI_CA, .cn = "Two", .key = a->key};
    struct pki_cert *same = pki_issue(&same_spec, NULL), *renamed = pki_issue(&renamed_spec, NULL);

    (void)state;
    assert_true(cert_is_same_issuer(a->x509, a->x509));
    assert_true(cert_is_same_issuer(a->x509, same->x509));
    assert_false(cert_is_same_issuer(a->x509, b->x509));
    assert_false(cert_is_same_issuer(a->x509, renamed->x509));
    assert_int_equal(cert_key_bits(a->x509).len, 65);
    pki_free(a);
    pki_free(b);
    pki_free(same);
    pki_free(renamed);
}

static void
equal_certificates_have_the_same_bytes(void **state)
{
    struct pki_cert *a = pki_root("Root");
    struct pki_cert *b = pki_root("Root");
    struct bytes forged = {0};
    char *name;
    X509 *again = cert_from_der(a->der);
    X509 *other;

    (void)state;
    assert_true(cert_eq(a->x509, a->x509));
    assert_true(cert_eq(a->x509, again));
    assert_false(cert_eq(a->x509, b->x509));
    bytes_add(&forged, a->der.ptr, a->der.len);
    name = memmem(forged.ptr, forged.len, "Root", 4);
    assert_non_null(name);
    name[0] = 'B'; /* all but this, the signature too, is as it was */
    other = cert_from_der(bytes_str(&forged));
    assert_non_null(other);
    assert_false(cert_eq(a->x509, other));
    assert_false(cert_eq(other, again));
    X509_free(other);
    X509_free(again);
    bytes_free(&forged);
    pki_free(a);
    pki_free(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_whole_certificate_is_read),
        cmocka_unit_test(dates_are_read_in_both_forms),
        cmocka_unit_test(a_certificate_is_described_by_name_and_serial),
        cmocka_unit_test(long_serials_and_names_are_cut_visibly),
        cmocka_unit_test(extensions_come_as_they_are),
        cmocka_unit_test(an_issuer_is_its_name_and_its_key),
        cmocka_unit_test(equal_certificates_have_the_same_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
