/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/limits.h"
#include "net/listener.h"

#define CLIENTS_MAX 300

struct world {
    struct loop *loop;
    struct listener listener;
    struct loop_timer guard;
    struct addr at;
    int fd;
    int accepted[CLIENTS_MAX];
    int count;
    int most_per_turn;
    int64_t turn_us;
    int in_turn;
    int pause_at; /* pause at this count; 0: never */
    int stop_at;  /* stop listening at this count; 0: never */
    int clients[CLIENTS_MAX];
    int client_count;
};

static void
stop_loop(void *arg)
{
    loop_stop(arg);
}

static void
on_accept(void *arg, int fd, const struct addr *from)
{
    struct world *w = arg;

    assert_true(w->count < CLIENTS_MAX);
    assert_true(from->len > 0);
    if (loop_now(w->loop)->mono_us != w->turn_us)
        w->in_turn = 0;
    w->turn_us = loop_now(w->loop)->mono_us;
    w->in_turn++;
    w->most_per_turn = w->in_turn > w->most_per_turn ? w->in_turn : w->most_per_turn;
    w->accepted[w->count++] = fd;
    if (w->count == w->pause_at)
        listener_pause(&w->listener);
    if (w->count == w->stop_at)
        listener_stop(&w->listener);
}

static int
setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->loop = loop_new();
    assert_non_null(w->loop);
    assert_int_equal(addr_parse(STR("127.0.0.1:0"), &w->at), 0);
    assert_int_equal(sock_listen(&w->at, false, &w->fd), 0);
    assert_int_equal(sock_local_addr(w->fd, &w->at), 0);
    assert_int_equal(listener_start(&w->listener, w->loop, w->fd, on_accept, w), 0);
    loop_timer_init(w->loop, &w->guard, stop_loop, w->loop);
    *state = w;
    return 0;
}

static void
close_accepted(struct world *w)
{
    for (int i = 0; i < w->count; i++)
        close(w->accepted[i]);
    w->count = 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    listener_stop(&w->listener);
    listener_stop(&w->listener);
    loop_timer_done(&w->guard);
    loop_free(w->loop);
    close(w->fd);
    close_accepted(w);
    for (int i = 0; i < w->client_count; i++)
        close(w->clients[i]);
    free(w);
    return 0;
}

static void
run_for(struct world *w, int ms)
{
    loop_timer_set(&w->guard, loop_now_fresh(w->loop)->mono_ms + ms);
    loop_run(w->loop);
    loop_timer_set(&w->guard, 0);
}

static void
connect_clients(struct world *w, int n)
{
    for (int i = 0; i < n; i++) {
        assert_true(w->client_count < CLIENTS_MAX);
        assert_int_equal(sock_connect(&w->at, &w->clients[w->client_count]), 0);
        w->client_count++;
    }
}

static void
accepted_descriptors_are_ready_for_use(void **state)
{
    struct world *w = *state;
    int on = 0;
    socklen_t len = sizeof(on);

    connect_clients(w, 1);
    run_for(w, 30);
    assert_int_equal(w->count, 1);
    assert_true(fcntl(w->accepted[0], F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(w->accepted[0], F_GETFL) & O_NONBLOCK);
    assert_int_equal(getsockopt(w->accepted[0], IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_true(on);
}

static void
a_turn_accepts_no_more_than_a_batch(void **state)
{
    struct world *w = *state;

    connect_clients(w, 200);
    run_for(w, 100);
    assert_int_equal(w->count, 200);
    assert_int_equal(w->most_per_turn, ACCEPT_BATCH_MAX);
}

static void
a_paused_listener_accepts_again_when_resumed(void **state)
{
    struct world *w = *state;

    w->pause_at = 3;
    connect_clients(w, 10);
    run_for(w, 2 * ACCEPT_PAUSE_MS);
    assert_int_equal(w->count, 3);
    assert_true(w->listener.is_paused);
    listener_pause(&w->listener);
    w->pause_at = 0;
    listener_resume(&w->listener);
    listener_resume(&w->listener);
    assert_false(w->listener.is_paused);
    run_for(w, 30);
    assert_int_equal(w->count, 10);
    assert_int_equal(w->listener.emfile_count, 0);
}

static void
a_listener_stopped_by_its_callback_accepts_no_more(void **state)
{
    struct world *w = *state;

    w->stop_at = 2;
    connect_clients(w, 10);
    run_for(w, 30);
    assert_int_equal(w->count, 2);
}

static int64_t
cpu_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_THREAD, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
           u.ru_stime.tv_usec;
}

/* Leaves room for n more descriptors. */
static void
limit_descriptors(struct rlimit *old, int n)
{
    struct rlimit tight;
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, old), 0);
    tight = *old;
    tight.rlim_cur = (rlim_t)(next + n);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
}

