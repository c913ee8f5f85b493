/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/digest.h"
#include "conf/snapshot.h"
#include "conf/snapshot_priv.h"
#include "support/pki.h"

#define DAY_S 86400

/* ---- certificates and lists, made once ---- */

struct files {
    char *dir;
    struct pki_cert *root, *ca, *other, *server, *client;
    int64_t now_s;
};

static struct files files;

static char *
path_of(const char *name)
{
    return unit_path(files.dir, name);
}

static void
write_list(const char *name, const struct pki_cert *issuer, const struct pki_cert *revoked,
           const struct pki_crl_spec *like)
{
    struct pki_crl_entry entry = {.cert = revoked};
    struct pki_crl_spec spec = *like;
    char *path = path_of(name);

    spec.entries = &entry;
    spec.entry_count = revoked != NULL;
    pki_crl_write(path, true, &spec, issuer);
    free(path);
}

static int
make_files(void **state)
{
    char *ca = NULL;
    char *other = NULL;
    char *lists = NULL;
    const struct pki_crl_spec plain = {0};

    (void)state;
    files.dir = unit_tmp_new();
    files.now_s = wall_s();
    files.root = pki_root("Snapshot Root");
    files.ca = pki_intermediate(files.root, "Snapshot CA");
    files.other = pki_root("Other Root");
    files.server = pki_server(files.root, "localhost,127.0.0.1");
    files.client = pki_client(files.ca, "client");
    ca = path_of("ca.pem");
    other = path_of("other.pem");
    lists = path_of("lists");
    pki_write_certs(ca, files.root, files.ca, NULL);
    pki_write_certs(other, files.other, NULL);
    pki_write_pair(files.dir, "server", files.server);
    pki_write_pair(files.dir, "client", files.client);
    assert_int_equal(mkdir(lists, 0755), 0);
    write_list("root.crl", files.root, NULL, &plain);
    write_list("ca.crl", files.ca, NULL, &plain);
    write_list("lists/b-root.crl", files.root, NULL, &plain);
    write_list("lists/a-ca.pem", files.ca, files.client, &plain);
    free(ca);
    free(other);
    free(lists);
    return 0;
}

static int
remove_files(void **state)
{
    (void)state;
    pki_free(files.client);
    pki_free(files.server);
    pki_free(files.other);
    pki_free(files.ca);
    pki_free(files.root);
    unit_tmp_done(files.dir);
    return 0;
}

/* ---- building ---- */

static const char base_text[] =
    "listeners:\n"
    "  - name: partners\n"
    "    bind: [\"127.0.0.1:8443\", \"[::1]:8443\"]\n"
    "    proxy_protocol: {mode: required, trusted_sources: [10.0.0.0/8]}\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: partners}\n"
    "    rules:\n"
    "      - priority: 7\n"
    "        when:\n"
    "          path: [\"/a*\", \"/b\"]\n"
    "          host: [x.test]\n"
    "          method: [GET]\n"
    "          query: [\"k=v\"]\n"
    "          header: {name: X-Env, values: [prod]}\n"
    "          source_ip: [10.0.0.0/8]\n"
    "          vpc_endpoint: [vpce-1]\n"
    "          client_certificate:\n"
    "            subject_cn: [a]\n"
    "            subject_ou: [b]\n"
    "            subject_o: [c]\n"
    "            issuer_cn: [d]\n"
    "            issuer_ou: [e]\n"
    "            issuer_o: [f]\n"
    "            san_dns: [g]\n"
    "            san_uri: [h]\n"
    "            san_email: [i]\n"
    "            san_ip: [10.0.0.1]\n"
    "            serial: [\"01\"]\n"
    "            policy_oids: [1.2]\n"
    "            sha256: [\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"]\n"
    "            spki_sha256: "
    "[\"0011223344556677889900112233445500112233445566778899aabbccddeeff\"]\n"
    "        action: {forward: [{target_group: two, weight: 3}, {target_group: one}]}\n"
    "    default_action: {fixed_response: {status: 503, content_type: text/html, body: later}}\n"
    "    attributes:\n"
    "      idle_timeout.timeout_seconds: 5\n"
    "      routing.http.request.x_amzn_mtls_clientcert_leaf.header_name: X-Leaf\n"
    "      routing.http.response.server.enabled: false\n"
    "      routing.http.response.x_frame_options.header_value: DENY\n"
    "  - name: open\n"
    "    bind: 127.0.0.1:8444\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: passthrough}\n"
    "    default_action: {forward: one}\n"
    "trust_stores:\n"
    "  partners:\n"
    "    ca_bundle: ca.pem\n"
    "    crls: [root.crl, ca.crl]\n"
    "target_groups:\n"
    "  one: {targets: [\"10.0.0.7:443\"], host_header: h.test, tls: {ca_bundle: ca.pem}}\n"
    "  two: {protocol: http, targets: [t.test:80]}\n"
    "logging:\n"
    "  access: {path: \"-\", format: json}\n";

