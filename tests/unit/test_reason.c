/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "cert/reason.h"

static void
every_reason_has_its_own_token_and_a_text(void **state)
{
    (void)state;
    for (unsigned i = 0; i < REASON_COUNT; i++) {
        enum reason found = REASON_COUNT;

        assert_true(reason_parse(str_from(reason_token((enum reason)i)), &found));
        assert_int_equal(found, i);
        assert_true(strlen(reason_text((enum reason)i)) >= 8);
    }
}

static void
unknown_tokens_are_refused(void **state)
{
    static const char *const bad[] = {"", "clientcertcrlhit", "ClientCertCrlHit ", "None"};
    enum reason found = REASON_COUNT;

    (void)state;
    for (size_t i = 0; i < array_len(bad); i++)
        assert_false(reason_parse(str_from(bad[i]), &found));
    assert_int_equal(found, REASON_COUNT);
}

/* The tokens of the connection log page of the Application Load Balancer guide. */
static void
alb_format_knows_only_albs_tokens(void **state)
{
    static const char *const alb[] = {
        "-",
        "ClientCertMaxChainDepthExceeded",
        "ClientCertMaxSizeExceeded",
        "ClientCertCrlHit",
        "ClientCertCrlProcessingError",
        "ClientCertUntrusted",
        "ClientCertNotYetValid",
        "ClientCertExpired",
        "ClientCertTypeUnsupported",
        "ClientCertInvalid",
        "ClientCertPurposeInvalid",
        "ClientCertRejected",
        "ClientCertIncompatible",
        "UnmappedConnectionError",
    };

    (void)state;
    for (unsigned i = 0; i < REASON_COUNT; i++) {
        bool is_known = false;

        for (size_t k = 0; k < array_len(alb); k++)
            is_known |= strcmp(reason_alb_token((enum reason)i), alb[k]) == 0;
        assert_true(is_known);
    }
}

static void
alerts_are_those_of_tls(void **state)
{
    static const struct {
        enum reason reason;
        int alert;
    } rows[] = {
        {REASON_NONE, 0},       {REASON_CRL_HIT, 44},          {REASON_EXPIRED, 45},
        {REASON_UNTRUSTED, 48}, {REASON_MISSING, 116},         {REASON_CERT_DENIED, 49},
        {REASON_INVALID, 42},   {REASON_TYPE_UNSUPPORTED, 43}, {REASON_PURPOSE_INVALID, 43},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++)
        assert_int_equal(reason_alert(rows[i].reason), rows[i].alert);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_its_own_token_and_a_text),
        cmocka_unit_test(unknown_tokens_are_refused),
        cmocka_unit_test(alb_format_knows_only_albs_tokens),
        cmocka_unit_test(alerts_are_those_of_tls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
