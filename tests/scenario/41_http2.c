/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/2 through the whole gateway, over mTLS and frame by frame: what arrives at an HTTP/1
 * origin, what never does, and what an attacker's frames cost.
 */
#include "40_world.h"

#include "40_oracle.h"

#define OK_2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

#define PSEUDO(method, path)                                   \
    H2_FIELD(":method", method), H2_FIELD(":scheme", "https"), \
        H2_FIELD(":authority", "localhost"), H2_FIELD(":path", path)

static void
only_request(struct world *w, struct oracle_request *r, struct bytes *bytes)
{
    struct str rest;

    *bytes = origin_received_all(w->origin);
    rest = bytes_str(bytes);
    assert_int_equal(oracle_next(&rest, r), 1);
    assert_int_equal(rest.len, 0);
}

static int
status_of(struct client *c, uint32_t stream)
{
    struct h2_response r = h2_response(c, stream);
    int status = r.complete ? r.status : 0;

    h2_response_free(&r);
    return status;
}

/* The connection ends within the time; *ret_goaway is the code that came before it, or -1. */
static bool
ends_with_goaway(struct client *c, int timeout_ms, int64_t *ret_goaway)
{
    int64_t until = now_ms() + timeout_ms;
    struct h2_frame f;
    enum client_end end;

    *ret_goaway = -1;
    client_set_timeout(c, timeout_ms);
    while ((end = h2_read(c, &f)) == CLIENT_OK && now_ms() < until) {
        if (f.type == H2_GOAWAY && f.len >= 8)
            *ret_goaway =
                (int64_t)f.payload[4] << 24 | f.payload[5] << 16 | f.payload[6] << 8 | f.payload[7];
    }
    return end != CLIENT_OK && end != CLIENT_TIMEOUT;
}

static void
assert_still_serving(struct world *w)
{
    struct client *c = world_h2(w, WORLD_FIXED);

    h2_get(c, 1, "localhost", "/");
    assert_int_equal(status_of(c, 1), 200);
    client_close(c);
}

/* ---- requests and responses ---- */

static void
a_request_becomes_http_1(void **state)
{
    static const struct h2_field fields[] = {
        PSEUDO("GET", "/a?b"),
        H2_FIELD("cookie", "a=1"),
        H2_FIELD("x-one", "1"),
        H2_FIELD("cookie", "b=2"),
        H2_FIELD("te", "trailers"),
        H2_FIELD("cookie", "c=3"),
        H2_FIELD("expect", "100-continue"),
        H2_FIELD("accept", "*/*"),
    };
    struct world *w = *state;
    struct client *c = world_h2(w, WORLD_VERIFY);
    struct oracle_request r;
    struct bytes bytes;
    struct str value;

    h2_headers(c, 1, fields, array_len(fields), true);
    assert_int_equal(status_of(c, 1), 200);
    only_request(w, &r, &bytes);
    assert_str_equal(r.method, STR("GET"));
    assert_str_equal(r.target, STR("/a?b"));
    assert_false(r.is_chunked || r.has_length);
    assert_int_equal(oracle_count(&r, "cookie", &value), 1);
    assert_str_equal(value, STR("a=1; b=2; c=3"));
    assert_str_equal(oracle_field(&r, "host"), STR("localhost"));
    assert_str_equal(oracle_field(&r, "x-forwarded-proto"), STR("https"));
    assert_int_equal(oracle_count(&r, "te", &value), 0);
    assert_int_equal(oracle_count(&r, "expect", &value), 0);
    assert_int_equal(oracle_count(&r, "x-amzn-mtls-clientcert-subject", &value), 1);
    bytes_free(&r.body);
    bytes_free(&bytes);
    client_close(c);
}

