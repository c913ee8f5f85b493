/* SPDX-License-Identifier: Apache-2.0
 *
 * Every reason for a refusal, produced by real handshakes: the connection log in both formats,
 * the metric, the alert that the client gets, and `explain` of the same certificate must all
 * tell the same story.
 */
#include "20_front.h"

#include <openssl/ssl.h>

#include "cert/reason.h"

enum { STALE_AFTER_S = 6, HANDSHAKE_LIMIT_MS = 5000 };

static const char config[] =
    "workers: 2\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\"}\n"
    "listeners:\n"
    "  - name: verify\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: main, "
    "ignore_client_certificate_expiry: @IGNORE@}\n"
    "    rules:\n"
    "      - priority: 1\n"
    "        when: {path: [\"/denied\"], client_certificate: {subject_cn: [alice]}}\n"
    "        action: deny\n"
    "    default_action: {fixed_response: {status: 200, content_type: text/plain, body: in}}\n"
    "  - name: stale\n"
    "    bind: 127.0.0.1:@PORT2@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: stale}\n"
    "    default_action: {fixed_response: {status: 200}}\n"
    "  - name: modern\n"
    "    bind: 127.0.0.1:@PORT3@\n"
    "    protocols: [h2]\n"
    "    tls: {minimum_version: \"1.3\"}\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: main}\n"
    "    default_action: {fixed_response: {status: 200}}\n"
    "trust_stores:\n"
    "  main: {ca_bundle: bundle.pem, crls: [main.crl.pem]}\n"
    "  stale: {ca_bundle: stale.pem, crls: [stale.crl.pem]}\n"
    "logging:\n"
    "  access: {path: access.log, format: @FORMAT@}\n"
    "  connection: {path: conn.log, format: @FORMAT@}\n";

enum listener { VERIFY = 1, STALE, MODERN };

/* Who signs. */
enum issuer { BY_CA, BY_STRANGER, BY_DEEP, BY_REVOKED_CA, BY_LISTLESS, BY_SHARD, BY_STALE };
enum { ISSUERS = BY_STALE + 1 };

struct world {
    struct front *f;
    struct pki_cert *issuers[ISSUERS];
    struct pki_cert *above[3]; /* of the deep chain */
    struct pki_cert *strange_root;
    struct pki_cert *revoked;
    int64_t stale_at_s;
    bool is_json;
};

/* ---- the world ---- */

static void
make_issuers(struct world *w)
{
    struct front *f = w->f;

    w->strange_root = pki_root("Strange Root");
    w->issuers[BY_CA] = f->ca;
    w->issuers[BY_STRANGER] = pki_intermediate(w->strange_root, "Strange CA");
    w->above[0] = pki_intermediate(f->ca, "Deep 1");
    w->above[1] = pki_intermediate(w->above[0], "Deep 2");
    w->above[2] = pki_intermediate(w->above[1], "Deep 3");
    w->issuers[BY_DEEP] = w->above[2];
    w->issuers[BY_REVOKED_CA] = pki_intermediate(f->root, "Revoked CA");
    w->issuers[BY_LISTLESS] = pki_intermediate(f->root, "Listless CA");
    w->issuers[BY_SHARD] = pki_intermediate(f->root, "Shard CA");
    w->issuers[BY_STALE] = pki_root("Stale CA");
    w->revoked = pki_client(f->ca, "revoked");
    pki_write_certs(front_path(f, "bundle.pem"), f->root, f->ca, w->issuers[BY_LISTLESS],
                    w->issuers[BY_SHARD], NULL);
    pki_write_certs(front_path(f, "stale.pem"), w->issuers[BY_STALE], NULL);
}

static void
make_lists(struct world *w)
{
    static const struct pki_idp only_cas = {.only_cas = true};
    const struct pki_crl_entry ca_entry = {.cert = w->issuers[BY_REVOKED_CA],
                                           .reason = PKI_REASON_CA_COMPROMISE};
    const struct pki_crl_entry entry = {.cert = w->revoked,
                                        .reason = PKI_REASON_PRIVILEGE_WITHDRAWN};

    front_add_list(w->f, "main.crl.pem", w->f->root,
                   &(struct pki_crl_spec){.entries = &ca_entry, .entry_count = 1});
    front_add_list(w->f, "main.crl.pem", w->f->ca,
                   &(struct pki_crl_spec){.entries = &entry, .entry_count = 1});
    front_add_list(w->f, "main.crl.pem", w->issuers[BY_SHARD],
                   &(struct pki_crl_spec){.idp = &only_cas});
    w->stale_at_s = wall_s() + STALE_AFTER_S;
    front_add_list(w->f, "stale.crl.pem", w->issuers[BY_STALE],
                   &(struct pki_crl_spec){.next_update_s = w->stale_at_s});
}

