/* SPDX-License-Identifier: Apache-2.0
 *
 * Extensions of a revocation list (RFC 5280 5.2): number, key identifier, scope, delta. Called
 * by the loader on the control thread before the signature is looked at; owns nothing. It must
 * never pass over a critical extension that it does not understand.
 */
#include <stdio.h>

#include "base/limits.h"
#include "cert/crl_int.h"
#include "cert/der.h"
#include "cert/sigalg.h"

/* crlNumber and BaseCRLNumber: upper hex, whole bytes */
static int
read_number(struct crl_loader *l, struct str value, const char *what, struct str *ret_hex)
{
    struct der in = der_open(value);
    char hex[2 * CRL_NUMBER_BYTES_MAX];
    struct str body;

    if (der_expect(&in, DER_INTEGER, &body) != 0 || !der_at_end(&in) ||
        !der_integer_is_valid(body, true) || (body.ptr[0] & 0x80))
        return crl_fail(l, "its %s is no positive number", what);
    if (body.len > 1 && body.ptr[0] == 0)
        body = str_sub(body, 1, body.len);
    if (body.len > CRL_NUMBER_BYTES_MAX)
        return crl_fail(l, "its %s has %zu bytes; at most %d are allowed", what, body.len,
                        CRL_NUMBER_BYTES_MAX);
    str_hex_upper(hex, (const uint8_t *)body.ptr, body.len);
    *ret_hex = arena_str(&l->c->strings, str_make(hex, 2 * body.len));
    return 0;
}

static int
read_list_number(struct crl_loader *l, struct str value)
{
    return read_number(l, value, "crlNumber", &l->c->info.number_hex);
}

/* deltaCRLIndicator; whether marked critical or not, the list is no complete one. */
static int
read_delta(struct crl_loader *l, struct str value)
{
    l->c->info.is_delta = true;
    return read_number(l, value, "BaseCRLNumber", &l->c->info.base_hex);
}

static int
read_aki(struct crl_loader *l, struct str value)
{
    struct der outer = der_open(value), in;
    struct str body, key_id;
    bool is_there;

    if (der_expect(&outer, DER_SEQUENCE, &body) != 0 || !der_at_end(&outer))
        return crl_fail_der(l, "its authorityKeyIdentifier");
    in = der_open(body);
    if (der_optional(&in, DER_CONTEXT(0), &key_id, &is_there) != 0)
        return crl_fail_der(l, "its authorityKeyIdentifier");
    if (is_there)
        l->c->info.aki = arena_str(&l->c->strings, key_id);
    return 0;
}

/* distributionPoint [0], a choice of fullName [0] and nameRelativeToCRLIssuer [1] */
static int
read_idp_name(struct crl_loader *l, struct str point)
{
    struct der in = der_open(point);
    struct der_item name;

    if (der_read(&in, &name) != 0 || !der_at_end(&in))
        return crl_fail_der(l, "its issuingDistributionPoint");
    if (name.tag != DER_CONTEXT_NESTED(0) || name.body.len == 0)
        return crl_fail(l, "names its distribution point relative to the issuer, which is not "
                           "supported; have the CA write a full name");
    l->c->info.idp_names = arena_str(&l->c->strings, name.body);
    return 0;
}

struct idp_flags {
    bool only_users, only_cas, some_reasons, indirect, only_attributes;
};

static int
read_idp_flag(const struct der_item *item, struct idp_flags *flags)
{
    switch (item->tag) {
    case DER_CONTEXT(1):
        return der_bool(item->body, &flags->only_users);
    case DER_CONTEXT(2):
        return der_bool(item->body, &flags->only_cas);
    case DER_CONTEXT(3):
        flags->some_reasons = true;
        return 0;
    case DER_CONTEXT(4):
        return der_bool(item->body, &flags->indirect);
    case DER_CONTEXT(5):
        return der_bool(item->body, &flags->only_attributes);
    default:
        return GW_E_PARSE;
    }
}

