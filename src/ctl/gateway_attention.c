/* SPDX-License-Identifier: Apache-2.0
 *
 * What somebody should look at, in one table at the top of the status: whoever is woken at night
 * reads it first. Called by gateway_status.c on the control thread; owns nothing. Must never be
 * silent about something that turns clients away or lets them in against the rules.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "ctl/gateway_priv.h"
#include "ctl/mem.h"
#include "ctl/report.h"
#include "tls/tls_ctx.h"

#define DETAIL_MAX 1024
#define LIST_FMT "%s: list number %.*s of \"%.*s\""
#define LIST_ARGS(t, info) trust_name(t), STR_ARG((info)->number_hex), STR_ARG((info)->issuer_text)

struct attention {
    const struct gateway *g;
    struct report *r;
    int64_t now_s;
    size_t count; /* also of those that are not shown */
};

static void note(struct attention *a, const char *what, const char *fmt, ...) GW_PRINTF(3, 4);

static void
note(struct attention *a, const char *what, const char *fmt, ...)
{
    char detail[DETAIL_MAX];
    va_list args;

    if (a->count++ >= STATUS_ATTENTION_MAX)
        return;
    va_start(args, fmt);
    (void)vsnprintf(detail, sizeof(detail), fmt, args);
    va_end(args);
    report_row(a->r);
    report_str(a->r, "what", str_from(what));
    report_str(a->r, "detail", str_from(detail));
}

static void
note_rest(const struct attention *a)
{
    char detail[64];

    snprintf(detail, sizeof(detail), "%zu more are not shown", a->count - STATUS_ATTENTION_MAX);
    report_row(a->r);
    report_str(a->r, "what", STR("more"));
    report_str(a->r, "detail", str_from(detail));
}

static void
look_at_process(struct attention *a, const struct metrics *sum)
{
    const struct reload *reload = &a->g->reload;
    uint64_t dropped = log_writer_dropped(a->g->logs);
    uint64_t rejected =
        atomic_load_explicit(&sum->values[METRIC_CONNECTIONS_REJECTED], memory_order_relaxed);

    if (a->g->phase == GATEWAY_DRAINING)
        note(a, "state", "draining: no new connections are accepted");
    if (reload->ended_wall_s != 0 && !reload->was_loaded)
        note(a, "last reload",
             "refused; generation %" PRIu64 " stays in use, the errors are under \"last load\"",
             (uint64_t)reload->generation);
    if (dropped > 0)
        note(a, "log", "%" PRIu64 " lines were dropped: the disk, or who reads them, is too slow",
             dropped);
    if (rejected > 0)
        note(a, "connections", "%" PRIu64 " were closed at accept: a limit was reached", rejected);
}

static void
look_at_listener(struct attention *a, const struct snapshot *s, const struct site_listener *l)
{
    int64_t left_s = gateway_certificates_end(s, l) - a->now_s;
    char span[REPORT_SPAN_MAX];

    report_format_span(span, left_s > 0 ? left_s : -left_s);
    if (left_s <= 0)
        note(a, "server certificate", "%.*s: expired %s ago", STR_ARG(l->name), span);
    else if (left_s < STATUS_CERTIFICATE_WARN_S)
        note(a, "server certificate", "%.*s: expires in %s", STR_ARG(l->name), span);
    for (size_t i = 0; i < l->policy_count; i++) {
        if (l->policies[i].report_only)
            note(a, "report only", "%.*s%s%.*s: certificates that would be refused are let in",
                 STR_ARG(l->name), i > 0 ? ", host " : "",
                 STR_ARG(i > 0 ? l->policies[i].names.items[0] : STR("")));
    }
}

static void
look_at_expired(struct attention *a, const struct config_trust_store *store, const struct trust *t,
                const struct crl_info *info)
{
    int64_t since_s = a->now_s - info->next_update_s;
    int64_t grace_s = store->crl_grace_ms / 1000;
    char span[REPORT_SPAN_MAX], left[REPORT_SPAN_MAX];

    report_format_span(span, since_s);
    report_format_span(left, grace_s - since_s);
    if (store->crl_expired == CRL_EXPIRED_ALLOW)
        note(a, "expired list", LIST_FMT " expired %s ago; it is still used (crl_expired: allow)",
             LIST_ARGS(t, info), span);
    else if (store->crl_expired == CRL_EXPIRED_GRACE && since_s < grace_s)
        note(a, "expired list",
             LIST_FMT " expired %s ago; its clients are refused in %s, after crl_grace",
             LIST_ARGS(t, info), span, left);
    else
        note(a, "expired list", LIST_FMT " expired %s ago; all its clients are refused",
             LIST_ARGS(t, info), span);
}

static void
look_at_lists(struct attention *a, const struct config_trust_store *store, const struct trust *t)
{
    for (size_t i = 0; i < trust_crl_count(t); i++) {
        const struct crl_info *info = crl_info(trust_crl(t, i));
        enum listage_stage stage;
        char span[REPORT_SPAN_MAX];
        int64_t next_s;

        if (!trust_crl_is_newest(t, i))
            continue;
        stage = listage_of(info, a->now_s, &next_s);
        report_format_span(span, info->next_update_s - a->now_s);
        if (stage == LISTAGE_EXPIRED)
            look_at_expired(a, store, t, info);
        else if (stage == LISTAGE_OLD)
            note(a, "old list", LIST_FMT " expires in %s; fetch the next one", LIST_ARGS(t, info),
                 span);
    }
}

static void
on_source(void *arg, const struct supply_state *s)
{
    if (s->error[0] != '\0')
        note(arg, "list source", "%s: %s", s->url, s->error);
}

static void
on_name(void *arg, const struct resolve_state *s)
{
    if (s->is_asked && s->error[0] != '\0')
        note(arg, "target name", "%s: %s; %s", s->name, s->error,
             s->last != NULL ? "the addresses known so far are used" : "no address is known");
}

void
gateway_report_attention(const struct gateway *g, const struct metrics *sum, struct report *r)
{
    static const char *const columns[] = {"what", "detail"};
    const struct snapshot *s = g->current != NULL ? g->current->snapshot : NULL;
    struct attention a = {.g = g, .r = r, .now_s = clock_wall_s(loop_now(g->loop))};

    report_table(r, "attention", columns, array_len(columns));
    look_at_process(&a, sum);
    for (size_t i = 0; s != NULL && i < s->site->listener_count; i++)
        look_at_listener(&a, s, &s->site->listeners[i]);
    for (size_t i = 0; s != NULL && i < s->trust_count; i++)
        look_at_lists(&a, &s->config->trust_stores[i], s->trusts[i]);
    supply_each(g->supply, on_source, &a);
    resolver_each(g->resolver, on_name, &a);
    if (a.count > STATUS_ATTENTION_MAX)
        note_rest(&a);
}
