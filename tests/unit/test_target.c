/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <ctype.h>
#include <stdio.h>

#include "base/limits.h"
#include "http/target.h"

struct parsed {
    int err;
    enum h1_fault fault;
    struct http_req req;
    struct arena arena;
};

static void
parse(struct parsed *p, enum http_version version, const char *method, struct str target,
      const char *host)
{
    *p =
        (struct parsed){.req = {.version = version, .method = http_method_parse(str_from(method))}};
    arena_init(&p->arena, STREAM_ARENA_BLOCK, STREAM_ARENA_MAX);
    p->err = target_parse(target, str_from(host), &p->arena, &p->req, &p->fault);
}

static void
parsed_done(struct parsed *p)
{
    arena_done(&p->arena);
}

static const struct {
    const char *path, *route, *loose; /* route NULL: refused; loose NULL: as route */
    bool is_ambiguous;
} path_rows[] = {
    {"/", "/", NULL, false},
    {"/a", "/a", NULL, false},
    {"/a/", "/a/", NULL, false},
    {"/a/b.c", "/a/b.c", NULL, false},
    {"/.well-known/x", "/.well-known/x", NULL, false},
    {"/a/.b", "/a/.b", NULL, false},
    {"/a/..b", "/a/..b", NULL, false},
    {"/a/...", "/a/...", NULL, false},
    {"/a/b..", "/a/b..", NULL, false},
    {"/a.", "/a.", NULL, false},
    {"/~user/-._~", "/~user/-._~", NULL, false},
    {"/!$&'()*+,;=:@", "/!$&'()*+,;=:@", NULL, false},
    {"/a;v=1/b", "/a;v=1/b", NULL, false},
    {"/a%20b", "/a%20b", NULL, false},
    {"/%61", "/a", NULL, false},
    {"/%7Euser", "/~user", NULL, false},
    {"/%7euser%2d", "/~user-", NULL, false},
    {"/%c3%a9", "/%C3%A9", NULL, false},
    {"/%25", "/%25", NULL, false},
    {"/%252e%252e", "/%252e%252e", NULL, false},
    {"/%3f", "/%3F", NULL, false},
    {"/%23", "/%23", NULL, false},
    {"/a/./b", "/a/b", NULL, true},
    {"/./a", "/a", NULL, true},
    {"/.", "/", NULL, true},
    {"/./", "/", NULL, true},
    {"/a/.", "/a/", NULL, true},
    {"/a/..", "/", NULL, true},
    {"/a/../", "/", NULL, true},
    {"/a/../b", "/b", NULL, true},
    {"/a/b/../../c", "/c", NULL, true},
    {"/a/b/c/./../../g", "/a/g", NULL, true},
    {"/a/%2e/b", "/a/b", NULL, true},
    {"/a/%2E%2e/b", "/b", NULL, true},
    {"/a/.%2e/b", "/b", NULL, true},
    {"//", "//", "/", true},
    {"//a", "//a", "/a", true},
    {"/a//b", "/a//b", "/a/b", true},
    {"/a//", "/a//", "/a/", true},
    {"/a///b", "/a///b", "/a/b", true},
    {"/a//../b", "/a/b", "/b", true},
    {"/a%2fb", "/a%2Fb", "/a/b", true},
    {"/a%2F", "/a%2F", "/a/", true},
    {"/a%5cb", "/a%5Cb", "/a/b", true},
    {"/public/..%2fadmin", "/public/..%2Fadmin", "/admin", true},
    {"/public/..%5cadmin", "/public/..%5Cadmin", "/admin", true},
    {"/public/%2e%2e%2fadmin", "/public/..%2Fadmin", "/admin", true},
    {"/public%2f..%2fadmin", "/public%2F..%2Fadmin", "/admin", true},
    {"/public/..;/admin", "/public/..;/admin", "/admin", true},
    {"/public/..;x=y/admin", "/public/..;x=y/admin", "/admin", true},
    {"/public/.;/admin", "/public/.;/admin", "/public/admin", true},
    {"/public/%2e%2e;/admin", "/public/..;/admin", "/admin", true},
    {"/a/..a/b", "/a/..a/b", NULL, false},
    {"/..", NULL, NULL, false},
    {"/../a", NULL, NULL, false},
    {"/a/../../b", NULL, NULL, false},
    {"/%2e%2e/a", NULL, NULL, false},
    {"/..%2fa", NULL, NULL, false},
    {"/a%2f..%2f..%2fb", NULL, NULL, false},
    {"/..;/a", NULL, NULL, false},
    {"//..", NULL, NULL, false},
    {"/..%5c..", NULL, NULL, false},
    {"", NULL, NULL, false},
    {"a", NULL, NULL, false},
    {"*", NULL, NULL, false},
    {"?", NULL, NULL, false},
    {"?a", NULL, NULL, false},
    {"./a", NULL, NULL, false},
    {"\\a", NULL, NULL, false},
    {"/a\\b", NULL, NULL, false},
    {"/a b", NULL, NULL, false},
    {"/a#b", NULL, NULL, false},
    {"/#", NULL, NULL, false},
    {"/\"", NULL, NULL, false},
    {"/<a>", NULL, NULL, false},
    {"/{a}", NULL, NULL, false},
    {"/a|b", NULL, NULL, false},
    {"/a^b", NULL, NULL, false},
    {"/a`b", NULL, NULL, false},
    {"/[a]", NULL, NULL, false},
    {"/%", NULL, NULL, false},
    {"/%2", NULL, NULL, false},
    {"/%2?", NULL, NULL, false},
    {"/%zz", NULL, NULL, false},
    {"/%2g", NULL, NULL, false},
    {"/%u0041", NULL, NULL, false},
    {"/% 41", NULL, NULL, false},
    {"/%00", NULL, NULL, false},
    {"/%0d", NULL, NULL, false},
    {"/%0A", NULL, NULL, false},
    {"/a%0d%0aX:y", NULL, NULL, false},
    {"/\xc3\xa9", NULL, NULL, false},
    {"/\x80", NULL, NULL, false},
    {"/\x7f", NULL, NULL, false},
    {"ftp://a/", NULL, NULL, false},
    {"https:/a", NULL, NULL, false},
    {"httpx://a/", NULL, NULL, false},
    {"a:443", NULL, NULL, false},
};

