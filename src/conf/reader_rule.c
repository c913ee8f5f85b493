/* SPDX-License-Identifier: Apache-2.0
 *
 * Readers of listener rules: the values of conditions, in the canonical form that
 * policy/rule compares, and actions. Called through the table in reader.c. Owns nothing.
 * Must never let an empty or unreadable condition through: it would match everything.
 */
#include "base/limits.h"
#include "conf/mem.h"
#include "conf/reader.h"
#include "conf/value.h"
#include "http/hygiene.h"
#include "policy/handover.h"

#define DIGEST_BYTES 32
#define VPCE_PREFIX STR("vpce-")

/* ---- values of conditions ---- */

static bool
is_value(struct reader *r, const struct yaml_node *item, size_t max)
{
    if (!reader_is_scalar(r, item, "text"))
        return false;
    if (item->text.len > 0 && item->text.len <= max)
        return true;
    reader_error(r, item, "expected 1 to %zu characters, found %zu", max, item->text.len);
    return false;
}

static bool
read_text(struct reader *r, const struct yaml_node *item, struct str *ret)
{
    if (!is_value(r, item, RULE_VALUE_BYTES_MAX))
        return false;
    if (!value_is_printable(item->text)) {
        reader_error(r, item, "only printable ASCII can match");
        return false;
    }
    *ret = item->text;
    return true;
}

void
reader_texts(struct reader *r, const struct reader_slot *slot)
{
    reader_str_list(r, slot, read_text);
}

/* Names in certificates are UTF-8; libyaml has checked that this is too. */
static bool
read_cert_text(struct reader *r, const struct yaml_node *item, struct str *ret)
{
    if (!is_value(r, item, RULE_CERT_VALUE_BYTES_MAX))
        return false;
    for (size_t i = 0; i < item->text.len; i++) {
        unsigned char c = (unsigned char)item->text.ptr[i];

        if (c >= 0x20 && c != 0x7f)
            continue;
        reader_error(r, item, "must not contain control characters");
        return false;
    }
    *ret = item->text;
    return true;
}

void
reader_cert_texts(struct reader *r, const struct reader_slot *slot)
{
    reader_str_list(r, slot, read_cert_text);
}

static bool
read_path_pattern(struct reader *r, const struct yaml_node *item, struct str *ret)
{
    if (!read_text(r, item, ret))
        return false;
    if (str_chr(*ret, ' ') < 0 && str_chr(*ret, '#') < 0 &&
        (ret->ptr[0] == '/' || ret->ptr[0] == '*'))
        return true;
    reader_expected(r, item, "a path that begins with '/' or '*', without space and '#'");
    return false;
}

void
reader_paths(struct reader *r, const struct reader_slot *slot)
{
    reader_str_list(r, slot, read_path_pattern);
}

static bool
is_host_pattern(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && memchr("-_.*?", c, 5) == NULL)
            return false;
    }
    return s.len > 0;
}

static bool
read_host_pattern(struct reader *r, const struct yaml_node *item, struct str *ret)
{
    struct str text;
    char *lower;

    if (!read_text(r, item, &text))
        return false;
    if (text.len > 1 && text.ptr[text.len - 1] == '.')
        text.len--;
    if (!is_host_pattern(text)) {
        reader_expected(r, item, "a host name without port; '*' and '?' are wildcards");
        return false;
    }
    lower = conf_calloc(r->arena, text.len + 1, 1);
    for (size_t i = 0; i < text.len; i++)
        lower[i] = ascii_lower(text.ptr[i]);
    *ret = str_make(lower, text.len);
    return true;
}

void
reader_hosts(struct reader *r, const struct reader_slot *slot)
{
    reader_str_list(r, slot, read_host_pattern);
}

static bool
read_method(struct reader *r, const struct yaml_node *item, struct str *ret)
{
    if (!is_value(r, item, METHOD_BYTES_MAX))
        return false;
    for (size_t i = 0; i < item->text.len; i++) {
        char c = item->text.ptr[i];

        if ((c >= 'A' && c <= 'Z') || c == '-' || c == '_')
            continue;
        reader_expected(r, item, "a method such as GET: capital letters, '-' and '_'");
        return false;
    }
    *ret = item->text;
    return true;
}

