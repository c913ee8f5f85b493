/* SPDX-License-Identifier: Apache-2.0
 *
 * The deny list and its lookups. Built on the control thread, read by every worker at every
 * handshake and sweep: one hash probe for each name a client has. It owns copies of all
 * texts and never changes after build.
 */
#include "cert/deny.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/ref.h"

struct deny_list {
    struct ref ref;
    struct arena arena;
    struct map map; /* canonical text -> struct deny_entry */
    struct deny_entry *entries;
    size_t count;
};

static const struct str prefixes[] = {
    [DENY_SHA256] = STR_INIT("sha256:"),
    [DENY_SPKI] = STR_INIT("spki:"),
    [DENY_SERIAL] = STR_INIT("serial:"),
    [DENY_SAN] = STR_INIT("san:"),
};

/* ---- what an operator types --------------------------------------------------------------- */

/* Where a digit count is odd, a leading zero was left out. */
static int
unhex(struct str s, uint8_t *dst, size_t dst_max, size_t *ret_len)
{
    char padded[2 * DENY_SERIAL_BYTES_MAX];

    if (s.len % 2 == 0)
        return str_unhex(s, dst, dst_max, ret_len);
    if (s.len >= sizeof(padded))
        return GW_E_LIMIT;
    padded[0] = '0';
    memcpy(padded + 1, s.ptr, s.len);
    return str_unhex(str_make(padded, s.len + 1), dst, dst_max, ret_len);
}

static int
parse_digest(struct str rest, char *dst, const char **ret_error)
{
    uint8_t digest[32];
    size_t len = 0;

    if (str_unhex(rest, digest, sizeof(digest), &len) != 0 || len != sizeof(digest)) {
        *ret_error = "a SHA-256 digest has 64 hexadecimal digits";
        return GW_E_PARSE;
    }
    str_hex_lower(dst, digest, len);
    dst[2 * len] = '\0';
    return 0;
}

/* TYPE=VALUE joined by ',' or '+', with nothing between (RFC 2253 as OpenSSL writes it). Other
 * ways to print a name are refused, because they would never equal a client's. */
static bool
is_rfc2253(struct str name)
{
    bool in_type = true;
    size_t type_len = 0;

    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (in_type && c == '=') {
            if (type_len == 0)
                return false;
            in_type = false;
        } else if (in_type) {
            if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '.' && c != '-')
                return false;
            type_len++;
        } else if (c == '\\') {
            i++;
        } else if (c == ',' || c == '+') {
            in_type = true;
            type_len = 0;
        } else if (c == ' ' && name.ptr[i - 1] == '=') {
            return false;
        }
    }
    return !in_type;
}

/* "CN=x:0A:0B" could be a serial number with colons, taken for the end of a name. */
static bool
ends_like_serial(struct str issuer)
{
    size_t n = issuer.len;
    uint8_t byte[1];
    size_t len = 0;

    return n >= 3 && issuer.ptr[n - 3] == ':' &&
           str_unhex(str_sub(issuer, n - 2, 2), byte, sizeof(byte), &len) == 0;
}

static int
parse_serial_number(struct str hex, char *dst)
{
    bool is_negative = hex.len > 0 && hex.ptr[0] == '-';
    uint8_t serial[DENY_SERIAL_BYTES_MAX];
    size_t len = 0;
    size_t skip = 0;

    if (unhex(str_sub(hex, is_negative, SIZE_MAX), serial, sizeof(serial), &len) != 0 || len == 0)
        return GW_E_PARSE;
    while (skip + 1 < len && serial[skip] == 0)
        skip++;
    if (is_negative)
        *dst++ = '-';
    str_hex_upper(dst, serial + skip, len - skip);
    dst[2 * (len - skip)] = '\0';
    return 0;
}

static int
parse_serial(struct str rest, char *dst, const char **ret_error)
{
    ptrdiff_t colon = str_rchr(rest, ':');
    struct str issuer = str_sub(rest, 0, colon > 0 ? (size_t)colon : 0);

    if (colon <= 0 ||
        parse_serial_number(str_sub(rest, (size_t)colon + 1, SIZE_MAX), dst + colon + 1) != 0) {
        *ret_error =
            "serial:ISSUER:HEX wants the issuer as in X-Amzn-Mtls-Clientcert-Issuer and the "
            "serial number in hexadecimal";
        return GW_E_PARSE;
    }
    if (ends_like_serial(issuer)) {
        *ret_error = "write the serial number without colons; for an issuer whose name ends like "
                     "this use sha256: or spki:";
        return GW_E_PARSE;
    }
    if (!is_rfc2253(issuer)) {
        *ret_error = "write the issuer as in X-Amzn-Mtls-Clientcert-Issuer, CN=name,O=org without "
                     "spaces (openssl x509 -noout -issuer -nameopt RFC2253)";
        return GW_E_PARSE;
    }
    memcpy(dst, rest.ptr, (size_t)colon + 1);
    return 0;
}

