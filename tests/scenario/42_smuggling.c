/* SPDX-License-Identifier: Apache-2.0
 *
 * What an attacker with a valid certificate might smuggle past the gateway: ambiguous framing,
 * leftovers that become a second request, identities of others in any spelling. Everything goes
 * over real mTLS connections, and only what the origin received counts. SALLYPORT_LONG=1 sends
 * every form of every mutation.
 */
#include "40_world.h"

#include <ctype.h>

#include "40_oracle.h"
#include "unit/framing_lines.h"

#define SECOND "GET /second HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* Whole requests that the origin saw, and whether one was cut; every byte was plain HTTP/1.1. */
struct sight {
    size_t requests;
    size_t cut;
    size_t seconds; /* "/second" */
    bool is_fine;
    char first_body[64];
    size_t first_body_len;
};

static struct sight
sight_take(struct world *w)
{
    struct bytes seen = origin_received_all(w->origin);
    struct str rest = bytes_str(&seen);
    struct sight s = {.is_fine = true};
    struct oracle_request r;
    int more;

    while ((more = oracle_next(&rest, &r)) == 1) {
        if (s.requests + s.cut == 0) {
            s.first_body_len = size_min(r.body.len, sizeof(s.first_body));
            memcpy(s.first_body, r.body.len > 0 ? r.body.ptr : "", s.first_body_len);
        }
        s.requests += !r.is_cut;
        s.cut += r.is_cut;
        s.seconds += str_eq(r.target, STR("/second"));
        bytes_free(&r.body);
    }
    s.is_fine = more == 0;
    bytes_free(&r.body);
    bytes_free(&seen);
    origin_forget(w->origin);
    return s;
}

/* One attempt: head, then bytes in which both readings of the framing find an end, then a second
 * request. Statuses of what came back. */
struct attempt {
    int first;
    int second;
};

/* The connection is kept for the next attempt while the gateway keeps it. */
static struct attempt
attempt_make(struct world *w, struct client **c, struct str text)
{
    struct attempt a = {0};
    struct response r;

    if (*c == NULL)
        *c = world_h1(w, WORLD_VERIFY);
    (void)client_send(*c, text.ptr, text.len);
    r = client_response(*c, false);
    a.first = r.status;
    if (r.status == 200 && !r.closes) {
        response_free(&r);
        r = client_response(*c, false);
        a.second = r.status;
    }
    if (r.status != 200 || r.closes) {
        client_close(*c);
        *c = NULL;
    }
    response_free(&r);
    return a;
}

/* ---- heads ---- */

struct tally {
    size_t made;
    size_t forwarded;
    size_t wrong;
};

static void
mutation_try(struct world *w, struct client **c, const char *head, struct tally *t)
{
    char *text = xformat("%s\r\n\r\n0\r\n\r\n" SECOND, head);
    struct attempt a = attempt_make(w, c, str_from(text));
    struct sight s = sight_take(w);
    struct str body = str_make(s.first_body, s.first_body_len);
    bool is_old = strstr(head, "HTTP/1.0") != NULL;
    bool is_right;

    t->made++;
    if (a.first == 200) {
        t->forwarded++;
        is_right = s.is_fine && s.cut == 0 && s.requests == (is_old ? 1 : 2) &&
                   s.seconds == (is_old ? 0 : 1) &&
                   (body.len == 0 || str_eq(body, STR("0\r\n\r\n")));
    } else {
        is_right = a.first >= 400 && s.is_fine && s.requests + s.cut == 0;
    }
    if (!is_right) {
        t->wrong++;
        print_error("statuses %d, %d; origin: %zu whole, %zu cut\n%s\n", a.first, a.second,
                    s.requests, s.cut, head);
    }
    free(text);
}

