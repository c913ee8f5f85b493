/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/diag.h"
#include "base/limits.h"
#include "cert/pem.h"
#include "support/util.h"

#define LABEL "X509 CRL"
#define BEGIN_LINE "-----BEGIN X509 CRL-----\n"
#define END_LINE "-----END X509 CRL-----\n"

/* What a parse handed out, one after the other, and how it ended. */
struct outcome {
    struct bytes content;
    int count;
    int last_line;
    int stop_at; /* the object that ends the parse; 0: none */
    int err;
    char *message; /* the first error */
};

static int
on_object(void *arg, struct str der, int line)
{
    struct outcome *o = arg;

    bytes_add(&o->content, der.ptr, der.len);
    o->last_line = line;
    return ++o->count == o->stop_at ? GW_E_BUG : 0;
}

static void
parse_into(struct outcome *o, struct str text, bool in_place)
{
    char *copy = malloc(text.len + 1);
    struct pem_input in = {.file = "f.pem", .label = LABEL, .destroys_text = in_place};
    struct diag diag;

    memcpy(copy, text.ptr, text.len);
    in.text = str_make(copy, text.len);
    diag_init(&diag);
    o->err = pem_parse(&in, on_object, o, &diag);
    o->message = strdup(diag.count > 0 ? diag.entries[0].text : "");
    assert_int_equal(diag_has_errors(&diag), o->err == GW_E_CONFIG);
    diag_done(&diag);
    free(copy);
}

static struct outcome
parse(struct str text, bool in_place)
{
    struct outcome o = {0};

    parse_into(&o, text, in_place);
    return o;
}

static void
outcome_done(struct outcome *o)
{
    bytes_free(&o->content);
    free(o->message);
}

/* Base64 by OpenSSL's encoder, in lines of width characters. */
static void
add_pem(struct bytes *out, const uint8_t *der, size_t len, size_t width, const char *eol)
{
    char *text = malloc(len / 3 * 4 + 8);
    size_t text_len = (size_t)EVP_EncodeBlock((uint8_t *)text, der, (int)len);

    bytes_printf(out, "-----BEGIN %s-----%s", LABEL, eol);
    for (size_t at = 0; at < text_len; at += width)
        bytes_printf(out, "%.*s%s", (int)size_min(width, text_len - at), text + at, eol);
    bytes_printf(out, "-----END %s-----%s", LABEL, eol);
    free(text);
}

static void
fill(uint8_t *dst, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1103515245u + 12345u;
        dst[i] = (uint8_t)(seed >> 16);
    }
}

static void
decodes_every_length_as_it_was_encoded(void **state)
{
    static const size_t widths[] = {64, 76, 4, 60};
    uint8_t der[260];

    (void)state;
    for (size_t len = 1; len <= sizeof(der); len++) {
        for (size_t w = 0; w < array_len(widths); w++) {
            struct bytes text = {0};
            struct outcome o;

            fill(der, len, (unsigned)len);
            add_pem(&text, der, len, widths[w], w % 2 ? "\n" : "\r\n");
            add_pem(&text, der, len, widths[w], "\n");
            for (int in_place = 0; in_place < 2; in_place++) {
                o = parse(bytes_str(&text), in_place != 0);
                assert_int_equal(o.err, 0);
                assert_int_equal(o.count, 2);
                assert_int_equal(o.content.len, 2 * len);
                assert_memory_equal(o.content.ptr, der, len);
                assert_memory_equal(o.content.ptr + len, der, len);
                outcome_done(&o);
            }
            bytes_free(&text);
        }
    }
}

static void
large_objects_come_out_whole(void **state)
{
    size_t len = 3 * PAGES_MIN + 17;
    uint8_t *der = malloc(len);
    struct bytes text = {0};

    (void)state;
    fill(der, len, 1);
    add_pem(&text, der, 100, 64, "\n");
    add_pem(&text, der, len, 64, "\n");
    for (int in_place = 0; in_place < 2; in_place++) {
        struct outcome o = parse(bytes_str(&text), in_place != 0);

        assert_int_equal(o.err, 0);
        assert_int_equal(o.count, 2);
        assert_int_equal(o.content.len, 100 + len);
        assert_memory_equal(o.content.ptr + 100, der, len);
        outcome_done(&o);
    }
    bytes_free(&text);
    free(der);
}

static void
comments_and_blank_lines_stand_between_objects(void **state)
{
    struct outcome o =
        parse(STR("# a comment -- with dashes\n\n \t\r\n" BEGIN_LINE "AQID\n" END_LINE
                  "\n#-----BEGIN X509 CRL-----\n" BEGIN_LINE "BAU=\n" END_LINE "# end"),
              false);

    (void)state;
    assert_int_equal(o.err, 0);
    assert_int_equal(o.count, 2);
    assert_int_equal(o.last_line, 9);
    assert_str_equal(bytes_str(&o.content), STR("\1\2\3\4\5"));
    outcome_done(&o);
}

