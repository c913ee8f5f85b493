/* SPDX-License-Identifier: Apache-2.0
 *
 * What lists of every shape mean for who gets in: deltas over complete lists, shards, lists
 * that are missing or run out while the gateway runs, and verdicts from the cache. Lists that
 * cannot be honoured are refused in words, with the file.
 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/client.h"
#include "support/gateway.h"
#include "support/origin.h"
#include "support/pki.h"

#define LISTENER(name, port, store)                                            \
    "  - name: " name "\n"                                                     \
    "    bind: 127.0.0.1:@" port "@\n"                                         \
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n" \
    "    mutual_authentication: {mode: verify, trust_store: " store "}\n"      \
    "    default_action: {fixed_response: {status: 200, body: in}}\n"

#define HEAD                                                                               \
    "workers: 1\nstate_dir: state\nadmin: {bind: 127.0.0.1:@ADMIN@, socket: admin.sock}\n" \
    "logging: {connection: {path: conn.log, format: json}}\n"                              \
    "listeners:\n"

#define ONE HEAD LISTENER("front", "PORT", "clients") "trust_stores:\n"

static const char by_folder[] = ONE "  clients: {ca_bundle: ca.pem, crls: [lists]}\n";
static const char by_folder_lax[] =
    ONE "  clients: {ca_bundle: ca.pem, crls: [lists], crl_missing: allow}\n";
static const char delta_by_url[] =
    ONE "  clients:\n    ca_bundle: ca.pem\n    crls:\n      - lists\n"
        "      - {url: \"http://127.0.0.1:@LIST@/delta.crl\", interval: 1s}\n";
static const char by_age[] =
    HEAD LISTENER("refuse", "PORT", "refuse") LISTENER("grace", "PORT2", "grace") LISTENER(
        "allow", "PORT3",
        "allow") "trust_stores:\n"
                 "  refuse: {ca_bundle: ca.pem, crls: [lists], crl_expired: refuse}\n"
                 "  grace: {ca_bundle: ca.pem, crls: [lists], crl_expired: grace, crl_grace: 6s}\n"
                 "  allow: {ca_bundle: ca.pem, crls: [lists], crl_expired: allow}\n";

enum who { ALICE, HELD, STOLEN, DIRECT, PEOPLE };

static const char *const names[PEOPLE] = {"alice", "held", "stolen", "direct"};

struct world {
    char *dir;
    struct pki_cert *root, *ca, *server;
    struct pki_cert *people[PEOPLE]; /* of ca; DIRECT is of root */
    struct origin *lists;
    struct gateway *g;
    char port[8];
    const char *vars[3];
    int64_t made_s; /* lists are dated by it and their number */
    struct bytes answer;
    struct origin_step steps[3];
};

static char *
in_dir(struct world *w, const char *name)
{
    return unit_path(w->dir, name);
}

static void
make_folder(struct world *w, const char *name)
{
    char *path = in_dir(w, name);

    assert_int_equal(mkdir(path, 0700), 0);
    free(path);
}

static int
setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    char *path;

    w->dir = dir_temp("lists");
    w->root = pki_root("Test Root");
    w->ca = pki_intermediate(w->root, "Test CA");
    w->server = pki_server(w->ca, "localhost,127.0.0.1");
    for (int i = 0; i < PEOPLE; i++)
        w->people[i] = pki_client(i == DIRECT ? w->root : w->ca, names[i]);
    pki_write_pair(w->dir, "server", w->server);
    path = in_dir(w, "ca.pem");
    pki_write_certs(path, w->root, w->ca, NULL);
    free(path);
    make_folder(w, "state");
    make_folder(w, "lists");
    w->lists = origin_start(&(struct origin_spec){.steps = NULL});
    (void)snprintf(w->port, sizeof(w->port), "%u", origin_port(w->lists));
    w->vars[0] = "LIST";
    w->vars[1] = w->port;
    w->made_s = wall_s() - 3600;
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    (void)gateway_stop(w->g);
    origin_stop(w->lists);
    bytes_free(&w->answer);
    for (int i = 0; i < PEOPLE; i++)
        pki_free(w->people[i]);
    pki_free(w->server);
    pki_free(w->ca);
    pki_free(w->root);
    dir_remove(w->dir);
    free(w->dir);
    free(w);
    return 0;
}

/* ---- lists ---- */

