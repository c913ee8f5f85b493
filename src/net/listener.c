/* SPDX-License-Identifier: Apache-2.0
 *
 * The accept loop of one worker on one listening descriptor. The worker calls it; it owns the
 * reserve descriptor and its watch, not the listening descriptor. Loop thread only. It must
 * never spin when descriptors run out, and never keep the loop longer than one batch.
 */
#include "net/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"

/* An event descriptor needs no file system, so it can be had again inside a sandbox. */
static void
reserve_take(struct listener *ls)
{
    if (ls->reserve_fd < 0)
        ls->reserve_fd = eventfd(0, EFD_CLOEXEC);
}

static void
reserve_release(struct listener *ls)
{
    if (ls->reserve_fd >= 0)
        close(ls->reserve_fd);
    ls->reserve_fd = -1;
}

static void
pause_for(struct listener *ls, int64_t ms)
{
    loop_watch_remove(&ls->watch);
    ls->is_paused = true;
    loop_timer_set(&ls->resume_timer, ms == 0 ? 0 : loop_now(ls->loop)->mono_ms + ms);
}

/* Now and then, however many are turned away. */
static void
complain(struct listener *ls, int error)
{
    int64_t now_ms = loop_now(ls->loop)->mono_ms;

    if (now_ms < ls->complain_at_ms)
        return;
    ls->complain_at_ms = now_ms + LOG_COMPLAIN_MS;
    log_event(LOG_WARN, "listener", "cannot accept: %s; new connections are turned away%s",
              strerrordesc_np(error),
              error == EMFILE ? "; a higher limit of open files is needed" : "");
}

/* No descriptor or memory left. The client at the head of the queue is told at once by a reset
 * instead of being left to its own time-out. */
static void
on_exhausted(struct listener *ls, int error)
{
    int fd;

    ls->emfile_count++;
    complain(ls, error);
    reserve_release(ls);
    fd = accept4(ls->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        sock_close_reset(fd);
        if (ls->on_turned_away != NULL)
            ls->on_turned_away(ls->arg);
    }
    reserve_take(ls);
    pause_for(ls, ACCEPT_PAUSE_MS);
}

/* Faults of the one connection, which is gone; accept(2) lists those that Linux hands over from
 * the new socket. */
static bool
is_connection_fault(int err)
{
    switch (err) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

/* False ends the batch. */
static bool
accept_one(struct listener *ls)
{
    struct addr from = {0};
    int fd;

    from.len = sizeof(from.storage);
    fd = accept4(ls->fd, &from.sa, &from.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        ls->on_accept(ls->arg, fd, &from);
        return true;
    }
    if (errno == EAGAIN)
        return false;
    if (is_connection_fault(errno))
        return true;
    on_exhausted(ls, errno);
    return false;
}

static void
on_readable(void *arg, unsigned bits GW_UNUSED)
{
    struct listener *ls = arg;

    magic_check(ls, MAGIC_LISTENER);
    for (int i = 0; i < ACCEPT_BATCH_MAX; i++) {
        if (!accept_one(ls))
            return;
        /* on_accept may have paused or stopped us. */
        if (ls->magic != MAGIC_LISTENER || ls->is_paused)
            return;
    }
}

static void
on_resume_timer(void *arg)
{
    struct listener *ls = arg;

    magic_check(ls, MAGIC_LISTENER);
    listener_resume(ls);
}

int
listener_start(struct listener *ls, struct loop *loop, int fd,
               void (*on_accept)(void *arg, int fd, const struct addr *from), void *arg)
{
    *ls = (struct listener){
        .magic = MAGIC_LISTENER,
        .loop = loop,
        .fd = fd,
        .reserve_fd = -1,
        .on_accept = on_accept,
        .arg = arg,
    };
    sock_set_nodelay(fd); /* inherited by what is accepted; an adopted socket may lack it */
    reserve_take(ls);
    loop_timer_init(loop, &ls->resume_timer, on_resume_timer, ls);
    if (ls->reserve_fd < 0 || loop_watch_add_level(loop, &ls->watch, fd, on_readable, ls) < 0) {
        listener_stop(ls);
        return GW_E_SYS;
    }
    return 0;
}

void
listener_stop(struct listener *ls)
{
    if (ls->magic != MAGIC_LISTENER)
        return;
    loop_watch_remove(&ls->watch);
    loop_timer_done(&ls->resume_timer);
    reserve_release(ls);
    ls->magic = MAGIC_DEAD;
}

void
listener_pause(struct listener *ls)
{
    magic_check(ls, MAGIC_LISTENER);
    pause_for(ls, 0);
}

void
listener_resume(struct listener *ls)
{
    magic_check(ls, MAGIC_LISTENER);
    if (!ls->is_paused)
        return;
    reserve_take(ls);
    if (loop_watch_add_level(ls->loop, &ls->watch, ls->fd, on_readable, ls) < 0) {
        pause_for(ls, ACCEPT_PAUSE_MS); /* the kernel is out of memory for it; again later */
        return;
    }
    ls->is_paused = false;
    loop_timer_set(&ls->resume_timer, 0);
}
