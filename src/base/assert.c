/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a process whose own state is wrong. Called by gw_assert on any thread; owns
 * nothing. Must never allocate, lock or call the log: any of them may be what is broken.
 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
assert_failed(const char *expr, const char *file, int line, const char *func)
{
    char text[512];
    int len = snprintf(text, sizeof(text), "sallyport: internal error: %s:%d: %s: %s\n", file, line,
                       func, expr);

    if (len > 0) {
        ssize_t written = write(STDERR_FILENO, text, size_min((size_t)len, sizeof(text) - 1));

        (void)written; /* nothing is left to try */
    }
    abort();
}