/* Dated by its number, so that a higher one is a later one. */
static struct pki_crl_spec
spec_of(const struct world *w, uint64_t number, const struct pki_crl_entry *entries, size_t count)
{
    return (struct pki_crl_spec){.number = number,
                                 .this_update_s = w->made_s + (int64_t)number,
                                 .entries = entries,
                                 .entry_count = count};
}

static void
write_list(struct world *w, const char *name, const struct pki_crl_spec *spec,
           const struct pki_cert *issuer)
{
    char *path = in_dir(w, name);

    pki_crl_write(path, true, spec, issuer);
    free(path);
}

static void
remove_list(struct world *w, const char *name)
{
    char *path = in_dir(w, name);

    assert_int_equal(unlink(path), 0);
    free(path);
}

static void
write_empty(struct world *w, const char *name, const struct pki_cert *issuer)
{
    struct pki_crl_spec spec = spec_of(w, 1, NULL, 0);

    write_list(w, name, &spec, issuer);
}

/* The complete list of the intermediate: one on hold, one compromised. */
static void
write_base(struct world *w, uint64_t number)
{
    const struct pki_crl_entry entries[] = {
        {.cert = w->people[HELD], .reason = PKI_REASON_HOLD},
        {.cert = w->people[STOLEN], .reason = PKI_REASON_KEY_COMPROMISE},
    };
    struct pki_crl_spec spec = spec_of(w, number, entries, 2);

    write_list(w, "lists/base.crl", &spec, w->ca);
}

/* Takes everybody off and puts Alice on. */
static struct pki_crl_spec
delta_of(const struct world *w, uint64_t number, uint64_t base,
         struct pki_crl_entry entries[PEOPLE])
{
    struct pki_crl_spec spec = spec_of(w, number, entries, 3);

    entries[0] =
        (struct pki_crl_entry){.cert = w->people[ALICE], .reason = PKI_REASON_AFFILIATION_CHANGED};
    entries[1] =
        (struct pki_crl_entry){.cert = w->people[HELD], .reason = PKI_REASON_REMOVE_FROM_CRL};
    entries[2] =
        (struct pki_crl_entry){.cert = w->people[STOLEN], .reason = PKI_REASON_REMOVE_FROM_CRL};
    spec.delta = true;
    spec.delta_base = base;
    return spec;
}

static void
write_delta(struct world *w, uint64_t number, uint64_t base)
{
    struct pki_crl_entry entries[PEOPLE];
    struct pki_crl_spec spec = delta_of(w, number, base, entries);

    write_list(w, "lists/delta.crl", &spec, w->ca);
}

static void
serve_delta(struct world *w, uint64_t number, uint64_t base)
{
    struct pki_crl_entry entries[PEOPLE];
    struct pki_crl_spec spec = delta_of(w, number, base, entries);
    struct bytes der = pki_crl_der(&spec, w->ca), old = w->answer;
    char *head = xformat("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", der.len);

    w->answer = (struct bytes){.ptr = NULL};
    bytes_puts(&w->answer, head);
    bytes_add(&w->answer, der.ptr, der.len);
    w->steps[0] = (struct origin_step)ORIGIN_READ_REQUEST;
    w->steps[1] = (struct origin_step){.op = ORIGIN_OP_SEND, .data = bytes_str(&w->answer)};
    w->steps[2] = (struct origin_step)ORIGIN_CLOSE;
    origin_set_steps(w->lists, w->steps, 3);
    assert_true(origin_wait_idle(w->lists, 5000));
    bytes_free(&old);
    bytes_free(&der);
    free(head);
}

/* ---- gateway ---- */

static bool
start(struct world *w, const char *yaml)
{
    w->g = gateway_start(&(struct gateway_spec){
        .yaml = yaml, .vars = w->vars, .dir = w->dir, .may_fail = true, .keep_dir = true});
    return gateway_is_ready(w->g);
}

static void
stop(struct world *w)
{
    (void)gateway_stop(w->g);
    w->g = NULL;
}

static struct client *
open_as(struct world *w, int port, enum who who)
{
    return client_open(
        &(struct client_spec){.port = gateway_port(w->g, port), .cert = w->people[who]});
}

static bool
is_served(struct client *c)
{
    struct response r = client_get(c, "localhost", "/");
    bool is_in = r.status == 200;

    response_free(&r);
    return is_in;
}

