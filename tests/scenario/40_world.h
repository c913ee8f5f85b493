/* SPDX-License-Identifier: Apache-2.0
 *
 * The world of the HTTP scenarios: a gateway with one listener per way of asking for client
 * certificates, and an oracle origin behind all of them.
 *
 *   struct world *w = world_new(NULL);
 *   struct client *c = world_h1(w, WORLD_VERIFY);
 *   ...
 *   assert_int_equal(world_done(w), 0);
 */
#ifndef SCENARIO_WORLD_H
#define SCENARIO_WORLD_H

#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/client.h"
#include "support/gateway.h"
#include "support/origin.h"

enum world_listener { WORLD_VERIFY = 1, WORLD_PASSTHROUGH, WORLD_OPTIONAL, WORLD_FIXED };

struct world {
    struct gateway *g;
    struct origin *origin;
    char *dir;
    struct pki_cert *root;
    struct pki_cert *ca;
    struct pki_cert *server;
    struct pki_cert *client;
    char port[8];
    const char *vars[8];
};

#define WORLD_LISTENER(name, port, mutual)                                     \
    "  - name: " name "\n"                                                     \
    "    bind: 127.0.0.1:@" port "@\n"                                         \
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n" \
    "    mutual_authentication: {" mutual "}\n"                                \
    "    attributes: {idle_timeout.timeout_seconds: @IDLE@}\n"

#define WORLD_HEAD                                                       \
    "workers: 2\n"                                                       \
    "admin: {bind: \"127.0.0.1:@ADMIN@\", socket: admin.sock}\n"         \
    "logging: {level: info, access: {path: access.log, format: json}}\n" \
    "trust_stores:\n"                                                    \
    "  clients: {ca_bundle: ca.pem}\n"

#define WORLD_FORWARD "    default_action: {forward: api}\n"

static const char world_yaml[] = WORLD_HEAD
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "listeners:\n" WORLD_LISTENER("verify", "PORT", "mode: verify, trust_store: clients")
        WORLD_FORWARD WORLD_LISTENER("passthrough", "PORT2", "mode: passthrough")
            WORLD_FORWARD WORLD_LISTENER("optional", "PORT3",
                                         "mode: optional, trust_store: clients")
                WORLD_FORWARD WORLD_LISTENER(
                    "fixed", "PORT4",
                    "mode: verify, trust_store: clients") "    default_action: {fixed_response: "
                                                          "{status: 200, content_type: text/plain, "
                                                          "body: here}}\n";

struct world_spec {
    const char *yaml; /* world_yaml when NULL */
    const char *idle; /* seconds; "5" when NULL */
    unsigned nofile;
    const struct origin_spec *origin;
    uint16_t origin_port;               /* instead of an oracle: some other server's */
    const struct pki_cert *upstream_ca; /* becomes upstream-ca.pem */
};

/* Certificates of the clients and of the gateway, in w->dir. */
static inline void
world_make_pki(struct world *w)
{
    char *path;

    w->root = pki_root("Scenario Root");
    w->ca = pki_intermediate(w->root, "Scenario CA");
    w->server = pki_server(w->root, "localhost,127.0.0.1,api.example.test");
    w->client = pki_client(w->ca, "alice");
    pki_write_pair(w->dir, "server", w->server);
    path = xformat("%s/ca.pem", w->dir);
    pki_write_certs(path, w->root, w->ca, NULL);
    free(path);
}

static inline struct world *
world_new(const struct world_spec *spec)
{
    static const struct world_spec plain = {.yaml = NULL};
    static const struct origin_spec plain_origin = {.steps = NULL};
    struct world *w = xcalloc(1, sizeof(*w));

    spec = spec != NULL ? spec : &plain;
    w->dir = gateway_dir_new();
    world_make_pki(w);
    if (spec->upstream_ca != NULL) {
        char *path = xformat("%s/upstream-ca.pem", w->dir);

        pki_write_certs(path, spec->upstream_ca, NULL);
        free(path);
    }
    if (spec->origin_port == 0)
        w->origin = origin_start(spec->origin != NULL ? spec->origin : &plain_origin);
    (void)snprintf(w->port, sizeof(w->port), "%u",
                   spec->origin_port != 0 ? spec->origin_port : origin_port(w->origin));
    w->vars[0] = "ORIGIN";
    w->vars[1] = w->port;
    w->vars[2] = "IDLE";
    w->vars[3] = spec->idle != NULL ? spec->idle : "5";
    w->g =
        gateway_start(&(struct gateway_spec){.yaml = spec->yaml != NULL ? spec->yaml : world_yaml,
                                             .vars = w->vars,
                                             .dir = w->dir,
                                             .nofile = spec->nofile});
    return w;
}

