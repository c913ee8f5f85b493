/* SPDX-License-Identifier: Apache-2.0
 *
 * libssl's view of the socket. Called by libssl only, on the connection's thread; does not own
 * the descriptor. It must never raise SIGPIPE, and never report "would block" unless an edge is
 * sure to follow.
 */
#include "tls/sock_bio.h"

#include <errno.h>
#include <sys/socket.h>

/* The short read emptied the socket, and the write that succeeded after it proves that no reset
 * was waiting behind the data (see net/loop.h): whatever comes next makes an edge. */
static bool
is_known_drained(const struct sock_bio *s)
{
    return s->was_short && s->wrote_since && !s->saw_closed;
}

bool
sock_bio_is_drained(struct sock_bio *s)
{
    if (is_known_drained(s))
        s->is_readable = false;
    return !s->is_readable;
}

static int
would_block_read(BIO *bio, struct sock_bio *s)
{
    s->is_readable = false;
    BIO_set_retry_read(bio);
    return -1;
}

static int
on_read(BIO *bio, char *dst, int n)
{
    struct sock_bio *s = BIO_get_data(bio);
    ssize_t got;

    BIO_clear_retry_flags(bio);
    if (n <= 0)
        return 0;
    if (sock_bio_is_drained(s))
        return would_block_read(bio, s);
    do {
        got = recv(s->fd, dst, (size_t)n, 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        s->was_short = got < n;
        s->wrote_since = false;
        return (int)got;
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return would_block_read(bio, s);
    if (got == 0)
        s->saw_eof = true;
    else
        s->error = errno;
    return (int)got;
}

/* Sends until all is gone or the socket is full. The number of bytes that left; -1 when none did,
 * with errno (EAGAIN: is_writable is false now). The kernel keeps a record back while the next one
 * is about to follow: fewer segments, and fewer wake-ups at the other end. */
static ssize_t
push(struct sock_bio *s, const char *src, size_t n)
{
    int flags = MSG_NOSIGNAL | (s->write_left > 0 ? MSG_MORE : 0);
    size_t done = 0;

    while (done < n) {
        ssize_t sent = send(s->fd, src + done, n - done, flags);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                s->is_writable = false;
            else
                s->error = errno;
            return done > 0 ? (ssize_t)done : -1;
        }
        s->wrote_since = true;
        done += (size_t)sent;
    }
    return (ssize_t)done;
}

static int
on_write(BIO *bio, const char *src, int n)
{
    struct sock_bio *s = BIO_get_data(bio);
    ssize_t sent;

    BIO_clear_retry_flags(bio);
    if (n <= 0)
        return 0;
    s->write_left -= size_min(s->write_left, (size_t)n);
    if (!s->is_writable) {
        BIO_set_retry_write(bio);
        return -1;
    }
    sent = push(s, src, (size_t)n);
    if (sent < 0 && !s->is_writable)
        BIO_set_retry_write(bio);
    return (int)sent;
}

static long
on_ctrl(BIO *bio GW_UNUSED, int command, long number GW_UNUSED, void *ptr GW_UNUSED)
{
    switch (command) {
    case BIO_CTRL_FLUSH: /* nothing is ever held back */
    case BIO_CTRL_PUSH:
    case BIO_CTRL_POP:
    case BIO_CTRL_DUP:
        return 1;
    default:
        /* Not BIO_CTRL_EOF either: libssl would send an alert to who has gone. */
        return 0;
    }
}

static int
on_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD *
sock_bio_method_new(void)
{
    /* The type only serves BIO_find_type, which nobody calls, so no index is used up. */
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_TYPE_START, "socket");

    if (m == NULL)
        return NULL;
    if (BIO_meth_set_create(m, on_create) && BIO_meth_set_read(m, on_read) &&
        BIO_meth_set_write(m, on_write) && BIO_meth_set_ctrl(m, on_ctrl))
        return m;
    BIO_meth_free(m);
    return NULL;
}

BIO *
sock_bio_new(const BIO_METHOD *method, struct sock_bio *s, int fd)
{
    BIO *bio = BIO_new(method);

    if (bio == NULL)
        return NULL;
    *s = (struct sock_bio){.fd = fd, .is_readable = true, .is_writable = true};
    BIO_set_data(bio, s);
    return bio;
}

void
sock_bio_on_ready(struct sock_bio *s, bool readable, bool writable, bool saw_closed)
{
    if (readable || saw_closed) {
        s->is_readable = true;
        s->was_short = false;
    }
    if (writable)
        s->is_writable = true;
    s->saw_closed = s->saw_closed || saw_closed;
}
