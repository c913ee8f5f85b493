/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/config.h"
#include "support/util.h"

#define FILE_NAME "dir/t.yaml"

struct fixture {
    struct diag diag;
    struct config *config;
    int err;
};

/* One listener with one trust store; the arguments are lines of their own. */
static void
parse(struct fixture *f, const char *listener, const char *store)
{
    char *text = NULL;

    assert_true(asprintf(&text,
                         "state_dir: state\n"
                         "listeners:\n"
                         "  - name: l\n"
                         "    bind: 127.0.0.1:8443\n"
                         "    certificates: [{certificate: s.pem, private_key: s.key}]\n"
                         "%s"
                         "trust_stores:\n"
                         "  a:\n"
                         "    ca_bundle: a.pem\n"
                         "%s"
                         "  b: {ca_bundle: b.pem}\n"
                         "target_groups:\n"
                         "  g: {targets: [\"10.0.0.1:80\"], protocol: http}\n",
                         listener, store) > 0);
    *f = (struct fixture){0};
    diag_init(&f->diag);
    f->err = config_parse(str_from(text), FILE_NAME, &f->diag, &f->config);
    free(text);
}

static void
done(struct fixture *f)
{
    config_free(f->config);
    diag_done(&f->diag);
}

static void
parse_good(struct fixture *f, const char *listener, const char *store)
{
    parse(f, listener, store);
    if (f->err != 0)
        fail_msg("%s", f->diag.entries[0].text);
}

static void
assert_refused(const char *listener, const char *store, const char *words)
{
    struct fixture f;
    bool is_told = false;

    parse(&f, listener, store);
    for (size_t i = 0; i < f.diag.count; i++)
        is_told |= strstr(f.diag.entries[i].text, words) != NULL;
    if (!is_told)
        fail_msg("\"%s\" is not told but \"%s\"", words,
                 f.diag.count > 0 ? f.diag.entries[0].text : "nothing");
    assert_int_equal(f.err, GW_E_CONFIG);
    done(&f);
}

#define OWN                                                                  \
    "    mutual_authentication: {mode: verify, trust_store: a}\n"            \
    "    rules: [{priority: 1, when: {path: [/x]}, action: {forward: g}}]\n" \
    "    default_action: deny\n"

/* ---- hosts ---- */

static void
a_host_inherits_what_it_does_not_say(void **state)
{
    const struct config_listener *l;
    const struct config_host *h;
    struct fixture f;

    (void)state;
    parse_good(&f, OWN "    hosts: [{names: [x.test]}]\n", "");
    l = &f.config->listeners[0];
    h = &l->hosts[0];
    assert_int_equal(l->host_count, 1);
    assert_ptr_equal(h->certificates, l->certificates);
    assert_true(h->shares_certificates);
    assert_int_equal(h->mutual.mode, MUTUAL_VERIFY);
    assert_int_equal(h->mutual.trust_index, 0);
    assert_ptr_equal(h->rules, l->rules);
    assert_int_equal(h->rule_count, 1);
    assert_int_equal(h->default_action.kind, ACTION_DENY);
    done(&f);
}

static void
a_host_has_what_it_says(void **state)
{
    static const char hosts[] =
        OWN "    hosts:\n"
            "      - names: [x.test]\n"
            "        certificates: [{certificate: x.pem, private_key: x.key}]\n"
            "        mutual_authentication: {mode: optional, trust_store: b}\n"
            "        rules:\n"
            "          - {priority: 9, when: {path: [/z]}, action: deny}\n"
            "          - {priority: 5, when: {path: [/y]}, action: deny}\n"
            "        default_action: {forward: g}\n";
    struct config_listener view;
    struct fixture f;

    (void)state;
    parse_good(&f, hosts, "");
    view = config_host_view(&f.config->listeners[0], &f.config->listeners[0].hosts[0]);
    assert_string_equal(view.name, "l");
    assert_string_equal(view.certificates[0].certificate, "dir/x.pem");
    assert_int_equal(view.mutual.mode, MUTUAL_OPTIONAL);
    assert_int_equal(view.mutual.trust_index, 1);
    assert_int_equal(view.rule_count, 2);
    assert_int_equal(view.rules[0].priority, 5);
    assert_int_equal(view.default_action.kind, ACTION_FORWARD);
    assert_int_equal(view.host_count, 0);
    done(&f);
}

