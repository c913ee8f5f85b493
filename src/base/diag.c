/* SPDX-License-Identifier: Apache-2.0
 *
 * Collects the errors and warnings of a load. Control thread only; owns the texts. Must
 * never lose the fact that there was an error, even when it keeps no more texts.
 */
#include "base/diag.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"

#define CUT_MARK "..."

void
diag_init(struct diag *d)
{
    *d = (struct diag){0};
}

void
diag_done(struct diag *d)
{
    for (size_t i = 0; i < d->count; i++)
        free(d->entries[i].text);
    free(d->entries);
    *d = (struct diag){0};
}

void
diag_named_at(struct diag *d, const char *file, int line, int column)
{
    d->named = (struct diag_place){file, line, column};
}

void
diag_named_nowhere(struct diag *d)
{
    d->named = (struct diag_place){0};
}

static bool
is_named_elsewhere(const struct diag *d, const struct diag_place *at)
{
    return d->named.file != NULL && d->named.line > 0 && at->file != NULL && at->line <= 0 &&
           strcmp(d->named.file, at->file) != 0;
}

static size_t
format_place(char *dst, size_t cap, const struct diag_place *at)
{
    int len;

    if (at->file == NULL)
        return 0;
    if (at->line <= 0)
        len = snprintf(dst, cap, "%s: ", at->file);
    else if (at->column <= 0)
        len = snprintf(dst, cap, "%s:%d: ", at->file, at->line);
    else
        len = snprintf(dst, cap, "%s:%d:%d: ", at->file, at->line, at->column);
    return len > 0 ? size_min((size_t)len, cap - 1) : 0;
}

/* The files that are loaded are quoted in texts that end up on a terminal. */
static void
mask_controls(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
    }
}

static void add(struct diag *d, bool is_warning, const struct diag_place *at, const char *fmt,
                va_list args) __attribute__((format(printf, 4, 0)));

static void
add(struct diag *d, bool is_warning, const struct diag_place *at, const char *fmt, va_list args)
{
    char text[DIAG_TEXT_MAX];
    size_t place_len = 0;
    int len;

    if (is_warning)
        d->warning_count++;
    else
        d->error_count++;
    if (d->count == DIAG_ENTRIES_MAX)
        return;
    if (is_named_elsewhere(d, at))
        place_len = format_place(text, sizeof(text), &d->named);
    place_len += format_place(text + place_len, sizeof(text) - place_len, at);
    len = vsnprintf(text + place_len, sizeof(text) - place_len, fmt, args);
    if (len >= 0 && (size_t)len >= sizeof(text) - place_len)
        memcpy(text + sizeof(text) - sizeof(CUT_MARK), CUT_MARK, sizeof(CUT_MARK));
    mask_controls(text);
    if (d->entries == NULL)
        d->entries = calloc(DIAG_ENTRIES_MAX, sizeof(*d->entries));
    gw_assert(d->entries != NULL);
    d->entries[d->count] = (struct diag_entry){is_warning, strdup(text)};
    gw_assert(d->entries[d->count].text != NULL);
    d->count++;
}

void
diag_error(struct diag *d, const char *file, int line, int column, const char *fmt, ...)
{
    struct diag_place at = {file, line, column};
    va_list args;

    va_start(args, fmt);
    add(d, false, &at, fmt, args);
    va_end(args);
}

void
diag_warn(struct diag *d, const char *file, int line, int column, const char *fmt, ...)
{
    struct diag_place at = {file, line, column};
    va_list args;

    va_start(args, fmt);
    add(d, true, &at, fmt, args);
    va_end(args);
}

void
diag_print(const struct diag *d, FILE *out)
{
    size_t unseen = d->error_count + d->warning_count - d->count;

    for (size_t i = 0; i < d->count; i++)
        fprintf(out, "%s%s\n", d->entries[i].is_warning ? "warning: " : "", d->entries[i].text);
    if (unseen > 0)
        fprintf(out, "%zu more not shown\n", unseen);
}
