/* SPDX-License-Identifier: Apache-2.0
 *
 * The request half of `explain`: parsed, cleaned and routed by the functions that live
 * requests pass through, in their order. Called by explain.c. Owns nothing. Must never
 * decide anything itself.
 */
#include "ctl/explain_priv.h"

#include <stdio.h>

#include "ctl/mem.h"
#include "http/h1_parse.h"
#include "http/hygiene.h"

static const char *
text_or(const char *text, const char *otherwise)
{
    return text != NULL ? text : otherwise;
}

static struct str
request_head(struct explain *e)
{
    const struct explain_options *o = e->options;
    struct str host = o->host != NULL ? str_from(o->host) : e->sni;
    struct str head =
        arena_printf(&e->arena, "%s %s HTTP/1.1\r\nHost: %.*s\r\n", text_or(o->method, "GET"),
                     text_or(o->path, "/"), STR_ARG(host.len > 0 ? host : STR("localhost")));

    for (size_t i = 0; i < o->header_count; i++)
        head = arena_printf(&e->arena, "%.*s%s\r\n", STR_ARG(head), o->headers[i]);
    return arena_printf(&e->arena, "%.*s\r\n", STR_ARG(head));
}

static int
parse_request(struct explain *e, struct http_req *req, struct diag *diag)
{
    struct str head = request_head(e);
    enum h1_fault fault = H1_FAULT_NONE;
    struct hygiene_result cleaned;
    struct h1_scan scan;
    size_t len = 0;

    h1_scan_init(&scan, true);
    if (head.ptr != NULL && h1_scan(&scan, head, &len, &fault) == 0 && len == head.len &&
        h1_parse_request(head, &e->arena, req, &fault) == 0 &&
        hygiene_request(&e->listener->forward.reserved, req, &cleaned, &fault) == 0) {
        if (cleaned.identity_dropped > 0)
            explain_step_add(e, true, "%u header%s that only the gateway may send: removed",
                             cleaned.identity_dropped, cleaned.identity_dropped == 1 ? "" : "s");
        return 0;
    }
    diag_error(diag, NULL, 0, 0, "the request would be answered %d: %s",
               fault == H1_FAULT_NONE ? 400 : h1_fault_status(fault),
               fault == H1_FAULT_NONE ? "malformed" : h1_fault_text(fault));
    return GW_E_CONFIG;
}

static int
parse_source(const struct explain *e, struct addr *ret, struct diag *diag)
{
    const char *source = text_or(e->options->source, "127.0.0.1");
    char text[ADDR_TEXT_MAX];
    int n = snprintf(text, sizeof(text), str_chr(str_from(source), ':') >= 0 ? "[%s]:0" : "%s:0",
                     source);

    if (n < (int)sizeof(text) && addr_parse(str_from(text), ret) == 0)
        return 0;
    diag_error(diag, NULL, 0, 0, "--source %s: not an IP address", source);
    return GW_E_CONFIG;
}

static void
on_condition(void *arg, const struct rule *rule, const char *condition, bool matched)
{
    explain_step_add(arg, matched, "rule %d: %s %s", rule->priority, condition,
                     matched ? "matches" : "does not match");
}

static struct str
describe_forward(struct explain *e, const struct rule_action *a)
{
    struct str text = STR("forward to");

    for (size_t i = 0; i < a->forward_count; i++) {
        const struct site_upstream *up = &e->snapshot->site->upstreams[a->forward[i].upstream];

        text = arena_printf(&e->arena, "%.*s%s %.*s", STR_ARG(text), i > 0 ? " or" : "",
                            STR_ARG(up->name));
    }
    return text;
}

static void
describe_action(struct explain *e, const struct rule_action *a)
{
    struct explain_request *r = &e->request;

    switch (a->kind) {
    case ACTION_FORWARD:
        r->action = describe_forward(e, a);
        break;
    case ACTION_FIXED_RESPONSE:
        r->status = a->status;
        r->action = arena_printf(&e->arena, "answer %d", a->status);
        break;
    case ACTION_REDIRECT:
        r->status = a->status;
        r->action = arena_printf(&e->arena, "redirect with %d", a->status);
        break;
    case ACTION_DENY:
        r->status = 403;
        r->action = STR("deny");
        e->is_admitted = false;
        e->reason = REASON_CERT_DENIED;
        e->detail = arena_printf(&e->arena, "rule %d denies this request", r->rule->priority);
        break;
    }
}

static void
answer_itself(struct explain *e, int status, const char *why)
{
    e->request.status = status;
    e->request.action = arena_printf(&e->arena, "answer %d: %s", status, why);
    explain_step_add(e, false, "request: %s", why);
}

int
explain_route(struct explain *e, struct diag *diag)
{
    const struct rule_trace trace = {.step = on_condition, .arg = e};
    const struct site_policy *policy;
    struct rule_input in = {.identity = e->identity, .vpce_id = str_from(e->options->vpc_endpoint)};
    struct http_req req;
    struct addr client;

    e->request.is_asked = true;
    if (parse_source(e, &client, diag) != 0 || parse_request(e, &req, diag) != 0)
        return GW_E_CONFIG;
    e->request.line = arena_printf(&e->arena, "%.*s https://%.*s%.*s", STR_ARG(req.method_text),
                                   STR_ARG(req.authority), STR_ARG(req.target));
    e->request.is_refused = !e->is_admitted;
    if (!e->is_admitted)
        return 0;
    policy = site_policy_find(e->listener, req.host);
    if (memcmp(policy->digest, e->policy->digest, sizeof(policy->digest)) != 0) {
        answer_itself(e, 421, "the host belongs to another policy than the connection's SNI");
        return 0;
    }
    if (req.method == METHOD_TRACE || req.method == METHOD_CONNECT) {
        answer_itself(e, 405, "the method is not forwarded");
        return 0;
    }
    in.req = &req;
    in.client = &client;
    e->request.rule = route_match(&policy->routes, &in, &trace);
    describe_action(e, &e->request.rule->action);
    if (e->request.rule->priority == 0)
        explain_step_add(e, true, "no rule matches; default action: %.*s",
                         STR_ARG(e->request.action));
    else
        explain_step_add(e, true, "rule %d applies: %.*s", e->request.rule->priority,
                         STR_ARG(e->request.action));
    return 0;
}
