/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of a reload and its lines in the log. Called by gateway on the control thread;
 * owns the texts of the last run. Must never let two generations be built at once, nor
 * commit one that had an error.
 */
#include "ctl/reload.h"

#include <stdio.h>

#include "base/limits.h"
#include "base/log.h"
#include "ctl/mem.h"

static void on_start(void *arg);
static void on_timer(void *arg);

void
reload_init(struct reload *r, struct loop *loop, unsigned worker_count,
            const struct reload_hooks *hooks)
{
    gw_assert(worker_count > 0);
    *r = (struct reload){.loop = loop, .hooks = *hooks, .worker_count = worker_count};
    loop_task_init(&r->start, on_start, r);
    loop_timer_init(loop, &r->timer, on_timer, r);
}

void
reload_done(struct reload *r)
{
    if (r->loop == NULL)
        return;
    loop_task_cancel(&r->start);
    loop_timer_done(&r->timer);
    free(r->text);
    *r = (struct reload){.phase = RELOAD_IDLE};
}

static void
set_timer(struct reload *r, int64_t ms)
{
    loop_timer_set(&r->timer, ms == 0 ? 0 : loop_now_fresh(r->loop)->mono_ms + ms);
}

/* The run is over: the text is kept for status, waiting clients are told, and requests that came
 * meanwhile start the next run. Takes text. */
static void
reload_end(struct reload *r, char *text)
{
    set_timer(r, 0);
    r->phase = RELOAD_IDLE;
    r->ended_wall_s = clock_wall_s(loop_now(r->loop));
    r->was_loaded = r->outcome.is_loaded;
    if (r->outcome.is_loaded)
        r->loaded_count++;
    else
        r->refused_count++;
    free(r->text);
    r->text = text;
    r->outcome.number = r->serving;
    r->outcome.generation = r->generation;
    r->outcome.text = text;
    r->hooks.done(r->hooks.arg, &r->outcome);
    if (r->requested > r->serving)
        loop_defer(r->loop, &r->start);
}

/* Every line of diag goes to the log and to text, as far as there is room. */
static void
say_lines(const struct diag *diag, FILE *text, size_t *room)
{
    for (size_t i = 0; i < diag->count; i++) {
        const struct diag_entry *e = &diag->entries[i];
        size_t len = strlen(e->text) + 16;

        log_event(e->is_warning ? LOG_WARN : LOG_ERROR, "reload", "%s", e->text);
        if (len > *room)
            continue;
        *room -= len;
        fprintf(text, "%s%s\n", e->is_warning ? "warning: " : "", e->text);
    }
}

static void
reload_refuse(struct reload *r, const struct diag *diag)
{
    size_t room = RELOAD_TEXT_MAX;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    size_t errors = size_max(diag->error_count, 1);

    gw_assert(out != NULL);
    say_lines(diag, out, &room);
    fprintf(out, "reload refused: %zu error%s, generation %llu stays\n", errors,
            errors == 1 ? "" : "s", (unsigned long long)r->generation);
    gw_assert(fclose(out) == 0);
    log_event(LOG_ERROR, "reload", "reload refused: %zu error%s, generation %llu stays", errors,
              errors == 1 ? "" : "s", (unsigned long long)r->generation);
    r->outcome.error_count = errors;
    r->outcome.is_loaded = false;
    reload_end(r, text);
}

static void
reload_resolve(struct reload *r)
{
    r->phase = RELOAD_RESOLVING;
    set_timer(r, RESOLVE_FIRST_WAIT_MS);
    r->hooks.resolve(r->hooks.arg, r->serving);
}

static void
reload_build(struct reload *r)
{
    struct diag diag;
    int rc;

    diag_init(&diag);
    rc = r->hooks.build(r->hooks.arg, &diag);
    if (rc != 0) {
        reload_refuse(r, &diag);
    } else {
        for (size_t i = 0; i < diag.count; i++)
            log_event(LOG_WARN, "reload", "%s", diag.entries[i].text);
        reload_resolve(r);
    }
    diag_done(&diag);
}

static void
reload_start(struct reload *r)
{
    r->serving = r->requested;
    r->outcome = (struct reload_outcome){.is_loaded = false};
    r->started_us = loop_now_fresh(r->loop)->mono_us;
    r->swept_count = 0;
}

static void
on_start(void *arg)
{
    struct reload *r = arg;

    if (r->phase != RELOAD_IDLE || r->requested == r->serving)
        return;
    reload_start(r);
    reload_build(r);
}

uint64_t
reload_request(struct reload *r)
{
    uint64_t number = ++r->requested;

    if (r->phase == RELOAD_IDLE)
        loop_defer(r->loop, &r->start);
    return number;
}

void
reload_first(struct reload *r)
{
    gw_assert(r->phase == RELOAD_IDLE && r->generation == 0);
    r->requested++;
    reload_start(r);
    reload_resolve(r);
}

static void
reload_commit(struct reload *r)
{
    r->phase = RELOAD_SWEEPING;
    r->generation++;
    set_timer(r, RELOAD_SWEEP_TIMEOUT_MS);
    r->hooks.commit(r->hooks.arg, r->generation);
}

void
reload_resolved(struct reload *r, uint64_t round)
{
    if (r->phase == RELOAD_RESOLVING && round == r->serving)
        reload_commit(r);
}

static void
reload_succeed(struct reload *r)
{
    struct reload_outcome *o = &r->outcome;
    char *text = NULL;

    o->is_loaded = true;
    o->duration_ms = (loop_now_fresh(r->loop)->mono_us - r->started_us) / 1000;
    r->hooks.swept(r->hooks.arg, r->generation);
    gw_assert(asprintf(&text,
                       "generation %llu in use after %lld ms: %llu connections judged again, "
                       "%llu closed\n",
                       (unsigned long long)r->generation, (long long)o->duration_ms,
                       (unsigned long long)o->judged, (unsigned long long)o->closed) > 0);
    log_event(LOG_INFO, "reload", "%.*s", (int)strlen(text) - 1, text);
    reload_end(r, text);
}

void
reload_swept(struct reload *r, const struct worker_sweep_report *report)
{
    if (r->phase != RELOAD_SWEEPING || report->generation != r->generation)
        return;
    r->outcome.judged += report->judged;
    r->outcome.closed += report->closed;
    if (++r->swept_count == r->worker_count)
        reload_succeed(r);
}

/* Names that do not answer hold a reload up for so long and no longer. A worker that does not
 * report keeps what the old generation held: it may still use it. */
static void
on_timer(void *arg)
{
    struct reload *r = arg;
    char *text = NULL;

    if (r->phase == RELOAD_RESOLVING) {
        r->hooks.unresolved(r->hooks.arg);
        reload_commit(r);
        return;
    }
    if (r->phase != RELOAD_SWEEPING)
        return;
    r->outcome.is_loaded = true;
    gw_assert(asprintf(&text,
                       "generation %llu in use, but %u of %u workers have not judged their "
                       "connections again within %d s\n",
                       (unsigned long long)r->generation, r->worker_count - r->swept_count,
                       r->worker_count, RELOAD_SWEEP_TIMEOUT_MS / 1000) > 0);
    log_event(LOG_ERROR, "reload", "%.*s", (int)strlen(text) - 1, text);
    reload_end(r, text);
}

void
reload_cancel(struct reload *r)
{
    if (r->phase == RELOAD_RESOLVING) {
        r->hooks.abandon(r->hooks.arg);
        r->phase = RELOAD_IDLE;
    }
    set_timer(r, 0);
    loop_task_cancel(&r->start);
    r->requested = r->serving;
}
