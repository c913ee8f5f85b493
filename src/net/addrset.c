/* SPDX-License-Identifier: Apache-2.0
 *
 * Counted list of addresses. The resolver makes one per name and change; workers only read
 * it. Small enough that membership is a plain scan.
 */
#include "net/addrset.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"

struct addrset *
addrset_new(const char *name, uint16_t port, const struct addr *addrs, size_t count)
{
    struct addrset *s;

    count = size_min(count, TARGET_ADDRESSES_MAX);
    s = calloc(1, sizeof(*s) + count * sizeof(s->addrs[0]));
    gw_assert(s != NULL);
    ref_init(&s->ref);
    s->name = strdup(name);
    gw_assert(s->name != NULL);
    s->port = port;
    s->count = count;
    if (count > 0)
        memcpy(s->addrs, addrs, count * sizeof(s->addrs[0]));
    return s;
}

struct addrset *
addrset_ref(struct addrset *s)
{
    ref_take(&s->ref);
    return s;
}

void
addrset_unref(struct addrset *s)
{
    if (s == NULL || !ref_drop(&s->ref))
        return;
    free(s->name);
    free(s);
}

static bool
addrset_has(const struct addrset *s, const struct addr *a)
{
    for (size_t i = 0; i < s->count; i++) {
        if (addr_eq(&s->addrs[i], a))
            return true;
    }
    return false;
}

bool
addrset_eq(const struct addrset *a, const struct addrset *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!addrset_has(b, &a->addrs[i]))
            return false;
    }
    return true;
}
