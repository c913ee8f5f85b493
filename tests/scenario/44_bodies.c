/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of any length, both ways, over both versions: they arrive as they were sent, the process
 * stays small whatever passes through it, and whoever is slow holds up the one at the other end
 * and nobody else. Runs the release program: sanitizers have memory of their own.
 */
#include "20_front.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/socket.h>

#define PROCESS_KIB_MAX (64 * 1024)

static const char yaml[] =
    "workers: 2\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\", socket: admin.sock}\n"
    "logging: {level: info}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: ca.pem, crls: [lists.pem]}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "  emulator: {protocol: http, targets: [\"127.0.0.1:@EMULATOR@\"],\n"
    "             host_header: abc123.execute-api.us-east-1.amazonaws.com}\n"
    "listeners:\n"
    "  - name: volume\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: clients}\n"
    "    default_action: {forward: emulator}\n"
    "  - name: paced\n"
    "    bind: 127.0.0.1:@PORT2@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: clients}\n"
    "    default_action: {forward: api}\n";

enum listener { VOLUME = 1, PACED };

static struct proc *emulator;

static int
setup(void **state)
{
    static char port[8];
    struct front *f = front_new(NULL);
    char *listen;
    const char *argv[] = {NULL, "--plain", "--no-payload-limit", "--listen", NULL, NULL};

    front_use_release("sallyport", "SALLYPORT_BIN");
    front_use_release("execute-api", "EXECUTE_API_BIN");
    front_use_release("loadgen", "LOADGEN_BIN");
    (void)snprintf(port, sizeof(port), "%u", port_free());
    listen = xformat("127.0.0.1:%s", port);
    argv[0] = program_path("execute-api");
    argv[4] = listen;
    emulator = proc_start(&(struct proc_spec){.argv = argv, .name = "execute-api"});
    assert_true(proc_wait_text(emulator, "execute-api: ready", 10000));
    free(listen);
    pki_write_pair(f->dir, "alice", f->alice);
    front_var(f, "EMULATOR", port);
    front_start(f, yaml);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    int status = front_done(*state);

    (void)proc_stop(emulator, 5000);
    proc_free(emulator);
    return status == 0 ? 0 : -1;
}

static uint64_t
peak_kib(const struct front *f)
{
    struct proc_usage usage;

    assert_true(proc_usage(gateway_proc(f->g), &usage));
    return usage.peak_rss_kib;
}

/* ---- volume ---- */

#define PART "67108864"
enum { PARTS = 4 };

/* PARTS bodies at once, each of its own connection (HTTP/1.1) or stream (HTTP/2). */
static void
pass(const struct front *f, const char *version, bool is_upload)
{
    char *url = xformat("https://localhost:%u/%s", gateway_port(f->g, VOLUME),
                        is_upload ? "sink" : "bytes/" PART);
    char *connect = xformat("127.0.0.1:%u", gateway_port(f->g, VOLUME));
    char *cert = xformat("%s/alice.pem", f->dir);
    char *key = xformat("%s/alice.key", f->dir);
    bool is_h2 = version[0] == '2';
    const char *argv[] = {program_path("loadgen"),
                          "--http",
                          version,
                          "--connections",
                          is_h2 ? "1" : "4",
                          "--streams",
                          is_h2 ? "4" : "1",
                          "--requests",
                          "4",
                          "--duration",
                          "120",
                          "--timeout",
                          "120000",
                          "--connect",
                          connect,
                          "--cert",
                          cert,
                          "--key",
                          key,
                          is_upload ? "--body" : url,
                          is_upload ? PART : NULL,
                          is_upload ? "--method" : NULL,
                          "POST",
                          url,
                          NULL};
    struct proc_result r;

    r = proc_run(&(struct proc_spec){.argv = argv, .name = "loadgen"}, 180000);
    if (r.status != 0 || strstr(r.out.ptr, "\"requests\":4,\"failed\":0") == NULL)
        fail_msg("HTTP/%s %s: %s%s", version, is_upload ? "up" : "down", r.out.ptr, r.err.ptr);
    print_message("# HTTP/%s, 256 MiB %s: the process has had %llu KiB at most\n", version,
                  is_upload ? "up" : "down", (unsigned long long)peak_kib(f));
    proc_result_free(&r);
    free(url);
    free(connect);
    free(cert);
    free(key);
}

static void
a_gigabyte_passes_through_a_small_process(void **state)
{
    struct front *f = *state;

    for (int i = 0; i < 4; i++)
        pass(f, i < 2 ? "1" : "2", i % 2 == 0);
    assert_true(peak_kib(f) < PROCESS_KIB_MAX);
}

/* ---- content ---- */

enum { FILE_BYTES = 24 * 1024 * 1024 + 7 };

static void
hex_of(struct str bytes, char hex[65])
{
    uint8_t digest[32];

    assert_int_equal(EVP_Digest(bytes.ptr, bytes.len, digest, NULL, EVP_sha256(), NULL), 1);
    str_hex_lower(hex, digest, 32);
    hex[64] = '\0';
}

static struct bytes
curl(const struct front *f, const char *version, const char *path, const char *upload)
{
    char *url = xformat("https://localhost:%u%s", gateway_port(f->g, VOLUME), path);
    char *data = xformat("@%s", upload);
    const char *argv[] = {"curl",
                          "-sSk",
                          "--cert",
                          front_path(f, "alice.pem"),
                          "--key",
                          front_path(f, "alice.key"),
                          version,
                          url,
                          upload[0] != '\0' ? "--data-binary" : NULL,
                          data,
                          "-H",
                          "Transfer-Encoding: chunked",
                          NULL};
    struct proc_result r;

    if (strcmp(version, "--http2") == 0)
        argv[10] = NULL;
    r = proc_run(&(struct proc_spec){.argv = argv, .name = "curl"}, 120000);
    if (r.status != 0)
        fail_msg("curl %s %s: %d, %s", version, path, r.status, r.err.ptr);
    free(url);
    free(data);
    bytes_free(&r.err);
    return r.out;
}

static void
bodies_arrive_as_they_were_sent(void **state)
{
    static const char *const versions[] = {"--http1.1", "--http2"};
    struct front *f = *state;
    struct bytes file = {0};
    uint32_t x = 1;
    char sent[65], digests[2][65];
    char *path = xformat("/bytes/%d", FILE_BYTES);

    for (size_t i = 0; i < FILE_BYTES; i += 4) {
        x = x * 1664525 + 1013904223;
        bytes_add(&file, &x, FILE_BYTES - i < 4 ? FILE_BYTES - i : 4);
    }
    hex_of(bytes_str(&file), sent);
    file_spill(front_path(f, "upload"), file.ptr, file.len, 0600);
    for (size_t i = 0; i < array_len(versions); i++) {
        struct bytes answer = curl(f, versions[i], "/echo", front_path(f, "upload"));

        if (strstr(answer.ptr, sent) == NULL)
            fail_msg("%s: %s is not in %s", versions[i], sent, answer.ptr);
        bytes_free(&answer);
        answer = curl(f, versions[i], path, "");
        assert_int_equal(answer.len, FILE_BYTES);
        hex_of(bytes_str(&answer), digests[i]);
        bytes_free(&answer);
    }
    assert_string_equal(digests[0], digests[1]);
    free(path);
    bytes_free(&file);
}

/* ---- back-pressure ---- */

/* Far more than the sockets of both sides hold. */
enum { LARGE = 32 * 1024 * 1024, HELD_MAX = 24 * 1024 * 1024, PIECE = 65536 };

static const struct origin_step slow_origin[] = {
    ORIGIN_READ_HEAD, ORIGIN_DELAY(3000), ORIGIN_READ_BYTES(LARGE),
    ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), ORIGIN_HOLD};
static const struct origin_step large_answer[] = {
    ORIGIN_READ_REQUEST, ORIGIN_SEND("HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\n\r\n"),
    ORIGIN_REPEAT("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", LARGE / 64),
    ORIGIN_HOLD};

static void
assert_others_are_served(const struct front *f)
{
    struct client *c = front_open(f, VOLUME, f->alice, "http/1.1");
    struct response r = client_get(c, "localhost", "/ping");

    assert_int_equal(r.status, 200);
    response_free(&r);
    client_close(c);
}

/* The origin does not read for a while: so the client cannot send. Then all arrives. */
static void
a_slow_origin_stops_the_client(void **state)
{
    struct front *f = *state;
    struct client *c = front_open(f, PACED, f->alice, "http/1.1");
    char *piece = xcalloc(1, PIECE);
    struct response r;
    size_t sent = 0, held = 0;
    int64_t began = now_ms();

    origin_set_steps(f->origin, slow_origin, array_len(slow_origin));
    assert_int_equal(client_puts(c, "POST /up HTTP/1.1\r\nHost: localhost\r\n"
                                    "Content-Length: 33554432\r\n\r\n"),
                     CLIENT_OK);
    client_set_timeout(c, 30000);
    while (sent < LARGE) {
        assert_int_equal(client_send(c, piece, PIECE), CLIENT_OK);
        sent += PIECE;
        if (now_ms() - began < 2500)
            held = sent;
    }
    r = client_response(c, false);
    assert_int_equal(r.status, 200);
    print_message("# before a slow origin the gateway and the sockets took %zu KiB\n", held / 1024);
    assert_true(held < HELD_MAX);
    assert_true(now_ms() - began >= 2500);
    assert_true(peak_kib(f) < PROCESS_KIB_MAX);
    response_free(&r);
    client_close(c);
    free(piece);
}

/* Clients that read nothing for a while: so the origin cannot send. Then all arrives. */
static void
slow_readers_cost_no_memory(void **state)
{
    enum { READERS = 20 };
    struct front *f = *state;
    struct client *readers[READERS];

    origin_set_steps(f->origin, large_answer, array_len(large_answer));
    for (int i = 0; i < READERS; i++) {
        readers[i] = client_open(&(struct client_spec){.port = gateway_port(f->g, PACED),
                                                       .cert = f->alice,
                                                       .alpn = i % 2 == 0 ? "http/1.1" : "h2",
                                                       .receive_buffer = 65536});
        assert_int_equal(client_state(readers[i]), CLIENT_OK);
        if (i % 2 == 0) {
            assert_int_equal(client_puts(readers[i], "GET / HTTP/1.1\r\nHost: h.test\r\n\r\n"),
                             CLIENT_OK);
        } else {
            assert_int_equal(h2_start(readers[i], STR("")), CLIENT_OK);
            assert_int_equal(h2_get(readers[i], 1, "h.test", "/"), CLIENT_OK);
        }
    }
    assert_true(origin_wait_requests(f->origin, READERS, 20000));
    sleep_ms(1500);
    assert_others_are_served(f);
    print_message("# with %d readers that wait, the process has had %llu KiB at most\n", READERS,
                  (unsigned long long)peak_kib(f));
    assert_true(peak_kib(f) < PROCESS_KIB_MAX);
    for (int i = 0; i < 2; i++) { /* one of each goes on, to the end */
        client_set_timeout(readers[i], 60000);
        if (i == 0) {
            struct response r = client_response(readers[i], false);

            assert_true(r.complete);
            assert_int_equal(r.body.len, LARGE);
            response_free(&r);
        } else {
            struct h2_response r = h2_response(readers[i], 1);

            assert_true(r.complete);
            assert_int_equal(r.body.len, LARGE);
            h2_response_free(&r);
        }
    }
    for (int i = 0; i < READERS; i++)
        client_close(readers[i]);
    assert_true(peak_kib(f) < PROCESS_KIB_MAX);
}

#define bodies_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        bodies_test(a_gigabyte_passes_through_a_small_process),
        bodies_test(bodies_arrive_as_they_were_sent),
        bodies_test(a_slow_origin_stops_the_client),
        bodies_test(slow_readers_cost_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
