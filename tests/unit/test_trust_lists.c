/* SPDX-License-Identifier: Apache-2.0 */
#include "support/pki.h"
#include "unit/trust_files.h"

/* ---- lists ---- */

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

#define with_files(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
