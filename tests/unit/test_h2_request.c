/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <ctype.h>
#include <stdio.h>

#include "base/limits.h"
#include "http/h2_request.h"
#include "http/hygiene.h"

struct h2_case {
    const char *method, *scheme, *authority, *path; /* NULL: absent */
    const char *fields;                             /* "name: value" lines */
    bool end_stream;
};

struct finished {
    struct arena arena;
    struct http_req req;
    enum h1_fault fault;
    int err;
};

static void
add_fields(struct http_headers *headers, struct str rest)
{
    struct str line;
    bool done = false;

    while (str_split_next(&rest, '\n', &done, &line)) {
        ptrdiff_t colon = str_chr(line, ':');

        if (line.len == 0)
            continue;
        assert_true(colon >= 0);
        assert_int_equal(http_headers_add(headers, str_sub(line, 0, (size_t)colon),
                                          str_sub(line, (size_t)colon + 2, line.len)),
                         0);
    }
}

static void
finish(struct finished *f, const struct h2_case *c)
{
    *f = (struct finished){.err = 0};
    arena_init(&f->arena, STREAM_ARENA_BLOCK, STREAM_ARENA_MAX);
    assert_int_equal(http_headers_init(&f->req.headers, &f->arena, REQUEST_HEADERS_MAX), 0);
    add_fields(&f->req.headers, str_from(c->fields));
    f->err =
        h2_request_finish(&f->req, str_from(c->method), str_from(c->scheme), str_from(c->authority),
                          str_from(c->path), c->end_stream, &f->arena, &f->fault);
}

static void
finished_done(struct finished *f)
{
    arena_done(&f->arena);
}

static const struct {
    struct h2_case in;
    const char *authority, *path, *query;
    enum http_framing framing;
    uint64_t length;
} good_requests[] = {
    {{"GET", "https", "A.example:8443", "/x?y", "", true},
     "a.example:8443",
     "/x",
     "y",
     FRAMING_NONE,
     0},
    {{"GET", "https", "a", "/", "", false}, "a", "/", NULL, FRAMING_CHUNKED, 0},
    {{"POST", "https", "a", "/", "content-length: 12", false}, "a", "/", NULL, FRAMING_LENGTH, 12},
    {{"POST", "https", "a", "/", "content-length: 0", true}, "a", "/", NULL, FRAMING_LENGTH, 0},
    {{"POST", "https", "a", "/", "content-length: 0", false}, "a", "/", NULL, FRAMING_LENGTH, 0},
    {{"GET", "https", NULL, "/", "host: b.example", true}, "b.example", "/", NULL, FRAMING_NONE, 0},
    {{"GET", "https", "a", "/", "host: a", true}, "a", "/", NULL, FRAMING_NONE, 0},
    {{"GET", "https", "a", "/", "host: A.:443", true}, "a", "/", NULL, FRAMING_NONE, 0},
    {{"GET", "https", "a:443", "/", "host: a", true}, "a:443", "/", NULL, FRAMING_NONE, 0},
    {{"OPTIONS", "https", "a", "*", "", true}, "a", "*", NULL, FRAMING_NONE, 0},
    {{"TRACE", "https", "a", "/", "", true}, "a", "/", NULL, FRAMING_NONE, 0},
    {{"CONNECT", NULL, "a:443", NULL, "", false}, "a:443", "", NULL, FRAMING_CHUNKED, 0},
    {{"X-CUSTOM", "https", "a", "/", "te: trailers", true}, "a", "/", NULL, FRAMING_NONE, 0},
    {{"GET", "https", "a", "/", "te: Trailers\nx_y: z\nx.y: \xe9\nempty: ", true},
     "a",
     "/",
     NULL,
     FRAMING_NONE,
     0},
};

