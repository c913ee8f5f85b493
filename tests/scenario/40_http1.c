/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1 through the whole gateway, over mTLS: what clients may do, what they may not, and
 * what the upstream gets to see of it. Checks are made on the bytes that the origin received.
 */
#include "40_world.h"

#include <ctype.h>

#include "40_oracle.h"

#define GET_OK "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define OK_2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* The only request that the origin has received; *bytes is to be freed after r->body. */
static void
only_request(struct world *w, struct oracle_request *r, struct bytes *bytes)
{
    struct str rest;

    *bytes = origin_received_all(w->origin);
    rest = bytes_str(bytes);
    assert_int_equal(oracle_next(&rest, r), 1);
    assert_int_equal(rest.len, 0);
    assert_false(r->is_cut);
}

/* Sends one request on a new connection, expects 200, and takes what the origin saw. */
static void
exchange_ok(struct world *w, const char *text, struct oracle_request *r, struct bytes *bytes)
{
    struct client *c = world_h1(w, WORLD_VERIFY);
    struct response got;

    origin_forget(w->origin);
    got = client_exchange(c, text);
    assert_int_equal(got.status, 200);
    assert_true(got.complete);
    response_free(&got);
    client_close(c);
    only_request(w, r, bytes);
}

/* ---- connections ---- */

static void
a_connection_serves_many_requests(void **state)
{
    struct world *w = *state;
    struct client *c = world_h1(w, WORLD_VERIFY);

    for (int i = 0; i < 20; i++) {
        struct response r = client_exchange(c, GET_OK);

        assert_int_equal(r.status, 200);
        assert_str_equal(bytes_str(&r.body), STR("ok"));
        assert_str_equal(response_field(&r, "connection"), STR("keep-alive"));
        response_free(&r);
    }
    client_close(c);
    assert_int_equal(origin_request_count(w->origin), 20);
    assert_int_equal(origin_conn_count(w->origin), 1);
}

