/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection to an upstream, HTTP/1.1 over TCP or TLS. Lent to one stream at a time,
 * kept idle in between. uconn_step does all I/O on it; then it steps its stream. Worker
 * thread.
 *
 *   CONNECTING ---> TLS ---> OPEN <---> IDLE ---> CLOSED
 */
#ifndef PROXY_UCONN_H
#define PROXY_UCONN_H

#include "base/buf.h"
#include "base/list.h"
#include "http/h1_body.h"
#include "http/h1_parse.h"
#include "net/loop.h"
#include "net/sock.h"
#include "tls/tls_io.h"

struct stream;
struct upstream;
struct worker;

enum uconn_state { UCONN_CONNECTING, UCONN_TLS, UCONN_OPEN, UCONN_IDLE, UCONN_CLOSED };

enum uconn_error {
    UCONN_ERROR_NONE,
    UCONN_ERROR_CONNECT,         /* refused, unreachable */
    UCONN_ERROR_CONNECT_TIMEOUT, /* TCP or TLS */
    UCONN_ERROR_TLS,             /* handshake or verification */
    UCONN_ERROR_CLOSED,          /* end of stream or reset */
    UCONN_ERROR_TIMEOUT,         /* no byte within the idle timeout */
};

struct uconn {
    uint32_t magic;
    struct list link; /* target.idle while IDLE */
    struct worker *w;
    struct upstream *upstream;
    unsigned target_index;
    struct stream *stream; /* NULL while IDLE */
    enum uconn_state state;
    enum uconn_error error;
    int connect_errno; /* with UCONN_ERROR_CONNECT; 0 when not known */
    int fd;
    struct addr addr;
    char addr_text[ADDR_TEXT_MAX]; /* "ip:port" */
    size_t addr_text_len;
    struct loop_watch watch;
    struct loop_timer timer;
    struct loop_task step_task;
    struct loop_task free_task;
    struct tls_io *tls; /* NULL for plain TCP */
    struct buf in;
    struct buf out;
    bool is_readable; /* plain TCP: edge seen, not drained */
    bool is_writable;
    bool saw_closed;
    bool is_eof;       /* end of stream was read; in may still hold bytes */
    bool eof_is_clean; /* TLS: with close_notify; TCP: without an error */
    bool is_reused;    /* has served a request before the current one */
    bool is_suspect;   /* takes long to connect; upstream knows */
    bool write_failed; /* the upstream takes no more; its answer may still come */
    bool read_stopped; /* in was full: someone must kick after consuming */
    int64_t activity_ms;
    int64_t born_ms;
    int64_t deadline_ms; /* of the connect and TLS phases, or idle in the pool */

    /* Response of the current stream */
    struct h1_scan scan;
    struct h1_body body;
    bool has_head;
    bool keep_alive;
};

/* Steps at the end of this loop turn. */
void uconn_kick(struct uconn *u);
/* Ready for the next request of s: parser state reset. */
void uconn_assign(struct uconn *u, struct stream *s);
/* The response is complete and the connection clean: back to the pool, or closed when it
 * may not be kept. The stream must have let go of it. */
void uconn_release(struct uconn *u);
/* Ends it without a word to the stream, which must have let go of it. */
void uconn_close(struct uconn *u);
/* New, connecting to addr. Owned by upstream. */
int uconn_connect(struct upstream *up, unsigned target_index, const struct addr *addr,
                  struct uconn **ret) GW_MUST_USE;
const char *uconn_error_text(enum uconn_error e);

#endif