static void
good_requests_become_the_model(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(good_requests); i++) {
        struct finished f;

        finish(&f, &good_requests[i].in);
        if (f.err != 0)
            print_error("row %zu: %s\n", i, h1_fault_text(f.fault));
        assert_int_equal(f.err, 0);
        assert_int_equal(f.req.version, HTTP_20);
        assert_int_equal(f.req.method, http_method_parse(str_from(good_requests[i].in.method)));
        assert_str_equal(f.req.authority, str_from(good_requests[i].authority));
        assert_str_equal(f.req.path, str_from(good_requests[i].path));
        assert_str_equal(f.req.query, str_from(good_requests[i].query));
        assert_int_equal(f.req.framing, good_requests[i].framing);
        assert_int_equal(f.req.content_length, good_requests[i].length);
        assert_true(f.req.keep_alive);
        assert_false(f.req.expect_continue);
        assert_true(f.req.head_bytes >= f.req.path.len);
        finished_done(&f);
    }
}

static const struct {
    struct h2_case in;
    enum h1_fault fault;
} bad_requests[] = {
    {{"GET", "https", NULL, "/", "", true}, H1_FAULT_NO_HOST},
    {{"GET", "https", "", "/", "", true}, H1_FAULT_BAD_HOST},
    {{"GET", "https", NULL, "/", "host: ", true}, H1_FAULT_BAD_HOST},
    {{"GET", "https", "a,b", "/", "", true}, H1_FAULT_BAD_HOST},
    {{"GET", "https", "u@a", "/", "", true}, H1_FAULT_BAD_HOST},
    {{"GET", "https", "a", "/", "host: a\nhost: a", true}, H1_FAULT_MANY_HOSTS},
    {{"GET", "https", "a", "/", "host: b", true}, H1_FAULT_HOST_MISMATCH},
    {{"GET", "https", "a", "/", "host: a:80", true}, H1_FAULT_HOST_MISMATCH},
    {{"GET", "https", "a", "/", "host: a,b", true}, H1_FAULT_BAD_HOST},
    {{"GET", "http", "a", "/", "", true}, H1_FAULT_BAD_SCHEME},
    {{"GET", "HTTPS", "a", "/", "", true}, H1_FAULT_BAD_SCHEME},
    {{"GET", NULL, "a", "/", "", true}, H1_FAULT_BAD_SCHEME},
    {{"GET", "https://evil/", "a", "/", "", true}, H1_FAULT_BAD_SCHEME},
    {{"", "https", "a", "/", "", true}, H1_FAULT_BAD_METHOD},
    {{NULL, "https", "a", "/", "", true}, H1_FAULT_BAD_METHOD},
    {{"GET /x HTTP/1.1\r\n", "https", "a", "/", "", true}, H1_FAULT_BAD_METHOD},
    {{"G T", "https", "a", "/", "", true}, H1_FAULT_BAD_METHOD},
    {{"AAAAAAAAAABBBBBBBBBBCCCCCCCCCCDDDDDDDDDDE", "https", "a", "/", "", true},
     H1_FAULT_BAD_METHOD},
    {{"GET", "https", "a", NULL, "", true}, H1_FAULT_BAD_TARGET},
    {{"GET", "https", "a", "", "", true}, H1_FAULT_BAD_TARGET},
    {{"GET", "https", "a", "x", "", true}, H1_FAULT_BAD_TARGET},
    {{"GET", "https", "a", "*", "", true}, H1_FAULT_BAD_TARGET},
    {{"GET", "https", "a", "https://a/", "", true}, H1_FAULT_BAD_TARGET},
    {{"GET", "https", "a", "/ HTTP/1.1\r\nX: y", "", true}, H1_FAULT_BAD_TARGET},
    {{"GET", "https", "a", "/a b", "", true}, H1_FAULT_BAD_TARGET},
    {{"GET", "https", "a", "/#", "", true}, H1_FAULT_BAD_TARGET},
    {{"GET", "https", "a", "/..", "", true}, H1_FAULT_BAD_TARGET},
    {{"CONNECT", "https", "a:443", "/", "", true}, H1_FAULT_BAD_TARGET},
    {{"CONNECT", NULL, "a:443", "/", "", true}, H1_FAULT_BAD_TARGET},
    {{"CONNECT", "https", "a:443", NULL, "", true}, H1_FAULT_BAD_TARGET},
    {{"CONNECT", NULL, "a", NULL, "", true}, H1_FAULT_BAD_TARGET},
    {{"POST", "https", "a", "/", "content-length: 5", true}, H1_FAULT_BAD_CONTENT_LENGTH},
    {{"POST", "https", "a", "/", "content-length: +5", false}, H1_FAULT_BAD_CONTENT_LENGTH},
    {{"POST", "https", "a", "/", "content-length: 5, 5", false}, H1_FAULT_BAD_CONTENT_LENGTH},
    {{"POST", "https", "a", "/", "content-length: ", false}, H1_FAULT_BAD_CONTENT_LENGTH},
    {{"POST", "https", "a", "/", "content-length: 9007199254740993", false},
     H1_FAULT_BAD_CONTENT_LENGTH},
    {{"POST", "https", "a", "/", "content-length: 5\ncontent-length: 5", false},
     H1_FAULT_MANY_CONTENT_LENGTHS},
    {{"GET", "https", "a", "/", "connection: close", true}, H1_FAULT_CONNECTION_FIELD},
    {{"GET", "https", "a", "/", "keep-alive: 5", true}, H1_FAULT_CONNECTION_FIELD},
    {{"GET", "https", "a", "/", "proxy-connection: x", true}, H1_FAULT_CONNECTION_FIELD},
    {{"GET", "https", "a", "/", "transfer-encoding: chunked", true}, H1_FAULT_CONNECTION_FIELD},
    {{"GET", "https", "a", "/", "upgrade: websocket", true}, H1_FAULT_CONNECTION_FIELD},
    {{"GET", "https", "a", "/", "http2-settings: x", true}, H1_FAULT_CONNECTION_FIELD},
    {{"GET", "https", "a", "/", "te: gzip", true}, H1_FAULT_CONNECTION_FIELD},
    {{"GET", "https", "a", "/", "te: trailers, gzip", true}, H1_FAULT_CONNECTION_FIELD},
    {{"GET", "https", "a", "/", "Accept: x", true}, H1_FAULT_BAD_NAME},
    {{"GET", "https", "a", "/", "x y: z", true}, H1_FAULT_BAD_NAME},
    {{"GET", "https", "a", "/", ": z", true}, H1_FAULT_BAD_NAME},
    {{"GET", "https", "a", "/", "x\r: z", true}, H1_FAULT_BAD_NAME},
    {{"GET", "https", "a", "/", "x: y\rz", true}, H1_FAULT_BAD_VALUE},
    {{"GET", "https", "a", "/", "x:  y", true}, H1_FAULT_BAD_VALUE},
    {{"GET", "https", "a", "/", "x: y\t", true}, H1_FAULT_BAD_VALUE},
    {{"GET", "https", "a", "/", "x: \x7f", true}, H1_FAULT_BAD_VALUE},
    {{"GET", "https", "a", "/", "transfer_encoding: chunked", true}, H1_FAULT_SUSPICIOUS_NAME},
    {{"GET", "https", "a", "/", "content--length: 5", true}, H1_FAULT_SUSPICIOUS_NAME},
};

