/* SPDX-License-Identifier: Apache-2.0
 *
 * Single-producer, single-consumer byte ring. The producer is a worker (or whoever holds the
 * lock of the diagnostic log), the consumer the log writer. Owns its memory. Must never wait.
 *
 * head is stored with sequential consistency, because the producer looks at the writer's state
 * next: see "Sleeping" in log_writer.c.
 */
#include "obs/log_ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

void
log_ring_init(struct log_ring *r, size_t cap)
{
    gw_assert(cap > 0 && (cap & (cap - 1)) == 0);
    memset(r, 0, sizeof(*r));
    r->mem = malloc(cap);
    gw_assert(r->mem != NULL);
    r->cap = cap;
}

void
log_ring_done(struct log_ring *r)
{
    free(r->mem);
    r->mem = NULL;
}

static bool
has_room(const struct log_ring *r, uint64_t head, size_t len)
{
    return r->cap - (size_t)(head - r->tail_seen) >= len;
}

bool
log_ring_put(struct log_ring *r, const char *line, size_t len)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    size_t at = (size_t)head & (r->cap - 1);
    size_t first = size_min(len, r->cap - at);

    if (!has_room(r, head, len)) {
        r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
        if (!has_room(r, head, len))
            return false;
    }
    memcpy(r->mem + at, line, first);
    memcpy(r->mem, line + first, len - first);
    atomic_store_explicit(&r->head, head + len, memory_order_seq_cst);
    return true;
}

size_t
log_ring_used(const struct log_ring *r)
{
    /* tail first: head never falls behind a tail that was read before it */
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);

    return (size_t)(atomic_load_explicit(&r->head, memory_order_seq_cst) - tail);
}

int
log_ring_peek(const struct log_ring *r, struct iovec pieces[2])
{
    size_t used = log_ring_used(r);
    size_t at = (size_t)atomic_load_explicit(&r->tail, memory_order_relaxed) & (r->cap - 1);
    size_t first = size_min(used, r->cap - at);

    pieces[0] = (struct iovec){r->mem + at, first};
    pieces[1] = (struct iovec){r->mem, used - first};
    return (first > 0) + (used > first);
}

void
log_ring_consume(struct log_ring *r, size_t n)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

    gw_assert(n <= log_ring_used(r));
    atomic_store_explicit(&r->tail, tail + n, memory_order_release);
}

void
log_ring_skip_line(struct log_ring *r)
{
    struct iovec pieces[2];
    int count = log_ring_peek(r, pieces);

    for (int i = 0; i < count; i++) {
        const char *newline = memchr(pieces[i].iov_base, '\n', pieces[i].iov_len);

        if (newline != NULL) {
            log_ring_consume(r, (size_t)(newline - (const char *)pieces[i].iov_base) + 1);
            return;
        }
        log_ring_consume(r, pieces[i].iov_len);
    }
}

uint64_t
log_ring_discard(struct log_ring *r)
{
    uint64_t lines = 0;

    while (log_ring_used(r) > 0) {
        log_ring_skip_line(r);
        lines++;
    }
    return lines;
}
