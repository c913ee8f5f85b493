/* SPDX-License-Identifier: Apache-2.0
 *
 * What single keys cannot tell: names that must exist, keys that need or exclude each
 * other, two things of one name or address. Also resolves names to indexes and puts rules
 * in their order.
 */
#ifndef CONF_CONFIG_CHECK_H
#define CONF_CONFIG_CHECK_H

#include "conf/config.h"

/* All errors go to diag. Values that were reported already (NULL, -1) are passed over. */
void config_check(struct config *config, struct diag *diag);

#endif
