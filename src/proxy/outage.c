/* SPDX-License-Identifier: Apache-2.0
 *
 * The table behind outage.h. Called by upstream, which knows when connections are tried and how
 * that ends. Does no I/O and sets no timer: time is told by the caller. It must never grow, nor
 * forget an address before its time while there is room.
 */
#include "proxy/outage.h"

static struct outage *
find(const struct outages *o, const struct addr *addr)
{
    for (size_t i = 0; i < o->count; i++) {
        if (addr_eq(&o->items[i].addr, addr))
            return (struct outage *)(uintptr_t)&o->items[i];
    }
    return NULL;
}

bool
outages_has(const struct outages *o, const struct addr *addr, int64_t now_ms)
{
    const struct outage *it = find(o, addr);

    return it != NULL && now_ms < it->until_ms;
}

void
outages_on_try(struct outages *o, const struct addr *addr, int64_t now_ms, int64_t try_ms)
{
    struct outage *it = find(o, addr);

    if (it == NULL)
        return;
    it->is_tried = true;
    if (it->until_ms < now_ms + try_ms)
        it->until_ms = now_ms + try_ms;
}

static struct outage *
add(struct outages *o)
{
    struct outage *first = &o->items[0];

    if (o->count < OUTAGES_MAX)
        return &o->items[o->count++];
    for (size_t i = 1; i < o->count; i++) {
        if (o->items[i].until_ms < first->until_ms)
            first = &o->items[i];
    }
    return first;
}

static int64_t
length_ms(unsigned failures)
{
    int64_t length = OUTAGE_FIRST_MS;

    while (--failures > 0 && length < OUTAGE_LONGEST_MS)
        length *= 2;
    return length < OUTAGE_LONGEST_MS ? length : OUTAGE_LONGEST_MS;
}

bool
outages_on_failure(struct outages *o, const struct addr *addr, int64_t now_ms)
{
    struct outage *it = find(o, addr);
    bool is_new = it == NULL;

    if (is_new) {
        it = add(o);
        *it = (struct outage){.addr = *addr};
    } else if (!it->is_tried && now_ms < it->until_ms) {
        return false;
    }
    it->is_tried = false;
    if (it->failures < UINT16_MAX)
        it->failures++;
    it->until_ms = now_ms + length_ms(it->failures);
    return is_new;
}

bool
outages_on_success(struct outages *o, const struct addr *addr)
{
    struct outage *it = find(o, addr);

    if (it == NULL)
        return false;
    *it = o->items[--o->count];
    return true;
}
