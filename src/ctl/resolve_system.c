/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers from the system: getaddrinfo, and a DNS query for the TTL. Called on the
 * resolver's thread only. Owns nothing. Must never be called from an event loop.
 */
#include "ctl/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <arpa/nameser.h>
#include <resolv.h>
#include <stdio.h>
#include <unistd.h>

#define DNS_HEADER_BYTES 12
#define DNS_QUESTION_TAIL_BYTES 4 /* type, class */
#define DNS_ANSWER_TAIL_BYTES 10  /* type, class, TTL, length */
#define DNS_MESSAGE_MAX 4096
#define TTL_QUERY_TIMEOUT_S 2

static unsigned
read_u16(const uint8_t *p)
{
    return (unsigned)(p[0] << 8 | p[1]);
}

static uint32_t
read_u32(const uint8_t *p)
{
    return (uint32_t)read_u16(p) << 16 | read_u16(p + 2);
}

/* Past a name and `tail` bytes more; NULL when they are not there. */
static const uint8_t *
skip_name(const uint8_t *p, const uint8_t *end, ptrdiff_t tail)
{
    int n = dn_skipname(p, end);

    if (n < 0 || end - p - n < tail)
        return NULL;
    return p + n + tail;
}

int
resolve_ttl_parse(const uint8_t *msg, size_t len, int64_t *ret_ttl_s)
{
    const uint8_t *p = msg + DNS_HEADER_BYTES;
    const uint8_t *end = msg + len;
    int64_t lowest = INT64_MAX;
    unsigned questions, answers;

    if (len < DNS_HEADER_BYTES)
        return GW_E_PARSE;
    questions = read_u16(msg + 4);
    answers = read_u16(msg + 6);
    for (unsigned i = 0; i < questions; i++) {
        p = skip_name(p, end, DNS_QUESTION_TAIL_BYTES);
        if (p == NULL)
            return GW_E_PARSE;
    }
    for (unsigned i = 0; i < answers; i++) {
        uint32_t ttl;

        p = skip_name(p, end, DNS_ANSWER_TAIL_BYTES);
        if (p == NULL || end - p < (ptrdiff_t)read_u16(p - 2))
            return GW_E_PARSE;
        ttl = read_u32(p - 6);
        p += read_u16(p - 2);
        /* RFC 2181 8: with the top bit set it counts as zero. */
        if (ttl > INT32_MAX)
            ttl = 0;
        lowest = ttl < lowest ? ttl : lowest;
    }
    if (lowest == INT64_MAX)
        return GW_E_PARSE;
    *ret_ttl_s = lowest;
    return 0;
}

static bool
ip_is_loopback(const struct addr *a)
{
    const struct cidr v4 = {.ip = {127}, .ip_len = 4, .prefix = 8};
    const struct cidr v6 = {.ip = {[15] = 1}, .ip_len = 16, .prefix = 128};

    return cidr_contains(&v4, a) || cidr_contains(&v6, a);
}

/* Addresses that no target can have: unspecified, link-local (instance metadata lives there) and
 * multicast. An answer that names them is an error or an attack. */
static bool
ip_is_forbidden(const struct addr *a)
{
    static const struct cidr forbidden[] = {
        {.ip = {0}, .ip_len = 4, .prefix = 8},
        {.ip = {169, 254}, .ip_len = 4, .prefix = 16},
        {.ip = {224}, .ip_len = 4, .prefix = 3},
        {.ip = {0}, .ip_len = 16, .prefix = 128},
        {.ip = {0xfe, 0x80}, .ip_len = 16, .prefix = 10},
        {.ip = {0xff}, .ip_len = 16, .prefix = 8},
    };

    for (size_t i = 0; i < array_len(forbidden); i++) {
        if (cidr_contains(&forbidden[i], a))
            return true;
    }
    return false;
}

