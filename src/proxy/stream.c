/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of one request as one visible state machine (stream.h has the picture): decide,
 * borrow an upstream connection, relay, finish. Called by codecs and by uconn. Owns the
 * request's arena. Moves bytes between buffers; does no I/O and never closes the client's
 * connection itself.
 */
#include "proxy/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "proxy/sweep.h"
#include "proxy/upstream.h"

static const char *const end_texts[] = {
#define X(name, text) text,
    STREAM_ENDS
#undef X
};

const char *
stream_end_text(enum stream_end end)
{
    return end_texts[end];
}

/* ---- birth and end ------------------------------------------------------------------------ */

static struct stream *
stream_take(struct worker *w)
{
    struct list *node = list_pop_head(&w->free_streams);
    struct stream *s;

    if (node != NULL) {
        w->free_stream_count--;
        return container_of(node, struct stream, link);
    }
    if (w->stream_count >= WORKER_STREAMS_MAX)
        return NULL;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    w->stream_count++;
    arena_init(&s->arena, STREAM_ARENA_BLOCK, STREAM_ARENA_MAX);
    return s;
}

static void
stream_give(struct worker *w, struct stream *s)
{
    if (w->free_stream_count >= POOL_KEPT_STREAMS) {
        arena_done(&s->arena);
        free(s);
        w->stream_count--;
        return;
    }
    arena_reset(&s->arena);
    list_push_head(&w->free_streams, &s->link);
    w->free_stream_count++;
}

void
streams_reap(struct worker *w)
{
    list_for_each_safe (node, &w->free_streams) {
        struct stream *s = container_of(node, struct stream, link);

        arena_done(&s->arena);
        free(s);
    }
}

struct stream *
stream_new(struct conn *c)
{
    struct worker *w = c->w;
    struct stream *s = stream_take(w);
    struct arena arena;

    if (s == NULL)
        return NULL;
    arena = s->arena;
    memset(s, 0, sizeof(*s));
    s->arena = arena;
    s->magic = MAGIC_STREAM;
    s->conn = c;
    s->site = worker_site_take(w);
    s->created_us = loop_now(w->loop)->mono_us;
    s->created_wall_us = loop_now(w->loop)->wall_us;
    s->progress_ms = worker_now_ms(w);
    s->h2_rate_ms = s->progress_ms;
    list_push_tail(&c->streams, &s->link);
    c->stream_count++;
    c->request_count++;
    metrics_add(&w->metrics, METRIC_REQUESTS, 1);
    metrics_add(&w->metrics, METRIC_REQUESTS_ACTIVE, 1);
    return s;
}

/* Lets go of the upstream connection: back to the pool if it is whole and clean. */
static void
stream_let_go(struct stream *s, bool is_clean)
{
    struct uconn *u = s->uconn;

    if (u == NULL)
        return;
    s->uconn = NULL;
    u->stream = NULL;
    if (is_clean)
        uconn_release(u);
    else
        uconn_close(u);
}

void
stream_finish(struct stream *s, enum stream_end end)
{
    struct conn *c = s->conn;
    struct worker *w = c->w;

    magic_check(s, MAGIC_STREAM);
    s->end = s->end == STREAM_END_OK ? end : s->end;
    s->state = STREAM_DONE;
    stream_let_go(s, false);
    stream_log_line(s);
    upstream_drop(s->upstream);
    s->upstream = NULL;
    metrics_response(&w->metrics, s->status);
    metrics_sub(&w->metrics, METRIC_REQUESTS_ACTIVE, 1);
    if (c->codec != NULL)
        c->codec->detach(s);
    worker_buf_drop(w, &s->h2_body_in);
    worker_buf_drop(w, &s->h2_body_out);
    worker_site_drop(w, s->site);
    list_remove(&s->link);
    c->stream_count--;
    c->activity_ms = worker_now_ms(w);
    s->magic = MAGIC_DEAD;
    stream_give(w, s);
    conn_kick(c);
}

void
stream_flush(struct stream *s)
{
    s->resp_done = true;
    s->state = STREAM_FLUSH;
    stream_let_go(s, s->has_resp && s->body_end_sent);
    s->conn->codec->send_end(s);
}

