/* SPDX-License-Identifier: Apache-2.0
 *
 * Target groups of one worker: round robin over targets and their addresses, around those that
 * could not be reached; kept connections most recently used first; pools that survive a reload when
 * nothing about the group changed. Called by stream (acquire), uconn (keep, gone) and worker
 * (update). Does no I/O; never resolves a name.
 */
#include "proxy/upstream.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "proxy/stream.h"

/* ---- pools across generations ------------------------------------------------------------ */

static void
upstream_free(struct upstream *u)
{
    list_remove(&u->link);
    for (size_t i = 0; i < u->conf->target_count; i++)
        tls_session_free(u->targets[i].tls_session);
    worker_site_drop(u->w, u->site);
    free(u->targets);
    free(u);
}

static void
upstream_free_if_unused(struct upstream *u)
{
    if (u->is_retired && u->open_count == 0 && u->holder_count == 0)
        upstream_free(u);
}

static struct upstream *
upstream_new(struct worker *w, const struct site_upstream *conf)
{
    struct upstream *u = calloc(1, sizeof(*u));

    gw_assert(u != NULL);
    u->w = w;
    u->conf = conf;
    u->site = worker_site_take(w);
    u->targets = calloc(conf->target_count, sizeof(*u->targets));
    gw_assert(u->targets != NULL);
    for (size_t i = 0; i < conf->target_count; i++)
        list_init(&u->targets[i].idle);
    /* Workers start at different targets, so that few requests spread too. */
    u->next_target = w->index;
    list_push_tail(&w->upstreams, &u->link);
    return u;
}

static void
upstream_close_idle(struct upstream *u)
{
    for (size_t i = 0; i < u->conf->target_count; i++) {
        list_for_each_safe (node, &u->targets[i].idle)
            uconn_close(container_of(node, struct uconn, link));
    }
}

static struct upstream *
upstream_find(struct worker *w, const struct site_upstream *conf)
{
    list_for_each (node, &w->upstreams) {
        struct upstream *u = container_of(node, struct upstream, link);

        if (!u->is_retired && str_eq(u->conf->name, conf->name) &&
            memcmp(u->conf->digest, conf->digest, sizeof(conf->digest)) == 0)
            return u;
    }
    return NULL;
}

static void
upstream_rebind(struct upstream *u, const struct site_upstream *conf)
{
    struct worker_site *old = u->site;

    u->conf = conf;
    u->site = worker_site_take(u->w);
    worker_site_drop(u->w, old);
}

void
upstreams_update(struct worker *w)
{
    const struct site *site = w->site->site;

    for (size_t i = 0; i < site->upstream_count; i++) {
        struct upstream *u = upstream_find(w, &site->upstreams[i]);

        if (u != NULL)
            upstream_rebind(u, &site->upstreams[i]);
        else
            (void)upstream_new(w, &site->upstreams[i]);
    }
    list_for_each_safe (node, &w->upstreams) {
        struct upstream *u = container_of(node, struct upstream, link);

        if (u->site == w->site || u->is_retired)
            continue;
        u->is_retired = true;
        u->open_count++; /* keeps u while its connections go */
        upstream_close_idle(u);
        u->open_count--;
        upstream_free_if_unused(u);
    }
}

void
upstreams_done(struct worker *w)
{
    list_for_each_safe (node, &w->upstreams) {
        struct upstream *u = container_of(node, struct upstream, link);

        u->is_retired = true;
        u->open_count++;
        upstream_close_idle(u);
        u->open_count--;
        upstream_free_if_unused(u);
    }
}

struct upstream *
upstream_hold(struct worker *w, const struct site_upstream *conf)
{
    struct upstream *u = upstream_find(w, conf);

    if (u != NULL)
        u->holder_count++;
    return u;
}

void
upstream_drop(struct upstream *u)
{
    if (u == NULL)
        return;
    gw_assert(u->holder_count > 0);
    u->holder_count--;
    upstream_free_if_unused(u);
}

/* ---- addresses ---------------------------------------------------------------------------- */

/* NULL with *ret_count 0 when nothing is known. */
static const struct addr *
target_addrs(const struct upstream *u, unsigned index, size_t *ret_count)
{
    const struct site_target *t = &u->conf->targets[index];
    const struct addrset *set;

    *ret_count = 1;
    if (t->is_address)
        return &t->address;
    set = worker_addrs_find(u->w, t->name, t->port);
    *ret_count = set == NULL ? 0 : set->count;
    return set == NULL ? NULL : set->addrs;
}

size_t
upstream_address_count(const struct upstream *u)
{
    size_t total = 0;
    size_t count;

    for (unsigned i = 0; i < u->conf->target_count; i++) {
        (void)target_addrs(u, i, &count);
        total += count;
    }
    return total;
}

static bool
address_is_current(const struct upstream *u, const struct uconn *uc)
{
    size_t count;
    const struct addr *addrs = target_addrs(u, uc->target_index, &count);

    for (size_t i = 0; i < count; i++) {
        if (addr_eq(&addrs[i], &uc->addr))
            return true;
    }
    return false;
}