static void
without_descriptors_it_pauses_and_recovers(void **state)
{
    struct world *w = *state;
    struct rlimit old;
    int64_t cpu;
    int taken;

    connect_clients(w, 40);
    limit_descriptors(&old, 10);
    cpu = cpu_us();
    run_for(w, 4 * ACCEPT_PAUSE_MS);
    cpu = cpu_us() - cpu;
    taken = w->count;
    assert_int_equal(taken, 10);
    /* One try per pause, not one per loop turn. */
    assert_in_range(w->listener.emfile_count, 3, 6);
    assert_true(cpu < 50000);

    close_accepted(w);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    run_for(w, 2 * ACCEPT_PAUSE_MS);
    assert_false(w->listener.is_paused);
    /* All but those that were told to go away. */
    assert_int_equal(w->count, 40 - taken - (int)w->listener.emfile_count);
    assert_true(w->listener.reserve_fd >= 0);
}

static void
without_descriptors_the_first_in_the_queue_is_reset(void **state)
{
    struct world *w = *state;
    struct rlimit old;
    struct pollfd p;
    char byte;

    connect_clients(w, 1);
    limit_descriptors(&old, 0);
    run_for(w, 20);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(w->count, 0);
    assert_int_equal(w->listener.emfile_count, 1);
    p = (struct pollfd){.fd = w->clients[0], .events = POLLIN};
    assert_int_equal(poll(&p, 1, 1000), 1);
    assert_int_equal(recv(w->clients[0], &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    /* When told that descriptors are back it does not wait for the timer. */
    connect_clients(w, 1);
    listener_resume(&w->listener);
    run_for(w, 10);
    assert_int_equal(w->count, 1);
}

static void
a_pause_by_the_owner_outlasts_the_timer(void **state)
{
    struct world *w = *state;
    struct rlimit old;

    connect_clients(w, 2);
    limit_descriptors(&old, 0);
    run_for(w, 10);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_true(w->listener.is_paused);
    listener_pause(&w->listener);
    run_for(w, 3 * ACCEPT_PAUSE_MS);
    assert_true(w->listener.is_paused);
    assert_int_equal(w->count, 0);
}

static void
connections_that_are_gone_before_accept_do_no_harm(void **state)
{
    struct world *w = *state;

    connect_clients(w, 20);
    for (int i = 0; i < 20; i++)
        sock_close_reset(w->clients[i]);
    w->client_count = 0;
    connect_clients(w, 1);
    run_for(w, 50);
    assert_in_range(w->count, 1, 21);
    assert_false(w->listener.is_paused);
    assert_int_equal(w->listener.emfile_count, 0);
}

static void
a_start_that_fails_leaves_nothing_behind(void **state)
{
    struct world *w = *state;
    struct listener other;
    struct rlimit old;

    limit_descriptors(&old, 0);
    assert_int_equal(listener_start(&other, w->loop, w->fd, on_accept, w), GW_E_SYS);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    listener_stop(&other);
    /* loop_free in the teardown asserts that no watch and no timer is left. */
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        test(accepted_descriptors_are_ready_for_use),
        test(a_turn_accepts_no_more_than_a_batch),
        test(a_paused_listener_accepts_again_when_resumed),
        test(a_listener_stopped_by_its_callback_accepts_no_more),
        test(without_descriptors_it_pauses_and_recovers),
        test(without_descriptors_the_first_in_the_queue_is_reset),
        test(a_pause_by_the_owner_outlasts_the_timer),
        test(connections_that_are_gone_before_accept_do_no_harm),
        test(a_start_that_fails_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
