/* SPDX-License-Identifier: Apache-2.0
 *
 * Hand-over headers as the origin gets them: exact, the same on resumed connections and over
 * HTTP/2, never a client's own, and a refusal when they cannot be stated.
 */
#include "support/unit.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/client.h"
#include "support/gateway.h"
#include "support/origin.h"

static const char yaml[] =
    "workers: 1\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\"}\n"
    "logging: {connection: {path: conn.log, format: json}}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: ca.pem, max_chain_depth: 6}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "listeners:\n"
    "  - name: all\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: clients}\n"
    "    client_certificate_headers: [@HEADERS@]\n"
    "    default_action: {forward: api}\n"
    "  - name: none\n"
    "    bind: 127.0.0.1:@PORT2@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: optional, trust_store: clients}\n"
    "    client_certificate_headers: [client_cert, san]\n"
    "    default_action: {forward: api}\n";

#define ALL "client_cert, client_cert_chain, xfcc, san, sha256"

struct world {
    struct gateway *g;
    struct origin *origin;
    struct pki_cert *root, *ca, *server, *client, *odd;
    char port[8];
};

static struct pki_cert *
issue_client(const struct pki_cert *ca)
{
    static const struct pki_san sans[] = {{PKI_SAN_DNS, STR_INIT("a.test")},
                                          {PKI_SAN_URI, STR_INIT("spiffe://x/a")},
                                          {PKI_SAN_EMAIL, STR_INIT("a@b.test")},
                                          {PKI_SAN_IP, STR_INIT("192.0.2.7")}};
    struct pki_cert_spec spec = {.cn = "client", .sans = sans, .san_count = array_len(sans)};

    return pki_issue(&spec, ca);
}

static int
setup(void **state)
{
    static const struct origin_spec plain = {.steps = NULL};
    struct pki_cert_spec odd = {.cn = "ends in a backslash\\"};
    struct world *w = xcalloc(1, sizeof(*w));
    const char *vars[] = {"ORIGIN", w->port, "HEADERS", ALL, NULL};
    char *dir = gateway_dir_new(), *path = xformat("%s/ca.pem", dir);

    w->root = pki_root("Root");
    w->ca = pki_intermediate(w->root, "CA");
    w->server = pki_server(w->root, "localhost");
    w->client = issue_client(w->ca);
    w->odd = pki_issue(&odd, w->ca);
    pki_write_certs(path, w->root, NULL);
    pki_write_pair(dir, "server", w->server);
    w->origin = origin_start(&plain);
    (void)snprintf(w->port, sizeof(w->port), "%u", origin_port(w->origin));
    w->g = gateway_start(&(struct gateway_spec){.yaml = yaml, .vars = vars, .dir = dir});
    free(path);
    free(dir);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;
    int status;

    origin_stop(w->origin);
    status = gateway_stop(w->g);
    pki_free(w->odd);
    pki_free(w->client);
    pki_free(w->server);
    pki_free(w->ca);
    pki_free(w->root);
    free(w);
    return status;
}

/* ":BASE64:" of a certificate; malloc. */
static char *
byte_sequence(const struct pki_cert *c)
{
    char *text = xcalloc(1, 2 * c->der.len + 8);
    int len = EVP_EncodeBlock((unsigned char *)text + 1, (const unsigned char *)c->der.ptr,
                              (int)c->der.len);

    text[0] = text[1 + len] = ':';
    return text;
}

/* Lower hex of the fingerprint. */
static void
fingerprint(const struct pki_cert *c, char hex[65])
{
    uint8_t digest[32];

    assert_int_equal(X509_digest(c->x509, EVP_sha256(), digest, NULL), 1);
    str_hex_lower(hex, digest, sizeof(digest));
    hex[64] = '\0';
}

static struct client *
open_with(struct world *w, int port, const struct pki_cert *cert, SSL_SESSION *session)
{
    return client_open(&(struct client_spec){.port = gateway_port(w->g, port),
                                             .sni = "localhost",
                                             .cert = cert,
                                             .alpn = "http/1.1",
                                             .session = session});
}

static int
ask(struct client *c, const char *more)
{
    char *request = xformat("GET / HTTP/1.1\r\nHost: localhost\r\n%s\r\n", more);
    struct response r = client_exchange(c, request);
    int status = r.status;

    response_free(&r);
    free(request);
    return status;
}

static void
assert_sees(struct world *w, char *line)
{
    if (!origin_saw(w->origin, line))
        fail_msg("the origin did not get %.200s", line);
    free(line);
}

/* Every line, to the byte. */
static void
assert_all_lines(struct world *w)
{
    char *leaf = byte_sequence(w->client), *ca = byte_sequence(w->ca), hex[65];

    fingerprint(w->client, hex);
    assert_sees(w, xformat("\r\nClient-Cert: %s\r\n", leaf));
    assert_sees(w, xformat("\r\nClient-Cert-Chain: %s\r\n", ca));
    assert_sees(w, xformat("\r\nX-Forwarded-Client-Cert: Hash=%s;Cert=\"-----BEGIN%%20", hex));
    assert_sees(w, xformat("%%0A\";Subject=\"CN=client\";URI=spiffe://x/a;DNS=a.test\r\n"));
    assert_sees(w, xstrdup("\r\nX-Client-Cert-San-Dns: \"a.test\"\r\n"));
    assert_sees(w, xstrdup("\r\nX-Client-Cert-San-Uri: \"spiffe://x/a\"\r\n"));
    assert_sees(w, xstrdup("\r\nX-Client-Cert-San-Email: \"a@b.test\"\r\n"));
    assert_sees(w, xstrdup("\r\nX-Client-Cert-San-Ip: \"192.0.2.7\"\r\n"));
    assert_sees(w, xformat("\r\nX-Client-Cert-Sha256: %s\r\n", hex));
    free(leaf);
    free(ca);
}

