/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "http/reply.h"
#include "policy/forward.h"

static const struct forward_settings plain_settings = {.sends_server = true};

/* ---- responses ---- */

struct response {
    struct arena arena;
    struct http_resp resp;
    char out_mem[4096];
    struct buf out;
};

static struct response *
response_new(int status, const char *reason)
{
    struct response *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    arena_init(&r->arena, 4096, 65536);
    r->resp = (struct http_resp){.status = status, .reason = str_from(reason)};
    assert_int_equal(http_headers_init(&r->resp.headers, &r->arena, 16), 0);
    buf_attach(&r->out, r->out_mem, sizeof(r->out_mem));
    return r;
}

static void
response_add(struct response *r, const char *name, const char *value)
{
    assert_int_equal(http_headers_add(&r->resp.headers, str_from(name), str_from(value)), 0);
}

static void
response_free(struct response *r)
{
    arena_done(&r->arena);
    free(r);
}

struct framing_case {
    int status;
    enum http_framing framing;
    uint64_t length;
    bool keep_alive, writes_length;
    const char *want;
};

static const struct framing_case framing_cases[] = {
    {200, FRAMING_LENGTH, 12, true, false, "Content-Length: 12\r\nConnection: keep-alive\r\n"},
    {200, FRAMING_LENGTH, 0, false, false, "Content-Length: 0\r\nConnection: close\r\n"},
    {200, FRAMING_CHUNKED, 0, true, false,
     "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n"},
    {200, FRAMING_UNTIL_CLOSE, 0, true, false, "Connection: close\r\n"},
    {204, FRAMING_NONE, 0, true, false, "Connection: keep-alive\r\n"},
    {304, FRAMING_NONE, 77, true, true, "Content-Length: 77\r\nConnection: keep-alive\r\n"},
    {103, FRAMING_NONE, 0, true, false, ""},
};

static void
response_framing_is_ours(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(framing_cases); i++) {
        const struct framing_case *c = &framing_cases[i];
        struct response *r = response_new(c->status, "Why");
        struct forward_h1_response f = {&r->resp, c->framing, c->length, c->keep_alive,
                                        c->writes_length};
        char want[256];

        response_add(r, "content-length", "999");
        response_add(r, "Transfer-Encoding", "gzip");
        response_add(r, "Connection", "close");
        response_add(r, "Keep-Alive", "timeout=5");
        response_add(r, "Upgrade", "h2c");
        response_add(r, "eTag", "\"x\"");
        snprintf(want, sizeof(want), "HTTP/1.1 %d Why\r\neTag: \"x\"\r\n%s\r\n", c->status,
                 c->want);
        assert_int_equal(forward_response_write(&f, &r->out), 0);
        assert_str_equal(buf_peek(&r->out), str_from(want));
        response_free(r);
    }
}

static void
response_without_reason_gets_the_usual_one(void **state)
{
    struct response *r = response_new(404, "");
    struct forward_h1_response f = {.resp = &r->resp, .framing = FRAMING_NONE, .keep_alive = true};

    (void)state;
    assert_int_equal(forward_response_write(&f, &r->out), 0);
    assert_str_equal(buf_peek(&r->out),
                     STR("HTTP/1.1 404 Not Found\r\nConnection: keep-alive\r\n\r\n"));
    response_free(r);
}

static void
response_head_is_written_whole_or_not_at_all(void **state)
{
    struct response *r = response_new(200, "OK");
    struct forward_h1_response f = {&r->resp, FRAMING_LENGTH, 5, true, false};
    size_t whole;

    (void)state;
    response_add(r, "a", "b");
    assert_int_equal(forward_response_write(&f, &r->out), 0);
    whole = buf_len(&r->out);
    for (size_t cap = 0; cap < whole; cap++) {
        buf_attach(&r->out, r->out_mem, cap);
        assert_int_equal(forward_response_write(&f, &r->out), GW_E_NOSPACE);
        assert_int_equal(buf_len(&r->out), 0);
    }
    buf_attach(&r->out, r->out_mem, whole + 4);
    buf_commit(&r->out, 10);
    buf_consume(&r->out, 5);
    assert_int_equal(forward_response_write(&f, &r->out), GW_E_NOSPACE);
    buf_consume(&r->out, 1);
    assert_int_equal(forward_response_write(&f, &r->out), 0);
    assert_int_equal(buf_len(&r->out), whole + 4);
    response_free(r);
}

static const struct forward_override overrides[] = {
    {STR_INIT("strict-transport-security"), STR_INIT("max-age=31536000")},
    {STR_INIT("x-frame-options"), STR_INIT("DENY")},
};

static void
overrides_replace_or_add(void **state)
{
    struct forward_settings settings = {.response_overrides = overrides,
                                        .response_override_count = 2};
    struct response *r = response_new(200, "OK");
    struct forward_h1_response f = {&r->resp, FRAMING_NONE, 0, true, false};

    (void)state;
    response_add(r, "X-Frame-Options", "ALLOWALL");
    response_add(r, "a", "b");
    response_add(r, "x-frame-options", "SAMEORIGIN");
    assert_int_equal(forward_response_prepare(&settings, &r->resp), 0);
    assert_int_equal(forward_response_write(&f, &r->out), 0);
    assert_str_equal(buf_peek(&r->out), STR("HTTP/1.1 200 OK\r\nX-Frame-Options: DENY\r\na: b\r\n"
                                            "strict-transport-security: max-age=31536000\r\n"
                                            "Connection: keep-alive\r\n\r\n"));
    response_free(r);
}

