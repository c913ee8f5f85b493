/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection log line, once per attempt, and the diagnostic line for refusals. Called by
 * conn at the end of the handshake, whatever its outcome. Fills a record and hands the bytes
 * to the log writer; never blocks.
 */
#include "base/log.h"
#include "obs/conn_log.h"
#include "proxy/conn.h"

static void
conn_record_tls(const struct conn *c, struct conn_record *r)
{
    if (c->tls == NULL)
        return;
    r->has_tls = true;
    r->tls_version = str_from(tls_version(c->tls));
    r->tls_cipher = str_from(tls_cipher(c->tls));
    r->tls_group = str_from(tls_group(c->tls));
    r->is_resumed = tls_is_resumed(c->tls);
    if (tls_alpn(c->tls) != TLS_ALPN_NONE)
        r->alpn = tls_alpn(c->tls) == TLS_ALPN_H2 ? STR("h2") : STR("http/1.1");
}

static void
conn_record_fill(const struct conn *c, struct conn_record *r, char ips[3][ADDR_TEXT_MAX])
{
    const struct clock *now = loop_now(c->w->loop);

    *r = (struct conn_record){
        .wall_us = now->wall_us,
        .client_ip = str_make(ips[0], addr_format_ip(&c->client, ips[0])),
        .client_port = addr_port(&c->client),
        .listener_port = c->listener_port,
        .listener = c->listener_name,
        .elb = c->elb,
        .local_ip = str_make(ips[1], addr_format_ip(&c->local, ips[1])),
        .handshake_us = c->refusal == REASON_NONE ? now->mono_us - c->hello_us : -1,
        .cert = c->identity,
        .has_verify_status = true,
        .reason = c->refusal != REASON_NONE ? c->refusal : c->would_refuse,
        .detail = str_from(c->refusal_detail),
        .trace_id = str_from(c->trace_id),
        .sni = c->sni,
        .vpce_id = str_from(c->vpce_id),
        .rule = c->exception,
        .is_cached = c->is_cached,
        .would_refuse = c->would_refuse != REASON_NONE,
        .generation = c->w->snap->generation,
    };
    if (c->client_is_proxied)
        r->proxy_ip = str_make(ips[2], addr_format_ip(&c->peer, ips[2]));
    conn_record_tls(c, r);
}

/* Without a connection log the operator still learns who was refused, and why; an attacker does not
 * fill the disk with it. */
static void
conn_log_refusal(const struct conn *c, const struct conn_record *r)
{
    struct worker *w = c->w;
    const char *words = c->refusal_detail;
    uint64_t dropped;

    if (!ratelimit_admit(&w->refusal_lines, worker_now_ms(w)))
        return;
    dropped = ratelimit_take_dropped(&w->refusal_lines);
    if (dropped > 0)
        log_event(LOG_WARN, "conn", "%llu lines about refused connections were left out",
                  (unsigned long long)dropped);
    if (words[0] == '\0' && c->tls != NULL)
        words = tls_error(c->tls);
    if (words[0] == '\0')
        words = reason_text(c->refusal);
    log_event(LOG_INFO, "conn", "%.*s refused %.*s on %.*s: %s, %s", STR_ARG(r->trace_id),
              STR_ARG(r->client_ip), STR_ARG(r->listener), reason_token(c->refusal), words);
}

/* Each use has to be seen, whatever logs are on. */
static void
conn_log_exception(const struct conn *c, const struct conn_record *r)
{
    log_event(LOG_INFO, "conn", "%.*s admitted %.*s on %.*s by an exception: %.*s",
              STR_ARG(r->trace_id), STR_ARG(r->client_ip), STR_ARG(r->listener),
              STR_ARG(c->exception));
}

void
conn_log_line(struct conn *c)
{
    char ips[3][ADDR_TEXT_MAX];
    struct conn_record record;
    struct worker *w = c->w;
    size_t n;

    if (c->is_logged)
        return;
    c->is_logged = true;
    if (w->conn_log == NULL && c->refusal == REASON_NONE && c->exception.len == 0)
        return;
    conn_record_fill(c, &record, ips);
    if (c->refusal != REASON_NONE)
        conn_log_refusal(c, &record);
    else if (c->exception.len > 0)
        conn_log_exception(c, &record);
    if (w->conn_log == NULL)
        return;
    n = conn_log_format(w->snap->site->conn_log.format, &record, w->log_line, sizeof(w->log_line));
    if (n > 0)
        (void)log_file_write(w->conn_log, w->index, w->log_line, n);
}
