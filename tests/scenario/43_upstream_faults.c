/* SPDX-License-Identifier: Apache-2.0
 *
 * Every way in which an upstream can fail that we could think of, asked for over HTTP/1.1,
 * HTTP/1.0 and HTTP/2. The client must see the gateway's own 502, 503 or 504, or a response that
 * is unmistakably cut: never a hang, never a part taken for the whole, never another's answer.
 */
#include "40_world.h"

#include "40_oracle.h"

#define HEAD "HTTP/1.1 200 OK\r\n"
#define OK_2 HEAD "Content-Length: 2\r\n\r\nok"

enum kind { KIND_H1, KIND_H10, KIND_H2, KIND_COUNT };

static const char *const kind_names[] = {"HTTP/1.1", "HTTP/1.0", "HTTP/2"};

enum expectation {
    GIVES_502,
    GIVES_504,
    GIVES_CUT,        /* head sent, end never */
    GIVES_502_OR_CUT, /* as the bytes happened to arrive */
    GIVES_WHOLE,
};

struct answer {
    int status;
    bool is_whole;  /* the client must believe that it has all of it */
    bool is_own;    /* the gateway's page */
    bool was_reset; /* RST_STREAM */
    bool has_hung;
    char body[64];
};

static bool
is_own_page(struct str body)
{
    return find_bytes(body.ptr, body.len, "<center><h1>50", 14) != NULL;
}

static void
answer_body(struct answer *a, const struct bytes *body)
{
    (void)snprintf(a->body, sizeof(a->body), "%.*s", (int)size_min(body->len, 63), body->ptr);
    a->is_own = is_own_page(bytes_str(body));
}

static void
ask(struct client *c, enum kind kind, const char *method)
{
    struct h2_field fields[] = {H2_FIELD(":method", ""), H2_FIELD(":scheme", "https"),
                                H2_FIELD(":authority", "localhost"), H2_FIELD(":path", "/")};
    char *text;

    if (kind == KIND_H2) {
        fields[0].value = str_from(method);
        h2_headers(c, 1, fields, array_len(fields), true);
        return;
    }
    text = xformat("%s / HTTP/1.%d\r\nHost: localhost\r\n\r\n", method, kind == KIND_H1);
    client_puts(c, text);
    free(text);
}

static struct answer
answer_h2(struct client *c)
{
    struct h2_response r = h2_response(c, 1);
    struct answer a = {
        .status = r.status,
        .is_whole = r.complete && r.rst_code < 0,
        .was_reset = r.rst_code >= 0,
        .has_hung = r.end == CLIENT_TIMEOUT,
    };

    answer_body(&a, &r.body);
    h2_response_free(&r);
    return a;
}

static struct answer
answer_of(struct client *c, enum kind kind, bool is_head)
{
    struct response r;
    struct answer a;
    bool until_close;

    if (kind == KIND_H2)
        return answer_h2(c);
    r = client_response(c, is_head);
    until_close = response_field(&r, "content-length").len == 0 && !r.is_chunked &&
                  r.status != 204 && r.status != 304 && !is_head;
    a = (struct answer){
        .status = r.status,
        .is_whole = r.complete && (!until_close || client_close_notify(c)),
        .has_hung = r.end == CLIENT_TIMEOUT,
    };
    answer_body(&a, &r.body);
    response_free(&r);
    return a;
}

static struct client *
client_for(struct world *w, enum kind kind)
{
    return kind == KIND_H2 ? world_h2(w, WORLD_VERIFY) : world_h1(w, WORLD_VERIFY);
}

static bool
answer_is(const struct answer *a, enum expectation e)
{
    bool is_cut = (a->status != 0 || a->was_reset) && !a->is_own && !a->is_whole;

    if (a->has_hung)
        return false;
    switch (e) {
    case GIVES_502:
        return a->status == 502 && a->is_own && a->is_whole;
    case GIVES_504:
        return a->status == 504 && a->is_own && a->is_whole;
    case GIVES_CUT:
        return is_cut;
    case GIVES_502_OR_CUT:
        return is_cut || (a->status == 502 && a->is_own && a->is_whole);
    case GIVES_WHOLE:
        return a->is_whole && !a->is_own && strstr(a->body, "evil") == NULL;
    }
    return false;
}

