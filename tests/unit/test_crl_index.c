/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <openssl/bn.h>
#include <stdlib.h>

#include "cert/crl_index.h"

struct serial_row {
    struct str content;
    int64_t revoked_s;
    int reason;
};

static struct crl_index
build(const struct serial_row *rows, size_t count)
{
    struct crl_count n = {0};
    struct crl_index x;

    for (size_t i = 0; i < count; i++) {
        struct crl_serial s = crl_serial_from_content(rows[i].content);

        crl_index_count(&n, &s);
    }
    assert_int_equal(crl_index_init(&x, &n), 0);
    for (size_t i = 0; i < count; i++) {
        struct crl_serial s = crl_serial_from_content(rows[i].content);

        crl_index_add(&x, &s, rows[i].revoked_s, rows[i].reason);
    }
    crl_index_seal(&x);
    return x;
}

static bool
has(const struct crl_index *x, struct str content)
{
    struct crl_serial s = crl_serial_from_content(content);
    int64_t revoked_s;
    int reason;

    return crl_index_find(x, &s, &revoked_s, &reason);
}

#define TEN "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a"

static void
serials_are_compared_by_value(void **state)
{
    static const struct serial_row rows[] = {
        {STR_INIT("\x00"), 1, 1},
        {STR_INIT("\x05"), 1, 1},
        {STR_INIT("\x00\xff"), 1, 1},
        {STR_INIT("\x80"), 1, 1},                                /* -128 */
        {STR_INIT("\xff\x7f"), 1, 1},                            /* -129 */
        {STR_INIT("\xff\x00"), 1, 1},                            /* -256 */
        {STR_INIT(TEN "\x0b\x0c\x0d\x0e\x0f\x10"), 1, 1},        /* 16 octets */
        {STR_INIT("\x00\xff" TEN "\x0b\x0c\x0d\x0e\x0f"), 1, 1}, /* 16 and a sign octet */
        {STR_INIT(TEN "\x0b\x0c\x0d\x0e\x0f\x10\x11"), 1, 1},    /* 17 */
        {STR_INIT(TEN TEN), 1, 1},                               /* 20 */
        {STR_INIT("\x00\xff" TEN "\x09\x08\x07\x06\x05\x04\x03\x02\x01"), 1, 1}, /* 20 and sign */
        {STR_INIT(TEN TEN "\x0b"), 1, 1},                                        /* 21 */
        {STR_INIT("\xfe" TEN TEN), 1, 1}, /* negative and long */
    };
    static const struct str same[] = {
        STR_INIT("\x00\x00"),
        STR_INIT("\x00\x00\x05"),
        STR_INIT("\x00\x00\xff"),
        STR_INIT("\xff\x80"),
        STR_INIT("\xff\xff\x7f"),
        STR_INIT("\x00" TEN TEN),
        STR_INIT("\x00" TEN TEN "\x0b"),
        STR_INIT("\xff\xfe" TEN TEN),
    };
    static const struct str other[] = {
        STR_INIT("\x01"),
        STR_INIT("\xff"),
        STR_INIT("\xfb"), /* -5 */
        STR_INIT("\x00\x80"),
        STR_INIT("\x00\x81"),
        STR_INIT("\x01\x00"),
        STR_INIT("\x81"),
        STR_INIT(TEN "\x0b\x0c\x0d\x0e\x0f\x11"),
        STR_INIT(TEN "\x0b\x0c\x0d\x0e\x0f"),
        STR_INIT(TEN TEN "\x0c"),
        STR_INIT(TEN TEN "\x0b\x00"),
        STR_INIT("\x01" TEN TEN),
        STR_INIT("\x7f" TEN "\x0b\x0c\x0d\x0e\x0f"),
        STR_INIT("\xfd" TEN TEN),
        STR_INIT("\x00\xff" TEN TEN),
    };
    struct crl_index x = build(rows, array_len(rows));

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++)
        assert_true(has(&x, rows[i].content));
    for (size_t i = 0; i < array_len(same); i++)
        assert_true(has(&x, same[i]));
    for (size_t i = 0; i < array_len(other); i++)
        assert_false(has(&x, other[i]));
    crl_index_done(&x);
}

