/* SPDX-License-Identifier: Apache-2.0 */
#include "support/pki.h"
#include "unit/verify_store.h"

/* ---- the plain cases ---- */

static void
a_good_certificate_is_admitted(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct verdict v = judge(f, leaf);
    int64_t leaf_end_s = wall_s() + 90 * DAY;

    assert_true(v.is_admitted);
    assert_int_equal(v.reason, REASON_NONE);
    assert_string_equal(v.detail, "admitted");
    assert_int_equal(v.chain_count, 3);
    assert_int_equal(X509_cmp(v.chain[0], leaf->x509), 0);
    assert_int_equal(X509_cmp(v.chain[1], f->ca->x509), 0);
    assert_int_equal(X509_cmp(v.chain[2], f->root->x509), 0);
    assert_true(v.valid_until_s > leaf_end_s - DAY && v.valid_until_s <= leaf_end_s);
    verdict_done(&v);
    assert_int_equal(v.chain_count, 0);
    verdict_done(&v);
    pki_free(leaf);
}

static void
the_chain_may_come_in_any_order_and_with_strangers(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    STACK_OF(X509) *sent = sk_X509_new_null();
    struct verdict v;

    sk_X509_push(sent, f->foreign_ca->x509);
    sk_X509_push(sent, f->root->x509);
    sk_X509_push(sent, f->ca->x509);
    sk_X509_push(sent, leaf->x509);
    verify_chain(f->trust, leaf->x509, sent, NULL, f->now_s, NULL, &v);
    assert_true(v.is_admitted);
    assert_int_equal(v.chain_count, 3);
    verdict_done(&v);
    sk_X509_free(sent);
    pki_free(leaf);
}

static void
an_intermediate_in_the_store_is_the_anchor(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct verdict v;

    use_bundle(f, f->ca, NULL);
    v = judge(f, leaf);
    assert_true(v.is_admitted);
    assert_int_equal(v.chain_count, 2);
    verdict_done(&v);
    use_bundle(f, f->root, f->ca); /* and the path ends there, though the root is known too */
    v = judge(f, leaf);
    assert_true(v.is_admitted);
    assert_int_equal(v.chain_count, 2);
    verdict_done(&v);
    verify_chain(f->trust, leaf->x509, NULL, NULL, f->now_s, NULL, &v);
    assert_true(v.is_admitted);
    verdict_done(&v);
    pki_free(leaf);
}

static void
without_its_intermediate_a_leaf_is_untrusted(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct verdict v;

    verify_chain(f->trust, leaf->x509, NULL, NULL, f->now_s, NULL, &v);
    assert_int_equal(v.reason, REASON_UNTRUSTED);
    assert_int_equal(v.chain_count, 0);
    assert_non_null(strstr(v.detail, "its issuer \"CN=Test CA\" is not in trust store partners"));
    verdict_done(&v);
    pki_free(leaf);
}

static void
a_foreign_chain_is_untrusted(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->foreign_ca, "mallory");
    struct pki_cert *self = pki_issue(&(struct pki_cert_spec){.cn = "self"}, NULL);

    expect(f, leaf, REASON_UNTRUSTED, "is not in trust store partners");
    expect(f, self, REASON_UNTRUSTED, "certificate 0 \"CN=self\"");
    pki_free(leaf);
    pki_free(self);
}

/* ---- depth and size ---- */

