/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates and revocation lists of any shape, good and bad. A zeroed spec is a good
 * one; every knob turns one thing wrong. Failures of libcrypto end the program.
 *
 *   struct pki_cert *root = pki_root("Test Root");
 *   struct pki_cert *ca = pki_intermediate(root, "Test CA");
 *   struct pki_cert *leaf = pki_client(ca, "alice");
 *   pki_write_chain("alice.pem", leaf);             leaf, then ca
 *   pki_write_key("alice.key", leaf->key);
 */
#ifndef SUPPORT_PKI_H
#define SUPPORT_PKI_H

#include <openssl/x509.h>

#include "base/str.h"
#include "support/util.h"

enum pki_key_kind {
    PKI_P256, /* the default */
    PKI_P384,
    PKI_P521,
    PKI_P224,
    PKI_SECP256K1,
    PKI_P256_EXPLICIT, /* curve parameters written out */
    PKI_RSA1024,
    PKI_RSA2048,
    PKI_RSA4096,
    PKI_RSA_PSS2048, /* rsassaPss key */
    PKI_ED25519,
};

/* Keys of the expensive kinds are made once per program and kind unless fresh. */
EVP_PKEY *pki_key(enum pki_key_kind kind);
EVP_PKEY *pki_key_fresh(enum pki_key_kind kind);

/* One attribute of a name. Bytes are written as they are, whatever the string type. */
struct pki_attr {
    const char *type; /* "CN", "O", "emailAddress" or "1.2.3.4" */
    struct str value;
    int string_type; /* V_ASN1_UTF8STRING when 0; V_ASN1_PRINTABLESTRING, V_ASN1_BMPSTRING, ... */
    bool same_rdn;   /* joins the attribute before it: a multi-valued RDN */
};

enum pki_san_kind {
    PKI_SAN_DNS,
    PKI_SAN_URI,
    PKI_SAN_EMAIL,
    PKI_SAN_IP,
    PKI_SAN_DIRNAME_RAW,
    PKI_SAN_OTHERNAME
};

/* DNS, URI, EMAIL: raw IA5 bytes. IP: 4 or 16 raw bytes, or text such as "127.0.0.1".
 * DIRNAME_RAW: DER of a Name. OTHERNAME: UTF-8 text under the Microsoft UPN type. */
struct pki_san {
    enum pki_san_kind kind;
    struct str value;
};

enum pki_role { PKI_CLIENT, PKI_SERVER, PKI_CA };
enum pki_basic {
    PKI_BASIC_DEFAULT,
    PKI_BASIC_NONE,
    PKI_BASIC_CA,
    PKI_BASIC_EE,
    PKI_BASIC_CA_NOT_CRITICAL
};

#define PKI_PATHLEN(n) ((n) + 1)
#define PKI_NONE "none" /* for ku, eku: leave the extension out */

struct pki_cert_spec {
    enum pki_role role;           /* sets the defaults of basic, ku and eku */
    const char *cn;               /* subject of one CN, when attrs is NULL */
    const struct pki_attr *attrs; /* the subject, in order of the encoding */
    size_t attr_count;
    bool empty_subject;
    X509_NAME *issuer_name; /* instead of the issuer's subject */

    struct str serial;    /* content octets of the INTEGER, verbatim; empty: 16 random */
    int64_t not_before_s; /* 0: an hour ago */
    int64_t not_after_s;  /* 0: in 90 days (a CA: ten years) */
    int version;          /* 0 is 3; 1 has no extensions; 2 too */

    enum pki_key_kind key_kind;
    EVP_PKEY *key;       /* instead of a new one; a reference is taken */
    EVP_PKEY *sign_with; /* instead of the issuer's key: a wrong signature */
    const char *digest;  /* "SHA256" when NULL */
    bool pss;            /* RSASSA-PSS signature by an RSA key */
    bool corrupt_signature;

    enum pki_basic basic;
    int pathlen;     /* PKI_PATHLEN(n); 0: absent */
    const char *ku;  /* "digitalSignature,keyCertSign"; NULL: default; PKI_NONE */
    const char *eku; /* "clientAuth", "serverAuth,1.2.3"; NULL: default; PKI_NONE */
    const struct pki_san *sans;
    size_t san_count;
    const char *name_constraints; /* OpenSSL text: "permitted;DNS:.example,excluded;URI:bad" */
    const char *policies;         /* "1.2.3.4,anyPolicy" */
    bool no_ski;
    bool no_aki;
    bool wrong_aki;            /* a keyIdentifier that is nobody's */
    bool unknown_critical_ext; /* 1.3.6.1.4.1.55555.1 */
    size_t padding_bytes;      /* unknown non-critical extension of this size */
    const char *extra_ext_oid; /* one more extension, DER verbatim */
    struct str extra_ext_der;
    bool extra_ext_critical;
};

struct pki_cert {
    X509 *x509; /* NULL when libcrypto itself refuses the DER */
    EVP_PKEY *key;
    struct str der;
    struct str serial;             /* content octets */
    const struct pki_cert *issuer; /* itself when self-signed */
};

