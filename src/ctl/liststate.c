/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads, fills and writes the memory of revocation lists. Called by gateway at start and
 * after each commit, and by `check`. Owns the floors and their names. Must never read a
 * damaged file as a shorter one.
 */
#include "ctl/liststate.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "conf/digest.h"
#include "ctl/mem.h"

#define FIRST_LINE "sallyport list numbers 1"
#define DIGEST_HEX (2 * DIGEST_BYTES)

static const char repair[] =
    "put back a good copy; or remove the file, and the lists on disk are taken as they are, even "
    "if they are older than those in use before";

static void
floors_free(struct liststate *s)
{
    for (size_t i = 0; i < s->count; i++)
        free((void *)(uintptr_t)s->floors[i].store);
    free(s->floors);
    s->floors = NULL;
    s->count = 0;
}

void
liststate_done(struct liststate *s)
{
    floors_free(s);
    free(s->path);
    s->path = NULL;
}

/* ---- text ---- */

static void
text_digest(struct str text, char hex[DIGEST_HEX + 1])
{
    uint8_t bytes[DIGEST_BYTES];
    struct digest d;

    digest_init(&d);
    digest_add(&d, text);
    digest_done(&d, bytes);
    str_hex_lower(hex, bytes, DIGEST_BYTES);
    hex[DIGEST_HEX] = '\0';
}

static void
write_floor(FILE *out, const struct trust_floor *f)
{
    const uint8_t *const digests[] = {f->issuer, f->scope, f->list};
    char hex[DIGEST_HEX], at[CLOCK_ISO_LEN];

    fputs(f->store, out);
    for (size_t i = 0; i < array_len(digests); i++) {
        str_hex_lower(hex, digests[i], DIGEST_BYTES);
        fprintf(out, " %.*s", DIGEST_HEX, hex);
    }
    clock_format_iso(at, f->this_update_s);
    fprintf(out, " %s %.*s\n", f->number_hex, CLOCK_ISO_LEN, at);
}

char *
liststate_format(const struct liststate *s)
{
    char hex[DIGEST_HEX + 1];
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    gw_assert(out != NULL);
    fputs(FIRST_LINE "\n", out);
    for (size_t i = 0; i < s->count; i++)
        write_floor(out, &s->floors[i]);
    gw_assert(fflush(out) == 0);
    text_digest(str_make(text, len), hex);
    fprintf(out, "end %s\n", hex);
    gw_assert(fclose(out) == 0);
    return text;
}

static bool
read_digest(struct str text, uint8_t ret[DIGEST_BYTES])
{
    size_t len;

    return text.len == DIGEST_HEX && str_unhex(text, ret, DIGEST_BYTES, &len) == 0 &&
           len == DIGEST_BYTES;
}

static bool
read_number(struct str text, char ret[CRL_NUMBER_HEX_MAX + 1])
{
    if (text.len == 0 || text.len > CRL_NUMBER_HEX_MAX || text.len % 2 != 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!ascii_is_digit(c) && !(c >= 'A' && c <= 'F'))
            return false;
    }
    memcpy(ret, text.ptr, text.len);
    ret[text.len] = '\0';
    return true;
}

/* Sets ret->store last, so that nothing is owned by a line that is wrong. */
static bool
read_floor(struct str line, struct trust_floor *ret)
{
    struct str fields[6];
    bool done = false;
    size_t count = 0;

    *ret = (struct trust_floor){.store = NULL};
    while (count < array_len(fields) && str_split_next(&line, ' ', &done, &fields[count]))
        count++;
    if (count != array_len(fields) || !done || fields[0].len == 0 ||
        !read_digest(fields[1], ret->issuer) || !read_digest(fields[2], ret->scope) ||
        !read_digest(fields[3], ret->list) || !read_number(fields[4], ret->number_hex) ||
        clock_parse_rfc3339(fields[5], &ret->this_update_s) != 0)
        return false;
    ret->store = strndup(fields[0].ptr, fields[0].len);
    gw_assert(ret->store != NULL);
    return true;
}

