/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything built from one configuration generation. Three parts with separate lifetimes:
 *
 *   trust stores  heavy; referenced by the snapshot only, never by a connection
 *   tls_servers   libssl keeps a context alive under a live SSL
 *   site          rules, upstream definitions, settings; requests in flight pin it
 *
 * Built on the control thread, const afterwards, one reference per worker. The last
 * snapshot_unref must happen on the control thread (freeing a large list takes time).
 */
#ifndef CONF_SNAPSHOT_H
#define CONF_SNAPSHOT_H

#include "base/diag.h"
#include "base/ref.h"
#include "cert/trust.h"
#include "cert/verify.h"
#include "conf/config.h"
#include "net/sock.h"
#include "obs/record.h"
#include "policy/forward.h"
#include "policy/route.h"
#include "tls/ticket_keys.h"
#include "tls/tls_ctx.h"

/* What one target of a target group is. */
struct site_target {
    struct str name; /* host or address as configured, canonical; NUL-terminated */
    uint16_t port;
    bool is_address;
    struct addr address; /* when is_address */
};

/* A target group. */
struct site_upstream {
    struct str name;
    struct site_target *targets;
    size_t target_count;
    bool has_tls;
    struct tls_client *tls; /* one reference; NULL without TLS */
    struct str
        server_name; /* name to pin and send as SNI; empty: the target's own; NUL-terminated */
    struct str host_header; /* empty: preserve */
    struct str log_name;    /* target_group_arn field of the access log */
    uint8_t digest[32];     /* of every field above: equal digests may share connections */
};

/* The policy of a listener, or of one entry of its `hosts`. */
struct site_policy {
    struct str_list names; /* canonical, may begin "*."; empty for the listener's own */
    enum mutual_mode mode;
    int trust_index; /* into snapshot.trusts, -1 without */
    int tls_index;   /* into snapshot.tls_servers */
    struct verify_options verify;
    bool report_only;
    struct route_table routes;
    uint8_t digest[32]; /* of what a client must satisfy: mode, trust store, options */
};

enum proxy_mode { PROXY_OFF, PROXY_OPTIONAL, PROXY_REQUIRED };

struct site_listener {
    struct str name;
    struct str elb; /* "app/<name>/<16 hex>" for the logs */
    struct addr *addresses;
    size_t address_count;
    enum proxy_mode proxy_mode;
    struct cidr *proxy_sources;
    size_t proxy_source_count;
    bool has_h2, has_http11;
    struct site_policy *policies; /* [0] is the listener's own */
    size_t policy_count;
    unsigned strictest; /* index of the policy that a client without (readable) SNI meets */
    struct forward_settings forward;
    int64_t idle_timeout_ms;
    int64_t client_keep_alive_ms;
};

struct site_log {
    char *path; /* NULL: off */
    enum log_format format;
};

struct site {
    struct ref ref;
    struct arena arena;
    struct site_listener *listeners;
    size_t listener_count;
    struct site_upstream *upstreams;
    size_t upstream_count;
    struct site_log access_log;
    struct site_log conn_log;
};

struct snapshot {
    uint32_t magic;
    struct ref ref;
    uint64_t generation;   /* set at the commit point */
    struct config *config; /* owned; settings of the process: workers, admin, log level */
    struct site *site;
    struct trust **trusts;
    size_t trust_count;
    struct tls_server **tls_servers;
    size_t tls_server_count;
    struct ticket_keys *ticket_keys; /* random, shared with the next generation; may be NULL */
};

/* Reads and checks everything the configuration names: certificates, keys, trust stores, lists.
 * previous may be NULL; unchanged lists are shared with it. Takes config, even on failure. At the
 * end it proves to itself that every verify policy refuses a certificate made on the spot by an
 * unknown authority. diag collects all errors. */
int snapshot_build(struct config *config, const struct snapshot *previous, int64_t now_s,
                   struct diag *diag, struct snapshot **ret) GW_MUST_USE;
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);
struct site *site_ref(struct site *s);
void site_unref(struct site *s);

/* The policy for a canonical host name: exact name, then the longest wildcard, then the listener's
 * own. The same function serves SNI and the request's authority. */
const struct site_policy *site_policy_find(const struct site_listener *l, struct str host);
/* NULL when absent. */
const struct site_listener *site_listener_find(const struct site *s, struct str name);

#endif
