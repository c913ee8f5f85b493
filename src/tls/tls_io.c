/* SPDX-License-Identifier: Apache-2.0
 *
 * One TLS connection over a non-blocking descriptor, either side. The connections of clients and
 * upstreams call it when their socket is ready; it owns the SSL and its BIO, not the descriptor.
 * One thread. It must never hand out a byte before the handshake is complete, nor loop on a
 * socket that would block.
 */
#include "tls/tls_io.h"

#include <openssl/err.h>
#include <stdlib.h>

#include "tls/ticket.h"
#include "tls/tls_int.h"

struct tls_io *
tls_io_new(SSL_CTX *ctx, const BIO_METHOD *method, int fd)
{
    struct tls_io *t = calloc(1, sizeof(*t));
    BIO *bio;

    if (t == NULL)
        return NULL;
    t->magic = MAGIC_TLS;
    t->ssl = SSL_new(ctx);
    bio = sock_bio_new(method, &t->sock, fd);
    if (t->ssl == NULL || bio == NULL) {
        ERR_clear_error();
        BIO_free(bio);
        tls_free(t);
        return NULL;
    }
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_app_data(t->ssl, t);
    return t;
}

struct tls_io *
tls_accept(struct tls_server *server, int fd, const struct tls_hooks *hooks, void *arg)
{
    struct tls_io *t = tls_io_new(server->contexts[0], server->bio_method, fd);

    if (t == NULL)
        return NULL;
    t->server = tls_server_ref(server);
    t->hooks = hooks;
    t->arg = arg;
    SSL_set_accept_state(t->ssl);
    return t;
}

void
tls_free(struct tls_io *t)
{
    if (t == NULL)
        return;
    magic_check(t, MAGIC_TLS);
    SSL_free(t->ssl);
    X509_free(t->replaced_leaf);
    X509_free(t->leaf);
    sk_X509_pop_free(t->chain, X509_free);
    free((char *)t->sni.ptr);
    /* After the SSL, whose BIO has its method there. */
    tls_server_unref(t->policy);
    tls_server_unref(t->server);
    tls_client_unref(t->client);
    t->magic = MAGIC_DEAD;
    free(t);
}

void
tls_on_ready(struct tls_io *t, bool readable, bool writable, bool saw_closed)
{
    if (readable || saw_closed)
        t->is_read_blocked = false;
    sock_bio_on_ready(&t->sock, readable, writable, saw_closed);
}

/* SSL_get_error looks at the whole queue of the thread, so it must be empty before. */
static void
clear_queue(void)
{
    if (unlikely(ERR_peek_error() != 0))
        ERR_clear_error();
}

int
tls_handshake(struct tls_io *t)
{
    int rc;

    magic_check(t, MAGIC_TLS);
    if (t->is_open)
        return 0;
    if (t->failed < 0)
        return t->failed;
    clear_queue();
    rc = SSL_do_handshake(t->ssl);
    if (rc != 1)
        return tls_fault(t, rc);
    t->is_open = true;
    X509_free(t->replaced_leaf);
    t->replaced_leaf = NULL;
    ticket_settle(t);
    return 0;
}

/* What SSL_read would say, at a tenth of its cost: after each answer the connection asks once more
 * than there is to read. Not while libssl has something to send, which it may do inside a read. */
static bool
is_read_blocked(struct tls_io *t)
{
    if (!t->is_read_blocked && !SSL_want_write(t->ssl) && sock_bio_is_drained(&t->sock))
        t->is_read_blocked = !SSL_has_pending(t->ssl);
    return t->is_read_blocked;
}

int
tls_read(struct tls_io *t, void *dst, size_t n, size_t *ret_n)
{
    size_t done = 0;
    int rc = tls_handshake(t);

    gw_assert(n > 0);
    if (rc < 0)
        return rc;
    if (t->failed < 0 || t->read_end < 0)
        return t->failed < 0 ? t->failed : t->read_end;
    if (is_read_blocked(t))
        return GW_E_WANT_READ;
    clear_queue();
    do {
        size_t part = 0;
        int ok = SSL_read_ex(t->ssl, (char *)dst + done, n - done, &part);

        if (ok != 1) {
            rc = tls_fault(t, ok);
            break;
        }
        done += part;
    } while (done < n && SSL_has_pending(t->ssl));
    t->is_read_blocked = rc == GW_E_WANT_READ;
    if (done == 0)
        return rc;
    *ret_n = done; /* what ended the loop comes back with the next call */
    return 0;
}

