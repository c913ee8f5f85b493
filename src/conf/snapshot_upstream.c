/* SPDX-License-Identifier: Apache-2.0
 *
 * Target groups of a snapshot. Called by snapshot_build on the control thread. What it makes
 * lives in the site's arena; each TLS context is one reference of the site's. Must never give
 * two upstreams the same digest that would treat the other side differently.
 */
#include <stdlib.h>

#include "base/file.h"
#include "base/limits.h"
#include "conf/digest.h"
#include "conf/mem.h"
#include "conf/snapshot_priv.h"

/* Content counts, not the name: a replaced bundle is another upstream. What cannot be read has
 * been reported by tls_client_build. */
static void
add_file_content(struct digest *d, const char *path)
{
    struct diag ignored;
    struct file file = {0};

    diag_init(&ignored);
    digest_add(d, str_from(path));
    if (path != NULL &&
        file_read(path, CA_BUNDLE_BYTES_MAX, FILE_PUBLIC, false, &ignored, &file) == 0)
        digest_add(d, str_make(file.bytes, file.len));
    file_done(&file);
    diag_done(&ignored);
}

static void
make_digest(const struct config_target_group *g, struct site_upstream *u)
{
    struct digest d;

    digest_init(&d);
    digest_add(&d, u->name);
    for (size_t i = 0; i < u->target_count; i++) {
        digest_add(&d, u->targets[i].name);
        digest_add_number(&d, u->targets[i].port);
    }
    digest_add_number(&d, u->has_tls);
    digest_add(&d, u->server_name);
    digest_add(&d, u->host_header);
    add_file_content(&d, g->tls.ca_bundle);
    add_file_content(&d, g->tls.client_certificate);
    digest_done(&d, u->digest);
}

static void
copy_targets(struct arena *arena, const struct config_target_group *g, struct site_upstream *u)
{
    u->targets = conf_calloc(arena, g->target_count, sizeof(*u->targets));
    u->target_count = g->target_count;
    for (size_t i = 0; i < g->target_count; i++) {
        const struct config_target *t = &g->targets[i];

        u->targets[i] = (struct site_target){.name = conf_str(arena, str_from(t->name)),
                                             .port = t->port,
                                             .is_address = t->is_address,
                                             .address = t->address};
    }
}

static void
build_tls(struct snapshot_job *job, const struct config_target_group *g, struct site_upstream *u)
{
    struct tls_client_source src = {
        .name = g->name,
        .ca_bundle = g->tls.ca_bundle,
        .certificate = g->tls.client_certificate,
        .private_key = g->tls.client_private_key,
    };
    size_t errors_before = job->diag->error_count;
    int err;

    diag_named_at(job->diag, job->config->file, g->tls.pos.line, g->tls.pos.column);
    err = tls_client_build(&src, job->diag, &u->tls);
    diag_named_nowhere(job->diag);
    if (err == 0)
        return;
    if (job->diag->error_count == errors_before)
        diag_error(job->diag, job->config->file, g->pos.line, g->pos.column,
                   "target_groups.%s: TLS cannot be set up", g->name);
}

static void
build_upstream(struct snapshot_job *job, const struct config_target_group *g,
               struct site_upstream *u)
{
    struct arena *arena = &job->snapshot->site->arena;

    u->name = conf_str(arena, str_from(g->name));
    u->has_tls = g->protocol == 1;
    u->server_name = conf_str(arena, str_from(g->tls.server_name));
    u->host_header = conf_str(arena, str_from(g->host_header));
    copy_targets(arena, g, u);
    if (u->has_tls)
        build_tls(job, g, u);
    make_digest(g, u);
    u->log_name = snapshot_resource_name(arena, "targetgroup", g->name);
}

void
snapshot_build_upstreams(struct snapshot_job *job)
{
    const struct config *config = job->config;
    struct site *site = job->snapshot->site;

    site->upstreams =
        conf_calloc(&site->arena, config->target_group_count, sizeof(*site->upstreams));
    site->upstream_count = config->target_group_count;
    for (size_t i = 0; i < site->upstream_count; i++)
        build_upstream(job, &config->target_groups[i], &site->upstreams[i]);
}
