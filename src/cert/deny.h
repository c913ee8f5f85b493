/* SPDX-License-Identifier: Apache-2.0
 *
 * The emergency deny list: clients that are refused whatever their certificate authority
 * says, at once and on live connections too. Immutable after build and counted; the control
 * thread makes a new one for every change and posts it to the workers. Lookups are by hash
 * or exact text, never by pattern.
 */
#ifndef CERT_DENY_H
#define CERT_DENY_H

#include "base/err.h"
#include "base/str.h"
#include "cert/identity.h"

enum deny_kind {
    DENY_SHA256, /* "sha256:HEX" of the leaf's DER */
    DENY_SPKI,   /* "spki:HEX", SHA-256 of its SubjectPublicKeyInfo */
    DENY_SERIAL, /* "serial:ISSUER:HEX", issuer as RFC 2253 text, serial as in the header */
    DENY_SAN,    /* "san:NAME": a DNS name, URI, e-mail address or IP address; case is folded where
                    it means nothing, so that no spelling is a way around */
};

struct deny_entry {
    enum deny_kind kind;
    struct str what; /* canonical text with its prefix; the key of the entry */
    int64_t until_s; /* INT64_MAX: for good */
    int64_t added_s;
    struct str why; /* the operator's words, may be empty */
};

struct deny_list;

/* Canonical form of what an operator typed ("SHA256:AB:CD.." -> "sha256:abcd.."), malloc.
 * GW_E_PARSE with a static text that says what would be right. What could never match any client
 * is an error: an entry that denies nobody would be a false comfort. */
int deny_what_parse(struct str text, char **ret, enum deny_kind *ret_kind,
                    const char **ret_error) GW_MUST_USE;

/* Copies the entries. At most DENY_ENTRIES_MAX. Of several with the same text the one that lasts
 * longest is kept. */
int
deny_list_build(const struct deny_entry *entries, size_t count, struct deny_list **ret) GW_MUST_USE;
struct deny_list *deny_list_ref(struct deny_list *d);
void deny_list_unref(struct deny_list *d); /* NULL is fine */
size_t deny_list_count(const struct deny_list *d);
const struct deny_entry *deny_list_at(const struct deny_list *d, size_t i);
/* The entry that refuses this client now, or NULL. d may be NULL. No allocation. */
const struct deny_entry *
deny_list_match(const struct deny_list *d, const struct identity *id, int64_t now_s);

#endif