/* Exit status of the gateway; what it said is printed when that is not 0. */
static inline int
world_done(struct world *w)
{
    bool was_running = proc_is_running(gateway_proc(w->g));
    struct bytes diag;
    int status;

    /* A pooled connection that is waited for would keep the origin from ending. */
    origin_stop(w->origin);
    proc_signal(gateway_proc(w->g), 15);
    (void)proc_wait(gateway_proc(w->g), 40000);
    diag = gateway_diag(w->g);
    status = gateway_stop(w->g);
    if (status != 0 || !was_running)
        print_error("gateway ended with %d:\n%.*s\n", status, STR_ARG(bytes_str(&diag)));
    bytes_free(&diag);
    pki_free(w->client);
    pki_free(w->server);
    pki_free(w->ca);
    pki_free(w->root);
    free(w->dir);
    free(w);
    return was_running ? status : -1;
}

static inline int
world_setup(void **state)
{
    *state = world_new(NULL);
    return 0;
}

static inline int
world_teardown(void **state)
{
    return world_done(*state) == 0 ? 0 : -1;
}

#define world_test(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

/* Passthrough and verify with a certificate, optional without. */
static inline struct client *
world_client(struct world *w, enum world_listener listener, const char *alpn)
{
    struct client *c =
        client_open(&(struct client_spec){.port = gateway_port(w->g, (int)listener),
                                          .alpn = alpn,
                                          .cert = listener == WORLD_OPTIONAL ? NULL : w->client});

    if (client_state(c) != CLIENT_OK)
        print_error("client: %s\n", client_error(c));
    assert_int_equal(client_state(c), CLIENT_OK);
    return c;
}

static inline struct client *
world_h1(struct world *w, enum world_listener listener)
{
    return world_client(w, listener, "http/1.1");
}

/* With preface and empty SETTINGS sent. */
static inline struct client *
world_h2(struct world *w, enum world_listener listener)
{
    struct client *c = world_client(w, listener, "h2");

    assert_string_equal(client_alpn(c), "h2");
    assert_int_equal(h2_start(c, STR("")), CLIENT_OK);
    return c;
}

static inline void
world_set_steps(struct world *w, const struct origin_step *steps, size_t count)
{
    origin_set_steps(w->origin, steps, count);
}

/* Sends the text on a connection of its own; the status, 0 when there was no response. */
static inline int
world_status(struct world *w, enum world_listener listener, struct str request)
{
    struct client *c = world_h1(w, listener);
    struct response r;
    int status;

    (void)client_send(c, request.ptr, request.len);
    r = client_response(c, false);
    status = r.status;
    response_free(&r);
    client_close(c);
    return status;
}

/* The response is ALB's page for its status and says so by its length. */
static inline void
assert_own_page(const struct response *r, int status)
{
    char title[64];

    assert_int_equal(r->status, status);
    assert_true(r->complete);
    (void)snprintf(title, sizeof(title), "<head><title>%d ", status);
    assert_non_null(find_bytes(r->body.ptr, r->body.len, title, strlen(title)));
    assert_str_equal(response_field(r, "server"), STR("awselb/2.0"));
    assert_str_equal(response_field(r, "content-type"), STR("text/html"));
}

/* Sanitizers take memory and time of their own, so figures of memory mean nothing there. */
static inline bool
world_is_sanitized(void)
{
    return strstr(program_path("sallyport"), "san/") != NULL;
}

static inline uint64_t
world_rss_kib(struct world *w)
{
    struct proc_usage usage = {0};

    (void)proc_usage(gateway_proc(w->g), &usage);
    return usage.rss_kib;
}

#define STEPS(array) (array), array_len(array)

#endif
