/* SPDX-License-Identifier: Apache-2.0
 *
 * cert/identity and cert/verify on whatever d2i_X509 reads: what a client may send. A
 * stranger's certificate is never admitted; what is rendered is printable ASCII.
 */
#include <openssl/err.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "cert/cert.h"
#include "cert/identity.h"
#include "cert/verify.h"
#include "support/pki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_S INT64_C(1720000000)

/* A store of one CA that no input knows the key of. */
static const struct trust *
trust_get(void)
{
    static struct trust *t;

    if (t == NULL) {
        char *dir = dir_temp("fuzz_identity");
        char *path = xformat("%s/ca.pem", dir);
        struct pki_cert_spec spec = {.role = PKI_CA,
                                     .cn = "rootcamtls.com",
                                     .not_before_s = NOW_S - 1000,
                                     .not_after_s = NOW_S + 100000000};
        struct pki_cert *ca = pki_issue(&spec, NULL);
        struct trust_source src = {
            .name = "fuzz", .ca_bundle = path, .max_chain_depth = CHAIN_DEPTH_DEFAULT};
        struct diag diag;

        diag_init(&diag);
        pki_write_certs(path, ca, NULL);
        if (trust_build(&src, NULL, NOW_S, &diag, &t) != 0)
            die("no trust store");
        diag_done(&diag);
        dir_remove(dir);
        pki_free(ca);
        free(path);
        free(dir);
    }
    return t;
}

static void
check_printable(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        gw_assert(s.ptr[i] >= 0x20 && s.ptr[i] <= 0x7e);
}

static void
render(X509 *cert, struct arena *arena)
{
    enum reason reason = REASON_NONE;
    struct identity *id, facts;
    X509 *const chain[] = {cert, cert};
    struct str text;

    if (identity_build(cert, arena, &id, &reason) == 0) {
        check_printable(id->serial);
        check_printable(id->subject);
        check_printable(id->issuer);
        check_printable(id->validity);
        check_printable(id->leaf);
        gw_assert(id->validity.len == 60 && id->serial.len >= 2);
        for (size_t i = 0; i < id->san_dns.count; i++)
            check_printable(id->san_dns.items[i]);
    } else {
        gw_assert(reason == REASON_INVALID || reason == REASON_MAX_SIZE);
    }
    identity_facts(cert, arena, &facts);
    check_printable(facts.subject);
    (void)!identity_chain_pem(chain, 2, PASSTHROUGH_HEADER_MAX, arena, &text);
}

static void
judge(X509 *cert)
{
    STACK_OF(X509) *sent = sk_X509_new_null();
    struct verdict v;

    sk_X509_push(sent, cert);
    verify_chain(trust_get(), cert, sent, NULL, NOW_S, NULL, &v);
    gw_assert(!v.is_admitted && v.reason != REASON_NONE);
    check_printable(str_from(v.detail));
    verdict_done(&v);
    sk_X509_free(sent);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    X509 *cert = cert_from_der(str_make(data, size));
    struct arena arena;

    ERR_clear_error();
    if (cert == NULL)
        return 0;
    arena_init(&arena, CONN_ARENA_BLOCK, CONN_ARENA_MAX);
    render(cert, &arena);
    judge(cert);
    gw_assert(ERR_peek_error() == 0);
    arena_done(&arena);
    X509_free(cert);
    return 0;
}
