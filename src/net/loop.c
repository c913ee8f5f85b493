/* SPDX-License-Identifier: Apache-2.0
 *
 * One thread's event loop on libevent. Workers and the control thread each own one; only
 * loop_post and loop_stop may be called by others. It owns the event base and the wake-up
 * descriptor, never the watches and timers embedded elsewhere. It must never allocate after
 * loop_new and never call back for a watch that was removed.
 */
#include "net/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/limits.h"

struct loop {
    struct event_base *base;
    struct event wake_event;
    int wake_fd;
    struct clock now;
    bool is_now_fresh; /* the clock was read in this turn */
    struct list tasks;
    size_t watch_count; /* both only for the promise of loop_free */
    size_t timer_count;
    _Atomic(struct loop_msg *) inbox; /* newest first */
    atomic_bool is_stopping;
};

/* libevent has no hook between waiting and dispatching, so the first callback of a turn reads
 * the clock for all of them. */
static void
begin_dispatch(struct loop *l)
{
    if (l->is_now_fresh)
        return;
    clock_read(&l->now);
    l->is_now_fresh = true;
}

static void
run_inbox(struct loop *l)
{
    struct loop_msg *newest = atomic_exchange_explicit(&l->inbox, NULL, memory_order_acquire);
    struct loop_msg *oldest = NULL;

    while (newest != NULL) {
        struct loop_msg *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct loop_msg *msg = oldest;

        oldest = msg->next; /* run may free it */
        msg->run(msg);
    }
}

/* The eventfd is watched edge-triggered: every write is an edge, so it never needs reading. */
static void
on_wake(int fd GW_UNUSED, short what GW_UNUSED, void *arg)
{
    struct loop *l = arg;

    begin_dispatch(l);
    run_inbox(l);
}

static void
wake(struct loop *l)
{
    const uint64_t one = 1;
    ssize_t n;

    do {
        n = write(l->wake_fd, &one, sizeof(one));
    } while (n < 0 && errno == EINTR);
    gw_assert(n == (ssize_t)sizeof(one) || errno == EAGAIN);
}

static struct event_base *
base_new(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config == NULL)
        return NULL;
    if (event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE) == 0 &&
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) == 0)
        base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

struct loop *
loop_new(void)
{
    struct loop *l = calloc(1, sizeof(*l));

    if (l == NULL)
        return NULL;
    list_init(&l->tasks);
    atomic_init(&l->inbox, NULL);
    atomic_init(&l->is_stopping, false);
    clock_read(&l->now);
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->wake_fd < 0)
        goto fail;
    l->base = base_new();
    if (l->base == NULL)
        goto fail;
    if (event_assign(&l->wake_event, l->base, l->wake_fd, EV_READ | EV_ET | EV_PERSIST, on_wake,
                     l) != 0 ||
        event_add(&l->wake_event, NULL) != 0)
        goto fail;
    return l;
fail:
    if (l->base != NULL)
        event_base_free(l->base);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    free(l);
    return NULL;
}

/* Tasks queued meanwhile wait for the next round, so that a task which defers itself again
 * cannot starve the descriptors; and so do those for which there is no time in this one. */
static void
run_tasks(struct loop *l)
{
    struct list now;
    struct list *node;
    int64_t end_us = 0;

    list_init(&now);
    list_append(&now, &l->tasks);
    for (unsigned n = 1; (node = list_pop_head(&now)) != NULL; n++) {
        struct loop_task *task = container_of(node, struct loop_task, link);

        task->run(task->arg);
        if (n % TASKS_PER_LOOK != 0)
            continue;
        if (end_us == 0)
            end_us = loop_now_fresh(l)->mono_us + TASKS_SLICE_US;
        else if (loop_now_fresh(l)->mono_us >= end_us)
            break;
    }
    list_append(&now, &l->tasks); /* those that are left come first */
    list_append(&l->tasks, &now);
}

void
loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    /* What a message or task releases may queue more of them. */
    while (atomic_load_explicit(&l->inbox, memory_order_acquire) != NULL ||
           !list_is_empty(&l->tasks)) {
        run_inbox(l);
        run_tasks(l);
    }
    gw_assert(l->watch_count == 0);
    gw_assert(l->timer_count == 0);
    event_del(&l->wake_event);
    event_base_free(l->base);
    close(l->wake_fd);
    free(l);
}

void
loop_run(struct loop *l)
{
    while (!atomic_load_explicit(&l->is_stopping, memory_order_acquire)) {
        int flags = EVLOOP_ONCE;
        int rc;

        if (!list_is_empty(&l->tasks))
            flags |= EVLOOP_NONBLOCK;
        l->is_now_fresh = false;
        rc = event_base_loop(l->base, flags);
        gw_assert(rc == 0);
        begin_dispatch(l);
        run_tasks(l);
        /* What these have deferred in turn, an answer to be written for example, mostly ends
         * there: asking the kernel in between would find nothing. */
        for (int i = 1; i < TASK_ROUNDS_MAX && !list_is_empty(&l->tasks); i++)
            run_tasks(l);
    }
    atomic_store_explicit(&l->is_stopping, false, memory_order_release);
}

void
loop_stop(struct loop *l)
{
    atomic_store_explicit(&l->is_stopping, true, memory_order_release);
    wake(l);
}

