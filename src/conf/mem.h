/* SPDX-License-Identifier: Apache-2.0
 *
 * Arena memory of the control plane: the arenas here have no cap of their own (the size of
 * the file and the number of its nodes have), so that only the machine running out of
 * memory makes these fail, which ends the process.
 */
#ifndef CONF_MEM_H
#define CONF_MEM_H

#include "base/arena.h"
#include "base/assert.h"

#define CONF_ARENA_BLOCK 16384

static inline void
conf_arena_init(struct arena *a)
{
    arena_init(a, CONF_ARENA_BLOCK, SIZE_MAX);
}

/* Zeroed; never NULL. */
static inline void *
conf_calloc(struct arena *a, size_t count, size_t size)
{
    void *mem = arena_calloc(a, count, size);

    gw_assert(mem != NULL);
    return mem;
}

/* A copy with a NUL after it. */
static inline struct str
conf_str(struct arena *a, struct str s)
{
    struct str copy = arena_str(a, s);

    gw_assert(copy.ptr != NULL);
    return copy;
}

#endif
