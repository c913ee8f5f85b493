/* SPDX-License-Identifier: Apache-2.0
 *
 * Signatures that AWS published for its example key.
 */
#include "support/unit.h"

#include <stdlib.h>

#include "base/clock.h"
#include "ctl/sigv4.h"

static const struct sigv4_key example_key = {
    .access_key_id = STR_INIT("AKIAIOSFODNN7EXAMPLE"),
    .secret_access_key = STR_INIT("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
};

static struct sigv4_request
example_request(void)
{
    return (struct sigv4_request){
        .host = STR("examplebucket.s3.amazonaws.com"),
        .path = STR("/"),
        .region = STR("us-east-1"),
        .service = STR("s3"),
        .at_s = clock_from_civil(2013, 5, 24, 0, 0, 0),
    };
}

static void
expect(const struct sigv4_request *req, const struct sigv4_key *key, const char *authorization)
{
    struct sigv4_signed got = {.authorization = NULL};

    sigv4_sign(req, key, &got);
    assert_string_equal(got.authorization, authorization);
    assert_string_equal(got.date, "20130524T000000Z");
    assert_string_equal(got.payload,
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    free(got.authorization);
}

#define CREDENTIAL \
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "

static void
get_object_has_the_published_signature(void **state)
{
    const struct sigv4_header range = {STR("range"), STR("bytes=0-9")};
    struct sigv4_request req = example_request();

    (void)state;
    req.path = STR("/test.txt");
    req.headers = &range;
    req.header_count = 1;
    expect(&req, &example_key,
           CREDENTIAL "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Signature="
                      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void
queries_have_the_published_signatures(void **state)
{
    struct sigv4_request req = example_request();

    (void)state;
    req.query = STR("lifecycle=");
    expect(&req, &example_key,
           CREDENTIAL "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="
                      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    req.query = STR("max-keys=2&prefix=J");
    expect(&req, &example_key,
           CREDENTIAL "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="
                      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void
each_input_changes_the_signature_and_a_token_is_signed(void **state)
{
    struct sigv4_request base = example_request(), req;
    struct sigv4_key key = example_key;
    struct sigv4_signed first = {0}, got = {0};

    (void)state;
    sigv4_sign(&base, &key, &first);
    for (int i = 0; i < 7; i++) {
        req = base;
        key = example_key;
        switch (i) {
        case 0:
            req.host = STR("other.s3.amazonaws.com");
            break;
        case 1:
            req.path = STR("/x");
            break;
        case 2:
            req.query = STR("a=b");
            break;
        case 3:
            req.region = STR("eu-west-1");
            break;
        case 4:
            req.at_s++;
            break;
        case 5:
            key.secret_access_key = STR("other");
            break;
        default:
            key.session_token = STR("token");
            break;
        }
        sigv4_sign(&req, &key, &got);
        assert_string_not_equal(strstr(got.authorization, "Signature="),
                                strstr(first.authorization, "Signature="));
        if (i == 6)
            assert_non_null(strstr(got.authorization, ";x-amz-security-token, "));
        free(got.authorization);
    }
    free(first.authorization);
}

static void
object_keys_are_encoded_byte_by_byte(void **state)
{
    static const char *const rows[][3] = {
        {"", "ca.crl", "/ca.crl"},
        {"", "a/b c.crl", "/a/b%20c.crl"},
        {"/bucket", "a+b&c=d?e#f", "/bucket/a%2Bb%26c%3Dd%3Fe%23f"},
        {"", "\xc3\xa9~._-", "/%C3%A9~._-"},
        {"", "100%", "/100%25"},
        {"", "", "/"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        char *got = sigv4_encode_path(str_from(rows[i][0]), str_from(rows[i][1]));

        assert_string_equal(got, rows[i][2]);
        free(got);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_object_has_the_published_signature),
        cmocka_unit_test(queries_have_the_published_signatures),
        cmocka_unit_test(each_input_changes_the_signature_and_a_token_is_signed),
        cmocka_unit_test(object_keys_are_encoded_byte_by_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