static void
paths_are_normalised_for_rules_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(path_rows); i++) {
        const char *loose = path_rows[i].loose != NULL ? path_rows[i].loose : path_rows[i].route;
        struct parsed p;

        parse(&p, HTTP_11, "GET", str_from(path_rows[i].path), "a");
        if ((p.err == 0) != (path_rows[i].route != NULL))
            print_error("row %zu: %s\n", i, path_rows[i].path);
        assert_int_equal(p.err, path_rows[i].route != NULL ? 0 : GW_E_PROTO);
        if (p.err == 0) {
            assert_str_equal(p.req.path, str_from(path_rows[i].path));
            assert_str_equal(p.req.target, str_from(path_rows[i].path));
            assert_str_equal(p.req.route_path, str_from(path_rows[i].route));
            assert_str_equal(p.req.loose_path, str_from(loose));
            assert_int_equal(p.req.path_is_ambiguous, path_rows[i].is_ambiguous);
        } else {
            assert_int_equal(p.fault, H1_FAULT_BAD_TARGET);
        }
        parsed_done(&p);
    }
}

/* Every path again with things before and behind that must not change the verdict: more than 300
 * targets. */
static void
a_verdict_on_a_path_holds_in_every_surrounding(void **state)
{
    static const char *const forms[] = {"%s?q=1", "/x%s", "https://a%s", "HTTP://A:80%s", "%s/end"};
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < array_len(path_rows); i++) {
        const char *path = path_rows[i].path;
        bool is_good = path_rows[i].route != NULL;

        for (size_t j = 0; j < array_len(forms); j++) {
            const char *mark = strstr(forms[j], "%s");
            char target[128];
            struct parsed p;
            int n = snprintf(target, sizeof(target), "%.*s%s%s", (int)(mark - forms[j]), forms[j],
                             path, mark + 2);

            count++;
            /* One step down, ".." of one step stays inside; without a slash they are others. */
            if ((j == 1 || j == 4) && !is_good)
                continue;
            if (path[0] != '/' || strchr(path, '?') != NULL || strchr(path, '#') != NULL)
                continue;
            parse(&p, HTTP_11, "GET", str_make(target, (size_t)n), j == 3 ? "a:80" : "a");
            if ((p.err == 0) != is_good)
                print_error("target %s\n", target);
            assert_int_equal(p.err == 0, is_good);
            parsed_done(&p);
        }
    }
    assert_true(count >= 300);
}

static void
check_readings(struct str path)
{
    struct parsed p;
    struct parsed again;

    parse(&p, HTTP_11, "GET", path, "a");
    if (p.err == 0) {
        parse(&again, HTTP_11, "GET", p.req.route_path, "a");
        assert_int_equal(again.err, 0);
        assert_str_equal(again.req.route_path, p.req.route_path);
        parsed_done(&again);
        parse(&again, HTTP_11, "GET", p.req.loose_path, "a");
        assert_int_equal(again.err, 0);
        assert_str_equal(again.req.route_path, again.req.path);
        assert_str_equal(again.req.loose_path, again.req.path);
        parsed_done(&again);
        assert_true(p.req.path_is_ambiguous || str_eq(p.req.route_path, p.req.loose_path));
    }
    parsed_done(&p);
}

