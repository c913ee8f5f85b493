/* SPDX-License-Identifier: Apache-2.0
 *
 * Where revocation lists come from, and what happens when that goes wrong: good and hostile
 * servers, files that are replaced, restarts, damaged state. Whatever happens, a revoked
 * client stays out.
 */
#include "support/unit.h"

#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/client.h"
#include "support/gateway.h"
#include "support/origin.h"
#include "support/pki.h"

#define HEAD                                                                                    \
    "workers: 1\nstate_dir: state\nadmin: {bind: 127.0.0.1:@ADMIN@, socket: admin.sock}\n"      \
    "listeners:\n"                                                                              \
    "  - name: front\n"                                                                         \
    "    bind: 127.0.0.1:@PORT@\n"                                                              \
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"                  \
    "    mutual_authentication: {mode: verify, trust_store: clients}\n"                         \
    "    default_action: {fixed_response: {status: 200, content_type: text/plain, body: in}}\n" \
    "trust_stores:\n"

#define BY_URL                                            \
    HEAD "  clients:\n    ca_bundle: ca.pem\n    crls:\n" \
         "      - {url: \"http://127.0.0.1:@LIST@/ca.crl\", interval: 1s, max_size: 64KiB}\n"

static const char by_url[] = BY_URL;
static const char by_file[] =
    HEAD "  clients: {ca_bundle: ca.pem, crls: [ca.crl], crl_missing: allow}\n";
static const char by_folder[] =
    HEAD "  clients: {ca_bundle: ca.pem, crls: [lists], crl_missing: allow}\n";

struct world {
    char *dir;
    struct pki_cert *ca, *other, *server, *alice, *mallory, *stranger;
    struct origin *lists;
    struct gateway *g;
    char port[8];
    const char *vars[4];
    int64_t made_s;      /* lists are dated by it and their number */
    struct bytes answer; /* what the list server says */
    struct origin_step steps[3];
};

static char *
in_dir(struct world *w, const char *name)
{
    return unit_path(w->dir, name);
}

static int
setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    char *path;

    w->dir = dir_temp("supply");
    w->ca = pki_root("Test CA");
    w->other = pki_root("Test CA"); /* the same name, another key */
    w->server = pki_server(w->ca, "localhost,127.0.0.1");
    w->alice = pki_client(w->ca, "alice");
    w->mallory = pki_client(w->ca, "mallory");
    w->stranger = pki_client(w->other, "stranger");
    pki_write_pair(w->dir, "server", w->server);
    path = in_dir(w, "ca.pem");
    pki_write_certs(path, w->ca, NULL);
    free(path);
    path = in_dir(w, "state");
    assert_int_equal(mkdir(path, 0700), 0);
    free(path);
    w->lists = origin_start(&(struct origin_spec){.steps = NULL});
    (void)snprintf(w->port, sizeof(w->port), "%u", origin_port(w->lists));
    w->made_s = wall_s() - 3600;
    w->vars[0] = "LIST";
    w->vars[1] = w->port;
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    if (w->g != NULL)
        (void)gateway_stop(w->g);
    origin_stop(w->lists);
    bytes_free(&w->answer);
    pki_free(w->stranger);
    pki_free(w->mallory);
    pki_free(w->alice);
    pki_free(w->server);
    pki_free(w->other);
    pki_free(w->ca);
    dir_remove(w->dir);
    free(w->dir);
    free(w);
    return 0;
}

/* ---- lists ---- */

/* number; mallory revoked, and alice with her. */
static struct bytes
list(struct world *w, uint64_t number, bool has_mallory, bool has_alice)
{
    struct pki_crl_entry entries[2];
    struct pki_crl_spec spec = {
        .entries = entries, .number = number, .this_update_s = w->made_s + (int64_t)number};

    memset(entries, 0, sizeof(entries));
    if (has_mallory)
        entries[spec.entry_count++].cert = w->mallory;
    if (has_alice)
        entries[spec.entry_count++].cert = w->alice;
    return pki_crl_pem(&spec, w->ca);
}

