/* SPDX-License-Identifier: Apache-2.0
 *
 * Narrow exceptions of a trust store: one named failure of a client's own certificate is let
 * pass, for one issuer or one certificate, until a date. Two failures of one certificate are
 * never let pass together. Immutable after the store was built.
 */
#ifndef CERT_EXCEPTION_H
#define CERT_EXCEPTION_H

#include "cert/trust.h"

#define EXCEPTION_TEXT_MAX 320

enum trust_exception_kind {
    TRUST_ALLOW_EXPIRED,
    TRUST_ALLOW_NO_CLIENT_AUTH_EKU, /* extendedKeyUsage without clientAuth */
};

struct trust_exception {
    enum trust_exception_kind kind;
    const char *issuer; /* the certificate's issuer as RFC 2253 text; NULL: sha256 counts */
    uint8_t sha256[32]; /* of the certificate's DER */
    int64_t max_age_s;  /* EXPIRED: at most so long after notAfter */
    int64_t until_s;    /* the last second it holds in */
    const char *why;    /* the operator's words */
};

/* What is asked of the exceptions. */
struct exception_need {
    enum trust_exception_kind kind;
    X509 *leaf;
    int64_t now_s;
    int64_t not_after_s; /* EXPIRED: of leaf */
};

/* The one that holds longest, with the last second it holds in, or NULL. */
const struct trust_exception *
trust_exception_find(const struct trust *t, const struct exception_need *need,
                     int64_t *ret_until_s);
/* "expired, sha256:00.., until 2030-01-31T00:00:00Z: why", cut where it does not fit. */
void exception_describe(const struct trust_exception *e, char text[EXCEPTION_TEXT_MAX]);

#endif
