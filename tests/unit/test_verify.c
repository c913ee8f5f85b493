/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"
#include "cert/verify.h"
#include "support/pki.h"

#define DAY INT64_C(86400)
enum { PATHS_MAX = 4 };

struct fixture {
    struct pki_cert *root, *ca, *foreign_root, *foreign_ca;
    int64_t now_s;
    /* one test's: */
    char *dir, *bundle;
    const char *paths[PATHS_MAX];
    struct trust_source src;
    struct trust *trust;
};

static int
setup_all(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->now_s = wall_s();
    f->root = pki_root("Test Root");
    f->ca = pki_intermediate(f->root, "Test CA");
    f->foreign_root = pki_root("Foreign Root");
    f->foreign_ca = pki_intermediate(f->foreign_root, "Foreign CA");
    *state = f;
    return 0;
}

static int
teardown_all(void **state)
{
    struct fixture *f = *state;

    pki_free(f->ca);
    pki_free(f->root);
    pki_free(f->foreign_ca);
    pki_free(f->foreign_root);
    free(f);
    return 0;
}

static void
rebuild(struct fixture *f)
{
    struct trust *t = NULL;
    struct diag diag;

    diag_init(&diag);
    if (trust_build(&f->src, NULL, f->now_s, &diag, &t) != 0) {
        diag_print(&diag, stderr);
        fail_msg("the trust store was refused");
    }
    diag_done(&diag);
    trust_unref(f->trust);
    f->trust = t;
}

static void
use_bundle(struct fixture *f, struct pki_cert *a, struct pki_cert *b)
{
    pki_write_certs(f->bundle, a, b, NULL);
    rebuild(f);
}

/* Trusts the root only; no lists. */
static int
setup(void **state)
{
    struct fixture *f = *state;

    f->now_s = wall_s();
    f->dir = unit_tmp_new();
    f->bundle = unit_path(f->dir, "bundle.pem");
    f->src = (struct trust_source){.name = "partners",
                                   .ca_bundle = f->bundle,
                                   .crl_paths = f->paths,
                                   .max_chain_depth = CHAIN_DEPTH_DEFAULT};
    use_bundle(f, f->root, NULL);
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < f->src.crl_path_count; i++)
        free((void *)(uintptr_t)f->paths[i]);
    free(f->bundle);
    unit_tmp_done(f->dir);
    trust_unref(f->trust);
    f->trust = NULL;
    return 0;
}

/* Adds a list to the store. */
static void
add_list(struct fixture *f, const struct pki_crl_spec *spec, const struct pki_cert *issuer)
{
    char name[16];

    (void)snprintf(name, sizeof(name), "%zu.crl", f->src.crl_path_count);
    f->paths[f->src.crl_path_count] = unit_path(f->dir, name);
    pki_crl_write(f->paths[f->src.crl_path_count++], true, spec, issuer);
    rebuild(f);
}

/* All certificates from the leaf up to, not including, the root. */
static STACK_OF(X509) * chain_of(const struct pki_cert *leaf)
{
    STACK_OF(X509) *chain = sk_X509_new_null();

    for (const struct pki_cert *c = leaf; c->issuer != c; c = c->issuer)
        sk_X509_push(chain, c->x509);
    return chain;
}

static struct verdict
judge_with(const struct fixture *f, const struct pki_cert *leaf,
           const struct verify_options *options)
{
    STACK_OF(X509) *chain = chain_of(leaf);
    struct verdict v;

    verify_chain(f->trust, leaf->x509, chain, options, f->now_s, NULL, &v);
    sk_X509_free(chain);
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(v.is_admitted, v.reason == REASON_NONE);
    for (const char *p = v.detail; *p != 0; p++)
        assert_in_range(*p, 0x20, 0x7e);
    return v;
}

static struct verdict
judge(const struct fixture *f, const struct pki_cert *leaf)
{
    return judge_with(f, leaf, NULL);
}

static void
expect(const struct fixture *f, const struct pki_cert *leaf, enum reason want, const char *part)
{
    struct verdict v = judge(f, leaf);

    if (v.reason != want || strstr(v.detail, part) == NULL)
        fail_msg("\"%s\": %s, not %s with \"%s\"", v.detail, reason_token(v.reason),
                 reason_token(want), part);
    verdict_done(&v);
}

/* ---- the plain cases ---- */

static void
a_good_certificate_is_admitted(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct verdict v = judge(f, leaf);
    int64_t leaf_end_s = wall_s() + 90 * DAY;

    assert_true(v.is_admitted);
    assert_int_equal(v.reason, REASON_NONE);
    assert_string_equal(v.detail, "admitted");
    assert_int_equal(v.chain_count, 3);
    assert_int_equal(X509_cmp(v.chain[0], leaf->x509), 0);
    assert_int_equal(X509_cmp(v.chain[1], f->ca->x509), 0);
    assert_int_equal(X509_cmp(v.chain[2], f->root->x509), 0);
    assert_true(v.valid_until_s > leaf_end_s - DAY && v.valid_until_s <= leaf_end_s);
    verdict_done(&v);
    assert_int_equal(v.chain_count, 0);
    verdict_done(&v);
    pki_free(leaf);
}

