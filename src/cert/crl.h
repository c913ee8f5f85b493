/* SPDX-License-Identifier: Apache-2.0
 *
 * A certificate revocation list (RFC 5280 5) as a sorted index of serials. The list is
 * walked once as DER, straight into the index; OpenSSL's X509_CRL of the whole list is
 * never built. Signature, issuer, dates, number and critical extensions are checked once,
 * at load; at a handshake there is only crl_contains.
 *
 * Immutable after load and counted, so that unchanged lists are shared by the next
 * snapshot. Memory: at most 24 bytes an entry for serials of 16 bytes or fewer.
 * Serials are compared by value of their DER content octets after removing redundant
 * leading zero octets; negative ones are kept apart by their sign. Serials longer than 16
 * bytes go to a second table. `removeFromCRL` in a full list counts as revoked.
 *
 * A delta list (RFC 5280 5.2.4) is an index of its own that lies over its base: the trust store
 * asks it first. The base is neither copied nor changed.
 */
#ifndef CERT_CRL_H
#define CERT_CRL_H

#include <openssl/x509.h>

#include "base/diag.h"
#include "base/str.h"

/* Digits of crl_info.number_hex at most. */
#define CRL_NUMBER_HEX_MAX 40

/* reasonCode, RFC 5280 5.3.1 */
enum { CRL_REASON_HOLD = 6, CRL_REASON_REMOVE = 8 };

struct crl;

struct crl_info {
    struct str issuer_der;  /* Name, as in the list */
    struct str issuer_text; /* RFC 2253 */
    struct str aki;         /* keyIdentifier, empty when absent */
    struct str number_hex;  /* crlNumber, upper hex, whole bytes */
    struct str base_hex;    /* BaseCRLNumber of a delta, the same way; empty otherwise */
    bool is_delta;
    uint8_t sha256[32]; /* of the DER */
    uint64_t entry_count;
    int64_t this_update_s;
    int64_t next_update_s; /* INT64_MAX when absent */
    bool covers_users;     /* issuingDistributionPoint scope; both true without one */
    bool covers_cas;
    struct str idp;       /* issuingDistributionPoint value: the list's scope; empty without */
    struct str idp_names; /* its distribution point's GeneralNames, DER; empty without */
    struct str file;      /* where it came from, for messages */
    int line;
};

/* A list to be read. */
struct crl_input {
    struct str der;
    const char *file; /* for messages */
    int line;
    STACK_OF(X509) * candidates;
    int64_t now_s;
    /* der is the caller's to destroy: what has been read goes back to the kernel, so that a list
     * and its index are never in memory together. */
    bool destroys_der;
};

/* One list. candidates are the certificates that may have signed it (the trust store's CAs and
 * nothing else); the signature must verify under one whose subject equals the issuer, whose key
 * usage (when present) has cRLSign, and whose SKI equals the AKI when both are present.
 * Refused with a plain text: bad DER, trailing bytes, version other than 2, no crlNumber, a delta
 * without nextUpdate or of a base above its own number, indirect, reason-split or attribute lists,
 * unknown critical extension of the list or of an entry, thisUpdate in the future, bad signature,
 * unknown issuer, weak signature algorithm. Whether an expired list may be used is policy and not
 * decided here. */
int crl_load(const struct crl_input *in, struct diag *diag, struct crl **ret) GW_MUST_USE;
struct crl *crl_ref(struct crl *c);
void crl_unref(struct crl *c); /* NULL is fine */

const struct crl_info *crl_info(const struct crl *c);
/* Serial as the content octets of its DER INTEGER. */
bool crl_contains(const struct crl *c, struct str serial);
/* Revocation date and reason code (-1 when absent) of a listed serial, for `explain`; dates are
 * kept in the index as far as the 24 bytes allow, 0 when not kept. */
bool crl_lookup(const struct crl *c, struct str serial, int64_t *ret_revoked_s, int *ret_reason);
/* The same for a certificate's serial; allocates nothing. */
bool
crl_find(const struct crl *c, const ASN1_INTEGER *serial, int64_t *ret_revoked_s, int *ret_reason);
/* A delta takes the serial off its base (removeFromCRL). crl_find may say revoked all the same, and
 * then that counts. */
bool crl_takes_off(const struct crl *c, const ASN1_INTEGER *serial);
/* "keyCompromise"; "unspecified" for -1 and unknown codes. */
const char *crl_reason_text(int reason);
/* The i-th serial that the list revokes, in some order; false past the last one, and when memory is
 * short. */
bool crl_serial_at(const struct crl *c, size_t i, ASN1_INTEGER *ret);
/* Below, equal, above zero: numbers in hex, whole bytes, without leading zeros. */
int crl_compare_hex(struct str a, struct str b);
/* The same of both lists' crlNumber. */
int crl_compare_number(const struct crl *a, const struct crl *b);
/* The certificate under which the signature was verified. Borrowed. */
X509 *crl_signer(const struct crl *c);
/* Bytes held, for status. */
size_t crl_bytes(const struct crl *c);

#endif
