/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_pair.h"

#include "support/pki.h"

#include <sys/stat.h>

#include "base/limits.h"
#include "tls/tls_int.h"

#define DAY 86400

static struct tls_files files;

/* ---- building ---- */

struct built {
    int rc;
    struct tls_server *server;
    struct diag diag;
};

/* Builds a server of one pair of files below the test's folder. */
static struct built
build(const char *pem, const char *key)
{
    char *pem_path = files_path(&files, pem);
    char *key_path = files_path(&files, key);
    struct tls_cert_source cert = {pem_path, key_path};
    struct tls_server_source src = {
        .name = "partners",
        .certs = &cert,
        .cert_count = 1,
        .minimum_version = TLS1_2_VERSION,
        .has_http11 = true,
    };
    struct built b = {0};

    diag_init(&b.diag);
    b.rc = tls_server_build(&src, &b.diag, &b.server);
    assert_int_equal(b.rc < 0, diag_has_errors(&b.diag));
    assert_int_equal(b.rc < 0, b.server == NULL);
    free(pem_path);
    free(key_path);
    return b;
}

static void
built_done(struct built *b)
{
    tls_server_unref(b->server);
    diag_done(&b->diag);
}

static void
assert_refused(const char *pem, const char *key, const char *text)
{
    struct built b = build(pem, key);
    bool found = false;

    assert_int_equal(b.rc, GW_E_CONFIG);
    for (size_t i = 0; i < b.diag.count; i++)
        found = found || strstr(b.diag.entries[i].text, text) != NULL;
    if (!found)
        diag_print(&b.diag, stderr);
    assert_true(found);
    built_done(&b);
}

/* Writes NAME.pem of these certificates (the list ends with NULL) and NAME.key. */
static void
write_pair(const char *name, EVP_PKEY *key, const struct pki_cert *a, const struct pki_cert *b,
           const struct pki_cert *c)
{
    char *pem_path = xformat("%s/%s.pem", files.dir, name);
    char *key_path = xformat("%s/%s.key", files.dir, name);

    pki_write_certs(pem_path, a, b, c, NULL);
    pki_write_key(key_path, key);
    free(pem_path);
    free(key_path);
}

static void
a_good_pair_builds_and_tells_its_end(void **state)
{
    struct built b = build("server.pem", "server.key");

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
    assert_refused("server.pem", "other.key", "other.key: is not the private key of ");
    assert_refused("server.pem", "other.key", "/server.pem");
}

static void
files_that_are_missing_or_swapped_are_refused(void **state)
{
    (void)state;
    assert_refused("absent.pem", "server.key", "absent.pem");
    assert_refused("server.pem", "absent.key", "absent.key");
    assert_refused("server.key", "server.pem", "server.key");
}

static void
a_chain_out_of_order_is_refused(void **state)
{
    (void)state;
    write_pair("reversed", files.server->key, files.ca, files.server, NULL);
    assert_refused("reversed.pem", "reversed.key", "certificate 1 is not issued by certificate 2");
    write_pair("gap", files.server->key, files.server, files.root, NULL);
    assert_refused("gap.pem", "gap.key", "certificate 1 is not issued by certificate 2");
    write_pair("tail", files.server->key, files.server, files.ca, files.other);
    assert_refused("tail.pem", "tail.key", "certificate 2 is not issued by certificate 3");
    write_pair("twice", files.server->key, files.server, files.server, NULL);
    assert_refused("twice.pem", "twice.key", "certificate 1 is not issued by certificate 2");
}

static void
a_chain_with_a_wrong_signature_is_refused(void **state)
{
    struct pki_cert_spec spec = {.role = PKI_SERVER, .cn = "localhost"};
    struct pki_cert *forged;

    (void)state;
    spec.sign_with = files.other->key;
    forged = pki_issue(&spec, files.ca);
    write_pair("forged", forged->key, forged, files.ca, NULL);
    assert_refused("forged.pem", "forged.key", "its signature is not by that key");
    pki_free(forged);
}

