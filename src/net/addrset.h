/* SPDX-License-Identifier: Apache-2.0
 *
 * The addresses a name resolved to: immutable and counted. Made by the resolver, posted to
 * the workers, each of which holds one reference per target.
 */
#ifndef NET_ADDRSET_H
#define NET_ADDRSET_H

#include "base/ref.h"
#include "net/sock.h"

struct addrset {
    struct ref ref;
    char *name; /* as configured, NUL-terminated; owned */
    uint16_t port;
    size_t count;        /* at most TARGET_ADDRESSES_MAX; 0 when nothing is known yet */
    struct addr addrs[]; /* with the port */
};

/* Aborts on out of memory: control plane. addrs are copied. */
struct addrset *
addrset_new(const char *name, uint16_t port, const struct addr *addrs, size_t count);
struct addrset *addrset_ref(struct addrset *s);
void addrset_unref(struct addrset *s); /* NULL is fine */
/* Same addresses in any order. */
bool addrset_eq(const struct addrset *a, const struct addrset *b);

#endif
