/* SPDX-License-Identifier: Apache-2.0
 *
 * The deny list as control keeps it: in memory, and in STATE_DIR/deny when there is a
 * state_dir. Every change makes a new immutable list (cert/deny.h), is saved, logged with
 * who, what, until and why, and handed out. Entries leave by themselves at their end.
 *
 * The file is text, one entry a line, columns separated by tabs; its last line has the number
 * of entries and a check, so that a file that was cut or garbled is noticed. STATE_DIR/deny.copy is
 * the same again, so that a file that was removed is noticed. A file that is not as it was written
 * refuses the start: whoever is denied must not come in because of it.
 *
 * Control thread only.
 */
#ifndef CTL_DENY_H
#define CTL_DENY_H

#include <stdio.h>

#include "base/diag.h"
#include "cert/deny.h"
#include "net/loop.h"

struct deny_hooks {
    /* The list is another one now; borrowed for the call. */
    void (*on_change)(void *arg, struct deny_list *list);
    void *arg;
};

struct deny_change {
    struct str what;
    struct str until; /* RFC 3339, a duration such as 24h or 7d, "never" or empty: for good */
    struct str why;
    const char *who; /* "uid 0, process 1234" */
};

enum deny_outcome {
    DENY_OK,
    DENY_UNSAVED, /* done, but not in the file: *ret_text says why */
    DENY_INVALID, /* nothing was done, as in all the following */
    DENY_FULL,
    DENY_ABSENT,   /* nothing to remove */
    DENY_NOT_KEPT, /* could not be removed from the file */
};

struct deny_book;

/* Reads the file, makes one where there is none. state_dir NULL: in memory only. on_change is not
 * called. GW_E_CONFIG with diag filled. */
int deny_book_open(struct loop *loop, const char *state_dir, const struct deny_hooks *hooks,
                   struct diag *diag, struct deny_book **ret) GW_MUST_USE;
void deny_book_free(struct deny_book *b); /* NULL is fine; the file stays */
/* Reads the file again and calls on_change. On failure nothing changes. */
int deny_book_read(struct deny_book *b, struct diag *diag) GW_MUST_USE;
/* Another process keeps the file from now on: nothing is written any more. */
void deny_book_let_go(struct deny_book *b);
struct deny_list *deny_book_list(const struct deny_book *b); /* borrowed */
/* NULL without a state_dir. */
const char *deny_book_path(const struct deny_book *b);

/* ret_text: the whole answer to who asked, one line or more; malloc. */
enum deny_outcome deny_book_add(struct deny_book *b, const struct deny_change *c, char **ret_text);
/* Only what and who of the change are looked at. */
enum deny_outcome
deny_book_remove(struct deny_book *b, const struct deny_change *c, char **ret_text);

/* ---- the file (deny_file.c) ---- */

#define DENY_FILE_NAME "deny"
#define DENY_COPY_NAME "deny.copy"

/* Entries that have ended are left out. GW_E_CONFIG with FILE:LINE and what to do in diag. */
int deny_file_parse(struct str text, const char *path, int64_t now_s, struct diag *diag,
                    struct deny_list **ret) GW_MUST_USE;
/* STATE_DIR/deny. *ret is NULL when neither it nor its copy exists. */
int deny_file_load(const char *state_dir, int64_t now_s, struct diag *diag,
                   struct deny_list **ret) GW_MUST_USE;
void deny_file_write(const struct deny_list *d, FILE *out);
/* File and copy. GW_E_SYS, errno tells. */
int deny_file_save(const char *state_dir, const struct deny_list *d) GW_MUST_USE;

#endif
