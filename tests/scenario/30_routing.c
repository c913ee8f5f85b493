/* SPDX-License-Identifier: Apache-2.0
 *
 * Routing end to end: which rule a request meets, what its action does, and the bytes that the
 * target then receives: Host, X-Forwarded-*, X-Amzn-Trace-Id and the TLS headers under every
 * attribute that changes them.
 */
#include "20_front.h"

#define NAMED "abc123.execute-api.us-east-1.amazonaws.com"

/* Every rule answers with a status of its own; what meets none is forwarded and gets 200. */
#define RULE(priority, when, status)                 \
    "      - {priority: " #priority ", when: {" when \
    "}, action: {fixed_response: {status: " #status "}}}\n"

#define LISTENER(name, port, more)                                             \
    "  - name: " name "\n"                                                     \
    "    bind: 127.0.0.1:@" port "@\n"                                         \
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n" \
    "    mutual_authentication: {mode: optional, trust_store: clients}\n" more

#define ATTRIBUTES(text) "    attributes: {" text "}\n"
#define API "    default_action: {forward: api}\n"

static const char yaml[] =
    "workers: 2\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\", socket: admin.sock}\n"
    "logging: {level: info, access: {path: access.log, format: json}}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: ca.pem, crls: [lists.pem]}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "  named: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"], host_header: " NAMED "}\n"
    "  second: {protocol: http, targets: [\"127.0.0.1:@SECOND@\"]}\n"
    "  none: {protocol: http, targets: [\"127.0.0.1:@NOBODY@\"]}\n"
    "listeners:\n" LISTENER(
        "rules", "PORT",
        "    proxy_protocol: {mode: optional, trusted_sources: [127.0.0.1]}\n"
        "    rules:\n" RULE(95, "path: [/order]", 221) RULE(
            10, "host: [api.example.test, \"*.wild.test\"], path: [\"/h*\"]",
            210) RULE(20, "path: [\"/img/*.png\", /exact, \"/on?\"]",
                      211) RULE(30, "method: [PUT, PATCH], path: [/m]",
                                212) RULE(40,
                                          "header: {name: X-Env, values: [\"prod*\", \"st?ge\"]}",
                                          213)
            RULE(50, "path: [/q], query: [\"version=2\", debug, \"a*=b\\\\*\"]", 214) RULE(
                60, "path: [/s], source_ip: [203.0.113.0/24, \"2001:db8::/32\"]",
                215) RULE(70, "path: [/c], client_certificate: {subject_cn: [alice]}",
                          216) RULE(71,
                                    "path: [/c], client_certificate: {issuer_cn: [\"Front *\"]}",
                                    217) RULE(72,
                                              "path: [/c2], client_certificate: {subject_cn: "
                                              "[bob], issuer_cn: [Front CA]}",
                                              218)
                RULE(80,
                     "method: [POST], host: [all.example.test], path: [/all], query: [\"k=v\"],\n"
                     "         header: {name: X-A, values: [b]}, source_ip: [203.0.113.0/24],\n"
                     "         client_certificate: {subject_cn: [alice]}",
                     219)
                    RULE(85, "path: [\"/secret*\"], client_certificate: {subject_cn: [alice]}",
                         220) "      - {priority: 86, when: {path: [\"/secret*\"]}, action: "
                              "deny}\n" RULE(5, "path: [/order]",
                                             222) "      - {priority: 90, when: {path: [/page]}, "
                                                  "action: {fixed_response: {status: 404,\n"
                                                  "         content_type: application/json, body: "
                                                  "'{\"no\":1}'}}}\n"
                                                  "      - priority: 91\n"
                                                  "        when: {path: [/weighted]}\n"
                                                  "        action: {forward: [{target_group: api, "
                                                  "weight: 3}, {target_group: second, weight: 1},\n"
                                                  "                           {target_group: none, "
                                                  "weight: 0}]}\n" API) LISTENER("append", "PORT2",
                                                                                 API)
        LISTENER("port", "PORT3",
                 API ATTRIBUTES("routing.http.xff_client_port.enabled: true, "
                                "routing.http.x_amzn_tls_version_and_cipher_suite.enabled: true"))
            LISTENER("preserve", "PORT4",
                     API ATTRIBUTES("routing.http.xff_header_processing.mode: preserve"))
                LISTENER("remove", "PORT5",
                         API ATTRIBUTES("routing.http.xff_header_processing.mode: remove"))
                    LISTENER("named", "PORT6", "    default_action: {forward: named}\n") LISTENER(
                        "alb", "PORT7",
                        API ATTRIBUTES("routing.http.preserve_host_header.enabled: false"));

