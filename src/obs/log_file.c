/* SPDX-License-Identifier: Apache-2.0
 *
 * Moves lines from the rings of one log to its descriptor, and copes with disks that fill and
 * readers that stop or leave. Called by the writer's thread only. Owns rings and descriptor.
 * Must never put a line into the middle of another, or forget to count one that is lost.
 */
#include "obs/log_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"

/* What one write offers: the rings in order from f->first, and how much of each. */
struct batch {
    struct iovec pieces[2 * LOG_PRODUCERS_MAX];
    int count;
    size_t bytes[LOG_PRODUCERS_MAX];
};

struct log_file *
log_file_new(struct log_writer *w, const char *path, unsigned ring_count, size_t ring_bytes)
{
    struct log_file *f = calloc(1, sizeof(*f));

    gw_assert(f != NULL && ring_count <= LOG_PRODUCERS_MAX);
    f->writer = w;
    f->path = strdup(path);
    f->rings = calloc(ring_count, sizeof(*f->rings));
    gw_assert(f->path != NULL && f->rings != NULL);
    f->ring_count = ring_count;
    f->refs = 1;
    f->out.fd = -1;
    for (unsigned i = 0; i < ring_count; i++)
        log_ring_init(&f->rings[i], ring_bytes);
    return f;
}

void
log_file_free(struct log_file *f)
{
    log_out_close(&f->out);
    for (unsigned i = 0; i < f->ring_count; i++)
        log_ring_done(&f->rings[i]);
    free(f->rings);
    free(f->path);
    free(f);
}

bool
log_file_is_empty(const struct log_file *f)
{
    for (unsigned i = 0; i < f->ring_count; i++) {
        if (log_ring_used(&f->rings[i]) > 0)
            return false;
    }
    return true;
}

bool
log_file_is_ready(const struct log_file *f, int64_t now_ms)
{
    if (atomic_load_explicit(&f->wants_reopen, memory_order_seq_cst))
        return true;
    return !f->is_blocked && now_ms >= f->retry_at_ms && !log_file_is_empty(f);
}

/* ---- writing ---- */

/* Cuts the pieces of a ring down to the rest of a line. Returns how many are left. */
static int
keep_one_line(struct iovec *pieces, int count)
{
    for (int i = 0; i < count; i++) {
        const char *base = pieces[i].iov_base;
        const char *newline = memchr(base, '\n', pieces[i].iov_len);

        if (newline != NULL) {
            pieces[i].iov_len = (size_t)(newline - base) + 1;
            return i + 1;
        }
    }
    return count;
}

/* A line that was cut in two is completed before any other begins, and alone, so that one busy
 * producer cannot keep the others from a slow reader. */
static void
batch_fill(const struct log_file *f, struct batch *b)
{
    b->count = 0;
    for (unsigned i = 0; i < f->ring_count; i++) {
        unsigned ring = (f->first + i) % f->ring_count;
        struct iovec *pieces = &b->pieces[b->count];
        int count = log_ring_peek(&f->rings[ring], pieces);

        if (i == 0 && f->mid_line)
            count = keep_one_line(pieces, count);
        b->bytes[i] = 0;
        for (int p = 0; p < count; p++)
            b->bytes[i] += pieces[p].iov_len;
        b->count += count;
    }
}

/* The next write begins with the ring in which this one stopped in mid-line, or the one after. */
static void
batch_consume(struct log_file *f, const struct batch *b, size_t written)
{
    unsigned origin = f->first;

    gw_assert(f->ring_count > 0);
    for (unsigned i = 0; i < f->ring_count && written > 0; i++) {
        size_t n = size_min(written, b->bytes[i]);

        if (n == 0)
            continue;
        f->first = (origin + i) % f->ring_count;
        log_ring_consume(&f->rings[f->first], n);
        written -= n;
    }
    if (!f->mid_line)
        f->first = (f->first + 1) % f->ring_count;
}

