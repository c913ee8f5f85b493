/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/pool.h"

static void
the_cap_on_lent_blocks_holds(void **state)
{
    struct pool p;
    void *a;
    void *b;

    (void)state;
    pool_init(&p, 100, 2, 2);
    a = pool_acquire(&p);
    b = pool_acquire(&p);
    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_not_equal(a, b);
    memset(a, 1, 100);
    memset(b, 2, 100);
    assert_null(pool_acquire(&p));
    pool_release(&p, a);
    a = pool_acquire(&p);
    assert_non_null(a);
    pool_release(&p, a);
    pool_release(&p, b);
    pool_release(&p, NULL);
    assert_int_equal(p.out, 0);
    pool_done(&p);
}

static void
a_released_block_is_lent_again(void **state)
{
    struct pool p;
    void *a;

    (void)state;
    pool_init(&p, 64, 4, 4);
    a = pool_acquire(&p);
    pool_release(&p, a);
    assert_int_equal(p.kept, 1);
    assert_ptr_equal(pool_acquire(&p), a);
    assert_int_equal(p.kept, 0);
    pool_release(&p, a);
    pool_done(&p);
}

static void
no_more_than_kept_max_blocks_stay(void **state)
{
    struct pool p;
    void *blocks[5];

    (void)state;
    pool_init(&p, 1, 5, 2);
    for (size_t i = 0; i < array_len(blocks); i++)
        blocks[i] = pool_acquire(&p);
    for (size_t i = 0; i < array_len(blocks); i++)
        pool_release(&p, blocks[i]);
    assert_int_equal(p.kept, 2);
    pool_done(&p);
}

static void
a_pool_that_keeps_none_works(void **state)
{
    struct pool p;

    (void)state;
    pool_init(&p, 32, 1, 0);
    for (int i = 0; i < 3; i++)
        pool_release(&p, pool_acquire(&p));
    assert_int_equal(p.kept, 0);
    pool_done(&p);
}

static void
done_with_a_block_out(void *arg)
{
    pool_done(arg);
}

static void
a_block_that_never_came_back_is_caught(void **state)
{
    struct pool p;
    void *a;

    (void)state;
    pool_init(&p, 32, 1, 1);
    a = pool_acquire(&p);
    assert_true(unit_aborts(done_with_a_block_out, &p));
    pool_release(&p, a);
    pool_done(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cap_on_lent_blocks_holds),
        cmocka_unit_test(a_released_block_is_lent_again),
        cmocka_unit_test(no_more_than_kept_max_blocks_stay),
        cmocka_unit_test(a_pool_that_keeps_none_works),
        cmocka_unit_test(a_block_that_never_came_back_is_caught),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
