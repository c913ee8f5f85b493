/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds the end of an HTTP/1 head while it arrives. Called by the codecs with all bytes so
 * far; each byte is looked at once, however the head is cut. Owns nothing, any thread.
 * Judges bytes and lengths only; what the lines say is h1_parse.c's part. It must never
 * let a control byte, a lone CR or LF or a folded line through: the parser relies on it.
 */
#include "http/h1_parse.h"

#include "base/assert.h"
#include "base/limits.h"
#include "http/chars.h"

enum {
    SCAN_START,      /* first byte of all: a request may have one empty line here */
    SCAN_START_LF,   /* the LF of that empty line */
    SCAN_LINE_START, /* first byte of a line */
    SCAN_LINE,       /* within a line */
    SCAN_LINE_LF,    /* the LF that ends it */
    SCAN_END_LF,     /* the LF of the empty line */
    SCAN_DONE,
};

static_assert(REQUEST_LINE_MAX == HEADER_LINE_MAX, "one line limit serves both kinds of line");

void
h1_scan_init(struct h1_scan *s, bool is_request)
{
    *s = (struct h1_scan){
        .head_max = is_request ? REQUEST_HEAD_MAX : RESPONSE_HEAD_MAX,
        .state = SCAN_START,
        .is_request = is_request,
    };
}

/* Does any of the eight bytes need a closer look: below 0x20 or 0x7f? HTAB answers yes, too. */
static bool
word_has_control(uint64_t w)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = UINT64_C(0x8080808080808080);
    uint64_t low = (w - ones * 0x20) & ~w;
    uint64_t del = w ^ (ones * 0x7f);

    return ((low | ((del - ones) & ~del)) & highs) != 0;
}

/* First offset in [at, end) whose byte no line may contain, CR and LF included; else end. */
static size_t
skip_line_bytes(const char *p, size_t at, size_t end)
{
    for (;;) {
        uint64_t w;
        size_t stop;

        while (end - at >= sizeof(w)) {
            memcpy(&w, p + at, sizeof(w));
            if (word_has_control(w))
                break;
            at += sizeof(w);
        }
        stop = size_min(end, at + sizeof(w));
        while (at < stop && char_is(p[at], CHAR_VALUE))
            at++;
        if (at < stop || at == end)
            return at;
    }
}

static enum h1_fault
fault_of_byte(char c)
{
    return c == '\n' ? H1_FAULT_BARE_LF : H1_FAULT_BAD_BYTE;
}

static enum h1_fault
scan_start(struct h1_scan *s, char c)
{
    if (c == '\r' && s->is_request) {
        s->state = SCAN_START_LF;
        s->seen++;
        return H1_FAULT_NONE;
    }
    s->state = SCAN_LINE_START;
    return H1_FAULT_NONE;
}

static enum h1_fault
scan_line_start(struct h1_scan *s, char c)
{
    uint32_t headers_max = s->is_request ? REQUEST_HEADERS_MAX : RESPONSE_HEADERS_MAX;

    if (c == '\r') {
        if (s->line_count == 0)
            return H1_FAULT_BAD_LINE;
        s->state = SCAN_END_LF;
        s->seen++;
        return H1_FAULT_NONE;
    }
    if (c == ' ' || c == '\t')
        return s->line_count == 0 ? H1_FAULT_BAD_LINE : H1_FAULT_FOLDED;
    if (!char_is(c, CHAR_VALUE))
        return fault_of_byte(c);
    if (s->line_count > headers_max)
        return H1_FAULT_TOO_MANY_HEADERS;
    s->state = SCAN_LINE;
    return H1_FAULT_NONE;
}

static enum h1_fault
scan_line(struct h1_scan *s, const char *p, size_t limit)
{
    size_t line_max = s->line_start + HEADER_LINE_MAX;
    char c;

    s->seen = skip_line_bytes(p, s->seen, size_min(limit, line_max));
    if (s->seen == limit)
        return H1_FAULT_NONE;
    c = p[s->seen];
    if (c == '\r') {
        s->state = SCAN_LINE_LF;
        s->seen++;
        return H1_FAULT_NONE;
    }
    if (!char_is(c, CHAR_VALUE))
        return fault_of_byte(c);
    return s->line_count == 0 && s->is_request ? H1_FAULT_LINE_TOO_LONG : H1_FAULT_HEADER_TOO_LONG;
}

static enum h1_fault
scan_lf(struct h1_scan *s, char c)
{
    if (c != '\n')
        return H1_FAULT_BARE_CR;
    s->seen++;
    s->line_start = s->seen;
    if (s->state == SCAN_END_LF) {
        s->state = SCAN_DONE;
        return H1_FAULT_NONE;
    }
    s->line_count += s->state == SCAN_LINE_LF;
    s->state = SCAN_LINE_START;
    return H1_FAULT_NONE;
}

static enum h1_fault
scan_step(struct h1_scan *s, const char *p, size_t limit)
{
    switch (s->state) {
    case SCAN_START:
        return scan_start(s, p[s->seen]);
    case SCAN_LINE_START:
        return scan_line_start(s, p[s->seen]);
    case SCAN_LINE:
        return scan_line(s, p, limit);
    default:
        return scan_lf(s, p[s->seen]);
    }
}

int
h1_scan(struct h1_scan *s, struct str bytes, size_t *ret_len, enum h1_fault *ret_fault)
{
    size_t limit = size_min(bytes.len, s->head_max);
    enum h1_fault fault = H1_FAULT_NONE;

    gw_assert(s->seen <= limit && s->line_start <= s->seen);
    while (s->state < SCAN_DONE && s->seen < limit && fault == H1_FAULT_NONE)
        fault = scan_step(s, bytes.ptr, limit);
    if (fault == H1_FAULT_NONE && s->state < SCAN_DONE && s->seen == s->head_max)
        fault = H1_FAULT_HEAD_TOO_LONG;
    /* The byte at fault was not passed: asked again, it is refused again. */
    if (fault != H1_FAULT_NONE) {
        *ret_fault = fault;
        return GW_E_PROTO;
    }
    if (s->state != SCAN_DONE)
        return GW_E_AGAIN;
    *ret_len = s->seen;
    return 0;
}
