/* SPDX-License-Identifier: Apache-2.0
 *
 * When a list counts as old, and when as expired. What is said about it, and that it is said
 * once, is in tests/scenario/65_supply.c.
 */
#include "support/unit.h"

#include "ctl/listage.h"

struct row {
    const char *name;
    int64_t this_s, next_s, now_s;
    enum listage_stage stage;
    int64_t goes_on_s;
};

static const struct row rows[] = {
    {"new", 1000, 2000, 1000, LISTAGE_FRESH, 1750},
    {"dated ahead", 1000, 2000, 0, LISTAGE_FRESH, 1750},
    {"before three quarters", 1000, 2000, 1749, LISTAGE_FRESH, 1750},
    {"three quarters", 1000, 2000, 1750, LISTAGE_OLD, 2001},
    {"its last second", 1000, 2000, 2000, LISTAGE_OLD, 2001},
    {"a second late", 1000, 2000, 2001, LISTAGE_EXPIRED, INT64_MAX},
    {"without an end", 1000, INT64_MAX, 1 << 30, LISTAGE_FRESH, INT64_MAX},
    {"valid for a second", 1000, 1001, 1000, LISTAGE_OLD, 1002},
    {"until the year 9999", 0, 253402300799, 1, LISTAGE_FRESH, 190051725599},
};

static void
a_list_is_old_after_three_quarters_and_expired_after_its_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        const struct row *r = &rows[i];
        const struct crl_info info = {.this_update_s = r->this_s, .next_update_s = r->next_s};
        int64_t goes_on_s = -1;
        enum listage_stage stage = listage_of(&info, r->now_s, &goes_on_s);

        if (stage != r->stage || goes_on_s != r->goes_on_s)
            fail_msg("%s: stage %d, goes on at %lld", r->name, stage, (long long)goes_on_s);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_old_after_three_quarters_and_expired_after_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
