/* SPDX-License-Identifier: Apache-2.0
 *
 * A client that does exactly what it is told: TLS (or plain TCP), raw bytes, HTTP/1
 * responses, raw HTTP/2 frames. Blocking, with a deadline on every call. One thread per
 * client. Nothing here asserts; look at the results.
 */
#ifndef SUPPORT_CLIENT_H
#define SUPPORT_CLIENT_H

#include <openssl/ssl.h>

#include "support/pki.h"
#include "support/util.h"

struct client_spec {
    const char *host; /* "127.0.0.1" when NULL */
    uint16_t port;
    bool plain;            /* no TLS */
    const char *sni;       /* NULL: none */
    const char *cert_file; /* chain PEM and key; both or none */
    const char *key_file;
    const struct pki_cert *cert;         /* or from memory: leaf and issuers without the root */
    const struct pki_cert *const *chain; /* with cert: send these after the leaf instead, */
    size_t chain_count;                  /* exactly as many as given */
    bool leaf_only;
    const char *ca_file; /* verify the server; NULL: do not */
    const char *alpn;    /* "h2", "h2,http/1.1", NULL: none */
    int min_version;     /* TLS1_2_VERSION ... */
    int max_version;
    const char *ciphers; /* TLS 1.2 list */
    const char *groups;
    const char *sigalgs;
    SSL_SESSION *session; /* try to resume */
    struct str prelude;   /* bytes before the handshake: a PROXY header */
    const char *source;   /* local address, "127.0.0.2" */
    int receive_buffer;   /* SO_RCVBUF, set before connecting */
    bool connect_only;    /* leave the handshake to client_handshake */
    int timeout_ms;       /* of every later call; 5000 when 0 */
};

struct client;

/* How a call ended when it did not succeed. */
enum client_end {
    CLIENT_OK,
    CLIENT_TIMEOUT,
    CLIENT_EOF, /* FIN, or close_notify */
    CLIENT_RESET,
    CLIENT_ALERT,  /* fatal alert received: client_alert */
    CLIENT_FAILED, /* anything else: client_error */
};

/* Always returns a client; client_state says whether it is usable. With TLS 1.3 the server's
 * refusal of a certificate arrives after the handshake: see client_admitted. */
struct client *client_open(const struct client_spec *spec);
enum client_end client_handshake(struct client *c);
/* CLIENT_OK while everything went well. */
enum client_end client_state(const struct client *c);
/* Alert description number received, such as SSL_AD_UNKNOWN_CA; -1 when none. */
int client_alert(const struct client *c);
const char *client_error(const struct client *c);
/* True when the other side said close_notify, so that an end is no truncation. */
bool client_close_notify(const struct client *c);
/* After the handshake: waits for a short time whether the server refuses after all. HTTP/2 and
 * HTTP/1 servers say nothing first unless they refuse. True: still open. */
bool client_admitted(struct client *c, int wait_ms);

SSL *client_ssl(struct client *c);
int client_fd(const struct client *c);
uint16_t client_local_port(const struct client *c);
const char *client_alpn(const struct client *c); /* "" when none */
bool client_resumed(const struct client *c);
/* The newest session; the caller frees it with SSL_SESSION_free. With TLS 1.3 read something
 * first. NULL when the server gave none. */
SSL_SESSION *client_session(struct client *c);

enum client_end client_send(struct client *c, const void *p, size_t n);
enum client_end client_puts(struct client *c, const char *text);
/* In pieces of step bytes with a pause between. */
enum client_end client_dribble(struct client *c, struct str bytes, size_t step, int pause_ms);
/* Up to cap bytes; what was read ahead comes first. */
enum client_end client_read(struct client *c, void *p, size_t cap, size_t *ret_n);
/* Reads until `needle` was seen or the connection ended; all bytes so far are appended to out. */
enum client_end client_read_until(struct client *c, const char *needle, struct bytes *out);
/* Everything up to the end of the connection; says how it ended. */
enum client_end client_read_all(struct client *c, struct bytes *out);
/* Waits for the end of the connection and throws away what comes. */
enum client_end client_wait_closed(struct client *c, int timeout_ms);
void client_set_timeout(struct client *c, int timeout_ms);

