/* SPDX-License-Identifier: Apache-2.0
 *
 * A faster way through libcrypto for public keys. OpenSSL 3.0 builds a decoder chain anew
 * for every EC or RSA key that it decodes, 75 us a certificate and more; it keeps to the
 * older and direct code for key types that an ENGINE claims. fastkey_install registers one
 * that claims both and offers nothing but libcrypto's own built-in methods, so that the
 * same mathematics is reached by the shorter path. For keys on curves it also keeps the groups of
 * P-256, P-384 and P-521, which libcrypto otherwise makes anew for every key, another 10 us.
 * Verdicts are the same with and without (test_fastkey). What it does not do: hardware, other key
 * types, or anything on a libcrypto without ENGINE support.
 */
#ifndef CERT_FASTKEY_H
#define CERT_FASTKEY_H

#include "base/base.h"

/* On the control thread, before the workers start. False when this libcrypto has no such
 * way; everything works without it. */
bool fastkey_install(void);

#endif
