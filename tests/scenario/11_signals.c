/* SPDX-License-Identifier: Apache-2.0
 *
 * What signals do to a running gateway: HUP, TERM, INT, USR1, USR2, alone and in a storm.
 */
#include "support/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/client.h"
#include "support/gateway.h"
#include "support/json_check.h"
#include "support/origin.h"
#include "support/pki.h"

static const char config_text[] =
    "workers: 2\n"
    "admin: {bind: 127.0.0.1:@ADMIN@, socket: admin.sock}\n"
    "listeners:\n"
    "  - name: front\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    rules:\n"
    "      - priority: 1\n"
    "        when: {path: [\"/api*\"]}\n"
    "        action: {forward: api}\n"
    "    default_action: {fixed_response: {status: 200, content_type: text/plain, body: hello}}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "logging:\n"
    "  access: {path: access.log, format: json}\n";

/* The same with a second address. */
static const char two_addresses[] =
    "workers: 2\n"
    "admin: {bind: 127.0.0.1:@ADMIN@, socket: admin.sock}\n"
    "listeners:\n"
    "  - name: front\n"
    "    bind: [\"127.0.0.1:@PORT@\", \"127.0.0.1:@PORT2@\"]\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    default_action: {fixed_response: {status: 200, content_type: text/plain, body: hello}}\n"
    "logging:\n"
    "  access: {path: access.log, format: json}\n";

struct world {
    struct gateway *g;
    struct origin *origin;
    char port[16];
    const char *vars[4];
};

static int
setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    char *dir = gateway_dir_new();
    struct pki_cert *root = pki_root("Test Root");
    struct pki_cert *server = pki_server(root, "localhost,127.0.0.1");

    pki_write_pair(dir, "server", server);
    w->origin = origin_start(&(struct origin_spec){.steps = NULL});
    (void)snprintf(w->port, sizeof(w->port), "%u", origin_port(w->origin));
    w->vars[0] = "ORIGIN";
    w->vars[1] = w->port;
    w->g = gateway_start(&(struct gateway_spec){.yaml = config_text, .vars = w->vars, .dir = dir});
    pki_free(server);
    pki_free(root);
    free(dir);
    *state = w;
    return 0;
}

static int64_t admin_process(struct world *w);

/* A gateway that took over is no child of ours and would outlive a failed test. */
static int
teardown(void **state)
{
    struct world *w = *state;
    int64_t pid = admin_process(w);

    if (pid > 1 && pid != proc_pid(gateway_proc(w->g)))
        kill((pid_t)pid, SIGKILL);
    (void)gateway_stop(w->g);
    origin_stop(w->origin);
    free(w);
    return 0;
}

static const struct origin_step slow_steps[] = {
    ORIGIN_READ_REQUEST,
    ORIGIN_DELAY(1500),
    ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow"),
    ORIGIN_LOOP,
};

static const struct origin_step endless_steps[] = {
    ORIGIN_READ_REQUEST,
    ORIGIN_DELAY(30000),
};

static void
signal_it(struct world *w, int signo)
{
    proc_signal(gateway_proc(w->g), signo);
}

static bool
wait_diag(struct world *w, const char *text)
{
    return proc_wait_text(gateway_proc(w->g), text, 10000);
}

static struct client *
connect_to(struct world *w, int port)
{
    return client_open(&(struct client_spec){.port = gateway_port(w->g, port)});
}

/* Status of one GET on a connection of its own; 0 when there was none. */
static int
get(struct world *w, int port, const char *path)
{
    struct client *c = connect_to(w, port);
    struct response r = client_get(c, "localhost", path);
    int status = r.status;

    if (status == 0)
        print_message("end %d state %d: %s\n", r.end, client_state(c), client_error(c));
    response_free(&r);
    client_close(c);
    return status;
}

