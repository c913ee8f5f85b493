/* SPDX-License-Identifier: Apache-2.0
 *
 * Hash table from byte keys to pointers, keyed SipHash-2-4 so that a peer cannot choose
 * collisions. Capped. Keys are borrowed: they must live inside the value or as long.
 * One thread; a map that is no longer written may be read by all.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/base.h"
#include "base/str.h"

struct map_slot;

struct map {
    struct map_slot *slots;
    size_t slot_count; /* a power of two, or 0 */
    size_t count;
    size_t count_max;
    uint64_t key[2];
};

void map_init(struct map *m, size_t count_max);
void map_done(struct map *m);
/* NULL when absent. */
void *map_get(const struct map *m, struct str key);
/* Replaces the value of an equal key (key pointer too). GW_E_LIMIT, GW_E_NOMEM. */
int map_put(struct map *m, struct str key, void *value) GW_MUST_USE;
/* The removed value, or NULL. */
void *map_remove(struct map *m, struct str key);
/* Start with *cursor = 0; false at the end. The map must not change meanwhile. */
bool map_next(const struct map *m, size_t *cursor, struct str *ret_key, void **ret_value);

uint64_t siphash24(const uint64_t key[2], const void *bytes, size_t len);

#endif
