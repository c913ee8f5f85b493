/* SPDX-License-Identifier: Apache-2.0
 *
 * How many connections of each source have not authenticated themselves yet, so that one source
 * cannot take every place. An IPv6 source is a /64, of which one host may have every address.
 * The table has a fixed size: sources that fall into one slot share its count, which makes the
 * cap come sooner for them, never later. Worker thread.
 */
#ifndef PROXY_SOURCES_H
#define PROXY_SOURCES_H

#include "base/limits.h"
#include "net/sock.h"

enum { SOURCES_SLOTS = 4096, SOURCES_NONE = UINT16_MAX };

struct sources {
    uint64_t key[2]; /* random: nobody can choose whose count to share */
    uint16_t counts[SOURCES_SLOTS];
};

void sources_init(struct sources *s, const uint8_t random[16]);
/* The slot of an address; SOURCES_NONE for one that has no IP. */
uint16_t sources_slot(const struct sources *s, const struct addr *from);
/* WORKER_HANDSHAKES_PER_SOURCE are there already. */
bool sources_is_full(const struct sources *s, uint16_t slot);
/* Both do nothing for SOURCES_NONE. */
void sources_enter(struct sources *s, uint16_t slot);
void sources_leave(struct sources *s, uint16_t slot);

#endif
