/* SPDX-License-Identifier: Apache-2.0
 *
 * Socket addresses, networks and the few socket calls of the gateway, with close-on-exec and
 * non-blocking from the first instant. Any thread; it owns no descriptor, the caller does.
 * It must never resolve a name and never block.
 */
#include "net/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/limits.h"

static struct sockaddr_in *
v4(struct addr *a)
{
    return (struct sockaddr_in *)&a->storage;
}

static struct sockaddr_in6 *
v6(struct addr *a)
{
    return (struct sockaddr_in6 *)&a->storage;
}

static const struct sockaddr_in *
v4_const(const struct addr *a)
{
    return (const struct sockaddr_in *)&a->storage;
}

static const struct sockaddr_in6 *
v6_const(const struct addr *a)
{
    return (const struct sockaddr_in6 *)&a->storage;
}

const uint8_t *
addr_ip(const struct addr *a, size_t *ret_len)
{
    const struct in6_addr *ip6;

    if (a->sa.sa_family == AF_INET) {
        *ret_len = 4;
        return (const uint8_t *)&v4_const(a)->sin_addr;
    }
    if (a->sa.sa_family != AF_INET6)
        return NULL;
    ip6 = &v6_const(a)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(ip6)) {
        *ret_len = 4;
        return ip6->s6_addr + 12;
    }
    *ret_len = 16;
    return ip6->s6_addr;
}

void
addr_from_ip(struct addr *a, const uint8_t *ip, size_t ip_len, uint16_t port)
{
    gw_assert(ip_len == 4 || ip_len == 16);
    *a = (struct addr){0};
    if (ip_len == 4) {
        v4(a)->sin_family = AF_INET;
        v4(a)->sin_port = htons(port);
        memcpy(&v4(a)->sin_addr, ip, 4);
        a->len = sizeof(struct sockaddr_in);
        return;
    }
    v6(a)->sin6_family = AF_INET6;
    v6(a)->sin6_port = htons(port);
    memcpy(&v6(a)->sin6_addr, ip, 16);
    a->len = sizeof(struct sockaddr_in6);
}

/* inet_pton wants a NUL and would stop at one inside. */
static int
parse_ip(int family, struct str s, uint8_t *ret_ip)
{
    char text[INET6_ADDRSTRLEN];

    if (s.len == 0 || s.len >= sizeof(text) || memchr(s.ptr, 0, s.len) != NULL)
        return GW_E_PARSE;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    return inet_pton(family, text, ret_ip) == 1 ? 0 : GW_E_PARSE;
}

static int
parse_scope(struct str s, uint32_t *ret)
{
    char name[IF_NAMESIZE];
    uint64_t number;

    if (str_parse_u64(s, UINT32_MAX, &number) == 0) {
        *ret = (uint32_t)number;
        return 0;
    }
    if (s.len == 0 || s.len >= sizeof(name) || memchr(s.ptr, 0, s.len) != NULL)
        return GW_E_PARSE;
    memcpy(name, s.ptr, s.len);
    name[s.len] = '\0';
    *ret = if_nametoindex(name);
    return *ret != 0 ? 0 : GW_E_PARSE;
}

static int
parse_port(struct str s, uint16_t *ret)
{
    uint64_t number;

    if (s.len > 5 || str_parse_u64(s, UINT16_MAX, &number) < 0)
        return GW_E_PARSE;
    *ret = (uint16_t)number;
    return 0;
}

/* host is what stood between the brackets. */
static int
parse_v6(struct str host, uint16_t port, struct addr *ret)
{
    ptrdiff_t percent = str_chr(host, '%');
    struct str ip_text = percent < 0 ? host : str_sub(host, 0, (size_t)percent);
    uint8_t ip[16];
    uint32_t scope = 0;

    if (parse_ip(AF_INET6, ip_text, ip) < 0)
        return GW_E_PARSE;
    if (percent >= 0 && parse_scope(str_sub(host, (size_t)percent + 1, host.len), &scope) < 0)
        return GW_E_PARSE;
    addr_from_ip(ret, ip, sizeof(ip), port);
    v6(ret)->sin6_scope_id = scope;
    return 0;
}

int
addr_parse(struct str s, struct addr *ret)
{
    ptrdiff_t colon = str_rchr(s, ':');
    struct str host;
    uint16_t port;
    uint8_t ip[4] = {0, 0, 0, 0};

    if (colon < 0)
        return GW_E_PARSE;
    host = str_sub(s, 0, (size_t)colon);
    if (parse_port(str_sub(s, (size_t)colon + 1, s.len), &port) < 0)
        return GW_E_PARSE;
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        return parse_v6(str_sub(host, 1, host.len - 2), port, ret);
    if (host.len > 0 && !str_eq(host, STR("*")) && parse_ip(AF_INET, host, ip) < 0)
        return GW_E_PARSE;
    addr_from_ip(ret, ip, sizeof(ip), port);
    return 0;
}

uint16_t
addr_port(const struct addr *a)
{
    if (a->sa.sa_family == AF_INET)
        return ntohs(v4_const(a)->sin_port);
    if (a->sa.sa_family == AF_INET6)
        return ntohs(v6_const(a)->sin6_port);
    return 0;
}

static uint32_t
scope_id(const struct addr *a)
{
    return a->sa.sa_family == AF_INET6 ? v6_const(a)->sin6_scope_id : 0;
}

