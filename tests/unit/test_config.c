/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "conf/config.h"

/* ---- a configuration with everything in it ---- */

static const char base_text[] =
    "workers: 4\n"
    "run_as: {user: sallyport, group: gateway}\n"
    "state_dir: state\n"
    "admin: {bind: 127.0.0.1:9901, socket: /run/admin.sock}\n"
    "listeners:\n"
    "  - name: partners\n"
    "    bind: [\"0.0.0.0:8443\", \"[::1]:8443\"]\n"
    "    proxy_protocol: {mode: optional, trusted_sources: [10.0.0.0/8]}\n"
    "    protocols: [h2, http/1.1]\n"
    "    certificates:\n"
    "      - {certificate: server.pem, private_key: /etc/server.key}\n"
    "    tls: {minimum_version: \"1.3\", session_resumption: off}\n"
    "    mutual_authentication:\n"
    "      mode: verify\n"
    "      trust_store: partners\n"
    "      ignore_client_certificate_expiry: true\n"
    "      advertise_trust_store_ca_names: on\n"
    "      report_only: false\n"
    "    rules:\n"
    "      - priority: 20\n"
    "        when:\n"
    "          path: [\"/widgets*\"]\n"
    "          host: [API.example.test]\n"
    "          method: [GET, POST]\n"
    "          header: {name: X-Env, values: [\"prod*\"]}\n"
    "          query: [\"version=2\"]\n"
    "          source_ip: [10.0.0.0/8, \"2001:db8::/32\"]\n"
    "          vpc_endpoint: [vpce-0123456789abcdef0]\n"
    "          client_certificate:\n"
    "            subject_cn: [\"client*\"]\n"
    "            san_ip: [\"2001:DB8:0::7\"]\n"
    "            serial: [\"00:03:a5:b1\"]\n"
    "            policy_oids: [1.2.3]\n"
    "        action: {forward: api}\n"
    "      - priority: 10\n"
    "        when: {path: [\"/secret\"]}\n"
    "        action: deny\n"
    "    default_action: {fixed_response: {status: 404, content_type: text/html, "
    "body: x}}\n"
    "    attributes:\n"
    "      idle_timeout.timeout_seconds: 30\n"
    "      client_keep_alive.seconds: 120\n"
    "      routing.http.xff_header_processing.mode: remove\n"
    "      routing.http.request.x_amzn_mtls_clientcert_leaf.header_name: X-Leaf\n"
    "      routing.http.response.x_frame_options.header_value: DENY\n"
    "trust_stores:\n"
    "  partners:\n"
    "    ca_bundle: ca.pem\n"
    "    crls: [a.crl, lists/]\n"
    "    crl_missing: allow\n"
    "    crl_expired: grace\n"
    "    crl_grace: 12h\n"
    "    max_chain_depth: 3\n"
    "target_groups:\n"
    "  api:\n"
    "    protocol: https\n"
    "    protocol_version: http1\n"
    "    targets: [Api.Internal.:443, 10.0.0.7:8443, \"[2001:db8::1]:443\"]\n"
    "    host_header: ABC.example\n"
    "    tls: {server_name: API.internal, ca_bundle: system}\n"
    "    algorithm: round_robin\n"
    "logging:\n"
    "  level: debug\n"
    "  access: {path: access.log, format: json}\n"
    "  connection: {path: \"-\", format: alb}\n";

#define FILE_NAME "dir/t.yaml"

struct fixture {
    struct diag diag;
    struct config *config;
    int err;
};

static void
parse(struct fixture *f, const char *text)
{
    *f = (struct fixture){0};
    diag_init(&f->diag);
    f->err = config_parse(str_from(text), FILE_NAME, &f->diag, &f->config);
}

static void
done(struct fixture *f)
{
    config_free(f->config);
    diag_done(&f->diag);
}

static void
parse_good(struct fixture *f, const char *text)
{
    parse(f, text);
    if (f->err != 0)
        fail_msg("%s", f->diag.entries[0].text);
    assert_int_equal(f->diag.error_count, 0);
}

