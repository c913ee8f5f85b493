/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy/outage: how long an address is set aside, who finds out that it is back, and that the
 * table stays as small as it is.
 */
#include "support/unit.h"

#include <stdio.h>

#include "proxy/outage.h"

static struct addr
address(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(str_from(text), &a), 0);
    return a;
}

/* From failure on, to the millisecond. */
static void
assert_aside(const struct outages *o, const struct addr *a, int64_t from_ms, int64_t length_ms)
{
    assert_true(outages_has(o, a, from_ms));
    assert_true(outages_has(o, a, from_ms + length_ms - 1));
    assert_false(outages_has(o, a, from_ms + length_ms));
}

static void
each_failure_sets_it_aside_for_longer(void **state)
{
    static const int64_t lengths[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct outages o = {0};
    struct addr a = address("192.0.2.1:443");
    struct addr other_port = address("192.0.2.1:444");
    int64_t now = 5000;

    (void)state;
    assert_false(outages_has(&o, &a, now));
    for (size_t i = 0; i < array_len(lengths); i++) {
        outages_on_try(&o, &a, now, 10);
        assert_int_equal(outages_on_failure(&o, &a, now), i == 0);
        assert_aside(&o, &a, now, lengths[i]);
        assert_false(outages_has(&o, &other_port, now));
        now += lengths[i];
    }
    for (int i = 0; i < 100000; i++) {
        outages_on_try(&o, &a, now, 10);
        assert_false(outages_on_failure(&o, &a, now));
    }
    assert_aside(&o, &a, now, OUTAGE_LONGEST_MS);
    assert_int_equal(o.count, 1);
}

static void
one_request_at_a_time_finds_out_whether_it_is_back(void **state)
{
    struct outages o = {0};
    struct addr a = address("192.0.2.1:443");

    (void)state;
    outages_on_try(&o, &a, 0, 20000); /* nothing is known against it */
    assert_false(outages_has(&o, &a, 0));
    (void)outages_on_failure(&o, &a, 0);
    assert_false(outages_has(&o, &a, 1000));
    outages_on_try(&o, &a, 1000, 20000);
    assert_aside(&o, &a, 1000, 20000);
    /* Tried by one who had no choice: the outage does not become shorter. */
    outages_on_try(&o, &a, 2000, 100);
    assert_aside(&o, &a, 2000, 19000);
    assert_true(outages_on_success(&o, &a));
    assert_false(outages_has(&o, &a, 2000));
    assert_false(outages_on_success(&o, &a));
    (void)outages_on_failure(&o, &a, 3000);
    assert_aside(&o, &a, 3000, OUTAGE_FIRST_MS); /* begins anew */
}

/* Many were on their way when the first of them failed. */
static void
failures_of_one_moment_are_one(void **state)
{
    struct outages o = {0};
    struct addr a = address("192.0.2.1:443");

    (void)state;
    for (int i = 0; i < 50; i++)
        assert_int_equal(outages_on_failure(&o, &a, 100 + i), i == 0);
    assert_aside(&o, &a, 100, OUTAGE_FIRST_MS);
    assert_false(outages_on_failure(&o, &a, 100 + OUTAGE_FIRST_MS)); /* later: again */
    assert_aside(&o, &a, 100 + OUTAGE_FIRST_MS, 2 * OUTAGE_FIRST_MS);
}

static void
a_full_table_forgets_what_would_end_first(void **state)
{
    struct outages o = {0};
    struct addr addrs[OUTAGES_MAX + 1];

    (void)state;
    for (int i = 0; i <= OUTAGES_MAX; i++) {
        char text[32];

        snprintf(text, sizeof(text), "[2001:db8::%x]:443", i + 1);
        addrs[i] = address(text);
    }
    for (int i = 0; i < OUTAGES_MAX; i++)
        assert_true(outages_on_failure(&o, &addrs[i], 100 + (i + 3) % OUTAGES_MAX));
    assert_true(outages_on_failure(&o, &addrs[OUTAGES_MAX], 200));
    assert_int_equal(o.count, OUTAGES_MAX);
    for (int i = 0; i <= OUTAGES_MAX; i++)
        assert_int_equal(outages_has(&o, &addrs[i], 300), i != OUTAGES_MAX - 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failure_sets_it_aside_for_longer),
        cmocka_unit_test(one_request_at_a_time_finds_out_whether_it_is_back),
        cmocka_unit_test(failures_of_one_moment_are_one),
        cmocka_unit_test(a_full_table_forgets_what_would_end_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