static void
names_are_canonical(void **state)
{
    struct fixture f;
    const struct str_list *names;

    (void)state;
    parse_good(&f, OWN "    hosts: [{names: [API.Example.Test., \"*.Example.Test\", x_y]}]\n", "");
    names = &f.config->listeners[0].hosts[0].names;
    assert_int_equal(names->count, 3);
    assert_str_equal(names->items[0], STR("api.example.test"));
    assert_str_equal(names->items[1], STR("*.example.test"));
    assert_str_equal(names->items[2], STR("x_y"));
    done(&f);
}

static void
names_that_nobody_can_send_are_refused(void **state)
{
    static const char *const bad[] = {"\"*\"",    "\"a.*.test\"", "\"*a.test\"",    "\"*.\"",
                                      "10.0.0.1", "\"[::1]\"",    "\"a.test:443\"", "\"a..test\"",
                                      "\"\"",     "\"*.*.test\"", "\"a b\""};

    (void)state;
    for (size_t i = 0; i < array_len(bad); i++) {
        char *hosts = xformat(OWN "    hosts: [{names: [%s]}]\n", bad[i]);

        assert_refused(hosts, "", "listeners[0].hosts[0].names[0]: expected a host name such as");
        free(hosts);
    }
    assert_refused(OWN "    hosts: [{names: []}]\n", "", "must not be empty");
    assert_refused(OWN "    hosts: [{}]\n", "", "\"names\" is missing");
}

static void
a_name_stands_only_once(void **state)
{
    (void)state;
    assert_refused(OWN "    hosts: [{names: [a.test]}, {names: [b.test, A.test.]}]\n", "",
                   "hosts[1].names: a.test is named already, by the host in line");
    assert_refused(OWN "    hosts: [{names: [\"*.a.test\", \"*.A.test\"]}]\n", "",
                   "*.a.test is named already");
}

static void
a_host_is_checked_like_a_listener(void **state)
{
    (void)state;
    assert_refused(OWN "    hosts: [{names: [x], mutual_authentication: {mode: verify}}]\n", "",
                   "listeners[0].hosts[0].mutual_authentication: this mode judges");
    assert_refused(OWN "    hosts: [{names: [x], default_action: {forward: nil}}]\n", "",
                   "listeners[0].hosts[0].default_action: no target group is called \"nil\"");
    assert_refused(
        OWN "    hosts: [{names: [x], rules: [{priority: 1, when: {path: [/]}, action: deny},\n"
            "      {priority: 1, when: {path: [/]}, action: deny}]}]\n",
        "", "listeners[0].hosts[0].rules[1]: priority 1 is taken");
    assert_refused("    mutual_authentication: {mode: verify, trust_store: a}\n"
                   "    rules: [{priority: 1, when: {client_certificate: {subject_cn: [x]}}, "
                   "action: {forward: g}}]\n"
                   "    hosts: [{names: [x], mutual_authentication: {mode: passthrough}}]\n",
                   "", "listeners[0].hosts[0]: the listener's rules ask for client_certificate");
}

/* ---- the other keys ---- */

static void
report_only_needs_somebody_who_judges(void **state)
{
    struct fixture f;

    (void)state;
    parse_good(&f,
               "    mutual_authentication: {mode: verify, trust_store: a, report_only: true}\n"
               "    default_action: deny\n",
               "");
    assert_true(f.config->listeners[0].mutual.report_only);
    done(&f);
    assert_refused("    mutual_authentication: {mode: passthrough, report_only: true}\n"
                   "    default_action: deny\n",
                   "", "report_only needs mode verify or optional");
}

