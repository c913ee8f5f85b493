/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening sockets by address: new, kept, dropped, inherited.
 */
#include "support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/sockets.h"
#include "support/util.h"

#define WORKERS 2

/* A site with one listener on the given addresses. */
struct plan {
    struct site site;
    struct site_listener listener;
    struct addr addresses[4];
};

static void
plan_make(struct plan *p, const struct addr *addresses, size_t count)
{
    memset(p, 0, sizeof(*p));
    memcpy(p->addresses, addresses, count * sizeof(*addresses));
    p->listener.name = STR("front");
    p->listener.addresses = p->addresses;
    p->listener.address_count = count;
    p->site.listeners = &p->listener;
    p->site.listener_count = 1;
}

static struct addr
address(uint16_t port)
{
    struct addr a;

    addr_from_ip(&a, (const uint8_t[]){127, 0, 0, 1}, 4, port);
    return a;
}

static bool
answers(uint16_t port)
{
    struct addr a = address(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool ok = connect(fd, &a.sa, a.len) == 0;

    close(fd);
    return ok;
}

/* Plans and commits; fails the test on an error. */
static void
go(struct sockets *s, const struct addr *addresses, size_t count, uint64_t generation)
{
    struct plan p;
    struct diag diag;

    diag_init(&diag);
    plan_make(&p, addresses, count);
    assert_int_equal(sockets_plan(s, &p.site, "f.yaml", &diag), 0);
    sockets_commit(s, &p.site, generation);
    diag_done(&diag);
}

static size_t
listen_count(const struct sockets *s, const struct addr *addresses, size_t count, unsigned worker,
             int *first_fd)
{
    struct plan p;
    struct worker_listen *items;
    size_t n;

    plan_make(&p, addresses, count);
    items = sockets_listens(s, &p.site, worker, &n);
    *first_fd = n > 0 ? items[0].fd : -1;
    free(items);
    return n;
}

static void
every_worker_has_a_socket_of_its_own(void **state)
{
    struct addr a = address(port_free());
    struct sockets s;
    int first, second;

    (void)state;
    sockets_init(&s, WORKERS);
    go(&s, &a, 1, 1);
    assert_int_equal(listen_count(&s, &a, 1, 0, &first), 1);
    assert_int_equal(listen_count(&s, &a, 1, 1, &second), 1);
    assert_int_not_equal(first, second);
    assert_true(answers(addr_port(&a)));
    sockets_done(&s);
    assert_false(answers(addr_port(&a)));
}

static void
a_kept_address_keeps_its_sockets(void **state)
{
    struct addr a[2] = {address(port_free()), address(port_free())};
    struct sockets s;
    int before, after;

    (void)state;
    sockets_init(&s, WORKERS);
    go(&s, a, 1, 1);
    (void)listen_count(&s, a, 1, 0, &before);
    go(&s, a, 2, 2);
    (void)listen_count(&s, a, 1, 0, &after);
    assert_int_equal(before, after);
    assert_true(answers(addr_port(&a[1])));
    sockets_done(&s);
}

static void
a_dropped_address_is_closed_only_after_the_workers_let_go(void **state)
{
    struct addr a[2] = {address(port_free()), address(port_free())};
    struct sockets s;

    (void)state;
    sockets_init(&s, WORKERS);
    go(&s, a, 2, 1);
    go(&s, a, 1, 2);
    assert_true(answers(addr_port(&a[1])));
    sockets_close_retired(&s, 1);
    assert_true(answers(addr_port(&a[1])));
    sockets_close_retired(&s, 2);
    assert_false(answers(addr_port(&a[1])));
    assert_true(answers(addr_port(&a[0])));
    sockets_done(&s);
}

static void
an_address_that_comes_back_at_once_is_used_again(void **state)
{
    struct addr a[2] = {address(port_free()), address(port_free())};
    struct sockets s;

    (void)state;
    sockets_init(&s, WORKERS);
    go(&s, a, 2, 1);
    go(&s, a, 1, 2);
    go(&s, a, 2, 3);
    sockets_close_retired(&s, 3);
    assert_true(answers(addr_port(&a[1])));
    sockets_done(&s);
}

static void
an_address_in_use_refuses_and_changes_nothing(void **state)
{
    struct addr a[3] = {address(port_free()), address(port_free()), address(port_free())};
    struct sockets mine, other;
    struct plan p;
    struct diag diag;

    (void)state;
    sockets_init(&mine, WORKERS);
    sockets_init(&other, WORKERS);
    go(&other, &a[1], 1, 1);
    go(&mine, a, 1, 1);
    plan_make(&p, a, 3);
    diag_init(&diag);
    assert_int_equal(sockets_plan(&mine, &p.site, "f.yaml", &diag), GW_E_CONFIG);
    assert_int_equal(diag.error_count, 1);
    assert_non_null(
        strstr(diag.entries[0].text, "listener \"front\": cannot listen on 127.0.0.1:"));
    assert_non_null(strstr(diag.entries[0].text, "another program listens there"));
    assert_false(answers(addr_port(&a[2])));
    assert_true(answers(addr_port(&a[0])));
    diag_done(&diag);
    sockets_done(&mine);
    sockets_done(&other);
}

static void
an_abandoned_plan_leaves_no_socket(void **state)
{
    struct addr a = address(port_free());
    struct sockets s;
    struct plan p;
    struct diag diag;

    (void)state;
    sockets_init(&s, WORKERS);
    diag_init(&diag);
    plan_make(&p, &a, 1);
    assert_int_equal(sockets_plan(&s, &p.site, "f.yaml", &diag), 0);
    assert_true(answers(addr_port(&a)));
    sockets_abandon(&s);
    assert_false(answers(addr_port(&a)));
    diag_done(&diag);
    sockets_done(&s);
}

/* fd_count sockets of one address, as an older gateway with so many workers would give. */
static void
inherit(struct sockets *s, const struct addr *a, size_t fd_count)
{
    for (size_t i = 0; i < fd_count; i++) {
        int fd;

        assert_int_equal(sock_listen(a, true, &fd), 0);
        assert_true(sockets_inherit(s, fd));
    }
}

static void
inherited_sockets_are_dealt_out_to_the_workers(void **state)
{
    struct addr a = address(port_free());
    struct sockets s;
    int fd;

    (void)state;
    sockets_init(&s, WORKERS);
    inherit(&s, &a, 5);
    go(&s, &a, 1, 1);
    assert_int_equal(listen_count(&s, &a, 1, 0, &fd), 3);
    assert_int_equal(listen_count(&s, &a, 1, 1, &fd), 2);
    sockets_done(&s);
}

static void
one_inherited_socket_is_shared_by_all_workers(void **state)
{
    struct addr a = address(port_free());
    struct sockets s;
    int first, second;

    (void)state;
    sockets_init(&s, WORKERS);
    inherit(&s, &a, 1);
    go(&s, &a, 1, 1);
    assert_int_equal(listen_count(&s, &a, 1, 0, &first), 1);
    assert_int_equal(listen_count(&s, &a, 1, 1, &second), 1);
    assert_int_equal(first, second);
    assert_true(fcntl(first, F_GETFL) & O_NONBLOCK);
    sockets_done(&s);
}

static void
what_nobody_asked_for_is_closed_and_counted(void **state)
{
    struct addr a[2] = {address(port_free()), address(port_free())};
    struct sockets s;

    (void)state;
    sockets_init(&s, WORKERS);
    inherit(&s, &a[0], 2);
    inherit(&s, &a[1], 2);
    go(&s, a, 1, 1);
    assert_int_equal(sockets_close_inherited(&s), 1);
    assert_true(answers(addr_port(&a[0])));
    assert_false(answers(addr_port(&a[1])));
    sockets_done(&s);
}

static void
the_admin_address_is_taken_out_of_the_inherited(void **state)
{
    struct addr a[2] = {address(port_free()), address(port_free())};
    struct sockets s;
    int fd;

    (void)state;
    sockets_init(&s, WORKERS);
    inherit(&s, &a[0], 1);
    assert_int_equal(sockets_take_inherited(&s, &a[1]), -1);
    fd = sockets_take_inherited(&s, &a[0]);
    assert_true(fd >= 0);
    assert_int_equal(sockets_take_inherited(&s, &a[0]), -1);
    close(fd);
    sockets_done(&s);
}

static void
only_listening_sockets_are_inherited(void **state)
{
    struct sockets s;
    int pair[2];

    (void)state;
    sockets_init(&s, WORKERS);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_false(sockets_inherit(&s, pair[0]));
    close(pair[1]);
    assert_false(sockets_inherit(&s, socket(AF_INET, SOCK_STREAM, 0)));
    assert_false(sockets_inherit(&s, open("/dev/null", O_RDONLY)));
    assert_int_equal(s.inherited_count, 0);
    sockets_done(&s);
}

static void
port_0_becomes_a_real_port(void **state)
{
    struct addr a = address(0);
    struct sockets s;

    (void)state;
    sockets_init(&s, WORKERS);
    go(&s, &a, 1, 1);
    assert_true(answers(addr_port(&sockets_find(&s, &a)->bound)));
    sockets_done(&s);
}

static void
every_descriptor_in_use_can_be_handed_over(void **state)
{
    struct addr a[2] = {address(port_free()), address(port_free())};
    struct sockets s;
    size_t count;
    int *fds;

    (void)state;
    sockets_init(&s, WORKERS);
    go(&s, a, 2, 1);
    go(&s, a, 1, 2); /* a[1] is retired and stays behind */
    fds = sockets_fds(&s, &count);
    assert_int_equal(count, WORKERS);
    free(fds);
    sockets_done(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_worker_has_a_socket_of_its_own),
        cmocka_unit_test(a_kept_address_keeps_its_sockets),
        cmocka_unit_test(a_dropped_address_is_closed_only_after_the_workers_let_go),
        cmocka_unit_test(an_address_that_comes_back_at_once_is_used_again),
        cmocka_unit_test(an_address_in_use_refuses_and_changes_nothing),
        cmocka_unit_test(an_abandoned_plan_leaves_no_socket),
        cmocka_unit_test(inherited_sockets_are_dealt_out_to_the_workers),
        cmocka_unit_test(one_inherited_socket_is_shared_by_all_workers),
        cmocka_unit_test(what_nobody_asked_for_is_closed_and_counted),
        cmocka_unit_test(the_admin_address_is_taken_out_of_the_inherited),
        cmocka_unit_test(only_listening_sockets_are_inherited),
        cmocka_unit_test(port_0_becomes_a_real_port),
        cmocka_unit_test(every_descriptor_in_use_can_be_handed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
