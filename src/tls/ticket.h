/* SPDX-License-Identifier: Apache-2.0
 *
 * Session tickets that can be judged again. A ticket carries, sealed, what the judge needs:
 * the policy it was issued under, the server name, the time of the original full handshake
 * and every certificate the client sent. A resumption without a judgement of today does not
 * happen: the hook decides, and its no becomes a full handshake, not a failure.
 * Stateless, TLS 1.2 and 1.3 (RFC 5077, RFC 8446 4.6.1). Inside the tls folder only.
 */
#ifndef TLS_TICKET_H
#define TLS_TICKET_H

#include "tls/tls_int.h"

/* Callbacks, lifetimes and one ticket a handshake on ctx. */
void ticket_enable(SSL_CTX *ctx);
/* After the handshake: certificates that came from a ticket which libssl did not use after all are
 * forgotten. */
void ticket_settle(struct tls_io *t);

#endif
