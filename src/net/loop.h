/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop of one thread: descriptor watches, timers, messages from other threads,
 * work at the end of a turn. libevent gives readiness and timers; nothing else of it is
 * used, and this is the only header that knows it. All calls belong to the loop's thread
 * except loop_post and loop_stop.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/list.h"

struct loop;

/* What on_io is told. LOOP_CLOSED: the other side has shut down its sending half.
 *
 * A short read normally means that the socket is drained, so the read that would block can be
 * saved. Two cases forbid that. After LOOP_CLOSED the end of stream is waiting behind the data,
 * and no further edge will tell. And libevent reports a reset as READ and WRITE only, so a
 * reset that came together with the data looks like data: believe a short read only when a
 * write succeeded after it (a reset makes the write fail), otherwise read until it blocks. */
enum {
    LOOP_READ = 1,
    LOOP_WRITE = 2,
    LOOP_CLOSED = 4,
};

/* Embedded in its owner, zeroed before its first use. Edge-triggered for read, write and close at
 * once, registered once: the callback records the bits and steps its state machine until it would
 * block. */
struct loop_watch {
    struct event event;
    struct loop *loop; /* NULL while not added */
    void (*on_io)(void *arg, unsigned bits);
    void *arg;
    int fd;
};

/* Embedded, zeroed before its first use. Moving a deadline to later or switching it off is a
 * store; the event fires at the old time and re-arms itself. deadline_ms 0 is off. A deadline
 * is met a few milliseconds late, never early. */
struct loop_timer {
    struct event event;
    struct loop *loop; /* NULL before init and after done */
    void (*on_timer)(void *arg);
    void *arg;
    int64_t deadline_ms;
    int64_t armed_ms; /* when the event will fire; 0: not armed */
};

/* Embedded in a message; owned by the sender until posted, by run afterwards. */
struct loop_msg {
    struct loop_msg *next;
    void (*run)(struct loop_msg *msg);
};

enum {
    TASKS_PER_LOOK = 8,  /* tasks between two looks at the clock */
    TASK_ROUNDS_MAX = 3, /* of tasks and those that they defer, between two looks at descriptors */
};

/* Embedded. run is called once at the end of the current turn. */
struct loop_task {
    struct list link;
    void (*run)(void *arg);
    void *arg;
};

/* NULL when the system gives no epoll or event descriptor. */
struct loop *loop_new(void);
void loop_free(struct loop *l); /* everything must be removed before */
/* Runs until loop_stop. A stop that came before makes it return at once. */
void loop_run(struct loop *l);
/* Any thread; idempotent. */
void loop_stop(struct loop *l);
/* Read once per turn. */
const struct clock *loop_now(const struct loop *l);
/* Reads the clock again, for slices of work within a turn. */
const struct clock *loop_now_fresh(struct loop *l);

/* fd must be non-blocking. on_io is called at least once after add if it is ready. */
int loop_watch_add(struct loop *l, struct loop_watch *w, int fd,
                   void (*on_io)(void *arg, unsigned bits), void *arg) GW_MUST_USE;
/* Level-triggered read, for listeners and control descriptors. */
int loop_watch_add_level(struct loop *l, struct loop_watch *w, int fd,
                         void (*on_io)(void *arg, unsigned bits), void *arg) GW_MUST_USE;
/* Idempotent; does not close the descriptor, and must come before the close. No callback comes
 * after it. */
void loop_watch_remove(struct loop_watch *w);

void loop_timer_init(struct loop *l, struct loop_timer *t, void (*on_timer)(void *arg), void *arg);
/* Absolute, on the monotonic clock of loop_now; 0 switches it off. */
void loop_timer_set(struct loop_timer *t, int64_t deadline_ms);
/* Idempotent; frees what the timer holds. */
void loop_timer_done(struct loop_timer *t);

/* Any thread. Messages of one sender arrive in order. Never fails. After loop_stop messages are
 * run by loop_free. */
void loop_post(struct loop *l, struct loop_msg *msg);
void loop_task_init(struct loop_task *task, void (*run)(void *arg), void *arg);
/* Idempotent while queued. A task that is deferred by a task runs in the next round; when
 * TASK_ROUNDS_MAX of them are through, at the end of the next turn, which then does not wait. */
void loop_defer(struct loop *l, struct loop_task *task);
void loop_task_cancel(struct loop_task *task);

#endif
