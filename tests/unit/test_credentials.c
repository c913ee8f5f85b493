/* SPDX-License-Identifier: Apache-2.0
 *
 * AWS credentials from the environment, a file and the container endpoint: which of them
 * counts, and what is not taken from any.
 */
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "ctl/credentials.h"

static const char *const variables[] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
};

static int
setup(void **state)
{
    *state = unit_tmp_new();
    for (size_t i = 0; i < array_len(variables); i++)
        unsetenv(variables[i]);
    setenv("HOME", *state, 1);
    return 0;
}

static int
teardown(void **state)
{
    unit_tmp_done(*state);
    return 0;
}

static void
expect(struct credentials *c, const char *id, const char *key, const char *token)
{
    assert_string_equal(c->access_key_id, id);
    assert_string_equal(c->secret_access_key, key);
    if (token == NULL)
        assert_null(c->session_token);
    else
        assert_string_equal(c->session_token, token);
    credentials_done(c);
    assert_null(c->secret_access_key);
}

/* ---- environment and file ---- */

static void
the_environment_comes_before_the_file(void **state)
{
    struct credentials c = {0};
    char why[256] = "";
    char *path = unit_write_file(
        *state, "own", STR("[default]\naws_access_key_id=FILE\naws_secret_access_key=fs\n"));

    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    assert_int_equal(credentials_local(&c, why), 0);
    expect(&c, "FILE", "fs", NULL);
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    assert_int_equal(credentials_local(&c, why), 0); /* an id without its key is none */
    expect(&c, "FILE", "fs", NULL);
    setenv("AWS_SECRET_ACCESS_KEY", "es", 1);
    setenv("AWS_SESSION_TOKEN", "", 1);
    assert_int_equal(credentials_local(&c, why), 0);
    expect(&c, "ENV", "es", NULL);
    setenv("AWS_SESSION_TOKEN", "et", 1);
    assert_int_equal(credentials_local(&c, why), 0);
    expect(&c, "ENV", "es", "et");
    setenv("AWS_SECRET_ACCESS_KEY", "e\r\nX-Evil: 1", 1);
    assert_int_equal(credentials_local(&c, why), GW_E_CONFIG);
    assert_null(strstr(why, "Evil"));
    free(path);
}

static void
the_file_of_the_home_folder_is_found(void **state)
{
    struct credentials c = {0};
    char why[256] = "";
    char *folder = unit_path(*state, ".aws");
    char *path;

    assert_int_equal(credentials_local(&c, why), GW_E_NOTFOUND);
    assert_int_equal(mkdir(folder, 0700), 0);
    path = unit_write_file(folder, "credentials",
                           STR("[default]\naws_access_key_id = A\naws_secret_access_key = B\n"));
    assert_int_equal(credentials_local(&c, why), 0);
    expect(&c, "A", "B", NULL);
    setenv("AWS_PROFILE", "other", 1);
    assert_int_equal(credentials_local(&c, why), GW_E_CONFIG);
    assert_non_null(strstr(why, "other"));
    unsetenv("AWS_PROFILE");
    assert_int_equal(chmod(path, 0644), 0); /* a secret that everybody may read */
    assert_int_equal(credentials_local(&c, why), GW_E_CONFIG);
    assert_non_null(strstr(why, path));
    free(path);
    free(folder);
}

static const char ini[] = "# a comment\n"
                          "aws_access_key_id = NOBODY\n"
                          "[first]\r\n"
                          "aws_access_key_id=F1\r\n"
                          "aws_secret_access_key = f/2+=\r\n"
                          "region = eu-west-1\r\n"
                          "[ second ]\n"
                          ";aws_access_key_id = COMMENTED\n"
                          "  aws_access_key_id\t=\tS1  \n"
                          "aws_secret_access_key=s2\n"
                          "aws_session_token=s3\n"
                          "[half]\n"
                          "aws_access_key_id=H1\n"
                          "[spaces]\n"
                          "aws_access_key_id=A B\n"
                          "aws_secret_access_key=s\n"
                          "[broken\n"
                          "aws_access_key_id=X\n"
                          "aws_secret_access_key=Y\n"
                          "[last]\n"
                          "aws_access_key_id=L1\n"
                          "aws_secret_access_key=l2";

static void
a_file_is_read_by_profile(void **state)
{
    static const char *const none[] = {"half", "spaces", "broken", "nowhere", "", "NOBODY"};
    struct credentials c = {0};

    (void)state;
    assert_int_equal(credentials_parse_file(str_from(ini), STR("first"), &c), 0);
    expect(&c, "F1", "f/2+=", NULL);
    assert_int_equal(credentials_parse_file(str_from(ini), STR("second"), &c), 0);
    expect(&c, "S1", "s2", "s3");
    assert_int_equal(credentials_parse_file(str_from(ini), STR("last"), &c), 0);
    expect(&c, "L1", "l2", NULL);
    for (size_t i = 0; i < array_len(none); i++)
        assert_int_equal(credentials_parse_file(str_from(ini), str_from(none[i]), &c),
                         GW_E_NOTFOUND);
}

