/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/assert.h"
#include "base/ref.h"

struct tagged {
    uint32_t magic;
};

static void
assert_something_false(void *arg)
{
    gw_assert(arg != arg);
}

static void
check_the_wrong_tag(void *arg)
{
    magic_check((struct tagged *)arg, MAGIC_CONN);
}

static void
drop_a_dead_reference(void *arg)
{
    (void)ref_drop(arg);
}

static void
take_a_dead_reference(void *arg)
{
    ref_take(arg);
}

static void
a_false_assertion_aborts(void **state)
{
    (void)state;
    assert_true(unit_aborts(assert_something_false, NULL));
}

static void
a_true_assertion_evaluates_once_and_goes_on(void **state)
{
    int calls = 0;

    (void)state;
    gw_assert(++calls == 1);
    assert_int_equal(calls, 1);
}

static void
a_foreign_or_dead_object_is_caught(void **state)
{
    struct tagged conn = {MAGIC_CONN};
    struct tagged stream = {MAGIC_STREAM};
    struct tagged dead = {MAGIC_DEAD};

    (void)state;
    magic_check(&conn, MAGIC_CONN);
    assert_true(unit_aborts(check_the_wrong_tag, &stream));
    assert_true(unit_aborts(check_the_wrong_tag, &dead));
    assert_true(unit_aborts(check_the_wrong_tag, NULL));
}

static void
the_last_drop_of_a_reference_says_so(void **state)
{
    struct ref r;

    (void)state;
    ref_init(&r);
    ref_take(&r);
    assert_false(ref_drop(&r));
    assert_true(ref_drop(&r));
    assert_true(unit_aborts(drop_a_dead_reference, &r));
    assert_true(unit_aborts(take_a_dead_reference, &r));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_false_assertion_aborts),
        cmocka_unit_test(a_true_assertion_evaluates_once_and_goes_on),
        cmocka_unit_test(a_foreign_or_dead_object_is_caught),
        cmocka_unit_test(the_last_drop_of_a_reference_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
