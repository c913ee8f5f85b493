/* SPDX-License-Identifier: Apache-2.0 */
#include "support/pki.h"
#include "unit/trust_files.h"

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
