/* SPDX-License-Identifier: Apache-2.0
 *
 * Byte ring between one thread that puts whole lines and one that takes bytes: no lock, no
 * waiting. The positions only grow; head is the producer's, tail the consumer's.
 */
#ifndef OBS_LOG_RING_H
#define OBS_LOG_RING_H

#include <stdatomic.h>
#include <sys/uio.h>

#include "base/base.h"

#define CACHE_LINE 64

struct log_ring {
    char *mem;
    size_t cap; /* a power of two */
    char pad_shared[CACHE_LINE];
    _Atomic uint64_t head;
    uint64_t tail_seen; /* the producer's last look at tail */
    char pad_producer[CACHE_LINE];
    _Atomic uint64_t tail;
    char pad_consumer[CACHE_LINE];
};

/* cap is a power of two. Aborts on out of memory: control plane. */
void log_ring_init(struct log_ring *r, size_t cap);
void log_ring_done(struct log_ring *r);

/* Producer. False when the line does not fit now. */
bool log_ring_put(struct log_ring *r, const char *line, size_t len);
/* Any thread; exact for the two that use the ring. */
size_t log_ring_used(const struct log_ring *r);

/* Consumer. The bytes that wait, in at most two pieces; returns how many pieces. */
int log_ring_peek(const struct log_ring *r, struct iovec pieces[2]);
void log_ring_consume(struct log_ring *r, size_t n);
/* Throws away up to and including the next newline (everything when there is none). */
void log_ring_skip_line(struct log_ring *r);
/* Throws all away; returns how many newlines that were. */
uint64_t log_ring_discard(struct log_ring *r);

#endif
