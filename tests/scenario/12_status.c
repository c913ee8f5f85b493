/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator reads at night: the status begins with what needs attention and is silent when
 * nothing does, and the metrics are what the strictest reader of Prometheus' text takes, whatever
 * names authorities have.
 */
#include "support/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support/client.h"
#include "support/gateway.h"
#include "support/json_check.h"
#include "support/origin.h"
#include "support/pki.h"

#define PAGE_MS 30000
#define HOUR_S 3600

static const char quiet_text[] =
    "state_dir: state\n"
    "admin: {bind: 127.0.0.1:@ADMIN@, socket: admin.sock}\n"
    "listeners:\n"
    "  - name: partners\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: partners}\n"
    "    hosts: [{names: [bank.test, \"*.bank.test\"]@HOST@}]\n"
    "    default_action: {fixed_response: {status: 204}}\n"
    "trust_stores:\n"
    "  partners: {ca_bundle: ca.pem, crls: [ca.crl.pem]@STORE@}\n"
    "@MORE@";

static const char *const quiet_vars[] = {
    "HOST", ", default_action: {fixed_response: {status: 204}}", "STORE", "", "MORE", "", NULL};

struct world {
    char *dir;
    struct pki_cert *root, *client;
    struct gateway *g;
};

static void
write_list(const struct world *w, int64_t this_update_s, int64_t next_update_s, int number)
{
    struct bytes pem = pki_crl_pem(&(struct pki_crl_spec){.number = number,
                                                          .this_update_s = this_update_s,
                                                          .next_update_s = next_update_s},
                                   w->root);
    char *path = xformat("%s/ca.crl.pem", w->dir);

    file_spill(path, pem.ptr, pem.len, 0600);
    bytes_free(&pem);
    free(path);
}

static void
write_server(const struct world *w, const char *name, int64_t lasts_s)
{
    const struct pki_san san = {PKI_SAN_DNS, STR("localhost")};
    struct pki_cert *server =
        pki_issue(&(struct pki_cert_spec){.role = PKI_SERVER,
                                          .cn = "localhost",
                                          .sans = &san,
                                          .san_count = 1,
                                          .not_after_s = time(NULL) + lasts_s},
                  w->root);

    pki_write_pair(w->dir, name, server);
    pki_free(server);
}

static int
setup(void **state)
{
    /* What a label must escape, and a byte that is no UTF-8. */
    static const struct pki_attr names[] = {
        {"CN", STR("Te\"st\\ \n Root"), 0, false},
        {"O", STR("T\xff"), V_ASN1_T61STRING, false},
    };
    const struct pki_cert_spec root = {.role = PKI_CA, .attrs = names, .attr_count = 2};
    struct world *w = xcalloc(1, sizeof(*w));
    char *bundle;

    w->dir = gateway_dir_new();
    w->root = pki_issue(&root, NULL);
    w->client = pki_client(w->root, "client");
    bundle = xformat("%s/ca.pem", w->dir);
    pki_write_certs(bundle, w->root, NULL);
    write_server(w, "server", 90 * 24 * HOUR_S);
    write_list(w, 0, 0, 1);
    free(bundle);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    if (w->g != NULL)
        assert_int_equal(gateway_stop(w->g), 0);
    else
        dir_remove(w->dir);
    free(w->dir);
    pki_free(w->client);
    pki_free(w->root);
    free(w);
    return 0;
}

static void
start(struct world *w, const char *const *vars)
{
    w->g = gateway_start(&(struct gateway_spec){.yaml = quiet_text, .vars = vars, .dir = w->dir});
}

static struct bytes
page(const struct world *w, const char *path)
{
    struct bytes body = {0};

    assert_int_equal(gateway_admin_get(w->g, path, &body), 200);
    return body;
}

/* ---- attention ---- */

static void
a_quiet_gateway_asks_for_no_attention(void **state)
{
    struct world *w = *state;
    struct str raw;
    struct bytes json;
    struct proc_result text;

    start(w, quiet_vars);
    json = page(w, "/status.json");
    assert_true(json_is_valid(bytes_str(&json)));
    assert_true(json_member(bytes_str(&json), "attention", &raw));
    assert_str_equal(raw, STR("[]"));
    bytes_free(&json);
    text = gateway_command(w->g, "status", "-c", "@DIR@/sallyport.yaml", NULL);
    assert_int_equal(text.status, 0);
    assert_non_null(strstr(text.out.ptr, "\nattention\n  none\n"));
    assert_non_null(strstr(text.out.ptr, "bank.test, *.bank.test"));
    proc_result_free(&text);
}

