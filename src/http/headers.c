/* SPDX-License-Identifier: Apache-2.0
 *
 * Header table and the names that become tokens. Used by both HTTP versions, the rules and
 * the forwarder. Owns nothing: the array lies in the caller's arena, names and values are
 * borrowed. Any thread, one table at a time. Must never allocate per field.
 */
#include "http/headers.h"

#include "base/assert.h"
#include "http/chars.h"

static const struct str token_names[HEADER_TOKEN_COUNT] = {
    [HEADER_OTHER] = STR_INIT(""),
#define X(token, name) [HEADER_##token] = STR_INIT(name),
#include "http/header_token.def"
#undef X
};

int
http_headers_init(struct http_headers *h, struct arena *arena, uint32_t count_max)
{
    struct http_header *fields = arena_alloc(arena, sizeof(*fields) * count_max);

    if (fields == NULL)
        return GW_E_NOSPACE;
    *h = (struct http_headers){.fields = fields, .count = 0, .count_max = count_max};
    return 0;
}

int
http_headers_add(struct http_headers *h, struct str name, struct str value)
{
    gw_assert(h->count <= h->count_max);
    if (h->count == h->count_max)
        return GW_E_LIMIT;
    h->fields[h->count++] = (struct http_header){
        .name = name,
        .value = value,
        .token = (uint8_t)header_token_lookup(name),
    };
    return 0;
}

const struct http_header *
http_headers_get(const struct http_headers *h, enum header_token token)
{
    for (uint32_t i = 0; i < h->count; i++) {
        if (h->fields[i].token == token && !h->fields[i].is_dropped)
            return &h->fields[i];
    }
    return NULL;
}

uint32_t
http_headers_count(const struct http_headers *h, enum header_token token)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < h->count; i++)
        n += h->fields[i].token == token && !h->fields[i].is_dropped;
    return n;
}

const struct http_header *
http_headers_find(const struct http_headers *h, struct str name)
{
    for (uint32_t i = 0; i < h->count; i++) {
        if (!h->fields[i].is_dropped && str_eq_nocase(h->fields[i].name, name))
            return &h->fields[i];
    }
    return NULL;
}

/* One of up to four candidates of equal length whose letter at some place differs, so that at
 * most one whole comparison is made for a name. */
static enum header_token
token_if(struct str name, enum header_token token)
{
    const char *want = token_names[token].ptr;

    for (size_t i = 0; i < name.len; i++) {
        if (ascii_lower(name.ptr[i]) != want[i])
            return HEADER_OTHER;
    }
    return token;
}

static enum header_token
token_of_6_or_7(struct str name, char first)
{
    switch (first) {
    case 'c':
        return name.len == 6 ? token_if(name, HEADER_COOKIE) : HEADER_OTHER;
    case 'e':
        return name.len == 6 ? token_if(name, HEADER_EXPECT) : HEADER_OTHER;
    case 's':
        return name.len == 6 ? token_if(name, HEADER_SERVER) : HEADER_OTHER;
    case 't':
        return name.len == 7 ? token_if(name, HEADER_TRAILER) : HEADER_OTHER;
    case 'u':
        return name.len == 7 ? token_if(name, HEADER_UPGRADE) : HEADER_OTHER;
    default:
        return HEADER_OTHER;
    }
}

static enum header_token
token_of_10(struct str name, char first)
{
    switch (first) {
    case 'c':
        return token_if(name, HEADER_CONNECTION);
    case 'e':
        return token_if(name, HEADER_EARLY_DATA);
    case 'k':
        return token_if(name, HEADER_KEEP_ALIVE);
    case 'u':
        return token_if(name, HEADER_USER_AGENT);
    default:
        return HEADER_OTHER;
    }
}

static enum header_token
token_of_16(struct str name, char first)
{
    switch (first) {
    case 'c':
        return token_if(name, HEADER_CONTENT_ENCODING);
    case 'p':
        return token_if(name, HEADER_PROXY_CONNECTION);
    case 'x':
        return token_if(name, HEADER_X_FORWARDED_PORT);
    default:
        return HEADER_OTHER;
    }
}

/* Dispatch on length, then on the first letter: a field that is no token usually costs one
 * comparison of an integer. The unit test looks every row of header_token.def up. */
enum header_token
header_token_lookup(struct str name)
{
    char first = name.len > 0 ? ascii_lower(name.ptr[0]) : '\0';

    switch (name.len) {
    case 2:
        return token_if(name, HEADER_TE);
    case 4:
        return token_if(name, first == 'h' ? HEADER_HOST : HEADER_DATE);
    case 6:
    case 7:
        return token_of_6_or_7(name, first);
    case 10:
        return token_of_10(name, first);
    case 12:
        return token_if(name, HEADER_CONTENT_TYPE);
    case 13:
        return token_if(name, HEADER_AUTHORIZATION);
    case 14:
        return token_if(name, first == 'c' ? HEADER_CONTENT_LENGTH : HEADER_HTTP2_SETTINGS);
    case 15:
        return token_if(name, ascii_lower(name.ptr[2]) == 'f' ? HEADER_X_FORWARDED_FOR
                                                              : HEADER_X_AMZN_TRACE_ID);
    case 16:
        return token_of_16(name, first);
    case 17:
        return token_if(name, first == 't' ? HEADER_TRANSFER_ENCODING : HEADER_X_FORWARDED_PROTO);
    case 18:
        return token_if(name, HEADER_PROXY_AUTHENTICATE);
    case 19:
        return token_if(name, HEADER_PROXY_AUTHORIZATION);
    default:
        return HEADER_OTHER;
    }
}

struct str
header_token_name(enum header_token token)
{
    gw_assert(token < HEADER_TOKEN_COUNT);
    return token_names[token];
}

bool
http_header_is_hop_by_hop(enum header_token token)
{
    switch (token) {
    case HEADER_CONNECTION:
    case HEADER_KEEP_ALIVE:
    case HEADER_PROXY_CONNECTION:
    case HEADER_TRANSFER_ENCODING:
    case HEADER_TE:
    case HEADER_TRAILER:
    case HEADER_UPGRADE:
    case HEADER_HTTP2_SETTINGS:
    case HEADER_PROXY_AUTHENTICATE:
    case HEADER_PROXY_AUTHORIZATION:
        return true;
    default:
        return false;
    }
}

static bool
all_are(struct str s, unsigned classes)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!char_is(s.ptr[i], classes))
            return false;
    }
    return true;
}

bool
http_is_token(struct str s)
{
    return s.len > 0 && all_are(s, CHAR_TOKEN);
}

bool
http_is_field_value(struct str s)
{
    return all_are(s, CHAR_VALUE);
}

/* name without anything but letters and digits, folded, equals want? */
static bool
squeezes_to(struct str name, struct str want)
{
    size_t n = 0;

    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!ascii_is_alpha(c) && !ascii_is_digit(c))
            continue;
        if (n == want.len || ascii_lower(c) != want.ptr[n])
            return false;
        n++;
    }
    return n == want.len;
}

bool
http_header_imitates_framing(struct str name)
{
    if (name.len < sizeof("contentlength") - 1)
        return false;
    switch (header_token_lookup(name)) {
    case HEADER_CONTENT_LENGTH:
    case HEADER_TRANSFER_ENCODING:
        return false;
    default:
        return squeezes_to(name, STR("contentlength")) ||
               squeezes_to(name, STR("transferencoding"));
    }
}
