/* SPDX-License-Identifier: Apache-2.0
 *
 * One target group as one worker sees it: its addresses and its kept connections. Worker
 * thread. The pool survives a reload when the target group did not change (equal digests).
 */
#ifndef PROXY_UPSTREAM_H
#define PROXY_UPSTREAM_H

#include "proxy/outage.h"
#include "proxy/uconn.h"
#include "proxy/worker_priv.h"

struct upstream_target {
    struct list idle;         /* struct uconn, most recently used first */
    SSL_SESSION *tls_session; /* for resumption */
    uint32_t next_address;
};

struct upstream {
    struct list link; /* worker.upstreams */
    struct worker *w;
    struct worker_site *site; /* keeps conf alive */
    const struct site_upstream *conf;
    struct upstream_target *targets; /* as conf->targets */
    uint32_t next_target;
    size_t idle_count;
    size_t open_count;   /* idle and busy */
    size_t holder_count; /* streams */
    struct outages outages;
    bool is_retired; /* not in the current site: freed with its last connection */
};

/* Pools for a new site: keeps, makes and retires. */
void upstreams_update(struct worker *w);
/* At the end: closes every idle connection and frees every pool. */
void upstreams_done(struct worker *w);
/* The pool for a target group, held until upstream_drop. NULL when the group is not (or no longer)
 * in the current site. */
struct upstream *upstream_hold(struct worker *w, const struct site_upstream *conf);
void upstream_drop(struct upstream *u); /* NULL is fine */

/* A connection for s: a kept one, or a new one that is connecting. It is writable at once:
 * bytes put into its out buffer leave when it is open. wants_new skips kept ones. Addresses that
 * could not be reached a moment ago are left out while there are others. GW_E_NOTFOUND (no
 * address), GW_E_LIMIT, GW_E_SYS. */
int upstream_acquire(struct upstream *u, struct stream *s, bool wants_new,
                     struct uconn **ret) GW_MUST_USE;
/* How many different addresses there are to try. */
size_t upstream_address_count(const struct upstream *u);

/* A new connection is open, TLS included; or it failed before that, or takes suspiciously long. */
void upstream_on_reached(struct upstream *u, const struct uconn *uc);
void upstream_on_unreachable(struct upstream *u, const struct uconn *uc);
/* A connection has no request any more and may be kept (by uconn_release). False: close it. */
bool upstream_keep(struct upstream *u, struct uconn *uc);
/* A kept connection is taken from its list. */
void upstream_unkeep(struct upstream *u, struct uconn *uc);
/* A connection was closed (by uconn_close). */
void upstream_on_gone(struct upstream *u);

#endif
