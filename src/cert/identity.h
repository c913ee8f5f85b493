/* SPDX-License-Identifier: Apache-2.0
 *
 * What a client certificate says, read once per connection into an arena and rendered in
 * ALB's encodings (Application Load Balancer guide, "HTTP headers and mutual TLS").
 * Immutable afterwards; borrowed by streams, rules and logs.
 *
 * Names are rendered with RFC 2253 escaping (XN_FLAG_RFC2253), never oneline; the result is
 * printable ASCII or the certificate is refused. A NUL or other control byte inside a name
 * that decisions are made on (CN, DNS, URI, e-mail) refuses the certificate.
 */
#ifndef CERT_IDENTITY_H
#define CERT_IDENTITY_H

#include <openssl/x509.h>

#include "base/arena.h"
#include "cert/reason.h"

struct identity_list {
    struct str *items;
    size_t count;
};

struct identity {
    /* ALB's five values */
    struct str serial;  /* upper hex, whole bytes, no sign byte: BN_bn2hex; "-" first if negative */
    struct str issuer;  /* RFC 2253 */
    struct str subject; /* RFC 2253 */
    struct str validity; /* NotBefore=...Z;NotAfter=...Z */
    struct str leaf;     /* URL-encoded PEM: space %20, LF %0A, nothing else */
    /* Decoded facts for rules, typed; UTF-8 */
    struct identity_list subject_cn, subject_ou, subject_o;
    struct identity_list issuer_cn, issuer_ou, issuer_o;
    struct identity_list san_dns, san_uri, san_email; /* as in the certificate */
    struct identity_list san_ip;                      /* text form */
    struct identity_list policy_oids;                 /* dotted */
    struct str serial_der;                            /* content octets */
    struct str issuer_der;                            /* Name */
    uint8_t sha256[32];                               /* of the leaf's DER */
    uint8_t spki_sha256[32];
    int64_t not_before_s;
    int64_t not_after_s;
};

/* GW_E_DENIED with *ret_reason (MAX_SIZE, INVALID) when the certificate cannot be stated exactly
 * within the limits: never truncated. */
int identity_build(X509 *leaf, struct arena *arena, struct identity **ret,
                   enum reason *ret_reason) GW_MUST_USE;
/* Subject, validity and serial only, for the log line of a refused certificate; fields that
 * cannot be rendered stay empty. Never fails but for memory (then all empty). */
void identity_facts(X509 *leaf, struct arena *arena, struct identity *ret);
/* What a deny list compares, as far as it can be read: digests, serial, issuer and alternative
 * names of a certificate that nobody has judged. What cannot be read stays empty. */
void identity_names(X509 *leaf, struct arena *arena, struct identity *ret);
/* URL-encoded PEM of certs in order: the value of X-Amzn-Mtls-Clientcert. chain includes the
 * leaf first. GW_E_LIMIT beyond max_bytes or the arena. */
int identity_chain_pem(X509 *const *chain, int count, size_t max_bytes, struct arena *arena,
                       struct str *ret) GW_MUST_USE;

#endif
