/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <ctype.h>
#include <stdio.h>

#include "base/limits.h"
#include "http/hygiene.h"

static const char *const identity_names[] = {
    "x-amzn-mtls-clientcert",
    "x-amzn-mtls-clientcert-serial-number",
    "x-amzn-mtls-clientcert-issuer",
    "x-amzn-mtls-clientcert-subject",
    "x-amzn-mtls-clientcert-validity",
    "x-amzn-mtls-clientcert-leaf",
    "x-amzn-mtls-",
    "x-amzn-mtls-something-new",
    "x-amzn-tls-version",
    "x-amzn-tls-cipher-suite",
    "client-cert",
    "client-cert-chain",
    "x-forwarded-client-cert",
    "x-forwarded-client-cert-chain",
    "x-forwarded-tls-client-cert",
    "x-forwarded-tls-client-cert-info",
    "ssl-client-cert",
    "ssl-client-verify",
    "ssl-client-subject-dn",
    "ssl-client-issuer-dn",
    "x-ssl-client-cn",
    "x-ssl-client-verify",
    "x-ssl-issuer",
    "x-client-cert",
    "x-client-certificate",
    "x-client-cert-chain",
    "x-client-verify",
    "x-client-dn",
    "x-client-s-dn",
    "x-client-san",
    "x-client-san-dns",
    "x-arr-clientcert",
    "cf-client-cert-sha256",
    "cloudfront-viewer-cert-subject",
    "tls-client-subject",
    "wl-proxy-client-cert",
    "x-mtls-subject",
    "x-wso2-client-certificate",
};

static const char *const other_names[] = {
    "host",
    "accept",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-amzn-trace-id",
    "x-amzn-mtl",
    "x-amzn-requestid",
    "x-client-id",
    "x-client-version",
    "x-client-sandbox",
    "client-id",
    "client-ip",
    "ssl",
    "ssl-clien",
    "x-sslx",
    "xamznmtlsclientcert",
    "amzn-mtls-clientcert",
    "content-type",
    "cookie",
    "x",
    "",
    "sec-fetch-mode",
    "x-client-dnx",
    "certificate",
    "tls-version",
    "x-api-key",
    "x-amz-date",
    "authorization",
    "clientcert",
    "y-amzn-mtls-a",
    "x-amzn-mtlsx-a",
};

/* Variant v of a name: as CGI, Java, Go and people write it. */
static size_t
spell(const char *name, unsigned v, char *out)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < n; i++) {
        char c = name[i];

        switch (v) {
        case 1:
            c = (char)toupper(c);
            break;
        case 2:
            c = c == '-' ? '_' : c;
            break;
        case 3:
            c = c == '-' ? '.' : c;
            break;
        case 4:
            c = c == '-' ? '_' : (char)toupper(c);
            break;
        case 5:
            c = c == '-' ? "-_."[i % 3] : i % 2 ? (char)toupper(c) : c;
            break;
        case 6:
            c = c == '-' ? "!%~+"[i % 4] : c;
            break;
        default:
            break;
        }
        out[i] = c;
    }
    return n;
}

static void
identity_names_are_known_in_every_spelling(void **state)
{
    size_t count = 0;
    char text[128];

    (void)state;
    for (size_t i = 0; i < array_len(identity_names); i++) {
        for (unsigned v = 0; v < 7; v++, count++) {
            size_t n = spell(identity_names[i], v, text);

            if (!hygiene_is_identity_name(NULL, str_make(text, n)))
                print_error("%.*s is not known\n", (int)n, text);
            assert_true(hygiene_is_identity_name(NULL, str_make(text, n)));
        }
    }
    assert_true(count >= 100);
    for (size_t i = 0; i < array_len(other_names); i++) {
        if (hygiene_is_identity_name(NULL, str_from(other_names[i])))
            print_error("row %zu\n", i);
        assert_false(hygiene_is_identity_name(NULL, str_from(other_names[i])));
    }
}

/* mark_identity passes fields with a token by. */
static void
no_field_with_a_token_is_an_identity(void **state)
{
    (void)state;
    for (int t = 0; t < HEADER_OTHER; t++)
        assert_false(hygiene_is_identity_name(NULL, header_token_name((enum header_token)t)));
}

