/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "http/h1_parse.h"

struct scan_run {
    struct h1_scan scan;
    bool is_request;
    size_t len;
    enum h1_fault fault;
};

static void
run_init(struct scan_run *r, bool is_request)
{
    *r = (struct scan_run){.is_request = is_request};
    h1_scan_init(&r->scan, is_request);
}

static int
run_step(void *arg, struct str prefix)
{
    struct scan_run *r = arg;

    return h1_scan(&r->scan, prefix, &r->len, &r->fault);
}

static int
scan_whole(struct str bytes, bool is_request, size_t *ret_len, enum h1_fault *ret_fault)
{
    struct scan_run r;
    int err;

    run_init(&r, is_request);
    err = run_step(&r, bytes);
    *ret_len = r.len;
    *ret_fault = r.fault;
    return err;
}

/* Whole, byte by byte, and asked again afterwards: always the same answer. */
static int
scan_both(struct str bytes, bool is_request, size_t *ret_len, enum h1_fault *ret_fault)
{
    struct scan_run drip;
    size_t fed;
    int err = scan_whole(bytes, is_request, ret_len, ret_fault);

    run_init(&drip, is_request);
    assert_int_equal(drip_feed(bytes, run_step, &drip, GW_E_AGAIN, &fed), err);
    assert_int_equal(drip.len, *ret_len);
    assert_int_equal(drip.fault, *ret_fault);
    assert_int_equal(h1_scan(&drip.scan, str_sub(bytes, 0, fed), &drip.len, &drip.fault), err);
    assert_int_equal(drip.len, *ret_len);
    assert_int_equal(drip.fault, *ret_fault);
    return err;
}

static void
the_end_of_a_head_is_found(void **state)
{
    static const struct {
        const char *head;
        bool is_request;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", true},
        {"x\r\n\r\n", true},
        {"POST /a?b HTTP/1.1\r\nA:\t\t1\r\nB: caf\xc3\xa9\r\nC:\r\n\r\n", true},
        {"HTTP/1.1 200 OK\r\n\r\n", false},
        {"HTTP/1.1 200 \x80\xff\t\r\nA: b\r\n\r\n", false},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        char bytes[256];
        int n = snprintf(bytes, sizeof(bytes), "%sBODY\r\n\r\n", rows[i].head);
        enum h1_fault fault;
        size_t len;

        assert_int_equal(scan_both(str_make(bytes, (size_t)n), rows[i].is_request, &len, &fault),
                         0);
        assert_int_equal(len, strlen(rows[i].head));
        for (size_t cut = 0; cut < len; cut++)
            assert_int_equal(
                scan_whole(str_make(bytes, cut), rows[i].is_request, &(size_t){0}, &fault),
                GW_E_AGAIN);
    }
}

