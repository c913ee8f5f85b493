/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS as clients meet it: certificates by name, versions, protocols, and what must not be had:
 * renegotiation, early data, tickets where they are off, long chains. Odd but honest hellos get
 * the policy that they name.
 */
#include "20_front.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

static const char config[] =
    "workers: 2\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\"}\n"
    "listeners:\n"
    "  - name: names\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    tls: {session_resumption: off}\n"
    "    certificates:\n"
    "      - {certificate: server.pem, private_key: server.key}\n"
    "      - {certificate: exact.pem, private_key: exact.key}\n"
    "      - {certificate: wild.pem, private_key: wild.key}\n"
    "    mutual_authentication: {mode: verify, trust_store: clients}\n"
    "    default_action: {forward: api}\n"
    "  - name: resuming\n"
    "    bind: 127.0.0.1:@PORT2@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: shallow, "
    "advertise_trust_store_ca_names: true}\n"
    "    default_action: {forward: api}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: root.pem, max_chain_depth: 8}\n"
    "  shallow: {ca_bundle: root.pem, max_chain_depth: 3}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "logging:\n"
    "  connection: {path: conn.log, format: json}\n";

enum listener { NAMES = 1, SHALLOW };

static const int tls_versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

struct world {
    struct front *f;
    struct pki_cert *exact, *wild;
};

static int
setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->f = front_new(NULL);
    w->exact = pki_server(w->f->root, "exact.example.test");
    w->wild = pki_issue(&(struct pki_cert_spec){.role = PKI_SERVER,
                                                .cn = "*.wild.example.test",
                                                .key_kind = PKI_RSA2048},
                        w->f->root);
    pki_write_pair(w->f->dir, "exact", w->exact);
    pki_write_pair(w->f->dir, "wild", w->wild);
    pki_write_certs(front_path(w->f, "root.pem"), w->f->root, NULL);
    front_start(w->f, config);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;
    int status;

    pki_free(w->exact);
    pki_free(w->wild);
    status = front_done(w->f);
    free(w);
    return status == 0 ? 0 : -1;
}

/* ---- helpers ---- */

static struct client *
connect_to(const struct world *w, enum listener listener, struct client_spec spec)
{
    spec.port = gateway_port(w->f->g, (int)listener);
    if (spec.cert == NULL)
        spec.cert = w->f->alice;
    return client_open(&spec);
}

static void
expect_served(struct client *c)
{
    struct response r;

    if (client_state(c) != CLIENT_OK)
        fail_msg("%s", client_error(c));
    r = client_get(c, "localhost", "/");
    assert_int_equal(r.status, 200);
    response_free(&r);
    client_close(c);
}

static void
expect_refused(struct client *c, int alert)
{
    (void)client_wait_closed(c, 3000);
    if (client_alert(c) != alert)
        fail_msg("alert %d, not %d: %s", client_alert(c), alert, client_error(c));
    client_close(c);
}

static void
expect_certificate(SSL *ssl, const char *cn)
{
    X509 *x = SSL_get1_peer_certificate(ssl);
    char text[256] = "";

    assert_non_null(x);
    X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, text, sizeof(text));
    assert_string_equal(text, cn);
    X509_free(x);
}

/* ---- certificates, versions, protocols ---- */

static void
the_certificate_is_chosen_by_name(void **state)
{
    static const struct {
        const char *sni;
        const char *cn;
    } cases[] = {
        {NULL, "localhost"},
        {"localhost", "localhost"},
        {"api.example.test", "localhost"},
        {"unknown.example.test", "localhost"},
        {"exact.example.test", "exact.example.test"},
        {"EXACT.Example.TEST", "exact.example.test"},
        {"exact.example.test.", "exact.example.test"},
        {"a.exact.example.test", "localhost"},
        {"a.wild.example.test", "*.wild.example.test"},
        {"a.WILD.example.test.", "*.wild.example.test"},
        {"a.b.wild.example.test", "localhost"},
        {"wild.example.test", "localhost"},
        {"exact.example.test:443", "localhost"},
        {"exact.example.test ", "localhost"},
    };
    struct world *w = *state;

    for (size_t i = 0; i < 2 * array_len(cases); i++) {
        struct client *c = connect_to(w, NAMES,
                                      (struct client_spec){.sni = cases[i / 2].sni,
                                                           .min_version = tls_versions[i % 2],
                                                           .max_version = tls_versions[i % 2]});

        if (client_state(c) != CLIENT_OK)
            fail_msg("%s: %s", cases[i / 2].sni, client_error(c));
        expect_certificate(client_ssl(c), cases[i / 2].cn);
        expect_served(c);
    }
}

