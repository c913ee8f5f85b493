/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "cert/crl.h"
#include "cert/der.h"
#include "support/pki.h"

#define DAY INT64_C(86400)

/* CAs that every test may use. */
struct fixture {
    struct pki_cert *root, *ca, *other, *leaf;
    STACK_OF(X509) * cas; /* root, ca */
    int64_t now_s;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->now_s = wall_s();
    f->root = pki_root("Test Root");
    f->ca = pki_intermediate(f->root, "Test CA");
    f->other = pki_root("Other Root");
    f->leaf = pki_client(f->ca, "alice");
    f->cas = sk_X509_new_null();
    sk_X509_push(f->cas, f->root->x509);
    sk_X509_push(f->cas, f->ca->x509);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    sk_X509_free(f->cas);
    pki_free(f->leaf);
    pki_free(f->ca);
    pki_free(f->root);
    pki_free(f->other);
    free(f);
    return 0;
}

/* Loads and returns the list, or NULL with the only error text in *ret_message (free it). */
static struct crl *
load_among(const struct fixture *f, STACK_OF(X509) * cas, struct str der, char **ret_message)
{
    struct crl *crl = NULL;
    struct diag diag;
    int err;

    diag_init(&diag);
    err = crl_load(
        &(struct crl_input){
            .der = der, .file = "a.crl", .line = 7, .candidates = cas, .now_s = f->now_s},
        &diag, &crl);
    assert_int_equal(err == 0, crl != NULL);
    assert_int_equal(diag.error_count, err == 0 ? 0 : 1);
    if (err != 0)
        assert_int_equal(err, GW_E_CONFIG);
    if (ret_message != NULL)
        *ret_message = strdup(diag.count > 0 ? diag.entries[0].text : "");
    diag_done(&diag);
    assert_int_equal(ERR_peek_error(), 0);
    return crl;
}

static struct crl *
load(const struct fixture *f, const struct pki_crl_spec *spec, const struct pki_cert *issuer)
{
    struct bytes der = pki_crl_der(spec, issuer);
    char *message;
    struct crl *crl = load_among(f, f->cas, bytes_str(&der), &message);

    if (crl == NULL)
        assert_non_null(crl);
    free(message);
    bytes_free(&der);
    return crl;
}

