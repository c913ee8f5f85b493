/* SPDX-License-Identifier: Apache-2.0
 *
 * The ENGINE behind fastkey.h. Called by the control thread at start. libcrypto owns what is
 * registered here; the groups are made once, never changed and never freed. This is the only file
 * that uses the deprecated interfaces of ENGINE and of key methods, and the only one to change
 * when they are gone.
 */
#define OPENSSL_SUPPRESS_DEPRECATED 1

#include "cert/fastkey.h"

#include <openssl/ec.h>
#include <openssl/engine.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

static const int claimed[] = {EVP_PKEY_EC, EVP_PKEY_RSA};
static const int decoded[] = {EVP_PKEY_EC};

/* The curves that may be admitted (cert/keyrule.h). */
static const int curves[] = {NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1};

/* libcrypto's callbacks carry no argument: what they find lies here, set once and then read. */
static struct {
    bool is_installed;
    EC_GROUP *groups[array_len(curves)];
    EVP_PKEY_ASN1_METHOD *ec_method;
} fastkey;

/* ---- public keys on elliptic curves ----
 *
 * libcrypto's decoders come back to this method for every public key on a curve, so it takes all
 * that libcrypto's own takes, in the same way, but for the groups that are kept. */

static const EC_GROUP *
kept_group(int nid)
{
    for (size_t i = 0; i < array_len(curves); i++)
        if (curves[i] == nid)
            return fastkey.groups[i];
    return NULL;
}

static bool
set_named_group(EC_KEY *key, int nid)
{
    const EC_GROUP *kept = kept_group(nid);
    EC_GROUP *made = kept == NULL ? EC_GROUP_new_by_curve_name(nid) : NULL;
    bool is_done;

    if (made != NULL)
        EC_GROUP_set_asn1_flag(made, OPENSSL_EC_NAMED_CURVE);
    is_done =
        (kept != NULL || made != NULL) && EC_KEY_set_group(key, kept != NULL ? kept : made) == 1;
    EC_GROUP_free(made);
    return is_done;
}

/* A key without a point, of the curve that the algorithm names or spells out. */
static EC_KEY *
key_of(const X509_ALGOR *algorithm)
{
    const void *parameter = NULL;
    int kind = V_ASN1_UNDEF;
    EC_KEY *key;

    X509_ALGOR_get0(NULL, &kind, &parameter, algorithm);
    if (kind == V_ASN1_SEQUENCE) {
        const unsigned char *at = ASN1_STRING_get0_data(parameter);

        return d2i_ECParameters(NULL, &at, ASN1_STRING_length(parameter));
    }
    key = kind == V_ASN1_OBJECT ? EC_KEY_new() : NULL;
    if (key != NULL && set_named_group(key, OBJ_obj2nid(parameter)))
        return key;
    EC_KEY_free(key);
    return NULL;
}

static int
on_decode(EVP_PKEY *pkey, const X509_PUBKEY *pub)
{
    const unsigned char *point = NULL;
    X509_ALGOR *algorithm = NULL;
    int point_len = 0;
    EC_KEY *key;

    X509_PUBKEY_get0_param(NULL, &point, &point_len, &algorithm, pub);
    key = key_of(algorithm);
    if (key != NULL && EC_KEY_oct2key(key, point, (size_t)point_len, NULL) == 1 &&
        EVP_PKEY_assign(pkey, EVP_PKEY_EC, key) == 1)
        return 1;
    EC_KEY_free(key);
    return 0;
}

/* The curve as it stands beside a key: its name or, spelled out, its DER. The caller's. */
static void *
parameter_of(const EC_KEY *key, int *ret_kind)
{
    const EC_GROUP *group = EC_KEY_get0_group(key);
    int nid = EC_GROUP_get_curve_name(group);
    ASN1_STRING *text;
    int len;

    if (nid != NID_undef && EC_GROUP_get_asn1_flag(group) == OPENSSL_EC_NAMED_CURVE) {
        *ret_kind = V_ASN1_OBJECT;
        return OBJ_nid2obj(nid);
    }
    *ret_kind = V_ASN1_SEQUENCE;
    text = ASN1_STRING_new();
    if (text == NULL)
        return NULL;
    len = i2d_ECParameters(key, &text->data);
    if (len > 0) {
        text->length = len;
        return text;
    }
    ASN1_STRING_free(text);
    return NULL;
}