enum listener { RULES = 1, APPEND, PORT, PRESERVE, REMOVE, NAMED_HOST, AS_ALB };

static struct origin *second;
static struct pki_cert *bob;

static int
setup(void **state)
{
    static char second_port[8], nobody[8];
    static const struct origin_spec plain = {.steps = NULL};
    struct front *f = front_new(NULL);

    second = origin_start(&plain);
    bob = pki_client(f->ca, "bob");
    (void)snprintf(second_port, sizeof(second_port), "%u", origin_port(second));
    (void)snprintf(nobody, sizeof(nobody), "%u", port_free());
    front_var(f, "SECOND", second_port);
    front_var(f, "NOBODY", nobody);
    front_start(f, yaml);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    int status;

    origin_stop(second);
    status = front_done(*state);
    pki_free(bob);
    return status == 0 ? 0 : -1;
}

/* ---- which rule ---- */

enum who { NOBODY, ALICE, BOB };

struct match {
    const char *request; /* without HTTP version and line ends: "GET /h api.example.test" + lines */
    const char *fields;
    enum who who;
    bool is_proxied; /* comes from 203.0.113.7 */
    int status;
};

static const struct match matches[] = {
    {"GET /h api.example.test", "", NOBODY, false, 210},
    {"GET /hello?x API.Example.TEST:8443", "", NOBODY, false, 210},
    {"GET /h a.wild.test", "", NOBODY, false, 210},
    {"GET /h wild.test", "", NOBODY, false, 200},
    {"GET /h api.example.test.evil.test", "", NOBODY, false, 200},
    {"GET /H api.example.test", "", NOBODY, false, 200},
    {"GET /img/a/b.png localhost", "", NOBODY, false, 211},
    {"GET /img/a.PNG localhost", "", NOBODY, false, 200},
    {"GET /exact localhost", "", NOBODY, false, 211},
    {"GET /exact?q localhost", "", NOBODY, false, 211},
    {"GET /exact/ localhost", "", NOBODY, false, 200},
    {"GET /one localhost", "", NOBODY, false, 211},
    {"GET /on localhost", "", NOBODY, false, 200},
    {"GET /%65xact localhost", "", NOBODY, false, 211},
    {"PUT /m localhost", "Content-Length: 0\r\n", NOBODY, false, 212},
    {"PATCH /m localhost", "Content-Length: 0\r\n", NOBODY, false, 212},
    {"GET /m localhost", "", NOBODY, false, 200},
    {"GET /x localhost", "x-env: Production\r\n", NOBODY, false, 213},
    {"GET /x localhost", "X-Env: test\r\nX-Env: stage\r\n", NOBODY, false, 213},
    {"GET /x localhost", "X-Env: preprod\r\n", NOBODY, false, 200},
    {"GET /x localhost", "X-Env2: prod\r\n", NOBODY, false, 200},
    {"GET /q?version=2 localhost", "", NOBODY, false, 214},
    {"GET /q?a=1&VERSION=2&b localhost", "", NOBODY, false, 214},
    {"GET /q?version=21 localhost", "", NOBODY, false, 200},
    {"GET /q?mode=debug localhost", "", NOBODY, false, 214},
    {"GET /q?abc=b* localhost", "", NOBODY, false, 214},
    {"GET /q?abc=bc localhost", "", NOBODY, false, 200},
    {"GET /q localhost", "", NOBODY, false, 200},
    {"GET /s localhost", "", NOBODY, true, 215},
    {"GET /s localhost", "", NOBODY, false, 200},
    {"GET /s localhost", "X-Forwarded-For: 203.0.113.7\r\n", NOBODY, false, 200},
    {"GET /c localhost", "", ALICE, false, 216},
    {"GET /c localhost", "", BOB, false, 217},
    {"GET /c localhost", "", NOBODY, false, 200},
    {"GET /c2 localhost", "", BOB, false, 218},
    {"GET /c2 localhost", "", ALICE, false, 200},
    {"POST /all?k=v all.example.test", "X-A: b\r\nContent-Length: 0\r\n", ALICE, true, 219},
    {"GET /all?k=v all.example.test", "X-A: b\r\n", ALICE, true, 200},
    {"POST /all?k=v api.example.test", "X-A: b\r\nContent-Length: 0\r\n", ALICE, true, 200},
    {"POST /al?k=v all.example.test", "X-A: b\r\nContent-Length: 0\r\n", ALICE, true, 200},
    {"POST /all?k=w all.example.test", "X-A: b\r\nContent-Length: 0\r\n", ALICE, true, 200},
    {"POST /all?k=v all.example.test", "X-A: c\r\nContent-Length: 0\r\n", ALICE, true, 200},
    {"POST /all?k=v all.example.test", "X-A: b\r\nContent-Length: 0\r\n", ALICE, false, 200},
    {"POST /all?k=v all.example.test", "X-A: b\r\nContent-Length: 0\r\n", BOB, true, 200},
    {"GET /order localhost", "", NOBODY, false, 222},
    {"GET /secret localhost", "", ALICE, false, 220},
    {"GET /secret localhost", "", BOB, false, 403},
    {"GET /secrets/x localhost", "", NOBODY, false, 403},
    {"GET //secret localhost", "", NOBODY, false, 400}, /* read in two ways, under two rules */
    {"GET /x/../exact localhost", "", NOBODY, false, 400},
    {"GET /x/../y localhost", "", NOBODY, false, 200}, /* under one */
};

