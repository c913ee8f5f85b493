/* SPDX-License-Identifier: Apache-2.0
 *
 * Logs whose other end is full, stopped or moved away: no request waits for them, every line is
 * written whole or counted as lost, and the loss is said.
 */
#include "20_front.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* More than the 1 MiB that waits for a file for each of two workers, whatever a pipe holds. */
enum { REQUESTS = 600, AGENT_BYTES = 6000, CLIENTS = 6 };

static const char yaml[] =
    "workers: 2\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\", socket: admin.sock}\n"
    "logging: {level: info, access: {path: access.log, format: json}}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: ca.pem, crls: [lists.pem]}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "listeners:\n"
    "  - name: partners\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: clients}\n"
    "    default_action: {fixed_response: {status: 200, body: here}}\n";

static int
setup(void **state)
{
    struct front *f = front_new(NULL);

    front_start(f, yaml);
    *state = f;
    return 0;
}

/* DIR/access.log is a pipe whose reader, this program, does not read. */
static int pipe_fd = -1;

static int
setup_pipe(void **state)
{
    struct front *f = front_new(NULL);

    assert_int_equal(mkfifo(front_path(f, "access.log"), 0600), 0);
    pipe_fd = open(front_path(f, "access.log"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(pipe_fd >= 0);
    front_start(f, yaml);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    if (pipe_fd >= 0)
        close(pipe_fd);
    pipe_fd = -1;
    return front_done(*state) == 0 ? 0 : -1;
}

/* n requests, one after the other on several connections, so that both workers have lines of nearly
 * LOG_LINE_MAX to write; none may wait. */
static void
ask(const struct front *f, int n)
{
    struct client *clients[CLIENTS];
    struct bytes request = {0};

    bytes_puts(&request, "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ");
    for (int i = 0; i < AGENT_BYTES; i++)
        bytes_puts(&request, "a");
    bytes_puts(&request, "\r\n\r\n");
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = front_open(f, 1, f->alice, "http/1.1");
    for (int i = 0; i < n; i++) {
        struct response r = client_exchange(clients[i % CLIENTS], request.ptr);

        assert_int_equal(r.status, 200);
        response_free(&r);
    }
    for (int i = 0; i < CLIENTS; i++)
        client_close(clients[i]);
    bytes_free(&request);
}

static int64_t
lost(const struct front *f)
{
    return front_metric(f, "sallyport_log_lines_dropped_total");
}

/* The sum of what the diagnostic log says was lost of the access log. */
static int64_t
said_lost(struct str diag)
{
    static const char mark[] = "access.log: ";
    const char *end = diag.ptr + diag.len;
    int64_t sum = 0;

    for (const char *at = strstr(diag.ptr, mark); at != NULL && at < end; at = strstr(at, mark)) {
        char *rest;
        long long n;

        at += sizeof(mark) - 1;
        n = strtoll(at, &rest, 10);
        if (str_starts(str_make(rest, (size_t)(end - rest)), STR(" lines dropped\n")))
            sum += n;
    }
    return sum;
}

static void
assert_said(const struct front *f, int64_t count)
{
    int64_t said = 0;

    for (int i = 0; i < 250 && said != count; i++) {
        struct bytes diag = gateway_diag(f->g);

        said = said_lost(bytes_str(&diag));
        bytes_free(&diag);
        sleep_ms(20);
    }
    assert_int_equal(said, count);
}

/* Every line is whole; how many there are. */
static int64_t
count_lines(struct str log)
{
    int64_t n = 0;

    while (log.len > 0) {
        ptrdiff_t end = str_chr(log, '\n');

        assert_true(end > 0);
        if (!json_is_valid(str_sub(log, 0, (size_t)end)))
            fail_msg("line %lld is broken: %.*s", (long long)n,
                     STR_ARG(str_sub(log, 0, (size_t)end)));
        log = str_sub(log, (size_t)end + 1, log.len);
        n++;
    }
    return n;
}

/* ---- a reader that stops ---- */

/* Reads what there is; false at the end of the pipe. */
static bool
drain_pipe(struct bytes *out)
{
    char piece[65536];
    ssize_t n;

    while ((n = read(pipe_fd, piece, sizeof(piece))) > 0)
        bytes_add(out, piece, (size_t)n);
    return n != 0;
}

static void
a_stopped_reader_costs_lines_and_no_request(void **state)
{
    struct front *f = *state;
    struct bytes log = {0};
    int64_t dropped;

    ask(f, REQUESTS);
    dropped = lost(f);
    assert_true(dropped > 0 && dropped < REQUESTS);
    assert_said(f, dropped);
    for (int i = 0; i < 500; i++) {
        (void)drain_pipe(&log);
        if (count_text(bytes_str(&log), "\n") == (size_t)(REQUESTS - dropped))
            break;
        sleep_ms(10);
    }
    assert_int_equal(count_lines(bytes_str(&log)), REQUESTS - dropped);
    assert_int_equal(lost(f), dropped);
    ask(f, 10); /* and with the reader back nothing more is lost */
    for (int i = 0; i < 500; i++) {
        (void)drain_pipe(&log);
        if (count_text(bytes_str(&log), "\n") == (size_t)(REQUESTS + 10 - dropped))
            break;
        sleep_ms(10);
    }
    assert_int_equal(count_lines(bytes_str(&log)), REQUESTS + 10 - dropped);
    bytes_free(&log);
}

/* A stop gives the reader a moment, then ends, and says what was left. */
static void
lines_left_at_a_stop_are_counted(void **state)
{
    struct front *f = *state;
    struct bytes log = {0};
    struct bytes diag;
    int64_t whole;
    ptrdiff_t end;

    ask(f, 50);
    proc_signal(gateway_proc(f->g), SIGTERM);
    assert_int_equal(proc_wait(gateway_proc(f->g), 30000), 0);
    while (drain_pipe(&log))
        sleep_ms(5);
    end = log.len > 0 ? str_rchr(bytes_str(&log), '\n') : -1;
    whole = count_lines(str_sub(bytes_str(&log), 0, (size_t)(end + 1)));
    diag = gateway_diag(f->g);
    assert_true(whole < 50);
    assert_int_equal(said_lost(bytes_str(&diag)), 50 - whole);
    bytes_free(&diag);
    bytes_free(&log);
    assert_true(gateway_restart(f->g, SIGTERM));
}

/* ---- a disk that is full ---- */

static void
limit_files(struct front *f, rlim_t bytes)
{
    const struct rlimit limit = {bytes, RLIM_INFINITY};

    if (prlimit(proc_pid(gateway_proc(f->g)), RLIMIT_FSIZE, &limit, NULL) != 0)
        fail_msg("prlimit: %s", strerror(errno));
}

/* The access log, once it has that many lines, or after a while. */
static struct bytes
log_of_lines(const struct front *f, size_t lines)
{
    struct bytes log = gateway_log(f->g, "access.log");

    for (int i = 0; i < 500 && count_text(bytes_str(&log), "\n") != lines; i++) {
        bytes_free(&log);
        sleep_ms(20);
        log = gateway_log(f->g, "access.log");
    }
    return log;
}

static void
a_full_disk_costs_lines_and_no_request(void **state)
{
    struct front *f = *state;
    struct bytes log;
    struct bytes diag;
    int64_t dropped;

    limit_files(f, 100000);
    ask(f, REQUESTS);
    dropped = lost(f);
    assert_true(dropped > 0 && dropped < REQUESTS);
    limit_files(f, RLIM_INFINITY);
    assert_said(f, dropped);
    ask(f, 10);
    log = log_of_lines(f, (size_t)(REQUESTS + 10 - dropped));
    assert_int_equal(count_lines(bytes_str(&log)), REQUESTS + 10 - dropped);
    assert_int_equal(lost(f), dropped);
    diag = gateway_diag(f->g);
    assert_non_null(strstr(diag.ptr, "access.log: cannot write: File too large"));
    assert_non_null(strstr(diag.ptr, "access.log: writing again after"));
    bytes_free(&diag);
    bytes_free(&log);
}

/* ---- rotation ---- */

enum { ROTATIONS = 50 };

struct load {
    const struct front *f;
    atomic_bool is_over;
    int asked;
};

static void *
ask_until_over(void *arg)
{
    struct load *load = arg;

    while (!atomic_load(&load->is_over)) {
        ask(load->f, 5);
        load->asked += 5;
    }
    return NULL;
}

static void
rotation_under_load_loses_no_line(void **state)
{
    struct front *f = *state;
    struct load load = {.f = f};
    struct bytes all = {0};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, ask_until_over, &load), 0);
    for (int i = 0; i < ROTATIONS; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "access.log.%d", i);
        assert_int_equal(rename(front_path(f, "access.log"), front_path(f, name)), 0);
        proc_signal(gateway_proc(f->g), SIGUSR1);
        for (int tries = 0; tries < 1000 && !file_exists(front_path(f, "access.log")); tries++)
            sleep_ms(5);
        sleep_ms(10);
    }
    atomic_store(&load.is_over, true);
    pthread_join(thread, NULL);
    proc_signal(gateway_proc(f->g), SIGTERM);
    assert_int_equal(proc_wait(gateway_proc(f->g), 30000), 0);
    for (int i = 0; i <= ROTATIONS; i++) {
        char name[32] = "access.log";
        struct bytes one;

        if (i < ROTATIONS)
            (void)snprintf(name, sizeof(name), "access.log.%d", i);
        one = gateway_log(f->g, name);
        bytes_add(&all, one.ptr, one.len);
        bytes_free(&one);
    }
    assert_true(load.asked > 0);
    assert_int_equal(count_lines(bytes_str(&all)), load.asked);
    bytes_free(&all);
    assert_true(gateway_restart(f->g, SIGTERM));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stopped_reader_costs_lines_and_no_request, setup_pipe,
                                        teardown),
        cmocka_unit_test_setup_teardown(lines_left_at_a_stop_are_counted, setup_pipe, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_costs_lines_and_no_request, setup, teardown),
        cmocka_unit_test_setup_teardown(rotation_under_load_loses_no_line, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
