/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists against what earlier runs had in use.
 */
#include "support/pki.h"
#include "unit/trust_files.h"

static struct trust_floor floors[8];

/* Loads what is on disk and remembers it, as a run would. */
static void
remember(struct fixture *f)
{
    struct trust *t = build_after(f, NULL);

    assert_non_null(t);
    f->src.floors = floors;
    f->src.floors_file = "list-numbers";
    f->src.floor_count = trust_crl_count(t);
    for (size_t i = 0; i < trust_crl_count(t); i++) {
        trust_crl_floor(t, i, &floors[i]);
        floors[i].store = "partners";
    }
    trust_unref(t);
}

static bool
loads(struct fixture *f)
{
    struct trust *t = build_after(f, NULL);
    bool is_loaded = t != NULL;

    trust_unref(t);
    return is_loaded;
}

static void
only_a_newer_list_is_loaded_after_a_restart(void **state)
{
    struct fixture *f = *state;
    const struct {
        uint64_t number;
        int64_t age_s;
        bool is_loaded;
    } rows[] = {
        {6, 100, true},  {6, 200, true},  {5, 100, true}, {6, 300, false}, {5, 300, false},
        {4, 100, false}, {4, 300, false}, {256, 1, true}, {1, 1, false},   {255, 200, true},
        {4, 200, false}, {5, 200, false}, /* the same number and date, other bytes */
    };

    for (size_t i = 0; i < array_len(rows); i++) {
        f->src.floor_count = 0;
        write_number(f, "ca.crl", 5, f->now_s - 200);
        remember(f);
        assert_true(loads(f)); /* the very list */
        write_number(f, "ca.crl", rows[i].number, f->now_s - rows[i].age_s);
        if (loads(f) != rows[i].is_loaded)
            fail_msg("row %zu", i);
        if (!rows[i].is_loaded)
            assert_true(says(&f->diag, "than the one in use before, number 05 of"));
    }
}

static void
a_list_that_has_gone_is_an_error_while_lists_are_configured(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_spec root_list = {.number = 1};

    write_number(f, "ca.crl", 5, f->now_s - 200);
    remember(f);
    f->src.crl_missing = CRL_MISSING_ALLOW;
    f->src.crls_configured = true;
    free((void *)(uintptr_t)f->paths[--f->src.crl_path_count]);
    assert_false(loads(f));
    assert_true(says(&f->diag, "was in use before and has gone"));
    f->src.crls_configured = false; /* revocation switched off: the operator's word */
    assert_true(loads(f));
    f->src.crls_configured = true;
    write_list(f, "root.crl", &root_list, f->root);
    assert_false(loads(f));
    pki_write_certs(f->bundle, f->root, NULL); /* the issuer is trusted no more */
    assert_true(loads(f));
}

static void
floors_are_of_one_store_issuer_and_scope(void **state)
{
    struct fixture *f = *state;
    const struct pki_idp users = {.only_users = true};
    struct pki_crl_spec root_list = {.number = 1, .this_update_s = f->now_s - 900};
    struct pki_crl_spec shard = {.number = 2, .this_update_s = f->now_s - 800, .idp = &users};

    write_number(f, "ca.crl", 5, f->now_s - 200);
    remember(f);
    write_list(f, "root.crl", &root_list, f->root);
    write_list(f, "users.crl", &shard, f->ca);
    assert_true(loads(f));
    write_number(f, "ca.crl", 4, f->now_s - 100);
    assert_false(loads(f));
    floors[0].store = "others";
    assert_true(loads(f));
}

static void
the_running_list_counts_before_the_floor(void **state)
{
    struct fixture *f = *state;
    struct trust *running, *t;

    write_number(f, "ca.crl", 5, f->now_s - 200);
    remember(f);
    running = build_after(f, NULL);
    write_number(f, "ca.crl", 4, f->now_s - 100);
    t = build_after(f, running);
    assert_null(t);
    assert_int_equal(f->diag.error_count, 1); /* said once */
    trust_unref(running);
}

static bool
candidate_loads(struct fixture *f, const struct pki_crl_spec *spec, const struct pki_cert *issuer,
                bool is_pem)
{
    struct bytes text = is_pem ? pki_crl_pem(spec, issuer) : pki_crl_der(spec, issuer);
    size_t paths = f->src.crl_path_count;
    bool is_loaded;

    f->src.crl_path_count = 0;
    f->src.crls_configured = true;
    f->src.candidate = text.ptr;
    f->src.candidate_len = text.len;
    f->src.candidate_name = "http://lists.test/ca.crl";
    is_loaded = loads(f);
    f->src.candidate = NULL;
    f->src.crl_path_count = paths;
    bytes_free(&text);
    return is_loaded;
}

static void
a_candidate_is_judged_like_a_file(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_spec root_list = {.number = 1};
    struct pki_crl_spec newer = {.number = 6}, older = {.number = 4};
    struct pki_crl_spec forged = {.number = 7, .corrupt_signature = true};
    struct pki_crl_spec stale = {
        .number = 8, .this_update_s = f->now_s - 90, .next_update_s = f->now_s - 10};

    write_number(f, "ca.crl", 5, f->now_s - 7200);
    write_list(f, "root.crl", &root_list, f->root);
    remember(f);
    assert_true(candidate_loads(f, &newer, f->ca, true)); /* the root's is not among them */
    assert_true(candidate_loads(f, &newer, f->ca, false));
    assert_false(candidate_loads(f, &older, f->ca, true));
    assert_true(says(&f->diag, "http://lists.test/ca.crl"));
    assert_false(candidate_loads(f, &forged, f->ca, false));
    assert_false(candidate_loads(f, &stale, f->ca, true));
    assert_false(candidate_loads(f, &newer, f->ca2, true)); /* no CA of the bundle */
}

#define with_files(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_files(only_a_newer_list_is_loaded_after_a_restart),
        with_files(a_list_that_has_gone_is_an_error_while_lists_are_configured),
        with_files(floors_are_of_one_store_issuer_and_scope),
        with_files(the_running_list_counts_before_the_floor),
        with_files(a_candidate_is_judged_like_a_file),
    };

    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
