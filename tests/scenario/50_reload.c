/* SPDX-License-Identifier: Apache-2.0
 *
 * Reloads of a gateway at work: no request fails and no connection is lost, however many come
 * and however fast; one that is wrong in any part changes nothing and says so everywhere; and the
 * process does not grow by them.
 */
#include "20_front.h"

#include <signal.h>
#include <unistd.h>

enum { VERIFY = 1, END_MS = 30000 };
enum { SIGNALS = 60, BURST = 200, H1_CONNS = 8, H2_CONNS = 4 };
enum { ENTRIES = 20000, WARM_UP = 20, RELOADS = 100, IDLE = 40, GROWTH_KIB_MAX = 6 * 1024 };

static const char reload_yaml[] =
    "workers: 2\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\", socket: admin.sock}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: ca.pem, crls: [lists.pem]}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "listeners:\n"
    "  - name: verify\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    attributes: {idle_timeout.timeout_seconds: 300}\n"
    "    mutual_authentication: {mode: verify, trust_store: clients}\n"
    "    rules:\n"
    "      - priority: 1\n"
    "        when: {path: [/version]}\n"
    "        action: {fixed_response: {status: 200, content_type: text/plain, body: \"@BODY@\"}}\n"
    "    default_action: {forward: api}\n";

struct world {
    struct front *f;
    struct pki_cert *bob; /* on the list from the start */
};

static void
write_lists(const struct world *w, uint64_t number, uint64_t entries)
{
    const struct pki_crl_entry entry = {.cert = w->bob};

    (void)remove(front_path(w->f, "new.pem"));
    front_add_list(w->f, "new.pem", w->f->root, &(struct pki_crl_spec){.number = number});
    front_add_list(w->f, "new.pem", w->f->ca,
                   &(struct pki_crl_spec){.number = number,
                                          .entries = &entry,
                                          .entry_count = 1,
                                          .synthetic_count = entries,
                                          .synthetic_seed = number});
    assert_int_equal(rename(front_path(w->f, "new.pem"), front_path(w->f, "lists.pem")), 0);
}

static int
setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->f = front_new(NULL);
    w->bob = pki_client(w->f->ca, "bob");
    pki_write_pair(w->f->dir, "alice", w->f->alice);
    write_lists(w, 1, 0);
    front_var(w->f, "BODY", "one");
    front_start(w->f, reload_yaml);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;
    int status = front_done(w->f);

    pki_free(w->bob);
    free(w);
    return status == 0 ? 0 : -1;
}

#define reload_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- under load ---- */

static struct proc *
load_start(const struct world *w, const char *http, int conns, const char *streams)
{
    char *url = xformat("https://localhost:%u/load", gateway_port(w->f->g, VERIFY));
    char *count = xformat("%d", conns);
    const char *const argv[] = {program_path("loadgen"),
                                "--http",
                                http,
                                "--connections",
                                count,
                                "--streams",
                                streams,
                                "--rate",
                                "200",
                                "--duration",
                                "600",
                                "--timeout",
                                "60000",
                                "--cert",
                                front_path(w->f, "alice.pem"),
                                "--key",
                                front_path(w->f, "alice.key"),
                                url,
                                NULL};
    struct proc *p = proc_start(&(struct proc_spec){.argv = argv, .name = "loadgen"});

    free(url);
    free(count);
    return p;
}

/* Every request was answered 200, over the connections that were opened first. */
static void
load_end(struct proc *p, int conns)
{
    char *handshakes = xformat("\"handshakes\":{\"full\":%d,\"resumed\":0},\"refused\":0", conns);
    struct bytes out;

    proc_signal(p, SIGTERM);
    assert_int_equal(proc_wait(p, END_MS), 0);
    out = proc_stdout(p);
    if (strstr(out.ptr, "\"failed\":0,") == NULL || strstr(out.ptr, handshakes) == NULL ||
        strstr(out.ptr, "\"status\":{\"200\":") == NULL ||
        strchr(strstr(out.ptr, "\"status\":{"), ',') < strchr(strstr(out.ptr, "\"status\":{"), '}'))
        fail_msg("%s", out.ptr);
    bytes_free(&out);
    free(handshakes);
    proc_free(p);
}

static void
wait_requests(const struct world *w, int64_t more)
{
    int64_t want = front_metric(w->f, "sallyport_requests_total") + more;

    for (int64_t until = now_ms() + END_MS; now_ms() < until; sleep_ms(20))
        if (front_metric(w->f, "sallyport_requests_total") >= want)
            return;
    fail_msg("the load does not move");
}

/* What the gateway says about its reloads stands still. */
static int64_t
settled_generation(const struct world *w)
{
    int64_t now = front_metric(w->f, "sallyport_generation"), before;

    do {
        before = now;
        sleep_ms(700); /* longer than the watch on files waits */
        now = front_metric(w->f, "sallyport_generation");
    } while (now != before);
    return now;
}

static bool
is_version(const struct world *w, const char *version)
{
    struct client *c = front_open(w->f, VERIFY, w->f->alice, "http/1.1");
    struct response r = client_get(c, "localhost", "/version");
    bool is_it = r.status == 200 && str_eq(bytes_str(&r.body), str_from(version));

    response_free(&r);
    client_close(c);
    return is_it;
}

