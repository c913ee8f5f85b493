/* SPDX-License-Identifier: Apache-2.0
 *
 * The ordered rules of one listener (or host policy) and the first that matches.
 */
#ifndef POLICY_ROUTE_H
#define POLICY_ROUTE_H

#include "policy/rule.h"

struct route_table {
    const struct rule *rules; /* by ascending priority */
    size_t rule_count;
    struct rule default_rule; /* priority 0, no conditions */
};

/* Never NULL: the default rule when none matches. */
const struct rule *route_match(const struct route_table *table, const struct rule_input *in,
                               const struct rule_trace *trace);

#endif