struct built {
    struct diag diag;
    struct snapshot *snapshot;
    int err;
};

static void
build_at(struct built *b, const char *text, const struct snapshot *previous, int64_t now_s)
{
    char *path = path_of("t.yaml");
    struct config *config = NULL;

    *b = (struct built){0};
    diag_init(&b->diag);
    b->err = config_parse(str_from(text), path, &b->diag, &config);
    if (b->err != 0)
        fail_msg("%s", b->diag.entries[0].text);
    b->err = snapshot_build(config, previous, now_s, &b->diag, &b->snapshot);
    assert_int_equal(b->err != 0, b->diag.error_count > 0);
    assert_int_equal(b->err == 0, b->snapshot != NULL);
    free(path);
}

static void
build_good(struct built *b, const char *text, const struct snapshot *previous)
{
    build_at(b, text, previous, files.now_s);
    if (b->err != 0)
        fail_msg("%s", b->diag.entries[0].text);
}

static void
done(struct built *b)
{
    snapshot_unref(b->snapshot);
    diag_done(&b->diag);
}

/* text with its one occurrence of from replaced; malloc. */
static char *
edited(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    char *result = NULL;

    assert_non_null(at);
    assert_null(strstr(at + 1, from));
    assert_true(asprintf(&result, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) >= 0);
    return result;
}

static void
refuse(const char *from, const char *to, const char *words)
{
    char *text = edited(base_text, from, to);
    struct built b;
    bool is_told = false;

    build_at(&b, text, NULL, files.now_s);
    assert_int_equal(b.err, GW_E_CONFIG);
    for (size_t i = 0; i < b.diag.count; i++)
        is_told |= strstr(b.diag.entries[i].text, words) != NULL;
    if (!is_told)
        fail_msg("got %s, want %s", b.diag.entries[0].text, words);
    done(&b);
    free(text);
}

/* ---- what a snapshot holds ---- */

static void
listeners_and_policies_are_as_configured(void **state)
{
    struct built b;
    const struct site_listener *l;

    (void)state;
    build_good(&b, base_text, NULL);
    assert_int_equal(b.snapshot->site->listener_count, 2);
    assert_int_equal(b.snapshot->tls_server_count, 2);
    assert_int_equal(b.snapshot->trust_count, 1);
    l = site_listener_find(b.snapshot->site, STR("partners"));
    assert_non_null(l);
    assert_null(site_listener_find(b.snapshot->site, STR("partner")));
    assert_int_equal(l->address_count, 2);
    assert_int_equal(l->proxy_mode, PROXY_REQUIRED);
    assert_int_equal(l->proxy_source_count, 1);
    assert_true(l->has_h2 && l->has_http11);
    assert_int_equal(l->policy_count, 1);
    assert_int_equal(l->strictest, 0);
    assert_int_equal(l->policies[0].mode, MUTUAL_VERIFY);
    assert_int_equal(l->policies[0].trust_index, 0);
    assert_int_equal(l->idle_timeout_ms, 5000);
    assert_int_equal(l->client_keep_alive_ms, 3600000);
    assert_true(str_starts(l->elb, STR("app/partners/")));
    assert_int_equal(l->elb.len, strlen("app/partners/") + 16);
    l = site_listener_find(b.snapshot->site, STR("open"));
    assert_int_equal(l->policies[0].mode, MUTUAL_PASSTHROUGH);
    assert_int_equal(l->policies[0].trust_index, -1);
    assert_int_equal(l->policies[0].tls_index, 1);
    assert_string_equal(b.snapshot->site->access_log.path, "-");
    assert_int_equal(b.snapshot->site->access_log.format, LOG_FORMAT_JSON);
    assert_null(b.snapshot->site->conn_log.path);
    done(&b);
}

