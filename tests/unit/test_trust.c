/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "cert/trust.h"
#include "support/pki.h"

#define DAY INT64_C(86400)
enum { PATHS_MAX = 8 };

/* A trust store on disk: bundle.pem and the lists that paths names. */
struct fixture {
    struct pki_cert *root, *ca, *ca2, *leaf;
    char *dir, *bundle;
    const char *paths[PATHS_MAX];
    struct trust_source src;
    struct diag diag;
    int64_t now_s;
};

static int
setup_all(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->root = pki_root("Test Root");
    f->ca = pki_intermediate(f->root, "Test CA");
    f->ca2 = pki_intermediate(f->root, "Second CA");
    f->leaf = pki_client(f->ca, "alice");
    *state = f;
    return 0;
}

static int
teardown_all(void **state)
{
    struct fixture *f = *state;

    pki_free(f->leaf);
    pki_free(f->ca2);
    pki_free(f->ca);
    pki_free(f->root);
    free(f);
    return 0;
}

/* Root and CA in the bundle, no lists. */
static int
setup(void **state)
{
    struct fixture *f = *state;

    f->now_s = wall_s();
    f->dir = unit_tmp_new();
    f->bundle = unit_path(f->dir, "bundle.pem");
    pki_write_certs(f->bundle, f->root, f->ca, NULL);
    f->src = (struct trust_source){
        .name = "partners", .ca_bundle = f->bundle, .crl_paths = f->paths, .max_chain_depth = 4};
    diag_init(&f->diag);
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < f->src.crl_path_count; i++)
        free((void *)(uintptr_t)f->paths[i]);
    free(f->bundle);
    unit_tmp_done(f->dir);
    diag_done(&f->diag);
    return 0;
}

/* Adds dir/name to the lists, or writes it anew. */
static void
write_list(struct fixture *f, const char *name, const struct pki_crl_spec *spec,
           const struct pki_cert *issuer)
{
    char *path = unit_path(f->dir, name);

    pki_crl_write(path, true, spec, issuer);
    for (size_t i = 0; i < f->src.crl_path_count; i++) {
        if (strcmp(f->paths[i], path) == 0) {
            free(path);
            return;
        }
    }
    assert_true(f->src.crl_path_count < PATHS_MAX);
    f->paths[f->src.crl_path_count++] = path;
}

static void
write_number(struct fixture *f, const char *name, uint64_t number, int64_t this_update_s)
{
    struct pki_crl_spec spec = {.number = number, .this_update_s = this_update_s};

    write_list(f, name, &spec, f->ca);
}

static bool
says(const struct diag *d, const char *part)
{
    for (size_t i = 0; i < d->count; i++) {
        if (strstr(d->entries[i].text, part) != NULL)
            return true;
    }
    return false;
}

static struct trust *
build_after(struct fixture *f, const struct trust *previous)
{
    struct trust *t = NULL;
    int err;

    diag_done(&f->diag);
    diag_init(&f->diag);
    err = trust_build(&f->src, previous, f->now_s, &f->diag, &t);
    assert_int_equal(err == 0, t != NULL);
    assert_int_equal(err == 0, f->diag.error_count == 0);
    assert_int_equal(ERR_peek_error(), 0);
    return t;
}

static struct trust *
build(struct fixture *f, const struct trust *previous)
{
    struct trust *t = build_after(f, previous);

    if (t == NULL)
        diag_print(&f->diag, stderr);
    assert_non_null(t);
    return t;
}

static void
assert_refused_after(struct fixture *f, const struct trust *previous, const char *part)
{
    assert_null(build_after(f, previous));
    if (!says(&f->diag, part)) {
        diag_print(&f->diag, stderr);
        fail_msg("no error says \"%s\"", part);
    }
}

#define assert_refused(f, part) assert_refused_after(f, NULL, part)

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

/* ---- lists ---- */

static struct revocation
ask(const struct fixture *f, const struct trust *t, const struct pki_cert *cert)
{
    struct revocation r;

    trust_revocation(t, cert->x509, cert->issuer->x509, f->now_s, &r);
    return r;
}

static void
without_lists_nothing_is_asked(void **state)
{
    struct fixture *f = *state;
    struct trust *t = build(f, NULL);
    struct revocation r = ask(f, t, f->leaf);

    assert_int_equal(r.state, REVOCATION_GOOD);
    assert_null(r.crl);
    assert_true(r.valid_until_s == INT64_MAX);
    trust_unref(t);
}

