/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_pair.h"

#include "support/pki.h"
#include "base/limits.h"
#include "tls/tls_int.h"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
static struct tls_files files;

static void
the_name_reaches_the_hook_in_canonical_form_or_empty(void **state)
{
    static const struct {
        const char *sni;
        const char *want;
    } cases[] = {
        {NULL, ""},         {"LOCALHOST.", "localhost"}, {"a_b.test", "a_b.test"},
        {"with space", ""}, {"\xc3\xa4.test", ""},       {"a..b", ""},
        {"a,b", ""},        {"user@host", ""},
    };
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_OFF);

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct tls_judge judge = {.policy = s};
        struct tls_pair p;

        pair_client(&p, s, 0, &judge);
        if (cases[i].sni != NULL)
            SSL_set_tlsext_host_name(p.ssl, cases[i].sni);
        assert_int_equal(pair_shake(&p), 0);
        assert_int_equal(judge.hello_calls, 1);
        assert_string_equal(judge.sni, cases[i].want);
        assert_str_equal(tls_sni(p.t), str_from(cases[i].want));
        pair_free(&p);
    }
    tls_server_unref(s);
}

static void
no_policy_for_a_name_is_an_unrecognized_name(void **state)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_OFF);
    struct tls_judge judge = {.policy = NULL};
    struct tls_pair p;

    (void)state;
    pair_client(&p, s, 0, &judge);
    SSL_set_tlsext_host_name(p.ssl, "who.test");
    assert_int_equal(pair_shake(&p), GW_E_TLS);
    assert_int_equal(p.alert, SSL_AD_UNRECOGNIZED_NAME);
    assert_int_equal(tls_reason(p.t), REASON_UNMAPPED);
    assert_string_equal(tls_error(p.t), "no policy for this server name");
    assert_str_equal(tls_sni(p.t), STR("who.test"));
    pair_free(&p);
    tls_server_unref(s);
}

static void
the_chosen_policy_decides_how_certificates_are_asked_for(void **state)
{
    static const enum tls_client_auth modes[] = {TLS_CLIENT_AUTH_OFF, TLS_CLIENT_AUTH_REQUEST,
                                                 TLS_CLIENT_AUTH_REQUIRE};

    (void)state;
    for (size_t i = 0; i < 18; i++) {
        enum tls_client_auth to = modes[i / 3 % 3];
        struct tls_server *s = server_simple(&files, modes[i % 3]);
        struct tls_server *chosen = server_simple(&files, to);
        struct tls_judge judge = {.policy = chosen};
        struct tls_pair p;

        pair_client(&p, s, versions[i / 9], &judge);
        assert_int_equal(pair_shake(&p), to == TLS_CLIENT_AUTH_REQUIRE ? GW_E_TLS : 0);
        pair_free(&p);

        pair_client(&p, s, versions[i / 9], &judge);
        pair_use_cert(&p, files.client, files.ca);
        assert_int_equal(pair_shake(&p), 0);
        assert_int_equal(judge.cert_calls, to == TLS_CLIENT_AUTH_OFF ? 0 : 1);
        assert_int_equal(tls_peer_leaf(p.t) != NULL, to != TLS_CLIENT_AUTH_OFF);
        pair_free(&p);
        tls_server_unref(chosen);
        tls_server_unref(s);
    }
}

static void
the_chosen_policy_decides_the_lowest_version(void **state)
{
    static const char *const names[] = {"server", NULL};
    struct tls_server *low =
        server_make(&files, names, (struct tls_server_source){.minimum_version = TLS1_2_VERSION});
    struct tls_server *high =
        server_make(&files, names, (struct tls_server_source){.minimum_version = TLS1_3_VERSION});
    struct tls_judge judge = {.policy = high};
    struct tls_pair p;

    (void)state;
    pair_client(&p, low, TLS1_2_VERSION, &judge);
    assert_int_equal(pair_shake(&p), GW_E_TLS);
    assert_int_equal(p.alert, SSL_AD_PROTOCOL_VERSION);
    assert_int_equal(tls_reason(p.t), REASON_PROTOCOL_MISMATCH);
    pair_free(&p);
    judge.policy = low;
    pair_client(&p, high, TLS1_2_VERSION, &judge);
    assert_int_equal(pair_shake(&p), 0);
    assert_string_equal(tls_version(p.t), "TLSv1.2");
    pair_free(&p);
    tls_server_unref(low);
    tls_server_unref(high);
}