static void
every_condition_reaches_the_rules(void **state)
{
    struct built b;
    const struct route_table *t;
    const struct rule_conditions *c;

    (void)state;
    build_good(&b, base_text, NULL);
    t = &b.snapshot->site->listeners[0].policies[0].routes;
    assert_int_equal(t->rule_count, 1);
    assert_int_equal(t->rules[0].priority, 7);
    c = &t->rules[0].when;
    assert_int_equal(c->path.count, 2);
    assert_str_equal(c->path.items[1], STR("/b"));
    assert_str_equal(c->host.items[0], STR("x.test"));
    assert_str_equal(c->method.items[0], STR("GET"));
    assert_str_equal(c->query.items[0], STR("k=v"));
    assert_str_equal(c->vpc_endpoint.items[0], STR("vpce-1"));
    assert_int_equal(c->header_count, 1);
    assert_str_equal(c->headers[0].name, STR("x-env"));
    assert_str_equal(c->headers[0].values.items[0], STR("prod"));
    assert_int_equal(c->source_ip_count, 1);
    assert_true(c->cert.is_set);
    assert_str_equal(c->cert.subject_cn.items[0], STR("a"));
    assert_str_equal(c->cert.subject_ou.items[0], STR("b"));
    assert_str_equal(c->cert.subject_o.items[0], STR("c"));
    assert_str_equal(c->cert.issuer_cn.items[0], STR("d"));
    assert_str_equal(c->cert.issuer_ou.items[0], STR("e"));
    assert_str_equal(c->cert.issuer_o.items[0], STR("f"));
    assert_str_equal(c->cert.san_dns.items[0], STR("g"));
    assert_str_equal(c->cert.san_uri.items[0], STR("h"));
    assert_str_equal(c->cert.san_email.items[0], STR("i"));
    assert_str_equal(c->cert.san_ip.items[0], STR("10.0.0.1"));
    assert_str_equal(c->cert.serial.items[0], STR("01"));
    assert_str_equal(c->cert.policy_oids.items[0], STR("1.2"));
    assert_int_equal(c->cert.sha256.items[0].len, 64);
    assert_int_equal(c->cert.spki_sha256.items[0].len, 64);
    done(&b);
}

static void
actions_name_upstreams_by_index(void **state)
{
    struct built b;
    const struct route_table *t;

    (void)state;
    build_good(&b, base_text, NULL);
    t = &b.snapshot->site->listeners[0].policies[0].routes;
    assert_int_equal(t->rules[0].action.kind, ACTION_FORWARD);
    assert_int_equal(t->rules[0].action.forward_count, 2);
    assert_int_equal(t->rules[0].action.forward[0].upstream, 1);
    assert_int_equal(t->rules[0].action.forward[0].weight, 3);
    assert_int_equal(t->rules[0].action.forward[1].upstream, 0);
    assert_int_equal(t->rules[0].action.forward[1].weight, 1);
    assert_int_equal(t->default_rule.priority, 0);
    assert_int_equal(t->default_rule.action.kind, ACTION_FIXED_RESPONSE);
    assert_int_equal(t->default_rule.action.status, 503);
    assert_str_equal(t->default_rule.action.content_type, STR("text/html"));
    assert_str_equal(t->default_rule.action.body, STR("later"));
    t = &b.snapshot->site->listeners[1].policies[0].routes;
    assert_int_equal(t->default_rule.action.forward[0].upstream, 0);
    assert_non_null(t->default_rule.action.body.ptr);
    done(&b);
}

