/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks nodes along the schema and writes typed values into the structs of config.h. An
 * error never ends the walk: all are collected, each with the path of its key.
 *
 *   reader.c             the walk, maps, messages
 *   reader_scalar.c      numbers, choices, names, paths
 *   reader_net.c         addresses, networks, targets, hosts, lists of CRLs
 *   reader_rule.c        conditions and actions
 *   reader_attributes.c  ALB's attributes
 */
#ifndef CONF_READER_H
#define CONF_READER_H

#include "conf/config.h"
#include "conf/schema.h"
#include "conf/yaml.h"

/* One step of the way from the root to where the walk is: a key, or the place in a list. */
struct reader_path {
    const struct reader_path *up;
    struct str key; /* empty: index counts */
    size_t index;
};

struct reader {
    struct diag *diag;
    struct arena *arena; /* the config's */
    const char *file;
    const char *dir;
    const struct reader_path *path; /* NULL at the root */
    bool is_later;                  /* inside a key that has been refused as not available yet */
};

/* A value and where it goes. dst is scratch for keys without a field. */
struct reader_slot {
    const struct schema_key *key;
    const struct yaml_node *node; /* never NULL, never broken */
    void *dst;
    size_t *ret_count; /* of a list, or NULL */
};

/* "FILE:L:C: path.to.key: text". */
void
reader_error(struct reader *r, const struct yaml_node *at, const char *fmt, ...) GW_PRINTF(3, 4);
void
reader_warn(struct reader *r, const struct yaml_node *at, const char *fmt, ...) GW_PRINTF(3, 4);
/* "expected WANT, found ..." */
void reader_expected(struct reader *r, const struct yaml_node *node, const char *want);
/* Refuses a value whose function is not there yet, unless that has been said already. */
void reader_later(struct reader *r, const struct yaml_node *at, const char *what);

/* Reads a map of that section into base. Keys that are absent get their presets. node NULL: all
 * of them. */
void reader_section(struct reader *r, enum schema_section section, const struct yaml_node *node,
                    void *base);
/* A map with the keys of a section: unknown ones are reported; true when node is a map at all. */
bool reader_is_map(struct reader *r, enum schema_section section, const struct yaml_node *node);
/* Reads one value by the type of its key. */
void reader_value(struct reader *r, const struct reader_slot *slot);

static inline struct config_pos
reader_pos(const struct yaml_node *node)
{
    return (struct config_pos){node->line, node->column};
}

/* A scalar that says something; otherwise reports what was wanted. */
bool reader_is_scalar(struct reader *r, const struct yaml_node *node, const char *want);
/* A list with 1 to max items, none of them broken; otherwise reports. */
bool reader_is_list(struct reader *r, const struct yaml_node *node, int64_t max);

/* Items of a list, each checked by itself: item returns false after reporting, and otherwise
 * fills *ret (canonical, in the arena). The slot's field is a struct str_list. */
typedef bool (*reader_item_fn)(struct reader *r, const struct yaml_node *item, struct str *ret);
void reader_str_list(struct reader *r, const struct reader_slot *slot, reader_item_fn item);

/* path against the folder of the file. */
const char *reader_resolve(struct reader *r, struct str path);
/* One choice of a list; -1 after reporting. */
int
reader_pick(struct reader *r, const struct yaml_node *node, const struct schema_choice *choices);
/* An IP address and port that can be bound. False after reporting. */
bool
reader_bind_address(struct reader *r, const struct yaml_node *node, struct config_address *ret);

/* The reader of each type. */
void reader_bool(struct reader *r, const struct reader_slot *slot);
void reader_int(struct reader *r, const struct reader_slot *slot);
void reader_duration(struct reader *r, const struct reader_slot *slot);
void reader_choice(struct reader *r, const struct reader_slot *slot);
void reader_text(struct reader *r, const struct reader_slot *slot);
void reader_name(struct reader *r, const struct reader_slot *slot);
void reader_file(struct reader *r, const struct reader_slot *slot);
void reader_workers(struct reader *r, const struct reader_slot *slot);
void reader_ca_bundle(struct reader *r, const struct reader_slot *slot);
void reader_log_path(struct reader *r, const struct reader_slot *slot);
void reader_address(struct reader *r, const struct reader_slot *slot);
void reader_addresses(struct reader *r, const struct reader_slot *slot);
void reader_cidrs(struct reader *r, const struct reader_slot *slot);
void reader_protocols(struct reader *r, const struct reader_slot *slot);
void reader_targets(struct reader *r, const struct reader_slot *slot);
void reader_host_header(struct reader *r, const struct reader_slot *slot);
void reader_server_name(struct reader *r, const struct reader_slot *slot);
void reader_host_names(struct reader *r, const struct reader_slot *slot);
void reader_crl_url(struct reader *r, const struct reader_slot *slot);
void reader_size(struct reader *r, const struct reader_slot *slot);
void reader_digest(struct reader *r, const struct reader_slot *slot);
void reader_dn(struct reader *r, const struct reader_slot *slot);
void reader_time(struct reader *r, const struct reader_slot *slot);
void reader_handover(struct reader *r, const struct reader_slot *slot);
void reader_crls(struct reader *r, const struct reader_slot *slot);
void reader_digests(struct reader *r, const struct reader_slot *slot);
void reader_serials(struct reader *r, const struct reader_slot *slot);
void reader_ips(struct reader *r, const struct reader_slot *slot);
void reader_oids(struct reader *r, const struct reader_slot *slot);
void reader_texts(struct reader *r, const struct reader_slot *slot);
void reader_cert_texts(struct reader *r, const struct reader_slot *slot);
void reader_paths(struct reader *r, const struct reader_slot *slot);
void reader_hosts(struct reader *r, const struct reader_slot *slot);
void reader_methods(struct reader *r, const struct reader_slot *slot);
void reader_vpc_endpoints(struct reader *r, const struct reader_slot *slot);
void reader_header_name(struct reader *r, const struct reader_slot *slot);
void reader_headers(struct reader *r, const struct reader_slot *slot);
void reader_action(struct reader *r, const struct reader_slot *slot);
void reader_forward(struct reader *r, const struct reader_slot *slot);
void reader_fixed_response(struct reader *r, const struct reader_slot *slot);
void reader_deny(struct reader *r, const struct reader_slot *slot);
void reader_status(struct reader *r, const struct reader_slot *slot);
void reader_body(struct reader *r, const struct reader_slot *slot);
void reader_attributes(struct reader *r, const struct reader_slot *slot);

#endif
