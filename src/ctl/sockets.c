/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening sockets by address: inherited, kept, new, dropped. Called by gateway and
 * reload on the control thread; owns the descriptors, which workers borrow. Must never
 * close one that a worker may still watch.
 */
#include "ctl/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "ctl/mem.h"

void
sockets_init(struct sockets *s, unsigned worker_count)
{
    gw_assert(worker_count > 0);
    *s = (struct sockets){.worker_count = worker_count};
}

static void
entry_close(struct socket_entry *e)
{
    for (size_t i = 0; i < e->fd_count; i++)
        close(e->fds[i]);
    free(e->fds);
    *e = (struct socket_entry){.retired_at = 0};
}

static void
entries_close(struct socket_entry **entries, size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        entry_close(&(*entries)[i]);
    free(*entries);
    *entries = NULL;
    *count = 0;
}

void
sockets_done(struct sockets *s)
{
    entries_close(&s->entries, &s->count);
    entries_close(&s->inherited, &s->inherited_count);
    entries_close(&s->planned, &s->planned_count);
}

static void
entry_add_fd(struct socket_entry *e, int fd)
{
    e->fds = mem_resize(e->fds, e->fd_count + 1, sizeof(*e->fds));
    e->fds[e->fd_count++] = fd;
}

/* Takes *e over. */
static void
entries_push(struct socket_entry **entries, size_t *count, const struct socket_entry *e)
{
    *entries = mem_resize(*entries, *count + 1, sizeof(**entries));
    (*entries)[(*count)++] = *e;
}

/* Same address and same family: "[::ffff:127.0.0.1]" and "127.0.0.1" are two sockets. */
static bool
addr_same(const struct addr *a, const struct addr *b)
{
    return a->sa.sa_family == b->sa.sa_family && addr_eq(a, b);
}

static struct socket_entry *
entries_find(struct socket_entry *entries, size_t count, const struct addr *addr)
{
    for (size_t i = 0; i < count; i++) {
        if (addr_same(&entries[i].addr, addr))
            return &entries[i];
    }
    return NULL;
}

const struct socket_entry *
sockets_find(const struct sockets *s, const struct addr *addr)
{
    return entries_find(s->entries, s->count, addr);
}

bool
sockets_inherit(struct sockets *s, int fd)
{
    struct socket_entry *e;
    struct addr addr;
    socklen_t len = sizeof(int);
    int is_listening = 0;
    int flags = fcntl(fd, F_GETFL);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) != 0 || !is_listening ||
        sock_local_addr(fd, &addr) != 0 ||
        (addr.sa.sa_family != AF_INET && addr.sa.sa_family != AF_INET6) ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        close(fd);
        return false;
    }
    e = entries_find(s->inherited, s->inherited_count, &addr);
    if (e == NULL) {
        entries_push(&s->inherited, &s->inherited_count,
                     &(struct socket_entry){.addr = addr, .bound = addr});
        e = &s->inherited[s->inherited_count - 1];
    }
    entry_add_fd(e, fd);
    return true;
}

static void
entries_remove(struct socket_entry *entries, size_t *count, struct socket_entry *e)
{
    struct socket_entry last = entries[--*count];

    entries[*count] = (struct socket_entry){.retired_at = 0};
    *e = last;
}

int
sockets_take_inherited(struct sockets *s, const struct addr *addr)
{
    struct socket_entry *e = entries_find(s->inherited, s->inherited_count, addr);
    int fd;

    if (e == NULL)
        return -1;
    fd = e->fds[--e->fd_count];
    if (e->fd_count == 0) {
        entry_close(e);
        entries_remove(s->inherited, &s->inherited_count, e);
    }
    return fd;
}

size_t
sockets_close_inherited(struct sockets *s)
{
    size_t count = s->inherited_count;

    entries_close(&s->inherited, &s->inherited_count);
    return count;
}

static void
report_bind_error(const struct site_listener *l, const struct addr *addr, int error,
                  const char *file, struct diag *diag)
{
    char text[ADDR_TEXT_MAX];
    const char *advice = "";

    if (error == EADDRINUSE)
        advice = "; another program listens there: stop it, or choose another port";
    else if (error == EACCES)
        advice = "; ports below 1024 need CAP_NET_BIND_SERVICE or a socket unit of systemd";
    else if (error == EADDRNOTAVAIL)
        advice = "; no interface of this machine has the address";
    else if (error == EMFILE || error == ENFILE)
        advice = "; raise the limit of open files";
    addr_format(addr, text);
    diag_error(diag, file, 0, 0, "listener \"%.*s\": cannot listen on %s: %s%s", STR_ARG(l->name),
               text, strerror(error), advice);
}

/* One socket per worker. SO_REUSEPORT would let a second gateway of the same user join in without
 * a word, so the address is first taken for us alone. */
static int
entry_bind(struct socket_entry *e, unsigned worker_count)
{
    struct addr at = e->addr;
    int fd;

    if (sock_listen(&at, false, &fd) != 0)
        return GW_E_SYS;
    if (worker_count == 1 || addr_port(&at) == 0) {
        entry_add_fd(e, fd);
        return sock_local_addr(fd, &e->bound);
    }
    close(fd);
    for (unsigned i = 0; i < worker_count; i++) {
        if (sock_listen(&at, true, &fd) != 0)
            return GW_E_SYS;
        entry_add_fd(e, fd);
    }
    e->bound = at;
    return 0;
}

