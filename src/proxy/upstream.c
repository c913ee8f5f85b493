/* SPDX-License-Identifier: Apache-2.0
 *
 * Target groups of one worker: round robin over targets and their addresses, kept
 * connections most recently used first, pools that survive a reload when nothing about the
 * group changed. Called by stream (acquire), uconn (keep, gone) and worker (update). Does no
 * I/O; never resolves a name.
 */
#include "proxy/upstream.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
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

static int
target_connect(struct upstream *u, unsigned index, struct uconn **ret)
{
    size_t count;
    const struct addr *addrs = target_addrs(u, index, &count);
    int r;

    if (count == 0)
        return GW_E_NOTFOUND;
    if (u->open_count >= UPSTREAM_CONNS_MAX)
        return GW_E_LIMIT;
    r = uconn_connect(u, index, &addrs[u->targets[index].next_address++ % count], ret);
    if (r != 0)
        return r;
    u->open_count++;
    metrics_add(&u->w->metrics, METRIC_UPSTREAM_CONNECTS, 1);
    return 0;
}

int
upstream_acquire(struct upstream *u, struct stream *s, bool wants_new, struct uconn **ret)
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
        r = target_connect(u, index, ret);
        if (r == 0) {
            uconn_assign(*ret, s);
            return 0;
        }
    }
    return r;
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
