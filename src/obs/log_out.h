/* SPDX-License-Identifier: Apache-2.0
 *
 * The descriptor behind a log: a regular file, a pipe, a socket or a terminal. Writing never
 * waits for whoever reads the other end. One thread at a time.
 */
#ifndef OBS_LOG_OUT_H
#define OBS_LOG_OUT_H

#include <sys/uio.h>

#include "base/base.h"
#include "base/err.h"

struct log_out {
    int fd;
    bool is_standard; /* standard output or error: not ours to close */
    bool is_socket;
    bool can_block; /* a pipe or terminal without O_NONBLOCK: poll first, write little */
};

/* O_APPEND|O_CREAT, 0640. GW_E_SYS with errno; ENXIO for a FIFO that nobody reads. */
int log_out_open(const char *path, struct log_out *ret) GW_MUST_USE;
/* STDOUT_FILENO or STDERR_FILENO, whose flags are left as they are: others share them. */
void log_out_standard(int fd, struct log_out *ret);
void log_out_close(struct log_out *o);
/* Writes some of it, in order. GW_E_AGAIN when the other end is full, GW_E_SYS with errno. */
int log_out_write(const struct log_out *o, struct iovec *pieces, int count,
                  size_t *ret_written) GW_MUST_USE;

#endif
