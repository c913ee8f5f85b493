/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the trust store share: trust.c (life and questions), trust_bundle.c (the
 * CA bundle), trust_lists.c (revocation lists). Nobody else includes this.
 */
#ifndef CERT_TRUST_INT_H
#define CERT_TRUST_INT_H

#include "base/map.h"
#include "base/ref.h"
#include "cert/exception_int.h"
#include "cert/trust.h"

struct trust_ca {
    X509 *cert;
    int line; /* in the bundle */
    uint8_t sha256[32];
    struct trust_issuer *issuer;   /* whose key and name it certifies */
    struct trust_ca *next_sibling; /* same name and key */
    const struct crl *revoked_by;
};

/* One name with one key, however many certificates say so, and its lists. */
struct trust_issuer {
    struct trust_ca *first;
    struct trust_issuer *next_same_key;
    struct trust_list *lists;
};

/* What speaks for one issuer and scope: a complete list, and a delta that lies over it. */
struct trust_list {
    struct trust_list *next; /* of the same issuer */
    struct crl *crl;         /* referenced; NULL while reading, and in a store with a candidate */
    struct crl *delta;       /* referenced; NULL without one */
    struct trust_issuer *issuer;
};

/* One list as trust_crl counts them. */
struct trust_shown {
    const struct trust_list *list;
    const struct crl *crl;
};

struct trust {
    struct ref ref;
    char *name;
    X509_STORE *store;
    STACK_OF(X509) * certs; /* the bundle in order; borrowed by cas */
    STACK_OF(X509_NAME) * ca_names;
    struct trust_ca *cas;
    size_t ca_count;
    struct trust_issuer *issuers; /* room for ca_count */
    size_t issuer_count;
    struct map by_key; /* key bits to the first trust_issuer */
    struct trust_list **lists;
    size_t list_count, list_room;
    struct trust_shown *shown; /* room for two of each of lists */
    size_t shown_count;
    bool checks_revocation;
    enum crl_missing crl_missing;
    enum crl_expired crl_expired;
    int64_t crl_grace_s;
    int max_chain_depth;
    struct trust_exceptions exceptions;
    uint8_t anchors_sha256[32]; /* of the CAs and the policy fields */
};

struct trust_builder {
    struct trust *t;
    const struct trust_source *src;
    const struct trust *previous;
    int64_t now_s;
    struct diag *diag;
    const char *file; /* being read */
    int *lines;       /* of t->certs, room for TRUST_CERTS_MAX */
};

/* Both fill t and put what is wrong into diag; non-zero only when going on makes no sense. */
int trust_bundle_load(struct trust_builder *b) GW_MUST_USE;
int trust_lists_load(struct trust_builder *b) GW_MUST_USE;

/* Lists against what was in use before this process began. */
void trust_floors_check(struct trust_builder *b);

/* The newest that speaks for the list's issuer and scope; its dates count. */
const struct crl *trust_list_newest(const struct trust_list *l);
/* The list of the issuer for the scope of crl, or NULL. */
struct trust_list *trust_list_find(const struct trust_issuer *issuer, const struct crl *crl);

/* NULL when no CA of the bundle has this name and key. */
struct trust_issuer *trust_issuer_find(const struct trust *t, const X509 *cert);
/* NULL when the bundle does not hold exactly this certificate. */
struct trust_ca *trust_ca_find(const struct trust *t, const X509 *cert);
/* Past next update plus what the policy grants. */
bool trust_list_is_expired(const struct trust *t, const struct crl *crl, int64_t now_s);

#endif
