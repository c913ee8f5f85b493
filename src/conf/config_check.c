/* SPDX-License-Identifier: Apache-2.0
 *
 * Cross-checks of a configuration that has been read. Called by config.c on the control
 * thread. Owns nothing. Must never let a contradiction through that would admit more than
 * one of its halves says.
 */
#include "conf/config_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "conf/mem.h"
#include "conf/value.h"
#include "policy/spiffe.h"

#define WHERE_MAX 160
#define NEAR_ENOUGH 3

struct check {
    struct config *config;
    struct diag *diag;
    char where[WHERE_MAX];     /* path of what is looked at */
    char scope[WHERE_MAX / 2]; /* the listener or host that it belongs to */
    time_t now_s;
    bool *store_used;
    bool *group_used;
};

static void say(struct check *c, bool is_warning, struct config_pos at, const char *fmt,
                va_list args) __attribute__((format(printf, 4, 0)));
static void
check_error(struct check *c, struct config_pos at, const char *fmt, ...) GW_PRINTF(3, 4);
static void check_warn(struct check *c, struct config_pos at, const char *fmt, ...) GW_PRINTF(3, 4);

static void
say(struct check *c, bool is_warning, struct config_pos at, const char *fmt, va_list args)
{
    char text[DIAG_TEXT_MAX / 2];

    (void)vsnprintf(text, sizeof(text), fmt, args);
    if (is_warning)
        diag_warn(c->diag, c->config->file, at.line, at.column, "%s: %s", c->where, text);
    else
        diag_error(c->diag, c->config->file, at.line, at.column, "%s: %s", c->where, text);
}

static void
check_error(struct check *c, struct config_pos at, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(c, false, at, fmt, args);
    va_end(args);
}

static void
check_warn(struct check *c, struct config_pos at, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(c, true, at, fmt, args);
    va_end(args);
}

/* ---- addresses ---- */

static void
check_address(struct check *c, size_t listener, size_t index)
{
    const struct config *config = c->config;
    const struct config_address *mine = &config->listeners[listener].addresses[index];
    char text[ADDR_TEXT_MAX];

    addr_format(&mine->addr, text);
    if (config->admin.bind.addr.len != 0 && addr_eq(&mine->addr, &config->admin.bind.addr))
        check_error(c, mine->pos, "%s is the admin address", text);
    for (size_t i = 0; i <= listener; i++) {
        const struct config_listener *other = &config->listeners[i];
        size_t count = i == listener ? index : other->address_count;

        for (size_t j = 0; j < count; j++) {
            if (!addr_eq(&mine->addr, &other->addresses[j].addr))
                continue;
            check_error(c, mine->pos, "%s is bound already, in line %d", text,
                        other->addresses[j].pos.line);
            return;
        }
    }
}

static bool
is_loopback(const struct addr *a)
{
    struct cidr v4;
    struct cidr v6;

    gw_assert(cidr_parse(STR("127.0.0.0/8"), &v4) == 0 && cidr_parse(STR("::1/128"), &v6) == 0);
    return cidr_contains(&v4, a) || cidr_contains(&v6, a);
}

/* ---- mutual authentication ---- */

static void
find_trust_store(struct check *c, struct config_mutual *m)
{
    const struct config *config = c->config;

    for (size_t i = 0; i < config->trust_store_count; i++) {
        if (strcmp(config->trust_stores[i].name, m->trust_store) == 0) {
            m->trust_index = (int)i;
            c->store_used[i] = true;
            return;
        }
    }
    check_error(c, m->trust_store_pos, "no trust store is called \"%s\"", m->trust_store);
}

static void
check_mutual(struct check *c, struct config_mutual *m)
{
    bool judges = m->mode == MUTUAL_VERIFY || m->mode == MUTUAL_OPTIONAL;

    m->trust_index = -1;
    if (m->mode < 0)
        return;
    if (judges && m->trust_store == NULL && m->trust_store_pos.line == 0)
        check_error(c, m->pos, "this mode judges certificates and needs a trust_store");
    if (!judges && m->trust_store != NULL)
        check_error(c, m->trust_store_pos,
                    "this mode judges no certificate and takes no trust_store; "
                    "verify or optional do");
    if (!judges && m->ignore_expiry)
        check_error(c, m->pos, "ignore_client_certificate_expiry needs mode verify or optional");
    if (!judges && m->advertise_ca_names)
        check_error(c, m->pos, "advertise_trust_store_ca_names needs mode verify or optional");
    if (!judges && m->report_only)
        check_error(c, m->pos, "report_only needs mode verify or optional");
    if (judges && m->trust_store != NULL)
        find_trust_store(c, m);
}

