/* SPDX-License-Identifier: Apache-2.0
 *
 * Diagnostic log lines, from any thread of floors 4 and 5 to the sink that the control
 * thread set. Owns the one mutable state of the process: level and sink. Must never let a
 * byte that a peer chose start a line or reach a terminal unescaped, nor change errno.
 */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"

static struct {
    atomic_int level;
    pthread_mutex_t lock; /* so that no call into an old sink is under way once it is replaced */
    log_sink_fn sink;
    void *arg;
} log_state = {.level = LOG_INFO, .lock = PTHREAD_MUTEX_INITIALIZER};

static const char *const level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARN] = "warn",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

void
log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_state.level, (int)level, memory_order_relaxed);
}

bool
log_is_on(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&log_state.level, memory_order_relaxed);
}

void
log_set_sink(log_sink_fn sink, void *arg)
{
    pthread_mutex_lock(&log_state.lock);
    log_state.sink = sink;
    log_state.arg = arg;
    pthread_mutex_unlock(&log_state.lock);
}

int
log_level_parse(struct str s, enum log_level *ret)
{
    for (size_t i = 0; i < array_len(level_names); i++) {
        if (str_eq(s, str_from(level_names[i]))) {
            *ret = (enum log_level)i;
            return 0;
        }
    }
    return GW_E_PARSE;
}

/* Appends c to line, escaped; false when it does not fit below max. */
static bool
put_escaped(char *line, size_t max, size_t *len, unsigned char c)
{
    char hex[2];

    if (c >= 0x20 && c < 0x7f) {
        if (max - *len < 1)
            return false;
        line[(*len)++] = (char)c;
        return true;
    }
    if (max - *len < 4)
        return false;
    str_hex_upper(hex, &c, 1);
    line[(*len)++] = '\\';
    line[(*len)++] = 'x';
    line[(*len)++] = hex[0];
    line[(*len)++] = hex[1];
    return true;
}

static void
write_line(const char *line, size_t len)
{
    pthread_mutex_lock(&log_state.lock);
    if (log_state.sink != NULL) {
        log_state.sink(log_state.arg, line, len);
    } else {
        ssize_t written = write(STDERR_FILENO, line, len);

        (void)written; /* there is nowhere to say it */
    }
    pthread_mutex_unlock(&log_state.lock);
}

/* Puts the escaped text and the newline behind the len bytes of line, and returns the length of
 * the whole line. LOG_LINE_MAX bytes suffice: what does not fit is cut. */
static size_t
finish_line(char *line, size_t len, const char *text, int text_len)
{
    static const char cut_mark[] = "...";
    size_t room = LOG_LINE_MAX - sizeof(cut_mark); /* the NUL of the mark stands for the newline */
    bool is_cut = text_len >= LOG_LINE_MAX;
    int whole = is_cut ? LOG_LINE_MAX - 1 : text_len;

    for (int i = 0; i < whole; i++) {
        if (!put_escaped(line, room, &len, (unsigned char)text[i])) {
            is_cut = true;
            break;
        }
    }
    if (is_cut) {
        memcpy(line + len, cut_mark, sizeof(cut_mark) - 1);
        len += sizeof(cut_mark) - 1;
    }
    line[len++] = '\n';
    return len;
}

void
log_event(enum log_level level, const char *area, const char *fmt, ...)
{
    char text[LOG_LINE_MAX];
    char line[LOG_LINE_MAX];
    struct clock now;
    va_list args;
    int saved = errno;
    int text_len;
    int prefix_len;

    if (!log_is_on(level))
        return;
    va_start(args, fmt);
    text_len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    clock_read(&now);
    clock_format_iso_micros(line, now.wall_us);
    prefix_len = snprintf(line + CLOCK_ISO_MICROS_LEN, 64, " %s %.40s: ", level_names[level], area);
    write_line(line, finish_line(line, CLOCK_ISO_MICROS_LEN + (size_t)prefix_len, text, text_len));
    errno = saved;
}
