/* SPDX-License-Identifier: Apache-2.0
 *
 * Atomic reference count. Born at 1. ref_drop returns true to the one caller that must
 * free the object; all writes made before any ref_drop are visible to that caller.
 */
#ifndef BASE_REF_H
#define BASE_REF_H

#include <stdatomic.h>

#include "base/assert.h"
#include "base/base.h"

struct ref {
    atomic_uint count;
};

static inline void
ref_init(struct ref *r)
{
    atomic_init(&r->count, 1);
}

static inline void
ref_take(struct ref *r)
{
    unsigned old = atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed);

    gw_assert(old > 0);
}

static inline bool
ref_drop(struct ref *r)
{
    unsigned old = atomic_fetch_sub_explicit(&r->count, 1, memory_order_acq_rel);

    gw_assert(old > 0);
    return old == 1;
}

#endif
