/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_pair.h"

#include "support/pki.h"

static struct tls_files files;

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_certificate_is_chosen_by_server_name),
        cmocka_unit_test(an_exact_name_wins_over_a_wildcard_and_the_first_over_the_second),
        cmocka_unit_test(the_common_name_counts_only_without_dns_names),
    };
    int failed;

    files_make(&files);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    files_free(&files);
    return failed;
}