static void
a_leaf_outside_its_dates_is_refused_and_near_the_end_warned_of(void **state)
{
    static const struct {
        int64_t from, to;
        const char *error; /* NULL: accepted */
        size_t warnings;
    } cases[] = {
        {-10 * DAY, -1, "expired on ", 0},
        {DAY, 10 * DAY, "valid only from ", 0},
        {-DAY, 6 * DAY, NULL, 1},
        {-DAY, 8 * DAY, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct pki_cert_spec spec = {.role = PKI_SERVER, .cn = "localhost"};
        struct pki_cert *leaf;

        spec.not_before_s = wall_s() + cases[i].from;
        spec.not_after_s = wall_s() + cases[i].to;
        leaf = pki_issue(&spec, files.ca);
        write_pair("dated", leaf->key, leaf, files.ca, NULL);
        if (cases[i].error != NULL) {
            assert_refused("dated.pem", "dated.key", cases[i].error);
        } else {
            struct built b = build("dated.pem", "dated.key");

            assert_int_equal(b.rc, 0);
            assert_int_equal(b.diag.warning_count, cases[i].warnings);
            assert_int_equal(tls_server_not_after(b.server), spec.not_after_s);
            built_done(&b);
        }
        pki_free(leaf);
    }
}

static void
weak_keys_and_signatures_are_refused(void **state)
{
    struct pki_cert_spec weak_key = {.role = PKI_SERVER, .cn = "a", .key_kind = PKI_RSA1024};
    struct pki_cert_spec weak_md = {.role = PKI_SERVER, .cn = "a", .digest = "SHA1"};
    struct pki_cert *leaf = pki_issue(&weak_key, files.ca);

    (void)state;
    write_pair("weak", leaf->key, leaf, files.ca, NULL);
    assert_refused("weak.pem", "weak.key", "RSA 2048");
    pki_free(leaf);
    leaf = pki_issue(&weak_md, files.ca);
    write_pair("weak", leaf->key, leaf, files.ca, NULL);
    assert_refused("weak.pem", "weak.key", "SHA-256");
    pki_free(leaf);
}

static void
a_client_certificate_on_a_server_is_warned_of(void **state)
{
    struct built b = build("client.pem", "client.key");

    (void)state;
    assert_int_equal(b.rc, 0);
    assert_int_equal(b.diag.warning_count, 1);
    built_done(&b);
}

static void
every_fault_of_several_certificates_is_told(void **state)
{
    struct tls_cert_source certs[] = {{"/absent/1.pem", "/absent/1.key"},
                                      {"/absent/2.pem", "/absent/2.key"}};
    struct tls_server_source src = {
        .name = "partners", .certs = certs, .cert_count = 2, .minimum_version = TLS1_2_VERSION};
    struct tls_server *s = NULL;
    struct diag diag;

    (void)state;
    diag_init(&diag);
    assert_int_equal(tls_server_build(&src, &diag, &s), GW_E_CONFIG);
    assert_int_equal(diag.error_count, 4);
    diag_done(&diag);
    src.cert_count = 0;
    diag_init(&diag);
    assert_int_equal(tls_server_build(&src, &diag, &s), GW_E_CONFIG);
    assert_non_null(strstr(diag.entries[0].text, "listener partners"));
    diag_done(&diag);
    assert_null(s);
}

static void
pem_that_holds_no_certificate_is_refused_with_its_line(void **state)
{
    char *path;

    (void)state;
    path = unit_write_file(files.dir, "junk.pem",
                           STR("# comment\n-----BEGIN CERTIFICATE-----\nAAAA\n"
                               "-----END CERTIFICATE-----\n"));
    assert_refused("junk.pem", "server.key", "junk.pem:2: not a certificate");
    free(path);
}

/* ---- certificate selection ---- */

static const char *const two_names[] = {"server", "other", NULL};

/* The subject's common name of the certificate that a client of this SNI gets. */
static void
assert_served(struct tls_server *s, const char *sni, const char *cn, bool is_default)
{
    struct tls_pair p;
    char got[64] = "";

    pair_client(&p, s, 0, NULL);
    if (sni != NULL)
        SSL_set_tlsext_host_name(p.ssl, sni);
    assert_int_equal(pair_shake(&p), 0);
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(p.ssl)),
                              NID_commonName, got, sizeof(got));
    assert_string_equal(got, cn);
    assert_int_equal(tls_used_default_certificate(p.t), is_default);
    pair_free(&p);
}

