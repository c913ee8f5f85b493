/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of keys as an array, and what is asked of it. Read by the readers and by the
 * printer of the complete example, on the control thread. Owns nothing that changes.
 */
#include "conf/schema.h"

#include "base/assert.h"
#include "base/limits.h"
#include "conf/config.h"
#include "conf/value.h"

#define NEAR_ENOUGH(len) size_max((len) / 3, 1)

/* ---- choices ---- */

static const struct schema_choice proxy_modes[] = {
    {"off", CONFIG_PROXY_OFF, false},
    {"optional", CONFIG_PROXY_OPTIONAL, false},
    {"required", CONFIG_PROXY_REQUIRED, false},
    {0},
};
static const struct schema_choice tls_versions[] = {{"1.2", 12, false}, {"1.3", 13, false}, {0}};
static const struct schema_choice resumptions[] = {{"off", 0, false}, {"on", 1, false}, {0}};
static const struct schema_choice mutual_modes[] = {
    {"off", MUTUAL_OFF, false},
    {"passthrough", MUTUAL_PASSTHROUGH, false},
    {"optional", MUTUAL_OPTIONAL, false},
    {"verify", MUTUAL_VERIFY, false},
    {0},
};
static const struct schema_choice crl_missings[] = {
    {"refuse", CRL_MISSING_REFUSE, false},
    {"allow", CRL_MISSING_ALLOW, false},
    {0},
};
static const struct schema_choice crl_expireds[] = {
    {"refuse", CRL_EXPIRED_REFUSE, false},
    {"grace", CRL_EXPIRED_GRACE, false},
    {"allow", CRL_EXPIRED_ALLOW, false},
    {0},
};
static const struct schema_choice exception_kinds[] = {
    {"expired", TRUST_ALLOW_EXPIRED, false},
    {"no_client_auth_eku", TRUST_ALLOW_NO_CLIENT_AUTH_EKU, false},
    {0},
};
static const struct schema_choice upstream_protocols[] = {
    {"http", 0, false}, {"https", 1, false}, {0}};
static const struct schema_choice protocol_versions[] = {
    {"http1", 1, false}, {"http2", 2, true}, {"grpc", 3, true}, {0}};
static const struct schema_choice algorithms[] = {
    {"round_robin", 0, false},
    {"least_outstanding_requests", 1, true},
    {"weighted_random", 2, true},
    {0},
};
static const struct schema_choice log_levels[] = {
    {"error", LOG_ERROR, false},
    {"warn", LOG_WARN, false},
    {"info", LOG_INFO, false},
    {"debug", LOG_DEBUG, false},
    {0},
};
static const struct schema_choice log_formats[] = {
    {"alb", LOG_FORMAT_ALB, false}, {"json", LOG_FORMAT_JSON, false}, {0}};
/* As ALB offers them. */
static const struct schema_choice content_types[] = {
    {"text/plain", 0, false},       {"text/css", 1, false},
    {"text/html", 2, false},        {"application/javascript", 3, false},
    {"application/json", 4, false}, {0},
};

struct str
config_content_type(int content_type)
{
    gw_assert(content_type >= 0 && (size_t)content_type < array_len(content_types) - 1);
    return str_from(content_types[content_type].text);
}

/* ---- keys ---- */

/* Where the values of a section go. Actions are read as a whole, so their keys have no field. */
#define STRUCT_ROOT struct config
#define STRUCT_RUN_AS struct config_run_as
#define STRUCT_ADMIN struct config_admin
#define STRUCT_LISTENER struct config_listener
#define STRUCT_PROXY struct config_proxy
#define STRUCT_CERTIFICATE struct config_certificate
#define STRUCT_TLS struct config_tls
#define STRUCT_MUTUAL struct config_mutual
#define STRUCT_HOST struct config_host
#define STRUCT_RULE struct config_rule
#define STRUCT_WHEN struct rule_conditions
#define STRUCT_WHEN_HEADER struct rule_header_condition
#define STRUCT_WHEN_CERT struct rule_cert_condition
#define STRUCT_FORWARD struct config_forward
#define STRUCT_FIXED_RESPONSE struct config_action
#define STRUCT_TRUST_STORE struct config_trust_store
#define STRUCT_CRL struct config_crl_source
#define STRUCT_EXCEPTION struct config_exception
#define STRUCT_TARGET_GROUP struct config_target_group
#define STRUCT_UPSTREAM_TLS struct config_upstream_tls
#define STRUCT_LOGGING struct config_logging
#define STRUCT_LOG struct config_log

