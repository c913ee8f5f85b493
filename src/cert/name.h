/* SPDX-License-Identifier: Apache-2.0
 *
 * Distinguished names: rendered as RFC 2253 text for headers, logs and messages, and taken
 * apart into UTF-8 values for decisions. Never oneline: its text can be forged.
 */
#ifndef CERT_NAME_H
#define CERT_NAME_H

#include <openssl/x509.h>

#include "base/arena.h"
#include "base/str.h"

/* Byte for byte what X509_NAME_print_ex(XN_FLAG_RFC2253) prints, with a NUL. GW_E_LIMIT when dst is
 * too small or an attribute type is too long to print, GW_E_PARSE when a value is malformed. */
int name_format(const X509_NAME *name, char *dst, size_t dst_size, size_t *ret_len) GW_MUST_USE;
/* For messages: as name_format, cut with "..." where it does not fit; NUL-terminated. */
void name_describe(const X509_NAME *name, char *dst, size_t dst_size);

/* The value as UTF-8 in arena. GW_E_DENIED when it is malformed, of an odd type, or holds a control
 * character; GW_E_NOMEM at the arena's cap. */
int name_value(const ASN1_STRING *value, struct arena *arena, struct str *ret) GW_MUST_USE;

#endif
