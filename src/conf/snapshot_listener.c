/* SPDX-License-Identifier: Apache-2.0
 *
 * Listeners of a snapshot: server contexts, policies, forwarding. Called by snapshot_build
 * on the control thread. What it makes lives in the site's arena, the TLS contexts in the
 * snapshot. Must never leave a listener without its policy.
 */
#include "conf/digest.h"
#include "conf/mem.h"
#include "conf/snapshot_priv.h"
#include "conf/snapshot_rules.h"
#include "tls/ticket_keys.h"

#include <stdlib.h>

/* ---- policy ---- */

/* Equal exactly when clients must satisfy the same: connections of one policy then serve hosts of
 * the other. The lists are left out: they change what is revoked, not what is asked. */
static void
make_policy_digest(const struct snapshot_job *job, const struct config_mutual *m,
                   struct site_policy *p)
{
    struct digest d;

    digest_init(&d);
    digest_add_number(&d, p->mode);
    digest_add_number(&d, p->verify.ignore_expiry);
    digest_add_number(&d, p->report_only);
    if (m->trust_index >= 0) {
        const struct config_trust_store *store = &job->config->trust_stores[m->trust_index];
        const struct trust *trust = job->snapshot->trusts[m->trust_index];

        digest_add(&d, str_from(store->name));
        if (trust != NULL)
            digest_add(&d, str_make(trust_anchors_digest(trust), DIGEST_BYTES));
    }
    digest_done(&d, p->digest);
}

/* l: a listener, or a host's view of one. */
static void
build_policy(struct snapshot_job *job, const struct config_listener *l, int tls_index,
             struct site_policy *p)
{
    p->mode = (enum mutual_mode)l->mutual.mode;
    p->trust_index = l->mutual.trust_index;
    p->tls_index = tls_index;
    p->verify.ignore_expiry = l->mutual.ignore_expiry;
    p->report_only = l->mutual.report_only;
    snapshot_copy_rules(&job->snapshot->site->arena, l, &p->routes);
    make_policy_digest(job, &l->mutual, p);
}

/* ---- TLS ---- */

/* report_only has to let clients without a certificate through, too. */
static enum tls_client_auth
client_auth(const struct config_mutual *m)
{
    switch ((enum mutual_mode)m->mode) {
    case MUTUAL_OFF:
        return TLS_CLIENT_AUTH_OFF;
    case MUTUAL_PASSTHROUGH:
    case MUTUAL_OPTIONAL:
        return TLS_CLIENT_AUTH_REQUEST;
    case MUTUAL_VERIFY:
        break;
    }
    return m->report_only ? TLS_CLIENT_AUTH_REQUEST : TLS_CLIENT_AUTH_REQUIRE;
}

static STACK_OF(X509_NAME) *
    advertised_names(const struct snapshot_job *job, const struct config_mutual *m)
{
    const struct trust *trust = NULL;

    if (m->advertise_ca_names && m->trust_index >= 0)
        trust = job->snapshot->trusts[m->trust_index];
    return trust != NULL ? trust_ca_names(trust) : NULL;
}

static void
build_tls_server(struct snapshot_job *job, const struct config_listener *l,
                 struct ticket_keys *keys, struct tls_server **ret)
{
    struct tls_cert_source *certs = calloc(l->certificate_count + 1, sizeof(*certs));
    size_t errors_before = job->diag->error_count;
    struct tls_server_source src = {
        .name = l->name,
        .certs = certs,
        .cert_count = l->certificate_count,
        .minimum_version = l->tls.minimum_version == 13 ? TLS1_3_VERSION : TLS1_2_VERSION,
        .has_h2 = l->protocols.has_h2,
        .has_http11 = l->protocols.has_http11,
        .client_auth = client_auth(&l->mutual),
        .ca_names = advertised_names(job, &l->mutual),
    };

    gw_assert(certs != NULL);
    if (l->tls.resumption == 1)
        src.ticket_keys = keys;
    for (size_t i = 0; i < l->certificate_count; i++)
        certs[i] = (struct tls_cert_source){
            .certificate = l->certificates[i].certificate,
            .private_key = l->certificates[i].private_key,
            .named = {job->config->file, l->certificates[i].pos.line,
                      l->certificates[i].pos.column},
        };
    if (tls_server_build(&src, job->diag, ret) != 0 && job->diag->error_count == errors_before)
        diag_error(job->diag, job->config->file, l->pos.line, l->pos.column,
                   "listener \"%s\": TLS cannot be set up", l->name);
    free(certs);
}

