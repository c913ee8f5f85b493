/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_pair.h"

#include "support/pki.h"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
static struct tls_files files;

static void
the_facts_of_the_connection_are_told(void **state)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_OFF);
    struct tls_pair p;

    (void)state;
    pair_client(&p, s, TLS1_3_VERSION, NULL);
    assert_string_equal(tls_version(p.t), "-");
    assert_string_equal(tls_cipher(p.t), "-");
    assert_string_equal(tls_group(p.t), "-");
    assert_int_equal(tls_alpn(p.t), TLS_ALPN_NONE);
    SSL_set1_groups_list(p.ssl, "P-384");
    assert_int_equal(pair_shake(&p), 0);
    assert_string_equal(tls_version(p.t), "TLSv1.3");
    assert_string_equal(tls_cipher(p.t), "TLS_AES_128_GCM_SHA256");
    assert_string_equal(tls_group(p.t), "secp384r1");
    assert_false(tls_is_resumed(p.t));
    assert_int_equal(tls_reason(p.t), REASON_NONE);
    assert_string_equal(tls_error(p.t), "");
    pair_free(&p);
    tls_server_unref(s);
}

static void
nothing_is_read_or_written_before_the_handshake(void **state)
{
    struct tls_server *s = server_simple(&files, TLS_CLIENT_AUTH_OFF);
    struct tls_pair p;
    char got[8];
    size_t n = 77;

    (void)state;
    pair_client(&p, s, 0, NULL);
    assert_int_equal(tls_read(p.t, got, sizeof(got), &n), GW_E_WANT_READ);
    assert_int_equal(tls_write(p.t, "x", 1, &n), GW_E_WANT_READ);
    assert_int_equal(tls_shutdown(p.t), 0);
    assert_int_equal(n, 77);
    assert_int_equal(recv(p.fd[1], got, 1, MSG_DONTWAIT), -1);
    /* A write asks for the handshake and so for a read. */
    plain_step(&p);
    tls_on_ready(p.t, true, true, false);
    assert_int_equal(tls_write(p.t, "x", 1, &n), GW_E_WANT_READ);
    plain_step(&p);
    tls_on_ready(p.t, true, true, false);
    assert_int_equal(tls_write(p.t, "x", 1, &n), 0);
    assert_plain_reads(&p, "x");
    pair_free(&p);
    tls_server_unref(s);
}

