/* SPDX-License-Identifier: Apache-2.0
 *
 * Random bytes from the kernel, and memory for secrets in mappings of their own, which
 * core dumps and child processes do not get. Any thread. Must never hand out memory that
 * is not zeroed, nor return a secret to the kernel unwiped.
 */
#include "base/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/assert.h"

void
secret_random(void *dst, size_t n)
{
    uint8_t *at = dst;

    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        gw_assert(got > 0); /* a kernel without randomness is no place to run */
        at += got;
        n -= (size_t)got;
    }
}

void *
secret_alloc(size_t n)
{
    void *p = n > 0 ? mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                    : MAP_FAILED;

    if (p == MAP_FAILED)
        return NULL;
    /* Best effort: RLIMIT_MEMLOCK may forbid the lock, an old kernel may lack the advice. */
    (void)mlock(p, n);
    (void)madvise(p, n, MADV_DONTDUMP);
    (void)madvise(p, n, MADV_WIPEONFORK);
    return p;
}

void
secret_free(void *p, size_t n)
{
    if (p == NULL)
        return;
    secret_wipe(p, n);
    (void)munmap(p, n);
}

void
secret_wipe(void *p, size_t n)
{
    if (n > 0)
        explicit_bzero(p, n);
}
