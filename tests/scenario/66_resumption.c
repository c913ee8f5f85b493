/* SPDX-License-Identifier: Apache-2.0
 *
 * Resumed sessions are judged like new ones: the matrix of TLS version and what happened
 * since the ticket was issued, and what the origin is told about a resumed client.
 */
#include "support/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "support/client.h"
#include "support/gateway.h"
#include "support/origin.h"
#include "support/pki.h"

static const char config[] =
    "workers: 2\n"
    "state_dir: @DIR@/state\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\", socket: @DIR@/admin.sock}\n"
    "listeners:\n"
    "  - name: partners\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    tls: {session_resumption: @RESUME@}\n"
    "    mutual_authentication: {mode: @MODE@, trust_store: main@EXTRA@}\n"
    "    default_action: {forward: api}\n"
    "trust_stores:\n"
    "  main: {ca_bundle: ca.pem, crls: [ca.crl.pem]}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "logging:\n"
    "  level: info\n"
    "  connection: {path: conn.log, format: json}\n";

struct world {
    struct pki_cert *root, *ca, *other, *server, *alice, *bob;
    struct origin *origin;
    struct gateway *g;
    char *dir;
    char port[8];
};

static const char *
in(const struct world *w, const char *name)
{
    static char path[4][512];
    static unsigned n;

    snprintf(path[n % 4], sizeof(path[0]), "%s/%s", w->dir, name);
    return path[n++ % 4];
}

static void
write_lists(struct world *w, uint64_t number, const struct pki_cert *revoked)
{
    struct pki_crl_entry entry = {.cert = revoked, .reason = PKI_REASON_KEY_COMPROMISE};
    struct pki_crl_spec spec = {
        .entries = &entry, .entry_count = revoked != NULL, .number = number};
    struct pki_crl_spec empty = {.number = number};
    struct bytes pem = pki_crl_pem(&spec, w->ca);
    struct bytes root = pki_crl_pem(&empty, w->root);

    bytes_add(&pem, root.ptr, root.len);
    file_spill(in(w, "ca.crl.pem"), pem.ptr, pem.len, 0644);
    bytes_free(&pem);
    bytes_free(&root);
}

static void
make_files(struct world *w)
{
    static const char key[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";

    w->dir = gateway_dir_new();
    w->root = pki_root("Resume Root");
    w->ca = pki_intermediate(w->root, "Resume CA");
    w->other = pki_root("Other Root");
    w->server = pki_server(w->root, "one.example.test,two.example.test");
    w->alice = pki_client(w->ca, "alice");
    w->bob = pki_client(w->ca, "bob");
    pki_write_certs(in(w, "ca.pem"), w->root, w->ca, NULL);
    pki_write_pair(w->dir, "server", w->server);
    file_spill(in(w, "tickets"), key, sizeof(key) - 1, 0600);
    write_lists(w, 1, NULL);
}

static void
use_config(struct world *w, const char *mode, const char *resume, const char *extra)
{
    const char *vars[] = {"ORIGIN", w->port, "MODE", mode, "RESUME", resume, "EXTRA", extra, NULL};

    if (w->g == NULL) {
        w->g = gateway_start(&(struct gateway_spec){.yaml = config, .vars = vars, .dir = w->dir});
        return;
    }
    gateway_set_yaml(w->g, config, vars);
}

static int
setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    make_files(w);
    w->origin = origin_start(&(struct origin_spec){0});
    snprintf(w->port, sizeof(w->port), "%u", (unsigned)origin_port(w->origin));
    use_config(w, "verify", "on, ticket_keys: tickets", "");
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    assert_int_equal(gateway_stop(w->g), 0);
    origin_stop(w->origin);
    pki_free(w->alice);
    pki_free(w->bob);
    pki_free(w->server);
    pki_free(w->ca);
    pki_free(w->other);
    pki_free(w->root);
    free(w->dir);
    free(w);
    return 0;
}

/* One connection and one request. *session is offered, and replaced by the newest. */
struct outcome {
    bool resumed;
    int status;
    int alert;
};