static void
bad_requests_are_refused_with_their_fault(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(bad_requests); i++) {
        struct finished f;

        finish(&f, &bad_requests[i].in);
        if (f.fault != bad_requests[i].fault)
            print_error("row %zu: %s\n", i, h1_fault_text(f.fault));
        assert_int_equal(f.err, GW_E_PROTO);
        assert_int_equal(f.fault, bad_requests[i].fault);
        finished_done(&f);
    }
}

static void
crumbs_become_one_cookie_in_the_place_of_the_first(void **state)
{
    const struct h2_case in = {
        "GET", "https", "a", "/", "x: 1\ncookie: a=b\ny: 2\ncookie: c=d\ncookie: e=f\nz: 3", true};
    const struct h2_case single = {"GET", "https", "a", "/", "cookie: a=b\nx: 1", true};
    struct finished f;

    (void)state;
    finish(&f, &in);
    assert_int_equal(f.err, 0);
    assert_int_equal(f.req.headers.count, 4);
    assert_int_equal(http_headers_count(&f.req.headers, HEADER_COOKIE), 1);
    assert_str_equal(f.req.headers.fields[0].name, STR("x"));
    assert_str_equal(f.req.headers.fields[1].value, STR("a=b; c=d; e=f"));
    assert_str_equal(f.req.headers.fields[2].value, STR("2"));
    assert_str_equal(f.req.headers.fields[3].value, STR("3"));
    finished_done(&f);
    finish(&f, &single);
    assert_int_equal(f.req.headers.count, 2);
    assert_str_equal(f.req.headers.fields[0].value, STR("a=b"));
    finished_done(&f);
}

