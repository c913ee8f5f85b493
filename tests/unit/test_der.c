/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdlib.h>

#include "cert/der.h"

static void
reads_items_of_every_length_form(void **state)
{
    static const struct {
        const char *head;
        size_t head_len, body_len;
    } rows[] = {
        {"\x04\x00", 2, 0},
        {"\x04\x7f", 2, 0x7f},
        {"\x04\x81\x80", 3, 0x80},
        {"\x04\x82\x01\x00", 4, 0x100},
        {"\x04\x83\x01\x00\x00", 5, 0x10000},
        {"\x04\x84\x01\x00\x00\x00", 6, 0x1000000},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        size_t len = rows[i].head_len + rows[i].body_len;
        char *bytes = calloc(1, len);
        struct der in = der_open(str_make(bytes, len));
        struct der_item item;

        memcpy(bytes, rows[i].head, rows[i].head_len);
        assert_int_equal(der_read(&in, &item), 0);
        assert_int_equal(item.tag, DER_OCTET_STRING);
        assert_int_equal(item.body.len, rows[i].body_len);
        assert_int_equal(item.whole.len, len);
        assert_true(der_at_end(&in));
        assert_int_equal(der_peek(&in), -1);
        assert_int_equal(der_read(&in, &item), GW_E_PARSE);
        free(bytes);
    }
}

static void
refuses_what_is_not_der(void **state)
{
    static const struct str bad[] = {
        STR_INIT(""),
        STR_INIT("\x04"),
        STR_INIT("\x04\x01"),             /* body missing */
        STR_INIT("\x00\x00"),             /* end of contents */
        STR_INIT("\x1f\x81\x01\x00"),     /* long tag */
        STR_INIT("\x3f\x01\x00"),         /* long constructed tag */
        STR_INIT("\x30\x80\x00\x00"),     /* indefinite */
        STR_INIT("\x04\x81"),             /* length cut */
        STR_INIT("\x04\x81\x01\x00"),     /* long form for a short length */
        STR_INIT("\x04\x82\x00\x80\x00"), /* leading zero */
        STR_INIT("\x04\x82\x01"),
        STR_INIT("\x04\x85\x00\x00\x00\x00\x01\x00"), /* five octets */
        STR_INIT("\x04\xff\x00"),
        STR_INIT("\x04\x84\xff\xff\xff\xff\x00"), /* longer than what is there */
    };

    (void)state;
    for (size_t i = 0; i < array_len(bad); i++) {
        struct der in = der_open(bad[i]);
        struct der_item item = {.tag = 77};

        assert_int_equal(der_read(&in, &item), GW_E_PARSE);
        assert_int_equal(item.tag, 77);
        assert_ptr_equal(in.ptr, bad[i].ptr);
    }
}

static void
expect_does_not_move_past_another_tag(void **state)
{
    struct der in = der_open(STR("\x02\x01\x05\x04\x00"));
    struct str body = {0};
    bool is_there = true;

    (void)state;
    assert_int_equal(der_expect(&in, DER_OCTET_STRING, &body), GW_E_PARSE);
    assert_int_equal(der_optional(&in, DER_OCTET_STRING, &body, &is_there), 0);
    assert_false(is_there);
    assert_int_equal(der_optional(&in, DER_INTEGER, &body, &is_there), 0);
    assert_true(is_there);
    assert_int_equal(body.len, 1);
    assert_int_equal(der_expect(&in, DER_OCTET_STRING, &body), 0);
    assert_int_equal(der_optional(&in, DER_INTEGER, &body, &is_there), 0);
    assert_false(is_there);
}

static void
integers_are_minimal_when_asked(void **state)
{
    (void)state;
    assert_false(der_integer_is_valid(STR(""), false));
    assert_false(der_integer_is_valid(STR(""), true));
    assert_true(der_integer_is_valid(STR("\x00"), true));
    assert_true(der_integer_is_valid(STR("\x00\x80"), true));
    assert_true(der_integer_is_valid(STR("\xff\x7f"), true));
    assert_false(der_integer_is_valid(STR("\x00\x7f"), true));
    assert_false(der_integer_is_valid(STR("\xff\x80"), true));
    assert_true(der_integer_is_valid(STR("\x00\x7f"), false));
}