static void
the_chain_may_come_in_any_order_and_with_strangers(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    STACK_OF(X509) *sent = sk_X509_new_null();
    struct verdict v;

    sk_X509_push(sent, f->foreign_ca->x509);
    sk_X509_push(sent, f->root->x509);
    sk_X509_push(sent, f->ca->x509);
    sk_X509_push(sent, leaf->x509);
    verify_chain(f->trust, leaf->x509, sent, NULL, f->now_s, NULL, &v);
    assert_true(v.is_admitted);
    assert_int_equal(v.chain_count, 3);
    verdict_done(&v);
    sk_X509_free(sent);
    pki_free(leaf);
}

static void
an_intermediate_in_the_store_is_the_anchor(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct verdict v;

    use_bundle(f, f->ca, NULL);
    v = judge(f, leaf);
    assert_true(v.is_admitted);
    assert_int_equal(v.chain_count, 2);
    verdict_done(&v);
    use_bundle(f, f->root, f->ca); /* and the path ends there, though the root is known too */
    v = judge(f, leaf);
    assert_true(v.is_admitted);
    assert_int_equal(v.chain_count, 2);
    verdict_done(&v);
    verify_chain(f->trust, leaf->x509, NULL, NULL, f->now_s, NULL, &v);
    assert_true(v.is_admitted);
    verdict_done(&v);
    pki_free(leaf);
}

static void
without_its_intermediate_a_leaf_is_untrusted(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct verdict v;

    verify_chain(f->trust, leaf->x509, NULL, NULL, f->now_s, NULL, &v);
    assert_int_equal(v.reason, REASON_UNTRUSTED);
    assert_int_equal(v.chain_count, 0);
    assert_non_null(strstr(v.detail, "its issuer \"CN=Test CA\" is not in trust store partners"));
    verdict_done(&v);
    pki_free(leaf);
}

static void
a_foreign_chain_is_untrusted(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->foreign_ca, "mallory");
    struct pki_cert *self = pki_issue(&(struct pki_cert_spec){.cn = "self"}, NULL);

    expect(f, leaf, REASON_UNTRUSTED, "is not in trust store partners");
    expect(f, self, REASON_UNTRUSTED, "certificate 0 \"CN=self\"");
    pki_free(leaf);
    pki_free(self);
}

/* ---- the zoo ---- */

enum under { UNDER_CA, UNDER_ROOT, UNDER_FOREIGN };

struct shape {
    const char *what;
    struct pki_cert_spec spec;
    enum reason want;
    const char *part;
};

static void
run_zoo(const struct fixture *f, const struct shape *shapes, size_t count,
        const struct pki_cert *issuer)
{
    for (size_t i = 0; i < count; i++) {
        struct pki_cert *leaf = pki_issue(&shapes[i].spec, issuer);
        struct verdict v;

        if (leaf->x509 == NULL)
            fail_msg("%s: libcrypto cannot read it", shapes[i].what);
        v = judge(f, leaf);
        if (v.reason != shapes[i].want ||
            (shapes[i].part != NULL && strstr(v.detail, shapes[i].part) == NULL))
            fail_msg("%s: %s (%s), not %s", shapes[i].what, reason_token(v.reason), v.detail,
                     reason_token(shapes[i].want));
        verdict_done(&v);
        pki_free(leaf);
    }
}

