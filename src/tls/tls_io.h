/* SPDX-License-Identifier: Apache-2.0
 *
 * SSL over a non-blocking descriptor, for both directions. One table turns libssl's
 * want-read and want-write into what the state machine waits for, whichever operation
 * asked. A thin BIO of our own stands between libssl and the socket: it remembers that a
 * short read has drained an edge-triggered socket (saving the read that would block) and
 * can hold back records so that several leave in one write.
 *
 * The OpenSSL error queue is read and cleared here; nobody above sees it.
 */
#ifndef TLS_TLS_IO_H
#define TLS_TLS_IO_H

#include <openssl/ssl.h>

#include "base/pool.h"
#include "base/str.h"
#include "cert/reason.h"
#include "tls/tls_ctx.h"

struct tls_io;

#define TLS_POLICY_DIGEST_BYTES 32

/* What a session ticket says about the session it stands for; borrowed for the call. */
struct tls_ticket_facts {
    const uint8_t *policy_digest; /* TLS_POLICY_DIGEST_BYTES */
    int64_t original_s;           /* wall clock of the original full handshake */
    struct str sni;               /* equals that of this handshake */
};

/* Called inside the handshake, on the connection's thread. */
struct tls_hooks {
    /* The ClientHello has been read; sni is canonical (host_canonical) or empty. Choose
     * the policy: a tls_server. NULL refuses with unrecognized_name. May be NULL: the one given
     * to tls_accept is used. */
    struct tls_server *(*on_client_hello)(void *arg, struct str sni);
    /* The client sent a certificate and libssl asks for the verdict, before the client has proved
     * possession of the key. chain is what was sent, leaf included; may be NULL. Returns
     * REASON_NONE to go on; anything else fails the handshake with that reason's alert. Not called
     * without one. */
    enum reason (*on_client_cert)(void *arg, X509 *leaf, STACK_OF(X509) * chain);
    /* An equal of cert, one of those just admitted, that outlives this connection; NULL: none. It
     * takes the place of cert, so that the certificates of one client are in memory once. Called
     * after on_client_cert and on_resume; may be NULL. */
    X509 *(*on_shared_cert)(void *arg, X509 *cert);
    /* A ticket is issued: the digest of the policy it is for, TLS_POLICY_DIGEST_BYTES. NULL: the
     * ticket will not be taken back. May be NULL. */
    const uint8_t *(*on_ticket)(void *arg);
    /* A client offers a session. True only if it may be resumed today, judged like a certificate
     * just sent; false makes it a full handshake. libssl may still decide against the session:
     * what was learned here holds only if tls_is_resumed says so afterwards. leaf may be NULL. */
    bool (*on_resume)(void *arg, const struct tls_ticket_facts *facts, X509 *leaf,
                      STACK_OF(X509) * chain);
};

/* The server side of fd. hooks and arg live as long as the tls_io. The descriptor is borrowed. */
struct tls_io *
tls_accept(struct tls_server *server, int fd, const struct tls_hooks *hooks, void *arg) GW_MUST_USE;
/* The client side. server_name is sent as SNI (unless it is an address) and must be in the
 * certificate. session_slot: where the session for resumption is kept between connections, owned
 * by the caller, freed with tls_session_free; may be NULL. */
struct tls_io *tls_connect(struct tls_client *client, int fd, const char *server_name,
                           SSL_SESSION **session_slot) GW_MUST_USE;
/* Frees without a word on the wire. NULL is fine. */
void tls_free(struct tls_io *t);
void tls_session_free(SSL_SESSION *s);

/* Readiness, as told by the loop. saw_closed: LOOP_CLOSED was among the bits. */
void tls_on_ready(struct tls_io *t, bool readable, bool writable, bool saw_closed);

/* All of these: 0 or a byte count on success; GW_E_WANT_READ / GW_E_WANT_WRITE when the socket
 * is not ready for what libssl needs; GW_E_CLOSED (close_notify or, for read, end of stream),
 * GW_E_RESET, GW_E_TLS (tls_error tells). */
int tls_handshake(struct tls_io *t) GW_MUST_USE;
/* Up to n bytes. */
int tls_read(struct tls_io *t, void *dst, size_t n, size_t *ret_n) GW_MUST_USE;
/* Up to n bytes are taken; a partial count is normal. After WANT_WRITE call again with at least
 * the same bytes (moving buffers are allowed). */
int tls_write(struct tls_io *t, const void *src, size_t n, size_t *ret_n) GW_MUST_USE;
/* Bytes that libssl or the BIO already hold: a read will not need the socket. */
bool tls_has_pending(const struct tls_io *t);
/* True once the other side has sent anything at all. */
bool tls_got_bytes(const struct tls_io *t);
/* True when the end came with close_notify (a truncation can be told apart). */
bool tls_saw_close_notify(const struct tls_io *t);
/* Sends close_notify; 0 when it left or cannot be sent any more (handshake
 * incomplete, connection lost, the last tls_write was left at WANT_WRITE); WANT_WRITE when to try
 * again. Reading goes on, writing does not. */
int tls_shutdown(struct tls_io *t) GW_MUST_USE;

/* Facts, valid after the handshake (or its failure, as far as known). Borrowed from t. */
enum tls_alpn tls_alpn(const struct tls_io *t);
const char *tls_version(const struct tls_io *t); /* "TLSv1.3", "-" */
const char *tls_cipher(const struct tls_io *t);  /* OpenSSL name, "-" */
const char *tls_group(const struct tls_io *t);   /* key-exchange group, "-" */
struct str tls_sni(const struct tls_io *t);      /* canonical; empty when none or malformed */
bool tls_used_default_certificate(const struct tls_io *t); /* SNI matched none */
/* The file of the certificate that this server sent; "" before the hello. */
const char *tls_chosen_certificate(const struct tls_io *t);
X509 *tls_peer_leaf(const struct tls_io *t);             /* borrowed, NULL without */
STACK_OF(X509) * tls_peer_chain(const struct tls_io *t); /* borrowed, leaf included on servers */
bool tls_is_resumed(const struct tls_io *t);
/* The last failure: REASON_NONE for plain I/O; for servers the reason of the connection log
 * (MISSING, PROTOCOL_MISMATCH, MAX_SIZE, MAX_CHAIN_DEPTH, what on_client_cert returned,
 * UNMAPPED). */
enum reason tls_reason(const struct tls_io *t);
/* Plain words of the last failure, printable ASCII. */
const char *tls_error(const struct tls_io *t);

#endif
