/* SPDX-License-Identifier: Apache-2.0
 *
 * One accepted client connection. conn_step is the only function that does I/O on it or
 * changes its state; callbacks record and step. It ends in conn_close, whoever asked, and is
 * freed at the end of the loop turn. Worker thread.
 *
 *   PROXY ---> HANDSHAKE ---> OPEN ---> FLUSH ---> LINGER ---> CLOSED
 *     |            |            |         (any state may go to CLOSED at once)
 */
#ifndef PROXY_CONN_H
#define PROXY_CONN_H

#include "base/arena.h"
#include "cert/identity.h"
#include "cert/verify.h"
#include "net/proxy_header.h"
#include "proxy/client.h"
#include "proxy/codec.h"
#include "proxy/worker_priv.h"
#include "tls/tls_io.h"

enum conn_state {
    CONN_PROXY,     /* waiting for the PROXY protocol header */
    CONN_HANDSHAKE, /* TLS */
    CONN_OPEN,      /* codec at work */
    CONN_FLUSH,     /* nothing more is read; out, then close_notify */
    CONN_LINGER,    /* our side is shut down; waits for the client to read and close */
    CONN_CLOSED,    /* freed at the end of the turn */
};

/* Why a connection ended. X(NAME, "token for the diagnostic log") */
#define CONN_ENDS                                                                           \
    X(NONE, "open")                                                                         \
    X(DONE, "done")                                                                         \
    X(CLIENT_CLOSED, "closed by the client")                                                \
    X(CLIENT_RESET, "reset by the client")                                                  \
    X(PROBE, "closed before a byte was sent")                                               \
    X(IDLE, "idle timeout")                                                                 \
    X(SLOW, "client too slow")                                                              \
    X(PROXY_HEADER, "PROXY protocol header missing, malformed or from an untrusted source") \
    X(HANDSHAKE, "TLS handshake failed")                                                    \
    X(HANDSHAKE_TIMEOUT, "TLS handshake timeout")                                           \
    X(PROTOCOL, "protocol violation")                                                       \
    X(ABUSE, "too many resets or oddities")                                                 \
    X(REVOKED, "client certificate no longer accepted")                                     \
    X(POLICY, "listener or its policy changed")                                             \
    X(DRAINED, "gateway is stopping")                                                       \
    X(LIMIT, "a limit was reached")                                                         \
    X(IO, "input/output error")

enum conn_end {
#define X(name, text) CONN_END_##name,
    CONN_ENDS
#undef X
        CONN_END_COUNT
};

const char *conn_end_text(enum conn_end end);

struct h1_conn;
struct h2_conn;

struct conn {
    uint32_t magic;
    struct list link;    /* worker.conns */
    struct list pending; /* worker.pending_conns, until the handshake is through */
    uint16_t source;     /* whom it counts for meanwhile, a slot of worker.sources */
    struct worker *w;
    enum conn_state state;
    enum conn_end end;
    int fd;
    struct loop_watch watch;
    struct loop_timer timer;
    struct loop_task step_task; /* conn_kick */
    struct loop_task free_task;
    struct tls_io *tls;
    const struct codec *codec;
    union {
        struct h1_conn *h1;
        struct h2_conn *h2;
    };

    struct buf in;
    struct buf out;
    struct arena arena; /* identity, forwarding facts: until the connection ends */

    unsigned listener_index;  /* into the worker's current site */
    struct str listener_name; /* in arena: finds the listener again after a reload */
    struct str sni;           /* canonical, in arena */
    struct str elb;           /* in arena */
    uint16_t listener_port;
    struct addr client; /* after PROXY protocol */
    struct addr peer;   /* of the socket */
    struct addr local;
    char vpce_id[VPCE_ID_MAX + 1];
    char trace_id[37]; /* "TID_" + 32 hex */

