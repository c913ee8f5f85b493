/* SPDX-License-Identifier: Apache-2.0
 *
 * What the gateway tells about itself: health, and one status in three forms.
 * Called by the admin listener on the control thread; owns nothing. Must never show a key,
 * a certificate's body or anything of a request.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/gateway_priv.h"
#include "ctl/mem.h"
#include "ctl/report.h"
#include "tls/tls_ctx.h"

static const char *
phase_name(const struct gateway *g)
{
    static const char *const names[] = {
        [GATEWAY_STARTING] = "starting",
        [GATEWAY_SERVING] = "serving",
        [GATEWAY_DRAINING] = "draining",
        [GATEWAY_STOPPING] = "stopping",
    };

    return names[g->phase];
}

static const char *
mode_name(enum mutual_mode mode)
{
    static const char *const names[] = {
        [MUTUAL_OFF] = "off",
        [MUTUAL_PASSTHROUGH] = "passthrough",
        [MUTUAL_OPTIONAL] = "optional",
        [MUTUAL_VERIFY] = "verify",
    };

    return names[mode];
}

/* ---- status -------------------------------------------------------------------------------- */

static void
status_process(const struct gateway *g, struct report *r)
{
    report_facts(r, "gateway");
    report_str(r, "version", STR(SALLYPORT_VERSION));
    report_str(r, "state", str_from(phase_name(g)));
    report_int(r, "process", getpid());
    report_int(r, "workers", g->worker_count);
    report_str(r, "configuration", str_from(g->options->config_path));
    report_time(r, "started", g->started_wall_s);
    report_seconds(r, "uptime_seconds", (loop_now(g->loop)->mono_ms - g->started_mono_ms) / 1000);
    report_int(r, "generation", (int64_t)g->reload.generation);
    report_int(r, "log_lines_dropped", (int64_t)log_writer_dropped(g->logs));
}

static void
status_reload(const struct gateway *g, struct report *r)
{
    static const char *const columns[] = {"message"};
    const struct reload *reload = &g->reload;
    struct str rest = str_from(reload->text);
    struct str line;
    bool done = false;

    report_facts(r, "last_load");
    report_str(r, "result",
               reload->ended_wall_s == 0 ? STR("none yet")
               : reload->was_loaded      ? STR("loaded")
                                         : STR("refused"));
    report_time(r, "ended", reload->ended_wall_s == 0 ? INT64_MAX : reload->ended_wall_s);
    report_bool(r, "is_running", reload->phase != RELOAD_IDLE);
    report_int(r, "loaded_count", (int64_t)reload->loaded_count);
    report_int(r, "refused_count", (int64_t)reload->refused_count);
    report_table(r, "last_load_messages", columns, array_len(columns));
    while (rest.len > 0 && str_split_next(&rest, '\n', &done, &line)) {
        if (line.len == 0)
            continue;
        report_row(r);
        report_str(r, "message", line);
    }
}

static void
report_addresses(const struct gateway *g, struct report *r, const struct site_listener *l)
{
    char text[LISTENER_ADDRESSES_MAX * (ADDR_TEXT_MAX + 2)] = "";
    char one[ADDR_TEXT_MAX];
    size_t len = 0;

    for (size_t i = 0; i < l->address_count; i++) {
        const struct socket_entry *e = sockets_find(&g->sockets, &l->addresses[i]);

        addr_format(e != NULL ? &e->bound : &l->addresses[i], one);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? ", " : "", one);
    }
    report_str(r, "addresses", str_make(text, len));
}

/* "*.bank.example, bank.example"; "-" for the listener's own policy. */
static void
report_names(struct report *r, const struct str_list *names)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    gw_assert(out != NULL);
    for (size_t i = 0; i < names->count; i++)
        fprintf(out, "%s%.*s", i > 0 ? ", " : "", STR_ARG(names->items[i]));
    gw_assert(fclose(out) == 0);
    report_str(r, "hosts", names->count > 0 ? str_make(text, len) : STR("-"));
    free(text);
}

static void
status_policy(const struct gateway *g, const struct snapshot *s, const struct site_listener *l,
              const struct site_policy *p, struct report *r)
{
    const struct tls_server *tls = s->tls_servers[p->tls_index];

    report_row(r);
    report_str(r, "name", l->name);
    report_names(r, &p->names);
    report_addresses(g, r, l);
    report_str(r, "protocols",
               l->has_h2 && l->has_http11 ? STR("h2, http/1.1")
               : l->has_h2                ? STR("h2")
                                          : STR("http/1.1"));
    report_str(r, "mode", str_from(mode_name(p->mode)));
    report_bool(r, "report_only", p->report_only);
    report_str(r, "trust_store",
               str_from(p->trust_index >= 0 ? trust_name(s->trusts[p->trust_index]) : "-"));
    report_int(r, "certificates", (int64_t)tls_server_cert_count(tls));
    report_time(r, "cert_expires", tls_server_not_after(tls));
}

