/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the judge share: verify.c (findings, dates, revocation, entry points)
 * and verify_path.c (the path and the rules about its certificates). Nobody else includes
 * this.
 */
#ifndef CERT_VERIFY_INT_H
#define CERT_VERIFY_INT_H

#include "cert/verify.h"

struct judge {
    const struct trust *trust;
    const struct verify_options *options;
    const struct verify_trace *trace;
    struct verdict *v;
    X509 *const *chain; /* leaf first, anchor last */
    int count;
    int64_t now_s;
    uint32_t found;  /* a bit for each reason found so far */
    bool is_generic; /* the verdict's words are libcrypto's: ours about the same are better */
};

/* Notes what is wrong; the gravest finding becomes the verdict's reason. */
void
judge_found(struct judge *j, enum reason reason, int depth, const char *fmt, ...) GW_PRINTF(4, 5);
void judge_found_about(struct judge *j, enum reason reason, int depth, const X509 *cert,
                       const char *what);
bool judge_has_found(const struct judge *j, enum reason reason);
/* Tells the trace; costs nothing without one. */
void judge_passed(const struct judge *j, const char *fmt, ...) GW_PRINTF(2, 3);
/* False and found when an extension is malformed or repeated. */
bool judge_is_readable(struct judge *j, X509 *cert, int depth);

/* extendedKeyUsage is there and leaves clientAuth out. */
bool judge_lacks_client_auth(X509 *cert);

/* Fills the chain of the judge and of the verdict; false when there is no path. */
bool verify_path_build(struct judge *j, X509 *leaf, STACK_OF(X509) * untrusted);
void verify_path_depth(struct judge *j);
/* Version, keys, signatures, and what the leaf is for. */
void verify_path_rules(struct judge *j);

#endif
