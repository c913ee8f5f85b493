/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "net/loop.h"
#include "net/sock.h"

#define SENDERS 4
#define MESSAGES 5000

/* A loop with one socket pair, and what was seen on ours. */
struct world {
    struct loop *loop;
    struct loop_watch watch;
    struct loop_timer guard;
    int ours;
    int theirs;
    unsigned bits;
    int calls;
    int stop_after; /* calls; 0: never */
};

static void
stop(void *arg)
{
    loop_stop(arg);
}

static int
setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    int pair[2];

    assert_non_null(w);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    w->ours = pair[0];
    w->theirs = pair[1];
    w->loop = loop_new();
    assert_non_null(w->loop);
    loop_timer_init(w->loop, &w->guard, stop, w->loop);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    loop_watch_remove(&w->watch);
    loop_timer_done(&w->guard);
    loop_free(w->loop);
    close(w->ours);
    if (w->theirs >= 0)
        close(w->theirs);
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
on_io(void *arg, unsigned bits)
{
    struct world *w = arg;

    w->bits |= bits;
    w->calls++;
    if (w->calls == w->stop_after)
        loop_stop(w->loop);
}

static void
a_ready_descriptor_is_told_once_after_add(void **state)
{
    struct world *w = *state;

    assert_int_equal(loop_watch_add(w->loop, &w->watch, w->ours, on_io, w), 0);
    run_for(w, 30);
    assert_int_equal(w->calls, 1);
    assert_int_equal(w->bits, LOOP_WRITE);
}

static void
edges_are_told_once_levels_until_read(void **state)
{
    struct world *w = *state;

    assert_int_equal(loop_watch_add(w->loop, &w->watch, w->ours, on_io, w), 0);
    run_for(w, 10);
    w->calls = 0;
    assert_int_equal(write(w->theirs, "x", 1), 1);
    run_for(w, 30);
    assert_int_equal(w->calls, 1);
    assert_true(w->bits & LOOP_READ);
    assert_false(w->bits & LOOP_CLOSED);

    loop_watch_remove(&w->watch);
    w->calls = 0;
    w->stop_after = 3;
    assert_int_equal(loop_watch_add_level(w->loop, &w->watch, w->ours, on_io, w), 0);
    run_for(w, 1000);
    assert_int_equal(w->calls, 3);
}

static void
the_shutdown_of_the_other_side_is_told_with_readiness(void **state)
{
    struct world *w = *state;

    assert_int_equal(loop_watch_add(w->loop, &w->watch, w->ours, on_io, w), 0);
    run_for(w, 10);
    w->bits = 0;
    assert_int_equal(write(w->theirs, "x", 1), 1);
    assert_int_equal(shutdown(w->theirs, SHUT_WR), 0);
    run_for(w, 20);
    assert_true(w->bits & LOOP_CLOSED);
    assert_true(w->bits & LOOP_READ);
}

static void
remove_self_and_count(void *arg, unsigned bits)
{
    struct world *w = arg;

    (void)bits;
    w->calls++;
    loop_watch_remove(&w->watch);
}

static void
no_callback_comes_after_remove(void **state)
{
    struct world *w = *state;

    assert_int_equal(loop_watch_add_level(w->loop, &w->watch, w->ours, remove_self_and_count, w),
                     0);
    assert_int_equal(write(w->theirs, "x", 1), 1);
    run_for(w, 20);
    assert_int_equal(w->calls, 1);
    loop_watch_remove(&w->watch);
    assert_int_equal(loop_watch_add(w->loop, &w->watch, w->ours, on_io, w), 0);
    loop_watch_remove(&w->watch);
    run_for(w, 20);
    assert_int_equal(w->calls, 1);
}

/* Two watches that are ready in the same turn; whichever runs first removes the other. */
struct rivals {
    struct loop_watch watch[2];
    int calls;
};

static void
remove_the_rival(void *arg, unsigned bits)
{
    struct rivals *r = arg;

    (void)bits;
    r->calls++;
    loop_watch_remove(&r->watch[0]);
    loop_watch_remove(&r->watch[1]);
}

