/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <dirent.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/limits.h"
#include "cert/identity.h"
#include "support/pki.h"

#define GOLDEN "tests/golden/identity"

struct fixture {
    struct pki_cert *ca;
    struct arena arena;
};

static int
setup_all(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->ca = pki_root("Test CA");
    *state = f;
    return 0;
}

static int
teardown_all(void **state)
{
    struct fixture *f = *state;

    pki_free(f->ca);
    free(f);
    return 0;
}

static int
setup(void **state)
{
    struct fixture *f = *state;

    arena_init(&f->arena, CONN_ARENA_BLOCK, CONN_ARENA_MAX);
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    arena_done(&f->arena);
    assert_int_equal(ERR_peek_error(), 0);
    return 0;
}

static struct identity *
build(struct fixture *f, X509 *leaf)
{
    enum reason reason = REASON_COUNT;
    struct identity *id = NULL;
    int err = identity_build(leaf, &f->arena, &id, &reason);

    if (err != 0)
        fail_msg("refused: %s", reason_token(reason));
    return id;
}

static struct identity *
build_spec(struct fixture *f, const struct pki_cert_spec *spec)
{
    struct pki_cert *cert = pki_issue(spec, f->ca);
    struct identity *id = build(f, cert->x509);

    pki_free(cert);
    return id;
}

static void
assert_refused(struct fixture *f, const struct pki_cert_spec *spec, enum reason want)
{
    struct pki_cert *cert = pki_issue(spec, f->ca);
    enum reason reason = REASON_COUNT;
    struct identity *id = NULL;

    assert_non_null(cert->x509);
    assert_int_equal(identity_build(cert->x509, &f->arena, &id, &reason), GW_E_DENIED);
    assert_null(id);
    if (reason != want)
        fail_msg("%s, not %s", reason_token(reason), reason_token(want));
    pki_free(cert);
    arena_reset(&f->arena);
}

/* ---- golden ---- */

/* The rest of the line that begins with key, in what the openssl command said. */
static struct str
wanted(const char *want, const char *key)
{
    const char *line = strstr(want, key);

    assert_non_null(line);
    line += strlen(key);
    return str_make(line, strcspn(line, "\n"));
}

static X509 *
read_cert(const char *path)
{
    struct bytes text = file_slurp(path);
    BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    assert_non_null(cert);
    BIO_free(bio);
    bytes_free(&text);
    return cert;
}

static void
check_golden(struct fixture *f, const char *name)
{
    char *pem_path = xformat("%s/%s.pem", GOLDEN, name);
    char *want_path = xformat("%s/%s.want", GOLDEN, name);
    struct bytes want = file_slurp(want_path);
    X509 *cert = read_cert(pem_path);
    struct identity *id = build(f, cert);
    char hex[64];

    assert_str_equal(id->serial, wanted(want.ptr, "serial: "));
    assert_str_equal(id->issuer, wanted(want.ptr, "issuer: "));
    assert_str_equal(id->subject, wanted(want.ptr, "subject: "));
    assert_str_equal(id->validity, wanted(want.ptr, "validity: "));
    assert_str_equal(id->leaf, wanted(want.ptr, "leaf: "));
    str_hex_lower(hex, id->sha256, 32);
    assert_str_equal(str_make(hex, 64), wanted(want.ptr, "\nsha256: "));
    str_hex_lower(hex, id->spki_sha256, 32);
    assert_str_equal(str_make(hex, 64), wanted(want.ptr, "spki_sha256: "));
    X509_free(cert);
    bytes_free(&want);
    free(pem_path);
    free(want_path);
}

static void
real_certificates_are_rendered_to_the_byte(void **state)
{
    struct fixture *f = *state;
    DIR *dir = opendir(GOLDEN);
    struct dirent *entry;
    int count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char *dot = strstr(entry->d_name, ".pem");

        if (dot == NULL)
            continue;
        *dot = 0;
        check_golden(f, entry->d_name);
        arena_reset(&f->arena);
        count++;
    }
    closedir(dir);
    assert_true(count >= 18);
}

/* ---- the five values against OpenSSL's own printers ---- */

