/* SPDX-License-Identifier: Apache-2.0
 *
 * Renders a client certificate once, when its connection has been admitted, and takes out
 * the facts that rules look at. Called by the connection on its worker; everything lands in
 * the connection's arena. It must never cut a value short, nor pass on a byte that a header
 * or a log could misread.
 */
#include "cert/identity.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "base/limits.h"
#include "cert/cert.h"
#include "cert/der.h"
#include "cert/name.h"

enum { OID_TEXT_MAX = 512 };

/* What went wrong, for the caller's reason. */
static int
refuse(enum reason reason, enum reason *ret_reason)
{
    *ret_reason = reason;
    return GW_E_DENIED;
}

/* Reading failed: a bound of ours, or nonsense of theirs. */
static int
refuse_for(int err, enum reason *ret_reason)
{
    if (err == GW_E_NOMEM || err == GW_E_LIMIT)
        return refuse(REASON_MAX_SIZE, ret_reason);
    return refuse(REASON_INVALID, ret_reason);
}

/* ---- PEM, URL-encoded: space %20, LF %0A, nothing else ---- */

#define PEM_BEGIN STR("-----BEGIN%20CERTIFICATE-----%0A")
#define PEM_END STR("-----END%20CERTIFICATE-----%0A")
#define PEM_LF STR("%0A")
enum { PEM_LINE = 64, PEM_LINE_BYTES = 48 };

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static size_t
pem_text_bytes(size_t der_bytes)
{
    size_t lines = (der_bytes + PEM_LINE_BYTES - 1) / PEM_LINE_BYTES;

    return PEM_BEGIN.len + (der_bytes + 2) / 3 * 4 + lines * PEM_LF.len + PEM_END.len;
}

static char *
put(char *dst, struct str s)
{
    memcpy(dst, s.ptr, s.len);
    return dst + s.len;
}

static char *
put_group(char *dst, const uint8_t *p, size_t n)
{
    uint32_t v = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0u);

    dst[0] = base64_digits[v >> 18];
    dst[1] = base64_digits[v >> 12 & 63];
    dst[2] = n > 1 ? base64_digits[v >> 6 & 63] : '=';
    dst[3] = n > 2 ? base64_digits[v & 63] : '=';
    return dst + 4;
}

/* dst has room for pem_text_bytes. */
static char *
put_pem(char *dst, struct str der)
{
    const uint8_t *p = (const uint8_t *)der.ptr;

    dst = put(dst, PEM_BEGIN);
    for (size_t at = 0; at < der.len; at += PEM_LINE_BYTES) {
        size_t end = size_min(at + PEM_LINE_BYTES, der.len);

        for (size_t i = at; i < end; i += 3)
            dst = put_group(dst, p + i, size_min(end - i, 3));
        dst = put(dst, PEM_LF);
    }
    return put(dst, PEM_END);
}

/* The DER of cert in buf. */
static int
encode_cert(X509 *cert, uint8_t *buf, size_t buf_bytes, struct str *ret)
{
    size_t bytes = cert_der_bytes(cert);
    uint8_t *end = buf;

    if (bytes == 0)
        return GW_E_PARSE;
    if (bytes > buf_bytes)
        return GW_E_LIMIT;
    (void)i2d_X509(cert, &end);
    *ret = str_make(buf, (size_t)(end - buf));
    return 0;
}

int
identity_chain_pem(X509 *const *chain, int count, size_t max_bytes, struct arena *arena,
                   struct str *ret)
{
    uint8_t buf[CLIENT_CERT_LIST_MAX];
    size_t bytes = 0;
    char *text, *end;

    for (int i = 0; i < count; i++)
        bytes += pem_text_bytes(cert_der_bytes(chain[i]));
    if (bytes > max_bytes)
        return GW_E_LIMIT;
    text = arena_alloc(arena, bytes + 1);
    if (text == NULL)
        return GW_E_LIMIT;
    end = text;
    for (int i = 0; i < count; i++) {
        struct str der;

        if (encode_cert(chain[i], buf, sizeof(buf), &der) != 0)
            return GW_E_LIMIT;
        end = put_pem(end, der);
    }
    *end = 0;
    *ret = str_make(text, (size_t)(end - text));
    return 0;
}

/* ---- ALB's values ---- */

static int
render_serial(const X509 *leaf, struct arena *arena, struct str *ret)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
    size_t len = (size_t)ASN1_STRING_length(serial);
    bool is_negative = ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER;
    char *text = arena_alloc(arena, 2 * len + 2);

    if (text == NULL)
        return GW_E_NOMEM;
    text[0] = '-';
    str_hex_upper(text + is_negative, ASN1_STRING_get0_data(serial), len);
    *ret = str_make(text, 2 * len + is_negative);
    return 0;
}