static int
setup(void **state, const char *format)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->f = front_new(NULL);
    w->is_json = strcmp(format, "json") == 0;
    front_var(w->f, "FORMAT", format);
    front_var(w->f, "IGNORE", "false");
    make_issuers(w);
    make_lists(w);
    front_start(w->f, config);
    *state = w;
    return 0;
}

static int
setup_json(void **state)
{
    return setup(state, "json");
}

static int
setup_alb(void **state)
{
    return setup(state, "alb");
}

static int
teardown(void **state)
{
    struct world *w = *state;
    int status;

    pki_free(w->revoked);
    for (int i = BY_STRANGER; i < ISSUERS; i++)
        pki_free(w->issuers[i]);
    pki_free(w->above[0]);
    pki_free(w->above[1]);
    pki_free(w->strange_root);
    status = front_done(w->f);
    free(w);
    return status == 0 ? 0 : -1;
}

/* ---- what is to be found after a handshake ---- */

static int64_t
refused_count(const struct world *w, enum reason reason)
{
    char *name =
        xformat("sallyport_connections_refused_total{reason=\"%s\"}", reason_token(reason));
    int64_t value = front_metric(w->f, name);

    assert_true(value >= 0);
    free(name);
    return value;
}

/* The connection log's line of the client with this port. */
static struct bytes
log_line(const struct world *w, uint16_t port)
{
    char *mark =
        w->is_json ? xformat("\"client_port\":%u,", port) : xformat(" 127.0.0.1 %u ", port);
    struct bytes line = front_line(w->f, "conn.log", mark);

    if (line.len == 0)
        fail_msg("no line of %s in the connection log", mark);
    free(mark);
    return line;
}

static void
check_json_line(struct str line, enum reason reason)
{
    char *failed = xformat("Failed:%s", reason_token(reason));

    assert_true(json_is_valid(line));
    if (reason == REASON_NONE) {
        assert_true(json_member_is(line, "tls_verify_status", "Success"));
        assert_int_equal(json_member_count(line, "reason"), 0);
    } else {
        assert_true(json_member_is(line, "tls_verify_status", failed));
        assert_true(json_member_is(line, "reason", reason_token(reason)));
    }
    free(failed);
}

static void
check_line(const struct world *w, uint16_t port, enum reason reason)
{
    struct bytes line = log_line(w, port);
    char *status = reason == REASON_NONE ? xstrdup(" Success ")
                                         : xformat(" Failed:%s ", reason_alb_token(reason));

    if (w->is_json)
        check_json_line(bytes_str(&line), reason);
    else if (count_text(bytes_str(&line), status) != 1)
        fail_msg("not%s: %s", status, line.ptr);
    bytes_free(&line);
    free(status);
}

/* The facts of a certificate are in the log although it was refused. */
static void
check_facts(const struct world *w, uint16_t port, const struct pki_cert *leaf, const char *subject)
{
    struct bytes line = log_line(w, port);
    BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf->x509), NULL);
    char *hex = BN_bn2hex(serial);

    if (count_text(bytes_str(&line), subject) != 1 || count_text(bytes_str(&line), hex) < 1)
        fail_msg("not of %s, %s: %s", subject, hex, line.ptr);
    OPENSSL_free(hex);
    BN_free(serial);
    bytes_free(&line);
}

/* ---- one attempt ---- */

struct outcome {
    bool is_admitted;
    int alert;
    uint16_t port;
};

