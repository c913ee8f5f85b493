/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <ctype.h>
#include <stdio.h>

#include "base/limits.h"
#include "http/h1_parse.h"
#include "framing_lines.h"

struct outcome {
    int err;
    enum h1_fault fault;
    struct http_req req;
    struct http_resp resp;
    struct arena arena;
};

static void
outcome_done(struct outcome *o)
{
    arena_done(&o->arena);
}

/* Scan, then parse; GW_E_AGAIN when the head does not end. */
static void
judge_request(struct outcome *o, struct str bytes)
{
    struct h1_scan scan;
    size_t len = 0;

    *o = (struct outcome){.err = 0};
    arena_init(&o->arena, STREAM_ARENA_BLOCK, STREAM_ARENA_MAX);
    h1_scan_init(&scan, true);
    o->err = h1_scan(&scan, bytes, &len, &o->fault);
    if (o->err == 0)
        o->err = h1_parse_request(str_sub(bytes, 0, len), &o->arena, &o->req, &o->fault);
}

static void
judge_response(struct outcome *o, struct str bytes, enum http_method method)
{
    struct h1_scan scan;
    size_t len = 0;

    *o = (struct outcome){.err = 0};
    arena_init(&o->arena, STREAM_ARENA_BLOCK, STREAM_ARENA_MAX);
    h1_scan_init(&scan, false);
    o->err = h1_scan(&scan, bytes, &len, &o->fault);
    if (o->err == 0)
        o->err = h1_parse_response(str_sub(bytes, 0, len), method, &o->arena, &o->resp, &o->fault);
}

/* ---------------------------------------------------------------- requests */

static void
good_requests_are_read(void **state)
{
    static const struct {
        const char *head, *method, *path, *query, *authority;
        enum http_version version;
        enum http_framing framing;
        uint64_t length;
        uint32_t fields;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET", "/", NULL, "a.example", HTTP_11,
         FRAMING_NONE, 0, 1},
        {"\r\nGET /x?y=1&z HTTP/1.1\r\nhost:A.Example.:8443\r\n\r\n", "GET", "/x", "y=1&z",
         "a.example:8443", HTTP_11, FRAMING_NONE, 0, 1},
        {"GET /? HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", "", "a", HTTP_11, FRAMING_NONE, 0, 1},
        {"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 42\r\n\r\n", "POST", "/p", NULL, "a",
         HTTP_11, FRAMING_LENGTH, 42, 2},
        {"POST /p HTTP/1.1\r\nHost: a\r\ncontent-length:\t0 \t\r\n\r\n", "POST", "/p", NULL, "a",
         HTTP_11, FRAMING_LENGTH, 0, 2},
        {"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 9007199254740992\r\n\r\n", "POST", "/p",
         NULL, "a", HTTP_11, FRAMING_LENGTH, 9007199254740992, 2},
        {"PUT /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n", "PUT", "/p", NULL, "a",
         HTTP_11, FRAMING_CHUNKED, 0, 2},
        {"PUT /p HTTP/1.1\r\nTRANSFER-ENCODING:  CHUNKED  \r\nHost: a\r\n\r\n", "PUT", "/p", NULL,
         "a", HTTP_11, FRAMING_CHUNKED, 0, 2},
        {"GET / HTTP/1.0\r\n\r\n", "GET", "/", NULL, "", HTTP_10, FRAMING_NONE, 0, 0},
        {"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", "GET", "/", NULL, "a",
         HTTP_10, FRAMING_NONE, 0, 2},
        {"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n", "POST", "/", NULL, "", HTTP_10,
         FRAMING_LENGTH, 3, 1},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS", "*", NULL, "a", HTTP_11, FRAMING_NONE,
         0, 1},
        {"GET http://a.example:80/x HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET", "/x", NULL,
         "a.example:80", HTTP_11, FRAMING_NONE, 0, 1},
        {"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "TRACE", "/", NULL, "a", HTTP_11, FRAMING_NONE, 0,
         1},
        {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "CONNECT", "", NULL, "a:443", HTTP_11,
         FRAMING_NONE, 0, 1},
        {"M-SEARCH!#$%&'*+-.^_`|~ / HTTP/1.1\r\nHost: a\r\n\r\n", "M-SEARCH!#$%&'*+-.^_`|~", "/",
         NULL, "a", HTTP_11, FRAMING_NONE, 0, 1},
        {"GET / HTTP/1.1\r\nHost: [::1]:8443\r\nX:\r\nY: \xe9\t\"z\"\r\n\r\n", "GET", "/", NULL,
         "[::1]:8443", HTTP_11, FRAMING_NONE, 0, 3},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct outcome o;

        judge_request(&o, str_from(rows[i].head));
        assert_int_equal(o.err, 0);
        assert_str_equal(o.req.method_text, str_from(rows[i].method));
        assert_str_equal(o.req.path, str_from(rows[i].path));
        assert_str_equal(o.req.query, str_from(rows[i].query));
        assert_int_equal(o.req.query.ptr != NULL, rows[i].query != NULL);
        assert_str_equal(o.req.authority, str_from(rows[i].authority));
        assert_int_equal(o.req.version, rows[i].version);
        assert_int_equal(o.req.framing, rows[i].framing);
        assert_int_equal(o.req.content_length, rows[i].length);
        assert_int_equal(o.req.headers.count, rows[i].fields);
        assert_int_equal(o.req.headers.count_max, rows[i].fields + HEADERS_SPARE);
        assert_int_equal(o.req.keep_alive, rows[i].version == HTTP_11);
        assert_int_equal(o.req.head_bytes, strlen(rows[i].head));
        outcome_done(&o);
    }
}

