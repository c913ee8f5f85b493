/* SPDX-License-Identifier: Apache-2.0
 *
 * From a configuration to everything it means: built aside, all or nothing. Called by the
 * control plane at start and at reload, and by `check` and `explain`. The snapshot owns the
 * configuration, its site, trust stores and server contexts. Must never return a snapshot
 * with an error in diag.
 */
#include "conf/snapshot.h"

#include <stdlib.h>

#include "base/limits.h"
#include "conf/digest.h"
#include "conf/mem.h"
#include "conf/snapshot_priv.h"
#include "http/target.h"

struct str
snapshot_resource_name(struct arena *arena, const char *kind, const char *name)
{
    uint8_t bytes[DIGEST_BYTES];
    char hex[17] = {0};
    struct digest d;
    struct str ret;

    digest_init(&d);
    digest_add(&d, str_from(kind));
    digest_add(&d, str_from(name));
    digest_done(&d, bytes);
    str_hex_lower(hex, bytes, 8);
    ret = arena_printf(arena, "%s/%s/%s", kind, name, hex);
    gw_assert(ret.ptr != NULL);
    return ret;
}

/* ---- site ---- */

static struct site *
site_new(void)
{
    struct site *s = calloc(1, sizeof(*s));

    gw_assert(s != NULL);
    ref_init(&s->ref);
    conf_arena_init(&s->arena);
    return s;
}

struct site *
site_ref(struct site *s)
{
    ref_take(&s->ref);
    return s;
}

void
site_unref(struct site *s)
{
    if (s == NULL || !ref_drop(&s->ref))
        return;
    for (size_t i = 0; i < s->upstream_count; i++)
        tls_client_unref(s->upstreams[i].tls);
    arena_done(&s->arena);
    free(s);
}

static void
copy_log(struct arena *arena, const struct config_log *from, struct site_log *to)
{
    to->format = (enum log_format)from->format;
    if (from->path != NULL)
        to->path = (char *)(uintptr_t)conf_str(arena, str_from(from->path)).ptr;
}

/* ---- snapshot ---- */

static struct snapshot *
snapshot_new(struct config *config)
{
    struct snapshot *s = calloc(1, sizeof(*s));

    gw_assert(s != NULL);
    s->magic = MAGIC_SNAPSHOT;
    ref_init(&s->ref);
    s->config = config;
    s->site = site_new();
    return s;
}

struct snapshot *
snapshot_ref(struct snapshot *s)
{
    magic_check(s, MAGIC_SNAPSHOT);
    ref_take(&s->ref);
    return s;
}

void
snapshot_unref(struct snapshot *s)
{
    if (s == NULL)
        return;
    magic_check(s, MAGIC_SNAPSHOT);
    if (!ref_drop(&s->ref))
        return;
    for (size_t i = 0; i < s->tls_server_count; i++)
        tls_server_unref(s->tls_servers[i]);
    for (size_t i = 0; i < s->trust_count; i++)
        trust_unref(s->trusts[i]);
    ticket_keys_unref(s->ticket_keys);
    free(s->tls_servers);
    free(s->trusts);
    site_unref(s->site);
    config_free(s->config);
    s->magic = MAGIC_DEAD;
    free(s);
}

int
snapshot_build(struct config *config, const struct snapshot *previous, int64_t now_s,
               struct diag *diag, struct snapshot **ret)
{
    struct snapshot *s = snapshot_new(config);
    struct snapshot_job job = {config, previous, now_s, diag, s};
    size_t errors_before = diag->error_count;

    copy_log(&s->site->arena, &config->logging.access, &s->site->access_log);
    copy_log(&s->site->arena, &config->logging.connection, &s->site->conn_log);
    snapshot_build_trusts(&job);
    snapshot_build_upstreams(&job);
    snapshot_build_listeners(&job);
    if (diag->error_count == errors_before)
        snapshot_selftest(&job);
    if (diag->error_count != errors_before) {
        snapshot_unref(s);
        return GW_E_CONFIG;
    }
    *ret = s;
    return 0;
}

/* ---- lookups ---- */

/* How well the policy's names fit: 0 not at all, a wildcard by its length, an exact name best. */
static size_t
fit(const struct site_policy *p, struct str host)
{
    size_t best = 0;

    for (size_t i = 0; i < p->names.count; i++) {
        struct str name = p->names.items[i];

        if (str_eq(name, host))
            return SIZE_MAX;
        if (host_matches(name, host))
            best = size_max(best, name.len);
    }
    return best;
}

const struct site_policy *
site_policy_find(const struct site_listener *l, struct str host)
{
    const struct site_policy *best = &l->policies[0];
    size_t best_fit = 0;

    for (size_t i = 1; i < l->policy_count; i++) {
        size_t this_fit = fit(&l->policies[i], host);

        if (this_fit > best_fit) {
            best = &l->policies[i];
            best_fit = this_fit;
        }
    }
    return best;
}

const struct site_listener *
site_listener_find(const struct site *s, struct str name)
{
    for (size_t i = 0; i < s->listener_count; i++)
        if (str_eq(s->listeners[i].name, name))
            return &s->listeners[i];
    return NULL;
}
