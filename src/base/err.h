/* SPDX-License-Identifier: Apache-2.0
 *
 * Error codes. A function that can fail returns int: 0, or a negative GW_E_...
 * Outputs are written only on success. See err.def for the classes.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/base.h"

enum err_number {
    ERR_NUMBER_OK = 0,
#define X(name, class, text) ERR_NUMBER_##name,
#include "base/err.def"
#undef X
    ERR_NUMBER_COUNT
};

enum {
#define X(name, class, text) GW_E_##name = -(int)ERR_NUMBER_##name,
#include "base/err.def"
#undef X
};

enum err_class {
    ERR_CLASS_OK,
    ERR_CLASS_BLOCKED,
    ERR_CLASS_CLOSED,
    ERR_CLASS_PEER,
    ERR_CLASS_DENIED,
    ERR_CLASS_LIMIT,
    ERR_CLASS_CONFIG,
    ERR_CLASS_SYS,
    ERR_CLASS_BUG,
};

/* Static strings; any int is accepted, unknown ones read "unknown error". */
const char *err_name(int err);
const char *err_text(int err);
enum err_class err_class(int err);

#endif
