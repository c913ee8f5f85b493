/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory of list numbers: what is written is read back, what is damaged is refused.
 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/liststate.h"
#include "support/pki.h"

static struct trust_floor rows[] = {
    {.store = "partners",
     .issuer = {1, 2},
     .list = {3},
     .number_hex = "05",
     .this_update_s = 1700000000},
    {.store = "bank",
     .issuer = {1, 2},
     .scope = {9},
     .list = {4},
     .number_hex = "0123456789ABCDEF0123456789ABCDEF01234567",
     .this_update_s = 0},
};

static void
what_is_written_is_read_back(void **state)
{
    struct liststate s = {.floors = rows, .count = array_len(rows)}, back = {0};
    char *text = liststate_format(&s);
    struct diag diag;

    (void)state;
    diag_init(&diag);
    assert_int_equal(liststate_parse(&back, str_from(text), &diag), 0);
    assert_int_equal(back.count, array_len(rows));
    for (size_t i = 0; i < array_len(rows); i++) {
        assert_string_equal(back.floors[i].store, rows[i].store);
        assert_memory_equal(back.floors[i].issuer, rows[i].issuer, 32);
        assert_memory_equal(back.floors[i].scope, rows[i].scope, 32);
        assert_memory_equal(back.floors[i].list, rows[i].list, 32);
        assert_string_equal(back.floors[i].number_hex, rows[i].number_hex);
        assert_int_equal(back.floors[i].this_update_s, rows[i].this_update_s);
    }
    assert_int_equal(diag.count, 0);
    liststate_done(&back);
    free(text);
    diag_done(&diag);
}

static void
expect_refused(const char *text, size_t len)
{
    struct liststate back = {0};
    struct diag diag;

    diag_init(&diag);
    if (liststate_parse(&back, str_make(text, len), &diag) != GW_E_CONFIG)
        fail_msg("accepted: %.*s", (int)len, text);
    assert_int_equal(diag.error_count, 1);
    assert_int_equal(back.count, 0);
    diag_done(&diag);
}

static void
every_cut_and_every_flipped_bit_is_refused(void **state)
{
    struct liststate s = {.floors = rows, .count = array_len(rows)};
    char *text = liststate_format(&s);
    size_t len = strlen(text);

    (void)state;
    for (size_t i = 0; i < len; i++)
        expect_refused(text, i);
    for (size_t i = 0; i < 8 * len; i++) {
        text[i / 8] = (char)(text[i / 8] ^ (1 << i % 8));
        expect_refused(text, len);
        text[i / 8] = (char)(text[i / 8] ^ (1 << i % 8));
    }
    free(text);
}

/* Lines that are wrong under a digest that is right: written by another program. */
static void
lines_of_another_form_are_refused(void **state)
{
    static const char *const numbers[] = {"", "5", "0g", "0a", "0", "00000"};
    struct trust_floor floor = rows[0];
    struct liststate s = {.floors = &floor, .count = 1};
    char *text;

    (void)state;
    for (size_t i = 0; i < array_len(numbers); i++) {
        memset(floor.number_hex, 0, sizeof(floor.number_hex));
        memcpy(floor.number_hex, numbers[i], strlen(numbers[i]));
        text = liststate_format(&s);
        expect_refused(text, strlen(text));
        free(text);
    }
    floor = rows[0];
    floor.store = "two words";
    text = liststate_format(&s);
    expect_refused(text, strlen(text));
    free(text);
}

static void
a_missing_file_is_empty_and_a_damaged_one_stops_the_start(void **state)
{
    char *dir = unit_tmp_new();
    char *path = unit_path(dir, "list-numbers");
    struct liststate s = {0};
    struct diag diag;

    (void)state;
    diag_init(&diag);
    assert_int_equal(liststate_load(&s, dir, &diag), 0);
    assert_int_equal(s.count, 0);
    assert_int_equal(liststate_save(&s), 0);
    liststate_done(&s);
    assert_int_equal(liststate_load(&s, dir, &diag), 0);
    liststate_done(&s);
    file_spill(path, "sallyport list numbers 1\n", 25, 0600);
    assert_int_equal(liststate_load(&s, dir, &diag), GW_E_CONFIG);
    assert_non_null(strstr(diag.entries[0].text, "remove the file"));
    liststate_done(&s);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(liststate_load(&s, dir, &diag), GW_E_CONFIG);
    liststate_done(&s);
    rmdir(path);
    diag_done(&diag);
    unit_tmp_done(dir);
    free(path);
}

/* Two lists of one store, then newer ones. */
static void
lists_in_use_are_taken_and_replaced(void **state)
{
    char *dir = unit_tmp_new(), *bundle = unit_path(dir, "ca.pem"), *list = unit_path(dir, "a.crl");
    struct pki_cert *root = pki_root("Test Root");
    struct trust_source src = {.name = "partners",
                               .ca_bundle = bundle,
                               .crl_paths = (const char *const *)&list,
                               .crl_path_count = 1,
                               .max_chain_depth = 4};
    struct liststate s = {0};
    struct diag diag;

    (void)state;
    diag_init(&diag);
    pki_write_certs(bundle, root, NULL);
    for (uint64_t number = 1; number <= 3; number++) {
        struct trust *t = NULL;

        pki_crl_revoke(list, root, number, NULL);
        assert_int_equal(trust_build(&src, NULL, wall_s(), &diag, &t), 0);
        assert_true(liststate_take(&s, t));
        assert_false(liststate_take(&s, t));
        assert_int_equal(s.count, 1);
        assert_int_equal(s.floors[0].number_hex[1], '0' + (int)number);
        trust_unref(t);
    }
    liststate_done(&s);
    pki_free(root);
    diag_done(&diag);
    unit_tmp_done(dir);
    free(bundle);
    free(list);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(every_cut_and_every_flipped_bit_is_refused),
        cmocka_unit_test(lines_of_another_form_are_refused),
        cmocka_unit_test(a_missing_file_is_empty_and_a_damaged_one_stops_the_start),
        cmocka_unit_test(lists_in_use_are_taken_and_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
