/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of targets to addresses, on a thread of its own, so that no event loop ever waits
 * for a name server. Every name of the current snapshot is asked again when its TTL has
 * run out. An answer that cannot be had changes nothing: the last good one stays.
 *
 * All functions belong to the control thread; hooks are called on its loop.
 */
#ifndef CTL_RESOLVE_H
#define CTL_RESOLVE_H

#include "base/limits.h"
#include "net/addrset.h"
#include "net/loop.h"

/* What a name is worth now. The port of the addresses is 0. */
struct resolve_answer {
    struct addr addrs[TARGET_ADDRESSES_MAX];
    size_t count;
    char error[128]; /* when the lookup failed */
};

/* Where answers come from. Both block and are called on the resolver's thread only. */
struct resolve_source {
    /* 0 with at least one address, or GW_E_NOTFOUND with the error. */
    int (*lookup)(void *arg, const char *name, struct resolve_answer *ret);
    /* Seconds for which the answer may be kept; negative when that cannot be learned. */
    int64_t (*ttl_s)(void *arg, const char *name, const struct resolve_answer *answer);
    void *arg;
};

/* getaddrinfo, so that /etc/hosts and nsswitch.conf count, and a query of our own for the TTL,
 * which getaddrinfo keeps to itself. */
extern const struct resolve_source resolve_system;
/* The lowest TTL among the answers of a DNS message. GW_E_PARSE when malformed or without one. */
int resolve_ttl_parse(const uint8_t *msg, size_t len, int64_t *ret_ttl_s) GW_MUST_USE;

struct resolve_hooks {
    /* The addresses of a name are known, or changed. One reference is given. */
    void (*on_addresses)(void *arg, struct addrset *set);
    /* Every target of that call of resolver_set_targets has been asked once, with or without
     * success. All on_addresses of its answers came before. */
    void (*on_settled)(void *arg, uint64_t round);
    void *arg;
};

struct resolve_target {
    const char *name;
    uint16_t port;
};

/* For status and for messages. Slices are borrowed for the call. */
struct resolve_state {
    const char *name;
    uint16_t port;
    bool is_asked;              /* at least one lookup has ended */
    const struct addrset *last; /* the last good answer, or NULL */
    const char *error;          /* of the last lookup; empty when it succeeded */
    int64_t next_ms;            /* monotonic */
};

struct resolver;

struct resolver *resolver_new(struct loop *control, const struct resolve_source *source,
                              const struct resolve_hooks *hooks);
/* Does not wait for a lookup that is under way. No hook is called afterwards. NULL is fine. */
void resolver_free(struct resolver *r);
/* Replaces the list. What was known stays known; new names are asked at once. */
void resolver_set_targets(struct resolver *r, const struct resolve_target *targets, size_t count,
                          uint64_t round);
void resolver_each(struct resolver *r, void (*on_target)(void *arg, const struct resolve_state *s),
                   void *arg);

#endif
