/* SPDX-License-Identifier: Apache-2.0
 *
 * Bump allocator with a cap. It grows by blocks, keeps its first block over reset, and
 * never returns memory piece by piece. Running into the cap is an outcome, not a crash:
 * arena_alloc returns NULL and the overflow bit stays set until reset.
 * One thread at a time. Foreign objects are registered as cleanups, run newest first.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/base.h"
#include "base/str.h"

struct arena_block;

struct arena_cleanup {
    struct arena_cleanup *next;
    void (*run)(void *arg);
    void *arg;
};

struct arena {
    struct arena_block *first;
    struct arena_block *last;
    struct arena_cleanup *cleanups;
    size_t used_bytes;  /* over all blocks, padding included */
    size_t max_bytes;   /* cap on used_bytes */
    size_t block_bytes; /* size of a block; larger requests get their own */
    bool overflow;
};

/* Allocates nothing yet. */
void arena_init(struct arena *a, size_t block_bytes, size_t max_bytes);
/* Runs cleanups, frees all blocks. a is dead afterwards. */
void arena_done(struct arena *a);
/* Runs cleanups, keeps the first block: no malloc in the next round of the same size. */
void arena_reset(struct arena *a);

/* 16-byte aligned, not zeroed. NULL at the cap, with a->overflow set. n may be 0. */
void *arena_alloc(struct arena *a, size_t n) GW_MUST_USE;
/* Zeroed. */
void *arena_calloc(struct arena *a, size_t count, size_t size) GW_MUST_USE;
/* A copy of s with a NUL after it (not counted). {NULL,0} at the cap. */
struct str arena_str(struct arena *a, struct str s);
/* n in decimal, as arena_str. */
struct str arena_u64(struct arena *a, uint64_t n);
/* printf into the arena. {NULL,0} at the cap. Not for what runs with every request. */
struct str arena_printf(struct arena *a, const char *fmt, ...) GW_PRINTF(2, 3);
/* run(arg) at reset and done. False at the cap: then run has been called already. */
bool arena_cleanup_add(struct arena *a, void (*run)(void *arg), void *arg) GW_MUST_USE;

#define arena_new(a, type) ((type *)arena_calloc((a), 1, sizeof(type)))
#define arena_new_array(a, type, n) ((type *)arena_calloc((a), (n), sizeof(type)))

#endif
