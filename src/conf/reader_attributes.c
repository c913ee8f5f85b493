/* SPDX-License-Identifier: Apache-2.0
 *
 * Reader of `attributes`: ALB's names, dots and all. Called through the table in reader.c.
 * Owns nothing. Must never let a header be renamed to one that means something else to
 * the upstream, nor two to the same name.
 */
#include "base/limits.h"
#include "conf/attributes.h"
#include "conf/mem.h"
#include "conf/reader.h"
#include "conf/value.h"

#define DISTANCE_NEAR 6

#define SECONDS(nm, field, least, most, dflt, text)       \
    {.name = nm,                                          \
     .kind = ATTRIBUTE_SECONDS,                           \
     .offset = offsetof(struct config_attributes, field), \
     .min = least,                                        \
     .max = most,                                         \
     .preset = dflt,                                      \
     .doc = text},
#define SWITCH(nm, field, dflt, text)                     \
    {.name = nm,                                          \
     .kind = ATTRIBUTE_SWITCH,                            \
     .offset = offsetof(struct config_attributes, field), \
     .preset = dflt,                                      \
     .doc = text},
#define ONLY(nm, value, text) {.name = nm, .kind = ATTRIBUTE_ONLY, .preset = value, .doc = text},
#define XFF(nm, text) {.name = nm, .kind = ATTRIBUTE_XFF, .preset = "append", .doc = text},
#define RENAME(nm, field, text)                       \
    {.name = nm,                                      \
     .kind = ATTRIBUTE_RENAME,                        \
     .offset = offsetof(struct forward_names, field), \
     .doc = text},
#define OVERRIDE(nm, field, sample, text) \
    {.name = nm, .kind = ATTRIBUTE_OVERRIDE, .header = field, .example = sample, .doc = text},
#define UNAVAILABLE(nm) {.name = nm, .kind = ATTRIBUTE_UNAVAILABLE},
#define PREFIX(nm) {.name = nm, .kind = ATTRIBUTE_PREFIX},

const struct attribute attributes[] = {
#include "conf/attributes.def"
};
const size_t attribute_count = array_len(attributes);

const struct attribute *
attribute_find(struct str name)
{
    for (size_t i = 0; i < attribute_count; i++) {
        struct str known = str_from(attributes[i].name);

        if (attributes[i].kind == ATTRIBUTE_PREFIX ? str_starts(name, known) : str_eq(name, known))
            return &attributes[i];
    }
    return NULL;
}

/* ---- values ---- */

static void
read_seconds(struct reader *r, const struct attribute *a, const struct yaml_node *node,
             struct config_attributes *dst)
{
    int64_t *field = (int64_t *)(void *)((char *)dst + a->offset);
    int64_t value;

    if (!reader_is_scalar(r, node, "a number of seconds"))
        return;
    if (value_int(node->text, &value) != 0 || value < a->min || value > a->max)
        reader_error(r, node, "expected %lld to %lld seconds, found \"%.64s\"", (long long)a->min,
                     (long long)a->max, node->text.ptr);
    else
        *field = value;
}

static void
read_switch(struct reader *r, const struct attribute *a, const struct yaml_node *node,
            struct config_attributes *dst)
{
    bool *field = (bool *)(void *)((char *)dst + a->offset);

    if (!reader_is_scalar(r, node, "true or false"))
        return;
    if (value_bool(node->text, field) != 0)
        reader_expected(r, node, "true or false");
    if (field == &dst->has_http2)
        dst->has_http2_pos = reader_pos(node);
}

static void
read_only(struct reader *r, const struct attribute *a, const struct yaml_node *node)
{
    static const struct str invalid_fields =
        STR_INIT("routing.http.drop_invalid_header_fields.enabled");

    if (!reader_is_scalar(r, node, a->preset) || str_eq(node->text, str_from(a->preset)))
        return;
    if (str_eq(str_from(a->name), invalid_fields) && str_eq(node->text, STR("true")))
        reader_later(r, node, "true");
    else
        reader_expected(r, node, a->preset);
}

static void
read_xff(struct reader *r, const struct yaml_node *node, struct config_attributes *dst)
{
    static const struct schema_choice modes[] = {
        {"append", XFF_APPEND, false},
        {"preserve", XFF_PRESERVE, false},
        {"remove", XFF_REMOVE, false},
        {0},
    };

    dst->xff_mode = reader_pick(r, node, modes);
}

/* Names that the gateway or HTTP itself gives a meaning. */
static bool
is_taken(struct str name)
{
    return header_token_lookup(name) != HEADER_OTHER || str_starts_nocase(name, STR("content-")) ||
           str_starts_nocase(name, STR("x-forwarded-")) || str_eq_nocase(name, STR("forwarded")) ||
           str_eq_nocase(name, STR("x-apigw-api-id"));
}

static void
read_rename(struct reader *r, const struct attribute *a, const struct yaml_node *node,
            struct config_attributes *dst)
{
    struct str *field = (struct str *)(void *)((char *)&dst->names + a->offset);

    if (node->kind == YAML_SCALAR && node->text.len == 0 && node->is_quoted)
        return;
    if (!reader_is_scalar(r, node, "the name of a header"))
        return;
    if (!http_is_token(node->text) || node->text.len > HEADER_NAME_BYTES_MAX)
        reader_error(r, node,
                     "expected the name of a header of 1 to %d characters, found \"%.64s\"",
                     HEADER_NAME_BYTES_MAX, node->text.ptr);
    else if (is_taken(node->text))
        reader_error(r, node, "%s has a meaning of its own; choose another name", node->text.ptr);
    else
        *field = node->text;
}