static void
status_listeners(const struct gateway *g, const struct snapshot *s, struct report *r)
{
    static const char *const columns[] = {"name",        "hosts",        "addresses",
                                          "protocols",   "mode",         "report_only",
                                          "trust_store", "certificates", "cert_expires"};

    report_table(r, "listeners", columns, array_len(columns));
    for (size_t i = 0; i < s->site->listener_count; i++) {
        const struct site_listener *l = &s->site->listeners[i];

        for (size_t j = 0; j < l->policy_count; j++)
            status_policy(g, s, l, &l->policies[j], r);
    }
}

static void
status_trusts(const struct snapshot *s, struct report *r)
{
    static const char *const columns[] = {"name", "authorities", "revocation_lists"};

    report_table(r, "trust_stores", columns, array_len(columns));
    for (size_t i = 0; i < s->trust_count; i++) {
        report_row(r);
        report_str(r, "name", str_from(trust_name(s->trusts[i])));
        report_int(r, "authorities", (int64_t)trust_ca_count(s->trusts[i]));
        report_int(r, "revocation_lists", (int64_t)trust_crl_count(s->trusts[i]));
    }
}

struct source_search {
    struct str cache_path;
    struct supply_state found;
    bool is_found;
};

static void
on_searched_source(void *arg, const struct supply_state *state)
{
    struct source_search *search = arg;

    if (!str_eq(str_from(state->cache_path), search->cache_path))
        return;
    search->found = *state;
    search->is_found = true;
}

static void
report_seen(struct report *r, const char *key, int64_t wall_s)
{
    report_time(r, key, wall_s == 0 ? INT64_MAX : wall_s);
}

static void
status_list(const struct gateway *g, const struct trust *t, const struct crl *crl, struct report *r)
{
    const struct crl_info *info = crl_info(crl);
    struct source_search search = {.cache_path = info->file};
    int64_t now_s = clock_wall_s(loop_now(g->loop));

    supply_each(g->supply, on_searched_source, &search);

    report_row(r);
    report_str(r, "trust_store", str_from(trust_name(t)));
    report_str(r, "issuer", info->issuer_text);
    report_int(r, "entries", (int64_t)info->entry_count);
    report_str(r, "number", info->number_hex);
    report_str(r, "delta_of", info->is_delta ? info->base_hex : STR("-"));
    report_time(r, "this_update", info->this_update_s);
    report_time(r, "next_update", info->next_update_s);
    report_seconds(r, "age_seconds", now_s - info->this_update_s);
    if (info->next_update_s == INT64_MAX)
        report_str(r, "seconds_to_next_update", STR("-"));
    else
        report_seconds(r, "seconds_to_next_update", info->next_update_s - now_s);
    report_int(r, "bytes", (int64_t)crl_bytes(crl));
    report_str(r, "file", info->file);
    report_str(r, "source", search.is_found ? str_from(search.found.url) : info->file);
    report_seen(r, "last_fetch", search.is_found ? search.found.last_fetch_s : 0);
    report_str(r, "last_error", search.is_found ? str_from(search.found.error) : STR(""));
}

static void
status_lists(const struct gateway *g, const struct snapshot *s, struct report *r)
{
    static const char *const columns[] = {"trust_store", "issuer",      "entries",
                                          "number",      "delta_of",    "this_update",
                                          "next_update", "age_seconds", "seconds_to_next_update",
                                          "bytes",       "file",        "source",
                                          "last_fetch",  "last_error"};

    report_table(r, "revocation_lists", columns, array_len(columns));
    for (size_t i = 0; i < s->trust_count; i++) {
        for (size_t j = 0; j < trust_crl_count(s->trusts[i]); j++)
            status_list(g, s->trusts[i], trust_crl(s->trusts[i], j), r);
    }
}

struct sources_arg {
    struct report *r;
    int64_t now_ms;
};

static void
on_source(void *arg, const struct supply_state *s)
{
    const struct sources_arg *a = arg;

    report_row(a->r);
    report_str(a->r, "source", str_from(s->url));
    report_seen(a->r, "last_fetch", s->last_fetch_s);
    report_seen(a->r, "last_success", s->last_success_s);
    report_ms(a->r, "asked_again_in_ms", s->next_ms > a->now_ms ? s->next_ms - a->now_ms : 0);
    report_int(a->r, "errors", (int64_t)s->error_count);
    report_str(a->r, "last_error", str_from(s->error));
}

/* Those without any list too. */
static void
status_sources(const struct gateway *g, struct report *r)
{
    static const char *const columns[] = {
        "source", "last_fetch", "last_success", "asked_again_in_ms", "errors", "last_error"};
    struct sources_arg arg = {.r = r, .now_ms = loop_now(g->loop)->mono_ms};

    report_table(r, "list_sources", columns, array_len(columns));
    supply_each(g->supply, on_source, &arg);
}

static void
status_upstreams(const struct snapshot *s, struct report *r)
{
    static const char *const columns[] = {"target_group", "target", "port", "protocol"};

    report_table(r, "targets", columns, array_len(columns));
    for (size_t i = 0; i < s->site->upstream_count; i++) {
        const struct site_upstream *up = &s->site->upstreams[i];

        for (size_t j = 0; j < up->target_count; j++) {
            report_row(r);
            report_str(r, "target_group", up->name);
            report_str(r, "target", up->targets[j].name);
            report_int(r, "port", up->targets[j].port);
            report_str(r, "protocol", up->has_tls ? STR("https") : STR("http"));
        }
    }
}

