/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists against the newest ones that earlier runs had in use: what protects a start from an
 * older list, as the running configuration protects a reload. Called by trust_build on the
 * control thread; owns nothing. Must never take a floor for another issuer's or scope's.
 */
#include <openssl/evp.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "cert/cert.h"
#include "cert/trust_int.h"

static_assert(CRL_NUMBER_HEX_MAX == 2 * CRL_NUMBER_BYTES_MAX, "a number fits");

static void
digest_two(struct str a, struct str b, uint8_t ret[CERT_DIGEST_BYTES])
{
    uint64_t len = a.len;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    gw_assert(ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, &len, sizeof(len)) == 1 &&
              EVP_DigestUpdate(ctx, a.ptr, a.len) == 1 &&
              EVP_DigestUpdate(ctx, b.ptr, b.len) == 1 && EVP_DigestFinal_ex(ctx, ret, NULL) == 1);
    EVP_MD_CTX_free(ctx);
}

/* Names that X509_NAME_cmp calls equal have the same hash; the key makes the identity. */
static void
issuer_id(const X509 *cert, uint8_t ret[CERT_DIGEST_BYTES])
{
    const X509_NAME *name = X509_get_subject_name(cert);
    unsigned long hash = X509_NAME_hash_ex(name, NULL, NULL, NULL);

    digest_two(str_make(&hash, sizeof(hash)), cert_key_bits(cert), ret);
}

/* Deltas are remembered beside the complete lists they lie over. */
static void
scope_id(struct str idp, bool is_delta, uint8_t ret[CERT_DIGEST_BYTES])
{
    memset(ret, 0, CERT_DIGEST_BYTES);
    if (is_delta)
        digest_two(STR("delta"), idp, ret);
    else if (idp.len > 0)
        digest_two(STR("scope"), idp, ret);
}

void
trust_crl_floor(const struct trust *t, size_t i, struct trust_floor *ret)
{
    const struct crl *crl = trust_crl(t, i);
    const struct crl_info *info = crl_info(crl);

    gw_assert(info->number_hex.len <= CRL_NUMBER_HEX_MAX);
    memset(ret, 0, sizeof(*ret));
    ret->store = t->name;
    issuer_id(t->shown[i].list->issuer->first->cert, ret->issuer);
    scope_id(info->idp, info->is_delta, ret->scope);
    memcpy(ret->list, info->sha256, sizeof(ret->list));
    memcpy(ret->number_hex, info->number_hex.ptr, info->number_hex.len);
    ret->this_update_s = info->this_update_s;
}

static void
check_list(struct trust_builder *b, const struct crl *crl, const struct trust_floor *floor)
{
    const struct crl_info *info = crl_info(crl);
    int number = crl_compare_hex(info->number_hex, str_from(floor->number_hex));
    char at[CLOCK_ISO_LEN];
    bool is_older = number < 0 || info->this_update_s < floor->this_update_s;

    if (memcmp(info->sha256, floor->list, sizeof(floor->list)) == 0)
        return;
    if (!is_older && (number > 0 || info->this_update_s > floor->this_update_s))
        return;
    clock_format_iso(at, floor->this_update_s);
    diag_error(b->diag, info->file.ptr, info->line, 0,
               "list number %.*s of \"%.*s\" is %s than the one in use before, number %s of %.*s; "
               "put a newer list there (to go back all the same: stop the gateway, remove %s, "
               "start it)",
               STR_ARG(info->number_hex), STR_ARG(info->issuer_text),
               is_older ? "older" : "no newer", floor->number_hex, CLOCK_ISO_LEN, at,
               b->src->floors_file);
}

static struct str
idp_of(const struct trust_list *l)
{
    return crl_info(trust_list_newest(l))->idp;
}

static bool
is_scope_of(const struct trust_list *l, bool is_delta, const struct trust_floor *floor)
{
    uint8_t id[CERT_DIGEST_BYTES];

    scope_id(idp_of(l), is_delta, id);
    return memcmp(id, floor->scope, sizeof(id)) == 0;
}

static const struct trust_list *
find_scope(const struct trust_issuer *issuer, bool is_delta, const struct trust_floor *floor)
{
    for (const struct trust_list *l = issuer->lists; l != NULL; l = l->next) {
        if (is_scope_of(l, is_delta, floor))
            return l;
    }
    return NULL;
}