/* text with its one occurrence of from replaced; malloc. */
static char *
edited(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    char *result = NULL;

    if (at == NULL || strstr(at + 1, from) != NULL)
        fail_msg("\"%s\" is not there exactly once", from);
    assert_true(asprintf(&result, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) >= 0);
    return result;
}

/* ---- what a good file means ---- */

static void
process_settings_are_read(void **state)
{
    struct fixture f;
    char text[ADDR_TEXT_MAX];

    (void)state;
    parse_good(&f, base_text);
    assert_int_equal(f.config->workers, 4);
    assert_string_equal(f.config->run_as.user, "sallyport");
    assert_string_equal(f.config->run_as.group, "gateway");
    assert_string_equal(f.config->state_dir, "dir/state");
    addr_format(&f.config->admin.bind.addr, text);
    assert_string_equal(text, "127.0.0.1:9901");
    assert_string_equal(f.config->admin.socket, "/run/admin.sock");
    assert_int_equal(f.config->logging.level, LOG_DEBUG);
    assert_string_equal(f.config->logging.access.path, "dir/access.log");
    assert_int_equal(f.config->logging.access.format, LOG_FORMAT_JSON);
    assert_string_equal(f.config->logging.connection.path, "-");
    assert_int_equal(f.config->logging.connection.format, LOG_FORMAT_ALB);
    assert_string_equal(f.config->file, FILE_NAME);
    assert_string_equal(f.config->dir, "dir");
    done(&f);
}

static void
listeners_are_read(void **state)
{
    struct fixture f;
    const struct config_listener *l;
    char text[ADDR_TEXT_MAX];

    (void)state;
    parse_good(&f, base_text);
    assert_int_equal(f.config->listener_count, 1);
    l = &f.config->listeners[0];
    assert_string_equal(l->name, "partners");
    assert_int_equal(l->pos.line, 6);
    assert_int_equal(l->address_count, 2);
    addr_format(&l->addresses[1].addr, text);
    assert_string_equal(text, "[::1]:8443");
    assert_int_equal(l->proxy.mode, CONFIG_PROXY_OPTIONAL);
    assert_int_equal(l->proxy.source_count, 1);
    assert_int_equal(l->proxy.sources[0].prefix, 8);
    assert_true(l->protocols.has_h2 && l->protocols.has_http11);
    assert_int_equal(l->certificate_count, 1);
    assert_string_equal(l->certificates[0].certificate, "dir/server.pem");
    assert_string_equal(l->certificates[0].private_key, "/etc/server.key");
    assert_int_equal(l->tls.minimum_version, 13);
    assert_int_equal(l->tls.resumption, 0);
    assert_int_equal(l->mutual.mode, MUTUAL_VERIFY);
    assert_int_equal(l->mutual.trust_index, 0);
    assert_true(l->mutual.ignore_expiry && l->mutual.advertise_ca_names);
    assert_false(l->mutual.report_only);
    done(&f);
}

static void
rules_are_in_the_order_of_their_priority(void **state)
{
    struct fixture f;
    const struct config_listener *l;

    (void)state;
    parse_good(&f, base_text);
    l = &f.config->listeners[0];
    assert_int_equal(l->rule_count, 2);
    assert_int_equal(l->rules[0].priority, 10);
    assert_int_equal(l->rules[0].action.kind, ACTION_DENY);
    assert_int_equal(l->rules[1].priority, 20);
    assert_int_equal(l->rules[1].action.kind, ACTION_FORWARD);
    assert_int_equal(l->rules[1].action.forward_count, 1);
    assert_int_equal(l->rules[1].action.forward[0].index, 0);
    assert_int_equal(l->rules[1].action.forward[0].weight, 1);
    assert_int_equal(l->default_action.kind, ACTION_FIXED_RESPONSE);
    assert_int_equal(l->default_action.status, 404);
    assert_str_equal(config_content_type(l->default_action.content_type), STR("text/html"));
    assert_str_equal(l->default_action.body, STR("x"));
    done(&f);
}

