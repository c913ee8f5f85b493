/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "net/sock.h"

static void
addresses_are_read_and_written_in_one_form(void **state)
{
    static const struct {
        const char *text;
        const char *canonical;
        const char *ip;
    } cases[] = {
        {"1.2.3.4:80", "1.2.3.4:80", "1.2.3.4"},
        {"0.0.0.0:0", "0.0.0.0:0", "0.0.0.0"},
        {"255.255.255.255:65535", "255.255.255.255:65535", "255.255.255.255"},
        {":8443", "0.0.0.0:8443", "0.0.0.0"},
        {"*:8443", "0.0.0.0:8443", "0.0.0.0"},
        {"[::1]:80", "[::1]:80", "::1"},
        {"[::]:1", "[::]:1", "::"},
        {"[2001:DB8:0:0:0:0:0:1]:443", "[2001:db8::1]:443", "2001:db8::1"},
        {"[::ffff:10.1.2.3]:5", "10.1.2.3:5", "10.1.2.3"},
        {"[fe80::1%1]:5", "[fe80::1%1]:5", "fe80::1%1"},
        {"[fe80::1%lo]:5", "[fe80::1%1]:5", "fe80::1%1"},
        {"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535",
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct addr a;
        struct addr again;
        char text[ADDR_TEXT_MAX];

        assert_int_equal(addr_parse(str_from(cases[i].text), &a), 0);
        assert_int_equal(addr_format(&a, text), strlen(cases[i].canonical));
        assert_string_equal(text, cases[i].canonical);
        assert_int_equal(addr_parse(str_from(text), &again), 0);
        assert_true(addr_eq(&a, &again));
        assert_int_equal(addr_format_ip(&a, text), strlen(cases[i].ip));
        assert_string_equal(text, cases[i].ip);
    }
}

static void
text_that_is_no_address_is_refused(void **state)
{
    static const struct str cases[] = {
        STR_INIT(""),
        STR_INIT("1.2.3.4"),
        STR_INIT("1.2.3.4:"),
        STR_INIT("80"),
        STR_INIT("1.2.3.4:65536"),
        STR_INIT("1.2.3.4:-1"),
        STR_INIT("1.2.3.4:+1"),
        STR_INIT("1.2.3.4: 1"),
        STR_INIT("1.2.3.4:000080"),
        STR_INIT("1.2.3:80"),
        STR_INIT("1.2.3.4.5:80"),
        STR_INIT("01.2.3.4:80"),
        STR_INIT("1.2.3.256:80"),
        STR_INIT("localhost:80"),
        STR_INIT("::1:80"),
        STR_INIT("[::1]"),
        STR_INIT("[::1]80"),
        STR_INIT("[]:80"),
        STR_INIT("[1.2.3.4]:80"),
        STR_INIT("[::1:80"),
        STR_INIT("::1]:80"),
        STR_INIT("[::g]:80"),
        STR_INIT("[::1%]:80"),
        STR_INIT("[::1%nosuchlink]:80"),
        STR_INIT("**:80"),
        STR_INIT("1.2.3.4\0:80"),
        STR_INIT(" 1.2.3.4:80"),
        STR_INIT("[::1%4294967296]:1"),
    };
    struct addr a;

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++)
        assert_int_equal(addr_parse(cases[i], &a), GW_E_PARSE);
}

static void
raw_bytes_make_the_same_address_as_text(void **state)
{
    const uint8_t ip4[4] = {10, 0, 0, 1};
    const uint8_t ip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
    struct addr a;
    struct addr b;

    (void)state;
    addr_from_ip(&a, ip4, sizeof(ip4), 443);
    assert_int_equal(addr_parse(STR("10.0.0.1:443"), &b), 0);
    assert_true(addr_eq(&a, &b));
    assert_int_equal(addr_port(&a), 443);
    assert_int_equal(a.len, sizeof(struct sockaddr_in));
    addr_from_ip(&a, ip6, sizeof(ip6), 443);
    assert_false(addr_eq(&a, &b));
    assert_int_equal(addr_parse(STR("[2001:db8::1]:443"), &b), 0);
    assert_true(addr_eq(&a, &b));
    assert_int_equal(addr_parse(STR("[2001:db8::1]:444"), &b), 0);
    assert_false(addr_eq(&a, &b));
    assert_int_equal(addr_parse(STR("[2001:db8::1%1]:443"), &b), 0);
    assert_false(addr_eq(&a, &b));
}

