/* SPDX-License-Identifier: Apache-2.0
 *
 * The PKI helpers write what they are asked to write, right or wrong. Every other test
 * that uses a bad certificate or list relies on that.
 */
#include "support/unit.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "support/pki.h"

struct world {
    struct pki_cert *root;
    struct pki_cert *ca;
};

static int
world_make(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->root = pki_root("Root");
    w->ca = pki_intermediate(w->root, "CA");
    *state = w;
    return 0;
}

static int
world_end(void **state)
{
    struct world *w = *state;

    pki_free(w->ca);
    pki_free(w->root);
    free(w);
    return 0;
}

/* libcrypto's verdict on leaf under w: X509_V_OK or the error. */
static int
verdict(const struct world *w, const struct pki_cert *leaf, X509_CRL *list)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int result;

    X509_STORE_add_cert(store, w->root->x509);
    X509_STORE_add_cert(store, w->ca->x509);
    X509_STORE_set_purpose(store, X509_PURPOSE_SSL_CLIENT);
    if (list) {
        X509_STORE_add_crl(store, list);
        X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    }
    X509_STORE_CTX_init(ctx, store, leaf->x509, NULL);
    result = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return result;
}

static X509_CRL *
list_parse(const struct bytes *der)
{
    const unsigned char *at = (const unsigned char *)der->ptr;
    X509_CRL *list = d2i_X509_CRL(NULL, &at, (long)der->len);

    assert_non_null(list);
    return list;
}

static void
test_zeroed_spec_is_a_good_client(void **state)
{
    struct world *w = *state;
    struct pki_cert *leaf = pki_client(w->ca, "alice");

    assert_int_equal(verdict(w, leaf, NULL), X509_V_OK);
    pki_free(leaf);
}

static void
test_one_knob_turns_one_thing_wrong(void **state)
{
    struct world *w = *state;
    int64_t now = wall_s();
    const struct {
        struct pki_cert_spec spec;
        int want;
    } rows[] = {
        {{.not_after_s = now - 60}, X509_V_ERR_CERT_HAS_EXPIRED},
        {{.not_before_s = now + 600}, X509_V_ERR_CERT_NOT_YET_VALID},
        {{.eku = "serverAuth"}, X509_V_ERR_INVALID_PURPOSE},
        {{.corrupt_signature = true}, X509_V_ERR_CERT_SIGNATURE_FAILURE},
        {{.sign_with = w->root->key}, X509_V_ERR_CERT_SIGNATURE_FAILURE},
        {{.unknown_critical_ext = true}, X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION},
        {{.wrong_aki = true}, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY},
        {{.issuer_name = X509_get_subject_name(w->root->x509), .no_aki = true},
         X509_V_ERR_CERT_SIGNATURE_FAILURE},
    };

    for (size_t i = 0; i < array_len(rows); i++) {
        struct pki_cert *leaf = pki_issue(&rows[i].spec, w->ca);

        assert_non_null(leaf->x509);
        assert_int_equal(verdict(w, leaf, NULL), rows[i].want);
        pki_free(leaf);
    }
}

static void
test_every_key_kind_signs_and_is_signed(void **state)
{
    struct world *w = *state;

    for (int kind = PKI_P256; kind <= PKI_ED25519; kind++) {
        struct pki_cert_spec ca_spec = {.role = PKI_CA, .cn = "keys", .key_kind = kind};
        struct pki_cert *ca = pki_issue(&ca_spec, w->root);
        struct pki_cert *leaf = pki_client(ca, "leaf");
        struct bytes der = pki_crl_der(&(struct pki_crl_spec){0}, ca);
        X509_CRL *list = list_parse(&der);

        assert_int_equal(X509_verify(leaf->x509, ca->key), 1);
        assert_int_equal(X509_CRL_verify(list, ca->key), 1);
        X509_CRL_free(list);
        bytes_free(&der);
        pki_free(leaf);
        pki_free(ca);
    }
}

static void
test_pss_and_digests_are_used(void **state)
{
    struct world *w = *state;
    struct pki_cert_spec ca_spec = {.role = PKI_CA, .cn = "rsa", .key_kind = PKI_RSA2048};
    struct pki_cert *ca = pki_issue(&ca_spec, w->root);
    struct pki_cert *pss = pki_issue(&(struct pki_cert_spec){.pss = true}, ca);
    struct pki_cert *sha1 = pki_issue(&(struct pki_cert_spec){.digest = "SHA1"}, ca);

    assert_int_equal(X509_get_signature_nid(pss->x509), NID_rsassaPss);
    assert_int_equal(X509_get_signature_nid(sha1->x509), NID_sha1WithRSAEncryption);
    assert_int_equal(X509_verify(pss->x509, ca->key), 1);
    pki_free(pss);
    pki_free(sha1);
    pki_free(ca);
}

