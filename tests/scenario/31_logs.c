/* SPDX-License-Identifier: Apache-2.0
 *
 * What the access log and the connection log say of real traffic, in both formats: every field of
 * an Application Load Balancer's in its place, read by the expressions that AWS's guides give for
 * Athena; refused connections with their certificate; bytes, times and failures; and hostile text
 * that stays within its field.
 */
#include "20_front.h"

#include <regex.h>
#include <signal.h>

/* The input.regex of the tables in "Query access logs" and "Query connection logs", with POSIX
 * classes instead of Java's. */
#define ATHENA_ACCESS                                                                      \
    "^([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*):([0-9]*) ([^ ]*)[:-]([0-9]*) ([-.0-9]*) ([-.0-9]*) " \
    "([-.0-9]*) (|[-0-9]*) (-|[-0-9]*) ([-0-9]*) ([-0-9]*) \"([^ ]*) (.*) (- |[^ ]*)\" "   \
    "\"([^\"]*)\" ([A-Z0-9_-]+) ([A-Za-z0-9.-]*) ([^ ]*) \"([^\"]*)\" \"([^\"]*)\" "       \
    "\"([^\"]*)\" ([-.0-9]*) ([^ ]*) \"([^\"]*)\" \"([^\"]*)\" \"([^ ]*)\" "               \
    "\"([^[:space:]]+)\" \"([^[:space:]]+)\" \"([^ ]*)\" \"([^ ]*)\" ?([^ ]*)? ?( .*)?$"
#define ATHENA_CONNECTION                                                                  \
    "^([^ ]*) ([^ ]*) ([0-9]*) ([0-9]*) ([A-Za-z0-9.-]*) ([^ ]*) ([-.0-9]*) \"([^\"]*)\" " \
    "([^ ]*) ([^ ]*) ([^ ]*) ?([^ ]*)?( .*)?$"