static void
conditions_are_canonical(void **state)
{
    struct fixture f;
    const struct rule_conditions *c;

    (void)state;
    parse_good(&f, base_text);
    c = &f.config->listeners[0].rules[1].when;
    assert_str_equal(c->path.items[0], STR("/widgets*"));
    assert_str_equal(c->host.items[0], STR("api.example.test"));
    assert_int_equal(c->method.count, 2);
    assert_int_equal(c->header_count, 1);
    assert_str_equal(c->headers[0].name, STR("x-env"));
    assert_str_equal(c->headers[0].values.items[0], STR("prod*"));
    assert_str_equal(c->query.items[0], STR("version=2"));
    assert_int_equal(c->source_ip_count, 2);
    assert_int_equal(c->source_ips[1].ip_len, 16);
    assert_str_equal(c->vpc_endpoint.items[0], STR("vpce-0123456789abcdef0"));
    assert_true(c->cert.is_set);
    assert_str_equal(c->cert.subject_cn.items[0], STR("client*"));
    assert_str_equal(c->cert.san_ip.items[0], STR("2001:db8::7"));
    assert_str_equal(c->cert.serial.items[0], STR("03A5B1"));
    assert_str_equal(c->cert.policy_oids.items[0], STR("1.2.3"));
    assert_false(f.config->listeners[0].rules[0].when.cert.is_set);
    done(&f);
}

static void
attributes_are_read(void **state)
{
    struct fixture f;
    const struct config_attributes *a;

    (void)state;
    parse_good(&f, base_text);
    a = &f.config->listeners[0].attributes;
    assert_int_equal(a->idle_timeout_s, 30);
    assert_int_equal(a->client_keep_alive_s, 120);
    assert_int_equal(a->xff_mode, XFF_REMOVE);
    assert_str_equal(a->names.leaf, STR("X-Leaf"));
    assert_str_equal(a->names.serial, forward_names_default.serial);
    assert_int_equal(a->override_count, 1);
    assert_str_equal(a->overrides[0].name, STR("X-Frame-Options"));
    assert_str_equal(a->overrides[0].value, STR("DENY"));
    assert_true(a->sends_server && a->has_http2);
    assert_false(a->sends_tls_headers || a->xff_client_port);
    assert_true(a->preserves_host);
    done(&f);
}

static void
trust_stores_and_target_groups_are_read(void **state)
{
    struct fixture f;
    const struct config_trust_store *t;
    const struct config_target_group *g;

    (void)state;
    parse_good(&f, base_text);
    t = &f.config->trust_stores[0];
    assert_string_equal(t->name, "partners");
    assert_string_equal(t->ca_bundle, "dir/ca.pem");
    assert_int_equal(t->crl_count, 2);
    assert_string_equal(t->crls[1].path, "dir/lists/");
    assert_int_equal(t->crl_missing, CRL_MISSING_ALLOW);
    assert_int_equal(t->crl_expired, CRL_EXPIRED_GRACE);
    assert_int_equal(t->crl_grace_ms, 12 * 3600 * 1000);
    assert_int_equal(t->max_chain_depth, 3);
    g = &f.config->target_groups[0];
    assert_string_equal(g->name, "api");
    assert_int_equal(g->protocol, 1);
    assert_int_equal(g->target_count, 3);
    assert_string_equal(g->targets[0].name, "api.internal");
    assert_int_equal(g->targets[0].port, 443);
    assert_false(g->targets[0].is_address);
    assert_string_equal(g->targets[1].name, "10.0.0.7");
    assert_true(g->targets[1].is_address);
    assert_int_equal(addr_port(&g->targets[1].address), 8443);
    assert_string_equal(g->targets[2].name, "2001:db8::1");
    assert_string_equal(g->host_header, "abc.example");
    assert_string_equal(g->tls.server_name, "api.internal");
    assert_null(g->tls.ca_bundle);
    done(&f);
}

static const char least[] = "listeners:\n"
                            "  - name: a\n"
                            "    bind: 127.0.0.1:8443\n"
                            "    certificates: [{certificate: s.pem, private_key: s.key}]\n"
                            "    default_action: {forward: g}\n"
                            "target_groups:\n"
                            "  g: {targets: [t:80]}\n";

