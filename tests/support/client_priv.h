/* SPDX-License-Identifier: Apache-2.0
 *
 * Between client.c (connection and bytes), client_h1.c and client_h2.c.
 */
#ifndef SUPPORT_CLIENT_PRIV_H
#define SUPPORT_CLIENT_PRIV_H

#include <nghttp2/nghttp2.h>

#include "support/client.h"

struct h2_stream {
    uint32_t id;
    bool has_head;
    struct h2_response response;
};

struct client {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
    enum client_end state;
    int alert;
    char *error;
    int timeout_ms;
    SSL_SESSION *session;
    struct bytes in; /* read and not yet taken: [in_at, in.len) */
    size_t in_at;

    nghttp2_hd_inflater *inflater;
    struct bytes frame; /* payload handed out by h2_read */
    struct bytes block; /* header block without its last part yet */
    uint32_t block_stream;
    bool block_ends_stream;
    struct h2_stream *streams;
    size_t stream_count;
    int64_t goaway_code;
};

/* Reads something into c->in, until deadline_ms (monotonic). */
enum client_end client_fill(struct client *c, int64_t deadline_ms);
/* What is there to take. */
struct str client_ahead(const struct client *c);
void client_take(struct client *c, size_t n);
void client_h2_free(struct client *c);

#endif