static int
on_encode(X509_PUBKEY *pub, const EVP_PKEY *pkey)
{
    const EC_KEY *key = EVP_PKEY_get0_EC_KEY(pkey);
    int kind = V_ASN1_UNDEF;
    void *parameter = key != NULL ? parameter_of(key, &kind) : NULL;
    unsigned char *point = NULL;
    size_t len = 0;

    if (parameter != NULL)
        len = EC_KEY_key2buf(key, EC_KEY_get_conv_form(key), &point, NULL);
    if (len > 0 && X509_PUBKEY_set0_param(pub, OBJ_nid2obj(EVP_PKEY_EC), kind, parameter, point,
                                          (int)len) == 1)
        return 1;
    if (kind == V_ASN1_SEQUENCE)
        ASN1_STRING_free(parameter);
    OPENSSL_free(point);
    return 0;
}

/* 1: the same, 0: not, -2: cannot be compared (EVP_PKEY_eq). */
static int
on_compare(const EVP_PKEY *a, const EVP_PKEY *b)
{
    const EC_KEY *x = EVP_PKEY_get0_EC_KEY(a);
    const EC_KEY *y = EVP_PKEY_get0_EC_KEY(b);
    int differs;

    if (x == NULL || y == NULL || EC_KEY_get0_public_key(x) == NULL ||
        EC_KEY_get0_public_key(y) == NULL)
        return -2;
    differs = EC_POINT_cmp(EC_KEY_get0_group(y), EC_KEY_get0_public_key(x),
                           EC_KEY_get0_public_key(y), NULL);
    return differs == 0 ? 1 : differs == 1 ? 0 : -2;
}

static int
on_size(const EVP_PKEY *pkey)
{
    return ECDSA_size(EVP_PKEY_get0_EC_KEY(pkey));
}

static int
on_bits(const EVP_PKEY *pkey)
{
    return EC_GROUP_order_bits(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(pkey)));
}

/* libcrypto's own method for these keys, but for how they are decoded. */
static EVP_PKEY_ASN1_METHOD *
ec_method_new(void)
{
    const EVP_PKEY_ASN1_METHOD *own = EVP_PKEY_asn1_find(NULL, EVP_PKEY_EC);
    EVP_PKEY_ASN1_METHOD *method = NULL;

    for (size_t i = 0; i < array_len(curves); i++) {
        fastkey.groups[i] = EC_GROUP_new_by_curve_name(curves[i]);
        if (fastkey.groups[i] == NULL)
            return NULL;
    }
    if (own != NULL)
        method = EVP_PKEY_asn1_new(EVP_PKEY_EC, 0, "EC", "EC with shared groups");
    if (method == NULL)
        return NULL;
    EVP_PKEY_asn1_copy(method, own);
    EVP_PKEY_asn1_set_public(method, on_decode, on_encode, on_compare, NULL, on_size, on_bits);
    return method;
}

/* ---- the engine ---- */

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

static int
on_asn1_methods(ENGINE *engine GW_UNUSED, EVP_PKEY_ASN1_METHOD **method, const int **types,
                int type)
{
    if (method == NULL) {
        *types = decoded;
        return (int)array_len(decoded);
    }
    *method = type == EVP_PKEY_EC ? fastkey.ec_method : NULL;
    return *method != NULL;
}

bool
fastkey_install(void)
{
    ENGINE *engine = fastkey.is_installed ? NULL : ENGINE_new();

    if (engine == NULL)
        return fastkey.is_installed;
    fastkey.ec_method = ec_method_new();
    fastkey.is_installed =
        ENGINE_set_id(engine, "sallyport-fastkey") == 1 &&
        ENGINE_set_name(engine, "libcrypto's own EC and RSA methods") == 1 &&
        ENGINE_set_pkey_meths(engine, on_methods) == 1 &&
        (fastkey.ec_method == NULL || ENGINE_set_pkey_asn1_meths(engine, on_asn1_methods) == 1) &&
        ENGINE_add(engine) == 1 && ENGINE_register_pkey_meths(engine) == 1 &&
        (fastkey.ec_method == NULL || ENGINE_register_pkey_asn1_meths(engine) == 1);
    ENGINE_free(engine);
    return fastkey.is_installed;
}
