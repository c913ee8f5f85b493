/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "policy/route.h"

static const struct str widgets[] = {STR_INIT("/widgets*")};
static const struct str slash[] = {STR_INIT("/*")};

static const struct rule rules[] = {
    {.priority = 10, .when.path = {widgets, 1}},
    {.priority = 20, .when.path = {widgets, 1}},
    {.priority = 30, .when.path = {slash, 1}},
};
static const struct route_table table = {rules, 3, {.action = {.kind = ACTION_FIXED_RESPONSE}}};

static int
priority_for(const struct route_table *t, const char *path, const struct rule_trace *trace)
{
    struct http_req req = {.route_path = str_from(path)};
    struct rule_input in = {.req = &req};
    const struct rule *rule = route_match(t, &in, trace);

    assert_non_null(rule);
    return rule->priority;
}

static void
first_matching_rule_wins(void **state)
{
    (void)state;
    assert_int_equal(priority_for(&table, "/widgets/7", NULL), 10);
    assert_int_equal(priority_for(&table, "/other", NULL), 30);
}

static void
default_rule_is_the_answer_when_none_matches(void **state)
{
    static const struct route_table empty = {.default_rule = {.action = {.kind = ACTION_DENY}}};
    struct http_req req = {.route_path = STR("*")};
    struct rule_input in = {.req = &req};

    (void)state;
    assert_ptr_equal(route_match(&table, &in, NULL), &table.default_rule);
    assert_int_equal(priority_for(&empty, "/", NULL), 0);
}

static void
count_steps(void *arg, const struct rule *rule, const char *condition, bool matched)
{
    int *priorities = arg;

    (void)condition;
    (void)matched;
    *priorities = *priorities * 100 + rule->priority;
}

static void
trace_reaches_every_rule_looked_at(void **state)
{
    int priorities = 0;
    const struct rule_trace trace = {count_steps, &priorities};

    (void)state;
    assert_int_equal(priority_for(&table, "/other", &trace), 30);
    assert_int_equal(priorities, 102030);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_matching_rule_wins),
        cmocka_unit_test(default_rule_is_the_answer_when_none_matches),
        cmocka_unit_test(trace_reaches_every_rule_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