static void
upstreams_are_as_configured(void **state)
{
    struct built b;
    const struct site_upstream *u;

    (void)state;
    build_good(&b, base_text, NULL);
    assert_int_equal(b.snapshot->site->upstream_count, 2);
    u = &b.snapshot->site->upstreams[0];
    assert_str_equal(u->name, STR("one"));
    assert_true(u->has_tls && u->tls != NULL);
    assert_true(u->targets[0].is_address);
    assert_int_equal(u->targets[0].port, 443);
    assert_str_equal(u->host_header, STR("h.test"));
    assert_int_equal(u->server_name.len, 0);
    assert_true(str_starts(u->log_name, STR("targetgroup/one/")));
    u = &b.snapshot->site->upstreams[1];
    assert_false(u->has_tls);
    assert_null(u->tls);
    assert_false(u->targets[0].is_address);
    assert_str_equal(u->targets[0].name, STR("t.test"));
    assert_int_equal(u->host_header.len, 0);
    done(&b);
}

static void
forwarding_knows_renamed_headers(void **state)
{
    struct built b;
    const struct forward_settings *f;

    (void)state;
    build_good(&b, base_text, NULL);
    f = &b.snapshot->site->listeners[0].forward;
    assert_str_equal(f->names.leaf, STR("X-Leaf"));
    assert_str_equal(f->names.serial, forward_names_default.serial);
    assert_int_equal(f->reserved.renamed_count, 1);
    assert_true(hygiene_is_identity_name(&f->reserved, STR("x_leaf")));
    assert_false(f->sends_server);
    assert_int_equal(f->response_override_count, 1);
    assert_str_equal(f->response_overrides[0].value, STR("DENY"));
    f = &b.snapshot->site->listeners[1].forward;
    assert_int_equal(f->reserved.renamed_count, 0);
    assert_true(f->sends_server);
    done(&b);
}

/* Requests in flight keep the site when the snapshot and its configuration are gone. */
static void
a_site_outlives_its_snapshot(void **state)
{
    struct built b;
    struct site *site;

    (void)state;
    build_good(&b, base_text, NULL);
    site = site_ref(b.snapshot->site);
    done(&b);
    assert_str_equal(site->listeners[0].policies[0].routes.rules[0].when.path.items[0], STR("/a*"));
    assert_str_equal(site->upstreams[0].targets[0].name, STR("10.0.0.7"));
    assert_str_equal(site->listeners[0].forward.names.leaf, STR("X-Leaf"));
    site_unref(site);
}

static void
names_choose_policies(void **state)
{
    struct str exact[] = {STR("a.b.test")};
    struct str wild[] = {STR("*.b.test")};
    struct str longer[] = {STR("x.test"), STR("*.c.b.test")};
    struct site_policy policies[] = {
        {.mode = MUTUAL_VERIFY},
        {.names = {wild, 1}},
        {.names = {exact, 1}},
        {.names = {longer, 2}},
    };
    struct site_listener l = {.policies = policies, .policy_count = array_len(policies)};

    (void)state;
    assert_ptr_equal(site_policy_find(&l, STR("a.b.test")), &policies[2]);
    assert_ptr_equal(site_policy_find(&l, STR("z.b.test")), &policies[1]);
    assert_ptr_equal(site_policy_find(&l, STR("z.c.b.test")), &policies[3]);
    assert_ptr_equal(site_policy_find(&l, STR("x.test")), &policies[3]);
    assert_ptr_equal(site_policy_find(&l, STR("b.test")), &policies[0]);
    assert_ptr_equal(site_policy_find(&l, STR("other")), &policies[0]);
    assert_ptr_equal(site_policy_find(&l, STR("")), &policies[0]);
}

/* ---- digests ---- */

