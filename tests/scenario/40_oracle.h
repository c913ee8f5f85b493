/* SPDX-License-Identifier: Apache-2.0
 *
 * A second opinion on what the oracle origin received: a reader of HTTP/1.1 requests that
 * knows only the one plain spelling of everything. Whatever else the gateway might send to
 * an upstream makes it fail.
 */
#ifndef SCENARIO_ORACLE_H
#define SCENARIO_ORACLE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "support/util.h"

struct oracle_request {
    struct str head; /* with the empty line */
    struct str method;
    struct str target;
    bool is_chunked;
    bool has_length;
    uint64_t length; /* as announced */
    struct bytes body;
    bool is_cut; /* the bytes end within the body */
};

static inline bool
oracle_complain(const char *what, struct str at)
{
    fprintf(stderr, "oracle: %s: %.*s\n", what, (int)size_min(at.len, 200), at.ptr);
    return false;
}

/* Lower case, '_' and '.' as '-', and nothing else of a name: what lax servers compare. */
static inline bool
oracle_name_is(struct str name, const char *want)
{
    if (name.len != strlen(want))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i] == '_' || name.ptr[i] == '.' ? '-' : ascii_lower(name.ptr[i]);

        if (c != ascii_lower(want[i]))
            return false;
    }
    return true;
}

/* The name's letters and digits alone. */
static inline bool
oracle_squeezes_to(struct str name, const char *want)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = ascii_lower(name.ptr[i]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
            continue;
        if (*want != c)
            return false;
        want++;
    }
    return *want == '\0';
}

/* Next "Name: value" of a head, from *at on; the first line is to be passed already. */
static inline bool
oracle_field_next(struct str head, size_t *at, struct str *ret_name, struct str *ret_value)
{
    const char *line = head.ptr + *at;
    const char *eol = find_bytes(line, head.len - *at, "\r\n", 2);
    const char *colon;

    if (eol == NULL || eol == line)
        return false;
    colon = memchr(line, ':', (size_t)(eol - line));
    if (colon == NULL)
        colon = eol;
    *ret_name = str_make(line, (size_t)(colon - line));
    *ret_value = colon < eol ? str_trim(str_make(colon + 1, (size_t)(eol - colon - 1))) : STR("");
    *at = (size_t)(eol + 2 - head.ptr);
    return true;
}

static inline size_t
oracle_first_field(struct str head)
{
    const char *eol = find_bytes(head.ptr, head.len, "\r\n", 2);

    return eol == NULL ? head.len : (size_t)(eol + 2 - head.ptr);
}

/* How many fields have that name; the value of the first. */
static inline size_t
oracle_count(const struct oracle_request *r, const char *name, struct str *ret_value)
{
    size_t at = oracle_first_field(r->head);
    size_t count = 0;
    struct str found;
    struct str value;

    *ret_value = STR("");
    while (oracle_field_next(r->head, &at, &found, &value)) {
        if (oracle_name_is(found, name) && count++ == 0)
            *ret_value = value;
    }
    return count;
}

static inline struct str
oracle_field(const struct oracle_request *r, const char *name)
{
    struct str value;

    (void)oracle_count(r, name, &value);
    return value;
}

static inline bool
oracle_bytes_are_plain(struct str head)
{
    for (size_t i = 0; i < head.len; i++) {
        unsigned char c = (unsigned char)head.ptr[i];
        bool is_cr = c == '\r' && i + 1 < head.len && head.ptr[i + 1] == '\n';
        bool is_lf = c == '\n' && i > 0 && head.ptr[i - 1] == '\r';

        if ((c < 0x20 && c != '\t' && !is_cr && !is_lf) || c == 0x7f)
            return false;
        if (is_lf && i + 1 < head.len && (head.ptr[i + 1] == ' ' || head.ptr[i + 1] == '\t'))
            return false;
    }
    return true;
}

static inline bool
oracle_name_is_plain(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.ptr[i] <= 0x20 || (unsigned char)name.ptr[i] >= 0x7f ||
            strchr("\"(),/:;<=>?@[\\]{}", name.ptr[i]) != NULL)
            return false;
    }
    return name.len > 0;
}

