/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole-file reading for the control thread: size cap, regular files only (a FIFO, a
 * device or a directory is refused and never blocks), permissions looked at on the open
 * descriptor. Also the atomic replace used for state files.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/base.h"
#include "base/diag.h"
#include "base/str.h"

struct file {
    char *bytes; /* a NUL follows, not counted */
    size_t len;
    bool is_mapped; /* in a mapping of its own instead of the heap */
    bool is_secret; /* locked, kept out of core dumps, wiped by file_done */
};

enum file_kind {
    FILE_PUBLIC, /* must not be writable by others */
    FILE_SECRET, /* owner root or ourselves, no access for group and others except group read */
};

/* diag gets the reason on failure: missing, not a regular file, larger than max_bytes, empty,
 * permissions. GW_E_CONFIG. With wants_map the content goes into a mapping of its own, which the
 * kernel has back as soon as it is freed (large CRLs). */
int file_read(const char *path, size_t max_bytes, enum file_kind kind, bool wants_map,
              struct diag *diag, struct file *ret) GW_MUST_USE;
/* Secret content is wiped. Safe on a zeroed struct. */
void file_done(struct file *f);
/* Temporary file in the same folder, fsync, rename, fsync of the folder. Mode 0600. */
int file_replace(const char *path, struct str content) GW_MUST_USE;
/* dir + "/" + name unless name is absolute; malloc. */
char *file_join(const char *dir, const char *name);
/* Folder part of path, "." when it has none; malloc. */
char *file_dirname(const char *path);

#endif