static void
configured_but_empty_lists_are_missing_lists(void **state)
{
    struct fixture *f = *state;
    struct trust *t;

    f->src.crls_configured = true;
    t = build(f, NULL);
    assert_int_equal(ask(f, t, f->leaf).state, REVOCATION_MISSING);
    assert_true(says(&f->diag, "CrlMissing"));
    trust_unref(t);
}

static void
a_lookup_says_good_until_the_next_update(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_spec spec = {.next_update_s = f->now_s + DAY};
    struct revocation r;
    struct trust *t;

    write_list(f, "ca.crl", &spec, f->ca);
    t = build(f, NULL);
    r = ask(f, t, f->leaf);
    assert_int_equal(r.state, REVOCATION_GOOD);
    assert_ptr_equal(r.crl, trust_crl(t, 0));
    assert_int_equal(r.valid_until_s, f->now_s + DAY);
    /* the root has none */
    assert_int_equal(ask(f, t, f->ca).state, REVOCATION_MISSING);
    trust_unref(t);
}

static void
a_listed_serial_is_a_hit_whatever_the_age(void **state)
{
    struct fixture *f = *state;
    static const enum crl_expired policies[] = {CRL_EXPIRED_REFUSE, CRL_EXPIRED_GRACE,
                                                CRL_EXPIRED_ALLOW};
    struct pki_crl_entry entry = {.cert = f->leaf};
    struct pki_crl_spec spec = {
        .entries = &entry, .entry_count = 1, .next_update_s = f->now_s + DAY};
    struct pki_cert *bob = pki_client(f->ca, "bob");

    write_list(f, "ca.crl", &spec, f->ca);
    for (size_t i = 0; i < array_len(policies); i++) {
        struct revocation r;
        struct trust *t;

        f->now_s = wall_s();
        f->src.crl_expired = policies[i];
        f->src.crl_grace_s = DAY;
        t = build(f, NULL);
        assert_int_equal(ask(f, t, f->leaf).state, REVOCATION_HIT);
        f->now_s += 10 * DAY;
        r = ask(f, t, f->leaf);
        assert_int_equal(r.state, REVOCATION_HIT);
        assert_ptr_equal(r.crl, trust_crl(t, 0));
        assert_int_equal(ask(f, t, bob).state,
                         policies[i] == CRL_EXPIRED_ALLOW ? REVOCATION_GOOD : REVOCATION_EXPIRED);
        trust_unref(t);
    }
    pki_free(bob);
}

static void
grace_ends_when_it_says(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_spec spec = {.next_update_s = f->now_s + 100};
    struct revocation r;
    struct trust *t;

    write_list(f, "ca.crl", &spec, f->ca);
    f->src.crl_expired = CRL_EXPIRED_GRACE;
    f->src.crl_grace_s = 50;
    t = build(f, NULL);
    f->now_s += 150;
    r = ask(f, t, f->leaf);
    assert_int_equal(r.state, REVOCATION_GOOD);
    assert_int_equal(r.valid_until_s, f->now_s);
    f->now_s += 1;
    assert_int_equal(ask(f, t, f->leaf).state, REVOCATION_EXPIRED);
    trust_unref(t);
}

static void
missing_lists_follow_the_policy(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_spec spec = {0};
    struct trust *t;

    write_list(f, "root.crl", &spec, f->root);
    t = build(f, NULL);
    assert_int_equal(ask(f, t, f->leaf).state, REVOCATION_MISSING);
    assert_int_equal(ask(f, t, f->ca).state, REVOCATION_GOOD);
    trust_unref(t);
    f->src.crl_missing = CRL_MISSING_ALLOW;
    t = build(f, NULL);
    assert_int_equal(ask(f, t, f->leaf).state, REVOCATION_GOOD);
    assert_true(says(&f->diag, "counts as not revoked"));
    trust_unref(t);
}

static void
several_lists_in_one_file_and_one_in_der(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_spec spec = {0};
    struct bytes one = pki_crl_pem(&spec, f->root), two = pki_crl_pem(&spec, f->ca);
    struct trust *t;

    bytes_add(&one, two.ptr, two.len);
    f->paths[f->src.crl_path_count++] = unit_write_file(f->dir, "both.pem", bytes_str(&one));
    t = build(f, NULL);
    assert_int_equal(trust_crl_count(t), 2);
    assert_true(crl_info(trust_crl(t, 1))->line > 1);
    trust_unref(t);
    free((void *)(uintptr_t)f->paths[0]);
    f->paths[0] = unit_path(f->dir, "one.crl");
    pki_crl_write(f->paths[0], false, &spec, f->ca);
    t = build(f, NULL);
    assert_int_equal(trust_crl_count(t), 1);
    trust_unref(t);
    bytes_free(&one);
    bytes_free(&two);
}

