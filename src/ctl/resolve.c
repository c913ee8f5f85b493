/* SPDX-License-Identifier: Apache-2.0
 *
 * The resolver's thread and its table of names. Called by gateway on the control thread;
 * the table is guarded by one lock, which is never held while a name server is asked.
 * Answers travel to the control loop as messages. Must never make anyone wait for DNS.
 */
#include "ctl/resolve.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "base/ref.h"
#include "ctl/mem.h"

/* How many rounds a name goes without a TTL query after one failed. */
#define TTL_SKIP_ROUNDS 10

struct target {
    char *name;
    uint16_t port;
    bool is_asked;
    bool is_wanted; /* used while the list is replaced */
    unsigned failures;
    unsigned ttl_skips;
    int64_t due_ms;
    struct addrset *last;
    char error[128];
};

/* Counted: the owner, the thread, and each message under way. */
struct resolver {
    struct ref ref;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct loop *control;
    struct resolve_source source;
    struct resolve_hooks hooks;
    struct target *targets;
    size_t count;
    uint64_t round;
    bool is_settled;
    bool is_closed;
};

struct answer_msg {
    struct loop_msg msg;
    struct resolver *resolver;
    struct addrset *set; /* NULL: the round has settled */
    uint64_t round;
};

static int64_t
mono_ms(void)
{
    struct clock now;

    clock_read(&now);
    return now.mono_ms;
}

static void
target_done(struct target *t)
{
    free(t->name);
    addrset_unref(t->last);
}

static void
resolver_unref(struct resolver *r)
{
    if (!ref_drop(&r->ref))
        return;
    for (size_t i = 0; i < r->count; i++)
        target_done(&r->targets[i]);
    free(r->targets);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* On the control loop, which is the only thread that closes the resolver. */
static void
on_message(struct loop_msg *msg)
{
    struct answer_msg *m = container_of(msg, struct answer_msg, msg);
    struct resolver *r = m->resolver;

    if (r->is_closed)
        addrset_unref(m->set);
    else if (m->set != NULL)
        r->hooks.on_addresses(r->hooks.arg, m->set);
    else
        r->hooks.on_settled(r->hooks.arg, m->round);
    resolver_unref(r);
    free(m);
}

/* With the lock held, so that nothing is posted once the resolver is closed. */
static void
resolver_post(struct resolver *r, struct addrset *set)
{
    struct answer_msg *m = mem_calloc(1, sizeof(*m));

    m->msg.run = on_message;
    m->resolver = r;
    m->set = set != NULL ? addrset_ref(set) : NULL;
    m->round = r->round;
    ref_take(&r->ref);
    loop_post(r->control, &m->msg);
}

static void
resolver_check_settled(struct resolver *r)
{
    if (r->is_settled || r->is_closed)
        return;
    for (size_t i = 0; i < r->count; i++) {
        if (!r->targets[i].is_asked)
            return;
    }
    r->is_settled = true;
    resolver_post(r, NULL);
}

static void
target_succeeded(struct resolver *r, struct target *t, const struct resolve_answer *answer)
{
    struct addr addrs[TARGET_ADDRESSES_MAX];
    struct addrset *set;

    for (size_t i = 0; i < answer->count; i++) {
        addrs[i] = answer->addrs[i];
        if (addrs[i].sa.sa_family == AF_INET)
            ((struct sockaddr_in *)(void *)&addrs[i].storage)->sin_port = htons(t->port);
        else
            ((struct sockaddr_in6 *)(void *)&addrs[i].storage)->sin6_port = htons(t->port);
    }
    if (t->failures > 0)
        log_event(LOG_INFO, "resolve", "target %s:%u has an address again", t->name, t->port);
    t->failures = 0;
    t->error[0] = '\0';
    set = addrset_new(t->name, t->port, addrs, answer->count);
    if (t->last != NULL && addrset_eq(t->last, set)) {
        addrset_unref(set);
        return;
    }
    addrset_unref(t->last);
    t->last = set;
    resolver_post(r, set);
}

static void
target_failed(struct target *t, const struct resolve_answer *answer)
{
    const char *then = t->last != NULL
                           ? "its last known addresses stay in use"
                           : "requests to it are answered 503 until its name has an address";

    /* Said once per outage; status shows the rest. */
    if (t->failures++ == 0)
        log_event(LOG_ERROR, "resolve", "target %s:%u: %s; %s", t->name, t->port, answer->error,
                  then);
    (void)snprintf(t->error, sizeof(t->error), "%s", answer->error);
}

static int64_t
clamp_interval_ms(int64_t ms)
{
    if (ms < RESOLVE_INTERVAL_MIN_MS)
        return RESOLVE_INTERVAL_MIN_MS;
    return ms > RESOLVE_INTERVAL_MAX_MS ? RESOLVE_INTERVAL_MAX_MS : ms;
}

/* After a failure: 1 s, 2 s, 4 s ... */
static int64_t
retry_interval_ms(unsigned failures)
{
    unsigned doublings = failures > 0 ? failures - 1 : 0;

    return clamp_interval_ms((int64_t)RESOLVE_INTERVAL_MIN_MS << (doublings < 10 ? doublings : 10));
}

/* One lookup serves every port of the name. Lock held. */
static void
resolver_apply(struct resolver *r, const char *name, int rc, const struct resolve_answer *answer)
{
    int64_t now = mono_ms();

    if (r->is_closed)
        return;
    for (size_t i = 0; i < r->count; i++) {
        struct target *t = &r->targets[i];

        if (strcmp(t->name, name) != 0)
            continue;
        t->is_asked = true;
        if (rc == 0)
            target_succeeded(r, t, answer);
        else
            target_failed(t, answer);
        t->due_ms =
            now + (rc == 0 ? (int64_t)RESOLVE_INTERVAL_DEFAULT_MS : retry_interval_ms(t->failures));
    }
    resolver_check_settled(r);
}

/* When the next lookup of a name is due, after its TTL is known or could not be learned. */
static void
resolver_apply_ttl(struct resolver *r, const char *name, int64_t ttl_s)
{
    int64_t interval = ttl_s < 0 ? RESOLVE_INTERVAL_DEFAULT_MS : clamp_interval_ms(ttl_s * 1000);
    int64_t now = mono_ms();

    for (size_t i = 0; i < r->count; i++) {
        struct target *t = &r->targets[i];

        if (strcmp(t->name, name) != 0)
            continue;
        t->due_ms = now + interval;
        t->ttl_skips = ttl_s < 0 ? TTL_SKIP_ROUNDS : 0;
    }
}

static struct target *
resolver_next(struct resolver *r)
{
    struct target *next = NULL;

    for (size_t i = 0; i < r->count; i++) {
        if (next == NULL || r->targets[i].due_ms < next->due_ms)
            next = &r->targets[i];
    }
    return next;
}

static void
resolver_wait(struct resolver *r, const struct target *next)
{
    struct timespec until;

    if (next == NULL) {
        pthread_cond_wait(&r->changed, &r->lock);
        return;
    }
    until.tv_sec = (time_t)(next->due_ms / 1000);
    until.tv_nsec = (long)(next->due_ms % 1000) * 1000000L;
    pthread_cond_timedwait(&r->changed, &r->lock, &until);
}

/* Asks for one name. The lock is held at entry and return, and not in between. */
static void
resolver_ask(struct resolver *r, struct target *t)
{
    struct resolve_answer answer = {.count = 0};
    char *name = mem_strdup(t->name);
    bool wants_ttl = t->ttl_skips == 0;
    int64_t ttl_s;
    int rc;

    if (!wants_ttl)
        t->ttl_skips--;
    pthread_mutex_unlock(&r->lock);
    rc = r->source.lookup(r->source.arg, name, &answer);
    pthread_mutex_lock(&r->lock);
    resolver_apply(r, name, rc, &answer);
    if (rc == 0 && wants_ttl && !r->is_closed) {
        pthread_mutex_unlock(&r->lock);
        ttl_s = r->source.ttl_s(r->source.arg, name, &answer);
        pthread_mutex_lock(&r->lock);
        resolver_apply_ttl(r, name, ttl_s);
    }
    free(name);
}

static void *
resolver_main(void *arg)
{
    struct resolver *r = arg;

    pthread_mutex_lock(&r->lock);
    while (!r->is_closed) {
        struct target *next = resolver_next(r);

        if (next != NULL && next->due_ms <= mono_ms())
            resolver_ask(r, next);
        else
            resolver_wait(r, next);
    }
    pthread_mutex_unlock(&r->lock);
    resolver_unref(r);
    return NULL;
}

struct resolver *
resolver_new(struct loop *control, const struct resolve_source *source,
             const struct resolve_hooks *hooks)
{
    struct resolver *r = mem_calloc(1, sizeof(*r));
    pthread_condattr_t attr;

    ref_init(&r->ref);
    r->control = control;
    r->source = *source;
    r->hooks = *hooks;
    r->is_settled = true;
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->changed, &attr);
    pthread_condattr_destroy(&attr);
    ref_take(&r->ref);
    gw_assert(pthread_create(&r->thread, NULL, resolver_main, r) == 0);
    (void)pthread_setname_np(r->thread, "resolver");
    return r;
}

