/* SPDX-License-Identifier: Apache-2.0
 *
 * Watches the ages of the lists in use. Called by gateway at each commit and by its timer on
 * the control thread; owns what it said about which list. Must never look at a snapshot
 * that is not in use.
 */
#include "ctl/listage.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "ctl/mem.h"

enum listage_stage
listage_of(const struct crl_info *info, int64_t now_s, int64_t *ret_next_s)
{
    int64_t end_s = info->next_update_s;
    int64_t old_s;

    *ret_next_s = INT64_MAX;
    if (end_s == INT64_MAX)
        return LISTAGE_FRESH;
    if (now_s > end_s)
        return LISTAGE_EXPIRED;
    old_s = info->this_update_s + (end_s - info->this_update_s) / 100 * LIST_AGE_WARN_PERCENT +
            (end_s - info->this_update_s) % 100 * LIST_AGE_WARN_PERCENT / 100;
    *ret_next_s = now_s >= old_s ? end_s + 1 : old_s;
    return now_s >= old_s ? LISTAGE_OLD : LISTAGE_FRESH;
}

static void
say(const struct trust *t, const struct crl_info *info, enum listage_stage stage, int64_t now_s)
{
    if (stage == LISTAGE_OLD)
        log_event(LOG_WARN, "lists",
                  "trust store %s: list number %.*s of \"%.*s\" has %lld s of its validity left; "
                  "fetch the next one",
                  trust_name(t), STR_ARG(info->number_hex), STR_ARG(info->issuer_text),
                  (long long)(info->next_update_s - now_s));
    else if (stage == LISTAGE_EXPIRED)
        log_event(LOG_ERROR, "lists",
                  "trust store %s: list number %.*s of \"%.*s\" has expired; fetch the current one",
                  trust_name(t), STR_ARG(info->number_hex), STR_ARG(info->issuer_text));
}

/* The entry of a list; a new one is fresh. */
static struct listage_entry *
entry_of(struct listage *a, size_t trust, const uint8_t sha256[32])
{
    struct listage_entry *e;

    for (size_t i = 0; i < a->count; i++) {
        e = &a->entries[i];
        if (e->trust == trust && memcmp(e->sha256, sha256, sizeof(e->sha256)) == 0)
            return e;
    }
    a->entries = mem_resize(a->entries, a->count + 1, sizeof(*a->entries));
    e = &a->entries[a->count++];
    *e = (struct listage_entry){.trust = trust, .stage = LISTAGE_FRESH};
    memcpy(e->sha256, sha256, sizeof(e->sha256));
    return e;
}

/* Returns when the list goes on. */
static int64_t
look_at(struct listage *a, size_t trust, size_t list, int64_t now_s)
{
    const struct trust *t = a->snapshot->trusts[trust];
    const struct crl_info *info = crl_info(trust_crl(t, list));
    struct listage_entry *e = entry_of(a, trust, info->sha256);
    enum listage_stage stage;
    int64_t next_s;

    /* The delta over it says how old the information is. */
    if (!trust_crl_is_newest(t, list))
        return INT64_MAX;
    stage = listage_of(info, now_s, &next_s);
    if (stage > e->stage)
        say(t, info, stage, now_s);
    e->stage = stage;
    return next_s;
}

static void
on_timer(void *arg)
{
    struct listage *a = arg;
    const struct clock *now = loop_now_fresh(a->loop);
    int64_t now_s = clock_wall_s(now);
    int64_t wait_ms = LIST_AGE_CHECK_MS;

    for (size_t i = 0; i < a->snapshot->trust_count; i++) {
        for (size_t j = 0; j < trust_crl_count(a->snapshot->trusts[i]); j++) {
            int64_t next_s = look_at(a, i, j, now_s);

            if (next_s != INT64_MAX && (next_s - now_s) < wait_ms / 1000)
                wait_ms = (next_s - now_s) * 1000;
        }
    }
    loop_timer_set(&a->timer, now->mono_ms + wait_ms);
}

void
listage_init(struct listage *a, struct loop *loop)
{
    *a = (struct listage){.loop = loop};
    loop_timer_init(loop, &a->timer, on_timer, a);
}

void
listage_done(struct listage *a)
{
    if (a->loop == NULL)
        return;
    loop_timer_done(&a->timer);
    free(a->entries);
    *a = (struct listage){.loop = NULL};
}

/* The stage that the same list had reached before, so that no warning is said twice. */
static int
stage_of(const struct listage_entry *entries, size_t count, const uint8_t *sha256)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(entries[i].sha256, sha256, sizeof(entries[i].sha256)) == 0)
            return entries[i].stage;
    return LISTAGE_FRESH;
}

/* Entries of lists that are no longer in use are dropped. */
void
listage_set(struct listage *a, const struct snapshot *s)
{
    struct listage_entry *old = a->entries;
    size_t old_count = a->count;

    a->snapshot = s;
    a->entries = NULL;
    a->count = 0;
    for (size_t i = 0; i < s->trust_count; i++) {
        for (size_t j = 0; j < trust_crl_count(s->trusts[i]); j++) {
            const uint8_t *sha256 = crl_info(trust_crl(s->trusts[i], j))->sha256;
            struct listage_entry *e = entry_of(a, i, sha256);

            e->stage = stage_of(old, old_count, sha256);
        }
    }
    free(old);
    on_timer(a);
}
