/* SPDX-License-Identifier: Apache-2.0
 *
 * Some addresses of a target group are dead. Every request is answered by the others, the dead ones
 * are tried now and then only, and are used again soon after they are back.
 */
#include "scenario/40_world.h"

#include "base/limits.h"

enum { TARGETS = 3, REQUESTS = 90 };

/* What the upstreams are, besides w->origin, which nobody uses. Answers end their connection, so
 * that every request needs a new one. */
struct outage_world {
    struct world *w;
    struct origin *origins[TARGETS];
    struct pki_cert *ca;
    struct pki_cert *cert;
};

static const struct origin_step answer_and_close[] = {
    ORIGIN_READ_REQUEST,
    ORIGIN_SEND("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
    ORIGIN_CLOSE,
};

/* One worker: which target comes next is then known. */
static const char outage_yaml[] =
    "workers: 1\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\", socket: admin.sock}\n"
    "logging: {level: info}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: ca.pem}\n"
    "target_groups:\n"
    "  api:\n"
    "    protocol: %s\n"
    "    targets: [\"%s\", \"%s\", \"%s\"]\n"
    "%s"
    "listeners:\n" WORLD_LISTENER("verify", "PORT", "mode: verify, trust_store: clients")
        WORLD_FORWARD;

static struct origin *
good_origin(const struct outage_world *o, uint16_t port)
{
    return origin_start(&(struct origin_spec){.steps = answer_and_close,
                                              .count = array_len(answer_and_close),
                                              .port = port,
                                              .cert = o->cert});
}

/* dead: the first target, and of the others as many as dead_count says beyond it. */
static struct outage_world *
outage_world_new(const struct origin_spec *dead, int dead_count, bool has_tls)
{
    struct outage_world *o = xcalloc(1, sizeof(*o));
    char *yaml;

    if (has_tls) {
        o->ca = pki_root("Upstream Root");
        o->cert = pki_server(o->ca, "api.internal");
    }
    for (int i = 0; i < TARGETS; i++)
        o->origins[i] = i < dead_count ? origin_start(dead) : good_origin(o, 0);
    yaml = xformat(outage_yaml, has_tls ? "https" : "http", origin_address(o->origins[0]),
                   origin_address(o->origins[1]), origin_address(o->origins[2]),
                   has_tls ? "    tls: {server_name: api.internal, ca_bundle: upstream-ca.pem}\n"
                           : "");
    o->w = world_new(&(struct world_spec){.yaml = yaml, .upstream_ca = o->ca});
    free(yaml);
    return o;
}

static void
outage_world_done(struct outage_world *o)
{
    assert_int_equal(world_done(o->w), 0);
    for (int i = 0; i < TARGETS; i++)
        origin_stop(o->origins[i]);
    pki_free(o->cert);
    pki_free(o->ca);
    free(o);
}

static int
ask(struct client *c)
{
    struct response r = client_get(c, "localhost", "/");
    int status = r.status;

    assert_true(r.complete);
    response_free(&r);
    return status;
}

static void
ask_well(struct client *c, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(ask(c), 200);
}

static double
metric(const struct outage_world *o, const char *name)
{
    struct bytes page = {0};
    char *line = xformat("\n%s ", name);
    const char *at;
    double value;

    assert_int_equal(gateway_admin_get(o->w->g, "/metrics", &page), 200);
    at = strstr(page.ptr, line);
    assert_non_null(at);
    value = strtod(at + strlen(line), NULL);
    bytes_free(&page);
    free(line);
    return value;
}

/* A third of all would meet it. */
static void
a_dead_address_is_not_asked_again_and_again(void **state)
{
    struct outage_world *o = outage_world_new(&(struct origin_spec){.refuse = true}, 1, false);
    struct client *c = world_h1(o->w, WORLD_VERIFY);
    int64_t before = now_ms();

    (void)state;
    ask_well(c, REQUESTS);
    /* One failure a backoff: 1 s, 2 s, 4 s. */
    assert_in_range(metric(o, "sallyport_upstream_connect_errors_total"), 1,
                    2 + (now_ms() - before) / 1000);
    assert_in_range(metric(o, "sallyport_upstream_connects_total"), REQUESTS, REQUESTS * 11 / 10);
    assert_int_equal((int)metric(o, "sallyport_upstream_outages_total"), 1);
    assert_int_equal(origin_request_count(o->origins[1]) + origin_request_count(o->origins[2]),
                     REQUESTS);
    assert_true(proc_wait_text(gateway_proc(o->w->g),
                               "cannot be reached; the other addresses take its requests", 5000));
    client_close(c);
    outage_world_done(o);
}

static void
an_address_that_is_back_is_used_again(void **state)
{
    struct outage_world *o = outage_world_new(&(struct origin_spec){.refuse = true}, 1, false);
    struct client *c = world_h1(o->w, WORLD_VERIFY);
    uint16_t port = origin_port(o->origins[0]);
    int64_t deadline = now_ms() + 20000;

    (void)state;
    ask_well(c, TARGETS);
    origin_stop(o->origins[0]);
    o->origins[0] = good_origin(o, port);
    while (origin_request_count(o->origins[0]) == 0 && now_ms() < deadline)
        ask_well(c, 1);
    ask_well(c, REQUESTS);
    assert_in_range(origin_request_count(o->origins[0]), REQUESTS / TARGETS, REQUESTS);
    assert_true(proc_wait_text(gateway_proc(o->w->g), "can be reached again", 5000));
    client_close(c);
    outage_world_done(o);
}

static void
with_all_of_them_dead_each_request_tries(void **state)
{
    struct outage_world *o =
        outage_world_new(&(struct origin_spec){.refuse = true}, TARGETS, false);
    struct client *c = world_h1(o->w, WORLD_VERIFY);
    uint16_t port = origin_port(o->origins[1]);

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(ask(c), 502);
    origin_stop(o->origins[1]);
    o->origins[1] = good_origin(o, port);
    ask_well(c, 1); /* at once, however long they were to be left alone */
    client_close(c);
    outage_world_done(o);
}

/* An address that takes the connection and says nothing, as behind a dead network interface: who
 * came first waits for it and is answered by another one; whoever comes a second later does not
 * even wait. */
static void
a_silent_address_delays_nobody_else(void **state)
{
    struct outage_world *o = outage_world_new(&(struct origin_spec){.never_accept = true}, 1, true);
    struct client *first = world_h1(o->w, WORLD_VERIFY);
    struct client *c = world_h1(o->w, WORLD_VERIFY);
    struct response r;
    int64_t before;

    (void)state;
    client_set_timeout(first, 20000);
    before = now_ms();
    assert_int_equal(client_puts(first, "GET /first HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                     CLIENT_OK);
    assert_true(
        gateway_wait_page(o->w->g, "/metrics", "sallyport_upstream_outages_total 1\n", 5000));
    ask_well(c, TARGETS);
    assert_in_range(now_ms() - before, CONNECT_SUSPECT_MS - 10, 5000);
    assert_true(proc_wait_text(gateway_proc(o->w->g), "takes long to connect; the other", 5000));
    r = client_response(first, false);
    assert_int_equal(r.status, 200);
    assert_true(r.complete);
    assert_in_range(now_ms() - before, 9000, 19000);
    response_free(&r);
    before = now_ms();
    ask_well(first, REQUESTS); /* the other connection was idle for too long */
    assert_in_range(now_ms() - before, 0, 8000);
    client_close(first);
    client_close(c);
    outage_world_done(o);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_address_is_not_asked_again_and_again),
        cmocka_unit_test(an_address_that_is_back_is_used_again),
        cmocka_unit_test(with_all_of_them_dead_each_request_tries),
        cmocka_unit_test(a_silent_address_delays_nobody_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