static void
strong_ciphers_are_spoken(void **state)
{
    static const struct {
        const char *cipher;
        const char *sni; /* the certificate with the fitting key */
    } cases[] = {
        {"ECDHE-ECDSA-AES128-GCM-SHA256", "localhost"},
        {"ECDHE-ECDSA-AES256-GCM-SHA384", "localhost"},
        {"ECDHE-ECDSA-CHACHA20-POLY1305", "localhost"},
        {"ECDHE-RSA-AES128-GCM-SHA256", "a.wild.example.test"},
        {"ECDHE-RSA-AES256-GCM-SHA384", "a.wild.example.test"},
        {"ECDHE-RSA-CHACHA20-POLY1305", "a.wild.example.test"},
    };
    struct world *w = *state;

    for (size_t i = 0; i < array_len(cases); i++) {
        struct client *c = connect_to(w, NAMES,
                                      (struct client_spec){.sni = cases[i].sni,
                                                           .ciphers = cases[i].cipher,
                                                           .max_version = TLS1_2_VERSION});

        assert_int_equal(client_state(c), CLIENT_OK);
        assert_string_equal(SSL_get_cipher_name(client_ssl(c)), cases[i].cipher);
        expect_served(c);
    }
}

static void
weak_ciphers_are_not(void **state)
{
    static const char *const ciphers[] = {
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-ECDSA-AES128-SHA256",
        "ECDHE-ECDSA-AES256-SHA",
        "AES128-GCM-SHA256",
        "AES128-SHA",
        "DHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-SHA",
        "ECDHE-ECDSA-AES128-CCM8",
        "ECDHE-ECDSA-NULL-SHA",
        "AECDH-AES128-SHA",
    };
    struct world *w = *state;

    for (size_t i = 0; i < array_len(ciphers); i++) {
        expect_refused(connect_to(w, NAMES,
                                  (struct client_spec){.sni = "a.wild.example.test",
                                                       .ciphers = ciphers[i],
                                                       .max_version = TLS1_2_VERSION}),
                       SSL_AD_HANDSHAKE_FAILURE);
    }
}

static void
the_protocol_is_agreed_by_alpn(void **state)
{
    static const struct {
        const char *offered;
        const char *chosen;
    } cases[] = {
        {"h2", "h2"},
        {"http/1.1", "http/1.1"},
        {"h2,http/1.1", "h2"},
        {"http/1.1,h2", "h2"},
        {"spdy/3,http/1.1", "http/1.1"},
        {"h2c,h2,foo", "h2"},
        {NULL, ""},
    };
    struct world *w = *state;

    for (size_t i = 0; i < 2 * array_len(cases); i++) {
        const char *chosen = cases[i / 2].chosen;
        struct client *c = connect_to(w, NAMES,
                                      (struct client_spec){.alpn = cases[i / 2].offered,
                                                           .min_version = tls_versions[i % 2],
                                                           .max_version = tls_versions[i % 2]});

        assert_int_equal(client_state(c), CLIENT_OK);
        assert_string_equal(client_alpn(c), chosen);
        if (strcmp(chosen, "h2") != 0) {
            expect_served(c);
        } else {
            struct h2_response r;

            (void)h2_start(c, STR(""));
            assert_int_equal(h2_get(c, 1, "localhost", "/"), CLIENT_OK);
            r = h2_response(c, 1);
            assert_int_equal(r.status, 200);
            h2_response_free(&r);
            client_close(c);
        }
    }
}

