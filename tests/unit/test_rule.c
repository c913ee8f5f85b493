/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>

#include "base/arena.h"
#include "policy/rule.h"

/* ---- inputs ---- */

struct fixture {
    struct arena arena;
    struct http_req req;
    struct addr client;
    struct rule_input in;
};

static void
setup(struct fixture *f)
{
    *f = (struct fixture){.req = {.method_text = STR_INIT("GET"),
                                  .host = STR_INIT("api.example.test"),
                                  .authority = STR_INIT("api.example.test:8443"),
                                  .route_path = STR_INIT("/widgets/1")}};
    arena_init(&f->arena, 4096, 65536);
    assert_int_equal(http_headers_init(&f->req.headers, &f->arena, 16), 0);
    assert_int_equal(addr_parse(STR("10.1.2.3:5000"), &f->client), 0);
    f->in = (struct rule_input){.req = &f->req, .client = &f->client};
}

static void
teardown(struct fixture *f)
{
    arena_done(&f->arena);
}

static void
add_header(struct fixture *f, const char *name, const char *value)
{
    assert_int_equal(http_headers_add(&f->req.headers, str_from(name), str_from(value)), 0);
}

#define LIST_MAX 4

struct list {
    struct str items[LIST_MAX];
    struct str_list list;
};

/* "a|b" as a list of two. */
static const struct str_list *
list_of(struct list *l, const char *text)
{
    struct str rest = str_from(text);
    bool done = false;
    size_t count = 0;

    while (count < LIST_MAX && str_split_next(&rest, '|', &done, &l->items[count]))
        count++;
    l->list = (struct str_list){l->items, count};
    return &l->list;
}

/* ---- one condition at a time ---- */

struct value_case {
    const char *values; /* joined with '|' */
    const char *text;
    bool want;
};

static void
check_values(const struct value_case *cases, size_t count, bool (*run)(const struct value_case *c))
{
    for (size_t i = 0; i < count; i++) {
        if (run(&cases[i]) != cases[i].want)
            fail_msg("values \"%s\" against \"%s\" should be %d", cases[i].values, cases[i].text,
                     cases[i].want);
    }
}

static bool
run_path(const struct value_case *c)
{
    struct fixture f;
    struct list l;
    struct rule rule = {.when.path = *list_of(&l, c->values)};
    bool matched;

    setup(&f);
    f.req.route_path = str_from(c->text);
    matched = rule_matches(&rule, &f.in, NULL);
    teardown(&f);
    return matched;
}

static void
path_has_wildcards_and_case_matters(void **state)
{
    static const struct value_case cases[] = {
        {"/widgets*", "/widgets", true},
        {"/widgets*", "/widgets/1", true},
        {"/widgets*", "/Widgets", false},
        {"/widgets/?", "/widgets/1", true},
        {"/widgets/?", "/widgets/12", false},
        {"/a|/b", "/b", true},
        {"/a|/b", "/c", false},
        {"*.png", "/x/y.png", true},
        {"/widgets", "/widgets/", false},
        {"*", "*", true},
        {"/a*b*c", "/aXbYc", true},
        {"/a*b*c", "/aXbY", false},
        {"/\\*", "/x", false},
    };

    (void)state;
    check_values(cases, array_len(cases), run_path);
}

static bool
run_host(const struct value_case *c)
{
    struct fixture f;
    struct list l;
    struct rule rule = {.when.host = *list_of(&l, c->values)};
    bool matched;

    setup(&f);
    f.req.host = str_from(c->text);
    matched = rule_matches(&rule, &f.in, NULL);
    teardown(&f);
    return matched;
}

static void
host_ignores_case_and_port(void **state)
{
    static const struct value_case cases[] = {
        {"api.example.test", "api.example.test", true},
        {"API.Example.TEST", "api.example.test", true},
        {"*.example.test", "api.example.test", true},
        {"*.example.test", "example.test", false},
        {"a?i.example.test", "api.example.test", true},
        {"api.example.test:8443", "api.example.test", false},
        {"other.test|api.example.test", "api.example.test", true},
        {"api.example.test", "", false},
    };

    (void)state;
    check_values(cases, array_len(cases), run_host);
}

static bool
run_method(const struct value_case *c)
{
    struct fixture f;
    struct list l;
    struct rule rule = {.when.method = *list_of(&l, c->values)};
    bool matched;

    setup(&f);
    f.req.method_text = str_from(c->text);
    matched = rule_matches(&rule, &f.in, NULL);
    teardown(&f);
    return matched;
}

