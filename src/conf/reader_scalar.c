/* SPDX-License-Identifier: Apache-2.0
 *
 * Readers of single values: booleans, numbers, durations, choices, text, names and files.
 * Called through the table in reader.c. Owns nothing. Must never put a value outside its
 * range into the config.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "conf/mem.h"
#include "conf/reader.h"
#include "conf/value.h"

#define WANT_TEXT_MAX 160

const char *
reader_resolve(struct reader *r, struct str path)
{
    if (path.ptr[0] == '/')
        return conf_str(r->arena, path).ptr;
    if (strcmp(r->dir, ".") == 0)
        return conf_str(r->arena, path).ptr;
    return arena_printf(r->arena, "%s/%.*s", r->dir, STR_ARG(path)).ptr;
}

void
reader_bool(struct reader *r, const struct reader_slot *slot)
{
    if (!reader_is_scalar(r, slot->node, "true or false"))
        return;
    if (value_bool(slot->node->text, slot->dst) != 0)
        reader_expected(r, slot->node, "true or false");
}

void
reader_int(struct reader *r, const struct reader_slot *slot)
{
    const struct schema_key *key = slot->key;
    char want[WANT_TEXT_MAX];
    int64_t value;

    snprintf(want, sizeof(want), "a whole number from %lld to %lld", (long long)key->min,
             (long long)key->max);
    if (!reader_is_scalar(r, slot->node, want))
        return;
    if (value_int(slot->node->text, &value) != 0 || value < key->min || value > key->max)
        reader_expected(r, slot->node, want);
    else
        *(int64_t *)slot->dst = value;
}

void
reader_duration(struct reader *r, const struct reader_slot *slot)
{
    const struct schema_key *key = slot->key;
    char least[VALUE_DURATION_TEXT_MAX];
    char most[VALUE_DURATION_TEXT_MAX];
    char want[WANT_TEXT_MAX];
    int64_t ms;

    value_format_duration(key->min, least);
    value_format_duration(key->max, most);
    snprintf(want, sizeof(want), "a duration from %s to %s (500ms, 10s, 5m, 24h)", least, most);
    if (!reader_is_scalar(r, slot->node, want))
        return;
    if (value_duration(slot->node->text, &ms) != 0 || ms < key->min || ms > key->max)
        reader_expected(r, slot->node, want);
    else
        *(int64_t *)slot->dst = ms;
}

void
reader_size(struct reader *r, const struct reader_slot *slot)
{
    static const char want[] = "a size such as 512KiB, 64MiB or 1GiB";
    const struct schema_key *key = slot->key;
    uint64_t bytes;

    if (!reader_is_scalar(r, slot->node, want))
        return;
    if (value_size(slot->node->text, &bytes) != 0)
        reader_expected(r, slot->node, want);
    else if (bytes < (uint64_t)key->min || bytes > (uint64_t)key->max)
        reader_error(r, slot->node, "expected %lld to %lld bytes, found %llu", (long long)key->min,
                     (long long)key->max, (unsigned long long)bytes);
    else
        *(int64_t *)slot->dst = (int64_t)bytes;
}

void
reader_time(struct reader *r, const struct reader_slot *slot)
{
    static const char want[] = "a time such as 2030-01-31T00:00:00Z";

    if (!reader_is_scalar(r, slot->node, want))
        return;
    if (clock_parse_rfc3339(slot->node->text, slot->dst) != 0)
        reader_expected(r, slot->node, want);
}

/* "off, optional or required" */
static void
list_choices(const struct schema_choice *choices, char *dst, size_t cap)
{
    size_t len = 0;

    for (const struct schema_choice *c = choices; c->text != NULL && len < cap; c++) {
        const char *joint = c == choices ? "" : c[1].text == NULL ? " or " : ", ";

        len += (size_t)snprintf(dst + len, cap - len, "%s%s", joint, c->text);
    }
}

int
reader_pick(struct reader *r, const struct yaml_node *node, const struct schema_choice *choices)
{
    char want[WANT_TEXT_MAX];

    list_choices(choices, want, sizeof(want));
    if (!reader_is_scalar(r, node, want))
        return -1;
    for (const struct schema_choice *c = choices; c->text != NULL; c++) {
        if (!str_eq(node->text, str_from(c->text)))
            continue;
        if (c->is_later)
            reader_later(r, node, c->text);
        return c->is_later ? -1 : c->value;
    }
    reader_expected(r, node, want);
    return -1;
}

void
reader_choice(struct reader *r, const struct reader_slot *slot)
{
    *(int *)slot->dst = reader_pick(r, slot->node, slot->key->choices);
}

void
reader_text(struct reader *r, const struct reader_slot *slot)
{
    struct str text = slot->node->text;

    if (!reader_is_scalar(r, slot->node, "text"))
        return;
    if (text.len == 0 || text.len > (size_t)slot->key->max || !value_is_printable(text))
        reader_error(r, slot->node, "expected 1 to %lld printable characters",
                     (long long)slot->key->max);
    else
        *(const char **)slot->dst = text.ptr;
}

void
reader_name(struct reader *r, const struct reader_slot *slot)
{
    if (!reader_is_scalar(r, slot->node, "a name"))
        return;
    if (value_is_name(slot->node->text, (size_t)slot->key->max))
        *(const char **)slot->dst = slot->node->text.ptr;
    else
        reader_error(r, slot->node,
                     "\"%.64s\" is not a name; use 1 to %lld letters, digits, '-', '_' and '.'",
                     slot->node->text.ptr, (long long)slot->key->max);
}

static bool
is_path(struct reader *r, const struct yaml_node *node)
{
    if (!reader_is_scalar(r, node, "the path of a file"))
        return false;
    if (node->text.len == 0 || node->text.len > PATH_BYTES_MAX)
        reader_error(r, node, "expected a path of 1 to %d bytes", PATH_BYTES_MAX);
    else
        return true;
    return false;
}

void
reader_file(struct reader *r, const struct reader_slot *slot)
{
    if (is_path(r, slot->node))
        *(const char **)slot->dst = reader_resolve(r, slot->node->text);
}

void
reader_ca_bundle(struct reader *r, const struct reader_slot *slot)
{
    if (!is_path(r, slot->node))
        return;
    if (!str_eq(slot->node->text, STR("system")))
        *(const char **)slot->dst = reader_resolve(r, slot->node->text);
}

void
reader_log_path(struct reader *r, const struct reader_slot *slot)
{
    if (!is_path(r, slot->node))
        return;
    *(const char **)slot->dst = str_eq(slot->node->text, STR("-"))
                                    ? slot->node->text.ptr
                                    : reader_resolve(r, slot->node->text);
}

void
reader_workers(struct reader *r, const struct reader_slot *slot)
{
    char want[WANT_TEXT_MAX];
    int64_t value;

    snprintf(want, sizeof(want), "auto or a whole number from 1 to %lld",
             (long long)slot->key->max);
    if (!reader_is_scalar(r, slot->node, want))
        return;
    if (str_eq(slot->node->text, STR("auto")))
        *(int64_t *)slot->dst = 0;
    else if (value_int(slot->node->text, &value) != 0 || value < 1 || value > slot->key->max)
        reader_expected(r, slot->node, want);
    else
        *(int64_t *)slot->dst = value;
}
