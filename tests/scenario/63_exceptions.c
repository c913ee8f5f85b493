/* SPDX-License-Identifier: Apache-2.0
 *
 * Exceptions of a trust store in the whole gateway: who gets in, what is logged and counted,
 * and that they end by themselves, for live connections too.
 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "support/client.h"
#include "support/gateway.h"

#define DAY INT64_C(86400)

static const char yaml[] =
    "workers: 1\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\"}\n"
    "logging:\n"
    "  connection: {path: conn.log, format: json}\n"
    "trust_stores:\n"
    "  clients:\n"
    "    ca_bundle: ca.pem\n"
    "    exceptions:\n"
    "      - {allow: expired, max_age: 168h, issuer: \"CN=Client CA\", until: \"@UNTIL@\",\n"
    "         why: renewal under way}\n"
    "      - {allow: no_client_auth_eku, sha256: \"@SHA256@\", until: 2090-01-01T00:00:00Z,\n"
    "         why: old agent}\n"
    "listeners:\n"
    "  - name: partners\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: clients}\n"
    "    default_action: {fixed_response: {status: 200, content_type: text/plain, body: in}}\n";

struct world {
    struct gateway *g;
    struct pki_cert *ca, *server, *good, *expired, *ancient, *agent, *other_agent;
    char sha256[65];
    char until[CLOCK_ISO_LEN + 1];
};

static struct pki_cert *
issue(const struct pki_cert *ca, const char *cn, int64_t expired_ago_s, const char *eku)
{
    struct pki_cert_spec spec = {.cn = cn,
                                 .not_before_s = wall_s() - 90 * DAY,
                                 .not_after_s = wall_s() - expired_ago_s,
                                 .eku = eku};

    return pki_issue(&spec, ca);
}

static void
make_pki(struct world *w, const char *dir)
{
    char *path = xformat("%s/ca.pem", dir), *agent = xformat("%s/agent.pem", dir);
    uint8_t digest[32];

    w->ca = pki_root("Client CA");
    w->server = pki_server(w->ca, "localhost");
    w->good = pki_client(w->ca, "good");
    w->expired = issue(w->ca, "expired", DAY, NULL);
    w->ancient = issue(w->ca, "ancient", 8 * DAY, NULL);
    w->agent = issue(w->ca, "agent", -DAY, "serverAuth");
    w->other_agent = issue(w->ca, "other agent", -DAY, "serverAuth");
    assert_int_equal(X509_digest(w->agent->x509, EVP_sha256(), digest, NULL), 1);
    str_hex_lower(w->sha256, digest, sizeof(digest));
    pki_write_certs(path, w->ca, NULL);
    pki_write_certs(agent, w->agent, NULL);
    pki_write_pair(dir, "server", w->server);
    free(path);
    free(agent);
}

static const char *const *
vars_of(const struct world *w, const char *vars[5])
{
    vars[0] = "SHA256";
    vars[1] = w->sha256;
    vars[2] = "UNTIL";
    vars[3] = w->until;
    vars[4] = NULL;
    return vars;
}

static int
setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    char *dir = gateway_dir_new();
    const char *vars[5];

    make_pki(w, dir);
    clock_format_iso(w->until, wall_s() + DAY);
    w->g =
        gateway_start(&(struct gateway_spec){.yaml = yaml, .vars = vars_of(w, vars), .dir = dir});
    free(dir);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;
    int status = gateway_stop(w->g);

    pki_free(w->good);
    pki_free(w->expired);
    pki_free(w->ancient);
    pki_free(w->agent);
    pki_free(w->other_agent);
    pki_free(w->server);
    pki_free(w->ca);
    free(w);
    return status;
}

static void
reload_until(struct world *w, int64_t until_s)
{
    const char *vars[5];

    clock_format_iso(w->until, until_s);
    gateway_set_yaml(w->g, yaml, vars_of(w, vars));
    assert_int_equal(gateway_reload(w->g), GATEWAY_RELOADED);
}

static struct client *
open_as(const struct world *w, const struct pki_cert *cert)
{
    return client_open(
        &(struct client_spec){.port = gateway_port(w->g, 1), .cert = cert, .alpn = "http/1.1"});
}

static int
get(struct client *c)
{
    struct response r = client_get(c, "localhost", "/");
    int status = r.status;

    response_free(&r);
    return status;
}

static int
status_for(const struct world *w, const struct pki_cert *cert)
{
    struct client *c = open_as(w, cert);
    int status = get(c);

    client_close(c);
    return status;
}

static uint64_t
used(const struct world *w)
{
    static const char name[] = "\nsallyport_exceptions_used_total ";
    struct bytes text = {0};
    const char *at;
    uint64_t value;

    assert_int_equal(gateway_admin_get(w->g, "/metrics", &text), 200);
    at = find_bytes(text.ptr, text.len, name, strlen(name));
    assert_non_null(at);
    value = strtoull(at + strlen(name), NULL, 10);
    bytes_free(&text);
    return value;
}

static void
the_named_failures_pass_and_no_others(void **state)
{
    struct world *w = *state;

    assert_int_equal(status_for(w, w->good), 200);
    assert_int_equal(status_for(w, w->expired), 200);
    assert_int_equal(status_for(w, w->agent), 200);
    assert_int_equal(status_for(w, w->ancient), 0);
    assert_int_equal(status_for(w, w->other_agent), 0);
}

static void
every_use_is_counted_and_logged(void **state)
{
    struct world *w = *state;
    uint64_t before = used(w);
    struct bytes diag;

    for (int i = 0; i < 3; i++)
        assert_int_equal(status_for(w, w->expired), 200);
    assert_int_equal(status_for(w, w->agent), 200);
    assert_int_equal(status_for(w, w->good), 200);
    assert_int_equal(used(w), before + 4);
    assert_true(gateway_wait_log(w->g, "conn.log", "\"rule\":\"no_client_auth_eku, sha256:", 2000));
    assert_true(gateway_wait_log_count(w->g, "conn.log",
                                       "\"rule\":\"expired, issuer CN=Client CA, until", 3, 2000));
    diag = gateway_diag(w->g);
    assert_true(count_text(bytes_str(&diag), "by an exception: expired") >= 3);
    assert_true(count_text(bytes_str(&diag), "renewal under way") >= 3);
    bytes_free(&diag);
}

static void
explain_names_the_exception(void **state)
{
    struct world *w = *state;
    struct proc_result r =
        gateway_command(w->g, "explain", "--config", gateway_path(w->g, "sallyport.yaml"), "--cert",
                        gateway_path(w->g, "agent.pem"), NULL);

    assert_int_equal(r.status, 0);
    assert_non_null(find_bytes(r.out.ptr, r.out.len, "no_client_auth_eku, sha256:", 27));
    assert_non_null(find_bytes(r.out.ptr, r.out.len, "old agent", 9));
    proc_result_free(&r);
}

static void
a_removed_exception_ends_its_connections_at_once(void **state)
{
    struct world *w = *state;
    struct client *expired = open_as(w, w->expired), *good = open_as(w, w->good);
    struct client *agent = open_as(w, w->agent);

    assert_int_equal(get(expired), 200);
    assert_int_equal(get(good), 200);
    assert_int_equal(get(agent), 200);
    reload_until(w, wall_s() - 5);
    assert_int_not_equal(client_wait_closed(expired, 2000), CLIENT_TIMEOUT);
    assert_int_equal(get(good), 200);
    assert_int_equal(get(agent), 200);
    client_close(expired);
    client_close(good);
    client_close(agent);
    assert_int_equal(status_for(w, w->expired), 0);
    reload_until(w, wall_s() + DAY);
    assert_int_equal(status_for(w, w->expired), 200);
}

/* Nobody does anything: the date comes. */
static void
an_exception_ends_by_itself_on_live_connections(void **state)
{
    struct world *w = *state;
    struct client *expired, *good;

    reload_until(w, wall_s() + 3);
    expired = open_as(w, w->expired);
    good = open_as(w, w->good);
    assert_int_equal(get(expired), 200);
    assert_int_equal(get(good), 200);
    assert_int_not_equal(client_wait_closed(expired, 8000), CLIENT_TIMEOUT);
    assert_int_equal(get(good), 200);
    client_close(expired);
    client_close(good);
    assert_int_equal(status_for(w, w->expired), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_named_failures_pass_and_no_others),
        cmocka_unit_test(every_use_is_counted_and_logged),
        cmocka_unit_test(explain_names_the_exception),
        cmocka_unit_test(a_removed_exception_ends_its_connections_at_once),
        cmocka_unit_test(an_exception_ends_by_itself_on_live_connections),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
