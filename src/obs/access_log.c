/* SPDX-License-Identifier: Apache-2.0
 *
 * Access log lines: ALB's 34 fields and JSON. Called by the stream when a request is over, on
 * the worker's thread; owns nothing. Must never drop a field of ALB's layout or write an error
 * reason there that ALB does not have.
 */
#include "obs/access_log.h"

#include <assert.h>

#include "base/limits.h"
#include "obs/cert_fields.h"
#include "obs/line.h"

/* A cut line of ALB's layout: 21 ordinary texts, 3 long ones, numbers, times and quotes. */
#define ALB_SHORT_TEXTS 21
#define ALB_LONG_TEXTS 3
#define ALB_REST_BYTES 640
static_assert(ALB_SHORT_TEXTS * LOG_SHORT_CUT + ALB_LONG_TEXTS * LOG_LONG_CUT + ALB_REST_BYTES <=
                  LOG_LINE_MAX,
              "every field of ALB's layout fits a line after cutting");

static bool
has_port(struct str authority)
{
    ptrdiff_t colon = str_rchr(authority, ':');

    return colon >= 0 && str_chr(str_sub(authority, (size_t)colon, authority.len), ']') < 0;
}

static void
put_or_dash(struct line *l, struct str s, enum line_width width)
{
    line_put_quoted(l, s.len > 0 ? s : STR("-"), width);
}

/* IPv6 wears brackets wherever a port follows. */
static void
put_address(struct line *l, struct str ip)
{
    bool is_v6 = str_chr(ip, ':') >= 0;

    if (is_v6)
        line_put(l, STR("["));
    line_put_bare(l, ip.len > 0 ? ip : STR("-"));
    if (is_v6)
        line_put(l, STR("]"));
}

/* Path and query of a target in absolute form, whose scheme and host are written apart. */
static struct str
without_origin(struct str uri)
{
    static const char mark[] = "://";
    const char *found = uri.len > 0 && uri.ptr[0] != '/' ? memmem(uri.ptr, uri.len, mark, 3) : NULL;
    size_t at = found != NULL ? (size_t)(found - uri.ptr) + 3 : 0;

    while (found != NULL && at < uri.len && uri.ptr[at] != '/' && uri.ptr[at] != '?')
        at++;
    return str_sub(uri, at, uri.len);
}

/* METHOD scheme://host:port/uri HTTP/x.y, always with a port; what the client did not say is the
 * listener's, and what could not be parsed is '-', as ALB writes it. */
static void
put_request_line(struct line *l, const struct stream_record *r)
{
    put_or_dash(l, r->method, LINE_SHORT);
    line_put(l, STR(" "));
    put_or_dash(l, r->scheme, LINE_SHORT);
    line_put(l, STR("://"));
    if (r->authority.len > 0)
        line_put_quoted(l, r->authority, LINE_SHORT);
    else
        put_address(l, r->local_ip);
    if (!has_port(r->authority)) {
        line_put(l, STR(":"));
        line_put_u64(l, r->listener_port);
    }
    put_or_dash(l, without_origin(r->uri), LINE_LONG);
    line_put(l, STR(" "));
    put_or_dash(l, r->http_version, LINE_SHORT);
}

/* ALB's reasons come in families; ours do not begin like any of them. */
static struct str
alb_error_reason(struct str reason)
{
    static const struct str families[] = {
        STR_INIT("Auth"),     STR_INIT("JWT"), STR_INIT("JWKS"),   STR_INIT("AWSALB"),
        STR_INIT("Weighted"), STR_INIT("WAF"), STR_INIT("Lambda"),
    };

    for (size_t i = 0; i < array_len(families); i++) {
        if (str_starts(reason, families[i]))
            return reason;
    }
    return (struct str){0};
}

static void
put_client(struct line *l, const struct stream_record *r)
{
    put_address(l, r->client_ip);
    line_put(l, STR(":"));
    line_put_u64(l, r->client_port);
}

/* Fields 1 to 16. */
static void
alb_first_half(struct line *l, const struct stream_record *r)
{
    line_bare(l, r->type);
    line_time(l, r->wall_us);
    line_bare(l, r->elb);
    line_space(l);
    put_client(l, r);
    line_bare(l, r->target);
    line_seconds(l, r->request_us, STR("-1"));
    line_seconds(l, r->target_us, STR("-1"));
    line_seconds(l, r->response_us, STR("-1"));
    line_u64_or_dash(l, (uint64_t)r->status);
    line_u64_or_dash(l, (uint64_t)r->target_status);
    line_u64(l, r->received_bytes);
    line_u64(l, r->sent_bytes);
    line_put(l, STR(" \""));
    put_request_line(l, r);
    line_put(l, STR("\""));
    line_quoted(l, r->user_agent, LINE_LONG);
    line_bare(l, r->tls_cipher);
    line_bare(l, r->tls_version);
}

static void
put_rule_priority(struct line *l, int priority)
{
    if (priority < -1) {
        line_put(l, STR("-"));
        return;
    }
    if (priority < 0)
        line_put(l, STR("-"));
    line_put_u64(l, (uint64_t)(priority < 0 ? 1 : priority));
}

static void
alb_status_list(struct line *l, int status)
{
    line_put(l, STR(" \""));
    if (status == 0)
        line_put(l, STR("-"));
    else
        line_put_u64(l, (uint64_t)status);
    line_put(l, STR("\""));
}

