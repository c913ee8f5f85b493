/* SPDX-License-Identifier: Apache-2.0 */
#include "support/pki.h"
#include "unit/trust_files.h"

/* ---- the bundle ---- */

static void
a_bundle_becomes_a_store(void **state)
{
    struct fixture *f = *state;
    struct trust *t = build(f, NULL);
    X509 *copy = X509_dup(f->ca->x509);

    assert_string_equal(trust_name(t), "partners");
    assert_int_equal(trust_ca_count(t), 2);
    assert_int_equal(X509_cmp(trust_ca(t, 0), f->root->x509), 0);
    assert_int_equal(X509_cmp(trust_ca(t, 1), f->ca->x509), 0);
    assert_true(trust_contains(t, f->ca->x509));
    assert_true(trust_contains(t, copy));
    assert_false(trust_contains(t, f->leaf->x509));
    assert_false(trust_contains(t, f->ca2->x509));
    assert_int_equal(sk_X509_NAME_num(trust_ca_names(t)), 2);
    assert_int_equal(trust_crl_count(t), 0);
    assert_int_equal(trust_max_chain_depth(t), 4);
    assert_non_null(trust_store(t));
    assert_int_equal(f->diag.warning_count, 0);
    assert_ptr_equal(trust_ref(t), t);
    trust_unref(t);
    trust_unref(t);
    trust_unref(NULL);
    X509_free(copy);
}

static void
what_is_no_anchor_is_refused(void **state)
{
    struct fixture *f = *state;
    const struct {
        struct pki_cert_spec spec;
        const char *part;
    } rows[] = {
        {{.role = PKI_CLIENT, .cn = "x"}, "no certificate authority"},
        {{.role = PKI_CA, .cn = "x", .version = 1}, "X.509 version 1"},
        {{.role = PKI_CA, .cn = "x", .version = 2}, "X.509 version 2"},
        {{.role = PKI_CA, .cn = "x", .basic = PKI_BASIC_NONE}, "no certificate authority"},
        {{.role = PKI_CA, .cn = "x", .basic = PKI_BASIC_EE}, "no certificate authority"},
        {{.role = PKI_CA, .cn = "x", .ku = "cRLSign"}, "keyUsage without keyCertSign"},
        {{.role = PKI_CA, .cn = "x", .unknown_critical_ext = true}, "critical extension"},
        {{.role = PKI_CA, .empty_subject = true}, "empty subject"},
        {{.role = PKI_CA,
          .cn = "x",
          .not_before_s = f->now_s - 2 * DAY,
          .not_after_s = f->now_s - DAY},
         "expired at"},
        {{.role = PKI_CA, .cn = "x", .key_kind = PKI_RSA1024}, "RSA key of 1024 bits"},
        {{.role = PKI_CA, .cn = "x", .key_kind = PKI_P224}, "curve secp224r1"},
        {{.role = PKI_CA, .cn = "x", .key_kind = PKI_SECP256K1}, "curve secp256k1"},
        {{.role = PKI_CA, .cn = "x", .key_kind = PKI_P256_EXPLICIT}, "explicit parameters"},
        {{.role = PKI_CA, .cn = "x", .key_kind = PKI_ED25519}, "key type ED25519"},
        {{.role = PKI_CA, .cn = "x", .digest = "SHA1"}, "is signed with ecdsa-with-SHA1"},
        {{.role = PKI_CA, .cn = "x", .digest = "SHA224"}, "is signed with ecdsa-with-SHA224"},
        {{.role = PKI_CA, .cn = "x", .corrupt_signature = true}, "its signature is not that"},
        {{.role = PKI_CA, .cn = "x", .sign_with = f->ca->key}, "its signature is not that"},
    };

    for (size_t i = 0; i < array_len(rows); i++) {
        struct pki_cert *bad = pki_issue(&rows[i].spec, NULL);
        struct bytes pem = {0};

        pki_pem_cert(&pem, f->root);
        pki_pem_cert(&pem, bad);
        file_spill(f->bundle, pem.ptr, pem.len, 0644);
        assert_refused(f, rows[i].part);
        assert_true(says(&f->diag, "bundle.pem:"));
        bytes_free(&pem);
        pki_free(bad);
    }
}

static void
all_bad_certificates_are_reported_at_once(void **state)
{
    struct fixture *f = *state;

    pki_write_certs(f->bundle, f->leaf, f->root, f->root, f->leaf, NULL);
    assert_null(build_after(f, NULL));
    assert_int_equal(f->diag.error_count, 3);
    assert_true(says(&f->diag, "appears twice"));
}

