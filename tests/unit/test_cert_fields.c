/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/limits.h"
#include "obs/cert_fields.h"

static char line_mem[LOG_LINE_MAX];

static void
write_both(struct line *l, const void *record)
{
    cert_fields_json_alb(l, record);
    cert_fields_json_more(l, record);
}

static struct str
run(const struct identity *cert)
{
    const struct line_job job = {LINE_JSON, line_mem, sizeof(line_mem)};

    return str_make(line_mem, line_format(&job, write_both, cert));
}

static void
without_a_certificate_only_albs_members_are_there(void **state)
{
    (void)state;
    assert_str_equal(run(NULL), STR("{\"leaf_client_cert_subject\":null,"
                                    "\"leaf_client_cert_validity\":null,"
                                    "\"leaf_client_cert_serial_number\":null}\n"));
}

static void
facts_that_could_not_be_read_are_left_out(void **state)
{
    struct identity cert = {.serial = STR("01")};

    (void)state;
    assert_str_equal(run(&cert), STR("{\"leaf_client_cert_subject\":null,"
                                     "\"leaf_client_cert_validity\":null,"
                                     "\"leaf_client_cert_serial_number\":\"01\"}\n"));
}

static void
all_facts_have_their_member(void **state)
{
    struct str dns[] = {STR("a.test"), STR("b.test")}, uri[] = {STR("spiffe://t/x")};
    struct str email[] = {STR("a@b.test")}, ip[] = {STR("::1")};
    struct identity cert = {.serial = STR("01"),
                            .subject = STR("CN=a\\,b"),
                            .issuer = STR("CN=ca"),
                            .validity = STR("NotBefore=x;NotAfter=y"),
                            .sha256 = {0xfe},
                            .san_dns = {dns, 2},
                            .san_uri = {uri, 1},
                            .san_email = {email, 1},
                            .san_ip = {ip, 1}};

    (void)state;
    assert_str_equal(
        run(&cert), STR("{\"leaf_client_cert_subject\":\"CN=a\\\\,b\","
                        "\"leaf_client_cert_validity\":\"NotBefore=x;NotAfter=y\","
                        "\"leaf_client_cert_serial_number\":\"01\",\"issuer\":\"CN=ca\",\"sha256\":"
                        "\"fe00000000000000000000000000000000000000000000000000000000000000\","
                        "\"san_dns\":[\"a.test\",\"b.test\"],\"san_uri\":[\"spiffe://t/x\"],"
                        "\"san_email\":[\"a@b.test\"],\"san_ip\":[\"::1\"]}\n"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_certificate_only_albs_members_are_there),
        cmocka_unit_test(facts_that_could_not_be_read_are_left_out),
        cmocka_unit_test(all_facts_have_their_member),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