static void
a_watch_removed_in_the_same_turn_stays_silent(void **state)
{
    struct world *w = *state;
    struct rivals r = {0};

    assert_int_equal(loop_watch_add(w->loop, &r.watch[0], w->ours, remove_the_rival, &r), 0);
    assert_int_equal(loop_watch_add(w->loop, &r.watch[1], w->theirs, remove_the_rival, &r), 0);
    run_for(w, 20);
    assert_int_equal(r.calls, 1);
}

static void
a_descriptor_that_cannot_be_watched_is_an_error(void **state)
{
    struct world *w = *state;
    char path[] = "/tmp/test_loop.XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(loop_watch_add(w->loop, &w->watch, fd, on_io, w), GW_E_SYS);
    loop_watch_remove(&w->watch);
    close(fd);
}

struct tick {
    struct loop_timer timer;
    struct loop *loop;
    int64_t due_ms;
    int64_t fired_ms;
    int count;
};

static void
on_tick(void *arg)
{
    struct tick *t = arg;

    t->fired_ms = loop_now(t->loop)->mono_ms;
    t->count++;
}

static void
set_tick(struct tick *t, int64_t ms)
{
    t->due_ms = ms;
    loop_timer_set(&t->timer, ms);
}

static void
timers_fire_once_in_order_and_never_early(void **state)
{
    struct world *w = *state;
    struct tick ticks[50] = {0};
    int64_t start = loop_now_fresh(w->loop)->mono_ms;

    for (size_t i = 0; i < array_len(ticks); i++) {
        ticks[i].loop = w->loop;
        loop_timer_init(w->loop, &ticks[i].timer, on_tick, &ticks[i]);
        set_tick(&ticks[i], start + 1 + (int64_t)(i * 37 % 60));
    }
    run_for(w, 120);
    for (size_t i = 0; i < array_len(ticks); i++) {
        assert_int_equal(ticks[i].count, 1);
        assert_true(ticks[i].fired_ms >= ticks[i].due_ms);
        assert_true(ticks[i].fired_ms <= ticks[i].due_ms + 50);
        loop_timer_done(&ticks[i].timer);
    }
}

static void
a_deadline_moves_to_later_to_sooner_and_off(void **state)
{
    struct world *w = *state;
    struct tick later = {.loop = w->loop};
    struct tick sooner = {.loop = w->loop};
    struct tick off = {.loop = w->loop};
    struct tick past = {.loop = w->loop};
    int64_t now = loop_now_fresh(w->loop)->mono_ms;

    loop_timer_init(w->loop, &later.timer, on_tick, &later);
    loop_timer_init(w->loop, &sooner.timer, on_tick, &sooner);
    loop_timer_init(w->loop, &off.timer, on_tick, &off);
    loop_timer_init(w->loop, &past.timer, on_tick, &past);
    set_tick(&later, now + 5);
    set_tick(&later, now + 60);
    set_tick(&sooner, now + 5000);
    set_tick(&sooner, now + 10);
    set_tick(&off, now + 5);
    set_tick(&off, 0);
    set_tick(&past, 1);
    run_for(w, 30);
    assert_int_equal(later.count, 0);
    assert_int_equal(sooner.count, 1);
    assert_int_equal(past.count, 1);
    run_for(w, 80);
    assert_int_equal(later.count, 1);
    assert_true(later.fired_ms >= later.due_ms);
    assert_int_equal(off.count, 0);
    /* A timer that fired or was off can be set again. */
    set_tick(&off, loop_now_fresh(w->loop)->mono_ms + 1);
    set_tick(&sooner, loop_now(w->loop)->mono_ms + 1);
    run_for(w, 20);
    assert_int_equal(off.count, 1);
    assert_int_equal(sooner.count, 2);
    loop_timer_done(&later.timer);
    loop_timer_done(&sooner.timer);
    loop_timer_done(&off.timer);
    loop_timer_done(&past.timer);
    loop_timer_done(&past.timer);
}

