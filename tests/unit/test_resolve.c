/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "ctl/resolve.h"

/* What the fake name server says; one address per name, the last octet is the answer. */
struct fake {
    pthread_mutex_t lock;
    int octet; /* 0: the lookup fails */
    int lookups;
    int ttl_asks;
    int64_t ttl_s;
    int delay_ms;
};

struct world {
    struct loop *loop;
    struct loop_timer guard;
    struct fake fake;
    struct resolver *resolver;
    struct addrset *last; /* of the last on_addresses */
    int changes;
    int settled;
    uint64_t round;
    bool stops_on_settled;
    bool stops_on_change;
};

static int
fake_lookup(void *arg, const char *name, struct resolve_answer *ret)
{
    struct fake *f = arg;
    int octet, delay_ms;

    pthread_mutex_lock(&f->lock);
    octet = f->octet;
    delay_ms = f->delay_ms;
    f->lookups++;
    pthread_mutex_unlock(&f->lock);
    usleep((useconds_t)delay_ms * 1000);
    if (octet == 0 || strcmp(name, "missing.test") == 0) {
        (void)snprintf(ret->error, sizeof(ret->error), "no such name");
        return GW_E_NOTFOUND;
    }
    addr_from_ip(&ret->addrs[0], (const uint8_t[]){192, 0, 2, (uint8_t)octet}, 4, 0);
    addr_from_ip(&ret->addrs[1], (const uint8_t[16]){0x20, 1, 0xd, 0xb8, [15] = 1}, 16, 0);
    ret->count = 2;
    return 0;
}

static int64_t
fake_ttl(void *arg, const char *name, const struct resolve_answer *answer)
{
    struct fake *f = arg;
    int64_t ttl_s;

    (void)name;
    (void)answer;
    pthread_mutex_lock(&f->lock);
    f->ttl_asks++;
    ttl_s = f->ttl_s;
    pthread_mutex_unlock(&f->lock);
    return ttl_s;
}

static void
on_addresses(void *arg, struct addrset *set)
{
    struct world *w = arg;

    w->changes++;
    addrset_unref(w->last);
    w->last = set;
    if (w->stops_on_change)
        loop_stop(w->loop);
}

static void
on_settled(void *arg, uint64_t round)
{
    struct world *w = arg;

    w->settled++;
    w->round = round;
    if (w->stops_on_settled)
        loop_stop(w->loop);
}

static void
on_guard(void *arg)
{
    loop_stop(arg);
}

static void
no_log(void *arg, const char *line, size_t len)
{
    (void)arg;
    (void)line;
    (void)len;
}

static int
setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    const struct resolve_source source = {.lookup = fake_lookup, .ttl_s = fake_ttl};
    struct resolve_source with_arg = source;
    const struct resolve_hooks hooks = {on_addresses, on_settled, w};

    assert_non_null(w);
    log_set_sink(no_log, NULL);
    pthread_mutex_init(&w->fake.lock, NULL);
    w->fake.octet = 1;
    w->fake.ttl_s = 3600;
    w->loop = loop_new();
    loop_timer_init(w->loop, &w->guard, on_guard, w->loop);
    with_arg.arg = &w->fake;
    w->resolver = resolver_new(w->loop, &with_arg, &hooks);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    resolver_free(w->resolver);
    loop_timer_done(&w->guard);
    loop_free(w->loop);
    addrset_unref(w->last);
    pthread_mutex_destroy(&w->fake.lock);
    free(w);
    log_set_sink(NULL, NULL);
    return 0;
}

static void
run_for(struct world *w, int ms)
{
    loop_timer_set(&w->guard, loop_now_fresh(w->loop)->mono_ms + ms);
    loop_run(w->loop);
}

static void
set_octet(struct world *w, int octet)
{
    pthread_mutex_lock(&w->fake.lock);
    w->fake.octet = octet;
    pthread_mutex_unlock(&w->fake.lock);
}

static int
lookups(struct world *w)
{
    int n;

    pthread_mutex_lock(&w->fake.lock);
    n = w->fake.lookups;
    pthread_mutex_unlock(&w->fake.lock);
    return n;
}