/* Up to where case means nothing: scheme and authority of a URI, all of any other name. */
static size_t
fold_length(struct str name)
{
    for (size_t i = 0; i + 2 < name.len; i++) {
        if (memcmp(name.ptr + i, "://", 3) != 0)
            continue;
        for (i += 3; i < name.len; i++) {
            if (name.ptr[i] == '/' || name.ptr[i] == '?' || name.ptr[i] == '#')
                return i;
        }
        return name.len;
    }
    if (str_chr(name, '@') < 0 && str_chr(name, ':') >= 0)
        return (size_t)str_chr(name, ':'); /* a URI without authority */
    return name.len;
}

/* The form under which a name is kept and looked up: the same for what an operator types and for
 * what a certificate says. dst has room for name.len and INET6_ADDRSTRLEN. Returns the length. */
static size_t
fold_name(struct str name, char *dst)
{
    uint8_t address[16];
    size_t fold;

    memcpy(dst, name.ptr, name.len);
    dst[name.len] = '\0';
    if (inet_pton(AF_INET6, dst, address) == 1 &&
        inet_ntop(AF_INET6, address, dst, INET6_ADDRSTRLEN) != NULL)
        return strlen(dst);
    fold = fold_length(name);
    for (size_t i = 0; i < fold; i++)
        dst[i] = ascii_lower(name.ptr[i]);
    if (fold == name.len && name.len > 1 && name.ptr[name.len - 1] == '.')
        return name.len - 1; /* the root's dot */
    return name.len;
}

static int
parse_san(struct str rest, char *dst, const char **ret_error)
{
    if (rest.len == 0) {
        *ret_error = "san: wants a DNS name, URI, e-mail address or IP address";
        return GW_E_PARSE;
    }
    if (str_chr(rest, '*') >= 0) {
        *ret_error = "names are compared whole, there are no patterns; name the certificate by "
                     "sha256: or spki:";
        return GW_E_PARSE;
    }
    if (str_chr(rest, ' ') >= 0) {
        *ret_error = "a name has no spaces";
        return GW_E_PARSE;
    }
    dst[fold_name(rest, dst)] = '\0';
    return 0;
}

static int
parse_rest(enum deny_kind kind, struct str rest, char *dst, const char **ret_error)
{
    switch (kind) {
    case DENY_SHA256:
    case DENY_SPKI:
        return parse_digest(rest, dst, ret_error);
    case DENY_SERIAL:
        return parse_serial(rest, dst, ret_error);
    case DENY_SAN:
        break;
    }
    return parse_san(rest, dst, ret_error);
}

static bool
is_printable(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e)
            return false;
    }
    return true;
}

static int
parse_kind(enum deny_kind kind, struct str text, char **ret, const char **ret_error)
{
    struct str prefix = prefixes[kind];
    char *canonical = malloc(text.len + INET6_ADDRSTRLEN + 2);

    gw_assert(canonical != NULL);
    memcpy(canonical, prefix.ptr, prefix.len);
    if (parse_rest(kind, str_sub(text, prefix.len, SIZE_MAX), canonical + prefix.len, ret_error) !=
        0) {
        free(canonical);
        return GW_E_PARSE;
    }
    *ret = canonical;
    return 0;
}

int
deny_what_parse(struct str text, char **ret, enum deny_kind *ret_kind, const char **ret_error)
{
    text = str_trim(text);
    if (text.len > DENY_TEXT_MAX) {
        *ret_error = "longer than any name that is looked up";
        return GW_E_PARSE;
    }
    if (!is_printable(text)) {
        *ret_error = "only printable ASCII; names in certificates are compared as their headers "
                     "show them";
        return GW_E_PARSE;
    }
    for (size_t kind = 0; kind < array_len(prefixes); kind++) {
        if (!str_starts_nocase(text, prefixes[kind]))
            continue;
        if (parse_kind((enum deny_kind)kind, text, ret, ret_error) != 0)
            return GW_E_PARSE;
        *ret_kind = (enum deny_kind)kind;
        return 0;
    }
    *ret_error = "wants sha256:HEX, spki:HEX, serial:ISSUER:HEX or san:NAME";
    return GW_E_PARSE;
}

/* ---- the list ------------------------------------------------------------------------------ */

/* GW_E_NOMEM, and nothing else. */
static int
list_put(struct deny_list *d, const struct deny_entry *from)
{
    struct deny_entry *e = map_get(&d->map, from->what);

    if (e != NULL) {
        if (from->until_s > e->until_s)
            e->until_s = from->until_s;
        return 0;
    }
    e = &d->entries[d->count];
    *e = *from;
    e->what = arena_str(&d->arena, from->what);
    e->why = arena_str(&d->arena, from->why);
    if (e->what.ptr == NULL || e->why.ptr == NULL || map_put(&d->map, e->what, e) != 0)
        return GW_E_NOMEM;
    d->count++;
    return 0;
}