static void
depth_counts_every_certificate_of_the_path(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *cas[CHAIN_DEPTH_MAX + 4];
    int built = 0;

    cas[built++] = pki_intermediate(f->root, "L1");
    while (built < (int)array_len(cas)) {
        cas[built] = pki_intermediate(cas[built - 1], "Ln");
        built++;
    }
    for (int max = 1; max <= CHAIN_DEPTH_MAX; max++) {
        f->src.max_chain_depth = max;
        rebuild(f);
        for (int i = 0; i < built; i++) {
            struct pki_cert *leaf = pki_client(cas[i], "alice");
            struct verdict v = judge(f, leaf);
            int certificates = i + 3; /* leaf, i + 1 intermediates, root */
            enum reason want = certificates <= max ? REASON_NONE : REASON_MAX_CHAIN_DEPTH;

            if (certificates - 1 > CHAIN_CERTS_MAX)
                want = REASON_MAX_CHAIN_DEPTH;
            if (v.reason != want)
                fail_msg("max %d, %d certificates: %s", max, certificates, v.detail);
            verdict_done(&v);
            pki_free(leaf);
        }
    }
    while (built > 0)
        pki_free(cas[--built]);
}

static void
the_reason_of_depth_gives_both_numbers(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");

    f->src.max_chain_depth = 2;
    rebuild(f);
    expect(f, leaf, REASON_MAX_CHAIN_DEPTH,
           "the chain has 3 certificates, client and anchor included; max_chain_depth is 2");
    pki_free(leaf);
}

static void
more_certificates_than_a_client_may_send_are_refused(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    STACK_OF(X509) *sent = chain_of(leaf);
    struct verdict v;

    while (sk_X509_num(sent) < CHAIN_CERTS_MAX)
        sk_X509_push(sent, f->foreign_ca->x509);
    verify_chain(f->trust, leaf->x509, sent, NULL, f->now_s, NULL, &v);
    assert_true(v.is_admitted);
    verdict_done(&v);
    sk_X509_push(sent, f->foreign_ca->x509);
    verify_chain(f->trust, leaf->x509, sent, NULL, f->now_s, NULL, &v);
    assert_int_equal(v.reason, REASON_MAX_CHAIN_DEPTH);
    verdict_done(&v);
    sk_X509_free(sent);
    pki_free(leaf);
}

/* ---- dates ---- */

static void
ignore_expiry_forgives_the_leafs_end_only(void **state)
{
    struct fixture *f = *state;
    const struct verify_options ignore = {.ignore_expiry = true};
    struct pki_cert_spec expired = {
        .cn = "x", .not_before_s = f->now_s - 2 * DAY, .not_after_s = f->now_s - DAY};
    struct pki_cert_spec future = {.cn = "x", .not_before_s = f->now_s + DAY};
    struct pki_cert_spec old_ca = expired;
    struct pki_cert *ca, *leaf;
    struct verdict v;

    leaf = pki_issue(&expired, f->ca);
    v = judge_with(f, leaf, &ignore);
    assert_true(v.is_admitted);
    assert_true(v.valid_until_s > f->now_s + DAY);
    verdict_done(&v);
    pki_free(leaf);
    leaf = pki_issue(&future, f->ca);
    v = judge_with(f, leaf, &ignore);
    assert_int_equal(v.reason, REASON_NOT_YET_VALID);
    verdict_done(&v);
    pki_free(leaf);
    old_ca.role = PKI_CA;
    ca = pki_issue(&old_ca, f->root);
    leaf = pki_client(ca, "x");
    v = judge_with(f, leaf, &ignore);
    assert_int_equal(v.reason, REASON_EXPIRED);
    assert_int_equal(v.depth, 1);
    verdict_done(&v);
    pki_free(leaf);
    pki_free(ca);
}

static void
time_is_an_argument_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    int64_t today_s = f->now_s;

    f->now_s = today_s + 100 * DAY;
    expect(f, leaf, REASON_EXPIRED, "certificate 0");
    f->now_s = today_s - DAY;
    expect(f, leaf, REASON_NOT_YET_VALID, "certificate");
    f->now_s = today_s + 20 * 365 * DAY;
    expect(f, leaf, REASON_EXPIRED, "certificate 0");
    f->now_s = today_s;
    pki_free(leaf);
}

