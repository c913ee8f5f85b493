/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>

#include "http/h1_parse.h"
#include "http/reply.h"

static const int statuses[] = {400, 401, 403, 404, 405, 408, 413, 414, 417, 421,
                               431, 463, 464, 500, 501, 502, 503, 504, 505, 507};

static void
every_status_of_the_gateway_has_a_body(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(statuses); i++) {
        struct str body = reply_body(statuses[i]);
        struct str line = reply_status_line(statuses[i]);
        char want[512];
        int len;

        assert_true(line.len > 4);
        len = snprintf(want, sizeof(want),
                       "<html>\r\n<head><title>%.*s</title></head>\r\n<body>\r\n"
                       "<center><h1>%.*s</h1></center>\r\n</body>\r\n</html>\r\n",
                       STR_ARG(line), STR_ARG(line));
        assert_str_equal(body, str_make(want, (size_t)len));
        snprintf(want, sizeof(want), "%d ", statuses[i]);
        assert_true(str_starts(line, str_from(want)));
    }
}

static void
every_fault_has_a_status_with_a_body(void **state)
{
    (void)state;
    for (int fault = H1_FAULT_NONE + 1; fault < H1_FAULT_COUNT; fault++) {
        assert_true(reply_body(h1_fault_status((enum h1_fault)fault)).len > 0);
        assert_true(strlen(h1_fault_text((enum h1_fault)fault)) > 0);
    }
    assert_int_equal(h1_fault_status(H1_FAULT_NONE), 0);
    assert_int_equal(h1_fault_status(H1_FAULT_COUNT), 400);
    assert_string_equal(h1_fault_text(H1_FAULT_COUNT), "unknown fault");
}

static void
bodies_have_the_lengths_that_alb_sends(void **state)
{
    (void)state;
    assert_int_equal(reply_body(503).len, 162);
    assert_int_equal(reply_body(502).len, 122);
    assert_int_equal(reply_body(403).len, 118);
    assert_int_equal(reply_body(504).len, 132);
    assert_int_equal(reply_body(400).len, 122);
    assert_str_equal(reply_status_line(503), STR("503 Service Temporarily Unavailable"));
    assert_str_equal(reply_status_line(504), STR("504 Gateway Time-out"));
    assert_str_equal(reply_status_line(405), STR("405 Method Not Allowed"));
}

static void
other_statuses_have_none(void **state)
{
    (void)state;
    assert_int_equal(reply_body(200).len, 0);
    assert_int_equal(reply_body(-5).len, 0);
    assert_int_equal(reply_status_line(299).len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_of_the_gateway_has_a_body),
        cmocka_unit_test(every_fault_has_a_status_with_a_body),
        cmocka_unit_test(bodies_have_the_lengths_that_alb_sends),
        cmocka_unit_test(other_statuses_have_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
