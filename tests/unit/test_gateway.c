/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole gateway in a child of the test: that it starts, answers, stops clean, and that
 * what keeps it from starting is said. Traffic and signals are scenario tests.
 */
#include "support/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/gateway.h"
#include "support/pki.h"
#include "support/util.h"

#define TEXT_MAX 16384

static const char config_text[] =
    "workers: 2\n"
    "%s\n"
    "listeners:\n"
    "  - name: front\n"
    "    bind: 127.0.0.1:%u\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    default_action: {fixed_response: {status: 200}}\n";

struct world {
    char *dir;
    uint16_t port;
    pid_t pid;
    int out;
    char text[TEXT_MAX];
    size_t len;
};

static int
setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct pki_cert *root = pki_root("Test Root");
    struct pki_cert *server = pki_server(root, "localhost");

    assert_non_null(w);
    w->dir = unit_tmp_new();
    w->port = port_free();
    w->out = -1;
    pki_write_pair(w->dir, "server", server);
    pki_free(server);
    pki_free(root);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    if (w->pid > 0) {
        kill(w->pid, SIGKILL);
        waitpid(w->pid, NULL, 0);
    }
    if (w->out >= 0)
        close(w->out);
    unit_tmp_done(w->dir);
    free(w);
    return 0;
}

/* extra: more keys of the root of the configuration. */
static void
start(struct world *w, const char *extra)
{
    char *config = xformat(config_text, extra, w->port);
    char *path = unit_write_file(w->dir, "f.yaml", str_from(config));
    char program[] = "sallyport";
    char *const argv[] = {program, NULL};
    const struct gateway_options options = {.config_path = path, .argv = argv};
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    w->pid = fork();
    if (w->pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        exit(gateway_run(&options));
    }
    close(fds[1]);
    w->out = fds[0];
    assert_int_equal(fcntl(w->out, F_SETFL, O_NONBLOCK), 0);
    free(path);
    free(config);
}

/* True when the text appears in the output in time. */
static bool
wait_text(struct world *w, const char *text)
{
    int64_t deadline = now_ms() + 10000;

    while (strstr(w->text, text) == NULL && now_ms() < deadline) {
        struct pollfd p = {.fd = w->out, .events = POLLIN};
        ssize_t n;

        poll(&p, 1, 100);
        n = read(w->out, w->text + w->len, sizeof(w->text) - 1 - w->len);
        if (n == 0)
            break;
        w->len += n > 0 ? (size_t)n : 0;
    }
    return strstr(w->text, text) != NULL;
}

/* Its exit status. */
static int
finish(struct world *w)
{
    int status = 0;

    (void)wait_text(w, "\n\n\n"); /* to the end of the output */
    assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
    w->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static void
expect(const struct world *w, const char *text)
{
    if (strstr(w->text, text) == NULL)
        fail_msg("no \"%s\" in: %s", text, w->text);
}

static void
it_starts_says_so_and_stops_clean(void **state)
{
    struct world *w = *state;
    char ready[64];

    start(w, "");
    (void)snprintf(ready, sizeof(ready), "sallyport: ready: front on 127.0.0.1:%u\n", w->port);
    assert_true(wait_text(w, ready));
    assert_true(wait_text(w, "generation 1 in use"));
    kill(w->pid, SIGTERM);
    assert_int_equal(finish(w), 0);
    expect(w, "TERM: draining");
    assert_null(strstr(w->text, "ERROR"));
}

static void
a_log_file_that_cannot_be_opened_stops_the_start(void **state)
{
    struct world *w = *state;

    start(w, "logging: {access: {path: /nonexistent/access.log}}");
    assert_int_equal(finish(w), 1);
    expect(w, "/nonexistent/access.log");
    expect(w, "not started");
}

static void
all_addresses_that_are_taken_are_named(void **state)
{
    struct world *w = *state;
    struct world other = *w;
    uint16_t admin = port_free();
    char extra[64];

    (void)snprintf(extra, sizeof(extra), "admin: {bind: 127.0.0.1:%u}", admin);
    start(w, extra);
    assert_true(wait_text(w, "sallyport: ready"));
    start(&other, extra);
    assert_int_equal(finish(&other), 1);
    expect(&other, "listener \"front\": cannot listen on");
    expect(&other, "admin.bind: cannot listen on");
    close(other.out);
    kill(w->pid, SIGTERM);
    assert_int_equal(finish(w), 0);
}

static void
an_admin_socket_that_cannot_be_made_stops_the_start(void **state)
{
    struct world *w = *state;

    start(w, "admin: {socket: /nonexistent/admin.sock}");
    assert_int_equal(finish(w), 1);
    expect(w, "admin.socket: /nonexistent/admin.sock");
}

static void
an_unknown_user_stops_the_start(void **state)
{
    struct world *w = *state;

    if (geteuid() != 0)
        skip();
    start(w, "run_as: {user: no-such-user}");
    assert_int_equal(finish(w), 1);
    expect(w, "no user \"no-such-user\"");
}

static void
a_file_that_changes_a_setting_of_the_process_is_refused(void **state)
{
    struct world *w = *state;
    char *text = xformat(config_text, "state_dir: elsewhere", w->port);

    start(w, "");
    assert_true(wait_text(w, "generation 1 in use"));
    memcpy(strstr(text, "workers: 2"), "workers: 3", 10);
    free(unit_write_file(w->dir, "f.yaml", str_from(text)));
    kill(w->pid, SIGHUP);
    assert_true(wait_text(w, "reload refused: 2 errors, generation 1 stays"));
    expect(w, "workers cannot change while the gateway runs");
    expect(w, "state_dir cannot change while the gateway runs");
    kill(w->pid, SIGTERM);
    assert_int_equal(finish(w), 0);
    free(text);
}

static void
term_while_starting_ends_it(void **state)
{
    struct world *w = *state;

    /* The name server of the test machine is silent or says no; both are fine here. */
    start(w, "target_groups: {t: {protocol: http, targets: [\"unknown.invalid:80\"]}}");
    sleep_ms(50);
    kill(w->pid, SIGTERM);
    assert_int_equal(finish(w), 0);
}

#define world_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(it_starts_says_so_and_stops_clean),
        world_test(a_log_file_that_cannot_be_opened_stops_the_start),
        world_test(all_addresses_that_are_taken_are_named),
        world_test(an_admin_socket_that_cannot_be_made_stops_the_start),
        world_test(an_unknown_user_stops_the_start),
        world_test(a_file_that_changes_a_setting_of_the_process_is_refused),
        world_test(term_while_starting_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
