/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "ctl/report.h"
#include "support/json_check.h"

static const char *const columns[] = {"name", "expires"};

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
                              "{\"name\":\"two\",\"expires\":null}]}\n");
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
    assert_non_null(strstr(text, "</html>"));
    free(text);
}

static void
text_has_one_value_a_line(void **state)
{
    char *text = write_report(REPORT_TEXT);

    (void)state;
    assert_non_null(strstr(text, "\ngateway facts\n  count"));
    assert_non_null(strstr(text, "\\x0a"));
    assert_non_null(strstr(text, "1970-01-01T00:00:00Z\n"));
    free(text);
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
        cmocka_unit_test(text_has_one_value_a_line),
        cmocka_unit_test(only_valid_utf8_passes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
