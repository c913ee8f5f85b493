/* SPDX-License-Identifier: Apache-2.0
 *
 * Clients that are slow on purpose, in every phase of a connection and of a request, each of them
 * saying just enough not to be idle: every one ends at its deadline while others are served. And
 * what a crowd of them costs: memory each, places for handshakes, descriptors.
 */
#include "20_front.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define LISTENER(name, port, attributes)                                                      \
    "  - name: " name "\n"                                                                    \
    "    bind: 127.0.0.1:@" port "@\n"                                                        \
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"                \
    "    mutual_authentication: {mode: verify, trust_store: clients}\n"                       \
    "    attributes: {" attributes "}\n"                                                      \
    "    rules:\n"                                                                            \
    "      - {priority: 1, when: {path: [/here]}, action: {fixed_response: {status: 200}}}\n" \
    "    default_action: {forward: api}\n"

static const char yaml[] =
    "workers: 1\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\", socket: admin.sock}\n"
    "logging: {level: info, access: {path: access.log, format: json}}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: ca.pem, crls: [lists.pem]}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "listeners:\n" LISTENER("plain", "PORT", "idle_timeout.timeout_seconds: 120")
        LISTENER("hasty", "PORT2", "idle_timeout.timeout_seconds: 5")
            LISTENER("short", "PORT3", "client_keep_alive.seconds: 60");

enum listener { PLAIN = 1, HASTY, SHORT };

static int
teardown(void **state)
{
    return front_done(*state) == 0 ? 0 : -1;
}

static int
setup_with(void **state, unsigned nofile)
{
    struct front *f = front_new(NULL);

    f->g = gateway_start(
        &(struct gateway_spec){.yaml = yaml, .vars = f->vars, .dir = f->dir, .nofile = nofile});
    *state = f;
    return 0;
}

static int
setup(void **state)
{
    return setup_with(state, 0);
}

/* Memory is that of the release program. */
static int
setup_release(void **state)
{
    front_use_release("sallyport", "SALLYPORT_BIN");
    return setup_with(state, 0);
}

static int
teardown_release(void **state)
{
    int status = teardown(state);

    unsetenv("SALLYPORT_BIN");
    return status;
}

/* ---- every deadline ---- */

enum slow_kind {
    SLOW_HELLO,
    SLOW_NO_REQUEST,
    SLOW_HEAD,
    SLOW_BODY,
    SLOW_NO_BODY,
    SLOW_READER,
    SLOW_H2_HEAD,
    SLOW_H2_BODY,
    SLOW_H2_READER,
    KEPT_H1, /* not slow at all: it asks again and again */
    KEPT_H2,
    SLOW_KINDS
};

struct slow {
    const char *name;
    enum listener listener;
    const char *alpn;
    int least_ms;      /* it may not end before */
    const char *start; /* sent at once */
    int status;        /* of the answer that ends it */
    struct client *c;
    int64_t ended_ms;
    uint32_t stream;
};

#define POST "POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
#define TICK_MS 200
#define SLACK_MS 20000 /* machines are slow too */

#define SLOW(label, where, protocol, ms, bytes, code)                                       \
    {                                                                                       \
        .name = label, .listener = where, .alpn = protocol, .least_ms = ms, .start = bytes, \
        .status = code                                                                      \
    }

static struct slow slows[SLOW_KINDS] = {
    [SLOW_HELLO] = SLOW("hello", PLAIN, NULL, 4500, NULL, 0),
    [SLOW_NO_REQUEST] = SLOW("no request", HASTY, "http/1.1", 4500, "", 0),
    [SLOW_HEAD] =
        SLOW("head", PLAIN, "http/1.1", 9500, "GET / HTTP/1.1\r\nHost: localhost\r\nX: ", 408),
    [SLOW_BODY] = SLOW("body", PLAIN, "http/1.1", 9500, POST, 408),
    [SLOW_NO_BODY] = SLOW("no body", PLAIN, "http/1.1", 9500, POST, 408),
    [SLOW_READER] =
        SLOW("reader", PLAIN, "http/1.1", 29000, "GET /large HTTP/1.1\r\nHost: h.test\r\n\r\n", 0),
    [SLOW_H2_HEAD] = SLOW("HTTP/2 head", PLAIN, "h2", 9500, NULL, 0),
    [SLOW_H2_BODY] = SLOW("HTTP/2 body", PLAIN, "h2", 9500, NULL, 408),
    [SLOW_H2_READER] = SLOW("HTTP/2 reader", PLAIN, "h2", 29000, NULL, 0),
    [KEPT_H1] = SLOW("HTTP/1.1 kept", SHORT, "http/1.1", 59000, "", 0),
    [KEPT_H2] = SLOW("HTTP/2 kept", SHORT, "h2", 59000, NULL, 0),
};

