/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "obs/log_writer.h"
#include "support/util.h"

/* Standard error of the process goes to a file during each test: the writer's diagnostic log. */
struct fixture {
    char *dir;
    char *stderr_path;
    int saved_stderr;
    struct log_writer *writer;
};

#define PRODUCERS 3 /* and control */

static int
setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    int fd;

    f->dir = unit_tmp_new();
    f->stderr_path = unit_path(f->dir, "stderr");
    fd = open(f->stderr_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    f->saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    if (fd < 0 || f->saved_stderr < 0 || dup2(fd, STDERR_FILENO) < 0)
        return -1;
    close(fd);
    f->writer = log_writer_new(PRODUCERS);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    log_writer_free(f->writer);
    dup2(f->saved_stderr, STDERR_FILENO);
    close(f->saved_stderr);
    unit_tmp_done(f->dir);
    free(f->stderr_path);
    free(f);
    return 0;
}

static struct log_file *
open_log(struct fixture *f, const char *path)
{
    struct diag diag;
    struct log_file *file = NULL;

    diag_init(&diag);
    assert_int_equal(log_writer_open(f->writer, path, &diag, &file), 0);
    assert_int_equal(diag.error_count, 0);
    diag_done(&diag);
    return file;
}

static bool
write_line(struct log_file *file, unsigned producer, const char *line)
{
    return log_file_write(file, producer, line, strlen(line));
}

/* Everything written, every file closed. */
static void
stop_writer(struct fixture *f)
{
    log_writer_free(f->writer);
    f->writer = NULL;
}

static void
wait_for_text(const char *path, const char *text)
{
    for (int i = 0; i < 500; i++) {
        struct bytes content = file_slurp(path);
        bool found = content.len > 0 && strstr(content.ptr, text) != NULL;

        bytes_free(&content);
        if (found)
            return;
        sleep_ms(10);
    }
    fail_msg("%s never got \"%s\"", path, text);
}

static size_t
count_in_file(const char *path, const char *text)
{
    struct bytes content = file_slurp(path);
    size_t count = count_text(bytes_str(&content), text);

    bytes_free(&content);
    return count;
}

/* ---- plain writing ---- */

static void
lines_reach_the_file_in_order(void **state)
{
    struct fixture *f = *state;
    char *path = unit_path(f->dir, "access.log");
    struct log_file *file = open_log(f, path);
    struct bytes content;
    struct stat st;

    assert_true(write_line(file, 0, "first\n"));
    wait_for_text(path, "first\n");
    assert_true(write_line(file, 0, "second\n"));
    assert_true(write_line(file, 0, "third\n"));
    stop_writer(f);
    content = file_slurp(path);
    assert_str_equal(bytes_str(&content), STR("first\nsecond\nthird\n"));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07137, 0); /* nothing beyond 0640, whatever the umask */
    bytes_free(&content);
    free(path);
}

static void
existing_content_is_kept(void **state)
{
    struct fixture *f = *state;
    char *path = unit_write_file(f->dir, "access.log", STR("before\n"));
    struct bytes content;

    assert_true(write_line(open_log(f, path), 0, "after\n"));
    stop_writer(f);
    content = file_slurp(path);
    assert_str_equal(bytes_str(&content), STR("before\nafter\n"));
    bytes_free(&content);
    free(path);
}

static void
same_path_is_one_file_until_the_last_reference(void **state)
{
    struct fixture *f = *state;
    char *path = unit_path(f->dir, "access.log");
    struct log_file *a = open_log(f, path), *b = open_log(f, path), *c;

    assert_ptr_equal(a, b);
    log_file_unref(f->writer, a);
    assert_true(write_line(b, 0, "still open\n"));
    log_file_unref(f->writer, b);
    wait_for_text(path, "still open\n");
    c = open_log(f, path);
    assert_true(write_line(c, 0, "again\n"));
    log_file_unref(f->writer, c);
    log_file_unref(f->writer, NULL);
    stop_writer(f);
    assert_int_equal(count_in_file(path, "again\n"), 1);
    free(path);
}

