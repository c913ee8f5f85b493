/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdlib.h>

#include "net/proxy_header.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"

/* A version 2 header under construction. */
struct v2 {
    char bytes[70000];
    size_t len;
};

static void
v2_begin(struct v2 *h, uint8_t command, uint8_t family)
{
    memset(h->bytes, 0, sizeof(h->bytes));
    memcpy(h->bytes, SIG, 12);
    h->bytes[12] = (char)command;
    h->bytes[13] = (char)family;
    h->len = 16;
}

static void
v2_add(struct v2 *h, const void *bytes, size_t n)
{
    assert_true(h->len + n <= sizeof(h->bytes));
    memcpy(h->bytes + h->len, bytes, n);
    h->len += n;
}

static void
v2_add_addresses(struct v2 *h, size_t ip_len)
{
    for (size_t i = 0; i < 2 * ip_len; i++)
        v2_add(h, (const uint8_t[]){(uint8_t)(i + 1)}, 1);
    v2_add(h, "\x12\x34\x01\xbb", 4);
}

static void
v2_add_tlv(struct v2 *h, uint8_t type, const void *value, size_t n)
{
    v2_add(h, (const uint8_t[]){type, (uint8_t)(n >> 8), (uint8_t)n}, 3);
    v2_add(h, value, n);
}

static void
v2_state_len(struct v2 *h, size_t n)
{
    h->bytes[14] = (char)(n >> 8);
    h->bytes[15] = (char)n;
}

static struct str
v2_end(struct v2 *h)
{
    v2_state_len(h, h->len - 16);
    return str_make(h->bytes, h->len);
}

