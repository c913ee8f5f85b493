/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/limits.h"
#include "http/hygiene.h"
#include "policy/forward.h"
#include "support/util.h"

/* ---- a request from its bytes to the upstream's bytes ---- */

static const struct forward_settings plain_settings = {.sends_server = true};

static const struct forward_conn plain_conn = {
    .client_ip = STR_INIT("203.0.113.9"),
    .client_port = STR_INIT("36280"),
    .listener_port = STR_INIT("8443"),
    .proto = STR_INIT("https"),
};

/* Root or Self made from wall_s 0x67891233 and random bytes ab cd ef 01 ... */
#define NEW_ID "1-67891233-abcdef012345678912345678"

struct run {
    struct arena arena;
    struct http_req req;
    struct forward_request f;
    struct str trace_id;
    char out_mem[REQUEST_HEAD_MAX * 2];
    struct buf out;
};

static struct run *
run_new(void)
{
    static const uint8_t random_bytes[12] = {0xab, 0xcd, 0xef, 0x01, 0x23, 0x45,
                                             0x67, 0x89, 0x12, 0x34, 0x56, 0x78};
    struct run *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    arena_init(&r->arena, STREAM_ARENA_BLOCK, STREAM_ARENA_MAX);
    r->f = (struct forward_request){
        .settings = &plain_settings, .conn = &plain_conn, .req = &r->req, .wall_s = 0x67891233};
    memcpy(r->f.trace_random, random_bytes, sizeof(random_bytes));
    buf_attach(&r->out, r->out_mem, sizeof(r->out_mem));
    return r;
}

static void
run_free(struct run *r)
{
    arena_done(&r->arena);
    free(r);
}

/* head is a whole request head with its empty line; it must pass the parser and hygiene. */
static void
run_parse(struct run *r, const char *head)
{
    enum h1_fault fault = H1_FAULT_NONE;
    struct hygiene_result dropped = {0};

    if (h1_parse_request(str_from(head), &r->arena, &r->req, &fault) != 0)
        fail_msg("not parsed: %s", h1_fault_text(fault));
    if (hygiene_request(&r->f.settings->reserved, &r->req, &dropped, &fault) != 0)
        fail_msg("refused: %s", h1_fault_text(fault));
    r->f.framing = r->req.framing;
}

static void
check_forward(struct run *r, const char *head, const char *want)
{
    run_parse(r, head);
    assert_int_equal(forward_request_write(&r->f, &r->out, &r->arena, &r->trace_id), 0);
    assert_str_equal(buf_peek(&r->out), str_from(want));
    run_free(r);
}

#define REQUEST "GET /widgets?v=1 HTTP/1.1\r\nHost: api.example.test\r\n"
#define FIRST "GET /widgets?v=1 HTTP/1.1\r\n"
#define XFF "X-Forwarded-For: 203.0.113.9\r\n"
#define PROTO "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n"
#define HOST "Host: api.example.test\r\n"
#define TRACE "X-Amzn-Trace-Id: Root=" NEW_ID "\r\n"

static void
head_is_in_albs_order(void **state)
{
    struct run *r = run_new();
    struct forward_conn conn = plain_conn;

    (void)state;
    conn.identity_block = STR("X-Amzn-Mtls-Clientcert-Subject: CN=alice\r\n");
    conn.identity_lines = 1;
    r->f.conn = &conn;
    check_forward(r,
                  REQUEST "accept: */*\r\nX-OdD-Case: Yes\r\nEmpty:\r\naccept: text/html\r\n\r\n",
                  FIRST XFF PROTO "X-Amzn-Mtls-Clientcert-Subject: CN=alice\r\n" HOST TRACE
                                  "accept: */*\r\nX-OdD-Case: Yes\r\nEmpty: \r\naccept: "
                                  "text/html\r\n\r\n");
}