void
reader_methods(struct reader *r, const struct reader_slot *slot)
{
    reader_str_list(r, slot, read_method);
}

static bool
read_vpc_endpoint(struct reader *r, const struct yaml_node *item, struct str *ret)
{
    struct str id;
    bool is_good;

    if (!is_value(r, item, VPCE_ID_MAX))
        return false;
    id = str_sub(item->text, VPCE_PREFIX.len, item->text.len);
    is_good = str_starts(item->text, VPCE_PREFIX) && id.len > 0;
    for (size_t i = 0; i < id.len && is_good; i++)
        is_good = ascii_is_digit(id.ptr[i]) || (id.ptr[i] >= 'a' && id.ptr[i] <= 'z');
    if (is_good)
        *ret = item->text;
    else
        reader_expected(r, item, "a VPC endpoint id such as vpce-0123456789abcdef0");
    return is_good;
}

void
reader_vpc_endpoints(struct reader *r, const struct reader_slot *slot)
{
    reader_str_list(r, slot, read_vpc_endpoint);
}

/* ---- facts of certificates ---- */

static bool
read_digest(struct reader *r, const struct yaml_node *item, struct str *ret)
{
    uint8_t bytes[DIGEST_BYTES];
    size_t len;
    char *hex;

    if (!reader_is_scalar(r, item, "a SHA-256 digest in hex"))
        return false;
    if (str_unhex(item->text, bytes, sizeof(bytes), &len) != 0 || len != DIGEST_BYTES) {
        reader_expected(r, item, "a SHA-256 digest: 64 hex digits, colons allowed");
        return false;
    }
    hex = conf_calloc(r->arena, 2 * DIGEST_BYTES + 1, 1);
    str_hex_lower(hex, bytes, DIGEST_BYTES);
    *ret = str_make(hex, 2 * DIGEST_BYTES);
    return true;
}

void
reader_digests(struct reader *r, const struct reader_slot *slot)
{
    reader_str_list(r, slot, read_digest);
}

void
reader_digest(struct reader *r, const struct reader_slot *slot)
{
    struct str hex;

    if (read_digest(r, slot->node, &hex))
        *(const char **)slot->dst = hex.ptr;
}

/* Compared with what name_format prints, so it must have that form: no space around ',' or '='. */
void
reader_dn(struct reader *r, const struct reader_slot *slot)
{
    static const char want[] = "a name such as CN=Example CA,O=Example Ltd";
    struct str text = slot->node->text;
    ptrdiff_t equals;

    if (!reader_is_scalar(r, slot->node, want))
        return;
    equals = str_chr(text, '=');
    if (equals <= 0 || text.len > (size_t)slot->key->max || !value_is_printable(text) ||
        !value_is_name(str_sub(text, 0, (size_t)equals), (size_t)equals))
        reader_expected(r, slot->node, want);
    else
        *(const char **)slot->dst = text.ptr;
}

/* As identity states it: upper hex, whole bytes, no leading zero byte. */
static bool
read_serial(struct reader *r, const struct yaml_node *item, struct str *ret)
{
    uint8_t bytes[SERIAL_BYTES_MAX + 1];
    size_t zeros = 0;
    size_t len;
    char *hex;

    if (!reader_is_scalar(r, item, "a serial number in hex"))
        return false;
    if (str_unhex(item->text, bytes, sizeof(bytes), &len) != 0 || len == 0) {
        reader_expected(r, item,
                        "a serial number in hex: whole bytes such as 03A5B1, colons allowed");
        return false;
    }
    while (zeros + 1 < len && bytes[zeros] == 0)
        zeros++;
    hex = conf_calloc(r->arena, 2 * len + 1, 1);
    str_hex_upper(hex, bytes + zeros, len - zeros);
    *ret = str_make(hex, 2 * (len - zeros));
    return true;
}

