/* SPDX-License-Identifier: Apache-2.0
 *
 * Every bound in the program, with its unit. Nothing grows past a number on this page,
 * or, for the control thread, in limits_control.h.
 * Where AWS documents a limit for ALB, ours is the same and the row says so.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <assert.h>

#include "base/limits_control.h"

#define KIB(n) ((size_t)(n)*1024)
#define MIB(n) ((size_t)(n)*1024 * 1024)

enum {
    /* Configuration */
    YAML_DEPTH_MAX = 16,
    YAML_NODES_MAX = 50000,
    YAML_SCALAR_BYTES_MAX = 16384,
    DIAG_ENTRIES_MAX = 200,
    DIAG_TEXT_MAX = 1024,
    WORKERS_MAX = 64,
    LISTENERS_MAX = 64,
    LISTENER_ADDRESSES_MAX = 16,
    LISTENER_CERTIFICATES_MAX = 26, /* ALB: default + 25 */
    LISTENER_HOSTS_MAX = 256,
    NAME_BYTES_MAX = 64,              /* of listeners, trust stores, target groups */
    PATH_BYTES_MAX = 4095,            /* the kernel's PATH_MAX without its NUL */
    URL_BYTES_MAX = 2048,             /* of a revocation list */
    FORWARD_GROUPS_MAX = 5,           /* ALB: target groups of one action */
    HEADER_NAME_BYTES_MAX = 40,       /* ALB: name in a header condition or a renaming */
    RULE_CERT_VALUE_BYTES_MAX = 2048, /* a SPIFFE id may be that long */
    ATTRIBUTE_BYTES_MAX = 1024,       /* ALB: value of an attribute */
    RULES_MAX = 100,                  /* ALB: rules per load balancer */
    RULE_PRIORITY_MAX = 50000,        /* ALB */
    RULE_VALUES_MAX = 64,
    RULE_VALUE_BYTES_MAX = 128,      /* ALB */
    FIXED_RESPONSE_BYTES_MAX = 1024, /* ALB */
    TARGET_GROUPS_MAX = 100,         /* ALB */
    TARGETS_MAX = 1000,              /* ALB */
    TARGET_ADDRESSES_MAX = 32,       /* addresses kept per name */
    TRUST_STORES_MAX = 64,
    TRUST_CERTS_MAX = 1000, /* API Gateway's; ALB's default is 25 */
    CRL_FILES_MAX = 256,
    TRUST_PROOF_ENTRIES_MAX = 1000, /* of a list, looked at for one that the self-test can use */
    TRUST_EXCEPTIONS_MAX = 64,      /* of one trust store */
    DENY_ENTRIES_MAX = 10000,
    DENY_TEXT_MAX = 2048,
    LOG_LINE_MAX = 8192, /* bytes, newline included */
    LOG_SHORT_CUT = 160, /* escaped bytes of an ordinary field in a line that is too long */
    LOG_LONG_CUT = 1280, /* the same for request line, user agent, subject, trace id */

    /* Client certificates */
    CHAIN_CERTS_MAX = 8,          /* certificates a client may send */
    CHAIN_DEPTH_MAX = 8,          /* upper end of max_chain_depth */
    CHAIN_DEPTH_DEFAULT = 4,      /* ALB */
    CLIENT_CERT_DER_MAX = 8192,   /* larger leaf: ClientCertMaxSizeExceeded */
    CLIENT_CERT_LIST_MAX = 32768, /* Certificate message, SSL_CTX_set_max_cert_list */
    CLIENT_DN_BYTES_MAX = 2048,   /* rendered subject or issuer */
    CLIENT_SANS_MAX = 64,
    IDENTITY_BLOCK_MAX = 98304,     /* bytes of all identity lines of one request head */
    PASSTHROUGH_HEADER_MAX = 57344, /* X-Amzn-Mtls-Clientcert: a full certificate list, encoded */
    SPIFFE_DOMAIN_BYTES_MAX = 255,  /* SPIFFE ID 2.1 */
    SERIAL_BYTES_MAX = 20,          /* RFC 5280 4.1.2.2; longer is kept by CRLs, see crl.h */
    OID_BYTES_MAX = 128,            /* encoded; longer ones are never printed */
    RSA_BITS_MIN = 2048,            /* ALB */
    RSA_BITS_MAX = 8192,            /* ALB */
    CRL_NUMBER_BYTES_MAX = 20,      /* RFC 5280 5.2.3 */
    PEM_LINE_MAX = 76,              /* base64 characters; RFC 7468 writes 64 */
    PAGES_MIN = 262144,             /* bytes from which a table is a mapping of its own */

    /* HTTP/1 and common to both versions; ALB's hard limits where it has them */
    REQUEST_LINE_MAX = 16384,
    HEADER_LINE_MAX = 16384,
    REQUEST_HEAD_MAX = 65536,
    REQUEST_HEADERS_MAX = 100,
    RESPONSE_HEAD_MAX = 32768,
    RESPONSE_HEADERS_MAX = 200,
    RESPONSE_INTERIM_MAX = 8,
    METHOD_BYTES_MAX = 40,
    AUTHORITY_BYTES_MAX = 261,  /* 253 + ':' + port, with room for a trailing dot */
    HOST_BYTES_MAX = 253,       /* RFC 1035, without the trailing dot */
    HOST_LABEL_MAX = 63,        /* RFC 1035 */
    CONNECTION_TOKENS_MAX = 32, /* names nominated by Connection in one message */
    HEADERS_SPARE = 16,         /* fields the gateway may add to a parsed message */
    CHUNK_LINE_MAX = 280,       /* 16 hex digits, 256 of extension, CRLF */
    CHUNK_EXT_LINE_MAX = 256,   /* of one chunk */
    CHUNK_EXT_BYTES_MAX = 4096, /* per body */
    TRAILER_BYTES_MAX = 8192,
    TRAILERS_MAX = 32,
    XFF_ADDRESSES_MAX = 30,         /* ALB: more is 463 */
    TRACE_HEADERS_BYTES_MAX = 7168, /* ALB: above it X-Amzn-Trace-Id is made anew */
    FORWARD_EXTRA_BYTES = 2048,     /* what forwarding adds to a head besides the identity */
    DRAIN_BYTES_MAX = 65536,        /* body read and dropped to keep a connection */

    /* HTTP/2 */
    H2_STREAMS_MAX = 128,    /* ALB */
    H2_REQUESTS_MAX = 10000, /* ALB: then GOAWAY */
    H2_STREAM_WINDOW = 65535,
    H2_CONN_WINDOW = 1048576,
    H2_HEADER_LIST_MAX = 32768, /* decoded, 32 bytes per field included */
    H2_HPACK_TABLE_BYTES = 4096,
    H2_OUT_BLOCKS_MAX = 24,        /* streams of a connection with a response buffer at once */
    H2_OUTBOUND_FRAMES_MAX = 1000, /* queued in nghttp2: above it nothing more is read */
    H2_BLOCK_FIELDS_MAX = 1000,    /* fields in one header block, then the connection goes */
    H2_CHECK_MS = 5000,            /* how often stalled streams are looked for */
    H2_SETTINGS_MAX = 32,
    H2_OUTBOUND_ACKS_MAX = 100,
    H2_RESET_BURST = 100, /* client RST_STREAM, then GOAWAY */
    H2_RESET_PER_SECOND = 20,
    H2_GLITCH_BURST = 100, /* protocol oddities that we answer, per connection */
    H2_GLITCH_PER_SECOND = 2,

    /* PROXY protocol */
    PROXY_HEADER_MAX = 1024 + 16,
    PROXY_V1_LINE_MAX = 107,
    VPCE_ID_MAX = 64,

    /* Connections and memory of one worker */
    IO_BLOCK_BYTES = 32768,
    HEAD_BLOCK_BYTES = 196608, /* a head that does not fit an IO block */
    STREAM_ARENA_BLOCK = 8192,
    STREAM_ARENA_MAX = 262144,
    CLIENT_ARENA_BLOCK = 8192,
    CLIENT_CACHE_MAX = 4096, /* admitted clients remembered by a worker */
    CONN_ARENA_BLOCK = 1024,
    CONN_ARENA_MAX = 262144,
    WORKER_CONNS_MAX = 65536,
    WORKER_HANDSHAKES_MAX = 4096,        /* not yet authenticated connections */
    WORKER_HANDSHAKES_PER_SOURCE = 1024, /* of those, from one address */
    WORKER_STREAMS_MAX = 65536,
    WORKER_UCONNS_MAX = 65536,
    WORKER_IO_BLOCKS_MAX = 65536, /* 2 GiB: the last brake, not a budget */
    WORKER_HEAD_BLOCKS_MAX = 1024,
    POOL_KEPT_CONNS = 256, /* free blocks kept for the next use */
    POOL_KEPT_STREAMS = 256,
    POOL_KEPT_IO_BLOCKS = 64,
    POOL_KEPT_HEAD_BLOCKS = 4,
    UPSTREAM_IDLE_MAX = 1024,  /* kept connections per worker and target group */
    UPSTREAM_CONNS_MAX = 8192, /* open connections per worker and target group */
    UPSTREAM_ATTEMPTS_MAX = 3, /* addresses tried for one request when connecting fails */
    OUTAGES_MAX = 16,          /* addresses of a target group that a worker sets aside */
    REFUSAL_LINES_PER_SECOND =
        20, /* in the diagnostic log, per worker; about failed upstreams too */
    REFUSAL_LINES_BURST = 100,
    LOG_RING_BYTES = 4194304,     /* per log file, for all producers; then lines are dropped */
    LOG_DIAG_RING_BYTES = 262144, /* of the diagnostic log, a power of two */
    LOG_RING_BYTES_MIN = 32768,   /* of one producer */
    LOG_PRODUCERS_MAX = WORKERS_MAX + 2,
    LOG_FILES_MAX = 16,   /* open at once, those still draining included */
    LOG_BATCHES_MAX = 16, /* writes to one file before the others get their turn */

    /* Deadlines, milliseconds */
    PROXY_HEADER_TIMEOUT_MS = 3000,
    HANDSHAKE_TIMEOUT_MS = 5000,
    HANDSHAKE_PATIENCE_MS = 500, /* with WORKER_HANDSHAKES_MAX: then the oldest gives way */
    REQUEST_HEAD_TIMEOUT_MS = 10000,
    BODY_GRACE_MS = 10000, /* then at least BODY_RATE_MIN */
    BODY_RATE_MIN = 1024,  /* bytes per second */
    WRITE_STALL_TIMEOUT_MS = 30000,
    IDLE_TIMEOUT_DEFAULT_MS = 60000,        /* ALB idle_timeout */
    CLIENT_KEEP_ALIVE_DEFAULT_MS = 3600000, /* ALB client_keep_alive */
    UPSTREAM_CONNECT_TIMEOUT_MS = 10000,    /* ALB */
    UPSTREAM_TLS_TIMEOUT_MS = 10000,        /* ALB */
    UPSTREAM_IDLE_TIMEOUT_MS = 50000,       /* below the other side's usual 60 s */
    CONNECT_SUSPECT_MS = 1000,              /* longer to connect: others look elsewhere */
    OUTAGE_FIRST_MS = 1000,                 /* an unreachable address is set aside, */
    OUTAGE_LONGEST_MS = 30000,              /* twice as long with each failure, up to this */
    LINGER_TIMEOUT_MS = 2000,               /* after our last byte, for the client to read it */
    DRAIN_TIMEOUT_MS = 30000,               /* on TERM, and of a removed listener */
    LINGER_BYTES_MAX = 1048576,
    STEP_ROUNDS_MAX = 16,          /* I/O rounds of one connection before others get their turn */
    VALIDITY_CHECK_MAX_S = 3600,   /* the wall clock may jump: look at least this often */
    LOG_NAP_MS = 10,               /* after a write, so that lines gather for the next */
    LOG_RETRY_MS = 1000,           /* after a failed write; tick of the dropped count */
    LOG_COMPLAIN_MS = 60000,       /* between complaints about one failing file */
    LOG_DRAIN_TIMEOUT_MS = 2000,   /* for the last lines of a file that takes none */
    DRAIN_FIRST_REQUEST_MS = 2000, /* for the first request of a connection that is draining */
    ACCEPT_PAUSE_MS = 50,          /* after EMFILE */
    ACCEPT_BATCH_MAX = 64,         /* connections per listener and loop turn */
    LISTEN_BACKLOG = 4096,         /* entries; capped by net.core.somaxconn */
    TICKET_MASTERS_MAX = 8,
    TICKET_EPOCHS_KEPT = 32, /* derived in advance; later ones when they are needed */
    TICKET_FILE_BYTES_MAX = 16384,
    TICKET_EPOCH_S = 28800,    /* keys of session tickets change this often */
    TICKET_LIFETIME_S = 14400, /* as told to clients */
    TICKET_FACTS_MAX = 16384,  /* sealed in a ticket: what the judge needs */
    RESUMPTION_MAX_S = 86400,  /* from the original full handshake, however often renewed */
    SWEEP_SLICE_US = 1000,     /* of one loop turn */
    TASKS_SLICE_US = 1000,     /* the same for what was put off to its end */
    RESOLVE_INTERVAL_MIN_MS = 1000,
    RESOLVE_INTERVAL_MAX_MS = 60000,
    RESOLVE_INTERVAL_DEFAULT_MS = 30000, /* when the TTL cannot be learned */
    RESOLVE_FIRST_WAIT_MS = 5000,        /* start and reload wait this long for first answers */
};