static void
leaves_of_every_shape_get_their_reason(void **state)
{
    const struct fixture *f = *state;
    static const struct pki_san dns[] = {{PKI_SAN_DNS, STR_INIT("a.example")}};
    const struct shape shapes[] = {
        /* usage */
        {"client", {.cn = "x"}, REASON_NONE, NULL},
        {"no EKU", {.cn = "x", .eku = PKI_NONE}, REASON_NONE, NULL},
        {"client and server EKU", {.cn = "x", .eku = "clientAuth,serverAuth"}, REASON_NONE, NULL},
        {"client and unknown EKU", {.cn = "x", .eku = "1.2.3.4,clientAuth"}, REASON_NONE, NULL},
        {"server EKU", {.cn = "x", .eku = "serverAuth"}, REASON_PURPOSE_INVALID, "certificate 0"},
        {"server role", {.cn = "x", .role = PKI_SERVER}, REASON_PURPOSE_INVALID, NULL},
        {"any EKU", {.cn = "x", .eku = "anyExtendedKeyUsage"}, REASON_PURPOSE_INVALID, NULL},
        {"unknown EKU", {.cn = "x", .eku = "1.2.3.4"}, REASON_PURPOSE_INVALID, NULL},
        {"email EKU", {.cn = "x", .eku = "emailProtection"}, REASON_PURPOSE_INVALID, NULL},
        {"no KU", {.cn = "x", .ku = PKI_NONE}, REASON_NONE, NULL},
        {"signature and encipherment",
         {.cn = "x", .ku = "digitalSignature,keyEncipherment"},
         REASON_NONE,
         NULL},
        {"encipherment only", {.cn = "x", .ku = "keyEncipherment"}, REASON_PURPOSE_INVALID, NULL},
        {"agreement only",
         {.cn = "x", .ku = "keyAgreement"},
         REASON_PURPOSE_INVALID,
         "lacks digitalSignature"},
        {"CA as client",
         {.cn = "x", .basic = PKI_BASIC_CA},
         REASON_PURPOSE_INVALID,
         "certificate authority"},
        {"CA not critical",
         {.cn = "x", .basic = PKI_BASIC_CA_NOT_CRITICAL},
         REASON_PURPOSE_INVALID,
         "certificate authority"},
        {"CA with client use",
         {.cn = "x", .role = PKI_CA, .ku = "keyCertSign,digitalSignature", .eku = "clientAuth"},
         REASON_PURPOSE_INVALID,
         "certificate authority"},
        {"basicConstraints absent", {.cn = "x", .basic = PKI_BASIC_NONE}, REASON_NONE, NULL},
        {"basicConstraints CA:FALSE", {.cn = "x", .basic = PKI_BASIC_EE}, REASON_NONE, NULL},
        /* version */
        {"v1", {.cn = "x", .version = 1}, REASON_TYPE_UNSUPPORTED, "not X.509 version 3"},
        {"v2", {.cn = "x", .version = 2}, REASON_TYPE_UNSUPPORTED, "not X.509 version 3"},
        /* keys */
        {"P-384", {.cn = "x", .key_kind = PKI_P384}, REASON_NONE, NULL},
        {"P-521", {.cn = "x", .key_kind = PKI_P521}, REASON_NONE, NULL},
        {"RSA 2048", {.cn = "x", .key_kind = PKI_RSA2048}, REASON_NONE, NULL},
        {"RSA 4096", {.cn = "x", .key_kind = PKI_RSA4096}, REASON_NONE, NULL},
        {"RSA-PSS key", {.cn = "x", .key_kind = PKI_RSA_PSS2048}, REASON_NONE, NULL},
        {"RSA 1024", {.cn = "x", .key_kind = PKI_RSA1024}, REASON_TYPE_UNSUPPORTED, NULL},
        {"P-224", {.cn = "x", .key_kind = PKI_P224}, REASON_TYPE_UNSUPPORTED, "secp224r1"},
        {"secp256k1", {.cn = "x", .key_kind = PKI_SECP256K1}, REASON_TYPE_UNSUPPORTED, "secp256k1"},
        {"explicit curve",
         {.cn = "x", .key_kind = PKI_P256_EXPLICIT},
         REASON_TYPE_UNSUPPORTED,
         NULL},
        {"Ed25519", {.cn = "x", .key_kind = PKI_ED25519}, REASON_TYPE_UNSUPPORTED, "ED25519"},
        /* signatures */
        {"SHA-384", {.cn = "x", .digest = "SHA384"}, REASON_NONE, NULL},
        {"SHA-512", {.cn = "x", .digest = "SHA512"}, REASON_NONE, NULL},
        {"SHA-1", {.cn = "x", .digest = "SHA1"}, REASON_INCOMPATIBLE, NULL},
        {"SHA-224", {.cn = "x", .digest = "SHA224"}, REASON_INCOMPATIBLE, "ecdsa-with-SHA224"},
        {"SHA3-256", {.cn = "x", .digest = "SHA3-256"}, REASON_UNTRUSTED, NULL},
        {"bad signature", {.cn = "x", .corrupt_signature = true}, REASON_UNTRUSTED, "signature"},
        {"signed by another key",
         {.cn = "x", .sign_with = f->foreign_ca->key},
         REASON_UNTRUSTED,
         NULL},
        /* dates */
        {"expired",
         {.cn = "x", .not_before_s = f->now_s - 2 * DAY, .not_after_s = f->now_s - DAY},
         REASON_EXPIRED,
         "expired at"},
        {"not yet valid",
         {.cn = "x", .not_before_s = f->now_s + DAY},
         REASON_NOT_YET_VALID,
         "not valid before"},
        {"valid to this second", {.cn = "x", .not_after_s = f->now_s}, REASON_NONE, NULL},
        {"expired a second ago", {.cn = "x", .not_after_s = f->now_s - 1}, REASON_EXPIRED, NULL},
        {"valid from this second", {.cn = "x", .not_before_s = f->now_s}, REASON_NONE, NULL},
        {"valid in a second",
         {.cn = "x", .not_before_s = f->now_s + 1},
         REASON_NOT_YET_VALID,
         NULL},
        {"past 2050", {.cn = "x", .not_after_s = INT64_C(4102444800)}, REASON_NONE, NULL},
        {"end before begin",
         {.cn = "x", .not_before_s = f->now_s + DAY, .not_after_s = f->now_s - DAY},
         REASON_EXPIRED,
         NULL},
        /* serials */
        {"serial 0", {.cn = "x", .serial = STR("\x00")}, REASON_NONE, NULL},
        {"serial negative", {.cn = "x", .serial = STR("\x85")}, REASON_NONE, NULL},
        {"serial of 20 octets",
         {.cn = "x",
          .serial = STR("\x7f"
                        "2345678901234567890")},
         REASON_NONE,
         NULL},
        {"serial of 40 octets",
         {.cn = "x",
          .serial = STR("\x7f"
                        "234567890123456789012345678901234567890")},
         REASON_NONE,
         NULL},
        /* names and extensions */
        {"empty subject", {.empty_subject = true, .sans = dns, .san_count = 1}, REASON_NONE, NULL},
        {"SAN", {.cn = "x", .sans = dns, .san_count = 1}, REASON_NONE, NULL},
        {"policies", {.cn = "x", .policies = "1.2.3.4,anyPolicy"}, REASON_NONE, NULL},
        {"unknown critical extension",
         {.cn = "x", .unknown_critical_ext = true},
         REASON_UNTRUSTED,
         "critical"},
        {"unknown extension", {.cn = "x", .padding_bytes = 100}, REASON_NONE, NULL},
        {"malformed basicConstraints",
         {.cn = "x",
          .basic = PKI_BASIC_NONE,
          .extra_ext_oid = "2.5.29.19",
          .extra_ext_der = STR("\x30\x03\x02\x01")},
         REASON_INVALID,
         "malformed"},
        {"malformed SAN",
         {.cn = "x", .extra_ext_oid = "2.5.29.17", .extra_ext_der = STR("\x05\x00")},
         REASON_INVALID,
         "malformed"},
        {"malformed name constraints",
         {.cn = "x", .extra_ext_oid = "2.5.29.30", .extra_ext_der = STR("\x02\x01\x00")},
         REASON_INVALID,
         "malformed"},
        {"keyUsage twice",
         {.cn = "x", .extra_ext_oid = "2.5.29.15", .extra_ext_der = STR("\x03\x02\x07\x80")},
         REASON_INVALID,
         "repeated"},
        {"EKU twice",
         {.cn = "x",
          .extra_ext_oid = "2.5.29.37",
          .extra_ext_der = STR("\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02")},
         REASON_INVALID,
         "repeated"},
        {"proxy certificate",
         {.cn = "x",
          .extra_ext_oid = "1.3.6.1.5.5.7.1.14",
          .extra_ext_critical = true,
          .extra_ext_der = STR("\x30\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x15\x01")},
         REASON_UNTRUSTED,
         NULL},
        {"wrong AKI", {.cn = "x", .wrong_aki = true}, REASON_UNTRUSTED, NULL},
        {"no AKI", {.cn = "x", .no_aki = true, .no_ski = true}, REASON_NONE, NULL},
        /* size */
        {"largest size",
         {.cn = "x", .padding_bytes = CLIENT_CERT_DER_MAX - 600},
         REASON_NONE,
         NULL},
        {"over size",
         {.cn = "x", .padding_bytes = CLIENT_CERT_DER_MAX},
         REASON_MAX_SIZE,
         "at most 8192"},
    };

    assert_true(array_len(shapes) >= 60);
    run_zoo(f, shapes, array_len(shapes), f->ca);
}

