/* SPDX-License-Identifier: Apache-2.0
 *
 * Token bucket in thousandths of a token. Used by the thread that owns it; time is passed
 * in. Must never go wrong when the clock stands still, jumps or has not moved for years.
 */
#include "base/ratelimit.h"

#define MILLI 1000

void
ratelimit_init(struct ratelimit *r, uint32_t per_second, uint32_t burst, int64_t now_ms)
{
    *r = (struct ratelimit){
        .per_second = per_second,
        .burst = burst,
        .tokens_milli = (int64_t)burst * MILLI,
        .last_ms = now_ms,
    };
}

static void
refill(struct ratelimit *r, int64_t now_ms)
{
    int64_t full = (int64_t)r->burst * MILLI;
    int64_t elapsed_ms = now_ms - r->last_ms;

    if (elapsed_ms <= 0)
        return;
    r->last_ms = now_ms;
    /* One millisecond earns per_second thousandths. Compared by division: no overflow. */
    if (r->per_second > 0 && elapsed_ms > (full - r->tokens_milli) / r->per_second)
        r->tokens_milli = full;
    else
        r->tokens_milli += elapsed_ms * r->per_second;
}

bool
ratelimit_admit(struct ratelimit *r, int64_t now_ms)
{
    refill(r, now_ms);
    if (r->tokens_milli < MILLI) {
        r->dropped++;
        return false;
    }
    r->tokens_milli -= MILLI;
    return true;
}

uint64_t
ratelimit_take_dropped(struct ratelimit *r)
{
    uint64_t dropped = r->dropped;

    r->dropped = 0;
    return dropped;
}
