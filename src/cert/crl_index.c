/* SPDX-License-Identifier: Apache-2.0
 *
 * The sorted serials of one list. Filled by cert/crl on the control thread, read by every
 * worker at every handshake. Owns its tables, which are mappings of their own when large.
 * It must never answer "not listed" for a serial that was added, whatever the order.
 */
#include "cert/crl_index.h"

#include <stdlib.h>

#include "base/assert.h"
#include "cert/pages.h"

enum {
    NARROW_KEY = 16,
    WIDE_KEY = 20,
    DATE_BYTES = 4,
    REASON_BYTES = 1,
    RECORD_BYTES_MAX = WIDE_KEY + DATE_BYTES + REASON_BYTES,
    BUCKET_RECORDS = 8, /* on average */
    RADIX = 256,
    INSERTION_MAX = 32, /* shorter runs are sorted by insertion */
    NO_REASON = 0xff,
};

typedef unsigned __int128 u128;

struct crl_odd {
    const uint8_t *magnitude;
    uint32_t len;
    uint32_t date;
    bool is_negative;
    uint8_t reason;
};

/* ---- serials ---- */

static inline uint8_t
magnitude_octet(const struct crl_serial *s, size_t i)
{
    if (!s->is_complement)
        return s->bytes[i];
    if (i < s->last_set)
        return (uint8_t)~s->bytes[i];
    return i == s->last_set ? (uint8_t)-s->bytes[i] : 0;
}

static inline void
skip_leading_zeros(struct crl_serial *s)
{
    while (s->len > 0 && magnitude_octet(s, 0) == 0) {
        s->bytes++;
        s->len--;
        s->last_set--;
    }
}

struct crl_serial
crl_serial_from_content(struct str content)
{
    struct crl_serial s = {.bytes = (const uint8_t *)content.ptr, .len = content.len};

    gw_assert(content.len > 0);
    if (s.bytes[0] & 0x80) {
        s.is_negative = true;
        s.is_complement = true;
        s.last_set = s.len - 1;
        while (s.bytes[s.last_set] == 0)
            s.last_set--;
    }
    skip_leading_zeros(&s);
    return s;
}

struct crl_serial
crl_serial_from_asn1(const ASN1_INTEGER *serial)
{
    struct crl_serial s = {.bytes = ASN1_STRING_get0_data(serial),
                           .len = (size_t)ASN1_STRING_length(serial),
                           .is_negative = ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER};

    skip_leading_zeros(&s);
    return s;
}

static inline bool
is_plain(const struct crl_serial *s, size_t octets_max)
{
    return !s->is_negative && s->len <= octets_max;
}

/* ---- records: key, date, reason, so that bytewise order is the order of all three ---- */

static inline size_t
record_bytes(const struct crl_table *t)
{
    return t->key_bytes + DATE_BYTES + REASON_BYTES;
}

static inline uint64_t
load_be64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return __builtin_bswap64(v);
}

static inline u128
leading_bits(const uint8_t *key)
{
    return (u128)load_be64(key) << 64 | load_be64(key + 8);
}

static inline int
compare(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    u128 x = leading_bits(a), y = leading_bits(b);

    if (x != y)
        return x < y ? -1 : 1;
    return memcmp(a + NARROW_KEY, b + NARROW_KEY, bytes - NARROW_KEY);
}

static inline void
make_key(uint8_t *key, size_t key_bytes, const struct crl_serial *s)
{
    memset(key, 0, key_bytes - s->len);
    memcpy(key + key_bytes - s->len, s->bytes, s->len);
}

static inline uint32_t
date_of(int64_t revoked_s)
{
    return revoked_s > 0 && revoked_s <= UINT32_MAX ? (uint32_t)revoked_s : 0;
}

static inline uint8_t
reason_of(int reason)
{
    return reason >= 0 && reason < NO_REASON ? (uint8_t)reason : NO_REASON;
}

static void
table_add(struct crl_table *t, const struct crl_serial *s, int64_t revoked_s, int reason)
{
    uint8_t *r = t->records + t->count * record_bytes(t);
    uint32_t date = __builtin_bswap32(date_of(revoked_s));

    gw_assert((t->count + 1) * record_bytes(t) <= t->records_bytes);
    make_key(r, t->key_bytes, s);
    memcpy(r + t->key_bytes, &date, DATE_BYTES);
    r[t->key_bytes + DATE_BYTES] = reason_of(reason);
    t->count++;
}