static struct client *
open_as(const struct front *f, enum listener l, enum who who, bool is_proxied)
{
    static const char header[] = "PROXY TCP4 203.0.113.7 10.0.0.1 5001 443\r\n";
    struct client *c = client_open(&(struct client_spec){
        .port = gateway_port(f->g, (int)l),
        .alpn = "http/1.1",
        .sni = "localhost",
        .cert = who == NOBODY  ? NULL
                : who == ALICE ? f->alice
                               : bob,
        .prelude = is_proxied ? str_from(header) : STR(""),
    });

    assert_int_equal(client_state(c), CLIENT_OK);
    return c;
}

/* "METHOD target host" and field lines as one HTTP/1.1 request. */
static char *
request_text(const char *request, const char *fields)
{
    const char *one = strchr(request, ' ');
    const char *two = strchr(one + 1, ' ');

    return xformat("%.*s HTTP/1.1\r\nHost: %s\r\n%s\r\n", (int)(two - request), request, two + 1,
                   fields);
}

static void
requests_meet_the_first_rule_that_holds(void **state)
{
    struct front *f = *state;

    for (size_t i = 0; i < array_len(matches); i++) {
        const struct match *m = &matches[i];
        struct client *c = open_as(f, RULES, m->who, m->is_proxied);
        char *text = request_text(m->request, m->fields);
        struct response r;

        origin_forget(f->origin);
        r = client_exchange(c, text);
        if (r.status != m->status)
            fail_msg("%s, %s: %d and not %d", m->request, m->fields, r.status, m->status);
        assert_int_equal(origin_request_count(f->origin), m->status == 200);
        response_free(&r);
        free(text);
        client_close(c);
    }
}

