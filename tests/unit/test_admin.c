/* SPDX-License-Identifier: Apache-2.0
 *
 * The admin listener on a loop of this thread, with raw sockets as clients.
 */
#include "support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "ctl/admin.h"
#include "net/sock.h"

#define REPLY_MAX (4 * 1024 * 1024)

struct world {
    struct loop *loop;
    struct loop_timer guard;
    struct admin *admin;
    struct addr tcp;
    char *dir;
    char *socket;
    uint64_t reloads;
    bool is_stopping;
    size_t big_bytes; /* of the body of /big */
    unsigned locals;  /* requests that only the UNIX socket takes */
    unsigned uid;     /* who sent the last of them */
    int pid;
    uint64_t late; /* number of the one that is answered later */
    char *reply;
};

static int
on_get(void *arg, struct str path, FILE *out, const char **ret_type)
{
    struct world *w = arg;

    if (str_eq(path, STR("/healthz"))) {
        fputs("ok\n", out);
        return 200;
    }
    if (str_eq(path, STR("/big"))) {
        *ret_type = "application/octet-stream";
        for (size_t i = 0; i < w->big_bytes; i++)
            fputc('x', out);
        return 200;
    }
    return 404;
}

static uint64_t
on_reload(void *arg)
{
    struct world *w = arg;

    return w->is_stopping ? 0 : ++w->reloads;
}

/* "/local" echoes its query, "/late" is answered by admin_local_done. */
static int
on_local(void *arg, const struct admin_request *req, FILE *out, const char **ret_type)
{
    struct world *w = arg;

    (void)ret_type;
    if (!str_eq(req->path, STR("/local")) && !str_eq(req->path, STR("/late")))
        return 404;
    w->locals++;
    w->uid = req->uid;
    w->pid = req->pid;
    if (str_eq(req->path, STR("/late"))) {
        w->late = req->number;
        return 0;
    }
    fprintf(out, "%s %.*s\n", req->is_post ? "post" : "get", STR_ARG(req->query));
    return 200;
}

static void
on_guard(void *arg)
{
    loop_stop(arg);
}

static int
setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    const struct admin_hooks hooks = {
        .on_get = on_get, .on_reload = on_reload, .on_local = on_local, .arg = w};
    struct diag diag;
    int fd = -1;

    assert_non_null(w);
    w->reply = malloc(REPLY_MAX + 1);
    w->loop = loop_new();
    loop_timer_init(w->loop, &w->guard, on_guard, w->loop);
    w->admin = admin_new(w->loop, &hooks);
    assert_int_equal(addr_parse(STR("127.0.0.1:0"), &w->tcp), 0);
    assert_int_equal(sock_listen(&w->tcp, false, &fd), 0);
    assert_int_equal(sock_local_addr(fd, &w->tcp), 0);
    assert_int_equal(admin_listen_tcp(w->admin, fd), 0);
    w->dir = unit_tmp_new();
    w->socket = unit_path(w->dir, "admin.sock");
    diag_init(&diag);
    assert_int_equal(admin_listen_unix(w->admin, w->socket, false, "f.yaml", &diag), 0);
    diag_done(&diag);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    admin_free(w->admin);
    loop_timer_done(&w->guard);
    loop_free(w->loop);
    free(w->socket);
    unit_tmp_done(w->dir);
    free(w->reply);
    free(w);
    return 0;
}

static void
run_for(struct world *w, int ms)
{
    loop_timer_set(&w->guard, loop_now_fresh(w->loop)->mono_ms + ms);
    loop_run(w->loop);
}

static int
open_tcp(struct world *w)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, &w->tcp.sa, w->tcp.len), 0);
    return fd;
}

static int
open_unix(struct world *w)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", w->socket);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

