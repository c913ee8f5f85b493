/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/signals.h"

struct world {
    struct loop *loop;
    struct loop_timer guard;
    struct signals signals;
    int count[65];
    int total;
    int stop_after;
};

static void
on_signal(void *arg, int signo)
{
    struct world *w = arg;

    w->count[signo]++;
    if (++w->total == w->stop_after)
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
    signals_block();
    w->loop = loop_new();
    loop_timer_init(w->loop, &w->guard, on_guard, w->loop);
    assert_int_equal(signals_start(&w->signals, w->loop, on_signal, w), 0);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    signals_stop(&w->signals);
    loop_timer_done(&w->guard);
    loop_free(w->loop);
    free(w);
    return 0;
}

static void
run_for(struct world *w, int ms)
{
    loop_timer_set(&w->guard, loop_now_fresh(w->loop)->mono_ms + ms);
    loop_run(w->loop);
}

static const int handled[] = {SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGUSR2};

static void
every_signal_becomes_an_event(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < array_len(handled); i++)
        kill(getpid(), handled[i]);
    w->stop_after = (int)array_len(handled);
    run_for(w, 5000);
    for (size_t i = 0; i < array_len(handled); i++)
        assert_int_equal(w->count[handled[i]], 1);
}

static void
a_storm_of_signals_does_no_harm(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 20000; i++) {
        kill(getpid(), handled[i % (int)array_len(handled)]);
        if (i % 1000 == 0)
            run_for(w, 1);
    }
    run_for(w, 20);
    for (size_t i = 0; i < array_len(handled); i++)
        assert_true(w->count[handled[i]] >= 1);
}

static void
pipe_is_ignored(void **state)
{
    struct world *w = *state;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    close(fds[0]);
    assert_int_equal(write(fds[1], "x", 1), -1);
    close(fds[1]);
    run_for(w, 10);
    assert_int_equal(w->total, 0);
}

static void *
other_thread(void *arg)
{
    sigset_t mask;

    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    for (size_t i = 0; i < array_len(handled); i++) {
        if (!sigismember(&mask, handled[i]))
            return NULL;
    }
    return arg;
}

static void
threads_started_later_have_them_blocked(void **state)
{
    pthread_t thread;
    void *result = NULL;

    assert_int_equal(pthread_create(&thread, NULL, other_thread, state), 0);
    pthread_join(thread, &result);
    assert_non_null(result);
}

static void
no_event_comes_after_stop(void **state)
{
    struct world *w = *state;
    sigset_t set;
    struct timespec no_wait = {0, 0};

    signals_stop(&w->signals);
    kill(getpid(), SIGUSR1);
    run_for(w, 20);
    assert_int_equal(w->total, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    assert_int_equal(sigtimedwait(&set, NULL, &no_wait), SIGUSR1);
}

static void
a_child_gets_the_default_actions_back(void **state)
{
    pid_t pid = fork();
    int status = 0;

    (void)state;
    if (pid == 0) {
        signals_restore();
        raise(SIGTERM);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
}

static void
names_are_those_of_the_manual(void **state)
{
    (void)state;
    assert_string_equal(signals_name(SIGHUP), "HUP");
    assert_string_equal(signals_name(SIGTERM), "TERM");
    assert_string_equal(signals_name(SIGINT), "INT");
    assert_string_equal(signals_name(SIGUSR1), "USR1");
    assert_string_equal(signals_name(SIGUSR2), "USR2");
    assert_string_equal(signals_name(SIGQUIT), "?");
}

#define world_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(every_signal_becomes_an_event),
        world_test(a_storm_of_signals_does_no_harm),
        world_test(pipe_is_ignored),
        world_test(threads_started_later_have_them_blocked),
        world_test(no_event_comes_after_stop),
        world_test(a_child_gets_the_default_actions_back),
        cmocka_unit_test(names_are_those_of_the_manual),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