static void
check_name(const struct fixture *f, const X509_NAME *name, struct str got)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long len;

    (void)f;
    assert_true(X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0);
    len = BIO_get_mem_data(bio, &text);
    assert_str_equal(got, str_make(text, (size_t)len));
    BIO_free(bio);
}

static void
every_serial_is_printed_as_bn_bn2hex(void **state)
{
    static const struct str serials[] = {
        STR_INIT("\x01"),     STR_INIT("\x0f"),         STR_INIT("\x10"),
        STR_INIT("\x7f"),     STR_INIT("\x00\x80"),     STR_INIT("\x00\xff"),
        STR_INIT("\x80"),     STR_INIT("\xff"),         STR_INIT("\xff\x7f"),
        STR_INIT("\xff\x00"), STR_INIT("\x80\x00\x00"), STR_INIT("\x01\x00\x00\x00"),
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < array_len(serials); i++) {
        struct pki_cert_spec spec = {.cn = "x", .serial = serials[i]};
        struct pki_cert *cert = pki_issue(&spec, f->ca);
        struct identity *id = build(f, cert->x509);
        BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert->x509), NULL);
        char *hex = BN_bn2hex(bn);

        assert_str_equal(id->serial, str_from(hex));
        assert_str_equal(id->serial_der, serials[i]);
        OPENSSL_free(hex);
        BN_free(bn);
        pki_free(cert);
        arena_reset(&f->arena);
    }
}

static void
serial_zero_has_a_whole_byte(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec spec = {.cn = "x", .serial = STR("\x00")};

    assert_str_equal(build_spec(f, &spec)->serial, STR("00"));
}

/* The pattern of the guide: printable ASCII, LF only, base64 in lines of 64. */
static void
the_leaf_is_pem_with_two_escapes_only(void **state)
{
    struct fixture *f = *state;

    for (size_t padding = 1; padding <= 100; padding++) {
        struct pki_cert_spec spec = {.cn = "x", .padding_bytes = padding};
        struct pki_cert *cert = pki_issue(&spec, f->ca);
        struct identity *id = build(f, cert->x509);
        BIO *bio = BIO_new(BIO_s_mem());
        struct bytes want = {0};
        char *text;
        long len;

        PEM_write_bio_X509(bio, cert->x509);
        len = BIO_get_mem_data(bio, &text);
        for (long i = 0; i < len; i++) {
            if (text[i] == ' ')
                bytes_puts(&want, "%20");
            else if (text[i] == '\n')
                bytes_puts(&want, "%0A");
            else
                bytes_add(&want, text + i, 1);
        }
        assert_str_equal(id->leaf, bytes_str(&want));
        bytes_free(&want);
        BIO_free(bio);
        pki_free(cert);
        arena_reset(&f->arena);
    }
}

static void
a_chain_is_its_certificates_one_after_the_other(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    X509 *const chain[] = {leaf->x509, f->ca->x509};
    struct identity *id = build(f, leaf->x509), *ca_id = build(f, f->ca->x509);
    struct str text = {0}, none = {0};

    assert_int_equal(identity_chain_pem(chain, 2, 100000, &f->arena, &text), 0);
    assert_int_equal(text.len, id->leaf.len + ca_id->leaf.len);
    assert_str_equal(str_sub(text, 0, id->leaf.len), id->leaf);
    assert_str_equal(str_sub(text, id->leaf.len, text.len), ca_id->leaf);
    assert_int_equal(identity_chain_pem(chain, 2, text.len, &f->arena, &none), 0);
    none = (struct str){0};
    assert_int_equal(identity_chain_pem(chain, 2, text.len - 1, &f->arena, &none), GW_E_LIMIT);
    assert_null(none.ptr);
    pki_free(leaf);
}

/* ---- names ---- */

static const int string_types[] = {
    V_ASN1_UTF8STRING, V_ASN1_PRINTABLESTRING, V_ASN1_IA5STRING,     V_ASN1_T61STRING,
    V_ASN1_BMPSTRING,  V_ASN1_UNIVERSALSTRING, V_ASN1_NUMERICSTRING,
};

/* One octet, in the width of the string type, in front of, inside and behind other text. */
static size_t
put_char(char *dst, int type, uint8_t c)
{
    size_t width = type == V_ASN1_BMPSTRING ? 2 : type == V_ASN1_UNIVERSALSTRING ? 4 : 1;

    memset(dst, 0, width);
    dst[width - 1] = (char)c;
    return width;
}

