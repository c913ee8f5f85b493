/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of reasons as texts. Called by everything that logs, counts or explains a
 * refusal; pure, any thread. It must never know a reason that reason.def does not list.
 */
#include "cert/reason.h"

#include "base/assert.h"

struct row {
    const char *token;
    const char *alb_token;
    const char *text;
    int alert;
};

static const struct row rows[REASON_COUNT] = {
#define X(name, token, alb, alert, text) [REASON_##name] = {token, alb, text, alert},
#include "cert/reason.def"
#undef X
};

static const struct row *
row_of(enum reason r)
{
    gw_assert((unsigned)r < REASON_COUNT);
    return &rows[r];
}

const char *
reason_token(enum reason r)
{
    return row_of(r)->token;
}

const char *
reason_alb_token(enum reason r)
{
    return row_of(r)->alb_token;
}

const char *
reason_text(enum reason r)
{
    return row_of(r)->text;
}

int
reason_alert(enum reason r)
{
    return row_of(r)->alert;
}

bool
reason_parse(struct str token, enum reason *ret)
{
    for (unsigned i = 0; i < REASON_COUNT; i++) {
        if (str_eq(token, str_from(rows[i].token))) {
            *ret = (enum reason)i;
            return true;
        }
    }
    return false;
}
