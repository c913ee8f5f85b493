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

static int
bytes_waiting(int fd)
{
    int n = -1;

    assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
    return n;
}

static void
corked_records_leave_together(void **state)
{
    struct tls_pair p;
    struct tls_server *s = open_pair(&files, &p, TLS1_2_VERSION);
    struct pool pool;

    (void)state;
    pool_init(&pool, 4096, 8, 8);
    tls_set_pool(p.t, &pool);
    tls_cork(p.t);
    tls_write_all(&p, "one");
    tls_write_all(&p, "two");
    assert_int_equal(bytes_waiting(p.fd[1]), 0);
    assert_int_equal(pool.out, 1);
    assert_int_equal(tls_flush(p.t), 0);
    assert_int_equal(pool.out, 0);
    assert_plain_reads(&p, "one");
    assert_plain_reads(&p, "two");
    assert_int_equal(tls_flush(p.t), 0);
    tls_write_all(&p, "three");
    assert_plain_reads(&p, "three");
    assert_int_equal(pool.out, 0);
    pair_free(&p);
    pool_done(&pool);
    tls_server_unref(s);
}

static void
what_does_not_fit_the_block_leaves_with_what_was_held(void **state)
{
    struct tls_pair p;
    struct tls_server *s = open_pair(&files, &p, 0);
    struct pool pool;
    char big[6000];
    char got[6000];
    size_t n = 0;

    (void)state;
    memset(big, 'b', sizeof(big));
    pool_init(&pool, 4096, 8, 8);
    tls_set_pool(p.t, &pool);
    tls_cork(p.t);
    tls_write_all(&p, "head");
    assert_int_equal(tls_write(p.t, big, sizeof(big), &n), 0);
    assert_int_equal(n, sizeof(big));
    assert_int_equal(pool.out, 0);
    assert_plain_reads(&p, "head");
    assert_int_equal(plain_read(&p, got, sizeof(got)), sizeof(got));
    tls_write_all(&p, "tail");
    assert_int_equal(pool.out, 1);
    /* Shutdown sends what is held first. */
    assert_int_equal(tls_shutdown(p.t), 0);
    assert_plain_reads(&p, "tail");
    pair_free(&p);
    pool_done(&pool);
    tls_server_unref(s);
}

static void
without_a_block_a_cork_changes_nothing(void **state)
{
    struct tls_pair p;
    struct tls_server *s = open_pair(&files, &p, 0);
    struct pool pool;

    (void)state;
    tls_cork(p.t);
    tls_write_all(&p, "one");
    assert_plain_reads(&p, "one");
    assert_int_equal(tls_flush(p.t), 0);
    pool_init(&pool, 4096, 0, 0);
    tls_set_pool(p.t, &pool);
    tls_cork(p.t);
    tls_write_all(&p, "two");
    assert_plain_reads(&p, "two");
    assert_int_equal(tls_flush(p.t), 0);
    pair_free(&p);
    pool_done(&pool);
    tls_server_unref(s);
}

static void
held_records_wait_for_a_full_socket_in_order(void **state)
{
    struct tls_pair p;
    struct tls_server *s = open_pair(&files, &p, 0);
    struct pool pool;
    char block[16384];
    char got[16384];
    size_t n = 0;
    size_t written = 0;
    size_t have = 0;
    int rc;

    (void)state;
    memset(block, 'b', sizeof(block));
    pool_init(&pool, 32768, 8, 8);
    tls_set_pool(p.t, &pool);
    tls_cork(p.t);
    do {
        rc = tls_write(p.t, block, sizeof(block), &n);
        written += rc == 0 ? n : 0;
    } while (rc == 0);
    assert_int_equal(rc, GW_E_WANT_WRITE);
    assert_int_equal(pool.out, 1);
    assert_int_equal(tls_flush(p.t), GW_E_WANT_WRITE);
    for (int i = 0; i < 1000 && rc == GW_E_WANT_WRITE; i++) {
        int m;

        while ((m = plain_read(&p, got, sizeof(got))) > 0)
            have += (size_t)m;
        tls_on_ready(p.t, false, true, false);
        rc = tls_flush(p.t);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(pool.out, 0);
    assert_int_equal(tls_write(p.t, block, sizeof(block), &n), 0);
    written += n;
    for (int m = 1; m > 0; have += m > 0 ? (size_t)m : 0)
        m = plain_read(&p, got, sizeof(got));
    assert_int_equal(have, written);
    /* A connection that is given up while it holds records gives the block back. */
    tls_cork(p.t);
    tls_write_all(&p, "never sent");
    assert_int_equal(pool.out, 1);
    pair_free(&p);
    assert_int_equal(pool.out, 0);
    pool_done(&pool);
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
        cmocka_unit_test(corked_records_leave_together),
        cmocka_unit_test(what_does_not_fit_the_block_leaves_with_what_was_held),
        cmocka_unit_test(without_a_block_a_cork_changes_nothing),
        cmocka_unit_test(held_records_wait_for_a_full_socket_in_order),
    };
    int failed;

    files_make(&files);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    files_free(&files);
    return failed;
}