static void
what_cannot_be_opened_is_said(void **state)
{
    struct fixture *f = *state;
    char *fifo = unit_path(f->dir, "fifo");
    char *missing = unit_path(f->dir, "no/such/folder.log");
    const struct {
        const char *path, *text;
    } cases[] = {{f->dir, "Is a directory"}, {missing, "No such file"}, {fifo, "start the reader"}};

    assert_int_equal(mkfifo(fifo, 0600), 0);
    for (size_t i = 0; i < array_len(cases); i++) {
        struct diag diag;
        struct log_file *file = NULL;

        diag_init(&diag);
        assert_int_equal(log_writer_open(f->writer, cases[i].path, &diag, &file), GW_E_CONFIG);
        assert_null(file);
        assert_int_equal(diag.error_count, 1);
        assert_non_null(strstr(diag.entries[0].text, cases[i].path));
        assert_non_null(strstr(diag.entries[0].text, cases[i].text));
        diag_done(&diag);
    }
    free(fifo);
    free(missing);
}

static void
more_files_than_the_limit_are_refused(void **state)
{
    struct fixture *f = *state;
    struct diag diag;
    struct log_file *file = NULL;
    char *path;

    for (int i = 0; i < LOG_FILES_MAX; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%d", i);
        path = unit_path(f->dir, name);
        open_log(f, path);
        free(path);
    }
    diag_init(&diag);
    path = unit_path(f->dir, "one more");
    assert_int_equal(log_writer_open(f->writer, path, &diag, &file), GW_E_CONFIG);
    assert_int_equal(diag.error_count, 1);
    diag_done(&diag);
    free(path);
}

/* ---- many producers ---- */

struct producer {
    struct log_file *file;
    unsigned index;
    int count;
    atomic_int *stop;
    uint64_t accepted, refused;
};

/* Lines "PRODUCER NUMBER padding\n" of many lengths. */
static void *
produce(void *arg)
{
    struct producer *p = arg;
    char line[512];

    for (int i = 0; i < p->count && (p->stop == NULL || !atomic_load(p->stop)); i++) {
        int len = snprintf(line, sizeof(line), "%u %d %0*d\n", p->index, i, 1 + i % 300, 0);

        if (log_file_write(p->file, p->index, line, (size_t)len))
            p->accepted++;
    }
    return NULL;
}

/* Checks that every line of text is whole and that numbers of a producer only grow; next[] are
 * the smallest numbers allowed. Returns the number of lines. */
static uint64_t
check_lines(struct str text, int next[PRODUCERS + 1])
{
    struct str rest = text, line;
    bool done = text.len == 0;
    uint64_t count = 0;

    while (str_split_next(&rest, '\n', &done, &line)) {
        unsigned producer;
        int number, padding = 0;

        if (done) {
            assert_int_equal(line.len, 0); /* text ends with a newline */
            break;
        }
        assert_int_equal(sscanf(line.ptr, "%u %d %n", &producer, &number, &padding), 2);
        assert_in_range(producer, 0, PRODUCERS);
        assert_true(number >= next[producer]);
        assert_int_equal((int)line.len - padding, 1 + number % 300);
        next[producer] = number + 1;
        count++;
    }
    return count;
}

static void
lines_of_many_producers_stay_whole_and_counted(void **state)
{
    struct fixture *f = *state;
    char *path = unit_path(f->dir, "access.log");
    struct log_file *file = open_log(f, path);
    struct producer producers[PRODUCERS + 1];
    pthread_t threads[PRODUCERS + 1];
    int next[PRODUCERS + 1] = {0};
    uint64_t accepted = 0, dropped;
    struct bytes content;

    for (unsigned i = 0; i <= PRODUCERS; i++) {
        producers[i] = (struct producer){.file = file, .index = i, .count = 20000};
        pthread_create(&threads[i], NULL, produce, &producers[i]);
    }
    for (unsigned i = 0; i <= PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
        accepted += producers[i].accepted;
    }
    dropped = log_writer_dropped(f->writer);
    stop_writer(f);
    content = file_slurp(path);
    assert_int_equal(check_lines(bytes_str(&content), next), accepted);
    assert_int_equal(accepted + dropped, (PRODUCERS + 1) * 20000);
    bytes_free(&content);
    free(path);
}

