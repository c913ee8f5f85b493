/* SPDX-License-Identifier: Apache-2.0
 *
 * First match over the ordered rules of a listener. Called once per request by the stream
 * and by `explain`, on any thread. Owns nothing. Must never return NULL.
 */
#include "policy/route.h"

const struct rule *
route_match(const struct route_table *table, const struct rule_input *in,
            const struct rule_trace *trace)
{
    for (size_t i = 0; i < table->rule_count; i++) {
        if (rule_matches(&table->rules[i], in, trace))
            return &table->rules[i];
    }
    return &table->default_rule;
}
