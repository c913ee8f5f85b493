/* SPDX-License-Identifier: Apache-2.0
 *
 * Upstreams that cannot be reached or cannot prove who they are: not one byte of a request may
 * reach them. And what TLS adds to the ways in which a response can be cut.
 */
#include "40_world.h"

#include "40_oracle.h"

#define HEAD "HTTP/1.1 200 OK\r\n"
#define OK_2 HEAD "Content-Length: 2\r\n\r\nok"
#define NAME "api.internal"

enum { CASES_MAX = 32, DAY_S = 86400 };

enum gives { WHOLE, CUT, BAD_GATEWAY, TIMED_OUT };

enum certificate {
    CERT_GOOD,
    CERT_OTHER_CA,
    CERT_OTHER_NAME,
    CERT_NAME_IN_CN,
    CERT_EXPIRED,
    CERT_NOT_YET,
    CERT_SELF_SIGNED,
    CERT_CLIENT_AUTH,
    CERT_NONE, /* plain TCP */
};

struct upstream_case {
    const char *what;
    enum certificate certificate;
    enum gives gives;
    struct origin_step steps[4];
    bool refuse;
    bool is_long; /* takes ten seconds */
};

#define READ ORIGIN_READ_REQUEST
#define ANSWERS                               \
    {                                         \
        READ, ORIGIN_SEND(OK_2), ORIGIN_CLOSE \
    }