/* An intermediate of each shape, with a good leaf below it. */
static void
intermediates_of_every_shape_get_their_reason(void **state)
{
    const struct fixture *f = *state;
    const struct shape shapes[] = {
        {"good", {.cn = "I"}, REASON_NONE, NULL},
        {"no KU", {.cn = "I", .ku = PKI_NONE}, REASON_NONE, NULL},
        {"client EKU", {.cn = "I", .eku = "clientAuth"}, REASON_NONE, NULL},
        {"server EKU", {.cn = "I", .eku = "serverAuth"}, REASON_PURPOSE_INVALID, "certificate 1"},
        {"no CA", {.cn = "I", .basic = PKI_BASIC_EE}, REASON_UNTRUSTED, NULL},
        {"no basicConstraints", {.cn = "I", .basic = PKI_BASIC_NONE}, REASON_UNTRUSTED, NULL},
        {"no keyCertSign", {.cn = "I", .ku = "cRLSign,digitalSignature"}, REASON_UNTRUSTED, NULL},
        {"v1", {.cn = "I", .version = 1}, REASON_UNTRUSTED, NULL},
        {"pathlen 0", {.cn = "I", .pathlen = PKI_PATHLEN(0)}, REASON_NONE, NULL},
        {"expired",
         {.cn = "I", .not_before_s = f->now_s - 2 * DAY, .not_after_s = f->now_s - DAY},
         REASON_EXPIRED,
         "certificate 1"},
        {"not yet valid",
         {.cn = "I", .not_before_s = f->now_s + DAY},
         REASON_NOT_YET_VALID,
         "certificate 1"},
        {"SHA-1", {.cn = "I", .digest = "SHA1"}, REASON_INCOMPATIBLE, "certificate 1"},
        {"RSA 1024",
         {.cn = "I", .key_kind = PKI_RSA1024},
         REASON_TYPE_UNSUPPORTED,
         "certificate 1"},
        {"secp256k1", {.cn = "I", .key_kind = PKI_SECP256K1}, REASON_TYPE_UNSUPPORTED, NULL},
        {"P-224", {.cn = "I", .key_kind = PKI_P224}, REASON_TYPE_UNSUPPORTED, NULL},
        {"Ed25519", {.cn = "I", .key_kind = PKI_ED25519}, REASON_TYPE_UNSUPPORTED, "certificate 1"},
        {"RSA 2048", {.cn = "I", .key_kind = PKI_RSA2048}, REASON_NONE, NULL},
        {"P-384", {.cn = "I", .key_kind = PKI_P384}, REASON_NONE, NULL},
        {"unknown critical", {.cn = "I", .unknown_critical_ext = true}, REASON_UNTRUSTED, NULL},
        {"malformed extension",
         {.cn = "I", .extra_ext_oid = "2.5.29.30", .extra_ext_der = STR("\x02\x01\x00")},
         REASON_INVALID,
         "certificate 1"},
        {"bad signature", {.cn = "I", .corrupt_signature = true}, REASON_UNTRUSTED, NULL},
        {"excludes the leaf",
         {.cn = "I", .name_constraints = "excluded;DNS:a.example"},
         REASON_UNTRUSTED,
         "excluded"},
        {"permits others only",
         {.cn = "I", .name_constraints = "permitted;DNS:b.example"},
         REASON_UNTRUSTED,
         "permitted"},
        {"permits the leaf",
         {.cn = "I", .name_constraints = "permitted;DNS:a.example"},
         REASON_NONE,
         NULL},
    };
    static const struct pki_san dns[] = {{PKI_SAN_DNS, STR_INIT("a.example")}};

    for (size_t i = 0; i < array_len(shapes); i++) {
        struct pki_cert_spec spec = shapes[i].spec;
        struct pki_cert_spec leaf_spec = {.cn = "alice", .sans = dns, .san_count = 1};
        struct pki_cert *intermediate;
        struct shape leaf_shape;

        spec.role = PKI_CA;
        intermediate = pki_issue(&spec, f->root);
        leaf_shape = (struct shape){shapes[i].what, leaf_spec, shapes[i].want, shapes[i].part};
        run_zoo(f, &leaf_shape, 1, intermediate);
        pki_free(intermediate);
    }
}

