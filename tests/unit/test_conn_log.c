/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "obs/conn_log.h"
#include "support/json_check.h"

static char line_mem[LOG_LINE_MAX];

/* The whole line in a static array. */
static struct str
format(enum log_format how, const struct conn_record *r)
{
    size_t len = conn_log_format(how, r, line_mem, sizeof(line_mem));

    assert_in_range(len, 1, LOG_LINE_MAX);
    assert_int_equal(line_mem[len - 1], '\n');
    return str_make(line_mem, len);
}

static struct str
format_json(const struct conn_record *r)
{
    struct str line = format(LOG_FORMAT_JSON, r);

    if (!json_is_valid(line))
        fail_msg("not JSON: %.*s", STR_ARG(line));
    return line;
}

/* ---- ALB's layout ---- */

static struct str names_of_alice[] = {STR_INIT("alice.example"), STR_INIT("a\"b")};

static const struct identity refused_cert = {
    .subject = STR_INIT("CN=amazondomains.com,O=endEntity,L=Seattle,ST=Washington,C=US"),
    .validity = STR_INIT("NotBefore=2023-09-21T22:43:21Z;NotAfter=2026-06-17T22:43:21Z"),
    .serial = STR_INIT("FEF257372D5C14D4"),
};

static const struct conn_record refused = {
    .wall_us = 1696439115514108, /* 2023-10-04T17:05:15.514108Z */
    .client_ip = STR_INIT("203.0.113.1"),
    .client_port = 36280,
    .listener_port = 443,
    .tls_version = STR_INIT("TLSv1.2"),
    .tls_cipher = STR_INIT("ECDHE-RSA-AES128-GCM-SHA256"),
    .handshake_us = -1,
    .cert = &refused_cert,
    .has_tls = true,
    .has_verify_status = true,
    .reason = REASON_UNTRUSTED,
    .trace_id = STR_INIT("TID_1c71a68d70587445ad5127ff8b2687d7"),
    .tls_group = STR_INIT("X25519"),
    .elb = STR_INIT("app/partners/0123456789abcdef"),
    .local_ip = STR_INIT("10.0.0.5"),
};

#define REFUSED_START                                                                          \
    "2023-10-04T17:05:15.514108Z 203.0.113.1 36280 443 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 - " \
    "\"CN=amazondomains.com,O=endEntity,L=Seattle,ST=Washington,C=US\" "                       \
    "NotBefore=2023-09-21T22:43:21Z;NotAfter=2026-06-17T22:43:21Z FEF257372D5C14D4 "
#define REFUSED_END \
    " TID_1c71a68d70587445ad5127ff8b2687d7 X25519 app/partners/0123456789abcdef 10.0.0.5\n"

static void
alb_line_of_a_refused_certificate(void **state)
{
    (void)state;
    assert_str_equal(format(LOG_FORMAT_ALB, &refused),
                     STR(REFUSED_START "Failed:ClientCertUntrusted" REFUSED_END));
}

static void
alb_line_of_an_admitted_client(void **state)
{
    struct conn_record r = refused;

    (void)state;
    r.reason = REASON_NONE;
    r.handshake_us = 4036499;
    r.tls_version = STR("TLSv1.3");
    r.tls_cipher = STR("TLS_AES_128_GCM_SHA256");
    assert_str_equal(
        format(LOG_FORMAT_ALB, &r),
        STR("2023-10-04T17:05:15.514108Z 203.0.113.1 36280 443 TLSv1.3 TLS_AES_128_GCM_SHA256 "
            "4.036 \"CN=amazondomains.com,O=endEntity,L=Seattle,ST=Washington,C=US\" "
            "NotBefore=2023-09-21T22:43:21Z;NotAfter=2026-06-17T22:43:21Z FEF257372D5C14D4 "
            "Success" REFUSED_END));
}

static void
alb_line_of_nothing_known_is_all_dashes(void **state)
{
    struct conn_record r = {.handshake_us = -1};

    (void)state;
    assert_str_equal(format(LOG_FORMAT_ALB, &r), STR("- - - - - - - \"-\" - - - - - - -\n"));
}

