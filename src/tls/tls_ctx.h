/* SPDX-License-Identifier: Apache-2.0
 *
 * From certificates, keys and versions to what live connections use. Built on the control
 * thread, immutable, counted; libssl's own reference keeps a context alive under a live
 * SSL. Contexts hold no revocation lists, so that they stay small.
 *
 * Always: TLS 1.2 and 1.3 only, ECDHE with AEAD, no compression (of data or
 * certificates), no renegotiation, no early data, no post-handshake authentication,
 * server's cipher preference, security level 2, Certificate message capped. Session
 * resumption only with ticket_keys (tickets are judged again, see tls_io.h); otherwise no tickets
 * and no cache.
 */
#ifndef TLS_TLS_CTX_H
#define TLS_TLS_CTX_H

#include <openssl/ssl.h>

#include "base/diag.h"
#include "base/str.h"

enum tls_alpn { TLS_ALPN_NONE, TLS_ALPN_HTTP11, TLS_ALPN_H2 };

/* How the client is asked for a certificate. */
enum tls_client_auth {
    TLS_CLIENT_AUTH_OFF,
    TLS_CLIENT_AUTH_REQUEST, /* passthrough and optional */
    TLS_CLIENT_AUTH_REQUIRE, /* verify: no certificate fails the handshake */
};

struct tls_cert_source {
    const char *certificate; /* PEM, leaf first, then its chain */
    const char *private_key;
    struct diag_place named; /* where the configuration names them */
};

struct tls_server_source {
    const char *name; /* for messages: the listener's */
    const struct tls_cert_source *certs;
    size_t cert_count;
    int minimum_version; /* TLS1_2_VERSION or TLS1_3_VERSION */
    bool has_h2, has_http11;
    enum tls_client_auth client_auth;
    STACK_OF(X509_NAME) * ca_names;  /* to advertise; NULL for none. Borrowed. */
    struct ticket_keys *ticket_keys; /* NULL: sessions are not resumed. A reference is taken. */
};

struct ticket_keys;
struct tls_server; /* one per listener policy */

/* Keys must match certificates, chains must be in order, leaf not expired (warning when it is
 * within 7 days), names come from the SANs. */
int tls_server_build(const struct tls_server_source *src, struct diag *diag,
                     struct tls_server **ret) GW_MUST_USE;
struct tls_server *tls_server_ref(struct tls_server *s);
void tls_server_unref(struct tls_server *s);
/* Earliest notAfter of the server certificates. */
int64_t tls_server_not_after(const struct tls_server *s);
size_t tls_server_cert_count(const struct tls_server *s);

struct tls_client_source {
    const char *name;        /* for messages: the target group's */
    const char *ca_bundle;   /* path, or NULL for the system's */
    const char *certificate; /* client certificate and key, or NULL */
    const char *private_key;
};

struct tls_client; /* one per target group; caches sessions for resumption per worker */

int tls_client_build(const struct tls_client_source *src, struct diag *diag,
                     struct tls_client **ret) GW_MUST_USE;
struct tls_client *tls_client_ref(struct tls_client *c);
void tls_client_unref(struct tls_client *c);

#endif
