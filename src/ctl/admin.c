/* SPDX-License-Identifier: Apache-2.0
 *
 * The administrative listener. Called by gateway on the control thread; owns its sockets
 * and connections. Must never trust what it reads, wait for a slow client, or answer with
 * anything secret.
 */
#include "ctl/admin.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/list.h"
#include "ctl/mem.h"
#include "http/h1_parse.h"
#include "net/listener.h"

#define HEAD_ARENA_BLOCK 4096
#define HEAD_ARENA_MAX 65536

enum conn_phase { READING, WAITING, WRITING, LINGERING };

struct admin_conn {
    struct list link;
    struct admin *admin;
    struct loop_watch watch;
    struct loop_timer timer;
    struct loop_task end; /* frees at the end of the turn */
    enum conn_phase phase;
    bool is_unix;
    int fd;
    uint64_t reload_number;
    uint64_t local_number; /* 0: none */
    struct h1_scan scan;
    size_t in_len;
    char *out;
    size_t out_len;
    size_t out_sent;
    char in[ADMIN_HEAD_MAX];
};

struct admin {
    struct loop *loop;
    struct admin_hooks hooks;
    struct list conns;
    size_t conn_count;
    uint64_t local_count; /* requests that on_local was asked */
    struct listener tcp;
    struct listener local;
    int tcp_fd;
    int local_fd;
    char *local_path;
    dev_t local_dev;
    ino_t local_ino;
};

static void
conn_free(struct admin_conn *c)
{
    loop_watch_remove(&c->watch);
    loop_timer_done(&c->timer);
    loop_task_cancel(&c->end);
    list_remove(&c->link);
    c->admin->conn_count--;
    close(c->fd);
    free(c->out);
    free(c);
}

static void
on_end(void *arg)
{
    conn_free(arg);
}

static void
conn_end(struct admin_conn *c)
{
    loop_defer(c->admin->loop, &c->end);
}

/* After the last byte: the client's end of stream is waited for, so that a close with unread
 * bytes does not reset the connection under the answer. */
static void
conn_linger(struct admin_conn *c)
{
    char dropped[1024];
    ssize_t n;

    do {
        n = recv(c->fd, dropped, sizeof(dropped), MSG_DONTWAIT);
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (n == 0 || errno != EAGAIN)
        conn_end(c);
}

static void
conn_write(struct admin_conn *c)
{
    while (c->out_sent < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            conn_end(c);
            return;
        }
        c->out_sent += (size_t)n;
    }
    c->phase = LINGERING;
    (void)shutdown(c->fd, SHUT_WR);
    loop_timer_set(&c->timer, loop_now(c->admin->loop)->mono_ms + LINGER_TIMEOUT_MS);
    conn_linger(c);
}

static const char *
allowed_methods(const struct admin_conn *c)
{
    return c->is_unix ? "GET, POST" : "GET";
}

/* The whole answer becomes one piece of memory, so that writing needs no state but an offset. */
static void
conn_answer(struct admin_conn *c, int status, const char *type, struct str body)
{
    FILE *out = open_memstream(&c->out, &c->out_len);

    gw_assert(out != NULL);
    fprintf(out,
            "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n"
            "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
            "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n",
            status, http_status_text(status), type, body.len);
    if (status == 405)
        fprintf(out, "Allow: %s\r\n", allowed_methods(c));
    fputs("\r\n", out);
    if (body.len > 0)
        fwrite(body.ptr, 1, body.len, out);
    gw_assert(fclose(out) == 0);
    c->phase = WRITING;
    conn_write(c);
}

static void
conn_answer_text(struct admin_conn *c, int status, const char *text)
{
    conn_answer(c, status, "text/plain; charset=utf-8", str_from(text));
}

/* From here the answer may come at any time. */
static void
conn_wait(struct admin_conn *c)
{
    c->phase = WAITING;
    c->reload_number = UINT64_MAX;
    loop_timer_set(&c->timer, loop_now(c->admin->loop)->mono_ms + ADMIN_RELOAD_TIMEOUT_MS);
}

/* What only the UNIX socket takes. False: no such path. */
static bool
conn_local(struct admin_conn *c, const struct http_req *req)
{
    const struct admin_hooks *hooks = &c->admin->hooks;
    struct ucred peer = {0};
    socklen_t peer_len = sizeof(peer);
    struct admin_request ask = {.is_post = req->method == METHOD_POST,
                                .path = req->path,
                                .query = req->query,
                                .number = ++c->admin->local_count};
    const char *type = "text/plain; charset=utf-8";
    char *body = NULL;
    size_t len = 0;
    FILE *out;
    int status;

    if (!c->is_unix || hooks->on_local == NULL ||
        getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) != 0)
        return false;
    ask.uid = peer.uid;
    ask.pid = peer.pid;
    out = open_memstream(&body, &len);
    gw_assert(out != NULL);
    status = hooks->on_local(hooks->arg, &ask, out, &type);
    gw_assert(fclose(out) == 0);
    if (status == 0) {
        c->local_number = ask.number;
        conn_wait(c);
    } else if (status != 404) {
        conn_answer(c, status, type, str_make(body, len));
    }
    free(body);
    return status != 404;
}

