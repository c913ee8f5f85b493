/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "support/util.h"
#include "http/h1_body.h"

/* Decodes all of in, handed over in pieces of at most cut bytes; collects payload. */
struct decoded {
    int err;
    enum h1_fault fault;
    size_t used;
    char payload[16384];
    size_t len;
    struct h1_body body;
};

static void
decode_piece(struct decoded *d, struct str piece)
{
    while (piece.len > 0 && d->err == 0 && !d->body.is_done) {
        struct str payload = {0};
        size_t used = 0;

        d->err = h1_body_decode(&d->body, piece, &used, &payload, &d->fault);
        if (d->err != 0)
            return;
        assert_true(used > 0 && used <= piece.len);
        if (payload.len > 0) {
            assert_true(payload.ptr >= piece.ptr);
            assert_true(payload.ptr + payload.len <= piece.ptr + used);
            assert_true(d->len + payload.len <= sizeof(d->payload));
            memcpy(d->payload + d->len, payload.ptr, payload.len);
            d->len += payload.len;
        }
        d->used += used;
        piece = str_sub(piece, used, piece.len);
    }
}

static void
decode_cut(struct decoded *d, enum http_framing framing, uint64_t length, struct str in, size_t cut)
{
    memset(d, 0, offsetof(struct decoded, payload));
    d->len = 0;
    h1_body_init(&d->body, framing, length);
    for (size_t at = 0; at < in.len && d->err == 0 && !d->body.is_done; at += cut) {
        size_t n = size_min(cut, in.len - at);
        char *piece = malloc(n);

        assert_non_null(piece);
        memcpy(piece, in.ptr + at, n);
        decode_piece(d, str_make(piece, n));
        free(piece);
    }
}

enum verdict { BODY_DONE, BODY_MORE, BODY_BAD };

static enum verdict
decode_chunked(struct decoded *d, struct str in, size_t cut)
{
    decode_cut(d, FRAMING_CHUNKED, 0, in, cut);
    if (d->err != 0)
        return BODY_BAD;
    return d->body.is_done ? BODY_DONE : BODY_MORE;
}

/* ---------------------------------------------------------------- a second reading */

/* The grammar of RFC 9112 7.1 without white space and quoted strings, on the whole text: what is
 * read so far may still become a body, is one, or never will be. */
