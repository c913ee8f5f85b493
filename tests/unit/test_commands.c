/* SPDX-License-Identifier: Apache-2.0
 *
 * What the commands take and refuse. Each call runs in a child, since commands print and read
 * options through getopt's global state.
 */
#include "support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/commands.h"

#define TEXT_MAX 8192

struct result {
    int status;
    char out[TEXT_MAX];
    char err[TEXT_MAX];
};

static void
read_back(int fd, char *text)
{
    ssize_t n;

    lseek(fd, 0, SEEK_SET);
    n = read(fd, text, TEXT_MAX - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    close(fd);
}

static int
scratch(void)
{
    char path[] = "/tmp/test_commandsXXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    return fd;
}

/* args end with NULL. */
static struct result
run(const char *const *args)
{
    char *argv[16] = {NULL};
    struct result r;
    int argc = 0, status = 0;
    int out = scratch(), err = scratch();
    pid_t pid;

    argv[argc++] = strdup("sallyport");
    while (args[argc - 1] != NULL) {
        argv[argc] = strdup(args[argc - 1]);
        argc++;
    }
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        status = commands_run(argc, argv);
        fflush(NULL);
        _exit(status);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    r.status = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
    read_back(out, r.out);
    read_back(err, r.err);
    return r;
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static void
no_command_is_wrong_usage(void **state)
{
    struct result r = run((const char *const[]){NULL});

    (void)state;
    assert_int_equal(r.status, 2);
    assert_non_null(strstr(r.err, "sallyport help"));
}

static void
an_unknown_command_is_named(void **state)
{
    struct result r = RUN("frobnicate");

    (void)state;
    assert_int_equal(r.status, 2);
    assert_non_null(strstr(r.err, "frobnicate: is no command"));
}

static void
help_and_version_have_their_usual_options(void **state)
{
    (void)state;
    assert_int_equal(RUN("--help").status, 0);
    assert_int_equal(RUN("-h").status, 0);
    assert_non_null(strstr(RUN("--version").out, "OpenSSL"));
    assert_int_equal(RUN("-V").status, 0);
}

static void
deny_wants_to_know_what_to_do_and_for_whom(void **state)
{
    (void)state;
    assert_int_equal(RUN("deny").status, 2);
    assert_int_equal(RUN("deny", "forget", "san:a").status, 2);
    assert_int_equal(RUN("deny", "add").status, 2);
    assert_non_null(strstr(RUN("deny", "add").err, "sha256:HEX"));
    assert_int_equal(RUN("deny", "add", "san:a", "san:b").status, 2);
    assert_int_equal(RUN("deny", "add", "san:a", "--json").status, 2);
    assert_int_equal(RUN("deny", "remove", "san:a", "--why", "x").status, 2);
    assert_int_equal(RUN("deny", "list", "san:a").status, 2);
    assert_int_equal(RUN("deny", "list", "--bogus").status, 2);
    assert_int_equal(RUN("deny", "list", "--socket", "/nonexistent/s").status, 1);
}

static void
explain_needs_to_know_what_to_judge(void **state)
{
    static const struct {
        const char *args[8];
        const char *error;
    } rows[] = {
        {{"explain", "-c", "f.yaml"}, "needs --cert"},
        {{"explain", "--cert", "a.pem"}, "either -c FILE or --trust-store"},
        {{"explain", "-c", "f", "--trust-store", "g", "--cert", "a"}, "either -c FILE or"},
        {{"explain", "--trust-store", "g", "--cert", "a", "--path", "/"}, "needs -c FILE"},
        {{"explain", "--trust-store", "g", "--cert", "a", "--sni", "b"}, "needs -c FILE"},
        {{"explain", "-c", "f", "--cert", "a", "--crl", "b"}, "--crl only with --trust-store"},
        {{"explain", "-c", "f", "--cert", "a", "--method", "GET"}, "needs --path"},
        {{"explain", "-c", "f", "--cert", "a", "surplus"}, "\"surplus\""},
        {{"explain", "-c", "f", "--cert"}, "does not take --cert"},
        {{"explain", "--nonsense"}, "--nonsense"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct result r = run(rows[i].args);

        assert_int_equal(r.status, 2);
        assert_string_equal(r.out, "");
        if (strstr(r.err, rows[i].error) == NULL)
            fail_msg("row %zu: %s", i, r.err);
    }
}

static void
a_file_that_is_not_there_is_named(void **state)
{
    struct result r = RUN("check", "-c", "/nonexistent.yaml");

    (void)state;
    assert_int_equal(r.status, 1);
    assert_non_null(strstr(r.err, "/nonexistent.yaml"));
    r = RUN("run", "-c", "/nonexistent.yaml");
    assert_int_equal(r.status, 1);
    assert_non_null(strstr(r.err, "/nonexistent.yaml"));
    assert_non_null(strstr(r.err, "not started"));
    r = RUN("reload", "-c", "/nonexistent.yaml");
    assert_int_equal(r.status, 1);
    assert_non_null(strstr(r.err, "--socket"));
}

static void
reload_takes_no_json(void **state)
{
    (void)state;
    assert_int_equal(RUN("reload", "--json").status, 2);
    assert_int_equal(RUN("status", "--json", "--socket", "/nonexistent").status, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_command_is_wrong_usage),
        cmocka_unit_test(an_unknown_command_is_named),
        cmocka_unit_test(help_and_version_have_their_usual_options),
        cmocka_unit_test(deny_wants_to_know_what_to_do_and_for_whom),
        cmocka_unit_test(explain_needs_to_know_what_to_judge),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(reload_takes_no_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
