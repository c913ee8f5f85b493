/* SPDX-License-Identifier: Apache-2.0
 *
 * Delta lists over their complete lists (RFC 5280 5.2.4): what they add, what they take off,
 * which ones go together, and that nothing comes back when one is missing, old or foreign.
 */
#include "support/pki.h"
#include "unit/trust_files.h"

enum { BASE = 5, DELTA = 7 };

/* Certificates by what the complete list of setup_base says of them. */
struct people {
    struct pki_cert *held, *compromised, *removed, *twice, *clean;
};

static struct people
people_new(const struct fixture *f)
{
    return (struct people){pki_client(f->ca, "held"), pki_client(f->ca, "compromised"),
                           pki_client(f->ca, "removed"), pki_client(f->ca, "twice"),
                           pki_client(f->ca, "clean")};
}

static void
people_free(struct people *p)
{
    pki_free(p->held);
    pki_free(p->compromised);
    pki_free(p->removed);
    pki_free(p->twice);
    pki_free(p->clean);
}

static void
write_base(struct fixture *f, const struct people *p)
{
    const struct pki_crl_entry entries[] = {
        {.cert = p->held, .reason = PKI_REASON_HOLD},
        {.cert = p->compromised, .reason = PKI_REASON_KEY_COMPROMISE},
        {.cert = p->removed, .reason = PKI_REASON_REMOVE_FROM_CRL},
        {.cert = p->twice, .reason = PKI_REASON_HOLD, .revoked_s = f->now_s - 90 * DAY},
        {.cert = p->twice, .reason = PKI_REASON_KEY_COMPROMISE},
    };
    struct pki_crl_spec spec = {.entries = entries,
                                .entry_count = array_len(entries),
                                .number = BASE,
                                .this_update_s = f->now_s - 1000,
                                .next_update_s = f->now_s + DAY};

    write_list(f, "base.crl", &spec, f->ca);
}

/* Number 7 of base 5, an hour ahead. */
static struct pki_crl_spec
delta_spec(const struct fixture *f, const struct pki_crl_entry *entries, size_t count)
{
    return (struct pki_crl_spec){.delta = true,
                                 .delta_base = BASE,
                                 .number = DELTA,
                                 .entries = entries,
                                 .entry_count = count,
                                 .this_update_s = f->now_s - 100,
                                 .next_update_s = f->now_s + 3600};
}

static void
write_delta(struct fixture *f, uint64_t number, uint64_t base, int64_t this_update_s)
{
    struct pki_crl_spec spec = delta_spec(f, NULL, 0);

    spec.number = number;
    spec.delta_base = base;
    spec.this_update_s = this_update_s;
    write_list(f, "delta.crl", &spec, f->ca);
}

static void
drop_last(struct fixture *f)
{
    const char *path = f->paths[--f->src.crl_path_count];

    assert_int_equal(unlink(path), 0);
    free((void *)(uintptr_t)path);
}

/* ---- what it says ---- */

static void
a_delta_adds_to_its_complete_list(void **state)
{
    struct fixture *f = *state;
    struct people p = people_new(f);
    struct pki_crl_entry entry = {.cert = p.clean, .reason = PKI_REASON_SUPERSEDED};
    struct pki_crl_spec spec = delta_spec(f, &entry, 1);

    for (int order = 0; order < 2; order++) {
        struct revocation r;
        struct trust *t;

        if (order == 1)
            write_list(f, "a-delta.crl", &spec, f->ca); /* read first */
        write_base(f, &p);
        if (order == 0)
            write_list(f, "delta.crl", &spec, f->ca);
        t = build(f, NULL);
        assert_int_equal(trust_crl_count(t), 2);
        assert_false(crl_info(trust_crl(t, 0))->is_delta);
        assert_true(crl_info(trust_crl(t, 1))->is_delta);
        assert_str_equal(crl_info(trust_crl(t, 1))->base_hex, STR("05"));
        assert_int_equal(crl_info(trust_crl(t, 1))->entry_count, 1);
        assert_false(trust_crl_is_newest(t, 0));
        assert_true(trust_crl_is_newest(t, 1));
        r = ask(f, t, p.clean);
        assert_int_equal(r.state, REVOCATION_HIT);
        assert_ptr_equal(r.crl, trust_crl(t, 1));
        r = ask(f, t, p.compromised);
        assert_int_equal(r.state, REVOCATION_HIT);
        assert_ptr_equal(r.crl, trust_crl(t, 0));
        r = ask(f, t, f->leaf);
        assert_int_equal(r.state, REVOCATION_GOOD);
        assert_ptr_equal(r.crl, trust_crl(t, 0));
        assert_ptr_equal(r.delta, trust_crl(t, 1));
        trust_unref(t);
        while (f->src.crl_path_count > 0)
            drop_last(f);
    }
    people_free(&p);
}