/* ---- what must not be had ---- */

static int64_t
full_handshakes(const struct world *w)
{
    return front_metric(w->f, "sallyport_tls_handshakes_full_total");
}

static void
renegotiation_is_refused(void **state)
{
    struct world *w = *state;
    struct client *c = connect_to(w, NAMES, (struct client_spec){.max_version = TLS1_2_VERSION});
    struct response r = client_get(c, "localhost", "/");
    int64_t before = full_handshakes(w);

    assert_int_equal(r.status, 200);
    response_free(&r);
    assert_int_equal(SSL_renegotiate(client_ssl(c)), 1);
    (void)client_handshake(c);
    (void)client_puts(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_not_equal(client_wait_closed(c, 3000), CLIENT_OK);
    assert_int_equal(full_handshakes(w), before);
    client_close(c);
    expect_served(connect_to(w, NAMES, (struct client_spec){.alpn = NULL}));
}

/* A request on the connection, so that tickets of TLS 1.3 have come. */
static SSL_SESSION *
session_of(const struct world *w, enum listener listener, int version)
{
    struct client *c = connect_to(
        w, listener, (struct client_spec){.min_version = version, .max_version = version});
    struct response r = client_get(c, "localhost", "/");
    SSL_SESSION *session = client_session(c);

    assert_int_equal(r.status, 200);
    response_free(&r);
    client_close(c);
    return session;
}

static void
no_session_is_to_be_had_where_resumption_is_off(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < array_len(tls_versions); i++) {
        SSL_SESSION *session = session_of(w, NAMES, tls_versions[i]);
        struct client *c;

        if (session == NULL)
            continue;
        assert_int_equal(tls_versions[i], TLS1_2_VERSION);
        assert_false(SSL_SESSION_has_ticket(session));
        assert_int_equal(SSL_SESSION_is_resumable(session), 0);
        c = connect_to(w, NAMES,
                       (struct client_spec){.session = session, .max_version = TLS1_2_VERSION});
        assert_int_equal(client_state(c), CLIENT_OK);
        assert_false(client_resumed(c));
        expect_served(c);
        SSL_SESSION_free(session);
    }
}

/* The ticket does not allow it; a client that does so all the same gets a full round trip. */
static void
early_data_is_never_processed(void **state)
{
    static const char early[] = "GET /early HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct world *w = *state;
    SSL_SESSION *session = session_of(w, SHALLOW, TLS1_3_VERSION);
    struct client *c;
    size_t n = 0;

    assert_non_null(session);
    assert_int_equal(SSL_SESSION_get_max_early_data(session), 0);
    assert_int_equal(SSL_SESSION_set_max_early_data(session, 4096), 1);
    c = connect_to(w, SHALLOW,
                   (struct client_spec){
                       .session = session, .min_version = TLS1_3_VERSION, .connect_only = true});
    assert_int_equal(SSL_write_early_data(client_ssl(c), early, sizeof(early) - 1, &n), 1);
    assert_int_equal(client_handshake(c), CLIENT_OK);
    assert_int_equal(SSL_get_early_data_status(client_ssl(c)), SSL_EARLY_DATA_REJECTED);
    expect_served(c);
    assert_false(origin_saw(w->f->origin, "/early"));
    SSL_SESSION_free(session);
}

/* ---- chains ---- */