static void
a_list_for_a_reissued_ca_with_the_same_key_applies(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec again = {.role = PKI_CA, .cn = "Test CA", .key = f->ca->key};
    struct pki_cert *reissued = pki_issue(&again, f->root);
    struct pki_crl_entry entry = {.cert = f->leaf};
    struct pki_crl_spec spec = {.entries = &entry, .entry_count = 1};
    struct revocation r;
    struct trust *t;

    write_list(f, "ca.crl", &spec, f->ca);
    t = build(f, NULL);
    trust_revocation(t, f->leaf->x509, reissued->x509, f->now_s, &r);
    assert_int_equal(r.state, REVOCATION_HIT);
    trust_unref(t);
    pki_free(reissued);
}

static void
another_ca_of_the_same_name_has_another_list(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *twin = pki_intermediate(f->root, "Test CA");
    struct pki_crl_entry entry = {.cert = f->leaf};
    struct pki_crl_spec spec = {.entries = &entry, .entry_count = 1};
    struct revocation r;
    struct trust *t;

    pki_write_certs(f->bundle, f->root, f->ca, twin, NULL);
    write_list(f, "ca.crl", &spec, f->ca);
    t = build(f, NULL);
    trust_revocation(t, f->leaf->x509, twin->x509, f->now_s, &r);
    assert_int_equal(r.state, REVOCATION_MISSING);
    trust_unref(t);
    pki_free(twin);
}

static void
a_revoked_ca_of_the_bundle_is_known(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_entry entry = {.cert = f->ca};
    struct pki_crl_spec spec = {.entries = &entry, .entry_count = 1};
    struct trust *t;

    write_list(f, "root.crl", &spec, f->root);
    t = build(f, NULL);
    assert_ptr_equal(trust_revoked_ca(t, f->ca->x509), trust_crl(t, 0));
    assert_null(trust_revoked_ca(t, f->root->x509));
    assert_null(trust_revoked_ca(t, f->leaf->x509));
    assert_true(says(&f->diag, "is revoked by list"));
    trust_unref(t);
}

static void
a_bad_list_refuses_the_load(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_spec bad = {.corrupt_signature = true};
    struct pki_crl_spec foreign = {0};

    write_list(f, "a.crl", &bad, f->ca);
    write_list(f, "b.crl", &foreign, f->ca2);
    assert_null(build_after(f, NULL));
    assert_int_equal(f->diag.error_count, 2); /* both are told */
    assert_true(says(&f->diag, "issuer not in the trust store"));
}

static void
list_files_that_are_no_lists_are_refused(void **state)
{
    struct fixture *f = *state;

    f->paths[f->src.crl_path_count++] = unit_path(f->dir, "none.crl");
    assert_refused(f, "none.crl");
    assert_int_equal(mkfifo(f->paths[0], 0600), 0);
    assert_refused(f, "FIFO");
    unlink(f->paths[0]);
    file_spill(f->paths[0], "", 0, 0644);
    assert_refused(f, "is empty");
    pki_write_certs(f->paths[0], f->ca, NULL);
    assert_refused(f, "that is a certificate");
}

static void
an_expired_list_refuses_the_first_load_only(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_spec spec = {.next_update_s = f->now_s + 10};
    struct trust *t, *again;

    write_list(f, "ca.crl", &spec, f->ca);
    t = build(f, NULL);
    f->now_s += 11;
    assert_refused(f, "expired at");
    again = build(f, t);
    assert_true(says(&f->diag, "expired at"));
    trust_unref(again);
    f->src.crl_expired = CRL_EXPIRED_GRACE;
    f->src.crl_grace_s = 1;
    again = build(f, NULL);
    trust_unref(again);
    f->now_s += 1;
    assert_refused(f, "expired at");
    f->src.crl_expired = CRL_EXPIRED_ALLOW;
    again = build(f, NULL);
    trust_unref(again);
    trust_unref(t);
}

/* ---- two lists of one issuer in one load ---- */

