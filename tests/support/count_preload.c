/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts what a program asks of the allocator and of the kernel. Loaded with LD_PRELOAD by the
 * budget test; the counters lie in the file that COUNT_FILE names, which the test has mapped too.
 * Without that variable it only passes calls on. Any thread.
 */
#include "support/count_preload.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The allocator behind malloc and its kin, under names that nothing else takes. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);
/* What fortified callers call. */
ssize_t __read_chk(int fd, void *p, size_t n, size_t room);
ssize_t __recv_chk(int fd, void *p, size_t n, size_t room, int flags);

static struct count_totals nowhere;
static struct count_totals *totals = &nowhere;
/* Where the program's own code lies; calls from elsewhere are its libraries'. */
static uintptr_t own_begin;
static uintptr_t own_end;

#define COUNT(member) __atomic_add_fetch(&totals->member, 1, __ATOMIC_RELAXED)

static int
on_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];

        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
            continue;
        own_begin = info->dlpi_addr + part->p_vaddr;
        own_end = own_begin + part->p_memsz;
    }
    return 1; /* the program comes first; no more */
}

__attribute__((constructor)) static void
count_begin(void)
{
    const char *path = getenv("COUNT_FILE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *p;

    if (fd < 0)
        return;
    dl_iterate_phdr(on_object, NULL);
    p = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p != MAP_FAILED)
        totals = p;
}

static void
count_allocation(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;

    if (at >= own_begin && at < own_end)
        COUNT(own_allocations);
    else
        COUNT(library_allocations);
}

void *
malloc(size_t n)
{
    count_allocation(__builtin_return_address(0));
    return __libc_malloc(n);
}

void *
calloc(size_t count, size_t n)
{
    count_allocation(__builtin_return_address(0));
    return __libc_calloc(count, n);
}

void *
realloc(void *p, size_t n)
{
    count_allocation(__builtin_return_address(0));
    return __libc_realloc(p, n);
}

void *
reallocarray(void *p, size_t count, size_t n)
{
    size_t all;

    count_allocation(__builtin_return_address(0));
    return __builtin_mul_overflow(count, n, &all) ? NULL : __libc_realloc(p, all);
}

ssize_t
read(int fd, void *p, size_t n)
{
    COUNT(reads);
    return syscall(SYS_read, fd, p, n);
}

ssize_t
__read_chk(int fd, void *p, size_t n, size_t room)
{
    if (n > room)
        abort();
    return read(fd, p, n);
}

ssize_t
readv(int fd, const struct iovec *parts, int count)
{
    COUNT(reads);
    return syscall(SYS_readv, fd, parts, count);
}

ssize_t
recv(int fd, void *p, size_t n, int flags)
{
    COUNT(reads);
    return syscall(SYS_recvfrom, fd, p, n, flags, NULL, NULL);
}

ssize_t
__recv_chk(int fd, void *p, size_t n, size_t room, int flags)
{
    if (n > room)
        abort();
    return recv(fd, p, n, flags);
}

ssize_t
recvmsg(int fd, struct msghdr *m, int flags)
{
    COUNT(reads);
    return syscall(SYS_recvmsg, fd, m, flags);
}

ssize_t
write(int fd, const void *p, size_t n)
{
    COUNT(writes);
    return syscall(SYS_write, fd, p, n);
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
    COUNT(writes);
    return syscall(SYS_writev, fd, parts, count);
}

ssize_t
send(int fd, const void *p, size_t n, int flags)
{
    COUNT(writes);
    return syscall(SYS_sendto, fd, p, n, flags, NULL, 0);
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
    COUNT(writes);
    return syscall(SYS_sendmsg, fd, m, flags);
}

static uint64_t
clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void
keep_longest(uint64_t *longest, uint64_t ns)
{
    uint64_t was = __atomic_load_n(longest, __ATOMIC_RELAXED);

    while (ns > was && !__atomic_compare_exchange_n(longest, &was, ns, false, __ATOMIC_RELAXED,
                                                    __ATOMIC_RELAXED))
        continue;
}

struct turn {
    bool is_worker;
    uint64_t cpu_ns, wall_ns; /* when its last wait ended; 0: it has not waited yet */
};

static void
turn_end(struct turn *t)
{
    char name[32] = "";

    if (!t->is_worker) { /* a thread gets its name only after it has begun */
        t->is_worker = pthread_getname_np(pthread_self(), name, sizeof(name)) == 0 &&
                       strncmp(name, "worker-", 7) == 0;
        return;
    }
    if (t->wall_ns == 0)
        return;
    keep_longest(&totals->turn_cpu_ns, clock_ns(CLOCK_THREAD_CPUTIME_ID) - t->cpu_ns);
    keep_longest(&totals->turn_wall_ns, clock_ns(CLOCK_MONOTONIC) - t->wall_ns);
}

int
epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
    static _Thread_local struct turn turn;
    int n;

    COUNT(waits);
    turn_end(&turn);
    n = (int)syscall(SYS_epoll_pwait, fd, events, max, timeout_ms, NULL, 8);
    if (turn.is_worker) {
        turn.cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        turn.wall_ns = clock_ns(CLOCK_MONOTONIC);
    }
    return n;
}

int
epoll_ctl(int fd, int op, int what, struct epoll_event *event)
{
    COUNT(others);
    return (int)syscall(SYS_epoll_ctl, fd, op, what, event);
}

int
setsockopt(int fd, int level, int name, const void *value, socklen_t n)
{
    COUNT(others);
    return (int)syscall(SYS_setsockopt, fd, level, name, value, n);
}

int
getsockopt(int fd, int level, int name, void *value, socklen_t *n)
{
    COUNT(others);
    return (int)syscall(SYS_getsockopt, fd, level, name, value, n);
}

int
shutdown(int fd, int how)
{
    COUNT(others);
    return (int)syscall(SYS_shutdown, fd, how);
}

int
accept4(int fd, struct sockaddr *from, socklen_t *n, int flags)
{
    COUNT(others);
    return (int)syscall(SYS_accept4, fd, from, n, flags);
}
