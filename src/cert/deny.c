/* SPDX-License-Identifier: Apache-2.0
 *
 * The deny list and its lookups. Built on the control thread, read by every worker at every
 * handshake and sweep: one hash probe for each name a client has. It owns copies of all
 * texts and never changes after build.
 */
#include "cert/deny.h"

#include <stdio.h>
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

static int
parse_serial(struct str rest, char *dst, const char **ret_error)
{
    ptrdiff_t colon = str_rchr(rest, ':');
    uint8_t serial[64];
    size_t len = 0;
    size_t skip = 0;

    if (colon <= 0 ||
        str_unhex(str_sub(rest, (size_t)colon + 1, SIZE_MAX), serial, sizeof(serial), &len) != 0 ||
        len == 0) {
        *ret_error =
            "serial:ISSUER:HEX wants the issuer as in X-Amzn-Mtls-Clientcert-Issuer and the "
            "serial number in hexadecimal without colons";
        return GW_E_PARSE;
    }
    while (skip + 1 < len && serial[skip] == 0)
        skip++;
    memcpy(dst, rest.ptr, (size_t)colon + 1);
    str_hex_upper(dst + colon + 1, serial + skip, len - skip);
    dst[(size_t)colon + 1 + 2 * (len - skip)] = '\0';
    return 0;
}

static int
parse_san(struct str rest, char *dst, const char **ret_error)
{
    bool is_exact = str_chr(rest, ':') >= 0 || str_chr(rest, '@') >= 0 || str_chr(rest, '/') >= 0;

    if (rest.len == 0) {
        *ret_error = "san: wants a DNS name, URI, e-mail address or IP address";
        return GW_E_PARSE;
    }
    for (size_t i = 0; i < rest.len; i++)
        dst[i] = is_exact ? rest.ptr[i] : ascii_lower(rest.ptr[i]);
    dst[rest.len] = '\0';
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

int
deny_what_parse(struct str text, char **ret, enum deny_kind *ret_kind, const char **ret_error)
{
    char *canonical;

    if (text.len > DENY_TEXT_MAX) {
        *ret_error = "longer than any name that is looked up";
        return GW_E_PARSE;
    }
    for (size_t kind = 0; kind < array_len(prefixes); kind++) {
        struct str rest = str_sub(text, prefixes[kind].len, SIZE_MAX);

        if (!str_starts_nocase(text, prefixes[kind]))
            continue;
        canonical = malloc(text.len + 2);
        gw_assert(canonical != NULL);
        memcpy(canonical, prefixes[kind].ptr, prefixes[kind].len);
        if (parse_rest((enum deny_kind)kind, rest, canonical + prefixes[kind].len, ret_error) !=
            0) {
            free(canonical);
            return GW_E_PARSE;
        }
        *ret = canonical;
        *ret_kind = (enum deny_kind)kind;
        return 0;
    }
    *ret_error = "wants sha256:HEX, spki:HEX, serial:ISSUER:HEX or san:NAME";
    return GW_E_PARSE;
}

/* ---- the list ------------------------------------------------------------------------------ */

int
deny_list_build(const struct deny_entry *entries, size_t count, struct deny_list **ret)
{
    struct deny_list *d;

    if (count > DENY_ENTRIES_MAX)
        return GW_E_LIMIT;
    d = calloc(1, sizeof(*d));
    if (d == NULL)
        return GW_E_NOMEM;
    ref_init(&d->ref);
    arena_init(&d->arena, 65536, SIZE_MAX);
    map_init(&d->map, 2 * DENY_ENTRIES_MAX);
    d->entries = arena_new_array(&d->arena, struct deny_entry, count + 1);
    for (size_t i = 0; d->entries != NULL && i < count; i++) {
        struct deny_entry *e = &d->entries[i];

        *e = entries[i];
        e->what = arena_str(&d->arena, entries[i].what);
        e->why = arena_str(&d->arena, entries[i].why);
        if (e->what.ptr == NULL || map_put(&d->map, e->what, e) != 0)
            break;
        d->count++;
    }
    if (d->count < count) {
        deny_list_unref(d);
        return GW_E_NOMEM;
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
    char tail[160];
    struct str serial = id->serial;

    while (serial.len > 2 && serial.ptr[0] == '0' && serial.ptr[1] == '0')
        serial = str_sub(serial, 2, SIZE_MAX);
    if (serial.len + 1 > sizeof(tail))
        return NULL;
    tail[0] = ':';
    memcpy(tail + 1, serial.ptr, serial.len);
    return find(d, DENY_SERIAL, id->issuer, str_make(tail, serial.len + 1));
}

static const struct deny_entry *
find_names(const struct deny_list *d, const struct identity_list *names, bool folds_case)
{
    char name[DENY_TEXT_MAX];
    const struct deny_entry *e = NULL;

    for (size_t i = 0; i < names->count && e == NULL; i++) {
        struct str s = names->items[i];

        if (s.len > sizeof(name))
            continue;
        for (size_t k = 0; k < s.len; k++)
            name[k] = folds_case ? ascii_lower(s.ptr[k]) : s.ptr[k];
        e = find(d, DENY_SAN, str_make(name, s.len), STR(""));
    }
    return e;
}

static const struct deny_entry *
if_current(const struct deny_entry *e, int64_t now_s)
{
    return e != NULL && now_s < e->until_s ? e : NULL;
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
        e = if_current(find_names(d, &id->san_dns, true), now_s);
    if (e == NULL)
        e = if_current(find_names(d, &id->san_uri, false), now_s);
    if (e == NULL)
        e = if_current(find_names(d, &id->san_email, false), now_s);
    if (e == NULL)
        e = if_current(find_names(d, &id->san_ip, true), now_s);
    return e;
}
