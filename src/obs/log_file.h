/* SPDX-License-Identifier: Apache-2.0
 *
 * One log with its rings, as the log writer sees it: private to log_writer.c and log_file.c.
 * What is marked "writer" belongs to the writer's thread.
 */
#ifndef OBS_LOG_FILE_H
#define OBS_LOG_FILE_H

#include <stdatomic.h>

#include "obs/log_out.h"
#include "obs/log_ring.h"
#include "obs/log_writer.h"

struct log_file {
    struct log_writer *writer;
    struct log_file *next;
    char *path;
    struct log_ring *rings;
    unsigned ring_count;
    unsigned refs;          /* under the writer's lock */
    atomic_bool is_closing; /* the last reference is gone */
    atomic_bool wants_reopen;
    _Atomic uint64_t dropped; /* lines lost, ever */
    bool is_diag;             /* its troubles cannot be logged */

    struct log_out out;     /* writer, after it was opened */
    unsigned first;         /* writer: the ring that is written first */
    bool mid_line;          /* writer: the last byte written was not a newline */
    bool is_blocked;        /* writer: the other end is full */
    int64_t retry_at_ms;    /* writer: 0, or no attempt before that */
    int64_t give_up_at_ms;  /* writer: 0, or when a closing file loses what is left */
    uint64_t failures;      /* writer: failed writes since the last good one */
    int64_t complain_at_ms; /* writer: no complaint before that */
    uint64_t dropped_said;  /* writer */
};

/* ring_bytes is a power of two. Aborts on out of memory. */
struct log_file *
log_file_new(struct log_writer *w, const char *path, unsigned ring_count, size_t ring_bytes);
/* Closes the descriptor. */
void log_file_free(struct log_file *f);

/* Writer's thread. */
bool log_file_is_empty(const struct log_file *f);
/* True when there is something that an attempt now might write. */
bool log_file_is_ready(const struct log_file *f, int64_t now_ms);
/* Opens again when asked to, then writes what waits, as far as it goes. True when it wrote. */
bool log_file_step(struct log_file *f, int64_t now_ms);
/* Gives up on what waits; counted as dropped. */
void log_file_discard(struct log_file *f);
/* True when lines were dropped that log_file_report has not told of. */
bool log_file_owes_report(const struct log_file *f);
/* Says in the diagnostic log how many lines were dropped since the last call. */
void log_file_report(struct log_file *f);

#endif
