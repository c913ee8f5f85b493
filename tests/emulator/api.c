/* SPDX-License-Identifier: Apache-2.0
 *
 * What the private API answers: which API a request is for, whether the resource policy
 * lets it in, and the resources themselves. Called by worker.c once at the head, for each
 * piece of the body and once at its end, on the connection's thread.
 */
#include "emulator.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum { DIGEST_BYTES = 32, STATUS_DIGITS = 3, SIZE_DIGITS = 18 };

static const char widget[] = "{\"id\":\"1\",\"value\":\"4.99\"}";

static bool
starts(struct str s, const char *prefix)
{
    size_t n = strlen(prefix);

    return s.len >= n && memcmp(s.ptr, prefix, n) == 0;
}

static struct str
after(struct str s, size_t n)
{
    return str_make(s.ptr + n, s.len - n);
}

/* Takes text off the front of *s, any case. */
static bool
take(struct str *s, const char *text)
{
    size_t n = strlen(text);

    if (s->len < n || strncasecmp(s->ptr, text, n) != 0)
        return false;
    *s = after(*s, n);
    return true;
}

static struct str
without_port(struct str host)
{
    for (size_t i = host.len; i > 0; i--) {
        char c = host.ptr[i - 1];

        if (c == ':')
            return str_make(host.ptr, i - 1);
        if (c < '0' || c > '9')
            break;
    }
    return host;
}

/* "{api-id}.execute-api.{region}.amazonaws.com", or with "-{vpce-id}" behind the id. */
static bool
host_names_api(const struct em_options *opt, struct str host)
{
    struct str rest = without_port(host);

    if (!take(&rest, opt->api_id))
        return false;
    if (rest.len > 0 && rest.ptr[0] == '-' && (!take(&rest, "-") || !take(&rest, opt->vpce)))
        return false;
    return take(&rest, ".execute-api.") && take(&rest, opt->region) &&
           take(&rest, ".amazonaws.com") && rest.len == 0;
}

static bool
host_is_domain(const struct em_options *opt, struct str host)
{
    struct str rest = without_port(host);

    return opt->domain && take(&rest, opt->domain) && rest.len == 0;
}

/* A name of some other API: x-apigw-api-id does not help then. */
static bool
host_names_another_api(struct str host)
{
    struct str name = without_port(host);
    const char *mark = find_bytes(name.ptr, name.len, ".execute-api.", 13);

    return mark && !find_bytes(name.ptr, name.len, ".vpce.amazonaws.com", 19);
}

static bool
api_is_found(const struct em_options *opt, const struct em_request *r)
{
    if (host_names_api(opt, r->host) || host_is_domain(opt, r->host))
        return true;
    return !host_names_another_api(r->host) && str_eq(r->api_id, str_from(opt->api_id));
}

static void
answer_denied(struct em_conn *c)
{
    const struct em_options *opt = &c->worker->shared->opt;
    const struct em_request *r = &c->req;
    char *body = xformat("{\"Message\":\"User: anonymous is not authorized to perform: "
                         "execute-api:Invoke on resource: arn:aws:execute-api:%s:********1234:"
                         "%s/prod/%.*s%.*s with an explicit deny\"}",
                         opt->region, opt->api_id, STR_ARG(r->method), STR_ARG(r->path));

    em_answer(c, 403, "AccessDeniedException", str_from(body));
    free(body);
}

static void
answer_no_route(struct em_conn *c)
{
    em_answer(c, 403, "MissingAuthenticationTokenException",
              STR("{\"message\":\"Missing Authentication Token\"}"));
}

static void
answer_not_found(struct em_conn *c)
{
    em_answer(c, 404, "NotFoundException", STR("{\"message\":\"Not Found\"}"));
}

static void
answer_too_long(struct em_conn *c)
{
    c->close_after = true;
    em_answer(c, 413, "RequestTooLargeException", STR("{\"message\":\"Request Too Long\"}"));
}

static bool
number_parse(struct str s, size_t digits_max, uint64_t *ret)
{
    uint64_t n = 0;

    if (s.len == 0 || s.len > digits_max)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(s.ptr[i] - '0');
    }
    *ret = n;
    return true;
}

