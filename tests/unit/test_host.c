/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <ctype.h>
#include <stdio.h>

#include "http/target.h"

#define L63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"

static const struct {
    const char *text, *canonical; /* NULL: refused */
} host_rows[] = {
    {"example.com", "example.com"},
    {"EXAMPLE.com", "example.com"},
    {"ExAmPlE.CoM.", "example.com"},
    {"localhost", "localhost"},
    {"localhost.", "localhost"},
    {"a", "a"},
    {"a_b.c-d", "a_b.c-d"},
    {"_dmarc.example.com", "_dmarc.example.com"},
    {"xn--mnchen-3ya.example", "xn--mnchen-3ya.example"},
    {"XN--MNCHEN-3YA.example", "xn--mnchen-3ya.example"},
    {"1a.example", "1a.example"},
    {"1.example", "1.example"},
    {L63 ".example", L63 ".example"},
    {"10.0.0.1", "10.0.0.1"},
    {"255.255.255.255", "255.255.255.255"},
    {"0.0.0.0", "0.0.0.0"},
    {"10.0.0.1.", "10.0.0.1"},
    {"[::1]", "[::1]"},
    {"[::]", "[::]"},
    {"[0:0:0:0:0:0:0:1]", "[::1]"},
    {"[0000:0000::0001]", "[::1]"},
    {"[2001:DB8::A]", "[2001:db8::a]"},
    {"[2001:db8:0:0:1:0:0:1]", "[2001:db8::1:0:0:1]"},
    {"[2001:db8:0:0:0:1:0:1]", "[2001:db8::1:0:1]"},
    {"[1:0:3:4:5:6:7:8]", "[1::3:4:5:6:7:8]"},
    {"[1::3:4:5:6:7:8]", "[1::3:4:5:6:7:8]"},
    {"[0:0:1:0:0:1:1:1]", "[0:0:1::1:1:1]"},
    {"[::ffff:10.0.0.1]", "[::ffff:a00:1]"},
    {"[::10.0.0.1]", "[::a00:1]"},
    {"[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7:8]"},
    {"", NULL},
    {".", NULL},
    {"..", NULL},
    {"a..", NULL},
    {".a", NULL},
    {"a..b", NULL},
    {"a b", NULL},
    {" a", NULL},
    {"a ", NULL},
    {"a\t", NULL},
    {"a,b", NULL},
    {"a;b", NULL},
    {"u@a", NULL},
    {"a%41", NULL},
    {"%61", NULL},
    {"a/b", NULL},
    {"a\\b", NULL},
    {"a?b", NULL},
    {"a#b", NULL},
    {"a\"b", NULL},
    {"a'b", NULL},
    {"a*b", NULL},
    {"*.example.com", NULL},
    {"a!", NULL},
    {"a~", NULL},
    {"a+b", NULL},
    {"a=b", NULL},
    {"m\xc3\xbcnchen.example", NULL},
    {"a\xe3\x80\x82"
     "b",
     NULL},
    {"a\x7f", NULL},
    {"a\x01", NULL},
    {L63 "x.example", NULL},
    {"256.0.0.1", NULL},
    {"1.2.3", NULL},
    {"1.2.3.4.5", NULL},
    {"01.2.3.4", NULL},
    {"1.2.3.04", NULL},
    {"127.1", NULL},
    {"2130706433", NULL},
    {"example.1", NULL},
    {"[", NULL},
    {"[]", NULL},
    {"]", NULL},
    {"[::1", NULL},
    {"::1]", NULL},
    {"::1", NULL},
    {"[::1]x", NULL},
    {"[[::1]]", NULL},
    {"[:::]", NULL},
    {"[1::2::3]", NULL},
    {"[1:2:3]", NULL},
    {"[12345::]", NULL},
    {"[fe80::1%25eth0]", NULL},
    {"[fe80::1%eth0]", NULL},
    {"[v1.x]", NULL},
    {"[1.2.3.4]", NULL},
    {"[::1.2.3]", NULL},
    {"[ ::1]", NULL},
    {"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]", NULL},
};