/* All paths of up to six pieces: normalising twice is normalising once. */
static void
normal_paths_stay_as_they_are(void **state)
{
    static const char *const pieces[] = {"/", ".", "..", "a", "%2e", "%2F", ";", "%5c"};

    (void)state;
    for (unsigned n = 0; n < 8 * 8 * 8 * 8 * 8; n++) {
        char path[64] = "/";
        unsigned rest = n;

        for (int i = 0; i < 5; i++, rest /= 8)
            (void)snprintf(path + strlen(path), 8, "%s", pieces[rest % 8]);
        check_readings(str_from(path));
    }
}

static void
only_query_bytes_make_a_query(void **state)
{
    static const char marks[] = "-._~!$&'()*+,;=:@/?|{}^`[]";
    struct parsed p;

    (void)state;
    for (int c = 1; c < 256; c++) {
        char target[5] = {'/', '?', 'a', (char)c, 'b'};
        bool good = (c < 128 && isalnum(c)) || strchr(marks, c) != NULL;

        parse(&p, HTTP_11, "GET", str_make(target, 5), "a");
        assert_int_equal(p.err == 0, good);
        if (good)
            assert_str_equal(p.req.query, str_make(target + 2, 3));
        parsed_done(&p);
    }
    parse(&p, HTTP_11, "GET", STR("/?a=%0d%0A%00&b=%C3%A9"), "a");
    assert_int_equal(p.err, 0); /* never decoded, so nothing is refused but bad escapes */
    parsed_done(&p);
    parse(&p, HTTP_11, "GET", STR("/?a=%0"), "a");
    assert_int_equal(p.fault, H1_FAULT_BAD_TARGET);
    parsed_done(&p);
}

/* ---------------------------------------------------------------- forms */

static void
each_form_belongs_to_its_methods(void **state)
{
    static const struct {
        enum http_version version;
        const char *method, *target, *host;
        enum h1_fault fault;
        const char *authority, *path, *query;
    } rows[] = {
        {HTTP_11, "GET", "/x?y", "a:81", H1_FAULT_NONE, "a:81", "/x", "y"},
        {HTTP_11, "GET", "http://a/x?y", "a", H1_FAULT_NONE, "a", "/x", "y"},
        {HTTP_11, "GET", "https://a", "a", H1_FAULT_NONE, "a", "/", NULL},
        {HTTP_11, "GET", "https://a?y", "a", H1_FAULT_NONE, "a", "/", "y"},
        {HTTP_11, "GET", "https://a?y=\"", "a", H1_FAULT_BAD_TARGET, NULL, NULL, NULL},
        {HTTP_11, "GET", "https://a:443/", "a", H1_FAULT_NONE, "a:443", "/", NULL},
        {HTTP_11, "GET", "https://a/", "A.:443", H1_FAULT_NONE, "a", "/", NULL},
        {HTTP_11, "GET", "http://a/", "a:443", H1_FAULT_HOST_MISMATCH, NULL, NULL, NULL},
        {HTTP_11, "GET", "https://a:444/", "a", H1_FAULT_HOST_MISMATCH, NULL, NULL, NULL},
        {HTTP_11, "GET", "https://a/", "b", H1_FAULT_HOST_MISMATCH, NULL, NULL, NULL},
        {HTTP_11, "GET", "https://a/", "b,c", H1_FAULT_BAD_HOST, NULL, NULL, NULL},
        {HTTP_11, "GET", "https://u@a/", "a", H1_FAULT_BAD_HOST, NULL, NULL, NULL},
        {HTTP_11, "GET", "https:///", "a", H1_FAULT_BAD_HOST, NULL, NULL, NULL},
        {HTTP_11, "GET", "https://", "a", H1_FAULT_BAD_HOST, NULL, NULL, NULL},
        {HTTP_11, "GET", "https://a\\b/", "a", H1_FAULT_BAD_HOST, NULL, NULL, NULL},
        {HTTP_11, "GET", "https://a/", NULL, H1_FAULT_NO_HOST, NULL, NULL, NULL},
        {HTTP_11, "GET", "/", NULL, H1_FAULT_NO_HOST, NULL, NULL, NULL},
        {HTTP_10, "GET", "/", NULL, H1_FAULT_NONE, "", "/", NULL},
        {HTTP_10, "GET", "https://a/", NULL, H1_FAULT_NONE, "a", "/", NULL},
        {HTTP_20, "GET", "/x", "a", H1_FAULT_NONE, "a", "/x", NULL},
        {HTTP_20, "GET", "https://a/", "a", H1_FAULT_BAD_TARGET, NULL, NULL, NULL},
        {HTTP_20, "GET", "", "a", H1_FAULT_BAD_TARGET, NULL, NULL, NULL},
        {HTTP_20, "OPTIONS", "*", "a", H1_FAULT_NONE, "a", "*", NULL},
        {HTTP_11, "OPTIONS", "*", "a", H1_FAULT_NONE, "a", "*", NULL},
        {HTTP_11, "OPTIONS", "/x", "a", H1_FAULT_NONE, "a", "/x", NULL},
        {HTTP_11, "OPTIONS", "http://a", "a", H1_FAULT_NONE, "a", "*", NULL},
        {HTTP_11, "OPTIONS", "http://a?x", "a", H1_FAULT_NONE, "a", "/", "x"},
        {HTTP_11, "OPTIONS", "**", "a", H1_FAULT_BAD_TARGET, NULL, NULL, NULL},
        {HTTP_11, "OPTIONS", "*?x", "a", H1_FAULT_BAD_TARGET, NULL, NULL, NULL},
        {HTTP_11, "GET", "*", "a", H1_FAULT_BAD_TARGET, NULL, NULL, NULL},
        {HTTP_11, "CONNECT", "a:443", "a:443", H1_FAULT_NONE, "a:443", "", NULL},
        {HTTP_11, "CONNECT", "a:443", "a", H1_FAULT_NONE, "a:443", "", NULL},
        {HTTP_11, "CONNECT", "a:443", "b", H1_FAULT_HOST_MISMATCH, NULL, NULL, NULL},
        {HTTP_11, "CONNECT", "a", "a", H1_FAULT_BAD_TARGET, NULL, NULL, NULL},
        {HTTP_11, "CONNECT", "/", "a", H1_FAULT_BAD_TARGET, NULL, NULL, NULL},
        {HTTP_11, "CONNECT", "http://a:443", "a", H1_FAULT_BAD_TARGET, NULL, NULL, NULL},
        {HTTP_11, "GET", "/", "", H1_FAULT_BAD_HOST, NULL, NULL, NULL},
        {HTTP_11, "CUSTOM", "/x", "a", H1_FAULT_NONE, "a", "/x", NULL},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct parsed p;

        parse(&p, rows[i].version, rows[i].method, str_from(rows[i].target), rows[i].host);
        if (p.fault != rows[i].fault)
            print_error("row %zu: %s\n", i, h1_fault_text(p.fault));
        assert_int_equal(p.fault, rows[i].fault);
        if (p.err == 0) {
            assert_str_equal(p.req.authority, str_from(rows[i].authority));
            assert_str_equal(p.req.path, str_from(rows[i].path));
            assert_str_equal(p.req.route_path, str_from(rows[i].path));
            assert_str_equal(p.req.query, str_from(rows[i].query));
            assert_int_equal(p.req.query.ptr != NULL, rows[i].query != NULL);
        }
        parsed_done(&p);
    }
}

