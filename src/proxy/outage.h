/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses of one target group that could not be reached a moment ago, so that requests go to
 * the others meanwhile: one dead network interface of an endpoint must not cost every third new
 * connection its connect timeout. An address is set aside for OUTAGE_FIRST_MS, twice as long
 * after each further failure, OUTAGE_LONGEST_MS at most; then one request at a time finds out
 * whether it is back. Who finds all addresses set aside uses them all the same (fail open, as a
 * load balancer does). Fixed size; with none set aside a question costs one comparison. Worker
 * thread, nothing is shared between workers.
 */
#ifndef PROXY_OUTAGE_H
#define PROXY_OUTAGE_H

#include "base/limits.h"
#include "net/sock.h"

struct outage {
    struct addr addr;
    int64_t until_ms;
    unsigned failures; /* in a row */
    bool is_tried;     /* somebody is finding out whether it is back */
};

/* Zeroed it is empty. */
struct outages {
    size_t count;
    struct outage items[OUTAGES_MAX];
};

/* True while addr is set aside. */
bool outages_has(const struct outages *o, const struct addr *addr, int64_t now_ms);
/* A connection to addr is tried: when addr was set aside before, others keep away until its outcome
 * is known, for try_ms at most. */
void outages_on_try(struct outages *o, const struct addr *addr, int64_t now_ms, int64_t try_ms);
/* A connection failed before a request could be sent, or takes suspiciously long. True when addr
 * was not set aside before. The failure of one that was under way when addr was set aside changes
 * nothing. Without room the outage that would end first is forgotten. */
bool outages_on_failure(struct outages *o, const struct addr *addr, int64_t now_ms);
/* A connection to addr is open. True when addr was set aside before. */
bool outages_on_success(struct outages *o, const struct addr *addr);

#endif