static void
test_serials_are_written_verbatim(void **state)
{
    struct world *w = *state;
    static const struct {
        struct str octets;
        const char *hex; /* NULL: libcrypto refuses the certificate */
    } rows[] = {
        {STR_INIT("\x01"), "01"},
        {STR_INIT("\x00\xff"), "FF"},
        {STR_INIT("\xff"), "-01"},
        {STR_INIT("\x80\x01"), "-7FFF"},
        {STR_INIT("\x00\x01"), NULL},
        {STR_INIT("\x7f"
                  "1234567890123456789"),
         "7F31323334353637383930313233343536373839"},
        {STR_INIT("\x7f"
                  "12345678901234567890"),
         "7F3132333435363738393031323334353637383930"},
    };

    for (size_t i = 0; i < array_len(rows); i++) {
        struct pki_cert *leaf = pki_issue(&(struct pki_cert_spec){.serial = rows[i].octets}, w->ca);

        assert_str_equal(leaf->serial, rows[i].octets);
        assert_non_null(
            find_bytes(leaf->der.ptr, leaf->der.len, rows[i].octets.ptr, rows[i].octets.len));
        if (rows[i].hex) {
            BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf->x509), NULL);
            char *hex = BN_bn2hex(bn);

            assert_string_equal(hex, rows[i].hex);
            assert_int_equal(X509_verify(leaf->x509, w->ca->key), 1);
            OPENSSL_free(hex);
            BN_free(bn);
        } else {
            assert_null(leaf->x509);
        }
        pki_free(leaf);
    }
}

static void
test_names_keep_types_order_and_bytes(void **state)
{
    struct world *w = *state;
    const struct pki_attr attrs[] = {
        {"C", STR("US"), V_ASN1_PRINTABLESTRING, false},
        {"O", STR("a\r\nb"), V_ASN1_UTF8STRING, false},
        {"OU", STR("nul\0inside"), V_ASN1_T61STRING, true},
        {"CN", STR("\0x\0y"), V_ASN1_BMPSTRING, false},
        {"1.2.3.4.5", STR("odd"), V_ASN1_UTF8STRING, false},
    };
    struct pki_cert *leaf =
        pki_issue(&(struct pki_cert_spec){.attrs = attrs, .attr_count = array_len(attrs)}, w->ca);
    X509_NAME *name = X509_get_subject_name(leaf->x509);

    assert_int_equal(X509_NAME_entry_count(name), array_len(attrs));
    for (size_t i = 0; i < array_len(attrs); i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, (int)i);
        const ASN1_STRING *data = X509_NAME_ENTRY_get_data(entry);

        assert_int_equal(ASN1_STRING_type(data), attrs[i].string_type);
        assert_str_equal(str_make(ASN1_STRING_get0_data(data), (size_t)ASN1_STRING_length(data)),
                         attrs[i].value);
    }
    assert_int_equal(X509_NAME_ENTRY_set(X509_NAME_get_entry(name, 1)),
                     X509_NAME_ENTRY_set(X509_NAME_get_entry(name, 2)));
    pki_free(leaf);
}

static void
test_extensions_parse_back(void **state)
{
    struct world *w = *state;
    static const struct pki_san sans[] = {
        {PKI_SAN_DNS, STR_INIT("a\0b.example")}, {PKI_SAN_URI, STR_INIT("spiffe://td/x")},
        {PKI_SAN_EMAIL, STR_INIT("a@b")},        {PKI_SAN_IP, STR_INIT("10.1.2.3")},
        {PKI_SAN_IP, STR_INIT("::1")},           {PKI_SAN_OTHERNAME, STR_INIT("upn@b")},
    };
    struct pki_cert_spec spec = {.role = PKI_CA,
                                 .cn = "x",
                                 .pathlen = PKI_PATHLEN(2),
                                 .sans = sans,
                                 .san_count = array_len(sans),
                                 .name_constraints = "permitted;DNS:.example",
                                 .policies = "1.2.3.4",
                                 .padding_bytes = 5000,
                                 .eku = "clientAuth,1.2.3.4"};
    struct pki_cert *c = pki_issue(&spec, w->ca);
    GENERAL_NAMES *names = X509_get_ext_d2i(c->x509, NID_subject_alt_name, NULL, NULL);

    assert_int_equal(X509_get_pathlen(c->x509), 2);
    assert_int_equal(sk_GENERAL_NAME_num(names), array_len(sans));
    assert_int_equal(ASN1_STRING_length(sk_GENERAL_NAME_value(names, 0)->d.ia5), 11);
    assert_int_equal(ASN1_STRING_length(sk_GENERAL_NAME_value(names, 4)->d.ip), 16);
    assert_true(X509_get_ext_by_NID(c->x509, NID_name_constraints, -1) >= 0);
    assert_true(X509_get_ext_by_NID(c->x509, NID_certificate_policies, -1) >= 0);
    assert_true(c->der.len > 5000);
    GENERAL_NAMES_free(names);
    pki_free(c);
}

