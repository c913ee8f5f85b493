/* SPDX-License-Identifier: Apache-2.0
 *
 * Real certificates, a request that tries to lie about them, and the exact head that the
 * upstream gets: from PEM through identity, parser and hygiene to the last byte. The expected
 * files are in forward/ (see README.md there). Run from the root of the repository.
 */
#include "support/unit.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "cert/identity.h"
#include "policy/forward.h"
#include "support/util.h"

#define FOLDER "tests/golden/forward/"

static const char request[] = "POST /v1/widgets?id=7 HTTP/1.1\r\n"
                              "Host: API.example.test\r\n"
                              "user-agent: curl/7.88.1\r\n"
                              "X-Amzn-Mtls-Clientcert-Subject: CN=admin\r\n"
                              "x_amzn_mtls_clientcert: -----BEGIN%20CERTIFICATE-----\r\n"
                              "Accept: */*\r\n"
                              "X-Forwarded-For: 198.51.100.4\r\n"
                              "X-Forwarded-Proto: http\r\n"
                              "Connection: keep-alive\r\n"
                              "X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793\r\n"
                              "Content-Length: 12\r\n"
                              "content-type: application/json\r\n"
                              "\r\n";

struct chain {
    X509 *certs[CHAIN_CERTS_MAX];
    int count;
};

static void
chain_read(struct chain *chain, const char *path)
{
    FILE *in = fopen(path, "rb");
    X509 *cert;

    chain->count = 0;
    if (in == NULL)
        fail_msg("%s cannot be read; run from the root of the repository", path);
    while ((cert = PEM_read_X509(in, NULL, NULL, NULL)) != NULL)
        chain->certs[chain->count++] = cert;
    fclose(in);
    assert_true(chain->count > 0);
}

static void
chain_free(struct chain *chain)
{
    for (int i = 0; i < chain->count; i++)
        X509_free(chain->certs[i]);
}

/* The identity lines of a mode, made from certificates as a connection makes them. */
static void
render(const struct forward_settings *settings, enum mutual_mode mode, struct chain *chain,
       struct arena *arena, struct forward_conn *conn)
{
    struct forward_identity in = {.mode = mode};
    struct identity *identity = NULL;
    enum reason reason = REASON_NONE;

    if (mode == MUTUAL_VERIFY) {
        if (identity_build(chain->certs[0], arena, &identity, &reason) != 0)
            fail_msg("refused: %s", reason_token(reason));
        in.identity = identity;
    } else {
        assert_int_equal(identity_chain_pem(chain->certs, chain->count, PASSTHROUGH_HEADER_MAX,
                                            arena, &in.chain_pem),
                         0);
    }
    assert_int_equal(
        forward_identity_render(settings, &in, arena, &conn->identity_block, &conn->identity_lines),
        0);
}

static void
write_head(const struct forward_settings *settings, const struct forward_conn *conn,
           struct arena *arena, struct buf *out)
{
    static const uint8_t random_bytes[12] = {0xab, 0xcd, 0xef, 0x01, 0x23, 0x45,
                                             0x67, 0x89, 0x12, 0x34, 0x56, 0x78};
    struct http_req req;
    struct hygiene_result dropped;
    enum h1_fault fault;
    struct forward_request f = {.settings = settings,
                                .conn = conn,
                                .req = &req,
                                .host = STR("abc123.execute-api.us-east-1.amazonaws.com"),
                                .wall_s = 0x67891233,
                                .framing = FRAMING_LENGTH};
    struct str trace_id;

    memcpy(f.trace_random, random_bytes, sizeof(random_bytes));
    assert_int_equal(h1_parse_request(str_make(request, sizeof(request) - 1), arena, &req, &fault),
                     0);
    assert_int_equal(hygiene_request(&settings->reserved, &req, &dropped, &fault), 0);
    assert_int_equal(dropped.identity_dropped, 2);
    assert_int_equal(forward_request_write(&f, out, arena, &trace_id), 0);
}

static void
check(const char *name, enum mutual_mode mode)
{
    struct forward_settings settings = {.names = forward_names_default};
    struct forward_conn conn = {.client_ip = STR("203.0.113.9"),
                                .client_port = STR("36280"),
                                .listener_port = STR("8443"),
                                .proto = STR("https")};
    char *pem = xformat(FOLDER "%s.pem", name);
    char *expected =
        xformat(FOLDER "%s.%s", name, mode == MUTUAL_VERIFY ? "verify" : "passthrough");
    struct bytes want = file_slurp(expected);
    char *mem = xmalloc(HEAD_BLOCK_BYTES);
    struct chain chain;
    struct arena arena;
    struct buf out;

    arena_init(&arena, CONN_ARENA_BLOCK, CONN_ARENA_MAX);
    buf_attach(&out, mem, HEAD_BLOCK_BYTES);
    chain_read(&chain, pem);
    render(&settings, mode, &chain, &arena, &conn);
    write_head(&settings, &conn, &arena, &out);
    assert_str_equal(buf_peek(&out), bytes_str(&want));
    chain_free(&chain);
    arena_done(&arena);
    bytes_free(&want);
    free(mem);
    free(pem);
    free(expected);
}

static void
verified_certificate_is_stated_as_alb_states_it(void **state)
{
    static const char *const names[] = {"plain",        "escapes",  "multi-valued",
                                        "string-types", "long-rsa", "negative-serial"};

    (void)state;
    for (size_t i = 0; i < array_len(names); i++)
        check(names[i], MUTUAL_VERIFY);
}

static void
presented_chain_is_passed_through_whole(void **state)
{
    (void)state;
    check("escapes", MUTUAL_PASSTHROUGH);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verified_certificate_is_stated_as_alb_states_it),
        cmocka_unit_test(presented_chain_is_passed_through_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