static const struct resolve_target two_ports[] = {{"api.test", 443}, {"api.test", 8443}};
static const struct resolve_target one[] = {{"api.test", 443}};
static const struct resolve_target missing[] = {{"missing.test", 443}};

static void
settles_after_every_name_was_asked_once(void **state)
{
    struct world *w = *state;

    w->stops_on_settled = true;
    resolver_set_targets(w->resolver, two_ports, 2, 7);
    run_for(w, 5000);
    assert_int_equal(w->settled, 1);
    assert_int_equal(w->round, 7);
    assert_int_equal(w->changes, 2);
}

static void
one_lookup_serves_all_ports_of_a_name(void **state)
{
    struct world *w = *state;

    w->stops_on_settled = true;
    resolver_set_targets(w->resolver, two_ports, 2, 1);
    run_for(w, 5000);
    assert_int_equal(lookups(w), 1);
    assert_int_equal(w->last->port, 8443);
    assert_int_equal(w->last->count, 2);
    assert_int_equal(addr_port(&w->last->addrs[0]), 8443);
    assert_int_equal(addr_port(&w->last->addrs[1]), 8443);
}

static void
an_empty_list_settles_too(void **state)
{
    struct world *w = *state;

    w->stops_on_settled = true;
    resolver_set_targets(w->resolver, NULL, 0, 3);
    run_for(w, 5000);
    assert_int_equal(w->settled, 1);
    assert_int_equal(w->round, 3);
}

static void
a_name_that_does_not_exist_settles_without_addresses(void **state)
{
    struct world *w = *state;

    w->stops_on_settled = true;
    resolver_set_targets(w->resolver, missing, 1, 1);
    run_for(w, 5000);
    assert_int_equal(w->settled, 1);
    assert_int_equal(w->changes, 0);
}

static void
a_slow_lookup_does_not_settle_early(void **state)
{
    struct world *w = *state;

    w->fake.delay_ms = 400;
    resolver_set_targets(w->resolver, one, 1, 1);
    run_for(w, 100);
    assert_int_equal(w->settled, 0);
    w->stops_on_settled = true;
    run_for(w, 5000);
    assert_int_equal(w->settled, 1);
}

static void
a_changed_answer_is_told_when_the_ttl_is_over(void **state)
{
    struct world *w = *state;

    w->fake.ttl_s = 0; /* the lower bound holds: one second */
    w->stops_on_settled = true;
    resolver_set_targets(w->resolver, one, 1, 1);
    run_for(w, 5000);
    set_octet(w, 9);
    w->stops_on_change = true;
    run_for(w, 5000);
    assert_int_equal(w->changes, 2);
    assert_int_equal(((const struct sockaddr_in *)&w->last->addrs[0].storage)->sin_addr.s_addr,
                     htonl(0xc0000209));
}

static void
the_same_answer_is_not_told_again(void **state)
{
    struct world *w = *state;

    w->fake.ttl_s = 0;
    resolver_set_targets(w->resolver, one, 1, 1);
    run_for(w, 1600);
    assert_true(lookups(w) >= 2);
    assert_int_equal(w->changes, 1);
}

static void
a_short_ttl_never_makes_a_busy_loop(void **state)
{
    struct world *w = *state;

    w->fake.ttl_s = 0;
    resolver_set_targets(w->resolver, one, 1, 1);
    run_for(w, 1600);
    assert_true(lookups(w) <= 4);
}

static void
a_long_ttl_is_kept_to(void **state)
{
    struct world *w = *state;

    resolver_set_targets(w->resolver, one, 1, 1);
    run_for(w, 1600);
    assert_int_equal(lookups(w), 1);
}

static void
an_outage_keeps_the_last_good_addresses(void **state)
{
    struct world *w = *state;

    w->fake.ttl_s = 0;
    w->stops_on_settled = true;
    resolver_set_targets(w->resolver, one, 1, 1);
    run_for(w, 5000);
    set_octet(w, 0);
    run_for(w, 1600);
    assert_true(lookups(w) >= 2);
    assert_int_equal(w->changes, 1);
}

