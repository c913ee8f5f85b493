/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "ctl/report.h"
#include "support/json_check.h"

static const char *const columns[] = {"name", "expires"};
static const char *const three[] = {"reason", "left_seconds", "seconds_to_go"};
static const char *const four[] = {"a_b", "b", "c", "again_in_ms"};

/* Every kind of section and value, one hostile; the caller frees. */
static char *
write_report(enum report_format format)
{
    struct report r;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    report_begin(&r, out, format, "Title");
    report_facts(&r, "gateway_facts");
    report_int(&r, "count", -7);
    report_bool(&r, "is_good", true);
    report_str(&r, "text", STR("<a href=\"x\">&'\n\\\xff\xc3\xa4"));
    report_table(&r, "empty", columns, 2);
    report_table(&r, "rows", columns, 2);
    for (int i = 0; i < 2; i++) {
        report_row(&r);
        report_str(&r, "name", i == 0 ? STR("one") : STR("two"));
        report_time(&r, "expires", i == 0 ? 0 : INT64_MAX);
    }
    report_table(&r, "narrow", three, 3);
    report_row(&r);
    report_str(&r, "reason", STR("\xc3\xa4"));
    report_seconds(&r, "left_seconds", 90000);
    report_seconds(&r, "seconds_to_go", -3600);
    report_table(&r, "wide", four, 4);
    report_row(&r);
    report_bool(&r, "a_b", false);
    report_int(&r, "b", 1);
    report_int(&r, "c", 2);
    report_ms(&r, "again_in_ms", 61999);
    report_end(&r);
    fclose(out);
    return text;
}

static void
json_is_valid_and_complete(void **state)
{
    char *text = write_report(REPORT_JSON);

    (void)state;
    assert_string_equal(text, "{\"gateway_facts\":{\"count\":-7,\"is_good\":true,"
                              "\"text\":\"<a href=\\\"x\\\">&'\\u000a\\\\\\ufffd\xc3\xa4\"},\n"
                              "\"empty\":[],\n"
                              "\"rows\":[{\"name\":\"one\",\"expires\":\"1970-01-01T00:00:00Z\"},"
                              "{\"name\":\"two\",\"expires\":null}],\n"
                              "\"narrow\":[{\"reason\":\"\xc3\xa4\",\"left_seconds\":90000,"
                              "\"seconds_to_go\":-3600}],\n"
                              "\"wide\":[{\"a_b\":false,\"b\":1,\"c\":2,"
                              "\"again_in_ms\":61999}]}\n");
    assert_true(json_is_valid(str_from(text)));
    free(text);
}

static void
a_page_shows_no_markup_of_a_value(void **state)
{
    char *text = write_report(REPORT_HTML);

    (void)state;
    assert_null(strstr(text, "<a href"));
    assert_non_null(strstr(text, "&#60;a href=&#34;x&#34;&#62;&#38;&#39;"));
    assert_non_null(strstr(text, "<h2>gateway facts</h2>"));
    assert_non_null(strstr(text, "<tr><th>name</th><th>expires</th></tr>"));
    assert_non_null(strstr(text, "<tr><td>two</td><td>-</td></tr>"));
    assert_non_null(strstr(text, "<tr class=\"none\"><td colspan=\"2\">none</td></tr>"));
    assert_non_null(strstr(text, "<th>left</th><th>to go</th></tr>"));
    assert_non_null(strstr(text, "<td>1d 1h</td><td>-1h 0m</td></tr>"));
    assert_non_null(strstr(text, "</html>"));
    free(text);
}

static void
text_is_lined_up(void **state)
{
    char *text = write_report(REPORT_TEXT);

    (void)state;
    assert_non_null(strstr(text, "\ngateway facts\n  count"));
    assert_non_null(strstr(text, "\\x0a"));
    assert_non_null(strstr(text, "\nempty\n  none\n\nrows\n"
                                 "  one                         1970-01-01T00:00:00Z\n"
                                 "  two                         -\n"));
    assert_non_null(strstr(text, "\nnarrow\n"
                                 "  reason                      left                        to go\n"
                                 "  \xc3\xa4                           1d 1h"
                                 "                       -1h 0m\n"));
    assert_non_null(strstr(text, "\nwide\n"
                                 "  a b                             no\n"
                                 "  b                               1\n"
                                 "  c                               2\n"
                                 "  again in                        1m 1s\n"));
    free(text);
}

static void
spans_are_said_in_two_units(void **state)
{
    static const struct {
        int64_t s;
        const char *text;
    } rows[] = {
        {0, "0s"},           {59, "59s"},
        {60, "1m 0s"},       {3599, "59m 59s"},
        {3600, "1h 0m"},     {86399, "23h 59m"},
        {86400, "1d 0h"},    {-61, "-1m 1s"},
        {2592000, "30d 0h"}, {INT64_MIN, "-106751991167300d 15h"},
    };
    char text[REPORT_SPAN_MAX];

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        report_format_span(text, rows[i].s);
        assert_string_equal(text, rows[i].text);
    }
}

/* The JSON string of s; the caller frees. */
static char *
quote(struct str s)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    report_json_string(out, s);
    fclose(out);
    return text;
}

static void
only_valid_utf8_passes(void **state)
{
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {
        {"\xe2\x82\xac", "\"\xe2\x82\xac\""},
        {"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\""},
        {"\xc0\xaf", "\"\\ufffd\\ufffd\""},            /* overlong */
        {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""}, /* surrogate */
        {"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
        {"\xe2\x82", "\"\\ufffd\\ufffd\""}, /* cut */
        {"\x7f\x01", "\"\\u007f\\u0001\""},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        char *text = quote(str_from(rows[i].in));

        assert_string_equal(text, rows[i].out);
        free(text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_valid_and_complete),
        cmocka_unit_test(a_page_shows_no_markup_of_a_value),
        cmocka_unit_test(text_is_lined_up),
        cmocka_unit_test(spans_are_said_in_two_units),
        cmocka_unit_test(only_valid_utf8_passes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