static void
conn_get(struct admin_conn *c, const struct http_req *req)
{
    const struct admin_hooks *hooks = &c->admin->hooks;
    const char *type = "text/plain; charset=utf-8";
    char *body = NULL;
    size_t len = 0;
    FILE *out;
    int status;

    if (conn_local(c, req))
        return;
    out = open_memstream(&body, &len);
    gw_assert(out != NULL);
    status = hooks->on_get(hooks->arg, req->path, out, &type);
    gw_assert(fclose(out) == 0);
    if (status == 404)
        conn_answer_text(c, 404,
                         "not found; there are /healthz, /readyz, /metrics, /status and "
                         "/status.json\n");
    else if (len > ADMIN_REPLY_BYTES_MAX)
        conn_answer_text(c, 500, "the answer is larger than its limit\n");
    else
        conn_answer(c, status, type, str_make(body, len));
    free(body);
}

static void
conn_post(struct admin_conn *c, const struct http_req *req)
{
    const struct admin_hooks *hooks = &c->admin->hooks;

    if (req->framing == FRAMING_CHUNKED || req->content_length > 0) {
        conn_answer_text(c, 400, "no request here takes a body\n");
        return;
    }
    if (!str_eq(req->path, STR("/reload"))) {
        if (!conn_local(c, req))
            conn_answer_text(c, 405, "only /reload, /deny and /deny/remove take POST\n");
        return;
    }
    conn_wait(c); /* before on_reload, which may answer at once */
    c->reload_number = hooks->on_reload(hooks->arg);
    if (c->reload_number == 0)
        conn_answer_text(c, 503, "the gateway is stopping; nothing was reloaded\n");
}

static void
conn_dispatch(struct admin_conn *c, const struct http_req *req)
{
    if (req->method == METHOD_GET && (req->framing == FRAMING_NONE || req->content_length == 0) &&
        req->framing != FRAMING_CHUNKED)
        conn_get(c, req);
    else if (req->method == METHOD_GET)
        conn_answer_text(c, 400, "a GET takes no body\n");
    else if (req->method == METHOD_POST && c->is_unix)
        conn_post(c, req);
    else
        conn_answer_text(c, 405, "this method is not allowed here\n");
}

static void
conn_parse(struct admin_conn *c)
{
    enum h1_fault fault = H1_FAULT_NONE;
    struct arena arena;
    struct http_req req;
    size_t len = 0;
    int rc = h1_scan(&c->scan, str_make(c->in, c->in_len), &len, &fault);

    if (rc == GW_E_AGAIN && c->in_len < sizeof(c->in))
        return;
    if (rc != 0) {
        conn_answer_text(c, rc == GW_E_AGAIN ? 431 : h1_fault_status(fault),
                         rc == GW_E_AGAIN ? "the request head is too large\n" : "bad request\n");
        return;
    }
    arena_init(&arena, HEAD_ARENA_BLOCK, HEAD_ARENA_MAX);
    if (h1_parse_request(str_make(c->in, len), &arena, &req, &fault) == 0)
        conn_dispatch(c, &req);
    else
        conn_answer_text(c, h1_fault_status(fault), "bad request\n");
    arena_done(&arena);
}

static void
conn_read(struct admin_conn *c)
{
    while (c->phase == READING && c->in_len < sizeof(c->in)) {
        ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            conn_end(c);
            return;
        }
        c->in_len += (size_t)n;
        conn_parse(c);
    }
}

static void
on_conn_io(void *arg, unsigned bits)
{
    struct admin_conn *c = arg;

    (void)bits;
    switch (c->phase) {
    case READING:
        conn_read(c);
        break;
    case WRITING:
        conn_write(c);
        break;
    case LINGERING:
        conn_linger(c);
        break;
    case WAITING:
        break; /* the answer comes, or the deadline */
    }
}

static void
on_deadline(void *arg)
{
    conn_end(arg);
}

static void
admin_accept(struct admin *a, int fd, bool is_unix)
{
    struct admin_conn *c;

    if (a->conn_count >= ADMIN_CONNS_MAX) {
        close(fd);
        return;
    }
    c = mem_calloc(1, sizeof(*c));
    c->admin = a;
    c->fd = fd;
    c->is_unix = is_unix;
    h1_scan_init(&c->scan, true);
    c->scan.head_max = ADMIN_HEAD_MAX;
    loop_task_init(&c->end, on_end, c);
    loop_timer_init(a->loop, &c->timer, on_deadline, c);
    loop_timer_set(&c->timer, loop_now(a->loop)->mono_ms + ADMIN_TIMEOUT_MS);
    list_push_tail(&a->conns, &c->link);
    a->conn_count++;
    if (loop_watch_add(a->loop, &c->watch, fd, on_conn_io, c) != 0)
        conn_free(c);
}

static void
on_tcp_accept(void *arg, int fd, const struct addr *from)
{
    (void)from;
    admin_accept(arg, fd, false);
}

static void
on_local_accept(void *arg, int fd, const struct addr *from)
{
    (void)from;
    admin_accept(arg, fd, true);
}

