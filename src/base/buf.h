/* SPDX-License-Identifier: Apache-2.0
 *
 * A byte queue over storage it does not own. Capacity is fixed at attach time; nothing
 * here allocates. Invariant: head <= tail <= cap.
 *
 *   [ consumed | peekable | reservable ]
 *   0        head       tail        cap
 *
 * A buf without storage (mem NULL, cap 0) is valid and both empty and full. Idle
 * connections give their storage back to the pool that way.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/base.h"
#include "base/err.h"
#include "base/str.h"

struct buf {
    uint8_t *mem;
    uint32_t cap;
    uint32_t head;
    uint32_t tail;
};

static inline void
buf_attach(struct buf *b, void *mem, size_t cap)
{
    b->mem = mem;
    b->cap = (uint32_t)cap;
    b->head = 0;
    b->tail = 0;
}

/* Returns the storage, which the caller gives back to where it came from. */
static inline void *
buf_detach(struct buf *b)
{
    void *mem = b->mem;

    *b = (struct buf){0};
    return mem;
}

static inline size_t
buf_len(const struct buf *b)
{
    return b->tail - b->head;
}

/* Bytes that can be reserved now, without compaction. */
static inline size_t
buf_room(const struct buf *b)
{
    return b->cap - b->tail;
}

/* Bytes that can be reserved after compaction. */
static inline size_t
buf_free(const struct buf *b)
{
    return b->cap - b->tail + b->head;
}

/* Where the next bytes go; borrowed until the next call on b. */
static inline uint8_t *
buf_tail(struct buf *b)
{
    return b->mem + b->tail;
}

static inline struct str
buf_peek(const struct buf *b)
{
    return (struct str){(const char *)b->mem + b->head, b->tail - b->head};
}

/* n <= buf_room. */
void buf_commit(struct buf *b, size_t n);
/* n <= buf_len. An emptied buf starts again at offset 0. */
void buf_consume(struct buf *b, size_t n);
/* Moves the content to the front so that buf_room == buf_free. */
void buf_compact(struct buf *b);
void buf_reset(struct buf *b);
/* All or nothing; compacts when that helps. GW_E_NOSPACE. */
int buf_append(struct buf *b, const void *bytes, size_t n) GW_MUST_USE;
int buf_append_str(struct buf *b, struct str s) GW_MUST_USE;
/* Content moves into larger storage; returns the old storage. new_cap >= buf_len. */
void *buf_move(struct buf *b, void *mem, size_t new_cap);
void buf_check(const struct buf *b);

#endif
