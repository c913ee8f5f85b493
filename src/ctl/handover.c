/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking listening sockets over and giving them away. Called by gateway on the control
 * thread; owns the pipe and the child until it is ready. Must never stop the old program
 * before the new one has said that it serves.
 */
#include "ctl/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/str.h"
#include "ctl/mem.h"
#include "ctl/signals.h"

/* "READY_FD:FD,FD,FD" */
#define HANDOVER_VARIABLE "SALLYPORT_HANDOVER"
#define SYSTEMD_FIRST_FD 3
#define READY_BYTE 'R'

struct handover {
    struct loop *loop;
    struct loop_watch watch;
    struct loop_timer timer;
    struct handover_hooks hooks;
    int pipe_fd;
    pid_t pid;
};

static void
in_add(struct handover_in *in, int fd)
{
    in->fds = mem_resize(in->fds, in->count + 1, sizeof(*in->fds));
    in->fds[in->count++] = fd;
}

/* An open descriptor by its number in decimal; close-on-exec is set. */
static int
parse_fd(struct str text, int *ret)
{
    uint64_t n;

    if (str_parse_u64(text, INT_MAX, &n) != 0 || fcntl((int)n, F_SETFD, FD_CLOEXEC) != 0)
        return GW_E_CONFIG;
    *ret = (int)n;
    return 0;
}

static int
parse_variable(struct str text, struct handover_in *in)
{
    ptrdiff_t colon = str_chr(text, ':');
    struct str rest, piece;
    bool done = false;
    int fd;

    if (colon < 0 || parse_fd(str_sub(text, 0, (size_t)colon), &in->ready_fd) != 0)
        return GW_E_CONFIG;
    rest = str_sub(text, (size_t)colon + 1, text.len);
    while (str_split_next(&rest, ',', &done, &piece)) {
        if (in->count == HANDOVER_FDS_MAX || parse_fd(piece, &fd) != 0)
            return GW_E_CONFIG;
        in_add(in, fd);
    }
    return 0;
}

static int
parse_systemd(const char *pid_text, const char *count_text, struct handover_in *in)
{
    uint64_t pid, count;

    if (str_parse_u64(str_from(pid_text), INT_MAX, &pid) != 0)
        return GW_E_CONFIG;
    if ((pid_t)pid != getpid())
        return 0; /* meant for another process */
    if (str_parse_u64(str_from(count_text), HANDOVER_FDS_MAX, &count) != 0)
        return GW_E_CONFIG;
    for (uint64_t i = 0; i < count; i++) {
        int fd = SYSTEMD_FIRST_FD + (int)i;

        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
            return GW_E_CONFIG;
        in_add(in, fd);
    }
    return 0;
}

int
handover_read(struct handover_in *ret, struct diag *diag)
{
    struct handover_in in = {.ready_fd = -1};
    const char *ours = getenv(HANDOVER_VARIABLE);
    const char *pid = getenv("LISTEN_PID");
    const char *count = getenv("LISTEN_FDS");
    int rc = 0;

    if (ours != NULL) {
        in.is_upgrade = true;
        rc = parse_variable(str_from(ours), &in);
    } else if (pid != NULL && count != NULL) {
        rc = parse_systemd(pid, count, &in);
    }
    if (rc != 0) {
        diag_error(diag, NULL, 0, 0, "%s does not name open descriptors as it should",
                   ours != NULL ? HANDOVER_VARIABLE : "LISTEN_FDS");
        handover_in_done(&in);
        return rc;
    }
    (void)unsetenv(HANDOVER_VARIABLE);
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    *ret = in;
    return 0;
}

void
handover_in_done(struct handover_in *in)
{
    if (in->ready_fd >= 0)
        close(in->ready_fd);
    free(in->fds);
    *in = (struct handover_in){.ready_fd = -1};
}

void
handover_say_ready(struct handover_in *in)
{
    const char byte = READY_BYTE;

    if (in->ready_fd < 0)
        return;
    /* An old gateway that is gone meanwhile needs no answer. */
    if (write(in->ready_fd, &byte, 1) != 1)
        errno = 0;
    close(in->ready_fd);
    in->ready_fd = -1;
}

static void
handover_free(struct handover *h)
{
    loop_watch_remove(&h->watch);
    loop_timer_done(&h->timer);
    close(h->pipe_fd);
    free(h);
}

/* The child is told to end and waited for; it has been given nothing that it would need time
 * to finish. */