static void
of_two_lists_the_one_with_higher_number_and_later_date_counts(void **state)
{
    struct fixture *f = *state;

    for (int order = 0; order < 2; order++) {
        struct trust *t;

        write_number(f, order ? "a.crl" : "b.crl", 1, f->now_s - 100);
        write_number(f, order ? "b.crl" : "a.crl", 2, f->now_s - 50);
        t = build(f, NULL);
        assert_int_equal(trust_crl_count(t), 1);
        assert_str_equal(crl_info(trust_crl(t, 0))->number_hex, STR("02"));
        assert_true(says(&f->diag, "is not used"));
        trust_unref(t);
    }
}

static void
two_lists_that_contradict_each_other_are_refused(void **state)
{
    static const struct {
        uint64_t number[2];
        int64_t age_s[2];
    } rows[] = {
        {{1, 2}, {50, 100}}, /* the higher number is the older one */
        {{2, 1}, {100, 50}},
        {{3, 3}, {100, 50}}, /* one number, two lists */
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < array_len(rows); i++) {
        write_number(f, "a.crl", rows[i].number[0], f->now_s - rows[i].age_s[0]);
        write_number(f, "b.crl", rows[i].number[1], f->now_s - rows[i].age_s[1]);
        assert_refused(f, "contradicts");
    }
}

static void
the_same_list_twice_counts_once(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_spec spec = {0};
    struct bytes pem = pki_crl_pem(&spec, f->ca);
    struct trust *t;

    f->paths[f->src.crl_path_count++] = unit_write_file(f->dir, "a.crl", bytes_str(&pem));
    f->paths[f->src.crl_path_count++] = unit_write_file(f->dir, "b.crl", bytes_str(&pem));
    t = build(f, NULL);
    assert_int_equal(trust_crl_count(t), 1);
    trust_unref(t);
    bytes_free(&pem);
}

static void
an_expired_list_that_revokes_is_not_beaten_by_an_older_empty_one(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_entry entry = {.cert = f->leaf};
    struct pki_crl_spec revokes = {.entries = &entry,
                                   .entry_count = 1,
                                   .number = 2,
                                   .this_update_s = f->now_s - 200,
                                   .next_update_s = f->now_s - 100};
    struct pki_crl_spec empty = {.number = 1, .this_update_s = f->now_s - 300};
    struct trust *t;

    f->src.crl_expired = CRL_EXPIRED_ALLOW;
    write_list(f, "new.crl", &revokes, f->ca);
    write_list(f, "old.crl", &empty, f->ca);
    t = build(f, NULL);
    assert_int_equal(ask(f, t, f->leaf).state, REVOCATION_HIT);
    trust_unref(t);
}

/* ---- shards ---- */

/* cRLDistributionPoints with one full name, or with a cRLIssuer when uri is NULL. */
static struct bytes
points_der(const char *uri)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    CRL_DIST_POINTS *points = sk_DIST_POINT_new_null();
    DIST_POINT *point = DIST_POINT_new();
    uint8_t *der = NULL;
    struct bytes out = {0};
    int len;

    if (uri != NULL) {
        ASN1_IA5STRING *text = ASN1_IA5STRING_new();

        ASN1_STRING_set(text, uri, -1);
        GENERAL_NAME_set0_value(name, GEN_URI, text);
        point->distpoint = DIST_POINT_NAME_new();
        point->distpoint->type = 0;
        point->distpoint->name.fullname = sk_GENERAL_NAME_new_null();
        sk_GENERAL_NAME_push(point->distpoint->name.fullname, name);
    } else {
        X509_NAME *dn = X509_NAME_new();

        X509_NAME_add_entry_by_txt(dn, "CN", MBSTRING_UTF8, (const uint8_t *)"Elsewhere", -1, -1,
                                   0);
        GENERAL_NAME_set0_value(name, GEN_DIRNAME, dn);
        point->CRLissuer = sk_GENERAL_NAME_new_null();
        sk_GENERAL_NAME_push(point->CRLissuer, name);
    }
    sk_DIST_POINT_push(points, point);
    len = i2d_CRL_DIST_POINTS(points, &der);
    bytes_add(&out, der, (size_t)len);
    OPENSSL_free(der);
    CRL_DIST_POINTS_free(points);
    return out;
}

