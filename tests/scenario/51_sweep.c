/* SPDX-License-Identifier: Apache-2.0
 *
 * What a reload does to connections that are open: those of a client that would not be let in any
 * more end, whatever they are doing, and the origin sees no whole request of them afterwards; those
 * of everybody else go on, on the same socket. Alice is the one who is turned away, bob stays.
 */
#include "20_front.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { VERIFY = 1, OPTIONAL, HOSTS };
enum { STREAMS = 100, CROWD = 120, END_MS = 10000, LAST_BYTES = 8 };

static const struct origin_step waiting_steps[] = {
    ORIGIN_READ_REQUEST,
    ORIGIN_GATE,
    ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234567890123456789"),
    ORIGIN_LOOP,
};

static const struct origin_step halfway_steps[] = {
    ORIGIN_READ_REQUEST, ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789"),
    ORIGIN_GATE,         ORIGIN_SEND("0123456789"),
    ORIGIN_LOOP,
};

struct world {
    struct front *f;
    struct pki_cert *other_root; /* bob's authority */
    struct pki_cert *bob;
    struct origin *waiting; /* answers when its gate opens */
    struct origin *halfway; /* sends half of the answer, the rest when its gate opens */
    char ports[2][8];
};

#define MUTUAL(mode, store) "    mutual_authentication: {mode: " mode ", trust_store: " store "}\n"
#define LISTENER(name, port, mutual)                                                     \
    "  - name: " name "\n"                                                               \
    "    bind: 127.0.0.1:@" port "@\n"                                                   \
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"           \
    "    attributes: {idle_timeout.timeout_seconds: 300}\n" mutual "    rules:\n"        \
    "      - {priority: 1, when: {path: [\"/waiting*\"]}, action: {forward: waiting}}\n" \
    "      - {priority: 2, when: {path: [\"/halfway*\"]}, action: {forward: halfway}}\n" \
    "    default_action: {forward: api}\n"

#define YAML_TOP                                                           \
    "workers: 2\n"                                                         \
    "admin: {bind: \"127.0.0.1:@ADMIN@\", socket: admin.sock}\n"           \
    "logging: {level: info, connection: {path: conn.log, format: json}}\n" \
    "trust_stores:\n"                                                      \
    "  clients: {ca_bundle: ca.pem, crls: [lists.pem]}\n"                  \
    "  others: {ca_bundle: other.pem, crls: [other.lists.pem]}\n"          \
    "target_groups:\n"                                                     \
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"         \
    "  waiting: {protocol: http, targets: [\"127.0.0.1:@WAITING@\"]}\n"    \
    "  halfway: {protocol: http, targets: [\"127.0.0.1:@HALFWAY@\"]}\n"    \
    "listeners:\n"

/* Of the four places that a test changes. */
#define YAML(verify_store, optional_mode, host_mode, host_store)                           \
    YAML_TOP LISTENER("verify", "PORT", MUTUAL("verify", verify_store))                    \
        LISTENER("optional", "PORT2", MUTUAL(optional_mode, "clients")) LISTENER(          \
            "hosts", "PORT3",                                                              \
            MUTUAL("verify", "clients") "    hosts:\n"                                     \
                                        "      - names: [a.example.test]\n"                \
                                        "        mutual_authentication: {mode: " host_mode \
                                        ", trust_store: " host_store "}\n")

static const char sweep_yaml[] = YAML("clients", "optional", "verify", "clients");

/* The bundle and the lists of the store that all listeners use at first. */
static void
write_store(struct world *w, uint64_t number, const struct pki_cert *revoked)
{
    front_write_lists(w->f, "new.pem", number, revoked);
    front_add_list(w->f, "new.pem", w->other_root, &(struct pki_crl_spec){.number = number});
    assert_int_equal(rename(front_path(w->f, "new.pem"), front_path(w->f, "lists.pem")), 0);
}

/* Asks for a reload of its own and waits for it, whatever the watch on the files does. */
static void
reload(struct world *w)
{
    struct proc_result r = gateway_command(w->f->g, "reload", "--socket", "@DIR@/admin.sock", NULL);

    if (r.status != 0)
        print_error("reload: %.*s\n", STR_ARG(bytes_str(&r.err)));
    assert_int_equal(r.status, 0);
    proc_result_free(&r);
}

static int
setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->f = front_new(NULL);
    w->other_root = pki_root("Other Root");
    w->bob = pki_client(w->other_root, "bob");
    pki_write_certs(front_path(w->f, "ca.pem"), w->f->root, w->f->ca, w->other_root, NULL);
    pki_write_certs(front_path(w->f, "other.pem"), w->other_root, NULL);
    front_add_list(w->f, "other.lists.pem", w->other_root, &(struct pki_crl_spec){.number = 1});
    write_store(w, 1, NULL);
    w->waiting = origin_start(
        &(struct origin_spec){.steps = waiting_steps, .count = array_len(waiting_steps)});
    w->halfway = origin_start(
        &(struct origin_spec){.steps = halfway_steps, .count = array_len(halfway_steps)});
    (void)snprintf(w->ports[0], sizeof(w->ports[0]), "%u", origin_port(w->waiting));
    (void)snprintf(w->ports[1], sizeof(w->ports[1]), "%u", origin_port(w->halfway));
    front_var(w->f, "WAITING", w->ports[0]);
    front_var(w->f, "HALFWAY", w->ports[1]);
    front_start(w->f, sweep_yaml);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;
    int status;

    origin_stop(w->waiting);
    origin_stop(w->halfway);
    status = front_done(w->f);
    pki_free(w->bob);
    pki_free(w->other_root);
    free(w);
    return status == 0 ? 0 : -1;
}

#define sweep_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- what a connection may be doing ---- */

enum activity {
    H1_IDLE,
    H1_NEW,  /* no request yet */
    H1_HEAD, /* half of a request's head is sent */
    H1_WAITING,
    H1_UPLOAD,
    H1_DOWNLOAD,
    H1_TLS12,
    H1_RESUMED,
    H2_IDLE,
    H2_BUSY, /* STREAMS of them, none answered */
    H2_UPLOAD,
    H2_DOWNLOAD,
    ACTIVITIES
};

struct live {
    enum activity what;
    const char *who;
    struct client *c;
};

static void
ask(struct client *c, const char *path, const char *who)
{
    char *head = xformat("GET /%s/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", path, who);

    assert_int_equal(client_puts(c, head), CLIENT_OK);
    free(head);
}

static bool
answered(struct client *c)
{
    struct response r = client_response(c, false);
    bool is_whole = r.status == 200 && r.complete;

    response_free(&r);
    return is_whole;
}

static bool
h2_answered(struct client *c, uint32_t stream)
{
    struct h2_response r = h2_response(c, stream);
    bool is_whole = r.status == 200 && r.complete;

    h2_response_free(&r);
    return is_whole;
}

static bool
is_h2(enum activity what)
{
    return what >= H2_IDLE;
}

static void
h2_ask(struct client *c, uint32_t stream, const char *path, const char *who)
{
    char *full = xformat("/%s/%s", path, who);

    assert_int_equal(h2_get(c, stream, "localhost", full), CLIENT_OK);
    free(full);
}

static struct client *
resumed_client(const struct world *w, const struct pki_cert *cert)
{
    struct client_spec spec = {
        .port = gateway_port(w->f->g, VERIFY), .cert = cert, .alpn = "http/1.1"};
    struct client *c = client_open(&spec);

    ask(c, "first", "session");
    assert_true(answered(c));
    spec.session = client_session(c);
    client_close(c);
    c = client_open(&spec);
    SSL_SESSION_free(spec.session);
    assert_true(client_resumed(c));
    return c;
}

static void
begin_h1(struct live *l)
{
    static const char *const paths[ACTIVITIES] = {
        [H1_WAITING] = "waiting", [H1_DOWNLOAD] = "halfway"};
    struct bytes half = {0};

    if (l->what == H1_HEAD) {
        assert_int_equal(client_puts(l->c, "GET /head HTTP/1.1\r\nHost: loc"), CLIENT_OK);
    } else if (l->what == H1_UPLOAD) {
        char *head = xformat("POST /up/%s HTTP/1.1\r\nHost: localhost\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                             l->who);

        assert_int_equal(client_puts(l->c, head), CLIENT_OK);
        free(head);
    } else if (l->what != H1_NEW) {
        ask(l->c, paths[l->what] != NULL ? paths[l->what] : "idle", l->who);
        if (l->what == H1_DOWNLOAD)
            assert_int_equal(client_read_until(l->c, "0123456789", &half), CLIENT_OK);
        else if (l->what != H1_WAITING)
            assert_true(answered(l->c));
    }
    bytes_free(&half);
}

static void
begin_h2_upload(struct live *l)
{
    const struct h2_field fields[] = {H2_FIELD(":method", "POST"), H2_FIELD(":scheme", "https"),
                                      H2_FIELD(":authority", "localhost"),
                                      H2_FIELD(":path", "/up")};

    assert_int_equal(h2_headers(l->c, 1, fields, array_len(fields), false), CLIENT_OK);
    assert_int_equal(h2_data(l->c, 1, STR("hello"), false), CLIENT_OK);
}

static void
begin_h2(struct live *l)
{
    struct h2_frame frame;

    assert_int_equal(h2_start(l->c, STR("")), CLIENT_OK);
    if (l->what == H2_IDLE) {
        h2_ask(l->c, 1, "idle", l->who);
        assert_true(h2_answered(l->c, 1));
    } else if (l->what == H2_UPLOAD) {
        begin_h2_upload(l);
    } else if (l->what == H2_DOWNLOAD) {
        h2_ask(l->c, 1, "halfway", l->who);
        assert_int_equal(h2_read_type(l->c, H2_DATA, 1, &frame), CLIENT_OK);
    } else {
        for (uint32_t i = 0; i < STREAMS; i++)
            h2_ask(l->c, 2 * i + 1, "waiting", l->who);
    }
}

static struct live
begin(const struct world *w, enum activity what, const struct pki_cert *cert, const char *who)
{
    struct live l = {.what = what, .who = who};
    struct client_spec spec = {.port = gateway_port(w->f->g, VERIFY),
                               .cert = cert,
                               .alpn = is_h2(what) ? "h2" : "http/1.1",
                               .max_version = what == H1_TLS12 ? TLS1_2_VERSION : 0};

    l.c = what == H1_RESUMED ? resumed_client(w, cert) : client_open(&spec);
    client_set_timeout(l.c, END_MS);
    assert_int_equal(client_state(l.c), CLIENT_OK);
    if (is_h2(what))
        begin_h2(&l);
    else
        begin_h1(&l);
    return l;
}

/* The connection was ended by the gateway, and HTTP/2 clients were told before. */
static void
assert_ended(struct live *l)
{
    struct h2_frame frame;

    if (is_h2(l->what) && h2_read_type(l->c, H2_GOAWAY, 0, &frame) != CLIENT_OK)
        fail_msg("activity %d: no GOAWAY", l->what);
    if (client_wait_closed(l->c, END_MS) == CLIENT_TIMEOUT)
        fail_msg("activity %d of %s: still open", l->what, l->who);
}

/* What a turned away client would still like to say. */
static void
try_to_go_on(struct live *l)
{
    if (l->what == H1_HEAD)
        (void)client_puts(l->c, "alhost\r\n\r\n");
    else if (l->what == H1_UPLOAD)
        (void)client_puts(l->c, "0\r\n\r\n");
    else if (l->what == H2_UPLOAD)
        (void)h2_data(l->c, 1, STR("!"), true);
    else if (is_h2(l->what))
        (void)h2_get(l->c, 2 * STREAMS + 1, "localhost", "/late/alice");
    else
        (void)client_puts(l->c, "GET /late/alice HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

static bool
finishes_h1(struct live *l)
{
    struct response r;
    bool is_good;

    if (l->what == H1_HEAD)
        return client_puts(l->c, "alhost\r\n\r\n") == CLIENT_OK && answered(l->c);
    if (l->what == H1_UPLOAD)
        return client_puts(l->c, "0\r\n\r\n") == CLIENT_OK && answered(l->c);
    if (l->what == H1_WAITING)
        return answered(l->c);
    if (l->what == H1_DOWNLOAD) {
        struct bytes rest = {0};

        is_good = client_read_until(l->c, "0123456789", &rest) == CLIENT_OK;
        bytes_free(&rest);
        return is_good;
    }
    r = client_get(l->c, "localhost", "/again/bob");
    is_good = r.status == 200;
    response_free(&r);
    return is_good;
}

static bool
finishes_h2(struct live *l)
{
    if (l->what == H2_UPLOAD)
        return h2_data(l->c, 1, STR("!"), true) == CLIENT_OK && h2_answered(l->c, 1);
    if (l->what == H2_DOWNLOAD)
        return h2_answered(l->c, 1);
    for (uint32_t i = 0; l->what == H2_BUSY && i < STREAMS; i++)
        if (!h2_answered(l->c, 2 * i + 1))
            return false;
    return h2_get(l->c, 2 * STREAMS + 1, "localhost", "/again/bob") == CLIENT_OK &&
           h2_answered(l->c, 2 * STREAMS + 1);
}

/* What it was doing comes to its end, and HTTP/1 takes one request more. */
static void
assert_goes_on(struct live *l)
{
    if (!(is_h2(l->what) ? finishes_h2(l) : finishes_h1(l)))
        fail_msg("activity %d of %s: %s", l->what, l->who, client_error(l->c));
    if (is_h2(l->what))
        return;
    ask(l->c, "after", l->who);
    assert_true(answered(l->c));
}

static void
open_gates(struct world *w)
{
    origin_open_gate(w->waiting);
    origin_open_gate(w->halfway);
}

/* ---- a client on a list ---- */

/* What the origins have to have seen before the sweep is a sweep of busy connections. */
static void
wait_busy(struct world *w)
{
    assert_true(origin_wait_requests(w->waiting, 2 + 2 * STREAMS, END_MS));
    assert_true(origin_wait_requests(w->halfway, 4, END_MS));
    for (int64_t until = now_ms() + END_MS; now_ms() < until; sleep_ms(10)) {
        struct bytes got = origin_received_all(w->f->origin);
        size_t begun = count_text(bytes_str(&got), "hello");

        bytes_free(&got);
        if (begun == 4)
            return;
    }
    fail_msg("the uploads have not begun");
}

static void
a_revoked_client_loses_every_connection_and_nobody_else_any(void **state)
{
    struct world *w = *state;
    struct live alice[ACTIVITIES], bob[ACTIVITIES];
    int64_t closed_before, begin_ms;

    for (int i = 0; i < ACTIVITIES; i++) {
        alice[i] = begin(w, (enum activity)i, w->f->alice, "alice");
        bob[i] = begin(w, (enum activity)i, w->bob, "bob");
    }
    wait_busy(w);
    closed_before = front_metric(w->f, "sallyport_sweep_closed_total");
    write_store(w, 2, w->f->alice);
    begin_ms = now_ms();
    reload(w);
    for (int i = 0; i < ACTIVITIES; i++) {
        try_to_go_on(&alice[i]);
        assert_ended(&alice[i]);
    }
    print_message("# revoked to closed, command included: %lld ms\n",
                  (long long)(now_ms() - begin_ms));
    open_gates(w);
    for (int i = 0; i < ACTIVITIES; i++)
        assert_goes_on(&bob[i]);
    assert_int_equal(front_metric(w->f, "sallyport_sweep_closed_total"),
                     closed_before + ACTIVITIES);
    assert_false(origin_saw(w->f->origin, "/late/alice"));
    /* Bob's uploads ended, alice's did not; her half of a head never became a request. */
    {
        struct bytes got = origin_received_all(w->f->origin);

        assert_int_equal(count_text(bytes_str(&got), "GET /head "), 1);
        assert_int_equal(count_text(bytes_str(&got), "\r\n0\r\n\r\n"), 2);
        bytes_free(&got);
    }
    assert_int_equal(front_get(w->f, VERIFY, w->f->alice), 0);
    for (int i = 0; i < ACTIVITIES; i++) {
        client_close(alice[i].c);
        client_close(bob[i].c);
    }
}

/* ---- handshakes during the swap ---- */

/* What libssl wants to send next, kept from the wire. */
static struct bytes
take_flight(struct client *c, size_t least)
{
    BIO *kept = BIO_new(BIO_s_mem());
    struct bytes flight = {0};
    char *p;
    long n;

    assert_non_null(kept);
    SSL_set0_wbio(client_ssl(c), kept);
    for (int64_t until = now_ms() + END_MS; now_ms() < until; sleep_ms(5))
        if (SSL_do_handshake(client_ssl(c)) == 1 || BIO_pending(kept) >= (int)least)
            break;
    n = BIO_get_mem_data(kept, &p);
    assert_true(n >= (long)least);
    bytes_add(&flight, p, (size_t)n);
    SSL_set0_wbio(client_ssl(c), BIO_new_socket(client_fd(c), BIO_NOCLOSE));
    return flight;
}

/* The client hello is out and the gateway's answer has come, unread. */
static struct client *
begin_handshake(const struct world *w, const struct pki_cert *cert, int version)
{
    struct client *c = client_open(&(struct client_spec){.port = gateway_port(w->f->g, VERIFY),
                                                         .cert = cert,
                                                         .alpn = "http/1.1",
                                                         .connect_only = true,
                                                         .max_version = version,
                                                         .timeout_ms = END_MS});
    struct bytes hello = take_flight(c, 1);
    ssize_t sent = send(client_fd(c), hello.ptr, hello.len, MSG_NOSIGNAL);
    char first;

    assert_int_equal(sent, hello.len);
    bytes_free(&hello);
    for (int64_t until = now_ms() + END_MS; now_ms() < until; sleep_ms(5))
        if (recv(client_fd(c), &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
            return c;
    fail_msg("the gateway does not answer");
    return NULL;
}

/* Everything of the client's last flight but its last bytes is out; those are in rest. */
static void
send_certificate(struct client *c, struct bytes *rest)
{
    struct bytes flight = take_flight(c, 500);
    size_t part = flight.len - LAST_BYTES;

    assert_int_equal(send(client_fd(c), flight.ptr, part, MSG_NOSIGNAL), part);
    bytes_add(rest, flight.ptr + part, LAST_BYTES);
    bytes_free(&flight);
}

static bool
is_served(struct client *c)
{
    struct response r;
    bool is_good = client_handshake(c) == CLIENT_OK;

    r = client_get(c, "localhost", "/handshake");
    is_good = is_good && r.status == 200;
    response_free(&r);
    return is_good;
}

static void
a_handshake_in_progress_ends_under_the_new_list(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct world *w = *state;
    const struct pki_cert *const who[] = {w->f->alice, w->bob};

    for (size_t v = 0; v < array_len(versions); v++) {
        struct client *early[2], *late[2];
        struct bytes rest[2] = {{0}};

        for (size_t i = 0; i < 2; i++) {
            early[i] = begin_handshake(w, who[i], versions[v]);
            late[i] = begin_handshake(w, who[i], versions[v]);
            send_certificate(late[i], &rest[i]);
        }
        sleep_ms(300); /* the certificates are judged under the old list */
        write_store(w, 2 * v + 2, w->f->alice);
        reload(w);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(is_served(early[i]), i == 1);
            assert_int_equal(send(client_fd(late[i]), rest[i].ptr, rest[i].len, MSG_NOSIGNAL),
                             LAST_BYTES);
            assert_int_equal(is_served(late[i]), i == 1);
            client_close(early[i]);
            client_close(late[i]);
            bytes_free(&rest[i]);
        }
        assert_int_equal(origin_request_count(w->f->origin), 2 * (v + 1));
        write_store(w, 2 * v + 3, NULL);
        reload(w);
    }
}

/* ---- other reasons to be turned away ---- */

/* One connection of each kind that matters here. */
static const enum activity some[] = {H1_IDLE, H1_UPLOAD, H2_IDLE, H2_DOWNLOAD};

struct few {
    struct live alice[array_len(some)];
    struct live bob[array_len(some)];
};

static void
few_begin(struct world *w, struct few *few)
{
    for (size_t i = 0; i < array_len(some); i++) {
        few->alice[i] = begin(w, some[i], w->f->alice, "alice");
        few->bob[i] = begin(w, some[i], w->bob, "bob");
    }
}

/* Alice's are gone, bob's go on. */
static void
few_end(struct world *w, struct few *few)
{
    for (size_t i = 0; i < array_len(some); i++) {
        try_to_go_on(&few->alice[i]);
        assert_ended(&few->alice[i]);
    }
    open_gates(w);
    for (size_t i = 0; i < array_len(some); i++) {
        assert_goes_on(&few->bob[i]);
        client_close(few->alice[i].c);
        client_close(few->bob[i].c);
    }
    assert_false(origin_saw(w->f->origin, "/late/alice"));
    assert_int_equal(front_get(w->f, VERIFY, w->f->alice), 0);
    assert_int_equal(front_get(w->f, VERIFY, w->bob), 200);
}

static void
clients_of_an_authority_that_is_gone_are_turned_away(void **state)
{
    struct world *w = *state;
    struct few few;

    few_begin(w, &few);
    (void)remove(front_path(w->f, "lists.pem"));
    pki_write_certs(front_path(w->f, "ca.pem"), w->other_root, NULL);
    front_add_list(w->f, "lists.pem", w->other_root, &(struct pki_crl_spec){.number = 2});
    reload(w);
    few_end(w, &few);
}

static void
a_listener_with_another_trust_store_turns_its_strangers_away(void **state)
{
    struct world *w = *state;
    struct few few;

    few_begin(w, &few);
    gateway_set_yaml(w->f->g, YAML("others", "optional", "verify", "clients"), w->f->vars);
    reload(w);
    few_end(w, &few);
}

/* Whoever has shown a good certificate is not asked again, whoever has not is turned away. */
static void
a_mode_that_becomes_verify_turns_the_anonymous_away(void **state)
{
    static const struct {
        const char *alpn, *path;
    } ways[] = {{"http/1.1", "idle"}, {"http/1.1", "halfway"}, {"h2", "idle"}, {"h2", "halfway"}};
    struct world *w = *state;
    struct live nobody[array_len(ways)], bob[array_len(ways)];

    for (size_t i = 0; i < array_len(ways); i++) {
        struct live *both[] = {&nobody[i], &bob[i]};

        for (size_t j = 0; j < 2; j++) {
            *both[j] = (struct live){.what = some[i], .who = j == 0 ? "nobody" : "bob"};
            both[j]->what = i == 0   ? H1_IDLE
                            : i == 1 ? H1_DOWNLOAD
                            : i == 2 ? H2_IDLE
                                     : H2_DOWNLOAD;
            both[j]->c = front_open(w->f, OPTIONAL, j == 0 ? NULL : w->bob, ways[i].alpn);
            client_set_timeout(both[j]->c, END_MS);
            if (i < 2)
                begin_h1(both[j]);
            else
                begin_h2(both[j]);
        }
    }
    gateway_set_yaml(w->f->g, YAML("clients", "verify", "verify", "clients"), w->f->vars);
    reload(w);
    for (size_t i = 0; i < array_len(ways); i++) {
        try_to_go_on(&nobody[i]);
        assert_ended(&nobody[i]);
    }
    open_gates(w);
    for (size_t i = 0; i < array_len(ways); i++) {
        assert_goes_on(&bob[i]);
        client_close(nobody[i].c);
        client_close(bob[i].c);
    }
    assert_false(origin_saw(w->f->origin, "/late/alice"));
    assert_int_equal(front_get(w->f, OPTIONAL, NULL), 0);
}

static struct client *
open_host(const struct world *w, const struct pki_cert *cert, const char *sni)
{
    struct client *c = client_open(&(struct client_spec){.port = gateway_port(w->f->g, HOSTS),
                                                         .cert = cert,
                                                         .sni = sni,
                                                         .alpn = "http/1.1",
                                                         .timeout_ms = END_MS});

    assert_int_equal(client_state(c), CLIENT_OK);
    return c;
}

static bool
host_answers(struct client *c, const char *host)
{
    struct response r = client_get(c, host, "/");
    bool is_good = r.status == 200;

    response_free(&r);
    return is_good;
}

static void
a_host_with_another_policy_turns_away_its_own_strangers_only(void **state)
{
    static const char a[] = "a.example.test", b[] = "localhost";
    struct world *w = *state;
    struct client *alice_a = open_host(w, w->f->alice, a), *alice_b = open_host(w, w->f->alice, b);
    struct client *bob_a = open_host(w, w->bob, a), *bob_b = open_host(w, w->bob, b);

    assert_true(host_answers(alice_a, a) && host_answers(bob_a, a));
    assert_true(host_answers(alice_b, b) && host_answers(bob_b, b));
    gateway_set_yaml(w->f->g, YAML("clients", "optional", "verify", "others"), w->f->vars);
    reload(w);
    assert_int_not_equal(client_wait_closed(alice_a, END_MS), CLIENT_TIMEOUT);
    assert_true(host_answers(bob_a, a));
    assert_true(host_answers(alice_b, b) && host_answers(bob_b, b));
    client_close(alice_a);
    client_close(alice_b);
    client_close(bob_a);
    client_close(bob_b);
}

/* ---- many clients ---- */

/* Every third of two authorities' clients is revoked: those and no others. */
/* Milliseconds from since on until the gateway ends the connection; what it still says is read. */
static int64_t
ended_after(struct client *c, int64_t since, int limit_ms)
{
    assert_true(client_wait_closed(c, limit_ms) != CLIENT_TIMEOUT);
    return now_ms() - since;
}

/* With the listener its policy is gone, by which they could be judged. */
static void
requests_of_a_listener_that_is_gone_have_half_a_minute(void **state)
{
    struct world *w = *state;
    struct pki_cert_spec brief = {.role = PKI_CLIENT, .cn = "brief", .not_after_s = wall_s() + 6};
    struct pki_cert *cert = pki_issue(&brief, w->f->ca);
    struct live kept = {.what = H1_DOWNLOAD, .who = "bob"};
    struct live gone[] = {
        begin(w, H1_IDLE, w->f->alice, "alice"),
        begin(w, H1_DOWNLOAD, cert, "brief"),
        begin(w, H1_DOWNLOAD, w->f->alice, "alice"),
        begin(w, H2_DOWNLOAD, w->f->alice, "alice"),
    };
    int64_t since;

    kept.c = client_open(&(struct client_spec){
        .port = gateway_port(w->f->g, OPTIONAL), .cert = w->bob, .alpn = "http/1.1"});
    begin_h1(&kept);
    gateway_set_yaml(w->f->g, YAML_TOP LISTENER("optional", "PORT2", MUTUAL("optional", "clients")),
                     w->f->vars);
    since = now_ms();
    reload(w);
    assert_in_range(ended_after(gone[0].c, since, END_MS), 0, END_MS);
    assert_in_range(ended_after(gone[1].c, since, 25000), 3000, 25000);
    assert_in_range(ended_after(gone[2].c, since, 60000), 29000, 50000);
    assert_in_range(ended_after(gone[3].c, since, 60000), 29000, 50000);
    open_gates(w);
    assert_goes_on(&kept);
    for (size_t i = 0; i < array_len(gone); i++)
        client_close(gone[i].c);
    client_close(kept.c);
    pki_free(cert);
}

static void
of_many_clients_exactly_the_revoked_are_closed(void **state)
{
    struct world *w = *state;
    const struct pki_cert *issuers[] = {w->f->ca, w->other_root};
    struct pki_crl_entry entries[2][CROWD];
    size_t counts[2] = {0, 0};
    struct pki_cert *certs[CROWD];
    struct client *clients[CROWD];
    int64_t closed_before = front_metric(w->f, "sallyport_sweep_closed_total");

    for (size_t i = 0; i < CROWD; i++) {
        certs[i] = pki_client(issuers[i % 2], "one of many");
        clients[i] = front_open(w->f, VERIFY, certs[i], "http/1.1");
        client_set_timeout(clients[i], END_MS);
        assert_true(host_answers(clients[i], "localhost"));
        if (i % 3 == 0)
            entries[i % 2][counts[i % 2]++] = (struct pki_crl_entry){.cert = certs[i]};
    }
    front_write_lists(w->f, "new.pem", 2, NULL);
    (void)remove(front_path(w->f, "new.pem"));
    front_add_list(w->f, "new.pem", w->f->root, &(struct pki_crl_spec){.number = 2});
    for (size_t i = 0; i < 2; i++)
        front_add_list(
            w->f, "new.pem", issuers[i],
            &(struct pki_crl_spec){.number = 2, .entries = entries[i], .entry_count = counts[i]});
    assert_int_equal(rename(front_path(w->f, "new.pem"), front_path(w->f, "lists.pem")), 0);
    reload(w);
    for (size_t i = 0; i < CROWD; i++) {
        if (i % 3 == 0)
            assert_int_not_equal(client_wait_closed(clients[i], END_MS), CLIENT_TIMEOUT);
        else
            assert_true(host_answers(clients[i], "localhost"));
        client_close(clients[i]);
        pki_free(certs[i]);
    }
    assert_int_equal(front_metric(w->f, "sallyport_sweep_closed_total"), closed_before + CROWD / 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        sweep_test(a_revoked_client_loses_every_connection_and_nobody_else_any),
        sweep_test(a_handshake_in_progress_ends_under_the_new_list),
        sweep_test(clients_of_an_authority_that_is_gone_are_turned_away),
        sweep_test(a_listener_with_another_trust_store_turns_its_strangers_away),
        sweep_test(a_mode_that_becomes_verify_turns_the_anonymous_away),
        sweep_test(a_host_with_another_policy_turns_away_its_own_strangers_only),
        sweep_test(requests_of_a_listener_that_is_gone_have_half_a_minute),
        sweep_test(of_many_clients_exactly_the_revoked_are_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