static void
compare_digests(const char *from, const char *to, bool same_policy, bool same_upstream)
{
    char *text = edited(base_text, from, to);
    struct built a;
    struct built b;

    build_good(&a, base_text, NULL);
    build_good(&b, text, NULL);
    assert_int_equal(memcmp(a.snapshot->site->listeners[0].policies[0].digest,
                            b.snapshot->site->listeners[0].policies[0].digest, DIGEST_BYTES) == 0,
                     same_policy);
    assert_int_equal(memcmp(a.snapshot->site->upstreams[0].digest,
                            b.snapshot->site->upstreams[0].digest, DIGEST_BYTES) == 0,
                     same_upstream);
    done(&a);
    done(&b);
    free(text);
}

static void
digests_change_with_what_they_stand_for(void **state)
{
    (void)state;
    compare_digests("name: partners\n", "name: renamed\n", true, true);
    compare_digests("crls: [root.crl, ca.crl]", "crls: [lists/]", true, true);
    compare_digests("mode: verify, ", "mode: optional, ", false, true);
    compare_digests("ca_bundle: ca.pem\n    crls: [root.crl, ca.crl]",
                    "ca_bundle: ca.pem\n    crls: [root.crl, ca.crl]\n    max_chain_depth: 2",
                    false, true);
    compare_digests("trust_store: partners}",
                    "trust_store: partners, "
                    "ignore_client_certificate_expiry: true}",
                    false, true);
    compare_digests("10.0.0.7:443", "10.0.0.8:443", true, false);
    compare_digests("10.0.0.7:443", "10.0.0.7:444", true, false);
    compare_digests("host_header: h.test", "host_header: i.test", true, false);
    compare_digests("tls: {ca_bundle: ca.pem}", "tls: {ca_bundle: other.pem}", true, false);
    compare_digests("tls: {ca_bundle: ca.pem}", "tls: {ca_bundle: ca.pem, server_name: h.test}",
                    true, false);
    compare_digests("tls: {ca_bundle: ca.pem}",
                    "tls: {ca_bundle: ca.pem, client_certificate: client.pem, "
                    "client_private_key: client.key}",
                    true, false);
}

/* ---- files ---- */

static void
what_files_lack_is_told(void **state)
{
    (void)state;
    refuse(
        "certificate: server.pem, private_key: server.key}]\n    mutual_authentication: {mode: v",
        "certificate: gone.pem, private_key: server.key}]\n    mutual_authentication: {mode: v",
        "gone.pem: ");
    refuse(
        "certificate: server.pem, private_key: server.key}]\n    mutual_authentication: {mode: v",
        "certificate: server.pem, private_key: client.key}]\n    mutual_authentication: {mode: v",
        "client.key");
    refuse("ca_bundle: ca.pem\n", "ca_bundle: gone.pem\n", "gone.pem: ");
    refuse("ca_bundle: ca.pem\n", "ca_bundle: client.pem\n", "client.pem");
    refuse("crls: [root.crl, ca.crl]", "crls: [root.crl, gone.crl]",
           "t.yaml:47:22: trust_stores.partners.crls: ");
    refuse("crls: [root.crl, ca.crl]", "crls: [root.crl, ca.pem]", "ca.pem");
    refuse("tls: {ca_bundle: ca.pem}", "tls: {ca_bundle: gone.pem}", "gone.pem: ");
}

static void
all_files_are_looked_at(void **state)
{
    char *text = edited(base_text, "ca_bundle: ca.pem\n", "ca_bundle: gone1.pem\n");
    char *more = edited(text, "tls: {ca_bundle: ca.pem}", "tls: {ca_bundle: gone2.pem}");
    struct built b;

    (void)state;
    build_at(&b, more, NULL, files.now_s);
    assert_int_equal(b.err, GW_E_CONFIG);
    assert_non_null(strstr(b.diag.entries[0].text, "gone1.pem"));
    assert_non_null(strstr(b.diag.entries[b.diag.count - 1].text, "gone2.pem"));
    done(&b);
    free(more);
    free(text);
}

