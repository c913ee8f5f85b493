/* SPDX-License-Identifier: Apache-2.0
 *
 * The deny list in the running gateway: live connections of a denied client end at once,
 * whatever they do, and nobody else's; entries survive a restart and kill -9, end at their
 * time, can be removed; passthrough and report_only are no way around.
 */
#include "40_world.h"

#include <openssl/evp.h>
#include <signal.h>
#include <unistd.h>

static const char deny_yaml[] =
    "workers: 2\n"
    "state_dir: state\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\", socket: admin.sock}\n"
    "logging: {level: info, connection: {path: conn.log, format: json}}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: ca.pem}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "listeners:\n" WORLD_LISTENER("verify", "PORT", "mode: verify, trust_store: clients")
        WORLD_FORWARD WORLD_LISTENER("passthrough", "PORT2", "mode: passthrough")
            WORLD_FORWARD WORLD_LISTENER("optional", "PORT3",
                                         "mode: optional, trust_store: clients")
                WORLD_FORWARD WORLD_LISTENER("reporting", "PORT4",
                                             "mode: verify, trust_store: clients, "
                                             "report_only: true") WORLD_FORWARD;

#define REPORTING WORLD_FIXED /* its port */

/* The same without a state_dir. */
static const char memory_yaml[] =
    "workers: 2\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\", socket: admin.sock}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: ca.pem}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "listeners:\n" WORLD_LISTENER("verify", "PORT", "mode: verify, trust_store: clients")
        WORLD_FORWARD;

static int
setup(void **state)
{
    *state = world_new(&(struct world_spec){.yaml = deny_yaml, .idle = "60"});
    return 0;
}

#define deny_test(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

/* "sha256:..." of the client's certificate; malloc. */
static char *
sha256_of(const struct pki_cert *cert)
{
    uint8_t digest[32];
    char hex[65] = "";

    assert_int_equal(EVP_Digest(cert->der.ptr, cert->der.len, digest, NULL, EVP_sha256(), NULL), 1);
    str_hex_upper(hex, digest, sizeof(digest));
    return xformat("sha256:%s", hex);
}

/* `sallyport deny ...`: status expected, text expected in its output. */
static void
assert_deny(struct world *w, int status, const char *text, const char *action, const char *what,
            const char *until)
{
    const char *option = until != NULL ? "--until" : NULL;
    struct proc_result r =
        gateway_command(w->g, "deny", "--socket", gateway_path(w->g, "admin.sock"), action, what,
                        option, until, NULL);

    if (r.status != status || (strstr(r.out.ptr != NULL ? r.out.ptr : "", text) == NULL &&
                               strstr(r.err.ptr != NULL ? r.err.ptr : "", text) == NULL))
        fail_msg("deny %s %s: status %d\nout: %.*s\nerr: %.*s", action, what != NULL ? what : "",
                 r.status, STR_ARG(bytes_str(&r.out)), STR_ARG(bytes_str(&r.err)));
    proc_result_free(&r);
}

static struct client *
connect_as(struct world *w, enum world_listener listener, const struct pki_cert *cert,
           const char *alpn)
{
    return client_open(&(struct client_spec){
        .port = gateway_port(w->g, (int)listener), .alpn = alpn, .cert = cert});
}

/* Whether a new connection gets an answer. */
static bool
is_served(struct world *w, enum world_listener listener, const struct pki_cert *cert)
{
    struct client *c = connect_as(w, listener, cert, "http/1.1");
    struct response r = client_get(c, "localhost", "/");
    bool is_good = r.status == 200;

    response_free(&r);
    client_close(c);
    return is_good;
}

static bool
answers(struct client *c)
{
    struct response r = client_get(c, "localhost", "/");
    bool is_good = r.status == 200;

    response_free(&r);
    return is_good;
}

static int64_t
metric(struct world *w, const char *name)
{
    struct bytes text = {0};
    char *line = xformat("\n%s ", name);
    const char *at;
    int64_t value = -1;

    assert_int_equal(gateway_admin_get(w->g, "/metrics", &text), 200);
    at = strstr(text.ptr, line);
    if (at != NULL)
        value = strtoll(at + strlen(line), NULL, 10);
    free(line);
    bytes_free(&text);
    return value;
}

static const struct origin_step endless[] = {
    ORIGIN_READ_REQUEST,
    ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"),
    ORIGIN_DRIBBLE("0123456789012345678901234567890123456789012345678901234567890123456789"
                   "0123456789012345678901234567890123456789012345678901234567890123456789",
                   1, 100),
    ORIGIN_HOLD,
};

