/* SPDX-License-Identifier: Apache-2.0
 *
 * The facts of one finished connection attempt and of one finished request: plain data that
 * proxy fills and the formatters read. All slices are borrowed for the call. Empty slices,
 * negative numbers and zero stand for "not known" and are written as '-' (or -1).
 */
#ifndef OBS_RECORD_H
#define OBS_RECORD_H

#include "base/str.h"
#include "cert/identity.h"
#include "cert/reason.h"

struct conn_record {
    int64_t wall_us; /* moment of success or failure */
    struct str client_ip;
    uint16_t client_port;
    uint16_t listener_port;
    struct str listener; /* configured name */
    struct str elb;      /* "app/<name>/<id>" */
    struct str local_ip;
    struct str tls_version, tls_cipher, tls_group;
    int64_t handshake_us;        /* -1: failed or not TLS */
    const struct identity *cert; /* NULL: no leaf or not parseable; facts may be partial */
    bool has_tls;
    bool has_verify_status; /* false: '-' (mode off) */
    enum reason reason;     /* NONE: Success; with would_refuse and a handshake, Success as well */
    struct str detail;      /* plain words of the refusal */
    struct str trace_id;    /* "TID_" + 32 lower hex */
    struct str sni, alpn, vpce_id, host_policy;
    struct str rule; /* which exception, report-only or deny entry applied */
    bool is_resumed;
    bool is_cached;      /* verdict cache */
    bool would_refuse;   /* report_only */
    struct str proxy_ip; /* socket's own peer when PROXY protocol gave client_ip */
    uint64_t generation;
};

struct stream_record {
    struct str type;    /* http https h2 grpcs ws wss */
    int64_t wall_us;    /* response generated */
    int64_t created_us; /* request received */
    struct str elb, listener, client_ip, local_ip;
    uint16_t client_port, listener_port;
    struct str target;                          /* "ip:port", empty when never dispatched */
    int64_t request_us, target_us, response_us; /* -1: as ALB's -1 */
    int status;        /* sent to the client; 0 unknown, 460 client closed */
    int target_status; /* 0: '-' */
    uint64_t received_bytes, sent_bytes;
    struct str method, scheme, authority,
        uri;                 /* as sent; for "METHOD scheme://host:port/uri HTTP/x.y" */
    struct str http_version; /* "HTTP/1.1", "HTTP/2.0" */
    struct str user_agent;
    struct str tls_version, tls_cipher;
    struct str target_group;
    struct str trace_id;    /* X-Amzn-Trace-Id */
    struct str domain_name; /* SNI when a certificate matched it */
    struct str chosen_cert; /* certificate file, "session-reused" */
    int rule_priority;      /* 0 default, -1 evaluation error, -2 '-' */
    struct str actions;     /* "forward", "fixed-response", ... */
    struct str redirect_url;
    struct str error_reason; /* ours in JSON; ALB's list only in alb format */
    struct str error_detail; /* in words, for JSON */
    struct str desync_class, desync_reason;
    struct str conn_trace_id;
    const struct identity *cert; /* JSON only */
    struct str vpce_id;
    struct str end; /* how it ended, for JSON: "ok", "client-closed", "upstream-reset" */
    bool is_resumed;
    bool would_refuse;
    uint64_t generation;
};

enum log_format { LOG_FORMAT_ALB, LOG_FORMAT_JSON };

#endif
