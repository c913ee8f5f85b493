/* SPDX-License-Identifier: Apache-2.0
 *
 * The execute-api emulator: a private REST API as its VPC endpoint shows it. One thread
 * per worker, one epoll set per thread; connections never leave their thread.
 *
 *   main.c    options, threads, signals
 *   worker.c  accept, epoll, one connection's bytes in and out
 *   http1.c   request head and body framing
 *   api.c     which API, may it be called, what does it answer
 *   answer.c  response heads and error bodies
 */
#ifndef EMULATOR_EMULATOR_H
#define EMULATOR_EMULATOR_H

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <pthread.h>

#include "support/util.h"

enum {
    EM_WORKERS_MAX = 64,
    EM_IN_BYTES = 20480,  /* a TLS record and a common head */
    EM_BODY_ROOM = 65536, /* behind the head, for a body that does not fit there */
    EM_HEAD_MAX = 262144,
    EM_OUT_KEEP = 65536,       /* a larger output buffer is given back */
    EM_FIRST_BYTES = 8192,     /* of it, sent with the head */
    EM_PATTERN_BYTES = 65536,  /* body of /bytes/N, a multiple of the alphabet's 64 */
    EM_PAYLOAD_MAX = 10485760, /* API Gateway's payload limit */
    EM_TRAILERS_MAX = 16384,
    EM_IDLE_S = 310, /* API Gateway's idle timeout */
    EM_LINGER_S = 2,
    EM_TURNS = 64, /* of one connection before others get theirs */
    EM_EVENTS = 256,
    EM_ACCEPTS = 64,
};

struct em_options {
    const char *listen;
    const char *cert;
    const char *key;
    const char *client_ca; /* ask the gateway for a certificate under this CA */
    bool plain;
    const char *api_id;
    const char *region;
    const char *domain;       /* private custom domain name, or NULL */
    const char *vpce;         /* the endpoint this emulator stands behind */
    const char *require_vpce; /* what the resource policy demands, or NULL */
    bool no_payload_limit;
    uint64_t header_limit; /* bytes of all header values, 0: none */
    int workers;
    const char *access_log;
};

struct em_shared {
    struct em_options opt;
    SSL_CTX *ctx; /* NULL with --plain */
    int log_fd;   /* -1: none */
    int stop_fd;  /* readable when it is time to go */
    uint64_t conn_count;
    char pattern[EM_PATTERN_BYTES];
};

enum em_route {
    EM_NOT_ROUTED,
    EM_WIDGETS,
    EM_ECHO,
    EM_BYTES,
    EM_SINK,
    EM_DONE, /* the answer is already in the output buffer */
};

enum em_chunk {
    CHUNK_SIZE,
    CHUNK_EXT,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_CR,
    CHUNK_LF,
    CHUNK_TRAILER,
    CHUNK_END
};

/* One request; slices point into the connection's input, which keeps the head until the
 * answer is made. */
struct em_request {
    struct str method;
    struct str target; /* as received */
    struct str path;   /* before '?' */
    struct str host;
    struct str api_id; /* x-apigw-api-id */
    struct str trace;
    struct str fields; /* all field lines */
    size_t value_bytes;
    uint64_t length; /* Content-Length */
    bool has_length;
    bool is_chunked;
    bool is_head;
    bool is_http10;
    bool wants_close;
    bool wants_keep_alive;
    bool wants_continue;
    enum em_route route;
    int status;          /* answered */
    uint64_t body_bytes; /* received */
    bool body_done;
    enum em_chunk chunk;
    uint64_t chunk_left;
    unsigned chunk_digits;
    size_t line_len;       /* of the current trailer line */
    uint64_t stream_bytes; /* size of /bytes/N */
};

enum em_state { EM_HANDSHAKE, EM_HEAD, EM_BODY, EM_LINGER };

struct em_worker;

struct em_conn {
    struct em_conn *prev;
    struct em_conn *next;
    struct em_conn *next_ready; /* on the worker's list when is_ready */
    bool is_ready;
    bool is_drained; /* the last read emptied the socket */
    struct em_worker *worker;
    int fd;
    SSL *ssl;
    enum em_state state;
    uint64_t number; /* of this connection, 1 is the first */
    uint64_t requests;
    int64_t active_s;
    char *in;
    size_t in_cap;
    size_t in_len;
    size_t head_len; /* of the request being answered; the body starts there */
    size_t scanned;  /* no end of head before this offset */
    struct bytes out;
    size_t out_at;        /* written so far */
    uint64_t stream_left; /* pattern bytes still to write after out */
    uint64_t stream_at;
    bool close_after;
    struct em_request req;
    EVP_MD_CTX *digest; /* made by the first /echo */
    struct bytes trailers;
};

struct em_worker {
    struct em_shared *shared;
    pthread_t thread;
    int listen_fd;
    int epoll_fd;
    struct em_conn *conns;
    struct em_conn *ready;
    uint64_t random;
    int64_t now_s;
    char date[32];
};

/* worker.c */
void *em_worker_run(void *worker);

/* http1.c */
/* Length of the head at the front of c->in, 0 when not complete. */
size_t em_head_find(struct em_conn *c);
/* False: malformed. */
bool em_head_parse(struct em_request *r, char *head, size_t len);
/* Next field line of *fields. */
bool em_field_next(struct str *fields, struct str *ret_name, struct str *ret_value);
/* Takes body bytes from p; returns how many. *ret_bad: malformed. */
size_t em_body_take(struct em_conn *c, const char *p, size_t n, bool *ret_bad);

/* api.c */
/* Decides from the head. Answers at once when the body does not matter. */
void em_request_begin(struct em_conn *c);
/* The body is complete. */
void em_request_end(struct em_conn *c);
/* One piece of body, framing removed; false: too long, answered. */
bool em_request_body(struct em_conn *c, const char *p, size_t n);

/* answer.c */
void em_answer(struct em_conn *c, int status, const char *error_type, struct str body);
/* Head only, for a body of len bytes that follows. */
void em_answer_head(struct em_conn *c, int status, const char *error_type, const char *type,
                    uint64_t len);
void em_answer_bad_request(struct em_conn *c);
void em_json_string(struct bytes *out, struct str s);

#endif