void client_shutdown_write(struct client *c); /* close_notify and FIN */
void client_reset(struct client *c);          /* RST, then as closed */
void client_close(struct client *c);          /* orderly, and frees; NULL is fine */

/* ---- HTTP/1 ---- */

struct response {
    int status;        /* 0: no response */
    struct bytes head; /* status line and fields as received, with the empty line */
    struct bytes body; /* framing removed */
    struct bytes trailers;
    int interim;   /* 1xx responses before it */
    bool complete; /* the body ended as its framing says */
    bool is_chunked;
    bool closes; /* Connection: close, or framed by the end of the connection */
    enum client_end end;
};

/* Reads one response. for_head: the request was HEAD. */
struct response client_response(struct client *c, bool for_head);
/* GET path with Host and nothing else; reads the response. */
struct response client_get(struct client *c, const char *host, const char *path);
/* Sends the text and reads the response. */
struct response client_exchange(struct client *c, const char *request);
/* First field of that name, any case, without surrounding space; empty when absent. */
struct str response_field(const struct response *r, const char *name);
size_t response_field_count(const struct response *r, const char *name);
void response_free(struct response *r);

/* ---- HTTP/2, raw ---- */

enum {
    H2_DATA,
    H2_HEADERS,
    H2_PRIORITY,
    H2_RST_STREAM,
    H2_SETTINGS,
    H2_PUSH_PROMISE,
    H2_PING,
    H2_GOAWAY,
    H2_WINDOW_UPDATE,
    H2_CONTINUATION
};
enum {
    H2_FLAG_END_STREAM = 1,
    H2_FLAG_ACK = 1,
    H2_FLAG_END_HEADERS = 4,
    H2_FLAG_PADDED = 8,
    H2_FLAG_PRIORITY = 32
};

struct h2_frame {
    size_t len;
    uint8_t type;
    uint8_t flags;
    uint32_t stream;
    uint8_t *payload; /* valid until the next h2_read */
};

struct h2_field {
    struct str name;
    struct str value;
};

#define H2_FIELD(n, v)          \
    {                           \
        {"" n, sizeof(n) - 1},  \
        {                       \
            "" v, sizeof(v) - 1 \
        }                       \
    }

/* Preface and SETTINGS (empty, or the given payload). */
enum client_end h2_start(struct client *c, struct str settings_payload);
enum client_end h2_write(struct client *c, const struct h2_frame *frame);
/* Fields as literals without indexing and without Huffman: any byte can be sent. */
void h2_encode(struct bytes *out, const struct h2_field *fields, size_t count);
/* One HEADERS frame with END_HEADERS. */
enum client_end h2_headers(struct client *c, uint32_t stream, const struct h2_field *fields,
                           size_t count, bool end_stream);
/* GET with the four pseudo-header fields. */
enum client_end h2_get(struct client *c, uint32_t stream, const char *authority, const char *path);
enum client_end h2_data(struct client *c, uint32_t stream, struct str data, bool end_stream);
enum client_end h2_rst(struct client *c, uint32_t stream, uint32_t code);
enum client_end h2_window_update(struct client *c, uint32_t stream, uint32_t increment);
/* Next frame, untouched: nothing is answered or decoded, so do not mix it with the two below
 * once there were header blocks. */
enum client_end h2_read(struct client *c, struct h2_frame *ret);
/* Reads frames until one of that type (and stream, when not 0) comes. SETTINGS and PING are
 * acknowledged and other frames kept for h2_response meanwhile. */
enum client_end h2_read_type(struct client *c, uint8_t type, uint32_t stream, struct h2_frame *ret);

struct h2_response {
    int status;          /* 0: none */
    struct bytes fields; /* "name: value\n" lines */
    struct bytes body;
    struct bytes trailers;
    bool complete;       /* END_STREAM seen */
    int64_t rst_code;    /* -1: not reset */
    int64_t goaway_code; /* -1: no GOAWAY seen while reading */
    enum client_end end;
};

/* Reads one stream to its end: acknowledges SETTINGS and PING, gives window back. Frames of other
 * streams are decoded and kept for their own call. */
struct h2_response h2_response(struct client *c, uint32_t stream);
struct str h2_response_field(const struct h2_response *r, const char *name);
void h2_response_free(struct h2_response *r);

#endif