static void
method_is_exact(void **state)
{
    static const struct value_case cases[] = {
        {"GET|POST", "POST", true}, {"GET|POST", "PUT", false}, {"get", "GET", false},
        {"*", "GET", false},        {"BREW", "BREW", true},
    };

    (void)state;
    check_values(cases, array_len(cases), run_method);
}

static bool
run_query(const struct value_case *c)
{
    struct fixture f;
    struct list l;
    struct rule rule = {.when.query = *list_of(&l, c->values)};
    bool matched;

    setup(&f);
    f.req.query = str_from(c->text);
    matched = rule_matches(&rule, &f.in, NULL);
    teardown(&f);
    return matched;
}

static void
query_compares_pairs_or_values(void **state)
{
    static const struct value_case cases[] = {
        {"version=2", "version=2", true},
        {"version=2", "a=b&VERSION=2&c", true},
        {"version=2", "version=20", false},
        {"version=2", "xversion=2", false},
        {"version=*", "version=", true},
        {"version=*", "version", true},
        {"version=?", "version=", false},
        {"v*=2", "version=2", true},
        {"blue", "color=Blue", true},
        {"blue", "blue", true},
        {"blue", "blue=green", false},
        {"a=b=c", "a=b=c", true},
        {"k=\\*", "k=*", true},
        {"k=\\*", "k=x", false},
        {"k=\\?", "k=?", true},
        {"k=\\?", "k=y", false},
        {"k=a\\\\b", "k=a\\b", true},
        {"k=x\\", "k=x\\", true},
        {"k=*x*y", "k=1x2x3y", true},
        {"k=*x*y", "k=1x2x3", false},
        {"k=**", "k=", true},
        {"k=%41", "k=A", false},
        {"x=1|y=2", "y=2", true},
        {"*", "", false},
        {"*", "&&", false},
        {"*", "&a&", true},
    };
    struct fixture f;
    struct list l;
    struct rule rule = {.when.query = *list_of(&l, "*")};

    (void)state;
    check_values(cases, array_len(cases), run_query);
    setup(&f);
    f.req.query = (struct str){NULL, 0};
    assert_false(rule_matches(&rule, &f.in, NULL));
    teardown(&f);
}

static bool
run_header(const struct value_case *c)
{
    struct fixture f;
    struct list l;
    struct rule_header_condition header = {STR("x-env"), *list_of(&l, c->values)};
    struct rule rule = {.when = {.headers = &header, .header_count = 1}};
    struct str rest = str_from(c->text), value;
    bool done = false, matched;

    setup(&f);
    add_header(&f, "Other", "prod");
    while (str_split_next(&rest, '|', &done, &value))
        assert_int_equal(http_headers_add(&f.req.headers, STR("X-ENV"), value), 0);
    matched = rule_matches(&rule, &f.in, NULL);
    teardown(&f);
    return matched;
}

static void
header_ignores_case_and_tries_every_line(void **state)
{
    static const struct value_case cases[] = {
        {"prod*", "production", true},
        {"prod*", "PROD", true},
        {"prod*", "test|prod", true},
        {"prod*", "test|dev", false},
        {"a|b", "b", true},
        {"", "", true},
        {"?", "", false},
        {"x y", "x y", true},
    };

    (void)state;
    check_values(cases, array_len(cases), run_header);
}

static void
dropped_headers_are_invisible(void **state)
{
    struct fixture f;
    struct list l;
    struct rule_header_condition header = {STR("x-env"), *list_of(&l, "prod")};
    struct rule rule = {.when = {.headers = &header, .header_count = 1}};

    (void)state;
    setup(&f);
    add_header(&f, "X-Env", "prod");
    assert_true(rule_matches(&rule, &f.in, NULL));
    f.req.headers.fields[0].is_dropped = true;
    assert_false(rule_matches(&rule, &f.in, NULL));
    teardown(&f);
}

static void
header_conditions_must_all_hold(void **state)
{
    struct fixture f;
    struct list a, b;
    struct rule_header_condition headers[] = {{STR("x-a"), *list_of(&a, "1")},
                                              {STR("x-b"), *list_of(&b, "2")}};
    struct rule rule = {.when = {.headers = headers, .header_count = 2}};

    (void)state;
    setup(&f);
    add_header(&f, "x-a", "1");
    assert_false(rule_matches(&rule, &f.in, NULL));
    add_header(&f, "x-b", "2");
    assert_true(rule_matches(&rule, &f.in, NULL));
    teardown(&f);
}