static void
the_last_newline_may_be_missing(void **state)
{
    struct outcome o = parse(STR(BEGIN_LINE "AQID\n-----END X509 CRL-----"), false);

    (void)state;
    assert_int_equal(o.err, 0);
    assert_int_equal(o.count, 1);
    outcome_done(&o);
}

static void
damaged_texts_are_refused_with_their_place(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", "f.pem: is empty"},
        {"# only a comment\n", "f.pem: holds no \"-----BEGIN X509 CRL-----\" object"},
        {"AQID\n", "f.pem:1: text between objects"},
        {"x" BEGIN_LINE "AQID\n" END_LINE, "f.pem:1: text between objects"},
        {" " BEGIN_LINE "AQID\n" END_LINE, "f.pem:1: text between objects"},
        {BEGIN_LINE "AQID\n" END_LINE "garbage\n", "f.pem:4: text between objects"},
        {BEGIN_LINE "AQID\n" END_LINE "Certificate:\n", "f.pem:4: text between objects"},
        {BEGIN_LINE "AQID\n", "f.pem:1: the object that begins here has no"},
        {BEGIN_LINE, "f.pem:1: the object that begins here has no"},
        {"-----BEGIN X509 CRL", "f.pem:1: neither a whole BEGIN"},
        {"-----BEGIN X509 CRL----\nAQID\n" END_LINE, "f.pem:1: neither a whole BEGIN"},
        {BEGIN_LINE "AQID\n-----END X509 CRL----", "f.pem:1: the object that begins here"},
        {BEGIN_LINE "AQID\n-----END CERTIFICATE-----\n", "f.pem:1: the object that begins here"},
        {BEGIN_LINE "AQID\n" BEGIN_LINE "AQID\n" END_LINE, "f.pem:1: the object that begins here"},
        {BEGIN_LINE "AQID\n" END_LINE END_LINE, "f.pem:4: an END line without its BEGIN"},
        {END_LINE BEGIN_LINE "AQID\n" END_LINE, "f.pem:1: an END line without its BEGIN"},
        {BEGIN_LINE END_LINE, "f.pem:1: an object without content"},
        {BEGIN_LINE "\nAQID\n" END_LINE, "f.pem:2: blank line inside"},
        {BEGIN_LINE "AQID\n\n" END_LINE, "f.pem:3: blank line inside"},
        {BEGIN_LINE "AQI\n" END_LINE, "f.pem:2: a base64 line that is no multiple of 4"},
        {BEGIN_LINE "AQIDA\n" END_LINE, "f.pem:2: a base64 line that is no multiple of 4"},
        {BEGIN_LINE "AQ=D\n" END_LINE, "f.pem:2:3: no canonical base64"},
        {BEGIN_LINE "A===\n" END_LINE, "f.pem:2:2: no canonical base64"},
        {BEGIN_LINE "AR==\n" END_LINE, "f.pem:2:2: no canonical base64"}, /* bits left over */
        {BEGIN_LINE "AQJ=\n" END_LINE, "f.pem:2:3: no canonical base64"},
        {BEGIN_LINE "AQI=AQID\n" END_LINE, "f.pem:2:4: no canonical base64"},
        {BEGIN_LINE "AQ==\nAQID\n" END_LINE, "f.pem:3: base64 goes on after its last line"},
        {BEGIN_LINE "AQIDAQID\nAQID\nAQID\n" END_LINE, "f.pem:4: base64 goes on"},
        {BEGIN_LINE "AQID\nAQIDAQID\n" END_LINE, "f.pem:3: a base64 line longer"},
        {BEGIN_LINE "AQ:D\n" END_LINE, "f.pem:2:3: no canonical base64"},
        {BEGIN_LINE "AQ D\n" END_LINE, "f.pem:2:3: no canonical base64"},
        {BEGIN_LINE "AQIDAQI\x80\n" END_LINE, "f.pem:2:8: no canonical base64"},
        {BEGIN_LINE "AQID-----END X509 CRL-----\n", "f.pem:2: '-' inside base64"},
        {BEGIN_LINE "Proc-Type: 4\n\nAQID\n" END_LINE, "f.pem:2"},
        {"-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n",
         "f.pem:1: \"CERTIFICATE\" found where only \"X509 CRL\" may be; that is a certificate"},
        {"-----BEGIN EC PRIVATE KEY-----\nAQID\n-----END EC PRIVATE KEY-----\n",
         "f.pem:1: \"EC PRIVATE KEY\" found where only \"X509 CRL\" may be; a private key"},
        {"-----BEGIN TRUSTED CERTIFICATE-----\n", "f.pem:1: \"TRUSTED CERTIFICATE\" found"},
        {"-----BEGIN X509 CERTIFICATE-----\n", "f.pem:1: \"X509 CERTIFICATE\" found"},
        {"-----BEGIN x509 crl-----\n", "f.pem:1: \"x509 crl\" found"},
        {"-----BEGIN -----\n", "f.pem:1: \"\" found"},
        {"\x30\x82\x01\x0a\x02", "f.pem:1: this is DER, not PEM"},
    };

    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        for (int in_place = 0; in_place < 2; in_place++) {
            struct outcome o = parse(str_from(rows[i].text), in_place != 0);

            assert_int_equal(o.err, GW_E_CONFIG);
            if (!str_starts(str_from(o.message), str_from(rows[i].message)))
                fail_msg("row %zu: \"%s\"", i, o.message);
            outcome_done(&o);
        }
    }
}