void
reader_serials(struct reader *r, const struct reader_slot *slot)
{
    reader_str_list(r, slot, read_serial);
}

static bool
read_ip(struct reader *r, const struct yaml_node *item, struct str *ret)
{
    char text[ADDR_TEXT_MAX];
    struct cidr cidr;
    struct addr addr;

    if (!reader_is_scalar(r, item, "an IP address"))
        return false;
    if (str_chr(item->text, '/') >= 0 || cidr_parse(item->text, &cidr) != 0) {
        reader_expected(r, item, "an IP address");
        return false;
    }
    addr_from_ip(&addr, cidr.ip, cidr.ip_len, 0);
    addr_format_ip(&addr, text);
    *ret = conf_str(r->arena, str_from(text));
    return true;
}

void
reader_ips(struct reader *r, const struct reader_slot *slot)
{
    reader_str_list(r, slot, read_ip);
}

static bool
read_oid(struct reader *r, const struct yaml_node *item, struct str *ret)
{
    if (!is_value(r, item, RULE_VALUE_BYTES_MAX))
        return false;
    if (!value_is_oid(item->text)) {
        reader_expected(r, item, "an object identifier such as 1.3.6.1.4.1.55555.1");
        return false;
    }
    *ret = item->text;
    return true;
}

void
reader_oids(struct reader *r, const struct reader_slot *slot)
{
    reader_str_list(r, slot, read_oid);
}

/* ---- headers ---- */

void
reader_header_name(struct reader *r, const struct reader_slot *slot)
{
    const struct yaml_node *node = slot->node;
    static const struct hygiene_names no_renamed = {0};
    struct str *dst = slot->dst;
    char *lower;

    if (!is_value(r, node, HEADER_NAME_BYTES_MAX))
        return;
    if (!http_is_token(node->text) || memchr(node->text.ptr, '*', node->text.len) != NULL) {
        reader_expected(r, node, "the name of a header, without wildcards");
        return;
    }
    if (str_eq_nocase(node->text, STR("host"))) {
        reader_error(r, node, "use the host condition for Host");
        return;
    }
    if (hygiene_is_identity_name(&no_renamed, node->text)) {
        reader_error(r, node,
                     "%s is removed from what clients send, so this can never hold; "
                     "use client_certificate",
                     node->text.ptr);
        return;
    }
    lower = conf_calloc(r->arena, node->text.len + 1, 1);
    for (size_t i = 0; i < node->text.len; i++)
        lower[i] = ascii_lower(node->text.ptr[i]);
    *dst = str_make(lower, node->text.len);
}

void
reader_headers(struct reader *r, const struct reader_slot *slot)
{
    struct reader_path step = {.up = r->path};
    struct rule_header_condition *items;
    size_t count = 1;

    if (slot->node->kind != YAML_LIST) {
        items = conf_calloc(r->arena, 1, sizeof(*items));
        reader_section(r, slot->key->sub, slot->node, items);
    } else if (reader_is_list(r, slot->node, slot->key->max)) {
        count = slot->node->count;
        items = conf_calloc(r->arena, count, sizeof(*items));
        r->path = &step;
        for (const struct yaml_node *n = slot->node->first; n; n = n->next, step.index++)
            reader_section(r, slot->key->sub, n, &items[step.index]);
        r->path = step.up;
    } else {
        return;
    }
    *(struct rule_header_condition **)slot->dst = items;
    *slot->ret_count = count;
}

/* ---- headers about clients ---- */