static void
a_leaf_that_issued_a_leaf_is_no_ca(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *alice = pki_client(f->ca, "alice"), *mallory = pki_client(alice, "mallory");

    expect(f, mallory, REASON_UNTRUSTED, "certificate 1 \"CN=alice\"");
    pki_free(mallory);
    pki_free(alice);
}

static void
pathlen_is_obeyed(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec spec = {.role = PKI_CA, .cn = "Short", .pathlen = PKI_PATHLEN(0)};
    struct pki_cert *limited = pki_issue(&spec, f->root);
    struct pki_cert *below = pki_intermediate(limited, "Below");
    struct pki_cert *leaf = pki_client(below, "alice");

    expect(f, leaf, REASON_UNTRUSTED, "path length");
    pki_free(leaf);
    pki_free(below);
    pki_free(limited);
}

/* ---- depth and size ---- */

static void
depth_counts_every_certificate_of_the_path(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *cas[CHAIN_DEPTH_MAX + 4];
    int built = 0;

    cas[built++] = pki_intermediate(f->root, "L1");
    while (built < (int)array_len(cas)) {
        cas[built] = pki_intermediate(cas[built - 1], "Ln");
        built++;
    }
    for (int max = 1; max <= CHAIN_DEPTH_MAX; max++) {
        f->src.max_chain_depth = max;
        rebuild(f);
        for (int i = 0; i < built; i++) {
            struct pki_cert *leaf = pki_client(cas[i], "alice");
            struct verdict v = judge(f, leaf);
            int certificates = i + 3; /* leaf, i + 1 intermediates, root */
            enum reason want = certificates <= max ? REASON_NONE : REASON_MAX_CHAIN_DEPTH;

            if (certificates - 1 > CHAIN_CERTS_MAX)
                want = REASON_MAX_CHAIN_DEPTH;
            if (v.reason != want)
                fail_msg("max %d, %d certificates: %s", max, certificates, v.detail);
            verdict_done(&v);
            pki_free(leaf);
        }
    }
    while (built > 0)
        pki_free(cas[--built]);
}

static void
the_reason_of_depth_gives_both_numbers(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");

    f->src.max_chain_depth = 2;
    rebuild(f);
    expect(f, leaf, REASON_MAX_CHAIN_DEPTH,
           "the chain has 3 certificates, client and anchor included; max_chain_depth is 2");
    pki_free(leaf);
}

static void
more_certificates_than_a_client_may_send_are_refused(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    STACK_OF(X509) *sent = chain_of(leaf);
    struct verdict v;

    while (sk_X509_num(sent) < CHAIN_CERTS_MAX)
        sk_X509_push(sent, f->foreign_ca->x509);
    verify_chain(f->trust, leaf->x509, sent, NULL, f->now_s, NULL, &v);
    assert_true(v.is_admitted);
    verdict_done(&v);
    sk_X509_push(sent, f->foreign_ca->x509);
    verify_chain(f->trust, leaf->x509, sent, NULL, f->now_s, NULL, &v);
    assert_int_equal(v.reason, REASON_MAX_CHAIN_DEPTH);
    verdict_done(&v);
    sk_X509_free(sent);
    pki_free(leaf);
}

/* ---- dates ---- */

static void
ignore_expiry_forgives_the_leafs_end_only(void **state)
{
    struct fixture *f = *state;
    const struct verify_options ignore = {.ignore_expiry = true};
    struct pki_cert_spec expired = {
        .cn = "x", .not_before_s = f->now_s - 2 * DAY, .not_after_s = f->now_s - DAY};
    struct pki_cert_spec future = {.cn = "x", .not_before_s = f->now_s + DAY};
    struct pki_cert_spec old_ca = expired;
    struct pki_cert *ca, *leaf;
    struct verdict v;

    leaf = pki_issue(&expired, f->ca);
    v = judge_with(f, leaf, &ignore);
    assert_true(v.is_admitted);
    assert_true(v.valid_until_s > f->now_s + DAY);
    verdict_done(&v);
    pki_free(leaf);
    leaf = pki_issue(&future, f->ca);
    v = judge_with(f, leaf, &ignore);
    assert_int_equal(v.reason, REASON_NOT_YET_VALID);
    verdict_done(&v);
    pki_free(leaf);
    old_ca.role = PKI_CA;
    ca = pki_issue(&old_ca, f->root);
    leaf = pki_client(ca, "x");
    v = judge_with(f, leaf, &ignore);
    assert_int_equal(v.reason, REASON_EXPIRED);
    assert_int_equal(v.depth, 1);
    verdict_done(&v);
    pki_free(leaf);
    pki_free(ca);
}