/* ---- sorting ---- */

struct run {
    uint8_t *records;
    size_t count;
    size_t bytes; /* of one record */
};

static inline void
swap(uint8_t *a, uint8_t *b, size_t bytes)
{
    uint8_t head[2][NARROW_KEY], tail[2][NARROW_KEY];
    size_t rest = bytes - NARROW_KEY; /* head and tail overlap */

    memcpy(head[0], a, NARROW_KEY);
    memcpy(tail[0], a + rest, NARROW_KEY);
    memcpy(head[1], b, NARROW_KEY);
    memcpy(tail[1], b + rest, NARROW_KEY);
    memcpy(a, head[1], NARROW_KEY);
    memcpy(a + rest, tail[1], NARROW_KEY);
    memcpy(b, head[0], NARROW_KEY);
    memcpy(b + rest, tail[0], NARROW_KEY);
}

static bool
is_sorted(const struct run *run)
{
    for (size_t i = 1; i < run->count; i++) {
        const uint8_t *r = run->records + i * run->bytes;

        if (compare(r - run->bytes, r, run->bytes) > 0)
            return false;
    }
    return true;
}

static void
sort_by_insertion(const struct run *run)
{
    uint8_t held[RECORD_BYTES_MAX];

    for (size_t i = 1; i < run->count; i++) {
        uint8_t *to = run->records + i * run->bytes;

        if (compare(to - run->bytes, to, run->bytes) <= 0)
            continue;
        memcpy(held, to, run->bytes);
        do {
            memcpy(to, to - run->bytes, run->bytes);
            to -= run->bytes;
        } while (to > run->records && compare(to - run->bytes, held, run->bytes) > 0);
        memcpy(to, held, run->bytes);
    }
}

/* Distributes the run by one octet, in place; ends[b] becomes the end of bucket b. */
static void
distribute(const struct run *run, size_t octet, size_t ends[RADIX])
{
    size_t next[RADIX];
    size_t sum = 0;

    memset(ends, 0, RADIX * sizeof(ends[0]));
    for (size_t i = 0; i < run->count; i++)
        ends[run->records[i * run->bytes + octet]]++;
    for (size_t b = 0; b < RADIX; b++) {
        next[b] = sum;
        sum += ends[b];
        ends[b] = sum;
    }
    for (size_t b = 0; b < RADIX; b++) {
        while (next[b] < ends[b]) {
            uint8_t *r = run->records + next[b] * run->bytes;
            size_t home = r[octet];

            if (home != b)
                swap(r, run->records + next[home] * run->bytes, run->bytes);
            next[home]++;
        }
    }
}

/* Most significant octet first. Depth and work are bounded by the octets of a record, whatever
 * serials an issuer chooses. */
static void
sort_by_radix(const struct run *run, size_t octet)
{
    size_t ends[RADIX];
    size_t from = 0;

    if (run->count <= INSERTION_MAX) {
        sort_by_insertion(run);
        return;
    }
    if (octet == run->bytes)
        return;
    gw_assert(octet < RECORD_BYTES_MAX);
    distribute(run, octet, ends);
    for (size_t b = 0; b < RADIX; b++) {
        struct run part = {run->records + from * run->bytes, ends[b] - from, run->bytes};

        from = ends[b];
        if (part.count > 1)
            sort_by_radix(&part, octet + 1);
    }
}

/* ---- tables ---- */

static int
table_init(struct crl_table *t, size_t key_bytes, size_t count)
{
    *t = (struct crl_table){.key_bytes = key_bytes, .bucket_count = 2};
    if (count == 0)
        return 0;
    if (count > UINT32_MAX)
        return GW_E_LIMIT;
    while (t->bucket_count * 2 * BUCKET_RECORDS <= count)
        t->bucket_count *= 2;
    t->records_bytes = count * record_bytes(t);
    t->starts_bytes = (t->bucket_count + 1) * sizeof(t->starts[0]);
    t->records = pages_alloc(t->records_bytes);
    t->starts = pages_alloc(t->starts_bytes);
    return t->records != NULL && t->starts != NULL ? 0 : GW_E_NOMEM;
}

static void
table_done(struct crl_table *t)
{
    pages_free(t->records, t->records_bytes);
    pages_free(t->starts, t->starts_bytes);
}

