/* SPDX-License-Identifier: Apache-2.0
 *
 * report_only: what would be refused passes without an identity, is logged and counted; when
 * it is turned off exactly those connections end.
 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/client.h"
#include "support/gateway.h"
#include "support/origin.h"

static const char yaml[] =
    "workers: 2\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\"}\n"
    "logging:\n"
    "  access: {path: access.log, format: json}\n"
    "  connection: {path: conn.log, format: json}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: ca.pem, crls: [ca.crl]}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "listeners:\n"
    "  - name: report\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: @MODE@, trust_store: clients, report_only: @REPORT@}\n"
    "    default_action: {forward: api}\n";

enum { GOOD, REVOKED, FOREIGN, NONE, CLIENTS };

struct report {
    struct gateway *g;
    struct origin *origin;
    struct pki_cert *ca, *foreign_ca, *server, *certs[CLIENTS];
    char port[8];
    char *crl;
};

static void
set_yaml(struct report *r, const char *mode, const char *report)
{
    const char *vars[] = {"ORIGIN", r->port, "MODE", mode, "REPORT", report, NULL};

    gateway_set_yaml(r->g, yaml, vars);
    assert_int_equal(gateway_reload(r->g), GATEWAY_RELOADED);
}

static void
make_pki(struct report *r, const char *dir)
{
    char *path = xformat("%s/ca.pem", dir);

    r->ca = pki_root("Client CA");
    r->foreign_ca = pki_root("Foreign CA");
    r->server = pki_server(r->ca, "localhost");
    r->certs[GOOD] = pki_client(r->ca, "good");
    r->certs[REVOKED] = pki_client(r->ca, "revoked");
    r->certs[FOREIGN] = pki_client(r->foreign_ca, "foreign");
    r->crl = xformat("%s/ca.crl", dir);
    pki_write_certs(path, r->ca, NULL);
    pki_crl_revoke(r->crl, r->ca, 1, r->certs[REVOKED], NULL);
    pki_write_pair(dir, "server", r->server);
    free(path);
}

static int
setup(void **state)
{
    static const struct origin_spec plain = {.steps = NULL};
    struct report *r = xcalloc(1, sizeof(*r));
    const char *vars[] = {"ORIGIN", r->port, "MODE", "verify", "REPORT", "true", NULL};
    char *dir = gateway_dir_new();

    make_pki(r, dir);
    r->origin = origin_start(&plain);
    (void)snprintf(r->port, sizeof(r->port), "%u", origin_port(r->origin));
    r->g = gateway_start(&(struct gateway_spec){.yaml = yaml, .vars = vars, .dir = dir});
    free(dir);
    *state = r;
    return 0;
}

static int
teardown(void **state)
{
    struct report *r = *state;
    int status;

    origin_stop(r->origin);
    status = gateway_stop(r->g);
    for (int i = 0; i < CLIENTS; i++)
        pki_free(r->certs[i]);
    pki_free(r->server);
    pki_free(r->ca);
    pki_free(r->foreign_ca);
    free(r->crl);
    free(r);
    return status;
}

static struct client *
open_as(const struct report *r, int who, const char *alpn)
{
    return client_open(&(struct client_spec){
        .port = gateway_port(r->g, 1), .sni = "localhost", .cert = r->certs[who], .alpn = alpn});
}

static int
get(struct client *c)
{
    struct response got = client_get(c, "localhost", "/");
    int status = got.status;

    response_free(&got);
    return status;
}

/* True when the origin got the request with an identity. */
static bool
arrives_with_identity(struct report *r, int who, const char *alpn)
{
    struct client *c;
    bool saw;

    origin_forget(r->origin);
    c = open_as(r, who, alpn);
    if (strcmp(alpn, "h2") == 0) {
        struct h2_response got;

        assert_int_equal(h2_start(c, STR("")), CLIENT_OK);
        assert_int_equal(h2_get(c, 1, "localhost", "/"), CLIENT_OK);
        got = h2_response(c, 1);
        assert_int_equal(got.status, 200);
        h2_response_free(&got);
    } else {
        assert_int_equal(get(c), 200);
    }
    client_close(c);
    saw = origin_saw(r->origin, "X-Amzn-Mtls-");
    return saw;
}

static uint64_t
would_refuse(const struct report *r, const char *reason)
{
    char *name = xformat("would_refuse_total{reason=\"%s\"} ", reason);
    struct bytes text = {0};
    const char *at;
    uint64_t value = 0;

    assert_int_equal(gateway_admin_get(r->g, "/metrics", &text), 200);
    at = find_bytes(text.ptr, text.len, name, strlen(name));
    if (at != NULL)
        value = strtoull(at + strlen(name), NULL, 10);
    bytes_free(&text);
    free(name);
    return value;
}

