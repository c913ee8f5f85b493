/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a body ends, and which bytes are payload. Called by the codecs on both sides with
 * whatever arrived; remembers all it needs between calls, copies no payload. Pure, any
 * thread. Must never pass on a byte of a chunk line, an extension or a trailer, and never
 * take a lone CR or LF for a line end: an upstream could see another boundary.
 */
#include "http/h1_body.h"

#include "base/assert.h"
#include "base/limits.h"
#include "http/chars.h"

/* Chunked coding, RFC 9112 7.1: where the next byte belongs. */
enum {
    CHUNK_SIZE,      /* hex digits; after the first, ';' or CR */
    CHUNK_EXT,       /* first byte of an extension's name */
    CHUNK_EXT_NAME,  /* then '=', ';' or CR */
    CHUNK_EXT_EQUAL, /* first byte of its value */
    CHUNK_EXT_VALUE, /* then ';' or CR */
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    TRAILER_START, /* first byte of a trailer line, or the CR of the last line */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    TRAILER_END_LF,
};

enum { CHUNK_DIGITS_MAX = 16 };

static_assert(CHUNK_DIGITS_MAX + CHUNK_EXT_LINE_MAX + 2 <= CHUNK_LINE_MAX,
              "the bounds on digits and extension bound the line");

void
h1_body_init(struct h1_body *b, enum http_framing framing, uint64_t content_length)
{
    *b = (struct h1_body){.framing = framing, .state = CHUNK_SIZE};
    if (framing == FRAMING_LENGTH)
        b->left = content_length;
    b->is_done = framing == FRAMING_NONE || (framing == FRAMING_LENGTH && content_length == 0);
}

static enum h1_fault
chunk_size_end(struct h1_body *b, char c)
{
    if (b->digits == 0)
        return H1_FAULT_BAD_CHUNK;
    if (c == ';') {
        b->state = CHUNK_EXT;
        return H1_FAULT_NONE;
    }
    b->state = CHUNK_SIZE_LF;
    b->ext_bytes += b->line_len - b->digits - 1;
    return c == '\r' && b->ext_bytes <= CHUNK_EXT_BYTES_MAX ? H1_FAULT_NONE : H1_FAULT_BAD_CHUNK;
}

static enum h1_fault
chunk_size(struct h1_body *b, char c)
{
    if (!char_is(c, CHAR_HEX))
        return chunk_size_end(b, c);
    if (++b->digits > CHUNK_DIGITS_MAX)
        return H1_FAULT_BAD_CHUNK;
    b->left = b->left << 4 | char_hex_value(c);
    return b->left > CONTENT_LENGTH_MAX ? H1_FAULT_BAD_CHUNK : H1_FAULT_NONE;
}

/* Extensions are dropped, but only of tokens: no white space, no quoted strings, which parsers end
 * at different bytes. */
static enum h1_fault
chunk_ext(struct h1_body *b, char c)
{
    bool is_first = b->state == CHUNK_EXT || b->state == CHUNK_EXT_EQUAL;

    if (char_is(c, CHAR_TOKEN)) {
        if (is_first)
            b->state++;
        return H1_FAULT_NONE;
    }
    if (is_first)
        return H1_FAULT_BAD_CHUNK;
    if (c != '=' || b->state != CHUNK_EXT_NAME)
        return chunk_size_end(b, c);
    b->state = CHUNK_EXT_EQUAL;
    return H1_FAULT_NONE;
}

static_assert(CHUNK_EXT_NAME == CHUNK_EXT + 1 && CHUNK_EXT_VALUE == CHUNK_EXT_EQUAL + 1,
              "the first byte of an extension's part leads to the next state");

/* One byte of a chunk-size line. */
static enum h1_fault
chunk_line(struct h1_body *b, char c)
{
    b->line_len++;
    if (b->state == CHUNK_SIZE)
        return chunk_size(b, c);
    if (b->state == CHUNK_SIZE_LF) {
        if (c != '\n')
            return H1_FAULT_BAD_CHUNK;
        b->state = b->left > 0 ? CHUNK_DATA : TRAILER_START;
        b->line_len = 0;
        return H1_FAULT_NONE;
    }
    if (c != '\r' && b->line_len - b->digits > CHUNK_EXT_LINE_MAX)
        return H1_FAULT_BAD_CHUNK;
    return chunk_ext(b, c);
}

static enum h1_fault
trailer_start(struct h1_body *b, char c)
{
    if (c == '\r') {
        b->state = TRAILER_END_LF;
        return H1_FAULT_NONE;
    }
    if (!char_is(c, CHAR_TOKEN) || ++b->trailer_count > TRAILERS_MAX)
        return H1_FAULT_BAD_TRAILER;
    b->state = TRAILER_NAME;
    return H1_FAULT_NONE;
}

