/* SPDX-License-Identifier: Apache-2.0
 *
 * One description of the state, written three ways: JSON for programs, a page for people,
 * plain text for the terminal. The writer names sections, rows and values; how they look
 * is decided here, so that the three can never tell different stories.
 *
 *   report_begin(&r, out, REPORT_JSON, "sallyport");
 *   report_facts(&r, "process");            an object
 *   report_int(&r, "pid", 1);
 *   report_table(&r, "listeners", columns, 2);   an array of objects
 *   report_row(&r);
 *   report_str(&r, "name", ...);            one call per column, in order
 *   report_end(&r);
 *
 * People see names without '_' and a unit, spans of time as "3h 25m", small tables with one row a
 * line, and "none" in place of an empty table. JSON has the keys and numbers as they are given.
 */
#ifndef CTL_REPORT_H
#define CTL_REPORT_H

#include <stdio.h>

#include "base/str.h"

enum report_format { REPORT_JSON, REPORT_HTML, REPORT_TEXT };

struct report {
    FILE *out;
    enum report_format format;
    enum { REPORT_IDLE, REPORT_IN_FACTS, REPORT_IN_TABLE } section;
    bool has_section; /* not the first */
    bool has_row;
    bool has_value;
    bool is_narrow; /* text: a row is a line */
    size_t columns; /* of the table */
    size_t width;   /* of the value written last, where columns line up */
};

void report_begin(struct report *r, FILE *out, enum report_format format, const char *title);
void report_end(struct report *r);
void report_facts(struct report *r, const char *key);
void report_table(struct report *r, const char *key, const char *const *columns, size_t count);
void report_row(struct report *r);
void report_str(struct report *r, const char *key, struct str value);
void report_int(struct report *r, const char *key, int64_t value);
/* A span of time; its key ends with the unit: "age_seconds", "asked_again_in_ms". */
void report_seconds(struct report *r, const char *key, int64_t seconds);
void report_ms(struct report *r, const char *key, int64_t ms);
void report_bool(struct report *r, const char *key, bool value);
/* Seconds since the epoch as RFC 3339; INT64_MAX and INT64_MIN stand for none. */
void report_time(struct report *r, const char *key, int64_t wall_s);

/* A span as people say it: "2d 4h", "3h 25m", "12s", "-1h 0m". */
#define REPORT_SPAN_MAX 32
void report_format_span(char dst[REPORT_SPAN_MAX], int64_t seconds);
/* The length of the UTF-8 sequence at the start of s, 0 when there is none; s is not empty. */
size_t report_utf8_len(struct str s);
/* A JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD. */
void report_json_string(FILE *out, struct str s);

#endif