struct names_arg {
    struct report *r;
    int64_t now_ms;
};

static void
on_name(void *arg, const struct resolve_state *s)
{
    const struct names_arg *a = arg;
    char text[TARGET_ADDRESSES_MAX * (ADDR_TEXT_MAX + 2)] = "";
    char one[ADDR_TEXT_MAX];
    size_t len = 0;

    for (size_t i = 0; s->last != NULL && i < s->last->count; i++) {
        addr_format(&s->last->addrs[i], one);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? ", " : "", one);
    }
    report_row(a->r);
    report_str(a->r, "name", str_from(s->name));
    report_int(a->r, "port", s->port);
    report_str(a->r, "addresses", str_make(text, len));
    report_ms(a->r, "asked_again_in_ms", s->next_ms > a->now_ms ? s->next_ms - a->now_ms : 0);
    report_str(a->r, "error", s->is_asked ? str_from(s->error) : STR("not asked yet"));
}

static void
status_names(const struct gateway *g, struct report *r)
{
    static const char *const columns[] = {"name", "port", "addresses", "asked_again_in_ms",
                                          "error"};
    struct names_arg arg = {.r = r, .now_ms = loop_now(g->loop)->mono_ms};

    report_table(r, "names", columns, array_len(columns));
    resolver_each(g->resolver, on_name, &arg);
}

static uint64_t
load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void
status_traffic(const struct metrics *sum, struct report *r)
{
    static const char *const names[] = {
#define X(name, type, prometheus, help) [METRIC_##name] = prometheus,
#include "obs/metrics.def"
#undef X
    };

    report_facts(r, "traffic");
    for (size_t i = 0; i < METRIC_COUNT; i++)
        report_int(r, names[i] + strlen("sallyport_"), (int64_t)load(&sum->values[i]));
}

static void
status_reasons(const char *key, const _Atomic uint64_t *counts, struct report *r)
{
    static const char *const columns[] = {"reason", "count", "meaning"};

    report_table(r, key, columns, array_len(columns));
    for (unsigned i = 0; i < REASON_COUNT; i++) {
        if (load(&counts[i]) == 0)
            continue;
        report_row(r);
        report_str(r, "reason", str_from(reason_token((enum reason)i)));
        report_int(r, "count", (int64_t)load(&counts[i]));
        report_str(r, "meaning", str_from(reason_text((enum reason)i)));
    }
}

static void
status_responses(const struct metrics *sum, struct report *r)
{
    static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    _Static_assert(array_len(classes) == array_len(sum->responses), "one for each class");

    report_facts(r, "responses");
    for (size_t i = 0; i < array_len(classes); i++)
        report_int(r, classes[i], (int64_t)load(&sum->responses[i]));
}

static void
status_write(const struct gateway *g, enum report_format format, FILE *out)
{
    const struct snapshot *s = g->current != NULL ? g->current->snapshot : NULL;
    struct metrics sum;
    struct report r;

    gateway_sum_metrics(g, &sum);
    report_begin(&r, out, format, "Sallyport");
    status_process(g, &r);
    gateway_report_attention(g, &sum, &r);
    status_reasons("refused_connections", sum.refused, &r);
    status_reasons("would_refuse_connections", sum.would_refuse, &r);
    status_responses(&sum, &r);
    status_reload(g, &r);
    if (s != NULL) {
        status_listeners(g, s, &r);
        status_trusts(s, &r);
        status_lists(g, s, &r);
        status_sources(g, &r);
        status_upstreams(s, &r);
    }
    status_names(g, &r);
    gateway_deny_report(g, &r);
    status_traffic(&sum, &r);
    report_end(&r);
}

/* ---- paths --------------------------------------------------------------------------------- */

int
status_get(void *arg, struct str path, FILE *out, const char **ret_type)
{
    const struct gateway *g = arg;

    if (str_eq(path, STR("/healthz"))) {
        fputs("ok\n", out);
        return 200;
    }
    if (str_eq(path, STR("/readyz"))) {
        fprintf(out, "%s\n", g->phase == GATEWAY_SERVING ? "ready" : phase_name(g));
        return g->phase == GATEWAY_SERVING ? 200 : 503;
    }
    if (str_eq(path, STR("/metrics"))) {
        *ret_type = "text/plain; version=0.0.4; charset=utf-8";
        gateway_write_metrics(g, out);
        return 200;
    }
    if (str_eq(path, STR("/status"))) {
        *ret_type = "text/html; charset=utf-8";
        status_write(g, REPORT_HTML, out);
        return 200;
    }
    if (str_eq(path, STR("/status.json"))) {
        *ret_type = "application/json";
        status_write(g, REPORT_JSON, out);
        return 200;
    }
    if (str_eq(path, STR("/status.txt"))) {
        status_write(g, REPORT_TEXT, out);
        return 200;
    }
    return 404;
}