static void
write_alb(struct line *l, const void *record)
{
    const struct stream_record *r = record;

    alb_first_half(l, r);
    line_bare(l, r->target_group);
    line_quoted(l, r->trace_id, LINE_LONG);
    line_quoted(l, r->domain_name, LINE_SHORT);
    line_quoted(l, r->chosen_cert, LINE_SHORT);
    line_space(l);
    put_rule_priority(l, r->rule_priority);
    line_time(l, r->created_us);
    line_quoted(l, r->actions, LINE_SHORT);
    line_quoted(l, r->redirect_url, LINE_SHORT);
    line_quoted(l, alb_error_reason(r->error_reason), LINE_SHORT);
    line_quoted(l, r->target, LINE_SHORT);
    alb_status_list(l, r->target_status);
    line_quoted(l, r->desync_class, LINE_SHORT);
    line_quoted(l, r->desync_reason, LINE_SHORT);
    line_bare(l, r->conn_trace_id);
    line_put(l, STR(" \"-\" \"-\" \"-\"")); /* transformed host, uri, status */
    line_bare(l, r->local_ip);
}

/* ---- JSON ---- */

static void
json_client(struct line *l, const struct stream_record *r)
{
    char *opened = line_json_open(l, STR("client:port"));

    put_client(l, r);
    line_json_close(l, opened);
    line_json_text(l, STR("client_ip"), r->client_ip, LINE_SHORT);
    line_json_u64_or_null(l, STR("client_port"), r->client_port);
}

static void
json_request_line(struct line *l, const struct stream_record *r)
{
    char *opened = line_json_open(l, STR("request_line"));

    put_request_line(l, r);
    line_json_close(l, opened);
}

static void
json_first_half(struct line *l, const struct stream_record *r)
{
    line_json_text(l, STR("type"), r->type, LINE_SHORT);
    line_json_time(l, STR("time"), r->wall_us);
    line_json_text(l, STR("elb"), r->elb, LINE_SHORT);
    json_client(l, r);
    line_json_text(l, STR("target:port"), r->target, LINE_SHORT);
    line_json_seconds(l, STR("request_processing_time"), r->request_us, STR("-1"));
    line_json_seconds(l, STR("target_processing_time"), r->target_us, STR("-1"));
    line_json_seconds(l, STR("response_processing_time"), r->response_us, STR("-1"));
    line_json_u64_or_null(l, STR("elb_status_code"), (uint64_t)r->status);
    line_json_u64_or_null(l, STR("target_status_code"), (uint64_t)r->target_status);
    line_json_u64(l, STR("received_bytes"), r->received_bytes);
    line_json_u64(l, STR("sent_bytes"), r->sent_bytes);
    json_request_line(l, r);
    line_json_text(l, STR("user_agent"), r->user_agent, LINE_LONG);
    line_json_text(l, STR("ssl_cipher"), r->tls_cipher, LINE_SHORT);
    line_json_text(l, STR("ssl_protocol"), r->tls_version, LINE_SHORT);
}

static void
json_second_half(struct line *l, const struct stream_record *r)
{
    line_json_text(l, STR("target_group_arn"), r->target_group, LINE_SHORT);
    line_json_text(l, STR("trace_id"), r->trace_id, LINE_LONG);
    line_json_text(l, STR("domain_name"), r->domain_name, LINE_SHORT);
    line_json_text(l, STR("chosen_cert_arn"), r->chosen_cert, LINE_SHORT);
    if (r->rule_priority < -1)
        line_json_text(l, STR("matched_rule_priority"), STR(""), LINE_SHORT);
    else
        line_json_i64(l, STR("matched_rule_priority"), r->rule_priority);
    line_json_time(l, STR("request_creation_time"), r->created_us);
    line_json_text(l, STR("actions_executed"), r->actions, LINE_SHORT);
    line_json_text(l, STR("redirect_url"), r->redirect_url, LINE_SHORT);
    line_json_text(l, STR("error_reason"), r->error_reason, LINE_SHORT);
    line_json_text(l, STR("target:port_list"), r->target, LINE_SHORT);
    line_json_u64_or_null(l, STR("target_status_code_list"), (uint64_t)r->target_status);
    line_json_text(l, STR("classification"), r->desync_class, LINE_SHORT);
    line_json_text(l, STR("classification_reason"), r->desync_reason, LINE_SHORT);
    line_json_text(l, STR("conn_trace_id"), r->conn_trace_id, LINE_SHORT);
    line_json_text(l, STR("transformed_host"), STR(""), LINE_SHORT);
    line_json_text(l, STR("transformed_uri"), STR(""), LINE_SHORT);
    line_json_text(l, STR("request_transform_status"), STR(""), LINE_SHORT);
    line_json_text(l, STR("ip_address"), r->local_ip, LINE_SHORT);
}

static void
write_json(struct line *l, const void *record)
{
    const struct stream_record *r = record;

    json_first_half(l, r);
    json_second_half(l, r);
    line_json_u64_or_null(l, STR("listener_port"), r->listener_port);
    line_json_text_if(l, STR("listener"), r->listener, LINE_SHORT);
    line_json_text_if(l, STR("end"), r->end, LINE_SHORT);
    line_json_text_if(l, STR("error_detail"), r->error_detail, LINE_SHORT);
    line_json_text_if(l, STR("vpce_id"), r->vpce_id, LINE_SHORT);
    line_json_bool(l, STR("is_resumed"), r->is_resumed);
    line_json_bool(l, STR("would_refuse"), r->would_refuse);
    line_json_u64(l, STR("generation"), r->generation);
    if (r->cert != NULL)
        cert_fields_json_alb(l, r->cert);
    cert_fields_json_more(l, r->cert);
}

size_t
access_log_format(enum log_format format, const struct stream_record *r, char *dst, size_t cap)
{
    const bool is_json = format == LOG_FORMAT_JSON;
    const struct line_job job = {is_json ? LINE_JSON : LINE_ALB, dst, cap};

    return line_format(&job, is_json ? write_json : write_alb, r);
}