/* A request that the origin answers later. */
static struct client *
start_request(struct world *w, const struct origin_step *steps, size_t count)
{
    struct client *c;

    origin_set_steps(w->origin, steps, count);
    c = connect_to(w, 1);
    assert_int_equal(client_puts(c, "GET /api HTTP/1.1\r\nHost: localhost\r\n\r\n"), CLIENT_OK);
    assert_true(origin_wait_requests(w->origin, 1, 5000));
    return c;
}

static int64_t
admin_process(struct world *w)
{
    struct bytes body = {0};
    struct str gateway, process;
    int64_t pid = 0;

    if (gateway_admin_get(w->g, "/status.json", &body) == 200 &&
        json_member(bytes_str(&body), "gateway", &gateway) &&
        json_member(gateway, "process", &process))
        pid = strtoll(process.ptr, NULL, 10);
    bytes_free(&body);
    return pid;
}

/* Ends the gateway that took over, which is no child of ours. */
static void
stop_successor(struct world *w, int64_t pid)
{
    int64_t deadline = now_ms() + 10000;

    assert_true(pid > 1);
    assert_int_equal(kill((pid_t)pid, SIGTERM), 0);
    while (gateway_admin_get(w->g, "/healthz", NULL) == 200 && now_ms() < deadline)
        sleep_ms(10);
    assert_int_equal(gateway_admin_get(w->g, "/healthz", NULL), 0);
}

/* ---- TERM, INT ---- */

static void
term_stops_an_idle_gateway_with_status_0(void **state)
{
    struct world *w = *state;

    assert_int_equal(get(w, 1, "/"), 200);
    signal_it(w, SIGTERM);
    assert_int_equal(proc_wait(gateway_proc(w->g), 5000), 0);
    assert_true(wait_diag(w, "TERM: draining"));
}

static void
int_stops_it_too(void **state)
{
    struct world *w = *state;

    signal_it(w, SIGINT);
    assert_int_equal(proc_wait(gateway_proc(w->g), 5000), 0);
}

static void
a_request_in_flight_is_finished(void **state)
{
    struct world *w = *state;
    struct client *c = start_request(w, slow_steps, array_len(slow_steps));
    struct response r;

    signal_it(w, SIGTERM);
    r = client_response(c, false);
    assert_int_equal(r.status, 200);
    assert_str_equal(bytes_str(&r.body), STR("slow"));
    assert_true(r.closes);
    response_free(&r);
    client_close(c);
    assert_int_equal(proc_wait(gateway_proc(w->g), 5000), 0);
}

static void
while_draining_new_clients_are_refused_and_readyz_is_503(void **state)
{
    struct world *w = *state;
    struct client *c = start_request(w, slow_steps, array_len(slow_steps));
    struct client *late;

    signal_it(w, SIGTERM);
    assert_true(wait_diag(w, "TERM: draining"));
    sleep_ms(100);
    assert_int_equal(gateway_admin_get(w->g, "/readyz", NULL), 503);
    assert_int_equal(gateway_admin_get(w->g, "/healthz", NULL), 200);
    late = connect_to(w, 1);
    assert_int_not_equal(client_state(late), CLIENT_OK);
    client_close(late);
    client_close(c);
    assert_int_equal(proc_wait(gateway_proc(w->g), 5000), 0);
}

static void
a_second_term_stops_at_once(void **state)
{
    struct world *w = *state;
    struct client *c = start_request(w, endless_steps, array_len(endless_steps));

    signal_it(w, SIGTERM);
    assert_true(wait_diag(w, "TERM: draining"));
    sleep_ms(200);
    assert_true(proc_is_running(gateway_proc(w->g)));
    signal_it(w, SIGTERM);
    assert_int_equal(proc_wait(gateway_proc(w->g), 3000), 0);
    client_close(c);
}

