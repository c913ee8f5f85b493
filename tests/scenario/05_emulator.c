/* SPDX-License-Identifier: Apache-2.0
 *
 * The execute-api emulator answers as a private REST API does. Every scenario that goes
 * through the gateway to it relies on these answers, so they are checked without one.
 */
#include "support/unit.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/client.h"
#include "support/pki.h"
#include "support/proc.h"

#define API_HOST "abc123.execute-api.us-east-1.amazonaws.com"
#define MIB_BYTES 1048576

struct emulator {
    struct proc *proc;
    char *dir;
    uint16_t port;
};

struct answer {
    long status;
    struct bytes head;
    struct bytes body;
};

static uint16_t
port_of(struct proc *p)
{
    struct bytes out = proc_stdout(p);
    const char *colon = strrchr(out.ptr, ':');
    uint16_t port = (uint16_t)strtoul(colon + 1, NULL, 10);

    bytes_free(&out);
    return port;
}

/* Extra options end with NULL. */
static struct emulator
emulator_start(const char *const *extra)
{
    struct emulator e = {.dir = dir_temp("emulator")};
    struct pki_cert *root = pki_root("Emulator CA");
    struct pki_cert *leaf = pki_server(root, "localhost," API_HOST ",127.0.0.1");
    char *cert = xformat("%s/emulator.pem", e.dir);
    char *key = xformat("%s/emulator.key", e.dir);
    char *ca = xformat("%s/ca.pem", e.dir);
    const char *argv[24] = {
        program_path("execute-api"), "--listen", "127.0.0.1:0", "--cert", cert, "--key", key};

    for (size_t i = 0; extra && extra[i]; i++)
        argv[7 + i] = extra[i];
    pki_write_pair(e.dir, "emulator", leaf);
    pki_write_certs(ca, root, NULL);
    e.proc = proc_start(&(struct proc_spec){.argv = argv});
    assert_true(proc_wait_text(e.proc, "execute-api: ready", 10000));
    e.port = port_of(e.proc);
    pki_free(leaf);
    pki_free(root);
    free(cert);
    free(key);
    free(ca);
    return e;
}

static void
emulator_stop(struct emulator *e)
{
    assert_int_equal(proc_stop(e->proc, 10000), 0);
    proc_free(e->proc);
    dir_remove(e->dir);
    free(e->dir);
}

static size_t
keep(char *p, size_t size, size_t n, void *to)
{
    bytes_add(to, p, size * n);
    return size * n;
}

static void
answer_free(struct answer *a)
{
    bytes_free(&a->head);
    bytes_free(&a->body);
}

struct ask {
    const char *host;
    const char *path;
    const char *method;
    const char *header;
    const char *body;
};

static void
ask_prepare(CURL *curl, const struct ask *ask, struct answer *a)
{
    if (ask->method && strcmp(ask->method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else if (ask->method)
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, ask->method);
    if (ask->body)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, ask->body);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &a->body);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &a->head);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 20000L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
}

static struct answer
ask(const struct emulator *e, struct ask ask)
{
    CURL *curl = curl_easy_init();
    const char *host = ask.host ? ask.host : API_HOST;
    char *url = xformat("https://%s:%u%s", host, e->port, ask.path);
    char *where = xformat("%s:%u:127.0.0.1", host, e->port);
    char *ca = xformat("%s/ca.pem", e->dir);
    struct curl_slist *names = curl_slist_append(NULL, where);
    struct curl_slist *headers = ask.header ? curl_slist_append(NULL, ask.header) : NULL;
    struct answer a = {0};

    ask_prepare(curl, &ask, &a);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_RESOLVE, names);
    curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (strcmp(host, API_HOST) != 0)
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a.status);
    curl_slist_free_all(names);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    free(url);
    free(where);
    free(ca);
    return a;
}

static void
check(const struct emulator *e, struct ask question, long status, const char *type,
      const char *body)
{
    struct answer a = ask(e, question);

    if (a.status != status || (body && strcmp(a.body.ptr ? a.body.ptr : "", body) != 0))
        print_error("%s %s: %ld %s\n", question.host ? question.host : API_HOST, question.path,
                    a.status, a.body.ptr ? a.body.ptr : "");
    assert_int_equal(a.status, status);
    if (body)
        assert_string_equal(a.body.ptr ? a.body.ptr : "", body);
    if (type) {
        char *line = xformat("x-amzn-ErrorType: %s\r\n", type);

        assert_non_null(strstr(a.head.ptr, line));
        free(line);
    }
    assert_non_null(strstr(a.head.ptr, "x-amzn-RequestId: "));
    assert_non_null(strstr(a.head.ptr, "x-amz-apigw-id: "));
    answer_free(&a);
}

