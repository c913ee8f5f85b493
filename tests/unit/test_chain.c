/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_pair.h"

#include "support/pki.h"

#define DAY 86400

static struct tls_files files;

static void
a_chain_out_of_order_is_refused(void **state)
{
    (void)state;
    write_pair(&files, "reversed", files.server->key,
               (const struct pki_cert *const[3]){files.ca, files.server, NULL});
    assert_refused(&files, "reversed.pem", "reversed.key",
                   "certificate 1 is not issued by certificate 2");
    write_pair(&files, "gap", files.server->key,
               (const struct pki_cert *const[3]){files.server, files.root, NULL});
    assert_refused(&files, "gap.pem", "gap.key", "certificate 1 is not issued by certificate 2");
    write_pair(&files, "tail", files.server->key,
               (const struct pki_cert *const[3]){files.server, files.ca, files.other});
    assert_refused(&files, "tail.pem", "tail.key", "certificate 2 is not issued by certificate 3");
    write_pair(&files, "twice", files.server->key,
               (const struct pki_cert *const[3]){files.server, files.server, NULL});
    assert_refused(&files, "twice.pem", "twice.key",
                   "certificate 1 is not issued by certificate 2");
}

static void
a_chain_with_a_wrong_signature_is_refused(void **state)
{
    struct pki_cert_spec spec = {.role = PKI_SERVER, .cn = "localhost"};
    struct pki_cert *forged;

    (void)state;
    spec.sign_with = files.other->key;
    forged = pki_issue(&spec, files.ca);
    write_pair(&files, "forged", forged->key,
               (const struct pki_cert *const[3]){forged, files.ca, NULL});
    assert_refused(&files, "forged.pem", "forged.key", "its signature is not by that key");
    pki_free(forged);
}

static void
a_leaf_outside_its_dates_is_refused_and_near_the_end_warned_of(void **state)
{
    static const struct {
        int64_t from, to;
        const char *error; /* NULL: accepted */
        size_t warnings;
    } cases[] = {
        {-10 * DAY, -1, "expired on ", 0},
        {DAY, 10 * DAY, "valid only from ", 0},
        {-DAY, 6 * DAY, NULL, 1},
        {-DAY, 8 * DAY, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct pki_cert_spec spec = {.role = PKI_SERVER, .cn = "localhost"};
        struct pki_cert *leaf;

        spec.not_before_s = wall_s() + cases[i].from;
        spec.not_after_s = wall_s() + cases[i].to;
        leaf = pki_issue(&spec, files.ca);
        write_pair(&files, "dated", leaf->key,
                   (const struct pki_cert *const[3]){leaf, files.ca, NULL});
        if (cases[i].error != NULL) {
            assert_refused(&files, "dated.pem", "dated.key", cases[i].error);
        } else {
            struct built b = build(&files, "dated.pem", "dated.key");

            assert_int_equal(b.rc, 0);
            assert_int_equal(b.diag.warning_count, cases[i].warnings);
            assert_int_equal(tls_server_not_after(b.server), spec.not_after_s);
            built_done(&b);
        }
        pki_free(leaf);
    }
}

static void
pem_that_holds_no_certificate_is_refused_with_its_line(void **state)
{
    char *path;

    (void)state;
    path = unit_write_file(files.dir, "junk.pem",
                           STR("# comment\n-----BEGIN CERTIFICATE-----\nAAAA\n"
                               "-----END CERTIFICATE-----\n"));
    assert_refused(&files, "junk.pem", "server.key", "junk.pem:2: not a certificate");
    free(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_out_of_order_is_refused),
        cmocka_unit_test(a_chain_with_a_wrong_signature_is_refused),
        cmocka_unit_test(a_leaf_outside_its_dates_is_refused_and_near_the_end_warned_of),
        cmocka_unit_test(pem_that_holds_no_certificate_is_refused_with_its_line),
    };
    int failed;

    files_make(&files);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    files_free(&files);
    return failed;
}
