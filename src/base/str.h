/* SPDX-License-Identifier: Apache-2.0
 *
 * A slice of bytes, passed by value. It never owns its bytes and never needs a NUL.
 * ptr may be NULL when len is 0.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <string.h>

#include "base/base.h"
#include "base/err.h"

struct str {
    const char *ptr;
    size_t len;
};

/* A literal as a slice, without strlen. */
#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_INIT(literal)               \
    {                                   \
        "" literal, sizeof(literal) - 1 \
    }
/* For printf: "%.*s", STR_ARG(s) */
#define STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct str
str_make(const void *ptr, size_t len)
{
    return (struct str){ptr, len};
}

/* NULL gives the empty slice. */
static inline struct str
str_from(const char *cstr)
{
    return (struct str){cstr, cstr ? strlen(cstr) : 0};
}

static inline bool
str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII case only. */
bool str_eq_nocase(struct str a, struct str b);
int str_cmp(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_ends_nocase(struct str s, struct str suffix);

/* Offset of the first c, or -1. */
ptrdiff_t str_chr(struct str s, char c);
ptrdiff_t str_rchr(struct str s, char c);

/* Bytes [from, from+len) of s, clamped to s. */
struct str str_sub(struct str s, size_t from, size_t len);
/* Without leading and trailing SP and HTAB (the OWS of RFC 9110 5.6.3). */
struct str str_trim(struct str s);

/* Cuts the piece before the first sep off *rest. False when *rest was exhausted.
 * "a,,b" gives "a", "", "b"; "" gives one empty piece. Start with *done = false. */
bool str_split_next(struct str *rest, char sep, bool *done, struct str *ret_piece);

/* Whole slice, digits only, no sign, no space. GW_E_PARSE, or GW_E_LIMIT above max. */
int str_parse_u64(struct str s, uint64_t max, uint64_t *ret) GW_MUST_USE;
int str_parse_hex_u64(struct str s, uint64_t max, uint64_t *ret) GW_MUST_USE;

/* Decimal digits of n into dst, no NUL; their number. */
#define STR_U64_MAX 20
size_t str_u64(char dst[STR_U64_MAX], uint64_t n);

/* Upper- or lower-case hex of n bytes into dst (2n characters, no NUL). */
void str_hex_upper(char *dst, const uint8_t *src, size_t n);
void str_hex_lower(char *dst, const uint8_t *src, size_t n);
/* Even number of hex digits, either case; colons between bytes are allowed. */
int str_unhex(struct str s, uint8_t *dst, size_t dst_max, size_t *ret_len) GW_MUST_USE;

static inline char
ascii_lower(char c)
{
    return (c >= 'A' && c <= 'Z') ? (char)(c + 32) : c;
}

static inline bool
ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool
ascii_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ALB's wildcards: '*' is any run, '?' exactly one byte. Linear in the pattern times the
 * text, no recursion. nocase folds ASCII on both sides. */
bool str_match_wildcard(struct str pattern, struct str text, bool nocase);

#endif
