/* SPDX-License-Identifier: Apache-2.0
 *
 * The first phase of a connection on a listener with proxy_protocol: who may say where it comes
 * from, and what becomes of those that may not, say it wrong, or say nothing. Called by conn.c.
 * Reads the socket; owns nothing. Must never take a byte that belongs to TLS.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "proxy/conn.h"

bool
conn_proxy_may_speak(const struct site_listener *l, const struct addr *peer)
{
    for (size_t i = 0; i < l->proxy_source_count; i++) {
        if (cidr_contains(&l->proxy_sources[i], peer))
            return true;
    }
    return false;
}

void
conn_probed(struct conn *c)
{
    metrics_add(&c->w->metrics, METRIC_HEALTH_PROBES, 1);
    conn_close(c, CONN_END_PROBE);
}

void
conn_proxy_failed(struct conn *c, const char *why)
{
    c->refusal = REASON_UNMAPPED;
    snprintf(c->refusal_detail, sizeof(c->refusal_detail), "%s", why);
    metrics_add(&c->w->metrics, METRIC_PROXY_HEADER_ERRORS, 1);
    metrics_refused(&c->w->metrics, c->refusal);
    conn_log_line(c);
    conn_close(c, CONN_END_PROXY_HEADER);
}

static void
conn_proxy_apply(struct conn *c, const struct proxy_header *h)
{
    if (!h->is_local) {
        c->client = h->source;
        c->client_is_proxied = true;
    }
    memcpy(c->vpce_id, h->vpce_id, sizeof(c->vpce_id));
    c->state = CONN_HANDSHAKE;
    c->started_ms = worker_now_ms(c->w);
    (void)!conn_count_source(c);
}

/* Looks with MSG_PEEK and then takes exactly the header, so that TLS finds its own first byte. */
void
conn_step_proxy(struct conn *c)
{
    uint8_t bytes[PROXY_HEADER_MAX + 1];
    struct proxy_header header;
    size_t len = 0;
    ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_PEEK);
    int r;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        conn_probed(c);
        return;
    }
    c->got_bytes = true;
    r = proxy_header_parse(str_make(bytes, (size_t)n), &header, &len);
    if (r == GW_E_AGAIN)
        return;
    if (r == GW_E_NOTFOUND && conn_listener(c) != NULL &&
        conn_listener(c)->proxy_mode == PROXY_OPTIONAL) {
        c->state = CONN_HANDSHAKE;
        (void)!conn_count_source(c);
        return;
    }
    if (r == GW_E_NOTFOUND) {
        conn_proxy_failed(c, "proxy_protocol is required, and there was no header");
        return;
    }
    if (r != 0 || recv(c->fd, bytes, len, 0) != (ssize_t)len) {
        conn_proxy_failed(c, "malformed PROXY protocol header");
        return;
    }
    conn_proxy_apply(c, &header);
}
