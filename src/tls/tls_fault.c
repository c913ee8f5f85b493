/* SPDX-License-Identifier: Apache-2.0
 *
 * Turns libssl's answers into our codes, reasons and words. Called after every operation, on
 * the connection's thread; leaves the thread's error queue empty. It must never let a text of
 * the other side through: all words are libssl's or ours.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

#include "tls/tls_int.h"

#define ALERT_BASE 1000 /* a received alert n is reason 1000 + n */

struct mapping {
    int ssl_reason;
    enum reason reason;
};

static const struct mapping mappings[] = {
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, REASON_MISSING},
    {SSL_R_NO_SHARED_CIPHER, REASON_PROTOCOL_MISMATCH},
    {SSL_R_NO_CIPHERS_SPECIFIED, REASON_PROTOCOL_MISMATCH},
    {SSL_R_UNSUPPORTED_PROTOCOL, REASON_PROTOCOL_MISMATCH},
    {SSL_R_UNKNOWN_PROTOCOL, REASON_PROTOCOL_MISMATCH},
    {SSL_R_UNKNOWN_SSL_VERSION, REASON_PROTOCOL_MISMATCH},
    {SSL_R_WRONG_SSL_VERSION, REASON_PROTOCOL_MISMATCH},
    {SSL_R_WRONG_VERSION_NUMBER, REASON_PROTOCOL_MISMATCH},
    {SSL_R_VERSION_TOO_LOW, REASON_PROTOCOL_MISMATCH},
    {SSL_R_VERSION_TOO_HIGH, REASON_PROTOCOL_MISMATCH},
    {SSL_R_INAPPROPRIATE_FALLBACK, REASON_PROTOCOL_MISMATCH},
    {SSL_R_NO_PROTOCOLS_AVAILABLE, REASON_PROTOCOL_MISMATCH},
    {SSL_R_NO_APPLICATION_PROTOCOL, REASON_PROTOCOL_MISMATCH},
    {SSL_R_NO_SHARED_GROUPS, REASON_PROTOCOL_MISMATCH},
    {SSL_R_NO_SUITABLE_KEY_SHARE, REASON_PROTOCOL_MISMATCH},
    {SSL_R_NO_SUITABLE_GROUPS, REASON_PROTOCOL_MISMATCH},
    {SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, REASON_PROTOCOL_MISMATCH},
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, REASON_PROTOCOL_MISMATCH},
    {SSL_R_HTTP_REQUEST, REASON_PROTOCOL_MISMATCH},
    {SSL_R_HTTPS_PROXY_REQUEST, REASON_PROTOCOL_MISMATCH},
    {ALERT_BASE + SSL_AD_PROTOCOL_VERSION, REASON_PROTOCOL_MISMATCH},
    {ALERT_BASE + SSL_AD_INSUFFICIENT_SECURITY, REASON_PROTOCOL_MISMATCH},
    {SSL_R_UNKNOWN_CERTIFICATE_TYPE, REASON_TYPE_UNSUPPORTED},
};

/* Failures whose meaning depends on the Certificate message being what was read. */
static const struct mapping certificate_mappings[] = {
    {SSL_R_EXCESSIVE_MESSAGE_SIZE, REASON_MAX_SIZE},
    {SSL_R_CERT_LENGTH_MISMATCH, REASON_INVALID},
    {SSL_R_LENGTH_MISMATCH, REASON_INVALID},
    {SSL_R_BAD_LENGTH, REASON_INVALID},
    {ERR_R_ASN1_LIB, REASON_INVALID},
    {ERR_R_X509_LIB, REASON_INVALID},
    {ERR_R_EVP_LIB, REASON_INVALID},
};

/* The alert that libssl sends is chosen by an X.509 error code; these are the codes whose alert
 * is the wanted one. It has none for access_denied (49) and sends certificate_unknown then. */
static const struct {
    int alert;
    int x509_error;
} alerts[] = {
    {SSL_AD_BAD_CERTIFICATE, X509_V_ERR_CERT_REJECTED},
    {SSL_AD_UNSUPPORTED_CERTIFICATE, X509_V_ERR_INVALID_PURPOSE},
    {SSL_AD_CERTIFICATE_REVOKED, X509_V_ERR_CERT_REVOKED},
    {SSL_AD_CERTIFICATE_EXPIRED, X509_V_ERR_CERT_HAS_EXPIRED},
    {SSL_AD_UNKNOWN_CA, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY},
    {SSL_AD_INTERNAL_ERROR, X509_V_ERR_UNSPECIFIED},
};

int
tls_x509_error_for_alert(int alert)
{
    for (size_t i = 0; i < array_len(alerts); i++) {
        if (alerts[i].alert == alert)
            return alerts[i].x509_error;
    }
    return X509_V_ERR_PERMITTED_VIOLATION; /* not in libssl's table: certificate_unknown */
}

