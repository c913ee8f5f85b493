/* SPDX-License-Identifier: Apache-2.0
 *
 * The listening sockets of the process, by address. They are bound while a generation is
 * built, so that an address which cannot be had refuses the reload; they are kept over
 * reloads for as long as some listener names the address, and closed only after every
 * worker has let go of them.
 *
 * An address has one socket per worker (SO_REUSEPORT), or whatever was inherited from
 * systemd or from the gateway before us: those are dealt out to the workers in turn, and
 * several workers share one when there are fewer sockets than workers.
 *
 * Control thread only.
 */
#ifndef CTL_SOCKETS_H
#define CTL_SOCKETS_H

#include "base/diag.h"
#include "conf/snapshot.h"
#include "proxy/worker.h"

struct socket_entry {
    struct addr addr;  /* as configured */
    struct addr bound; /* with the real port, when the configured one is 0 */
    int *fds;
    size_t fd_count;
    uint64_t retired_at; /* generation that no longer has the address; 0: in use */
};

struct sockets {
    unsigned worker_count;
    struct socket_entry *entries;
    size_t count;
    struct socket_entry *inherited; /* not asked for yet */
    size_t inherited_count;
    struct socket_entry *planned; /* bound for the generation that is being built */
    size_t planned_count;
};

void sockets_init(struct sockets *s, unsigned worker_count);
/* Closes everything. */
void sockets_done(struct sockets *s);
/* Takes a descriptor over. False (and closed) when it is no listening TCP socket. */
bool sockets_inherit(struct sockets *s, int fd);
/* One inherited socket of this address leaves the set, for the admin address; -1 when none. */
int sockets_take_inherited(struct sockets *s, const struct addr *addr);
/* Closes what nobody asked for; says how many. */
size_t sockets_close_inherited(struct sockets *s);

/* Binds what the site needs and the set does not have. GW_E_CONFIG with diag filled; then nothing
 * has changed. file is for messages. */
int sockets_plan(struct sockets *s, const struct site *site, const char *file,
                 struct diag *diag) GW_MUST_USE;
/* The plan will not be used. */
void sockets_abandon(struct sockets *s);
/* The plan is part of this generation from now on; addresses that it lacks are retired. */
void sockets_commit(struct sockets *s, const struct site *site, uint64_t generation);
/* Every worker has taken over this generation, so what it retired is closed. */
void sockets_close_retired(struct sockets *s, uint64_t generation);

/* What worker `index` listens on; malloc. After sockets_commit. */
struct worker_listen *sockets_listens(const struct sockets *s, const struct site *site,
                                      unsigned index, size_t *ret_count);
/* NULL when the address is not in use. */
const struct socket_entry *sockets_find(const struct sockets *s, const struct addr *addr);
/* Every descriptor in use; malloc. */
int *sockets_fds(const struct sockets *s, size_t *ret_count);

#endif
