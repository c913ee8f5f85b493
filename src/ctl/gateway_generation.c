/* SPDX-License-Identifier: Apache-2.0
 *
 * What a generation is made of and how it replaces the one before: the steps of a reload.
 * Called by gateway and, through hooks, by reload, on the control thread. Owns the built,
 * current and retired generations. Must never change the current one before the commit.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "ctl/gateway_priv.h"
#include "ctl/mem.h"

static void
generation_free(struct gateway *g, struct generation *gen)
{
    if (gen == NULL)
        return;
    if (gen->access_log != NULL)
        log_file_unref(g->logs, gen->access_log);
    if (gen->conn_log != NULL)
        log_file_unref(g->logs, gen->conn_log);
    if (gen->snapshot != NULL)
        snapshot_unref(gen->snapshot);
    free(gen);
}

int
generation_load(struct gateway *g, struct diag *diag)
{
    const struct snapshot *previous = g->current != NULL ? g->current->snapshot : NULL;
    int64_t now_s = clock_wall_s(loop_now_fresh(g->loop));
    struct config *config = NULL;
    struct snapshot *snapshot = NULL;
    int rc = config_load(g->options->config_path, diag, &config);

    if (rc != 0)
        return rc;
    rc = gateway_lists_prepare(g, config, diag);
    if (rc != 0) {
        config_free(config);
        return rc;
    }
    rc = snapshot_build(config, previous, now_s, diag, &snapshot);
    if (rc != 0)
        return rc;
    snapshot->config->list_floors = NULL; /* those of the moment */
    snapshot->config->list_floor_count = 0;
    g->built = mem_calloc(1, sizeof(*g->built));
    g->built->snapshot = snapshot;
    return 0;
}

int
generation_bind(struct gateway *g, struct diag *diag)
{
    return sockets_plan(&g->sockets, g->built->snapshot->site, g->options->config_path, diag);
}

static int
open_log(struct gateway *g, const struct site_log *log, struct diag *diag, struct log_file **ret)
{
    if (log->path == NULL)
        return 0;
    return log_writer_open(g->logs, log->path, diag, ret);
}

int
generation_open_logs(struct gateway *g, struct diag *diag)
{
    const struct site *site = g->built->snapshot->site;
    int access = open_log(g, &site->access_log, diag, &g->built->access_log);
    int conn = open_log(g, &site->conn_log, diag, &g->built->conn_log);

    return access != 0 ? access : conn;
}

void
generation_abandon(struct gateway *g)
{
    sockets_abandon(&g->sockets);
    generation_free(g, g->built);
    g->built = NULL;
}

static void
retired_free(struct gateway *g)
{
    while (g->retired != NULL) {
        struct generation *gen = g->retired;

        g->retired = gen->next;
        generation_free(g, gen);
    }
}

void
generations_done(struct gateway *g)
{
    generation_free(g, g->built);
    g->built = NULL;
    retired_free(g);
    generation_free(g, g->current);
    g->current = NULL;
}

/* ---- what only a start can change -------------------------------------------------------- */

static bool
text_same(const char *a, const char *b)
{
    return str_eq(str_from(a), str_from(b)) && (a == NULL) == (b == NULL);
}

static void
refuse_change(struct diag *diag, const struct config *now, const struct config_pos *pos,
              const char *key)
{
    diag_error(diag, now->file, pos->line, pos->column,
               "%s cannot change while the gateway runs; put the old value back, or restart it",
               key);
}

static bool
addr_same(const struct addr *a, const struct addr *b)
{
    if (a->len == 0 || b->len == 0)
        return a->len == b->len;
    return addr_eq(a, b);
}