static enum reason
look_up(const struct mapping *table, size_t n, int ssl_reason)
{
    for (size_t i = 0; i < n; i++) {
        if (table[i].ssl_reason == ssl_reason)
            return table[i].reason;
    }
    return REASON_UNMAPPED;
}

static enum reason
reason_of(const struct tls_io *t, unsigned long error)
{
    int ssl_reason = ERR_GET_REASON(error);
    enum reason reason = REASON_UNMAPPED;

    if (t->server == NULL)
        return REASON_UNMAPPED;
    if (SSL_get_state(t->ssl) == TLS_ST_SR_CERT)
        reason = look_up(certificate_mappings, array_len(certificate_mappings), ssl_reason);
    if (reason == REASON_UNMAPPED)
        reason = look_up(mappings, array_len(mappings), ssl_reason);
    return reason;
}

void
tls_fault_set(struct tls_io *t, enum reason reason, const char *text)
{
    t->reason = reason;
    (void)snprintf(t->error, sizeof(t->error), "%s", text);
}

/* What an operator has to know of a client, in the operator's words. */
static const struct {
    int ssl_reason;
    const char *text;
} client_texts[] = {
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the client sent no certificate"},
    {SSL_R_HTTP_REQUEST, "the client speaks plain HTTP"},
    {SSL_R_HTTPS_PROXY_REQUEST, "the client takes this for an HTTP proxy"},
    {SSL_R_WRONG_VERSION_NUMBER, "what the client sent is no TLS"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "the client offers no TLS version that is allowed here"},
    {SSL_R_NO_SHARED_CIPHER, "the client offers no cipher that is allowed here"},
    {SSL_R_NO_SHARED_GROUPS, "the client offers no key exchange that is allowed here"},
};

static const char *
text_of(const struct tls_io *t, unsigned long error)
{
    for (size_t i = 0; t->server != NULL && i < array_len(client_texts); i++) {
        if (ERR_GET_LIB(error) == ERR_LIB_SSL &&
            client_texts[i].ssl_reason == ERR_GET_REASON(error))
            return client_texts[i].text;
    }
    return ERR_reason_error_string(error);
}

static void
describe(struct tls_io *t, unsigned long error)
{
    int ssl_reason = ERR_GET_REASON(error);
    const char *text = text_of(t, error);

    if (ssl_reason > ALERT_BASE && ssl_reason < ALERT_BASE + 256) {
        (void)snprintf(t->error, sizeof(t->error), "the other side sent alert %d (%s)",
                       ssl_reason - ALERT_BASE,
                       SSL_alert_desc_string_long(ssl_reason - ALERT_BASE));
        return;
    }
    if (t->client != NULL && ssl_reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        (void)snprintf(t->error, sizeof(t->error), "certificate of the upstream refused: %s",
                       X509_verify_cert_error_string(SSL_get_verify_result(t->ssl)));
        return;
    }
    (void)snprintf(t->error, sizeof(t->error), "%s", text != NULL ? text : "TLS failure");
}

/* A session that led to a failure is not offered twice. */
static void
drop_offered(struct tls_io *t)
{
    if (t->is_open || t->offered == NULL || *t->session_slot != t->offered)
        return;
    SSL_SESSION_free(*t->session_slot);
    *t->session_slot = NULL;
    t->offered = NULL;
}

static int
on_protocol_error(struct tls_io *t)
{
    unsigned long error = ERR_peek_last_error();

    ERR_clear_error();
    drop_offered(t);
    t->failed = GW_E_TLS;
    /* A callback of ours that said no has said why. */
    if (t->reason != REASON_NONE)
        return GW_E_TLS;
    t->reason = reason_of(t, error);
    describe(t, error);
    return GW_E_TLS;
}

/* The socket ended without TLS being asked. After a bare end of stream the other direction may
 * still work. */
static int
on_socket_error(struct tls_io *t)
{
    ERR_clear_error();
    if (t->sock.saw_eof && t->sock.error == 0) {
        tls_fault_set(t, REASON_NONE, "the connection ended without close_notify");
        t->read_end = GW_E_CLOSED;
        if (!t->is_open)
            t->failed = GW_E_CLOSED;
        return GW_E_CLOSED;
    }
    tls_fault_set(t, REASON_NONE,
                  t->sock.error != 0 ? strerrordesc_np(t->sock.error) : "connection lost");
    t->failed = GW_E_RESET;
    return GW_E_RESET;
}

int
tls_fault(struct tls_io *t, int rc)
{
    switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return GW_E_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return GW_E_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        t->saw_close_notify = true;
        t->read_end = GW_E_CLOSED;
        return GW_E_CLOSED;
    case SSL_ERROR_SYSCALL:
        return on_socket_error(t);
    default:
        return on_protocol_error(t);
    }
}