static void
a_timer_that_is_done_does_not_fire(void **state)
{
    struct world *w = *state;
    struct tick t = {.loop = w->loop};

    loop_timer_init(w->loop, &t.timer, on_tick, &t);
    set_tick(&t, loop_now_fresh(w->loop)->mono_ms + 1);
    loop_timer_done(&t.timer);
    run_for(w, 20);
    assert_int_equal(t.count, 0);
}

struct slow {
    struct loop_timer timer;
    struct loop *loop;
    int64_t seen_us[2];
    int64_t fresh_us;
};

static int64_t
clock_us(void)
{
    struct clock now;

    clock_read(&now);
    return now.mono_us;
}

static void
on_slow(void *arg)
{
    struct slow *s = arg;

    s->seen_us[0] = loop_now(s->loop)->mono_us;
    usleep(3000);
    s->seen_us[1] = loop_now(s->loop)->mono_us;
    s->fresh_us = loop_now_fresh(s->loop)->mono_us;
    loop_stop(s->loop);
}

static void
the_clock_stands_still_within_a_turn(void **state)
{
    struct world *w = *state;
    struct slow s = {.loop = w->loop};

    loop_timer_init(w->loop, &s.timer, on_slow, &s);
    loop_timer_set(&s.timer, loop_now_fresh(w->loop)->mono_ms + 1);
    run_for(w, 1000);
    assert_int_equal(s.seen_us[0], s.seen_us[1]);
    assert_true(s.fresh_us >= s.seen_us[1] + 3000);
    loop_timer_done(&s.timer);
}

struct witness {
    struct world *world;
    struct loop_watch watch;
    int64_t seen_us;
};

static void
look_and_linger(void *arg, unsigned bits)
{
    struct witness *k = arg;

    (void)bits;
    k->seen_us = loop_now(k->world->loop)->mono_us;
    usleep(3000);
}

static void
all_callbacks_of_a_turn_see_one_clock(void **state)
{
    struct world *w = *state;
    struct witness a = {.world = w};
    struct witness b = {.world = w};

    assert_int_equal(loop_watch_add(w->loop, &a.watch, w->ours, look_and_linger, &a), 0);
    assert_int_equal(loop_watch_add(w->loop, &b.watch, w->theirs, look_and_linger, &b), 0);
    run_for(w, 30);
    assert_int_equal(a.seen_us, b.seen_us);
    assert_true(a.seen_us > 0);
    loop_watch_remove(&a.watch);
    loop_watch_remove(&b.watch);
}

struct sender;

struct numbered {
    struct loop_msg msg;
    struct sender *sender;
    int number;
};

struct sender {
    pthread_t thread;
    struct loop *loop;
    struct numbered *messages;
    int next; /* written by the loop's thread only */
    int *remaining;
};

static void
on_numbered(struct loop_msg *msg)
{
    struct numbered *n = container_of(msg, struct numbered, msg);

    assert_int_equal(n->number, n->sender->next);
    n->sender->next++;
    if (--*n->sender->remaining == 0)
        loop_stop(n->sender->loop);
}

static void *
send_all(void *arg)
{
    struct sender *s = arg;

    for (int i = 0; i < MESSAGES; i++) {
        s->messages[i] = (struct numbered){{.run = on_numbered}, s, i};
        loop_post(s->loop, &s->messages[i].msg);
    }
    return NULL;
}

static void
messages_of_many_threads_arrive_each_in_order(void **state)
{
    struct world *w = *state;
    struct sender senders[SENDERS];
    int remaining = SENDERS * MESSAGES;

    for (size_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.loop = w->loop, .remaining = &remaining};
        senders[i].messages = calloc(MESSAGES, sizeof(struct numbered));
        assert_non_null(senders[i].messages);
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
    }
    run_for(w, 20000);
    for (size_t i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].next, MESSAGES);
        free(senders[i].messages);
    }
    assert_int_equal(remaining, 0);
}