/* A CA renewed under the same name and key: the path goes to the certificate valid at that time. */
static void
of_two_certificates_of_a_ca_the_valid_one_is_taken(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec old_spec = {
        .role = PKI_CA, .cn = "Renewed", .not_after_s = f->now_s + DAY};
    struct pki_cert *old = pki_issue(&old_spec, NULL), *new, *leaf;
    struct pki_cert_spec new_spec = {
        .role = PKI_CA, .cn = "Renewed", .key = old->key, .not_before_s = f->now_s + 2 * DAY};
    struct verdict v;

    new = pki_issue(&new_spec, NULL);
    leaf = pki_client(old, "alice");
    use_bundle(f, old, new);
    v = judge(f, leaf);
    assert_true(v.is_admitted);
    assert_int_equal(X509_cmp(v.chain[1], old->x509), 0);
    verdict_done(&v);
    f->now_s += 10 * DAY;
    v = judge(f, leaf);
    assert_true(v.is_admitted);
    assert_int_equal(X509_cmp(v.chain[1], new->x509), 0);
    verdict_done(&v);
    pki_free(leaf);
    pki_free(new);
    pki_free(old);
}

static void
an_expired_anchor_ends_its_clients(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec spec = {.role = PKI_CA, .cn = "Short", .not_after_s = f->now_s + 100};
    struct pki_cert *anchor = pki_issue(&spec, NULL), *leaf = pki_client(anchor, "alice");
    struct verdict v;

    use_bundle(f, anchor, NULL);
    v = judge(f, leaf);
    assert_true(v.is_admitted);
    assert_int_equal(v.valid_until_s, f->now_s + 100);
    verdict_done(&v);
    f->now_s += 101;
    expect(f, leaf, REASON_EXPIRED, "certificate 1");
    pki_free(leaf);
    pki_free(anchor);
}

/* ---- revocation ---- */

static void
a_revoked_leaf_is_named_with_list_date_and_reason(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec spec = {.cn = "revoked", .serial = STR("\x03\xa5")};
    struct pki_cert *leaf = pki_issue(&spec, f->ca);
    struct pki_crl_entry entry = {
        .cert = leaf, .revoked_s = 1767323045, .reason = PKI_REASON_KEY_COMPROMISE};
    struct pki_crl_spec list = {.entries = &entry, .entry_count = 1, .number = 0x12},
                        root_list = {0};

    use_bundle(f, f->root, f->ca);
    add_list(f, &list, f->ca);
    add_list(f, &root_list, f->root);
    expect(f, leaf, REASON_CRL_HIT,
           "certificate 0 \"CN=revoked\" serial 03A5 is on list number 12 of \"CN=Test CA\" since "
           "2026-01-02T03:04:05Z (reason keyCompromise)");
    pki_free(leaf);
}

static void
every_certificate_below_the_anchor_is_looked_up(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct pki_crl_entry entry = {.cert = f->ca};
    struct pki_crl_spec list = {.entries = &entry, .entry_count = 1};

    add_list(f, &list, f->root);
    expect(f, leaf, REASON_CRL_HIT, "certificate 1 \"CN=Test CA\"");
    pki_free(leaf);
}

static void
an_anchor_that_stands_on_a_list_is_revoked(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct pki_crl_entry entry = {.cert = f->ca};
    struct pki_crl_spec root_list = {.entries = &entry, .entry_count = 1}, list = {0};

    use_bundle(f, f->root, f->ca);
    add_list(f, &list, f->ca);
    add_list(f, &root_list, f->root);
    expect(f, leaf, REASON_CRL_HIT, "certificate 1 \"CN=Test CA\"");
    pki_free(leaf);
}

static void
an_issuer_without_a_list_refuses_unless_allowed(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct pki_crl_spec root_list = {0};
    struct verdict v;

    add_list(f, &root_list, f->root);
    expect(f, leaf, REASON_CRL_MISSING, "certificate 0 \"CN=alice\"");
    expect(f, leaf, REASON_CRL_MISSING,
           "no revocation list of its issuer \"CN=Test CA\" covers it");
    f->src.crl_missing = CRL_MISSING_ALLOW;
    rebuild(f);
    v = judge(f, leaf);
    assert_true(v.is_admitted);
    verdict_done(&v);
    pki_free(leaf);
}

