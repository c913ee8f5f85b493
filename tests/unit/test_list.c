/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/list.h"

struct item {
    int number;
    struct list node;
};

static int
number_of(const struct list *node)
{
    return container_of(node, struct item, node)->number;
}

static void
items_come_in_the_order_they_were_linked(void **state)
{
    struct item items[] = {{.number = 1}, {.number = 2}, {.number = 3}};
    struct list head;
    int want = 1;

    (void)state;
    list_init(&head);
    assert_true(list_is_empty(&head));
    list_push_tail(&head, &items[1].node);
    list_push_tail(&head, &items[2].node);
    list_push_head(&head, &items[0].node);
    list_for_each (node, &head)
        assert_int_equal(number_of(node), want++);
    assert_int_equal(want, 4);
    assert_int_equal(number_of(list_pop_head(&head)), 1);
    assert_false(list_is_linked(&items[0].node));
}

static void
a_removed_item_is_unlinked_and_may_be_removed_again(void **state)
{
    struct item item = {.number = 1};
    struct list head;

    (void)state;
    list_init(&head);
    assert_null(list_pop_head(&head));
    list_push_tail(&head, &item.node);
    assert_true(list_is_linked(&item.node));
    list_remove(&item.node);
    list_remove(&item.node);
    assert_false(list_is_linked(&item.node));
    assert_true(list_is_empty(&head));
}

static void
items_may_be_removed_while_walking(void **state)
{
    struct item items[5] = {0};
    struct list head;

    (void)state;
    list_init(&head);
    for (size_t i = 0; i < array_len(items); i++)
        list_push_tail(&head, &items[i].node);
    list_for_each_safe (node, &head)
        list_remove(node);
    assert_true(list_is_empty(&head));
}

static void
one_list_is_put_behind_another(void **state)
{
    struct item items[4] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    struct list a, b;
    int want = 1;

    (void)state;
    list_init(&a);
    list_init(&b);
    list_append(&a, &b);
    assert_true(list_is_empty(&a));
    list_push_tail(&b, &items[0].node);
    list_push_tail(&b, &items[1].node);
    list_append(&a, &b);
    assert_true(list_is_empty(&b));
    list_append(&a, &b);
    list_push_tail(&b, &items[2].node);
    list_append(&a, &b);
    list_push_tail(&a, &items[3].node);
    list_for_each (node, &a)
        assert_int_equal(number_of(node), want++);
    assert_int_equal(want, 5);
    while (want > 1) {
        assert_int_equal(number_of(a.prev), --want);
        list_remove(a.prev);
    }
    assert_true(list_is_empty(&a));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_in_the_order_they_were_linked),
        cmocka_unit_test(a_removed_item_is_unlinked_and_may_be_removed_again),
        cmocka_unit_test(items_may_be_removed_while_walking),
        cmocka_unit_test(one_list_is_put_behind_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
