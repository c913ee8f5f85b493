/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/2 requests into the model, for the HTTP/2 codec. The library below it checks much of
 * this, too; here nothing is taken on trust, since the upstream may speak HTTP/1 and a stray
 * byte would become a line there. Owns nothing, any thread. Must never join or reorder
 * fields other than cookie crumbs.
 */
#include "http/h2_request.h"

#include "base/limits.h"
#include "http/chars.h"
#include "http/target.h"

struct h2_facts {
    struct str host;
    struct str content_length;
    uint32_t host_count;
    uint32_t content_length_count;
    uint32_t cookie_count;
    size_t cookie_bytes;
    size_t bytes; /* names and values */
};

/* "A field name MUST NOT contain characters in the ranges 0x00-0x20, 0x41-0x5a, or 0x7f-0xff" (RFC
 * 9113 8.2.1), nor a colon; a token is narrower. */
static bool
is_lower_token(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!char_is(name.ptr[i], CHAR_TOKEN) || (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z'))
            return false;
    }
    return name.len > 0;
}

static bool
is_bare_value(struct str value)
{
    return http_is_field_value(value) && str_trim(value).len == value.len;
}

/* RFC 9113 8.2.2: framing and connections are not the business of fields here. */
static bool
is_connection_specific(const struct http_header *field)
{
    switch (field->token) {
    case HEADER_CONNECTION:
    case HEADER_KEEP_ALIVE:
    case HEADER_PROXY_CONNECTION:
    case HEADER_TRANSFER_ENCODING:
    case HEADER_UPGRADE:
    case HEADER_HTTP2_SETTINGS:
        return true;
    case HEADER_TE:
        return !str_eq_nocase(field->value, STR("trailers"));
    default:
        return false;
    }
}

static void
note_fact(struct h2_facts *f, const struct http_header *field)
{
    f->bytes += field->name.len + field->value.len;
    switch (field->token) {
    case HEADER_HOST:
        f->host = field->value;
        f->host_count++;
        break;
    case HEADER_CONTENT_LENGTH:
        f->content_length = field->value;
        f->content_length_count++;
        break;
    case HEADER_COOKIE:
        f->cookie_count++;
        f->cookie_bytes += field->value.len + 2;
        break;
    default:
        break;
    }
}

static enum h1_fault
fields_judge(const struct http_headers *headers, struct h2_facts *facts)
{
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct http_header *field = &headers->fields[i];

        if (!is_lower_token(field->name))
            return H1_FAULT_BAD_NAME;
        if (!is_bare_value(field->value))
            return H1_FAULT_BAD_VALUE;
        if (field->name.len + field->value.len > HEADER_LINE_MAX)
            return H1_FAULT_HEADER_TOO_LONG;
        if (is_connection_specific(field))
            return H1_FAULT_CONNECTION_FIELD;
        if (field->token == HEADER_OTHER && http_header_imitates_framing(field->name))
            return H1_FAULT_SUSPICIOUS_NAME;
        note_fact(facts, field);
    }
    return headers->count > REQUEST_HEADERS_MAX ? H1_FAULT_TOO_MANY_HEADERS : H1_FAULT_NONE;
}

/* RFC 9113 8.2.3: crumbs are joined by "; " before they leave HTTP/2. The joined field stands where
 * the first crumb stood. */
static enum h1_fault
cookies_join(struct http_headers *headers, const struct h2_facts *facts, struct arena *arena)
{
    uint32_t kept = 0;
    size_t len = 0;
    struct http_header *joined = NULL;
    char *text;

    if (facts->cookie_count < 2)
        return H1_FAULT_NONE;
    if (facts->cookie_bytes > HEADER_LINE_MAX)
        return H1_FAULT_HEADER_TOO_LONG;
    text = arena_alloc(arena, facts->cookie_bytes);
    if (text == NULL)
        return H1_FAULT_NO_MEMORY;
    for (uint32_t i = 0; i < headers->count; i++) {
        struct http_header field = headers->fields[i];

        if (field.token == HEADER_COOKIE) {
            if (joined != NULL) {
                text[len++] = ';';
                text[len++] = ' ';
            }
            if (field.value.len > 0)
                memcpy(text + len, field.value.ptr, field.value.len);
            len += field.value.len;
            if (joined != NULL)
                continue;
            joined = &headers->fields[kept];
        }
        headers->fields[kept++] = field;
    }
    joined->value = str_make(text, len);
    headers->count = kept;
    return H1_FAULT_NONE;
}

