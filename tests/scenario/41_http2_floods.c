/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/2 as an attacker speaks it: frames that cost little to send and much to serve. Each
 * flood must end with its connection, soon, with little memory and few requests at the origin,
 * while the gateway goes on serving everybody else.
 */
#include "40_world.h"

#include "40_oracle.h"

#define PSEUDO(method, path)                                   \
    H2_FIELD(":method", method), H2_FIELD(":scheme", "https"), \
        H2_FIELD(":authority", "localhost"), H2_FIELD(":path", path)

enum {
    FLOOD_FRAMES = 10000,
    FRAME_MAX = 16384,
    CONTINUATIONS = 8,
    CODE_CALM = 11,
};

static void
assert_still_serving(struct world *w)
{
    struct client *c = world_h2(w, WORLD_FIXED);
    struct h2_response r;

    h2_get(c, 1, "localhost", "/");
    r = h2_response(c, 1);
    assert_int_equal(r.status, 200);
    h2_response_free(&r);
    client_close(c);
}

static uint64_t
cpu_us(struct world *w)
{
    struct proc_usage usage = {0};

    (void)proc_usage(gateway_proc(w->g), &usage);
    return usage.cpu_us;
}

static uint32_t
word(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

struct outcome {
    size_t sent;    /* frames that could be sent */
    bool has_ended; /* the connection is gone */
    int64_t goaway; /* the code, -1 without one */
    size_t resets;  /* RST_STREAM frames received */
    int ms;
};

/* Reads what the server still says. */
static void
outcome_read(struct client *c, struct outcome *o)
{
    struct h2_frame f;
    enum client_end end;

    client_set_timeout(c, 3000);
    while ((end = h2_read(c, &f)) == CLIENT_OK) {
        if (f.type == H2_GOAWAY && f.len >= 8)
            o->goaway = word(f.payload + 4);
        o->resets += f.type == H2_RST_STREAM;
    }
    o->has_ended = end != CLIENT_TIMEOUT;
}

/* ---- floods of small frames ---- */

/* Frame number n of the flood. */
typedef enum client_end (*flood_fn)(struct client *c, uint32_t n);

static enum client_end
frame(struct client *c, uint8_t type, uint8_t flags, uint32_t stream, struct str payload)
{
    return h2_write(
        c, &(struct h2_frame){payload.len, type, flags, stream, (uint8_t *)(uintptr_t)payload.ptr});
}

static enum client_end
flood_ping(struct client *c, uint32_t n GW_UNUSED)
{
    return frame(c, H2_PING, 0, 0, STR("01234567"));
}

static enum client_end
flood_settings(struct client *c, uint32_t n GW_UNUSED)
{
    return frame(c, H2_SETTINGS, 0, 0, STR(""));
}

/* One frame of more entries than anybody needs. */
static enum client_end
flood_settings_entries(struct client *c, uint32_t n)
{
    struct bytes b = {0};
    enum client_end end;

    if (n > 0)
        return CLIENT_OK;
    while (b.len < 6 * 1000)
        bytes_add(&b, "\0\x04\0\0\xff\xff", 6);
    end = frame(c, H2_SETTINGS, 0, 0, bytes_str(&b));
    bytes_free(&b);
    return end;
}

static enum client_end
flood_priority(struct client *c, uint32_t n)
{
    return frame(c, H2_PRIORITY, 0, 2 * n + 1, STR("\0\0\0\0\x10"));
}

static const struct h2_field post[] = {PSEUDO("POST", "/")};
static const struct h2_field get[] = {PSEUDO("GET", "/")};

static enum client_end
flood_empty_data(struct client *c, uint32_t n)
{
    if (n == 0)
        return h2_headers(c, 1, post, array_len(post), false);
    return h2_data(c, 1, STR(""), false);
}

static enum client_end
flood_rapid_reset(struct client *c, uint32_t n)
{
    enum client_end end = h2_headers(c, 2 * n + 1, get, array_len(get), true);

    return end == CLIENT_OK ? h2_rst(c, 2 * n + 1, 8) : end;
}

static enum client_end
flood_rapid_reset_of_bodies(struct client *c, uint32_t n)
{
    enum client_end end = h2_headers(c, 2 * n + 1, post, array_len(post), false);

    if (end == CLIENT_OK)
        end = h2_data(c, 2 * n + 1, STR("x"), false);
    return end == CLIENT_OK ? h2_rst(c, 2 * n + 1, 8) : end;
}

static enum client_end
flood_malformed(struct client *c, uint32_t n)
{
    static const struct h2_field fields[] = {PSEUDO("GET", "/"), H2_FIELD("UPPER", "case")};

    return h2_headers(c, 2 * n + 1, fields, array_len(fields), true);
}

static enum client_end
flood_refused(struct client *c, uint32_t n)
{
    static const struct h2_field fields[] = {PSEUDO("GET", "/"), H2_FIELD("host", "other")};

    return h2_headers(c, 2 * n + 1, fields, array_len(fields), true);
}

/* What follows makes the server reset streams that its origin is at work on. */

static enum client_end
flood_window_of_zero(struct client *c, uint32_t n)
{
    enum client_end end = h2_headers(c, 2 * n + 1, get, array_len(get), true);

    return end == CLIENT_OK ? h2_window_update(c, 2 * n + 1, 0) : end;
}

static enum client_end
flood_window_overflow(struct client *c, uint32_t n)
{
    enum client_end end = h2_headers(c, 2 * n + 1, get, array_len(get), true);

    return end == CLIENT_OK ? h2_window_update(c, 2 * n + 1, 0x7fffffff) : end;
}

static enum client_end
flood_data_after_end(struct client *c, uint32_t n)
{
    enum client_end end = h2_headers(c, 2 * n + 1, get, array_len(get), true);

    return end == CLIENT_OK ? h2_data(c, 2 * n + 1, STR("x"), false) : end;
}

static enum client_end
flood_headers_after_end(struct client *c, uint32_t n)
{
    enum client_end end = h2_headers(c, 2 * n + 1, get, array_len(get), true);

    return end == CLIENT_OK ? h2_headers(c, 2 * n + 1, get, array_len(get), true) : end;
}

static enum client_end
flood_length_overrun(struct client *c, uint32_t n)
{
    static const struct h2_field fields[] = {PSEUDO("POST", "/"), H2_FIELD("content-length", "1")};
    enum client_end end = h2_headers(c, 2 * n + 1, fields, array_len(fields), false);

    return end == CLIENT_OK ? h2_data(c, 2 * n + 1, STR("xx"), false) : end;
}

static enum client_end
flood_dependent_on_itself(struct client *c, uint32_t n)
{
    uint8_t payload[5] = {0, 0, (uint8_t)((2 * n + 1) >> 8), (uint8_t)(2 * n + 1), 1};
    enum client_end end = h2_headers(c, 2 * n + 1, get, array_len(get), true);

    return end == CLIENT_OK ? frame(c, H2_PRIORITY, 0, 2 * n + 1, str_make(payload, 5)) : end;
}

/* Refused by HTTP/2's own rules: one is enough to end the connection. */

static enum client_end
flood_reset_of_idle(struct client *c, uint32_t n GW_UNUSED)
{
    return h2_rst(c, 1, 8);
}

static enum client_end
flood_continuation_alone(struct client *c, uint32_t n GW_UNUSED)
{
    return frame(c, H2_CONTINUATION, 0, 1, STR("x"));
}

static enum client_end
flood_push(struct client *c, uint32_t n GW_UNUSED)
{
    return frame(c, H2_PUSH_PROMISE, H2_FLAG_END_HEADERS, 1, STR("\0\0\0\x02"));
}

struct flood {
    const char *name;
    flood_fn send;
    int64_t goaway; /* -1: any, or a close without one */
};

static const struct flood floods[] = {
    {"PING", flood_ping, -1},
    {"SETTINGS", flood_settings, -1},
    {"SETTINGS entries", flood_settings_entries, -1},
    {"PRIORITY", flood_priority, CODE_CALM},
    {"empty DATA", flood_empty_data, CODE_CALM},
    {"rapid reset", flood_rapid_reset, CODE_CALM},
    {"rapid reset of bodies", flood_rapid_reset_of_bodies, CODE_CALM},
    {"malformed heads", flood_malformed, -1},
    {"refused heads", flood_refused, CODE_CALM},
    {"window update of zero", flood_window_of_zero, -1},
    {"window overflow", flood_window_overflow, -1},
    {"DATA after the end", flood_data_after_end, -1},
    {"HEADERS after the end", flood_headers_after_end, -1},
    {"longer than content-length", flood_length_overrun, -1},
    {"dependent on itself", flood_dependent_on_itself, -1},
    {"RST_STREAM of an idle stream", flood_reset_of_idle, 1},
    {"CONTINUATION alone", flood_continuation_alone, 1},
    {"PUSH_PROMISE", flood_push, 1},
};

static void
flood_run(struct world *w, const struct flood *flood)
{
    struct client *c = world_h2(w, WORLD_VERIFY);
    struct outcome o = {.goaway = -1};
    uint64_t cpu = cpu_us(w);
    int64_t began = now_ms();
    size_t requests;

    origin_forget(w->origin);
    client_set_timeout(c, 2000);
    while (o.sent < FLOOD_FRAMES && flood->send(c, (uint32_t)o.sent) == CLIENT_OK)
        o.sent++;
    outcome_read(c, &o);
    o.ms = (int)(now_ms() - began);
    client_close(c);
    assert_true(origin_wait_idle(w->origin, 5000));
    requests = origin_conn_count(w->origin);
    cpu = cpu_us(w) - cpu;
    print_message("%-30s closed in %4d ms, GOAWAY %2d, %4zu origin connections, %5.1f ms of CPU\n",
                  flood->name, o.ms, (int)o.goaway, requests, (double)cpu / 1000);
    assert_true(o.has_ended);
    assert_true(o.ms < 2500);
    assert_true(flood->goaway < 0 || o.goaway == flood->goaway);
    assert_true(requests <= 200);
    assert_still_serving(w);
}

static void
every_flood_ends_with_its_connection(void **state)
{
    static const struct origin_step steps[] = {ORIGIN_READ_HEAD, ORIGIN_HOLD};
    struct world *w = *state;

    world_set_steps(w, STEPS(steps));
    for (size_t i = 0; i < array_len(floods); i++)
        flood_run(w, &floods[i]);
}

/* ---- header blocks ---- */

/* HEADERS without END_HEADERS and up to `count` CONTINUATION frames of `fill`. */
static enum client_end
send_block(struct client *c, uint32_t stream, struct str first, struct str fill, size_t count)
{
    enum client_end end = frame(c, H2_HEADERS, H2_FLAG_END_STREAM, stream, first);

    for (size_t i = 0; i < count && end == CLIENT_OK; i++)
        end = frame(c, H2_CONTINUATION, i + 1 == count ? H2_FLAG_END_HEADERS : 0, stream, fill);
    return end;
}

static void
report_growth(const char *what, size_t sent, uint64_t kib)
{
    print_message("%s: %zu KiB sent, %llu KiB more memory\n", what, sent / 1024,
                  (unsigned long long)kib);
    if (!world_is_sanitized())
        assert_true(kib < 8 * 1024);
}

/* One byte a field: "accept-encoding: gzip, deflate" by its index, or a 4000-byte field of the
 * dynamic table, 131072 times a request. */
static void
indexed_fields_are_counted_before_they_are_stored(void **state)
{
    static const struct h2_field pseudo[] = {PSEUDO("GET", "/")};
    struct world *w = *state;
    struct bytes ones = {0};

    for (int kind = 0; kind < 2; kind++) {
        uint64_t before = world_rss_kib(w);
        size_t sent = 0;

        ones.len = 0;
        while (ones.len < FRAME_MAX)
            bytes_add(&ones, kind == 0 ? "\x90" : "\xbe", 1);
        for (int conn = 0; conn < 10; conn++) {
            struct client *c = world_h2(w, WORLD_VERIFY);
            struct outcome o = {.goaway = -1};
            struct bytes block = {0};

            h2_encode(&block, pseudo, array_len(pseudo));
            if (kind == 1) {
                bytes_add(&block, "\x40\x01x\x7f\xa1\x1e", 6); /* x: 4000 bytes, indexed */
                while (block.len < 4000)
                    bytes_puts(&block, "vvvvvvvv");
                while (block.len < 4100)
                    bytes_puts(&block, "v");
            }
            for (uint32_t id = 1; id < 40; id += 2) {
                if (send_block(c, id, bytes_str(&block), bytes_str(&ones), CONTINUATIONS) !=
                    CLIENT_OK)
                    break;
                sent += block.len + CONTINUATIONS * ones.len;
            }
            outcome_read(c, &o);
            assert_true(o.has_ended);
            bytes_free(&block);
            client_close(c);
        }
        report_growth(kind == 0 ? "static table" : "dynamic table", sent,
                      world_rss_kib(w) - before);
    }
    bytes_free(&ones);
    assert_int_equal(origin_conn_count(w->origin), 0);
    assert_still_serving(w);
}

static void
blocks_without_an_end_are_cut(void **state)
{
    static const struct h2_field pseudo[] = {PSEUDO("GET", "/")};
    struct world *w = *state;
    uint64_t before = world_rss_kib(w);
    struct bytes first = {0};
    size_t sent = 0;

    h2_encode(&first, pseudo, array_len(pseudo));
    for (size_t size = 0; size <= 1024; size += 256) {
        struct client *c = world_h2(w, WORLD_VERIFY);
        struct outcome o = {.goaway = -1};
        struct bytes fill = {0};
        int64_t began = now_ms();

        while (fill.len < size)
            bytes_add(&fill, "\0\x01xz", 1); /* never a whole field */
        client_set_timeout(c, 2000);
        while (o.sent < FLOOD_FRAMES &&
               (o.sent == 0 ? frame(c, H2_HEADERS, H2_FLAG_END_STREAM, 1, bytes_str(&first))
                            : frame(c, H2_CONTINUATION, 0, 1, bytes_str(&fill))) == CLIENT_OK)
            o.sent++;
        sent += o.sent * (9 + size);
        outcome_read(c, &o);
        assert_true(o.has_ended);
        assert_true(now_ms() - began < 2500);
        bytes_free(&fill);
        client_close(c);
    }
    bytes_free(&first);
    report_growth("CONTINUATION flood", sent, world_rss_kib(w) - before);
    assert_int_equal(origin_conn_count(w->origin), 0);
    assert_still_serving(w);
}

/* ---- frames that nobody may be punished for ---- */

/* Window updates and unknown frames are legal in any number; they only may not cost much. */
static void
legal_frames_are_cheap(void **state)
{
    struct world *w = *state;

    for (int kind = 0; kind < 2; kind++) {
        struct client *c = world_h2(w, WORLD_FIXED);
        uint64_t cpu = cpu_us(w);
        struct h2_response r;

        for (uint32_t i = 0; i < 5 * FLOOD_FRAMES; i++) {
            if (kind == 0)
                assert_int_equal(h2_window_update(c, 0, 1), CLIENT_OK);
            else
                assert_int_equal(frame(c, 0x77, 0, 0, STR("x")), CLIENT_OK);
        }
        h2_get(c, 1, "localhost", "/");
        r = h2_response(c, 1);
        assert_int_equal(r.status, 200);
        h2_response_free(&r);
        cpu = cpu_us(w) - cpu;
        print_message("%d %s: %.2f us of CPU each\n", 5 * FLOOD_FRAMES,
                      kind == 0 ? "window updates" : "unknown frames",
                      (double)cpu / (5 * FLOOD_FRAMES));
        client_close(c);
    }
}

/* ---- one client cannot have another's identity ---- */

static void
identities_do_not_mix(void **state)
{
    enum { CLIENTS = 6, ROUNDS = 30 };
    struct world *w = *state;
    struct client *clients[CLIENTS];
    struct pki_cert *certs[CLIENTS];
    struct bytes seen;
    struct str rest;
    struct oracle_request r;
    size_t requests = 0;

    for (size_t i = 0; i < CLIENTS; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "client%zu", i);
        certs[i] = pki_client(w->ca, name);
        clients[i] = client_open(&(struct client_spec){
            .port = gateway_port(w->g, WORLD_VERIFY), .alpn = "h2", .cert = certs[i]});
        h2_start(clients[i], STR(""));
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < CLIENTS; i++) {
            char path[32];

            (void)snprintf(path, sizeof(path), "/CN=client%zu", i);
            h2_get(clients[i], 2 * round + 1, "localhost", path);
            if ((round + i) % 7 == 3)
                h2_rst(clients[i], 2 * round + 1, 8);
        }
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        struct h2_response last;

        h2_get(clients[i], 2 * ROUNDS + 1, "localhost", "/last");
        last = h2_response(clients[i], 2 * ROUNDS + 1);
        assert_int_equal(last.status, 200);
        h2_response_free(&last);
    }
    for (size_t n = 0; n < origin_conn_count(w->origin); n++) {
        seen = origin_received(w->origin, n);
        rest = bytes_str(&seen);
        while (oracle_next(&rest, &r) == 1) {
            struct str subject;

            assert_int_equal(oracle_count(&r, "x-amzn-mtls-clientcert-subject", &subject), 1);
            if (!str_eq(r.target, STR("/last")))
                assert_str_equal(subject, str_sub(r.target, 1, r.target.len));
            requests++;
            bytes_free(&r.body);
        }
        assert_int_equal(rest.len, 0);
        bytes_free(&seen);
    }
    print_message("%zu requests of %d clients, each with its own identity\n", requests, CLIENTS);
    for (size_t i = 0; i < CLIENTS; i++) {
        client_close(clients[i]);
        pki_free(certs[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(every_flood_ends_with_its_connection),
        world_test(indexed_fields_are_counted_before_they_are_stored),
        world_test(blocks_without_an_end_are_cut),
        world_test(legal_frames_are_cheap),
        world_test(identities_do_not_mix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