static void
time_is_an_argument_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    int64_t today_s = f->now_s;

    f->now_s = today_s + 100 * DAY;
    expect(f, leaf, REASON_EXPIRED, "certificate 0");
    f->now_s = today_s - DAY;
    expect(f, leaf, REASON_NOT_YET_VALID, "certificate");
    f->now_s = today_s + 20 * 365 * DAY;
    expect(f, leaf, REASON_EXPIRED, "certificate 0");
    f->now_s = today_s;
    pki_free(leaf);
}

/* A CA renewed under the same name and key: the path goes to the certificate valid at that time. */
static void
of_two_certificates_of_a_ca_the_valid_one_is_taken(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec old_spec = {
        .role = PKI_CA, .cn = "Renewed", .not_after_s = f->now_s + DAY};
    struct pki_cert *old = pki_issue(&old_spec, NULL), *new, *leaf;
    struct pki_cert_spec new_spec = {
        .role = PKI_CA, .cn = "Renewed", .key = old->key, .not_before_s = f->now_s + 2 * DAY};
    struct verdict v;

    new = pki_issue(&new_spec, NULL);
    leaf = pki_client(old, "alice");
    use_bundle(f, old, new);
    v = judge(f, leaf);
    assert_true(v.is_admitted);
    assert_int_equal(X509_cmp(v.chain[1], old->x509), 0);
    verdict_done(&v);
    f->now_s += 10 * DAY;
    v = judge(f, leaf);
    assert_true(v.is_admitted);
    assert_int_equal(X509_cmp(v.chain[1], new->x509), 0);
    verdict_done(&v);
    pki_free(leaf);
    pki_free(new);
    pki_free(old);
}

static void
an_expired_anchor_ends_its_clients(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec spec = {.role = PKI_CA, .cn = "Short", .not_after_s = f->now_s + 100};
    struct pki_cert *anchor = pki_issue(&spec, NULL), *leaf = pki_client(anchor, "alice");
    struct verdict v;

    use_bundle(f, anchor, NULL);
    v = judge(f, leaf);
    assert_true(v.is_admitted);
    assert_int_equal(v.valid_until_s, f->now_s + 100);
    verdict_done(&v);
    f->now_s += 101;
    expect(f, leaf, REASON_EXPIRED, "certificate 1");
    pki_free(leaf);
    pki_free(anchor);
}

/* ---- revocation ---- */

static void
a_revoked_leaf_is_named_with_list_date_and_reason(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec spec = {.cn = "revoked", .serial = STR("\x03\xa5")};
    struct pki_cert *leaf = pki_issue(&spec, f->ca);
    struct pki_crl_entry entry = {
        .cert = leaf, .revoked_s = 1767323045, .reason = PKI_REASON_KEY_COMPROMISE};
    struct pki_crl_spec list = {.entries = &entry, .entry_count = 1, .number = 0x12},
                        root_list = {0};

    use_bundle(f, f->root, f->ca);
    add_list(f, &list, f->ca);
    add_list(f, &root_list, f->root);
    expect(f, leaf, REASON_CRL_HIT,
           "certificate 0 \"CN=revoked\" serial 03A5 is on list number 12 of \"CN=Test CA\" since "
           "2026-01-02T03:04:05Z (reason keyCompromise)");
    pki_free(leaf);
}

static void
every_certificate_below_the_anchor_is_looked_up(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct pki_crl_entry entry = {.cert = f->ca};
    struct pki_crl_spec list = {.entries = &entry, .entry_count = 1};

    add_list(f, &list, f->root);
    expect(f, leaf, REASON_CRL_HIT, "certificate 1 \"CN=Test CA\"");
    pki_free(leaf);
}

static void
an_anchor_that_stands_on_a_list_is_revoked(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct pki_crl_entry entry = {.cert = f->ca};
    struct pki_crl_spec root_list = {.entries = &entry, .entry_count = 1}, list = {0};

    use_bundle(f, f->root, f->ca);
    add_list(f, &list, f->ca);
    add_list(f, &root_list, f->root);
    expect(f, leaf, REASON_CRL_HIT, "certificate 1 \"CN=Test CA\"");
    pki_free(leaf);
}

static void
an_issuer_without_a_list_refuses_unless_allowed(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct pki_crl_spec root_list = {0};
    struct verdict v;

    add_list(f, &root_list, f->root);
    expect(f, leaf, REASON_CRL_MISSING, "certificate 0 \"CN=alice\"");
    f->src.crl_missing = CRL_MISSING_ALLOW;
    rebuild(f);
    v = judge(f, leaf);
    assert_true(v.is_admitted);
    verdict_done(&v);
    pki_free(leaf);
}

static void
a_list_that_ends_takes_its_clients_along(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct pki_crl_spec list = {.next_update_s = f->now_s + 100};
    struct verdict v;

    use_bundle(f, f->ca, NULL);
    add_list(f, &list, f->ca);
    v = judge(f, leaf);
    assert_true(v.is_admitted);
    assert_int_equal(v.valid_until_s, f->now_s + 100);
    verdict_done(&v);
    f->now_s += 101;
    expect(f, leaf, REASON_CRL_EXPIRED, "was to be replaced by");
    f->now_s -= 101;
    f->src.crl_expired = CRL_EXPIRED_ALLOW;
    rebuild(f);
    f->now_s += 101;
    v = judge(f, leaf);
    assert_true(v.is_admitted);
    verdict_done(&v);
    pki_free(leaf);
}

