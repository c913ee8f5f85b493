/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes to the deny list: checked, applied, saved, logged. Called by gateway for requests
 * of the admin socket; owns the current list and the timer of its next end. Must never drop
 * an entry because of trouble with the file.
 */
#include "ctl/deny.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "conf/value.h"
#include "ctl/mem.h"

#define DAY_S 86400
#define UNTIL_TEXT_MAX 64

struct deny_book {
    struct loop *loop;
    struct loop_timer timer; /* of the entry that ends first */
    struct deny_hooks hooks;
    char *state_dir; /* NULL: none */
    char *path;
    struct deny_list *list;
    bool is_let_go; /* another process writes the file */
};

static char *text_of(const char *fmt, ...) GW_PRINTF(1, 2);

static char *
text_of(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    gw_assert(vasprintf(&text, fmt, args) >= 0);
    va_end(args);
    return text;
}

static int64_t
book_now_s(const struct deny_book *b)
{
    return clock_wall_s(loop_now_fresh(b->loop));
}

static const char *
until_text(int64_t until_s, char text[UNTIL_TEXT_MAX])
{
    char iso[CLOCK_ISO_LEN];

    if (until_s == INT64_MAX)
        return "for good";
    clock_format_iso(iso, until_s);
    (void)snprintf(text, UNTIL_TEXT_MAX, "until %.*s", CLOCK_ISO_LEN, iso);
    return text;
}

/* ---- the list ------------------------------------------------------------------------------ */

/* The wall clock may jump, so it is looked at now and then before the end too. */
static void
set_timer(struct deny_book *b)
{
    int64_t now_s = book_now_s(b);
    int64_t wait_s = INT64_MAX;

    for (size_t i = 0; i < deny_list_count(b->list); i++) {
        int64_t until_s = deny_list_at(b->list, i)->until_s;

        if (until_s != INT64_MAX && until_s - now_s < wait_s)
            wait_s = until_s > now_s ? until_s - now_s : 0;
    }
    if (wait_s == INT64_MAX) {
        loop_timer_set(&b->timer, 0);
        return;
    }
    if (wait_s > VALIDITY_CHECK_MAX_S)
        wait_s = VALIDITY_CHECK_MAX_S;
    loop_timer_set(&b->timer, loop_now(b->loop)->mono_ms + wait_s * 1000 + 1);
}

/* Takes the list over. */
static void
use_list(struct deny_book *b, struct deny_list *list)
{
    deny_list_unref(b->list);
    b->list = list;
    set_timer(b);
    b->hooks.on_change(b->hooks.arg, list);
}

struct deny_edit {
    struct str without;            /* this entry is left out */
    const struct deny_entry *with; /* added at the end; may be NULL */
    int64_t now_s;                 /* entries that end until then are left out */
};

static struct deny_list *
edit_list(const struct deny_book *b, const struct deny_edit *edit)
{
    size_t count = deny_list_count(b->list);
    struct deny_entry *entries = mem_calloc(count + 1, sizeof(*entries));
    struct deny_list *list = NULL;
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        const struct deny_entry *e = deny_list_at(b->list, i);

        if (!str_eq(e->what, edit->without) && e->until_s > edit->now_s)
            entries[kept++] = *e;
    }
    if (edit->with != NULL)
        entries[kept++] = *edit->with;
    if (deny_list_build(entries, kept, &list) != 0)
        list = NULL;
    free(entries);
    return list;
}

static const struct deny_entry *
find_entry(const struct deny_book *b, struct str what)
{
    for (size_t i = 0; i < deny_list_count(b->list); i++) {
        if (str_eq(deny_list_at(b->list, i)->what, what))
            return deny_list_at(b->list, i);
    }
    return NULL;
}

static int
save(const struct deny_book *b, const struct deny_list *list)
{
    int rc;

    if (b->state_dir == NULL || b->is_let_go)
        return 0;
    rc = deny_file_save(b->state_dir, list);
    if (rc != 0)
        log_event(LOG_ERROR, "deny", "%s cannot be written: %s", b->path, strerror(errno));
    return rc;
}

