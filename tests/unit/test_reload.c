/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of a reload, with hooks that only write down what was asked of them.
 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "ctl/reload.h"

#define WORKERS 2

struct world {
    struct loop *loop;
    struct loop_timer guard;
    struct reload reload;
    char calls[256]; /* b build, r resolve, u unresolved, c commit, a abandon, s swept, d done */
    int errors;      /* the next build says so many */
    int warnings;
    bool answers_names;
    bool sweeps;
    uint64_t committed;
    struct reload_outcome outcome;
    char text[4096]; /* of the outcome */
    char log[8192];
    int dones;
    int stop_after;
    int requests_during_build;
};

static void
note(struct world *w, char call)
{
    size_t len = strlen(w->calls);

    if (len + 1 < sizeof(w->calls))
        w->calls[len] = call;
}

static int
on_build(void *arg, struct diag *diag)
{
    struct world *w = arg;

    note(w, 'b');
    for (int i = 0; i < w->requests_during_build; i++)
        (void)reload_request(&w->reload);
    w->requests_during_build = 0;
    for (int i = 0; i < w->warnings; i++)
        diag_warn(diag, "f.yaml", 9, 1, "warning %d", i);
    for (int i = 0; i < w->errors; i++)
        diag_error(diag, "f.yaml", i + 1, 3, "error %d", i);
    return w->errors > 0 ? GW_E_CONFIG : 0;
}

static void
on_resolve(void *arg, uint64_t round)
{
    struct world *w = arg;

    note(w, 'r');
    if (w->answers_names)
        reload_resolved(&w->reload, round);
}

static void
on_unresolved(void *arg)
{
    note(arg, 'u');
}

static void
sweep(struct world *w, unsigned worker, uint64_t judged, uint64_t closed)
{
    const struct worker_sweep_report report = {
        .worker = worker, .generation = w->committed, .judged = judged, .closed = closed};

    reload_swept(&w->reload, &report);
}

static void
on_commit(void *arg, uint64_t generation)
{
    struct world *w = arg;

    note(w, 'c');
    w->committed = generation;
    for (unsigned i = 0; w->sweeps && i < WORKERS; i++)
        sweep(w, i, 10, i);
}

static void
on_abandon(void *arg)
{
    note(arg, 'a');
}

static void
on_swept(void *arg, uint64_t generation)
{
    struct world *w = arg;

    note(w, 's');
    assert_int_equal(generation, w->committed);
}

static void
on_done(void *arg, const struct reload_outcome *outcome)
{
    struct world *w = arg;

    note(w, 'd');
    w->outcome = *outcome;
    (void)snprintf(w->text, sizeof(w->text), "%s", outcome->text);
    if (++w->dones == w->stop_after)
        loop_stop(w->loop);
}

static void
on_guard(void *arg)
{
    loop_stop(arg);
}

static void
on_log(void *arg, const char *line, size_t len)
{
    struct world *w = arg;
    size_t used = strlen(w->log);

    if (used + len < sizeof(w->log))
        memcpy(w->log + used, line, len);
}

static int
setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    const struct reload_hooks hooks = {.build = on_build,
                                       .resolve = on_resolve,
                                       .unresolved = on_unresolved,
                                       .commit = on_commit,
                                       .abandon = on_abandon,
                                       .swept = on_swept,
                                       .done = on_done,
                                       .arg = w};

    assert_non_null(w);
    w->loop = loop_new();
    w->answers_names = true;
    w->sweeps = true;
    w->stop_after = 1;
    log_set_sink(on_log, w);
    loop_timer_init(w->loop, &w->guard, on_guard, w->loop);
    reload_init(&w->reload, w->loop, WORKERS, &hooks);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    log_set_sink(NULL, NULL);
    reload_done(&w->reload);
    loop_timer_done(&w->guard);
    loop_free(w->loop);
    free(w);
    return 0;
}

static void
run_for(struct world *w, int ms)
{
    loop_timer_set(&w->guard, loop_now_fresh(w->loop)->mono_ms + ms);
    loop_run(w->loop);
}

static void
a_good_reload_goes_through_every_step(void **state)
{
    struct world *w = *state;

    assert_int_equal(reload_request(&w->reload), 1);
    run_for(w, 2000);
    assert_string_equal(w->calls, "brcsd");
    assert_true(w->outcome.is_loaded);
    assert_int_equal(w->outcome.number, 1);
    assert_int_equal(w->outcome.generation, 1);
    assert_int_equal(w->outcome.judged, 20);
    assert_int_equal(w->outcome.closed, 1);
    assert_non_null(strstr(w->text, "generation 1 in use"));
    assert_non_null(strstr(w->log, "20 connections judged again, 1 closed"));
}

static void
a_refused_reload_keeps_the_generation(void **state)
{
    struct world *w = *state;

    (void)reload_request(&w->reload);
    run_for(w, 2000);
    w->calls[0] = '\0';
    memset(w->calls, 0, sizeof(w->calls));
    w->errors = 2;
    w->dones = 0;
    (void)reload_request(&w->reload);
    run_for(w, 2000);
    assert_string_equal(w->calls, "bd");
    assert_false(w->outcome.is_loaded);
    assert_int_equal(w->outcome.generation, 1);
    assert_int_equal(w->committed, 1);
    assert_int_equal(w->outcome.error_count, 2);
}

