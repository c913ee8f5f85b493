/* SPDX-License-Identifier: Apache-2.0
 *
 * What every unit test needs: cmocka with its includes in the right order, and helpers that
 * feed a parser the same bytes whole, byte by byte, cut short and with bits flipped. The
 * helpers hand each input over in a heap block of exactly its size, so that AddressSanitizer
 * sees the first byte read too far. They fail the running cmocka test on their own trouble.
 */
#ifndef SUPPORT_UNIT_H
#define SUPPORT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/str.h"

#define assert_str_equal(got, want) unit_assert_str((got), (want), #got, __FILE__, __LINE__)
void unit_assert_str(struct str got, struct str want, const char *expr, const char *file, int line);

/* Called with one input; what it checks is its own affair. */
typedef void (*unit_input_fn)(void *arg, struct str input);

/* Every proper prefix of input, from empty to all but its last byte. */
void for_each_truncation(struct str input, unit_input_fn run, void *arg);
/* input with one bit flipped, each bit in turn. */
void for_each_bit_flip(struct str input, unit_input_fn run, void *arg);

/* Calls step with prefixes of input that grow by one byte, each in a block of its own, until it
 * returns something other than want_more; returns that, or want_more when input is used up.
 * *ret_fed (may be NULL) is the length of the last prefix. */
typedef int (*unit_step_fn)(void *arg, struct str prefix);
int drip_feed(struct str input, unit_step_fn step, void *arg, int want_more, size_t *ret_fed);

/* A new empty folder under TMPDIR; free it with unit_tmp_done, which removes all inside. */
char *unit_tmp_new(void);
void unit_tmp_done(char *dir);
/* dir/name; free() it. */
char *unit_path(const char *dir, const char *name);
/* Writes dir/name, mode 0600, and returns its path; free() it. */
char *unit_write_file(const char *dir, const char *name, struct str content);
/* Whole file with a NUL after it; free() it. Fails the test when it cannot be read. */
char *unit_read_file(const char *path, size_t *ret_len);

/* True when run(arg) ends the process by SIGABRT, as a failed gw_assert does. Runs in a child. */
bool unit_aborts(void (*run)(void *arg), void *arg);

#endif
