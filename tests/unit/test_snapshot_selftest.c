/* SPDX-License-Identifier: Apache-2.0
 *
 * A snapshot is refused when its judge does not refuse. The linker puts the functions below in
 * the place of those of the judge, which are then broken in one way after the other.
 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cert/verify.h"
#include "conf/snapshot.h"
#include "support/pki.h"

static const char text[] =
    "listeners:\n"
    "  - name: front\n"
    "    bind: 127.0.0.1:8443\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: clients}\n"
    "    default_action: {fixed_response: {status: 200}}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: ca.pem, crls: [lists], crl_missing: allow}\n";

enum broken {
    NOTHING,
    LISTS_OF_THE_STORE, /* its lists are passed over */
    ALL_LISTS,
    LOOKUP,       /* no serial is found */
    EVERYBODY_IN, /* no certificate is refused */
    NOBODY_IN,    /* every certificate is refused, for whatever reason */
    BREAKAGES
};

static enum broken broken;

void __real_trust_revocation(const struct trust *t, X509 *cert, X509 *issuer, int64_t now_s,
                             struct revocation *ret);
void __wrap_trust_revocation(const struct trust *t, X509 *cert, X509 *issuer, int64_t now_s,
                             struct revocation *ret);
void __real_verify_chain(const struct trust *trust, X509 *leaf, STACK_OF(X509) * untrusted,
                         const struct verify_options *options, int64_t now_s,
                         const struct verify_trace *trace, struct verdict *ret);
void __wrap_verify_chain(const struct trust *trust, X509 *leaf, STACK_OF(X509) * untrusted,
                         const struct verify_options *options, int64_t now_s,
                         const struct verify_trace *trace, struct verdict *ret);
bool __real_crl_find(const struct crl *c, const ASN1_INTEGER *serial, int64_t *ret_revoked_s,
                     int *ret_reason);
bool __wrap_crl_find(const struct crl *c, const ASN1_INTEGER *serial, int64_t *ret_revoked_s,
                     int *ret_reason);

void
__wrap_trust_revocation(const struct trust *t, X509 *cert, X509 *issuer, int64_t now_s,
                        struct revocation *ret)
{
    __real_trust_revocation(t, cert, issuer, now_s, ret);
    if (broken == ALL_LISTS ||
        (broken == LISTS_OF_THE_STORE && strcmp(trust_name(t), "clients") == 0))
        *ret = (struct revocation){.state = REVOCATION_GOOD, .valid_until_s = INT64_MAX};
}

void
__wrap_verify_chain(const struct trust *trust, X509 *leaf, STACK_OF(X509) * untrusted,
                    const struct verify_options *options, int64_t now_s,
                    const struct verify_trace *trace, struct verdict *ret)
{
    __real_verify_chain(trust, leaf, untrusted, options, now_s, trace, ret);
    if (broken == EVERYBODY_IN && ret->reason == REASON_UNTRUSTED) {
        ret->is_admitted = true;
        ret->reason = REASON_NONE;
    }
    if (broken == NOBODY_IN) {
        ret->is_admitted = false;
        ret->reason = REASON_CRL_HIT;
    }
}

bool
__wrap_crl_find(const struct crl *c, const ASN1_INTEGER *serial, int64_t *ret_revoked_s,
                int *ret_reason)
{
    return broken != LOOKUP && __real_crl_find(c, serial, ret_revoked_s, ret_reason);
}

struct files {
    char *dir;
    struct pki_cert *ca, *server, *held;
    int64_t now_s;
};

static int
setup(void **state)
{
    struct files *f = xcalloc(1, sizeof(*f));
    char *path;

    broken = NOTHING;
    f->dir = unit_tmp_new();
    f->now_s = wall_s();
    f->ca = pki_root("Client CA");
    f->server = pki_server(f->ca, "localhost");
    f->held = pki_client(f->ca, "held");
    pki_write_pair(f->dir, "server", f->server);
    path = unit_path(f->dir, "ca.pem");
    pki_write_certs(path, f->ca, NULL);
    free(path);
    path = unit_path(f->dir, "lists");
    assert_int_equal(mkdir(path, 0755), 0);
    free(path);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct files *f = *state;

    pki_free(f->held);
    pki_free(f->server);
    pki_free(f->ca);
    unit_tmp_done(f->dir);
    free(f);
    return 0;
}

static void
write_list(const struct files *f, const char *name, const struct pki_crl_spec *spec)
{
    char *path = unit_path(f->dir, name);

    pki_crl_write(path, true, spec, f->ca);
    free(path);
}

