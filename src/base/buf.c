/* SPDX-License-Identifier: Apache-2.0
 *
 * Byte queue of fixed capacity. Used by the codecs and the relay, one thread at a time;
 * the storage belongs to the caller. Must never allocate or grow.
 */
#include "base/buf.h"

#include "base/assert.h"

void
buf_check(const struct buf *b)
{
    gw_assert(b->head <= b->tail);
    gw_assert(b->tail <= b->cap);
    gw_assert(b->mem != NULL || b->cap == 0);
}

void
buf_commit(struct buf *b, size_t n)
{
    buf_check(b);
    gw_assert(n <= buf_room(b));
    b->tail += (uint32_t)n;
}

void
buf_consume(struct buf *b, size_t n)
{
    buf_check(b);
    gw_assert(n <= buf_len(b));
    b->head += (uint32_t)n;
    if (b->head == b->tail)
        buf_reset(b);
}

void
buf_compact(struct buf *b)
{
    size_t len = buf_len(b);

    buf_check(b);
    if (b->head == 0)
        return;
    memmove(b->mem, b->mem + b->head, len);
    b->head = 0;
    b->tail = (uint32_t)len;
}

void
buf_reset(struct buf *b)
{
    b->head = 0;
    b->tail = 0;
}

int
buf_append(struct buf *b, const void *bytes, size_t n)
{
    buf_check(b);
    if (n == 0)
        return 0;
    if (n > buf_free(b))
        return GW_E_NOSPACE;
    if (n > buf_room(b))
        buf_compact(b);
    memcpy(buf_tail(b), bytes, n);
    buf_commit(b, n);
    return 0;
}

int
buf_append_str(struct buf *b, struct str s)
{
    return buf_append(b, s.ptr, s.len);
}

void *
buf_move(struct buf *b, void *mem, size_t new_cap)
{
    void *old = b->mem;
    size_t len = buf_len(b);

    buf_check(b);
    gw_assert(len <= new_cap && new_cap <= UINT32_MAX);
    if (len > 0)
        memcpy(mem, b->mem + b->head, len);
    buf_attach(b, mem, new_cap);
    buf_commit(b, len);
    return old;
}