static void
other_families_have_no_text_and_equal_nothing(void **state)
{
    struct addr a = {.sa = {.sa_family = AF_UNIX}, .len = sizeof(sa_family_t)};
    char text[ADDR_TEXT_MAX];

    (void)state;
    assert_int_equal(addr_format_ip(&a, text), 1);
    assert_string_equal(text, "-");
    assert_int_equal(addr_port(&a), 0);
    assert_false(addr_eq(&a, &a));
}

static void
networks_contain_their_addresses_only(void **state)
{
    static const struct {
        const char *cidr;
        const char *addr;
        bool want;
    } cases[] = {
        {"10.0.0.0/8", "10.255.1.2:1", true},
        {"10.0.0.0/8", "11.0.0.0:1", false},
        {"10.0.0.0/8", "[::ffff:10.1.1.1]:1", true},
        {"0.0.0.0/0", "1.2.3.4:1", true},
        {"0.0.0.0/0", "[::1]:1", false},
        {"::/0", "[::1]:1", true},
        {"::/0", "1.2.3.4:1", false},
        {"::ffff:0:0/96", "1.2.3.4:1", true},
        {"::ffff:10.0.0.0/104", "10.9.9.9:1", true},
        {"::ffff:10.0.0.0/104", "11.9.9.9:1", false},
        {"127.0.0.1", "127.0.0.1:9", true},
        {"127.0.0.1", "127.0.0.2:9", false},
        {"::1", "[::1]:9", true},
        {"192.168.1.128/25", "192.168.1.128:1", true},
        {"192.168.1.128/25", "192.168.1.127:1", false},
        {"192.168.1.4/31", "192.168.1.5:1", true},
        {"192.168.1.4/31", "192.168.1.6:1", false},
        {"2001:db8:8000::/33", "[2001:db8:ffff::1]:1", true},
        {"2001:db8:8000::/33", "[2001:db8:7fff::1]:1", false},
        {"2001:db8::/127", "[2001:db8::1]:1", true},
        {"2001:db8::/127", "[2001:db8::2]:1", false},
    };

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct cidr c;
        struct addr a;

        assert_int_equal(cidr_parse(str_from(cases[i].cidr), &c), 0);
        assert_int_equal(addr_parse(str_from(cases[i].addr), &a), 0);
        if (cidr_contains(&c, &a) != cases[i].want)
            fail_msg("%s in %s is not %d", cases[i].addr, cases[i].cidr, cases[i].want);
    }
}

/* Every prefix against an address that differs in exactly one bit. */
static void
a_prefix_counts_every_bit(void **state)
{
    (void)state;
    for (unsigned prefix = 0; prefix <= 32; prefix++) {
        for (unsigned bit = 0; bit < 32; bit++) {
            struct cidr c = {.ip_len = 4, .prefix = (uint8_t)prefix};
            uint8_t ip[4] = {0, 0, 0, 0};
            struct addr a;

            ip[bit / 8] = (uint8_t)(0x80 >> bit % 8);
            addr_from_ip(&a, ip, 4, 1);
            assert_int_equal(cidr_contains(&c, &a), bit >= prefix);
        }
    }
}

static void
text_that_is_no_network_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.1/8",
        "10.0.0.0/8 ",
        "10.0.0.0/08x",
        "10.0.0.0/0008",
        "::/129",
        "::1/127",
        "10/8",
        "10.0.0.0/8/8",
        "name/8",
        "[::1]/128",
        "fe80::1%1/64",
        "::ffff:10.0.0.1/104",
    };
    struct cidr c;

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++)
        assert_int_equal(cidr_parse(str_from(cases[i]), &c), GW_E_PARSE);
}

static void
assert_private_and_non_blocking(int fd)
{
    int on = 0;
    socklen_t len = sizeof(on);

    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_true(on);
}

static int
listen_anywhere(const char *at, bool wants_reuseport, struct addr *ret)
{
    int fd = -1;

    assert_int_equal(addr_parse(str_from(at), ret), 0);
    assert_int_equal(sock_listen(ret, wants_reuseport, &fd), 0);
    assert_int_equal(sock_local_addr(fd, ret), 0);
    assert_private_and_non_blocking(fd);
    return fd;
}