static void
chains_are_measured(void **state)
{
    struct world *w = *state;
    struct pki_cert *first = pki_intermediate(w->f->root, "First");
    struct pki_cert *second = pki_intermediate(first, "Second");
    struct pki_cert *third = pki_intermediate(second, "Third");
    struct pki_cert *leaves[] = {pki_client(w->f->root, "leaf"), pki_client(first, "leaf"),
                                 pki_client(second, "leaf"), pki_client(third, "leaf")};
    struct client *c;

    for (size_t i = 0; i < 2 * array_len(leaves); i++) {
        size_t certificates = i / 2 + 2; /* the client's own and the anchor included */
        struct client_spec spec = {.cert = leaves[i / 2],
                                   .min_version = tls_versions[i % 2],
                                   .max_version = tls_versions[i % 2]};

        expect_served(connect_to(w, NAMES, spec));
        c = connect_to(w, SHALLOW, spec);
        if (certificates <= 3)
            expect_served(c);
        else
            expect_refused(c, SSL_AD_BAD_CERTIFICATE);
    }
    /* The issuer is not in the bundle and not sent. */
    expect_refused(connect_to(w, NAMES, (struct client_spec){.cert = leaves[1], .leaf_only = true}),
                   SSL_AD_UNKNOWN_CA);
    for (size_t i = 0; i < array_len(leaves); i++)
        pki_free(leaves[i]);
    pki_free(third);
    pki_free(second);
    pki_free(first);
}

/* 8 certificates of 3.8 KB: many records, within the limits. */
static void
a_certificate_list_of_30_kb_is_read(void **state)
{
    struct world *w = *state;
    struct pki_cert *chain[7];

    chain[0] = w->f->ca;
    for (size_t i = 1; i < array_len(chain); i++)
        chain[i] = pki_issue(
            &(struct pki_cert_spec){.role = PKI_CA, .cn = "padding", .padding_bytes = 4300},
            w->f->root);
    for (size_t i = 0; i < array_len(tls_versions); i++)
        expect_served(
            connect_to(w, NAMES,
                       (struct client_spec){.chain = (const struct pki_cert *const *)chain,
                                            .chain_count = array_len(chain),
                                            .min_version = tls_versions[i],
                                            .max_version = tls_versions[i]}));
    for (size_t i = 1; i < array_len(chain); i++)
        pki_free(chain[i]);
}

static void
authorities_are_named_only_where_configured(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < array_len(tls_versions); i++) {
        struct client_spec spec = {.min_version = tls_versions[i], .max_version = tls_versions[i]};
        struct client *named = connect_to(w, SHALLOW, spec);
        struct client *silent = connect_to(w, NAMES, spec);
        const STACK_OF(X509_NAME) *names = SSL_get0_peer_CA_list(client_ssl(named));

        assert_int_equal(sk_X509_NAME_num(names), 1);
        assert_int_equal(
            X509_NAME_cmp(sk_X509_NAME_value(names, 0), X509_get_subject_name(w->f->root->x509)),
            0);
        names = SSL_get0_peer_CA_list(client_ssl(silent));
        assert_true(names == NULL || sk_X509_NAME_num(names) == 0);
        client_close(named);
        client_close(silent);
    }
}

/* ---- hellos in odd pieces ---- */

/* A TLS client whose bytes pass through our hands: SSL on memory, beside a plain connection. */
struct wire {
    SSL_CTX *ctx;
    SSL *ssl;
    struct client *c;
};

static int
on_add_padding(SSL *ssl, unsigned type, unsigned context, const unsigned char **ret,
               size_t *ret_len, X509 *x, size_t chain_at, int *alert, void *arg)
{
    static const unsigned char zeros[16384];

    (void)ssl;
    (void)type;
    (void)context;
    (void)x;
    (void)chain_at;
    (void)alert;
    *ret = zeros;
    *ret_len = *(const size_t *)arg;
    return 1;
}

/* padding: bytes of an unknown extension; NULL: none. */
static struct wire
wire_open(const struct world *w, const char *sni, size_t *padding)
{
    struct wire r = {.ctx = SSL_CTX_new(TLS_client_method())};

    SSL_CTX_use_certificate(r.ctx, w->f->alice->x509);
    SSL_CTX_use_PrivateKey(r.ctx, w->f->alice->key);
    SSL_CTX_add1_chain_cert(r.ctx, w->f->ca->x509);
    if (padding != NULL)
        assert_int_equal(SSL_CTX_add_custom_ext(r.ctx, 65000, SSL_EXT_CLIENT_HELLO, on_add_padding,
                                                NULL, padding, NULL, NULL),
                         1);
    r.ssl = SSL_new(r.ctx);
    SSL_set0_rbio(r.ssl, BIO_new(BIO_s_mem()));
    SSL_set0_wbio(r.ssl, BIO_new(BIO_s_mem()));
    SSL_set_connect_state(r.ssl);
    SSL_set_tlsext_host_name(r.ssl, sni);
    r.c = client_open(&(struct client_spec){.port = gateway_port(w->f->g, NAMES), .plain = true});
    return r;
}