void
stream_cancel(struct stream *s, enum stream_end end)
{
    if (!s->head_sent && end == STREAM_END_CLIENT_CLOSED)
        s->status = 460;
    stream_finish(s, end);
}

/* ---- responses of our own ------------------------------------------------------------------- */

struct stream_reply {
    int status;
    struct str content_type;
    struct str body; /* ptr NULL: ALB's page for the status */
    const char *actions;
};

/* Without memory or room even for that, the client sees an aborted response. */
static void
stream_reply_failed(struct stream *s)
{
    if (s->conn->codec != NULL)
        s->conn->codec->abort(s);
    stream_finish(s, STREAM_END_ABORTED);
}

static void
stream_reply(struct stream *s, const struct stream_reply *reply)
{
    struct conn *c = s->conn;
    struct forward_own own = {
        .settings = &s->listener->forward,
        .status = reply->status,
        .content_type = reply->content_type,
        .body = reply->body,
        .wall_s = clock_wall_s(loop_now(c->w->loop)),
    };

    stream_let_go(s, false);
    if (reply->actions != NULL)
        s->actions = reply->actions; /* what failed after a "forward" was one all the same */
    s->status = reply->status;
    s->state = STREAM_REPLY;
    if (!s->body_done)
        s->closes_after = true;
    if (forward_own_response(&own, &s->arena, &s->resp, &s->reply_body) != 0 ||
        c->codec->send_head(s, &s->resp) != 0) {
        stream_reply_failed(s);
        return;
    }
    s->head_sent = true;
    s->head_us = loop_now(c->w->loop)->mono_us;
    if (s->req.method == METHOD_HEAD)
        s->reply_body.len = 0;
    stream_step(s);
}

static void
stream_step_reply(struct stream *s)
{
    struct conn *c = s->conn;
    struct str piece = s->reply_body;

    piece.len = size_min(piece.len, c->codec->body_room(s));
    if (piece.len > 0) {
        c->codec->send_body(s, piece);
        s->resp_bytes += piece.len;
        s->reply_body = str_sub(s->reply_body, piece.len, SIZE_MAX);
    }
    if (s->reply_body.len > 0)
        return;
    stream_flush(s);
}

/* The listener may be gone from the current site; streams then answer under the one they pinned. */
static bool
stream_bind(struct stream *s)
{
    const struct site *site = s->site->site;

    s->listener = site_listener_find(site, s->conn->listener_name);
    return s->listener != NULL;
}

void
stream_refuse(struct stream *s, int status, enum stream_end end)
{
    struct stream_reply reply = {.status = status, .actions = NULL};

    if (s->listener == NULL && !stream_bind(s)) {
        stream_reply_failed(s);
        return;
    }
    s->end = end;
    if (end == STREAM_END_MALFORMED) {
        s->closes_after = true;
        metrics_add(&s->conn->w->metrics, METRIC_REQUESTS_MALFORMED, 1);
    }
    stream_reply(s, &reply);
}

void
stream_refuse_fault(struct stream *s, enum h1_fault fault)
{
    s->fault = fault;
    stream_refuse(s, h1_fault_status(fault), STREAM_END_MALFORMED);
}

/* ---- deciding -------------------------------------------------------------------------------- */

static bool
method_is_idempotent(enum http_method m)
{
    return m == METHOD_GET || m == METHOD_HEAD || m == METHOD_PUT || m == METHOD_DELETE ||
           m == METHOD_OPTIONS;
}

/* Weighted choice; the usual single group costs nothing. */
static const struct site_upstream *
stream_choose(struct stream *s, const struct rule_action *action)
{
    const struct site *site = s->site->site;
    uint64_t total = 0;
    uint64_t pick;
    uint8_t random[8];

    if (action->forward_count == 1)
        return &site->upstreams[action->forward[0].upstream];
    for (size_t i = 0; i < action->forward_count; i++)
        total += action->forward[i].weight;
    if (total == 0)
        return NULL;
    worker_random(s->conn->w, random, sizeof(random));
    memcpy(&pick, random, sizeof(pick));
    pick %= total;
    for (size_t i = 0; i < action->forward_count; i++) {
        if (pick < action->forward[i].weight)
            return &site->upstreams[action->forward[i].upstream];
        pick -= action->forward[i].weight;
    }
    return NULL;
}

