/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread that writes log files, so that a slow disk or a stopped reader stalls nobody.
 * Each producer (worker or control) has its own single-producer ring per file; a full ring
 * drops the line and counts it, and the writer says so in the diagnostic log once a second.
 * Lines of one producer keep their order.
 */
#ifndef OBS_LOG_WRITER_H
#define OBS_LOG_WRITER_H

#include "base/base.h"
#include "base/diag.h"
#include "base/err.h"

struct log_writer;
struct log_file; /* one open file, counted by path inside the writer */

/* Rings per file: producers 0 to producer_count - 1 are the workers, producer_count is control. The
 * diagnostic log is taken over (log_set_sink) and written by this thread too, to standard error,
 * from any thread through a small locked ring. One writer at a time in a process. */
struct log_writer *log_writer_new(unsigned producer_count);
/* Gives the diagnostic log back, writes what is queued (for at most LOG_DRAIN_TIMEOUT_MS when
 * somebody does not read), joins. Producers have stopped. NULL is fine. */
void log_writer_free(struct log_writer *w);
/* Control thread. "-" is standard output; a FIFO needs its reader first. The same path gives the
 * same log_file with another reference. Opened O_APPEND|O_CREAT 0640. GW_E_CONFIG with diag filled.
 */
int log_writer_open(struct log_writer *w, const char *path, struct diag *diag,
                    struct log_file **ret) GW_MUST_USE;
/* The last reference: lines already queued are written, then it is closed by the writer. */
void log_file_unref(struct log_writer *w, struct log_file *f);
/* Producer's own thread; never blocks. False when dropped (counted). line ends with a newline and
 * is at most LOG_LINE_MAX long. */
bool log_file_write(struct log_file *f, unsigned producer, const char *line, size_t len);
/* USR1: every file is opened again by path, soon, on the writer's thread; one that cannot be opened
 * stays as it is, which is said in the diagnostic log. */
void log_writer_reopen(struct log_writer *w);
/* Lines dropped so far, all files: full ring, or not written when the file was let go. */
uint64_t log_writer_dropped(const struct log_writer *w);

#endif
