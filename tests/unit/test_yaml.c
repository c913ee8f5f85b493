/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/limits.h"
#include "conf/mem.h"
#include "conf/yaml.h"

#define CPU_MS_MAX 1000 /* quadratic takes many times that; 100 is too little for -O0 */

struct fixture {
    struct arena arena;
    struct diag diag;
    struct yaml_node *root;
    int err;
};

static void
parse(struct fixture *f, struct str text)
{
    *f = (struct fixture){0};
    conf_arena_init(&f->arena);
    diag_init(&f->diag);
    f->err = yaml_parse(text, "t", &f->arena, &f->diag, &f->root);
}

static void
done(struct fixture *f)
{
    diag_done(&f->diag);
    arena_done(&f->arena);
}

/* ---- trees ---- */

static void
maps_lists_and_scalars_keep_order_and_place(void **state)
{
    struct fixture f;
    const struct yaml_node *n;

    (void)state;
    parse(&f, STR("a: 1\nb:\n  - x\n  - {c: y, d: [z, \"q r\"]}\n'e': |\n  two\n  lines\n"));
    assert_int_equal(f.err, 0);
    assert_int_equal(f.diag.count, 0);
    assert_int_equal(f.root->kind, YAML_MAP);
    assert_int_equal(f.root->count, 3);

    n = yaml_get(f.root, STR("a"));
    assert_str_equal(n->text, STR("1"));
    assert_int_equal(n->line, 1);
    assert_int_equal(n->column, 4);
    assert_int_equal(n->key->column, 1);
    assert_false(n->is_quoted);

    n = yaml_get(f.root, STR("b"));
    assert_int_equal(n->kind, YAML_LIST);
    assert_int_equal(n->count, 2);
    assert_str_equal(n->first->text, STR("x"));
    n = yaml_get(n->first->next, STR("d"));
    assert_int_equal(n->line, 4);
    assert_int_equal(n->column, 15);
    assert_str_equal(n->first->next->text, STR("q r"));
    assert_true(n->first->next->is_quoted);

    n = yaml_get(f.root, STR("e"));
    assert_str_equal(n->text, STR("two\nlines\n"));
    assert_true(n->is_quoted);
    assert_null(yaml_get(f.root, STR("f")));
    assert_null(yaml_get(n, STR("f")));
    done(&f);
}

static void
nothing_is_told_from_empty_text(void **state)
{
    struct fixture f;

    (void)state;
    parse(&f, STR("a:\nb: ~\nc: null\nd: ''\ne: \"null\"\nf: Null\n"));
    assert_int_equal(f.err, 0);
    assert_true(yaml_get(f.root, STR("a"))->is_null);
    assert_true(yaml_get(f.root, STR("b"))->is_null);
    assert_true(yaml_get(f.root, STR("c"))->is_null);
    assert_false(yaml_get(f.root, STR("d"))->is_null);
    assert_false(yaml_get(f.root, STR("e"))->is_null);
    assert_false(yaml_get(f.root, STR("f"))->is_null);
    done(&f);
}

static void
an_empty_text_is_an_empty_map(void **state)
{
    static const char *const texts[] = {"", "\n", "# only words\n", "---\n", "---\n...\n", "~\n"};

    (void)state;
    for (size_t i = 0; i < array_len(texts); i++) {
        struct fixture f;

        parse(&f, str_from(texts[i]));
        assert_int_equal(f.err, 0);
        assert_int_equal(f.root->kind, YAML_MAP);
        assert_int_equal(f.root->count, 0);
        done(&f);
    }
}

static void
columns_count_characters(void **state)
{
    struct fixture f;

    (void)state;
    parse(&f, STR("\"\xc3\xa4\xc3\xb6\": x\n"));
    assert_int_equal(f.err, 0);
    assert_int_equal(f.root->first->column, 7);
    done(&f);
}

/* ---- refusals ---- */

struct refusal {
    const char *text;
    size_t len; /* 0: strlen */
    const char *at;
    const char *words;
    bool has_tree; /* the errors leave something to read on */
};

