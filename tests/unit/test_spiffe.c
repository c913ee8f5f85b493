/* SPDX-License-Identifier: Apache-2.0
 *
 * SPIFFE identifiers: which texts are some, and which of them a pattern means. One promise
 * above all: of hundreds of ways to write what looks like an identifier none passes for it.
 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "policy/spiffe.h"

static const char *const ids[] = {
    "spiffe://td.test",     "spiffe://td.test/a",  "spiffe://td.test/ns/prod/sa/api",
    "spiffe://a",           "spiffe://0-_.",       "spiffe://td.test/A.b-C_9",
    "spiffe://td.test/...", "spiffe://td.test/.a", "spiffe://td.test/..a/b..",
};

/* Each is wrong by one thing. */
static const char *const no_ids[] = {
    "",
    "spiffe:",
    "spiffe:/",
    "spiffe://",
    "spiffe:///a",
    "spiffe:/td.test/a",
    "spiffe:td.test/a",
    "spiffe",
    "td.test/a",
    "//td.test/a",
    "SPIFFE://td.test/a",
    "Spiffe://td.test/a",
    "https://td.test/a",
    "spiffes://td.test/a",
    " spiffe://td.test/a",
    "spiffe://td.test/a ",
    "spiffe://TD.test/a",
    "spiffe://td.tesT/a",
    "spiffe://td.test:443/a",
    "spiffe://td.test:/a",
    "spiffe://user@td.test/a",
    "spiffe://user:pass@td.test/a",
    "spiffe://@td.test/a",
    "spiffe://td%2etest/a",
    "spiffe://td.test*/a",
    "spiffe://*/a",
    "spiffe://[::1]/a",
    "spiffe://td test/a",
    "spiffe://td.test/",
    "spiffe://td.test//",
    "spiffe://td.test//a",
    "spiffe://td.test/a/",
    "spiffe://td.test/a//b",
    "spiffe://td.test/.",
    "spiffe://td.test/..",
    "spiffe://td.test/./a",
    "spiffe://td.test/../a",
    "spiffe://td.test/a/.",
    "spiffe://td.test/a/..",
    "spiffe://td.test/a/./b",
    "spiffe://td.test/a/../b",
    "spiffe://td.test?a",
    "spiffe://td.test/a?",
    "spiffe://td.test/a?b=c",
    "spiffe://td.test#a",
    "spiffe://td.test/a#",
    "spiffe://td.test/a#b",
    "spiffe://td.test/%61",
    "spiffe://td.test/%2e%2e/a",
    "spiffe://td.test/a%2fb",
    "spiffe://td.test/a\\b",
    "spiffe://td.test/a*",
    "spiffe://td.test/*",
    "spiffe://td.test/caf\xc3\xa9",
};

static void
identifiers_follow_the_grammar(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(ids); i++) {
        if (!spiffe_is_id(str_from(ids[i])))
            fail_msg("\"%s\" is refused", ids[i]);
        assert_true(spiffe_is_meant(str_from(ids[i])));
    }
    for (size_t i = 0; i < array_len(no_ids); i++) {
        if (spiffe_is_id(str_from(no_ids[i])))
            fail_msg("\"%s\" passes", no_ids[i]);
    }
}

/* Every octet in the trust domain, and in the path. */
static void
octets_that_do_not_belong_are_refused(void **state)
{
    static const char domain[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
    unsigned good[2] = {0, 0};

    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[] = "spiffe://tX/aX";

        text[10] = (char)c;
        text[13] = 'a';
        if (c != '/')
            good[0] += spiffe_is_id(str_make(text, sizeof(text) - 1));
        text[10] = 'd';
        text[13] = (char)c;
        if (c != '/')
            good[1] += spiffe_is_id(str_make(text, sizeof(text) - 1));
    }
    assert_int_equal(good[0], sizeof(domain) - 1);
    assert_int_equal(good[1], sizeof(domain) - 1 + 26);
}

static char *
filled(const char *head, size_t len)
{
    char *text = calloc(1, len + 1);

    assert_non_null(text);
    memset(text, 'a', len);
    memcpy(text, head, strlen(head));
    return text;
}

static void
lengths_are_bounded(void **state)
{
    const size_t head = strlen("spiffe://");
    char *good = filled("spiffe://t/", RULE_CERT_VALUE_BYTES_MAX);
    char *bad = filled("spiffe://t/", RULE_CERT_VALUE_BYTES_MAX + 1);
    char *domain = filled("spiffe://", head + SPIFFE_DOMAIN_BYTES_MAX);
    char *long_domain = filled("spiffe://", head + SPIFFE_DOMAIN_BYTES_MAX + 1);

    (void)state;
    assert_true(spiffe_is_id(str_from(good)));
    assert_false(spiffe_is_id(str_from(bad)));
    assert_true(spiffe_is_id(str_from(domain)));
    assert_false(spiffe_is_id(str_from(long_domain)));
    free(good);
    free(bad);
    free(domain);
    free(long_domain);
}

static const struct {
    const char *pattern, *id;
    bool wanted;
} pairs[] = {
    {"spiffe://td.test/a", "spiffe://td.test/a", true},
    {"spiffe://td.test/a", "spiffe://td.test/A", false},
    {"spiffe://td.test/a", "spiffe://td.test/a/b", false},
    {"spiffe://td.test/a", "spiffe://td.test", false},
    {"spiffe://td.test", "spiffe://td.test", true},
    {"spiffe://td.test", "spiffe://td.test.evil", false},
    {"spiffe://td.test/*", "spiffe://td.test/a", true},
    {"spiffe://td.test/*", "spiffe://td.test/a/b", false},
    {"spiffe://td.test/*", "spiffe://td.test", false},
    {"spiffe://td.test/*", "spiffe://td.test/", false},
    {"spiffe://td.test/ns/*", "spiffe://td.test/ns/a", true},
    {"spiffe://td.test/ns/*", "spiffe://td.test/nsx/a", false},
    {"spiffe://td.test/*/a", "spiffe://td.test/x/a", false},
    {"spiffe://td.test/a*", "spiffe://td.test/ab", false},
    {"spiffe://*", "spiffe://td.test", false},
    {"spiffe://*/a", "spiffe://td.test/a", false},
    {"*", "spiffe://td.test", false},
    {"/*", "spiffe://td.test", false},
    {"", "", false},
};

static void
patterns_mean_one_segment(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(pairs); i++) {
        if (spiffe_matches(str_from(pairs[i].pattern), str_from(pairs[i].id)) != pairs[i].wanted)
            fail_msg("\"%s\" and \"%s\"", pairs[i].pattern, pairs[i].id);
    }
}

/* Whatever the pattern, what is no identifier is meant by none, not even when they are equal. */
static void
what_is_no_identifier_matches_nothing(void **state)
{
    size_t tried = 0;

    (void)state;
    for (size_t i = 0; i < array_len(no_ids); i++) {
        struct str bad = str_from(no_ids[i]);

        assert_false(spiffe_matches(bad, bad));
        for (size_t j = 0; j < array_len(pairs); j++, tried++)
            assert_false(spiffe_matches(str_from(pairs[j].pattern), bad));
        assert_false(spiffe_is_pattern(bad) &&
                     !str_eq(bad, STR("spiffe://td.test/*"))); /* the only pattern among them */
    }
    assert_true(tried > 200);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identifiers_follow_the_grammar),
        cmocka_unit_test(octets_that_do_not_belong_are_refused),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(patterns_mean_one_segment),
        cmocka_unit_test(what_is_no_identifier_matches_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
