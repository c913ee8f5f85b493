/* SPDX-License-Identifier: Apache-2.0
 *
 * Free list of equally large blocks, one per worker and size: no malloc in steady state.
 * The cap bounds how many blocks may be out at once; at the cap pool_acquire returns NULL,
 * which the caller turns into a LIMIT outcome. One thread.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/base.h"

struct pool_free;

struct pool {
    struct pool_free *free;
    size_t block_bytes;
    size_t out;      /* blocks lent */
    size_t out_max;  /* cap on out */
    size_t kept;     /* blocks on the free list */
    size_t kept_max; /* more than this many are given back to malloc */
};

void pool_init(struct pool *p, size_t block_bytes, size_t out_max, size_t kept_max);
/* Every block must be back. */
void pool_done(struct pool *p);
/* Not zeroed. */
void *pool_acquire(struct pool *p) GW_MUST_USE;
/* NULL is fine. */
void pool_release(struct pool *p, void *block);

#endif
