/* SPDX-License-Identifier: Apache-2.0
 *
 * The request head for the upstream, in ALB's order and spelling. Called by the stream once per
 * request, on the worker's thread; owns nothing, allocates only the trace id's text. Must never
 * copy framing, hop-by-hop or reserved fields of the client, nor write half a head.
 */
#include "policy/forward.h"

#include "base/assert.h"
#include "base/limits.h"
#include "policy/head_writer.h"

/* "1-" 8 hex "-" 24 hex */
#define TRACE_ID_LEN (2 + 8 + 1 + 24)

/* Fields of the client that are never copied: ours to write, or meant for this hop only.
 * Hygiene has marked the latter already; a second lock costs one table look-up. */
static const bool is_withheld[HEADER_TOKEN_COUNT] = {
    [HEADER_HOST] = true,
    [HEADER_CONNECTION] = true,
    [HEADER_KEEP_ALIVE] = true,
    [HEADER_PROXY_CONNECTION] = true,
    [HEADER_TRANSFER_ENCODING] = true,
    [HEADER_CONTENT_LENGTH] = true,
    [HEADER_TE] = true,
    [HEADER_TRAILER] = true,
    [HEADER_UPGRADE] = true,
    [HEADER_HTTP2_SETTINGS] = true,
    [HEADER_EXPECT] = true,
    [HEADER_EARLY_DATA] = true,
    [HEADER_X_FORWARDED_FOR] = true,
    [HEADER_X_FORWARDED_PROTO] = true,
    [HEADER_X_FORWARDED_PORT] = true,
    [HEADER_X_AMZN_TRACE_ID] = true,
};

/* ---- X-Forwarded-For ---- */

static uint32_t
count_addresses(struct str list)
{
    struct str piece;
    uint32_t count = 0;
    bool done = list.len == 0;

    while (str_split_next(&list, ',', &done, &piece))
        count += str_trim(piece).len > 0;
    return count;
}

static bool
xff_is_within_limit(const struct http_headers *headers)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < headers->count; i++) {
        const struct http_header *h = &headers->fields[i];

        if (h->token == HEADER_X_FORWARDED_FOR && !h->is_dropped)
            count += count_addresses(h->value);
    }
    return count <= XFF_ADDRESSES_MAX;
}

/* Every line that the client sent, in order, joined with ", ". False when there was none. */
static bool
put_client_xff(struct head_writer *w, const struct http_headers *headers)
{
    bool has_any = false;

    for (uint32_t i = 0; i < headers->count; i++) {
        const struct http_header *h = &headers->fields[i];

        if (h->token != HEADER_X_FORWARDED_FOR || h->is_dropped || h->value.len == 0)
            continue;
        head_put(w, has_any ? STR(", ") : STR("X-Forwarded-For: "));
        head_put(w, h->value);
        has_any = true;
    }
    return has_any;
}

/* The port is added in append mode only; then, and only then, IPv6 wears brackets. */
static void
put_own_address(struct head_writer *w, const struct forward_request *f)
{
    const struct forward_conn *c = f->conn;
    bool is_bracketed = f->settings->xff_client_port && str_chr(c->client_ip, ':') >= 0;

    if (is_bracketed)
        head_put(w, STR("["));
    head_put(w, c->client_ip);
    if (is_bracketed)
        head_put(w, STR("]"));
    if (f->settings->xff_client_port) {
        head_put(w, STR(":"));
        head_put(w, c->client_port);
    }
}

static void
put_xff(struct head_writer *w, const struct forward_request *f)
{
    bool has_client_list;

    if (f->settings->xff_mode == XFF_REMOVE)
        return;
    has_client_list = put_client_xff(w, &f->req->headers);
    if (f->settings->xff_mode == XFF_APPEND) {
        head_put(w, has_client_list ? STR(", ") : STR("X-Forwarded-For: "));
        put_own_address(w, f);
    } else if (!has_client_list) {
        return;
    }
    head_put(w, STR("\r\n"));
}

/* ---- X-Amzn-Trace-Id ---- */

