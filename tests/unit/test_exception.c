/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"
#include "cert/cert.h"
#include "cert/exception.h"
#include "cert/verify.h"
#include "support/pki.h"

#define DAY INT64_C(86400)

struct fixture {
    struct pki_cert *root, *foreign, *old, *server, *both;
    char *dir, *bundle;
    int64_t now_s;
};

static struct pki_cert *
leaf(const struct pki_cert *issuer, int64_t not_after_s, const char *eku)
{
    struct pki_cert_spec spec = {.cn = "client",
                                 .not_before_s = wall_s() - 90 * DAY,
                                 .not_after_s = not_after_s,
                                 .eku = eku};

    return pki_issue(&spec, issuer);
}

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->now_s = wall_s();
    f->root = pki_root("Partner CA");
    f->foreign = pki_root("Foreign CA");
    f->old = leaf(f->root, f->now_s - 2 * DAY, NULL);
    f->server = leaf(f->root, f->now_s + 30 * DAY, "serverAuth");
    f->both = leaf(f->root, f->now_s - 2 * DAY, "serverAuth");
    f->dir = unit_tmp_new();
    f->bundle = unit_path(f->dir, "bundle.pem");
    pki_write_certs(f->bundle, f->root, NULL);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    pki_free(f->old);
    pki_free(f->server);
    pki_free(f->both);
    pki_free(f->root);
    pki_free(f->foreign);
    free(f->bundle);
    unit_tmp_done(f->dir);
    free(f);
    return 0;
}

static struct trust *
trust_with(const struct fixture *f, const struct trust_exception *items, size_t count)
{
    struct trust_source src = {.name = "partners",
                               .ca_bundle = f->bundle,
                               .max_chain_depth = CHAIN_DEPTH_DEFAULT,
                               .exceptions = items,
                               .exception_count = count};
    struct trust *t = NULL;
    struct diag diag;

    diag_init(&diag);
    assert_int_equal(trust_build(&src, NULL, f->now_s, &diag, &t), 0);
    diag_done(&diag);
    return t;
}

/* The reason under these exceptions at that time. */
struct answer {
    enum reason reason;
    int64_t valid_until_s;
    const char *why; /* of the exception that was used; NULL: none */
};

static struct answer
ask(const struct trust *t, const struct pki_cert *cert, int64_t at_s)
{
    struct verdict first, again;
    struct answer a;

    verify_chain(t, cert->x509, NULL, NULL, at_s, NULL, &first);
    a = (struct answer){first.reason, first.valid_until_s,
                        first.exception != NULL ? first.exception->why : NULL};
    assert_int_equal(first.is_admitted, first.reason == REASON_NONE);
    assert_true(first.is_admitted || first.exception == NULL);
    if (first.chain_count > 0) {
        verify_again(t, first.chain, first.chain_count, NULL, at_s, &again);
        assert_int_equal(again.reason, first.reason);
        assert_int_equal(again.valid_until_s, first.valid_until_s);
        assert_ptr_equal(again.exception, first.exception);
    }
    verdict_done(&first);
    return a;
}

static struct trust_exception
expired_for_issuer(const struct fixture *f)
{
    return (struct trust_exception){.kind = TRUST_ALLOW_EXPIRED,
                                    .issuer = "CN=Partner CA",
                                    .max_age_s = 7 * DAY,
                                    .until_s = f->now_s + 3 * DAY,
                                    .why = "renewal"};
}

static struct trust_exception
eku_for_cert(const struct fixture *f, const struct pki_cert *cert)
{
    struct trust_exception e = {.kind = TRUST_ALLOW_NO_CLIENT_AUTH_EKU,
                                .until_s = f->now_s + 3 * DAY,
                                .why = "old server certificate"};

    assert_int_equal(cert_digest(cert->x509, e.sha256), 0);
    return e;
}

static void
without_exceptions_both_failures_refuse(void **state)
{
    struct fixture *f = *state;
    struct trust *t = trust_with(f, NULL, 0);

    assert_int_equal(ask(t, f->old, f->now_s).reason, REASON_EXPIRED);
    assert_int_equal(ask(t, f->server, f->now_s).reason, REASON_PURPOSE_INVALID);
    trust_unref(t);
}

