/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals as events of the control loop, by signalfd: no handler ever runs. PIPE is
 * ignored. Several of one kind that arrive together may be told as one.
 */
#ifndef CTL_SIGNALS_H
#define CTL_SIGNALS_H

#include <signal.h>

#include "net/loop.h"

struct signals {
    struct loop_watch watch;
    void (*on_signal)(void *arg, int signo); /* HUP, TERM, INT, USR1, USR2 */
    void *arg;
    int fd;
};

/* Before the first thread is started, so that every thread has them blocked. */
void signals_block(void);
/* For a child between fork and exec (async-signal-safe), and for the end of the process: the
 * default actions again, nothing blocked. */
void signals_restore(void);
int signals_start(struct signals *s, struct loop *loop, void (*on_signal)(void *arg, int signo),
                  void *arg) GW_MUST_USE;
void signals_stop(struct signals *s);
/* "HUP" */
const char *signals_name(int signo);

#endif
