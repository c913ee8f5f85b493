/* SPDX-License-Identifier: Apache-2.0
 *
 * The BIO between libssl and a non-blocking, edge-triggered socket. It makes no system call
 * that is known to block, and tells the kernel when more records of the same write follow.
 * One thread; the state is embedded in the tls_io and outlives the BIO.
 */
#ifndef TLS_SOCK_BIO_H
#define TLS_SOCK_BIO_H

#include <openssl/bio.h>

#include "base/base.h"

struct sock_bio {
    int fd;           /* borrowed */
    int error;        /* errno of the failure that ended the socket */
    bool is_readable; /* as far as is known: false only after EAGAIN or its equal */
    bool is_writable;
    bool was_short;   /* the last read returned less than asked for */
    bool wrote_since; /* a write succeeded after that read */
    bool saw_closed;  /* the loop told that the other side has shut down */
    bool saw_eof;
    size_t write_left; /* plaintext that libssl was given and has not yet made a record of */
};

/* To be freed with BIO_meth_free after the last BIO made of it. */
BIO_METHOD *sock_bio_method_new(void);
/* *s is zeroed but for what this sets. NULL without memory. */
BIO *sock_bio_new(const BIO_METHOD *method, struct sock_bio *s, int fd);
/* Nothing can be read before the next edge. What libssl has buffered is not looked at. */
bool sock_bio_is_drained(struct sock_bio *s);
void sock_bio_on_ready(struct sock_bio *s, bool readable, bool writable, bool saw_closed);

#endif
