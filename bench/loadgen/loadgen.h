/* SPDX-License-Identifier: Apache-2.0
 *
 * loadgen: load on a mutual-TLS gateway from many client certificates, one thread, one
 * epoll set. Closed loop (every connection asks again as soon as it is answered) or open
 * loop (requests are due at a fixed rate; latency counts from when a request was due, so
 * that a stalled server cannot hide behind requests that were never sent).
 *
 *   main.c     options
 *   load.c     the loop: when connections open, when requests start, when it ends
 *   conn.c     one connection: connect, TLS, bytes
 *   http1.c    requests and responses of HTTP/1.1
 *   http2.c    the same over nghttp2
 *   certs.c    client certificates and the TLS contexts that present them
 *   stats.c    counting and the report
 *   watch.c    CPU time and memory of the server under load
 */
#ifndef LOADGEN_LOADGEN_H
#define LOADGEN_LOADGEN_H

#include <netinet/in.h>
#include <openssl/ssl.h>

#include "support/util.h"

enum {
    LG_CONNS_MAX = 200000,
    LG_STREAMS_MAX = 256, /* HTTP/2 streams or pipelined requests of one connection */
    LG_CERTS_MAX = 20000,
    LG_HEADERS_MAX = 32,
    LG_SOURCES_MAX = 250,
    LG_WATCH_MAX = 16,
    LG_BLOCK_BYTES = 65536,
    LG_OUT_HIGH = 131072, /* stop producing above this */
    LG_TURNS = 64,        /* of one connection before others get theirs */
    LG_EVENTS = 512,
    LG_BACKOFF_MS = 10, /* after a failed connection */
    LG_TICK_MS = 50,
    LG_H2_WINDOW = 16777216,
    LG_HIST_SUB = 64, /* sub-buckets per power of two: error below 2 % */
    LG_HIST_BUCKETS = 64 * 34,
    LG_STATUS_MAX = 600,
};

enum lg_mode {
    LG_REQUESTS, /* connections are kept */
    LG_FULL,     /* one GET per connection, full handshake */
    LG_RESUMED,  /* one GET per connection, session of the one before */
    LG_IDLE,     /* open, ask once, hold */
};

enum lg_error {
    LG_E_CONNECT,
    LG_E_TLS,
    LG_E_ALERT,
    LG_E_RESET,
    LG_E_EOF,
    LG_E_TIMEOUT,
    LG_E_PROTOCOL,
    LG_E_STREAM,
    LG_ERRORS
};

struct lg_options {
    struct sockaddr_in to;
    bool plain;
    bool h2;
    enum lg_mode mode;
    const char *sni;
    const char *authority; /* Host or :authority */
    const char *path;
    char *url_host; /* allocated pieces of the URL */
    char *url_authority;
    const char *method;
    const char *headers[LG_HEADERS_MAX];
    size_t header_count;
    const char *cert;
    const char *key;
    const char *cert_dir;
    const char *ca;
    int tls_version; /* 0: any */
    unsigned connections;
    unsigned streams;
    unsigned sources;        /* local addresses 127.0.0.2 and up; 0: the kernel's choice */
    unsigned connecting_max; /* handshakes at once when connections are opened */
    uint64_t requests;       /* 0: no limit */
    int64_t duration_us;
    int64_t warmup_us;
    int64_t timeout_us;
    int64_t interval_us;          /* of reports; 0: none */
    double rate;                  /* per second; 0: closed loop */
    uint64_t body;                /* upload size */
    int64_t hold_us;              /* idle: ends this long after everything is open; 0: no matter */
    unsigned watch[LG_WATCH_MAX]; /* processes of the server under load */
    size_t watch_count;
};

/* Of the processes that are watched, together. */
struct lg_watched {
    uint64_t cpu_us;
    uint64_t rss_bytes;
};

struct lg_hist {
    uint64_t count;
    uint64_t sum;
    uint64_t max;
    uint32_t bucket[LG_HIST_BUCKETS];
};

struct lg_stats {
    uint64_t requests; /* answered */
    uint64_t errors[LG_ERRORS];
    uint64_t status[LG_STATUS_MAX];
    uint64_t full;
    uint64_t resumed;
    uint64_t refused;  /* by GOAWAY, asked again */
    uint64_t bytes_in; /* of bodies */
    uint64_t bytes_out;
    uint64_t closed_by_peer; /* idle connections that went away */
    int64_t first_close_ms;  /* of those, since the epoch */
    int64_t last_close_ms;
    struct lg_hist latency;
    struct lg_hist handshake;
};