static enum reason
judge(const struct snapshot *s)
{
    struct verify_options options = {0};
    struct verdict verdict;
    enum reason reason;

    verify_chain(s->trusts[0], files.client->x509, NULL, &options, files.now_s, NULL, &verdict);
    reason = verdict.reason;
    verdict_done(&verdict);
    return reason;
}

static void
folders_of_lists_are_read(void **state)
{
    char *text = edited(base_text, "crls: [root.crl, ca.crl]", "crls: [lists/]");
    struct built b;

    (void)state;
    build_good(&b, base_text, NULL);
    assert_int_equal(judge(b.snapshot), REASON_NONE);
    done(&b);
    build_good(&b, text, NULL);
    assert_int_equal(trust_crl_count(b.snapshot->trusts[0]), 2);
    assert_int_equal(judge(b.snapshot), REASON_CRL_HIT);
    done(&b);
    free(text);
}

static void
a_list_named_twice_is_one_list(void **state)
{
    char *text =
        edited(base_text, "crls: [root.crl, ca.crl]", "crls: [lists/, lists/a-ca.pem, ./lists]");
    struct built b;

    (void)state;
    build_good(&b, text, NULL);
    assert_int_equal(trust_crl_count(b.snapshot->trusts[0]), 2);
    done(&b);
    free(text);
}

/* Links are followed as a mounted volume needs it; names of other kinds are passed over. */
static void
links_in_folders_are_followed(void **state)
{
    char *dir = path_of("links");
    char *list = unit_path(dir, "ca.crl");
    char *hidden = unit_path(dir, ".gone.crl");
    char *notes = unit_path(dir, "README.md");
    char *dangling = unit_path(dir, "gone.crl");
    char *text = edited(base_text, "crls: [root.crl, ca.crl]", "crls: [root.crl, links]");
    struct built b;

    (void)state;
    assert_int_equal(mkdir(dir, 0755), 0);
    assert_int_equal(symlink("../lists/a-ca.pem", list), 0);
    assert_int_equal(symlink("nowhere", hidden), 0);
    assert_int_equal(symlink("nowhere", notes), 0);
    build_good(&b, text, NULL);
    assert_int_equal(judge(b.snapshot), REASON_CRL_HIT);
    done(&b);
    assert_int_equal(symlink("nowhere", dangling), 0);
    build_at(&b, text, NULL, files.now_s);
    assert_int_equal(b.err, GW_E_CONFIG);
    assert_non_null(strstr(b.diag.entries[0].text, "links/gone.crl: No such file"));
    done(&b);
    assert_int_equal(unlink(dangling), 0);
    assert_int_equal(mkdir(dangling, 0755), 0);
    build_at(&b, text, NULL, files.now_s);
    assert_int_equal(b.err, GW_E_CONFIG);
    assert_non_null(strstr(b.diag.entries[0].text, "is a directory"));
    done(&b);
    free(text);
    free(dangling);
    free(notes);
    free(hidden);
    free(list);
    free(dir);
}

/* An empty folder must not mean that nothing is ever revoked. */
static void
an_empty_folder_does_not_switch_revocation_off(void **state)
{
    char *dir = path_of("empty");
    char *text =
        edited(base_text, "crls: [root.crl, ca.crl]", "crls: [empty]\n    crl_missing: allow");
    struct built b;

    (void)state;
    assert_int_equal(mkdir(dir, 0755), 0);
    refuse("crls: [root.crl, ca.crl]", "crls: [empty]", "the folder holds no revocation list");
    refuse("crls: [root.crl, ca.crl]", "crls: [empty/, root.crl]", "holds no revocation list");
    build_good(&b, text, NULL);
    assert_non_null(strstr(b.diag.entries[0].text, "the folder holds no revocation list"));
    done(&b);
    free(text);
    free(dir);
}

/* ---- reload ---- */

