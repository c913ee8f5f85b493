/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters: adding, summing, and the text that Prometheus reads. Each block is written by the
 * worker that owns it; the control thread sums and renders. Owns nothing. Must never make a
 * worker wait for a reader.
 */
#include "obs/metrics.h"

#include <inttypes.h>

#include "base/assert.h"

struct metric_row {
    const char *name;
    const char *type;
    const char *help;
};

static const struct metric_row rows[METRIC_COUNT] = {
#define X(name, type, prometheus, help) [METRIC_##name] = {prometheus, #type, help},
#include "obs/metrics.def"
#undef X
};

static const char *const response_classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

static void
bump(_Atomic uint64_t *counter)
{
    uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, old + 1, memory_order_relaxed);
}

static uint64_t
read_one(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void
metrics_refused(struct metrics *m, enum reason reason)
{
    gw_assert((unsigned)reason < REASON_COUNT);
    bump(&m->refused[reason]);
}

void
metrics_would_refuse(struct metrics *m, enum reason reason)
{
    gw_assert((unsigned)reason < REASON_COUNT);
    bump(&m->would_refuse[reason]);
}

/* A status outside 100-599 (nothing was sent, or an upstream's invention) counts as none. */
void
metrics_response(struct metrics *m, int status)
{
    int class = status >= 100 && status < 600 ? status / 100 : 0;

    bump(&m->responses[class]);
}

static void
sum_array(_Atomic uint64_t *sum, const _Atomic uint64_t *block, size_t count)
{
    for (size_t i = 0; i < count; i++)
        atomic_store_explicit(&sum[i], read_one(&sum[i]) + read_one(&block[i]),
                              memory_order_relaxed);
}

void
metrics_sum(struct metrics *const *blocks, size_t count, struct metrics *sum)
{
    memset(sum, 0, sizeof(*sum));
    for (size_t i = 0; i < count; i++) {
        sum_array(sum->values, blocks[i]->values, METRIC_COUNT);
        sum_array(sum->refused, blocks[i]->refused, REASON_COUNT);
        sum_array(sum->would_refuse, blocks[i]->would_refuse, REASON_COUNT);
        sum_array(sum->responses, blocks[i]->responses, array_len(sum->responses));
    }
}

static void
render_head(FILE *out, const struct metric_row *row)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, row->type);
}

/* A gauge that workers add to and take from on different threads may dip below zero in between
 * two reads; as a signed number it then reads -1, not 2^64-1. */
static void
render_value(FILE *out, const struct metric_row *row, uint64_t value)
{
    render_head(out, row);
    if (strcmp(row->type, "gauge") == 0)
        fprintf(out, "%s %" PRId64 "\n", row->name, (int64_t)value);
    else
        fprintf(out, "%s %" PRIu64 "\n", row->name, value);
}

/* Every reason has its row from the start, so that a rate can be computed over the first one. */
static void
render_reasons(FILE *out, const struct metric_row *row, const _Atomic uint64_t *values)
{
    render_head(out, row);
    for (int r = REASON_NONE + 1; r < REASON_COUNT; r++)
        fprintf(out, "%s{reason=\"%s\"} %" PRIu64 "\n", row->name, reason_token((enum reason)r),
                read_one(&values[r]));
}

static void
render_responses(FILE *out, const struct metrics *sum)
{
    static const struct metric_row row = {"sallyport_responses_total", "counter",
                                          "Responses by class of status, none when the request "
                                          "ended without one"};

    render_head(out, &row);
    for (size_t i = 0; i < array_len(response_classes); i++)
        fprintf(out, "%s{class=\"%s\"} %" PRIu64 "\n", row.name, response_classes[i],
                read_one(&sum->responses[i]));
}

void
metrics_render(const struct metrics *sum, FILE *out)
{
    static const struct metric_row refused = {"sallyport_connections_refused_total", "counter",
                                              "Connections refused, by reason"};
    static const struct metric_row would_refuse = {
        "sallyport_connections_would_refuse_total", "counter",
        "Connections let through in report-only mode that would have been refused, by reason"};

    for (size_t i = 0; i < METRIC_COUNT; i++)
        render_value(out, &rows[i], read_one(&sum->values[i]));
    render_reasons(out, &refused, sum->refused);
    render_reasons(out, &would_refuse, sum->would_refuse);
    render_responses(out, sum);
}
