/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON, HTML and text writers behind one set of calls. Called by status and explain on the
 * control thread; owns nothing. Must never write a byte of a value unescaped.
 */
#include "ctl/report.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"

enum { NARROW_COLUMNS_MAX = 3, NARROW_WIDTH = 26, LABEL_WIDTH = 30 };

static const char page_head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\">"
    "<meta http-equiv=\"refresh\" content=\"15\"><title>%s</title>\n<style>"
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;"
    "color:#1c2733;background:#fff}"
    "h1{font-size:1.5em}h2{font-size:1.1em;margin:1.8em 0 .4em;text-transform:capitalize}"
    "table{border-collapse:collapse;width:100%%;display:block;overflow-x:auto}"
    "th,td{text-align:left;vertical-align:top;padding:.3em 1em .3em 0;"
    "border-bottom:1px solid #d8dee6;overflow-wrap:anywhere}"
    "th{font-weight:600;color:#51606f;white-space:nowrap}"
    ".attention tr:not(.none) td{background:#fdecd2;color:#5b3a00;padding-left:.5em}"
    "@media(prefers-color-scheme:dark){body{color:#d7dee6;background:#14191f}"
    "th{color:#93a1b0}th,td{border-color:#2c3640}"
    ".attention tr:not(.none) td{background:#4a3310;color:#ffdfae}}"
    "</style></head><body><h1>%s</h1>\n";

/* RFC 3629 4 */
size_t
report_utf8_len(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    unsigned low = 0x80, high = 0xbf;

    if (len == 1)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4 || s.len < len)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    }
    return len;
}

/* How many bytes of s one step wrote. */
static size_t
json_step(FILE *out, struct str s)
{
    unsigned char c = (unsigned char)s.ptr[0];
    size_t len;

    if (c == '"' || c == '\\') {
        fprintf(out, "\\%c", c);
        return 1;
    }
    if (c < 0x20 || c == 0x7f) {
        fprintf(out, "\\u%04x", c);
        return 1;
    }
    len = report_utf8_len(s);
    if (len == 0) {
        fputs("\\ufffd", out);
        return 1;
    }
    fwrite(s.ptr, 1, len, out);
    return len;
}

void
report_json_string(FILE *out, struct str s)
{
    fputc('"', out);
    while (s.len > 0)
        s = str_sub(s, json_step(out, s), s.len);
    fputc('"', out);
}

static void
html_text(FILE *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
            fprintf(out, "&#%u;", c);
        else if (c < 0x20 || c == 0x7f)
            fputc(c == '\n' ? '\n' : '?', out);
        else
            fputc(c, out);
    }
}

/* Returns how wide it is. */
static size_t
plain_text(FILE *out, struct str s)
{
    size_t width = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c < 0x20 || c == 0x7f) {
            fprintf(out, "\\x%02x", c);
            width += strlen("\\x00");
        } else {
            fputc(c, out);
            width += (c & 0xc0) != 0x80;
        }
    }
    return width;
}

/* "last_reload" reads "last reload" to people, "age_seconds" reads "age", "seconds_to_next_update"
 * reads "to next update". */
static size_t
label(FILE *out, const char *key)
{
    struct str rest = str_from(key);

    if (str_ends(rest, STR("_seconds")))
        rest.len -= strlen("_seconds");
    else if (str_ends(rest, STR("_ms")))
        rest.len -= strlen("_ms");
    else if (str_starts(rest, STR("seconds_")))
        rest = str_sub(rest, strlen("seconds_"), rest.len);
    for (size_t i = 0; i < rest.len; i++)
        fputc(rest.ptr[i] == '_' ? ' ' : rest.ptr[i], out);
    return rest.len;
}

static void
pad(FILE *out, size_t width, size_t wanted)
{
    fprintf(out, "%*s", (int)(width < wanted ? wanted - width + 2 : 2), "");
}