static int
check_process_settings(const struct config *was, const struct config *now, struct diag *diag)
{
    const struct config_pos nowhere = {0, 0};
    size_t errors = diag->error_count;

    if (was->workers != now->workers)
        refuse_change(diag, now, &nowhere, "workers");
    if (!text_same(was->run_as.user, now->run_as.user) ||
        !text_same(was->run_as.group, now->run_as.group))
        refuse_change(diag, now, &now->run_as.pos, "run_as");
    if (!text_same(was->state_dir, now->state_dir))
        refuse_change(diag, now, &nowhere, "state_dir");
    if (!addr_same(&was->admin.bind.addr, &now->admin.bind.addr) ||
        !text_same(was->admin.socket, now->admin.socket))
        refuse_change(diag, now, &now->admin.pos, "admin");
    return diag->error_count == errors ? 0 : GW_E_CONFIG;
}

/* ---- hooks of the reload ----------------------------------------------------------------- */

static int
on_build(void *arg, struct diag *diag)
{
    struct gateway *g = arg;
    int rc = generation_load(g, diag);

    if (rc != 0)
        return rc;
    rc = check_process_settings(g->current->snapshot->config, g->built->snapshot->config, diag);
    /* All errors at once: sockets and log files are tried even after the first. */
    if (generation_bind(g, diag) != 0)
        rc = GW_E_CONFIG;
    if (generation_open_logs(g, diag) != 0)
        rc = GW_E_CONFIG;
    if (rc != 0)
        generation_abandon(g);
    return rc;
}

struct target_list {
    struct resolve_target *items;
    size_t count;
};

static void
targets_collect(struct target_list *list, const struct site_upstream *up)
{
    for (size_t i = 0; i < up->target_count; i++) {
        const struct site_target *t = &up->targets[i];

        if (t->is_address)
            continue;
        list->items = mem_resize(list->items, list->count + 1, sizeof(*list->items));
        list->items[list->count++] = (struct resolve_target){.name = t->name.ptr, .port = t->port};
    }
}

static void
on_resolve(void *arg, uint64_t round)
{
    struct gateway *g = arg;
    const struct site *site = g->built->snapshot->site;
    struct target_list list = {NULL, 0};

    for (size_t i = 0; i < site->upstream_count; i++)
        targets_collect(&list, &site->upstreams[i]);
    resolver_set_targets(g->resolver, list.items, list.count, round);
    free(list.items);
}

static void
on_unresolved_target(void *arg, const struct resolve_state *s)
{
    (void)arg;
    if (s->is_asked)
        return;
    log_event(LOG_ERROR, "resolve",
              "target %s:%u: no answer within %d s; requests to it are answered 503 until its "
              "name has an address",
              s->name, s->port, RESOLVE_FIRST_WAIT_MS / 1000);
}

static void
on_unresolved(void *arg)
{
    struct gateway *g = arg;

    resolver_each(g->resolver, on_unresolved_target, g);
}

static void
on_abandon(void *arg)
{
    generation_abandon(arg);
}

static void
on_generation_swept(void *arg, uint64_t generation)
{
    struct gateway *g = arg;

    sockets_close_retired(&g->sockets, generation);
    retired_free(g);
}

const struct reload_hooks generation_hooks = {
    .build = on_build,
    .resolve = on_resolve,
    .unresolved = on_unresolved,
    .abandon = on_abandon,
    .swept = on_generation_swept,
};

void
generation_commit(struct gateway *g, uint64_t generation)
{
    struct generation *gen = g->built;

    gw_assert(gen != NULL);
    gen->snapshot->generation = generation;
    sockets_commit(&g->sockets, gen->snapshot->site, generation);
    log_set_level((enum log_level)gen->snapshot->config->logging.level);
    for (unsigned i = 0; i < g->worker_count; i++) {
        struct worker_update update = {.snapshot = snapshot_ref(gen->snapshot),
                                       .access_log = gen->access_log,
                                       .conn_log = gen->conn_log};

        update.listens = sockets_listens(&g->sockets, gen->snapshot->site, i, &update.listen_count);
        worker_post_update(g->workers[i].worker, &update);
    }
    if (g->current != NULL) {
        g->current->next = g->retired;
        g->retired = g->current;
    }
    g->current = gen;
    g->built = NULL;
}