    /* What the handshake established; immutable afterwards. */
    enum mutual_mode mode;
    uint8_t policy_digest[32];
    struct client *cl;         /* the admitted client; NULL without a verified certificate */
    bool cl_is_offered;        /* cl comes from an offered session that may yet not be used */
    struct identity *identity; /* cl's, or unverified facts for the log; may be NULL */
    struct forward_conn forward;
    uint64_t forward_hash; /* of the settings that forward was rendered under */
    enum reason refusal;   /* why the certificate was refused */
    char refusal_detail[VERDICT_DETAIL_MAX];
    struct str exception;     /* that let the certificate pass, in words, in arena; for the log */
    enum reason would_refuse; /* report_only: what would have been the refusal */
    uint64_t judged_epoch;    /* worker.judge_epoch when the identity was last found good */
    int64_t valid_until_s;    /* wall clock: to be judged again then */

    struct list streams; /* struct stream, in progress */
    unsigned stream_count;
    uint64_t request_count;

    int64_t accepted_us; /* mono */
    int64_t hello_us;    /* mono; TLS began */
    int64_t started_ms;  /* of the current phase (PROXY, HANDSHAKE) */
    int64_t activity_ms; /* last byte read or written in OPEN */
    int64_t leave_ms;    /* its listener is gone: what is in progress ends here; 0: it is there */
    int64_t write_ms;    /* last progress of a write while out is not empty; 0 when empty */
    uint64_t bytes_in;   /* plain text */
    uint64_t bytes_out;

    uint64_t linger_bytes;
    bool client_is_proxied; /* client came from a PROXY header */
    bool got_bytes;         /* anything at all was received */
    bool has_news;          /* an event said readable or closed since the last read */
    bool saw_eof;           /* the client will send no more */
    bool is_cached;         /* the verdict came from the cache */
    bool is_draining;
    bool wants_close; /* codec: close when out is empty and no stream is left */
    bool wants_abort; /* the response is cut: the client must not take it for whole */
    bool is_logged;   /* conn log line written */
    bool sent_notify;
    bool must_close; /* conn_close was called while stepping: closes when the step ends */
    bool must_step;  /* a step is due after the one in progress */
    bool is_stepping;
};

/* From the listener: takes fd. */
void conn_accept(struct worker *w, struct worker_listener *wl, int fd, const struct addr *from);
void conn_step(struct conn *c);
/* conn_step at the end of this loop turn. */
void conn_kick(struct conn *c);
/* Graceful: what is in out leaves, then close_notify, then close. Streams must be gone. */
void conn_finish(struct conn *c, enum conn_end end);
/* Streams are aborted. At once, or at the end of the step in progress. Idempotent. */
void conn_close(struct conn *c, enum conn_end end);
static inline bool
conn_is_closing(const struct conn *c)
{
    return c->must_close || c->state == CONN_CLOSED;
}
/* For a stopping gateway or a removed listener: requests in flight finish. */
void conn_drain(struct conn *c);

const struct site_listener *conn_listener(const struct conn *c);

/* conn_proxy.c: the PROXY phase. Asked about the socket's own peer, before a byte was read. */
bool conn_proxy_may_speak(const struct site_listener *l, const struct addr *peer);
void conn_step_proxy(struct conn *c);
/* Refuses: counted, logged, closed. */
void conn_proxy_failed(struct conn *c, const char *why);
/* Load balancers connect only to see whether somebody answers: no error, and not logged. */
void conn_probed(struct conn *c);
/* It is known for whom the connection is: counts it for its source until its handshake is through.
 * False: the source has its share of places, and the connection is closed. */
bool conn_count_source(struct conn *c) GW_MUST_USE;

/* conn_tls.c: what the handshake's hooks and its end do. */
extern const struct tls_hooks conn_tls_hooks;
/* Renders identity and forwarding facts. A GW_E_ code refuses the connection; c->refusal is set. */
int conn_establish(struct conn *c) GW_MUST_USE;
/* For the log: the facts of a certificate that was turned away before it was judged. */
void conn_note_leaf(struct conn *c);
/* The cheap or full judgement of the identity under the current snapshot. False: refused. */
bool conn_judge_again(struct conn *c, struct verdict *ret);
/* conn_record.c: the connection log line; once. */
void conn_log_line(struct conn *c);

#endif
