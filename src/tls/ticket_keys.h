/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys that session tickets are sealed with. What is kept is a master secret; the keys of an
 * epoch (TICKET_EPOCH_S) are derived from it, so they rotate by the clock alone, on every
 * worker and every replica that has the same master, and nothing has to be written. A ticket
 * opens in its own epoch and the next. Immutable and counted.
 */
#ifndef TLS_TICKET_KEYS_H
#define TLS_TICKET_KEYS_H

#include <openssl/evp.h>

#include "base/diag.h"
#include "base/err.h"

struct ticket_keys;

/* From a file of one or more masters, each a line of 64 hexadecimal digits; the first one seals,
 * all open. Blank lines and lines with '#' in front are skipped. A secret file (permissions are
 * checked). */
int ticket_keys_load(const char *path, struct diag *diag, struct ticket_keys **ret) GW_MUST_USE;
/* One random master, for as long as the process (and its reloads) lives. */
struct ticket_keys *ticket_keys_random(void);
struct ticket_keys *ticket_keys_ref(struct ticket_keys *k);
void ticket_keys_unref(struct ticket_keys *k); /* NULL is fine */
/* AES-256-CBC, fetched once; borrowed. */
const EVP_CIPHER *ticket_keys_cipher(const struct ticket_keys *k);
/* True for ticket_keys_random's. */
bool ticket_keys_are_random(const struct ticket_keys *k);

#define TICKET_NAME_BYTES 16
#define TICKET_CIPHER_BYTES 32
#define TICKET_MAC_BYTES 32

struct ticket_key {
    uint8_t name[TICKET_NAME_BYTES];
    uint8_t cipher[TICKET_CIPHER_BYTES]; /* AES-256-CBC */
    uint8_t mac[TICKET_MAC_BYTES];       /* HMAC-SHA-256 */
};

/* The key that seals now. */
int
ticket_keys_seal(const struct ticket_keys *k, int64_t now_s, struct ticket_key *ret) GW_MUST_USE;
/* The key of that name if it may still open; *ret_is_old when a new ticket should be issued.
 * GW_E_NOTFOUND. */
int ticket_keys_open(const struct ticket_keys *k, const uint8_t name[TICKET_NAME_BYTES],
                     int64_t now_s, struct ticket_key *ret, bool *ret_is_old) GW_MUST_USE;

#endif