static int
fail(const struct liststate *s, struct diag *diag, int line, const char *what)
{
    diag_error(diag, s->path != NULL ? s->path : "list-numbers", line, 0,
               "%s: the file is damaged; %s", what, repair);
    return GW_E_CONFIG;
}

/* Cuts the last line off, which vouches for those before it. */
static bool
take_end(struct str *text)
{
    const size_t len = strlen("end ") + DIGEST_HEX + 1;
    char hex[DIGEST_HEX + 1];
    struct str body, end;

    if (text->len < len)
        return false;
    body = str_sub(*text, 0, text->len - len);
    end = str_sub(*text, body.len, len);
    text_digest(body, hex);
    *text = body;
    return str_starts(end, STR("end ")) && end.ptr[len - 1] == '\n' &&
           str_eq(str_sub(end, 4, DIGEST_HEX), str_from(hex));
}

static void
add(struct liststate *s, const struct trust_floor *floor)
{
    s->floors = mem_resize(s->floors, s->count + 1, sizeof(*s->floors));
    s->floors[s->count++] = *floor;
}

int
liststate_parse(struct liststate *s, struct str text, struct diag *diag)
{
    struct str line;
    bool done = false;
    int number = 1;

    if (!take_end(&text))
        return fail(s, diag, 0, "does not end with the SHA-256 of its text");
    if (!str_split_next(&text, '\n', &done, &line) || !str_eq(line, STR(FIRST_LINE)))
        return fail(s, diag, 1, "does not begin with \"" FIRST_LINE "\"");
    while (!done && text.len > 0 && str_split_next(&text, '\n', &done, &line)) {
        struct trust_floor floor;

        number++;
        if (!read_floor(line, &floor)) {
            floors_free(s);
            return fail(s, diag, number, "is no line of store, digests, number and time");
        }
        add(s, &floor);
    }
    return 0;
}

/* ---- file ---- */

int
liststate_load(struct liststate *s, const char *state_dir, struct diag *diag)
{
    struct file file = {0};
    int rc;

    if (state_dir == NULL)
        return 0;
    s->path = file_join(state_dir, "list-numbers");
    if (access(s->path, F_OK) != 0 && errno == ENOENT)
        return 0;
    rc = file_read(s->path, LIST_STATE_BYTES_MAX, FILE_PUBLIC, false, diag, &file);
    if (rc != 0) {
        diag_error(diag, s->path, 0, 0, "the numbers of earlier lists cannot be read; %s", repair);
        return rc;
    }
    rc = liststate_parse(s, str_make(file.bytes, file.len), diag);
    file_done(&file);
    return rc;
}

int
liststate_save(const struct liststate *s)
{
    char *text;
    int rc;

    if (s->path == NULL)
        return 0;
    text = liststate_format(s);
    rc = file_replace(s->path, str_from(text));
    free(text);
    return rc;
}

/* ---- what is in use ---- */

static struct trust_floor *
find(struct liststate *s, const struct trust_floor *like)
{
    for (size_t i = 0; i < s->count; i++) {
        struct trust_floor *f = &s->floors[i];

        if (strcmp(f->store, like->store) == 0 &&
            memcmp(f->issuer, like->issuer, sizeof(f->issuer)) == 0 &&
            memcmp(f->scope, like->scope, sizeof(f->scope)) == 0)
            return f;
    }
    return NULL;
}

static bool
take_floor(struct liststate *s, const struct trust_floor *now)
{
    struct trust_floor *held = find(s, now);
    struct trust_floor copy = *now;

    if (held == NULL && s->count == LIST_STATE_ENTRIES_MAX)
        return false;
    if (held == NULL) {
        copy.store = mem_strdup(now->store);
        add(s, &copy);
        return true;
    }
    if (memcmp(held->list, now->list, sizeof(held->list)) == 0)
        return false;
    copy.store = held->store;
    *held = copy;
    return true;
}

bool
liststate_take(struct liststate *s, const struct trust *t)
{
    bool has_changed = false;

    for (size_t i = 0; i < trust_crl_count(t); i++) {
        struct trust_floor now;

        trust_crl_floor(t, i, &now);
        has_changed |= take_floor(s, &now);
    }
    return has_changed;
}