static void
every_octet_of_every_string_type_is_printed_as_openssl_does(void **state)
{
    struct fixture *f = *state;

    for (size_t t = 0; t < array_len(string_types); t++) {
        for (int c = 0; c < 256; c++) {
            for (int place = 0; place < 4; place++) {
                char value[16];
                size_t len = 0;
                struct pki_attr attr = {.type = "L", .string_type = string_types[t]};
                struct pki_cert_spec spec = {.attrs = &attr, .attr_count = 1};
                struct pki_cert *cert;
                struct identity *id = NULL;
                enum reason reason;

                if (place == 1 || place == 2)
                    len += put_char(value + len, string_types[t], 'a');
                len += put_char(value + len, string_types[t], (uint8_t)c);
                if (place == 0 || place == 1)
                    len += put_char(value + len, string_types[t], 'b');
                /* UTF-8 that is none is refused by libcrypto's encoder already. */
                if (string_types[t] == V_ASN1_UTF8STRING && c >= 0x80)
                    continue;
                attr.value = str_make(value, len);
                cert = pki_issue(&spec, f->ca);
                assert_int_equal(identity_build(cert->x509, &f->arena, &id, &reason), 0);
                check_name(f, X509_get_subject_name(cert->x509), id->subject);
                for (size_t i = 0; i < id->subject.len; i++)
                    assert_in_range(id->subject.ptr[i], 0x20, 0x7e);
                pki_free(cert);
                arena_reset(&f->arena);
            }
        }
    }
}

static void
names_for_decisions_are_utf8(void **state)
{
    struct fixture *f = *state;
    const struct pki_attr attrs[] = {
        {"O", STR("Caf\xe9"), V_ASN1_T61STRING, false},
        {"O", STR("Second"), V_ASN1_PRINTABLESTRING, false},
        {"OU", STR("\x01\x31\0n"), V_ASN1_BMPSTRING, false},
        {"OU", STR("\0\1\xf4\x19"), V_ASN1_UNIVERSALSTRING, false},
        {"CN", STR("\xe5\xb1\xb1, +=\""), 0, false},
        {"L", STR("\n"), 0, false}, /* escaped in the header, and no rule sees it */
    };
    struct pki_cert_spec spec = {.attrs = attrs, .attr_count = array_len(attrs)};
    struct identity *id = build_spec(f, &spec);

    assert_int_equal(id->subject_o.count, 2);
    assert_str_equal(id->subject_o.items[0], STR("Caf\xc3\xa9"));
    assert_str_equal(id->subject_o.items[1], STR("Second"));
    assert_int_equal(id->subject_ou.count, 2);
    assert_str_equal(id->subject_ou.items[0], STR("\xc4\xb1n"));
    assert_str_equal(id->subject_ou.items[1], STR("\xf0\x9f\x90\x99"));
    assert_int_equal(id->subject_cn.count, 1);
    assert_str_equal(id->subject_cn.items[0], STR("\xe5\xb1\xb1, +=\""));
    assert_int_equal(id->issuer_cn.count, 1);
    assert_str_equal(id->issuer_cn.items[0], STR("Test CA"));
    assert_int_equal(id->issuer_o.count + id->issuer_ou.count, 0);
    assert_true(id->issuer_der.len > 10);
}

static void
control_characters_in_names_of_decisions_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const types[] = {"CN", "OU", "O"};

    for (size_t a = 0; a < array_len(types); a++) {
        for (size_t t = 0; t < array_len(string_types); t++) {
            static const uint8_t controls[] = {0x00, 0x01, 0x09, 0x0a, 0x0d, 0x1b, 0x1f, 0x7f};

            for (size_t c = 0; c < array_len(controls); c++) {
                char value[16];
                size_t len = put_char(value, string_types[t], 'a');
                struct pki_attr attr = {.type = types[a], .string_type = string_types[t]};
                struct pki_cert_spec spec = {.attrs = &attr, .attr_count = 1};

                len += put_char(value + len, string_types[t], controls[c]);
                len += put_char(value + len, string_types[t], 'b');
                attr.value = str_make(value, len);
                assert_refused(f, &spec, REASON_INVALID);
            }
        }
    }
}

