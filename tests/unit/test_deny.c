/* SPDX-License-Identifier: Apache-2.0
 *
 * The deny list: what an operator may type, and which clients an entry refuses.
 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "cert/deny.h"
#include "support/pki.h"

#define HEX32 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX32_UPPER "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF"
#define HEX32_COLONS                                                  \
    "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:" \
    "55:66:77:88:99:aa:bb:cc:dd:ee:ff"

/* ---- what an operator types ---- */

static const struct {
    const char *typed;
    const char *canonical;
    enum deny_kind kind;
} valid[] = {
    {"sha256:" HEX32, "sha256:" HEX32, DENY_SHA256},
    {"SHA256:" HEX32_UPPER, "sha256:" HEX32, DENY_SHA256},
    {"sha256:" HEX32_COLONS, "sha256:" HEX32, DENY_SHA256},
    {"  sha256:" HEX32 "  ", "sha256:" HEX32, DENY_SHA256},
    {"spki:" HEX32_UPPER, "spki:" HEX32, DENY_SPKI},
    {"serial:CN=CA,O=Example:03a5", "serial:CN=CA,O=Example:03A5", DENY_SERIAL},
    {"serial:CN=CA:3a5", "serial:CN=CA:03A5", DENY_SERIAL},
    {"serial:CN=CA:00000003A5", "serial:CN=CA:03A5", DENY_SERIAL},
    {"serial:CN=CA:0", "serial:CN=CA:00", DENY_SERIAL},
    {"serial:CN=CA:-1f", "serial:CN=CA:-1F", DENY_SERIAL},
    {"serial:CN=a b\\, c+OU=x,DC=example:01", "serial:CN=a b\\, c+OU=x,DC=example:01", DENY_SERIAL},
    {"serial:CN=host:8443:01", "serial:CN=host:8443:01", DENY_SERIAL},
    {"serial:2.5.4.97=x:01", "serial:2.5.4.97=x:01", DENY_SERIAL},
    {"san:Client.Example.TEST", "san:client.example.test", DENY_SAN},
    {"san:client.example.test.", "san:client.example.test", DENY_SAN},
    {"san:192.0.2.1", "san:192.0.2.1", DENY_SAN},
    {"san:2001:DB8:0:0::1", "san:2001:db8::1", DENY_SAN},
    {"san:SPIFFE://Example.Test/Ns/A", "san:spiffe://example.test/Ns/A", DENY_SAN},
    {"san:https://Example.Test?Q", "san:https://example.test?Q", DENY_SAN},
    {"san:https://Example.Test", "san:https://example.test", DENY_SAN},
    {"san:URN:Example:A", "san:urn:Example:A", DENY_SAN},
    {"san:Alice@Example.Test", "san:alice@example.test", DENY_SAN},
};

static void
what_is_typed_is_kept_in_one_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(valid); i++) {
        const char *error = NULL;
        enum deny_kind kind;
        char *what = NULL;

        if (deny_what_parse(str_from(valid[i].typed), &what, &kind, &error) != 0)
            fail_msg("%s: %s", valid[i].typed, error);
        assert_string_equal(what, valid[i].canonical);
        assert_int_equal(kind, valid[i].kind);
        free(what);
    }
}

