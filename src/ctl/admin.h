/* SPDX-License-Identifier: Apache-2.0
 *
 * The administrative listener: a small HTTP/1 responder on the control loop. Over TCP it
 * answers GET only. Over the UNIX socket (mode 0600) it also takes POST /reload and what
 * on_local knows. One
 * request a connection; at most ADMIN_CONNS_MAX of them, each with a deadline.
 *
 * Control thread only.
 */
#ifndef CTL_ADMIN_H
#define CTL_ADMIN_H

#include <stdio.h>

#include "base/diag.h"
#include "net/loop.h"
#include "net/sock.h"

struct admin_request {
    bool is_post; /* or GET */
    struct str path;
    struct str query;
    unsigned uid; /* of the process at the other end of the UNIX socket */
    int pid;
    uint64_t number; /* for admin_local_done */
};

struct admin_hooks {
    /* Writes the body for a path without its query to out. Returns the status; 404 for a path
     * that there is not (the body is then written here). */
    int (*on_get)(void *arg, struct str path, FILE *out, const char **ret_type);
    /* Asks for a reload; returns the number that admin_reload_done will be called with, or a
     * higher one, when it is done. 0: not possible now. */
    uint64_t (*on_reload)(void *arg);
    void *arg;
    /* Anything else that only the UNIX socket takes; may be NULL. Writes the body and returns the
     * status; 404: no such path; 0: admin_local_done answers later, within
     * ADMIN_RELOAD_TIMEOUT_MS. */
    int (*on_local)(void *arg, const struct admin_request *req, FILE *out, const char **ret_type);
};

struct admin;

struct admin *admin_new(struct loop *loop, const struct admin_hooks *hooks);
/* Cuts every connection, removes the UNIX socket if it is still ours. NULL is fine. */
void admin_free(struct admin *a);
/* Takes the listening descriptor over. */
int admin_listen_tcp(struct admin *a, int fd) GW_MUST_USE;
/* Creates the socket file with mode 0600. One that nobody listens on is replaced; one that somebody
 * listens on is an error unless takes_over. GW_E_CONFIG with diag filled. file is for messages. */
int admin_listen_unix(struct admin *a, const char *path, bool takes_over, const char *file,
                      struct diag *diag) GW_MUST_USE;
/* Everybody who waits for a reload numbered at most `number` is answered. */
void admin_reload_done(struct admin *a, uint64_t number, bool is_loaded, const char *text);
/* Answers the request of that number, if it still waits. */
void admin_local_done(struct admin *a, uint64_t number, int status, const char *text);
/* No new connections; those there are answered. */
void admin_stop_listening(struct admin *a);
size_t admin_conn_count(const struct admin *a);
/* The listening descriptor, -1 without; borrowed. */
int admin_tcp_fd(const struct admin *a);

#endif
