/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals become reads of one descriptor. Called by gateway, on the control thread; owns
 * the descriptor. Must never install a handler.
 */
#include "ctl/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include "base/assert.h"

static void
signals_fill(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGUSR1);
    sigaddset(set, SIGUSR2);
}

void
signals_block(void)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t set;

    signals_fill(&set);
    gw_assert(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    gw_assert(sigaction(SIGPIPE, &ignore, NULL) == 0);
}

void
signals_restore(void)
{
    const struct sigaction normal = {.sa_handler = SIG_DFL};
    sigset_t set;

    (void)sigaction(SIGPIPE, &normal, NULL);
    sigemptyset(&set);
    (void)sigprocmask(SIG_SETMASK, &set, NULL);
}

static void
on_readable(void *arg, unsigned bits)
{
    struct signals *s = arg;
    struct signalfd_siginfo info;

    (void)bits;
    while (s->fd >= 0 && read(s->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        s->on_signal(s->arg, (int)info.ssi_signo);
}

int
signals_start(struct signals *s, struct loop *loop, void (*on_signal)(void *arg, int signo),
              void *arg)
{
    sigset_t set;
    int rc;

    signals_fill(&set);
    *s = (struct signals){.on_signal = on_signal, .arg = arg, .fd = -1};
    s->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->fd < 0)
        return GW_E_SYS;
    rc = loop_watch_add_level(loop, &s->watch, s->fd, on_readable, s);
    if (rc != 0) {
        close(s->fd);
        s->fd = -1;
    }
    return rc;
}

void
signals_stop(struct signals *s)
{
    if (s->on_signal == NULL || s->fd < 0)
        return;
    loop_watch_remove(&s->watch);
    close(s->fd);
    s->fd = -1;
}

const char *
signals_name(int signo)
{
    switch (signo) {
    case SIGHUP:
        return "HUP";
    case SIGTERM:
        return "TERM";
    case SIGINT:
        return "INT";
    case SIGUSR1:
        return "USR1";
    case SIGUSR2:
        return "USR2";
    default:
        return "?";
    }
}
