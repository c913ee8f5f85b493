/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of ALB attributes (attributes.def), for the reader and for the printer of the
 * complete example.
 */
#ifndef CONF_ATTRIBUTES_H
#define CONF_ATTRIBUTES_H

#include "base/base.h"
#include "base/str.h"

enum attribute_kind {
    ATTRIBUTE_SECONDS,
    ATTRIBUTE_SWITCH,
    ATTRIBUTE_ONLY,
    ATTRIBUTE_XFF,
    ATTRIBUTE_RENAME,
    ATTRIBUTE_OVERRIDE,
    ATTRIBUTE_UNAVAILABLE,
    ATTRIBUTE_PREFIX,
};

struct attribute {
    const char *name;
    enum attribute_kind kind;
    size_t offset; /* in struct config_attributes, or of a name in struct forward_names */
    int64_t min, max;
    const char *preset; /* NULL: none */
    const char *header; /* ATTRIBUTE_OVERRIDE */
    const char *example;
    const char *doc;
};

extern const struct attribute attributes[];
extern const size_t attribute_count;

/* NULL when ALB has no such attribute. */
const struct attribute *attribute_find(struct str name);

#endif
