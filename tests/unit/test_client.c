/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy/client: what connections of one client share, and what the verdict cache may find.
 */
#include "support/pki.h"
#include "unit/verify_store.h"

#include "proxy/client.h"

static const uint8_t policy_a[32] = {1};
static const uint8_t policy_b[32] = {2};

static struct client *
admit(struct fixture *f, const struct pki_cert *leaf)
{
    struct client *cl = NULL;
    enum reason reason = REASON_NONE;
    struct verdict v = judge(f, leaf);

    assert_true(v.is_admitted);
    assert_int_equal(client_new(&v, f->trust, &cl, &reason), 0);
    verdict_done(&v);
    return cl;
}

static void
key_of(const struct pki_cert *leaf, STACK_OF(X509) * sent, const uint8_t *policy, unsigned listener,
       uint8_t key[CLIENT_KEY_BYTES])
{
    struct client_key_input in = {leaf->x509, sent, policy, listener};

    assert_int_equal(client_key_make(&in, key), 0);
}

static void
the_path_is_searched_by_bytes(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct pki_cert *other = pki_client(f->ca, "alice"); /* the same name, another key */
    struct client *cl = admit(f, leaf);
    X509 *copy = X509_dup(leaf->x509);

    assert_ptr_equal(client_path_cert(cl, copy), cl->chain[0]);
    assert_ptr_equal(client_path_cert(cl, cl->chain[1]), cl->chain[1]);
    assert_null(client_path_cert(cl, other->x509));
    X509_free(copy);
    client_unref(cl);
    pki_free(other);
    pki_free(leaf);
}

static void
a_cached_client_is_found_until_the_snapshot_changes(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct client_cache cache;
    struct client *cl = admit(f, leaf);
    struct client *again;
    uint8_t key[CLIENT_KEY_BYTES];

    client_cache_init(&cache);
    key_of(leaf, NULL, policy_a, 0, key);
    assert_null(client_cache_find(&cache, key));
    client_cache_put(&cache, cl, key);
    again = client_cache_find(&cache, key);
    assert_ptr_equal(again, cl);
    assert_true(str_eq(again->identity->subject, STR("CN=alice")));
    client_unref(again);
    client_cache_clear(&cache);
    assert_null(client_cache_find(&cache, key));
    /* The cache lets go of it later, and may remember it anew meanwhile. */
    assert_int_equal(cl->refs, 2);
    again = admit(f, leaf);
    client_cache_put(&cache, again, key);
    assert_true(client_cache_reap(&cache));
    assert_false(client_cache_reap(&cache));
    assert_int_equal(cl->refs, 1);
    assert_ptr_equal(client_cache_find(&cache, key), again);
    client_unref(again);
    client_unref(again);
    /* The connection that holds it keeps it. */
    assert_true(str_eq(cl->identity->subject, STR("CN=alice")));
    client_unref(cl);
    client_cache_done(&cache);
    pki_free(leaf);
}

static void
the_key_tells_apart_whatever_the_verdict_depends_on(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *alice = pki_client(f->ca, "alice");
    struct pki_cert *bob = pki_client(f->ca, "bob");
    STACK_OF(X509) *sent = sk_X509_new_null();
    uint8_t keys[6][CLIENT_KEY_BYTES];

    sk_X509_push(sent, f->ca->x509);
    key_of(alice, NULL, policy_a, 0, keys[0]);
    key_of(alice, NULL, policy_b, 0, keys[1]);
    key_of(alice, NULL, policy_a, 1, keys[2]);
    key_of(alice, sent, policy_a, 0, keys[3]);
    key_of(bob, NULL, policy_a, 0, keys[4]);
    sk_X509_push(sent, f->root->x509);
    key_of(alice, sent, policy_a, 0, keys[5]);
    for (size_t i = 0; i < array_len(keys); i++) {
        for (size_t k = i + 1; k < array_len(keys); k++)
            assert_memory_not_equal(keys[i], keys[k], CLIENT_KEY_BYTES);
    }
    sk_X509_free(sent);
    pki_free(alice);
    pki_free(bob);
}

static void
the_cache_is_bounded_and_forgets_the_oldest(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct client_cache cache;
    uint8_t key[CLIENT_KEY_BYTES] = {0};
    struct client *cl;

    client_cache_init(&cache);
    for (uint32_t i = 0; i < CLIENT_CACHE_MAX + 10; i++) {
        cl = admit(f, leaf);
        memcpy(key, &i, sizeof(i));
        client_cache_put(&cache, cl, key);
        client_unref(cl);
        assert_true(cache.count < CLIENT_CACHE_MAX);
        if (i == 0)
            continue;
        memset(key, 0, sizeof(key)); /* the first one stays in use */
        cl = client_cache_find(&cache, key);
        assert_non_null(cl);
        client_unref(cl);
    }
    key[0] = 1;
    assert_null(client_cache_find(&cache, key));
    client_cache_done(&cache);
    pki_free(leaf);
}

static void
an_identity_that_cannot_be_stated_is_no_client(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec spec = {
        .role = PKI_CLIENT,
        .sans = (const struct pki_san[]){{PKI_SAN_DNS, STR("a\0b.example")}},
        .san_count = 1,
        .cn = "nul",
    };
    struct pki_cert *leaf = pki_issue(&spec, f->ca);
    struct verdict v = judge(f, leaf);
    struct client *cl = NULL;
    enum reason reason = REASON_NONE;

    if (v.is_admitted) {
        assert_int_equal(client_new(&v, f->trust, &cl, &reason), GW_E_DENIED);
        assert_int_equal(reason, REASON_INVALID);
        assert_null(cl);
    }
    verdict_done(&v);
    pki_free(leaf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_path_is_searched_by_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cached_client_is_found_until_the_snapshot_changes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_key_tells_apart_whatever_the_verdict_depends_on, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_cache_is_bounded_and_forgets_the_oldest, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_identity_that_cannot_be_stated_is_no_client, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
