/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "obs/access_log.h"
#include "support/json_check.h"

static char line_mem[LOG_LINE_MAX];

static struct str
format(enum log_format how, const struct stream_record *r)
{
    size_t len = access_log_format(how, r, line_mem, sizeof(line_mem));

    assert_in_range(len, 1, LOG_LINE_MAX);
    assert_int_equal(line_mem[len - 1], '\n');
    return str_make(line_mem, len);
}

static struct str
format_json(const struct stream_record *r)
{
    struct str line = format(LOG_FORMAT_JSON, r);

    if (!json_is_valid(line))
        fail_msg("not JSON: %.*s", STR_ARG(line));
    return line;
}

/* Field n (from 1) of ALB's layout, quotes kept; quoted fields hold no quote. */
static struct str
alb_field(struct str line, int n)
{
    const char *at = line.ptr, *end = line.ptr + line.len - 1, *start;

    for (;;) {
        start = at;
        if (at < end && *at == '"')
            at = (const char *)memchr(at + 1, '"', (size_t)(end - at - 1)) + 1;
        while (at < end && *at != ' ')
            at++;
        if (--n == 0)
            return str_make(start, (size_t)(at - start));
        assert_true(at < end);
        at++;
    }
}

#define TARGET_GROUP \
    "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067"

static const struct stream_record https_request = {
    .type = STR_INIT("https"),
    .wall_us = 1530570180186641,    /* 2018-07-02T22:23:00.186641Z */
    .created_us = 1530570168364000, /* 2018-07-02T22:22:48.364000Z */
    .elb = STR_INIT("app/my-loadbalancer/50dc6c495c0c9188"),
    .listener = STR_INIT("partners"),
    .client_ip = STR_INIT("192.168.131.39"),
    .client_port = 2817,
    .local_ip = STR_INIT("10.0.0.5"),
    .listener_port = 443,
    .target = STR_INIT("10.0.0.1:80"),
    .request_us = 86000,
    .target_us = 48000,
    .response_us = 37000,
    .status = 200,
    .target_status = 200,
    .received_bytes = 0,
    .sent_bytes = 57,
    .method = STR_INIT("GET"),
    .scheme = STR_INIT("https"),
    .authority = STR_INIT("www.example.com:443"),
    .uri = STR_INIT("/"),
    .http_version = STR_INIT("HTTP/1.1"),
    .user_agent = STR_INIT("curl/7.46.0"),
    .tls_version = STR_INIT("TLSv1.2"),
    .tls_cipher = STR_INIT("ECDHE-RSA-AES128-GCM-SHA256"),
    .target_group = STR_INIT(TARGET_GROUP),
    .trace_id = STR_INIT("Root=1-58337281-1d84f3d73c47ec4e58577259"),
    .domain_name = STR_INIT("www.example.com"),
    .chosen_cert = STR_INIT("conf/server.pem"),
    .rule_priority = 1,
    .actions = STR_INIT("forward"),
    .conn_trace_id = STR_INIT("TID_1234abcd5678ef90"),
};

static void
alb_line_of_a_forwarded_request(void **state)
{
    (void)state;
    assert_str_equal(
        format(LOG_FORMAT_ALB, &https_request),
        STR("https 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 "
            "192.168.131.39:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "
            "\"GET https://www.example.com:443/ HTTP/1.1\" \"curl/7.46.0\" "
            "ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 " TARGET_GROUP
            " \"Root=1-58337281-1d84f3d73c47ec4e58577259\" \"www.example.com\" "
            "\"conf/server.pem\" 1 2018-07-02T22:22:48.364000Z \"forward\" \"-\" \"-\" "
            "\"10.0.0.1:80\" \"200\" \"-\" \"-\" TID_1234abcd5678ef90 \"-\" \"-\" \"-\" "
            "10.0.0.5\n"));
}

static void
alb_line_of_a_request_that_was_never_understood(void **state)
{
    struct stream_record r = {
        .type = STR("https"),
        .wall_us = 1530570180186641,
        .created_us = 1530570168364000,
        .client_ip = STR("2001:db8::7"),
        .client_port = 2817,
        .local_ip = STR("2001:db8::1"),
        .listener_port = 8443,
        .request_us = -1,
        .target_us = -1,
        .response_us = -1,
        .status = 400,
        .received_bytes = 12,
        .sent_bytes = 272,
        .scheme = STR("https"),
        .rule_priority = -2,
        .desync_class = STR("Severe"),
        .desync_reason = STR("BadHeader"),
    };

    (void)state;
    assert_str_equal(format(LOG_FORMAT_ALB, &r),
                     STR("https 2018-07-02T22:23:00.186641Z - [2001:db8::7]:2817 - -1 -1 -1 400 - "
                         "12 272 \"- https://[2001:db8::1]:8443- -\" \"-\" - - - \"-\" \"-\" \"-\" "
                         "- 2018-07-02T22:22:48.364000Z \"-\" \"-\" \"-\" \"-\" \"-\" \"Severe\" "
                         "\"BadHeader\" - \"-\" \"-\" \"-\" 2001:db8::1\n"));
}