/* ---- rules ---- */

static void
find_group(struct check *c, struct config_forward *f)
{
    struct config *config = c->config;

    for (size_t i = 0; i < config->target_group_count; i++) {
        if (strcmp(config->target_groups[i].name, f->target_group) == 0) {
            f->index = (uint32_t)i;
            c->group_used[i] = true;
            return;
        }
    }
    check_error(c, f->pos, "no target group is called \"%.64s\"", f->target_group);
}

static void
check_group(struct check *c, struct config_action *action, size_t index)
{
    struct config_forward *f = &action->forward[index];

    if (f->target_group == NULL)
        return;
    for (size_t i = 0; i < index; i++)
        if (action->forward[i].target_group != NULL &&
            strcmp(action->forward[i].target_group, f->target_group) == 0)
            check_error(c, f->pos, "\"%s\" stands here twice", f->target_group);
    find_group(c, f);
}

static void
check_action(struct check *c, struct config_action *action)
{
    int64_t weights = 0;

    if (action->kind != ACTION_FORWARD)
        return;
    for (size_t i = 0; i < action->forward_count; i++) {
        weights += action->forward[i].weight;
        check_group(c, action, i);
    }
    if (action->forward_count > 0 && weights == 0)
        check_error(c, action->pos, "every weight is 0, so no request could be forwarded");
}

static bool
has_cert_condition(const struct rule_cert_condition *cert)
{
    return cert->subject_cn.count + cert->subject_ou.count + cert->subject_o.count +
               cert->issuer_cn.count + cert->issuer_ou.count + cert->issuer_o.count +
               cert->san_dns.count + cert->san_uri.count + cert->san_email.count +
               cert->san_ip.count + cert->sha256.count + cert->spki_sha256.count +
               cert->serial.count + cert->policy_oids.count >
           0;
}

/* A value that no certificate can have would turn a rule that admits into one that does not, and
 * one that denies into one that never does. */
static void
check_san_uris(struct check *c, const struct config_rule *rule)
{
    const struct str_list *uris = &rule->when.cert.san_uri;

    for (size_t i = 0; i < uris->count; i++) {
        if (spiffe_is_meant(uris->items[i]) && !spiffe_is_pattern(uris->items[i]))
            check_error(c, rule->pos,
                        "client_certificate.san_uri: \"%.*s\" is no SPIFFE id "
                        "(spiffe://trust-domain/path, without wildcards but a last segment of *)",
                        STR_ARG(uris->items[i]));
    }
}

static void
check_rule(struct check *c, struct config_listener *l, struct config_rule *rule)
{
    rule->when.cert.is_set = has_cert_condition(&rule->when.cert);
    if (rule->when.cert.is_set &&
        (l->mutual.mode == MUTUAL_OFF || l->mutual.mode == MUTUAL_PASSTHROUGH))
        check_error(c, rule->pos,
                    "client_certificate can never hold: mutual_authentication must have mode "
                    "verify or optional");
    check_san_uris(c, rule);
    if (rule->when.vpc_endpoint.count > 0 && l->proxy.mode == CONFIG_PROXY_OFF)
        check_warn(c, rule->pos, "vpc_endpoint never holds without proxy_protocol");
    check_action(c, &rule->action);
}

static int
compare_rules(const void *a, const void *b)
{
    const struct config_rule *x = a;
    const struct config_rule *y = b;

    return (x->priority > y->priority) - (x->priority < y->priority);
}

static void
check_rules(struct check *c, struct config_listener *l)
{
    for (size_t i = 0; i < l->rule_count; i++) {
        snprintf(c->where, sizeof(c->where), "%s.rules[%zu]", c->scope, i);
        check_rule(c, l, &l->rules[i]);
        for (size_t j = 0; j < i; j++) {
            if (l->rules[j].priority != l->rules[i].priority || l->rules[i].priority == 0)
                continue;
            check_error(c, l->rules[i].pos, "priority %lld is taken by the rule in line %d",
                        (long long)l->rules[i].priority, l->rules[j].pos.line);
            break;
        }
    }
    if (l->rule_count > 0)
        qsort(l->rules, l->rule_count, sizeof(*l->rules), compare_rules);
}