/* Each with the words that an operator reads. */
static void
what_turns_clients_away_or_lets_them_in_is_told_first(void **state)
{
    static const char *const vars[] = {
        "HOST",
        ", certificates: [{certificate: late.pem, private_key: late.key}], "
        "mutual_authentication: {mode: verify, trust_store: partners, report_only: true}",
        "STORE",
        ", crl_expired: grace, crl_grace: 48h",
        "MORE",
        "target_groups:\n  api: {protocol: http, targets: [\"absent.invalid:80\"]}\n",
        NULL};
    static const char *const told[] = {
        "{\"what\":\"server certificate\",\"detail\":\"partners: expires in 1d ",
        "{\"what\":\"report only\",\"detail\":\"partners, host bank.test: certificates that would",
        "{\"what\":\"expired list\",\"detail\":\"partners: list number 01 of ",
        "expired 1h 0m ago; its clients are refused in 1d 22h, after crl_grace\"}",
        "{\"what\":\"target name\",\"detail\":\"absent.invalid: ",
        "no address is known\"}",
    };
    struct world *w = *state;
    int64_t now_s = time(NULL);

    write_server(w, "late", 36 * HOUR_S);
    write_list(w, now_s - 48 * HOUR_S, now_s - HOUR_S - 5, 1);
    start(w, vars);
    for (size_t i = 0; i < array_len(told); i++)
        if (!gateway_wait_page(w->g, "/status.json", told[i], PAGE_MS))
            fail_msg("not told: %s", told[i]);
    write_list(w, now_s - 48 * HOUR_S, now_s - HOUR_S, 2);
    gateway_set_yaml(w->g, "nonsense: 1\n", NULL);
    assert_int_equal(gateway_reload(w->g), GATEWAY_REFUSED);
    assert_true(gateway_wait_page(w->g, "/status.json", "\"what\":\"last reload\"", PAGE_MS));
    assert_true(gateway_wait_page(w->g, "/status", "<td>last reload</td>", PAGE_MS));
    assert_true(gateway_wait_page(w->g, "/status.txt", "\nattention\n  last reload ", PAGE_MS));
}

/* ---- metrics ---- */

struct reader {
    struct str families[512]; /* names with a TYPE, in order */
    size_t family_count;
    struct str series[4096]; /* name and labels */
    size_t series_count;
    struct str helped; /* the HELP line's name, when it was the last line */
};

static size_t
name_len(struct str s)
{
    size_t n = 0;

    while (n < s.len &&
           (ascii_is_alpha(s.ptr[n]) || s.ptr[n] == '_' || (n > 0 && ascii_is_digit(s.ptr[n]))))
        n++;
    return n;
}

static struct str
take_name(struct str *line)
{
    size_t n = name_len(*line);
    struct str name = str_sub(*line, 0, n);

    assert_true(n > 0);
    *line = str_sub(*line, n, line->len);
    return name;
}

static void
take(struct str *line, const char *text)
{
    if (!str_starts(*line, str_from(text)))
        fail_msg("expected \"%s\": %.*s", text, STR_ARG(*line));
    *line = str_sub(*line, strlen(text), line->len);
}

static void
take_labels(struct str *line)
{
    take(line, "{");
    for (;;) {
        (void)take_name(line);
        take(line, "=\"");
        while (line->len > 0 && line->ptr[0] != '"') {
            size_t step = line->ptr[0] == '\\' ? 2 : 1;

            if (step == 2 && (line->len < 2 || strchr("\\\"n", line->ptr[1]) == NULL))
                fail_msg("a bad escape: %.*s", STR_ARG(*line));
            *line = str_sub(*line, step, line->len);
        }
        take(line, "\"");
        if (line->len == 0 || line->ptr[0] != ',')
            break;
        take(line, ",");
    }
    take(line, "}");
}

static void
read_comment(struct reader *r, struct str line)
{
    bool is_help = str_starts(line, STR("# HELP "));
    struct str name;

    take(&line, is_help ? "# HELP " : "# TYPE ");
    name = take_name(&line);
    take(&line, " ");
    if (is_help) {
        assert_true(line.len > 0);
        r->helped = name;
        return;
    }
    assert_true(str_eq(line, STR("counter")) || str_eq(line, STR("gauge")));
    assert_str_equal(r->helped, name);
    if (str_eq(line, STR("counter")) != str_ends(name, STR("_total")))
        fail_msg("%.*s is a %.*s", STR_ARG(name), STR_ARG(line));
    for (size_t i = 0; i < r->family_count; i++)
        if (str_eq(r->families[i], name))
            fail_msg("%.*s begins twice", STR_ARG(name));
    assert_true(r->family_count < array_len(r->families));
    r->families[r->family_count++] = name;
    r->helped = (struct str){0};
}