static void
unchanged_lists_are_shared(void **state)
{
    struct built a;
    struct built b;

    (void)state;
    build_good(&a, base_text, NULL);
    build_good(&b, base_text, a.snapshot);
    assert_int_equal(trust_crl_count(b.snapshot->trusts[0]), 2);
    for (size_t i = 0; i < 2; i++)
        assert_ptr_equal(trust_crl(a.snapshot->trusts[0], i), trust_crl(b.snapshot->trusts[0], i));
    assert_true(trust_same_anchors(a.snapshot->trusts[0], b.snapshot->trusts[0]));
    done(&a);
    assert_int_equal(judge(b.snapshot), REASON_NONE);
    done(&b);
}

static void
an_expired_list_is_refused_at_start(void **state)
{
    struct built b;

    (void)state;
    build_at(&b, base_text, NULL, files.now_s + 40 * DAY_S);
    assert_int_equal(b.err, GW_E_CONFIG);
    done(&b);
}

static void
snapshots_are_counted(void **state)
{
    struct built b;
    struct snapshot *again;

    (void)state;
    build_good(&b, base_text, NULL);
    again = snapshot_ref(b.snapshot);
    done(&b);
    assert_int_equal(judge(again), REASON_NONE);
    snapshot_unref(again);
    snapshot_unref(NULL);
    site_unref(NULL);
}

/* ---- the self-test ---- */

/* A policy that lost its trust store must not pass. */
static void
the_self_test_fails_without_something_that_refuses(void **state)
{
    struct built b;
    struct diag diag;
    struct snapshot_job job;
    struct site_policy *policy;

    (void)state;
    build_good(&b, base_text, NULL);
    diag_init(&diag);
    job = (struct snapshot_job){b.snapshot->config, NULL, files.now_s, &diag, b.snapshot};
    snapshot_selftest(&job);
    assert_int_equal(diag.error_count, 0);
    policy = &b.snapshot->site->listeners[0].policies[0];
    policy->trust_index = -1;
    snapshot_selftest(&job);
    assert_int_equal(diag.error_count, 1);
    assert_non_null(strstr(diag.entries[0].text, "listener \"partners\": self-test failed"));
    policy->mode = MUTUAL_PASSTHROUGH;
    snapshot_selftest(&job);
    assert_int_equal(diag.error_count, 1);
    diag_done(&diag);
    done(&b);
}

static void
digest_fields_keep_their_borders(void **state)
{
    uint8_t one[DIGEST_BYTES];
    uint8_t two[DIGEST_BYTES];
    struct digest d;

    (void)state;
    digest_init(&d);
    digest_add(&d, STR("ab"));
    digest_add(&d, STR("c"));
    digest_done(&d, one);
    digest_init(&d);
    digest_add(&d, STR("a"));
    digest_add(&d, STR("bc"));
    digest_done(&d, two);
    assert_memory_not_equal(one, two, DIGEST_BYTES);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listeners_and_policies_are_as_configured),
        cmocka_unit_test(every_condition_reaches_the_rules),
        cmocka_unit_test(actions_name_upstreams_by_index),
        cmocka_unit_test(upstreams_are_as_configured),
        cmocka_unit_test(forwarding_knows_renamed_headers),
        cmocka_unit_test(a_site_outlives_its_snapshot),
        cmocka_unit_test(names_choose_policies),
        cmocka_unit_test(digests_change_with_what_they_stand_for),
        cmocka_unit_test(what_files_lack_is_told),
        cmocka_unit_test(all_files_are_looked_at),
        cmocka_unit_test(folders_of_lists_are_read),
        cmocka_unit_test(a_list_named_twice_is_one_list),
        cmocka_unit_test(links_in_folders_are_followed),
        cmocka_unit_test(an_empty_folder_does_not_switch_revocation_off),
        cmocka_unit_test(unchanged_lists_are_shared),
        cmocka_unit_test(an_expired_list_is_refused_at_start),
        cmocka_unit_test(snapshots_are_counted),
        cmocka_unit_test(the_self_test_fails_without_something_that_refuses),
        cmocka_unit_test(digest_fields_keep_their_borders),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