static const struct refusal refusals[] = {
    {"a: &x 1\n", 0, "t:1:4:", "anchors are not accepted", true},
    {"a: &x [1]\n", 0, "t:1:4:", "anchors are not accepted", true},
    {"a: &x {b: 1}\n", 0, "t:1:4:", "anchors are not accepted", true},
    {"a: *x\n", 0, "t:1:4:", "aliases are not accepted", true},
    {"a: [*x]\n", 0, "t:1:5:", "aliases are not accepted", true},
    {"*x : 1\n", 0, "t:1:1:", "aliases are not accepted", false},
    {"a: !!str 1\n", 0, "t:1:4:", "tags are not accepted", true},
    {"a: !x 1\n", 0, "t:1:4:", "tags are not accepted", true},
    {"a: ! 1\n", 0, "t:1:4:", "tags are not accepted", true},
    {"a: !!map {}\n", 0, "t:1:4:", "tags are not accepted", true},
    {"a: !<tag:yaml.org,2002:str> x\n", 0, "t:1:4:", "tags are not accepted", true},
    {"a: !!binary aGk=\n", 0, "t:1:4:", "tags are not accepted", true},
    {"<<: {a: 1}\n", 0, "t:1:1:", "merge keys are not accepted", false},
    {"a:\n  <<: *b\n", 0, "t:2:3:", "merge keys are not accepted", false},
    {"a: 1\na: 2\n", 0, "t:2:1:", "duplicate key \"a\"; it already stands in line 1", true},
    {"a: {b: 1, b: 2}\n", 0, "t:1:11:", "duplicate key \"b\"", true},
    {"a: 1\n\"a\": 2\n", 0, "t:2:1:", "duplicate key \"a\"", true},
    {"[a]: 1\n", 0, "t:1:1:", "a key must be text", false},
    {"{a: 1}: 1\n", 0, "t:1:1:", "a key must be text", false},
    {"? [a]\n: 1\n", 0, "t:1:3:", "a key must be text", false},
    {"\"a\\0b\": 1\n", 0, "t:1:1:", "a key must not contain a NUL", false},
    {"a: 1\n---\nb: 2\n", 0, "t:2:1:", "a second document begins", false},
    {"--- a\n--- b\n", 0, "t:2:1:", "a second document begins", false},
    {"%YAML 1.1\n---\na: 1\n", 0, "t:1:1:", "directives", false},
    {"%TAG ! tag:x,2000:\n---\na: 1\n", 0, "t:1:1:", "directives", false},
    {"\xef\xbb\xbf"
     "a: 1\n",
     0, "t:1:1:", "byte order mark", false},
    {"\xff\xfe"
     "a\0:\0",
     6, "t:1:1:", "UTF-16", false},
    {"\xfe\xff\0a", 4, "t:1:1:", "UTF-16", false},
    {"a: 1\nb\0c: 2\n", 12, "t:2:2:", "NUL byte", false},
    {"a: 1\nb: \xff\n", 0, "t:2:4:", "not text in UTF-8", false},
    {"a: \xc3\n", 0, "t:1:5:", "not text in UTF-8", false},
    {"a: \xed\xa0\x80\n", 0, "t:1:4:", "not text in UTF-8", false},
    {"a: \xc0\xaf\n", 0, "t:1:4:", "not text in UTF-8", false},
    {"a: x\x01\n", 0, "t:1:5:", "not text in UTF-8: control characters", false},
    {"a:\n\tb: 1\n", 0, "t:2:1:", "a tab cannot indent; use spaces", false},
    {"a:\n  - b\n\t- c\n", 0, "t:3:1:", "a tab cannot indent", false},
    {"a: 1\n b: 2\n", 0, "t:2:3:",
     "not YAML: mapping values are not allowed in this context; this key stands where", false},
    {"a:b\nc: d\n", 0, "t:2:2:", "look for a missing \": \" in the line above", false},
    {"a:\n  b: 1\n c: 2\n", 0, "t:3:2:", "this line is indented otherwise", false},
    {"a: 1\nb\n", 0, "t:3:1:", "a key ends with \": \"", false},
    {"a: b: c\n", 0, "t:1:5:", "not YAML: mapping values are not allowed", false},
    {"a: [1, 2\nb: 3\n", 0, "t:2:2:", "not YAML: did not find expected ',' or ']'", false},
    {"a: 'b\n", 0, "t:2:1:", "not YAML: found unexpected end of stream", false},
    {"a: \"\\q\"\n", 0, "t:1:5:", "not YAML: found unknown escape character", false},
    {"a: @b\n", 0, "t:1:4:", "not YAML: found character that cannot start any token", false},
    {"a: }\n", 0, "t:1:4:", "not YAML:", false},
    {"- a\nb: 1\n", 0, "t:2:1:", "not YAML:", false},
    {"a: -\n", 0, "t:1:4:", "not YAML: block sequence entries are not allowed", false},
};

