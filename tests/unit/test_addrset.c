/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/limits.h"
#include "net/addrset.h"

static struct addr
address(const char *text)
{
    struct addr a = {0};

    assert_int_equal(addr_parse(str_from(text), &a), 0);
    return a;
}

static void
a_set_owns_copies_of_what_it_is_given(void **state)
{
    char name[] = "api.example.test";
    struct addr addrs[] = {address("192.0.2.1:443"), address("[2001:db8::1]:443")};
    struct addrset *s = addrset_new(name, 443, addrs, array_len(addrs));

    (void)state;
    name[0] = 'x';
    addrs[0] = addrs[1];
    assert_string_equal(s->name, "api.example.test");
    assert_int_equal(s->port, 443);
    assert_int_equal(s->count, 2);
    addrs[0] = address("192.0.2.1:443");
    assert_true(addr_eq(&s->addrs[0], &addrs[0]));
    assert_true(addr_eq(&s->addrs[1], &addrs[1]));
    addrset_unref(s);
}

static void
a_name_without_addresses_is_an_empty_set(void **state)
{
    struct addrset *a = addrset_new("a", 1, NULL, 0);
    struct addrset *b = addrset_new("b", 2, NULL, 0);

    (void)state;
    assert_int_equal(a->count, 0);
    assert_true(addrset_eq(a, b));
    addrset_unref(a);
    addrset_unref(b);
}

static void
no_more_addresses_are_kept_than_the_limit(void **state)
{
    struct addr addrs[TARGET_ADDRESSES_MAX + 5];
    struct addrset *s;

    (void)state;
    for (size_t i = 0; i < array_len(addrs); i++) {
        uint8_t ip[4] = {192, 0, 2, (uint8_t)i};

        addr_from_ip(&addrs[i], ip, sizeof(ip), 80);
    }
    s = addrset_new("many", 80, addrs, array_len(addrs));
    assert_int_equal(s->count, TARGET_ADDRESSES_MAX);
    addrset_unref(s);
}

static void
order_makes_no_difference_and_a_change_does(void **state)
{
    const struct addr one = address("192.0.2.1:443");
    const struct addr two = address("192.0.2.2:443");
    const struct addr other_port = address("192.0.2.2:444");
    struct addrset *a = addrset_new("n", 443, (struct addr[]){one, two}, 2);
    struct addrset *same = addrset_new("n", 443, (struct addr[]){two, one}, 2);
    struct addrset *fewer = addrset_new("n", 443, &one, 1);
    struct addrset *changed = addrset_new("n", 443, (struct addr[]){one, other_port}, 2);

    (void)state;
    assert_true(addrset_eq(a, same));
    assert_false(addrset_eq(a, fewer));
    assert_false(addrset_eq(fewer, a));
    assert_false(addrset_eq(a, changed));
    addrset_unref(a);
    addrset_unref(same);
    addrset_unref(fewer);
    addrset_unref(changed);
}

/* The sanitizer sees a set that is freed too early, twice or never. */
static void
a_set_lives_until_its_last_reference(void **state)
{
    struct addrset *s = addrset_new("n", 1, NULL, 0);

    (void)state;
    assert_ptr_equal(addrset_ref(s), s);
    addrset_unref(s);
    assert_string_equal(s->name, "n");
    addrset_unref(s);
    addrset_unref(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_owns_copies_of_what_it_is_given),
        cmocka_unit_test(a_name_without_addresses_is_an_empty_set),
        cmocka_unit_test(no_more_addresses_are_kept_than_the_limit),
        cmocka_unit_test(order_makes_no_difference_and_a_change_does),
        cmocka_unit_test(a_set_lives_until_its_last_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
