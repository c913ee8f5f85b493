/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <ctype.h>
#include <stdio.h>

#include "base/limits.h"
#include "http/chars.h"
#include "http/headers.h"

static const struct str names[] = {
#define X(token, name) STR_INIT(name),
#include "http/header_token.def"
#undef X
};

static const enum header_token tokens[] = {
#define X(token, name) HEADER_##token,
#include "http/header_token.def"
#undef X
};

static void
names_and_values_are_checked_byte_by_byte(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char bytes[3] = {'a', (char)c, 'b'};

        assert_int_equal(http_is_token(str_make(bytes, 3)), char_is((char)c, CHAR_TOKEN));
        assert_int_equal(http_is_field_value(str_make(bytes, 3)), char_is((char)c, CHAR_VALUE));
    }
    assert_false(http_is_token(STR("")));
    assert_true(http_is_field_value(STR("")));
    assert_false(http_is_token(STR("a b")));
}

static void
every_known_name_is_found_in_any_case(void **state)
{
    char text[64];

    (void)state;
    for (size_t i = 0; i < array_len(names); i++) {
        struct str spelled = str_make(text, names[i].len);

        assert_int_equal(header_token_lookup(names[i]), tokens[i]);
        assert_str_equal(header_token_name(tokens[i]), names[i]);
        for (size_t j = 0; j < names[i].len; j++)
            text[j] = (char)toupper(names[i].ptr[j]);
        assert_int_equal(header_token_lookup(spelled), tokens[i]);
        for (size_t j = 1; j < names[i].len; j += 2)
            text[j] = names[i].ptr[j];
        assert_int_equal(header_token_lookup(spelled), tokens[i]);
    }
}

static void
a_name_that_differs_in_any_byte_is_another_name(void **state)
{
    char text[64];

    (void)state;
    for (size_t i = 0; i < array_len(names); i++) {
        size_t len = names[i].len;

        memcpy(text, names[i].ptr, len);
        for (size_t j = 0; j < len; j++) {
            for (int c = 0; c < 256; c++) {
                bool same = tolower(c) == names[i].ptr[j] && c < 128;

                text[j] = (char)c;
                assert_int_equal(header_token_lookup(str_make(text, len)) == tokens[i], same);
            }
            text[j] = names[i].ptr[j];
        }
        text[len] = 'x';
        assert_int_equal(header_token_lookup(str_make(text, len + 1)), HEADER_OTHER);
        assert_int_equal(header_token_lookup(str_make(text, len - 1)), HEADER_OTHER);
    }
    assert_int_equal(header_token_lookup(STR("")), HEADER_OTHER);
    assert_int_equal(header_token_lookup(STR("a-name-of-more-than-twenty-bytes")), HEADER_OTHER);
}

static void
fields_keep_order_and_spelling_up_to_the_bound(void **state)
{
    struct arena arena;
    struct http_headers h;

    (void)state;
    arena_init(&arena, STREAM_ARENA_BLOCK, STREAM_ARENA_MAX);
    assert_int_equal(http_headers_init(&h, &arena, 3), 0);
    assert_int_equal(http_headers_add(&h, STR("X-One"), STR("1")), 0);
    assert_int_equal(http_headers_add(&h, STR("HOST"), STR("h")), 0);
    assert_int_equal(http_headers_add(&h, STR("x-one"), STR("2")), 0);
    assert_int_equal(http_headers_add(&h, STR("four"), STR("4")), GW_E_LIMIT);
    assert_int_equal(h.count, 3);
    assert_str_equal(h.fields[0].name, STR("X-One"));
    assert_int_equal(h.fields[1].token, HEADER_HOST);
    assert_str_equal(h.fields[2].value, STR("2"));
    assert_str_equal(http_headers_find(&h, STR("X-ONE"))->value, STR("1"));
    assert_null(http_headers_find(&h, STR("X-On")));
    arena_done(&arena);
}