/* ---- lending ------------------------------------------------------------------------------ */

static struct uconn *
target_take_idle(struct upstream *u, unsigned index)
{
    struct list *node = list_pop_head(&u->targets[index].idle);
    struct uconn *uc;

    if (node == NULL)
        return NULL;
    uc = container_of(node, struct uconn, link);
    u->idle_count--;
    metrics_sub(&u->w->metrics, METRIC_UPSTREAM_IDLE, 1);
    return uc;
}

/* The next of the target's addresses, set aside or not if takes_any. NULL when there is none. */
static const struct addr *
target_next(struct upstream *u, unsigned index, bool takes_any)
{
    size_t count;
    const struct addr *addrs = target_addrs(u, index, &count);

    for (size_t tried = 0; tried < count; tried++) {
        const struct addr *addr = &addrs[u->targets[index].next_address++ % count];

        if (takes_any || !outages_has(&u->outages, addr, worker_now_ms(u->w)))
            return addr;
    }
    return NULL;
}

static int
target_connect(struct upstream *u, unsigned index, bool takes_any, struct uconn **ret)
{
    const struct addr *addr = target_next(u, index, takes_any);
    int r;

    if (addr == NULL)
        return GW_E_NOTFOUND;
    if (u->open_count >= UPSTREAM_CONNS_MAX)
        return GW_E_LIMIT;
    r = uconn_connect(u, index, addr, ret);
    if (r != 0)
        return r;
    /* Whoever is not through by then is suspect. A client that leaves decides nothing. */
    outages_on_try(&u->outages, addr, worker_now_ms(u->w), 2 * CONNECT_SUSPECT_MS);
    u->open_count++;
    metrics_add(&u->w->metrics, METRIC_UPSTREAM_CONNECTS, 1);
    return 0;
}

static int
acquire_once(struct upstream *u, struct stream *s, bool wants_new, bool takes_any,
             struct uconn **ret)
{
    int r = GW_E_NOTFOUND;

    for (size_t tried = 0; tried < u->conf->target_count; tried++) {
        unsigned index = u->next_target++ % (unsigned)u->conf->target_count;
        struct uconn *uc = wants_new ? NULL : target_take_idle(u, index);

        if (uc != NULL) {
            metrics_add(&u->w->metrics, METRIC_UPSTREAM_REUSED, 1);
            uconn_assign(uc, s);
            *ret = uc;
            return 0;
        }
        r = target_connect(u, index, takes_any, ret);
        if (r == 0) {
            uconn_assign(*ret, s);
            return 0;
        }
    }
    return r;
}

int
upstream_acquire(struct upstream *u, struct stream *s, bool wants_new, struct uconn **ret)
{
    int r = acquire_once(u, s, wants_new, false, ret);

    if (r == GW_E_NOTFOUND && u->outages.count > 0)
        r = acquire_once(u, s, wants_new, true, ret);
    return r;
}

/* ---- what became of it -------------------------------------------------------------------- */

/* Said once per outage, and not at all where no other address could take over. */
static void
outage_log(struct upstream *u, const struct uconn *uc, const char *what, const char *then)
{
    if (upstream_address_count(u) > 1 && ratelimit_admit(&u->w->failure_lines, worker_now_ms(u->w)))
        log_event(LOG_WARN, "upstream", "target group %.*s: %.*s %s%s", STR_ARG(u->conf->name),
                  (int)uc->addr_text_len, uc->addr_text, what, then);
}

void
upstream_on_reached(struct upstream *u, const struct uconn *uc)
{
    if (u->outages.count > 0 && outages_on_success(&u->outages, &uc->addr))
        outage_log(u, uc, "can be reached again", "");
}

void
upstream_on_unreachable(struct upstream *u, const struct uconn *uc)
{
    if (!outages_on_failure(&u->outages, &uc->addr, worker_now_ms(u->w)))
        return;
    metrics_add(&u->w->metrics, METRIC_UPSTREAM_OUTAGES, 1);
    outage_log(u, uc, uc->error == UCONN_ERROR_NONE ? "takes long to connect" : "cannot be reached",
               "; the other addresses take its requests meanwhile");
}

bool
upstream_keep(struct upstream *u, struct uconn *uc)
{
    if (u->is_retired || u->w->is_draining || u->idle_count >= UPSTREAM_IDLE_MAX ||
        !address_is_current(u, uc))
        return false;
    list_push_head(&u->targets[uc->target_index].idle, &uc->link);
    u->idle_count++;
    metrics_add(&u->w->metrics, METRIC_UPSTREAM_IDLE, 1);
    return true;
}

void
upstream_unkeep(struct upstream *u, struct uconn *uc)
{
    if (!list_is_linked(&uc->link))
        return;
    list_remove(&uc->link);
    u->idle_count--;
    metrics_sub(&u->w->metrics, METRIC_UPSTREAM_IDLE, 1);
}

void
upstream_on_gone(struct upstream *u)
{
    gw_assert(u->open_count > 0);
    u->open_count--;
    upstream_free_if_unused(u);
}
