/* SPDX-License-Identifier: Apache-2.0
 *
 * The workers as seen from control: their threads, and what they report. Called by gateway
 * on the control thread (on_swept, on_drained and on_release run on a worker's thread and
 * only post). Owns the threads. Must never read a worker's state.
 */
#include <stdio.h>

#include "base/log.h"
#include "ctl/gateway_priv.h"
#include "ctl/mem.h"

struct report_msg {
    struct loop_msg msg;
    struct gateway_worker *from;
    struct worker_sweep_report report;
};

static void
on_swept_msg(struct loop_msg *msg)
{
    struct report_msg *m = container_of(msg, struct report_msg, msg);
    struct gateway *g = m->from->gateway;

    m->from->swept_generation = m->report.generation;
    if (g->phase != GATEWAY_STOPPING) {
        reload_swept(&g->reload, &m->report);
        gateway_deny_swept(m->from, &m->report);
    }
    free(m);
}

/* On the worker's thread. */
static void
on_swept(void *arg, const struct worker_sweep_report *report)
{
    struct gateway_worker *gw = arg;
    struct report_msg *m = mem_calloc(1, sizeof(*m));

    m->msg.run = on_swept_msg;
    m->from = gw;
    m->report = *report;
    loop_post(gw->gateway->loop, &m->msg);
}

static void
on_drained_msg(struct loop_msg *msg)
{
    struct report_msg *m = container_of(msg, struct report_msg, msg);
    struct gateway *g = m->from->gateway;
    bool all = true;

    m->from->is_drained = true;
    free(m);
    for (unsigned i = 0; i < g->worker_count; i++)
        all = all && g->workers[i].is_drained;
    if (!all || g->phase != GATEWAY_DRAINING)
        return;
    log_event(LOG_INFO, "gateway", "every connection has ended; stopping");
    loop_stop(g->loop);
}

/* On the worker's thread. */
static void
on_drained(void *arg, unsigned worker)
{
    struct gateway_worker *gw = arg;
    struct report_msg *m = mem_calloc(1, sizeof(*m));

    (void)worker;
    m->msg.run = on_drained_msg;
    m->from = gw;
    loop_post(gw->gateway->loop, &m->msg);
}

static void
on_released_msg(struct loop_msg *msg)
{
    struct report_msg *m = container_of(msg, struct report_msg, msg);
    struct gateway *g = m->from->gateway;

    free(m);
    /* Nobody accepts any more: clients had better be refused than wait in the queue. */
    if (++g->released_count == g->worker_count && g->phase == GATEWAY_DRAINING)
        sockets_done(&g->sockets);
}

/* On the worker's thread, after it has seen the drain message that was posted before. */
static void
on_release(struct loop_msg *msg)
{
    struct report_msg *m = container_of(msg, struct report_msg, msg);

    m->msg.run = on_released_msg;
    loop_post(m->from->gateway->loop, &m->msg);
}

void
gateway_drain_workers(struct gateway *g)
{
    for (unsigned i = 0; i < g->worker_count; i++) {
        struct report_msg *m = mem_calloc(1, sizeof(*m));

        worker_post_drain(g->workers[i].worker, DRAIN_TIMEOUT_MS);
        m->msg.run = on_release;
        m->from = &g->workers[i];
        loop_post(worker_loop(g->workers[i].worker), &m->msg);
    }
}

static void *
worker_main(void *arg)
{
    struct gateway_worker *gw = arg;

    worker_run(gw->worker);
    return NULL;
}

int
gateway_start_workers(struct gateway *g, struct diag *diag)
{
    for (unsigned i = 0; i < g->worker_count; i++) {
        struct gateway_worker *gw = &g->workers[i];
        const struct worker_hooks hooks = {
            .on_swept = on_swept, .on_drained = on_drained, .arg = gw};
        char name[32];

        gw->worker = worker_new(i, &hooks);
        worker_set_control_loop(gw->worker, g->loop);
        if (pthread_create(&gw->thread, NULL, worker_main, gw) != 0) {
            diag_error(diag, NULL, 0, 0, "cannot start a thread for a worker");
            return GW_E_SYS;
        }
        gw->has_thread = true;
        (void)snprintf(name, sizeof(name), "worker-%u", i);
        (void)pthread_setname_np(gw->thread, name);
    }
    return 0;
}

void
gateway_stop_workers(struct gateway *g)
{
    for (unsigned i = 0; i < g->worker_count; i++) {
        if (g->workers[i].has_thread)
            worker_post_stop(g->workers[i].worker);
    }
    for (unsigned i = 0; i < g->worker_count; i++) {
        if (g->workers[i].has_thread)
            pthread_join(g->workers[i].thread, NULL);
    }
    for (unsigned i = 0; i < g->worker_count; i++)
        worker_free(g->workers[i].worker);
}