/* ---- the container endpoint ---- */

static void
only_safe_endpoints_are_asked(void **state)
{
    static const struct {
        const char *relative, *full, *url; /* url NULL: refused */
    } rows[] = {
        {"/v2/credentials/1", NULL, "http://169.254.170.2/v2/credentials/1"},
        {"/v2/credentials/1", "http://evil.example/", "http://169.254.170.2/v2/credentials/1"},
        {NULL, "http://127.0.0.1:51679/x", "http://127.0.0.1:51679/x"},
        {NULL, "http://localhost/x", "http://localhost/x"},
        {NULL, "http://[::1]:80/x", "http://[::1]:80/x"},
        {NULL, "http://169.254.170.2/x", "http://169.254.170.2/x"},
        {NULL, "https://credentials.example/x", "https://credentials.example/x"},
        {NULL, "http://credentials.example/x", NULL},
        {NULL, "http://127.0.0.1.evil.example/x", NULL},
        {NULL, "http://localhost.evil.example/x", NULL},
        {NULL, "http://127.0.0.1:80@evil.example/x", NULL},
        {NULL, "http://169.254.169.254/latest", NULL},
        {NULL, "file:///etc/passwd", NULL},
        {NULL, "http://127.0.0.1/a b", NULL},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct fetch_request req = {0};
        char why[256] = "";
        int rc;

        unsetenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        if (rows[i].relative != NULL)
            setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", rows[i].relative, 1);
        if (rows[i].full != NULL)
            setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", rows[i].full, 1);
        rc = credentials_request(&req, why);
        if (rc != (rows[i].url != NULL ? 0 : GW_E_CONFIG))
            fail_msg("%s: %d", rows[i].full, rc);
        if (rows[i].url != NULL)
            assert_string_equal(req.url, rows[i].url);
        fetch_request_done(&req);
    }
    unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    assert_int_equal(credentials_request(&(struct fetch_request){0}, (char[256]){0}),
                     GW_E_NOTFOUND);
}

static const char answer[] = "{\n \"RoleArn\" : \"arn:aws:iam::1:role/r\", \"Depth\": 3,\n"
                             " \"AccessKeyId\": \"AK\", \"SecretAccessKey\": \"s\\/k\",\n"
                             " \"Token\": \"tok\", \"Expiration\": \"2026-11-24T03:08:00Z\"}";

static void
an_answer_of_the_endpoint_is_read(void **state)
{
    struct credentials c = {0};

    (void)state;
    assert_int_equal(credentials_parse(str_from(answer), &c), 0);
    assert_int_equal(c.expires_s, clock_from_civil(2026, 11, 24, 3, 8, 0));
    expect(&c, "AK", "s/k", "tok");
    assert_int_equal(credentials_parse(STR("{\"AccessKeyId\":\"a\"}"), &c), GW_E_PARSE);
    assert_int_equal(credentials_parse(STR("{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"\"}"), &c),
                     GW_E_PARSE);
    assert_int_equal(credentials_parse(STR("{\"AccessKeyId\":\"a\\r\\n\"}"), &c), GW_E_PARSE);
    assert_int_equal(credentials_parse(STR("{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\","
                                           "\"Expiration\":\"soon\"}"),
                                       &c),
                     GW_E_PARSE);
    assert_int_equal(credentials_parse(STR(""), &c), GW_E_PARSE);
}

static void
parse_any(void *arg, struct str input)
{
    struct credentials c = {0};

    (void)arg;
    if (credentials_parse(input, &c) == 0)
        credentials_done(&c);
    if (credentials_parse_file(input, STR("first"), &c) == 0)
        credentials_done(&c);
}

static void
damaged_text_does_no_harm(void **state)
{
    (void)state;
    for_each_truncation(str_from(answer), parse_any, NULL);
    for_each_bit_flip(str_from(answer), parse_any, NULL);
    for_each_truncation(str_from(ini), parse_any, NULL);
    for_each_bit_flip(str_from(ini), parse_any, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_environment_comes_before_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(the_file_of_the_home_folder_is_found, setup, teardown),
        cmocka_unit_test(a_file_is_read_by_profile),
        cmocka_unit_test_setup_teardown(only_safe_endpoints_are_asked, setup, teardown),
        cmocka_unit_test(an_answer_of_the_endpoint_is_read),
        cmocka_unit_test(damaged_text_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