static void
bodies_keep_their_announced_length_or_become_chunks(void **state)
{
    static const struct h2_field with_length[] = {PSEUDO("POST", "/"),
                                                  H2_FIELD("content-length", "11")};
    static const struct h2_field without[] = {PSEUDO("POST", "/")};
    static const struct h2_field trailers[] = {
        H2_FIELD("x-late", "1"), H2_FIELD("x-amzn-mtls-clientcert-subject", "CN=evil")};
    struct world *w = *state;

    for (int i = 0; i < 3; i++) {
        struct client *c = world_h2(w, WORLD_VERIFY);
        struct oracle_request r;
        struct bytes bytes;

        origin_forget(w->origin);
        h2_headers(c, 1, i == 0 ? with_length : without,
                   i == 0 ? array_len(with_length) : array_len(without), false);
        h2_data(c, 1, STR("hello "), false);
        h2_data(c, 1, STR("world"), i < 2);
        if (i == 2)
            h2_headers(c, 1, trailers, array_len(trailers), true);
        assert_int_equal(status_of(c, 1), 200);
        only_request(w, &r, &bytes);
        assert_true(i == 0 ? r.has_length : r.is_chunked);
        assert_str_equal(bytes_str(&r.body), STR("hello world"));
        assert_false(origin_saw(w->origin, "x-late"));
        assert_false(origin_saw(w->origin, "evil"));
        bytes_free(&r.body);
        bytes_free(&bytes);
        client_close(c);
    }
}

static void
responses_lose_what_belongs_to_the_hop(void **state)
{
    static const struct origin_step steps[] = {
        ORIGIN_READ_REQUEST,
        ORIGIN_SEND("HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nConnection: x-private\r\n"
                    "X-Private: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nX-Public: 2\r\n"
                    "Trailer: x-t\r\nX-Amzn-Mtls-Clientcert-Subject: CN=me\r\n\r\n"
                    "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"),
        ORIGIN_LOOP,
    };
    struct world *w = *state;
    struct client *c = world_h2(w, WORLD_VERIFY);
    struct h2_response r;

    world_set_steps(w, STEPS(steps));
    h2_get(c, 1, "localhost", "/");
    r = h2_response(c, 1);
    assert_int_equal(r.status, 200);
    assert_true(r.complete);
    assert_str_equal(bytes_str(&r.body), STR("hello"));
    assert_str_equal(bytes_str(&r.fields), STR(":status: 200\nx-public: 2\n"));
    assert_int_equal(r.trailers.len, 0);
    h2_response_free(&r);
    client_close(c);
}

static void
head_204_and_304_have_no_body(void **state)
{
    static const struct {
        const char *method, *response;
        int status;
    } cases[] = {
        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n", 200},
        {"GET", "HTTP/1.1 204 No Content\r\n\r\n", 204},
        {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 8\r\n\r\n", 304},
        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200},
    };
    struct world *w = *state;
    struct origin_step steps[] = {ORIGIN_READ_REQUEST, {.op = ORIGIN_OP_SEND}};
    struct client *c = world_h2(w, WORLD_VERIFY);
    uint32_t id = 1;

    for (size_t i = 0; i < array_len(cases); i++, id += 2) {
        struct h2_field fields[] = {PSEUDO("GET", "/")};
        struct h2_response r;

        assert_true(origin_wait_idle(w->origin, 5000)); /* nobody reads the steps any more */
        steps[1].data = str_from(cases[i].response);
        world_set_steps(w, STEPS(steps));
        fields[0].value = str_from(cases[i].method);
        h2_headers(c, id, fields, array_len(fields), true);
        r = h2_response(c, id);
        assert_int_equal(r.status, cases[i].status);
        assert_true(r.complete);
        assert_int_equal(r.body.len, 0);
        h2_response_free(&r);
    }
    client_close(c);
    assert_true(origin_wait_idle(w->origin, 5000));
}

static void
a_hundred_streams_at_once(void **state)
{
    static const struct origin_step steps[] = {ORIGIN_READ_REQUEST, ORIGIN_DELAY(300),
                                               ORIGIN_SEND(OK_2), ORIGIN_LOOP};
    struct world *w = *state;
    struct client *c = world_h2(w, WORLD_VERIFY);
    int64_t began = now_ms();

    world_set_steps(w, STEPS(steps));
    for (uint32_t i = 0; i < 100; i++)
        h2_get(c, 2 * i + 1, "localhost", "/");
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(status_of(c, 2 * i + 1), 200);
    print_message("100 streams at once in %d ms\n", (int)(now_ms() - began));
    assert_int_equal(origin_conn_count(w->origin), 100);
    client_close(c);
}