static const struct {
    const char *typed;
    const char *error;
} invalid[] = {
    {"", "wants sha256:HEX"},
    {"sha256", "wants sha256:HEX"},
    {"sha1:" HEX32, "wants sha256:HEX"},
    {HEX32, "wants sha256:HEX"},
    {"sha256:", "64 hexadecimal digits"},
    {"sha256:0011", "64 hexadecimal digits"},
    {"sha256:" HEX32 "00", "64 hexadecimal digits"},
    {"sha256:g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
     "64 hexadecimal digits"},
    {"spki:" HEX32 "0", "64 hexadecimal digits"},
    {"serial:03A5", "wants the issuer"},
    {"serial::03A5", "wants the issuer"},
    {"serial:CN=CA:", "wants the issuer"},
    {"serial:CN=CA:-", "wants the issuer"},
    {"serial:CN=CA:0x3", "wants the issuer"},
    {"serial:CN=CA:03:A5", "without colons"},
    {"serial:CN = CA:03A5", "nameopt RFC2253"},
    {"serial:CN= CA:03A5", "nameopt RFC2253"},
    {"serial:CN=CA, O=Example:03A5", "nameopt RFC2253"},
    {"serial:/CN=CA:03A5", "nameopt RFC2253"},
    {"serial:CA:03A5", "nameopt RFC2253"},
    {"serial:=CA:03A5", "nameopt RFC2253"},
    {"serial:CN=CA,=x:03A5", "nameopt RFC2253"},
    {"serial:CN=CA,:03A5", "nameopt RFC2253"},
    {"san:", "wants a DNS name"},
    {"san:*.example.test", "no patterns"},
    {"san:a b", "no spaces"},
    {"san:caf\xc3\xa9.example", "printable ASCII"},
    {"san:a\nb", "printable ASCII"},
};

static void
what_could_match_nobody_is_refused_with_what_would_be_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(invalid); i++) {
        const char *error = NULL;
        enum deny_kind kind;
        char *what = NULL;

        if (deny_what_parse(str_from(invalid[i].typed), &what, &kind, &error) != GW_E_PARSE)
            fail_msg("\"%s\" was taken", invalid[i].typed);
        assert_null(what);
        assert_non_null(error);
        if (strstr(error, invalid[i].error) == NULL)
            fail_msg("\"%s\": %s", invalid[i].typed, error);
    }
}

static void
lengths_are_bounded(void **state)
{
    char text[DENY_TEXT_MAX + 2];
    const char *error = NULL;
    enum deny_kind kind;
    char *what = NULL;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, "san:", 4);
    assert_int_equal(deny_what_parse(str_make(text, DENY_TEXT_MAX), &what, &kind, &error), 0);
    free(what);
    assert_int_equal(deny_what_parse(str_make(text, DENY_TEXT_MAX + 1), &what, &kind, &error),
                     GW_E_PARSE);
    memcpy(text, "serial:CN=a:", 12);
    assert_int_equal(
        deny_what_parse(str_make(text, 12 + 2 * DENY_SERIAL_BYTES_MAX), &what, &kind, &error), 0);
    free(what);
    assert_int_equal(
        deny_what_parse(str_make(text, 13 + 2 * DENY_SERIAL_BYTES_MAX), &what, &kind, &error),
        GW_E_PARSE);
}

static void
parse_any(void *arg, struct str input)
{
    const char *error = NULL;
    enum deny_kind kind;
    char *what = NULL;

    (void)arg;
    if (deny_what_parse(input, &what, &kind, &error) == 0) {
        char *again = NULL;

        /* The canonical form is its own canonical form. */
        assert_int_equal(deny_what_parse(str_from(what), &again, &kind, &error), 0);
        assert_string_equal(again, what);
        free(again);
        free(what);
    } else {
        assert_non_null(error);
    }
}

static void
every_cut_and_flipped_bit_is_parsed_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(valid); i++) {
        for_each_truncation(str_from(valid[i].typed), parse_any, NULL);
        for_each_bit_flip(str_from(valid[i].typed), parse_any, NULL);
    }
}

/* ---- who is refused ---- */

/* A list of one entry that ends at until_s. */
static struct deny_list *
list_of(const char *typed, int64_t until_s)
{
    struct deny_entry e = {.until_s = until_s, .added_s = 1, .why = STR_INIT("stolen")};
    struct deny_list *d = NULL;
    const char *error = NULL;
    char *what = NULL;

    if (deny_what_parse(str_from(typed), &what, &e.kind, &error) != 0)
        fail_msg("%s: %s", typed, error);
    e.what = str_from(what);
    assert_int_equal(deny_list_build(&e, 1, &d), 0);
    free(what);
    return d;
}