static void
what_is_not_accepted_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(refusals); i++) {
        const struct refusal *r = &refusals[i];
        struct fixture f;

        parse(&f, str_make(r->text, r->len > 0 ? r->len : strlen(r->text)));
        if (f.diag.count == 0)
            fail_msg("accepted: %s", r->text);
        if (strncmp(f.diag.entries[0].text, r->at, strlen(r->at)) != 0 ||
            strstr(f.diag.entries[0].text, r->words) == NULL)
            fail_msg("for %s\n  got  %s\n  want %s %s", r->text, f.diag.entries[0].text, r->at,
                     r->words);
        assert_int_equal(f.err, r->has_tree ? 0 : GW_E_CONFIG);
        done(&f);
    }
}

static void
errors_that_leave_a_tree_are_all_collected(void **state)
{
    struct fixture f;

    (void)state;
    parse(&f, STR("a: &x 1\nb: *x\nc: !y 2\na: 3\nd: 4\n"));
    assert_int_equal(f.err, 0);
    assert_int_equal(f.diag.error_count, 4);
    assert_int_equal(f.root->count, 4);
    assert_int_equal(yaml_get(f.root, STR("b"))->kind, YAML_BROKEN);
    assert_str_equal(yaml_get(f.root, STR("a"))->text, STR("1"));
    assert_str_equal(yaml_get(f.root, STR("d"))->text, STR("4"));
    done(&f);
}

/* ---- hostile texts ---- */

static double
cpu_ms(void)
{
    return (double)clock() * 1000.0 / CLOCKS_PER_SEC;
}

/* Reads text; it must be refused with these words, within the time. */
static void
refuse_quickly(struct str text, const char *words)
{
    struct fixture f;
    double before = cpu_ms();
    double took;

    parse(&f, text);
    took = cpu_ms() - before;
    assert_true(f.diag.error_count > 0);
    if (strstr(f.diag.entries[f.diag.count - 1].text, words) == NULL)
        fail_msg("got %s, want %s", f.diag.entries[f.diag.count - 1].text, words);
    if (took > CPU_MS_MAX)
        fail_msg("%.60s...: %.0f ms", text.ptr, took);
    done(&f);
}

/* unit over and over, up to the largest configuration. */
static char *
repeat(const char *unit, size_t *ret_len)
{
    size_t n = strlen(unit);
    size_t count = CONFIG_BYTES_MAX / n;
    char *text = malloc(count * n + 1);

    assert_non_null(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * n, unit, n);
    text[count * n] = '\0';
    *ret_len = count * n;
    return text;
}

static void
deep_nesting_is_refused_in_no_time(void **state)
{
    static const char *const units[] = {"[",   "{",        "- ",   "? ",  "[[",     "{a: ", "[\n",
                                        "[a,", "{\"a\":[", "{? [", "- [", "['a',[", "- ? "};

    (void)state;
    for (size_t i = 0; i < array_len(units); i++) {
        size_t len;
        char *text = repeat(units[i], &len);

        refuse_quickly(str_make(text, len), "nested deeper than 16 levels");
        free(text);
    }
}

