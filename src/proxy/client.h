/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known about a client whose certificate was admitted: the verified path, the
 * identity and the header lines rendered from it. Connections of one worker that present
 * the same certificates to the same policy share one; it is also the verdict cache: a chain
 * seen before under the current snapshot is not checked by signature again, only by
 * revocation and dates. Counted, never shared between threads.
 */
#ifndef PROXY_CLIENT_H
#define PROXY_CLIENT_H

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "cert/identity.h"
#include "cert/verify.h"

#define CLIENT_KEY_BYTES 32

struct client {
    unsigned refs;
    struct list link; /* client_cache.recent while it is cached, then .stale */
    uint8_t key[CLIENT_KEY_BYTES];
    struct arena arena;
    struct identity *identity;
    X509 *chain[CHAIN_DEPTH_MAX + 2]; /* leaf first, anchor last */
    int chain_count;
    uint64_t issuers[CHAIN_DEPTH_MAX + 1]; /* client_issuer_key of chain[1] and those after it */
    uint8_t anchors_digest[32];            /* of the trust store it was judged under */
    struct str block;                      /* identity header lines; rendered at the first use */
    uint32_t block_lines;
    bool has_block;
};

/* Bounded, least recently used goes first. */
struct client_cache {
    struct map map;
    struct list recent; /* most recently used first */
    size_t count;
    struct list stale; /* cleared, not yet let go of */
};

void client_cache_init(struct client_cache *cache);
/* For a new snapshot: nothing that was cached is found again. Connections keep theirs. The cache
 * itself lets go of its own by client_cache_reap, since that takes a while. */
void client_cache_clear(struct client_cache *cache);
/* Lets go of one that was cleared; false when none is left. */
bool client_cache_reap(struct client_cache *cache);
void client_cache_done(struct client_cache *cache);

/* The key of certificates as sent, for a policy. GW_E_BUG when they cannot be encoded. */
struct client_key_input {
    X509 *leaf;
    STACK_OF(X509) * sent; /* may be NULL */
    const uint8_t *policy_digest;
    unsigned listener_index;
};
int client_key_make(const struct client_key_input *in, uint8_t ret[CLIENT_KEY_BYTES]) GW_MUST_USE;

/* With a reference for the caller, or NULL. */
struct client *client_cache_find(struct client_cache *cache, const uint8_t key[CLIENT_KEY_BYTES]);
void client_cache_put(struct client_cache *cache, struct client *cl,
                      const uint8_t key[CLIENT_KEY_BYTES]);

/* Takes the verdict's path. GW_E_DENIED with *ret_reason when the identity cannot be stated. */
int client_new(struct verdict *v, const struct trust *trust, struct client **ret,
               enum reason *ret_reason) GW_MUST_USE;
/* The certificate of the path that equals cert; NULL: none does. */
X509 *client_path_cert(const struct client *cl, const X509 *cert);
/* The same for all certificates of one key, whatever their name. */
uint64_t client_issuer_key(X509 *issuer);
struct client *client_ref(struct client *cl);
void client_unref(struct client *cl); /* NULL is fine */

#endif
