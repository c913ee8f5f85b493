/* SPDX-License-Identifier: Apache-2.0
 *
 * What a request and a handshake may cost, counted and not timed, so that it holds on any
 * machine: allocations and system calls of the gateway over many of them, on each path. The
 * bounds are what was measured when they were written, plus a little; a change that breaks one
 * has made every request dearer. Runs the release program: sanitizers have an allocator of
 * their own.
 */
#include "40_world.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/count_preload.h"

enum { WARM_UP = 64, REQUESTS = 400, HANDSHAKES = 60, STREAMS = 20, BATCHES = 20 };
enum { LARGE_PARTS = 64, LARGE_PART_BYTES = 65536 };

struct budget {
    struct world *w;
    const volatile struct count_totals *live;
    char *env[3];
    const char *env_list[3];
};

/* Per operation. */
struct cost {
    double own_allocations;
    double library_allocations;
    double reads;
    double writes;
    double waits;
    double others;
};

static const char budget_yaml[] =
    "workers: 1\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\", socket: admin.sock}\n"
    "logging: {level: warn}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: ca.pem}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "listeners:\n"
    "  - name: verify\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: clients}\n" WORLD_FORWARD;

/* The counters settle: the gateway does nothing more for what was asked before. */
static struct count_totals
counted(const struct budget *b)
{
    struct count_totals now = *b->live;

    for (int i = 0; i < 100; i++) {
        struct count_totals before = now;

        sleep_ms(20);
        now = *b->live;
        if (memcmp(&before, &now, sizeof(now)) == 0)
            break;
    }
    return now;
}

static struct cost
cost_of(const struct count_totals *from, const struct count_totals *to, double n)
{
    return (struct cost){
        .own_allocations = (double)(to->own_allocations - from->own_allocations) / n,
        .library_allocations = (double)(to->library_allocations - from->library_allocations) / n,
        .reads = (double)(to->reads - from->reads) / n,
        .writes = (double)(to->writes - from->writes) / n,
        .waits = (double)(to->waits - from->waits) / n,
        .others = (double)(to->others - from->others) / n,
    };
}

static void
assert_within(const char *what, struct cost got, struct cost most)
{
    print_message("# %s: allocations %.2f own, %.2f in libraries; %.2f reads, %.2f writes, "
                  "%.2f waits, %.2f others\n",
                  what, got.own_allocations, got.library_allocations, got.reads, got.writes,
                  got.waits, got.others);
    if (got.own_allocations > most.own_allocations ||
        got.library_allocations > most.library_allocations || got.reads > most.reads ||
        got.writes > most.writes || got.waits > most.waits || got.others > most.others)
        fail_msg("%s: more than %.2f own allocations, %.2f in libraries, %.2f reads, %.2f writes, "
                 "%.2f waits or %.2f others",
                 what, most.own_allocations, most.library_allocations, most.reads, most.writes,
                 most.waits, most.others);
}

/* ---- HTTP/1.1 ---- */

static void
h1_requests(struct client *c, int n)
{
    for (int i = 0; i < n; i++) {
        struct response r = client_get(c, "localhost", "/");

        assert_int_equal(r.status, 200);
        response_free(&r);
    }
}

/* One read and one write on each side, and a read that finds nothing. The library allocations are
 * libssl's: it gives the buffers of a record back when nothing is in them, which keeps idle
 * connections small, and takes them again for the next. */
static void
a_kept_http1_request_allocates_nothing(void **state)
{
    struct budget *b = *state;
    struct client *c = world_h1(b->w, WORLD_VERIFY);
    struct count_totals from;
    struct count_totals to;

    h1_requests(c, WARM_UP);
    from = counted(b);
    h1_requests(c, REQUESTS);
    to = counted(b);
    client_close(c);
    assert_within("HTTP/1.1 request", cost_of(&from, &to, REQUESTS),
                  (struct cost){0.05, 6.1, 2.1, 2.1, 2.3, 0.05});
}

static const char large_part[LARGE_PART_BYTES] = "x";
static const struct origin_step large_steps[] = {
    ORIGIN_READ_REQUEST,
    ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n"),
    {.op = ORIGIN_OP_REPEAT, .data = {large_part, sizeof(large_part)}, .n = LARGE_PARTS},
    ORIGIN_LOOP,
};

