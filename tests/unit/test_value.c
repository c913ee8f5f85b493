/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/limits.h"
#include "conf/value.h"

struct number_row {
    const char *text;
    int err;
    int64_t value;
};

static void
integers_are_digits_with_an_optional_minus(void **state)
{
    static const struct number_row rows[] = {
        {"0", 0, 0},
        {"42", 0, 42},
        {"-7", 0, -7},
        {"007", 0, 7},
        {"9223372036854775807", 0, INT64_MAX},
        {"9223372036854775808", GW_E_LIMIT, 0},
        {"99999999999999999999999999", GW_E_LIMIT, 0},
        {"", GW_E_PARSE, 0},
        {"-", GW_E_PARSE, 0},
        {"--1", GW_E_PARSE, 0},
        {"+1", GW_E_PARSE, 0},
        {" 1", GW_E_PARSE, 0},
        {"1 ", GW_E_PARSE, 0},
        {"1.0", GW_E_PARSE, 0},
        {"1e3", GW_E_PARSE, 0},
        {"0x10", GW_E_PARSE, 0},
        {"1_000", GW_E_PARSE, 0},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        int64_t value = -99;

        assert_int_equal(value_int(str_from(rows[i].text), &value), rows[i].err);
        assert_int_equal(value, rows[i].err == 0 ? rows[i].value : -99);
    }
}

static void
durations_have_one_unit(void **state)
{
    static const struct number_row rows[] = {
        {"500ms", 0, 500},
        {"10s", 0, 10000},
        {"5m", 0, 300000},
        {"24h", 0, 86400000},
        {"0s", 0, 0},
        {"2562047788015h", 0, 2562047788015 * 3600000},
        {"2562047788016h", GW_E_LIMIT, 0},
        {"9223372036854775808ms", GW_E_LIMIT, 0},
        {"10", GW_E_PARSE, 0},
        {"", GW_E_PARSE, 0},
        {"s", GW_E_PARSE, 0},
        {"ms", GW_E_PARSE, 0},
        {"-5s", GW_E_PARSE, 0},
        {"1.5s", GW_E_PARSE, 0},
        {"1h30m", GW_E_PARSE, 0},
        {"10 s", GW_E_PARSE, 0},
        {"10S", GW_E_PARSE, 0},
        {"10sec", GW_E_PARSE, 0},
        {"1d", GW_E_PARSE, 0},
        {"5us", GW_E_PARSE, 0},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        int64_t value = -99;

        assert_int_equal(value_duration(str_from(rows[i].text), &value), rows[i].err);
        assert_int_equal(value, rows[i].err == 0 ? rows[i].value : -99);
    }
}

static void
sizes_have_a_binary_unit(void **state)
{
    static const struct number_row rows[] = {
        {"16KiB", 0, 16384},
        {"1MiB", 0, 1048576},
        {"2GiB", 0, 2147483648},
        {"512B", 0, 512},
        {"1024GiB", 0, 1LL << 40},
        {"1025GiB", GW_E_LIMIT, 0},
        {"18446744073709551616B", GW_E_LIMIT, 0},
        {"1024", GW_E_PARSE, 0},
        {"KiB", GW_E_PARSE, 0},
        {"1KB", GW_E_PARSE, 0},
        {"1kib", GW_E_PARSE, 0},
        {"1M", GW_E_PARSE, 0},
        {"-1KiB", GW_E_PARSE, 0},
        {"1.5MiB", GW_E_PARSE, 0},
        {"1 MiB", GW_E_PARSE, 0},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        uint64_t value = 99;

        assert_int_equal(value_size(str_from(rows[i].text), &value), rows[i].err);
        assert_int_equal(value, rows[i].err == 0 ? (uint64_t)rows[i].value : 99);
    }
}

static void
booleans_are_four_words(void **state)
{
    static const char *const wrong[] = {"",  "yes", "no",    "True", "TRUE",  "1",
                                        "0", "t",   "true ", "ON",   "truee", "of"};
    bool on = false;

    (void)state;
    assert_int_equal(value_bool(STR("true"), &on), 0);
    assert_true(on);
    assert_int_equal(value_bool(STR("off"), &on), 0);
    assert_false(on);
    assert_int_equal(value_bool(STR("on"), &on), 0);
    assert_true(on);
    assert_int_equal(value_bool(STR("false"), &on), 0);
    assert_false(on);
    for (size_t i = 0; i < array_len(wrong); i++)
        assert_int_equal(value_bool(str_from(wrong[i]), &on), GW_E_PARSE);
    assert_false(on);
}

