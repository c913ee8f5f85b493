/* SPDX-License-Identifier: Apache-2.0
 *
 * Masters and the keys derived from them. Loaded by the control thread; seal and open run
 * inside handshakes on any worker and change nothing. Owns the masters in memory that is
 * wiped and never dumped. It must never open a ticket of an epoch before the last.
 */
#include "tls/ticket_keys.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/ref.h"
#include "base/secret.h"
#include "base/str.h"

#define MASTER_BYTES 32

struct ticket_keys {
    struct ref ref;
    bool is_random;
    size_t count;
    uint8_t masters[TICKET_MASTERS_MAX][MASTER_BYTES];
    int64_t first_epoch; /* of kept */
    struct ticket_key kept[TICKET_MASTERS_MAX][TICKET_EPOCHS_KEPT];
    EVP_CIPHER *cipher;
};

static struct ticket_keys *
keys_new(void)
{
    struct ticket_keys *k = secret_alloc(sizeof(*k));

    gw_assert(k != NULL);
    ref_init(&k->ref);
    k->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    gw_assert(k->cipher != NULL);
    return k;
}

/* ---- derivation ------------------------------------------------------------------------------ */

/* HMAC(master, label || epoch), one block for each of the three parts. */
static bool
derive(const uint8_t *master, uint8_t label, int64_t epoch, uint8_t out[32])
{
    uint8_t text[9] = {label};
    unsigned len = 32;

    for (int i = 0; i < 8; i++)
        text[1 + i] = (uint8_t)(epoch >> (56 - 8 * i));
    return HMAC(EVP_sha256(), master, MASTER_BYTES, text, sizeof(text), out, &len) != NULL;
}

static bool
derive_name(const uint8_t *master, int64_t epoch, uint8_t name[TICKET_NAME_BYTES])
{
    uint8_t block[32];

    if (!derive(master, 'n', epoch, block))
        return false;
    memcpy(name, block, TICKET_NAME_BYTES);
    return true;
}

static bool
derive_key(const uint8_t *master, int64_t epoch, struct ticket_key *ret)
{
    return derive_name(master, epoch, ret->name) && derive(master, 'c', epoch, ret->cipher) &&
           derive(master, 'm', epoch, ret->mac);
}

static void
keep_epochs(struct ticket_keys *k)
{
    k->first_epoch = (int64_t)time(NULL) / TICKET_EPOCH_S - 1;
    for (size_t i = 0; i < k->count; i++) {
        for (int e = 0; e < TICKET_EPOCHS_KEPT; e++)
            gw_assert(derive_key(k->masters[i], k->first_epoch + e, &k->kept[i][e]));
    }
}

static bool
key_of(const struct ticket_keys *k, size_t master, int64_t epoch, struct ticket_key *ret)
{
    if (epoch < k->first_epoch || epoch >= k->first_epoch + TICKET_EPOCHS_KEPT)
        return derive_key(k->masters[master], epoch, ret);
    *ret = k->kept[master][epoch - k->first_epoch];
    return true;
}

struct ticket_keys *
ticket_keys_random(void)
{
    struct ticket_keys *k = keys_new();

    k->is_random = true;
    k->count = 1;
    secret_random(k->masters[0], MASTER_BYTES);
    keep_epochs(k);
    return k;
}

struct ticket_keys *
ticket_keys_ref(struct ticket_keys *k)
{
    ref_take(&k->ref);
    return k;
}

void
ticket_keys_unref(struct ticket_keys *k)
{
    if (k == NULL || !ref_drop(&k->ref))
        return;
    EVP_CIPHER_free(k->cipher);
    secret_free(k, sizeof(*k));
}

const EVP_CIPHER *
ticket_keys_cipher(const struct ticket_keys *k)
{
    return k->cipher;
}

bool
ticket_keys_are_random(const struct ticket_keys *k)
{
    return k->is_random;
}

/* ---- the file ------------------------------------------------------------------------------ */

static void
take_line(struct ticket_keys *k, const char *path, int line, struct str text, struct diag *diag)
{
    size_t len = 0;

    text = str_trim(text);
    if (text.len > 0 && text.ptr[text.len - 1] == '\r')
        text.len--;
    if (text.len == 0 || text.ptr[0] == '#')
        return;
    if (k->count == TICKET_MASTERS_MAX) {
        diag_error(diag, path, line, 0, "more than %d ticket keys; remove the oldest",
                   TICKET_MASTERS_MAX);
        return;
    }
    if (str_unhex(text, k->masters[k->count], MASTER_BYTES, &len) != 0 || len != MASTER_BYTES)
        diag_error(diag, path, line, 0,
                   "is no ticket key; give 64 hexadecimal digits (openssl rand -hex 32)");
    else
        k->count++;
}

int
ticket_keys_load(const char *path, struct diag *diag, struct ticket_keys **ret)
{
    struct file file = {0};
    struct ticket_keys *k;
    size_t errors = diag->error_count;
    struct str rest;
    struct str line;
    bool done = false;
    int number = 0;

    if (file_read(path, TICKET_FILE_BYTES_MAX, FILE_SECRET, false, diag, &file) != 0)
        return GW_E_CONFIG;
    k = keys_new();
    rest = str_make(file.bytes, file.len);
    while (str_split_next(&rest, '\n', &done, &line))
        take_line(k, path, ++number, line, diag);
    file_done(&file);
    if (diag->error_count == errors && k->count == 0)
        diag_error(diag, path, 0, 0, "holds no ticket key; give 64 hexadecimal digits a line");
    if (diag->error_count > errors) {
        ticket_keys_unref(k);
        return GW_E_CONFIG;
    }
    keep_epochs(k);
    *ret = k;
    return 0;
}

int
ticket_keys_seal(const struct ticket_keys *k, int64_t now_s, struct ticket_key *ret)
{
    return key_of(k, 0, now_s / TICKET_EPOCH_S, ret) ? 0 : GW_E_BUG;
}

int
ticket_keys_open(const struct ticket_keys *k, const uint8_t name[TICKET_NAME_BYTES], int64_t now_s,
                 struct ticket_key *ret, bool *ret_is_old)
{
    int64_t epoch = now_s / TICKET_EPOCH_S;
    struct ticket_key key;

    for (size_t i = 0; i < k->count; i++) {
        for (int64_t age = 0; age < 2; age++) {
            if (!key_of(k, i, epoch - age, &key) ||
                CRYPTO_memcmp(key.name, name, sizeof(key.name)) != 0)
                continue;
            *ret = key;
            *ret_is_old = i > 0 || age > 0;
            return 0;
        }
    }
    return GW_E_NOTFOUND;
}
