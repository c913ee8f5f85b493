/* SPDX-License-Identifier: Apache-2.0
 *
 * What OpenSSL 3.0 does not have yet and later versions must have switched off.
 */
#ifndef TLS_COMPAT_H
#define TLS_COMPAT_H

#include <openssl/ssl.h>

#ifdef SSL_OP_NO_TX_CERTIFICATE_COMPRESSION /* 3.2 */
#    define COMPAT_NO_CERT_COMPRESSION \
        (SSL_OP_NO_TX_CERTIFICATE_COMPRESSION | SSL_OP_NO_RX_CERTIFICATE_COMPRESSION)
#else
#    define COMPAT_NO_CERT_COMPRESSION 0
#endif

#endif