static void
a_large_body_is_read_in_large_pieces(void **state)
{
    const double records = (double)LARGE_PARTS * LARGE_PART_BYTES / 16384;
    struct budget *b = *state;
    struct count_totals from;
    struct count_totals to;
    struct client *c;
    struct response r;

    c = world_h1(b->w, WORLD_VERIFY);
    r = client_get(c, "localhost", "/"); /* the first opens the upstream connection */
    response_free(&r);
    from = counted(b);
    r = client_get(c, "localhost", "/");
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.len, LARGE_PARTS * LARGE_PART_BYTES);
    to = counted(b);
    response_free(&r);
    client_close(c);
    assert_within("16 KiB of a download", cost_of(&from, &to, records),
                  (struct cost){0.1, 5, 1.5, 1.5, 1, 0.1});
}

static void
an_upload_is_read_in_large_pieces(void **state)
{
    const double records = 256;
    struct budget *b = *state;
    struct client *c = world_h1(b->w, WORLD_VERIFY);
    struct bytes text = {0};
    char *body = xcalloc(256, 16384);
    struct count_totals from;
    struct count_totals to;
    struct response r;

    h1_requests(c, 1);
    bytes_puts(&text, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4194304\r\n\r\n");
    from = counted(b);
    assert_int_equal(client_send(c, text.ptr, text.len), CLIENT_OK);
    assert_int_equal(client_send(c, body, (size_t)256 * 16384), CLIENT_OK);
    r = client_response(c, false);
    assert_int_equal(r.status, 200);
    to = counted(b);
    response_free(&r);
    client_close(c);
    bytes_free(&text);
    free(body);
    assert_within("16 KiB of an upload", cost_of(&from, &to, records),
                  (struct cost){0.1, 10, 3, 2, 2, 0.1});
}

/* ---- HTTP/2 ---- */

/* n streams asked for at once, then read. */
static void
h2_batch(struct client *c, uint32_t *stream, int n)
{
    uint32_t first = *stream;

    for (int i = 0; i < n; i++, *stream += 2)
        assert_int_equal(h2_get(c, *stream, "localhost", "/"), CLIENT_OK);
    for (uint32_t each = first; each < *stream; each += 2) {
        struct h2_response r = h2_response(c, each);

        assert_int_equal(r.status, 200);
        h2_response_free(&r);
    }
}

static void
an_http2_request_costs_little_more(void **state)
{
    struct budget *b = *state;
    struct client *c = world_h2(b->w, WORLD_VERIFY);
    struct count_totals from;
    struct count_totals to;
    uint32_t stream = 1;

    for (int i = 0; i < 4; i++)
        h2_batch(c, &stream, STREAMS);
    from = counted(b);
    for (int i = 0; i < BATCHES; i++)
        h2_batch(c, &stream, STREAMS);
    to = counted(b);
    client_close(c);
    assert_within("HTTP/2 request", cost_of(&from, &to, (double)STREAMS * BATCHES),
                  (struct cost){0.05, 21, 3.5, 2, 2.2, 0.1});
}

/* ---- handshakes ---- */

static void
handshakes(struct budget *b, int n)
{
    for (int i = 0; i < n; i++) {
        struct client *c = world_h1(b->w, WORLD_VERIFY);

        h1_requests(c, 1);
        client_close(c);
    }
}

static void
a_handshake_stays_within_its_budget(void **state)
{
    struct budget *b = *state;
    struct count_totals from;
    struct count_totals to;

    handshakes(b, 8);
    from = counted(b);
    handshakes(b, HANDSHAKES);
    to = counted(b);
    assert_within("handshake and one request", cost_of(&from, &to, HANDSHAKES),
                  (struct cost){3, 1300, 7, 4.2, 9, 4.2});
}

/* A ticket is used again and again, as its lifetime allows. */
static void
a_resumed_handshake_costs_less(void **state)
{
    struct budget *b = *state;
    struct client *c = world_h1(b->w, WORLD_VERIFY);
    struct client_spec spec = {
        .port = gateway_port(b->w->g, WORLD_VERIFY), .alpn = "http/1.1", .cert = b->w->client};
    struct count_totals from;
    struct count_totals to;

    h1_requests(c, 1);
    spec.session = client_session(c);
    client_close(c);
    assert_non_null(spec.session);
    from = counted(b);
    for (int i = 0; i < HANDSHAKES; i++) {
        SSL_SESSION *copy = SSL_SESSION_dup(spec.session);
        struct client_spec again = spec;

        again.session = copy;
        c = client_open(&again);
        h1_requests(c, 1);
        assert_true(client_resumed(c));
        client_close(c);
        SSL_SESSION_free(copy);
    }
    to = counted(b);
    SSL_SESSION_free(spec.session);
    assert_within("resumed handshake and one request", cost_of(&from, &to, HANDSHAKES),
                  (struct cost){3, 1300, 7, 4.2, 9, 4.2});
}

/* ---- set-up ---- */

/* NULL when the release program or the counter is not built. */
static char *
built(const char *name)
{
    const char *folder = getenv("BUILD");
    char *path = xformat("%s/%s", folder ? folder : "build", name);
    char *whole = realpath(path, NULL);

    free(path);
    return whole;
}

static bool
is_built(void)
{
    char *program = built("sallyport");
    char *counter = built("count_preload.so");
    bool is = program && counter;

    free(program);
    free(counter);
    return is;
}

/* *state: what the origin does. */
static int
budget_setup(void **state)
{
    const struct origin_spec *origin = *state;
    struct budget *b = xcalloc(1, sizeof(*b));
    struct world *w = xcalloc(1, sizeof(*w));
    struct count_totals zero = {0};
    char *program = built("sallyport");
    char *counter = built("count_preload.so");
    char *totals;
    int fd;

    b->w = w;
    *state = b;
    if (!program || !counter)
        die("%s and %s are wanted", "build/sallyport", "build/count_preload.so");
    setenv("SALLYPORT_BIN", program, 1);
    w->dir = gateway_dir_new();
    world_make_pki(w);
    w->origin = origin_start(origin);
    snprintf(w->port, sizeof(w->port), "%u", origin_port(w->origin));
    w->vars[0] = "ORIGIN";
    w->vars[1] = w->port;
    totals = xformat("%s/totals", w->dir);
    file_spill(totals, &zero, sizeof(zero), 0600);
    fd = open(totals, O_RDONLY | O_CLOEXEC);
    b->live = mmap(NULL, sizeof(zero), PROT_READ, MAP_SHARED, fd, 0);
    if (b->live == MAP_FAILED)
        die("%s cannot be mapped", totals);
    close(fd);
    b->env[0] = xformat("LD_PRELOAD=%s", counter);
    b->env[1] = xformat("COUNT_FILE=%s", totals);
    b->env_list[0] = b->env[0];
    b->env_list[1] = b->env[1];
    w->g = gateway_start(&(struct gateway_spec){
        .yaml = budget_yaml, .vars = w->vars, .dir = w->dir, .env = b->env_list});
    free(totals);
    free(program);
    free(counter);
    return 0;
}

static int
budget_teardown(void **state)
{
    struct budget *b = *state;
    int status = world_done(b->w);

    munmap((void *)(uintptr_t)b->live, sizeof(*b->live));
    free(b->env[0]);
    free(b->env[1]);
    free(b);
    return status == 0 ? 0 : -1;
}

#define budget_test(name, origin) \
    cmocka_unit_test_prestate_setup_teardown(name, budget_setup, budget_teardown, origin)

int
main(void)
{
    static struct origin_spec small;
    static struct origin_spec large = {.steps = large_steps, .count = array_len(large_steps)};
    const struct CMUnitTest tests[] = {
        budget_test(a_kept_http1_request_allocates_nothing, &small),
        budget_test(an_http2_request_costs_little_more, &small),
        budget_test(a_handshake_stays_within_its_budget, &small),
        budget_test(a_resumed_handshake_costs_less, &small),
        budget_test(an_upload_is_read_in_large_pieces, &small),
        budget_test(a_large_body_is_read_in_large_pieces, &large),
    };

    if (!is_built()) {
        printf("ok 1 - budget # SKIP build/sallyport and build/count_preload.so are not built\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
