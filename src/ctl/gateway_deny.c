/* SPDX-License-Identifier: Apache-2.0
 *
 * The deny list in the running gateway: requests of the admin socket, handing it to the
 * workers, and telling who asked how many connections were closed. Called by gateway on the
 * control thread; owns the book and those who wait. Must never answer over TCP.
 */
#include <stdio.h>

#include "base/log.h"
#include "ctl/gateway_priv.h"
#include "ctl/mem.h"
#include "ctl/report.h"

#define QUERY_ARENA_BLOCK 4096
#define QUERY_ARENA_MAX 65536

/* Somebody who wants to know how many connections an entry closed. */
struct deny_wait {
    struct list link;
    uint64_t number; /* of the admin request */
    uint64_t posts;  /* reports about this list or a later one count */
    unsigned pending;
    uint64_t closed;
    int64_t deadline_ms;
    char *text; /* what is answered first */
    int status;
};

/* ---- the workers --------------------------------------------------------------------------- */

static void
post_list(struct gateway *g, struct deny_list *list)
{
    bool is_empty = deny_list_count(list) == 0;

    g->deny.posts++;
    for (unsigned i = 0; i < g->worker_count; i++)
        worker_post_deny(g->workers[i].worker, is_empty ? NULL : deny_list_ref(list));
}

static void
on_change(void *arg, struct deny_list *list)
{
    post_list(arg, list);
}

static void
wait_end(struct gateway *g, struct deny_wait *wait)
{
    char *text = NULL;

    if (wait->pending > 0)
        gw_assert(asprintf(&text,
                           "%s%llu connections closed so far; %u of %u workers have not "
                           "answered within %d s\n",
                           wait->text, (unsigned long long)wait->closed, wait->pending,
                           g->worker_count, DENY_REPORT_TIMEOUT_MS / 1000) > 0);
    else
        gw_assert(asprintf(&text, "%s%llu connection%s closed\n", wait->text,
                           (unsigned long long)wait->closed, wait->closed == 1 ? "" : "s") > 0);
    admin_local_done(g->admin, wait->number, wait->status, text);
    free(text);
    list_remove(&wait->link);
    free(wait->text);
    free(wait);
}

/* Who came first has the first deadline. */
static void
set_timer(struct gateway *g)
{
    const struct deny_wait *first;

    if (list_is_empty(&g->deny.waits)) {
        loop_timer_set(&g->deny.timer, 0);
        return;
    }
    first = container_of(g->deny.waits.next, struct deny_wait, link);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what ends leaves the list before it is freed */
    loop_timer_set(&g->deny.timer, first->deadline_ms);
}

static void
on_timer(void *arg)
{
    struct gateway *g = arg;
    int64_t now_ms = loop_now(g->loop)->mono_ms;

    list_for_each_safe (node, &g->deny.waits) {
        struct deny_wait *wait = container_of(node, struct deny_wait, link);

        if (wait->deadline_ms <= now_ms)
            wait_end(g, wait);
    }
    set_timer(g);
}

void
gateway_deny_swept(struct gateway_worker *from, const struct worker_sweep_report *report)
{
    struct gateway *g = from->gateway;
    uint64_t before = from->deny_posts;

    from->deny_posts = report->deny_posts;
    list_for_each_safe (node, &g->deny.waits) {
        struct deny_wait *wait = container_of(node, struct deny_wait, link);

        if (before >= wait->posts || report->deny_posts < wait->posts)
            continue;
        wait->closed += report->denied;
        if (--wait->pending == 0)
            wait_end(g, wait);
    }
    set_timer(g);
}

/* ---- requests ------------------------------------------------------------------------------ */

/* The value of a name in a query, percent escapes undone. Empty when it is not there or the
 * escapes are wrong. */
static struct str
query_value(struct str query, struct str name, struct arena *arena)
{
    struct str pair, value = STR("");
    bool done = false;
    size_t len = 0;
    char *text;

    while (query.len > 0 && str_split_next(&query, '&', &done, &pair)) {
        if (str_starts(pair, name) && pair.len > name.len && pair.ptr[name.len] == '=')
            value = str_sub(pair, name.len + 1, SIZE_MAX);
    }
    text = arena_alloc(arena, value.len + 1);
    for (size_t i = 0; text != NULL && i < value.len; i++) {
        uint8_t byte = (uint8_t)value.ptr[i];
        size_t n;

        if (value.ptr[i] == '%') {
            if (str_unhex(str_sub(value, i + 1, 2), &byte, 1, &n) != 0 || n != 1)
                return STR("");
            i += 2;
        }
        text[len++] = (char)byte;
    }
    return text == NULL ? STR("") : str_make(text, len);
}

static int
status_of(enum deny_outcome outcome)
{
    static const int status[] = {
        [DENY_OK] = 200,   [DENY_UNSAVED] = 500, [DENY_INVALID] = 400,
        [DENY_FULL] = 409, [DENY_ABSENT] = 404,  [DENY_NOT_KEPT] = 500,
    };

    return status[outcome];
}

static void
wait_begin(struct gateway *g, uint64_t number, const char *text, int status)
{
    struct deny_wait *wait = mem_calloc(1, sizeof(*wait));

    wait->number = number;
    wait->posts = g->deny.posts;
    wait->pending = g->worker_count;
    wait->deadline_ms = loop_now_fresh(g->loop)->mono_ms + DENY_REPORT_TIMEOUT_MS;
    wait->text = mem_strdup(text);
    wait->status = status;
    list_push_tail(&g->deny.waits, &wait->link);
    set_timer(g);
}

static const char *
keeping_note(const struct gateway *g)
{
    return deny_book_path(g->deny.book) != NULL
               ? ""
               : "without state_dir in the configuration this does not survive a restart\n";
}

