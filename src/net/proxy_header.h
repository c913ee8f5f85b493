/* SPDX-License-Identifier: Apache-2.0
 *
 * PROXY protocol versions 1 and 2 (HAProxy's specification), read from bytes: pure, no
 * socket. The AWS VPC endpoint id is TLV 0xEA, subtype 0x01 (NLB guide, "Proxy protocol").
 */
#ifndef NET_PROXY_HEADER_H
#define NET_PROXY_HEADER_H

#include "base/limits.h"
#include "net/sock.h"

struct proxy_header {
    bool is_local; /* LOCAL or UNKNOWN: use the socket's addresses */
    struct addr source;
    struct addr destination;
    char vpce_id[VPCE_ID_MAX + 1]; /* NUL-terminated, empty when absent; [A-Za-z0-9-] only */
};

/* 0 with *ret_len (bytes that belong to the header); GW_E_AGAIN when more is needed; GW_E_NOTFOUND
 * when the bytes so far cannot be the start of a header (then nothing belongs to it); GW_E_PROTO
 * when malformed: bad length, TLVs that do not end with the header, wrong CRC32c, UNIX or UDP
 * family, more than PROXY_HEADER_MAX. */
int proxy_header_parse(struct str bytes, struct proxy_header *ret, size_t *ret_len) GW_MUST_USE;

#endif