static int
check_idp(struct crl_loader *l, const struct idp_flags *flags)
{
    if (flags->indirect)
        return crl_fail(l,
                        "is an indirect list (entries of several issuers), which is not supported; "
                        "one list per CA is");
    if (flags->some_reasons)
        return crl_fail(l, "covers only some revocation reasons, which is not supported; a list of "
                           "all reasons is");
    if (flags->only_attributes)
        return crl_fail(l, "covers attribute certificates only; it says nothing about clients");
    if (flags->only_users && flags->only_cas)
        return crl_fail(l, "claims to cover only users and only CAs at once");
    l->c->info.covers_users = !flags->only_cas;
    l->c->info.covers_cas = !flags->only_users;
    return 0;
}

static int
read_idp(struct crl_loader *l, struct str value)
{
    struct der outer = der_open(value), in;
    struct idp_flags flags = {0};
    struct der_item item;
    struct str body;
    int previous = -1;

    if (der_expect(&outer, DER_SEQUENCE, &body) != 0 || !der_at_end(&outer))
        return crl_fail_der(l, "its issuingDistributionPoint");
    in = der_open(body);
    while (!der_at_end(&in)) {
        if (der_read(&in, &item) != 0 || (item.tag & 0x1f) <= previous)
            return crl_fail_der(l, "its issuingDistributionPoint");
        previous = item.tag & 0x1f;
        if (item.tag == DER_CONTEXT_NESTED(0)) {
            int err = read_idp_name(l, item.body);

            if (err != 0)
                return err;
        } else if (read_idp_flag(&item, &flags) != 0) {
            return crl_fail_der(l, "its issuingDistributionPoint");
        }
    }
    l->c->info.idp = arena_str(&l->c->strings, value);
    return check_idp(l, &flags);
}

struct list_extension {
    struct str oid;
    int (*read)(struct crl_loader *l, struct str value);
};

static const struct list_extension list_extensions[] = {
    {STR_INIT("\x55\x1d\x14"), read_list_number}, /* crlNumber */
    {STR_INIT("\x55\x1d\x1b"), read_delta},       /* deltaCRLIndicator */
    {STR_INIT("\x55\x1d\x23"), read_aki},         /* authorityKeyIdentifier */
    {STR_INIT("\x55\x1d\x1c"), read_idp},         /* issuingDistributionPoint */
};

int
crl_fail_critical(const struct crl_loader *l, const char *where, struct str oid)
{
    char text[SIGALG_TEXT_MAX];
    size_t len;

    if (der_format_oid(oid, text, sizeof(text), &len) != 0)
        (void)snprintf(text, sizeof(text), "of an unprintable type");
    return crl_fail(l,
                    "%s has the critical extension %s, which is not understood; what it demands "
                    "cannot be honoured",
                    where, text);
}

/* seen: a bit per row of list_extensions. */
static int
read_list_extension(struct crl_loader *l, const struct der_extension *ext, unsigned *seen)
{
    for (size_t i = 0; i < array_len(list_extensions); i++) {
        if (!str_eq(ext->oid, list_extensions[i].oid))
            continue;
        if (*seen & 1u << i)
            return crl_fail(l, "has the same extension twice");
        *seen |= 1u << i;
        return list_extensions[i].read(l, ext->value);
    }
    return ext->is_critical ? crl_fail_critical(l, "it", ext->oid) : 0;
}

static int
check_facts(const struct crl_loader *l)
{
    const struct crl_info *info = &l->c->info;

    if (info->number_hex.len == 0)
        return crl_fail(l, "has no crlNumber; an older copy could not be told from a newer one");
    if (l->c->strings.overflow)
        return crl_fail(l, "its extensions are too long");
    if (!info->is_delta)
        return 0;
    if (crl_compare_hex(info->base_hex, info->number_hex) > 0)
        return crl_fail(l,
                        "is a delta list whose BaseCRLNumber %.*s is above its own number "
                        "%.*s",
                        STR_ARG(info->base_hex), STR_ARG(info->number_hex));
    if (info->next_update_s == INT64_MAX)
        return crl_fail(l, "is a delta list without nextUpdate: it could not be told when it is "
                           "too old");
    return 0;
}

int
crl_read_extensions(struct crl_loader *l)
{
    struct der in = der_open(l->extensions);
    struct der_extension ext;
    unsigned seen = 0;

    while (!der_at_end(&in)) {
        int err;

        if (der_read_extension(&in, &ext) != 0)
            return crl_fail_der(l, "an extension");
        err = read_list_extension(l, &ext, &seen);
        if (err != 0)
            return err;
    }
    return check_facts(l);
}