static void
test_version_1_has_no_extensions(void **state)
{
    struct world *w = *state;
    struct pki_cert *leaf = pki_issue(&(struct pki_cert_spec){.version = 1}, w->ca);

    assert_int_equal(X509_get_version(leaf->x509), X509_VERSION_1);
    assert_int_equal(X509_get_ext_count(leaf->x509), 0);
    assert_int_equal(X509_verify(leaf->x509, w->ca->key), 1);
    pki_free(leaf);
}

static void
test_list_revokes_what_it_names(void **state)
{
    struct world *w = *state;
    struct pki_cert *bad = pki_client(w->ca, "bad");
    struct pki_cert *good = pki_client(w->ca, "good");
    struct pki_crl_entry entry = {
        .cert = bad, .reason = PKI_REASON_KEY_COMPROMISE, .invalidity_date = true};
    struct bytes der = pki_crl_der(
        &(struct pki_crl_spec){.entries = &entry, .entry_count = 1, .number = 300}, w->ca);
    X509_CRL *list = list_parse(&der);
    X509_REVOKED *revoked = NULL;
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(list, NID_crl_number, NULL, NULL);
    ASN1_ENUMERATED *reason;

    assert_int_equal(X509_CRL_verify(list, w->ca->key), 1);
    assert_int_equal(verdict(w, bad, list), X509_V_ERR_CERT_REVOKED);
    assert_int_equal(verdict(w, good, list), X509_V_OK);
    assert_int_equal(ASN1_INTEGER_get(number), 300);
    assert_int_equal(X509_CRL_get0_by_cert(list, &revoked, bad->x509), 1);
    reason = X509_REVOKED_get_ext_d2i(revoked, NID_crl_reason, NULL, NULL);
    assert_int_equal(ASN1_ENUMERATED_get(reason), 1);
    ASN1_ENUMERATED_free(reason);
    ASN1_INTEGER_free(number);
    X509_CRL_free(list);
    bytes_free(&der);
    pki_free(bad);
    pki_free(good);
}

static void
test_list_knobs_parse_back(void **state)
{
    struct world *w = *state;
    struct pki_idp idp = {.only_users = true, .reason_bits = 0x2, .uri = "http://x/crl"};
    struct pki_crl_spec spec = {.idp = &idp,
                                .delta = true,
                                .delta_base = 128,
                                .unknown_critical_ext = true,
                                .next_update_s = PKI_NO_TIME,
                                .time_form = PKI_TIME_GENERALIZED};
    struct bytes der = pki_crl_der(&spec, w->ca);
    X509_CRL *list = list_parse(&der);
    ISSUING_DIST_POINT *point =
        X509_CRL_get_ext_d2i(list, NID_issuing_distribution_point, NULL, NULL);
    ASN1_INTEGER *base = X509_CRL_get_ext_d2i(list, NID_delta_crl, NULL, NULL);

    assert_non_null(point);
    assert_true(point->onlyuser);
    assert_non_null(point->distpoint);
    assert_int_equal(ASN1_BIT_STRING_get_bit(point->onlysomereasons, 1), 1);
    assert_int_equal(ASN1_INTEGER_get(base), 128);
    assert_null(X509_CRL_get0_nextUpdate(list));
    assert_int_equal(ASN1_STRING_type(X509_CRL_get0_lastUpdate(list)), V_ASN1_GENERALIZEDTIME);
    assert_int_equal(X509_CRL_verify(list, w->ca->key), 1);
    ASN1_INTEGER_free(base);
    ISSUING_DIST_POINT_free(point);
    X509_CRL_free(list);
    bytes_free(&der);
}