static bool
is_in(struct world *w, int port, enum who who)
{
    struct client *c = open_as(w, port, who);
    bool got = is_served(c);

    client_close(c);
    return got;
}

static bool
becomes(struct world *w, int port, enum who who, bool wanted)
{
    int64_t end = now_ms() + 30000;

    while (is_in(w, port, who) != wanted) {
        if (now_ms() > end)
            return false;
        sleep_ms(50);
    }
    return true;
}

/* alice, held, stolen, in this order: '+' gets in. */
static void
assert_in(struct world *w, const char *wanted)
{
    for (int i = 0; wanted[i] != '\0'; i++) {
        if (is_in(w, 1, (enum who)i) != (wanted[i] == '+'))
            fail_msg("%s is %s", names[i], wanted[i] == '+' ? "refused" : "admitted");
    }
}

static bool
log_has(struct world *w, const char *who, const char *text)
{
    char *cn = xformat("CN=%s", who);
    struct bytes log = gateway_log(w->g, "conn.log");
    bool is_there = false;

    for (const char *line = log.ptr; line != NULL && *line != '\0' && !is_there;) {
        const char *end = strchr(line, '\n');
        size_t len = end != NULL ? (size_t)(end - line) : strlen(line);

        is_there = find_bytes(line, len, cn, strlen(cn)) != NULL &&
                   find_bytes(line, len, text, strlen(text)) != NULL;
        line = end != NULL ? end + 1 : NULL;
    }
    bytes_free(&log);
    free(cn);
    return is_there;
}

static bool
log_comes_to_have(struct world *w, const char *who, const char *text)
{
    int64_t end = now_ms() + 5000;

    while (!log_has(w, who, text)) {
        if (now_ms() > end)
            return false;
        sleep_ms(20);
    }
    return true;
}

/* ---- deltas ---- */

static void
a_delta_closes_the_door_and_opens_it(void **state)
{
    struct world *w = *state;
    struct client *alice;

    write_empty(w, "lists/root.crl", w->root);
    write_base(w, 5);
    assert_true(start(w, by_folder));
    assert_in(w, "+--");
    alice = open_as(w, 1, ALICE);
    assert_true(is_served(alice));
    write_delta(w, 6, 5); /* the file is watched */
    assert_int_not_equal(client_wait_closed(alice, 15000), CLIENT_TIMEOUT);
    client_close(alice);
    assert_in(w, "-+-"); /* compromised stays compromised, whatever a delta takes off */
    assert_true(log_comes_to_have(w, "alice", "ClientCertCrlHit"));
    assert_true(gateway_wait_page(w->g, "/status.json", "\"delta_of\":\"05\"", 30000));
    assert_true(gateway_wait_page(w->g, "/metrics", "delta.crl\",part=\"1\"} 3\n", 30000));
}

static void
without_its_delta_the_complete_list_is_an_older_one(void **state)
{
    struct world *w = *state;

    write_empty(w, "lists/root.crl", w->root);
    write_base(w, 5);
    write_delta(w, 6, 5);
    assert_true(start(w, by_folder));
    assert_in(w, "-+-");
    remove_list(w, "lists/delta.crl");
    assert_true(proc_wait_text(gateway_proc(w->g), "list number 06", 15000));
    assert_in(w, "-+-");
    stop(w);
    assert_false(start(w, by_folder)); /* remembered across the restart */
    stop(w);
    write_base(w, 7); /* everything that the delta said would be in here */
    assert_true(start(w, by_folder));
    assert_in(w, "+--");
}

static void
a_newer_complete_list_leaves_its_delta_behind(void **state)
{
    struct world *w = *state;

    write_empty(w, "lists/root.crl", w->root);
    write_base(w, 5);
    write_delta(w, 6, 5);
    assert_true(start(w, by_folder));
    assert_in(w, "-+-");
    write_base(w, 8);
    assert_true(becomes(w, 1, ALICE, true));
    assert_in(w, "+--");
    write_delta(w, 9, 8);
    assert_true(becomes(w, 1, ALICE, false));
    assert_in(w, "-+-");
}