static void
read_override(struct reader *r, const struct attribute *a, const struct yaml_node *node,
              struct config_attributes *dst)
{
    if (node->kind == YAML_SCALAR && node->text.len == 0 && node->is_quoted)
        return;
    if (!reader_is_scalar(r, node, "the value of a header"))
        return;
    if (node->text.len > ATTRIBUTE_BYTES_MAX || !value_is_printable(node->text) ||
        str_trim(node->text).len != node->text.len) {
        reader_error(r, node, "expected at most %d printable characters without space at the ends",
                     ATTRIBUTE_BYTES_MAX);
        return;
    }
    gw_assert(dst->override_count < array_len(dst->overrides));
    dst->overrides[dst->override_count++] =
        (struct forward_override){str_from(a->header), node->text};
}

static void
read_attribute(struct reader *r, const struct attribute *a, const struct yaml_node *node,
               struct config_attributes *dst)
{
    switch (a->kind) {
    case ATTRIBUTE_SECONDS:
        read_seconds(r, a, node, dst);
        break;
    case ATTRIBUTE_SWITCH:
        read_switch(r, a, node, dst);
        break;
    case ATTRIBUTE_ONLY:
        read_only(r, a, node);
        break;
    case ATTRIBUTE_XFF:
        read_xff(r, node, dst);
        break;
    case ATTRIBUTE_RENAME:
        read_rename(r, a, node, dst);
        break;
    case ATTRIBUTE_OVERRIDE:
        read_override(r, a, node, dst);
        break;
    case ATTRIBUTE_UNAVAILABLE:
    case ATTRIBUTE_PREFIX:
        reader_later(r, node->key, NULL);
        break;
    }
}

/* ---- collisions ---- */

/* As hygiene compares names: '_' and '.' count as '-'. */
static bool
is_same_name(struct str a, struct str b)
{
    for (size_t i = 0; i < a.len && a.len == b.len; i++) {
        char x = ascii_lower(a.ptr[i]);
        char y = ascii_lower(b.ptr[i]);

        x = x == '_' || x == '.' ? '-' : x;
        y = y == '_' || y == '.' ? '-' : y;
        if (x != y)
            return false;
    }
    return a.len == b.len;
}

static const struct str *
name_of(const struct config_attributes *dst, const struct attribute *a)
{
    return (const struct str *)(const void *)((const char *)&dst->names + a->offset);
}

/* Every name that is sent must be a different one; the error goes to the renaming. */
static void
check_names(struct reader *r, const struct yaml_node *map, const struct config_attributes *dst)
{
    for (size_t i = 0; i < attribute_count; i++) {
        const struct yaml_node *node = yaml_get(map, str_from(attributes[i].name));

        if (attributes[i].kind != ATTRIBUTE_RENAME || node == NULL)
            continue;
        for (size_t j = 0; j < attribute_count; j++) {
            struct reader_path step = {.up = r->path, .key = node->key->text};

            if (attributes[j].kind != ATTRIBUTE_RENAME || i == j ||
                !is_same_name(*name_of(dst, &attributes[i]), *name_of(dst, &attributes[j])))
                continue;
            r->path = &step;
            reader_error(r, node, "two headers would be called %.*s",
                         STR_ARG(*name_of(dst, &attributes[i])));
            r->path = step.up;
            break;
        }
    }
}

static void
report_unknown(struct reader *r, const struct yaml_node *key)
{
    const char *best = NULL;
    size_t best_distance = DISTANCE_NEAR;

    for (size_t i = 0; i < attribute_count && r->diag->count < DIAG_ENTRIES_MAX; i++) {
        size_t distance = value_distance(key->text, str_from(attributes[i].name));

        if (distance < best_distance) {
            best = attributes[i].name;
            best_distance = distance;
        }
    }
    if (best != NULL)
        reader_error(r, key, "unknown attribute \"%.128s\"; did you mean \"%s\"?", key->text.ptr,
                     best);
    else
        reader_error(r, key, "unknown attribute \"%.128s\"; the names are those of ALB",
                     key->text.ptr);
}

static void
set_presets(struct config_attributes *dst)
{
    dst->names = forward_names_default;
    dst->xff_mode = XFF_APPEND;
    for (size_t i = 0; i < attribute_count; i++) {
        const struct attribute *a = &attributes[i];
        void *field = (char *)dst + a->offset;

        if (a->kind == ATTRIBUTE_SECONDS)
            gw_assert(value_int(str_from(a->preset), field) == 0);
        else if (a->kind == ATTRIBUTE_SWITCH)
            gw_assert(value_bool(str_from(a->preset), field) == 0);
    }
}

void
reader_attributes(struct reader *r, const struct reader_slot *slot)
{
    struct config_attributes *dst = slot->dst;

    set_presets(dst);
    if (slot->node->kind != YAML_MAP) {
        reader_expected(r, slot->node, "a map from ALB attribute names to values");
        return;
    }
    dst->pos = reader_pos(slot->node);
    for (const struct yaml_node *n = slot->node->first; n != NULL; n = n->next) {
        const struct attribute *a = attribute_find(n->key->text);
        struct reader_path step = {.up = r->path, .key = n->key->text};

        if (a == NULL) {
            report_unknown(r, n->key);
            continue;
        }
        r->path = &step;
        read_attribute(r, a, n, dst);
        r->path = step.up;
    }
    check_names(r, slot->node, dst);
}
