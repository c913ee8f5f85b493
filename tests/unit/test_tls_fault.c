/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_pair.h"

#include "support/pki.h"
#include "base/limits.h"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
static struct tls_files files;

static void
the_certificate_request_and_its_answer_decide(void **state)
{
    static const struct {
        enum tls_client_auth auth;
        bool has_cert;
        bool is_ok;
        int cert_calls;
    } cases[] = {
        {TLS_CLIENT_AUTH_OFF, false, true, 0},      {TLS_CLIENT_AUTH_OFF, true, true, 0},
        {TLS_CLIENT_AUTH_REQUEST, false, true, 0},  {TLS_CLIENT_AUTH_REQUEST, true, true, 1},
        {TLS_CLIENT_AUTH_REQUIRE, false, false, 0}, {TLS_CLIENT_AUTH_REQUIRE, true, true, 1},
    };

    (void)state;
    for (size_t i = 0; i < 2 * array_len(cases); i++) {
        int version = versions[i % 2];
        struct tls_server *s = server_simple(&files, cases[i / 2].auth);
        struct tls_judge judge = {.policy = s};
        struct tls_pair p;
        char byte;

        pair_client(&p, s, version, &judge);
        if (cases[i / 2].has_cert)
            pair_use_cert(&p, files.client, files.ca);
        assert_int_equal(pair_shake(&p), cases[i / 2].is_ok ? 0 : GW_E_TLS);
        assert_int_equal(judge.cert_calls, cases[i / 2].cert_calls);
        assert_int_equal(tls_peer_leaf(p.t) != NULL, cases[i / 2].cert_calls > 0);
        if (cases[i / 2].cert_calls > 0) {
            assert_int_equal(judge.chain_len, 2);
            assert_int_equal(sk_X509_num(tls_peer_chain(p.t)), 2);
            assert_int_equal(X509_cmp(tls_peer_leaf(p.t), files.client->x509), 0);
        }
        if (!cases[i / 2].is_ok) {
            assert_int_equal(tls_reason(p.t), REASON_MISSING);
            assert_string_equal(tls_error(p.t), "the client sent no certificate");
            (void)plain_read(&p, &byte, 1);
            /* TLS 1.2 has no certificate_required. */
            assert_int_equal(p.alert, version == TLS1_3_VERSION ? reason_alert(REASON_MISSING)
                                                                : SSL_AD_HANDSHAKE_FAILURE);
        }
        pair_free(&p);
        tls_server_unref(s);
    }
}

static void
every_reason_reaches_the_client_as_its_alert(void **state)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_REQUIRE);

    (void)state;
    for (int r = REASON_NONE + 1; r < REASON_COUNT; r++) {
        for (size_t v = 0; v < array_len(versions); v++) {
            struct tls_judge judge = {.policy = s, .answer = (enum reason)r};
            int want = reason_alert((enum reason)r);
            struct tls_pair p;
            char byte;

            /* These three are not said about a certificate that was sent. */
            if (r == REASON_MISSING || r == REASON_HANDSHAKE_TIMEOUT ||
                r == REASON_PROTOCOL_MISMATCH)
                continue;
            pair_client(&p, s, versions[v], &judge);
            pair_use_cert(&p, files.client, files.ca);
            assert_int_equal(pair_shake(&p), GW_E_TLS);
            (void)plain_read(&p, &byte, 1);
            /* libssl has no way to send access_denied. */
            assert_int_equal(p.alert,
                             want == SSL_AD_ACCESS_DENIED ? SSL_AD_CERTIFICATE_UNKNOWN : want);
            assert_int_equal(tls_reason(p.t), r);
            assert_string_equal(tls_error(p.t), reason_text((enum reason)r));
            /* The log needs the facts of a refused certificate. */
            assert_int_equal(X509_cmp(tls_peer_leaf(p.t), files.client->x509), 0);
            assert_int_equal(sk_X509_num(tls_peer_chain(p.t)), 2);
            /* And it stays refused. */
            assert_int_equal(tls_handshake(p.t), GW_E_TLS);
            assert_int_equal(tls_read(p.t, &byte, 1, &(size_t){0}), GW_E_TLS);
            assert_int_equal(tls_write(p.t, "x", 1, &(size_t){0}), GW_E_TLS);
            assert_int_equal(tls_shutdown(p.t), 0);
            pair_free(&p);
        }
    }
    tls_server_unref(s);
}

