/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps a good copy of every list that the configuration names by URL in STATE_DIR/lists,
 * where the next load finds it. A copy is replaced only by a list that a trust store would
 * take: signed by a CA of the bundle, in date, and not older than any that was in use.
 * Whatever else a server says leaves the copy as it is.
 *
 * Control thread only.
 */
#ifndef CTL_SUPPLY_H
#define CTL_SUPPLY_H

#include "conf/config.h"
#include "ctl/liststate.h"
#include "net/loop.h"

struct supply;

/* on_list: a copy has changed and should be loaded. floors is borrowed and read at each check. */
struct supply *supply_new(struct loop *loop, const struct liststate *floors,
                          void (*on_list)(void *arg), void *arg);
void supply_free(struct supply *s); /* NULL is fine */
/* The lists of the configuration in use. What was known of them stays known. */
void supply_set(struct supply *s, const struct config *config);
/* A load has ended; with success every copy is in use. */
void supply_loaded(struct supply *s, bool is_loaded);

/* Before the first load: asks for every list of which there is no good copy, and waits at most
 * FETCH_FIRST_TIMEOUT_MS for each. What cannot be had is a warning: the load decides. */
void supply_prime(const struct config *config, const struct liststate *floors, struct diag *diag);

/* For status. Borrowed for the call. */
struct supply_state {
    const char *url;
    const char *cache_path;
    const char *error; /* empty after a success */
    uint64_t error_count;
    int64_t last_fetch_s;   /* 0: not yet */
    int64_t last_success_s; /* 0: not yet */
    int64_t next_ms;        /* monotonic */
    bool is_asking;
};

void supply_each(const struct supply *s, void (*on_source)(void *arg, const struct supply_state *),
                 void *arg);

#endif
