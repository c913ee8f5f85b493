/* SPDX-License-Identifier: Apache-2.0
 *
 * The log writer's thread and the calls of its clients. The control thread makes, opens, reopens
 * and frees; workers only put lines into their rings. Owns all log files; frees one on its own
 * thread after the last reference is gone. Must never make a producer wait.
 *
 * Sleeping: after a write the thread naps a few milliseconds so that lines gather, and producers
 * wake it only when a ring is half full. With nothing left it sleeps, and the first line wakes
 * it. A producer stores head, then reads state; the thread stores state, then reads the heads:
 * with both in one total order (seq_cst) at least one of them sees the other.
 */
#include "obs/log_writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "obs/log_file.h"

enum writer_state { WRITER_BUSY, WRITER_NAPS, WRITER_SLEEPS };

struct log_writer {
    pthread_t thread;
    pthread_mutex_t lock;      /* files, their count and references */
    pthread_mutex_t diag_lock; /* makes many producers one */
    struct log_file *files;    /* the thread alone takes out; others put in front */
    unsigned file_count;
    struct log_file *diag; /* standard error; not in files */
    unsigned ring_count;
    size_t ring_bytes;
    int wake_fd;
    atomic_int state; /* enum writer_state */
    atomic_bool wants_stop;
    _Atomic uint64_t dropped; /* of files that are gone */
    int64_t stop_at_ms;       /* thread: 0, or when it ends whatever waits */
    int64_t report_at_ms;     /* thread */
};

/* ---- waking ---- */

static void
ring_the_bell(struct log_writer *w)
{
    uint64_t one = 1;
    ssize_t n = write(w->wake_fd, &one, sizeof(one));

    (void)n; /* a full counter wakes as well */
}

/* Only the first who finds the thread asleep pays for the system call. */
static void
wake_for(struct log_writer *w, const struct log_ring *ring)
{
    int state = atomic_load_explicit(&w->state, memory_order_seq_cst);

    if (state == WRITER_BUSY)
        return;
    if (state == WRITER_NAPS && log_ring_used(ring) <= ring->cap / 2)
        return;
    if (atomic_exchange_explicit(&w->state, WRITER_BUSY, memory_order_seq_cst) != WRITER_BUSY)
        ring_the_bell(w);
}

static bool
put_line(struct log_file *f, struct log_ring *ring, const char *line, size_t len)
{
    if (!log_ring_put(ring, line, len)) {
        atomic_fetch_add_explicit(&f->dropped, 1, memory_order_relaxed);
        return false;
    }
    wake_for(f->writer, ring);
    return true;
}

bool
log_file_write(struct log_file *f, unsigned producer, const char *line, size_t len)
{
    gw_assert(producer < f->ring_count);
    gw_assert(len > 0 && len <= LOG_LINE_MAX && line[len - 1] == '\n');
    return put_line(f, &f->rings[producer], line, len);
}

static void
on_log_line(void *arg, const char *line, size_t len)
{
    struct log_writer *w = arg;

    pthread_mutex_lock(&w->diag_lock);
    put_line(w->diag, &w->diag->rings[0], line, len);
    pthread_mutex_unlock(&w->diag_lock);
}

/* ---- the thread ---- */

static struct log_file *
first_file(struct log_writer *w)
{
    struct log_file *first;

    pthread_mutex_lock(&w->lock);
    first = w->files;
    pthread_mutex_unlock(&w->lock);
    return first;
}

static void
take_out(struct log_writer *w, struct log_file *f)
{
    struct log_file **at = &w->files;

    pthread_mutex_lock(&w->lock);
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    w->file_count--;
    atomic_fetch_add_explicit(&w->dropped, atomic_load_explicit(&f->dropped, memory_order_relaxed),
                              memory_order_relaxed);
    pthread_mutex_unlock(&w->lock);
}

/* A closing file gets its last lines out, or loses them: at once when writing fails, after a
 * while when the other end is merely full. */
static void
settle_closing(struct log_writer *w, struct log_file *f, int64_t now_ms)
{
    if (f->give_up_at_ms == 0)
        f->give_up_at_ms = now_ms + LOG_DRAIN_TIMEOUT_MS;
    if (!log_file_is_empty(f) && f->failures == 0 && now_ms < f->give_up_at_ms)
        return;
    log_file_discard(f);
    log_file_report(f);
    take_out(w, f);
    log_file_free(f);
}

static bool
step_files(struct log_writer *w, int64_t now_ms)
{
    bool has_written = log_file_step(w->diag, now_ms);
    struct log_file *next;

    for (struct log_file *f = first_file(w); f != NULL; f = next) {
        bool is_closing = atomic_load_explicit(&f->is_closing, memory_order_seq_cst);

        next = f->next;
        has_written |= log_file_step(f, now_ms);
        if (is_closing)
            settle_closing(w, f, now_ms);
    }
    return has_written;
}

