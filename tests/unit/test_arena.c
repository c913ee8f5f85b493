/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/arena.h"

static void
blocks_are_aligned_disjoint_and_writable(void **state)
{
    struct arena a;
    uint8_t *last = NULL;

    (void)state;
    arena_init(&a, 256, 65536);
    for (size_t n = 0; n < 100; n++) {
        uint8_t *mem = arena_alloc(&a, n);

        assert_non_null(mem);
        assert_int_equal((uintptr_t)mem % 16, 0);
        assert_ptr_not_equal(mem, last);
        memset(mem, (int)n, n);
        last = mem;
    }
    arena_done(&a);
}

static void
calloc_zeroes_and_refuses_products_that_overflow(void **state)
{
    struct arena a;
    uint8_t *mem;

    (void)state;
    arena_init(&a, 64, 4096);
    mem = arena_alloc(&a, 64);
    memset(mem, 0xff, 64);
    arena_reset(&a);
    mem = arena_calloc(&a, 8, 8);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(mem[i], 0);
    assert_null(arena_calloc(&a, SIZE_MAX / 2, 4));
    assert_true(a.overflow);
    arena_done(&a);
}

static void
the_cap_is_an_answer_and_stays_until_reset(void **state)
{
    static const size_t sizes[] = {1009, 1025, SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15};
    struct arena a;

    (void)state;
    arena_init(&a, 64, 1024);
    for (size_t i = 0; i < array_len(sizes); i++) {
        assert_non_null(arena_alloc(&a, 16));
        assert_null(arena_alloc(&a, sizes[i]));
        assert_true(a.overflow);
        assert_non_null(arena_alloc(&a, 16));
        assert_true(a.overflow);
        arena_reset(&a);
        assert_false(a.overflow);
    }
    assert_non_null(arena_alloc(&a, 1024));
    assert_null(arena_alloc(&a, 0));
    arena_done(&a);
}

static void
the_first_block_survives_a_reset(void **state)
{
    struct arena a;
    void *first;

    (void)state;
    arena_init(&a, 128, 4096);
    first = arena_alloc(&a, 100);
    assert_non_null(arena_alloc(&a, 100));
    arena_reset(&a);
    assert_int_equal(a.used_bytes, 0);
    assert_ptr_equal(arena_alloc(&a, 100), first);
    arena_done(&a);
    assert_null(a.first);
}

static void
a_first_block_made_for_one_large_request_is_not_kept(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 64, 65536);
    assert_non_null(arena_alloc(&a, 30000));
    arena_reset(&a);
    assert_null(a.first);
    assert_non_null(arena_alloc(&a, 10));
    arena_done(&a);
}

static void
texts_are_copied_and_end_with_a_nul(void **state)
{
    struct arena a;
    char source[] = "abc";
    struct str copy;

    (void)state;
    arena_init(&a, 64, 256);
    copy = arena_str(&a, str_from(source));
    source[0] = 'x';
    assert_str_equal(copy, STR("abc"));
    assert_int_equal(copy.ptr[3], '\0');
    copy = arena_str(&a, (struct str){0});
    assert_int_equal(copy.len, 0);
    assert_string_equal(copy.ptr, "");
    assert_null(arena_str(&a, str_make(source, 1000)).ptr);
    arena_done(&a);
}

static void
printf_into_the_arena_obeys_the_cap(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 64, 256);
    assert_str_equal(arena_printf(&a, "%s=%d", "x", 42), STR("x=42"));
    assert_str_equal(arena_printf(&a, "%s", ""), STR(""));
    assert_str_equal(arena_u64(&a, 1024), STR("1024"));
    assert_null(arena_printf(&a, "%300d", 1).ptr);
    assert_true(a.overflow);
    arena_done(&a);
}

struct trace {
    char order[8];
    size_t len;
};

static struct trace trace;
static char letters[] = "abc";

static void
note(void *arg)
{
    trace.order[trace.len++] = *(const char *)arg;
}

static void
cleanups_run_once_newest_first(void **state)
{
    struct arena a;

    (void)state;
    trace = (struct trace){0};
    arena_init(&a, 64, 1024);
    assert_true(arena_cleanup_add(&a, note, &letters['a' - 'a']));
    assert_true(arena_cleanup_add(&a, note, &letters['b' - 'a']));
    arena_reset(&a);
    assert_string_equal(trace.order, "ba");
    assert_true(arena_cleanup_add(&a, note, &letters['c' - 'a']));
    arena_done(&a);
    assert_string_equal(trace.order, "bac");
}

static void
a_cleanup_that_does_not_fit_runs_at_once(void **state)
{
    struct arena a;

    (void)state;
    trace = (struct trace){0};
    arena_init(&a, 64, 16);
    assert_false(arena_cleanup_add(&a, note, &letters['a' - 'a']));
    assert_string_equal(trace.order, "a");
    arena_done(&a);
    assert_string_equal(trace.order, "a");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_disjoint_and_writable),
        cmocka_unit_test(calloc_zeroes_and_refuses_products_that_overflow),
        cmocka_unit_test(the_cap_is_an_answer_and_stays_until_reset),
        cmocka_unit_test(the_first_block_survives_a_reset),
        cmocka_unit_test(a_first_block_made_for_one_large_request_is_not_kept),
        cmocka_unit_test(texts_are_copied_and_end_with_a_nul),
        cmocka_unit_test(printf_into_the_arena_obeys_the_cap),
        cmocka_unit_test(cleanups_run_once_newest_first),
        cmocka_unit_test(a_cleanup_that_does_not_fit_runs_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
