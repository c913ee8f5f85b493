/* SPDX-License-Identifier: Apache-2.0
 *
 * Child programs of a test. Called by gateway.c and by scenario tests; owns the child,
 * its output files and, when it made it, their folder. One thread per struct proc. It
 * must never leave a child behind: children are told by the kernel to end with us.
 */
#include "support/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POLL_MS = 5, FIRST_KEPT_FD = 3, KEPT_FDS_MAX = 16, KILL_WAIT_MS = 10000, EXEC_FAILED = 127 };

struct proc {
    pid_t pid;
    bool ended;
    int status;
    char *dir; /* made by us, or NULL */
    char *out_path;
    char *err_path;
    size_t out_mark;
    size_t err_mark;
};

static void
redirect(const char *path, int to)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);

    if (fd < 0 || dup2(fd, to) < 0)
        _exit(EXEC_FAILED);
    if (fd != to)
        close(fd);
}

static void
limit(int what, uint64_t value)
{
    struct rlimit r = {value, value};

    if (value > 0 && setrlimit((__rlimit_resource_t)what, &r) < 0)
        _exit(EXEC_FAILED);
}

/* As 3, 4, ...: first out of the way, then into place, so that none overwrites another. */
static void
keep_fds(const struct proc_spec *spec)
{
    int high[KEPT_FDS_MAX];

    for (size_t i = 0; i < spec->keep_fd_count && i < KEPT_FDS_MAX; i++)
        high[i] = fcntl(spec->keep_fds[i], F_DUPFD_CLOEXEC, FIRST_KEPT_FD + KEPT_FDS_MAX);
    for (size_t i = 0; i < spec->keep_fd_count && i < KEPT_FDS_MAX; i++)
        if (high[i] < 0 || dup2(high[i], FIRST_KEPT_FD + (int)i) < 0)
            _exit(EXEC_FAILED);
}

static void
child_run(const struct proc *p, const struct proc_spec *spec, pid_t parent)
{
    sigset_t none;
    int null_fd = open("/dev/null", O_RDONLY);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXEC_FAILED);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (null_fd >= 0)
        dup2(null_fd, STDIN_FILENO);
    redirect(p->out_path, STDOUT_FILENO);
    redirect(p->err_path, STDERR_FILENO);
    keep_fds(spec);
    for (size_t i = 0; spec->env && spec->env[i]; i++)
        putenv((char *)(uintptr_t)spec->env[i]);
    if (spec->cwd && chdir(spec->cwd) < 0)
        _exit(EXEC_FAILED);
    limit(RLIMIT_NOFILE, spec->nofile);
    limit(RLIMIT_AS, spec->address_space);
    execvp(spec->argv[0], (char *const *)(uintptr_t)spec->argv);
    fprintf(stderr, "%s: %s\n", spec->argv[0], strerror(errno));
    _exit(EXEC_FAILED);
}

static const char *
base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

struct proc *
proc_start(const struct proc_spec *spec)
{
    struct proc *p = xcalloc(1, sizeof(*p));
    const char *name = spec->name ? spec->name : base_name(spec->argv[0]);
    const char *dir = spec->log_dir;
    pid_t parent = getpid();

    if (!dir)
        dir = p->dir = dir_temp("proc");
    p->out_path = xformat("%s/%s.out", dir, name);
    p->err_path = xformat("%s/%s.err", dir, name);
    /* There from the start, so that waiting for text never meets a missing file. */
    file_spill(p->out_path, "", 0, 0644);
    file_spill(p->err_path, "", 0, 0644);
    fflush(NULL);
    p->pid = fork();
    if (p->pid < 0)
        die("fork: %s", strerror(errno));
    if (p->pid == 0)
        child_run(p, spec, parent);
    return p;
}

pid_t
proc_pid(const struct proc *p)
{
    return p->pid;
}

static bool
file_has(const char *path, size_t from, const char *needle)
{
    struct bytes text = file_slurp(path);
    bool found = text.len > from &&
                 find_bytes(text.ptr + from, text.len - from, needle, strlen(needle)) != NULL;

    bytes_free(&text);
    return found;
}

bool
proc_wait_text(struct proc *p, const char *needle, int timeout_ms)
{
    int64_t deadline = now_ms() + timeout_ms;

    for (;;) {
        bool running = proc_is_running(p);

        if (file_has(p->out_path, p->out_mark, needle) ||
            file_has(p->err_path, p->err_mark, needle))
            return true;
        if (!running || now_ms() >= deadline)
            return false;
        sleep_ms(POLL_MS);
    }
}

static size_t
file_size(const char *path)
{
    struct bytes text = file_slurp(path);
    size_t n = text.len;

    bytes_free(&text);
    return n;
}

void
proc_mark(struct proc *p)
{
    p->out_mark = file_size(p->out_path);
    p->err_mark = file_size(p->err_path);
}

struct bytes
proc_stdout(const struct proc *p)
{
    return file_slurp(p->out_path);
}

struct bytes
proc_stderr(const struct proc *p)
{
    return file_slurp(p->err_path);
}

void
proc_signal(struct proc *p, int signo)
{
    if (proc_is_running(p))
        kill(p->pid, signo);
}

