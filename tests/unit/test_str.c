/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>

#include <stdlib.h>

#include "base/str.h"

static void
equality_can_ignore_ascii_case_only(void **state)
{
    (void)state;
    assert_true(str_eq(STR(""), (struct str){0}));
    assert_true(str_eq(STR("a"), STR("a")));
    assert_false(str_eq(STR("a"), STR("A")));
    assert_false(str_eq(STR("a"), STR("ab")));
    assert_true(str_eq_nocase(STR("Content-Length"), STR("cOnTENT-lENGTH")));
    assert_true(str_eq_nocase(STR(""), (struct str){0}));
    assert_false(str_eq_nocase(STR("a"), STR("ab")));
    /* '@' and '`', '[' and '{' differ by 32 and are no letters. */
    assert_false(str_eq_nocase(STR("@["), STR("`{")));
    assert_false(str_eq_nocase(STR("\xc4"), STR("\xe4")));
}

static void
order_is_bytewise_and_shorter_first(void **state)
{
    (void)state;
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("b"), STR("a")) > 0);
    assert_true(str_cmp(STR("a"), STR("aa")) < 0);
    assert_true(str_cmp(STR("aa"), STR("a")) > 0);
    assert_int_equal(str_cmp(STR("aa"), STR("aa")), 0);
    assert_int_equal(str_cmp(STR(""), (struct str){0}), 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
}

static void
prefixes_and_suffixes(void **state)
{
    (void)state;
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_true(str_starts(STR("abc"), STR("")));
    assert_false(str_starts(STR("ab"), STR("abc")));
    assert_false(str_starts(STR("abc"), STR("AB")));
    assert_true(str_starts_nocase(STR("X-Amzn-Mtls-"), STR("x-amzn-")));
    assert_false(str_starts_nocase(STR("x"), STR("x-")));
    assert_true(str_ends(STR("abc"), STR("bc")));
    assert_true(str_ends(STR("abc"), STR("")));
    assert_false(str_ends(STR("bc"), STR("abc")));
    assert_true(str_ends_nocase(STR("a.EXAMPLE"), STR(".example")));
    assert_false(str_ends_nocase(STR("a.EXAMPLE"), STR("example.")));
}

static void
bytes_are_found_from_both_ends(void **state)
{
    (void)state;
    assert_int_equal(str_chr(STR("a,b,c"), ','), 1);
    assert_int_equal(str_rchr(STR("a,b,c"), ','), 3);
    assert_int_equal(str_chr(STR("abc"), ','), -1);
    assert_int_equal(str_rchr(STR("abc"), ','), -1);
    assert_int_equal(str_chr((struct str){0}, ','), -1);
    assert_int_equal(str_rchr((struct str){0}, ','), -1);
    assert_int_equal(str_chr(STR("a\0b"), '\0'), 1);
}

static void
sub_is_clamped_to_the_slice(void **state)
{
    (void)state;
    assert_str_equal(str_sub(STR("abc"), 1, 1), STR("b"));
    assert_str_equal(str_sub(STR("abc"), 1, SIZE_MAX), STR("bc"));
    assert_str_equal(str_sub(STR("abc"), 3, 1), STR(""));
    assert_str_equal(str_sub(STR("abc"), SIZE_MAX, SIZE_MAX), STR(""));
    assert_str_equal(str_sub((struct str){0}, 0, 5), STR(""));
}

static void
trim_removes_spaces_and_tabs_only(void **state)
{
    (void)state;
    assert_str_equal(str_trim(STR(" \t a b\t ")), STR("a b"));
    assert_str_equal(str_trim(STR(" \t ")), STR(""));
    assert_str_equal(str_trim(STR("")), STR(""));
    assert_str_equal(str_trim(STR("\r\na\n")), STR("\r\na\n"));
}

static void
split_yields_every_piece_also_empty_ones(void **state)
{
    static const struct {
        struct str text;
        struct str pieces[4];
        size_t count;
    } table[] = {
        {STR_INIT(""), {STR_INIT("")}, 1},
        {STR_INIT("a"), {STR_INIT("a")}, 1},
        {STR_INIT("a,"), {STR_INIT("a"), STR_INIT("")}, 2},
        {STR_INIT(",a"), {STR_INIT(""), STR_INIT("a")}, 2},
        {STR_INIT("a,,b"), {STR_INIT("a"), STR_INIT(""), STR_INIT("b")}, 3},
    };

    (void)state;
    for (size_t i = 0; i < array_len(table); i++) {
        struct str rest = table[i].text;
        struct str piece;
        bool done = false;
        size_t count = 0;

        while (str_split_next(&rest, ',', &done, &piece)) {
            assert_true(count < table[i].count);
            assert_str_equal(piece, table[i].pieces[count++]);
        }
        assert_int_equal(count, table[i].count);
    }
}

