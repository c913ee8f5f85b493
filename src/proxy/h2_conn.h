/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two HTTP/2 files share. h2_conn.c: the session, requests, time. h2_send.c:
 * responses. Worker thread; nghttp2 callbacks only record, append and submit.
 */
#ifndef PROXY_H2_CONN_H
#define PROXY_H2_CONN_H

#include <nghttp2/nghttp2.h>

#include "base/ratelimit.h"
#include "proxy/stream.h"

struct h2_conn {
    nghttp2_session *session;
    struct str pending;      /* serialised by nghttp2, not yet in conn.out; valid until mem_send */
    struct ratelimit resets; /* RST_STREAM from the client */
    struct ratelimit glitches; /* oddities that cost us work */
    int64_t request_ms;        /* a request began or ended: for the idle timeout */
    int64_t block_ms;          /* a header block is incomplete since; 0 otherwise */
    int64_t check_ms;          /* when stalled streams are looked for next; 0 without streams */
    uint32_t block_fields;     /* of the header block being received */
    uint32_t out_blocks;       /* streams with a response buffer */
    bool is_abusive;
    bool sent_goaway;
};

/* Sends what is buffered: called by nghttp2 for DATA frames. */
ssize_t h2_data_read(nghttp2_session *session, int32_t id, uint8_t *dst, size_t len,
                     uint32_t *flags, nghttp2_data_source *source, void *user);

/* h2_send.c: the codec's response half. */
int h2_send_head(struct stream *s, const struct http_resp *resp);
size_t h2_body_room(struct stream *s);
void h2_send_body(struct stream *s, struct str bytes);
void h2_send_end(struct stream *s);
void h2_abort(struct stream *s);
/* Streams that stopped for want of room go on. True when one of them moved. */
bool h2_step_waiting(struct conn *c);
/* END_STREAM has left for s although its request body has not ended: asks the client to stop. */
void h2_on_response_sent(struct stream *s);

#endif
