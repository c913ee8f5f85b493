/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a worker, for the files of this folder. Everything here belongs to the
 * worker's thread.
 */
#ifndef PROXY_WORKER_PRIV_H
#define PROXY_WORKER_PRIV_H

#include "base/buf.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/ratelimit.h"
#include "net/listener.h"
#include "proxy/client.h"
#include "proxy/sources.h"
#include "proxy/worker.h"

/* A site with the number of streams and pools of this worker that use it, so that a request
 * touches no counter that another thread touches. */
struct worker_site {
    struct site *site; /* one reference */
    unsigned users;    /* the worker itself counts as one while it is current */
};

/* One listening descriptor in use. */
struct worker_listener {
    struct list link; /* worker.listeners */
    struct listener ls;
    struct worker *w;
    unsigned index; /* of the current site's listeners */
    int fd;
    struct addr local;
    bool is_wanted; /* while an update is applied */
};

struct worker_sweep {
    struct loop_timer timer;
    struct list *cursor; /* next in worker.conns, or NULL when no sweep runs */
    struct list *early;  /* next whose clients are looked for in news, or NULL */
    struct sweep_news *news;
    size_t news_count;
    uint64_t judged;
    uint64_t closed;
    uint64_t denied;
    int64_t started_us;
    bool is_running;
};

struct worker {
    uint32_t magic;
    unsigned index;
    struct loop *loop;
    struct loop *control;
    struct worker_hooks hooks;
    struct snapshot *snap;
    struct worker_site *site;
    struct log_file *access_log;
    struct log_file *conn_log;
    struct metrics metrics;
    struct list listeners; /* struct worker_listener */

    struct list conns;         /* struct conn */
    struct list pending_conns; /* of those, whose handshake is not through; oldest first */
    struct list dead_conns;    /* closed in this turn, freed at its end */
    struct list dead_uconns;
    size_t conn_count;
    size_t handshake_count; /* connections that are not yet OPEN */
    struct sources sources; /* whose they are */
    struct pool conn_pool;
    struct list free_streams; /* struct stream, each with its arena's first block */
    size_t free_stream_count;
    size_t stream_count;
    struct pool uconn_pool;
    struct pool io_blocks;   /* IO_BLOCK_BYTES */
    struct pool head_blocks; /* HEAD_BLOCK_BYTES */

    struct deny_list *deny; /* may be NULL */
    uint64_t deny_posts;    /* lists received */
    struct client_cache clients;
    struct list upstreams; /* struct upstream, current and retired */
    struct list addrsets;  /* struct worker_addrs */
    uint64_t judge_epoch;  /* grows whenever live identities have to be judged again */
    struct worker_sweep sweep;

    struct ratelimit refusal_lines; /* of the diagnostic log */
    struct ratelimit failure_lines; /* likewise, about upstreams */
    bool is_draining;
    bool said_drained;
    struct loop_timer drain_timer;

    uint8_t random[4096]; /* from the kernel, handed out in pieces for trace ids */
    size_t random_used;
    char log_line[LOG_LINE_MAX + 1];
};

/* The addresses known for one name and port. */
struct worker_addrs {
    struct list link;
    struct addrset *set;
};

static inline int64_t
worker_now_ms(const struct worker *w)
{
    return loop_now(w->loop)->mono_ms;
}

/* Makes sure that b has at least room bytes to reserve: attaches an IO block, compacts, or moves
 * to a head block. False at the limit. room <= HEAD_BLOCK_BYTES. */
bool worker_buf_ensure(struct worker *w, struct buf *b, size_t room) GW_MUST_USE;
/* Gives the storage back when b is empty. */
void worker_buf_trim(struct worker *w, struct buf *b);
/* Gives the storage back whatever it holds. */
void worker_buf_drop(struct worker *w, struct buf *b);

struct worker_site *worker_site_take(struct worker *w);
void worker_site_drop(struct worker *w, struct worker_site *ws);

/* n <= 16 */
void worker_random(struct worker *w, uint8_t *dst, size_t n);

/* Addresses of a name, or NULL. Borrowed until the next message. */
struct addrset *worker_addrs_find(struct worker *w, struct str name, uint16_t port);

/* A connection is gone: accepting may resume, a drain may be over. */
void worker_on_conn_gone(struct worker *w);

/* Frees what is on the dead lists now instead of at the end of the turn; for worker_free. */
void conns_reap(struct worker *w);
void uconns_reap(struct worker *w);
/* Frees the spare streams. */
void streams_reap(struct worker *w);

#endif
