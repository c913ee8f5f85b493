/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the clocks and turns seconds into calendar text and back, by arithmetic alone: no
 * locale, no time zone, no lock. Any thread; owns nothing. Must never write past the
 * lengths named in the header, whatever the number.
 */
#include "base/clock.h"

#include <time.h>

#define SECONDS_PER_DAY 86400
#define MICROS_PER_SECOND 1000000

struct civil {
    int year;
    int month; /* 1-12 */
    int day;   /* 1-31 */
    int hour;
    int minute;
    int second;
    int weekday; /* 0 is Sunday */
};

void
clock_read(struct clock *ret)
{
    struct timespec mono;
    struct timespec wall;

    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME, &wall);
    ret->mono_us = (int64_t)mono.tv_sec * MICROS_PER_SECOND + mono.tv_nsec / 1000;
    ret->mono_ms = ret->mono_us / 1000;
    ret->wall_us = (int64_t)wall.tv_sec * MICROS_PER_SECOND + wall.tv_nsec / 1000;
}

static int64_t
floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days since 1970-01-01. Years are counted from March, so that the leap day comes last, in
 * eras of 400 years (146097 days). */
static int64_t
days_from_civil(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = floor_div(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t month_from_march = (month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

int64_t
clock_from_civil(int year, int month, int day, int hour, int minute, int second)
{
    return days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
}

static void
civil_from_seconds(int64_t wall_s, struct civil *ret)
{
    int64_t first = clock_from_civil(0, 1, 1, 0, 0, 0);
    int64_t last = clock_from_civil(9999, 12, 31, 23, 59, 59);
    int64_t clamped = wall_s < first ? first : wall_s > last ? last : wall_s;
    int64_t days = floor_div(clamped, SECONDS_PER_DAY);
    int64_t rest = clamped - days * SECONDS_PER_DAY;
    int64_t shifted = days + 719468;
    int64_t era = floor_div(shifted, 146097);
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;

    ret->day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    ret->month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    ret->year = (int)(year_of_era + era * 400 + (ret->month <= 2));
    ret->hour = (int)(rest / 3600);
    ret->minute = (int)(rest / 60 % 60);
    ret->second = (int)(rest % 60);
    ret->weekday = (int)(((days + 4) % 7 + 7) % 7);
}

/* Writes value with exactly digits digits and returns the place after it. */
static char *
put_number(char *dst, int value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        dst[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return dst + digits;
}

static char *
put_char(char *dst, char c)
{
    *dst = c;
    return dst + 1;
}

static char *
put_time(char *dst, const struct civil *c)
{
    dst = put_char(put_number(dst, c->hour, 2), ':');
    dst = put_char(put_number(dst, c->minute, 2), ':');
    return put_number(dst, c->second, 2);
}

/* "2023-10-04T17:05:15" */
static char *
put_date_time(char *dst, int64_t wall_s)
{
    struct civil c;

    civil_from_seconds(wall_s, &c);
    dst = put_char(put_number(dst, c.year, 4), '-');
    dst = put_char(put_number(dst, c.month, 2), '-');
    dst = put_char(put_number(dst, c.day, 2), 'T');
    return put_time(dst, &c);
}

void
clock_format_iso_micros(char *dst, int64_t wall_us)
{
    int64_t wall_s = floor_div(wall_us, MICROS_PER_SECOND);

    dst = put_char(put_date_time(dst, wall_s), '.');
    dst = put_number(dst, (int)(wall_us - wall_s * MICROS_PER_SECOND), 6);
    put_char(dst, 'Z');
}

void
clock_format_iso(char *dst, int64_t wall_s)
{
    put_char(put_date_time(dst, wall_s), 'Z');
}

void
clock_format_http(char *dst, int64_t wall_s)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct civil c;

    civil_from_seconds(wall_s, &c);
    memcpy(dst, days + 3 * c.weekday, 3);
    memcpy(dst + 3, ", ", 2);
    dst = put_char(put_number(dst + 5, c.day, 2), ' ');
    memcpy(dst, months + 3 * (c.month - 1), 3);
    dst = put_char(dst + 3, ' ');
    dst = put_char(put_number(dst, c.year, 4), ' ');
    memcpy(put_time(dst, &c), " GMT", 4);
}

/* Takes exactly digits digits off the front of *s. */
static int
take_number(struct str *s, size_t digits, int *ret)
{
    uint64_t value = 0;
    int err = s->len >= digits ? str_parse_u64(str_sub(*s, 0, digits), 9999, &value) : GW_E_PARSE;

    if (err != 0)
        return err;
    *s = str_sub(*s, digits, s->len);
    *ret = (int)value;
    return 0;
}

static int
take_char(struct str *s, const char *any_of)
{
    if (s->len == 0 || s->ptr[0] == '\0' || strchr(any_of, s->ptr[0]) == NULL)
        return GW_E_PARSE;
    *s = str_sub(*s, 1, s->len);
    return 0;
}

static int
days_in_month(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && is_leap);
}

static int
take_date(struct str *s, struct civil *c)
{
    if (take_number(s, 4, &c->year) != 0 || take_char(s, "-") != 0 ||
        take_number(s, 2, &c->month) != 0 || take_char(s, "-") != 0 ||
        take_number(s, 2, &c->day) != 0)
        return GW_E_PARSE;
    if (c->month < 1 || c->month > 12 || c->day < 1 || c->day > days_in_month(c->year, c->month))
        return GW_E_PARSE;
    return 0;
}

static int
take_time(struct str *s, struct civil *c)
{
    if (take_number(s, 2, &c->hour) != 0 || take_char(s, ":") != 0 ||
        take_number(s, 2, &c->minute) != 0 || take_char(s, ":") != 0 ||
        take_number(s, 2, &c->second) != 0)
        return GW_E_PARSE;
    /* 60 is a leap second, which counts as the first second of the next minute. */
    return c->hour <= 23 && c->minute <= 59 && c->second <= 60 ? 0 : GW_E_PARSE;
}

static int
drop_fraction(struct str *s)
{
    int digit;

    if (take_char(s, ".") != 0)
        return 0;
    if (take_number(s, 1, &digit) != 0)
        return GW_E_PARSE;
    while (take_number(s, 1, &digit) == 0)
        ;
    return 0;
}

/* "Z" or "+02:00": seconds to subtract to get UTC. */
static int
take_offset(struct str *s, int *ret_seconds)
{
    int sign;
    int hours;
    int minutes;

    if (take_char(s, "Zz") == 0) {
        *ret_seconds = 0;
        return 0;
    }
    sign = s->len > 0 && s->ptr[0] == '-' ? -1 : 1;
    if (take_char(s, "+-") != 0 || take_number(s, 2, &hours) != 0 || take_char(s, ":") != 0 ||
        take_number(s, 2, &minutes) != 0 || hours > 23 || minutes > 59)
        return GW_E_PARSE;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return 0;
}

int
clock_parse_rfc3339(struct str s, int64_t *ret_wall_s)
{
    struct civil c = {0};
    int offset = 0;

    if (take_date(&s, &c) != 0 || take_char(&s, "Tt ") != 0 || take_time(&s, &c) != 0 ||
        drop_fraction(&s) != 0 || take_offset(&s, &offset) != 0 || s.len > 0)
        return GW_E_PARSE;
    *ret_wall_s = clock_from_civil(c.year, c.month, c.day, c.hour, c.minute, c.second) - offset;
    return 0;
}
