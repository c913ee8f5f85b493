/* SPDX-License-Identifier: Apache-2.0
 *
 * The ENGINE behind fastkey.h. Called by the control thread at start. libcrypto owns what is
 * registered here. This is the only file that uses the deprecated ENGINE interface, and the
 * only one to change when it is gone.
 */
#define OPENSSL_SUPPRESS_DEPRECATED 1

#include "cert/fastkey.h"

#include <openssl/engine.h>
#include <openssl/evp.h>

static const int claimed[] = {EVP_PKEY_EC, EVP_PKEY_RSA};

/* libcrypto asks for the list (method NULL) or for the method of one key type. */
static int
on_methods(ENGINE *engine GW_UNUSED, EVP_PKEY_METHOD **method, const int **types, int type)
{
    if (method == NULL) {
        *types = claimed;
        return (int)array_len(claimed);
    }
    /* Handed out as non-const by the interface, never changed. */
    *method = (EVP_PKEY_METHOD *)(uintptr_t)EVP_PKEY_meth_find(type);
    return *method != NULL;
}

bool
fastkey_install(void)
{
    ENGINE *engine = ENGINE_new();
    bool is_done = engine != NULL && ENGINE_set_id(engine, "sallyport-fastkey") == 1 &&
                   ENGINE_set_name(engine, "libcrypto's own EC and RSA methods") == 1 &&
                   ENGINE_set_pkey_meths(engine, on_methods) == 1 && ENGINE_add(engine) == 1 &&
                   ENGINE_register_pkey_meths(engine) == 1;

    ENGINE_free(engine);
    return is_done;
}