/* The running configuration has a list of this issuer and scope: it was compared already. */
static bool
is_in_use(const struct trust_builder *b, const struct trust_floor *floor)
{
    uint8_t id[CERT_DIGEST_BYTES];

    for (size_t i = 0; b->previous != NULL && i < b->previous->shown_count; i++) {
        const struct trust_shown *s = &b->previous->shown[i];

        issuer_id(s->list->issuer->first->cert, id);
        if (memcmp(id, floor->issuer, sizeof(id)) == 0 &&
            is_scope_of(s->list, crl_info(s->crl)->is_delta, floor))
            return true;
    }
    return false;
}

static void
report_gone(struct trust_builder *b, const struct trust_issuer *issuer,
            const struct trust_floor *floor)
{
    char who[CERT_TEXT_MAX];

    cert_describe(issuer->first->cert, who);
    diag_error(b->diag, b->src->ca_bundle, issuer->first->line, 0,
               "trust store %s: list number %s of %s was in use before and has gone; put a list of "
               "that issuer back (to go on without: stop the gateway, remove %s, start it)",
               b->t->name, floor->number_hex, who, b->src->floors_file);
}

/* A fetched delta is kept only when it goes with the complete list that is in use, so that the
 * copies on disk always go together. */
static void
check_base(struct trust_builder *b, const struct crl *delta, const struct trust_floor *floor)
{
    const struct crl_info *info = crl_info(delta);

    if (crl_compare_hex(info->base_hex, str_from(floor->number_hex)) > 0)
        diag_error(b->diag, info->file.ptr, info->line, 0,
                   "delta list number %.*s of \"%.*s\" goes with the complete list number %.*s or "
                   "later, and number %s is in use; it waits for the complete list",
                   STR_ARG(info->number_hex), STR_ARG(info->issuer_text), STR_ARG(info->base_hex),
                   floor->number_hex);
}

static void
check_complete(struct trust_builder *b, const struct trust_issuer *issuer,
               const struct trust_floor *floor)
{
    const struct trust_list *list = find_scope(issuer, false, floor);

    if (list != NULL && list->crl != NULL)
        check_list(b, list->crl, floor);
    else if (list != NULL)
        check_base(b, list->delta, floor);
    else if (b->src->candidate == NULL)
        report_gone(b, issuer, floor);
}

/* A complete list that is not older may stand where a delta was. */
static void
check_delta(struct trust_builder *b, const struct trust_issuer *issuer,
            const struct trust_list *list, const struct trust_floor *floor)
{
    const struct crl_info *base = list->crl != NULL ? crl_info(list->crl) : NULL;

    gw_assert(list->delta != NULL || base != NULL);
    if (list->delta != NULL)
        check_list(b, list->delta, floor);
    else if (b->src->candidate == NULL &&
             (crl_compare_hex(base->number_hex, str_from(floor->number_hex)) < 0 ||
              base->this_update_s < floor->this_update_s))
        report_gone(b, issuer, floor);
}

static void
check_floor(struct trust_builder *b, const struct trust_issuer *issuer,
            const struct trust_floor *floor)
{
    const struct trust_list *list = find_scope(issuer, true, floor);

    if (list != NULL)
        check_delta(b, issuer, list, floor);
    else
        check_complete(b, issuer, floor);
}

void
trust_floors_check(struct trust_builder *b)
{
    const struct trust_source *src = b->src;

    /* Without any list configured, revocation was switched off in the configuration. */
    if (!b->t->checks_revocation)
        return;
    for (size_t i = 0; i < b->t->issuer_count; i++) {
        const struct trust_issuer *issuer = &b->t->issuers[i];
        uint8_t id[CERT_DIGEST_BYTES];

        issuer_id(issuer->first->cert, id);
        for (size_t j = 0; j < src->floor_count; j++) {
            const struct trust_floor *floor = &src->floors[j];

            if (strcmp(floor->store, b->t->name) == 0 &&
                memcmp(floor->issuer, id, sizeof(id)) == 0 && !is_in_use(b, floor))
                check_floor(b, issuer, floor);
        }
    }
}
