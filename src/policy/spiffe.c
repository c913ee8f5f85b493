/* SPDX-License-Identifier: Apache-2.0
 *
 * SPIFFE identifiers and patterns for them. Called by rules for every request that has a
 * condition on one, and by the reader of the configuration. Owns nothing. It must never
 * normalise: two spellings are two identifiers, and most spellings are none.
 */
#include "policy/spiffe.h"

#include "base/limits.h"

#define SCHEME STR("spiffe://")

static bool
is_domain_char(char c)
{
    return (ascii_is_alpha(c) && ascii_lower(c) == c) || ascii_is_digit(c) || c == '.' ||
           c == '-' || c == '_';
}

static bool
is_path_char(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '.' || c == '-' || c == '_';
}

static bool
is_segment(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_path_char(s.ptr[i]))
            return false;
    }
    return s.len > 0 && !str_eq(s, STR(".")) && !str_eq(s, STR(".."));
}

/* The path without its first '/'. */
static bool
is_path(struct str path)
{
    struct str segment;
    bool done = false;

    while (str_split_next(&path, '/', &done, &segment)) {
        if (!is_segment(segment))
            return false;
    }
    return true;
}

bool
spiffe_is_meant(struct str text)
{
    return str_starts_nocase(text, STR("spiffe:"));
}

bool
spiffe_is_id(struct str id)
{
    struct str rest;
    size_t domain = 0;

    if (id.len > RULE_CERT_VALUE_BYTES_MAX || !str_starts(id, SCHEME))
        return false;
    rest = str_sub(id, SCHEME.len, id.len);
    while (domain < rest.len && is_domain_char(rest.ptr[domain]))
        domain++;
    if (domain == 0 || domain > SPIFFE_DOMAIN_BYTES_MAX)
        return false;
    if (domain == rest.len)
        return true;
    return rest.ptr[domain] == '/' && is_path(str_sub(rest, domain + 1, rest.len));
}

/* What stands before the '*' of a pattern, its '/' included; empty without one. */
static struct str
prefix_of(struct str pattern)
{
    return str_ends(pattern, STR("/*")) ? str_sub(pattern, 0, pattern.len - 1) : STR("");
}

bool
spiffe_is_pattern(struct str pattern)
{
    struct str prefix = prefix_of(pattern);

    return spiffe_is_id(prefix.len > 0 ? str_sub(prefix, 0, prefix.len - 1) : pattern);
}

bool
spiffe_matches(struct str pattern, struct str id)
{
    struct str prefix = prefix_of(pattern);

    if (!spiffe_is_pattern(pattern) || !spiffe_is_id(id))
        return false;
    if (prefix.len == 0)
        return str_eq(pattern, id);
    return str_starts(id, prefix) && str_chr(str_sub(id, prefix.len, id.len), '/') < 0;
}
