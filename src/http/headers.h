/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounded table of header fields, in order, and the small integers (tokens) that known
 * names become once, so that later code compares integers. The storage of the array is
 * the caller's (an arena); count_max is fixed at init.
 *
 * Names keep the spelling in which they came (HTTP/2: lower case). Values have no leading
 * or trailing white space and were checked byte by byte (field-value of RFC 9110 5.5:
 * HTAB, 0x20-0x7e, 0x80-0xff).
 */
#ifndef HTTP_HEADERS_H
#define HTTP_HEADERS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* Names the gateway acts upon. HEADER_OTHER is everything else. */
enum header_token {
    HEADER_OTHER,
#define X(token, name) HEADER_##token,
#include "http/header_token.def"
#undef X
    HEADER_TOKEN_COUNT
};

struct http_header {
    struct str name;
    struct str value;
    uint8_t token;   /* enum header_token */
    bool is_dropped; /* hygiene marked it: never forwarded, invisible to rules */
};

struct http_headers {
    struct http_header *fields;
    uint32_t count;
    uint32_t count_max;
};

/* GW_E_NOSPACE when the arena is full. */
int http_headers_init(struct http_headers *h, struct arena *arena, uint32_t count_max) GW_MUST_USE;
/* Name and value are borrowed. The token is looked up here. GW_E_LIMIT at count_max. */
int http_headers_add(struct http_headers *h, struct str name, struct str value) GW_MUST_USE;
/* The first field with this token that is not dropped, or NULL. */
const struct http_header *http_headers_get(const struct http_headers *h, enum header_token token);
/* How many fields carry the token (dropped ones not counted). */
uint32_t http_headers_count(const struct http_headers *h, enum header_token token);
/* By name, ASCII case folded; first one not dropped, or NULL. */
const struct http_header *http_headers_find(const struct http_headers *h, struct str name);

enum header_token header_token_lookup(struct str name); /* any case */
struct str header_token_name(enum header_token token);  /* lower case */
/* Connection-level fields of RFC 9110 7.6.1 and the two proxy authentication fields, which end at
 * this gateway; never forwarded in either direction. */
bool http_header_is_hop_by_hop(enum header_token token);
/* True for a name that is Content-Length or Transfer-Encoding only after removing everything but
 * letters and digits ("transfer_encoding", "content--length"): some origin may take it for one. */
bool http_header_imitates_framing(struct str name);

/* RFC 9110 5.6.2 token, at least one byte. */
bool http_is_token(struct str s);
/* RFC 9110 5.5 field-value bytes: no CR, LF, NUL or other control byte but HTAB. */
bool http_is_field_value(struct str s);

#endif
