/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints the complete example from the schema and the table of attributes. Called by the
 * test that keeps conf/sallyport.yaml equal to it. Owns nothing. Must never print a key
 * that the schema does not have; nesting is capped by YAML_DEPTH_MAX.
 */
#include "conf/example.h"

#include "base/assert.h"
#include "base/limits.h"
#include "conf/attributes.h"
#include "conf/schema.h"
#include "policy/forward.h"

#define COLUMNS 100
#define INDENT 2
#define LINE_MAX_BYTES 1024

struct printer {
    FILE *out;
    int indent;
    int hash_at;      /* settings are commented out from this column on; -1: they are not */
    const char *dash; /* "- " before the next key, as it begins an item of a list */
    int depth;
};

static void print_section(struct printer *p, enum schema_section section);

/* ---- lines ---- */

static void
print_margin(const struct printer *p)
{
    if (p->hash_at < 0)
        fprintf(p->out, "%*s", p->indent, "");
    else
        fprintf(p->out, "%*s#%*s", p->hash_at, "", p->indent - p->hash_at, "");
}

/* Words, wrapped. */
static void
print_prose(const struct printer *p, struct str text)
{
    size_t room = COLUMNS - (size_t)p->indent - 3;

    while (text.len > 0) {
        size_t cut = text.len;

        if (cut > room) {
            ptrdiff_t space = str_rchr(str_sub(text, 0, room + 1), ' ');

            cut = space > 0 ? (size_t)space : room;
        }
        print_margin(p);
        fprintf(p->out, "# %.*s\n", (int)cut, text.ptr);
        text = str_trim(str_sub(text, cut, text.len));
    }
}

static void
print_setting(struct printer *p, const char *key, const char *value)
{
    print_margin(p);
    fprintf(p->out, "%s%s:%s%s\n", p->dash, key, value != NULL ? " " : "",
            value != NULL ? value : "");
    if (p->dash[0] != '\0')
        p->indent += INDENT;
    p->dash = "";
}

static bool
is_collection(const struct schema_key *k)
{
    switch (k->type) {
    case TYPE_NAMED_MAPS:
        return true;
    case TYPE_MAP:
    case TYPE_MAP_LIST:
    case TYPE_HEADERS:
    case TYPE_ACTION:
    case TYPE_FIXED_RESPONSE:
    case TYPE_ATTRIBUTES:
    case TYPE_FORWARD:
        return k->example == NULL;
    default:
        return false;
    }
}

static void
print_doc(const struct printer *p, const struct schema_key *k)
{
    char text[LINE_MAX_BYTES];
    const char *more = "";
    const char *what = "";

    if (k->is_required && !k->is_later)
        more = " (required)";
    else if (k->preset != NULL && !is_collection(k))
        what = k->preset;
    else if (k->unset != NULL)
        what = k->unset;
    snprintf(text, sizeof(text), "%s%s%s%s%s%s", k->is_alternative ? "or: " : "", k->doc, more,
             what[0] != '\0' ? (k->preset != NULL ? "; default: " : "; without it: ") : "", what,
             k->is_later && p->hash_at < 0 ? " (not available yet)" : "");
    print_prose(p, str_from(text));
}

/* ---- attributes ---- */

static void
print_attribute(struct printer *p, const struct attribute *a)
{
    char text[LINE_MAX_BYTES];
    char value[LINE_MAX_BYTES];
    const char *shown = a->example != NULL ? a->example : a->preset;

    if (a->kind == ATTRIBUTE_RENAME) {
        const char *names = (const char *)&forward_names_default;
        const struct str *name = (const struct str *)(const void *)(names + a->offset);

        snprintf(value, sizeof(value), "%.*s", STR_ARG(*name));
        shown = value;
    }
    snprintf(text, sizeof(text), "%s%s%s", a->doc, a->preset != NULL ? "; default: " : "",
             a->preset != NULL ? a->preset : "");
    print_prose(p, str_from(text));
    print_setting(p, a->name, shown);
}

static void
print_attributes(struct printer *p)
{
    char text[LINE_MAX_BYTES] = "not available yet:";
    size_t len = sizeof("not available yet:") - 1;

    for (size_t i = 0; i < attribute_count; i++) {
        const struct attribute *a = &attributes[i];

        if (a->kind != ATTRIBUTE_UNAVAILABLE && a->kind != ATTRIBUTE_PREFIX) {
            print_attribute(p, a);
            continue;
        }
        len += (size_t)snprintf(text + len, sizeof(text) - len, " %s%s", a->name,
                                a->kind == ATTRIBUTE_PREFIX ? "*" : "");
        gw_assert(len < sizeof(text));
    }
    print_prose(p, str_make(text, len));
}

/* ---- keys ---- */

static void
print_inside(struct printer *p, const struct schema_key *k)
{
    int indent = p->indent;

    p->indent += INDENT;
    p->depth++;
    gw_assert(p->depth <= YAML_DEPTH_MAX);
    if (k->type == TYPE_NAMED_MAPS) {
        print_setting(p, k->example, NULL);
        p->indent += INDENT;
    }
    if (k->type == TYPE_MAP_LIST || k->type == TYPE_FORWARD)
        p->dash = "- ";
    if (k->type == TYPE_ATTRIBUTES)
        print_attributes(p);
    else
        print_section(p, k->sub);
    p->depth--;
    p->indent = indent;
}

static void
print_key(struct printer *p, const struct schema_key *k)
{
    int hash_at = p->hash_at;

    print_doc(p, k);
    if ((k->is_later || k->is_alternative) && p->hash_at < 0)
        p->hash_at = p->indent;
    if (is_collection(k)) {
        print_setting(p, k->name, NULL);
        print_inside(p, k);
    } else {
        print_setting(p, k->name, k->example != NULL ? k->example : k->preset);
    }
    p->hash_at = hash_at;
}

static void
print_section(struct printer *p, enum schema_section section)
{
    for (const struct schema_key *k = schema_first(section); k != NULL; k = schema_next(k)) {
        if (section == SECTION_ROOT)
            fputc('\n', p->out);
        print_key(p, k);
    }
}

void
config_example_write(FILE *out)
{
    struct printer p = {.out = out, .hash_at = -1, .dash = ""};

    print_prose(&p,
                STR("Every key of the configuration, with its default. This file is printed from "
                    "the table that the program reads its configuration by, so it is complete. "
                    "Start with minimal.yaml and take from here what you need."));
    fputs("#\n", out);
    print_prose(&p, STR("Relative paths are relative to the file. Durations: 500ms, 10s, 5m, 24h. "
                        "Lists are never empty. Lines that begin with # and a key are not "
                        "available yet, or exclude the key above them."));
    print_section(&p, SECTION_ROOT);
}
