/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of the control plane: running out of it ends the process, which the supervisor
 * starts again. Nothing on the data path may use this.
 */
#ifndef CTL_MEM_H
#define CTL_MEM_H

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* Zeroed; never NULL. */
static inline void *
mem_calloc(size_t count, size_t size)
{
    void *p = calloc(count > 0 ? count : 1, size);

    gw_assert(p != NULL);
    return p;
}

/* Room for count items; what is new is not zeroed. */
static inline void *
mem_resize(void *p, size_t count, size_t size)
{
    void *q = reallocarray(p, count > 0 ? count : 1, size);

    gw_assert(q != NULL);
    return q;
}

static inline char *
mem_strdup(const char *s)
{
    char *copy = strdup(s);

    gw_assert(copy != NULL);
    return copy;
}

#endif
