/* SPDX-License-Identifier: Apache-2.0
 *
 * What the server under load costs: CPU time and resident memory of the processes that
 * --watch names, read from /proc when counting starts and when it ends. Called by stats.c and
 * load.c. A process that ended meanwhile counts as it was last seen.
 */
#include "loadgen.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATH_ROOM = 300, LINE_ROOM = 4096, STAT_FIELDS_BEFORE_TIMES = 11 };

/* False when there is no such file. */
static bool
line_read(const char *path, char *line)
{
    FILE *f = fopen(path, "re");
    bool has;

    if (!f)
        return false;
    has = fgets(line, LINE_ROOM, f) != NULL;
    fclose(f);
    return has;
}

/* User and system time, in clock ticks as the kernel gives them. */
static uint64_t
stat_cpu_us(unsigned pid)
{
    char path[PATH_ROOM];
    char line[LINE_ROOM];
    char *at;
    uint64_t ticks;

    snprintf(path, sizeof(path), "/proc/%u/stat", pid);
    at = line_read(path, line) ? strrchr(line, ')') : NULL;
    for (int i = 0; at && i <= STAT_FIELDS_BEFORE_TIMES; i++)
        at = strchr(at + 1, ' ');
    if (!at)
        return 0;
    ticks = strtoull(at, &at, 10);
    ticks += strtoull(at, NULL, 10);
    return ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* The same time to the nanosecond, where the kernel keeps it: the sum over the threads. */
static uint64_t
sched_cpu_us(unsigned pid)
{
    char path[PATH_ROOM];
    char line[LINE_ROOM];
    uint64_t ns = 0;
    const struct dirent *e;
    DIR *threads;

    snprintf(path, sizeof(path), "/proc/%u/task", pid);
    threads = opendir(path);
    while (threads && (e = readdir(threads)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%u/task/%.20s/schedstat", pid, e->d_name);
        if (line_read(path, line))
            ns += strtoull(line, NULL, 10);
    }
    if (threads)
        closedir(threads);
    return ns / 1000;
}

static uint64_t
resident_bytes(unsigned pid)
{
    char path[PATH_ROOM];
    char line[LINE_ROOM];
    char *at = line;

    snprintf(path, sizeof(path), "/proc/%u/statm", pid);
    if (!line_read(path, line))
        return 0;
    strtoull(line, &at, 10);
    return strtoull(at, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void
lg_watch_parse(struct lg_options *o, const char *text)
{
    char *end;

    for (const char *at = text; *at; at = *end ? end + 1 : end) {
        unsigned long pid = strtoul(at, &end, 10);

        if (end == at || (*end != '\0' && *end != ','))
            die("--watch wants process numbers with commas between, not \"%s\"", text);
        if (o->watch_count == LG_WATCH_MAX)
            die("more than %d processes to watch", (int)LG_WATCH_MAX);
        o->watch[o->watch_count++] = (unsigned)pid;
    }
}

struct lg_watched
lg_watch_read(const struct lg_options *o)
{
    struct lg_watched w = {0};

    for (size_t i = 0; i < o->watch_count; i++) {
        uint64_t fine = sched_cpu_us(o->watch[i]);
        uint64_t coarse = stat_cpu_us(o->watch[i]);

        /* The coarse one also has the threads that ended; without scheduler statistics it is
         * all there is. */
        w.cpu_us += fine > 0 ? fine : coarse;
        w.rss_bytes += resident_bytes(o->watch[i]);
    }
    return w;
}