int
tls_write(struct tls_io *t, const void *src, size_t n, size_t *ret_n)
{
    size_t done = 0;
    int rc = tls_handshake(t);

    if (rc == 0 && t->failed < 0)
        rc = t->failed;
    if (rc < 0)
        return rc;
    clear_queue();
    while (done < n) {
        size_t part = 0;
        int ok;

        t->sock.write_left = n - done;
        ok = SSL_write_ex(t->ssl, (const char *)src + done, n - done, &part);

        if (ok != 1) {
            rc = tls_fault(t, ok);
            break;
        }
        done += part;
    }
    t->sock.write_left = 0;
    t->is_write_cut = rc == GW_E_WANT_WRITE;
    if (done == 0 && rc < 0)
        return rc;
    *ret_n = done;
    return 0;
}

bool
tls_has_pending(const struct tls_io *t)
{
    return !t->is_read_blocked && t->read_end == 0 && SSL_has_pending(t->ssl) == 1;
}

bool
tls_got_bytes(const struct tls_io *t)
{
    return BIO_number_read(SSL_get_rbio(t->ssl)) > 0;
}

bool
tls_saw_close_notify(const struct tls_io *t)
{
    return t->saw_close_notify;
}

int
tls_shutdown(struct tls_io *t)
{
    int rc;

    /* libssl forbids it inside a handshake; after a fatal alert all has been said; and behind a
     * record cut in half nothing can be said. */
    if (!t->is_open || t->failed < 0 || t->is_write_cut || t->is_shut)
        return 0;
    clear_queue();
    rc = SSL_shutdown(t->ssl);
    t->is_shut = rc >= 0;
    if (t->is_shut)
        return 0;
    rc = tls_fault(t, rc);
    return rc == GW_E_WANT_WRITE ? rc : 0;
}

enum tls_alpn
tls_alpn(const struct tls_io *t)
{
    const unsigned char *name = NULL;
    unsigned len = 0;

    SSL_get0_alpn_selected(t->ssl, &name, &len);
    if (str_eq(str_make(name, len), STR("h2")))
        return TLS_ALPN_H2;
    if (str_eq(str_make(name, len), STR("http/1.1")))
        return TLS_ALPN_HTTP11;
    return TLS_ALPN_NONE;
}

/* Known once both hellos are through, and then also when the handshake fails later. */
static const SSL_CIPHER *
cipher_of(const struct tls_io *t)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(t->ssl);

    return cipher != NULL ? cipher : SSL_get_pending_cipher(t->ssl);
}

const char *
tls_version(const struct tls_io *t)
{
    return cipher_of(t) != NULL ? SSL_get_version(t->ssl) : "-";
}

const char *
tls_cipher(const struct tls_io *t)
{
    const SSL_CIPHER *cipher = cipher_of(t);

    return cipher != NULL ? SSL_CIPHER_get_name(cipher) : "-";
}

const char *
tls_group(const struct tls_io *t)
{
    const char *name = NULL;
    int id;

    /* libssl reads the group from the session, which a failed handshake may have taken away. */
    if (cipher_of(t) == NULL || SSL_get_session(t->ssl) == NULL)
        return "-";
    id = (int)SSL_get_negotiated_group(t->ssl);
    if (id != 0)
        name = SSL_group_to_name(t->ssl, id);
    return name != NULL ? name : "-";
}

struct str
tls_sni(const struct tls_io *t)
{
    return t->sni;
}

bool
tls_used_default_certificate(const struct tls_io *t)
{
    return t->used_default;
}

const char *
tls_chosen_certificate(const struct tls_io *t)
{
    return t->policy != NULL ? t->policy->paths[t->cert_index] : "";
}

X509 *
tls_peer_leaf(const struct tls_io *t)
{
    return t->leaf != NULL ? t->leaf : SSL_get0_peer_certificate(t->ssl);
}

STACK_OF(X509) * tls_peer_chain(const struct tls_io *t)
{
    return t->server != NULL ? t->chain : SSL_get_peer_cert_chain(t->ssl);
}

bool
tls_is_resumed(const struct tls_io *t)
{
    return SSL_session_reused(t->ssl) == 1;
}

enum reason
tls_reason(const struct tls_io *t)
{
    return t->reason;
}

const char *
tls_error(const struct tls_io *t)
{
    return t->error;
}