static void
numbers_are_digits_within_a_limit(void **state)
{
    static const struct {
        struct str text;
        uint64_t max;
        uint64_t value;
        int decimal;
        int hex;
    } table[] = {
        {STR_INIT("0"), 0, 0, 0, 0},
        {STR_INIT("0"), 10, 0, 0, 0},
        {STR_INIT("007"), 7, 7, 0, 0},
        {STR_INIT("8"), 7, 0, GW_E_LIMIT, GW_E_LIMIT},
        {STR_INIT("9"), 3, 0, GW_E_LIMIT, GW_E_LIMIT},
        {STR_INIT(""), 9, 0, GW_E_PARSE, GW_E_PARSE},
        {STR_INIT("-1"), 9, 0, GW_E_PARSE, GW_E_PARSE},
        {STR_INIT("+1"), 9, 0, GW_E_PARSE, GW_E_PARSE},
        {STR_INIT(" 1"), 9, 0, GW_E_PARSE, GW_E_PARSE},
        {STR_INIT("1 "), 9, 0, GW_E_PARSE, GW_E_PARSE},
        {STR_INIT("0x1"), 9, 0, GW_E_PARSE, GW_E_PARSE},
        {STR_INIT("1\0"), 9, 0, GW_E_PARSE, GW_E_PARSE},
        {STR_INIT("999999999999999999999999x"), 9, 0, GW_E_PARSE, GW_E_PARSE},
    };

    (void)state;
    for (size_t i = 0; i < array_len(table); i++) {
        uint64_t value = 77;

        assert_int_equal(str_parse_u64(table[i].text, table[i].max, &value), table[i].decimal);
        assert_int_equal(value, table[i].decimal == 0 ? table[i].value : 77);
        value = 77;
        assert_int_equal(str_parse_hex_u64(table[i].text, table[i].max, &value), table[i].hex);
        assert_int_equal(value, table[i].hex == 0 ? table[i].value : 77);
    }
}

static void
numbers_reach_the_largest_and_no_further(void **state)
{
    uint64_t value = 0;

    (void)state;
    assert_int_equal(str_parse_u64(STR("18446744073709551615"), UINT64_MAX, &value), 0);
    assert_true(value == UINT64_MAX);
    assert_int_equal(str_parse_u64(STR("18446744073709551616"), UINT64_MAX, &value), GW_E_LIMIT);
    assert_int_equal(str_parse_u64(STR("99999999999999999999"), UINT64_MAX, &value), GW_E_LIMIT);
    assert_int_equal(str_parse_u64(STR("100000000000000000000"), UINT64_MAX, &value), GW_E_LIMIT);
    assert_int_equal(str_parse_hex_u64(STR("fFfFfFfFfFfFfFfF"), UINT64_MAX, &value), 0);
    assert_true(value == UINT64_MAX);
    assert_int_equal(str_parse_hex_u64(STR("10000000000000000"), UINT64_MAX, &value), GW_E_LIMIT);
    assert_int_equal(str_parse_hex_u64(STR("g"), UINT64_MAX, &value), GW_E_PARSE);
    assert_int_equal(str_parse_u64(STR("a"), UINT64_MAX, &value), GW_E_PARSE);
    /* Each decimal limit up to 300 admits itself and refuses the next number. */
    for (unsigned max = 0; max < 300; max++) {
        char text[16];

        snprintf(text, sizeof(text), "%u", max);
        assert_int_equal(str_parse_u64(str_from(text), max, &value), 0);
        assert_int_equal(value, max);
        snprintf(text, sizeof(text), "%u", max + 1);
        assert_int_equal(str_parse_u64(str_from(text), max, &value), GW_E_LIMIT);
    }
}

static void
hex_of_every_byte_comes_back(void **state)
{
    char text[512];
    uint8_t bytes[256];
    uint8_t back[256];
    size_t len = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    str_hex_upper(text, bytes, sizeof(bytes));
    assert_memory_equal(text + 2 * 0xab, "AB", 2);
    assert_int_equal(str_unhex(str_make(text, sizeof(text)), back, sizeof(back), &len), 0);
    assert_int_equal(len, sizeof(bytes));
    assert_memory_equal(back, bytes, sizeof(bytes));
    str_hex_lower(text, bytes, sizeof(bytes));
    assert_memory_equal(text + 2 * 0xab, "ab", 2);
    assert_int_equal(str_unhex(str_make(text, sizeof(text)), back, sizeof(back), &len), 0);
    assert_memory_equal(back, bytes, sizeof(bytes));
}

