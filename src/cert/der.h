/* SPDX-License-Identifier: Apache-2.0
 *
 * A reader of DER (X.690): definite, minimal lengths of at most four octets and one-octet
 * tags, nothing else. It walks slices, copies nothing and never reads past its end. The
 * read itself is inline: a list of a million entries is some four million of them.
 */
#ifndef CERT_DER_H
#define CERT_DER_H

#include "base/err.h"
#include "base/str.h"

enum der_tag {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_NULL = 0x05,
    DER_OID = 0x06,
    DER_ENUMERATED = 0x0a,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
};
#define DER_CONTEXT(n) (0x80 | (n))        /* implicit and primitive */
#define DER_CONTEXT_NESTED(n) (0xa0 | (n)) /* explicit, or implicit and constructed */

struct der {
    const uint8_t *ptr;
    const uint8_t *end;
};

struct der_item {
    int tag;
    struct str body;  /* content octets */
    struct str whole; /* with tag and length */
};

struct der_extension {
    struct str oid; /* content octets */
    struct str value;
    bool is_critical;
};

static inline struct der
der_open(struct str s)
{
    const uint8_t *ptr = (const uint8_t *)s.ptr;

    return (struct der){ptr, s.len > 0 ? ptr + s.len : ptr};
}

static inline bool
der_at_end(const struct der *d)
{
    return d->ptr == d->end;
}

/* The next tag, or -1 at the end. */
static inline int
der_peek(const struct der *d)
{
    return d->ptr == d->end ? -1 : *d->ptr;
}

/* Lengths of 128 and more. Advances *p to the content. */
int der_read_long_length(const uint8_t **p, const uint8_t *end, size_t *ret_len) GW_MUST_USE;

/* The next item, whatever it is. GW_E_PARSE at the end, too. */
static inline int GW_MUST_USE
der_read(struct der *d, struct der_item *ret)
{
    const uint8_t *p = d->ptr;
    size_t len;

    if (unlikely(d->end - p < 2 || p[0] == 0 || (p[0] & 0x1f) == 0x1f))
        return GW_E_PARSE;
    len = p[1];
    p += 2;
    if (unlikely(len >= 0x80)) {
        p--;
        if (der_read_long_length(&p, d->end, &len) != 0)
            return GW_E_PARSE;
    }
    if (unlikely(len > (size_t)(d->end - p)))
        return GW_E_PARSE;
    ret->tag = d->ptr[0];
    ret->body = str_make(p, len);
    ret->whole = str_make(d->ptr, (size_t)(p - d->ptr) + len);
    d->ptr = p + len;
    return 0;
}

/* The next item, which must have this tag. d does not move on failure. */
static inline int GW_MUST_USE
der_expect(struct der *d, int tag, struct str *ret_body)
{
    struct der_item item;

    if (der_peek(d) != tag || der_read(d, &item) != 0)
        return GW_E_PARSE;
    *ret_body = item.body;
    return 0;
}

/* The next item when it has this tag; otherwise *ret_body stays and *ret_is_there is false. */
int der_optional(struct der *d, int tag, struct str *ret_body, bool *ret_is_there) GW_MUST_USE;

/* Non-empty; with is_strict also without a redundant leading octet. */
bool der_integer_is_valid(struct str body, bool is_strict);
/* A non-negative INTEGER or ENUMERATED of at most max. */
int der_uint(struct str body, uint64_t max, uint64_t *ret) GW_MUST_USE;
int der_bool(struct str body, bool *ret) GW_MUST_USE;
/* The octets of a BIT STRING without unused bits. */
int der_bit_octets(struct str body, struct str *ret) GW_MUST_USE;
/* UTCTime and GeneralizedTime as RFC 5280 4.1.2.5 wants them: seconds, Z, no fraction. Two-digit
 * years from 50 are 19xx. GeneralizedTime is accepted for any year. */
int der_time(int tag, struct str body, int64_t *ret_s) GW_MUST_USE;
/* One Extension of RFC 5280 4.1. */
int der_read_extension(struct der *d, struct der_extension *ret) GW_MUST_USE;
/* Dotted form, NUL-terminated; its length. GW_E_PARSE, GW_E_LIMIT: over OID_BYTES_MAX, an arc of
 * more than 128 bits, or dst too small. */
int der_format_oid(struct str body, char *dst, size_t dst_size, size_t *ret_len) GW_MUST_USE;

#endif
