/* SPDX-License-Identifier: Apache-2.0
 *
 * The deny list's file: what is written is read back, and whatever else lies there is
 * refused with its line.
 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "ctl/deny.h"

#define NOW_S 1000000

static const struct deny_entry entries[] = {
    {DENY_SAN, STR_INIT("san:a.example"), INT64_MAX, 5, STR_INIT("left the company")},
    {DENY_SERIAL, STR_INIT("serial:CN=A b\\, c:01"), NOW_S + 60, 6, STR_INIT("")},
    {DENY_SAN, STR_INIT("san:spiffe://x/Y"), NOW_S + 90, 7, STR_INIT("caf\xc3\xa9 # 1")},
};

static struct deny_list *
sample(void)
{
    struct deny_list *d = NULL;

    assert_int_equal(deny_list_build(entries, array_len(entries), &d), 0);
    return d;
}

/* malloc */
static struct str
written(const struct deny_list *d)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    deny_file_write(d, out);
    assert_int_equal(fclose(out), 0);
    return str_make(text, len);
}

static struct str
sample_text(void)
{
    struct deny_list *d = sample();
    struct str text = written(d);

    deny_list_unref(d);
    return text;
}

static void
done(struct str text)
{
    free((char *)(uintptr_t)text.ptr);
}

static void
what_is_written_is_read_back(void **state)
{
    struct str text = sample_text(), again;
    struct deny_list *d = NULL;
    struct diag diag;

    (void)state;
    diag_init(&diag);
    assert_int_equal(deny_file_parse(text, "deny", NOW_S, &diag, &d), 0);
    assert_int_equal(deny_list_count(d), array_len(entries));
    for (size_t i = 0; i < array_len(entries); i++) {
        const struct deny_entry *e = deny_list_at(d, i);

        assert_str_equal(e->what, entries[i].what);
        assert_str_equal(e->why, entries[i].why);
        assert_int_equal(e->kind, entries[i].kind);
        assert_int_equal(e->until_s, entries[i].until_s);
        assert_int_equal(e->added_s, entries[i].added_s);
    }
    again = written(d);
    assert_str_equal(again, text);
    done(again);
    done(text);
    deny_list_unref(d);
    diag_done(&diag);
}

static void
entries_that_have_ended_are_left_out(void **state)
{
    struct str text = sample_text();
    struct deny_list *d = NULL;
    struct diag diag;

    (void)state;
    diag_init(&diag);
    assert_int_equal(deny_file_parse(text, "deny", NOW_S + 60, &diag, &d), 0);
    assert_int_equal(deny_list_count(d), 2);
    assert_str_equal(deny_list_at(d, 1)->what, entries[2].what);
    deny_list_unref(d);
    diag_done(&diag);
    done(text);
}

static void
assert_refused(void *arg, struct str input)
{
    struct deny_list *d = NULL;
    struct diag diag;

    (void)arg;
    diag_init(&diag);
    if (deny_file_parse(input, "deny", NOW_S, &diag, &d) == 0)
        fail_msg("taken: %.*s", STR_ARG(input));
    assert_null(d);
    assert_int_equal(diag.error_count, 1);
    assert_true(str_starts(str_from(diag.entries[0].text), STR("deny:")));
    assert_non_null(strstr(diag.entries[0].text, "deny.copy"));
    diag_done(&diag);
}

static void
every_cut_and_every_flipped_bit_is_refused(void **state)
{
    struct str text = sample_text();

    (void)state;
    for_each_truncation(text, assert_refused, NULL);
    for_each_bit_flip(text, assert_refused, NULL);
    done(text);
}