static void
connection_close_is_obeyed_after_the_whole_answer(void **state)
{
    struct world *w = *state;
    struct client *c = world_h1(w, WORLD_VERIFY);
    struct response r =
        client_exchange(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");

    assert_int_equal(r.status, 200);
    assert_true(r.complete);
    assert_str_equal(response_field(&r, "connection"), STR("close"));
    assert_int_equal(client_wait_closed(c, 3000), CLIENT_EOF);
    assert_true(client_close_notify(c));
    response_free(&r);
    client_close(c);
}

#define NUMBERED(n) "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" n

static void
pipelined_requests_are_answered_in_order(void **state)
{
    static const struct origin_step steps[] = {
        ORIGIN_READ_REQUEST,        ORIGIN_SEND(NUMBERED("0")), ORIGIN_READ_REQUEST,
        ORIGIN_SEND(NUMBERED("1")), ORIGIN_READ_REQUEST,        ORIGIN_SEND(NUMBERED("2")),
        ORIGIN_READ_REQUEST,        ORIGIN_SEND(NUMBERED("3")), ORIGIN_READ_REQUEST,
        ORIGIN_SEND(NUMBERED("4")), ORIGIN_READ_REQUEST,        ORIGIN_SEND(NUMBERED("5")),
        ORIGIN_READ_REQUEST,        ORIGIN_SEND(NUMBERED("6")), ORIGIN_READ_REQUEST,
        ORIGIN_SEND(NUMBERED("7")), ORIGIN_READ_REQUEST,        ORIGIN_SEND(NUMBERED("8")),
        ORIGIN_READ_REQUEST,        ORIGIN_SEND(NUMBERED("9")), ORIGIN_HOLD,
    };
    struct world *w = *state;
    struct client *c = world_h1(w, WORLD_VERIFY);
    struct bytes text = {0};
    struct bytes seen;
    struct str rest;

    world_set_steps(w, STEPS(steps));
    for (int i = 0; i < 10; i++)
        bytes_printf(&text, "%s /%d HTTP/1.1\r\nHost: localhost\r\n%s", i % 3 == 2 ? "POST" : "GET",
                     i, i % 3 == 2 ? "Content-Length: 4\r\n\r\nbody" : "\r\n");
    assert_int_equal(client_send(c, text.ptr, text.len), CLIENT_OK);
    for (int i = 0; i < 10; i++) {
        struct response r = client_response(c, false);
        char want[2] = {(char)('0' + i), '\0'};

        assert_int_equal(r.status, 200);
        assert_str_equal(bytes_str(&r.body), str_from(want));
        response_free(&r);
    }
    seen = origin_received_all(w->origin);
    rest = bytes_str(&seen);
    for (int i = 0; i < 10; i++) {
        struct oracle_request r;

        assert_int_equal(oracle_next(&rest, &r), 1);
        assert_int_equal(r.target.len, 2);
        assert_int_equal(r.target.ptr[1], '0' + i);
        assert_int_equal(r.body.len, i % 3 == 2 ? 4 : 0);
        bytes_free(&r.body);
    }
    assert_int_equal(rest.len, 0);
    bytes_free(&seen);
    bytes_free(&text);
    client_close(c);
}

static void
http_10_is_answered_and_closed(void **state)
{
    static const char *const requests[] = {
        "GET /old HTTP/1.0\r\n\r\n",
        "GET /old HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n",
        "POST /old HTTP/1.0\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
    };
    struct world *w = *state;

    for (size_t i = 0; i < array_len(requests); i++) {
        struct client *c = world_h1(w, WORLD_VERIFY);
        struct oracle_request seen;
        struct bytes bytes;
        struct response r;

        origin_forget(w->origin);
        r = client_exchange(c, requests[i]);
        assert_int_equal(r.status, 200);
        assert_true(r.complete);
        assert_str_equal(response_field(&r, "connection"), STR("close"));
        assert_int_equal(client_wait_closed(c, 3000), CLIENT_EOF);
        assert_true(client_close_notify(c));
        only_request(w, &seen, &bytes);
        assert_str_equal(seen.target, STR("/old"));
        assert_int_equal(seen.body.len, i == 2 ? 3 : 0);
        bytes_free(&seen.body);
        bytes_free(&bytes);
        response_free(&r);
        client_close(c);
    }
}

/* ---- bodies ---- */

static void
a_chunked_request_is_chunked_anew(void **state)
{
    struct world *w = *state;
    struct oracle_request r;
    struct bytes bytes;

    exchange_ok(w,
                "POST /c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
                "Trailer: X-Late\r\n\r\n"
                "0005;ext=1;more\r\nhello\r\n1\r\n \r\n005\r\nworld\r\n000\r\n"
                "X-Late: no\r\nX-Amzn-Mtls-Clientcert-Subject: CN=evil\r\n\r\n",
                &r, &bytes);
    assert_true(r.is_chunked);
    assert_str_equal(bytes_str(&r.body), STR("hello world"));
    assert_false(origin_saw(w->origin, "ext"));
    assert_false(origin_saw(w->origin, "X-Late"));
    assert_false(origin_saw(w->origin, "evil"));
    bytes_free(&r.body);
    bytes_free(&bytes);
}

static void
a_chunked_response_is_chunked_anew(void **state)
{
    static const struct origin_step steps[] = {
        ORIGIN_READ_REQUEST,
        ORIGIN_DRIBBLE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n"
                       "4;x=y\r\nwiki\r\n005\r\npedia\r\n0\r\nX-T: 1\r\n\r\n",
                       7, 1),
        ORIGIN_LOOP,
    };
    struct world *w = *state;
    struct client *c = world_h1(w, WORLD_VERIFY);

    world_set_steps(w, STEPS(steps));
    for (int i = 0; i < 3; i++) {
        struct response r = client_exchange(c, GET_OK);

        assert_int_equal(r.status, 200);
        assert_true(r.complete);
        assert_true(r.is_chunked);
        assert_str_equal(bytes_str(&r.body), STR("wikipedia"));
        assert_str_equal(bytes_str(&r.trailers), STR("\r\n"));
        assert_str_equal(response_field(&r, "x-a"), STR("b"));
        response_free(&r);
    }
    client_close(c);
    assert_int_equal(origin_conn_count(w->origin), 1);
}