int
deny_list_build(const struct deny_entry *entries, size_t count, struct deny_list **ret)
{
    struct deny_list *d;
    int rc = 0;

    if (count > DENY_ENTRIES_MAX)
        return GW_E_LIMIT;
    d = calloc(1, sizeof(*d));
    if (d == NULL)
        return GW_E_NOMEM;
    ref_init(&d->ref);
    arena_init(&d->arena, 65536, SIZE_MAX);
    map_init(&d->map, DENY_ENTRIES_MAX);
    d->entries = arena_new_array(&d->arena, struct deny_entry, count + 1);
    if (d->entries == NULL)
        rc = GW_E_NOMEM;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = list_put(d, &entries[i]);
    if (rc != 0) {
        deny_list_unref(d);
        return rc;
    }
    *ret = d;
    return 0;
}

struct deny_list *
deny_list_ref(struct deny_list *d)
{
    ref_take(&d->ref);
    return d;
}

void
deny_list_unref(struct deny_list *d)
{
    if (d == NULL || !ref_drop(&d->ref))
        return;
    map_done(&d->map);
    arena_done(&d->arena);
    free(d);
}

size_t
deny_list_count(const struct deny_list *d)
{
    return d == NULL ? 0 : d->count;
}

const struct deny_entry *
deny_list_at(const struct deny_list *d, size_t i)
{
    gw_assert(i < d->count);
    return &d->entries[i];
}

/* ---- lookup --------------------------------------------------------------------------------- */

/* prefix + a + b as one key. Texts longer than any entry cannot be on the list. */
static const struct deny_entry *
find(const struct deny_list *d, enum deny_kind kind, struct str a, struct str b)
{
    char key[DENY_TEXT_MAX + 16];
    size_t len = prefixes[kind].len;

    if (len + a.len + b.len > sizeof(key))
        return NULL;
    memcpy(key, prefixes[kind].ptr, len);
    if (a.len > 0)
        memcpy(key + len, a.ptr, a.len);
    if (b.len > 0)
        memcpy(key + len + a.len, b.ptr, b.len);
    return map_get(&d->map, str_make(key, len + a.len + b.len));
}

static const struct deny_entry *
find_digest(const struct deny_list *d, enum deny_kind kind, const uint8_t digest[32])
{
    char hex[64];

    str_hex_lower(hex, digest, 32);
    return find(d, kind, str_make(hex, sizeof(hex)), STR(""));
}

static const struct deny_entry *
find_serial(const struct deny_list *d, const struct identity *id)
{
    char tail[2 * DENY_SERIAL_BYTES_MAX + 2];
    struct str serial = id->serial;
    size_t len = 0;

    tail[len++] = ':';
    if (serial.len > 0 && serial.ptr[0] == '-') {
        tail[len++] = '-';
        serial = str_sub(serial, 1, SIZE_MAX);
    }
    while (serial.len > 2 && serial.ptr[0] == '0' && serial.ptr[1] == '0')
        serial = str_sub(serial, 2, SIZE_MAX);
    if (serial.len == 0 || serial.len > sizeof(tail) - len)
        return NULL;
    memcpy(tail + len, serial.ptr, serial.len);
    return find(d, DENY_SERIAL, id->issuer, str_make(tail, len + serial.len));
}

static const struct deny_entry *
if_current(const struct deny_entry *e, int64_t now_s)
{
    return e != NULL && now_s < e->until_s ? e : NULL;
}

static const struct deny_entry *
find_names(const struct deny_list *d, const struct identity_list *names, int64_t now_s)
{
    char name[DENY_TEXT_MAX + INET6_ADDRSTRLEN];
    const struct deny_entry *e = NULL;

    for (size_t i = 0; i < names->count && e == NULL; i++) {
        struct str s = names->items[i];

        if (s.len == 0 || s.len > DENY_TEXT_MAX)
            continue;
        e = if_current(find(d, DENY_SAN, str_make(name, fold_name(s, name)), STR("")), now_s);
    }
    return e;
}

const struct deny_entry *
deny_list_match(const struct deny_list *d, const struct identity *id, int64_t now_s)
{
    const struct deny_entry *e;

    if (d == NULL || d->count == 0)
        return NULL;
    e = if_current(find_digest(d, DENY_SHA256, id->sha256), now_s);
    if (e == NULL)
        e = if_current(find_digest(d, DENY_SPKI, id->spki_sha256), now_s);
    if (e == NULL)
        e = if_current(find_serial(d, id), now_s);
    if (e == NULL)
        e = find_names(d, &id->san_dns, now_s);
    if (e == NULL)
        e = find_names(d, &id->san_uri, now_s);
    if (e == NULL)
        e = find_names(d, &id->san_email, now_s);
    if (e == NULL)
        e = find_names(d, &id->san_ip, now_s);
    return e;
}
