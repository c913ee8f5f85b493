/* SPDX-License-Identifier: Apache-2.0
 *
 * Diagnostic log: one line an event, levels, no attacker byte unescaped. Any thread.
 * The line goes to the sink set by the control thread, which must not block (the log
 * writer); before that, to standard error. Floors 0 to 3 do not log.
 *
 * Line: "2026-11-24T03:08:00.123456Z level area: text"
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/base.h"
#include "base/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Called with one whole line, newline included; any thread. */
typedef void (*log_sink_fn)(void *arg, const char *line, size_t len);

void log_set_level(enum log_level level);
/* NULL restores standard error. */
void log_set_sink(log_sink_fn sink, void *arg);
bool log_is_on(enum log_level level);
int log_level_parse(struct str s, enum log_level *ret) GW_MUST_USE;

/* Control and non-ASCII bytes of the formatted text are written as \xNN; a line is cut at
 * LOG_LINE_MAX with "..." at the end. */
void log_event(enum log_level level, const char *area, const char *fmt, ...) GW_PRINTF(3, 4);

#endif