/* A quote inside a plain scalar is none, which the look at the bytes does not know: then the parser
 * itself counts. */
static void
nesting_that_hides_behind_a_quote_is_refused_too(void **state)
{
    char text[20000] = "a: b\n  \"c\nd: ";

    (void)state;
    memset(text + strlen(text), '[', sizeof(text) - 1 - strlen(text));
    refuse_quickly(str_from(text), "nested too deep");
}

static void
text_that_goes_on_and_on_is_refused_in_no_time(void **state)
{
    static const char *const units[] = {"\"",  "'",   "&a ", "!", "!!a ", "*a ", "|",
                                        "a: ", "x ",  "a,",  "%", "\\",   "# ",  ": ",
                                        "a\n", "-\n", "?\n", "]", "\t"};

    (void)state;
    for (size_t i = 0; i < array_len(units); i++) {
        size_t len;
        char *text = repeat(units[i], &len);
        struct fixture f;
        double before = cpu_ms();

        parse(&f, str_make(text, len));
        assert_true(cpu_ms() - before < CPU_MS_MAX);
        done(&f);
        free(text);
    }
}

/* Ten levels of ten: expanded, ten thousand million nodes. */
static void
an_alias_bomb_is_refused(void **state)
{
    char text[4096];
    size_t len = (size_t)snprintf(text, sizeof(text), "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");

    (void)state;
    for (int i = 1; i < 10; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "*a%d,", i - 1);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "]\n");
    }
    refuse_quickly(str_make(text, len), "not accepted");
}

static char *
numbered(const char *fmt, int count, size_t *ret_len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_len);

    assert_non_null(out);
    for (int i = 0; i < count; i++)
        fprintf(out, "%s%d%s", fmt, i, ": 1\n");
    assert_int_equal(fclose(out), 0);
    return text;
}

static void
too_many_values_are_refused(void **state)
{
    size_t len;
    char *text = numbered("key", YAML_NODES_MAX / 2, &len);

    (void)state;
    refuse_quickly(str_make(text, len), "more than 50000 values");
    free(text);
}

static void
as_many_values_as_allowed_are_read(void **state)
{
    size_t len;
    char *text = numbered("key", YAML_NODES_MAX / 2 - 1, &len);
    struct fixture f;

    (void)state;
    parse(&f, str_make(text, len));
    assert_int_equal(f.err, 0);
    assert_int_equal(f.root->count, YAML_NODES_MAX / 2 - 1);
    done(&f);
    free(text);
}

static void
a_value_may_be_so_long_and_no_longer(void **state)
{
    char text[YAML_SCALAR_BYTES_MAX + 16] = "a: ";
    struct fixture f;

    (void)state;
    memset(text + 3, 'x', YAML_SCALAR_BYTES_MAX + 1);
    parse(&f, str_make(text, 3 + YAML_SCALAR_BYTES_MAX));
    assert_int_equal(f.err, 0);
    assert_int_equal(f.root->first->text.len, YAML_SCALAR_BYTES_MAX);
    done(&f);
    refuse_quickly(str_make(text, 3 + YAML_SCALAR_BYTES_MAX + 1), "at most 16384 are accepted");
}

/* YAML_DEPTH_MAX collections inside each other, in several spellings. */
static void
nesting_up_to_the_limit_is_read(void **state)
{
    static const char *const opens[] = {"[", "{a: ", "- "};
    static const char *const closes[] = {"]", "}", ""};

    (void)state;
    for (size_t i = 0; i < array_len(opens); i++) {
        for (int depth = YAML_DEPTH_MAX; depth <= YAML_DEPTH_MAX + 1; depth++) {
            char text[512];
            size_t len = 0;
            struct fixture f;

            for (int j = 0; j < depth; j++)
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", opens[i]);
            len += (size_t)snprintf(text + len, sizeof(text) - len, "x");
            for (int j = 0; j < depth; j++)
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", closes[i]);
            parse(&f, str_make(text, len));
            assert_int_equal(f.err, depth <= YAML_DEPTH_MAX ? 0 : GW_E_CONFIG);
            done(&f);
        }
    }
}