static void
read_sample(struct reader *r, struct str line)
{
    struct str whole = line;
    struct str name = take_name(&line);
    char value[32];
    char *end;

    assert_true(r->family_count > 0);
    assert_str_equal(name, r->families[r->family_count - 1]);
    if (line.len > 0 && line.ptr[0] == '{')
        take_labels(&line);
    whole.len -= line.len;
    take(&line, " ");
    snprintf(value, sizeof(value), "%.*s", STR_ARG(line));
    (void)strtod(value, &end);
    if (end == value || *end != '\0')
        fail_msg("no number: %.*s", STR_ARG(line));
    for (size_t i = 0; i < r->series_count; i++)
        if (str_eq(r->series[i], whole))
            fail_msg("there twice: %.*s", STR_ARG(whole));
    assert_true(r->series_count < array_len(r->series));
    r->series[r->series_count++] = whole;
}

static void
metrics_are_what_the_strictest_reader_takes(void **state)
{
    struct reader *r = xcalloc(1, sizeof(*r));
    struct world *w = *state;
    struct bytes text;
    struct str rest, line;
    bool done = false;

    start(w, quiet_vars);
    text = page(w, "/metrics");
    assert_true(text.len > 0 && text.ptr[text.len - 1] == '\n');
    assert_non_null(strstr(text.ptr, "CN=Te\\\\\\\"st"));
    rest = str_make(text.ptr, text.len - 1);
    while (str_split_next(&rest, '\n', &done, &line)) {
        if (line.len > 0 && line.ptr[0] == '#')
            read_comment(r, line);
        else
            read_sample(r, line);
    }
    assert_true(r->family_count > 30);
    bytes_free(&text);
    free(r);
}

/* The first of all certificates of a listener to expire is a host's. */
static void
a_hosts_certificate_counts_for_its_listener(void **state)
{
    static const char *const vars[] = {
        "HOST",  ", certificates: [{certificate: late.pem, private_key: late.key}]",
        "STORE", "",
        "MORE",  "",
        NULL};
    struct world *w = *state;
    int64_t end_s = time(NULL) + 36 * HOUR_S;
    struct bytes text;
    const char *at;
    long long told_s;

    write_server(w, "late", 36 * HOUR_S);
    start(w, vars);
    text = page(w, "/metrics");
    at = strstr(text.ptr,
                "\nsallyport_server_certificate_not_after_seconds{listener=\"partners\"} ");
    assert_non_null(at);
    told_s = strtoll(strchr(at + 1, ' '), NULL, 10);
    assert_true(told_s >= end_s && told_s < end_s + 120);
    bytes_free(&text);
}

/* ---- probes ---- */

static void
probe(const struct world *w, const char *path, int status, const char *text)
{
    struct bytes body = {0};

    assert_int_equal(gateway_admin_get(w->g, path, &body), status);
    assert_string_equal(body.ptr, text);
    bytes_free(&body);
}

/* A load balancer asks /readyz; a supervisor that must not kill what drains asks /healthz. */
static void
a_draining_gateway_is_healthy_and_not_ready(void **state)
{
    struct world *w = *state;
    struct client *c;

    start(w, quiet_vars);
    probe(w, "/readyz", 200, "ready\n");
    probe(w, "/healthz", 200, "ok\n");
    c = client_open(&(struct client_spec){.port = gateway_port(w->g, 1), .cert = w->client});
    client_puts(c, "GET / HTTP/1.1\r\nHost: localhost\r\n"); /* keeps the drain waiting */
    proc_signal(gateway_proc(w->g), SIGTERM);
    assert_true(proc_wait_text(gateway_proc(w->g), "draining", PAGE_MS));
    probe(w, "/readyz", 503, "draining\n");
    probe(w, "/healthz", 200, "ok\n");
    assert_true(gateway_wait_page(w->g, "/status.json", "\"state\":\"draining\"", PAGE_MS));
    assert_true(gateway_wait_page(w->g, "/status.json", "{\"what\":\"state\",\"detail\":\"draining",
                                  PAGE_MS));
    client_close(c);
}

#define world_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(a_quiet_gateway_asks_for_no_attention),
        world_test(what_turns_clients_away_or_lets_them_in_is_told_first),
        world_test(metrics_are_what_the_strictest_reader_takes),
        world_test(a_hosts_certificate_counts_for_its_listener),
        world_test(a_draining_gateway_is_healthy_and_not_ready),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
