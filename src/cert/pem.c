/* SPDX-License-Identifier: Apache-2.0
 *
 * Splits and decodes PEM text (RFC 7468) without OpenSSL, whose reader skips what it does
 * not understand. Called by the trust store, the list loader and `explain`, on the control
 * thread. Owns the decoded object for the length of one callback. It must never hand out
 * an object of a text that is damaged around or inside it.
 */
#include "cert/pem.h"

#include <stdlib.h>

#include "base/limits.h"
#include "cert/pages.h"

enum { FULL_LINE = 64, FULL_LINE_BYTES = 48 };

struct parser {
    const struct pem_input *in;
    struct diag *diag;
    const char *pos;
    const char *end;
    int line; /* of pos */
    uint8_t *buf;
    size_t buf_bytes;
    size_t object_count;
};

/* One object while it is decoded. */
struct body {
    const char *pos;
    const char *end;
    uint8_t *out;
    int line;
    size_t width;  /* of its first line */
    bool is_ended; /* a short or padded line was seen: nothing may follow */
};

#define BEGIN STR("-----BEGIN ")
#define END STR("-----END ")
#define DASHES STR("-----")

#define BAD 0xff
#define ROW(b) b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b
static const uint8_t sextets[256] = {
    ROW(BAD), ROW(BAD), /* 0x00 */
    BAD,      BAD,      BAD, BAD, BAD, BAD,      BAD,      BAD,      BAD,      BAD,      BAD,
    62,       BAD,      BAD, BAD, 63, /* 0x20 */
    52,       53,       54,  55,  56,  57,       58,       59,       60,       61,       BAD,
    BAD,      BAD,      BAD, BAD, BAD, BAD,      0,        1,        2,        3,        4,
    5,        6,        7,   8,   9,   10,       11,       12,       13,       14, /* 0x40 */
    15,       16,       17,  18,  19,  20,       21,       22,       23,       24,       25,
    BAD,      BAD,      BAD, BAD, BAD, BAD,      26,       27,       28,       29,       30,
    31,       32,       33,  34,  35,  36,       37,       38,       39,       40, /* 0x60 */
    41,       42,       43,  44,  45,  46,       47,       48,       49,       50,       51,
    BAD,      BAD,      BAD, BAD, BAD, ROW(BAD), ROW(BAD), ROW(BAD), ROW(BAD), ROW(BAD), ROW(BAD),
    ROW(BAD), ROW(BAD)};

/* Four characters to three bytes; the result has its top bit set when one of them is bad. */
static inline uint32_t
decode_group(const char *p, uint8_t *out)
{
    uint32_t a = sextets[(uint8_t)p[0]], b = sextets[(uint8_t)p[1]];
    uint32_t c = sextets[(uint8_t)p[2]], d = sextets[(uint8_t)p[3]];
    uint32_t v = a << 18 | b << 12 | c << 6 | d;

    out[0] = (uint8_t)(v >> 16);
    out[1] = (uint8_t)(v >> 8);
    out[2] = (uint8_t)v;
    return a | b | c | d;
}

static int
fail(const struct parser *p, int line, int column, const char *text)
{
    diag_error(p->diag, p->in->file, line, column, "%s", text);
    return GW_E_CONFIG;
}

/* Where the object begins, for what went wrong further down. */
static int
fail_cut(const struct parser *p, int begin_line)
{
    diag_error(p->diag, p->in->file, begin_line, 0,
               "the object that begins here has no \"-----END %s-----\" line: the file is cut or "
               "damaged; copy it again",
               p->in->label);
    return GW_E_CONFIG;
}

/* The line at *pos, without its LF or CRLF. */
static struct str
take_line(const char **pos, const char *end)
{
    const char *from = *pos;
    const char *lf = memchr(from, '\n', (size_t)(end - from));
    const char *stop = lf != NULL ? lf : end;

    *pos = lf != NULL ? lf + 1 : end;
    if (lf != NULL && stop > from && stop[-1] == '\r')
        stop--;
    return str_make(from, (size_t)(stop - from));
}

/* "-----BEGIN LABEL-----" or "-----END LABEL-----" */
static bool
boundary_label(struct str line, struct str head, struct str *ret_label)
{
    if (!str_starts(line, head) || !str_ends(line, DASHES) || line.len < head.len + DASHES.len)
        return false;
    *ret_label = str_sub(line, head.len, line.len - head.len - DASHES.len);
    return true;
}

