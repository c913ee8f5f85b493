/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_pair.h"

#include "support/pki.h"
#include "tls/tls_int.h"

#define DAY 86400

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
static struct tls_files files;

static void
a_good_pair_builds_and_tells_its_end(void **state)
{
    struct built b = build(&files, "server.pem", "server.key");

    (void)state;
    assert_int_equal(b.rc, 0);
    assert_int_equal(b.diag.warning_count, 0);
    assert_int_equal(tls_server_cert_count(b.server), 1);
    assert_in_range(tls_server_not_after(b.server), wall_s() + 89 * DAY, wall_s() + 91 * DAY);
    assert_ptr_equal(tls_server_ref(b.server), b.server);
    tls_server_unref(b.server);
    built_done(&b);
    tls_server_unref(NULL);
}

static void
a_key_of_another_certificate_is_refused_naming_both_files(void **state)
{
    (void)state;
    assert_refused(&files, "server.pem", "other.key", "other.key: is not the private key of ");
    assert_refused(&files, "server.pem", "other.key", "/server.pem");
}

static void
files_that_are_missing_or_swapped_are_refused(void **state)
{
    (void)state;
    assert_refused(&files, "absent.pem", "server.key", "absent.pem");
    assert_refused(&files, "server.pem", "absent.key", "absent.key");
    assert_refused(&files, "server.key", "server.pem", "server.key");
}

static void
weak_keys_and_signatures_are_refused(void **state)
{
    struct pki_cert_spec weak_key = {.role = PKI_SERVER, .cn = "a", .key_kind = PKI_RSA1024};
    struct pki_cert_spec weak_md = {.role = PKI_SERVER, .cn = "a", .digest = "SHA1"};
    struct pki_cert *leaf = pki_issue(&weak_key, files.ca);

    (void)state;
    write_pair(&files, "weak", leaf->key, (const struct pki_cert *const[3]){leaf, files.ca, NULL});
    assert_refused(&files, "weak.pem", "weak.key", "RSA 2048");
    pki_free(leaf);
    leaf = pki_issue(&weak_md, files.ca);
    write_pair(&files, "weak", leaf->key, (const struct pki_cert *const[3]){leaf, files.ca, NULL});
    assert_refused(&files, "weak.pem", "weak.key", "SHA-256");
    pki_free(leaf);
}

static void
a_client_certificate_on_a_server_is_warned_of(void **state)
{
    struct built b = build(&files, "client.pem", "client.key");

    (void)state;
    assert_int_equal(b.rc, 0);
    assert_int_equal(b.diag.warning_count, 1);
    built_done(&b);
}

static void
every_fault_of_several_certificates_is_told(void **state)
{
    struct tls_cert_source certs[] = {
        {.certificate = "/absent/1.pem", .private_key = "/absent/1.key", .named = {"a.yaml", 7, 9}},
        {.certificate = "/absent/2.pem", .private_key = "/absent/2.key"}};
    struct tls_server_source src = {
        .name = "partners", .certs = certs, .cert_count = 2, .minimum_version = TLS1_2_VERSION};
    struct tls_server *s = NULL;
    struct diag diag;

    (void)state;
    diag_init(&diag);
    assert_int_equal(tls_server_build(&src, &diag, &s), GW_E_CONFIG);
    assert_int_equal(diag.error_count, 4);
    assert_string_equal(diag.entries[0].text,
                        "a.yaml:7:9: /absent/1.pem: cannot be opened: No such file or directory");
    assert_non_null(strstr(diag.entries[3].text, "/absent/2.key: "));
    assert_null(strstr(diag.entries[3].text, "a.yaml"));
    diag_done(&diag);
    src.cert_count = 0;
    diag_init(&diag);
    assert_int_equal(tls_server_build(&src, &diag, &s), GW_E_CONFIG);
    assert_non_null(strstr(diag.entries[0].text, "listener partners"));
    diag_done(&diag);
    assert_null(s);
}

static int
shake_with(int version, const char *ciphers, const char *suites, const char *groups,
           enum reason *ret)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_OFF);
    struct tls_pair p;
    int rc;

    pair_client(&p, s, 0, NULL);
    SSL_set_security_level(p.ssl, 0);
    SSL_set_min_proto_version(p.ssl, version);
    SSL_set_max_proto_version(p.ssl, version);
    if (ciphers != NULL)
        assert_int_equal(SSL_set_cipher_list(p.ssl, ciphers), 1);
    if (suites != NULL)
        assert_int_equal(SSL_set_ciphersuites(p.ssl, suites), 1);
    if (groups != NULL)
        assert_int_equal(SSL_set1_groups_list(p.ssl, groups), 1);
    rc = pair_shake(&p);
    *ret = tls_reason(p.t);
    pair_free(&p);
    tls_server_unref(s);
    return rc;
}