/* Once a second; true when the clock has to go on ticking. */
static bool
report_losses(struct log_writer *w, int64_t now_ms)
{
    bool is_due = now_ms >= w->report_at_ms;
    bool is_pending;

    if (is_due)
        log_file_report(w->diag);
    is_pending = log_file_owes_report(w->diag);
    for (struct log_file *f = first_file(w); f != NULL; f = f->next) {
        if (is_due)
            log_file_report(f);
        is_pending |= log_file_owes_report(f) || !log_file_is_empty(f);
    }
    if (is_due)
        w->report_at_ms = now_ms + LOG_RETRY_MS;
    return is_pending;
}

static bool
has_work(struct log_writer *w, int64_t now_ms)
{
    if (log_file_is_ready(w->diag, now_ms) ||
        atomic_load_explicit(&w->wants_stop, memory_order_seq_cst))
        return true;
    for (struct log_file *f = first_file(w); f != NULL; f = f->next) {
        if (log_file_is_ready(f, now_ms) ||
            (f->give_up_at_ms == 0 && atomic_load_explicit(&f->is_closing, memory_order_seq_cst)))
            return true;
    }
    return false;
}

/* Waits for the bell, for a full reader to make room, or for timeout_ms. */
static void
wait_for(struct log_writer *w, int timeout_ms)
{
    struct pollfd fds[2 + LOG_FILES_MAX] = {{.fd = w->wake_fd, .events = POLLIN}};
    nfds_t count = 1;
    uint64_t rings;
    ssize_t n;

    if (w->diag->is_blocked)
        fds[count++] = (struct pollfd){.fd = w->diag->out.fd, .events = POLLOUT};
    for (struct log_file *f = first_file(w); f != NULL; f = f->next) {
        if (f->is_blocked)
            fds[count++] = (struct pollfd){.fd = f->out.fd, .events = POLLOUT};
    }
    poll(fds, count, timeout_ms);
    n = read(w->wake_fd, &rings, sizeof(rings));
    (void)n; /* nothing to read when the bell did not ring */
    atomic_store_explicit(&w->state, WRITER_BUSY, memory_order_seq_cst);
}

static void
nap(struct log_writer *w)
{
    atomic_store_explicit(&w->state, WRITER_NAPS, memory_order_seq_cst);
    wait_for(w, LOG_NAP_MS);
}

/* Lines that cannot be written now keep the clock ticking: retries, counts to be said. */
static void
sleep_until_needed(struct log_writer *w, bool is_pending, int64_t now_ms)
{
    bool ticks = is_pending || !log_file_is_empty(w->diag) || w->stop_at_ms != 0;

    atomic_store_explicit(&w->state, WRITER_SLEEPS, memory_order_seq_cst);
    if (w->stop_at_ms == 0 && has_work(w, now_ms)) {
        atomic_store_explicit(&w->state, WRITER_BUSY, memory_order_seq_cst);
        return;
    }
    wait_for(w, w->stop_at_ms != 0 ? LOG_NAP_MS : ticks ? LOG_RETRY_MS : -1);
}

/* A file that fails takes no part in the waiting. */
static bool
is_drained(struct log_writer *w)
{
    if (!log_file_is_empty(w->diag) && w->diag->failures == 0)
        return false;
    for (struct log_file *f = first_file(w); f != NULL; f = f->next) {
        if (!log_file_is_empty(f) && f->failures == 0)
            return false;
    }
    return true;
}

static bool
may_stop(struct log_writer *w, int64_t now_ms)
{
    if (!atomic_load_explicit(&w->wants_stop, memory_order_seq_cst))
        return false;
    if (w->stop_at_ms == 0)
        w->stop_at_ms = now_ms + LOG_DRAIN_TIMEOUT_MS;
    return is_drained(w) || now_ms >= w->stop_at_ms;
}

static void *
thread_main(void *arg)
{
    struct log_writer *w = arg;
    struct clock now;

    for (;;) {
        bool has_written, is_pending;

        clock_read(&now);
        has_written = step_files(w, now.mono_ms);
        is_pending = report_losses(w, now.mono_ms);
        if (may_stop(w, now.mono_ms))
            return NULL;
        if (has_written)
            nap(w);
        else
            sleep_until_needed(w, is_pending, now.mono_ms);
    }
}

/* ---- the control thread ---- */

static size_t
ring_bytes_for(unsigned ring_count)
{
    size_t bytes = LOG_RING_BYTES_MIN;

    while (bytes * 2 * ring_count <= LOG_RING_BYTES)
        bytes *= 2;
    return bytes;
}