struct lg_cert {
    SSL_CTX *ctx;
    SSL_SESSION *session;
    char *name;
    uint64_t closed_by_peer;
    int64_t last_close_ms;
};

enum lg_state { LG_CLOSED, LG_CONNECTING, LG_HANDSHAKE, LG_OPEN };

enum lg_body {
    LG_BODY_HEAD,
    LG_BODY_LENGTH,
    LG_BODY_CHUNK_LINE,
    LG_BODY_CHUNK,
    LG_BODY_CHUNK_END,
    LG_BODY_TRAILER,
    LG_BODY_CLOSE
};

struct lg_load;
struct nghttp2_session;

/* One request under way. */
struct lg_request {
    int64_t start_us;
    uint64_t body_left;
    int status;
    bool busy;
};

struct lg_conn {
    struct lg_load *load;
    struct lg_conn *next_ready;
    bool is_ready;
    bool is_blocked; /* no room in the socket */
    bool is_read;    /* nothing more can have come since the last event */
    bool is_counted_opening;
    enum lg_state state;
    int fd;
    SSL *ssl;
    struct lg_cert *cert;
    unsigned number;
    int64_t opened_us; /* connect began */
    int64_t retry_us;  /* when closed: not before */
    int64_t preset_us; /* start of the request this connection is for; 0: none */
    uint64_t asked;    /* on this connection */
    uint64_t answered;
    struct bytes out;
    size_t out_at;
    uint64_t body_left;          /* of the HTTP/1 upload under way, after out */
    struct lg_request *requests; /* ring (HTTP/1) or slots (HTTP/2) */
    unsigned first;              /* oldest of the ring */
    unsigned busy;               /* requests under way */
    /* HTTP/1 response */
    struct bytes head;
    enum lg_body body;
    uint64_t left; /* of the body or chunk */
    bool closes;
    struct nghttp2_session *h2;
};

struct lg_load {
    struct lg_options opt;
    int epoll_fd;
    struct lg_conn *conns;
    struct lg_conn *ready;
    struct lg_cert *certs;
    size_t cert_count;
    struct bytes request; /* HTTP/1 head, ready to send */
    struct lg_stats *stats;
    struct lg_stats *interval; /* since the last report */
    int64_t now_us;
    int64_t start_us; /* of counting: after the warm-up */
    int64_t end_us;
    uint64_t started; /* requests */
    double due;       /* open loop: when the next request is, in us */
    unsigned opening; /* connections not open yet */
    unsigned open;
    unsigned next_source;
    bool stopping;
    bool said_open;
    uint64_t cpu_at_start_us;
    struct lg_watched watched_at_start;
    int64_t hold_end_us; /* idle: when the hold is over; 0: not all open yet */
    char block[LG_BLOCK_BYTES];
};

/* load.c */
void lg_run(struct lg_load *l);
/* True when one more request may start now; *ret_start_us is what its latency counts from. */
bool lg_may_start(struct lg_load *l, int64_t *ret_start_us);
void lg_answered(struct lg_conn *c, struct lg_request *r);
void lg_refused(struct lg_conn *c);
void lg_failed(struct lg_conn *c, enum lg_error kind);

/* conn.c */
void lg_conn_open(struct lg_conn *c);
void lg_conn_close(struct lg_conn *c);
void lg_conn_run(struct lg_conn *c);
/* Requests allowed and possible on this connection are started. */
void lg_conn_ask(struct lg_conn *c);

/* http1.c: false on a protocol error. */
void lg_h1_prepare(struct lg_load *l);
void lg_h1_ask(struct lg_conn *c, int64_t start_us);
bool lg_h1_input(struct lg_conn *c, const char *p, size_t n);
bool lg_h1_eof_is_end(struct lg_conn *c);

/* http2.c */
bool lg_h2_start(struct lg_conn *c);
bool lg_h2_ask(struct lg_conn *c, int64_t start_us);
bool lg_h2_input(struct lg_conn *c, const char *p, size_t n);
/* Moves what nghttp2 wants to send into c->out. */
bool lg_h2_output(struct lg_conn *c);
void lg_h2_end(struct lg_conn *c);

/* certs.c */
void lg_certs_load(struct lg_load *l);
void lg_certs_free(struct lg_load *l);

/* watch.c */
/* Process numbers with commas between. */
void lg_watch_parse(struct lg_options *o, const char *text);
struct lg_watched lg_watch_read(const struct lg_options *o);

/* stats.c */
void lg_hist_add(struct lg_hist *h, int64_t us);
void lg_stats_reset(struct lg_load *l);
void lg_report(struct lg_load *l);
void lg_report_interval(struct lg_load *l);

#endif
