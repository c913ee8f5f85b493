/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/ratelimit.h"

static unsigned
admitted_of(struct ratelimit *r, unsigned tries, int64_t now_ms)
{
    unsigned admitted = 0;

    for (unsigned i = 0; i < tries; i++)
        admitted += ratelimit_admit(r, now_ms);
    return admitted;
}

static void
a_burst_passes_and_then_the_rate_holds(void **state)
{
    struct ratelimit r;

    (void)state;
    ratelimit_init(&r, 10, 5, 1000);
    assert_int_equal(admitted_of(&r, 20, 1000), 5);
    assert_int_equal(admitted_of(&r, 20, 1099), 0);
    assert_int_equal(admitted_of(&r, 20, 1100), 1);
    assert_int_equal(admitted_of(&r, 20, 1300), 2);
    assert_int_equal(admitted_of(&r, 20, 100000), 5);
}

static void
slow_rates_lose_no_fraction(void **state)
{
    struct ratelimit r;
    unsigned admitted = 0;

    (void)state;
    ratelimit_init(&r, 3, 1, 0);
    for (int64_t ms = 1; ms <= 10000; ms++)
        admitted += ratelimit_admit(&r, ms);
    assert_in_range(admitted, 30, 31);
}

static void
a_clock_that_stands_or_runs_back_earns_nothing(void **state)
{
    struct ratelimit r;

    (void)state;
    ratelimit_init(&r, 1000, 1, 5000);
    assert_true(ratelimit_admit(&r, 5000));
    assert_false(ratelimit_admit(&r, 5000));
    assert_false(ratelimit_admit(&r, 4000));
    assert_true(ratelimit_admit(&r, 5001));
    ratelimit_init(&r, 1000, 2, 5000);
    assert_true(ratelimit_admit(&r, 4000));
}

static void
extreme_values_do_not_overflow(void **state)
{
    struct ratelimit r;

    (void)state;
    ratelimit_init(&r, UINT32_MAX, UINT32_MAX, 0);
    assert_true(ratelimit_admit(&r, INT64_MAX / 2));
    ratelimit_init(&r, 0, 0, 0);
    assert_false(ratelimit_admit(&r, INT64_MAX / 2));
    ratelimit_init(&r, 0, 2, 0);
    assert_int_equal(admitted_of(&r, 5, 1000000), 2);
}

static void
drops_are_counted_until_taken(void **state)
{
    struct ratelimit r;

    (void)state;
    ratelimit_init(&r, 1, 1, 0);
    admitted_of(&r, 5, 0);
    assert_int_equal(ratelimit_take_dropped(&r), 4);
    assert_int_equal(ratelimit_take_dropped(&r), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_passes_and_then_the_rate_holds),
        cmocka_unit_test(slow_rates_lose_no_fraction),
        cmocka_unit_test(a_clock_that_stands_or_runs_back_earns_nothing),
        cmocka_unit_test(extreme_values_do_not_overflow),
        cmocka_unit_test(drops_are_counted_until_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