static void
what_is_not_said_has_its_default(void **state)
{
    struct fixture f;
    const struct config_listener *l;

    (void)state;
    parse_good(&f, least);
    assert_int_equal(f.diag.count, 0);
    assert_int_equal(f.config->workers, 0);
    assert_null(f.config->run_as.user);
    assert_null(f.config->state_dir);
    assert_int_equal(f.config->admin.bind.addr.len, 0);
    assert_null(f.config->admin.socket);
    assert_int_equal(f.config->trust_store_count, 0);
    assert_int_equal(f.config->logging.level, LOG_INFO);
    assert_null(f.config->logging.access.path);
    assert_null(f.config->logging.connection.path);
    l = &f.config->listeners[0];
    assert_int_equal(l->proxy.mode, CONFIG_PROXY_OFF);
    assert_true(l->protocols.has_h2 && l->protocols.has_http11);
    assert_int_equal(l->tls.minimum_version, 12);
    assert_int_equal(l->tls.resumption, 1);
    assert_int_equal(l->mutual.mode, MUTUAL_OFF);
    assert_int_equal(l->mutual.trust_index, -1);
    assert_int_equal(l->attributes.idle_timeout_s, 60);
    assert_int_equal(l->attributes.client_keep_alive_s, 3600);
    assert_int_equal(l->attributes.xff_mode, XFF_APPEND);
    assert_true(l->attributes.sends_server && l->attributes.has_http2);
    assert_str_equal(l->attributes.names.chain, forward_names_default.chain);
    assert_int_equal(f.config->target_groups[0].protocol, 1);
    assert_null(f.config->target_groups[0].host_header);
    assert_null(f.config->target_groups[0].tls.server_name);
    done(&f);
}

/* Edits of base_text that stay good. */
struct edit {
    const char *from;
    const char *to;
};

static const struct edit good_edits[] = {
    {"workers: 4", "workers: auto"},
    {"workers: 4", "workers: \"4\""},
    {"workers: 4", "workers: 64"},
    {"[\"0.0.0.0:8443\", \"[::1]:8443\"]", "\"[::]:8443\""},
    {"[\"0.0.0.0:8443\", \"[::1]:8443\"]", "\":8443\""},
    {"mode: optional, trusted", "mode: off, trusted"},
    {"[h2, http/1.1]", "[http/1.1]"},
    {"[h2, http/1.1]", "[h2]"},
    {"minimum_version: \"1.3\"", "minimum_version: 1.2"},
    {"mode: verify", "mode: optional"},
    {"priority: 20", "priority: 50000"},
    {"[\"/widgets*\"]", "[\"*\"]"},
    {"[API.example.test]", "[\"*.example.test\", localhost, \"a?c.test.\"]"},
    {"[GET, POST]", "[M-SEARCH]"},
    {"{name: X-Env, values: [\"prod*\"]}",
     "[{name: X-Env, values: [a]}, {name: X-Other, values: [b, c]}]"},
    {"action: {forward: api}", "action: {forward: [{target_group: api, weight: 7}]}"},
    {"action: {forward: api}", "action: {deny: true}"},
    {"action: deny", "action: {fixed_response: {status: 200, body: \"\"}}"},
    {"action: deny", "action: {fixed_response: {status: 503, content_type: application/json}}"},
    {"status: 404, content", "status: 599, content"},
    {"idle_timeout.timeout_seconds: 30", "idle_timeout.timeout_seconds: \"4000\""},
    {"header_name: X-Leaf", "header_name: \"\""},
    {"header_name: X-Leaf", "header_name: X-Amzn-Mtls-Clientcert-Leaf"},
    {"header_value: DENY", "header_value: \"\""},
    {"routing.http.xff_header_processing.mode: remove",
     "routing.http.desync_mitigation_mode: strictest"},
    {"routing.http.xff_header_processing.mode: remove",
     "routing.http.drop_invalid_header_fields.enabled: false"},
    {"routing.http.xff_header_processing.mode: remove", "routing.http2.enabled: \"true\""},
    {"crl_grace: 12h", "crl_grace: 1000ms"},
    {"max_chain_depth: 3", "max_chain_depth: 8"},
    {"host_header: ABC.example", "host_header: preserve"},
    {"host_header: ABC.example", "host_header: abc.example:8443"},
    {"server_name: API.internal, ", ""},
    {"server_name: API.internal", "server_name: \"[2001:db8::1]\""},
    {"ca_bundle: system", "ca_bundle: ca.pem, client_certificate: a, client_private_key: b"},
    {"path: access.log, format: json", "path: \"-\""},
};

