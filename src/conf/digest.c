/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 of field sequences, for telling whether two generations mean the same. Used by
 * snapshot on the control thread. Owns one libcrypto context from init to done.
 */
#include "conf/digest.h"

#include <openssl/evp.h>

#include "base/assert.h"

void
digest_init(struct digest *d)
{
    d->ctx = EVP_MD_CTX_new();
    gw_assert(d->ctx != NULL && EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) == 1);
}

static void
update(struct digest *d, const void *bytes, size_t len)
{
    gw_assert(EVP_DigestUpdate(d->ctx, bytes, len) == 1);
}

void
digest_add(struct digest *d, struct str field)
{
    uint64_t len = field.len;

    update(d, &len, sizeof(len));
    if (field.len > 0)
        update(d, field.ptr, field.len);
}

void
digest_add_number(struct digest *d, int64_t number)
{
    digest_add(d, str_make(&number, sizeof(number)));
}

void
digest_done(struct digest *d, uint8_t ret[DIGEST_BYTES])
{
    unsigned len = 0;

    gw_assert(EVP_DigestFinal_ex(d->ctx, ret, &len) == 1 && len == DIGEST_BYTES);
    EVP_MD_CTX_free(d->ctx);
    d->ctx = NULL;
}

void
digest_bytes(struct str bytes, uint8_t ret[DIGEST_BYTES])
{
    struct digest d;

    digest_init(&d);
    if (bytes.len > 0)
        update(&d, bytes.ptr, bytes.len);
    digest_done(&d, ret);
}