static void
renamed_identity_headers_are_reserved_too(void **state)
{
    static const struct str renamed[] = {STR_INIT("X-Partner.Subject"), STR_INIT("serial_number")};
    const struct hygiene_names names = {renamed, array_len(renamed)};
    char text[128];

    (void)state;
    for (unsigned v = 0; v < 7; v++) {
        size_t n = spell("x-partner-subject", v, text);

        assert_true(hygiene_is_identity_name(&names, str_make(text, n)));
        assert_false(hygiene_is_identity_name(NULL, str_make(text, n)));
        n = spell("serial-number", v, text);
        assert_true(hygiene_is_identity_name(&names, str_make(text, n)));
    }
    assert_true(hygiene_is_identity_name(&names, STR("X-Amzn-Mtls-Clientcert-Subject")));
    assert_false(hygiene_is_identity_name(&names, STR("x-partner-subjec")));
    assert_false(hygiene_is_identity_name(&names, STR("x-partner-subject2")));
}

/* ---------------------------------------------------------------- requests */

struct message {
    struct arena arena;
    struct http_req req;
    struct http_resp resp;
    struct hygiene_result result;
    enum h1_fault fault;
    int err;
};

/* fields: "Name: value" lines, each ended by a newline. */
static void
read_fields(struct http_headers *headers, struct arena *arena, const char *fields)
{
    struct str rest = str_from(fields);
    struct str line;
    bool done = false;

    assert_int_equal(http_headers_init(headers, arena, REQUEST_HEADERS_MAX), 0);
    while (str_split_next(&rest, '\n', &done, &line)) {
        ptrdiff_t colon = str_chr(line, ':');

        if (line.len == 0)
            continue;
        assert_int_equal(http_headers_add(headers, str_sub(line, 0, (size_t)colon),
                                          str_trim(str_sub(line, (size_t)colon + 1, line.len))),
                         0);
    }
}

static void
clean_request(struct message *m, enum http_version version, const char *fields)
{
    *m = (struct message){.req = {.version = version,
                                  .framing = FRAMING_LENGTH,
                                  .content_length = 5,
                                  .keep_alive = version != HTTP_10}};
    arena_init(&m->arena, STREAM_ARENA_BLOCK, STREAM_ARENA_MAX);
    read_fields(&m->req.headers, &m->arena, fields);
    m->err = hygiene_request(NULL, &m->req, &m->result, &m->fault);
}

static void
message_done(struct message *m)
{
    arena_done(&m->arena);
}

static void
identity_fields_are_dropped_and_counted(void **state)
{
    struct message m;

    (void)state;
    clean_request(
        &m, HTTP_11,
        "Host: a\nX-Amzn-Mtls-Clientcert-Subject: CN=admin\nAccept: b\n"
        "x_amzn_mtls_clientcert_leaf: c\nSSL_CLIENT_VERIFY: SUCCESS\nClient-Cert: :AA==:\n");
    assert_int_equal(m.err, 0);
    assert_int_equal(m.result.identity_dropped, 4);
    assert_int_equal(m.result.hop_dropped, 0);
    assert_false(m.req.headers.fields[0].is_dropped);
    assert_true(m.req.headers.fields[1].is_dropped);
    assert_false(m.req.headers.fields[2].is_dropped);
    assert_null(http_headers_find(&m.req.headers, STR("ssl_client_verify")));
    assert_int_equal(m.req.headers.count, 6);
    message_done(&m);
}

static void
hop_by_hop_fields_are_dropped(void **state)
{
    static const char *const dropped[] = {
        "Connection: close",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "TE: trailers",
        "TE: gzip",
        "Trailer: X",
        "Upgrade: websocket",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABk",
        "Early-Data: 1",
        "Expect: 100-continue",
        "Proxy-Authorization: Basic eA==",
        "Transfer-Encoding: chunked",
        "X_Forwarded_For: x",
        "x-forwarded.proto: http",
        "X_FORWARDED-PORT: 80",
    };
    static const char *const kept[] = {
        "X_Forwarded_Host: x",
        "X-Forwarded-Proto: x",
        "X-Forwarded-Forwarder: x",
        "Host: a",
        "Content-Length: 5",
        "Cookie: a=b",
        "Authorization: x",
        "Accept: x",
        "X-Forwarded-For: x",
        "Via: 1.1 x",
        "Forwarded: for=x",
        "User-Agent: x",
        "X-Keep-Alive: x",
        "Connections: x",
        "Upgrade-Insecure-Requests: 1",
    };
    struct message m;

    (void)state;
    for (size_t i = 0; i < array_len(dropped); i++) {
        clean_request(&m, HTTP_11, dropped[i]);
        assert_int_equal(m.err, 0);
        assert_true(m.req.headers.fields[0].is_dropped);
        assert_int_equal(m.result.hop_dropped, 1);
        message_done(&m);
    }
    for (size_t i = 0; i < array_len(kept); i++) {
        clean_request(&m, HTTP_11, kept[i]);
        assert_int_equal(m.err, 0);
        assert_false(m.req.headers.fields[0].is_dropped);
        assert_int_equal(m.result.hop_dropped, 0);
        message_done(&m);
    }
}