static void
child_end(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static void
handover_finish(struct handover *h, const char *error)
{
    struct handover_hooks hooks = h->hooks;
    pid_t pid = h->pid;

    if (error != NULL)
        child_end(pid);
    handover_free(h);
    hooks.on_done(hooks.arg, pid, error);
}

static void
on_pipe(void *arg, unsigned bits)
{
    struct handover *h = arg;
    char byte = 0;
    ssize_t n = read(h->pipe_fd, &byte, 1);

    (void)bits;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == 1 && byte == READY_BYTE)
        handover_finish(h, NULL);
    else
        handover_finish(h, "it ended before it was ready; its messages say why");
}

static void
on_timeout(void *arg)
{
    handover_finish(arg, "it was not ready in time and was ended");
}

/* The environment of the child: ours and the variable. malloc, with the variable as the last
 * entry, which is malloc too. */
static char **
environment_build(const struct handover_plan *plan, int ready_fd)
{
    size_t count = 0;
    char **env;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    gw_assert(out != NULL);
    fprintf(out, "%s=%d:", HANDOVER_VARIABLE, ready_fd);
    for (size_t i = 0; i < plan->fd_count; i++)
        fprintf(out, "%s%d", i > 0 ? "," : "", plan->fds[i]);
    gw_assert(fclose(out) == 0);
    while (environ[count] != NULL)
        count++;
    env = mem_calloc(count + 2, sizeof(*env));
    memcpy(env, environ, count * sizeof(*env));
    env[count] = text;
    return env;
}

static void
environment_free(char **env)
{
    size_t last = 0;

    while (env[last + 1] != NULL)
        last++;
    free(env[last]);
    free(env);
}

/* Between fork and exec in a process with threads: system calls only. */
static void child_exec(const struct handover_plan *plan, int ready_fd, char **env) GW_NORETURN;
static void
child_exec(const struct handover_plan *plan, int ready_fd, char **env)
{
    bool ok = fcntl(ready_fd, F_SETFD, 0) == 0;

    for (size_t i = 0; i < plan->fd_count; i++)
        ok = fcntl(plan->fds[i], F_SETFD, 0) == 0 && ok;
    signals_restore();
    if (ok)
        execve(plan->program, plan->argv, env);
    _exit(127);
}

static int
spawn(const struct handover_plan *plan, int ready_fd, struct diag *diag, pid_t *ret)
{
    char **env;
    pid_t pid;

    if (access(plan->program, X_OK) != 0) {
        diag_error(diag, plan->program, 0, 0, "cannot be started: %s", strerror(errno));
        return GW_E_SYS;
    }
    env = environment_build(plan, ready_fd);
    pid = fork();
    if (pid == 0)
        child_exec(plan, ready_fd, env);
    environment_free(env);
    if (pid < 0) {
        diag_error(diag, NULL, 0, 0, "cannot start a process: %s", strerror(errno));
        return GW_E_SYS;
    }
    *ret = pid;
    return 0;
}

static struct handover *
handover_watch(struct loop *loop, int pipe_fd, pid_t pid, const struct handover_hooks *hooks,
               int64_t timeout_ms)
{
    struct handover *h = mem_calloc(1, sizeof(*h));

    h->loop = loop;
    h->pipe_fd = pipe_fd;
    h->pid = pid;
    h->hooks = *hooks;
    loop_timer_init(loop, &h->timer, on_timeout, h);
    loop_timer_set(&h->timer, loop_now_fresh(loop)->mono_ms + timeout_ms);
    gw_assert(loop_watch_add_level(loop, &h->watch, pipe_fd, on_pipe, h) == 0);
    return h;
}

int
handover_start(struct loop *loop, const struct handover_plan *plan,
               const struct handover_hooks *hooks, struct diag *diag, struct handover **ret)
{
    int fds[2];
    pid_t pid;
    int rc;

    if (plan->fd_count > HANDOVER_FDS_MAX) {
        diag_error(diag, NULL, 0, 0, "%zu listening sockets are more than the %d that can be given",
                   plan->fd_count, HANDOVER_FDS_MAX);
        return GW_E_LIMIT;
    }
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        diag_error(diag, NULL, 0, 0, "cannot make a pipe: %s", strerror(errno));
        return GW_E_SYS;
    }
    rc = spawn(plan, fds[1], diag, &pid);
    close(fds[1]);
    if (rc != 0) {
        close(fds[0]);
        return rc;
    }
    *ret = handover_watch(loop, fds[0], pid, hooks, plan->timeout_ms);
    return 0;
}

void
handover_cancel(struct handover *h)
{
    if (h == NULL)
        return;
    child_end(h->pid);
    handover_free(h);
}
