/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening and writing the descriptor of a log. Opened by the control thread, then used by the
 * log writer alone. Owns the descriptor unless it is a standard one. Must never block on a
 * reader, change the flags of a descriptor that it shares, or raise SIGPIPE on a socket.
 */
#include "obs/log_out.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void
classify(int fd, bool is_standard, struct log_out *ret)
{
    struct stat st = {0};
    int flags = fcntl(fd, F_GETFL);
    bool is_regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    bool is_nonblocking = flags >= 0 && (flags & O_NONBLOCK) != 0;

    *ret = (struct log_out){.fd = fd, .is_standard = is_standard};
    ret->is_socket = S_ISSOCK(st.st_mode);
    ret->can_block = !is_regular && !ret->is_socket && !is_nonblocking;
}

int
log_out_open(const char *path, struct log_out *ret)
{
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = open(path, flags, 0640);

    if (fd < 0)
        return GW_E_SYS;
    classify(fd, false, ret);
    return 0;
}

void
log_out_standard(int fd, struct log_out *ret)
{
    classify(fd, true, ret);
}

void
log_out_close(struct log_out *o)
{
    if (!o->is_standard && o->fd >= 0)
        close(o->fd);
    o->fd = -1;
}

/* A pipe that polls writable takes PIPE_BUF bytes without waiting. */
static int
limit_pieces(struct iovec *pieces, int count)
{
    size_t left = PIPE_BUF;
    int kept = 0;

    while (kept < count && left > 0) {
        pieces[kept].iov_len = size_min(pieces[kept].iov_len, left);
        left -= pieces[kept].iov_len;
        kept++;
    }
    return kept;
}

static bool
is_writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    /* an error or a hang-up is for the write to report */
    return poll(&p, 1, 0) > 0;
}

static ssize_t
write_once(const struct log_out *o, struct iovec *pieces, int count)
{
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)count};

    if (o->is_socket)
        return sendmsg(o->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return writev(o->fd, pieces, count);
}

int
log_out_write(const struct log_out *o, struct iovec *pieces, int count, size_t *ret_written)
{
    ssize_t n;

    if (o->can_block) {
        if (!is_writable(o->fd))
            return GW_E_AGAIN;
        count = limit_pieces(pieces, count);
    }
    do {
        n = write_once(o, pieces, count);
    } while (n < 0 && errno == EINTR);
    if (n == 0)
        return GW_E_AGAIN;
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? GW_E_AGAIN : GW_E_SYS;
    *ret_written = (size_t)n;
    return 0;
}