static void
test_v1_and_wrongly_signed_lists(void **state)
{
    struct world *w = *state;
    struct bytes v1 = pki_crl_der(&(struct pki_crl_spec){.v1 = true}, w->ca);
    struct bytes wrong = pki_crl_der(&(struct pki_crl_spec){.sign_with = w->root->key}, w->ca);
    struct bytes bent = pki_crl_der(&(struct pki_crl_spec){.corrupt_signature = true}, w->ca);
    X509_CRL *list = list_parse(&v1);

    assert_int_equal(X509_CRL_get_version(list), X509_CRL_VERSION_1);
    assert_int_equal(X509_CRL_verify(list, w->ca->key), 1);
    X509_CRL_free(list);
    list = list_parse(&wrong);
    assert_int_not_equal(X509_CRL_verify(list, w->ca->key), 1);
    X509_CRL_free(list);
    list = list_parse(&bent);
    assert_int_not_equal(X509_CRL_verify(list, w->ca->key), 1);
    X509_CRL_free(list);
    ERR_clear_error();
    bytes_free(&v1);
    bytes_free(&wrong);
    bytes_free(&bent);
}

static void
test_synthetic_entries_are_found_by_serial(void **state)
{
    struct world *w = *state;
    struct pki_crl_spec spec = {.synthetic_count = 5000, .synthetic_seed = 7};
    char *dir = dir_temp("pki");
    char *path = xformat("%s/list.pem", dir);
    BIO *in;
    X509_CRL *list;

    pki_crl_write(path, true, &spec, w->ca);
    in = BIO_new_file(path, "r");
    list = PEM_read_bio_X509_CRL(in, NULL, NULL, NULL);
    assert_non_null(list);
    assert_int_equal(X509_CRL_verify(list, w->ca->key), 1);
    assert_int_equal(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(list)), 5000);
    for (uint64_t i = 0; i < 5000; i += 833) {
        uint8_t serial[PKI_SYNTHETIC_SERIAL_BYTES];
        struct pki_cert *leaf;

        pki_synthetic_serial(7, false, i, serial);
        leaf =
            pki_issue(&(struct pki_cert_spec){.serial = str_make(serial, sizeof(serial))}, w->ca);
        assert_int_equal(verdict(w, leaf, list), X509_V_ERR_CERT_REVOKED);
        pki_free(leaf);
    }
    X509_CRL_free(list);
    BIO_free(in);
    free(path);
    dir_remove(dir);
    free(dir);
}

static void
test_files_have_chain_order_and_modes(void **state)
{
    struct world *w = *state;
    struct pki_cert *leaf = pki_client(w->ca, "alice");
    char *dir = dir_temp("pki");
    char *cert_path = xformat("%s/alice.pem", dir);
    char *key_path = xformat("%s/alice.key", dir);
    struct stat st;
    struct bytes text;
    struct pki_cert *back;

    pki_write_pair(dir, "alice", leaf);
    assert_int_equal(stat(key_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    text = file_slurp(cert_path);
    assert_int_equal(count_text(bytes_str(&text), "BEGIN CERTIFICATE"), 2);
    back = pki_load(cert_path, key_path);
    assert_non_null(back);
    assert_str_equal(back->der, leaf->der);
    assert_str_equal(back->serial, leaf->serial);
    pki_free(back);
    bytes_free(&text);
    pki_free(leaf);
    dir_remove(dir);
    free(cert_path);
    free(key_path);
    free(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zeroed_spec_is_a_good_client),
        cmocka_unit_test(test_one_knob_turns_one_thing_wrong),
        cmocka_unit_test(test_every_key_kind_signs_and_is_signed),
        cmocka_unit_test(test_pss_and_digests_are_used),
        cmocka_unit_test(test_serials_are_written_verbatim),
        cmocka_unit_test(test_names_keep_types_order_and_bytes),
        cmocka_unit_test(test_extensions_parse_back),
        cmocka_unit_test(test_version_1_has_no_extensions),
        cmocka_unit_test(test_list_revokes_what_it_names),
        cmocka_unit_test(test_list_knobs_parse_back),
        cmocka_unit_test(test_v1_and_wrongly_signed_lists),
        cmocka_unit_test(test_synthetic_entries_are_found_by_serial),
        cmocka_unit_test(test_files_have_chain_order_and_modes),
    };

    return cmocka_run_group_tests(tests, world_make, world_end);
}