static const char yaml[] =
    "workers: 1\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\", socket: admin.sock}\n"
    "logging: {level: @LEVEL@, access: {path: access.log, format: @FORMAT@},\n"
    "          connection: {path: connection.log, format: @FORMAT@}}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: ca.pem, crls: [lists.pem]}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "  dead: {protocol: http, targets: [\"127.0.0.1:@DEAD@\"]}\n"
    "listeners:\n"
    "  - name: partners\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: clients}\n"
    "    rules:\n"
    "      - {priority: 10, when: {path: [/fixed]},\n"
    "         action: {fixed_response: {status: 201, body: made}}}\n"
    "      - {priority: 20, when: {path: [/deny]}, action: {deny: true}}\n"
    "      - {priority: 30, when: {path: [/dead]}, action: {forward: dead}}\n"
    "    default_action: {forward: api}\n";

static struct pki_cert *revoked;

static int
setup_as(void **state, const char *format)
{
    static char dead[8];
    struct front *f = front_new(NULL);

    (void)snprintf(dead, sizeof(dead), "%u", port_free());
    revoked = pki_client(f->ca, "mallory \"x\", Ltd.");
    front_write_lists(f, "lists.pem", 2, revoked);
    front_var(f, "FORMAT", format);
    front_var(f, "LEVEL", "info");
    front_var(f, "DEAD", dead);
    front_start(f, yaml);
    *state = f;
    return 0;
}

static int
setup_alb(void **state)
{
    return setup_as(state, "alb");
}

static int
setup_json(void **state)
{
    return setup_as(state, "json");
}

static int
teardown(void **state)
{
    pki_free(revoked);
    return front_done(*state) == 0 ? 0 : -1;
}

/* ---- lines and fields ---- */

enum { FIELDS_MAX = 40 };

struct fields {
    struct bytes line;
    struct str at[FIELDS_MAX + 1]; /* counted from 1, as AWS's tables are */
    bool is_quoted[FIELDS_MAX + 1];
    size_t n;
};

/* Takes the line. Fields are divided by single spaces; quotes hold one together. */
static struct fields
split(struct bytes line)
{
    struct fields f = {.line = line};
    const char *p = line.ptr;

    assert_true(line.len > 0);
    while (*p != '\0') {
        const char *end;

        assert_true(f.n < FIELDS_MAX);
        f.is_quoted[++f.n] = *p == '"';
        p += f.is_quoted[f.n];
        end = p + strcspn(p, f.is_quoted[f.n] ? "\"" : " ");
        f.at[f.n] = str_make(p, (size_t)(end - p));
        p = end + f.is_quoted[f.n];
        assert_true(*p == ' ' || *p == '\0');
        p += *p == ' ';
    }
    return f;
}

static void
assert_field(const struct fields *f, size_t n, const char *want)
{
    if (!str_eq(f->at[n], str_from(want)))
        fail_msg("field %zu is \"%.*s\" and not \"%s\" in:\n%s", n, STR_ARG(f->at[n]), want,
                 f->line.ptr);
}

/* Milliseconds of a field that is seconds with three decimals; -1 for "-1". */
static int
millis(const struct fields *f, size_t n)
{
    struct str s = f->at[n];
    uint64_t whole, part;
    ptrdiff_t dot = str_chr(s, '.');

    if (str_eq(s, STR("-1")))
        return -1;
    assert_int_equal(s.len - (size_t)dot, 4);
    assert_int_equal(str_parse_u64(str_sub(s, 0, (size_t)dot), 1000, &whole), 0);
    assert_int_equal(str_parse_u64(str_sub(s, (size_t)dot + 1, s.len), 999, &part), 0);
    return (int)(whole * 1000 + part);
}

static void
assert_time(struct str s)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";

    assert_int_equal(s.len, sizeof(form) - 1);
    for (size_t i = 0; i < s.len; i++)
        assert_true(form[i] == 'd' ? ascii_is_digit(s.ptr[i]) : s.ptr[i] == form[i]);
}

static void
assert_matches(const char *expression, const char *line)
{
    regex_t regex;

    assert_int_equal(regcomp(&regex, expression, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&regex, line, 0, NULL, 0) != 0)
        fail_msg("Athena would not read: %s", line);
    regfree(&regex);
}

/* The line of the request with that text in it, after checking its shape. */
static struct fields
access_fields(const struct front *f, const char *text)
{
    static const size_t quoted[] = {13, 14, 18, 19, 20, 23, 24, 25, 26, 27, 28, 29, 31, 32, 33};
    struct bytes line = front_line(f, "access.log", text);
    struct fields fields = split(line);

    assert_matches(ATHENA_ACCESS, line.ptr);
    assert_int_equal(fields.n, 34);
    for (size_t i = 1, q = 0; i <= fields.n; i++) {
        bool wants_quotes = q < array_len(quoted) && quoted[q] == i;

        q += wants_quotes;
        if (fields.is_quoted[i] != wants_quotes)
            fail_msg("quotes of field %zu in: %s", i, line.ptr);
    }
    assert_time(fields.at[2]);
    assert_time(fields.at[22]);
    return fields;
}

static struct fields
connection_fields(const struct front *f, const char *text)
{
    struct bytes line = front_line(f, "connection.log", text);
    struct fields fields = split(line);

    assert_matches(ATHENA_CONNECTION, line.ptr);
    assert_int_equal(fields.n, 15);
    for (size_t i = 1; i <= fields.n; i++)
        assert_int_equal(fields.is_quoted[i], i == 8);
    assert_time(fields.at[1]);
    return fields;
}

static struct client *
open_client(const struct front *f, const char *alpn)
{
    struct client *c = client_open(&(struct client_spec){
        .port = gateway_port(f->g, 1), .cert = f->alice, .alpn = alpn, .sni = "localhost"});

    assert_int_equal(client_state(c), CLIENT_OK);
    return c;
}

/* One request on a connection of its own; what was answered. The caller frees it. */
static struct response
ask(const struct front *f, const char *request)
{
    struct client *c = open_client(f, "http/1.1");
    struct response r = client_exchange(c, request);

    client_close(c);
    return r;
}

static void
ask_for(const struct front *f, const char *request, int status)
{
    struct response r = ask(f, request);

    assert_int_equal(r.status, status);
    response_free(&r);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* ---- one exchange, field by field ---- */

#define UPLOAD                                                             \
    "POST /widgets?id=1&q=%22 HTTP/1.1\r\nHost: Api.Example.Test:8443\r\n" \
    "User-Agent: tester/1.0 (x; y)\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"

static void
every_field_of_an_access_line_is_in_its_place(void **state)
{
    struct front *f = *state;
    struct response r = ask(f, UPLOAD);
    size_t sent = r.head.len + r.body.len;
    struct bytes seen = origin_received_all(f->origin);
    struct fields line = access_fields(f, "/widgets");
    struct fields conn = connection_fields(f, "Success");
    char text[600];

    assert_int_equal(r.status, 200);
    assert_field(&line, 1, "https");
    assert_true(str_starts(line.at[3], STR("app/partners/")));
    (void)snprintf(text, sizeof(text), "127.0.0.1:%.*s", STR_ARG(conn.at[3]));
    assert_field(&line, 4, text);
    assert_field(&line, 5, origin_address(f->origin));
    for (size_t i = 6; i <= 8; i++)
        assert_true(millis(&line, i) >= 0);
    assert_field(&line, 9, "200");
    assert_field(&line, 10, "200");
    (void)snprintf(text, sizeof(text), "%zu", sizeof(UPLOAD) - 1);
    assert_field(&line, 11, text);
    (void)snprintf(text, sizeof(text), "%zu", sent);
    assert_field(&line, 12, text);
    assert_field(&line, 13, "POST https://api.example.test:8443/widgets?id=1&q=%22 HTTP/1.1");
    assert_field(&line, 14, "tester/1.0 (x; y)");
    assert_true(str_eq(line.at[15], conn.at[6]) && str_eq(line.at[16], conn.at[5]));
    assert_true(str_starts(line.at[17], STR("targetgroup/api/")));
    (void)snprintf(text, sizeof(text), "X-Amzn-Trace-Id: %.*s\r\n", STR_ARG(line.at[18]));
    assert_non_null(strstr(seen.ptr, text));
    assert_field(&line, 19, "localhost");
    assert_field(&line, 20, front_path(f, "server.pem"));
    assert_field(&line, 21, "0");
    assert_field(&line, 23, "forward");
    assert_field(&line, 24, "-");
    assert_field(&line, 25, "-");
    assert_field(&line, 26, origin_address(f->origin));
    assert_field(&line, 27, "200");
    assert_field(&line, 28, "-");
    assert_field(&line, 29, "-");
    assert_true(str_eq(line.at[30], conn.at[12]));
    for (size_t i = 31; i <= 33; i++)
        assert_field(&line, i, "-");
    assert_field(&line, 34, "127.0.0.1");
    bytes_free(&conn.line);
    bytes_free(&line.line);
    bytes_free(&seen);
    response_free(&r);
}

static void
every_field_of_a_connection_line_is_in_its_place(void **state)
{
    struct front *f = *state;
    struct client *c = open_client(f, "h2");
    struct fields line = connection_fields(f, "Success");
    char text[64];

    assert_field(&line, 2, "127.0.0.1");
    (void)snprintf(text, sizeof(text), "%u", client_local_port(c));
    assert_field(&line, 3, text);
    (void)snprintf(text, sizeof(text), "%u", gateway_port(f->g, 1));
    assert_field(&line, 4, text);
    assert_field(&line, 5, SSL_get_version(client_ssl(c)));
    assert_field(&line, 6, SSL_get_cipher_name(client_ssl(c)));
    assert_true(millis(&line, 7) >= 0);
    assert_field(&line, 8, "CN=alice");
    assert_true(str_starts(line.at[9], STR("NotBefore=")));
    assert_int_equal(line.at[9].len, sizeof("NotBefore=2026-01-01T00:00:00Z;NotAfter="
                                            "2026-01-01T00:00:00Z") -
                                         1);
    assert_true(line.at[10].len >= 2 && line.at[10].len % 2 == 0);
    assert_field(&line, 11, "Success");
    assert_true(str_starts(line.at[12], STR("TID_")) && line.at[12].len == 36);
    assert_true(str_eq_nocase(
        line.at[13],
        str_from(SSL_group_to_name(client_ssl(c), (int)SSL_get_negotiated_group(client_ssl(c))))));
    assert_true(str_starts(line.at[14], STR("app/partners/")));
    assert_field(&line, 15, "127.0.0.1");
    bytes_free(&line.line);
    client_close(c);
}

/* What a client waits before it says hello is not counted. */
static void
handshake_latency_is_that_of_the_handshake(void **state)
{
    struct front *f = *state;
    struct client *c = client_open(&(struct client_spec){
        .port = gateway_port(f->g, 1), .cert = f->alice, .connect_only = true});
    char *mark = xformat(" 127.0.0.1 %u ", client_local_port(c));
    struct fields line;

    sleep_ms(2500);
    assert_int_equal(client_handshake(c), CLIENT_OK);
    line = connection_fields(f, mark);
    assert_true(millis(&line, 7) < 2000);
    bytes_free(&line.line);
    free(mark);
    client_close(c);
}

/* What was no TLS that is spoken here, in words. */
static void
refused_hellos_are_told_apart(void **state)
{
    static const struct {
        const char *bytes;
        const char *words;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
         "ProtocolMismatch, the client speaks plain HTTP"},
        {"SSH-2.0-OpenSSH_9.2p1\r\n", "ProtocolMismatch, what the client sent is no TLS"},
    };
    struct front *f = *state;
    struct bytes diag;

    for (size_t i = 0; i < array_len(cases); i++) {
        struct client *c =
            client_open(&(struct client_spec){.port = gateway_port(f->g, 1), .plain = true});

        assert_int_equal(client_puts(c, cases[i].bytes), CLIENT_OK);
        assert_int_not_equal(client_wait_closed(c, 10000), CLIENT_TIMEOUT);
        client_close(c);
    }
    client_close(client_open(&(struct client_spec){.port = gateway_port(f->g, 1),
                                                   .max_version = TLS1_1_VERSION,
                                                   .ciphers = "ALL:@SECLEVEL=0"}));
    assert_int_equal(front_get(f, 1, NULL), 0);
    assert_true(proc_wait_text(gateway_proc(f->g), "ClientCertMissing", 5000));
    diag = gateway_diag(f->g);
    for (size_t i = 0; i < array_len(cases); i++)
        assert_non_null(strstr(diag.ptr, cases[i].words));
    assert_non_null(strstr(diag.ptr, "the client offers no TLS version that is allowed here"));
    assert_non_null(strstr(diag.ptr, "ClientCertMissing, the client sent no certificate"));
    bytes_free(&diag);
}

/* ---- other ways for a request to end ---- */

struct ending {
    const char *request;
    const char *mark; /* found in its line and in no other */
    int status;
    const char *target_status;
    const char *priority;
    const char *actions;
    const char *classification;
    const char *reason;
    bool has_target;
};

static const struct ending endings[] = {
    {GET("/fixed"), "/fixed ", 201, "-", "10", "fixed-response", "-", "-", false},
    {GET("/deny"), "/deny ", 403, "-", "20", "-", "-", "-", false},
    {GET("/dead"), "/dead ", 502, "-", "30", "forward", "-", "-", true},
    {"TRACE /trace HTTP/1.1\r\nHost: localhost\r\n\r\n", "TRACE ", 405, "-", "-", "-", "-", "-",
     false},
    {"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
     "BothTeClPresent", 400, "-", "-", "-", "Ambiguous", "BothTeClPresent", false},
    {"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", "BadContentLength", 400, "-",
     "-", "-", "Severe", "BadContentLength", false},
    {"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
     "MultipleContentLength", 400, "-", "-", "-", "Severe", "MultipleContentLength", false},
    {"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: cow\r\n\r\n", "BadTransferEncoding",
     501, "-", "-", "-", "Severe", "BadTransferEncoding", false},
    {"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer_Encoding: x\r\n\r\n", "SuspiciousHeader", 400,
     "-", "-", "-", "Ambiguous", "SuspiciousHeader", false},
    {"G@T / HTTP/1.1\r\nHost: localhost\r\n\r\n", "BadMethod", 400, "-", "-", "-", "Severe",
     "BadMethod", false},
};

static void
requests_that_do_not_reach_a_target_say_why(void **state)
{
    struct front *f = *state;

    for (size_t i = 0; i < array_len(endings); i++) {
        const struct ending *e = &endings[i];
        struct fields line;
        char text[32];

        ask_for(f, e->request, e->status);
        line = access_fields(f, e->mark);
        (void)snprintf(text, sizeof(text), "%d", e->status);
        assert_field(&line, 9, text);
        assert_field(&line, 10, e->target_status);
        (void)snprintf(text, sizeof(text), "%zu", strlen(e->request));
        assert_field(&line, 11, text);
        assert_field(&line, 21, e->priority);
        assert_field(&line, 23, e->actions);
        assert_field(&line, 25, "-");
        assert_field(&line, 28, e->classification);
        assert_field(&line, 29, e->reason);
        assert_int_equal(!str_eq(line.at[5], STR("-")), e->has_target);
        assert_int_equal(!str_eq(line.at[17], STR("-")), e->has_target);
        /* What was a request has a trace, wherever it ended. */
        assert_int_equal(str_starts(line.at[18], STR("Root=1-")),
                         strcmp(e->classification, "-") == 0);
        for (size_t t = 6; t <= 8; t++)
            assert_field(&line, t, "-1");
        bytes_free(&line.line);
    }
}

#define OK_SLOW_1 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no"

static const struct origin_step slow_steps[] = {
    ORIGIN_READ_REQUEST, ORIGIN_DELAY(400), ORIGIN_SEND(OK_SLOW_1),
    ORIGIN_DELAY(300),   ORIGIN_SEND("k"),  ORIGIN_LOOP,
};
static const struct origin_step closing_steps[] = {ORIGIN_READ_REQUEST, ORIGIN_CLOSE};

static void
times_are_those_of_request_target_and_response(void **state)
{
    struct front *f = *state;
    struct fields line;

    origin_set_steps(f->origin, slow_steps, array_len(slow_steps));
    ask_for(f, GET("/slow"), 200);
    line = access_fields(f, "/slow ");
    assert_true(millis(&line, 6) >= 0);
    assert_true(millis(&line, 7) >= 390);
    assert_true(millis(&line, 8) >= 290);
    bytes_free(&line.line);
}

/* It was dispatched; there was no answer. */
static void
a_target_that_closes_has_no_times_of_its_own(void **state)
{
    struct front *f = *state;
    struct fields line;
    struct bytes diag;

    origin_set_steps(f->origin, closing_steps, array_len(closing_steps));
    ask_for(f, GET("/closes"), 502);
    line = access_fields(f, "/closes ");
    assert_true(millis(&line, 6) >= 0);
    assert_field(&line, 7, "-1");
    assert_field(&line, 8, "-1");
    assert_field(&line, 10, "-");
    assert_field(&line, 23, "forward");
    bytes_free(&line.line);
    ask_for(f, GET("/dead"), 502);
    line = access_fields(f, "/dead ");
    diag = gateway_diag(f->g);
    assert_non_null(strstr(diag.ptr, "target group api, "));
    assert_non_null(strstr(diag.ptr, ": upstream-closed; the client got 502\n"));
    assert_non_null(strstr(diag.ptr, ": connect-failed, Connection refused; the client got 502\n"));
    bytes_free(&line.line);
    bytes_free(&diag);
}

/* Two requests of one HTTP/2 connection and its resumption. */
static void
http2_and_resumed_connections_say_so(void **state)
{
    struct front *f = *state;
    struct client *c = open_client(f, "h2");
    struct fields one, two, conn;
    struct client_spec again = {
        .port = gateway_port(f->g, 1), .cert = f->alice, .alpn = "h2", .sni = "localhost"};

    assert_int_equal(h2_start(c, STR("")), CLIENT_OK);
    for (uint32_t id = 1; id <= 3; id += 2) {
        struct h2_response r;

        assert_int_equal(h2_get(c, id, "localhost", id == 1 ? "/one" : "/two"), CLIENT_OK);
        r = h2_response(c, id);
        assert_int_equal(r.status, 200);
        h2_response_free(&r);
    }
    one = access_fields(f, "/one ");
    two = access_fields(f, "/two ");
    conn = connection_fields(f, "Success");
    assert_field(&one, 1, "h2");
    assert_true(str_ends(one.at[13], STR("/one HTTP/2.0")));
    assert_true(str_eq(one.at[30], two.at[30]) && str_eq(one.at[30], conn.at[12]));
    assert_false(str_eq(one.at[18], two.at[18]));
    again.session = client_session(c);
    client_close(c);
    c = client_open(&again);
    assert_int_equal(h2_start(c, STR("")), CLIENT_OK);
    assert_int_equal(h2_get(c, 1, "localhost", "/again"), CLIENT_OK);
    bytes_free(&one.line);
    one = access_fields(f, "/again ");
    assert_true(client_resumed(c));
    assert_field(&one, 20, "session-reused");
    SSL_SESSION_free(again.session);
    client_close(c);
    bytes_free(&one.line);
    bytes_free(&two.line);
    bytes_free(&conn.line);
}

/* ---- refused connections ---- */

static void
refused_connections_have_their_certificates_facts(void **state)
{
    struct front *f = *state;
    struct fields line;
    struct bytes access;

    assert_int_equal(front_get(f, 1, revoked), 0);
    line = connection_fields(f, "Failed:ClientCertCrlHit");
    assert_field(&line, 5, "TLSv1.3");
    assert_field(&line, 7, "-");
    assert_field(&line, 8, "CN=mallory \\x5C\\x22x\\x5C\\x22\\x5C, Ltd.");
    assert_true(str_starts(line.at[9], STR("NotBefore=")));
    assert_int_equal(line.at[10].len, 2 * revoked->serial.len);
    bytes_free(&line.line);
    assert_int_equal(front_get(f, 1, NULL), 0);
    line = connection_fields(f, "Failed:UnmappedConnectionError");
    assert_field(&line, 8, "-");
    assert_field(&line, 9, "-");
    assert_field(&line, 10, "-");
    bytes_free(&line.line);
    access = gateway_log(f->g, "access.log");
    assert_int_equal(access.len, 0);
    bytes_free(&access);
}

/* ---- the diagnostic log ---- */

/* A refused client is information, a failed upstream a warning, the end of a connection a detail.
 */
static void
the_level_decides_what_is_said(void **state)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    static const char *const lines[] = {"; the client got 502", " refused 127.0.0.1 on partners",
                                        " ended: "};
    struct front *f = *state;

    for (size_t l = 0; l < array_len(levels); l++) {
        size_t mark;
        struct bytes said;

        front_var(f, "LEVEL", levels[l]);
        gateway_set_yaml(f->g, yaml, f->vars);
        proc_signal(gateway_proc(f->g), SIGTERM);
        (void)proc_wait(gateway_proc(f->g), 30000);
        assert_true(gateway_restart(f->g, SIGTERM));
        mark = front_diag_mark(f);
        ask_for(f, GET("/dead"), 502);
        assert_int_equal(front_get(f, 1, revoked), 0);
        sleep_ms(300);
        said = front_diag_since(f, mark);
        for (size_t i = 0; i < array_len(lines); i++)
            if ((count_text(bytes_str(&said), lines[i]) > 0) != (i < l))
                fail_msg("level %s: \"%s\" in\n%s", levels[l], lines[i], said.ptr);
        bytes_free(&said);
    }
}