static void
the_certificate_is_chosen_by_server_name(void **state)
{
    static const struct {
        const char *sni;
        const char *cn;
        bool is_default;
    } cases[] = {
        {NULL, "localhost", true},
        {"localhost", "localhost", false},
        {"api.example.test", "localhost", false},
        {"API.Example.TEST", "localhost", false},
        {"api.example.test.", "localhost", false},
        {"a.wild.test", "localhost", false},
        {"A.WILD.test.", "localhost", false},
        {"a.b.wild.test", "localhost", true},
        {"wild.test", "localhost", true},
        {"other.test", "other.test", false},
        {"OTHER.test", "other.test", false},
        {"x.other.test", "localhost", true},
        {"unknown.test", "localhost", true},
        {"127.0.0.1", "localhost", true},
        {"not a name", "localhost", true},
    };
    struct tls_server *s = server_make(&files, two_names, (struct tls_server_source){0});

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++)
        assert_served(s, cases[i].sni, cases[i].cn, cases[i].is_default);
    tls_server_unref(s);
}

static void
an_exact_name_wins_over_a_wildcard_and_the_first_over_the_second(void **state)
{
    static const char *const names[] = {"first", "second", "third", NULL};
    struct pki_cert *first = pki_server(files.ca, "*.same.test");
    struct pki_cert *second = pki_server(files.ca, "a.same.test");
    struct pki_cert *third = pki_server(files.ca, "third.test,a.same.test,*.same.test");
    struct tls_server *s;

    (void)state;
    pki_write_pair(files.dir, "first", first);
    pki_write_pair(files.dir, "second", second);
    pki_write_pair(files.dir, "third", third);
    s = server_make(&files, names, (struct tls_server_source){0});
    assert_int_equal(tls_server_cert_count(s), 3);
    assert_served(s, "a.same.test", "a.same.test", false);
    assert_served(s, "b.same.test", "*.same.test", false);
    assert_served(s, "third.test", "third.test", false);
    tls_server_unref(s);
    pki_free(first);
    pki_free(second);
    pki_free(third);
}

static void
the_common_name_counts_only_without_dns_names(void **state)
{
    static const char *const names[] = {"server", "cn", "cnsan", NULL};
    struct pki_san san = {PKI_SAN_DNS, STR_INIT("san.test")};
    struct pki_cert_spec plain = {.role = PKI_SERVER, .cn = "cn.test"};
    struct pki_cert_spec both = {.role = PKI_SERVER, .cn = "hidden.test", .sans = &san};
    struct pki_cert *a;
    struct pki_cert *b;
    struct tls_server *s;

    (void)state;
    both.san_count = 1;
    a = pki_issue(&plain, files.ca);
    b = pki_issue(&both, files.ca);
    pki_write_pair(files.dir, "cn", a);
    pki_write_pair(files.dir, "cnsan", b);
    s = server_make(&files, names, (struct tls_server_source){0});
    assert_served(s, "cn.test", "cn.test", false);
    assert_served(s, "san.test", "hidden.test", false);
    assert_served(s, "hidden.test", "localhost", true);
    tls_server_unref(s);
    pki_free(a);
    pki_free(b);
}

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

/* ---- the policy of the name, not that of the listener, is in force ---- */