static void
wire_close(struct wire *r)
{
    client_close(r->c);
    SSL_free(r->ssl);
    SSL_CTX_free(r->ctx);
}

/* What the client has to send; the caller frees it. */
static struct bytes
wire_take(struct wire *r)
{
    struct bytes out = {0};
    char block[4096];
    int n;

    (void)SSL_do_handshake(r->ssl);
    while ((n = BIO_read(SSL_get_wbio(r->ssl), block, sizeof(block))) > 0)
        bytes_add(&out, block, (size_t)n);
    return out;
}

/* The rest of the handshake, unchanged, then a request. */
static void
wire_expect_served(struct wire *r)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    char block[16384];
    bool has_asked = false;
    size_t n = 0;
    int got = -1;

    for (int i = 0; i < 100 && got <= 0; i++) {
        struct bytes out;

        if (client_read(r->c, block, sizeof(block), &n) != CLIENT_OK)
            break;
        BIO_write(SSL_get_rbio(r->ssl), block, (int)n);
        if (SSL_do_handshake(r->ssl) == 1 && !has_asked) {
            assert_true(SSL_write(r->ssl, request, sizeof(request) - 1) > 0);
            has_asked = true;
        }
        out = wire_take(r);
        if (out.len > 0)
            assert_int_equal(client_send(r->c, out.ptr, out.len), CLIENT_OK);
        bytes_free(&out);
        if (has_asked)
            got = SSL_read(r->ssl, block, sizeof(block) - 1);
    }
    assert_true(got > 12);
    assert_memory_equal(block, "HTTP/1.1 200", 12);
}

/* The same handshake message in records of at most step bytes. */
static struct bytes
in_small_records(struct str record, size_t step)
{
    struct bytes out = {0};
    struct str rest = str_sub(record, 5, record.len);

    assert_int_equal((uint8_t)record.ptr[0], 22);
    while (rest.len > 0) {
        size_t n = size_min(step, rest.len);
        const char head[5] = {22, 3, 1, (char)(n >> 8), (char)n};

        bytes_add(&out, head, sizeof(head));
        bytes_add(&out, rest.ptr, n);
        rest = str_sub(rest, n, rest.len);
    }
    return out;
}

static void
a_hello_in_single_bytes_gets_the_policy_of_its_name(void **state)
{
    struct world *w = *state;
    struct wire r = wire_open(w, "exact.example.test", NULL);
    struct bytes hello = wire_take(&r);

    assert_int_equal(client_dribble(r.c, bytes_str(&hello), 1, 1), CLIENT_OK);
    wire_expect_served(&r);
    expect_certificate(r.ssl, "exact.example.test");
    bytes_free(&hello);
    wire_close(&r);
}

static void
a_hello_in_many_records_gets_the_policy_of_its_name(void **state)
{
    static const size_t steps[] = {16, 100, 300};
    struct world *w = *state;

    for (size_t i = 0; i < array_len(steps); i++) {
        struct wire r = wire_open(w, "exact.example.test", NULL);
        struct bytes hello = wire_take(&r);
        struct bytes pieces = in_small_records(bytes_str(&hello), steps[i]);

        assert_int_equal(client_send(r.c, pieces.ptr, pieces.len), CLIENT_OK);
        wire_expect_served(&r);
        expect_certificate(r.ssl, "exact.example.test");
        bytes_free(&hello);
        bytes_free(&pieces);
        wire_close(&r);
    }
}

