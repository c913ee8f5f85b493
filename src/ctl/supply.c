/* SPDX-License-Identifier: Apache-2.0
 *
 * When lists are fetched: each by its interval, later and later after failures, one question
 * at a time for each. Called by gateway and by the fetcher on the control thread. Owns the
 * sources, the fetcher and the credentials of the container. Must never drop a good copy.
 */
#include "ctl/supply.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/secret.h"
#include "ctl/mem.h"
#include "ctl/supply_priv.h"

struct supply {
    struct loop *loop;
    const struct liststate *floors;
    void (*on_list)(void *arg);
    void *arg;
    struct fetcher *fetcher; /* from the first source on */
    struct loop_timer timer;
    struct supply_source *sources;
    size_t count;
    struct credentials container;
    uint64_t credentials_number; /* of the transfer under way; 0: none */
};

static int64_t
wall_now_s(const struct supply *s)
{
    return clock_wall_s(loop_now_fresh(s->loop));
}

static uint64_t
random_number(void)
{
    uint64_t n;

    secret_random(&n, sizeof(n));
    return n;
}

static void
arm(struct supply *s)
{
    int64_t next = 0;

    for (size_t i = 0; i < s->count; i++) {
        const struct supply_source *it = &s->sources[i];

        if (it->number == 0 && !it->waits_for_credentials && (next == 0 || it->next_ms < next))
            next = it->next_ms;
    }
    loop_timer_set(&s->timer, next);
}

/* ---- how a question ends ------------------------------------------------------------------- */

static void
plan_next(struct supply *s, struct supply_source *it)
{
    it->number = 0;
    it->waits_for_credentials = false;
    it->next_ms = loop_now_fresh(s->loop)->mono_ms +
                  fetch_delay_ms(it->interval_ms, it->failures, random_number());
}

/* Said once for each change of the error; status and metrics show the rest. */
static void
fail(struct supply *s, struct supply_source *it, const char *why)
{
    if (strcmp(it->error, why) != 0)
        log_event(LOG_ERROR, "supply", "list %s: %s; %s", it->url, why,
                  it->has_copy ? "the last good copy stays" : "there is no copy of it");
    (void)snprintf(it->error, sizeof(it->error), "%s", why);
    it->error_count++;
    it->failures++;
    plan_next(s, it);
}

static void
succeed(struct supply *s, struct supply_source *it, bool is_new)
{
    if (is_new)
        log_event(LOG_INFO, "supply", "list %s: a new one came", it->url);
    else if (it->error[0] != '\0')
        log_event(LOG_INFO, "supply", "list %s: is available again", it->url);
    it->error[0] = '\0';
    it->failures = 0;
    it->last_success_s = wall_now_s(s);
    it->is_unused |= is_new;
    plan_next(s, it);
    /* Also for one that an earlier reload could not take along. */
    if (it->is_unused)
        s->on_list(s->arg);
}

/* ---- questions ----------------------------------------------------------------------------- */

static void
ask(struct supply *s, struct supply_source *it, const struct credentials *c)
{
    char why[SUPPLY_WHY_MAX];
    struct fetch_request req;

    it->waits_for_credentials = false;
    it->last_fetch_s = wall_now_s(s);
    if (supply_request(it, c, it->last_fetch_s, &req, why) != 0)
        fail(s, it, why);
    else
        it->number = fetcher_start(s->fetcher, &req);
}

static bool
container_is_fresh(const struct supply *s)
{
    return s->container.access_key_id != NULL &&
           wall_now_s(s) < s->container.expires_s - FETCH_CREDENTIALS_MARGIN_S;
}

/* Neither the environment nor a file has credentials: those of the container, or none, which is
 * enough for a public object. */
static void
ask_container(struct supply *s, struct supply_source *it)
{
    static const struct credentials none = {.access_key_id = NULL};
    struct fetch_request req;
    char why[256];
    int rc;

    if (container_is_fresh(s)) {
        ask(s, it, &s->container);
        return;
    }
    it->waits_for_credentials = true;
    if (s->credentials_number != 0)
        return;
    rc = credentials_request(&req, why);
    if (rc == 0)
        s->credentials_number = fetcher_start(s->fetcher, &req);
    else if (rc == GW_E_NOTFOUND)
        ask(s, it, &none);
    else
        fail(s, it, why);
}