static void
mutate_pair(struct world *w, struct client **c, const char *const lines[2], struct tally *t)
{
    static const struct {
        const char *before, *between;
    } forms[] = {
        {"POST /m HTTP/1.1\r\nHost: localhost\r\n", ""},
        {"POST /m HTTP/1.1\r\n", "Host: localhost\r\nX: y\r\n"},
        {"POST /m HTTP/1.0\r\nHost: localhost\r\n", "A: b\r\n"},
    };
    size_t count = getenv("SALLYPORT_LONG") != NULL ? 2 * array_len(forms) : 1;
    size_t first = count == 1 ? t->made % (2 * array_len(forms)) : 0;

    for (size_t i = first; i < first + count; i++) {
        char *head = xformat("%s%s\r\n%s%s", forms[i / 2].before, lines[i % 2],
                             forms[i / 2].between, lines[1 - i % 2]);

        mutation_try(w, c, head, t);
        free(head);
    }
}

static void
no_mutated_framing_reaches_the_origin(void **state)
{
    struct world *w = *state;
    struct client *c = NULL;
    struct tally t = {0};

    for (size_t i = 0; i < array_len(framing_te_lines); i++) {
        mutate_pair(w, &c, (const char *[]){framing_te_lines[i], "X: y"}, &t);
        mutate_pair(w, &c, (const char *[]){framing_te_lines[i], "Transfer-Encoding: chunked"}, &t);
        for (size_t j = 0; j < array_len(framing_cl_lines); j++)
            mutate_pair(w, &c, (const char *[]){framing_te_lines[i], framing_cl_lines[j]}, &t);
    }
    for (size_t j = 0; j < array_len(framing_cl_lines); j++) {
        mutate_pair(w, &c, (const char *[]){framing_cl_lines[j], "X: y"}, &t);
        mutate_pair(w, &c, (const char *[]){framing_cl_lines[j], "Content-Length: 5"}, &t);
    }
    client_close(c);
    print_message("%zu mutated heads: %zu forwarded, %zu ambiguous at the origin\n", t.made,
                  t.forwarded, t.wrong);
    assert_true(t.made >= 1600);
    assert_true(t.forwarded > 0);
    assert_int_equal(t.wrong, 0);
}

/* ---- chunks ---- */

struct chunks {
    const char *body;
    const char *payload; /* NULL: to be refused */
};

#define HELLO(line) line "hello\r\n0\r\n\r\n"