static void
bundle_files_that_are_no_bundle_are_refused(void **state)
{
    struct fixture *f = *state;
    struct bytes pem = {0};
    const char *valid_bundle = f->bundle;

    file_spill(f->bundle, "", 0, 0644);
    assert_refused(f, "is empty");
    file_spill(f->bundle, "# nothing\n", 10, 0644);
    assert_refused(f, "holds no");
    file_spill(f->bundle, f->root->der.ptr, f->root->der.len, 0644);
    assert_refused(f, "DER, not PEM");
    pki_pem_add(&pem, "CERTIFICATE", STR("\x30\x03\x02\x01\x01"));
    file_spill(f->bundle, pem.ptr, pem.len, 0644);
    assert_refused(f, "is no certificate");
    f->src.ca_bundle = f->dir;
    assert_refused(f, "is a directory");
    f->src.ca_bundle = "/nonexistent/ca.pem";
    assert_refused(f, "/nonexistent/ca.pem");
    f->src.ca_bundle = valid_bundle;
    bytes_free(&pem);
}

static void
trailing_bytes_in_a_certificate_are_refused(void **state)
{
    struct fixture *f = *state;
    struct bytes der = {0}, pem = {0};

    bytes_add(&der, f->root->der.ptr, f->root->der.len);
    bytes_add(&der, "\0", 1);
    pki_pem_add(&pem, "CERTIFICATE", bytes_str(&der));
    file_spill(f->bundle, pem.ptr, pem.len, 0644);
    assert_refused(f, "is no certificate");
    bytes_free(&der);
    bytes_free(&pem);
}

static void
an_intermediate_alone_is_an_anchor_with_a_warning(void **state)
{
    struct fixture *f = *state;
    struct trust *t;

    pki_write_certs(f->bundle, f->ca, NULL);
    t = build(f, NULL);
    assert_int_equal(trust_ca_count(t), 1);
    assert_true(says(&f->diag, "cannot be checked"));
    trust_unref(t);
}

static void
a_ca_that_expires_while_in_use_does_not_block_a_reload(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec spec = {.role = PKI_CA, .cn = "Short", .not_after_s = f->now_s + 10};
    struct pki_cert *soon = pki_issue(&spec, NULL);
    struct trust *t, *again;

    pki_write_certs(f->bundle, soon, f->root, NULL);
    t = build(f, NULL);
    f->now_s += 20;
    assert_refused(f, "expired at");
    again = build(f, t);
    assert_true(says(&f->diag, "expired at"));
    trust_unref(again);
    trust_unref(t);
    pki_free(soon);
}

static void
a_ca_of_tomorrow_is_a_warning(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec spec = {.role = PKI_CA, .cn = "Next", .not_before_s = f->now_s + DAY};
    struct pki_cert *next = pki_issue(&spec, NULL);
    struct trust *t;

    pki_write_certs(f->bundle, next, f->root, NULL);
    t = build(f, NULL);
    assert_true(says(&f->diag, "is not valid before"));
    trust_unref(t);
    pki_free(next);
}

static void
names_to_advertise_are_unique(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *twin = pki_root("Test Root");
    struct trust *t;

    pki_write_certs(f->bundle, f->root, twin, NULL);
    t = build(f, NULL);
    assert_int_equal(trust_ca_count(t), 2);
    assert_int_equal(sk_X509_NAME_num(trust_ca_names(t)), 1);
    trust_unref(t);
    pki_free(twin);
}

static void
the_same_anchors_in_another_order_are_the_same(void **state)
{
    struct fixture *f = *state;
    struct trust *t = build(f, NULL), *u;

    pki_write_certs(f->bundle, f->ca, f->root, NULL);
    u = build(f, NULL);
    assert_true(trust_same_anchors(t, u));
    trust_unref(u);
    f->src.max_chain_depth = 3;
    u = build(f, NULL);
    assert_false(trust_same_anchors(t, u));
    trust_unref(u);
    f->src.max_chain_depth = 4;
    pki_write_certs(f->bundle, f->ca, f->root, f->ca2, NULL);
    u = build(f, NULL);
    assert_false(trust_same_anchors(t, u));
    trust_unref(u);
    trust_unref(t);
}

static void
a_ca_that_has_gone_is_said(void **state)
{
    struct fixture *f = *state;
    struct trust *t = build(f, NULL), *smaller;

    assert_false(says(&f->diag, "not in the file any more"));
    pki_write_certs(f->bundle, f->ca, NULL);
    smaller = build(f, t);
    assert_true(says(&f->diag, "CA certificate \"CN=Test Root\""));
    assert_true(says(&f->diag, "is in use and not in the file any more"));
    assert_false(says(&f->diag, "\"CN=Test CA\" serial"));
    trust_unref(smaller);
    trust_unref(t);
}

#define with_files(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_files(a_bundle_becomes_a_store),
        with_files(what_is_no_anchor_is_refused),
        with_files(all_bad_certificates_are_reported_at_once),
        with_files(bundle_files_that_are_no_bundle_are_refused),
        with_files(trailing_bytes_in_a_certificate_are_refused),
        with_files(an_intermediate_alone_is_an_anchor_with_a_warning),
        with_files(a_ca_that_expires_while_in_use_does_not_block_a_reload),
        with_files(a_ca_of_tomorrow_is_a_warning),
        with_files(names_to_advertise_are_unique),
        with_files(the_same_anchors_in_another_order_are_the_same),
        with_files(a_ca_that_has_gone_is_said),
    };

    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
