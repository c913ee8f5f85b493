/* SPDX-License-Identifier: Apache-2.0
 *
 * Does a rule match a request: condition by condition, cheapest first, stopping at the first
 * that does not hold. Called by route.c for every request and by `explain`, on any thread.
 * Owns nothing. Must never allocate, read a clock, or judge a printed name.
 */
#include "policy/rule.h"

#include "base/limits.h"
#include "policy/spiffe.h"

/* How one value of a condition is compared with the text at hand. */
typedef bool (*value_match_fn)(struct str value, struct str text);

static bool
any_value(const struct str_list *values, value_match_fn matches, struct str text)
{
    for (size_t i = 0; i < values->count; i++) {
        if (matches(values->items[i], text))
            return true;
    }
    return false;
}

static bool
wildcard_exact(struct str value, struct str text)
{
    return str_match_wildcard(value, text, false);
}

static bool
wildcard_nocase(struct str value, struct str text)
{
    return str_match_wildcard(value, text, true);
}

/* ---- request ---- */

static bool
method_matches(const struct rule_conditions *c, const struct rule_input *in)
{
    return any_value(&c->method, str_eq, in->req->method_text);
}

static bool
host_condition_matches(const struct rule_conditions *c, const struct rule_input *in)
{
    return any_value(&c->host, wildcard_nocase, in->req->host);
}

static bool
path_matches(const struct rule_conditions *c, const struct rule_input *in)
{
    return any_value(&c->path, wildcard_exact, in->req->route_path);
}

static bool
source_ip_matches(const struct rule_conditions *c, const struct rule_input *in)
{
    for (size_t i = 0; i < c->source_ip_count && in->client != NULL; i++) {
        if (cidr_contains(&c->source_ips[i], in->client))
            return true;
    }
    return false;
}

static bool
vpc_endpoint_matches(const struct rule_conditions *c, const struct rule_input *in)
{
    return in->vpce_id.len > 0 && any_value(&c->vpc_endpoint, str_eq, in->vpce_id);
}

/* A field that comes more than once is tried in its order. */
static bool
header_matches(const struct rule_header_condition *c, const struct http_headers *headers)
{
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct http_header *h = &headers->fields[i];

        if (!h->is_dropped && str_eq_nocase(h->name, c->name) &&
            any_value(&c->values, wildcard_nocase, h->value))
            return true;
    }
    return false;
}

/* A query literal may escape '*', '?' and '\' with '\' ("Query string conditions"). */
static size_t
query_token(struct str pattern, size_t at, char *ret_byte, bool *ret_is_literal)
{
    *ret_is_literal = pattern.ptr[at] == '\\' && at + 1 < pattern.len;
    *ret_byte = pattern.ptr[at + *ret_is_literal];
    return 1 + (size_t)*ret_is_literal;
}

