/* SPDX-License-Identifier: Apache-2.0
 *
 * Between origin.c (the server and what it saw) and origin_conn.c (one connection and its
 * script).
 */
#ifndef SUPPORT_ORIGIN_PRIV_H
#define SUPPORT_ORIGIN_PRIV_H

#include <openssl/ssl.h>
#include <pthread.h>

#include "support/origin.h"

enum { ORIGIN_CONNS_MAX = 65536, ORIGIN_SPECIAL_MAX = 256, ORIGIN_POLL_MS = 20 };

struct script {
    struct origin_step *steps; /* its own */
    size_t count;
};

struct origin_conn {
    struct origin *origin;
    size_t number;
    pthread_t thread;
    int fd;
    SSL *ssl;
    struct bytes received;
    size_t used; /* bytes that READ steps have taken */
    struct script script;
    bool ended;
    bool peer_closed;
    bool resumed;
    char *sni;
};

struct origin {
    struct origin_spec spec;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping;
    bool accepting; /* a connection is between the kernel's queue and conns */
    bool gate_is_open;
    int fd;
    uint16_t port;
    char address[32];
    SSL_CTX *ctx;
    struct script script;
    struct script special[ORIGIN_SPECIAL_MAX]; /* of connection n, when steps is not NULL */
    struct origin_conn **conns;
    size_t conn_count;
    size_t first; /* conns before this one are forgotten */
    size_t requests;
    struct bytes all;
};

bool origin_is_stopping(struct origin *o);
bool origin_gate_is_open(struct origin *o);
/* Wakes those who wait for figures; the lock is held. */
void origin_announce(struct origin *o);
/* Thread of one connection: TLS, script, close. */
void *origin_conn_run(void *conn);

#endif