static const struct origin_step large_steps[] = {
    ORIGIN_READ_HEAD,
    ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 64000000\r\n\r\n"),
    ORIGIN_REPEAT("0123456789abcdef0123456789abcdef", 2000000),
    ORIGIN_HOLD,
};
static const struct origin_step hold_steps[] = {ORIGIN_READ_HEAD, ORIGIN_HOLD};

static void
start_h2(struct slow *s, enum slow_kind kind)
{
    static const struct h2_field post[] = {
        H2_FIELD(":method", "POST"), H2_FIELD(":scheme", "https"),
        H2_FIELD(":authority", "localhost"), H2_FIELD(":path", "/body")};
    /* a literal field with a name of 895 bytes, in a frame that is to be 1000 long */
    static const char head[] = "\x00\x03\xe8\x01\x04\x00\x00\x00\x01\x40\x7f\x80\x06";
    struct str no_window = str_make("\x00\x04\x00\x00\x00\x00", 6);

    assert_int_equal(h2_start(s->c, kind == SLOW_H2_READER ? no_window : STR("")), CLIENT_OK);
    if (kind == SLOW_H2_HEAD)
        assert_int_equal(client_send(s->c, head, sizeof(head) - 1), CLIENT_OK);
    else if (kind == SLOW_H2_BODY)
        assert_int_equal(h2_headers(s->c, 1, post, array_len(post), false), CLIENT_OK);
    else if (kind == SLOW_H2_READER)
        assert_int_equal(h2_get(s->c, 1, "localhost", "/large"), CLIENT_OK);
    s->stream = 1;
}

static void
start(const struct front *f, enum slow_kind kind)
{
    struct slow *s = &slows[kind];

    s->ended_ms = 0;
    s->c = client_open(&(struct client_spec){.port = gateway_port(f->g, (int)s->listener),
                                             .plain = kind == SLOW_HELLO,
                                             .cert = f->alice,
                                             .alpn = s->alpn,
                                             .receive_buffer = kind == SLOW_READER ? 4096 : 0});
    assert_int_equal(client_state(s->c), CLIENT_OK);
    if (kind == SLOW_HELLO)
        assert_int_equal(client_send(s->c, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11),
                         CLIENT_OK);
    else if (s->start != NULL)
        assert_int_equal(client_puts(s->c, s->start), CLIENT_OK);
    else
        start_h2(s, kind);
    client_set_timeout(s->c, 20);
}