static void
trace_id_format(char dst[TRACE_ID_LEN], const struct forward_request *f)
{
    uint32_t epoch = (uint32_t)f->wall_s;
    const uint8_t seconds[4] = {(uint8_t)(epoch >> 24), (uint8_t)(epoch >> 16),
                                (uint8_t)(epoch >> 8), (uint8_t)epoch};

    dst[0] = '1';
    dst[1] = '-';
    str_hex_lower(dst + 2, seconds, sizeof(seconds));
    dst[10] = '-';
    str_hex_lower(dst + 11, f->trace_random, sizeof(f->trace_random));
}

/* Field lines as they were on the wire; what is above TRACE_HEADERS_BYTES_MAX loses its trace. */
static bool
headers_are_large(const struct http_headers *headers)
{
    size_t total = 0;

    for (uint32_t i = 0; i < headers->count; i++)
        total += headers->fields[i].name.len + headers->fields[i].value.len + 4;
    return total > TRACE_HEADERS_BYTES_MAX;
}

/* The client's value, or empty when it is to be made anew. The first line counts. */
static struct str
client_trace(const struct http_req *req)
{
    const struct http_header *h = http_headers_get(&req->headers, HEADER_X_AMZN_TRACE_ID);

    if (h == NULL || headers_are_large(&req->headers))
        return (struct str){0};
    return h->value;
}

static bool
trace_has_field(struct str value, struct str field)
{
    struct str piece;
    bool done = false;

    while (str_split_next(&value, ';', &done, &piece)) {
        if (str_starts(str_trim(piece), field))
            return true;
    }
    return false;
}

static char *
add(char *at, struct str s)
{
    memcpy(at, s.ptr, s.len);
    return at + s.len;
}

/* value with its first Self= replaced, later ones left out. dst has room for value and an id. */
static size_t
trace_replace_self(char *dst, struct str value, struct str id)
{
    struct str piece;
    bool done = false, has_self = false;
    char *at = dst;

    while (str_split_next(&value, ';', &done, &piece)) {
        bool is_self = str_starts(str_trim(piece), STR("Self="));

        if (is_self && has_self)
            continue;
        if (at > dst)
            *at++ = ';';
        if (is_self) {
            at = add(at, STR("Self="));
            piece = id;
            has_self = true;
        }
        if (piece.len > 0)
            at = add(at, piece);
    }
    return (size_t)(at - dst);
}

/* Root anew when there is none, in front of any custom fields; Self in front of a client's Root;
 * a Self that is there already gets our value ("Request tracing"). */
int
forward_trace_id(const struct forward_request *f, struct arena *arena, struct str *ret)
{
    struct str value = client_trace(f->req);
    char *dst = arena_alloc(arena, value.len + TRACE_ID_LEN + sizeof("Root=;"));
    char id_text[TRACE_ID_LEN];
    struct str id = str_make(id_text, sizeof(id_text));
    char *at = dst;

    if (dst == NULL)
        return GW_E_NOSPACE;
    trace_id_format(id_text, f);
    if (trace_has_field(value, STR("Self="))) {
        *ret = str_make(dst, trace_replace_self(dst, value, id));
        return 0;
    }
    at = add(at, trace_has_field(value, STR("Root=")) ? STR("Self=") : STR("Root="));
    at = add(at, id);
    if (value.len > 0) {
        *at++ = ';';
        at = add(at, value);
    }
    *ret = str_make(dst, (size_t)(at - dst));
    return 0;
}

/* ---- the rest of the head ---- */

/* Always origin-form (or "*"): the scheme and authority of an absolute-form target are ours. */
static void
put_request_line(struct head_writer *w, const struct http_req *req)
{
    head_put(w, req->method_text);
    head_put(w, STR(" "));
    head_put(w, req->path.len > 0 ? req->path : STR("/"));
    if (req->query.ptr != NULL) {
        head_put(w, STR("?"));
        head_put(w, req->query);
    }
    head_put(w, STR(" HTTP/1.1\r\n"));
}