static void
a_refused_target_changes_nothing(void **state)
{
    struct arena arena;
    enum h1_fault fault;
    struct http_req req = {.version = HTTP_11, .port = 7, .target = STR("kept")};

    (void)state;
    arena_init(&arena, 1024, 4096);
    assert_int_equal(target_parse(STR("/../"), STR("a:80"), &arena, &req, &fault), GW_E_PROTO);
    assert_int_equal(req.port, 7);
    assert_str_equal(req.target, STR("kept"));
    arena_done(&arena);
    arena_init(&arena, 16, 24);
    assert_int_equal(target_parse(STR("/%41"), STR("a:80"), &arena, &req, &fault), GW_E_PROTO);
    assert_int_equal(fault, H1_FAULT_NO_MEMORY);
    arena_done(&arena);
}

static void
must_not_crash(void *arg, struct str input)
{
    struct parsed p;

    (void)arg;
    parse(&p, HTTP_11, "GET", input, "api.example.test:8443");
    parsed_done(&p);
}

static void
cuts_and_flipped_bits_do_no_harm(void **state)
{
    struct str target = STR("https://api.example.test:8443/a/%2e%2e/b%2Fc//d;e?f=%20&g");

    (void)state;
    for_each_truncation(target, must_not_crash, NULL);
    for_each_bit_flip(target, must_not_crash, NULL);
    for_each_bit_flip(str_sub(target, 29, target.len), must_not_crash, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_normalised_for_rules_only),
        cmocka_unit_test(a_verdict_on_a_path_holds_in_every_surrounding),
        cmocka_unit_test(normal_paths_stay_as_they_are),
        cmocka_unit_test(only_query_bytes_make_a_query),
        cmocka_unit_test(each_form_belongs_to_its_methods),
        cmocka_unit_test(a_refused_target_changes_nothing),
        cmocka_unit_test(cuts_and_flipped_bits_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
