/* SPDX-License-Identifier: Apache-2.0
 *
 * What support/count_preload.c counts, in a file that it and the test have mapped. Read a copy
 * before and after; the difference is what the work between cost. System calls that libc makes
 * for itself (locks, memory) are not seen, and neither is closing.
 */
#ifndef SUPPORT_COUNT_PRELOAD_H
#define SUPPORT_COUNT_PRELOAD_H

#include <stdint.h>

struct count_totals {
    uint64_t own_allocations;     /* malloc, calloc, realloc called by the program itself */
    uint64_t library_allocations; /* by libssl, libnghttp2 and all others */
    uint64_t reads;               /* read, readv, recv, recvmsg: also those that find nothing */
    uint64_t writes;
    uint64_t waits;  /* epoll_wait */
    uint64_t others; /* epoll_ctl, socket options, shutdown, accept4 */
    /* The longest time between two waits of a thread named worker-N; the test may zero both. */
    uint64_t turn_cpu_ns;
    uint64_t turn_wall_ns;
};

#endif
