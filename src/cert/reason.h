/* SPDX-License-Identifier: Apache-2.0
 *
 * The reasons of reason.def as an enum with their texts.
 */
#ifndef CERT_REASON_H
#define CERT_REASON_H

#include "base/str.h"

enum reason {
#define X(name, token, alb, alert, text) REASON_##name,
#include "cert/reason.def"
#undef X
    REASON_COUNT
};

const char *reason_token(enum reason r);     /* "ClientCertCrlHit" */
const char *reason_alb_token(enum reason r); /* what `format: alb` writes */
const char *reason_text(enum reason r);
int reason_alert(enum reason r); /* TLS alert number; 0 when none is sent */
/* False when there is no such token. */
bool reason_parse(struct str token, enum reason *ret);

#endif