static void
assert_refused(const struct fixture *f, const struct pki_crl_spec *spec,
               const struct pki_cert *issuer, const char *part)
{
    struct bytes der = pki_crl_der(spec, issuer);
    char *message;
    struct crl *crl = load_among(f, f->cas, bytes_str(&der), &message);

    assert_null(crl);
    assert_true(str_starts(str_from(message), STR("a.crl:7: revocation list")));
    if (strstr(message, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", message, part);
    free(message);
    bytes_free(&der);
}

/* ---- what is accepted ---- */

static void
a_list_tells_what_it_is(void **state)
{
    const struct fixture *f = *state;
    struct pki_crl_entry entry = {
        .cert = f->leaf, .revoked_s = 1767323045, .reason = PKI_REASON_KEY_COMPROMISE};
    struct pki_crl_spec spec = {.entries = &entry,
                                .entry_count = 1,
                                .number = 0x1234,
                                .this_update_s = f->now_s - 60,
                                .next_update_s = f->now_s + DAY};
    struct crl *crl = load(f, &spec, f->ca);
    const struct crl_info *info = crl_info(crl);
    int64_t revoked_s = 0;
    int reason = 0;

    assert_str_equal(info->issuer_text, STR("CN=Test CA"));
    assert_str_equal(info->number_hex, STR("1234"));
    assert_str_equal(info->file, STR("a.crl"));
    assert_int_equal(info->line, 7);
    assert_int_equal(info->entry_count, 1);
    assert_int_equal(info->this_update_s, f->now_s - 60);
    assert_int_equal(info->next_update_s, f->now_s + DAY);
    assert_int_equal(info->aki.len, 20);
    assert_true(info->covers_users && info->covers_cas);
    assert_int_equal(info->idp.len, 0);
    assert_ptr_equal(crl_signer(crl), f->ca->x509);
    assert_true(crl_contains(crl, f->leaf->serial));
    assert_true(crl_lookup(crl, f->leaf->serial, &revoked_s, &reason));
    assert_int_equal(revoked_s, 1767323045);
    assert_int_equal(reason, 1);
    assert_true(crl_find(crl, X509_get0_serialNumber(f->leaf->x509), &revoked_s, &reason));
    assert_false(crl_contains(crl, f->ca->serial));
    assert_false(crl_contains(crl, STR("")));
    assert_true(crl_bytes(crl) > 21);
    crl_unref(crl);
    crl_unref(NULL);
}

static void
references_keep_a_list(void **state)
{
    const struct fixture *f = *state;
    struct pki_crl_spec spec = {0};
    struct crl *crl = load(f, &spec, f->ca);

    assert_ptr_equal(crl_ref(crl), crl);
    crl_unref(crl);
    assert_int_equal(crl_info(crl)->entry_count, 0);
    crl_unref(crl);
}

static void
every_allowed_signature_algorithm_verifies(void **state)
{
    static const struct {
        enum pki_key_kind key;
        const char *digest;
        bool pss;
    } rows[] = {
        {PKI_P256, "SHA256", false},       {PKI_P256, "SHA384", false},
        {PKI_P384, "SHA384", false},       {PKI_P521, "SHA512", false},
        {PKI_RSA2048, "SHA256", false},    {PKI_RSA2048, "SHA384", false},
        {PKI_RSA2048, "SHA512", false},    {PKI_RSA2048, "SHA256", true},
        {PKI_RSA2048, "SHA384", true},     {PKI_RSA2048, "SHA512", true},
        {PKI_RSA_PSS2048, "SHA256", true},
    };
    const struct fixture *f = *state;

    for (size_t i = 0; i < array_len(rows); i++) {
        struct pki_cert_spec ca_spec = {
            .role = PKI_CA, .cn = "Algo CA", .key_kind = rows[i].key, .pss = rows[i].pss};
        struct pki_cert *ca = pki_issue(&ca_spec, NULL);
        struct pki_crl_spec spec = {.digest = rows[i].digest, .pss = rows[i].pss};
        struct pki_crl_spec bad = spec;
        STACK_OF(X509) *cas = sk_X509_new_null();
        struct bytes der = pki_crl_der(&spec, ca);
        struct crl *crl;

        sk_X509_push(cas, ca->x509);
        crl = load_among(f, cas, bytes_str(&der), NULL);
        assert_non_null(crl);
        crl_unref(crl);
        bytes_free(&der);
        bad.corrupt_signature = true;
        der = pki_crl_der(&bad, ca);
        assert_null(load_among(f, cas, bytes_str(&der), NULL));
        bytes_free(&der);
        sk_X509_free(cas);
        pki_free(ca);
    }
}

static void
serials_of_every_form_are_found_by_value(void **state)
{
    static const struct str serials[] = {
        STR_INIT("\x00"),
        STR_INIT("\x00\x80"),
        STR_INIT("\x80"),
        STR_INIT("\x00\x00\x05"), /* not minimal */
        STR_INIT(
            "\x7f\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13"),
        STR_INIT("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14"
                 "\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x20"),
    };
    const struct fixture *f = *state;
    struct pki_crl_entry entries[array_len(serials)] = {{0}};
    struct pki_crl_spec spec = {.entries = entries, .entry_count = array_len(serials)};
    struct crl *crl;

    for (size_t i = 0; i < array_len(serials); i++)
        entries[i].serial = serials[i];
    crl = load(f, &spec, f->ca);
    assert_int_equal(crl_info(crl)->entry_count, array_len(serials));
    for (size_t i = 0; i < array_len(serials); i++)
        assert_true(crl_contains(crl, serials[i]));
    assert_true(crl_contains(crl, STR("\x05")));
    assert_false(crl_contains(crl, STR("\xfb")));     /* -5 */
    assert_false(crl_contains(crl, STR("\x00\x81"))); /* near 128 and -128 */
    crl_unref(crl);
}

static void
the_answer_does_not_depend_on_the_order(void **state)
{
    const struct fixture *f = *state;

    for (int sorted = 0; sorted < 2; sorted++) {
        struct pki_crl_entry twice[] = {{.cert = f->leaf}, {.cert = f->leaf}};
        struct pki_crl_spec spec = {.entries = twice,
                                    .entry_count = 2,
                                    .synthetic_count = 5000,
                                    .synthetic_seed = 3,
                                    .synthetic_sorted = sorted != 0};
        struct crl *crl = load(f, &spec, f->ca);
        uint8_t serial[PKI_SYNTHETIC_SERIAL_BYTES];

        assert_int_equal(crl_info(crl)->entry_count, 5002);
        assert_true(crl_contains(crl, f->leaf->serial));
        for (uint64_t i = 0; i < 5000; i++) {
            pki_synthetic_serial(3, sorted != 0, i, serial);
            assert_true(crl_contains(crl, str_make(serial, sizeof(serial))));
        }
        assert_false(crl_contains(crl, STR("\x01")));
        crl_unref(crl);
    }
}

static void
fifty_thousand_entries_take_at_most_24_bytes_each(void **state)
{
    const struct fixture *f = *state;
    struct pki_crl_spec spec = {.synthetic_count = 50000, .synthetic_seed = 11};
    struct crl *crl = load(f, &spec, f->ca);
    uint8_t serial[PKI_SYNTHETIC_SERIAL_BYTES];

    assert_true(crl_bytes(crl) <= 24 * 50000);
    for (uint64_t i = 0; i < 50000; i++) {
        pki_synthetic_serial(11, false, i, serial);
        assert_true(crl_contains(crl, str_make(serial, sizeof(serial))));
        serial[5] ^= 0x10;
        assert_false(crl_contains(crl, str_make(serial, sizeof(serial))));
    }
    crl_unref(crl);
}

static void
both_time_forms_are_read(void **state)
{
    const struct fixture *f = *state;
    struct pki_crl_entry entry = {.cert = f->leaf, .revoked_s = 1767323045};
    int64_t revoked_s;
    int reason;

    for (int form = PKI_TIME_AS_RFC; form <= PKI_TIME_GENERALIZED; form++) {
        struct pki_crl_spec spec = {
            .entries = &entry, .entry_count = 1, .time_form = (enum pki_time_form)form};
        struct crl *crl = load(f, &spec, f->ca);

        assert_true(crl_lookup(crl, f->leaf->serial, &revoked_s, &reason));
        assert_int_equal(revoked_s, 1767323045);
        assert_int_equal(reason, -1);
        crl_unref(crl);
    }
}

static void
a_list_may_end_after_2050_or_never(void **state)
{
    const struct fixture *f = *state;
    struct pki_crl_spec late = {.next_update_s = INT64_C(2524608000)}; /* 2050-01-01 */
    struct pki_crl_spec edge = {.next_update_s = INT64_C(2524607999)};
    struct pki_crl_spec never = {.next_update_s = PKI_NO_TIME};
    struct crl *crl = load(f, &late, f->ca);

    assert_int_equal(crl_info(crl)->next_update_s, INT64_C(2524608000));
    crl_unref(crl);
    crl = load(f, &edge, f->ca);
    assert_int_equal(crl_info(crl)->next_update_s, INT64_C(2524607999));
    crl_unref(crl);
    crl = load(f, &never, f->ca);
    assert_true(crl_info(crl)->next_update_s == INT64_MAX);
    crl_unref(crl);
}

static void
an_expired_list_loads_and_says_so(void **state)
{
    const struct fixture *f = *state;
    struct pki_crl_spec spec = {.this_update_s = f->now_s - 9 * DAY,
                                .next_update_s = f->now_s - 2 * DAY};
    struct crl *crl = load(f, &spec, f->ca);

    assert_int_equal(crl_info(crl)->next_update_s, f->now_s - 2 * DAY);
    crl_unref(crl);
}

static void
remove_from_crl_in_a_full_list_is_still_revoked(void **state)
{
    const struct fixture *f = *state;
    struct pki_crl_entry entry = {.cert = f->leaf, .reason = PKI_REASON_REMOVE_FROM_CRL};
    struct pki_crl_spec spec = {.entries = &entry, .entry_count = 1};
    struct crl *crl = load(f, &spec, f->ca);
    int64_t revoked_s;
    int reason;

    assert_true(crl_lookup(crl, f->leaf->serial, &revoked_s, &reason));
    assert_int_equal(reason, 8);
    assert_string_equal(crl_reason_text(reason), "removeFromCRL");
    crl_unref(crl);
}

static void
harmless_extensions_are_passed_over(void **state)
{
    const struct fixture *f = *state;
    struct pki_crl_entry entry = {.cert = f->leaf,
                                  .reason = PKI_REASON_SUPERSEDED,
                                  .invalidity_date = true,
                                  .unknown_ext = true};
    struct pki_crl_spec spec = {
        .entries = &entry, .entry_count = 1, .unknown_ext = true, .no_aki = true};
    struct crl *crl = load(f, &spec, f->ca);
    int64_t revoked_s;
    int reason;

    assert_true(crl_lookup(crl, f->leaf->serial, &revoked_s, &reason));
    assert_int_equal(reason, 4);
    assert_int_equal(crl_info(crl)->aki.len, 0);
    crl_unref(crl);
}

static void
partitioned_lists_tell_their_scope(void **state)
{
    const struct fixture *f = *state;
    struct pki_idp users = {.only_users = true, .uri = "http://crl.example/1.crl"};
    struct pki_idp cas = {.only_cas = true, .not_critical = true};
    struct pki_crl_spec spec = {.idp = &users};
    struct crl *crl = load(f, &spec, f->ca);

    assert_true(crl_info(crl)->covers_users);
    assert_false(crl_info(crl)->covers_cas);
    assert_true(crl_info(crl)->idp.len > 0);
    assert_str_equal(crl_info(crl)->idp_names, STR("\x86\x18http://crl.example/1.crl"));
    crl_unref(crl);
    spec.idp = &cas;
    crl = load(f, &spec, f->ca);
    assert_false(crl_info(crl)->covers_users);
    assert_true(crl_info(crl)->covers_cas);
    assert_int_equal(crl_info(crl)->idp_names.len, 0);
    crl_unref(crl);
}

static void
numbers_are_compared_by_value(void **state)
{
    const struct fixture *f = *state;
    static const struct str numbers[] = {
        STR_INIT("\x00"),
        STR_INIT("\x01"),
        STR_INIT("\x7f"),
        STR_INIT("\x00\x80"),
        STR_INIT("\x01\x00"),
        STR_INIT(
            "\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    };
    struct crl *previous = NULL;

    for (size_t i = 0; i < array_len(numbers); i++) {
        struct pki_crl_spec spec = {.number_raw = numbers[i]};
        struct crl *crl = load(f, &spec, f->ca);

        assert_int_equal(crl_compare_number(crl, crl), 0);
        if (previous != NULL) {
            assert_true(crl_compare_number(previous, crl) < 0);
            assert_true(crl_compare_number(crl, previous) > 0);
        }
        crl_unref(previous);
        previous = crl;
    }
    crl_unref(previous);
}

static void
the_signer_among_cas_of_one_name_is_found_by_key(void **state)
{
    const struct fixture *f = *state;
    struct pki_cert *old = pki_root("Rolled CA"), *new = pki_root("Rolled CA");
    STACK_OF(X509) *cas = sk_X509_new_null();
    struct pki_crl_spec spec = {0}, without_aki = {.no_aki = true};
    struct bytes der = pki_crl_der(&spec, new), der2 = pki_crl_der(&without_aki, new);
    struct crl *crl;

    sk_X509_push(cas, old->x509);
    sk_X509_push(cas, new->x509);
    crl = load_among(f, cas, bytes_str(&der), NULL);
    assert_ptr_equal(crl_signer(crl), new->x509);
    crl_unref(crl);
    crl = load_among(f, cas, bytes_str(&der2), NULL);
    assert_ptr_equal(crl_signer(crl), new->x509);
    crl_unref(crl);
    bytes_free(&der);
    bytes_free(&der2);
    sk_X509_free(cas);
    pki_free(old);
    pki_free(new);
}

/* ---- what is refused ---- */

static void
lists_that_could_mislead_are_refused_in_plain_words(void **state)
{
    const struct fixture *f = *state;
    struct pki_idp indirect = {.indirect = true}, reasons = {.reason_bits = 2},
                   attributes = {.only_attributes = true},
                   both = {.only_users = true, .only_cas = true},
                   indirect_quietly = {.indirect = true, .not_critical = true};
    static const char long_number[21] = {1};
    struct pki_crl_entry critical = {.cert = f->leaf, .unknown_critical_ext = true};
    struct pki_crl_entry foreign = {.cert = f->leaf,
                                    .certificate_issuer = X509_get_subject_name(f->root->x509)};
    const struct {
        struct pki_crl_spec spec;
        const char *part;
    } rows[] = {
        {{.v1 = true}, "version 1"},
        {{.version = 3}, "version is not 2"},
        {{.no_number = true}, "no crlNumber"},
        {{.number_raw = STR("\x80")}, "no positive number"},
        {{.number_raw = STR("\x00\x01")}, "no positive number"},
        {{.number_raw = str_make(long_number, sizeof(long_number))}, "at most 20"},
        {{.delta = true, .delta_base = 2}, "BaseCRLNumber 02 is above its own number 01"},
        {{.delta = true, .delta_base = 1, .next_update_s = PKI_NO_TIME}, "without nextUpdate"},
        {{.idp = &indirect}, "indirect list"},
        {{.idp = &indirect_quietly}, "indirect list"},
        {{.idp = &reasons}, "some revocation reasons"},
        {{.idp = &attributes}, "attribute certificates"},
        {{.idp = &both}, "only users and only CAs"},
        {{.unknown_critical_ext = true}, "critical extension 1.3.6.1.4.1.55555"},
        {{.duplicate_ext = true}, "same extension twice"},
        {{.entries = &critical, .entry_count = 1}, "an entry has the critical extension"},
        {{.entries = &foreign, .entry_count = 1}, "another issuer"},
        {{.this_update_s = f->now_s + 60, .next_update_s = f->now_s + DAY}, "in the future"},
        {{.this_update_s = f->now_s - DAY, .next_update_s = f->now_s - 2 * DAY},
         "before its thisUpdate"},
        {{.sign_with = f->other->key}, "signature is not that of the CA"},
        {{.corrupt_signature = true}, "signature is not that of the CA"},
        {{.wrong_aki = true}, "has the key it was signed with"},
        {{.digest = "SHA1"}, "is signed with ecdsa-with-SHA1"},
        {{.digest = "SHA224"}, "are allowed"},
        {{.trailing = STR("\x00")}, "1 bytes follow"},
        {{.issuer_name = X509_get_subject_name(f->other->x509)}, "issuer not in the trust store"},
    };

    for (size_t i = 0; i < array_len(rows); i++)
        assert_refused(f, &rows[i].spec, f->ca, rows[i].part);
}

static void
a_foreign_issuer_is_refused(void **state)
{
    const struct fixture *f = *state;
    struct pki_crl_spec spec = {0};

    assert_refused(f, &spec, f->other, "issuer not in the trust store");
    assert_refused(f, &spec, f->leaf, "issuer not in the trust store");
}

static void
a_ca_that_may_not_sign_lists_is_refused(void **state)
{
    const struct fixture *f = *state;
    struct pki_cert_spec ca_spec = {.role = PKI_CA, .cn = "No Lists", .ku = "keyCertSign"};
    struct pki_cert_spec any_spec = {.role = PKI_CA, .cn = "No Usage", .ku = PKI_NONE};
    struct pki_cert *ca = pki_issue(&ca_spec, NULL), *any = pki_issue(&any_spec, NULL);
    STACK_OF(X509) *cas = sk_X509_new_null();
    struct pki_crl_spec spec = {0};
    struct bytes der = pki_crl_der(&spec, ca), any_der = pki_crl_der(&spec, any);
    struct crl *crl;
    char *message;

    sk_X509_push(cas, ca->x509);
    sk_X509_push(cas, any->x509);
    assert_null(load_among(f, cas, bytes_str(&der), &message));
    assert_non_null(strstr(message, "cRLSign"));
    free(message);
    crl = load_among(f, cas, bytes_str(&any_der), NULL);
    assert_non_null(crl);
    crl_unref(crl);
    bytes_free(&der);
    bytes_free(&any_der);
    sk_X509_free(cas);
    pki_free(ca);
    pki_free(any);
}

/* ---- damage ---- */

static void
expect_refused(void *arg, struct str der)
{
    const struct fixture *f = arg;

    assert_null(load_among(f, f->cas, der, NULL));
}

/* The signature covers all that matters: every cut and every flipped bit is noticed. */
static void
no_damaged_list_loads(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_entry entries[] = {
        {.cert = f->leaf, .reason = PKI_REASON_KEY_COMPROMISE},
        {.serial = STR("\x00\x90"), .invalidity_date = true},
        {.serial = STR("\x80")},
    };
    struct pki_idp idp = {.only_users = true, .uri = "http://x/"};
    struct pki_crl_spec spec = {.entries = entries, .entry_count = array_len(entries), .idp = &idp};
    struct bytes der = pki_crl_der(&spec, f->ca);
    struct crl *crl = load_among(f, f->cas, bytes_str(&der), NULL);

    assert_non_null(crl);
    crl_unref(crl);
    for_each_truncation(bytes_str(&der), expect_refused, f);
    for_each_bit_flip(bytes_str(&der), expect_refused, f);
    bytes_free(&der);
}

/* A list of these signed bytes, signed anew: what a careless or hostile CA could publish. */
static struct bytes
sign_again(struct str tbs, struct str algorithm, const EVP_MD *md, EVP_PKEY *key)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t signature[256];
    size_t signature_len = sizeof(signature);
    struct bytes body = {0}, der = {0};

    assert_int_equal(EVP_DigestSignInit(ctx, NULL, md, NULL, key), 1);
    assert_int_equal(
        EVP_DigestSign(ctx, signature, &signature_len, (const uint8_t *)tbs.ptr, tbs.len), 1);
    EVP_MD_CTX_free(ctx);
    bytes_add(&body, tbs.ptr, tbs.len);
    bytes_add(&body, algorithm.ptr, algorithm.len);
    bytes_add(&body, "\x03", 1);
    bytes_add(&body, &(uint8_t){(uint8_t)(signature_len + 1)}, 1);
    bytes_add(&body, "\x00", 1);
    bytes_add(&body, signature, signature_len);
    bytes_add(&der, "\x30\x82", 2);
    bytes_add(&der, &(uint8_t){(uint8_t)(body.len >> 8)}, 1);
    bytes_add(&der, &(uint8_t){(uint8_t)body.len}, 1);
    bytes_add(&der, body.ptr, body.len);
    bytes_free(&body);
    return der;
}

struct signed_parts {
    struct fixture *f;
    struct str algorithm;
    size_t loaded;
};

static void
check_signed_nonsense(void *arg, struct str tbs)
{
    struct signed_parts *p = arg;
    struct bytes der = sign_again(tbs, p->algorithm, EVP_sha256(), p->f->ca->key);
    struct crl *crl = load_among(p->f, p->f->cas, bytes_str(&der), NULL);

    if (crl != NULL) {
        p->loaded++;
        assert_int_equal(crl_info(crl)->entry_count, 3);
        crl_unref(crl);
    }
    bytes_free(&der);
}

static void
both_signature_algorithms_must_agree(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_spec spec = {.synthetic_count = 5};
    struct bytes der = pki_crl_der(&spec, f->ca), other;
    struct der outer = der_open(bytes_str(&der)), in;
    struct der_item tbs;
    struct str body = {0};
    char *message;

    assert_int_equal(der_expect(&outer, DER_SEQUENCE, &body), 0);
    in = der_open(body);
    assert_int_equal(der_read(&in, &tbs), 0);
    other = sign_again(tbs.whole, STR("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"),
                       EVP_sha384(), f->ca->key);
    assert_null(load_among(f, f->cas, bytes_str(&other), &message));
    assert_non_null(strstr(message, "two different signature algorithms"));
    free(message);
    bytes_free(&other);
    bytes_free(&der);
}

static void
nonsense_under_a_good_signature_never_drops_an_entry(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_entry entries[] = {
        {.cert = f->leaf, .reason = PKI_REASON_KEY_COMPROMISE},
        {.serial = STR("\x00\x90"), .invalidity_date = true},
        {.serial = STR("\x80")},
    };
    struct pki_idp idp = {.only_users = true, .uri = "http://x/"};
    struct pki_crl_spec spec = {.entries = entries, .entry_count = array_len(entries), .idp = &idp};
    struct bytes der = pki_crl_der(&spec, f->ca);
    struct der outer = der_open(bytes_str(&der)), in;
    struct der_item tbs, algorithm;
    struct signed_parts parts = {.f = f};
    struct str body = {0};

    assert_int_equal(der_expect(&outer, DER_SEQUENCE, &body), 0);
    in = der_open(body);
    assert_int_equal(der_read(&in, &tbs), 0);
    assert_int_equal(der_read(&in, &algorithm), 0);
    parts.algorithm = algorithm.whole;
    check_signed_nonsense(&parts, tbs.whole);
    assert_int_equal(parts.loaded, 1);
    for_each_truncation(tbs.whole, check_signed_nonsense, &parts);
    assert_int_equal(parts.loaded, 1);
    for_each_bit_flip(tbs.whole, check_signed_nonsense, &parts);
    assert_true(parts.loaded > 1); /* other serials, dates and numbers are a CA's right */
    bytes_free(&der);
}

/* The index grows while the list goes back to the kernel: its entries are read as zeroes then. */
static void
a_list_that_may_be_destroyed_is_gone_when_its_index_is_there(void **state)
{
    struct fixture *f = *state;
    struct pki_crl_spec spec = {.synthetic_count = 100000, .synthetic_seed = 7};
    struct bytes der = pki_crl_der(&spec, f->ca);
    char *pages = mmap(NULL, der.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct crl_input in = {.der = str_make(pages, der.len),
                           .file = "a.crl",
                           .candidates = f->cas,
                           .now_s = f->now_s,
                           .destroys_der = true};
    struct crl *whole = load_among(f, f->cas, bytes_str(&der), NULL);
    struct crl *crl = NULL;
    struct diag diag;

    assert_ptr_not_equal(pages, MAP_FAILED);
    memcpy(pages, der.ptr, der.len);
    diag_init(&diag);
    assert_int_equal(crl_load(&in, &diag, &crl), 0);
    assert_memory_equal(crl_info(crl)->sha256, crl_info(whole)->sha256, 32);
    assert_int_equal(crl_info(crl)->entry_count, 100000);
    for (uint64_t i = 0; i < 100000; i++) {
        uint8_t serial[PKI_SYNTHETIC_SERIAL_BYTES];

        pki_synthetic_serial(spec.synthetic_seed, false, i, serial);
        assert_true(crl_contains(crl, str_make(serial, sizeof(serial))));
    }
    assert_int_equal(pages[der.len / 2], 0);
    assert_memory_equal(pages + der.len / 2, pages + der.len / 2 + 1, 4096);
    assert_int_equal(munmap(pages, der.len), 0);
    diag_done(&diag);
    crl_unref(whole);
    crl_unref(crl);
    bytes_free(&der);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_tells_what_it_is),
        cmocka_unit_test(references_keep_a_list),
        cmocka_unit_test(every_allowed_signature_algorithm_verifies),
        cmocka_unit_test(serials_of_every_form_are_found_by_value),
        cmocka_unit_test(the_answer_does_not_depend_on_the_order),
        cmocka_unit_test(fifty_thousand_entries_take_at_most_24_bytes_each),
        cmocka_unit_test(both_time_forms_are_read),
        cmocka_unit_test(a_list_may_end_after_2050_or_never),
        cmocka_unit_test(an_expired_list_loads_and_says_so),
        cmocka_unit_test(remove_from_crl_in_a_full_list_is_still_revoked),
        cmocka_unit_test(harmless_extensions_are_passed_over),
        cmocka_unit_test(partitioned_lists_tell_their_scope),
        cmocka_unit_test(numbers_are_compared_by_value),
        cmocka_unit_test(the_signer_among_cas_of_one_name_is_found_by_key),
        cmocka_unit_test(lists_that_could_mislead_are_refused_in_plain_words),
        cmocka_unit_test(a_foreign_issuer_is_refused),
        cmocka_unit_test(a_ca_that_may_not_sign_lists_is_refused),
        cmocka_unit_test(no_damaged_list_loads),
        cmocka_unit_test(both_signature_algorithms_must_agree),
        cmocka_unit_test(nonsense_under_a_good_signature_never_drops_an_entry),
        cmocka_unit_test(a_list_that_may_be_destroyed_is_gone_when_its_index_is_there),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