/* No byte of a body, and no last chunk either, has to follow the head. */
static bool
stream_has_no_body(const struct stream *s)
{
    return s->req.framing == FRAMING_NONE ||
           (s->req.framing == FRAMING_LENGTH && s->req.content_length == 0);
}

/* Borrows a connection and gives it the request's head. What an earlier attempt was given is gone
 * with it, the end of an empty body included. */
static void
stream_dispatch(struct stream *s, bool wants_new)
{
    int r = upstream_acquire(s->upstream, s, wants_new, &s->uconn);

    s->attempts++;
    s->body_end_sent = stream_has_no_body(s);
    if (r != 0) {
        s->uconn = NULL;
        stream_refuse(s, r == GW_E_SYS ? 502 : 503,
                      r == GW_E_SYS ? STREAM_END_CONNECT_FAILED : STREAM_END_NO_TARGET);
        return;
    }
    s->target_text = arena_str(&s->arena, str_make(s->uconn->addr_text, s->uconn->addr_text_len));
    r = relay_request_head(s);
    if (r != 0) {
        stream_refuse(s, r == GW_E_LIMIT ? 463 : 431, STREAM_END_REFUSED);
        return;
    }
    s->dispatched_us = 0; /* until the connection is there: relay_step */
    s->state = STREAM_RELAY;
    uconn_kick(s->uconn);
    if (s->req.expect_continue && s->req.framing != FRAMING_NONE &&
        s->conn->codec->send_continue != NULL && s->attempts == 1)
        s->conn->codec->send_continue(s);
}

static void
stream_forward(struct stream *s)
{
    const struct site_upstream *conf = stream_choose(s, &s->rule->action);

    s->actions = "forward";
    s->upstream = conf == NULL ? NULL : upstream_hold(s->conn->w, conf);
    if (s->upstream == NULL) {
        stream_refuse(s, 503, STREAM_END_NO_TARGET);
        return;
    }
    s->body_framing = s->req.framing;
    s->body_done = s->body_done || s->req.framing == FRAMING_NONE;
    s->body_end_sent = s->req.framing == FRAMING_NONE ||
                       (s->req.framing == FRAMING_LENGTH && s->req.content_length == 0);
    s->is_replayable = method_is_idempotent(s->req.method);
    stream_dispatch(s, false);
}

static void
stream_act(struct stream *s)
{
    const struct rule_action *a = &s->rule->action;
    struct stream_reply reply = {.actions = "fixed-response"};

    switch (a->kind) {
    case ACTION_FORWARD:
        stream_forward(s);
        return;
    case ACTION_FIXED_RESPONSE:
        reply.status = a->status;
        reply.content_type = a->content_type;
        reply.body = a->body;
        if (reply.body.ptr == NULL)
            reply.body = STR("");
        stream_reply(s, &reply);
        return;
    case ACTION_DENY:
    case ACTION_REDIRECT: /* refused when the configuration was loaded */
        s->end = a->kind == ACTION_DENY ? STREAM_END_DENIED : STREAM_END_REFUSED;
        reply.status = 403;
        reply.actions = NULL;
        stream_reply(s, &reply);
        return;
    }
}

/* A path that upstreams may read in more than one way is only let through when every reading
 * leads to the same rule. */
static bool
stream_route(struct stream *s, const struct rule_input *in)
{
    const struct route_table *table = &s->policy->routes;
    const struct str readings[] = {s->req.path, s->req.loose_path};
    struct http_req req;
    struct rule_input other = *in;

    s->rule = route_match(table, in, NULL);
    if (!s->req.path_is_ambiguous)
        return true;
    req = s->req;
    other.req = &req;
    for (size_t i = 0; i < array_len(readings); i++) {
        req.route_path = readings[i];
        if (route_match(table, &other, NULL) != s->rule)
            return false;
    }
    return true;
}