static void
joined_crumbs_obey_the_line_bound(void **state)
{
    static char crumb[HEADER_LINE_MAX / 2];
    struct finished f = {.err = 0};

    (void)state;
    memset(crumb, 'c', sizeof(crumb));
    for (size_t over = 0; over < 2; over++) {
        arena_init(&f.arena, STREAM_ARENA_BLOCK, STREAM_ARENA_MAX);
        assert_int_equal(http_headers_init(&f.req.headers, &f.arena, 4), 0);
        for (int i = 0; i < 2; i++)
            assert_int_equal(http_headers_add(&f.req.headers, STR("cookie"),
                                              str_make(crumb, sizeof(crumb) - 2 + over)),
                             0);
        f.fault = H1_FAULT_NONE;
        f.err = h2_request_finish(&f.req, STR("GET"), STR("https"), STR("a"), STR("/"), true,
                                  &f.arena, &f.fault);
        assert_int_equal(f.fault, over > 0 ? H1_FAULT_HEADER_TOO_LONG : H1_FAULT_NONE);
        arena_done(&f.arena);
    }
}

static void
long_paths_and_fields_meet_the_bounds_of_http_1(void **state)
{
    static char text[REQUEST_LINE_MAX + 1];
    struct finished f = {.err = 0};

    (void)state;
    memset(text, '/', 1);
    memset(text + 1, 'p', sizeof(text) - 1);
    arena_init(&f.arena, STREAM_ARENA_BLOCK, STREAM_ARENA_MAX);
    assert_int_equal(http_headers_init(&f.req.headers, &f.arena, 4), 0);
    assert_int_equal(h2_request_finish(&f.req, STR("GET"), STR("https"), STR("a"),
                                       str_make(text, sizeof(text) - 1), true, &f.arena, &f.fault),
                     0);
    assert_int_equal(h2_request_finish(&f.req, STR("GET"), STR("https"), STR("a"),
                                       str_make(text, sizeof(text)), true, &f.arena, &f.fault),
                     GW_E_PROTO);
    assert_int_equal(f.fault, H1_FAULT_LINE_TOO_LONG);
    assert_int_equal(http_headers_add(&f.req.headers, STR("x"), str_make(text, sizeof(text))), 0);
    assert_int_equal(h2_request_finish(&f.req, STR("GET"), STR("https"), STR("a"), STR("/"), true,
                                       &f.arena, &f.fault),
                     GW_E_PROTO);
    assert_int_equal(f.fault, H1_FAULT_HEADER_TOO_LONG);
    arena_done(&f.arena);
}

static void
fields_are_counted_with_the_bound_of_http_1(void **state)
{
    (void)state;
    for (uint32_t over = 0; over < 2; over++) {
        struct finished f = {.err = 0};

        arena_init(&f.arena, STREAM_ARENA_BLOCK, STREAM_ARENA_MAX);
        assert_int_equal(http_headers_init(&f.req.headers, &f.arena, 2 * REQUEST_HEADERS_MAX), 0);
        for (uint32_t i = 0; i < REQUEST_HEADERS_MAX + over; i++)
            assert_int_equal(http_headers_add(&f.req.headers, STR("cookie"), STR("a")), 0);
        f.err = h2_request_finish(&f.req, STR("GET"), STR("https"), STR("a"), STR("/"), true,
                                  &f.arena, &f.fault);
        assert_int_equal(f.fault, over > 0 ? H1_FAULT_TOO_MANY_HEADERS : H1_FAULT_NONE);
        arena_done(&f.arena);
    }
}

