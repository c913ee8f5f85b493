/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "obs/log_ring.h"
#include "support/util.h"

/* All that waits, consumed n bytes at a time. */
static void
drain(struct log_ring *r, size_t n, struct bytes *out)
{
    struct iovec pieces[2];

    while (log_ring_peek(r, pieces) > 0) {
        size_t take = size_min(n, pieces[0].iov_len);

        bytes_add(out, pieces[0].iov_base, take);
        log_ring_consume(r, take);
    }
}

static void
lines_come_out_as_they_went_in_at_every_offset(void **state)
{
    struct log_ring r;
    struct bytes in = {0}, out = {0};

    (void)state;
    log_ring_init(&r, 64);
    for (int i = 0; i < 1000; i++) {
        char line[64];
        int len = snprintf(line, sizeof(line), "%0*d\n", 1 + i % 40, i);

        assert_true(log_ring_put(&r, line, (size_t)len));
        bytes_add(&in, line, (size_t)len);
        drain(&r, 1 + (size_t)i % 7, &out);
    }
    assert_str_equal(bytes_str(&out), bytes_str(&in));
    bytes_free(&in);
    bytes_free(&out);
    log_ring_done(&r);
}

static void
full_ring_refuses_a_line_whole(void **state)
{
    struct log_ring r;
    struct bytes out = {0};

    (void)state;
    log_ring_init(&r, 16);
    assert_false(log_ring_put(&r, "0123456789abcdef\n", 17));
    assert_true(log_ring_put(&r, "0123456789\n", 11));
    assert_false(log_ring_put(&r, "01234\n", 6));
    assert_int_equal(log_ring_used(&r), 11);
    assert_true(log_ring_put(&r, "0123\n", 5));
    assert_false(log_ring_put(&r, "\n", 1));
    drain(&r, 16, &out);
    assert_str_equal(bytes_str(&out), STR("0123456789\n0123\n"));
    assert_true(log_ring_put(&r, "0123456789abcde\n", 16));
    bytes_free(&out);
    log_ring_done(&r);
}

static void
skipping_takes_one_line_even_around_the_end(void **state)
{
    (void)state;
    for (size_t offset = 0; offset < 16; offset++) {
        struct log_ring r;
        struct bytes out = {0};

        log_ring_init(&r, 16);
        for (size_t i = 0; i < offset; i++)
            assert_true(log_ring_put(&r, "\n", 1));
        log_ring_consume(&r, offset);
        assert_true(log_ring_put(&r, "abcdef\n", 7));
        assert_true(log_ring_put(&r, "gh\n", 3));
        log_ring_skip_line(&r);
        drain(&r, 16, &out);
        assert_str_equal(bytes_str(&out), STR("gh\n"));
        bytes_free(&out);
        log_ring_done(&r);
    }
}

static void
discarding_counts_lines(void **state)
{
    struct log_ring r;

    (void)state;
    log_ring_init(&r, 64);
    assert_int_equal(log_ring_discard(&r), 0);
    for (int i = 0; i < 5; i++)
        assert_true(log_ring_put(&r, "abc\n", 4));
    log_ring_consume(&r, 2);
    assert_int_equal(log_ring_discard(&r), 5);
    assert_int_equal(log_ring_used(&r), 0);
    log_ring_done(&r);
}

#define THREAD_LINES 200000

static void *
put_numbers(void *arg)
{
    struct log_ring *r = arg;
    char line[16];

    for (int i = 0; i < THREAD_LINES; i++) {
        int len = snprintf(line, sizeof(line), "%d\n", i);

        while (!log_ring_put(r, line, (size_t)len))
            sched_yield();
    }
    return NULL;
}

/* Reads "0\n1\n2\n..." and nothing else. */
static void
two_threads_agree_without_a_lock(void **state)
{
    struct log_ring r;
    pthread_t thread;
    int expected = 0;
    long value = 0;

    (void)state;
    log_ring_init(&r, 256);
    assert_int_equal(pthread_create(&thread, NULL, put_numbers, &r), 0);
    while (expected < THREAD_LINES) {
        struct iovec pieces[2];

        if (log_ring_peek(&r, pieces) == 0) {
            sched_yield();
            continue;
        }
        for (size_t i = 0; i < pieces[0].iov_len; i++) {
            char c = ((const char *)pieces[0].iov_base)[i];

            if (c == '\n') {
                assert_int_equal(value, expected++);
                value = 0;
            } else {
                value = value * 10 + (c - '0');
            }
        }
        log_ring_consume(&r, pieces[0].iov_len);
    }
    pthread_join(thread, NULL);
    assert_int_equal(log_ring_used(&r), 0);
    log_ring_done(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_as_they_went_in_at_every_offset),
        cmocka_unit_test(full_ring_refuses_a_line_whole),
        cmocka_unit_test(skipping_takes_one_line_even_around_the_end),
        cmocka_unit_test(discarding_counts_lines),
        cmocka_unit_test(two_threads_agree_without_a_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