static struct outcome
attempt(const struct world *w, enum listener listener, struct client_spec spec)
{
    struct outcome o;
    struct client *c;

    spec.port = gateway_port(w->f->g, (int)listener);
    if (spec.alpn == NULL)
        spec.alpn = listener == MODERN ? "h2" : "http/1.1";
    c = client_open(&spec);
    o.port = client_local_port(c);
    o.is_admitted = client_state(c) == CLIENT_OK;
    if (o.is_admitted && listener != MODERN) {
        struct response r = client_get(c, "localhost", "/");

        o.is_admitted = r.status == 200;
        response_free(&r);
    }
    o.alert = client_alert(c);
    client_close(c);
    return o;
}

static void
expect(const struct world *w, const char *what, const struct outcome *o, enum reason reason,
       int alert)
{
    if (o->is_admitted != (reason == REASON_NONE) || o->alert != alert)
        fail_msg("%s: %s, alert %d instead of %d", what, o->is_admitted ? "admitted" : "refused",
                 o->alert, alert);
    check_line(w, o->port, reason);
}

/* ---- certificates ---- */

#define DAY ((int64_t)86400)
/* SEQUENCE { SEQUENCE { cRLIssuer [2] { directoryName [4] { SEQUENCE {} } } } } */
#define POINT_OF_ANOTHER STR_INIT("\x30\x08\x30\x06\xa2\x04\xa4\x02\x30\x00")
/* extendedKeyUsage clientAuth, a second time */
#define EKU_AGAIN STR_INIT("\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02")
#define LONG_OU_BYTES 700

static char long_ou[LONG_OU_BYTES];

static const struct pki_attr long_names[] = {
    {"OU", {long_ou, LONG_OU_BYTES}, 0, false},
    {"OU", {long_ou, LONG_OU_BYTES}, 0, false},
    {"OU", {long_ou, LONG_OU_BYTES}, 0, false},
    {"CN", STR_INIT("long"), 0, false},
};

struct shape {
    const char *name;
    enum reason reason;
    int alert;
    enum issuer issuer;
    struct pki_cert_spec spec;
    int from_s; /* notBefore and notAfter from today, in days; 0: as in spec */
    int to_s;
    enum listener listener; /* 0: VERIFY */
};

static const struct shape shapes[] = {
    {"good", REASON_NONE, -1, .spec = {.cn = "good"}},
    {"no EKU at all", REASON_NONE, -1, .spec = {.cn = "no-eku", .eku = PKI_NONE}},
    {"RSA", REASON_NONE, -1, .spec = {.cn = "rsa", .key_kind = PKI_RSA2048}},
    {"P-521", REASON_NONE, -1, .spec = {.cn = "p521", .key_kind = PKI_P521}},
    {"8 KB of certificate", REASON_NONE, -1, .spec = {.cn = "big", .padding_bytes = 7000}},
    {"chain of six", REASON_MAX_CHAIN_DEPTH, 42, BY_DEEP, .spec = {.cn = "deep"}},
    {"more than 8 KB", REASON_MAX_SIZE, 42, .spec = {.cn = "huge", .padding_bytes = 9000}},
    {"names of more than 2 KB", REASON_MAX_SIZE, 42,
     .spec = {.attrs = long_names, .attr_count = array_len(long_names)}},
    {"under a revoked CA", REASON_CRL_HIT, 44, BY_REVOKED_CA, .spec = {.cn = "under-revoked"}},
    {"list of another issuer", REASON_CRL_PROCESSING, 48, BY_SHARD,
     .spec = {.cn = "indirect", .extra_ext_oid = "2.5.29.31", .extra_ext_der = POINT_OF_ANOTHER}},
    {"another root", REASON_UNTRUSTED, 48, BY_STRANGER, .spec = {.cn = "strange"}},
    {"wrong signature", REASON_UNTRUSTED, 48, .spec = {.cn = "forged", .corrupt_signature = true}},
    {"unknown critical extension", REASON_UNTRUSTED, 48,
     .spec = {.cn = "critical", .unknown_critical_ext = true}},
    {"not yet valid", REASON_NOT_YET_VALID, 45, .spec = {.cn = "early"}, .from_s = 1, .to_s = 9},
    {"expired", REASON_EXPIRED, 45, .spec = {.cn = "late"}, .from_s = -9, .to_s = -1},
    {"RSA of 1024 bits", REASON_TYPE_UNSUPPORTED, 43,
     .spec = {.cn = "small", .key_kind = PKI_RSA1024}},
    {"version 1", REASON_TYPE_UNSUPPORTED, 43, .spec = {.cn = "v1", .version = 1}},
    {"an extension twice", REASON_INVALID, 42,
     .spec = {.cn = "twice", .extra_ext_oid = "2.5.29.37", .extra_ext_der = EKU_AGAIN}},
    {"for servers", REASON_PURPOSE_INVALID, 43, .spec = {.cn = "server", .eku = "serverAuth"}},
    {"for any purpose", REASON_PURPOSE_INVALID, 43, .spec = {.cn = "any", .eku = "2.5.29.37.0"}},
    {"may not sign", REASON_PURPOSE_INVALID, 43, .spec = {.cn = "mute", .ku = "keyEncipherment"}},
    {"a CA", REASON_PURPOSE_INVALID, 43, .spec = {.cn = "ca", .role = PKI_CA, .eku = PKI_NONE}},
    {"SHA-1", REASON_INCOMPATIBLE, 43, .spec = {.cn = "sha1", .digest = "SHA1"}},
    {"issuer without list", REASON_CRL_MISSING, 48, BY_LISTLESS, .spec = {.cn = "listless"}},
    {"scope without list", REASON_CRL_MISSING, 48, BY_SHARD, .spec = {.cn = "shard"}},
};