/* Without one, what no rule takes is not forwarded anywhere. */
static void
complete_default_action(struct check *c, struct config_listener *l)
{
    if (l->default_action.pos.line != 0)
        return;
    if (l->rules == NULL)
        check_error(c, l->pos, "needs rules or a default_action");
    l->default_action =
        (struct config_action){.kind = ACTION_FIXED_RESPONSE, .status = 404, .body = STR("")};
}

/* ---- hosts ---- */

static bool
has_cert_rule(const struct config_listener *l)
{
    for (size_t i = 0; i < l->rule_count; i++)
        if (l->rules[i].when.cert.is_set)
            return true;
    return false;
}

/* Rules that were written for the listener must make sense under the host's own demands. */
static void
inherit(struct check *c, const struct config_listener *l, struct config_host *h)
{
    bool inherits_mutual = h->mutual.pos.line == 0;

    h->shares_certificates = h->certificates == NULL;
    if (h->shares_certificates) {
        h->certificates = l->certificates;
        h->certificate_count = l->certificate_count;
    }
    if (inherits_mutual)
        h->mutual = l->mutual;
    if (h->default_action.pos.line == 0)
        h->default_action = l->default_action;
    if (h->rules != NULL)
        return;
    h->rules = l->rules;
    h->rule_count = l->rule_count;
    if (!inherits_mutual && has_cert_rule(l) &&
        (h->mutual.mode == MUTUAL_OFF || h->mutual.mode == MUTUAL_PASSTHROUGH))
        check_error(c, h->pos,
                    "the listener's rules ask for client_certificate, which can never hold in this "
                    "mode; give this host rules of its own");
}

/* The host that says this name before the n-th of the host at index does; NULL: none. */
static const struct config_host *
find_name(const struct config_listener *l, size_t index, size_t n)
{
    struct str name = l->hosts[index].names.items[n];

    for (size_t i = 0; i <= index; i++) {
        const struct config_host *other = &l->hosts[i];
        size_t count = i == index ? n : other->names.count;

        for (size_t m = 0; m < count; m++)
            if (str_eq(other->names.items[m], name))
                return other;
    }
    return NULL;
}

static void
check_host_names(struct check *c, const struct config_listener *l, size_t index)
{
    const struct config_host *mine = &l->hosts[index];

    for (size_t n = 0; n < mine->names.count; n++) {
        const struct config_host *other = find_name(l, index, n);

        if (other != NULL)
            check_error(c, mine->pos, "%.*s is named already, by the host in line %d",
                        STR_ARG(mine->names.items[n]), other->pos.line);
    }
}

static void
check_host(struct check *c, struct config_listener *l, size_t listener, size_t index)
{
    struct config_host *h = &l->hosts[index];
    bool has_own_rules = h->rules != NULL;
    bool has_own_action = h->default_action.pos.line != 0;
    bool has_own_mutual = h->mutual.pos.line != 0;
    struct config_listener view;

    snprintf(c->scope, sizeof(c->scope), "listeners[%zu].hosts[%zu]", listener, index);
    snprintf(c->where, sizeof(c->where), "%s.names", c->scope);
    check_host_names(c, l, index);
    snprintf(c->where, sizeof(c->where), "%s.mutual_authentication", c->scope);
    if (has_own_mutual)
        check_mutual(c, &h->mutual);
    snprintf(c->where, sizeof(c->where), "%s", c->scope);
    inherit(c, l, h);
    view = config_host_view(l, h);
    snprintf(c->where, sizeof(c->where), "%s.default_action", c->scope);
    if (has_own_action)
        check_action(c, &h->default_action);
    if (has_own_rules)
        check_rules(c, &view);
}

/* Headers about verified clients need somebody who verifies. */
static void
check_handover(struct check *c, const struct config_listener *l)
{
    const struct str *names = (const struct str *)(const void *)&l->attributes.names;
    bool judges = l->mutual.mode == MUTUAL_VERIFY || l->mutual.mode == MUTUAL_OPTIONAL;

    for (size_t i = 0; i < l->host_count; i++)
        judges = judges || l->hosts[i].mutual.mode == MUTUAL_VERIFY ||
                 l->hosts[i].mutual.mode == MUTUAL_OPTIONAL;
    if (l->handover != 0 && !judges && l->mutual.mode >= 0)
        check_error(c, l->pos,
                    "client_certificate_headers need mutual_authentication with mode verify or "
                    "optional");
    for (size_t i = 0; i < sizeof(l->attributes.names) / sizeof(struct str); i++)
        if (handover_has_name(l->handover, names[i]))
            check_error(c, l->attributes.pos,
                        "a header is renamed to %.*s, which client_certificate_headers send",
                        STR_ARG(names[i]));
}

