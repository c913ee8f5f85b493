/* SPDX-License-Identifier: Apache-2.0
 *
 * Judging live connections again after a reload: by the index when the authorities are the
 * same, in full when they changed; in slices of SWEEP_SLICE_US so that no client waits for
 * it. A connection that asks for something before its turn is judged then. Worker thread.
 */
#ifndef PROXY_SWEEP_H
#define PROXY_SWEEP_H

#include "proxy/conn.h"

void sweep_init(struct worker *w);
/* Before sweep_start, with the new snapshot in place: clients on lists that the old one did not
 * have are looked for first, so that they need not wait until everybody has been judged. */
void sweep_note_news(struct worker *w, const struct snapshot *old);
void sweep_done(struct worker *w);
/* A new snapshot is current. A sweep in progress starts again from the first connection. */
void sweep_start(struct worker *w);
/* c is about to be closed: the cursor moves on. */
void sweep_on_conn_gone(struct worker *w, struct conn *c);
/* True when c may go on; otherwise it has been closed. Cheap when already judged under the
 * current snapshot. */
bool sweep_judge(struct conn *c);

#endif
