/* SPDX-License-Identifier: Apache-2.0
 *
 * Names, texts and classes of the error codes, all from err.def. Pure, any thread.
 */
#include "base/err.h"

struct err_row {
    const char *name;
    const char *text;
    enum err_class class;
};

static const struct err_row rows[] = {
    [ERR_NUMBER_OK] = {"OK", "no error", ERR_CLASS_OK},
#define X(name, class, text) [ERR_NUMBER_##name] = {#name, text, ERR_CLASS_##class},
#include "base/err.def"
#undef X
};

static const struct err_row unknown = {"UNKNOWN", "unknown error", ERR_CLASS_BUG};

static const struct err_row *
row_of(int err)
{
    if (err > 0 || err <= -(int)array_len(rows))
        return &unknown;
    return &rows[-err];
}

const char *
err_name(int err)
{
    return row_of(err)->name;
}

const char *
err_text(int err)
{
    return row_of(err)->text;
}

enum err_class
err_class(int err)
{
    return row_of(err)->class;
}