static void
a_list_that_ends_takes_its_clients_along(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct pki_crl_spec list = {.next_update_s = f->now_s + 100};
    struct verdict v;

    use_bundle(f, f->ca, NULL);
    add_list(f, &list, f->ca);
    v = judge(f, leaf);
    assert_true(v.is_admitted);
    assert_int_equal(v.valid_until_s, f->now_s + 100);
    verdict_done(&v);
    f->now_s += 101;
    expect(f, leaf, REASON_CRL_EXPIRED, "was to be replaced by");
    f->now_s -= 101;
    f->src.crl_expired = CRL_EXPIRED_ALLOW;
    rebuild(f);
    f->now_s += 101;
    v = judge(f, leaf);
    assert_true(v.is_admitted);
    verdict_done(&v);
    pki_free(leaf);
}

static void
removed_from_the_list_is_still_on_the_list(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct pki_crl_entry entry = {.cert = leaf, .reason = PKI_REASON_REMOVE_FROM_CRL};
    struct pki_crl_spec list = {.entries = &entry, .entry_count = 1};

    use_bundle(f, f->ca, NULL);
    add_list(f, &list, f->ca);
    expect(f, leaf, REASON_CRL_HIT, "removeFromCRL");
    pki_free(leaf);
}

static void
a_listed_serial_of_another_sign_does_not_hit(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec negative = {.cn = "n", .serial = STR("\x85")},
                         positive = {.cn = "p", .serial = STR("\x7b")};
    struct pki_cert *n = pki_issue(&negative, f->ca), *p = pki_issue(&positive, f->ca);
    struct pki_crl_entry entry = {.cert = n};
    struct pki_crl_spec list = {.entries = &entry, .entry_count = 1};
    struct verdict v;

    use_bundle(f, f->ca, NULL);
    add_list(f, &list, f->ca);
    expect(f, n, REASON_CRL_HIT, "serial -7B");
    v = judge(f, p);
    assert_true(v.is_admitted);
    verdict_done(&v);
    pki_free(n);
    pki_free(p);
}

/* ---- which reason wins ---- */

static void
the_gravest_finding_is_the_reason(void **state)
{
    struct fixture *f = *state;
    const struct verify_options ignore = {.ignore_expiry = true};
    struct pki_cert_spec spec = {.cn = "bad",
                                 .serial = STR("\x31"),
                                 .not_before_s = f->now_s - 2 * DAY,
                                 .not_after_s = f->now_s - DAY,
                                 .eku = "serverAuth"};
    struct pki_crl_entry entry = {.serial = STR("\x31")};
    struct pki_crl_spec list = {
        .entries = &entry, .entry_count = 1, .next_update_s = f->now_s + 100};
    struct pki_cert *leaf = pki_issue(&spec, f->ca), *odd, *forged, *foreign;
    struct pki_cert_spec odd_spec = spec, forged_spec = spec;
    struct verdict v;

    /* expired and of the wrong purpose: expired; forgiven: purpose */
    use_bundle(f, f->ca, NULL);
    expect(f, leaf, REASON_EXPIRED, "");
    v = judge_with(f, leaf, &ignore);
    assert_int_equal(v.reason, REASON_PURPOSE_INVALID);
    verdict_done(&v);
    /* and revoked: revoked, however old the list and whatever is forgiven */
    f->src.crl_expired = CRL_EXPIRED_ALLOW;
    add_list(f, &list, f->ca);
    expect(f, leaf, REASON_CRL_HIT, "");
    f->now_s += 200;
    v = judge_with(f, leaf, &ignore);
    assert_int_equal(v.reason, REASON_CRL_HIT);
    verdict_done(&v);
    /* and of a wrong key and digest: still revoked */
    odd_spec.key_kind = PKI_ED25519;
    odd_spec.digest = "SHA224";
    odd = pki_issue(&odd_spec, f->ca);
    expect(f, odd, REASON_CRL_HIT, "");
    /* but a forged one is not called revoked */
    forged_spec.corrupt_signature = true;
    forged = pki_issue(&forged_spec, f->ca);
    expect(f, forged, REASON_UNTRUSTED, "");
    foreign = pki_issue(&spec, f->foreign_ca);
    expect(f, foreign, REASON_UNTRUSTED, "");
    pki_free(leaf);
    pki_free(odd);
    pki_free(forged);
    pki_free(foreign);
}