static void
a_long_name_is_refused_and_never_cut(void **state)
{
    struct fixture *f = *state;
    static char text[CLIENT_DN_BYTES_MAX + 1];
    struct pki_attr attr = {.type = "L"};
    struct pki_cert_spec spec = {.attrs = &attr, .attr_count = 1};

    memset(text, 'a', sizeof(text));
    attr.value = str_make(text, CLIENT_DN_BYTES_MAX - 2); /* and "L=" */
    assert_int_equal(build_spec(f, &spec)->subject.len, CLIENT_DN_BYTES_MAX);
    arena_reset(&f->arena);
    attr.value.len++;
    assert_refused(f, &spec, REASON_MAX_SIZE);
    memset(text, '\n', sizeof(text)); /* three characters each when escaped */
    attr.value.len = CLIENT_DN_BYTES_MAX / 3 + 1;
    assert_refused(f, &spec, REASON_MAX_SIZE);
}

/* ---- subject alternative names ---- */

static void
alternative_names_are_kept_as_they_are(void **state)
{
    struct fixture *f = *state;
    X509 *cert = read_cert(GOLDEN "/sans-and-policies.pem");
    struct identity *id = build(f, cert);

    assert_int_equal(id->san_dns.count, 2);
    assert_str_equal(id->san_dns.items[0], STR("a.example"));
    assert_str_equal(id->san_dns.items[1], STR("*.b.example"));
    assert_int_equal(id->san_uri.count, 1);
    assert_str_equal(id->san_uri.items[0], STR("spiffe://td.example/ns/prod/sa/web"));
    assert_int_equal(id->san_email.count, 1);
    assert_str_equal(id->san_email.items[0], STR("alice@example.com"));
    assert_int_equal(id->san_ip.count, 2);
    assert_str_equal(id->san_ip.items[0], STR("10.1.2.3"));
    assert_str_equal(id->san_ip.items[1], STR("2001:db8::1"));
    assert_int_equal(id->policy_oids.count, 2);
    assert_str_equal(id->policy_oids.items[0], STR("1.2.3.4"));
    assert_str_equal(id->policy_oids.items[1], STR("2.25.340282366920938463463374607431768211455"));
    X509_free(cert);
}

static void
one_bad_alternative_name_refuses_the_certificate(void **state)
{
    struct fixture *f = *state;
    static const struct pki_san bad[] = {
        {PKI_SAN_DNS, STR_INIT("good.example\0.evil.example")},
        {PKI_SAN_DNS, STR_INIT("\0")},
        {PKI_SAN_DNS, STR_INIT("a.example\n")},
        {PKI_SAN_DNS, STR_INIT("a b")},
        {PKI_SAN_DNS, STR_INIT("caf\xe9.example")},
        {PKI_SAN_DNS, STR_INIT("\x7f")},
        {PKI_SAN_URI, STR_INIT("spiffe://td/\0x")},
        {PKI_SAN_URI, STR_INIT("spiffe://td/\r\nX: y")},
        {PKI_SAN_EMAIL, STR_INIT("a@b\0.evil")},
        {PKI_SAN_EMAIL, STR_INIT("\x1b[2J@b")},
    };

    for (size_t i = 0; i < array_len(bad); i++) {
        const struct pki_san sans[] = {{PKI_SAN_DNS, STR("ok.example")}, bad[i]};
        struct pki_cert_spec spec = {.cn = "x", .sans = sans, .san_count = 2};

        assert_refused(f, &spec, REASON_INVALID);
    }
}