/* ---- forwarding ---- */

static const struct str *
first_name(const struct forward_names *names)
{
    return (const struct str *)(const void *)names;
}

/* struct forward_names is names only: every one that differs from the default is reserved. */
static void
copy_names(struct arena *arena, const struct forward_names *from, struct forward_settings *to)
{
    const size_t count = sizeof(*from) / sizeof(struct str);
    struct str *copies = (struct str *)(void *)&to->names;
    struct str *renamed = conf_calloc(arena, count, sizeof(*renamed));

    for (size_t i = 0; i < count; i++) {
        copies[i] = conf_str(arena, first_name(from)[i]);
        if (!str_eq_nocase(copies[i], first_name(&forward_names_default)[i]))
            renamed[to->reserved.renamed_count++] = copies[i];
    }
    to->reserved.renamed = renamed;
}

static void
copy_forward(struct arena *arena, const struct config_attributes *from, struct forward_settings *to)
{
    struct forward_override *overrides =
        conf_calloc(arena, from->override_count, sizeof(*overrides));

    to->xff_mode = (enum xff_mode)from->xff_mode;
    to->xff_client_port = from->xff_client_port;
    to->host_as_alb = !from->preserves_host;
    to->sends_tls_headers = from->sends_tls_headers;
    to->sends_server = from->sends_server;
    copy_names(arena, &from->names, to);
    for (size_t i = 0; i < from->override_count; i++) {
        overrides[i].name = conf_str(arena, from->overrides[i].name);
        overrides[i].value = conf_str(arena, from->overrides[i].value);
    }
    to->response_overrides = overrides;
    to->response_override_count = from->override_count;
}

/* ---- listeners ---- */

static enum proxy_mode
proxy_mode(int configured)
{
    if (configured == CONFIG_PROXY_OFF)
        return PROXY_OFF;
    return configured == CONFIG_PROXY_OPTIONAL ? PROXY_OPTIONAL : PROXY_REQUIRED;
}

static void
copy_addresses(struct arena *arena, const struct config_listener *from, struct site_listener *to)
{
    to->addresses = conf_calloc(arena, from->address_count, sizeof(*to->addresses));
    to->address_count = from->address_count;
    for (size_t i = 0; i < from->address_count; i++)
        to->addresses[i] = from->addresses[i].addr;
    to->proxy_mode = proxy_mode(from->proxy.mode);
    to->proxy_sources = conf_calloc(arena, from->proxy.source_count, sizeof(struct cidr));
    to->proxy_source_count = from->proxy.source_count;
    for (size_t i = 0; i < from->proxy.source_count; i++)
        to->proxy_sources[i] = from->proxy.sources[i];
}

/* report_only lets everybody pass, so that even optional is stricter. */
static int
strictness(const struct site_policy *p)
{
    bool judges = p->mode == MUTUAL_VERIFY || p->mode == MUTUAL_OPTIONAL;

    return p->report_only && judges ? MUTUAL_PASSTHROUGH : (int)p->mode;
}

/* Without a server name nobody may choose a milder policy; among equals the listener's own. */
static unsigned
strictest_policy(const struct site_listener *l)
{
    unsigned best = 0;

    for (unsigned i = 1; i < l->policy_count; i++)
        if (strictness(&l->policies[i]) > strictness(&l->policies[best]))
            best = i;
    return best;
}

/* ---- tickets ---- */

/* Of the listener and all its hosts; NULL when sessions are not resumed or the keys are no
 * good. */
static struct ticket_keys *
listener_keys(struct snapshot_job *job, const struct config_listener *l)
{
    struct snapshot *s = job->snapshot;
    struct ticket_keys *keys = NULL;

    if (l->tls.resumption != 1)
        return NULL;
    if (l->tls.ticket_keys != NULL) {
        const struct config_pos *at = &l->tls.ticket_keys_pos;
        size_t errors_before = job->diag->error_count;
        int err;

        diag_named_at(job->diag, job->config->file, at->line, at->column);
        err = ticket_keys_load(l->tls.ticket_keys, job->diag, &keys);
        diag_named_nowhere(job->diag);
        if (err != 0 && job->diag->error_count == errors_before)
            diag_error(job->diag, job->config->file, at->line, at->column,
                       "listener \"%s\": ticket_keys: cannot be loaded", l->name);
        return keys;
    }
    if (s->ticket_keys == NULL && job->previous != NULL && job->previous->ticket_keys != NULL)
        s->ticket_keys = ticket_keys_ref(job->previous->ticket_keys);
    if (s->ticket_keys == NULL)
        s->ticket_keys = ticket_keys_random();
    return s->ticket_keys != NULL ? ticket_keys_ref(s->ticket_keys) : NULL;
}