static void
a_host_has_one_canonical_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(host_rows); i++) {
        struct str text = str_from(host_rows[i].text);
        char dst[300];
        size_t len = 0;
        int err;

        memset(dst, '#', sizeof(dst));
        err = host_canonical(text, dst, &len);
        assert_int_equal(err, host_rows[i].canonical != NULL ? 0 : GW_E_PARSE);
        assert_int_equal(dst[text.len], '#'); /* never more room than the input had */
        if (err != 0)
            continue;
        assert_str_equal(str_make(dst, len), str_from(host_rows[i].canonical));
        assert_int_equal(host_canonical(str_make(dst, len), dst, &len), 0);
        assert_str_equal(str_make(dst, len), str_from(host_rows[i].canonical));
    }
    assert_int_equal(host_canonical(str_make("a\0b", 3), (char[3]){0}, &(size_t){0}), GW_E_PARSE);
    assert_int_equal(host_canonical(str_make("[::1\0]", 6), (char[6]){0}, &(size_t){0}),
                     GW_E_PARSE);
}

static void
only_host_bytes_make_a_host(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[3] = {'a', (char)c, 'b'};
        char dst[3];
        size_t len;
        bool good = (c < 128 && isalnum(c)) || c == '-' || c == '_' || c == '.';

        assert_int_equal(host_canonical(str_make(text, 3), dst, &len) == 0, good);
    }
}

static void
a_host_may_have_253_bytes(void **state)
{
    char text[300];
    char dst[300];
    size_t len;

    (void)state;
    memset(text, 'a', sizeof(text));
    for (size_t i = 60; i < sizeof(text); i += 61)
        text[i] = '.';
    assert_int_equal(host_canonical(str_make(text, 253), dst, &len), 0);
    assert_int_equal(len, 253);
    assert_int_equal(host_canonical(str_make(text, 254), dst, &len), GW_E_PARSE);
    text[253] = '.';
    assert_int_equal(host_canonical(str_make(text, 254), dst, &len), 0);
    assert_int_equal(len, 253);
}

/* Two groups' worth of zeros at every place, written in full and in short. */
static void
spellings_of_an_ipv6_address_meet(void **state)
{
    (void)state;
    for (unsigned mask = 0; mask < 256; mask++) {
        char full[64];
        char padded[64];
        char one[64];
        char two[64];
        size_t one_len;
        size_t two_len;
        int f = snprintf(full, sizeof(full), "[");
        int p = snprintf(padded, sizeof(padded), "[");

        for (int i = 0; i < 8; i++) {
            unsigned group = mask >> i & 1 ? 0xA0u + (unsigned)i : 0;

            f += snprintf(full + f, sizeof(full) - (size_t)f, "%s%x", i ? ":" : "", group);
            p += snprintf(padded + p, sizeof(padded) - (size_t)p, "%s%04X", i ? ":" : "", group);
        }
        f += snprintf(full + f, sizeof(full) - (size_t)f, "]");
        p += snprintf(padded + p, sizeof(padded) - (size_t)p, "]");
        assert_int_equal(host_canonical(str_make(full, (size_t)f), one, &one_len), 0);
        assert_int_equal(host_canonical(str_make(padded, (size_t)p), two, &two_len), 0);
        assert_str_equal(str_make(one, one_len), str_make(two, two_len));
        assert_true(one_len <= (size_t)f);
        assert_int_equal(host_canonical(str_make(one, one_len), two, &two_len), 0);
        assert_str_equal(str_make(one, one_len), str_make(two, two_len));
    }
}

