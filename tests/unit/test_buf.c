/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/buf.h"

static void
a_buf_without_storage_is_empty_and_full(void **state)
{
    struct buf b = {0};

    (void)state;
    buf_check(&b);
    assert_int_equal(buf_len(&b), 0);
    assert_int_equal(buf_room(&b), 0);
    assert_int_equal(buf_append(&b, "", 0), 0);
    assert_int_equal(buf_append(&b, "a", 1), GW_E_NOSPACE);
    assert_null(buf_detach(&b));
}

static void
bytes_come_out_in_the_order_they_went_in(void **state)
{
    uint8_t mem[8];
    struct buf b;

    (void)state;
    buf_attach(&b, mem, sizeof(mem));
    assert_int_equal(buf_append_str(&b, STR("abc")), 0);
    memcpy(buf_tail(&b), "de", 2);
    buf_commit(&b, 2);
    assert_str_equal(buf_peek(&b), STR("abcde"));
    buf_consume(&b, 2);
    assert_str_equal(buf_peek(&b), STR("cde"));
    assert_int_equal(buf_room(&b), 3);
    assert_int_equal(buf_free(&b), 5);
    assert_ptr_equal(buf_detach(&b), mem);
}

static void
append_compacts_when_that_makes_room_and_is_all_or_nothing(void **state)
{
    uint8_t mem[8];
    struct buf b;

    (void)state;
    buf_attach(&b, mem, sizeof(mem));
    assert_int_equal(buf_append_str(&b, STR("12345678")), 0);
    buf_consume(&b, 5);
    assert_int_equal(buf_append_str(&b, STR("abcdef")), GW_E_NOSPACE);
    assert_str_equal(buf_peek(&b), STR("678"));
    assert_int_equal(buf_append_str(&b, STR("abcde")), 0);
    assert_str_equal(buf_peek(&b), STR("678abcde"));
    assert_int_equal(buf_free(&b), 0);
}

static void
an_emptied_buf_starts_again_at_its_front(void **state)
{
    uint8_t mem[4];
    struct buf b;

    (void)state;
    buf_attach(&b, mem, sizeof(mem));
    for (int i = 0; i < 100; i++) {
        assert_int_equal(buf_append_str(&b, STR("abcd")), 0);
        buf_consume(&b, 4);
        assert_int_equal(buf_room(&b), 4);
    }
    assert_int_equal(buf_append_str(&b, STR("ab")), 0);
    buf_reset(&b);
    assert_int_equal(buf_len(&b), 0);
    buf_compact(&b);
    assert_int_equal(buf_room(&b), 4);
}

static void
content_moves_into_other_storage(void **state)
{
    uint8_t small[4];
    uint8_t large[16];
    struct buf b;

    (void)state;
    buf_attach(&b, small, sizeof(small));
    assert_int_equal(buf_append_str(&b, STR("abcd")), 0);
    buf_consume(&b, 1);
    assert_ptr_equal(buf_move(&b, large, sizeof(large)), small);
    assert_str_equal(buf_peek(&b), STR("bcd"));
    assert_int_equal(buf_room(&b), 13);
    assert_ptr_equal(buf_move(&b, small, 3), large);
    assert_str_equal(buf_peek(&b), STR("bcd"));
    buf_consume(&b, 3);
    assert_ptr_equal(buf_move(&b, NULL, 0), small);
    assert_int_equal(buf_free(&b), 0);
}

static void
commit_too_much(void *arg)
{
    buf_commit(arg, 5);
}

static void
consume_too_much(void *arg)
{
    buf_consume(arg, 1);
}

static void
move_to_too_little(void *arg)
{
    struct buf *b = arg;

    buf_commit(b, 4);
    buf_move(b, NULL, 0);
}

static void
misuse_is_caught(void **state)
{
    uint8_t mem[4];
    struct buf b;

    (void)state;
    buf_attach(&b, mem, sizeof(mem));
    assert_true(unit_aborts(commit_too_much, &b));
    assert_true(unit_aborts(consume_too_much, &b));
    assert_true(unit_aborts(move_to_too_little, &b));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buf_without_storage_is_empty_and_full),
        cmocka_unit_test(bytes_come_out_in_the_order_they_went_in),
        cmocka_unit_test(append_compacts_when_that_makes_room_and_is_all_or_nothing),
        cmocka_unit_test(an_emptied_buf_starts_again_at_its_front),
        cmocka_unit_test(content_moves_into_other_storage),
        cmocka_unit_test(misuse_is_caught),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