/* The same rules over HTTP/2, where host and path come as pseudo-headers. */
static void
http2_requests_meet_the_same_rules(void **state)
{
    static const struct {
        const char *authority;
        const char *path;
        int status;
    } cases[] = {
        {"api.example.test", "/h", 210},  {"A.WILD.test:8443", "/hx", 210},
        {"localhost", "/img/x.png", 211}, {"localhost", "/q?debug", 214},
        {"localhost", "/c", 216},         {"localhost", "/order", 222},
        {"localhost", "/other", 200},     {"localhost", "//secret", 400},
    };
    struct front *f = *state;
    struct client *c = client_open(&(struct client_spec){
        .port = gateway_port(f->g, RULES), .alpn = "h2", .sni = "localhost", .cert = f->alice});

    assert_int_equal(h2_start(c, STR("")), CLIENT_OK);
    for (size_t i = 0; i < array_len(cases); i++) {
        uint32_t id = (uint32_t)(2 * i + 1);
        struct h2_response r;

        assert_int_equal(h2_get(c, id, cases[i].authority, cases[i].path), CLIENT_OK);
        r = h2_response(c, id);
        if (r.status != cases[i].status)
            fail_msg("%s%s: %d", cases[i].authority, cases[i].path, r.status);
        h2_response_free(&r);
    }
    client_close(c);
}

/* ---- actions ---- */

static void
a_fixed_response_is_what_the_rule_says(void **state)
{
    struct front *f = *state;
    struct client *c = open_as(f, RULES, NOBODY, false);
    struct response r = client_get(c, "localhost", "/page");

    assert_int_equal(r.status, 404);
    assert_str_equal(bytes_str(&r.body), STR("{\"no\":1}"));
    assert_str_equal(response_field(&r, "content-type"), STR("application/json"));
    assert_str_equal(response_field(&r, "content-length"), STR("8"));
    response_free(&r);
    assert_int_equal(client_puts(c, "HEAD /page HTTP/1.1\r\nHost: localhost\r\n\r\n"), CLIENT_OK);
    r = client_response(c, true);
    assert_int_equal(r.status, 404);
    assert_int_equal(r.body.len, 0);
    response_free(&r);
    r = client_get(c, "localhost", "/order"); /* the connection is in step */
    assert_int_equal(r.status, 222);
    assert_int_equal(r.body.len, 0);
    response_free(&r);
    client_close(c);
    assert_int_equal(origin_request_count(f->origin), 0);
}

enum { DRAWS = 400 };

/* A quarter goes to the second; a fair draw strays by 50 of 400 less than once in ten million. */
static void
weights_divide_the_requests(void **state)
{
    struct front *f = *state;
    struct client *c = open_as(f, RULES, NOBODY, false);
    size_t first, other;

    for (int i = 0; i < DRAWS; i++) {
        struct response r = client_get(c, "localhost", "/weighted");

        assert_int_equal(r.status, 200);
        response_free(&r);
    }
    client_close(c);
    first = origin_request_count(f->origin);
    other = origin_request_count(second);
    assert_int_equal(first + other, DRAWS);
    assert_true(other > DRAWS / 4 - 50 && other < DRAWS / 4 + 50);
}

/* ---- where connections go ---- */

/* Whatever a client calls the host, in whatever form: only configured targets are connected to. */
static void
no_host_decides_where_to_connect(void **state)
{
    static const char *const hosts[] = {"169.254.169.254",
                                        "[fd00:ec2::254]",
                                        "metadata.google.internal",
                                        "localhost",
                                        "127.0.0.1",
                                        "0.0.0.0",
                                        "[::1]",
                                        "[::ffff:127.0.0.1]",
                                        "127.1",
                                        "2130706433",
                                        "169.254.170.2",
                                        "100.100.100.200",
                                        "kubernetes.default.svc",
                                        "example.com"};
    static const struct origin_spec plain = {.steps = NULL};
    struct front *f = *state;
    struct origin *decoy = origin_start(&plain);
    size_t served = 0;

    for (size_t i = 0; i < 4 * array_len(hosts); i++) {
        char *authority =
            i % 2 == 0 ? xstrdup(hosts[i / 4]) : xformat("%s:%u", hosts[i / 4], origin_port(decoy));
        char *text = xformat("GET %s%s/x HTTP/1.1\r\nHost: %s\r\n\r\n", i % 4 < 2 ? "" : "https://",
                             i % 4 < 2 ? "" : authority, authority);
        struct client *c = open_as(f, APPEND, NOBODY, false);
        struct response r = client_exchange(c, text);

        if (r.status != 200 && r.status != 400)
            fail_msg("%s: %d", authority, r.status);
        served += r.status == 200;
        response_free(&r);
        client_close(c);
        free(text);
        free(authority);
    }
    assert_true(served > 2 * array_len(hosts));
    assert_int_equal(origin_request_count(f->origin), served);
    assert_int_equal(origin_conn_count(decoy), 0);
    assert_int_equal(front_metric(f, "sallyport_upstream_connects_total"),
                     origin_conn_count(f->origin));
    origin_stop(decoy);
}

