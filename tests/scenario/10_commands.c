/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands as scripts use them: exit status, what goes to which stream, and a running
 * gateway that answers `reload` and `status`.
 */
#include "support/unit.h"

#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/gateway.h"
#include "support/json_check.h"
#include "support/pki.h"

#define COMMAND_MS 30000

static const char config_text[] =
    "workers: 2\n"
    "admin: {bind: 127.0.0.1:@ADMIN@, socket: admin.sock}\n"
    "listeners:\n"
    "  - name: partners\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: partners}\n"
    "    rules:\n"
    "      - priority: 10\n"
    "        when: {path: [\"/widgets*\"]}\n"
    "        action: {forward: api}\n"
    "    default_action: {fixed_response: {status: 404}}\n"
    "trust_stores:\n"
    "  partners: {ca_bundle: ca.pem, crls: [ca.crl.pem]}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@PORT2@\"]}\n";

struct world {
    char *dir;
    struct pki_cert *root, *ca, *client, *revoked;
};

static char *
in_dir(const struct world *w, const char *name)
{
    return xformat("%s/%s", w->dir, name);
}

static void
write_file(const struct world *w, const char *name, const char *text)
{
    char *path = in_dir(w, name);

    file_spill(path, text, strlen(text), 0600);
    free(path);
}

static void
write_lists(const struct world *w)
{
    struct bytes lists = {0};
    const struct pki_crl_entry entry = {.cert = w->revoked};
    struct bytes root = pki_crl_pem(&(struct pki_crl_spec){.number = 1}, w->root);
    struct bytes ca = pki_crl_pem(
        &(struct pki_crl_spec){.number = 1, .entries = &entry, .entry_count = 1}, w->ca);
    char *path = in_dir(w, "ca.crl.pem");

    bytes_add(&lists, root.ptr, root.len);
    bytes_add(&lists, ca.ptr, ca.len);
    file_spill(path, lists.ptr, lists.len, 0600);
    free(path);
    bytes_free(&lists);
    bytes_free(&root);
    bytes_free(&ca);
}

static void
write_chain(const struct world *w, const char *name, const struct pki_cert *leaf)
{
    char *path = in_dir(w, name);

    pki_write_chain(path, leaf);
    free(path);
}

static int
setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    struct pki_cert *server;
    char *bundle;

    w->dir = gateway_dir_new();
    w->root = pki_root("Test Root");
    w->ca = pki_intermediate(w->root, "Test CA");
    w->client = pki_client(w->ca, "client");
    w->revoked = pki_client(w->ca, "revoked");
    server = pki_server(w->root, "localhost,127.0.0.1");
    bundle = in_dir(w, "ca.pem");
    pki_write_certs(bundle, w->root, w->ca, NULL);
    pki_write_pair(w->dir, "server", server);
    write_lists(w);
    write_chain(w, "client.pem", w->client);
    write_chain(w, "revoked.pem", w->revoked);
    pki_free(server);
    free(bundle);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    dir_remove(w->dir);
    free(w->dir);
    pki_free(w->client);
    pki_free(w->revoked);
    pki_free(w->ca);
    pki_free(w->root);
    free(w);
    return 0;
}

/* Configuration with real ports, for commands that need no running gateway. */
static char *
write_config(const struct world *w)
{
    char *path = in_dir(w, "f.yaml");
    struct bytes text = {0};
    const char *at = config_text;
    const char *mark;

    while ((mark = strchr(at, '@')) != NULL) {
        bytes_add(&text, at, (size_t)(mark - at));
        bytes_printf(&text, "%u", port_free());
        at = strchr(mark + 1, '@') + 1;
    }
    bytes_puts(&text, at);
    file_spill(path, text.ptr, text.len, 0600);
    bytes_free(&text);
    return path;
}

static void
expect_status(const struct proc_result *r, int want)
{
    if (r->status != want)
        fail_msg("status %d, not %d\n%s%s", r->status, want, r->out.ptr, r->err.ptr);
}

static bool
says(const struct bytes *b, const char *text)
{
    return b->len > 0 && find_bytes(b->ptr, b->len, text, strlen(text)) != NULL;
}

#define run(...) sallyport_command((const char *const[]){__VA_ARGS__, NULL}, COMMAND_MS)