static void
lines_are_named_in_messages(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"x\n", "deny:1: not four columns"},
        {"# a\nnever\tnever\tsan:a\n", "deny:2: not four columns"},
        {"never\tnever\tsan:a\tb\tc\n", "deny:1: not four columns"},
        {"never\tsoon\tsan:a\t\n", "deny:1: a time is not"},
        {"never\tnever\tsan:\t\n", "deny:1: san: wants a DNS name"},
        {"# end: 0 0\n", "deny:1: what is above it is not as"},
        {"# end: 0 0", "deny:1: the line is cut off"},
        {"# a\n", "deny:2: the file is cut off"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct deny_list *d = NULL;
        struct diag diag;

        diag_init(&diag);
        assert_int_not_equal(deny_file_parse(str_from(cases[i].text), "deny", NOW_S, &diag, &d), 0);
        if (!str_starts(str_from(diag.entries[0].text), str_from(cases[i].message)))
            fail_msg("%s: %s", cases[i].text, diag.entries[0].text);
        diag_done(&diag);
    }
}

static void
nothing_may_follow_the_last_line(void **state)
{
    struct str text = sample_text();
    char *longer = NULL;

    (void)state;
    assert_true(asprintf(&longer, "%.*snever\tnever\tsan:b\t\n", STR_ARG(text)) > 0);
    assert_refused(NULL, str_from(longer));
    free(longer);
    done(text);
}

/* ---- in a folder ---- */

struct world {
    char *dir;
    char *path;
    char *copy;
    struct deny_list *loaded;
    struct diag diag;
};

static int
setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct deny_list *d = sample();

    assert_non_null(w);
    w->dir = unit_tmp_new();
    w->path = unit_path(w->dir, "deny");
    w->copy = unit_path(w->dir, "deny.copy");
    diag_init(&w->diag);
    assert_int_equal(deny_file_load(w->dir, NOW_S, &w->diag, &w->loaded), 0);
    assert_null(w->loaded); /* there is none yet */
    assert_int_equal(deny_file_save(w->dir, d), 0);
    deny_list_unref(d);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    deny_list_unref(w->loaded);
    diag_done(&w->diag);
    unit_tmp_done(w->dir);
    free(w->copy);
    free(w->path);
    free(w);
    return 0;
}

static void
file_and_copy_are_equal_and_private(void **state)
{
    struct world *w = *state;
    size_t len, copy_len;
    char *text = unit_read_file(w->path, &len);
    char *copy = unit_read_file(w->copy, &copy_len);
    struct stat st;

    assert_str_equal(str_make(text, len), str_make(copy, copy_len));
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(deny_file_load(w->dir, NOW_S, &w->diag, &w->loaded), 0);
    assert_int_equal(deny_list_count(w->loaded), array_len(entries));
    free(copy);
    free(text);
}

static void
a_removed_file_is_noticed_by_its_copy(void **state)
{
    struct world *w = *state;

    assert_int_equal(unlink(w->path), 0);
    assert_int_not_equal(deny_file_load(w->dir, NOW_S, &w->diag, &w->loaded), 0);
    assert_non_null(strstr(w->diag.entries[0].text, "is missing, but its copy"));
    assert_int_equal(rename(w->copy, w->path), 0);
    assert_int_equal(deny_file_load(w->dir, NOW_S, &w->diag, &w->loaded), 0);
}

static void
an_empty_file_and_a_folder_are_refused(void **state)
{
    struct world *w = *state;

    assert_int_equal(truncate(w->path, 0), 0);
    assert_int_not_equal(deny_file_load(w->dir, NOW_S, &w->diag, &w->loaded), 0);
    assert_int_equal(unlink(w->path), 0);
    assert_int_equal(mkdir(w->path, 0700), 0);
    assert_int_not_equal(deny_file_load(w->dir, NOW_S, &w->diag, &w->loaded), 0);
    assert_int_equal(rmdir(w->path), 0);
}

#define in_folder(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(entries_that_have_ended_are_left_out),
        cmocka_unit_test(every_cut_and_every_flipped_bit_is_refused),
        cmocka_unit_test(lines_are_named_in_messages),
        cmocka_unit_test(nothing_may_follow_the_last_line),
        in_folder(file_and_copy_are_equal_and_private),
        in_folder(a_removed_file_is_noticed_by_its_copy),
        in_folder(an_empty_file_and_a_folder_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
