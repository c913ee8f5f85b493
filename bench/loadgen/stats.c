/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting and the report of loadgen. The report is one JSON object on standard output;
 * reports of intervals are JSON lines on standard error.
 */
#include "loadgen.h"

#include <stdio.h>
#include <sys/resource.h>

enum { SUB_BITS = 6 };

static const char *const error_names[LG_ERRORS] = {"connect", "tls",     "alert",    "reset",
                                                   "eof",     "timeout", "protocol", "stream"};

/* Values below 64 have a bucket each; above, 64 buckets per power of two. */
static size_t
bucket_of(uint64_t v)
{
    int shift;
    size_t index;

    if (v < LG_HIST_SUB)
        return (size_t)v;
    shift = 63 - __builtin_clzll(v) - SUB_BITS;
    index = (size_t)(shift + 1) * LG_HIST_SUB + (size_t)((v >> shift) - LG_HIST_SUB);
    return size_min(index, LG_HIST_BUCKETS - 1);
}

static uint64_t
bucket_value(size_t index)
{
    size_t row = index / LG_HIST_SUB;
    uint64_t in_row = index % LG_HIST_SUB;

    if (row == 0)
        return in_row;
    /* The middle of the bucket. */
    return ((in_row + LG_HIST_SUB) << (row - 1)) + ((UINT64_C(1) << (row - 1)) >> 1);
}

void
lg_hist_add(struct lg_hist *h, int64_t us)
{
    uint64_t v = us > 0 ? (uint64_t)us : 0;

    h->count++;
    h->sum += v;
    if (v > h->max)
        h->max = v;
    h->bucket[bucket_of(v)]++;
}

static uint64_t
percentile(const struct lg_hist *h, double share)
{
    uint64_t want = (uint64_t)((double)h->count * share);
    uint64_t seen = 0;

    for (size_t i = 0; i < LG_HIST_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen > want)
            return bucket_value(i) < h->max ? bucket_value(i) : h->max;
    }
    return h->max;
}

static uint64_t
cpu_us(void)
{
    struct rusage r;

    getrusage(RUSAGE_SELF, &r);
    return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

void
lg_stats_reset(struct lg_load *l)
{
    memset(l->stats, 0, sizeof(*l->stats));
    memset(l->interval, 0, sizeof(*l->interval));
    l->cpu_at_start_us = cpu_us();
    l->watched_at_start = lg_watch_read(&l->opt);
}

static void
print_hist(FILE *out, const char *name, const struct lg_hist *h)
{
    fprintf(out,
            "\"%s\":{\"count\":%llu,\"mean\":%llu,\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,"
            "\"p999\":%llu,\"max\":%llu}",
            name, (unsigned long long)h->count,
            (unsigned long long)(h->count ? h->sum / h->count : 0),
            (unsigned long long)percentile(h, 0.5), (unsigned long long)percentile(h, 0.9),
            (unsigned long long)percentile(h, 0.99), (unsigned long long)percentile(h, 0.999),
            (unsigned long long)h->max);
}

static void
print_counts(FILE *out, const struct lg_stats *s)
{
    uint64_t all = 0;
    bool first = true;

    for (int i = 0; i < LG_ERRORS; i++)
        all += s->errors[i];
    fprintf(out, "\"requests\":%llu,\"failed\":%llu,\"errors\":{", (unsigned long long)s->requests,
            (unsigned long long)all);
    for (int i = 0; i < LG_ERRORS; i++)
        fprintf(out, "%s\"%s\":%llu", i ? "," : "", error_names[i],
                (unsigned long long)s->errors[i]);
    fputs("},\"status\":{", out);
    for (int i = 0; i < LG_STATUS_MAX; i++) {
        if (s->status[i] == 0)
            continue;
        fprintf(out, "%s\"%d\":%llu", first ? "" : ",", i, (unsigned long long)s->status[i]);
        first = false;
    }
    fputs("}", out);
}

/* Certificates whose idle connections were closed by the other side. */
static void
print_closed(FILE *out, const struct lg_load *l)
{
    bool first = true;

    fprintf(out, "\"closed_by_peer\":%llu,\"first_close_ms\":%lld,\"last_close_ms\":%lld,",
            (unsigned long long)l->stats->closed_by_peer, (long long)l->stats->first_close_ms,
            (long long)l->stats->last_close_ms);
    fputs("\"closed\":[", out);
    for (size_t i = 0; i < l->cert_count; i++) {
        const struct lg_cert *cert = &l->certs[i];

        if (cert->closed_by_peer == 0)
            continue;
        fprintf(out, "%s{\"certificate\":\"%s\",\"count\":%llu,\"last_ms\":%lld}", first ? "" : ",",
                cert->name, (unsigned long long)cert->closed_by_peer,
                (long long)cert->last_close_ms);
        first = false;
    }
    fputs("]", out);
}

static void
print_watched(FILE *out, const struct lg_load *l)
{
    struct lg_watched end = lg_watch_read(&l->opt);
    const struct lg_watched *start = &l->watched_at_start;

    if (l->opt.watch_count == 0)
        return;
    fprintf(out,
            ",\"watched\":{\"cpu_us\":%llu,\"rss_bytes_at_start\":%llu,\"rss_bytes_at_end\":%llu}",
            (unsigned long long)(end.cpu_us - start->cpu_us), (unsigned long long)start->rss_bytes,
            (unsigned long long)end.rss_bytes);
}

void
lg_report(struct lg_load *l)
{
    const struct lg_stats *s = l->stats;
    double seconds = (double)(now_us() - l->start_us) / 1e6;

    printf("{");
    print_counts(stdout, s);
    printf(",");
    print_hist(stdout, "latency_us", &s->latency);
    printf(",\"handshakes\":{\"full\":%llu,\"resumed\":%llu},\"refused\":%llu,",
           (unsigned long long)s->full, (unsigned long long)s->resumed,
           (unsigned long long)s->refused);
    print_hist(stdout, "handshake_us", &s->handshake);
    printf(",\"bytes_in\":%llu,\"bytes_out\":%llu,\"connections_open\":%u,",
           (unsigned long long)s->bytes_in, (unsigned long long)s->bytes_out, l->open);
    print_closed(stdout, l);
    print_watched(stdout, l);
    printf(",\"seconds\":%.3f,\"requests_per_second\":%.1f,\"cpu_us\":%llu}\n", seconds,
           seconds > 0 ? (double)s->requests / seconds : 0,
           (unsigned long long)(cpu_us() - l->cpu_at_start_us));
    fflush(stdout);
}

void
lg_report_interval(struct lg_load *l)
{
    fprintf(stderr, "{\"at\":%.3f,\"open\":%u,", (double)(l->now_us - l->start_us) / 1e6, l->open);
    print_counts(stderr, l->interval);
    fputs(",", stderr);
    print_hist(stderr, "latency_us", &l->interval->latency);
    fputs("}\n", stderr);
    memset(l->interval, 0, sizeof(*l->interval));
}