static int
render_name(const X509_NAME *name, struct arena *arena, struct str *ret)
{
    char text[CLIENT_DN_BYTES_MAX + 1];
    size_t len;
    int err = name_format(name, text, sizeof(text), &len);

    if (err != 0)
        return err;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < 0x20 || text[i] > 0x7e)
            return GW_E_PARSE;
    }
    *ret = arena_str(arena, str_make(text, len));
    return ret->ptr != NULL ? 0 : GW_E_NOMEM;
}

static int
render_validity(struct identity *id, struct arena *arena)
{
    static const char form[] = "NotBefore=YYYY-MM-DDTHH:MM:SSZ;NotAfter=YYYY-MM-DDTHH:MM:SSZ";
    const size_t first = sizeof("NotBefore=") - 1;
    const size_t second = first + CLOCK_ISO_LEN + sizeof(";NotAfter=") - 1;
    struct str text = arena_str(arena, str_make(form, sizeof(form) - 1));
    char *dst;

    if (text.ptr == NULL)
        return GW_E_NOMEM;
    dst = (char *)(uintptr_t)text.ptr;
    clock_format_iso(dst + first, id->not_before_s);
    clock_format_iso(dst + second, id->not_after_s);
    id->validity = text;
    return 0;
}

static int
render_leaf(X509 *leaf, struct arena *arena, struct identity *id)
{
    uint8_t buf[CLIENT_CERT_DER_MAX];
    struct str der;
    char *text, *end;
    int err = encode_cert(leaf, buf, sizeof(buf), &der);

    if (err != 0)
        return err;
    if (EVP_Digest(der.ptr, der.len, id->sha256, NULL, EVP_sha256(), NULL) != 1)
        return GW_E_NOMEM;
    text = arena_alloc(arena, pem_text_bytes(der.len));
    if (text == NULL)
        return GW_E_NOMEM;
    end = put_pem(text, der);
    id->leaf = str_make(text, (size_t)(end - text));
    return 0;
}

/* ---- facts for rules ---- */

/* How many items stand in a SEQUENCE OF; GW_E_LIMIT above max. */
static int
count_items(struct str body, size_t max, size_t *ret_count)
{
    struct der in = der_open(body);
    struct der_item item;
    size_t count = 0;

    for (; !der_at_end(&in); count++) {
        if (count == max)
            return GW_E_LIMIT;
        if (der_read(&in, &item) != 0)
            return GW_E_DENIED;
    }
    *ret_count = count;
    return 0;
}

/* The items were counted before there was room for them. */
static void
list_add(struct identity_list *list, struct str item)
{
    list->items[list->count++] = item;
}

struct name_lists {
    struct identity_list *cn, *ou, *o;
};

static struct identity_list *
list_for(const struct name_lists *lists, int nid)
{
    return nid == NID_commonName               ? lists->cn
           : nid == NID_organizationalUnitName ? lists->ou
           : nid == NID_organizationName       ? lists->o
                                               : NULL;
}

static int
read_name(const X509_NAME *name, struct arena *arena, const struct name_lists *lists)
{
    size_t room = (size_t)X509_NAME_entry_count(name);
    struct str *items = arena_new_array(arena, struct str, 3 * room);

    if (items == NULL)
        return GW_E_NOMEM;
    lists->cn->items = items;
    lists->ou->items = items + room;
    lists->o->items = items + 2 * room;
    for (size_t i = 0; i < room; i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, (int)i);
        struct identity_list *list =
            list_for(lists, OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)));
        struct str value;
        int err;

        if (list == NULL)
            continue;
        err = name_value(X509_NAME_ENTRY_get_data(entry), arena, &value);
        if (err != 0)
            return err;
        list_add(list, value);
    }
    return 0;
}

/* DNS, URI and e-mail names: what is no printable ASCII has no business there. */
static int
add_text_name(struct identity_list *list, struct str text, struct arena *arena)
{
    struct str copy;

    if (text.len == 0)
        return GW_E_DENIED;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= 0x20 || text.ptr[i] > 0x7e)
            return GW_E_DENIED;
    }
    copy = arena_str(arena, text);
    if (copy.ptr == NULL)
        return GW_E_NOMEM;
    list_add(list, copy);
    return 0;
}

static int
add_address(struct identity_list *list, struct str octets, struct arena *arena)
{
    char text[INET6_ADDRSTRLEN];
    struct str copy;

    if (octets.len != 4 && octets.len != 16)
        return GW_E_DENIED;
    if (inet_ntop(octets.len == 4 ? AF_INET : AF_INET6, octets.ptr, text, sizeof(text)) == NULL)
        return GW_E_DENIED;
    copy = arena_str(arena, str_from(text));
    if (copy.ptr == NULL)
        return GW_E_NOMEM;
    list_add(list, copy);
    return 0;
}