static STACK_OF(X509_NAME) * one_name(X509 *cert)
{
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();

    sk_X509_NAME_push(names, X509_NAME_dup(X509_get_subject_name(cert)));
    return names;
}

static void
assert_asked_for(struct tls_server *s, struct tls_server *policy, X509 *ca)
{
    struct tls_judge judge = {.policy = policy};
    const STACK_OF(X509_NAME) * got;
    struct tls_pair p;

    pair_client(&p, s, 0, &judge);
    assert_int_equal(pair_shake(&p), 0);
    got = SSL_get0_peer_CA_list(p.ssl);
    assert_int_equal(got != NULL ? sk_X509_NAME_num(got) : 0, ca != NULL ? 1 : 0);
    if (ca != NULL)
        assert_int_equal(X509_NAME_cmp(sk_X509_NAME_value(got, 0), X509_get_subject_name(ca)), 0);
    pair_free(&p);
}

static void
the_chosen_policy_decides_which_authorities_are_named(void **state)
{
    static const char *const names[] = {"server", NULL};
    STACK_OF(X509_NAME) *root = one_name(files.root->x509);
    STACK_OF(X509_NAME) *ca = one_name(files.ca->x509);
    struct tls_server_source src = {.client_auth = TLS_CLIENT_AUTH_REQUEST};
    struct tls_server *none = server_make(&files, names, src);
    struct tls_server *with_root;
    struct tls_server *with_ca;

    (void)state;
    src.ca_names = root;
    with_root = server_make(&files, names, src);
    src.ca_names = ca;
    with_ca = server_make(&files, names, src);
    sk_X509_NAME_pop_free(root, X509_NAME_free);
    sk_X509_NAME_pop_free(ca, X509_NAME_free);
    assert_asked_for(none, none, NULL);
    assert_asked_for(none, with_root, files.root->x509);
    assert_asked_for(with_root, with_ca, files.ca->x509);
    assert_asked_for(with_root, none, NULL);
    tls_server_unref(none);
    tls_server_unref(with_root);
    tls_server_unref(with_ca);
}

static void
the_policy_may_be_gone_while_its_connection_lives(void **state)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_OFF);
    struct tls_server *chosen = server_simple(&files, TLS_CLIENT_AUTH_REQUEST);
    struct tls_judge judge = {.policy = chosen};
    struct tls_pair p;

    (void)state;
    pair_client(&p, s, 0, &judge);
    tls_server_unref(s); /* a reload between accept and hello */
    assert_int_equal(pair_shake(&p), 0);
    tls_server_unref(chosen);
    tls_write_all(&p, "still here");
    assert_plain_reads(&p, "still here");
    pair_free(&p);
}

static void
the_protocol_is_matched_exactly_or_not_at_all(void **state)
{
    static const struct {
        struct str offered;
        bool h2, http11;
        const char *want; /* NULL: none */
    } cases[] = {
        {STR_INIT("\x02h2"), true, true, "h2"},
        {STR_INIT("\x08http/1.1"), true, true, "http/1.1"},
        {STR_INIT("\x08http/1.1\x02h2"), true, true, "h2"},
        {STR_INIT("\x08http/1.1\x02h2"), false, true, "http/1.1"},
        {STR_INIT("\x08http/1.1\x02h2"), true, false, "h2"},
        {STR_INIT("\x06spdy/3\x08http/1.1"), true, true, "http/1.1"},
        {STR_INIT("\x02h2\x02h2"), true, true, "h2"},
        {STR_INIT("\x02H2"), true, true, NULL},
        {STR_INIT("\x03h2c"), true, true, NULL},
        {STR_INIT("\x08http/1.0"), true, true, NULL},
        {STR_INIT("\x02h2"), false, true, NULL},
        {STR_INIT("\x02h2"), false, false, NULL},
        {STR_INIT(""), true, true, NULL},
        {STR_INIT("\x00"), true, true, NULL},
        {STR_INIT("\x02h2\x00"), true, true, NULL},
        {STR_INIT("\x02h2\x03h"), true, true, NULL},
        {STR_INIT("\x02h"), true, true, NULL},
        {STR_INIT("\xffh2"), true, true, NULL},
    };

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct str got = tls_alpn_select(cases[i].offered, cases[i].h2, cases[i].http11);

        assert_int_equal(got.ptr != NULL, cases[i].want != NULL);
        if (cases[i].want != NULL)
            assert_str_equal(got, str_from(cases[i].want));
    }
}

