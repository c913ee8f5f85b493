/* SPDX-License-Identifier: Apache-2.0
 *
 * What every test helper needs: die with a message, time, a growable byte string and the
 * port picker. A helper that cannot do its work ends the test program at once; checks of
 * the program under test are left to the test.
 */
#ifndef SUPPORT_UTIL_H
#define SUPPORT_UTIL_H

#include <stdarg.h>

#include "base/base.h"
#include "base/str.h"

/* Prints file, line and text on standard error and exits with 99. */
#define die(...) die_at(__FILE__, __LINE__, __VA_ARGS__)
void die_at(const char *file, int line, const char *fmt, ...) GW_PRINTF(3, 4) GW_NORETURN;

void *xmalloc(size_t n);
void *xcalloc(size_t count, size_t n);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
/* Formatted, malloc. */
char *xformat(const char *fmt, ...) GW_PRINTF(1, 2);

int64_t now_ms(void); /* monotonic */
int64_t now_us(void); /* monotonic */
int64_t wall_s(void); /* since the epoch */
void sleep_ms(int ms);

/* Growable bytes. Zeroed is empty; ptr is NUL-terminated after any append. */
struct bytes {
    char *ptr;
    size_t len;
    size_t cap;
};

void bytes_add(struct bytes *b, const void *p, size_t n);
void bytes_puts(struct bytes *b, const char *s);
void bytes_printf(struct bytes *b, const char *fmt, ...) GW_PRINTF(2, 3);
void bytes_free(struct bytes *b);
static inline struct str
bytes_str(const struct bytes *b)
{
    return str_make(b->ptr, b->len);
}

/* Whole file, NUL after len; dies when it cannot be read. */
struct bytes file_slurp(const char *path);
bool file_exists(const char *path);
/* Replaces path; dies on failure. */
void file_spill(const char *path, const void *p, size_t n, unsigned mode);
/* Fresh directory below $TMPDIR or /tmp; malloc. */
char *dir_temp(const char *prefix);
/* Removes a directory that dir_temp made, with everything in it. */
void dir_remove(const char *dir);

/* Where text first occurs, or NULL. */
const char *find_bytes(const void *hay, size_t hay_len, const void *needle, size_t needle_len);
size_t count_text(struct str hay, const char *needle);

/* A TCP port of 127.0.0.1 (and of 0.0.0.0) that was free a moment ago. No two calls of one
 * program give the same. */
uint16_t port_free(void);

#endif