static void
log_ended(const struct deny_book *b, int64_t now_s)
{
    char text[UNTIL_TEXT_MAX];

    for (size_t i = 0; i < deny_list_count(b->list); i++) {
        const struct deny_entry *e = deny_list_at(b->list, i);

        if (e->until_s <= now_s)
            log_event(LOG_WARN, "deny", "%.*s is no longer denied: it was %s%s%.*s",
                      STR_ARG(e->what), until_text(e->until_s, text),
                      e->why.len > 0 ? ", why: " : "", STR_ARG(e->why));
    }
}

static void
on_timer(void *arg)
{
    struct deny_book *b = arg;
    struct deny_edit edit = {.now_s = book_now_s(b)};
    struct deny_list *list = edit_list(b, &edit);

    if (list == NULL || deny_list_count(list) == deny_list_count(b->list)) {
        deny_list_unref(list);
        set_timer(b);
        return;
    }
    log_ended(b, edit.now_s);
    (void)save(b, list); /* what has ended is left out when the file is read, too */
    use_list(b, list);
}

/* ---- start --------------------------------------------------------------------------------- */

static int
read_file(struct deny_book *b, struct diag *diag, struct deny_list **ret)
{
    struct deny_list *list = NULL;
    int rc = deny_file_load(b->state_dir, book_now_s(b), diag, &list);

    if (rc != 0)
        return rc;
    if (list == NULL) {
        gw_assert(deny_list_build(NULL, 0, &list) == 0);
        if (deny_file_save(b->state_dir, list) != 0) {
            diag_error(diag, b->path, 0, 0,
                       "state_dir: cannot be written: %s; make the folder, owned by the user that "
                       "the gateway runs as",
                       strerror(errno));
            deny_list_unref(list);
            return GW_E_CONFIG;
        }
    }
    *ret = list;
    return 0;
}

int
deny_book_read(struct deny_book *b, struct diag *diag)
{
    struct deny_list *list = NULL;
    int rc;

    if (b->state_dir == NULL)
        return 0;
    rc = read_file(b, diag, &list);
    if (rc == 0)
        use_list(b, list);
    return rc;
}

int
deny_book_open(struct loop *loop, const char *state_dir, const struct deny_hooks *hooks,
               struct diag *diag, struct deny_book **ret)
{
    struct deny_book *b = mem_calloc(1, sizeof(*b));
    int rc = 0;

    b->loop = loop;
    b->hooks = *hooks;
    loop_timer_init(loop, &b->timer, on_timer, b);
    if (state_dir != NULL) {
        b->state_dir = mem_strdup(state_dir);
        b->path = file_join(state_dir, DENY_FILE_NAME);
        (void)mkdir(state_dir, 0700);
        rc = read_file(b, diag, &b->list);
    } else {
        gw_assert(deny_list_build(NULL, 0, &b->list) == 0);
    }
    if (rc != 0) {
        deny_book_free(b);
        return rc;
    }
    set_timer(b);
    *ret = b;
    return 0;
}

void
deny_book_free(struct deny_book *b)
{
    if (b == NULL)
        return;
    loop_timer_done(&b->timer);
    deny_list_unref(b->list);
    free(b->state_dir);
    free(b->path);
    free(b);
}

void
deny_book_let_go(struct deny_book *b)
{
    b->is_let_go = true;
}

struct deny_list *
deny_book_list(const struct deny_book *b)
{
    return b->list;
}

const char *
deny_book_path(const struct deny_book *b)
{
    return b->path;
}

/* ---- changes ------------------------------------------------------------------------------- */

/* "7d", or what the configuration takes as a duration. */
static int
parse_duration(struct str s, int64_t *ret_s)
{
    uint64_t days;
    int64_t ms;

    if (s.len > 1 && s.ptr[s.len - 1] == 'd' &&
        str_parse_u64(str_sub(s, 0, s.len - 1), 36500, &days) == 0) {
        *ret_s = (int64_t)days * DAY_S;
        return 0;
    }
    if (value_duration(s, &ms) != 0 || ms / 1000 > (int64_t)36500 * DAY_S)
        return GW_E_PARSE;
    *ret_s = (ms + 999) / 1000;
    return 0;
}

static const char *
parse_until(struct str s, int64_t now_s, int64_t *ret)
{
    int64_t wait_s;

    if (s.len == 0 || str_eq(s, STR("never"))) {
        *ret = INT64_MAX;
        return NULL;
    }
    if (parse_duration(s, &wait_s) == 0)
        *ret = now_s + wait_s;
    else if (clock_parse_rfc3339(s, ret) != 0)
        return "wants a time such as 2026-11-24T12:00:00Z or a duration such as 90m, 24h or 7d";
    return *ret > now_s ? NULL : "lies in the past";
}