/* ---- listeners ---- */

static void
check_protocols(struct check *c, struct config_listener *l)
{
    if (l->attributes.has_http2 || !l->protocols.has_h2)
        return;
    if (l->protocols.pos.line != 0)
        check_error(c, l->attributes.has_http2_pos,
                    "routing.http2.enabled is false, but protocols (line %d) names h2",
                    l->protocols.pos.line);
    l->protocols.has_h2 = false;
}

static void
check_listener(struct check *c, size_t index)
{
    struct config_listener *l = &c->config->listeners[index];

    snprintf(c->scope, sizeof(c->scope), "listeners[%zu]", index);
    snprintf(c->where, sizeof(c->where), "%s", c->scope);
    for (size_t i = 0; i < index && l->name != NULL; i++) {
        const char *other = c->config->listeners[i].name;

        if (other != NULL && strcmp(other, l->name) == 0)
            check_error(c, l->pos, "the listener in line %d is called \"%s\" too",
                        c->config->listeners[i].pos.line, l->name);
    }
    for (size_t i = 0; i < l->address_count; i++)
        check_address(c, index, i);
    if (l->proxy.mode > CONFIG_PROXY_OFF && l->proxy.sources == NULL)
        check_error(c, l->proxy.pos,
                    "proxy_protocol needs trusted_sources: whoever may send the header may claim "
                    "any address");
    check_protocols(c, l);
    complete_default_action(c, l);
    snprintf(c->where, sizeof(c->where), "listeners[%zu].tls", index);
    if (l->tls.ticket_keys_pos.line != 0 && l->tls.resumption == 0)
        check_error(c, l->tls.ticket_keys_pos, "ticket_keys needs session_resumption: on");
    snprintf(c->where, sizeof(c->where), "listeners[%zu].mutual_authentication", index);
    check_mutual(c, &l->mutual);
    snprintf(c->where, sizeof(c->where), "listeners[%zu].default_action", index);
    check_action(c, &l->default_action);
    check_rules(c, l);
    for (size_t i = 0; i < l->host_count; i++)
        check_host(c, l, index, i);
    snprintf(c->where, sizeof(c->where), "listeners[%zu]", index);
    check_handover(c, l);
}

/* ---- the rest ---- */

static void
check_exception(struct check *c, const struct config_exception *e)
{
    bool is_about_expiry = e->allow == TRUST_ALLOW_EXPIRED;

    if ((e->issuer != NULL) == (e->sha256 != NULL))
        check_error(c, e->pos, "expected exactly one of issuer and sha256");
    if (e->allow >= 0 && is_about_expiry && e->max_age_ms == 0)
        check_error(c, e->pos, "allow: expired needs max_age");
    if (e->allow >= 0 && !is_about_expiry && e->max_age_ms != 0)
        check_error(c, e->pos, "max_age is for allow: expired only");
    if (e->until_s != 0 && e->until_s < c->now_s)
        check_warn(c, e->pos, "has ended and lets nobody pass any more; remove it");
}

static void
check_crl_sources(struct check *c, const struct config_trust_store *t)
{
    for (size_t i = 0; i < t->crl_count; i++) {
        const struct config_crl_source *src = &t->crls[i];

        if (src->url == NULL)
            continue;
        if (c->config->state_dir == NULL)
            check_error(c, src->pos, "a list from a URL needs state_dir, where its copy is kept");
        if (src->region != NULL && !str_starts_nocase(str_from(src->url), STR("s3://")))
            check_error(c, src->pos, "region is for s3 URLs only");
        for (size_t j = 0; j < i; j++)
            if (t->crls[j].url != NULL && strcmp(t->crls[j].url, src->url) == 0)
                check_error(c, src->pos, "%.200s stands here twice", src->url);
    }
}

