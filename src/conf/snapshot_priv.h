/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of building a snapshot, in the order of their calls. Each reports what is wrong
 * and goes on, so that one load tells everything; a snapshot with errors is thrown away.
 */
#ifndef CONF_SNAPSHOT_PRIV_H
#define CONF_SNAPSHOT_PRIV_H

#include "conf/snapshot.h"

struct snapshot_job {
    const struct config *config;
    const struct snapshot *previous; /* may be NULL */
    int64_t now_s;
    struct diag *diag;
    struct snapshot *snapshot; /* being filled */
};

/* snapshot.trusts, one for each trust store of the configuration; NULL where one failed. */
void snapshot_build_trusts(struct snapshot_job *job);
/* site.upstreams. */
void snapshot_build_upstreams(struct snapshot_job *job);
/* site.listeners and snapshot.tls_servers. */
void snapshot_build_listeners(struct snapshot_job *job);
/* "KIND/name/<16 hex>": the name of a thing in logs, the same in every generation. */
struct str snapshot_resource_name(struct arena *arena, const char *kind, const char *name);
/* Judges certificates of a made-up authority under every policy that judges, and certificates that
 * are listed. Only for a snapshot without errors. */
void snapshot_selftest(struct snapshot_job *job);

#endif