void
reader_handover(struct reader *r, const struct reader_slot *slot)
{
    static const struct schema_choice choices[] = {
        {"client_cert", HANDOVER_CLIENT_CERT, false},
        {"client_cert_chain", HANDOVER_CLIENT_CERT_CHAIN, false},
        {"xfcc", HANDOVER_XFCC, false},
        {"san", HANDOVER_SAN, false},
        {"sha256", HANDOVER_SHA256, false},
        {0},
    };
    struct reader_path step = {.up = r->path};
    unsigned *bits = slot->dst;

    if (!reader_is_list(r, slot->node, RULE_VALUES_MAX))
        return;
    r->path = &step;
    for (const struct yaml_node *n = slot->node->first; n != NULL; n = n->next, step.index++) {
        int bit = reader_pick(r, n, choices);

        if (bit >= 0 && (*bits & (unsigned)bit) != 0)
            reader_error(r, n, "%s stands here twice", n->text.ptr);
        else if (bit >= 0)
            *bits |= (unsigned)bit;
    }
    r->path = step.up;
    if ((*bits & HANDOVER_CLIENT_CERT_CHAIN) != 0 && (*bits & HANDOVER_CLIENT_CERT) == 0)
        reader_error(r, slot->node,
                     "client_cert_chain needs client_cert: RFC 9440 allows no chain without it");
}

/* ---- actions ---- */

/* The keys of an action have no fields of their own: each reads into the action. */
void
reader_action(struct reader *r, const struct reader_slot *slot)
{
    const struct yaml_node *node = slot->node;
    struct config_action *action = slot->dst;

    action->body = STR("");
    action->pos = reader_pos(node);
    if (node->kind == YAML_SCALAR && str_eq(node->text, STR("deny"))) {
        action->kind = ACTION_DENY;
        return;
    }
    if (node->kind == YAML_MAP && node->count != 1)
        reader_error(r, node, "expected exactly one of forward, fixed_response, redirect and deny");
    reader_section(r, slot->key->sub, node, action);
}

void
reader_forward(struct reader *r, const struct reader_slot *slot)
{
    struct config_action *action = slot->dst;
    struct reader_path step = {.up = r->path};
    const struct yaml_node *node = slot->node;

    action->kind = ACTION_FORWARD;
    if (node->kind == YAML_LIST) {
        if (!reader_is_list(r, node, FORWARD_GROUPS_MAX))
            return;
        action->forward = conf_calloc(r->arena, node->count, sizeof(*action->forward));
        action->forward_count = node->count;
        r->path = &step;
        for (const struct yaml_node *n = node->first; n != NULL; n = n->next, step.index++)
            reader_section(r, slot->key->sub, n, &action->forward[step.index]);
        r->path = step.up;
        return;
    }
    if (!reader_is_scalar(r, node, "the name of a target group or a list"))
        return;
    action->forward = conf_calloc(r->arena, 1, sizeof(*action->forward));
    action->forward_count = 1;
    *action->forward = (struct config_forward){
        .target_group = node->text.ptr, .weight = 1, .pos = reader_pos(node)};
}

void
reader_fixed_response(struct reader *r, const struct reader_slot *slot)
{
    struct config_action *action = slot->dst;

    action->kind = ACTION_FIXED_RESPONSE;
    reader_section(r, slot->key->sub, slot->node, action);
}

void
reader_deny(struct reader *r, const struct reader_slot *slot)
{
    struct config_action *action = slot->dst;
    bool on = true;

    action->kind = ACTION_DENY;
    if (reader_is_scalar(r, slot->node, "true") && (value_bool(slot->node->text, &on) != 0 || !on))
        reader_expected(r, slot->node, "true");
}

void
reader_status(struct reader *r, const struct reader_slot *slot)
{
    int64_t status = 0;

    if (!reader_is_scalar(r, slot->node, "a status: 2xx, 4xx or 5xx"))
        return;
    if (value_int(slot->node->text, &status) != 0 || status < 200 || status > 599 ||
        (status >= 300 && status <= 399))
        reader_expected(r, slot->node, "a status: 2xx, 4xx or 5xx");
    else
        *(int *)slot->dst = (int)status;
}

void
reader_body(struct reader *r, const struct reader_slot *slot)
{
    struct str *body = slot->dst;

    if (slot->node->kind != YAML_SCALAR)
        reader_expected(r, slot->node, "text");
    else if (slot->node->text.len > FIXED_RESPONSE_BYTES_MAX)
        reader_error(r, slot->node, "has %zu bytes; at most %d are accepted", slot->node->text.len,
                     FIXED_RESPONSE_BYTES_MAX);
    else
        *body = slot->node->text;
}