static void
good_variations_are_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(good_edits); i++) {
        char *text = edited(base_text, good_edits[i].from, good_edits[i].to);
        struct fixture f;

        parse(&f, text);
        if (f.err != 0)
            fail_msg("%s: %s", good_edits[i].to, f.diag.entries[0].text);
        done(&f);
        free(text);
    }
}

static void
http2_goes_when_its_attribute_is_off(void **state)
{
    char *text = edited(least, "    default_action",
                        "    attributes: {routing.http2.enabled: false}\n    default_action");
    struct fixture f;

    (void)state;
    parse_good(&f, text);
    assert_false(f.config->listeners[0].protocols.has_h2);
    assert_true(f.config->listeners[0].protocols.has_http11);
    done(&f);
    free(text);
}

/* ---- what is refused ---- */

struct bad_edit {
    const char *from;
    const char *to;
    const char *at;
    const char *words;
};

static const struct bad_edit bad_edits[] = {
#include "unit/config_bad.def"
};

/* "LINE:COLUMN: text" of the first error. */
static const char *
first_error(const struct fixture *f)
{
    for (size_t i = 0; i < f->diag.count; i++) {
        const char *text = f->diag.entries[i].text;

        if (f->diag.entries[i].is_warning)
            continue;
        assert_true(strncmp(text, FILE_NAME ":", strlen(FILE_NAME ":")) == 0);
        return text + strlen(FILE_NAME ":");
    }
    return "no error";
}

static void
every_mistake_is_told_with_its_place(void **state)
{
    int failures = 0;

    (void)state;
    for (size_t i = 0; i < array_len(bad_edits); i++) {
        const struct bad_edit *e = &bad_edits[i];
        char *text = edited(base_text, e->from, e->to);
        struct fixture f;
        const char *got;

        parse(&f, text);
        got = first_error(&f);
        if (f.err != GW_E_CONFIG || strncmp(got, e->at, strlen(e->at)) != 0 ||
            got[strlen(e->at)] != ':' || strstr(got, e->words) == NULL) {
            print_error("%s\n  got  %s\n  want %s: %s\n", e->to, got, e->at, e->words);
            failures++;
        }
        assert_true(f.err == 0 || f.config == NULL);
        done(&f);
        free(text);
    }
    assert_int_equal(failures, 0);
}

static void
all_mistakes_are_told_at_once(void **state)
{
    static const char text[] = "worker: 3\n"
                               "listeners:\n"
                               "  - name: a b\n"
                               "    bind: 127.0.0.1:0\n"
                               "    hosts: [{names: [\"*\"]}]\n"
                               "    tls: {minimum_version: \"1.1\"}\n"
                               "    mutual_authentication: {mode: verify}\n"
                               "target_groups:\n"
                               "  g: {targets: []}\n";
    static const char *const want[] = {
        "dir/t.yaml:1:1: unknown key \"worker\"; did you mean \"workers\"?",
        "dir/t.yaml:3:11: listeners[0].name: \"a b\" is not a name",
        "dir/t.yaml:4:11: listeners[0].bind: port 0 is no port; expected 1 to 65535",
        "dir/t.yaml:3:5: listeners[0]: \"certificates\" is missing",
        "dir/t.yaml:6:28: listeners[0].tls.minimum_version: expected 1.2 or 1.3, found \"1.1\"",
        "dir/t.yaml:5:22: listeners[0].hosts[0].names[0]: expected a host name such as",
        "dir/t.yaml:9:16: target_groups.g.targets: must not be empty",
        "dir/t.yaml:3:5: listeners[0]: needs rules or a default_action",
        "dir/t.yaml:7:28: listeners[0].mutual_authentication: this mode judges certificates",
    };
    struct fixture f;

    (void)state;
    parse(&f, text);
    assert_int_equal(f.err, GW_E_CONFIG);
    for (size_t i = 0; i < array_len(want); i++) {
        bool is_told = false;

        for (size_t j = 0; j < f.diag.count; j++)
            is_told |= strncmp(f.diag.entries[j].text, want[i], strlen(want[i])) == 0;
        if (!is_told)
            fail_msg("not told: %s", want[i]);
    }
    assert_int_equal(f.diag.error_count, array_len(want));
    done(&f);
}

