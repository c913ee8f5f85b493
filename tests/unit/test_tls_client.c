/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_pair.h"

#include "support/pki.h"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
static struct tls_files files;

static int
build_client(struct tls_client_source src, struct tls_client **ret, char why[512])
{
    struct diag diag;
    int rc;

    src.name = "execute-api";
    diag_init(&diag);
    rc = tls_client_build(&src, &diag, ret);
    assert_int_equal(rc < 0, diag_has_errors(&diag));
    why[0] = '\0';
    if (rc < 0)
        snprintf(why, 512, "%s", diag.entries[0].text);
    diag_done(&diag);
    return rc;
}

static void
a_client_is_built_whole_or_not_at_all(void **state)
{
    char *root = files_path(&files, "root.pem");
    char *pem = files_path(&files, "client.pem");
    char *key = files_path(&files, "client.key");
    char *wrong = files_path(&files, "server.key");
    struct tls_client *c = NULL;
    char why[512];

    (void)state;
    assert_int_equal(build_client((struct tls_client_source){.ca_bundle = root}, &c, why), 0);
    assert_ptr_equal(tls_client_ref(c), c);
    tls_client_unref(c);
    tls_client_unref(c);
    tls_client_unref(NULL);
    c = NULL;
    assert_int_equal(
        build_client(
            (struct tls_client_source){.ca_bundle = root, .certificate = pem, .private_key = key},
            &c, why),
        0);
    tls_client_unref(c);
    c = NULL;
    assert_int_equal(
        build_client(
            (struct tls_client_source){.ca_bundle = root, .certificate = pem, .private_key = wrong},
            &c, why),
        GW_E_CONFIG);
    assert_non_null(strstr(why, "is not the private key of"));
    assert_int_equal(
        build_client((struct tls_client_source){.ca_bundle = root, .certificate = pem}, &c, why),
        GW_E_CONFIG);
    assert_non_null(strstr(why, "go together"));
    assert_int_equal(build_client((struct tls_client_source){.ca_bundle = "/absent"}, &c, why),
                     GW_E_CONFIG);
    assert_non_null(strstr(why, "/absent"));
    assert_int_equal(build_client((struct tls_client_source){.ca_bundle = key}, &c, why),
                     GW_E_CONFIG);
    assert_null(c);
    free(root);
    free(pem);
    free(key);
    free(wrong);
}

static struct tls_client *
client_make(const struct tls_files *f, bool with_cert)
{
    char *root = files_path(f, "root.pem");
    char *pem = files_path(f, "client.pem");
    char *key = files_path(f, "client.key");
    struct tls_client_source src = {.name = "unit", .ca_bundle = root};
    struct tls_client *c = NULL;
    struct diag diag;

    if (with_cert) {
        src.certificate = pem;
        src.private_key = key;
    }
    diag_init(&diag);
    assert_int_equal(tls_client_build(&src, &diag, &c), 0);
    assert_no_errors(&diag);
    diag_done(&diag);
    free(root);
    free(pem);
    free(key);
    return c;
}

static int
pick_http11(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
            unsigned in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    if (!str_eq(str_make(in, in_len), STR("\x08http/1.1")))
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = in + 1;
    *out_len = 8;
    return SSL_TLSEXT_ERR_OK;
}

/* An upstream that is plain libssl with the certificate cert, issued by files.ca. */
static void
pair_upstream(struct tls_pair *p, struct tls_client *c, const struct pki_cert *cert,
              const char *name, SSL_SESSION **slot)
{
    pair_sockets(p);
    p->t = tls_connect(c, p->fd[0], name, slot);
    assert_non_null(p->t);
    pair_add_plain(p, TLS_server_method(), 0);
    SSL_CTX_set_session_id_context(p->ctx, (const uint8_t *)"upstream", 8);
    SSL_CTX_set_alpn_select_cb(p->ctx, pick_http11, NULL);
    pair_start_plain(p);
    pair_use_cert(p, cert, cert->issuer == files.ca ? files.ca : NULL);
    SSL_set_accept_state(p->ssl);
}