static void
only_strong_versions_and_ciphers_are_spoken(void **state)
{
    static const struct {
        int version;
        const char *ciphers, *suites, *groups;
        bool is_ok;
    } cases[] = {
        {TLS1_3_VERSION, NULL, "TLS_AES_128_GCM_SHA256", NULL, true},
        {TLS1_3_VERSION, NULL, "TLS_AES_256_GCM_SHA384", NULL, true},
        {TLS1_3_VERSION, NULL, "TLS_CHACHA20_POLY1305_SHA256", NULL, true},
        {TLS1_3_VERSION, NULL, "TLS_AES_128_CCM_SHA256", NULL, false},
        {TLS1_3_VERSION, NULL, "TLS_AES_128_CCM_8_SHA256", NULL, false},
        {TLS1_3_VERSION, NULL, NULL, "X25519", true},
        {TLS1_3_VERSION, NULL, NULL, "P-256", true},
        {TLS1_3_VERSION, NULL, NULL, "P-384", true},
        {TLS1_3_VERSION, NULL, NULL, "X448", false},
        {TLS1_3_VERSION, NULL, NULL, "ffdhe2048", false},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", NULL, NULL, true},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", NULL, NULL, true},
        {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", NULL, NULL, true},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", NULL, NULL, false},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", NULL, NULL, false},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-CCM", NULL, NULL, false},
        {TLS1_2_VERSION, "AES128-GCM-SHA256", NULL, NULL, false},
        {TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256", NULL, NULL, false},
        {TLS1_2_VERSION, "aNULL", NULL, NULL, false},
        {TLS1_2_VERSION, "eNULL", NULL, NULL, false},
        {TLS1_1_VERSION, "ALL:@SECLEVEL=0", NULL, NULL, false},
        {TLS1_VERSION, "ALL:@SECLEVEL=0", NULL, NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        enum reason reason;
        int rc = shake_with(cases[i].version, cases[i].ciphers, cases[i].suites, cases[i].groups,
                            &reason);

        assert_int_equal(rc, cases[i].is_ok ? 0 : GW_E_TLS);
        assert_int_equal(reason, cases[i].is_ok ? REASON_NONE : REASON_PROTOCOL_MISMATCH);
    }
}

/* Neither a ticket nor a session id is given, and what a client has kept is not taken up. */
static void
sessions_are_never_resumed(void **state)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_REQUEST);

    (void)state;
    for (size_t v = 0; v < array_len(versions); v++) {
        SSL_SESSION *kept = NULL;

        for (int round = 0; round < 2; round++) {
            struct tls_judge judge = {.policy = s};
            struct tls_pair p;
            unsigned id_len = 0;
            char byte;

            pair_client(&p, s, versions[v], &judge);
            pair_use_cert(&p, files.client, files.ca);
            if (kept != NULL)
                SSL_set_session(p.ssl, kept);
            assert_int_equal(pair_shake(&p), 0);
            assert_int_equal(plain_read(&p, &byte, 1), -1);
            assert_int_equal(p.tickets, 0);
            assert_int_equal(judge.cert_calls, 1);
            assert_false(SSL_session_reused(p.ssl));
            assert_false(tls_is_resumed(p.t));
            SSL_SESSION_free(kept);
            kept = SSL_get1_session(p.ssl);
            if (versions[v] == TLS1_2_VERSION) {
                SSL_SESSION_get_id(kept, &id_len);
                assert_int_equal(id_len, 0);
            }
            assert_false(SSL_SESSION_has_ticket(kept));
            pair_free(&p);
        }
        SSL_SESSION_free(kept);
    }
    tls_server_unref(s);
}

static int
use_psk(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *id_len, SSL_SESSION **ret)
{
    static const unsigned char key[32] = {1, 2, 3};
    static const unsigned char suite[] = {0x13, 0x01};
    SSL_SESSION *session = SSL_SESSION_new();

    (void)md;
    SSL_SESSION_set1_master_key(session, key, sizeof(key));
    SSL_SESSION_set_cipher(session, SSL_CIPHER_find(ssl, suite));
    SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION);
    SSL_SESSION_set_max_early_data(session, 1000);
    *id = (const unsigned char *)"forged";
    *id_len = 6;
    *ret = session;
    return 1;
}

