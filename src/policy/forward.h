/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes to the upstream and back, written from the model: request line, forwarding and
 * identity headers in ALB's order and spelling ("HTTP headers and Application Load
 * Balancers", "HTTP headers and mutual TLS"), then the client's own fields. Nothing the
 * client wrote as framing, hop-by-hop field or reserved identity name survives. Pure.
 *
 * Order: X-Forwarded-For, -Proto, -Port, X-Amzn-Mtls-* (rendered once per connection),
 * Host, X-Amzn-Trace-Id, the client's fields, then our framing.
 */
#ifndef POLICY_FORWARD_H
#define POLICY_FORWARD_H

#include "base/buf.h"
#include "cert/identity.h"
#include "http/hygiene.h"
#include "http/msg.h"

enum mutual_mode { MUTUAL_OFF, MUTUAL_PASSTHROUGH, MUTUAL_OPTIONAL, MUTUAL_VERIFY };
enum xff_mode { XFF_APPEND, XFF_PRESERVE, XFF_REMOVE };

/* Names to send, after renaming by attributes. */
struct forward_names {
    struct str serial, issuer, subject, validity, leaf, chain;
    struct str tls_version, tls_cipher;
};
extern const struct forward_names forward_names_default;

struct forward_override {
    struct str name;
    struct str value;
};

struct forward_settings {
    enum xff_mode xff_mode;
    bool xff_client_port;
    bool host_as_alb;       /* Host without its port on 80 and 443, with the listener's elsewhere */
    bool sends_tls_headers; /* x-amzn-tls-version and -cipher-suite */
    bool sends_server;      /* Server: awselb/2.0 on the gateway's own answers */
    unsigned handover;      /* more identity headers: bits of enum handover_header */
    struct forward_names names;
    struct hygiene_names reserved; /* every renamed name, for hygiene */
    const struct forward_override *response_overrides;
    size_t response_override_count;
    uint64_t identity_hash; /* forward_identity_hash of these */
};

/* Constant for one connection. All text lives in the connection's arena. */
struct forward_conn {
    struct str client_ip; /* no brackets */
    struct str client_port;
    struct str listener_port;
    struct str proto;          /* "https" */
    struct str identity_block; /* whole lines with CRLF; empty without identity */
    uint32_t identity_lines;
};

/* Renders the identity lines for a mode: five in verify (and optional with a certificate), one in
 * passthrough with a certificate, none otherwise; behind the five those of handover; then the two
 * TLS lines when switched on. GW_E_LIMIT when they do not fit the arena or IDENTITY_BLOCK_MAX.
 * GW_E_DENIED when handover cannot state the identity. chain_pem: from identity_chain_pem, for
 * passthrough. */
struct forward_identity {
    enum mutual_mode mode;
    const struct identity *identity; /* NULL without a certificate */
    struct str chain_pem;
    X509 *const *chain; /* the verified path, leaf first, anchor last; for handover */
    int chain_count;
    struct str tls_version;
    struct str tls_cipher;
};
/* Differs when forward_identity_render would render the same client in another way. */
uint64_t forward_identity_hash(const struct forward_settings *settings);
int forward_identity_render(const struct forward_settings *settings,
                            const struct forward_identity *in, struct arena *arena,
                            struct str *ret_block, uint32_t *ret_lines) GW_MUST_USE;

struct forward_request {
    const struct forward_settings *settings;
    const struct forward_conn *conn;
    const struct http_req *req;
    struct str host; /* Host to send; empty: the request's authority */
    uint8_t trace_random[12];
    int64_t wall_s;
    enum http_framing framing; /* how the body will be sent: NONE, LENGTH, CHUNKED */
};

/* Writes the whole head or nothing. GW_E_NOSPACE when out or the arena is too small; GW_E_LIMIT
 * with more than XFF_ADDRESSES_MAX addresses in X-Forwarded-For (463), whatever the mode.
 * *ret_trace_id: the X-Amzn-Trace-Id value sent, in arena, for the log. req has passed
 * hygiene_request: what that marked, and nothing else of the client's names, is left out. */
int forward_request_write(const struct forward_request *f, struct buf *out, struct arena *arena,
                          struct str *ret_trace_id) GW_MUST_USE;

/* The value that forward_request_write would send, for the log of a request that is not forwarded.
 * Only req, wall_s and trace_random count. GW_E_NOSPACE when the arena is too small. */
int
forward_trace_id(const struct forward_request *f, struct arena *arena, struct str *ret) GW_MUST_USE;

/* Prepares a response for the client in place: applies overrides (in the header table). Works for
 * upstream responses after hygiene_response. GW_E_LIMIT. */
int forward_response_prepare(const struct forward_settings *settings,
                             struct http_resp *resp) GW_MUST_USE;
/* The HTTP/1 head for the client: "HTTP/1.1 STATUS REASON", fields that are not dropped, framing
 * line, Connection: keep-alive or close (close always with UNTIL_CLOSE; neither on 1xx).
 * GW_E_NOSPACE. */
struct forward_h1_response {
    const struct http_resp *resp;
    enum http_framing framing; /* NONE writes no framing line unless writes_length */
    uint64_t content_length;
    bool keep_alive;
    bool writes_length; /* NONE for HEAD and 304: a Content-Length that describes no body here */
};
int forward_response_write(const struct forward_h1_response *f, struct buf *out) GW_MUST_USE;

/* A response of the gateway's own as a model: status, fields (Server, Date, Content-Type,
 * Content-Length is framing) and body. body ptr NULL: ALB's HTML for the status; an empty body of
 * the rule's has a ptr. 1xx, 204 and 304 have neither type nor body. GW_E_LIMIT. */
struct forward_own {
    const struct forward_settings *settings;
    int status;
    struct str content_type; /* with a body of the rule's */
    struct str body;
    int64_t wall_s;
};
int forward_own_response(const struct forward_own *in, struct arena *arena,
                         struct http_resp *ret_resp, struct str *ret_body) GW_MUST_USE;

#endif
