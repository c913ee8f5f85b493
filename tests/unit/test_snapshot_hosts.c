/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "conf/snapshot.h"
#include "support/pki.h"
#include "support/util.h"

struct files {
    char *dir, *config;
    struct pki_cert *a, *b, *server;
};

static int
setup(void **state)
{
    struct files *f = xcalloc(1, sizeof(*f));
    char *a, *b;

    f->dir = unit_tmp_new();
    f->config = unit_path(f->dir, "t.yaml");
    f->a = pki_root("A");
    f->b = pki_root("B");
    f->server = pki_server(f->a, "localhost");
    a = unit_path(f->dir, "a.pem");
    b = unit_path(f->dir, "b.pem");
    pki_write_certs(a, f->a, NULL);
    pki_write_certs(b, f->b, NULL);
    pki_write_pair(f->dir, "server", f->server);
    free(a);
    free(b);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct files *f = *state;

    pki_free(f->server);
    pki_free(f->a);
    pki_free(f->b);
    free(f->config);
    unit_tmp_done(f->dir);
    free(f);
    return 0;
}

struct built {
    struct diag diag;
    struct snapshot *snapshot;
    const struct site_listener *l;
    int err;
};

/* mutual: the listener's; hosts: its list in flow style, or empty; store: more keys of store a. */
struct recipe {
    const char *mutual, *hosts, *store;
    const struct snapshot *previous;
};

static void
build(const struct files *f, const struct recipe *r, struct built *ret)
{
    char *text = xformat("state_dir: state\n"
                         "listeners:\n"
                         "  - name: l\n"
                         "    bind: 127.0.0.1:8443\n"
                         "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
                         "    mutual_authentication: {%s}\n"
                         "%s%s\n"
                         "    default_action: deny\n"
                         "trust_stores:\n"
                         "  a: {ca_bundle: a.pem%s}\n"
                         "  b: {ca_bundle: b.pem}\n",
                         r->mutual, r->hosts != NULL ? "    hosts: " : "",
                         r->hosts != NULL ? r->hosts : "", r->store != NULL ? r->store : "");
    struct config *config = NULL;

    *ret = (struct built){0};
    diag_init(&ret->diag);
    if (config_parse(str_from(text), f->config, &ret->diag, &config) != 0)
        fail_msg("%s", ret->diag.entries[0].text);
    ret->err = snapshot_build(config, r->previous, wall_s(), &ret->diag, &ret->snapshot);
    if (ret->err == 0)
        ret->l = &ret->snapshot->site->listeners[0];
    free(text);
}

static void
build_good(const struct files *f, const struct recipe *r, struct built *ret)
{
    build(f, r, ret);
    if (ret->err != 0)
        fail_msg("%s", ret->diag.entries[0].text);
}

static void
done(struct built *b)
{
    snapshot_unref(b->snapshot);
    diag_done(&b->diag);
}

static bool
same_demands(const struct site_listener *l, size_t i, size_t j)
{
    return memcmp(l->policies[i].digest, l->policies[j].digest, sizeof(l->policies[i].digest)) == 0;
}

static void
the_strictest_policy_is_for_clients_without_a_name(void **state)
{
    static const struct {
        const char *own, *host1, *host2;
        unsigned want;
    } cases[] = {
        {"mode: off", "mode: passthrough", "mode: off", 1},
        {"mode: off", "mode: optional, trust_store: a", "mode: verify, trust_store: b", 2},
        {"mode: verify, trust_store: a", "mode: verify, trust_store: b", "mode: off", 0},
        {"mode: optional, trust_store: a", "mode: verify, trust_store: a",
         "mode: verify, trust_store: b", 1},
        {"mode: verify, trust_store: a, report_only: true", "mode: optional, trust_store: a",
         "mode: off", 1},
        {"mode: passthrough", "mode: verify, trust_store: a, report_only: true", "mode: off", 0},
    };

    for (size_t i = 0; i < array_len(cases); i++) {
        char *hosts = xformat("[{names: [x], mutual_authentication: {%s}}, "
                              "{names: [y], mutual_authentication: {%s}}]",
                              cases[i].host1, cases[i].host2);
        struct built b;

        build_good(*state, &(struct recipe){.mutual = cases[i].own, .hosts = hosts}, &b);
        assert_int_equal(b.l->strictest, cases[i].want);
        done(&b);
        free(hosts);
    }
}

static void
digests_differ_exactly_when_demands_do(void **state)
{
    static const char hosts[] =
        "[{names: [same], mutual_authentication: {mode: verify, trust_store: a}, "
        "default_action: {fixed_response: {status: 200}}}, "
        "{names: [other-store], mutual_authentication: {mode: verify, trust_store: b}}, "
        "{names: [mode], mutual_authentication: {mode: optional, trust_store: a}}, "
        "{names: [expiry], mutual_authentication: {mode: verify, trust_store: a, "
        "ignore_client_certificate_expiry: true}}, "
        "{names: [report], mutual_authentication: {mode: verify, trust_store: a, "
        "report_only: true}}, "
        "{names: [advertise], mutual_authentication: {mode: verify, trust_store: a, "
        "advertise_trust_store_ca_names: true}}, {names: [inherits]}]";
    struct built b;

    build_good(*state, &(struct recipe){.mutual = "mode: verify, trust_store: a", .hosts = hosts},
               &b);
    assert_int_equal(b.l->policy_count, 8);
    assert_true(same_demands(b.l, 0, 1));
    for (size_t i = 2; i <= 5; i++)
        for (size_t j = 0; j < i; j++)
            assert_false(same_demands(b.l, i, j));
    assert_true(same_demands(b.l, 0, 6));
    assert_true(same_demands(b.l, 0, 7));
    done(&b);
}