static void
an_upstream_is_verified_by_chain_and_name(void **state)
{
    struct pki_cert *stranger_root = pki_root("Stranger");
    struct pki_cert *stranger = pki_server(stranger_root, "localhost");
    struct pki_cert *by_client_eku = pki_client(files.ca, "localhost");
    const struct pki_san localhost = {PKI_SAN_DNS, STR_INIT("localhost")};
    struct pki_cert_spec old_spec = {
        .role = PKI_SERVER, .cn = "localhost", .sans = &localhost, .san_count = 1};
    struct pki_cert *old;
    struct tls_client *c = client_make(&files, false);

    (void)state;
    old_spec.not_before_s = wall_s() - 2000;
    old_spec.not_after_s = wall_s() - 1000;
    old = pki_issue(&old_spec, files.ca);
    const struct {
        const struct pki_cert *cert;
        const char *name;
        const char *error; /* NULL: admitted */
    } cases[] = {
        {files.server, "localhost", NULL},
        {files.server, "api.example.test", NULL},
        {files.server, "API.example.TEST", NULL},
        {files.server, "a.wild.test", NULL},
        {files.server, "127.0.0.1", NULL},
        {files.server, "127.0.0.2", "IP address mismatch"},
        {files.server, "::1", "IP address mismatch"},
        {files.server, "a.b.wild.test", "hostname mismatch"},
        {files.server, "wild.test", "hostname mismatch"},
        {files.server, "other.test", "hostname mismatch"},
        {files.other, "localhost", "hostname mismatch"},
        {stranger, "localhost", "unable to"},
        {by_client_eku, "localhost", "purpose"},
        {old, "localhost", "expired"},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        struct tls_pair p;

        pair_upstream(&p, c, cases[i].cert, cases[i].name, NULL);
        assert_int_equal(pair_shake(&p), cases[i].error == NULL ? 0 : GW_E_TLS);
        if (cases[i].error != NULL) {
            assert_non_null(strstr(tls_error(p.t), "certificate of the upstream refused: "));
            if (strcasestr(tls_error(p.t), cases[i].error) == NULL)
                fail_msg("\"%s\" does not say %s", tls_error(p.t), cases[i].error);
            assert_int_equal(tls_write(p.t, "secret", 6, &(size_t){0}), GW_E_TLS);
        } else {
            assert_int_equal(tls_alpn(p.t), TLS_ALPN_HTTP11);
            assert_int_equal(X509_cmp(tls_peer_leaf(p.t), cases[i].cert->x509), 0);
            assert_true(sk_X509_num(tls_peer_chain(p.t)) >= 1);
            tls_write_all(&p, "GET");
            assert_plain_reads(&p, "GET");
            plain_write(&p, "200");
            assert_tls_reads(&p, "200");
        }
        pair_free(&p);
    }
    assert_null(tls_connect(c, 0, "", NULL));
    tls_client_unref(c);
    pki_free(old);
    pki_free(by_client_eku);
    pki_free(stranger);
    pki_free(stranger_root);
}

static void
the_server_name_is_sent_unless_it_is_an_address(void **state)
{
    struct tls_client *c = client_make(&files, false);
    struct tls_pair p;

    (void)state;
    pair_upstream(&p, c, files.server, "localhost", NULL);
    assert_int_equal(pair_shake(&p), 0);
    assert_string_equal(SSL_get_servername(p.ssl, TLSEXT_NAMETYPE_host_name), "localhost");
    pair_free(&p);
    pair_upstream(&p, c, files.server, "127.0.0.1", NULL);
    assert_int_equal(pair_shake(&p), 0);
    assert_null(SSL_get_servername(p.ssl, TLSEXT_NAMETYPE_host_name));
    pair_free(&p);
    tls_client_unref(c);
}

static int
accept_any(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    (void)store;
    return 1;
}

static void
our_client_certificate_is_sent_when_there_is_one(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct tls_client *c = client_make(&files, with != 0);
        struct tls_pair p;

        pair_upstream(&p, c, files.server, "localhost", NULL);
        SSL_set_verify(p.ssl, SSL_VERIFY_PEER, accept_any);
        assert_int_equal(pair_shake(&p), 0);
        assert_int_equal(SSL_get0_peer_certificate(p.ssl) != NULL, with);
        pair_free(&p);
        tls_client_unref(c);
    }
}

