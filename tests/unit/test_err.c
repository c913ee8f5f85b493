/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/err.h"

static void
every_code_has_a_name_a_text_and_a_class(void **state)
{
    (void)state;
    for (int n = 1; n < ERR_NUMBER_COUNT; n++) {
        assert_string_not_equal(err_name(-n), "UNKNOWN");
        assert_true(strlen(err_text(-n)) > 5);
        assert_int_not_equal(err_class(-n), ERR_CLASS_OK);
    }
}

static void
codes_map_to_their_rows(void **state)
{
    (void)state;
    assert_string_equal(err_name(GW_E_AGAIN), "AGAIN");
    assert_string_equal(err_text(GW_E_NOSPACE), "buffer full");
    assert_int_equal(err_class(GW_E_WANT_WRITE), ERR_CLASS_BLOCKED);
    assert_int_equal(err_class(GW_E_BUG), ERR_CLASS_BUG);
    assert_int_equal(err_class(0), ERR_CLASS_OK);
}

static void
any_other_int_is_unknown(void **state)
{
    static const int others[] = {1, 42, INT32_MAX, INT32_MIN, -ERR_NUMBER_COUNT, -1000};

    (void)state;
    for (size_t i = 0; i < array_len(others); i++) {
        assert_string_equal(err_text(others[i]), "unknown error");
        assert_int_equal(err_class(others[i]), ERR_CLASS_BUG);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_name_a_text_and_a_class),
        cmocka_unit_test(codes_map_to_their_rows),
        cmocka_unit_test(any_other_int_is_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