struct stopper {
    struct loop_msg msg;
    struct loop *loop;
};

static void
stop_by_message(struct loop_msg *msg)
{
    loop_stop(container_of(msg, struct stopper, msg)->loop);
}

static void *
post_later(void *arg)
{
    struct stopper *s = arg;

    usleep(10000);
    loop_post(s->loop, &s->msg);
    return NULL;
}

static void
a_single_message_wakes_a_waiting_loop(void **state)
{
    struct world *w = *state;
    struct stopper s = {{.run = stop_by_message}, w->loop};
    int64_t start = loop_now_fresh(w->loop)->mono_ms;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, post_later, &s), 0);
    run_for(w, 10000);
    pthread_join(thread, NULL);
    assert_true(loop_now_fresh(w->loop)->mono_ms - start < 5000);
}

static void *
stop_later(void *arg)
{
    usleep(10000);
    loop_stop(arg);
    loop_stop(arg);
    return NULL;
}

static void
another_thread_stops_a_waiting_loop(void **state)
{
    struct world *w = *state;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, stop_later, w->loop), 0);
    loop_run(w->loop);
    pthread_join(thread, NULL);
    /* A stop that comes before the run is not lost. */
    loop_stop(w->loop);
    loop_run(w->loop);
}

static void
count_message(struct loop_msg *msg)
{
    struct numbered *n = container_of(msg, struct numbered, msg);

    n->number++;
}

static void
messages_after_the_stop_are_run_by_free(void **state)
{
    struct loop *loop = loop_new();
    struct numbered n = {.msg = {.run = count_message}};

    (void)state;
    assert_non_null(loop);
    loop_stop(loop);
    loop_run(loop);
    loop_post(loop, &n.msg);
    assert_int_equal(n.number, 0);
    loop_free(loop);
    assert_int_equal(n.number, 1);
    loop_free(NULL);
}

struct work {
    struct loop_task task;
    struct loop *loop;
    struct world *world;
    int runs;
    int again; /* how often it defers itself */
    int calls_seen;
};

static void
on_work(void *arg)
{
    struct work *k = arg;

    k->runs++;
    k->calls_seen = k->world->calls;
    if (k->again > 0) {
        k->again--;
        loop_defer(k->loop, &k->task);
    } else {
        loop_stop(k->loop);
    }
}

static void
defer_on_io(void *arg, unsigned bits)
{
    struct work *k = arg;

    (void)bits;
    k->world->calls++;
    loop_defer(k->loop, &k->task);
    loop_defer(k->loop, &k->task);
    assert_int_equal(k->runs, 0);
}

static void
tasks_run_once_at_the_end_of_the_turn(void **state)
{
    struct world *w = *state;
    struct work k = {.loop = w->loop, .world = w};

    loop_task_init(&k.task, on_work, &k);
    assert_int_equal(loop_watch_add(w->loop, &w->watch, w->ours, defer_on_io, &k), 0);
    run_for(w, 1000);
    assert_int_equal(k.runs, 1);
    assert_int_equal(k.calls_seen, 1);
}

struct slow_task {
    struct loop_task task;
    struct world *world;
    int *order;
    int number;
    int calls_seen;
};

static void
on_slow_task(void *arg)
{
    struct slow_task *s = arg;
    int64_t until = clock_us() + TASKS_SLICE_US / 4;

    while (clock_us() < until)
        continue;
    if (s->number == 0)
        assert_int_equal(write(s->world->theirs, "x", 1), 1);
    assert_int_equal((*s->order)++, s->number);
    s->calls_seen = s->world->calls;
}