static void
the_chosen_policy_decides_how_certificates_are_asked_for(void **state)
{
    static const enum tls_client_auth modes[] = {TLS_CLIENT_AUTH_OFF, TLS_CLIENT_AUTH_REQUEST,
                                                 TLS_CLIENT_AUTH_REQUIRE};
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

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

/* ---- protocols ---- */

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

/* ---- versions, ciphers, corner features ---- */

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

static void
the_facts_of_the_connection_are_told(void **state)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_OFF);
    struct tls_pair p;

    (void)state;
    pair_client(&p, s, TLS1_3_VERSION, NULL);
    assert_string_equal(tls_version(p.t), "-");
    assert_string_equal(tls_cipher(p.t), "-");
    assert_string_equal(tls_group(p.t), "-");
    assert_int_equal(tls_alpn(p.t), TLS_ALPN_NONE);
    SSL_set1_groups_list(p.ssl, "P-384");
    assert_int_equal(pair_shake(&p), 0);
    assert_string_equal(tls_version(p.t), "TLSv1.3");
    assert_string_equal(tls_cipher(p.t), "TLS_AES_128_GCM_SHA256");
    assert_string_equal(tls_group(p.t), "secp384r1");
    assert_false(tls_is_resumed(p.t));
    assert_int_equal(tls_reason(p.t), REASON_NONE);
    assert_string_equal(tls_error(p.t), "");
    pair_free(&p);
    tls_server_unref(s);
}

/* Neither a ticket nor a session id is given, and what a client has kept is not taken up. */
static void
sessions_are_never_resumed(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
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

/* ---- clients of upstreams ---- */

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_pair_builds_and_tells_its_end),
        cmocka_unit_test(a_key_of_another_certificate_is_refused_naming_both_files),
        cmocka_unit_test(files_that_are_missing_or_swapped_are_refused),
        cmocka_unit_test(a_chain_out_of_order_is_refused),
        cmocka_unit_test(a_chain_with_a_wrong_signature_is_refused),
        cmocka_unit_test(a_leaf_outside_its_dates_is_refused_and_near_the_end_warned_of),
        cmocka_unit_test(weak_keys_and_signatures_are_refused),
        cmocka_unit_test(a_client_certificate_on_a_server_is_warned_of),
        cmocka_unit_test(every_fault_of_several_certificates_is_told),
        cmocka_unit_test(pem_that_holds_no_certificate_is_refused_with_its_line),
        cmocka_unit_test(the_certificate_is_chosen_by_server_name),
        cmocka_unit_test(an_exact_name_wins_over_a_wildcard_and_the_first_over_the_second),
        cmocka_unit_test(the_common_name_counts_only_without_dns_names),
        cmocka_unit_test(the_name_reaches_the_hook_in_canonical_form_or_empty),
        cmocka_unit_test(no_policy_for_a_name_is_an_unrecognized_name),
        cmocka_unit_test(the_chosen_policy_decides_how_certificates_are_asked_for),
        cmocka_unit_test(the_chosen_policy_decides_the_lowest_version),
        cmocka_unit_test(the_chosen_policy_decides_which_authorities_are_named),
        cmocka_unit_test(the_policy_may_be_gone_while_its_connection_lives),
        cmocka_unit_test(the_protocol_is_matched_exactly_or_not_at_all),
        cmocka_unit_test(odd_protocol_lists_are_never_read_past_their_end),
        cmocka_unit_test(the_protocol_is_negotiated_by_the_servers_preference),
        cmocka_unit_test(only_strong_versions_and_ciphers_are_spoken),
        cmocka_unit_test(the_facts_of_the_connection_are_told),
        cmocka_unit_test(sessions_are_never_resumed),
        cmocka_unit_test(early_data_is_refused),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(post_handshake_authentication_is_not_asked_for),
        cmocka_unit_test(a_client_is_built_whole_or_not_at_all),
    };
    int failed;

    files_make(&files);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    files_free(&files);
    return failed;
}
