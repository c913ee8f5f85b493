/* SPDX-License-Identifier: Apache-2.0
 *
 * Request framing of the emulator: strict, so that nothing ambiguous is ever answered as
 * if it were fine. Called by worker.c on the connection's thread; allocates only for
 * trailers. It must never treat a byte of the body as the next request.
 */
#include "emulator.h"

#include <strings.h>

enum { CHUNK_DIGITS_MAX = 16 };

static bool
is_token_char(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool
is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_token_char((unsigned char)s.ptr[i]))
            return false;
    return s.len > 0;
}

static bool
name_is(struct str name, const char *lower)
{
    size_t n = strlen(lower);

    return name.len == n && strncasecmp(name.ptr, lower, n) == 0;
}

size_t
em_head_find(struct em_conn *c)
{
    size_t from = c->scanned > 3 ? c->scanned - 3 : 0;
    const char *end;

    if (c->in_len < 4)
        return 0;
    end = find_bytes(c->in + from, c->in_len - from, "\r\n\r\n", 4);
    c->scanned = c->in_len;
    return end ? (size_t)(end - c->in) + 4 : 0;
}

static struct str
trim(struct str s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = str_make(s.ptr + 1, s.len - 1);
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

bool
em_field_next(struct str *fields, struct str *ret_name, struct str *ret_value)
{
    const char *eol = fields->len ? memchr(fields->ptr, '\r', fields->len) : NULL;
    const char *colon;
    size_t line;

    if (!eol || eol == fields->ptr)
        return false;
    line = (size_t)(eol - fields->ptr);
    if (line + 2 > fields->len || eol[1] != '\n')
        return false;
    colon = memchr(fields->ptr, ':', line);
    if (!colon)
        return false;
    *ret_name = str_make(fields->ptr, (size_t)(colon - fields->ptr));
    *ret_value = trim(str_make(colon + 1, (size_t)(eol - colon - 1)));
    *fields = str_make(eol + 2, fields->len - line - 2);
    return true;
}

static bool
value_is_clean(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool
length_parse(struct em_request *r, struct str value)
{
    uint64_t n = 0;

    if (r->has_length || value.len == 0 || value.len > 18)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    r->length = n;
    r->has_length = true;
    return true;
}

static bool
has_option(struct str list, const char *option)
{
    while (list.len > 0) {
        const char *comma = memchr(list.ptr, ',', list.len);
        size_t n = comma ? (size_t)(comma - list.ptr) : list.len;

        if (name_is(trim(str_make(list.ptr, n)), option))
            return true;
        n += comma != NULL;
        list = str_make(list.ptr + n, list.len - n);
    }
    return false;
}

static bool
field_use_framing(struct em_request *r, struct str name, struct str value)
{
    if (name_is(name, "content-length"))
        return length_parse(r, value);
    if (name_is(name, "transfer-encoding")) {
        if (r->is_chunked || !name_is(value, "chunked"))
            return false;
        r->is_chunked = true;
    } else if (name_is(name, "connection")) {
        r->wants_close |= has_option(value, "close");
        r->wants_keep_alive |= has_option(value, "keep-alive");
    } else if (name_is(name, "expect")) {
        if (!name_is(value, "100-continue"))
            return false;
        r->wants_continue = true;
    }
    return true;
}

static bool
field_use(struct em_request *r, struct str name, struct str value)
{
    r->value_bytes += value.len;
    switch (name.ptr[0] | 0x20) {
    case 'c':
    case 't':
    case 'e':
        return field_use_framing(r, name, value);
    case 'h':
        if (name_is(name, "host")) {
            if (r->host.ptr)
                return false;
            r->host = value;
        }
        return true;
    case 'x':
        if (name_is(name, "x-apigw-api-id"))
            r->api_id = value;
        else if (name_is(name, "x-amzn-trace-id"))
            r->trace = value;
        return true;
    default:
        return true;
    }
}

static bool
line_parse(struct em_request *r, struct str line)
{
    const char *sp = memchr(line.ptr, ' ', line.len);
    const char *query;
    struct str rest;

    if (!sp)
        return false;
    r->method = str_make(line.ptr, (size_t)(sp - line.ptr));
    rest = str_make(sp + 1, line.len - r->method.len - 1);
    if (rest.len < 10 || memcmp(rest.ptr + rest.len - 9, " HTTP/1.", 8) != 0)
        return false;
    if (rest.ptr[rest.len - 1] != '0' && rest.ptr[rest.len - 1] != '1')
        return false;
    r->is_http10 = rest.ptr[rest.len - 1] == '0';
    r->target = str_make(rest.ptr, rest.len - 9);
    for (size_t i = 0; i < r->target.len; i++)
        if ((unsigned char)r->target.ptr[i] <= ' ' || r->target.ptr[i] == 0x7f)
            return false;
    query = memchr(r->target.ptr, '?', r->target.len);
    r->path = r->target;
    if (query)
        r->path.len = (size_t)(query - r->target.ptr);
    r->is_head = str_eq(r->method, STR("HEAD"));
    return is_token(r->method) && r->target.len > 0;
}

bool
em_head_parse(struct em_request *r, char *head, size_t len)
{
    const char *eol = memchr(head, '\r', len);
    struct str fields;
    struct str name;
    struct str value;

    *r = (struct em_request){0};
    if (!eol || eol[1] != '\n' || !line_parse(r, str_make(head, (size_t)(eol - head))))
        return false;
    r->fields = str_make(eol + 2, len - (size_t)(eol + 2 - head));
    fields = r->fields;
    while (em_field_next(&fields, &name, &value))
        if (!is_token(name) || !value_is_clean(value) || !field_use(r, name, value))
            return false;
    if (!str_eq(fields, STR("\r\n")) || (r->has_length && r->is_chunked))
        return false;
    if (r->is_http10 ? r->is_chunked : !r->host.ptr)
        return false;
    r->body_done = !r->is_chunked && r->length == 0;
    r->chunk = CHUNK_SIZE;
    return true;
}

static int
hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* One byte of framing. */
static bool
chunk_byte(struct em_conn *c, char byte)
{
    struct em_request *r = &c->req;
    int digit = hex_of(byte);

    switch (r->chunk) {
    case CHUNK_SIZE:
        if (digit >= 0) {
            r->chunk_left = r->chunk_left << 4 | (uint64_t)digit;
            return ++r->chunk_digits <= CHUNK_DIGITS_MAX;
        }
        r->chunk = byte == ';' ? CHUNK_EXT : CHUNK_SIZE_LF;
        return r->chunk_digits > 0 && (byte == ';' || byte == '\r');
    case CHUNK_EXT:
        if (byte == '\r')
            r->chunk = CHUNK_SIZE_LF;
        return byte != '\n';
    case CHUNK_SIZE_LF:
        r->chunk = r->chunk_left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
        r->line_len = 0;
        return byte == '\n';
    case CHUNK_CR:
        r->chunk = CHUNK_LF;
        return byte == '\r';
    case CHUNK_LF:
        r->chunk = CHUNK_SIZE;
        r->chunk_digits = 0;
        return byte == '\n';
    case CHUNK_TRAILER:
        if (c->trailers.len >= EM_TRAILERS_MAX)
            return false;
        bytes_add(&c->trailers, &byte, 1);
        r->line_len++;
        if (byte == '\n') {
            r->body_done = r->line_len == 2;
            r->line_len = 0;
        }
        return true;
    case CHUNK_DATA:
    case CHUNK_END:
        break;
    }
    return false;
}

static size_t
chunked_take(struct em_conn *c, const char *p, size_t n, bool *ret_bad)
{
    struct em_request *r = &c->req;
    size_t at = 0;

    while (at < n && !r->body_done) {
        size_t part;

        if (r->chunk != CHUNK_DATA) {
            if (!chunk_byte(c, p[at++])) {
                *ret_bad = true;
                return at;
            }
            continue;
        }
        part = r->chunk_left < n - at ? (size_t)r->chunk_left : n - at;
        if (!em_request_body(c, p + at, part))
            return n;
        at += part;
        r->chunk_left -= part;
        if (r->chunk_left == 0)
            r->chunk = CHUNK_CR;
    }
    return at;
}

size_t
em_body_take(struct em_conn *c, const char *p, size_t n, bool *ret_bad)
{
    struct em_request *r = &c->req;
    uint64_t left = r->length - r->body_bytes;

    *ret_bad = false;
    if (r->is_chunked)
        return chunked_take(c, p, n, ret_bad);
    if (left < n)
        n = (size_t)left;
    r->body_done = left == n;
    em_request_body(c, p, n);
    return n;
}