/* GeneralName, RFC 5280 4.2.1.6 */
static int
add_general_name(struct identity *id, const struct der_item *name, struct arena *arena)
{
    switch (name->tag) {
    case DER_CONTEXT(1):
        return add_text_name(&id->san_email, name->body, arena);
    case DER_CONTEXT(2):
        return add_text_name(&id->san_dns, name->body, arena);
    case DER_CONTEXT(6):
        return add_text_name(&id->san_uri, name->body, arena);
    case DER_CONTEXT(7):
        return add_address(&id->san_ip, name->body, arena);
    case DER_CONTEXT_NESTED(0): /* otherName, x400Address, directoryName, ediPartyName, */
    case DER_CONTEXT_NESTED(3): /* registeredID: no rule looks at them */
    case DER_CONTEXT_NESTED(4):
    case DER_CONTEXT_NESTED(5):
    case DER_CONTEXT(8):
        return 0;
    default:
        return GW_E_DENIED;
    }
}

static int
read_sans(const X509 *leaf, struct arena *arena, struct identity *id)
{
    bool is_repeated;
    struct str value = cert_extension(leaf, NID_subject_alt_name, &is_repeated);
    struct der outer = der_open(value), in;
    struct der_item name;
    struct str *items, body;
    size_t count;
    int err;

    if (value.ptr == NULL)
        return 0;
    if (is_repeated || der_expect(&outer, DER_SEQUENCE, &body) != 0 || !der_at_end(&outer))
        return GW_E_DENIED;
    err = count_items(body, CLIENT_SANS_MAX, &count);
    if (err != 0)
        return err;
    items = arena_new_array(arena, struct str, 4 * count);
    if (items == NULL)
        return GW_E_NOMEM;
    id->san_dns.items = items;
    id->san_uri.items = items + count;
    id->san_email.items = items + 2 * count;
    id->san_ip.items = items + 3 * count;
    in = der_open(body);
    while (!der_at_end(&in)) {
        err = der_read(&in, &name);
        if (err == 0)
            err = add_general_name(id, &name, arena);
        if (err != 0)
            return err;
    }
    return 0;
}

static int
add_policy(struct identity *id, struct str information, struct arena *arena)
{
    struct der in = der_open(information);
    char text[OID_TEXT_MAX];
    struct str oid, copy;
    size_t len;
    int err;

    if (der_expect(&in, DER_OID, &oid) != 0)
        return GW_E_DENIED;
    err = der_format_oid(oid, text, sizeof(text), &len);
    if (err != 0)
        return err;
    copy = arena_str(arena, str_make(text, len));
    if (copy.ptr == NULL)
        return GW_E_NOMEM;
    list_add(&id->policy_oids, copy);
    return 0;
}

/* certificatePolicies, RFC 5280 4.2.1.4 */
static int
read_policies(const X509 *leaf, struct arena *arena, struct identity *id)
{
    bool is_repeated;
    struct str value = cert_extension(leaf, NID_certificate_policies, &is_repeated);
    struct der outer = der_open(value), in;
    struct str body, information;
    size_t count;
    int err;

    if (value.ptr == NULL)
        return 0;
    if (is_repeated || der_expect(&outer, DER_SEQUENCE, &body) != 0 || !der_at_end(&outer))
        return GW_E_DENIED;
    err = count_items(body, CLIENT_SANS_MAX, &count);
    if (err != 0)
        return err;
    id->policy_oids.items = arena_new_array(arena, struct str, count);
    if (id->policy_oids.items == NULL)
        return GW_E_NOMEM;
    in = der_open(body);
    while (!der_at_end(&in)) {
        err = der_expect(&in, DER_SEQUENCE, &information);
        if (err == 0)
            err = add_policy(id, information, arena);
        if (err != 0)
            return err;
    }
    return 0;
}

/* ---- what decisions compare byte for byte ---- */

static int
digest_key(const X509 *leaf, uint8_t ret[CERT_DIGEST_BYTES])
{
    const X509_PUBKEY *key = X509_get_X509_PUBKEY(leaf);
    uint8_t der[CLIENT_CERT_DER_MAX];
    uint8_t *end = der;
    int len = i2d_X509_PUBKEY(key, NULL);

    if (len <= 0 || (size_t)len > sizeof(der))
        return GW_E_PARSE;
    (void)i2d_X509_PUBKEY(key, &end);
    return EVP_Digest(der, (size_t)len, ret, NULL, EVP_sha256(), NULL) == 1 ? 0 : GW_E_NOMEM;
}

