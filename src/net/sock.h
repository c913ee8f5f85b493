/* SPDX-License-Identifier: Apache-2.0
 *
 * Socket addresses and options. Addresses are plain values; text forms are canonical.
 */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include <sys/socket.h>

#include "base/base.h"
#include "base/err.h"
#include "base/str.h"

struct addr {
    union {
        struct sockaddr sa;
        struct sockaddr_storage storage;
    };
    socklen_t len;
};

#define ADDR_TEXT_MAX 64 /* "[v6%scope]:port" and NUL */

/* "1.2.3.4:80", "[::1]:80", ":80" and "*:80" (any IPv4). No names. */
int addr_parse(struct str s, struct addr *ret) GW_MUST_USE;
/* From raw bytes in network order: 4 or 16. */
void addr_from_ip(struct addr *a, const uint8_t *ip, size_t ip_len, uint16_t port);
uint16_t addr_port(const struct addr *a);
/* The address in network order, 4 or 16 bytes; IPv4-mapped IPv6 as IPv4. NULL for other families.
 */
const uint8_t *addr_ip(const struct addr *a, size_t *ret_len);
/* IP only, no brackets; IPv4-mapped IPv6 as IPv4. NUL-terminated. Returns the length. */
size_t addr_format_ip(const struct addr *a, char dst[ADDR_TEXT_MAX]);
/* "1.2.3.4:80", "[::1]:80". */
size_t addr_format(const struct addr *a, char dst[ADDR_TEXT_MAX]);
bool addr_eq(const struct addr *a, const struct addr *b);

/* A network: address and prefix length. IPv4-mapped IPv6 addresses are compared as IPv4. */
struct cidr {
    uint8_t ip[16];
    uint8_t ip_len; /* 4 or 16 */
    uint8_t prefix;
};
/* "10.0.0.0/8", "::1/128", "127.0.0.1" (host). Bits beyond the prefix must be zero. */
int cidr_parse(struct str s, struct cidr *ret) GW_MUST_USE;
bool cidr_contains(const struct cidr *c, const struct addr *a);

/* Non-blocking, close-on-exec, TCP_NODELAY. *ret_fd is connecting or connected; completion is
 * writability, then sock_error. */
int sock_connect(const struct addr *to, int *ret_fd) GW_MUST_USE;
/* SO_ERROR, cleared. 0 when there is none. */
int sock_error(int fd);
/* Non-blocking listening socket. wants_reuseport: one socket per worker. errno kept on GW_E_SYS. */
int sock_listen(const struct addr *at, bool wants_reuseport, int *ret_fd) GW_MUST_USE;
void sock_set_nodelay(int fd);
/* Closes with RST instead of FIN. */
void sock_close_reset(int fd);
int sock_local_addr(int fd, struct addr *ret) GW_MUST_USE;

#endif
