/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker thread's body: applies what control posts (generations, addresses, drain) and
 * owns pools, listeners and the table of connections. Called by control through messages
 * and by conn/stream/upstream on the worker's own thread. Never blocks, never frees a
 * snapshot (that is control's).
 */
#include "proxy/worker.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/secret.h"
#include "proxy/conn.h"
#include "proxy/stream.h"
#include "proxy/sweep.h"
#include "proxy/upstream.h"

struct update_msg {
    struct loop_msg msg;
    struct worker *w;
    struct worker_update update;
    struct snapshot *retired;
};

struct addresses_msg {
    struct loop_msg msg;
    struct worker *w;
    struct addrset *set;
};

struct deny_msg {
    struct loop_msg msg;
    struct worker *w;
    struct deny_list *deny;
};

struct drain_msg {
    struct loop_msg msg;
    struct worker *w;
    int64_t timeout_ms;
};

static void *
must_calloc(size_t n)
{
    void *p = calloc(1, n);

    gw_assert(p != NULL);
    return p;
}

static void on_drain_timer(void *arg);

struct worker *
worker_new(unsigned index, const struct worker_hooks *hooks)
{
    struct worker *w = must_calloc(sizeof(*w));
    uint8_t source_key[16];

    w->magic = MAGIC_WORKER;
    w->index = index;
    w->hooks = *hooks;
    w->loop = loop_new();
    gw_assert(w->loop != NULL);
    list_init(&w->listeners);
    list_init(&w->conns);
    list_init(&w->pending_conns);
    list_init(&w->dead_conns);
    list_init(&w->dead_uconns);
    list_init(&w->upstreams);
    list_init(&w->addrsets);
    pool_init(&w->conn_pool, sizeof(struct conn), WORKER_CONNS_MAX, POOL_KEPT_CONNS);
    list_init(&w->free_streams);
    pool_init(&w->uconn_pool, sizeof(struct uconn), WORKER_UCONNS_MAX, POOL_KEPT_STREAMS);
    pool_init(&w->io_blocks, IO_BLOCK_BYTES, WORKER_IO_BLOCKS_MAX, POOL_KEPT_IO_BLOCKS);
    pool_init(&w->head_blocks, HEAD_BLOCK_BYTES, WORKER_HEAD_BLOCKS_MAX, POOL_KEPT_HEAD_BLOCKS);
    loop_timer_init(w->loop, &w->drain_timer, on_drain_timer, w);
    client_cache_init(&w->clients);
    ratelimit_init(&w->refusal_lines, REFUSAL_LINES_PER_SECOND, REFUSAL_LINES_BURST, 0);
    ratelimit_init(&w->failure_lines, REFUSAL_LINES_PER_SECOND, REFUSAL_LINES_BURST, 0);
    sweep_init(w);
    w->random_used = sizeof(w->random);
    worker_random(w, source_key, sizeof(source_key));
    sources_init(&w->sources, source_key);
    return w;
}

void
worker_run(struct worker *w)
{
    magic_check(w, MAGIC_WORKER);
    loop_run(w->loop);
}

/* ---- listeners ------------------------------------------------------------------------- */

static void
on_accept(void *arg, int fd, const struct addr *from)
{
    struct worker_listener *wl = arg;

    conn_accept(wl->w, wl, fd, from);
}

static void
listener_drop(struct worker_listener *wl)
{
    listener_stop(&wl->ls);
    list_remove(&wl->link);
    free(wl);
}

static struct worker_listener *
listener_find(struct worker *w, int fd)
{
    list_for_each (node, &w->listeners) {
        struct worker_listener *wl = container_of(node, struct worker_listener, link);

        if (wl->fd == fd)
            return wl;
    }
    return NULL;
}

static void
on_turned_away(void *arg)
{
    struct worker_listener *wl = arg;

    metrics_add(&wl->w->metrics, METRIC_CONNECTIONS_REJECTED, 1);
}

static void
listener_add(struct worker *w, const struct worker_listen *listen)
{
    struct worker_listener *wl = must_calloc(sizeof(*wl));

    wl->w = w;
    wl->fd = listen->fd;
    wl->index = listen->listener_index;
    wl->is_wanted = true;
    list_push_tail(&w->listeners, &wl->link);
    if (sock_local_addr(wl->fd, &wl->local) != 0)
        wl->local = (struct addr){0};
    if (listener_start(&wl->ls, w->loop, wl->fd, on_accept, wl) != 0) {
        log_event(LOG_ERROR, "worker", "cannot watch listening descriptor %d", wl->fd);
        list_remove(&wl->link);
        free(wl);
        return;
    }
    wl->ls.on_turned_away = on_turned_away;
}

/* Starts what is new, keeps what stays, stops what is gone. */
static void
listeners_apply(struct worker *w, const struct worker_update *update)
{
    list_for_each (node, &w->listeners)
        container_of(node, struct worker_listener, link)->is_wanted = false;
    for (size_t i = 0; i < update->listen_count; i++) {
        struct worker_listener *wl = listener_find(w, update->listens[i].fd);

        if (wl == NULL) {
            listener_add(w, &update->listens[i]);
        } else {
            wl->index = update->listens[i].listener_index;
            wl->is_wanted = true;
        }
    }
    list_for_each_safe (node, &w->listeners) {
        struct worker_listener *wl = container_of(node, struct worker_listener, link);

        if (!wl->is_wanted)
            listener_drop(wl);
    }
}

/* ---- site references ------------------------------------------------------------------- */

struct worker_site *
worker_site_take(struct worker *w)
{
    w->site->users++;
    return w->site;
}

void
worker_site_drop(struct worker *w GW_UNUSED, struct worker_site *ws)
{
    if (ws == NULL)
        return;
    gw_assert(ws->users > 0);
    if (--ws->users > 0)
        return;
    site_unref(ws->site);
    free(ws);
}

/* Old indices become those of the new site. Connections of a removed listener have none; the sweep
 * drains them. Every connection is touched before anything else happens, so it must be cheap. */
static void
conns_rebind(struct worker *w, const struct site *old)
{
    unsigned moved[LISTENERS_MAX];

    gw_assert(old->listener_count <= LISTENERS_MAX);
    for (size_t i = 0; i < old->listener_count; i++) {
        const struct site_listener *l = site_listener_find(w->site->site, old->listeners[i].name);

        moved[i] = l == NULL ? UINT32_MAX : (unsigned)(l - w->site->site->listeners);
    }
    list_for_each (node, &w->conns) {
        struct conn *c = container_of(node, struct conn, link);

        if (c->listener_index != UINT32_MAX)
            c->listener_index = moved[c->listener_index];
    }
}

/* ---- messages -------------------------------------------------------------------------- */

static void
on_retired(struct loop_msg *msg)
{
    struct update_msg *m = container_of(msg, struct update_msg, msg);

    snapshot_unref(m->retired);
    free(m);
}

static void
on_update(struct loop_msg *msg)
{
    struct update_msg *m = container_of(msg, struct update_msg, msg);
    struct worker *w = m->w;
    struct worker_site *old_site = w->site;

    m->retired = w->snap;
    w->snap = m->update.snapshot;
    w->site = must_calloc(sizeof(*w->site));
    w->site->site = site_ref(w->snap->site);
    w->site->users = 1;
    w->access_log = m->update.access_log;
    w->conn_log = m->update.conn_log;
    client_cache_clear(&w->clients);
    upstreams_update(w);
    if (old_site != NULL)
        conns_rebind(w, old_site->site);
    if (!w->is_draining)
        listeners_apply(w, &m->update);
    worker_site_drop(w, old_site);
    free(m->update.listens);
    sweep_note_news(w, m->retired);
    sweep_start(w);
    m->msg.run = on_retired;
    if (w->control != NULL)
        loop_post(w->control, &m->msg);
    else
        on_retired(&m->msg);
}

void
worker_post_update(struct worker *w, const struct worker_update *update)
{
    struct update_msg *m = must_calloc(sizeof(*m));

    m->msg.run = on_update;
    m->w = w;
    m->update = *update;
    loop_post(w->loop, &m->msg);
}

static struct worker_addrs *
addrs_entry(struct worker *w, struct str name, uint16_t port)
{
    list_for_each (node, &w->addrsets) {
        struct worker_addrs *a = container_of(node, struct worker_addrs, link);

        if (a->set->port == port && str_eq(str_from(a->set->name), name))
            return a;
    }
    return NULL;
}

struct addrset *
worker_addrs_find(struct worker *w, struct str name, uint16_t port)
{
    struct worker_addrs *a = addrs_entry(w, name, port);

    return a == NULL ? NULL : a->set;
}

static void
on_addresses(struct loop_msg *msg)
{
    struct addresses_msg *m = container_of(msg, struct addresses_msg, msg);
    struct worker_addrs *a = addrs_entry(m->w, str_from(m->set->name), m->set->port);

    if (a == NULL) {
        a = must_calloc(sizeof(*a));
        list_push_tail(&m->w->addrsets, &a->link);
    }
    addrset_unref(a->set);
    a->set = m->set;
    free(m);
}

void
worker_post_addresses(struct worker *w, struct addrset *addrs)
{
    struct addresses_msg *m = must_calloc(sizeof(*m));

    m->msg.run = on_addresses;
    m->w = w;
    m->set = addrs;
    loop_post(w->loop, &m->msg);
}

static void
on_deny(struct loop_msg *msg)
{
    struct deny_msg *m = container_of(msg, struct deny_msg, msg);
    struct worker *w = m->w;

    deny_list_unref(w->deny);
    w->deny = m->deny;
    w->deny_posts++;
    free(m);
    if (w->snap != NULL)
        sweep_start(w);
}

void
worker_post_deny(struct worker *w, struct deny_list *deny)
{
    struct deny_msg *m = must_calloc(sizeof(*m));

    m->msg.run = on_deny;
    m->w = w;
    m->deny = deny;
    loop_post(w->loop, &m->msg);
}

static void
drain_check(struct worker *w)
{
    if (!w->is_draining || w->conn_count > 0 || w->said_drained)
        return;
    w->said_drained = true;
    loop_timer_set(&w->drain_timer, 0);
    if (w->hooks.on_drained != NULL)
        w->hooks.on_drained(w->hooks.arg, w->index);
}

/* The deadline passed: whoever is left is cut off. */
static void
on_drain_timer(void *arg)
{
    struct worker *w = arg;

    list_for_each_safe (node, &w->conns)
        conn_close(container_of(node, struct conn, link), CONN_END_DRAINED);
    drain_check(w);
}

static void
on_drain(struct loop_msg *msg)
{
    struct drain_msg *m = container_of(msg, struct drain_msg, msg);
    struct worker *w = m->w;

    w->is_draining = true;
    list_for_each_safe (node, &w->listeners)
        listener_drop(container_of(node, struct worker_listener, link));
    list_for_each_safe (node, &w->conns)
        conn_drain(container_of(node, struct conn, link));
    loop_timer_set(&w->drain_timer, worker_now_ms(w) + m->timeout_ms);
    free(m);
    drain_check(w);
}

void
worker_post_drain(struct worker *w, int64_t timeout_ms)
{
    struct drain_msg *m = must_calloc(sizeof(*m));

    m->msg.run = on_drain;
    m->w = w;
    m->timeout_ms = timeout_ms;
    loop_post(w->loop, &m->msg);
}

void
worker_post_stop(struct worker *w)
{
    loop_stop(w->loop);
}

void
worker_on_conn_gone(struct worker *w)
{
    list_for_each (node, &w->listeners)
        listener_resume(&container_of(node, struct worker_listener, link)->ls);
    drain_check(w);
}

/* ---- end ------------------------------------------------------------------------------- */

void
worker_free(struct worker *w)
{
    if (w == NULL)
        return;
    list_for_each_safe (node, &w->listeners)
        listener_drop(container_of(node, struct worker_listener, link));
    list_for_each_safe (node, &w->conns)
        conn_close(container_of(node, struct conn, link), CONN_END_DRAINED);
    conns_reap(w);
    upstreams_done(w);
    uconns_reap(w);
    list_for_each_safe (node, &w->addrsets) {
        struct worker_addrs *a = container_of(node, struct worker_addrs, link);

        addrset_unref(a->set);
        free(a);
    }
    sweep_done(w);
    client_cache_done(&w->clients);
    loop_timer_done(&w->drain_timer);
    loop_free(w->loop);
    worker_site_drop(w, w->site);
    snapshot_unref(w->snap);
    deny_list_unref(w->deny);
    pool_done(&w->conn_pool);
    streams_reap(w);
    pool_done(&w->uconn_pool);
    pool_done(&w->io_blocks);
    pool_done(&w->head_blocks);
    w->magic = MAGIC_DEAD;
    free(w);
}

struct metrics *
worker_metrics(struct worker *w)
{
    return &w->metrics;
}

struct loop *
worker_loop(struct worker *w)
{
    return w->loop;
}

void
worker_set_control_loop(struct worker *w, struct loop *control)
{
    w->control = control;
}

/* ---- buffers and randomness ------------------------------------------------------------- */

static struct pool *
pool_of(struct worker *w, const struct buf *b)
{
    return b->cap == IO_BLOCK_BYTES ? &w->io_blocks : &w->head_blocks;
}

bool
worker_buf_ensure(struct worker *w, struct buf *b, size_t room)
{
    struct pool *to;
    struct pool *from;
    void *mem;

    if (b->mem != NULL && buf_room(b) >= room)
        return true;
    if (b->mem != NULL && buf_free(b) >= room) {
        buf_compact(b);
        return true;
    }
    if (buf_len(b) + room > HEAD_BLOCK_BYTES)
        return false;
    to = buf_len(b) + room <= IO_BLOCK_BYTES ? &w->io_blocks : &w->head_blocks;
    mem = pool_acquire(to);
    if (mem == NULL)
        return false;
    if (b->mem == NULL) {
        buf_attach(b, mem, to->block_bytes);
        return true;
    }
    from = pool_of(w, b);
    pool_release(from, buf_move(b, mem, to->block_bytes));
    return true;
}

void
worker_buf_drop(struct worker *w, struct buf *b)
{
    struct pool *from;

    if (b->mem == NULL)
        return;
    from = pool_of(w, b);
    pool_release(from, buf_detach(b));
}

void
worker_buf_trim(struct worker *w, struct buf *b)
{
    if (b->mem != NULL && buf_len(b) == 0)
        worker_buf_drop(w, b);
}

void
worker_random(struct worker *w, uint8_t *dst, size_t n)
{
    if (w->random_used + n > sizeof(w->random)) {
        secret_random(w->random, sizeof(w->random));
        w->random_used = 0;
    }
    memcpy(dst, w->random + w->random_used, n);
    w->random_used += n;
}
