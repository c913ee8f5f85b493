/* SPDX-License-Identifier: Apache-2.0
 *
 * The load generator counts what happened and nothing else. Figures of the benchmark and
 * of the reload scenarios are taken from its report.
 */
#include "support/unit.h"

#include <stdlib.h>

#include "support/count_preload.h"
#include "support/gateway.h"
#include "support/origin.h"
#include "support/proc.h"

enum { ARGS_MAX = 32 };

/* Runs this loadgen against o with these options (end with NULL), these variables added to the
 * environment (NULL: none), and returns its report. */
static struct proc_result
load_with(const char *program, const char *const *env, struct origin *o, const char *const *options)
{
    const char *argv[ARGS_MAX] = {program};
    char *url = xformat("http://%s/x", origin_address(o));
    size_t n = 1;
    struct proc_result r;

    for (; *options && n + 2 < ARGS_MAX; options++)
        argv[n++] = *options;
    argv[n] = url;
    r = proc_run(&(struct proc_spec){.argv = argv, .name = "loadgen", .env = env}, 20000);
    free(url);
    return r;
}

static struct proc_result
load(struct origin *o, const char *const *options)
{
    return load_with(program_path("loadgen"), NULL, o, options);
}

static void
assert_has(const struct proc_result *r, const char *text)
{
    if (!strstr(r->out.ptr, text))
        print_error("no %s in %s%s\n", text, r->out.ptr, r->err.ptr);
    assert_int_equal(r->status, 0);
    assert_non_null(strstr(r->out.ptr, text));
}

static void
test_counts_answers_and_stops_at_the_limit(void **state)
{
    static const char *const options[] = {"--connections", "3", "--requests", "120", NULL};
    struct origin *o = origin_start(&(struct origin_spec){0});
    struct proc_result r = load(o, options);

    (void)state;
    assert_has(&r, "\"requests\":120,\"failed\":0,");
    assert_has(&r, "\"status\":{\"200\":120}");
    assert_has(&r, "\"bytes_in\":240,");
    assert_int_equal(origin_request_count(o), 120);
    assert_int_equal(origin_conn_count(o), 3);
    proc_result_free(&r);
    origin_stop(o);
}

static void
test_one_get_per_connection(void **state)
{
    static const char *const options[] = {"--handshake", "full", "--connections", "2", "--requests",
                                          "20",          NULL};
    struct origin *o = origin_start(&(struct origin_spec){0});
    struct proc_result r = load(o, options);

    (void)state;
    assert_has(&r, "\"requests\":20,\"failed\":0,");
    assert_has(&r, "\"handshakes\":{\"full\":20,\"resumed\":0}");
    assert_int_equal(origin_conn_count(o), 20);
    proc_result_free(&r);
    origin_stop(o);
}

static const struct origin_step short_body[] = {
    ORIGIN_READ_REQUEST,
    ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour"),
    ORIGIN_CLOSE,
};
static const struct origin_step reset[] = {ORIGIN_READ_REQUEST, ORIGIN_RESET};
static const struct origin_step slow[] = {ORIGIN_READ_REQUEST, ORIGIN_FREEZE};
static const struct origin_step garbage[] = {ORIGIN_READ_REQUEST,
                                             ORIGIN_SEND("SSH-2.0-OpenSSH\r\n\r\n"), ORIGIN_HOLD};

static void
test_errors_are_told_apart(void **state)
{
    static const char *const options[] = {"--connections", "1",   "--requests", "1",
                                          "--timeout",     "300", NULL};
    static const struct {
        const struct origin_step *steps;
        size_t count;
        const char *want;
    } rows[] = {
        {short_body, array_len(short_body), "\"eof\":1,"},
        {reset, array_len(reset), "\"reset\":1,"},
        {slow, array_len(slow), "\"timeout\":1,"},
        {garbage, array_len(garbage), "\"protocol\":1,"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct origin *o =
            origin_start(&(struct origin_spec){.steps = rows[i].steps, .count = rows[i].count});
        struct proc_result r = load(o, options);

        assert_has(&r, "\"requests\":0,\"failed\":1,");
        assert_has(&r, rows[i].want);
        proc_result_free(&r);
        origin_stop(o);
    }
}

static void
test_open_loop_keeps_its_rate(void **state)
{
    static const char *const options[] = {"--connections", "4",   "--rate", "200",
                                          "--requests",    "100", NULL};
    struct origin *o = origin_start(&(struct origin_spec){0});
    int64_t before = now_ms();
    struct proc_result r = load(o, options);

    (void)state;
    assert_has(&r, "\"requests\":100,\"failed\":0,");
    assert_in_range(now_ms() - before, 450, 5000);
    proc_result_free(&r);
    origin_stop(o);
}

/* What loadgen uses of its processor, the gateway waits for: one read and one write a request.
 * Counted in the release program; the sanitizers want to be loaded before the counter. */
static void
test_makes_no_call_without_need(void **state)
{
    static const char *const options[] = {"--connections", "4", "--requests", "1000", NULL};
    const char *folder = getenv("BUILD") ? getenv("BUILD") : "build";
    char *program = xformat("%s/loadgen", folder);
    char *dir = gateway_dir_new();
    char *file = xformat("%s/totals", dir);
    char *preload = xformat("LD_PRELOAD=%s/count_preload.so", folder);
    char *counted = xformat("COUNT_FILE=%s", file);
    const char *const env[] = {preload, counted, NULL};
    struct origin *o = origin_start(&(struct origin_spec){0});
    struct count_totals totals = {0};
    struct bytes text;
    struct proc_result r;

    (void)state;
    if (!file_exists(program) || !file_exists(preload + strlen("LD_PRELOAD=")))
        skip();
    file_spill(file, &totals, sizeof(totals), 0600);
    r = load_with(program, env, o, options);
    assert_has(&r, "\"requests\":1000,\"failed\":0,");
    text = file_slurp(file);
    assert_int_equal(text.len, sizeof(totals));
    memcpy(&totals, text.ptr, sizeof(totals));
    assert_in_range(totals.reads, 1000, 1100);
    assert_in_range(totals.writes, 1000, 1100);
    bytes_free(&text);
    proc_result_free(&r);
    origin_stop(o);
    dir_remove(dir);
    free(dir);
    free(program);
    free(file);
    free(preload);
    free(counted);
}

static void
test_idle_connections_that_go_away_are_seen(void **state)
{
    static const struct origin_step leave[] = {
        ORIGIN_READ_REQUEST,
        ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ORIGIN_DELAY(200),
        ORIGIN_CLOSE,
    };
    static const char *const options[] = {"--idle", "--connections", "5", "--duration", "1", NULL};
    struct origin *o = origin_start(&(struct origin_spec){0});
    struct proc_result r;

    (void)state;
    origin_set_conn_steps(o, 1, leave, array_len(leave));
    origin_set_conn_steps(o, 2, leave, array_len(leave));
    r = load(o, options);
    assert_has(&r, "\"requests\":5,\"failed\":0,");
    assert_has(&r, "\"connections_open\":3,\"closed_by_peer\":2,");
    assert_non_null(strstr(r.err.ptr, "loadgen: 5 connections open"));
    proc_result_free(&r);
    origin_stop(o);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_answers_and_stops_at_the_limit),
        cmocka_unit_test(test_one_get_per_connection),
        cmocka_unit_test(test_errors_are_told_apart),
        cmocka_unit_test(test_open_loop_keeps_its_rate),
        cmocka_unit_test(test_makes_no_call_without_need),
        cmocka_unit_test(test_idle_connections_that_go_away_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