static void
without_a_judge_every_certificate_is_refused(void **state)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_REQUEST);
    struct tls_pair p;

    (void)state;
    pair_client(&p, s, 0, NULL);
    pair_use_cert(&p, files.client, files.ca);
    assert_int_equal(pair_shake(&p), GW_E_TLS);
    assert_int_equal(tls_reason(p.t), REASON_UNTRUSTED);
    pair_free(&p);
    tls_server_unref(s);
}

static void
a_chain_of_too_many_certificates_or_bytes_is_refused(void **state)
{
    /* A hundred are more bytes than the message may have, and libssl does not even parse them. */
    static const struct {
        int count;
        enum reason reason;
    } cases[] = {
        {CHAIN_CERTS_MAX - 1, REASON_NONE},
        {CHAIN_CERTS_MAX, REASON_NONE},
        {CHAIN_CERTS_MAX + 1, REASON_MAX_CHAIN_DEPTH},
        {40, REASON_MAX_CHAIN_DEPTH},
        {100, REASON_MAX_SIZE},
    };
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_REQUIRE);
    struct pki_cert_spec big_spec = {.role = PKI_CLIENT, .cn = "big", .padding_bytes = 33000};
    struct pki_cert *big = pki_issue(&big_spec, files.ca);

    (void)state;
    for (size_t i = 0; i < 2 * array_len(cases); i++) {
        int count = cases[i / 2].count;
        enum reason reason = cases[i / 2].reason;
        struct tls_judge judge = {.policy = s};
        struct tls_pair p;

        pair_client(&p, s, versions[i % 2], &judge);
        pair_use_cert(&p, files.client, NULL);
        for (int n = 1; n < count; n++)
            assert_int_equal(SSL_add1_chain_cert(p.ssl, files.ca->x509), 1);
        assert_int_equal(pair_shake(&p), reason == REASON_NONE ? 0 : GW_E_TLS);
        assert_int_equal(tls_reason(p.t), reason);
        assert_int_equal(judge.cert_calls, reason == REASON_NONE ? 1 : 0);
        pair_free(&p);
    }
    for (size_t v = 0; v < array_len(versions); v++) {
        struct tls_judge judge = {.policy = s};
        struct tls_pair p;

        pair_client(&p, s, versions[v], &judge);
        pair_use_cert(&p, big, NULL);
        assert_int_equal(pair_shake(&p), GW_E_TLS);
        assert_int_equal(tls_reason(p.t), REASON_MAX_SIZE);
        assert_int_equal(judge.cert_calls, 0);
        pair_free(&p);
    }
    pki_free(big);
    tls_server_unref(s);
}

/* Moves what the plain side wrote into its memory BIO to the socket; type names the handshake
 * message (TLS 1.2, unencrypted) of which the byte at offset is flipped. */
static void
relay(struct tls_pair *p, BIO *out, int type, size_t offset)
{
    char *bytes;
    long len = BIO_get_mem_data(out, &bytes);

    for (long at = 0; at + 9 < len;) {
        long record = ((uint8_t)bytes[at + 3] << 8 | (uint8_t)bytes[at + 4]) + 5;

        if (bytes[at] == SSL3_RT_HANDSHAKE && bytes[at + 5] == type)
            bytes[at + 9 + (long)offset] ^= 1;
        at += record;
    }
    if (len > 0)
        assert_int_equal(write(p->fd[1], bytes, (size_t)len), len);
    (void)BIO_reset(out);
}

static void
assert_tampered(int type, size_t offset, enum reason want, int cert_calls)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_REQUIRE);
    struct tls_judge judge = {.policy = s};
    BIO *out = BIO_new(BIO_s_mem());
    struct tls_pair p;
    int rc = GW_E_WANT_READ;

    pair_client(&p, s, TLS1_2_VERSION, &judge);
    pair_use_cert(&p, files.client, files.ca);
    SSL_set0_wbio(p.ssl, out);
    for (int i = 0; i < 20 && rc == GW_E_WANT_READ; i++) {
        plain_step(&p);
        relay(&p, out, type, offset);
        tls_on_ready(p.t, true, true, false);
        rc = tls_handshake(p.t);
    }
    assert_int_equal(rc, GW_E_TLS);
    assert_int_equal(tls_reason(p.t), want);
    assert_int_equal(judge.cert_calls, cert_calls);
    pair_free(&p);
    tls_server_unref(s);
}

static void
a_certificate_that_cannot_be_decoded_is_invalid(void **state)
{
    (void)state;
    assert_tampered(SSL3_MT_CERTIFICATE, 6, REASON_INVALID, 0); /* tag of the leaf */
    assert_tampered(SSL3_MT_CERTIFICATE, 8, REASON_INVALID, 0); /* its length */
    assert_tampered(SSL3_MT_CERTIFICATE, 2, REASON_INVALID, 0); /* length of the list */
    assert_tampered(SSL3_MT_CERTIFICATE, 5, REASON_INVALID, 0); /* length of the entry */
}

