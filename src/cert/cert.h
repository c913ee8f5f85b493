/* SPDX-License-Identifier: Apache-2.0
 *
 * Small questions about one certificate that several parts ask: dates, digest, serial,
 * encoded size, extensions as raw bytes. Answers are read from what libcrypto has already
 * decoded or kept; nothing here allocates, but for cert_digest inside libcrypto.
 */
#ifndef CERT_CERT_H
#define CERT_CERT_H

#include <openssl/x509.h>

#include "base/str.h"

#define CERT_DIGEST_BYTES 32
#define CERT_SERIAL_TEXT_MAX 128
#define CERT_TEXT_MAX 256

/* One certificate and nothing after it. NULL when der is not that. */
X509 *cert_from_der(struct str der);
/* GW_E_PARSE when a date is not in the form of RFC 5280. */
int cert_dates(const X509 *cert, int64_t *ret_not_before_s, int64_t *ret_not_after_s) GW_MUST_USE;
/* Length of the DER. */
size_t cert_der_bytes(X509 *cert);
/* The DER; free(). GW_E_PARSE when it cannot be encoded. */
int cert_der(X509 *cert, uint8_t **ret, size_t *ret_len) GW_MUST_USE;
/* The same bytes. */
bool cert_eq(const X509 *a, const X509 *b);
/* SHA-256 of the DER. */
int cert_digest(const X509 *cert, uint8_t ret[CERT_DIGEST_BYTES]) GW_MUST_USE;
/* SHA-256 over prefix, leaf and rest (may be NULL), one after the other as DER. */
int cert_list_digest(struct str prefix, X509 *leaf, STACK_OF(X509) * rest,
                     uint8_t ret[CERT_DIGEST_BYTES]) GW_MUST_USE;
/* Upper hex, whole bytes, "-" first when negative; cut with "..." at CERT_SERIAL_TEXT_MAX. */
void cert_serial_text(const X509 *cert, char text[CERT_SERIAL_TEXT_MAX]);
/* `"CN=..." serial 03A5`, for messages. */
void cert_describe(const X509 *cert, char text[CERT_TEXT_MAX]);
/* A name for messages, cut where it does not fit. */
void cert_describe_name(const X509_NAME *name, char text[CERT_TEXT_MAX]);
/* Value of the extension, or an empty slice. *ret_is_repeated (may be NULL): there are several. */
struct str cert_extension(const X509 *cert, int nid, bool *ret_is_repeated);
/* The public key's bits, without the algorithm. */
struct str cert_key_bits(const X509 *cert);
/* Same subject and same public key: what one signed, the other may have signed. */
bool cert_is_same_issuer(const X509 *a, const X509 *b);

#endif
