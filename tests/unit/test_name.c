/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <openssl/err.h>
#include <stdlib.h>

#include "base/limits.h"
#include "cert/name.h"
#include "support/pki.h"

static X509_NAME *
name_of(const char *type, int string_type, struct str value)
{
    X509_NAME *name = X509_NAME_new();
    ASN1_OBJECT *object = OBJ_txt2obj(type, 0);

    assert_int_equal(X509_NAME_add_entry_by_OBJ(name, object, string_type,
                                                (const uint8_t *)value.ptr, (int)value.len, -1, 0),
                     1);
    ASN1_OBJECT_free(object);
    return name;
}

static void
a_name_fits_exactly_or_not_at_all(void **state)
{
    X509_NAME *name = name_of("CN", V_ASN1_UTF8STRING, STR("a,b"));
    char text[16];
    size_t len = 0;

    (void)state;
    assert_int_equal(name_format(name, text, 8, &len), 0);
    assert_string_equal(text, "CN=a\\,b");
    assert_int_equal(len, 7);
    for (size_t size = 0; size < 8; size++)
        assert_int_equal(name_format(name, text, size, &len), GW_E_LIMIT);
    X509_NAME_free(name);
}

static void
an_empty_name_is_empty(void **state)
{
    X509_NAME *name = X509_NAME_new();
    char text[4] = "x";
    size_t len = 9;

    (void)state;
    assert_int_equal(name_format(name, text, sizeof(text), &len), 0);
    assert_int_equal(len, 0);
    assert_string_equal(text, "");
    X509_NAME_free(name);
}

static void
long_names_are_cut_visibly_in_messages(void **state)
{
    X509_NAME *name = name_of("CN", V_ASN1_UTF8STRING, STR("abcdefghijklmnopqrstuvwxyz"));
    char text[64];

    (void)state;
    name_describe(name, text, sizeof(text));
    assert_string_equal(text, "CN=abcdefghijklmnopqrstuvwxyz");
    name_describe(name, text, 12);
    assert_string_equal(text, "CN=abcde...");
    name_describe(name, text, 30);
    assert_string_equal(text, "CN=abcdefghijklmnopqrstuvwxyz");
    name_describe(name, text, 29);
    assert_true(strlen(text) <= 28 && strstr(text, "...") != NULL);
    for (size_t size = 1; size < 12; size++) {
        memset(text, 'x', sizeof(text));
        name_describe(name, text, size);
        assert_true(strlen(text) < size);
        assert_int_equal(text[size], 'x');
    }
    name_describe(name, text, 0);
    X509_NAME_free(name);
}

/* Printing such a type takes quadratic time in some libraries; it is never tried. */
static void
a_type_too_long_to_print_is_refused(void **state)
{
    struct bytes oid = {0};
    X509_NAME *name;
    char text[CLIENT_DN_BYTES_MAX];
    size_t len;

    (void)state;
    bytes_puts(&oid, "1.3");
    for (int i = 0; i < OID_BYTES_MAX; i++)
        bytes_puts(&oid, ".1");
    name = name_of(oid.ptr, V_ASN1_UTF8STRING, STR("x"));
    assert_int_equal(name_format(name, text, sizeof(text), &len), GW_E_LIMIT);
    name_describe(name, text, sizeof(text));
    assert_string_equal(text, "(a name that cannot be printed)");
    X509_NAME_free(name);
    bytes_free(&oid);
}

static int
value_of(int type, struct str octets, struct arena *arena, struct str *ret)
{
    ASN1_STRING *s = ASN1_STRING_type_new(type);
    int err;

    ASN1_STRING_set(s, octets.ptr, (int)octets.len);
    err = name_value(s, arena, ret);
    ASN1_STRING_free(s);
    return err;
}

