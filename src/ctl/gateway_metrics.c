/* SPDX-License-Identifier: Apache-2.0
 *
 * The text that Prometheus reads. Called by gateway_status.c on the control thread; owns
 * nothing. Must never write a label that a strict reader refuses: no two series alike, UTF-8
 * only.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/gateway_priv.h"
#include "ctl/mem.h"
#include "ctl/report.h"
#include "tls/tls_ctx.h"

void
gateway_sum_metrics(const struct gateway *g, struct metrics *ret)
{
    struct metrics **blocks = mem_calloc(g->worker_count, sizeof(struct metrics *));

    for (unsigned i = 0; i < g->worker_count; i++)
        blocks[i] = worker_metrics(g->workers[i].worker);
    metrics_sum(blocks, g->worker_count, ret);
    free(blocks);
}

static void
metric_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
metric_one(FILE *out, const char *name, const char *type, const char *help, int64_t value)
{
    metric_head(out, name, type, help);
    fprintf(out, "%s %lld\n", name, (long long)value);
}

static size_t
metric_label_step(FILE *out, struct str s)
{
    size_t len = report_utf8_len(s);

    if (len == 0)
        fputs("\xef\xbf\xbd", out); /* U+FFFD */
    else if (s.ptr[0] == '\\' || s.ptr[0] == '"')
        fprintf(out, "\\%c", s.ptr[0]);
    else if (s.ptr[0] == '\n')
        fputs("\\n", out);
    else
        fwrite(s.ptr, 1, len, out);
    return size_max(len, 1);
}

/* The text format's escapes: backslash, quote and newline. */
static void
metric_label(FILE *out, struct str s)
{
    while (s.len > 0)
        s = str_sub(s, metric_label_step(out, s), s.len);
}

static void
metrics_control(const struct gateway *g, FILE *out)
{
    const struct reload *reload = &g->reload;

    metric_one(out, "sallyport_ready", "gauge", "1 while requests are served",
               g->phase == GATEWAY_SERVING);
    metric_one(out, "sallyport_start_time_seconds", "gauge", "Start of the process",
               g->started_wall_s);
    metric_one(out, "sallyport_generation", "gauge", "Generation of the configuration in use",
               (int64_t)reload->generation);
    metric_one(out, "sallyport_reloads_total", "counter", "Generations that came into use",
               (int64_t)reload->loaded_count);
    metric_one(out, "sallyport_reload_failures_total", "counter",
               "Reloads that were refused because of errors", (int64_t)reload->refused_count);
    metric_one(out, "sallyport_deny_entries", "gauge", "Entries on the deny list",
               (int64_t)gateway_deny_count(g));
    metric_one(out, "sallyport_last_reload_success", "gauge",
               "1 when the newest reload was not refused",
               reload->ended_wall_s == 0 || reload->was_loaded);
    metric_one(out, "sallyport_log_lines_dropped_total", "counter",
               "Log lines that could not be written in time", (int64_t)log_writer_dropped(g->logs));
}

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Its hosts' certificates too. */
int64_t
gateway_certificates_end(const struct snapshot *s, const struct site_listener *l)
{
    int64_t end_s = INT64_MAX;

    for (size_t i = 0; i < l->policy_count; i++)
        end_s = earlier(end_s, tls_server_not_after(s->tls_servers[l->policies[i].tls_index]));
    return end_s;
}

static void
metrics_certificates(const struct snapshot *s, FILE *out)
{
    static const char name[] = "sallyport_server_certificate_not_after_seconds";

    metric_head(out, name, "gauge",
                "End of the first server certificate to expire, of the listener and its hosts");
    for (size_t i = 0; i < s->site->listener_count; i++) {
        const struct site_listener *l = &s->site->listeners[i];

        fprintf(out, "%s{listener=\"", name);
        metric_label(out, l->name);
        fprintf(out, "\"} %lld\n", (long long)gateway_certificates_end(s, l));
    }
}

/* Lists of one issuer in one file, so that each has a series of its own. */
static size_t
list_part(const struct trust *t, size_t list)
{
    const struct crl_info *info = crl_info(trust_crl(t, list));
    size_t part = 1;

    for (size_t i = 0; i < list; i++) {
        const struct crl_info *other = crl_info(trust_crl(t, i));

        part += str_eq(other->file, info->file) && str_eq(other->issuer_text, info->issuer_text);
    }
    return part;
}

static void
metric_list(FILE *out, const char *name, const struct trust *t, size_t list, int64_t value)
{
    const struct crl_info *info = crl_info(trust_crl(t, list));

    fprintf(out, "%s{trust_store=\"", name);
    metric_label(out, str_from(trust_name(t)));
    fputs("\",issuer=\"", out);
    metric_label(out, info->issuer_text);
    fputs("\",file=\"", out);
    metric_label(out, info->file);
    fprintf(out, "\",part=\"%zu\"} %lld\n", list_part(t, list), (long long)value);
}

/* is_entries: how many; otherwise the seconds left at now_s. A complete list under a delta has no
 * end of its own. */
static void
metrics_lists(const struct snapshot *s, bool is_entries, int64_t now_s, FILE *out)
{
    const char *name =
        is_entries ? "sallyport_crl_entries" : "sallyport_crl_seconds_to_next_update";

    metric_head(out, name, "gauge",
                is_entries ? "Serial numbers on a loaded revocation list"
                           : "Until a loaded revocation list should be replaced");
    for (size_t i = 0; i < s->trust_count; i++) {
        for (size_t j = 0; j < trust_crl_count(s->trusts[i]); j++) {
            const struct trust *t = s->trusts[i];
            const struct crl_info *info = crl_info(trust_crl(t, j));

            if (is_entries)
                metric_list(out, name, t, j, (int64_t)info->entry_count);
            else if (info->next_update_s != INT64_MAX && trust_crl_is_newest(t, j))
                metric_list(out, name, t, j, info->next_update_s - now_s);
        }
    }
}

#define FETCH_ERRORS "sallyport_crl_fetch_errors_total"

static void
on_error_count(void *arg, const struct supply_state *s)
{
    FILE *out = arg;

    fputs(FETCH_ERRORS "{source=\"", out);
    metric_label(out, str_from(s->url));
    fprintf(out, "\"} %llu\n", (unsigned long long)s->error_count);
}

void
gateway_write_metrics(const struct gateway *g, FILE *out)
{
    int64_t now_s = clock_wall_s(loop_now(g->loop));
    struct metrics sum;

    gateway_sum_metrics(g, &sum);
    metrics_render(&sum, out);
    metrics_control(g, out);
    if (g->current == NULL)
        return;
    metrics_certificates(g->current->snapshot, out);
    metrics_lists(g->current->snapshot, true, now_s, out);
    metrics_lists(g->current->snapshot, false, now_s, out);
    metric_head(out, FETCH_ERRORS, "counter", "Fetches of a list that brought no good one");
    supply_each(g->supply, on_error_count, out);
}
