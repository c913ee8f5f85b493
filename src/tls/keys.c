/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads private keys. Called while contexts are built, on the control thread; the caller owns
 * the key. The file's bytes are wiped before it returns. It must never ask for a passphrase,
 * and no other file may read a key.
 */
#include "tls/keys.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/file.h"
#include "base/limits.h"

/* libcrypto asks for a passphrase only when the key is encrypted. */
static int
on_passphrase(char *dst GW_UNUSED, int size GW_UNUSED, int is_writing GW_UNUSED, void *arg)
{
    bool *was_asked = arg;

    *was_asked = true;
    return -1;
}

static EVP_PKEY *
decode(const struct file *file, bool *ret_is_encrypted)
{
    BIO *bio = BIO_new_mem_buf(file->bytes, (int)file->len);
    EVP_PKEY *key;

    if (bio == NULL)
        return NULL;
    key = PEM_read_bio_PrivateKey(bio, NULL, on_passphrase, ret_is_encrypted);
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

/* Two keys in one file: which is meant would be a guess. */
static size_t
count_keys(struct str text)
{
    static const struct str begin = STR_INIT("-----BEGIN ");
    static const struct str tail = STR_INIT("PRIVATE KEY-----");
    struct str line;
    bool done = false;
    size_t count = 0;

    while (str_split_next(&text, '\n', &done, &line)) {
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (str_starts(line, begin) && str_ends(line, tail))
            count++;
    }
    return count;
}

static int
load_from(const struct file *file, const char *path, struct diag *diag, EVP_PKEY **ret)
{
    size_t count = count_keys(str_make(file->bytes, file->len));
    bool is_encrypted = false;
    EVP_PKEY *key;

    if (count != 1) {
        diag_error(diag, path, 0, 0,
                   "has %zu private keys; exactly one \"-----BEGIN PRIVATE KEY-----\" (or EC or "
                   "RSA PRIVATE KEY) is needed",
                   count);
        return GW_E_CONFIG;
    }
    key = decode(file, &is_encrypted);
    if (key != NULL) {
        *ret = key;
        return 0;
    }
    if (is_encrypted)
        diag_error(diag, path, 0, 0,
                   "the private key is encrypted; the gateway starts without anyone to type a "
                   "passphrase: decrypt it with `openssl pkey -in FILE -out NEW` and protect the "
                   "file by its permissions");
    else
        diag_error(diag, path, 0, 0,
                   "the private key cannot be decoded; an unencrypted PEM file as written by "
                   "`openssl genpkey` is needed");
    return GW_E_CONFIG;
}

int
keys_load(const char *path, struct diag *diag, EVP_PKEY **ret)
{
    struct file file = {0};
    int rc = file_read(path, KEY_FILE_BYTES_MAX, FILE_SECRET, false, diag, &file);

    if (rc < 0)
        return rc;
    rc = load_from(&file, path, diag, ret);
    file_done(&file);
    return rc;
}
