/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"

static void
random_bytes_fill_all_and_differ(void **state)
{
    uint8_t a[1000] = {0};
    uint8_t b[1000] = {0};
    unsigned zeroes = 0;

    (void)state;
    secret_random(a, sizeof(a));
    secret_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    for (size_t i = 0; i < sizeof(a); i++)
        zeroes += a[i] == 0;
    assert_true(zeroes < 50);
    secret_random(a, 0);
}

static void
memory_comes_zeroed(void **state)
{
    uint8_t *p = secret_alloc(5000);

    (void)state;
    assert_non_null(p);
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(p[i], 0);
    memset(p, 0xaa, 5000);
    secret_free(p, 5000);
    secret_free(NULL, 10);
    assert_null(secret_alloc(0));
    assert_null(secret_alloc(SIZE_MAX));
}

static void
memory_is_kept_out_of_core_dumps(void **state)
{
    void *p = secret_alloc(4096);
    char want[32];
    char line[512];
    bool is_found = false;
    FILE *smaps = fopen("/proc/self/smaps", "r");

    (void)state;
    assert_non_null(smaps);
    snprintf(want, sizeof(want), "%lx-", (unsigned long)(uintptr_t)p);
    while (fgets(line, sizeof(line), smaps) != NULL) {
        if (strncmp(line, want, strlen(want)) == 0)
            is_found = true;
        if (is_found && strncmp(line, "VmFlags:", 8) == 0) {
            assert_non_null(strstr(line, " dd"));
            break;
        }
    }
    fclose(smaps);
    assert_true(is_found);
    secret_free(p, 4096);
}

static void
wiped_memory_is_zero(void **state)
{
    char secret[] = "hunter2";

    (void)state;
    secret_wipe(secret, sizeof(secret));
    for (size_t i = 0; i < sizeof(secret); i++)
        assert_int_equal(secret[i], 0);
    secret_wipe(NULL, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bytes_fill_all_and_differ),
        cmocka_unit_test(memory_comes_zeroed),
        cmocka_unit_test(memory_is_kept_out_of_core_dumps),
        cmocka_unit_test(wiped_memory_is_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