/* False when this machine has no route: connecting a datagram socket sends nothing. */
static bool
ip_has_route(const struct addr *a)
{
    struct addr to = *a;
    int fd = socket(a->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool has_route;

    if (fd < 0)
        return false;
    if (to.sa.sa_family == AF_INET)
        ((struct sockaddr_in *)(void *)&to.storage)->sin_port = htons(9);
    else
        ((struct sockaddr_in6 *)(void *)&to.storage)->sin6_port = htons(9);
    has_route = connect(fd, &to.sa, to.len) == 0;
    close(fd);
    return has_route;
}

static bool
answer_has(const struct resolve_answer *answer, const struct addr *a)
{
    for (size_t i = 0; i < answer->count; i++) {
        if (addr_eq(&answer->addrs[i], a))
            return true;
    }
    return false;
}

static bool
addr_from_info(const struct addrinfo *info, struct addr *ret)
{
    if (info->ai_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)info->ai_addr;

        addr_from_ip(ret, (const uint8_t *)&v4->sin_addr, 4, 0);
        return true;
    }
    if (info->ai_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)info->ai_addr;

        addr_from_ip(ret, (const uint8_t *)&v6->sin6_addr, 16, 0);
        return true;
    }
    return false;
}

/* Keeps what can be a target. Addresses without a route only when there is nothing else, so that
 * the connection attempt says what is wrong. */
static void
answer_fill(const struct addrinfo *list, bool needs_route, struct resolve_answer *answer)
{
    for (const struct addrinfo *i = list; i != NULL; i = i->ai_next) {
        struct addr a;

        if (answer->count == TARGET_ADDRESSES_MAX)
            return;
        if (!addr_from_info(i, &a) || ip_is_forbidden(&a) || answer_has(answer, &a))
            continue;
        if (!needs_route || ip_has_route(&a))
            answer->addrs[answer->count++] = a;
    }
}

/* RFC 6761 6.3: such names always mean this machine, also where no hosts file says so. */
static bool
is_localhost(const char *name)
{
    struct str s = str_from(name);

    return str_eq_nocase(s, STR("localhost")) || str_ends_nocase(s, STR(".localhost"));
}

static int
lookup_failed(int rc, const char *name, struct resolve_answer *ret)
{
    static const uint8_t loopback[4] = {127, 0, 0, 1};
    const char *text = rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc);

    if (is_localhost(name)) {
        addr_from_ip(&ret->addrs[0], loopback, sizeof(loopback), 0);
        ret->count = 1;
        return 0;
    }
    (void)snprintf(ret->error, sizeof(ret->error), "the name has no address: %s", text);
    return GW_E_NOTFOUND;
}

static int
system_lookup(void *arg, const char *name, struct resolve_answer *ret)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(name, NULL, &hints, &list);

    (void)arg;
    ret->count = 0;
    if (rc != 0)
        return lookup_failed(rc, name, ret);
    answer_fill(list, true, ret);
    if (ret->count == 0)
        answer_fill(list, false, ret);
    freeaddrinfo(list);
    if (ret->count > 0)
        return 0;
    (void)snprintf(ret->error, sizeof(ret->error), "the name has only %s",
                   "link-local, multicast or unspecified addresses, which are not used");
    return GW_E_NOTFOUND;
}

static int64_t
system_ttl(void *arg, const char *name, const struct resolve_answer *answer)
{
    bool is_v4 = answer->addrs[0].sa.sa_family == AF_INET;
    uint8_t msg[DNS_MESSAGE_MAX];
    struct __res_state state = {0};
    int64_t ttl_s = -1;
    int n;

    (void)arg;
    /* From /etc/hosts, most likely; no server needs to be asked. */
    if (ip_is_loopback(&answer->addrs[0]))
        return -1;
    if (res_ninit(&state) != 0)
        return -1;
    state.retrans = TTL_QUERY_TIMEOUT_S;
    state.retry = 1;
    n = res_nsearch(&state, name, ns_c_in, is_v4 ? ns_t_a : ns_t_aaaa, msg, sizeof(msg));
    res_nclose(&state);
    if (n <= 0 || resolve_ttl_parse(msg, size_min((size_t)n, sizeof(msg)), &ttl_s) != 0)
        return -1;
    return ttl_s;
}

const struct resolve_source resolve_system = {.lookup = system_lookup, .ttl_s = system_ttl};
