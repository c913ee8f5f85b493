/* SPDX-License-Identifier: Apache-2.0
 *
 * What `explain` says: exact words for a good and a revoked certificate, the reason for every
 * kind of bad one, and both forms of the command. All certificates have fixed serials, dates
 * and RSA keys, so that the words do not change from run to run.
 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "cert/reason.h"
#include "ctl/explain.h"
#include "ctl/explain_priv.h"
#include "support/json_check.h"
#include "support/pki.h"

#define AT "2021-06-01T00:00:00Z"

struct world {
    char *dir;
    char *out;
    char *err;
    size_t out_len;
    size_t err_len;
    struct pki_cert *root;
    struct pki_cert *ca;
};

static int64_t
year(int y)
{
    return clock_from_civil(y, 1, 1, 0, 0, 0);
}

static struct pki_cert *
issue(const char *cn, const char *serial, enum pki_role role, const struct pki_cert *issuer)
{
    const struct pki_cert_spec spec = {.cn = cn,
                                       .role = role,
                                       .serial = str_from(serial),
                                       .key_kind = PKI_RSA2048,
                                       .not_before_s = year(role == PKI_CA ? 2020 : 2021),
                                       .not_after_s = year(role == PKI_CA ? 2100 : 2022)};

    return pki_issue(&spec, issuer);
}

/* A list that names `revoked`, or nobody; ends with the year `until`. */
static void
write_list(const char *path, const struct pki_cert *issuer, const struct pki_cert *revoked,
           int until)
{
    const struct pki_crl_entry entry = {
        .cert = revoked, .revoked_s = year(2021) + 86400, .reason = PKI_REASON_KEY_COMPROMISE};
    const struct pki_crl_spec spec = {.entries = &entry,
                                      .entry_count = revoked != NULL ? 1 : 0,
                                      .number = 5,
                                      .this_update_s = year(2021),
                                      .next_update_s = year(until)};

    pki_crl_write(path, true, &spec, issuer);
}

static int
setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->dir = unit_tmp_new();
    assert_int_equal(chdir(w->dir), 0);
    w->root = issue("Test Root", "\x01", PKI_CA, NULL);
    w->ca = issue("Test CA", "\x02", PKI_CA, w->root);
    pki_write_certs("ca.pem", w->root, w->ca, NULL);
    pki_write_certs("root.pem", w->root, NULL);
    write_list("empty.crl", w->ca, NULL, 2100);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    assert_int_equal(chdir("/"), 0);
    unit_tmp_done(w->dir);
    free(w->out);
    free(w->err);
    pki_free(w->ca);
    pki_free(w->root);
    free(w);
    return 0;
}

static int
run(struct world *w, const struct explain_options *o)
{
    FILE *out, *err;
    int status;

    free(w->out);
    free(w->err);
    out = open_memstream(&w->out, &w->out_len);
    err = open_memstream(&w->err, &w->err_len);
    status = explain_run(o, out, err);
    fclose(out);
    fclose(err);
    return status;
}

/* Shows what was said when the status is not the one expected. */
static void
expect(const struct world *w, int status, int want)
{
    if (status != want)
        fail_msg("status %d, not %d\n%s%s", status, want, w->out, w->err);
}

/* With the bundle of both authorities and the given list. */
static int
run_bare(struct world *w, const char *cert, const char *crl, bool is_json)
{
    const char *crls[] = {crl};
    const struct explain_options o = {.trust_store = "ca.pem",
                                      .crls = crls,
                                      .crl_count = crl != NULL ? 1 : 0,
                                      .cert = cert,
                                      .at = AT,
                                      .is_json = is_json};

    return run(w, &o);
}

