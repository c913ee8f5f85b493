/* SPDX-License-Identifier: Apache-2.0
 *
 * One log line being written into a fixed array: numbers, times and escaped text, in ALB's
 * space-separated layout or as a JSON object. No printf, no allocation: this runs on the
 * request path. Bytes are escaped so that a line stays a line and a field stays a field:
 *
 *   bare    ALB, not in quotes   all but 0x21-0x7e, and '"' and '\': \xNN
 *   quoted  ALB, in quotes       the same, with the space allowed
 *   json    JSON string          '"' and '\' by '\', the rest \uNNNN; text that is not UTF-8
 *                                gives U+FFFD for each byte that is not
 *
 * A line is first written whole. Only when it does not fit is it written a second time:
 * each text is then cut to a fixed width and ends with "...". ALB's
 * layout fits for certain then; in JSON, a member that still does not fit is left out and the
 * object says "truncated":true.
 */
#ifndef OBS_LINE_H
#define OBS_LINE_H

#include "base/str.h"

enum line_style { LINE_ALB, LINE_JSON };
enum line_width { LINE_SHORT, LINE_LONG }; /* LOG_SHORT_CUT or LOG_LONG_CUT escaped bytes */

struct line {
    char *start;
    char *at;
    char *end;         /* what closes the line has its place beyond */
    size_t tail_bytes; /* that place */
    size_t widths[2];
    enum line_style style;
    bool is_cut;     /* this is the second attempt */
    bool overflow;   /* first attempt: it does not fit */
    bool has_losses; /* a text was cut or a member left out */
};

/* Writes one line by write(l, record) into dst, with its newline: whole, or cut to LOG_LINE_MAX.
 * Its length, or 0 when cap is too small. */
#define LINE_CAP_MIN 64
struct line_job {
    enum line_style style;
    char *dst;
    size_t cap;
};
typedef void (*line_write_fn)(struct line *l, const void *record);
size_t line_format(const struct line_job *job, line_write_fn write, const void *record);

/* Pieces of a field. line_put takes our own text only. */
void line_put(struct line *l, struct str s);
void line_put_u64(struct line *l, uint64_t n);
/* Inside quotes that the caller puts. */
void line_put_quoted(struct line *l, struct str s, enum line_width width);
/* Not in quotes, in ALB's layout; in JSON as line_put_quoted. */
void line_put_bare(struct line *l, struct str s);

/* Whole fields of ALB's layout, with the space before them; '-' for what is not known. */
void line_space(struct line *l);
void line_bare(struct line *l, struct str s);
void line_quoted(struct line *l, struct str s, enum line_width width);
void line_u64(struct line *l, uint64_t n);
void line_u64_or_dash(struct line *l, uint64_t n); /* 0 is not known */
/* Seconds with three decimals; negative gives unknown. */
void line_seconds(struct line *l, int64_t us, struct str unknown);
void line_time(struct line *l, int64_t wall_us); /* 0 is not known */

/* Members of a JSON object. json_text and json_time write null for what is not known,
 * json_text_if leaves it out. */
void line_json_text(struct line *l, struct str key, struct str value, enum line_width width);
void line_json_text_if(struct line *l, struct str key, struct str value, enum line_width width);
void line_json_u64(struct line *l, struct str key, uint64_t n);
void line_json_u64_or_null(struct line *l, struct str key, uint64_t n);
void line_json_i64(struct line *l, struct str key, int64_t n);
void line_json_bool(struct line *l, struct str key, bool value);
void line_json_seconds(struct line *l, struct str key, int64_t us, struct str unknown);
void line_json_time(struct line *l, struct str key, int64_t wall_us);
void line_json_list_if(struct line *l, struct str key, const struct str *items, size_t count);
/* For a value of several pieces: between the two, line_put_quoted. */
char *line_json_open(struct line *l, struct str key);
void line_json_close(struct line *l, char *opened);

#endif
