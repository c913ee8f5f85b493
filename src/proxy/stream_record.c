/* SPDX-License-Identifier: Apache-2.0
 *
 * The access log line of a finished request, and the line in the diagnostic log when an upstream
 * failed it. Called once by stream_finish. Fills a record from what the stream knows and hands the
 * bytes to the log writer; never blocks.
 */
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
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
    r->chosen_cert =
        r->is_resumed ? STR("session-reused") : str_from(tls_chosen_certificate(c->tls));
}

/* What it was that went wrong, beside the kind: s->end. */
static struct str
stream_detail(const struct stream *s)
{
    if (s->end == STREAM_END_MALFORMED)
        return str_from(h1_fault_text(s->fault));
    return s->failure;
}

void
stream_note_failure(struct stream *s, const struct uconn *u)
{
    const char *words = NULL;

    if (u->error == UCONN_ERROR_TLS && u->tls != NULL)
        words = tls_error(u->tls);
    else if (u->error == UCONN_ERROR_CONNECT && u->connect_errno != 0)
        words = strerrordesc_np(u->connect_errno);
    if (words != NULL)
        s->failure = arena_str(&s->arena, str_from(words));
}

static bool
is_upstream_failure(enum stream_end end)
{
    return end >= STREAM_END_NO_TARGET && end <= STREAM_END_UPSTREAM_TRUNCATED;
}

/* Whoever answers for the upstream has to see it without an access log. A broken upstream must not
 * fill the disk. */
static void
stream_log_failure(const struct stream *s)
{
    struct worker *w = s->conn->w;
    struct str detail = stream_detail(s);
    uint64_t dropped;

    if (s->upstream == NULL || !ratelimit_admit(&w->failure_lines, worker_now_ms(w)))
        return;
    dropped = ratelimit_take_dropped(&w->failure_lines);
    if (dropped > 0)
        log_event(LOG_WARN, "upstream", "%" PRIu64 " lines about failed requests were left out",
                  dropped);
    log_event(LOG_WARN, "upstream", "%s target group %.*s, %.*s: %s%s%.*s; the client got %d",
              s->conn->trace_id, STR_ARG(s->upstream->conf->name),
              STR_ARG(s->target_text.len > 0 ? s->target_text : STR("no address")),
              stream_end_text(s->end), detail.len > 0 ? ", " : "", STR_ARG(detail), s->status);
}

/* Of a request that was answered here, too: an answer can be asked after by its trace. */
static struct str
trace_id_of(struct stream *s)
{
    struct worker *w = s->conn->w;
    struct forward_request f = {.req = &s->req, .wall_s = clock_wall_s(loop_now(w->loop))};

    if (s->trace_id.len > 0 || s->req.method_text.len == 0)
        return s->trace_id;
    worker_random(w, f.trace_random, sizeof(f.trace_random));
    return forward_trace_id(&f, &s->arena, &s->trace_id) == 0 ? s->trace_id : STR("");
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

    if (is_upstream_failure(s->end))
        stream_log_failure(s);
    if (w->access_log == NULL)
        return;
    r.http_version = c->codec == &codec_h2         ? STR("HTTP/2.0")
                     : s->req.method_text.len == 0 ? STR("") /* it was no request */
                     : s->req.version == HTTP_10   ? STR("HTTP/1.0")
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
    r.trace_id = trace_id_of(s);
    r.rule_priority = s->rule == NULL ? -2 : s->rule->priority;
    r.actions = str_from(s->actions);
    r.error_reason = s->end == STREAM_END_OK ? STR("") : str_from(stream_end_text(s->end));
    r.error_detail = stream_detail(s);
    r.end = str_from(stream_end_text(s->end));
    if (s->end == STREAM_END_MALFORMED) {
        r.desync_class = str_from(h1_fault_class(s->fault));
        r.desync_reason = str_from(h1_fault_class_reason(s->fault));
    }
    n = access_log_format(w->snap->site->access_log.format, &r, w->log_line, sizeof(w->log_line));
    if (n > 0)
        (void)log_file_write(w->access_log, w->index, w->log_line, n);
}