void
report_begin(struct report *r, FILE *out, enum report_format format, const char *title)
{
    *r = (struct report){.out = out, .format = format};
    if (format == REPORT_JSON)
        fputc('{', out);
    else if (format == REPORT_HTML)
        fprintf(out, page_head, title, title);
    else
        fprintf(out, "%s\n", title);
}

static void
row_end(struct report *r)
{
    if (!r->has_row)
        return;
    if (r->format == REPORT_JSON)
        fputc('}', r->out);
    else if (r->format == REPORT_HTML)
        fputs("</tr>\n", r->out);
    else if (r->is_narrow)
        fputc('\n', r->out);
    r->has_row = false;
}

static void
section_end(struct report *r)
{
    if (r->section == REPORT_IDLE)
        return;
    row_end(r);
    if (r->section == REPORT_IN_TABLE && !r->has_value && r->format == REPORT_HTML)
        fprintf(r->out, "<tr class=\"none\"><td colspan=\"%zu\">none</td></tr>\n", r->columns);
    else if (r->section == REPORT_IN_TABLE && !r->has_value && r->format == REPORT_TEXT)
        fputs("  none\n", r->out);
    if (r->format == REPORT_JSON)
        fputc(r->section == REPORT_IN_TABLE ? ']' : '}', r->out);
    else if (r->format == REPORT_HTML)
        fputs("</table>\n", r->out);
    r->section = REPORT_IDLE;
}

static void
section_begin(struct report *r, const char *key)
{
    section_end(r);
    if (r->format == REPORT_JSON) {
        fputs(r->has_section ? ",\n" : "", r->out);
        report_json_string(r->out, str_from(key));
        fputc(':', r->out);
    } else if (r->format == REPORT_HTML) {
        fputs("<h2>", r->out);
        label(r->out, key);
        fprintf(r->out, "</h2>\n<table class=\"%s\">", key);
    } else {
        fputc('\n', r->out);
        label(r->out, key);
        fputc('\n', r->out);
    }
    r->has_section = true;
    r->has_value = false;
    r->is_narrow = false;
}

void
report_facts(struct report *r, const char *key)
{
    section_begin(r, key);
    r->section = REPORT_IN_FACTS;
    if (r->format == REPORT_JSON)
        fputc('{', r->out);
}

static void
html_heads(FILE *out, const char *const *columns, size_t count)
{
    fputs("<tr>", out);
    for (size_t i = 0; i < count; i++) {
        fputs("<th>", out);
        label(out, columns[i]);
        fputs("</th>", out);
    }
    fputs("</tr>\n", out);
}

/* Of tables whose columns do not speak for themselves. */
static void
text_heads(FILE *out, const char *const *columns, size_t count)
{
    size_t width = NARROW_WIDTH;

    for (size_t i = 0; i < count; i++) {
        pad(out, width, NARROW_WIDTH);
        width = label(out, columns[i]);
    }
    fputc('\n', out);
}

void
report_table(struct report *r, const char *key, const char *const *columns, size_t count)
{
    section_begin(r, key);
    r->section = REPORT_IN_TABLE;
    r->is_narrow = r->format == REPORT_TEXT && count <= NARROW_COLUMNS_MAX;
    r->columns = count;
    if (r->format == REPORT_JSON)
        fputc('[', r->out);
    if (r->format == REPORT_HTML)
        html_heads(r->out, columns, count);
    else if (r->is_narrow && count == NARROW_COLUMNS_MAX)
        text_heads(r->out, columns, count);
}

void
report_row(struct report *r)
{
    bool is_first = !r->has_value;

    gw_assert(r->section == REPORT_IN_TABLE);
    row_end(r);
    if (r->format == REPORT_JSON)
        fputs(is_first ? "{" : ",{", r->out);
    else if (r->format == REPORT_HTML)
        fputs("<tr>", r->out);
    else if (!is_first && !r->is_narrow)
        fputc('\n', r->out);
    r->has_row = true;
    r->has_value = false;
}

void
report_end(struct report *r)
{
    section_end(r);
    if (r->format == REPORT_JSON)
        fputs("}\n", r->out);
    else if (r->format == REPORT_HTML)
        fputs("</body></html>\n", r->out);
}

