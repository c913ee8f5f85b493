/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the list loader share: crl.c (frame, signature, entries, questions) and
 * crl_ext.c (extensions of the list). Nobody else includes this.
 */
#ifndef CERT_CRL_INT_H
#define CERT_CRL_INT_H

#include "base/arena.h"
#include "base/ref.h"
#include "cert/crl.h"
#include "cert/crl_index.h"

#define CRL_ISSUER_TEXT_MAX 256

struct crl {
    struct ref ref;
    struct crl_info info;
    struct crl_index index;   /* what it revokes */
    struct crl_index removed; /* a delta: what it takes off its base */
    struct arena strings;
    X509 *signer;
};

struct crl_loader {
    struct crl *c;
    STACK_OF(X509) * candidates;
    struct diag *diag;
    const char *file;
    int line;
    int64_t now_s;
    bool destroys_der;
    char issuer[CRL_ISSUER_TEXT_MAX]; /* for messages; empty until known */
    struct str tbs;                   /* signed bytes, tag included */
    struct str algorithm, signature;
    struct str entries;    /* content of revokedCertificates */
    struct str extensions; /* content of crlExtensions */
};

/* Notes what is wrong and returns GW_E_CONFIG. */
int crl_fail(const struct crl_loader *l, const char *fmt, ...) GW_PRINTF(2, 3);
int crl_fail_der(const struct crl_loader *l, const char *what);
int crl_fail_critical(const struct crl_loader *l, const char *where, struct str oid);

/* Reads l->extensions into the list's facts. */
int crl_read_extensions(struct crl_loader *l) GW_MUST_USE;

#endif
