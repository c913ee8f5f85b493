/* SPDX-License-Identifier: Apache-2.0
 *
 * Where TLS meets policy: choosing the policy by SNI, judging the client's certificate
 * inside the handshake and again later, and rendering what requests will carry. Called by
 * libssl through tls_io, by conn and by the sweep. Never lets an unjudged identity through.
 */
#include <string.h>

#include "base/limits.h"
#include "proxy/conn.h"

static const struct site_policy *
conn_policy(const struct conn *c)
{
    return site_policy_find(conn_listener(c), c->sni);
}

static struct tls_server *
on_client_hello(void *arg, struct str sni)
{
    struct conn *c = arg;
    const struct site_policy *p;

    c->got_bytes = true;
    c->sni = arena_str(&c->arena, sni);
    p = conn_policy(c);
    c->mode = p->mode;
    memcpy(c->policy_digest, p->digest, sizeof(c->policy_digest));
    return c->w->snap->tls_servers[p->tls_index];
}

static void
conn_refuse(struct conn *c, enum reason reason, const char *detail)
{
    c->refusal = reason;
    snprintf(c->refusal_detail, sizeof(c->refusal_detail), "%s", detail);
}

/* The verdict's references move to the connection. */
static void
conn_keep_chain(struct conn *c, struct verdict *v, const struct trust *trust)
{
    for (int i = 0; i < c->chain_count; i++)
        X509_free(c->chain[i]);
    memcpy(c->chain, v->chain, sizeof(c->chain));
    c->chain_count = v->chain_count;
    v->chain_count = 0;
    c->valid_until_s = v->valid_until_s;
    memcpy(c->anchors_digest, trust_anchors_digest(trust), sizeof(c->anchors_digest));
}

static void
conn_keep_facts(struct conn *c, X509 *leaf)
{
    struct identity *facts = arena_new(&c->arena, struct identity);

    if (facts == NULL)
        return;
    identity_facts(leaf, &c->arena, facts);
    c->identity = facts;
}

/* A verified identity must be stateable exactly, or the handshake fails. */
static enum reason
conn_take_identity(struct conn *c, X509 *leaf)
{
    enum reason reason = REASON_INVALID;

    if (identity_build(leaf, &c->arena, &c->identity, &reason) == 0)
        return REASON_NONE;
    conn_refuse(c, reason, "the certificate's names cannot be stated within the limits");
    conn_keep_facts(c, leaf);
    return reason;
}

static enum reason
on_client_cert(void *arg, X509 *leaf, STACK_OF(X509) * chain)
{
    struct conn *c = arg;
    const struct site_policy *p = conn_policy(c);
    const struct trust *trust;
    struct verdict v;
    enum reason reason;

    if (p->mode == MUTUAL_OFF || p->mode == MUTUAL_PASSTHROUGH)
        return REASON_NONE;
    trust = c->w->snap->trusts[p->trust_index];
    verify_chain(trust, leaf, chain, &p->verify, clock_wall_s(loop_now(c->w->loop)), NULL, &v);
    reason = v.is_admitted ? conn_take_identity(c, leaf) : v.reason;
    if (reason == REASON_NONE) {
        conn_keep_chain(c, &v, trust);
        c->judged_generation = c->w->snap->generation;
    } else if (!v.is_admitted) {
        conn_refuse(c, v.reason, v.detail);
        conn_keep_facts(c, leaf);
    }
    verdict_done(&v);
    return reason;
}

const struct tls_hooks conn_tls_hooks = {
    .on_client_hello = on_client_hello,
    .on_client_cert = on_client_cert,
};

/* ---- after the handshake ------------------------------------------------------------------ */

static struct str
conn_number(struct conn *c, unsigned n)
{
    return arena_printf(&c->arena, "%u", n);
}

