/* SPDX-License-Identifier: Apache-2.0
 *
 * One table says what each byte may be in HTTP: every parser of this folder looks bytes up
 * here instead of comparing ranges, so that two of them cannot disagree.
 */
#ifndef HTTP_CHARS_H
#define HTTP_CHARS_H

#include "base/base.h"

enum {
    CHAR_TOKEN = 1 << 0,      /* tchar, RFC 9110 5.6.2 */
    CHAR_VALUE = 1 << 1,      /* field-value: HTAB, 0x20-0x7e, 0x80-0xff, RFC 9110 5.5 */
    CHAR_PATH = 1 << 2,       /* pchar without '%' and '/', RFC 3986 3.3 */
    CHAR_QUERY = 1 << 3,      /* query without '%', and what browsers send raw: | { } ^ ` [ ] */
    CHAR_UNRESERVED = 1 << 4, /* RFC 3986 2.3 */
    CHAR_HOST = 1 << 5,       /* letters, digits, '-' and '_' */
    CHAR_DIGIT = 1 << 6,
    CHAR_HEX = 1 << 7,
};

extern const uint8_t http_chars[256];

static inline bool
char_is(char c, unsigned classes)
{
    return (http_chars[(uint8_t)c] & classes) != 0;
}

/* Value of a hex digit; the caller has checked CHAR_HEX. */
static inline unsigned
char_hex_value(char c)
{
    unsigned u = (uint8_t)c;

    return u <= '9' ? u - '0' : (u | 0x20u) - 'a' + 10u;
}

#endif