static void
handover_headers_are_bits(void **state)
{
    struct fixture f;

    (void)state;
    parse_good(&f, OWN "    client_certificate_headers: [san, client_cert_chain, client_cert]\n",
               "");
    assert_int_equal(f.config->listeners[0].handover,
                     HANDOVER_SAN | HANDOVER_CLIENT_CERT | HANDOVER_CLIENT_CERT_CHAIN);
    done(&f);
    assert_refused(OWN "    client_certificate_headers: [client_cert_chain]\n", "",
                   "client_cert_chain needs client_cert");
    assert_refused(OWN "    client_certificate_headers: [san, san]\n", "", "stands here twice");
    assert_refused(OWN "    client_certificate_headers: [cert]\n", "", "expected client_cert");
    assert_refused("    default_action: deny\n    client_certificate_headers: [san]\n", "",
                   "client_certificate_headers need mutual_authentication");
    assert_refused(OWN "    client_certificate_headers: [client_cert]\n"
                       "    attributes: {routing.http.request.x_amzn_mtls_clientcert_leaf."
                       "header_name: client-cert}\n",
                   "", "renamed to client-cert, which client_certificate_headers send");
}

static void
tickets_are_on_unless_switched_off(void **state)
{
    struct fixture f;

    (void)state;
    parse_good(&f, OWN "    tls: {ticket_keys: keys}\n", "");
    assert_int_equal(f.config->listeners[0].tls.resumption, 1);
    assert_string_equal(f.config->listeners[0].tls.ticket_keys, "dir/keys");
    done(&f);
    assert_refused(OWN "    tls: {ticket_keys: keys, session_resumption: off}\n", "",
                   "ticket_keys needs session_resumption: on");
}

/* ---- trust stores ---- */

#define SHA "00112233445566778899AABBCCDDEEFF:00112233445566778899aabbccddeeff"