static void
framing_is_ours_and_comes_last(void **state)
{
    static const struct {
        const char *head;
        const char *want;
    } cases[] = {
        {"POST /a HTTP/1.1\r\nHost: h.test\r\nContent-Length: 5\r\nX: y\r\n\r\n",
         "POST /a HTTP/1.1\r\n" XFF PROTO "Host: h.test\r\n" TRACE
         "X: y\r\nContent-Length: 5\r\n\r\n"},
        {"POST /a HTTP/1.1\r\nHost: h.test\r\nContent-Length: 0\r\n\r\n",
         "POST /a HTTP/1.1\r\n" XFF PROTO "Host: h.test\r\n" TRACE "Content-Length: 0\r\n\r\n"},
        {"POST /a HTTP/1.1\r\nHost: h.test\r\ntransfer-encoding: chunked\r\nX: y\r\n\r\n",
         "POST /a HTTP/1.1\r\n" XFF PROTO "Host: h.test\r\n" TRACE
         "X: y\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {"GET /a HTTP/1.1\r\nHost: h.test\r\n\r\n",
         "GET /a HTTP/1.1\r\n" XFF PROTO "Host: h.test\r\n" TRACE "\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++)
        check_forward(run_new(), cases[i].head, cases[i].want);
}

static void
huge_content_length_is_written_whole(void **state)
{
    (void)state;
    check_forward(run_new(),
                  "PUT /a HTTP/1.1\r\nHost: h.test\r\nContent-Length: 9007199254740992\r\n\r\n",
                  "PUT /a HTTP/1.1\r\n" XFF PROTO "Host: h.test\r\n" TRACE
                  "Content-Length: 9007199254740992\r\n\r\n");
}

static void
hop_by_hop_and_forwarding_fields_are_not_copied(void **state)
{
    (void)state;
    check_forward(run_new(),
                  REQUEST "Connection: keep-alive, X-Hop\r\nKeep-Alive: 5\r\nX-Hop: 1\r\n"
                          "TE: trailers\r\nTrailer: X-T\r\nProxy-Connection: close\r\n"
                          "Expect: 100-continue\r\nX-Forwarded-Proto: http\r\n"
                          "x-forwarded-port: 1\r\nX-FORWARDED-PROTO: ftp\r\nKept: 1\r\n\r\n",
                  FIRST XFF PROTO HOST TRACE "Kept: 1\r\n\r\n");
}

/* The first lock (hygiene) left open on purpose. */
static void
withheld_fields_stay_back_even_when_hygiene_did_not_mark_them(void **state)
{
    static const char *const names[] = {
        "Host",
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Transfer-Encoding",
        "Content-Length",
        "TE",
        "Trailer",
        "Upgrade",
        "HTTP2-Settings",
        "Expect",
        "Early-Data",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
    };
    struct run *r = run_new();

    (void)state;
    run_parse(r, REQUEST "\r\n");
    for (size_t i = 0; i < array_len(names); i++)
        assert_int_equal(http_headers_add(&r->req.headers, str_from(names[i]), STR("evil")), 0);
    assert_int_equal(forward_request_write(&r->f, &r->out, &r->arena, &r->trace_id), 0);
    assert_str_equal(buf_peek(&r->out), STR(FIRST XFF PROTO HOST TRACE "\r\n"));
    run_free(r);
}

static void
absolute_form_goes_out_as_origin_form(void **state)
{
    (void)state;
    check_forward(run_new(), "GET https://api.example.test/a%2Fb?x=%00y HTTP/1.1\r\n" HOST "\r\n",
                  "GET /a%2Fb?x=%00y HTTP/1.1\r\n" XFF PROTO HOST TRACE "\r\n");
    check_forward(run_new(), "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
                  "OPTIONS * HTTP/1.1\r\n" XFF PROTO HOST TRACE "\r\n");
    check_forward(run_new(), "GET /a? HTTP/1.1\r\n" HOST "\r\n",
                  "GET /a? HTTP/1.1\r\n" XFF PROTO HOST TRACE "\r\n");
}

static void
host_is_the_canonical_authority_or_the_configured_one(void **state)
{
    struct run *r = run_new();

    (void)state;
    check_forward(run_new(), "GET / HTTP/1.1\r\nHost: API.Example.Test:8443\r\n\r\n",
                  "GET / HTTP/1.1\r\n" XFF PROTO "Host: api.example.test:8443\r\n" TRACE "\r\n");
    r->f.host = STR("abc123.execute-api.us-east-1.amazonaws.com");
    check_forward(r, "GET / HTTP/1.1\r\nHost: api.example.test\r\n\r\n",
                  "GET / HTTP/1.1\r\n" XFF PROTO
                  "Host: abc123.execute-api.us-east-1.amazonaws.com\r\n" TRACE "\r\n");
}

static void
host_can_be_what_an_alb_makes_of_it(void **state)
{
    static const struct {
        const char *port;
        const char *sent;
        const char *want;
    } cases[] = {
        {"443", "h.test", "h.test"},
        {"443", "H.test:443", "h.test"},
        {"443", "h.test:8443", "h.test:8443"},
        {"80", "h.test:80", "h.test"},
        {"8080", "h.test", "h.test:8080"},
        {"8080", "h.test:8080", "h.test:8080"},
        {"8080", "h.test:443", "h.test:443"},
        {"443", "[::1]:443", "[::1]"},
        {"443", "[::1]", "[::1]"},
        {"8080", "[2001:db8::1]", "[2001:db8::1]:8080"},
    };

    (void)state;
    for (size_t i = 0; i < 2 * array_len(cases); i++) {
        struct run *r = run_new();
        struct forward_settings settings = *r->f.settings;
        struct forward_conn conn = plain_conn;
        size_t n = i / 2;
        char head[128];
        char want[512];

        settings.host_as_alb = true;
        conn.listener_port = str_from(cases[n].port);
        r->f.settings = &settings;
        r->f.conn = &conn;
        if (i % 2 == 1)
            r->f.host = STR("named.test");
        (void)snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", cases[n].sent);
        (void)snprintf(want, sizeof(want),
                       "GET / HTTP/1.1\r\n" XFF
                       "X-Forwarded-Proto: https\r\nX-Forwarded-Port: %s\r\nHost: %s\r\n" TRACE
                       "\r\n",
                       cases[n].port, i % 2 == 1 ? "named.test" : cases[n].want);
        check_forward(r, head, want);
    }
}

/* ---- X-Forwarded-For ---- */

struct xff_case {
    enum xff_mode mode;
    bool with_port;
    const char *ip;
    const char *sent; /* header lines */
    const char *want; /* header line, or nothing */
};

static const struct xff_case xff_cases[] = {
    {XFF_APPEND, false, "203.0.113.9", "", "X-Forwarded-For: 203.0.113.9\r\n"},
    {XFF_APPEND, false, "203.0.113.9", "X-Forwarded-For: 127.0.0.4\r\n",
     "X-Forwarded-For: 127.0.0.4, 203.0.113.9\r\n"},
    {XFF_APPEND, false, "203.0.113.9", "x-forwarded-for:a,b\r\nX-FORWARDED-FOR: c\r\n",
     "X-Forwarded-For: a,b, c, 203.0.113.9\r\n"},
    {XFF_APPEND, false, "203.0.113.9", "X-Forwarded-For:\r\nX-Forwarded-For: b\r\n",
     "X-Forwarded-For: b, 203.0.113.9\r\n"},
    {XFF_APPEND, false, "2001:db8::7", "", "X-Forwarded-For: 2001:db8::7\r\n"},
    {XFF_APPEND, true, "203.0.113.9", "", "X-Forwarded-For: 203.0.113.9:36280\r\n"},
    {XFF_APPEND, true, "2001:db8::7", "X-Forwarded-For: q\r\n",
     "X-Forwarded-For: q, [2001:db8::7]:36280\r\n"},
    {XFF_PRESERVE, false, "203.0.113.9", "", ""},
    {XFF_PRESERVE, true, "203.0.113.9", "X-Forwarded-For: a\r\nX-Forwarded-For: b\r\n",
     "X-Forwarded-For: a, b\r\n"},
    {XFF_REMOVE, true, "203.0.113.9", "X-Forwarded-For: a\r\n", ""},
    {XFF_REMOVE, false, "203.0.113.9", "", ""},
};

static void
forwarded_for_follows_the_mode(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(xff_cases); i++) {
        const struct xff_case *c = &xff_cases[i];
        struct forward_settings settings = plain_settings;
        struct forward_conn conn = plain_conn;
        struct run *r = run_new();
        char head[512], want[512];

        settings.xff_mode = c->mode;
        settings.xff_client_port = c->with_port;
        conn.client_ip = str_from(c->ip);
        r->f.settings = &settings;
        r->f.conn = &conn;
        snprintf(head, sizeof(head), REQUEST "%s\r\n", c->sent);
        snprintf(want, sizeof(want), FIRST "%s" PROTO HOST TRACE "\r\n", c->want);
        check_forward(r, head, want);
    }
}

/* Requests with n addresses, in lines of seven. */
static int
forward_with_addresses(size_t n, enum xff_mode mode)
{
    struct forward_settings settings = plain_settings;
    struct run *r = run_new();
    struct bytes head = {0};
    int err;

    settings.xff_mode = mode;
    r->f.settings = &settings;
    bytes_puts(&head, REQUEST);
    for (size_t i = 0; i < n; i++) {
        bytes_puts(&head, i % 7 == 0 ? "X-Forwarded-For: 10.0.0.1" : ",10.0.0.1");
        if (i % 7 == 6 || i == n - 1)
            bytes_puts(&head, "\r\n");
    }
    bytes_puts(&head, "\r\n");
    run_parse(r, head.ptr);
    err = forward_request_write(&r->f, &r->out, &r->arena, &r->trace_id);
    assert_true(err == 0 || buf_len(&r->out) == 0);
    run_free(r);
    bytes_free(&head);
    return err;
}

static void
more_than_thirty_addresses_are_refused(void **state)
{
    (void)state;
    assert_int_equal(forward_with_addresses(30, XFF_APPEND), 0);
    assert_int_equal(forward_with_addresses(31, XFF_APPEND), GW_E_LIMIT);
    assert_int_equal(forward_with_addresses(31, XFF_PRESERVE), GW_E_LIMIT);
    assert_int_equal(forward_with_addresses(31, XFF_REMOVE), GW_E_LIMIT);
}

/* ---- X-Amzn-Trace-Id ---- */

static void
trace_id_is_made_or_carried_on(void **state)
{
    static const struct {
        const char *sent;
        const char *want;
    } cases[] = {
        {"", "Root=" NEW_ID},
        {"X-Amzn-Trace-Id:\r\n", "Root=" NEW_ID},
        {"X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793\r\n",
         "Self=" NEW_ID ";Root=1-5759e988-bd862e3fe1be46a994272793"},
        {"x-amzn-trace-id: Root=1-a-b;CalledFrom=app\r\n",
         "Self=" NEW_ID ";Root=1-a-b;CalledFrom=app"},
        {"X-Amzn-Trace-Id: Self=1-old-1;Root=1-a-b;C=d\r\n", "Self=" NEW_ID ";Root=1-a-b;C=d"},
        {"X-Amzn-Trace-Id: Root=1-a-b;Self=1-old-1\r\n", "Root=1-a-b;Self=" NEW_ID},
        {"X-Amzn-Trace-Id: Root=1-a-b; Self=1-old-1;Self=2\r\n", "Root=1-a-b;Self=" NEW_ID},
        {"X-Amzn-Trace-Id: Self=1-old-1\r\n", "Self=" NEW_ID},
        {"X-Amzn-Trace-Id: CalledFrom=app\r\n", "Root=" NEW_ID ";CalledFrom=app"},
        {"X-Amzn-Trace-Id: Root=1-a-b\r\nX-Amzn-Trace-Id: Root=2\r\n",
         "Self=" NEW_ID ";Root=1-a-b"},
        {"X-Amzn-Trace-Id: NotRoot=1;MySelf=2\r\n", "Root=" NEW_ID ";NotRoot=1;MySelf=2"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        char head[512], want[512];

        snprintf(head, sizeof(head), REQUEST "%s\r\n", cases[i].sent);
        snprintf(want, sizeof(want), FIRST XFF PROTO HOST "X-Amzn-Trace-Id: %s\r\n\r\n",
                 cases[i].want);
        check_forward(run_new(), head, want);
    }
}

static bool
trace_survives(size_t filler)
{
    struct run *r = run_new();
    char *head = malloc(filler + 512);
    bool survives;
    int n;

    assert_non_null(head);
    n = snprintf(head, 512, REQUEST "X-Amzn-Trace-Id: Root=1-a-b\r\nFill: ");
    memset(head + n, 'x', filler);
    memcpy(head + n + filler, "\r\n\r\n", 5);
    run_parse(r, head);
    assert_int_equal(forward_request_write(&r->f, &r->out, &r->arena, &r->trace_id), 0);
    survives = str_eq(r->trace_id, STR("Self=" NEW_ID ";Root=1-a-b"));
    assert_true(survives || str_eq(r->trace_id, STR("Root=" NEW_ID)));
    run_free(r);
    free(head);
    return survives;
}

static void
trace_id_is_made_anew_above_seven_kilobytes_of_headers(void **state)
{
    /* the lines besides the filler's own bytes */
    size_t rest = sizeof("Host: api.example.test\r\nX-Amzn-Trace-Id: Root=1-a-b\r\nFill: \r\n") - 1;

    (void)state;
    assert_true(trace_survives(TRACE_HEADERS_BYTES_MAX - rest));
    assert_false(trace_survives(TRACE_HEADERS_BYTES_MAX - rest + 1));
}

static void
trace_id_returned_is_the_one_sent(void **state)
{
    struct run *r = run_new();

    (void)state;
    run_parse(r, REQUEST "X-Amzn-Trace-Id: Root=1-a-b\r\n\r\n");
    assert_int_equal(forward_request_write(&r->f, &r->out, &r->arena, &r->trace_id), 0);
    assert_str_equal(r->trace_id, STR("Self=" NEW_ID ";Root=1-a-b"));
    run_free(r);
}

/* ---- room ---- */

static void
head_is_written_whole_or_not_at_all(void **state)
{
    struct run *r = run_new();
    size_t whole;

    (void)state;
    run_parse(r, REQUEST "Cookie: a=1\r\nX: y\r\n\r\n");
    assert_int_equal(forward_request_write(&r->f, &r->out, &r->arena, &r->trace_id), 0);
    whole = buf_len(&r->out);
    for (size_t cap = 0; cap <= whole; cap++) {
        char *mem = malloc(cap + 1);
        struct buf out;
        int err;

        buf_attach(&out, mem, cap);
        err = forward_request_write(&r->f, &out, &r->arena, &r->trace_id);
        assert_int_equal(err, cap < whole ? GW_E_NOSPACE : 0);
        assert_int_equal(buf_len(&out), cap < whole ? 0 : whole);
        free(mem);
    }
    run_free(r);
}

static void
room_behind_consumed_bytes_is_used(void **state)
{
    struct run *r = run_new();
    char mem[600];
    struct buf out;

    (void)state;
    run_parse(r, REQUEST "\r\n");
    buf_attach(&out, mem, sizeof(mem));
    buf_commit(&out, 500);
    memcpy(mem + 490, "0123456789", 10);
    buf_consume(&out, 490);
    assert_int_equal(forward_request_write(&r->f, &out, &r->arena, &r->trace_id), 0);
    assert_true(str_starts(buf_peek(&out), STR("0123456789" FIRST)));
    run_free(r);
}

static void
full_arena_is_an_answer(void **state)
{
    struct run *r = run_new();
    struct arena small;

    (void)state;
    run_parse(r, REQUEST "\r\n");
    arena_init(&small, 16, 16);
    assert_int_equal(forward_request_write(&r->f, &r->out, &small, &r->trace_id), GW_E_NOSPACE);
    assert_int_equal(buf_len(&r->out), 0);
    arena_done(&small);
    run_free(r);
}

/* ---- HTTP/2 ---- */

static void
split_cookies_of_http2_become_one(void **state)
{
    struct run *r = run_new();

    (void)state;
    r->req = (struct http_req){.version = HTTP_20,
                               .method_text = STR("GET"),
                               .authority = STR("api.example.test"),
                               .path = STR("/"),
                               .framing = FRAMING_NONE};
    assert_int_equal(http_headers_init(&r->req.headers, &r->arena, 8), 0);
    assert_int_equal(http_headers_add(&r->req.headers, STR("cookie"), STR("a=1")), 0);
    assert_int_equal(http_headers_add(&r->req.headers, STR("accept"), STR("*/*")), 0);
    assert_int_equal(http_headers_add(&r->req.headers, STR("cookie"), STR("b=2")), 0);
    assert_int_equal(http_headers_add(&r->req.headers, STR("cookie"), STR("c=3")), 0);
    assert_int_equal(forward_request_write(&r->f, &r->out, &r->arena, &r->trace_id), 0);
    assert_str_equal(buf_peek(&r->out), STR("GET / HTTP/1.1\r\n" XFF PROTO HOST TRACE
                                            "cookie: a=1; b=2; c=3\r\naccept: */*\r\n\r\n"));
    run_free(r);
}

static void
cookie_lines_of_http1_stay_as_they_are(void **state)
{
    (void)state;
    check_forward(run_new(), REQUEST "Cookie: a=1\r\nCookie: b=2\r\n\r\n",
                  FIRST XFF PROTO HOST TRACE "Cookie: a=1\r\nCookie: b=2\r\n\r\n");
}

/* ---- identity lines ---- */

static const struct identity alice = {
    .serial = STR_INIT("03A5B1"),
    .issuer = STR_INIT("CN=rootcamtls.com,OU=rootCA,O=mTLS,L=Seattle,ST=Washington,C=US"),
    .subject = STR_INIT("CN=client_.com,OU=client-3,O=mTLS,ST=Washington,C=US"),
    .validity = STR_INIT("NotBefore=2023-09-21T01:50:17Z;NotAfter=2024-09-20T01:50:17Z"),
    .leaf = STR_INIT("-----BEGIN%20CERTIFICATE-----%0AMIIG%0A-----END%20CERTIFICATE-----%0A"),
};

#define FIVE_LINES                                                                             \
    "X-Amzn-Mtls-Clientcert-Serial-Number: 03A5B1\r\n"                                         \
    "X-Amzn-Mtls-Clientcert-Issuer: "                                                          \
    "CN=rootcamtls.com,OU=rootCA,O=mTLS,L=Seattle,ST=Washington,C=US\r\n"                      \
    "X-Amzn-Mtls-Clientcert-Subject: CN=client_.com,OU=client-3,O=mTLS,ST=Washington,C=US\r\n" \
    "X-Amzn-Mtls-Clientcert-Validity: "                                                        \
    "NotBefore=2023-09-21T01:50:17Z;NotAfter=2024-09-20T01:50:17Z\r\n"                         \
    "X-Amzn-Mtls-Clientcert-Leaf: "                                                            \
    "-----BEGIN%20CERTIFICATE-----%0AMIIG%0A-----END%20CERTIFICATE-----%0A\r\n"
#define TLS_LINES \
    "x-amzn-tls-version: TLSv1.2\r\nx-amzn-tls-cipher-suite: ECDHE-RSA-AES128-GCM-SHA256\r\n"
#define CHAIN_LINE "X-Amzn-Mtls-Clientcert: CHAIN\r\n"

static void
identity_lines_follow_the_mode(void **state)
{
    static const struct {
        enum mutual_mode mode;
        const struct identity *identity;
        const char *chain;
        bool tls_headers;
        const char *want;
        uint32_t lines;
    } cases[] = {
        {MUTUAL_VERIFY, &alice, "", false, FIVE_LINES, 5},
        {MUTUAL_VERIFY, &alice, "CHAIN", true, FIVE_LINES TLS_LINES, 7},
        {MUTUAL_OPTIONAL, &alice, "", false, FIVE_LINES, 5},
        {MUTUAL_OPTIONAL, NULL, "", false, "", 0},
        {MUTUAL_OPTIONAL, NULL, "", true, TLS_LINES, 2},
        {MUTUAL_PASSTHROUGH, NULL, "CHAIN", false, CHAIN_LINE, 1},
        {MUTUAL_PASSTHROUGH, &alice, "CHAIN", true, CHAIN_LINE TLS_LINES, 3},
        {MUTUAL_PASSTHROUGH, NULL, "", false, "", 0},
        {MUTUAL_OFF, NULL, "", false, "", 0},
        {MUTUAL_OFF, &alice, "CHAIN", false, "", 0},
        {MUTUAL_OFF, NULL, "", true, TLS_LINES, 2},
    };
    struct arena arena;

    (void)state;
    arena_init(&arena, 4096, 65536);
    for (size_t i = 0; i < array_len(cases); i++) {
        struct forward_settings settings = {.names = forward_names_default,
                                            .sends_tls_headers = cases[i].tls_headers};
        struct forward_identity in = {.mode = cases[i].mode,
                                      .identity = cases[i].identity,
                                      .chain_pem = str_from(cases[i].chain),
                                      .tls_version = STR("TLSv1.2"),
                                      .tls_cipher = STR("ECDHE-RSA-AES128-GCM-SHA256")};
        struct str block;
        uint32_t lines = 99;

        assert_int_equal(forward_identity_render(&settings, &in, &arena, &block, &lines), 0);
        assert_str_equal(block, str_from(cases[i].want));
        assert_int_equal(lines, cases[i].lines);
    }
    arena_done(&arena);
}

static void
identity_lines_take_the_configured_names(void **state)
{
    struct forward_settings settings = {.names = forward_names_default};
    struct forward_identity in = {.mode = MUTUAL_VERIFY, .identity = &alice};
    struct arena arena;
    struct str block;
    uint32_t lines;

    (void)state;
    arena_init(&arena, 4096, 65536);
    settings.names.subject = STR("My_Subject");
    assert_int_equal(forward_identity_render(&settings, &in, &arena, &block, &lines), 0);
    assert_non_null(memmem(block.ptr, block.len, "\r\nMy_Subject: CN=client_.com,", 28));
    assert_null(memmem(block.ptr, block.len, "Clientcert-Subject", 18));
    arena_done(&arena);
}

static void
identity_that_could_break_a_line_is_never_rendered(void **state)
{
    static const char *const values[] = {"CN=a\r\nX: y", "CN=a\n", "CN=\x01"};
    struct forward_settings settings = {.names = forward_names_default};
    struct identity bad = alice;
    struct forward_identity in = {.mode = MUTUAL_VERIFY, .identity = &bad};
    struct arena arena;
    struct str block;
    uint32_t lines;

    (void)state;
    arena_init(&arena, 4096, 65536);
    for (size_t i = 0; i < array_len(values); i++) {
        bad.subject = str_from(values[i]);
        assert_int_equal(forward_identity_render(&settings, &in, &arena, &block, &lines), GW_E_BUG);
    }
    arena_done(&arena);
}

static void
identity_beyond_the_arena_is_refused_not_cut(void **state)
{
    struct forward_settings settings = {.names = forward_names_default};
    struct forward_identity in = {.mode = MUTUAL_VERIFY, .identity = &alice};
    struct arena arena;
    struct str block;
    uint32_t lines;

    (void)state;
    arena_init(&arena, 64, 128);
    assert_int_equal(forward_identity_render(&settings, &in, &arena, &block, &lines), GW_E_LIMIT);
    arena_done(&arena);
}

/* ---- what a client may try ---- */

static const char *const spoofed_names[] = {
    "X-Amzn-Mtls-Clientcert",
    "X-Amzn-Mtls-Clientcert-Serial-Number",
    "X-Amzn-Mtls-Clientcert-Issuer",
    "X-Amzn-Mtls-Clientcert-Subject",
    "X-Amzn-Mtls-Clientcert-Validity",
    "X-Amzn-Mtls-Clientcert-Leaf",
    "x-amzn-mtls-clientcert-subject",
    "X-AMZN-MTLS-CLIENTCERT-SUBJECT",
    "X_Amzn_Mtls_Clientcert_Subject",
    "X.Amzn.Mtls.Clientcert.Subject",
    "X-Amzn_Mtls.Clientcert-Subject",
    "X-Amzn-Mtls-Anything-Else",
    "x-amzn-tls-version",
    "X_Amzn_Tls_Cipher_Suite",
    "Client-Cert",
    "client_cert",
    "Client-Cert-Chain",
    "X-Forwarded-Client-Cert",
    "X_Forwarded_Client_Cert",
    "X-Forwarded-Tls-Client-Cert",
    "X-Forwarded-Tls-Client-Cert-Info",
    "SSL-Client-S-DN",
    "Ssl_Client_Verify",
    "X-SSL-Client-CN",
    "X-Client-Cert",
    "X-Client-Verify",
    "X-Client-DN",
    "My-Serial",
    "my_serial",
    "MY.SERIAL",
};

/* Every spelling at once, some twice: the gateway's lines are there once, the client's never. */
static void
spoofed_identity_never_reaches_the_upstream(void **state)
{
    static const struct str renamed[] = {STR_INIT("My-Serial")};
    struct forward_settings settings = {.names = forward_names_default, .reserved = {renamed, 1}};
    struct forward_identity in = {.mode = MUTUAL_VERIFY, .identity = &alice};
    struct forward_conn conn = plain_conn;
    struct run *r = run_new();
    struct bytes head = {0};

    (void)state;
    settings.names.serial = renamed[0];
    assert_int_equal(forward_identity_render(&settings, &in, &r->arena, &conn.identity_block,
                                             &conn.identity_lines),
                     0);
    bytes_puts(&head, REQUEST);
    for (size_t i = 0; i < array_len(spoofed_names) * 2; i++)
        bytes_printf(&head, "%s: SPOOFED\r\n", spoofed_names[i % array_len(spoofed_names)]);
    bytes_puts(&head, "Kept: 1\r\n\r\n");
    r->f.settings = &settings;
    r->f.conn = &conn;
    run_parse(r, head.ptr);
    assert_int_equal(forward_request_write(&r->f, &r->out, &r->arena, &r->trace_id), 0);
    assert_null(memmem(r->out_mem, buf_len(&r->out), "SPOOFED", 7));
    assert_str_equal(
        str_sub(buf_peek(&r->out), sizeof(FIRST XFF PROTO) - 1, conn.identity_block.len),
        conn.identity_block);
    assert_str_equal(
        str_sub(buf_peek(&r->out), sizeof(FIRST XFF PROTO) - 1 + conn.identity_block.len, 9999),
        STR(HOST TRACE "Kept: 1\r\n\r\n"));
    run_free(r);
    bytes_free(&head);
}

/* Connections compare it to see whether what they hold is still what would be rendered. */
static void
the_hash_of_an_identity_differs_with_its_lines(void **state)
{
    struct forward_settings same = {.names = forward_names_default};
    struct forward_settings other = {.names = forward_names_default, .sends_server = true};
    uint64_t hash = forward_identity_hash(&same);

    (void)state;
    assert_int_equal(forward_identity_hash(&other), hash);
    other.handover = 1;
    assert_int_not_equal(forward_identity_hash(&other), hash);
    other = same;
    other.sends_tls_headers = true;
    assert_int_not_equal(forward_identity_hash(&other), hash);
    for (size_t i = 0; i < sizeof(same.names) / sizeof(struct str); i++) {
        struct str *names = (struct str *)(void *)&other.names;

        other = same;
        names[i] = STR("X-Renamed");
        assert_int_not_equal(forward_identity_hash(&other), hash);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_is_in_albs_order),
        cmocka_unit_test(framing_is_ours_and_comes_last),
        cmocka_unit_test(huge_content_length_is_written_whole),
        cmocka_unit_test(hop_by_hop_and_forwarding_fields_are_not_copied),
        cmocka_unit_test(withheld_fields_stay_back_even_when_hygiene_did_not_mark_them),
        cmocka_unit_test(absolute_form_goes_out_as_origin_form),
        cmocka_unit_test(host_is_the_canonical_authority_or_the_configured_one),
        cmocka_unit_test(host_can_be_what_an_alb_makes_of_it),
        cmocka_unit_test(forwarded_for_follows_the_mode),
        cmocka_unit_test(more_than_thirty_addresses_are_refused),
        cmocka_unit_test(trace_id_is_made_or_carried_on),
        cmocka_unit_test(trace_id_is_made_anew_above_seven_kilobytes_of_headers),
        cmocka_unit_test(trace_id_returned_is_the_one_sent),
        cmocka_unit_test(head_is_written_whole_or_not_at_all),
        cmocka_unit_test(room_behind_consumed_bytes_is_used),
        cmocka_unit_test(full_arena_is_an_answer),
        cmocka_unit_test(split_cookies_of_http2_become_one),
        cmocka_unit_test(cookie_lines_of_http1_stay_as_they_are),
        cmocka_unit_test(identity_lines_follow_the_mode),
        cmocka_unit_test(identity_lines_take_the_configured_names),
        cmocka_unit_test(identity_that_could_break_a_line_is_never_rendered),
        cmocka_unit_test(identity_beyond_the_arena_is_refused_not_cut),
        cmocka_unit_test(spoofed_identity_never_reaches_the_upstream),
        cmocka_unit_test(the_hash_of_an_identity_differs_with_its_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
