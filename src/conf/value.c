/* SPDX-License-Identifier: Apache-2.0
 *
 * Text to values for the configuration. Called by the readers on the control thread. Owns
 * nothing, allocates nothing. Must never take a number that its type cannot hold, nor read
 * a unit that was not written.
 */
#include "conf/value.h"

#include <stdio.h>

#include "base/limits.h"

#define DISTANCE_TEXT_MAX 96

struct unit {
    struct str suffix;
    uint64_t factor;
};

/* Longer suffixes before those that they end in. */
static const struct unit durations[] = {
    {STR_INIT("ms"), 1},
    {STR_INIT("s"), 1000},
    {STR_INIT("m"), 60000},
    {STR_INIT("h"), 3600000},
};

static const struct unit sizes[] = {
    {STR_INIT("KiB"), 1024},
    {STR_INIT("MiB"), 1024 * 1024},
    {STR_INIT("GiB"), 1024 * 1024 * 1024},
    {STR_INIT("B"), 1},
};

int
value_int(struct str s, int64_t *ret)
{
    bool is_negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t value;
    int err = str_parse_u64(is_negative ? str_sub(s, 1, s.len) : s, INT64_MAX, &value);

    if (err != 0)
        return err;
    *ret = is_negative ? -(int64_t)value : (int64_t)value;
    return 0;
}

static int
parse_with_unit(struct str s, const struct unit *units, size_t unit_count, uint64_t max,
                uint64_t *ret)
{
    for (size_t i = 0; i < unit_count; i++) {
        const struct unit *u = &units[i];
        uint64_t n;
        int err;

        if (!str_ends(s, u->suffix))
            continue;
        err = str_parse_u64(str_sub(s, 0, s.len - u->suffix.len), max / u->factor, &n);
        if (err == 0)
            *ret = n * u->factor;
        return err;
    }
    return GW_E_PARSE;
}

int
value_duration(struct str s, int64_t *ret_ms)
{
    uint64_t ms;
    int err = parse_with_unit(s, durations, array_len(durations), INT64_MAX, &ms);

    if (err == 0)
        *ret_ms = (int64_t)ms;
    return err;
}

int
value_size(struct str s, uint64_t *ret)
{
    return parse_with_unit(s, sizes, array_len(sizes), SIZE_SETTING_MAX, ret);
}

int
value_bool(struct str s, bool *ret)
{
    bool is_on = str_eq(s, STR("true")) || str_eq(s, STR("on"));

    if (!is_on && !str_eq(s, STR("false")) && !str_eq(s, STR("off")))
        return GW_E_PARSE;
    *ret = is_on;
    return 0;
}

bool
value_is_name(struct str s, size_t max)
{
    if (s.len == 0 || s.len > max || (!ascii_is_alpha(s.ptr[0]) && !ascii_is_digit(s.ptr[0])))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_' && c != '.')
            return false;
    }
    return true;
}

bool
value_is_printable(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e)
            return false;
    return true;
}

bool
value_is_oid(struct str s)
{
    struct str rest = s;
    struct str piece;
    bool done = false;
    size_t count = 0;

    while (str_split_next(&rest, '.', &done, &piece)) {
        uint64_t arc;

        if (str_parse_u64(piece, UINT64_MAX, &arc) != 0 || (piece.len > 1 && piece.ptr[0] == '0'))
            return false;
        if (count == 0 && arc > 2)
            return false;
        count++;
    }
    return count >= 2;
}

static char
fold(char c)
{
    return c == '-' ? '_' : ascii_lower(c);
}

size_t
value_distance(struct str a, struct str b)
{
    uint8_t row[DISTANCE_TEXT_MAX + 1];

    if (a.len > DISTANCE_TEXT_MAX || b.len > DISTANCE_TEXT_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = (uint8_t)j;
    for (size_t i = 1; i <= a.len; i++) {
        uint8_t diagonal = row[0];

        row[0] = (uint8_t)i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t changed = diagonal + (fold(a.ptr[i - 1]) != fold(b.ptr[j - 1]));
            size_t moved = size_min(row[j], row[j - 1]) + 1;

            diagonal = row[j];
            row[j] = (uint8_t)size_min(changed, moved);
        }
    }
    return row[b.len];
}

size_t
value_format_duration(int64_t ms, char dst[VALUE_DURATION_TEXT_MAX])
{
    size_t i = ms == 0 ? 1 : array_len(durations) - 1;

    while (i > 0 && (uint64_t)ms % durations[i].factor != 0)
        i--;
    return (size_t)snprintf(dst, VALUE_DURATION_TEXT_MAX, "%lld%s",
                            (long long)(ms / (int64_t)durations[i].factor),
                            durations[i].suffix.ptr);
}