static void
select_any(void *arg, struct str offered)
{
    struct str got = tls_alpn_select(offered, true, true);

    (void)arg;
    if (got.ptr != NULL)
        assert_true(got.ptr > offered.ptr && got.ptr + got.len <= offered.ptr + offered.len);
}

static void
odd_protocol_lists_are_never_read_past_their_end(void **state)
{
    const struct str list = STR("\x02h2\x08http/1.1\x08http/1.0");

    (void)state;
    for_each_truncation(list, select_any, NULL);
    for_each_bit_flip(list, select_any, NULL);
}

/* alpn is in wire form, empty for a client that does not offer any. */
static void
assert_protocol(bool h2, bool http11, struct str alpn, int want_rc, enum tls_alpn want)
{
    static const char *const names[] = {"server", NULL};
    struct tls_server_source src = {.has_h2 = h2, .has_http11 = http11};
    struct tls_server *s = server_make(&files, names, src);
    struct tls_pair p;

    pair_client(&p, s, 0, NULL);
    if (alpn.len > 0)
        SSL_set_alpn_protos(p.ssl, (const uint8_t *)alpn.ptr, (unsigned)alpn.len);
    assert_int_equal(pair_shake(&p), want_rc);
    if (want_rc == 0) {
        assert_int_equal(tls_alpn(p.t), want);
    } else {
        assert_int_equal(p.alert, SSL_AD_NO_APPLICATION_PROTOCOL);
        assert_int_equal(tls_reason(p.t), REASON_PROTOCOL_MISMATCH);
        assert_true(strlen(tls_error(p.t)) > 0);
    }
    pair_free(&p);
    tls_server_unref(s);
}

static void
the_protocol_is_negotiated_by_the_servers_preference(void **state)
{
    (void)state;
    assert_protocol(true, true, STR("\x08http/1.1\x02h2"), 0, TLS_ALPN_H2);
    assert_protocol(true, true, STR("\x08http/1.1"), 0, TLS_ALPN_HTTP11);
    assert_protocol(false, true, STR("\x02h2\x08http/1.1"), 0, TLS_ALPN_HTTP11);
    assert_protocol(true, true, STR(""), 0, TLS_ALPN_NONE);
    assert_protocol(true, true, STR("\x05other"), GW_E_TLS, TLS_ALPN_NONE);
    assert_protocol(false, true, STR("\x02h2"), GW_E_TLS, TLS_ALPN_NONE);
    assert_protocol(true, false, STR("\x08http/1.1"), GW_E_TLS, TLS_ALPN_NONE);
    assert_protocol(true, false, STR(""), GW_E_TLS, TLS_ALPN_NONE);
}

static void
a_hello_in_single_bytes_is_the_same_hello(void **state)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_OFF);
    struct tls_judge judge = {.policy = s};
    struct bytes hello = client_hello(0);
    struct tls_pair p;

    (void)state;
    pair_client(&p, s, 0, &judge);
    for (size_t i = 0; i < hello.len; i++) {
        assert_int_equal(judge.hello_calls, 0);
        assert_int_equal(write(p.fd[1], hello.ptr + i, 1), 1);
        tls_on_ready(p.t, true, true, false);
        assert_int_equal(tls_handshake(p.t), GW_E_WANT_READ);
    }
    assert_int_equal(judge.hello_calls, 1);
    assert_string_equal(judge.sni, "localhost");
    assert_string_equal(tls_version(p.t), "TLSv1.3");
    pair_free(&p);
    bytes_free(&hello);
    tls_server_unref(s);
}

/* The same bytes cut into TLS records of size bytes each. */
static struct bytes
in_records(struct str hello, size_t size)
{
    struct bytes out = {0};

    for (size_t at = 5; at < hello.len; at += size) {
        size_t n = size_min(size, hello.len - at);
        uint8_t head[5] = {SSL3_RT_HANDSHAKE, 3, 1, (uint8_t)(n >> 8), (uint8_t)n};

        bytes_add(&out, head, sizeof(head));
        bytes_add(&out, hello.ptr + at, n);
    }
    return out;
}

