/* SPDX-License-Identifier: Apache-2.0
 *
 * A trust store in files, for the tests of cert/trust and its parts: CAs shared by all
 * tests of a program, and for each test a folder with a bundle and lists to write.
 */
#ifndef UNIT_TRUST_FILES_H
#define UNIT_TRUST_FILES_H

#include "support/unit.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "cert/trust.h"
#include "support/pki.h"

#define DAY INT64_C(86400)
enum { PATHS_MAX = 8 };

/* A trust store on disk: bundle.pem and the lists that paths names. */
struct fixture {
    struct pki_cert *root, *ca, *ca2, *leaf;
    char *dir, *bundle;
    const char *paths[PATHS_MAX];
    struct trust_source src;
    struct diag diag;
    int64_t now_s;
};

static inline int
setup_all(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->root = pki_root("Test Root");
    f->ca = pki_intermediate(f->root, "Test CA");
    f->ca2 = pki_intermediate(f->root, "Second CA");
    f->leaf = pki_client(f->ca, "alice");
    *state = f;
    return 0;
}

static inline int
teardown_all(void **state)
{
    struct fixture *f = *state;

    pki_free(f->leaf);
    pki_free(f->ca2);
    pki_free(f->ca);
    pki_free(f->root);
    free(f);
    return 0;
}

/* Root and CA in the bundle, no lists. */
static inline int
setup(void **state)
{
    struct fixture *f = *state;

    f->now_s = wall_s();
    f->dir = unit_tmp_new();
    f->bundle = unit_path(f->dir, "bundle.pem");
    pki_write_certs(f->bundle, f->root, f->ca, NULL);
    f->src = (struct trust_source){
        .name = "partners", .ca_bundle = f->bundle, .crl_paths = f->paths, .max_chain_depth = 4};
    diag_init(&f->diag);
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
    diag_done(&f->diag);
    return 0;
}

/* Adds dir/name to the lists, or writes it anew. */
static inline void
write_list(struct fixture *f, const char *name, const struct pki_crl_spec *spec,
           const struct pki_cert *issuer)
{
    char *path = unit_path(f->dir, name);

    pki_crl_write(path, true, spec, issuer);
    for (size_t i = 0; i < f->src.crl_path_count; i++) {
        if (strcmp(f->paths[i], path) == 0) {
            free(path);
            return;
        }
    }
    assert_true(f->src.crl_path_count < PATHS_MAX);
    f->paths[f->src.crl_path_count++] = path;
}

static inline void
write_number(struct fixture *f, const char *name, uint64_t number, int64_t this_update_s)
{
    struct pki_crl_spec spec = {.number = number, .this_update_s = this_update_s};

    write_list(f, name, &spec, f->ca);
}

static inline bool
says(const struct diag *d, const char *part)
{
    for (size_t i = 0; i < d->count; i++) {
        if (strstr(d->entries[i].text, part) != NULL)
            return true;
    }
    return false;
}

static inline struct trust *
build_after(struct fixture *f, const struct trust *previous)
{
    struct trust *t = NULL;
    int err;

    diag_done(&f->diag);
    diag_init(&f->diag);
    err = trust_build(&f->src, previous, f->now_s, &f->diag, &t);
    assert_int_equal(err == 0, t != NULL);
    assert_int_equal(err == 0, f->diag.error_count == 0);
    assert_int_equal(ERR_peek_error(), 0);
    return t;
}

static inline struct trust *
build(struct fixture *f, const struct trust *previous)
{
    struct trust *t = build_after(f, previous);

    if (t == NULL)
        diag_print(&f->diag, stderr);
    assert_non_null(t);
    return t;
}

static inline void
assert_refused_after(struct fixture *f, const struct trust *previous, const char *part)
{
    assert_null(build_after(f, previous));
    if (!says(&f->diag, part)) {
        diag_print(&f->diag, stderr);
        fail_msg("no error says \"%s\"", part);
    }
}

#define assert_refused(f, part) assert_refused_after(f, NULL, part)

static inline struct revocation
ask(const struct fixture *f, const struct trust *t, const struct pki_cert *cert)
{
    struct revocation r;

    trust_revocation(t, cert->x509, cert->issuer->x509, f->now_s, &r);
    return r;
}

#endif