static const struct {
    const char *head;
    enum h1_fault fault;
} bad_requests[] = {
    {"GET / HTTP/1.1\r\n\r\n", H1_FAULT_NO_HOST},
    {"GET http://a/ HTTP/1.1\r\n\r\n", H1_FAULT_NO_HOST},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", H1_FAULT_MANY_HOSTS},
    {"GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", H1_FAULT_MANY_HOSTS},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", H1_FAULT_BAD_HOST},
    {"GET / HTTP/1.0\r\nHost: \r\n\r\n", H1_FAULT_BAD_HOST},
    {"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", H1_FAULT_BAD_HOST},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", H1_FAULT_BAD_HOST},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", H1_FAULT_BAD_HOST},
    {"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", H1_FAULT_HOST_MISMATCH},
    {"GET /\r\n\r\n", H1_FAULT_BAD_LINE},
    {"GET\r\n\r\n", H1_FAULT_BAD_METHOD},
    {"GET /x y HTTP/1.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_LINE},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_LINE},
    {"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_LINE},
    {"GET  HTTP/1.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_LINE},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", H1_FAULT_BAD_LINE},
    {"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_METHOD},
    {"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_LINE},
    {"GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_TARGET},
    {"GET / HTTP/1.1\t\r\nHost: a\r\n\r\n", H1_FAULT_BAD_LINE},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_LINE},
    {"GET / HTTP/1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_LINE},
    {"GET / HTTP/1.10\r\nHost: a\r\n\r\n", H1_FAULT_BAD_LINE},
    {"GET / HTTP/01.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_LINE},
    {"GET / HTTP/1,1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_LINE},
    {"GET / HTTP/+1.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_LINE},
    {"GET / XTTP/1.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_LINE},
    {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", H1_FAULT_BAD_VERSION},
    {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", H1_FAULT_BAD_VERSION},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", H1_FAULT_BAD_VERSION},
    {"GET / HTTP/3.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_VERSION},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", H1_FAULT_BAD_VERSION},
    {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_METHOD},
    {"\"GET\" / HTTP/1.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_METHOD},
    {"G\xc3\x89T / HTTP/1.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_METHOD},
    {"AAAAAAAAAABBBBBBBBBBCCCCCCCCCCDDDDDDDDDDE / HTTP/1.1\r\nHost: a\r\n\r\n",
     H1_FAULT_BAD_METHOD},
    {"GET x HTTP/1.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_TARGET},
    {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_TARGET},
    {"GET /# HTTP/1.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_TARGET},
    {"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", H1_FAULT_BAD_TARGET},
    {"GET / HTTP/1.1\r\nHost a\r\n\r\n", H1_FAULT_BAD_NAME},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", H1_FAULT_BAD_NAME},
    {"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", H1_FAULT_BAD_NAME},
    {"GET / HTTP/1.1\r\n: a\r\n\r\n", H1_FAULT_BAD_NAME},
    {"GET / HTTP/1.1\r\nHost\r\n\r\n", H1_FAULT_BAD_NAME},
    {"GET / HTTP/1.1\r\n\"Host\": a\r\n\r\n", H1_FAULT_BAD_NAME},
    {"GET / HTTP/1.1\r\nHost: a\r\nX(1): b\r\n\r\n", H1_FAULT_BAD_NAME},
    {"GET / HTTP/1.1\r\nHost: a\r\nX\xc3\xa9: b\r\n\r\n", H1_FAULT_BAD_NAME},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
     H1_FAULT_MANY_CONTENT_LENGTHS},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", H1_FAULT_BAD_CONTENT_LENGTH},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", H1_FAULT_BAD_CONTENT_LENGTH},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", H1_FAULT_BAD_CONTENT_LENGTH},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n", H1_FAULT_BAD_CONTENT_LENGTH},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9007199254740993\r\n\r\n",
     H1_FAULT_BAD_CONTENT_LENGTH},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\n",
     H1_FAULT_BAD_CONTENT_LENGTH},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
     H1_FAULT_LENGTH_AND_CHUNKED},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\nContent-Length: 1\r\n\r\n",
     H1_FAULT_LENGTH_AND_CHUNKED},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
     H1_FAULT_BAD_TRANSFER_ENCODING},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
     H1_FAULT_BAD_TRANSFER_ENCODING},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", H1_FAULT_BAD_TRANSFER_ENCODING},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
     "chunked\r\n\r\n",
     H1_FAULT_BAD_TRANSFER_ENCODING},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", H1_FAULT_CHUNKED_IN_10},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n", H1_FAULT_SUSPICIOUS_NAME},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent--Length: 1\r\n\r\n", H1_FAULT_SUSPICIOUS_NAME},
};

static void
bad_requests_are_refused_with_their_fault(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(bad_requests); i++) {
        struct outcome o;

        judge_request(&o, str_from(bad_requests[i].head));
        if (o.err != GW_E_PROTO || o.fault != bad_requests[i].fault)
            print_error("row %zu: %s\n", i, h1_fault_text(o.fault));
        assert_int_equal(o.err, GW_E_PROTO);
        assert_int_equal(o.fault, bad_requests[i].fault);
        outcome_done(&o);
    }
}

static void
faults_have_the_statuses_that_clients_expect(void **state)
{
    (void)state;
    assert_int_equal(h1_fault_status(H1_FAULT_LINE_TOO_LONG), 414);
    assert_int_equal(h1_fault_status(H1_FAULT_HEADER_TOO_LONG), 431);
    assert_int_equal(h1_fault_status(H1_FAULT_HEAD_TOO_LONG), 431);
    assert_int_equal(h1_fault_status(H1_FAULT_TOO_MANY_HEADERS), 431);
    assert_int_equal(h1_fault_status(H1_FAULT_BAD_VERSION), 505);
    assert_int_equal(h1_fault_status(H1_FAULT_BAD_LINE), 400);
    assert_int_equal(h1_fault_status(H1_FAULT_BAD_TRANSFER_ENCODING), 501);
    assert_int_equal(h1_fault_status(H1_FAULT_BAD_EXPECT), 417);
    assert_int_equal(h1_fault_status(H1_FAULT_BAD_STATUS), 502);
}

static void
values_lose_outer_white_space_only(void **state)
{
    struct outcome o;

    (void)state;
    judge_request(&o, STR("GET / HTTP/1.1\r\nHost: a\r\nX: \t b \t c\t \r\nY:d\r\nZ: \t \r\n\r\n"));
    assert_int_equal(o.err, 0);
    assert_str_equal(o.req.headers.fields[1].value, STR("b \t c"));
    assert_str_equal(o.req.headers.fields[2].value, STR("d"));
    assert_str_equal(o.req.headers.fields[3].value, STR(""));
    outcome_done(&o);
}

static void
names_and_values_are_not_copied(void **state)
{
    struct str head = STR("GET /a%20b?c HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n");
    struct outcome o;

    (void)state;
    judge_request(&o, head);
    assert_int_equal(o.err, 0);
    assert_ptr_equal(o.req.method_text.ptr, head.ptr);
    assert_ptr_equal(o.req.path.ptr, head.ptr + 4);
    assert_ptr_equal(o.req.headers.fields[1].name.ptr, strstr(head.ptr, "X:"));
    assert_ptr_equal(o.req.headers.fields[1].value.ptr, strstr(head.ptr, "y\r"));
    outcome_done(&o);
    judge_request(&o, STR("GET /plain/path?c HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_ptr_equal(o.req.route_path.ptr, o.req.path.ptr);
    outcome_done(&o);
}

static void
an_arena_that_is_too_small_is_an_outcome(void **state)
{
    struct str head = STR("GET /a/../%41 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n");
    struct http_req req = {.content_length = 77};
    size_t max = 0;
    int err;

    (void)state;
    do {
        struct arena arena;
        enum h1_fault fault = H1_FAULT_NONE;

        arena_init(&arena, 64, max);
        err = h1_parse_request(head, &arena, &req, &fault);
        if (err != 0) {
            assert_int_equal(fault, H1_FAULT_NO_MEMORY);
            assert_int_equal(req.content_length, 77); /* outputs are written on success only */
        }
        arena_done(&arena);
        max += 16;
    } while (err != 0 && max < 4096);
    assert_int_equal(err, 0);
}

static void
heads_that_were_not_scanned_do_no_harm(void **state)
{
    static const char *const heads[] = {
        "",
        "\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET / HTTP/1.1\r\nA: \r\r\n\r\n",
        "\r\n\r\n\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nX: y\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < array_len(heads); i++) {
        struct arena arena;
        struct http_req req;
        struct http_resp resp;
        enum h1_fault fault;

        arena_init(&arena, STREAM_ARENA_BLOCK, STREAM_ARENA_MAX);
        assert_int_equal(h1_parse_request(str_from(heads[i]), &arena, &req, &fault), GW_E_PROTO);
        assert_int_equal(h1_parse_response(str_from(heads[i]), METHOD_GET, &arena, &resp, &fault),
                         GW_E_PROTO);
        arena_done(&arena);
    }
}

/* ---------------------------------------------------------------- responses */

static void
good_responses_are_read(void **state)
{
    static const struct {
        const char *head;
        enum http_method method;
        int status;
        const char *reason;
        enum http_framing framing;
        uint64_t length;
        bool keep_alive;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", METHOD_GET, 200, "OK", FRAMING_LENGTH, 5,
         true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", METHOD_GET, 200, "OK", FRAMING_LENGTH, 0,
         true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", METHOD_GET, 200, "OK",
         FRAMING_CHUNKED, 0, true},
        {"HTTP/1.1 200 OK\r\n\r\n", METHOD_GET, 200, "OK", FRAMING_UNTIL_CLOSE, 0, false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", METHOD_GET, 200, "OK", FRAMING_LENGTH, 5,
         false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", METHOD_HEAD, 200, "OK", FRAMING_NONE, 5,
         true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", METHOD_HEAD, 200, "OK",
         FRAMING_NONE, 0, true},
        {"HTTP/1.1 200 OK\r\n\r\n", METHOD_HEAD, 200, "OK", FRAMING_NONE, 0, true},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", METHOD_GET, 304, "Not Modified",
         FRAMING_NONE, 9, true},
        {"HTTP/1.1 204 No Content\r\n\r\n", METHOD_GET, 204, "No Content", FRAMING_NONE, 0, true},
        {"HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", METHOD_GET, 204, "No", FRAMING_NONE, 0,
         true},
        {"HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\n", METHOD_GET, 204, "No", FRAMING_NONE, 4,
         false},
        {"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", METHOD_GET, 204, "No",
         FRAMING_NONE, 0, false},
        {"HTTP/1.1 100 Continue\r\n\r\n", METHOD_POST, 100, "Continue", FRAMING_NONE, 0, true},
        {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", METHOD_POST, 103, "Early Hints",
         FRAMING_NONE, 0, true},
        {"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n", METHOD_GET, 200, "", FRAMING_LENGTH, 1,
         true},
        {"HTTP/1.1 999 \xe9\t(:\r\nContent-Length: 1\r\n\r\n", METHOD_GET, 999,
         "\xe9\t(:", FRAMING_LENGTH, 1, true},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct outcome o;

        judge_response(&o, str_from(rows[i].head), rows[i].method);
        assert_int_equal(o.err, 0);
        assert_int_equal(o.resp.status, rows[i].status);
        assert_str_equal(o.resp.reason, str_from(rows[i].reason));
        assert_int_equal(o.resp.framing, rows[i].framing);
        assert_int_equal(o.resp.content_length, rows[i].length);
        assert_int_equal(o.resp.keep_alive, rows[i].keep_alive);
        assert_int_equal(o.resp.head_bytes, strlen(rows[i].head));
        outcome_done(&o);
    }
}

static void
bad_responses_are_refused(void **state)
{
    static const char *const heads[] = {
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/0.9 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1\t200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 -20 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200-OK\r\n\r\n",
        "HTTP/1.1 \r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1,1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 103 Hints\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent_Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nSet-Cookie : 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n folded: 1\r\n\r\n",
        "HTTP/1.1 200 OK\nA: b\n\n",
        "HTTP/1.1 200 \x01OK\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < array_len(heads); i++) {
        struct outcome o;

        judge_response(&o, str_from(heads[i]), METHOD_GET);
        if (o.err != GW_E_PROTO)
            print_error("row %zu was accepted\n", i);
        assert_int_equal(o.err, GW_E_PROTO);
        outcome_done(&o);
    }
}

/* The phrase is not part of the protocol's decisions; so a server that leaves out the space before
 * an empty one is understood. */
static void
a_missing_reason_phrase_is_forgiven(void **state)
{
    struct outcome o;

    (void)state;
    judge_response(&o, STR("HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n"), METHOD_GET);
    assert_int_equal(o.err, 0);
    assert_int_equal(o.resp.status, 404);
    assert_int_equal(o.resp.reason.len, 0);
    outcome_done(&o);
}

/* ---------------------------------------------------------------- cuts, flips, sweeps */

static const char request_fixture[] =
    "POST /a/b%2Fc/../d?e=f&g HTTP/1.1\r\nHost: api.example.test:8443\r\nAccept: */*\r\n"
    "Content-Length: 12\r\nX-Forwarded-For: 10.0.0.1\r\nCookie: a=b; c=d\r\n\r\n";
static const char response_fixture[] =
    "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nTransfer-Encoding: chunked\r\n"
    "Content-Type: text/html\r\nSet-Cookie: a=b\r\n\r\n";

static void
must_want_more(void *arg, struct str input)
{
    struct outcome o;

    (void)arg;
    judge_request(&o, input);
    assert_int_equal(o.err, GW_E_AGAIN);
    outcome_done(&o);
    judge_response(&o, input, METHOD_GET);
    assert_int_equal(o.err, GW_E_AGAIN);
    outcome_done(&o);
}

static void
a_cut_head_wants_more(void **state)
{
    (void)state;
    for_each_truncation(str_make(request_fixture, sizeof(request_fixture) - 1), must_want_more,
                        NULL);
    for_each_truncation(str_make(response_fixture, sizeof(response_fixture) - 1), must_want_more,
                        NULL);
}

/* Whatever is accepted keeps the promises of the model. */
static void
check_request(const struct outcome *o)
{
    for (uint32_t i = 0; i < o->req.headers.count; i++) {
        assert_true(http_is_token(o->req.headers.fields[i].name));
        assert_true(http_is_field_value(o->req.headers.fields[i].value));
    }
    assert_true(http_is_token(o->req.method_text));
    assert_true(http_headers_count(&o->req.headers, HEADER_HOST) <= 1);
    if (o->req.version == HTTP_11)
        assert_true(o->req.host.len > 0);
    for (size_t i = 0; i < o->req.target.len; i++)
        assert_true(o->req.target.ptr[i] > 0x20 && o->req.target.ptr[i] < 0x7f);
}

static void
must_be_sane(void *arg, struct str input)
{
    struct outcome o;

    (void)arg;
    judge_request(&o, input);
    if (o.err == 0)
        check_request(&o);
    outcome_done(&o);
    judge_response(&o, input, METHOD_GET);
    outcome_done(&o);
}

static void
a_flipped_bit_breaks_nothing(void **state)
{
    (void)state;
    for_each_bit_flip(str_make(request_fixture, sizeof(request_fixture) - 1), must_be_sane, NULL);
    for_each_bit_flip(str_make(response_fixture, sizeof(response_fixture) - 1), must_be_sane, NULL);
}

static int
sweep_verdict(const char *fmt, int c)
{
    char head[128];
    const char *mark = strchr(fmt, '@');
    size_t before = (size_t)(mark - fmt);
    size_t len = strlen(fmt);
    struct outcome o;
    int err;

    memcpy(head, fmt, len);
    head[before] = (char)c;
    judge_request(&o, str_make(head, len));
    err = o.err;
    outcome_done(&o);
    return err;
}

static void
each_part_takes_its_own_bytes_only(void **state)
{
    static const char token_marks[] = "!#$%&'*+-.^_`|~";
    static const char path_marks[] = "-._~!$&'()*+,;=:@/";
    static const char query_marks[] = "-._~!$&'()*+,;=:@/?|{}^`[]";

    (void)state;
    for (int c = 1; c < 256; c++) {
        bool alnum = c < 128 && isalnum(c);
        bool token = alnum || strchr(token_marks, c) != NULL;
        bool value = c == '\t' || (c >= 0x20 && c != 0x7f);
        bool path = alnum || strchr(path_marks, c) != NULL || c == '?';
        bool query = alnum || strchr(query_marks, c) != NULL;

        assert_int_equal(sweep_verdict("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", c) == 0, token);
        assert_int_equal(sweep_verdict("GET /x@y HTTP/1.1\r\nHost: a\r\n\r\n", c) == 0, path);
        assert_int_equal(sweep_verdict("GET /x?@y HTTP/1.1\r\nHost: a\r\n\r\n", c) == 0, query);
        assert_int_equal(sweep_verdict("GET / HTTP/1.1\r\nHost: a\r\nX@Y: b\r\n\r\n", c) == 0,
                         token || c == ':');
        assert_int_equal(sweep_verdict("GET / HTTP/1.1\r\nHost: a\r\nXY: b@c\r\n\r\n", c) == 0,
                         value);
        assert_int_equal(sweep_verdict("GET / HTTP/1.@\r\nHost: a\r\n\r\n", c) == 0,
                         c == '0' || c == '1');
        assert_int_equal(sweep_verdict("GET / HTTP/@.1\r\nHost: a\r\n\r\n", c) == 0, c == '1');
        assert_int_equal(sweep_verdict("GET@/ HTTP/1.1\r\nHost: a\r\n\r\n", c) == 0, c == ' ');
        assert_int_equal(sweep_verdict("GET /@HTTP/1.1\r\nHost: a\r\n\r\n", c) == 0, c == ' ');
        assert_int_equal(sweep_verdict("GET / HTTP/1.1\r\nHost: a\r\nX@b\r\n\r\n", c) == 0,
                         c == ':');
        assert_int_equal(sweep_verdict("GET / HTTP/1.1\r\nHost: a@\r\n\r\n", c) == 0,
                         alnum ? true : strchr("-_. \t", c) != NULL);
    }
}

/* ---------------------------------------------------------------- framing, mutated */

/* A second, naive reading of a head, as an upstream might do it: lines at CRLF, name up to the
 * first colon. Counts what could be taken for framing by anybody. */
struct reading {
    size_t lengths, encodings, odd;
};

static bool
squeezed_is(const char *name, size_t len, const char *want)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)name[i]))
            continue;
        if (want[n] == '\0' || tolower((unsigned char)name[i]) != want[n])
            return false;
        n++;
    }
    return want[n] == '\0';
}