/* Against OpenSSL's reading of the same octets. */
static void
a_certificates_serial_is_the_same_as_its_octets(void **state)
{
    static const struct str contents[] = {
        STR_INIT("\x00"),      STR_INIT("\x7f"),         STR_INIT("\x00\x80"),
        STR_INIT("\x80"),      STR_INIT("\xff\x7f"),     STR_INIT("\xff\x00"),
        STR_INIT("\xff"),      STR_INIT("\x80\x00\x00"), STR_INIT("\xfe" TEN TEN TEN),
        STR_INIT(TEN TEN TEN),
    };

    (void)state;
    for (size_t i = 0; i < array_len(contents); i++) {
        struct serial_row row = {contents[i], 5, 3};
        struct crl_index x = build(&row, 1);
        uint8_t der[64] = {0x02, (uint8_t)contents[i].len};
        const uint8_t *p = der;
        struct crl_serial s;
        ASN1_INTEGER *asn1;
        int64_t revoked_s;
        int reason;

        memcpy(der + 2, contents[i].ptr, contents[i].len);
        asn1 = d2i_ASN1_INTEGER(NULL, &p, (long)contents[i].len + 2);
        assert_non_null(asn1);
        s = crl_serial_from_asn1(asn1);
        assert_true(crl_index_find(&x, &s, &revoked_s, &reason));
        assert_int_equal(revoked_s, 5);
        assert_int_equal(reason, 3);
        ASN1_INTEGER_free(asn1);
        crl_index_done(&x);
    }
}

static void
an_empty_index_has_nothing(void **state)
{
    struct crl_index x = build(NULL, 0);

    (void)state;
    assert_false(has(&x, STR("\x00")));
    assert_false(has(&x, STR("\x80")));
    assert_false(has(&x, STR(TEN TEN TEN)));
    assert_int_equal(crl_index_bytes(&x), 0);
    crl_index_done(&x);
    crl_index_done(&x);
}

static void
dates_and_reasons_come_back_as_far_as_they_fit(void **state)
{
    static const struct serial_row rows[] = {
        {STR_INIT("\x01"), 1767323045, 1},
        {STR_INIT("\x02"), 0, -1},
        {STR_INIT("\x03"), -5, 10},
        {STR_INIT("\x04"), INT64_C(4294967295), 8},
        {STR_INIT("\x05"), INT64_C(4294967296), 0},
        {STR_INIT("\x06"), 7, 300},
        {STR_INIT("\x90"), 77, 4},
        {STR_INIT(TEN TEN), 78, 5},
    };
    static const struct {
        int64_t revoked_s;
        int reason;
    } want[] = {{1767323045, 1}, {0, -1}, {0, 10}, {4294967295, 8},
                {0, 0},          {7, -1}, {77, 4}, {78, 5}};
    struct crl_index x = build(rows, array_len(rows));

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct crl_serial s = crl_serial_from_content(rows[i].content);
        int64_t revoked_s = -1;
        int reason = -2;

        assert_true(crl_index_find(&x, &s, &revoked_s, &reason));
        assert_int_equal(revoked_s, want[i].revoked_s);
        assert_int_equal(reason, want[i].reason);
    }
    crl_index_done(&x);
}

static void
of_several_entries_the_earliest_date_answers(void **state)
{
    static const struct serial_row rows[] = {
        {STR_INIT("\x07"), 300, 1}, {STR_INIT("\x07"), 100, 6}, {STR_INIT("\x07"), 200, 6},
        {STR_INIT("\x87"), 300, 1}, {STR_INIT("\x87"), 100, 6}, {STR_INIT("\x87"), 200, 6},
        {STR_INIT("\x08"), 300, 6}, {STR_INIT("\x08"), 200, 6}, {STR_INIT("\x88"), 200, 6},
        {STR_INIT("\x88"), 300, 6},
    };
    static const struct {
        struct str serial;
        int64_t date;
        int reason; /* -1 where they disagree */
    } wanted[] = {
        {STR_INIT("\x07"), 100, -1},
        {STR_INIT("\x87"), 100, -1},
        {STR_INIT("\x08"), 200, 6},
        {STR_INIT("\x88"), 200, 6},
    };
    static const size_t strides[] = {1, 3, 7, 9};

    (void)state;
    for (size_t o = 0; o < array_len(strides); o++) {
        struct serial_row shuffled[array_len(rows)];
        struct crl_index x;

        for (size_t i = 0; i < array_len(rows); i++)
            shuffled[i] = rows[(o + i * strides[o]) % array_len(rows)];
        x = build(shuffled, array_len(rows));
        for (size_t i = 0; i < array_len(wanted); i++) {
            struct crl_serial s = crl_serial_from_content(wanted[i].serial);
            int64_t revoked_s;
            int reason;

            assert_true(crl_index_find(&x, &s, &revoked_s, &reason));
            assert_int_equal(revoked_s, wanted[i].date);
            assert_int_equal(reason, wanted[i].reason);
        }
        crl_index_done(&x);
    }
}

