/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies rules from the configuration's arena into the site's. Called for each listener by
 * snapshot_listener.c, on the control thread. Must copy every condition: one left out would
 * hold for everything.
 */
#include "conf/snapshot_rules.h"

#include "conf/mem.h"

static struct str_list
copy_list(struct arena *arena, const struct str_list *from)
{
    struct str *items;

    if (from->count == 0)
        return (struct str_list){0};
    items = conf_calloc(arena, from->count, sizeof(*items));
    for (size_t i = 0; i < from->count; i++)
        items[i] = conf_str(arena, from->items[i]);
    return (struct str_list){items, from->count};
}

static void
copy_cert(struct arena *arena, const struct rule_cert_condition *from,
          struct rule_cert_condition *to)
{
    to->subject_cn = copy_list(arena, &from->subject_cn);
    to->subject_ou = copy_list(arena, &from->subject_ou);
    to->subject_o = copy_list(arena, &from->subject_o);
    to->issuer_cn = copy_list(arena, &from->issuer_cn);
    to->issuer_ou = copy_list(arena, &from->issuer_ou);
    to->issuer_o = copy_list(arena, &from->issuer_o);
    to->san_dns = copy_list(arena, &from->san_dns);
    to->san_uri = copy_list(arena, &from->san_uri);
    to->san_email = copy_list(arena, &from->san_email);
    to->san_ip = copy_list(arena, &from->san_ip);
    to->sha256 = copy_list(arena, &from->sha256);
    to->spki_sha256 = copy_list(arena, &from->spki_sha256);
    to->serial = copy_list(arena, &from->serial);
    to->policy_oids = copy_list(arena, &from->policy_oids);
    to->is_set = from->is_set;
}

static void
copy_headers(struct arena *arena, const struct rule_conditions *from, struct rule_conditions *to)
{
    struct rule_header_condition *headers =
        conf_calloc(arena, from->header_count, sizeof(*headers));

    for (size_t i = 0; i < from->header_count; i++) {
        headers[i].name = conf_str(arena, from->headers[i].name);
        headers[i].values = copy_list(arena, &from->headers[i].values);
    }
    to->headers = headers;
    to->header_count = from->header_count;
}

static void
copy_source_ips(struct arena *arena, const struct rule_conditions *from, struct rule_conditions *to)
{
    struct cidr *cidrs = conf_calloc(arena, from->source_ip_count, sizeof(*cidrs));

    for (size_t i = 0; i < from->source_ip_count; i++)
        cidrs[i] = from->source_ips[i];
    to->source_ips = cidrs;
    to->source_ip_count = from->source_ip_count;
}

static void
copy_conditions(struct arena *arena, const struct rule_conditions *from, struct rule_conditions *to)
{
    to->path = copy_list(arena, &from->path);
    to->host = copy_list(arena, &from->host);
    to->method = copy_list(arena, &from->method);
    to->query = copy_list(arena, &from->query);
    to->vpc_endpoint = copy_list(arena, &from->vpc_endpoint);
    copy_headers(arena, from, to);
    copy_source_ips(arena, from, to);
    copy_cert(arena, &from->cert, &to->cert);
}

static void
copy_action(struct arena *arena, const struct config_action *from, struct rule_action *to)
{
    struct rule_forward *forward = conf_calloc(arena, from->forward_count, sizeof(*forward));

    for (size_t i = 0; i < from->forward_count; i++)
        forward[i] =
            (struct rule_forward){from->forward[i].index, (uint32_t)from->forward[i].weight};
    *to = (struct rule_action){
        .kind = from->kind,
        .forward = forward,
        .forward_count = from->forward_count,
        .status = from->status,
        .content_type = config_content_type(from->content_type),
        .body = conf_str(arena, from->body),
    };
}

void
snapshot_copy_rules(struct arena *arena, const struct config_listener *l, struct route_table *ret)
{
    struct rule *rules = conf_calloc(arena, l->rule_count, sizeof(*rules));

    for (size_t i = 0; i < l->rule_count; i++) {
        rules[i].priority = (int)l->rules[i].priority;
        copy_conditions(arena, &l->rules[i].when, &rules[i].when);
        copy_action(arena, &l->rules[i].action, &rules[i].action);
    }
    ret->rules = rules;
    ret->rule_count = l->rule_count;
    copy_action(arena, &l->default_action, &ret->default_rule.action);
}
