/* SPDX-License-Identifier: Apache-2.0
 *
 * Listener rules as the Application Load Balancer guide describes them ("Listener rules",
 * "Condition types"): all conditions of a rule must hold, any value of a condition may
 * match. Compiled once by conf/snapshot into an arena, then const; evaluation allocates
 * nothing and reads no clock, no file.
 *
 * Case: host, header names and values and query insensitive; path and method sensitive.
 * Wildcards '*' and '?' in host, path, header values and query; in query values '\' takes the
 * meaning from the byte after it. Names and paths that rules see are the canonical ones
 * (http/target.h); query pairs are compared as sent.
 *
 * client_certificate: common and organisation names, e-mail, DNS (any case) and URI values with
 * the same wildcards; IP addresses, serial, digests and policy OIDs exact. SPIFFE identifiers
 * (a value that begins "spiffe:") byte by byte, where only a last path segment "*" stands for
 * exactly one segment. A certificate with several values matches by any of them.
 *
 * A condition with an empty list is no condition: the configuration must not allow one.
 */
#ifndef POLICY_RULE_H
#define POLICY_RULE_H

#include "cert/identity.h"
#include "http/msg.h"
#include "net/sock.h"

struct str_list {
    const struct str *items;
    size_t count;
};

struct rule_header_condition {
    struct str name; /* lower case, no wildcard */
    struct str_list values;
};

/* Conditions on the verified client certificate; typed, never on printed names. */
struct rule_cert_condition {
    struct str_list subject_cn, subject_ou, subject_o;
    struct str_list issuer_cn, issuer_ou, issuer_o;
    struct str_list san_dns, san_uri, san_email, san_ip;
    struct str_list sha256;      /* lower hex of the leaf's digest */
    struct str_list spki_sha256; /* lower hex */
    struct str_list serial;      /* upper hex, as struct identity has it */
    struct str_list policy_oids; /* dotted */
    bool is_set;                 /* with all lists empty: any verified certificate */
};

struct rule_conditions {
    struct str_list path, host, method, query, vpc_endpoint;
    const struct rule_header_condition *headers;
    size_t header_count;
    const struct cidr *source_ips;
    size_t source_ip_count;
    struct rule_cert_condition cert;
};

enum rule_action_kind { ACTION_FORWARD, ACTION_FIXED_RESPONSE, ACTION_REDIRECT, ACTION_DENY };

struct rule_forward {
    uint32_t upstream; /* index into site.upstreams */
    uint32_t weight;
};

struct rule_action {
    enum rule_action_kind kind;
    const struct rule_forward *forward; /* ACTION_FORWARD: at least one */
    size_t forward_count;
    int status;              /* ACTION_FIXED_RESPONSE */
    struct str content_type; /* "text/plain" unless set */
    struct str body;
};

struct rule {
    int priority; /* 1-50000; 0 is the default action */
    struct rule_conditions when;
    struct rule_action action;
};

/* What a request looks like to rules. identity NULL: no (verified) client certificate. */
struct rule_input {
    const struct http_req *req;
    const struct identity *identity;
    const struct addr *client; /* after PROXY protocol */
    struct str vpce_id;        /* empty when unknown */
};

/* For `explain`: one call per condition looked at, up to the first that does not hold. condition
 * is the key of the configuration: "path", "client_certificate.san_dns". NULL on the data path. */
struct rule_trace {
    void (*step)(void *arg, const struct rule *rule, const char *condition, bool matched);
    void *arg;
};

bool
rule_matches(const struct rule *rule, const struct rule_input *in, const struct rule_trace *trace);

#endif