/* ---- what the target receives ---- */

/* Whole request head at the origin for one request; trace id and client port put in for @T and
 * @P, the listener's port for @L. */
static void
assert_forwarded(const struct front *f, enum listener l, const char *text, const char *want)
{
    struct client *c = open_as(f, l, NOBODY, false);
    struct response r;
    struct bytes seen;
    struct bytes expected = {0};
    const char *trace;

    origin_forget(f->origin);
    r = client_exchange(c, text);
    assert_int_equal(r.status, 200);
    seen = origin_received_all(f->origin);
    trace = strstr(seen.ptr, "=1-");
    for (const char *p = want; *p != '\0'; p++) {
        if (p[0] != '@') {
            bytes_add(&expected, p, 1);
        } else if (*++p == 'P') {
            bytes_printf(&expected, "%u", client_local_port(c));
        } else if (*p == 'L') {
            bytes_printf(&expected, "%u", gateway_port(f->g, (int)l));
        } else if (*p == 'T') {
            assert_non_null(trace);
            bytes_add(&expected, trace + 1, 35);
        } else if (*p == 'V') {
            bytes_puts(&expected, SSL_get_version(client_ssl(c)));
        } else {
            bytes_puts(&expected, SSL_get_cipher_name(client_ssl(c)));
        }
    }
    assert_str_equal(bytes_str(&seen), bytes_str(&expected));
    if (trace != NULL) {
        assert_int_equal(strspn(trace + 3, "0123456789abcdef"), 8);
        assert_int_equal(trace[11], '-');
        assert_int_equal(strspn(trace + 12, "0123456789abcdef"), 24);
        assert_true(llabs(strtoll(trace + 3, NULL, 16) - wall_s()) <= 60);
    }
    bytes_free(&expected);
    bytes_free(&seen);
    response_free(&r);
    client_close(c);
}

#define HEAD(host) "GET /a?b HTTP/1.1\r\nHost: " host "\r\n"
#define LINE "GET /a?b HTTP/1.1\r\n"
#define XFF "X-Forwarded-For: "
#define REST "X-Forwarded-Proto: https\r\nX-Forwarded-Port: @L\r\n"
#define TRACE "X-Amzn-Trace-Id: Root=@T\r\n"

static void
x_forwarded_for_is_as_its_mode_says(void **state)
{
    struct front *f = *state;

    assert_forwarded(f, APPEND, HEAD("h.test") "Accept: x\r\n\r\n",
                     LINE XFF "127.0.0.1\r\n" REST "Host: h.test\r\n" TRACE "Accept: x\r\n\r\n");
    assert_forwarded(f, APPEND,
                     HEAD("h.test") "X-Forwarded-For: 10.0.0.9, 10.0.0.8\r\nA: b\r\n"
                                    "x-forwarded-for: 10.0.0.7\r\n\r\n",
                     LINE XFF "10.0.0.9, 10.0.0.8, 10.0.0.7, 127.0.0.1\r\n" REST
                              "Host: h.test\r\n" TRACE "A: b\r\n\r\n");
    assert_forwarded(f, PORT, HEAD("h.test") "X-Forwarded-For: 10.0.0.9\r\n\r\n",
                     LINE XFF "10.0.0.9, 127.0.0.1:@P\r\n" REST
                              "x-amzn-tls-version: @V\r\nx-amzn-tls-cipher-suite: @C\r\n"
                              "Host: h.test\r\n" TRACE "\r\n");
    assert_forwarded(f, PRESERVE, HEAD("h.test") "X-Forwarded-For: 10.0.0.9\r\n\r\n",
                     LINE XFF "10.0.0.9\r\n" REST "Host: h.test\r\n" TRACE "\r\n");
    assert_forwarded(f, PRESERVE, HEAD("h.test") "\r\n", LINE REST "Host: h.test\r\n" TRACE "\r\n");
    assert_forwarded(f, REMOVE, HEAD("h.test") "X-Forwarded-For: 10.0.0.9\r\n\r\n",
                     LINE REST "Host: h.test\r\n" TRACE "\r\n");
    assert_forwarded(f, APPEND,
                     HEAD("h.test") "X-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n\r\n",
                     LINE XFF "127.0.0.1\r\n" REST "Host: h.test\r\n" TRACE "\r\n");
}