static void
alb_line_has_latency_only_after_a_handshake(void **state)
{
    static const struct {
        bool has_tls;
        int64_t us;
        const char *want;
    } cases[] = {
        {true, 0, "0.000"},      {true, 499, "0.000"},       {true, 500, "0.001"},
        {true, 999500, "1.000"}, {true, 59999999, "60.000"}, {true, -1, "-"},
        {false, 4036000, "-"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct conn_record r = {.has_tls = cases[i].has_tls, .handshake_us = cases[i].us};
        char want[64];

        snprintf(want, sizeof(want), "- - - - - - %s \"-\" - - - - - - -\n", cases[i].want);
        assert_str_equal(format(LOG_FORMAT_ALB, &r), str_from(want));
    }
}

/* Field 11 of ALB's layout and the JSON member. */
static void
check_status(const struct conn_record *r, const char *alb, const char *json)
{
    char want[256];

    snprintf(want, sizeof(want), "- - - - - - - \"-\" - - %s - - - -\n", alb);
    assert_str_equal(format(LOG_FORMAT_ALB, r), str_from(want));
    if (json != NULL)
        assert_true(json_member_is(format_json(r), "tls_verify_status", json));
}

static void
every_reason_is_named_as_alb_names_it(void **state)
{
    (void)state;
    for (int reason = REASON_NONE + 1; reason < REASON_COUNT; reason++) {
        struct conn_record r = {
            .handshake_us = -1, .has_verify_status = true, .reason = (enum reason)reason};
        char alb[128], json[128];

        snprintf(alb, sizeof(alb), "Failed:%s", reason_alb_token(r.reason));
        snprintf(json, sizeof(json), "Failed:%s", reason_token(r.reason));
        check_status(&r, alb, json);
        assert_true(json_member_is(format_json(&r), "reason", reason_token(r.reason)));
    }
}

static void
our_own_reasons_are_mapped_back_for_alb(void **state)
{
    static const struct {
        enum reason reason;
        const char *alb, *json;
    } cases[] = {
        {REASON_MISSING, "Failed:UnmappedConnectionError", "Failed:ClientCertMissing"},
        {REASON_CERT_DENIED, "Failed:ClientCertRejected", "Failed:ClientCertDenied"},
        {REASON_CRL_MISSING, "Failed:ClientCertCrlProcessingError", "Failed:CrlMissing"},
        {REASON_CRL_EXPIRED, "Failed:ClientCertCrlProcessingError", "Failed:CrlExpired"},
        {REASON_HANDSHAKE_TIMEOUT, "Failed:UnmappedConnectionError", "Failed:HandshakeTimeout"},
        {REASON_PROTOCOL_MISMATCH, "Failed:UnmappedConnectionError", "Failed:ProtocolMismatch"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct conn_record r = {
            .handshake_us = -1, .has_verify_status = true, .reason = cases[i].reason};

        check_status(&r, cases[i].alb, cases[i].json);
    }
}

static void
status_is_success_or_unknown_without_a_refusal(void **state)
{
    struct conn_record r = {.handshake_us = -1, .has_verify_status = true};

    (void)state;
    check_status(&r, "Success", "Success");
    r.would_refuse = true;
    r.reason = REASON_EXPIRED;
    r.handshake_us = 0;
    assert_true(json_member_is(format_json(&r), "tls_verify_status", "Success"));
    assert_true(json_member_is(format_json(&r), "reason", "ClientCertExpired"));
    r.handshake_us = -1;
    r.reason = REASON_HANDSHAKE_TIMEOUT; /* report-only, but the handshake failed */
    check_status(&r, "Failed:UnmappedConnectionError", "Failed:HandshakeTimeout");
    r = (struct conn_record){.handshake_us = -1, .reason = REASON_PROTOCOL_MISMATCH};
    check_status(&r, "-", NULL);
    assert_non_null(
        memmem(format_json(&r).ptr, format_json(&r).len, "\"tls_verify_status\":null", 24));
}

static void
alb_fields_are_escaped_so_that_they_stay_fields(void **state)
{
    struct identity cert = {.subject = STR("CN=a \"b\\,c\xc3\xa9\n")};
    struct conn_record r = {.handshake_us = -1, .cert = &cert};

    (void)state;
    r.tls_cipher = STR("A B\"\\\x7f");
    assert_str_equal(format(LOG_FORMAT_ALB, &r),
                     STR("- - - - - A\\x20B\\x22\\x5C\\x7F - \"CN=a \\x22b\\x5C,c\\xC3\\xA9\\x0A\" "
                         "- - - - - - -\n"));
}

/* ---- JSON ---- */

static void
json_line_of_a_refused_certificate(void **state)
{
    struct identity cert = refused_cert;
    struct conn_record r = refused;

    (void)state;
    cert.issuer = STR("CN=Test CA");
    cert.sha256[0] = 0xab;
    cert.sha256[31] = 0x01;
    cert.san_dns = (struct identity_list){names_of_alice, 2};
    r.cert = &cert;
    r.reason = REASON_CRL_MISSING;
    r.detail = STR("no list of CN=Test CA");
    r.listener = STR("partners");
    r.sni = STR("api.example.test");
    r.alpn = STR("h2");
    r.vpce_id = STR("vpce-1");
    r.proxy_ip = STR("10.0.0.9");
    r.host_policy = STR("*.bank.example");
    r.rule = STR("deny 7");
    r.generation = 3;
    assert_str_equal(
        format_json(&r),
        STR("{\"timestamp\":\"2023-10-04T17:05:15.514108Z\",\"client_ip\":\"203.0.113.1\","
            "\"client_port\":36280,\"listener_port\":443,\"tls_protocol\":\"TLSv1.2\","
            "\"tls_cipher\":\"ECDHE-RSA-AES128-GCM-SHA256\",\"tls_handshake_latency\":null,"
            "\"leaf_client_cert_subject\":\"CN=amazondomains.com,O=endEntity,L=Seattle,"
            "ST=Washington,C=US\",\"leaf_client_cert_validity\":\"NotBefore=2023-09-21T22:43:21Z;"
            "NotAfter=2026-06-17T22:43:21Z\",\"leaf_client_cert_serial_number\":"
            "\"FEF257372D5C14D4\",\"tls_verify_status\":\"Failed:CrlMissing\","
            "\"conn_trace_id\":\"TID_1c71a68d70587445ad5127ff8b2687d7\","
            "\"tls_keyexchange\":\"X25519\",\"elb\":\"app/partners/0123456789abcdef\","
            "\"ip_address\":\"10.0.0.5\",\"reason\":\"CrlMissing\","
            "\"detail\":\"no list of CN=Test CA\",\"rule\":\"deny 7\",\"listener\":\"partners\","
            "\"host_policy\":\"*.bank.example\",\"sni\":\"api.example.test\",\"alpn\":\"h2\","
            "\"vpce_id\":\"vpce-1\",\"proxy_ip\":\"10.0.0.9\",\"is_resumed\":false,"
            "\"is_cached\":false,\"would_refuse\":false,\"generation\":3,"
            "\"issuer\":\"CN=Test CA\",\"sha256\":"
            "\"ab00000000000000000000000000000000000000000000000000000000000001\","
            "\"san_dns\":[\"alice.example\",\"a\\\"b\"]}\n"));
}

static void
json_line_of_nothing_known(void **state)
{
    struct conn_record r = {.handshake_us = -1};

    (void)state;
    assert_str_equal(
        format_json(&r),
        STR("{\"timestamp\":null,\"client_ip\":null,\"client_port\":null,\"listener_port\":null,"
            "\"tls_protocol\":null,\"tls_cipher\":null,\"tls_handshake_latency\":null,"
            "\"leaf_client_cert_subject\":null,\"leaf_client_cert_validity\":null,"
            "\"leaf_client_cert_serial_number\":null,\"tls_verify_status\":null,"
            "\"conn_trace_id\":null,\"tls_keyexchange\":null,\"elb\":null,\"ip_address\":null,"
            "\"is_resumed\":false,\"is_cached\":false,\"would_refuse\":false,\"generation\":0}\n"));
}

static void
json_text_is_escaped_and_always_ascii(void **state)
{
    static const struct {
        struct str sni;
        const char *want; /* after decoding */
    } cases[] = {
        {STR_INIT("a\"b\\c/d"), "a\"b\\c/d"},
        {STR_INIT("tab\tnl\ncr\r\x01\x1f\x7f"), "tab\tnl\ncr\r\x01\x1f\x7f"},
        {STR_INIT("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x92"),
         "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x92"},
        {STR_INIT("bad\xff\xc3(\xe2\x82"), "bad\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd"},
        {STR_INIT("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong */
        {STR_INIT("\xe0\x80\xaf"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* overlong */
        {STR_INIT("\xf0\x8f\xbf\xbf"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {STR_INIT("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* surrogate */
        {STR_INIT("\xf4\x90\x80\x80"),
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* beyond U+10FFFF */
        {STR_INIT("</script>\xe2\x80\xa8"), "</script>\xe2\x80\xa8"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct conn_record r = {.sni = cases[i].sni};
        struct str line = format_json(&r);

        if (!json_member_is(line, "sni", cases[i].want))
            fail_msg("case %zu: %.*s", i, STR_ARG(line));
        for (size_t b = 0; b + 1 < line.len; b++)
            assert_in_range(line.ptr[b], 0x20, 0x7e);
    }
}

/* ---- lines that are too long ---- */

static void
line_that_just_fits_is_whole(void **state)
{
    struct conn_record r = {.handshake_us = -1};
    char *sni = malloc(LOG_LINE_MAX);
    size_t len = 1, longest = 0;

    (void)state;
    memset(sni, 'x', LOG_LINE_MAX);
    for (; len < LOG_LINE_MAX; len++) {
        struct str line;

        r.sni = str_make(sni, len);
        line = format_json(&r);
        if (json_member_count(line, "truncated") > 0)
            break;
        longest = line.len;
    }
    assert_in_range(longest, LOG_LINE_MAX - 17, LOG_LINE_MAX);
    assert_true(len < LOG_LINE_MAX);
    free(sni);
}

/* Every slice as long as a hostile client and a careless operator can make it together. */
static void
fill_with(struct conn_record *r, struct identity *cert, struct str s)
{
    static struct str items[CLIENT_SANS_MAX];

    for (size_t i = 0; i < array_len(items); i++)
        items[i] = s;
    cert->subject = cert->issuer = cert->serial = cert->validity = s;
    cert->san_dns = cert->san_uri = cert->san_email = cert->san_ip =
        (struct identity_list){items, array_len(items)};
    r->cert = cert;
    r->client_ip = r->listener = r->elb = r->local_ip = r->tls_version = r->tls_cipher = s;
    r->tls_group = r->detail = r->trace_id = r->sni = r->alpn = r->vpce_id = s;
    r->host_policy = r->rule = r->proxy_ip = s;
    r->has_verify_status = true;
    r->wall_us = INT64_MAX;
    r->handshake_us = INT64_MAX;
    r->client_port = r->listener_port = UINT16_MAX;
    r->generation = UINT64_MAX;
}

static void
huge_fields_are_cut_and_the_line_stays_whole(void **state)
{
    static const char fillers[] = {'x', '"', '\\', '\n', '\xff', '\xc3', ' '};
    char *text = malloc(70000);

    (void)state;
    for (size_t i = 0; i < array_len(fillers); i++) {
        memset(text, fillers[i], 70000);
        for (size_t len = 1; len <= 70000; len = len * 3 + 1) {
            struct conn_record r = {.reason = REASON_CRL_PROCESSING};
            struct identity cert = {.sha256 = {1}};
            struct str line;

            fill_with(&r, &cert, str_make(text, len));
            line = format_json(&r);
            assert_true(
                json_member_is(line, "tls_verify_status", "Failed:ClientCertCrlProcessingError"));
            line = format(LOG_FORMAT_ALB, &r);
            assert_non_null(
                memmem(line.ptr, line.len, " Failed:ClientCertCrlProcessingError ", 37));
        }
    }
    free(text);
}

static void
cut_fields_are_marked(void **state)
{
    struct identity cert = {.issuer = STR("CN=x")};
    struct conn_record r = {.cert = &cert};
    char *text = malloc(20000);
    struct str line;

    (void)state;
    memset(text, 'x', 20000);
    cert.subject = str_make(text, 20000);
    line = format_json(&r);
    assert_non_null(memmem(line.ptr, line.len, "xxx...\"", 7));
    assert_true(str_ends(line, STR("\"issuer\":\"CN=x\",\"truncated\":true}\n")));
    line = format(LOG_FORMAT_ALB, &r);
    assert_non_null(memmem(line.ptr, line.len, "xxx...\" - - - ", 14));
    free(text);
}

static void
small_array_gets_nothing(void **state)
{
    char *dst;

    (void)state;
    for (size_t cap = 0; cap < 500; cap++) {
        size_t len;

        dst = malloc(cap + 1);
        len = conn_log_format(LOG_FORMAT_ALB, &refused, dst, cap);
        assert_int_equal(len,
                         cap < sizeof(REFUSED_START "Failed:ClientCertUntrusted" REFUSED_END) - 1
                             ? 0
                             : sizeof(REFUSED_START "Failed:ClientCertUntrusted" REFUSED_END) - 1);
        len = conn_log_format(LOG_FORMAT_JSON, &refused, dst, cap);
        assert_true(len <= cap);
        assert_true(len == 0 || json_is_valid(str_make(dst, len)));
        free(dst);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alb_line_of_a_refused_certificate),
        cmocka_unit_test(alb_line_of_an_admitted_client),
        cmocka_unit_test(alb_line_of_nothing_known_is_all_dashes),
        cmocka_unit_test(alb_line_has_latency_only_after_a_handshake),
        cmocka_unit_test(every_reason_is_named_as_alb_names_it),
        cmocka_unit_test(our_own_reasons_are_mapped_back_for_alb),
        cmocka_unit_test(status_is_success_or_unknown_without_a_refusal),
        cmocka_unit_test(alb_fields_are_escaped_so_that_they_stay_fields),
        cmocka_unit_test(json_line_of_a_refused_certificate),
        cmocka_unit_test(json_line_of_nothing_known),
        cmocka_unit_test(json_text_is_escaped_and_always_ascii),
        cmocka_unit_test(line_that_just_fits_is_whole),
        cmocka_unit_test(huge_fields_are_cut_and_the_line_stays_whole),
        cmocka_unit_test(cut_fields_are_marked),
        cmocka_unit_test(small_array_gets_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
