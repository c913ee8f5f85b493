/* SPDX-License-Identifier: Apache-2.0
 *
 * Accepts on one listening descriptor for one worker. Knows nothing of TLS. When the
 * process runs out of descriptors it pauses instead of spinning: a reserve descriptor is
 * used to accept and close, accepting resumes after ACCEPT_PAUSE_MS or when told.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "net/loop.h"
#include "net/sock.h"

struct listener {
    uint32_t magic;
    struct loop *loop;
    struct loop_watch watch;
    struct loop_timer resume_timer;
    int fd;         /* borrowed: the control thread owns and closes it */
    int reserve_fd; /* given up to accept and close one connection at EMFILE */
    bool is_paused;
    uint64_t emfile_count;  /* times that no descriptor or memory was left */
    int64_t complain_at_ms; /* not said again before that */
    /* fd is non-blocking, close-on-exec, TCP_NODELAY, owned by the callee. */
    void (*on_accept)(void *arg, int fd, const struct addr *from);
    /* A connection was refused for that reason. Set after listener_start; may be NULL. */
    void (*on_turned_away)(void *arg);
    void *arg;
};

int listener_start(struct listener *ls, struct loop *loop, int fd,
                   void (*on_accept)(void *arg, int fd, const struct addr *from),
                   void *arg) GW_MUST_USE;
void listener_stop(struct listener *ls);
/* Too many connections: stop accepting until listener_resume. */
void listener_pause(struct listener *ls);
void listener_resume(struct listener *ls);

#endif
