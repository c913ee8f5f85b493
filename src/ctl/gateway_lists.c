/* SPDX-License-Identifier: Apache-2.0
 *
 * What keeps revocation lists current in a running gateway: the memory of numbers, the
 * supply by URL, the watch on files, the ages. Called by gateway on the control thread; owns
 * nothing that is not in the gateway. Must never forget a list before a newer one is in use.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "ctl/gateway_priv.h"
#include "ctl/mem.h"
#include "ctl/sandbox.h"

/* With root's powers for a moment: the user of run_as must be able to replace what is made before
 * they are dropped. A folder that was there and belongs to somebody else is left alone. */
static int
give_state_away(const struct config *config, bool is_ours, struct diag *diag)
{
    const struct config_run_as *to = &config->run_as;
    char *lists;
    int rc;

    if (!sandbox_is_root() || to->user == NULL ||
        !(is_ours || sandbox_is_folder_of(config->state_dir, to->user)))
        return 0;
    rc = sandbox_give_folder(config->state_dir, to->user, to->group, config->file, diag);
    lists = file_join(config->state_dir, "lists");
    if (rc == 0)
        rc = sandbox_give_folder(lists, to->user, to->group, config->file, diag);
    free(lists);
    return rc;
}

static bool
make_state_dir(const struct config *config, struct diag *diag)
{
    if (config->state_dir == NULL)
        return false;
    if (mkdir(config->state_dir, 0700) == 0)
        return true;
    if (errno != EEXIST)
        diag_warn(diag, config->file, config->state_dir_pos.line, config->state_dir_pos.column,
                  "state_dir: %s cannot be made: %s", config->state_dir, strerror(errno));
    return false;
}

int
gateway_lists_prepare(struct gateway *g, struct config *config, struct diag *diag)
{
    int rc = 0;

    if (g->current == NULL) {
        bool is_ours = make_state_dir(config, diag);

        rc = liststate_load(&g->list_state, config->state_dir, diag);
        if (rc != 0)
            return rc;
        supply_prime(config, &g->list_state, diag);
        if (config->state_dir != NULL)
            rc = give_state_away(config, is_ours, diag);
    }
    config->list_floors = g->list_state.floors;
    config->list_floor_count = g->list_state.count;
    config->list_floors_file = g->list_state.path;
    return rc;
}

static void
on_change(void *arg)
{
    struct gateway *g = arg;

    if (g->phase != GATEWAY_SERVING)
        return;
    log_event(LOG_INFO, "watch", "a CA bundle or a list has changed: reloading");
    (void)reload_request(&g->reload);
}

static void
on_list(void *arg)
{
    struct gateway *g = arg;

    if (g->phase == GATEWAY_SERVING)
        (void)reload_request(&g->reload);
}

void
gateway_lists_start(struct gateway *g)
{
    g->supply = supply_new(g->loop, &g->list_state, on_list, g);
    g->watch = watch_new(g->loop, on_change, g);
    listage_init(&g->list_ages, g->loop);
}

void
gateway_lists_stop(struct gateway *g)
{
    supply_free(g->supply);
    watch_free(g->watch);
    listage_done(&g->list_ages);
    liststate_done(&g->list_state);
}

/* Fetched copies are ours: who replaces them is the supply. */
static void
watch_files(struct gateway *g, const struct config *config)
{
    const char **paths = NULL;
    size_t count = 0;

    if (g->watch == NULL)
        return;
    for (size_t i = 0; i < config->trust_store_count; i++) {
        const struct config_trust_store *store = &config->trust_stores[i];

        paths = mem_resize(paths, count + 1 + store->crl_count, sizeof(*paths));
        paths[count++] = store->ca_bundle;
        for (size_t j = 0; j < store->crl_count; j++) {
            if (store->crls[j].path != NULL)
                paths[count++] = store->crls[j].path;
        }
    }
    watch_set(g->watch, paths, count);
    free(paths);
}

void
gateway_lists_commit(struct gateway *g)
{
    const struct snapshot *s = g->current->snapshot;
    bool has_changed = false;

    for (size_t i = 0; i < s->trust_count; i++)
        has_changed |= liststate_take(&g->list_state, s->trusts[i]);
    if (has_changed && liststate_save(&g->list_state) != 0)
        log_event(LOG_ERROR, "lists",
                  "%s cannot be written: %s; after a restart a list older than those in use now "
                  "would be loaded",
                  g->list_state.path, strerror(errno));
    supply_set(g->supply, s->config);
    watch_files(g, s->config);
    listage_set(&g->list_ages, s);
}