static void
answer_check(const char *what, enum kind kind, const struct answer *a, enum expectation e)
{
    if (!answer_is(a, e))
        print_error("%s over %s: status %d%s%s%s, body \"%s\"\n", what, kind_names[kind], a->status,
                    a->is_whole ? ", whole" : "", a->is_own ? ", own page" : "",
                    a->has_hung ? ", hung" : "", a->body);
    assert_true(answer_is(a, e));
}

/* ---- faults that show at once ---- */

struct fault {
    const char *what;
    enum expectation gives;
    struct origin_step steps[6];
    const char *method; /* GET when NULL */
};

#define READ ORIGIN_READ_REQUEST
#define SAYS(what, gives, text)                                    \
    {                                                              \
        what, gives, {READ, ORIGIN_SEND(text), ORIGIN_CLOSE}, NULL \
    }
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"

static const struct fault faults[] = {
    {"close before reading", GIVES_502, {ORIGIN_CLOSE}, NULL},
    {"reset before reading", GIVES_502, {ORIGIN_RESET}, NULL},
    {"close after the request", GIVES_502, {READ, ORIGIN_CLOSE}, NULL},
    {"reset after the request", GIVES_502, {READ, ORIGIN_RESET}, NULL},
    {"half-close after the request", GIVES_502, {READ, ORIGIN_SHUT, ORIGIN_HOLD}, NULL},
    SAYS("status line cut", GIVES_502, "HTTP/1.1 2"),
    SAYS("head cut", GIVES_502, HEAD "Content-Length: 2\r\n"),
    SAYS("head cut in its last CRLF", GIVES_502, HEAD "Content-Length: 0\r\n\r"),
    {"reset in the head", GIVES_502, {READ, ORIGIN_SEND(HEAD "X: "), ORIGIN_RESET}, NULL},
    SAYS("no body of 5", GIVES_CUT, HEAD "Content-Length: 5\r\n\r\n"),
    SAYS("body cut", GIVES_CUT, HEAD "Content-Length: 5\r\n\r\nhell"),
    SAYS("large body cut", GIVES_CUT, HEAD "Content-Length: 9007199254740992\r\n\r\nhell"),
    {"reset in the body",
     GIVES_CUT,
     {READ, ORIGIN_SEND(HEAD "Content-Length: 5\r\n\r\nhell"), ORIGIN_DELAY(30), ORIGIN_RESET},
     NULL},
    {"reset behind the head",
     GIVES_502_OR_CUT,
     {READ, ORIGIN_SEND(HEAD "Content-Length: 5\r\n\r\nhell"), ORIGIN_RESET},
     NULL},
    SAYS("no chunk", GIVES_CUT, CHUNKED),
    SAYS("chunk line cut", GIVES_CUT, CHUNKED "5"),
    SAYS("chunk line without LF", GIVES_CUT, CHUNKED "5\r"),
    SAYS("chunk cut", GIVES_CUT, CHUNKED "5\r\nhel"),
    SAYS("chunk without its CRLF", GIVES_CUT, CHUNKED "5\r\nhello"),
    SAYS("no last chunk", GIVES_CUT, CHUNKED "5\r\nhello\r\n"),
    SAYS("last chunk cut", GIVES_CUT, CHUNKED "5\r\nhello\r\n0\r\n"),
    SAYS("last CRLF cut", GIVES_CUT, CHUNKED "5\r\nhello\r\n0\r\n\r"),
    SAYS("trailer cut", GIVES_CUT, CHUNKED "5\r\nhello\r\n0\r\nX: y\r\n"),
    SAYS("chunk size that is none", GIVES_502_OR_CUT, CHUNKED "five\r\nhello\r\n0\r\n\r\n"),
    SAYS("negative chunk", GIVES_502_OR_CUT, CHUNKED "-5\r\nhello\r\n0\r\n\r\n"),
    SAYS("chunk size overflow", GIVES_502_OR_CUT,
         CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    SAYS("LF behind a chunk size", GIVES_502_OR_CUT, CHUNKED "5\nhello\r\n0\r\n\r\n"),
    SAYS("no CRLF between chunks", GIVES_502_OR_CUT, CHUNKED "5\r\nhello0\r\n\r\n"),
    SAYS("bad trailer", GIVES_502_OR_CUT, CHUNKED "5\r\nhello\r\n0\r\nX Y\r\n\r\n"),
    {"reset of a body that ends with the connection",
     GIVES_CUT,
     {READ, ORIGIN_SEND(HEAD "\r\nhello"), ORIGIN_DELAY(30), ORIGIN_RESET},
     NULL},
    {"one header of 40 KiB",
     GIVES_502,
     {READ, ORIGIN_SEND(HEAD "X: "), ORIGIN_REPEAT("0123456789", 4096), ORIGIN_SEND("\r\n\r\n"),
      ORIGIN_CLOSE},
     NULL},
    {"headers of 40 KiB",
     GIVES_502,
     {READ, ORIGIN_SEND(HEAD), ORIGIN_REPEAT("X-Name: 0123456789012345\r\n", 1600),
      ORIGIN_SEND("\r\n"), ORIGIN_CLOSE},
     NULL},
    {"201 headers",
     GIVES_502,
     {READ, ORIGIN_SEND(HEAD), ORIGIN_REPEAT("X: y\r\n", 201), ORIGIN_SEND("\r\n"), ORIGIN_CLOSE},
     NULL},
    {"headers without end",
     GIVES_502,
     {READ, ORIGIN_SEND(HEAD), ORIGIN_REPEAT("X: y\r\n", 99999)},
     NULL},
    {"1000 interim responses",
     GIVES_502,
     {READ, ORIGIN_REPEAT("HTTP/1.1 100 Continue\r\n\r\n", 1000), ORIGIN_SEND(OK_2), ORIGIN_CLOSE},
     NULL},
    {"nine interim responses",
     GIVES_502,
     {READ, ORIGIN_REPEAT("HTTP/1.1 103 Early Hints\r\n\r\n", 9), ORIGIN_SEND(OK_2), ORIGIN_CLOSE},
     NULL},
    SAYS("interim response alone", GIVES_502, "HTTP/1.1 100 Continue\r\n\r\n"),
    SAYS("interim response with a body", GIVES_502,
         "HTTP/1.1 103 Hints\r\nContent-Length: 4\r\n\r\nevil" OK_2),
    SAYS("101 unasked", GIVES_502, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nevil"),
    SAYS("two-digit status", GIVES_502, "HTTP/1.1 20 OK\r\n\r\n"),
    SAYS("four-digit status", GIVES_502, "HTTP/1.1 2000 OK\r\n\r\n"),
    SAYS("status in letters", GIVES_502, "HTTP/1.1 abc OK\r\n\r\n"),
    SAYS("status below 100", GIVES_502, "HTTP/1.1 099 OK\r\n\r\n"),
    SAYS("two spaces before the status", GIVES_502, "HTTP/1.1  200 OK\r\n\r\n"),
    SAYS("no version", GIVES_502, "200 OK\r\n\r\n"),
    SAYS("HTTP/2", GIVES_502, "HTTP/2 200 OK\r\n\r\n"),
    SAYS("HTTP/0.9", GIVES_502, "<html>evil</html>\r\n\r\n"),
    SAYS("another protocol", GIVES_502, "ICY 200 OK\r\n\r\n"),
    SAYS("empty line first", GIVES_502, "\r\n" OK_2),
    SAYS("control byte in the reason", GIVES_502, "HTTP/1.1 200 O\x01K\r\n\r\n"),
    SAYS("NUL in a value", GIVES_502, HEAD "X: a\0b\r\nContent-Length: 0\r\n\r\n"),
    SAYS("bare LF", GIVES_502, "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    SAYS("bare LF behind a field", GIVES_502, HEAD "X: a\nSet-Cookie: evil\r\n\r\n"),
    SAYS("bare CR", GIVES_502, HEAD "X: a\rSet-Cookie: evil\r\n\r\n"),
    SAYS("folded line", GIVES_502, HEAD "X: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
    SAYS("space before the colon", GIVES_502, HEAD "Content-Length : 0\r\n\r\n"),
    SAYS("no colon", GIVES_502, HEAD "Content-Length\r\n\r\n"),
    SAYS("space in a name", GIVES_502, HEAD "X Y: 0\r\n\r\n"),
    SAYS("length and chunks", GIVES_502,
         HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    SAYS("two lengths", GIVES_502, HEAD "Content-Length: 2\r\nContent-Length: 4\r\n\r\nevil"),
    SAYS("length list", GIVES_502, HEAD "Content-Length: 2, 2\r\n\r\nok"),
    SAYS("signed length", GIVES_502, HEAD "Content-Length: +2\r\n\r\nok"),
    SAYS("negative length", GIVES_502, HEAD "Content-Length: -2\r\n\r\nok"),
    SAYS("huge length", GIVES_502, HEAD "Content-Length: 18446744073709551618\r\n\r\nok"),
    SAYS("two codings", GIVES_502, HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    SAYS("unknown coding", GIVES_502, HEAD "Transfer-Encoding: identity\r\n\r\nok"),
    SAYS("chunks in HTTP/1.0", GIVES_502,
         "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    SAYS("imitated length", GIVES_502, HEAD "Content_Length: 2\r\n\r\nok"),

    /* What is odd but has one meaning only. */
    SAYS("body ends with the connection", GIVES_WHOLE, HEAD "\r\nhello"),
    SAYS("HTTP/1.0", GIVES_WHOLE, "HTTP/1.0 200 OK\r\n\r\nhello"),
    SAYS("204 with a body", GIVES_WHOLE,
         "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil"),
    SAYS("304 with a body", GIVES_WHOLE, "HTTP/1.1 304 Not Modified\r\n\r\nevil"),
    SAYS("two responses", GIVES_WHOLE, OK_2 HEAD "Content-Length: 4\r\n\r\nevil"),
    SAYS("bytes behind the last chunk", GIVES_WHOLE, CHUNKED "2\r\nok\r\n0\r\n\r\nevil"),
    {"HEAD with a body",
     GIVES_WHOLE,
     {READ, ORIGIN_SEND(HEAD "Content-Length: 4\r\n\r\nevil"), ORIGIN_CLOSE},
     "HEAD"},
    {"eight interim responses",
     GIVES_WHOLE,
     {READ, ORIGIN_REPEAT("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 8), ORIGIN_SEND(OK_2),
      ORIGIN_CLOSE},
     NULL},
    {"one byte at a time",
     GIVES_WHOLE,
     {READ, ORIGIN_DRIBBLE(CHUNKED "2\r\nok\r\n0\r\nX: y\r\n\r\n", 1, 0), ORIGIN_CLOSE},
     NULL},
};

static size_t
steps_count(const struct origin_step steps[6])
{
    size_t n = 0;

    while (n < 6 && (n == 0 || steps[n].op != 0 || steps[n].data.ptr != NULL))
        n++;
    return n;
}

/* The same on a connection that has served before: a body or bytes too many must not be read as
 * the next client's answer. */
static void
assert_next_is_clean(struct world *w, const char *what)
{
    static const struct origin_step good[] = {READ, ORIGIN_SEND(OK_2), ORIGIN_CLOSE};
    struct client *c;
    struct answer a;

    world_set_steps(w, STEPS(good));
    c = client_for(w, KIND_H1);
    ask(c, KIND_H1, "GET");
    a = answer_of(c, KIND_H1, false);
    if (a.status != 200 || strcmp(a.body, "ok") != 0)
        print_error("after %s: %d, \"%s\"\n", what, a.status, a.body);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "ok");
    client_close(c);
}

static void
no_fault_passes_for_an_answer(void **state)
{
    struct world *w = *state;
    size_t counts[5] = {0};

    for (size_t i = 0; i < array_len(faults); i++) {
        const struct fault *f = &faults[i];

        for (int kind = 0; kind < KIND_COUNT; kind++) {
            const char *method = f->method != NULL ? f->method : "GET";
            struct client *c;
            struct answer a;

            assert_true(origin_wait_idle(w->origin, 5000));
            world_set_steps(w, f->steps, steps_count(f->steps));
            c = client_for(w, (enum kind)kind);
            ask(c, (enum kind)kind, method);
            a = answer_of(c, (enum kind)kind, strcmp(method, "HEAD") == 0);
            answer_check(f->what, (enum kind)kind, &a, f->gives);
            client_close(c);
        }
        assert_next_is_clean(w, f->what);
        counts[f->gives]++;
    }
    print_message("%zu upstream faults over 3 versions: %zu are 502, %zu are cut, %zu are either; "
                  "%zu oddities pass\n",
                  array_len(faults) - counts[GIVES_WHOLE], counts[GIVES_502], counts[GIVES_CUT],
                  counts[GIVES_502_OR_CUT], counts[GIVES_WHOLE]);
}

/* ---- faults that show by time: all at once ---- */

static const struct fault silences[] = {
    {"no answer", GIVES_504, {READ, ORIGIN_FREEZE}, NULL},
    {"not even read", GIVES_504, {ORIGIN_FREEZE}, NULL},
    {"half a status line", GIVES_504, {READ, ORIGIN_SEND("HTTP/1.1 2"), ORIGIN_FREEZE}, NULL},
    {"half a head", GIVES_504, {READ, ORIGIN_SEND(HEAD "X: y\r\n"), ORIGIN_FREEZE}, NULL},
    {"interim and silence",
     GIVES_504,
     {READ, ORIGIN_SEND("HTTP/1.1 100 Continue\r\n\r\n"), ORIGIN_FREEZE},
     NULL},
    {"head and silence",
     GIVES_CUT,
     {READ, ORIGIN_SEND(HEAD "Content-Length: 5\r\n\r\n"), ORIGIN_FREEZE},
     NULL},
    {"half a body",
     GIVES_CUT,
     {READ, ORIGIN_SEND(HEAD "Content-Length: 5\r\n\r\nhel"), ORIGIN_FREEZE},
     NULL},
    {"half a chunk", GIVES_CUT, {READ, ORIGIN_SEND(CHUNKED "5\r\nhel"), ORIGIN_FREEZE}, NULL},
    {"chunks without end",
     GIVES_CUT,
     {READ, ORIGIN_SEND(CHUNKED "2\r\nok\r\n"), ORIGIN_FREEZE},
     NULL},
    {"body without end", GIVES_CUT, {READ, ORIGIN_SEND(HEAD "\r\nhello"), ORIGIN_FREEZE}, NULL},
};

static void
silence_is_a_fault_too(void **state)
{
    enum { COUNT = (int)array_len(silences) * KIND_COUNT };
    struct world *w = *state;
    struct client *clients[COUNT];
    int64_t began = now_ms();

    for (int i = 0; i < COUNT; i++) {
        const struct fault *f = &silences[i / KIND_COUNT];

        origin_set_conn_steps(w->origin, (size_t)i, f->steps, steps_count(f->steps));
        clients[i] = client_for(w, (enum kind)(i % KIND_COUNT));
        ask(clients[i], (enum kind)(i % KIND_COUNT), "GET");
        assert_true(origin_wait_conns(w->origin, (size_t)i + 1, 3000));
    }
    for (int i = 0; i < COUNT; i++) {
        struct answer a = answer_of(clients[i], (enum kind)(i % KIND_COUNT), false);

        answer_check(silences[i / KIND_COUNT].what, (enum kind)(i % KIND_COUNT), &a,
                     silences[i / KIND_COUNT].gives);
        client_close(clients[i]);
    }
    print_message("%d silences ended after %d ms\n", COUNT, (int)(now_ms() - began));
    assert_true(now_ms() - began < 6000);
}

/* ---- uploads ---- */

static void
an_upload_that_the_origin_gives_up_is_502_or_504(void **state)
{
    static const struct {
        const char *what;
        struct origin_step steps[4];
        int status;
    } cases[] = {
        {"close", {ORIGIN_READ_HEAD, ORIGIN_CLOSE}, 502},
        {"reset", {ORIGIN_READ_HEAD, ORIGIN_RESET}, 502},
        {"reset later", {ORIGIN_READ_HEAD, ORIGIN_READ_BYTES(100000), ORIGIN_RESET}, 502},
        {"not read", {ORIGIN_READ_HEAD, ORIGIN_FREEZE}, 504},
    };
    struct world *w = *state;
    char *block = xcalloc(1, 65536);

    for (size_t i = 0; i < array_len(cases); i++) {
        struct client *c = world_h1(w, WORLD_VERIFY);
        struct answer a;

        world_set_steps(w, cases[i].steps, 4);
        client_puts(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n");
        client_set_timeout(c, 500);
        for (int n = 0; n < 200; n++) {
            if (client_send(c, block, 65536) != CLIENT_OK)
                break;
        }
        client_set_timeout(c, 5000);
        a = answer_of(c, KIND_H1, false);
        answer_check(cases[i].what, KIND_H1, &a, cases[i].status == 502 ? GIVES_502 : GIVES_504);
        client_close(c);
    }
    free(block);
}

/* ---- kept connections that die ---- */

#define DIES_ON_REUSE                                                             \
    {                                                                             \
        READ, ORIGIN_SEND(OK_2), ORIGIN_READ_HEAD, ORIGIN_DELAY(20), ORIGIN_CLOSE \
    }

/* One request on a connection that the origin closes, then another that it dies under. */
static struct answer
ask_on_dying(struct world *w, const char *request)
{
    static const struct origin_step dying[] = DIES_ON_REUSE;
    static const struct origin_step good[] = {READ, ORIGIN_SEND(OK_2), ORIGIN_CLOSE};
    struct client *c;
    struct answer a;
    struct response r;

    assert_true(origin_wait_idle(w->origin, 5000));
    origin_forget(w->origin);
    origin_set_conn_steps(w->origin, 0, STEPS(dying));
    origin_set_conn_steps(w->origin, 1, STEPS(good));
    c = world_h1(w, WORLD_VERIFY);
    r = client_get(c, "localhost", "/first");
    assert_int_equal(r.status, 200);
    response_free(&r);
    client_puts(c, request);
    a = answer_of(c, KIND_H1, strncmp(request, "HEAD", 4) == 0);
    client_close(c);
    return a;
}

#define LINE(method) method " /second HTTP/1.1\r\nHost: localhost\r\n"

static void
a_dead_kept_connection_is_retried_once_when_that_is_safe(void **state)
{
    static const struct {
        const char *request;
        bool is_safe;
    } cases[] = {
        {LINE("GET") "\r\n", true},
        {LINE("HEAD") "\r\n", true},
        {LINE("OPTIONS") "\r\n", true},
        {LINE("DELETE") "\r\n", true},
        {LINE("PUT") "Content-Length: 0\r\n\r\n", true},
        {LINE("PUT") "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true},
        {LINE("POST") "Content-Length: 0\r\n\r\n", false},
        {LINE("POST") "\r\n", false},
        {LINE("PATCH") "\r\n", false},
        {LINE("CUSTOM") "\r\n", false},
        {LINE("PUT") "Content-Length: 4\r\n\r\nbody", false},
        {LINE("GET") "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", false},
    };
    struct world *w = *state;

    for (size_t i = 0; i < array_len(cases); i++) {
        struct answer a;
        struct bytes seen;

        a = ask_on_dying(w, cases[i].request);
        answer_check(cases[i].request, KIND_H1, &a, cases[i].is_safe ? GIVES_WHOLE : GIVES_502);
        assert_int_equal(origin_conn_count(w->origin), cases[i].is_safe ? 2 : 1);
        seen = origin_received_all(w->origin);
        assert_int_equal(count_text(bytes_str(&seen), " /second "), cases[i].is_safe ? 2 : 1);
        bytes_free(&seen);
    }
}

/* The second connection fails as well: that is the end. */
static void
a_retry_is_not_retried(void **state)
{
    static const struct origin_step dying[] = DIES_ON_REUSE;
    static const struct origin_step dead[] = {ORIGIN_READ_HEAD, ORIGIN_CLOSE};
    struct world *w = *state;
    struct client *c = world_h1(w, WORLD_VERIFY);
    struct response r;
    struct answer a;

    origin_set_conn_steps(w->origin, 0, STEPS(dying));
    world_set_steps(w, STEPS(dead));
    r = client_get(c, "localhost", "/first");
    assert_int_equal(r.status, 200);
    response_free(&r);
    ask(c, KIND_H1, "GET");
    a = answer_of(c, KIND_H1, false);
    answer_check("dead twice", KIND_H1, &a, GIVES_502);
    assert_int_equal(origin_conn_count(w->origin), 2);
    client_close(c);
}

/* The origin closes after every answer without saying so: no request may fail of it. */
static void
connections_that_close_silently_cost_nothing(void **state)
{
    static const struct origin_step steps[] = {READ, ORIGIN_SEND(OK_2), ORIGIN_CLOSE};
    struct world *w = *state;
    struct client *c = world_h1(w, WORLD_VERIFY);

    world_set_steps(w, STEPS(steps));
    for (int i = 0; i < 200; i++) {
        struct response r = client_get(c, "localhost", "/");

        assert_int_equal(r.status, 200);
        response_free(&r);
    }
    client_close(c);
}

/* An idle connection that speaks is not believed. */
static void
unasked_answers_on_kept_connections_are_nobodys(void **state)
{
    static const struct origin_step steps[] = {READ, ORIGIN_SEND(OK_2), ORIGIN_DELAY(50),
                                               ORIGIN_SEND(HEAD "Content-Length: 4\r\n\r\nevil"),
                                               ORIGIN_HOLD};
    struct world *w = *state;
    struct client *c = world_h1(w, WORLD_VERIFY);

    world_set_steps(w, STEPS(steps));
    for (int i = 0; i < 10; i++) {
        struct response r = client_get(c, "localhost", "/");

        assert_int_equal(r.status, 200);
        assert_str_equal(bytes_str(&r.body), STR("ok"));
        response_free(&r);
        sleep_ms(100);
    }
    client_close(c);
    assert_int_equal(origin_conn_count(w->origin), 10);
}

/* ---- all at once ---- */

static void
both_sides_may_end_at_once(void **state)
{
    static const struct origin_step resets[] = {ORIGIN_READ_HEAD,
                                                ORIGIN_SEND(CHUNKED "2\r\nok\r\n"), ORIGIN_RESET};
    static const struct origin_step closes[] = {
        ORIGIN_READ_HEAD, ORIGIN_SEND(HEAD "Content-Length: 9\r\n\r\nok"), ORIGIN_CUT};
    struct world *w = *state;

    for (int i = 0; i < 200; i++) {
        enum kind kind = i % 2 ? KIND_H2 : KIND_H1;
        struct client *c;

        world_set_steps(w, i % 3 ? resets : closes, 3);
        c = client_for(w, kind);
        ask(c, kind, "GET");
        if (i % 5 != 0)
            assert_true(origin_wait_requests(w->origin, (size_t)1, 3000));
        if (i % 7 < 4)
            client_reset(c);
        client_close(c);
    }
    assert_true(origin_wait_idle(w->origin, 5000));
    assert_next_is_clean(w, "both sides ending");
}

/* A body that ends with the connection, cut because its client's certificate is no longer
 * trusted: without close_notify, so that it is not taken for whole. */
static void
a_client_that_is_thrown_out_sees_a_cut(void **state)
{
    static const struct origin_step steps[] = {READ, ORIGIN_SEND(CHUNKED "4\r\nhalf\r\n"),
                                               ORIGIN_HOLD};
    struct world *w = *state;
    struct pki_cert *other = pki_root("Other Root");
    struct client *clients[KIND_COUNT];

    world_set_steps(w, STEPS(steps));
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        clients[kind] = client_for(w, (enum kind)kind);
        ask(clients[kind], (enum kind)kind, "GET");
        assert_true(origin_wait_requests(w->origin, (size_t)kind + 1, 3000));
    }
    sleep_ms(100);
    pki_write_certs(gateway_path(w->g, "ca.pem"), other, NULL);
    assert_int_equal(gateway_reload(w->g), GATEWAY_RELOADED);
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        struct answer a = answer_of(clients[kind], (enum kind)kind, false);

        answer_check("thrown out", (enum kind)kind, &a, GIVES_CUT);
        assert_string_equal(a.body, "half");
        client_close(clients[kind]);
    }
    pki_free(other);
}

static int
quick_setup(void **state)
{
    *state = world_new(&(struct world_spec){.idle = "1"});
    return 0;
}

#define quick_test(name) cmocka_unit_test_setup_teardown(name, quick_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(no_fault_passes_for_an_answer),
        quick_test(silence_is_a_fault_too),
        quick_test(an_upload_that_the_origin_gives_up_is_502_or_504),
        world_test(a_dead_kept_connection_is_retried_once_when_that_is_safe),
        world_test(a_retry_is_not_retried),
        world_test(connections_that_close_silently_cost_nothing),
        world_test(unasked_answers_on_kept_connections_are_nobodys),
        world_test(both_sides_may_end_at_once),
        world_test(a_client_that_is_thrown_out_sees_a_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
