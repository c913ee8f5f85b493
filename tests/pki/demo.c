/* SPDX-License-Identifier: Apache-2.0
 *
 * The demo PKI: a root and an intermediate for clients, a list of each, seven client
 * pairs of which two are good, a server and the emulator. Called by mkpki. The CAs' own
 * keys go to DIR/ca, so that more certificates and lists can be made from them later.
 * The set is made whole or kept whole: a mixture of two runs would not fit together.
 */
#include "demo.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "support/pki.h"

enum { HOUR_S = 3600, DAY_S = 86400, LEAF_DAYS = 365, LIST_DAYS = 30 };

#define SERVER_NAMES "localhost,api.example.test,127.0.0.1"
#define EMULATOR_NAMES                                 \
    "localhost,*.execute-api.us-east-1.amazonaws.com," \
    "vpce-0a1b.execute-api.us-east-1.vpce.amazonaws.com,127.0.0.1"

/* Certificates that must still be good tomorrow for the set to be kept. */
static const char *const lasting[] = {
    "ca",      "server",    "server-ca",   "client",   "client2",
    "revoked", "untrusted", "server-only", "emulator", "emulator-ca",
};
static const char *const present[] = {
    "ca.crl.pem",          "server.key",    "client.key",      "client2.key",
    "revoked.key",         "expired.pem",   "expired.key",     "not-yet-valid.pem",
    "not-yet-valid.key",   "untrusted.key", "server-only.key", "emulator.key",
    "ticket.keys",         "ca/root.pem",   "ca/root.key",     "ca/intermediate.pem",
    "ca/intermediate.key",
};

struct demo {
    const char *dir;
    int64_t now_s;
    struct pki_cert *root;
    struct pki_cert *ca;
    struct pki_cert *revoked;
};

static void
make_dir(const char *path)
{
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        die("%s: %s", path, strerror(errno));
}

/* DIR itself, with the folders above it. */
static void
make_dirs(const char *dir)
{
    char *copy = xstrdup(dir);

    for (char *at = copy + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        make_dir(copy);
        *at = '/';
    }
    make_dir(copy);
    free(copy);
}

/* ---- is the set that is there still good? ---- */

static bool
cert_lasts(const char *path)
{
    BIO *in = BIO_new_file(path, "r");
    X509 *x = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    time_t tomorrow = wall_s() + DAY_S;
    bool lasts = x && X509_cmp_time(X509_get0_notAfter(x), &tomorrow) > 0 &&
                 X509_cmp_current_time(X509_get0_notBefore(x)) < 0;

    X509_free(x);
    BIO_free(in);
    return lasts;
}

static bool
cert_starts_later(const char *path)
{
    BIO *in = BIO_new_file(path, "r");
    X509 *x = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    time_t tomorrow = wall_s() + DAY_S;
    bool later = x && X509_cmp_time(X509_get0_notBefore(x), &tomorrow) > 0;

    X509_free(x);
    BIO_free(in);
    return later;
}

static bool
list_lasts(const char *path)
{
    BIO *in = BIO_new_file(path, "r");
    X509_CRL *list = in ? PEM_read_bio_X509_CRL(in, NULL, NULL, NULL) : NULL;
    time_t tomorrow = wall_s() + DAY_S;
    bool lasts = list && X509_cmp_time(X509_CRL_get0_nextUpdate(list), &tomorrow) > 0;

    X509_CRL_free(list);
    BIO_free(in);
    return lasts;
}

/* DIR/NAME, looked at and freed. */
static bool
look(const char *dir, const char *name, bool (*good)(const char *path))
{
    char *path = xformat("%s/%s", dir, name);
    bool result = good(path);

    free(path);
    return result;
}

static bool
set_is_good(const char *dir)
{
    for (size_t i = 0; i < array_len(present); i++)
        if (!look(dir, present[i], file_exists))
            return false;
    for (size_t i = 0; i < array_len(lasting); i++) {
        char *name = xformat("%s.pem", lasting[i]);
        bool good = look(dir, name, cert_lasts);

        free(name);
        if (!good)
            return false;
    }
    return look(dir, "not-yet-valid.pem", cert_starts_later) && look(dir, "ca.crl.pem", list_lasts);
}

/* ---- making it ---- */

static struct pki_cert *
make_ca(const struct pki_cert *issuer, const char *organisation, const char *cn)
{
    struct pki_attr name[] = {{"C", STR("US"), 0, false},
                              {"O", str_from(organisation), 0, false},
                              {"CN", str_from(cn), 0, false}};

    return pki_issue(&(struct pki_cert_spec){.role = PKI_CA,
                                             .attrs = name,
                                             .attr_count = array_len(name),
                                             .pathlen = issuer ? PKI_PATHLEN(0) : 0},
                     issuer);
}