/* Bit by bit, so that it shares nothing with the table of the parser. */
static uint32_t
crc32c(struct str s)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < s.len; i++) {
        crc ^= (uint8_t)s.ptr[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* Adds the checksum TLV and computes it over everything, so it must be the last call. */
static struct str
v2_end_with_crc(struct v2 *h)
{
    size_t at = h->len + 3;
    uint32_t crc;

    v2_add_tlv(h, 0x03, "\0\0\0\0", 4);
    crc = crc32c(v2_end(h));
    for (size_t i = 0; i < 4; i++)
        h->bytes[at + i] = (char)(crc >> (24 - 8 * i));
    return str_make(h->bytes, h->len);
}

/* Parses a copy that ends where the input ends, for the address sanitizer. */
static int
parse(struct str s, struct proxy_header *ret, size_t *ret_len)
{
    char *copy = malloc(s.len + 1);
    int rc;

    assert_non_null(copy);
    memcpy(copy + 1, s.ptr, s.len);
    memset(ret, 0x5a, sizeof(*ret));
    *ret_len = 0x5a5a;
    rc = proxy_header_parse(str_make(copy + 1, s.len), ret, ret_len);
    free(copy);
    return rc;
}

static int
result_of(struct str s)
{
    struct proxy_header h;
    size_t len;

    return parse(s, &h, &len);
}

static void
assert_source(const struct proxy_header *h, const char *source, const char *destination)
{
    char text[ADDR_TEXT_MAX];

    assert_false(h->is_local);
    addr_format(&h->source, text);
    assert_string_equal(text, source);
    addr_format(&h->destination, text);
    assert_string_equal(text, destination);
}

static void
version_1_lines_give_their_addresses(void **state)
{
    static const struct {
        const char *line;
        const char *source;
        const char *destination;
    } cases[] = {
        {"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", "192.0.2.1:56324", "198.51.100.7:443"},
        {"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", "0.0.0.0:0", "255.255.255.255:65535"},
        {"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "[2001:db8::1]:1", "[::1]:2"},
        {"PROXY TCP6 ::ffff:10.0.0.1 ::ffff:10.0.0.2 7 8\r\n", "10.0.0.1:7", "10.0.0.2:8"},
        {"PROXY TCP6 ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", NULL, NULL},
        {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct str line = str_from(cases[i].line);
        struct proxy_header h;
        size_t len;
        int rc = parse(line, &h, &len);

        if (cases[i].source == NULL) {
            assert_int_equal(rc, GW_E_PROTO);
            continue;
        }
        assert_int_equal(rc, 0);
        assert_int_equal(len, line.len);
        assert_source(&h, cases[i].source, cases[i].destination);
        assert_string_equal(h.vpce_id, "");
    }
}

static void
version_1_unknown_keeps_the_sockets_addresses(void **state)
{
    static const char *const lines[] = {
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN \r\n",
        "PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n",
        "PROXY UNKNOWN anything that is printable ~\r\n",
    };

    (void)state;
    for (size_t i = 0; i < array_len(lines); i++) {
        struct proxy_header h;
        size_t len;

        assert_int_equal(parse(str_from(lines[i]), &h, &len), 0);
        assert_true(h.is_local);
        assert_int_equal(len, strlen(lines[i]));
    }
}

static void
version_1_lines_that_are_not_exact_are_refused(void **state)
{
    static const char *const lines[] = {
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 \r\n",
        "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rX",
        "PROXY TCP4\t1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP6 fe80::1%lo ::1 1 2\r\n",
        "PROXY TCP6 [::1] ::1 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 00\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 000001 2\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY UNKNOWN \x80\r\n",
        "PROXY UNKNOWN \x7f\r\n",
    };

    (void)state;
    for (size_t i = 0; i < array_len(lines); i++)
        assert_int_equal(result_of(str_from(lines[i])), GW_E_PROTO);
}

static void
a_version_1_line_ends_within_107_bytes(void **state)
{
    char line[PROXY_V1_LINE_MAX + 8];

    (void)state;
    memset(line, 'x', sizeof(line));
    memcpy(line, "PROXY UNKNOWN ", 14);
    assert_int_equal(result_of(str_make(line, 106)), GW_E_AGAIN);
    assert_int_equal(result_of(str_make(line, 107)), GW_E_PROTO);
    memcpy(line + 105, "\r\n", 2);
    assert_int_equal(result_of(str_make(line, 107)), 0);
    memcpy(line + 105, "x\r\n", 3);
    assert_int_equal(result_of(str_make(line, 107)), GW_E_PROTO);
    assert_int_equal(result_of(str_make(line, 108)), GW_E_PROTO);
}

static int
step(void *arg, struct str prefix)
{
    size_t *len = arg;
    struct proxy_header h;

    return parse(prefix, &h, len);
}

static void
fed_byte_by_byte_the_header_ends_where_it_ends(void **state)
{
    static struct v2 v2;
    struct str inputs[3];

    (void)state;
    inputs[0] = STR("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET");
    inputs[1] = STR("PROXY UNKNOWN\r\n\r\n");
    v2_begin(&v2, 0x21, 0x11);
    v2_add_addresses(&v2, 4);
    v2_add_tlv(&v2, 0xea, "\x01vpce-1", 7);
    inputs[2] = v2_end_with_crc(&v2);
    for (size_t i = 0; i < array_len(inputs); i++) {
        size_t whole_len;
        size_t len;
        size_t fed;
        struct proxy_header h;

        assert_int_equal(parse(inputs[i], &h, &whole_len), 0);
        assert_int_equal(drip_feed(inputs[i], step, &len, GW_E_AGAIN, &fed), 0);
        assert_int_equal(fed, whole_len);
        assert_int_equal(len, whole_len);
    }
}

static void
bytes_that_cannot_start_a_header_are_told_at_the_first_difference(void **state)
{
    static const struct {
        struct str bytes;
        int want;
    } cases[] = {
        {STR_INIT(""), GW_E_AGAIN},
        {STR_INIT("P"), GW_E_AGAIN},
        {STR_INIT("PROXY"), GW_E_AGAIN},
        {STR_INIT("PROXY "), GW_E_AGAIN},
        {STR_INIT("PROXYX"), GW_E_NOTFOUND},
        {STR_INIT("PUT / "), GW_E_NOTFOUND},
        {STR_INIT("proxy "), GW_E_NOTFOUND},
        {STR_INIT("\x16"), GW_E_NOTFOUND},
        {STR_INIT("\x16\x03\x01\x02\x00\x01"), GW_E_NOTFOUND},
        {STR_INIT("\r\n"), GW_E_AGAIN},
        {STR_INIT("\r\n\r\n\0\r\nQUIT"), GW_E_AGAIN},
        {STR_INIT("\r\n\r\n\0\r\nQUIT\r"), GW_E_NOTFOUND},
        {STR_INIT("\r\n\r\n\r\n"), GW_E_NOTFOUND},
        {STR_INIT("\r\n\r\n\0\r\nQUIT\n\x21\x11\x00"), GW_E_AGAIN},
    };

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++)
        assert_int_equal(result_of(cases[i].bytes), cases[i].want);
}

/* LOCAL ignores the family; PROXY takes stream sockets over IP, and unspecified. */
static void
every_command_and_family_has_its_answer(void **state)
{
    static struct v2 v2;

    (void)state;
    for (unsigned command = 0; command < 256; command++) {
        for (unsigned family = 0; family < 256; family++) {
            struct proxy_header h;
            size_t len;
            int rc;

            v2_begin(&v2, (uint8_t)command, (uint8_t)family);
            if (family != 0)
                v2_add_addresses(&v2, family >> 4 == 1 ? 4 : 16);
            rc = parse(v2_end(&v2), &h, &len);
            if (command == 0x20) {
                assert_int_equal(rc, 0);
                assert_true(h.is_local);
            } else if (command == 0x21 && family == 0) {
                assert_int_equal(rc, 0);
                assert_true(h.is_local);
            } else if (command == 0x21 && family == 0x11) {
                assert_int_equal(rc, 0);
                assert_source(&h, "1.2.3.4:4660", "5.6.7.8:443");
            } else if (command == 0x21 && family == 0x21) {
                assert_int_equal(rc, 0);
                assert_source(&h, "[102:304:506:708:90a:b0c:d0e:f10]:4660",
                              "[1112:1314:1516:1718:191a:1b1c:1d1e:1f20]:443");
            } else {
                assert_int_equal(rc, GW_E_PROTO);
            }
        }
    }
}

/* What a header of this stated length must give when its bytes are all there. */
static int
wanted_for_len(uint8_t command, uint8_t family, size_t len)
{
    size_t address_len = family == 0x11 ? 12 : family == 0x21 ? 36 : 0;

    if (command == 0x20)
        return 0;
    if (len < address_len)
        return GW_E_PROTO;
    return len == address_len || len >= address_len + 3 ? 0 : GW_E_PROTO;
}

/* One unknown TLV fills what the addresses leave. */
static void
v2_of_len(struct v2 *h, uint8_t command, uint8_t family, size_t len)
{
    size_t address_len = family == 0x11 ? 12 : family == 0x21 ? 36 : 0;

    v2_begin(h, command, family);
    h->len = 16 + len;
    v2_state_len(h, len);
    if (len >= address_len + 3) {
        size_t tlv = 16 + address_len;
        size_t value = len - address_len - 3;

        h->bytes[tlv] = (char)0xee;
        h->bytes[tlv + 1] = (char)(value >> 8);
        h->bytes[tlv + 2] = (char)value;
    }
}

static void
every_length_is_exact_whole_and_cut_at_every_byte(void **state)
{
    static const uint8_t kinds[][2] = {
        {0x20, 0}, {0x20, 0x11}, {0x21, 0}, {0x21, 0x11}, {0x21, 0x21}};
    static struct v2 v2;

    (void)state;
    for (size_t k = 0; k < array_len(kinds); k++) {
        for (size_t len = 0; len <= 600; len++) {
            struct proxy_header h;
            size_t got;
            int want = wanted_for_len(kinds[k][0], kinds[k][1], len);

            v2_of_len(&v2, kinds[k][0], kinds[k][1], len);
            assert_int_equal(parse(str_make(v2.bytes, v2.len), &h, &got), want);
            if (want == 0)
                assert_int_equal(got, v2.len);
            /* Stray bytes after the header stay where they are. */
            assert_int_equal(parse(str_make(v2.bytes, v2.len + 5), &h, &got), want);
            if (want == 0)
                assert_int_equal(got, v2.len);
            for (size_t cut = 0; cut < v2.len; cut++)
                assert_int_equal(result_of(str_make(v2.bytes, cut)), GW_E_AGAIN);
        }
    }
}

static void
a_header_beyond_the_cap_is_refused_before_its_bytes_come(void **state)
{
    static struct v2 v2;

    (void)state;
    for (size_t len = 1000; len <= 65535; len = len < 1100 ? len + 1 : len * 2 + 1) {
        v2_of_len(&v2, 0x21, 0x11, len);
        assert_int_equal(result_of(str_make(v2.bytes, 16)),
                         len > PROXY_HEADER_MAX - 16 ? GW_E_PROTO : GW_E_AGAIN);
        assert_int_equal(result_of(str_make(v2.bytes, v2.len)),
                         len > PROXY_HEADER_MAX - 16 ? GW_E_PROTO : 0);
    }
}

static void
tlvs_must_end_with_the_header(void **state)
{
    static struct v2 v2;

    (void)state;
    for (size_t stated = 0; stated < 300; stated++) {
        v2_begin(&v2, 0x21, 0x11);
        v2_add_addresses(&v2, 4);
        v2_add_tlv(&v2, 0x04, "noop", 4);
        v2_add(&v2, (const uint8_t[]){0xee, (uint8_t)(stated >> 8), (uint8_t)stated}, 3);
        v2_add(&v2, "0123456789", 10);
        assert_int_equal(result_of(v2_end(&v2)), stated == 10 ? 0 : GW_E_PROTO);
    }
}

static void
the_endpoint_id_is_taken_from_amazons_tlv(void **state)
{
    static struct v2 v2;
    struct proxy_header h;
    size_t len;

    (void)state;
    v2_begin(&v2, 0x21, 0x11);
    v2_add_addresses(&v2, 4);
    v2_add_tlv(&v2, 0xea, "\x02other subtype", 14);
    v2_add_tlv(&v2, 0xea, "\x01vpce-08d2bf15fac5001c9", 23);
    v2_add_tlv(&v2, 0x04, "", 0);
    assert_int_equal(parse(v2_end(&v2), &h, &len), 0);
    assert_string_equal(h.vpce_id, "vpce-08d2bf15fac5001c9");
    assert_source(&h, "1.2.3.4:4660", "5.6.7.8:443");
}

static void
an_endpoint_id_that_is_none_refuses_the_header(void **state)
{
    static const struct {
        struct str value;
        int want;
    } cases[] = {
        {STR_INIT(""), GW_E_PROTO},
        {STR_INIT("\x01"), GW_E_PROTO},
        {STR_INIT("\x01vpce 1"), GW_E_PROTO},
        {STR_INIT("\x01vpce-1\0"), GW_E_PROTO},
        {STR_INIT("\x01vpce-1\r\nX: y"), GW_E_PROTO},
        {STR_INIT("\x01vpce_1"), GW_E_PROTO},
        {STR_INIT("\x01v"), 0},
        {STR_INIT("\x00vpce 1"), 0},
        {STR_INIT("\x01"
                  "0123456789012345678901234567890123456789012345678901234567890123"),
         0},
        {STR_INIT("\x01"
                  "01234567890123456789012345678901234567890123456789012345678901234"),
         GW_E_PROTO},
    };
    static struct v2 v2;

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        v2_begin(&v2, 0x21, 0x11);
        v2_add_addresses(&v2, 4);
        v2_add_tlv(&v2, 0xea, cases[i].value.ptr, cases[i].value.len);
        assert_int_equal(result_of(v2_end(&v2)), cases[i].want);
    }
    v2_begin(&v2, 0x21, 0x11);
    v2_add_addresses(&v2, 4);
    v2_add_tlv(&v2, 0xea, "\x01vpce-1", 7);
    v2_add_tlv(&v2, 0xea, "\x01vpce-1", 7);
    assert_int_equal(result_of(v2_end(&v2)), GW_E_PROTO);
}

static void
the_checksum_is_checked_when_present(void **state)
{
    static struct v2 v2;
    struct str header;

    (void)state;
    assert_int_equal(crc32c(STR("123456789")), 0xe3069283);
    v2_begin(&v2, 0x21, 0x21);
    v2_add_addresses(&v2, 16);
    v2_add_tlv(&v2, 0x04, "padding", 7);
    header = v2_end_with_crc(&v2);
    assert_int_equal(result_of(header), 0);
    /* Each bit of the addresses, the padding and the checksum counts. */
    for (size_t bit = 16 * 8; bit < header.len * 8; bit++) {
        v2.bytes[bit / 8] = (char)(v2.bytes[bit / 8] ^ (1 << bit % 8));
        /* The type or length of a TLV may say that there is no checksum at all. */
        if (bit / 8 < 52 || bit / 8 >= header.len - 4)
            assert_int_equal(result_of(header), GW_E_PROTO);
        else
            (void)result_of(header);
        v2.bytes[bit / 8] = (char)(v2.bytes[bit / 8] ^ (1 << bit % 8));
    }
    assert_int_equal(result_of(header), 0);
    v2_add_tlv(&v2, 0x03, "\0\0\0\0", 4);
    assert_int_equal(result_of(v2_end(&v2)), GW_E_PROTO);
    v2_begin(&v2, 0x21, 0x00);
    v2_add_tlv(&v2, 0x03, "\0\0\0", 3);
    assert_int_equal(result_of(v2_end(&v2)), GW_E_PROTO);
}

static void
the_nested_tlvs_of_the_tls_tlv_must_fill_it(void **state)
{
    static const struct {
        struct str value;
        int want;
    } cases[] = {
        {STR_INIT(""), GW_E_PROTO},
        {STR_INIT("\x01\0\0\0"), GW_E_PROTO},
        {STR_INIT("\x01\0\0\0\0"), 0},
        {STR_INIT("\x01\0\0\0\0\x21"), GW_E_PROTO},
        {STR_INIT("\x01\0\0\0\0\x21\x00"), GW_E_PROTO},
        {STR_INIT("\x01\0\0\0\0\x21\x00\x00"), 0},
        {STR_INIT("\x01\0\0\0\0\x21\x00\x07TLSv1.3"), 0},
        {STR_INIT("\x01\0\0\0\0\x21\x00\x08TLSv1.3"), GW_E_PROTO},
        {STR_INIT("\x01\0\0\0\0\x21\x00\x07TLSv1.3\x22"), GW_E_PROTO},
        {STR_INIT("\x01\0\0\0\0\x21\x00\x07TLSv1.3\x22\x00\x01x"), 0},
        {STR_INIT("\x01\0\0\0\0\x21\xff\xffTLSv1.3"), GW_E_PROTO},
    };
    static struct v2 v2;

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        v2_begin(&v2, 0x21, 0x11);
        v2_add_addresses(&v2, 4);
        v2_add_tlv(&v2, 0x20, cases[i].value.ptr, cases[i].value.len);
        assert_int_equal(result_of(v2_end(&v2)), cases[i].want);
    }
}

static void
parse_any(void *arg, struct str input)
{
    struct proxy_header h;
    size_t len = 0;
    int rc = proxy_header_parse(input, &h, &len);

    (void)arg;
    if (rc == 0)
        assert_true(len > 0 && len <= input.len && len <= PROXY_HEADER_MAX);
    else
        assert_true(rc == GW_E_AGAIN || rc == GW_E_PROTO || rc == GW_E_NOTFOUND);
}

static void
flipped_bits_never_get_past_the_end(void **state)
{
    static struct v2 v2;

    (void)state;
    v2_begin(&v2, 0x21, 0x11);
    v2_add_addresses(&v2, 4);
    v2_add_tlv(&v2, 0x20, "\x01\0\0\0\0\x21\x00\x07TLSv1.3", 15);
    v2_add_tlv(&v2, 0xea, "\x01vpce-08d2bf15fac5001c9", 23);
    for_each_bit_flip(v2_end_with_crc(&v2), parse_any, NULL);
    for_each_truncation(str_make(v2.bytes, v2.len), parse_any, NULL);
    for_each_bit_flip(STR("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"), parse_any, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1_lines_give_their_addresses),
        cmocka_unit_test(version_1_unknown_keeps_the_sockets_addresses),
        cmocka_unit_test(version_1_lines_that_are_not_exact_are_refused),
        cmocka_unit_test(a_version_1_line_ends_within_107_bytes),
        cmocka_unit_test(fed_byte_by_byte_the_header_ends_where_it_ends),
        cmocka_unit_test(bytes_that_cannot_start_a_header_are_told_at_the_first_difference),
        cmocka_unit_test(every_command_and_family_has_its_answer),
        cmocka_unit_test(every_length_is_exact_whole_and_cut_at_every_byte),
        cmocka_unit_test(a_header_beyond_the_cap_is_refused_before_its_bytes_come),
        cmocka_unit_test(tlvs_must_end_with_the_header),
        cmocka_unit_test(the_endpoint_id_is_taken_from_amazons_tlv),
        cmocka_unit_test(an_endpoint_id_that_is_none_refuses_the_header),
        cmocka_unit_test(the_checksum_is_checked_when_present),
        cmocka_unit_test(the_nested_tlvs_of_the_tls_tlv_must_fill_it),
        cmocka_unit_test(flipped_bits_never_get_past_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
