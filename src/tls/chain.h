/* SPDX-License-Identifier: Apache-2.0
 *
 * A certificate of ours with its chain, from a PEM file, checked for what would make
 * handshakes fail later: order, signatures, dates. Control thread.
 */
#ifndef TLS_CHAIN_H
#define TLS_CHAIN_H

#include <openssl/x509.h>

#include "base/diag.h"

struct chain {
    X509 *leaf;
    STACK_OF(X509) * rest; /* what the leaf was issued by, nearest first; not NULL, may be empty */
    int64_t not_after_s;   /* the earliest of all */
};

/* GW_E_CONFIG with diag filled. */
int chain_load(const char *path, struct diag *diag, struct chain *ret) GW_MUST_USE;
/* Every certificate of the bundle is handed over as trusted. */
int chain_load_store(const char *path, X509_STORE *store, struct diag *diag) GW_MUST_USE;
/* Safe on a zeroed struct. */
void chain_done(struct chain *c);

#endif