static void
start(struct supply *s, struct supply_source *it)
{
    struct credentials c = {.access_key_id = NULL};
    char why[256];
    int rc;

    if (!supply_needs_credentials(it)) {
        ask(s, it, &c);
        return;
    }
    rc = credentials_local(&c, why);
    if (rc == 0)
        ask(s, it, &c);
    else if (rc == GW_E_NOTFOUND)
        ask_container(s, it);
    else
        fail(s, it, why);
    credentials_done(&c);
}

static void
on_timer(void *arg)
{
    struct supply *s = arg;
    int64_t now = loop_now_fresh(s->loop)->mono_ms;

    for (size_t i = 0; i < s->count; i++) {
        struct supply_source *it = &s->sources[i];

        if (it->number == 0 && !it->waits_for_credentials && it->next_ms <= now)
            start(s, it);
    }
    arm(s);
}

/* ---- answers ------------------------------------------------------------------------------- */

static void
on_credentials(struct supply *s, const struct fetch_result *r)
{
    struct credentials c = {.access_key_id = NULL};
    char why[SUPPLY_WHY_MAX] = "the container credentials cannot be read";
    bool is_good = r->status == 200 && credentials_parse(str_make(r->body, r->len), &c) == 0;

    if (r->status != 200)
        (void)snprintf(why, sizeof(why), "the container credentials: %s (status %d)",
                       r->error[0] != '\0' ? r->error : "refused", r->status);
    s->credentials_number = 0;
    if (is_good) {
        credentials_done(&s->container);
        s->container = c;
    }
    for (size_t i = 0; i < s->count; i++) {
        struct supply_source *it = &s->sources[i];

        if (it->waits_for_credentials && is_good)
            ask(s, it, &s->container);
        else if (it->waits_for_credentials)
            fail(s, it, why);
    }
}

static void
on_done(void *arg, uint64_t number, struct fetch_result *r)
{
    struct supply *s = arg;
    char why[SUPPLY_WHY_MAX];
    bool is_new;

    if (number == s->credentials_number)
        on_credentials(s, r);
    for (size_t i = 0; i < s->count; i++) {
        struct supply_source *it = &s->sources[i];

        if (it->number != number)
            continue;
        if (supply_answer(it, r, s->floors, wall_now_s(s), &is_new, why))
            succeed(s, it, is_new);
        else
            fail(s, it, why);
        break;
    }
    arm(s);
}

/* ---- life ---------------------------------------------------------------------------------- */

struct supply *
supply_new(struct loop *loop, const struct liststate *floors, void (*on_list)(void *arg), void *arg)
{
    struct supply *s = mem_calloc(1, sizeof(*s));

    s->loop = loop;
    s->floors = floors;
    s->on_list = on_list;
    s->arg = arg;
    loop_timer_init(loop, &s->timer, on_timer, s);
    return s;
}

static void
sources_free(struct supply_source *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        supply_source_done(&items[i]);
    free(items);
}

void
supply_free(struct supply *s)
{
    if (s == NULL)
        return;
    fetcher_free(s->fetcher);
    loop_timer_done(&s->timer);
    sources_free(s->sources, s->count);
    credentials_done(&s->container);
    free(s);
}

/* What does not depend on the settings goes over from the source of the same URL. */
static void
inherit(struct supply_source *now, const struct supply_source *was)
{
    now->number = was->number;
    now->waits_for_credentials = was->waits_for_credentials;
    now->is_conditional = was->is_conditional;
    now->is_unused = was->is_unused;
    now->failures = was->failures;
    now->next_ms = was->next_ms;
    now->error_count = was->error_count;
    now->last_fetch_s = was->last_fetch_s;
    now->last_success_s = was->last_success_s;
    memcpy(now->error, was->error, sizeof(now->error));
}

/* A list without a copy is asked for at once, the others soon: spread over a tenth of their
 * interval, so that many gateways that start together do not ask together. */
static int64_t
first_ms(const struct supply *s, const struct supply_source *it)
{
    int64_t now = loop_now(s->loop)->mono_ms;

    if (!it->has_copy)
        return now + 1;
    return now + 1 + (int64_t)(random_number() % (uint64_t)(it->interval_ms / 10 + 1));
}