static struct pki_cert *ca;
static struct pki_cert *alice;
static struct pki_cert *bob;

static const struct pki_san alice_sans[] = {
    {PKI_SAN_DNS, STR_INIT("Alice.Example.Test")},
    {PKI_SAN_DNS, STR_INIT("second.example.test")},
    {PKI_SAN_URI, STR_INIT("SPIFFE://Example.Test/Ns/Alice")},
    {PKI_SAN_EMAIL, STR_INIT("Alice@Example.Test")},
    {PKI_SAN_IP, STR_INIT("192.0.2.7")},
    {PKI_SAN_IP, STR_INIT("2001:db8::7")},
};

static int
make_certs(void **state)
{
    const struct pki_cert_spec spec = {.cn = "alice",
                                       .serial = STR_INIT("\x00\xa5\x01"),
                                       .sans = alice_sans,
                                       .san_count = array_len(alice_sans)};

    (void)state;
    ca = pki_root("Deny CA");
    alice = pki_issue(&spec, ca);
    bob = pki_client(ca, "bob");
    return 0;
}

static int
free_certs(void **state)
{
    (void)state;
    pki_free(bob);
    pki_free(alice);
    pki_free(ca);
    return 0;
}

/* Both ways to read a certificate must say the same. */
static bool
is_denied(const struct deny_list *d, const struct pki_cert *cert, int64_t now_s)
{
    struct identity *id = NULL;
    struct identity names;
    struct arena arena;
    enum reason reason;
    bool full, partial;

    arena_init(&arena, 8192, 262144);
    assert_int_equal(identity_build(cert->x509, &arena, &id, &reason), 0);
    full = deny_list_match(d, id, now_s) != NULL;
    identity_names(cert->x509, &arena, &names);
    partial = deny_list_match(d, &names, now_s) != NULL;
    arena_done(&arena);
    assert_int_equal(full, partial);
    return full;
}

static void
hex_of(const uint8_t digest[32], const char *prefix, char text[80])
{
    size_t len = strlen(prefix);

    memcpy(text, prefix, len);
    str_hex_upper(text + len, digest, 32);
    text[len + 64] = '\0';
}

static void
assert_denies_alice_only(const char *typed)
{
    struct deny_list *d = list_of(typed, INT64_MAX);

    if (!is_denied(d, alice, 1000))
        fail_msg("%s does not deny", typed);
    if (is_denied(d, bob, 1000))
        fail_msg("%s denies another", typed);
    deny_list_unref(d);
}

static void
an_entry_of_each_kind_refuses_its_client_and_no_other(void **state)
{
    static const char *const typed[] = {
        "serial:CN=Deny CA:A501",
        "serial:CN=Deny CA:00a501",
        "san:alice.example.test",
        "san:SECOND.example.test.",
        "san:spiffe://EXAMPLE.test/Ns/Alice",
        "san:alice@EXAMPLE.TEST",
        "san:192.0.2.7",
        "san:2001:0db8:0000::0007",
    };
    struct identity names;
    struct arena arena;
    char text[80];

    (void)state;
    for (size_t i = 0; i < array_len(typed); i++)
        assert_denies_alice_only(typed[i]);
    arena_init(&arena, 8192, 262144);
    identity_names(alice->x509, &arena, &names);
    hex_of(names.sha256, "sha256:", text);
    assert_denies_alice_only(text);
    hex_of(names.spki_sha256, "spki:", text);
    assert_denies_alice_only(text);
    arena_done(&arena);
}

static void
what_is_near_but_not_equal_refuses_nobody(void **state)
{
    static const char *const typed[] = {
        "serial:CN=Deny CA:A502",
        "serial:CN=deny CA:A501",
        "serial:CN=Deny CA:-A501",
        "san:example.test",
        "san:alice.example.test.evil",
        "san:spiffe://example.test/ns/alice",
        "san:192.0.2.70",
        "san:2001:db8::70",
        "sha256:" HEX32,
        "spki:" HEX32,
    };

    (void)state;
    for (size_t i = 0; i < array_len(typed); i++) {
        struct deny_list *d = list_of(typed[i], INT64_MAX);

        if (is_denied(d, alice, 1000))
            fail_msg("%s denies", typed[i]);
        deny_list_unref(d);
    }
}