static void
source_ip_matches_networks(void **state)
{
    static const struct {
        const char *client;
        bool want;
    } cases[] = {
        {"10.1.2.3:1", true},       {"10.2.0.1:1", false},         {"[2001:db8::5]:1", true},
        {"[2001:db9::5]:1", false}, {"[::ffff:10.1.2.3]:1", true},
    };
    struct fixture f;
    struct cidr nets[2];
    struct rule rule = {.when = {.source_ips = nets, .source_ip_count = 2}};

    (void)state;
    assert_int_equal(cidr_parse(STR("10.1.0.0/16"), &nets[0]), 0);
    assert_int_equal(cidr_parse(STR("2001:db8::/32"), &nets[1]), 0);
    setup(&f);
    for (size_t i = 0; i < array_len(cases); i++) {
        assert_int_equal(addr_parse(str_from(cases[i].client), &f.client), 0);
        if (rule_matches(&rule, &f.in, NULL) != cases[i].want)
            fail_msg("%s", cases[i].client);
    }
    f.in.client = NULL;
    assert_false(rule_matches(&rule, &f.in, NULL));
    teardown(&f);
}

static void
vpc_endpoint_is_exact_and_must_be_known(void **state)
{
    struct fixture f;
    struct list l;
    struct rule rule = {.when.vpc_endpoint = *list_of(&l, "vpce-0123456789abcdef0|vpce-1|")};

    (void)state;
    setup(&f);
    assert_false(rule_matches(&rule, &f.in, NULL));
    f.in.vpce_id = STR("vpce-1");
    assert_true(rule_matches(&rule, &f.in, NULL));
    f.in.vpce_id = STR("vpce-11");
    assert_false(rule_matches(&rule, &f.in, NULL));
    f.in.vpce_id = STR("VPCE-1");
    assert_false(rule_matches(&rule, &f.in, NULL));
    teardown(&f);
}

/* ---- client certificate ---- */

static struct str cns[] = {STR_INIT("alice"), STR_INIT("Alice Liddell")};
static struct str ous[] = {STR_INIT("client-3")};
static struct str orgs[] = {STR_INIT("mTLS")};
static struct str issuer_cns[] = {STR_INIT("Test CA")};
static struct str dns[] = {STR_INIT("Client.Example.Test"), STR_INIT("*.wild.test")};
static struct str uris[] = {STR_INIT("spiffe://td.test/ns/prod/sa/api")};
static struct str two_uris[] = {STR_INIT("spiffe://td.test/ns/prod/sa/api"),
                                STR_INIT("https://id.example/Users/7")};
static struct str emails[] = {STR_INIT("alice@example.test")};
static struct str ips[] = {STR_INIT("192.0.2.7")};
static struct str oids[] = {STR_INIT("1.2.3.4")};

static const struct identity alice = {
    .serial = STR_INIT("03A5B1"),
    .subject_cn = {cns, 2},
    .subject_ou = {ous, 1},
    .subject_o = {orgs, 1},
    .issuer_cn = {issuer_cns, 1},
    .san_dns = {dns, 2},
    .san_uri = {uris, 1},
    .san_email = {emails, 1},
    .san_ip = {ips, 1},
    .policy_oids = {oids, 1},
    .sha256 = {0xab, 0xcd},
    .spki_sha256 = {0x01},
};

struct cert_case {
    size_t field; /* offset of the str_list */
    const char *values;
    bool want;
};

#define FIELD(name) offsetof(struct rule_cert_condition, name)