static int
plan_address(struct sockets *s, const struct site_listener *l, const struct addr *addr,
             const char *file, struct diag *diag)
{
    struct socket_entry e = {.addr = *addr, .bound = *addr};

    if (entries_find(s->entries, s->count, addr) != NULL ||
        entries_find(s->inherited, s->inherited_count, addr) != NULL ||
        entries_find(s->planned, s->planned_count, addr) != NULL)
        return 0;
    if (entry_bind(&e, s->worker_count) != 0) {
        report_bind_error(l, addr, errno, file, diag);
        entry_close(&e);
        return GW_E_CONFIG;
    }
    entries_push(&s->planned, &s->planned_count, &e);
    return 0;
}

int
sockets_plan(struct sockets *s, const struct site *site, const char *file, struct diag *diag)
{
    int rc = 0;

    gw_assert(s->planned_count == 0);
    for (size_t i = 0; i < site->listener_count; i++) {
        const struct site_listener *l = &site->listeners[i];

        for (size_t j = 0; j < l->address_count; j++) {
            if (plan_address(s, l, &l->addresses[j], file, diag) != 0)
                rc = GW_E_CONFIG;
        }
    }
    if (rc != 0)
        sockets_abandon(s);
    return rc;
}

void
sockets_abandon(struct sockets *s)
{
    entries_close(&s->planned, &s->planned_count);
}

static bool
site_has_address(const struct site *site, const struct addr *addr)
{
    for (size_t i = 0; i < site->listener_count; i++) {
        const struct site_listener *l = &site->listeners[i];

        for (size_t j = 0; j < l->address_count; j++) {
            if (addr_same(&l->addresses[j], addr))
                return true;
        }
    }
    return false;
}

/* Inherited sockets that the site names become ordinary ones. */
static void
commit_inherited(struct sockets *s, const struct site *site)
{
    size_t i = 0;

    while (i < s->inherited_count) {
        struct socket_entry *e = &s->inherited[i];

        if (!site_has_address(site, &e->addr)) {
            i++;
            continue;
        }
        entries_push(&s->entries, &s->count, e);
        entries_remove(s->inherited, &s->inherited_count, e);
    }
}

void
sockets_commit(struct sockets *s, const struct site *site, uint64_t generation)
{
    for (size_t i = 0; i < s->count; i++) {
        struct socket_entry *e = &s->entries[i];

        if (site_has_address(site, &e->addr))
            e->retired_at = 0; /* also one that was retired a moment ago */
        else if (e->retired_at == 0)
            e->retired_at = generation;
    }
    for (size_t i = 0; i < s->planned_count; i++)
        entries_push(&s->entries, &s->count, &s->planned[i]);
    free(s->planned);
    s->planned = NULL;
    s->planned_count = 0;
    commit_inherited(s, site);
}

void
sockets_close_retired(struct sockets *s, uint64_t generation)
{
    size_t i = 0;

    while (i < s->count) {
        struct socket_entry *e = &s->entries[i];

        if (e->retired_at == 0 || e->retired_at > generation) {
            i++;
            continue;
        }
        entry_close(e);
        entries_remove(s->entries, &s->count, e);
    }
}

struct listens {
    struct worker_listen *items;
    size_t count;
};

/* Socket k of an address belongs to worker k modulo the workers; with fewer sockets than workers
 * they are shared. */
static void
listens_add(struct listens *out, const struct socket_entry *e, unsigned worker,
            const struct sockets *s, size_t listener_index)
{
    size_t rounds = size_max(e->fd_count, s->worker_count);

    for (size_t k = worker; k < rounds; k += s->worker_count) {
        out->items = mem_resize(out->items, out->count + 1, sizeof(*out->items));
        out->items[out->count++] = (struct worker_listen){
            .listener_index = (unsigned)listener_index, .fd = e->fds[k % e->fd_count]};
    }
}

struct worker_listen *
sockets_listens(const struct sockets *s, const struct site *site, unsigned index, size_t *ret_count)
{
    struct listens out = {NULL, 0};

    for (size_t i = 0; i < site->listener_count; i++) {
        const struct site_listener *l = &site->listeners[i];

        for (size_t j = 0; j < l->address_count; j++) {
            const struct socket_entry *e = sockets_find(s, &l->addresses[j]);

            gw_assert(e != NULL);
            listens_add(&out, e, index, s, i);
        }
    }
    *ret_count = out.count;
    return out.items;
}

int *
sockets_fds(const struct sockets *s, size_t *ret_count)
{
    int *fds = NULL;
    size_t count = 0;

    for (size_t i = 0; i < s->count; i++) {
        const struct socket_entry *e = &s->entries[i];

        if (e->retired_at != 0)
            continue;
        fds = mem_resize(fds, count + e->fd_count, sizeof(*fds));
        memcpy(fds + count, e->fds, e->fd_count * sizeof(*fds));
        count += e->fd_count;
    }
    *ret_count = count;
    return fds;
}
