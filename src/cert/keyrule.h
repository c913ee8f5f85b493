/* SPDX-License-Identifier: Apache-2.0
 *
 * Which public keys a certificate may hold: RSA (also as RSASSA-PSS) of 2048 to 8192 bits
 * with an odd exponent below 2^32, and the named curves P-256, P-384 and P-521. Curves with
 * explicit parameters, Ed25519, DSA and the rest are refused.
 */
#ifndef CERT_KEYRULE_H
#define CERT_KEYRULE_H

#include <openssl/x509.h>

#include "base/base.h"

#define KEYRULE_TEXT_MAX 120

/* Decided on the encoding: no key operation, no allocation. Fills why when it is refused. */
bool keyrule_allows(const X509 *cert, char why[KEYRULE_TEXT_MAX]);

#endif