static const struct cert_case cert_cases[] = {
    {FIELD(subject_cn), "alice", true},
    {FIELD(subject_cn), "Alice*", true},
    {FIELD(subject_cn), "ALICE", false},
    {FIELD(subject_cn), "al?ce", true},
    {FIELD(subject_cn), "bob|alice", true},
    {FIELD(subject_cn), "alic", false},
    {FIELD(subject_ou), "client-?", true},
    {FIELD(subject_ou), "client", false},
    {FIELD(subject_o), "mTLS", true},
    {FIELD(subject_o), "mtls", false},
    {FIELD(issuer_cn), "Test CA", true},
    {FIELD(issuer_cn), "alice", false},
    {FIELD(issuer_ou), "*", false},
    {FIELD(issuer_o), "*", false},
    {FIELD(san_dns), "client.example.test", true},
    {FIELD(san_dns), "*.EXAMPLE.test", true},
    {FIELD(san_dns), "client.example", false},
    {FIELD(san_dns), "x.wild.test", false},
    {FIELD(san_uri), "spiffe://td.test/ns/prod/sa/api", true},
    {FIELD(san_uri), "spiffe://td.test/ns/prod/sa/*", true},
    {FIELD(san_uri), "spiffe://td.test/ns/prod/*", false},
    {FIELD(san_uri), "spiffe://td.test/ns/prod/sa/ap*", false},
    {FIELD(san_uri), "spiffe://td.test/ns/*/sa/api", false},
    {FIELD(san_uri), "spiffe://*", false},
    {FIELD(san_uri), "spiffe://td.test/ns/prod/sa/api/*", false},
    {FIELD(san_uri), "spiffe://td.test/ns/prod/sa/ap?", false},
    {FIELD(san_uri), "spiffe://TD.test/ns/prod/sa/api", false},
    {FIELD(san_uri), "SPIFFE://td.test/ns/prod/sa/*", false},
    {FIELD(san_email), "*@example.test", true},
    {FIELD(san_email), "bob@example.test", false},
    {FIELD(san_ip), "192.0.2.7", true},
    {FIELD(san_ip), "192.0.2.*", false},
    {FIELD(policy_oids), "1.2.3.4", true},
    {FIELD(policy_oids), "1.2.3", false},
    {FIELD(policy_oids), "1.2.*", false},
    {FIELD(serial), "03A5B1", true},
    {FIELD(serial), "3A5B1", false},
    {FIELD(serial), "03a5b1", false},
    {FIELD(sha256), "abcd000000000000000000000000000000000000000000000000000000000000", true},
    {FIELD(sha256), "ABCD000000000000000000000000000000000000000000000000000000000000", false},
    {FIELD(sha256), "abcd", false},
    {FIELD(spki_sha256), "0100000000000000000000000000000000000000000000000000000000000000", true},
    {FIELD(spki_sha256), "abcd000000000000000000000000000000000000000000000000000000000000", false},
};

static void
certificate_fields_are_typed(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    f.in.identity = &alice;
    for (size_t i = 0; i < array_len(cert_cases); i++) {
        const struct cert_case *c = &cert_cases[i];
        struct rule rule = {.when.cert.is_set = true};
        struct list l;

        *(struct str_list *)(void *)((char *)&rule.when.cert + c->field) = *list_of(&l, c->values);
        if (rule_matches(&rule, &f.in, NULL) != c->want)
            fail_msg("case %zu: \"%s\"", i, c->values);
    }
    teardown(&f);
}

/* Two URIs: one may be compared with each, but they are no SPIFFE identity. */
static void
a_certificate_with_two_uris_has_no_spiffe_id(void **state)
{
    static const struct cert_case cases[] = {
        {FIELD(san_uri), "https://id.example/Users/*", true},
        {FIELD(san_uri), "https://id.example/users/*", false},
        {FIELD(san_uri), "spiffe://td.test/ns/prod/sa/api", false},
        {FIELD(san_uri), "spiffe://td.test/ns/prod/sa/*", false},
        {FIELD(san_uri), "spiffe://td.test/ns/prod/sa/api|https://id.example/*", true},
    };
    struct identity two = alice;
    struct fixture f;

    (void)state;
    setup(&f);
    two.san_uri = (struct identity_list){two_uris, 2};
    f.in.identity = &two;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct rule rule = {.when.cert.is_set = true};
        struct list l;

        rule.when.cert.san_uri = *list_of(&l, cases[i].values);
        if (rule_matches(&rule, &f.in, NULL) != cases[i].want)
            fail_msg("\"%s\"", cases[i].values);
    }
    teardown(&f);
}

static void
certificate_condition_needs_a_certificate(void **state)
{
    struct fixture f;
    struct rule rule = {.when.cert.is_set = true};

    (void)state;
    setup(&f);
    assert_false(rule_matches(&rule, &f.in, NULL));
    f.in.identity = &alice;
    assert_true(rule_matches(&rule, &f.in, NULL));
    teardown(&f);
}