static void
read_line(const char *line, size_t len, struct reading *r)
{
    const char *colon = memchr(line, ':', len);
    size_t name_len = colon != NULL ? (size_t)(colon - line) : len;
    struct str name = str_make(line, name_len);
    struct str value = str_trim(str_sub(str_make(line, len), name_len + 1, len));
    uint64_t number;

    if (squeezed_is(line, name_len, "contentlength")) {
        r->lengths++;
        r->odd += !str_eq_nocase(name, STR("content-length")) ||
                  str_parse_u64(value, CONTENT_LENGTH_MAX, &number) != 0;
    } else if (squeezed_is(line, name_len, "transferencoding")) {
        r->encodings++;
        r->odd +=
            !str_eq_nocase(name, STR("transfer-encoding")) || !str_eq_nocase(value, STR("chunked"));
    }
    r->odd += len > 0 && (line[0] == ' ' || line[0] == '\t');
}

static struct reading
read_naively(struct str head)
{
    struct reading r = {0};
    size_t from = 0;

    for (size_t i = 0; i < head.len; i++) {
        bool is_lone = (head.ptr[i] == '\n' && (i == 0 || head.ptr[i - 1] != '\r')) ||
                       (head.ptr[i] == '\r' && (i + 1 == head.len || head.ptr[i + 1] != '\n'));

        r.odd += is_lone || head.ptr[i] == '\0';
        if (head.ptr[i] != '\n')
            continue;
        read_line(head.ptr + from, i - from - (i > from && head.ptr[i - 1] == '\r'), &r);
        from = i + 1;
    }
    return r;
}