void
supply_set(struct supply *s, const struct config *config)
{
    size_t count;
    struct supply_source *items = supply_sources(config, &count);

    for (size_t i = 0; i < count; i++) {
        struct supply_source *now = &items[i];
        const struct supply_source *was = NULL;

        for (size_t j = 0; j < s->count; j++) {
            if (strcmp(s->sources[j].url, now->url) == 0)
                was = &s->sources[j];
        }
        if (was != NULL)
            inherit(now, was);
        else
            now->next_ms = first_ms(s, now);
        if (was != NULL && now->interval_ms < was->interval_ms)
            now->next_ms = first_ms(s, now);
    }
    sources_free(s->sources, s->count);
    s->sources = items;
    s->count = count;
    if (count > 0 && s->fetcher == NULL)
        s->fetcher = fetcher_new(s->loop, on_done, s);
    arm(s);
}

void
supply_loaded(struct supply *s, bool is_loaded)
{
    for (size_t i = 0; i < s->count && is_loaded; i++)
        s->sources[i].is_unused = false;
}

void
supply_each(const struct supply *s, void (*on_source)(void *arg, const struct supply_state *),
            void *arg)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct supply_source *it = &s->sources[i];
        const struct supply_state state = {.url = it->url,
                                           .cache_path = it->cache_path,
                                           .error = it->error,
                                           .error_count = it->error_count,
                                           .last_fetch_s = it->last_fetch_s,
                                           .last_success_s = it->last_success_s,
                                           .next_ms = it->next_ms,
                                           .is_asking = it->number != 0};

        on_source(arg, &state);
    }
}

/* ---- before the first load ----------------------------------------------------------------- */

static bool
prime_credentials(struct credentials *ret, char why[SUPPLY_WHY_MAX])
{
    struct fetch_request req;
    struct fetch_result r = {.status = 0};
    int rc = credentials_local(ret, why);
    bool is_good;

    if (rc == GW_E_NOTFOUND)
        rc = credentials_request(&req, why);
    else
        return rc == 0;
    if (rc != 0)
        return rc == GW_E_NOTFOUND; /* a public object needs none */
    fetch_run(&req, &r);
    is_good = r.status == 200 && credentials_parse(str_make(r.body, r.len), ret) == 0;
    if (!is_good)
        (void)snprintf(why, SUPPLY_WHY_MAX, "the container credentials: %s",
                       r.error[0] != '\0' ? r.error : "cannot be read");
    fetch_result_done(&r);
    fetch_request_done(&req);
    return is_good;
}

static bool
prime_source(struct supply_source *it, const struct liststate *floors, char why[SUPPLY_WHY_MAX])
{
    struct credentials c = {.access_key_id = NULL};
    struct fetch_result r = {.status = 0};
    struct fetch_request req;
    struct clock now;
    bool is_good, is_new;

    clock_read(&now);
    is_good = !supply_needs_credentials(it) || prime_credentials(&c, why);
    /* The copy is no good: whatever its tags say, the whole list is wanted. */
    (void)remove(it->tags_path);
    it->etag[0] = it->last_modified[0] = '\0';
    is_good = is_good && supply_request(it, &c, clock_wall_s(&now), &req, why) == 0;
    credentials_done(&c);
    if (!is_good)
        return false;
    req.timeout_ms = FETCH_FIRST_TIMEOUT_MS;
    fetch_run(&req, &r);
    is_good = supply_answer(it, &r, floors, clock_wall_s(&now), &is_new, why);
    fetch_result_done(&r);
    fetch_request_done(&req);
    return is_good;
}

void
supply_prime(const struct config *config, const struct liststate *floors, struct diag *diag)
{
    size_t count;
    struct supply_source *items = supply_sources(config, &count);

    for (size_t i = 0; i < count; i++) {
        struct supply_source *it = &items[i];
        char why[SUPPLY_WHY_MAX] = "";
        struct clock now;

        clock_read(&now);
        if (it->has_copy && supply_copy_is_good(it, floors, clock_wall_s(&now)))
            continue;
        if (!prime_source(it, floors, why))
            diag_warn(diag, config->file, 0, 0,
                      "list %s: no good copy, and a new one cannot be "
                      "had: %s",
                      it->url, why);
    }
    sources_free(items, count);
}
