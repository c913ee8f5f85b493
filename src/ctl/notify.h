/* SPDX-License-Identifier: Apache-2.0
 *
 * Words to the supervisor, as sd_notify(3) defines them: READY=1, RELOADING=1, STOPPING=1,
 * MAINPID=... Without a supervisor that listens they go nowhere.
 */
#ifndef CTL_NOTIFY_H
#define CTL_NOTIFY_H

#include "base/base.h"

/* One datagram to $NOTIFY_SOCKET. Never blocks, never fails. */
void notify_send(const char *fmt, ...) GW_PRINTF(1, 2);

#endif
