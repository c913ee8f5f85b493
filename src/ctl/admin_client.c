/* SPDX-License-Identifier: Apache-2.0
 *
 * The client half of the admin socket. Called by the commands reload and status, in a
 * process of their own; owns its socket. Blocking is its purpose.
 */
#include "ctl/admin_client.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/limits.h"
#include "ctl/mem.h"
#include "http/h1_parse.h"

#define READ_STEP 65536
#define HEAD_ARENA_BLOCK 8192
#define HEAD_ARENA_MAX 65536

static int
call_fail(struct diag *diag, const char *socket_path, const char *what)
{
    diag_error(diag, socket_path, 0, 0, "%s", what);
    return GW_E_CONFIG;
}

static int
call_connect(const struct admin_question *q, struct diag *diag, int *ret_fd)
{
    const struct timeval wait = {.tv_sec = q->timeout_ms / 1000,
                                 .tv_usec = q->timeout_ms % 1000 * 1000};
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd;

    if (snprintf(at.sun_path, sizeof(at.sun_path), "%s", q->socket) >= (int)sizeof(at.sun_path))
        return call_fail(diag, q->socket, "the path is longer than a socket's may be");
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return call_fail(diag, q->socket, strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
        bool is_absent = errno == ENOENT || errno == ECONNREFUSED;

        close(fd);
        return call_fail(diag, q->socket,
                         is_absent ? "no gateway is running with this admin socket"
                                   : strerror(errno));
    }
    *ret_fd = fd;
    return 0;
}

static int
call_send(const struct admin_question *q, int fd, struct diag *diag)
{
    char text[ADMIN_HEAD_MAX];
    int n = snprintf(text, sizeof(text),
                     "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", q->method,
                     q->path);

    if (n >= (int)sizeof(text) || send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
        return call_fail(diag, q->socket, "the request could not be sent");
    return 0;
}

/* Everything up to the end of the connection; malloc. */
static int
call_receive(const struct admin_question *q, int fd, struct diag *diag, struct admin_answer *ret)
{
    char *bytes = NULL;
    size_t len = 0;
    ssize_t n;

    do {
        bytes = mem_resize(bytes, len + READ_STEP + 1, 1);
        n = recv(fd, bytes + len, READ_STEP, 0);
        if (n > 0)
            len += (size_t)n;
    } while (n > 0 && len < ADMIN_REPLY_BYTES_MAX + READ_STEP);
    if (n != 0) {
        free(bytes);
        return call_fail(diag, q->socket, "the gateway did not answer in time");
    }
    bytes[len] = '\0';
    ret->body = bytes;
    ret->len = len;
    return 0;
}

/* Cuts the head off. */
static int
call_parse(struct admin_answer *a)
{
    enum h1_fault fault;
    struct http_resp resp;
    struct arena arena;
    struct h1_scan scan;
    size_t head = 0;
    int rc;

    h1_scan_init(&scan, false);
    rc = h1_scan(&scan, str_make(a->body, a->len), &head, &fault);
    if (rc != 0)
        return rc;
    arena_init(&arena, HEAD_ARENA_BLOCK, HEAD_ARENA_MAX);
    rc = h1_parse_response(str_make(a->body, head), METHOD_GET, &arena, &resp, &fault);
    if (rc == 0) {
        a->status = resp.status;
        a->len -= head;
        memmove(a->body, a->body + head, a->len + 1);
        if (resp.framing == FRAMING_LENGTH && resp.content_length != a->len)
            rc = GW_E_CLOSED;
    }
    arena_done(&arena);
    return rc;
}

int
admin_call(const struct admin_question *q, struct diag *diag, struct admin_answer *ret)
{
    struct admin_answer a = {0};
    int fd, rc;

    if (call_connect(q, diag, &fd) != 0)
        return GW_E_CONFIG;
    rc = call_send(q, fd, diag);
    if (rc == 0)
        rc = call_receive(q, fd, diag, &a);
    close(fd);
    if (rc == 0 && call_parse(&a) != 0)
        rc = call_fail(diag, q->socket, "the answer was cut off or is no answer of a gateway");
    if (rc != 0) {
        admin_answer_done(&a);
        return rc;
    }
    *ret = a;
    return 0;
}

void
admin_answer_done(struct admin_answer *a)
{
    free(a->body);
    *a = (struct admin_answer){0};
}