static void
two_listeners_must_differ(void **state)
{
    static const char more[] = "  - name: %s\n"
                               "    bind: %s\n"
                               "    certificates: [{certificate: s.pem, private_key: s.key}]\n"
                               "    default_action: {forward: api}\n"
                               "trust_stores:\n";
    static const char *const rows[][3] = {
        {"other", "127.0.0.1:8443", NULL},
        {"other", "\"0.0.0.0:8443\"",
         "46:11: listeners[1]: 0.0.0.0:8443 is bound already, in line 7"},
        {"other", "\"[::1]:8443\"", "46:11: listeners[1]: [::1]:8443 is bound already, in line 7"},
        {"other", "\"[::ffff:0.0.0.0]:8443\"", "46:11: listeners[1]: 0.0.0.0:8443 is bound"},
        {"other", "127.0.0.1:9901", "46:11: listeners[1]: 127.0.0.1:9901 is the admin address"},
        {"other", "[\"1.2.3.4:1\", \"1.2.3.4:1\"]", "46:25: listeners[1]: 1.2.3.4:1 is bound"},
        {"partners", "127.0.0.1:1", "45:5: listeners[1]: the listener in line 6 is called"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        char *listener = NULL;
        char *text;
        struct fixture f;

        assert_true(asprintf(&listener, more, rows[i][0], rows[i][1]) >= 0);
        text = edited(base_text, "trust_stores:\n", listener);
        parse(&f, text);
        if (rows[i][2] == NULL)
            assert_int_equal(f.err, 0);
        else if (strncmp(first_error(&f), rows[i][2], strlen(rows[i][2])) != 0)
            fail_msg("got %s, want %s", first_error(&f), rows[i][2]);
        done(&f);
        free(text);
        free(listener);
    }
}

static void
only_root_is_told_to_become_somebody(void **state)
{
    struct fixture f;
    bool is_warned = false;

    (void)state;
    parse_good(&f, base_text);
    for (size_t i = 0; i < f.diag.count; i++)
        is_warned |= strstr(f.diag.entries[i].text, "2:9: run_as: has no effect") != NULL;
    assert_int_equal(is_warned, geteuid() != 0);
    done(&f);
}

static void
what_nobody_uses_is_warned_of(void **state)
{
    char *text = edited(base_text, "logging:\n", "  idle: {targets: [t:80]}\nlogging:\n");
    struct fixture f;
    bool is_warned = false;

    (void)state;
    parse_good(&f, text);
    for (size_t i = 0; i < f.diag.count; i++)
        is_warned |=
            strstr(f.diag.entries[i].text, "target_groups.idle: no action forwards") != NULL;
    assert_true(is_warned);
    done(&f);
    free(text);
}

/* ---- files ---- */

static double
cpu_ms(void)
{
    return (double)clock() * 1000.0 / CLOCKS_PER_SEC;
}

static void
refuse_file(const char *path, const char *words)
{
    struct diag diag;
    struct config *config = NULL;
    double before = cpu_ms();

    diag_init(&diag);
    assert_int_equal(config_load(path, &diag, &config), GW_E_CONFIG);
    assert_true(cpu_ms() - before < 1000); /* quadratic takes many times that */
    assert_null(config);
    assert_int_equal(diag.error_count, 1);
    if (strncmp(diag.entries[0].text, path, strlen(path)) != 0 ||
        strstr(diag.entries[0].text, words) == NULL)
        fail_msg("got %s, want %s", diag.entries[0].text, words);
    diag_done(&diag);
}

static void
what_is_no_plain_file_is_refused_without_waiting(void **state)
{
    char *dir = unit_tmp_new();
    char *fifo = unit_path(dir, "fifo");
    char *huge = unit_path(dir, "huge");
    char *gone = unit_path(dir, "gone");
    char *open_to_all = unit_write_file(dir, "open", str_from(least));
    char *empty = unit_write_file(dir, "empty", STR(""));
    int fd = open(huge, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    (void)state;
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 100 << 20), 0);
    close(fd);
    assert_int_equal(chmod(open_to_all, 0666), 0);
    refuse_file(fifo, "is a FIFO");
    refuse_file(dir, "is a directory");
    refuse_file("/dev/zero", "is a device");
    refuse_file(huge, "has 104857600 bytes; at most 1048576 are accepted");
    refuse_file(gone, "cannot be opened");
    refuse_file(open_to_all, "writable by everyone");
    refuse_file(empty, "is empty");
    free(fifo);
    free(huge);
    free(gone);
    free(open_to_all);
    free(empty);
    unit_tmp_done(dir);
}

