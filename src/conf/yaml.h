/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML as a tree of nodes that know their line and column. Only what a configuration
 * needs: maps with text keys, lists, scalars. Anchors, aliases, tags, merge keys,
 * directives and more than one document are refused; so are duplicate keys, NUL bytes, a
 * byte order mark, nesting deeper than YAML_DEPTH_MAX, more than YAML_NODES_MAX nodes and
 * scalars longer than YAML_SCALAR_BYTES_MAX.
 *
 * Scalars stay text; what type they are is the reader's affair.
 */
#ifndef CONF_YAML_H
#define CONF_YAML_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/str.h"

enum yaml_kind {
    YAML_SCALAR,
    YAML_LIST,
    YAML_MAP,
    YAML_BROKEN, /* an error has been reported in its place: to be skipped in silence */
};

struct yaml_node {
    enum yaml_kind kind;
    bool is_null;            /* a plain scalar that says nothing: empty, ~ or null */
    bool is_quoted;          /* a scalar in quotes or a block scalar */
    int line;                /* from 1 */
    int column;              /* from 1, in characters */
    struct str text;         /* scalar, NUL-terminated */
    struct yaml_node *key;   /* of an entry of a map: its key */
    struct yaml_node *first; /* items of a list, values of a map, in order */
    struct yaml_node *next;
    size_t count;
};

/* The tree lives in the arena. text is borrowed for the call. Returns GW_E_CONFIG when there is no
 * tree at all; errors that leave a tree (duplicate keys, anchors) are in diag only, so that
 * the caller can go on and find more. An empty text is an empty map. */
int yaml_parse(struct str text, const char *file, struct arena *arena, struct diag *diag,
               struct yaml_node **ret) GW_MUST_USE;
/* The value of a key of a map, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, struct str key);

/* Looks at the bytes alone: encoding and nesting. libyaml takes time that is quadratic in the
 * nesting, so this comes first. */
int yaml_scan(struct str text, const char *file, struct diag *diag) GW_MUST_USE;

#endif