static void
a_fetched_delta_waits_for_its_complete_list(void **state)
{
    struct world *w = *state;

    write_empty(w, "lists/root.crl", w->root);
    write_base(w, 5);
    serve_delta(w, 6, 5);
    assert_true(start(w, delta_by_url)); /* fetched before the first load */
    assert_in(w, "-+-");
    serve_delta(w, 9, 8);
    assert_true(gateway_wait_page(w->g, "/status.json", "it waits for the complete list", 30000));
    assert_in(w, "-+-");
    assert_int_equal(gateway_reload(w->g), GATEWAY_RELOADED); /* its copy is the good one */
    assert_in(w, "-+-");
    write_base(w, 8);
    assert_true(becomes(w, 1, ALICE, true));  /* number 6 is in number 8 */
    assert_true(becomes(w, 1, ALICE, false)); /* number 9 */
    assert_in(w, "-+-");
}

/* What is served need not be fresh to say how old things are: the delta is. */
static void
a_complete_list_may_run_out_under_a_delta(void **state)
{
    struct world *w = *state;
    struct pki_crl_spec base = spec_of(w, 5, NULL, 0);
    struct bytes said;

    write_empty(w, "lists/root.crl", w->root);
    base.next_update_s = wall_s() + 8;
    write_list(w, "lists/base.crl", &base, w->ca);
    write_delta(w, 6, 5);
    assert_true(start(w, by_folder));
    while (wall_s() <= base.next_update_s + 1)
        sleep_ms(100);
    assert_in(w, "-++");
    assert_int_equal(gateway_reload(w->g), GATEWAY_RELOADED);
    assert_in(w, "-++");
    assert_true(gateway_wait_page(w->g, "/metrics", "seconds_to_next_update{trust_store", 30000));
    assert_false(gateway_page_says(w->g, "/metrics", "lists/base.crl\",part=\"1\"} -"));
    said = gateway_diag(w->g);
    assert_int_equal(count_text(bytes_str(&said), "expired"), 0);
    bytes_free(&said);
}

/* ---- lists that cannot be honoured ---- */

struct bad_list {
    const char *text;
    struct pki_crl_spec spec;
};

static void
lists_that_cannot_be_honoured_are_refused_with_their_file(void **state)
{
    static const struct pki_idp indirect = {.indirect = true}, reasons = {.reason_bits = 2},
                                attributes = {.only_attributes = true};
    const struct bad_list rows[] = {
        {"stands alone", {.delta = true, .delta_base = 1, .number = 2}},
        {"is an indirect list (entries of several issuers), which is not supported",
         {.idp = &indirect}},
        {"covers only some revocation reasons", {.idp = &reasons}},
        {"covers attribute certificates only", {.idp = &attributes}},
        {"is a version 1 list", {.v1 = true}},
        {"has no crlNumber", {.no_number = true}},
        {"has the critical extension", {.unknown_critical_ext = true}},
        {"its signature is not that of the CA", {.corrupt_signature = true}},
    };
    struct world *w = *state;

    for (size_t i = 0; i < array_len(rows); i++) {
        struct bytes said;

        write_list(w, "lists/odd.crl", &rows[i].spec, w->ca);
        assert_false(start(w, by_folder_lax));
        said = gateway_diag(w->g);
        if (count_text(bytes_str(&said), rows[i].text) == 0 ||
            count_text(bytes_str(&said), "lists/odd.crl") == 0)
            fail_msg("\"%s\" is not said with the file: %s", rows[i].text, said.ptr);
        bytes_free(&said);
        stop(w);
    }
    write_base(w, 5);
    write_delta(w, 7, 6);
    remove_list(w, "lists/odd.crl");
    assert_false(start(w, by_folder_lax));
    assert_true(
        proc_wait_text(gateway_proc(w->g), "goes with the complete list number 06 or later", 1000));
}

/* ---- shards ---- */

/* Root has one list for the CAs it certified and one for its other clients. */
static void
a_missing_shard_refuses_only_what_it_covers(void **state)
{
    static const struct pki_idp cas = {.only_cas = true}, users = {.only_users = true};
    struct world *w = *state;
    struct pki_crl_entry entry = {.cert = w->people[DIRECT]};
    struct pki_crl_spec ca_shard = spec_of(w, 1, NULL, 0), user_shard = spec_of(w, 1, NULL, 0);

    ca_shard.idp = &cas;
    user_shard.idp = &users;
    write_base(w, 5);
    write_list(w, "lists/root-cas.crl", &ca_shard, w->root);
    assert_true(start(w, by_folder));
    assert_in(w, "+---");
    assert_true(log_comes_to_have(w, "direct", "CrlMissing"));
    write_list(w, "lists/root-users.crl", &user_shard, w->root);
    assert_true(becomes(w, 1, DIRECT, true));
    assert_in(w, "+--+");
    user_shard = spec_of(w, 2, &entry, 1);
    user_shard.idp = &users;
    write_list(w, "lists/root-users.crl", &user_shard, w->root);
    assert_true(becomes(w, 1, DIRECT, false));
    assert_in(w, "+---");
    assert_true(log_comes_to_have(w, "direct", "ClientCertCrlHit"));
}

