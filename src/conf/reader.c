/* SPDX-License-Identifier: Apache-2.0
 *
 * The walk along the schema: which keys a map has, which are missing, which are not known,
 * and the messages that name them. Called by config.c on the control thread. Owns nothing.
 * Nesting is capped by YAML_DEPTH_MAX. Must never stop at the first error.
 */
#include "conf/reader.h"

#include <stdio.h>

#include "base/limits.h"
#include "conf/mem.h"
#include "conf/value.h"

#define PATH_TEXT_MAX 256
#define MESSAGE_MAX 512
#define SCRATCH_BYTES 256 /* more than any value that is not a section */

typedef void (*reader_fn)(struct reader *r, const struct reader_slot *slot);

/* ---- messages ---- */

/* The path is kept from the leaf up and written from the root down. */
static size_t
format_path(const struct reader_path *path, char *dst, size_t cap)
{
    const struct reader_path *steps[2 * YAML_DEPTH_MAX];
    size_t count = 0;
    size_t len = 0;

    for (; path != NULL && count < array_len(steps); path = path->up)
        steps[count++] = path;
    dst[0] = '\0';
    while (count > 0 && len < cap - 1) {
        const struct reader_path *step = steps[--count];
        int n;

        if (step->key.len == 0)
            n = snprintf(dst + len, cap - len, "[%zu]", step->index);
        else
            n = snprintf(dst + len, cap - len, "%s%.96s", len > 0 ? "." : "", step->key.ptr);
        len = size_min(len + (n > 0 ? (size_t)n : 0), cap - 1);
    }
    return len;
}

void
reader_error(struct reader *r, const struct yaml_node *at, const char *fmt, ...)
{
    char path[PATH_TEXT_MAX];
    char text[MESSAGE_MAX];
    size_t len = format_path(r->path, path, sizeof(path));
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    diag_error(r->diag, r->file, at->line, at->column, "%s%s%s", path, len > 0 ? ": " : "", text);
}

void
reader_warn(struct reader *r, const struct yaml_node *at, const char *fmt, ...)
{
    char path[PATH_TEXT_MAX];
    char text[MESSAGE_MAX];
    size_t len = format_path(r->path, path, sizeof(path));
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    diag_warn(r->diag, r->file, at->line, at->column, "%s%s%s", path, len > 0 ? ": " : "", text);
}

void
reader_expected(struct reader *r, const struct yaml_node *node, const char *want)
{
    if (node->kind == YAML_LIST)
        reader_error(r, node, "expected %s, found a list", want);
    else if (node->kind == YAML_MAP)
        reader_error(r, node, "expected %s, found a map", want);
    else if (node->is_null)
        reader_error(r, node, "expected %s, found nothing", want);
    else
        reader_error(r, node, "expected %s, found \"%.64s\"", want, node->text.ptr);
}

void
reader_later(struct reader *r, const struct yaml_node *at, const char *what)
{
    if (r->is_later)
        return;
    if (what == NULL)
        reader_error(r, at, "not available yet");
    else
        reader_error(r, at, "%s: not available yet", what);
}

/* ---- shapes ---- */

bool
reader_is_scalar(struct reader *r, const struct yaml_node *node, const char *want)
{
    if (node->kind == YAML_BROKEN)
        return false;
    if (node->kind != YAML_SCALAR || node->is_null) {
        reader_expected(r, node, want);
        return false;
    }
    if (memchr(node->text.ptr, '\0', node->text.len) != NULL) {
        reader_error(r, node, "must not contain a NUL character");
        return false;
    }
    return true;
}

bool
reader_is_list(struct reader *r, const struct yaml_node *node, int64_t max)
{
    if (node->kind == YAML_BROKEN)
        return false;
    if (node->kind != YAML_LIST) {
        reader_expected(r, node, "a list");
        return false;
    }
    if (node->count == 0) {
        reader_error(r, node, "must not be empty; an empty list does not mean \"any\"");
        return false;
    }
    if (node->count > (size_t)max) {
        reader_error(r, node, "has %zu entries; at most %lld are accepted", node->count,
                     (long long)max);
        return false;
    }
    return true;
}

void
reader_str_list(struct reader *r, const struct reader_slot *slot, reader_item_fn item)
{
    struct str_list *list = slot->dst;
    struct reader_path step = {.up = r->path};
    struct str *items;

    if (!reader_is_list(r, slot->node, slot->key->max))
        return;
    items = conf_calloc(r->arena, slot->node->count, sizeof(*items));
    r->path = &step;
    for (const struct yaml_node *n = slot->node->first; n != NULL; n = n->next, step.index++)
        if (item(r, n, &items[list->count]))
            list->count++;
    r->path = step.up;
    list->items = items;
}

/* ---- sections ---- */