/* HTTP/2 may split Cookie into several fields; HTTP/1 wants one (RFC 9113 8.2.3). */
static void
put_cookies(struct head_writer *w, const struct http_headers *headers, uint32_t first)
{
    head_put(w, headers->fields[first].name);
    head_put(w, STR(": "));
    head_put(w, headers->fields[first].value);
    for (uint32_t i = first + 1; i < headers->count; i++) {
        const struct http_header *h = &headers->fields[i];

        if (h->token != HEADER_COOKIE || h->is_dropped)
            continue;
        head_put(w, STR("; "));
        head_put(w, h->value);
    }
    head_put(w, STR("\r\n"));
}

static void
put_client_fields(struct head_writer *w, const struct http_req *req)
{
    bool joins_cookies = req->version == HTTP_20;
    bool has_cookie = false;

    for (uint32_t i = 0; i < req->headers.count; i++) {
        const struct http_header *h = &req->headers.fields[i];

        if (h->is_dropped || is_withheld[h->token])
            continue;
        if (h->token != HEADER_COOKIE || !joins_cookies) {
            head_put_field(w, h->name, h->value);
        } else if (!has_cookie) {
            put_cookies(w, &req->headers, i);
            has_cookie = true;
        }
    }
}

static void
put_framing(struct head_writer *w, enum http_framing framing, uint64_t content_length)
{
    if (framing == FRAMING_CHUNKED) {
        head_put(w, STR("Transfer-Encoding: chunked\r\n"));
    } else if (framing == FRAMING_LENGTH) {
        head_put(w, STR("Content-Length: "));
        head_put_u64(w, content_length);
        head_put(w, STR("\r\n"));
    }
}

/* "Host header preservation" of Application Load Balancers, when it is off. */
static void
put_host_as_alb(struct head_writer *w, struct str authority, struct str port)
{
    bool is_default = str_eq(port, STR("443")) || str_eq(port, STR("80"));
    ptrdiff_t colon = str_rchr(authority, ':');
    bool has_port = colon >= 0 && str_chr(str_sub(authority, (size_t)colon, SIZE_MAX), ']') < 0;

    if (has_port && is_default && str_eq(str_sub(authority, (size_t)colon + 1, SIZE_MAX), port))
        authority = str_sub(authority, 0, (size_t)colon);
    head_put(w, authority);
    if (!has_port && !is_default && authority.len > 0) {
        head_put(w, STR(":"));
        head_put(w, port);
    }
}

static void
put_host(struct head_writer *w, const struct forward_request *f)
{
    head_put(w, STR("Host: "));
    if (f->host.len > 0)
        head_put(w, f->host);
    else if (f->settings->host_as_alb)
        put_host_as_alb(w, f->req->authority, f->conn->listener_port);
    else
        head_put(w, f->req->authority);
    head_put(w, STR("\r\n"));
}

static int
write_head(const struct forward_request *f, struct str trace_id, struct buf *out)
{
    const struct forward_conn *c = f->conn;
    struct head_writer w;

    head_writer_begin(&w, out);
    put_request_line(&w, f->req);
    put_xff(&w, f);
    head_put_field(&w, STR("X-Forwarded-Proto"), c->proto);
    head_put_field(&w, STR("X-Forwarded-Port"), c->listener_port);
    head_put(&w, c->identity_block);
    put_host(&w, f);
    head_put_field(&w, STR("X-Amzn-Trace-Id"), trace_id);
    put_client_fields(&w, f->req);
    put_framing(&w, f->framing, f->req->content_length);
    head_put(&w, STR("\r\n"));
    return head_writer_end(&w, out);
}

int
forward_request_write(const struct forward_request *f, struct buf *out, struct arena *arena,
                      struct str *ret_trace_id)
{
    struct str trace_id;
    int err;

    buf_check(out);
    gw_assert(f->framing != FRAMING_UNTIL_CLOSE);
    if (!xff_is_within_limit(&f->req->headers))
        return GW_E_LIMIT;
    err = forward_trace_id(f, arena, &trace_id);
    if (err != 0)
        return err;
    err = write_head(f, trace_id, out);
    if (err == GW_E_NOSPACE && out->head > 0) {
        buf_compact(out);
        err = write_head(f, trace_id, out);
    }
    if (err == 0)
        *ret_trace_id = trace_id;
    return err;
}