/* ---- base64 ---- */

/* Whole lines of 64 characters as fast as they go. Stops before the first other line. A line is
 * decoded aside first: in place, its own characters are where the bytes go. */
static void
decode_full_lines(struct body *b)
{
    while (b->end - b->pos > FULL_LINE && b->pos[FULL_LINE] == '\n') {
        uint8_t bytes[FULL_LINE_BYTES];
        uint32_t seen = 0;

        for (int i = 0; i < FULL_LINE / 4; i++)
            seen |= decode_group(b->pos + 4 * i, bytes + 3 * i);
        if (unlikely(seen > 63))
            return;
        memcpy(b->out, bytes, sizeof(bytes));
        b->pos += FULL_LINE + 1;
        b->out += FULL_LINE_BYTES;
        b->line++;
    }
}

/* One group of a line; only the last may be padded. Characters are copied first, as in place
 * their own bytes may be overwritten. False when it is not canonical; *ret_bad is then the index
 * of the character to blame. */
static bool
decode_slow_group(const char *from, bool is_last, struct body *b, int *ret_bad)
{
    char g[4] = {from[0], from[1], from[2], from[3]};
    size_t bytes = !is_last || g[3] != '=' ? 3 : g[2] == '=' ? 1 : 2;
    uint8_t out[3];

    for (size_t i = bytes + 1; i < sizeof(g); i++)
        g[i] = 'A';
    if (decode_group(g, out) > 63) {
        for (*ret_bad = 0; sextets[(uint8_t)g[*ret_bad]] != BAD; ++*ret_bad)
            ;
        return false;
    }
    *ret_bad = (int)bytes;
    for (size_t i = bytes; i < sizeof(out); i++) {
        if (out[i] != 0)
            return false;
    }
    memcpy(b->out, out, bytes);
    b->out += bytes;
    b->is_ended = b->is_ended || bytes < sizeof(out);
    return true;
}

/* A line of any allowed width. */
static int
decode_line(const struct parser *p, struct body *b)
{
    struct str line = take_line(&b->pos, b->end);

    if (line.len == 0)
        return fail(p, b->line, 0, "blank line inside an object; remove it");
    if (b->is_ended)
        return fail(p, b->line, 0, "base64 goes on after its last line: the file is damaged");
    if (b->width == 0)
        b->width = line.len;
    if (line.len > PEM_LINE_MAX || line.len > b->width)
        return fail(p, b->line, 0,
                    "a base64 line longer than the others; lines have 64 characters");
    if (line.len % 4 != 0)
        return fail(p, b->line, 0, "a base64 line that is no multiple of 4 characters");
    b->is_ended = line.len < b->width;
    for (size_t at = 0; at < line.len; at += 4) {
        int bad;

        if (!decode_slow_group(line.ptr + at, at + 4 == line.len, b, &bad))
            return fail(p, b->line, (int)at + bad + 1, "no canonical base64 here");
    }
    b->line++;
    return 0;
}

static int
decode_body(const struct parser *p, struct body *b)
{
    while (b->pos < b->end) {
        int err = decode_line(p, b);

        if (err != 0)
            return err;
        if (b->width == FULL_LINE && !b->is_ended)
            decode_full_lines(b);
    }
    return 0;
}

/* ---- objects ---- */

/* Room for the decoded object: the text itself when it may be destroyed. */
static int
reserve(struct parser *p, const char *text, size_t bytes, uint8_t **ret)
{
    if (p->in->destroys_text) {
        *ret = (uint8_t *)(uintptr_t)text;
        return 0;
    }
    if (bytes > p->buf_bytes) {
        pages_free(p->buf, p->buf_bytes);
        p->buf = pages_alloc(bytes);
        p->buf_bytes = p->buf != NULL ? bytes : 0;
        if (p->buf == NULL)
            return GW_E_NOMEM;
    }
    *ret = p->buf;
    return 0;
}