static void
an_expired_certificate_passes_until_its_age_or_the_date(void **state)
{
    struct fixture *f = *state;
    struct trust_exception e = expired_for_issuer(f);
    struct trust *t = trust_with(f, &e, 1);
    struct answer a = ask(t, f->old, f->now_s);

    assert_int_equal(a.reason, REASON_NONE);
    assert_string_equal(a.why, "renewal");
    assert_int_equal(a.valid_until_s, e.until_s);
    assert_int_equal(ask(t, f->old, e.until_s).reason, REASON_NONE);
    assert_int_equal(ask(t, f->old, e.until_s + 1).reason, REASON_EXPIRED);
    trust_unref(t);

    e.until_s = f->now_s + 30 * DAY;
    t = trust_with(f, &e, 1);
    a = ask(t, f->old, f->now_s);
    assert_int_equal(a.valid_until_s, f->now_s + 5 * DAY);
    assert_int_equal(ask(t, f->old, f->now_s + 5 * DAY).reason, REASON_NONE);
    assert_int_equal(ask(t, f->old, f->now_s + 5 * DAY + 1).reason, REASON_EXPIRED);
    trust_unref(t);
}

static void
a_certificate_that_is_good_needs_none(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *good = leaf(f->root, f->now_s + DAY, NULL);
    struct trust_exception e = expired_for_issuer(f);
    struct trust *t = trust_with(f, &e, 1);
    struct answer a = ask(t, good, f->now_s);

    assert_int_equal(a.reason, REASON_NONE);
    assert_null(a.why);
    assert_int_equal(a.valid_until_s, f->now_s + DAY);
    trust_unref(t);
    pki_free(good);
}

static void
a_server_certificate_passes_by_its_fingerprint_alone(void **state)
{
    struct fixture *f = *state;
    struct trust_exception e = eku_for_cert(f, f->server);
    struct pki_cert *other = leaf(f->root, f->now_s + DAY, "serverAuth");
    struct trust *t = trust_with(f, &e, 1);
    struct answer a = ask(t, f->server, f->now_s);

    assert_int_equal(a.reason, REASON_NONE);
    assert_string_equal(a.why, "old server certificate");
    assert_int_equal(a.valid_until_s, e.until_s);
    assert_int_equal(ask(t, f->server, e.until_s + 1).reason, REASON_PURPOSE_INVALID);
    assert_int_equal(ask(t, other, f->now_s).reason, REASON_PURPOSE_INVALID);
    trust_unref(t);
    pki_free(other);
}

static void
one_failure_passes_and_never_two(void **state)
{
    struct fixture *f = *state;
    struct trust_exception both[] = {expired_for_issuer(f), eku_for_cert(f, f->both)};
    struct trust *t = trust_with(f, both, array_len(both));

    assert_int_equal(ask(t, f->both, f->now_s).reason, REASON_EXPIRED);
    assert_int_equal(ask(t, f->old, f->now_s).reason, REASON_NONE);
    assert_int_equal(ask(t, f->server, f->now_s).reason, REASON_PURPOSE_INVALID);
    trust_unref(t);
}

/* Everything but the named failure is judged as ever. */
static void
nothing_else_passes(void **state)
{
    struct fixture *f = *state;
    struct trust_exception all[] = {
        expired_for_issuer(f),
        {.kind = TRUST_ALLOW_NO_CLIENT_AUTH_EKU,
         .issuer = "CN=Partner CA",
         .until_s = f->now_s + DAY},
    };
    struct pki_cert_spec no_signing = {.cn = "x", .eku = "serverAuth", .ku = "keyEncipherment"};
    struct pki_cert_spec too_new = {.cn = "x", .not_before_s = f->now_s + DAY};
    struct pki_cert_spec is_ca = {.cn = "x", .role = PKI_CA, .eku = "serverAuth"};
    struct pki_cert_spec forged = {.cn = "x",
                                   .not_before_s = f->now_s - 9 * DAY,
                                   .not_after_s = f->now_s - DAY,
                                   .corrupt_signature = true};
    struct {
        struct pki_cert *cert;
        enum reason want;
    } cases[] = {
        {pki_issue(&no_signing, f->root), REASON_PURPOSE_INVALID},
        {pki_issue(&too_new, f->root), REASON_NOT_YET_VALID},
        {pki_issue(&is_ca, f->root), REASON_PURPOSE_INVALID},
        {pki_issue(&forged, f->root), REASON_UNTRUSTED},
        {leaf(f->foreign, f->now_s - DAY, NULL), REASON_UNTRUSTED},
        {leaf(f->root, f->now_s - 8 * DAY, NULL), REASON_EXPIRED},
    };
    struct trust *t = trust_with(f, all, array_len(all));
    struct verdict v;

    for (size_t i = 0; i < array_len(cases); i++) {
        verify_chain(t, cases[i].cert->x509, NULL, NULL, f->now_s, NULL, &v);
        assert_int_equal(v.reason, cases[i].want);
        assert_null(v.exception);
        verdict_done(&v);
        pki_free(cases[i].cert);
    }
    trust_unref(t);
}

