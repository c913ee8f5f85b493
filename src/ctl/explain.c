/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of `explain`: load, judge, look at the lists, route, print. Called by the
 * command. Owns what it loads. Must never judge by rules of its own.
 */
#include "ctl/explain.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/limits.h"
#include "cert/cert.h"
#include "cert/identity.h"
#include "ctl/deny.h"
#include "ctl/explain_priv.h"
#include "ctl/mem.h"

#define EXPLAIN_ARENA_BLOCK 16384
#define EXPLAIN_ARENA_MAX MIB(8)
#define EXPLAIN_STEPS_MAX 4096

void
explain_step_add(struct explain *e, bool is_ok, const char *fmt, ...)
{
    struct explain_step *step;
    char text[1024];
    va_list args;

    if (e->step_count == EXPLAIN_STEPS_MAX)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    e->steps = mem_resize(e->steps, e->step_count + 1, sizeof(*e->steps));
    step = &e->steps[e->step_count++];
    step->is_ok = is_ok;
    step->text = arena_str(&e->arena, str_from(text));
}

static void
on_verify_step(void *arg, bool ok, const char *text)
{
    explain_step_add(arg, ok, "%s", text);
}

static void
explain_list(struct explain *e, int depth, bool is_ok, const struct crl *crl)
{
    const struct crl_info *info = crl_info(crl);
    char this_update[CLOCK_ISO_LEN], next_update[CLOCK_ISO_LEN] = "";

    clock_format_iso(this_update, info->this_update_s);
    if (info->next_update_s != INT64_MAX)
        clock_format_iso(next_update, info->next_update_s);
    explain_step_add(e, is_ok,
                     "lists: certificate %d is answered for by %slist number %.*s of \"%.*s\", "
                     "with %llu %s, from %.*s until %.*s, %.*s",
                     depth, info->is_delta ? "delta " : "", STR_ARG(info->number_hex),
                     STR_ARG(info->issuer_text), (unsigned long long)info->entry_count,
                     info->entry_count == 1 ? "entry" : "entries", CLOCK_ISO_LEN, this_update,
                     next_update[0] != '\0' ? CLOCK_ISO_LEN : 1,
                     next_update[0] != '\0' ? next_update : "-", STR_ARG(info->file));
}

/* The lists that answer for one certificate of the chain. */
static void
explain_answers(struct explain *e, int depth)
{
    struct revocation found;
    bool is_current;

    trust_revocation(e->trust, e->verdict.chain[depth], e->verdict.chain[depth + 1], e->at_s,
                     &found);
    is_current = found.state != REVOCATION_EXPIRED;
    if (found.crl != NULL)
        explain_list(e, depth, is_current, found.crl);
    if (found.delta != NULL)
        explain_list(e, depth, is_current, found.delta);
}

static void
explain_lists(struct explain *e)
{
    const struct verdict *v = &e->verdict;

    if (trust_crl_count(e->trust) == 0 && v->chain_count > 0) {
        explain_step_add(e, true, "the trust store has no revocation lists: none is looked at");
        return;
    }
    for (int i = 0; i + 1 < v->chain_count; i++)
        explain_answers(e, i);
}

static void
explain_refuse(struct explain *e, enum reason reason, struct str detail)
{
    e->is_admitted = false;
    e->reason = reason;
    e->detail = detail;
}

/* What the gateway would load if it started now. */
static struct deny_list *
explain_deny_list(struct explain *e, const char *state_dir)
{
    struct deny_list *list = NULL;
    struct diag diag;

    diag_init(&diag);
    if (deny_file_load(state_dir, e->at_s, &diag, &list) != 0) {
        list = NULL;
        explain_step_add(e, false, "deny list: not looked at: %s",
                         diag.count > 0 ? diag.entries[0].text : "cannot be read");
    }
    diag_done(&diag);
    return list;
}

