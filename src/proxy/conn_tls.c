/* SPDX-License-Identifier: Apache-2.0
 *
 * Where TLS meets policy: choosing the policy by SNI, judging the client's certificate
 * inside the handshake and again later, and rendering what requests will carry. Called by
 * libssl through tls_io, by conn and by the sweep. Never lets an unjudged identity through.
 */
#include <string.h>

#include "base/limits.h"
#include "proxy/conn.h"

/* No name, or one that cannot be read, must not be a way around a strict policy. */
static const struct site_policy *
conn_policy(const struct conn *c)
{
    const struct site_listener *l = conn_listener(c);

    if (c->sni.len == 0)
        return &l->policies[l->strictest];
    return site_policy_find(l, c->sni);
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

static void
conn_keep_facts(struct conn *c, X509 *leaf)
{
    struct identity *facts = arena_new(&c->arena, struct identity);

    if (facts == NULL)
        return;
    identity_facts(leaf, &c->arena, facts);
    c->identity = facts;
}

void
conn_note_leaf(struct conn *c)
{
    X509 *leaf = c->tls != NULL ? tls_peer_leaf(c->tls) : NULL;

    if (c->identity == NULL && leaf != NULL)
        conn_keep_facts(c, leaf);
}

/* The connection's client changes; takes the reference. */
static void
conn_set_client(struct conn *c, struct client *cl, int64_t valid_until_s)
{
    client_unref(c->cl);
    c->cl = cl;
    c->identity = cl->identity;
    c->valid_until_s = valid_until_s;
}

/* What a certificate is judged by. */
struct judgement {
    const struct site_policy *policy;
    const struct trust *trust;
    X509 *leaf;
    STACK_OF(X509) * sent;
    int64_t now_s;
};

static struct judgement
conn_judgement(const struct conn *c, const struct site_policy *p)
{
    return (struct judgement){
        .policy = p,
        .trust = c->w->snap->trusts[p->trust_index],
        .now_s = clock_wall_s(loop_now(c->w->loop)),
    };
}

/* A chain seen before under this snapshot: its signatures hold, so only what can have changed
 * since is looked at. NULL when it must be judged in full. */
static struct client *
client_recall(struct conn *c, const struct judgement *j, const uint8_t *key, struct verdict *v)
{
    struct client *cl = client_cache_find(&c->w->clients, key);

    if (cl != NULL)
        verify_again(j->trust, cl->chain, cl->chain_count, &j->policy->verify, j->now_s, v);
    return cl;
}

/* A verified identity must be stateable exactly, or the certificate is refused. */
static struct client *
client_judge(const struct judgement *j, struct verdict *v)
{
    struct client *cl = NULL;
    enum reason reason;

    verify_chain(j->trust, j->leaf, j->sent, &j->policy->verify, j->now_s, NULL, v);
    if (!v->is_admitted)
        return NULL;
    if (client_new(v, j->trust, &cl, &reason) != 0) {
        v->is_admitted = false;
        v->reason = reason;
        snprintf(v->detail, sizeof(v->detail), "its names cannot be stated within the limits");
    }
    return cl;
}

/* The operator's own word comes after the authority's, and before the cache could speak. */
static void
judge_deny(const struct conn *c, const struct identity *id, int64_t now_s, struct verdict *v)
{
    const struct deny_entry *e = deny_list_match(c->w->deny, id, now_s);

    if (e == NULL)
        return;
    v->is_admitted = false;
    v->reason = REASON_CERT_DENIED;
    snprintf(v->detail, sizeof(v->detail), "on the deny list as %.200s%s%.200s", e->what.ptr,
             e->why.len > 0 ? ": " : "", e->why.len > 0 ? e->why.ptr : "");
}

static void
judge_missing(struct verdict *v)
{
    *v = (struct verdict){.reason = REASON_MISSING, .detail = "no client certificate"};
}

/* For certificates that nobody judges, in passthrough and under report_only. Without entries it
 * costs nothing; with some, it leaves nothing behind in the connection. */
static void
judge_deny_leaf(const struct conn *c, X509 *leaf, struct verdict *v)
{
    struct identity names;
    struct arena arena;

    if (leaf == NULL || deny_list_count(c->w->deny) == 0)
        return;
    arena_init(&arena, CLIENT_ARENA_BLOCK, CONN_ARENA_MAX);
    identity_names(leaf, &arena, &names);
    judge_deny(c, &names, clock_wall_s(loop_now(c->w->loop)), v);
    arena_done(&arena);
}

/* Always fills *v. Admitted: the connection has its client. */
static void
conn_judge(struct conn *c, const struct judgement *j, struct verdict *v)
{
    struct client_key_input in = {j->leaf, j->sent, j->policy->digest, c->listener_index};
    uint8_t key[CLIENT_KEY_BYTES];
    struct client *cl = NULL;
    bool has_key = client_key_make(&in, key) == 0;

    if (has_key)
        cl = client_recall(c, j, key, v);
    c->is_cached = cl != NULL;
    if (cl == NULL) {
        cl = client_judge(j, v);
        if (cl != NULL && has_key)
            client_cache_put(&c->w->clients, cl, key);
    }
    gw_assert(cl != NULL || !v->is_admitted);
    if (v->is_admitted)
        judge_deny(c, cl->identity, j->now_s, v);
    if (v->is_admitted)
        conn_set_client(c, cl, v->valid_until_s);
    else
        client_unref(cl);
}

/* report_only lets the request pass, without an identity, and says what would have been. The deny
 * list is no rehearsal: whom it names is refused all the same. */
static enum reason
conn_refuse_or_report(struct conn *c, const struct site_policy *p, const struct verdict *v)
{
    if (!p->report_only || v->reason == REASON_CERT_DENIED) {
        conn_refuse(c, v->reason, v->detail);
        return v->reason;
    }
    c->would_refuse = v->reason;
    snprintf(c->refusal_detail, sizeof(c->refusal_detail), "%s", v->detail);
    metrics_would_refuse(&c->w->metrics, v->reason);
    return REASON_NONE;
}

static enum reason
conn_refuse_denied(struct conn *c, X509 *leaf)
{
    struct verdict v = {.is_admitted = true};

    judge_deny_leaf(c, leaf, &v);
    c->judged_epoch = c->w->judge_epoch;
    if (v.is_admitted)
        return REASON_NONE;
    conn_keep_facts(c, leaf);
    conn_refuse(c, v.reason, v.detail);
    return v.reason;
}

/* Every use of an exception is counted and, at the end of the handshake, logged. */
static void
conn_note_exception(struct conn *c, const struct verdict *v)
{
    char text[EXCEPTION_TEXT_MAX];

    c->exception = (struct str){0};
    if (v->exception == NULL)
        return;
    exception_describe(v->exception, text);
    c->exception = arena_str(&c->arena, str_from(text));
    metrics_add(&c->w->metrics, METRIC_EXCEPTIONS_USED, 1);
}

static enum reason
on_client_cert(void *arg, X509 *leaf, STACK_OF(X509) * chain)
{
    struct conn *c = arg;
    struct judgement j = {
        .policy = conn_policy(c),
        .leaf = leaf,
        .sent = chain,
        .now_s = clock_wall_s(loop_now(c->w->loop)),
    };
    struct verdict v;
    enum reason reason;

    c->cl_is_offered = false;
    if (j.policy->mode == MUTUAL_OFF)
        return REASON_NONE;
    if (j.policy->mode == MUTUAL_PASSTHROUGH)
        return conn_refuse_denied(c, leaf);
    j.trust = c->w->snap->trusts[j.policy->trust_index];
    conn_judge(c, &j, &v);
    reason = v.is_admitted ? REASON_NONE : v.reason;
    c->judged_epoch = c->w->judge_epoch;
    if (v.is_admitted) {
        conn_note_exception(c, &v);
    } else {
        conn_keep_facts(c, leaf);
        if (j.policy->report_only)
            judge_deny_leaf(c, leaf, &v);
        reason = conn_refuse_or_report(c, j.policy, &v);
    }
    verdict_done(&v);
    return reason;
}

static const uint8_t *
on_ticket(void *arg)
{
    struct conn *c = arg;

    return c->would_refuse == REASON_NONE ? c->policy_digest : NULL;
}

/* A session is resumed only for the same policy, within the cap, and when its client would be
 * admitted today. Everything else is a full handshake, where a refusal gets its reason. */
static bool
on_resume(void *arg, const struct tls_ticket_facts *facts, X509 *leaf, STACK_OF(X509) * chain)
{
    struct conn *c = arg;
    struct judgement j = {
        .policy = conn_policy(c),
        .leaf = leaf,
        .sent = chain,
        .now_s = clock_wall_s(loop_now(c->w->loop)),
    };
    struct verdict v;
    bool is_good;

    if (memcmp(facts->policy_digest, c->policy_digest, TLS_POLICY_DIGEST_BYTES) != 0 ||
        j.now_s - facts->original_s > RESUMPTION_MAX_S || j.now_s < facts->original_s)
        return false;
    if (j.policy->mode == MUTUAL_OFF)
        return true;
    if (j.policy->mode == MUTUAL_PASSTHROUGH) {
        v.is_admitted = true;
        judge_deny_leaf(c, leaf, &v);
        c->judged_epoch = c->w->judge_epoch;
        return v.is_admitted;
    }
    if (leaf == NULL)
        return j.policy->mode == MUTUAL_OPTIONAL;
    j.trust = c->w->snap->trusts[j.policy->trust_index];
    conn_judge(c, &j, &v);
    is_good = v.is_admitted;
    c->cl_is_offered = is_good;
    if (is_good) {
        c->judged_epoch = c->w->judge_epoch;
        conn_note_exception(c, &v);
    }
    verdict_done(&v);
    return is_good;
}

static X509 *
on_shared_cert(void *arg, X509 *cert)
{
    const struct conn *c = arg;

    return c->cl != NULL ? client_path_cert(c->cl, cert) : NULL;
}

const struct tls_hooks conn_tls_hooks = {
    .on_client_hello = on_client_hello,
    .on_client_cert = on_client_cert,
    .on_shared_cert = on_shared_cert,
    .on_ticket = on_ticket,
    .on_resume = on_resume,
};

/* ---- after the handshake ------------------------------------------------------------------ */

/* Passthrough: what the client presented, unjudged, as one header. */
static int
conn_passthrough(struct conn *c, struct forward_identity *f)
{
    STACK_OF(X509) *sent = tls_peer_chain(c->tls);
    X509 *chain[CHAIN_CERTS_MAX];
    int count = sent == NULL ? 0 : sk_X509_num(sent);

    if (count <= 0)
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

/* For the headers that carry the verified path. */
static void
conn_give_chain(const struct conn *c, struct forward_identity *f)
{
    f->chain = c->cl != NULL ? c->cl->chain : NULL;
    f->chain_count = c->cl != NULL ? c->cl->chain_count : 0;
}

/* Lines that depend on the client alone are rendered once and shared by its connections. */
static int
conn_render_identity(struct conn *c, const struct site_listener *l, struct forward_identity *f)
{
    struct client *cl = c->cl;
    bool is_shared = cl != NULL && !l->forward.sends_tls_headers;
    int r;

    conn_give_chain(c, f);
    if (is_shared && cl->has_block) {
        c->forward.identity_block = cl->block;
        c->forward.identity_lines = cl->block_lines;
        return 0;
    }
    r = forward_identity_render(&l->forward, f, is_shared ? &cl->arena : &c->arena,
                                &c->forward.identity_block, &c->forward.identity_lines);
    if (r == 0 && is_shared) {
        cl->block = c->forward.identity_block;
        cl->block_lines = c->forward.identity_lines;
        cl->has_block = true;
    }
    return r;
}

static struct forward_identity
conn_forward_identity(const struct conn *c)
{
    return (struct forward_identity){
        .mode = c->mode,
        .identity = c->cl != NULL ? c->identity : NULL,
        .tls_version = str_from(tls_version(c->tls)),
        .tls_cipher = str_from(tls_cipher(c->tls)),
    };
}

static int
conn_render(struct conn *c, const struct site_listener *l)
{
    struct forward_identity f = conn_forward_identity(c);
    char ip[ADDR_TEXT_MAX];

    if (c->mode == MUTUAL_PASSTHROUGH && conn_passthrough(c, &f) != 0)
        return GW_E_LIMIT;
    addr_format_ip(&c->client, ip);
    c->forward.client_ip = arena_str(&c->arena, str_from(ip));
    c->forward.client_port = arena_u64(&c->arena, addr_port(&c->client));
    c->forward.listener_port = arena_u64(&c->arena, c->listener_port);
    c->forward.proto = STR("https");
    c->forward_hash = l->forward.identity_hash;
    if (conn_render_identity(c, l, &f) != 0 || c->arena.overflow) {
        conn_refuse(c, REASON_MAX_SIZE, "the identity cannot be stated in its headers");
        return GW_E_LIMIT;
    }
    return 0;
}

/* libssl did not use the session after all: whoever offered it has proved nothing. */
static void
conn_forget_offered(struct conn *c)
{
    if (!c->cl_is_offered || tls_is_resumed(c->tls))
        return;
    client_unref(c->cl);
    c->cl = NULL;
    c->identity = NULL;
    c->exception = (struct str){0};
}

int
conn_establish(struct conn *c)
{
    const struct site_listener *l = conn_listener(c);
    const struct site_policy *p = conn_policy(c);

    conn_forget_offered(c);
    if (memcmp(p->digest, c->policy_digest, sizeof(p->digest)) != 0) {
        conn_refuse(c, REASON_REJECTED, "the listener's policy changed during the handshake");
        return GW_E_DENIED;
    }
    if (p->mode == MUTUAL_VERIFY && c->cl == NULL && c->would_refuse == REASON_NONE) {
        struct verdict v;

        judge_missing(&v);
        if (conn_refuse_or_report(c, p, &v) != REASON_NONE)
            return GW_E_DENIED;
    }
    if (c->judged_epoch != c->w->judge_epoch && (c->cl != NULL || tls_peer_leaf(c->tls) != NULL)) {
        struct verdict v; /* a reload came between the certificate and here */
        bool is_good = conn_judge_again(c, &v);

        if (!is_good)
            conn_refuse(c, v.reason, v.detail);
        verdict_done(&v);
        if (!is_good)
            return GW_E_DENIED;
    }
    c->judged_epoch = c->w->judge_epoch;
    return conn_render(c, l);
}

/* ---- later --------------------------------------------------------------------------------- */

/* The authorities changed: judged in full, once for all connections of a client. */
static bool
conn_judge_anew(struct conn *c, const struct judgement *j, struct verdict *v)
{
    struct client *old = client_ref(c->cl); /* the leaf and the rendered lines are still its */
    struct forward_identity f;

    conn_judge(c, j, v);
    f = conn_forward_identity(c);
    if (v->is_admitted && conn_render_identity(c, conn_listener(c), &f) != 0) {
        v->is_admitted = false;
        v->reason = REASON_MAX_SIZE;
    }
    client_unref(old);
    return v->is_admitted;
}

/* Headers were renamed: what this connection sends must be under the names that are now
 * reserved. */
static bool
conn_render_again(struct conn *c, struct verdict *v)
{
    const struct site_listener *l = conn_listener(c);
    struct forward_identity f;

    if (c->forward_hash == l->forward.identity_hash)
        return true;
    c->forward_hash = l->forward.identity_hash;
    f = conn_forward_identity(c);
    conn_give_chain(c, &f);
    if ((c->mode != MUTUAL_PASSTHROUGH || conn_passthrough(c, &f) == 0) &&
        forward_identity_render(&l->forward, &f, &c->arena, &c->forward.identity_block,
                                &c->forward.identity_lines) == 0)
        return true;
    v->is_admitted = false;
    v->reason = REASON_MAX_SIZE;
    return false;
}

/* How many certificates of the client's path reach an authority that is still there; 0: none. */
static int
client_path_end(const struct client *cl, const struct trust *trust)
{
    for (int i = 1; i < cl->chain_count; i++)
        if (trust_contains(trust, cl->chain[i]))
            return i + 1;
    return 0;
}

/* A path whose authority stays needs no signature checked again, whatever else the bundle has
 * gained or lost. Where it fails, another path may have come. */
static void
conn_judge_client(struct conn *c, const struct site_policy *p, struct verdict *v)
{
    struct judgement j = conn_judgement(c, p);
    const struct client *cl = c->cl;
    bool is_same =
        memcmp(trust_anchors_digest(j.trust), cl->anchors_digest, sizeof(cl->anchors_digest)) == 0;
    int count = is_same ? cl->chain_count : client_path_end(cl, j.trust);

    v->is_admitted = false;
    if (count > 0)
        verify_again(j.trust, cl->chain, count, &p->verify, j.now_s, v);
    if (v->is_admitted && count == cl->chain_count)
        memcpy(c->cl->anchors_digest, trust_anchors_digest(j.trust), sizeof(cl->anchors_digest));
    if (!is_same && !v->is_admitted) {
        j.leaf = cl->chain[0];
        j.sent = tls_peer_chain(c->tls);
        (void)conn_judge_anew(c, &j, v);
    }
    if (v->is_admitted || p->report_only)
        judge_deny(c, c->identity, j.now_s, v);
}

/* One that report_only let in has to go when that ends, and one without a certificate when the
 * listener begins to demand it. */
static void
conn_judge_unverified(struct conn *c, const struct site_policy *p, struct verdict *v)
{
    judge_deny_leaf(c, tls_peer_leaf(c->tls), v);
    if (!v->is_admitted)
        return;
    if (c->would_refuse == REASON_NONE && p->mode == MUTUAL_VERIFY) {
        judge_missing(v);
    } else if (c->would_refuse != REASON_NONE && !p->report_only) {
        v->is_admitted = false;
        v->reason = c->would_refuse;
        snprintf(v->detail, sizeof(v->detail), "report_only has ended: %.400s", c->refusal_detail);
    }
}

/* Nobody has looked at its certificate yet, or nobody will any more. Who would not get in now has
 * to go; everybody else makes a new connection for the next request. */
static void
conn_judge_mode(struct conn *c, const struct site_policy *p, struct verdict *v)
{
    X509 *leaf = tls_peer_leaf(c->tls);
    struct judgement j;

    if (p->mode == MUTUAL_VERIFY || p->mode == MUTUAL_OPTIONAL) {
        j = conn_judgement(c, p);
        if (leaf != NULL)
            verify_chain(j.trust, leaf, tls_peer_chain(c->tls), &p->verify, j.now_s, NULL, v);
        else if (p->mode == MUTUAL_VERIFY)
            judge_missing(v);
    }
    if (p->mode != MUTUAL_OFF && (v->is_admitted || p->report_only))
        judge_deny_leaf(c, leaf, v);
    if (v->is_admitted || p->report_only)
        conn_drain(c);
}

/* Both look at certificates, and say the same about a good one. */
static bool
mode_is_kin(enum mutual_mode a, enum mutual_mode b)
{
    return a == b || ((a == MUTUAL_VERIFY || a == MUTUAL_OPTIONAL) &&
                      (b == MUTUAL_VERIFY || b == MUTUAL_OPTIONAL));
}

/* report_only lets it stay, but nobody may be told a name that is no longer good. */
static bool
conn_forget_identity(struct conn *c, struct verdict *v)
{
    const struct site_listener *l = conn_listener(c);
    struct client *old = c->cl;
    struct forward_identity f;

    if (old == NULL)
        return true;
    c->cl = NULL;
    c->identity = NULL;
    conn_keep_facts(c, old->chain[0]);
    client_unref(old);
    f = conn_forward_identity(c);
    if (forward_identity_render(&l->forward, &f, &c->arena, &c->forward.identity_block,
                                &c->forward.identity_lines) == 0)
        return true;
    v->reason = REASON_MAX_SIZE;
    return false;
}

bool
conn_judge_again(struct conn *c, struct verdict *ret)
{
    const struct site_policy *p = conn_policy(c);

    *ret = (struct verdict){.is_admitted = true, .valid_until_s = INT64_MAX};
    if (!mode_is_kin(p->mode, c->mode)) {
        conn_judge_mode(c, p, ret);
        return ret->is_admitted || conn_refuse_or_report(c, p, ret) == REASON_NONE;
    }
    c->mode = p->mode;
    if (c->cl != NULL)
        conn_judge_client(c, p, ret);
    else
        conn_judge_unverified(c, p, ret);
    if (!ret->is_admitted && conn_refuse_or_report(c, p, ret) != REASON_NONE)
        return false;
    if (!ret->is_admitted && !conn_forget_identity(c, ret))
        return false;
    if (!conn_render_again(c, ret))
        return false;
    /* It has met the demands of today: requests are judged by those (421). */
    memcpy(c->policy_digest, p->digest, sizeof(c->policy_digest));
    return true;
}