static bool
is_read(const struct em_request *r)
{
    return r->is_head || str_eq(r->method, STR("GET"));
}

/* The resource behind an optional stage: "/prod/widgets" and "/widgets". */
static struct str
resource_of(struct str path)
{
    static const char *const known[] = {"/widgets", "/echo", "/bytes/", "/sink", "/status/"};
    const char *slash;

    for (size_t i = 0; i < array_len(known); i++)
        if (starts(path, known[i]))
            return path;
    slash = path.len > 1 ? memchr(path.ptr + 1, '/', path.len - 1) : NULL;
    return slash ? after(path, (size_t)(slash - path.ptr)) : path;
}

static void
route_status(struct em_conn *c, struct str digits)
{
    uint64_t status = 0;

    if (!number_parse(digits, STATUS_DIGITS, &status) || status < 200)
        answer_not_found(c);
    else if (status == 204 || status == 304)
        em_answer_head(c, (int)status, NULL, "application/json", 0);
    else
        em_answer(c, (int)status, NULL, STR("{\"message\":\"as asked\"}"));
}

static void
route(struct em_conn *c)
{
    struct em_request *r = &c->req;
    struct str path = resource_of(r->path);

    if (str_eq(path, STR("/widgets")) && is_read(r))
        r->route = EM_WIDGETS;
    else if (starts(path, "/widgets/") && is_read(r))
        r->route = str_eq(path, STR("/widgets/1")) ? EM_WIDGETS : EM_NOT_ROUTED;
    else if (str_eq(path, STR("/echo")))
        r->route = EM_ECHO;
    else if (str_eq(path, STR("/sink")))
        r->route = EM_SINK;
    else if (starts(path, "/bytes/") && is_read(r) &&
             number_parse(after(path, 7), SIZE_DIGITS, &r->stream_bytes))
        r->route = EM_BYTES;
    else if (starts(path, "/status/"))
        route_status(c, after(path, 8));
    else
        answer_no_route(c);
    if (r->route == EM_NOT_ROUTED)
        answer_not_found(c);
}

static void
decide(struct em_conn *c)
{
    const struct em_options *opt = &c->worker->shared->opt;
    struct em_request *r = &c->req;

    if (str_eq(r->path, STR("/ping")) || str_eq(r->path, STR("/sping")))
        em_answer(c, 200, NULL, STR("{\"message\":\"healthy\"}"));
    else if (opt->header_limit && r->value_bytes > opt->header_limit)
        em_answer(c, 400, "BadRequestException", STR("{\"message\":\"Bad Request\"}"));
    else if (!api_is_found(opt, r))
        em_answer(c, 403, "ForbiddenException", STR("{\"message\":\"Forbidden\"}"));
    else if (opt->require_vpce && strcmp(opt->require_vpce, opt->vpce) != 0)
        answer_denied(c);
    else if (!opt->no_payload_limit && r->length > EM_PAYLOAD_MAX)
        answer_too_long(c);
    else
        route(c);
}