static void
a_delta_takes_off_what_is_on_hold_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct people p = people_new(f);
    const struct pki_crl_entry entries[] = {
        {.cert = p.held, .reason = PKI_REASON_REMOVE_FROM_CRL},
        {.cert = p.compromised, .reason = PKI_REASON_REMOVE_FROM_CRL},
        {.cert = p.removed, .reason = PKI_REASON_REMOVE_FROM_CRL},
        {.cert = p.twice, .reason = PKI_REASON_REMOVE_FROM_CRL},
        {.cert = p.clean, .reason = PKI_REASON_REMOVE_FROM_CRL},
    };
    struct pki_crl_spec spec = delta_spec(f, entries, array_len(entries));
    struct trust *t;

    write_base(f, &p);
    t = build(f, NULL);
    assert_int_equal(ask(f, t, p.held).state, REVOCATION_HIT);
    trust_unref(t);
    write_list(f, "delta.crl", &spec, f->ca);
    t = build(f, NULL);
    assert_int_equal(crl_info(trust_crl(t, 1))->entry_count, array_len(entries));
    assert_int_equal(ask(f, t, p.held).state, REVOCATION_GOOD);
    assert_int_equal(ask(f, t, p.compromised).state, REVOCATION_HIT);
    assert_int_equal(ask(f, t, p.removed).state, REVOCATION_HIT); /* removeFromCRL in a base */
    assert_int_equal(ask(f, t, p.twice).state, REVOCATION_HIT);
    assert_int_equal(ask(f, t, p.clean).state, REVOCATION_GOOD);
    trust_unref(t);
    people_free(&p);
}

static void
a_delta_that_contradicts_itself_revokes(void **state)
{
    struct fixture *f = *state;
    struct people p = people_new(f);
    const struct pki_crl_entry entries[] = {
        {.cert = p.held, .reason = PKI_REASON_REMOVE_FROM_CRL, .revoked_s = f->now_s - 9000},
        {.cert = p.held, .reason = PKI_REASON_KEY_COMPROMISE, .revoked_s = f->now_s - 200},
    };
    struct pki_crl_spec spec = delta_spec(f, entries, array_len(entries));
    struct trust *t;

    write_base(f, &p);
    write_list(f, "delta.crl", &spec, f->ca);
    t = build(f, NULL);
    assert_int_equal(ask(f, t, p.held).state, REVOCATION_HIT);
    trust_unref(t);
    people_free(&p);
}

static void
a_delta_puts_a_ca_on_the_list_and_takes_it_off(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_entry held = {.cert = f->ca, .reason = PKI_REASON_HOLD};
    struct pki_crl_entry off = {.cert = f->ca, .reason = PKI_REASON_REMOVE_FROM_CRL};
    struct pki_crl_spec base = {
        .number = BASE, .entries = &held, .entry_count = 1, .this_update_s = f->now_s - 1000};
    struct pki_crl_spec delta = delta_spec(f, &off, 1);
    struct trust *t;

    write_list(f, "root.crl", &base, f->root);
    t = build(f, NULL);
    assert_ptr_equal(trust_revoked_ca(t, f->ca->x509), trust_crl(t, 0));
    trust_unref(t);
    write_list(f, "delta.crl", &delta, f->root);
    t = build(f, NULL);
    assert_null(trust_revoked_ca(t, f->ca->x509));
    trust_unref(t);
    base.entry_count = 0;
    delta.entries = &held;
    write_list(f, "root.crl", &base, f->root);
    write_list(f, "delta.crl", &delta, f->root);
    t = build(f, NULL);
    assert_ptr_equal(trust_revoked_ca(t, f->ca->x509), trust_crl(t, 1));
    trust_unref(t);
}

