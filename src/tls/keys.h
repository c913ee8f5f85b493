/* SPDX-License-Identifier: Apache-2.0
 *
 * The private-key seam: the only place where key files are read. Control thread.
 */
#ifndef TLS_KEYS_H
#define TLS_KEYS_H

#include <openssl/evp.h>

#include "base/diag.h"

/* PEM, unencrypted. File permissions are checked (FILE_SECRET). */
int keys_load(const char *path, struct diag *diag, EVP_PKEY **ret) GW_MUST_USE;

#endif
