/* SPDX-License-Identifier: Apache-2.0
 *
 * What `explain` reads: the configuration or a bare trust store, and certificates as people
 * have them in files. Called by explain.c. Owns nothing. Must never be more lenient than the
 * gateway about anything but text around the certificates.
 */
#include "ctl/explain_priv.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "cert/cert.h"
#include "cert/pem.h"
#include "ctl/mem.h"
#include "http/target.h"

#define BEGIN_CERTIFICATE STR("-----BEGIN CERTIFICATE-----")
#define END_CERTIFICATE STR("-----END CERTIFICATE-----")

static int
add_cert(struct explain *e, struct str der)
{
    X509 *cert = cert_from_der(der);

    if (cert == NULL)
        return GW_E_PARSE;
    gw_assert(sk_X509_push(e->sent, cert) > 0);
    return 0;
}

static int
on_pem_cert(void *arg, struct str der, int line)
{
    (void)line;
    return add_cert(arg, der);
}

/* Only what stands between BEGIN and END lines, so that the output of `openssl x509 -text` and
 * files with a key in them can be explained too. Line numbers stay right. */
static struct str
keep_certificates(struct explain *e, struct str text)
{
    char *copy = arena_alloc(&e->arena, text.len + 1);
    struct str rest = text, line;
    bool done = false, is_inside = false;
    size_t len = 0;

    gw_assert(copy != NULL);
    while (str_split_next(&rest, '\n', &done, &line)) {
        is_inside = is_inside || str_starts(line, BEGIN_CERTIFICATE);
        if (is_inside) {
            memcpy(copy + len, line.ptr, line.len);
            len += line.len;
        }
        copy[len++] = '\n';
        if (str_starts(line, END_CERTIFICATE))
            is_inside = false;
    }
    return str_make(copy, len);
}

static int
load_certs(struct explain *e, const char *path, struct diag *diag)
{
    struct file file;
    struct str text;
    int rc = file_read(path, MIB(1), FILE_PUBLIC, false, diag, &file);

    if (rc != 0)
        return GW_E_CONFIG;
    text = str_make(file.bytes, file.len);
    if (file.len > 0 && file.bytes[0] == 0x30) {
        rc = add_cert(e, text);
    } else {
        const struct pem_input in = {
            .text = keep_certificates(e, text), .file = path, .label = "CERTIFICATE"};

        rc = pem_parse(&in, on_pem_cert, e, diag);
    }
    file_done(&file);
    if (rc == GW_E_PARSE)
        diag_error(diag, path, 0, 0, "holds something that is no X.509 certificate");
    return rc == 0 ? 0 : GW_E_CONFIG;
}

static int
load_sent(struct explain *e, struct diag *diag)
{
    const struct explain_options *o = e->options;

    e->sent = sk_X509_new_null();
    gw_assert(e->sent != NULL);
    if (load_certs(e, o->cert, diag) != 0)
        return GW_E_CONFIG;
    e->leaf = sk_X509_value(e->sent, 0);
    if (o->untrusted != NULL && load_certs(e, o->untrusted, diag) != 0)
        return GW_E_CONFIG;
    return 0;
}

static int
load_time(struct explain *e, int64_t *ret_now_s, struct diag *diag)
{
    const char *at = e->options->at;
    struct clock now;

    clock_read(&now);
    *ret_now_s = clock_wall_s(&now);
    e->at_s = *ret_now_s;
    if (at != NULL && clock_parse_rfc3339(str_from(at), &e->at_s) != 0) {
        diag_error(diag, NULL, 0, 0, "--at %s: not a time such as 2026-11-24T12:00:00Z", at);
        return GW_E_CONFIG;
    }
    return 0;
}

/* A list that has expired is refused at load unless the trust store before held it too. Such a
 * store is built first, so that the judge says what it would say in a gateway that has run for
 * long. */
static int
build_bare(struct explain *e, int64_t now_s, struct diag *diag)
{
    const struct explain_options *o = e->options;
    struct trust_source source = {
        .name = o->trust_store,
        .ca_bundle = o->trust_store,
        .crl_paths = o->crls,
        .crl_path_count = o->crl_count,
        .crl_missing = CRL_MISSING_REFUSE,
        .crl_expired = CRL_EXPIRED_ALLOW,
        .max_chain_depth = CHAIN_DEPTH_DEFAULT,
    };
    struct trust *before = NULL;
    int rc = trust_build(&source, NULL, now_s, diag, &before);

    e->mode = MUTUAL_VERIFY;
    if (rc != 0)
        return rc;
    source.crl_expired = CRL_EXPIRED_REFUSE;
    rc = trust_build(&source, before, now_s, diag, &e->trust);
    trust_unref(before);
    return rc;
}

static void
listener_names(const struct site *site, struct arena *arena, struct str *ret)
{
    struct str all = STR("");

    gw_assert(site->listeners != NULL || site->listener_count == 0);
    for (size_t i = 0; i < site->listener_count; i++)
        all = arena_printf(arena, "%.*s%s%.*s", STR_ARG(all), i > 0 ? ", " : "",
                           STR_ARG(site->listeners[i].name));
    *ret = all;
}

