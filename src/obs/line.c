/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes one log line: escaping, numbers, times, cutting. Called by the formatters on the
 * threads of the workers; owns nothing. Must never write past the array, use printf, or let
 * a byte through that could end a field, a line or a JSON string.
 */
#include "obs/line.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"

#define CUT_MARK STR("...")
#define JSON_TRUNCATED STR(",\"truncated\":true")
#define UNIT_MAX 12 /* a surrogate pair */
#define REPLACEMENT 0xfffdu

/* In which of the three places a byte stands for itself. */
enum { IN_BARE = 1, IN_QUOTED = 2, IN_JSON = 4, IN_ALL = 7 };

static const uint8_t plain_in[256] = {
    [0x20] = IN_QUOTED | IN_JSON,
    [0x21] = IN_ALL,
    [0x23 ... 0x5b] = IN_ALL,
    [0x5d ... 0x7e] = IN_ALL,
};

static void
line_init(struct line *l, const struct line_job *job, bool is_cut)
{
    gw_assert(job->cap >= LINE_CAP_MIN);
    *l = (struct line){.start = job->dst, .at = job->dst, .style = job->style};
    l->tail_bytes = job->style == LINE_JSON ? JSON_TRUNCATED.len + 2 : 1;
    l->end = job->dst + size_min(job->cap, LOG_LINE_MAX) - l->tail_bytes;
    l->is_cut = is_cut;
    l->widths[LINE_SHORT] = is_cut ? LOG_SHORT_CUT : SIZE_MAX;
    l->widths[LINE_LONG] = is_cut ? LOG_LONG_CUT : SIZE_MAX;
    if (job->style == LINE_JSON)
        *l->at++ = '{';
}

/* Closes the line; its length, or 0 when it did not fit. */
static size_t
line_finish(struct line *l)
{
    if (l->overflow)
        return 0;
    gw_assert(l->at != NULL);
    l->end += l->tail_bytes;
    if (l->style == LINE_JSON) {
        if (l->has_losses)
            line_put(l, JSON_TRUNCATED);
        *l->at++ = '}';
    }
    *l->at++ = '\n';
    return (size_t)(l->at - l->start);
}

/* Room for n bytes, or NULL after an overflow. */
static char *
reserve(struct line *l, size_t n)
{
    char *at = l->at;

    if (unlikely(l->overflow || (size_t)(l->end - at) < n)) {
        l->overflow = true;
        return NULL;
    }
    l->at += n;
    return at;
}

void
line_put(struct line *l, struct str s)
{
    char *at = reserve(l, s.len);

    if (likely(at != NULL && s.len > 0))
        memcpy(at, s.ptr, s.len);
}

void
line_put_u64(struct line *l, uint64_t n)
{
    char digits[STR_U64_MAX];

    line_put(l, str_make(digits, str_u64(digits, n)));
}

/* ---- escaping ---- */

static bool
is_continuation(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}

/* One character from the front of s (not empty, first byte >= 0x80). Returns the bytes it took;
 * what is not well-formed (RFC 3629) counts one byte and reads as U+FFFD. */