#define CONFIG_BYTES_MAX MIB(1)
#define CA_BUNDLE_BYTES_MAX MIB(16)
#define CERT_FILE_BYTES_MAX MIB(1) /* a certificate with its chain */
#define KEY_FILE_BYTES_MAX KIB(64) /* one private key */
#define CRL_FILE_BYTES_MAX ((size_t)2 * 1024 * 1024 * 1024)
#define CONTENT_LENGTH_MAX ((uint64_t)1 << 53)
#define SIZE_SETTING_MAX ((uint64_t)1 << 40)

static_assert(REQUEST_HEAD_MAX <= HEAD_BLOCK_BYTES, "a request head fits a head block");
static_assert(REQUEST_HEAD_MAX + 2 * CLIENT_CERT_LIST_MAX + 16384 <= HEAD_BLOCK_BYTES,
              "a forwarded head with identity headers fits a head block");
static_assert(REQUEST_HEAD_MAX + IDENTITY_BLOCK_MAX + 16384 <= HEAD_BLOCK_BYTES,
              "a forwarded head with every identity header fits a head block");
static_assert(RESPONSE_HEAD_MAX <= IO_BLOCK_BYTES, "a response head fits an IO block");
static_assert(REQUEST_HEAD_MAX < STREAM_ARENA_MAX, "a request head fits the stream arena");
static_assert(H2_HEADER_LIST_MAX <= REQUEST_HEAD_MAX, "both versions obey one head limit");

#endif
