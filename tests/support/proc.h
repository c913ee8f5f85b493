/* SPDX-License-Identifier: Apache-2.0
 *
 * Child programs of a test: started with their output in files, waited for, signalled and
 * stopped by process id. Whatever is still running when the thread that started it ends is
 * killed, so start children from the main thread.
 */
#ifndef SUPPORT_PROC_H
#define SUPPORT_PROC_H

#include <sys/types.h>

#include "support/util.h"

struct proc;

struct proc_spec {
    const char *const *argv; /* ends with NULL; argv[0] is looked up in PATH */
    const char *const *env;  /* "NAME=value", added; ends with NULL */
    const char *cwd;
    const char *log_dir;    /* folder for the output files; NULL: a temporary one */
    const char *name;       /* files are NAME.out and NAME.err; argv[0]'s last part when NULL */
    unsigned nofile;        /* RLIMIT_NOFILE when not 0 */
    uint64_t address_space; /* RLIMIT_AS when not 0 */
    const int *keep_fds;    /* descriptors handed over as 3, 4, ... */
    size_t keep_fd_count;
};

struct proc_usage {
    uint64_t rss_kib;
    uint64_t peak_rss_kib;
    uint64_t cpu_us; /* user and system */
    unsigned fds;
    unsigned threads;
};

struct proc *proc_start(const struct proc_spec *spec);
pid_t proc_pid(const struct proc *p);

/* True when `needle` appears in the output (standard output, then standard error) within the
 * time; looks at everything written since the start, or since the last proc_mark. */
bool proc_wait_text(struct proc *p, const char *needle, int timeout_ms);
void proc_mark(struct proc *p);
/* Everything written so far; the caller frees with bytes_free. */
struct bytes proc_stdout(const struct proc *p);
struct bytes proc_stderr(const struct proc *p);

void proc_signal(struct proc *p, int signo);
/* False once it has ended. */
bool proc_is_running(struct proc *p);
/* Exit status, 128 + signal when killed, -1 when it still runs after timeout_ms. */
int proc_wait(struct proc *p, int timeout_ms);
/* TERM, wait, KILL when that was not enough. Status as proc_wait (137 after KILL). */
int proc_stop(struct proc *p, int timeout_ms);
/* Stops it when needed; removes the temporary folder. NULL is fine. */
void proc_free(struct proc *p);

/* False when the process is gone. */
bool proc_usage(const struct proc *p, struct proc_usage *ret);
/* CPU time and memory of this program itself. */
struct proc_usage proc_self_usage(void);

struct proc_result {
    int status; /* as proc_wait; -1: killed after the time limit */
    struct bytes out;
    struct bytes err;
};

/* Runs to the end. */
struct proc_result proc_run(const struct proc_spec *spec, int timeout_ms);
void proc_result_free(struct proc_result *r);

/* The programs under test: $SALLYPORT_BIN, $EXECUTE_API_BIN, ... or build/NAME. */
const char *program_path(const char *name);

#endif
