/* SPDX-License-Identifier: Apache-2.0
 *
 * Recursive descent over JSON, depth-capped. Used by tests and fuzz targets only.
 */
#include "support/json_check.h"

#define DEPTH_MAX 32

struct reader {
    const char *at;
    const char *end;
    const char *key; /* of the outermost object, or NULL */
    struct str found;
    size_t found_count;
    int depth;
};

static bool read_value(struct reader *r);

static void
skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r' || *r->at == '\n'))
        r->at++;
}

static bool
take(struct reader *r, char c)
{
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool
take_word(struct reader *r, struct str word)
{
    if (!str_starts(str_make(r->at, (size_t)(r->end - r->at)), word))
        return false;
    r->at += word.len;
    return true;
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f')
        return ascii_lower(c) - 'a' + 10;
    return -1;
}

/* The four digits after "\u"; -1 when they are not. */
static int
read_hex4(struct reader *r)
{
    int value = 0;

    for (int i = 0; i < 4; i++) {
        int digit = r->at < r->end ? hex_digit(*r->at) : -1;

        if (digit < 0)
            return -1;
        value = value * 16 + digit;
        r->at++;
    }
    return value;
}

static void
put_utf8(struct bytes *out, uint32_t c)
{
    char text[4];
    size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = len - 1; i > 0; i--) {
        text[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    text[0] = (char)(lead[len] | c);
    if (out != NULL)
        bytes_add(out, text, len);
}

static bool
read_unicode(struct reader *r, struct bytes *out)
{
    int unit = read_hex4(r), low;

    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return false;
    if (unit < 0xd800 || unit > 0xdbff) {
        put_utf8(out, (uint32_t)unit);
        return true;
    }
    if (!take_word(r, STR("\\u")))
        return false;
    low = read_hex4(r);
    if (low < 0xdc00 || low > 0xdfff)
        return false;
    put_utf8(out, 0x10000 + (((uint32_t)unit - 0xd800) << 10) + ((uint32_t)low - 0xdc00));
    return true;
}

static bool
read_escape(struct reader *r, struct bytes *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *which;
    char c;

    if (r->at == r->end)
        return false;
    c = *r->at++;
    if (c == 'u')
        return read_unicode(r, out);
    which = c != '\0' ? strchr(from, c) : NULL;
    if (which == NULL)
        return false;
    if (out != NULL)
        bytes_add(out, &to[which - from], 1);
    return true;
}

/* Bytes above 0x7f pass: the gateway writes none, which the tests of the formats check. */
static bool
read_string(struct reader *r, struct bytes *out)
{
    if (!take(r, '"'))
        return false;
    while (r->at < r->end && *r->at != '"') {
        char c = *r->at++;

        if ((unsigned char)c < 0x20)
            return false;
        if (c == '\\') {
            if (!read_escape(r, out))
                return false;
        } else if (out != NULL) {
            bytes_add(out, &c, 1);
        }
    }
    return take(r, '"');
}

static bool
read_digits(struct reader *r)
{
    const char *start = r->at;

    while (r->at < r->end && ascii_is_digit(*r->at))
        r->at++;
    return r->at > start;
}

static bool
read_number(struct reader *r)
{
    take(r, '-');
    if (!take(r, '0') && !read_digits(r))
        return false;
    if (take(r, '.') && !read_digits(r))
        return false;
    if (r->at < r->end && ascii_lower(*r->at) == 'e') {
        r->at++;
        if (!take(r, '+'))
            take(r, '-');
        return read_digits(r);
    }
    return true;
}

static bool
read_array(struct reader *r)
{
    skip_space(r);
    if (take(r, ']'))
        return true;
    do {
        if (!read_value(r))
            return false;
    } while (take(r, ','));
    return take(r, ']');
}

static bool
read_member(struct reader *r)
{
    const char *start;
    bool is_wanted = false;

    skip_space(r);
    start = r->at;
    if (!read_string(r, NULL))
        return false;
    if (r->depth == 1 && r->key != NULL)
        is_wanted = str_eq(str_make(start + 1, (size_t)(r->at - start) - 2), str_from(r->key));
    skip_space(r);
    if (!take(r, ':'))
        return false;
    skip_space(r);
    start = r->at;
    if (!read_value(r))
        return false;
    if (is_wanted && r->found_count++ == 0)
        r->found = str_trim(str_make(start, (size_t)(r->at - start)));
    return true;
}

static bool
read_object(struct reader *r)
{
    skip_space(r);
    if (take(r, '}'))
        return true;
    do {
        if (!read_member(r))
            return false;
    } while (take(r, ','));
    return take(r, '}');
}

static bool
read_bare_value(struct reader *r)
{
    if (r->at < r->end && *r->at == '"')
        return read_string(r, NULL);
    if (take(r, '{'))
        return read_object(r);
    if (take(r, '['))
        return read_array(r);
    if (take_word(r, STR("true")) || take_word(r, STR("false")) || take_word(r, STR("null")))
        return true;
    return read_number(r);
}

static bool
read_value(struct reader *r)
{
    bool ok;

    if (++r->depth > DEPTH_MAX)
        return false;
    skip_space(r);
    ok = read_bare_value(r);
    skip_space(r);
    r->depth--;
    return ok;
}

static bool
read_all(struct reader *r, struct str text, const char *key)
{
    *r = (struct reader){.at = text.ptr, .end = text.ptr + text.len, .key = key};
    return text.len > 0 && read_value(r) && r->at == r->end;
}

bool
json_is_valid(struct str text)
{
    struct reader r;

    return read_all(&r, text, NULL);
}

bool
json_member(struct str text, const char *key, struct str *ret_raw)
{
    struct reader r;

    if (!read_all(&r, text, key) || r.found_count == 0)
        return false;
    *ret_raw = r.found;
    return true;
}

size_t
json_member_count(struct str text, const char *key)
{
    struct reader r;

    return read_all(&r, text, key) ? r.found_count : 0;
}

bool
json_decode(struct str raw, struct bytes *out)
{
    struct reader r = {.at = raw.ptr, .end = raw.ptr + raw.len};

    return read_string(&r, out) && r.at == r.end;
}

bool
json_member_is(struct str text, const char *key, const char *want)
{
    struct bytes value = {0};
    struct str raw;
    bool is_equal = json_member(text, key, &raw) && json_decode(raw, &value) &&
                    str_eq(bytes_str(&value), str_from(want));

    bytes_free(&value);
    return is_equal;
}