static void
hup_while_draining_is_ignored(void **state)
{
    struct world *w = *state;
    struct client *c = start_request(w, slow_steps, array_len(slow_steps));

    signal_it(w, SIGTERM);
    assert_true(wait_diag(w, "TERM: draining"));
    signal_it(w, SIGHUP);
    assert_true(wait_diag(w, "HUP while draining: ignored"));
    client_close(c);
    assert_int_equal(proc_wait(gateway_proc(w->g), 5000), 0);
}

/* ---- USR1 ---- */

static void
usr1_reopens_the_log_files(void **state)
{
    struct world *w = *state;
    struct bytes moved;

    assert_int_equal(get(w, 1, "/before"), 200);
    assert_true(gateway_wait_log(w->g, "access.log", "/before", 5000));
    assert_int_equal(rename(gateway_path(w->g, "access.log"), gateway_path(w->g, "access.log.1")),
                     0);
    signal_it(w, SIGUSR1);
    assert_true(wait_diag(w, "log files reopened"));
    assert_int_equal(get(w, 1, "/after"), 200);
    assert_true(gateway_wait_log(w->g, "access.log", "/after", 5000));
    moved = gateway_log(w->g, "access.log.1");
    assert_null(find_bytes(moved.ptr, moved.len, "/after", 6));
    bytes_free(&moved);
}

/* ---- HUP ---- */

static void
hup_adds_and_drops_addresses(void **state)
{
    struct world *w = *state;

    assert_int_equal(get(w, 2, "/"), 0);
    gateway_set_yaml(w->g, two_addresses, NULL);
    assert_int_equal(gateway_reload(w->g), GATEWAY_RELOADED);
    assert_int_equal(get(w, 2, "/"), 200);
    assert_int_equal(get(w, 1, "/"), 200);
    gateway_set_yaml(w->g, config_text, w->vars);
    assert_int_equal(gateway_reload(w->g), GATEWAY_RELOADED);
    assert_int_equal(get(w, 2, "/"), 0);
    assert_int_equal(get(w, 1, "/"), 200);
    gateway_set_yaml(w->g, two_addresses, NULL);
    assert_int_equal(gateway_reload(w->g), GATEWAY_RELOADED);
    assert_int_equal(get(w, 2, "/"), 200);
}

static void
an_address_that_is_taken_refuses_the_reload(void **state)
{
    struct world *w = *state;
    struct origin *squatter = origin_start(&(struct origin_spec){.port = gateway_port(w->g, 2)});

    gateway_set_yaml(w->g, two_addresses, NULL);
    assert_int_equal(gateway_reload(w->g), GATEWAY_REFUSED);
    assert_int_equal(get(w, 1, "/"), 200);
    origin_stop(squatter);
    assert_int_equal(gateway_reload(w->g), GATEWAY_RELOADED);
    assert_int_equal(get(w, 2, "/"), 200);
}

static void
a_storm_of_signals_leaves_it_serving(void **state)
{
    static const int signals[] = {SIGHUP, SIGUSR1, SIGHUP, SIGPIPE, SIGCHLD, SIGHUP};
    struct world *w = *state;

    for (int i = 0; i < 3000; i++) {
        signal_it(w, signals[i % (int)array_len(signals)]);
        if (i % 100 == 0)
            assert_int_equal(get(w, 1, "/"), 200);
    }
    assert_int_equal(get(w, 1, "/"), 200);
    assert_int_equal(gateway_admin_get(w->g, "/readyz", NULL), 200);
}

/* ---- USR2 ---- */