static const struct chunks chunk_tricks[] = {
    {HELLO("5\r\n"), "hello"},
    {HELLO("0000000000000005\r\n"), "hello"},
    {HELLO("5;a\r\n"), "hello"},
    {HELLO("5;a=b;c\r\n"), "hello"},
    {"5\r\nhello\r\n00000\r\n\r\n", "hello"},
    {"5\r\nhello\r\n0;last=1\r\n\r\n", "hello"},
    {"5\r\nhello\r\n0\r\nX: y\r\n\r\n", "hello"},
    {"5\r\nhello\r\n0\r\nContent-Length: 44\r\nTransfer-Encoding: x\r\n\r\n", "hello"},
    {"1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", "hello"},
    {"0\r\n\r\n", ""},
    {HELLO("00000000000000005\r\n"), NULL},
    {HELLO("10000000000000005\r\n"), NULL},
    {HELLO("ffffffffffffffff\r\n"), NULL},
    {HELLO("8000000000000005\r\n"), NULL},
    {HELLO(" 5\r\n"), NULL},
    {HELLO("5 \r\n"), NULL},
    {HELLO("5\t\r\n"), NULL},
    {HELLO("\t5\r\n"), NULL},
    {HELLO("+5\r\n"), NULL},
    {HELLO("-5\r\n"), NULL},
    {HELLO("0x5\r\n"), NULL},
    {HELLO("5h\r\n"), NULL},
    {HELLO("5,5\r\n"), NULL},
    {HELLO("5.0\r\n"), NULL},
    {HELLO("\r\n"), NULL},
    {HELLO(";a\r\n"), NULL},
    {HELLO("5 ;a\r\n"), NULL},
    {HELLO("5; a\r\n"), NULL},
    {HELLO("5;a =b\r\n"), NULL},
    {HELLO("5;a=\"b\"\r\n"), NULL},
    {HELLO("5;a=\"b\r\n"), NULL},
    {HELLO("5;\r\n"), NULL},
    {HELLO("5;a=\r\n"), NULL},
    {HELLO("5;a\nGET /second HTTP/1.1\r\n"), NULL},
    {HELLO("5;a\rb\r\n"), NULL},
    {HELLO("5\n"), NULL},
    {HELLO("5\r"), NULL},
    {HELLO("5\r\r\n"), NULL},
    {HELLO("5\n\r\n"), NULL},
    {HELLO("5\x0b\r\n"), NULL},
    {HELLO("\xd9\xa5\r\n"), NULL},
    {"5\r\nhello0\r\n\r\n", NULL},
    {"5\r\nhello\n0\r\n\r\n", NULL},
    {"5\r\nhello\r0\r\n\r\n", NULL},
    {"5\r\nhello\r\r\n0\r\n\r\n", NULL},
    {"5\r\nhell\r\n0\r\n\r\n", NULL},
    {"5\r\nhello!\r\n0\r\n\r\n", NULL},
    {"5\r\nhello\r\n\r\n0\r\n\r\n", NULL},
    {"5\r\nhello\r\n0\n\r\n", NULL},
    {"5\r\nhello\r\n0\r\n\n", NULL},
    {"5\r\nhello\r\n0\r\n\r\r\n", NULL},
    {"5\r\nhello\r\n0 \r\n\r\n", NULL},
    {"5\r\nhello\r\n-0\r\n\r\n", NULL},
    {"5\r\nhello\r\n0\r\n X: y\r\n\r\n", NULL},
    {"5\r\nhello\r\n0\r\nX : y\r\n\r\n", NULL},
    {"5\r\nhello\r\n0\r\nX\r\n\r\n", NULL},
    {"5\r\nhello\r\n0\r\n: y\r\n\r\n", NULL},
    {"5\r\nhello\r\n0\r\nX: y\n\r\n", NULL},
    {"5\r\nhello\r\n0\r\nX: y\rz\r\n\r\n", NULL},
    {"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n", NULL},
    {"5\r\nhello\r\n0\r\nGET /second HTTP/1.1\r\n\r\n", NULL},
};