static void
a_good_certificate_reads_so(void **state)
{
    struct world *w = *state;
    struct pki_cert *alice = issue("alice", "\x11\x22", PKI_CLIENT, w->ca);

    pki_write_chain("alice.pem", alice);
    expect(w, run_bare(w, "alice.pem", "empty.crl", false), EXPLAIN_ADMIT);
    assert_string_equal(w->err, "");
    assert_string_equal(
        w->out,
        "ADMITTED\n"
        "\n"
        "  certificate  \"CN=alice\" serial 1122\n"
        "  judged at    2021-06-01T00:00:00Z (as asked by --at), anew: not from the cache of "
        "verdicts\n"
        "  trust store  ca.pem, 2 authorities, 1 revocation list\n"
        "\n"
        "Steps\n"
        "   1. ok  size: 791 bytes of 8192, 2 certificates sent\n"
        "   2. ok  path: 2 certificates, client and anchor included; max_chain_depth is 4\n"
        "   3. ok  rules: versions, keys and signature algorithms are allowed\n"
        "   4. ok  usage: certificate 0 is for TLS clients\n"
        "   5. ok  dates: 2 certificates looked at, none refused for them\n"
        "   6. ok  revocation: certificate 0 is not on list number 05 of \"CN=Test CA\"\n"
        "   7. ok  lists: certificate 0 is answered for by list number 05 of \"CN=Test CA\", with "
        "0 entries, from 2021-01-01T00:00:00Z until 2100-01-01T00:00:00Z, empty.crl\n"
        "   8. ok  identity: subject CN=alice, serial 1122\n"
        "\n"
        "Chain\n"
        "  0  \"CN=alice\" serial 1122, valid 2021-01-01T00:00:00Z to 2022-01-01T00:00:00Z\n"
        "  1  \"CN=Test CA\" serial 02, in the trust store, valid 2020-01-01T00:00:00Z to "
        "2100-01-01T00:00:00Z\n");
    pki_free(alice);
}

static void
a_revoked_certificate_reads_so(void **state)
{
    struct world *w = *state;
    struct pki_cert *mallory = issue("mallory", "\x66", PKI_CLIENT, w->ca);

    pki_write_chain("mallory.pem", mallory);
    write_list("listed.crl", w->ca, mallory, 2100);
    expect(w, run_bare(w, "mallory.pem", "listed.crl", false), EXPLAIN_REFUSE);
    assert_string_equal(w->err, "");
    assert_string_equal(
        w->out,
        "REFUSED: ClientCertCrlHit: revoked by a loaded list\n"
        "  certificate 0 \"CN=mallory\" serial 66 is on list number 05 of \"CN=Test CA\" since "
        "2021-01-02T00:00:00Z (reason keyCompromise)\n"
        "\n"
        "  certificate  \"CN=mallory\" serial 66\n"
        "  judged at    2021-06-01T00:00:00Z (as asked by --at), anew: not from the cache of "
        "verdicts\n"
        "  trust store  ca.pem, 2 authorities, 1 revocation list\n"
        "\n"
        "Steps\n"
        "   1. ok  size: 792 bytes of 8192, 2 certificates sent\n"
        "   2. ok  path: 2 certificates, client and anchor included; max_chain_depth is 4\n"
        "   3. ok  rules: versions, keys and signature algorithms are allowed\n"
        "   4. ok  usage: certificate 0 is for TLS clients\n"
        "   5. ok  dates: 2 certificates looked at, none refused for them\n"
        "   6. NO  certificate 0 \"CN=mallory\" serial 66 is on list number 05 of \"CN=Test CA\" "
        "since 2021-01-02T00:00:00Z (reason keyCompromise)\n"
        "   7. ok  lists: certificate 0 is answered for by list number 05 of \"CN=Test CA\", with "
        "1 entry, from 2021-01-01T00:00:00Z until 2100-01-01T00:00:00Z, listed.crl\n"
        "\n"
        "Chain\n"
        "  0  \"CN=mallory\" serial 66, valid 2021-01-01T00:00:00Z to 2022-01-01T00:00:00Z\n"
        "  1  \"CN=Test CA\" serial 02, in the trust store, valid 2020-01-01T00:00:00Z to "
        "2100-01-01T00:00:00Z\n"
        "\n"
        "What to do\n"
        "  the authority has revoked this certificate: ask it why, and have a new one issued; a "
        "revocation cannot be taken back in the gateway\n");
    pki_free(mallory);
}

/* One bad certificate for each reason that the judge itself can give. */
struct bad {
    enum reason reason;
    struct pki_cert_spec spec;
    const char *crl;
    bool from_root; /* issued by the root, of whom there is no list */
};

