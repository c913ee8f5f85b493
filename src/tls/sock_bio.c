/* SPDX-License-Identifier: Apache-2.0
 *
 * libssl's view of the socket. Called by libssl only, on the connection's thread; owns the
 * block of held records, not the descriptor. It must never raise SIGPIPE, and never report
 * "would block" unless an edge is sure to follow.
 */
#include "tls/sock_bio.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/assert.h"

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

/* What is held, then src. The number of bytes sent, or -1 with errno. */
static ssize_t
send_both(struct sock_bio *s, const char *src, size_t n)
{
    struct str held = buf_peek(&s->held);
    struct iovec iov[2] = {{(void *)held.ptr, held.len}, {(void *)src, n}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    ssize_t sent;

    do {
        if (held.len == 0)
            sent = send(s->fd, src, n, MSG_NOSIGNAL);
        else
            sent = sendmsg(s->fd, &msg, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        s->wrote_since = true;
    return sent;
}

static void
release_block(struct sock_bio *s)
{
    if (s->held.mem == NULL)
        return;
    pool_release(s->blocks, buf_detach(&s->held));
}

/* Sends until all is gone or the socket is full. The number of bytes of src that left; -1 when
 * none did, with errno (EAGAIN: is_writable is false now). */
static ssize_t
push(struct sock_bio *s, const char *src, size_t n)
{
    size_t done = 0;

    while (buf_len(&s->held) > 0 || done < n) {
        size_t held = buf_len(&s->held);
        ssize_t sent = send_both(s, src + done, n - done);

        if (sent < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                s->is_writable = false;
            else
                s->error = errno;
            return done > 0 ? (ssize_t)done : -1;
        }
        buf_consume(&s->held, size_min((size_t)sent, held));
        done += (size_t)sent - size_min((size_t)sent, held);
    }
    release_block(s);
    return (ssize_t)done;
}

/* False when there is no block to hold it in, or no room in that. */
static bool
hold(struct sock_bio *s, const char *src, size_t n)
{
    if (!s->is_corked || s->blocks == NULL || n > s->blocks->block_bytes)
        return false;
    if (s->held.mem == NULL) {
        void *block = pool_acquire(s->blocks);

        if (block == NULL)
            return false;
        buf_attach(&s->held, block, s->blocks->block_bytes);
    }
    return buf_append(&s->held, src, n) == 0;
}

static int
on_write(BIO *bio, const char *src, int n)
{
    struct sock_bio *s = BIO_get_data(bio);
    ssize_t sent;

    BIO_clear_retry_flags(bio);
    if (n <= 0)
        return 0;
    if (hold(s, src, (size_t)n))
        return n;
    if (!s->is_writable) {
        BIO_set_retry_write(bio);
        return -1;
    }
    sent = push(s, src, (size_t)n);
    if (sent < 0 && !s->is_writable)
        BIO_set_retry_write(bio);
    return (int)sent;
}

int
sock_bio_flush(struct sock_bio *s)
{
    if (buf_len(&s->held) == 0)
        return 0;
    if (!s->is_writable)
        return GW_E_WANT_WRITE;
    if (push(s, "", 0) >= 0)
        return 0;
    return s->is_writable ? GW_E_RESET : GW_E_WANT_WRITE;
}

static long
on_ctrl(BIO *bio, int command, long number GW_UNUSED, void *ptr GW_UNUSED)
{
    struct sock_bio *s = BIO_get_data(bio);
    int rc;

    switch (command) {
    case BIO_CTRL_FLUSH:
        BIO_clear_retry_flags(bio);
        rc = sock_bio_flush(s);
        if (rc == GW_E_WANT_WRITE)
            BIO_set_retry_write(bio);
        return rc == 0 ? 1 : -1;
    case BIO_CTRL_WPENDING:
        return (long)buf_len(&s->held);
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

void
sock_bio_done(struct sock_bio *s)
{
    release_block(s);
}