static void
usr2_hands_over_without_losing_a_connection(void **state)
{
    struct world *w = *state;
    int64_t before = admin_process(w);
    int64_t deadline = now_ms() + 10000;
    int requests = 0;

    signal_it(w, SIGUSR2);
    while (proc_is_running(gateway_proc(w->g)) && now_ms() < deadline) {
        assert_int_equal(get(w, 1, "/"), 200);
        requests++;
    }
    assert_int_equal(proc_wait(gateway_proc(w->g), 5000), 0);
    assert_true(requests > 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(get(w, 1, "/"), 200);
    assert_int_not_equal(admin_process(w), before);
    assert_int_equal(gateway_admin_get(w->g, "/readyz", NULL), 200);
    assert_true(file_exists(gateway_path(w->g, "admin.sock")));
    stop_successor(w, admin_process(w));
}

static void
usr2_lets_the_old_one_finish_its_requests(void **state)
{
    struct world *w = *state;
    struct client *c = start_request(w, slow_steps, array_len(slow_steps));
    struct response r;

    signal_it(w, SIGUSR2);
    assert_true(wait_diag(w, "serves now; draining"));
    assert_true(proc_is_running(gateway_proc(w->g)));
    assert_int_equal(get(w, 1, "/"), 200);
    r = client_response(c, false);
    assert_int_equal(r.status, 200);
    response_free(&r);
    client_close(c);
    assert_int_equal(proc_wait(gateway_proc(w->g), 5000), 0);
    stop_successor(w, admin_process(w));
}

static void
usr2_with_a_broken_configuration_changes_nothing(void **state)
{
    struct world *w = *state;
    int64_t before = admin_process(w);

    gateway_set_yaml(w->g, "listeners: 7\n", NULL);
    signal_it(w, SIGUSR2);
    assert_true(wait_diag(w, "does not serve"));
    assert_true(proc_is_running(gateway_proc(w->g)));
    assert_int_equal(get(w, 1, "/"), 200);
    assert_int_equal(admin_process(w), before);
    gateway_set_yaml(w->g, config_text, w->vars);
    signal_it(w, SIGUSR2);
    assert_int_equal(proc_wait(gateway_proc(w->g), 10000), 0);
    stop_successor(w, admin_process(w));
}

/* ---- sockets of systemd ---- */

static int
listening_socket(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

static void
inherited_sockets_are_used_by_address(void **state)
{
    struct world *w = *state;
    char *script = xformat("LISTEN_PID=$$ LISTEN_FDS=2 exec %s run -c %s",
                           program_path("sallyport"), gateway_path(w->g, "sallyport.yaml"));
    const char *const argv[] = {"sh", "-c", script, NULL};
    char *other = xformat("the inherited address 127.0.0.1:%u is the bind of no listener",
                          gateway_port(w->g, 8));
    struct proc *p;
    int fds[2];

    signal_it(w, SIGTERM);
    assert_int_equal(proc_wait(gateway_proc(w->g), 5000), 0);
    fds[0] = listening_socket(gateway_port(w->g, 1));
    fds[1] = listening_socket(gateway_port(w->g, 8));
    p = proc_start(&(struct proc_spec){
        .argv = argv, .keep_fds = fds, .keep_fd_count = 2, .cwd = gateway_dir(w->g)});
    assert_true(proc_wait_text(p, "sallyport: ready", 10000));
    assert_true(proc_wait_text(p, other, 10000));
    for (int i = 0; i < 20; i++)
        assert_int_equal(get(w, 1, "/"), 200);
    assert_int_equal(proc_stop(p, 5000), 0);
    proc_free(p);
    close(fds[0]);
    close(fds[1]);
    free(other);
    free(script);
}

#define world_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(term_stops_an_idle_gateway_with_status_0),
        world_test(int_stops_it_too),
        world_test(a_request_in_flight_is_finished),
        world_test(while_draining_new_clients_are_refused_and_readyz_is_503),
        world_test(a_second_term_stops_at_once),
        world_test(hup_while_draining_is_ignored),
        world_test(usr1_reopens_the_log_files),
        world_test(hup_adds_and_drops_addresses),
        world_test(an_address_that_is_taken_refuses_the_reload),
        world_test(a_storm_of_signals_leaves_it_serving),
        world_test(usr2_hands_over_without_losing_a_connection),
        world_test(usr2_lets_the_old_one_finish_its_requests),
        world_test(usr2_with_a_broken_configuration_changes_nothing),
        world_test(inherited_sockets_are_used_by_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