static void
a_hello_in_many_records_does_not_lose_its_name(void **state)
{
    static const size_t sizes[] = {1, 5, 47, 100, 512};
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_OFF);
    struct bytes hello = client_hello(0);

    (void)state;
    for (size_t i = 0; i < array_len(sizes); i++) {
        struct tls_judge judge = {.policy = s};
        struct bytes records = in_records(bytes_str(&hello), sizes[i]);
        struct tls_pair p;

        pair_client(&p, s, 0, &judge);
        assert_int_equal(write(p.fd[1], records.ptr, records.len), (ssize_t)records.len);
        assert_int_equal(tls_handshake(p.t), GW_E_WANT_READ);
        assert_int_equal(judge.hello_calls, 1);
        assert_string_equal(judge.sni, "localhost");
        pair_free(&p);
        bytes_free(&records);
    }
    bytes_free(&hello);
    tls_server_unref(s);
}

static void
a_hello_of_16_kilobytes_does_not_lose_its_name(void **state)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_OFF);
    struct bytes hello = client_hello(16384);
    struct tls_judge judge = {.policy = s};
    struct tls_pair p;
    size_t done = 0;
    int rc = GW_E_WANT_READ;

    (void)state;
    assert_true(hello.len > 16384);
    pair_client(&p, s, 0, &judge);
    while (done < hello.len && rc == GW_E_WANT_READ) {
        size_t n = size_min(1400, hello.len - done);

        assert_int_equal(judge.hello_calls, 0);
        assert_int_equal(write(p.fd[1], hello.ptr + done, n), (ssize_t)n);
        done += n;
        tls_on_ready(p.t, true, true, false);
        rc = tls_handshake(p.t);
    }
    /* None of its protocols is ours. */
    assert_int_equal(rc, GW_E_TLS);
    assert_int_equal(tls_reason(p.t), REASON_PROTOCOL_MISMATCH);
    assert_string_equal(judge.sni, "localhost");
    pair_free(&p);
    bytes_free(&hello);
    tls_server_unref(s);
}

/* libssl's session and the connection hold the shared certificate; what the client sent is gone,
 * and the handshake, which proves possession of the key, goes on with it. */
static void
certificates_that_are_known_are_kept_once(void **state)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_REQUIRE);

    (void)state;
    for (size_t i = 0; i < 2 * array_len(versions); i++) {
        X509 *leaf = X509_dup(files.client->x509);
        X509 *ca = i % 2 == 0 ? X509_dup(files.ca->x509) : NULL;
        struct tls_judge judge = {.policy = s, .shared = {leaf, ca}};
        struct tls_pair p;

        pair_client(&p, s, versions[i / 2], &judge);
        pair_use_cert(&p, files.client, files.ca);
        assert_int_equal(pair_shake(&p), 0);
        assert_ptr_equal(tls_peer_leaf(p.t), leaf);
        assert_ptr_equal(SSL_get0_peer_certificate(p.t->ssl), leaf);
        assert_int_equal(sk_X509_num(tls_peer_chain(p.t)), 2);
        assert_ptr_equal(sk_X509_value(tls_peer_chain(p.t), 0), leaf);
        assert_int_equal(sk_X509_value(tls_peer_chain(p.t), 1) == ca, ca != NULL);
        X509_free(leaf); /* the connection has references of its own */
        X509_free(ca);
        tls_write_all(&p, "hello");
        assert_plain_reads(&p, "hello");
        assert_int_equal(X509_cmp(tls_peer_leaf(p.t), files.client->x509), 0);
        pair_free(&p);
    }
    tls_server_unref(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_reaches_the_hook_in_canonical_form_or_empty),
        cmocka_unit_test(no_policy_for_a_name_is_an_unrecognized_name),
        cmocka_unit_test(the_chosen_policy_decides_how_certificates_are_asked_for),
        cmocka_unit_test(the_chosen_policy_decides_the_lowest_version),
        cmocka_unit_test(the_chosen_policy_decides_which_authorities_are_named),
        cmocka_unit_test(the_policy_may_be_gone_while_its_connection_lives),
        cmocka_unit_test(certificates_that_are_known_are_kept_once),
        cmocka_unit_test(the_protocol_is_matched_exactly_or_not_at_all),
        cmocka_unit_test(odd_protocol_lists_are_never_read_past_their_end),
        cmocka_unit_test(the_protocol_is_negotiated_by_the_servers_preference),
        cmocka_unit_test(a_hello_in_single_bytes_is_the_same_hello),
        cmocka_unit_test(a_hello_in_many_records_does_not_lose_its_name),
        cmocka_unit_test(a_hello_of_16_kilobytes_does_not_lose_its_name),
    };
    int failed;

    files_make(&files);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    files_free(&files);
    return failed;
}