/* ---- how old it may be ---- */

static void
the_next_update_of_the_delta_counts(void **state)
{
    static const struct {
        int64_t base_s, delta_s; /* next updates from now */
        int state;
    } rows[] = {
        {DAY, 3600, REVOCATION_GOOD},
        {-10, 3600, REVOCATION_GOOD}, /* the delta brings it up to date */
        {DAY, -10, REVOCATION_EXPIRED},
        {-10, -10, REVOCATION_EXPIRED},
    };
    struct fixture *f = *state;
    struct people p = people_new(f);
    struct pki_crl_entry entry = {.cert = p.held};

    for (size_t i = 0; i < array_len(rows); i++) {
        struct pki_crl_spec delta = delta_spec(f, &entry, 1);
        struct pki_crl_spec base = {.number = BASE,
                                    .this_update_s = f->now_s - 1000,
                                    .next_update_s = f->now_s + rows[i].base_s};
        struct revocation r;
        struct trust *t;

        delta.next_update_s = f->now_s + rows[i].delta_s;
        write_list(f, "base.crl", &base, f->ca);
        write_list(f, "delta.crl", &delta, f->ca);
        t = build_after(f, NULL);
        assert_int_equal(t == NULL, rows[i].state == REVOCATION_EXPIRED);
        if (t ==
            NULL) { /* refused at load; loaded before it ran out, it is refused by the lookup */
            f->now_s -= 50;
            t = build(f, NULL);
            f->now_s += 50;
        }
        r = ask(f, t, f->leaf);
        assert_int_equal(r.state, rows[i].state);
        if (r.state == REVOCATION_GOOD)
            assert_int_equal(r.valid_until_s, f->now_s + rows[i].delta_s);
        assert_int_equal(ask(f, t, p.held).state, REVOCATION_HIT);
        trust_unref(t);
    }
    people_free(&p);
}

static void
grace_and_allow_go_on_from_the_delta(void **state)
{
    struct fixture *f = *state;
    struct people p = people_new(f);
    struct trust *t;

    write_base(f, &p);
    write_delta(f, DELTA, BASE, f->now_s - 100);
    f->src.crl_expired = CRL_EXPIRED_GRACE;
    f->src.crl_grace_s = 60;
    t = build(f, NULL);
    assert_int_equal(ask(f, t, p.clean).valid_until_s, f->now_s + 3660);
    f->now_s += 3661;
    assert_int_equal(ask(f, t, p.clean).state, REVOCATION_EXPIRED);
    assert_int_equal(ask(f, t, p.held).state, REVOCATION_HIT);
    trust_unref(t);
    f->src.crl_expired = CRL_EXPIRED_ALLOW;
    t = build(f, NULL);
    assert_int_equal(ask(f, t, p.clean).state, REVOCATION_GOOD);
    assert_int_equal(ask(f, t, p.held).state, REVOCATION_HIT);
    trust_unref(t);
    people_free(&p);
}

/* ---- which go together ---- */

static void
a_delta_alone_is_refused(void **state)
{
    struct fixture *f = *state;

    f->src.crl_missing = CRL_MISSING_ALLOW;
    write_delta(f, DELTA, BASE, f->now_s - 100);
    assert_refused(f, "stands alone: by itself it would un-revoke all that its complete list");
    assert_true(says(&f->diag, "number 05 or later"));
}