/* Above the announced limit a stream is refused in a way that lets the client try again. */
static void
streams_above_the_limit_are_refused(void **state)
{
    static const struct origin_step steps[] = {ORIGIN_READ_REQUEST, ORIGIN_DELAY(500),
                                               ORIGIN_SEND(OK_2), ORIGIN_LOOP};
    struct world *w = *state;
    struct client *c = world_h2(w, WORLD_VERIFY);
    size_t served = 0;
    size_t refused = 0;

    world_set_steps(w, STEPS(steps));
    for (uint32_t i = 0; i < 160; i++)
        h2_get(c, 2 * i + 1, "localhost", "/");
    for (uint32_t i = 0; i < 160; i++) {
        struct h2_response r = h2_response(c, 2 * i + 1);

        served += r.complete && r.status == 200;
        refused += r.rst_code == 7;
        h2_response_free(&r);
    }
    print_message("160 streams at once: %zu served, %zu refused\n", served, refused);
    assert_int_equal(served, 128);
    assert_int_equal(refused, 32);
    client_close(c);
}

/* ---- refusals ---- */

struct bad_request {
    const char *what;
    struct h2_field fields[7];
};

#define BAD(what, ...)  \
    {                   \
        what,           \
        {               \
            __VA_ARGS__ \
        }               \
    }
#define BAD_FIELD(what, n, v) BAD(what, PSEUDO("GET", "/"), H2_FIELD(n, v))
#define METHOD H2_FIELD(":method", "GET")
#define SCHEME H2_FIELD(":scheme", "https")
#define AUTHORITY H2_FIELD(":authority", "localhost")
#define PATH H2_FIELD(":path", "/")

static const struct bad_request bad_requests[] = {
    BAD_FIELD("connection", "connection", "close"),
    BAD_FIELD("keep-alive", "keep-alive", "timeout=5"),
    BAD_FIELD("proxy-connection", "proxy-connection", "keep-alive"),
    BAD_FIELD("transfer-encoding", "transfer-encoding", "chunked"),
    BAD_FIELD("upgrade", "upgrade", "websocket"),
    BAD_FIELD("http2-settings", "http2-settings", "AAMAAABkAARAAAAA"),
    BAD_FIELD("te", "te", "gzip"),
    BAD_FIELD("te list", "te", "trailers, deflate"),
    BAD_FIELD("upper case", "X-Upper", "a"),
    BAD_FIELD("one upper-case letter", "content-lengtH", "1"),
    BAD_FIELD("space in a name", "x a", "b"),
    BAD_FIELD("space behind a name", "x-a ", "b"),
    BAD_FIELD("colon in a name", "x:a", "b"),
    BAD_FIELD("CR LF in a name", "x\r\ny", "b"),
    BAD_FIELD("NUL in a name", "x\0y", "b"),
    BAD_FIELD("8-bit name", "x\xe9", "b"),
    BAD_FIELD("empty name", "", "b"),
    BAD_FIELD("CR LF in a value", "x-a", "b\r\nX-Amzn-Mtls-Clientcert-Subject: CN=evil"),
    BAD_FIELD("LF in a value", "x-a", "b\nevil: 1"),
    BAD_FIELD("CR in a value", "x-a", "b\revil"),
    BAD_FIELD("NUL in a value", "x-a", "b\0evil"),
    BAD_FIELD("control byte in a value", "x-a",
              "b\x01"
              "evil"),
    BAD_FIELD("DEL in a value", "x-a",
              "b\x7f"
              "evil"),
    BAD_FIELD("a request in a value", "x-a", "b\r\n\r\nGET /evil HTTP/1.1\r\nHost: a"),
    BAD_FIELD("imitated length", "content_length", "5"),
    BAD_FIELD("imitated coding", "transfer_encoding", "chunked"),
    BAD_FIELD("length without a body", "content-length", "5"),
    BAD_FIELD("signed length", "content-length", "+0"),
    BAD_FIELD("length in hex", "content-length", "0x0"),
    BAD_FIELD("length list", "content-length", "0, 0"),
    BAD_FIELD("unknown pseudo-header field", ":evil", "a"),
    BAD_FIELD("pseudo-header field of responses", ":status", "200"),
    BAD_FIELD("second path", ":path", "/evil"),
    BAD_FIELD("second method", ":method", "PUT"),
    BAD_FIELD("second authority", ":authority", "evil"),
    BAD_FIELD("other host", "host", "evil"),
    BAD_FIELD("malformed host", "host", "a@b"),
    BAD("two hosts", PSEUDO("GET", "/"), H2_FIELD("host", "localhost"),
        H2_FIELD("host", "localhost")),
    BAD("two lengths", PSEUDO("GET", "/"), H2_FIELD("content-length", "0"),
        H2_FIELD("content-length", "0")),
    BAD("pseudo-header field last", METHOD, SCHEME, AUTHORITY, H2_FIELD("x-a", "b"), PATH),
    BAD("no method", SCHEME, AUTHORITY, PATH),
    BAD("no scheme", METHOD, AUTHORITY, PATH),
    BAD("no path", METHOD, SCHEME, AUTHORITY),
    BAD("no authority", METHOD, SCHEME, PATH),
    BAD("empty authority", METHOD, SCHEME, H2_FIELD(":authority", ""), PATH),
    BAD("authority with user", METHOD, SCHEME, H2_FIELD(":authority", "me@localhost"), PATH),
    BAD("empty path", METHOD, SCHEME, AUTHORITY, H2_FIELD(":path", "")),
    BAD("relative path", METHOD, SCHEME, AUTHORITY, H2_FIELD(":path", "evil")),
    BAD("absolute path", METHOD, SCHEME, AUTHORITY, H2_FIELD(":path", "https://evil/")),
    BAD("star", METHOD, SCHEME, AUTHORITY, H2_FIELD(":path", "*")),
    BAD("space in the path", METHOD, SCHEME, AUTHORITY, H2_FIELD(":path", "/ HTTP/1.1")),
    BAD("CR LF in the path", METHOD, SCHEME, AUTHORITY, H2_FIELD(":path", "/\r\nEvil: 1")),
    BAD("fragment", METHOD, SCHEME, AUTHORITY, H2_FIELD(":path", "/#evil")),
    BAD("plain scheme", METHOD, H2_FIELD(":scheme", "http"), AUTHORITY, PATH),
    BAD("odd method", H2_FIELD(":method", "GET / HTTP/1.1\r\nX:"), SCHEME, AUTHORITY, PATH),
    BAD("empty method", H2_FIELD(":method", ""), SCHEME, AUTHORITY, PATH),
    BAD("TRACE", H2_FIELD(":method", "TRACE"), SCHEME, AUTHORITY, PATH),
    BAD("CONNECT", H2_FIELD(":method", "CONNECT"), H2_FIELD(":authority", "localhost:443")),
    BAD("CONNECT with a path", H2_FIELD(":method", "CONNECT"), SCHEME, AUTHORITY, PATH),
};

