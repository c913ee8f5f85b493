/* SPDX-License-Identifier: Apache-2.0
 *
 * Helpers of the unit tests; see unit.h. Called from the thread that runs the test.
 */
#include "support/unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void
unit_assert_str(struct str got, struct str want, const char *expr, const char *file, int line)
{
    if (str_eq(got, want))
        return;
    print_error("%s is \"%.*s\" (%zu bytes), not \"%.*s\" (%zu bytes)\n", expr, STR_ARG(got),
                got.len, STR_ARG(want), want.len);
    _fail(file, line);
}

/* A block of exactly n bytes: the next one belongs to the sanitizer. */
static char *
exact_copy(struct str s)
{
    char *copy = malloc(s.len > 0 ? s.len : 1);

    assert_non_null(copy);
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    return copy;
}

static void
run_exact(struct str s, unit_input_fn run, void *arg)
{
    char *copy = exact_copy(s);
    /* malloc(0) may be NULL; an empty slice points behind its one byte instead. */
    struct str input = {s.len > 0 ? copy : copy + 1, s.len};

    run(arg, input);
    free(copy);
}

void
for_each_truncation(struct str input, unit_input_fn run, void *arg)
{
    for (size_t len = 0; len < input.len; len++)
        run_exact(str_sub(input, 0, len), run, arg);
}

void
for_each_bit_flip(struct str input, unit_input_fn run, void *arg)
{
    char *flipped = exact_copy(input);

    for (size_t bit = 0; bit < input.len * 8; bit++) {
        flipped[bit / 8] = (char)(flipped[bit / 8] ^ (1 << (bit % 8)));
        run_exact(str_make(flipped, input.len), run, arg);
        flipped[bit / 8] = input.ptr[bit / 8];
    }
    free(flipped);
}

int
drip_feed(struct str input, unit_step_fn step, void *arg, int want_more, size_t *ret_fed)
{
    int result = want_more;
    size_t fed = 0;

    while (result == want_more && fed < input.len) {
        char *copy = exact_copy(str_sub(input, 0, ++fed));

        result = step(arg, str_make(copy, fed));
        free(copy);
    }
    if (ret_fed != NULL)
        *ret_fed = fed;
    return result;
}

char *
unit_tmp_new(void)
{
    const char *base = getenv("TMPDIR");
    char *dir = unit_path(base != NULL ? base : "/tmp", "sallyport-test.XXXXXX");

    assert_non_null(mkdtemp(dir));
    return dir;
}

static int
on_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void
unit_tmp_done(char *dir)
{
    (void)nftw(dir, on_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(dir);
}

char *
unit_path(const char *dir, const char *name)
{
    char *path = NULL;

    assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
    return path;
}

char *
unit_write_file(const char *dir, const char *name, struct str content)
{
    char *path = unit_path(dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.ptr, content.len), content.len);
    close(fd);
    return path;
}

char *
unit_read_file(const char *path, size_t *ret_len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *bytes;
    ssize_t got;

    if (fd < 0)
        print_error("cannot open %s\n", path);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    bytes = malloc((size_t)st.st_size + 1);
    assert_non_null(bytes);
    got = read(fd, bytes, (size_t)st.st_size);
    assert_int_equal(got, st.st_size);
    close(fd);
    bytes[got] = '\0';
    if (ret_len != NULL)
        *ret_len = (size_t)got;
    return bytes;
}

bool
unit_aborts(void (*run)(void *arg), void *arg)
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        run(arg);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
