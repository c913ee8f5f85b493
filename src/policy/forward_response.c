/* SPDX-License-Identifier: Apache-2.0
 *
 * Responses for the client: header overrides, the HTTP/1 head, and the gateway's own answers
 * with ALB's bodies. Called by the stream on the worker's thread; text goes into the stream's
 * arena. Must never copy framing or hop-by-hop fields of the upstream.
 */
#include "policy/forward.h"

#include "base/assert.h"
#include "base/clock.h"
#include "http/reply.h"
#include "policy/head_writer.h"

#define OWN_FIELDS_MAX 3 /* Server, Date, Content-Type */

static const bool is_withheld[HEADER_TOKEN_COUNT] = {
    [HEADER_CONNECTION] = true,       [HEADER_KEEP_ALIVE] = true,
    [HEADER_PROXY_CONNECTION] = true, [HEADER_TRANSFER_ENCODING] = true,
    [HEADER_CONTENT_LENGTH] = true,   [HEADER_TRAILER] = true,
    [HEADER_UPGRADE] = true,
};

/* Overwrites the first field of that name and drops the others, or adds one. */
static int
apply_override(const struct forward_override *o, struct http_headers *headers)
{
    bool is_set = false;

    for (uint32_t i = 0; i < headers->count; i++) {
        struct http_header *h = &headers->fields[i];

        if (h->is_dropped || !str_eq_nocase(h->name, o->name))
            continue;
        if (is_set)
            h->is_dropped = true;
        else
            h->value = o->value;
        is_set = true;
    }
    return is_set ? 0 : http_headers_add(headers, o->name, o->value);
}

int
forward_response_prepare(const struct forward_settings *settings, struct http_resp *resp)
{
    for (size_t i = 0; i < settings->response_override_count; i++) {
        int err = apply_override(&settings->response_overrides[i], &resp->headers);

        if (err != 0)
            return err;
    }
    return 0;
}

/* ---- the head ---- */

static void
put_status_line(struct head_writer *w, const struct http_resp *resp)
{
    head_put(w, STR("HTTP/1.1 "));
    head_put_u64(w, (uint64_t)resp->status);
    head_put(w, STR(" "));
    head_put(w, resp->reason.len > 0 ? resp->reason : str_from(http_status_text(resp->status)));
    head_put(w, STR("\r\n"));
}

static void
put_length(struct head_writer *w, uint64_t content_length)
{
    head_put(w, STR("Content-Length: "));
    head_put_u64(w, content_length);
    head_put(w, STR("\r\n"));
}

static void
put_framing(struct head_writer *w, const struct forward_h1_response *f)
{
    if (f->framing == FRAMING_CHUNKED)
        head_put(w, STR("Transfer-Encoding: chunked\r\n"));
    else if (f->framing == FRAMING_LENGTH || (f->framing == FRAMING_NONE && f->writes_length))
        put_length(w, f->content_length);
}

/* An interim response says nothing about the connection. A body that ends with the connection
 * cannot leave it open. */
static void
put_connection(struct head_writer *w, const struct forward_h1_response *f)
{
    if (f->resp->status < 200)
        return;
    head_put(w, f->keep_alive && f->framing != FRAMING_UNTIL_CLOSE
                    ? STR("Connection: keep-alive\r\n")
                    : STR("Connection: close\r\n"));
}

static int
write_head(const struct forward_h1_response *f, struct buf *out)
{
    const struct http_headers *headers = &f->resp->headers;
    struct head_writer w;

    head_writer_begin(&w, out);
    put_status_line(&w, f->resp);
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct http_header *h = &headers->fields[i];

        if (!h->is_dropped && !is_withheld[h->token])
            head_put_field(&w, h->name, h->value);
    }
    put_framing(&w, f);
    put_connection(&w, f);
    head_put(&w, STR("\r\n"));
    return head_writer_end(&w, out);
}

int
forward_response_write(const struct forward_h1_response *f, struct buf *out)
{
    int err;

    buf_check(out);
    err = write_head(f, out);
    if (err == GW_E_NOSPACE && out->head > 0) {
        buf_compact(out);
        err = write_head(f, out);
    }
    return err;
}

/* ---- the gateway's own answers ---- */

static bool
status_has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

/* "503 Service Temporarily Unavailable" without the number. */
static struct str
own_reason(int status)
{
    struct str line = reply_status_line(status);
    ptrdiff_t space = str_chr(line, ' ');

    return space < 0 ? str_from(http_status_text(status))
                     : str_sub(line, (size_t)space + 1, line.len);
}

static struct str
own_content_type(const struct forward_own *in)
{
    if (in->body.ptr == NULL)
        return STR("text/html");
    if (in->content_type.len == 0 || str_eq_nocase(in->content_type, STR("text/plain")))
        return STR("text/plain; charset=utf-8");
    return in->content_type;
}

static int
add_own_fields(const struct forward_own *in, struct arena *arena, struct http_headers *headers)
{
    char *date = arena_alloc(arena, CLOCK_HTTP_LEN);
    int err = 0;

    if (date == NULL)
        return GW_E_LIMIT;
    clock_format_http(date, in->wall_s);
    if (in->settings->sends_server)
        err = http_headers_add(headers, STR("Server"), STR("awselb/2.0"));
    if (err == 0)
        err = http_headers_add(headers, STR("Date"), str_make(date, CLOCK_HTTP_LEN));
    if (err == 0 && !status_has_no_body(in->status))
        err = http_headers_add(headers, STR("Content-Type"), own_content_type(in));
    return err;
}

int
forward_own_response(const struct forward_own *in, struct arena *arena, struct http_resp *ret_resp,
                     struct str *ret_body)
{
    struct http_resp resp = {.version = HTTP_11, .status = in->status, .keep_alive = true};
    struct str body = in->body.ptr == NULL ? reply_body(in->status) : in->body;
    uint32_t field_max = OWN_FIELDS_MAX + (uint32_t)in->settings->response_override_count;

    if (http_headers_init(&resp.headers, arena, field_max) != 0)
        return GW_E_LIMIT;
    if (add_own_fields(in, arena, &resp.headers) != 0)
        return GW_E_LIMIT;
    if (forward_response_prepare(in->settings, &resp) != 0)
        return GW_E_LIMIT;
    if (status_has_no_body(in->status))
        body = (struct str){0};
    resp.reason = own_reason(in->status);
    resp.framing = status_has_no_body(in->status) ? FRAMING_NONE : FRAMING_LENGTH;
    resp.content_length = body.len;
    *ret_resp = resp;
    *ret_body = body;
    return 0;
}