/* Passthrough: what the client presented, unjudged, as one header. */
static int
conn_passthrough(struct conn *c, struct forward_identity *f)
{
    STACK_OF(X509) *sent = tls_peer_chain(c->tls);
    X509 *chain[CHAIN_CERTS_MAX];
    int count = sent == NULL ? 0 : sk_X509_num(sent);

    if (count == 0)
        return 0;
    if (count > CHAIN_CERTS_MAX) {
        conn_refuse(c, REASON_MAX_CHAIN_DEPTH, "more certificates than the limit");
        return GW_E_LIMIT;
    }
    for (int i = 0; i < count; i++)
        chain[i] = sk_X509_value(sent, i);
    conn_keep_facts(c, chain[0]);
    if (identity_chain_pem(chain, count, PASSTHROUGH_HEADER_MAX, &c->arena, &f->chain_pem) != 0) {
        conn_refuse(c, REASON_MAX_SIZE, "the chain does not fit its header");
        return GW_E_LIMIT;
    }
    return 0;
}

static int
conn_render(struct conn *c, const struct site_listener *l)
{
    struct forward_identity f = {
        .mode = c->mode,
        .identity = c->chain_count > 0 ? c->identity : NULL,
        .tls_version = str_from(tls_version(c->tls)),
        .tls_cipher = str_from(tls_cipher(c->tls)),
    };
    char ip[ADDR_TEXT_MAX];

    if (c->mode == MUTUAL_PASSTHROUGH && conn_passthrough(c, &f) != 0)
        return GW_E_LIMIT;
    addr_format_ip(&c->client, ip);
    c->forward.client_ip = arena_str(&c->arena, str_from(ip));
    c->forward.client_port = conn_number(c, addr_port(&c->client));
    c->forward.listener_port = conn_number(c, c->listener_port);
    c->forward.proto = STR("https");
    if (forward_identity_render(&l->forward, &f, &c->arena, &c->forward.identity_block,
                                &c->forward.identity_lines) != 0 ||
        c->arena.overflow) {
        conn_refuse(c, REASON_MAX_SIZE, "the identity does not fit its headers");
        return GW_E_LIMIT;
    }
    return 0;
}

int
conn_establish(struct conn *c)
{
    const struct site_listener *l = conn_listener(c);
    const struct site_policy *p = conn_policy(c);

    if (memcmp(p->digest, c->policy_digest, sizeof(p->digest)) != 0) {
        conn_refuse(c, REASON_REJECTED, "the listener's policy changed during the handshake");
        return GW_E_DENIED;
    }
    if (p->mode == MUTUAL_VERIFY && c->chain_count == 0) {
        conn_refuse(c, REASON_MISSING, "no client certificate");
        return GW_E_DENIED;
    }
    if (c->judged_generation != c->w->snap->generation && c->chain_count > 0) {
        struct verdict v; /* a reload came between the certificate and here */
        bool is_good = conn_judge_again(c, &v);

        if (!is_good)
            conn_refuse(c, v.reason, v.detail);
        verdict_done(&v);
        if (!is_good)
            return GW_E_DENIED;
    }
    c->judged_generation = c->w->snap->generation;
    return conn_render(c, l);
}

/* ---- later --------------------------------------------------------------------------------- */

bool
conn_judge_again(struct conn *c, struct verdict *ret)
{
    const struct site_policy *p = conn_policy(c);
    int64_t now_s = clock_wall_s(loop_now(c->w->loop));
    const struct trust *trust;

    memset(ret, 0, sizeof(*ret));
    ret->is_admitted = true;
    ret->valid_until_s = INT64_MAX;
    if (p->mode != c->mode) {
        conn_drain(c); /* a new connection will meet the new policy */
        return true;
    }
    if (c->chain_count == 0)
        return true;
    trust = c->w->snap->trusts[p->trust_index];
    if (memcmp(trust_anchors_digest(trust), c->anchors_digest, sizeof(c->anchors_digest)) == 0) {
        verify_again(trust, c->chain, c->chain_count, &p->verify, now_s, ret);
        return ret->is_admitted;
    }
    verify_chain(trust, c->chain[0], tls_peer_chain(c->tls), &p->verify, now_s, NULL, ret);
    if (ret->is_admitted)
        conn_keep_chain(c, ret, trust);
    return ret->is_admitted;
}
