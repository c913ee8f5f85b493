/* SPDX-License-Identifier: Apache-2.0
 *
 * Collects every error of a load (configuration, certificates, lists), so that the
 * operator sees all of them at once as FILE:LINE:COLUMN: text. Control thread only.
 * Warnings are kept apart and never fail a load.
 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include <stdarg.h>
#include <stdio.h>

#include "base/base.h"

struct diag_entry {
    bool is_warning;
    char *text; /* "FILE:LINE:COLUMN: text", without the parts that are unknown */
};

/* Where the configuration names a file. */
struct diag_place {
    const char *file; /* borrowed; NULL: nowhere */
    int line;
    int column;
};

struct diag {
    struct diag_entry *entries;
    size_t count;
    size_t error_count; /* also those beyond the cap */
    size_t warning_count;
    struct diag_place named;
};

void diag_init(struct diag *d);
void diag_done(struct diag *d);
/* file may be NULL; line 0 and column 0 are left out. Beyond DIAG_ENTRIES_MAX only counted. */
void diag_error(struct diag *d, const char *file, int line, int column, const char *fmt, ...)
    GW_PRINTF(5, 6);
void diag_warn(struct diag *d, const char *file, int line, int column, const char *fmt, ...)
    GW_PRINTF(5, 6);
/* Until the next call, what is wrong with another file as a whole (line 0: it is missing, empty,
 * the wrong one) begins with the place that names it. */
void diag_named_at(struct diag *d, const char *file, int line, int column);
void diag_named_nowhere(struct diag *d);
static inline bool
diag_has_errors(const struct diag *d)
{
    return d->error_count > 0;
}
/* One entry per line. */
void diag_print(const struct diag *d, FILE *out);

#endif