static void
the_issuer_must_be_named_exactly(void **state)
{
    static const char *const wrong[] = {"CN=Partner", "CN=partner CA", "Partner CA",
                                        "CN=Partner CA,O=x", "CN=*"};
    struct fixture *f = *state;

    for (size_t i = 0; i < array_len(wrong); i++) {
        struct trust_exception e = expired_for_issuer(f);
        struct trust *t;

        e.issuer = wrong[i];
        t = trust_with(f, &e, 1);
        assert_int_equal(ask(t, f->old, f->now_s).reason, REASON_EXPIRED);
        trust_unref(t);
    }
}

/* An intermediate that has expired is the authority's failure, not the client's. */
static void
an_authority_gets_no_exception(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec spec = {.role = PKI_CA,
                                 .cn = "Old CA",
                                 .not_before_s = f->now_s - 90 * DAY,
                                 .not_after_s = f->now_s - DAY};
    struct pki_cert *ca = pki_issue(&spec, f->root);
    struct pki_cert *client = leaf(ca, f->now_s + DAY, NULL);
    struct trust_exception e = expired_for_issuer(f);
    struct trust *t = trust_with(f, &e, 1);
    STACK_OF(X509) *sent = sk_X509_new_null();
    struct verdict v;

    sk_X509_push(sent, ca->x509);
    verify_chain(t, client->x509, sent, NULL, f->now_s, NULL, &v);
    assert_int_equal(v.reason, REASON_EXPIRED);
    assert_int_equal(v.depth, 1);
    verdict_done(&v);
    sk_X509_free(sent);
    trust_unref(t);
    pki_free(client);
    pki_free(ca);
}

static void
the_longest_one_is_used(void **state)
{
    struct fixture *f = *state;
    struct trust_exception e[] = {expired_for_issuer(f), expired_for_issuer(f),
                                  expired_for_issuer(f)};
    struct trust *t;
    struct answer a;

    e[0].until_s = f->now_s + DAY;
    e[1].why = "longest";
    e[2].until_s = f->now_s - 1;
    for (size_t i = 0; i < array_len(e); i++) { /* wherever it stands */
        struct trust_exception turned[] = {e[i], e[(i + 1) % 3], e[(i + 2) % 3]};

        t = trust_with(f, turned, array_len(turned));
        a = ask(t, f->old, f->now_s);
        assert_string_equal(a.why, "longest");
        assert_int_equal(a.valid_until_s, e[1].until_s);
        trust_unref(t);
    }
}

/* Connections that an exception let in are judged in full when it changes. */
static void
exceptions_are_part_of_what_a_store_demands(void **state)
{
    struct fixture *f = *state;
    struct trust_exception e = expired_for_issuer(f), later = e, reworded = e;
    struct trust *none = trust_with(f, NULL, 0), *one = trust_with(f, &e, 1), *same, *other;

    later.until_s++;
    reworded.why = "other words";
    same = trust_with(f, &reworded, 1);
    other = trust_with(f, &later, 1);
    assert_false(trust_same_anchors(none, one));
    assert_true(trust_same_anchors(one, same));
    assert_false(trust_same_anchors(one, other));
    trust_unref(none);
    trust_unref(one);
    trust_unref(same);
    trust_unref(other);
}

static void
it_is_described_in_one_line(void **state)
{
    struct trust_exception e = {.kind = TRUST_ALLOW_EXPIRED,
                                .issuer = "CN=Partner CA",
                                .until_s = 1900000000,
                                .why = "renewal"};
    char text[EXCEPTION_TEXT_MAX], name[3000];

    (void)state;
    exception_describe(&e, text);
    assert_string_equal(text, "expired, issuer CN=Partner CA, until 2030-03-17T17:46:40Z: renewal");
    e = (struct trust_exception){.kind = TRUST_ALLOW_NO_CLIENT_AUTH_EKU, .until_s = 1900000000};
    exception_describe(&e, text);
    assert_string_equal(text, "no_client_auth_eku, sha256:"
                              "0000000000000000000000000000000000000000000000000000000000000000, "
                              "until 2030-03-17T17:46:40Z: ");
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    e.issuer = e.why = name;
    exception_describe(&e, text);
    assert_in_range(strlen(text), 200, EXCEPTION_TEXT_MAX - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_exceptions_both_failures_refuse),
        cmocka_unit_test(an_expired_certificate_passes_until_its_age_or_the_date),
        cmocka_unit_test(a_certificate_that_is_good_needs_none),
        cmocka_unit_test(a_server_certificate_passes_by_its_fingerprint_alone),
        cmocka_unit_test(one_failure_passes_and_never_two),
        cmocka_unit_test(nothing_else_passes),
        cmocka_unit_test(the_issuer_must_be_named_exactly),
        cmocka_unit_test(an_authority_gets_no_exception),
        cmocka_unit_test(the_longest_one_is_used),
        cmocka_unit_test(exceptions_are_part_of_what_a_store_demands),
        cmocka_unit_test(it_is_described_in_one_line),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
