/* SPDX-License-Identifier: Apache-2.0
 *
 * The inotify descriptor and what hangs on it. Called by gateway at each commit; owns the
 * descriptor, the watched folders and two times. Must never take one of our own writes to
 * the state folder for a change: such files are not given to it.
 */
#include "ctl/watch.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "ctl/mem.h"

#define EVENTS                                                                          \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ATTRIB | \
     IN_DELETE_SELF | IN_MOVE_SELF)

struct watched {
    char *name; /* in its folder; NULL: the whole folder */
    int wd;
};

struct watch {
    struct loop *loop;
    int fd;
    struct loop_watch io;
    struct loop_timer timer;
    void (*on_change)(void *arg);
    void *arg;
    struct watched *items;
    size_t count;
    int64_t first_ms; /* of the changes not told yet; 0: none */
};

static void
on_timer(void *arg)
{
    struct watch *w = arg;

    w->first_ms = 0;
    w->on_change(w->arg);
}

/* Later with each change, but not for ever. */
static void
note_change(struct watch *w)
{
    int64_t now = loop_now_fresh(w->loop)->mono_ms;
    int64_t latest;

    if (w->first_ms == 0)
        w->first_ms = now;
    latest = w->first_ms + WATCH_DEBOUNCE_MAX_MS;
    loop_timer_set(&w->timer, now + WATCH_DEBOUNCE_MS < latest ? now + WATCH_DEBOUNCE_MS : latest);
}

/* An overflow means that something was missed: that counts as a change. */
static bool
is_ours(const struct watch *w, const struct inotify_event *e)
{
    if (e->mask & IN_Q_OVERFLOW)
        return true;
    if (e->mask & IN_IGNORED)
        return false;
    for (size_t i = 0; i < w->count; i++) {
        const struct watched *it = &w->items[i];

        if (it->wd == e->wd && (it->name == NULL || e->len == 0 || strcmp(it->name, e->name) == 0))
            return true;
    }
    return false;
}

static void
read_events(struct watch *w, const char *bytes, size_t len)
{
    struct inotify_event e;
    bool has_change = false;

    for (size_t at = 0; at + sizeof(e) <= len; at += sizeof(e) + e.len) {
        memcpy(&e, bytes + at, sizeof(e));
        has_change |= is_ours(w, (const struct inotify_event *)(const void *)(bytes + at));
    }
    if (has_change)
        note_change(w);
}

static void
on_io(void *arg, unsigned bits)
{
    struct watch *w = arg;
    char bytes[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)]
        __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n;

    (void)bits;
    while ((n = read(w->fd, bytes, sizeof(bytes))) > 0)
        read_events(w, bytes, (size_t)n);
}

struct watch *
watch_new(struct loop *loop, void (*on_change)(void *arg), void *arg)
{
    struct watch *w = mem_calloc(1, sizeof(*w));

    w->loop = loop;
    w->on_change = on_change;
    w->arg = arg;
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0 || loop_watch_add_level(loop, &w->io, w->fd, on_io, w) != 0) {
        log_event(LOG_WARN, "watch", "files are not watched: %s", strerror(errno));
        if (w->fd >= 0)
            close(w->fd);
        free(w);
        return NULL;
    }
    loop_timer_init(loop, &w->timer, on_timer, w);
    return w;
}

/* Removing a watch that another entry shares fails the second time; so it should. */
static void
forget(struct watch *w, struct watched *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_kept = false;

        for (size_t j = 0; j < w->count; j++)
            is_kept |= w->items[j].wd == items[i].wd;
        if (!is_kept)
            (void)inotify_rm_watch(w->fd, items[i].wd);
        free(items[i].name);
    }
    free(items);
}

void
watch_free(struct watch *w)
{
    if (w == NULL)
        return;
    loop_timer_done(&w->timer);
    loop_watch_remove(&w->io);
    for (size_t i = 0; i < w->count; i++)
        free(w->items[i].name);
    free(w->items);
    close(w->fd);
    free(w);
}

static void
add(struct watch *w, const char *folder, const char *name)
{
    int wd = inotify_add_watch(w->fd, folder, EVENTS | IN_ONLYDIR);

    if (wd < 0) {
        log_event(LOG_WARN, "watch", "%s is not watched: %s; reload after a change", folder,
                  strerror(errno));
        return;
    }
    w->items = mem_resize(w->items, w->count + 1, sizeof(*w->items));
    w->items[w->count++] =
        (struct watched){.wd = wd, .name = name != NULL ? mem_strdup(name) : NULL};
}

static void
add_path(struct watch *w, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct stat st;
    char *folder;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        add(w, path, NULL);
        return;
    }
    folder = file_dirname(path);
    add(w, folder, slash != NULL ? slash + 1 : path);
    free(folder);
}

void
watch_set(struct watch *w, const char *const *paths, size_t count)
{
    struct watched *old = w->items;
    size_t old_count = w->count;

    w->items = NULL;
    w->count = 0;
    for (size_t i = 0; i < count && i < WATCH_PATHS_MAX; i++)
        add_path(w, paths[i]);
    if (count > WATCH_PATHS_MAX)
        log_event(LOG_WARN, "watch", "only the first %d of %zu files are watched", WATCH_PATHS_MAX,
                  count);
    forget(w, old, old_count);
}
