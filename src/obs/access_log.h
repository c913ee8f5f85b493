/* SPDX-License-Identifier: Apache-2.0
 *
 * One line per request. ALB's format is that of "Access logs for your Application Load
 * Balancer"; JSON carries the same facts plus certificate facts. Pure.
 *
 * JSON: ALB's fields under their names ("client:port" too), always there, null when not known, -1
 * for times as ALB has it; client_ip and client_port apart as well. Then, when known:
 * listener_port, listener, end, vpce_id, is_resumed, would_refuse, generation, and the
 * certificate as in the connection log (conn_log.h).
 */
#ifndef OBS_ACCESS_LOG_H
#define OBS_ACCESS_LOG_H

#include "obs/record.h"

/* As conn_log_format. */
size_t
access_log_format(enum log_format format, const struct stream_record *r, char *dst, size_t cap);

#endif