static struct pki_cert *
client_with_point(const struct fixture *f, const char *uri)
{
    struct bytes der = points_der(uri);
    struct pki_cert_spec spec = {.role = PKI_CLIENT,
                                 .cn = "sharded",
                                 .extra_ext_oid = "2.5.29.31",
                                 .extra_ext_der = bytes_str(&der)};
    struct pki_cert *cert = pki_issue(&spec, f->ca);

    bytes_free(&der);
    return cert;
}

static void
a_certificate_needs_the_shard_that_names_its_distribution_point(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *one = client_with_point(f, "http://crl/1"),
                    *two = client_with_point(f, "http://crl/2"),
                    *three = client_with_point(f, "http://crl/3");
    struct pki_crl_entry entry = {.cert = two};
    struct pki_idp first = {.uri = "http://crl/1"}, second = {.uri = "http://crl/2"};
    struct pki_crl_spec a = {.idp = &first, .next_update_s = f->now_s + 1000};
    struct pki_crl_spec b = {
        .idp = &second, .entries = &entry, .entry_count = 1, .next_update_s = f->now_s + 2000};
    struct revocation r;
    struct trust *t;

    write_list(f, "1.crl", &a, f->ca);
    write_list(f, "2.crl", &b, f->ca);
    t = build(f, NULL);
    assert_int_equal(trust_crl_count(t), 2);
    r = ask(f, t, one);
    assert_int_equal(r.state, REVOCATION_GOOD);
    assert_int_equal(r.valid_until_s, f->now_s + 1000);
    assert_int_equal(ask(f, t, two).state, REVOCATION_HIT);
    assert_int_equal(ask(f, t, three).state, REVOCATION_MISSING);
    assert_int_equal(ask(f, t, f->leaf).state, REVOCATION_MISSING); /* names no point */
    trust_unref(t);
    pki_free(one);
    pki_free(two);
    pki_free(three);
}

static void
user_and_ca_shards_cover_their_kind(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *sub = pki_intermediate(f->ca, "Sub CA");
    struct pki_idp users = {.only_users = true}, cas = {.only_cas = true};
    struct pki_crl_spec u = {.idp = &users}, c = {.idp = &cas};
    struct trust *t;

    write_list(f, "users.crl", &u, f->ca);
    t = build(f, NULL);
    assert_int_equal(ask(f, t, f->leaf).state, REVOCATION_GOOD);
    assert_int_equal(ask(f, t, sub).state, REVOCATION_MISSING);
    trust_unref(t);
    write_list(f, "cas.crl", &c, f->ca);
    t = build(f, NULL);
    assert_int_equal(ask(f, t, f->leaf).state, REVOCATION_GOOD);
    assert_int_equal(ask(f, t, sub).state, REVOCATION_GOOD);
    trust_unref(t);
    pki_free(sub);
}

static void
a_hit_in_any_shard_is_a_hit(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_entry entry = {.cert = f->leaf};
    struct pki_idp cas = {.only_cas = true};
    struct pki_crl_spec c = {.idp = &cas, .entries = &entry, .entry_count = 1}, full = {0};
    struct trust *t;

    write_list(f, "cas.crl", &c, f->ca);
    write_list(f, "full.crl", &full, f->ca);
    t = build(f, NULL);
    assert_int_equal(ask(f, t, f->leaf).state, REVOCATION_HIT);
    trust_unref(t);
}

static void
a_point_left_to_another_issuer_cannot_be_evaluated(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *elsewhere = client_with_point(f, NULL);
    struct pki_idp point = {.uri = "http://crl/1"};
    struct pki_crl_spec shard = {.idp = &point}, full = {0};
    struct trust *t;

    write_list(f, "1.crl", &shard, f->ca);
    t = build(f, NULL);
    assert_int_equal(ask(f, t, elsewhere).state, REVOCATION_PROCESSING);
    trust_unref(t);
    f->src.crl_missing = CRL_MISSING_ALLOW;
    t = build(f, NULL);
    assert_int_equal(ask(f, t, elsewhere).state, REVOCATION_GOOD);
    trust_unref(t);
    f->src.crl_missing = CRL_MISSING_REFUSE;
    write_list(f, "full.crl", &full, f->ca); /* speaks for all that the issuer issued */
    t = build(f, NULL);
    assert_int_equal(ask(f, t, elsewhere).state, REVOCATION_GOOD);
    trust_unref(t);
    pki_free(elsewhere);
}

/* ---- reload ---- */

