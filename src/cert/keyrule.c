/* SPDX-License-Identifier: Apache-2.0
 *
 * The rule about public keys, decided on the SubjectPublicKeyInfo as encoded, so that a
 * hostile key costs nothing. Called by the trust store at load and by the judge for every
 * certificate of a chain; pure, any thread.
 */
#include "cert/keyrule.h"

#include <openssl/obj_mac.h>
#include <openssl/objects.h>
#include <stdio.h>

#include "base/limits.h"
#include "cert/der.h"

enum { RSA_EXPONENT_BYTES_MAX = 4 };

/* The value of a positive INTEGER without its sign octet. */
static bool
take_positive(struct der *in, struct str *ret)
{
    struct str body;

    if (der_expect(in, DER_INTEGER, &body) != 0 || !der_integer_is_valid(body, true) ||
        (body.ptr[0] & 0x80))
        return false;
    *ret = body.ptr[0] == 0 ? str_sub(body, 1, body.len) : body;
    return ret->len > 0;
}

static int
bit_length(struct str value)
{
    return (int)(value.len - 1) * 8 + (32 - __builtin_clz((uint8_t)value.ptr[0]));
}

static bool
allows_rsa(struct str key, char *why)
{
    struct str body, modulus, exponent;
    struct der in = der_open(key), inner;
    int bits;

    if (der_expect(&in, DER_SEQUENCE, &body) != 0 || !der_at_end(&in)) {
        (void)snprintf(why, KEYRULE_TEXT_MAX, "unreadable RSA key");
        return false;
    }
    inner = der_open(body);
    if (!take_positive(&inner, &modulus) || !take_positive(&inner, &exponent) ||
        !der_at_end(&inner)) {
        (void)snprintf(why, KEYRULE_TEXT_MAX, "unreadable RSA key");
        return false;
    }
    bits = bit_length(modulus);
    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX) {
        (void)snprintf(why, KEYRULE_TEXT_MAX, "RSA key of %d bits; %d to %d are allowed", bits,
                       RSA_BITS_MIN, RSA_BITS_MAX);
        return false;
    }
    if (exponent.len > RSA_EXPONENT_BYTES_MAX || (exponent.ptr[exponent.len - 1] & 1) == 0 ||
        (exponent.len == 1 && exponent.ptr[0] == 1)) {
        (void)snprintf(why, KEYRULE_TEXT_MAX,
                       "RSA public exponent out of range; odd, 3 to 2^32 - 1 is allowed");
        return false;
    }
    return true;
}

static bool
allows_ec(const X509_ALGOR *alg, char *why)
{
    const void *value;
    int type, nid;

    X509_ALGOR_get0(NULL, &type, &value, alg);
    if (type != V_ASN1_OBJECT) {
        (void)snprintf(why, KEYRULE_TEXT_MAX,
                       "elliptic curve with explicit parameters; P-256, P-384 and P-521 by name "
                       "are allowed");
        return false;
    }
    nid = OBJ_obj2nid(value);
    if (nid == NID_X9_62_prime256v1 || nid == NID_secp384r1 || nid == NID_secp521r1)
        return true;
    (void)snprintf(why, KEYRULE_TEXT_MAX, "curve %s; P-256, P-384 and P-521 are allowed",
                   nid == NID_undef ? "of an unknown name" : OBJ_nid2sn(nid));
    return false;
}

bool
keyrule_allows(const X509 *cert, char why[KEYRULE_TEXT_MAX])
{
    const uint8_t *bytes;
    ASN1_OBJECT *obj;
    X509_ALGOR *alg;
    int len, nid;

    if (X509_PUBKEY_get0_param(&obj, &bytes, &len, &alg, X509_get_X509_PUBKEY(cert)) != 1) {
        (void)snprintf(why, KEYRULE_TEXT_MAX, "no public key");
        return false;
    }
    nid = OBJ_obj2nid(obj);
    if (nid == NID_X9_62_id_ecPublicKey)
        return allows_ec(alg, why);
    if (nid == NID_rsaEncryption || nid == NID_rsassaPss)
        return allows_rsa(str_make(bytes, (size_t)len), why);
    (void)snprintf(why, KEYRULE_TEXT_MAX, "key type %s; RSA and elliptic curve keys are allowed",
                   nid == NID_undef ? "unknown" : OBJ_nid2sn(nid));
    return false;
}