static void
a_file_is_read_like_its_text(void **state)
{
    char *dir = unit_tmp_new();
    char *path = unit_write_file(dir, "t.yaml", str_from(least));
    char *want = unit_path(dir, "s.pem");
    struct diag diag;
    struct config *config = NULL;

    (void)state;
    diag_init(&diag);
    assert_int_equal(config_load(path, &diag, &config), 0);
    assert_string_equal(config->listeners[0].certificates[0].certificate, want);
    config_free(config);
    diag_done(&diag);
    free(want);
    free(path);
    unit_tmp_done(dir);
}

/* ---- damage ---- */

static void
parse_anything(void *arg, struct str text)
{
    struct diag diag;
    struct config *config = NULL;
    int err;

    (void)arg;
    diag_init(&diag);
    err = config_parse(text, "t", &diag, &config);
    assert_true((err == 0) == (diag.error_count == 0));
    assert_true((err == 0) == (config != NULL));
    config_free(config);
    diag_done(&diag);
}

static void
cut_and_damaged_files_are_survived(void **state)
{
    (void)state;
    for_each_truncation(str_from(base_text), parse_anything, NULL);
    for_each_bit_flip(str_from(base_text), parse_anything, NULL);
}

/* Many mistakes in a small file must not take long to tell. */
static void
a_file_full_of_mistakes_is_read_in_no_time(void **state)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    double before;

    (void)state;
    assert_non_null(out);
    for (int i = 0; i < 24000; i++)
        fprintf(out, "listenerz%d: x\n", i);
    assert_int_equal(fclose(out), 0);
    before = cpu_ms();
    parse_anything(NULL, str_make(text, len));
    assert_true(cpu_ms() - before < 1000); /* quadratic takes many times that */
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(process_settings_are_read),
        cmocka_unit_test(listeners_are_read),
        cmocka_unit_test(rules_are_in_the_order_of_their_priority),
        cmocka_unit_test(conditions_are_canonical),
        cmocka_unit_test(attributes_are_read),
        cmocka_unit_test(trust_stores_and_target_groups_are_read),
        cmocka_unit_test(what_is_not_said_has_its_default),
        cmocka_unit_test(good_variations_are_accepted),
        cmocka_unit_test(http2_goes_when_its_attribute_is_off),
        cmocka_unit_test(every_mistake_is_told_with_its_place),
        cmocka_unit_test(all_mistakes_are_told_at_once),
        cmocka_unit_test(two_listeners_must_differ),
        cmocka_unit_test(only_root_is_told_to_become_somebody),
        cmocka_unit_test(what_nobody_uses_is_warned_of),
        cmocka_unit_test(what_is_no_plain_file_is_refused_without_waiting),
        cmocka_unit_test(a_file_is_read_like_its_text),
        cmocka_unit_test(cut_and_damaged_files_are_survived),
        cmocka_unit_test(a_file_full_of_mistakes_is_read_in_no_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
