/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared facts of admitted clients and the cache that finds them again. Called by conn_tls
 * inside handshakes and by worker when the snapshot changes. Owns paths and identities. It
 * must never find a chain that was judged under another snapshot.
 */
#include "proxy/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "cert/cert.h"

struct client *
client_ref(struct client *cl)
{
    cl->refs++;
    return cl;
}

void
client_unref(struct client *cl)
{
    if (cl == NULL || --cl->refs > 0)
        return;
    gw_assert(!list_is_linked(&cl->link));
    for (int i = 0; i < cl->chain_count; i++)
        X509_free(cl->chain[i]);
    arena_done(&cl->arena);
    free(cl);
}

uint64_t
client_issuer_key(X509 *issuer)
{
    static const uint64_t key[2] = {0};
    const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(issuer);

    return bits == NULL ? 0 : siphash24(key, bits->data, (size_t)bits->length);
}

int
client_new(struct verdict *v, const struct trust *trust, struct client **ret,
           enum reason *ret_reason)
{
    struct client *cl = calloc(1, sizeof(*cl));
    int r;

    *ret_reason = REASON_UNMAPPED;
    if (cl == NULL)
        return GW_E_DENIED;
    cl->refs = 1;
    arena_init(&cl->arena, CLIENT_ARENA_BLOCK, CONN_ARENA_MAX);
    r = identity_build(v->chain[0], &cl->arena, &cl->identity, ret_reason);
    if (r != 0) {
        client_unref(cl);
        return GW_E_DENIED;
    }
    memcpy(cl->chain, v->chain, sizeof(cl->chain));
    cl->chain_count = v->chain_count;
    v->chain_count = 0;
    for (int i = 1; i < cl->chain_count; i++)
        cl->issuers[i - 1] = client_issuer_key(cl->chain[i]);
    memcpy(cl->anchors_digest, trust_anchors_digest(trust), sizeof(cl->anchors_digest));
    *ret = cl;
    return 0;
}

X509 *
client_path_cert(const struct client *cl, const X509 *cert)
{
    for (int i = 0; i < cl->chain_count; i++) {
        if (cert_eq(cl->chain[i], cert))
            return cl->chain[i];
    }
    return NULL;
}

/* ---- keys ------------------------------------------------------------------------------- */

int
client_key_make(const struct client_key_input *in, uint8_t ret[CLIENT_KEY_BYTES])
{
    uint8_t prefix[32 + sizeof(in->listener_index)];

    memcpy(prefix, in->policy_digest, 32);
    memcpy(prefix + 32, &in->listener_index, sizeof(in->listener_index));
    return cert_list_digest(str_make(prefix, sizeof(prefix)), in->leaf, in->sent, ret);
}

/* ---- the cache --------------------------------------------------------------------------- */

static struct str
key_str(const uint8_t key[CLIENT_KEY_BYTES])
{
    return str_make(key, CLIENT_KEY_BYTES);
}

void
client_cache_init(struct client_cache *cache)
{
    map_init(&cache->map, CLIENT_CACHE_MAX);
    list_init(&cache->recent);
    list_init(&cache->stale);
    cache->count = 0;
}

static void
client_uncache(struct client_cache *cache, struct client *cl)
{
    (void)map_remove(&cache->map, key_str(cl->key));
    list_remove(&cl->link);
    cache->count--;
    client_unref(cl);
}

void
client_cache_clear(struct client_cache *cache)
{
    list_append(&cache->stale, &cache->recent);
    map_done(&cache->map);
    map_init(&cache->map, CLIENT_CACHE_MAX);
    cache->count = 0;
}

bool
client_cache_reap(struct client_cache *cache)
{
    struct list *node = list_pop_head(&cache->stale);

    if (node == NULL)
        return false;
    client_unref(container_of(node, struct client, link));
    return true;
}

void
client_cache_done(struct client_cache *cache)
{
    client_cache_clear(cache);
    while (client_cache_reap(cache))
        continue;
    map_done(&cache->map);
}

struct client *
client_cache_find(struct client_cache *cache, const uint8_t key[CLIENT_KEY_BYTES])
{
    struct client *cl = map_get(&cache->map, key_str(key));

    if (cl == NULL)
        return NULL;
    list_remove(&cl->link);
    list_push_head(&cache->recent, &cl->link);
    return client_ref(cl);
}

void
client_cache_put(struct client_cache *cache, struct client *cl, const uint8_t key[CLIENT_KEY_BYTES])
{
    struct client *old = map_get(&cache->map, key_str(key));

    gw_assert(!list_is_linked(&cl->link));
    if (old != NULL)
        client_uncache(cache, old);
    if (cache->count >= CLIENT_CACHE_MAX - 1)
        client_uncache(cache, container_of(cache->recent.prev, struct client, link));
    memcpy(cl->key, key, CLIENT_KEY_BYTES);
    if (map_put(&cache->map, key_str(cl->key), cl) != 0)
        return; /* without memory nothing is cached */
    list_push_head(&cache->recent, &cl->link);
    cache->count++;
    (void)client_ref(cl);
}