static void
certificate_fields_must_all_hold(void **state)
{
    struct fixture f;
    struct list cn, ou, serial;
    struct rule rule = {.when.cert = {.is_set = true,
                                      .subject_cn = *list_of(&cn, "alice"),
                                      .subject_ou = *list_of(&ou, "client-3"),
                                      .serial = *list_of(&serial, "03A5B1")}};

    (void)state;
    setup(&f);
    f.in.identity = &alice;
    assert_true(rule_matches(&rule, &f.in, NULL));
    ou.items[0] = STR("client-4");
    assert_false(rule_matches(&rule, &f.in, NULL));
    ou.items[0] = STR("client-3");
    serial.items[0] = STR("03A5B2");
    assert_false(rule_matches(&rule, &f.in, NULL));
    teardown(&f);
}

/* ---- the whole rule ---- */

struct steps {
    char text[512];
    const struct rule *rule;
};

static void
on_step(void *arg, const struct rule *rule, const char *condition, bool matched)
{
    struct steps *s = arg;
    size_t len = strlen(s->text);

    s->rule = rule;
    snprintf(s->text + len, sizeof(s->text) - len, "%s=%d ", condition, matched);
}

static void
trace_names_each_condition_up_to_the_first_failure(void **state)
{
    struct fixture f;
    struct list path, host, method, query, dns_names, endpoints, values;
    struct cidr net;
    struct rule_header_condition header = {STR("x-env"), *list_of(&values, "prod")};
    struct rule rule = {.when = {.path = *list_of(&path, "/widgets*"),
                                 .host = *list_of(&host, "api.*"),
                                 .method = *list_of(&method, "GET"),
                                 .query = *list_of(&query, "v=1"),
                                 .vpc_endpoint = *list_of(&endpoints, "vpce-1"),
                                 .headers = &header,
                                 .header_count = 1,
                                 .source_ips = &net,
                                 .source_ip_count = 1}};
    struct steps steps = {.text = ""};
    struct rule_trace trace = {on_step, &steps};

    (void)state;
    setup(&f);
    assert_int_equal(cidr_parse(STR("10.0.0.0/8"), &net), 0);
    rule.when.cert =
        (struct rule_cert_condition){.is_set = true, .san_dns = *list_of(&dns_names, "*.test")};
    add_header(&f, "X-Env", "prod");
    f.req.query = STR("v=1");
    f.in.vpce_id = STR("vpce-1");
    f.in.identity = &alice;
    assert_true(rule_matches(&rule, &f.in, &trace));
    assert_string_equal(steps.text, "method=1 host=1 path=1 source_ip=1 vpc_endpoint=1 header=1 "
                                    "query=1 client_certificate.san_dns=1 ");
    assert_ptr_equal(steps.rule, &rule);
    steps.text[0] = '\0';
    f.req.route_path = STR("/other");
    assert_false(rule_matches(&rule, &f.in, &trace));
    assert_string_equal(steps.text, "method=1 host=1 path=0 ");
    steps.text[0] = '\0';
    f.req.route_path = STR("/widgets");
    f.in.identity = NULL;
    assert_false(rule_matches(&rule, &f.in, &trace));
    assert_non_null(strstr(steps.text, "query=1 client_certificate=0 "));
    teardown(&f);
}

static void
rule_without_conditions_matches_all(void **state)
{
    struct fixture f;
    struct rule rule = {.priority = 1};

    (void)state;
    setup(&f);
    assert_true(rule_matches(&rule, &f.in, NULL));
    f.in.client = NULL;
    assert_true(rule_matches(&rule, &f.in, NULL));
    teardown(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(path_has_wildcards_and_case_matters),
        cmocka_unit_test(host_ignores_case_and_port),
        cmocka_unit_test(method_is_exact),
        cmocka_unit_test(query_compares_pairs_or_values),
        cmocka_unit_test(header_ignores_case_and_tries_every_line),
        cmocka_unit_test(dropped_headers_are_invisible),
        cmocka_unit_test(header_conditions_must_all_hold),
        cmocka_unit_test(source_ip_matches_networks),
        cmocka_unit_test(vpc_endpoint_is_exact_and_must_be_known),
        cmocka_unit_test(certificate_fields_are_typed),
        cmocka_unit_test(a_certificate_with_two_uris_has_no_spiffe_id),
        cmocka_unit_test(certificate_condition_needs_a_certificate),
        cmocka_unit_test(certificate_fields_must_all_hold),
        cmocka_unit_test(trace_names_each_condition_up_to_the_first_failure),
        cmocka_unit_test(rule_without_conditions_matches_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