static void
rules_belong_to_the_host_that_is_asked_for(void **state)
{
    static const char hosts[] =
        "[{names: [x.test, \"*.x.test\"], default_action: {fixed_response: {status: 201}}}, "
        "{names: [\"*.y.x.test\", a.x.test], default_action: {fixed_response: {status: 202}}}]";
    static const struct {
        const char *host;
        int status; /* 0: the listener's own deny */
    } cases[] = {{"x.test", 201},   {"b.x.test", 201}, {"a.x.test", 202}, {"z.y.x.test", 202},
                 {"y.x.test", 201}, {"a.b.x.test", 0}, {"test", 0},       {"", 0}};
    struct built b;

    build_good(*state, &(struct recipe){.mutual = "mode: off", .hosts = hosts}, &b);
    for (size_t i = 0; i < array_len(cases); i++) {
        const struct site_policy *p = site_policy_find(b.l, str_from(cases[i].host));

        assert_int_equal(p->routes.default_rule.action.status, cases[i].status);
    }
    done(&b);
}

/* Contexts hold certificates and what is asked of clients, nothing else. */
static void
hosts_share_a_context_where_they_can(void **state)
{
    static const char hosts[] =
        "[{names: [a], mutual_authentication: {mode: verify, trust_store: b}}, "
        "{names: [b], mutual_authentication: {mode: optional, trust_store: a}}, "
        "{names: [c], certificates: [{certificate: server.pem, private_key: server.key}]}, "
        "{names: [d], mutual_authentication: {mode: verify, trust_store: a, report_only: true}}]";
    struct built b;

    build_good(*state, &(struct recipe){.mutual = "mode: verify, trust_store: a", .hosts = hosts},
               &b);
    assert_int_equal(b.snapshot->tls_server_count, 4);
    assert_int_equal(b.l->policies[1].tls_index, 0);
    assert_int_equal(b.l->policies[2].tls_index, 1);
    assert_int_equal(b.l->policies[3].tls_index, 2);
    assert_int_equal(b.l->policies[4].tls_index, 3);
    done(&b);
}

static void
random_ticket_keys_outlive_a_reload(void **state)
{
    struct recipe r = {.mutual = "mode: off"};
    struct built first, second;

    build_good(*state, &r, &first);
    r.previous = first.snapshot;
    build_good(*state, &r, &second);
    assert_non_null(first.snapshot->ticket_keys);
    assert_ptr_equal(first.snapshot->ticket_keys, second.snapshot->ticket_keys);
    done(&first);
    done(&second);
}

static bool
is_warned(const struct built *b, const char *words)
{
    bool is_told = false;

    for (size_t i = 0; i < b->diag.count; i++)
        is_told |= strstr(b->diag.entries[i].text, words) != NULL;
    return is_told;
}

#define URL "http://pki.example.test/a.crl"

/* A list that was not fetched yet stops nothing but, where it is demanded, its clients. */
static void
a_list_that_is_not_there_yet_is_a_warning(void **state)
{
    struct files *f = *state;
    struct pki_cert *client = pki_client(f->a, "client");
    struct recipe r = {.mutual = "mode: verify, trust_store: a", .store = ", crls: [\"" URL "\"]"};
    struct pki_crl_spec list = {0};
    char *state_dir = unit_path(f->dir, "state"), *lists = unit_path(f->dir, "state/lists"), *path;
    struct verdict v;
    struct built b;

    build_good(f, &r, &b);
    assert_true(is_warned(&b, "is not there yet; clients of its issuer are refused"));
    verify_chain(b.snapshot->trusts[0], client->x509, NULL, NULL, wall_s(), NULL, &v);
    assert_int_equal(v.reason, REASON_CRL_MISSING);
    verdict_done(&v);
    assert_int_equal(mkdir(state_dir, 0700), 0);
    assert_int_equal(mkdir(lists, 0700), 0);
    path = config_list_cache_path(b.snapshot->config, URL);
    done(&b);

    pki_crl_write(path, false, &list, f->a);
    build_good(f, &r, &b);
    verify_chain(b.snapshot->trusts[0], client->x509, NULL, NULL, wall_s(), NULL, &v);
    assert_int_equal(v.reason, REASON_NONE);
    verdict_done(&v);
    done(&b);

    file_spill(path, "garbled", 7, 0600);
    build(f, &r, &b);
    assert_int_equal(b.err, GW_E_CONFIG);
    done(&b);
    pki_free(client);
    free(path);
    free(lists);
    free(state_dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_strictest_policy_is_for_clients_without_a_name),
        cmocka_unit_test(digests_differ_exactly_when_demands_do),
        cmocka_unit_test(rules_belong_to_the_host_that_is_asked_for),
        cmocka_unit_test(hosts_share_a_context_where_they_can),
        cmocka_unit_test(random_ticket_keys_outlive_a_reload),
        cmocka_unit_test(a_list_that_is_not_there_yet_is_a_warning),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