/* No signal is for this thread; SIGPIPE, raised by a write of its own, stays blocked too. */
static void
start_thread(struct log_writer *w)
{
    sigset_t all, before;
    int err;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&w->thread, NULL, thread_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    gw_assert(err == 0);
    pthread_setname_np(w->thread, "log-writer");
}

struct log_writer *
log_writer_new(unsigned producer_count)
{
    struct log_writer *w = calloc(1, sizeof(*w));

    gw_assert(w != NULL && producer_count < LOG_PRODUCERS_MAX);
    pthread_mutex_init(&w->lock, NULL);
    pthread_mutex_init(&w->diag_lock, NULL);
    w->ring_count = producer_count + 1;
    w->ring_bytes = ring_bytes_for(w->ring_count);
    w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    gw_assert(w->wake_fd >= 0);
    w->diag = log_file_new(w, "standard error", 1, LOG_DIAG_RING_BYTES);
    w->diag->is_diag = true;
    log_out_standard(STDERR_FILENO, &w->diag->out);
    start_thread(w);
    log_set_sink(on_log_line, w);
    return w;
}

void
log_writer_free(struct log_writer *w)
{
    struct log_file *next;

    if (w == NULL)
        return;
    log_set_sink(NULL, NULL);
    atomic_store_explicit(&w->wants_stop, true, memory_order_seq_cst);
    ring_the_bell(w);
    pthread_join(w->thread, NULL);
    for (struct log_file *f = w->files; f != NULL; f = next) {
        next = f->next;
        log_file_discard(f);
        log_file_report(f);
        log_file_free(f);
    }
    log_file_free(w->diag);
    close(w->wake_fd);
    pthread_mutex_destroy(&w->lock);
    pthread_mutex_destroy(&w->diag_lock);
    free(w);
}

/* Under the lock. NULL when the path is not open. */
static struct log_file *
find_file(const struct log_writer *w, const char *path)
{
    for (struct log_file *f = w->files; f != NULL; f = f->next) {
        if (f->refs > 0 && strcmp(f->path, path) == 0)
            return f;
    }
    return NULL;
}

static int
open_file(struct log_writer *w, const char *path, struct diag *diag, struct log_file **ret)
{
    struct log_out out;
    struct log_file *f;

    if (w->file_count == LOG_FILES_MAX) {
        diag_error(diag, path, 0, 0, "more than %d log files are open; use fewer", LOG_FILES_MAX);
        return GW_E_CONFIG;
    }
    if (strcmp(path, "-") == 0) {
        log_out_standard(STDOUT_FILENO, &out);
    } else if (log_out_open(path, &out) != 0) {
        diag_error(diag, path, 0, 0, "cannot be opened for writing: %s%s", strerrordesc_np(errno),
                   errno == ENXIO ? "; start the reader of this pipe first"
                                  : "; name a file that this user may create or append to");
        return GW_E_CONFIG;
    }
    f = log_file_new(w, path, w->ring_count, w->ring_bytes);
    f->out = out;
    f->next = w->files;
    w->files = f;
    w->file_count++;
    *ret = f;
    return 0;
}

int
log_writer_open(struct log_writer *w, const char *path, struct diag *diag, struct log_file **ret)
{
    struct log_file *f;
    int err = 0;

    pthread_mutex_lock(&w->lock);
    f = find_file(w, path);
    if (f != NULL)
        f->refs++;
    else
        err = open_file(w, path, diag, &f);
    pthread_mutex_unlock(&w->lock);
    if (err == 0)
        *ret = f;
    return err;
}

void
log_file_unref(struct log_writer *w, struct log_file *f)
{
    if (f == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    gw_assert(f->refs > 0);
    f->refs--;
    if (f->refs == 0)
        atomic_store_explicit(&f->is_closing, true, memory_order_seq_cst);
    pthread_mutex_unlock(&w->lock);
    ring_the_bell(w);
}

void
log_writer_reopen(struct log_writer *w)
{
    pthread_mutex_lock(&w->lock);
    for (struct log_file *f = w->files; f != NULL; f = f->next)
        atomic_store_explicit(&f->wants_reopen, true, memory_order_seq_cst);
    pthread_mutex_unlock(&w->lock);
    ring_the_bell(w);
}

uint64_t
log_writer_dropped(const struct log_writer *w)
{
    struct log_writer *locked = (struct log_writer *)(uintptr_t)w; /* for the lock alone */
    uint64_t sum;

    pthread_mutex_lock(&locked->lock);
    sum = atomic_load_explicit(&w->dropped, memory_order_relaxed);
    for (const struct log_file *f = w->files; f != NULL; f = f->next)
        sum += atomic_load_explicit(&f->dropped, memory_order_relaxed);
    pthread_mutex_unlock(&locked->lock);
    return sum;
}