static void
a_delta_needs_its_base_or_a_later_one(void **state)
{
    static const struct {
        uint64_t complete, base, delta;
        int64_t delta_age_s;
        size_t lists; /* in use; 0: refused */
        const char *part;
    } rows[] = {
        {5, 5, 7, 100, 2, ""},
        {6, 5, 7, 100, 2, ""},
        {5, 5, 6, 1000, 2, ""}, /* the date of the complete list */
        {4, 5, 7, 100, 0, "goes with the complete list number 05 or later"},
        {255, 256, 300, 100, 0, "goes with the complete list number 0100 or later"},
        {5, 5, 7, 1001, 0, "has an earlier date than the complete list number 05"},
        {7, 5, 7, 100, 1, ""}, /* of one number: the same said in full */
        {5, 5, 5, 100, 1, ""}, /* issued with its base */
        {8, 5, 7, 100, 1, "is not used: number 08"},
        {5, 8, 7, 100, 0, "BaseCRLNumber 08 is above its own number 07"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < array_len(rows); i++) {
        struct trust *t;

        write_number(f, "base.crl", rows[i].complete, f->now_s - 1000);
        write_delta(f, rows[i].delta, rows[i].base, f->now_s - rows[i].delta_age_s);
        t = build_after(f, NULL);
        if ((t != NULL ? trust_crl_count(t) : 0) != rows[i].lists || !says(&f->diag, rows[i].part))
            if (rows[i].part[0] != '\0' || t == NULL) {
                diag_print(&f->diag, stderr);
                fail_msg("row %zu", i);
            }
        if (t != NULL)
            assert_int_equal(trust_crl_count(t), rows[i].lists);
        trust_unref(t);
    }
}

static void
a_delta_of_another_issuer_key_or_scope_is_alone(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *twin = pki_intermediate(f->root, "Test CA");
    struct pki_idp users = {.only_users = true}, cas = {.only_cas = true};
    struct pki_crl_spec delta = delta_spec(f, NULL, 0);

    pki_write_certs(f->bundle, f->root, f->ca, f->ca2, twin, NULL);
    write_number(f, "base.crl", BASE, f->now_s - 1000);
    write_list(f, "delta.crl", &delta, f->ca2);
    assert_refused(f, "stands alone");
    write_list(f, "delta.crl", &delta, twin);
    assert_refused(f, "stands alone");
    delta.idp = &users;
    write_list(f, "delta.crl", &delta, f->ca);
    assert_refused(f, "stands alone");
    delta.idp = NULL;
    delta.sign_with = twin->key; /* neither's: name and key identifier say f->ca */
    write_list(f, "delta.crl", &delta, f->ca);
    assert_refused(f, "signature is not that of the CA");
    delta.sign_with = NULL;
    delta.idp = &cas;
    write_list(f, "delta.crl", &delta, f->ca);
    assert_refused(f, "stands alone");
    pki_free(twin);
}

static void
a_shard_has_a_delta_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *sub = pki_intermediate(f->ca, "Sub CA");
    struct pki_idp users = {.only_users = true}, cas = {.only_cas = true};
    struct pki_crl_entry entry = {.cert = f->leaf};
    struct pki_crl_spec u = {.idp = &users, .number = BASE, .this_update_s = f->now_s - 1000};
    struct pki_crl_spec c = {.idp = &cas, .number = BASE, .this_update_s = f->now_s - 1000};
    struct pki_crl_spec delta = delta_spec(f, &entry, 1);
    struct trust *t;

    delta.idp = &users;
    write_list(f, "users.crl", &u, f->ca);
    write_list(f, "cas.crl", &c, f->ca);
    write_list(f, "delta.crl", &delta, f->ca);
    t = build(f, NULL);
    assert_int_equal(trust_crl_count(t), 3);
    assert_int_equal(ask(f, t, f->leaf).state, REVOCATION_HIT);
    assert_null(ask(f, t, sub).delta);
    f->now_s += 2 * 3600; /* the users' delta is late, the CAs' list is not */
    assert_int_equal(ask(f, t, sub).state, REVOCATION_GOOD);
    trust_unref(t);
    pki_free(sub);
}

