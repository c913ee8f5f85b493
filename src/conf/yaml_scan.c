/* SPDX-License-Identifier: Apache-2.0
 *
 * The look at the raw bytes before libyaml sees them: encoding, and how deep collections
 * nest, in one linear pass. Called by yaml_parse. Owns nothing. It follows YAML's grammar
 * only as far as nesting needs; where the two could disagree, the parser's own depth check
 * still stands, and what libyaml reads ahead of its events is at most 1 KiB of one line.
 */
#include "base/limits.h"
#include "conf/yaml.h"

struct level {
    int column;
    bool is_list;
};

struct scan {
    struct str text;
    size_t at;
    int line;
    int column;                          /* of at, from 0, in bytes */
    struct level levels[YAML_DEPTH_MAX]; /* block collections that are open */
    int level_count;
    int flow_depth;
    bool at_start;    /* a new token may begin here */
    int token_column; /* where the last token began */
    bool is_too_deep;
};

static char
look(const struct scan *s, size_t ahead)
{
    return s->at + ahead < s->text.len ? s->text.ptr[s->at + ahead] : '\n';
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
step(struct scan *s)
{
    if (s->at < s->text.len && s->text.ptr[s->at] == '\n') {
        s->line++;
        s->column = 0;
    } else {
        s->column++;
    }
    s->at++;
}

static void
check_depth(struct scan *s)
{
    if (s->level_count + s->flow_depth > YAML_DEPTH_MAX)
        s->is_too_deep = true;
}

static void
open_block(struct scan *s, int column, bool is_list)
{
    while (s->level_count > 0 && s->levels[s->level_count - 1].column > column)
        s->level_count--;
    if (s->level_count > 0 && s->levels[s->level_count - 1].column == column) {
        struct level *top = &s->levels[s->level_count - 1];

        if (top->is_list == is_list)
            return;
        /* A list may stand in the same column as the map that it is a value of. */
        if (top->is_list) {
            s->level_count--;
            return;
        }
    }
    if (s->level_count + s->flow_depth >= YAML_DEPTH_MAX) {
        s->is_too_deep = true;
        return;
    }
    s->levels[s->level_count++] = (struct level){column, is_list};
}

static void
skip_line(struct scan *s)
{
    while (s->at < s->text.len && s->text.ptr[s->at] != '\n')
        step(s);
}

static void
skip_quoted(struct scan *s, char quote)
{
    step(s);
    while (s->at < s->text.len) {
        char c = look(s, 0);

        if (c == '\\' && quote == '"') {
            step(s);
        } else if (c == quote) {
            bool is_doubled = quote == '\'' && look(s, 1) == '\'';

            if (!is_doubled)
                break;
            step(s);
        }
        step(s);
    }
    step(s);
}

static int
indent_of_line(const struct scan *s)
{
    int n = 0;

    while (look(s, (size_t)n) == ' ')
        n++;
    return n;
}

/* After '|' or '>': lines that are blank or indented deeper than the collection are text. */
static void
skip_block_scalar(struct scan *s)
{
    int parent = s->level_count > 0 ? s->levels[s->level_count - 1].column : -1;

    skip_line(s);
    while (s->at < s->text.len) {
        int indent;

        step(s);
        indent = indent_of_line(s);
        if (indent <= parent && !is_blank(look(s, (size_t)indent)))
            break;
        skip_line(s);
    }
}

/* Returns true when it consumed something. */
static bool
scan_indicator(struct scan *s, char c)
{
    bool is_spaced = is_blank(look(s, 1));

    if (s->flow_depth == 0 && s->at_start && (c == '-' || c == '?') && is_spaced) {
        open_block(s, s->column, c == '-');
        step(s);
        return true;
    }
    if ((c == '[' || c == '{') && (s->at_start || s->flow_depth > 0)) {
        if (s->flow_depth == 0)
            s->token_column = s->column;
        s->flow_depth++;
        s->at_start = true;
        check_depth(s);
        step(s);
        return true;
    }
    if (s->flow_depth == 0 && s->at_start && (c == '|' || c == '>')) {
        skip_block_scalar(s);
        return true;
    }
    if (s->at_start && (c == '"' || c == '\'')) {
        s->token_column = s->column;
        skip_quoted(s, c);
        s->at_start = s->flow_depth > 0 && look(s, 0) == ':';
        return true;
    }
    return false;
}

static void
scan_plain(struct scan *s, char c)
{
    bool ends_key = c == ':' && (is_blank(look(s, 1)) || s->flow_depth > 0);

    if (ends_key && s->flow_depth == 0)
        open_block(s, s->at_start ? s->column : s->token_column, false);
    else if (!ends_key && s->at_start)
        s->token_column = s->column;
    if (s->flow_depth > 0 && (c == ']' || c == '}'))
        s->flow_depth--;
    /* In a flow collection a colon that begins a token, or follows a quoted key, ends it at once.
     */
    s->at_start = (ends_key && (is_blank(look(s, 1)) || (s->flow_depth > 0 && s->at_start))) ||
                  (s->flow_depth > 0 && c == ',');
    step(s);
}

static void
scan_one(struct scan *s)
{
    char c = look(s, 0);
    bool was_blank = s->column == 0 || is_blank(s->text.ptr[s->at - 1]);

    if (c == '\n') {
        step(s);
        s->at_start = true;
    } else if (is_blank(c)) {
        step(s);
    } else if (c == '#' && was_blank) {
        skip_line(s);
    } else if (!scan_indicator(s, c)) {
        scan_plain(s, c);
    }
}

static int
scan_encoding(struct str text, const char *file, struct diag *diag)
{
    const char *nul = memchr(text.ptr, '\0', text.len);
    int line = 1;
    int column = 1;

    if (str_starts(text, STR("\xef\xbb\xbf"))) {
        diag_error(diag, file, 1, 1, "begins with a byte order mark; save it as UTF-8 without one");
        return GW_E_CONFIG;
    }
    if (str_starts(text, STR("\xff\xfe")) || str_starts(text, STR("\xfe\xff"))) {
        diag_error(diag, file, 1, 1, "is UTF-16; save it as UTF-8");
        return GW_E_CONFIG;
    }
    if (nul == NULL)
        return 0;
    for (const char *p = text.ptr; p < nul; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    diag_error(diag, file, line, column, "contains a NUL byte; it must be text in UTF-8");
    return GW_E_CONFIG;
}

int
yaml_scan(struct str text, const char *file, struct diag *diag)
{
    struct scan s = {.text = text, .line = 1, .at_start = true};

    if (text.len == 0)
        return 0;
    if (scan_encoding(text, file, diag) != 0)
        return GW_E_CONFIG;
    while (s.at < text.len && !s.is_too_deep)
        scan_one(&s);
    if (!s.is_too_deep)
        return 0;
    diag_error(diag, file, s.line, s.column + 1, "nested deeper than %d levels", YAML_DEPTH_MAX);
    return GW_E_CONFIG;
}
