/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of the gateway, for the files of that name. Everything here belongs to the
 * control thread; workers reach it by messages only.
 */
#ifndef CTL_GATEWAY_PRIV_H
#define CTL_GATEWAY_PRIV_H

#include <pthread.h>

#include "ctl/admin.h"
#include "ctl/deny.h"
#include "ctl/gateway.h"
#include "ctl/handover.h"
#include "ctl/listage.h"
#include "ctl/liststate.h"
#include "ctl/reload.h"
#include "ctl/resolve.h"
#include "ctl/signals.h"
#include "ctl/sockets.h"
#include "ctl/supply.h"
#include "ctl/watch.h"
#include "obs/log_writer.h"

enum gateway_phase {
    GATEWAY_STARTING,
    GATEWAY_SERVING,
    GATEWAY_DRAINING, /* TERM, or another gateway has taken over */
    GATEWAY_STOPPING, /* the loop has ended; late messages only free themselves */
};

/* What one generation holds on control. */
struct generation {
    struct generation *next; /* of gateway.retired */
    struct snapshot *snapshot;
    struct log_file *access_log;
    struct log_file *conn_log;
};

struct gateway_worker {
    struct gateway *gateway;
    struct worker *worker;
    pthread_t thread;
    bool has_thread;
    bool is_drained;
    uint64_t swept_generation; /* the newest one that it reported */
    uint64_t deny_posts;       /* deny lists that it had received by then */
};

struct gateway_deny {
    struct deny_book *book;
    uint64_t posts;    /* lists given to the workers so far */
    struct list waits; /* requests that wait for the sweep */
    struct loop_timer timer;
};

struct gateway {
    const struct gateway_options *options;
    char *program; /* what USR2 starts: the path of our own program */
    enum gateway_phase phase;
    bool has_handed_over;
    int exit_status;
    struct loop *loop;
    struct signals signals;
    struct loop_timer drain_timer;
    struct handover_in inherited;
    struct handover *handover;
    struct sockets sockets;
    struct log_writer *logs;
    struct gateway_worker *workers;
    unsigned worker_count;
    unsigned released_count; /* workers that have let go of their sockets */
    struct resolver *resolver;
    struct admin *admin;
    int admin_fd; /* until the admin listener takes it; -1 */
    struct addr admin_bound;
    struct gateway_deny deny;
    struct reload reload;
    struct liststate list_state;
    struct supply *supply;
    struct watch *watch;
    struct listage list_ages;
    struct generation *current;
    struct generation *built;   /* between build and commit */
    struct generation *retired; /* until every worker has moved on */
    int64_t started_wall_s;
    int64_t started_mono_ms;
};

/* ---- gateway_generation.c ---- */

/* Configuration and everything it names: g->built. GW_E_CONFIG with diag filled. */
int generation_load(struct gateway *g, struct diag *diag) GW_MUST_USE;
/* Addresses of g->built. */
int generation_bind(struct gateway *g, struct diag *diag) GW_MUST_USE;
/* Log files of g->built. */
int generation_open_logs(struct gateway *g, struct diag *diag) GW_MUST_USE;
void generation_abandon(struct gateway *g);
/* Frees what the gateway still holds of any generation. */
void generations_done(struct gateway *g);
extern const struct reload_hooks generation_hooks; /* without arg, commit and done */
/* g->built becomes g->current and goes to the workers. */
void generation_commit(struct gateway *g, uint64_t generation);

/* ---- gateway_lists.c ---- */

/* Before a configuration is built: what is remembered of lists goes with it. At start also reads
 * that memory and asks for lists of which there is no good copy. GW_E_CONFIG with diag filled. */
int gateway_lists_prepare(struct gateway *g, struct config *config, struct diag *diag) GW_MUST_USE;
void gateway_lists_start(struct gateway *g);
/* g->current has come into use. */
void gateway_lists_commit(struct gateway *g);
void gateway_lists_stop(struct gateway *g);

/* ---- gateway_workers.c ---- */

int gateway_start_workers(struct gateway *g, struct diag *diag) GW_MUST_USE;
/* Posts the drain; on_released afterwards closes the sockets. */
void gateway_drain_workers(struct gateway *g);
/* Stops, joins, frees. */
void gateway_stop_workers(struct gateway *g);

/* ---- gateway_deny.c ---- */

struct report;

/* After the workers were made, before the first generation goes to them. GW_E_CONFIG with diag
 * filled. */
int gateway_open_deny(struct gateway *g, const struct config *config, struct diag *diag);
void gateway_close_deny(struct gateway *g);
/* What the gateway before us changed after we had read the file. */
void gateway_deny_take_over(struct gateway *g);
void gateway_deny_swept(struct gateway_worker *from, const struct worker_sweep_report *report);
/* For admin_hooks.on_local. */
int
gateway_deny_request(void *arg, const struct admin_request *req, FILE *out, const char **ret_type);
void gateway_deny_report(const struct gateway *g, struct report *r);
size_t gateway_deny_count(const struct gateway *g);

/* ---- gateway_metrics.c ---- */

/* All workers' counters. */
void gateway_sum_metrics(const struct gateway *g, struct metrics *ret);
void gateway_write_metrics(const struct gateway *g, FILE *out);
/* When the first certificate that clients of the listener are shown expires. */
int64_t gateway_certificates_end(const struct snapshot *s, const struct site_listener *l);

/* ---- gateway_attention.c ---- */

/* What somebody should look at: a table, empty when all is well. */
void gateway_report_attention(const struct gateway *g, const struct metrics *sum, struct report *r);

/* ---- gateway_status.c ---- */

/* For admin_hooks.on_get. */
int status_get(void *arg, struct str path, FILE *out, const char **ret_type);

/* "partners on 127.0.0.1:8443, admin on 127.0.0.1:9901" */
void gateway_addresses(const struct gateway *g, FILE *out);

#endif