/* From now on every request gets this answer on a connection of its own. */
static void
serve_raw(struct world *w, const char *head, struct str body)
{
    struct bytes old = w->answer;

    w->answer = (struct bytes){.ptr = NULL};
    bytes_puts(&w->answer, head);
    bytes_add(&w->answer, body.ptr, body.len);
    w->steps[0] = (struct origin_step)ORIGIN_READ_REQUEST;
    w->steps[1] = (struct origin_step){.op = ORIGIN_OP_SEND, .data = bytes_str(&w->answer)};
    w->steps[2] = (struct origin_step)ORIGIN_CLOSE;
    origin_set_steps(w->lists, w->steps, 3);
    assert_true(origin_wait_idle(w->lists, 5000));
    bytes_free(&old);
}

static void
serve_list(struct world *w, struct bytes text)
{
    char *head = xformat("HTTP/1.1 200 OK\r\nETag: \"%zx\"\r\nContent-Length: %zu\r\n\r\n",
                         text.len, text.len);

    serve_raw(w, head, bytes_str(&text));
    free(head);
    bytes_free(&text);
}

static void
serve_status(struct world *w, const char *status)
{
    char *head = xformat("HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n", status);

    serve_raw(w, head, STR(""));
    free(head);
}

static void
write_list(struct world *w, const char *name, struct bytes text)
{
    char *path = in_dir(w, name);

    file_spill(path, text.ptr, text.len, 0644);
    free(path);
    bytes_free(&text);
}

/* ---- gateway ---- */

static bool
start(struct world *w, const char *yaml)
{
    w->g = gateway_start(&(struct gateway_spec){
        .yaml = yaml, .vars = w->vars, .dir = w->dir, .may_fail = true, .keep_dir = true});
    return gateway_is_ready(w->g);
}

static bool
is_admitted(struct world *w, const struct pki_cert *cert)
{
    struct client *c =
        client_open(&(struct client_spec){.port = gateway_port(w->g, 1), .cert = cert});
    struct response r = client_get(c, "localhost", "/");
    bool is_in = r.status == 200;

    response_free(&r);
    client_close(c);
    return is_in;
}

static bool
becomes(struct world *w, const struct pki_cert *cert, bool is_in, int timeout_ms)
{
    int64_t end = now_ms() + timeout_ms;

    while (now_ms() < end) {
        if (is_admitted(w, cert) == is_in)
            return true;
        sleep_ms(50);
    }
    return false;
}

static void
assert_only_alice(struct world *w)
{
    assert_true(is_admitted(w, w->alice));
    assert_false(is_admitted(w, w->mallory));
    assert_false(is_admitted(w, w->stranger));
}

/* kill -9 and gone; the folder stays. */
static void
kill_gateway(struct world *w)
{
    struct proc *p = gateway_proc(w->g);

    if (proc_is_running(p)) {
        proc_signal(p, SIGKILL);
        (void)proc_wait(p, 5000);
    }
    (void)gateway_stop(w->g);
    w->g = NULL;
}

/* ---- by URL ---- */

static void
a_list_by_url_is_kept_current(void **state)
{
    struct world *w = *state;

    serve_list(w, list(w, 1, true, false));
    assert_true(start(w, by_url));
    assert_only_alice(w);
    serve_status(w, "304 Not Modified");
    origin_forget(w->lists);
    assert_true(origin_wait_requests(w->lists, 1, 5000));
    assert_true(origin_saw(w->lists, "If-None-Match: \""));
    assert_true(
        gateway_page_says(w->g, "/metrics", "sallyport_crl_fetch_errors_total{source=\"http://"));
    assert_true(gateway_page_says(w->g, "/status.json", "\"last_error\":\"\""));
    serve_list(w, list(w, 2, true, true));
    assert_true(becomes(w, w->alice, false, 4000));
    assert_false(is_admitted(w, w->mallory));
    assert_true(gateway_page_says(w->g, "/status.json", "\"number\":\"02\""));
    assert_true(
        gateway_page_says(w->g, "/metrics", "sallyport_crl_entries{trust_store=\"clients\""));
    assert_true(gateway_page_says(w->g, "/metrics", "sallyport_crl_seconds_to_next_update{"));
}

struct answer {
    const char *name;
    const char *error; /* that status must show */
    void (*serve)(struct world *w);
};

static void
serve_wrong_signature(struct world *w)
{
    struct pki_crl_spec spec = {.number = 9, .corrupt_signature = true};

    serve_list(w, pki_crl_pem(&spec, w->ca));
}

