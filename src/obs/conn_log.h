/* SPDX-License-Identifier: Apache-2.0
 *
 * One line per connection attempt, refused ones included. ALB's format is that of
 * "Connection logs for your Application Load Balancer"; JSON carries the same facts under
 * the same field names plus what ALB leaves out. Pure.
 *
 * JSON: ALB's fields are always there, null when not known; tls_verify_status carries our own
 * reason codes. Beyond them, when known: reason, detail, rule, listener, host_policy, sni, alpn,
 * vpce_id, proxy_ip, is_resumed, is_cached, would_refuse, generation, issuer, sha256, san_dns,
 * san_uri, san_email, san_ip, and "truncated" when something was cut or left out.
 */
#ifndef OBS_CONN_LOG_H
#define OBS_CONN_LOG_H

#include "obs/record.h"

/* Writes a line with its newline into dst; never more than LOG_LINE_MAX, cut fields are marked.
 * Returns the length, 0 when cap is too small. Bytes outside printable ASCII, quotes and
 * backslashes are escaped as line.h says. */
size_t conn_log_format(enum log_format format, const struct conn_record *r, char *dst, size_t cap);

#endif
