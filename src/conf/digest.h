/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 over a sequence of fields, each with its length before it, so that no two
 * different sequences are the same bytes.
 */
#ifndef CONF_DIGEST_H
#define CONF_DIGEST_H

#include "base/base.h"
#include "base/str.h"

#define DIGEST_BYTES 32

struct digest {
    void *ctx;
};

void digest_init(struct digest *d);
void digest_add(struct digest *d, struct str field);
void digest_add_number(struct digest *d, int64_t number);
/* SHA-256 of these bytes alone, as other programs compute it. */
void digest_bytes(struct str bytes, uint8_t ret[DIGEST_BYTES]);
/* Fills ret; d is dead afterwards. */
void digest_done(struct digest *d, uint8_t ret[DIGEST_BYTES]);

#endif
