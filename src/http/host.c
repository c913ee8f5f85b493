/* SPDX-License-Identifier: Apache-2.0
 *
 * The one canonical form of a host, and the split of "host:port". Called for SNI, Host,
 * :authority, the configuration and upstream names. Pure, any thread, owns nothing.
 * Must never accept two spellings of one host without mapping both to the same bytes.
 */
#include "http/target.h"

#include <arpa/inet.h>

#include "base/limits.h"
#include "http/chars.h"

enum {
    V6_GROUPS = 8,
    V6_TEXT_MAX = INET6_ADDRSTRLEN - 1, /* longest spelling, without brackets */
};

/* Four decimal numbers without leading zeros: "010.0.0.1" is octal to some readers. */
static bool
is_ipv4(const char *host, size_t len)
{
    struct str rest = str_make(host, len);
    struct str piece;
    bool done = false;
    size_t count = 0;

    while (str_split_next(&rest, '.', &done, &piece)) {
        uint64_t value;

        if (piece.len == 0 || piece.len > 3 || (piece.len > 1 && piece.ptr[0] == '0') ||
            str_parse_u64(piece, 255, &value) != 0)
            return false;
        count++;
    }
    return count == 4;
}

/* Every dot-separated label has 1 to 63 letters, digits, '-' or '_'. A last label of digits only
 * makes it a number to resolvers (WHATWG "ends in a number"), so then it must be IPv4. */
static int
name_check(const char *name, size_t len)
{
    size_t label_len = 0;
    bool is_number = true;

    for (size_t i = 0; i < len; i++) {
        char c = name[i];

        if (c == '.') {
            if (label_len == 0)
                return GW_E_PARSE;
            label_len = 0;
            is_number = true;
            continue;
        }
        if (!char_is(c, CHAR_HOST) || ++label_len > HOST_LABEL_MAX)
            return GW_E_PARSE;
        is_number = is_number && char_is(c, CHAR_DIGIT);
    }
    if (label_len == 0 || (is_number && !is_ipv4(name, len)))
        return GW_E_PARSE;
    return 0;
}

/* Hex groups, the run of zero groups [skip, skip + skip_len) as "::". dst has V6_TEXT_MAX + 1. */
static size_t
v6_write(char *dst, const uint16_t *groups, size_t skip, size_t skip_len)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;

    for (size_t i = 0; i < V6_GROUPS; i++) {
        int shift = 12;

        if (skip_len > 0 && i == skip) {
            dst[n++] = ':';
            dst[n++] = ':';
            i += skip_len - 1;
            continue;
        }
        if (n > 0 && dst[n - 1] != ':')
            dst[n++] = ':';
        while (shift > 0 && groups[i] >> shift == 0)
            shift -= 4;
        for (; shift >= 0; shift -= 4)
            dst[n++] = digits[(groups[i] >> shift) & 0xf];
    }
    return n;
}

/* The shortest spelling, the first of equally short ones: unlike that of RFC 5952 it is never
 * longer than what came, so it fits where the input was. text is without brackets. */
static int
v6_canonical(struct str text, char *dst, size_t *ret_len)
{
    char zero_ended[V6_TEXT_MAX + 1];
    uint8_t bytes[16];
    uint16_t groups[V6_GROUPS];
    size_t best;

    if (text.len == 0 || text.len > V6_TEXT_MAX)
        return GW_E_PARSE;
    memcpy(zero_ended, text.ptr, text.len);
    zero_ended[text.len] = '\0';
    if (memchr(text.ptr, '\0', text.len) != NULL || inet_pton(AF_INET6, zero_ended, bytes) != 1)
        return GW_E_PARSE;
    for (size_t i = 0; i < V6_GROUPS; i++)
        groups[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
    best = v6_write(dst, groups, 0, 0);
    for (size_t i = 0, run; i < V6_GROUPS; i += run + 1) {
        char attempt[V6_TEXT_MAX + 1];
        size_t n;

        for (run = 0; i + run < V6_GROUPS && groups[i + run] == 0; run++)
            continue;
        n = v6_write(attempt, groups, i, run);
        if (n < best) {
            memcpy(dst, attempt, n);
            best = n;
        }
    }
    *ret_len = best;
    return 0;
}

static int
bracketed_canonical(struct str host, char *dst, size_t *ret_len)
{
    char text[V6_TEXT_MAX + 1];
    size_t len;

    if (host.len < 4 || host.ptr[host.len - 1] != ']' ||
        v6_canonical(str_sub(host, 1, host.len - 2), text, &len) != 0)
        return GW_E_PARSE;
    dst[0] = '[';
    memcpy(dst + 1, text, len);
    dst[len + 1] = ']';
    *ret_len = len + 2;
    return 0;
}

int
host_canonical(struct str host, char *dst, size_t *ret_len)
{
    if (host.len > 0 && host.ptr[0] == '[')
        return bracketed_canonical(host, dst, ret_len);
    if (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--;
    if (host.len == 0 || host.len > HOST_BYTES_MAX || name_check(host.ptr, host.len) != 0)
        return GW_E_PARSE;
    for (size_t i = 0; i < host.len; i++)
        dst[i] = ascii_lower(host.ptr[i]);
    *ret_len = host.len;
    return 0;
}

/* Where the host ends: at the colon after it, or at the end of text. */
static size_t
host_end(struct str text)
{
    ptrdiff_t bracket = text.len > 0 && text.ptr[0] == '[' ? str_chr(text, ']') : 0;
    ptrdiff_t colon;

    if (bracket < 0)
        return text.len;
    colon = str_chr(str_sub(text, (size_t)bracket, text.len), ':');
    return colon < 0 ? text.len : (size_t)(bracket + colon);
}

static int
port_parse(struct str digits, uint16_t *ret)
{
    uint64_t port;

    if (digits.len == 0 || digits.ptr[0] == '0' || str_parse_u64(digits, UINT16_MAX, &port) != 0)
        return GW_E_PARSE;
    *ret = (uint16_t)port;
    return 0;
}

int
authority_parse(struct str text, struct arena *arena, struct str *ret_authority,
                struct str *ret_host, uint16_t *ret_port)
{
    char host[AUTHORITY_BYTES_MAX];
    size_t host_len;
    size_t end = host_end(text);
    struct str suffix = str_sub(text, end, text.len);
    uint16_t port = 0;
    char *copy;

    if (text.len > AUTHORITY_BYTES_MAX ||
        host_canonical(str_sub(text, 0, end), host, &host_len) != 0)
        return GW_E_PARSE;
    if (suffix.len > 0 && port_parse(str_sub(suffix, 1, suffix.len), &port) != 0)
        return GW_E_PARSE;
    copy = arena_alloc(arena, host_len + suffix.len);
    if (copy == NULL)
        return GW_E_NOSPACE;
    memcpy(copy, host, host_len);
    if (suffix.len > 0)
        memcpy(copy + host_len, suffix.ptr, suffix.len);
    *ret_authority = str_make(copy, host_len + suffix.len);
    *ret_host = str_make(copy, host_len);
    *ret_port = port;
    return 0;
}

bool
host_matches(struct str pattern, struct str host)
{
    ptrdiff_t dot;

    if (!str_starts(pattern, STR("*.")))
        return str_eq(pattern, host);
    dot = str_chr(host, '.');
    return dot > 0 &&
           str_eq(str_sub(pattern, 1, pattern.len), str_sub(host, (size_t)dot, host.len));
}