static void
every_reason_is_explained(void **state)
{
    struct world *w = *state;
    const struct bad rows[] = {
        {REASON_MAX_SIZE, {.cn = "large", .padding_bytes = 9000}, NULL, false},
        {REASON_NOT_YET_VALID, {.cn = "early", .not_before_s = year(2022)}, NULL, false},
        {REASON_EXPIRED, {.cn = "late", .not_after_s = year(2021) + 86400}, NULL, false},
        {REASON_TYPE_UNSUPPORTED, {.cn = "weak", .key_kind = PKI_RSA1024}, NULL, false},
        {REASON_PURPOSE_INVALID, {.cn = "server", .eku = "serverAuth"}, NULL, false},
        {REASON_INCOMPATIBLE, {.cn = "sha1", .digest = "SHA1"}, NULL, false},
        {REASON_CRL_MISSING, {.cn = "unlisted"}, "empty.crl", true},
    };

    for (size_t i = 0; i < array_len(rows); i++) {
        struct pki_cert_spec spec = rows[i].spec;
        struct pki_cert *cert;
        char want[128];

        if (spec.key_kind == PKI_P256)
            spec.key_kind = PKI_RSA2048;
        if (spec.not_before_s == 0)
            spec.not_before_s = year(2021);
        if (spec.not_after_s == 0)
            spec.not_after_s = year(2023);
        cert = pki_issue(&spec, rows[i].from_root ? w->root : w->ca);
        pki_write_chain("bad.pem", cert);
        expect(w, run_bare(w, "bad.pem", rows[i].crl, true), EXPLAIN_REFUSE);
        (void)snprintf(want, sizeof(want), "\"reason\":\"%s\"", reason_token(rows[i].reason));
        if (strstr(w->out, want) == NULL)
            fail_msg("%s: %s in %s", spec.cn, want, w->out);
        pki_free(cert);
    }
}

static void
a_stranger_is_untrusted(void **state)
{
    struct world *w = *state;
    struct pki_cert *other = issue("Other Root", "\x07", PKI_CA, NULL);
    struct pki_cert *eve = issue("eve", "\x08", PKI_CLIENT, other);

    pki_write_chain("eve.pem", eve);
    expect(w, run_bare(w, "eve.pem", NULL, false), EXPLAIN_REFUSE);
    assert_non_null(strstr(w->out, "REFUSED: ClientCertUntrusted"));
    assert_non_null(strstr(w->out, "add its authority to ca_bundle"));
    assert_null(strstr(w->out, "\nChain\n"));
    assert_non_null(strstr(w->out, "\nSent\n  0  \"CN=eve\" serial 08, valid "));
    pki_free(eve);
    pki_free(other);
}

static void
a_long_chain_is_refused_by_its_depth(void **state)
{
    static const char *const levels[] = {"Level 0", "Level 1", "Level 2", "Level 3", "Level 4"};
    struct world *w = *state;
    struct pki_cert *chain[6];
    const struct explain_options o = {.trust_store = "root.pem", .cert = "deep.pem", .at = AT};

    chain[0] = issue("Level 0", "\x30", PKI_CA, w->root);
    for (size_t i = 1; i < array_len(chain) - 1; i++)
        chain[i] = issue(levels[i], "\x31", PKI_CA, chain[i - 1]);
    chain[5] = issue("deep", "\x36", PKI_CLIENT, chain[4]);
    pki_write_chain("deep.pem", chain[5]);
    expect(w, run(w, &o), EXPLAIN_REFUSE);
    if (strstr(w->out, "REFUSED: ClientCertMaxChainDepthExceeded") == NULL)
        fail_msg("%s", w->out);
    for (size_t i = array_len(chain); i > 0; i--)
        pki_free(chain[i - 1]);
}

static void
an_expired_list_is_a_verdict_and_no_load_error(void **state)
{
    struct world *w = *state;
    struct pki_cert *alice = issue("alice", "\x11", PKI_CLIENT, w->ca);
    const char *crls[] = {"old.crl"};
    const struct explain_options o = {
        .trust_store = "ca.pem", .crls = crls, .crl_count = 1, .cert = "alice.pem", .at = AT};

    pki_write_chain("alice.pem", alice);
    pki_crl_write("old.crl", true,
                  &(struct pki_crl_spec){.this_update_s = year(2020), .next_update_s = year(2021)},
                  w->ca);
    expect(w, run(w, &o), EXPLAIN_REFUSE);
    assert_non_null(strstr(w->out, "REFUSED: CrlExpired"));
    pki_free(alice);
}

static void
every_reason_has_advice(void **state)
{
    (void)state;
    for (unsigned i = 0; i < REASON_COUNT; i++)
        assert_non_null(explain_advice((enum reason)i));
}

