/* SPDX-License-Identifier: Apache-2.0
 *
 * Trust by host: six virtual hosts of one listener with demands of their own. Whatever name a
 * connection was made under and however a request names its host, no request is answered under
 * demands that the connection has not met.
 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/client.h"
#include "support/gateway.h"
#include "support/origin.h"

/* Which demands a host makes: equal letters are equal demands. */
struct vhost {
    const char *name;      /* to ask for */
    char demands;          /* a: verify A, b: verify B, p: passthrough, o: optional A, -: off */
    const char *body;      /* of its fixed response */
    const char *client_of; /* authority whose client gets in: "a", "b", NULL: none is needed */
};

static const struct vhost vhosts[] = {
    {"own.example.test", '-', "own", NULL},      {"a.example.test", 'a', "a", "a"},
    {"also-a.example.test", 'a', "also-a", "a"}, {"b.example.test", 'b', "b", "b"},
    {"one.wild.example.test", 'o', "wild", "a"}, {"exact.wild.example.test", 'p', "exact", NULL},
};

#define REPLY(text) \
    "{fixed_response: {status: 200, content_type: text/plain, body: \"" text "\"}}\n"

static const char yaml[] =
    "workers: 1\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\"}\n"
    "trust_stores:\n"
    "  a: {ca_bundle: a.pem}\n"
    "  b: {ca_bundle: b.pem}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "listeners:\n"
    "  - name: all\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    hosts:\n"
    "      - names: [A.example.test.]\n"
    "        mutual_authentication: {mode: verify, trust_store: a}\n"
    "        default_action: " REPLY(
        "a") "      - names: [also-a.example.test]\n"
             "        mutual_authentication: {mode: verify, trust_store: a}\n"
             "        default_action: " REPLY(
                 "also-a") "      - names: [b.example.test]\n"
                           "        certificates: [{certificate: b-server.pem, private_key: "
                           "b-server.key}]\n"
                           "        mutual_authentication: {mode: verify, trust_store: b}\n"
                           "        default_action: " REPLY(
                               "b") "      - names: [\"*.wild.example.test\"]\n"
                                    "        mutual_authentication: {mode: optional, trust_store: "
                                    "a}\n"
                                    "        default_action: " REPLY(
                                        "wild") "      - names: [exact.wild.example.test]\n"
                                                "        mutual_authentication: {mode: "
                                                "passthrough}\n"
                                                "        default_action: " REPLY(
                                                    "exact") "    default_action: " REPLY("own");

struct hosts {
    struct gateway *g;
    struct pki_cert *root_a, *root_b, *server, *b_server, *client_a, *client_b;
};

static int
setup(void **state)
{
    static const char *const vars[] = {"ORIGIN", "1", NULL};
    struct hosts *h = xcalloc(1, sizeof(*h));
    char *dir = gateway_dir_new();
    char *a = xformat("%s/a.pem", dir), *b = xformat("%s/b.pem", dir);

    h->root_a = pki_root("Root A");
    h->root_b = pki_root("Root B");
    h->server = pki_server(h->root_a, "own.example.test,*.example.test");
    h->b_server = pki_server(h->root_b, "b.example.test");
    h->client_a = pki_client(h->root_a, "alice");
    h->client_b = pki_client(h->root_b, "bob");
    pki_write_certs(a, h->root_a, NULL);
    pki_write_certs(b, h->root_b, NULL);
    pki_write_pair(dir, "server", h->server);
    pki_write_pair(dir, "b-server", h->b_server);
    h->g = gateway_start(&(struct gateway_spec){.yaml = yaml, .vars = vars, .dir = dir});
    free(a);
    free(b);
    free(dir);
    *state = h;
    return 0;
}

static int
teardown(void **state)
{
    struct hosts *h = *state;
    int status = gateway_stop(h->g);

    pki_free(h->client_a);
    pki_free(h->client_b);
    pki_free(h->server);
    pki_free(h->b_server);
    pki_free(h->root_a);
    pki_free(h->root_b);
    free(h);
    return status;
}

static const struct pki_cert *
client_for(const struct hosts *h, const struct vhost *v)
{
    if (v->client_of == NULL)
        return NULL;
    return v->client_of[0] == 'a' ? h->client_a : h->client_b;
}

static struct client *
connect_to(const struct hosts *h, const char *sni, const struct pki_cert *cert, const char *alpn)
{
    return client_open(&(struct client_spec){
        .port = gateway_port(h->g, 1), .sni = sni, .cert = cert, .alpn = alpn});
}

/* ---- every spelling of every pair ---- */

enum spelling { EXACT, UPPER, DOT, PORT, ABSOLUTE, SPELLINGS };

static void
write_upper(char *dst, const char *name)
{
    for (; *name != '\0'; name++)
        *dst++ = (char)(*name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name);
    *dst = '\0';
}