static inline const uint8_t *
record_at(const struct crl_table *t, size_t i)
{
    return t->records + i * record_bytes(t);
}

static inline size_t
bucket_of(const struct crl_table *t, const uint8_t *key)
{
    return (size_t)((leading_bits(key) - t->base) >> t->shift);
}

static void
table_seal(struct crl_table *t)
{
    struct run all = {t->records, t->count, record_bytes(t)};
    size_t at = 0;
    u128 span;

    if (t->count == 0)
        return;
    if (!is_sorted(&all))
        sort_by_radix(&all, 0);
    t->base = leading_bits(t->records);
    span = leading_bits(record_at(t, t->count - 1)) - t->base;
    while (span >> t->shift >= t->bucket_count) /* two buckets or more: ends at 127 at most */
        t->shift++;
    for (size_t b = 0; b < t->bucket_count; b++) {
        t->starts[b] = (uint32_t)at;
        while (at < t->count && bucket_of(t, record_at(t, at)) == b)
            at++;
    }
    t->starts[t->bucket_count] = (uint32_t)at;
    gw_assert(at == t->count);
}

/* The first record with this key, or NULL. */
static const uint8_t *
table_find(const struct crl_table *t, const uint8_t *key)
{
    size_t low, high, bucket;

    if (t->count == 0 || leading_bits(key) < t->base)
        return NULL;
    if ((leading_bits(key) - t->base) >> t->shift >= t->bucket_count)
        return NULL;
    bucket = bucket_of(t, key);
    low = t->starts[bucket];
    high = t->starts[bucket + 1];
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(record_at(t, middle), key, t->key_bytes) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == t->count || compare(record_at(t, low), key, t->key_bytes) != 0)
        return NULL;
    return record_at(t, low);
}

/* Of several entries for one serial that disagree about the reason none is the reason: what was on
 * hold once and compromised later must not pass for on hold. */
static uint8_t
table_reason(const struct crl_table *t, const uint8_t *record)
{
    const uint8_t *end = t->records + t->count * record_bytes(t);
    size_t at = t->key_bytes + DATE_BYTES;

    for (const uint8_t *r = record + record_bytes(t);
         r < end && compare(r, record, t->key_bytes) == 0; r += record_bytes(t)) {
        if (r[at] != record[at])
            return NO_REASON;
    }
    return record[at];
}

/* ---- negative and very long serials ---- */

static int
odd_compare(const void *va, const void *vb)
{
    const struct crl_odd *a = va, *b = vb;
    int by_magnitude;

    if (a->is_negative != b->is_negative)
        return a->is_negative ? -1 : 1;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    by_magnitude = memcmp(a->magnitude, b->magnitude, a->len);
    if (by_magnitude != 0)
        return by_magnitude;
    if (a->date != b->date)
        return a->date < b->date ? -1 : 1;
    return a->reason - b->reason;
}

static int
odd_compare_serial(const struct crl_odd *odd, const struct crl_serial *s)
{
    if (odd->is_negative != s->is_negative)
        return odd->is_negative ? -1 : 1;
    if (odd->len != s->len)
        return odd->len < s->len ? -1 : 1;
    for (size_t i = 0; i < s->len; i++) {
        int by_octet = odd->magnitude[i] - magnitude_octet(s, i);

        if (by_octet != 0)
            return by_octet;
    }
    return 0;
}

static void
odd_add(struct crl_index *x, const struct crl_serial *s, int64_t revoked_s, int reason)
{
    uint8_t *octets = x->odd_octets + x->odd_octets_used;

    gw_assert(x->odd_octets_used + s->len <= x->odd_bytes);
    for (size_t i = 0; i < s->len; i++)
        octets[i] = magnitude_octet(s, i);
    x->odd_octets_used += s->len;
    x->odd[x->odd_count++] = (struct crl_odd){.magnitude = octets,
                                              .len = (uint32_t)s->len,
                                              .date = date_of(revoked_s),
                                              .is_negative = s->is_negative,
                                              .reason = reason_of(reason)};
}

static const struct crl_odd *
odd_find(const struct crl_index *x, const struct crl_serial *s)
{
    size_t low = 0, high = x->odd_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (odd_compare_serial(&x->odd[middle], s) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == x->odd_count || odd_compare_serial(&x->odd[low], s) != 0)
        return NULL;
    return &x->odd[low];
}