static void
a_negative_serial_is_another_than_its_positive_twin(void **state)
{
    const struct pki_cert_spec spec = {.cn = "minus", .serial = STR_INIT("\xff\x5b")};
    struct pki_cert *minus = pki_issue(&spec, ca);
    struct deny_list *d = list_of("serial:CN=Deny CA:-a5", INT64_MAX);

    (void)state;
    if (minus->x509 != NULL) {
        assert_true(is_denied(d, minus, 1));
        deny_list_unref(d);
        d = list_of("serial:CN=Deny CA:a5", INT64_MAX);
        assert_false(is_denied(d, minus, 1));
    }
    deny_list_unref(d);
    pki_free(minus);
}

/* Longer than anything that can be on the list; what stands beside it is still found. */
static void
a_name_of_any_length_does_no_harm(void **state)
{
    static const size_t lengths[] = {DENY_TEXT_MAX - 1, DENY_TEXT_MAX, DENY_TEXT_MAX + 1, 6000};
    static char text[8192];
    struct deny_list *d = list_of("san:good.example.test", INT64_MAX);

    (void)state;
    memset(text, 'A', sizeof(text));
    for (size_t i = 0; i < array_len(lengths); i++) {
        struct str items[] = {str_make(text, lengths[i]), STR("Good.Example.Test")};
        struct identity names = {.san_dns = {items, 2}};
        struct identity alone = {.san_dns = {items, 1}};

        assert_non_null(deny_list_match(d, &names, 1));
        assert_null(deny_list_match(d, &alone, 1));
    }
    deny_list_unref(d);
}

static void
a_certificate_that_cannot_be_stated_is_found_by_its_digest(void **state)
{
    static const struct pki_san sans[] = {{PKI_SAN_DNS, STR_INIT("good.example.test")},
                                          {PKI_SAN_DNS, STR_INIT("bad\x01name")}};
    const struct pki_cert_spec spec = {.cn = "odd", .sans = sans, .san_count = array_len(sans)};
    struct pki_cert *odd = pki_issue(&spec, ca);
    struct deny_list *d = list_of("san:good.example.test", INT64_MAX);
    struct identity names;
    struct arena arena;
    char text[80];

    (void)state;
    arena_init(&arena, 8192, 262144);
    identity_names(odd->x509, &arena, &names);
    assert_non_null(deny_list_match(d, &names, 1));
    deny_list_unref(d);
    hex_of(names.sha256, "sha256:", text);
    d = list_of(text, INT64_MAX);
    assert_non_null(deny_list_match(d, &names, 1));
    deny_list_unref(d);
    arena_done(&arena);
    pki_free(odd);
}

static void
an_entry_ends_at_its_time(void **state)
{
    struct deny_list *d = list_of("san:192.0.2.7", 5000);

    (void)state;
    assert_true(is_denied(d, alice, 4999));
    assert_false(is_denied(d, alice, 5000));
    deny_list_unref(d);
}

static void
an_ended_entry_does_not_hide_one_that_lasts(void **state)
{
    const struct deny_entry entries[] = {
        {DENY_SAN, STR_INIT("san:alice.example.test"), 10, 1, STR_INIT("")},
        {DENY_SAN, STR_INIT("san:second.example.test"), INT64_MAX, 1, STR_INIT("")},
    };
    struct deny_list *d = NULL;

    (void)state;
    assert_int_equal(deny_list_build(entries, 2, &d), 0);
    assert_true(is_denied(d, alice, 100));
    assert_ptr_equal(deny_list_ref(d), d); /* a reader and its writer: each gives up its own */
    deny_list_unref(d);
    assert_true(is_denied(d, alice, 100));
    deny_list_unref(d);
}