static void
serve_other_key(struct world *w)
{
    struct pki_crl_spec spec = {.number = 9};

    serve_list(w, pki_crl_pem(&spec, w->other));
}

static void
serve_older(struct world *w)
{
    serve_list(w, list(w, 4, false, false));
}

static void
serve_same_number(struct world *w)
{
    serve_list(w, list(w, 5, false, false));
}

static void
serve_cut(struct world *w)
{
    struct bytes text = list(w, 9, false, false);

    text.len /= 2;
    serve_list(w, text);
}

static void
serve_expired(struct world *w)
{
    struct pki_crl_spec spec = {
        .number = 9, .this_update_s = wall_s() - 100, .next_update_s = wall_s() - 10};

    serve_list(w, pki_crl_pem(&spec, w->ca));
}

static void
serve_page(struct world *w)
{
    serve_raw(w, "HTTP/1.1 200 OK\r\n\r\n", STR("<html>Log in</html>"));
}

static void
serve_nothing(struct world *w)
{
    serve_status(w, "200 OK");
}

static void
serve_file_redirect(struct world *w)
{
    serve_status(w, "302 Found\r\nLocation: file:///etc/passwd");
}

static void
serve_elsewhere(struct world *w)
{
    char *status = xformat("301 Moved\r\nLocation: http://%s/other", origin_address(w->lists));

    serve_status(w, status);
    free(status);
}

