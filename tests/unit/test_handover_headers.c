/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/limits.h"
#include "policy/forward.h"
#include "policy/handover.h"
#include "support/pki.h"

#define ALL                                                                             \
    (HANDOVER_CLIENT_CERT | HANDOVER_CLIENT_CERT_CHAIN | HANDOVER_XFCC | HANDOVER_SAN | \
     HANDOVER_SHA256)
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

struct fixture {
    struct pki_cert *root, *upper, *lower, *client;
    X509 *chain[4];
    struct arena arena;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->root = pki_root("Root");
    f->upper = pki_intermediate(f->root, "Upper");
    f->lower = pki_intermediate(f->upper, "Lower");
    f->client = pki_client(f->lower, "client");
    f->chain[0] = f->client->x509;
    f->chain[1] = f->lower->x509;
    f->chain[2] = f->upper->x509;
    f->chain[3] = f->root->x509;
    arena_init(&f->arena, 4096, 1 << 20);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    arena_done(&f->arena);
    pki_free(f->client);
    pki_free(f->lower);
    pki_free(f->upper);
    pki_free(f->root);
    free(f);
    return 0;
}

/* As libcrypto encodes it; malloc. */
static char *
byte_sequence(struct str der)
{
    char *text = xmalloc(4 * ((der.len + 2) / 3) + 3);
    int len;

    text[0] = ':';
    len = EVP_EncodeBlock((unsigned char *)text + 1, (const unsigned char *)der.ptr, (int)der.len);
    text[1 + len] = ':';
    text[2 + len] = '\0';
    return text;
}

struct rendered {
    struct handover_line lines[HANDOVER_LINES_MAX];
    uint32_t count;
};

static int
render(struct fixture *f, unsigned wanted, const struct identity *id, int chain_count,
       struct rendered *ret)
{
    struct handover_input in = {wanted, id, f->chain, chain_count};

    *ret = (struct rendered){.count = 99};
    return handover_render(&in, &f->arena, ret->lines, &ret->count);
}

static struct str
value_of(const struct rendered *r, const char *name)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (str_eq(r->lines[i].name, str_from(name)))
            return r->lines[i].value;
    return (struct str){0};
}

static void
client_cert_is_a_byte_sequence_of_the_der(void **state)
{
    struct fixture *f = *state;
    struct identity id = {0};
    char *want = byte_sequence(f->client->der);
    struct rendered r;

    assert_int_equal(render(f, HANDOVER_CLIENT_CERT, &id, 4, &r), 0);
    assert_int_equal(r.count, 1);
    assert_str_equal(r.lines[0].name, STR("Client-Cert"));
    assert_str_equal(r.lines[0].value, str_from(want));
    free(want);
}

/* Padding of every length, by certificates of three sizes. */
static void
padding_is_written_for_every_length(void **state)
{
    struct fixture *f = *state;
    struct identity id = {0};

    for (size_t i = 1; i <= 3; i++) {
        struct pki_cert_spec spec = {.cn = "x", .padding_bytes = 100 + i};
        struct pki_cert *c = pki_issue(&spec, f->root);
        char *want = byte_sequence(c->der);
        X509 *chain[] = {c->x509, f->root->x509};
        struct handover_input in = {HANDOVER_CLIENT_CERT, &id, chain, 2};
        struct handover_line lines[HANDOVER_LINES_MAX];
        uint32_t count;

        assert_int_equal(handover_render(&in, &f->arena, lines, &count), 0);
        assert_str_equal(lines[0].value, str_from(want));
        free(want);
        pki_free(c);
    }
}

static void
the_chain_is_what_lies_between_leaf_and_anchor(void **state)
{
    struct fixture *f = *state;
    struct identity id = {0};
    char *lower = byte_sequence(f->lower->der), *upper = byte_sequence(f->upper->der);
    char *want = xformat("%s, %s", lower, upper);
    struct rendered r;

    assert_int_equal(render(f, HANDOVER_CLIENT_CERT_CHAIN, &id, 4, &r), 0);
    assert_int_equal(r.count, 1);
    assert_str_equal(r.lines[0].name, STR("Client-Cert-Chain"));
    assert_str_equal(r.lines[0].value, str_from(want));
    assert_int_equal(render(f, HANDOVER_CLIENT_CERT_CHAIN, &id, 3, &r), 0);
    assert_str_equal(r.lines[0].value, str_from(lower));
    assert_int_equal(render(f, HANDOVER_CLIENT_CERT_CHAIN, &id, 2, &r), 0);
    assert_int_equal(r.count, 0);
    free(want);
    free(lower);
    free(upper);
}

