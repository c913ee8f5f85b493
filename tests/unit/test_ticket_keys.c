/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/limits.h"
#include "tls/ticket_keys.h"

#define MASTER_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
#define MASTER_B "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100\n"

static int
setup(void **state)
{
    *state = unit_tmp_new();
    return 0;
}

static int
teardown(void **state)
{
    unit_tmp_done(*state);
    return 0;
}

static struct ticket_keys *
load(const char *dir, const char *text, char why[512])
{
    char *path = unit_write_file(dir, "tickets", str_from(text));
    struct ticket_keys *keys = NULL;
    struct diag diag;

    assert_int_equal(chmod(path, 0600), 0);
    diag_init(&diag);
    if (ticket_keys_load(path, &diag, &keys) != 0)
        snprintf(why, 512, "%s", diag.count > 0 ? diag.entries[0].text : "");
    diag_done(&diag);
    free(path);
    return keys;
}

static void
what_one_seals_another_with_the_same_file_opens(void **state)
{
    char why[512] = "";
    struct ticket_keys *a = load(*state, MASTER_A, why);
    struct ticket_keys *b = load(*state, "# two\n\n" MASTER_B MASTER_A, why);
    struct ticket_key sealed, opened;
    bool is_old = false;
    int64_t now = time(NULL);

    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(ticket_keys_seal(a, now, &sealed), 0);
    assert_int_equal(ticket_keys_open(b, sealed.name, now, &opened, &is_old), 0);
    assert_memory_equal(&sealed, &opened, sizeof(sealed));
    assert_true(is_old); /* not the first of b: a new ticket is due */
    assert_int_equal(ticket_keys_open(a, sealed.name, now, &opened, &is_old), 0);
    assert_false(is_old);
    ticket_keys_unref(a);
    ticket_keys_unref(b);
}

static void
keys_change_with_the_epoch_and_open_for_one_more(void **state)
{
    /* Inside what is derived in advance, at its edge, and far behind it. */
    static const int64_t epochs[] = {0, 1, TICKET_EPOCHS_KEPT - 2, TICKET_EPOCHS_KEPT - 1, 5000};
    struct ticket_keys *k = ticket_keys_random();
    struct ticket_key first, later, opened;
    bool is_old;

    (void)state;
    for (size_t i = 0; i < array_len(epochs); i++) {
        int64_t now = time(NULL) + epochs[i] * TICKET_EPOCH_S;

        assert_int_equal(ticket_keys_seal(k, now, &first), 0);
        assert_int_equal(ticket_keys_seal(k, now + TICKET_EPOCH_S, &later), 0);
        assert_memory_not_equal(first.name, later.name, sizeof(first.name));
        assert_memory_not_equal(first.cipher, later.cipher, sizeof(first.cipher));
        assert_memory_not_equal(first.mac, first.cipher, sizeof(first.mac));
        assert_int_equal(ticket_keys_open(k, first.name, now + TICKET_EPOCH_S, &opened, &is_old),
                         0);
        assert_memory_equal(&first, &opened, sizeof(first));
        assert_true(is_old);
        assert_int_equal(
            ticket_keys_open(k, first.name, now + 2 * TICKET_EPOCH_S, &opened, &is_old),
            GW_E_NOTFOUND);
    }
    ticket_keys_unref(k);
}

static void
another_master_opens_nothing(void **state)
{
    struct ticket_keys *a = ticket_keys_random();
    struct ticket_keys *b = ticket_keys_random();
    struct ticket_key sealed, opened;
    bool is_old;

    (void)state;
    assert_true(ticket_keys_are_random(a));
    assert_int_equal(ticket_keys_seal(a, 1000000, &sealed), 0);
    assert_int_equal(ticket_keys_open(b, sealed.name, 1000000, &opened, &is_old), GW_E_NOTFOUND);
    ticket_keys_unref(a);
    ticket_keys_unref(b);
}

static void
a_bad_file_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } table[] = {
        {"\n# nothing\n", "holds no ticket key"},
        {"0011\n", ":1: is no ticket key"},
        {MASTER_A "zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n",
         ":2: is no ticket key"},
        {MASTER_A MASTER_A MASTER_A MASTER_A MASTER_A MASTER_A MASTER_A MASTER_A MASTER_A,
         ":9: more than 8"},
    };

    for (size_t i = 0; i < array_len(table); i++) {
        char why[512] = "";

        assert_null(load(*state, table[i].text, why));
        if (strstr(why, table[i].says) == NULL)
            fail_msg("row %zu says \"%s\"", i, why);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_one_seals_another_with_the_same_file_opens, setup,
                                        teardown),
        cmocka_unit_test(keys_change_with_the_epoch_and_open_for_one_more),
        cmocka_unit_test(another_master_opens_nothing),
        cmocka_unit_test_setup_teardown(a_bad_file_is_refused_with_its_line, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
