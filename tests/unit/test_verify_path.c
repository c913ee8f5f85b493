/* SPDX-License-Identifier: Apache-2.0 */
#include "support/pki.h"
#include "unit/verify_store.h"

/* ---- the zoo ---- */

struct shape {
    const char *what;
    struct pki_cert_spec spec;
    enum reason want;
    const char *part; /* of the detail */
};

/* A date of a table: seconds from the time of the test. */
#define ORIGIN (INT64_C(1) << 50)
#define FROM_NOW(s) (ORIGIN + (s))

static int64_t
date_of(const struct fixture *f, int64_t date_s)
{
    return date_s > ORIGIN / 2 ? f->now_s + date_s - ORIGIN : date_s;
}

static struct pki_cert_spec
spec_of(const struct fixture *f, const struct shape *shape)
{
    struct pki_cert_spec spec = shape->spec;

    spec.not_before_s = date_of(f, spec.not_before_s);
    spec.not_after_s = date_of(f, spec.not_after_s);
    return spec;
}

static void
run_zoo(const struct fixture *f, const struct shape *shapes, size_t count,
        const struct pki_cert *issuer)
{
    for (size_t i = 0; i < count; i++) {
        struct pki_cert_spec spec = spec_of(f, &shapes[i]);
        struct pki_cert *leaf = pki_issue(&spec, issuer);
        struct verdict v;

        if (leaf->x509 == NULL)
            fail_msg("%s: libcrypto cannot read it", shapes[i].what);
        v = judge(f, leaf);
        if (v.reason != shapes[i].want ||
            (shapes[i].part != NULL && strstr(v.detail, shapes[i].part) == NULL))
            fail_msg("%s: %s (%s), not %s", shapes[i].what, reason_token(v.reason), v.detail,
                     reason_token(shapes[i].want));
        verdict_done(&v);
        pki_free(leaf);
    }
}

static const struct pki_san dns[] = {{PKI_SAN_DNS, STR_INIT("a.example")}};