static void
illegal_bytes_are_refused_where_they_stand(void **state)
{
    static const struct {
        const char *head;
        size_t at; /* offset of the byte that decides */
        enum h1_fault fault;
    } rows[] = {
        {"\nGET", 0, H1_FAULT_BARE_LF},
        {"\r\n\nGET", 2, H1_FAULT_BARE_LF},
        {"\r\n\r\n", 2, H1_FAULT_BAD_LINE},
        {"\rG", 1, H1_FAULT_BARE_CR},
        {" GET", 0, H1_FAULT_BAD_LINE},
        {"\tGET", 0, H1_FAULT_BAD_LINE},
        {"\r\n GET", 2, H1_FAULT_BAD_LINE},
        {"\x16\x03\x01", 0, H1_FAULT_BAD_BYTE},
        {"GET / HTTP/1.1\n", 14, H1_FAULT_BARE_LF},
        {"GET / HTTP/1.1\r\r\n", 15, H1_FAULT_BARE_CR},
        {"GET /\r HTTP/1.1\r\n", 6, H1_FAULT_BARE_CR},
        {"GET /\x01 HTTP/1.1\r\n", 5, H1_FAULT_BAD_BYTE},
        {"GET /\x7f HTTP/1.1\r\n", 5, H1_FAULT_BAD_BYTE},
        {"G / HTTP/1.1\r\n a: b\r\n", 14, H1_FAULT_FOLDED},
        {"G / HTTP/1.1\r\na: b\r\n\tc\r\n", 20, H1_FAULT_FOLDED},
        {"G / HTTP/1.1\r\na: b\r\n \r\n", 20, H1_FAULT_FOLDED},
        {"G / HTTP/1.1\r\na: b\nc: d\r\n", 18, H1_FAULT_BARE_LF},
        {"G / HTTP/1.1\r\na: b\rc: d\r\n", 19, H1_FAULT_BARE_CR},
        {"G / HTTP/1.1\r\na: \x0b\r\n", 17, H1_FAULT_BAD_BYTE},
        {"G / HTTP/1.1\r\na: b\r\n\n", 20, H1_FAULT_BARE_LF},
        {"G / HTTP/1.1\r\na: b\r\n\rx", 21, H1_FAULT_BARE_CR},
        {"G / HTTP/1.1\r\n\x1b: b\r\n\r", 14, H1_FAULT_BAD_BYTE},
        {"G / HTTP/1.1\r\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x1f", 44, H1_FAULT_BAD_BYTE},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct str bytes = str_from(rows[i].head);
        enum h1_fault fault = H1_FAULT_NONE;
        size_t len = 0;

        assert_int_equal(scan_both(bytes, true, &len, &fault), GW_E_PROTO);
        assert_int_equal(fault, rows[i].fault);
        assert_int_equal(scan_whole(str_sub(bytes, 0, rows[i].at), true, &len, &fault), GW_E_AGAIN);
        assert_int_equal(scan_whole(str_sub(bytes, 0, rows[i].at + 1), true, &len, &fault),
                         GW_E_PROTO);
    }
}

static void
a_response_has_no_empty_line_before_it(void **state)
{
    enum h1_fault fault = H1_FAULT_NONE;
    size_t len = 0;

    (void)state;
    assert_int_equal(scan_both(STR("\r\nHTTP/1.1 200 OK\r\n\r\n"), false, &len, &fault),
                     GW_E_PROTO);
    assert_int_equal(fault, H1_FAULT_BAD_LINE);
}

/* Each byte value at each place of a head: only HTAB, 0x20-0x7e and 0x80-0xff pass, and CR LF where
 * a line ends. Words of eight bytes are skipped at once, so places cover all alignments. */
static void
no_control_byte_passes_at_any_place(void **state)
{
    static const char head[] = "GET /abcdefghijklmnopq HTTP/1.1\r\nName-Of-It: value of it\r\n\r\n";
    const size_t head_len = sizeof(head) - 1;
    char bytes[sizeof(head)];
    size_t refused = 0;

    (void)state;
    for (size_t at = 0; at < head_len; at++) {
        for (int c = 0; c < 256; c++) {
            bool is_legal = c == '\t' || (c >= 0x20 && c != 0x7f);
            bool is_own = c == head[at];
            enum h1_fault fault;
            size_t len;
            int err;

            memcpy(bytes, head, sizeof(head));
            bytes[at] = (char)c;
            err = scan_whole(str_make(bytes, head_len), true, &len, &fault);
            if (!is_legal && !is_own)
                assert_int_equal(err, GW_E_PROTO);
            refused += err == GW_E_PROTO;
            if (is_own)
                assert_int_equal(err, 0);
        }
    }
    assert_true(refused > head_len * 32);
}

/* What was looked at is overwritten after every byte: the answer must not change. */
static void
no_byte_is_looked_at_twice(void **state)
{
    struct str head = STR("\r\nGET / HTTP/1.1\r\nHost: example\r\nA: b\r\n\r\n");
    char bytes[64];
    struct h1_scan scan;
    enum h1_fault fault;
    size_t len = 0;
    int err = GW_E_AGAIN;

    (void)state;
    h1_scan_init(&scan, true);
    for (size_t fed = 1; err == GW_E_AGAIN && fed <= head.len; fed++) {
        bytes[fed - 1] = head.ptr[fed - 1];
        err = h1_scan(&scan, str_make(bytes, fed), &len, &fault);
        memset(bytes, '\n', fed);
    }
    assert_int_equal(err, 0);
    assert_int_equal(len, head.len);
}

