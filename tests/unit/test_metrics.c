/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "obs/metrics.h"

/* malloc; free() it. */
static char *
render(const struct metrics *m)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    metrics_render(m, out);
    fclose(out);
    return text;
}

static void
assert_line(const char *text, const char *line)
{
    char with_ends[256];

    snprintf(with_ends, sizeof(with_ends), "\n%s\n", line);
    if (strstr(text, with_ends) == NULL)
        fail_msg("no line \"%s\"", line);
}

static void
blocks_are_summed(void **state)
{
    struct metrics *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
    struct metrics *sum = malloc(sizeof(*sum));
    struct metrics *const blocks[] = {a, b};

    (void)state;
    memset(sum, 0xff, sizeof(*sum));
    metrics_add(a, METRIC_REQUESTS, 2);
    metrics_add(b, METRIC_REQUESTS, 40);
    metrics_add(a, METRIC_CONNECTIONS_ACTIVE, 5);
    metrics_sub(b, METRIC_CONNECTIONS_ACTIVE, 2);
    metrics_refused(a, REASON_CRL_HIT);
    metrics_refused(b, REASON_CRL_HIT);
    metrics_would_refuse(b, REASON_EXPIRED);
    metrics_response(a, 200);
    metrics_response(b, 299);
    metrics_sum(blocks, 2, sum);
    assert_int_equal(sum->values[METRIC_REQUESTS], 42);
    assert_int_equal(sum->values[METRIC_CONNECTIONS_ACTIVE], 3);
    assert_int_equal(sum->refused[REASON_CRL_HIT], 2);
    assert_int_equal(sum->would_refuse[REASON_EXPIRED], 1);
    assert_int_equal(sum->responses[2], 2);
    assert_int_equal(sum->values[METRIC_SWEPT], 0);
    free(a);
    free(b);
    free(sum);
}

static void
responses_are_counted_by_class(void **state)
{
    static const struct {
        int status;
        size_t class;
    } cases[] = {{100, 1}, {200, 2}, {302, 3}, {460, 4}, {503, 5},
                 {0, 0},   {99, 0},  {600, 0}, {-5, 0},  {999, 0}};

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct metrics m = {0};

        metrics_response(&m, cases[i].status);
        assert_int_equal(m.responses[cases[i].class], 1);
    }
}

static void
rendered_text_names_type_and_value(void **state)
{
    struct metrics m = {0};
    char *text;

    (void)state;
    metrics_add(&m, METRIC_CONNECTIONS_ACCEPTED, 7);
    metrics_sub(&m, METRIC_REQUESTS_ACTIVE, 1);
    metrics_refused(&m, REASON_MISSING);
    metrics_would_refuse(&m, REASON_UNTRUSTED);
    metrics_response(&m, 503);
    metrics_response(&m, 0);
    text = render(&m);
    assert_true(str_starts(str_from(text), STR("# HELP sallyport_connections_accepted_total "
                                               "Connections accepted\n")));
    assert_line(text, "# TYPE sallyport_connections_accepted_total counter");
    assert_line(text, "sallyport_connections_accepted_total 7");
    assert_line(text, "# TYPE sallyport_requests_active gauge");
    assert_line(text, "sallyport_requests_active -1");
    assert_line(text, "# TYPE sallyport_connections_refused_total counter");
    assert_line(text, "sallyport_connections_refused_total{reason=\"ClientCertMissing\"} 1");
    assert_line(text, "sallyport_connections_refused_total{reason=\"CrlExpired\"} 0");
    assert_line(text, "sallyport_connections_would_refuse_total{reason=\"ClientCertUntrusted\"} 1");
    assert_line(text, "sallyport_responses_total{class=\"5xx\"} 1");
    assert_line(text, "sallyport_responses_total{class=\"none\"} 1");
    assert_line(text, "sallyport_responses_total{class=\"2xx\"} 0");
    assert_null(strstr(text, "reason=\"-\""));
    free(text);
}

/* The text format: one HELP and one TYPE per name, before its samples; names of ours. */
static void
rendered_text_is_well_formed(void **state)
{
    struct metrics m = {0};
    char *text = render(&m);
    struct str rest = str_from(text), line;
    char name[128] = "";
    bool done = false;
    int step = 2; /* 0: HELP read, 1: TYPE read, 2: sample read */

    (void)state;
    while (str_split_next(&rest, '\n', &done, &line) && !done) {
        if (str_starts(line, STR("# HELP sallyport_"))) {
            assert_int_equal(step, 2);
            assert_int_equal(sscanf(line.ptr, "# HELP %127s", name), 1);
            assert_true(line.len > strlen(name) + 10);
            step = 0;
        } else if (str_starts(line, STR("# TYPE "))) {
            assert_int_equal(step, 0);
            assert_true(str_starts(str_sub(line, 7, line.len), str_from(name)));
            step = 1;
        } else {
            assert_true(step >= 1);
            assert_true(str_starts(line, str_from(name)));
            assert_non_null(strchr("{ ", line.ptr[strlen(name)]));
            step = 2;
        }
    }
    assert_int_equal(step, 2);
    free(text);
}

static void
every_counter_ends_in_total(void **state)
{
    static const struct {
        const char *type, *name;
    } rows[] = {
#define X(name, type, prometheus, help) {#type, prometheus},
#include "obs/metrics.def"
#undef X
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        bool is_counter = strcmp(rows[i].type, "counter") == 0;

        assert_true(is_counter || strcmp(rows[i].type, "gauge") == 0);
        assert_int_equal(str_ends(str_from(rows[i].name), STR("_total")), is_counter);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(rows[i].name, rows[j].name);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_summed),
        cmocka_unit_test(responses_are_counted_by_class),
        cmocka_unit_test(rendered_text_names_type_and_value),
        cmocka_unit_test(rendered_text_is_well_formed),
        cmocka_unit_test(every_counter_ends_in_total),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