static void
connection_drops_what_it_names(void **state)
{
    struct message m;

    (void)state;
    clean_request(&m, HTTP_11,
                  "Connection: x-one ,, X-TWO,\nX-One: 1\nx-two: 2\nX-Three: 3\nX-One: 4\n"
                  "connection: te, upgrade, http2-settings, keep-alive\n");
    assert_int_equal(m.err, 0);
    assert_int_equal(m.result.hop_dropped, 5);
    assert_null(http_headers_find(&m.req.headers, STR("x-one")));
    assert_null(http_headers_find(&m.req.headers, STR("x-two")));
    assert_non_null(http_headers_find(&m.req.headers, STR("x-three")));
    assert_true(m.req.keep_alive);
    message_done(&m);
}

static void
close_ends_keep_alive(void **state)
{
    static const struct {
        enum http_version version;
        const char *fields;
        bool keep_alive;
    } rows[] = {
        {HTTP_11, "", true},
        {HTTP_11, "Connection: close", false},
        {HTTP_11, "Connection: CLOSE", false},
        {HTTP_11, "Connection: keep-alive", true},
        {HTTP_11, "Connection: keep-alive, close", false},
        {HTTP_11, "Connection: x\nConnection: \tclose ", false},
        {HTTP_11, "Connection: closed", true},
        {HTTP_11, "Connection:", true},
        {HTTP_11, "Proxy-Connection: close", true},
        {HTTP_10, "", false},
        {HTTP_10, "Connection: keep-alive", false},
        {HTTP_20, "", true},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct message m;

        clean_request(&m, rows[i].version, rows[i].fields);
        assert_int_equal(m.err, 0);
        assert_int_equal(m.req.keep_alive, rows[i].keep_alive);
        message_done(&m);
    }
}

/* Twelve ways to nominate, each protected name in each. */
static void
connection_may_not_name_what_must_stay(void **state)
{
    static const char *const protected_names[] = {
        "X-Amzn-Mtls-Clientcert-Subject",
        "x-amzn-mtls-clientcert",
        "X_Amzn_Mtls_Clientcert_Leaf",
        "X-Amzn-Mtls-Clientcert-Serial-Number",
        "Client-Cert",
        "X-Forwarded-Client-Cert",
        "SSL_CLIENT_VERIFY",
        "Host",
        "HOST",
        "Content-Length",
        "content-type",
        "Content-Encoding",
        "Transfer-Encoding",
        "transfer_encoding",
        "Authorization",
        "Cookie",
        "X-Forwarded-For",
        "x-forwarded-proto",
        "X_Forwarded_Port",
        "Forwarded",
    };
    static const struct {
        const char *before, *after;
    } forms[] = {
        {"Connection: ", ""},
        {"connection:", ""},
        {"CONNECTION: ", " "},
        {"Connection: close, ", ""},
        {"Connection: ", ", close"},
        {"Connection: ,,\t", "\t,,"},
        {"Connection: close\nConnection: ", ""},
        {"Connection: ", "\nConnection: keep-alive"},
        {"Connection: keep-alive, te, ", ", upgrade"},
        {"Connection: x-a,x-b,", ",x-c"},
        {"X-A: 1\nConnection:", "\nX-B: 2"},
        {"Connection: a\nConnection: b\nConnection: c,", ""},
    };
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < array_len(protected_names); i++) {
        for (size_t j = 0; j < array_len(forms); j++, count++) {
            char fields[256];
            struct message m;

            snprintf(fields, sizeof(fields), "%s%s%s", forms[j].before, protected_names[i],
                     forms[j].after);
            clean_request(&m, HTTP_11, fields);
            assert_int_equal(m.err, GW_E_PROTO);
            assert_int_equal(m.fault, H1_FAULT_BAD_CONNECTION);
            message_done(&m);
        }
    }
    assert_int_equal(count, 240);
}

