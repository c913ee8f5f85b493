/* SPDX-License-Identifier: Apache-2.0
 *
 * What a hostile client can make the judge do: paths that branch, loop and lead nowhere, names
 * and constraints by the thousand. The limits on size and number bound the work; the bound here
 * is far above it, and far below what an unbounded search would take.
 */
#include "support/pki.h"
#include "unit/verify_store.h"

#include <openssl/x509v3.h>
#include <time.h>

enum { CPU_MS_MAX = 1000, SENT = CHAIN_CERTS_MAX, MANY = 300 };

static int64_t
cpu_us(void)
{
    struct timespec t;

    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Judges it, in bounded time, and says what came out. */
static enum reason
judge_bounded(const struct fixture *f, const char *what, X509 *leaf, STACK_OF(X509) * sent)
{
    int64_t before_us = cpu_us(), took_us;
    struct verdict v;

    verify_chain(f->trust, leaf, sent, NULL, f->now_s, NULL, &v);
    took_us = cpu_us() - before_us;
    verdict_done(&v);
    printf("%-44s %8.2f ms CPU, %s\n", what, (double)took_us / 1000, reason_token(v.reason));
    if (took_us > INT64_C(1000) * CPU_MS_MAX)
        fail_msg("%s takes %lld us", what, (long long)took_us);
    return v.reason;
}

static struct pki_cert_spec
bare_ca(const char *cn, EVP_PKEY *key)
{
    return (struct pki_cert_spec){
        .role = PKI_CA, .cn = cn, .key = key, .no_ski = true, .no_aki = true};
}

/* All of one name, each certified by the one before, nothing that tells their keys apart: every
 * certificate may be the issuer of every other one. */
static void
a_crowd_of_one_name_is_no_maze(void **state)
{
    struct fixture *f = *state;
    STACK_OF(X509) *sent = sk_X509_new_null();
    struct pki_cert_spec leaf_spec = {.cn = "alice", .no_aki = true};
    struct pki_cert *crowd[SENT], *leaf;

    for (int i = 0; i < SENT; i++) {
        struct pki_cert_spec spec = bare_ca("Crowd", NULL);

        crowd[i] = pki_issue(&spec, i > 0 ? crowd[i - 1] : f->foreign_root);
        if (i > 0)
            sk_X509_push(sent, crowd[i]->x509);
    }
    leaf = pki_issue(&leaf_spec, crowd[SENT - 1]);
    assert_int_not_equal(judge_bounded(f, "a crowd of one name", leaf->x509, sent), REASON_NONE);
    pki_free(leaf);
    for (int i = 0; i < SENT; i++)
        pki_free(crowd[i]);
    sk_X509_free(sent);
}

/* Two names that certify each other, over and over under new serials. */
static void
loops_end(void **state)
{
    struct fixture *f = *state;
    STACK_OF(X509) *sent = sk_X509_new_null();
    struct pki_cert_spec a_spec = bare_ca("Loop A", NULL), b_spec = bare_ca("Loop B", NULL);
    struct pki_cert *made[SENT + 2], *leaf;
    int count = 2;

    made[0] = pki_issue(&a_spec, NULL);
    made[1] = pki_issue(&b_spec, NULL);
    a_spec.key = made[0]->key;
    b_spec.key = made[1]->key;
    while (sk_X509_num(sent) < SENT) {
        bool is_a = count % 2 == 0;

        made[count] = pki_issue(is_a ? &a_spec : &b_spec, made[is_a]);
        sk_X509_push(sent, made[count++]->x509);
    }
    leaf = pki_client(made[0], "alice");
    assert_int_not_equal(judge_bounded(f, "two that certify each other", leaf->x509, sent),
                         REASON_NONE);
    pki_free(leaf);
    while (count > 0)
        pki_free(made[--count]);
    sk_X509_free(sent);
}

/* A bundle full of authorities of one name: the right one is found, or nobody gets in. */
static void
a_bundle_of_one_name_is_searched_once(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *many[MANY], *leaf, *keyless;
    struct pki_cert_spec spec = {.role = PKI_CA, .cn = "Many"};
    struct pki_cert_spec keyless_spec = {.cn = "alice", .no_aki = true};
    STACK_OF(X509) *sent = sk_X509_new_null();
    struct bytes pem = {0};

    for (int i = 0; i < MANY; i++) {
        many[i] = pki_issue(&spec, NULL);
        pki_pem_cert(&pem, many[i]);
    }
    file_spill(f->bundle, pem.ptr, pem.len, 0644);
    rebuild(f);
    leaf = pki_client(many[MANY / 2], "alice");
    keyless = pki_issue(&keyless_spec, many[MANY / 2]);
    assert_int_equal(judge_bounded(f, "one name, key identifiers", leaf->x509, sent), REASON_NONE);
    (void)judge_bounded(f, "one name, no key identifier", keyless->x509, sent);
    pki_free(keyless);
    pki_free(leaf);
    for (int i = 0; i < MANY; i++)
        pki_free(many[i]);
    sk_X509_free(sent);
    bytes_free(&pem);
}

/* "permitted;DNS:0.example,permitted;DNS:1.example,..." of at most so many bytes of DER. */
static char *
many_constraints(int count)
{
    struct bytes text = {0};

    for (int i = 0; i < count; i++) {
        char *one = xformat("%spermitted;DNS:x%04d", i > 0 ? "," : "", i);

        bytes_puts(&text, one);
        free(one);
    }
    return text.ptr;
}

/* So many names under so many constraints, the last of which fits them all. */
static enum reason
judge_names(const struct fixture *f, const char *what, int constraint_count)
{
    enum { NAMES = 1000 };
    char *constraints = many_constraints(constraint_count);
    char *name = xformat("x%04d", constraint_count - 1);
    struct pki_cert_spec ca_spec = {
        .role = PKI_CA, .cn = "Narrow", .name_constraints = constraints};
    struct pki_san *sans = calloc(NAMES, sizeof(*sans));
    struct pki_cert_spec spec = {.cn = "alice", .sans = sans, .san_count = NAMES};
    struct pki_cert *narrow = pki_issue(&ca_spec, f->root), *leaf;
    STACK_OF(X509) *sent = sk_X509_new_null();
    enum reason reason;

    for (int i = 0; i < NAMES; i++)
        sans[i] = (struct pki_san){PKI_SAN_DNS, str_from(name)};
    leaf = pki_issue(&spec, narrow);
    assert_in_range(leaf->der.len, CLIENT_CERT_DER_MAX / 2, CLIENT_CERT_DER_MAX);
    assert_true(leaf->der.len + narrow->der.len < CLIENT_CERT_LIST_MAX);
    sk_X509_push(sent, narrow->x509);
    reason = judge_bounded(f, what, leaf->x509, sent);
    pki_free(leaf);
    pki_free(narrow);
    sk_X509_free(sent);
    free(sans);
    free(constraints);
    free(name);
    return reason;
}

/* As many names as a leaf may have bytes, under as many constraints as a client may send. */
static void
names_times_constraints_are_bounded(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(judge_names(f, "1000 names, 10 constraints", 10), REASON_NONE);
    (void)judge_names(f, "1000 names, 1000 constraints", 1000);
    /* More than 2^20 comparisons are not begun. */
    assert_int_equal(judge_names(f, "1000 names, 2300 constraints", 2300), REASON_UNMAPPED);
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(a_crowd_of_one_name_is_no_maze),
        with_store(loops_end),
        with_store(a_bundle_of_one_name_is_searched_once),
        with_store(names_times_constraints_are_bounded),
    };

    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
