/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"

static void
clocks_agree_with_the_kernel_and_do_not_run_backwards(void **state)
{
    struct clock a;
    struct clock b;

    (void)state;
    clock_read(&a);
    clock_read(&b);
    assert_true(b.mono_us >= a.mono_us);
    assert_int_equal(a.mono_ms, a.mono_us / 1000);
    assert_true(clock_wall_s(&a) - (int64_t)time(NULL) <= 1);
    assert_true((int64_t)time(NULL) - clock_wall_s(&a) <= 1);
}

static const struct {
    const char *iso;
    const char *http;
    int64_t wall_s;
} moments[] = {
    {"1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT", 0},
    {"1969-12-31T23:59:59Z", "Wed, 31 Dec 1969 23:59:59 GMT", -1},
    {"1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
    {"2000-02-29T12:00:00Z", "Tue, 29 Feb 2000 12:00:00 GMT", 951825600},
    {"2023-10-04T17:05:15Z", "Wed, 04 Oct 2023 17:05:15 GMT", 1696439115},
    {"2026-11-24T03:08:00Z", "Tue, 24 Nov 2026 03:08:00 GMT", 1795489680},
    {"2038-01-19T03:14:08Z", "Tue, 19 Jan 2038 03:14:08 GMT", 2147483648},
    {"2100-02-28T23:59:59Z", "Sun, 28 Feb 2100 23:59:59 GMT", 4107542399},
    {"9999-12-31T23:59:59Z", "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
    {"0000-01-01T00:00:00Z", "Sat, 01 Jan 0000 00:00:00 GMT", -62167219200},
};

static void
moments_are_written_in_both_formats(void **state)
{
    char text[64];

    (void)state;
    for (size_t i = 0; i < array_len(moments); i++) {
        clock_format_iso(text, moments[i].wall_s);
        assert_str_equal(str_make(text, CLOCK_ISO_LEN), str_from(moments[i].iso));
        clock_format_http(text, moments[i].wall_s);
        assert_str_equal(str_make(text, CLOCK_HTTP_LEN), str_from(moments[i].http));
    }
}

static void
moments_are_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(moments); i++) {
        int64_t wall_s = 42;

        assert_int_equal(clock_parse_rfc3339(str_from(moments[i].iso), &wall_s), 0);
        assert_true(wall_s == moments[i].wall_s);
    }
}

static void
microseconds_keep_six_digits_also_before_1970(void **state)
{
    char text[CLOCK_ISO_MICROS_LEN];

    (void)state;
    clock_format_iso_micros(text, 1696439115514108);
    assert_str_equal(str_make(text, sizeof(text)), STR("2023-10-04T17:05:15.514108Z"));
    clock_format_iso_micros(text, 1696439115000007);
    assert_str_equal(str_make(text, sizeof(text)), STR("2023-10-04T17:05:15.000007Z"));
    clock_format_iso_micros(text, -1);
    assert_str_equal(str_make(text, sizeof(text)), STR("1969-12-31T23:59:59.999999Z"));
}

static void
years_beyond_four_digits_are_clamped(void **state)
{
    char text[CLOCK_ISO_LEN + 1] = {0};

    (void)state;
    clock_format_iso(text, INT64_MAX);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
    clock_format_iso(text, INT64_MIN);
    assert_string_equal(text, "0000-01-01T00:00:00Z");
}

static void
every_day_of_four_centuries_agrees_with_libc(void **state)
{
    char text[CLOCK_ISO_LEN + 1] = {0};

    (void)state;
    for (int64_t day = -150000; day < 60000; day++) {
        int64_t wall_s = day * 86400 + 86399;
        time_t t = (time_t)wall_s;
        char want[64];
        struct tm tm;

        gmtime_r(&t, &tm);
        snprintf(want, sizeof(want), "%04d-%02d-%02dT23:59:59Z", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday);
        clock_format_iso(text, wall_s);
        assert_string_equal(text, want);
        assert_true(clock_from_civil(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, 23, 59, 59) ==
                    wall_s);
    }
}

static void
rfc3339_takes_offsets_fractions_and_leap_seconds(void **state)
{
    static const struct {
        const char *text;
        int64_t wall_s;
    } table[] = {
        {"1970-01-01T00:00:00.999Z", 0},      {"1970-01-01t00:00:01z", 1},
        {"1970-01-01 00:00:01Z", 1},          {"1970-01-01T02:00:00+02:00", 0},
        {"1969-12-31T19:30:00-04:30", 0},     {"1970-01-01T00:00:00.123456789012345+00:00", 0},
        {"2016-12-31T23:59:60Z", 1483228800},
    };

    (void)state;
    for (size_t i = 0; i < array_len(table); i++) {
        int64_t wall_s = 42;

        assert_int_equal(clock_parse_rfc3339(str_from(table[i].text), &wall_s), 0);
        assert_true(wall_s == table[i].wall_s);
    }
}

static void
what_is_not_rfc3339_is_refused(void **state)
{
    static const char *const table[] = {
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-1-1T00:00:00Z",
        "1970-00-01T00:00:00Z",
        "1970-13-01T00:00:00Z",
        "1970-01-00T00:00:00Z",
        "1970-01-32T00:00:00Z",
        "1970-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "1970-04-31T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:61Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+00:60",
        "1970-01-01T00:00:00+0000",
        "1970-01-01T00:00:00+",
        "1970-01-01T00:00:00ZZ",
        " 1970-01-01T00:00:00Z",
        "+970-01-01T00:00:00Z",
        "1970/01/01T00:00:00Z",
    };
    int64_t wall_s = 42;

    (void)state;
    for (size_t i = 0; i < array_len(table); i++)
        assert_int_equal(clock_parse_rfc3339(str_from(table[i]), &wall_s), GW_E_PARSE);
    assert_int_equal(wall_s, 42);
}

static void
expect_refusal(void *arg, struct str input)
{
    int64_t wall_s;

    (void)arg;
    assert_int_equal(clock_parse_rfc3339(input, &wall_s), GW_E_PARSE);
}

static void
expect_no_crash(void *arg, struct str input)
{
    int64_t wall_s;

    (void)arg;
    (void)!clock_parse_rfc3339(input, &wall_s);
}

static void
a_truncated_or_damaged_moment_does_no_harm(void **state)
{
    (void)state;
    for_each_truncation(STR("1970-01-01T00:00:00.5+02:00"), expect_refusal, NULL);
    for_each_bit_flip(STR("1970-01-01T00:00:00.5+02:00"), expect_no_crash, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_agree_with_the_kernel_and_do_not_run_backwards),
        cmocka_unit_test(moments_are_written_in_both_formats),
        cmocka_unit_test(moments_are_read_back),
        cmocka_unit_test(microseconds_keep_six_digits_also_before_1970),
        cmocka_unit_test(years_beyond_four_digits_are_clamped),
        cmocka_unit_test(every_day_of_four_centuries_agrees_with_libc),
        cmocka_unit_test(rfc3339_takes_offsets_fractions_and_leap_seconds),
        cmocka_unit_test(what_is_not_rfc3339_is_refused),
        cmocka_unit_test(a_truncated_or_damaged_moment_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