static int
wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};

    return poll(&p, 1, 2000) == 1 ? p.revents : 0;
}

static void
a_connection_is_made_and_reset(void **state)
{
    struct addr at;
    int listener = listen_anywhere("127.0.0.1:0", false, &at);
    int ours = -1;
    int theirs;
    char byte;

    (void)state;
    assert_true(addr_port(&at) > 0);
    assert_int_equal(sock_connect(&at, &ours), 0);
    assert_private_and_non_blocking(ours);
    assert_true(wait_for(ours, POLLOUT) & POLLOUT);
    assert_int_equal(sock_error(ours), 0);
    assert_true(wait_for(listener, POLLIN) & POLLIN);
    theirs = accept(listener, NULL, NULL);
    assert_true(theirs >= 0);
    sock_close_reset(theirs);
    assert_true(wait_for(ours, POLLIN) & POLLERR);
    assert_int_equal(recv(ours, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(ours);
    close(listener);
}

static void
a_refused_connection_shows_in_the_socket_error(void **state)
{
    struct addr at;
    int fd = -1;
    int rc;

    (void)state;
    close(listen_anywhere("127.0.0.1:0", false, &at));
    rc = sock_connect(&at, &fd);
    if (rc == GW_E_SYS) {
        assert_int_equal(errno, ECONNREFUSED);
        return;
    }
    wait_for(fd, POLLOUT);
    assert_int_equal(sock_error(fd), ECONNREFUSED);
    assert_int_equal(sock_error(fd), 0);
    close(fd);
    assert_int_equal(sock_error(-1), EBADF);
}

static void
a_port_is_shared_only_when_both_ask_for_it(void **state)
{
    struct addr at;
    int first = listen_anywhere("127.0.0.1:0", true, &at);
    int second = -1;

    (void)state;
    assert_int_equal(sock_listen(&at, false, &second), GW_E_SYS);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(sock_listen(&at, true, &second), 0);
    close(second);
    close(first);
}

static void
both_families_listen_on_one_port(void **state)
{
    struct addr at;
    struct addr at6;
    int first = listen_anywhere("*:0", false, &at);
    int second = -1;

    (void)state;
    assert_int_equal(addr_parse(STR("[::]:0"), &at6), 0);
    ((struct sockaddr_in6 *)&at6.storage)->sin6_port = htons(addr_port(&at));
    if (sock_listen(&at6, false, &second) < 0)
        assert_int_equal(errno, EAFNOSUPPORT); /* a machine without IPv6 */
    else
        close(second);
    close(first);
}

static void
failures_of_the_system_keep_errno(void **state)
{
    struct addr at = {.sa = {.sa_family = AF_MAX}, .len = sizeof(struct sockaddr)};
    struct addr local;
    int fd = 77;

    (void)state;
    assert_int_equal(sock_connect(&at, &fd), GW_E_SYS);
    assert_int_equal(errno, EAFNOSUPPORT);
    assert_int_equal(sock_listen(&at, false, &fd), GW_E_SYS);
    assert_int_equal(fd, 77);
    assert_int_equal(sock_local_addr(-1, &local), GW_E_SYS);
    assert_int_equal(addr_parse(STR("192.0.2.1:0"), &at), 0);
    assert_int_equal(sock_listen(&at, false, &fd), GW_E_SYS);
    assert_int_equal(errno, EADDRNOTAVAIL);
    assert_int_equal(fd, 77);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_written_in_one_form),
        cmocka_unit_test(text_that_is_no_address_is_refused),
        cmocka_unit_test(raw_bytes_make_the_same_address_as_text),
        cmocka_unit_test(other_families_have_no_text_and_equal_nothing),
        cmocka_unit_test(networks_contain_their_addresses_only),
        cmocka_unit_test(a_prefix_counts_every_bit),
        cmocka_unit_test(text_that_is_no_network_is_refused),
        cmocka_unit_test(a_connection_is_made_and_reset),
        cmocka_unit_test(a_refused_connection_shows_in_the_socket_error),
        cmocka_unit_test(a_port_is_shared_only_when_both_ask_for_it),
        cmocka_unit_test(both_families_listen_on_one_port),
        cmocka_unit_test(failures_of_the_system_keep_errno),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