/* ---- rotation ---- */

static void
rotation_under_load_loses_nothing(void **state)
{
    struct fixture *f = *state;
    char *path = unit_path(f->dir, "access.log");
    struct log_file *file = open_log(f, path);
    atomic_int stop = 0;
    struct producer producer = {.file = file, .count = INT32_MAX, .stop = &stop};
    int next[PRODUCERS + 1] = {0};
    uint64_t lines = 0, dropped;
    pthread_t thread;

    pthread_create(&thread, NULL, produce, &producer);
    for (int i = 0; i < 100; i++) {
        char name[16], *old;
        struct stat st;

        snprintf(name, sizeof(name), "old.%d", i);
        old = unit_path(f->dir, name);
        assert_int_equal(rename(path, old), 0);
        log_writer_reopen(f->writer);
        while (stat(path, &st) != 0)
            sleep_ms(1);
        free(old);
    }
    atomic_store(&stop, 1);
    pthread_join(thread, NULL);
    dropped = log_writer_dropped(f->writer);
    stop_writer(f);
    for (int i = 0; i <= 100; i++) {
        char name[16], *old;
        struct bytes content;

        snprintf(name, sizeof(name), i < 100 ? "old.%d" : "access.log", i);
        old = unit_path(f->dir, name);
        content = file_slurp(old);
        lines += check_lines(bytes_str(&content), next);
        bytes_free(&content);
        free(old);
    }
    assert_int_equal(lines, producer.accepted);
    assert_true(producer.accepted + dropped > 0);
    free(path);
}

static void
file_that_cannot_be_reopened_stays_in_use(void **state)
{
    struct fixture *f = *state;
    char *folder = unit_path(f->dir, "sub"), *moved = unit_path(f->dir, "moved");
    char *path, *moved_path;
    struct log_file *file;

    assert_int_equal(mkdir(folder, 0700), 0);
    path = unit_path(folder, "access.log");
    moved_path = unit_path(moved, "access.log");
    file = open_log(f, path);
    assert_int_equal(rename(folder, moved), 0);
    log_writer_reopen(f->writer);
    wait_for_text(f->stderr_path, "cannot open again: No such file");
    assert_true(write_line(file, 0, "kept\n"));
    wait_for_text(moved_path, "kept\n");
    assert_int_equal(log_writer_dropped(f->writer), 0);
    free(folder);
    free(moved);
    free(path);
    free(moved_path);
}

/* ---- readers that stop, disks that fill ---- */

