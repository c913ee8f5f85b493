/* SPDX-License-Identifier: Apache-2.0
 *
 * Transfers from good and hostile servers, the addresses that are never asked, and when to
 * ask again.
 */
#include "support/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/fetch.h"
#include "support/origin.h"

static struct fetch_result
get(struct origin *o, const char *path, size_t max_bytes, int64_t timeout_ms)
{
    struct fetch_request req = {.max_bytes = max_bytes, .timeout_ms = timeout_ms, .slow_s = 1};
    struct fetch_result r = {0};

    req.url = xformat("http://%s%s", origin_address(o), path);
    fetch_request_add_header(&req, "If-None-Match: %s", "\"old\"");
    fetch_run(&req, &r);
    fetch_request_done(&req);
    return r;
}

static void
an_answer_comes_with_its_tags(void **state)
{
    static const struct origin_step steps[] = {
        ORIGIN_READ_REQUEST,
        ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 5\r\neTag: \"a1\"\r\n"
                    "Last-Modified: Tue, 24 Nov 2026 03:08:00 GMT\r\n\r\nhello"),
    };
    struct origin *o = origin_start(&(struct origin_spec){.steps = steps, .count = 2});
    struct fetch_result r = get(o, "/a/../b", 5, 5000);

    (void)state;
    assert_int_equal(r.status, 200);
    assert_string_equal(r.error, "");
    assert_str_equal(str_make(r.body, r.len), STR("hello"));
    assert_string_equal(r.etag, "\"a1\"");
    assert_string_equal(r.last_modified, "Tue, 24 Nov 2026 03:08:00 GMT");
    fetch_result_done(&r);
    assert_true(origin_saw(o, "GET /a/../b HTTP/1.1\r\n"));
    assert_true(origin_saw(o, "If-None-Match: \"old\"\r\n"));
    assert_false(origin_saw(o, "Accept-Encoding"));
    origin_stop(o);
}

struct bad_row {
    const char *name;
    struct origin_step steps[3];
    size_t count;
    int status; /* expected */
};

#define CHUNK "1000\r\n" /* and 4096 bytes */
#define B16 "0123456789abcdef"
#define B256 B16 B16 B16 B16 B16 B16 B16 B16 B16 B16 B16 B16 B16 B16 B16 B16
#define B4096 B256 B256 B256 B256 B256 B256 B256 B256 B256 B256 B256 B256 B256 B256 B256 B256

static const struct bad_row bad_rows[] = {
    {"chunked without end",
     {ORIGIN_READ_REQUEST, ORIGIN_SEND("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
      ORIGIN_REPEAT(CHUNK B4096 "\r\n", 12800)}, /* 50 MiB */
     3,
     0},
    {"too long by its own word",
     {ORIGIN_READ_REQUEST, ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n"),
      ORIGIN_REPEAT(B4096, 17)},
     3,
     0},
    {"until the end of the connection",
     {ORIGIN_READ_REQUEST, ORIGIN_SEND("HTTP/1.1 200 OK\r\n\r\n"), ORIGIN_REPEAT(B4096, 100)},
     3,
     0},
    {"header fields without end",
     {ORIGIN_READ_REQUEST, ORIGIN_SEND("HTTP/1.1 200 OK\r\n"),
      ORIGIN_REPEAT("X-Filler: " B256 "\r\n", 10000)},
     3,
     0},
    {"cut",
     {ORIGIN_READ_REQUEST, ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
      ORIGIN_CLOSE},
     3,
     0},
    {"reset", {ORIGIN_READ_REQUEST, ORIGIN_RESET}, 2, 0},
    {"no HTTP", {ORIGIN_READ_REQUEST, ORIGIN_SEND("hello"), ORIGIN_CLOSE}, 3, 0},
    {"silent", {ORIGIN_READ_REQUEST, ORIGIN_HOLD}, 2, 0},
    {"one byte a second",
     {ORIGIN_READ_REQUEST, ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
      ORIGIN_DRIBBLE(B256, 1, 1000)},
     3,
     0},
    {"redirect to a file",
     {ORIGIN_READ_REQUEST,
      ORIGIN_SEND(
          "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n")},
     2,
     302},
    {"redirect to a metadata service",
     {ORIGIN_READ_REQUEST, ORIGIN_SEND("HTTP/1.1 301 Moved\r\nLocation: "
                                       "http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")},
     2,
     301},
    {"not there",
     {ORIGIN_READ_REQUEST, ORIGIN_SEND("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")},
     2,
     404},
    {"not modified",
     {ORIGIN_READ_REQUEST, ORIGIN_SEND("HTTP/1.1 304 Not Modified\r\n\r\n")},
     2,
     304},
};

static void
hostile_servers_give_a_status_or_an_error_in_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(bad_rows); i++) {
        const struct bad_row *row = &bad_rows[i];
        struct origin *o =
            origin_start(&(struct origin_spec){.steps = row->steps, .count = row->count});
        int64_t start = now_ms();
        struct fetch_result r = get(o, "/", 65536, 3000);

        if (r.status != row->status || (r.error[0] != '\0') != (row->status == 0))
            fail_msg("%s: status %d, error \"%s\"", row->name, r.status, r.error);
        assert_true(r.len <= 65536);
        assert_true(now_ms() - start < 5000);
        assert_int_equal(origin_conn_count(o), 1);
        fetch_result_done(&r);
        origin_stop(o);
    }
}

