/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets from one program to the next; a shell plays the new program.
 */
#include "support/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/handover.h"

struct world {
    struct loop *loop;
    struct loop_timer guard;
    struct handover *handover;
    char error[256];
    pid_t pid;
    int dones;
};

static void
on_done(void *arg, pid_t pid, const char *error)
{
    struct world *w = arg;

    w->dones++;
    w->pid = pid;
    w->handover = NULL;
    (void)snprintf(w->error, sizeof(w->error), "%s", error != NULL ? error : "ready");
    loop_stop(w->loop);
}

static void
on_guard(void *arg)
{
    loop_stop(arg);
}

static int
setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->loop = loop_new();
    loop_timer_init(w->loop, &w->guard, on_guard, w->loop);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    handover_cancel(w->handover);
    loop_timer_done(&w->guard);
    loop_free(w->loop);
    free(w);
    return 0;
}

static int
start(struct world *w, const char *script, int fd, int64_t timeout_ms)
{
    char sh[] = "sh", dash_c[] = "-c";
    char *const argv[] = {sh, dash_c, (char *)(uintptr_t)script, NULL};
    const struct handover_plan plan = {.program = "/bin/sh",
                                       .argv = argv,
                                       .fds = &fd,
                                       .fd_count = fd >= 0 ? 1 : 0,
                                       .timeout_ms = timeout_ms};
    const struct handover_hooks hooks = {on_done, w};
    struct diag diag;
    int rc;

    diag_init(&diag);
    rc = handover_start(w->loop, &plan, &hooks, &diag, &w->handover);
    diag_done(&diag);
    return rc;
}

static void
run_for(struct world *w, int ms)
{
    loop_timer_set(&w->guard, loop_now_fresh(w->loop)->mono_ms + ms);
    loop_run(w->loop);
}

/* The shell finds the number of the pipe in the variable. */
#define SAY_READY "n=${SALLYPORT_HANDOVER%%:*}; eval \"printf R >&$n\"; "

static void
a_new_program_that_says_ready_takes_over(void **state)
{
    struct world *w = *state;

    assert_int_equal(start(w, SAY_READY "exit 0", -1, 5000), 0);
    run_for(w, 5000);
    assert_string_equal(w->error, "ready");
    assert_int_equal(w->dones, 1);
    assert_int_equal(waitpid(w->pid, NULL, 0), w->pid);
}

static void
a_new_program_that_ends_early_does_not(void **state)
{
    struct world *w = *state;

    assert_int_equal(start(w, "exit 3", -1, 5000), 0);
    run_for(w, 5000);
    assert_non_null(strstr(w->error, "ended before it was ready"));
    assert_int_equal(waitpid(w->pid, NULL, WNOHANG), -1); /* it was waited for */
}

static void
a_new_program_that_is_never_ready_is_ended(void **state)
{
    struct world *w = *state;

    assert_int_equal(start(w, "exec sleep 60", -1, 200), 0);
    run_for(w, 5000);
    assert_non_null(strstr(w->error, "not ready in time"));
    assert_int_equal(kill(w->pid, 0), -1);
}