/* What takes long altogether is done in the order it was put off, over several turns. */
static void
many_tasks_leave_descriptors_their_turn(void **state)
{
    enum { COUNT = 10 * TASKS_PER_LOOK };
    struct world *w = *state;
    struct slow_task *tasks = calloc(COUNT, sizeof(*tasks));
    struct work last = {.loop = w->loop, .world = w};
    int order = 0;

    for (int i = 0; i < COUNT; i++) {
        tasks[i] = (struct slow_task){.world = w, .order = &order, .number = i};
        loop_task_init(&tasks[i].task, on_slow_task, &tasks[i]);
        loop_defer(w->loop, &tasks[i].task);
    }
    loop_task_init(&last.task, on_work, &last);
    loop_defer(w->loop, &last.task);
    assert_int_equal(loop_watch_add(w->loop, &w->watch, w->ours, on_io, w), 0);
    run_for(w, 5000);
    assert_int_equal(order, COUNT);
    assert_int_equal(last.runs, 1);
    assert_int_equal(tasks[TASKS_PER_LOOK - 1].calls_seen, tasks[0].calls_seen);
    assert_int_equal(last.calls_seen, tasks[0].calls_seen + 1);
    free(tasks);
}

static void
a_task_that_defers_itself_does_not_wait_and_does_not_starve(void **state)
{
    struct world *w = *state;
    struct work k = {.loop = w->loop, .world = w, .again = 100};
    int64_t start = loop_now_fresh(w->loop)->mono_ms;

    loop_task_init(&k.task, on_work, &k);
    loop_defer(w->loop, &k.task);
    assert_int_equal(loop_watch_add(w->loop, &w->watch, w->ours, on_io, w), 0);
    run_for(w, 5000);
    assert_int_equal(k.runs, 101);
    assert_int_equal(w->calls, 1); /* the descriptor had its turn among them */
    assert_true(loop_now_fresh(w->loop)->mono_ms - start < 3000);
}

static void
a_cancelled_task_does_not_run(void **state)
{
    struct world *w = *state;
    struct work k = {.loop = w->loop, .world = w};

    loop_task_init(&k.task, on_work, &k);
    loop_defer(w->loop, &k.task);
    loop_task_cancel(&k.task);
    loop_task_cancel(&k.task);
    run_for(w, 10);
    assert_int_equal(k.runs, 0);
}

static int64_t
cpu_us(const struct rusage *u)
{
    return (u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000000 + u->ru_utime.tv_usec +
           u->ru_stime.tv_usec;
}

static void
a_waiting_loop_uses_no_cpu(void **state)
{
    struct world *w = *state;
    struct rusage before;
    struct rusage after;

    /* The eventfd stays readable for ever; that must not make it spin. */
    loop_stop(w->loop);
    loop_run(w->loop);
    getrusage(RUSAGE_THREAD, &before);
    run_for(w, 200);
    getrusage(RUSAGE_THREAD, &after);
    assert_true(cpu_us(&after) - cpu_us(&before) < 50000);
    assert_true(after.ru_nvcsw - before.ru_nvcsw < 50);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_ready_descriptor_is_told_once_after_add),
        test(edges_are_told_once_levels_until_read),
        test(the_shutdown_of_the_other_side_is_told_with_readiness),
        test(no_callback_comes_after_remove),
        test(a_watch_removed_in_the_same_turn_stays_silent),
        test(a_descriptor_that_cannot_be_watched_is_an_error),
        test(timers_fire_once_in_order_and_never_early),
        test(a_deadline_moves_to_later_to_sooner_and_off),
        test(a_timer_that_is_done_does_not_fire),
        test(the_clock_stands_still_within_a_turn),
        test(all_callbacks_of_a_turn_see_one_clock),
        test(messages_of_many_threads_arrive_each_in_order),
        test(a_single_message_wakes_a_waiting_loop),
        test(another_thread_stops_a_waiting_loop),
        test(messages_after_the_stop_are_run_by_free),
        test(tasks_run_once_at_the_end_of_the_turn),
        test(many_tasks_leave_descriptors_their_turn),
        test(a_task_that_defers_itself_does_not_wait_and_does_not_starve),
        test(a_cancelled_task_does_not_run),
        test(a_waiting_loop_uses_no_cpu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