/* Reads without waiting into w->reply. True at the end of the connection. */
static bool
receive(struct world *w, int fd, size_t *len)
{
    ssize_t n;

    do {
        n = recv(fd, w->reply + *len, REPLY_MAX - *len, MSG_DONTWAIT);
        *len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    w->reply[*len] = '\0';
    return n == 0 || errno != EAGAIN;
}

/* Status of what comes back; 0 when nothing did within the time. Closes fd. */
static int
exchange(struct world *w, int fd, const char *bytes, size_t n, int timeout_ms)
{
    int64_t until = loop_now_fresh(w->loop)->mono_ms + timeout_ms;
    size_t len = 0;
    int status = 0;

    (void)send(fd, bytes, n, MSG_NOSIGNAL);
    do {
        run_for(w, 5);
        if (receive(w, fd, &len))
            break;
    } while (loop_now_fresh(w->loop)->mono_ms < until);
    close(fd);
    run_for(w, 5);
    if (sscanf(w->reply, "HTTP/1.1 %d ", &status) != 1)
        return 0;
    return status;
}

static int
ask(struct world *w, int fd, const char *text)
{
    return exchange(w, fd, text, strlen(text), 3000);
}

static void
get_is_answered_on_both_sockets(void **state)
{
    struct world *w = *state;

    assert_int_equal(ask(w, open_tcp(w), "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_non_null(strstr(w->reply, "\r\n\r\nok\n"));
    assert_non_null(strstr(w->reply, "Content-Length: 3\r\n"));
    assert_non_null(strstr(w->reply, "Connection: close\r\n"));
    assert_int_equal(ask(w, open_unix(w), "GET /healthz HTTP/1.0\r\n\r\n"), 200);
}

static void
a_query_does_not_change_the_path(void **state)
{
    struct world *w = *state;

    assert_int_equal(ask(w, open_tcp(w), "GET /healthz?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
}

static void
local_requests_are_taken_on_the_unix_socket_only(void **state)
{
    struct world *w = *state;

    assert_int_equal(ask(w, open_tcp(w), "GET /local?a=b HTTP/1.1\r\nHost: a\r\n\r\n"), 404);
    assert_int_equal(ask(w, open_tcp(w), "POST /local?a=b HTTP/1.1\r\nHost: a\r\n\r\n"), 405);
    assert_int_equal(w->locals, 0);
    assert_int_equal(ask(w, open_unix(w), "GET /local?a=b HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_non_null(strstr(w->reply, "\r\n\r\nget a=b\n"));
    assert_int_equal(ask(w, open_unix(w), "POST /local?a=%20 HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_non_null(strstr(w->reply, "\r\n\r\npost a=%20\n"));
    assert_int_equal(w->locals, 2);
    assert_int_equal(w->uid, getuid());
    assert_int_equal(w->pid, getpid());
    assert_int_equal(ask(w, open_unix(w), "POST /other HTTP/1.1\r\nHost: a\r\n\r\n"), 405);
    assert_int_equal(
        ask(w, open_unix(w), "POST /local HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"), 400);
    assert_int_equal(w->locals, 2);
}

static void
a_local_request_may_be_answered_later(void **state)
{
    static const char text[] = "POST /late HTTP/1.1\r\nHost: a\r\n\r\n";
    struct world *w = *state;
    int fd = open_unix(w);

    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    run_for(w, 50);
    assert_int_not_equal(w->late, 0);
    admin_reload_done(w->admin, UINT64_MAX - 1, true, "a reload\n");
    admin_local_done(w->admin, w->late + 1, 200, "another\n");
    admin_local_done(w->admin, w->late, 409, "now\n");
    assert_int_equal(ask(w, fd, ""), 409);
    assert_non_null(strstr(w->reply, "\r\n\r\nnow\n"));
    admin_local_done(w->admin, w->late, 200, "again\n"); /* nobody waits any more */
}

static void
an_unknown_path_is_404(void **state)
{
    struct world *w = *state;

    assert_int_equal(ask(w, open_tcp(w), "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"), 404);
}

static void
other_methods_are_405_over_tcp(void **state)
{
    static const char *const methods[] = {"HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"};
    struct world *w = *state;

    for (size_t i = 0; i < array_len(methods); i++) {
        char text[128];

        (void)snprintf(text, sizeof(text), "%s /healthz HTTP/1.1\r\nHost: a\r\n\r\n", methods[i]);
        assert_int_equal(ask(w, open_tcp(w), text), 405);
        assert_non_null(strstr(w->reply, "Allow: GET\r\n"));
    }
}

static void
reload_is_refused_over_tcp(void **state)
{
    struct world *w = *state;

    assert_int_equal(ask(w, open_tcp(w), "POST /reload HTTP/1.1\r\nHost: a\r\n\r\n"), 405);
    assert_int_equal(w->reloads, 0);
}

static void
reload_is_answered_when_it_is_done(void **state)
{
    static const char text[] = "POST /reload HTTP/1.1\r\nHost: a\r\n\r\n";
    struct world *w = *state;
    int fd = open_unix(w);
    size_t len = 0;

    assert_int_equal(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
    run_for(w, 50);
    assert_int_equal(w->reloads, 1);
    assert_false(receive(w, fd, &len));
    assert_int_equal(len, 0);
    admin_reload_done(w->admin, 1, false, "f.yaml:1:1: wrong\n");
    assert_int_equal(exchange(w, fd, "", 0, 3000), 409);
    assert_non_null(strstr(w->reply, "\r\n\r\nf.yaml:1:1: wrong\n"));
}

static void
a_reload_that_was_asked_for_later_is_not_answered_early(void **state)
{
    static const char text[] = "POST /reload HTTP/1.1\r\nHost: a\r\n\r\n";
    struct world *w = *state;
    int first = open_unix(w);
    int second = open_unix(w);
    size_t len = 0;

    (void)send(first, text, strlen(text), 0);
    run_for(w, 30);
    (void)send(second, text, strlen(text), 0);
    run_for(w, 30);
    admin_reload_done(w->admin, 1, true, "one\n");
    run_for(w, 30);
    assert_false(receive(w, second, &len));
    assert_int_equal(len, 0);
    admin_reload_done(w->admin, 2, true, "two\n");
    assert_int_equal(exchange(w, second, "", 0, 3000), 200);
    assert_non_null(strstr(w->reply, "two"));
    close(first);
}

static void
a_stopping_gateway_says_so(void **state)
{
    struct world *w = *state;

    w->is_stopping = true;
    assert_int_equal(ask(w, open_unix(w), "POST /reload HTTP/1.1\r\nHost: a\r\n\r\n"), 503);
}

static void
bodies_are_refused(void **state)
{
    struct world *w = *state;

    assert_int_equal(
        ask(w, open_unix(w), "POST /reload HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
        400);
    assert_int_equal(ask(w, open_unix(w),
                         "POST /reload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
                     400);
    assert_int_equal(
        ask(w, open_tcp(w), "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"), 400);
    assert_int_equal(
        ask(w, open_unix(w), "POST /reload HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"), 0);
    assert_int_equal(w->reloads, 1);
}

static void
malformed_heads_are_refused(void **state)
{
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        {"GET /healthz\r\n\r\n", 400},
        {"GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"GET /healthz HTTP/1.1\r\n\r\n", 400},
        {"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"GET /healthz HTTP/1.1\nHost: a\n\n", 400},
        {"GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},
        {"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"G\"T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    };
    struct world *w = *state;

    for (size_t i = 0; i < array_len(rows); i++) {
        assert_int_equal(ask(w, open_tcp(w), rows[i].text), rows[i].status);
    }
}

static void
a_head_larger_than_the_limit_is_431(void **state)
{
    struct world *w = *state;
    char *text = malloc(ADMIN_HEAD_MAX + 100);
    int n = snprintf(text, ADMIN_HEAD_MAX, "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: ");

    memset(text + n, 'a', ADMIN_HEAD_MAX);
    assert_int_equal(exchange(w, open_tcp(w), text, (size_t)n + ADMIN_HEAD_MAX, 3000), 431);
    free(text);
}

static void
a_head_may_come_byte_by_byte(void **state)
{
    static const char text[] = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    struct world *w = *state;
    int fd = open_tcp(w);

    for (size_t i = 0; i + 1 < strlen(text); i++) {
        assert_int_equal(send(fd, text + i, 1, 0), 1);
        run_for(w, 1);
    }
    assert_int_equal(exchange(w, fd, "\n", 1, 3000), 200);
}

static void
a_client_that_leaves_early_is_forgotten(void **state)
{
    struct world *w = *state;
    int fd = open_tcp(w);

    (void)send(fd, "GET /heal", 9, 0);
    run_for(w, 20);
    assert_int_equal(admin_conn_count(w->admin), 1);
    close(fd);
    run_for(w, 50);
    assert_int_equal(admin_conn_count(w->admin), 0);
}

static void
a_silent_client_is_cut_at_the_deadline(void **state)
{
    struct world *w = *state;
    int fd = open_tcp(w);
    size_t len = 0;

    run_for(w, ADMIN_TIMEOUT_MS - 1000);
    assert_int_equal(admin_conn_count(w->admin), 1);
    run_for(w, 2000);
    assert_int_equal(admin_conn_count(w->admin), 0);
    assert_true(receive(w, fd, &len));
    close(fd);
}

static void
more_clients_than_the_limit_are_turned_away(void **state)
{
    struct world *w = *state;
    int fds[ADMIN_CONNS_MAX + 8];
    size_t len = 0;

    for (size_t i = 0; i < array_len(fds); i++) {
        fds[i] = open_tcp(w);
        run_for(w, 1);
    }
    run_for(w, 30);
    assert_int_equal(admin_conn_count(w->admin), ADMIN_CONNS_MAX);
    assert_true(receive(w, fds[array_len(fds) - 1], &len));
    for (size_t i = 0; i < array_len(fds); i++)
        close(fds[i]);
    run_for(w, 100);
    assert_int_equal(admin_conn_count(w->admin), 0);
    assert_int_equal(ask(w, open_tcp(w), "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
}

static void
a_large_answer_arrives_whole(void **state)
{
    struct world *w = *state;

    w->big_bytes = 3 * 1024 * 1024;
    assert_int_equal(ask(w, open_tcp(w), "GET /big HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_int_equal(strlen(strstr(w->reply, "\r\n\r\n") + 4), w->big_bytes);
}

static void
the_socket_file_is_for_the_owner_alone(void **state)
{
    struct world *w = *state;
    struct stat st;

    assert_int_equal(lstat(w->socket, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void
the_socket_file_goes_with_the_gateway(void **state)
{
    struct world *w = *state;

    admin_stop_listening(w->admin);
    assert_int_equal(access(w->socket, F_OK), -1);
}

/* Another listener on the same path, as a second gateway would make. */
static int
listen_again(struct world *w, struct admin **ret, bool takes_over, char *error, size_t size)
{
    const struct admin_hooks hooks = {.on_get = on_get, .on_reload = on_reload, .arg = w};
    struct diag diag;
    int rc;

    diag_init(&diag);
    *ret = admin_new(w->loop, &hooks);
    rc = admin_listen_unix(*ret, w->socket, takes_over, "f.yaml", &diag);
    (void)snprintf(error, size, "%s", diag.count > 0 ? diag.entries[0].text : "");
    diag_done(&diag);
    return rc;
}

static void
a_socket_that_is_in_use_is_an_error(void **state)
{
    struct world *w = *state;
    struct admin *other;
    char error[512];

    assert_int_equal(listen_again(w, &other, false, error, sizeof(error)), GW_E_CONFIG);
    assert_non_null(strstr(error, "another gateway is running"));
    admin_free(other);
    assert_int_equal(ask(w, open_unix(w), "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
}

static void
a_successor_takes_the_socket_over_and_keeps_it(void **state)
{
    struct world *w = *state;
    struct admin *other;
    char error[512];

    assert_int_equal(listen_again(w, &other, true, error, sizeof(error)), 0);
    admin_stop_listening(w->admin);
    assert_int_equal(access(w->socket, F_OK), 0);
    assert_int_equal(ask(w, open_unix(w), "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    admin_free(other);
    assert_int_equal(access(w->socket, F_OK), -1);
}

static void
a_stale_socket_is_replaced(void **state)
{
    struct world *w = *state;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct admin *other;
    char error[512];
    int fd;

    admin_stop_listening(w->admin);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", w->socket);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    close(fd);
    assert_int_equal(listen_again(w, &other, false, error, sizeof(error)), 0);
    assert_int_equal(ask(w, open_unix(w), "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    admin_free(other);
}

static void
a_file_that_is_no_socket_is_left_alone(void **state)
{
    struct world *w = *state;
    struct admin *other;
    char error[512];

    admin_stop_listening(w->admin);
    free(unit_write_file(w->dir, "admin.sock", STR("precious")));
    assert_int_equal(listen_again(w, &other, false, error, sizeof(error)), GW_E_CONFIG);
    assert_non_null(strstr(error, "no socket"));
    admin_free(other);
    assert_int_equal(access(w->socket, F_OK), 0);
}

static void
a_path_longer_than_a_socket_may_have_is_an_error(void **state)
{
    struct world *w = *state;
    struct admin *other;
    char error[512];
    char *kept = w->socket;

    w->socket = malloc(200);
    memset(w->socket, 'a', 199);
    w->socket[0] = '/';
    w->socket[199] = '\0';
    assert_int_equal(listen_again(w, &other, false, error, sizeof(error)), GW_E_CONFIG);
    assert_non_null(strstr(error, "longer"));
    admin_free(other);
    free(w->socket);
    w->socket = kept;
}

#define world_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(get_is_answered_on_both_sockets),
        world_test(a_query_does_not_change_the_path),
        world_test(local_requests_are_taken_on_the_unix_socket_only),
        world_test(a_local_request_may_be_answered_later),
        world_test(an_unknown_path_is_404),
        world_test(other_methods_are_405_over_tcp),
        world_test(reload_is_refused_over_tcp),
        world_test(reload_is_answered_when_it_is_done),
        world_test(a_reload_that_was_asked_for_later_is_not_answered_early),
        world_test(a_stopping_gateway_says_so),
        world_test(bodies_are_refused),
        world_test(malformed_heads_are_refused),
        world_test(a_head_larger_than_the_limit_is_431),
        world_test(a_head_may_come_byte_by_byte),
        world_test(a_client_that_leaves_early_is_forgotten),
        world_test(a_silent_client_is_cut_at_the_deadline),
        world_test(more_clients_than_the_limit_are_turned_away),
        world_test(a_large_answer_arrives_whole),
        world_test(the_socket_file_is_for_the_owner_alone),
        world_test(the_socket_file_goes_with_the_gateway),
        world_test(a_socket_that_is_in_use_is_an_error),
        world_test(a_successor_takes_the_socket_over_and_keeps_it),
        world_test(a_stale_socket_is_replaced),
        world_test(a_file_that_is_no_socket_is_left_alone),
        world_test(a_path_longer_than_a_socket_may_have_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
