/* SPDX-License-Identifier: Apache-2.0
 *
 * The deny list as a file that people can read. Called by deny at start and for every
 * change, and by explain. Owns nothing. Must never take a file for whole that was cut,
 * garbled or removed.
 */
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/map.h"
#include "ctl/deny.h"
#include "ctl/mem.h"

#define REMEDY                                                                                \
    "put " DENY_COPY_NAME " from the same folder in its place, or remove both to begin with " \
    "an empty deny list"

#define END_TEXT_MAX 48

struct deny_reader {
    struct str text; /* the whole file */
    const char *path;
    struct diag *diag;
    int line;
    int64_t now_s;
    struct deny_entry *entries; /* what is malloc, why points into the text */
    size_t count;
    size_t line_count; /* entries that have ended count too */
    bool is_ended;     /* the last line was there */
};

static int
line_refuse(struct deny_reader *r, const char *what)
{
    diag_error(r->diag, r->path, r->line, 0, "%s; " REMEDY, what);
    return GW_E_CONFIG;
}

static int
parse_time(struct str s, int64_t *ret)
{
    if (str_eq(s, STR("never"))) {
        *ret = INT64_MAX;
        return 0;
    }
    return clock_parse_rfc3339(s, ret);
}

static int
parse_entry(struct deny_reader *r, struct str line)
{
    struct str column[4] = {{NULL, 0}};
    struct deny_entry e = {0};
    const char *error = NULL;
    bool done = false;
    char *what;
    size_t n = 0;

    while (n < array_len(column) && str_split_next(&line, '\t', &done, &column[n]))
        n++;
    if (n != array_len(column) || !done)
        return line_refuse(r, "not four columns, added, until, what and why, separated by tabs");
    if (parse_time(column[0], &e.added_s) != 0 || parse_time(column[1], &e.until_s) != 0)
        return line_refuse(r, "a time is not as in 2026-11-24T12:00:00Z");
    if (column[3].len > DENY_WHY_MAX)
        return line_refuse(r, "the reason is longer than its limit");
    if (r->line_count == DENY_ENTRIES_MAX)
        return line_refuse(r, "more entries than the limit");
    r->line_count++;
    if (deny_what_parse(column[2], &what, &e.kind, &error) != 0)
        return line_refuse(r, error);
    if (e.until_s <= r->now_s) {
        free(what);
        return 0;
    }
    e.what = str_from(what);
    e.why = column[3];
    r->entries = mem_resize(r->entries, r->count + 1, sizeof(*r->entries));
    r->entries[r->count++] = e;
    return 0;
}

/* "3 0123456789abcdef": entries, and a check of all the bytes above. */
static void
end_text(size_t count, struct str above, char text[END_TEXT_MAX])
{
    static const uint64_t key[2] = {0}; /* against accidents, not against who can write the file */

    (void)snprintf(text, END_TEXT_MAX, "%zu %016" PRIx64, count,
                   siphash24(key, above.ptr, above.len));
}

static int
parse_end(struct deny_reader *r, struct str line, struct str rest)
{
    char want[END_TEXT_MAX];

    end_text(r->line_count, str_sub(r->text, 0, (size_t)(line.ptr - r->text.ptr)), want);
    if (!str_eq(rest, str_from(want)))
        return line_refuse(r, "what is above it is not as the gateway wrote it");
    r->is_ended = true;
    return 0;
}

static int
parse_line(struct deny_reader *r, struct str line)
{
    static const struct str end = STR_INIT("# end: ");

    if (r->is_ended)
        return line_refuse(r, "stands after the last line");
    if (str_starts(line, end))
        return parse_end(r, line, str_sub(line, end.len, SIZE_MAX));
    if (line.len == 0 || line.ptr[0] == '#')
        return 0;
    return parse_entry(r, line);
}

static int
parse_lines(struct deny_reader *r, struct str text)
{
    struct str line;
    bool done = false;

    /* What follows the last newline is no line but a rest. */
    while (str_split_next(&text, '\n', &done, &line)) {
        r->line++;
        if (done && line.len == 0)
            break;
        if (done)
            return line_refuse(r, "the line is cut off");
        if (parse_line(r, line) != 0)
            return GW_E_CONFIG;
    }
    return r->is_ended ? 0 : line_refuse(r, "the file is cut off: its last line is missing");
}