static uint8_t
pattern(size_t i)
{
    return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

/* Moves total bytes from t to the plain side through small socket buffers. */
static void
send_through(struct tls_pair *p, size_t total, size_t chunk)
{
    uint8_t *all = xmalloc(total);
    uint8_t *got = xmalloc(total);
    size_t sent = 0;
    size_t have = 0;
    int blocked = 0;

    for (size_t i = 0; i < total; i++)
        all[i] = pattern(i);
    while (have < total) {
        size_t n = 0;
        int rc = 0;

        while (rc == 0 && sent < total) {
            /* A moved buffer, and at least the bytes that were offered before. */
            uint8_t *moved = xmalloc(total - sent);

            memcpy(moved, all + sent, total - sent);
            rc = tls_write(p->t, moved, size_min(chunk, total - sent), &n);
            sent += rc == 0 ? n : 0;
            free(moved);
        }
        if (rc != 0) {
            assert_int_equal(rc, GW_E_WANT_WRITE);
            blocked++;
            /* Without an edge it does not even try. */
            assert_int_equal(tls_write(p->t, all + sent, size_min(chunk, total - sent), &n),
                             GW_E_WANT_WRITE);
        }
        for (;;) {
            int m = plain_read(p, got + have, (int)(total - have));

            if (m <= 0)
                break;
            have += (size_t)m;
        }
        tls_on_ready(p->t, false, true, false);
    }
    assert_memory_equal(all, got, total);
    assert_true(blocked > 3);
    free(all);
    free(got);
}

static void
writes_survive_a_full_socket(void **state)
{
    static const size_t chunks[] = {1000, 16384, 40000, 1000000};

    (void)state;
    for (size_t i = 0; i < 2 * array_len(chunks); i++) {
        struct tls_pair p;
        struct tls_server *s = open_pair(&files, &p, versions[i % 2]);
        int small = 4096;

        setsockopt(p.fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
        send_through(&p, 400000, chunks[i / 2]);
        pair_free(&p);
        tls_server_unref(s);
    }
}

static void
reads_of_any_size_give_every_byte_once(void **state)
{
    static const size_t sizes[] = {1, 7, 100, 16384, 100000};

    (void)state;
    for (size_t i = 0; i < array_len(sizes); i++) {
        struct tls_pair p;
        struct tls_server *s = open_pair(&files, &p, 0);
        size_t total = sizes[i] < 100 ? 3000 : 60000;
        uint8_t *all = xmalloc(total);
        uint8_t *got = xmalloc(total + sizes[i]);
        size_t have = 0;

        for (size_t k = 0; k < total; k++)
            all[k] = pattern(k);
        assert_int_equal(SSL_write(p.ssl, all, (int)total), (int)total);
        tls_on_ready(p.t, true, true, false);
        while (have < total) {
            size_t n = 0;

            assert_int_equal(tls_read(p.t, got + have, sizes[i], &n), 0);
            assert_true(n > 0 && n <= sizes[i]);
            have += n;
        }
        assert_int_equal(have, total);
        assert_memory_equal(all, got, total);
        assert_int_equal(tls_read(p.t, got, 1, &(size_t){0}), GW_E_WANT_READ);
        free(all);
        free(got);
        pair_free(&p);
        tls_server_unref(s);
    }
}

static void
pending_tells_what_needs_no_socket(void **state)
{
    struct tls_pair p;
    struct tls_server *s = open_pair(&files, &p, 0);
    char raw[64];
    char got[16];
    size_t n = 0;
    ssize_t len;

    (void)state;
    assert_false(tls_has_pending(p.t));
    plain_write(&p, "one");
    plain_write(&p, "two");
    tls_on_ready(p.t, true, true, false);
    assert_int_equal(tls_read(p.t, got, 1, &n), 0);
    assert_true(tls_has_pending(p.t));
    assert_int_equal(tls_read(p.t, got, sizeof(got), &n), 0);
    assert_str_equal(str_make(got, n), STR("netwo"));
    assert_false(tls_has_pending(p.t));

    /* Part of a record is nothing that could be read. */
    {
        int tap[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, tap), 0);
        SSL_set_fd(p.ssl, tap[0]);
        plain_write(&p, "three");
        len = recv(tap[1], raw, sizeof(raw), 0);
        assert_true(len > 10);
        close(tap[0]);
        close(tap[1]);
        SSL_set_fd(p.ssl, p.fd[1]);
    }
    assert_int_equal(write(p.fd[1], raw, 8), 8);
    tls_on_ready(p.t, true, true, false);
    assert_int_equal(tls_read(p.t, got, sizeof(got), &n), GW_E_WANT_READ);
    assert_false(tls_has_pending(p.t));
    assert_int_equal(write(p.fd[1], raw + 8, (size_t)len - 8), len - 8);
    assert_tls_reads(&p, "three");
    pair_free(&p);
    tls_server_unref(s);
}

static void
a_clean_end_differs_from_a_cut(void **state)
{
    (void)state;
    for (size_t v = 0; v < array_len(versions); v++) {
        struct tls_pair p;
        struct tls_server *s = open_pair(&files, &p, versions[v]);
        char got[16];
        size_t n = 0;

        plain_write(&p, "last");
        assert_int_equal(SSL_shutdown(p.ssl), 0);
        assert_tls_reads(&p, "last");
        assert_int_equal(tls_read(p.t, got, sizeof(got), &n), GW_E_CLOSED);
        assert_true(tls_saw_close_notify(p.t));
        assert_int_equal(tls_read(p.t, got, sizeof(got), &n), GW_E_CLOSED);
        assert_false(tls_has_pending(p.t));
        /* Our half is still open (RFC 8446 6.1). */
        tls_write_all(&p, "answer");
        pair_free(&p);
        tls_server_unref(s);
    }
}

static void
our_end_is_told_with_close_notify(void **state)
{
    struct tls_pair p;
    struct tls_server *s = open_pair(&files, &p, 0);
    char byte;

    (void)state;
    tls_write_all(&p, "bye");
    assert_int_equal(tls_shutdown(p.t), 0);
    assert_int_equal(tls_shutdown(p.t), 0);
    assert_plain_reads(&p, "bye");
    assert_int_equal(plain_read(&p, &byte, 1), 0);
    assert_int_equal(p.ssl_error, SSL_ERROR_ZERO_RETURN);
    pair_free(&p);
    tls_server_unref(s);
}

/* Fills the socket below TLS until it takes no more. */
static size_t
stuff(int fd)
{
    char junk[4096] = {0};
    size_t total = 0;
    ssize_t n;

    /* Big pieces first, then single bytes. */
    for (size_t size = sizeof(junk); size > 0; size = size > 1 ? 1 : 0) {
        while ((n = send(fd, junk, size, MSG_NOSIGNAL)) > 0)
            total += (size_t)n;
    }
    return total;
}

static void
close_notify_waits_for_a_full_socket(void **state)
{
    (void)state;
    for (size_t v = 0; v < array_len(versions); v++) {
        struct tls_pair p;
        struct tls_server *s = open_pair(&files, &p, versions[v]);
        size_t junk = stuff(p.fd[0]);
        char byte;

        assert_int_equal(tls_shutdown(p.t), GW_E_WANT_WRITE);
        assert_int_equal(tls_shutdown(p.t), GW_E_WANT_WRITE);
        for (size_t i = 0; i < junk; i++)
            assert_int_equal(recv(p.fd[1], &byte, 1, MSG_DONTWAIT), 1);
        tls_on_ready(p.t, false, true, false);
        assert_int_equal(tls_shutdown(p.t), 0);
        assert_int_equal(plain_read(&p, &byte, 1), 0);
        assert_int_equal(p.ssl_error, SSL_ERROR_ZERO_RETURN);
        assert_int_equal(tls_shutdown(p.t), 0);
        pair_free(&p);
        tls_server_unref(s);
    }
}

static void
behind_half_a_record_there_is_no_close_notify(void **state)
{
    struct tls_pair p;
    struct tls_server *s = open_pair(&files, &p, 0);
    char block[16384] = {0};
    size_t n = 0;
    int rc = 0;

    (void)state;
    while (rc == 0)
        rc = tls_write(p.t, block, sizeof(block), &n);
    assert_int_equal(rc, GW_E_WANT_WRITE);
    assert_int_equal(tls_shutdown(p.t), 0);
    /* It can still be completed. */
    while (plain_read(&p, block, sizeof(block)) > 0)
        ;
    tls_on_ready(p.t, false, true, false);
    assert_int_equal(tls_write(p.t, block, sizeof(block), &n), 0);
    assert_int_equal(tls_shutdown(p.t), 0);
    while (plain_read(&p, block, sizeof(block)) > 0)
        ;
    assert_int_equal(p.ssl_error, SSL_ERROR_ZERO_RETURN);
    pair_free(&p);
    tls_server_unref(s);
}

static void
bytes_changed_on_the_way_end_the_connection(void **state)
{
    (void)state;
    for (size_t v = 0; v < array_len(versions); v++) {
        struct tls_pair p;
        struct tls_server *s = open_pair(&files, &p, versions[v]);
        char got[16];
        size_t n = 0;

        assert_int_equal(write(p.fd[1],
                               "\x17\x03\x03\x00\x20"
                               "forged forged forged forged forge",
                               37),
                         37);
        tls_on_ready(p.t, true, true, false);
        assert_int_equal(tls_read(p.t, got, sizeof(got), &n), GW_E_TLS);
        assert_int_equal(tls_read(p.t, got, sizeof(got), &n), GW_E_TLS);
        assert_int_equal(tls_write(p.t, "x", 1, &n), GW_E_TLS);
        pair_free(&p);
        tls_server_unref(s);
    }
}

static void
a_key_update_is_answered_even_when_the_socket_was_full(void **state)
{
    struct tls_pair p;
    struct tls_server *s = open_pair(&files, &p, TLS1_3_VERSION);
    char block[16384] = {0};
    char got[16384];
    size_t n = 0;
    int rc;

    (void)state;
    assert_int_equal(SSL_key_update(p.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    plain_write(&p, "first");
    assert_tls_reads(&p, "first");
    tls_write_all(&p, "answer");
    assert_plain_reads(&p, "answer");

    do {
        rc = tls_write(p.t, block, sizeof(block), &n);
    } while (rc == 0);
    assert_int_equal(rc, GW_E_WANT_WRITE);
    assert_int_equal(SSL_key_update(p.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    plain_write(&p, "second");
    tls_on_ready(p.t, true, false, false);
    rc = tls_read(p.t, got, sizeof(got), &n);
    for (int i = 0; i < 100 && rc == GW_E_WANT_WRITE; i++) {
        while (plain_read(&p, got, sizeof(got)) > 0)
            ;
        tls_on_ready(p.t, false, true, false);
        assert_int_not_equal(tls_write(p.t, block, sizeof(block), &n), GW_E_TLS);
        rc = tls_read(p.t, got, sizeof(got), &n);
    }
    assert_int_equal(rc, 0);
    assert_str_equal(str_make(got, n), STR("second"));
    pair_free(&p);
    tls_server_unref(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_facts_of_the_connection_are_told),
        cmocka_unit_test(nothing_is_read_or_written_before_the_handshake),
        cmocka_unit_test(writes_survive_a_full_socket),
        cmocka_unit_test(reads_of_any_size_give_every_byte_once),
        cmocka_unit_test(pending_tells_what_needs_no_socket),
        cmocka_unit_test(a_clean_end_differs_from_a_cut),
        cmocka_unit_test(our_end_is_told_with_close_notify),
        cmocka_unit_test(close_notify_waits_for_a_full_socket),
        cmocka_unit_test(behind_half_a_record_there_is_no_close_notify),
        cmocka_unit_test(bytes_changed_on_the_way_end_the_connection),
        cmocka_unit_test(a_key_update_is_answered_even_when_the_socket_was_full),
    };
    int failed;

    files_make(&files);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    files_free(&files);
    return failed;
}
