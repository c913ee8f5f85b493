/* SPDX-License-Identifier: Apache-2.0
 *
 * yaml_parse and config_parse: any text is either a configuration without errors or no
 * configuration with at least one error; the tree keeps its limits, and every condition of
 * a rule that was accepted has values.
 */
#include <stdint.h>

#include "base/assert.h"
#include "base/limits.h"
#include "conf/config.h"
#include "conf/mem.h"
#include "conf/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
check_node(const struct yaml_node *node, int depth)
{
    size_t count = 1;
    size_t children = 0;

    gw_assert(depth <= YAML_DEPTH_MAX + 1);
    gw_assert(node->line >= 1 && node->column >= 1);
    gw_assert(node->text.len <= YAML_SCALAR_BYTES_MAX);
    gw_assert(node->kind == YAML_LIST || node->kind == YAML_MAP || node->first == NULL);
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next) {
        gw_assert((n->key != NULL) == (node->kind == YAML_MAP));
        gw_assert(n->key == NULL || yaml_get(node, n->key->text) == n);
        count += check_node(n, depth + 1) + (n->key != NULL);
        children++;
    }
    gw_assert(children == node->count);
    return count;
}

static void
check_tree(struct str text)
{
    struct yaml_node *root = NULL;
    struct arena arena;
    struct diag diag;

    conf_arena_init(&arena);
    diag_init(&diag);
    if (yaml_parse(text, "f", &arena, &diag, &root) == 0)
        gw_assert(check_node(root, 1) <= YAML_NODES_MAX);
    else
        gw_assert(root == NULL && diag_has_errors(&diag));
    diag_done(&diag);
    arena_done(&arena);
}

static bool
has_condition(const struct rule_conditions *c)
{
    return c->path.count + c->host.count + c->method.count + c->query.count +
               c->vpc_endpoint.count + c->header_count + c->source_ip_count + c->cert.is_set >
           0;
}

static void
check_listener(const struct config *c, const struct config_listener *l)
{
    bool judges = l->mutual.mode == MUTUAL_VERIFY || l->mutual.mode == MUTUAL_OPTIONAL;

    gw_assert(l->name != NULL && l->address_count > 0 && l->certificate_count > 0);
    gw_assert(l->protocols.has_h2 || l->protocols.has_http11);
    gw_assert(judges == (l->mutual.trust_index >= 0));
    gw_assert(l->mutual.trust_index < (int)c->trust_store_count);
    gw_assert(l->proxy.mode == CONFIG_PROXY_OFF || l->proxy.source_count > 0);
    for (size_t i = 0; i < l->rule_count; i++) {
        const struct config_rule *r = &l->rules[i];

        gw_assert(has_condition(&r->when));
        gw_assert(r->priority >= 1 && r->priority <= RULE_PRIORITY_MAX);
        gw_assert(i == 0 || l->rules[i - 1].priority < r->priority);
        gw_assert((r->action.kind == ACTION_FORWARD) == (r->action.forward_count > 0));
    }
}

static void
check_config(const struct config *c)
{
    gw_assert(c->listener_count > 0 && c->workers >= 0 && c->workers <= WORKERS_MAX);
    for (size_t i = 0; i < c->listener_count; i++)
        check_listener(c, &c->listeners[i]);
    for (size_t i = 0; i < c->trust_store_count; i++)
        gw_assert(c->trust_stores[i].ca_bundle != NULL);
    for (size_t i = 0; i < c->target_group_count; i++)
        gw_assert(c->target_groups[i].target_count > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct config *config = NULL;
    struct diag diag;

    if (size > CONFIG_BYTES_MAX)
        return 0;
    check_tree(text);
    diag_init(&diag);
    if (config_parse(text, "f", &diag, &config) == 0) {
        gw_assert(!diag_has_errors(&diag));
        check_config(config);
    } else {
        gw_assert(config == NULL && diag_has_errors(&diag));
    }
    config_free(config);
    diag_done(&diag);
    return 0;
}