static void
no_request_fails_and_no_connection_is_lost_by_reloads(void **state)
{
    struct world *w = *state;
    struct proc *h1 = load_start(w, "1", H1_CONNS, "1");
    struct proc *h2 = load_start(w, "2", H2_CONNS, "8");
    int64_t generation;

    wait_requests(w, 100);
    for (int i = 0; i < SIGNALS; i++) {
        if (i % 10 == 0)
            write_lists(w, (uint64_t)i / 10 + 2, 1000);
        proc_signal(gateway_proc(w->f->g), SIGHUP);
        sleep_ms(25);
    }
    wait_requests(w, 100);
    generation = settled_generation(w);
    assert_true(generation > 10);
    /* A burst becomes few reloads, and the last of them sees what was written before it ended. */
    for (int i = 0; i < BURST; i++) {
        if (i == BURST / 2) {
            front_var(w->f, "BODY", "two");
            gateway_set_yaml(w->f->g, reload_yaml, w->f->vars);
        }
        proc_signal(gateway_proc(w->f->g), SIGHUP);
    }
    assert_in_range(settled_generation(w), generation + 1, generation + BURST / 2);
    assert_true(is_version(w, "two"));
    wait_requests(w, 100);
    load_end(h1, H1_CONNS);
    load_end(h2, H2_CONNS);
    assert_int_equal(front_metric(w->f, "sallyport_reload_failures_total"), 0);
    assert_int_equal(front_metric(w->f, "sallyport_reloads_total"), settled_generation(w));
    assert_int_equal(front_metric(w->f, "sallyport_sweep_closed_total"), 0);
}

/* ---- one that is wrong ---- */

enum fault { CUT, EMPTY, GARBAGE, ABSENT, FOREIGN };

static const char *const fault_names[] = {"cut", "empty", "garbage", "absent", "another's"};

static const struct {
    const char *file;
    enum fault fault;
    const char *says; /* in the text of the refusal */
} faults[] = {
    {"sallyport.yaml", CUT, "sallyport.yaml:"},
    {"sallyport.yaml", EMPTY, "sallyport.yaml"},
    {"sallyport.yaml", GARBAGE, "sallyport.yaml:1:"},
    {"server.pem", CUT, "server.pem"},
    {"server.pem", ABSENT, "server.pem"},
    {"server.pem", FOREIGN, "server.key"},
    {"server.key", CUT, "server.key"},
    {"server.key", ABSENT, "server.key"},
    {"server.key", FOREIGN, "server.key"},
    {"ca.pem", CUT, "ca.pem"},
    {"ca.pem", EMPTY, "ca.pem"},
    {"ca.pem", ABSENT, "ca.pem"},
    {"ca.pem", FOREIGN, "lists.pem"},
    {"lists.pem", CUT, "lists.pem"},
    {"lists.pem", EMPTY, "lists.pem"},
    {"lists.pem", GARBAGE, "lists.pem"},
    {"lists.pem", ABSENT, "lists.pem"},
    {"lists.pem", FOREIGN, "lists.pem"},
};

static void
spoil(const struct world *w, const char *file, enum fault fault, const struct bytes *good)
{
    const char *path = front_path(w->f, file);
    struct bytes other;

    (void)remove(path);
    if (fault == CUT) {
        file_spill(path, good->ptr, good->len * 2 / 3, 0600);
    } else if (fault == EMPTY) {
        file_spill(path, "", 0, 0600);
    } else if (fault == GARBAGE) {
        file_spill(path, "\x01garbage: [\n", 11, 0600);
    } else if (fault == FOREIGN) {
        char *name = xformat("stranger.%s", file);

        other = file_slurp(front_path(w->f, name));
        free(name);
        file_spill(path, other.ptr, other.len, 0600);
        bytes_free(&other);
    }
}

/* What another authority would have written. */
static void
write_strangers(const struct world *w, struct pki_cert *root, struct pki_cert *server)
{
    pki_write_pair(w->f->dir, "stranger.server", server);
    pki_write_certs(front_path(w->f, "stranger.ca.pem"), root, NULL);
    front_add_list(w->f, "stranger.lists.pem", root, &(struct pki_crl_spec){.number = 9});
}

static bool
answers(struct client *c)
{
    struct response r = client_get(c, "localhost", "/");
    bool is_good = r.status == 200;

    response_free(&r);
    return is_good;
}

/* The log is written by a thread of its own. */
static void
wait_diag(const struct world *w, size_t mark, const char *text)
{
    bool has_it = false;

    for (int64_t until = now_ms() + END_MS; !has_it && now_ms() < until; sleep_ms(10)) {
        struct bytes log = front_diag_since(w->f, mark);

        has_it = log.ptr != NULL && strstr(log.ptr, text) != NULL;
        bytes_free(&log);
    }
    if (!has_it)
        fail_msg("the log does not say \"%s\"", text);
}

