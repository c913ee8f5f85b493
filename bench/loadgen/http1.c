/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1.1 of loadgen: requests from one prepared text, responses counted to the byte.
 * Called by conn.c. A response that is not complete must never count as answered.
 */
#include "loadgen.h"

#include <stdlib.h>
#include <strings.h>

enum { HEAD_MAX = 65536, SWITCHING = 101 };

void
lg_h1_prepare(struct lg_load *l)
{
    const struct lg_options *o = &l->opt;

    bytes_printf(&l->request, "%s %s HTTP/1.1\r\nHost: %s\r\n", o->method, o->path, o->authority);
    for (size_t i = 0; i < o->header_count; i++)
        bytes_printf(&l->request, "%s\r\n", o->headers[i]);
    if (o->body > 0)
        bytes_printf(&l->request, "Content-Length: %llu\r\n", (unsigned long long)o->body);
    bytes_puts(&l->request, "\r\n");
}

void
lg_h1_ask(struct lg_conn *c, int64_t start_us)
{
    struct lg_load *l = c->load;
    unsigned slot = (c->first + c->busy) % l->opt.streams;

    c->requests[slot] = (struct lg_request){.start_us = start_us, .busy = true};
    c->busy++;
    c->asked++;
    bytes_add(&c->out, l->request.ptr, l->request.len);
    c->body_left = l->opt.body;
}

static void
finish(struct lg_conn *c)
{
    struct lg_request *r = &c->requests[c->first];

    c->first = (c->first + 1) % c->load->opt.streams;
    c->busy--;
    c->body = LG_BODY_HEAD;
    c->head.len = 0;
    lg_answered(c, r);
}

static const char *
field_in(const char *head, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = strstr(head, "\r\n"); at; at = strstr(at + 2, "\r\n"))
        if (strncasecmp(at + 2, name, n) == 0 && at[2 + n] == ':')
            return at + 3 + n + strspn(at + 3 + n, " \t");
    return NULL;
}

/* The head is complete: what follows it? */
static bool
head_use(struct lg_conn *c)
{
    struct lg_request *r = &c->requests[c->first];
    const char *head = c->head.ptr;
    const char *value;

    if (c->busy == 0 || strncmp(head, "HTTP/1.", 7) != 0 || c->head.len < 13)
        return false;
    r->status = (int)strtol(head + 9, NULL, 10);
    if (r->status < 100 || r->status >= LG_STATUS_MAX || r->status == SWITCHING)
        return false;
    if (r->status < 200) {
        c->head.len = 0;
        return true;
    }
    value = field_in(head, "connection");
    c->closes = value && strncasecmp(value, "close", 5) == 0;
    value = field_in(head, "content-length");
    c->left = value ? strtoull(value, NULL, 10) : 0;
    if (r->status == 204 || r->status == 304 || strcmp(c->load->opt.method, "HEAD") == 0)
        finish(c);
    else if (field_in(head, "transfer-encoding"))
        c->body = LG_BODY_CHUNK_LINE;
    else if (!value)
        c->body = LG_BODY_CLOSE;
    else if (c->left == 0)
        finish(c);
    else
        c->body = LG_BODY_LENGTH;
    if (c->body != LG_BODY_HEAD)
        c->head.len = 0;
    return true;
}

/* Collects up to and with mark in c->head; returns bytes taken. *ret_done when it is there. */
static size_t
collect(struct lg_conn *c, const char *p, size_t n, const char *mark, bool *ret_done)
{
    size_t mark_len = strlen(mark);
    size_t before = c->head.len;
    size_t from = before > mark_len ? before - mark_len : 0;
    const char *at;
    size_t took;

    bytes_add(&c->head, p, n);
    at = find_bytes(c->head.ptr + from, c->head.len - from, mark, mark_len);
    *ret_done = at != NULL;
    if (!at)
        return n;
    took = (size_t)(at - c->head.ptr) + mark_len - before;
    c->head.len = before + took;
    c->head.ptr[c->head.len] = '\0';
    return took;
}

static void
count_in(struct lg_conn *c, uint64_t n)
{
    c->load->stats->bytes_in += n;
    c->load->interval->bytes_in += n;
}

/* Line of the chunked framing. */
static void
line_use(struct lg_conn *c)
{
    bool is_empty = c->head.len == 2;

    if (c->body == LG_BODY_CHUNK_LINE) {
        c->left = strtoull(c->head.ptr, NULL, 16);
        c->body = c->left > 0 ? LG_BODY_CHUNK : LG_BODY_TRAILER;
    } else if (c->body == LG_BODY_CHUNK_END) {
        c->body = LG_BODY_CHUNK_LINE;
    } else if (is_empty) {
        finish(c);
    }
    c->head.len = 0;
}

static size_t
body_use(struct lg_conn *c, const char *p, size_t n)
{
    bool done;
    size_t took;

    switch (c->body) {
    case LG_BODY_LENGTH:
    case LG_BODY_CHUNK:
        took = c->left < n ? (size_t)c->left : n;
        c->left -= took;
        count_in(c, took);
        if (c->left == 0 && c->body == LG_BODY_LENGTH)
            finish(c);
        else if (c->left == 0)
            c->body = LG_BODY_CHUNK_END;
        return took;
    case LG_BODY_CLOSE:
        count_in(c, n);
        return n;
    case LG_BODY_CHUNK_LINE:
    case LG_BODY_CHUNK_END:
    case LG_BODY_TRAILER:
    case LG_BODY_HEAD:
        break;
    }
    took = collect(c, p, n, "\r\n", &done);
    if (done)
        line_use(c);
    return took;
}

bool
lg_h1_input(struct lg_conn *c, const char *p, size_t n)
{
    while (n > 0 && c->state == LG_OPEN) {
        size_t took;
        bool done;

        if (c->body == LG_BODY_HEAD) {
            took = collect(c, p, n, "\r\n\r\n", &done);
            if (c->head.len > HEAD_MAX || (done && !head_use(c)))
                return false;
        } else {
            took = body_use(c, p, n);
            if (c->head.len > HEAD_MAX)
                return false;
        }
        p += took;
        n -= took;
    }
    return true;
}

bool
lg_h1_eof_is_end(struct lg_conn *c)
{
    if (c->body != LG_BODY_CLOSE || c->busy == 0)
        return false;
    c->closes = true;
    finish(c);
    return true;
}