static void
stream_decide(struct stream *s)
{
    struct conn *c = s->conn;
    struct rule_input in = {
        .req = &s->req,
        .client = &c->client,
        .vpce_id = str_from(c->vpce_id),
    };

    if (conn_is_closing(c) || !sweep_judge(c))
        return; /* the connection ends and takes the stream with it */
    in.identity = c->cl != NULL ? c->identity : NULL; /* after the judgement, which may change it */
    if (!stream_bind(s)) {
        stream_reply_failed(s);
        return;
    }
    s->policy = site_policy_find(s->listener, s->req.host);
    if (memcmp(s->policy->digest, c->policy_digest, sizeof(c->policy_digest)) != 0) {
        stream_refuse(s, 421, STREAM_END_REFUSED);
        return;
    }
    if (s->req.method == METHOD_TRACE || s->req.method == METHOD_CONNECT) {
        stream_refuse(s, 405, STREAM_END_REFUSED);
        return;
    }
    if (!stream_route(s, &in)) {
        stream_refuse(s, 400, STREAM_END_MALFORMED);
        return;
    }
    stream_act(s);
}

void
stream_start(struct stream *s)
{
    s->state = STREAM_DECIDE;
    stream_step(s);
}

void
stream_step(struct stream *s)
{
    magic_check(s, MAGIC_STREAM);
    switch (s->state) {
    case STREAM_HEAD:
    case STREAM_FLUSH:
    case STREAM_DONE:
        break;
    case STREAM_DECIDE:
        stream_decide(s);
        break;
    case STREAM_RELAY:
        relay_step(s);
        break;
    case STREAM_REPLY:
        stream_step_reply(s);
        break;
    }
}

/* ---- the upstream failed -----------------------------------------------------------------------
 */

static bool
stream_may_try_again(const struct stream *s, const struct uconn *u)
{
    if (s->head_sent || s->has_resp || s->interim_count > 0 || s->body_sent > 0)
        return false;
    switch (u->error) {
    case UCONN_ERROR_CONNECT: /* nothing has left: any method, another address */
    case UCONN_ERROR_CONNECT_TIMEOUT:
        return s->attempts < UPSTREAM_ATTEMPTS_MAX &&
               s->attempts < upstream_address_count(s->upstream);
    case UCONN_ERROR_CLOSED: /* a kept connection that died in the pool */
        return u->is_reused && s->is_replayable && buf_len(&u->in) == 0 && s->attempts == 1;
    default:
        return false;
    }
}

struct failure {
    int status;
    enum stream_end end;
};

static struct failure
stream_failure(enum uconn_error error)
{
    switch (error) {
    case UCONN_ERROR_CONNECT:
        return (struct failure){502, STREAM_END_CONNECT_FAILED};
    case UCONN_ERROR_CONNECT_TIMEOUT:
        return (struct failure){504, STREAM_END_CONNECT_TIMEOUT};
    case UCONN_ERROR_TLS:
        return (struct failure){502, STREAM_END_UPSTREAM_TLS};
    case UCONN_ERROR_TIMEOUT:
        return (struct failure){504, STREAM_END_UPSTREAM_TIMEOUT};
    case UCONN_ERROR_NONE:
    case UCONN_ERROR_CLOSED:
        break;
    }
    return (struct failure){502, STREAM_END_UPSTREAM_CLOSED};
}

void
stream_on_uconn_failed(struct stream *s)
{
    struct uconn *u = s->uconn;
    struct failure f = stream_failure(u->error);
    bool tries_again = stream_may_try_again(s, u);

    stream_note_failure(s, u);
    if (s->head_sent) {
        stream_abort(s,
                     f.end == STREAM_END_UPSTREAM_CLOSED ? STREAM_END_UPSTREAM_TRUNCATED : f.end);
        return;
    }
    stream_let_go(s, false);
    if (tries_again) {
        metrics_add(&s->conn->w->metrics, METRIC_UPSTREAM_RETRIES, 1);
        stream_dispatch(s, true);
        return;
    }
    stream_refuse(s, f.status, f.end);
}

void
stream_abort(struct stream *s, enum stream_end end)
{
    stream_let_go(s, false);
    if (s->conn->codec != NULL)
        s->conn->codec->abort(s);
    stream_finish(s, end);
}