static void
what_would_be_refused_passes_without_an_identity(void **state)
{
    struct report *r = *state;

    assert_true(arrives_with_identity(r, GOOD, "http/1.1"));
    assert_false(arrives_with_identity(r, REVOKED, "http/1.1"));
    assert_false(arrives_with_identity(r, FOREIGN, "http/1.1"));
    assert_false(arrives_with_identity(r, NONE, "http/1.1"));
    assert_true(arrives_with_identity(r, GOOD, "h2"));
    assert_false(arrives_with_identity(r, REVOKED, "h2"));
    assert_false(arrives_with_identity(r, NONE, "h2"));
}

static void
it_is_counted_and_logged_with_its_reason(void **state)
{
    struct report *r = *state;
    uint64_t hits = would_refuse(r, "ClientCertCrlHit");
    uint64_t missing = would_refuse(r, "ClientCertMissing");
    struct bytes log;

    (void)arrives_with_identity(r, REVOKED, "http/1.1");
    (void)arrives_with_identity(r, NONE, "http/1.1");
    (void)arrives_with_identity(r, GOOD, "http/1.1");
    assert_int_equal(would_refuse(r, "ClientCertCrlHit"), hits + 1);
    assert_int_equal(would_refuse(r, "ClientCertMissing"), missing + 1);
    assert_true(gateway_wait_log(r->g, "conn.log", "\"would_refuse\":true", 2000));
    assert_true(gateway_wait_log(r->g, "conn.log", "ClientCertCrlHit", 2000));
    assert_true(gateway_wait_log(r->g, "conn.log", "ClientCertMissing", 2000));
    assert_true(gateway_wait_log(r->g, "access.log", "\"would_refuse\":true", 2000));
    log = gateway_log(r->g, "conn.log");
    assert_true(count_text(bytes_str(&log), "CN=revoked") > 0);
    bytes_free(&log);
}

static void
turned_off_it_ends_those_connections_and_no_others(void **state)
{
    struct report *r = *state;
    struct client *c[CLIENTS], *h2;

    for (int i = 0; i < CLIENTS; i++) {
        c[i] = open_as(r, i, "http/1.1");
        assert_int_equal(get(c[i]), 200);
    }
    h2 = open_as(r, FOREIGN, "h2");
    assert_int_equal(h2_start(h2, STR("")), CLIENT_OK);
    set_yaml(r, "verify", "false");
    assert_int_not_equal(client_wait_closed(h2, 2000), CLIENT_TIMEOUT);
    for (int i = REVOKED; i < CLIENTS; i++)
        assert_int_not_equal(client_wait_closed(c[i], 2000), CLIENT_TIMEOUT);
    assert_int_equal(get(c[GOOD]), 200);
    for (int i = 0; i < CLIENTS; i++)
        client_close(c[i]);
    client_close(h2);
    c[0] = open_as(r, NONE, "http/1.1");
    assert_int_equal(get(c[0]), 0);
    client_close(c[0]);
    set_yaml(r, "verify", "true");
}

static void
in_optional_mode_a_client_without_a_certificate_stays(void **state)
{
    struct report *r = *state;
    struct client *none, *foreign;

    set_yaml(r, "optional", "true");
    none = open_as(r, NONE, "http/1.1");
    foreign = open_as(r, FOREIGN, "http/1.1");
    assert_int_equal(get(none), 200);
    assert_int_equal(get(foreign), 200);
    set_yaml(r, "optional", "false");
    assert_int_not_equal(client_wait_closed(foreign, 2000), CLIENT_TIMEOUT);
    assert_int_equal(get(none), 200);
    client_close(none);
    client_close(foreign);
    set_yaml(r, "verify", "true");
}

/* A live client that is revoked stays under report_only, but its name is not told any more. */
static void
a_client_that_is_revoked_later_loses_its_identity(void **state)
{
    struct report *r = *state;
    struct client *c = open_as(r, GOOD, "http/1.1");

    origin_forget(r->origin);
    assert_int_equal(get(c), 200);
    assert_true(origin_saw(r->origin, "X-Amzn-Mtls-Clientcert-Subject: CN=good"));
    pki_crl_revoke(r->crl, r->ca, 2, r->certs[REVOKED], r->certs[GOOD], NULL);
    set_yaml(r, "verify", "true");
    for (int i = 0; i < 3; i++) {
        struct bytes all;

        assert_int_equal(get(c), 200);
        all = origin_received_all(r->origin);
        assert_int_equal(count_text(bytes_str(&all), "X-Amzn-Mtls-Clientcert-Subject"), 1);
        bytes_free(&all);
    }
    client_close(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_would_be_refused_passes_without_an_identity),
        cmocka_unit_test(it_is_counted_and_logged_with_its_reason),
        cmocka_unit_test(turned_off_it_ends_those_connections_and_no_others),
        cmocka_unit_test(in_optional_mode_a_client_without_a_certificate_stays),
        cmocka_unit_test(a_client_that_is_revoked_later_loses_its_identity),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