/* The other side has ended the connection, read or not. */
static bool
is_over(const struct client *c)
{
    struct pollfd p = {.fd = client_fd(c), .events = POLLRDHUP};

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* A frame that ends the stream, or the connection. */
static bool
h2_is_over(struct slow *s, enum slow_kind kind)
{
    struct h2_frame frame;
    uint8_t ping[8] = {0};
    enum client_end end;

    if (kind == SLOW_H2_HEAD)
        return is_over(s->c);
    if (kind == KEPT_H2) { /* what came for the last request first: then it is still open */
        if (h2_read_type(s->c, H2_GOAWAY, 0, &frame) == CLIENT_OK)
            return true;
        assert_int_equal(h2_get(s->c, s->stream, "localhost", "/here"), CLIENT_OK);
        s->stream += 2;
        return false;
    }
    (void)h2_write(s->c, &(struct h2_frame){.type = H2_PING, .len = 8, .payload = ping});
    end = h2_read_type(s->c, kind == SLOW_H2_BODY ? H2_HEADERS : H2_RST_STREAM, 1, &frame);
    return end != CLIENT_TIMEOUT;
}

static bool
h1_kept_is_over(struct slow *s)
{
    struct response r;
    bool closes;

    client_set_timeout(s->c, 5000);
    r = client_get(s->c, "localhost", "/here");
    client_set_timeout(s->c, 20);
    assert_int_equal(r.status, 200);
    closes = r.closes;
    response_free(&r);
    return closes;
}

/* One byte more, so that nobody can call it idle. */
static void
dribble(struct slow *s, enum slow_kind kind)
{
    if (kind == SLOW_HELLO || kind == SLOW_HEAD || kind == SLOW_BODY || kind == SLOW_H2_HEAD)
        (void)client_send(s->c, "a", 1);
    else if (kind == SLOW_H2_BODY)
        (void)h2_data(s->c, 1, STR("a"), false);
}

static bool
tick(enum slow_kind kind, int64_t began_ms)
{
    struct slow *s = &slows[kind];
    bool over;

    if (s->ended_ms != 0)
        return true;
    if (kind == KEPT_H1)
        over = h1_kept_is_over(s);
    else if (s->alpn != NULL && strcmp(s->alpn, "h2") == 0)
        over = h2_is_over(s, kind);
    else
        over = is_over(s->c);
    if (over)
        s->ended_ms = now_ms() - began_ms;
    else
        dribble(s, kind);
    return over;
}

static void
assert_answer(struct slow *s)
{
    struct response r;

    if (s->status == 0 || s->stream != 0)
        return;
    r = client_response(s->c, false);
    if (r.status != s->status)
        fail_msg("%s: ended with %d", s->name, r.status);
    response_free(&r);
}

static void
every_kind_of_slowness_ends_and_others_are_served(void **state)
{
    struct front *f = *state;
    int64_t began = now_ms();
    int64_t slowest = 0;
    bool all_over = false;

    for (int k = 0; k < SLOW_KINDS; k++) {
        bool is_large = k == SLOW_READER || k == SLOW_H2_READER;

        origin_set_steps(f->origin, is_large ? large_steps : hold_steps,
                         is_large ? array_len(large_steps) : array_len(hold_steps));
        start(f, (enum slow_kind)k);
        if (is_large) /* its request is there before the next changes the steps */
            assert_true(origin_wait_requests(f->origin, k == SLOW_READER ? 3 : 5, 10000));
        else if (k == SLOW_BODY || k == SLOW_NO_BODY || k == SLOW_H2_BODY)
            assert_true(origin_wait_requests(f->origin,
                                             k == SLOW_BODY      ? 1
                                             : k == SLOW_NO_BODY ? 2
                                                                 : 4,
                                             10000));
    }
    while (!all_over && now_ms() - began < 60000 + SLACK_MS) {
        int64_t asked = now_ms();
        struct client *c = front_open(f, PLAIN, f->alice, "http/1.1");
        struct response r = client_get(c, "localhost", "/here");

        assert_int_equal(r.status, 200);
        response_free(&r);
        client_close(c);
        slowest = now_ms() - asked > slowest ? now_ms() - asked : slowest;
        all_over = true;
        for (int k = 0; k < SLOW_KINDS; k++)
            all_over &= tick((enum slow_kind)k, began);
        sleep_ms(TICK_MS);
    }
    for (int k = 0; k < SLOW_KINDS; k++) {
        struct slow *s = &slows[k];

        print_message("# %s: ended after %lld ms\n", s->name, (long long)s->ended_ms);
        if (s->ended_ms < s->least_ms || s->ended_ms > s->least_ms + SLACK_MS)
            fail_msg("%s: ended after %lld ms", s->name, (long long)s->ended_ms);
        assert_answer(s);
        client_close(s->c);
    }
    print_message("# the slowest of the others took %lld ms\n", (long long)slowest);
}

/* ---- a crowd ---- */

static uint64_t
rss_kib(const struct front *f)
{
    struct proc_usage usage;

    assert_true(proc_usage(gateway_proc(f->g), &usage));
    return usage.rss_kib;
}

enum { CROWD = 400 };

/* The bytes leave a connection waiting in its phase. In a gateway that is new, so that nothing is
 * hidden in memory that it had before. */
static void
crowd_costs(const struct front *f, const char *what, bool is_plain, struct str bytes, double most)
{
    struct client **crowd = xcalloc(CROWD, sizeof(struct client *));
    uint64_t before;
    double each;

    assert_true(gateway_restart(f->g, SIGTERM));
    (void)front_get(f, SHORT, f->alice);
    before = rss_kib(f);
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = client_open(&(struct client_spec){.port = gateway_port(f->g, PLAIN),
                                                     .plain = is_plain,
                                                     .cert = f->alice,
                                                     .alpn = "http/1.1"});
        assert_int_equal(client_state(crowd[i]), CLIENT_OK);
        (void)client_send(crowd[i], bytes.ptr, bytes.len);
    }
    (void)front_get(f, SHORT, f->alice); /* what came before has been looked at */
    each = (double)(rss_kib(f) - before) / CROWD;
    print_message("# %s: %.1f KiB each\n", what, each);
    if (each > most)
        fail_msg("%s: %.1f KiB each, more than %.0f", what, each, most);
    for (int i = 0; i < CROWD; i++)
        client_close(crowd[i]);
    free(crowd);
}

