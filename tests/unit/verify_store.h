/* SPDX-License-Identifier: Apache-2.0
 *
 * A trust store and the verdicts under it, for the tests of cert/verify: CAs shared by all
 * tests of a program, and for each test a store that trusts the root.
 */
#ifndef UNIT_VERIFY_STORE_H
#define UNIT_VERIFY_STORE_H

#include "support/unit.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"
#include "cert/verify.h"
#include "support/pki.h"

#define DAY INT64_C(86400)
enum { PATHS_MAX = 4 };

struct fixture {
    struct pki_cert *root, *ca, *foreign_root, *foreign_ca;
    int64_t now_s;
    /* one test's: */
    char *dir, *bundle;
    const char *paths[PATHS_MAX];
    struct trust_source src;
    struct trust *trust;
};

static inline int
setup_all(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->now_s = wall_s();
    f->root = pki_root("Test Root");
    f->ca = pki_intermediate(f->root, "Test CA");
    f->foreign_root = pki_root("Foreign Root");
    f->foreign_ca = pki_intermediate(f->foreign_root, "Foreign CA");
    *state = f;
    return 0;
}

static inline int
teardown_all(void **state)
{
    struct fixture *f = *state;

    pki_free(f->ca);
    pki_free(f->root);
    pki_free(f->foreign_ca);
    pki_free(f->foreign_root);
    free(f);
    return 0;
}

static inline void
rebuild(struct fixture *f)
{
    struct trust *t = NULL;
    struct diag diag;

    diag_init(&diag);
    if (trust_build(&f->src, NULL, f->now_s, &diag, &t) != 0) {
        diag_print(&diag, stderr);
        fail_msg("the trust store was refused");
    }
    diag_done(&diag);
    trust_unref(f->trust);
    f->trust = t;
}

static inline void
use_bundle(struct fixture *f, struct pki_cert *a, struct pki_cert *b)
{
    pki_write_certs(f->bundle, a, b, NULL);
    rebuild(f);
}

/* Trusts the root only; no lists. */
static inline int
setup(void **state)
{
    struct fixture *f = *state;

    f->now_s = wall_s();
    f->dir = unit_tmp_new();
    f->bundle = unit_path(f->dir, "bundle.pem");
    f->src = (struct trust_source){.name = "partners",
                                   .ca_bundle = f->bundle,
                                   .crl_paths = f->paths,
                                   .max_chain_depth = CHAIN_DEPTH_DEFAULT};
    use_bundle(f, f->root, NULL);
    return 0;
}

static inline int
teardown(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < f->src.crl_path_count; i++)
        free((void *)(uintptr_t)f->paths[i]);
    free(f->bundle);
    unit_tmp_done(f->dir);
    trust_unref(f->trust);
    f->trust = NULL;
    return 0;
}

/* Adds a list to the store. */
static inline void
add_list(struct fixture *f, const struct pki_crl_spec *spec, const struct pki_cert *issuer)
{
    char name[16];

    (void)snprintf(name, sizeof(name), "%zu.crl", f->src.crl_path_count);
    f->paths[f->src.crl_path_count] = unit_path(f->dir, name);
    pki_crl_write(f->paths[f->src.crl_path_count++], true, spec, issuer);
    rebuild(f);
}

/* All certificates from the leaf up to, not including, the root. */
static inline STACK_OF(X509) * chain_of(const struct pki_cert *leaf)
{
    STACK_OF(X509) *chain = sk_X509_new_null();

    for (const struct pki_cert *c = leaf; c->issuer != c; c = c->issuer)
        sk_X509_push(chain, c->x509);
    return chain;
}

static inline struct verdict
judge_with(const struct fixture *f, const struct pki_cert *leaf,
           const struct verify_options *options)
{
    STACK_OF(X509) *chain = chain_of(leaf);
    struct verdict v;

    verify_chain(f->trust, leaf->x509, chain, options, f->now_s, NULL, &v);
    sk_X509_free(chain);
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(v.is_admitted, v.reason == REASON_NONE);
    for (const char *p = v.detail; *p != 0; p++)
        assert_in_range(*p, 0x20, 0x7e);
    return v;
}

static inline struct verdict
judge(const struct fixture *f, const struct pki_cert *leaf)
{
    return judge_with(f, leaf, NULL);
}

static inline void
expect(const struct fixture *f, const struct pki_cert *leaf, enum reason want, const char *part)
{
    struct verdict v = judge(f, leaf);

    if (v.reason != want || strstr(v.detail, part) == NULL)
        fail_msg("\"%s\": %s, not %s with \"%s\"", v.detail, reason_token(v.reason),
                 reason_token(want), part);
    verdict_done(&v);
}

#endif
