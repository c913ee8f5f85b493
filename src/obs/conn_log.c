/* SPDX-License-Identifier: Apache-2.0
 *
 * Connection log lines: ALB's layout and JSON. Called by the worker when a connection attempt
 * is decided, on its thread; owns nothing. Must never drop a field of ALB's layout or write
 * a reason that ALB does not have there.
 */
#include "obs/conn_log.h"

#include "base/limits.h"
#include "obs/cert_fields.h"
#include "obs/line.h"

/* "Success" also when the listener only reports what it would have refused: then the handshake
 * went through all the same. */
static bool
is_admitted(const struct conn_record *r)
{
    return r->reason == REASON_NONE || (r->would_refuse && r->handshake_us >= 0);
}

static void
alb_verify_status(struct line *l, const struct conn_record *r)
{
    line_space(l);
    if (!r->has_verify_status) {
        line_put(l, STR("-"));
    } else if (is_admitted(r)) {
        line_put(l, STR("Success"));
    } else {
        line_put(l, STR("Failed:"));
        line_put(l, str_from(reason_alb_token(r->reason)));
    }
}

static void
write_alb(struct line *l, const void *record)
{
    const struct conn_record *r = record;
    static const struct identity unknown;
    const struct identity *cert = r->cert != NULL ? r->cert : &unknown;

    line_time(l, r->wall_us);
    line_bare(l, r->client_ip);
    line_u64_or_dash(l, r->client_port);
    line_u64_or_dash(l, r->listener_port);
    line_bare(l, r->tls_version);
    line_bare(l, r->tls_cipher);
    line_seconds(l, r->has_tls ? r->handshake_us : -1, STR("-"));
    line_quoted(l, cert->subject, LINE_LONG);
    line_bare(l, cert->validity);
    line_bare(l, cert->serial);
    alb_verify_status(l, r);
    line_bare(l, r->trace_id);
    line_bare(l, r->tls_group);
    line_bare(l, r->elb);
    line_bare(l, r->local_ip);
}

static void
json_verify_status(struct line *l, const struct conn_record *r)
{
    static const char key[] = "tls_verify_status";
    char *opened;

    if (!r->has_verify_status || is_admitted(r)) {
        line_json_text(l, str_from(key), r->has_verify_status ? STR("Success") : STR(""),
                       LINE_SHORT);
        return;
    }
    opened = line_json_open(l, str_from(key));
    line_put(l, STR("Failed:"));
    line_put(l, str_from(reason_token(r->reason)));
    line_json_close(l, opened);
}

/* The facts of ALB's layout, under its field names. */
static void
json_facts(struct line *l, const struct conn_record *r)
{
    line_json_time(l, STR("timestamp"), r->wall_us);
    line_json_text(l, STR("client_ip"), r->client_ip, LINE_SHORT);
    line_json_u64_or_null(l, STR("client_port"), r->client_port);
    line_json_u64_or_null(l, STR("listener_port"), r->listener_port);
    line_json_text(l, STR("tls_protocol"), r->tls_version, LINE_SHORT);
    line_json_text(l, STR("tls_cipher"), r->tls_cipher, LINE_SHORT);
    line_json_seconds(l, STR("tls_handshake_latency"), r->has_tls ? r->handshake_us : -1,
                      STR("null"));
    cert_fields_json_alb(l, r->cert);
    json_verify_status(l, r);
    line_json_text(l, STR("conn_trace_id"), r->trace_id, LINE_SHORT);
    line_json_text(l, STR("tls_keyexchange"), r->tls_group, LINE_SHORT);
    line_json_text(l, STR("elb"), r->elb, LINE_SHORT);
    line_json_text(l, STR("ip_address"), r->local_ip, LINE_SHORT);
}

static void
write_json(struct line *l, const void *record)
{
    const struct conn_record *r = record;

    json_facts(l, r);
    if (r->reason != REASON_NONE)
        line_json_text(l, STR("reason"), str_from(reason_token(r->reason)), LINE_SHORT);
    line_json_text_if(l, STR("detail"), r->detail, LINE_LONG);
    line_json_text_if(l, STR("rule"), r->rule, LINE_SHORT);
    line_json_text_if(l, STR("listener"), r->listener, LINE_SHORT);
    line_json_text_if(l, STR("host_policy"), r->host_policy, LINE_SHORT);
    line_json_text_if(l, STR("sni"), r->sni, LINE_SHORT);
    line_json_text_if(l, STR("alpn"), r->alpn, LINE_SHORT);
    line_json_text_if(l, STR("vpce_id"), r->vpce_id, LINE_SHORT);
    line_json_text_if(l, STR("proxy_ip"), r->proxy_ip, LINE_SHORT);
    line_json_bool(l, STR("is_resumed"), r->is_resumed);
    line_json_bool(l, STR("is_cached"), r->is_cached);
    line_json_bool(l, STR("would_refuse"), r->would_refuse);
    line_json_u64(l, STR("generation"), r->generation);
    cert_fields_json_more(l, r->cert);
}

size_t
conn_log_format(enum log_format format, const struct conn_record *r, char *dst, size_t cap)
{
    const bool is_json = format == LOG_FORMAT_JSON;
    const struct line_job job = {is_json ? LINE_JSON : LINE_ALB, dst, cap};

    return line_format(&job, is_json ? write_json : write_alb, r);
}