static void
live_connections_end_at_once_and_nobody_elses(void **state)
{
    struct world *w = *state;
    struct pki_cert *bob = pki_client(w->ca, "bob");
    char *what = sha256_of(w->client);
    struct client *h1 = connect_as(w, WORLD_VERIFY, w->client, "http/1.1");
    struct client *h2 = connect_as(w, WORLD_VERIFY, w->client, "h2");
    struct client *optional = connect_as(w, WORLD_OPTIONAL, w->client, "http/1.1");
    struct client *anonymous = connect_as(w, WORLD_OPTIONAL, NULL, "http/1.1");
    struct client *other = connect_as(w, WORLD_VERIFY, bob, "http/1.1");
    struct client *stream = connect_as(w, WORLD_VERIFY, w->client, "http/1.1");
    struct h2_response r2;
    struct bytes got = {0};
    int64_t begin;

    assert_true(answers(h1) && answers(optional) && answers(anonymous) && answers(other));
    assert_int_equal(h2_start(h2, STR("")), CLIENT_OK);
    assert_int_equal(h2_get(h2, 1, "localhost", "/"), CLIENT_OK);
    r2 = h2_response(h2, 1);
    assert_int_equal(r2.status, 200);
    h2_response_free(&r2);
    world_set_steps(w, STEPS(endless));
    origin_set_conn_steps(w->origin, 0, STEPS(endless));
    assert_int_equal(client_puts(stream, "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                     CLIENT_OK);
    assert_int_equal(client_read_until(stream, "\r\n\r\n", &got), CLIENT_OK);
    bytes_free(&got);

    begin = now_ms();
    assert_deny(w, 0, "4 connections closed", "add", what, NULL);
    assert_int_not_equal(client_wait_closed(h1, 1000), CLIENT_TIMEOUT);
    assert_int_not_equal(client_wait_closed(h2, 1000), CLIENT_TIMEOUT);
    assert_int_not_equal(client_wait_closed(optional, 1000), CLIENT_TIMEOUT);
    assert_int_not_equal(client_wait_closed(stream, 1000), CLIENT_TIMEOUT);
    print_message("denied to closed, command included: %lld ms\n", (long long)(now_ms() - begin));
    if (!world_is_sanitized())
        assert_true(now_ms() - begin < 1000);
    world_set_steps(w, NULL, 0);
    assert_int_equal(client_state(other), CLIENT_OK);
    assert_true(answers(other));
    assert_true(answers(anonymous));
    assert_false(is_served(w, WORLD_VERIFY, w->client));
    assert_false(is_served(w, WORLD_OPTIONAL, w->client));
    assert_true(is_served(w, WORLD_VERIFY, bob));
    assert_true(gateway_wait_log(w->g, "conn.log", "ClientCertDenied", 3000));
    assert_int_equal(metric(w, "sallyport_deny_entries"), 1);
    client_close(h1);
    client_close(h2);
    client_close(optional);
    client_close(anonymous);
    client_close(other);
    client_close(stream);
    pki_free(bob);
    free(what);
}

/* Neither by resumption nor by the full handshake that follows. */
static void
a_resumed_session_is_refused(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct world *w = *state;
    char *what = sha256_of(w->client);
    int resumed = 0;

    for (size_t i = 0; i < array_len(versions); i++) {
        for (int listener = WORLD_VERIFY; listener <= WORLD_PASSTHROUGH; listener++) {
            struct client_spec spec = {.port = gateway_port(w->g, listener),
                                       .alpn = "http/1.1",
                                       .cert = w->client,
                                       .min_version = versions[i],
                                       .max_version = versions[i]};
            struct client *c = client_open(&spec);
            SSL_SESSION *session;

            assert_true(answers(c));
            session = client_session(c);
            client_close(c);
            assert_deny(w, 0, "is denied for good", "add", what, NULL);
            spec.session = session;
            c = client_open(&spec);
            assert_false(answers(c));
            client_close(c);
            assert_deny(w, 0, "no longer denied", "remove", what, NULL);
            c = client_open(&spec);
            assert_true(answers(c));
            resumed += client_resumed(c);
            client_close(c);
            SSL_SESSION_free(session);
        }
    }
    assert_int_equal(resumed, 4); /* so those above were not refused for want of a session */
    free(what);
}

static void
passthrough_is_no_way_around(void **state)
{
    struct world *w = *state;
    struct pki_cert *stranger = pki_root("Stranger");
    struct pki_cert *mallory = pki_client(stranger, "mallory");
    char *what = sha256_of(mallory);
    struct client *live = connect_as(w, WORLD_PASSTHROUGH, mallory, "http/1.1");
    struct client *other = connect_as(w, WORLD_PASSTHROUGH, w->client, "http/1.1");

    assert_true(answers(live));
    assert_true(answers(other));
    assert_deny(w, 0, "1 connection closed", "add", what, NULL);
    assert_int_not_equal(client_wait_closed(live, 1000), CLIENT_TIMEOUT);
    assert_false(is_served(w, WORLD_PASSTHROUGH, mallory));
    assert_true(answers(other));
    assert_true(is_served(w, WORLD_PASSTHROUGH, w->client));
    assert_true(gateway_wait_log(w->g, "conn.log", "ClientCertDenied", 3000));
    client_close(live);
    client_close(other);
    free(what);
    pki_free(mallory);
    pki_free(stranger);
}

/* A rehearsal of the authority's rules is none of the operator's. */
static void
report_only_is_no_way_around(void **state)
{
    struct world *w = *state;
    struct pki_cert *stranger = pki_root("Stranger");
    struct pki_cert *mallory = pki_client(stranger, "mallory");
    const struct pki_cert *const clients[] = {w->client, mallory};

    for (size_t i = 0; i < array_len(clients); i++) {
        char *what = sha256_of(clients[i]);
        struct client *live = connect_as(w, REPORTING, clients[i], "http/1.1");

        assert_true(answers(live));
        assert_deny(w, 0, "1 connection closed", "add", what, NULL);
        assert_int_not_equal(client_wait_closed(live, 1000), CLIENT_TIMEOUT);
        assert_false(is_served(w, REPORTING, clients[i]));
        client_close(live);
        free(what);
    }
    assert_true(is_served(w, REPORTING, NULL));
    pki_free(mallory);
    pki_free(stranger);
}

static void
entries_survive_a_restart_and_kill_9(void **state)
{
    static const int signals[] = {SIGTERM, SIGKILL};
    struct world *w = *state;
    char *what = sha256_of(w->client);

    assert_deny(w, 0, "is denied for good", "add", what, NULL);
    for (size_t i = 0; i < array_len(signals); i++) {
        assert_true(gateway_restart(w->g, signals[i]));
        assert_false(is_served(w, WORLD_VERIFY, w->client));
        assert_int_equal(metric(w, "sallyport_deny_entries"), 1);
    }
    assert_deny(w, 0, "no longer denied", "remove", what, NULL);
    assert_true(is_served(w, WORLD_VERIFY, w->client));
    assert_true(gateway_restart(w->g, SIGKILL));
    assert_true(is_served(w, WORLD_VERIFY, w->client));
    free(what);
}

/* Each is a fault of the file alone. */
static void
a_file_that_is_not_as_it_was_written_refuses_the_start(void **state)
{
    struct world *w = *state;
    char *what = sha256_of(w->client);
    struct bytes good, diag;

    assert_deny(w, 0, "is denied for good", "add", what, NULL);
    good = file_slurp(gateway_path(w->g, "state/deny"));
    for (int fault = 0; fault < 4; fault++) {
        const char *path = gateway_path(w->g, "state/deny");

        if (fault == 0)
            file_spill(path, good.ptr, 0, 0600);
        else if (fault == 1)
            file_spill(path, good.ptr, good.len / 2, 0600);
        else if (fault == 2)
            file_spill(path, "garbage\n", 8, 0600);
        else
            assert_int_equal(unlink(path), 0);
        assert_false(gateway_restart(w->g, SIGTERM));
        diag = gateway_diag(w->g);
        assert_non_null(strstr(diag.ptr, "state/deny"));
        bytes_free(&diag);
    }
    file_spill(gateway_path(w->g, "state/deny"), good.ptr, good.len, 0600);
    assert_true(gateway_restart(w->g, SIGTERM));
    assert_false(is_served(w, WORLD_VERIFY, w->client));
    bytes_free(&good);
    free(what);
}

static void
an_entry_ends_by_itself(void **state)
{
    struct world *w = *state;
    int64_t deadline = now_ms() + 6000;

    assert_deny(w, 0, "is denied until", "add", "serial:CN=Scenario CA:01", "2s");
    assert_int_equal(metric(w, "sallyport_deny_entries"), 1);
    while (metric(w, "sallyport_deny_entries") != 0 && now_ms() < deadline)
        sleep_ms(50);
    assert_int_equal(metric(w, "sallyport_deny_entries"), 0);
    assert_true(proc_wait_text(gateway_proc(w->g), "is no longer denied: it was until", 2000));
}

static void
what_is_wrong_is_said_and_changes_nothing(void **state)
{
    struct world *w = *state;

    assert_deny(w, 1, "64 hexadecimal digits", "add", "sha256:12", NULL);
    assert_deny(w, 1, "lies in the past", "add", "san:a.test", "2020-01-01T00:00:00Z");
    assert_deny(w, 1, "wants a time", "add", "san:a.test", "soon");
    assert_deny(w, 1, "is not on the deny list", "remove", "san:a.test", NULL);
    assert_deny(w, 2, "wants add, remove or list", "forget", "san:a.test", NULL);
    assert_deny(w, 2, "list does not take", "list", "san:a.test", NULL);
    assert_int_equal(metric(w, "sallyport_deny_entries"), 0);
}

static void
who_did_what_is_logged_and_listed(void **state)
{
    struct world *w = *state;
    struct proc_result r = gateway_command(w->g, "deny", "add", "san:Alice.Example", "--why",
                                           "laptop \"stolen\" & gone", "--until", "7d", "-c",
                                           gateway_path(w->g, "sallyport.yaml"), NULL);
    char *who = xformat("added by uid %u, process ", (unsigned)getuid());

    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out.ptr, "san:alice.example is denied until 20"));
    assert_non_null(strstr(r.out.ptr, "0 connections closed"));
    assert_true(proc_wait_text(gateway_proc(w->g), who, 2000));
    assert_true(proc_wait_text(gateway_proc(w->g), "laptop \"stolen\" & gone", 2000));
    proc_result_free(&r);
    assert_deny(w, 0, "san:alice.example", "list", NULL, NULL);
    r = gateway_command(w->g, "deny", "list", "--json", "--socket",
                        gateway_path(w->g, "admin.sock"), NULL);
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out.ptr, "laptop \\\"stolen\\\" & gone"));
    assert_non_null(strstr(r.out.ptr, "\"survives_restart\""));
    proc_result_free(&r);
    free(who);
}

