/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration file as plain data: every value typed, ranged, defaults filled in, paths
 * resolved against the folder of the file, names canonical. Reads the one file and nothing
 * else; what the file names (certificates, lists) is read by snapshot_build.
 *
 * All text is NUL-terminated and lives in the config's arena. Control thread. Positions are
 * kept for messages of later stages.
 */
#ifndef CONF_CONFIG_H
#define CONF_CONFIG_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/log.h"
#include "conf/config_trust.h"
#include "net/sock.h"
#include "obs/record.h"
#include "policy/forward.h"
#include "policy/handover.h"
#include "policy/rule.h"

enum config_proxy_mode { CONFIG_PROXY_OFF, CONFIG_PROXY_OPTIONAL, CONFIG_PROXY_REQUIRED };

struct config_address {
    struct addr addr;
    struct config_pos pos;
};

struct config_run_as {
    const char *user;  /* NULL: not set */
    const char *group; /* NULL: the user's own */
    struct config_pos pos;
};

struct config_admin {
    struct config_address bind; /* addr.len 0: no admin address */
    const char *socket;         /* NULL: no admin socket */
    struct config_pos pos;
};

struct config_certificate {
    const char *certificate;
    const char *private_key;
    struct config_pos pos;
};

struct config_proxy {
    int mode; /* enum config_proxy_mode */
    struct cidr *sources;
    size_t source_count;
    struct config_pos pos;
};

struct config_protocols {
    bool has_h2, has_http11;
    struct config_pos pos;
};

struct config_tls {
    int minimum_version;     /* 12 or 13 */
    int resumption;          /* 0 off, 1 on */
    const char *ticket_keys; /* path, NULL: keys of the process's own */
    struct config_pos ticket_keys_pos;
};

struct config_mutual {
    int mode;                /* enum mutual_mode */
    const char *trust_store; /* NULL without */
    int trust_index;         /* into config.trust_stores, -1 without */
    bool ignore_expiry;
    bool advertise_ca_names;
    bool report_only;
    struct config_pos pos;
    struct config_pos trust_store_pos;
};

struct config_forward {
    const char *target_group;
    uint32_t index; /* into config.target_groups */
    int64_t weight;
    struct config_pos pos;
};

struct config_action {
    enum rule_action_kind kind;
    struct config_forward *forward;
    size_t forward_count;
    int status;
    int content_type; /* config_content_type tells the text */
    struct str body;  /* never NULL, may be empty */
    struct config_pos pos;
};

struct config_rule {
    int64_t priority;
    struct rule_conditions when; /* canonical */
    struct config_action action;
    struct config_pos pos;
};

/* Attributes by ALB's names; the rows are in attributes.def. */
struct config_attributes {
    int64_t idle_timeout_s;
    int64_t client_keep_alive_s;
    int xff_mode; /* enum xff_mode */
    bool xff_client_port;
    bool sends_tls_headers;
    bool preserves_host;
    bool sends_server;
    bool has_http2;
    struct forward_names names; /* as they will be sent */
    struct forward_override overrides[10];
    size_t override_count;
    struct config_pos pos;
    struct config_pos has_http2_pos;
};

/* Overrides for some server names. config_check fills in what the file leaves to the listener. */
struct config_host {
    struct str_list names; /* canonical; may begin "*." */
    struct config_certificate *certificates;
    size_t certificate_count;
    struct config_mutual mutual;
    struct config_rule *rules; /* by ascending priority */
    size_t rule_count;
    struct config_action default_action;
    bool shares_certificates; /* the listener's */
    struct config_pos pos;
};

struct config_listener {
    const char *name;
    struct config_address *addresses;
    size_t address_count;
    struct config_proxy proxy;
    struct config_protocols protocols;
    struct config_certificate *certificates;
    size_t certificate_count;
    struct config_tls tls;
    struct config_mutual mutual;
    struct config_host *hosts;
    size_t host_count;
    struct config_rule *rules; /* by ascending priority */
    size_t rule_count;
    struct config_action default_action;
    unsigned handover; /* bits of enum handover_header */
    struct config_attributes attributes;
    struct config_pos pos;
};

struct config_target {
    const char *name; /* canonical: a host name, or an address without brackets */
    uint16_t port;
    bool is_address;
    struct addr address; /* when is_address, with the port */
    struct config_pos pos;
};

struct config_upstream_tls {
    const char *server_name; /* NULL: the target's own */
    const char *ca_bundle;   /* NULL: the system's */
    const char *client_certificate;
    const char *client_private_key;
    struct config_pos pos;
};

struct config_target_group {
    const char *name;
    int protocol;         /* 0 http, 1 https */
    int protocol_version; /* 1: HTTP/1.1 */
    int algorithm;        /* 0: round robin */
    struct config_target *targets;
    size_t target_count;
    const char *host_header; /* NULL: preserve */
    struct config_upstream_tls tls;
    struct config_pos pos;
};

struct config_log {
    const char *path; /* NULL: off; "-" is standard output */
    int format;       /* enum log_format */
    struct config_pos pos;
};

struct config_logging {
    int level; /* enum log_level */
    struct config_log access;
    struct config_log connection;
};

struct config {
    struct arena arena;
    const char *file; /* as given */
    const char *dir;  /* its folder */
    int64_t workers;  /* 0: auto */
    struct config_run_as run_as;
    const char *state_dir; /* NULL: none */
    struct config_pos state_dir_pos;
    struct config_admin admin;
    struct config_listener *listeners;
    size_t listener_count;
    struct config_trust_store *trust_stores;
    size_t trust_store_count;
    struct config_target_group *target_groups;
    size_t target_group_count;
    struct config_logging logging;
    /* Not from the file: what the control plane remembers of lists; borrowed. */
    const struct trust_floor *list_floors;
    size_t list_floor_count;
    const char *list_floors_file;
};

/* Reads and checks the file. GW_E_CONFIG with every error in diag; warnings may be there on
 * success too. */
int config_load(const char *path, struct diag *diag, struct config **ret) GW_MUST_USE;
/* The same for text that is already in memory; file is for messages and relative paths. */
int
config_parse(struct str text, const char *file, struct diag *diag, struct config **ret) GW_MUST_USE;
void config_free(struct config *c); /* NULL is fine */
/* The listener as clients of this host meet it: its own certificates, demands and rules. */
struct config_listener
config_host_view(const struct config_listener *l, const struct config_host *h);
/* Where the copy of a fetched list lies: STATE_DIR/lists/<SHA-256 of the URL, lower hex>.crl;
 * malloc. NULL without a state_dir. */
char *config_list_cache_path(const struct config *c, const char *url);
/* Text of a fixed response's content type. */
struct str config_content_type(int content_type);

#endif