static void
what_is_no_request_never_reaches_the_origin(void **state)
{
    struct world *w = *state;
    struct client *c = world_h2(w, WORLD_VERIFY);
    size_t resets = 0;
    uint32_t id = 1;

    for (size_t i = 0; i < array_len(bad_requests); i++, id += 2) {
        const struct bad_request *bad = &bad_requests[i];
        struct h2_response r;
        size_t n = 0;

        while (n < array_len(bad->fields) && bad->fields[n].name.ptr != NULL)
            n++;
        if (i % 20 == 19) { /* so many on one connection would be abuse */
            client_close(c);
            c = world_h2(w, WORLD_VERIFY);
            id = 1;
        }
        h2_headers(c, id, bad->fields, n, true);
        r = h2_response(c, id);
        if (r.rst_code < 0 && (r.status < 400 || r.status > 499))
            print_error("%s: status %d\n", bad->what, r.status);
        assert_true(r.rst_code >= 0 || (r.status >= 400 && r.status <= 499));
        resets += r.rst_code >= 0;
        h2_response_free(&r);
    }
    /* The connection has outlived them. */
    h2_get(c, id, "localhost", "/");
    assert_int_equal(status_of(c, id), 200);
    assert_int_equal(origin_request_count(w->origin), 1);
    assert_false(origin_saw(w->origin, "evil"));
    print_message("%zu bad requests: %zu reset, %zu answered 4xx, origin saw none\n",
                  array_len(bad_requests), resets, array_len(bad_requests) - resets);
    client_close(c);
}

