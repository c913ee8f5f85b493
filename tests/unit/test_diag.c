/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdlib.h>

#include "base/diag.h"
#include "base/limits.h"

static void
a_place_is_written_as_far_as_it_is_known(void **state)
{
    struct diag d;

    (void)state;
    diag_init(&d);
    diag_error(&d, "a.yaml", 3, 7, "unknown key \"%s\"", "x");
    diag_error(&d, "a.yaml", 3, 0, "b");
    diag_error(&d, "a.pem", 0, 9, "c");
    diag_error(&d, NULL, 1, 1, "d");
    assert_int_equal(d.count, 4);
    assert_string_equal(d.entries[0].text, "a.yaml:3:7: unknown key \"x\"");
    assert_string_equal(d.entries[1].text, "a.yaml:3: b");
    assert_string_equal(d.entries[2].text, "a.pem: c");
    assert_string_equal(d.entries[3].text, "d");
    diag_done(&d);
    assert_null(d.entries);
}

/* An operator looks for the line to change, not for a name that stands somewhere. */
static void
a_file_as_a_whole_is_told_with_the_place_that_names_it(void **state)
{
    char *path = calloc(1, DIAG_TEXT_MAX + 1);
    struct diag d;

    (void)state;
    memset(path, 'p', DIAG_TEXT_MAX);
    diag_init(&d);
    diag_named_at(&d, "a.yaml", 3, 7);
    diag_error(&d, "a.pem", 0, 0, "is empty");
    diag_warn(&d, "a.pem", 0, 0, "expires soon");
    diag_error(&d, "a.pem", 9, 0, "is cut");
    diag_error(&d, "a.yaml", 0, 0, "is empty");
    diag_error(&d, NULL, 0, 0, "no memory");
    diag_error(&d, path, 0, 0, "is empty");
    diag_named_at(&d, path, 1, 1);
    diag_error(&d, "a.pem", 0, 0, "is empty");
    diag_named_at(&d, "a.yaml", 0, 0);
    diag_error(&d, "a.pem", 0, 0, "is empty");
    diag_named_nowhere(&d);
    diag_error(&d, "a.pem", 0, 0, "is empty");
    assert_string_equal(d.entries[0].text, "a.yaml:3:7: a.pem: is empty");
    assert_string_equal(d.entries[1].text, "a.yaml:3:7: a.pem: expires soon");
    assert_string_equal(d.entries[2].text, "a.pem:9: is cut");
    assert_string_equal(d.entries[3].text, "a.yaml: is empty");
    assert_string_equal(d.entries[4].text, "no memory");
    assert_true(strlen(d.entries[5].text) < DIAG_TEXT_MAX);
    assert_true(strlen(d.entries[6].text) < DIAG_TEXT_MAX);
    assert_string_equal(d.entries[7].text, "a.pem: is empty");
    assert_string_equal(d.entries[8].text, "a.pem: is empty");
    diag_done(&d);
    free(path);
}

static void
a_warning_is_no_error(void **state)
{
    struct diag d;

    (void)state;
    diag_init(&d);
    diag_warn(&d, "f", 1, 2, "old");
    assert_false(diag_has_errors(&d));
    assert_true(d.entries[0].is_warning);
    diag_error(&d, "f", 1, 2, "wrong");
    assert_true(diag_has_errors(&d));
    assert_false(d.entries[1].is_warning);
    assert_int_equal(d.warning_count, 1);
    assert_int_equal(d.error_count, 1);
    diag_done(&d);
}

static void
errors_beyond_the_cap_still_count(void **state)
{
    struct diag d;

    (void)state;
    diag_init(&d);
    for (int i = 0; i < DIAG_ENTRIES_MAX; i++)
        diag_warn(&d, NULL, 0, 0, "w");
    diag_error(&d, NULL, 0, 0, "e");
    assert_int_equal(d.count, DIAG_ENTRIES_MAX);
    assert_true(diag_has_errors(&d));
    diag_done(&d);
}

static void
long_texts_are_cut_with_a_mark(void **state)
{
    struct diag d;
    char *huge = calloc(1, 5000);
    size_t len;

    (void)state;
    memset(huge, 'x', 4999);
    diag_init(&d);
    diag_error(&d, "f", 0, 0, "%s", huge);
    diag_error(&d, huge, 1, 1, "text");
    len = strlen(d.entries[0].text);
    assert_int_equal(len, DIAG_TEXT_MAX - 1);
    assert_string_equal(d.entries[0].text + len - 4, "x...");
    assert_true(strlen(d.entries[1].text) < DIAG_TEXT_MAX);
    diag_done(&d);
    free(huge);
}

static void
control_characters_never_reach_the_terminal(void **state)
{
    struct diag d;

    (void)state;
    diag_init(&d);
    diag_error(&d, "a\nb", 1, 1, "key \"\x1b[2J\x7f\" \xc3\xa4");
    assert_string_equal(d.entries[0].text, "a?b:1:1: key \"?[2J?\" \xc3\xa4");
    diag_done(&d);
}

static void
print_writes_one_line_an_entry_and_says_what_it_leaves_out(void **state)
{
    struct diag d;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    diag_init(&d);
    diag_error(&d, "f", 1, 2, "wrong");
    diag_warn(&d, "g", 0, 0, "old");
    diag_print(&d, out);
    fflush(out);
    assert_string_equal(text, "f:1:2: wrong\nwarning: g: old\n");
    for (int i = 0; i < DIAG_ENTRIES_MAX; i++)
        diag_error(&d, NULL, 0, 0, "e");
    diag_print(&d, out);
    fclose(out);
    assert_non_null(strstr(text, "\n2 more not shown\n"));
    free(text);
    diag_done(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_is_written_as_far_as_it_is_known),
        cmocka_unit_test(a_file_as_a_whole_is_told_with_the_place_that_names_it),
        cmocka_unit_test(a_warning_is_no_error),
        cmocka_unit_test(errors_beyond_the_cap_still_count),
        cmocka_unit_test(long_texts_are_cut_with_a_mark),
        cmocka_unit_test(control_characters_never_reach_the_terminal),
        cmocka_unit_test(print_writes_one_line_an_entry_and_says_what_it_leaves_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