static void
a_refusal_says_every_error_and_sums_up(void **state)
{
    struct world *w = *state;

    w->errors = 3;
    (void)reload_request(&w->reload);
    run_for(w, 2000);
    assert_non_null(strstr(w->text, "f.yaml:1:3: error 0\n"));
    assert_non_null(strstr(w->text, "f.yaml:3:3: error 2\n"));
    assert_non_null(strstr(w->text, "reload refused: 3 errors, generation 0 stays\n"));
    assert_non_null(strstr(w->log, "error reload: f.yaml:2:3: error 1\n"));
    assert_non_null(strstr(w->log, "error reload: reload refused: 3 errors, generation 0 stays"));
    assert_int_equal(w->reload.refused_count, 1);
}

static void
warnings_are_said_and_do_not_refuse(void **state)
{
    struct world *w = *state;

    w->warnings = 1;
    (void)reload_request(&w->reload);
    run_for(w, 2000);
    assert_true(w->outcome.is_loaded);
    assert_non_null(strstr(w->log, "warning 0"));
}

static void
a_burst_of_requests_is_one_reload(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 1000; i++)
        (void)reload_request(&w->reload);
    run_for(w, 200);
    assert_string_equal(w->calls, "brcsd");
    assert_int_equal(w->outcome.number, 1000);
}

static void
requests_during_a_reload_make_exactly_one_more(void **state)
{
    struct world *w = *state;

    w->requests_during_build = 50;
    w->stop_after = 0;
    (void)reload_request(&w->reload);
    run_for(w, 200);
    assert_string_equal(w->calls, "brcsdbrcsd");
    assert_int_equal(w->outcome.number, 51);
    assert_int_equal(w->outcome.generation, 2);
}

static void
a_request_while_sweeping_waits_for_the_sweep(void **state)
{
    struct world *w = *state;

    w->sweeps = false;
    (void)reload_request(&w->reload);
    run_for(w, 50);
    (void)reload_request(&w->reload);
    run_for(w, 50);
    assert_string_equal(w->calls, "brc");
    w->sweeps = true;
    w->stop_after = 2;
    sweep(w, 0, 0, 0);
    sweep(w, 1, 0, 0);
    run_for(w, 2000);
    assert_string_equal(w->calls, "brcsdbrcsd");
}

static void
reports_of_an_older_generation_do_not_count(void **state)
{
    struct world *w = *state;

    w->sweeps = false;
    (void)reload_request(&w->reload);
    run_for(w, 50);
    sweep(w, 0, 1, 1);
    w->committed--;
    sweep(w, 1, 1, 1);
    assert_int_equal(w->dones, 0);
    w->committed++;
    sweep(w, 1, 1, 1);
    assert_int_equal(w->dones, 1);
}

static void
a_name_server_that_is_silent_delays_and_does_not_stop_it(void **state)
{
    struct world *w = *state;

    w->answers_names = false;
    (void)reload_request(&w->reload);
    run_for(w, RESOLVE_FIRST_WAIT_MS / 2);
    assert_string_equal(w->calls, "br");
    run_for(w, RESOLVE_FIRST_WAIT_MS);
    assert_string_equal(w->calls, "brucsd");
    assert_true(w->outcome.is_loaded);
}

static void
an_answer_of_another_round_does_not_commit(void **state)
{
    struct world *w = *state;

    w->answers_names = false;
    (void)reload_request(&w->reload);
    run_for(w, 50);
    reload_resolved(&w->reload, 99);
    assert_string_equal(w->calls, "br");
    reload_resolved(&w->reload, 1);
    assert_string_equal(w->calls, "brcsd");
}

static void
the_first_generation_is_not_built_again(void **state)
{
    struct world *w = *state;

    w->stop_after = 0;
    reload_first(&w->reload);
    run_for(w, 50);
    assert_string_equal(w->calls, "rcsd");
    assert_int_equal(w->outcome.generation, 1);
}

static void
cancel_abandons_what_is_not_committed(void **state)
{
    struct world *w = *state;

    w->answers_names = false;
    (void)reload_request(&w->reload);
    run_for(w, 50);
    (void)reload_request(&w->reload);
    reload_cancel(&w->reload);
    run_for(w, 100);
    assert_string_equal(w->calls, "bra");
}

#define world_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(a_good_reload_goes_through_every_step),
        world_test(a_refused_reload_keeps_the_generation),
        world_test(a_refusal_says_every_error_and_sums_up),
        world_test(warnings_are_said_and_do_not_refuse),
        world_test(a_burst_of_requests_is_one_reload),
        world_test(requests_during_a_reload_make_exactly_one_more),
        world_test(a_request_while_sweeping_waits_for_the_sweep),
        world_test(reports_of_an_older_generation_do_not_count),
        world_test(a_name_server_that_is_silent_delays_and_does_not_stop_it),
        world_test(an_answer_of_another_round_does_not_commit),
        world_test(the_first_generation_is_not_built_again),
        world_test(cancel_abandons_what_is_not_committed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
