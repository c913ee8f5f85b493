/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share: the bodies of tls_server, tls_client and tls_io, and
 * the callbacks that the contexts hand to libssl. Nobody outside includes it.
 */
#ifndef TLS_TLS_INT_H
#define TLS_TLS_INT_H

#include "base/assert.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/ref.h"
#include "tls/sock_bio.h"
#include "tls/tls_ctx.h"
#include "tls/tls_io.h"

enum {
    TLS_ERROR_BYTES = 112,
    TLS_SNI_MAX = 253,
    TLS_CLIENT_ID_BYTES = 16,
    TLS_SESSION_TAG_BYTES = TLS_CLIENT_ID_BYTES + 8, /* at most SSL_MAX_SID_CTX_LENGTH */
};

/* A name that a certificate answers to. */
struct tls_name {
    struct tls_name *next;
    size_t cert; /* index */
    size_t len;
    char text[]; /* canonical; of a wildcard what follows "*." */
};

/* Which certificate answers to which server name; the first that claims a name has it. */
struct tls_names {
    struct tls_name *all;
    struct map exact;
    struct map wildcard;
};

void tls_names_init(struct tls_names *n);
void tls_names_done(struct tls_names *n);
/* DNS names of the SANs, the common name when there is none. GW_E_NOMEM, GW_E_LIMIT. */
int tls_names_add(struct tls_names *n, X509 *cert, size_t index) GW_MUST_USE;
/* False when no certificate claims sni (canonical). */
bool tls_names_find(const struct tls_names *n, struct str sni, size_t *ret_index);

struct tls_server {
    struct ref ref;
    BIO_METHOD *bio_method;
    struct tls_names names;
    SSL_CTX **contexts; /* one per certificate, first is the default */
    char **paths;       /* of the certificates, in the same order */
    size_t count;
    int64_t not_after_s;
    int minimum_version;
    int verify_mode;
    bool has_h2, has_http11;
    struct ticket_keys *ticket_keys; /* referenced; NULL without resumption */
};

struct tls_client {
    struct ref ref;
    BIO_METHOD *bio_method;
    SSL_CTX *context;
    uint8_t id[TLS_CLIENT_ID_BYTES]; /* random: sessions of another tls_client are not taken up */
};

struct tls_io {
    uint32_t magic;
    bool is_open;         /* the handshake is complete */
    bool is_write_cut;    /* part of a record has left; only the same bytes can complete it */
    bool is_shut;         /* close_notify has left */
    bool is_read_blocked; /* nothing readable is buffered, although a partial record may be */
    bool saw_close_notify;
    bool used_default;
    struct tls_server *policy; /* chosen by the hello, referenced; NULL before */
    size_t cert_index;         /* the certificate of it that was sent */
    bool has_ticket_certs;     /* leaf and chain come from a ticket */
    int64_t original_s;        /* wall clock of the full handshake behind this session; 0 unknown */
    bool has_h2, has_http11;   /* of the chosen policy */
    SSL *ssl;
    struct sock_bio sock;
    struct tls_server *server; /* referenced for its BIO method; the policy may be another one */
    struct tls_client *client;
    const struct tls_hooks *hooks;
    void *arg;
    struct str sni;
    X509 *leaf;          /* as sent, referenced; servers */
    X509 *replaced_leaf; /* within the handshake: libssl's own, which leaf took the place of */
    STACK_OF(X509) * chain;
    SSL_SESSION **session_slot;
    SSL_SESSION *offered; /* only compared */
    int read_end;         /* GW_E_ code once nothing more can be read */
    int failed;           /* GW_E_ code once nothing at all can be done */
    enum reason reason;
    char error[TLS_ERROR_BYTES];
};

/* Common to both directions: versions, ciphers, groups, options, modes. */
int tls_ctx_set_common(SSL_CTX *ctx) GW_MUST_USE;
/* Puts a certificate, its chain and its key into ctx. name is for messages. */
int tls_ctx_use(SSL_CTX *ctx, const struct tls_cert_source *src, struct diag *diag, X509 **ret_leaf,
                int64_t *ret_not_after_s) GW_MUST_USE;

/* libssl's callbacks, on the connection's thread (tls_handshake.c, tls_client.c). */
int tls_on_client_hello(SSL *ssl, int *alert, void *arg);
int tls_on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                const unsigned char *offered, unsigned offered_len, void *arg);
int tls_on_verify(X509_STORE_CTX *store, void *arg);
int tls_on_session(SSL *ssl, SSL_SESSION *session);

/* The first protocol of the policy that is on the client's list, as in RFC 7301 3.2. NULL ptr
 * when there is none or the list is malformed. Points into offered. */
struct str tls_alpn_select(struct str offered, bool has_h2, bool has_http11);

/* Certificates of chain that the hooks know an equal of are replaced by it. */
void tls_share_certificates(const struct tls_io *t, STACK_OF(X509) * chain);

/* Common to tls_accept and tls_connect. NULL without memory. */
struct tls_io *tls_io_new(SSL_CTX *ctx, const BIO_METHOD *method, int fd) GW_MUST_USE;
struct tls_io *tls_io_of(const SSL *ssl);
/* What an operation that returned rc <= 0 means; remembers reason and text. */
int tls_fault(struct tls_io *t, int rc);
void tls_fault_set(struct tls_io *t, enum reason reason, const char *text);
/* An X509_V_ERR_ code that libssl turns into this alert. */
int tls_x509_error_for_alert(int alert);

#endif