static void
an_authority_is_a_host_and_perhaps_a_port(void **state)
{
    static const struct {
        const char *text, *authority, *host;
        uint16_t port;
    } rows[] = {
        {"a", "a", "a", 0},
        {"A.example.:443", "a.example:443", "a.example", 443},
        {"a:1", "a:1", "a", 1},
        {"a:65535", "a:65535", "a", 65535},
        {"10.0.0.1:80", "10.0.0.1:80", "10.0.0.1", 80},
        {"[::1]", "[::1]", "[::1]", 0},
        {"[0:0::1]:8443", "[::1]:8443", "[::1]", 8443},
        {"", NULL, NULL, 0},
        {":443", NULL, NULL, 0},
        {"a:", NULL, NULL, 0},
        {"a:0", NULL, NULL, 0},
        {"a:080", NULL, NULL, 0},
        {"a:65536", NULL, NULL, 0},
        {"a:+1", NULL, NULL, 0},
        {"a:-1", NULL, NULL, 0},
        {"a: 1", NULL, NULL, 0},
        {"a:1 ", NULL, NULL, 0},
        {"a:1:2", NULL, NULL, 0},
        {"a:b", NULL, NULL, 0},
        {"a:0x50", NULL, NULL, 0},
        {"a:99999999999999999999", NULL, NULL, 0},
        {"::1", NULL, NULL, 0},
        {"::1:443", NULL, NULL, 0},
        {"[::1]443", NULL, NULL, 0},
        {"[::1]:", NULL, NULL, 0},
        {"[::1", NULL, NULL, 0},
        {"[::1:443", NULL, NULL, 0},
        {"u:p@a:1", NULL, NULL, 0},
        {"u@a", NULL, NULL, 0},
        {"a/", NULL, NULL, 0},
        {"a,b:1", NULL, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct arena arena;
        struct str authority;
        struct str host;
        uint16_t port;
        int err;

        arena_init(&arena, 1024, 4096);
        err = authority_parse(str_from(rows[i].text), &arena, &authority, &host, &port);
        assert_int_equal(err, rows[i].authority != NULL ? 0 : GW_E_PARSE);
        if (err == 0) {
            assert_str_equal(authority, str_from(rows[i].authority));
            assert_str_equal(host, str_from(rows[i].host));
            assert_int_equal(port, rows[i].port);
        }
        arena_done(&arena);
    }
}

static void
an_authority_fits_its_bound_or_the_arena_or_not(void **state)
{
    char text[400];
    struct arena arena;
    struct str authority;
    struct str host;
    uint16_t port;

    (void)state;
    memset(text, 'a', sizeof(text));
    arena_init(&arena, 1024, 4096);
    assert_int_equal(authority_parse(str_make(text, 400), &arena, &authority, &host, &port),
                     GW_E_PARSE);
    arena_done(&arena);
    arena_init(&arena, 16, 8);
    assert_int_equal(authority_parse(STR("a.example"), &arena, &authority, &host, &port),
                     GW_E_NOSPACE);
    arena_done(&arena);
}

static void
a_wildcard_stands_for_one_label(void **state)
{
    static const struct {
        const char *pattern, *host;
        bool matches;
    } rows[] = {
        {"a.example", "a.example", true},
        {"a.example", "b.example", false},
        {"*.example", "a.example", true},
        {"*.example", "a.b.example", false},
        {"*.example", "example", false},
        {"*.example", ".example", false},
        {"*.example", "aexample", false},
        {"*.a.example", "b.a.example", true},
        {"*.a.example", "b.c.example", false},
        {"*.example", "*.example", true},
        {"*", "a", false},
        {"*.", "a.", true},
        {"a.*", "a.b", false},
        {"*.example", "[::1]", false},
        {"example", "", false},
        {"*.example", "", false},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++)
        assert_int_equal(host_matches(str_from(rows[i].pattern), str_from(rows[i].host)),
                         rows[i].matches);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_has_one_canonical_form),
        cmocka_unit_test(only_host_bytes_make_a_host),
        cmocka_unit_test(a_host_may_have_253_bytes),
        cmocka_unit_test(spellings_of_an_ipv6_address_meet),
        cmocka_unit_test(an_authority_is_a_host_and_perhaps_a_port),
        cmocka_unit_test(an_authority_fits_its_bound_or_the_arena_or_not),
        cmocka_unit_test(a_wildcard_stands_for_one_label),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