static void
names_are_plain(void **state)
{
    static const char *const good[] = {"a", "7", "execute-api", "a.b_c-D9"};
    static const char *const bad[] = {"", "-a", ".a", "_a", "a b", "a/b", "a\n", "\xc3\xa4", "a:b"};

    (void)state;
    for (size_t i = 0; i < array_len(good); i++)
        assert_true(value_is_name(str_from(good[i]), NAME_BYTES_MAX));
    for (size_t i = 0; i < array_len(bad); i++)
        assert_false(value_is_name(str_from(bad[i]), NAME_BYTES_MAX));
    assert_true(value_is_name(STR("abcd"), 4));
    assert_false(value_is_name(STR("abcde"), 4));
}

static void
object_identifiers_are_dotted_numbers(void **state)
{
    static const char *const good[] = {"1.2", "2.5.29.32.0", "1.3.6.1.4.1.55555.1", "0.9.2342"};
    static const char *const bad[] = {"", "1", "1.", ".1", "1..2", "3.1", "1.02", "1.a", "1.-2"};

    (void)state;
    for (size_t i = 0; i < array_len(good); i++)
        assert_true(value_is_oid(str_from(good[i])));
    for (size_t i = 0; i < array_len(bad); i++)
        assert_false(value_is_oid(str_from(bad[i])));
}

static void
distance_counts_edits_and_forgives_case_and_dashes(void **state)
{
    char long_text[200];

    (void)state;
    memset(long_text, 'a', sizeof(long_text));
    assert_int_equal(value_distance(STR("workers"), STR("workers")), 0);
    assert_int_equal(value_distance(STR("Trust-Store"), STR("trust_store")), 0);
    assert_int_equal(value_distance(STR("worker"), STR("workers")), 1);
    assert_int_equal(value_distance(STR("wrokers"), STR("workers")), 2);
    assert_int_equal(value_distance(STR("abc"), STR("xyz")), 3);
    assert_int_equal(value_distance(STR(""), STR("abc")), 3);
    assert_int_equal(value_distance(STR("abc"), STR("")), 3);
    assert_true(value_distance(str_make(long_text, 97), STR("a")) == SIZE_MAX);
    assert_int_equal(value_distance(str_make(long_text, 96), STR("")), 96);
}

static void
durations_are_said_in_their_largest_whole_unit(void **state)
{
    char text[VALUE_DURATION_TEXT_MAX];

    (void)state;
    assert_str_equal(str_make(text, value_format_duration(1500, text)), STR("1500ms"));
    assert_str_equal(str_make(text, value_format_duration(10000, text)), STR("10s"));
    assert_str_equal(str_make(text, value_format_duration(300000, text)), STR("5m"));
    assert_str_equal(str_make(text, value_format_duration(86400000, text)), STR("24h"));
    assert_str_equal(str_make(text, value_format_duration(0, text)), STR("0s"));
}

static void
printable_means_ascii_without_controls(void **state)
{
    (void)state;
    assert_true(value_is_printable(STR("")));
    assert_true(value_is_printable(STR(" az~")));
    assert_false(value_is_printable(STR("a\tb")));
    assert_false(value_is_printable(STR("a\x7f")));
    assert_false(value_is_printable(STR("\xc3\xa4")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_digits_with_an_optional_minus),
        cmocka_unit_test(durations_have_one_unit),
        cmocka_unit_test(sizes_have_a_binary_unit),
        cmocka_unit_test(booleans_are_four_words),
        cmocka_unit_test(names_are_plain),
        cmocka_unit_test(object_identifiers_are_dotted_numbers),
        cmocka_unit_test(distance_counts_edits_and_forgives_case_and_dashes),
        cmocka_unit_test(durations_are_said_in_their_largest_whole_unit),
        cmocka_unit_test(printable_means_ascii_without_controls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
