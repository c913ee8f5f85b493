/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"

static char *dir;

static int
set_up(void **state)
{
    (void)state;
    dir = unit_tmp_new();
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    unit_tmp_done(dir);
    return 0;
}

/* file_read must refuse path, leave *ret alone and say why in a text that contains want. */
static void
expect_refusal(const char *path, size_t max_bytes, enum file_kind kind, const char *want)
{
    struct diag diag;
    struct file f = {.len = 77};

    diag_init(&diag);
    assert_int_equal(file_read(path, max_bytes, kind, false, &diag, &f), GW_E_CONFIG);
    assert_int_equal(f.len, 77);
    assert_int_equal(diag.error_count, 1);
    assert_memory_equal(diag.entries[0].text, path, strlen(path));
    if (strstr(diag.entries[0].text, want) == NULL)
        print_error("\"%s\" lacks \"%s\"\n", diag.entries[0].text, want);
    assert_non_null(strstr(diag.entries[0].text, want));
    diag_done(&diag);
}

static void
content_is_read_whole_in_every_storage(void **state)
{
    static const struct {
        enum file_kind kind;
        bool wants_map;
    } table[] = {
        {FILE_PUBLIC, false}, {FILE_PUBLIC, true}, {FILE_SECRET, false}, {FILE_SECRET, true}};
    struct str content = STR("one\0two\n");
    char *path = unit_write_file(dir, "f", content);

    (void)state;
    for (size_t i = 0; i < array_len(table); i++) {
        struct diag diag;
        struct file f = {0};

        diag_init(&diag);
        assert_int_equal(file_read(path, content.len, table[i].kind, table[i].wants_map, &diag, &f),
                         0);
        assert_str_equal(str_make(f.bytes, f.len), content);
        assert_int_equal(f.bytes[f.len], '\0');
        assert_int_equal(diag.count, 0);
        file_done(&f);
        assert_null(f.bytes);
        file_done(&f);
        diag_done(&diag);
    }
    free(path);
}

static void
a_missing_an_empty_and_a_large_file_are_refused(void **state)
{
    char *missing = unit_path(dir, "missing");
    char *empty = unit_write_file(dir, "empty", STR(""));
    char *large = unit_write_file(dir, "large", STR("12345"));

    (void)state;
    expect_refusal(missing, 10, FILE_PUBLIC, "No such file");
    expect_refusal(empty, 10, FILE_PUBLIC, "is empty");
    expect_refusal(large, 4, FILE_PUBLIC, "has 5 bytes; at most 4");
    free(missing);
    free(empty);
    free(large);
}

static void
what_is_not_a_regular_file_is_refused_without_waiting(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char *fifo = unit_path(dir, "fifo");
    char *path = unit_path(dir, "socket");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(mkfifo(fifo, 0600), 0);
    expect_refusal(fifo, 10, FILE_PUBLIC, "is a FIFO");
    expect_refusal(dir, 10, FILE_PUBLIC, "is a directory");
    expect_refusal("/dev/zero", 10, FILE_PUBLIC, "is a device");
    memcpy(address.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    expect_refusal(path, 10, FILE_PUBLIC, "cannot be opened");
    close(fd);
    free(fifo);
    free(path);
}

static void
permissions_decide_who_could_have_written_or_read_it(void **state)
{
    static const struct {
        mode_t mode;
        bool is_public_ok;
        bool is_secret_ok;
    } table[] = {
        {0600, true, true},   {0400, true, true},  {0640, true, true},  {0644, true, false},
        {0660, true, false},  {0650, true, false}, {0664, true, false}, {0666, false, false},
        {0602, false, false}, {0601, true, false},
    };
    char *path = unit_write_file(dir, "f", STR("x"));

    (void)state;
    for (size_t i = 0; i < array_len(table); i++) {
        for (int kind = FILE_PUBLIC; kind <= FILE_SECRET; kind++) {
            bool is_ok = kind == FILE_PUBLIC ? table[i].is_public_ok : table[i].is_secret_ok;
            struct diag diag;
            struct file f = {0};

            assert_int_equal(chmod(path, table[i].mode), 0);
            if (!is_ok) {
                expect_refusal(path, 10, (enum file_kind)kind, "mode 0");
                continue;
            }
            diag_init(&diag);
            assert_int_equal(file_read(path, 10, (enum file_kind)kind, false, &diag, &f), 0);
            file_done(&f);
            diag_done(&diag);
        }
    }
    free(path);
}

static void
a_secret_of_another_user_is_refused(void **state)
{
    char *path = unit_write_file(dir, "f", STR("x"));

    (void)state;
    if (chown(path, 12345, (gid_t)-1) != 0) {
        free(path);
        skip(); /* only root can give a file away */
    }
    expect_refusal(path, 10, FILE_SECRET, "belongs to user 12345");
    free(path);
}

static void
a_replaced_file_is_new_whole_and_private(void **state)
{
    char *path = unit_write_file(dir, "f", STR("old"));
    struct stat before;
    struct stat after;
    size_t len;
    char *bytes;

    (void)state;
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(file_replace(path, STR("new content")), 0);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_mode & 07777, 0600);
    assert_int_not_equal(before.st_ino, after.st_ino);
    bytes = unit_read_file(path, &len);
    assert_str_equal(str_make(bytes, len), STR("new content"));
    free(bytes);
    assert_int_equal(file_replace(path, STR("")), 0);
    bytes = unit_read_file(path, &len);
    assert_int_equal(len, 0);
    free(bytes);
    free(path);
}

static void
a_failed_replace_leaves_the_old_file_and_nothing_else(void **state)
{
    char *path = unit_path(dir, "folder");
    char *inner = unit_path(path, "file");
    char *lost = unit_path(dir, "none/file");

    (void)state;
    assert_int_equal(file_replace(lost, STR("x")), GW_E_SYS);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(mkdir(path, 0700), 0);
    free(unit_write_file(path, "file", STR("old")));
    /* A rename onto a folder fails after the temporary file was written. */
    assert_int_equal(file_replace(path, STR("x")), GW_E_SYS);
    assert_int_equal(access(inner, F_OK), 0);
    assert_int_equal(unlink(inner), 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(dir), 0); /* only possible when no temporary file is left */
    assert_int_equal(mkdir(dir, 0700), 0);
    free(path);
    free(inner);
    free(lost);
}

static void
paths_are_joined_and_cut(void **state)
{
    static const struct {
        const char *path;
        const char *dirname;
    } table[] = {{"a", "."}, {"a/b", "a"}, {"/a", "/"}, {"/a/b.c", "/a"}, {"a/b/", "a/b"}};
    char *joined;

    (void)state;
    joined = file_join("conf", "a.pem");
    assert_string_equal(joined, "conf/a.pem");
    free(joined);
    joined = file_join("conf", "/etc/a.pem");
    assert_string_equal(joined, "/etc/a.pem");
    free(joined);
    for (size_t i = 0; i < array_len(table); i++) {
        char *name = file_dirname(table[i].path);

        assert_string_equal(name, table[i].dirname);
        free(name);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(content_is_read_whole_in_every_storage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_an_empty_and_a_large_file_are_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_a_regular_file_is_refused_without_waiting,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(permissions_decide_who_could_have_written_or_read_it,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_secret_of_another_user_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_replaced_file_is_new_whole_and_private, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_failed_replace_leaves_the_old_file_and_nothing_else,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(paths_are_joined_and_cut, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
