/* SPDX-License-Identifier: Apache-2.0
 *
 * Token bucket in integers. Also used as "at most N log lines a second, say how many
 * were dropped". One thread.
 */
#ifndef BASE_RATELIMIT_H
#define BASE_RATELIMIT_H

#include "base/base.h"

struct ratelimit {
    uint32_t per_second;
    uint32_t burst;
    int64_t tokens_milli;
    int64_t last_ms;
    uint64_t dropped; /* refused since the last ratelimit_take_dropped */
};

void ratelimit_init(struct ratelimit *r, uint32_t per_second, uint32_t burst, int64_t now_ms);
/* True when one token was there and is taken; otherwise counts a drop. */
bool ratelimit_admit(struct ratelimit *r, int64_t now_ms);
/* The drops since the last call. */
uint64_t ratelimit_take_dropped(struct ratelimit *r);

#endif