static void
of_two_equal_entries_the_longer_counts(void **state)
{
    const struct deny_entry entries[] = {
        {DENY_SAN, STR_INIT("san:a"), 10, 1, STR_INIT("first")},
        {DENY_SAN, STR_INIT("san:a"), 30, 2, STR_INIT("second")},
        {DENY_SAN, STR_INIT("san:a"), 20, 3, STR_INIT("third")},
    };
    struct deny_list *d = NULL;

    (void)state;
    assert_int_equal(deny_list_build(entries, 3, &d), 0);
    assert_int_equal(deny_list_count(d), 1);
    assert_int_equal(deny_list_at(d, 0)->until_s, 30);
    deny_list_unref(d);
}

static void
an_empty_list_and_none_refuse_nobody(void **state)
{
    struct deny_list *d = NULL;

    (void)state;
    assert_int_equal(deny_list_build(NULL, 0, &d), 0);
    assert_int_equal(deny_list_count(d), 0);
    assert_false(is_denied(d, alice, 1));
    assert_false(is_denied(NULL, alice, 1));
    assert_int_equal(deny_list_count(NULL), 0);
    deny_list_unref(d);
    deny_list_unref(NULL);
}

static void
ten_thousand_entries_are_found_and_one_more_is_refused(void **state)
{
    struct deny_entry *entries = calloc(DENY_ENTRIES_MAX + 1, sizeof(*entries));
    char(*texts)[32] = calloc(DENY_ENTRIES_MAX + 1, sizeof(*texts));
    struct deny_list *d = NULL;
    struct str name;
    struct identity id = {.san_dns = {&name, 1}};

    (void)state;
    for (size_t i = 0; i <= DENY_ENTRIES_MAX; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "san:host%zu.test", i);
        entries[i] = (struct deny_entry){DENY_SAN, str_from(texts[i]), INT64_MAX, 1, STR("")};
    }
    assert_int_equal(deny_list_build(entries, DENY_ENTRIES_MAX + 1, &d), GW_E_LIMIT);
    assert_null(d);
    assert_int_equal(deny_list_build(entries, DENY_ENTRIES_MAX, &d), 0);
    assert_int_equal(deny_list_count(d), DENY_ENTRIES_MAX);
    for (size_t i = 0; i <= DENY_ENTRIES_MAX; i++) {
        const struct deny_entry *e;

        name = str_from(texts[i] + 4);
        e = deny_list_match(d, &id, 1);
        assert_int_equal(e != NULL, i < DENY_ENTRIES_MAX);
        if (e != NULL)
            assert_str_equal(e->what, str_from(texts[i]));
    }
    free(texts); /* the list has its own copies */
    free(entries);
    assert_str_equal(deny_list_at(deny_list_ref(d), 7)->what, STR("san:host7.test"));
    deny_list_unref(d);
    deny_list_unref(d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_typed_is_kept_in_one_form),
        cmocka_unit_test(what_could_match_nobody_is_refused_with_what_would_be_right),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(every_cut_and_flipped_bit_is_parsed_or_refused),
        cmocka_unit_test(an_entry_of_each_kind_refuses_its_client_and_no_other),
        cmocka_unit_test(what_is_near_but_not_equal_refuses_nobody),
        cmocka_unit_test(a_negative_serial_is_another_than_its_positive_twin),
        cmocka_unit_test(a_name_of_any_length_does_no_harm),
        cmocka_unit_test(a_certificate_that_cannot_be_stated_is_found_by_its_digest),
        cmocka_unit_test(an_entry_ends_at_its_time),
        cmocka_unit_test(an_ended_entry_does_not_hide_one_that_lasts),
        cmocka_unit_test(of_two_equal_entries_the_longer_counts),
        cmocka_unit_test(an_empty_list_and_none_refuse_nobody),
        cmocka_unit_test(ten_thousand_entries_are_found_and_one_more_is_refused),
    };

    return cmocka_run_group_tests(tests, make_certs, free_certs);
}