static void
unchanged_lists_are_shared_with_the_next_store(void **state)
{
    struct fixture *f = *state;
    struct trust *t, *again;

    write_number(f, "ca.crl", 1, f->now_s - 100);
    t = build(f, NULL);
    again = build(f, t);
    assert_ptr_equal(trust_crl(t, 0), trust_crl(again, 0));
    trust_unref(t);
    assert_int_equal(ask(f, again, f->leaf).state, REVOCATION_GOOD);
    trust_unref(again);
}

static void
a_shared_list_needs_its_signer_in_the_new_bundle(void **state)
{
    struct fixture *f = *state;
    struct trust *t;

    write_number(f, "ca.crl", 1, f->now_s - 100);
    t = build(f, NULL);
    pki_write_certs(f->bundle, f->root, NULL);
    assert_refused_after(f, t, "issuer not in the trust store");
    trust_unref(t);
}

static void
only_a_newer_list_replaces_the_one_in_use(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint64_t number;
        int64_t age_s;
        bool is_good;
    } rows[] = {
        {6, 50, true},  {6, 100, true},  {5, 50, true}, /* a CA that does not count, but dates */
        {4, 50, false}, {4, 200, false}, {6, 200, false}, {5, 200, false}, {4, 100, false},
    };
    struct trust *t, *again;

    write_number(f, "ca.crl", 5, f->now_s - 100);
    t = build(f, NULL);
    for (size_t i = 0; i < array_len(rows); i++) {
        write_number(f, "ca.crl", rows[i].number, f->now_s - rows[i].age_s);
        if (rows[i].is_good) {
            again = build(f, t);
            trust_unref(again);
        } else {
            assert_refused_after(f, t, "older than the one in use");
        }
    }
    trust_unref(t);
}

static void
other_content_under_the_same_number_and_date_is_refused(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_entry entry = {.cert = f->leaf};
    struct pki_crl_spec first = {.number = 5, .this_update_s = f->now_s - 100};
    struct pki_crl_spec second = {
        .number = 5, .this_update_s = f->now_s - 100, .entries = &entry, .entry_count = 1};
    struct trust *t;

    write_list(f, "ca.crl", &second, f->ca);
    t = build(f, NULL);
    write_list(f, "ca.crl", &first, f->ca);
    assert_refused_after(f, t, "no newer than the one in use");
    trust_unref(t);
}

static void
an_issuer_that_lost_its_list_refuses_the_reload(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_spec spec = {0};
    struct trust *t;

    write_list(f, "root.crl", &spec, f->root);
    write_list(f, "ca.crl", &spec, f->ca);
    t = build(f, NULL);
    f->src.crl_path_count = 1;
    assert_refused_after(f, t, "\"CN=Test CA\" is in use and has gone");
    f->src.crl_path_count = 0;
    assert_refused_after(f, t, "is in use and has gone");
    f->src.crl_path_count = 2;
    trust_unref(t);
}

static void
an_issuer_that_left_the_bundle_takes_its_list_along(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_spec spec = {0};
    struct trust *t, *again;

    write_list(f, "root.crl", &spec, f->root);
    write_list(f, "ca.crl", &spec, f->ca);
    t = build(f, NULL);
    pki_write_certs(f->bundle, f->root, NULL);
    f->src.crl_path_count = 1;
    again = build(f, t);
    assert_int_equal(trust_crl_count(again), 1);
    trust_unref(again);
    f->src.crl_path_count = 2;
    trust_unref(t);
}

/* ---- damage ---- */

struct damage {
    struct fixture *f;
    struct trust *intact;
    size_t text_len, loaded;
};

/* A damaged bundle may load only as what it was, or with a warning that part of it cannot be
 * checked. */
static void
check_bundle(void *arg, struct str text)
{
    struct damage *d = arg;
    struct trust *t;

    file_spill(d->f->bundle, text.ptr, text.len, 0644);
    t = build_after(d->f, NULL);
    if (t == NULL)
        return;
    d->loaded++;
    if (!trust_same_anchors(t, d->intact) && !says(&d->f->diag, "cannot be checked"))
        fail_msg("a damaged bundle of %zu bytes loaded with other content", text.len);
    trust_unref(t);
}

