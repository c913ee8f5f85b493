/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>

#include "base/map.h"

#define MANY 2000

static char names[MANY][8];
static int values[MANY];

static struct str
name_of(size_t i)
{
    snprintf(names[i], sizeof(names[i]), "k%zu", i);
    return str_from(names[i]);
}

static void
siphash_gives_the_vectors_of_its_paper(void **state)
{
    /* Key 00..0f, message 00 01 02 ... of the given length. */
    static const struct {
        size_t len;
        uint64_t hash;
    } table[] = {
        {0, 0x726fdb47dd0e0e31u},
        {1, 0x74f839c593dc67fdu},
        {8, 0x93f5f5799a932462u},
        {15, 0xa129ca6149be45e5u},
    };
    const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    uint8_t message[16];

    (void)state;
    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (uint8_t)i;
    for (size_t i = 0; i < array_len(table); i++)
        assert_true(siphash24(key, message, table[i].len) == table[i].hash);
}

static void
an_empty_map_has_nothing(void **state)
{
    struct map m;
    struct str key;
    void *value;
    size_t cursor = 0;

    (void)state;
    map_init(&m, 10);
    assert_null(map_get(&m, STR("a")));
    assert_null(map_remove(&m, STR("a")));
    assert_false(map_next(&m, &cursor, &key, &value));
    map_done(&m);
}

static void
many_keys_are_found_and_others_not(void **state)
{
    struct map m;

    (void)state;
    map_init(&m, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(map_put(&m, name_of(i), &values[i]), 0);
    assert_int_equal(m.count, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(map_get(&m, name_of(i)), &values[i]);
    assert_null(map_get(&m, STR("k")));
    assert_null(map_get(&m, STR("k00")));
    assert_null(map_get(&m, (struct str){0}));
    map_done(&m);
}

static void
an_equal_key_replaces_value_and_key(void **state)
{
    struct map m;
    struct str key;
    void *value;
    size_t cursor = 0;
    char other[] = "a";

    (void)state;
    map_init(&m, 1);
    assert_int_equal(map_put(&m, STR("a"), &values[0]), 0);
    assert_int_equal(map_put(&m, str_from(other), &values[1]), 0);
    assert_int_equal(m.count, 1);
    assert_true(map_next(&m, &cursor, &key, &value));
    assert_ptr_equal(key.ptr, other);
    assert_ptr_equal(value, &values[1]);
    assert_false(map_next(&m, &cursor, &key, &value));
    map_done(&m);
}

static void
the_cap_refuses_new_keys_only(void **state)
{
    struct map m;

    (void)state;
    map_init(&m, 2);
    assert_int_equal(map_put(&m, STR("a"), &values[0]), 0);
    assert_int_equal(map_put(&m, STR("b"), &values[0]), 0);
    assert_int_equal(map_put(&m, STR("c"), &values[0]), GW_E_LIMIT);
    assert_int_equal(map_put(&m, STR("a"), &values[1]), 0);
    assert_ptr_equal(map_remove(&m, STR("b")), &values[0]);
    assert_int_equal(map_put(&m, STR("c"), &values[0]), 0);
    map_done(&m);
}

static void
the_empty_key_is_a_key(void **state)
{
    struct map m;

    (void)state;
    map_init(&m, 2);
    assert_int_equal(map_put(&m, (struct str){0}, &values[3]), 0);
    assert_ptr_equal(map_get(&m, STR("")), &values[3]);
    assert_ptr_equal(map_remove(&m, STR("")), &values[3]);
    assert_null(map_get(&m, STR("")));
    map_done(&m);
}

static void
removals_lose_no_other_key(void **state)
{
    struct map m;

    (void)state;
    map_init(&m, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(map_put(&m, name_of(i), &values[i]), 0);
    for (size_t i = 0; i < MANY; i += 3)
        assert_ptr_equal(map_remove(&m, name_of(i)), &values[i]);
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(map_get(&m, name_of(i)), i % 3 == 0 ? NULL : &values[i]);
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(map_remove(&m, name_of(i)), i % 3 == 0 ? NULL : &values[i]);
    assert_int_equal(m.count, 0);
    map_done(&m);
}

static void
a_walk_sees_every_pair_once(void **state)
{
    struct map m;
    struct str key;
    void *value;
    size_t cursor = 0;
    size_t seen = 0;

    (void)state;
    memset(values, 0, sizeof(values));
    map_init(&m, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(map_put(&m, name_of(i), &values[i]), 0);
    while (map_next(&m, &cursor, &key, &value)) {
        assert_int_equal((*(int *)value)++, 0);
        seen++;
    }
    assert_int_equal(seen, MANY);
    map_done(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_gives_the_vectors_of_its_paper),
        cmocka_unit_test(an_empty_map_has_nothing),
        cmocka_unit_test(many_keys_are_found_and_others_not),
        cmocka_unit_test(an_equal_key_replaces_value_and_key),
        cmocka_unit_test(the_cap_refuses_new_keys_only),
        cmocka_unit_test(the_empty_key_is_a_key),
        cmocka_unit_test(removals_lose_no_other_key),
        cmocka_unit_test(a_walk_sees_every_pair_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