int
deny_file_parse(struct str text, const char *path, int64_t now_s, struct diag *diag,
                struct deny_list **ret)
{
    struct deny_reader r = {.text = text, .path = path, .diag = diag, .now_s = now_s};
    int rc = parse_lines(&r, text);

    if (rc == 0 && deny_list_build(r.entries, r.count, ret) != 0) {
        diag_error(diag, path, 0, 0, "no memory for its entries");
        rc = GW_E_CONFIG;
    }
    for (size_t i = 0; i < r.count; i++)
        free((char *)(uintptr_t)r.entries[i].what.ptr);
    free(r.entries);
    return rc;
}

static bool
is_missing(const char *path)
{
    struct stat st;

    return lstat(path, &st) != 0 && errno == ENOENT;
}

static int
load(const char *path, const char *copy, int64_t now_s, struct diag *diag, struct deny_list **ret)
{
    struct file file;
    int rc;

    if (is_missing(path)) {
        *ret = NULL;
        if (is_missing(copy))
            return 0;
        diag_error(diag, path, 0, 0,
                   "is missing, but its copy %s is there; put the copy in its place, or remove it "
                   "to begin with an empty deny list",
                   copy);
        return GW_E_CONFIG;
    }
    rc = file_read(path, DENY_FILE_BYTES_MAX, FILE_PUBLIC, false, diag, &file);
    if (rc != 0)
        return rc;
    rc = deny_file_parse(str_make(file.bytes, file.len), path, now_s, diag, ret);
    file_done(&file);
    return rc;
}

int
deny_file_load(const char *state_dir, int64_t now_s, struct diag *diag, struct deny_list **ret)
{
    char *path = file_join(state_dir, DENY_FILE_NAME);
    char *copy = file_join(state_dir, DENY_COPY_NAME);
    int rc = load(path, copy, now_s, diag, ret);

    free(copy);
    free(path);
    return rc;
}

static void
write_time(int64_t wall_s, FILE *out)
{
    char text[CLOCK_ISO_LEN];

    if (wall_s == INT64_MAX) {
        fputs("never\t", out);
        return;
    }
    clock_format_iso(text, wall_s);
    fprintf(out, "%.*s\t", CLOCK_ISO_LEN, text);
}

static void
write_entries(const struct deny_list *d, FILE *out)
{
    size_t count = deny_list_count(d);

    fputs("# Clients that are denied. The gateway writes this; change it with `sallyport deny`.\n"
          "# added\tuntil\twhat\twhy\n",
          out);
    for (size_t i = 0; i < count; i++) {
        const struct deny_entry *e = deny_list_at(d, i);

        write_time(e->added_s, out);
        write_time(e->until_s, out);
        fprintf(out, "%.*s\t%.*s\n", STR_ARG(e->what), STR_ARG(e->why));
    }
}

void
deny_file_write(const struct deny_list *d, FILE *out)
{
    char *text = NULL;
    char end[END_TEXT_MAX];
    size_t len = 0;
    FILE *entries = open_memstream(&text, &len);

    gw_assert(entries != NULL);
    write_entries(d, entries);
    gw_assert(fclose(entries) == 0);
    fwrite(text, 1, len, out);
    end_text(deny_list_count(d), str_make(text, len), end);
    fprintf(out, "# end: %s\n", end);
    free(text);
}

int
deny_file_save(const char *state_dir, const struct deny_list *d)
{
    char *path = file_join(state_dir, DENY_FILE_NAME);
    char *copy = file_join(state_dir, DENY_COPY_NAME);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    int rc, saved;

    gw_assert(out != NULL);
    deny_file_write(d, out);
    gw_assert(fclose(out) == 0);
    rc = file_replace(path, str_make(text, len));
    if (rc == 0)
        rc = file_replace(copy, str_make(text, len));
    saved = errno;
    free(text);
    free(copy);
    free(path);
    errno = saved;
    return rc;
}
