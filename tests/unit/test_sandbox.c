/* SPDX-License-Identifier: Apache-2.0
 *
 * Each step is one way, so each test gives its powers up in a child process.
 */
#include "support/unit.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/sandbox.h"

/* Exit status of run in a child. */
static int
in_child(int (*run)(void))
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0)
        _exit(run());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int
limits_child(void)
{
    struct rlimit core, files;

    sandbox_limits();
    getrlimit(RLIMIT_CORE, &core);
    getrlimit(RLIMIT_NOFILE, &files);
    if (core.rlim_cur != 0 || core.rlim_max != 0)
        return 1;
    if (files.rlim_cur != files.rlim_max)
        return 2;
    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 3;
}

static void
no_core_is_dumped_and_descriptors_are_raised(void **state)
{
    (void)state;
    assert_int_equal(in_child(limits_child), 0);
}

static int
privileges_child(void)
{
    struct diag diag;

    diag_init(&diag);
    if (sandbox_no_new_privileges(&diag) != 0)
        return 1;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 2;
}

static void
new_privileges_are_given_up(void **state)
{
    (void)state;
    assert_int_equal(in_child(privileges_child), 0);
}

static int
become_child(void)
{
    struct diag diag;
    gid_t groups[8];

    diag_init(&diag);
    if (sandbox_become("nobody", NULL, "f.yaml", &diag) != 0)
        return 1;
    if (geteuid() == 0 || getuid() == 0 || getegid() == 0)
        return 2;
    if (getgroups(8, groups) != 0)
        return 3;
    if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0)
        return 4;
    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 5;
}

static void
root_becomes_the_user_and_cannot_return(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(in_child(become_child), 0);
}

static int
group_child(void)
{
    const struct group *gr = getgrnam("daemon");
    struct diag diag;

    diag_init(&diag);
    if (gr == NULL)
        return 0;
    if (sandbox_become("nobody", "daemon", "f.yaml", &diag) != 0)
        return 1;
    return getegid() == gr->gr_gid ? 0 : 2;
}

static void
a_named_group_wins_over_the_users_own(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(in_child(group_child), 0);
}

static void
an_unknown_user_or_group_is_named(void **state)
{
    struct diag diag;

    (void)state;
    diag_init(&diag);
    assert_int_equal(sandbox_become("no-such-user", NULL, "f.yaml", &diag), GW_E_CONFIG);
    assert_int_equal(sandbox_become("nobody", "no-such-group", "f.yaml", &diag), GW_E_CONFIG);
    assert_int_equal(diag.count, 2);
    assert_non_null(strstr(diag.entries[0].text, "f.yaml"));
    assert_non_null(strstr(diag.entries[0].text, "\"no-such-user\""));
    assert_non_null(strstr(diag.entries[1].text, "\"no-such-group\""));
    diag_done(&diag);
}

static bool
belongs_to(const char *dir, const char *name, uid_t uid)
{
    char *path = unit_path(dir, name);
    struct stat st;
    bool belongs = lstat(path, &st) == 0 && st.st_uid == uid;

    free(path);
    return belongs;
}

/* DIR/outside has a second name and a link in DIR/state. Returns DIR/state. */
static char *
fill_folder(const char *dir)
{
    char *folder = unit_path(dir, "state");
    char *outside = unit_write_file(dir, "outside", STR("x"));
    char *inner = unit_path(folder, "folder");
    char *hard = unit_path(folder, "hard");
    char *soft = unit_path(folder, "soft");

    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(mkdir(inner, 0700), 0);
    assert_int_equal(link(outside, hard), 0);
    assert_int_equal(symlink(outside, soft), 0);
    free(unit_write_file(folder, "file", STR("x")));
    free(outside);
    free(inner);
    free(hard);
    free(soft);
    return folder;
}

/* Whoever owned the folder may have given a file of root's a second name in it. */
static void
a_folder_is_given_with_its_files_and_nothing_else(void **state)
{
    const struct passwd *pw = getpwnam("nobody");
    struct diag diag;
    char *dir, *folder;

    (void)state;
    if (geteuid() != 0 || pw == NULL)
        skip();
    dir = unit_tmp_new();
    folder = fill_folder(dir);
    diag_init(&diag);
    assert_false(sandbox_is_folder_of(folder, "nobody"));
    assert_int_equal(sandbox_give_folder(folder, "nobody", NULL, "f.yaml", &diag), 0);
    assert_true(sandbox_is_folder_of(folder, "nobody"));
    assert_true(belongs_to(dir, "state/file", pw->pw_uid));
    assert_true(belongs_to(dir, "outside", 0));
    assert_true(belongs_to(dir, "state/soft", 0));
    assert_true(belongs_to(dir, "state/folder", 0));
    assert_int_equal(sandbox_give_folder("/absent", "nobody", NULL, "f.yaml", &diag), 0);
    assert_false(sandbox_is_folder_of("/absent", "nobody"));
    assert_false(sandbox_is_folder_of(folder, "no-such-user"));
    assert_int_equal(diag.count, 0);
    diag_done(&diag);
    unit_tmp_done(dir);
    free(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_core_is_dumped_and_descriptors_are_raised),
        cmocka_unit_test(new_privileges_are_given_up),
        cmocka_unit_test(root_becomes_the_user_and_cannot_return),
        cmocka_unit_test(a_named_group_wins_over_the_users_own),
        cmocka_unit_test(a_folder_is_given_with_its_files_and_nothing_else),
        cmocka_unit_test(an_unknown_user_or_group_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