const struct clock *
loop_now(const struct loop *l)
{
    return &l->now;
}

const struct clock *
loop_now_fresh(struct loop *l)
{
    clock_read(&l->now);
    l->is_now_fresh = true;
    return &l->now;
}

static void
on_watch(int fd GW_UNUSED, short what, void *arg)
{
    struct loop_watch *w = arg;
    unsigned bits = 0;

    gw_assert(w->loop != NULL);
    begin_dispatch(w->loop);
    if (what & EV_READ)
        bits |= LOOP_READ;
    if (what & EV_WRITE)
        bits |= LOOP_WRITE;
    if (what & EV_CLOSED)
        bits |= LOOP_CLOSED | LOOP_READ;
    w->on_io(w->arg, bits);
}

static int
watch_register(struct loop *l, struct loop_watch *w, short what)
{
    gw_assert(w->loop == NULL);
    gw_assert(w->fd >= 0);
    if (event_assign(&w->event, l->base, w->fd, what, on_watch, w) != 0 ||
        event_add(&w->event, NULL) != 0)
        return GW_E_SYS;
    w->loop = l;
    l->watch_count++;
    return 0;
}

int
loop_watch_add(struct loop *l, struct loop_watch *w, int fd,
               void (*on_io)(void *arg, unsigned bits), void *arg)
{
    w->on_io = on_io;
    w->arg = arg;
    w->fd = fd;
    return watch_register(l, w, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST);
}

int
loop_watch_add_level(struct loop *l, struct loop_watch *w, int fd,
                     void (*on_io)(void *arg, unsigned bits), void *arg)
{
    w->on_io = on_io;
    w->arg = arg;
    w->fd = fd;
    return watch_register(l, w, EV_READ | EV_PERSIST);
}

void
loop_watch_remove(struct loop_watch *w)
{
    if (w->loop == NULL)
        return;
    event_del(&w->event);
    gw_assert(w->loop->watch_count > 0);
    w->loop->watch_count--;
    w->loop = NULL;
}

static void
timer_arm(struct loop_timer *t, int64_t at_ms)
{
    int64_t delay_ms = at_ms - t->loop->now.mono_ms;
    struct timeval tv;
    int rc;

    if (delay_ms < 1)
        delay_ms = 1;
    tv.tv_sec = (time_t)(delay_ms / 1000);
    tv.tv_usec = (suseconds_t)(delay_ms % 1000 * 1000);
    rc = event_add(&t->event, &tv);
    gw_assert(rc == 0); /* only memory for libevent's heap of timers can be missing */
    t->armed_ms = at_ms;
}

static void
on_timeout(int fd GW_UNUSED, short what GW_UNUSED, void *arg)
{
    struct loop_timer *t = arg;

    gw_assert(t->loop != NULL);
    begin_dispatch(t->loop);
    t->armed_ms = 0;
    if (t->deadline_ms == 0)
        return;
    /* Moved to later meanwhile, or libevent's coarse clock was a little ahead of ours. */
    if (t->loop->now.mono_ms < t->deadline_ms) {
        timer_arm(t, t->deadline_ms);
        return;
    }
    t->deadline_ms = 0;
    t->on_timer(t->arg);
}

void
loop_timer_init(struct loop *l, struct loop_timer *t, void (*on_timer)(void *arg), void *arg)
{
    int rc;

    gw_assert(t->loop == NULL);
    rc = event_assign(&t->event, l->base, -1, 0, on_timeout, t);
    gw_assert(rc == 0);
    t->loop = l;
    t->on_timer = on_timer;
    t->arg = arg;
    t->deadline_ms = 0;
    t->armed_ms = 0;
    l->timer_count++;
}

void
loop_timer_set(struct loop_timer *t, int64_t deadline_ms)
{
    gw_assert(t->loop != NULL);
    gw_assert(deadline_ms >= 0);
    t->deadline_ms = deadline_ms;
    if (deadline_ms == 0)
        return;
    if (t->armed_ms == 0 || t->armed_ms > deadline_ms)
        timer_arm(t, deadline_ms);
}

void
loop_timer_done(struct loop_timer *t)
{
    if (t->loop == NULL)
        return;
    event_del(&t->event);
    gw_assert(t->loop->timer_count > 0);
    t->loop->timer_count--;
    t->loop = NULL;
    t->deadline_ms = 0;
    t->armed_ms = 0;
}

void
loop_post(struct loop *l, struct loop_msg *msg)
{
    struct loop_msg *head = atomic_load_explicit(&l->inbox, memory_order_relaxed);

    do {
        msg->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&l->inbox, &head, msg, memory_order_release,
                                                    memory_order_relaxed));
    /* Whoever found the inbox filled relies on the one who found it empty. */
    if (head == NULL)
        wake(l);
}

void
loop_task_init(struct loop_task *task, void (*run)(void *arg), void *arg)
{
    task->link = (struct list){0};
    task->run = run;
    task->arg = arg;
}

void
loop_defer(struct loop *l, struct loop_task *task)
{
    if (!list_is_linked(&task->link))
        list_push_tail(&l->tasks, &task->link);
}

void
loop_task_cancel(struct loop_task *task)
{
    list_remove(&task->link);
}