static void
exceptions_are_read(void **state)
{
    static const char store[] =
        "    exceptions:\n"
        "      - {allow: expired, max_age: 168h, issuer: \"CN=P,O=Q\", until: "
        "2090-01-01T00:00:00Z, why: renewal}\n"
        "      - {allow: no_client_auth_eku, sha256: \"" SHA "\", until: "
        "\"2090-01-01T02:00:00+02:00\", why: old}\n";
    const struct config_exception *e;
    struct fixture f;

    (void)state;
    parse_good(&f, OWN, store);
    assert_int_equal(f.config->trust_stores[0].exception_count, 2);
    e = f.config->trust_stores[0].exceptions;
    assert_int_equal(e[0].allow, TRUST_ALLOW_EXPIRED);
    assert_int_equal(e[0].max_age_ms, INT64_C(168) * 3600 * 1000);
    assert_string_equal(e[0].issuer, "CN=P,O=Q");
    assert_null(e[0].sha256);
    assert_string_equal(e[0].why, "renewal");
    assert_int_equal(e[1].allow, TRUST_ALLOW_NO_CLIENT_AUTH_EKU);
    assert_string_equal(e[1].sha256,
                        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
    assert_int_equal(e[0].until_s, e[1].until_s);
    assert_int_equal(e[0].until_s, INT64_C(3786912000));
    done(&f);
}

static void
wide_or_endless_exceptions_are_refused(void **state)
{
    static const struct {
        const char *entry;
        const char *words;
    } bad[] = {
        {"allow: expired, max_age: 1h, until: 2090-01-01T00:00:00Z, why: x",
         "exactly one of issuer and sha256"},
        {"allow: expired, max_age: 1h, issuer: CN=a, sha256: \"" SHA
         "\", until: 2090-01-01T00:00:00Z, why: x",
         "exactly one of issuer and sha256"},
        {"allow: expired, issuer: CN=a, until: 2090-01-01T00:00:00Z, why: x", "needs max_age"},
        {"allow: no_client_auth_eku, max_age: 1h, issuer: CN=a, until: 2090-01-01T00:00:00Z, "
         "why: x",
         "max_age is for allow: expired only"},
        {"allow: expired, max_age: 1h, issuer: CN=a, why: x", "\"until\" is missing"},
        {"allow: expired, max_age: 1h, issuer: CN=a, until: 2090-01-01T00:00:00Z",
         "\"why\" is missing"},
        {"allow: expired, max_age: 1h, issuer: CN=a, until: 2090-01-01, why: x",
         "expected a time such as"},
        {"allow: expired, max_age: 1h, issuer: \"*\", until: 2090-01-01T00:00:00Z, why: x",
         "expected a name such as"},
        {"allow: expired, max_age: 1h, sha256: abc, until: 2090-01-01T00:00:00Z, why: x",
         "expected a SHA-256 digest"},
        {"allow: revoked, issuer: CN=a, until: 2090-01-01T00:00:00Z, why: x",
         "expected expired or no_client_auth_eku"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(bad); i++) {
        char *store = xformat("    exceptions: [{%s}]\n", bad[i].entry);

        assert_refused(OWN, store, bad[i].words);
        free(store);
    }
}

/* A restart must not fail because a date has passed. */
static void
an_exception_that_has_ended_is_a_warning(void **state)
{
    struct fixture f;

    (void)state;
    parse_good(&f, OWN,
               "    exceptions: [{allow: no_client_auth_eku, issuer: CN=a, "
               "until: 2020-01-01T00:00:00Z, why: x}]\n");
    assert_non_null(strstr(f.diag.entries[0].text, "has ended"));
    done(&f);
}

static void
lists_come_from_paths_and_urls(void **state)
{
    static const char store[] =
        "    crls: [a.crl, \"https://x.test/a.crl\", {url: s3://bucket/key, interval: 5m, "
        "max_size: 1GiB, region: eu-west-1}]\n";
    const struct config_crl_source *s;
    struct fixture f;
    char *path;

    (void)state;
    parse_good(&f, OWN, store);
    s = f.config->trust_stores[0].crls;
    assert_int_equal(f.config->trust_stores[0].crl_count, 3);
    assert_string_equal(s[0].path, "dir/a.crl");
    assert_null(s[0].url);
    assert_null(s[1].path);
    assert_string_equal(s[1].url, "https://x.test/a.crl");
    assert_int_equal(s[1].interval_ms, 3600000);
    assert_int_equal(s[1].max_bytes, 64 << 20);
    assert_null(s[1].region);
    assert_string_equal(s[2].url, "s3://bucket/key");
    assert_int_equal(s[2].interval_ms, 300000);
    assert_int_equal(s[2].max_bytes, 1 << 30);
    assert_string_equal(s[2].region, "eu-west-1");
    path = config_list_cache_path(f.config, "abc");
    assert_string_equal(path, "dir/state/lists/"
                              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
                              ".crl");
    free(path);
    done(&f);
}

static void
urls_that_cannot_be_asked_are_refused(void **state)
{
    (void)state;
    assert_refused(OWN, "    crls: [{url: ftp://x/a}]\n", "expected a URL that begins with");
    assert_refused(OWN, "    crls: [{interval: 1h}]\n", "\"url\" is missing");
    assert_refused(OWN, "    crls: [{url: \"https://x/a b\"}]\n", "without space");
    assert_refused(OWN, "    crls: [{url: \"https://x/\", max_size: 1}]\n", "expected a size");
    assert_refused(OWN, "    crls: [{url: \"https://x/\", max_size: 3GiB}]\n", "bytes, found");
    assert_refused(OWN, "    crls: [{url: \"https://x/\", interval: 1ms}]\n",
                   "expected a duration");
    assert_refused(OWN, "    crls: [{url: \"https://x/\", region: r}]\n", "region is for s3");
    assert_refused(OWN, "    crls: [\"https://x/\", \"https://x/\"]\n", "stands here twice");
    assert_refused(OWN, "    crls: [{url: \"https://x/\", every: 1h}]\n", "unknown key \"every\"");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_inherits_what_it_does_not_say),
        cmocka_unit_test(a_host_has_what_it_says),
        cmocka_unit_test(names_are_canonical),
        cmocka_unit_test(names_that_nobody_can_send_are_refused),
        cmocka_unit_test(a_name_stands_only_once),
        cmocka_unit_test(a_host_is_checked_like_a_listener),
        cmocka_unit_test(report_only_needs_somebody_who_judges),
        cmocka_unit_test(handover_headers_are_bits),
        cmocka_unit_test(tickets_are_on_unless_switched_off),
        cmocka_unit_test(exceptions_are_read),
        cmocka_unit_test(wide_or_endless_exceptions_are_refused),
        cmocka_unit_test(an_exception_that_has_ended_is_a_warning),
        cmocka_unit_test(lists_come_from_paths_and_urls),
        cmocka_unit_test(urls_that_cannot_be_asked_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