static void
connection_lists_tokens_and_few_of_them(void **state)
{
    static const char *const bad[] = {
        "Connection: \"close\"",    "Connection: close;x", "Connection: a b", "Connection: (close)",
        "Connection: cl\xc3\xb6se", "Connection: close=1", "Connection: @",   "Connection: a, {b}",
    };
    char fields[256] = "Connection: ";
    struct message m;

    (void)state;
    for (size_t i = 0; i < array_len(bad); i++) {
        clean_request(&m, HTTP_11, bad[i]);
        assert_int_equal(m.fault, H1_FAULT_BAD_CONNECTION);
        message_done(&m);
    }
    for (int i = 0; i < CONNECTION_TOKENS_MAX; i++)
        memcpy(fields + strlen(fields), "a,", 3);
    clean_request(&m, HTTP_11, fields);
    assert_int_equal(m.err, 0);
    message_done(&m);
    memcpy(fields + strlen(fields), "a", 2);
    clean_request(&m, HTTP_11, fields);
    assert_int_equal(m.fault, H1_FAULT_BAD_CONNECTION);
    message_done(&m);
}

static void
only_one_expectation_is_known(void **state)
{
    static const char *const good[] = {
        "100-continue",  "100-Continue",   "100-CONTINUE",
        " 100-continue", "100-continue\t", "100-cOnTiNuE",
    };
    static const char *const bad[] = {
        "",
        "100",
        "continue",
        "100-continue, 100-continue",
        "100-continue,",
        ",100-continue",
        "100-continue;q=1",
        "\"100-continue\"",
        "100 continue",
        "100_continue",
        "100-continues",
        "x100-continue",
        "200-ok",
        "100-continue=1",
        "100-continue x",
        "100 - continue",
        "0100-continue",
        "100-\xc3\xa7ontinue",
        "100--continue",
        "tcp-cork",
        "100-continue, x",
        "y, 100-continue",
        "1OO-continue",
        "100-continu",
        "(100-continue)",
    };
    char fields[128];
    struct message m;

    (void)state;
    for (size_t i = 0; i < array_len(good); i++) {
        snprintf(fields, sizeof(fields), "Expect:%s", good[i]);
        clean_request(&m, HTTP_11, fields);
        assert_int_equal(m.err, 0);
        assert_true(m.req.expect_continue);
        assert_true(m.req.headers.fields[0].is_dropped);
        message_done(&m);
    }
    for (size_t i = 0; i < array_len(bad); i++) {
        snprintf(fields, sizeof(fields), "Expect: %s", bad[i]);
        clean_request(&m, HTTP_11, fields);
        assert_int_equal(m.err, GW_E_PROTO);
        assert_int_equal(m.fault, H1_FAULT_BAD_EXPECT);
        message_done(&m);
    }
    clean_request(&m, HTTP_11, "Expect: 100-continue\nExpect: 100-continue");
    assert_int_equal(m.fault, H1_FAULT_BAD_EXPECT);
    message_done(&m);
}

static void
nobody_is_asked_to_continue_without_need(void **state)
{
    struct message m;

    (void)state;
    clean_request(&m, HTTP_10, "Expect: 100-continue");
    assert_false(m.req.expect_continue);
    message_done(&m);
    clean_request(&m, HTTP_20, "expect: 100-continue");
    assert_false(m.req.expect_continue);
    m.req.version = HTTP_11;
    m.req.framing = FRAMING_NONE;
    m.req.headers.fields[0].is_dropped = false;
    assert_int_equal(hygiene_request(NULL, &m.req, &m.result, &m.fault), 0);
    assert_false(m.req.expect_continue);
    m.req.framing = FRAMING_LENGTH;
    m.req.content_length = 0;
    assert_int_equal(hygiene_request(NULL, &m.req, &m.result, &m.fault), 0);
    assert_false(m.req.expect_continue);
    m.req.framing = FRAMING_CHUNKED;
    assert_int_equal(hygiene_request(NULL, &m.req, &m.result, &m.fault), 0);
    assert_true(m.req.expect_continue);
    message_done(&m);
}