static void
numbers_are_written_in_decimal(void **state)
{
    static const struct {
        uint64_t n;
        struct str text;
    } rows[] = {
        {0, STR_INIT("0")},       {9, STR_INIT("9")},
        {10, STR_INIT("10")},     {99, STR_INIT("99")},
        {1024, STR_INIT("1024")}, {UINT64_MAX, STR_INIT("18446744073709551615")},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        char *text = malloc(STR_U64_MAX); /* a byte too many would be seen */
        size_t n = str_u64(text, rows[i].n);

        assert_str_equal(str_make(text, n), rows[i].text);
        free(text);
    }
}

static void
unhex_takes_colons_between_bytes_only(void **state)
{
    static const struct {
        struct str text;
        int err;
        size_t len;
    } table[] = {
        {STR_INIT(""), 0, 0},
        {STR_INIT("01"), 0, 1},
        {STR_INIT("01:02:03"), 0, 3},
        {STR_INIT("0102:03"), 0, 3},
        {STR_INIT("0"), GW_E_PARSE, 0},
        {STR_INIT("012"), GW_E_PARSE, 0},
        {STR_INIT(":01"), GW_E_PARSE, 0},
        {STR_INIT("01:"), GW_E_PARSE, 0},
        {STR_INIT("01::02"), GW_E_PARSE, 0},
        {STR_INIT("0:1"), GW_E_PARSE, 0},
        {STR_INIT("0g"), GW_E_PARSE, 0},
        {STR_INIT("01020304"), GW_E_LIMIT, 0},
    };

    (void)state;
    for (size_t i = 0; i < array_len(table); i++) {
        uint8_t bytes[3] = {0xee, 0xee, 0xee};
        size_t len = 99;

        assert_int_equal(str_unhex(table[i].text, bytes, sizeof(bytes), &len), table[i].err);
        assert_int_equal(len, table[i].err == 0 ? table[i].len : 99);
        if (table[i].err != 0)
            assert_memory_equal(bytes, "\xee\xee\xee", 3);
        for (size_t k = 0; table[i].err == 0 && k < len; k++)
            assert_int_equal(bytes[k], k + 1);
    }
}

static void
wildcards_match_as_alb_does(void **state)
{
    static const struct {
        const char *pattern;
        const char *text;
        bool exact;
        bool nocase;
    } table[] = {
        {"", "", true, true},
        {"", "a", false, false},
        {"*", "", true, true},
        {"**", "abc", true, true},
        {"?", "", false, false},
        {"?", "a", true, true},
        {"?*", "a", true, true},
        {"/widgets*", "/widgets/1", true, true},
        {"/widgets*", "/widget", false, false},
        {"*.example.com", "a.example.com", true, true},
        {"*.example.com", ".example.com", true, true},
        {"*.example.com", "example.com", false, false},
        {"*.Example.com", "a.eXAMPLE.com", false, true},
        {"a*b*c", "a-b-b-c", true, true},
        {"a*b*c", "a-b-b-d", false, false},
        {"*aab", "aaaab", true, true},
        {"a?c", "abc", true, true},
        {"a?c", "ac", false, false},
        {"*a?b*", "xxaybzz", true, true},
        {"\\*", "*", false, false},
    };

    (void)state;
    for (size_t i = 0; i < array_len(table); i++) {
        struct str pattern = str_from(table[i].pattern);
        struct str text = str_from(table[i].text);

        assert_int_equal(str_match_wildcard(pattern, text, false), table[i].exact);
        assert_int_equal(str_match_wildcard(pattern, text, true), table[i].nocase);
    }
}

static void
wildcards_that_invite_backtracking_end_soon(void **state)
{
    static char text[20000];
    char pattern[128];

    (void)state;
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    pattern[sizeof(pattern) - 1] = 'b';
    assert_false(
        str_match_wildcard(str_make(pattern, sizeof(pattern)), str_make(text, sizeof(text)), true));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_can_ignore_ascii_case_only),
        cmocka_unit_test(order_is_bytewise_and_shorter_first),
        cmocka_unit_test(prefixes_and_suffixes),
        cmocka_unit_test(bytes_are_found_from_both_ends),
        cmocka_unit_test(sub_is_clamped_to_the_slice),
        cmocka_unit_test(trim_removes_spaces_and_tabs_only),
        cmocka_unit_test(split_yields_every_piece_also_empty_ones),
        cmocka_unit_test(numbers_are_digits_within_a_limit),
        cmocka_unit_test(numbers_reach_the_largest_and_no_further),
        cmocka_unit_test(hex_of_every_byte_comes_back),
        cmocka_unit_test(numbers_are_written_in_decimal),
        cmocka_unit_test(unhex_takes_colons_between_bytes_only),
        cmocka_unit_test(wildcards_match_as_alb_does),
        cmocka_unit_test(wildcards_that_invite_backtracking_end_soon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
