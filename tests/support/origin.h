/* SPDX-License-Identifier: Apache-2.0
 *
 * The oracle origin: a TCP or TLS server on loopback that keeps the exact bytes each
 * connection received and answers from a script. Runs on a thread of its own per
 * connection; every call here is safe from the test's thread.
 *
 *   static const struct origin_step steps[] = {
 *       ORIGIN_READ_REQUEST,
 *       ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
 *       ORIGIN_LOOP,
 *   };
 *   struct origin *o = origin_start(&(struct origin_spec){.steps = steps, .count = 3});
 *
 * No steps at all: every request is answered 200 with the body "ok", keep-alive.
 */
#ifndef SUPPORT_ORIGIN_H
#define SUPPORT_ORIGIN_H

#include "support/pki.h"
#include "support/util.h"

enum origin_op {
    ORIGIN_OP_READ_REQUEST, /* head and the body that its framing announces */
    ORIGIN_OP_READ_HEAD,
    ORIGIN_OP_READ_BYTES, /* n bytes more than read so far */
    ORIGIN_OP_SEND,
    ORIGIN_OP_DRIBBLE, /* data, n bytes at a time, ms between */
    ORIGIN_OP_REPEAT,  /* data, n times (large bodies) */
    ORIGIN_OP_DELAY,   /* ms; ends early on origin_stop */
    ORIGIN_OP_SHUT,    /* FIN (TLS: close_notify first), go on reading */
    ORIGIN_OP_CLOSE,   /* orderly */
    ORIGIN_OP_CUT,     /* close without close_notify */
    ORIGIN_OP_RESET,   /* RST */
    ORIGIN_OP_HOLD,    /* read and record until the other side closes */
    ORIGIN_OP_FREEZE,  /* do not even read, until origin_stop */
    ORIGIN_OP_GATE,    /* until origin_open_gate or origin_stop */
    ORIGIN_OP_LOOP,    /* back to the first step */
};

struct origin_step {
    enum origin_op op;
    struct str data;
    size_t n;
    int ms;
};

#define ORIGIN_READ_REQUEST          \
    {                                \
        .op = ORIGIN_OP_READ_REQUEST \
    }
#define ORIGIN_READ_HEAD          \
    {                             \
        .op = ORIGIN_OP_READ_HEAD \
    }
#define ORIGIN_READ_BYTES(count)                 \
    {                                            \
        .op = ORIGIN_OP_READ_BYTES, .n = (count) \
    }
#define ORIGIN_SEND(text)                                           \
    {                                                               \
        .op = ORIGIN_OP_SEND, .data = { "" text, sizeof(text) - 1 } \
    }
#define ORIGIN_DRIBBLE(text, step, pause)                                                        \
    {                                                                                            \
        .op = ORIGIN_OP_DRIBBLE, .data = {"" text, sizeof(text) - 1}, .n = (step), .ms = (pause) \
    }
#define ORIGIN_REPEAT(text, times)                                                \
    {                                                                             \
        .op = ORIGIN_OP_REPEAT, .data = {"" text, sizeof(text) - 1}, .n = (times) \
    }
#define ORIGIN_DELAY(pause)                  \
    {                                        \
        .op = ORIGIN_OP_DELAY, .ms = (pause) \
    }
#define ORIGIN_SHUT          \
    {                        \
        .op = ORIGIN_OP_SHUT \
    }
#define ORIGIN_CLOSE          \
    {                         \
        .op = ORIGIN_OP_CLOSE \
    }
#define ORIGIN_CUT          \
    {                       \
        .op = ORIGIN_OP_CUT \
    }
#define ORIGIN_RESET          \
    {                         \
        .op = ORIGIN_OP_RESET \
    }
#define ORIGIN_HOLD          \
    {                        \
        .op = ORIGIN_OP_HOLD \
    }
#define ORIGIN_FREEZE          \
    {                          \
        .op = ORIGIN_OP_FREEZE \
    }
#define ORIGIN_GATE          \
    {                        \
        .op = ORIGIN_OP_GATE \
    }
#define ORIGIN_LOOP          \
    {                        \
        .op = ORIGIN_OP_LOOP \
    }

struct origin_spec {
    const struct origin_step *steps; /* copied, their data is not; end of steps: close */
    size_t count;
    const struct pki_cert *cert;      /* TLS with this certificate and its issuers */
    const struct pki_cert *client_ca; /* ask for a client certificate under this CA */
    const char *alpn;                 /* protocol to choose; NULL: none */
    uint16_t port;                    /* 0: any */
    bool refuse;                      /* bound but not listening: connections are refused */
    bool never_accept;                /* listening, handshakes never start */
};

struct origin;

struct origin *origin_start(const struct origin_spec *spec);
uint16_t origin_port(const struct origin *o);
/* "127.0.0.1:PORT"; lives as long as the origin. */
const char *origin_address(const struct origin *o);
/* For connections accepted from now on; NULL: every request is answered again. */
void origin_set_steps(struct origin *o, const struct origin_step *steps, size_t count);
/* Different steps for the n-th connection (0 is the first); others keep the common ones. */
void
origin_set_conn_steps(struct origin *o, size_t n, const struct origin_step *steps, size_t count);

/* Every ORIGIN_GATE lets through from now on. */
void origin_open_gate(struct origin *o);

size_t origin_conn_count(struct origin *o);
size_t origin_open_count(struct origin *o);    /* connections not yet ended */
size_t origin_request_count(struct origin *o); /* READ_REQUEST and READ_HEAD steps completed */
bool origin_wait_conns(struct origin *o, size_t n, int timeout_ms);
bool origin_wait_requests(struct origin *o, size_t n, int timeout_ms);
bool origin_wait_idle(struct origin *o, int timeout_ms); /* every connection has ended */
/* A copy of the bytes connection n received, in order; the caller frees with bytes_free. */
struct bytes origin_received(struct origin *o, size_t n);
/* Of all connections, in order of arrival. */
struct bytes origin_received_all(struct origin *o);
/* True when some connection received this text. */
bool origin_saw(struct origin *o, const char *text);
/* TLS facts of connection n: SNI ("" when none), whether resumed. */
const char *origin_sni(struct origin *o, size_t n);
bool origin_resumed(struct origin *o, size_t n);
/* Forgets connections that have ended. Numbering starts again at 0. */
void origin_forget(struct origin *o);
/* Closes everything, joins the threads, frees. NULL is fine. */
void origin_stop(struct origin *o);

#endif