struct tally {
    size_t made, accepted;
};

/* Accepted means: one reading, and it is ours. */
static void
must_be_unambiguous(struct str head, struct tally *tally)
{
    struct reading r = read_naively(head);
    struct outcome o;

    tally->made++;
    judge_request(&o, head);
    if (o.err == 0) {
        tally->accepted++;
        if (r.odd != 0 || r.lengths + r.encodings > 1)
            print_error("accepted: %.*s\n", STR_ARG(head));
        assert_int_equal(r.odd, 0);
        assert_true(r.lengths + r.encodings <= 1);
        assert_int_equal(o.req.framing, r.lengths > 0     ? FRAMING_LENGTH
                                        : r.encodings > 0 ? FRAMING_CHUNKED
                                                          : FRAMING_NONE);
    } else if (o.err == GW_E_PROTO) {
        /* Nothing that only one reading exists of is refused without a reason of its own. */
        assert_true(o.fault != H1_FAULT_NONE);
    }
    outcome_done(&o);
}

static void
mutate_pair(const char *one, const char *two, struct tally *tally)
{
    static const struct {
        const char *before, *between;
    } forms[] = {
        {"POST / HTTP/1.1\r\nHost: a\r\n", ""},
        {"POST / HTTP/1.1\r\n", "Host: a\r\nX: y\r\n"},
        {"POST / HTTP/1.0\r\n", "A: b\r\n"},
    };
    char head[512];

    for (size_t i = 0; i < 2 * array_len(forms); i++) {
        int n = snprintf(head, sizeof(head), "%s%s\r\n%s%s\r\n\r\n", forms[i / 2].before,
                         i % 2 ? two : one, forms[i / 2].between, i % 2 ? one : two);

        must_be_unambiguous(str_make(head, (size_t)n), tally);
    }
}

