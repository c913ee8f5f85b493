/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory for large tables. Blocks from PAGES_MIN on are mappings of their own, so that a
 * freed list goes back to the kernel at once, however often lists are reloaded; malloc may
 * keep freed blocks of that size. Small blocks come from malloc.
 */
#ifndef CERT_PAGES_H
#define CERT_PAGES_H

#include <stdlib.h>
#include <sys/mman.h>

#include "base/limits.h"
#include "base/str.h"

#define PAGE_BYTES 65536 /* the largest page of the machines that Linux runs on */

/* Not zeroed. NULL when there is none. */
static inline void *GW_MUST_USE
pages_alloc(size_t bytes)
{
    void *p;

    if (bytes < PAGES_MIN)
        return malloc(bytes);
    p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* bytes as allocated. NULL is fine. */
static inline void
pages_free(void *p, size_t bytes)
{
    if (p == NULL)
        return;
    if (bytes < PAGES_MIN)
        free(p);
    else
        (void)munmap(p, bytes);
}

/* The whole pages of [from, to) go back to the kernel; their content is lost. Of memory that is
 * private to this process and of no use to anybody. */
static inline void
pages_drop(const void *from, const void *to)
{
    uintptr_t first = ((uintptr_t)from + PAGE_BYTES - 1) & ~(uintptr_t)(PAGE_BYTES - 1);
    uintptr_t end = (uintptr_t)to & ~(uintptr_t)(PAGE_BYTES - 1);

    if (first < end)
        (void)madvise((void *)first, end - first, MADV_DONTNEED);
}

#endif