static void
explain_says_that_a_client_is_denied(void **state)
{
    static const char *const listeners[] = {"verify", "passthrough"};
    struct world *w = *state;
    char *cert = xformat("%s/alice.pem", w->dir);
    char *what = sha256_of(w->client);

    pki_write_chain(cert, w->client);
    for (int is_denied = 0; is_denied < 2; is_denied++) {
        if (is_denied)
            assert_deny(w, 0, "is denied", "add", what, NULL);
        for (size_t i = 0; i < array_len(listeners); i++) {
            struct proc_result r =
                gateway_command(w->g, "explain", "-c", gateway_path(w->g, "sallyport.yaml"),
                                "--listener", listeners[i], "--cert", cert, NULL);

            assert_int_equal(r.status, is_denied);
            assert_non_null(strstr(r.out.ptr, is_denied ? "on the deny list as sha256:"
                                                        : "on none of its 0 entries"));
            assert_true((strstr(r.out.ptr, "ClientCertDenied") != NULL) == is_denied);
            proc_result_free(&r);
        }
    }
    free(what);
    free(cert);
}

static void
the_list_is_not_shown_over_tcp(void **state)
{
    struct world *w = *state;
    struct bytes text = {0};

    assert_int_equal(gateway_admin_get(w->g, "/deny", NULL), 404);
    assert_int_equal(gateway_admin_get(w->g, "/deny.txt", NULL), 404);
    assert_int_equal(gateway_admin_get(w->g, "/status.json", &text), 200);
    assert_non_null(strstr(text.ptr, "\"deny_list\""));
    bytes_free(&text);
}

static void
without_a_state_dir_it_works_and_says_so(void **state)
{
    struct world *w = world_new(&(struct world_spec){.yaml = memory_yaml});
    char *what = sha256_of(w->client);

    (void)state;
    assert_true(is_served(w, WORLD_VERIFY, w->client));
    assert_deny(w, 0, "does not survive a restart", "add", what, NULL);
    assert_false(is_served(w, WORLD_VERIFY, w->client));
    free(what);
    assert_int_equal(world_done(w), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        deny_test(live_connections_end_at_once_and_nobody_elses),
        deny_test(a_resumed_session_is_refused),
        deny_test(passthrough_is_no_way_around),
        deny_test(report_only_is_no_way_around),
        deny_test(entries_survive_a_restart_and_kill_9),
        deny_test(a_file_that_is_not_as_it_was_written_refuses_the_start),
        deny_test(an_entry_ends_by_itself),
        deny_test(what_is_wrong_is_said_and_changes_nothing),
        deny_test(who_did_what_is_logged_and_listed),
        deny_test(explain_says_that_a_client_is_denied),
        deny_test(the_list_is_not_shown_over_tcp),
        cmocka_unit_test(without_a_state_dir_it_works_and_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