static uint8_t
odd_reason(const struct crl_index *x, const struct crl_odd *odd, const struct crl_serial *s)
{
    for (const struct crl_odd *o = odd + 1;
         o < x->odd + x->odd_count && odd_compare_serial(o, s) == 0; o++) {
        if (o->reason != odd->reason)
            return NO_REASON;
    }
    return odd->reason;
}

/* ---- the index ---- */

void
crl_index_count(struct crl_count *count, const struct crl_serial *serial)
{
    if (is_plain(serial, NARROW_KEY)) {
        count->narrow++;
    } else if (is_plain(serial, WIDE_KEY)) {
        count->wide++;
    } else {
        count->odd++;
        count->odd_bytes += serial->len;
    }
}

int
crl_index_init(struct crl_index *x, const struct crl_count *count)
{
    *x = (struct crl_index){.odd_bytes = count->odd_bytes};
    if (table_init(&x->narrow, NARROW_KEY, count->narrow) != 0 ||
        table_init(&x->wide, WIDE_KEY, count->wide) != 0)
        goto nomem;
    if (count->odd == 0)
        return 0;
    x->odd = calloc(count->odd, sizeof(x->odd[0]));
    x->odd_octets = pages_alloc(count->odd_bytes);
    if (x->odd != NULL && x->odd_octets != NULL)
        return 0;
nomem:
    crl_index_done(x);
    return GW_E_NOMEM;
}

void
crl_index_done(struct crl_index *x)
{
    table_done(&x->narrow);
    table_done(&x->wide);
    free(x->odd);
    pages_free(x->odd_octets, x->odd_bytes);
    *x = (struct crl_index){0};
}

void
crl_index_add(struct crl_index *x, const struct crl_serial *serial, int64_t revoked_s, int reason)
{
    if (is_plain(serial, NARROW_KEY))
        table_add(&x->narrow, serial, revoked_s, reason);
    else if (is_plain(serial, WIDE_KEY))
        table_add(&x->wide, serial, revoked_s, reason);
    else
        odd_add(x, serial, revoked_s, reason);
}

void
crl_index_seal(struct crl_index *x)
{
    table_seal(&x->narrow);
    table_seal(&x->wide);
    if (x->odd_count > 1)
        qsort(x->odd, x->odd_count, sizeof(x->odd[0]), odd_compare);
}

bool
crl_index_find(const struct crl_index *x, const struct crl_serial *serial, int64_t *ret_revoked_s,
               int *ret_reason)
{
    const struct crl_table *t = is_plain(serial, NARROW_KEY) ? &x->narrow : &x->wide;
    const struct crl_odd *odd;
    const uint8_t *record;
    uint8_t key[WIDE_KEY];
    uint8_t reason;
    uint32_t date;

    if (is_plain(serial, WIDE_KEY)) {
        make_key(key, t->key_bytes, serial);
        record = table_find(t, key);
        if (record == NULL)
            return false;
        memcpy(&date, record + t->key_bytes, DATE_BYTES);
        date = __builtin_bswap32(date);
        reason = table_reason(t, record);
    } else {
        odd = odd_find(x, serial);
        if (odd == NULL)
            return false;
        date = odd->date;
        reason = odd_reason(x, odd, serial);
    }
    *ret_revoked_s = date;
    *ret_reason = reason == NO_REASON ? -1 : reason;
    return true;
}

static struct crl_serial
serial_at(const struct crl_table *t, size_t i)
{
    struct crl_serial s = {.bytes = record_at(t, i), .len = t->key_bytes};

    skip_leading_zeros(&s);
    return s;
}

bool
crl_index_at(const struct crl_index *x, size_t i, struct crl_serial *ret)
{
    const struct crl_table *const tables[] = {&x->narrow, &x->wide};

    for (size_t t = 0; t < array_len(tables); t++) {
        if (i < tables[t]->count) {
            *ret = serial_at(tables[t], i);
            return true;
        }
        i -= tables[t]->count;
    }
    if (i >= x->odd_count)
        return false;
    *ret = (struct crl_serial){
        .bytes = x->odd[i].magnitude, .len = x->odd[i].len, .is_negative = x->odd[i].is_negative};
    return true;
}

size_t
crl_index_bytes(const struct crl_index *x)
{
    return x->narrow.records_bytes + x->narrow.starts_bytes + x->wide.records_bytes +
           x->wide.starts_bytes + x->odd_count * sizeof(x->odd[0]) + x->odd_bytes;
}