static void
compressed_bodies_stay_compressed(void **state)
{
    static const struct origin_step steps[] = {
        ORIGIN_READ_REQUEST,
        ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Encoding: gzip\r\n\r\n"
                    "\x1f\x8b\x08\x01"),
    };
    struct origin *o = origin_start(&(struct origin_spec){.steps = steps, .count = 2});
    struct fetch_result r = get(o, "/", 100, 3000);

    (void)state;
    assert_int_equal(r.status, 200);
    assert_int_equal(r.len, 4);
    fetch_result_done(&r);
    origin_stop(o);
}

static void
only_http_and_https_are_spoken_and_no_proxy_is_asked(void **state)
{
    static const char *const urls[] = {"file:///etc/passwd",
                                       "ftp://127.0.0.1/x",
                                       "gopher://127.0.0.1/",
                                       "http://user:word@127.0.0.1/",
                                       "http://169.254.169.254/latest/meta-data/",
                                       "http://[fe80::1]/",
                                       "http://0.0.0.0/"};
    struct origin *o = origin_start(&(struct origin_spec){.steps = NULL});

    (void)state;
    assert_int_equal(setenv("http_proxy", origin_address(o), 1), 0);
    assert_int_equal(setenv("all_proxy", origin_address(o), 1), 0);
    for (size_t i = 0; i < array_len(urls); i++) {
        struct fetch_request req = {.max_bytes = 100, .timeout_ms = 2000, .slow_s = 1};
        struct fetch_result r = {0};

        req.url = xstrdup(urls[i]);
        fetch_run(&req, &r);
        if (r.status != 0 || r.error[0] == '\0')
            fail_msg("%s: status %d", urls[i], r.status);
        fetch_result_done(&r);
        fetch_request_done(&req);
    }
    assert_int_equal(origin_conn_count(o), 0);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    origin_stop(o);
}

static void
https_needs_a_certificate_of_the_bundle(void **state)
{
    struct pki_cert *root = pki_root("Test Root"), *other = pki_root("Other Root");
    struct pki_cert *server = pki_server(root, "127.0.0.1"),
                    *wrong = pki_server(root, "other.test");
    struct pki_cert *const served[] = {server, server, wrong};
    char *dir = unit_tmp_new();
    char *bundle = unit_path(dir, "ca.pem");

    (void)state;
    for (size_t i = 0; i < array_len(served); i++) {
        struct origin *o = origin_start(&(struct origin_spec){.cert = served[i]});
        struct fetch_request req = {.max_bytes = 100, .timeout_ms = 3000, .slow_s = 3};
        struct fetch_result r = {0};

        pki_write_certs(bundle, i == 1 ? other : root, NULL);
        req.url = xformat("https://%s/", origin_address(o));
        req.ca_bundle = xstrdup(bundle);
        fetch_run(&req, &r);
        assert_int_equal(r.status, i == 0 ? 200 : 0);
        assert_int_equal(origin_request_count(o), i == 0);
        fetch_result_done(&r);
        fetch_request_done(&req);
        origin_stop(o);
    }
    pki_free(wrong);
    pki_free(server);
    pki_free(other);
    pki_free(root);
    unit_tmp_done(dir);
    free(bundle);
}

static bool
allows(const char *text, bool is_credentials)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return fetch_address_is_allowed((const struct sockaddr *)&v4, is_credentials);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return fetch_address_is_allowed((const struct sockaddr *)&v6, is_credentials);
}