static void
version_names_the_program_and_its_libraries(void **state)
{
    static const char *const names[] = {"sallyport ", "OpenSSL 3", "libnghttp2 ",
                                        "libevent ",  "libyaml ",  "libcurl "};
    struct proc_result r = run("version");

    (void)state;
    expect_status(&r, 0);
    for (size_t i = 0; i < array_len(names); i++)
        assert_true(says(&r.out, names[i]));
    proc_result_free(&r);
}

static void
help_names_every_command(void **state)
{
    static const char *const names[] = {"run",    "check", "explain", "reload",
                                        "status", "deny",  "version", "help"};
    struct proc_result r = run("help");

    (void)state;
    expect_status(&r, 0);
    for (size_t i = 0; i < array_len(names); i++)
        assert_true(says(&r.out, names[i]));
    proc_result_free(&r);
}

static void
wrong_usage_is_two_and_goes_to_standard_error(void **state)
{
    static const char *const rows[][4] = {
        {"frobnicate"},
        {"run"},
        {"check"},
        {"check", "-x"},
        {"check", "-c"},
        {"check", "-c", "f", "g"},
        {"explain"},
        {"explain", "--cert", "x"},
        {"explain", "--bad"},
        {"reload", "--bad"},
        {"status", "surplus"},
        {"deny", "list", "surplus"},
        {"deny", "add"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        const char *args[5] = {rows[i][0], rows[i][1], rows[i][2], rows[i][3], NULL};
        struct proc_result r = sallyport_command(args, COMMAND_MS);

        expect_status(&r, 2);
        assert_int_equal(r.out.len, 0);
        assert_true(r.err.len > 0);
        proc_result_free(&r);
    }
}

static void
check_says_what_it_found(void **state)
{
    const struct world *w = *state;
    char *file = write_config(w);
    char *want = xformat("%s: valid (1 listener, 1 rule, 1 trust store, 2 revocation lists, "
                         "1 target group)\n",
                         file);
    struct proc_result r = run("check", "-c", file);

    expect_status(&r, 0);
    assert_string_equal(r.out.ptr, want);
    proc_result_free(&r);
    free(want);
    free(file);
}

static void
check_prints_every_error_with_its_place(void **state)
{
    const struct world *w = *state;
    char *file = in_dir(w, "f.yaml");
    char *first = xformat("%s:1:1: ", file);
    char *second = xformat("%s:2:10: ", file);
    struct proc_result r;

    write_file(w, "f.yaml", "bogus: 1\nworkers: many\n");
    r = run("check", "-c", file);
    expect_status(&r, 1);
    assert_int_equal(r.out.len, 0);
    assert_true(says(&r.err, first));
    assert_true(says(&r.err, second));
    proc_result_free(&r);
    free(first);
    free(second);
    free(file);
}

static void
check_loads_every_file_that_run_would_load(void **state)
{
    static const char *const files[] = {"server.pem", "server.key", "ca.pem", "ca.crl.pem"};
    const struct world *w = *state;
    char *file = write_config(w);

    for (size_t i = 0; i < array_len(files); i++) {
        char *path = in_dir(w, files[i]);
        struct bytes kept = file_slurp(path);
        struct proc_result r;

        file_spill(path, kept.ptr, kept.len - 40, 0600);
        r = run("check", "-c", file);
        expect_status(&r, 1);
        if (!says(&r.err, files[i]))
            fail_msg("%s: %s", files[i], r.err.ptr);
        proc_result_free(&r);
        file_spill(path, kept.ptr, kept.len, 0600);
        bytes_free(&kept);
        free(path);
    }
    free(file);
}

/* REPLACED stands in config_text. */
struct place_case {
    const char *replaced, *by;
    int status;
    const char *at; /* LINE:COLUMN: */
    const char *text;
};

static void
check_must_say(const struct world *w, const struct place_case *c)
{
    char *file = write_config(w);
    char *at = xformat("%s:%s ", file, c->at);
    struct bytes whole = file_slurp(file);
    const char *found = find_bytes(whole.ptr, whole.len, c->replaced, strlen(c->replaced));
    struct proc_result r;
    char *text;

    assert_non_null(found);
    text = xformat("%.*s%s%.*s", (int)(found - whole.ptr), whole.ptr, c->by,
                   (int)(whole.ptr + whole.len - found - (ptrdiff_t)strlen(c->replaced)),
                   found + strlen(c->replaced));
    file_spill(file, text, strlen(text), 0600);
    r = run("check", "-c", file);
    if (r.status != c->status || !says(&r.err, at) || !says(&r.err, c->text))
        fail_msg("%s: status %d: %s", c->by, r.status, r.err.ptr);
    assert_int_equal(r.out.len == 0, c->status != 0);
    proc_result_free(&r);
    bytes_free(&whole);
    free(text);
    free(at);
    free(file);
}

static void
check_names_the_line_that_names_a_wrong_file(void **state)
{
    static const struct place_case cases[] = {
        {"certificate: server.pem", "certificate: absent.pem", 1,
         "6:20:", "absent.pem: cannot be opened: No such file"},
        {"certificate: server.pem", "certificate: client.pem", 1,
         "6:20:", "server.key: is not the private key of"},
        {"ca_bundle: ca.pem", "ca_bundle: empty.pem", 1, "14:25:", "empty.pem: is empty"},
        {"ca_bundle: ca.pem", "ca_bundle: .", 1, "14:25:", "is a directory"},
        {"[ca.crl.pem]", "[absent.crl]", 1, "14:40:", "absent.crl: No such file"},
        {"api: {protocol: http,", "api: {tls: {ca_bundle: absent.pem},", 1,
         "16:14:", "absent.pem: cannot be opened"},
        {"    rules:", "    tls: {ticket_keys: absent.keys}\n    rules:", 1,
         "8:24:", "absent.keys: cannot be opened"},
    };
    const struct world *w = *state;

    write_file(w, "empty.pem", "");
    for (size_t i = 0; i < array_len(cases); i++)
        check_must_say(w, &cases[i]);
}

/* A folder that is made later, on another machine than this, is worth a warning; something else
 * in its place is an error. */
static void
check_looks_at_what_run_will_write_and_changes_nothing(void **state)
{
    static const struct place_case cases[] = {
        {"workers: 2", "state_dir: ca.pem", 1, "1:12:", "ca.pem is there and is no folder"},
        {"workers: 2",
         "state_dir: state\nlogging: {access: {path: access.log}}\nrun_as: {user: no-such-user}", 0,
         "3:9:", "no user \"no-such-user\""},
        {"workers: 2", "state_dir: a/b/c", 0, "1:12:", "a/b is not there"},
        {"socket: admin.sock", "socket: ca.pem", 1, "2:8:", "ca.pem is there and is no socket"},
        {"socket: admin.sock", "socket: run/admin.sock", 0, "2:8:", "run is not there"},
        {"workers: 2", "logging: {access: {path: .}}", 1, "1:19:", ". is there and is no file"},
        {"workers: 2", "logging: {connection: {path: log/c}}", 0, "1:23:", "log is not there"},
    };
    static const char *const made[] = {"state", "admin.sock", "access.log"};
    const struct world *w = *state;
    struct stat st;

    for (size_t i = 0; i < array_len(cases); i++)
        check_must_say(w, &cases[i]);
    for (size_t i = 0; i < array_len(made); i++) {
        char *path = in_dir(w, made[i]);

        assert_int_equal(stat(path, &st), -1);
        free(path);
    }
}

static bool
is_in_status(pid_t pid, const char *line)
{
    char *path = xformat("/proc/%d/status", (int)pid);
    struct bytes text = file_slurp(path);
    bool is_there = says(&text, line);

    bytes_free(&text);
    free(path);
    return is_there;
}

/* Started as root, with a folder that is not there yet: what is made belongs to the user, a second
 * start finds it, and what only root could read is said at once. */
static void
run_as_leaves_nothing_of_roots_behind(void **state)
{
    static const char *const made[] = {"state", "state/deny"};
    const struct world *w = *state;
    const struct passwd *pw = getpwnam("nobody");
    char *yaml = xformat("run_as: {user: nobody}\nstate_dir: state\n%s", config_text);
    char *socket = strstr(yaml, "socket: admin.sock");
    struct gateway *g;
    struct stat st;
    char *uids;

    if (geteuid() != 0 || pw == NULL) {
        free(yaml);
        skip();
    }
    memcpy(socket, "socket: state/sock", strlen("socket: state/sock"));
    assert_int_equal(chmod(w->dir, 0755), 0);
    g = gateway_start(&(struct gateway_spec){.yaml = yaml, .dir = w->dir, .keep_dir = true});
    uids = xformat("Uid:\t%u\t%u\t%u\t%u\n", pw->pw_uid, pw->pw_uid, pw->pw_uid, pw->pw_uid);
    assert_true(is_in_status(proc_pid(gateway_proc(g)), uids));
    assert_true(is_in_status(proc_pid(gateway_proc(g)), "CapPrm:\t0000000000000000\n"));
    assert_true(is_in_status(proc_pid(gateway_proc(g)), "NoNewPrivs:\t1\n"));
    assert_true(
        proc_wait_text(gateway_proc(g), "server.key cannot be read by \"nobody\"", COMMAND_MS));
    for (size_t i = 0; i < array_len(made); i++) {
        assert_int_equal(stat(gateway_path(g, made[i]), &st), 0);
        assert_int_equal(st.st_uid, pw->pw_uid);
    }
    assert_true(gateway_restart(g, SIGTERM));
    assert_int_equal(chown(gateway_path(g, "state"), 0, 0), 0);
    assert_false(gateway_restart(g, SIGTERM));
    assert_true(
        proc_wait_text(gateway_proc(g), "state is not for \"nobody\" to write", COMMAND_MS));
    assert_int_equal(gateway_stop(g), 1);
    free(yaml);
    free(uids);
}

static void
explain_tells_admitted_from_refused_by_its_status(void **state)
{
    const struct world *w = *state;
    char *file = write_config(w);
    char *good = in_dir(w, "client.pem");
    char *bad = in_dir(w, "revoked.pem");
    char *ca = in_dir(w, "ca.pem");
    char *crl = in_dir(w, "ca.crl.pem");
    struct proc_result r = run("explain", "-c", file, "--cert", good);

    expect_status(&r, 0);
    assert_memory_equal(r.out.ptr, "ADMITTED\n", 9);
    proc_result_free(&r);
    r = run("explain", "-c", file, "--cert", bad, "--json");
    expect_status(&r, 1);
    assert_true(json_member_is(bytes_str(&r.out), "verdict", "refuse"));
    assert_true(json_member_is(bytes_str(&r.out), "reason", "ClientCertCrlHit"));
    assert_int_equal(json_member_count(bytes_str(&r.out), "chain"), 1);
    proc_result_free(&r);
    r = run("explain", "--trust-store", ca, "--crl", crl, "--cert", bad);
    expect_status(&r, 1);
    assert_true(says(&r.out, "REFUSED: ClientCertCrlHit"));
    proc_result_free(&r);
    r = run("explain", "--trust-store", ca, "--cert", bad);
    expect_status(&r, 0);
    proc_result_free(&r);
    r = run("explain", "--trust-store", ca, "--cert", "/nonexistent");
    expect_status(&r, 2);
    proc_result_free(&r);
    free(file);
    free(good);
    free(bad);
    free(ca);
    free(crl);
}

static void
explain_routes_a_request(void **state)
{
    const struct world *w = *state;
    char *file = write_config(w);
    char *good = in_dir(w, "client.pem");
    struct proc_result r =
        run("explain", "-c", file, "--listener", "partners", "--sni", "localhost", "--cert", good,
            "--method", "GET", "--host", "localhost", "--path", "/widgets/7", "--header", "A: b",
            "--source", "192.0.2.7");

    expect_status(&r, 0);
    assert_true(says(&r.out, "forward to api"));
    proc_result_free(&r);
    free(file);
    free(good);
}

static void
run_that_cannot_start_is_one_and_says_why(void **state)
{
    const struct world *w = *state;
    struct gateway *g;
    struct bytes diag;

    write_file(w, "ca.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    g = gateway_start(&(struct gateway_spec){.yaml = config_text, .dir = w->dir, .may_fail = true});
    assert_false(gateway_is_ready(g));
    assert_int_equal(proc_wait(gateway_proc(g), 5000), 1);
    diag = gateway_diag(g);
    assert_true(says(&diag, "ca.pem"));
    bytes_free(&diag);
    (void)gateway_stop(g);
    assert_int_equal(mkdir(w->dir, 0700), 0);
}

static void
two_gateways_on_one_address_is_an_error(void **state)
{
    const struct world *w = *state;
    struct gateway *g = gateway_start(&(struct gateway_spec){.yaml = config_text, .dir = w->dir});
    struct proc_result r = gateway_command(g, "run", "-c", gateway_path(g, "sallyport.yaml"), NULL);

    expect_status(&r, 1);
    assert_true(says(&r.err, "cannot listen on 127.0.0.1:"));
    assert_true(says(&r.err, "another program listens there"));
    proc_result_free(&r);
    assert_int_equal(gateway_stop(g), 0);
    assert_int_equal(mkdir(w->dir, 0700), 0);
}

static void
reload_prints_what_happened(void **state)
{
    const struct world *w = *state;
    struct gateway *g = gateway_start(&(struct gateway_spec){.yaml = config_text, .dir = w->dir});
    struct proc_result r = gateway_command(g, "reload", "--socket", "@DIR@/admin.sock", NULL);

    expect_status(&r, 0);
    assert_true(says(&r.out, "generation 2 in use"));
    proc_result_free(&r);
    write_file(w, "ca.crl.pem", "");
    r = gateway_command(g, "reload", "-c", "@DIR@/sallyport.yaml", NULL);
    expect_status(&r, 1);
    assert_int_equal(r.out.len, 0);
    assert_true(says(&r.err, "ca.crl.pem"));
    assert_true(says(&r.err, "generation 2 stays"));
    proc_result_free(&r);
    assert_int_equal(gateway_stop(g), 0);
    assert_int_equal(mkdir(w->dir, 0700), 0);
}

static void
status_is_text_or_json(void **state)
{
    const struct world *w = *state;
    struct gateway *g = gateway_start(&(struct gateway_spec){.yaml = config_text, .dir = w->dir});
    struct proc_result r = gateway_command(g, "status", "--socket", "@DIR@/admin.sock", NULL);
    struct str part;

    expect_status(&r, 0);
    assert_true(says(&r.out, "partners"));
    assert_true(says(&r.out, "CN=Test CA"));
    proc_result_free(&r);
    r = gateway_command(g, "status", "--json", "--socket", "@DIR@/admin.sock", NULL);
    expect_status(&r, 0);
    assert_true(json_is_valid(bytes_str(&r.out)));
    assert_true(json_member(bytes_str(&r.out), "gateway", &part));
    assert_true(json_member_is(part, "state", "serving"));
    proc_result_free(&r);
    assert_int_equal(gateway_stop(g), 0);
    assert_int_equal(mkdir(w->dir, 0700), 0);
}

static void
without_a_gateway_reload_and_status_fail(void **state)
{
    const struct world *w = *state;
    char *socket = in_dir(w, "absent.sock");
    struct proc_result r = run("reload", "--socket", socket);

    expect_status(&r, 1);
    assert_true(says(&r.err, "no gateway is running"));
    proc_result_free(&r);
    r = run("status", "--socket", socket);
    expect_status(&r, 1);
    proc_result_free(&r);
    free(socket);
}

static void
admin_pages_are_there(void **state)
{
    static const char *const paths[] = {"/healthz", "/readyz", "/metrics", "/status",
                                        "/status.json"};
    const struct world *w = *state;
    struct gateway *g = gateway_start(&(struct gateway_spec){.yaml = config_text, .dir = w->dir});
    struct bytes body = {0};

    for (size_t i = 0; i < array_len(paths); i++)
        assert_int_equal(gateway_admin_get(g, paths[i], NULL), 200);
    assert_int_equal(gateway_admin_get(g, "/", NULL), 404);
    assert_int_equal(gateway_admin_get(g, "/status.json", &body), 200);
    assert_true(json_is_valid(bytes_str(&body)));
    assert_false(says(&body, "BEGIN"));
    assert_int_equal(gateway_admin_get(g, "/metrics", &body), 200);
    assert_true(says(&body, "\nsallyport_ready 1\n"));
    assert_true(says(&body, "sallyport_crl_entries{trust_store=\"partners\""));
    bytes_free(&body);
    assert_int_equal(gateway_stop(g), 0);
    assert_int_equal(mkdir(w->dir, 0700), 0);
}

#define world_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_names_the_program_and_its_libraries),
        cmocka_unit_test(help_names_every_command),
        cmocka_unit_test(wrong_usage_is_two_and_goes_to_standard_error),
        world_test(check_says_what_it_found),
        world_test(check_prints_every_error_with_its_place),
        world_test(check_loads_every_file_that_run_would_load),
        world_test(check_names_the_line_that_names_a_wrong_file),
        world_test(check_looks_at_what_run_will_write_and_changes_nothing),
        world_test(run_as_leaves_nothing_of_roots_behind),
        world_test(explain_tells_admitted_from_refused_by_its_status),
        world_test(explain_routes_a_request),
        world_test(run_that_cannot_start_is_one_and_says_why),
        world_test(two_gateways_on_one_address_is_an_error),
        world_test(reload_prints_what_happened),
        world_test(status_is_text_or_json),
        world_test(without_a_gateway_reload_and_status_fail),
        world_test(admin_pages_are_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