/* NULL issuer: self-signed. The issuer must outlive the certificate. */
struct pki_cert *pki_issue(const struct pki_cert_spec *spec, const struct pki_cert *issuer);
struct pki_cert *pki_root(const char *cn);
struct pki_cert *pki_intermediate(const struct pki_cert *issuer, const char *cn);
struct pki_cert *pki_client(const struct pki_cert *issuer, const char *cn);
/* names: "localhost,127.0.0.1,*.example.test"; the first is the CN. */
struct pki_cert *pki_server(const struct pki_cert *issuer, const char *names);
void pki_free(struct pki_cert *c);
/* Reads a certificate and its key back (mkpki); NULL when either is missing or unreadable. */
struct pki_cert *pki_load(const char *cert_path, const char *key_path);

/* PEM text appended to out. */
void pki_pem_add(struct bytes *out, const char *label, struct str der);
void pki_pem_cert(struct bytes *out, const struct pki_cert *c);
/* The leaf and its issuers, the root left out unless with_root. */
void pki_pem_chain(struct bytes *out, const struct pki_cert *leaf, bool with_root);
/* Files: certificates 0644, keys 0600. The list of pki_write_certs ends with NULL. */
void pki_write_certs(const char *path, ...) __attribute__((sentinel));
void pki_write_chain(const char *path, const struct pki_cert *leaf);
void pki_write_key(const char *path, EVP_PKEY *key);
/* DIR/NAME.pem and DIR/NAME.key */
void pki_write_pair(const char *dir, const char *name, const struct pki_cert *leaf);

/* ---- revocation lists ---- */

enum pki_reason {
    PKI_REASON_NONE, /* no reasonCode extension */
    PKI_REASON_UNSPECIFIED,
    PKI_REASON_KEY_COMPROMISE,
    PKI_REASON_CA_COMPROMISE,
    PKI_REASON_AFFILIATION_CHANGED,
    PKI_REASON_SUPERSEDED,
    PKI_REASON_CESSATION,
    PKI_REASON_HOLD,
    PKI_REASON_REMOVE_FROM_CRL = 9,
    PKI_REASON_PRIVILEGE_WITHDRAWN,
    PKI_REASON_AA_COMPROMISE,
};

struct pki_crl_entry {
    const struct pki_cert *cert; /* its serial, or: */
    struct str serial;           /* content octets, verbatim */
    int64_t revoked_s;           /* 0: a day ago */
    enum pki_reason reason;
    bool invalidity_date; /* an ordinary entry extension */
    bool unknown_critical_ext;
    bool unknown_ext;
    X509_NAME *certificate_issuer; /* critical, of an indirect list */
};

enum pki_time_form { PKI_TIME_AS_RFC, PKI_TIME_UTC, PKI_TIME_GENERALIZED };

#define PKI_NO_TIME INT64_MIN

struct pki_idp {
    bool only_users;
    bool only_cas;
    bool only_attributes;
    bool indirect;
    unsigned reason_bits; /* ReasonFlags; bit n of this is named bit n. 0: absent */
    const char *uri;      /* distribution point name */
    bool not_critical;
};

struct pki_crl_spec {
    const struct pki_crl_entry *entries;
    size_t entry_count;
    uint64_t synthetic_count; /* generated entries after those, see pki_synthetic_serial */
    uint64_t synthetic_seed;
    bool synthetic_sorted; /* ascending serials; otherwise in random order */

    bool v1;               /* no version and no extensions */
    int version;           /* written value + 1; 0 is 2 */
    int64_t this_update_s; /* 0: an hour ago */
    int64_t next_update_s; /* 0: in 30 days; PKI_NO_TIME: absent */
    enum pki_time_form time_form;

    bool no_number;
    uint64_t number;       /* 0 is 1 */
    struct str number_raw; /* content octets instead */
    bool no_aki;
    bool wrong_aki;
    bool delta; /* deltaCRLIndicator with delta_base */
    uint64_t delta_base;
    const struct pki_idp *idp;
    bool unknown_critical_ext;
    bool unknown_ext;
    bool duplicate_ext; /* crlNumber twice */

    X509_NAME *issuer_name; /* instead of the issuer's subject */
    EVP_PKEY *sign_with;    /* wrong key under the right name */
    const char *digest;     /* "SHA256" when NULL */
    bool pss;
    bool corrupt_signature;
    bool empty_revoked;  /* revokedCertificates present and empty (not allowed) */
    struct str trailing; /* bytes after the list, inside the PEM or DER */
};

#define PKI_SYNTHETIC_SERIAL_BYTES 16
/* Serial of synthetic entry i of a list with that seed and order. */
void pki_synthetic_serial(uint64_t seed, bool sorted, uint64_t i,
                          uint8_t serial[PKI_SYNTHETIC_SERIAL_BYTES]);

/* DER in memory; the caller frees with bytes_free. */
struct bytes pki_crl_der(const struct pki_crl_spec *spec, const struct pki_cert *issuer);
/* PEM of the same. */
struct bytes pki_crl_pem(const struct pki_crl_spec *spec, const struct pki_cert *issuer);
/* Streamed to a file, whatever the number of entries. */
void pki_crl_write(const char *path, bool pem, const struct pki_crl_spec *spec,
                   const struct pki_cert *issuer);
/* A list that revokes these certificates (ends with NULL), as PEM into path. */
void pki_crl_revoke(const char *path, const struct pki_cert *issuer, uint64_t number, ...)
    __attribute__((sentinel));

#endif
