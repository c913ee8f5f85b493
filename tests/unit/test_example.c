/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/attributes.h"
#include "conf/config.h"
#include "conf/example.h"
#include "conf/schema.h"

#define EXAMPLE "conf/sallyport.yaml"

static char *
printed(size_t *ret_len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_len);

    assert_non_null(out);
    config_example_write(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* UPDATE=1 make unit T=test_example writes the file anew. */
static void
the_file_is_what_the_schema_says(void **state)
{
    size_t want_len;
    size_t len;
    char *want = printed(&want_len);
    char *got;

    (void)state;
    if (getenv("UPDATE") != NULL) {
        FILE *out = fopen(EXAMPLE, "w");

        assert_non_null(out);
        assert_int_equal(fwrite(want, 1, want_len, out), want_len);
        assert_int_equal(fclose(out), 0);
    }
    got = unit_read_file(EXAMPLE, &len);
    if (len != want_len || memcmp(got, want, len) != 0)
        fail_msg(EXAMPLE " is not what the schema says; UPDATE=1 make unit T=test_example");
    free(got);
    free(want);
}

static void
every_key_is_there(void **state)
{
    size_t len;
    char *text = printed(&len);

    (void)state;
    for (size_t i = 0; i < schema_key_count; i++) {
        char want[128];

        snprintf(want, sizeof(want), "%s:", schema_keys[i].name);
        if (strstr(text, want) == NULL)
            fail_msg("%s is not there", schema_keys[i].name);
        assert_non_null(schema_keys[i].doc);
    }
    for (size_t i = 0; i < attribute_count; i++)
        if (strstr(text, attributes[i].name) == NULL)
            fail_msg("%s is not there", attributes[i].name);
    free(text);
}

static void
the_rows_of_a_section_are_neighbours(void **state)
{
    (void)state;
    for (size_t i = 0; i < schema_key_count; i++) {
        size_t len = 0;

        assert_ptr_equal(schema_find(schema_keys[i].section, str_from(schema_keys[i].name)),
                         &schema_keys[i]);
        for (const struct schema_key *k = schema_first(schema_keys[i].section); k != NULL;
             k = schema_next(k))
            len++;
        for (size_t j = 0; j < schema_key_count; j++)
            len -= schema_keys[j].section == schema_keys[i].section;
        assert_int_equal(len, 0);
    }
}

/* ---- what is commented out ---- */

/* The line of text that begins at from, without its '#', and those that belong to it. malloc. */
static char *
uncommented(const char *text, const char *from)
{
    size_t column = strspn(from, " ");
    char *result = NULL;
    size_t len;
    FILE *out = open_memstream(&result, &len);
    bool is_open = true;

    assert_non_null(out);
    fwrite(text, 1, (size_t)(from - text), out);
    for (const char *line = from, *end; *line != '\0'; line = end) {
        bool is_commented = strlen(line) > column + 2 && strspn(line, " ") == column &&
                            line[column] == '#' &&
                            (line == from || strncmp(line + column, "#  ", 3) == 0);

        end = strchr(line, '\n') + 1;
        is_open = is_open && is_commented;
        fwrite(line, 1, column * is_open, out);
        line += is_open * (column + 1);
        fwrite(line, 1, (size_t)(end - line), out);
    }
    assert_int_equal(fclose(out), 0);
    return result;
}

/* True when an error has these words and stands in that line. */
static bool
is_told(const struct diag *diag, int line, const char *words)
{
    char at[64];

    snprintf(at, sizeof(at), "%s:%d:", EXAMPLE, line);
    for (size_t i = 0; i < diag->count; i++)
        if (strncmp(diag->entries[i].text, at, strlen(at)) == 0 &&
            strstr(diag->entries[i].text, words) != NULL)
            return true;
    return false;
}

/* A setting that is commented out is not available yet, or excludes the one above it. */
static void
try_setting(const char *text, const char *from, int line)
{
    char *open = uncommented(text, from);
    bool is_later;
    struct config *config = NULL;
    struct diag diag;
    bool is_alternative = false;

    diag_init(&diag);
    assert_int_equal(config_parse(str_from(open), EXAMPLE, &diag, &config), GW_E_CONFIG);
    is_later = is_told(&diag, line, ": not available yet");
    for (size_t i = 0; i < diag.count; i++)
        is_alternative |= strstr(diag.entries[i].text, "expected exactly one of") != NULL;
    if (!is_later && !is_alternative)
        fail_msg("%.40s: %s", from, diag.entries[0].text);
    assert_int_equal(diag.error_count, (size_t)is_later + is_alternative);
    config_free(config);
    diag_done(&diag);
    free(open);
}

static void
what_is_commented_out_is_valid_and_says_why(void **state)
{
    size_t len;
    char *text = printed(&len);
    int line = 1;
    int tried = 0;

    (void)state;
    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1, line++) {
        const char *hash = at + strspn(at, " ");

        if (hash[0] != '#' || !ascii_is_alpha(hash[1]))
            continue;
        try_setting(text, at, line);
        tried++;
    }
    assert_int_equal(tried, 9);
    free(text);
}

/* ---- all examples ---- */

static void
every_example_is_a_valid_configuration(void **state)
{
    DIR *dir = opendir("conf");
    int count = 0;

    (void)state;
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char *path;
        struct config *config = NULL;
        struct diag diag;

        if (!str_ends(str_from(e->d_name), STR(".yaml")))
            continue;
        path = unit_path("conf", e->d_name);
        diag_init(&diag);
        if (config_load(path, &diag, &config) != 0)
            fail_msg("%s", diag.entries[0].text);
        count++;
        config_free(config);
        diag_done(&diag);
        free(path);
    }
    closedir(dir);
    assert_true(count >= 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_is_what_the_schema_says),
        cmocka_unit_test(every_key_is_there),
        cmocka_unit_test(the_rows_of_a_section_are_neighbours),
        cmocka_unit_test(what_is_commented_out_is_valid_and_says_why),
        cmocka_unit_test(every_example_is_a_valid_configuration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