/* Exit status and text of the command, log, metrics and status tell of the same refusal. */
static void
assert_refused(struct world *w, const char *says, int64_t generation)
{
    int64_t failures = front_metric(w->f, "sallyport_reload_failures_total");
    char *stays = xformat("generation %lld stays", (long long)generation);
    size_t mark = front_diag_mark(w->f);
    struct proc_result r = gateway_command(w->f->g, "reload", "--socket", "@DIR@/admin.sock", NULL);
    struct bytes page = {0};

    if (r.status != 1 || strstr(r.err.ptr, says) == NULL || strstr(r.err.ptr, stays) == NULL)
        fail_msg("reload: status %d, %s", r.status, r.err.ptr != NULL ? r.err.ptr : "");
    wait_diag(w, mark, says);
    wait_diag(w, mark, stays);
    assert_int_equal(gateway_admin_get(w->f->g, "/status.json", &page), 200);
    assert_non_null(strstr(page.ptr, says));
    assert_int_equal(front_metric(w->f, "sallyport_generation"), generation);
    assert_int_equal(front_metric(w->f, "sallyport_last_reload_success"), 0);
    assert_true(front_metric(w->f, "sallyport_reload_failures_total") > failures);
    bytes_free(&page);
    free(stays);
    proc_result_free(&r);
}

static void
a_reload_that_is_wrong_in_any_part_changes_nothing_and_says_so(void **state)
{
    struct world *w = *state;
    struct pki_cert *root = pki_root("Stranger"), *server = pki_server(root, "localhost");
    struct pki_cert *mallory = pki_client(root, "mallory");
    struct client *live = front_open(w->f, VERIFY, w->f->alice, "http/1.1");
    int64_t generation = front_metric(w->f, "sallyport_generation");

    write_strangers(w, root, server);
    front_var(w->f, "BODY", "two"); /* that part would be right */
    assert_true(answers(live));
    for (size_t i = 0; i < array_len(faults); i++) {
        struct bytes good;

        gateway_set_yaml(w->f->g, reload_yaml, w->f->vars);
        good = file_slurp(front_path(w->f, faults[i].file));
        spoil(w, faults[i].file, faults[i].fault, &good);
        print_message("# %s %s\n", faults[i].file, fault_names[faults[i].fault]);
        assert_refused(w, faults[i].says, generation);
        assert_true(answers(live));
        assert_true(is_version(w, "one"));
        assert_int_equal(front_get(w->f, VERIFY, w->bob), 0);
        assert_int_equal(front_get(w->f, VERIFY, mallory), 0);
        (void)remove(front_path(w->f, faults[i].file));
        file_spill(front_path(w->f, faults[i].file), good.ptr, good.len, 0600);
        bytes_free(&good);
    }
    assert_int_equal(gateway_reload(w->f->g), GATEWAY_RELOADED);
    assert_true(is_version(w, "two"));
    assert_int_equal(front_metric(w->f, "sallyport_last_reload_success"), 1);
    assert_true(answers(live));
    client_close(live);
    pki_free(mallory);
    pki_free(server);
    pki_free(root);
}

/* ---- memory ---- */

static uint64_t
resident_kib(const struct world *w, unsigned *ret_fds)
{
    struct proc_usage usage = {0};

    sleep_ms(300);
    assert_true(proc_usage(gateway_proc(w->f->g), &usage));
    *ret_fds = usage.fds;
    return usage.rss_kib;
}

/* Every reload brings another list of 20,000 entries, 400 KiB, while connections stay open. */
static void
a_hundred_reloads_leave_nothing_behind(void **state)
{
    struct world *w = *state;
    struct client *idle[IDLE];
    uint64_t before = 0, after;
    unsigned fds_before = 0, fds_after;
    int64_t growth;

    for (int i = 0; i < IDLE; i++) {
        idle[i] = front_open(w->f, VERIFY, w->f->alice, i % 2 ? "http/1.1" : "h2");
        assert_int_equal(client_state(idle[i]), CLIENT_OK);
    }
    for (int i = 0; i < WARM_UP + RELOADS; i++) {
        if (i == WARM_UP)
            before = resident_kib(w, &fds_before);
        write_lists(w, (uint64_t)i + 2, ENTRIES);
        assert_int_equal(gateway_reload(w->f->g), GATEWAY_RELOADED);
    }
    after = resident_kib(w, &fds_after);
    growth = (int64_t)after - (int64_t)before;
    print_message("# %d reloads, each with %d new entries: from %llu KiB to %llu KiB\n", RELOADS,
                  ENTRIES, (unsigned long long)before, (unsigned long long)after);
    if (!front_is_sanitized())
        assert_true(growth < GROWTH_KIB_MAX);
    assert_int_equal(fds_after, fds_before);
    for (int i = 0; i < IDLE; i++) {
        if (i % 2)
            assert_true(answers(idle[i]));
        else
            assert_true(client_admitted(idle[i], 0));
        client_close(idle[i]);
    }
    assert_int_equal(front_get(w->f, VERIFY, w->bob), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        reload_test(no_request_fails_and_no_connection_is_lost_by_reloads),
        reload_test(a_reload_that_is_wrong_in_any_part_changes_nothing_and_says_so),
        reload_test(a_hundred_reloads_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