static enum h1_fault
framing_judge(const struct h2_facts *f, bool end_stream, struct http_req *req)
{
    req->framing = end_stream ? FRAMING_NONE : FRAMING_CHUNKED;
    if (f->content_length_count == 0)
        return H1_FAULT_NONE;
    if (f->content_length_count > 1)
        return H1_FAULT_MANY_CONTENT_LENGTHS;
    if (str_parse_u64(f->content_length, CONTENT_LENGTH_MAX, &req->content_length) != 0 ||
        (end_stream && req->content_length > 0))
        return H1_FAULT_BAD_CONTENT_LENGTH;
    req->framing = FRAMING_LENGTH;
    return H1_FAULT_NONE;
}

/* RFC 9113 8.3.1: with both present they must name the same host; a default port may be written in
 * one of them only. */
static enum h1_fault
hosts_agree(struct str authority, struct str host, struct arena *arena)
{
    struct str texts[2] = {authority, host};
    struct str hosts[2];
    uint16_t ports[2];

    for (size_t i = 0; i < array_len(texts); i++) {
        struct str ignored;
        int err = authority_parse(texts[i], arena, &ignored, &hosts[i], &ports[i]);

        if (err != 0)
            return err == GW_E_NOSPACE ? H1_FAULT_NO_MEMORY : H1_FAULT_BAD_HOST;
        ports[i] = ports[i] == 0 ? 443 : ports[i];
    }
    return str_eq(hosts[0], hosts[1]) && ports[0] == ports[1] ? H1_FAULT_NONE
                                                              : H1_FAULT_HOST_MISMATCH;
}

static enum h1_fault
authority_judge(const struct h2_facts *f, struct arena *arena, struct str *authority)
{
    if (f->host_count > 1)
        return H1_FAULT_MANY_HOSTS;
    if (authority->ptr == NULL && f->host_count == 1)
        *authority = f->host.ptr != NULL ? f->host : STR("");
    else if (f->host_count == 1 && !str_eq(*authority, f->host))
        return hosts_agree(*authority, f->host, arena);
    return authority->ptr == NULL ? H1_FAULT_NO_HOST : H1_FAULT_NONE;
}

/* CONNECT has :authority alone (RFC 9113 8.5), every other method has all. */
static enum h1_fault
pseudo_judge(struct http_req *req, struct str scheme, struct str authority, struct str path)
{
    if (!http_is_token(req->method_text) || req->method_text.len > METHOD_BYTES_MAX)
        return H1_FAULT_BAD_METHOD;
    req->method = http_method_parse(req->method_text);
    if (req->method == METHOD_CONNECT) {
        req->target = authority;
        return scheme.ptr == NULL && path.ptr == NULL ? H1_FAULT_NONE : H1_FAULT_BAD_TARGET;
    }
    req->target = path;
    if (!str_eq(scheme, STR("https")))
        return H1_FAULT_BAD_SCHEME;
    return path.len > REQUEST_LINE_MAX ? H1_FAULT_LINE_TOO_LONG : H1_FAULT_NONE;
}

int
h2_request_finish(struct http_req *req, struct str method, struct str scheme, struct str authority,
                  struct str path, bool end_stream, struct arena *arena, enum h1_fault *ret_fault)
{
    struct http_req parsed = {
        .version = HTTP_20,
        .method_text = method,
        .headers = req->headers,
        .keep_alive = true,
    };
    struct h2_facts facts = {.host_count = 0};
    enum h1_fault fault = fields_judge(&parsed.headers, &facts);

    if (fault == H1_FAULT_NONE)
        fault = framing_judge(&facts, end_stream, &parsed);
    if (fault == H1_FAULT_NONE)
        fault = authority_judge(&facts, arena, &authority);
    if (fault == H1_FAULT_NONE)
        fault = pseudo_judge(&parsed, scheme, authority, path);
    if (fault == H1_FAULT_NONE)
        fault = cookies_join(&parsed.headers, &facts, arena);
    if (fault != H1_FAULT_NONE) {
        *ret_fault = fault;
        return GW_E_PROTO;
    }
    if (target_parse(parsed.target, authority, arena, &parsed, ret_fault) != 0)
        return GW_E_PROTO;
    parsed.head_bytes = facts.bytes + method.len + scheme.len + authority.len + path.len;
    *req = parsed;
    return 0;
}