static void
the_origin_gets_every_header(void **state)
{
    struct world *w = *state;
    struct client *c = open_with(w, 1, w->client, NULL);

    origin_forget(w->origin);
    assert_int_equal(ask(c, ""), 200);
    client_close(c);
    assert_all_lines(w);
}

static void
http2_carries_the_same(void **state)
{
    struct world *w = *state;
    struct h2_response r;
    struct client *c;

    origin_forget(w->origin);
    c = client_open(&(struct client_spec){
        .port = gateway_port(w->g, 1), .sni = "localhost", .cert = w->client, .alpn = "h2"});
    assert_int_equal(h2_start(c, STR("")), CLIENT_OK);
    assert_int_equal(h2_get(c, 1, "localhost", "/"), CLIENT_OK);
    r = h2_response(c, 1);
    assert_int_equal(r.status, 200);
    h2_response_free(&r);
    client_close(c);
    assert_all_lines(w);
}

static void
a_resumed_connection_carries_the_same_chain_included(void **state)
{
    struct world *w = *state;
    struct client *c = open_with(w, 1, w->client, NULL);
    SSL_SESSION *session;

    assert_int_equal(ask(c, ""), 200);
    session = client_session(c);
    assert_non_null(session);
    client_close(c);
    origin_forget(w->origin);
    c = open_with(w, 1, NULL, session);
    assert_int_equal(ask(c, ""), 200);
    assert_true(client_resumed(c));
    client_close(c);
    SSL_SESSION_free(session);
    assert_all_lines(w);
}

static void
what_a_client_says_of_itself_is_removed(void **state)
{
    static const char forged[] = "Client-Cert: :Zm9yZ2Vk:\r\n"
                                 "client_cert_chain: :Zm9yZ2Vk:\r\n"
                                 "X-Forwarded-Client-Cert: Hash=forged\r\n"
                                 "X-Client-Cert-San-Dns: \"forged\"\r\n"
                                 "x.client.cert.sha256: forged\r\n";
    struct world *w = *state;
    struct client *c;

    for (int port = 1; port <= 2; port++) {
        origin_forget(w->origin);
        c = open_with(w, port, port == 1 ? w->client : NULL, NULL);
        assert_int_equal(ask(c, forged), 200);
        client_close(c);
        assert_false(origin_saw(w->origin, "orged"));
        assert_false(origin_saw(w->origin, "Zm9yZ2Vk"));
    }
    assert_false(origin_saw(w->origin, "lient-Cert"));
}

static void
what_cannot_be_stated_is_refused(void **state)
{
    struct world *w = *state;
    struct client *c = open_with(w, 1, w->odd, NULL);

    origin_forget(w->origin);
    assert_int_equal(ask(c, ""), 0);
    client_close(c);
    assert_int_equal(origin_request_count(w->origin), 0);
    /* Without XFCC the name is no trouble. */
    c = open_with(w, 2, w->odd, NULL);
    assert_int_equal(ask(c, ""), 200);
    client_close(c);
}

static void
a_reload_changes_them_on_live_connections(void **state)
{
    struct world *w = *state;
    const char *few[] = {"ORIGIN", w->port, "HEADERS", "sha256", NULL};
    const char *all[] = {"ORIGIN", w->port, "HEADERS", ALL, NULL};
    struct client *c = open_with(w, 1, w->client, NULL);
    struct bytes seen;
    size_t before;

    assert_int_equal(ask(c, ""), 200);
    gateway_set_yaml(w->g, yaml, few);
    assert_int_equal(gateway_reload(w->g), GATEWAY_RELOADED);
    origin_forget(w->origin);
    seen = origin_received_all(w->origin);
    before = seen.len;
    bytes_free(&seen);
    assert_int_equal(ask(c, ""), 200);
    seen = origin_received_all(w->origin);
    assert_true(seen.len > before);
    assert_non_null(find_bytes(seen.ptr + before, seen.len - before, "X-Client-Cert-Sha256", 20));
    assert_null(find_bytes(seen.ptr + before, seen.len - before, "\r\nClient-Cert:", 14));
    assert_null(find_bytes(seen.ptr + before, seen.len - before, "San-Dns", 7));
    bytes_free(&seen);
    client_close(c);
    gateway_set_yaml(w->g, yaml, all);
    assert_int_equal(gateway_reload(w->g), GATEWAY_RELOADED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_origin_gets_every_header),
        cmocka_unit_test(http2_carries_the_same),
        cmocka_unit_test(a_resumed_connection_carries_the_same_chain_included),
        cmocka_unit_test(what_a_client_says_of_itself_is_removed),
        cmocka_unit_test(what_cannot_be_stated_is_refused),
        cmocka_unit_test(a_reload_changes_them_on_live_connections),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