static void
chunks_try(struct world *w, const struct chunks *trick, size_t step)
{
    struct client *c = world_h1(w, WORLD_VERIFY);
    struct response r;
    struct sight s;

    client_puts(c, "POST /m HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    (void)client_dribble(c, str_from(trick->body), step, 0);
    (void)client_puts(c, SECOND);
    r = client_response(c, false);
    if (r.status != (trick->payload != NULL ? 200 : 400))
        print_error("status %d: %s\n", r.status, trick->body);
    assert_int_equal(r.status, trick->payload != NULL ? 200 : 400);
    response_free(&r);
    r = client_response(c, false);
    assert_int_equal(r.status, trick->payload != NULL ? 200 : 0);
    response_free(&r);
    client_close(c);
    if (trick->payload == NULL) /* its upstream connection was given up */
        assert_true(origin_wait_idle(w->origin, 3000));
    s = sight_take(w);
    assert_true(s.is_fine);
    assert_int_equal(s.requests, trick->payload != NULL ? 2 : 0);
    assert_int_equal(s.seconds, trick->payload != NULL ? 1 : 0);
    if (trick->payload != NULL)
        assert_str_equal(str_make(s.first_body, s.first_body_len), str_from(trick->payload));
}

static void
no_chunk_trick_reaches_the_origin(void **state)
{
    struct world *w = *state;
    size_t refused = 0;

    for (size_t i = 0; i < array_len(chunk_tricks); i++) {
        chunks_try(w, &chunk_tricks[i], 4096);
        chunks_try(w, &chunk_tricks[i], 1);
        refused += chunk_tricks[i].payload == NULL;
    }
    print_message("%zu chunk tricks, whole and byte by byte: %zu refused, none at the origin\n",
                  array_len(chunk_tricks), refused);
}

/* ---- identity names ---- */

static const char *const identity_names[] = {
    "x-amzn-mtls-clientcert",
    "x-amzn-mtls-clientcert-serial-number",
    "x-amzn-mtls-clientcert-issuer",
    "x-amzn-mtls-clientcert-subject",
    "x-amzn-mtls-clientcert-validity",
    "x-amzn-mtls-clientcert-leaf",
    "x-amzn-mtls-anything",
    "x-amzn-tls-version",
    "x-amzn-tls-cipher-suite",
    "client-cert",
    "client-cert-chain",
    "x-forwarded-client-cert",
    "x-forwarded-tls-client-cert",
    "x-forwarded-tls-client-cert-info",
    "ssl-client-cert",
    "ssl-client-verify",
    "x-ssl-client-cert",
    "x-ssl-client-s-dn",
    "x-ssl-client-verify",
    "x-client-cert",
    "x-client-verify",
    "x-client-dn",
    "x-arr-clientcert",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-port",
};

/* How a name is spelled: what '-' becomes, and what stands around it. */
struct spelling {
    const char *hyphen;
    int letters; /* 0: lower, 1: upper, 2: title, 3: alternating */
    const char *before;
    const char *after;
};

static const struct spelling spellings[] = {
    {"-", 0, "", ": evil"},           {"-", 1, "", ": evil"},
    {"-", 2, "", ": evil"},           {"-", 3, "", ":evil"},
    {"_", 0, "", ": evil"},           {"_", 1, "", ": evil"},
    {"_", 2, "", ": evil"},           {".", 0, "", ": evil"},
    {".", 1, "", ": evil"},           {"!", 0, "", ": evil"},
    {"~", 0, "", ": evil"},           {"%", 0, "", ": evil"},
    {"'", 2, "", ": evil"},           {"*", 0, "", ": evil"},
    {"+", 0, "", ": evil"},           {"^", 0, "", ": evil"},
    {"|", 0, "", ": evil"},           {"`", 0, "", ": evil"},
    {"$", 0, "", ": evil"},           {" ", 0, "", ": evil"},
    {"\t", 0, "", ": evil"},          {"\xe2\x80\x90", 0, "", ": evil"},
    {"\xad", 0, "", ": evil"},        {"-", 0, "", " : evil"},
    {"-", 0, "", "\t: evil"},         {"-", 0, "", "\x0b: evil"},
    {"-", 0, " ", ": evil"},          {"-", 0, "\t", ": evil"},
    {"-", 0, "X: a\n", ": evil"},     {"-", 0, "X: a\r", ": evil"},
    {"-", 0, "X: a\r\n ", ": evil"},  {"-", 0, "X: a\x01", ": evil"},
    {"-", 0, "", ":: evil"},          {"-", 0, "", ":"},
    {"-", 0, "", ": evil, CN=alice"},
};

/* "evil" stands under what any origin could take for one of the names. */
static bool
shows_evil(struct str head)
{
    size_t at = oracle_first_field(head);
    struct str name;
    struct str value;

    while (oracle_field_next(head, &at, &name, &value)) {
        char folded[128];

        if (find_bytes(value.ptr, value.len, "evil", 4) == NULL || name.len >= sizeof(folded))
            continue;
        for (size_t i = 0; i < name.len; i++)
            folded[i] = isalnum((unsigned char)name.ptr[i]) ? ascii_lower(name.ptr[i]) : '-';
        for (size_t i = 0; i < array_len(identity_names); i++) {
            if (str_starts(str_make(folded, name.len), str_from(identity_names[i])) &&
                !str_eq_nocase(name, STR("x-forwarded-for")))
                return true;
        }
    }
    return false;
}

/* The gateway's own fields stand there exactly once, with the connection's facts. */
static bool
has_own_identity(const struct oracle_request *r, enum world_listener listener)
{
    struct str value;
    size_t chain = oracle_count(r, "x-amzn-mtls-clientcert", &value);
    bool is_pem = str_starts(value, STR("-----BEGIN%20CERTIFICATE-----"));
    size_t five = 0;

    for (size_t i = 1; i < 6; i++)
        five += oracle_count(r, identity_names[i], &value);
    (void)oracle_count(r, "x-amzn-mtls-clientcert-subject", &value);
    switch (listener) {
    case WORLD_VERIFY:
        return chain == 0 && five == 5 && str_eq(value, STR("CN=alice"));
    case WORLD_PASSTHROUGH:
        return chain == 1 && is_pem && five == 0;
    default:
        return chain == 0 && five == 0;
    }
}

struct identity_tally {
    size_t made;
    size_t forwarded;
    size_t visible;
    size_t lost;
};

static void
identity_check(struct world *w, enum world_listener listener, const char *what,
               struct identity_tally *t)
{
    struct bytes seen = origin_received_all(w->origin);
    struct str rest = bytes_str(&seen);
    struct oracle_request r;
    int more;

    while ((more = oracle_next(&rest, &r)) == 1) {
        bool is_visible = shows_evil(r.head);
        bool is_lost = !has_own_identity(&r, listener);

        t->forwarded++;
        t->visible += is_visible;
        t->lost += is_lost;
        if (is_visible || is_lost)
            print_error("listener %d, %s: %s\n%.*s\n", (int)listener, what,
                        is_visible ? "visible" : "lost", STR_ARG(r.head));
        bytes_free(&r.body);
    }
    assert_int_equal(more, 0);
    bytes_free(&seen);
    origin_forget(w->origin);
}

static void
spell(const char *name, const struct spelling *how, struct bytes *out)
{
    for (size_t i = 0; name[i] != '\0'; i++) {
        bool is_upper = how->letters == 1 ||
                        (how->letters == 2 && (i == 0 || name[i - 1] == '-')) ||
                        (how->letters == 3 && i % 2);
        char c = is_upper ? (char)toupper((unsigned char)name[i]) : name[i];

        if (c == '-')
            bytes_puts(out, how->hyphen);
        else
            bytes_add(out, &c, 1);
    }
}

static void
identity_h1(struct world *w, enum world_listener listener, struct identity_tally *t)
{
    struct client *c = NULL;

    for (size_t n = 0; n < array_len(identity_names) * array_len(spellings); n++) {
        const struct spelling *how = &spellings[n % array_len(spellings)];
        struct bytes text = {0};
        struct response r;

        bytes_puts(&text, "GET / HTTP/1.1\r\nHost: localhost\r\n");
        bytes_puts(&text, how->before);
        spell(identity_names[n / array_len(spellings)], how, &text);
        bytes_printf(&text, "%s\r\n\r\n", how->after);
        if (c == NULL)
            c = world_h1(w, listener);
        r = client_exchange(c, text.ptr);
        assert_true(r.status == 200 || r.status == 400);
        if (r.status != 200 || r.closes) {
            client_close(c);
            c = NULL;
        }
        response_free(&r);
        identity_check(w, listener, text.ptr, t);
        t->made++;
        bytes_free(&text);
    }
    client_close(c);
}

/* Only the name can be odd here: lines do not exist. */
static void
identity_h2(struct world *w, enum world_listener listener, struct identity_tally *t)
{
    struct client *c = NULL;
    uint32_t id = 1;

    for (size_t n = 0; n < array_len(identity_names) * array_len(spellings); n++, id += 2) {
        const struct spelling *how = &spellings[n % array_len(spellings)];
        struct bytes name = {0};
        struct h2_field fields[] = {H2_FIELD(":method", "GET"), H2_FIELD(":scheme", "https"),
                                    H2_FIELD(":authority", "localhost"), H2_FIELD(":path", "/"),
                                    H2_FIELD("", "evil")};
        struct h2_response r;

        bytes_puts(&name, how->before);
        spell(identity_names[n / array_len(spellings)], how, &name);
        bytes_add(&name, how->after, strcspn(how->after, ":"));
        fields[4].name = bytes_str(&name);
        if (n % 20 == 0) { /* before so many refusals look like an attack */
            client_close(c);
            c = world_h2(w, listener);
            id = 1;
        }
        h2_headers(c, id, fields, array_len(fields), true);
        r = h2_response(c, id);
        assert_true(r.status == 200 || r.status == 400 || r.rst_code >= 0);
        h2_response_free(&r);
        identity_check(w, listener, name.ptr, t);
        t->made++;
        bytes_free(&name);
    }
    client_close(c);
}

static void
no_identity_of_a_client_reaches_the_origin(void **state)
{
    static const enum world_listener listeners[] = {WORLD_VERIFY, WORLD_PASSTHROUGH,
                                                    WORLD_OPTIONAL};
    struct world *w = *state;
    struct identity_tally t = {0};

    assert_true(array_len(identity_names) * array_len(spellings) >= 500);
    for (size_t i = 0; i < array_len(listeners); i++) {
        identity_h1(w, listeners[i], &t);
        identity_h2(w, listeners[i], &t);
    }
    print_message("%zu spellings of identity names over h1 and h2 in three modes: %zu forwarded, "
                  "%zu visible, %zu without the gateway's own\n",
                  t.made, t.forwarded, t.visible, t.lost);
    assert_int_equal(t.visible, 0);
    assert_int_equal(t.lost, 0);
    assert_true(t.forwarded > 1000);
}

/* ---- trailers, Connection, X-Forwarded ---- */

static void
identity_in_trailers_is_dropped(void **state)
{
    struct world *w = *state;
    struct client *c = world_h1(w, WORLD_VERIFY);
    struct identity_tally t = {0};

    for (size_t i = 0; i < 2 * array_len(identity_names); i++) {
        const char *name = identity_names[i / 2];
        char *text =
            xformat("POST / HTTP/1.1\r\nHost: localhost\r\n%s%s%sTransfer-Encoding: "
                    "chunked\r\n\r\n2\r\nhi\r\n0\r\n%s: evil\r\n\r\n",
                    i % 2 ? "Trailer: " : "", i % 2 ? name : "", i % 2 ? "\r\n" : "", name);
        struct response r = client_exchange(c, text);

        assert_int_equal(r.status, 200);
        response_free(&r);
        assert_false(origin_saw(w->origin, "evil"));
        assert_false(origin_saw(w->origin, "railer"));
        identity_check(w, WORLD_VERIFY, text, &t);
        free(text);
    }
    client_close(c);
    assert_int_equal(t.forwarded, 2 * array_len(identity_names));
    assert_int_equal(t.lost + t.visible, 0);
}

static void
connection_cannot_take_a_field_away(void **state)
{
    static const char *const forms[] = {
        "Connection: %s",
        "connection:%s",
        "Connection: close, %s",
        "Connection: %s, close",
        "Connection: ,,%s,,",
        "Connection: keep-alive\r\nConnection: %s",
        "Connection: \"%s\"",
        "Connection:\t%s\t",
        "Proxy-Connection: %s",
        "Keep-Alive: %s",
        "TE: %s",
        "Upgrade: %s\r\nConnection: upgrade, %s",
    };
    static const char *const protected_names[] = {
        "Host",
        "Content-Length",
        "Content-Type",
        "Transfer-Encoding",
        "Authorization",
        "Cookie",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X_Amzn_Mtls_Clientcert_Subject",
    };
    struct world *w = *state;
    struct identity_tally t = {0};
    size_t refused = 0;
    size_t names = 9 + array_len(protected_names);

    for (size_t i = 0; i < names * array_len(forms); i++) {
        size_t at = i / array_len(forms);
        const char *name = at < 9 ? identity_names[at] : protected_names[at - 9];
        const char *form = forms[i % array_len(forms)];
        const char *slot = strstr(form, "%s");
        char *line = xformat("%.*s%s%s", (int)(slot - form), form, name, slot + 2);
        char *text;
        int status;

        if (strstr(line, "%s") != NULL)
            memcpy(strstr(line, "%s"), " x", 2);
        text = xformat("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/x\r\n"
                       "Authorization: Basic eA==\r\nCookie: a=b\r\n%s\r\n"
                       "Content-Length: 2\r\n\r\nhi",
                       line);
        status = world_status(w, WORLD_VERIFY, str_from(text));
        assert_true(status == 200 || status == 400);
        refused += status == 400;
        if (status == 200)
            assert_true(origin_saw(w->origin, "Authorization: Basic eA==\r\n") &&
                        origin_saw(w->origin, "Content-Type: text/x\r\n") &&
                        origin_saw(w->origin, "Cookie: a=b\r\n"));
        identity_check(w, WORLD_VERIFY, line, &t);
        free(text);
        free(line);
    }
    print_message(
        "%zu nominations by Connection: %zu refused, %zu without effect, %zu fields lost\n",
        names * array_len(forms), refused, t.forwarded, t.lost);
    assert_int_equal(t.lost, 0);
    assert_true(refused >= names * 7);
}

static void
hop_by_hop_fields_end_here(void **state)
{
    static const char *const fields[] = {
        "Connection: keep-alive, X-Private, x-private2\r\nX-Private: hop\r\nX-PRIVATE2: hop",
        "Keep-Alive: hop",
        "Proxy-Connection: hop",
        "TE: hop",
        "Trailer: hop",
        "Upgrade: hop",
        "HTTP2-Settings: hop\r\nConnection: HTTP2-Settings",
        "Early-Data: 1hop",
    };
    struct world *w = *state;

    for (size_t i = 0; i < array_len(fields); i++) {
        char *text = xformat("GET / HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n", fields[i]);

        assert_int_equal(world_status(w, WORLD_VERIFY, str_from(text)), 200);
        assert_false(origin_saw(w->origin, "hop"));
        free(text);
    }
}

static void
forwarding_facts_are_the_gateways(void **state)
{
    struct world *w = *state;
    struct oracle_request r;
    struct bytes seen;
    struct str value;
    struct str rest;
    char port[16];

    (void)snprintf(port, sizeof(port), "%u", gateway_port(w->g, WORLD_VERIFY));
    assert_int_equal(
        world_status(w, WORLD_VERIFY,
                     STR("GET / HTTP/1.1\r\nHost: localhost\r\n"
                         "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"
                         "x-forwarded-for: 192.0.2.2, evil\r\nX-Forwarded-Port: 1\r\n"
                         "X-FORWARDED-PROTO: gopher\r\nX_Forwarded_For: 192.0.2.3\r\n"
                         "X-Forwarded.Proto: http\r\nX-Forwarded-Host: other\r\n\r\n")),
        200);
    seen = origin_received_all(w->origin);
    rest = bytes_str(&seen);
    assert_int_equal(oracle_next(&rest, &r), 1);
    assert_int_equal(oracle_count(&r, "x-forwarded-for", &value), 1);
    assert_str_equal(value, STR("192.0.2.1, 192.0.2.2, evil, 127.0.0.1"));
    assert_int_equal(oracle_count(&r, "x-forwarded-proto", &value), 1);
    assert_str_equal(value, STR("https"));
    assert_int_equal(oracle_count(&r, "x-forwarded-port", &value), 1);
    assert_str_equal(value, str_from(port));
    assert_int_equal(oracle_count(&r, "x-forwarded-host", &value), 1);
    assert_int_equal(oracle_count(&r, "x-amzn-trace-id", &value), 1);
    bytes_free(&r.body);
    bytes_free(&seen);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(no_mutated_framing_reaches_the_origin),
        world_test(no_chunk_trick_reaches_the_origin),
        world_test(no_identity_of_a_client_reaches_the_origin),
        world_test(identity_in_trailers_is_dropped),
        world_test(connection_cannot_take_a_field_away),
        world_test(hop_by_hop_fields_end_here),
        world_test(forwarding_facts_are_the_gateways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