/* ---- lists that run out while the gateway runs ---- */

static void
a_list_that_runs_out_is_judged_by_the_policy_of_its_store(void **state)
{
    struct world *w = *state;
    struct pki_crl_entry entry = {.cert = w->people[STOLEN]};
    struct pki_crl_spec spec = spec_of(w, 1, &entry, 1);
    struct client *open[3];

    write_empty(w, "lists/root.crl", w->root);
    spec.next_update_s = wall_s() + 10;
    write_list(w, "lists/ca.crl", &spec, w->ca);
    assert_true(start(w, by_age));
    for (int port = 1; port <= 3; port++) {
        open[port - 1] = open_as(w, port, ALICE);
        assert_true(is_served(open[port - 1]));
        assert_false(is_in(w, port, STOLEN));
    }
    assert_true(becomes(w, 1, ALICE, false));
    assert_true(wall_s() >= spec.next_update_s);
    assert_int_not_equal(client_wait_closed(open[0], 5000), CLIENT_TIMEOUT);
    assert_true(log_comes_to_have(w, "alice", "CrlExpired"));
    for (int port = 1; port <= 3; port++)
        assert_false(is_in(w, port, STOLEN));
    assert_true(becomes(w, 2, ALICE, false)); /* the grace is over */
    assert_true(wall_s() >= spec.next_update_s + 6);
    assert_int_not_equal(client_wait_closed(open[1], 5000), CLIENT_TIMEOUT);
    assert_true(is_served(open[2]));
    assert_true(is_in(w, 3, ALICE));
    for (int port = 1; port <= 3; port++) {
        assert_false(is_in(w, port, STOLEN));
        client_close(open[port - 1]);
    }
}

/* ---- in every mode that judges ---- */

static const char judging_modes[] =
    HEAD "  - name: optional\n"
         "    bind: 127.0.0.1:@PORT@\n"
         "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
         "    mutual_authentication: {mode: optional, trust_store: lax}\n"
         "    default_action: {fixed_response: {status: 200, body: in}}\n"
         "  - name: old\n"
         "    bind: 127.0.0.1:@PORT2@\n"
         "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
         "    mutual_authentication: {mode: verify, trust_store: lax, "
         "ignore_client_certificate_expiry: true}\n"
         "    default_action: {fixed_response: {status: 200, body: in}}\n"
         "  - name: host\n"
         "    bind: 127.0.0.1:@PORT3@\n"
         "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
         "    mutual_authentication: {mode: off}\n"
         "    default_action: {fixed_response: {status: 200, body: in}}\n"
         "    hosts:\n"
         "      - names: [localhost]\n"
         "        mutual_authentication: {mode: verify, trust_store: lax}\n"
         "trust_stores:\n"
         "  lax:\n"
         "    ca_bundle: ca.pem\n"
         "    crls: [lists]\n"
         "    crl_missing: allow\n"
         "    crl_expired: allow\n"
         "    exceptions:\n"
         "      - {allow: expired, max_age: 8760h, issuer: \"CN=Test CA\", until: "
         "2090-01-01T00:00:00Z, why: test}\n"
         "      - {allow: no_client_auth_eku, issuer: \"CN=Test CA\", until: "
         "2090-01-01T00:00:00Z, why: test}\n";