static void
cancel_ends_the_new_program(void **state)
{
    struct world *w = *state;

    assert_int_equal(start(w, "exec sleep 60", -1, 60000), 0);
    run_for(w, 100);
    handover_cancel(w->handover);
    w->handover = NULL;
    run_for(w, 100);
    assert_int_equal(w->dones, 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void
the_descriptors_are_open_in_the_new_program_and_named(void **state)
{
    struct world *w = *state;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char script[256];

    (void)snprintf(script, sizeof(script),
                   "[ \"${SALLYPORT_HANDOVER#*:}\" = %d ] && [ -e /proc/self/fd/%d ] && " SAY_READY,
                   fd, fd);
    assert_int_equal(start(w, script, fd, 5000), 0);
    run_for(w, 5000);
    assert_string_equal(w->error, "ready");
    assert_int_equal(waitpid(w->pid, NULL, 0), w->pid);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

static void
a_program_that_is_not_there_is_an_error(void **state)
{
    struct world *w = *state;
    char name[] = "x";
    char *const argv[] = {name, NULL};
    const struct handover_plan plan = {.program = "/nonexistent", .argv = argv, .timeout_ms = 100};
    const struct handover_hooks hooks = {on_done, w};
    struct diag diag;

    diag_init(&diag);
    assert_int_equal(handover_start(w->loop, &plan, &hooks, &diag, &w->handover), GW_E_SYS);
    assert_int_equal(diag.count, 1);
    assert_non_null(strstr(diag.entries[0].text, "/nonexistent"));
    diag_done(&diag);
}

static void
the_variable_is_read_and_removed(void **state)
{
    struct handover_in in;
    struct diag diag;
    char text[64];
    int fds[3];

    (void)state;
    for (size_t i = 0; i < array_len(fds); i++)
        fds[i] = open("/dev/null", O_RDONLY);
    (void)snprintf(text, sizeof(text), "%d:%d,%d", fds[0], fds[1], fds[2]);
    setenv("SALLYPORT_HANDOVER", text, 1);
    diag_init(&diag);
    assert_int_equal(handover_read(&in, &diag), 0);
    assert_true(in.is_upgrade);
    assert_int_equal(in.ready_fd, fds[0]);
    assert_int_equal(in.count, 2);
    assert_int_equal(in.fds[1], fds[2]);
    assert_true(fcntl(fds[1], F_GETFD) & FD_CLOEXEC);
    assert_null(getenv("SALLYPORT_HANDOVER"));
    handover_in_done(&in);
    close(fds[1]);
    close(fds[2]);
    diag_done(&diag);
}

static void
a_malformed_variable_is_an_error(void **state)
{
    static const char *const bad[] = {
        "", ":", "x:1", "1", "0:", "0:1,", "0:1,x", "0:99999", "-1:0", "0:-1"};
    struct handover_in in;

    (void)state;
    for (size_t i = 0; i < array_len(bad); i++) {
        int keep = dup(0);
        struct diag diag;

        diag_init(&diag);
        setenv("SALLYPORT_HANDOVER", bad[i], 1);
        assert_int_equal(handover_read(&in, &diag), GW_E_CONFIG);
        assert_int_equal(diag.count, 1);
        diag_done(&diag);
        dup2(keep, 0);
        close(keep);
    }
    unsetenv("SALLYPORT_HANDOVER");
}

static void
sockets_of_systemd_are_read_when_they_are_ours(void **state)
{
    struct handover_in in;
    struct diag diag;
    char pid[16];

    (void)state;
    diag_init(&diag);
    setenv("LISTEN_PID", "1", 1);
    setenv("LISTEN_FDS", "1", 1);
    assert_int_equal(handover_read(&in, &diag), 0);
    assert_int_equal(in.count, 0);
    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "0", 1);
    assert_int_equal(handover_read(&in, &diag), 0);
    assert_false(in.is_upgrade);
    assert_null(getenv("LISTEN_PID"));
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "900", 1);
    assert_int_equal(handover_read(&in, &diag), GW_E_CONFIG);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    diag_done(&diag);
}

#define world_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(a_new_program_that_says_ready_takes_over),
        world_test(a_new_program_that_ends_early_does_not),
        world_test(a_new_program_that_is_never_ready_is_ended),
        world_test(cancel_ends_the_new_program),
        world_test(the_descriptors_are_open_in_the_new_program_and_named),
        world_test(a_program_that_is_not_there_is_an_error),
        cmocka_unit_test(the_variable_is_read_and_removed),
        cmocka_unit_test(a_malformed_variable_is_an_error),
        cmocka_unit_test(sockets_of_systemd_are_read_when_they_are_ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