static void
no_mutation_of_framing_is_accepted_ambiguously(void **state)
{
    struct tally tally = {0};

    (void)state;
    for (size_t i = 0; i < array_len(framing_te_lines); i++) {
        mutate_pair(framing_te_lines[i], "X: y", &tally);
        mutate_pair(framing_te_lines[i], "Transfer-Encoding: chunked", &tally);
        for (size_t j = 0; j < array_len(framing_cl_lines); j++)
            mutate_pair(framing_te_lines[i], framing_cl_lines[j], &tally);
    }
    for (size_t j = 0; j < array_len(framing_cl_lines); j++) {
        mutate_pair(framing_cl_lines[j], "X: y", &tally);
        mutate_pair(framing_cl_lines[j], "Content-Length: 5", &tally);
    }
    print_message("%zu mutations, %zu accepted, none ambiguous\n", tally.made, tally.accepted);
    assert_true(tally.made >= 1600);
    assert_true(tally.accepted > 0 && tally.accepted < tally.made / 20);
}

static void
no_byte_beside_a_framing_name_makes_it_ambiguous(void **state)
{
    static const char *const forms[] = {
        "@Transfer-Encoding: chunked", "Transfer@Encoding: chunked",  "Transfer-Encoding@: chunked",
        "Transfer-Encoding:@chunked",  "Transfer-Encoding: chun@ked", "Transfer-Encoding: chunked@",
        "@Content-Length: 5",          "Content@Length: 5",           "Content-Length@: 5",
        "Content-Length:@5",           "Content-Length: 1@5",         "Content-Length: 5@",
    };
    struct tally tally = {0};
    char head[256];

    (void)state;
    for (size_t i = 0; i < array_len(forms); i++) {
        for (int c = 0; c < 256; c++) {
            int n =
                snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", forms[i]);

            *strchr(head, '@') = (char)c;
            must_be_unambiguous(str_make(head, (size_t)n), &tally);
        }
    }
    assert_int_equal(tally.made, 12 * 256);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_requests_are_read),
        cmocka_unit_test(bad_requests_are_refused_with_their_fault),
        cmocka_unit_test(faults_have_the_statuses_that_clients_expect),
        cmocka_unit_test(values_lose_outer_white_space_only),
        cmocka_unit_test(names_and_values_are_not_copied),
        cmocka_unit_test(an_arena_that_is_too_small_is_an_outcome),
        cmocka_unit_test(heads_that_were_not_scanned_do_no_harm),
        cmocka_unit_test(good_responses_are_read),
        cmocka_unit_test(bad_responses_are_refused),
        cmocka_unit_test(a_missing_reason_phrase_is_forgiven),
        cmocka_unit_test(a_cut_head_wants_more),
        cmocka_unit_test(a_flipped_bit_breaks_nothing),
        cmocka_unit_test(each_part_takes_its_own_bytes_only),
        cmocka_unit_test(no_mutation_of_framing_is_accepted_ambiguously),
        cmocka_unit_test(no_byte_beside_a_framing_name_makes_it_ambiguous),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
