/* SPDX-License-Identifier: Apache-2.0
 *
 * Client certificates of loadgen: one TLS context for each, made once, and the newest
 * session of each for resumption.
 */
#include "loadgen.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
    struct lg_cert *cert = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    SSL_SESSION_free(cert->session);
    cert->session = session;
    return 1;
}

static SSL_CTX *
ctx_make(const struct lg_options *o, const char *cert, const char *key)
{
    static const unsigned char h2[] = "\x02h2";
    static const unsigned char h1[] = "\x08http/1.1";
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (!ctx)
        die("no TLS");
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1); /* one read for a record, not two */
    SSL_CTX_set_default_read_buffer_len(ctx, LG_BLOCK_BYTES);
    if (cert && (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
                 SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1))
        die("%s, %s: %s", cert, key, ERR_reason_error_string(ERR_peek_last_error()));
    if (o->ca) {
        if (SSL_CTX_load_verify_locations(ctx, o->ca, NULL) != 1)
            die("%s: cannot be used", o->ca);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    }
    SSL_CTX_set_min_proto_version(ctx, o->tls_version ? o->tls_version : TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(ctx, o->tls_version);
    if (o->h2)
        SSL_CTX_set_alpn_protos(ctx, h2, 3);
    else
        SSL_CTX_set_alpn_protos(ctx, h1, 9);
    if (o->mode == LG_RESUMED) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, on_session);
    }
    return ctx;
}

static void
cert_add(struct lg_load *l, const char *name, const char *cert, const char *key)
{
    struct lg_cert *c;

    if (l->cert_count == LG_CERTS_MAX)
        die("more than %d client certificates", (int)LG_CERTS_MAX);
    c = &l->certs[l->cert_count++];
    c->name = xstrdup(name);
    c->ctx = l->opt.plain ? NULL : ctx_make(&l->opt, cert, key);
    if (c->ctx)
        SSL_CTX_set_app_data(c->ctx, c);
}

static int
is_pem(const struct dirent *e)
{
    size_t n = strlen(e->d_name);

    return n > 4 && strcmp(e->d_name + n - 4, ".pem") == 0;
}

/* Every NAME.pem with a NAME.key, by name. */
static void
dir_load(struct lg_load *l, const char *dir)
{
    struct dirent **list;
    int n = scandir(dir, &list, is_pem, alphasort);

    if (n < 0)
        die("%s: %s", dir, strerror(errno));
    for (int i = 0; i < n; i++) {
        int stem = (int)strlen(list[i]->d_name) - 4;
        char *name = xformat("%.*s", stem, list[i]->d_name);
        char *cert = xformat("%s/%s.pem", dir, name);
        char *key = xformat("%s/%s.key", dir, name);

        if (file_exists(key))
            cert_add(l, name, cert, key);
        free(name);
        free(cert);
        free(key);
        free(list[i]);
    }
    free(list);
    if (l->cert_count == 0)
        die("%s: no NAME.pem with its NAME.key", dir);
}

void
lg_certs_load(struct lg_load *l)
{
    const struct lg_options *o = &l->opt;

    l->certs = xcalloc(LG_CERTS_MAX, sizeof(*l->certs));
    if (o->cert_dir)
        dir_load(l, o->cert_dir);
    else
        cert_add(l, o->cert ? o->cert : "none", o->cert, o->key);
}

void
lg_certs_free(struct lg_load *l)
{
    for (size_t i = 0; i < l->cert_count; i++) {
        SSL_SESSION_free(l->certs[i].session);
        SSL_CTX_free(l->certs[i].ctx);
        free(l->certs[i].name);
    }
    free(l->certs);
}