/* str_match_wildcard with escapes. */
static bool
query_wildcard(struct str pattern, struct str text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, star_text = 0;

    while (p < pattern.len || t < text.len) {
        char byte = 0;
        bool is_literal = false;
        size_t step = p < pattern.len ? query_token(pattern, p, &byte, &is_literal) : 0;

        if (step > 0 && !is_literal && byte == '*') {
            star = p += step;
            star_text = t;
        } else if (step > 0 && t < text.len &&
                   ((!is_literal && byte == '?') ||
                    ascii_lower(byte) == ascii_lower(text.ptr[t]))) {
            p += step;
            t++;
        } else if (star != SIZE_MAX && star_text < text.len) {
            p = star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    return true;
}

/* "key=value" is compared with both halves of a pair, "value" with the value of any key; a pair
 * without '=' is a key with an empty value and, for the second form, also a bare value. */
static bool
query_value_matches(struct str value, struct str pair)
{
    ptrdiff_t value_eq = str_chr(value, '=');
    ptrdiff_t pair_eq = str_chr(pair, '=');
    struct str key = pair_eq < 0 ? pair : str_sub(pair, 0, (size_t)pair_eq);
    struct str text = str_sub(pair, key.len + 1, pair.len);

    if (value_eq < 0)
        return query_wildcard(value, pair_eq < 0 ? pair : text);
    return query_wildcard(str_sub(value, 0, (size_t)value_eq), key) &&
           query_wildcard(str_sub(value, (size_t)value_eq + 1, value.len), text);
}

static bool
query_matches(const struct rule_conditions *c, const struct rule_input *in)
{
    struct str rest = in->req->query;
    struct str pair;
    bool done = rest.len == 0;

    while (str_split_next(&rest, '&', &done, &pair)) {
        if (pair.len > 0 && any_value(&c->query, query_value_matches, pair))
            return true;
    }
    return false;
}

/* ---- client certificate ---- */

/* A certificate that names several identifiers names none (X.509-SVID, section 2). */
static bool
san_uri_matches(struct str value, const struct identity_list *uris)
{
    if (spiffe_is_meant(value))
        return uris->count == 1 && spiffe_matches(value, uris->items[0]);
    for (size_t i = 0; i < uris->count; i++) {
        if (wildcard_exact(value, uris->items[i]))
            return true;
    }
    return false;
}

/* One row per field of `client_certificate` that the certificate may hold several times. */
struct cert_field {
    const char *name;
    size_t condition; /* offset of the str_list in struct rule_cert_condition */
    size_t fact;      /* offset of the identity_list in struct identity */
    value_match_fn matches;
};

#define CERT_FIELD(field, how)                                                     \
    {                                                                              \
        "client_certificate." #field, offsetof(struct rule_cert_condition, field), \
            offsetof(struct identity, field), how                                  \
    }

static const struct cert_field cert_fields[] = {
    CERT_FIELD(subject_cn, wildcard_exact),
    CERT_FIELD(subject_ou, wildcard_exact),
    CERT_FIELD(subject_o, wildcard_exact),
    CERT_FIELD(issuer_cn, wildcard_exact),
    CERT_FIELD(issuer_ou, wildcard_exact),
    CERT_FIELD(issuer_o, wildcard_exact),
    CERT_FIELD(san_dns, wildcard_nocase),
    CERT_FIELD(san_email, wildcard_exact),
    CERT_FIELD(san_ip, str_eq),
    CERT_FIELD(policy_oids, str_eq),
};

/* What one evaluation carries along. */
struct evaluation {
    const struct rule *rule;
    const struct rule_input *in;
    const struct rule_trace *trace;
};

static bool
traced(const struct evaluation *e, const char *condition, bool matched)
{
    if (unlikely(e->trace != NULL))
        e->trace->step(e->trace->arg, e->rule, condition, matched);
    return matched;
}

static bool
cert_field_matches(const struct cert_field *f, const struct str_list *values,
                   const struct identity *identity)
{
    const struct identity_list *facts =
        (const struct identity_list *)(const void *)((const char *)identity + f->fact);

    for (size_t i = 0; i < facts->count; i++) {
        if (any_value(values, f->matches, facts->items[i]))
            return true;
    }
    return false;
}

static bool
any_san_uri(const struct str_list *values, const struct identity *identity)
{
    for (size_t i = 0; i < values->count; i++) {
        if (san_uri_matches(values->items[i], &identity->san_uri))
            return true;
    }
    return false;
}

static bool
digest_matches(const struct str_list *values, const uint8_t digest[32])
{
    char hex[64];

    str_hex_lower(hex, digest, 32);
    return any_value(values, str_eq, str_make(hex, sizeof(hex)));
}

/* The fields that a certificate holds once. */
static bool
cert_scalars_match(const struct evaluation *e)
{
    const struct rule_cert_condition *c = &e->rule->when.cert;
    const struct identity *id = e->in->identity;

    if (c->sha256.count > 0 &&
        !traced(e, "client_certificate.sha256", digest_matches(&c->sha256, id->sha256)))
        return false;
    if (c->spki_sha256.count > 0 && !traced(e, "client_certificate.spki_sha256",
                                            digest_matches(&c->spki_sha256, id->spki_sha256)))
        return false;
    return c->serial.count == 0 ||
           traced(e, "client_certificate.serial", any_value(&c->serial, str_eq, id->serial));
}

static bool
cert_matches(const struct evaluation *e)
{
    const struct rule_cert_condition *c = &e->rule->when.cert;

    if (e->in->identity == NULL)
        return traced(e, "client_certificate", false);
    for (size_t i = 0; i < array_len(cert_fields); i++) {
        const struct cert_field *f = &cert_fields[i];
        const struct str_list *values =
            (const struct str_list *)(const void *)((const char *)c + f->condition);

        if (values->count > 0 &&
            !traced(e, f->name, cert_field_matches(f, values, e->in->identity)))
            return false;
    }
    if (c->san_uri.count > 0 &&
        !traced(e, "client_certificate.san_uri", any_san_uri(&c->san_uri, e->in->identity)))
        return false;
    return cert_scalars_match(e);
}

/* ---- all of a rule ---- */

static bool
headers_match(const struct evaluation *e)
{
    const struct rule_conditions *c = &e->rule->when;

    for (size_t i = 0; i < c->header_count; i++) {
        if (!traced(e, "header", header_matches(&c->headers[i], &e->in->req->headers)))
            return false;
    }
    return true;
}

bool
rule_matches(const struct rule *rule, const struct rule_input *in, const struct rule_trace *trace)
{
    const struct rule_conditions *c = &rule->when;
    const struct evaluation e = {rule, in, trace};

    if (c->method.count > 0 && !traced(&e, "method", method_matches(c, in)))
        return false;
    if (c->host.count > 0 && !traced(&e, "host", host_condition_matches(c, in)))
        return false;
    if (c->path.count > 0 && !traced(&e, "path", path_matches(c, in)))
        return false;
    if (c->source_ip_count > 0 && !traced(&e, "source_ip", source_ip_matches(c, in)))
        return false;
    if (c->vpc_endpoint.count > 0 && !traced(&e, "vpc_endpoint", vpc_endpoint_matches(c, in)))
        return false;
    if (!headers_match(&e))
        return false;
    if (c->query.count > 0 && !traced(&e, "query", query_matches(c, in)))
        return false;
    return !c->cert.is_set || cert_matches(&e);
}