static const struct shape leaves[] = {
    /* usage */
    {"client", {.cn = "x"}, REASON_NONE, NULL},
    {"no EKU", {.cn = "x", .eku = PKI_NONE}, REASON_NONE, NULL},
    {"client and server EKU", {.cn = "x", .eku = "clientAuth,serverAuth"}, REASON_NONE, NULL},
    {"client and unknown EKU", {.cn = "x", .eku = "1.2.3.4,clientAuth"}, REASON_NONE, NULL},
    {"server EKU", {.cn = "x", .eku = "serverAuth"}, REASON_PURPOSE_INVALID, "certificate 0"},
    {"server role", {.cn = "x", .role = PKI_SERVER}, REASON_PURPOSE_INVALID, NULL},
    {"any EKU", {.cn = "x", .eku = "anyExtendedKeyUsage"}, REASON_PURPOSE_INVALID, NULL},
    {"unknown EKU", {.cn = "x", .eku = "1.2.3.4"}, REASON_PURPOSE_INVALID, NULL},
    {"email EKU", {.cn = "x", .eku = "emailProtection"}, REASON_PURPOSE_INVALID, NULL},
    {"no KU", {.cn = "x", .ku = PKI_NONE}, REASON_NONE, NULL},
    {"signature and encipherment",
     {.cn = "x", .ku = "digitalSignature,keyEncipherment"},
     REASON_NONE,
     NULL},
    {"encipherment only", {.cn = "x", .ku = "keyEncipherment"}, REASON_PURPOSE_INVALID, NULL},
    {"agreement only",
     {.cn = "x", .ku = "keyAgreement"},
     REASON_PURPOSE_INVALID,
     "lacks digitalSignature"},
    {"CA as client",
     {.cn = "x", .basic = PKI_BASIC_CA},
     REASON_PURPOSE_INVALID,
     "certificate authority"},
    {"CA not critical",
     {.cn = "x", .basic = PKI_BASIC_CA_NOT_CRITICAL},
     REASON_PURPOSE_INVALID,
     "certificate authority"},
    {"CA with client use",
     {.cn = "x", .role = PKI_CA, .ku = "keyCertSign,digitalSignature", .eku = "clientAuth"},
     REASON_PURPOSE_INVALID,
     "certificate authority"},
    {"basicConstraints absent", {.cn = "x", .basic = PKI_BASIC_NONE}, REASON_NONE, NULL},
    {"basicConstraints CA:FALSE", {.cn = "x", .basic = PKI_BASIC_EE}, REASON_NONE, NULL},
    /* version */
    {"v1", {.cn = "x", .version = 1}, REASON_TYPE_UNSUPPORTED, "not X.509 version 3"},
    {"v2", {.cn = "x", .version = 2}, REASON_TYPE_UNSUPPORTED, "not X.509 version 3"},
    /* keys */
    {"P-384", {.cn = "x", .key_kind = PKI_P384}, REASON_NONE, NULL},
    {"P-521", {.cn = "x", .key_kind = PKI_P521}, REASON_NONE, NULL},
    {"RSA 2048", {.cn = "x", .key_kind = PKI_RSA2048}, REASON_NONE, NULL},
    {"RSA 4096", {.cn = "x", .key_kind = PKI_RSA4096}, REASON_NONE, NULL},
    {"RSA-PSS key", {.cn = "x", .key_kind = PKI_RSA_PSS2048}, REASON_NONE, NULL},
    {"RSA 1024",
     {.cn = "x", .key_kind = PKI_RSA1024},
     REASON_TYPE_UNSUPPORTED,
     "RSA key of 1024 bits; 2048 to 8192 are allowed"},
    {"P-224", {.cn = "x", .key_kind = PKI_P224}, REASON_TYPE_UNSUPPORTED, "secp224r1"},
    {"secp256k1", {.cn = "x", .key_kind = PKI_SECP256K1}, REASON_TYPE_UNSUPPORTED, "secp256k1"},
    {"explicit curve", {.cn = "x", .key_kind = PKI_P256_EXPLICIT}, REASON_TYPE_UNSUPPORTED, NULL},
    {"Ed25519", {.cn = "x", .key_kind = PKI_ED25519}, REASON_TYPE_UNSUPPORTED, "ED25519"},
    /* signatures */
    {"SHA-384", {.cn = "x", .digest = "SHA384"}, REASON_NONE, NULL},
    {"SHA-512", {.cn = "x", .digest = "SHA512"}, REASON_NONE, NULL},
    {"SHA-1", {.cn = "x", .digest = "SHA1"}, REASON_INCOMPATIBLE, "signed with ecdsa-with-SHA1"},
    {"SHA-224", {.cn = "x", .digest = "SHA224"}, REASON_INCOMPATIBLE, "ecdsa-with-SHA224"},
    {"SHA3-256", {.cn = "x", .digest = "SHA3-256"}, REASON_UNTRUSTED, NULL},
    {"bad signature", {.cn = "x", .corrupt_signature = true}, REASON_UNTRUSTED, "signature"},
    /* dates */
    {"expired",
     {.cn = "x", .not_before_s = FROM_NOW(-2 * DAY), .not_after_s = FROM_NOW(-DAY)},
     REASON_EXPIRED,
     "expired at"},
    {"not yet valid",
     {.cn = "x", .not_before_s = FROM_NOW(DAY)},
     REASON_NOT_YET_VALID,
     "not valid before"},
    {"valid to this second", {.cn = "x", .not_after_s = FROM_NOW(0)}, REASON_NONE, NULL},
    {"expired a second ago", {.cn = "x", .not_after_s = FROM_NOW(-1)}, REASON_EXPIRED, NULL},
    {"valid from this second", {.cn = "x", .not_before_s = FROM_NOW(0)}, REASON_NONE, NULL},
    {"valid in a second", {.cn = "x", .not_before_s = FROM_NOW(1)}, REASON_NOT_YET_VALID, NULL},
    {"past 2050", {.cn = "x", .not_after_s = INT64_C(4102444800)}, REASON_NONE, NULL},
    {"end before begin",
     {.cn = "x", .not_before_s = FROM_NOW(DAY), .not_after_s = FROM_NOW(-DAY)},
     REASON_EXPIRED,
     NULL},
    /* serials */
    {"serial 0", {.cn = "x", .serial = STR_INIT("\x00")}, REASON_NONE, NULL},
    {"serial negative", {.cn = "x", .serial = STR_INIT("\x85")}, REASON_NONE, NULL},
    {"serial of 20 octets",
     {.cn = "x",
      .serial = STR_INIT("\x7f"
                         "2345678901234567890")},
     REASON_NONE,
     NULL},
    {"serial of 40 octets",
     {.cn = "x",
      .serial = STR_INIT("\x7f"
                         "234567890123456789012345678901234567890")},
     REASON_NONE,
     NULL},
    /* names and extensions */
    {"empty subject", {.empty_subject = true, .sans = dns, .san_count = 1}, REASON_NONE, NULL},
    {"SAN", {.cn = "x", .sans = dns, .san_count = 1}, REASON_NONE, NULL},
    {"policies", {.cn = "x", .policies = "1.2.3.4,anyPolicy"}, REASON_NONE, NULL},
    {"unknown critical extension",
     {.cn = "x", .unknown_critical_ext = true},
     REASON_UNTRUSTED,
     "critical"},
    {"unknown extension", {.cn = "x", .padding_bytes = 100}, REASON_NONE, NULL},
    {"malformed basicConstraints",
     {.cn = "x",
      .basic = PKI_BASIC_NONE,
      .extra_ext_oid = "2.5.29.19",
      .extra_ext_der = STR_INIT("\x30\x03\x02\x01")},
     REASON_INVALID,
     "malformed"},
    {"malformed SAN",
     {.cn = "x", .extra_ext_oid = "2.5.29.17", .extra_ext_der = STR_INIT("\x05\x00")},
     REASON_INVALID,
     "malformed"},
    {"malformed name constraints",
     {.cn = "x", .extra_ext_oid = "2.5.29.30", .extra_ext_der = STR_INIT("\x02\x01\x00")},
     REASON_INVALID,
     "malformed"},
    {"keyUsage twice",
     {.cn = "x", .extra_ext_oid = "2.5.29.15", .extra_ext_der = STR_INIT("\x03\x02\x07\x80")},
     REASON_INVALID,
     "repeated"},
    {"EKU twice",
     {.cn = "x",
      .extra_ext_oid = "2.5.29.37",
      .extra_ext_der = STR_INIT("\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02")},
     REASON_INVALID,
     "repeated"},
    {"proxy certificate",
     {.cn = "x",
      .extra_ext_oid = "1.3.6.1.5.5.7.1.14",
      .extra_ext_critical = true,
      .extra_ext_der = STR_INIT("\x30\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x15\x01")},
     REASON_UNTRUSTED,
     NULL},
    {"wrong AKI", {.cn = "x", .wrong_aki = true}, REASON_UNTRUSTED, NULL},
    {"no AKI", {.cn = "x", .no_aki = true, .no_ski = true}, REASON_NONE, NULL},
    /* size */
    {"largest size", {.cn = "x", .padding_bytes = CLIENT_CERT_DER_MAX - 600}, REASON_NONE, NULL},
    {"over size",
     {.cn = "x", .padding_bytes = CLIENT_CERT_DER_MAX},
     REASON_MAX_SIZE,
     "at most 8192"},
};