/* A FIFO with our own end open for reading; nobody reads until the test does. */
static int
fifo_open(const char *path)
{
    int fd;

    assert_int_equal(mkfifo(path, 0600), 0);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* Writes until reader and ring are full: refused again after a pause for the writer to move on. */
static struct producer
fill_up(struct log_file *file, unsigned producer)
{
    struct producer p = {.file = file, .index = producer};
    uint64_t at_last_refusal = UINT64_MAX;
    char line[512];

    for (int i = 0; i < 1000000; i++) {
        int len = snprintf(line, sizeof(line), "%u %d %0*d\n", producer, i, 1 + i % 300, 0);

        if (log_file_write(file, producer, line, (size_t)len)) {
            p.accepted++;
            continue;
        }
        p.refused++;
        if (p.accepted == at_last_refusal)
            return p;
        at_last_refusal = p.accepted;
        sleep_ms(100);
    }
    fail_msg("the log takes everything");
    return p;
}

/* Reads what comes until nothing came for 200 ms. */
static void
read_all(int fd, struct bytes *out)
{
    char chunk[65536];
    int idle = 0;

    while (idle < 20) {
        ssize_t n = read(fd, chunk, sizeof(chunk));

        if (n > 0) {
            bytes_add(out, chunk, (size_t)n);
            idle = 0;
        } else {
            sleep_ms(10);
            idle++;
        }
    }
}

/* The sum of all "PATH: N lines dropped" so far. */
static uint64_t
losses_said(const char *stderr_path, const char *path)
{
    struct bytes content = file_slurp(stderr_path);
    const char *at = content.len > 0 ? strstr(content.ptr, path) : NULL;
    uint64_t sum = 0, n;

    for (; at != NULL; at = strstr(at + 1, path)) {
        if (sscanf(at + strlen(path), ": %" SCNu64 " lines dropped", &n) == 1)
            sum += n;
    }
    bytes_free(&content);
    return sum;
}

static void
wait_for_losses(struct fixture *f, const char *path)
{
    for (int i = 0; i < 500; i++) {
        if (losses_said(f->stderr_path, path) == log_writer_dropped(f->writer))
            return;
        sleep_ms(10);
    }
    fail_msg("%s: not all losses were said", path);
}

static void
stopped_reader_stalls_nobody_and_losses_are_said(void **state)
{
    struct fixture *f = *state;
    char *fifo = unit_path(f->dir, "fifo"), *path = unit_path(f->dir, "other.log");
    int fd = fifo_open(fifo);
    struct log_file *slow = open_log(f, fifo), *other = open_log(f, path);
    int next[PRODUCERS + 1] = {0};
    struct producer filled = fill_up(slow, 0);
    struct bytes content = {0};
    char longest[LOG_LINE_MAX];

    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\n';
    for (int i = 0; i < 41; i++)
        assert_false(log_file_write(slow, 0, longest, sizeof(longest)));
    assert_int_equal(log_writer_dropped(f->writer), 41 + filled.refused);
    assert_true(write_line(other, 1, "not stalled\n"));
    wait_for_text(path, "not stalled\n");
    wait_for_losses(f, fifo);
    for (int i = 0; i < 77; i++)
        assert_false(log_file_write(slow, 0, longest, sizeof(longest)));
    read_all(fd, &content);
    assert_int_equal(check_lines(bytes_str(&content), next), filled.accepted);
    wait_for_losses(f, fifo); /* with nothing left to write */
    assert_true(write_line(slow, 0,
                           "0 1000000 000000000000000000000000000000000000000000000"
                           "0000000000000000000000000000000000000000000000000000\n"));
    content.len = 0;
    read_all(fd, &content);
    assert_true(str_starts(bytes_str(&content), STR("0 1000000 ")));
    bytes_free(&content);
    close(fd);
    free(fifo);
    free(path);
}

/* The line that was cut by a full pipe is completed before lines of other producers. */
static void
partial_writes_never_mix_lines(void **state)
{
    struct fixture *f = *state;
    char *fifo = unit_path(f->dir, "fifo");
    int fd = fifo_open(fifo);
    struct log_file *file = open_log(f, fifo);
    int next[PRODUCERS + 1] = {0};
    struct producer producers[PRODUCERS + 1];
    pthread_t threads[PRODUCERS + 1];
    struct bytes content = {0};
    uint64_t accepted = 0;

    for (unsigned i = 0; i <= PRODUCERS; i++) {
        producers[i] = (struct producer){.file = file, .index = i, .count = 4000};
        pthread_create(&threads[i], NULL, produce, &producers[i]);
    }
    for (int i = 0; i < 3000; i++) {
        char chunk[777];
        ssize_t n = read(fd, chunk, 1 + (size_t)i % sizeof(chunk));

        if (n > 0)
            bytes_add(&content, chunk, (size_t)n);
    }
    read_all(fd, &content);
    for (unsigned i = 0; i <= PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
        accepted += producers[i].accepted;
    }
    read_all(fd, &content);
    assert_int_equal(check_lines(bytes_str(&content), next), accepted);
    bytes_free(&content);
    close(fd);
    free(fifo);
}

static void
busy_producer_does_not_shut_out_others(void **state)
{
    struct fixture *f = *state;
    char *fifo = unit_path(f->dir, "fifo");
    int fd = fifo_open(fifo);
    struct log_file *file = open_log(f, fifo);
    struct bytes content = {0};

    fill_up(file, 0);
    fill_up(file, 2);
    for (int i = 0; content.len < 400000 && i < 1000; i++) {
        char chunk[65536];
        ssize_t n = read(fd, chunk, sizeof(chunk));

        if (n > 0)
            bytes_add(&content, chunk, (size_t)n);
        else
            sleep_ms(5);
    }
    assert_true(count_text(bytes_str(&content), "\n0 ") > 100);
    assert_true(count_text(bytes_str(&content), "\n2 ") > 100);
    bytes_free(&content);
    close(fd);
    free(fifo);
}

/* What was cut off by a full pipe does not begin the file that takes the pipe's place. */
static void
new_file_never_begins_in_mid_line(void **state)
{
    struct fixture *f = *state;
    char *path = unit_path(f->dir, "access.log"), *old = unit_path(f->dir, "old");
    int fd = fifo_open(path), next[PRODUCERS + 1] = {0};
    struct log_file *file = open_log(f, path);
    struct producer filled = fill_up(file, 0);
    struct bytes head = {0}, rest;
    ptrdiff_t end;
    uint64_t lines;

    assert_int_equal(rename(path, old), 0);
    log_writer_reopen(f->writer);
    while (!file_exists(path))
        sleep_ms(1);
    read_all(fd, &head);
    lines = log_writer_dropped(f->writer) - filled.refused;
    stop_writer(f);
    end = str_rchr(bytes_str(&head), '\n');
    assert_int_equal(lines, end + 1 < (ptrdiff_t)head.len ? 1 : 0);
    lines += check_lines(str_sub(bytes_str(&head), 0, (size_t)end + 1), next);
    rest = file_slurp(path);
    lines += check_lines(bytes_str(&rest), next);
    assert_int_equal(lines, filled.accepted);
    bytes_free(&head);
    bytes_free(&rest);
    close(fd);
    free(path);
    free(old);
}

static void
reader_that_leaves_does_not_end_the_process(void **state)
{
    struct fixture *f = *state;
    char *fifo = unit_path(f->dir, "fifo");
    int fd = fifo_open(fifo);
    struct log_file *file = open_log(f, fifo);

    signal(SIGPIPE, SIG_DFL); /* the writer must not depend on others ignoring it */
    close(fd);
    assert_true(write_line(file, 0, "into the void\n"));
    wait_for_text(f->stderr_path, "cannot write: Broken pipe");
    fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    wait_for_text(f->stderr_path, "writing again after ");
    assert_int_equal(log_writer_dropped(f->writer), 0);
    close(fd);
    free(fifo);
}

static void
full_disk_is_counted_and_said_once_a_minute(void **state)
{
    struct fixture *f = *state;
    struct log_file *file = open_log(f, "/dev/full");

    for (int i = 0; i < 7; i++)
        assert_true(write_line(file, (unsigned)i % PRODUCERS, "lost\n"));
    wait_for_text(f->stderr_path, "/dev/full: cannot write: No space left on device");
    sleep_ms(2200); /* two more attempts */
    assert_int_equal(count_in_file(f->stderr_path, "cannot write"), 1);
    assert_int_equal(log_writer_dropped(f->writer), 0);
    log_file_unref(f->writer, file);
    wait_for_text(f->stderr_path, "/dev/full: 7 lines dropped");
    for (int i = 0; i < 500 && log_writer_dropped(f->writer) != 7; i++)
        sleep_ms(10);
    assert_int_equal(log_writer_dropped(f->writer), 7);
}

/* A write that the disk takes only in part is completed once there is room again. */
static void
line_cut_by_a_full_disk_is_completed_later(void **state)
{
    struct fixture *f = *state;
    char *path = unit_path(f->dir, "access.log");
    struct log_file *file = open_log(f, path);
    struct producer producer = {.file = file, .count = 300};
    int next[PRODUCERS + 1] = {0};
    struct rlimit before, small;
    struct bytes content;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){10000, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    produce(&producer);
    wait_for_text(f->stderr_path, "cannot write: File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    wait_for_text(f->stderr_path, "writing again after ");
    stop_writer(f);
    content = file_slurp(path);
    assert_int_equal(producer.accepted, 300);
    assert_int_equal(check_lines(bytes_str(&content), next), 300);
    bytes_free(&content);
    free(path);
}

static void
stuck_reader_delays_the_end_only_so_long(void **state)
{
    struct fixture *f = *state;
    char *fifo = unit_path(f->dir, "fifo");
    int fd = fifo_open(fifo);
    struct log_file *file = open_log(f, fifo);
    int64_t started;

    fill_up(file, 0);
    started = now_ms();
    stop_writer(f);
    assert_in_range(now_ms() - started, LOG_DRAIN_TIMEOUT_MS - 100, LOG_DRAIN_TIMEOUT_MS + 1500);
    close(fd);
    free(fifo);
}

/* ---- standard output and error ---- */

/* A blocking pipe, as under a supervisor. */
static void
standard_output_is_written_without_waiting_for_its_reader(void **state)
{
    struct fixture *f = *state;
    int ends[2], saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
    int next[PRODUCERS + 1] = {0};
    struct bytes content = {0};
    struct log_file *file;
    uint64_t accepted;
    int flags;

    fflush(stdout);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
    file = open_log(f, "-");
    accepted = fill_up(file, 0).accepted;
    log_event(LOG_INFO, "test", "still alive");
    wait_for_text(f->stderr_path, "info test: still alive\n");
    flags = fcntl(STDOUT_FILENO, F_GETFL);
    assert_int_equal(flags & O_NONBLOCK, 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    read_all(ends[0], &content);
    log_writer_reopen(f->writer);
    assert_int_equal(check_lines(bytes_str(&content), next), accepted);
    stop_writer(f);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(ends[0]);
    close(ends[1]);
    bytes_free(&content);
}

static void *
log_events(void *arg)
{
    for (int i = 0; i < 500; i++)
        log_event(LOG_WARN, "test", "thread %d event %d", *(int *)arg, i);
    return NULL;
}

static void
diagnostic_lines_of_many_threads_stay_whole(void **state)
{
    struct fixture *f = *state;
    int numbers[4] = {0, 1, 2, 3};
    pthread_t threads[4];
    struct bytes content;
    struct str rest, line;
    bool done = false;
    int lines = 0;

    for (size_t i = 0; i < array_len(threads); i++)
        pthread_create(&threads[i], NULL, log_events, &numbers[i]);
    for (size_t i = 0; i < array_len(threads); i++)
        pthread_join(threads[i], NULL);
    stop_writer(f);
    content = file_slurp(f->stderr_path);
    rest = bytes_str(&content);
    while (str_split_next(&rest, '\n', &done, &line) && !done) {
        int thread, event;

        assert_int_equal(sscanf(line.ptr, "%*s warn test: thread %d event %d", &thread, &event), 2);
        lines++;
    }
    assert_int_equal(lines, 2000);
    bytes_free(&content);
}

/* Afterwards events go straight to standard error again. */
static void
diagnostic_log_is_given_back(void **state)
{
    struct fixture *f = *state;

    log_event(LOG_ERROR, "test", "through the writer");
    stop_writer(f);
    assert_int_equal(count_in_file(f->stderr_path, "through the writer\n"), 1);
    log_event(LOG_ERROR, "test", "without it");
    assert_int_equal(count_in_file(f->stderr_path, "without it\n"), 1);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(lines_reach_the_file_in_order),
        PROMISE(existing_content_is_kept),
        PROMISE(same_path_is_one_file_until_the_last_reference),
        PROMISE(what_cannot_be_opened_is_said),
        PROMISE(more_files_than_the_limit_are_refused),
        PROMISE(lines_of_many_producers_stay_whole_and_counted),
        PROMISE(rotation_under_load_loses_nothing),
        PROMISE(file_that_cannot_be_reopened_stays_in_use),
        PROMISE(stopped_reader_stalls_nobody_and_losses_are_said),
        PROMISE(partial_writes_never_mix_lines),
        PROMISE(busy_producer_does_not_shut_out_others),
        PROMISE(new_file_never_begins_in_mid_line),
        PROMISE(reader_that_leaves_does_not_end_the_process),
        PROMISE(full_disk_is_counted_and_said_once_a_minute),
        PROMISE(line_cut_by_a_full_disk_is_completed_later),
        PROMISE(stuck_reader_delays_the_end_only_so_long),
        PROMISE(standard_output_is_written_without_waiting_for_its_reader),
        PROMISE(diagnostic_lines_of_many_threads_stay_whole),
        PROMISE(diagnostic_log_is_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