void
resolver_free(struct resolver *r)
{
    struct timespec until;

    if (r == NULL)
        return;
    pthread_mutex_lock(&r->lock);
    r->is_closed = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
    /* A lookup may take many seconds; then the thread ends by itself and frees what it holds. */
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 200000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    if (pthread_timedjoin_np(r->thread, NULL, &until) != 0)
        pthread_detach(r->thread);
    resolver_unref(r);
}

static struct target *
target_find(struct resolver *r, const struct resolve_target *want)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->targets[i].port == want->port && strcmp(r->targets[i].name, want->name) == 0)
            return &r->targets[i];
    }
    return NULL;
}

static void
target_want(struct resolver *r, const struct resolve_target *want)
{
    struct target *t = target_find(r, want);

    if (t == NULL) {
        r->targets = mem_resize(r->targets, r->count + 1, sizeof(*t));
        t = &r->targets[r->count++];
        *t = (struct target){.name = mem_strdup(want->name), .port = want->port};
    }
    t->is_wanted = true;
}

void
resolver_set_targets(struct resolver *r, const struct resolve_target *targets, size_t count,
                     uint64_t round)
{
    size_t kept = 0;

    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->count; i++)
        r->targets[i].is_wanted = false;
    for (size_t i = 0; i < count; i++)
        target_want(r, &targets[i]);
    for (size_t i = 0; i < r->count; i++) {
        if (r->targets[i].is_wanted)
            r->targets[kept++] = r->targets[i];
        else
            target_done(&r->targets[i]);
    }
    r->count = kept;
    r->round = round;
    r->is_settled = false;
    resolver_check_settled(r);
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

void
resolver_each(struct resolver *r, void (*on_target)(void *arg, const struct resolve_state *s),
              void *arg)
{
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->count; i++) {
        const struct target *t = &r->targets[i];
        const struct resolve_state state = {.name = t->name,
                                            .port = t->port,
                                            .is_asked = t->is_asked,
                                            .last = t->last,
                                            .error = t->error,
                                            .next_ms = t->due_ms};

        on_target(arg, &state);
    }
    pthread_mutex_unlock(&r->lock);
}
