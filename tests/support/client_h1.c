/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1 responses as the test client sees them. Strict about where a message ends and
 * silent about everything else: the test looks at the bytes itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "support/client_priv.h"

enum { INTERIM_MAX = 100, SWITCHING = 101 };

/* Line or block that ends with mark, from the connection into out. */
static enum client_end
take_until(struct client *c, const char *mark, struct bytes *out)
{
    size_t len = strlen(mark);
    int64_t deadline = now_ms() + c->timeout_ms;

    for (;;) {
        struct str have = client_ahead(c);
        const char *at = find_bytes(have.ptr, have.len, mark, len);
        enum client_end end;

        if (at) {
            size_t n = (size_t)(at - have.ptr) + len;

            bytes_add(out, have.ptr, n);
            client_take(c, n);
            return CLIENT_OK;
        }
        end = client_fill(c, deadline);
        if (end != CLIENT_OK) {
            have = client_ahead(c);
            bytes_add(out, have.ptr, have.len);
            client_take(c, have.len);
            return end;
        }
    }
}

/* n bytes; out may be NULL to drop them. */
static enum client_end
take_count(struct client *c, uint64_t n, struct bytes *out)
{
    int64_t deadline = now_ms() + c->timeout_ms;

    while (n > 0) {
        struct str have = client_ahead(c);
        size_t part = n < have.len ? (size_t)n : have.len;

        if (out)
            bytes_add(out, have.ptr, part);
        client_take(c, part);
        n -= part;
        if (n > 0) {
            enum client_end end = client_fill(c, deadline);

            if (end != CLIENT_OK)
                return end;
        }
    }
    return CLIENT_OK;
}

static struct str
field_in(struct str head, const char *name, size_t *ret_count)
{
    size_t len = strlen(name);
    struct str first = {0};

    *ret_count = 0;
    for (;;) {
        const char *at = find_bytes(head.ptr, head.len, "\r\n", 2);
        const char *end;
        struct str value;

        if (!at)
            return first;
        head = str_make(at + 2, head.len - (size_t)(at + 2 - head.ptr));
        if (head.len <= len || head.ptr[len] != ':' || strncasecmp(head.ptr, name, len) != 0)
            continue;
        end = find_bytes(head.ptr, head.len, "\r\n", 2);
        value = str_make(head.ptr + len + 1, (end ? (size_t)(end - head.ptr) : head.len) - len - 1);
        while (value.len > 0 && (value.ptr[0] == ' ' || value.ptr[0] == '\t'))
            value = str_make(value.ptr + 1, value.len - 1);
        while (value.len > 0 && value.ptr[value.len - 1] == ' ')
            value.len--;
        if ((*ret_count)++ == 0)
            first = value;
    }
}

struct str
response_field(const struct response *r, const char *name)
{
    size_t count;

    return field_in(bytes_str(&r->head), name, &count);
}

size_t
response_field_count(const struct response *r, const char *name)
{
    size_t count;

    field_in(bytes_str(&r->head), name, &count);
    return count;
}

static enum client_end
read_chunked(struct client *c, struct response *r)
{
    for (;;) {
        struct bytes line = {0};
        enum client_end end = take_until(c, "\r\n", &line);
        uint64_t size = end == CLIENT_OK ? strtoull(line.ptr, NULL, 16) : 0;

        bytes_free(&line);
        if (end != CLIENT_OK)
            return end;
        if (size == 0)
            break;
        end = take_count(c, size, &r->body);
        if (end == CLIENT_OK)
            end = take_count(c, 2, NULL);
        if (end != CLIENT_OK)
            return end;
    }
    for (;;) {
        size_t before = r->trailers.len;
        enum client_end end = take_until(c, "\r\n", &r->trailers);

        if (end != CLIENT_OK || r->trailers.len == before + 2)
            return end;
    }
}

static bool
value_has(struct str value, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n <= value.len; i++)
        if (strncasecmp(value.ptr + i, word, n) == 0)
            return true;
    return false;
}

static void
read_body(struct client *c, struct response *r, bool for_head)
{
    struct str coding = response_field(r, "transfer-encoding");
    struct str length = response_field(r, "content-length");

    r->closes = value_has(response_field(r, "connection"), "close");
    r->is_chunked = coding.len > 0;
    if (for_head || r->status == 204 || r->status == 304 || r->status == SWITCHING) {
        r->complete = true;
    } else if (r->is_chunked) {
        r->end = read_chunked(c, r);
        r->complete = r->end == CLIENT_OK;
    } else if (length.len > 0) {
        r->end = take_count(c, strtoull(length.ptr, NULL, 10), &r->body);
        r->complete = r->end == CLIENT_OK;
    } else {
        r->closes = true;
        r->end = client_read_all(c, &r->body);
        r->complete = r->end == CLIENT_EOF;
    }
}

struct response
client_response(struct client *c, bool for_head)
{
    struct response r = {0};

    while (r.interim < INTERIM_MAX) {
        r.head.len = 0;
        r.end = take_until(c, "\r\n\r\n", &r.head);
        if (r.end != CLIENT_OK)
            return r;
        if (sscanf(r.head.ptr, "HTTP/1.%*1d %3d", &r.status) != 1) {
            r.status = 0;
            return r;
        }
        if (r.status >= 200 || r.status == SWITCHING)
            break;
        r.interim++;
    }
    read_body(c, &r, for_head);
    return r;
}

struct response
client_get(struct client *c, const char *host, const char *path)
{
    char *text = xformat("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host);
    struct response r = client_exchange(c, text);

    free(text);
    return r;
}

struct response
client_exchange(struct client *c, const char *request)
{
    client_puts(c, request);
    return client_response(c, strncmp(request, "HEAD ", 5) == 0);
}

void
response_free(struct response *r)
{
    bytes_free(&r->head);
    bytes_free(&r->body);
    bytes_free(&r->trailers);
}
