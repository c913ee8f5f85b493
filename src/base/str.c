/* SPDX-License-Identifier: Apache-2.0
 *
 * Slices: comparing, cutting, numbers, hex and wildcards. Called by every floor, on any
 * thread; owns nothing. Must never read past len, need a NUL, or depend on the locale.
 */
#include "base/str.h"

bool
str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
            return false;
    }
    return true;
}

int
str_cmp(struct str a, struct str b)
{
    size_t common = size_min(a.len, b.len);
    int order = common > 0 ? memcmp(a.ptr, b.ptr, common) : 0;

    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

bool
str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_sub(s, 0, prefix.len), prefix);
}

bool
str_starts_nocase(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq_nocase(str_sub(s, 0, prefix.len), prefix);
}

bool
str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_sub(s, s.len - suffix.len, suffix.len), suffix);
}

bool
str_ends_nocase(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq_nocase(str_sub(s, s.len - suffix.len, suffix.len), suffix);
}

ptrdiff_t
str_chr(struct str s, char c)
{
    const char *found = s.len > 0 ? memchr(s.ptr, c, s.len) : NULL;

    return found != NULL ? found - s.ptr : -1;
}

ptrdiff_t
str_rchr(struct str s, char c)
{
    const char *found = s.len > 0 ? memrchr(s.ptr, c, s.len) : NULL;

    return found != NULL ? found - s.ptr : -1;
}

struct str
str_sub(struct str s, size_t from, size_t len)
{
    if (from >= s.len)
        return (struct str){s.len > 0 ? s.ptr + s.len : s.ptr, 0};
    return (struct str){s.ptr + from, size_min(len, s.len - from)};
}

static bool
is_ows(char c)
{
    return c == ' ' || c == '\t';
}

struct str
str_trim(struct str s)
{
    while (s.len > 0 && is_ows(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_ows(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool
str_split_next(struct str *rest, char sep, bool *done, struct str *ret_piece)
{
    ptrdiff_t at;

    if (*done)
        return false;
    at = str_chr(*rest, sep);
    if (at < 0) {
        *ret_piece = *rest;
        *rest = str_sub(*rest, rest->len, 0);
        *done = true;
        return true;
    }
    *ret_piece = str_sub(*rest, 0, (size_t)at);
    *rest = str_sub(*rest, (size_t)at + 1, rest->len);
    return true;
}

/* The value of a hex digit, or -1. */
static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int
parse_number(struct str s, unsigned base, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    bool is_above = false;

    if (s.len == 0)
        return GW_E_PARSE;
    for (size_t i = 0; i < s.len; i++) {
        int digit = hex_value(s.ptr[i]);

        if (digit < 0 || (unsigned)digit >= base)
            return GW_E_PARSE;
        /* Reads on, so that "99x" is no number rather than a large one. */
        if (is_above || (uint64_t)digit > max || value > (max - (uint64_t)digit) / base)
            is_above = true;
        else
            value = value * base + (unsigned)digit;
    }
    if (is_above)
        return GW_E_LIMIT;
    *ret = value;
    return 0;
}

int
str_parse_u64(struct str s, uint64_t max, uint64_t *ret)
{
    return parse_number(s, 10, max, ret);
}

int
str_parse_hex_u64(struct str s, uint64_t max, uint64_t *ret)
{
    return parse_number(s, 16, max, ret);
}

static void
hex_encode(char *dst, const uint8_t *src, size_t n, const char *digits)
{
    for (size_t i = 0; i < n; i++) {
        dst[2 * i] = digits[src[i] >> 4];
        dst[2 * i + 1] = digits[src[i] & 15];
    }
}

size_t
str_u64(char dst[STR_U64_MAX], uint64_t n)
{
    char digits[STR_U64_MAX];
    size_t first = sizeof(digits);

    do {
        digits[--first] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    memcpy(dst, digits + first, sizeof(digits) - first);
    return sizeof(digits) - first;
}

void
str_hex_upper(char *dst, const uint8_t *src, size_t n)
{
    hex_encode(dst, src, n, "0123456789ABCDEF");
}

void
str_hex_lower(char *dst, const uint8_t *src, size_t n)
{
    hex_encode(dst, src, n, "0123456789abcdef");
}

/* One byte, or nothing when dst is NULL: the first pass only validates. */
static int
unhex_pass(struct str s, uint8_t *dst, size_t *ret_len)
{
    size_t len = 0;

    for (size_t i = 0; i < s.len; i += 2) {
        if (len > 0 && s.ptr[i] == ':')
            i++;
        if (s.len - i < 2 || hex_value(s.ptr[i]) < 0 || hex_value(s.ptr[i + 1]) < 0)
            return GW_E_PARSE;
        if (dst != NULL)
            dst[len] = (uint8_t)(hex_value(s.ptr[i]) * 16 + hex_value(s.ptr[i + 1]));
        len++;
    }
    *ret_len = len;
    return 0;
}

int
str_unhex(struct str s, uint8_t *dst, size_t dst_max, size_t *ret_len)
{
    size_t len = 0;
    int err = unhex_pass(s, NULL, &len);

    if (err != 0)
        return err;
    if (len > dst_max)
        return GW_E_LIMIT;
    return unhex_pass(s, dst, ret_len);
}

static bool
wildcard_byte_matches(char pattern, char text, bool nocase)
{
    if (pattern == '?')
        return true;
    if (nocase)
        return ascii_lower(pattern) == ascii_lower(text);
    return pattern == text;
}

/* On a mismatch only the last star gives way by one byte: earlier stars never need to, since
 * whatever follows them was already found at its leftmost place. */
bool
str_match_wildcard(struct str pattern, struct str text, bool nocase)
{
    size_t p = 0;
    size_t t = 0;
    size_t star = SIZE_MAX;
    size_t star_text = 0;

    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            star_text = t;
        } else if (p < pattern.len && wildcard_byte_matches(pattern.ptr[p], text.ptr[t], nocase)) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}