static void
report_unknown(struct reader *r, enum schema_section section, const struct yaml_node *key)
{
    const char *nearest, *owner;

    /* What will not be shown need not be searched for. */
    if (r->diag->count >= DIAG_ENTRIES_MAX) {
        reader_error(r, key, "unknown key");
        return;
    }
    nearest = schema_nearest(section, key->text);
    owner = schema_owner(key->text);
    if (owner != NULL && *owner == '\0')
        reader_error(r, key,
                     "unknown key \"%.64s\" here; it belongs at the top of the file, "
                     "without indentation",
                     key->text.ptr);
    else if (owner != NULL)
        reader_error(r, key, "unknown key \"%.64s\" here; it belongs in \"%s\"", key->text.ptr,
                     owner);
    else if (nearest != NULL)
        reader_error(r, key, "unknown key \"%.64s\"; did you mean \"%s\"?", key->text.ptr, nearest);
    else
        reader_error(r, key, "unknown key \"%.64s\"", key->text.ptr);
}

bool
reader_is_map(struct reader *r, enum schema_section section, const struct yaml_node *node)
{
    if (node->kind == YAML_BROKEN)
        return false;
    if (node->kind != YAML_MAP) {
        reader_expected(r, node, "a map of keys and values");
        return false;
    }
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next)
        if (schema_find(section, n->key->text) == NULL)
            report_unknown(r, section, n->key);
    return true;
}

/* The default as the node that the file could have had. */
static const struct yaml_node *
preset_node(struct reader *r, const struct schema_key *key)
{
    struct str text = str_from(key->preset);
    struct yaml_node *node;
    struct diag ignored = {0};

    if (text.ptr[0] == '[' || text.ptr[0] == '{') {
        gw_assert(yaml_parse(text, r->file, r->arena, &ignored, &node) == 0);
        node->line = 0;
        return node;
    }
    if (text.ptr[0] == '"')
        text = str_sub(text, 1, text.len - 2);
    node = conf_calloc(r->arena, 1, sizeof(*node));
    node->kind = YAML_SCALAR;
    node->text = conf_str(r->arena, text);
    return node;
}

static void *
field_of(struct reader *r, const struct schema_key *key, void *base)
{
    size_t bytes = SCRATCH_BYTES;

    if (key->offset != SCHEMA_NO_FIELD)
        return (char *)base + key->offset;
    if (key->type == TYPE_MAP)
        bytes = size_max(bytes, schema_structs[key->sub].size);
    return conf_calloc(r->arena, 1, bytes);
}

static void
read_key(struct reader *r, const struct schema_key *key, const struct yaml_node *node, void *base)
{
    struct reader_slot slot = {.key = key, .node = node, .dst = field_of(r, key, base)};

    if (key->count_offset != 0)
        slot.ret_count = (size_t *)(void *)((char *)base + key->count_offset);
    if (key->pos_offset != 0)
        *(struct config_pos *)(void *)((char *)base + key->pos_offset) = reader_pos(node);
    reader_value(r, &slot);
}

/* Typed all the same, so that the file can be got right before the function is there. */
static void
read_later(struct reader *r, const struct schema_key *key, const struct yaml_node *node, void *base)
{
    bool was_later = r->is_later;

    if (node->key != NULL)
        reader_later(r, node->key, NULL);
    r->is_later = true;
    read_key(r, key, node, base);
    r->is_later = was_later;
}

static void
read_absent(struct reader *r, const struct schema_key *key, void *base)
{
    if (key->is_later)
        return;
    if (key->type == TYPE_MAP && !key->is_required)
        reader_section(r, key->sub, NULL, field_of(r, key, base));
    else if (key->preset != NULL)
        read_key(r, key, preset_node(r, key), base);
}

static void
read_present(struct reader *r, const struct schema_key *key, const struct yaml_node *node,
             void *base)
{
    struct reader_path step = {.up = r->path, .key = str_from(key->name)};

    if (node->kind == YAML_BROKEN)
        return;
    r->path = &step;
    if (key->is_later)
        read_later(r, key, node, base);
    else
        read_key(r, key, node, base);
    r->path = step.up;
}

void
reader_section(struct reader *r, enum schema_section section, const struct yaml_node *node,
               void *base)
{
    size_t pos_offset = schema_structs[section].pos_offset;

    if (node != NULL && !reader_is_map(r, section, node))
        node = NULL;
    else if (node != NULL && pos_offset != 0)
        *(struct config_pos *)(void *)((char *)base + pos_offset) = reader_pos(node);
    if (node != NULL && node->count == 0 && schema_structs[section].needs_keys)
        reader_error(r, node, "must not be empty; an empty map does not mean \"any\"");
    for (const struct schema_key *k = schema_first(section); k != NULL; k = schema_next(k)) {
        const struct yaml_node *value = yaml_get(node, str_from(k->name));

        if (value != NULL)
            read_present(r, k, value, base);
        else if (node != NULL && k->is_required)
            reader_error(r, node, "\"%s\" is missing", k->name);
        else
            read_absent(r, k, base);
    }
}

static void
read_map(struct reader *r, const struct reader_slot *slot)
{
    reader_section(r, slot->key->sub, slot->node, slot->dst);
}

