/* SPDX-License-Identifier: Apache-2.0
 *
 * The walk over live connections after a swap. Called by worker (start) and by conn and
 * stream (a connection that cannot wait for its turn). Owns nothing. Reports once per
 * generation, when every connection has been judged.
 */
#include "proxy/sweep.h"

#include "base/log.h"

static void
sweep_report(struct worker *w)
{
    struct worker_sweep_report report = {
        .worker = w->index,
        .generation = w->snap->generation,
        .judged = w->sweep.judged,
        .closed = w->sweep.closed,
        .denied = w->sweep.denied,
        .deny_posts = w->deny_posts,
        .duration_us = loop_now_fresh(w->loop)->mono_us - w->sweep.started_us,
    };

    w->sweep.is_running = false;
    w->sweep.cursor = NULL;
    metrics_add(&w->metrics, METRIC_SWEPT, w->sweep.judged);
    metrics_add(&w->metrics, METRIC_SWEPT_CLOSED, w->sweep.closed);
    if (w->hooks.on_swept != NULL)
        w->hooks.on_swept(w->hooks.arg, &report);
}

/* Connections first, then what the cache remembered of the last snapshot. False at the end. */
static bool
sweep_one(struct worker *w)
{
    struct conn *c;

    if (w->sweep.cursor == &w->conns)
        return client_cache_reap(&w->clients);
    c = container_of(w->sweep.cursor, struct conn, link);
    w->sweep.cursor = c->link.next;
    (void)sweep_judge(c);
    return true;
}

static void
sweep_slice(void *arg)
{
    struct worker *w = arg;
    int64_t end_us = loop_now_fresh(w->loop)->mono_us + SWEEP_SLICE_US;

    while (sweep_one(w)) {
        if (loop_now_fresh(w->loop)->mono_us >= end_us) {
            loop_timer_set(&w->sweep.timer, worker_now_ms(w));
            return;
        }
    }
    sweep_report(w);
}

void
sweep_init(struct worker *w)
{
    loop_timer_init(w->loop, &w->sweep.timer, sweep_slice, w);
}

void
sweep_done(struct worker *w)
{
    loop_timer_done(&w->sweep.timer);
}

void
sweep_start(struct worker *w)
{
    w->judge_epoch++;
    w->sweep.cursor = w->conns.next;
    if (!w->sweep.is_running) { /* one that is overtaken has its count in the report of both */
        w->sweep.judged = 0;
        w->sweep.closed = 0;
        w->sweep.denied = 0;
        w->sweep.started_us = loop_now_fresh(w->loop)->mono_us;
    }
    w->sweep.is_running = true;
    sweep_slice(w);
}

void
sweep_on_conn_gone(struct worker *w, struct conn *c)
{
    if (w->sweep.is_running && w->sweep.cursor == &c->link)
        w->sweep.cursor = c->link.next;
}

static void
sweep_close(struct conn *c, const struct verdict *v)
{
    char ip[ADDR_TEXT_MAX];

    addr_format_ip(&c->client, ip);
    log_event(LOG_INFO, "sweep", "closing %s from %s: %s, %s", c->trace_id, ip,
              reason_token(v->reason), v->detail);
    c->w->sweep.closed++;
    if (v->reason == REASON_CERT_DENIED)
        c->w->sweep.denied++;
    c->refusal = v->reason;
    metrics_refused(&c->w->metrics, v->reason);
    conn_close(c, v->reason == REASON_CERT_DENIED ? CONN_END_POLICY : CONN_END_REVOKED);
}

/* The connection's listener is gone: what is in progress finishes under the last verdict. */
static bool
sweep_leave(struct conn *c)
{
    if (c->state < CONN_OPEN)
        conn_close(c, CONN_END_POLICY);
    else
        conn_drain(c);
    return c->state < CONN_FLUSH;
}

bool
sweep_judge(struct conn *c)
{
    struct verdict v;
    bool is_good;

    if (c->listener_index == UINT32_MAX) /* it is gone: under the last verdict, and no longer */
        return sweep_leave(c);
    if (c->state >= CONN_FLUSH || c->state < CONN_OPEN)
        return c->state < CONN_FLUSH;
    if (c->judged_epoch == c->w->judge_epoch)
        return true;
    is_good = conn_judge_again(c, &v);
    c->w->sweep.judged++;
    if (is_good) {
        c->judged_epoch = c->w->judge_epoch;
        if (v.is_admitted)
            c->valid_until_s = v.valid_until_s;
    } else {
        sweep_close(c, &v);
    }
    verdict_done(&v);
    return is_good;
}