static void
json_is_well_formed_and_has_the_promised_keys(void **state)
{
    struct world *w = *state;
    struct pki_cert *alice = issue("a\"l\\ice", "\x11", PKI_CLIENT, w->ca);

    pki_write_chain("alice.pem", alice);
    expect(w, run_bare(w, "alice.pem", "empty.crl", true), EXPLAIN_ADMIT);
    assert_true(json_is_valid(str_make(w->out, w->out_len)));
    assert_non_null(strstr(w->out, "{\"verdict\":\"admit\",\"reason\":null,"));
    assert_non_null(strstr(w->out, "\"chain\":[{\"subject\":"));
    assert_int_equal(count_text(str_make(w->out, w->out_len), "\n"), 1);
    pki_free(alice);
}

static void
text_and_keys_around_the_certificate_are_no_trouble(void **state)
{
    struct world *w = *state;
    struct pki_cert *alice = issue("alice", "\x11", PKI_CLIENT, w->ca);
    struct bytes text = {0};

    bytes_puts(&text, "Certificate:\n    Data:\n        Version: 3 (0x2)\n");
    pki_pem_cert(&text, alice);
    bytes_puts(&text, "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n");
    file_spill("alice.pem", text.ptr, text.len, 0600);
    expect(w, run_bare(w, "alice.pem", NULL, false), EXPLAIN_ADMIT);
    file_spill("alice.der", alice->der.ptr, alice->der.len, 0600);
    expect(w, run_bare(w, "alice.der", NULL, false), EXPLAIN_ADMIT);
    bytes_free(&text);
    pki_free(alice);
}

static void
untrusted_completes_the_chain(void **state)
{
    struct world *w = *state;
    struct pki_cert *alice = issue("alice", "\x11", PKI_CLIENT, w->ca);
    struct explain_options o = {.trust_store = "root.pem", .cert = "leaf.pem", .at = AT};

    pki_write_certs("leaf.pem", alice, NULL);
    pki_write_certs("middle.pem", w->ca, NULL);
    expect(w, run(w, &o), EXPLAIN_REFUSE);
    assert_non_null(strstr(w->out, "ClientCertUntrusted"));
    o.untrusted = "middle.pem";
    expect(w, run(w, &o), EXPLAIN_ADMIT);
    pki_free(alice);
}

static void
the_time_is_the_one_asked_for(void **state)
{
    struct world *w = *state;
    struct pki_cert *alice = issue("alice", "\x11", PKI_CLIENT, w->ca);
    struct explain_options o = {.trust_store = "ca.pem", .cert = "alice.pem"};

    pki_write_chain("alice.pem", alice);
    o.at = "2020-06-01T00:00:00Z";
    expect(w, run(w, &o), EXPLAIN_REFUSE);
    assert_non_null(strstr(w->out, "ClientCertNotYetValid"));
    o.at = "2023-06-01T00:00:00+02:00";
    expect(w, run(w, &o), EXPLAIN_REFUSE);
    assert_non_null(strstr(w->out, "ClientCertExpired"));
    assert_non_null(strstr(w->out, "2023-05-31T22:00:00Z"));
    pki_free(alice);
}

static void
unreadable_input_is_an_error_and_no_verdict(void **state)
{
    struct world *w = *state;
    struct pki_cert *alice = issue("alice", "\x11", PKI_CLIENT, w->ca);
    static const char *const broken[] = {
        "",
        "not a certificate\n",
        "-----BEGIN CERTIFICATE-----\nMIIB\n",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        "\x30\x82\x01",
    };

    pki_write_chain("alice.pem", alice);
    for (size_t i = 0; i < array_len(broken); i++) {
        file_spill("broken.pem", broken[i], strlen(broken[i]), 0600);
        expect(w, run_bare(w, "broken.pem", NULL, false), EXPLAIN_ERROR);
        assert_string_equal(w->out, "");
        assert_non_null(strstr(w->err, "broken.pem"));
    }
    expect(w, run_bare(w, "absent.pem", NULL, false), EXPLAIN_ERROR);
    expect(w, run_bare(w, "alice.pem", "absent.crl", false), EXPLAIN_ERROR);
    expect(w,
           run(w, &(struct explain_options){.trust_store = "ca.pem",
                                            .cert = "alice.pem",
                                            .at = "yesterday"}),
           EXPLAIN_ERROR);
    assert_non_null(strstr(w->err, "yesterday"));
    pki_free(alice);
}