/* An HTTP/1.0 client cannot read chunks: its body ends with the connection. */
static void
a_chunked_response_to_http_10_ends_with_the_connection(void **state)
{
    static const struct origin_step steps[] = {
        ORIGIN_READ_REQUEST,
        ORIGIN_SEND("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n0\r\n\r\n"),
        ORIGIN_LOOP,
    };
    struct world *w = *state;
    struct client *c = world_h1(w, WORLD_VERIFY);
    struct response r;

    world_set_steps(w, STEPS(steps));
    r = client_exchange(c, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n");
    assert_int_equal(r.status, 200);
    assert_int_equal(response_field_count(&r, "transfer-encoding"), 0);
    assert_int_equal(response_field_count(&r, "content-length"), 0);
    assert_str_equal(bytes_str(&r.body), STR("wiki"));
    assert_true(client_close_notify(c));
    response_free(&r);
    client_close(c);
}

static void
responses_without_a_body_leave_the_connection_usable(void **state)
{
    static const struct {
        const char *request, *response, *length;
        int status;
    } cases[] = {
        {"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n",
         "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n", "12345", 200},
        {"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "", 200},
        {GET_OK, "HTTP/1.1 204 No Content\r\n\r\n", "", 204},
        {GET_OK, "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", "", 304},
        {GET_OK, "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", "99", 304},
        {GET_OK, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "0", 200},
    };
    struct world *w = *state;

    for (size_t i = 0; i < array_len(cases); i++) {
        struct origin_step steps[] = {ORIGIN_READ_REQUEST,
                                      {.op = ORIGIN_OP_SEND, .data = str_from(cases[i].response)},
                                      ORIGIN_READ_REQUEST,
                                      ORIGIN_SEND(OK_2)};
        struct client *c = world_h1(w, WORLD_VERIFY);
        struct response r;

        assert_true(origin_wait_idle(w->origin, 5000));
        world_set_steps(w, STEPS(steps));
        r = client_exchange(c, cases[i].request);
        assert_int_equal(r.status, cases[i].status);
        assert_str_equal(response_field(&r, "content-length"), str_from(cases[i].length));
        response_free(&r);
        r = client_exchange(c, GET_OK);
        assert_str_equal(bytes_str(&r.body), STR("ok"));
        response_free(&r);
        client_close(c);
    }
    assert_true(origin_wait_idle(w->origin, 5000));
}

static void
the_gateway_answers_expect_itself(void **state)
{
    struct world *w = *state;
    struct client *c = world_h1(w, WORLD_VERIFY);
    struct bytes seen = {0};
    struct oracle_request r;
    struct response got;

    client_puts(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
                   "Expect: 100-Continue\r\n\r\n");
    assert_int_equal(client_read_until(c, "\r\n\r\n", &seen), CLIENT_OK);
    assert_str_equal(bytes_str(&seen), STR("HTTP/1.1 100 Continue\r\n\r\n"));
    bytes_free(&seen);
    got = client_exchange(c, "hello");
    assert_int_equal(got.status, 200);
    assert_int_equal(got.interim, 0);
    response_free(&got);
    only_request(w, &r, &seen);
    assert_str_equal(bytes_str(&r.body), STR("hello"));
    assert_int_equal(oracle_field(&r, "expect").len, 0);
    assert_false(origin_saw(w->origin, "xpect"));
    bytes_free(&r.body);
    bytes_free(&seen);

    got = client_exchange(c, "GET / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(got.status, 200);
    assert_int_equal(got.interim, 0);
    response_free(&got);
    client_close(c);
}

/* The body may come before the 100 was read, or in the same bytes as the head. */
static void
expect_with_the_body_at_once_is_fine(void **state)
{
    struct world *w = *state;
    struct client *c = world_h1(w, WORLD_VERIFY);

    for (int i = 0; i < 3; i++) {
        struct response r =
            client_exchange(c, "PUT / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");

        assert_int_equal(r.status, 200);
        response_free(&r);
    }
    client_close(c);
    assert_false(origin_saw(w->origin, "xpect"));
}

/* ---- refusals ---- */

struct refusal {
    int status;
    const char *request;
};

/* Each is refused with ALB's page and a close, and the origin has seen nothing. */
static void
all_are_refused(struct world *w, const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct client *c = world_h1(w, WORLD_VERIFY);
        struct response r = client_exchange(c, cases[i].request);

        if (r.status != cases[i].status)
            print_error("%d instead of %d: %s\n", r.status, cases[i].status, cases[i].request);
        assert_own_page(&r, cases[i].status);
        response_free(&r);
        client_close(c);
    }
    assert_int_equal(origin_conn_count(w->origin), 0);
    print_message("%zu requests refused, origin saw none\n", count);
}

#define HOST "Host: localhost\r\n"

static void
what_is_no_request_is_refused(void **state)
{
    static const struct refusal cases[] = {
        {400, "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET  / HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /  HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET\t/ HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET / HTTP/1.1 \r\n" HOST "\r\n"},
        {400, "GET /\r\n\r\n"},
        {400, "GET / HTTP/1.1\n" HOST "\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: localhost\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST "X : a\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST "X\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST "X: a\x01z\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n"},
        {505, "GET / HTTP/2.0\r\n" HOST "\r\n"},
        {505, "GET / HTTP/1.2\r\n" HOST "\r\n"},
        {400, "GET / http/1.1\r\n" HOST "\r\n"},
        {505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x01"},
        {400, "G@T / HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /a b HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /a\"b HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /a#b HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /%zz HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /%0d%0aX HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET a HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET * HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /../../x HTTP/1.1\r\n" HOST "\r\n"},
        {405, "TRACE / HTTP/1.1\r\n" HOST "\r\n"},
        {405, "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n"},
        {417, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: 200-ok\r\n\r\n"},
        {417, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: 100-continue, x\r\n\r\n"},
    };

    all_are_refused(*state, STEPS(cases));
}

static void
hosts_that_conflict_are_refused(void **state)
{
    static const struct refusal cases[] = {
        {400, "GET / HTTP/1.1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
        {400, "GET https://b/ HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET https://a:1/ HTTP/1.1\r\nHost: a:2\r\n\r\n"},
        {400, "GET https://x@a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET https:///x HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET https://a/ HTTP/1.1\r\n\r\n"},
    };

    all_are_refused(*state, STEPS(cases));
}

/* A request with one long part. */
static struct bytes
long_request(size_t target, size_t header, size_t headers)
{
    struct bytes b = {0};

    bytes_puts(&b, "GET /");
    for (size_t i = 0; i < target; i++)
        bytes_puts(&b, "t");
    bytes_puts(&b, " HTTP/1.1\r\nHost: localhost\r\n");
    for (size_t n = 0; n < headers; n++) {
        bytes_printf(&b, "X-%zu: ", n);
        for (size_t i = 0; i < header; i++)
            bytes_puts(&b, "h");
        bytes_puts(&b, "\r\n");
    }
    bytes_puts(&b, "\r\n");
    return b;
}

static void
lengths_and_counts_are_limited(void **state)
{
    static const struct {
        size_t target, header, headers;
        int status;
    } cases[] = {
        {16000, 0, 0, 200},  {16385, 0, 0, 414},   {100000, 0, 0, 414}, {10, 16300, 1, 200},
        {10, 16385, 1, 431}, {10, 300000, 1, 431}, {10, 10, 99, 200},   {10, 10, 100, 431},
        {10, 10, 5000, 431}, {10, 16000, 3, 200},  {10, 16000, 5, 431},
    };
    struct world *w = *state;

    for (size_t i = 0; i < array_len(cases); i++) {
        struct bytes text = long_request(cases[i].target, cases[i].header, cases[i].headers);
        int status = world_status(w, WORLD_VERIFY, bytes_str(&text));

        if (status != cases[i].status)
            print_error("case %zu: %d\n", i, status);
        assert_int_equal(status, cases[i].status);
        bytes_free(&text);
    }
}

static void
more_than_thirty_forwarded_addresses_is_463(void **state)
{
    struct world *w = *state;

    for (int shape = 0; shape < 3; shape++) {
        for (int count = 29; count <= 32; count++) {
            struct bytes text = {0};

            bytes_puts(&text, "GET / HTTP/1.1\r\n" HOST "X-Forwarded-For: 10.0.0.0");
            for (int i = 1; i < count; i++)
                bytes_printf(&text, "%s10.0.0.%d",
                             shape == 0   ? ", "
                             : shape == 1 ? ",,"
                                          : "\r\nx-forwarded-for: ",
                             i);
            bytes_puts(&text, "\r\n\r\n");
            assert_int_equal(world_status(w, WORLD_VERIFY, bytes_str(&text)),
                             count <= 30 ? 200 : 463);
            bytes_free(&text);
        }
    }
}

/* ---- targets ---- */

static void
targets_reach_the_origin_in_origin_form(void **state)
{
    static const struct {
        const char *request, *target, *host;
    } cases[] = {
        {"GET https://localhost/a?b=c HTTP/1.1\r\nHost: localhost\r\n\r\n", "/a?b=c", "localhost"},
        {"GET HTTPS://LocalHost/a HTTP/1.1\r\nHost: localhost\r\n\r\n", "/a", "LocalHost"},
        {"GET http://localhost:443/a HTTP/1.1\r\nHost: localhost:443\r\n\r\n", "/a",
         "localhost:443"},
        {"GET https://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n", "/", "localhost"},
        {"GET https://localhost?q HTTP/1.1\r\nHost: localhost:443\r\n\r\n", "/?q", "localhost"},
        {"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", "*", "localhost"},
        {"GET /%41%2f?%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", "/%41%2f?%00", "localhost"},
        {"\r\nGET /crlf HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", "/crlf", "[::1]:8443"},
        {"CUSTOM /x HTTP/1.1\r\nHost: localhost.\r\n\r\n", "/x", "localhost"},
    };
    struct world *w = *state;

    for (size_t i = 0; i < array_len(cases); i++) {
        struct oracle_request r;
        struct bytes bytes;

        exchange_ok(w, cases[i].request, &r, &bytes);
        assert_str_equal(r.target, str_from(cases[i].target));
        assert_true(str_eq_nocase(oracle_field(&r, "host"), str_from(cases[i].host)));
        bytes_free(&r.body);
        bytes_free(&bytes);
    }
}

/* ---- requests in pieces ---- */

static const char post[] = "POST /split?x=1 HTTP/1.1\r\nHost: localhost\r\nX-Note: some words\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n"
                           "6;e=x\r\nsplit \r\n3\r\nme!\r\n0\r\nX-T: y\r\n\r\n";

static void
check_split(struct world *w)
{
    struct oracle_request r;
    struct bytes bytes;

    only_request(w, &r, &bytes);
    assert_str_equal(r.target, STR("/split?x=1"));
    assert_str_equal(oracle_field(&r, "x-note"), STR("some words"));
    assert_str_equal(bytes_str(&r.body), STR("split me!"));
    bytes_free(&r.body);
    bytes_free(&bytes);
    origin_forget(w->origin);
}

static void
a_request_may_come_byte_by_byte(void **state)
{
    struct world *w = *state;
    struct client *c = world_h1(w, WORLD_VERIFY);
    struct response r;

    assert_int_equal(client_dribble(c, str_from(post), 1, 1), CLIENT_OK);
    r = client_response(c, false);
    assert_int_equal(r.status, 200);
    response_free(&r);
    check_split(w);
    client_close(c);
}

static void
a_request_may_be_cut_at_every_byte(void **state)
{
    struct world *w = *state;
    struct client *c = world_h1(w, WORLD_VERIFY);

    for (size_t i = 1; i < sizeof(post) - 1; i++) {
        struct response r;

        client_send(c, post, i);
        sleep_ms(2);
        client_send(c, post + i, sizeof(post) - 1 - i);
        r = client_response(c, false);
        assert_int_equal(r.status, 200);
        response_free(&r);
        check_split(w);
    }
    client_close(c);
    print_message("%zu cuts, one connection\n", sizeof(post) - 2);
}

/* ---- both ends at odds ---- */

#define EARLY "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"

/* The answer comes before the body's end: a little more is read and the connection lives. */
static void
an_early_answer_keeps_the_connection_for_a_short_rest(void **state)
{
    static const struct origin_step steps[] = {ORIGIN_READ_HEAD, ORIGIN_SEND(EARLY), ORIGIN_HOLD};
    struct world *w = *state;
    struct client *c = world_h1(w, WORLD_VERIFY);

    world_set_steps(w, STEPS(steps));
    for (int i = 0; i < 5; i++) {
        struct response r = client_exchange(
            c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\nfirst");
        struct bytes rest = {0};

        assert_int_equal(r.status, 403);
        assert_str_equal(bytes_str(&r.body), STR("no"));
        response_free(&r);
        while (rest.len < 9995)
            bytes_puts(&rest, "GET /evil HTTP/1.1\r\n"[rest.len % 20] == 'G' ? "G" : "x");
        assert_int_equal(client_send(c, rest.ptr, rest.len), CLIENT_OK);
        bytes_free(&rest);
    }
    client_close(c);
    /* The upstream's connection was given up each time: its request was never whole. */
    assert_int_equal(origin_conn_count(w->origin), 5);
    assert_true(origin_wait_idle(w->origin, 3000));
}

/* A client that dribbles the rest for ever is not waited for. */
static void
an_unread_rest_has_an_end(void **state)
{
    static const struct origin_step steps[] = {ORIGIN_READ_HEAD, ORIGIN_SEND(EARLY), ORIGIN_HOLD};
    struct world *w = *state;
    struct client *c = world_h1(w, WORLD_VERIFY);
    struct response r;
    int64_t began;

    world_set_steps(w, STEPS(steps));
    r = client_exchange(c,
                        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\nfirst");
    assert_int_equal(r.status, 403);
    response_free(&r);
    began = now_ms();
    client_set_timeout(c, 500);
    while (now_ms() - began < 8000 && client_puts(c, "x") == CLIENT_OK) {
        if (!client_admitted(c, 300))
            break;
    }
    print_message("rest of a body dribbled for %d ms\n", (int)(now_ms() - began));
    assert_true(now_ms() - began < 6000);
    client_close(c);
}

static void
an_early_answer_to_an_endless_body_ends_the_connection(void **state)
{
    static const struct origin_step steps[] = {ORIGIN_READ_HEAD, ORIGIN_SEND(EARLY), ORIGIN_CLOSE};
    struct world *w = *state;
    struct client *c = world_h1(w, WORLD_VERIFY);
    struct response r;
    char block[16384];

    memset(block, 'x', sizeof(block));
    world_set_steps(w, STEPS(steps));
    client_puts(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n");
    for (int i = 0; i < 40; i++) {
        if (client_send(c, block, sizeof(block)) != CLIENT_OK)
            break;
    }
    r = client_response(c, false);
    /* The upstream is free to reset before its words are read: then it has failed. */
    assert_true(r.status == 403 || r.status == 502);
    assert_true(r.complete);
    response_free(&r);
    assert_true(client_wait_closed(c, 5000) != CLIENT_TIMEOUT);
    client_close(c);
    assert_true(origin_wait_idle(w->origin, 3000));
}

/* A client that goes away takes its request with it: the upstream never sees a whole body. */
static void
a_client_that_leaves_ends_its_request(void **state)
{
    static const char *const requests[] = {
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
        GET_OK,
    };
    static const struct origin_step steps[] = {ORIGIN_READ_HEAD, ORIGIN_HOLD};
    struct world *w = *state;

    world_set_steps(w, STEPS(steps));
    for (size_t i = 0; i < 2 * array_len(requests); i++) {
        struct client *c = world_h1(w, WORLD_VERIFY);
        struct oracle_request r;
        struct bytes bytes;
        struct str rest;

        origin_forget(w->origin);
        client_puts(c, requests[i / 2]);
        assert_true(origin_wait_requests(w->origin, 1, 3000));
        sleep_ms(20);
        if (i % 2)
            client_reset(c);
        client_close(c);
        assert_true(origin_wait_idle(w->origin, 3000));
        bytes = origin_received_all(w->origin);
        rest = bytes_str(&bytes);
        assert_int_equal(oracle_next(&rest, &r), 1);
        assert_true(r.is_cut == (r.is_chunked || r.has_length));
        bytes_free(&r.body);
        bytes_free(&bytes);
    }
}

/* ---- faults in the middle of a body ---- */

static void
a_broken_body_is_refused_and_never_completed(void **state)
{
    static const char *const bodies[] = {
        "5\r\nhello\r\nzz\r\n",
        "5\r\nhelloX\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "-1\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
        "0x5\r\nhello\r\n",
        "fffffffffffffffff\r\n",
        "5\r\nhello\r\n0\r\nX: \x01\r\n\r\n",
        "\r\n5\r\nhello\r\n",
    };
    static const struct origin_step steps[] = {ORIGIN_READ_REQUEST, ORIGIN_SEND(OK_2), ORIGIN_HOLD};
    struct world *w = *state;

    world_set_steps(w, STEPS(steps));
    for (size_t i = 0; i < array_len(bodies); i++) {
        struct client *c = world_h1(w, WORLD_VERIFY);
        struct response r;

        client_puts(c, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        sleep_ms(20); /* so that the upstream connection is at work */
        r = client_exchange(c, bodies[i]);
        assert_own_page(&r, 400);
        assert_true(r.closes);
        response_free(&r);
        assert_int_equal(client_wait_closed(c, 3000), CLIENT_EOF);
        client_close(c);
        assert_true(origin_wait_idle(w->origin, 3000));
    }
    assert_int_equal(origin_request_count(w->origin), 0);
    print_message("%zu broken bodies, none completed at the origin\n", array_len(bodies));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(a_connection_serves_many_requests),
        world_test(connection_close_is_obeyed_after_the_whole_answer),
        world_test(pipelined_requests_are_answered_in_order),
        world_test(http_10_is_answered_and_closed),
        world_test(a_chunked_request_is_chunked_anew),
        world_test(a_chunked_response_is_chunked_anew),
        world_test(a_chunked_response_to_http_10_ends_with_the_connection),
        world_test(responses_without_a_body_leave_the_connection_usable),
        world_test(the_gateway_answers_expect_itself),
        world_test(expect_with_the_body_at_once_is_fine),
        world_test(what_is_no_request_is_refused),
        world_test(hosts_that_conflict_are_refused),
        world_test(lengths_and_counts_are_limited),
        world_test(more_than_thirty_forwarded_addresses_is_463),
        world_test(targets_reach_the_origin_in_origin_form),
        world_test(a_request_may_come_byte_by_byte),
        world_test(a_request_may_be_cut_at_every_byte),
        world_test(an_early_answer_keeps_the_connection_for_a_short_rest),
        world_test(an_unread_rest_has_an_end),
        world_test(an_early_answer_to_an_endless_body_ends_the_connection),
        world_test(a_client_that_leaves_ends_its_request),
        world_test(a_broken_body_is_refused_and_never_completed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
