/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules of the configuration as the data path reads them.
 */
#ifndef CONF_SNAPSHOT_RULES_H
#define CONF_SNAPSHOT_RULES_H

#include "conf/config.h"
#include "policy/route.h"

/* Everything is copied into the arena: requests in flight outlive the configuration. */
void
snapshot_copy_rules(struct arena *arena, const struct config_listener *l, struct route_table *ret);

#endif