static void
malformed_alternative_names_and_policies_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *oid;
        struct str der;
    } rows[] = {
        {"2.5.29.17", STR_INIT("")},
        {"2.5.29.17", STR_INIT("\x31\x00")},                     /* no SEQUENCE */
        {"2.5.29.17", STR_INIT("\x30\x03\x82\x02\x61")},         /* cut */
        {"2.5.29.17", STR_INIT("\x30\x02\x82\x00")},             /* empty name */
        {"2.5.29.17", STR_INIT("\x30\x03\x89\x01\x61")},         /* unknown kind */
        {"2.5.29.17", STR_INIT("\x30\x05\x87\x03\x01\x02\x03")}, /* address of 3 octets */
        {"2.5.29.17", STR_INIT("\x30\x03\x82\x01\x61\x00")},     /* something behind */
        {"2.5.29.32", STR_INIT("\x04\x00")},
        {"2.5.29.32", STR_INIT("\x30\x02\x06\x00")},
        {"2.5.29.32", STR_INIT("\x30\x05\x30\x03\x06\x01\x80")},
        {"2.5.29.32", STR_INIT("\x30\x03\x30\x01\x06")},
    };

    for (size_t i = 0; i < array_len(rows); i++) {
        struct pki_cert_spec spec = {
            .cn = "x", .extra_ext_oid = rows[i].oid, .extra_ext_der = rows[i].der};

        assert_refused(f, &spec, REASON_INVALID);
    }
}

static void
two_alternative_name_extensions_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct pki_san sans[] = {{PKI_SAN_DNS, STR("ok.example")}};
    struct pki_cert_spec spec = {.cn = "x",
                                 .sans = sans,
                                 .san_count = 1,
                                 .extra_ext_oid = "2.5.29.17",
                                 .extra_ext_der = STR("\x30\x03\x82\x01\x61")};

    assert_refused(f, &spec, REASON_INVALID);
}

static void
more_alternative_names_than_the_limit_are_refused(void **state)
{
    struct fixture *f = *state;
    struct pki_san sans[CLIENT_SANS_MAX + 1];
    struct pki_cert_spec spec = {.cn = "x", .sans = sans, .san_count = CLIENT_SANS_MAX};

    for (size_t i = 0; i < array_len(sans); i++)
        sans[i] = (struct pki_san){PKI_SAN_DNS, STR("a.example")};
    assert_int_equal(build_spec(f, &spec)->san_dns.count, CLIENT_SANS_MAX);
    arena_reset(&f->arena);
    spec.san_count++;
    assert_refused(f, &spec, REASON_MAX_SIZE);
}

/* ---- limits ---- */

static void
a_certificate_over_the_limit_is_refused(void **state)
{
    struct fixture *f = *state;
    struct pki_cert_spec spec = {.cn = "x", .padding_bytes = CLIENT_CERT_DER_MAX};

    assert_refused(f, &spec, REASON_MAX_SIZE);
}

static void
an_arena_too_small_is_a_refusal_at_any_size(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *leaf = pki_client(f->ca, "alice");
    size_t needed;

    (void)build(f, leaf->x509);
    needed = f->arena.used_bytes;
    for (size_t max = 0; max < needed; max += 16) {
        enum reason reason = REASON_COUNT;
        struct identity *id = NULL;
        struct arena small;

        arena_init(&small, 512, max);
        assert_int_equal(identity_build(leaf->x509, &small, &id, &reason), GW_E_DENIED);
        assert_int_equal(reason, REASON_MAX_SIZE);
        assert_null(id);
        arena_done(&small);
    }
    pki_free(leaf);
}

static void
an_identity_of_an_ordinary_client_takes_little_memory(void **state)
{
    struct fixture *f = *state;
    const struct pki_san sans[] = {{PKI_SAN_DNS, STR("a.example")}};
    struct pki_cert_spec spec = {.cn = "alice", .sans = sans, .san_count = 1};

    (void)build_spec(f, &spec);
    assert_true(f->arena.used_bytes < 2560);
}

/* ---- facts of refused certificates ---- */

