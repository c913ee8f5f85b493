/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdlib.h>

#include "base/limits.h"
#include "obs/line.h"
#include "support/json_check.h"

static char line_mem[LOG_LINE_MAX];

static struct str
run(enum line_style style, line_write_fn write, const void *record)
{
    const struct line_job job = {style, line_mem, sizeof(line_mem)};

    return str_make(line_mem, line_format(&job, write, record));
}

static void
write_fields(struct line *l, const void *record)
{
    (void)record;
    line_bare(l, STR("a b"));
    line_bare(l, STR(""));
    line_quoted(l, STR("c \"d\""), LINE_SHORT);
    line_quoted(l, STR(""), LINE_LONG);
    line_u64(l, UINT64_MAX);
    line_u64_or_dash(l, 0);
    line_u64_or_dash(l, 7);
    line_seconds(l, -1, STR("-1"));
    line_seconds(l, 61001999, STR("-"));
    line_time(l, 0);
    line_time(l, 1);
}

static void
fields_are_separated_by_single_spaces(void **state)
{
    (void)state;
    assert_str_equal(run(LINE_ALB, write_fields, NULL),
                     STR("a\\x20b - \"c \\x22d\\x22\" \"-\" 18446744073709551615 - 7 -1 61.002 - "
                         "1970-01-01T00:00:00.000001Z\n"));
}

static void
write_members(struct line *l, const void *record)
{
    static const struct str items[] = {STR_INIT("x"), STR_INIT(""), STR_INIT("\"")};
    char *opened;

    (void)record;
    line_json_text(l, STR("none"), STR(""), LINE_SHORT);
    line_json_text(l, STR("text"), STR("a\nb"), LINE_SHORT);
    line_json_text_if(l, STR("left_out"), STR(""), LINE_SHORT);
    line_json_u64(l, STR("zero"), 0);
    line_json_u64_or_null(l, STR("unknown"), 0);
    line_json_i64(l, STR("low"), INT64_MIN);
    line_json_i64(l, STR("high"), INT64_MAX);
    line_json_bool(l, STR("yes"), true);
    line_json_seconds(l, STR("seconds"), 1500, STR("null"));
    line_json_seconds(l, STR("no_seconds"), -5, STR("null"));
    line_json_time(l, STR("time"), 0);
    line_json_list_if(l, STR("list"), items, 3);
    line_json_list_if(l, STR("no_list"), NULL, 0);
    opened = line_json_open(l, STR("pieces"));
    line_put_bare(l, STR("a b"));
    line_put(l, STR(":"));
    line_put_u64(l, 5);
    line_json_close(l, opened);
}

static void
members_make_one_object(void **state)
{
    struct str line = run(LINE_JSON, write_members, NULL);

    (void)state;
    assert_str_equal(
        line,
        STR("{\"none\":null,\"text\":\"a\\u000ab\",\"zero\":0,\"unknown\":null,"
            "\"low\":-9223372036854775808,\"high\":9223372036854775807,\"yes\":true,"
            "\"seconds\":0.002,\"no_seconds\":null,\"time\":null,\"list\":[\"x\",\"\",\"\\\"\"],"
            "\"pieces\":\"a b:5\"}\n"));
    assert_true(json_is_valid(line));
}

static void
write_nothing(struct line *l, const void *record)
{
    (void)l;
    (void)record;
}

static void
line_of_nothing_is_a_line(void **state)
{
    (void)state;
    assert_str_equal(run(LINE_JSON, write_nothing, NULL), STR("{}\n"));
    assert_str_equal(run(LINE_ALB, write_nothing, NULL), STR("\n"));
}

static void
write_one_text(struct line *l, const void *record)
{
    line_json_text(l, STR("first"), STR("kept"), LINE_SHORT);
    line_json_text(l, STR("text"), *(const struct str *)record, LINE_SHORT);
    line_json_text(l, STR("last"), STR("kept"), LINE_SHORT);
}

/* Each byte, in a text too long by far: the cut never falls into the middle of an escape. */
static void
cut_text_is_valid_whatever_byte_is_cut(void **state)
{
    char *text = malloc(LOG_LINE_MAX);

    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        struct str record = str_make(text, LOG_LINE_MAX), line, raw;

        memset(text, byte, LOG_LINE_MAX);
        line = run(LINE_JSON, write_one_text, &record);
        assert_true(json_is_valid(line));
        assert_true(json_member(line, "text", &raw));
        assert_true(str_ends(raw, STR("...\"")));
        assert_in_range(raw.len, LOG_SHORT_CUT - 12, LOG_SHORT_CUT + 2);
        assert_true(json_member_is(line, "first", "kept"));
        assert_true(json_member_is(line, "last", "kept"));
        assert_int_equal(json_member_count(line, "truncated"), 1);
    }
    free(text);
}

#define MANY 200

static void
write_many(struct line *l, const void *record)
{
    for (int i = 0; i < MANY; i++)
        line_json_text(l, STR("member"), *(const struct str *)record, LINE_SHORT);
    line_json_u64(l, STR("last"), 1);
}

/* Cutting alone does not help here: members are left out, small ones after them may still fit. */
static void
members_that_do_not_fit_are_left_out_whole(void **state)
{
    char *text = malloc(1000);
    struct str record = str_make(text, 1000), line;

    (void)state;
    memset(text, 'x', 1000);
    line = run(LINE_JSON, write_many, &record);
    assert_true(json_is_valid(line));
    assert_in_range(json_member_count(line, "member"), 40, MANY - 1);
    assert_true(str_ends(line, STR(",\"truncated\":true}\n")));
    assert_in_range(line.len, LOG_LINE_MAX - 200, LOG_LINE_MAX);
    free(text);
}

static void
smaller_array_gets_a_whole_line_or_nothing(void **state)
{
    size_t whole = run(LINE_JSON, write_members, NULL).len;

    (void)state;
    for (size_t cap = 0; cap < whole + 64; cap++) {
        char *dst = malloc(cap + 1);
        const struct line_job job = {LINE_JSON, dst, cap};
        size_t len = line_format(&job, write_members, NULL);

        assert_true(len == 0 || len == whole);
        assert_true(len == 0 || cap >= whole);
        free(dst);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_separated_by_single_spaces),
        cmocka_unit_test(members_make_one_object),
        cmocka_unit_test(line_of_nothing_is_a_line),
        cmocka_unit_test(cut_text_is_valid_whatever_byte_is_cut),
        cmocka_unit_test(members_that_do_not_fit_are_left_out_whole),
        cmocka_unit_test(smaller_array_gets_a_whole_line_or_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