static void
a_hello_of_16_kb_gets_the_policy_of_its_name(void **state)
{
    struct world *w = *state;
    size_t padding = 15800;
    struct wire r = wire_open(w, "exact.example.test", &padding);
    struct bytes hello = wire_take(&r);

    assert_true(hello.len > 16000);
    assert_int_equal(client_dribble(r.c, bytes_str(&hello), 1460, 2), CLIENT_OK);
    wire_expect_served(&r);
    expect_certificate(r.ssl, "exact.example.test");
    bytes_free(&hello);
    wire_close(&r);
}

/* One bit of the hello is wrong: whatever that means, nobody comes in by it and it goes on. */
static void
damaged_hellos_do_no_harm(void **state)
{
    struct world *w = *state;
    struct wire r = wire_open(w, "exact.example.test", NULL);
    struct bytes hello = wire_take(&r);
    int64_t before = full_handshakes(w);

    for (size_t i = 0; i < 300; i++) {
        size_t at = i * 7919 % (hello.len * 8);
        struct client *c =
            client_open(&(struct client_spec){.port = gateway_port(w->f->g, NAMES), .plain = true});

        hello.ptr[at / 8] = (char)(hello.ptr[at / 8] ^ (1 << at % 8));
        (void)client_send(c, hello.ptr, hello.len);
        hello.ptr[at / 8] = (char)(hello.ptr[at / 8] ^ (1 << at % 8));
        if (i % 3 == 0)
            client_reset(c);
        else
            client_shutdown_write(c);
        client_close(c);
    }
    expect_served(connect_to(w, NAMES, (struct client_spec){.alpn = NULL}));
    assert_int_equal(full_handshakes(w), before + 1);
    bytes_free(&hello);
    wire_close(&r);
}

static void
what_is_no_tls_is_turned_away(void **state)
{
    static const struct str garbage[] = {
        STR_INIT("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80\x02\x00\x80\x03\x00"),
        STR_INIT("SSH-2.0-OpenSSH_9.2\r\n"),
        STR_INIT("\x16\x03\x01\xff\xff\x01\x00\x00\x00"),
        STR_INIT("\x17\x03\x03\x00\x05hello"),
        STR_INIT("\x15\x03\x03\x00\x02\x02\x28"),
        STR_INIT("\x14\x03\x03\x00\x01\x01"),
        STR_INIT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        STR_INIT("PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"),
        STR_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    };
    struct world *w = *state;

    for (size_t i = 0; i < array_len(garbage); i++) {
        struct client *c =
            client_open(&(struct client_spec){.port = gateway_port(w->f->g, NAMES), .plain = true});

        assert_int_equal(client_send(c, garbage[i].ptr, garbage[i].len), CLIENT_OK);
        client_shutdown_write(c);
        assert_int_not_equal(client_wait_closed(c, 3000), CLIENT_TIMEOUT);
        client_close(c);
    }
    expect_served(connect_to(w, NAMES, (struct client_spec){.alpn = NULL}));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_certificate_is_chosen_by_name),
        cmocka_unit_test(strong_ciphers_are_spoken),
        cmocka_unit_test(weak_ciphers_are_not),
        cmocka_unit_test(the_protocol_is_agreed_by_alpn),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(no_session_is_to_be_had_where_resumption_is_off),
        cmocka_unit_test(early_data_is_never_processed),
        cmocka_unit_test(chains_are_measured),
        cmocka_unit_test(a_certificate_list_of_30_kb_is_read),
        cmocka_unit_test(authorities_are_named_only_where_configured),
        cmocka_unit_test(a_hello_in_single_bytes_gets_the_policy_of_its_name),
        cmocka_unit_test(a_hello_in_many_records_gets_the_policy_of_its_name),
        cmocka_unit_test(a_hello_of_16_kb_gets_the_policy_of_its_name),
        cmocka_unit_test(damaged_hellos_do_no_harm),
        cmocka_unit_test(what_is_no_tls_is_turned_away),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