static void
check_trust_store(struct check *c, const struct config_trust_store *t)
{
    for (size_t i = 0; i < t->exception_count; i++) {
        snprintf(c->where, sizeof(c->where), "trust_stores.%.64s.exceptions[%zu]", t->name, i);
        check_exception(c, &t->exceptions[i]);
    }
    snprintf(c->where, sizeof(c->where), "trust_stores.%.64s.crls", t->name);
    check_crl_sources(c, t);
    snprintf(c->where, sizeof(c->where), "trust_stores.%.64s", t->name);
    if (t->crl_grace_pos.line != 0 && t->crl_expired >= 0 && t->crl_expired != CRL_EXPIRED_GRACE)
        check_error(c, t->crl_grace_pos, "crl_grace needs crl_expired: grace");
    if (t->crls_pos.line != 0)
        return;
    if (t->crl_missing_pos.line != 0)
        check_error(c, t->crl_missing_pos,
                    "crl_missing needs crls; without any, revocation is not checked");
    if (t->crl_expired_pos.line != 0)
        check_error(c, t->crl_expired_pos,
                    "crl_expired needs crls; without any, revocation is not checked");
}

static void
check_targets(struct check *c, const struct config_target_group *g)
{
    for (size_t i = 0; i < g->target_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (g->targets[i].port != g->targets[j].port ||
                strcmp(g->targets[i].name, g->targets[j].name) != 0)
                continue;
            check_error(c, g->targets[i].pos, "target %s:%u stands here twice", g->targets[i].name,
                        g->targets[i].port);
            break;
        }
    }
}

static void
check_target_group(struct check *c, const struct config_target_group *g)
{
    const struct config_upstream_tls *tls = &g->tls;

    snprintf(c->where, sizeof(c->where), "target_groups.%.64s", g->name);
    if (g->protocol == 0 && tls->pos.line != 0)
        check_error(c, tls->pos, "tls needs protocol: https");
    if (tls->client_certificate != NULL && tls->client_private_key == NULL)
        check_error(c, tls->pos, "client_certificate needs its client_private_key");
    if (tls->client_certificate == NULL && tls->client_private_key != NULL)
        check_error(c, tls->pos, "client_private_key needs its client_certificate");
}

static void
check_target_groups(struct check *c)
{
    const struct config *config = c->config;
    size_t targets = 0;

    for (size_t i = 0; i < config->target_group_count; i++) {
        targets += config->target_groups[i].target_count;
        check_target_group(c, &config->target_groups[i]);
        if (targets <= TARGETS_MAX)
            check_targets(c, &config->target_groups[i]);
    }
    snprintf(c->where, sizeof(c->where), "target_groups");
    if (targets > TARGETS_MAX)
        check_error(c, config->target_groups[0].pos,
                    "%zu targets in all groups; at most %d are accepted", targets, TARGETS_MAX);
}

static void
warn_unused(struct check *c)
{
    const struct config *config = c->config;

    for (size_t i = 0; i < config->trust_store_count; i++) {
        snprintf(c->where, sizeof(c->where), "trust_stores.%.64s", config->trust_stores[i].name);
        if (!c->store_used[i])
            check_warn(c, config->trust_stores[i].pos, "no listener uses it");
    }
    for (size_t i = 0; i < config->target_group_count; i++) {
        snprintf(c->where, sizeof(c->where), "target_groups.%.64s", config->target_groups[i].name);
        if (!c->group_used[i])
            check_warn(c, config->target_groups[i].pos, "no action forwards to it");
    }
}

static void
check_process(struct check *c)
{
    const struct config *config = c->config;
    bool is_root = geteuid() == 0;

    snprintf(c->where, sizeof(c->where), "run_as");
    if (config->run_as.user != NULL && !is_root)
        check_warn(c, config->run_as.pos, "has no effect: not started as root");
    snprintf(c->where, sizeof(c->where), "admin.bind");
    if (config->admin.bind.addr.len != 0 && !is_loopback(&config->admin.bind.addr))
        check_warn(c, config->admin.bind.pos,
                   "no loopback address, and it asks for no password: whoever reaches it reads "
                   "status and figures");
}

void
config_check(struct config *config, struct diag *diag)
{
    struct check c = {.config = config, .diag = diag, .now_s = time(NULL)};

    c.store_used = conf_calloc(&config->arena, config->trust_store_count, sizeof(bool));
    c.group_used = conf_calloc(&config->arena, config->target_group_count, sizeof(bool));
    check_process(&c);
    for (size_t i = 0; i < config->listener_count; i++)
        check_listener(&c, i);
    for (size_t i = 0; i < config->trust_store_count; i++)
        check_trust_store(&c, &config->trust_stores[i]);
    check_target_groups(&c);
    if (!diag_has_errors(diag))
        warn_unused(&c);
}
