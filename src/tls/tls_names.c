/* SPDX-License-Identifier: Apache-2.0
 *
 * From server names to certificates. Filled on the control thread while a tls_server is built,
 * read by every worker afterwards; owns its copies of the names. It must never match a name in
 * another form than the one that routing uses (host_canonical).
 */
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "http/target.h"
#include "tls/tls_int.h"

#define NAMES_MAX ((size_t)LISTENER_CERTIFICATES_MAX * 1024)

void
tls_names_init(struct tls_names *n)
{
    n->all = NULL;
    map_init(&n->exact, NAMES_MAX);
    map_init(&n->wildcard, NAMES_MAX);
}

void
tls_names_done(struct tls_names *n)
{
    map_done(&n->exact);
    map_done(&n->wildcard);
    while (n->all != NULL) {
        struct tls_name *name = n->all;

        n->all = name->next;
        free(name);
    }
}

static struct str
asn1_str(const ASN1_STRING *s)
{
    return str_make(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

/* Names that no client can ask for (not canonical, too long) are left out. */
static int
add_name(struct tls_names *n, struct str raw, size_t index)
{
    bool is_wildcard = str_starts(raw, STR("*."));
    struct map *map = is_wildcard ? &n->wildcard : &n->exact;
    struct tls_name *name;

    if (is_wildcard)
        raw = str_sub(raw, 2, raw.len);
    if (raw.len == 0 || raw.len > TLS_SNI_MAX + 1)
        return 0;
    name = malloc(sizeof(*name) + raw.len);
    if (name == NULL)
        return GW_E_NOMEM;
    if (host_canonical(raw, name->text, &name->len) < 0 ||
        map_get(map, str_make(name->text, name->len)) != NULL) {
        free(name);
        return 0;
    }
    name->cert = index;
    name->next = n->all;
    n->all = name;
    return map_put(map, str_make(name->text, name->len), name);
}

static int
add_common_name(struct tls_names *n, X509 *cert, size_t index)
{
    const X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (at < 0)
        return 0;
    return add_name(n, asn1_str(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))), index);
}

int
tls_names_add(struct tls_names *n, X509 *cert, size_t index)
{
    GENERAL_NAMES *sans = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool has_dns = false;
    int rc = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(sans) && rc == 0; i++) {
        const GENERAL_NAME *san = sk_GENERAL_NAME_value(sans, i);

        if (san->type != GEN_DNS)
            continue;
        has_dns = true;
        rc = add_name(n, asn1_str(san->d.dNSName), index);
    }
    if (rc == 0 && !has_dns)
        rc = add_common_name(n, cert, index);
    GENERAL_NAMES_free(sans);
    return rc;
}

bool
tls_names_find(const struct tls_names *n, struct str sni, size_t *ret_index)
{
    const struct tls_name *name = map_get(&n->exact, sni);
    ptrdiff_t dot = str_chr(sni, '.');

    /* A wildcard stands for exactly one label (RFC 6125 6.4.3). */
    if (name == NULL && dot > 0)
        name = map_get(&n->wildcard, str_sub(sni, (size_t)dot + 1, sni.len));
    if (name == NULL)
        return false;
    *ret_index = name->cert;
    return true;
}