/* pos stands after the BEGIN line. */
static int
parse_object(struct parser *p, int begin_line, pem_object_fn on_object, void *arg)
{
    const char *from = p->pos;
    const char *dash = memchr(from, '-', (size_t)(p->end - from));
    struct body b = {.pos = from, .end = dash, .line = p->line};
    struct str label;
    uint8_t *out;
    int err;

    if (dash == NULL)
        return fail_cut(p, begin_line);
    err = reserve(p, from, (size_t)(dash - from) / 4 * 3 + 3, &out);
    if (err != 0) {
        diag_error(p->diag, p->in->file, begin_line, 0, "not enough memory for this object");
        return err;
    }
    b.out = out;
    err = decode_body(p, &b);
    if (err != 0)
        return err;
    p->pos = dash;
    p->line = b.line;
    if (dash > from && dash[-1] != '\n')
        return fail(p, b.line - 1, 0, "'-' inside base64: the file is damaged");
    if (!boundary_label(take_line(&p->pos, p->end), END, &label) ||
        !str_eq(label, str_from(p->in->label)))
        return fail_cut(p, begin_line);
    if (b.out == out)
        return fail(p, begin_line, 0, "an object without content");
    p->line++;
    p->object_count++;
    if (p->in->destroys_text)
        pages_drop(b.out, p->pos);
    return on_object(arg, str_make(out, (size_t)(b.out - out)), begin_line);
}

static const char *
hint_for(struct str label, struct str wanted)
{
    if (str_ends(label, STR("PRIVATE KEY")))
        return "a private key does not belong in this file; remove it and treat it as exposed";
    if (str_eq(label, STR("X509 CRL")))
        return "that is a revocation list; it belongs under `crls`";
    if (str_eq(label, STR("TRUSTED CERTIFICATE")) || str_eq(label, STR("X509 CERTIFICATE")))
        return "write it in the plain form: openssl x509 -in OLD -out NEW";
    if (str_eq(label, STR("CERTIFICATE")) && !str_eq(wanted, label))
        return "that is a certificate; it belongs in the CA bundle";
    return "remove it";
}

static int
fail_label(const struct parser *p, struct str label)
{
    diag_error(p->diag, p->in->file, p->line, 0, "\"%.*s\" found where only \"%s\" may be; %s",
               (int)size_min(label.len, 64), label.ptr, p->in->label,
               hint_for(label, str_from(p->in->label)));
    return GW_E_CONFIG;
}

/* A line outside objects that is neither blank, nor a comment, nor a BEGIN. */
static int
fail_stray(const struct parser *p, struct str line)
{
    struct str label;

    if (boundary_label(line, END, &label))
        return fail(p, p->line, 0, "an END line without its BEGIN line: the file is damaged");
    if (p->line == 1 && line.len > 1 && line.ptr[0] == 0x30 && (line.ptr[1] & 0x80))
        return fail(p, 1, 0,
                    "this is DER, not PEM; convert it: openssl x509 (or crl) -inform DER "
                    "-in FILE -out FILE.pem");
    if (str_starts(line, DASHES))
        return fail(p, p->line, 0,
                    "neither a whole BEGIN nor a whole END line: the file is cut or "
                    "damaged");
    return fail(p, p->line, 0,
                "text between objects; only blank lines and lines that begin with '#' may stand "
                "there (openssl x509 without -text writes none)");
}

static bool
is_skipped(struct str line)
{
    return (line.len > 0 && line.ptr[0] == '#') || str_trim(line).len == 0;
}

static int
parse_all(struct parser *p, pem_object_fn on_object, void *arg)
{
    while (p->pos < p->end) {
        struct str line = take_line(&p->pos, p->end);
        struct str label;
        int err;

        if (is_skipped(line)) {
            p->line++;
            continue;
        }
        if (!boundary_label(line, BEGIN, &label))
            return fail_stray(p, line);
        if (!str_eq(label, str_from(p->in->label)))
            return fail_label(p, label);
        p->line++;
        err = parse_object(p, p->line - 1, on_object, arg);
        if (err != 0)
            return err;
    }
    if (p->object_count > 0)
        return 0;
    diag_error(p->diag, p->in->file, 0, 0,
               "holds no \"-----BEGIN %s-----\" object; at least one is needed", p->in->label);
    return GW_E_CONFIG;
}

int
pem_parse(const struct pem_input *in, pem_object_fn on_object, void *arg, struct diag *diag)
{
    struct parser p = {
        .in = in, .diag = diag, .pos = in->text.ptr, .end = in->text.ptr + in->text.len, .line = 1};
    int err;

    if (in->text.len == 0)
        return fail(&p, 0, 0, "is empty");
    err = parse_all(&p, on_object, arg);
    pages_free(p.buf, p.buf_bytes);
    return err;
}