static void
facts_are_there_as_far_as_they_can_be_told(void **state)
{
    struct fixture *f = *state;
    struct pki_cert *good = pki_client(f->ca, "alice");
    static const struct pki_san sans[] = {{PKI_SAN_DNS, STR_INIT("a\0b")}};
    struct pki_cert_spec nul = {.cn = "nul", .sans = sans, .san_count = 1};
    static char text[CLIENT_DN_BYTES_MAX + 1];
    struct pki_attr attr = {.type = "L", .value = {text, sizeof(text)}};
    struct pki_cert_spec long_spec = {.attrs = &attr, .attr_count = 1};
    struct pki_cert *bad = pki_issue(&nul, f->ca), *long_name;
    struct identity facts;
    struct arena empty;

    identity_facts(good->x509, &f->arena, &facts);
    assert_str_equal(facts.subject, STR("CN=alice"));
    assert_true(facts.serial.len > 0 && facts.validity.len > 0 && facts.not_after_s > 0);
    identity_facts(bad->x509, &f->arena, &facts);
    assert_str_equal(facts.subject, STR("CN=nul"));
    memset(text, 'a', sizeof(text));
    long_name = pki_issue(&long_spec, f->ca);
    identity_facts(long_name->x509, &f->arena, &facts);
    assert_int_equal(facts.subject.len, 0);
    assert_true(facts.serial.len > 0);
    arena_init(&empty, 512, 0);
    identity_facts(good->x509, &empty, &facts);
    assert_int_equal(facts.subject.len + facts.serial.len + facts.validity.len, 0);
    arena_done(&empty);
    pki_free(good);
    pki_free(bad);
    pki_free(long_name);
}

/* ---- damage ---- */

static void
build_whatever_decodes(void *arg, struct str der)
{
    struct fixture *f = arg;
    const uint8_t *p = (const uint8_t *)der.ptr;
    X509 *cert = d2i_X509(NULL, &p, (long)der.len);
    struct identity *id = NULL, facts;
    enum reason reason = REASON_NONE;

    ERR_clear_error();
    if (cert == NULL)
        return;
    if (identity_build(cert, &f->arena, &id, &reason) == 0) {
        struct str values[] = {id->serial, id->issuer, id->subject, id->validity, id->leaf};

        for (size_t v = 0; v < array_len(values); v++) {
            for (size_t i = 0; i < values[v].len; i++)
                assert_in_range(values[v].ptr[i], 0x20, 0x7e);
        }
    } else {
        assert_true(reason == REASON_INVALID || reason == REASON_MAX_SIZE);
    }
    identity_facts(cert, &f->arena, &facts);
    X509_free(cert);
    arena_reset(&f->arena);
}

static void
damaged_certificates_are_rendered_clean_or_refused(void **state)
{
    struct fixture *f = *state;
    const struct pki_attr attrs[] = {
        {"O", STR("\0a\0b"), V_ASN1_BMPSTRING, false},
        {"1.2.3.4.5", STR("odd"), 0, false},
        {"CN", STR("J\xc3\xbcrgen, Jr."), 0, false},
    };
    const struct pki_san sans[] = {{PKI_SAN_URI, STR("spiffe://td/a")}, {PKI_SAN_IP, STR("::1")}};
    struct pki_cert_spec spec = {.attrs = attrs,
                                 .attr_count = array_len(attrs),
                                 .sans = sans,
                                 .san_count = 2,
                                 .policies = "1.2.3.4"};
    struct pki_cert *cert = pki_issue(&spec, f->ca);

    for_each_truncation(cert->der, build_whatever_decodes, f);
    for_each_bit_flip(cert->der, build_whatever_decodes, f);
    pki_free(cert);
}

#define with_arena(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_arena(real_certificates_are_rendered_to_the_byte),
        with_arena(every_serial_is_printed_as_bn_bn2hex),
        with_arena(serial_zero_has_a_whole_byte),
        with_arena(the_leaf_is_pem_with_two_escapes_only),
        with_arena(a_chain_is_its_certificates_one_after_the_other),
        with_arena(every_octet_of_every_string_type_is_printed_as_openssl_does),
        with_arena(names_for_decisions_are_utf8),
        with_arena(control_characters_in_names_of_decisions_are_refused),
        with_arena(a_long_name_is_refused_and_never_cut),
        with_arena(alternative_names_are_kept_as_they_are),
        with_arena(one_bad_alternative_name_refuses_the_certificate),
        with_arena(malformed_alternative_names_and_policies_are_refused),
        with_arena(two_alternative_name_extensions_are_refused),
        with_arena(more_alternative_names_than_the_limit_are_refused),
        with_arena(a_certificate_over_the_limit_is_refused),
        with_arena(an_arena_too_small_is_a_refusal_at_any_size),
        with_arena(an_identity_of_an_ordinary_client_takes_little_memory),
        with_arena(facts_are_there_as_far_as_they_can_be_told),
        with_arena(damaged_certificates_are_rendered_clean_or_refused),
    };

    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
