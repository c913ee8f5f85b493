/* SPDX-License-Identifier: Apache-2.0
 *
 * Says in the log when a list in use has spent three quarters of its validity, and when it
 * has expired: once each. What an expired list means is for the trust store's policy.
 *
 * Control thread only.
 */
#ifndef CTL_LISTAGE_H
#define CTL_LISTAGE_H

#include "conf/snapshot.h"
#include "net/loop.h"

enum listage_stage { LISTAGE_FRESH, LISTAGE_OLD, LISTAGE_EXPIRED };

struct listage_entry {
    uint8_t sha256[32];
    size_t trust;
    enum listage_stage stage;
};

struct listage {
    struct loop *loop;
    struct loop_timer timer;
    const struct snapshot *snapshot; /* in use; borrowed */
    struct listage_entry *entries;
    size_t count;
};

void listage_init(struct listage *a, struct loop *loop);
void listage_done(struct listage *a); /* safe on a zeroed struct */
/* The snapshot in use from now on, until the next call. What was said is not said again. */
void listage_set(struct listage *a, const struct snapshot *s);

/* Where a list stands, and when (wall clock) it goes on; INT64_MAX: never. */
enum listage_stage listage_of(const struct crl_info *info, int64_t now_s, int64_t *ret_next_s);

#endif