static void
alb_line_has_34_fields_whatever_the_content(void **state)
{
    struct stream_record r = https_request;
    struct str line;

    (void)state;
    r.user_agent = STR("a \"b\" \\c\\ \r\n\t\x01\x7f caf\xc3\xa9");
    r.elb = r.target_group = r.conn_trace_id = r.local_ip = r.tls_cipher = STR("x y\"z");
    r.uri = STR("/a\" 200 \"b c");
    line = format(LOG_FORMAT_ALB, &r);
    assert_str_equal(alb_field(line, 3), STR("x\\x20y\\x22z"));
    assert_str_equal(alb_field(line, 13),
                     STR("\"GET https://www.example.com:443/a\\x22 200 \\x22b c HTTP/1.1\""));
    assert_str_equal(alb_field(line, 14),
                     STR("\"a \\x22b\\x22 \\x5Cc\\x5C \\x0D\\x0A\\x09\\x01\\x7F caf\\xC3\\xA9\""));
    assert_str_equal(alb_field(line, 30), STR("x\\x20y\\x22z"));
    assert_str_equal(alb_field(line, 34), STR("x\\x20y\\x22z"));
    assert_ptr_equal(alb_field(line, 34).ptr + alb_field(line, 34).len, line.ptr + line.len - 1);
}

/* One field of the layout after one change of the record. */
static void
request_line_always_has_a_port(void **state)
{
    static const struct {
        struct str authority;
        const char *want;
    } cases[] = {
        {STR_INIT("h.test"), "\"GET https://h.test:443/ HTTP/1.1\""},
        {STR_INIT("h.test:8443"), "\"GET https://h.test:8443/ HTTP/1.1\""},
        {STR_INIT("[::1]"), "\"GET https://[::1]:443/ HTTP/1.1\""},
        {STR_INIT("[::1]:99"), "\"GET https://[::1]:99/ HTTP/1.1\""},
        {STR_INIT(""), "\"GET https://10.0.0.5:443/ HTTP/1.1\""},
    };

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct stream_record r = https_request;

        r.authority = cases[i].authority;
        assert_str_equal(alb_field(format(LOG_FORMAT_ALB, &r), 13), str_from(cases[i].want));
    }
}

static void
absolute_form_is_not_written_twice(void **state)
{
    static const struct {
        struct str uri;
        const char *want;
    } cases[] = {
        {STR_INIT("https://www.example.com/a?b"), "/a?b"},
        {STR_INIT("https://www.example.com:443?b"), "?b"},
        {STR_INIT("https://www.example.com"), "-"},
        {STR_INIT("/a?u=http://x/y"), "/a?u=http://x/y"},
        {STR_INIT("*"), "*"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct stream_record r = https_request;
        char want[128];

        r.uri = cases[i].uri;
        snprintf(want, sizeof(want), "\"GET https://www.example.com:443%s HTTP/1.1\"",
                 cases[i].want);
        assert_str_equal(alb_field(format(LOG_FORMAT_ALB, &r), 13), str_from(want));
    }
}

static void
rule_priority_is_a_number_or_a_dash(void **state)
{
    static const struct {
        int priority;
        const char *alb, *json;
    } cases[] = {{50000, "50000", "50000"}, {0, "0", "0"}, {-1, "-1", "-1"}, {-2, "-", "null"}};

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct stream_record r = https_request;
        struct str raw;

        r.rule_priority = cases[i].priority;
        assert_str_equal(alb_field(format(LOG_FORMAT_ALB, &r), 21), str_from(cases[i].alb));
        assert_true(json_member(format_json(&r), "matched_rule_priority", &raw));
        assert_str_equal(raw, str_from(cases[i].json));
    }
}