static void
slow_connections_are_small(void **state)
{
    struct front *f = *state;

    crowd_costs(f, "silent", true, STR(""), 8);
    crowd_costs(f, "half a hello", true,
                str_make("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), 60);
    crowd_costs(f, "no request yet", false, STR(""), 40);
    crowd_costs(f, "half a head", false, STR("GET / HTTP/1.1\r\nHost: localhost\r\nX: "), 80);
}

/* As many as a worker keeps in all, from one address: no more than its share is kept, and who comes
 * from another one is served at once. */
static void
one_source_does_not_take_every_place(void **state)
{
    enum { CALLERS = 4096, SHARE = 1024 };
    struct front *f = *state;
    struct client **crowd = xcalloc(CALLERS, sizeof(struct client *));
    long long before = front_metric(f, "sallyport_connections_rejected_total");
    struct client *c;
    struct response r;

    for (int i = 0; i < CALLERS; i++) {
        crowd[i] = client_open(&(struct client_spec){
            .port = gateway_port(f->g, PLAIN), .plain = true, .source = "127.0.0.2"});
        (void)client_send(crowd[i], "\x16", 1);
    }
    c = front_open(f, PLAIN, f->alice, "http/1.1");
    r = client_get(c, "localhost", "/here");
    assert_int_equal(r.status, 200);
    assert_true(front_metric(f, "sallyport_tls_handshakes_pending") <= SHARE);
    assert_true(front_metric(f, "sallyport_connections_rejected_total") > before);
    response_free(&r);
    client_close(c);
    for (int i = 0; i < CALLERS; i++)
        client_close(crowd[i]);
    free(crowd);
}

/* More than a worker keeps without a handshake: who comes late and is quick gets in. */
enum { HANDSHAKES_MAX = 4096, PATIENCE_MS = 500 };

static void
a_crowd_without_handshakes_shuts_nobody_out(void **state)
{
    struct front *f = *state;
    const int n = HANDSHAKES_MAX + 100;
    struct client **crowd = xcalloc((size_t)n, sizeof(struct client *));

    for (int i = 0; i < n; i++) {
        crowd[i] =
            client_open(&(struct client_spec){.port = gateway_port(f->g, PLAIN), .plain = true});
        (void)client_send(crowd[i], "\x16", 1);
    }
    sleep_ms(PATIENCE_MS + 200);
    for (int i = 0; i < 20; i++) {
        struct client *c = front_open(f, PLAIN, f->alice, "http/1.1");
        struct response r = client_get(c, "localhost", "/here");

        assert_int_equal(r.status, 200);
        response_free(&r);
        client_close(c);
    }
    print_message("# %lld gave way\n",
                  (long long)front_metric(f, "sallyport_tls_handshakes_evicted_total"));
    for (int i = 0; i < n; i++)
        client_close(crowd[i]);
    free(crowd);
}

/* ---- descriptors run out ---- */

enum { FEW_DESCRIPTORS = 64, CLIENTS = 200, WATCH_MS = 2000 };

static int
setup_few(void **state)
{
    return setup_with(state, FEW_DESCRIPTORS);
}

static void
without_descriptors_it_neither_spins_nor_stays_down(void **state)
{
    struct front *f = *state;
    struct client *crowd[CLIENTS];
    struct proc_usage before, after;
    struct bytes diag;
    size_t mark;
    int64_t began;
    int status = 0;

    assert_true(proc_wait_text(gateway_proc(f->g), "in use after", 5000));
    mark = front_diag_mark(f);
    for (int i = 0; i < CLIENTS; i++)
        crowd[i] =
            client_open(&(struct client_spec){.port = gateway_port(f->g, PLAIN), .plain = true});
    assert_true(proc_usage(gateway_proc(f->g), &before));
    sleep_ms(WATCH_MS);
    assert_true(proc_usage(gateway_proc(f->g), &after));
    print_message("# out of descriptors: %.1f %% of a processor\n",
                  (double)(after.cpu_us - before.cpu_us) / (WATCH_MS * 10.0));
    assert_true(after.cpu_us - before.cpu_us < WATCH_MS * 1000 / 5);
    for (int i = 0; i < CLIENTS; i++)
        client_close(crowd[i]);
    began = now_ms();
    while (status != 200 && now_ms() - began < SLACK_MS) {
        struct client *c = front_open(f, PLAIN, f->alice, "http/1.1");
        struct response r = {0};

        if (client_state(c) == CLIENT_OK)
            r = client_get(c, "localhost", "/here");
        status = r.status;
        response_free(&r);
        client_close(c);
    }
    print_message("# served again after %lld ms\n", (long long)(now_ms() - began));
    assert_int_equal(status, 200);
    diag = front_diag_since(f, mark);
    assert_int_equal(count_text(bytes_str(&diag), "cannot accept: Too many open files"), 1);
    assert_int_equal(count_text(bytes_str(&diag), "\n"), 1);
    assert_true(front_metric(f, "sallyport_connections_rejected_total") > 0);
    bytes_free(&diag);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_kind_of_slowness_ends_and_others_are_served, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(slow_connections_are_small, setup_release,
                                        teardown_release),
        cmocka_unit_test_setup_teardown(one_source_does_not_take_every_place, setup, teardown),
        cmocka_unit_test_setup_teardown(a_crowd_without_handshakes_shuts_nobody_out, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(without_descriptors_it_neither_spins_nor_stays_down,
                                        setup_few, teardown),
    };
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
