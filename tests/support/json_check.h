/* SPDX-License-Identifier: Apache-2.0
 *
 * A small strict JSON reader (RFC 8259) for checking what the gateway writes: valid or not,
 * and the value of one member of the outermost object. Text must be UTF-8.
 */
#ifndef SUPPORT_JSON_CHECK_H
#define SUPPORT_JSON_CHECK_H

#include "base/base.h"
#include "base/str.h"
#include "support/util.h"

/* One value with white space around it and nothing else. */
bool json_is_valid(struct str text);
/* The member's raw text ("\"x\"", "12", "null"). False when it is absent or text is no object. */
bool json_member(struct str text, const char *key, struct str *ret_raw);
/* A raw string value decoded to UTF-8 and appended to out. False when it is no string. */
bool json_decode(struct str raw, struct bytes *out);
/* Member key is the string want. */
bool json_member_is(struct str text, const char *key, const char *want);
/* How many members the outermost object has with that key. */
size_t json_member_count(struct str text, const char *key);

#endif