/* A body that is not what content-length said is never whole at the origin. */
static void
a_length_that_lies_resets_the_stream(void **state)
{
    static const struct h2_field fields[] = {PSEUDO("POST", "/"), H2_FIELD("content-length", "5")};
    static const struct h2_field trailers[] = {H2_FIELD("x-t", "1")};
    static const char *const bodies[] = {"", "four", "sixsix", "a much longer body"};
    static const struct origin_step steps[] = {ORIGIN_READ_REQUEST, ORIGIN_SEND(OK_2)};
    struct world *w = *state;

    world_set_steps(w, STEPS(steps));
    for (size_t i = 0; i < 2 * array_len(bodies); i++) {
        struct client *c = world_h2(w, WORLD_VERIFY);
        struct h2_response r;
        struct bytes seen;

        origin_forget(w->origin);
        h2_headers(c, 1, fields, array_len(fields), false);
        sleep_ms(20);
        h2_data(c, 1, str_from(bodies[i / 2]), i % 2 == 0);
        if (i % 2)
            h2_headers(c, 1, trailers, array_len(trailers), true);
        r = h2_response(c, 1);
        assert_true(r.rst_code == 1 || r.status == 400);
        h2_response_free(&r);
        assert_true(origin_wait_idle(w->origin, 3000));
        seen = origin_received_all(w->origin);
        assert_int_equal(origin_request_count(w->origin), 0);
        assert_null(find_bytes(seen.ptr, seen.len, "sixsix", 6));
        bytes_free(&seen);
        client_close(c);
    }
}

/* ---- both ends at odds ---- */

static void
an_answer_before_the_body_is_complete_asks_to_stop(void **state)
{
    static const struct h2_field fields[] = {PSEUDO("POST", "/")};
    static const struct origin_step steps[] = {
        ORIGIN_READ_HEAD, ORIGIN_SEND("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"),
        ORIGIN_HOLD};
    struct world *w = *state;
    struct client *c = world_h2(w, WORLD_VERIFY);

    world_set_steps(w, STEPS(steps));
    for (uint32_t id = 1; id < 21; id += 2) {
        struct h2_frame f;
        struct h2_response r;

        h2_headers(c, id, fields, array_len(fields), false);
        h2_data(c, id, STR("part"), false);
        r = h2_response(c, id);
        assert_int_equal(r.status, 403);
        assert_true(r.complete);
        assert_str_equal(bytes_str(&r.body), STR("no"));
        h2_response_free(&r);
        assert_int_equal(h2_read_type(c, H2_RST_STREAM, id, &f), CLIENT_OK);
        assert_int_equal(f.payload[3], 0); /* NO_ERROR */
        h2_data(c, id, STR("more"), id % 4 == 1);
    }
    assert_true(origin_wait_idle(w->origin, 3000));
    h2_get(c, 21, "localhost", "/");
    assert_int_equal(status_of(c, 21), 403);
    client_close(c);
}