/* What the request says of its host; absolute form beats Host, which must then not matter. */
static void
write_request(char *dst, size_t size, const struct hosts *h, const struct vhost *v, int spelling)
{
    char upper[64];

    write_upper(upper, v->name);
    if (spelling == ABSOLUTE)
        (void)snprintf(dst, size, "GET https://%s/ HTTP/1.1\r\nHost: %s\r\n\r\n", v->name, v->name);
    else
        (void)snprintf(dst, size, "GET / HTTP/1.1\r\nHost: %s%s",
                       spelling == UPPER ? upper : v->name,
                       spelling == DOT    ? ".\r\n\r\n"
                       : spelling == PORT ? ""
                                          : "\r\n\r\n");
    if (spelling == PORT) {
        size_t len = strlen(dst);

        (void)snprintf(dst + len, size - len, ":%u\r\n\r\n", gateway_port(h->g, 1));
    }
}

struct tally {
    int asked, answered, misdirected, wrong;
};

static void
judge_answer(struct tally *t, const struct vhost *from, const struct vhost *to, int status,
             struct str body)
{
    bool is_equal = from->demands == to->demands;

    t->asked++;
    if (is_equal && status == 200 && str_eq(body, str_from(to->body)))
        t->answered++;
    else if (!is_equal && status == 421)
        t->misdirected++;
    else {
        t->wrong++;
        print_error("connected as %s, asked for %s: %d %.*s\n", from->name, to->name, status,
                    STR_ARG(body));
    }
}

static void
ask_h1(const struct hosts *h, const struct vhost *from, const char *sni, struct tally *t)
{
    for (size_t i = 0; i < array_len(vhosts); i++) {
        for (int spelling = 0; spelling < SPELLINGS; spelling++) {
            struct client *c = connect_to(h, sni, client_for(h, from), "http/1.1");
            struct response r;
            char request[512];

            write_request(request, sizeof(request), h, &vhosts[i], spelling);
            r = client_exchange(c, request);
            judge_answer(t, from, &vhosts[i], r.status, bytes_str(&r.body));
            response_free(&r);
            client_close(c);
        }
    }
}

static void
no_http1_request_crosses_from_one_policy_to_another(void **state)
{
    struct hosts *h = *state;
    struct tally t = {0};

    for (size_t i = 0; i < array_len(vhosts); i++) {
        char upper[64];

        write_upper(upper, vhosts[i].name);
        ask_h1(h, &vhosts[i], i % 2 == 0 ? vhosts[i].name : upper, &t);
    }
    print_message("HTTP/1: %d asked, %d answered, %d misdirected, %d wrong\n", t.asked, t.answered,
                  t.misdirected, t.wrong);
    assert_int_equal(t.asked, 6 * 6 * SPELLINGS);
    assert_int_equal(t.wrong, 0);
    assert_int_equal(t.answered, (6 + 2) * SPELLINGS);
}

/* One connection for all of them, as a browser coalesces. */
static void
ask_h2(const struct hosts *h, const struct vhost *from, struct tally *t)
{
    struct client *c = connect_to(h, from->name, client_for(h, from), "h2");
    uint32_t stream = 1;

    assert_int_equal(h2_start(c, STR("")), CLIENT_OK);
    for (size_t i = 0; i < array_len(vhosts); i++) {
        char upper[64], dotted[64], ported[64];
        const char *names[] = {vhosts[i].name, upper, dotted, ported};

        write_upper(upper, vhosts[i].name);
        (void)snprintf(dotted, sizeof(dotted), "%s.", vhosts[i].name);
        (void)snprintf(ported, sizeof(ported), "%s:443", vhosts[i].name);
        for (size_t n = 0; n < array_len(names); n++, stream += 2) {
            struct h2_response r;

            assert_int_equal(h2_get(c, stream, names[n], "/"), CLIENT_OK);
            r = h2_response(c, stream);
            judge_answer(t, from, &vhosts[i], r.status, bytes_str(&r.body));
            h2_response_free(&r);
        }
    }
    client_close(c);
}

static void
no_http2_request_crosses_on_a_coalesced_connection(void **state)
{
    struct tally t = {0};

    for (size_t i = 0; i < array_len(vhosts); i++)
        ask_h2(*state, &vhosts[i], &t);
    print_message("HTTP/2: %d asked, %d answered, %d misdirected, %d wrong\n", t.asked, t.answered,
                  t.misdirected, t.wrong);
    assert_int_equal(t.asked, 6 * 6 * 4);
    assert_int_equal(t.wrong, 0);
}

/* ---- who gets a connection at all ---- */