static void
a_client_without_the_private_key_is_refused(void **state)
{
    (void)state;
    assert_tampered(SSL3_MT_CERTIFICATE_VERIFY, 20, REASON_UNMAPPED, 1);
}

static void
what_is_not_tls_is_told_as_such(void **state)
{
    static const struct {
        struct str bytes;
        enum reason want;
        const char *error; /* NULL: some words of libssl */
    } cases[] = {
        {STR_INIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), REASON_PROTOCOL_MISMATCH, NULL},
        {STR_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), REASON_PROTOCOL_MISMATCH, NULL},
        {STR_INIT("SSH-2.0-OpenSSH_9.2\r\n"), REASON_PROTOCOL_MISMATCH, NULL},
        {STR_INIT("\0\0\0\0\0\0\0\0\0\0\0\0"), REASON_PROTOCOL_MISMATCH, NULL},
        {STR_INIT("\x15\x03\x01\x00\x02\x02\x30"), REASON_UNMAPPED, NULL},
        /* A hello in SSL 2 format for TLS 1.2. */
        {STR_INIT("\x80\x2e\x01\x03\x03\x00\x15\x00\x00\x00\x10\x00\xc0\x2b\x00\xc0\x2f\x00\xcc"
                  "\xa9\x00\x13\x01\x00\x00\xff\x00\x00\x2f\x00\x00\x35"
                  "0123456789abcdef"),
         REASON_PROTOCOL_MISMATCH, "client hello in SSL 2 format"},
    };
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_OFF);

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct tls_judge judge = {.policy = s};
        struct tls_pair p;

        pair_client(&p, s, 0, &judge);
        assert_int_equal(write(p.fd[1], cases[i].bytes.ptr, cases[i].bytes.len),
                         (ssize_t)cases[i].bytes.len);
        assert_int_equal(tls_handshake(p.t), GW_E_TLS);
        assert_int_equal(tls_reason(p.t), cases[i].want);
        assert_true(strlen(tls_error(p.t)) > 3);
        if (cases[i].error != NULL)
            assert_string_equal(tls_error(p.t), cases[i].error);
        pair_free(&p);
    }
    tls_server_unref(s);
}

static void
a_connection_that_ends_early_has_no_reason(void **state)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_OFF);
    struct bytes hello = client_hello(0);
    struct tls_pair p;

    (void)state;
    for (size_t len = 0; len < hello.len; len += 1 + len / 8) {
        pair_client(&p, s, 0, NULL);
        assert_int_equal(write(p.fd[1], hello.ptr, len), (ssize_t)len);
        close(p.fd[1]);
        p.fd[1] = -1;
        tls_on_ready(p.t, true, true, true);
        assert_int_equal(tls_handshake(p.t), GW_E_CLOSED);
        assert_int_equal(tls_reason(p.t), REASON_NONE);
        assert_int_equal(tls_handshake(p.t), GW_E_CLOSED);
        pair_free(&p);
    }
    bytes_free(&hello);
    tls_server_unref(s);
}

static void
the_alert_of_a_client_is_told_in_words(void **state)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_OFF);
    struct tls_pair p;

    (void)state;
    pair_client(&p, s, 0, NULL);
    SSL_set_verify(p.ssl, SSL_VERIFY_PEER, NULL); /* trusts nobody */
    assert_int_equal(pair_shake(&p), GW_E_TLS);
    assert_int_equal(tls_reason(p.t), REASON_UNMAPPED);
    assert_string_equal(tls_error(p.t), "the other side sent alert 48 (unknown CA)");
    pair_free(&p);
    tls_server_unref(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_certificate_request_and_its_answer_decide),
        cmocka_unit_test(every_reason_reaches_the_client_as_its_alert),
        cmocka_unit_test(without_a_judge_every_certificate_is_refused),
        cmocka_unit_test(a_chain_of_too_many_certificates_or_bytes_is_refused),
        cmocka_unit_test(a_certificate_that_cannot_be_decoded_is_invalid),
        cmocka_unit_test(a_client_without_the_private_key_is_refused),
        cmocka_unit_test(what_is_not_tls_is_told_as_such),
        cmocka_unit_test(a_connection_that_ends_early_has_no_reason),
        cmocka_unit_test(the_alert_of_a_client_is_told_in_words),
    };
    int failed;

    files_make(&files);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    files_free(&files);
    return failed;
}