static const struct shape intermediates[] = {
    {"good", {.cn = "I"}, REASON_NONE, NULL},
    {"no KU", {.cn = "I", .ku = PKI_NONE}, REASON_NONE, NULL},
    {"client EKU", {.cn = "I", .eku = "clientAuth"}, REASON_NONE, NULL},
    {"server EKU", {.cn = "I", .eku = "serverAuth"}, REASON_PURPOSE_INVALID, "certificate 1"},
    {"no CA", {.cn = "I", .basic = PKI_BASIC_EE}, REASON_UNTRUSTED, NULL},
    {"no basicConstraints", {.cn = "I", .basic = PKI_BASIC_NONE}, REASON_UNTRUSTED, NULL},
    {"no keyCertSign", {.cn = "I", .ku = "cRLSign,digitalSignature"}, REASON_UNTRUSTED, NULL},
    {"v1", {.cn = "I", .version = 1}, REASON_UNTRUSTED, NULL},
    {"pathlen 0", {.cn = "I", .pathlen = PKI_PATHLEN(0)}, REASON_NONE, NULL},
    {"expired",
     {.cn = "I", .not_before_s = FROM_NOW(-2 * DAY), .not_after_s = FROM_NOW(-DAY)},
     REASON_EXPIRED,
     "certificate 1"},
    {"not yet valid",
     {.cn = "I", .not_before_s = FROM_NOW(DAY)},
     REASON_NOT_YET_VALID,
     "certificate 1"},
    {"SHA-1", {.cn = "I", .digest = "SHA1"}, REASON_INCOMPATIBLE, "certificate 1"},
    {"RSA 1024", {.cn = "I", .key_kind = PKI_RSA1024}, REASON_TYPE_UNSUPPORTED, "certificate 1"},
    {"secp256k1", {.cn = "I", .key_kind = PKI_SECP256K1}, REASON_TYPE_UNSUPPORTED, NULL},
    {"P-224", {.cn = "I", .key_kind = PKI_P224}, REASON_TYPE_UNSUPPORTED, NULL},
    {"Ed25519", {.cn = "I", .key_kind = PKI_ED25519}, REASON_TYPE_UNSUPPORTED, "certificate 1"},
    {"RSA 2048", {.cn = "I", .key_kind = PKI_RSA2048}, REASON_NONE, NULL},
    {"P-384", {.cn = "I", .key_kind = PKI_P384}, REASON_NONE, NULL},
    {"unknown critical", {.cn = "I", .unknown_critical_ext = true}, REASON_UNTRUSTED, NULL},
    {"malformed extension",
     {.cn = "I", .extra_ext_oid = "2.5.29.30", .extra_ext_der = STR_INIT("\x02\x01\x00")},
     REASON_INVALID,
     "certificate 1"},
    {"bad signature", {.cn = "I", .corrupt_signature = true}, REASON_UNTRUSTED, NULL},
    {"excludes the leaf",
     {.cn = "I", .name_constraints = "excluded;DNS:a.example"},
     REASON_UNTRUSTED,
     "excluded"},
    {"permits others only",
     {.cn = "I", .name_constraints = "permitted;DNS:b.example"},
     REASON_UNTRUSTED,
     "permitted"},
    {"permits the leaf",
     {.cn = "I", .name_constraints = "permitted;DNS:a.example"},
     REASON_NONE,
     NULL},
};