static struct pki_cert *
make_leaf(const struct world *w, const struct shape *s)
{
    struct pki_cert_spec spec = s->spec;

    if (s->from_s != 0) {
        spec.not_before_s = wall_s() + s->from_s * DAY;
        spec.not_after_s = wall_s() + s->to_s * DAY;
    }
    return pki_issue(&spec, w->issuers[s->issuer]);
}

/* ---- explain ---- */

/* Members `verdict` and `reason` of the one object that explain prints. */
static void
check_explanation(const struct proc_result *r, const char *what, enum reason reason)
{
    struct str out = bytes_str(&r->out);
    bool is_admitted = reason == REASON_NONE;

    if (r->status != (is_admitted ? 0 : 1))
        fail_msg("%s: explain ended with %d\n%s%s", what, r->status, r->out.ptr, r->err.ptr);
    assert_true(json_is_valid(out));
    assert_true(json_member_is(out, "verdict", is_admitted ? "admit" : "refuse"));
    if (!is_admitted && !json_member_is(out, "reason", reason_token(reason)))
        fail_msg("%s: not %s: %s", what, reason_token(reason), r->out.ptr);
}

static void
explain_both_ways(const struct world *w, const char *what, enum reason reason)
{
    struct proc_result r =
        gateway_command(w->f->g, "explain", "-c", "@DIR@/sallyport.yaml", "--listener", "verify",
                        "--cert", "@DIR@/chain.pem", "--json", NULL);

    check_explanation(&r, what, reason);
    proc_result_free(&r);
    r = gateway_command(w->f->g, "explain", "--trust-store", "@DIR@/bundle.pem", "--crl",
                        "@DIR@/main.crl.pem", "--cert", "@DIR@/chain.pem", "--json", NULL);
    check_explanation(&r, what, reason);
    proc_result_free(&r);
}

/* ---- promises ---- */

static const int tls_versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void
try_shape(const struct world *w, const struct shape *s, const struct pki_cert *leaf)
{
    for (size_t i = 0; i < array_len(tls_versions); i++) {
        int64_t before = s->reason == REASON_NONE ? 0 : refused_count(w, s->reason);
        struct outcome o = attempt(w, VERIFY,
                                   (struct client_spec){.cert = leaf,
                                                        .min_version = tls_versions[i],
                                                        .max_version = tls_versions[i]});

        expect(w, s->name, &o, s->reason, s->alert);
        if (s->reason != REASON_NONE)
            assert_int_equal(refused_count(w, s->reason), before + 1);
        if (s->spec.cn != NULL) {
            char *subject = xformat(w->is_json ? "CN=%s\"" : "\"CN=%s\" ", s->spec.cn);

            check_facts(w, o.port, leaf, subject);
            free(subject);
        }
    }
}