static char *
long_head(const char *before, size_t filler, const char *after, size_t *ret_len)
{
    size_t b = strlen(before);
    size_t a = strlen(after);
    char *head = malloc(b + filler + a + 1);

    assert_non_null(head);
    memcpy(head, before, b);
    memset(head + b, 'x', filler);
    memcpy(head + b + filler, after, a + 1);
    *ret_len = b + filler + a;
    return head;
}

static void
expect_line(const char *before, size_t filler, const char *after, enum h1_fault want)
{
    enum h1_fault fault = H1_FAULT_NONE;
    size_t head_len;
    size_t len = 0;
    char *head = long_head(before, filler, after, &head_len);

    (void)scan_both(str_make(head, head_len), true, &len, &fault);
    assert_int_equal(fault, want);
    assert_int_equal(len, want == H1_FAULT_NONE ? head_len : 0);
    free(head);
}

static void
a_line_may_have_16_kib_and_not_a_byte_more(void **state)
{
    const size_t around = strlen("GET / HTTP/1.1");

    (void)state;
    expect_line("GET /", REQUEST_LINE_MAX - around, " HTTP/1.1\r\n\r\n", H1_FAULT_NONE);
    expect_line("GET /", REQUEST_LINE_MAX - around + 1, " HTTP/1.1\r\n\r\n",
                H1_FAULT_LINE_TOO_LONG);
    expect_line("GET /", 2 * REQUEST_LINE_MAX, "", H1_FAULT_LINE_TOO_LONG);
    expect_line("G / HTTP/1.1\r\nA:", HEADER_LINE_MAX - 2, "\r\n\r\n", H1_FAULT_NONE);
    expect_line("G / HTTP/1.1\r\nA:", HEADER_LINE_MAX - 1, "\r\n\r\n", H1_FAULT_HEADER_TOO_LONG);
    expect_line("G / HTTP/1.1\r\nB: c\r\n", 2 * HEADER_LINE_MAX, "", H1_FAULT_HEADER_TOO_LONG);
}

/* Four lines of fill; the last is made as long as the head needs. */
static void
expect_head(bool is_request, size_t total, enum h1_fault want)
{
    const char *first = is_request ? "G / HTTP/1.1\r\n" : "HTTP/1.1 200 OK\r\n";
    char *head = malloc(total);
    size_t at = strlen(first);
    enum h1_fault fault = H1_FAULT_NONE;
    size_t len = 0;

    assert_non_null(head);
    memset(head, 'x', total);
    memcpy(head, first, at);
    for (at += 16000; at < total - 4; at += 16000)
        memcpy(head + at, "\r\n", 2);
    memcpy(head + total - 4, "\r\n\r\n", 4);
    (void)scan_both(str_make(head, total), is_request, &len, &fault);
    assert_int_equal(fault, want);
    free(head);
}

static void
a_head_may_be_as_long_as_its_bound(void **state)
{
    (void)state;
    expect_head(false, RESPONSE_HEAD_MAX, H1_FAULT_NONE);
    expect_head(false, RESPONSE_HEAD_MAX + 1, H1_FAULT_HEAD_TOO_LONG);
    expect_head(true, RESPONSE_HEAD_MAX + 1, H1_FAULT_NONE);
}

