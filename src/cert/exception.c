/* SPDX-License-Identifier: Apache-2.0
 *
 * Exceptions of a trust store: copied when it is built, looked up by the judge when a client
 * certificate has a failure that may have one. Read by all workers. Owns its texts through
 * the store. It must never fit a certificate that it does not name, nor outlive its date.
 */
#include "cert/exception.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"
#include "cert/cert.h"
#include "cert/exception_int.h"
#include "cert/name.h"
#include "cert/trust_int.h"

/* ---- life ---- */

static char *
copy_text(const char *text)
{
    return text != NULL ? strdup(text) : NULL;
}

int
exceptions_copy(struct trust_exceptions *dst, const struct trust_exception *src, size_t count)
{
    dst->items = calloc(count + 1, sizeof(dst->items[0]));
    if (dst->items == NULL)
        return GW_E_NOMEM;
    for (size_t i = 0; i < count; i++) {
        struct trust_exception *e = &dst->items[dst->count++];

        *e = src[i];
        e->issuer = copy_text(src[i].issuer);
        e->why = copy_text(src[i].why);
        if ((src[i].issuer != NULL && e->issuer == NULL) || (src[i].why != NULL && e->why == NULL))
            return GW_E_NOMEM;
    }
    return 0;
}

void
exceptions_done(struct trust_exceptions *e)
{
    for (size_t i = 0; i < e->count; i++) {
        free((char *)(uintptr_t)e->items[i].issuer);
        free((char *)(uintptr_t)e->items[i].why);
    }
    free(e->items);
    *e = (struct trust_exceptions){0};
}

/* The words of the operator change nothing. */
static bool
digest_one(EVP_MD_CTX *ctx, const struct trust_exception *e)
{
    const char *issuer = e->issuer != NULL ? e->issuer : "";
    int64_t numbers[] = {e->kind, e->max_age_s, e->until_s, (int64_t)strlen(issuer)};

    return EVP_DigestUpdate(ctx, numbers, sizeof(numbers)) == 1 &&
           EVP_DigestUpdate(ctx, issuer, strlen(issuer)) == 1 &&
           EVP_DigestUpdate(ctx, e->sha256, sizeof(e->sha256)) == 1;
}

int
exceptions_digest(const struct trust_exceptions *e, uint8_t ret[32])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool is_good = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;

    for (size_t i = 0; i < e->count && is_good; i++)
        is_good = digest_one(ctx, &e->items[i]);
    is_good = is_good && EVP_DigestFinal_ex(ctx, ret, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return is_good ? 0 : GW_E_NOMEM;
}

/* ---- questions ---- */

struct leaf_facts {
    char issuer[CLIENT_DN_BYTES_MAX + 1];
    bool has_issuer;
    uint8_t sha256[32];
    bool has_sha256;
};

static void
read_leaf(const X509 *leaf, struct leaf_facts *f)
{
    size_t len;

    f->has_sha256 = cert_digest(leaf, f->sha256) == 0;
    f->has_issuer =
        name_format(X509_get_issuer_name(leaf), f->issuer, sizeof(f->issuer), &len) == 0;
}

static bool
names(const struct trust_exception *e, const struct leaf_facts *f)
{
    if (e->issuer != NULL)
        return f->has_issuer && strcmp(e->issuer, f->issuer) == 0;
    return f->has_sha256 && memcmp(e->sha256, f->sha256, sizeof(f->sha256)) == 0;
}

static int64_t
holds_until(const struct trust_exception *e, const struct exception_need *need)
{
    if (e->kind == TRUST_ALLOW_EXPIRED && need->not_after_s + e->max_age_s < e->until_s)
        return need->not_after_s + e->max_age_s;
    return e->until_s;
}

const struct trust_exception *
trust_exception_find(const struct trust *t, const struct exception_need *need, int64_t *ret_until_s)
{
    const struct trust_exception *best = NULL;
    int64_t best_until_s = 0;
    struct leaf_facts facts;

    if (t->exceptions.count == 0)
        return NULL;
    read_leaf(need->leaf, &facts);
    for (size_t i = 0; i < t->exceptions.count; i++) {
        const struct trust_exception *e = &t->exceptions.items[i];
        int64_t until_s = holds_until(e, need);

        if (e->kind != need->kind || until_s < need->now_s || !names(e, &facts))
            continue;
        if (best != NULL && until_s <= best_until_s)
            continue;
        best = e;
        best_until_s = until_s;
    }
    if (best != NULL)
        *ret_until_s = best_until_s;
    return best;
}

void
exception_describe(const struct trust_exception *e, char text[EXCEPTION_TEXT_MAX])
{
    char until[CLOCK_ISO_LEN], hex[2 * sizeof(e->sha256)];

    clock_format_iso(until, e->until_s);
    str_hex_lower(hex, e->sha256, sizeof(e->sha256));
    (void)snprintf(
        text, EXCEPTION_TEXT_MAX, "%s, %s%.*s, until %.*s: %.100s",
        e->kind == TRUST_ALLOW_EXPIRED ? "expired" : "no_client_auth_eku",
        e->issuer != NULL ? "issuer " : "sha256:", e->issuer != NULL ? 120 : (int)sizeof(hex),
        e->issuer != NULL ? e->issuer : hex, CLOCK_ISO_LEN, until, e->why != NULL ? e->why : "");
}