bool
proc_is_running(struct proc *p)
{
    int status;

    if (p->ended)
        return false;
    if (waitpid(p->pid, &status, WNOHANG) != p->pid)
        return true;
    p->ended = true;
    p->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return false;
}

int
proc_wait(struct proc *p, int timeout_ms)
{
    int64_t deadline = now_ms() + timeout_ms;

    while (proc_is_running(p)) {
        if (now_ms() >= deadline)
            return -1;
        sleep_ms(1);
    }
    return p->status;
}

int
proc_stop(struct proc *p, int timeout_ms)
{
    int status;

    proc_signal(p, SIGTERM);
    status = proc_wait(p, timeout_ms);
    if (status >= 0)
        return status;
    proc_signal(p, SIGKILL);
    return proc_wait(p, KILL_WAIT_MS);
}

void
proc_free(struct proc *p)
{
    if (!p)
        return;
    if (proc_is_running(p)) {
        proc_signal(p, SIGKILL);
        proc_wait(p, KILL_WAIT_MS);
    }
    if (p->dir)
        dir_remove(p->dir);
    free(p->dir);
    free(p->out_path);
    free(p->err_path);
    free(p);
}

/* ---- what a process uses ---- */

static uint64_t
number_after(const struct bytes *text, const char *label)
{
    const char *at = text->len ? find_bytes(text->ptr, text->len, label, strlen(label)) : NULL;

    return at ? strtoull(at + strlen(label), NULL, 10) : 0;
}

static bool
usage_of(const char *pid, struct proc_usage *ret)
{
    char *path = xformat("/proc/%s/status", pid);
    bool there = file_exists(path);
    struct bytes text = {0};

    if (there) {
        text = file_slurp(path);
        ret->rss_kib = number_after(&text, "VmRSS:");
        ret->peak_rss_kib = number_after(&text, "VmHWM:");
        ret->threads = (unsigned)number_after(&text, "Threads:");
    }
    bytes_free(&text);
    free(path);
    return there;
}

/* utime and stime are fields 14 and 15; the name in field 2 may hold spaces. */
static uint64_t
cpu_us_of(const char *pid)
{
    char *path = xformat("/proc/%s/stat", pid);
    struct bytes text = file_slurp(path);
    char *at = strrchr(text.ptr, ')');
    uint64_t ticks;

    for (int field = 2; at && field < 14; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        die("%s: not understood", path);
    ticks = strtoull(at, &at, 10);
    ticks += strtoull(at, NULL, 10);
    bytes_free(&text);
    free(path);
    return ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

static unsigned
fd_count_of(const char *pid)
{
    char *path = xformat("/proc/%s/fd", pid);
    DIR *dir = opendir(path);
    unsigned count = 0;
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    if (dir)
        closedir(dir);
    free(path);
    return count;
}

bool
proc_usage(const struct proc *p, struct proc_usage *ret)
{
    char *pid;
    struct proc_usage u = {0};
    bool there;

    if (p->ended)
        return false;
    pid = xformat("%d", (int)p->pid);
    there = usage_of(pid, &u) && u.rss_kib > 0;
    if (there) {
        u.cpu_us = cpu_us_of(pid);
        u.fds = fd_count_of(pid);
        *ret = u;
    }
    free(pid);
    return there;
}

struct proc_usage
proc_self_usage(void)
{
    struct proc_usage u = {0};
    struct rusage r;

    usage_of("self", &u);
    u.fds = fd_count_of("self");
    getrusage(RUSAGE_SELF, &r);
    u.cpu_us = (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 +
               (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
    return u;
}

/* ---- to the end, in one call ---- */

struct proc_result
proc_run(const struct proc_spec *spec, int timeout_ms)
{
    struct proc *p = proc_start(spec);
    struct proc_result r = {.status = proc_wait(p, timeout_ms)};

    if (r.status < 0) {
        proc_signal(p, SIGKILL);
        proc_wait(p, KILL_WAIT_MS);
    }
    r.out = proc_stdout(p);
    r.err = proc_stderr(p);
    proc_free(p);
    return r;
}

void
proc_result_free(struct proc_result *r)
{
    bytes_free(&r->out);
    bytes_free(&r->err);
}

/* "execute-api" may be named by EXECUTE_API_BIN or EXECUTE_API. */
const char *
program_path(const char *name)
{
    static __thread char path[PATH_MAX];
    char relative[128];
    char upper[64];
    size_t n = 0;
    char *variable;
    const char *found;

    for (; name[n] && n + 1 < sizeof(upper); n++)
        upper[n] = name[n] == '-'                     ? '_'
                   : name[n] >= 'a' && name[n] <= 'z' ? (char)(name[n] - 32)
                                                      : name[n];
    upper[n] = '\0';
    variable = xformat("%s_BIN", upper);
    found = getenv(variable);
    free(variable);
    if (!found || !*found)
        found = getenv(upper);
    snprintf(relative, sizeof(relative), "build/%s", name);
    if (!found || !*found)
        found = relative;
    /* Absolute, since the child may start in another folder. */
    if (!realpath(found, path))
        snprintf(path, sizeof(path), "%s", found);
    return path;
}