static void
test_finds_the_api_as_execute_api_does(void **state)
{
    struct emulator e = emulator_start(NULL);
    static const char widget[] = "{\"id\":\"1\",\"value\":\"4.99\"}";
    static const char forbidden[] = "{\"message\":\"Forbidden\"}";
    static const char with_vpce[] = "abc123-vpce-0a1b.execute-api.us-east-1.amazonaws.com";
    static const char endpoint[] = "vpce-0a1b.execute-api.us-east-1.vpce.amazonaws.com";
    static const char other[] = "zzz999.execute-api.us-east-1.amazonaws.com";
    static const char region[] = "abc123.execute-api.eu-west-1.amazonaws.com";
    static const char stranger[] = "abc123-vpce-0fff.execute-api.us-east-1.amazonaws.com";
    static const char id[] = "x-apigw-api-id: abc123";

    (void)state;
    check(&e, (struct ask){.path = "/widgets"}, 200, NULL, widget);
    check(&e, (struct ask){.path = "/prod/widgets"}, 200, NULL, widget);
    check(&e, (struct ask){.path = "/widgets", .host = with_vpce}, 200, NULL, widget);
    check(&e, (struct ask){.path = "/widgets", .host = endpoint, .header = id}, 200, NULL, widget);
    check(&e, (struct ask){.path = "/widgets", .host = endpoint}, 403, "ForbiddenException",
          forbidden);
    check(&e, (struct ask){.path = "/widgets", .host = other, .header = id}, 403,
          "ForbiddenException", forbidden);
    check(&e, (struct ask){.path = "/widgets", .host = region}, 403, "ForbiddenException",
          forbidden);
    check(&e, (struct ask){.path = "/widgets", .host = stranger}, 403, "ForbiddenException",
          forbidden);
    emulator_stop(&e);
}

static void
test_error_bodies_and_health_paths(void **state)
{
    struct emulator e = emulator_start(NULL);
    static const char no_token[] = "{\"message\":\"Missing Authentication Token\"}";

    (void)state;
    check(&e, (struct ask){.path = "/nothing"}, 403, "MissingAuthenticationTokenException",
          no_token);
    check(&e, (struct ask){.path = "/widgets", .method = "DELETE"}, 403,
          "MissingAuthenticationTokenException", no_token);
    check(&e, (struct ask){.path = "/widgets/2"}, 404, "NotFoundException",
          "{\"message\":\"Not Found\"}");
    check(&e, (struct ask){.path = "/ping", .host = "localhost"}, 200, NULL, NULL);
    check(&e, (struct ask){.path = "/sping", .host = "localhost"}, 200, NULL, NULL);
    check(&e, (struct ask){.path = "/widgets", .method = "HEAD"}, 200, NULL, "");
    emulator_stop(&e);
}

static void
test_resource_policy_demands_an_endpoint(void **state)
{
    static const char *const wrong[] = {"--require-vpce", "vpce-0fff", NULL};
    static const char *const right[] = {"--require-vpce", "vpce-7", "--vpce", "vpce-7", NULL};
    struct emulator e = emulator_start(wrong);

    (void)state;
    check(&e, (struct ask){.path = "/widgets"}, 403, "AccessDeniedException",
          "{\"Message\":\"User: anonymous is not authorized to perform: execute-api:Invoke on "
          "resource: arn:aws:execute-api:us-east-1:********1234:abc123/prod/GET/widgets with an "
          "explicit deny\"}");
    emulator_stop(&e);
    e = emulator_start(right);
    check(&e, (struct ask){.path = "/widgets"}, 200, NULL, NULL);
    emulator_stop(&e);
}

static void
test_echo_shows_what_arrived(void **state)
{
    struct emulator e = emulator_start(NULL);
    struct answer a = ask(
        &e,
        (struct ask){.path = "/echo?a=1&b=%20", .header = "X-Odd: q\"\\\xc3\xbc", .body = "hello"});

    (void)state;
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.body.ptr, "\"method\":\"POST\",\"path\":\"/echo?a=1&b=%20\""));
    assert_non_null(strstr(a.body.ptr, "[\"X-Odd\",\"q\\u0022\\u005c\\u00c3\\u00bc\"]"));
    assert_non_null(strstr(a.body.ptr, "\"length\":5,\"sha256\":"
                                       "\"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362"
                                       "938b9824\""));
    assert_non_null(strstr(a.body.ptr, "\"sni\":\"" API_HOST "\""));
    answer_free(&a);
    emulator_stop(&e);
}

/* One TLS connection, raw text. */
static struct client *
dial(const struct emulator *e)
{
    return client_open(&(struct client_spec){.port = e->port, .sni = API_HOST});
}

