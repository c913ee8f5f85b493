/* SPDX-License-Identifier: Apache-2.0
 *
 * DER by hand, for shapes that libcrypto would not write. Private to the PKI helpers.
 */
#ifndef SUPPORT_PKI_DER_H
#define SUPPORT_PKI_DER_H

#include <openssl/evp.h>

#include "support/util.h"

enum {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_OID = 0x06,
    DER_ENUMERATED = 0x0a,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_SEQUENCE = 0x30,
};
#define DER_CONTEXT(n) (0x80 | (n))
#define DER_CONTEXT_SET(n) (0xa0 | (n)) /* constructed */

void der_head(struct bytes *out, int tag, size_t content_len);
size_t der_head_len(size_t content_len);
void der_put(struct bytes *out, int tag, struct str content);
/* A non-negative INTEGER. */
void der_put_uint(struct bytes *out, uint64_t value);
/* Extension: OID content octets, value is the DER inside the OCTET STRING. */
void der_put_ext(struct bytes *out, struct str oid, bool critical, struct str value);
/* First TLV of *rest: its whole encoding; *rest moves behind it. Dies on bad DER. */
struct str der_take(struct str *rest);
/* What is inside a TLV. */
struct str der_content(struct str tlv);

/* How something is signed. */
struct pki_signer {
    EVP_PKEY *key;
    const char *digest;
    bool pss;
};

/* Ready for EVP_DigestSignUpdate. */
EVP_MD_CTX *pki_sign_start(const struct pki_signer *signer);
/* Signature over tbs in one call, any key. */
struct bytes pki_sign(const struct pki_signer *signer, struct str tbs);

#endif