static void
leaves_of_every_shape_get_their_reason(void **state)
{
    const struct fixture *f = *state;

    assert_true(array_len(leaves) >= 60);
    run_zoo(f, leaves, array_len(leaves), f->ca);
}

static void
a_leaf_signed_by_another_key_is_untrusted(void **state)
{
    const struct fixture *f = *state;
    const struct shape forged = {"signed by another key",
                                 {.cn = "x", .sign_with = f->foreign_ca->key},
                                 REASON_UNTRUSTED,
                                 "signature"};

    run_zoo(f, &forged, 1, f->ca);
}

/* An intermediate of each shape, with a good leaf below it. */
static void
intermediates_of_every_shape_get_their_reason(void **state)
{
    const struct fixture *f = *state;

    for (size_t i = 0; i < array_len(intermediates); i++) {
        const struct shape *shape = &intermediates[i];
        struct pki_cert_spec spec = spec_of(f, shape);
        struct shape leaf = {.what = shape->what,
                             .spec = {.cn = "alice", .sans = dns, .san_count = 1},
                             .want = shape->want,
                             .part = shape->part};
        struct pki_cert *intermediate;

        spec.role = PKI_CA;
        intermediate = pki_issue(&spec, f->root);
        run_zoo(f, &leaf, 1, intermediate);
        pki_free(intermediate);
    }
}

/* OpenSSL calls this path good once its callback has passed over the key. */
static void
a_weak_key_without_a_path_is_untrusted(void **state)
{
    static const struct pki_cert_spec faults[] = {{.cn = "weak", .key_kind = PKI_RSA1024},
                                                  {.cn = "odd", .key_kind = PKI_P256_EXPLICIT}};
    struct fixture *f = *state;

    for (size_t i = 0; i < array_len(faults); i++) {
        struct pki_cert *leaf = pki_issue(&faults[i], f->ca);
        struct verdict v;

        verify_chain(f->trust, leaf->x509, NULL, NULL, f->now_s, NULL, &v);
        assert_false(v.is_admitted);
        assert_int_equal(v.reason, REASON_UNTRUSTED);
        assert_non_null(strstr(v.detail, "its issuer \"CN=Test CA\" is not in trust store"));
        assert_int_equal(v.chain_count, 0);
        verdict_done(&v);
        pki_free(leaf);
    }
}

static void
a_leaf_that_issued_a_leaf_is_no_ca(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *alice = pki_client(f->ca, "alice"), *mallory = pki_client(alice, "mallory");

    expect(f, mallory, REASON_UNTRUSTED, "certificate 1 \"CN=alice\"");
    pki_free(mallory);
    pki_free(alice);
}

static void
pathlen_is_obeyed(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec spec = {.role = PKI_CA, .cn = "Short", .pathlen = PKI_PATHLEN(0)};
    struct pki_cert *limited = pki_issue(&spec, f->root);
    struct pki_cert *below = pki_intermediate(limited, "Below");
    struct pki_cert *leaf = pki_client(below, "alice");

    expect(f, leaf, REASON_UNTRUSTED, "path length");
    pki_free(leaf);
    pki_free(below);
    pki_free(limited);
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(leaves_of_every_shape_get_their_reason),
        with_store(a_leaf_signed_by_another_key_is_untrusted),
        with_store(intermediates_of_every_shape_get_their_reason),
        with_store(a_weak_key_without_a_path_is_untrusted),
        with_store(a_leaf_that_issued_a_leaf_is_no_ca),
        with_store(pathlen_is_obeyed),
    };

    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