/* The look at the bytes must not see nesting where YAML sees text. */
static void
brackets_in_text_do_not_nest(void **state)
{
    static const char *const texts[] = {
        "a: \"[[[[[[[[[[[[[[[[[[[[[[[[[\"\n",
        "a: '{{{{{{{{{{{{{{''{{{{{{{{{{{{{'\n",
        "a: x[[[[[[[[[[[[[[[[[[[[[[[[[\n",
        "a: it's [[[[[[[[[[[[[[[[[[[[[\n",
        "# [[[[[[[[[[[[[[[[[[[[[[[[[[[\na: 1\n",
        "a: 1 # [[[[[[[[[[[[[[[[[[[[[[\n",
        "a: |\n  [[[[[[[[[[[[[[[[[[[[[[[\n  - - - - - - - - - - - - - - - - - -\nb: 1\n",
        "- a: >-\n    [[[[[[[[[[[[[[[[[[[[[[[\n\n    [[[[[[[[[[[[[[[\n  b: 1\n- c: 2\n",
        "a: [\"[[[[[[[[[\", '[[[[[[[[[[', \"[[[[[\"]\nb: {\"c\":\"[[[[[[[[[[[[[[[[[[\"}\n",
        "a: \"\\\"[[[[[[[[[[[[[[[[[[[[[[[\"\n",
        "a:\n- b:\n  - c:\n    - d\n",
        "a:\n  b:\n    c: 1\nd:\n  e:\n    f: 1\ng:\n  h: 1\ni: 1\n",
        "a: [[1], [2], [3], [4], [5], [6], [7], [8], [9], [1], [2], [3], [4], [5], [6], [7]]\n",
    };

    (void)state;
    for (size_t i = 0; i < array_len(texts); i++) {
        struct fixture f;

        parse(&f, str_from(texts[i]));
        if (f.err != 0)
            fail_msg("%s: %s", texts[i], f.diag.entries[0].text);
        done(&f);
    }
}

/* ---- damage ---- */

static const char sample[] = "a: 1\n"
                             "b:\n"
                             "  - x: \"q\\n\"\n"
                             "    y: ['z', {k: v}]\n"
                             "  - |\n"
                             "    text\n"
                             "c: {d: ~, e: 'f''g'} # end\n";

static void
parse_anything(void *arg, struct str text)
{
    struct fixture f;

    (void)arg;
    parse(&f, text);
    assert_true(f.err == 0 || f.diag.error_count > 0);
    assert_true(f.err == 0 ? f.root != NULL : f.root == NULL);
    done(&f);
}

static void
cut_and_damaged_texts_are_survived(void **state)
{
    (void)state;
    for_each_truncation(str_from(sample), parse_anything, NULL);
    for_each_bit_flip(str_from(sample), parse_anything, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_lists_and_scalars_keep_order_and_place),
        cmocka_unit_test(nothing_is_told_from_empty_text),
        cmocka_unit_test(an_empty_text_is_an_empty_map),
        cmocka_unit_test(columns_count_characters),
        cmocka_unit_test(what_is_not_accepted_is_refused_with_its_place),
        cmocka_unit_test(errors_that_leave_a_tree_are_all_collected),
        cmocka_unit_test(deep_nesting_is_refused_in_no_time),
        cmocka_unit_test(nesting_that_hides_behind_a_quote_is_refused_too),
        cmocka_unit_test(text_that_goes_on_and_on_is_refused_in_no_time),
        cmocka_unit_test(an_alias_bomb_is_refused),
        cmocka_unit_test(too_many_values_are_refused),
        cmocka_unit_test(as_many_values_as_allowed_are_read),
        cmocka_unit_test(a_value_may_be_so_long_and_no_longer),
        cmocka_unit_test(nesting_up_to_the_limit_is_read),
        cmocka_unit_test(brackets_in_text_do_not_nest),
        cmocka_unit_test(cut_and_damaged_texts_are_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
