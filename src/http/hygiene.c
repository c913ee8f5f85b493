/* SPDX-License-Identifier: Apache-2.0
 *
 * Marks what a client or an upstream may not pass on: identity names, hop-by-hop fields and
 * what Connection nominates. Called once per message by the stream, for both HTTP versions.
 * Owns nothing, any thread. Must never remove a field (the log and the forwarder want the
 * table whole) and never look at anything the gateway adds itself, which comes later.
 */
#include "http/hygiene.h"

#include "base/limits.h"
#include "http/chars.h"

/* Lower case, and whatever is no letter or digit as '-'. CGI-like origins take '_' and '.' for '-',
 * and some take any other byte for it, too. */
static char
fold(char c)
{
    return ascii_is_digit(c) || ascii_is_alpha(c) ? ascii_lower(c) : '-';
}

static bool
folds_equal(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (fold(a[i]) != fold(b[i]))
            return false;
    }
    return true;
}

static bool
name_is(struct str name, struct str want)
{
    return name.len == want.len && folds_equal(name.ptr, want.ptr, want.len);
}

static bool
name_begins(struct str name, struct str want)
{
    return name.len >= want.len && folds_equal(name.ptr, want.ptr, want.len);
}

/* Everything that begins so carries a client certificate, or a fact of one, somewhere: ALB, RFC
 * 9440, Envoy, Traefik, nginx and HAProxy recipes, IIS, CloudFront, Cloudflare, WebLogic, WSO2. */
static const struct str identity_prefixes[] = {
    STR_INIT("client-cert"), STR_INIT("cf-client-cert-"), STR_INIT("cloudfront-viewer-cert-"),
    STR_INIT("ssl-client-"), STR_INIT("tls-client-"),     STR_INIT("wl-proxy-client-cert"),
};

/* The same, behind "x-". */
static const struct str identity_x_prefixes[] = {
    STR_INIT("amzn-mtls-"),
    STR_INIT("amzn-tls-"),
    STR_INIT("forwarded-client-cert"),
    STR_INIT("forwarded-tls-client-"),
    STR_INIT("forwarded-ssl-client-"),
    STR_INIT("ssl-"),
    STR_INIT("tls-client-"),
    STR_INIT("mtls-"),
    STR_INIT("client-cert"),
    STR_INIT("clientcert"),
    STR_INIT("arr-clientcert"),
    STR_INIT("wso2-client-cert"),
};

/* Behind "x-client-" these count whole, or with "-" and more behind: "x-client-san" and
 * "x-client-san-dns", but not "x-client-sandbox". */
static const struct str identity_client_words[] = {
    STR_INIT("verify"), STR_INIT("dn"),        STR_INIT("cn"),       STR_INIT("s-dn"),
    STR_INIT("i-dn"),   STR_INIT("subject"),   STR_INIT("issuer"),   STR_INIT("serial"),
    STR_INIT("san"),    STR_INIT("notbefore"), STR_INIT("notafter"), STR_INIT("fingerprint"),
    STR_INIT("sha256"), STR_INIT("sha1"),      STR_INIT("spiffe"),
};

/* Runs for every field of every message: a prefix is mostly ruled out by its first byte. */
static bool
begins_with_any(struct str name, const struct str *prefixes, size_t count)
{
    char first = name.len > 0 ? fold(name.ptr[0]) : '\0';

    for (size_t i = 0; i < count; i++) {
        if (prefixes[i].ptr[0] == first && name_begins(name, prefixes[i]))
            return true;
    }
    return false;
}

static bool
is_client_word(struct str rest)
{
    for (size_t i = 0; i < array_len(identity_client_words); i++) {
        struct str word = identity_client_words[i];

        if (name_begins(rest, word) && (rest.len == word.len || fold(rest.ptr[word.len]) == '-'))
            return true;
    }
    return false;
}