/* The operator's own word, after the authority's. Names are read as for a live connection. */
static void
explain_deny(struct explain *e)
{
    const char *state_dir = e->snapshot != NULL ? e->snapshot->config->state_dir : NULL;
    struct deny_list *list = state_dir != NULL ? explain_deny_list(e, state_dir) : NULL;
    const struct deny_entry *entry;
    struct identity names;

    if (list == NULL)
        return;
    identity_names(e->leaf, &e->arena, &names);
    entry = deny_list_match(list, &names, e->at_s);
    if (entry != NULL) {
        e->is_admitted = false;
        e->reason = REASON_CERT_DENIED;
        e->detail = arena_printf(&e->arena, "on the deny list as %.*s%s%.*s", STR_ARG(entry->what),
                                 entry->why.len > 0 ? ": " : "", STR_ARG(entry->why));
        explain_step_add(e, false, "deny list: %.*s", STR_ARG(e->detail));
    } else {
        explain_step_add(e, true, "deny list: the certificate is on none of its %zu entries",
                         deny_list_count(list));
    }
    deny_list_unref(list);
}

/* As a live handshake: the judge first, then the identity must be stateable. */
static void
explain_judge(struct explain *e)
{
    const struct verify_trace trace = {.step = on_verify_step, .arg = e};
    enum reason reason = REASON_INVALID;

    e->is_judged = true;
    verify_chain(e->trust, e->leaf, e->sent, &e->verify, e->at_s, &trace, &e->verdict);
    explain_lists(e);
    if (!e->verdict.is_admitted && e->policy != NULL && e->policy->report_only)
        explain_step_add(e, false,
                         "report_only: live traffic lets it pass, and counts and logs this");
    if (!e->verdict.is_admitted) {
        explain_refuse(e, e->verdict.reason, str_from(e->verdict.detail));
        return;
    }
    if (identity_build(e->leaf, &e->arena, &e->identity, &reason) != 0) {
        explain_step_add(e, false, "identity: %s", reason_text(reason));
        explain_refuse(e, reason,
                       STR("the certificate's names cannot be stated within the limits"));
        return;
    }
    explain_step_add(e, true, "identity: subject %.*s, serial %.*s", STR_ARG(e->identity->subject),
                     STR_ARG(e->identity->serial));
    e->is_admitted = true;
    e->reason = REASON_NONE;
    e->detail = STR("the certificate is admitted");
    explain_deny(e);
}

static void
explain_unjudged(struct explain *e)
{
    e->is_admitted = true;
    e->reason = REASON_NONE;
    if (e->mode == MUTUAL_OFF) {
        e->detail = STR("mode off: the listener does not ask for a client certificate");
        explain_step_add(e, true,
                         "mode off: no certificate is asked for, none is judged, none is "
                         "forwarded");
    } else {
        e->detail = STR("mode passthrough: the certificate is not judged here");
        explain_step_add(e, true,
                         "mode passthrough: the chain goes to the upstream in "
                         "X-Amzn-Mtls-Clientcert; the upstream must judge it");
        explain_deny(e);
    }
}

static int
explain_everything(struct explain *e, struct diag *diag)
{
    const struct explain_options *o = e->options;
    int rc = explain_load(e, diag);

    if (rc != 0)
        return rc;
    if (e->mode == MUTUAL_OFF || e->mode == MUTUAL_PASSTHROUGH)
        explain_unjudged(e);
    else
        explain_judge(e);
    if (o->method == NULL && o->path == NULL)
        return 0;
    return explain_route(e, diag);
}

int
explain_run(const struct explain_options *options, FILE *out, FILE *err)
{
    struct explain e = {.options = options};
    struct diag diag;
    int status = EXPLAIN_ERROR;

    diag_init(&diag);
    arena_init(&e.arena, EXPLAIN_ARENA_BLOCK, EXPLAIN_ARENA_MAX);
    if (explain_everything(&e, &diag) != 0) {
        diag_print(&diag, err);
    } else {
        if (options->is_json)
            explain_print_json(&e, out);
        else
            explain_print_text(&e, out);
        status = e.is_admitted ? EXPLAIN_ADMIT : EXPLAIN_REFUSE;
    }
    explain_done(&e);
    diag_done(&diag);
    return status;
}
