/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

struct capture {
    char line[LOG_LINE_MAX + 1];
    size_t len;
    unsigned count;
};

static struct capture captured;

static void
on_line(void *arg, const char *line, size_t len)
{
    struct capture *c = arg;

    assert_true(len <= LOG_LINE_MAX);
    memcpy(c->line, line, len);
    c->line[len] = '\0';
    c->len = len;
    c->count++;
    errno = EIO;
}

static int
set_up(void **state)
{
    (void)state;
    captured = (struct capture){0};
    log_set_level(LOG_INFO);
    log_set_sink(on_line, &captured);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    log_set_sink(NULL, NULL);
    return 0;
}

static const char *
text_of(const struct capture *c)
{
    return c->line + CLOCK_ISO_MICROS_LEN;
}

static void
a_line_has_time_level_area_and_text(void **state)
{
    int64_t wall_s;

    (void)state;
    log_event(LOG_WARN, "tls", "%d of %s", 3, "four");
    assert_string_equal(text_of(&captured), " warn tls: 3 of four\n");
    assert_int_equal(clock_parse_rfc3339(str_make(captured.line, CLOCK_ISO_MICROS_LEN), &wall_s),
                     0);
}

static void
levels_above_the_one_set_are_silent(void **state)
{
    (void)state;
    log_event(LOG_DEBUG, "x", "hidden");
    assert_int_equal(captured.count, 0);
    log_set_level(LOG_ERROR);
    assert_false(log_is_on(LOG_WARN));
    log_event(LOG_WARN, "x", "hidden");
    assert_int_equal(captured.count, 0);
    log_event(LOG_ERROR, "x", "seen");
    assert_int_equal(captured.count, 1);
    log_set_level(LOG_DEBUG);
    assert_true(log_is_on(LOG_DEBUG));
}

static void
bytes_that_could_forge_a_line_are_escaped(void **state)
{
    (void)state;
    log_event(LOG_ERROR, "http", "bad \"%s\"", "a\r\n2026 error \x1b[31m\x7f\xc3\xa4\t");
    assert_string_equal(text_of(&captured), " error http: bad \"a\\x0D\\x0A2026 error "
                                            "\\x1B[31m\\x7F\\xC3\\xA4\\x09\"\n");
}

static void
long_lines_are_cut_with_a_mark(void **state)
{
    static char text[20000];
    static const char fills[] = {'x', '\n'};

    (void)state;
    for (size_t i = 0; i < array_len(fills); i++) {
        memset(text, fills[i], sizeof(text) - 1);
        log_event(LOG_ERROR, "x", "%s", text);
        assert_in_range(captured.len, LOG_LINE_MAX - 5, LOG_LINE_MAX);
        assert_string_equal(captured.line + captured.len - 4, "...\n");
    }
}

static void
a_line_that_just_fits_is_whole(void **state)
{
    char text[LOG_LINE_MAX];
    size_t prefix = CLOCK_ISO_MICROS_LEN + strlen(" error x: ");
    size_t fits = LOG_LINE_MAX - prefix - 4;

    (void)state;
    memset(text, 'y', sizeof(text));
    text[fits] = '\0';
    log_event(LOG_ERROR, "x", "%s", text);
    assert_string_equal(captured.line + captured.len - 3, "yy\n");
    text[fits] = 'y';
    text[fits + 1] = '\0';
    log_event(LOG_ERROR, "x", "%s", text);
    assert_string_equal(captured.line + captured.len - 5, "y...\n");
    assert_int_equal(captured.len, LOG_LINE_MAX);
}

static void
errno_survives(void **state)
{
    (void)state;
    errno = ENOENT;
    log_event(LOG_ERROR, "x", "text");
    assert_int_equal(errno, ENOENT);
}

static void
level_names_are_exact(void **state)
{
    enum log_level level = LOG_ERROR;

    (void)state;
    assert_int_equal(log_level_parse(STR("debug"), &level), 0);
    assert_int_equal(level, LOG_DEBUG);
    assert_int_equal(log_level_parse(STR("warn"), &level), 0);
    assert_int_equal(level, LOG_WARN);
    assert_int_equal(log_level_parse(STR("Warn"), &level), GW_E_PARSE);
    assert_int_equal(log_level_parse(STR("warning"), &level), GW_E_PARSE);
    assert_int_equal(log_level_parse(STR(""), &level), GW_E_PARSE);
    assert_int_equal(level, LOG_WARN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_has_time_level_area_and_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(levels_above_the_one_set_are_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_that_could_forge_a_line_are_escaped, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(long_lines_are_cut_with_a_mark, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_that_just_fits_is_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errno_survives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(level_names_are_exact, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