/* Most leave at the first letter. */
static bool
is_well_known_identity(struct str name)
{
    struct str rest;

    switch (name.len > 2 ? fold(name.ptr[0]) : '\0') {
    case 'x':
        rest = str_sub(name, 2, name.len);
        return fold(name.ptr[1]) == '-' &&
               (begins_with_any(rest, identity_x_prefixes, array_len(identity_x_prefixes)) ||
                (name_begins(rest, STR("client-")) && is_client_word(str_sub(rest, 7, rest.len))));
    case 'c':
    case 's':
    case 't':
    case 'w':
        return begins_with_any(name, identity_prefixes, array_len(identity_prefixes));
    default:
        return false;
    }
}

static bool
is_renamed(const struct hygiene_names *names, struct str name)
{
    for (size_t i = 0; names != NULL && i < names->renamed_count; i++) {
        if (name_is(name, names->renamed[i]))
            return true;
    }
    return false;
}

bool
hygiene_is_identity_name(const struct hygiene_names *names, struct str name)
{
    return is_well_known_identity(name) || is_renamed(names, name);
}

/* Fields whose loss would change what a request means or who sent it. */
static bool
is_protected(const struct hygiene_names *names, struct str name)
{
    return name_is(name, STR("host")) || name_begins(name, STR("content-")) ||
           name_is(name, STR("transfer-encoding")) || name_is(name, STR("authorization")) ||
           name_is(name, STR("cookie")) || name_begins(name, STR("x-forwarded-")) ||
           name_is(name, STR("forwarded")) || hygiene_is_identity_name(names, name);
}

static void
drop(struct http_header *field, uint32_t *count)
{
    if (field->is_dropped)
        return;
    field->is_dropped = true;
    (*count)++;
}

static void
drop_named(struct http_headers *headers, struct str name, uint32_t *count)
{
    for (uint32_t i = 0; i < headers->count; i++) {
        if (str_eq_nocase(headers->fields[i].name, name))
            drop(&headers->fields[i], count);
    }
}

/* What both directions want to know of Connection. */
struct connection_options {
    const struct hygiene_names *names;
    struct http_headers *headers;
    uint32_t *dropped;
    uint32_t token_count;
    bool says_close;
    bool is_request; /* a response that nominates a protected field is not refused, it is ignored */
};

static int
connection_option(struct connection_options *o, struct str option)
{
    if (option.len == 0) /* empty list elements are legal, RFC 9110 5.6.1.2 */
        return 0;
    if (++o->token_count > CONNECTION_TOKENS_MAX || !http_is_token(option))
        return GW_E_PROTO;
    if (str_eq_nocase(option, STR("close"))) {
        o->says_close = true;
        return 0;
    }
    if (is_protected(o->names, option))
        return o->is_request ? GW_E_PROTO : 0;
    drop_named(o->headers, option, o->dropped);
    return 0;
}

static int
connection_read(struct connection_options *o)
{
    for (uint32_t i = 0; i < o->headers->count; i++) {
        struct str rest = o->headers->fields[i].value;
        struct str option;
        bool done = false;

        if (o->headers->fields[i].token != HEADER_CONNECTION)
            continue;
        while (str_split_next(&rest, ',', &done, &option)) {
            int err = connection_option(o, str_trim(option));

            if (err != 0)
                return err;
        }
    }
    return 0;
}

static void
mark_token(struct http_headers *headers, enum header_token token, uint32_t *count)
{
    for (uint32_t i = 0; i < headers->count; i++) {
        if (headers->fields[i].token == token)
            drop(&headers->fields[i], count);
    }
}

/* All but Upgrade, which the callers mark by itself: letting one protocol through later is then a
 * change of one line there. */
static void
mark_hop_by_hop(struct http_headers *headers, uint32_t *count)
{
    for (uint32_t i = 0; i < headers->count; i++) {
        enum header_token token = headers->fields[i].token;

        if (token != HEADER_OTHER && token != HEADER_UPGRADE && http_header_is_hop_by_hop(token))
            drop(&headers->fields[i], count);
    }
}