static void
every_shape_of_certificate_has_its_reason_everywhere(void **state)
{
    struct world *w = *state;

    memset(long_ou, 'o', sizeof(long_ou));
    for (size_t i = 0; i < array_len(shapes); i++) {
        struct pki_cert *leaf = make_leaf(w, &shapes[i]);

        try_shape(w, &shapes[i], leaf);
        if (w->is_json) {
            pki_write_chain(front_path(w->f, "chain.pem"), leaf);
            explain_both_ways(w, shapes[i].name, shapes[i].reason);
        }
        pki_free(leaf);
    }
}

static void
revoked_certificates_are_hits(void **state)
{
    static const struct shape shape = {"revoked", REASON_CRL_HIT, 44, .spec = {.cn = "revoked"}};
    struct world *w = *state;

    try_shape(w, &shape, w->revoked);
    pki_write_chain(front_path(w->f, "chain.pem"), w->revoked);
    explain_both_ways(w, "revoked", REASON_CRL_HIT);
}

/* libssl turns a message away before it is read; explain reads the file. */
static void
too_many_certificates_are_refused(void **state)
{
    struct world *w = *state;
    const struct pki_cert *chain[8];
    struct bytes text = {0};
    struct outcome o;

    pki_pem_cert(&text, w->f->alice);
    for (size_t i = 0; i < array_len(chain); i++) {
        chain[i] = w->f->ca;
        pki_pem_cert(&text, w->f->ca);
    }
    o = attempt(w, VERIFY,
                (struct client_spec){.cert = w->f->alice, .chain = chain, .chain_count = 7});
    expect(w, "8 certificates", &o, REASON_NONE, -1);
    o = attempt(w, VERIFY,
                (struct client_spec){.cert = w->f->alice, .chain = chain, .chain_count = 8});
    expect(w, "9 certificates", &o, REASON_MAX_CHAIN_DEPTH, 42);
    file_spill(front_path(w->f, "chain.pem"), text.ptr, text.len, 0644);
    explain_both_ways(w, "9 certificates", REASON_MAX_CHAIN_DEPTH);
    bytes_free(&text);
}

static void
a_certificate_list_beyond_32_kib_is_refused(void **state)
{
    struct world *w = *state;
    struct pki_cert *padding[6];
    struct outcome o;

    for (size_t i = 0; i < array_len(padding); i++)
        padding[i] = pki_issue(&(struct pki_cert_spec){.cn = "padding", .padding_bytes = 7000},
                               w->strange_root);
    for (size_t i = 0; i < array_len(tls_versions); i++) {
        int64_t before = refused_count(w, REASON_MAX_SIZE);

        o = attempt(w, VERIFY,
                    (struct client_spec){.cert = w->f->alice,
                                         .chain = (const struct pki_cert *const *)padding,
                                         .chain_count = array_len(padding),
                                         .min_version = tls_versions[i],
                                         .max_version = tls_versions[i]});
        expect(w, "40 KB of certificates", &o, REASON_MAX_SIZE, SSL_AD_ILLEGAL_PARAMETER);
        assert_int_equal(refused_count(w, REASON_MAX_SIZE), before + 1);
    }
    for (size_t i = 0; i < array_len(padding); i++)
        pki_free(padding[i]);
}

static void
no_certificate_is_client_cert_missing(void **state)
{
    static const int alerts[] = {SSL_AD_HANDSHAKE_FAILURE, SSL_AD_CERTIFICATE_REQUIRED};
    struct world *w = *state;

    for (size_t i = 0; i < array_len(tls_versions); i++) {
        int64_t before = refused_count(w, REASON_MISSING);
        struct outcome o = attempt(
            w, VERIFY,
            (struct client_spec){.min_version = tls_versions[i], .max_version = tls_versions[i]});

        expect(w, "no certificate", &o, REASON_MISSING, alerts[i]);
        assert_int_equal(refused_count(w, REASON_MISSING), before + 1);
    }
}