static void
values_become_utf8(void **state)
{
    static const struct {
        int type;
        struct str octets, want;
    } rows[] = {
        {V_ASN1_UTF8STRING, STR_INIT("a\xc2\xa0\xc3\xa9\xe2\x82\xac\xf4\x8f\xbf\xbf"),
         STR_INIT("a\xc2\xa0\xc3\xa9\xe2\x82\xac\xf4\x8f\xbf\xbf")},
        {V_ASN1_UTF8STRING, STR_INIT(""), STR_INIT("")},
        {V_ASN1_T61STRING, STR_INIT("\xe9\xff"), STR_INIT("\xc3\xa9\xc3\xbf")},
        {V_ASN1_PRINTABLESTRING, STR_INIT("plain"), STR_INIT("plain")},
        {V_ASN1_BMPSTRING, STR_INIT("\0a\x20\xac\xff\xfd"), STR_INIT("a\xe2\x82\xac\xef\xbf\xbd")},
        {V_ASN1_UNIVERSALSTRING, STR_INIT("\0\0\0a\0\x10\xff\xff"), STR_INIT("a\xf4\x8f\xbf\xbf")},
    };
    struct arena arena;

    (void)state;
    arena_init(&arena, 512, 4096);
    for (size_t i = 0; i < array_len(rows); i++) {
        struct str got;

        assert_int_equal(value_of(rows[i].type, rows[i].octets, &arena, &got), 0);
        assert_str_equal(got, rows[i].want);
    }
    arena_done(&arena);
}

static void
malformed_values_are_refused(void **state)
{
    static const struct {
        int type;
        struct str octets;
    } rows[] = {
        {V_ASN1_UTF8STRING, STR_INIT("\x80")},
        {V_ASN1_UTF8STRING, STR_INIT("\xc0\x80")},         /* overlong NUL */
        {V_ASN1_UTF8STRING, STR_INIT("\xc1\xbf")},         /* overlong */
        {V_ASN1_UTF8STRING, STR_INIT("\xe0\x9f\xbf")},     /* overlong */
        {V_ASN1_UTF8STRING, STR_INIT("\xf0\x8f\xbf\xbf")}, /* overlong */
        {V_ASN1_UTF8STRING, STR_INIT("\xed\xa0\x80")},     /* surrogate */
        {V_ASN1_UTF8STRING, STR_INIT("\xf4\x90\x80\x80")}, /* past the end of Unicode */
        {V_ASN1_UTF8STRING, STR_INIT("\xf8\x88\x80\x80\x80")},
        {V_ASN1_UTF8STRING, STR_INIT("a\xc3")},
        {V_ASN1_UTF8STRING, STR_INIT("\xe2\x82")},
        {V_ASN1_UTF8STRING, STR_INIT("\xc3(")},
        {V_ASN1_UTF8STRING, STR_INIT("\xc2\x85")}, /* C1 control */
        {V_ASN1_UTF8STRING, STR_INIT("a\0b")},
        {V_ASN1_T61STRING, STR_INIT("\x85")},
        {V_ASN1_BMPSTRING, STR_INIT("\0a\0")},
        {V_ASN1_BMPSTRING, STR_INIT("\xd8\x00\xdc\x00")},
        {V_ASN1_BMPSTRING, STR_INIT("\0\n")},
        {V_ASN1_UNIVERSALSTRING, STR_INIT("\0\0a")},
        {V_ASN1_UNIVERSALSTRING, STR_INIT("\0\x11\0\0")},
        {V_ASN1_UNIVERSALSTRING, STR_INIT("\xff\xff\xff\xff")},
        {V_ASN1_BIT_STRING, STR_INIT("\0a")},
        {V_ASN1_OCTET_STRING, STR_INIT("a")},
    };
    struct arena arena;

    (void)state;
    arena_init(&arena, 512, 4096);
    for (size_t i = 0; i < array_len(rows); i++) {
        struct str got = {"old", 3};

        assert_int_equal(value_of(rows[i].type, rows[i].octets, &arena, &got), GW_E_DENIED);
        assert_int_equal(got.len, 3);
    }
    arena_done(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_fits_exactly_or_not_at_all),
        cmocka_unit_test(an_empty_name_is_empty),
        cmocka_unit_test(long_names_are_cut_visibly_in_messages),
        cmocka_unit_test(a_type_too_long_to_print_is_refused),
        cmocka_unit_test(values_become_utf8),
        cmocka_unit_test(malformed_values_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