static int
status_of(const struct hosts *h, const char *sni, const struct pki_cert *cert, const char *host)
{
    struct client *c = connect_to(h, sni, cert, "http/1.1");
    struct response r = client_get(c, host, "/");
    int status = r.status;

    response_free(&r);
    client_close(c);
    return status;
}

static void
each_host_admits_its_own_clients_only(void **state)
{
    struct hosts *h = *state;

    assert_int_equal(status_of(h, "a.example.test", h->client_a, "a.example.test"), 200);
    assert_int_equal(status_of(h, "a.example.test", h->client_b, "a.example.test"), 0);
    assert_int_equal(status_of(h, "a.example.test", NULL, "a.example.test"), 0);
    assert_int_equal(status_of(h, "b.example.test", h->client_b, "b.example.test"), 200);
    assert_int_equal(status_of(h, "b.example.test", h->client_a, "b.example.test"), 0);
    assert_int_equal(status_of(h, "x.wild.example.test", NULL, "x.wild.example.test"), 200);
    assert_int_equal(status_of(h, "x.wild.example.test", h->client_b, "x.wild.example.test"), 0);
}

static void
without_a_name_the_strictest_policy_holds(void **state)
{
    struct hosts *h = *state;

    assert_int_equal(status_of(h, NULL, NULL, "own.example.test"), 0);
    assert_int_equal(status_of(h, NULL, h->client_b, "own.example.test"), 0);
    assert_int_equal(status_of(h, NULL, h->client_a, "own.example.test"), 421);
    assert_int_equal(status_of(h, NULL, h->client_a, "b.example.test"), 421);
    assert_int_equal(status_of(h, NULL, h->client_a, "a.example.test"), 200);
    assert_int_equal(status_of(h, NULL, h->client_a, "also-a.example.test"), 200);
}

static void
a_wildcard_stands_for_one_label(void **state)
{
    struct hosts *h = *state;

    /* Two labels deep and the bare name are the listener's own, where nobody is asked. */
    assert_int_equal(status_of(h, "x.y.wild.example.test", NULL, "x.y.wild.example.test"), 200);
    assert_int_equal(status_of(h, "x.y.wild.example.test", NULL, "x.wild.example.test"), 421);
    assert_int_equal(status_of(h, "wild.example.test", NULL, "wild.example.test"), 200);
    assert_int_equal(status_of(h, "wild.example.test", NULL, "x.wild.example.test"), 421);
}

static void
a_host_has_its_own_certificate(void **state)
{
    struct hosts *h = *state;
    struct client *b = connect_to(h, "B.example.test", h->client_b, NULL);
    struct client *a = connect_to(h, "a.example.test", h->client_a, NULL);

    assert_int_equal(X509_cmp(SSL_get0_peer_certificate(client_ssl(b)), h->b_server->x509), 0);
    assert_int_equal(X509_cmp(SSL_get0_peer_certificate(client_ssl(a)), h->server->x509), 0);
    client_close(b);
    client_close(a);
}

/* ---- a reload under live connections ---- */

static void
a_host_that_appears_takes_its_requests_from_live_connections(void **state)
{
    static const char *const vars[] = {"ORIGIN", "1", NULL};
    static const char entry[] = "      - names: [b.example.test]\n";
    struct hosts *h = *state;
    char *at, *more = xstrdup(yaml), *all;
    struct client *c = connect_to(h, "own.example.test", NULL, "http/1.1");
    struct response r = client_get(c, "late.example.test", "/");

    assert_int_equal(r.status, 200);
    response_free(&r);
    at = strstr(more, entry);
    assert_non_null(at);
    *at = '\0';
    all = xformat("%s%s%s", more,
                  "      - names: [late.example.test]\n"
                  "        mutual_authentication: {mode: verify, trust_store: b}\n",
                  strstr(yaml, entry));
    gateway_set_yaml(h->g, all, vars);
    assert_int_equal(gateway_reload(h->g), GATEWAY_RELOADED);
    r = client_get(c, "late.example.test", "/");
    assert_int_equal(r.status, 421);
    response_free(&r);
    client_close(c);
    assert_int_equal(status_of(h, "late.example.test", h->client_b, "late.example.test"), 200);
    gateway_set_yaml(h->g, yaml, vars);
    assert_int_equal(gateway_reload(h->g), GATEWAY_RELOADED);
    free(all);
    free(more);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_http1_request_crosses_from_one_policy_to_another),
        cmocka_unit_test(no_http2_request_crosses_on_a_coalesced_connection),
        cmocka_unit_test(each_host_admits_its_own_clients_only),
        cmocka_unit_test(without_a_name_the_strictest_policy_holds),
        cmocka_unit_test(a_wildcard_stands_for_one_label),
        cmocka_unit_test(a_host_has_its_own_certificate),
        cmocka_unit_test(a_host_that_appears_takes_its_requests_from_live_connections),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
