/* SPDX-License-Identifier: Apache-2.0
 *
 * What explain.c finds out and explain_print.c prints.
 */
#ifndef CTL_EXPLAIN_PRIV_H
#define CTL_EXPLAIN_PRIV_H

#include "base/arena.h"
#include "cert/verify.h"
#include "conf/snapshot.h"
#include "ctl/explain.h"

struct explain_step {
    bool is_ok;
    struct str text;
};

struct explain_request {
    bool is_asked;
    bool is_refused; /* by the certificate's verdict, before any rule */
    int status;      /* answered by the gateway itself; 0: forwarded */
    const struct rule *rule;
    struct str action; /* plain words */
    struct str line;   /* "GET https://host/path" */
};

struct explain {
    const struct explain_options *options;
    struct arena arena;
    struct snapshot *snapshot; /* with a configuration */
    const struct site_listener *listener;
    const struct site_policy *policy;
    struct trust *trust; /* one reference; NULL in the modes that judge nothing */
    enum mutual_mode mode;
    struct verify_options verify;
    int64_t at_s;
    struct str sni;
    X509 *leaf;
    STACK_OF(X509) * sent; /* leaf first */
    bool is_judged;        /* false: off or passthrough */
    bool is_admitted;
    enum reason reason;
    struct str detail;
    struct verdict verdict;
    struct identity *identity;
    struct explain_step *steps;
    size_t step_count;
    struct explain_request request;
};

/* ---- explain_load.c ---- */

/* Everything that is read: time, configuration or trust store, certificates. GW_E_CONFIG with diag
 * filled. */
int explain_load(struct explain *e, struct diag *diag) GW_MUST_USE;
void explain_done(struct explain *e);

/* ---- explain_request.c ---- */

/* Parses and routes the request as live traffic would be. GW_E_CONFIG when it is malformed. */
int explain_route(struct explain *e, struct diag *diag) GW_MUST_USE;

/* ---- explain.c ---- */

void explain_step_add(struct explain *e, bool is_ok, const char *fmt, ...) GW_PRINTF(3, 4);

/* ---- explain_print.c ---- */

void explain_print_text(const struct explain *e, FILE *out);
void explain_print_json(const struct explain *e, FILE *out);
/* What an operator does about a reason. */
const char *explain_advice(enum reason reason);

#endif
