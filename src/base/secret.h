/* SPDX-License-Identifier: Apache-2.0
 *
 * Random bytes and memory for secrets: wiped when freed, kept out of core dumps.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/base.h"

/* From getrandom(2); aborts if the kernel cannot. */
void secret_random(void *dst, size_t n);
/* Locked when the limit allows, MADV_DONTDUMP, zeroed. NULL on failure. */
void *secret_alloc(size_t n) GW_MUST_USE;
void secret_free(void *p, size_t n);
/* Not removed by the compiler. */
void secret_wipe(void *p, size_t n);

#endif