static void
the_line_of_bad_base64_deep_inside_is_named(void **state)
{
    uint8_t der[48 * 20];
    struct bytes text = {0};

    (void)state;
    fill(der, sizeof(der), 3);
    add_pem(&text, der, sizeof(der), 64, "\n");
    text.ptr[sizeof(BEGIN_LINE) - 1 + 65 * 12 + 30] = '*';
    for (int in_place = 0; in_place < 2; in_place++) {
        struct outcome o = parse(bytes_str(&text), in_place != 0);

        assert_int_equal(o.err, GW_E_CONFIG);
        assert_string_equal(o.message, "f.pem:14:31: no canonical base64 here");
        outcome_done(&o);
    }
    bytes_free(&text);
}

static void
lines_longer_than_the_limit_are_refused(void **state)
{
    uint8_t der[300];
    struct bytes text = {0};
    struct outcome o;

    (void)state;
    fill(der, sizeof(der), 4);
    add_pem(&text, der, sizeof(der), PEM_LINE_MAX + 4, "\n");
    o = parse(bytes_str(&text), false);
    assert_int_equal(o.err, GW_E_CONFIG);
    outcome_done(&o);
    bytes_free(&text);
}

static void
the_callback_ends_the_parse(void **state)
{
    struct outcome o = {.stop_at = 1};

    (void)state;
    parse_into(&o, STR(BEGIN_LINE "AQID\n" END_LINE BEGIN_LINE "AQID\n" END_LINE), false);
    assert_int_equal(o.err, GW_E_BUG);
    assert_int_equal(o.count, 1);
    outcome_done(&o);
}

/* ---- truncation and flips ---- */

struct intact {
    struct str content;
    size_t object_bytes[4]; /* length of content after each object */
    size_t ends[4];         /* where in the text each object's END line ends, without its LF */
    int count;
    size_t accepted; /* texts that parsed */
};

static void
check_cut(void *arg, struct str text)
{
    struct intact *whole = arg;
    struct outcome o = parse(text, false);

    if (o.err == 0) {
        bool is_boundary = false;

        whole->accepted++;
        for (int i = 0; i < whole->count; i++) {
            /* Between objects a cut file is a whole, smaller one: nothing in it tells. */
            is_boundary |= o.count == i + 1 && o.content.len == whole->object_bytes[i] &&
                           (text.len == whole->ends[i] || text.len == whole->ends[i] + 1);
        }
        assert_true(is_boundary);
        assert_memory_equal(o.content.ptr, whole->content.ptr, o.content.len);
    }
    outcome_done(&o);
}

static void
check_flip(void *arg, struct str text)
{
    struct intact *whole = arg;
    struct outcome o = parse(text, false);

    if (o.err == 0) {
        whole->accepted++;
        assert_int_equal(o.count, whole->count);
    }
    outcome_done(&o);
}

static void
no_damage_hides_an_object(void **state)
{
    static const size_t lens[] = {1, 96, 100};
    struct intact whole = {0};
    struct bytes text = {0}, content = {0};
    uint8_t der[100];

    (void)state;
    for (size_t i = 0; i < array_len(lens); i++) {
        fill(der, lens[i], (unsigned)i);
        add_pem(&text, der, lens[i], 64, "\n");
        bytes_add(&content, der, lens[i]);
        whole.object_bytes[i] = content.len;
        whole.ends[i] = text.len - 1;
        whole.count++;
    }
    whole.content = bytes_str(&content);
    for_each_truncation(bytes_str(&text), check_cut, &whole);
    /* Two cuts after each object but the last, which loses no more than its newline. */
    assert_int_equal(whole.accepted, 5);
    whole.accepted = 0;
    for_each_bit_flip(bytes_str(&text), check_flip, &whole);
    assert_true(whole.accepted > 0); /* of base64 that still decodes: signatures are for that */
    bytes_free(&text);
    bytes_free(&content);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_every_length_as_it_was_encoded),
        cmocka_unit_test(large_objects_come_out_whole),
        cmocka_unit_test(comments_and_blank_lines_stand_between_objects),
        cmocka_unit_test(the_last_newline_may_be_missing),
        cmocka_unit_test(damaged_texts_are_refused_with_their_place),
        cmocka_unit_test(the_line_of_bad_base64_deep_inside_is_named),
        cmocka_unit_test(lines_longer_than_the_limit_are_refused),
        cmocka_unit_test(the_callback_ends_the_parse),
        cmocka_unit_test(no_damage_hides_an_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