void
em_request_begin(struct em_conn *c)
{
    struct em_request *r = &c->req;

    c->trailers.len = 0;
    decide(c);
    if (r->route == EM_DONE)
        return;
    if (r->route == EM_ECHO) {
        if (!c->digest)
            c->digest = EVP_MD_CTX_new();
        if (!c->digest || EVP_DigestInit_ex(c->digest, EVP_sha256(), NULL) != 1)
            die("no SHA-256");
    }
    if (r->wants_continue && !r->body_done && !r->is_http10)
        bytes_puts(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

bool
em_request_body(struct em_conn *c, const char *p, size_t n)
{
    struct em_request *r = &c->req;

    r->body_bytes += n;
    if (r->route == EM_ECHO && EVP_DigestUpdate(c->digest, p, n) != 1)
        die("no SHA-256");
    if (c->worker->shared->opt.no_payload_limit || r->body_bytes <= EM_PAYLOAD_MAX)
        return true;
    if (r->route == EM_DONE)
        c->close_after = true;
    else
        answer_too_long(c);
    r->body_done = true;
    return false;
}

/* ---- /echo ---- */

static void
echo_fields(struct bytes *out, struct str fields)
{
    struct str name;
    struct str value;
    bool first = true;

    bytes_puts(out, "[");
    while (em_field_next(&fields, &name, &value)) {
        bytes_puts(out, first ? "[" : ",[");
        em_json_string(out, name);
        bytes_puts(out, ",");
        em_json_string(out, value);
        bytes_puts(out, "]");
        first = false;
    }
    bytes_puts(out, "]");
}

static void
echo_tls(struct bytes *out, SSL *ssl)
{
    const char *sni = ssl ? SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) : NULL;

    if (!ssl) {
        bytes_puts(out, "null");
        return;
    }
    bytes_printf(out, "{\"version\":\"%s\",\"resumed\":%s,\"client_certificate\":%s,\"sni\":",
                 SSL_get_version(ssl), SSL_session_reused(ssl) ? "true" : "false",
                 SSL_get0_peer_certificate(ssl) ? "true" : "false");
    em_json_string(out, str_from(sni));
    bytes_puts(out, "}");
}

static void
echo_digest(struct bytes *out, EVP_MD_CTX *digest)
{
    unsigned char raw[DIGEST_BYTES];

    if (EVP_DigestFinal_ex(digest, raw, NULL) != 1)
        die("no SHA-256");
    for (size_t i = 0; i < sizeof(raw); i++)
        bytes_printf(out, "%02x", raw[i]);
}

static void
answer_echo(struct em_conn *c)
{
    struct em_request *r = &c->req;
    struct bytes body = {0};

    bytes_puts(&body, "{\"method\":");
    em_json_string(&body, r->method);
    bytes_puts(&body, ",\"path\":");
    em_json_string(&body, r->target);
    bytes_printf(&body, ",\"version\":\"HTTP/1.%c\",\"headers\":", r->is_http10 ? '0' : '1');
    echo_fields(&body, r->fields);
    bytes_puts(&body, ",\"trailers\":");
    echo_fields(&body, bytes_str(&c->trailers));
    bytes_printf(&body, ",\"length\":%llu,\"sha256\":\"", (unsigned long long)r->body_bytes);
    echo_digest(&body, c->digest);
    bytes_printf(&body,
                 "\",\"connection\":%llu,\"request\":%llu,\"tls\":", (unsigned long long)c->number,
                 (unsigned long long)c->requests);
    echo_tls(&body, c->ssl);
    bytes_puts(&body, "}");
    em_answer(c, 200, NULL, bytes_str(&body));
    bytes_free(&body);
}

static void
answer_sink(struct em_conn *c)
{
    char body[64];
    int n =
        snprintf(body, sizeof(body), "{\"length\":%llu}", (unsigned long long)c->req.body_bytes);

    em_answer(c, 200, NULL, str_make(body, (size_t)n));
}

/* The beginning of the body goes out with the head: a short answer is one segment. */
static void
stream_begin(struct em_conn *c, uint64_t len)
{
    size_t first = len < EM_FIRST_BYTES ? (size_t)len : (size_t)EM_FIRST_BYTES;

    bytes_add(&c->out, c->worker->shared->pattern, first);
    c->stream_at = first;
    c->stream_left = len - first;
}

void
em_request_end(struct em_conn *c)
{
    struct em_request *r = &c->req;

    switch (r->route) {
    case EM_WIDGETS:
        em_answer(c, 200, NULL, str_make(widget, sizeof(widget) - 1));
        break;
    case EM_ECHO:
        answer_echo(c);
        break;
    case EM_SINK:
        answer_sink(c);
        break;
    case EM_BYTES:
        em_answer_head(c, 200, NULL, "application/octet-stream", r->stream_bytes);
        stream_begin(c, r->is_head ? 0 : r->stream_bytes);
        break;
    case EM_NOT_ROUTED:
    case EM_DONE:
        break;
    }
}
