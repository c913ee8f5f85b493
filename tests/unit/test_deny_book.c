/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes to the deny list as control makes them: what is answered, handed out, logged and
 * kept, and how entries end.
 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "ctl/deny.h"

struct world {
    struct loop *loop;
    struct loop_timer guard;
    struct deny_book *book;
    char *dir;
    unsigned changes;
    size_t count; /* of the list last handed out */
    char log[16384];
    char *said;
};

static void
on_change(void *arg, struct deny_list *list)
{
    struct world *w = arg;

    w->changes++;
    w->count = deny_list_count(list);
    if (w->count == 0)
        loop_stop(w->loop);
}

static void
on_line(void *arg, const char *line, size_t len)
{
    struct world *w = arg;
    size_t used = strlen(w->log);

    (void)snprintf(w->log + used, sizeof(w->log) - used, "%.*s", (int)len, line);
}

static void
on_guard(void *arg)
{
    loop_stop(arg);
}

static void
reopen(struct world *w)
{
    const struct deny_hooks hooks = {.on_change = on_change, .arg = w};
    struct diag diag;

    deny_book_free(w->book);
    w->book = NULL;
    diag_init(&diag);
    assert_int_equal(deny_book_open(w->loop, w->dir, &hooks, &diag, &w->book), 0);
    diag_done(&diag);
}

static int
setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->loop = loop_new();
    loop_timer_init(w->loop, &w->guard, on_guard, w->loop);
    w->dir = unit_tmp_new();
    log_set_sink(on_line, w);
    reopen(w);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    deny_book_free(w->book);
    loop_timer_done(&w->guard);
    loop_free(w->loop);
    log_set_sink(NULL, NULL);
    unit_tmp_done(w->dir);
    free(w->said);
    free(w);
    return 0;
}

static enum deny_outcome
add(struct world *w, const char *what, const char *until, const char *why)
{
    const struct deny_change c = {str_from(what), str_from(until), str_from(why),
                                  "uid 7, process 8"};

    free(w->said);
    return deny_book_add(w->book, &c, &w->said);
}

static enum deny_outcome
take_off(struct world *w, const char *what)
{
    const struct deny_change c = {.what = str_from(what), .who = "uid 7, process 8"};

    free(w->said);
    return deny_book_remove(w->book, &c, &w->said);
}

static size_t
count(const struct world *w)
{
    return deny_list_count(deny_book_list(w->book));
}

static void
a_change_is_answered_handed_out_logged_and_kept(void **state)
{
    struct world *w = *state;

    assert_int_equal(add(w, "SAN:A.Example", NULL, "lost"), DENY_OK);
    assert_string_equal(w->said, "san:a.example is denied for good\n");
    assert_int_equal(w->changes, 1);
    assert_int_equal(w->count, 1);
    assert_non_null(strstr(w->log, "san:a.example is denied for good, added by uid 7, process 8, "
                                   "why: lost"));
    reopen(w);
    assert_int_equal(count(w), 1);
    assert_str_equal(deny_list_at(deny_book_list(w->book), 0)->why, STR("lost"));
    assert_int_equal(take_off(w, "san:a.example"), DENY_OK);
    assert_int_equal(w->count, 0);
    assert_non_null(strstr(w->log, "no longer denied, removed by uid 7, process 8"));
    reopen(w);
    assert_int_equal(count(w), 0);
}

static void
adding_again_changes_the_entry(void **state)
{
    struct world *w = *state;

    assert_int_equal(add(w, "san:a", "1h", "first"), DENY_OK);
    assert_int_equal(add(w, "san:A", "never", "second"), DENY_OK);
    assert_int_equal(count(w), 1);
    assert_int_equal(deny_list_at(deny_book_list(w->book), 0)->until_s, INT64_MAX);
    assert_str_equal(deny_list_at(deny_book_list(w->book), 0)->why, STR("second"));
    assert_non_null(strstr(w->log, "changed by uid 7"));
}

static void
ends_are_times_and_durations(void **state)
{
    static const struct {
        const char *until;
        int64_t seconds;
    } cases[] = {{"90s", 90}, {"5m", 300}, {"24h", 86400}, {"7d", 604800}, {"1500ms", 2}};
    struct world *w = *state;

    for (size_t i = 0; i < array_len(cases); i++) {
        const struct deny_entry *e;

        assert_int_equal(add(w, "san:a", cases[i].until, ""), DENY_OK);
        e = deny_list_at(deny_book_list(w->book), 0);
        assert_int_equal(e->until_s - e->added_s, cases[i].seconds);
    }
    assert_int_equal(add(w, "san:a", "2999-01-01T00:00:00+01:00", ""), DENY_OK);
    assert_string_equal(w->said, "san:a is denied until 2998-12-31T23:00:00Z\n");
}