static void
of_two_deltas_the_newer_counts(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_entry entry = {.cert = f->leaf};
    struct pki_crl_spec delta = delta_spec(f, &entry, 1);
    struct trust *t;

    write_number(f, "base.crl", BASE, f->now_s - 1000);
    write_delta(f, 6, BASE, f->now_s - 200);
    write_list(f, "newer.crl", &delta, f->ca);
    t = build(f, NULL);
    assert_int_equal(trust_crl_count(t), 2);
    assert_int_equal(ask(f, t, f->leaf).state, REVOCATION_HIT);
    assert_true(says(&f->diag, "number 06"));
    trust_unref(t);
    write_delta(f, DELTA, BASE, f->now_s - 100); /* the same number, other bytes */
    assert_refused(f, "contradicts");
}

/* ---- never back ---- */

static struct trust_floor floors[4];

static void
remember(struct fixture *f, const struct trust *t)
{
    f->src.floors = floors;
    f->src.floors_file = "list-numbers";
    f->src.floor_count = trust_crl_count(t);
    for (size_t i = 0; i < trust_crl_count(t); i++) {
        trust_crl_floor(t, i, &floors[i]);
        floors[i].store = "partners";
    }
    assert_memory_not_equal(floors[0].scope, floors[1].scope, sizeof(floors[0].scope));
}

/* Base 5 and delta 7 are in use; what may follow, at a reload and after a restart. */
static void
only_newer_lists_follow_a_delta(void **state)
{
    static const struct {
        uint64_t complete, delta; /* 0: none */
        bool is_loaded;
    } rows[] = {
        {5, 8, true},  /* the next delta */
        {6, 8, true},  /* with the next base */
        {7, 0, true},  /* the complete list of the same number */
        {8, 0, true},  /* a newer one */
        {8, 7, true},  /* the delta that is left over */
        {5, 0, false}, /* without its delta the complete list is older */
        {6, 0, false}, /* newer than its predecessor, older than the delta */
        {5, 6, false}, /* an older delta */
        {4, 8, false}, /* an older base */
        {6, 6, false}, /* as good as number 6 */
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < array_len(rows); i++) {
        struct trust *running, *t;
        size_t kept;

        f->src.floor_count = 0;
        write_number(f, "base.crl", BASE, f->now_s - 1000);
        write_delta(f, DELTA, BASE, f->now_s - 500);
        running = build(f, NULL);
        t = build(f, running);
        trust_unref(t);
        remember(f, running);
        if (rows[i].complete != BASE)
            write_number(f, "base.crl", rows[i].complete, f->now_s - 400 + (int)rows[i].complete);
        if (rows[i].complete < BASE)
            write_number(f, "base.crl", rows[i].complete, f->now_s - 2000);
        if (rows[i].delta == 0)
            drop_last(f);
        else if (rows[i].delta != DELTA)
            write_delta(f, rows[i].delta, rows[i].complete < BASE ? 4 : BASE,
                        f->now_s - 300 + (int)rows[i].delta);
        t = build_after(f, NULL); /* after a restart */
        if ((t != NULL) != rows[i].is_loaded)
            fail_msg("row %zu after a restart", i);
        trust_unref(t);
        kept = f->src.floor_count;
        f->src.floor_count = 0;
        t = build_after(f, running);
        if ((t != NULL) != rows[i].is_loaded)
            fail_msg("row %zu at a reload", i);
        trust_unref(t);
        f->src.floor_count = kept;
        t = build_after(f, running); /* both */
        assert_int_equal(t != NULL, rows[i].is_loaded);
        trust_unref(t);
        trust_unref(running);
        while (f->src.crl_path_count > 0)
            drop_last(f);
    }
}

