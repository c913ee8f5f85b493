/* SPDX-License-Identifier: Apache-2.0
 *
 * Serial numbers of a revocation list, sorted for lookup. Serials are compared by value:
 * sign and magnitude. Positive ones of up to 16 octets are records of 21 bytes (magnitude,
 * date, reason), those of 17 to 20 octets records of 25; negative and longer ones are kept
 * apart. A table over the leading bits finds the few records to look at. The order of the
 * entries in the list has no influence on any answer.
 *
 * Counted first, then filled, then sealed; immutable from then on and read by any thread.
 */
#ifndef CERT_CRL_INDEX_H
#define CERT_CRL_INDEX_H

#include <openssl/asn1.h>

#include "base/str.h"

/* A serial in the form it came in: octet i of the magnitude is worked out when asked for. */
struct crl_serial {
    const uint8_t *bytes;
    size_t len; /* of the magnitude, without leading zero octets */
    bool is_negative;
    bool is_complement; /* bytes are a negative number's two's complement */
    size_t last_set;    /* is_complement: the last octet that is not zero */
};

/* From the content octets of a DER INTEGER (not empty), redundant leading octets allowed. */
struct crl_serial crl_serial_from_content(struct str content);
struct crl_serial crl_serial_from_asn1(const ASN1_INTEGER *serial);

struct crl_count {
    size_t narrow, wide, odd;
    size_t odd_bytes;
};

struct crl_table {
    uint8_t *records;
    uint32_t *starts; /* of each bucket, and the end of the last */
    size_t count;
    size_t records_bytes, starts_bytes; /* allocated */
    size_t key_bytes;
    size_t bucket_count;
    unsigned __int128 base; /* leading 128 bits of the first key */
    unsigned shift;         /* (leading bits - base) >> shift is the bucket */
};

struct crl_odd;

struct crl_index {
    struct crl_table narrow, wide;
    struct crl_odd *odd;
    uint8_t *odd_octets;
    size_t odd_count;
    size_t odd_bytes, odd_octets_used; /* of odd_octets */
};

void crl_index_count(struct crl_count *count, const struct crl_serial *serial);
/* Room for exactly what was counted. GW_E_NOMEM. */
int crl_index_init(struct crl_index *x, const struct crl_count *count) GW_MUST_USE;
/* Safe on a zeroed index. */
void crl_index_done(struct crl_index *x);
/* reason -1: none given. */
void
crl_index_add(struct crl_index *x, const struct crl_serial *serial, int64_t revoked_s, int reason);
/* Sorts and makes the index ready for crl_index_find. */
void crl_index_seal(struct crl_index *x);
/* *ret_revoked_s is 0 for dates that a record cannot hold (before 1970 and after 2106); of several
 * entries for one serial, the earliest date, and their reason if they have one and the same. No
 * allocation. */
bool crl_index_find(const struct crl_index *x, const struct crl_serial *serial,
                    int64_t *ret_revoked_s, int *ret_reason);
/* The i-th serial in some order; false past the last one. Borrowed. */
bool crl_index_at(const struct crl_index *x, size_t i, struct crl_serial *ret);
size_t crl_index_bytes(const struct crl_index *x);

#endif
