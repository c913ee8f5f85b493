/* SPDX-License-Identifier: Apache-2.0
 *
 * The oracle origin and the raw client, against each other: what one does, the other
 * must see. Scenario tests take both for granted.
 */
#include "support/unit.h"

#include <openssl/ssl.h>
#include <stdlib.h>

#include "support/client.h"
#include "support/origin.h"
#include "support/pki.h"
#include "support/proc.h"

static struct client *
dial(struct origin *o, const struct pki_cert *tls)
{
    return client_open(&(struct client_spec){
        .port = origin_port(o), .plain = !tls, .sni = tls ? "origin.test" : NULL});
}

static void
test_default_origin_answers_and_records(void **state)
{
    struct origin *o = origin_start(&(struct origin_spec){0});
    struct client *c = dial(o, NULL);
    struct response r = client_get(c, "h", "/a");
    struct bytes seen;

    (void)state;
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body.ptr, "ok");
    response_free(&r);
    r = client_exchange(c, "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "5\r\nhello\r\n0\r\nT: 1\r\n\r\n");
    assert_int_equal(r.status, 200);
    assert_str_equal(response_field(&r, "content-type"), STR("text/plain"));
    response_free(&r);
    assert_true(origin_wait_requests(o, 2, 2000));
    seen = origin_received(o, 0);
    assert_non_null(strstr(seen.ptr, "GET /a HTTP/1.1\r\nHost: h\r\n\r\nPOST /b"));
    assert_string_equal(seen.ptr + seen.len - 8, "T: 1\r\n\r\n");
    bytes_free(&seen);
    client_close(c);
    assert_true(origin_wait_idle(o, 2000));
    assert_true(origin_saw(o, "hello"));
    origin_stop(o);
}

/* A connection goes on while the test that began it, and its stack, are gone. */
static void
test_origin_keeps_its_own_steps(void **state)
{
    struct origin_step steps[] = {
        ORIGIN_READ_REQUEST,
        ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"),
        ORIGIN_LOOP,
    };
    struct origin *o = origin_start(&(struct origin_spec){0});
    struct client *c;
    struct response r;

    (void)state;
    origin_set_steps(o, steps, array_len(steps));
    for (size_t i = 0; i < array_len(steps); i++)
        steps[i] = (struct origin_step)ORIGIN_FREEZE;
    c = dial(o, NULL);
    r = client_get(c, "h", "/");
    assert_string_equal(r.body.ptr, "first");
    response_free(&r);
    client_close(c);
    origin_stop(o);
}

static const struct origin_step cut_steps[] = {
    ORIGIN_READ_REQUEST,
    ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour"),
    ORIGIN_CUT,
};
static const struct origin_step reset_steps[] = {
    ORIGIN_READ_REQUEST,
    ORIGIN_SEND("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                "4\r\nfour\r\n"),
    ORIGIN_DELAY(50),
    ORIGIN_RESET,
};
static const struct origin_step dribble_steps[] = {
    ORIGIN_READ_REQUEST,
    ORIGIN_DRIBBLE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 3,
                   1),
    ORIGIN_CLOSE,
};

static void
test_ways_a_response_ends(void **state)
{
    struct pki_cert *root = pki_root("Origin CA");
    struct pki_cert *leaf = pki_server(root, "origin.test");
    const struct pki_cert *const ways[] = {NULL, leaf};

    (void)state;
    for (size_t i = 0; i < array_len(ways); i++) {
        struct origin *o = origin_start(&(struct origin_spec){
            .steps = dribble_steps, .count = array_len(dribble_steps), .cert = ways[i]});
        struct client *c;
        struct response r;

        origin_set_conn_steps(o, 0, cut_steps, array_len(cut_steps));
        origin_set_conn_steps(o, 1, reset_steps, array_len(reset_steps));
        c = dial(o, ways[i]);
        r = client_get(c, "h", "/");
        assert_int_equal(r.status, 200);
        assert_false(r.complete);
        assert_int_equal(r.end, CLIENT_EOF);
        assert_false(client_close_notify(c));
        response_free(&r);
        client_close(c);

        c = dial(o, ways[i]);
        r = client_get(c, "h", "/");
        assert_int_equal(r.interim, 1);
        assert_int_equal(r.end, CLIENT_RESET);
        assert_string_equal(r.body.ptr, "four");
        response_free(&r);
        client_close(c);

        c = dial(o, ways[i]);
        r = client_get(c, "h", "/");
        assert_true(r.complete);
        assert_string_equal(r.body.ptr, "abc");
        assert_int_equal(client_wait_closed(c, 2000), CLIENT_EOF);
        assert_true(client_close_notify(c) == (ways[i] != NULL));
        response_free(&r);
        client_close(c);
        assert_int_equal(origin_conn_count(o), 3);
        origin_stop(o);
    }
    pki_free(leaf);
    pki_free(root);
}

