/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts by source address. Called by conn when a connection begins and when it has proved who it
 * is; owns nothing. It must never grow with the number of sources.
 */
#include "proxy/sources.h"

#include "base/assert.h"
#include "base/map.h"

#define IPV6_NETWORK_BYTES 8

static_assert(WORKER_HANDSHAKES_MAX < UINT16_MAX, "a count fits its slot");

void
sources_init(struct sources *s, const uint8_t random[16])
{
    *s = (struct sources){.key = {0}};
    memcpy(s->key, random, sizeof(s->key));
}

uint16_t
sources_slot(const struct sources *s, const struct addr *from)
{
    size_t len = 0;
    const uint8_t *ip = addr_ip(from, &len);

    if (ip == NULL)
        return SOURCES_NONE;
    return (uint16_t)(siphash24(s->key, ip, size_min(len, IPV6_NETWORK_BYTES)) % SOURCES_SLOTS);
}

bool
sources_is_full(const struct sources *s, uint16_t slot)
{
    return slot != SOURCES_NONE && s->counts[slot] >= WORKER_HANDSHAKES_PER_SOURCE;
}

void
sources_enter(struct sources *s, uint16_t slot)
{
    if (slot == SOURCES_NONE)
        return;
    gw_assert(s->counts[slot] < WORKER_HANDSHAKES_MAX);
    s->counts[slot]++;
}

void
sources_leave(struct sources *s, uint16_t slot)
{
    if (slot == SOURCES_NONE)
        return;
    gw_assert(s->counts[slot] > 0);
    s->counts[slot]--;
}
