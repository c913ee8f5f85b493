/* SPDX-License-Identifier: Apache-2.0
 *
 * Free list of equal blocks, one per worker and size, used by that worker only. Owns the
 * blocks on the list; lent ones belong to who acquired them. Must never lend more than
 * out_max.
 */
#include "base/pool.h"

#include <stdlib.h>

#include "base/assert.h"

struct pool_free {
    struct pool_free *next;
};

static void
pool_check(const struct pool *p)
{
    gw_assert(p->out <= p->out_max);
    gw_assert(p->kept <= p->kept_max);
    gw_assert((p->free == NULL) == (p->kept == 0));
}

void
pool_init(struct pool *p, size_t block_bytes, size_t out_max, size_t kept_max)
{
    *p = (struct pool){
        .block_bytes = size_max(block_bytes, sizeof(struct pool_free)),
        .out_max = out_max,
        .kept_max = kept_max,
    };
}

void
pool_done(struct pool *p)
{
    gw_assert(p->out == 0);
    while (p->free != NULL) {
        struct pool_free *next = p->free->next;

        free(p->free);
        p->free = next;
    }
    *p = (struct pool){0};
}

void *
pool_acquire(struct pool *p)
{
    struct pool_free *block = p->free;

    pool_check(p);
    if (p->out == p->out_max)
        return NULL;
    if (block != NULL) {
        p->free = block->next;
        p->kept--;
    } else {
        block = malloc(p->block_bytes);
    }
    if (block != NULL)
        p->out++;
    return block;
}

void
pool_release(struct pool *p, void *block)
{
    struct pool_free *node = block;

    if (block == NULL)
        return;
    pool_check(p);
    gw_assert(p->out > 0);
    p->out--;
    if (p->kept == p->kept_max) {
        free(block);
        return;
    }
    node->next = p->free;
    p->free = node;
    p->kept++;
}