static void
host_is_the_clients_the_configured_or_an_albs(void **state)
{
    struct front *f = *state;

    assert_forwarded(f, APPEND, HEAD("H.Test:99") "\r\n",
                     LINE XFF "127.0.0.1\r\n" REST "Host: h.test:99\r\n" TRACE "\r\n");
    assert_forwarded(f, APPEND, "GET https://h.test/a?b HTTP/1.1\r\nHost: h.test\r\n\r\n",
                     LINE XFF "127.0.0.1\r\n" REST "Host: h.test\r\n" TRACE "\r\n");
    assert_forwarded(f, NAMED_HOST, HEAD("h.test") "\r\n",
                     LINE XFF "127.0.0.1\r\n" REST "Host: " NAMED "\r\n" TRACE "\r\n");
    assert_forwarded(f, AS_ALB, HEAD("h.test") "\r\n",
                     LINE XFF "127.0.0.1\r\n" REST "Host: h.test:@L\r\n" TRACE "\r\n");
    assert_forwarded(f, AS_ALB, HEAD("h.test:99") "\r\n",
                     LINE XFF "127.0.0.1\r\n" REST "Host: h.test:99\r\n" TRACE "\r\n");
}

#define CLIENT_ROOT "Root=1-67891233-abcdef012345678912345678"

static void
trace_ids_are_made_kept_and_extended(void **state)
{
    struct front *f = *state;
    struct bytes large = {0};

    assert_forwarded(
        f, APPEND, HEAD("h.test") "X-Amzn-Trace-Id: Custom=1;" CLIENT_ROOT ";x=y\r\n\r\n",
        LINE XFF "127.0.0.1\r\n" REST
                 "Host: h.test\r\nX-Amzn-Trace-Id: Self=@T;Custom=1;" CLIENT_ROOT ";x=y\r\n\r\n");
    assert_forwarded(f, APPEND,
                     HEAD("h.test") "x-amzn-trace-id: Self=1-67891234-12456789abcdef0123456789;"
                                    "Root=x\r\n\r\n",
                     LINE XFF "127.0.0.1\r\n" REST
                              "Host: h.test\r\nX-Amzn-Trace-Id: Self=@T;Root=x\r\n\r\n");
    bytes_puts(&large, HEAD("h.test") "X-Amzn-Trace-Id: " CLIENT_ROOT "\r\nX-Large: ");
    for (int i = 0; i < 7200; i++)
        bytes_puts(&large, "x");
    bytes_puts(&large, "\r\n\r\n");
    {
        struct bytes want = {0};

        bytes_puts(&want, LINE XFF "127.0.0.1\r\n" REST "Host: h.test\r\n" TRACE);
        bytes_puts(&want, strstr(large.ptr, "X-Large"));
        assert_forwarded(f, APPEND, large.ptr, want.ptr);
        bytes_free(&want);
    }
    bytes_free(&large);
}

#define routing_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        routing_test(requests_meet_the_first_rule_that_holds),
        routing_test(http2_requests_meet_the_same_rules),
        routing_test(a_fixed_response_is_what_the_rule_says),
        routing_test(weights_divide_the_requests),
        routing_test(no_host_decides_where_to_connect),
        routing_test(x_forwarded_for_is_as_its_mode_says),
        routing_test(host_is_the_clients_the_configured_or_an_albs),
        routing_test(trace_ids_are_made_kept_and_extended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