/* Each byte value in a name, a value, the method, the path and the authority. */
static void
only_the_bytes_of_the_tables_pass(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[3] = {'a', (char)c, 'b'};
        bool token = (c < 128 && isalnum(c)) || (c > 0 && c < 128 && strchr("!#$%&'*+-.^_`|~", c));
        bool value = c == '\t' || (c >= 0x20 && c != 0x7f);

        for (int place = 0; place < 4; place++) {
            struct str odd = str_make(text, 3);
            struct finished f = {.err = 0};
            bool good;

            arena_init(&f.arena, STREAM_ARENA_BLOCK, STREAM_ARENA_MAX);
            assert_int_equal(http_headers_init(&f.req.headers, &f.arena, 4), 0);
            assert_int_equal(http_headers_add(&f.req.headers, place == 0 ? odd : STR("x"),
                                              place == 1 ? odd : STR("y")),
                             0);
            f.err =
                h2_request_finish(&f.req, place == 2 ? odd : STR("GET"), STR("https"),
                                  place == 3 ? odd : STR("h"), STR("/"), true, &f.arena, &f.fault);
            good = place == 0   ? token && !isupper(c)
                   : place == 1 ? value
                   : place == 2 ? token
                                : (c < 128 && isalnum(c)) || c == '-' || c == '_' || c == '.';
            assert_int_equal(f.err == 0, good);
            arena_done(&f.arena);
        }
    }
}

static void
a_small_arena_is_an_outcome(void **state)
{
    (void)state;
    for (size_t max = 0; max < 200; max += 16) {
        struct http_header fields[2];
        struct http_req req = {.headers = {.fields = fields, .count_max = 2}};
        struct arena arena;
        enum h1_fault fault = H1_FAULT_NONE;

        arena_init(&arena, 16, max);
        assert_int_equal(http_headers_add(&req.headers, STR("cookie"), STR("a=b")), 0);
        assert_int_equal(http_headers_add(&req.headers, STR("cookie"), STR("c=d")), 0);
        if (h2_request_finish(&req, STR("GET"), STR("https"), STR("a"), STR("/%41"), true, &arena,
                              &fault) != 0)
            assert_int_equal(fault, H1_FAULT_NO_MEMORY);
        arena_done(&arena);
    }
}

static void
hygiene_applies_to_it_as_to_any_request(void **state)
{
    const struct h2_case in = {
        "GET",
        "https",
        "a",
        "/",
        "te: trailers\nx-amzn-mtls-clientcert-subject: CN=admin\naccept: x\nearly-data: 1",
        true};
    struct hygiene_result result;
    struct finished f;

    (void)state;
    finish(&f, &in);
    assert_int_equal(hygiene_request(NULL, &f.req, &result, &f.fault), 0);
    assert_int_equal(result.identity_dropped, 1);
    assert_int_equal(result.hop_dropped, 2);
    assert_true(f.req.keep_alive);
    finished_done(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_requests_become_the_model),
        cmocka_unit_test(bad_requests_are_refused_with_their_fault),
        cmocka_unit_test(crumbs_become_one_cookie_in_the_place_of_the_first),
        cmocka_unit_test(joined_crumbs_obey_the_line_bound),
        cmocka_unit_test(long_paths_and_fields_meet_the_bounds_of_http_1),
        cmocka_unit_test(fields_are_counted_with_the_bound_of_http_1),
        cmocka_unit_test(only_the_bytes_of_the_tables_pass),
        cmocka_unit_test(a_small_arena_is_an_outcome),
        cmocka_unit_test(hygiene_applies_to_it_as_to_any_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