static inline bool
oracle_take_fields(struct oracle_request *r)
{
    size_t at = oracle_first_field(r->head);
    size_t hosts = 0;
    size_t framings = 0;
    struct str name;
    struct str value;

    while (oracle_field_next(r->head, &at, &name, &value)) {
        if (!oracle_name_is_plain(name))
            return oracle_complain("odd field name", name);
        hosts += str_eq_nocase(name, STR("host"));
        if (oracle_squeezes_to(name, "contentlength")) {
            framings++;
            r->has_length = true;
            if (!str_eq_nocase(name, STR("content-length")) ||
                str_parse_u64(value, UINT64_MAX, &r->length) != 0)
                return oracle_complain("odd length", r->head);
        } else if (oracle_squeezes_to(name, "transferencoding")) {
            framings++;
            r->is_chunked = true;
            if (!str_eq_nocase(name, STR("transfer-encoding")) || !str_eq(value, STR("chunked")))
                return oracle_complain("odd coding", r->head);
        }
    }
    if (framings > 1)
        return oracle_complain("two framings", r->head);
    return hosts == 1 || oracle_complain("not one Host", r->head);
}

static inline bool
oracle_take_line(struct oracle_request *r)
{
    struct str line = str_sub(r->head, 0, oracle_first_field(r->head) - 2);
    const char *one = memchr(line.ptr, ' ', line.len);
    const char *two =
        one == NULL ? NULL : memchr(one + 1, ' ', line.len - (size_t)(one + 1 - line.ptr));

    if (two == NULL || !str_eq(str_sub(line, (size_t)(two - line.ptr), line.len), STR(" HTTP/1.1")))
        return oracle_complain("odd request line", line);
    r->method = str_make(line.ptr, (size_t)(one - line.ptr));
    r->target = str_make(one + 1, (size_t)(two - one - 1));
    return (r->target.len > 0 && (r->target.ptr[0] == '/' || r->target.ptr[0] == '*')) ||
           oracle_complain("odd target", line);
}

/* "HEX\r\n" payload "\r\n" ... "0\r\n\r\n": no extension, no trailer, no leading zeros. */
static inline bool
oracle_take_chunks(struct oracle_request *r, struct str *rest)
{
    for (;;) {
        const char *eol = find_bytes(rest->ptr, rest->len, "\r\n", 2);
        size_t digits = eol == NULL ? 0 : (size_t)(eol - rest->ptr);
        size_t size;

        if (eol == NULL) {
            r->is_cut = true;
            *rest = STR("");
            return true;
        }
        if (digits == 0 || digits > 8 || strspn(rest->ptr, "0123456789abcdefABCDEF") != digits ||
            (digits > 1 && rest->ptr[0] == '0'))
            return oracle_complain("odd chunk line", *rest);
        size = strtoul(rest->ptr, NULL, 16);
        *rest = str_sub(*rest, digits + 2, rest->len);
        bytes_add(&r->body, rest->ptr, size_min(size, rest->len));
        if (rest->len < size + 2) {
            r->is_cut = true;
            *rest = STR("");
            return true;
        }
        if (memcmp(rest->ptr + size, "\r\n", 2) != 0)
            return oracle_complain(size == 0 ? "trailer" : "no CRLF behind a chunk", *rest);
        *rest = str_sub(*rest, size + 2, rest->len);
        if (size == 0)
            return true;
    }
}

static inline bool
oracle_take_body(struct oracle_request *r, struct str *rest)
{
    size_t n;

    if (r->is_chunked)
        return oracle_take_chunks(r, rest);
    n = size_min((size_t)r->length, rest->len);
    bytes_add(&r->body, rest->ptr, n);
    r->is_cut = n < r->length;
    *rest = str_sub(*rest, n, rest->len);
    return true;
}

/* The next request of *rest. 1; 0 at the end of the bytes; -1, with a complaint, for anything that
 * is not a plain request. The caller frees r->body. */
static inline int
oracle_next(struct str *rest, struct oracle_request *r)
{
    const char *end = find_bytes(rest->ptr, rest->len, "\r\n\r\n", 4);

    memset(r, 0, sizeof(*r));
    if (rest->len == 0)
        return 0;
    if (end == NULL)
        return oracle_complain("no head", *rest) ? 1 : -1;
    r->head = str_make(rest->ptr, (size_t)(end + 4 - rest->ptr));
    *rest = str_sub(*rest, r->head.len, rest->len);
    if (!oracle_bytes_are_plain(r->head))
        return oracle_complain("odd byte", r->head) ? 1 : -1;
    if (!oracle_take_line(r) || !oracle_take_fields(r) || !oracle_take_body(r, rest))
        return -1;
    return 1;
}

#endif