static bool
has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return true;
    }
    return false;
}

/* NULL, or what is wrong. e->what is malloc then. */
static char *
parse_change(const struct deny_book *b, const struct deny_change *c, struct deny_entry *e)
{
    const char *error;
    char *what = NULL;

    e->added_s = book_now_s(b);
    e->why = c->why;
    error = parse_until(c->until, e->added_s, &e->until_s);
    if (error != NULL)
        return text_of("until %.*s: %s\n", STR_ARG(c->until), error);
    if (c->why.len > DENY_WHY_MAX || has_control(c->why))
        return text_of("why: at most %d bytes on one line\n", DENY_WHY_MAX);
    if (deny_what_parse(c->what, &what, &e->kind, &error) != 0)
        return text_of("%.*s: %s\n", STR_ARG(c->what), error);
    e->what = str_from(what);
    return NULL;
}

static enum deny_outcome
add_entry(struct deny_book *b, const struct deny_entry *e, const char *who, char **ret_text)
{
    const struct deny_edit edit = {.without = e->what, .with = e, .now_s = e->added_s};
    bool was_there = find_entry(b, e->what) != NULL;
    struct deny_list *list = edit_list(b, &edit);
    char until[UNTIL_TEXT_MAX];
    int saved;

    if (list == NULL) {
        *ret_text =
            text_of("the deny list is full: %d entries; nothing was added\n", DENY_ENTRIES_MAX);
        return DENY_FULL;
    }
    log_event(LOG_WARN, "deny", "%.*s is denied %s, %s by %s%s%.*s", STR_ARG(e->what),
              until_text(e->until_s, until), was_there ? "changed" : "added", who,
              e->why.len > 0 ? ", why: " : "", STR_ARG(e->why));
    saved = save(b, list);
    *ret_text = text_of("%.*s is denied %s\n", STR_ARG(e->what), until_text(e->until_s, until));
    if (saved != 0) {
        char *text = text_of("%sbut %s cannot be written: %s; it does not survive a restart\n",
                             *ret_text, b->path, strerror(errno));

        free(*ret_text);
        *ret_text = text;
    }
    use_list(b, list);
    return saved == 0 ? DENY_OK : DENY_UNSAVED;
}

enum deny_outcome
deny_book_add(struct deny_book *b, const struct deny_change *c, char **ret_text)
{
    struct deny_entry e = {0};
    enum deny_outcome outcome;

    *ret_text = parse_change(b, c, &e);
    if (*ret_text != NULL)
        return DENY_INVALID;
    outcome = add_entry(b, &e, c->who, ret_text);
    free((char *)(uintptr_t)e.what.ptr);
    return outcome;
}

static enum deny_outcome
remove_entry(struct deny_book *b, struct str what, const char *who, char **ret_text)
{
    const struct deny_edit edit = {.without = what, .now_s = book_now_s(b)};
    struct deny_list *list;

    if (find_entry(b, what) == NULL) {
        *ret_text = text_of("%.*s is not on the deny list\n", STR_ARG(what));
        return DENY_ABSENT;
    }
    list = edit_list(b, &edit);
    if (list == NULL || save(b, list) != 0) {
        *ret_text = text_of("%.*s is still denied: %s\n", STR_ARG(what), strerror(errno));
        deny_list_unref(list);
        return DENY_NOT_KEPT;
    }
    log_event(LOG_WARN, "deny", "%.*s is no longer denied, removed by %s", STR_ARG(what), who);
    use_list(b, list);
    *ret_text = text_of("%.*s is no longer denied\n", STR_ARG(what));
    return DENY_OK;
}

enum deny_outcome
deny_book_remove(struct deny_book *b, const struct deny_change *c, char **ret_text)
{
    enum deny_outcome outcome;
    enum deny_kind kind;
    const char *error;
    char *what;

    if (deny_what_parse(c->what, &what, &kind, &error) != 0) {
        *ret_text = text_of("%.*s: %s\n", STR_ARG(c->what), error);
        return DENY_INVALID;
    }
    outcome = remove_entry(b, str_from(what), c->who, ret_text);
    free(what);
    return outcome;
}
