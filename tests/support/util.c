/* SPDX-License-Identifier: Apache-2.0
 *
 * The ground of all test helpers: dying with a message, time, bytes, files, free ports.
 * Called by every test program and by mkpki, on any thread. It never returns after a
 * failure of its own: a helper that cannot work makes every later check meaningless.
 */
#include "support/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    DIE_STATUS = 99,
    PORT_FIRST = 12000,
    PORT_COUNT = 20000,
    PORT_TRIES = 1000,
    REMOVE_FDS = 16
};

void
die_at(const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    fflush(stdout);
    fprintf(stderr, "%s:%d: ", file, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(DIE_STATUS);
}

void *
xmalloc(size_t n)
{
    void *p = malloc(n ? n : 1);

    if (!p)
        die("out of memory (%zu bytes)", n);
    return p;
}

void *
xcalloc(size_t count, size_t n)
{
    void *p = calloc(count ? count : 1, n ? n : 1);

    if (!p)
        die("out of memory (%zu x %zu bytes)", count, n);
    return p;
}

void *
xrealloc(void *old, size_t n)
{
    void *p = realloc(old, n ? n : 1);

    if (!p)
        die("out of memory (%zu bytes)", n);
    return p;
}

char *
xstrdup(const char *s)
{
    size_t n = strlen(s) + 1;

    return memcpy(xmalloc(n), s, n);
}

char *
xformat(const char *fmt, ...)
{
    va_list ap;
    char *text;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        die("out of memory");
    va_end(ap);
    return text;
}

static int64_t
clock_us(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
now_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t
now_ms(void)
{
    return now_us() / 1000;
}

int64_t
wall_s(void)
{
    return clock_us(CLOCK_REALTIME) / 1000000;
}

void
sleep_ms(int ms)
{
    struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};

    while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
        continue;
}

static void
bytes_grow(struct bytes *b, size_t more)
{
    size_t need = b->len + more + 1;
    size_t cap = b->cap ? b->cap : 256;

    while (cap < need)
        cap *= 2;
    if (cap == b->cap)
        return;
    b->ptr = xrealloc(b->ptr, cap);
    b->cap = cap;
}

void
bytes_add(struct bytes *b, const void *p, size_t n)
{
    bytes_grow(b, n);
    if (n > 0)
        memcpy(b->ptr + b->len, p, n);
    b->len += n;
    b->ptr[b->len] = '\0';
}

void
bytes_puts(struct bytes *b, const char *s)
{
    bytes_add(b, s, strlen(s));
}

void
bytes_printf(struct bytes *b, const char *fmt, ...)
{
    va_list ap;
    char *text;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0)
        die("out of memory");
    bytes_add(b, text, (size_t)n);
    free(text);
}

void
bytes_free(struct bytes *b)
{
    free(b->ptr);
    *b = (struct bytes){0};
}

static bool
file_read_fd(int fd, struct bytes *ret)
{
    for (;;) {
        ssize_t n;

        bytes_grow(ret, 65536);
        n = read(fd, ret->ptr + ret->len, ret->cap - ret->len - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            break;
        ret->len += (size_t)n;
    }
    ret->ptr[ret->len] = '\0';
    return true;
}

struct bytes
file_slurp(const char *path)
{
    struct bytes b = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        die("%s: %s", path, strerror(errno));
    if (!file_read_fd(fd, &b))
        die("%s: %s", path, strerror(errno));
    close(fd);
    return b;
}

bool
file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

void
file_spill(const char *path, const void *p, size_t n, unsigned mode)
{
    char *temporary = xformat("%s.new.%d", path, (int)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    const char *at = p;
    size_t left = n;

    if (fd < 0 || fchmod(fd, mode) < 0)
        die("%s: %s", temporary, strerror(errno));
    while (left > 0) {
        ssize_t did = write(fd, at, left);

        if (did < 0 && errno != EINTR)
            die("%s: %s", temporary, strerror(errno));
        if (did > 0) {
            at += did;
            left -= (size_t)did;
        }
    }
    if (close(fd) < 0 || rename(temporary, path) < 0)
        die("%s: %s", path, strerror(errno));
    free(temporary);
}

char *
dir_temp(const char *prefix)
{
    const char *base = getenv("TMPDIR");
    char *path = xformat("%s/%s.XXXXXX", base && *base ? base : "/tmp", prefix);

    if (!mkdtemp(path))
        die("%s: %s", path, strerror(errno));
    return path;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

void
dir_remove(const char *dir)
{
    if (nftw(dir, remove_one, REMOVE_FDS, FTW_DEPTH | FTW_PHYS) < 0)
        fprintf(stderr, "%s: cannot remove: %s\n", dir, strerror(errno));
}

const char *
find_bytes(const void *hay, size_t hay_len, const void *needle, size_t needle_len)
{
    return hay_len == 0 ? NULL : memmem(hay, hay_len, needle, needle_len);
}

size_t
count_text(struct str hay, const char *needle)
{
    size_t count = 0;
    size_t len = strlen(needle);

    while (hay.len >= len && len > 0) {
        const char *at = find_bytes(hay.ptr, hay.len, needle, len);

        if (!at)
            break;
        count++;
        hay = str_make(at + len, hay.len - (size_t)(at + len - hay.ptr));
    }
    return count;
}

/* True when nobody holds the port, not even a connection in TIME_WAIT. */
static bool
port_is_free(uint16_t port)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool free_now;

    if (fd < 0)
        die("socket: %s", strerror(errno));
    free_now = bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0;
    close(fd);
    return free_now;
}

/* Ports below the range that the kernel gives to outgoing connections: one of those cannot
 * take the port between this call and the moment it is used. */
uint16_t
port_free(void)
{
    static uint8_t given[65536 / 8];

    for (int i = 0; i < PORT_TRIES; i++) {
        uint32_t dice;
        uint16_t port;
        uint8_t bit;

        if (getrandom(&dice, sizeof(dice), 0) != (ssize_t)sizeof(dice))
            die("getrandom: %s", strerror(errno));
        port = (uint16_t)(PORT_FIRST + dice % PORT_COUNT);
        bit = (uint8_t)(1u << (port & 7));
        if (!port_is_free(port))
            continue;
        if (__atomic_fetch_or(&given[port >> 3], bit, __ATOMIC_RELAXED) & bit)
            continue;
        return port;
    }
    die("no free port in %d tries", (int)PORT_TRIES);
}