/* The laxest that can be configured, and a list that ran out long ago. */
static void
who_is_listed_is_refused_in_every_mode_that_judges(void **state)
{
    struct world *w = *state;
    struct pki_cert_spec late = {
        .cn = "late", .not_before_s = wall_s() - 9 * 86400, .not_after_s = wall_s() - 86400};
    struct pki_cert *listed = pki_issue(&late, w->ca), *unlisted = pki_issue(&late, w->ca);
    struct pki_crl_entry entries[] = {{.cert = w->people[STOLEN]}, {.cert = listed}};
    struct pki_crl_spec spec = spec_of(w, 1, entries, 2);

    spec.next_update_s = wall_s() - 60;
    write_list(w, "lists/ca.crl", &spec, w->ca);
    assert_true(start(w, judging_modes));
    for (int port = 1; port <= 3; port++) {
        const struct pki_cert *certs[] = {w->people[ALICE], unlisted, w->people[STOLEN], listed};

        for (size_t i = 0; i < array_len(certs); i++) {
            struct client *c = client_open(&(struct client_spec){
                .port = gateway_port(w->g, port), .cert = certs[i], .sni = "localhost"});

            if (is_served(c) != (i < 2))
                fail_msg("port %d, certificate %zu", port, i);
            client_close(c);
        }
    }
    assert_true(log_comes_to_have(w, "stolen", "ClientCertCrlHit"));
    assert_true(log_comes_to_have(w, "late", "ClientCertCrlHit"));
    pki_free(listed);
    pki_free(unlisted);
}

/* ---- the cache of verdicts ---- */

/* As open_as; spare is sent along and makes the chain one that was never seen. */
static bool
is_in_unseen(struct world *w, enum who who)
{
    struct pki_cert *spare = pki_root("Spare");
    const struct pki_cert *chain[] = {w->ca, spare};
    struct client *c = client_open(&(struct client_spec){
        .port = gateway_port(w->g, 1), .cert = w->people[who], .chain = chain, .chain_count = 2});
    bool got = is_served(c);

    client_close(c);
    pki_free(spare);
    return got;
}

/* Cold: nothing was seen under this snapshot. Warm: the same chain again. Never: a chain that is
 * new every time. */
static void
assert_the_same_cold_warm_and_never(struct world *w, const char *wanted)
{
    assert_int_equal(gateway_reload(w->g), GATEWAY_RELOADED);
    assert_in(w, wanted);
    assert_in(w, wanted);
    for (int i = 0; wanted[i] != '\0'; i++)
        assert_int_equal(is_in_unseen(w, (enum who)i), wanted[i] == '+');
}

static void
verdicts_are_the_same_with_the_cache_cold_warm_and_unused(void **state)
{
    struct world *w = *state;

    write_empty(w, "lists/root.crl", w->root);
    write_base(w, 5);
    assert_true(start(w, by_folder));
    assert_the_same_cold_warm_and_never(w, "+--+");
    assert_true(log_comes_to_have(w, "alice", "\"is_cached\":false"));
    assert_true(log_comes_to_have(w, "alice", "\"is_cached\":true"));
    assert_false(log_has(w, "held", "\"is_cached\":true")); /* refusals are not remembered */
    write_delta(w, 6, 5);
    assert_the_same_cold_warm_and_never(w, "-+-+");
    assert_false(log_has(w, "stolen", "\"is_cached\":true"));
    write_base(w, 7);
    assert_the_same_cold_warm_and_never(w, "+--+");
}

/* What is in the cache is looked up in the lists and the calendar again. */
static void
a_cached_verdict_ends_with_the_list(void **state)
{
    struct world *w = *state;
    struct pki_crl_spec spec = spec_of(w, 1, NULL, 0);

    write_empty(w, "lists/root.crl", w->root);
    spec.next_update_s = wall_s() + 10;
    write_list(w, "lists/ca.crl", &spec, w->ca);
    assert_true(start(w, by_folder));
    assert_true(is_in(w, 1, ALICE));
    assert_true(is_in(w, 1, ALICE));
    assert_true(log_comes_to_have(w, "alice", "\"is_cached\":true"));
    assert_true(becomes(w, 1, ALICE, false));
    assert_true(log_comes_to_have(w, "alice", "CrlExpired"));
}

#define in_world(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        in_world(a_delta_closes_the_door_and_opens_it),
        in_world(without_its_delta_the_complete_list_is_an_older_one),
        in_world(a_newer_complete_list_leaves_its_delta_behind),
        in_world(a_fetched_delta_waits_for_its_complete_list),
        in_world(a_complete_list_may_run_out_under_a_delta),
        in_world(lists_that_cannot_be_honoured_are_refused_with_their_file),
        in_world(a_missing_shard_refuses_only_what_it_covers),
        in_world(a_list_that_runs_out_is_judged_by_the_policy_of_its_store),
        in_world(who_is_listed_is_refused_in_every_mode_that_judges),
        in_world(verdicts_are_the_same_with_the_cache_cold_warm_and_unused),
        in_world(a_cached_verdict_ends_with_the_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
