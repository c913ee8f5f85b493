/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "http/msg.h"

static void
methods_are_matched_whole_and_in_their_case(void **state)
{
    static const struct {
        const char *text;
        enum http_method method;
    } rows[] = {
        {"GET", METHOD_GET},       {"HEAD", METHOD_HEAD},      {"POST", METHOD_POST},
        {"PUT", METHOD_PUT},       {"DELETE", METHOD_DELETE},  {"OPTIONS", METHOD_OPTIONS},
        {"PATCH", METHOD_PATCH},   {"TRACE", METHOD_TRACE},    {"CONNECT", METHOD_CONNECT},
        {"get", METHOD_OTHER},     {"GETS", METHOD_OTHER},     {"GE", METHOD_OTHER},
        {"Post", METHOD_OTHER},    {"PROPFIND", METHOD_OTHER}, {"", METHOD_OTHER},
        {"PUR", METHOD_OTHER},     {"POSX", METHOD_OTHER},     {"PATCX", METHOD_OTHER},
        {"OPTIONX", METHOD_OTHER}, {"DELETX", METHOD_OTHER},   {"PRI", METHOD_OTHER},
        {"GET ", METHOD_OTHER},    {"XONNECT", METHOD_OTHER},  {"HEAX", METHOD_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++)
        assert_int_equal(http_method_parse(str_from(rows[i].text)), rows[i].method);
    assert_int_equal(http_method_parse(str_make("GET\0", 4)), METHOD_OTHER);
}

static void
statuses_have_the_phrases_of_the_rfc(void **state)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        {100, "Continue"},
        {103, "Early Hints"},
        {200, "OK"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {413, "Content Too Large"},
        {421, "Misdirected Request"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {511, "Network Authentication Required"},
        {0, "Unknown"},
        {-1, "Unknown"},
        {99, "Unknown"},
        {299, "Unknown"},
        {999, "Unknown"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++)
        assert_string_equal(http_status_text(rows[i].status), rows[i].text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_are_matched_whole_and_in_their_case),
        cmocka_unit_test(statuses_have_the_phrases_of_the_rfc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