/* ---- hosts ---- */

/* Certificates and what is asked for are all that a context knows of. */
static bool
shares_tls(const struct config_host *h, const struct config_listener *l)
{
    const struct config_mutual *a = &h->mutual, *b = &l->mutual;

    return h->shares_certificates && client_auth(a) == client_auth(b) &&
           a->advertise_ca_names == b->advertise_ca_names &&
           (!a->advertise_ca_names || a->trust_index == b->trust_index);
}

static void
copy_names_list(struct arena *arena, const struct str_list *from, struct str_list *to)
{
    struct str *items = conf_calloc(arena, from->count, sizeof(*items));

    for (size_t i = 0; i < from->count; i++)
        items[i] = conf_str(arena, from->items[i]);
    *to = (struct str_list){items, from->count};
}

static void
build_host(struct snapshot_job *job, const struct config_listener *l, size_t index,
           struct ticket_keys *keys, struct site_listener *to)
{
    struct snapshot *s = job->snapshot;
    const struct config_host *h = &l->hosts[index];
    struct config_listener view = config_host_view(l, h);
    struct site_policy *p = &to->policies[index + 1];
    int tls_index = to->policies[0].tls_index;

    if (!shares_tls(h, l)) {
        tls_index = (int)s->tls_server_count++;
        build_tls_server(job, &view, keys, &s->tls_servers[tls_index]);
    }
    copy_names_list(&s->site->arena, &h->names, &p->names);
    build_policy(job, &view, tls_index, p);
}

static void
build_policies(struct snapshot_job *job, const struct config_listener *from,
               struct site_listener *to)
{
    struct snapshot *s = job->snapshot;
    struct ticket_keys *keys = listener_keys(job, from);
    int tls_index = (int)s->tls_server_count++;

    to->policies = conf_calloc(&s->site->arena, 1 + from->host_count, sizeof(*to->policies));
    to->policy_count = 1 + from->host_count;
    build_tls_server(job, from, keys, &s->tls_servers[tls_index]);
    build_policy(job, from, tls_index, &to->policies[0]);
    for (size_t i = 0; i < from->host_count; i++)
        build_host(job, from, i, keys, to);
    to->strictest = strictest_policy(to);
    ticket_keys_unref(keys);
}

static void
build_listener(struct snapshot_job *job, size_t index)
{
    const struct config_listener *from = &job->config->listeners[index];
    struct arena *arena = &job->snapshot->site->arena;
    struct site_listener *to = &job->snapshot->site->listeners[index];

    to->name = conf_str(arena, str_from(from->name));
    to->elb = snapshot_resource_name(arena, "app", from->name);
    copy_addresses(arena, from, to);
    to->has_h2 = from->protocols.has_h2;
    to->has_http11 = from->protocols.has_http11;
    build_policies(job, from, to);
    copy_forward(arena, &from->attributes, &to->forward);
    to->forward.handover = from->handover;
    to->forward.identity_hash = forward_identity_hash(&to->forward);
    to->idle_timeout_ms = from->attributes.idle_timeout_s * 1000;
    to->client_keep_alive_ms = from->attributes.client_keep_alive_s * 1000;
}

void
snapshot_build_listeners(struct snapshot_job *job)
{
    struct snapshot *s = job->snapshot;
    size_t count = job->config->listener_count;
    size_t contexts = count;

    for (size_t i = 0; i < count; i++)
        contexts += job->config->listeners[i].host_count;
    s->tls_servers = calloc(contexts + 1, sizeof(struct tls_server *));
    gw_assert(s->tls_servers != NULL);
    s->site->listeners = conf_calloc(&s->site->arena, count, sizeof(*s->site->listeners));
    s->site->listener_count = count;
    for (size_t i = 0; i < count; i++)
        build_listener(job, i);
}