static void
names_are_lists_of_strings(void **state)
{
    struct str dns[] = {STR_INIT("a.test"), STR_INIT("*.b.test")};
    struct str uri[] = {STR_INIT("spiffe://x/\"y\\z,")};
    struct str email[] = {STR_INIT("a@b.test")};
    struct str ip[] = {STR_INIT("192.0.2.7"), STR_INIT("2001:db8::1")};
    struct identity id = {
        .san_dns = {dns, 2}, .san_uri = {uri, 1}, .san_email = {email, 1}, .san_ip = {ip, 2}};
    struct fixture *f = *state;
    struct rendered r;

    assert_int_equal(render(f, HANDOVER_SAN, &id, 4, &r), 0);
    assert_int_equal(r.count, 4);
    assert_str_equal(value_of(&r, "X-Client-Cert-San-Dns"), STR("\"a.test\", \"*.b.test\""));
    assert_str_equal(value_of(&r, "X-Client-Cert-San-Uri"), STR("\"spiffe://x/\\\"y\\\\z,\""));
    assert_str_equal(value_of(&r, "X-Client-Cert-San-Email"), STR("\"a@b.test\""));
    assert_str_equal(value_of(&r, "X-Client-Cert-San-Ip"), STR("\"192.0.2.7\", \"2001:db8::1\""));
    assert_int_equal(render(f, HANDOVER_SAN, &(struct identity){0}, 4, &r), 0);
    assert_int_equal(r.count, 0);
}

static void
the_fingerprint_is_lower_hex(void **state)
{
    struct identity id = {.sha256 = {0xab, 0x01, [31] = 0xff}};
    struct fixture *f = *state;
    struct rendered r;

    assert_int_equal(render(f, HANDOVER_SHA256, &id, 4, &r), 0);
    assert_str_equal(value_of(&r, "X-Client-Cert-Sha256"),
                     STR("ab010000000000000000000000000000000000000000000000000000000000ff"));
}

static void
xfcc_is_written_as_envoy_writes_it(void **state)
{
    struct str uri[] = {STR_INIT("spiffe://x/a"), STR_INIT("https://y/?a=b;c,d")};
    struct str dns[] = {STR_INIT("a.test"), STR_INIT("b.test")};
    struct identity id = {
        .leaf =
            STR_INIT("-----BEGIN%20CERTIFICATE-----%0Aa+b/c==%0A-----END%20CERTIFICATE-----%0A"),
        .subject = STR_INIT("CN=a\\\"b\\,c,O=d"),
        .san_uri = {uri, 2},
        .san_dns = {dns, 2},
    };
    struct fixture *f = *state;
    struct rendered r;

    assert_int_equal(render(f, HANDOVER_XFCC, &id, 4, &r), 0);
    assert_str_equal(r.lines[0].name, STR("X-Forwarded-Client-Cert"));
    assert_str_equal(
        r.lines[0].value,
        STR("Hash=" ZEROS
            ";Cert=\"-----BEGIN%20CERTIFICATE-----%0Aa%2Bb%2Fc%3D%3D%0A-----END%20CERTIFICATE-----"
            "%0A\";Subject=\"CN=a\\\"b\\,c,O=d\";URI=spiffe://x/a;URI=\"https://y/?a=b;c,d\""
            ";DNS=a.test;DNS=b.test"));
    id = (struct identity){.leaf = STR_INIT("x")};
    assert_int_equal(render(f, HANDOVER_XFCC, &id, 4, &r), 0);
    assert_str_equal(r.lines[0].value, STR("Hash=" ZEROS ";Cert=\"x\";Subject=\"\""));
}

/* What two readers would read in two ways is not sent at all. */
static void
what_cannot_be_stated_exactly_is_refused(void **state)
{
    struct str quote[] = {STR_INIT("x\"y")}, slash[] = {STR_INIT("x\\y")};
    struct str high[] = {STR_INIT("x\xc3\xa4")}, control[] = {STR_INIT("x\ny")};
    struct {
        unsigned wanted;
        struct identity id;
    } cases[] = {
        {HANDOVER_XFCC, {.subject = STR_INIT("CN=a\\\\")}},
        {HANDOVER_XFCC, {.subject = STR_INIT("CN=\xc3\xa4")}},
        {HANDOVER_XFCC, {.san_uri = {quote, 1}}},
        {HANDOVER_XFCC, {.san_uri = {slash, 1}}},
        {HANDOVER_XFCC, {.san_dns = {quote, 1}}},
        {HANDOVER_XFCC, {.san_dns = {high, 1}}},
        {HANDOVER_SAN, {.san_dns = {high, 1}}},
        {HANDOVER_SAN, {.san_uri = {control, 1}}},
        {HANDOVER_SAN, {.san_email = {high, 1}}},
    };
    struct rendered r;

    for (size_t i = 0; i < array_len(cases); i++) {
        assert_int_equal(render(*state, cases[i].wanted, &cases[i].id, 4, &r), GW_E_DENIED);
        assert_int_equal(r.count, 99);
    }
}

