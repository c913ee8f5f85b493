/* SPDX-License-Identifier: Apache-2.0
 *
 * PROXY protocol 1 and 2 as HAProxy's specification has them, with Amazon's VPC endpoint TLV.
 * The connection calls it with the first bytes of a trusted source, again whenever more have
 * come. Pure: it owns nothing and keeps nothing. It must never read past the length that the
 * header itself states, nor accept a header whose parts do not fill that length exactly.
 */
#include "net/proxy_header.h"

#include <arpa/inet.h>

#include "base/assert.h"

#define V2_SIGNATURE_LEN 12
#define V2_FIXED_LEN 16
#define TLV_HEAD_LEN 3
#define SSL_TLV_FIXED_LEN 5 /* client bits and verify result, before the nested TLVs */

enum {
    V2_CMD_LOCAL = 0x20,
    V2_CMD_PROXY = 0x21,
    V2_FAMILY_UNSPEC = 0x00,
    V2_FAMILY_TCP4 = 0x11,
    V2_FAMILY_TCP6 = 0x21,
    TLV_CRC32C = 0x03,
    TLV_SSL = 0x20,
    TLV_AWS = 0xea,
    TLV_AWS_VPCE_ID = 0x01,
};

static const char v2_signature[V2_SIGNATURE_LEN] = {'\r', '\n', '\r', '\n', '\0', '\r',
                                                    '\n', 'Q',  'U',  'I',  'T',  '\n'};

/* What is common to a walk over the TLVs of one header. */
struct tlv_walk {
    struct str header; /* all of it, for the checksum */
    struct proxy_header *out;
};

static size_t
load16(const char *p)
{
    return (size_t)(uint8_t)p[0] << 8 | (uint8_t)p[1];
}