static void
store_list(const struct reader_slot *slot, void *items, size_t count)
{
    *(void **)slot->dst = items;
    if (slot->ret_count != NULL)
        *slot->ret_count = count;
}

static void
read_map_list(struct reader *r, const struct reader_slot *slot)
{
    struct reader_path step = {.up = r->path};
    size_t size = schema_structs[slot->key->sub].size;
    char *items;

    if (!reader_is_list(r, slot->node, slot->key->max))
        return;
    items = conf_calloc(r->arena, slot->node->count, size);
    store_list(slot, items, slot->node->count);
    r->path = &step;
    for (const struct yaml_node *n = slot->node->first; n != NULL; n = n->next, step.index++)
        reader_section(r, slot->key->sub, n, items + step.index * size);
    r->path = step.up;
}

static void
read_named_map(struct reader *r, const struct reader_slot *slot, const struct yaml_node *node,
               char *item)
{
    const struct schema_struct *shape = &schema_structs[slot->key->sub];

    *(const char **)(void *)(item + shape->name_offset) = node->key->text.ptr;
    reader_section(r, slot->key->sub, node, item);
}

static void
read_named_maps(struct reader *r, const struct reader_slot *slot)
{
    struct reader_path step = {.up = r->path};
    size_t size = schema_structs[slot->key->sub].size;
    char *items;
    size_t i = 0;

    if (slot->node->kind != YAML_MAP) {
        reader_expected(r, slot->node, "a map from names to maps");
        return;
    }
    if (slot->node->count == 0 || slot->node->count > (size_t)slot->key->max) {
        reader_error(r, slot->node, "has %zu entries; expected 1 to %lld", slot->node->count,
                     (long long)slot->key->max);
        return;
    }
    items = conf_calloc(r->arena, slot->node->count, size);
    store_list(slot, items, slot->node->count);
    r->path = &step;
    for (const struct yaml_node *n = slot->node->first; n != NULL; n = n->next, i++) {
        step.key = n->key->text;
        if (!value_is_name(n->key->text, NAME_BYTES_MAX))
            reader_error(r, n->key, "not a name; use letters, digits, '-', '_' and '.'");
        read_named_map(r, slot, n, items + i * size);
    }
    r->path = step.up;
}

static const reader_fn readers[TYPE_COUNT] = {
    [TYPE_MAP] = read_map,
    [TYPE_MAP_LIST] = read_map_list,
    [TYPE_NAMED_MAPS] = read_named_maps,
    [TYPE_BOOL] = reader_bool,
    [TYPE_INT] = reader_int,
    [TYPE_DURATION] = reader_duration,
    [TYPE_CHOICE] = reader_choice,
    [TYPE_TEXT] = reader_text,
    [TYPE_NAME] = reader_name,
    [TYPE_PATH] = reader_file,
    [TYPE_WORKERS] = reader_workers,
    [TYPE_ADDRESS] = reader_address,
    [TYPE_ADDRESSES] = reader_addresses,
    [TYPE_CIDRS] = reader_cidrs,
    [TYPE_PROTOCOLS] = reader_protocols,
    [TYPE_DIGESTS] = reader_digests,
    [TYPE_SERIALS] = reader_serials,
    [TYPE_IPS] = reader_ips,
    [TYPE_OIDS] = reader_oids,
    [TYPE_TEXTS] = reader_texts,
    [TYPE_CERT_TEXTS] = reader_cert_texts,
    [TYPE_PATHS] = reader_paths,
    [TYPE_HOSTS] = reader_hosts,
    [TYPE_METHODS] = reader_methods,
    [TYPE_VPC_ENDPOINTS] = reader_vpc_endpoints,
    [TYPE_HEADER_NAME] = reader_header_name,
    [TYPE_HEADERS] = reader_headers,
    [TYPE_ACTION] = reader_action,
    [TYPE_FORWARD] = reader_forward,
    [TYPE_FIXED_RESPONSE] = reader_fixed_response,
    [TYPE_DENY] = reader_deny,
    [TYPE_STATUS] = reader_status,
    [TYPE_BODY] = reader_body,
    [TYPE_ATTRIBUTES] = reader_attributes,
    [TYPE_CRLS] = reader_crls,
    [TYPE_HOST_NAMES] = reader_host_names,
    [TYPE_CRL_URL] = reader_crl_url,
    [TYPE_SIZE] = reader_size,
    [TYPE_DIGEST] = reader_digest,
    [TYPE_DN] = reader_dn,
    [TYPE_TIME] = reader_time,
    [TYPE_HANDOVER] = reader_handover,
    [TYPE_CA_BUNDLE] = reader_ca_bundle,
    [TYPE_TARGETS] = reader_targets,
    [TYPE_HOST_HEADER] = reader_host_header,
    [TYPE_SERVER_NAME] = reader_server_name,
    [TYPE_LOG_PATH] = reader_log_path,
};

void
reader_value(struct reader *r, const struct reader_slot *slot)
{
    readers[slot->key->type](r, slot);
}