static void
test_refusing_and_frozen_origins(void **state)
{
    static const struct origin_step freeze[] = {ORIGIN_FREEZE};
    struct origin *o = origin_start(&(struct origin_spec){.refuse = true});
    struct client *c = dial(o, NULL);
    struct response r;

    (void)state;
    assert_int_equal(client_state(c), CLIENT_FAILED);
    client_close(c);
    origin_stop(o);
    o = origin_start(&(struct origin_spec){.steps = freeze, .count = 1});
    c = client_open(
        &(struct client_spec){.port = origin_port(o), .plain = true, .timeout_ms = 100});
    r = client_get(c, "h", "/");
    assert_int_equal(r.end, CLIENT_TIMEOUT);
    response_free(&r);
    origin_stop(o);
    assert_int_not_equal(client_wait_closed(c, 1000), CLIENT_TIMEOUT);
    client_close(c);
}

static void
test_client_certificate_and_alert(void **state)
{
    struct pki_cert *root = pki_root("CA");
    struct pki_cert *server = pki_server(root, "origin.test");
    struct pki_cert *good = pki_client(root, "good");
    struct pki_cert *other_root = pki_root("Other");
    struct pki_cert *bad = pki_client(other_root, "bad");
    struct origin *o = origin_start(&(struct origin_spec){.cert = server, .client_ca = root});
    const struct pki_cert *rows[] = {good, bad, NULL};

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct client *c = client_open(
            &(struct client_spec){.port = origin_port(o), .sni = "origin.test", .cert = rows[i]});

        assert_int_equal(client_state(c), CLIENT_OK);
        assert_true(client_admitted(c, 200) == (rows[i] == good));
        if (rows[i] == bad)
            assert_int_equal(client_alert(c), SSL_AD_UNKNOWN_CA);
        if (!rows[i])
            assert_int_equal(client_alert(c), SSL_AD_CERTIFICATE_REQUIRED);
        client_close(c);
    }
    assert_string_equal(origin_sni(o, 0), "origin.test");
    origin_stop(o);
    pki_free(bad);
    pki_free(other_root);
    pki_free(good);
    pki_free(server);
    pki_free(root);
}

/* SETTINGS, then on stream 1: HEADERS ":status: 200", DATA "hi" with END_STREAM. */
static const struct origin_step h2_data_steps[] = {
    ORIGIN_READ_BYTES(24 + 9),
    ORIGIN_SEND("\0\0\0\x04\0\0\0\0\0"),
    ORIGIN_SEND("\0\0\x05\x01\x04\0\0\0\x01\x88\0\x01"
                "x\0"),
    ORIGIN_SEND("\0\0\x02\0\x01\0\0\0\x01hi"),
    ORIGIN_HOLD,
};

static void
test_h2_frames_both_ways(void **state)
{
    struct origin *o = origin_start(
        &(struct origin_spec){.steps = h2_data_steps, .count = array_len(h2_data_steps)});
    struct client *c = dial(o, NULL);
    struct h2_response r;

    (void)state;
    assert_int_equal(h2_start(c, STR("")), CLIENT_OK);
    assert_int_equal(h2_get(c, 1, "h", "/"), CLIENT_OK);
    r = h2_response(c, 1);
    assert_int_equal(r.status, 200);
    assert_true(r.complete);
    assert_string_equal(r.body.ptr, "hi");
    assert_str_equal(h2_response_field(&r, "x"), STR(""));
    h2_response_free(&r);
    client_close(c);
    assert_true(origin_wait_idle(o, 2000));
    assert_true(origin_saw(o, "PRI * HTTP/2.0"));
    assert_true(origin_saw(o, ":authority"));
    origin_stop(o);
}

static void
test_children_are_watched_and_stopped(void **state)
{
    static const char *const argv[] = {"sh", "-c", "echo one; sleep 0.05; echo two >&2; sleep 60",
                                       NULL};
    struct proc *p = proc_start(&(struct proc_spec){.argv = argv});
    struct proc_usage usage;
    struct proc_result r;
    static const char *const status[] = {"sh", "-c", "echo out; exit 7", NULL};

    (void)state;
    assert_true(proc_wait_text(p, "two", 5000));
    assert_false(proc_wait_text(p, "three", 20));
    assert_true(proc_usage(p, &usage));
    assert_true(usage.rss_kib > 0 && usage.fds >= 3 && usage.threads == 1);
    assert_int_equal(proc_stop(p, 5000), 128 + 15);
    assert_false(proc_is_running(p));
    proc_free(p);
    r = proc_run(&(struct proc_spec){.argv = status}, 5000);
    assert_int_equal(r.status, 7);
    assert_string_equal(r.out.ptr, "out\n");
    proc_result_free(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_origin_answers_and_records),
        cmocka_unit_test(test_origin_keeps_its_own_steps),
        cmocka_unit_test(test_ways_a_response_ends),
        cmocka_unit_test(test_refusing_and_frozen_origins),
        cmocka_unit_test(test_client_certificate_and_alert),
        cmocka_unit_test(test_h2_frames_both_ways),
        cmocka_unit_test(test_children_are_watched_and_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
