/* SPDX-License-Identifier: Apache-2.0
 *
 * Says when a file that the configuration names has changed: the folder of each file is
 * watched (inotify(7)), so that replacing by rename is seen. What the files are is the
 * caller's business; it is told once things have been quiet for WATCH_DEBOUNCE_MS.
 *
 * Control thread only.
 */
#ifndef CTL_WATCH_H
#define CTL_WATCH_H

#include "base/str.h"
#include "net/loop.h"

struct watch;

/* NULL when the system gives no inotify descriptor; then files are read at a reload only. */
struct watch *watch_new(struct loop *loop, void (*on_change)(void *arg), void *arg);
void watch_free(struct watch *w); /* NULL is fine */
/* Replaces the list: files, or folders of which every file counts. What cannot be watched is
 * logged. */
void watch_set(struct watch *w, const char *const *paths, size_t count);

#endif