static void
a_full_arena_is_an_error_and_nothing_is_cut(void **state)
{
    struct fixture *f = *state;
    struct identity id = {0};

    for (size_t cap = 64; cap < 4096; cap += 256) {
        struct handover_input in = {ALL, &id, f->chain, 4};
        struct handover_line lines[HANDOVER_LINES_MAX];
        struct arena small;
        uint32_t count = 99;
        int err;

        arena_init(&small, 64, cap);
        err = handover_render(&in, &small, lines, &count);
        assert_true(err == GW_E_LIMIT || (err == 0 && count == 4));
        assert_true(err == 0 || count == 99);
        arena_done(&small);
    }
}

/* ---- in the block that requests carry ---- */

static int
block(struct fixture *f, enum mutual_mode mode, unsigned handover, struct str *ret)
{
    struct identity *id = arena_new(&f->arena, struct identity);
    struct forward_settings settings = {.handover = handover, .names = forward_names_default};
    struct forward_identity in = {
        .mode = mode, .identity = id, .chain = f->chain, .chain_count = 4};
    uint32_t lines;
    enum reason reason;

    assert_int_equal(identity_build(f->client->x509, &f->arena, &id, &reason), 0);
    in.identity = id;
    return forward_identity_render(&settings, &in, &f->arena, ret, &lines);
}

static void
they_stand_behind_the_five_and_only_where_somebody_judged(void **state)
{
    struct fixture *f = *state;
    struct str text;
    const char *leaf, *cert, *sha;

    assert_int_equal(block(f, MUTUAL_VERIFY, ALL, &text), 0);
    leaf = find_bytes(text.ptr, text.len, "X-Amzn-Mtls-Clientcert-Leaf: ", 29);
    cert = find_bytes(text.ptr, text.len, "\r\nClient-Cert: :", 16);
    sha = find_bytes(text.ptr, text.len, "\r\nX-Client-Cert-Sha256: ", 24);
    assert_non_null(leaf);
    assert_non_null(cert);
    assert_non_null(sha);
    assert_true(leaf < cert && cert < sha);
    assert_int_equal(block(f, MUTUAL_VERIFY, 0, &text), 0);
    assert_null(find_bytes(text.ptr, text.len, "Client-Cert:", 12));
    assert_int_equal(block(f, MUTUAL_PASSTHROUGH, ALL, &text), 0);
    assert_int_equal(text.len, 0);
    assert_int_equal(block(f, MUTUAL_OFF, ALL, &text), 0);
    assert_int_equal(text.len, 0);
}

static void
more_than_a_request_head_holds_is_refused(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec spec = {.role = PKI_CA, .cn = "Large", .padding_bytes = 24000};
    struct pki_cert *large = pki_issue(&spec, f->root);
    X509 *usual[2] = {f->chain[1], f->chain[2]};
    struct str text = STR_INIT("untouched");

    f->chain[1] = f->chain[2] = large->x509;
    assert_int_equal(block(f, MUTUAL_VERIFY, ALL, &text), 0);
    assert_true(text.len > 60000 && text.len <= IDENTITY_BLOCK_MAX);
    pki_free(large);
    spec.padding_bytes = 40000;
    large = pki_issue(&spec, f->root);
    f->chain[1] = f->chain[2] = large->x509;
    text = STR("untouched");
    assert_int_equal(block(f, MUTUAL_VERIFY, ALL, &text), GW_E_LIMIT);
    assert_str_equal(text, STR("untouched"));
    f->chain[1] = usual[0];
    f->chain[2] = usual[1];
    pki_free(large);
}

static void
every_name_is_reserved_and_known(void **state)
{
    static const char *const names[] = {
        "client-cert",           "Client-Cert-Chain",     "X-Forwarded-Client-Cert",
        "x-client-cert-san-dns", "X-Client-Cert-San-Uri", "X-Client-Cert-San-Email",
        "X-Client-Cert-San-Ip",  "X_Client_Cert_Sha256"};

    (void)state;
    for (size_t i = 0; i < array_len(names); i++) {
        assert_true(hygiene_is_identity_name(NULL, str_from(names[i])));
        assert_true(i == 7 || handover_has_name(ALL, str_from(names[i])));
        assert_false(handover_has_name(0, str_from(names[i])));
    }
    assert_false(handover_has_name(ALL, STR("X-Leaf")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_cert_is_a_byte_sequence_of_the_der),
        cmocka_unit_test(padding_is_written_for_every_length),
        cmocka_unit_test(the_chain_is_what_lies_between_leaf_and_anchor),
        cmocka_unit_test(names_are_lists_of_strings),
        cmocka_unit_test(the_fingerprint_is_lower_hex),
        cmocka_unit_test(xfcc_is_written_as_envoy_writes_it),
        cmocka_unit_test(what_cannot_be_stated_exactly_is_refused),
        cmocka_unit_test(a_full_arena_is_an_error_and_nothing_is_cut),
        cmocka_unit_test(they_stand_behind_the_five_and_only_where_somebody_judged),
        cmocka_unit_test(more_than_a_request_head_holds_is_refused),
        cmocka_unit_test(every_name_is_reserved_and_known),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