static void
early_data_is_refused(void **state)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_OFF);
    struct tls_pair p;
    size_t written = 0;
    char got[64];
    size_t n = 0;

    (void)state;
    pair_client(&p, s, TLS1_3_VERSION, NULL);
    SSL_set_psk_use_session_callback(p.ssl, use_psk);
    assert_int_equal(SSL_write_early_data(p.ssl, "GET /early", 10, &written), 1);
    assert_int_equal(pair_shake(&p), 0);
    assert_int_equal(SSL_get_early_data_status(p.ssl), SSL_EARLY_DATA_REJECTED);
    tls_on_ready(p.t, true, true, false);
    assert_int_equal(tls_read(p.t, got, sizeof(got), &n), GW_E_WANT_READ);
    plain_write(&p, "late");
    assert_tls_reads(&p, "late");
    pair_free(&p);
    tls_server_unref(s);
}

static void
renegotiation_is_refused(void **state)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_REQUEST);
    struct tls_judge judge = {.policy = s};
    struct tls_pair p;
    char got[16];
    size_t n = 0;
    int rc;

    (void)state;
    pair_client(&p, s, TLS1_2_VERSION, &judge);
    pair_use_cert(&p, files.client, files.ca);
    assert_int_equal(pair_shake(&p), 0);
    assert_int_equal(SSL_renegotiate(p.ssl), 1);
    for (int i = 0; i < 10; i++) {
        SSL_do_handshake(p.ssl);
        tls_on_ready(p.t, true, true, false);
        rc = tls_read(p.t, got, sizeof(got), &n);
        assert_true(rc == GW_E_WANT_READ || rc == GW_E_TLS || rc == GW_E_CLOSED);
    }
    ERR_clear_error();
    assert_int_equal(p.alert, SSL_AD_NO_RENEGOTIATION);
    assert_int_equal(judge.hello_calls, 1);
    assert_int_equal(judge.cert_calls, 1);
    pair_free(&p);
    tls_server_unref(s);
}

static void
post_handshake_authentication_is_not_asked_for(void **state)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_REQUEST);
    struct tls_judge judge = {.policy = s};
    struct tls_pair p;
    char byte;

    (void)state;
    pair_client(&p, s, TLS1_3_VERSION, &judge);
    SSL_set_post_handshake_auth(p.ssl, 1);
    assert_int_equal(pair_shake(&p), 0);
    assert_int_equal(plain_read(&p, &byte, 1), -1);
    assert_int_equal(p.ssl_error, SSL_ERROR_WANT_READ);
    assert_int_equal(judge.cert_calls, 0);
    pair_free(&p);
    tls_server_unref(s);
}

static void *
shake_many(void *arg)
{
    struct tls_server *s = arg;

    for (int i = 0; i < 10; i++) {
        struct tls_judge judge = {.policy = s};
        struct tls_pair p;

        pair_client(&p, s, versions[i % 2], &judge);
        pair_use_cert(&p, files.client, files.ca);
        SSL_set_tlsext_host_name(p.ssl, (i % 3 ? "localhost" : "other.test"));
        assert_int_equal(pair_shake(&p), 0);
        assert_int_equal(tls_used_default_certificate(p.t), false);
        pair_free(&p);
    }
    return NULL;
}

static void
one_server_serves_many_threads(void **state)
{
    static const char *const names[] = {"server", "other", NULL};
    struct tls_server *s = server_make(
        &files, names, (struct tls_server_source){.client_auth = TLS_CLIENT_AUTH_REQUIRE});
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < array_len(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, shake_many, s), 0);
    for (size_t i = 0; i < array_len(threads); i++)
        pthread_join(threads[i], NULL);
    tls_server_unref(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_pair_builds_and_tells_its_end),
        cmocka_unit_test(a_key_of_another_certificate_is_refused_naming_both_files),
        cmocka_unit_test(files_that_are_missing_or_swapped_are_refused),
        cmocka_unit_test(weak_keys_and_signatures_are_refused),
        cmocka_unit_test(a_client_certificate_on_a_server_is_warned_of),
        cmocka_unit_test(every_fault_of_several_certificates_is_told),
        cmocka_unit_test(only_strong_versions_and_ciphers_are_spoken),
        cmocka_unit_test(sessions_are_never_resumed),
        cmocka_unit_test(early_data_is_refused),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(post_handshake_authentication_is_not_asked_for),
        cmocka_unit_test(one_server_serves_many_threads),
    };
    int failed;

    files_make(&files);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    files_free(&files);
    return failed;
}