/* ---- many serials, in distributions that sorts and tables are weak at ---- */

enum shape {
    RANDOM,
    ASCENDING,
    DESCENDING,
    SHORT,
    PREFIXED,
    TWO_CLUSTERS,
    EQUAL,
    WIDE,
    MIXED,
    SHAPES
};
enum { MANY = 20000, SERIAL_MAX = 20 };

struct many {
    uint8_t octets[MANY][SERIAL_MAX];
    struct serial_row rows[MANY];
};

static uint64_t
next_random(uint64_t *seed)
{
    *seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *seed;

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static size_t
make_serial(uint8_t *dst, enum shape shape, size_t i, uint64_t *seed)
{
    size_t len = shape == WIDE ? SERIAL_MAX : shape == MIXED ? 1 + i % SERIAL_MAX : 16;
    uint64_t counter = shape == DESCENDING ? MANY - i : i;

    for (size_t k = 0; k < len; k++)
        dst[k] = (uint8_t)next_random(seed);
    dst[0] &= 0x7f;
    if (shape == SHORT)
        len = 4;
    if (shape == PREFIXED || shape == EQUAL)
        memset(dst, 0x42, shape == EQUAL ? len : 12);
    if (shape == TWO_CLUSTERS) {
        memset(dst, i % 2 ? 0x7f : 0x00, 14);
        dst[14] = (uint8_t)(i >> 8);
        dst[15] = (uint8_t)i;
    }
    if (shape == ASCENDING || shape == DESCENDING) {
        memset(dst, 0, len);
        for (size_t k = 0; k < 8; k++)
            dst[len - 1 - k] = (uint8_t)(counter >> 8 * k);
    }
    return len;
}

static void
lookups_agree_with_a_plain_search_in_every_distribution(void **state)
{
    struct many *m = malloc(sizeof(*m));

    (void)state;
    for (int shape = 0; shape < SHAPES; shape++) {
        uint64_t seed = (uint64_t)shape;
        struct crl_index x;

        for (size_t i = 0; i < MANY; i++) {
            size_t len = make_serial(m->octets[i], (enum shape)shape, i, &seed);

            m->rows[i] = (struct serial_row){str_make(m->octets[i], len), (int64_t)i, -1};
        }
        x = build(m->rows, MANY);
        for (size_t i = 0; i < MANY; i++) {
            assert_true(has(&x, m->rows[i].content));
            m->octets[i][m->rows[i].content.len - 1] ^= 0x80; /* a neighbour, rarely listed */
        }
        if (shape == RANDOM || shape == WIDE || shape == EQUAL) {
            for (size_t i = 0; i < MANY; i++)
                assert_false(has(&x, m->rows[i].content));
        }
        if (shape != WIDE && shape != MIXED)
            assert_true(crl_index_bytes(&x) <= (size_t)MANY * 24);
        crl_index_done(&x);
    }
    free(m);
}

static void
the_widest_span_and_the_extremes_are_found(void **state)
{
    static const struct serial_row rows[] = {
        {STR_INIT("\x00"), 1, 1},
        {STR_INIT("\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 1, 1},
    };
    struct crl_index x = build(rows, array_len(rows));

    (void)state;
    assert_true(has(&x, rows[0].content));
    assert_true(has(&x, rows[1].content));
    assert_false(has(&x, STR("\x01")));
    assert_false(has(&x, STR("\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")));
    crl_index_done(&x);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serials_are_compared_by_value),
        cmocka_unit_test(a_certificates_serial_is_the_same_as_its_octets),
        cmocka_unit_test(an_empty_index_has_nothing),
        cmocka_unit_test(dates_and_reasons_come_back_as_far_as_they_fit),
        cmocka_unit_test(of_several_entries_the_earliest_date_answers),
        cmocka_unit_test(lookups_agree_with_a_plain_search_in_every_distribution),
        cmocka_unit_test(the_widest_span_and_the_extremes_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