static int
copy_issuer_der(const X509 *leaf, struct arena *arena, struct str *ret)
{
    const uint8_t *der;
    size_t len;

    if (X509_NAME_get0_der(X509_get_issuer_name(leaf), &der, &len) != 1)
        return GW_E_PARSE;
    *ret = arena_str(arena, str_make(der, len));
    return ret->ptr != NULL ? 0 : GW_E_NOMEM;
}

/* Content octets of the INTEGER, two's complement. */
static int
copy_serial_der(const X509 *leaf, struct arena *arena, struct str *ret)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
    int len = i2d_ASN1_INTEGER(serial, NULL);
    uint8_t *whole, *end;
    struct der in;

    if (len <= 0)
        return GW_E_PARSE;
    whole = arena_alloc(arena, (size_t)len);
    if (whole == NULL)
        return GW_E_NOMEM;
    end = whole;
    (void)i2d_ASN1_INTEGER(serial, &end);
    in = der_open(str_make(whole, (size_t)len));
    return der_expect(&in, DER_INTEGER, ret);
}

static int
read_facts(X509 *leaf, struct arena *arena, struct identity *id)
{
    const struct name_lists subject = {&id->subject_cn, &id->subject_ou, &id->subject_o};
    const struct name_lists issuer = {&id->issuer_cn, &id->issuer_ou, &id->issuer_o};
    int err = read_name(X509_get_subject_name(leaf), arena, &subject);

    if (err == 0)
        err = read_name(X509_get_issuer_name(leaf), arena, &issuer);
    if (err == 0)
        err = read_sans(leaf, arena, id);
    if (err == 0)
        err = read_policies(leaf, arena, id);
    if (err == 0)
        err = copy_serial_der(leaf, arena, &id->serial_der);
    if (err == 0)
        err = copy_issuer_der(leaf, arena, &id->issuer_der);
    if (err == 0)
        err = digest_key(leaf, id->spki_sha256);
    return err;
}

static int
render(X509 *leaf, struct arena *arena, struct identity *id)
{
    int err = cert_dates(leaf, &id->not_before_s, &id->not_after_s);

    if (err == 0)
        err = render_validity(id, arena);
    if (err == 0)
        err = render_serial(leaf, arena, &id->serial);
    if (err == 0)
        err = render_name(X509_get_issuer_name(leaf), arena, &id->issuer);
    if (err == 0)
        err = render_name(X509_get_subject_name(leaf), arena, &id->subject);
    if (err == 0)
        err = render_leaf(leaf, arena, id);
    return err;
}

int
identity_build(X509 *leaf, struct arena *arena, struct identity **ret, enum reason *ret_reason)
{
    struct identity *id = arena_new(arena, struct identity);
    int err;

    if (id == NULL || cert_der_bytes(leaf) > CLIENT_CERT_DER_MAX)
        return refuse(REASON_MAX_SIZE, ret_reason);
    ERR_set_mark();
    err = render(leaf, arena, id);
    if (err == 0)
        err = read_facts(leaf, arena, id);
    ERR_pop_to_mark();
    if (err != 0)
        return refuse_for(err, ret_reason);
    *ret = id;
    return 0;
}

void
identity_facts(X509 *leaf, struct arena *arena, struct identity *ret)
{
    struct str subject, serial;

    *ret = (struct identity){0};
    ERR_set_mark();
    if (render_serial(leaf, arena, &serial) == 0)
        ret->serial = serial;
    if (render_name(X509_get_subject_name(leaf), arena, &subject) == 0)
        ret->subject = subject;
    if (cert_dates(leaf, &ret->not_before_s, &ret->not_after_s) == 0)
        (void)render_validity(ret, arena);
    ERR_pop_to_mark();
}

void
identity_names(X509 *leaf, struct arena *arena, struct identity *ret)
{
    *ret = (struct identity){0};
    ERR_set_mark();
    if (cert_digest(leaf, ret->sha256) != 0)
        memset(ret->sha256, 0, sizeof(ret->sha256));
    if (digest_key(leaf, ret->spki_sha256) != 0)
        memset(ret->spki_sha256, 0, sizeof(ret->spki_sha256));
    if (render_serial(leaf, arena, &ret->serial) != 0)
        ret->serial = STR("");
    if (render_name(X509_get_issuer_name(leaf), arena, &ret->issuer) != 0)
        ret->issuer = STR("");
    (void)read_sans(leaf, arena, ret); /* those before the one that cannot be read */
    ERR_pop_to_mark();
}