/* ---- with a configuration ---- */

static const char config_text[] =
    "listeners:\n"
    "  - name: partners\n"
    "    bind: 127.0.0.1:8443\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: partners}\n"
    "    rules:\n"
    "      - priority: 10\n"
    "        when: {path: [\"/widgets*\"], method: [GET], source_ip: [10.0.0.0/8]}\n"
    "        action: {forward: api}\n"
    "      - priority: 20\n"
    "        when: {header: {name: X-Env, values: [prod]}}\n"
    "        action: {fixed_response: {status: 418}}\n"
    "  - name: pass\n"
    "    bind: 127.0.0.1:8444\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: passthrough}\n"
    "    default_action: {fixed_response: {status: 200}}\n"
    "  - name: open\n"
    "    bind: 127.0.0.1:8445\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    default_action: {fixed_response: {status: 200}}\n"
    "trust_stores:\n"
    "  partners: {ca_bundle: ca.pem, crls: [now.crl]}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:8080\"]}\n";

static struct pki_cert *
write_config(struct world *w)
{
    struct pki_cert *server = pki_server(w->root, "api.test");
    struct pki_cert *alice = pki_client(w->ca, "alice");

    pki_write_pair(".", "server", server);
    pki_write_chain("alice.pem", alice);
    pki_crl_revoke("now.crl", w->ca, 1, NULL);
    file_spill("f.yaml", config_text, strlen(config_text), 0600);
    pki_free(server);
    return alice;
}

static void
a_listener_judges_as_it_would_live(void **state)
{
    struct world *w = *state;
    struct pki_cert *alice = write_config(w);
    struct explain_options o = {.config = "f.yaml", .listener = "partners", .cert = "alice.pem"};

    expect(w, run(w, &o), EXPLAIN_ADMIT);
    assert_non_null(strstr(w->out, "listener     partners, mode verify"));
    pki_crl_revoke("now.crl", w->ca, 2, alice, NULL);
    expect(w, run(w, &o), EXPLAIN_REFUSE);
    assert_non_null(strstr(w->out, "ClientCertCrlHit"));
    pki_free(alice);
}

static void
the_request_is_routed_by_the_same_rules(void **state)
{
    struct world *w = *state;
    struct pki_cert *alice = write_config(w);
    const char *headers[] = {"X-Env: prod"};
    struct explain_options o = {.config = "f.yaml",
                                .listener = "partners",
                                .cert = "alice.pem",
                                .method = "GET",
                                .host = "api.test",
                                .path = "/widgets/1",
                                .source = "10.1.2.3"};

    expect(w, run(w, &o), EXPLAIN_ADMIT);
    assert_non_null(strstr(w->out, "GET https://api.test/widgets/1\n  forward to api\n"));
    assert_non_null(strstr(w->out, "rule 10 applies"));
    o.source = "192.0.2.1";
    expect(w, run(w, &o), EXPLAIN_ADMIT);
    assert_non_null(strstr(w->out, "rule 10: source_ip does not match"));
    assert_non_null(strstr(w->out, "no rule matches; default action: answer 404"));
    o.headers = headers;
    o.header_count = 1;
    o.is_json = true;
    expect(w, run(w, &o), EXPLAIN_ADMIT);
    assert_true(json_is_valid(str_make(w->out, w->out_len)));
    assert_non_null(strstr(w->out, "\"action\":\"answer 418\",\"rule\":20,\"status\":418}"));
    pki_free(alice);
}

static void
a_refused_client_never_sends_its_request(void **state)
{
    struct world *w = *state;
    struct pki_cert *alice = write_config(w);
    const struct explain_options o = {
        .config = "f.yaml", .listener = "partners", .cert = "alice.pem", .path = "/widgets"};

    pki_crl_revoke("now.crl", w->ca, 2, alice, NULL);
    expect(w, run(w, &o), EXPLAIN_REFUSE);
    assert_non_null(strstr(w->out, "never sent: the handshake fails"));
    pki_free(alice);
}