static struct outcome
visit(struct world *w, const struct pki_cert *cert, int version, const char *sni,
      SSL_SESSION **session)
{
    struct client_spec spec = {
        .port = gateway_port(w->g, 1),
        .sni = sni,
        .cert = cert,
        .min_version = version,
        .max_version = version,
        .session = session == NULL ? NULL : *session,
    };
    struct client *c = client_open(&spec);
    struct outcome o = {.alert = -1};
    SSL_SESSION *newest;
    struct response r;

    if (client_state(c) == CLIENT_OK) {
        r = client_get(c, sni, "/who");
        o.status = r.status;
        o.resumed = client_resumed(c);
        newest = session != NULL && r.status == 200 ? client_session(c) : NULL;
        if (newest != NULL) { /* a resumed TLS 1.2 session goes on without a new ticket */
            SSL_SESSION_free(*session);
            *session = newest;
        }
        response_free(&r);
    }
    o.alert = client_alert(c);
    client_close(c);
    return o;
}

/* Request n since the start, of all connections; without bodies their heads stand in order of
 * arrival when connections come one after the other. */
static struct bytes
request_at(struct world *w, size_t n)
{
    struct bytes all = origin_received_all(w->origin);
    struct bytes out = {0};
    const char *p = all.ptr;
    const char *end;

    for (size_t i = 0; i < n && p != NULL; i++)
        p = strstr(p + 1, "GET /who");
    assert_non_null(p);
    end = strstr(p, "\r\n\r\n");
    assert_non_null(end);
    bytes_add(&out, p, (size_t)(end - p) + 4);
    bytes_free(&all);
    return out;
}