/* Castagnoli polynomial, reflected, four bits at a time: headers are short and rare. */
static uint32_t
crc32c_add(uint32_t crc, const char *bytes, size_t n)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };

    for (size_t i = 0; i < n; i++) {
        crc ^= (uint8_t)bytes[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

/* The checksum covers the whole header with its own four bytes taken as zero. */
static bool
is_crc_right(struct str header, struct str field)
{
    static const char zeros[4];
    size_t before = (size_t)(field.ptr - header.ptr);
    uint32_t want = (uint32_t)load16(field.ptr) << 16 | (uint32_t)load16(field.ptr + 2);
    uint32_t crc = 0xffffffff;

    gw_assert(before + sizeof(zeros) <= header.len);
    crc = crc32c_add(crc, header.ptr, before);
    crc = crc32c_add(crc, zeros, sizeof(zeros));
    crc = crc32c_add(crc, field.ptr + sizeof(zeros), header.len - before - sizeof(zeros));
    return ~crc == want;
}

static bool
is_vpce_char(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-';
}

/* An id that came twice, or in bytes that no id has, cannot be used for a decision. */
static int
take_vpce_id(struct proxy_header *out, struct str id)
{
    if (id.len == 0 || id.len > VPCE_ID_MAX || out->vpce_id[0] != '\0')
        return GW_E_PROTO;
    for (size_t i = 0; i < id.len; i++) {
        if (!is_vpce_char(id.ptr[i]))
            return GW_E_PROTO;
    }
    memcpy(out->vpce_id, id.ptr, id.len);
    out->vpce_id[id.len] = '\0';
    return 0;
}

/* The nested TLVs carry what another TLS endpoint saw. They are not used, but they must end
 * where their container ends. */
static int
check_ssl(struct str value)
{
    size_t at = SSL_TLV_FIXED_LEN;

    if (value.len < SSL_TLV_FIXED_LEN)
        return GW_E_PROTO;
    while (at < value.len) {
        if (value.len - at < TLV_HEAD_LEN)
            return GW_E_PROTO;
        at += TLV_HEAD_LEN + load16(value.ptr + at + 1);
    }
    return at == value.len ? 0 : GW_E_PROTO;
}

static int
take_tlv(struct tlv_walk *w, uint8_t type, struct str value)
{
    switch (type) {
    case TLV_CRC32C:
        if (value.len != 4 || !is_crc_right(w->header, value))
            return GW_E_PROTO;
        return 0;
    case TLV_SSL:
        return check_ssl(value);
    case TLV_AWS:
        if (value.len == 0)
            return GW_E_PROTO;
        if (value.ptr[0] != TLV_AWS_VPCE_ID)
            return 0;
        return take_vpce_id(w->out, str_sub(value, 1, value.len));
    default:
        return 0;
    }
}

static int
walk_tlvs(struct tlv_walk *w, struct str tlvs)
{
    while (tlvs.len > 0) {
        size_t len;
        int rc;

        if (tlvs.len < TLV_HEAD_LEN)
            return GW_E_PROTO;
        len = load16(tlvs.ptr + 1);
        if (len > tlvs.len - TLV_HEAD_LEN)
            return GW_E_PROTO;
        rc = take_tlv(w, (uint8_t)tlvs.ptr[0], str_sub(tlvs, TLV_HEAD_LEN, len));
        if (rc < 0)
            return rc;
        tlvs = str_sub(tlvs, TLV_HEAD_LEN + len, tlvs.len);
    }
    return 0;
}

/* block: source and destination addresses of ip_len each, then two ports. */
static void
take_addresses(struct proxy_header *out, const char *block, size_t ip_len)
{
    const uint8_t *ip = (const uint8_t *)block;
    const char *ports = block + 2 * ip_len;

    addr_from_ip(&out->source, ip, ip_len, (uint16_t)load16(ports));
    addr_from_ip(&out->destination, ip + ip_len, ip_len, (uint16_t)load16(ports + 2));
}

/* Length of the address block of a family, or GW_E_PROTO: datagrams and UNIX sockets do not
 * carry TLS clients. */
static int
v2_address_len(uint8_t family)
{
    switch (family) {
    case V2_FAMILY_UNSPEC:
        return 0;
    case V2_FAMILY_TCP4:
        return 2 * 4 + 4;
    case V2_FAMILY_TCP6:
        return 2 * 16 + 4;
    default:
        return GW_E_PROTO;
    }
}

static int
v2_parse_body(struct str header, uint8_t family, struct proxy_header *out)
{
    struct tlv_walk walk = {.header = header, .out = out};
    int address_len = v2_address_len(family);
    struct str body = str_sub(header, V2_FIXED_LEN, header.len);

    if (address_len < 0 || (size_t)address_len > body.len)
        return GW_E_PROTO;
    if (family == V2_FAMILY_UNSPEC)
        out->is_local = true;
    else
        take_addresses(out, body.ptr, family == V2_FAMILY_TCP4 ? 4 : 16);
    return walk_tlvs(&walk, str_sub(body, (size_t)address_len, body.len));
}

static int
v2_parse(struct str bytes, struct proxy_header *ret, size_t *ret_len)
{
    struct proxy_header out = {0};
    uint8_t command;
    uint8_t family;
    size_t total;

    if (bytes.len < V2_FIXED_LEN)
        return GW_E_AGAIN;
    command = (uint8_t)bytes.ptr[12];
    family = (uint8_t)bytes.ptr[13];
    total = V2_FIXED_LEN + load16(bytes.ptr + 14);
    if (command != V2_CMD_LOCAL && command != V2_CMD_PROXY)
        return GW_E_PROTO;
    /* LOCAL is the sender speaking for itself (health checks): the rest is to be skipped. */
    if (total > PROXY_HEADER_MAX || (command == V2_CMD_PROXY && v2_address_len(family) < 0))
        return GW_E_PROTO;
    if (bytes.len < total)
        return GW_E_AGAIN;
    out.is_local = command == V2_CMD_LOCAL;
    if (command == V2_CMD_PROXY) {
        int rc = v2_parse_body(str_sub(bytes, 0, total), family, &out);

        if (rc < 0)
            return rc;
    }
    *ret = out;
    *ret_len = total;
    return 0;
}

/* Digits without a leading zero, as the specification writes ports. */
static int
v1_port(struct str s, uint16_t *ret)
{
    uint64_t number;

    if (s.len > 5 || (s.len > 1 && s.ptr[0] == '0') || str_parse_u64(s, UINT16_MAX, &number) < 0)
        return GW_E_PROTO;
    *ret = (uint16_t)number;
    return 0;
}

static int
v1_ip(struct str s, size_t ip_len, uint8_t *ret_ip)
{
    char text[INET6_ADDRSTRLEN];

    if (s.len == 0 || s.len >= sizeof(text))
        return GW_E_PROTO;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    return inet_pton(ip_len == 4 ? AF_INET : AF_INET6, text, ret_ip) == 1 ? 0 : GW_E_PROTO;
}

/* fields: what stands after "PROXY TCP4 " or "PROXY TCP6 ", without the line end. */
static int
v1_addresses(struct str fields, size_t ip_len, struct proxy_header *out)
{
    struct str piece[4];
    uint8_t source[16];
    uint8_t destination[16];
    uint16_t ports[2];
    struct str extra;
    bool done = false;

    for (size_t i = 0; i < array_len(piece); i++) {
        if (!str_split_next(&fields, ' ', &done, &piece[i]))
            return GW_E_PROTO;
    }
    if (str_split_next(&fields, ' ', &done, &extra))
        return GW_E_PROTO;
    if (v1_ip(piece[0], ip_len, source) < 0 || v1_ip(piece[1], ip_len, destination) < 0 ||
        v1_port(piece[2], &ports[0]) < 0 || v1_port(piece[3], &ports[1]) < 0)
        return GW_E_PROTO;
    addr_from_ip(&out->source, source, ip_len, ports[0]);
    addr_from_ip(&out->destination, destination, ip_len, ports[1]);
    return 0;
}

/* Length of the line with its CRLF; AGAIN, or PROTO for a byte that no such line has. */
static int
v1_line_len(struct str bytes, size_t *ret)
{
    size_t end = size_min(bytes.len, PROXY_V1_LINE_MAX);

    for (size_t i = 0; i < end; i++) {
        char c = bytes.ptr[i];

        if (c >= ' ' && c <= '~')
            continue;
        if (c != '\r' || i + 2 > PROXY_V1_LINE_MAX)
            return GW_E_PROTO;
        if (i + 1 == bytes.len)
            return GW_E_AGAIN;
        *ret = i + 2;
        return i + 1 < end && bytes.ptr[i + 1] == '\n' ? 0 : GW_E_PROTO;
    }
    return bytes.len < PROXY_V1_LINE_MAX ? GW_E_AGAIN : GW_E_PROTO;
}

static int
v1_parse(struct str bytes, struct proxy_header *ret, size_t *ret_len)
{
    struct proxy_header out = {0};
    size_t line_len = 0;
    struct str line;
    int rc = v1_line_len(bytes, &line_len);

    if (rc < 0)
        return rc;
    line = str_sub(bytes, 0, line_len - 2);
    if (str_starts(line, STR("PROXY TCP4 ")))
        rc = v1_addresses(str_sub(line, 11, line.len), 4, &out);
    else if (str_starts(line, STR("PROXY TCP6 ")))
        rc = v1_addresses(str_sub(line, 11, line.len), 16, &out);
    else if (str_eq(line, STR("PROXY UNKNOWN")) || str_starts(line, STR("PROXY UNKNOWN ")))
        out.is_local = true;
    else
        rc = GW_E_PROTO;
    if (rc < 0)
        return rc;
    *ret = out;
    *ret_len = line_len;
    return 0;
}

int
proxy_header_parse(struct str bytes, struct proxy_header *ret, size_t *ret_len)
{
    const struct str v2 = {v2_signature, sizeof(v2_signature)};
    const struct str v1 = STR("PROXY ");

    if (str_starts(bytes, v2))
        return v2_parse(bytes, ret, ret_len);
    if (str_starts(bytes, v1))
        return v1_parse(bytes, ret, ret_len);
    if (str_starts(v2, bytes) || str_starts(v1, bytes))
        return GW_E_AGAIN;
    return GW_E_NOTFOUND;
}