struct seen {
    int count;
    bool has_last;
    char error[64];
};

static void
see(void *arg, const struct resolve_state *s)
{
    struct seen *seen = arg;

    seen->count++;
    seen->has_last = s->last != NULL;
    (void)snprintf(seen->error, sizeof(seen->error), "%s", s->error);
}

static void
the_state_names_the_error(void **state)
{
    struct world *w = *state;
    struct seen seen = {0};

    w->stops_on_settled = true;
    resolver_set_targets(w->resolver, missing, 1, 1);
    run_for(w, 5000);
    resolver_each(w->resolver, see, &seen);
    assert_int_equal(seen.count, 1);
    assert_false(seen.has_last);
    assert_string_equal(seen.error, "no such name");
}

static void
a_name_that_comes_back_is_told_again(void **state)
{
    struct world *w = *state;

    w->stops_on_settled = true;
    resolver_set_targets(w->resolver, one, 1, 1);
    run_for(w, 5000);
    resolver_set_targets(w->resolver, NULL, 0, 2);
    run_for(w, 5000);
    resolver_set_targets(w->resolver, one, 1, 3);
    run_for(w, 5000);
    assert_int_equal(w->round, 3);
    assert_int_equal(w->changes, 2);
}

static void
a_kept_name_settles_the_next_round_at_once(void **state)
{
    struct world *w = *state;

    w->stops_on_settled = true;
    resolver_set_targets(w->resolver, one, 1, 1);
    run_for(w, 5000);
    resolver_set_targets(w->resolver, one, 1, 2);
    run_for(w, 5000);
    assert_int_equal(w->round, 2);
    assert_int_equal(lookups(w), 1);
}

static void
an_unknown_ttl_is_not_asked_for_every_time(void **state)
{
    struct world *w = *state;

    w->fake.ttl_s = -1;
    w->stops_on_settled = true;
    resolver_set_targets(w->resolver, one, 1, 1);
    run_for(w, 5000);
    run_for(w, 200);
    assert_int_equal(lookups(w), 1);
    pthread_mutex_lock(&w->fake.lock);
    assert_int_equal(w->fake.ttl_asks, 1);
    pthread_mutex_unlock(&w->fake.lock);
}

static void
freeing_does_not_wait_for_a_slow_lookup(void **state)
{
    struct world *w = *state;
    int64_t before;

    w->fake.delay_ms = 1200;
    resolver_set_targets(w->resolver, one, 1, 1);
    run_for(w, 100);
    before = loop_now_fresh(w->loop)->mono_ms;
    resolver_free(w->resolver);
    w->resolver = NULL;
    assert_true(loop_now_fresh(w->loop)->mono_ms - before < 900);
    assert_int_equal(w->changes, 0);
    usleep(1400 * 1000); /* the fake must outlive the lookup */
    assert_int_equal(lookups(w), 1);
}

/* ---- the system's answers ---- */

static void
localhost_is_found_without_a_name_server(void **state)
{
    struct resolve_answer answer = {.count = 0};

    (void)state;
    assert_int_equal(resolve_system.lookup(NULL, "localhost", &answer), 0);
    assert_true(answer.count >= 1);
    /* No hosts file has this one, and no name server needs to. */
    assert_int_equal(resolve_system.lookup(NULL, "nobody-named-it.LOCALHOST", &answer), 0);
    assert_true(answer.count >= 1);
    assert_int_equal(resolve_system.ttl_s(NULL, "localhost", &answer), -1);
}

static void
an_address_as_a_name_works(void **state)
{
    struct resolve_answer answer = {.count = 0};

    (void)state;
    assert_int_equal(resolve_system.lookup(NULL, "127.0.0.1", &answer), 0);
    assert_int_equal(answer.count, 1);
}