static void
type_goes_before_signature_before_dates(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec spec = {.cn = "bad",
                                 .not_before_s = f->now_s - 2 * DAY,
                                 .not_after_s = f->now_s - DAY,
                                 .digest = "SHA224"};
    struct pki_cert *leaf = pki_issue(&spec, f->ca);

    expect(f, leaf, REASON_INCOMPATIBLE, "");
    pki_free(leaf);
    spec.key_kind = PKI_SECP256K1;
    leaf = pki_issue(&spec, f->ca);
    expect(f, leaf, REASON_TYPE_UNSUPPORTED, "");
    pki_free(leaf);
}

/* ---- the second look ---- */

static void
the_second_look_sees_revocation_dates_and_lost_anchors(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct pki_crl_spec none = {.number = 1, .this_update_s = f->now_s - 50};
    struct pki_crl_entry entry = {.cert = leaf};
    struct pki_crl_spec one = {
        .number = 2, .this_update_s = f->now_s - 40, .entries = &entry, .entry_count = 1};
    struct verdict first, v;

    use_bundle(f, f->root, f->ca);
    add_list(f, &none, f->ca);
    first = judge(f, leaf);
    assert_true(first.is_admitted);
    verify_again(f->trust, first.chain, first.chain_count, NULL, f->now_s, &v);
    assert_true(v.is_admitted);
    assert_int_equal(v.chain_count, 0);
    assert_int_equal(v.valid_until_s, first.valid_until_s);
    verify_again(f->trust, first.chain, first.chain_count, NULL, f->now_s + 91 * DAY, &v);
    assert_int_equal(v.reason, REASON_EXPIRED);
    f->src.max_chain_depth = 1; /* the path has two certificates */
    rebuild(f);
    verify_again(f->trust, first.chain, first.chain_count, NULL, f->now_s, &v);
    assert_int_equal(v.reason, REASON_MAX_CHAIN_DEPTH);
    f->src.max_chain_depth = CHAIN_DEPTH_DEFAULT;
    add_list(f, &one, f->ca);
    verify_again(f->trust, first.chain, first.chain_count, NULL, f->now_s, &v);
    assert_int_equal(v.reason, REASON_CRL_HIT);
    assert_int_equal(v.depth, 0);
    f->src.crl_path_count = 0; /* forgotten, freed by hand below */
    use_bundle(f, f->root, NULL);
    verify_again(f->trust, first.chain, first.chain_count, NULL, f->now_s, &v);
    assert_int_equal(v.reason, REASON_UNTRUSTED);
    f->src.crl_path_count = 2;
    verdict_done(&first);
    pki_free(leaf);
}

/* Counted inside libcrypto; our own code on that path calls no allocator. */
static size_t malloc_count;

static void *
counting_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    malloc_count++;
    return malloc(n);
}

static void *
counting_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    malloc_count++;
    return realloc(p, n);
}

static void
plain_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

static void
the_second_look_allocates_nothing(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct pki_crl_spec list = {.synthetic_count = 100};
    struct verdict first, v;
    size_t before, after;

    use_bundle(f, f->root, f->ca);
    add_list(f, &list, f->ca);
    first = judge(f, leaf);
    verify_again(f->trust, first.chain, first.chain_count, NULL, f->now_s, &v);
    before = malloc_count;
    verify_again(f->trust, first.chain, first.chain_count, NULL, f->now_s, &v);
    after = malloc_count;
    assert_true(v.is_admitted);
    assert_int_equal(after - before, 0);
    verdict_done(&first);
    pki_free(leaf);
}

