/* SPDX-License-Identifier: Apache-2.0
 *
 * One request and its response. stream_step is the only function that changes its state;
 * codecs and upstream connections feed it and step it. It moves bytes between buffers and
 * never does I/O. It ends in stream_finish. Worker thread.
 *
 *   HEAD ---> DECIDE ---> RELAY ---> FLUSH ---> DONE
 *                 \-----> REPLY --/
 */
#ifndef PROXY_STREAM_H
#define PROXY_STREAM_H

#include "proxy/conn.h"

struct uconn;
struct upstream;

enum stream_state {
    STREAM_HEAD,   /* the codec is filling the model */
    STREAM_DECIDE, /* which rule, which upstream */
    STREAM_RELAY,  /* an upstream connection is at work */
    STREAM_REPLY,  /* a response of our own is being given to the codec */
    STREAM_FLUSH,  /* the codec has all of the response; the upstream is released */
    STREAM_DONE,
};

/* How a request ended. X(NAME, "token in the JSON access log") */
#define STREAM_ENDS                              \
    X(OK, "ok")                                  \
    X(MALFORMED, "malformed-request")            \
    X(REFUSED, "refused")                        \
    X(DENIED, "ClientCertDenied")                \
    X(CLIENT_CLOSED, "client-closed")            \
    X(CLIENT_TIMEOUT, "client-timeout")          \
    X(NO_TARGET, "no-target")                    \
    X(CONNECT_FAILED, "connect-failed")          \
    X(CONNECT_TIMEOUT, "connect-timeout")        \
    X(UPSTREAM_TLS, "upstream-tls")              \
    X(UPSTREAM_CLOSED, "upstream-closed")        \
    X(UPSTREAM_MALFORMED, "upstream-malformed")  \
    X(UPSTREAM_TIMEOUT, "upstream-timeout")      \
    X(UPSTREAM_TRUNCATED, "upstream-truncated")  \
    X(REVOKED, "certificate-no-longer-accepted") \
    X(ABORTED, "aborted")

enum stream_end {
#define X(name, text) STREAM_END_##name,
    STREAM_ENDS
#undef X
        STREAM_END_COUNT
};

struct stream {
    uint32_t magic;
    struct list link; /* conn.streams */
    struct conn *conn;
    enum stream_state state;
    enum stream_end end;
    struct arena arena; /* head, model, small texts; reset for the next stream of the pool */
    struct worker_site *site;
    const struct site_listener *listener;
    const struct site_policy *policy;
    const struct rule *rule;
    struct upstream *upstream;
    struct uconn *uconn;

    struct http_req req;
    struct http_resp resp;
    struct str trace_id;    /* X-Amzn-Trace-Id as sent */
    struct str target_text; /* "ip:port" of the upstream connection */
    const char *actions;
    enum h1_fault fault; /* what is wrong with the request, or with the response */
    struct str failure;  /* of the upstream, in words; in arena or constant */

    /* Request body, client to upstream */
    enum http_framing body_framing; /* towards the upstream */
    bool body_done;                 /* the client has sent all of it */
    bool body_end_sent;             /* our framing's end is in the upstream's buffer */
    uint64_t body_bytes;            /* payload taken from the client */
    uint64_t body_sent;             /* payload put into the upstream's buffer */

    /* Response */
    bool has_resp; /* resp holds the final head */
    bool head_sent;
    bool resp_done; /* the whole response has been given to the codec */
    uint32_t interim_count;
    uint64_t resp_bytes;   /* payload given to the codec */
    struct str reply_body; /* REPLY: what is left of it */

    unsigned attempts;  /* upstream connections tried */
    bool is_replayable; /* nothing of the body was taken yet and the method is idempotent */
    bool closes_after;  /* the client connection may not be kept */

    /* Codec's */
    int32_t h2_id;
    bool h2_deferred; /* the data source has nothing to give */
    bool h2_end_queued;
    bool h2_no_body;         /* the response has none */
    bool h2_wants_step;      /* stopped for want of room; stepped when some is made */
    bool h2_refused_head;    /* too many or too large fields */
    struct buf h2_body_in;   /* request payload waiting for the upstream */
    struct buf h2_body_out;  /* response payload waiting for nghttp2 */
    struct str h2_pseudo[4]; /* method, scheme, authority, path: in arena */
    uint32_t h2_head_bytes;
    bool h2_body_ended;     /* END_STREAM was received; h2_body_in may still hold bytes */
    int64_t progress_ms;    /* last byte either way */
    int64_t h2_rate_ms;     /* since when the rate of the request body is measured */
    uint64_t h2_rate_bytes; /* what had come then */

    /* For the log; microseconds of the monotonic clock, 0 when it did not happen */
    int64_t created_wall_us;
    int64_t created_us;
    int64_t dispatched_us;
    int64_t head_us;
    int status;
    int target_status;
    uint64_t received_bytes;
    uint64_t sent_bytes;
};

/* A pooled stream in HEAD state on c. NULL at the limit. */
struct stream *stream_new(struct conn *c);
/* The codec has filled req (hygiene included): goes to DECIDE and on. */
void stream_start(struct stream *s);
/* The response is complete and with the codec, which calls stream_finish(s, s->end) when it has
 * no more use for s. */
void stream_flush(struct stream *s);
/* The request cannot be served: answer with status, without an upstream. */
void stream_refuse(struct stream *s, int status, enum stream_end end);
/* The request is no HTTP as it should be. */
void stream_refuse_fault(struct stream *s, enum h1_fault fault);
void stream_step(struct stream *s);
/* How many payload bytes the upstream's buffer can take now. */
size_t stream_body_room(const struct stream *s);
/* n <= stream_body_room. */
void stream_body_push(struct stream *s, struct str payload);
/* The client has sent the whole body. */
void stream_body_end(struct stream *s);
/* The client is gone, or reset the stream: the upstream's work is given up. */
void stream_cancel(struct stream *s, enum stream_end end);
/* The upstream connection failed before the response was complete (uconn.error tells). */
void stream_on_uconn_failed(struct stream *s);
/* Records, logs, counts, detaches from the codec and frees. */
void stream_finish(struct stream *s, enum stream_end end);
const char *stream_end_text(enum stream_end end);
/* stream_record.c: keeps the words for a failure; the access log line, and for a failed upstream
 * one in the diagnostic log. */
void stream_note_failure(struct stream *s, const struct uconn *u);
void stream_log_line(struct stream *s);

/* The response has begun and cannot be completed: the client must see that. */
void stream_abort(struct stream *s, enum stream_end end);

/* relay.c: moves what can be moved, both ways; ends the stream when it is complete or failed. */
void relay_step(struct stream *s);
/* Writes the request head into the upstream's buffer. 0, GW_E_LIMIT (463), GW_E_NOSPACE (431). */
int relay_request_head(struct stream *s) GW_MUST_USE;

#endif