static void
metadata_multicast_and_unspecified_addresses_are_no_targets(void **state)
{
    static const char *const bad[] = {
        "169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "fe80::1", "ff02::1"};

    (void)state;
    for (size_t i = 0; i < array_len(bad); i++) {
        struct resolve_answer answer = {.count = 0};

        assert_int_equal(resolve_system.lookup(NULL, bad[i], &answer), GW_E_NOTFOUND);
        assert_non_null(strstr(answer.error, "not used"));
    }
}

/* api.test: a CNAME with a TTL of 300, then an address with 60. */
static const uint8_t dns_answer[] = {
    0x12, 0x34, 0x81, 0x80, 0, 1,   0,   2,   0,   0,  0, 0,                    /* header */
    3,    'a',  'p',  'i',  4, 't', 'e', 's', 't', 0,  0, 1,  0, 1,             /* question */
    0xc0, 12,   0,    5,    0, 1,   0,   0,   1,   44, 0, 4,  1, 'b', 0xc0, 16, /* CNAME b.test, 300
                                                                                 */
    1,    'b',  0xc0, 16,   0, 1,   0,   1,   0,   0,  0, 60, 0, 4,   192,  0,  2, 1, /* A, 60 */
};

static void
the_lowest_ttl_counts(void **state)
{
    int64_t ttl_s = -1;

    (void)state;
    assert_int_equal(resolve_ttl_parse(dns_answer, sizeof(dns_answer), &ttl_s), 0);
    assert_int_equal(ttl_s, 60);
}

static void
parse_any(void *arg, struct str input)
{
    int64_t ttl_s;

    (void)arg;
    if (resolve_ttl_parse((const uint8_t *)input.ptr, input.len, &ttl_s) == 0)
        assert_true(ttl_s >= 0 && ttl_s <= INT32_MAX);
}

static void
expect_refused(void *arg, struct str input)
{
    int64_t ttl_s;

    (void)arg;
    assert_int_equal(resolve_ttl_parse((const uint8_t *)input.ptr, input.len, &ttl_s), GW_E_PARSE);
}

static void
a_cut_message_is_refused(void **state)
{
    (void)state;
    for_each_truncation(str_make(dns_answer, sizeof(dns_answer)), expect_refused, NULL);
}

static void
a_flipped_bit_never_harms(void **state)
{
    (void)state;
    for_each_bit_flip(str_make(dns_answer, sizeof(dns_answer)), parse_any, NULL);
}

static void
a_message_without_answers_has_no_ttl(void **state)
{
    const uint8_t empty[12] = {0x12, 0x34, 0x81, 0x80};
    int64_t ttl_s;

    (void)state;
    assert_int_equal(resolve_ttl_parse(empty, sizeof(empty), &ttl_s), GW_E_PARSE);
}

#define world_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(settles_after_every_name_was_asked_once),
        world_test(one_lookup_serves_all_ports_of_a_name),
        world_test(an_empty_list_settles_too),
        world_test(a_name_that_does_not_exist_settles_without_addresses),
        world_test(a_slow_lookup_does_not_settle_early),
        world_test(a_changed_answer_is_told_when_the_ttl_is_over),
        world_test(the_same_answer_is_not_told_again),
        world_test(a_short_ttl_never_makes_a_busy_loop),
        world_test(a_long_ttl_is_kept_to),
        world_test(an_outage_keeps_the_last_good_addresses),
        world_test(the_state_names_the_error),
        world_test(a_name_that_comes_back_is_told_again),
        world_test(a_kept_name_settles_the_next_round_at_once),
        world_test(an_unknown_ttl_is_not_asked_for_every_time),
        world_test(freeing_does_not_wait_for_a_slow_lookup),
        cmocka_unit_test(localhost_is_found_without_a_name_server),
        cmocka_unit_test(an_address_as_a_name_works),
        cmocka_unit_test(metadata_multicast_and_unspecified_addresses_are_no_targets),
        cmocka_unit_test(the_lowest_ttl_counts),
        cmocka_unit_test(a_cut_message_is_refused),
        cmocka_unit_test(a_flipped_bit_never_harms),
        cmocka_unit_test(a_message_without_answers_has_no_ttl),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
