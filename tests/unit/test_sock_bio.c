/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_pair.h"

#include "support/pki.h"
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>

static struct tls_files files;

static void
a_read_that_would_block_is_saved_only_when_that_is_safe(void **state)
{
    struct tls_pair p;
    struct tls_server *s = open_pair(&files, &p, 0);
    char got[16];
    size_t n = 0;

    (void)state;
    /* Request and answer: the short read was followed by a write, so it is believed. */
    plain_write(&p, "request");
    assert_tls_reads(&p, "request");
    tls_write_all(&p, "answer");
    plain_write(&p, "next");
    assert_int_equal(tls_read(p.t, got, sizeof(got), &n), GW_E_WANT_READ);
    assert_tls_reads(&p, "next");
    /* Without a write it is not. */
    plain_write(&p, "more");
    assert_int_equal(tls_read(p.t, got, sizeof(got), &n), 0);
    assert_int_equal(n, 4);
    assert_int_equal(tls_read(p.t, got, sizeof(got), &n), GW_E_WANT_READ);
    pair_free(&p);
    tls_server_unref(s);
}

static void
the_end_behind_the_last_bytes_is_not_missed(void **state)
{
    struct tls_pair p;
    struct tls_server *s = open_pair(&files, &p, 0);
    char got[16];
    size_t n = 0;

    (void)state;
    plain_write(&p, "last");
    assert_int_equal(shutdown(p.fd[1], SHUT_WR), 0);
    tls_on_ready(p.t, true, true, true); /* one edge for both */
    assert_int_equal(tls_read(p.t, got, sizeof(got), &n), 0);
    tls_write_all(&p, "answer"); /* the other direction still works */
    assert_int_equal(tls_read(p.t, got, sizeof(got), &n), GW_E_CLOSED);
    assert_false(tls_saw_close_notify(p.t));
    assert_int_equal(tls_reason(p.t), REASON_NONE);
    assert_plain_reads(&p, "answer");
    tls_write_all(&p, "and more");
    assert_plain_reads(&p, "and more");
    pair_free(&p);
    tls_server_unref(s);
}

/* A connection over TCP, where there are resets. */
static struct tls_server *
open_tcp_pair(struct tls_pair *p)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_OFF);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;

    *p = (struct tls_pair){.alert = -1};
    assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    p->fd[1] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(p->fd[1], (struct sockaddr *)&at, len), 0);
    p->fd[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(p->fd[0] >= 0);
    close(listener);
    assert_int_equal(ioctl(p->fd[1], FIONBIO, &on), 0);
    p->t = tls_accept(s, p->fd[0], NULL, NULL);
    pair_add_plain(p, TLS_client_method(), 0);
    pair_start_plain(p);
    SSL_set_connect_state(p->ssl);
    for (int i = 0; i < 100 && !(p->is_done[0] && p->is_done[1]); i++) {
        struct pollfd wait = {.fd = p->fd[0], .events = POLLIN};

        (void)pair_shake(p);
        (void)poll(&wait, 1, 5);
    }
    assert_true(p->is_done[0] && p->is_done[1]);
    return s;
}

static void
reset_by_peer(struct tls_pair *p)
{
    const struct linger now = {1, 0};
    struct pollfd wait = {.fd = p->fd[0], .events = 0};

    setsockopt(p->fd[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(p->fd[1]);
    p->fd[1] = -1;
    assert_int_equal(poll(&wait, 1, 2000), 1);
    assert_true(wait.revents & POLLERR);
}

static void
a_reset_behind_the_last_bytes_is_not_missed(void **state)
{
    struct tls_pair p;
    struct tls_server *s = open_tcp_pair(&p);
    char got[16];
    size_t n = 0;

    (void)state;
    tls_write_all(&p, "before");
    plain_write(&p, "last");
    reset_by_peer(&p);
    /* libevent tells a reset as nothing but readiness. */
    tls_on_ready(p.t, true, true, false);
    assert_int_equal(tls_read(p.t, got, sizeof(got), &n), 0);
    assert_int_equal(n, 4);
    assert_int_equal(tls_read(p.t, got, sizeof(got), &n), GW_E_RESET);
    assert_int_equal(tls_reason(p.t), REASON_NONE);
    assert_true(strlen(tls_error(p.t)) > 3);
    assert_int_equal(tls_write(p.t, "x", 1, &n), GW_E_RESET);
    assert_int_equal(tls_shutdown(p.t), 0);
    pair_free(&p);
    tls_server_unref(s);
}

/* cmocka does not catch SIGPIPE: a signal would end this program. */
static void
writing_to_who_has_gone_is_an_error_and_no_signal(void **state)
{
    struct tls_pair p;
    struct tls_server *s = open_pair(&files, &p, 0);
    size_t n = 0;

    (void)state;
    close(p.fd[1]);
    p.fd[1] = -1;
    assert_int_equal(tls_write(p.t, "x", 1, &n), GW_E_RESET);
    assert_int_equal(tls_write(p.t, "x", 1, &n), GW_E_RESET);
    assert_int_equal(tls_shutdown(p.t), 0);
    pair_free(&p);
    tls_server_unref(s);

    s = open_tcp_pair(&p);
    reset_by_peer(&p);
    assert_int_equal(tls_write(p.t, "x", 1, &n), GW_E_RESET);
    pair_free(&p);
    tls_server_unref(s);
}

/* What is kept back leaves with the record that follows, and when the socket is full. */
static void
many_records_of_one_write_arrive_whole_and_at_once(void **state)
{
    struct tls_pair p;
    struct tls_server *s = open_tcp_pair(&p);
    char *big = malloc(100000);
    char *got = malloc(100000);
    size_t n = 0;
    size_t have = 0;
    struct pollfd wait = {.fd = p.fd[1], .events = POLLIN};

    (void)state;
    for (size_t i = 0; i < 100000; i++)
        big[i] = (char)(i * 7 + i / 251);
    assert_int_equal(tls_write(p.t, big, 100000, &n), 0);
    assert_int_equal(n, 100000);
    /* The kernel would let go of a forgotten rest after 200 ms: it must not take that long. */
    while (have < n && poll(&wait, 1, 100) == 1) {
        int m = plain_read(&p, got + have, (int)(100000 - have));

        if (m > 0)
            have += (size_t)m;
    }
    assert_int_equal(have, n);
    assert_memory_equal(big, got, n);
    free(big);
    free(got);
    pair_free(&p);
    tls_server_unref(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_that_would_block_is_saved_only_when_that_is_safe),
        cmocka_unit_test(the_end_behind_the_last_bytes_is_not_missed),
        cmocka_unit_test(a_reset_behind_the_last_bytes_is_not_missed),
        cmocka_unit_test(writing_to_who_has_gone_is_an_error_and_no_signal),
        cmocka_unit_test(many_records_of_one_write_arrive_whole_and_at_once),
    };
    int failed;

    files_make(&files);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    files_free(&files);
    return failed;
}
