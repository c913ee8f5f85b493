/* SPDX-License-Identifier: Apache-2.0
 *
 * Response heads and error bodies as API Gateway writes them for a REST API. Called by
 * api.c and worker.c on the connection's thread; appends to the connection's output.
 */
#include "emulator.h"

#include <stdio.h>

static uint64_t
random_next(struct em_worker *w)
{
    uint64_t v = w->random += UINT64_C(0x9e3779b97f4a7c15);

    v = (v ^ (v >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ (v >> 27)) * UINT64_C(0x94d049bb133111eb);
    return v ^ (v >> 31);
}

static const char *
reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 204:
        return "No Content";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 413:
        return "Request Entity Too Large";
    case 429:
        return "Too Many Requests";
    case 500:
        return "Internal Server Error";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    default:
        return "Status";
    }
}

/* A version 4 UUID, 36 characters. */
static void
uuid_write(char *to, struct em_worker *w)
{
    static const char hex[] = "0123456789abcdef";
    uint64_t a = random_next(w);
    uint64_t b = random_next(w);
    int at = 0;

    for (int i = 0; i < 32; i++) {
        uint64_t *from = i < 16 ? &a : &b;

        if (i == 8 || i == 12 || i == 16 || i == 20)
            to[at++] = '-';
        to[at++] = i == 12 ? '4' : i == 16 ? hex[8 | (*from & 3)] : hex[*from & 15];
        *from >>= 4;
    }
}

/* x-amz-apigw-id: 15 characters and a padding sign, as seen on the wire. */
static void
apigw_id_write(char *to, struct em_worker *w)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint64_t a = random_next(w);
    uint64_t b = random_next(w);

    for (int i = 0; i < 15; i++) {
        uint64_t *from = i < 8 ? &a : &b;

        to[i] = letters[*from & 63];
        *from >>= 6;
    }
    to[15] = '=';
}

static void
trace_add(struct em_conn *c)
{
    struct em_request *r = &c->req;

    if (r->trace.len == 0)
        return;
    bytes_puts(&c->out, "X-Amzn-Trace-Id: ");
    bytes_add(&c->out, r->trace.ptr, r->trace.len);
    bytes_puts(&c->out, "\r\n");
}

void
em_answer_head(struct em_conn *c, int status, const char *error_type, const char *type,
               uint64_t len)
{
    struct em_worker *w = c->worker;
    struct em_request *r = &c->req;
    char fixed[512];
    char uuid[36];
    char apigw[16];
    int n;

    if (r->wants_close || (r->is_http10 && !r->wants_keep_alive))
        c->close_after = true;
    uuid_write(uuid, w);
    apigw_id_write(apigw, w);
    n = snprintf(fixed, sizeof(fixed),
                 "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: %s\r\nx-amzn-RequestId: "
                 "%.36s\r\nx-amz-apigw-id: %.16s\r\n",
                 status, reason_of(status), w->date, c->close_after ? "close" : "keep-alive", uuid,
                 apigw);
    bytes_add(&c->out, fixed, (size_t)n);
    if (status != 204) {
        n = snprintf(fixed, sizeof(fixed), "Content-Type: %s\r\nContent-Length: %llu\r\n", type,
                     (unsigned long long)len);
        bytes_add(&c->out, fixed, (size_t)n);
    }
    if (error_type)
        bytes_printf(&c->out, "x-amzn-ErrorType: %s\r\n", error_type);
    trace_add(c);
    bytes_add(&c->out, "\r\n", 2);
    r->status = status;
    r->route = EM_DONE;
}

void
em_answer(struct em_conn *c, int status, const char *error_type, struct str body)
{
    em_answer_head(c, status, error_type, "application/json", body.len);
    if (!c->req.is_head)
        bytes_add(&c->out, body.ptr, body.len);
}

void
em_answer_bad_request(struct em_conn *c)
{
    c->close_after = true;
    em_answer(c, 400, "BadRequestException", STR("{\"message\":\"Bad Request\"}"));
}

void
em_json_string(struct bytes *out, struct str s)
{
    static const char hex[] = "0123456789abcdef";
    size_t plain = 0;

    bytes_add(out, "\"", 1);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
            continue;
        bytes_add(out, s.ptr + plain, i - plain);
        bytes_add(out, escape, sizeof(escape));
        plain = i + 1;
    }
    bytes_add(out, s.ptr + plain, s.len - plain);
    bytes_add(out, "\"", 1);
}
