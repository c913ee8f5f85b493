/* SPDX-License-Identifier: Apache-2.0
 *
 * The signature algorithms that certificates and lists may carry: RSA PKCS#1 v1.5, RSASSA-PSS
 * with MGF1, and ECDSA, each with SHA-256, SHA-384 or SHA-512 (the Application Load Balancer
 * guide's set). Everything else, SHA-1 and Ed25519 included, is refused.
 */
#ifndef CERT_SIGALG_H
#define CERT_SIGALG_H

#include <openssl/x509.h>

#include "base/str.h"

enum sigalg_kind { SIGALG_RSA, SIGALG_RSA_PSS, SIGALG_ECDSA };

struct sigalg {
    enum sigalg_kind kind;
    int digest_nid;
    int mgf1_digest_nid; /* SIGALG_RSA_PSS only, as salt_bytes */
    int salt_bytes;
};

#define SIGALG_TEXT_MAX 80

/* An AlgorithmIdentifier (content of the SEQUENCE). GW_E_PARSE when it is not one, GW_E_DENIED when
 * it is not allowed. */
int sigalg_parse(struct str identifier, struct sigalg *ret) GW_MUST_USE;
/* The name of the algorithm, allowed or not, for messages. */
void sigalg_describe(struct str identifier, char text[SIGALG_TEXT_MAX]);
/* The algorithm a certificate is signed with. */
int sigalg_of_cert(const X509 *cert, struct sigalg *ret) GW_MUST_USE;
void sigalg_describe_cert(const X509 *cert, char text[SIGALG_TEXT_MAX]);
/* 0 when signature over text was made by key; GW_E_DENIED otherwise. */
int sigalg_verify(const struct sigalg *alg, EVP_PKEY *key, struct str text,
                  struct str signature) GW_MUST_USE;

#endif