static const struct upstream_case cases[] = {
    {"good", CERT_GOOD, WHOLE, ANSWERS, false, false},
    {"another CA", CERT_OTHER_CA, BAD_GATEWAY, ANSWERS, false, false},
    {"another name", CERT_OTHER_NAME, BAD_GATEWAY, ANSWERS, false, false},
    {"the name in CN alone", CERT_NAME_IN_CN, BAD_GATEWAY, ANSWERS, false, false},
    {"expired", CERT_EXPIRED, BAD_GATEWAY, ANSWERS, false, false},
    {"not yet valid", CERT_NOT_YET, BAD_GATEWAY, ANSWERS, false, false},
    {"self-signed", CERT_SELF_SIGNED, BAD_GATEWAY, ANSWERS, false, false},
    {"for clients only", CERT_CLIENT_AUTH, BAD_GATEWAY, ANSWERS, false, false},
    {"plain HTTP",
     CERT_NONE,
     BAD_GATEWAY,
     {ORIGIN_READ_BYTES(10), ORIGIN_SEND(OK_2), ORIGIN_CLOSE},
     false,
     false},
    {"plain answer at once",
     CERT_NONE,
     BAD_GATEWAY,
     {ORIGIN_SEND(OK_2), ORIGIN_HOLD},
     false,
     false},
    {"close in the handshake", CERT_NONE, BAD_GATEWAY, {ORIGIN_CLOSE}, false, false},
    {"reset in the handshake", CERT_NONE, BAD_GATEWAY, {ORIGIN_RESET}, false, false},
    {"handshake of zeros",
     CERT_NONE,
     BAD_GATEWAY,
     {ORIGIN_REPEAT("\0\0\0\0\0\0\0\0", 100)},
     false,
     false},
    {"refused", CERT_NONE, BAD_GATEWAY, {ORIGIN_CLOSE}, true, false},
    {"silent in the handshake", CERT_NONE, TIMED_OUT, {ORIGIN_FREEZE}, false, true},
    {"closed at once", CERT_GOOD, BAD_GATEWAY, {ORIGIN_CLOSE}, false, false},
    {"cut at once", CERT_GOOD, BAD_GATEWAY, {ORIGIN_CUT}, false, false},
    {"closed after the request", CERT_GOOD, BAD_GATEWAY, {READ, ORIGIN_CLOSE}, false, false},
    {"reset after the request", CERT_GOOD, BAD_GATEWAY, {READ, ORIGIN_RESET}, false, false},
    {"body that ends with close_notify",
     CERT_GOOD,
     WHOLE,
     {READ, ORIGIN_SEND(HEAD "\r\nok"), ORIGIN_CLOSE},
     false,
     false},
    {"body that ends without close_notify",
     CERT_GOOD,
     CUT,
     {READ, ORIGIN_SEND(HEAD "\r\nok"), ORIGIN_CUT},
     false,
     false},
    {"body cut with close_notify",
     CERT_GOOD,
     CUT,
     {READ, ORIGIN_SEND(HEAD "Content-Length: 9\r\n\r\nok"), ORIGIN_CLOSE},
     false,
     false},
    {"chunks cut with close_notify",
     CERT_GOOD,
     CUT,
     {READ, ORIGIN_SEND(HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"), ORIGIN_CLOSE},
     false,
     false},
    {"whole body without close_notify",
     CERT_GOOD,
     WHOLE,
     {READ, ORIGIN_SEND(OK_2), ORIGIN_CUT},
     false,
     false},
};

struct tls_world {
    struct world *w;
    struct origin *origins[CASES_MAX];
    struct pki_cert *ca;
    struct pki_cert *other_ca;
    struct pki_cert *certs[CERT_NONE];
};

static struct pki_cert *
server_cert(const struct pki_cert *issuer, struct pki_cert_spec spec)
{
    static const struct pki_san san = {PKI_SAN_DNS, STR_INIT(NAME)};

    if (spec.cn == NULL)
        spec.cn = NAME;
    spec.sans = &san;
    spec.san_count = 1;
    if (spec.role == PKI_CLIENT)
        spec.role = PKI_SERVER;
    return pki_issue(&spec, issuer);
}

static void
certs_make(struct tls_world *t)
{
    t->ca = pki_root("Upstream Root");
    t->other_ca = pki_root("Upstream Root"); /* the same name, another key */
    t->certs[CERT_GOOD] = pki_server(t->ca, NAME);
    t->certs[CERT_OTHER_CA] = pki_server(t->other_ca, NAME);
    t->certs[CERT_OTHER_NAME] = pki_server(t->ca, "evil.internal,127.0.0.1");
    t->certs[CERT_NAME_IN_CN] =
        pki_issue(&(struct pki_cert_spec){.role = PKI_SERVER, .cn = NAME}, t->ca);
    t->certs[CERT_EXPIRED] =
        server_cert(t->ca, (struct pki_cert_spec){.not_before_s = wall_s() - 9 * DAY_S,
                                                  .not_after_s = wall_s() - DAY_S});
    t->certs[CERT_NOT_YET] =
        server_cert(t->ca, (struct pki_cert_spec){.not_before_s = wall_s() + DAY_S,
                                                  .not_after_s = wall_s() + 9 * DAY_S});
    t->certs[CERT_SELF_SIGNED] = server_cert(NULL, (struct pki_cert_spec){.cn = NULL});
    t->certs[CERT_CLIENT_AUTH] = server_cert(t->ca, (struct pki_cert_spec){.eku = "clientAuth"});
}

static struct bytes
yaml_make(struct tls_world *t)
{
    struct bytes b = {0};

    bytes_puts(&b, WORLD_HEAD "listeners:\n" WORLD_LISTENER(
                       "verify", "PORT", "mode: verify, trust_store: clients") "    rules:\n");
    for (size_t i = 0; i < array_len(cases); i++)
        bytes_printf(&b, "      - {priority: %zu, when: {path: [/%zu]}, action: {forward: g%zu}}\n",
                     i + 1, i, i);
    bytes_puts(&b, "target_groups:\n");
    for (size_t i = 0; i < array_len(cases); i++)
        bytes_printf(&b,
                     "  g%zu: {protocol: https, targets: [\"%s\"], tls: {server_name: " NAME
                     ", ca_bundle: upstream-ca.pem}}\n",
                     i, origin_address(t->origins[i]));
    return b;
}

static int
tls_setup(void **state)
{
    struct tls_world *t = xcalloc(1, sizeof(*t));
    struct bytes yaml;

    certs_make(t);
    for (size_t i = 0; i < array_len(cases); i++) {
        const struct upstream_case *k = &cases[i];
        size_t count = 1;

        while (count < 4 && (k->steps[count].op != 0 || k->steps[count].data.ptr != NULL))
            count++;
        t->origins[i] = origin_start(&(struct origin_spec){
            .steps = k->steps,
            .count = count,
            .cert = k->certificate == CERT_NONE ? NULL : t->certs[k->certificate],
            .refuse = k->refuse});
    }
    yaml = yaml_make(t);
    t->w = world_new(&(struct world_spec){.yaml = yaml.ptr, .upstream_ca = t->ca});
    bytes_free(&yaml);
    *state = t;
    return 0;
}

static int
tls_teardown(void **state)
{
    struct tls_world *t = *state;
    int status = world_done(t->w);

    for (size_t i = 0; i < array_len(cases); i++)
        origin_stop(t->origins[i]);
    for (size_t i = 0; i < array_len(t->certs); i++)
        pki_free(t->certs[i]);
    pki_free(t->ca);
    pki_free(t->other_ca);
    free(t);
    return status == 0 ? 0 : -1;
}

static struct response
ask(struct tls_world *t, size_t i, const char *version)
{
    struct client *c = world_h1(t->w, WORLD_VERIFY);
    char *text = xformat("GET /%zu HTTP/1.%s\r\nHost: localhost\r\n\r\n", i, version);
    struct response r;

    client_set_timeout(c, 15000);
    r = client_exchange(c, text);
    /* A body that ends with the connection is whole only with close_notify. */
    if (response_field(&r, "content-length").len == 0 && !r.is_chunked)
        r.complete = r.complete && client_close_notify(c);
    assert_true(r.end != CLIENT_TIMEOUT);
    free(text);
    client_close(c);
    return r;
}

static bool
is_expected(const struct upstream_case *k, const struct response *r)
{
    switch (k->gives) {
    case WHOLE:
        return r->status == 200 && r->complete && str_eq(bytes_str(&r->body), STR("ok"));
    case CUT:
        return r->status == 200 && !r->complete;
    case BAD_GATEWAY:
        return r->status == 502 && r->complete;
    case TIMED_OUT:
        return r->status == 504 && r->complete;
    }
    return false;
}

static void
only_proven_upstreams_get_requests(void **state)
{
    struct tls_world *t = *state;
    size_t ran = 0;

    for (size_t i = 0; i < array_len(cases); i++) {
        const struct upstream_case *k = &cases[i];

        if (k->is_long && getenv("SALLYPORT_LONG") == NULL)
            continue;
        for (int version = 0; version < 2; version++) {
            struct response r = ask(t, i, version ? "1" : "0");

            if (!is_expected(k, &r))
                print_error("%s: status %d, %s\n", k->what, r.status, r.complete ? "whole" : "cut");
            assert_true(is_expected(k, &r));
            response_free(&r);
        }
        /* TLS bytes may arrive at a plain origin, a request never does. */
        if (k->certificate != CERT_GOOD) {
            assert_int_equal(origin_request_count(t->origins[i]), 0);
            assert_false(origin_saw(t->origins[i], "HTTP/1.1"));
        }
        ran++;
    }
    print_message("%zu TLS upstreams, good and bad; no request reached one that was not proven\n",
                  ran);
}

static void
upstream_sessions_are_resumed_under_the_pinned_name(void **state)
{
    struct tls_world *t = *state;
    unsigned resumed = 0;

    for (int i = 0; i < 5; i++) {
        struct response r = ask(t, 0, "1");

        assert_int_equal(r.status, 200);
        response_free(&r);
        assert_true(origin_wait_idle(t->origins[0], 3000));
    }
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(origin_sni(t->origins[0], i), NAME);
        resumed += origin_resumed(t->origins[0], i);
    }
    assert_true(resumed >= 3); /* all but the first of each worker */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_proven_upstreams_get_requests, tls_setup,
                                        tls_teardown),
        cmocka_unit_test_setup_teardown(upstream_sessions_are_resumed_under_the_pinned_name,
                                        tls_setup, tls_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