static void
metadata_services_are_never_asked(void **state)
{
    static const char *const allowed[] = {"127.0.0.1", "10.0.0.1",    "192.168.1.1",
                                          "8.8.8.8",   "169.253.1.1", "::1",
                                          "fd00::1",   "2001:db8::1", "::ffff:10.0.0.1"};
    static const char *const refused[] = {"169.254.169.254",
                                          "169.254.0.1",
                                          "169.254.170.3",
                                          "0.0.0.0",
                                          "0.1.2.3",
                                          "224.0.0.1",
                                          "255.255.255.255",
                                          "fe80::1",
                                          "febf::1",
                                          "ff02::1",
                                          "::",
                                          "fd00:ec2::254",
                                          "::169.254.169.254",
                                          "64:ff9b::169.254.169.254",
                                          "::ffff:169.254.169.254"};
    struct sockaddr other = {.sa_family = AF_UNIX};

    (void)state;
    for (size_t i = 0; i < array_len(allowed); i++) {
        if (!allows(allowed[i], false) || !allows(allowed[i], true))
            fail_msg("%s is refused", allowed[i]);
    }
    for (size_t i = 0; i < array_len(refused); i++) {
        if (allows(refused[i], false) || allows(refused[i], true))
            fail_msg("%s is allowed", refused[i]);
    }
    assert_true(allows("169.254.170.2", true));
    assert_false(allows("169.254.170.2", false));
    assert_false(fetch_address_is_allowed(&other, true));
}

static void
failures_are_asked_again_later_and_later(void **state)
{
    (void)state;
    assert_int_equal(fetch_delay_ms(3600000, 0, 0), 3600000);
    assert_int_equal(fetch_delay_ms(3600000, 0, 360000), 3960000);
    assert_int_equal(fetch_delay_ms(3600000, 0, 360001), 3600000);
    assert_int_equal(fetch_delay_ms(3600000, 1, 0), 1000);
    assert_int_equal(fetch_delay_ms(3600000, 2, 0), 2000);
    assert_int_equal(fetch_delay_ms(3600000, 5, 0), 16000);
    assert_int_equal(fetch_delay_ms(3600000, 20, 0), FETCH_BACKOFF_MAX_MS);
    assert_int_equal(fetch_delay_ms(3600000, 4000000000, 0), FETCH_BACKOFF_MAX_MS);
    for (uint64_t i = 0; i < 1000; i++)
        assert_in_range(fetch_delay_ms(10000, 0, i * UINT64_C(0x9e3779b97f4a7c15)), 10000, 11000);
}

/* ---- the thread ---- */

struct waiter {
    struct loop *loop;
    unsigned done_count, wanted;
    uint64_t numbers[16];
    int statuses[16];
};

static void
on_done(void *arg, uint64_t number, struct fetch_result *r)
{
    struct waiter *w = arg;

    w->numbers[w->done_count] = number;
    w->statuses[w->done_count++] = r->status;
    if (w->done_count == w->wanted)
        loop_stop(w->loop);
}

static uint64_t
start(struct fetcher *f, struct origin *o)
{
    struct fetch_request req = {.max_bytes = 100, .timeout_ms = 20000, .slow_s = 20};

    req.url = xformat("http://%s/", origin_address(o));
    return fetcher_start(f, &req);
}

static void
a_slow_server_holds_nobody_up(void **state)
{
    static const struct origin_step silent[] = {ORIGIN_READ_REQUEST, ORIGIN_HOLD};
    struct origin *slow = origin_start(&(struct origin_spec){.steps = silent, .count = 2});
    struct origin *good = origin_start(&(struct origin_spec){.steps = NULL});
    struct waiter w = {.loop = loop_new(), .wanted = 9};
    struct fetcher *f = fetcher_new(w.loop, on_done, &w);
    uint64_t slow_number = start(f, slow);
    int64_t begun = now_ms();

    (void)state;
    for (int i = 0; i < 9; i++)
        start(f, good);
    loop_run(w.loop);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(w.statuses[i], 200);
        assert_int_not_equal(w.numbers[i], slow_number);
    }
    assert_true(now_ms() - begun < 5000);
    begun = now_ms();
    for (int i = 0; i < 8; i++)
        start(f, slow); /* under way and waiting when it ends */
    sleep_ms(100);
    fetcher_free(f);
    assert_true(now_ms() - begun < 3000);
    loop_free(w.loop);
    origin_stop(good);
    origin_stop(slow);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_with_its_tags),
        cmocka_unit_test(hostile_servers_give_a_status_or_an_error_in_time),
        cmocka_unit_test(compressed_bodies_stay_compressed),
        cmocka_unit_test(only_http_and_https_are_spoken_and_no_proxy_is_asked),
        cmocka_unit_test(https_needs_a_certificate_of_the_bundle),
        cmocka_unit_test(metadata_services_are_never_asked),
        cmocka_unit_test(failures_are_asked_again_later_and_later),
        cmocka_unit_test(a_slow_server_holds_nobody_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
