/* SPDX-License-Identifier: Apache-2.0
 *
 * One request to a running gateway over its admin socket, for the commands that talk to it.
 */
#ifndef CTL_ADMIN_CLIENT_H
#define CTL_ADMIN_CLIENT_H

#include "base/diag.h"
#include "base/err.h"

struct admin_question {
    const char *socket;
    const char *method;
    const char *path;
    int timeout_ms; /* without a byte */
};

struct admin_answer {
    int status;
    char *body; /* malloc, NUL-terminated */
    size_t len;
};

/* Blocks until the answer is there or the time is over. GW_E_CONFIG with
 * diag filled. */
int
admin_call(const struct admin_question *q, struct diag *diag, struct admin_answer *ret) GW_MUST_USE;
void admin_answer_done(struct admin_answer *a);

#endif