static void
small_numbers_are_read_within_their_bound(void **state)
{
    uint64_t v = 99;

    (void)state;
    assert_int_equal(der_uint(STR("\x00"), 0, &v), 0);
    assert_int_equal(v, 0);
    assert_int_equal(der_uint(STR("\x7f"), 127, &v), 0);
    assert_int_equal(v, 127);
    assert_int_equal(der_uint(STR("\x00\xff\xff\xff\xff\xff\xff\xff\xff"), UINT64_MAX, &v), 0);
    assert_true(v == UINT64_MAX);
    v = 99;
    assert_int_equal(der_uint(STR("\x7f"), 126, &v), GW_E_PARSE);
    assert_int_equal(der_uint(STR("\x80"), 500, &v), GW_E_PARSE);
    assert_int_equal(der_uint(STR(""), 500, &v), GW_E_PARSE);
    assert_int_equal(der_uint(STR("\x00\x01"), 500, &v), GW_E_PARSE);
    assert_int_equal(der_uint(STR("\x01\x00\x00\x00\x00\x00\x00\x00\x00"), UINT64_MAX, &v),
                     GW_E_PARSE);
    assert_int_equal(v, 99);
}

static void
booleans_and_bit_strings_are_strict(void **state)
{
    struct str octets;
    bool v = false;

    (void)state;
    assert_int_equal(der_bool(STR("\xff"), &v), 0);
    assert_true(v);
    assert_int_equal(der_bool(STR("\x00"), &v), 0);
    assert_false(v);
    assert_int_equal(der_bool(STR("\x01"), &v), GW_E_PARSE);
    assert_int_equal(der_bool(STR(""), &v), GW_E_PARSE);
    assert_int_equal(der_bool(STR("\xff\xff"), &v), GW_E_PARSE);
    assert_int_equal(der_bit_octets(STR("\x00\xab"), &octets), 0);
    assert_int_equal(octets.len, 1);
    assert_int_equal(der_bit_octets(STR("\x00"), &octets), 0);
    assert_int_equal(octets.len, 0);
    assert_int_equal(der_bit_octets(STR("\x01\xaa"), &octets), GW_E_PARSE);
    assert_int_equal(der_bit_octets(STR(""), &octets), GW_E_PARSE);
}

static void
times_of_both_forms_are_read(void **state)
{
    static const struct {
        int tag;
        const char *text;
        int64_t want_s;
    } rows[] = {
        {DER_UTC_TIME, "700101000000Z", 0},
        {DER_UTC_TIME, "491231235959Z", INT64_C(2524607999)},
        {DER_UTC_TIME, "500101000000Z", INT64_C(-631152000)},
        {DER_UTC_TIME, "991231235959Z", INT64_C(946684799)},
        {DER_UTC_TIME, "000229120000Z", INT64_C(951825600)},
        {DER_UTC_TIME, "380119031408Z", INT64_C(2147483648)},
        {DER_GENERALIZED_TIME, "20500101000000Z", INT64_C(2524608000)},
        {DER_GENERALIZED_TIME, "20491231235959Z", INT64_C(2524607999)},
        {DER_GENERALIZED_TIME, "21060207062816Z", INT64_C(4294967296)},
        {DER_GENERALIZED_TIME, "20240229000000Z", INT64_C(1709164800)},
        {DER_GENERALIZED_TIME, "99991231235959Z", INT64_C(253402300799)},
        {DER_GENERALIZED_TIME, "19500101000000Z", INT64_C(-631152000)},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        int64_t got_s = 0;

        assert_int_equal(der_time(rows[i].tag, str_from(rows[i].text), &got_s), 0);
        assert_true(got_s == rows[i].want_s);
    }
}