static void
test_pipelined_and_chunked_requests_in_order(void **state)
{
    struct emulator e = emulator_start(NULL);
    struct client *c = dial(&e);
    static const char text[] =
        "GET /widgets HTTP/1.1\r\nHost: " API_HOST "\r\n\r\n"
        "POST /echo HTTP/1.1\r\nHost: " API_HOST "\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: t\r\n\r\n"
        "POST /sink HTTP/1.1\r\nHost: " API_HOST "\r\nContent-Length: 4\r\n\r\n1234";
    struct response r;

    (void)state;
    assert_int_equal(client_dribble(c, str_make(text, sizeof(text) - 1), 7, 0), CLIENT_OK);
    r = client_response(c, false);
    assert_string_equal(r.body.ptr, "{\"id\":\"1\",\"value\":\"4.99\"}");
    response_free(&r);
    r = client_response(c, false);
    assert_non_null(strstr(r.body.ptr, "\"trailers\":[[\"X-Trailer\",\"t\"]],\"length\":5"));
    assert_non_null(strstr(r.body.ptr, "\"request\":2"));
    response_free(&r);
    r = client_response(c, false);
    assert_string_equal(r.body.ptr, "{\"length\":4}");
    response_free(&r);
    client_close(c);
    emulator_stop(&e);
}

static void
test_ambiguous_framing_is_refused(void **state)
{
    static const char *const rows[] = {
        "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
        "POST /sink HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
        "GET /ping HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
        "GET /ping HTTP/1.1\r\n\r\n",
        "GET /ping HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /ping HTTP/2.0\r\nHost: a\r\n\r\n",
    };
    struct emulator e = emulator_start(NULL);

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct client *c = dial(&e);
        struct response r = client_exchange(c, rows[i]);

        assert_int_equal(r.status, 400);
        assert_true(r.closes);
        assert_int_equal(client_wait_closed(c, 5000), CLIENT_EOF);
        response_free(&r);
        client_close(c);
    }
    emulator_stop(&e);
}

static void
test_payload_limit_and_its_lifting(void **state)
{
    static const char *const lifted[] = {"--no-payload-limit", NULL};
    struct emulator e = emulator_start(NULL);
    struct client *c = dial(&e);
    struct response r;
    char *block = xcalloc(1, MIB_BYTES);
    static const char head[] = "POST /sink HTTP/1.1\r\nHost: " API_HOST "\r\n"
                               "Content-Length: 11534336\r\nExpect: 100-continue\r\n\r\n";

    (void)state;
    r = client_exchange(c, head);
    assert_int_equal(r.status, 413);
    assert_int_equal(r.interim, 0);
    assert_string_equal(r.body.ptr, "{\"message\":\"Request Too Long\"}");
    response_free(&r);
    client_close(c);
    emulator_stop(&e);

    e = emulator_start(lifted);
    c = dial(&e);
    client_puts(c, head);
    for (int i = 0; i < 11; i++)
        assert_int_equal(client_send(c, block, MIB_BYTES), CLIENT_OK);
    r = client_response(c, false);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.interim, 1);
    assert_string_equal(r.body.ptr, "{\"length\":11534336}");
    response_free(&r);
    client_close(c);
    emulator_stop(&e);
    free(block);
}

static void
test_large_downloads_take_constant_memory(void **state)
{
    struct emulator e = emulator_start(NULL);
    struct client *c = dial(&e);
    struct proc_usage usage = {0};
    struct bytes body = {0};
    uint64_t left = UINT64_C(200000001);
    char *block = xmalloc(MIB_BYTES);

    (void)state;
    client_puts(c, "GET /bytes/200000001 HTTP/1.1\r\nHost: " API_HOST "\r\n\r\n");
    assert_int_equal(client_read_until(c, "\r\n\r\n", &body), CLIENT_OK);
    left -= body.len - (size_t)(strstr(body.ptr, "\r\n\r\n") + 4 - body.ptr);
    while (left > 0) {
        size_t n;

        assert_int_equal(client_read(c, block, MIB_BYTES, &n), CLIENT_OK);
        assert_true(n <= left);
        left -= n;
    }
    assert_true(proc_usage(e.proc, &usage));
    assert_true(usage.peak_rss_kib < 200 * 1024);
    bytes_free(&body);
    free(block);
    client_close(c);
    emulator_stop(&e);
}

static void
test_sessions_resume(void **state)
{
    struct emulator e = emulator_start(NULL);
    struct client *c = dial(&e);
    struct response r = client_get(c, API_HOST, "/widgets");
    SSL_SESSION *session = client_session(c);

    (void)state;
    response_free(&r);
    client_close(c);
    assert_non_null(session);
    c = client_open(&(struct client_spec){.port = e.port, .sni = API_HOST, .session = session});
    assert_true(client_resumed(c));
    SSL_SESSION_free(session);
    client_close(c);
    emulator_stop(&e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_the_api_as_execute_api_does),
        cmocka_unit_test(test_error_bodies_and_health_paths),
        cmocka_unit_test(test_resource_policy_demands_an_endpoint),
        cmocka_unit_test(test_echo_shows_what_arrived),
        cmocka_unit_test(test_pipelined_and_chunked_requests_in_order),
        cmocka_unit_test(test_ambiguous_framing_is_refused),
        cmocka_unit_test(test_payload_limit_and_its_lifting),
        cmocka_unit_test(test_large_downloads_take_constant_memory),
        cmocka_unit_test(test_sessions_resume),
    };
    int failed;

    curl_global_init(CURL_GLOBAL_DEFAULT);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
