/* SPDX-License-Identifier: Apache-2.0
 *
 * Life of a trust store's exceptions, for trust.c alone.
 */
#ifndef CERT_EXCEPTION_INT_H
#define CERT_EXCEPTION_INT_H

#include "cert/exception.h"

struct trust_exceptions {
    struct trust_exception *items; /* texts are owned */
    size_t count;
};

/* GW_E_NOMEM; what was copied until then is freed by exceptions_done. */
int exceptions_copy(struct trust_exceptions *dst, const struct trust_exception *src,
                    size_t count) GW_MUST_USE;
void exceptions_done(struct trust_exceptions *e);
/* Equal for equal exceptions in the same order. */
int exceptions_digest(const struct trust_exceptions *e, uint8_t ret[32]) GW_MUST_USE;

#endif