static void
mark_identity(const struct hygiene_names *names, struct http_headers *headers, uint32_t *count)
{
    for (uint32_t i = 0; i < headers->count; i++) {
        struct http_header *field = &headers->fields[i];
        bool may_be_well_known = field->token == HEADER_OTHER; /* no token is one */

        if ((may_be_well_known && is_well_known_identity(field->name)) ||
            is_renamed(names, field->name))
            drop(field, count);
    }
}

/* What only looks like the facts that the gateway states itself would stand beside them, and an
 * origin that folds names could not tell which is which. */
static bool
imitates_forwarding(const struct http_header *field)
{
    struct str rest = str_sub(field->name, 12, field->name.len);

    return field->token == HEADER_OTHER && name_begins(field->name, STR("x-forwarded-")) &&
           (name_is(rest, STR("for")) || name_is(rest, STR("proto")) || name_is(rest, STR("port")));
}

static void
mark_imitations(struct http_headers *headers, uint32_t *count)
{
    for (uint32_t i = 0; i < headers->count; i++) {
        if (imitates_forwarding(&headers->fields[i]))
            drop(&headers->fields[i], count);
    }
}

/* The gateway answers 100 itself and forwards no Expect. HTTP/1.0 clients do not know 100 (RFC
 * 9110 10.1.1), HTTP/2 clients do not need it, and nobody waits without a body to send. */
static int
expect_read(struct http_req *req, uint32_t *dropped)
{
    bool has_body = req->framing == FRAMING_CHUNKED ||
                    (req->framing == FRAMING_LENGTH && req->content_length > 0);
    uint32_t count = 0;

    for (uint32_t i = 0; i < req->headers.count; i++) {
        struct http_header *field = &req->headers.fields[i];

        if (field->token != HEADER_EXPECT)
            continue;
        if (++count > 1 || !str_eq_nocase(field->value, STR("100-continue")))
            return GW_E_PROTO;
        drop(field, dropped);
    }
    req->expect_continue = count == 1 && has_body && req->version == HTTP_11;
    return 0;
}

int
hygiene_request(const struct hygiene_names *names, struct http_req *req, struct hygiene_result *ret,
                enum h1_fault *ret_fault)
{
    struct hygiene_result result = {0};
    struct connection_options options = {
        .names = names,
        .headers = &req->headers,
        .dropped = &result.hop_dropped,
        .is_request = true,
    };

    mark_identity(names, &req->headers, &result.identity_dropped);
    mark_imitations(&req->headers, &result.hop_dropped);
    if (expect_read(req, &result.hop_dropped) != 0) {
        *ret_fault = H1_FAULT_BAD_EXPECT;
        return GW_E_PROTO;
    }
    if (connection_read(&options) != 0) {
        *ret_fault = H1_FAULT_BAD_CONNECTION;
        return GW_E_PROTO;
    }
    mark_hop_by_hop(&req->headers, &result.hop_dropped);
    mark_token(&req->headers, HEADER_UPGRADE, &result.hop_dropped);
    /* An origin may trust it (RFC 8470 5.1), and this gateway takes no early data. */
    mark_token(&req->headers, HEADER_EARLY_DATA, &result.hop_dropped);
    req->keep_alive = req->version != HTTP_10 && !options.says_close;
    *ret = result;
    return 0;
}

int
hygiene_response(struct http_resp *resp, enum h1_fault *ret_fault)
{
    uint32_t dropped = 0;
    struct connection_options options = {
        .headers = &resp->headers,
        .dropped = &dropped,
        .is_request = false,
    };

    if (resp->status == 101) {
        *ret_fault = H1_FAULT_BAD_STATUS;
        return GW_E_PROTO;
    }
    mark_identity(NULL, &resp->headers, &dropped);
    if (connection_read(&options) != 0) {
        *ret_fault = H1_FAULT_BAD_CONNECTION;
        return GW_E_PROTO;
    }
    mark_hop_by_hop(&resp->headers, &dropped);
    mark_token(&resp->headers, HEADER_UPGRADE, &dropped);
    if (resp->version == HTTP_10 || options.says_close)
        resp->keep_alive = false;
    return 0;
}