/* Workers that have nothing to sweep do not report: then nobody waits for them. */
static int
deny_add(struct gateway *g, const struct admin_request *req, const struct deny_change *c, FILE *out)
{
    char *said = NULL, *text = NULL;
    enum deny_outcome outcome = deny_book_add(g->deny.book, c, &said);
    int status = status_of(outcome);

    if (outcome == DENY_OK || outcome == DENY_UNSAVED) {
        gw_assert(asprintf(&text, "%s%s", said, keeping_note(g)) > 0);
        if (g->phase == GATEWAY_STARTING) {
            fputs(text, out);
        } else {
            wait_begin(g, req->number, text, status);
            status = 0;
        }
        free(text);
    } else {
        fputs(said, out);
    }
    free(said);
    return status;
}

static int
deny_remove(struct gateway *g, const struct deny_change *c, FILE *out)
{
    char *said = NULL;
    enum deny_outcome outcome = deny_book_remove(g->deny.book, c, &said);

    fputs(said, out);
    free(said);
    /* 404 would mean that there is no such path. */
    return outcome == DENY_ABSENT ? 409 : status_of(outcome);
}

static int
deny_change(struct gateway *g, const struct admin_request *req, bool is_add, FILE *out)
{
    struct arena arena;
    struct deny_change c;
    char who[64];
    int status;

    if (g->has_handed_over) {
        fputs("another process has taken over; ask again\n", out);
        return 503;
    }
    arena_init(&arena, QUERY_ARENA_BLOCK, QUERY_ARENA_MAX);
    (void)snprintf(who, sizeof(who), "uid %u, process %d", req->uid, req->pid);
    c = (struct deny_change){
        .what = query_value(req->query, STR("what"), &arena),
        .until = query_value(req->query, STR("until"), &arena),
        .why = query_value(req->query, STR("why"), &arena),
        .who = who,
    };
    status = is_add ? deny_add(g, req, &c, out) : deny_remove(g, &c, out);
    arena_done(&arena);
    return status;
}

static void
deny_facts(const struct gateway *g, struct report *r)
{
    const char *path = deny_book_path(g->deny.book);

    report_facts(r, "deny_list");
    report_int(r, "entries", (int64_t)deny_list_count(deny_book_list(g->deny.book)));
    report_bool(r, "survives_restart", path != NULL);
    report_str(r, "file", path != NULL ? str_from(path) : STR("-"));
}

static int
deny_show(const struct gateway *g, enum report_format format, FILE *out)
{
    static const char *const columns[] = {"what", "until", "added", "why"};
    const struct deny_list *list = deny_book_list(g->deny.book);
    struct report r;

    report_begin(&r, out, format, "Sallyport deny list");
    deny_facts(g, &r);
    report_table(&r, "denied", columns, array_len(columns));
    for (size_t i = 0; i < deny_list_count(list); i++) {
        const struct deny_entry *e = deny_list_at(list, i);

        report_row(&r);
        report_str(&r, "what", e->what);
        if (e->until_s == INT64_MAX && format == REPORT_TEXT)
            report_str(&r, "until", STR("for good"));
        else
            report_time(&r, "until", e->until_s);
        report_time(&r, "added", e->added_s);
        report_str(&r, "why", e->why);
    }
    report_end(&r);
    return 200;
}

int
gateway_deny_request(void *arg, const struct admin_request *req, FILE *out, const char **ret_type)
{
    struct gateway *g = arg;

    if (req->is_post && str_eq(req->path, STR("/deny")))
        return deny_change(g, req, true, out);
    if (req->is_post && str_eq(req->path, STR("/deny/remove")))
        return deny_change(g, req, false, out);
    if (!req->is_post && str_eq(req->path, STR("/deny.txt")))
        return deny_show(g, REPORT_TEXT, out);
    if (req->is_post || !str_eq(req->path, STR("/deny")))
        return 404;
    *ret_type = "application/json";
    return deny_show(g, REPORT_JSON, out);
}

void
gateway_deny_report(const struct gateway *g, struct report *r)
{
    deny_facts(g, r);
}

size_t
gateway_deny_count(const struct gateway *g)
{
    return deny_list_count(deny_book_list(g->deny.book));
}

/* ---- start and stop ------------------------------------------------------------------------ */

int
gateway_open_deny(struct gateway *g, const struct config *config, struct diag *diag)
{
    const struct deny_hooks hooks = {.on_change = on_change, .arg = g};
    size_t count;

    list_init(&g->deny.waits);
    loop_timer_init(g->loop, &g->deny.timer, on_timer, g);
    if (deny_book_open(g->loop, config->state_dir, &hooks, diag, &g->deny.book) != 0)
        return GW_E_CONFIG;
    count = gateway_deny_count(g);
    if (count > 0) {
        log_event(LOG_INFO, "deny", "%zu entries from %s", count, deny_book_path(g->deny.book));
        post_list(g, deny_book_list(g->deny.book));
    }
    return 0;
}

void
gateway_deny_take_over(struct gateway *g)
{
    struct diag diag;

    diag_init(&diag);
    if (deny_book_read(g->deny.book, &diag) != 0) {
        for (size_t i = 0; i < diag.count; i++)
            log_event(LOG_ERROR, "deny", "%s; the list stays as it was", diag.entries[i].text);
    }
    diag_done(&diag);
}

void
gateway_close_deny(struct gateway *g)
{
    if (g->deny.waits.next != NULL) {
        list_for_each_safe (node, &g->deny.waits) {
            struct deny_wait *wait = container_of(node, struct deny_wait, link);

            list_remove(&wait->link);
            free(wait->text);
            free(wait);
        }
    }
    loop_timer_done(&g->deny.timer);
    deny_book_free(g->deny.book);
    g->deny.book = NULL;
}