/* NULL when it is built, otherwise the first error; free() it. */
static char *
build(const struct files *f)
{
    char *path = unit_path(f->dir, "sallyport.yaml"), *error = NULL;
    struct snapshot *s = NULL;
    struct config *config = NULL;
    struct diag diag;

    diag_init(&diag);
    assert_int_equal(config_parse(str_from(text), path, &diag, &config), 0);
    if (snapshot_build(config, NULL, f->now_s, &diag, &s) != 0) {
        for (size_t i = 0; i < diag.count && error == NULL; i++)
            error = diag.entries[i].is_warning ? NULL : strdup(diag.entries[i].text);
        assert_non_null(error);
        assert_null(s);
    }
    snapshot_unref(s);
    diag_done(&diag);
    free(path);
    return error;
}

static void
assert_built(const struct files *f)
{
    char *error = build(f);

    if (error != NULL)
        fail_msg("%s", error);
}

static void
assert_refused(const struct files *f, const char *part)
{
    char *error = build(f);

    if (error == NULL || strstr(error, part) == NULL)
        fail_msg("\"%s\" is not \"%s\"", error != NULL ? error : "built", part);
    free(error);
}

static void
a_judge_that_does_not_refuse_is_no_snapshot(void **state)
{
    static const char *const parts[BREAKAGES] = {
        [LISTS_OF_THE_STORE] = "trust store clients: self-test failed: it could not be shown that "
                               "a certificate on list number 01 of \"CN=Client CA\" is refused",
        [ALL_LISTS] = "a certificate on a revocation list is refused",
        [LOOKUP] = "a certificate on a revocation list is refused",
        [EVERYBODY_IN] = "certificate of an unknown authority is refused",
        [NOBODY_IN] = "and one that is not on it admitted",
    };
    struct files *f = *state;
    struct pki_crl_entry entry = {.cert = f->held};
    struct pki_crl_spec spec = {.entries = &entry, .entry_count = 1};

    write_list(f, "lists/ca.crl", &spec);
    assert_built(f);
    for (broken = NOTHING + 1; broken < BREAKAGES; broken++)
        assert_refused(f, parts[broken]);
}

static void
serials_of_every_form_prove_it(void **state)
{
    static const struct str serials[] = {
        STR_INIT("\x00"),
        STR_INIT("\x7f"),
        STR_INIT("\x00\xff"),
        STR_INIT("\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34\x56\x78\x9a\xbc\xde\xf0"),
        STR_INIT("\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34"),
        STR_INIT("\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34\x56\x78"
                 "\x9a"),
        STR_INIT("\x80"),
        STR_INIT("\x80\x00\x01"),
    };
    struct files *f = *state;

    for (size_t i = 0; i < array_len(serials); i++) {
        struct pki_crl_entry entry = {.serial = serials[i]};
        struct pki_crl_spec spec = {.entries = &entry, .entry_count = 1};

        write_list(f, "lists/ca.crl", &spec);
        broken = NOTHING;
        assert_built(f);
        broken = LISTS_OF_THE_STORE;
        assert_refused(f, "on list number 01");
    }
}

/* Nobody is on an empty list, nor on one whose entries a delta has taken off. */
static void
a_list_that_revokes_nobody_proves_nothing(void **state)
{
    struct files *f = *state;
    struct pki_crl_entry held = {.cert = f->held, .reason = PKI_REASON_HOLD};
    struct pki_crl_entry off = {.cert = f->held, .reason = PKI_REASON_REMOVE_FROM_CRL};
    struct pki_crl_spec spec = {.entries = &held, .number = 1, .this_update_s = f->now_s - 7200};
    struct pki_crl_spec delta = {
        .entries = &off, .entry_count = 1, .number = 2, .delta = true, .delta_base = 1};

    write_list(f, "lists/ca.crl", &spec);
    assert_built(f);
    spec.entry_count = 1;
    write_list(f, "lists/ca.crl", &spec);
    write_list(f, "lists/delta.crl", &delta);
    assert_built(f);
    delta.entries = &held;
    write_list(f, "lists/delta.crl", &delta);
    assert_built(f);
    broken = LISTS_OF_THE_STORE;
    assert_refused(f, "on list number 0");
}

#define with_files(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_files(a_judge_that_does_not_refuse_is_no_snapshot),
        with_files(serials_of_every_form_prove_it),
        with_files(a_list_that_revokes_nobody_proves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