struct admin *
admin_new(struct loop *loop, const struct admin_hooks *hooks)
{
    struct admin *a = mem_calloc(1, sizeof(*a));

    a->loop = loop;
    a->hooks = *hooks;
    a->tcp_fd = -1;
    a->local_fd = -1;
    list_init(&a->conns);
    return a;
}

int
admin_listen_tcp(struct admin *a, int fd)
{
    gw_assert(a->tcp_fd < 0);
    a->tcp_fd = fd;
    return listener_start(&a->tcp, a->loop, fd, on_tcp_accept, a);
}

static int
local_refuse(struct diag *diag, const char *file, const char *path, const char *what)
{
    diag_error(diag, file, 0, 0, "admin.socket: %s: %s", path, what);
    return GW_E_CONFIG;
}

/* False when somebody answers on the socket. */
static bool
local_is_free(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_used;

    if (fd < 0)
        return true;
    is_used = connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 || errno == EAGAIN;
    close(fd);
    return !is_used;
}

/* Bound under a name of our own and moved into place, so that there is no moment without a
 * socket when one gateway follows another. */
static int
local_bind(int fd, const struct sockaddr_un *at, const char *path)
{
    mode_t mask;
    int rc;

    (void)unlink(at->sun_path);
    mask = umask(0177);
    rc = bind(fd, (const struct sockaddr *)at, sizeof(*at));
    (void)umask(mask);
    if (rc != 0)
        return GW_E_SYS;
    if (chmod(at->sun_path, 0600) != 0 || listen(fd, ADMIN_CONNS_MAX) != 0 ||
        rename(at->sun_path, path) != 0) {
        int saved = errno;

        (void)unlink(at->sun_path);
        errno = saved;
        return GW_E_SYS;
    }
    return 0;
}

static int
local_check(const char *path, bool takes_over, const char *file, struct diag *diag)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat st;

    if (snprintf(at.sun_path, sizeof(at.sun_path), "%s.%d", path, (int)getpid()) >=
        (int)sizeof(at.sun_path))
        return local_refuse(diag, file, path, "the path is longer than a socket's may be");
    if (lstat(path, &st) != 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return local_refuse(diag, file, path, "exists and is no socket; remove it or name another");
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    if (!takes_over && !local_is_free(&at))
        return local_refuse(diag, file, path, "another gateway is running with this socket");
    return 0;
}

int
admin_listen_unix(struct admin *a, const char *path, bool takes_over, const char *file,
                  struct diag *diag)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat st;
    int rc = local_check(path, takes_over, file, diag);

    gw_assert(a->local_fd < 0);
    if (rc != 0)
        return rc;
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s.%d", path, (int)getpid());
    a->local_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (a->local_fd < 0 || local_bind(a->local_fd, &at, path) != 0 || lstat(path, &st) != 0)
        return local_refuse(diag, file, path, strerror(errno));
    a->local_path = mem_strdup(path);
    a->local_dev = st.st_dev;
    a->local_ino = st.st_ino;
    return listener_start(&a->local, a->loop, a->local_fd, on_local_accept, a);
}

void
admin_reload_done(struct admin *a, uint64_t number, bool is_loaded, const char *text)
{
    list_for_each_safe (node, &a->conns) {
        struct admin_conn *c = container_of(node, struct admin_conn, link);

        if (c->phase == WAITING && c->reload_number <= number) {
            loop_timer_set(&c->timer, loop_now(a->loop)->mono_ms + ADMIN_TIMEOUT_MS);
            conn_answer_text(c, is_loaded ? 200 : 409, text);
        }
    }
}

void
admin_local_done(struct admin *a, uint64_t number, int status, const char *text)
{
    list_for_each_safe (node, &a->conns) {
        struct admin_conn *c = container_of(node, struct admin_conn, link);

        if (c->phase != WAITING || c->local_number != number)
            continue;
        loop_timer_set(&c->timer, loop_now(a->loop)->mono_ms + ADMIN_TIMEOUT_MS);
        conn_answer_text(c, status, text);
    }
}

/* Not the socket of a gateway that followed us. */
static void
local_unlink(const struct admin *a)
{
    struct stat st;

    if (a->local_path != NULL && lstat(a->local_path, &st) == 0 && st.st_dev == a->local_dev &&
        st.st_ino == a->local_ino)
        (void)unlink(a->local_path);
}

void
admin_stop_listening(struct admin *a)
{
    listener_stop(&a->tcp);
    listener_stop(&a->local);
    local_unlink(a);
    if (a->tcp_fd >= 0)
        close(a->tcp_fd);
    if (a->local_fd >= 0)
        close(a->local_fd);
    a->tcp_fd = -1;
    a->local_fd = -1;
    free(a->local_path);
    a->local_path = NULL;
}

void
admin_free(struct admin *a)
{
    if (a == NULL)
        return;
    admin_stop_listening(a);
    list_for_each_safe (node, &a->conns)
        conn_free(container_of(node, struct admin_conn, link));
    free(a);
}

size_t
admin_conn_count(const struct admin *a)
{
    return a->conn_count;
}

int
admin_tcp_fd(const struct admin *a)
{
    return a->tcp_fd;
}