/* One byte after the last chunk. Trailers are checked as header fields are, then forgotten: merged
 * into the head they could say anything. */
static enum h1_fault
trailer_byte(struct h1_body *b, char c)
{
    if (++b->trailer_bytes > TRAILER_BYTES_MAX)
        return H1_FAULT_BAD_TRAILER;
    switch (b->state) {
    case TRAILER_START:
        return trailer_start(b, c);
    case TRAILER_NAME:
        if (c == ':')
            b->state = TRAILER_VALUE;
        else if (!char_is(c, CHAR_TOKEN))
            return H1_FAULT_BAD_TRAILER;
        return H1_FAULT_NONE;
    case TRAILER_VALUE:
        if (c == '\r')
            b->state = TRAILER_LF;
        else if (!char_is(c, CHAR_VALUE))
            return H1_FAULT_BAD_TRAILER;
        return H1_FAULT_NONE;
    default: /* TRAILER_LF, TRAILER_END_LF */
        if (c != '\n')
            return H1_FAULT_BAD_TRAILER;
        b->is_done = b->state == TRAILER_END_LF;
        b->state = TRAILER_START;
        return H1_FAULT_NONE;
    }
}

static enum h1_fault
framing_byte(struct h1_body *b, char c)
{
    switch (b->state) {
    case CHUNK_DATA_CR:
        b->state = CHUNK_DATA_LF;
        return c == '\r' ? H1_FAULT_NONE : H1_FAULT_BAD_CHUNK;
    case CHUNK_DATA_LF:
        b->state = CHUNK_SIZE;
        b->left = 0;
        b->digits = 0;
        return c == '\n' ? H1_FAULT_NONE : H1_FAULT_BAD_CHUNK;
    case TRAILER_START:
    case TRAILER_NAME:
    case TRAILER_VALUE:
    case TRAILER_LF:
    case TRAILER_END_LF:
        return trailer_byte(b, c);
    default:
        return chunk_line(b, c);
    }
}

static struct str
payload_take(struct h1_body *b, struct str in)
{
    struct str payload = str_sub(in, 0, b->left < in.len ? (size_t)b->left : in.len);

    b->left -= payload.len;
    return payload;
}

/* Framing bytes up to the next payload, then what there is of it. */
static enum h1_fault
chunked_step(struct h1_body *b, struct str in, size_t *used, struct str *payload)
{
    size_t at = 0;

    while (at < in.len && b->state != CHUNK_DATA && !b->is_done) {
        enum h1_fault fault = framing_byte(b, in.ptr[at]);

        if (fault != H1_FAULT_NONE)
            return fault;
        at++;
    }
    *payload = str_sub(in, at, 0);
    if (b->state == CHUNK_DATA && at < in.len) {
        *payload = payload_take(b, str_sub(in, at, in.len));
        if (b->left == 0)
            b->state = CHUNK_DATA_CR;
    }
    *used = at + payload->len;
    return H1_FAULT_NONE;
}

int
h1_body_decode(struct h1_body *b, struct str in, size_t *ret_used, struct str *ret_payload,
               enum h1_fault *ret_fault)
{
    struct str payload = str_sub(in, 0, 0);
    size_t used = 0;

    if (!b->is_done && in.len == 0)
        return GW_E_AGAIN;
    if (b->is_done) {
        /* Nothing of what follows is ours. */
    } else if (b->framing == FRAMING_CHUNKED) {
        enum h1_fault fault = chunked_step(b, in, &used, &payload);

        if (fault != H1_FAULT_NONE) {
            *ret_fault = fault;
            return GW_E_PROTO;
        }
    } else if (b->framing == FRAMING_LENGTH) {
        payload = payload_take(b, in);
        b->is_done = b->left == 0;
        used = payload.len;
    } else {
        payload = in;
        used = in.len;
    }
    *ret_used = used;
    *ret_payload = payload;
    return 0;
}

int
h1_body_eof(struct h1_body *b)
{
    if (b->framing == FRAMING_UNTIL_CLOSE)
        b->is_done = true;
    return b->is_done ? 0 : GW_E_PROTO;
}

size_t
h1_chunk_head(char *dst, uint64_t n)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = 0;
    int shift = 60;

    gw_assert(n > 0);
    while (n >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        dst[len++] = digits[(n >> shift) & 0xf];
    dst[len++] = '\r';
    dst[len++] = '\n';
    return len;
}
