/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy/sources: whose connections count together, and up to where.
 */
#include "support/unit.h"

#include <stdlib.h>

#include "proxy/sources.h"

static struct sources *
table(uint8_t seed)
{
    struct sources *s = malloc(sizeof(*s));
    uint8_t random[16] = {seed, 1, 2, 3};

    sources_init(s, random);
    return s;
}

static uint16_t
slot_of(const struct sources *s, const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(str_from(text), &a), 0);
    return sources_slot(s, &a);
}

static void
a_source_has_its_share_and_no_more(void **state)
{
    struct sources *s = table(7);
    uint16_t one = slot_of(s, "192.0.2.1:1");
    uint16_t two = slot_of(s, "192.0.2.2:1");

    (void)state;
    assert_int_not_equal(one, two);
    for (int i = 0; i < WORKER_HANDSHAKES_PER_SOURCE; i++) {
        assert_false(sources_is_full(s, one));
        sources_enter(s, one);
    }
    assert_true(sources_is_full(s, one));
    assert_false(sources_is_full(s, two));
    sources_leave(s, one);
    assert_false(sources_is_full(s, one));
    free(s);
}

static void
a_source_is_an_address_or_a_network_of_ipv6(void **state)
{
    struct sources *s = table(7);

    (void)state;
    assert_int_equal(slot_of(s, "192.0.2.1:1"), slot_of(s, "192.0.2.1:2"));
    assert_int_equal(slot_of(s, "192.0.2.1:1"), slot_of(s, "[::ffff:192.0.2.1]:1"));
    assert_int_equal(slot_of(s, "[2001:db8:1:2::1]:1"), slot_of(s, "[2001:db8:1:2:ffff::9]:1"));
    assert_int_not_equal(slot_of(s, "[2001:db8:1:2::1]:1"), slot_of(s, "[2001:db8:1:3::1]:1"));
    free(s);
}

static void
who_shares_a_count_is_nobodys_choice(void **state)
{
    struct sources *a = table(1), *b = table(2);
    int same = 0;

    (void)state;
    for (int i = 1; i < 255; i++) {
        struct addr from;
        uint8_t ip[4] = {198, 51, 100, (uint8_t)i};

        addr_from_ip(&from, ip, sizeof(ip), 1);
        same += sources_slot(a, &from) == sources_slot(b, &from);
    }
    assert_true(same < 10);
    free(a);
    free(b);
}

static void
what_has_no_address_is_not_counted(void **state)
{
    struct sources *s = table(7);
    const struct addr none = {.len = 0};

    (void)state;
    assert_int_equal(sources_slot(s, &none), SOURCES_NONE);
    assert_false(sources_is_full(s, SOURCES_NONE));
    sources_enter(s, SOURCES_NONE);
    sources_leave(s, SOURCES_NONE);
    free(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_has_its_share_and_no_more),
        cmocka_unit_test(a_source_is_an_address_or_a_network_of_ipv6),
        cmocka_unit_test(who_shares_a_count_is_nobodys_choice),
        cmocka_unit_test(what_has_no_address_is_not_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