/* ---- JSON ---- */

static struct bytes
json_line(const struct front *f, const char *name, const char *text)
{
    struct bytes line = front_line(f, name, text);

    if (!json_is_valid(bytes_str(&line)))
        fail_msg("no JSON: %.*s", STR_ARG(bytes_str(&line)));
    return line;
}

static void
assert_raw(const struct bytes *line, const char *key, const char *want)
{
    struct str raw = STR("");

    if (!json_member(bytes_str(line), key, &raw) || !str_eq(raw, str_from(want)))
        fail_msg("%s is %.*s and not %s in: %s", key, STR_ARG(raw), want, line->ptr);
    assert_int_equal(json_member_count(bytes_str(line), key), 1);
}

static void
json_says_the_same_and_more(void **state)
{
    struct front *f = *state;
    struct response r = ask(f, UPLOAD);
    struct bytes line = json_line(f, "access.log", "/widgets");
    char text[32];

    assert_raw(&line, "type", "\"https\"");
    assert_raw(&line, "elb_status_code", "200");
    assert_raw(&line, "target_status_code", "200");
    (void)snprintf(text, sizeof(text), "%zu", sizeof(UPLOAD) - 1);
    assert_raw(&line, "received_bytes", text);
    (void)snprintf(text, sizeof(text), "%zu", r.head.len + r.body.len);
    assert_raw(&line, "sent_bytes", text);
    assert_raw(&line, "request_line",
               "\"POST https://api.example.test:8443/widgets?id=1&q=%22 HTTP/1.1\"");
    assert_raw(&line, "matched_rule_priority", "0");
    assert_raw(&line, "actions_executed", "\"forward\"");
    assert_raw(&line, "error_reason", "null");
    assert_raw(&line, "leaf_client_cert_subject", "\"CN=alice\"");
    assert_raw(&line, "issuer", "\"CN=Front CA\"");
    bytes_free(&line);
    response_free(&r);
    ask_for(f, GET("/dead"), 502);
    line = json_line(f, "access.log", "/dead ");
    assert_raw(&line, "error_reason", "\"connect-failed\"");
    assert_raw(&line, "error_detail", "\"Connection refused\"");
    assert_raw(&line, "target_processing_time", "-1");
    bytes_free(&line);
    ask_for(f, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400);
    line = json_line(f, "access.log", "malformed-request");
    assert_raw(&line, "error_detail", "\"more than one Host header\"");
    bytes_free(&line);
    assert_int_equal(front_get(f, 1, revoked), 0);
    line = json_line(f, "connection.log", "ClientCertCrlHit");
    assert_raw(&line, "leaf_client_cert_subject", "\"CN=mallory \\\\\\\"x\\\\\\\"\\\\, Ltd.\"");
    assert_raw(&line, "listener", "\"partners\"");
    bytes_free(&line);
}