static void
times_of_other_forms_are_refused(void **state)
{
    static const struct {
        int tag;
        const char *text;
    } rows[] = {
        {DER_UTC_TIME, ""},
        {DER_UTC_TIME, "7001010000Z"},       /* no seconds */
        {DER_UTC_TIME, "700101000000+0100"}, /* offset */
        {DER_UTC_TIME, "700101000000"},      /* no Z */
        {DER_UTC_TIME, "700101000000z"},
        {DER_UTC_TIME, "701301000000Z"},
        {DER_UTC_TIME, "700001000000Z"},
        {DER_UTC_TIME, "700100000000Z"},
        {DER_UTC_TIME, "700132000000Z"},
        {DER_UTC_TIME, "700431000000Z"},
        {DER_UTC_TIME, "230229000000Z"}, /* no leap year */
        {DER_UTC_TIME, "700101240000Z"},
        {DER_UTC_TIME, "700101006000Z"},
        {DER_UTC_TIME, "700101000060Z"},
        {DER_UTC_TIME, "7001010000 0Z"},
        {DER_UTC_TIME, "70010100000/Z"},
        {DER_UTC_TIME, "20500101000000Z"}, /* the other form under this tag */
        {DER_GENERALIZED_TIME, "700101000000Z"},
        {DER_GENERALIZED_TIME, "20500101000000.5Z"},
        {DER_GENERALIZED_TIME, "21000229000000Z"},
        {DER_GENERALIZED_TIME, "20500101000000"},
        {DER_GENERALIZED_TIME, "2050-101000000Z"},
        {DER_OCTET_STRING, "20500101000000Z"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        int64_t got_s = 7;

        assert_int_equal(der_time(rows[i].tag, str_from(rows[i].text), &got_s), GW_E_PARSE);
        assert_int_equal(got_s, 7);
    }
}

static void
extensions_are_read(void **state)
{
    struct der plain = der_open(STR("\x30\x09\x06\x03\x55\x1d\x14\x04\x02\x02\x00"));
    struct der critical = der_open(STR("\x30\x0a\x06\x03\x55\x1d\x1c\x01\x01\xff\x04\x00"));
    struct der_extension ext;

    (void)state;
    assert_int_equal(der_read_extension(&plain, &ext), 0);
    assert_str_equal(ext.oid, STR("\x55\x1d\x14"));
    assert_str_equal(ext.value, STR("\x02\x00"));
    assert_false(ext.is_critical);
    assert_int_equal(der_read_extension(&critical, &ext), 0);
    assert_true(ext.is_critical);
    assert_int_equal(ext.value.len, 0);
}

static void
malformed_extensions_are_refused(void **state)
{
    static const struct str bad[] = {
        STR_INIT("\x30\x00"),
        STR_INIT("\x31\x09\x06\x03\x55\x1d\x14\x04\x02\x02\x00"),
        STR_INIT("\x30\x04\x06\x00\x04\x00"),                         /* empty OID */
        STR_INIT("\x30\x05\x06\x03\x55\x1d\x14"),                     /* no value */
        STR_INIT("\x30\x0a\x06\x03\x55\x1d\x1c\x01\x01\x01\x04\x00"), /* TRUE is ff */
        STR_INIT("\x30\x09\x06\x03\x55\x1d\x14\x04\x00\x05\x00"),     /* something after it */
    };

    (void)state;
    for (size_t i = 0; i < array_len(bad); i++) {
        struct der in = der_open(bad[i]);
        struct der_extension ext;

        assert_int_equal(der_read_extension(&in, &ext), GW_E_PARSE);
    }
}

static void
oids_are_printed_with_dots(void **state)
{
    static const struct {
        struct str body;
        const char *want;
    } rows[] = {
        {STR_INIT("\x55\x1d\x14"), "2.5.29.20"},
        {STR_INIT("\x00"), "0.0"},
        {STR_INIT("\x27"), "0.39"},
        {STR_INIT("\x28"), "1.0"},
        {STR_INIT("\x4f"), "1.39"},
        {STR_INIT("\x50"), "2.0"},
        {STR_INIT("\x88\x37\x03"), "2.999.3"},
        {STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"), "1.2.840.113549.1.1.11"},
        /* a UUID as an arc */
        {STR_INIT("\x69\x83\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                  "\x7f"),
         "2.25.340282366920938463463374607431768211455"},
    };
    char text[256];
    size_t len;

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        assert_int_equal(der_format_oid(rows[i].body, text, sizeof(text), &len), 0);
        assert_string_equal(text, rows[i].want);
        assert_int_equal(len, strlen(rows[i].want));
        assert_int_equal(der_format_oid(rows[i].body, text, len + 1, &len), 0);
        assert_int_equal(der_format_oid(rows[i].body, text, len, &len), GW_E_LIMIT);
    }
}

static void
odd_oids_are_refused(void **state)
{
    char text[1024], long_oid[129];
    size_t len;

    (void)state;
    memset(long_oid, 1, sizeof(long_oid));
    assert_int_equal(der_format_oid(STR(""), text, sizeof(text), &len), GW_E_PARSE);
    assert_int_equal(der_format_oid(STR("\x55\x80"), text, sizeof(text), &len), GW_E_PARSE);
    assert_int_equal(der_format_oid(STR("\x55\x80\x01"), text, sizeof(text), &len), GW_E_PARSE);
    assert_int_equal(der_format_oid(STR("\x80\x01"), text, sizeof(text), &len), GW_E_PARSE);
    assert_int_equal(der_format_oid(str_make(long_oid, 129), text, sizeof(text), &len), GW_E_LIMIT);
    assert_int_equal(der_format_oid(str_make(long_oid, 128), text, sizeof(text), &len), 0);
    /* an arc of 133 bits */
    assert_int_equal(der_format_oid(STR("\x55\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                                        "\xff\xff\xff\xff\xff\x7f"),
                                    text, sizeof(text), &len),
                     GW_E_LIMIT);
}

/* Walks everything, as deep as it goes. */
static void
walk(void *arg, struct str input)
{
    struct str todo[64] = {input};
    size_t count = 1;

    (void)arg;
    while (count > 0) {
        struct der in = der_open(todo[--count]);
        struct der_item item;
        struct der_extension ext;
        struct der as_ext = in;
        int64_t at_s;
        char text[64];
        size_t len;

        (void)!der_read_extension(&as_ext, &ext);
        while (der_read(&in, &item) == 0) {
            (void)!der_time(item.tag, item.body, &at_s);
            (void)!der_format_oid(item.body, text, sizeof(text), &len);
            if ((item.tag & 0x20) != 0 && count < array_len(todo))
                todo[count++] = item.body;
        }
    }
}

static void
cut_and_flipped_input_is_never_read_past_its_end(void **state)
{
    struct str input = STR("\x30\x2b\x30\x0a\x06\x03\x55\x1d\x1c\x01\x01\xff\x04\x00\x17\x0d"
                           "700101000000Z"
                           "\x06\x03\x88\x37\x03\xa0\x05\x04\x03\x01\x02\x03\x02\x01\x00");

    (void)state;
    walk(NULL, input);
    for_each_truncation(input, walk, NULL);
    for_each_bit_flip(input, walk, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_items_of_every_length_form),
        cmocka_unit_test(refuses_what_is_not_der),
        cmocka_unit_test(expect_does_not_move_past_another_tag),
        cmocka_unit_test(integers_are_minimal_when_asked),
        cmocka_unit_test(small_numbers_are_read_within_their_bound),
        cmocka_unit_test(booleans_and_bit_strings_are_strict),
        cmocka_unit_test(times_of_both_forms_are_read),
        cmocka_unit_test(times_of_other_forms_are_refused),
        cmocka_unit_test(extensions_are_read),
        cmocka_unit_test(malformed_extensions_are_refused),
        cmocka_unit_test(oids_are_printed_with_dots),
        cmocka_unit_test(odd_oids_are_refused),
        cmocka_unit_test(cut_and_flipped_input_is_never_read_past_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