static void
a_malformed_request_is_an_error(void **state)
{
    static const char *const headers[] = {"no colon", "Content-Length: 1\r\nX: y", "Bad Name: x"};
    struct world *w = *state;
    struct pki_cert *alice = write_config(w);

    for (size_t i = 0; i < array_len(headers); i++) {
        const struct explain_options o = {.config = "f.yaml",
                                          .listener = "partners",
                                          .cert = "alice.pem",
                                          .path = "/",
                                          .headers = &headers[i],
                                          .header_count = 1};
        int status = run(w, &o);

        if (i != 1)
            assert_int_equal(status, EXPLAIN_ERROR);
    }
    expect(w,
           run(w,
               &(struct explain_options){
                   .config = "f.yaml", .listener = "partners", .cert = "alice.pem", .path = "a b"}),
           EXPLAIN_ERROR);
    pki_free(alice);
}

static void
passthrough_and_off_say_that_they_do_not_judge(void **state)
{
    struct world *w = *state;
    struct pki_cert *alice = write_config(w);
    struct explain_options o = {.config = "f.yaml", .listener = "pass", .cert = "alice.pem"};

    expect(w, run(w, &o), EXPLAIN_ADMIT);
    assert_non_null(strstr(w->out, "ADMITTED, NOT JUDGED: mode passthrough"));
    o.listener = "open";
    expect(w, run(w, &o), EXPLAIN_ADMIT);
    assert_non_null(strstr(w->out, "ADMITTED, NOT JUDGED: mode off"));
    pki_free(alice);
}

static void
the_listener_must_be_clear(void **state)
{
    struct world *w = *state;
    struct pki_cert *alice = write_config(w);
    struct explain_options o = {.config = "f.yaml", .cert = "alice.pem"};
    static const char another[] = "  - name: more\n"
                                  "    bind: 127.0.0.1:8446\n"
                                  "    certificates: [{certificate: server.pem, "
                                  "private_key: server.key}]\n"
                                  "    mutual_authentication: {mode: optional, trust_store: "
                                  "partners}\n"
                                  "    default_action: {fixed_response: {status: 200}}\n";
    const char *rest = strstr(config_text, "trust_stores:");
    char *two = xformat("%.*s%s%s", (int)(rest - config_text), config_text, another, rest);

    /* Only one of the three judges: there is nothing to choose. */
    expect(w, run(w, &o), EXPLAIN_ADMIT);
    assert_non_null(strstr(w->out, "listener     partners, mode verify"));
    file_spill("f.yaml", two, strlen(two), 0600);
    free(two);
    expect(w, run(w, &o), EXPLAIN_ERROR);
    assert_non_null(strstr(w->err, "partners, pass, open, more"));
    o.listener = "nobody";
    expect(w, run(w, &o), EXPLAIN_ERROR);
    assert_non_null(strstr(w->err, "there is no listener \"nobody\""));
    o.listener = "partners";
    o.sni = "not a name";
    expect(w, run(w, &o), EXPLAIN_ERROR);
    pki_free(alice);
}

static void
a_broken_configuration_shows_its_errors(void **state)
{
    struct world *w = *state;
    struct pki_cert *alice = write_config(w);
    const struct explain_options o = {
        .config = "f.yaml", .listener = "partners", .cert = "alice.pem"};

    file_spill("f.yaml", "listeners: 7\n", 13, 0600);
    expect(w, run(w, &o), EXPLAIN_ERROR);
    assert_non_null(strstr(w->err, "f.yaml:1:"));
    pki_free(alice);
}

#define world_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(a_good_certificate_reads_so),
        world_test(a_revoked_certificate_reads_so),
        world_test(every_reason_is_explained),
        world_test(a_stranger_is_untrusted),
        world_test(a_long_chain_is_refused_by_its_depth),
        world_test(an_expired_list_is_a_verdict_and_no_load_error),
        cmocka_unit_test(every_reason_has_advice),
        world_test(json_is_well_formed_and_has_the_promised_keys),
        world_test(text_and_keys_around_the_certificate_are_no_trouble),
        world_test(untrusted_completes_the_chain),
        world_test(the_time_is_the_one_asked_for),
        world_test(unreadable_input_is_an_error_and_no_verdict),
        world_test(a_listener_judges_as_it_would_live),
        world_test(the_request_is_routed_by_the_same_rules),
        world_test(a_refused_client_never_sends_its_request),
        world_test(a_malformed_request_is_an_error),
        world_test(passthrough_and_off_say_that_they_do_not_judge),
        world_test(the_listener_must_be_clear),
        world_test(a_broken_configuration_shows_its_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
