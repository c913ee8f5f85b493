/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters and gauges: one block per worker, written by that worker alone with relaxed
 * stores, summed by whoever reads. Rows live in metrics.def; names begin with sallyport_.
 */
#ifndef OBS_METRICS_H
#define OBS_METRICS_H

#include <stdatomic.h>
#include <stdio.h>

#include "base/str.h"
#include "cert/reason.h"

enum metric {
#define X(name, type, prometheus, help) METRIC_##name,
#include "obs/metrics.def"
#undef X
    METRIC_COUNT
};

struct metrics {
    _Atomic uint64_t values[METRIC_COUNT];
    _Atomic uint64_t refused[REASON_COUNT];      /* sallyport_connections_refused_total{reason} */
    _Atomic uint64_t would_refuse[REASON_COUNT]; /* report_only */
    _Atomic uint64_t responses[6];               /* by class 0 (none), 1xx..5xx */
};

/* Only the owning thread. */
static inline void
metrics_add(struct metrics *m, enum metric which, uint64_t n)
{
    uint64_t old = atomic_load_explicit(&m->values[which], memory_order_relaxed);

    atomic_store_explicit(&m->values[which], old + n, memory_order_relaxed);
}

static inline void
metrics_sub(struct metrics *m, enum metric which, uint64_t n)
{
    uint64_t old = atomic_load_explicit(&m->values[which], memory_order_relaxed);

    atomic_store_explicit(&m->values[which], old - n, memory_order_relaxed);
}

void metrics_refused(struct metrics *m, enum reason reason);
void metrics_would_refuse(struct metrics *m, enum reason reason);
void metrics_response(struct metrics *m, int status);

/* *sum = over all blocks. */
void metrics_sum(struct metrics *const *blocks, size_t count, struct metrics *sum);
/* Prometheus text format 0.0.4 of one (summed) block. */
void metrics_render(const struct metrics *sum, FILE *out);

#endif
