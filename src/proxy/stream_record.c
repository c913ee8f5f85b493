/* SPDX-License-Identifier: Apache-2.0
 *
 * The access log line of a finished request. Called once by stream_finish. Fills a record
 * from what the stream knows and hands the bytes to the log writer; never blocks.
 */
#include "obs/access_log.h"
#include "proxy/stream.h"
#include "proxy/upstream.h"

/* ALB's three times: to the dispatch, to the response head, to the end; -1 when it did not
 * come to that. */
static void
record_times(const struct stream *s, int64_t now_us, struct stream_record *r)
{
    r->request_us = -1;
    r->target_us = -1;
    r->response_us = -1;
    if (s->dispatched_us == 0)
        return;
    r->request_us = s->dispatched_us - s->created_us;
    if (!s->has_resp)
        return;
    r->target_us = s->head_us - s->dispatched_us;
    r->response_us = now_us - s->head_us;
}

static void
record_request(const struct stream *s, struct stream_record *r)
{
    const struct http_header *agent = NULL;

    if (s->req.headers.fields != NULL)
        agent = http_headers_get(&s->req.headers, HEADER_USER_AGENT);
    r->method = s->req.method_text;
    r->scheme = STR("https");
    r->authority = s->req.authority;
    r->uri = s->req.target;
    r->user_agent = agent == NULL ? STR("") : agent->value;
    r->received_bytes = s->received_bytes + s->req.head_bytes + s->body_bytes;
    r->sent_bytes = s->sent_bytes;
}

static void
record_conn(const struct conn *c, struct stream_record *r, char ips[2][ADDR_TEXT_MAX])
{
    r->client_ip = str_make(ips[0], addr_format_ip(&c->client, ips[0]));
    r->client_port = addr_port(&c->client);
    r->local_ip = str_make(ips[1], addr_format_ip(&c->local, ips[1]));
    r->listener_port = c->listener_port;
    r->listener = c->listener_name;
    r->elb = c->elb;
    r->conn_trace_id = str_from(c->trace_id);
    r->vpce_id = str_from(c->vpce_id);
    r->cert = c->identity;
    r->would_refuse = c->would_refuse != REASON_NONE;
    r->generation = c->w->snap->generation;
    if (c->tls == NULL)
        return;
    r->tls_version = str_from(tls_version(c->tls));
    r->tls_cipher = str_from(tls_cipher(c->tls));
    r->is_resumed = tls_is_resumed(c->tls);
    if (!tls_used_default_certificate(c->tls))
        r->domain_name = c->sni;
    if (r->is_resumed)
        r->chosen_cert = STR("session-reused");
}

void
stream_log_line(struct stream *s)
{
    struct conn *c = s->conn;
    struct worker *w = c->w;
    const struct clock *now = loop_now(w->loop);
    char ips[2][ADDR_TEXT_MAX];
    struct stream_record r = {0};
    size_t n;

    if (w->access_log == NULL)
        return;
    r.http_version = c->codec == &codec_h2       ? STR("HTTP/2.0")
                     : s->req.version == HTTP_10 ? STR("HTTP/1.0")
                                                 : STR("HTTP/1.1");
    r.type = c->codec == &codec_h2 ? STR("h2") : STR("https");
    r.wall_us = now->wall_us;
    r.created_us = s->created_wall_us;
    record_conn(c, &r, ips);
    record_request(s, &r);
    record_times(s, now->mono_us, &r);
    r.target = s->target_text;
    r.status = s->status;
    r.target_status = s->target_status;
    r.target_group = s->upstream == NULL ? STR("") : s->upstream->conf->log_name;
    r.trace_id = s->trace_id;
    r.rule_priority = s->rule == NULL ? -2 : s->rule->priority;
    r.actions = str_from(s->actions);
    r.error_reason = s->end == STREAM_END_OK ? STR("") : str_from(stream_end_text(s->end));
    r.end = str_from(stream_end_text(s->end));
    n = access_log_format(w->snap->site->access_log.format, &r, w->log_line, sizeof(w->log_line));
    if (n > 0)
        (void)log_file_write(w->access_log, w->index, w->log_line, n);
}