/* ---- hostile text ---- */

static const char *
log_format(const struct front *f)
{
    size_t i = 0;

    while (strcmp(f->vars[i], "FORMAT") != 0)
        i += 2;
    return f->vars[i + 1];
}

/* Every byte that a field value or a target may have, and one that it may not. */
static void
hostile_text_stays_in_its_field(void **state)
{
    struct front *f = *state;
    struct bytes request = {0};
    struct response r;
    struct bytes log;
    size_t lines;

    bytes_puts(&request, "GET /hostile?a=%0a%22'()*!~ HTTP/1.1\r\nHost: localhost\r\n"
                         "X-Amzn-Trace-Id: Root=1\" 0 \"x\r\nUser-Agent: x");
    for (int byte = 1; byte < 256; byte++) {
        char c = (char)byte;

        if (byte == '\t' || (byte >= ' ' && byte != 0x7f))
            bytes_add(&request, &c, 1);
    }
    bytes_puts(&request, "x\r\n\r\n");
    r = ask(f, request.ptr);
    assert_int_equal(r.status, 200);
    response_free(&r);
    ask_for(f, "GET /bell\x07 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400);
    ask_for(f, GET("/last"), 200);
    if (log_format(f)[0] == 'a') {
        struct fields line = access_fields(f, "/hostile");

        assert_true(str_starts(line.at[14], STR("x\\x09 !\\x22#")));
        assert_true(str_ends(line.at[14], STR("\\xFFx")));
        assert_true(str_ends(line.at[18], STR(";Root=1\\x22 0 \\x22x")));
        bytes_free(&line.line);
    } else {
        struct bytes line = json_line(f, "access.log", "/hostile");
        struct bytes agent = {0};
        struct str raw;

        assert_true(json_member(bytes_str(&line), "user_agent", &raw));
        assert_true(json_decode(raw, &agent));
        assert_true(str_starts(bytes_str(&agent), STR("x\t !\"#")));
        bytes_free(&agent);
        bytes_free(&line);
    }
    assert_true(gateway_wait_log(f->g, "access.log", "/last", 5000));
    log = gateway_log(f->g, "access.log");
    lines = count_text(bytes_str(&log), "\n");
    assert_int_equal(lines, 3);
    for (size_t i = 0; i < log.len; i++)
        assert_true(log.ptr[i] == '\n' || (log.ptr[i] >= ' ' && log.ptr[i] < 0x7f) ||
                    log_format(f)[0] == 'j');
    bytes_free(&log);
    bytes_free(&request);
}

#define alb_test(name) cmocka_unit_test_setup_teardown(name, setup_alb, teardown)
#define json_test(name) cmocka_unit_test_setup_teardown(name, setup_json, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        alb_test(every_field_of_an_access_line_is_in_its_place),
        alb_test(every_field_of_a_connection_line_is_in_its_place),
        alb_test(handshake_latency_is_that_of_the_handshake),
        alb_test(refused_hellos_are_told_apart),
        alb_test(requests_that_do_not_reach_a_target_say_why),
        alb_test(times_are_those_of_request_target_and_response),
        alb_test(a_target_that_closes_has_no_times_of_its_own),
        alb_test(http2_and_resumed_connections_say_so),
        alb_test(refused_connections_have_their_certificates_facts),
        alb_test(the_level_decides_what_is_said),
        alb_test(hostile_text_stays_in_its_field),
        json_test(json_says_the_same_and_more),
        json_test(hostile_text_stays_in_its_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
