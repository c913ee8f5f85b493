/* SPDX-License-Identifier: Apache-2.0
 *
 * Time is asked once per loop turn and handed down. Deadlines use mono_ms, validity and
 * logs use wall time. A test fills the struct itself.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/base.h"
#include "base/str.h"

struct clock {
    int64_t mono_ms; /* CLOCK_MONOTONIC */
    int64_t mono_us;
    int64_t wall_us; /* CLOCK_REALTIME since the epoch */
};

void clock_read(struct clock *ret);

static inline int64_t
clock_wall_s(const struct clock *c)
{
    return c->wall_us / 1000000;
}

/* "2023-10-04T17:05:15.514108Z": 27 characters, no NUL. Years 0000-9999. */
#define CLOCK_ISO_MICROS_LEN 27
void clock_format_iso_micros(char *dst, int64_t wall_us);
/* "2023-10-04T17:05:15Z": 20 characters, no NUL. */
#define CLOCK_ISO_LEN 20
void clock_format_iso(char *dst, int64_t wall_s);
/* "Tue, 24 Nov 2026 03:08:00 GMT" (RFC 9110 5.6.7): 29 characters, no NUL. */
#define CLOCK_HTTP_LEN 29
void clock_format_http(char *dst, int64_t wall_s);
/* RFC 3339 with Z or an offset, seconds precision or finer (fraction dropped). */
int clock_parse_rfc3339(struct str s, int64_t *ret_wall_s) GW_MUST_USE;
/* Days and seconds to the epoch, proleptic Gregorian, any year 0-9999. */
int64_t clock_from_civil(int year, int month, int day, int hour, int minute, int second);

#endif