static void
only_albs_error_reasons_reach_albs_layout(void **state)
{
    static const struct {
        const char *reason, *alb;
    } cases[] = {
        {"JWTClaimNotPresent", "\"JWTClaimNotPresent\""},
        {"WAFConnectionError", "\"WAFConnectionError\""},
        {"upstream-connect-timeout", "\"-\""},
        {"", "\"-\""},
    };

    (void)state;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct stream_record r = https_request;

        r.error_reason = str_from(cases[i].reason);
        assert_str_equal(alb_field(format(LOG_FORMAT_ALB, &r), 25), str_from(cases[i].alb));
        if (cases[i].reason[0] != '\0')
            assert_true(json_member_is(format_json(&r), "error_reason", cases[i].reason));
    }
}

static void
status_460_without_a_target_answer(void **state)
{
    struct stream_record r = https_request;
    struct str line;

    (void)state;
    r.status = 460;
    r.target_status = 0;
    r.response_us = -1;
    line = format(LOG_FORMAT_ALB, &r);
    assert_str_equal(alb_field(line, 8), STR("-1"));
    assert_str_equal(alb_field(line, 9), STR("460"));
    assert_str_equal(alb_field(line, 10), STR("-"));
    assert_str_equal(alb_field(line, 27), STR("\"-\""));
}

/* ---- JSON ---- */

static void
json_line_of_a_forwarded_request(void **state)
{
    static struct str uris[] = {STR_INIT("spiffe://td.test/sa/api")};
    struct identity cert = {.subject = STR("CN=alice"),
                            .issuer = STR("CN=Test CA"),
                            .serial = STR("03A5B1"),
                            .validity = STR("NotBefore=a;NotAfter=b"),
                            .san_uri = {uris, 1}};
    struct stream_record r = https_request;

    (void)state;
    r.cert = &cert;
    r.end = STR("ok");
    r.vpce_id = STR("vpce-1");
    r.generation = 12;
    assert_str_equal(
        format_json(&r),
        STR("{\"type\":\"https\",\"time\":\"2018-07-02T22:23:00.186641Z\","
            "\"elb\":\"app/my-loadbalancer/50dc6c495c0c9188\","
            "\"client:port\":\"192.168.131.39:2817\",\"client_ip\":\"192.168.131.39\","
            "\"client_port\":2817,\"target:port\":\"10.0.0.1:80\","
            "\"request_processing_time\":0.086,\"target_processing_time\":0.048,"
            "\"response_processing_time\":0.037,\"elb_status_code\":200,"
            "\"target_status_code\":200,\"received_bytes\":0,\"sent_bytes\":57,"
            "\"request_line\":\"GET https://www.example.com:443/ HTTP/1.1\","
            "\"user_agent\":\"curl/7.46.0\",\"ssl_cipher\":\"ECDHE-RSA-AES128-GCM-SHA256\","
            "\"ssl_protocol\":\"TLSv1.2\",\"target_group_arn\":\"" TARGET_GROUP "\","
            "\"trace_id\":\"Root=1-58337281-1d84f3d73c47ec4e58577259\","
            "\"domain_name\":\"www.example.com\",\"chosen_cert_arn\":\"conf/server.pem\","
            "\"matched_rule_priority\":1,"
            "\"request_creation_time\":\"2018-07-02T22:22:48.364000Z\","
            "\"actions_executed\":\"forward\",\"redirect_url\":null,\"error_reason\":null,"
            "\"target:port_list\":\"10.0.0.1:80\",\"target_status_code_list\":200,"
            "\"classification\":null,\"classification_reason\":null,"
            "\"conn_trace_id\":\"TID_1234abcd5678ef90\",\"transformed_host\":null,"
            "\"transformed_uri\":null,\"request_transform_status\":null,"
            "\"ip_address\":\"10.0.0.5\",\"listener_port\":443,\"listener\":\"partners\","
            "\"end\":\"ok\",\"vpce_id\":\"vpce-1\",\"is_resumed\":false,\"would_refuse\":false,"
            "\"generation\":12,\"leaf_client_cert_subject\":\"CN=alice\","
            "\"leaf_client_cert_validity\":\"NotBefore=a;NotAfter=b\","
            "\"leaf_client_cert_serial_number\":\"03A5B1\",\"issuer\":\"CN=Test CA\","
            "\"san_uri\":[\"spiffe://td.test/sa/api\"]}\n"));
}

static void
json_line_without_a_certificate_has_no_certificate_members(void **state)
{
    struct str line = format_json(&https_request);

    (void)state;
    assert_int_equal(json_member_count(line, "leaf_client_cert_subject"), 0);
    assert_int_equal(json_member_count(line, "sha256"), 0);
    assert_int_equal(json_member_count(line, "truncated"), 0);
}

/* ---- lines that are too long ---- */