static void
dropped_fields_are_invisible(void **state)
{
    struct arena arena;
    struct http_headers h;

    (void)state;
    arena_init(&arena, STREAM_ARENA_BLOCK, STREAM_ARENA_MAX);
    assert_int_equal(http_headers_init(&h, &arena, 4), 0);
    assert_int_equal(http_headers_add(&h, STR("cookie"), STR("a")), 0);
    assert_int_equal(http_headers_add(&h, STR("cookie"), STR("b")), 0);
    assert_int_equal(http_headers_count(&h, HEADER_COOKIE), 2);
    h.fields[0].is_dropped = true;
    assert_int_equal(http_headers_count(&h, HEADER_COOKIE), 1);
    assert_str_equal(http_headers_get(&h, HEADER_COOKIE)->value, STR("b"));
    assert_str_equal(http_headers_find(&h, STR("Cookie"))->value, STR("b"));
    h.fields[1].is_dropped = true;
    assert_null(http_headers_get(&h, HEADER_COOKIE));
    assert_null(http_headers_find(&h, STR("cookie")));
    assert_null(http_headers_get(&h, HEADER_HOST));
    arena_done(&arena);
}

static void
a_full_arena_is_an_outcome(void **state)
{
    struct arena arena;
    struct http_headers h;

    (void)state;
    arena_init(&arena, 64, 128);
    assert_int_equal(http_headers_init(&h, &arena, 100), GW_E_NOSPACE);
    arena_done(&arena);
}

static void
names_that_imitate_framing_are_told_from_others(void **state)
{
    static const char *const imitations[] = {
        "transfer_encoding",  "Transfer.Encoding",   "transferencoding",   "content--length",
        "Content_Length",     "contentlength",       "-content-length",    "content-length-",
        "C-ontent-Length",    "transfer-encoding~",  "'transfer-encoding", "transfer`encoding",
        "Transfer-Encoding_", "+Content-Length",     "content!length",     "con-tent-len-gth",
        "TRANSFER__ENCODING", "^Transfer^Encoding^",
    };
    static const char *const others[] = {
        "Transfer-Encoding",
        "Content-Length",
        "content-lengths",
        "x-content-length",
        "content-type",
        "transfer-encoding-2",
        "accept-encoding",
        "contentlengt",
        "transferencodin",
        "content-language",
        "x-transfer-encoding",
        "cont3nt-length",
        "",
        "-",
        "----------------------",
        "transport-encoding",
    };

    (void)state;
    for (size_t i = 0; i < array_len(imitations); i++)
        assert_true(http_header_imitates_framing(str_from(imitations[i])));
    for (size_t i = 0; i < array_len(others); i++)
        assert_false(http_header_imitates_framing(str_from(others[i])));
}

static void
hop_by_hop_fields_are_the_listed_ones(void **state)
{
    static const char *const hop[] = {
        "connection", "keep-alive",     "proxy-connection",   "transfer-encoding",   "te",
        "trailer",    "http2-settings", "proxy-authenticate", "proxy-authorization", "upgrade",
    };
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < array_len(hop); i++)
        assert_true(http_header_is_hop_by_hop(header_token_lookup(str_from(hop[i]))));
    for (size_t i = 0; i < array_len(tokens); i++)
        count += http_header_is_hop_by_hop(tokens[i]);
    assert_int_equal(count, array_len(hop));
    assert_false(http_header_is_hop_by_hop(HEADER_OTHER));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_values_are_checked_byte_by_byte),
        cmocka_unit_test(every_known_name_is_found_in_any_case),
        cmocka_unit_test(a_name_that_differs_in_any_byte_is_another_name),
        cmocka_unit_test(fields_keep_order_and_spelling_up_to_the_bound),
        cmocka_unit_test(dropped_fields_are_invisible),
        cmocka_unit_test(a_full_arena_is_an_outcome),
        cmocka_unit_test(names_that_imitate_framing_are_told_from_others),
        cmocka_unit_test(hop_by_hop_fields_are_the_listed_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
