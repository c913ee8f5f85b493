/* SPDX-License-Identifier: Apache-2.0
 *
 * Headers about a verified client beyond Application Load Balancer's five, in the forms that
 * upstreams know: RFC 9440, Envoy's X-Forwarded-Client-Cert, names and fingerprint in headers
 * of their own. A value that cannot be stated exactly is an error, never cut or left out.
 */
#ifndef POLICY_HANDOVER_H
#define POLICY_HANDOVER_H

#include "base/arena.h"
#include "base/err.h"
#include "cert/identity.h"

enum handover_header {
    HANDOVER_CLIENT_CERT = 1,       /* Client-Cert (RFC 9440) */
    HANDOVER_CLIENT_CERT_CHAIN = 2, /* Client-Cert-Chain (RFC 9440) */
    HANDOVER_XFCC = 4,              /* X-Forwarded-Client-Cert as Envoy writes it */
    HANDOVER_SAN = 8,               /* X-Client-Cert-San-Dns, -Uri, -Email, -Ip */
    HANDOVER_SHA256 = 16,           /* X-Client-Cert-Sha256 */
};

#define HANDOVER_LINES_MAX 8

struct handover_line {
    struct str name;
    struct str value;
};

struct handover_input {
    unsigned wanted; /* bits of enum handover_header */
    const struct identity *identity;
    X509 *const *chain; /* the verified path: leaf first, anchor last */
    int chain_count;
};

/* Lines in the order of the enumeration; a list without items has no line. The chain is what was
 * verified between the client's certificate and the anchor, both left out, whatever the client
 * sent. GW_E_LIMIT beyond the arena, GW_E_DENIED when a name would be read in another way. */
int
handover_render(const struct handover_input *in, struct arena *arena,
                struct handover_line lines[HANDOVER_LINES_MAX], uint32_t *ret_count) GW_MUST_USE;
/* True for the name of a header that these bits send; any case. */
bool handover_has_name(unsigned wanted, struct str name);

#endif
