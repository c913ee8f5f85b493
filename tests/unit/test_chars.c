/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <ctype.h>

#include "http/chars.h"

/* The grammar written down a second time, by rule instead of by table. */
static unsigned
classes_of(int c)
{
    bool alnum = c < 128 && isalnum(c);
    bool printable = c > 0x20 && c < 0x7f;
    bool unreserved = alnum || (printable && strchr("-._~", c) != NULL);
    bool pchar = unreserved || (printable && strchr("!$&'()*+,;=:@", c) != NULL);
    unsigned classes = 0;

    if (alnum || (printable && strchr("!#$%&'*+-.^_`|~", c) != NULL))
        classes |= CHAR_TOKEN;
    if (c == '\t' || c == ' ' || printable || c >= 0x80)
        classes |= CHAR_VALUE;
    if (pchar)
        classes |= CHAR_PATH;
    if (pchar || (printable && strchr("/?|{}^`[]", c) != NULL))
        classes |= CHAR_QUERY;
    if (unreserved)
        classes |= CHAR_UNRESERVED;
    if (alnum || c == '-' || c == '_')
        classes |= CHAR_HOST;
    if (c >= '0' && c <= '9')
        classes |= CHAR_DIGIT;
    if (c < 128 && isxdigit(c))
        classes |= CHAR_HEX;
    return classes;
}

static void
every_byte_has_the_classes_that_the_grammar_gives_it(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        for (unsigned bit = 0; bit < 8; bit++)
            assert_int_equal(char_is((char)c, 1u << bit), classes_of(c) >> bit & 1);
    }
}

static void
hex_digits_have_their_values(void **state)
{
    const char *digits = "0123456789abcdef";

    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(char_hex_value(digits[i]), i);
        assert_int_equal(char_hex_value((char)toupper(digits[i])), i);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_has_the_classes_that_the_grammar_gives_it),
        cmocka_unit_test(hex_digits_have_their_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