static void
an_old_upstream_or_one_without_tls_gets_no_bytes(void **state)
{
    struct tls_client *c = client_make(&files, false);
    struct tls_pair p;
    char got[64];
    size_t n = 0;

    (void)state;
    pair_upstream(&p, c, files.server, "localhost", NULL);
    SSL_set_security_level(p.ssl, 0);
    SSL_set_min_proto_version(p.ssl, TLS1_VERSION);
    SSL_set_max_proto_version(p.ssl, TLS1_1_VERSION);
    assert_int_equal(pair_shake(&p), GW_E_TLS);
    pair_free(&p);
    /* An answer in plain text before the handshake is no answer. */
    pair_upstream(&p, c, files.server, "localhost", NULL);
    assert_int_equal(write(p.fd[1], "HTTP/1.1 200 OK\r\n\r\n", 19), 19);
    assert_int_equal(tls_read(p.t, got, sizeof(got), &n), GW_E_TLS);
    assert_int_equal(tls_write(p.t, "GET", 3, &n), GW_E_TLS);
    pair_free(&p);
    tls_client_unref(c);
}

/* Connects, reads one answer (and with it the tickets), and tells whether it was resumed. */
static bool
connect_once(struct tls_client *c, SSL_CTX *upstream, const char *name, SSL_SESSION **slot)
{
    struct tls_pair p;
    bool is_resumed;

    pair_sockets(&p);
    p.t = tls_connect(c, p.fd[0], name, slot);
    assert_non_null(p.t);
    SSL_CTX_up_ref(upstream);
    p.ctx = upstream;
    pair_start_plain(&p);
    SSL_set_accept_state(p.ssl);
    assert_int_equal(pair_shake(&p), 0);
    plain_write(&p, "200");
    assert_tls_reads(&p, "200");
    is_resumed = tls_is_resumed(p.t);
    assert_int_equal(SSL_session_reused(p.ssl), is_resumed);
    assert_non_null(tls_peer_leaf(p.t));
    assert_int_equal(tls_shutdown(p.t), 0);
    pair_free(&p);
    return is_resumed;
}

static SSL_CTX *
upstream_context(int version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    assert_int_equal(SSL_CTX_use_certificate(ctx, files.server->x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, files.server->key), 1);
    assert_int_equal(SSL_CTX_add1_chain_cert(ctx, files.ca->x509), 1);
    return ctx;
}

static void
sessions_are_resumed_under_the_same_trust_and_name_only(void **state)
{
    (void)state;
    for (size_t v = 0; v < array_len(versions); v++) {
        struct tls_client *c = client_make(&files, false);
        struct tls_client *reloaded = client_make(&files, false);
        SSL_CTX *upstream = upstream_context(versions[v]);
        SSL_SESSION *slot = NULL;

        assert_false(connect_once(c, upstream, "localhost", NULL));
        assert_false(connect_once(c, upstream, "localhost", &slot));
        assert_non_null(slot);
        assert_true(connect_once(c, upstream, "localhost", &slot));
        assert_true(connect_once(c, upstream, "localhost", &slot));
        assert_false(connect_once(c, upstream, "api.example.test", &slot));
        assert_true(connect_once(c, upstream, "api.example.test", &slot));
        assert_false(connect_once(reloaded, upstream, "api.example.test", &slot));
        tls_session_free(slot);
        tls_session_free(NULL);
        SSL_CTX_free(upstream);
        tls_client_unref(c);
        tls_client_unref(reloaded);
    }
}

static void
a_session_that_fails_is_not_offered_again(void **state)
{
    struct tls_client *c = client_make(&files, false);
    SSL_CTX *upstream = upstream_context(TLS1_3_VERSION);
    SSL_SESSION *slot = NULL;
    struct tls_pair p;

    (void)state;
    assert_false(connect_once(c, upstream, "localhost", &slot));
    assert_non_null(slot);
    pair_upstream(&p, c, files.other, "localhost", &slot);
    assert_int_equal(pair_shake(&p), GW_E_TLS);
    assert_null(slot);
    pair_free(&p);
    SSL_CTX_free(upstream);
    tls_client_unref(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_is_built_whole_or_not_at_all),
        cmocka_unit_test(an_upstream_is_verified_by_chain_and_name),
        cmocka_unit_test(the_server_name_is_sent_unless_it_is_an_address),
        cmocka_unit_test(our_client_certificate_is_sent_when_there_is_one),
        cmocka_unit_test(an_old_upstream_or_one_without_tls_gets_no_bytes),
        cmocka_unit_test(sessions_are_resumed_under_the_same_trust_and_name_only),
        cmocka_unit_test(a_session_that_fails_is_not_offered_again),
    };
    int failed;

    files_make(&files);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    files_free(&files);
    return failed;
}