static void
nothing_in_common_is_protocol_mismatch(void **state)
{
    static const struct {
        const char *name;
        enum listener listener;
        int alert;
        struct client_spec spec;
    } cases[] = {
        {"TLS 1.1", VERIFY, SSL_AD_PROTOCOL_VERSION, {.max_version = TLS1_1_VERSION}},
        {"TLS 1.0", VERIFY, SSL_AD_PROTOCOL_VERSION, {.max_version = TLS1_VERSION}},
        {"TLS 1.2 where 1.3 is the least",
         MODERN,
         SSL_AD_PROTOCOL_VERSION,
         {.max_version = TLS1_2_VERSION}},
        {"CBC only",
         VERIFY,
         SSL_AD_HANDSHAKE_FAILURE,
         {.max_version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-SHA"}},
        {"RSA key exchange",
         VERIFY,
         SSL_AD_HANDSHAKE_FAILURE,
         {.max_version = TLS1_2_VERSION, .ciphers = "AES128-GCM-SHA256"}},
        {"no ALPN name in common", VERIFY, SSL_AD_NO_APPLICATION_PROTOCOL, {.alpn = "spdy/3"}},
        {"HTTP/1.1 where h2 is asked for",
         MODERN,
         SSL_AD_NO_APPLICATION_PROTOCOL,
         {.alpn = "http/1.1"}},
    };
    struct world *w = *state;

    for (size_t i = 0; i < array_len(cases); i++) {
        int64_t before = refused_count(w, REASON_PROTOCOL_MISMATCH);
        struct client_spec spec = cases[i].spec;
        struct outcome o;

        spec.cert = w->f->alice;
        o = attempt(w, cases[i].listener, spec);
        expect(w, cases[i].name, &o, REASON_PROTOCOL_MISMATCH, cases[i].alert);
        assert_int_equal(refused_count(w, REASON_PROTOCOL_MISMATCH), before + 1);
    }
}

static void
plain_http_on_a_tls_port_is_protocol_mismatch(void **state)
{
    struct world *w = *state;
    int64_t before = refused_count(w, REASON_PROTOCOL_MISMATCH);
    struct client *c =
        client_open(&(struct client_spec){.port = gateway_port(w->f->g, VERIFY), .plain = true});
    uint16_t port = client_local_port(c);

    (void)client_puts(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_not_equal(client_wait_closed(c, 5000), CLIENT_TIMEOUT);
    client_close(c);
    check_line(w, port, REASON_PROTOCOL_MISMATCH);
    assert_int_equal(refused_count(w, REASON_PROTOCOL_MISMATCH), before + 1);
}

/* The client does not believe the gateway and says so. */
static void
an_alert_of_the_client_is_unmapped(void **state)
{
    struct world *w = *state;
    int64_t before = refused_count(w, REASON_UNMAPPED);
    struct outcome o;

    pki_write_certs(front_path(w->f, "strange.pem"), w->strange_root, NULL);
    o = attempt(
        w, VERIFY,
        (struct client_spec){.cert = w->f->alice, .ca_file = front_path(w->f, "strange.pem")});
    expect(w, "a client that does not trust us", &o, REASON_UNMAPPED, -1);
    assert_int_equal(refused_count(w, REASON_UNMAPPED), before + 1);
}

/* Sends the ClientHello and reads nothing that comes back. */
static struct client *
half_a_handshake(const struct world *w, const struct pki_cert *cert, int version)
{
    struct client *c = client_open(&(struct client_spec){.port = gateway_port(w->f->g, VERIFY),
                                                         .cert = cert,
                                                         .alpn = "http/1.1",
                                                         .min_version = version,
                                                         .max_version = version,
                                                         .connect_only = true});
    BIO *nothing = BIO_new(BIO_s_mem());

    BIO_set_mem_eof_return(nothing, -1);
    SSL_set0_rbio(client_ssl(c), nothing);
    assert_int_equal(SSL_do_handshake(client_ssl(c)), -1);
    SSL_set0_rbio(client_ssl(c), BIO_new_socket(client_fd(c), BIO_NOCLOSE));
    sleep_ms(100);
    return c;
}

static void
silence_in_the_handshake_is_handshake_timeout(void **state)
{
    struct world *w = *state;
    int64_t before = refused_count(w, REASON_HANDSHAKE_TIMEOUT);
    int64_t start = now_ms();
    struct client *quiet = half_a_handshake(w, w->f->alice, 0);
    struct client *slow =
        client_open(&(struct client_spec){.port = gateway_port(w->f->g, VERIFY), .plain = true});

    assert_int_equal(client_send(slow, "\x16\x03\x01\x02\x00\x01", 6), CLIENT_OK);
    assert_int_not_equal(client_wait_closed(slow, HANDSHAKE_LIMIT_MS + 3000), CLIENT_TIMEOUT);
    assert_in_range(now_ms() - start, HANDSHAKE_LIMIT_MS - 100, HANDSHAKE_LIMIT_MS + 2000);
    check_line(w, client_local_port(slow), REASON_HANDSHAKE_TIMEOUT);
    check_line(w, client_local_port(quiet), REASON_HANDSHAKE_TIMEOUT);
    assert_int_equal(refused_count(w, REASON_HANDSHAKE_TIMEOUT), before + 2);
    client_close(slow);
    client_close(quiet);
}

/* A certificate that was judged by one policy must not come in under another. */
static void
a_policy_that_changes_within_the_handshake_is_client_cert_rejected(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < array_len(tls_versions); i++) {
        int64_t before = refused_count(w, REASON_REJECTED);
        struct client *c = half_a_handshake(w, w->f->alice, tls_versions[i]);
        uint16_t port = client_local_port(c);

        front_var(w->f, "IGNORE", i == 0 ? "true" : "false");
        gateway_set_yaml(w->f->g, config, w->f->vars);
        assert_int_equal(gateway_reload(w->f->g), GATEWAY_RELOADED);
        (void)client_handshake(c);
        assert_int_not_equal(client_wait_closed(c, 3000), CLIENT_TIMEOUT);
        assert_int_equal(client_alert(c), -1);
        client_close(c);
        check_line(w, port, REASON_REJECTED);
        assert_int_equal(refused_count(w, REASON_REJECTED), before + 1);
    }
}

static void
a_deny_rule_answers_403(void **state)
{
    struct world *w = *state;
    struct client *c = front_open(w->f, VERIFY, w->f->alice, "http/1.1");
    struct response r = client_get(c, "localhost", "/denied");
    struct bytes line;

    assert_int_equal(r.status, 403);
    response_free(&r);
    r = client_get(c, "localhost", "/");
    assert_int_equal(r.status, 200);
    response_free(&r);
    check_line(w, client_local_port(c), REASON_NONE);
    client_close(c);
    line = front_line(w->f, "access.log", "/denied");
    if (w->is_json)
        assert_true(json_member_is(bytes_str(&line), "error_reason", "ClientCertDenied"));
    else
        assert_int_equal(count_text(bytes_str(&line), "ClientCertDenied"), 0);
    bytes_free(&line);
    pki_write_chain(front_path(w->f, "chain.pem"), w->f->alice);
    if (w->is_json) {
        struct proc_result e =
            gateway_command(w->f->g, "explain", "-c", "@DIR@/sallyport.yaml", "--listener",
                            "verify", "--cert", "@DIR@/chain.pem", "--method", "GET", "--path",
                            "/denied", "--host", "localhost", "--json", NULL);

        check_explanation(&e, "deny rule", REASON_CERT_DENIED);
        proc_result_free(&e);
    }
}

/* The list was good when it was loaded. A connection of before ends as well. */
static void
a_list_that_runs_out_is_crl_expired(void **state)
{
    struct world *w = *state;
    struct pki_cert *leaf = pki_client(w->issuers[BY_STALE], "stale");
    int64_t before = refused_count(w, REASON_CRL_EXPIRED);
    struct client *early = NULL;
    struct outcome o;

    if (wall_s() < w->stale_at_s) {
        early = front_open(w->f, STALE, leaf, "http/1.1");
        assert_true(client_admitted(early, 100));
    }
    while (wall_s() <= w->stale_at_s)
        sleep_ms(20);
    if (early != NULL)
        assert_int_equal(client_wait_closed(early, 3000), CLIENT_EOF);
    client_close(early);
    for (size_t i = 0; i < array_len(tls_versions); i++) {
        o = attempt(w, STALE,
                    (struct client_spec){.cert = leaf,
                                         .min_version = tls_versions[i],
                                         .max_version = tls_versions[i]});
        expect(w, "an expired list", &o, REASON_CRL_EXPIRED, 48);
    }
    assert_int_equal(refused_count(w, REASON_CRL_EXPIRED), before + 2 + (early != NULL));
    if (w->is_json) {
        struct proc_result e;

        pki_write_chain(front_path(w->f, "chain.pem"), leaf);
        e = gateway_command(w->f->g, "explain", "--trust-store", "@DIR@/stale.pem", "--crl",
                            "@DIR@/stale.crl.pem", "--cert", "@DIR@/chain.pem", "--json", NULL);
        check_explanation(&e, "an expired list", REASON_CRL_EXPIRED);
        proc_result_free(&e);
        e = gateway_command(w->f->g, "explain", "-c", "@DIR@/sallyport.yaml", "--listener", "stale",
                            "--cert", "@DIR@/chain.pem", "--json", NULL);
        check_explanation(&e, "an expired list, configured", REASON_CRL_EXPIRED);
        proc_result_free(&e);
    }
    pki_free(leaf);
}

/* A certificate that was good at the handshake ends its connections when it expires. */
static void
a_certificate_that_expires_ends_its_connections(void **state)
{
    struct world *w = *state;
    int64_t end_s = wall_s() + 3;
    struct pki_cert *leaf =
        pki_issue(&(struct pki_cert_spec){.cn = "brief", .not_after_s = end_s}, w->f->ca);
    struct client *c = front_open(w->f, VERIFY, leaf, "h2");
    struct h2_frame frame;

    assert_int_equal(client_state(c), CLIENT_OK);
    assert_int_equal(h2_start(c, STR("")), CLIENT_OK);
    assert_int_equal(h2_read_type(c, H2_GOAWAY, 0, &frame), CLIENT_OK);
    assert_in_range(wall_s(), end_s, end_s + 3);
    assert_int_equal(client_wait_closed(c, 2000), CLIENT_EOF);
    client_close(c);
    pki_free(leaf);
}

/* Every reason of the table is produced above; an addition to it must come here too. */
static void
the_table_of_reasons_is_the_one_tested_here(void **state)
{
    (void)state;
    assert_int_equal(REASON_COUNT, REASON_PROTOCOL_MISMATCH + 1);
    assert_int_equal(REASON_COUNT, 20);
}

int
main(void)
{
    const struct CMUnitTest in_json[] = {
        cmocka_unit_test(every_shape_of_certificate_has_its_reason_everywhere),
        cmocka_unit_test(revoked_certificates_are_hits),
        cmocka_unit_test(too_many_certificates_are_refused),
        cmocka_unit_test(a_certificate_list_beyond_32_kib_is_refused),
        cmocka_unit_test(no_certificate_is_client_cert_missing),
        cmocka_unit_test(nothing_in_common_is_protocol_mismatch),
        cmocka_unit_test(plain_http_on_a_tls_port_is_protocol_mismatch),
        cmocka_unit_test(an_alert_of_the_client_is_unmapped),
        cmocka_unit_test(silence_in_the_handshake_is_handshake_timeout),
        cmocka_unit_test(a_policy_that_changes_within_the_handshake_is_client_cert_rejected),
        cmocka_unit_test(a_deny_rule_answers_403),
        cmocka_unit_test(a_list_that_runs_out_is_crl_expired),
        cmocka_unit_test(a_certificate_that_expires_ends_its_connections),
        cmocka_unit_test(the_table_of_reasons_is_the_one_tested_here),
    };
    const struct CMUnitTest in_alb[] = {
        cmocka_unit_test(every_shape_of_certificate_has_its_reason_everywhere),
        cmocka_unit_test(too_many_certificates_are_refused),
        cmocka_unit_test(a_certificate_list_beyond_32_kib_is_refused),
        cmocka_unit_test(no_certificate_is_client_cert_missing),
        cmocka_unit_test(nothing_in_common_is_protocol_mismatch),
        cmocka_unit_test(an_alert_of_the_client_is_unmapped),
        cmocka_unit_test(silence_in_the_handshake_is_handshake_timeout),
        cmocka_unit_test(a_policy_that_changes_within_the_handshake_is_client_cert_rejected),
        cmocka_unit_test(a_deny_rule_answers_403),
        cmocka_unit_test(a_list_that_runs_out_is_crl_expired),
    };
    int failed = cmocka_run_group_tests_name("json", in_json, setup_json, teardown);

    return failed + cmocka_run_group_tests_name("alb", in_alb, setup_alb, teardown);
}
