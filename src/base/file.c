/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads whole files and replaces state files, for the control thread. A struct file owns
 * its bytes until file_done. Must never block on what is not a regular file, nor trust a
 * path that was looked at before it was opened.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/secret.h"

static const char *
type_name(mode_t mode)
{
    if (S_ISDIR(mode))
        return "a directory";
    if (S_ISFIFO(mode))
        return "a FIFO";
    if (S_ISSOCK(mode))
        return "a socket";
    return "a device";
}

static bool
has_safe_permissions(const char *path, enum file_kind kind, const struct stat *st,
                     struct diag *diag)
{
    unsigned mode = (unsigned)st->st_mode & 07777u;

    if (kind == FILE_PUBLIC && (mode & S_IWOTH) != 0) {
        diag_error(diag, path, 0, 0, "writable by everyone (mode %04o); chmod o-w it", mode);
        return false;
    }
    if (kind == FILE_SECRET && (mode & (S_IWGRP | S_IXGRP | S_IRWXO)) != 0) {
        diag_error(diag, path, 0, 0,
                   "holds a secret but has mode %04o; 0600, or 0640 for a group that may read it",
                   mode);
        return false;
    }
    if (kind == FILE_SECRET && st->st_uid != 0 && st->st_uid != geteuid()) {
        diag_error(diag, path, 0, 0,
                   "holds a secret but belongs to user %u; root or the user that runs sallyport "
                   "(%u) must own it",
                   (unsigned)st->st_uid, (unsigned)geteuid());
        return false;
    }
    return true;
}

static bool
is_acceptable(const char *path, size_t max_bytes, enum file_kind kind, const struct stat *st,
              struct diag *diag)
{
    if (!S_ISREG(st->st_mode)) {
        diag_error(diag, path, 0, 0, "is %s; a regular file is needed", type_name(st->st_mode));
        return false;
    }
    if (st->st_size == 0) {
        diag_error(diag, path, 0, 0, "is empty");
        return false;
    }
    if ((uint64_t)st->st_size > max_bytes) {
        diag_error(diag, path, 0, 0, "has %lld bytes; at most %zu are accepted",
                   (long long)st->st_size, max_bytes);
        return false;
    }
    return has_safe_permissions(path, kind, st, diag);
}

/* Large content gets a mapping of its own, which goes back to the kernel at once when it is
 * freed. The file itself is not mapped: who truncates it would kill us with SIGBUS. */
static char *
storage_new(struct file *f, size_t bytes, enum file_kind kind, bool wants_map)
{
    void *mem;

    if (kind == FILE_SECRET) {
        f->is_secret = true;
        return secret_alloc(bytes);
    }
    if (!wants_map)
        return malloc(bytes);
    f->is_mapped = true;
    mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mem != MAP_FAILED ? mem : NULL;
}

/* Fills dst; true only when the file ends exactly after len bytes. */
static bool
read_exactly(int fd, char *dst, size_t len)
{
    size_t done = 0;

    for (;;) {
        char beyond;
        ssize_t got = read(fd, done < len ? dst + done : &beyond, done < len ? len - done : 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 && done == len;
        if (done == len)
            return false;
        done += (size_t)got;
    }
}

static int
read_open(int fd, const char *path, const struct stat *st, struct diag *diag, struct file *f)
{
    f->len = (size_t)st->st_size;
    if (f->bytes == NULL) {
        diag_error(diag, path, 0, 0, "no memory for its %zu bytes", f->len);
        return GW_E_CONFIG;
    }
    errno = 0;
    if (!read_exactly(fd, f->bytes, f->len)) {
        diag_error(diag, path, 0, 0, "cannot be read: %s",
                   errno != 0 ? strerror(errno) : "it changed meanwhile; try again");
        return GW_E_CONFIG;
    }
    f->bytes[f->len] = '\0';
    return 0;
}

int
file_read(const char *path, size_t max_bytes, enum file_kind kind, bool wants_map,
          struct diag *diag, struct file *ret)
{
    struct file f = {0};
    struct stat st;
    int err = GW_E_CONFIG;
    /* Without O_NONBLOCK, opening a FIFO waits for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || fstat(fd, &st) != 0) {
        diag_error(diag, path, 0, 0, "cannot be opened: %s", strerror(errno));
        goto out;
    }
    if (!is_acceptable(path, max_bytes, kind, &st, diag))
        goto out;
    f.bytes = storage_new(&f, (size_t)st.st_size + 1, kind, wants_map);
    err = read_open(fd, path, &st, diag, &f);
    if (err != 0)
        file_done(&f);
    else
        *ret = f;
out:
    if (fd >= 0)
        close(fd);
    return err;
}

void
file_done(struct file *f)
{
    if (f->bytes != NULL && f->is_secret)
        secret_free(f->bytes, f->len + 1);
    else if (f->bytes != NULL && f->is_mapped)
        (void)munmap(f->bytes, f->len + 1);
    else
        free(f->bytes);
    *f = (struct file){0};
}

static bool
write_all(int fd, struct str content)
{
    while (content.len > 0) {
        ssize_t put = write(fd, content.ptr, content.len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        content = str_sub(content, (size_t)put, content.len);
    }
    return true;
}

/* The rename is on disk only when its folder is. */
static int
sync_folder(const char *path)
{
    char *dir = file_dirname(path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = fd >= 0 && fsync(fd) == 0 ? 0 : GW_E_SYS;

    if (fd >= 0)
        close(fd);
    free(dir);
    return err;
}

int
file_replace(const char *path, struct str content)
{
    char *temporary = NULL;
    int fd;
    int saved;
    bool is_written;

    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return GW_E_NOMEM;
    fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    is_written = fd >= 0 && write_all(fd, content) && fsync(fd) == 0;
    saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    if (!is_written || rename(temporary, path) != 0) {
        saved = errno;
        if (fd >= 0)
            unlink(temporary);
        free(temporary);
        errno = saved;
        return GW_E_SYS;
    }
    free(temporary);
    return sync_folder(path);
}

char *
file_join(const char *dir, const char *name)
{
    char *joined = NULL;

    if (name[0] == '/')
        joined = strdup(name);
    else if (asprintf(&joined, "%s/%s", dir, name) < 0)
        joined = NULL;
    gw_assert(joined != NULL);
    return joined;
}

char *
file_dirname(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir;

    if (slash == NULL)
        dir = strdup(".");
    else if (slash == path)
        dir = strdup("/");
    else
        dir = strndup(path, (size_t)(slash - path));
    gw_assert(dir != NULL);
    return dir;
}
