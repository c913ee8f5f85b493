/* SPDX-License-Identifier: Apache-2.0
 *
 * SPIFFE identifiers, by the grammar of the SPIFFE ID standard (section 2): "spiffe://", a
 * trust domain of lower-case letters, digits, '.', '-' and '_', and a path of segments that
 * are neither empty nor "." nor "..". No port, no user, no query, no fragment, no percent.
 * What is not so is no identifier, and equals nothing. Pure.
 */
#ifndef POLICY_SPIFFE_H
#define POLICY_SPIFFE_H

#include "base/str.h"

/* Begins "spiffe:" in any case: to be held to the grammar. */
bool spiffe_is_meant(struct str text);
bool spiffe_is_id(struct str id);
/* An identifier whose last segment may be "*", for exactly one segment. */
bool spiffe_is_pattern(struct str pattern);
/* Byte by byte. False when either is not what it should be. */
bool spiffe_matches(struct str pattern, struct str id);

#endif
