/* SPDX-License-Identifier: Apache-2.0
 *
 * Hash table with open addressing and linear probing; a removal moves the followers back,
 * so there are no tombstones. Owns its slots only. One thread while it is written. Must
 * never be more than three quarters full: the probe ends at an empty slot.
 */
#include "base/map.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/secret.h"

#define SLOTS_MIN 16

struct map_slot {
    uint64_t hash;
    struct str key;
    void *value; /* NULL: empty */
};

/* One SipRound of the SipHash paper (Aumasson and Bernstein, 2012). */
static void
sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = ((v[1] << 13) | (v[1] >> 51)) ^ v[0];
    v[0] = (v[0] << 32) | (v[0] >> 32);
    v[2] += v[3];
    v[3] = ((v[3] << 16) | (v[3] >> 48)) ^ v[2];
    v[0] += v[3];
    v[3] = ((v[3] << 21) | (v[3] >> 43)) ^ v[0];
    v[2] += v[1];
    v[1] = ((v[1] << 17) | (v[1] >> 47)) ^ v[2];
    v[2] = (v[2] << 32) | (v[2] >> 32);
}

static void
sip_absorb(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

/* Little-endian word of n <= 8 bytes. */
static uint64_t
load_word(const uint8_t *bytes, size_t n)
{
    uint64_t word = 0;

    for (size_t i = 0; i < n; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

uint64_t
siphash24(const uint64_t key[2], const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    uint64_t v[4] = {
        key[0] ^ 0x736f6d6570736575u,
        key[1] ^ 0x646f72616e646f6du,
        key[0] ^ 0x6c7967656e657261u,
        key[1] ^ 0x7465646279746573u,
    };
    size_t left = len;

    for (; left >= 8; left -= 8, at += 8)
        sip_absorb(v, load_word(at, 8));
    sip_absorb(v, load_word(at, left) | (uint64_t)len << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void
map_init(struct map *m, size_t count_max)
{
    *m = (struct map){.count_max = count_max};
    secret_random(m->key, sizeof(m->key));
}

void
map_done(struct map *m)
{
    free(m->slots);
    *m = (struct map){0};
}

/* The slot that holds key, or the empty one where it would go. slot_count > 0. */
static struct map_slot *
find(const struct map *m, struct str key, uint64_t hash)
{
    size_t mask = m->slot_count - 1;
    size_t i = (size_t)hash & mask;

    while (m->slots[i].value != NULL && (m->slots[i].hash != hash || !str_eq(m->slots[i].key, key)))
        i = (i + 1) & mask;
    return &m->slots[i];
}

void *
map_get(const struct map *m, struct str key)
{
    if (m->count == 0)
        return NULL;
    return find(m, key, siphash24(m->key, key.ptr, key.len))->value;
}

static int
grow(struct map *m)
{
    struct map bigger = *m;

    bigger.slot_count = size_max(SLOTS_MIN, m->slot_count * 2);
    bigger.slots = calloc(bigger.slot_count, sizeof(*bigger.slots));
    if (bigger.slots == NULL)
        return GW_E_NOMEM;
    for (size_t i = 0; i < m->slot_count; i++) {
        if (m->slots[i].value != NULL)
            *find(&bigger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
    }
    free(m->slots);
    *m = bigger;
    return 0;
}

int
map_put(struct map *m, struct str key, void *value)
{
    uint64_t hash = siphash24(m->key, key.ptr, key.len);
    struct map_slot *slot = m->slot_count > 0 ? find(m, key, hash) : NULL;
    bool is_new = slot == NULL || slot->value == NULL;

    gw_assert(value != NULL);
    if (is_new && m->count == m->count_max)
        return GW_E_LIMIT;
    if (slot == NULL || (is_new && (m->count + 1) * 4 > m->slot_count * 3)) {
        int err = grow(m);

        if (err != 0)
            return err;
        slot = find(m, key, hash);
    }
    *slot = (struct map_slot){.hash = hash, .key = key, .value = value};
    m->count += is_new;
    return 0;
}

/* Closes the gap at slot i: a follower moves back unless that would put it before its home. */
static void
close_gap(struct map *m, size_t i)
{
    size_t mask = m->slot_count - 1;
    size_t next = i;

    for (;;) {
        next = (next + 1) & mask;
        if (m->slots[next].value == NULL)
            break;
        if (((next - (size_t)m->slots[next].hash) & mask) >= ((next - i) & mask)) {
            m->slots[i] = m->slots[next];
            i = next;
        }
    }
    m->slots[i] = (struct map_slot){0};
}

void *
map_remove(struct map *m, struct str key)
{
    struct map_slot *slot;
    void *value;

    if (m->count == 0)
        return NULL;
    slot = find(m, key, siphash24(m->key, key.ptr, key.len));
    value = slot->value;
    if (value == NULL)
        return NULL;
    close_gap(m, (size_t)(slot - m->slots));
    m->count--;
    return value;
}

bool
map_next(const struct map *m, size_t *cursor, struct str *ret_key, void **ret_value)
{
    for (; *cursor < m->slot_count; (*cursor)++) {
        const struct map_slot *slot = &m->slots[*cursor];

        if (slot->value == NULL)
            continue;
        *ret_key = slot->key;
        *ret_value = slot->value;
        (*cursor)++;
        return true;
    }
    return false;
}
