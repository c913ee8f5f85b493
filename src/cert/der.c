/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the DER reader that are not worth inlining. Called by the list loader, the
 * judge and the identity renderer on bytes that strangers wrote; pure, any thread. It must
 * never read outside the slice it was given, and never assert on what it finds there.
 */
#include "cert/der.h"

#include "base/clock.h"
#include "base/limits.h"

enum { LENGTH_OCTETS_MAX = 4, UTC_TIME_LEN = 13, GENERALIZED_TIME_LEN = 15 };

typedef unsigned __int128 u128;

int
der_read_long_length(const uint8_t **p, const uint8_t *end, size_t *ret_len)
{
    size_t octets = *(*p)++ & 0x7fu;
    size_t len = 0;

    if (octets == 0 || octets > LENGTH_OCTETS_MAX || octets > (size_t)(end - *p) || **p == 0)
        return GW_E_PARSE;
    for (size_t i = 0; i < octets; i++)
        len = len << 8 | *(*p)++;
    if (len < 0x80)
        return GW_E_PARSE;
    *ret_len = len;
    return 0;
}

int
der_optional(struct der *d, int tag, struct str *ret_body, bool *ret_is_there)
{
    if (der_peek(d) != tag) {
        *ret_is_there = false;
        return 0;
    }
    *ret_is_there = true;
    return der_expect(d, tag, ret_body);
}

bool
der_integer_is_valid(struct str body, bool is_strict)
{
    const uint8_t *p = (const uint8_t *)body.ptr;

    if (body.len == 0)
        return false;
    if (!is_strict || body.len == 1)
        return true;
    return !(p[0] == 0x00 && p[1] < 0x80) && !(p[0] == 0xff && p[1] >= 0x80);
}

int
der_uint(struct str body, uint64_t max, uint64_t *ret)
{
    const uint8_t *p = (const uint8_t *)body.ptr;
    uint64_t value = 0;

    if (!der_integer_is_valid(body, true) || p[0] >= 0x80 || body.len > sizeof(value) + 1)
        return GW_E_PARSE;
    if (body.len == sizeof(value) + 1 && p[0] != 0)
        return GW_E_PARSE;
    for (size_t i = 0; i < body.len; i++)
        value = value << 8 | p[i];
    if (value > max)
        return GW_E_PARSE;
    *ret = value;
    return 0;
}

int
der_bool(struct str body, bool *ret)
{
    uint8_t value;

    if (body.len != 1)
        return GW_E_PARSE;
    value = (uint8_t)body.ptr[0];
    if (value != 0x00 && value != 0xff)
        return GW_E_PARSE;
    *ret = value != 0;
    return 0;
}

int
der_bit_octets(struct str body, struct str *ret)
{
    if (body.len < 1 || body.ptr[0] != 0)
        return GW_E_PARSE;
    *ret = str_make(body.ptr + 1, body.len - 1);
    return 0;
}

/* Two digits, or a negative number. */
static inline int
two_digits(const char *p)
{
    unsigned tens = (unsigned)(p[0] - '0');
    unsigned ones = (unsigned)(p[1] - '0');

    return tens <= 9 && ones <= 9 ? (int)(tens * 10 + ones) : -1;
}

static inline bool
is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static inline int
days_in(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

int
der_time(int tag, struct str body, int64_t *ret_s)
{
    const char *p = body.ptr;
    int year, month, day, hour, minute, second;

    if (tag == DER_UTC_TIME && body.len == UTC_TIME_LEN) {
        year = two_digits(p);
        year = year < 0 ? -1 : year + (year >= 50 ? 1900 : 2000);
        p += 2;
    } else if (tag == DER_GENERALIZED_TIME && body.len == GENERALIZED_TIME_LEN) {
        int century = two_digits(p);

        year = two_digits(p + 2);
        year = century < 0 || year < 0 ? -1 : century * 100 + year;
        p += 4;
    } else {
        return GW_E_PARSE;
    }
    month = two_digits(p);
    day = two_digits(p + 2);
    hour = two_digits(p + 4);
    minute = two_digits(p + 6);
    second = two_digits(p + 8);
    if (year < 0 || month < 1 || month > 12 || day < 1 || day > days_in(year, month))
        return GW_E_PARSE;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return GW_E_PARSE;
    if (p[10] != 'Z')
        return GW_E_PARSE;
    *ret_s = clock_from_civil(year, month, day, hour, minute, second);
    return 0;
}

int
der_read_extension(struct der *d, struct der_extension *ret)
{
    struct str body, critical;
    struct der_extension ext = {0};
    bool has_critical;
    struct der in;

    if (der_expect(d, DER_SEQUENCE, &body) != 0)
        return GW_E_PARSE;
    in = der_open(body);
    if (der_expect(&in, DER_OID, &ext.oid) != 0 || ext.oid.len == 0 ||
        der_optional(&in, DER_BOOLEAN, &critical, &has_critical) != 0)
        return GW_E_PARSE;
    /* An explicit FALSE is not DER, but harmless and seen in the wild. */
    if (has_critical && der_bool(critical, &ext.is_critical) != 0)
        return GW_E_PARSE;
    if (der_expect(&in, DER_OCTET_STRING, &ext.value) != 0 || !der_at_end(&in))
        return GW_E_PARSE;
    *ret = ext;
    return 0;
}

/* Appends one arc in decimal. */
static int
put_arc(char *dst, size_t dst_size, size_t *len, u128 arc)
{
    char digits[40];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + (int)(arc % 10));
        arc /= 10;
    } while (arc != 0);
    if (*len + 1 + n + 1 > dst_size)
        return GW_E_LIMIT;
    if (*len > 0)
        dst[(*len)++] = '.';
    while (n > 0)
        dst[(*len)++] = digits[--n];
    dst[*len] = 0;
    return 0;
}

/* The first subidentifier holds two arcs: 40 * (0, 1 or 2) + second. */
static int
put_first_arcs(char *dst, size_t dst_size, size_t *len, u128 arc)
{
    unsigned top = arc < 40 ? 0 : arc < 80 ? 1 : 2;

    if (put_arc(dst, dst_size, len, top) != 0)
        return GW_E_LIMIT;
    return put_arc(dst, dst_size, len, arc - top * 40);
}

int
der_format_oid(struct str body, char *dst, size_t dst_size, size_t *ret_len)
{
    const uint8_t *p = (const uint8_t *)body.ptr;
    bool is_first = true;
    size_t len = 0;
    u128 arc = 0;

    if (body.len == 0 || (p[body.len - 1] & 0x80))
        return GW_E_PARSE;
    if (body.len > OID_BYTES_MAX)
        return GW_E_LIMIT;
    for (size_t i = 0; i < body.len; i++) {
        int err;

        if (arc == 0 && p[i] == 0x80)
            return GW_E_PARSE;
        if (arc >> 121 != 0)
            return GW_E_LIMIT;
        arc = arc << 7 | (p[i] & 0x7f);
        if (p[i] & 0x80)
            continue;
        err =
            is_first ? put_first_arcs(dst, dst_size, &len, arc) : put_arc(dst, dst_size, &len, arc);
        if (err != 0)
            return err;
        is_first = false;
        arc = 0;
    }
    *ret_len = len;
    return 0;
}