/* ---- explain ---- */

struct steps {
    struct bytes text;
    int failed;
};

static void
on_step(void *arg, bool ok, const char *text)
{
    struct steps *s = arg;

    s->failed += !ok;
    bytes_printf(&s->text, "%s %s\n", ok ? "ok" : "no", text);
}

static void
every_step_is_told_to_a_trace(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec spec = {.cn = "bad", .not_after_s = f->now_s - 1, .eku = "serverAuth"};
    struct pki_cert *leaf = pki_issue(&spec, f->ca);
    STACK_OF(X509) *sent = chain_of(leaf);
    struct pki_crl_spec list = {0};
    struct steps steps = {0};
    struct verify_trace trace = {on_step, &steps};
    struct verdict v;

    use_bundle(f, f->ca, NULL);
    add_list(f, &list, f->ca);
    verify_chain(f->trust, leaf->x509, sent, NULL, f->now_s, &trace, &v);
    assert_int_equal(steps.failed, 2);
    assert_non_null(strstr(steps.text.ptr, "ok size:"));
    assert_non_null(strstr(steps.text.ptr, "ok path: 2 certificates"));
    assert_non_null(strstr(steps.text.ptr, "no certificate 0 \"CN=bad\""));
    assert_non_null(strstr(steps.text.ptr, "is not on list number 01"));
    verdict_done(&v);
    sk_X509_free(sent);
    bytes_free(&steps.text);
    pki_free(leaf);
}

static void
long_hostile_names_stay_within_the_detail(void **state)
{
    struct fixture *f = *state;
    char cn[1000];
    struct pki_attr attrs[] = {{.type = "CN", .value = str_make(cn, sizeof(cn))}};
    struct pki_cert_spec spec = {.attrs = attrs, .attr_count = 1};
    struct pki_cert *leaf;

    memset(cn, '\n', sizeof(cn));
    leaf = pki_issue(&spec, f->foreign_root);
    expect(f, leaf, REASON_UNTRUSTED, "\\0A\\0A");
    pki_free(leaf);
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(a_good_certificate_is_admitted),
        with_store(the_chain_may_come_in_any_order_and_with_strangers),
        with_store(an_intermediate_in_the_store_is_the_anchor),
        with_store(without_its_intermediate_a_leaf_is_untrusted),
        with_store(a_foreign_chain_is_untrusted),
        with_store(depth_counts_every_certificate_of_the_path),
        with_store(the_reason_of_depth_gives_both_numbers),
        with_store(more_certificates_than_a_client_may_send_are_refused),
        with_store(ignore_expiry_forgives_the_leafs_end_only),
        with_store(time_is_an_argument_and_nothing_else),
        with_store(of_two_certificates_of_a_ca_the_valid_one_is_taken),
        with_store(an_expired_anchor_ends_its_clients),
        with_store(a_revoked_leaf_is_named_with_list_date_and_reason),
        with_store(every_certificate_below_the_anchor_is_looked_up),
        with_store(an_anchor_that_stands_on_a_list_is_revoked),
        with_store(an_issuer_without_a_list_refuses_unless_allowed),
        with_store(a_list_that_ends_takes_its_clients_along),
        with_store(removed_from_the_list_is_still_on_the_list),
        with_store(a_listed_serial_of_another_sign_does_not_hit),
        with_store(the_gravest_finding_is_the_reason),
        with_store(type_goes_before_signature_before_dates),
        with_store(the_second_look_sees_revocation_dates_and_lost_anchors),
        with_store(the_second_look_allocates_nothing),
        with_store(every_step_is_told_to_a_trace),
        with_store(long_hostile_names_stay_within_the_detail),
    };

    /* Before libcrypto allocates anything. */
    if (CRYPTO_set_mem_functions(counting_malloc, counting_realloc, plain_free) != 1)
        return 1;
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
