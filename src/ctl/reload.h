/* SPDX-License-Identifier: Apache-2.0
 *
 * One reload at a time, from the request to the last connection judged again:
 *
 *   requested -> build -> names resolved -> commit -> swept -> done
 *
 * Anything wrong before the commit changes nothing. Requests that come during a reload
 * make one more after it, however many they are. What a generation is made of is the
 * business of the hooks; this file is the order of things, and what is said about it.
 *
 * Control thread only.
 */
#ifndef CTL_RELOAD_H
#define CTL_RELOAD_H

#include "base/diag.h"
#include "net/loop.h"
#include "proxy/worker.h"

struct reload_outcome {
    uint64_t number; /* the newest request that this run served */
    bool is_loaded;
    uint64_t generation; /* in use now */
    size_t error_count;
    uint64_t judged;
    uint64_t closed;
    int64_t duration_ms; /* from the build to the last connection judged */
    const char *text;    /* whole lines for people: the errors, or what was done */
};

struct reload_hooks {
    /* Makes the next generation ready, or says in diag why not (then nothing is left of it). */
    int (*build)(void *arg, struct diag *diag);
    /* Asks for the addresses of the built generation's names; reload_resolved answers. */
    void (*resolve)(void *arg, uint64_t round);
    /* Names whose addresses are still unknown go to the log. */
    void (*unresolved)(void *arg);
    /* The point of no return: the built generation, with this number, goes to every worker. */
    void (*commit)(void *arg, uint64_t generation);
    /* The built generation will not be used. */
    void (*abandon)(void *arg);
    /* Every worker uses the new generation: what the old one held can go. */
    void (*swept)(void *arg, uint64_t generation);
    void (*done)(void *arg, const struct reload_outcome *outcome);
    void *arg;
};

enum reload_phase { RELOAD_IDLE, RELOAD_RESOLVING, RELOAD_SWEEPING };

struct reload {
    struct loop *loop;
    struct reload_hooks hooks;
    struct loop_task start;  /* a burst of requests becomes one run */
    struct loop_timer timer; /* of the phase */
    enum reload_phase phase;
    unsigned worker_count;
    unsigned swept_count;
    uint64_t requested;  /* newest request */
    uint64_t serving;    /* newest request that the current run serves */
    uint64_t generation; /* in use; 0 before the first */
    struct reload_outcome outcome;
    int64_t started_us;
    /* For status */
    uint64_t loaded_count;
    uint64_t refused_count;
    int64_t ended_wall_s; /* of the last run; 0 before the first */
    bool was_loaded;
    char *text; /* of the last run */
};

void reload_init(struct reload *r, struct loop *loop, unsigned worker_count,
                 const struct reload_hooks *hooks);
void reload_done(struct reload *r);
/* Returns the number of the request. The run starts at the end of the turn. */
uint64_t reload_request(struct reload *r);
/* The first generation, already built: goes on with its names. */
void reload_first(struct reload *r);
/* Every name of the round has been asked. */
void reload_resolved(struct reload *r, uint64_t round);
/* One worker has judged all its connections. */
void reload_swept(struct reload *r, const struct worker_sweep_report *report);
/* The process is going to end: what is built is abandoned, no request is taken any more. */
void reload_cancel(struct reload *r);

#endif