static void
serve_endless(struct world *w)
{
    static const char chunk[] = "400\r\n"
                                "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    static struct origin_step steps[3];
    static struct bytes whole;

    bytes_free(&whole);
    bytes_puts(&whole, "400\r\n");
    for (int i = 0; i < 16; i++)
        bytes_puts(&whole, chunk + 5);
    bytes_puts(&whole, "\r\n");
    steps[0] = (struct origin_step)ORIGIN_READ_REQUEST;
    steps[1] =
        (struct origin_step)ORIGIN_SEND("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    steps[2] = (struct origin_step){.op = ORIGIN_OP_REPEAT, .data = bytes_str(&whole), .n = 51200};
    origin_set_steps(w->lists, steps, 3);
}

static const struct answer hostile[] = {
    {"wrong signature", "signature", serve_wrong_signature},
    {"older", "older than the one in use before", serve_older},
    {"another key", "has the key it was signed with", serve_other_key},
    {"same number, other bytes", "no newer than the one in use before", serve_same_number},
    {"cut", "damaged", serve_cut},
    {"expired", "expired at", serve_expired},
    {"a page", "text between objects", serve_page},
    {"nothing", "empty", serve_nothing},
    {"redirect to a file", "answered 302; redirects are not followed", serve_file_redirect},
    {"redirect elsewhere", "answered 301; redirects are not followed", serve_elsewhere},
    {"endless", "larger than 65536 bytes", serve_endless},
};

/* Each after a good answer, so that the next question comes within a second or so. */
static void
no_answer_of_a_server_replaces_a_good_list(void **state)
{
    struct world *w = *state;

    serve_list(w, list(w, 5, true, false));
    assert_true(start(w, by_url));
    for (size_t i = 0; i < array_len(hostile); i++) {
        hostile[i].serve(w);
        if (!gateway_wait_page(w->g, "/status.json", hostile[i].error, 5000))
            fail_msg("%s: status does not say \"%s\"", hostile[i].name, hostile[i].error);
        assert_only_alice(w);
        assert_true(gateway_page_says(w->g, "/status.json", "\"number\":\"05\""));
        serve_status(w, "304 Not Modified");
        if (!gateway_wait_page(w->g, "/status.json", "\"last_error\":\"\"", 5000))
            fail_msg("%s: does not recover", hostile[i].name);
    }
    assert_false(origin_saw(w->lists, "/other"));
    assert_true(gateway_page_says(w->g, "/status.json", "\"generation\":1"));
}

static void
a_silent_server_holds_nothing_up(void **state)
{
    static const struct origin_step slow[] = {
        ORIGIN_READ_REQUEST, ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        ORIGIN_DRIBBLE("0123456789012345678901234567890123456789", 1, 1000)};
    struct world *w = *state;

    serve_list(w, list(w, 1, true, false));
    assert_true(start(w, by_url));
    origin_set_steps(w->lists, slow, array_len(slow));
    origin_forget(w->lists);
    assert_true(origin_wait_requests(w->lists, 1, 5000));
    assert_only_alice(w);
    assert_int_equal(gateway_reload(w->g), GATEWAY_RELOADED);
    assert_only_alice(w);
    assert_int_equal(origin_conn_count(w->lists), 1); /* no second question meanwhile */
    assert_int_equal(gateway_stop(w->g), 0);
    w->g = NULL;
}

static void
the_last_good_copy_serves_while_the_source_is_down(void **state)
{
    struct world *w = *state;

    serve_list(w, list(w, 5, true, false));
    assert_true(start(w, by_url));
    kill_gateway(w);
    serve_status(w, "503 Down");
    assert_true(start(w, by_url));
    assert_only_alice(w);
    assert_true(gateway_wait_page(w->g, "/status.json", "answered 503", 5000));
    assert_only_alice(w);
}

/* The only copy that the gateway keeps on disk. */
static char *
copy_path(struct world *w)
{
    char *pattern = xformat("%s/state/lists/*.crl", w->dir);
    char *path;
    glob_t found;

    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    path = xformat("%s", found.gl_pathv[0]);
    globfree(&found);
    free(pattern);
    return path;
}

static void
an_older_list_is_refused_after_kill_9_too(void **state)
{
    struct world *w = *state;
    struct bytes old = list(w, 4, false, false);
    char *path;

    serve_list(w, list(w, 5, true, false));
    assert_true(start(w, by_url));
    kill_gateway(w);
    path = copy_path(w);
    file_spill(path, old.ptr, old.len, 0600);
    serve_list(w, old);
    assert_false(start(w, by_url)); /* on disk and at the server: older */
    kill_gateway(w);
    serve_list(w, list(w, 6, true, false));
    assert_true(start(w, by_url)); /* fetched before the first load */
    assert_only_alice(w);
    kill_gateway(w);
    assert_int_equal(unlink(path), 0); /* no copy, and the source is down */
    serve_status(w, "503 Down");
    assert_false(start(w, by_url));
    free(path);
}

/* ---- files ---- */

static void
replaced_files_are_loaded_by_themselves(void **state)
{
    struct world *w = *state;

    write_list(w, "ca.crl", list(w, 1, true, false));
    assert_true(start(w, by_file));
    assert_only_alice(w);
    write_list(w, "ca.crl", list(w, 2, true, true)); /* by rename */
    assert_true(becomes(w, w->alice, false, 2000));
    write_list(w, "ca.crl", list(w, 3, true, false));
    assert_true(becomes(w, w->alice, true, 2000));
    write_list(w, "ca.crl", list(w, 2, false, false)); /* older */
    assert_true(proc_wait_text(gateway_proc(w->g), "is older than the one in use", 3000));
    assert_only_alice(w);
    assert_true(gateway_page_says(w->g, "/status.json", "\"result\":\"refused\""));
    write_list(w, "ca.crl", list(w, 4, true, true));
    assert_true(becomes(w, w->alice, false, 2000));
}

static void
a_new_file_in_a_folder_is_loaded_by_itself(void **state)
{
    struct world *w = *state;
    char *path = in_dir(w, "lists");

    assert_int_equal(mkdir(path, 0755), 0);
    free(path);
    write_list(w, "lists/a.crl", list(w, 1, true, false));
    assert_true(start(w, by_folder));
    assert_only_alice(w);
    write_list(w, "lists/b.crl", list(w, 2, true, true));
    assert_true(becomes(w, w->alice, false, 2000));
    assert_false(is_admitted(w, w->mallory));
}

static void
ages_are_said_once(void **state)
{
    struct world *w = *state;
    struct pki_crl_entry entry = {.cert = w->mallory};
    struct pki_crl_spec spec = {.entries = &entry,
                                .entry_count = 1,
                                .number = 1,
                                .this_update_s = wall_s() - 1000,
                                .next_update_s = wall_s() + 4};
    struct bytes all;

    write_list(w, "ca.crl", pki_crl_pem(&spec, w->ca));
    assert_true(start(w, by_file));
    assert_true(proc_wait_text(gateway_proc(w->g), "of its validity left", 2000));
    assert_only_alice(w);
    assert_true(proc_wait_text(gateway_proc(w->g), "has expired; fetch", 8000));
    assert_false(is_admitted(w, w->alice)); /* crl_expired: refuse, checked while running */
    assert_false(is_admitted(w, w->mallory));
    all = gateway_diag(w->g);
    assert_int_equal(count_text(bytes_str(&all), "of its validity left"), 1);
    assert_int_equal(count_text(bytes_str(&all), "has expired; fetch"), 1);
    bytes_free(&all);
}

/* ---- faults at start ---- */

enum fault { FAULT_DELETE, FAULT_EMPTY, FAULT_CUT, FAULT_GARBLE, FAULT_SWAP, FAULT_FOLDER, FAULTS };

static const char *const fault_names[] = {"delete", "empty", "cut", "garble", "swap", "folder"};

static void
damage(const char *path, const struct bytes *good, enum fault fault, const struct bytes *other)
{
    struct bytes text = {.ptr = NULL};

    bytes_add(&text, good->ptr, good->len);
    unlink(path);
    if (fault == FAULT_GARBLE)
        text.ptr[text.len / 2] ^= 1;
    if (fault == FAULT_CUT)
        text.len /= 2;
    if (fault == FAULT_EMPTY)
        text.len = 0;
    if (fault == FAULT_FOLDER)
        assert_int_equal(mkdir(path, 0700), 0);
    else if (fault == FAULT_SWAP)
        file_spill(path, other->ptr, other->len, 0600);
    else if (fault != FAULT_DELETE)
        file_spill(path, text.ptr, text.len, 0600);
    bytes_free(&text);
}

static void
restore(const char *path, const struct bytes *good)
{
    (void)rmdir(path);
    file_spill(path, good->ptr, good->len, 0600);
}

/* It may refuse to start; if it starts, nobody gets in who did not before. */
static void
start_and_check(struct world *w, const char *what, const char *fault)
{
    if (start(w, by_url) && (is_admitted(w, w->mallory) || is_admitted(w, w->stranger)))
        fail_msg("%s: %s: admitted who should not be", what, fault);
    kill_gateway(w);
}

static void
damaged_files_never_let_anybody_in(void **state)
{
    struct world *w = *state;
    char *paths[3];
    struct bytes good[3], older = list(w, 4, false, false);

    serve_list(w, list(w, 5, true, false));
    assert_true(start(w, by_url));
    kill_gateway(w);
    serve_status(w, "503 Down");
    paths[0] = copy_path(w);
    paths[1] = in_dir(w, "state/list-numbers");
    paths[2] = in_dir(w, "ca.pem");
    for (int i = 0; i < 3; i++)
        good[i] = file_slurp(paths[i]);
    for (int i = 0; i < 3; i++) {
        for (enum fault f = 0; f < FAULTS; f++) {
            damage(paths[i], &good[i], f, i == 0 ? &older : &good[(i + 1) % 3]);
            start_and_check(w, paths[i], fault_names[f]);
            restore(paths[i], &good[i]);
        }
    }
    /* In pairs, swapped with each other too. */
    for (int i = 0; i < 3; i++) {
        int j = (i + 1) % 3;

        for (enum fault f = 0; f < FAULTS; f++) {
            damage(paths[i], &good[i], f, &good[j]);
            damage(paths[j], &good[j], f, &good[i]);
            start_and_check(w, paths[i], fault_names[f]);
            restore(paths[i], &good[i]);
            restore(paths[j], &good[j]);
        }
    }
    assert_true(start(w, by_url));
    assert_only_alice(w);
    for (int i = 0; i < 3; i++) {
        bytes_free(&good[i]);
        free(paths[i]);
    }
    bytes_free(&older);
}

#define in_world(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        in_world(a_list_by_url_is_kept_current),
        in_world(no_answer_of_a_server_replaces_a_good_list),
        in_world(a_silent_server_holds_nothing_up),
        in_world(the_last_good_copy_serves_while_the_source_is_down),
        in_world(an_older_list_is_refused_after_kill_9_too),
        in_world(replaced_files_are_loaded_by_themselves),
        in_world(a_new_file_in_a_folder_is_loaded_by_itself),
        in_world(ages_are_said_once),
        in_world(damaged_files_never_let_anybody_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