static void
a_candidate_delta_waits_for_its_base(void **state)
{
    static const struct {
        uint64_t number, base;
        bool is_taken;
    } rows[] = {{8, 5, true}, {8, 4, true}, {8, 6, false}, {6, 5, false}};
    struct fixture *f = *state;
    struct trust *running;

    write_number(f, "base.crl", BASE, f->now_s - 1000);
    write_delta(f, DELTA, BASE, f->now_s - 500);
    running = build(f, NULL);
    remember(f, running);
    trust_unref(running);
    while (f->src.crl_path_count > 0)
        drop_last(f);
    f->src.crls_configured = true;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct pki_crl_spec spec = delta_spec(f, NULL, 0);
        struct bytes text;
        struct trust *t;

        spec.number = rows[i].number;
        spec.delta_base = rows[i].base;
        text = pki_crl_der(&spec, f->ca);
        f->src.candidate = text.ptr;
        f->src.candidate_len = text.len;
        f->src.candidate_name = "http://lists.test/delta.crl";
        t = build_after(f, NULL);
        if ((t != NULL) != rows[i].is_taken)
            fail_msg("row %zu", i);
        if (rows[i].base > BASE)
            assert_true(says(&f->diag, "it waits for the complete list"));
        trust_unref(t);
        f->src.candidate = NULL;
        bytes_free(&text);
    }
}

static void
an_unchanged_delta_is_shared(void **state)
{
    struct fixture *f = *state;
    struct trust *t, *again;

    write_number(f, "base.crl", BASE, f->now_s - 1000);
    write_delta(f, DELTA, BASE, f->now_s - 100);
    t = build(f, NULL);
    again = build(f, t);
    assert_ptr_equal(trust_crl(t, 0), trust_crl(again, 0));
    assert_ptr_equal(trust_crl(t, 1), trust_crl(again, 1));
    trust_unref(t);
    assert_int_equal(ask(f, again, f->leaf).state, REVOCATION_GOOD);
    trust_unref(again);
}

/* ---- damage ---- */

struct bit_arg {
    struct fixture *f;
    const char *path;
};

static void
on_flip(void *arg, struct str bytes)
{
    struct bit_arg *a = arg;
    struct trust *t;

    file_spill(a->path, bytes.ptr, bytes.len, 0644);
    t = build_after(a->f, NULL);
    assert_null(t);
}

static void
no_damaged_delta_loads(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_entry entry = {.cert = f->leaf};
    struct pki_crl_spec spec = delta_spec(f, &entry, 1);
    struct bytes der = pki_crl_der(&spec, f->ca);
    struct bit_arg arg = {.f = f};

    write_number(f, "base.crl", BASE, f->now_s - 1000);
    f->paths[f->src.crl_path_count++] = unit_write_file(f->dir, "delta.crl", bytes_str(&der));
    arg.path = f->paths[1];
    trust_unref(build(f, NULL));
    for_each_truncation(bytes_str(&der), on_flip, &arg);
    for_each_bit_flip(bytes_str(&der), on_flip, &arg);
    bytes_free(&der);
}

#define with_files(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_files(a_delta_adds_to_its_complete_list),
        with_files(a_delta_takes_off_what_is_on_hold_and_nothing_else),
        with_files(a_delta_that_contradicts_itself_revokes),
        with_files(a_delta_puts_a_ca_on_the_list_and_takes_it_off),
        with_files(the_next_update_of_the_delta_counts),
        with_files(grace_and_allow_go_on_from_the_delta),
        with_files(a_delta_alone_is_refused),
        with_files(a_delta_needs_its_base_or_a_later_one),
        with_files(a_delta_of_another_issuer_key_or_scope_is_alone),
        with_files(a_shard_has_a_delta_of_its_own),
        with_files(of_two_deltas_the_newer_counts),
        with_files(only_newer_lists_follow_a_delta),
        with_files(a_candidate_delta_waits_for_its_base),
        with_files(an_unchanged_delta_is_shared),
        with_files(no_damaged_delta_loads),
    };

    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
