/* SPDX-License-Identifier: Apache-2.0
 *
 * The one interface between a client connection and the HTTP version spoken on it. A codec
 * turns conn->in into streams and their bodies, and what streams answer into conn->out. It
 * does no I/O and closes nothing itself: it sets flags on the conn and conn_step acts.
 */
#ifndef PROXY_CODEC_H
#define PROXY_CODEC_H

#include "http/msg.h"

struct conn;
struct stream;

struct codec {
    const char *version; /* "HTTP/1.1", "HTTP/2.0": for logs */
    /* Once, when the handshake is done. GW_E_NOMEM, GW_E_LIMIT. */
    int (*open)(struct conn *c);
    /* conn->in has new bytes, or an earlier obstacle is gone. */
    void (*on_input)(struct conn *c);
    /* Whether more input is wanted now (back-pressure says no). */
    bool (*wants_read)(const struct conn *c);
    /* Moves what is ready into conn->out as far as there is room. */
    void (*collect)(struct conn *c);
    /* "100 Continue", before the body of s is read. NULL where the version has no such need. */
    void (*send_continue)(struct stream *s);
    /* Response of stream s: head once, then body pieces of at most body_room bytes, then the end.
     * resp stays valid for the call only. GW_E_NOSPACE, GW_E_LIMIT: the head cannot be sent. */
    int (*send_head)(struct stream *s, const struct http_resp *resp);
    size_t (*body_room)(struct stream *s);
    void (*send_body)(struct stream *s, struct str bytes);
    /* Calls stream_finish(s, s->end) now, or when the bytes have left its own buffers. */
    void (*send_end)(struct stream *s);
    /* The response cannot be completed: the client must see that it is not whole. */
    void (*abort)(struct stream *s);
    /* The stream is about to be freed. */
    void (*detach)(struct stream *s);
    /* No new requests; those in flight finish; then wants_close. */
    void (*drain)(struct conn *c);
    /* Next instant at which on_deadline wants to be called; 0 for none. */
    int64_t (*deadline)(const struct conn *c);
    void (*on_deadline)(struct conn *c, int64_t now_ms);
    void (*done)(struct conn *c);
};

extern const struct codec codec_h1;
extern const struct codec codec_h2;

#endif
