/* SPDX-License-Identifier: Apache-2.0
 *
 * The judge. One function decides about a client certificate for live handshakes, for the
 * sweep after a reload and for `explain`: path building against the trust store, dates,
 * X.509v3, keys and signatures, key usage and EKU clientAuth, depth, name constraints,
 * then revocation of every certificate below the anchor. Pure: time is an argument.
 * Any thread, as long as the trust is referenced.
 *
 * OpenSSL builds and checks the path (X509_verify_cert with partial chains allowed); its
 * CRL checking is never turned on. Rules beyond OpenSSL follow the Application Load
 * Balancer guide, "Mutual authentication with TLS".
 */
#ifndef CERT_VERIFY_H
#define CERT_VERIFY_H

#include <openssl/x509.h>

#include "base/limits.h"
#include "cert/exception.h"
#include "cert/reason.h"
#include "cert/trust.h"

#define VERDICT_DETAIL_MAX 512

struct verify_options {
    bool ignore_expiry; /* expired client (leaf) certificates pass; notBefore still holds */
};

/* One line per step for `explain`; NULL on the data path. ok tells whether the step passed. */
struct verify_trace {
    void (*step)(void *arg, bool ok, const char *text);
    void *arg;
};

struct verdict {
    bool is_admitted;
    enum reason reason;
    int depth;                       /* of the certificate that decided: 0 is the leaf */
    char detail[VERDICT_DETAIL_MAX]; /* plain words, for the log and explain; printable ASCII */
    int64_t valid_until_s; /* earliest notAfter of the chain or end of a list; INT64_MAX unknown */
    X509 *chain[CHAIN_DEPTH_MAX + 2]; /* leaf first, anchor last; referenced: verdict_done */
    int chain_count;                  /* 0 when no path was found */
    /* What let a failure pass; NULL when there was none. Lives as long as the trust. */
    const struct trust_exception *exception;
};

/* When several things are wrong the reason is the first of: size, chain depth, malformed,
 * untrusted, revoked, key type, signature algorithm, expired, not yet valid, purpose, list expired,
 * list missing. max_chain_depth counts every certificate of the path, client and anchor included;
 * the anchor is the first certificate of the path that is in the bundle, and the path ends there. A
 * listed serial is refused whatever the options and the age of the list, be it the anchor's own. No
 * EKU is allowed; an EKU without clientAuth is not, even with anyExtendedKeyUsage. An exception of
 * the trust store lets one failure of the leaf pass, never two.
 *
 * untrusted: what else the client sent (may be NULL, may contain the leaf). Always fills *ret. */
void verify_chain(const struct trust *trust, X509 *leaf, STACK_OF(X509) * untrusted,
                  const struct verify_options *options, int64_t now_s,
                  const struct verify_trace *trace, struct verdict *ret);
/* The cheap second look at a chain that verify_chain admitted under a trust with the same
 * anchors: revocation, dates and exceptions only, no signature. chain as in the verdict. Leaves
 * ret->chain empty. */
void verify_again(const struct trust *trust, X509 *const *chain, int chain_count,
                  const struct verify_options *options, int64_t now_s, struct verdict *ret);
void verdict_done(struct verdict *v);

#endif
