/* SPDX-License-Identifier: Apache-2.0
 *
 * A trust store: certificate authorities and the revocation lists of their issuers.
 * Immutable after build, counted, read by all workers without a lock. No connection
 * keeps one.
 *
 * Every certificate of the bundle must be X.509v3, a CA (basicConstraints CA:TRUE, and
 * keyCertSign when keyUsage is present), unexpired, with an allowed key and signature, and
 * not appear twice. An intermediate is an anchor like a root (partial chains).
 */
#ifndef CERT_TRUST_H
#define CERT_TRUST_H

#include <openssl/x509.h>

#include "base/diag.h"
#include "cert/crl.h"

enum crl_missing { CRL_MISSING_REFUSE, CRL_MISSING_ALLOW };
enum crl_expired { CRL_EXPIRED_REFUSE, CRL_EXPIRED_GRACE, CRL_EXPIRED_ALLOW };

/* What the newest list of one issuer and scope was, remembered across restarts: nothing older is
 * loaded again. */
struct trust_floor {
    const char *store;  /* the trust store's name */
    uint8_t issuer[32]; /* SHA-256 of its name and key */
    uint8_t scope[32];  /* SHA-256 of the issuingDistributionPoint; zeros without one */
    uint8_t list[32];   /* SHA-256 of the list */
    char number_hex[CRL_NUMBER_HEX_MAX + 1];
    int64_t this_update_s;
};

struct trust_exception;

struct trust_source {
    const char *name;
    const char *ca_bundle;        /* path, resolved */
    struct str ca_der;            /* instead of it when not empty: one certificate */
    const char *const *crl_paths; /* files, resolved; folders are expanded by the caller */
    size_t crl_path_count;
    /* Lists are configured even if crl_path_count is 0 (a folder that is empty just now):
     * revocation is then checked, and every issuer lacks its list. */
    bool crls_configured;
    enum crl_missing crl_missing;
    enum crl_expired crl_expired;
    int64_t crl_grace_s;
    int max_chain_depth;
    const struct trust_exception *exceptions; /* cert/exception.h; copied */
    size_t exception_count;
    /* Of all stores; those of this one are looked at. Where previous has the list itself, that is
     * what counts. floors_file is for messages. */
    const struct trust_floor *floors;
    size_t floor_count;
    const char *floors_file;
    /* One more list file, already in memory and destroyed by the reading. For lists that were
     * fetched: the store is then built only to see whether they would be taken, and an issuer
     * whose list is not among them is no error. */
    char *candidate;
    size_t candidate_len;
    const char *candidate_name;
};

struct trust;

/* previous may be NULL; lists with the same bytes from the same file are taken over from it.
 *
 * Bundle: a certificate whose issuer (by name) is in the bundle too must verify under it.
 * Expired ones are errors, or warnings when previous held them already.
 *
 * Lists: PEM files with one or more, or one list in DER. Each must be issued by a CA of the bundle;
 * one issued by an intermediate that only clients send is refused. At load an expired list is an
 * error under CRL_EXPIRED_REFUSE (a warning when previous held the same list). With no list at all
 * configured, revocation is not checked (crl_missing applies only once a list is configured for the
 * store). A delta needs the complete list of its issuer and scope, of its BaseCRLNumber or later;
 * it is asked first, its next update counts, and when the complete list has its number or a higher
 * one it is left out. Lists of one issuer with different issuingDistributionPoints are shards of
 * one set. Two lists for one issuer and scope: the higher number wins only if it is also the later
 * one, otherwise an error. Against previous: a lower number or an earlier date is an error, and so
 * is an issuer of the bundle that had a list and has none now. */
int trust_build(const struct trust_source *src, const struct trust *previous, int64_t now_s,
                struct diag *diag, struct trust **ret) GW_MUST_USE;
struct trust *trust_ref(struct trust *t);
void trust_unref(struct trust *t); /* NULL is fine; control thread for the last one */

const char *trust_name(const struct trust *t);
X509_STORE *trust_store(const struct trust *t);              /* borrowed, CAs only */
STACK_OF(X509_NAME) * trust_ca_names(const struct trust *t); /* borrowed; for advertising */
size_t trust_ca_count(const struct trust *t);
X509 *trust_ca(const struct trust *t, size_t i); /* borrowed */
bool trust_contains(const struct trust *t, X509 *cert);
/* Complete lists, each followed by the delta that lies over it. */
size_t trust_crl_count(const struct trust *t);
const struct crl *trust_crl(const struct trust *t, size_t i);
/* False for a complete list under a delta: the delta's next update counts. */
bool trust_crl_is_newest(const struct trust *t, size_t i);
/* A serial that the list revokes and no delta takes off; false when there is none. */
bool trust_crl_revokes(const struct trust *t, size_t i, ASN1_INTEGER *ret);
/* The floor that trust_crl(t, i) sets for its successors. store is borrowed from t. */
void trust_crl_floor(const struct trust *t, size_t i, struct trust_floor *ret);
/* True when both have the same CA certificates (by digest) and the same policy fields, so that a
 * connection judged under a needs only its revocation and dates looked at under b. */
bool trust_same_anchors(const struct trust *a, const struct trust *b);
/* 32 bytes that are equal exactly when trust_same_anchors says so; borrowed. */
const uint8_t *trust_anchors_digest(const struct trust *t);
/* Policy fields as configured. */
int trust_max_chain_depth(const struct trust *t);

struct revocation {
    enum {
        REVOCATION_GOOD,
        REVOCATION_HIT,
        REVOCATION_MISSING,    /* no list covers the certificate */
        REVOCATION_EXPIRED,    /* the list that covers it is too old */
        REVOCATION_PROCESSING, /* it names no distribution point that can be matched to a list */
    } state;
    const struct crl *crl; /* the list that decided, or NULL; GOOD and EXPIRED: the complete one */
    const struct crl *delta; /* GOOD and EXPIRED: what lies over it, or NULL */
    int64_t valid_until_s;   /* when GOOD would have to be asked again (next update plus grace) */
};

/* The lookup by issuer (name and key of issuer_cert) and serial, under the store's policy for
 * missing and expired lists. A listed serial is a hit however old the list is. */
void trust_revocation(const struct trust *t, X509 *cert, X509 *issuer_cert, int64_t now_s,
                      struct revocation *ret);
/* The list on which a CA of the bundle stands itself, or NULL. Such a CA stays in the store, so
 * that its clients are refused as revoked. */
const struct crl *trust_revoked_ca(const struct trust *t, X509 *ca);

#endif