static void
fill_with(struct stream_record *r, struct identity *cert, struct str s)
{
    static struct str items[CLIENT_SANS_MAX];

    for (size_t i = 0; i < array_len(items); i++)
        items[i] = s;
    cert->subject = cert->issuer = cert->serial = cert->validity = s;
    cert->san_dns = cert->san_uri = (struct identity_list){items, array_len(items)};
    r->cert = cert;
    r->type = r->elb = r->listener = r->client_ip = r->local_ip = r->target = s;
    r->method = r->scheme = r->authority = r->uri = r->http_version = r->user_agent = s;
    r->tls_version = r->tls_cipher = r->target_group = r->trace_id = r->domain_name = s;
    r->chosen_cert = r->actions = r->redirect_url = r->desync_class = r->desync_reason = s;
    r->conn_trace_id = r->vpce_id = r->end = r->error_reason = s;
    r->wall_us = r->created_us = INT64_MAX;
    r->request_us = r->target_us = r->response_us = INT64_MAX;
    r->received_bytes = r->sent_bytes = r->generation = UINT64_MAX;
    r->client_port = r->listener_port = UINT16_MAX;
    r->status = r->target_status = 999;
    r->rule_priority = 50000;
}

static void
huge_fields_are_cut_and_the_line_stays_whole(void **state)
{
    static const char fillers[] = {'x', '"', '\\', '\n', '\xff', ' ', ':', ']'};
    char *text = malloc(70000);

    (void)state;
    for (size_t i = 0; i < array_len(fillers); i++) {
        memset(text, fillers[i], 70000);
        for (size_t len = 1; len <= 70000; len = len * 3 + 1) {
            struct stream_record r;
            struct identity cert = {.sha256 = {1}};
            struct str line;

            memset(&r, 0, sizeof(r));
            fill_with(&r, &cert, str_make(text, len));
            line = format_json(&r);
            assert_true(json_member_count(line, "elb_status_code") == 1);
            line = format(LOG_FORMAT_ALB, &r);
            assert_str_equal(alb_field(line, 9), STR("999"));
            assert_str_equal(alb_field(line, 21), STR("50000"));
            assert_str_equal(alb_field(line, 33), STR("\"-\""));
            assert_true(alb_field(line, 34).len > 0);
        }
    }
    free(text);
}

static void
long_user_agent_is_cut_and_marked(void **state)
{
    struct stream_record r = https_request;
    char *text = malloc(16000);
    struct str line;

    (void)state;
    memset(text, 'x', 16000);
    r.user_agent = str_make(text, 16000);
    line = format(LOG_FORMAT_ALB, &r);
    assert_true(str_ends(alb_field(line, 14), STR("x...\"")));
    assert_int_equal(alb_field(line, 14).len, LOG_LONG_CUT + 2);
    assert_str_equal(alb_field(line, 34), STR("10.0.0.5"));
    line = format_json(&r);
    assert_true(json_member_is(line, "conn_trace_id", "TID_1234abcd5678ef90"));
    assert_true(str_ends(line, STR(",\"truncated\":true}\n")));
    r.user_agent = str_make(text, 7000);
    line = format(LOG_FORMAT_ALB, &r);
    assert_int_equal(alb_field(line, 14).len, 7002);
    free(text);
}

static void
small_array_gets_nothing(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 2000; cap += 7) {
        char *dst = malloc(cap + 1);
        size_t len = access_log_format(LOG_FORMAT_JSON, &https_request, dst, cap);

        assert_true(len <= cap);
        assert_true(len == 0 || json_is_valid(str_make(dst, len)));
        len = access_log_format(LOG_FORMAT_ALB, &https_request, dst, cap);
        assert_true(len <= cap);
        free(dst);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alb_line_of_a_forwarded_request),
        cmocka_unit_test(alb_line_of_a_request_that_was_never_understood),
        cmocka_unit_test(alb_line_has_34_fields_whatever_the_content),
        cmocka_unit_test(request_line_always_has_a_port),
        cmocka_unit_test(absolute_form_is_not_written_twice),
        cmocka_unit_test(rule_priority_is_a_number_or_a_dash),
        cmocka_unit_test(only_albs_error_reasons_reach_albs_layout),
        cmocka_unit_test(status_460_without_a_target_answer),
        cmocka_unit_test(json_line_of_a_forwarded_request),
        cmocka_unit_test(json_line_without_a_certificate_has_no_certificate_members),
        cmocka_unit_test(huge_fields_are_cut_and_the_line_stays_whole),
        cmocka_unit_test(long_user_agent_is_cut_and_marked),
        cmocka_unit_test(small_array_gets_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