static void
a_reset_in_the_middle_ends_the_origins_connection(void **state)
{
    static const struct h2_field fields[] = {PSEUDO("POST", "/")};
    static const struct origin_step steps[] = {
        ORIGIN_READ_HEAD,
        ORIGIN_SEND("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "4\r\nhalf\r\n"),
        ORIGIN_HOLD};
    struct world *w = *state;
    struct client *c = world_h2(w, WORLD_VERIFY);

    world_set_steps(w, STEPS(steps));
    for (uint32_t id = 1; id < 41; id += 2) {
        struct oracle_request r;
        struct h2_frame f;
        struct bytes seen;
        struct str rest;

        origin_forget(w->origin);
        h2_headers(c, id, fields, array_len(fields), false);
        h2_data(c, id, STR("part"), false);
        assert_true(origin_wait_requests(w->origin, 1, 3000));
        if (id % 4 == 3)
            assert_int_equal(h2_read_type(c, H2_DATA, id, &f), CLIENT_OK);
        h2_rst(c, id, 8);
        assert_true(origin_wait_idle(w->origin, 3000));
        seen = origin_received_all(w->origin);
        rest = bytes_str(&seen);
        assert_int_equal(oracle_next(&rest, &r), 1);
        assert_true(r.is_cut);
        bytes_free(&r.body);
        bytes_free(&seen);
    }
    client_close(c);
    assert_still_serving(w);
}

static void
the_ten_thousandth_request_is_the_last(void **state)
{
    struct world *w = *state;
    struct client *c = world_h2(w, WORLD_FIXED);
    size_t served = 0;
    int64_t goaway = -1;
    uint32_t id = 1;

    client_set_timeout(c, 20000);
    for (size_t batch = 0; batch < 100; batch++) {
        for (size_t i = 0; i < 100; i++)
            h2_get(c, id + 2 * (uint32_t)i, "localhost", "/");
        for (size_t i = 0; i < 100; i++, id += 2) {
            struct h2_response r = h2_response(c, id);

            served += r.complete && r.status == 200;
            goaway = r.goaway_code;
            h2_response_free(&r);
        }
    }
    assert_int_equal(served, 10000);
    (void)h2_get(c, id, "localhost", "/"); /* too late: not answered */
    if (goaway < 0)
        assert_true(ends_with_goaway(c, 3000, &goaway));
    assert_int_equal(goaway, 0);
    assert_int_equal(client_wait_closed(c, 3000), CLIENT_EOF);
    assert_true(client_close_notify(c));
    client_close(c);
    print_message("%zu requests on one connection, then GOAWAY\n", served);
}

/* ---- flow control ---- */

/* SETTINGS_INITIAL_WINDOW_SIZE */
#define WINDOW_SETTING(hi, lo) "\0\x04\0\0" hi lo

#define K16 "0123456789abcdef"
#define K128 K16 K16 K16 K16 K16 K16 K16 K16
#define KILOBYTE K128 K128 K128 K128 K128 K128 K128 K128

static const char kilobyte[] = KILOBYTE;

static void
small_windows_are_kept(void **state)
{
    static const struct origin_step steps[] = {
        ORIGIN_READ_REQUEST, ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 262144\r\n\r\n"),
        ORIGIN_REPEAT(KILOBYTE, 256), ORIGIN_LOOP};
    static const struct {
        struct str settings;
        size_t window;
    } cases[] = {
        {STR_INIT(WINDOW_SETTING("\x03", "\xe8")), 1000},
        {STR_INIT(WINDOW_SETTING("\xff", "\xff")), 65535},
        {STR_INIT(WINDOW_SETTING("\0", "\x40")), 64},
    };
    struct world *w = *state;

    world_set_steps(w, STEPS(steps));
    for (size_t i = 0; i < array_len(cases); i++) {
        struct client *c = world_client(w, WORLD_VERIFY, "h2");
        struct h2_response r;
        struct h2_frame f;

        h2_start(c, cases[i].settings);
        h2_get(c, 1, "localhost", "/");
        assert_int_equal(h2_read_type(c, H2_DATA, 1, &f), CLIENT_OK);
        assert_true(f.len <= cases[i].window);
        r = h2_response(c, 1);
        assert_true(r.complete);
        assert_int_equal(r.body.len, 262144);
        for (size_t at = 0; at < r.body.len; at += 1024)
            assert_memory_equal(r.body.ptr + at, kilobyte, 1024);
        h2_response_free(&r);
        client_close(c);
    }
}

/* What the server's windows allow now. */
struct windows {
    int64_t connection;
    int64_t stream;
};

static void
windows_wait(struct client *c, struct windows *v)
{
    while (v->connection <= 0 || v->stream <= 0) {
        struct h2_frame f;
        uint32_t n;

        assert_int_equal(h2_read_type(c, H2_WINDOW_UPDATE, 0, &f), CLIENT_OK);
        n = (uint32_t)f.payload[0] << 24 | (uint32_t)f.payload[1] << 16 |
            (uint32_t)f.payload[2] << 8 | f.payload[3];
        if (f.stream == 0)
            v->connection += n;
        else
            v->stream += n;
    }
}

static void
an_upload_goes_on_as_windows_open(void **state)
{
    static const struct h2_field fields[] = {PSEUDO("POST", "/"),
                                             H2_FIELD("content-length", "4194304")};
    struct world *w = *state;
    struct client *c = world_h2(w, WORLD_VERIFY);
    struct windows v = {65535, 65535};
    struct oracle_request r;
    struct bytes seen;

    h2_headers(c, 1, fields, array_len(fields), false);
    for (size_t i = 0; i < 4096; i++) {
        size_t done = 0;

        while (done < 1024) {
            size_t n;

            windows_wait(c, &v);
            n = size_min(1024 - done, (size_t)(v.stream < v.connection ? v.stream : v.connection));
            h2_data(c, 1, str_make(kilobyte + done, n), i == 4095 && done + n == 1024);
            v.stream -= (int64_t)n;
            v.connection -= (int64_t)n;
            done += n;
        }
    }
    assert_int_equal(status_of(c, 1), 200);
    only_request(w, &r, &seen);
    assert_int_equal(r.body.len, 4194304);
    for (size_t at = 0; at < r.body.len; at += 1024)
        assert_memory_equal(r.body.ptr + at, kilobyte, 1024);
    bytes_free(&r.body);
    bytes_free(&seen);
    client_close(c);
}

/* More than the window allows is an error of the peer, not memory of ours. */
static void
a_window_overrun_is_an_error(void **state)
{
    static const struct h2_field fields[] = {PSEUDO("POST", "/")};
    static const struct origin_step steps[] = {ORIGIN_READ_HEAD, ORIGIN_FREEZE};
    struct world *w = *state;
    struct client *c = world_h2(w, WORLD_VERIFY);
    int64_t goaway = -1;
    struct h2_frame f;
    bool was_reset = false;

    world_set_steps(w, STEPS(steps));
    h2_headers(c, 1, fields, array_len(fields), false);
    for (size_t i = 0; i < 65536; i++) { /* 64 MiB */
        if (h2_data(c, 1, str_make(kilobyte, 1024), false) != CLIENT_OK)
            break;
    }
    client_set_timeout(c, 3000);
    while (h2_read(c, &f) == CLIENT_OK && goaway < 0) {
        was_reset |= f.type == H2_RST_STREAM && f.stream == 1;
        if (f.type == H2_GOAWAY)
            goaway = f.payload[7];
    }
    assert_true(was_reset || goaway == 3);
    client_close(c);
    assert_still_serving(w);
}

/* Streams whose client never opens the window hold a bounded amount of memory. */
static void
closed_windows_are_bounded_in_memory(void **state)
{
    static const struct origin_step steps[] = {
        ORIGIN_READ_REQUEST, ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n"),
        ORIGIN_REPEAT(KILOBYTE, 10240), ORIGIN_LOOP};
    struct world *w = *state;
    struct client *clients[8];
    uint64_t before = world_rss_kib(w);
    uint64_t after;

    world_set_steps(w, STEPS(steps));
    for (size_t i = 0; i < array_len(clients); i++) {
        clients[i] = world_client(w, WORLD_VERIFY, "h2");
        h2_start(clients[i], STR(WINDOW_SETTING("\0", "\0")));
        for (uint32_t id = 1; id < 200; id += 2)
            h2_get(clients[i], id, "localhost", "/");
    }
    sleep_ms(2000);
    after = world_rss_kib(w);
    print_message("800 stalled downloads of 10 MiB on 8 connections: %llu KiB more\n",
                  (unsigned long long)(after - before));
    if (!world_is_sanitized())
        assert_true(after - before < 64 * 1024);
    for (size_t i = 0; i < array_len(clients); i++)
        client_close(clients[i]);
    assert_true(origin_wait_idle(w->origin, 5000));
    assert_still_serving(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(a_request_becomes_http_1),
        world_test(bodies_keep_their_announced_length_or_become_chunks),
        world_test(responses_lose_what_belongs_to_the_hop),
        world_test(head_204_and_304_have_no_body),
        world_test(a_hundred_streams_at_once),
        world_test(streams_above_the_limit_are_refused),
        world_test(what_is_no_request_never_reaches_the_origin),
        world_test(a_length_that_lies_resets_the_stream),
        world_test(an_answer_before_the_body_is_complete_asks_to_stop),
        world_test(a_reset_in_the_middle_ends_the_origins_connection),
        world_test(the_ten_thousandth_request_is_the_last),
        world_test(small_windows_are_kept),
        world_test(an_upload_goes_on_as_windows_open),
        world_test(a_window_overrun_is_an_error),
        world_test(closed_windows_are_bounded_in_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
