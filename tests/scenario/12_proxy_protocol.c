/* SPDX-License-Identifier: Apache-2.0
 *
 * PROXY protocol with real connections, as an NLB and others make them: who may say where a client
 * comes from, what becomes of that, and what of headers that are wrong, cut, slow or missing.
 * Load balancers are 127.0.0.2 and 127.0.0.3; everybody else is a stranger.
 */
#include "20_front.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define BALANCER "127.0.0.2"
#define STRANGER "127.0.0.9"
#define VPCE "vpce-0123456789abcdef0"

enum listener { REQUIRED = 1, OPTIONAL, OFF };

#define LISTENER(name, port, proxy)                                                   \
    "  - name: " name "\n"                                                            \
    "    bind: 127.0.0.1:@" port "@\n" proxy                                          \
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"        \
    "    mutual_authentication: {mode: verify, trust_store: clients}\n"               \
    "    rules:\n"                                                                    \
    "      - {priority: 1, when: {path: [/by-endpoint], vpc_endpoint: [" VPCE "]},\n" \
    "         action: {fixed_response: {status: 201}}}\n"                             \
    "      - {priority: 2, when: {path: [/by-source], source_ip: [203.0.113.0/24, "   \
    "\"2001:db8::/32\"]},\n"                                                          \
    "         action: {fixed_response: {status: 202}}}\n"                             \
    "    default_action: {forward: api}\n"

#define PROXY(mode) "    proxy_protocol: {mode: " mode ", trusted_sources: [127.0.0.2/31]}\n"

static const char yaml[] =
    "workers: 2\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\", socket: admin.sock}\n"
    "logging: {level: info, access: {path: access.log, format: json},\n"
    "          connection: {path: connection.log, format: json}}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: ca.pem, crls: [lists.pem]}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "listeners:\n" LISTENER("required", "PORT", PROXY("required"))
        LISTENER("optional", "PORT2", PROXY("optional")) LISTENER("off", "PORT3", "");

static int
setup(void **state)
{
    struct front *f = front_new(NULL);

    front_start(f, yaml);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    return front_done(*state) == 0 ? 0 : -1;
}

/* ---- headers, by an encoder of the test's own ---- */

enum { LOCAL = 0x20, SPEAKS = 0x21, TCP4 = 0x11, TCP6 = 0x21, UDP4 = 0x12, UNIX = 0x31 };

static void
begin_v2(struct bytes *b, uint8_t command, uint8_t family)
{
    const uint8_t head[4] = {command, family, 0, 0};

    bytes_add(b, "\r\n\r\n\0\r\nQUIT\n", 12);
    bytes_add(b, head, sizeof(head));
}

/* Port 40001 and 443 behind both addresses. */
static void
add_addresses(struct bytes *b, int family, const char *from, const char *to)
{
    const uint8_t ports[4] = {40001 >> 8, 40001 & 255, 443 >> 8, 443 & 255};
    size_t len = family == AF_INET ? 4 : 16;
    uint8_t ip[16];

    assert_int_equal(inet_pton(family, from, ip), 1);
    bytes_add(b, ip, len);
    assert_int_equal(inet_pton(family, to, ip), 1);
    bytes_add(b, ip, len);
    bytes_add(b, ports, sizeof(ports));
}

static void
add_tlv(struct bytes *b, uint8_t type, struct str value)
{
    const uint8_t head[3] = {type, (uint8_t)(value.len >> 8), (uint8_t)value.len};

    bytes_add(b, head, sizeof(head));
    bytes_add(b, value.ptr, value.len);
}

/* The length field says what there is. */
static void
end_v2(struct bytes *b)
{
    size_t len = b->len - 16;

    b->ptr[14] = (char)(len >> 8);
    b->ptr[15] = (char)len;
}

static uint32_t
crc32c(struct str s)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < s.len; i++) {
        crc ^= (uint8_t)s.ptr[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78U : crc >> 1;
    }
    return ~crc;
}

/* A header as an NLB behind PrivateLink writes it: checksum, endpoint id, padding. */
static struct bytes
nlb_header(bool has_right_checksum)
{
    struct bytes b = {0};
    size_t at;
    uint32_t crc;

    begin_v2(&b, SPEAKS, TCP4);
    add_addresses(&b, AF_INET, "203.0.113.7", "10.0.0.1");
    add_tlv(&b, 0x03, str_make("\0\0\0\0", 4));
    at = b.len - 4;
    add_tlv(&b, 0xea, STR("\x01" VPCE));
    add_tlv(&b, 0x04, str_make("\0\0\0\0\0\0\0\0", 8));
    end_v2(&b);
    crc = crc32c(bytes_str(&b)) ^ (has_right_checksum ? 0 : 1);
    for (int i = 0; i < 4; i++)
        b.ptr[at + (size_t)i] = (char)(crc >> (24 - 8 * i));
    return b;
}

static struct bytes
tcp4_header(void)
{
    struct bytes b = {0};

    begin_v2(&b, SPEAKS, TCP4);
    add_addresses(&b, AF_INET, "203.0.113.7", "10.0.0.1");
    end_v2(&b);
    return b;
}

/* ---- clients ---- */

static struct client *
open_from(const struct front *f, enum listener l, const char *source, struct str header)
{
    return client_open(&(struct client_spec){.port = gateway_port(f->g, (int)l),
                                             .cert = f->alice,
                                             .alpn = "http/1.1",
                                             .source = source,
                                             .prelude = header});
}

/* A bare TCP connection that has said these bytes. */
static struct client *
open_plain(const struct front *f, enum listener l, struct str bytes)
{
    return client_open(&(struct client_spec){
        .port = gateway_port(f->g, (int)l), .plain = true, .source = BALANCER, .prelude = bytes});
}

/* Status of one GET; 0 when the connection was refused. */
static int
status_from(const struct front *f, struct client *c, const char *path)
{
    struct response r = {0};
    int status = 0;

    (void)f;
    if (client_state(c) == CLIENT_OK) {
        r = client_get(c, "localhost", path);
        status = r.status;
    }
    response_free(&r);
    client_close(c);
    return status;
}

static int
get_from(const struct front *f, enum listener l, const char *source, struct str header)
{
    return status_from(f, open_from(f, l, source, header), "/");
}

/* The last request at the origin says where the client is, and so do the last lines of both logs.
 */
static void
assert_seen_as(const struct front *f, const char *xff, const char *ip, unsigned port)
{
    struct bytes seen = origin_received_all(f->origin);
    char *want = xformat("\r\nX-Forwarded-For: %s\r\n", xff);
    char *logged = xformat("\"client_ip\":\"%s\",\"client_port\":%u,", ip, port);
    struct bytes line;

    assert_int_equal(count_text(bytes_str(&seen), "X-Forwarded-For"), 1);
    assert_non_null(strstr(seen.ptr, want));
    line = front_line(f, "access.log", logged);
    assert_true(line.len > 0);
    bytes_free(&line);
    line = front_line(f, "connection.log", logged);
    assert_true(line.len > 0);
    assert_non_null(strstr(line.ptr, "\"tls_verify_status\":\"Success\""));
    assert_non_null(strstr(line.ptr, "\"proxy_ip\":\"" BALANCER "\""));
    bytes_free(&line);
    free(logged);
    free(want);
    bytes_free(&seen);
}

/* ---- who the client is ---- */

static void
every_form_of_header_says_where_the_client_is(void **state)
{
    struct front *f = *state;
    struct bytes v6 = {0};
    struct bytes v4 = tcp4_header();
    struct bytes nlb = nlb_header(true);
    const struct {
        struct str header;
        const char *ip;
        unsigned port;
    } cases[] = {
        {STR("PROXY TCP4 203.0.113.9 10.0.0.1 5001 443\r\n"), "203.0.113.9", 5001},
        {STR("PROXY TCP6 2001:db8::9 2001:db8::1 5002 443\r\n"), "2001:db8::9", 5002},
        {bytes_str(&v4), "203.0.113.7", 40001},
        {bytes_str(&nlb), "203.0.113.7", 40001},
        {STR(""), "2001:db8::7", 40001},
    };

    begin_v2(&v6, SPEAKS, TCP6);
    add_addresses(&v6, AF_INET6, "2001:db8::7", "2001:db8::1");
    end_v2(&v6);
    for (size_t i = 0; i < array_len(cases); i++) {
        struct str header = cases[i].header.len > 0 ? cases[i].header : bytes_str(&v6);

        for (int l = REQUIRED; l <= OPTIONAL; l++) {
            origin_forget(f->origin);
            assert_int_equal(get_from(f, (enum listener)l, BALANCER, header), 200);
            assert_seen_as(f, cases[i].ip, cases[i].ip, cases[i].port);
        }
    }
    bytes_free(&v6);
    bytes_free(&v4);
    bytes_free(&nlb);
}

static void
rules_and_logs_know_source_and_vpc_endpoint(void **state)
{
    struct front *f = *state;
    struct bytes nlb = nlb_header(true);
    struct bytes plain = tcp4_header();
    struct str elsewhere = STR("PROXY TCP4 198.51.100.1 10.0.0.1 5001 443\r\n");
    struct bytes line;

    assert_int_equal(
        status_from(f, open_from(f, REQUIRED, BALANCER, bytes_str(&nlb)), "/by-endpoint"), 201);
    line = front_line(f, "access.log", "/by-endpoint");
    assert_non_null(strstr(line.ptr, "\"vpce_id\":\"" VPCE "\""));
    bytes_free(&line);
    line = front_line(f, "connection.log", "\"vpce_id\":\"" VPCE "\"");
    assert_true(line.len > 0);
    bytes_free(&line);
    assert_int_equal(
        status_from(f, open_from(f, REQUIRED, BALANCER, bytes_str(&plain)), "/by-endpoint"), 200);
    assert_int_equal(
        status_from(f, open_from(f, REQUIRED, BALANCER, bytes_str(&plain)), "/by-source"), 202);
    assert_int_equal(status_from(f, open_from(f, REQUIRED, BALANCER, elsewhere), "/by-source"),
                     200);
    bytes_free(&nlb);
    bytes_free(&plain);
}

/* What the balancer says for itself, or does not know, is the balancer's own address. */
static void
local_and_unknown_mean_the_sockets_address(void **state)
{
    struct front *f = *state;
    struct bytes headers[4] = {{0}};

    begin_v2(&headers[0], LOCAL, 0);
    begin_v2(&headers[1], LOCAL,
             TCP4); /* what follows a LOCAL command is skipped, right or wrong */
    add_addresses(&headers[1], AF_INET, "203.0.113.7", "10.0.0.1");
    bytes_add(&headers[1], "\xea\xff\xff", 3);
    begin_v2(&headers[2], SPEAKS, 0);
    for (size_t i = 0; i < 3; i++)
        end_v2(&headers[i]);
    bytes_puts(&headers[3], "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n");
    for (size_t i = 0; i < array_len(headers); i++) {
        origin_forget(f->origin);
        assert_int_equal(get_from(f, REQUIRED, BALANCER, bytes_str(&headers[i])), 200);
        assert_true(origin_saw(f->origin, "\r\nX-Forwarded-For: " BALANCER "\r\n"));
        assert_int_equal(
            status_from(f, open_from(f, REQUIRED, BALANCER, bytes_str(&headers[i])), "/by-source"),
            200);
        bytes_free(&headers[i]);
    }
}

static void
without_a_header_optional_means_the_sockets_address(void **state)
{
    struct front *f = *state;

    assert_int_equal(get_from(f, OPTIONAL, BALANCER, STR("")), 200);
    assert_true(origin_saw(f->origin, "\r\nX-Forwarded-For: " BALANCER "\r\n"));
    origin_forget(f->origin);
    assert_int_equal(get_from(f, OPTIONAL, STRANGER, STR("")), 200);
    assert_true(origin_saw(f->origin, "\r\nX-Forwarded-For: " STRANGER "\r\n"));
}

/* ---- who may not say it ---- */

/* The line of the last refused connection, by its reason in words; it has to name the socket. */
static void
assert_refused_line(const struct front *f, const char *words, const char *source)
{
    struct bytes line = front_line(f, "connection.log", words);
    char *ip = xformat("\"client_ip\":\"%s\"", source);
    struct bytes diag = gateway_diag(f->g);

    if (line.len == 0)
        fail_msg("no connection log line says \"%s\"", words);
    assert_true(json_is_valid(bytes_str(&line)));
    assert_non_null(strstr(line.ptr, ip));
    assert_non_null(strstr(line.ptr, "\"tls_verify_status\":\"Failed:UnmappedConnectionError\""));
    assert_non_null(strstr(line.ptr, "\"tls_protocol\":null"));
    assert_non_null(strstr(diag.ptr, words));
    bytes_free(&diag);
    bytes_free(&line);
    free(ip);
}

static void
strangers_cannot_say_who_they_are(void **state)
{
    struct front *f = *state;
    struct bytes header = tcp4_header();
    int64_t errors = front_metric(f, "sallyport_proxy_protocol_errors_total");

    for (int l = REQUIRED; l <= OFF; l++)
        assert_int_equal(get_from(f, (enum listener)l, STRANGER, bytes_str(&header)), 0);
    assert_int_equal(get_from(f, REQUIRED, STRANGER, STR("")), 0);
    assert_int_equal(get_from(f, OFF, BALANCER, bytes_str(&header)), 0);
    assert_int_equal(front_metric(f, "sallyport_proxy_protocol_errors_total") - errors, 2);
    assert_int_equal(origin_request_count(f->origin), 0);
    assert_refused_line(f, "no trusted source", STRANGER);
    for (const char *name = "access.log"; name != NULL; name = NULL) {
        struct bytes log = gateway_log(f->g, name);

        assert_null(strstr(log.len > 0 ? log.ptr : "", "203.0.113"));
        bytes_free(&log);
    }
    bytes_free(&header);
}

static void
a_required_header_that_is_missing_is_said(void **state)
{
    struct front *f = *state;

    assert_int_equal(get_from(f, REQUIRED, BALANCER, STR("")), 0);
    assert_int_equal(origin_request_count(f->origin), 0);
    assert_refused_line(f, "there was no header", BALANCER);
}

/* ---- wrong headers ---- */

/* Header from addresses on; what is wrong is in the rest. */
static struct bytes
header_with(uint8_t family, const char *rest, size_t n)
{
    struct bytes b = {0};

    begin_v2(&b, SPEAKS, family);
    if (family == TCP4 || family == UDP4)
        add_addresses(&b, AF_INET, "203.0.113.7", "10.0.0.1");
    bytes_add(&b, rest, n);
    end_v2(&b);
    return b;
}

#define WITH(family, rest) header_with(family, "" rest, sizeof(rest) - 1)

static void
wrong_headers_are_refused(void **state)
{
    struct front *f = *state;
    struct bytes headers[] = {
        WITH(UDP4, ""),
        header_with(UNIX, yaml, 216),
        WITH(TCP6, "\x20\x01"),               /* an address block cut short */
        WITH(TCP4, "\x04"),                   /* half of a TLV's head */
        WITH(TCP4, "\x04\x00\x05xxxx"),       /* a TLV that is longer than the header */
        WITH(TCP4, "\xea\x00\x00"),           /* Amazon's without its subtype */
        WITH(TCP4, "\xea\x00\x01\x01"),       /* an empty endpoint id */
        WITH(TCP4, "\xea\x00\x06\x01vpce\n"), /* a byte that no id has */
        WITH(TCP4, "\xea\x00\x02\x01"
                   "a\xea\x00\x02\x01"
                   "b"),                                    /* two ids */
        WITH(TCP4, "\x20\x00\x04\x01\x00\x00\x00"),         /* PP2_TYPE_SSL cut short */
        WITH(TCP4, "\x20\x00\x06\x01\x00\x00\x00\x00\x21"), /* and with half a TLV inside */
        WITH(TCP4, "\x03\x00\x02xx"),                       /* a checksum of two bytes */
        nlb_header(false),
        tcp4_header(), /* its version is spoilt below */
        tcp4_header(), /* its length is spoilt below */
        {0},           /* PROXY of version 1 with something wrong */
        {0},
        {0},
    };
    const char *const lines[] = {"PROXY TCP4 203.0.113.300 10.0.0.1 1 443\r\n",
                                 "PROXY TCP4 203.0.113.7 10.0.0.1 1 443 \r\n",
                                 "PROXY TCP4 203.0.113.7 10.0.0.1 1 443\nGET"};
    size_t n = array_len(headers);
    int64_t errors = front_metric(f, "sallyport_proxy_protocol_errors_total");

    headers[n - 5].ptr[12] = 0x31;
    headers[n - 4].ptr[14] = 0x7f;
    for (size_t i = 0; i < array_len(lines); i++)
        bytes_puts(&headers[n - 3 + i], lines[i]);
    for (size_t i = 0; i < n; i++) {
        for (int l = REQUIRED; l <= OPTIONAL; l++) {
            if (get_from(f, (enum listener)l, BALANCER, bytes_str(&headers[i])) != 0)
                fail_msg("header %zu was taken", i);
        }
        bytes_free(&headers[i]);
    }
    assert_int_equal(front_metric(f, "sallyport_proxy_protocol_errors_total") - errors, 2 * n);
    assert_int_equal(origin_request_count(f->origin), 0);
    assert_refused_line(f, "malformed PROXY protocol header", BALANCER);
}

/* Cut at every byte: whoever goes away, and whoever stays silent after it, is closed in time, and
 * nobody is served. Meanwhile others are. */
static void
a_cut_header_ends_at_its_deadline(void **state)
{
    struct front *f = *state;
    struct bytes header = nlb_header(true);
    size_t n = header.len;
    struct client **staying = xcalloc(n, sizeof(struct client *));
    int64_t errors = front_metric(f, "sallyport_proxy_protocol_errors_total");
    int64_t probes = front_metric(f, "sallyport_load_balancer_probes_total");

    for (size_t cut = 0; cut < n; cut++) {
        staying[cut] = open_plain(f, REQUIRED, str_make(header.ptr, cut));
        client_close(open_plain(f, REQUIRED, str_make(header.ptr, cut)));
    }
    assert_int_equal(get_from(f, REQUIRED, BALANCER, bytes_str(&header)), 200);
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_not_equal(client_wait_closed(staying[cut], 20000), CLIENT_TIMEOUT);
        client_close(staying[cut]);
    }
    assert_refused_line(f, "took longer than its deadline", BALANCER);
    assert_int_equal(front_metric(f, "sallyport_proxy_protocol_errors_total") - errors,
                     2 * (n - 1));
    assert_int_equal(front_metric(f, "sallyport_load_balancer_probes_total") - probes, 2);
    assert_int_equal(origin_request_count(f->origin), 1);
    free(staying);
    bytes_free(&header);
}

/* ---- where the header ends ---- */

static void
a_header_may_come_in_pieces(void **state)
{
    struct front *f = *state;
    struct bytes nlb = nlb_header(true);
    const struct str headers[] = {bytes_str(&nlb),
                                  STR("PROXY TCP4 203.0.113.7 10.0.0.1 40001 443\r\n")};

    for (size_t i = 0; i < 2 * array_len(headers); i++) {
        struct client *c =
            client_open(&(struct client_spec){.port = gateway_port(f->g, 1 + (int)(i / 2)),
                                              .cert = f->alice,
                                              .alpn = "http/1.1",
                                              .source = BALANCER,
                                              .connect_only = true});
        struct str header = headers[i % 2];

        for (size_t at = 0; at < header.len; at++) {
            assert_int_equal(send(client_fd(c), header.ptr + at, 1, MSG_NOSIGNAL), 1);
            sleep_ms(2);
        }
        assert_int_equal(client_handshake(c), CLIENT_OK);
        assert_int_equal(status_from(f, c, "/by-source"), 202);
    }
    bytes_free(&nlb);
}

/* One segment holds the header and the ClientHello: not one byte too many is taken. */
static void
a_header_may_be_fused_with_the_hello(void **state)
{
    struct front *f = *state;
    struct bytes nlb = nlb_header(true);
    const int on = 1;

    for (int l = REQUIRED; l <= OPTIONAL; l++) {
        struct client *c = client_open(&(struct client_spec){.port = gateway_port(f->g, l),
                                                             .cert = f->alice,
                                                             .alpn = "http/1.1",
                                                             .source = BALANCER,
                                                             .connect_only = true});

        assert_int_equal(setsockopt(client_fd(c), IPPROTO_TCP, TCP_CORK, &on, sizeof(on)), 0);
        assert_int_equal(send(client_fd(c), nlb.ptr, nlb.len, MSG_NOSIGNAL), nlb.len);
        assert_int_equal(client_handshake(c), CLIENT_OK);
        assert_int_equal(status_from(f, c, "/by-endpoint"), 201);
    }
    bytes_free(&nlb);
}

/* ---- health checks ---- */

enum { CHECKS = 1000, IDLERS = 20, KINDS = 5 };

static void
probe(const struct front *f, int kind, struct str local)
{
    static const enum listener listeners[KINDS] = {REQUIRED, REQUIRED, REQUIRED, OPTIONAL, OFF};
    struct client *c = open_plain(f, listeners[kind], kind % 2 == 1 ? local : STR(""));

    if (kind == 2)
        client_reset(c);
    client_close(c);
}

static void
health_checks_are_no_errors(void **state)
{
    struct front *f = *state;
    struct bytes local = {0};
    struct client *idle[IDLERS];
    size_t mark;
    struct bytes rest;

    begin_v2(&local, LOCAL, 0);
    end_v2(&local);
    (void)get_from(f, OFF, BALANCER, STR("")); /* both logs have their first line */
    assert_true(gateway_wait_log(f->g, "connection.log", "\n", 5000));
    mark = front_diag_mark(f);
    for (int i = 0; i < IDLERS; i++)
        idle[i] = open_plain(f, REQUIRED, i % 2 == 0 ? STR("") : bytes_str(&local));
    for (int i = 0; i < CHECKS - IDLERS; i++)
        probe(f, i % KINDS, bytes_str(&local));
    for (int i = 0; i < IDLERS; i++) {
        assert_int_not_equal(client_wait_closed(idle[i], 20000), CLIENT_TIMEOUT);
        client_close(idle[i]);
    }
    for (int i = 0; i < 500; i++) {
        if (front_metric(f, "sallyport_load_balancer_probes_total") >= CHECKS)
            break;
        sleep_ms(20);
    }
    assert_int_equal(front_metric(f, "sallyport_load_balancer_probes_total"), CHECKS);
    assert_int_equal(front_metric(f, "sallyport_tls_handshakes_failed_total"), 0);
    assert_int_equal(front_metric(f, "sallyport_proxy_protocol_errors_total"), 0);
    rest = front_diag_since(f, mark);
    if (rest.len > 0)
        fail_msg("health checks left: %.*s", STR_ARG(bytes_str(&rest)));
    bytes_free(&rest);
    rest = gateway_log(f->g, "connection.log");
    assert_int_equal(count_text(bytes_str(&rest), "\n"), 1);
    bytes_free(&rest);
    bytes_free(&local);
}

#define proxy_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        proxy_test(every_form_of_header_says_where_the_client_is),
        proxy_test(rules_and_logs_know_source_and_vpc_endpoint),
        proxy_test(local_and_unknown_mean_the_sockets_address),
        proxy_test(without_a_header_optional_means_the_sockets_address),
        proxy_test(strangers_cannot_say_who_they_are),
        proxy_test(a_required_header_that_is_missing_is_said),
        proxy_test(wrong_headers_are_refused),
        proxy_test(a_cut_header_ends_at_its_deadline),
        proxy_test(a_header_may_come_in_pieces),
        proxy_test(a_header_may_be_fused_with_the_hello),
        proxy_test(health_checks_are_no_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