static void
nonsense_changes_nothing(void **state)
{
    static const char *const untils[] = {
        "0s", "-1h", "d", "1w", "2020-01-01T00:00:00Z", "2999-01-01", "99999999d", "tomorrow"};
    char why[DENY_WHY_MAX + 2];
    struct world *w = *state;

    for (size_t i = 0; i < array_len(untils); i++)
        assert_int_equal(add(w, "san:a", untils[i], ""), DENY_INVALID);
    memset(why, 'x', sizeof(why));
    why[sizeof(why) - 1] = '\0';
    assert_int_equal(add(w, "san:a", NULL, why), DENY_INVALID);
    assert_int_equal(add(w, "san:a", NULL, "two\nlines"), DENY_INVALID);
    assert_int_equal(add(w, "san:a", NULL, "a\ttab"), DENY_INVALID);
    assert_int_equal(add(w, "a", NULL, ""), DENY_INVALID);
    assert_int_equal(take_off(w, "a"), DENY_INVALID);
    assert_int_equal(take_off(w, "san:a"), DENY_ABSENT);
    assert_int_equal(w->changes, 0);
    assert_string_equal(w->log, "");
}

static void
an_entry_ends_by_the_timer(void **state)
{
    struct world *w = *state;

    assert_int_equal(add(w, "san:a", "1s", "short"), DENY_OK);
    loop_timer_set(&w->guard, loop_now_fresh(w->loop)->mono_ms + 5000);
    loop_run(w->loop); /* ends with the empty list */
    assert_int_equal(w->changes, 2);
    assert_int_equal(count(w), 0);
    assert_non_null(strstr(w->log, "san:a is no longer denied: it was until"));
    assert_non_null(strstr(w->log, "why: short"));
}

/* A folder in the way of the file: nothing can be renamed there. */
static void
trouble_with_the_file_denies_all_the_same_and_removes_nothing(void **state)
{
    struct world *w = *state;
    char *path = unit_path(w->dir, "deny");

    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(add(w, "san:a", NULL, ""), DENY_UNSAVED);
    assert_non_null(strstr(w->said, "san:a is denied for good"));
    assert_non_null(strstr(w->said, "does not survive a restart"));
    assert_int_equal(w->count, 1);
    assert_int_equal(take_off(w, "san:a"), DENY_NOT_KEPT);
    assert_int_equal(count(w), 1);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(take_off(w, "san:a"), DENY_OK);
    free(path);
}

static void
reading_again_takes_what_another_wrote(void **state)
{
    struct world *w = *state;
    struct deny_list *other = NULL;
    const struct deny_entry e = {DENY_SAN, STR_INIT("san:b"), INT64_MAX, 1, STR_INIT("")};
    struct diag diag;
    char *path;

    assert_int_equal(deny_list_build(&e, 1, &other), 0);
    assert_int_equal(deny_file_save(w->dir, other), 0);
    deny_list_unref(other);
    diag_init(&diag);
    assert_int_equal(deny_book_read(w->book, &diag), 0);
    assert_int_equal(w->count, 1);
    path = unit_write_file(w->dir, "deny", STR("garbage\n"));
    assert_int_not_equal(deny_book_read(w->book, &diag), 0);
    assert_int_equal(count(w), 1); /* what was known stays */
    diag_done(&diag);
    free(path);
}

static void
after_letting_go_the_file_is_another_process_s(void **state)
{
    struct world *w = *state;

    assert_int_equal(add(w, "san:a", NULL, ""), DENY_OK);
    deny_book_let_go(w->book);
    assert_int_equal(add(w, "san:b", NULL, ""), DENY_OK);
    assert_int_equal(count(w), 2);
    reopen(w);
    assert_int_equal(count(w), 1);
}

static void
without_a_folder_it_lives_in_memory(void **state)
{
    struct world *w = *state;

    free(w->said);
    w->said = NULL;
    unit_tmp_done(w->dir);
    w->dir = NULL;
    reopen(w);
    assert_null(deny_book_path(w->book));
    assert_int_equal(add(w, "san:a", NULL, ""), DENY_OK);
    assert_int_equal(count(w), 1);
    w->dir = unit_tmp_new(); /* for teardown */
}

#define book_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        book_test(a_change_is_answered_handed_out_logged_and_kept),
        book_test(adding_again_changes_the_entry),
        book_test(ends_are_times_and_durations),
        book_test(nonsense_changes_nothing),
        book_test(an_entry_ends_by_the_timer),
        book_test(trouble_with_the_file_denies_all_the_same_and_removes_nothing),
        book_test(reading_again_takes_what_another_wrote),
        book_test(after_letting_go_the_file_is_another_process_s),
        book_test(without_a_folder_it_lives_in_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