/* The request bound is too long for a drip of copies: whole and in pieces of 1,000 bytes. */
static void
a_request_head_may_have_64_kib(void **state)
{
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        size_t total = REQUEST_HEAD_MAX + over;
        char *head = malloc(total);
        struct scan_run r;
        int err = GW_E_AGAIN;

        assert_non_null(head);
        memset(head, 'x', total);
        for (size_t at = 8192; at < total - 4; at += 8192)
            memcpy(head + at, "\r\n", 2);
        memcpy(head + total - 4, "\r\n\r\n", 4);
        run_init(&r, true);
        for (size_t fed = 0; err == GW_E_AGAIN && fed < total;) {
            fed = size_min(total, fed + 1000);
            err = run_step(&r, str_make(head, fed));
        }
        assert_int_equal(err, over > 0 ? GW_E_PROTO : 0);
        assert_int_equal(r.fault, over > 0 ? H1_FAULT_HEAD_TOO_LONG : H1_FAULT_NONE);
        free(head);
    }
}

static void
expect_fields(bool is_request, size_t count, enum h1_fault want)
{
    char head[4096];
    size_t n = (size_t)snprintf(head, sizeof(head), "%s\r\n",
                                is_request ? "GET / HTTP/1.1" : "HTTP/1.1 200 OK");
    enum h1_fault fault = H1_FAULT_NONE;
    size_t len = 0;

    for (size_t i = 0; i < count; i++)
        n += (size_t)snprintf(head + n, sizeof(head) - n, "a: %zu\r\n", i);
    n += (size_t)snprintf(head + n, sizeof(head) - n, "\r\n");
    (void)scan_both(str_make(head, n), is_request, &len, &fault);
    assert_int_equal(fault, want);
}

static void
fields_are_counted_while_they_arrive(void **state)
{
    (void)state;
    expect_fields(true, REQUEST_HEADERS_MAX, H1_FAULT_NONE);
    expect_fields(true, REQUEST_HEADERS_MAX + 1, H1_FAULT_TOO_MANY_HEADERS);
    expect_fields(false, RESPONSE_HEADERS_MAX, H1_FAULT_NONE);
    expect_fields(false, RESPONSE_HEADERS_MAX + 1, H1_FAULT_TOO_MANY_HEADERS);
}

/* Any bytes, any cut: small alphabet, all strings of five symbols after a good first line. */
static void
cuts_never_change_the_answer(void **state)
{
    static const char symbols[] = {'\r', '\n', 'a', ' ', ':', '\t', '\0'};
    char bytes[32] = "A / B\r\n";
    const size_t base = 7;

    (void)state;
    for (unsigned n = 0; n < 7 * 7 * 7 * 7 * 7; n++) {
        enum h1_fault fault = H1_FAULT_NONE;
        size_t len = 0;
        unsigned rest = n;

        for (size_t i = 0; i < 5; i++, rest /= 7)
            bytes[base + i] = symbols[rest % 7];
        (void)scan_both(str_make(bytes, base + 5), true, &len, &fault);
    }
}

static void
shrink(void *arg)
{
    struct h1_scan scan;
    enum h1_fault fault;
    size_t len;

    (void)arg;
    h1_scan_init(&scan, true);
    (void)!h1_scan(&scan, STR("GET / "), &len, &fault);
    (void)!h1_scan(&scan, STR("GET"), &len, &fault);
}

static void
input_that_shrinks_is_our_own_mistake(void **state)
{
    (void)state;
    assert_true(unit_aborts(shrink, NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_of_a_head_is_found),
        cmocka_unit_test(illegal_bytes_are_refused_where_they_stand),
        cmocka_unit_test(a_response_has_no_empty_line_before_it),
        cmocka_unit_test(no_control_byte_passes_at_any_place),
        cmocka_unit_test(no_byte_is_looked_at_twice),
        cmocka_unit_test(a_line_may_have_16_kib_and_not_a_byte_more),
        cmocka_unit_test(a_head_may_be_as_long_as_its_bound),
        cmocka_unit_test(a_request_head_may_have_64_kib),
        cmocka_unit_test(fields_are_counted_while_they_arrive),
        cmocka_unit_test(cuts_never_change_the_answer),
        cmocka_unit_test(input_that_shrinks_is_our_own_mistake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