static void
removed_from_the_list_is_still_on_the_list(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct pki_crl_entry entry = {.cert = leaf, .reason = PKI_REASON_REMOVE_FROM_CRL};
    struct pki_crl_spec list = {.entries = &entry, .entry_count = 1};

    use_bundle(f, f->ca, NULL);
    add_list(f, &list, f->ca);
    expect(f, leaf, REASON_CRL_HIT, "removeFromCRL");
    pki_free(leaf);
}

static void
a_listed_serial_of_another_sign_does_not_hit(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec negative = {.cn = "n", .serial = STR("\x85")},
                         positive = {.cn = "p", .serial = STR("\x7b")};
    struct pki_cert *n = pki_issue(&negative, f->ca), *p = pki_issue(&positive, f->ca);
    struct pki_crl_entry entry = {.cert = n};
    struct pki_crl_spec list = {.entries = &entry, .entry_count = 1};
    struct verdict v;

    use_bundle(f, f->ca, NULL);
    add_list(f, &list, f->ca);
    expect(f, n, REASON_CRL_HIT, "serial -7B");
    v = judge(f, p);
    assert_true(v.is_admitted);
    verdict_done(&v);
    pki_free(n);
    pki_free(p);
}

/* ---- which reason wins ---- */

static void
the_gravest_finding_is_the_reason(void **state)
{
    struct fixture *f = *state;
    const struct verify_options ignore = {.ignore_expiry = true};
    struct pki_cert_spec spec = {.cn = "bad",
                                 .serial = STR("\x31"),
                                 .not_before_s = f->now_s - 2 * DAY,
                                 .not_after_s = f->now_s - DAY,
                                 .eku = "serverAuth"};
    struct pki_crl_entry entry = {.serial = STR("\x31")};
    struct pki_crl_spec list = {
        .entries = &entry, .entry_count = 1, .next_update_s = f->now_s + 100};
    struct pki_cert *leaf = pki_issue(&spec, f->ca), *odd, *forged, *foreign;
    struct pki_cert_spec odd_spec = spec, forged_spec = spec;
    struct verdict v;

    /* expired and of the wrong purpose: expired; forgiven: purpose */
    use_bundle(f, f->ca, NULL);
    expect(f, leaf, REASON_EXPIRED, "");
    v = judge_with(f, leaf, &ignore);
    assert_int_equal(v.reason, REASON_PURPOSE_INVALID);
    verdict_done(&v);
    /* and revoked: revoked, however old the list and whatever is forgiven */
    f->src.crl_expired = CRL_EXPIRED_ALLOW;
    add_list(f, &list, f->ca);
    expect(f, leaf, REASON_CRL_HIT, "");
    f->now_s += 200;
    v = judge_with(f, leaf, &ignore);
    assert_int_equal(v.reason, REASON_CRL_HIT);
    verdict_done(&v);
    /* and of a wrong key and digest: still revoked */
    odd_spec.key_kind = PKI_ED25519;
    odd_spec.digest = "SHA224";
    odd = pki_issue(&odd_spec, f->ca);
    expect(f, odd, REASON_CRL_HIT, "");
    /* but a forged one is not called revoked */
    forged_spec.corrupt_signature = true;
    forged = pki_issue(&forged_spec, f->ca);
    expect(f, forged, REASON_UNTRUSTED, "");
    foreign = pki_issue(&spec, f->foreign_ca);
    expect(f, foreign, REASON_UNTRUSTED, "");
    pki_free(leaf);
    pki_free(odd);
    pki_free(forged);
    pki_free(foreign);
}

static void
type_goes_before_signature_before_dates(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec spec = {.cn = "bad",
                                 .not_before_s = f->now_s - 2 * DAY,
                                 .not_after_s = f->now_s - DAY,
                                 .digest = "SHA224"};
    struct pki_cert *leaf = pki_issue(&spec, f->ca);

    expect(f, leaf, REASON_INCOMPATIBLE, "");
    pki_free(leaf);
    spec.key_kind = PKI_SECP256K1;
    leaf = pki_issue(&spec, f->ca);
    expect(f, leaf, REASON_TYPE_UNSUPPORTED, "");
    pki_free(leaf);
}

/* ---- the second look ---- */

static void
the_second_look_sees_revocation_dates_and_lost_anchors(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct pki_crl_spec none = {.number = 1, .this_update_s = f->now_s - 50};
    struct pki_crl_entry entry = {.cert = leaf};
    struct pki_crl_spec one = {
        .number = 2, .this_update_s = f->now_s - 40, .entries = &entry, .entry_count = 1};
    struct verdict first, v;

    use_bundle(f, f->root, f->ca);
    add_list(f, &none, f->ca);
    first = judge(f, leaf);
    assert_true(first.is_admitted);
    verify_again(f->trust, first.chain, first.chain_count, NULL, f->now_s, &v);
    assert_true(v.is_admitted);
    assert_int_equal(v.chain_count, 0);
    assert_int_equal(v.valid_until_s, first.valid_until_s);
    verify_again(f->trust, first.chain, first.chain_count, NULL, f->now_s + 91 * DAY, &v);
    assert_int_equal(v.reason, REASON_EXPIRED);
    add_list(f, &one, f->ca);
    verify_again(f->trust, first.chain, first.chain_count, NULL, f->now_s, &v);
    assert_int_equal(v.reason, REASON_CRL_HIT);
    assert_int_equal(v.depth, 0);
    f->src.crl_path_count = 0; /* forgotten, freed by hand below */
    use_bundle(f, f->root, NULL);
    verify_again(f->trust, first.chain, first.chain_count, NULL, f->now_s, &v);
    assert_int_equal(v.reason, REASON_UNTRUSTED);
    f->src.crl_path_count = 2;
    verdict_done(&first);
    pki_free(leaf);
}