static struct pki_cert *
make_client(const struct demo *d, const struct pki_cert *issuer, const char *cn,
            struct pki_cert_spec spec)
{
    struct pki_attr name[] = {{"C", STR("US"), 0, false},
                              {"O", STR("Sallyport Demo"), 0, false},
                              {"OU", STR("Partners"), 0, false},
                              {"CN", str_from(cn), 0, false}};
    struct pki_cert *leaf;

    spec.attrs = name;
    spec.attr_count = array_len(name);
    if (spec.not_after_s == 0)
        spec.not_after_s = d->now_s + (int64_t)LEAF_DAYS * DAY_S;
    leaf = pki_issue(&spec, issuer);
    pki_write_pair(d->dir, cn, leaf);
    return leaf;
}

static void
make_clients(struct demo *d)
{
    int64_t now = d->now_s;
    int64_t year = (int64_t)LEAF_DAYS * DAY_S;
    struct pki_cert_spec good = {.role = PKI_CLIENT};
    struct pki_cert_spec expired = {.not_before_s = now - year, .not_after_s = now - 30 * DAY_S};
    struct pki_cert_spec later = {.not_before_s = now + year, .not_after_s = now + 2 * year};
    struct pki_cert *other_root = make_ca(NULL, "Somebody Else", "Somebody Else Root CA");
    struct pki_cert *other = make_ca(other_root, "Somebody Else", "Somebody Else CA");

    d->revoked = make_client(d, d->ca, "revoked", good);
    pki_free(make_client(d, d->ca, "client", good));
    pki_free(make_client(d, d->ca, "client2", good));
    pki_free(make_client(d, d->ca, "expired", expired));
    pki_free(make_client(d, d->ca, "not-yet-valid", later));
    pki_free(make_client(d, d->ca, "server-only", (struct pki_cert_spec){.eku = "serverAuth"}));
    pki_free(make_client(d, other, "untrusted", good));
    pki_free(other);
    pki_free(other_root);
}

static void
make_trust(const struct demo *d)
{
    char *bundle = xformat("%s/ca.pem", d->dir);
    char *keys = xformat("%s/ca", d->dir);

    make_dir(keys);
    pki_write_certs(bundle, d->root, d->ca, NULL);
    pki_write_pair(keys, "root", d->root);
    pki_write_pair(keys, "intermediate", d->ca);
    free(bundle);
    free(keys);
}

/* One list of each CA, in one file. */
static void
make_lists(const struct demo *d)
{
    struct pki_crl_entry entry = {
        .cert = d->revoked, .revoked_s = d->now_s - HOUR_S, .reason = PKI_REASON_KEY_COMPROMISE};
    struct pki_crl_spec empty = {.next_update_s = d->now_s + (int64_t)LIST_DAYS * DAY_S};
    struct pki_crl_spec one = empty;
    struct bytes text;
    struct bytes more;
    char *path = xformat("%s/ca.crl.pem", d->dir);

    one.entries = &entry;
    one.entry_count = 1;
    text = pki_crl_pem(&empty, d->root);
    more = pki_crl_pem(&one, d->ca);
    bytes_add(&text, more.ptr, more.len);
    file_spill(path, text.ptr, text.len, 0644);
    bytes_free(&text);
    bytes_free(&more);
    free(path);
}

/* A root of its own and the pair under it. */
static void
make_server(const struct demo *d, const char *name, const char *names)
{
    char *cn = xformat("Sallyport Demo %s CA", name);
    char *ca_path = xformat("%s/%s-ca.pem", d->dir, name);
    struct pki_cert *root = make_ca(NULL, "Sallyport Demo", cn);
    struct pki_cert *leaf = pki_server(root, names);

    pki_write_certs(ca_path, root, NULL);
    pki_write_pair(d->dir, name, leaf);
    pki_free(leaf);
    pki_free(root);
    free(ca_path);
    free(cn);
}

/* What session tickets of conf/sallyport.yaml are sealed with. */
static void
make_ticket_keys(const struct demo *d)
{
    unsigned char master[32];
    char text[65];
    char *path = xformat("%s/ticket.keys", d->dir);

    if (RAND_bytes(master, sizeof(master)) != 1)
        die("no random bytes");
    str_hex_lower(text, master, sizeof(master));
    text[64] = '\n';
    file_spill(path, text, sizeof(text), 0600);
    free(path);
}

bool
demo_make(const char *dir, bool force)
{
    struct demo d = {.dir = dir, .now_s = wall_s()};

    if (!force && set_is_good(dir))
        return false;
    make_dirs(dir);
    d.root = make_ca(NULL, "Sallyport Demo", "Sallyport Demo Root CA");
    d.ca = make_ca(d.root, "Sallyport Demo", "Sallyport Demo Partner CA");
    make_clients(&d);
    make_lists(&d);
    make_server(&d, "server", SERVER_NAMES);
    make_server(&d, "emulator", EMULATOR_NAMES);
    make_trust(&d);
    make_ticket_keys(&d);
    pki_free(d.revoked);
    pki_free(d.ca);
    pki_free(d.root);
    return true;
}
