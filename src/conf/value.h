/* SPDX-License-Identifier: Apache-2.0
 *
 * Text to values: numbers, durations, sizes, booleans, names. Pure. A range is the caller's
 * affair; what does not fit the type is GW_E_LIMIT, anything else wrong GW_E_PARSE.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include "base/err.h"
#include "base/str.h"

/* Digits with an optional '-' before them. */
int value_int(struct str s, int64_t *ret) GW_MUST_USE;
/* "500ms", "10s", "5m", "24h": digits and a unit, nothing else. Milliseconds. */
int value_duration(struct str s, int64_t *ret_ms) GW_MUST_USE;
/* "16KiB", "1MiB", "2GiB", "512B". Bytes, at most SIZE_SETTING_MAX. */
int value_size(struct str s, uint64_t *ret) GW_MUST_USE;
/* true, false, on, off. */
int value_bool(struct str s, bool *ret) GW_MUST_USE;
/* 1 to max letters, digits, '-', '_', '.'; begins with a letter or digit. */
bool value_is_name(struct str s, size_t max);
/* Only bytes 0x20 to 0x7e. */
bool value_is_printable(struct str s);
/* Dotted numbers, at least two. */
bool value_is_oid(struct str s);
/* How many letters must be changed, added or removed to make b of a; '-' counts as '_', case does
 * not count. Texts longer than 96 bytes are never alike: SIZE_MAX. */
size_t value_distance(struct str a, struct str b);
/* The largest unit that states it in whole numbers: "24h", "1500ms". Returns the length. */
#define VALUE_DURATION_TEXT_MAX 32
size_t value_format_duration(int64_t ms, char dst[VALUE_DURATION_TEXT_MAX]);

#endif