static size_t
utf8_decode(struct str s, uint32_t *ret)
{
    const uint8_t *b = (const uint8_t *)s.ptr;
    size_t len = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t c = b[0] & (0x7fu >> len);

    *ret = REPLACEMENT;
    if (b[0] < 0xc2 || b[0] > 0xf4 || s.len < len)
        return 1;
    for (size_t i = 1; i < len; i++) {
        if (!is_continuation(b[i]))
            return 1;
        c = c << 6 | (b[i] & 0x3fu);
    }
    if (c < smallest[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 1;
    *ret = c;
    return len;
}

static size_t
put_u16_escape(char *dst, uint32_t code)
{
    const uint8_t bytes[2] = {(uint8_t)(code >> 8), (uint8_t)code};

    dst[0] = '\\';
    dst[1] = 'u';
    str_hex_lower(dst + 2, bytes, 2);
    return 6;
}

/* The escape of the first character of s into unit; *ret_used is what it took of s. */
static size_t
escape_json(char unit[UNIT_MAX], struct str s, size_t *ret_used)
{
    uint8_t byte = (uint8_t)s.ptr[0];
    uint32_t c = byte;

    *ret_used = 1;
    if (byte == '"' || byte == '\\') {
        unit[0] = '\\';
        unit[1] = (char)byte;
        return 2;
    }
    if (byte >= 0x80)
        *ret_used = utf8_decode(s, &c);
    if (c < 0x10000)
        return put_u16_escape(unit, c);
    put_u16_escape(unit, 0xd800 + ((c - 0x10000) >> 10));
    put_u16_escape(unit + 6, 0xdc00 + ((c - 0x10000) & 0x3ff));
    return 12;
}

static size_t
escape_alb(char unit[UNIT_MAX], struct str s, size_t *ret_used)
{
    const uint8_t byte = (uint8_t)s.ptr[0];

    unit[0] = '\\';
    unit[1] = 'x';
    str_hex_upper(unit + 2, &byte, 1);
    *ret_used = 1;
    return 4;
}

static size_t
plain_run(struct str s, size_t from, uint8_t place)
{
    size_t i = from;

    while (i < s.len && (plain_in[(uint8_t)s.ptr[i]] & place) != 0)
        i++;
    return i - from;
}

/* Escaped bytes of s up to stop; returns how much of s was taken. */
static size_t
escape_into(struct line *l, struct str s, uint8_t place, const char *stop)
{
    char unit[UNIT_MAX];
    size_t i = 0;

    while (i < s.len) {
        size_t run = plain_run(s, i, place);
        size_t fitting = size_min(run, (size_t)(stop - l->at));
        size_t used = 0, unit_len;
        struct str rest;

        memcpy(l->at, s.ptr + i, fitting);
        l->at += fitting;
        i += fitting;
        rest = str_sub(s, i, s.len);
        if (fitting < run || rest.len == 0)
            break;
        unit_len =
            place == IN_JSON ? escape_json(unit, rest, &used) : escape_alb(unit, rest, &used);
        if ((size_t)(stop - l->at) < unit_len)
            break;
        memcpy(l->at, unit, unit_len);
        l->at += unit_len;
        i += used;
    }
    return i;
}

static void
put_escaped(struct line *l, struct str s, uint8_t place, enum line_width width)
{
    size_t max = l->widths[width];
    bool is_limited = (size_t)(l->end - l->at) > max;
    const char *stop = is_limited ? l->at + max - CUT_MARK.len : l->end;

    if (l->overflow || escape_into(l, s, place, stop) == s.len)
        return;
    l->has_losses = true;
    if (is_limited)
        line_put(l, CUT_MARK);
    else
        l->overflow = true;
}

void
line_put_quoted(struct line *l, struct str s, enum line_width width)
{
    put_escaped(l, s, l->style == LINE_JSON ? IN_JSON : IN_QUOTED, width);
}

void
line_put_bare(struct line *l, struct str s)
{
    put_escaped(l, s, l->style == LINE_JSON ? IN_JSON : IN_BARE, LINE_SHORT);
}

static void
put_time(struct line *l, int64_t wall_us)
{
    char *at = reserve(l, CLOCK_ISO_MICROS_LEN);

    if (likely(at != NULL))
        clock_format_iso_micros(at, wall_us);
}

static void
put_seconds(struct line *l, int64_t us)
{
    uint64_t ms = ((uint64_t)us + 500) / 1000;
    const char decimals[4] = {'.', (char)('0' + ms / 100 % 10), (char)('0' + ms / 10 % 10),
                              (char)('0' + ms % 10)};

    line_put_u64(l, ms / 1000);
    line_put(l, str_make(decimals, sizeof(decimals)));
}

/* ---- ALB's layout ---- */

void
line_space(struct line *l)
{
    if (l->at > l->start)
        line_put(l, STR(" "));
}

void
line_bare(struct line *l, struct str s)
{
    line_space(l);
    if (s.len == 0)
        line_put(l, STR("-"));
    else
        line_put_bare(l, s);
}

void
line_quoted(struct line *l, struct str s, enum line_width width)
{
    line_space(l);
    line_put(l, STR("\""));
    line_put_quoted(l, s.len == 0 ? STR("-") : s, width);
    line_put(l, STR("\""));
}

void
line_u64(struct line *l, uint64_t n)
{
    line_space(l);
    line_put_u64(l, n);
}

void
line_u64_or_dash(struct line *l, uint64_t n)
{
    if (n == 0)
        line_bare(l, (struct str){0});
    else
        line_u64(l, n);
}

void
line_seconds(struct line *l, int64_t us, struct str unknown)
{
    line_space(l);
    if (us < 0)
        line_put(l, unknown);
    else
        put_seconds(l, us);
}

void
line_time(struct line *l, int64_t wall_us)
{
    line_space(l);
    if (wall_us == 0)
        line_put(l, STR("-"));
    else
        put_time(l, wall_us);
}

/* ---- JSON ---- */

/* Writes the comma and the key; returns where the member began. */
static char *
member_begin(struct line *l, struct str key)
{
    char *began = l->at;

    line_put(l, l->at[-1] == '{' ? STR("\"") : STR(",\""));
    line_put(l, key);
    line_put(l, STR("\":"));
    return began;
}

/* On the second attempt a member that did not fit is taken back. */
static void
member_end(struct line *l, char *began)
{
    if (!l->overflow || !l->is_cut)
        return;
    l->at = began;
    l->overflow = false;
    l->has_losses = true;
}

static void
member_literal(struct line *l, struct str key, struct str literal)
{
    char *began = member_begin(l, key);

    line_put(l, literal);
    member_end(l, began);
}

char *
line_json_open(struct line *l, struct str key)
{
    char *began = member_begin(l, key);

    line_put(l, STR("\""));
    return began;
}

void
line_json_close(struct line *l, char *opened)
{
    line_put(l, STR("\""));
    member_end(l, opened);
}

void
line_json_text(struct line *l, struct str key, struct str value, enum line_width width)
{
    char *opened;

    if (value.len == 0) {
        member_literal(l, key, STR("null"));
        return;
    }
    opened = line_json_open(l, key);
    line_put_quoted(l, value, width);
    line_json_close(l, opened);
}

void
line_json_text_if(struct line *l, struct str key, struct str value, enum line_width width)
{
    if (value.len > 0)
        line_json_text(l, key, value, width);
}

void
line_json_u64(struct line *l, struct str key, uint64_t n)
{
    char *began = member_begin(l, key);

    line_put_u64(l, n);
    member_end(l, began);
}

void
line_json_u64_or_null(struct line *l, struct str key, uint64_t n)
{
    if (n == 0)
        member_literal(l, key, STR("null"));
    else
        line_json_u64(l, key, n);
}

void
line_json_i64(struct line *l, struct str key, int64_t n)
{
    char *began = member_begin(l, key);

    if (n < 0)
        line_put(l, STR("-"));
    line_put_u64(l, n < 0 ? (uint64_t)0 - (uint64_t)n : (uint64_t)n);
    member_end(l, began);
}

void
line_json_bool(struct line *l, struct str key, bool value)
{
    member_literal(l, key, value ? STR("true") : STR("false"));
}

void
line_json_seconds(struct line *l, struct str key, int64_t us, struct str unknown)
{
    char *began = member_begin(l, key);

    if (us < 0)
        line_put(l, unknown);
    else
        put_seconds(l, us);
    member_end(l, began);
}

void
line_json_time(struct line *l, struct str key, int64_t wall_us)
{
    char *opened;

    if (wall_us == 0) {
        member_literal(l, key, STR("null"));
        return;
    }
    opened = line_json_open(l, key);
    put_time(l, wall_us);
    line_json_close(l, opened);
}

void
line_json_list_if(struct line *l, struct str key, const struct str *items, size_t count)
{
    char *began;

    if (count == 0)
        return;
    began = member_begin(l, key);
    line_put(l, STR("["));
    for (size_t i = 0; i < count; i++) {
        line_put(l, i > 0 ? STR(",\"") : STR("\""));
        line_put_quoted(l, items[i], LINE_SHORT);
        line_put(l, STR("\""));
    }
    line_put(l, STR("]"));
    member_end(l, began);
}

size_t
line_format(const struct line_job *job, line_write_fn write, const void *record)
{
    struct line l;
    size_t len;

    if (job->cap < LINE_CAP_MIN)
        return 0;
    line_init(&l, job, false);
    write(&l, record);
    len = line_finish(&l);
    if (len > 0 || job->cap < LOG_LINE_MAX)
        return len;
    line_init(&l, job, true);
    write(&l, record);
    return line_finish(&l);
}