static void
overrides_beyond_the_table_are_an_error(void **state)
{
    struct forward_settings settings = {.response_overrides = overrides,
                                        .response_override_count = 2};
    struct arena arena;
    struct http_resp resp = {.status = 200};

    (void)state;
    arena_init(&arena, 4096, 65536);
    assert_int_equal(http_headers_init(&resp.headers, &arena, 1), 0);
    assert_int_equal(forward_response_prepare(&settings, &resp), GW_E_LIMIT);
    arena_done(&arena);
}

/* ---- the gateway's own answers ---- */

struct own_case {
    struct forward_own in;
    const char *head;
    const char *body;
};

#define DATE "Date: Tue, 24 Nov 2026 03:08:00 GMT\r\n"
#define WALL_S 1795489680

static struct forward_settings quiet_settings = {.sends_server = false};
static struct forward_settings hsts_settings = {
    .sends_server = true, .response_overrides = overrides, .response_override_count = 1};

static const struct own_case own_cases[] = {
    {{&plain_settings, 503, {0}, {0}, WALL_S},
     "HTTP/1.1 503 Service Temporarily Unavailable\r\nServer: awselb/2.0\r\n" DATE
     "Content-Type: text/html\r\nContent-Length: 162\r\nConnection: keep-alive\r\n\r\n",
     "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n"
     "<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n</body>\r\n</html>\r\n"},
    {{&quiet_settings, 403, {0}, {0}, WALL_S},
     "HTTP/1.1 403 Forbidden\r\n" DATE
     "Content-Type: text/html\r\nContent-Length: 118\r\nConnection: keep-alive\r\n\r\n",
     "<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>\r\n"
     "<center><h1>403 Forbidden</h1></center>\r\n</body>\r\n</html>\r\n"},
    {{&plain_settings, 200, STR_INIT("text/plain"), STR_INIT("hello"), WALL_S},
     "HTTP/1.1 200 OK\r\nServer: awselb/2.0\r\n" DATE
     "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n"
     "Connection: keep-alive\r\n\r\n",
     "hello"},
    {{&plain_settings, 404, STR_INIT("application/json"), STR_INIT("{}"), WALL_S},
     "HTTP/1.1 404 Not Found\r\nServer: awselb/2.0\r\n" DATE
     "Content-Type: application/json\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n",
     "{}"},
    {{&plain_settings, 404, {0}, STR_INIT(""), WALL_S},
     "HTTP/1.1 404 Not Found\r\nServer: awselb/2.0\r\n" DATE
     "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 0\r\n"
     "Connection: keep-alive\r\n\r\n",
     ""},
    {{&plain_settings, 204, STR_INIT("text/plain"), STR_INIT("hello"), WALL_S},
     "HTTP/1.1 204 No Content\r\nServer: awselb/2.0\r\n" DATE "Connection: keep-alive\r\n\r\n",
     ""},
    {{&hsts_settings, 502, {0}, {0}, WALL_S},
     "HTTP/1.1 502 Bad Gateway\r\nServer: awselb/2.0\r\n" DATE
     "Content-Type: text/html\r\nstrict-transport-security: max-age=31536000\r\n"
     "Content-Length: 122\r\nConnection: keep-alive\r\n\r\n",
     "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
     "<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"},
};

static void
own_answers_are_albs(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(own_cases); i++) {
        const struct own_case *c = &own_cases[i];
        struct response *r = response_new(0, "");
        struct forward_h1_response f = {.resp = &r->resp, .keep_alive = true};
        struct str body;

        assert_int_equal(forward_own_response(&c->in, &r->arena, &r->resp, &body), 0);
        f.framing = r->resp.framing;
        f.content_length = r->resp.content_length;
        assert_int_equal(forward_response_write(&f, &r->out), 0);
        assert_str_equal(buf_peek(&r->out), str_from(c->head));
        assert_str_equal(body, str_from(c->body));
        response_free(r);
    }
}

/* Every status that the gateway makes has a reason and, where one may be, a body. */
static void
own_answers_exist_for_every_status_of_ours(void **state)
{
    static const int statuses[] = {400, 401, 403, 404, 405, 408, 413, 414, 417, 421, 431,
                                   460, 463, 464, 500, 501, 502, 503, 504, 505, 507};

    (void)state;
    for (size_t i = 0; i < array_len(statuses); i++) {
        struct forward_own in = {.settings = &plain_settings, .status = statuses[i]};
        struct response *r = response_new(0, "");
        struct str body;

        assert_int_equal(forward_own_response(&in, &r->arena, &r->resp, &body), 0);
        assert_true(body.len > 0);
        assert_int_equal(r->resp.content_length, body.len);
        response_free(r);
    }
}

static void
own_answer_beyond_the_arena_is_an_error(void **state)
{
    struct forward_own in = {.settings = &plain_settings, .status = 503};
    struct http_resp resp;
    struct str body;

    (void)state;
    for (size_t cap = 0; cap < 160; cap += 16) {
        struct arena arena;

        arena_init(&arena, 16, cap);
        assert_int_equal(forward_own_response(&in, &arena, &resp, &body), GW_E_LIMIT);
        arena_done(&arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(response_framing_is_ours),
        cmocka_unit_test(response_without_reason_gets_the_usual_one),
        cmocka_unit_test(response_head_is_written_whole_or_not_at_all),
        cmocka_unit_test(overrides_replace_or_add),
        cmocka_unit_test(overrides_beyond_the_table_are_an_error),
        cmocka_unit_test(own_answers_are_albs),
        cmocka_unit_test(own_answers_exist_for_every_status_of_ours),
        cmocka_unit_test(own_answer_beyond_the_arena_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