/* Counted inside libcrypto; our own code on that path calls no allocator. */
static size_t malloc_count;

static void *
counting_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    malloc_count++;
    return malloc(n);
}

static void *
counting_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    malloc_count++;
    return realloc(p, n);
}

static void
plain_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

static void
the_second_look_allocates_nothing(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    struct pki_crl_spec list = {.synthetic_count = 100};
    struct verdict first, v;
    size_t before, after;

    use_bundle(f, f->root, f->ca);
    add_list(f, &list, f->ca);
    first = judge(f, leaf);
    verify_again(f->trust, first.chain, first.chain_count, NULL, f->now_s, &v);
    before = malloc_count;
    verify_again(f->trust, first.chain, first.chain_count, NULL, f->now_s, &v);
    after = malloc_count;
    assert_true(v.is_admitted);
    assert_int_equal(after - before, 0);
    verdict_done(&first);
    pki_free(leaf);
}

/* ---- explain ---- */

struct steps {
    struct bytes text;
    int failed;
};

static void
on_step(void *arg, bool ok, const char *text)
{
    struct steps *s = arg;

    s->failed += !ok;
    bytes_printf(&s->text, "%s %s\n", ok ? "ok" : "no", text);
}

static void
every_step_is_told_to_a_trace(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec spec = {.cn = "bad", .not_after_s = f->now_s - 1, .eku = "serverAuth"};
    struct pki_cert *leaf = pki_issue(&spec, f->ca);
    STACK_OF(X509) *sent = chain_of(leaf);
    struct pki_crl_spec list = {0};
    struct steps steps = {0};
    struct verify_trace trace = {on_step, &steps};
    struct verdict v;

    use_bundle(f, f->ca, NULL);
    add_list(f, &list, f->ca);
    verify_chain(f->trust, leaf->x509, sent, NULL, f->now_s, &trace, &v);
    assert_int_equal(steps.failed, 2);
    assert_non_null(strstr(steps.text.ptr, "ok size:"));
    assert_non_null(strstr(steps.text.ptr, "ok path: 2 certificates"));
    assert_non_null(strstr(steps.text.ptr, "no certificate 0 \"CN=bad\""));
    assert_non_null(strstr(steps.text.ptr, "is not among the 0 entries of list number 01"));
    verdict_done(&v);
    sk_X509_free(sent);
    bytes_free(&steps.text);
    pki_free(leaf);
}

static void
long_hostile_names_stay_within_the_detail(void **state)
{
    struct fixture *f = *state;
    char cn[1000];
    struct pki_attr attrs[] = {{.type = "CN", .value = str_make(cn, sizeof(cn))}};
    struct pki_cert_spec spec = {.attrs = attrs, .attr_count = 1};
    struct pki_cert *leaf;

    memset(cn, '\n', sizeof(cn));
    leaf = pki_issue(&spec, f->foreign_root);
    expect(f, leaf, REASON_UNTRUSTED, "\\0A\\0A");
    pki_free(leaf);
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(a_good_certificate_is_admitted),
        with_store(the_chain_may_come_in_any_order_and_with_strangers),
        with_store(an_intermediate_in_the_store_is_the_anchor),
        with_store(without_its_intermediate_a_leaf_is_untrusted),
        with_store(a_foreign_chain_is_untrusted),
        with_store(leaves_of_every_shape_get_their_reason),
        with_store(intermediates_of_every_shape_get_their_reason),
        with_store(a_leaf_that_issued_a_leaf_is_no_ca),
        with_store(pathlen_is_obeyed),
        with_store(depth_counts_every_certificate_of_the_path),
        with_store(the_reason_of_depth_gives_both_numbers),
        with_store(more_certificates_than_a_client_may_send_are_refused),
        with_store(ignore_expiry_forgives_the_leafs_end_only),
        with_store(time_is_an_argument_and_nothing_else),
        with_store(of_two_certificates_of_a_ca_the_valid_one_is_taken),
        with_store(an_expired_anchor_ends_its_clients),
        with_store(a_revoked_leaf_is_named_with_list_date_and_reason),
        with_store(every_certificate_below_the_anchor_is_looked_up),
        with_store(an_anchor_that_stands_on_a_list_is_revoked),
        with_store(an_issuer_without_a_list_refuses_unless_allowed),
        with_store(a_list_that_ends_takes_its_clients_along),
        with_store(removed_from_the_list_is_still_on_the_list),
        with_store(a_listed_serial_of_another_sign_does_not_hit),
        with_store(the_gravest_finding_is_the_reason),
        with_store(type_goes_before_signature_before_dates),
        with_store(the_second_look_sees_revocation_dates_and_lost_anchors),
        with_store(the_second_look_allocates_nothing),
        with_store(every_step_is_told_to_a_trace),
        with_store(long_hostile_names_stay_within_the_detail),
    };

    /* Before libcrypto allocates anything. */
    if (CRYPTO_set_mem_functions(counting_malloc, counting_realloc, plain_free) != 1)
        return 1;
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
