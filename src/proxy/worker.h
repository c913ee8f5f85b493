/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker: one thread, one loop, and everything that lives on it. The control thread
 * makes it, runs it on a thread of its own, and afterwards talks to it by messages only:
 * every worker_post_* may be called from the control thread at any time, never blocks and
 * never fails (messages are allocated by the caller's thread before the commit point).
 * Reports come back through the hooks, called on the worker's thread: they must post.
 */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include "cert/deny.h"
#include "conf/snapshot.h"
#include "net/addrset.h"
#include "net/loop.h"
#include "obs/log_writer.h"
#include "obs/metrics.h"

struct worker;

struct worker_sweep_report {
    unsigned worker;
    uint64_t generation;
    uint64_t judged;
    uint64_t closed;
    uint64_t denied;     /* of those closed, by the deny list */
    uint64_t deny_posts; /* lists that worker_post_deny has brought so far */
    int64_t duration_us; /* from the swap to the last connection judged */
};

struct worker_hooks {
    /* Every live connection has been judged under this generation. Control may now close
     * listening descriptors that the generation dropped. */
    void (*on_swept)(void *arg, const struct worker_sweep_report *report);
    /* After worker_post_drain: no connection is left, or the deadline passed. */
    void (*on_drained)(void *arg, unsigned worker);
    void *arg;
};

/* One listening descriptor of this worker for an address of a listener. */
struct worker_listen {
    unsigned listener_index; /* into snapshot.site.listeners */
    int fd;                  /* owned by control, open until on_swept of a generation without it */
};

/* What a generation means for one worker. */
struct worker_update {
    struct snapshot *snapshot;     /* one reference, given to the worker */
    struct worker_listen *listens; /* malloc, given to the worker */
    size_t listen_count;
    struct log_file *access_log; /* NULL: off; borrowed until on_swept of the next update */
    struct log_file *conn_log;
};

struct worker *worker_new(unsigned index, const struct worker_hooks *hooks);
/* The thread's body: runs until worker_post_stop. */
void worker_run(struct worker *w);
/* After the thread was joined. Snapshot references are dropped here, on control. */
void worker_free(struct worker *w);

void worker_post_update(struct worker *w, const struct worker_update *update);
/* One reference is given to the worker. Kept by name and port for present and future targets; must
 * be posted before the update that first uses the name, or the target answers 503 until it is. */
void worker_post_addresses(struct worker *w, struct addrset *addrs);
/* One reference is given to the worker (NULL: an empty list). Live connections are judged again and
 * on_swept comes with the current generation. */
void worker_post_deny(struct worker *w, struct deny_list *deny);
/* Stop accepting, GOAWAY / Connection: close, finish requests in flight, at most timeout_ms. */
void worker_post_drain(struct worker *w, int64_t timeout_ms);
void worker_post_stop(struct worker *w);

/* Read by control with relaxed loads. */
struct metrics *worker_metrics(struct worker *w);
struct loop *worker_loop(struct worker *w);

/* Old snapshots are not freed on the worker: they are handed to this, on control's loop.
 * Set once before the thread starts. */
void worker_set_control_loop(struct worker *w, struct loop *control);

#endif
