/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys and certificates of any shape. Called by tests and mkpki; owns what it returns
 * until pki_free; any thread. libcrypto builds the certificate, then what libcrypto
 * refuses to write (an odd serial, a broken signature) is patched into the DER and the
 * result is signed again. It must never judge: a bad certificate is a good result here.
 */
#include "support/pki.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>

#include "support/pki_der.h"

enum {
    RANDOM_SERIAL_BYTES = 16,
    BACKDATE_S = 3600,
    LEAF_LIFE_S = 90 * 86400,
    CA_LIFE_S = 3650 * 86400,
    SERVER_NAMES_MAX = 64,
};

#define CHECK(what)                                                                          \
    do {                                                                                     \
        if (!(what))                                                                         \
            die("libcrypto: %s: %s", #what, ERR_reason_error_string(ERR_peek_last_error())); \
    } while (0)

static EVP_PKEY *
key_ec(const char *group, bool explicit_curve)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    EVP_PKEY *key = NULL;

    CHECK(ctx && EVP_PKEY_keygen_init(ctx) == 1);
    CHECK(EVP_PKEY_CTX_set_group_name(ctx, group) == 1);
    CHECK(EVP_PKEY_CTX_set_ec_param_enc(ctx, explicit_curve ? OPENSSL_EC_EXPLICIT_CURVE
                                                            : OPENSSL_EC_NAMED_CURVE) == 1);
    CHECK(EVP_PKEY_keygen(ctx, &key) == 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static EVP_PKEY *
key_rsa(int type, int bits)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(type, NULL);
    EVP_PKEY *key = NULL;

    CHECK(ctx && EVP_PKEY_keygen_init(ctx) == 1);
    CHECK(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, bits) == 1);
    CHECK(EVP_PKEY_keygen(ctx, &key) == 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

EVP_PKEY *
pki_key_fresh(enum pki_key_kind kind)
{
    EVP_PKEY *key;

    switch (kind) {
    case PKI_P384:
        return key_ec("P-384", false);
    case PKI_P521:
        return key_ec("P-521", false);
    case PKI_P224:
        return key_ec("P-224", false);
    case PKI_SECP256K1:
        return key_ec("secp256k1", false);
    case PKI_P256_EXPLICIT:
        return key_ec("P-256", true);
    case PKI_RSA1024:
        return key_rsa(EVP_PKEY_RSA, 1024);
    case PKI_RSA2048:
        return key_rsa(EVP_PKEY_RSA, 2048);
    case PKI_RSA4096:
        return key_rsa(EVP_PKEY_RSA, 4096);
    case PKI_RSA_PSS2048:
        return key_rsa(EVP_PKEY_RSA_PSS, 2048);
    case PKI_ED25519:
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        CHECK(key);
        return key;
    case PKI_P256:
        break;
    }
    return key_ec("P-256", false);
}

EVP_PKEY *
pki_key(enum pki_key_kind kind)
{
    static EVP_PKEY *made[PKI_ED25519 + 1];
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    if (kind < PKI_RSA1024 || kind > PKI_RSA_PSS2048)
        return pki_key_fresh(kind);
    pthread_mutex_lock(&lock);
    if (!made[kind])
        made[kind] = pki_key_fresh(kind);
    EVP_PKEY_up_ref(made[kind]);
    pthread_mutex_unlock(&lock);
    return made[kind];
}

static ASN1_OBJECT *
object_of(const char *type)
{
    ASN1_OBJECT *object = OBJ_txt2obj(type, 0);

    if (!object)
        die("unknown attribute or OID %s", type);
    return object;
}

static void
name_fill(X509_NAME *name, const struct pki_cert_spec *spec)
{
    struct pki_attr only_cn = {"CN", str_from(spec->cn ? spec->cn : "test"), 0, false};
    const struct pki_attr *attrs = spec->attrs ? spec->attrs : &only_cn;
    size_t count = spec->attrs ? spec->attr_count : 1;

    if (spec->empty_subject)
        return;
    for (size_t i = 0; i < count; i++) {
        ASN1_OBJECT *type = object_of(attrs[i].type);
        int string_type = attrs[i].string_type ? attrs[i].string_type : V_ASN1_UTF8STRING;

        CHECK(X509_NAME_add_entry_by_OBJ(name, type, string_type,
                                         (const unsigned char *)attrs[i].value.ptr,
                                         (int)attrs[i].value.len, -1, attrs[i].same_rdn ? -1 : 0));
        ASN1_OBJECT_free(type);
    }
}

static void
ext_add(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    CONF *empty = NCONF_new(NULL); /* some extensions insist on one */
    X509_EXTENSION *ext;

    CHECK(empty);
    X509V3_set_ctx(&ctx, NULL, x, NULL, NULL, 0);
    X509V3_set_nconf(&ctx, empty);
    ext = X509V3_EXT_nconf_nid(empty, &ctx, nid, value);
    if (!ext)
        die("extension %s: cannot use \"%s\"", OBJ_nid2sn(nid), value);
    CHECK(X509_add_ext(x, ext, -1));
    X509_EXTENSION_free(ext);
    NCONF_free(empty);
}

static void
ext_add_raw(X509 *x, const char *oid, bool critical, struct str der)
{
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    ASN1_OBJECT *object = object_of(oid);
    X509_EXTENSION *ext;

    CHECK(octets && ASN1_OCTET_STRING_set(octets, (const unsigned char *)der.ptr, (int)der.len));
    ext = X509_EXTENSION_create_by_OBJ(NULL, object, critical, octets);
    CHECK(ext && X509_add_ext(x, ext, -1));
    X509_EXTENSION_free(ext);
    ASN1_OBJECT_free(object);
    ASN1_OCTET_STRING_free(octets);
}

static void
ext_add_basic(X509 *x, const struct pki_cert_spec *spec)
{
    enum pki_basic basic = spec->basic;
    char *value;

    if (basic == PKI_BASIC_DEFAULT)
        basic = spec->role == PKI_CA ? PKI_BASIC_CA : PKI_BASIC_EE;
    if (basic == PKI_BASIC_NONE)
        return;
    value = xformat("%s%s", basic == PKI_BASIC_CA_NOT_CRITICAL ? "" : "critical,",
                    basic == PKI_BASIC_EE ? "CA:FALSE" : "CA:TRUE");
    if (spec->pathlen > 0) {
        char *longer = xformat("%s,pathlen:%d", value, spec->pathlen - 1);

        free(value);
        value = longer;
    }
    ext_add(x, NID_basic_constraints, value);
    free(value);
}

static void
ext_add_usage(X509 *x, const struct pki_cert_spec *spec)
{
    static const char *const ku_default[] = {"digitalSignature", "digitalSignature",
                                             "keyCertSign,cRLSign"};
    static const char *const eku_default[] = {"clientAuth", "serverAuth", PKI_NONE};
    const char *ku = spec->ku ? spec->ku : ku_default[spec->role];
    const char *eku = spec->eku ? spec->eku : eku_default[spec->role];

    if (strcmp(ku, PKI_NONE) != 0) {
        char *critical = xformat("critical,%s", ku);

        ext_add(x, NID_key_usage, critical);
        free(critical);
    }
    if (strcmp(eku, PKI_NONE) != 0)
        ext_add(x, NID_ext_key_usage, eku);
}

static ASN1_OCTET_STRING *
key_id_of(X509 *x)
{
    unsigned char id[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();

    CHECK(X509_pubkey_digest(x, EVP_sha1(), id, &len));
    CHECK(octets && ASN1_OCTET_STRING_set(octets, id, (int)len));
    return octets;
}

static void
ext_add_key_ids(X509 *x, const struct pki_cert_spec *spec, const struct pki_cert *issuer)
{
    ASN1_OCTET_STRING *ski = key_id_of(x);
    const ASN1_OCTET_STRING *from = issuer ? X509_get0_subject_key_id(issuer->x509) : ski;
    AUTHORITY_KEYID *aki = AUTHORITY_KEYID_new();

    CHECK(aki);
    if (!spec->no_ski)
        CHECK(X509_add1_ext_i2d(x, NID_subject_key_identifier, ski, 0, 0) == 1);
    if (from && !spec->no_aki) {
        aki->keyid = ASN1_OCTET_STRING_dup(from);
        CHECK(aki->keyid);
        if (spec->wrong_aki)
            CHECK(ASN1_OCTET_STRING_set(aki->keyid, (const unsigned char *)"nobody", 6));
        CHECK(X509_add1_ext_i2d(x, NID_authority_key_identifier, aki, 0, 0) == 1);
    }
    AUTHORITY_KEYID_free(aki);
    ASN1_OCTET_STRING_free(ski);
}

static void
general_name_ip(GENERAL_NAME *gn, struct str value)
{
    char text[64] = "";
    unsigned char raw[16];
    size_t len = 0;

    memcpy(text, value.ptr, size_min(value.len, sizeof(text) - 1));
    if (inet_pton(AF_INET, text, raw) == 1)
        len = 4;
    else if (inet_pton(AF_INET6, text, raw) == 1)
        len = 16;
    gn->type = GEN_IPADD;
    gn->d.iPAddress = ASN1_OCTET_STRING_new();
    if (len > 0)
        CHECK(ASN1_OCTET_STRING_set(gn->d.iPAddress, raw, (int)len));
    else
        CHECK(ASN1_OCTET_STRING_set(gn->d.iPAddress, (const unsigned char *)value.ptr,
                                    (int)value.len));
}

static void
general_name_other(GENERAL_NAME *gn, struct str value)
{
    ASN1_UTF8STRING *text = ASN1_UTF8STRING_new();
    ASN1_TYPE *type = ASN1_TYPE_new();

    CHECK(text && type && ASN1_STRING_set(text, value.ptr, (int)value.len));
    ASN1_TYPE_set(type, V_ASN1_UTF8STRING, text);
    CHECK(GENERAL_NAME_set0_othername(gn, OBJ_nid2obj(NID_ms_upn), type));
}

static GENERAL_NAME *
general_name_of(const struct pki_san *san)
{
    static const int types[] = {GEN_DNS, GEN_URI, GEN_EMAIL};
    const unsigned char *der = (const unsigned char *)san->value.ptr;
    GENERAL_NAME *gn = GENERAL_NAME_new();

    CHECK(gn);
    switch (san->kind) {
    case PKI_SAN_IP:
        general_name_ip(gn, san->value);
        return gn;
    case PKI_SAN_OTHERNAME:
        general_name_other(gn, san->value);
        return gn;
    case PKI_SAN_DIRNAME_RAW:
        gn->type = GEN_DIRNAME;
        gn->d.directoryName = d2i_X509_NAME(NULL, &der, (long)san->value.len);
        CHECK(gn->d.directoryName);
        return gn;
    case PKI_SAN_DNS:
    case PKI_SAN_URI:
    case PKI_SAN_EMAIL:
        break;
    }
    gn->type = types[san->kind];
    gn->d.ia5 = ASN1_IA5STRING_new();
    CHECK(gn->d.ia5 && ASN1_STRING_set(gn->d.ia5, san->value.ptr, (int)san->value.len));
    return gn;
}

static void
ext_add_sans(X509 *x, const struct pki_cert_spec *spec)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();

    CHECK(names);
    for (size_t i = 0; i < spec->san_count; i++)
        CHECK(sk_GENERAL_NAME_push(names, general_name_of(&spec->sans[i])));
    CHECK(X509_add1_ext_i2d(x, NID_subject_alt_name, names, spec->empty_subject, 0) == 1);
    GENERAL_NAMES_free(names);
}

static void
ext_add_all(X509 *x, const struct pki_cert_spec *spec, const struct pki_cert *issuer)
{
    ext_add_basic(x, spec);
    ext_add_usage(x, spec);
    ext_add_key_ids(x, spec, issuer);
    if (spec->san_count > 0)
        ext_add_sans(x, spec);
    if (spec->name_constraints) {
        char *critical = xformat("critical,%s", spec->name_constraints);

        ext_add(x, NID_name_constraints, critical);
        free(critical);
    }
    if (spec->policies)
        ext_add(x, NID_certificate_policies, spec->policies);
    if (spec->unknown_critical_ext)
        ext_add_raw(x, "1.3.6.1.4.1.55555.1", true, STR("\x05\x00"));
    if (spec->padding_bytes > 0) {
        char *padding = xcalloc(1, spec->padding_bytes);

        ext_add_raw(x, "1.3.6.1.4.1.55555.2", false, str_make(padding, spec->padding_bytes));
        free(padding);
    }
    if (spec->extra_ext_oid)
        ext_add_raw(x, spec->extra_ext_oid, spec->extra_ext_critical, spec->extra_ext_der);
}

static void
validity_set(X509 *x, const struct pki_cert_spec *spec)
{
    int64_t now = wall_s();
    int64_t before = spec->not_before_s ? spec->not_before_s : now - BACKDATE_S;
    int64_t after = spec->not_after_s ? spec->not_after_s
                                      : now + (spec->role == PKI_CA ? CA_LIFE_S : LEAF_LIFE_S);
    ASN1_TIME *time = ASN1_TIME_new();

    CHECK(ASN1_TIME_set(time, before) && X509_set1_notBefore(x, time));
    CHECK(ASN1_TIME_set(time, after) && X509_set1_notAfter(x, time));
    ASN1_TIME_free(time);
}

static struct str
serial_pick(const struct pki_cert_spec *spec)
{
    unsigned char *raw;

    if (spec->serial.len > 0) {
        raw = xmalloc(spec->serial.len);
        memcpy(raw, spec->serial.ptr, spec->serial.len);
        return str_make(raw, spec->serial.len);
    }
    raw = xmalloc(RANDOM_SERIAL_BYTES);
    CHECK(RAND_bytes(raw, RANDOM_SERIAL_BYTES) == 1);
    raw[0] = (unsigned char)((raw[0] & 0x3f) | 0x40);
    return str_make(raw, RANDOM_SERIAL_BYTES);
}

static void
x509_sign(X509 *x, const struct pki_signer *signer)
{
    EVP_MD_CTX *ctx = pki_sign_start(signer);

    CHECK(X509_sign_ctx(x, ctx) > 0);
    EVP_MD_CTX_free(ctx);
}

/* Writes the serial's octets verbatim (libcrypto only knows minimal integers) and signs again. */
static struct bytes
der_with_serial(struct str cert, struct str serial, const struct pki_signer *signer)
{
    struct str parts = der_content(cert);
    struct str tbs = der_content(der_take(&parts));
    struct str alg = der_take(&parts);
    struct bytes body = {0};
    struct bytes signed_part = {0};
    struct bytes out = {0};
    struct bytes signature;

    if ((uint8_t)tbs.ptr[0] == DER_CONTEXT_SET(0)) {
        struct str version = der_take(&tbs);

        bytes_add(&body, version.ptr, version.len);
    }
    der_take(&tbs);
    der_put(&body, DER_INTEGER, serial);
    bytes_add(&body, tbs.ptr, tbs.len);
    der_put(&signed_part, DER_SEQUENCE, bytes_str(&body));
    signature = pki_sign(signer, bytes_str(&signed_part));
    bytes_add(&signed_part, alg.ptr, alg.len);
    der_head(&signed_part, DER_BIT_STRING, signature.len + 1);
    bytes_add(&signed_part, "", 1);
    bytes_add(&signed_part, signature.ptr, signature.len);
    der_put(&out, DER_SEQUENCE, bytes_str(&signed_part));
    bytes_free(&body);
    bytes_free(&signed_part);
    bytes_free(&signature);
    return out;
}

static struct pki_cert *
cert_finish(X509 *draft, const struct pki_cert_spec *spec, const struct pki_signer *signer,
            struct str serial)
{
    struct pki_cert *c = xcalloc(1, sizeof(*c));
    unsigned char *draft_der = NULL;
    int draft_len = i2d_X509(draft, &draft_der);
    const unsigned char *at;
    struct bytes der;

    CHECK(draft_len > 0);
    der = der_with_serial(str_make(draft_der, (size_t)draft_len), serial, signer);
    if (spec->corrupt_signature)
        der.ptr[der.len - 1] = (char)(der.ptr[der.len - 1] ^ 1);
    at = (const unsigned char *)der.ptr;
    c->x509 = d2i_X509(NULL, &at, (long)der.len);
    ERR_clear_error();
    c->der = bytes_str(&der);
    c->serial = serial;
    OPENSSL_free(draft_der);
    return c;
}

struct pki_cert *
pki_issue(const struct pki_cert_spec *spec, const struct pki_cert *issuer)
{
    X509 *x = X509_new();
    X509_NAME *subject = X509_NAME_new();
    EVP_PKEY *key = spec->key ? spec->key : pki_key(spec->key_kind);
    struct pki_signer signer = {issuer ? issuer->key : key, spec->digest, spec->pss};
    struct pki_cert *c;

    CHECK(x && subject);
    if (spec->key)
        EVP_PKEY_up_ref(key);
    if (spec->sign_with)
        signer.key = spec->sign_with;
    name_fill(subject, spec);
    CHECK(X509_set_version(x, spec->version ? spec->version - 1 : X509_VERSION_3));
    CHECK(ASN1_INTEGER_set(X509_get_serialNumber(x), 1));
    CHECK(X509_set_subject_name(x, subject));
    CHECK(X509_set_issuer_name(x, spec->issuer_name ? spec->issuer_name
                                  : issuer          ? X509_get_subject_name(issuer->x509)
                                                    : subject));
    CHECK(X509_set_pubkey(x, key));
    validity_set(x, spec);
    if (spec->version == 0 || spec->version == 3)
        ext_add_all(x, spec, issuer);
    x509_sign(x, &signer);
    c = cert_finish(x, spec, &signer, serial_pick(spec));
    c->key = key;
    c->issuer = issuer ? issuer : c;
    X509_NAME_free(subject);
    X509_free(x);
    return c;
}

struct pki_cert *
pki_root(const char *cn)
{
    return pki_issue(&(struct pki_cert_spec){.role = PKI_CA, .cn = cn}, NULL);
}

struct pki_cert *
pki_intermediate(const struct pki_cert *issuer, const char *cn)
{
    return pki_issue(&(struct pki_cert_spec){.role = PKI_CA, .cn = cn}, issuer);
}

struct pki_cert *
pki_client(const struct pki_cert *issuer, const char *cn)
{
    return pki_issue(&(struct pki_cert_spec){.role = PKI_CLIENT, .cn = cn}, issuer);
}

static bool
is_address(struct str name)
{
    char text[64] = "";
    unsigned char raw[16];

    memcpy(text, name.ptr, size_min(name.len, sizeof(text) - 1));
    return inet_pton(AF_INET, text, raw) == 1 || inet_pton(AF_INET6, text, raw) == 1;
}

struct pki_cert *
pki_server(const struct pki_cert *issuer, const char *names)
{
    struct pki_san sans[SERVER_NAMES_MAX];
    size_t count = 0;
    const char *at = names;
    struct pki_attr cn = {.type = "CN"};

    while (*at && count < SERVER_NAMES_MAX) {
        struct str name = str_make(at, strcspn(at, ","));

        sans[count].kind = is_address(name) ? PKI_SAN_IP : PKI_SAN_DNS;
        sans[count++].value = name;
        at += name.len;
        at += *at == ',';
    }
    if (count == 0)
        die("a server certificate needs a name");
    cn.value = sans[0].value;
    return pki_issue(
        &(struct pki_cert_spec){
            .role = PKI_SERVER, .attrs = &cn, .attr_count = 1, .sans = sans, .san_count = count},
        issuer);
}

void
pki_free(struct pki_cert *c)
{
    if (!c)
        return;
    X509_free(c->x509);
    EVP_PKEY_free(c->key);
    free((char *)(uintptr_t)c->der.ptr);
    free((char *)(uintptr_t)c->serial.ptr);
    free(c);
}
