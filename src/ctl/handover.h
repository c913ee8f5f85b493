/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening sockets across programs: those that systemd opened for us (sd_listen_fds(3)),
 * and those that a running gateway gives to the one that replaces it (USR2). The new
 * program is the old one's child; it says on a pipe when it is ready, and until then the
 * old one goes on serving.
 *
 * Control thread only.
 */
#ifndef CTL_HANDOVER_H
#define CTL_HANDOVER_H

#include <sys/types.h>

#include "base/diag.h"
#include "net/loop.h"

/* What the environment gave us. */
struct handover_in {
    int *fds; /* malloc; close-on-exec is set */
    size_t count;
    int ready_fd;    /* -1 unless an older gateway waits for us */
    bool is_upgrade; /* from an older gateway, not from systemd */
};

/* Reads the variables and removes them, so that no child inherits them. A malformed variable is an
 * error: sockets that are lost without a word would be worse. */
int handover_read(struct handover_in *ret, struct diag *diag) GW_MUST_USE;
void handover_in_done(struct handover_in *in);
/* Tells the older gateway that we serve. */
void handover_say_ready(struct handover_in *in);

/* Where the other end stands now: the child's process id, and whether it serves. */
struct handover_hooks {
    /* error is NULL on success; otherwise why the new program does not serve. It has ended. */
    void (*on_done)(void *arg, pid_t pid, const char *error);
    void *arg;
};

struct handover_plan {
    const char *program; /* absolute path */
    char *const *argv;   /* ends with NULL */
    const int *fds;      /* borrowed for the call */
    size_t fd_count;
    int64_t timeout_ms;
};

struct handover;

/* Starts the program. GW_E_SYS or GW_E_LIMIT with diag filled. on_done is called exactly once,
 * later, unless handover_cancel is called before. */
int handover_start(struct loop *loop, const struct handover_plan *plan,
                   const struct handover_hooks *hooks, struct diag *diag,
                   struct handover **ret) GW_MUST_USE;
/* Ends the new program when it is not ready yet. NULL is fine. */
void handover_cancel(struct handover *h);

#endif