static bool
judges_clients(const struct site_listener *l)
{
    for (size_t i = 0; i < l->policy_count; i++) {
        if (l->policies[i].mode == MUTUAL_VERIFY || l->policies[i].mode == MUTUAL_OPTIONAL)
            return true;
    }
    return false;
}

/* Where there is no choice nobody needs to choose; NULL otherwise. */
static const struct site_listener *
only_listener(const struct site *site)
{
    const struct site_listener *only = NULL;

    if (site->listener_count == 1)
        return &site->listeners[0];
    for (size_t i = 0; i < site->listener_count; i++) {
        if (!judges_clients(&site->listeners[i]))
            continue;
        if (only != NULL)
            return NULL;
        only = &site->listeners[i];
    }
    return only;
}

static int
find_listener(struct explain *e, struct diag *diag)
{
    const struct site *site = e->snapshot->site;
    const char *name = e->options->listener;
    struct str names;

    if (name != NULL)
        e->listener = site_listener_find(site, str_from(name));
    else
        e->listener = only_listener(site);
    if (e->listener != NULL)
        return 0;
    listener_names(site, &e->arena, &names);
    if (name != NULL)
        diag_error(diag, e->options->config, 0, 0, "there is no listener \"%s\"; there are: %.*s",
                   name, STR_ARG(names));
    else
        diag_error(diag, e->options->config, 0, 0, "say which listener by --listener: %.*s",
                   STR_ARG(names));
    return GW_E_CONFIG;
}

/* The name that the client would send: --sni, or else the host of the request. */
static int
find_policy(struct explain *e, struct diag *diag)
{
    const char *sni = e->options->sni != NULL ? e->options->sni : e->options->host;
    struct str authority, host = STR("");
    uint16_t port;

    if (sni != NULL && authority_parse(str_from(sni), &e->arena, &authority, &host, &port) != 0) {
        diag_error(diag, NULL, 0, 0, "\"%s\" is no host name", sni);
        return GW_E_CONFIG;
    }
    e->sni = host;
    /* Without a name a client meets the strictest policy, as in the handshake. */
    e->policy = host.len > 0 ? site_policy_find(e->listener, host)
                             : &e->listener->policies[e->listener->strictest];
    e->mode = e->policy->mode;
    e->verify = e->policy->verify;
    if (e->policy->trust_index >= 0)
        e->trust = trust_ref(e->snapshot->trusts[e->policy->trust_index]);
    return 0;
}

/* What a gateway holds that started while its lists were current. NULL when that fails too. */
static struct snapshot *
build_before(const struct explain *e, int64_t now_s)
{
    struct snapshot *before = NULL;
    struct config *config = NULL;
    struct diag diag;

    diag_init(&diag);
    if (config_load(e->options->config, &diag, &config) == 0) {
        for (size_t i = 0; i < config->trust_store_count; i++)
            config->trust_stores[i].crl_expired = CRL_EXPIRED_ALLOW;
        if (snapshot_build(config, NULL, now_s, &diag, &before) != 0)
            before = NULL;
    }
    diag_done(&diag);
    return before;
}

static int
build_configured(struct explain *e, int64_t now_s, struct diag *diag)
{
    struct config *config = NULL;
    struct snapshot *before;
    int rc = config_load(e->options->config, diag, &config);

    if (rc != 0)
        return rc;
    before = build_before(e, now_s);
    rc = snapshot_build(config, before, now_s, diag, &e->snapshot);
    if (before != NULL)
        snapshot_unref(before);
    if (rc != 0)
        return rc;
    rc = find_listener(e, diag);
    return rc != 0 ? rc : find_policy(e, diag);
}

static int
build(struct explain *e, int64_t now_s, struct diag *diag)
{
    return e->options->config != NULL ? build_configured(e, now_s, diag)
                                      : build_bare(e, now_s, diag);
}

int
explain_load(struct explain *e, struct diag *diag)
{
    struct diag retry;
    int64_t now_s;
    int rc = load_time(e, &now_s, diag);

    if (rc != 0)
        return rc;
    if (load_sent(e, diag) != 0)
        return GW_E_CONFIG;
    rc = build(e, now_s, diag);
    if (rc == 0 || e->options->at == NULL || e->at_s >= now_s)
        return rc;
    /* What has expired since then may be the very question. */
    diag_init(&retry);
    rc = build(e, e->at_s, &retry);
    diag_done(&retry);
    return rc;
}

void
explain_done(struct explain *e)
{
    verdict_done(&e->verdict);
    trust_unref(e->trust);
    if (e->snapshot != NULL)
        snapshot_unref(e->snapshot);
    sk_X509_pop_free(e->sent, X509_free);
    free(e->steps);
    arena_done(&e->arena);
}