size_t
addr_format_ip(const struct addr *a, char dst[ADDR_TEXT_MAX])
{
    size_t ip_len = 0;
    const uint8_t *ip = addr_ip(a, &ip_len);
    size_t len;

    if (ip == NULL || inet_ntop(ip_len == 4 ? AF_INET : AF_INET6, ip, dst, ADDR_TEXT_MAX) == NULL) {
        memcpy(dst, "-", 2);
        return 1;
    }
    len = strlen(dst);
    if (ip_len == 16 && scope_id(a) != 0)
        len += (size_t)snprintf(dst + len, ADDR_TEXT_MAX - len, "%%%u", scope_id(a));
    return len;
}

size_t
addr_format(const struct addr *a, char dst[ADDR_TEXT_MAX])
{
    char ip[ADDR_TEXT_MAX];
    bool has_colon;
    int len;

    addr_format_ip(a, ip);
    has_colon = strchr(ip, ':') != NULL;
    len = snprintf(dst, ADDR_TEXT_MAX, has_colon ? "[%.51s]:%u" : "%.51s:%u", ip, addr_port(a));
    gw_assert(len > 0 && len < ADDR_TEXT_MAX);
    return (size_t)len;
}

bool
addr_eq(const struct addr *a, const struct addr *b)
{
    size_t a_len = 0;
    size_t b_len = 0;
    const uint8_t *a_ip = addr_ip(a, &a_len);
    const uint8_t *b_ip = addr_ip(b, &b_len);

    if (a_ip == NULL || b_ip == NULL || a_len != b_len)
        return false;
    return memcmp(a_ip, b_ip, a_len) == 0 && addr_port(a) == addr_port(b) &&
           (a_len == 4 || scope_id(a) == scope_id(b));
}

static bool
has_host_bits(const uint8_t *ip, size_t ip_len, size_t prefix)
{
    for (size_t bit = prefix; bit < ip_len * 8; bit++) {
        if (ip[bit / 8] & (0x80u >> (bit % 8)))
            return true;
    }
    return false;
}

/* ::ffff:a.b.c.d/96+n becomes a.b.c.d/n, so that one comparison serves both spellings. */
static void
cidr_unmap(struct cidr *c)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    if (c->ip_len != 16 || c->prefix < 96 || memcmp(c->ip, mapped, sizeof(mapped)) != 0)
        return;
    memmove(c->ip, c->ip + 12, 4);
    memset(c->ip + 4, 0, 12);
    c->ip_len = 4;
    c->prefix = (uint8_t)(c->prefix - 96);
}

int
cidr_parse(struct str s, struct cidr *ret)
{
    ptrdiff_t slash = str_chr(s, '/');
    struct str ip_text = slash < 0 ? s : str_sub(s, 0, (size_t)slash);
    struct cidr c = {0};
    uint64_t prefix;

    if (parse_ip(AF_INET, ip_text, c.ip) == 0)
        c.ip_len = 4;
    else if (parse_ip(AF_INET6, ip_text, c.ip) == 0)
        c.ip_len = 16;
    else
        return GW_E_PARSE;
    prefix = (uint64_t)c.ip_len * 8;
    if (slash >= 0) {
        struct str text = str_sub(s, (size_t)slash + 1, s.len);

        if (text.len > 3 || str_parse_u64(text, prefix, &prefix) < 0)
            return GW_E_PARSE;
    }
    if (has_host_bits(c.ip, c.ip_len, (size_t)prefix))
        return GW_E_PARSE;
    c.prefix = (uint8_t)prefix;
    cidr_unmap(&c);
    *ret = c;
    return 0;
}

bool
cidr_contains(const struct cidr *c, const struct addr *a)
{
    size_t len = 0;
    const uint8_t *ip = addr_ip(a, &len);
    size_t whole = c->prefix / 8;
    unsigned rest = c->prefix % 8;
    unsigned mask = 0xff00u >> rest & 0xffu;

    if (ip == NULL || len != c->ip_len || memcmp(ip, c->ip, whole) != 0)
        return false;
    return rest == 0 || ((unsigned)(ip[whole] ^ c->ip[whole]) & mask) == 0;
}

static int
set_int(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value));
}

void
sock_set_nodelay(int fd)
{
    /* Fails on UNIX sockets, where there is nothing to delay. */
    (void)set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

/* errno survives the close. */
static int
close_failed(int fd)
{
    int saved = errno;

    close(fd);
    errno = saved;
    return GW_E_SYS;
}

int
sock_connect(const struct addr *to, int *ret_fd)
{
    int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return GW_E_SYS;
    sock_set_nodelay(fd);
    /* An interrupted connect goes on in the background like one in progress. */
    if (connect(fd, &to->sa, to->len) < 0 && errno != EINPROGRESS && errno != EINTR)
        return close_failed(fd);
    *ret_fd = fd;
    return 0;
}

int
sock_error(int fd)
{
    int err = 0;
    socklen_t len = sizeof(err);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
        return errno;
    return err;
}

int
sock_listen(const struct addr *at, bool wants_reuseport, int *ret_fd)
{
    int fd = socket(at->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return GW_E_SYS;
    if (set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
        return close_failed(fd);
    if (wants_reuseport && set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
        return close_failed(fd);
    /* [::]:443 and 0.0.0.0:443 are two listeners; each is asked for by name. */
    if (at->sa.sa_family == AF_INET6 && set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) < 0)
        return close_failed(fd);
    sock_set_nodelay(fd); /* inherited by what is accepted */
    if (bind(fd, &at->sa, at->len) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
        return close_failed(fd);
    *ret_fd = fd;
    return 0;
}

void
sock_close_reset(int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

int
sock_local_addr(int fd, struct addr *ret)
{
    struct addr a = {0};

    a.len = sizeof(a.storage);
    if (getsockname(fd, &a.sa, &a.len) < 0)
        return GW_E_SYS;
    *ret = a;
    return 0;
}