static bool
is_tchar(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* Takes *[";" token ["=" token]]; at the end of text any prefix will do. */
static enum verdict
read_extensions(struct str in, size_t *at)
{
    while (*at < in.len && in.ptr[*at] == ';') {
        for (int part = 0; part < 2; part++) {
            size_t from = ++*at;

            while (*at < in.len && is_tchar(in.ptr[*at]))
                ++*at;
            if (*at == in.len)
                return BODY_MORE;
            if (*at == from)
                return BODY_BAD;
            if (in.ptr[*at] != '=')
                break;
            if (part == 1)
                return BODY_BAD;
        }
    }
    return BODY_DONE;
}

static enum verdict
read_crlf(struct str in, size_t *at)
{
    if (*at == in.len)
        return BODY_MORE;
    if (in.ptr[(*at)++] != '\r')
        return BODY_BAD;
    if (*at == in.len)
        return BODY_MORE;
    return in.ptr[(*at)++] == '\n' ? BODY_DONE : BODY_BAD;
}

static enum verdict
read_size_line(struct str in, size_t *at, uint64_t *size)
{
    size_t from = *at;
    enum verdict v;

    while (*at < in.len && isxdigit((unsigned char)in.ptr[*at]))
        ++*at;
    if (*at - from > 16)
        return BODY_BAD;
    if (*at > from && str_parse_hex_u64(str_sub(in, from, *at - from), CONTENT_LENGTH_MAX, size))
        return BODY_BAD;
    if (*at == in.len)
        return BODY_MORE;
    if (*at == from)
        return BODY_BAD;
    v = read_extensions(in, at);
    return v == BODY_DONE ? read_crlf(in, at) : v;
}

static enum verdict
read_trailers(struct str in, size_t *at)
{
    while (*at < in.len && in.ptr[*at] != '\r') {
        size_t from = *at;
        enum verdict v;

        while (*at < in.len && is_tchar(in.ptr[*at]))
            ++*at;
        if (*at == in.len)
            return BODY_MORE;
        if (*at == from || in.ptr[(*at)++] != ':')
            return BODY_BAD;
        while (*at < in.len && (in.ptr[*at] == '\t' ||
                                ((uint8_t)in.ptr[*at] >= 0x20 && (uint8_t)in.ptr[*at] != 0x7f)))
            ++*at;
        v = read_crlf(in, at);
        if (v != BODY_DONE)
            return v;
    }
    return read_crlf(in, at);
}

static enum verdict
read_body(struct str in, size_t *used, char *payload, size_t *payload_len)
{
    size_t at = 0;
    enum verdict v;

    for (*payload_len = 0;;) {
        uint64_t size = 0;
        size_t n;

        v = read_size_line(in, &at, &size);
        if (v != BODY_DONE || size == 0)
            break;
        n = size < in.len - at ? (size_t)size : in.len - at;
        memcpy(payload + *payload_len, in.ptr + at, n);
        *payload_len += n;
        at += n;
        v = n < size ? BODY_MORE : read_crlf(in, &at);
        if (v != BODY_DONE)
            break;
    }
    if (v == BODY_DONE)
        v = read_trailers(in, &at);
    *used = at;
    return v;
}

/* Decoder and second reading agree, at three cuts. */
static enum verdict
must_agree(struct str in)
{
    static const size_t cuts[] = {1, 3, 100000};
    char payload[16384];
    size_t payload_len;
    size_t used;
    enum verdict want = read_body(in, &used, payload, &payload_len);

    for (size_t i = 0; i < array_len(cuts); i++) {
        struct decoded d;
        enum verdict got = decode_chunked(&d, in, cuts[i]);

        if (got != want)
            print_error("%d, not %d, for \"%.*s\"\n", (int)got, (int)want, STR_ARG(in));
        assert_int_equal(got, want);
        if (got != BODY_BAD)
            assert_str_equal(str_make(d.payload, d.len), str_make(payload, payload_len));
        if (got == BODY_DONE)
            assert_int_equal(d.used, used);
    }
    return want;
}

/* ---------------------------------------------------------------- tests */

static void
good_chunked_bodies_give_their_payload(void **state)
{
    static const struct {
        const char *body, *payload;
    } rows[] = {
        {"0\r\n\r\n", ""},
        {"5\r\nhello\r\n0\r\n\r\n", "hello"},
        {"1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n", "abcdef"},
        {"A\r\n0123456789\r\n000\r\n\r\n", "0123456789"},
        {"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", "hello"},
        {"5;a\r\nhello\r\n0;b=c;d=e;f\r\n\r\n", "hello"},
        {"5\r\n\r\n0\r\n\r\n0\r\n\r\n", "\r\n0\r\n"},
        {"5\r\nhello\r\n0\r\nX-Amzn-Mtls-Clientcert-Subject: CN=admin\r\n\r\n", "hello"},
        {"0\r\nA:\r\nB: \xe9\t\r\n\r\n", ""},
        {"f;chunk-signature=00aa\r\n0123456789abcde\r\n0\r\n\r\n", "0123456789abcde"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        char bytes[256];
        struct decoded d;
        int n = snprintf(bytes, sizeof(bytes), "%sGET /next", rows[i].body);

        for (size_t cut = 1; cut <= (size_t)n; cut++) {
            assert_int_equal(decode_chunked(&d, str_make(bytes, (size_t)n), cut), BODY_DONE);
            assert_str_equal(str_make(d.payload, d.len), str_from(rows[i].payload));
            assert_int_equal(d.used, strlen(rows[i].body));
            assert_int_equal(h1_body_eof(&d.body), 0);
        }
        for (size_t cut = 0; cut < strlen(rows[i].body); cut++) {
            assert_int_equal(decode_chunked(&d, str_make(bytes, cut), cut + 1), BODY_MORE);
            assert_int_equal(h1_body_eof(&d.body), GW_E_PROTO);
        }
    }
}

static void
bad_chunked_bodies_are_refused(void **state)
{
    static const struct {
        const char *body;
        enum h1_fault fault;
    } rows[] = {
        {"\r\n", H1_FAULT_BAD_CHUNK},
        {"g\r\n", H1_FAULT_BAD_CHUNK},
        {"0x5\r\nhello\r\n", H1_FAULT_BAD_CHUNK},
        {"-5\r\n", H1_FAULT_BAD_CHUNK},
        {"+5\r\n", H1_FAULT_BAD_CHUNK},
        {" 5\r\n", H1_FAULT_BAD_CHUNK},
        {"5 \r\n", H1_FAULT_BAD_CHUNK},
        {"5\t\r\n", H1_FAULT_BAD_CHUNK},
        {"5\n", H1_FAULT_BAD_CHUNK},
        {"5\r\r\n", H1_FAULT_BAD_CHUNK},
        {"5\rx", H1_FAULT_BAD_CHUNK},
        {"00000000000000005\r\n", H1_FAULT_BAD_CHUNK},
        {"ffffffffffffffff\r\n", H1_FAULT_BAD_CHUNK},
        {"20000000000001\r\n", H1_FAULT_BAD_CHUNK},
        {"5;\r\nhello\r\n", H1_FAULT_BAD_CHUNK},
        {"5;a=\r\nhello\r\n", H1_FAULT_BAD_CHUNK},
        {"5;=a\r\nhello\r\n", H1_FAULT_BAD_CHUNK},
        {"5;a=b=c\r\nhello\r\n", H1_FAULT_BAD_CHUNK},
        {"5; a\r\nhello\r\n", H1_FAULT_BAD_CHUNK},
        {"5 ;a\r\nhello\r\n", H1_FAULT_BAD_CHUNK},
        {"5;a=\"b\"\r\nhello\r\n", H1_FAULT_BAD_CHUNK},
        {"5;a=\"\r\n\"\r\nhello\r\n", H1_FAULT_BAD_CHUNK},
        {"5;a\nhello\r\n", H1_FAULT_BAD_CHUNK},
        {"5;a\rhello\r\n", H1_FAULT_BAD_CHUNK},
        {"5;\xc3\xa9\r\nhello\r\n", H1_FAULT_BAD_CHUNK},
        {"5\r\nhello0\r\n", H1_FAULT_BAD_CHUNK},
        {"5\r\nhello\n0\r\n", H1_FAULT_BAD_CHUNK},
        {"5\r\nhello\rx", H1_FAULT_BAD_CHUNK},
        {"5\r\nhellohello\r\n", H1_FAULT_BAD_CHUNK},
        {"0\r\n\n", H1_FAULT_BAD_TRAILER},
        {"0\r\n\rx", H1_FAULT_BAD_TRAILER},
        {"0\r\n a: b\r\n\r\n", H1_FAULT_BAD_TRAILER},
        {"0\r\na: b\r\n c\r\n\r\n", H1_FAULT_BAD_TRAILER},
        {"0\r\na : b\r\n\r\n", H1_FAULT_BAD_TRAILER},
        {"0\r\n: b\r\n\r\n", H1_FAULT_BAD_TRAILER},
        {"0\r\nab\r\n\r\n", H1_FAULT_BAD_TRAILER},
        {"0\r\na: b\n\r\n", H1_FAULT_BAD_TRAILER},
        {"0\r\na: \x01\r\n\r\n", H1_FAULT_BAD_TRAILER},
        {"0\r\na: b\rc\r\n\r\n", H1_FAULT_BAD_TRAILER},
        {"0\r\nGET / HTTP/1.1\r\n\r\n", H1_FAULT_BAD_TRAILER},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct str body = str_from(rows[i].body);

        for (size_t cut = 1; cut <= body.len; cut++) {
            struct decoded d;

            assert_int_equal(decode_chunked(&d, body, cut), BODY_BAD);
            assert_int_equal(d.fault, rows[i].fault);
        }
    }
}

/* All strings of one to five symbols, twelve of them: 271,452 chunk lines. */
static void
every_short_chunk_line_is_judged_as_the_grammar_says(void **state)
{
    static const char symbols[] = {'0', '1', 'a', 'F', ';', '=', 'x', ' ', '\t', '\r', '\n', '"'};
    size_t counts[3] = {0};

    (void)state;
    for (unsigned len = 1, all = 12; len <= 5; len++, all *= 12) {
        for (unsigned n = 0; n < all; n++) {
            struct h1_body body;
            char line[5];
            size_t used = 0;
            char payload[8];
            size_t payload_len;
            enum verdict want;
            struct str got;
            enum h1_fault fault;
            int err;
            unsigned rest = n;

            for (unsigned i = 0; i < len; i++, rest /= 12)
                line[i] = symbols[rest % 12];
            want = read_body(str_make(line, len), &used, payload, &payload_len);
            h1_body_init(&body, FRAMING_CHUNKED, 0);
            for (size_t at = 0; at < len;) {
                err = h1_body_decode(&body, str_make(line + at, len - at), &used, &got, &fault);
                if (err != 0 || body.is_done)
                    break;
                at += used;
            }
            assert_int_equal(err != 0 ? BODY_BAD : body.is_done ? BODY_DONE : BODY_MORE, want);
            counts[want]++;
        }
    }
    print_message("%zu bad, %zu unfinished, %zu whole\n", counts[BODY_BAD], counts[BODY_MORE],
                  counts[BODY_DONE]);
    assert_int_equal(counts[0] + counts[1] + counts[2], 271452);
    assert_int_equal(counts[BODY_DONE], 1); /* 0 CR LF CR LF */
}

/* A small generator of its own, so that the cases are the same everywhere. */
static uint32_t
next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static size_t
make_body(uint32_t *seed, char *out, size_t cap)
{
    static const char *const exts[] = {"", ";a", ";a=b", ";long-name=v;x", ""};
    size_t n = 0;
    uint32_t chunks = next_random(seed) % 5;

    for (uint32_t i = 0; i < chunks; i++) {
        uint32_t size = 1 + next_random(seed) % 20;

        n += (size_t)snprintf(out + n, cap - n, next_random(seed) % 2 ? "%x%s\r\n" : "%04X%s\r\n",
                              size, exts[next_random(seed) % 5]);
        for (uint32_t j = 0; j < size; j++)
            out[n++] = "\r\n0;ab\0"[next_random(seed) % 7];
        n += (size_t)snprintf(out + n, cap - n, "\r\n");
    }
    n += (size_t)snprintf(out + n, cap - n, "0%s\r\n", exts[next_random(seed) % 5]);
    for (uint32_t i = next_random(seed) % 3; i > 0; i--)
        n += (size_t)snprintf(out + n, cap - n, "T%u: value\r\n", i);
    return n + (size_t)snprintf(out + n, cap - n, "\r\n");
}

static void
generated_bodies_are_read_as_the_second_reading_does(void **state)
{
    uint32_t seed = 7;
    size_t bad = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        char body[512];
        size_t n = make_body(&seed, body, sizeof(body));

        assert_int_equal(must_agree(str_make(body, n)), BODY_DONE);
        for (int j = 0; j < 4; j++) {
            size_t at = next_random(&seed) % n;
            char kept = body[at];

            body[at] = "\r\n;=0aG \"x\0"[next_random(&seed) % 11];
            bad += must_agree(str_make(body, n)) == BODY_BAD;
            body[at] = kept;
        }
    }
    print_message("%zu of 4000 mutations refused\n", bad);
    assert_true(bad > 1000);
}

static void
agree(void *arg, struct str in)
{
    (void)arg;
    (void)must_agree(in);
}

static void
cuts_and_flipped_bits_are_read_the_same_way(void **state)
{
    struct str body = STR("5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n");

    (void)state;
    for_each_truncation(body, agree, NULL);
    for_each_bit_flip(body, agree, NULL);
}

static void
every_byte_in_every_place_is_read_the_same_way(void **state)
{
    static const char body[] = "3;a=b\r\nxyz\r\n0\r\nX: y\r\n\r\n";
    char bytes[sizeof(body)];

    (void)state;
    for (size_t at = 0; at < sizeof(body) - 1; at++) {
        memcpy(bytes, body, sizeof(body));
        for (int c = 0; c < 256; c++) {
            bytes[at] = (char)c;
            (void)must_agree(str_make(bytes, sizeof(body) - 1));
        }
    }
}

/* times over: before, filler times 'x', after; then the end. */
static enum verdict
with_filler(const char *before, size_t filler, const char *after, size_t times)
{
    struct bytes body = {0};
    struct decoded d;
    enum verdict v;

    for (size_t i = 0; i < times; i++) {
        bytes_puts(&body, before);
        for (size_t j = 0; j < filler; j++)
            bytes_puts(&body, "x");
        bytes_puts(&body, after);
    }
    bytes_puts(&body, "0\r\n\r\n");
    v = decode_chunked(&d, bytes_str(&body), 50);
    bytes_free(&body);
    return v;
}

static void
extensions_are_bounded_by_line_and_by_body(void **state)
{
    const size_t per_line = CHUNK_EXT_LINE_MAX - 1; /* without the semicolon */

    (void)state;
    assert_int_equal(with_filler("1;", per_line, "\r\na\r\n", 1), BODY_DONE);
    assert_int_equal(with_filler("1;", per_line + 1, "\r\na\r\n", 1), BODY_BAD);
    assert_int_equal(with_filler("0000000000000001;", per_line, "\r\na\r\n", 1), BODY_DONE);
    assert_int_equal(with_filler("0000000000000001;", per_line + 1, "\r\na\r\n", 1), BODY_BAD);
    assert_int_equal(with_filler("1;a=", per_line - 2, "\r\na\r\n", 1), BODY_DONE);
    assert_int_equal(with_filler("1;a=", per_line - 1, "\r\na\r\n", 1), BODY_BAD);
    assert_int_equal(with_filler("1;", per_line, "\r\na\r\n", CHUNK_EXT_BYTES_MAX / (per_line + 1)),
                     BODY_DONE);
    assert_int_equal(
        with_filler("1;", per_line, "\r\na\r\n", CHUNK_EXT_BYTES_MAX / (per_line + 1) + 1),
        BODY_BAD);
    assert_int_equal(with_filler("1;", 65536, "\r\na\r\n", 1), BODY_BAD);
}

static enum verdict
with_trailers(size_t count, size_t filler)
{
    struct bytes body = {0};
    struct decoded d;
    enum verdict v;

    bytes_puts(&body, "0\r\n");
    for (size_t i = 0; i < count; i++) {
        bytes_puts(&body, "a:");
        for (size_t j = 0; j < filler; j++)
            bytes_puts(&body, "x");
        bytes_puts(&body, "\r\n");
    }
    bytes_puts(&body, "\r\n");
    v = decode_chunked(&d, bytes_str(&body), 1000);
    bytes_free(&body);
    return v;
}

static void
trailers_are_bounded_in_number_and_bytes(void **state)
{
    (void)state;
    assert_int_equal(with_trailers(TRAILERS_MAX, 1), BODY_DONE);
    assert_int_equal(with_trailers(TRAILERS_MAX + 1, 1), BODY_BAD);
    assert_int_equal(with_trailers(1, TRAILER_BYTES_MAX - 6), BODY_DONE);
    assert_int_equal(with_trailers(1, TRAILER_BYTES_MAX - 5), BODY_BAD);
}

static void
a_body_of_known_length_ends_there(void **state)
{
    struct decoded d;

    (void)state;
    for (size_t cut = 1; cut < 12; cut++) {
        decode_cut(&d, FRAMING_LENGTH, 5, STR("helloGET / "), cut);
        assert_int_equal(d.err, 0);
        assert_true(d.body.is_done);
        assert_int_equal(d.used, 5);
        assert_str_equal(str_make(d.payload, d.len), STR("hello"));
    }
    decode_cut(&d, FRAMING_LENGTH, 6, STR("hello"), 2);
    assert_false(d.body.is_done);
    assert_int_equal(h1_body_eof(&d.body), GW_E_PROTO);
    decode_cut(&d, FRAMING_LENGTH, 0, STR("x"), 1);
    assert_true(d.body.is_done);
    assert_int_equal(d.used, 0);
    decode_cut(&d, FRAMING_LENGTH, CONTENT_LENGTH_MAX, STR("hello"), 5);
    assert_int_equal(d.body.left, CONTENT_LENGTH_MAX - 5);
}

static void
a_body_until_close_ends_with_the_stream(void **state)
{
    struct decoded d;

    (void)state;
    decode_cut(&d, FRAMING_UNTIL_CLOSE, 0, STR("hello\r\n0\r\n\r\n"), 4);
    assert_int_equal(d.err, 0);
    assert_int_equal(d.len, 12);
    assert_false(d.body.is_done);
    assert_int_equal(h1_body_eof(&d.body), 0);
    assert_true(d.body.is_done);
}

static void
no_body_takes_nothing(void **state)
{
    struct h1_body body;
    struct str payload;
    enum h1_fault fault;
    size_t used = 9;

    (void)state;
    h1_body_init(&body, FRAMING_NONE, 5);
    assert_true(body.is_done);
    assert_int_equal(h1_body_decode(&body, STR("GET"), &used, &payload, &fault), 0);
    assert_int_equal(used, 0);
    assert_int_equal(payload.len, 0);
    assert_int_equal(h1_body_eof(&body), 0);
    h1_body_init(&body, FRAMING_CHUNKED, 0);
    assert_int_equal(h1_body_decode(&body, STR(""), &used, &payload, &fault), GW_E_AGAIN);
}

static void
chunk_heads_are_shortest_hex(void **state)
{
    static const struct {
        uint64_t n;
        const char *head;
    } rows[] = {
        {1, "1\r\n"},
        {9, "9\r\n"},
        {15, "f\r\n"},
        {16, "10\r\n"},
        {255, "ff\r\n"},
        {4096, "1000\r\n"},
        {65535, "ffff\r\n"},
        {0x123456789abcdef0, "123456789abcdef0\r\n"},
        {UINT64_MAX, "ffffffffffffffff\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        char dst[H1_CHUNK_HEAD_MAX];

        assert_str_equal(str_make(dst, h1_chunk_head(dst, rows[i].n)), str_from(rows[i].head));
    }
}

static void
what_is_encoded_is_decoded(void **state)
{
    char wire[9000];
    struct decoded d;

    (void)state;
    for (size_t size = 1; size < 8200; size = size * 3 + 1) {
        size_t n = h1_chunk_head(wire, size);

        memset(wire + n, '\r', size);
        n += size;
        memcpy(wire + n, "\r\n", 2);
        memcpy(wire + n + 2, H1_CHUNK_LAST.ptr, H1_CHUNK_LAST.len);
        assert_int_equal(decode_chunked(&d, str_make(wire, n + 2 + H1_CHUNK_LAST.len), 100),
                         BODY_DONE);
        assert_int_equal(d.len, size);
    }
}

static void
encode_nothing(void *arg)
{
    (void)h1_chunk_head(arg, 0);
}

static void
an_empty_chunk_would_end_the_body_so_it_is_our_mistake(void **state)
{
    char dst[H1_CHUNK_HEAD_MAX];

    (void)state;
    assert_true(unit_aborts(encode_nothing, dst));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_chunked_bodies_give_their_payload),
        cmocka_unit_test(bad_chunked_bodies_are_refused),
        cmocka_unit_test(every_short_chunk_line_is_judged_as_the_grammar_says),
        cmocka_unit_test(generated_bodies_are_read_as_the_second_reading_does),
        cmocka_unit_test(cuts_and_flipped_bits_are_read_the_same_way),
        cmocka_unit_test(every_byte_in_every_place_is_read_the_same_way),
        cmocka_unit_test(extensions_are_bounded_by_line_and_by_body),
        cmocka_unit_test(trailers_are_bounded_in_number_and_bytes),
        cmocka_unit_test(a_body_of_known_length_ends_there),
        cmocka_unit_test(a_body_until_close_ends_with_the_stream),
        cmocka_unit_test(no_body_takes_nothing),
        cmocka_unit_test(chunk_heads_are_shortest_hex),
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(an_empty_chunk_would_end_the_body_so_it_is_our_mistake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