/* What stands before a value. */
static void
value_begin(struct report *r, const char *key)
{
    gw_assert(r->section != REPORT_IDLE);
    if (r->format == REPORT_JSON) {
        fputs(r->has_value ? "," : "", r->out);
        report_json_string(r->out, str_from(key));
        fputc(':', r->out);
    } else if (r->format == REPORT_HTML && r->section == REPORT_IN_FACTS) {
        fputs("<tr><th>", r->out);
        label(r->out, key);
        fputs("</th><td>", r->out);
    } else if (r->format == REPORT_HTML) {
        fputs("<td>", r->out);
    } else if (r->is_narrow) {
        pad(r->out, r->has_value ? r->width : NARROW_WIDTH, NARROW_WIDTH);
    } else {
        fputs("  ", r->out);
        pad(r->out, label(r->out, key), LABEL_WIDTH);
    }
    r->has_value = true;
}

static void
value_end(struct report *r)
{
    if (r->format == REPORT_HTML)
        fputs(r->section == REPORT_IN_FACTS ? "</td></tr>\n" : "</td>", r->out);
    else if (r->format == REPORT_TEXT && !r->is_narrow)
        fputc('\n', r->out);
}

void
report_str(struct report *r, const char *key, struct str value)
{
    value_begin(r, key);
    if (r->format == REPORT_JSON)
        report_json_string(r->out, value);
    else if (r->format == REPORT_HTML)
        html_text(r->out, value);
    else
        r->width = plain_text(r->out, value);
    value_end(r);
}

void
report_int(struct report *r, const char *key, int64_t value)
{
    int width;

    value_begin(r, key);
    width = fprintf(r->out, "%" PRId64, value);
    r->width = width > 0 ? (size_t)width : 0;
    value_end(r);
}

void
report_format_span(char dst[REPORT_SPAN_MAX], int64_t seconds)
{
    const char *sign = seconds < 0 ? "-" : "";
    uint64_t s = seconds < 0 ? 0 - (uint64_t)seconds : (uint64_t)seconds;

    if (s >= 86400)
        snprintf(dst, REPORT_SPAN_MAX, "%s%" PRIu64 "d %" PRIu64 "h", sign, s / 86400,
                 s / 3600 % 24);
    else if (s >= 3600)
        snprintf(dst, REPORT_SPAN_MAX, "%s%" PRIu64 "h %" PRIu64 "m", sign, s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(dst, REPORT_SPAN_MAX, "%s%" PRIu64 "m %" PRIu64 "s", sign, s / 60, s % 60);
    else
        snprintf(dst, REPORT_SPAN_MAX, "%s%" PRIu64 "s", sign, s);
}

void
report_seconds(struct report *r, const char *key, int64_t seconds)
{
    char text[REPORT_SPAN_MAX];

    report_format_span(text, seconds);
    if (r->format == REPORT_JSON)
        report_int(r, key, seconds);
    else
        report_str(r, key, str_from(text));
}

void
report_ms(struct report *r, const char *key, int64_t ms)
{
    if (r->format == REPORT_JSON)
        report_int(r, key, ms);
    else
        report_seconds(r, key, ms / 1000);
}

void
report_bool(struct report *r, const char *key, bool value)
{
    value_begin(r, key);
    if (r->format == REPORT_JSON)
        fputs(value ? "true" : "false", r->out);
    else
        fputs(value ? "yes" : "no", r->out);
    r->width = strlen(value ? "yes" : "no");
    value_end(r);
}

void
report_time(struct report *r, const char *key, int64_t wall_s)
{
    char text[CLOCK_ISO_LEN];

    if (wall_s != INT64_MAX && wall_s != INT64_MIN) {
        clock_format_iso(text, wall_s);
        report_str(r, key, str_make(text, sizeof(text)));
        return;
    }
    value_begin(r, key);
    fputs(r->format == REPORT_JSON ? "null" : "-", r->out);
    r->width = strlen("-");
    value_end(r);
}
