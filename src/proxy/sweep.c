/* SPDX-License-Identifier: Apache-2.0
 *
 * The walk over live connections after a swap. Called by worker (start) and by conn and
 * stream (a connection that cannot wait for its turn). Owns nothing. Reports once per
 * generation, when every connection has been judged.
 */
#include "proxy/sweep.h"

#include <stdlib.h>

#include "base/log.h"

enum { SWEEP_EARLY_BATCH = 16 }; /* between two looks at the clock */

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

/* ---- lists that are new -------------------------------------------------------------------- */

/* A list that the snapshot before did not have, by the key of its issuer. */
struct sweep_news {
    uint64_t issuer;
    const struct crl *crl; /* of worker.snap */
};

static void
news_forget(struct worker_sweep *s)
{
    free(s->news);
    s->news = NULL;
    s->news_count = 0;
    s->early = NULL;
}

static const struct trust *
trust_before(const struct snapshot *old, const struct trust *t)
{
    for (size_t i = 0; old != NULL && i < old->trust_count; i++)
        if (str_eq(str_from(trust_name(old->trusts[i])), str_from(trust_name(t))))
            return old->trusts[i];
    return NULL;
}

/* Lists that did not change are shared by the snapshots. */
static bool
trust_has_list(const struct trust *t, const struct crl *crl)
{
    for (size_t i = 0; t != NULL && i < trust_crl_count(t); i++)
        if (trust_crl(t, i) == crl)
            return true;
    return false;
}

static int
news_compare(const void *a, const void *b)
{
    const struct sweep_news *x = a, *y = b;

    return x->issuer < y->issuer ? -1 : x->issuer > y->issuer;
}

void
sweep_note_news(struct worker *w, const struct snapshot *old)
{
    struct worker_sweep *s = &w->sweep;
    size_t room = 0;

    news_forget(s);
    for (size_t i = 0; i < w->snap->trust_count; i++)
        room += trust_crl_count(w->snap->trusts[i]);
    s->news = room > 0 ? calloc(room, sizeof(*s->news)) : NULL;
    for (size_t i = 0; s->news != NULL && i < w->snap->trust_count; i++) {
        const struct trust *t = w->snap->trusts[i];
        const struct trust *before = trust_before(old, t);

        for (size_t j = 0; j < trust_crl_count(t); j++) {
            const struct crl *crl = trust_crl(t, j);

            if (!trust_has_list(before, crl))
                s->news[s->news_count++] =
                    (struct sweep_news){client_issuer_key(crl_signer(crl)), crl};
        }
    }
    if (s->news_count == 0)
        news_forget(s);
    else
        qsort(s->news, s->news_count, sizeof(*s->news), news_compare);
}

static bool
news_name(const struct worker_sweep *s, uint64_t issuer, const X509 *cert)
{
    size_t low = 0, high = s->news_count;
    int64_t revoked_s;
    int reason;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (s->news[middle].issuer < issuer)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < s->news_count && s->news[low].issuer == issuer; low++)
        if (crl_find(s->news[low].crl, X509_get0_serialNumber(cert), &revoked_s, &reason))
            return true;
    return false;
}

/* The judge has the last word: lists by distribution point, on hold, in other stores. */
static void
sweep_early(struct worker *w, struct conn *c)
{
    const struct client *cl = c->cl;

    for (int i = 0; cl != NULL && i + 1 < cl->chain_count; i++) {
        if (news_name(&w->sweep, cl->issuers[i], cl->chain[i])) {
            (void)sweep_judge(c);
            return;
        }
    }
}

/* ---- the walk ------------------------------------------------------------------------------ */

/* Some that the new lists name, then every connection, then what the cache remembered of the last
 * snapshot. False at the end. */
static bool
sweep_some(struct worker *w)
{
    struct conn *c;

    for (int i = 0; i < SWEEP_EARLY_BATCH && w->sweep.early != NULL; i++) {
        if (w->sweep.early == &w->conns) {
            news_forget(&w->sweep);
            break;
        }
        c = container_of(w->sweep.early, struct conn, link);
        w->sweep.early = c->link.next;
        sweep_early(w, c);
    }
    if (w->sweep.early != NULL)
        return true;
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

    while (sweep_some(w)) {
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
    news_forget(&w->sweep);
}

void
sweep_start(struct worker *w)
{
    w->judge_epoch++;
    w->sweep.cursor = w->conns.next;
    w->sweep.early = w->sweep.news != NULL ? w->conns.next : NULL;
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
    if (w->sweep.early == &c->link)
        w->sweep.early = c->link.next;
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

/* The connection's listener is gone, and with it the policy to judge it by: what is in progress may
 * finish under the last verdict, as long as that holds and not beyond DRAIN_TIMEOUT_MS. */
static bool
sweep_leave(struct conn *c)
{
    bool is_over = c->cl != NULL && clock_wall_s(loop_now(c->w->loop)) > c->valid_until_s;

    if (c->state < CONN_OPEN || is_over) {
        conn_close(c, CONN_END_POLICY);
        return false;
    }
    if (c->leave_ms == 0)
        c->leave_ms = worker_now_ms(c->w) + DRAIN_TIMEOUT_MS;
    conn_drain(c);
    conn_kick(c); /* sets the timer, also of one that was draining already */
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