static void
reload(struct world *w)
{
    assert_int_equal(gateway_reload(w->g), GATEWAY_RELOADED);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
#define ONE "one.example.test"

#define want(what, is_resumed, has_status)                                                   \
    do {                                                                                     \
        struct outcome got = (what);                                                         \
        if (got.resumed != (is_resumed) || got.status != (has_status))                       \
            fail_msg("line %d, TLS version %zu: resumed %d status %d alert %d", __LINE__, v, \
                     got.resumed, got.status, got.alert);                                    \
    } while (0)

static void
an_untouched_client_resumes_again_and_again_also_after_a_reload(void **state)
{
    struct world *w = *state;

    for (size_t v = 0; v < 2; v++) {
        SSL_SESSION *s = NULL;

        want(visit(w, w->alice, versions[v], ONE, &s), false, 200);
        want(visit(w, w->alice, versions[v], ONE, &s), true, 200);
        want(visit(w, w->alice, versions[v], ONE, &s), true, 200);
        reload(w);
        want(visit(w, w->alice, versions[v], ONE, &s), true, 200);
        SSL_SESSION_free(s);
    }
}

static void
a_resumed_client_is_told_to_the_origin_like_a_new_one(void **state)
{
    struct world *w = *state;

    for (size_t v = 0; v < 2; v++) {
        SSL_SESSION *s = NULL;
        size_t before = origin_request_count(w->origin);
        struct bytes full, resumed;
        const char *a, *b;

        want(visit(w, w->alice, versions[v], ONE, &s), false, 200);
        want(visit(w, w->alice, versions[v], ONE, &s), true, 200);
        full = request_at(w, before);
        resumed = request_at(w, before + 1);
        a = strstr(full.ptr, "X-Amzn-Mtls-Clientcert-Serial-Number");
        b = strstr(resumed.ptr, "X-Amzn-Mtls-Clientcert-Serial-Number");
        assert_non_null(a);
        assert_non_null(b);
        assert_non_null(strstr(a, "Clientcert-Subject: CN=alice\r\n"));
        assert_memory_equal(a, b, (size_t)(strstr(a, "Host:") - a));
        bytes_free(&full);
        bytes_free(&resumed);
        SSL_SESSION_free(s);
    }
}

static void
a_revoked_client_does_not_come_back_and_the_others_do(void **state)
{
    struct world *w = *state;
    SSL_SESSION *bad[2] = {NULL, NULL};
    SSL_SESSION *good[2] = {NULL, NULL};

    for (size_t v = 0; v < 2; v++) {
        want(visit(w, w->alice, versions[v], ONE, &bad[v]), false, 200);
        want(visit(w, w->bob, versions[v], ONE, &good[v]), false, 200);
    }
    write_lists(w, 2, w->alice);
    reload(w);
    for (size_t v = 0; v < 2; v++) {
        struct outcome o = visit(w, w->alice, versions[v], ONE, &bad[v]);

        assert_false(o.resumed);
        assert_int_equal(o.status, 0);
        assert_int_equal(o.alert, SSL_AD_CERTIFICATE_REVOKED);
        want(visit(w, w->bob, versions[v], ONE, &good[v]), true, 200);
        SSL_SESSION_free(bad[v]);
        SSL_SESSION_free(good[v]);
    }
    assert_true(gateway_wait_log(w->g, "conn.log", "ClientCertCrlHit", 2000));
    write_lists(w, 3, NULL);
    reload(w);
}

static void
a_client_whose_authority_is_gone_does_not_come_back(void **state)
{
    struct world *w = *state;
    SSL_SESSION *s[2] = {NULL, NULL};
    struct pki_crl_spec empty = {.number = 1};
    struct bytes other = pki_crl_pem(&empty, w->other);

    for (size_t v = 0; v < 2; v++)
        want(visit(w, w->alice, versions[v], ONE, &s[v]), false, 200);
    pki_write_certs(in(w, "ca.pem"), w->other, NULL);
    file_spill(in(w, "ca.crl.pem"), other.ptr, other.len, 0644);
    reload(w);
    for (size_t v = 0; v < 2; v++) {
        struct outcome o = visit(w, w->alice, versions[v], ONE, &s[v]);

        assert_false(o.resumed);
        assert_int_equal(o.status, 0);
        assert_int_equal(o.alert, SSL_AD_UNKNOWN_CA);
        SSL_SESSION_free(s[v]);
    }
    pki_write_certs(in(w, "ca.pem"), w->root, w->ca, NULL);
    write_lists(w, 4, NULL);
    reload(w);
    bytes_free(&other);
}

static void
an_expired_client_does_not_come_back(void **state)
{
    struct world *w = *state;
    SSL_SESSION *s[2] = {NULL, NULL};

    struct pki_cert_spec soon = {.role = PKI_CLIENT, .cn = "brief", .not_after_s = wall_s() + 3};
    struct pki_cert *brief = pki_issue(&soon, w->ca);

    for (size_t v = 0; v < 2; v++)
        want(visit(w, brief, versions[v], ONE, &s[v]), false, 200);
    sleep_ms(4200);
    for (size_t v = 0; v < 2; v++) {
        struct outcome o = visit(w, brief, versions[v], ONE, &s[v]);

        assert_false(o.resumed);
        assert_int_equal(o.status, 0);
        assert_int_equal(o.alert, SSL_AD_CERTIFICATE_EXPIRED);
        SSL_SESSION_free(s[v]);
    }
    pki_free(brief);
}

static void
another_server_name_is_a_full_handshake(void **state)
{
    struct world *w = *state;

    for (size_t v = 0; v < 2; v++) {
        SSL_SESSION *s = NULL;

        want(visit(w, w->alice, versions[v], ONE, &s), false, 200);
        want(visit(w, w->alice, versions[v], "two.example.test", &s), false, 200);
        SSL_SESSION_free(s);
    }
}

static void
another_policy_is_a_full_handshake(void **state)
{
    struct world *w = *state;
    SSL_SESSION *s[2] = {NULL, NULL};

    for (size_t v = 0; v < 2; v++)
        want(visit(w, w->alice, versions[v], ONE, &s[v]), false, 200);
    use_config(w, "optional", "on, ticket_keys: tickets", "");
    reload(w);
    for (size_t v = 0; v < 2; v++) {
        want(visit(w, w->alice, versions[v], ONE, &s[v]), false, 200);
        SSL_SESSION_free(s[v]);
    }
    use_config(w, "verify", "on, ticket_keys: tickets", "");
    reload(w);
}

/* A ticket without the key that goes with it: TLS 1.3 with another hash makes libssl pass the
 * session over without checking its binder. What the ticket says must then count for nothing. */
static void
a_copied_ticket_gives_nobody_an_identity(void **state)
{
    struct world *w = *state;
    SSL_SESSION *s = NULL;
    SSL_SESSION *stolen;
    struct client *c;
    struct response r;
    struct bytes seen;
    size_t before;
    size_t v = 1;

    use_config(w, "optional", "on, ticket_keys: tickets", "");
    reload(w);
    want(visit(w, w->alice, TLS1_3_VERSION, ONE, &s), false, 200);
    stolen = SSL_SESSION_dup(s);
    assert_int_equal(SSL_SESSION_set1_master_key(stolen,
                                                 (const unsigned char *)"not the key at all, "
                                                                        "32 bytes of it..",
                                                 32),
                     1);
    before = origin_request_count(w->origin);
    c = client_open(&(struct client_spec){.port = gateway_port(w->g, 1),
                                          .sni = ONE,
                                          .min_version = TLS1_3_VERSION,
                                          .session = stolen});
    r = client_get(c, ONE, "/who");
    if (r.status == 200) { /* a full handshake without a certificate */
        assert_false(client_resumed(c));
        seen = request_at(w, before);
        assert_null(strstr(seen.ptr, "alice"));
        assert_null(strstr(seen.ptr, "X-Amzn-Mtls"));
        bytes_free(&seen);
    }
    response_free(&r);
    client_close(c);
    SSL_SESSION_free(stolen);
    SSL_SESSION_free(s);
    use_config(w, "verify", "on, ticket_keys: tickets", "");
    reload(w);
}

static void
a_restart_with_the_same_keys_resumes_what_is_still_good(void **state)
{
    struct world *w = *state;
    SSL_SESSION *s[2] = {NULL, NULL};

    for (size_t v = 0; v < 2; v++)
        want(visit(w, w->alice, versions[v], ONE, &s[v]), false, 200);
    /* gateway_stop removes the folder it was given: keep the files by making them anew with the
     * same authorities. */
    assert_int_equal(gateway_stop(w->g), 0);
    free(w->dir);
    w->g = NULL;
    w->dir = gateway_dir_new();
    pki_write_certs(in(w, "ca.pem"), w->root, w->ca, NULL);
    pki_write_pair(w->dir, "server", w->server);
    file_spill(in(w, "tickets"),
               "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 65, 0600);
    write_lists(w, 5, NULL);
    use_config(w, "verify", "on, ticket_keys: tickets", "");
    for (size_t v = 0; v < 2; v++) {
        want(visit(w, w->alice, versions[v], ONE, &s[v]), true, 200);
        SSL_SESSION_free(s[v]);
    }
}

static void
off_means_no_tickets(void **state)
{
    struct world *w = *state;

    use_config(w, "verify", "off", "");
    reload(w);
    for (size_t v = 0; v < 2; v++) {
        SSL_SESSION *s = NULL;

        want(visit(w, w->alice, versions[v], ONE, &s), false, 200);
        assert_true(s == NULL || !SSL_SESSION_has_ticket(s));
        SSL_SESSION_free(s);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_untouched_client_resumes_again_and_again_also_after_a_reload),
        cmocka_unit_test(a_resumed_client_is_told_to_the_origin_like_a_new_one),
        cmocka_unit_test(a_revoked_client_does_not_come_back_and_the_others_do),
        cmocka_unit_test(a_client_whose_authority_is_gone_does_not_come_back),
        cmocka_unit_test(an_expired_client_does_not_come_back),
        cmocka_unit_test(another_server_name_is_a_full_handshake),
        cmocka_unit_test(another_policy_is_a_full_handshake),
        cmocka_unit_test(a_copied_ticket_gives_nobody_an_identity),
        cmocka_unit_test(a_restart_with_the_same_keys_resumes_what_is_still_good),
        cmocka_unit_test(off_means_no_tickets),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, setup, teardown);
}