/* ---------------------------------------------------------------- responses */

static void
clean_response(struct message *m, int status, enum http_version version, const char *fields)
{
    *m = (struct message){.resp = {.version = version, .status = status, .keep_alive = true}};
    arena_init(&m->arena, STREAM_ARENA_BLOCK, STREAM_ARENA_MAX);
    read_fields(&m->resp.headers, &m->arena, fields);
    m->err = hygiene_response(&m->resp, &m->fault);
}

static void
responses_lose_hop_by_hop_and_identity_fields(void **state)
{
    struct message m;

    (void)state;
    clean_response(&m, 200, HTTP_11,
                   "Server: x\nConnection: X-Hop, Content-Type\nX-Hop: 1\nContent-Type: text/html\n"
                   "Keep-Alive: timeout=5\nTransfer-Encoding: chunked\nTrailer: X\n"
                   "Proxy-Authenticate: Basic\nUpgrade: h2c\nX-Amzn-Mtls-Clientcert-Subject: y\n"
                   "Set-Cookie: a=b\n");
    assert_int_equal(m.err, 0);
    assert_true(m.resp.keep_alive);
    for (uint32_t i = 0; i < m.resp.headers.count; i++) {
        struct str name = m.resp.headers.fields[i].name;
        bool stays = str_eq(name, STR("Server")) || str_eq(name, STR("Content-Type")) ||
                     str_eq(name, STR("Set-Cookie"));

        assert_int_equal(m.resp.headers.fields[i].is_dropped, !stays);
    }
    message_done(&m);
}

static void
a_response_says_when_its_connection_ends(void **state)
{
    static const struct {
        enum http_version version;
        const char *fields;
        bool keep_alive;
    } rows[] = {
        {HTTP_11, "", true},
        {HTTP_11, "Connection: close", false},
        {HTTP_11, "Connection: Transfer-Encoding, keep-alive", true},
        {HTTP_11, "Connection: TE, Close", false},
        {HTTP_10, "", false},
        {HTTP_10, "Connection: keep-alive", false},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct message m;

        clean_response(&m, 200, rows[i].version, rows[i].fields);
        assert_int_equal(m.err, 0);
        assert_int_equal(m.resp.keep_alive, rows[i].keep_alive);
        message_done(&m);
    }
}

static void
a_response_never_gains_keep_alive(void **state)
{
    struct message m;

    (void)state;
    clean_response(&m, 200, HTTP_11, "");
    m.resp.keep_alive = false; /* until-close */
    assert_int_equal(hygiene_response(&m.resp, &m.fault), 0);
    assert_false(m.resp.keep_alive);
    message_done(&m);
}

static void
bad_responses_are_refused(void **state)
{
    struct message m;

    (void)state;
    clean_response(&m, 101, HTTP_11, "Upgrade: websocket\nConnection: upgrade");
    assert_int_equal(m.err, GW_E_PROTO);
    assert_int_equal(m.fault, H1_FAULT_BAD_STATUS);
    message_done(&m);
    clean_response(&m, 200, HTTP_11, "Connection: \"x\"");
    assert_int_equal(m.err, GW_E_PROTO);
    assert_int_equal(m.fault, H1_FAULT_BAD_CONNECTION);
    message_done(&m);
    clean_response(&m, 100, HTTP_11, "");
    assert_int_equal(m.err, 0);
    message_done(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity_names_are_known_in_every_spelling),
        cmocka_unit_test(no_field_with_a_token_is_an_identity),
        cmocka_unit_test(renamed_identity_headers_are_reserved_too),
        cmocka_unit_test(identity_fields_are_dropped_and_counted),
        cmocka_unit_test(hop_by_hop_fields_are_dropped),
        cmocka_unit_test(connection_drops_what_it_names),
        cmocka_unit_test(close_ends_keep_alive),
        cmocka_unit_test(connection_may_not_name_what_must_stay),
        cmocka_unit_test(connection_lists_tokens_and_few_of_them),
        cmocka_unit_test(only_one_expectation_is_known),
        cmocka_unit_test(nobody_is_asked_to_continue_without_need),
        cmocka_unit_test(responses_lose_hop_by_hop_and_identity_fields),
        cmocka_unit_test(a_response_says_when_its_connection_ends),
        cmocka_unit_test(a_response_never_gains_keep_alive),
        cmocka_unit_test(bad_responses_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