/* The offered pieces may have been shortened by log_out_write; the order is the same. */
static bool
ends_in_newline(const struct batch *b, size_t written)
{
    for (int i = 0; i < b->count; i++) {
        const struct iovec *p = &b->pieces[i];

        if (written <= p->iov_len)
            return written > 0 && ((const char *)p->iov_base)[written - 1] == '\n';
        written -= p->iov_len;
    }
    return true;
}

static void
note_failure(struct log_file *f, int error, int64_t now_ms)
{
    f->failures++;
    f->retry_at_ms = now_ms + LOG_RETRY_MS;
    if (f->is_diag || now_ms < f->complain_at_ms)
        return;
    f->complain_at_ms = now_ms + LOG_COMPLAIN_MS;
    log_event(LOG_ERROR, "log", "%s: cannot write: %s (%" PRIu64 " failed writes so far)", f->path,
              strerrordesc_np(error), f->failures);
}

static void
note_success(struct log_file *f)
{
    if (f->failures > 0 && !f->is_diag)
        log_event(LOG_INFO, "log", "%s: writing again after %" PRIu64 " failed writes", f->path,
                  f->failures);
    f->failures = 0;
    f->retry_at_ms = 0;
}

/* One write. False when there is nothing more to do now. */
static bool
write_batch(struct log_file *f, int64_t now_ms)
{
    struct batch b;
    size_t written = 0;
    int err;

    batch_fill(f, &b);
    if (b.count == 0)
        return false;
    errno = 0;
    err = log_out_write(&f->out, b.pieces, b.count, &written);
    f->is_blocked = err == GW_E_AGAIN;
    if (err == GW_E_SYS)
        note_failure(f, errno, now_ms);
    if (err != 0)
        return false;
    note_success(f);
    f->mid_line = !ends_in_newline(&b, written);
    batch_consume(f, &b, written);
    return true;
}

/* ---- opening again ---- */

/* The rest of a line whose beginning went into the old file would be a broken line in the new. */
static void
drop_broken_line(struct log_file *f)
{
    if (!f->mid_line)
        return;
    log_ring_skip_line(&f->rings[f->first]);
    atomic_fetch_add_explicit(&f->dropped, 1, memory_order_relaxed);
    f->mid_line = false;
}

static void
reopen(struct log_file *f)
{
    struct log_out fresh;

    if (f->out.is_standard)
        return;
    if (log_out_open(f->path, &fresh) != 0) {
        log_event(LOG_ERROR, "log", "%s: cannot open again: %s; the old file stays in use", f->path,
                  strerrordesc_np(errno));
        return;
    }
    drop_broken_line(f);
    log_out_close(&f->out);
    f->out = fresh;
    f->is_blocked = false;
    f->retry_at_ms = 0;
    f->complain_at_ms = 0;
}

bool
log_file_step(struct log_file *f, int64_t now_ms)
{
    bool has_written = false;

    if (atomic_exchange_explicit(&f->wants_reopen, false, memory_order_seq_cst))
        reopen(f);
    if (now_ms < f->retry_at_ms)
        return false;
    for (int i = 0; i < LOG_BATCHES_MAX && write_batch(f, now_ms); i++)
        has_written = true;
    return has_written;
}

/* ---- losses ---- */

void
log_file_discard(struct log_file *f)
{
    uint64_t lines = 0;

    for (unsigned i = 0; i < f->ring_count; i++)
        lines += log_ring_discard(&f->rings[i]);
    atomic_fetch_add_explicit(&f->dropped, lines, memory_order_relaxed);
}

bool
log_file_owes_report(const struct log_file *f)
{
    return atomic_load_explicit(&f->dropped, memory_order_relaxed) != f->dropped_said;
}

void
log_file_report(struct log_file *f)
{
    uint64_t dropped = atomic_load_explicit(&f->dropped, memory_order_relaxed);
    uint64_t fresh = dropped - f->dropped_said;

    if (fresh == 0)
        return;
    f->dropped_said = dropped;
    log_event(LOG_WARN, "log", "%s: %" PRIu64 " lines dropped", f->path, fresh);
}