static void
no_flipped_bit_changes_a_bundle_in_silence(void **state)
{
    struct fixture *f = *state;
    struct damage d = {.f = f, .intact = build(f, NULL)};
    struct bytes pem = {0};

    pki_pem_cert(&pem, f->root);
    pki_pem_cert(&pem, f->ca);
    for (size_t bit = 0; bit < pem.len * 8; bit += 7) {
        pem.ptr[bit / 8] = (char)(pem.ptr[bit / 8] ^ 1 << bit % 8);
        check_bundle(&d, bytes_str(&pem));
        pem.ptr[bit / 8] = (char)(pem.ptr[bit / 8] ^ 1 << bit % 8);
    }
    trust_unref(d.intact);
    bytes_free(&pem);
}

static void
no_cut_bundle_loads_but_between_two_objects(void **state)
{
    struct fixture *f = *state;
    struct damage d = {.f = f, .intact = build(f, NULL)};
    struct bytes pem = {0};

    pki_pem_cert(&pem, f->root);
    pki_pem_cert(&pem, f->ca);
    for (size_t len = 1; len < pem.len; len++) {
        struct trust *t;

        file_spill(f->bundle, pem.ptr, len, 0644);
        t = build_after(f, NULL);
        d.loaded += t != NULL;
        trust_unref(t);
    }
    /* After the root's END line, with and without its newline; and without the very last newline.
     */
    assert_int_equal(d.loaded, 3);
    trust_unref(d.intact);
    bytes_free(&pem);
}

static void
no_damaged_list_file_loads(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_entry entry = {.cert = f->leaf};
    struct pki_crl_spec spec = {.entries = &entry, .entry_count = 1};
    struct bytes pem = pki_crl_pem(&spec, f->ca);
    struct trust *t;

    f->paths[f->src.crl_path_count++] = unit_write_file(f->dir, "ca.crl", bytes_str(&pem));
    for (size_t len = 0; len + 1 < pem.len; len++) {
        file_spill(f->paths[0], pem.ptr, len, 0644);
        assert_null(build_after(f, NULL));
    }
    for (size_t bit = 0; bit < pem.len * 8; bit += 7) {
        pem.ptr[bit / 8] = (char)(pem.ptr[bit / 8] ^ 1 << bit % 8);
        file_spill(f->paths[0], pem.ptr, pem.len, 0644);
        t = build_after(f, NULL);
        if (t != NULL) /* a bit of the newline at the end */
            assert_int_equal(ask(f, t, f->leaf).state, REVOCATION_HIT);
        trust_unref(t);
        pem.ptr[bit / 8] = (char)(pem.ptr[bit / 8] ^ 1 << bit % 8);
    }
    bytes_free(&pem);
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
        with_files(without_lists_nothing_is_asked),
        with_files(configured_but_empty_lists_are_missing_lists),
        with_files(a_lookup_says_good_until_the_next_update),
        with_files(a_listed_serial_is_a_hit_whatever_the_age),
        with_files(grace_ends_when_it_says),
        with_files(missing_lists_follow_the_policy),
        with_files(several_lists_in_one_file_and_one_in_der),
        with_files(a_list_for_a_reissued_ca_with_the_same_key_applies),
        with_files(another_ca_of_the_same_name_has_another_list),
        with_files(a_revoked_ca_of_the_bundle_is_known),
        with_files(a_bad_list_refuses_the_load),
        with_files(list_files_that_are_no_lists_are_refused),
        with_files(an_expired_list_refuses_the_first_load_only),
        with_files(of_two_lists_the_one_with_higher_number_and_later_date_counts),
        with_files(two_lists_that_contradict_each_other_are_refused),
        with_files(the_same_list_twice_counts_once),
        with_files(an_expired_list_that_revokes_is_not_beaten_by_an_older_empty_one),
        with_files(a_certificate_needs_the_shard_that_names_its_distribution_point),
        with_files(user_and_ca_shards_cover_their_kind),
        with_files(a_hit_in_any_shard_is_a_hit),
        with_files(a_point_left_to_another_issuer_cannot_be_evaluated),
        with_files(unchanged_lists_are_shared_with_the_next_store),
        with_files(a_shared_list_needs_its_signer_in_the_new_bundle),
        with_files(only_a_newer_list_replaces_the_one_in_use),
        with_files(other_content_under_the_same_number_and_date_is_refused),
        with_files(an_issuer_that_lost_its_list_refuses_the_reload),
        with_files(an_issuer_that_left_the_bundle_takes_its_list_along),
        with_files(no_flipped_bit_changes_a_bundle_in_silence),
        with_files(no_cut_bundle_loads_but_between_two_objects),
        with_files(no_damaged_list_file_loads),
    };

    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