#define KEY(sec, key, typ, field, ...)        \
    {.section = SECTION_##sec,                \
     .name = key,                             \
     .type = TYPE_##typ,                      \
     .offset = offsetof(STRUCT_##sec, field), \
     __VA_ARGS__},
#define COUNTED(sec, key, typ, field, count, ...) \
    KEY(sec, key, typ, field, .count_offset = offsetof(STRUCT_##sec, count), __VA_ARGS__)
#define RULE_KEY(sec, key, typ, ...) \
    {.section = SECTION_##sec, .name = key, .type = TYPE_##typ, __VA_ARGS__},
#define LATER(sec, key, typ, ...) \
    {.section = SECTION_##sec,    \
     .name = key,                 \
     .type = TYPE_##typ,          \
     .offset = SCHEMA_NO_FIELD,   \
     .is_later = true,            \
     __VA_ARGS__},

const struct schema_key schema_keys[] = {
#include "conf/schema.def"
};
const size_t schema_key_count = array_len(schema_keys);

#define NO_STRUCT      \
    {                  \
        1, 0, 0, false \
    }
#define WITH_POS(type)                              \
    {                                               \
        sizeof(type), offsetof(type, pos), 0, false \
    }
#define WITHOUT_POS(type)         \
    {                             \
        sizeof(type), 0, 0, false \
    }

const struct schema_struct schema_structs[SECTION_COUNT] = {
    [SECTION_ROOT] = WITHOUT_POS(struct config),
    [SECTION_RUN_AS] = WITH_POS(struct config_run_as),
    [SECTION_ADMIN] = WITH_POS(struct config_admin),
    [SECTION_LISTENER] = WITH_POS(struct config_listener),
    [SECTION_PROXY] = WITH_POS(struct config_proxy),
    [SECTION_CERTIFICATE] = WITH_POS(struct config_certificate),
    [SECTION_TLS] = WITHOUT_POS(struct config_tls),
    [SECTION_MUTUAL] = WITH_POS(struct config_mutual),
    [SECTION_HOST] = WITH_POS(struct config_host),
    [SECTION_RULE] = WITH_POS(struct config_rule),
    [SECTION_WHEN] = {sizeof(struct rule_conditions), 0, 0, true},
    [SECTION_WHEN_HEADER] = WITHOUT_POS(struct rule_header_condition),
    [SECTION_WHEN_CERT] = {sizeof(struct rule_cert_condition), 0, 0, true},
    [SECTION_REWRITE] = NO_STRUCT,
    [SECTION_REWRITE_PATH] = NO_STRUCT,
    [SECTION_ACTION] = WITH_POS(struct config_action),
    [SECTION_DEFAULT_ACTION] = WITH_POS(struct config_action),
    [SECTION_FORWARD] = WITH_POS(struct config_forward),
    [SECTION_FIXED_RESPONSE] = WITHOUT_POS(struct config_action),
    [SECTION_REDIRECT] = NO_STRUCT,
    [SECTION_TRUST_STORE] = {sizeof(struct config_trust_store),
                             offsetof(struct config_trust_store, pos),
                             offsetof(struct config_trust_store, name), false},
    [SECTION_CRL] = WITH_POS(struct config_crl_source),
    [SECTION_EXCEPTION] = WITH_POS(struct config_exception),
    [SECTION_TARGET_GROUP] = {sizeof(struct config_target_group),
                              offsetof(struct config_target_group, pos),
                              offsetof(struct config_target_group, name), false},
    [SECTION_UPSTREAM_TLS] = WITH_POS(struct config_upstream_tls),
    [SECTION_HEALTH_CHECK] = NO_STRUCT,
    [SECTION_LOGGING] = WITHOUT_POS(struct config_logging),
    [SECTION_LOG] = WITH_POS(struct config_log),
};

/* ---- questions ---- */

const struct schema_key *
schema_first(enum schema_section section)
{
    for (size_t i = 0; i < schema_key_count; i++)
        if (schema_keys[i].section == section)
            return &schema_keys[i];
    return NULL;
}

const struct schema_key *
schema_next(const struct schema_key *key)
{
    const struct schema_key *next = key + 1;

    return next < schema_keys + schema_key_count && next->section == key->section ? next : NULL;
}

const struct schema_key *
schema_find(enum schema_section section, struct str name)
{
    for (const struct schema_key *k = schema_first(section); k != NULL; k = schema_next(k))
        if (str_eq(str_from(k->name), name))
            return k;
    return NULL;
}

static const char *
section_key(enum schema_section section)
{
    for (size_t i = 0; section != SECTION_ROOT && i < schema_key_count; i++)
        if (schema_keys[i].sub == section)
            return schema_keys[i].name;
    return "";
}

const char *
schema_owner(struct str name)
{
    const struct schema_key *found = NULL;

    for (size_t i = 0; i < schema_key_count; i++) {
        if (!str_eq(str_from(schema_keys[i].name), name))
            continue;
        if (found != NULL)
            return NULL;
        found = &schema_keys[i];
    }
    return found != NULL ? section_key(found->section) : NULL;
}

const char *
schema_nearest(enum schema_section section, struct str name)
{
    const char *best = NULL;
    size_t best_distance = NEAR_ENOUGH(name.len) + 1;

    for (const struct schema_key *k = schema_first(section); k != NULL; k = schema_next(k)) {
        size_t distance = value_distance(name, str_from(k->name));

        if (distance < best_distance) {
            best = k->name;
            best_distance = distance;
        }
    }
    return best;
}
