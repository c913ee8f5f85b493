/* SPDX-License-Identifier: Apache-2.0
 *
 * What the scenarios about certificates share: a folder with a small PKI, an oracle origin,
 * and looking things up in logs and metrics.
 */
#ifndef SCENARIO_FRONT_H
#define SCENARIO_FRONT_H

#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/client.h"
#include "support/gateway.h"
#include "support/json_check.h"
#include "support/origin.h"
#include "support/pki.h"

struct front {
    char *dir;
    struct pki_cert *root;
    struct pki_cert *ca; /* issues clients; in the bundle, like root */
    struct pki_cert *server;
    struct pki_cert *alice;
    struct origin *origin;
    char origin_port[8];
    const char *vars[24]; /* ORIGIN first; more by front_var */
    struct gateway *g;
};

/* DIR/NAME, valid until the eighth next call. */
static inline const char *
front_path(const struct front *f, const char *name)
{
    static char paths[8][512];
    static unsigned n;
    char *path = paths[n++ % array_len(paths)];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", f->dir, name);
    return path;
}

static inline void
front_var(struct front *f, const char *name, const char *value)
{
    size_t i = 0;

    while (f->vars[i] != NULL && strcmp(f->vars[i], name) != 0)
        i += 2;
    assert_true(i + 2 < array_len(f->vars));
    f->vars[i] = name;
    f->vars[i + 1] = value;
}

/* One more list behind those that DIR/NAME has. */
static inline void
front_add_list(const struct front *f, const char *name, const struct pki_cert *issuer,
               const struct pki_crl_spec *spec)
{
    struct bytes text = {0};
    struct bytes pem = pki_crl_pem(spec, issuer);

    if (file_exists(front_path(f, name)))
        text = file_slurp(front_path(f, name));
    bytes_add(&text, pem.ptr, pem.len);
    file_spill(front_path(f, name), text.ptr, text.len, 0644);
    bytes_free(&text);
    bytes_free(&pem);
}

/* DIR/NAME becomes a list of the root, which is empty, and one of the CA that revokes one
 * certificate or, with NULL, none. */
static inline void
front_write_lists(const struct front *f, const char *name, uint64_t number,
                  const struct pki_cert *revoked)
{
    const struct pki_crl_entry entry = {.cert = revoked, .reason = PKI_REASON_KEY_COMPROMISE};

    (void)remove(front_path(f, name));
    front_add_list(f, name, f->root, &(struct pki_crl_spec){.number = number});
    front_add_list(f, name, f->ca,
                   &(struct pki_crl_spec){
                       .number = number, .entries = &entry, .entry_count = revoked != NULL});
}

/* Certificates: ca.pem (root and CA), server.pem, lists.pem with nobody on it. */
static inline struct front *
front_new(const struct origin_spec *origin)
{
    static const struct origin_spec plain = {.steps = NULL};
    struct front *f = xcalloc(1, sizeof(*f));

    f->dir = gateway_dir_new();
    f->root = pki_root("Front Root");
    f->ca = pki_intermediate(f->root, "Front CA");
    f->server = pki_server(f->root, "localhost,127.0.0.1,api.example.test");
    f->alice = pki_client(f->ca, "alice");
    pki_write_certs(front_path(f, "ca.pem"), f->root, f->ca, NULL);
    pki_write_pair(f->dir, "server", f->server);
    front_write_lists(f, "lists.pem", 1, NULL);
    f->origin = origin_start(origin != NULL ? origin : &plain);
    (void)snprintf(f->origin_port, sizeof(f->origin_port), "%u", origin_port(f->origin));
    front_var(f, "ORIGIN", f->origin_port);
    return f;
}

static inline void
front_start(struct front *f, const char *yaml)
{
    f->g = gateway_start(&(struct gateway_spec){.yaml = yaml, .vars = f->vars, .dir = f->dir});
}

/* Exit status of the gateway, -1 when it was not running any more; the diagnostic log is printed
 * when that is not 0. */
static inline int
front_done(struct front *f)
{
    bool was_running = proc_is_running(gateway_proc(f->g));
    struct bytes diag;
    int status;

    origin_stop(f->origin);
    proc_signal(gateway_proc(f->g), 15);
    (void)proc_wait(gateway_proc(f->g), 40000);
    diag = gateway_diag(f->g);
    status = gateway_stop(f->g);
    if (status != 0 || !was_running)
        print_error("gateway ended with %d:\n%.*s\n", status, STR_ARG(bytes_str(&diag)));
    bytes_free(&diag);
    pki_free(f->alice);
    pki_free(f->server);
    pki_free(f->ca);
    pki_free(f->root);
    free(f->dir);
    free(f);
    return was_running ? status : -1;
}

/* From here on this program is the release one, for what is measured; NAME_BIN in the environment
 * goes before what the build names. */
static inline void
front_use_release(const char *name, const char *variable)
{
    const char *folder = getenv("BUILD");
    char *path = xformat("%s/%s", folder != NULL ? folder : "build", name);
    char *whole = realpath(path, NULL);

    if (whole == NULL)
        die("%s is wanted", path);
    setenv(variable, whole, 1);
    free(whole);
    free(path);
}

/* Sanitizers take time and memory of their own. */
static inline bool
front_is_sanitized(void)
{
    return strstr(program_path("sallyport"), "san/") != NULL;
}

static inline bool
front_is_long(void)
{
    const char *text = getenv("SALLYPORT_LONG");

    return text != NULL && strcmp(text, "1") == 0;
}

/* Value of the metric, labels included in the name; -1 when there is none. */
static inline int64_t
front_metric(const struct front *f, const char *name)
{
    struct bytes page = {0};
    char *line = xformat("\n%s ", name);
    const char *at;
    int64_t value = -1;

    assert_int_equal(gateway_admin_get(f->g, "/metrics", &page), 200);
    at = strstr(page.ptr, line);
    if (at != NULL)
        value = strtoll(at + strlen(line), NULL, 10);
    bytes_free(&page);
    free(line);
    return value;
}

/* The last line of DIR/NAME that contains text, without its newline, within the time; empty when
 * there is none. The caller frees it. */
static inline struct bytes
front_line(const struct front *f, const char *name, const char *text)
{
    struct bytes line = {0};
    struct bytes log;
    const char *at = NULL;
    const char *next;

    if (!gateway_wait_log(f->g, name, text, 5000))
        return line;
    log = gateway_log(f->g, name);
    for (next = strstr(log.ptr, text); next != NULL; next = strstr(next + 1, text))
        at = next;
    while (at > log.ptr && at[-1] != '\n')
        at--;
    bytes_add(&line, at, strcspn(at, "\n"));
    bytes_free(&log);
    return line;
}

/* What the gateway said on standard error since the mark; the caller frees it. */
static inline size_t
front_diag_mark(const struct front *f)
{
    struct bytes all = gateway_diag(f->g);
    size_t len = all.len;

    bytes_free(&all);
    return len;
}

static inline struct bytes
front_diag_since(const struct front *f, size_t mark)
{
    struct bytes all = gateway_diag(f->g);
    struct bytes rest = {0};

    bytes_add(&rest, all.ptr + mark, all.len - mark);
    bytes_free(&all);
    return rest;
}

static inline struct client *
front_open(const struct front *f, int port, const struct pki_cert *cert, const char *alpn)
{
    return client_open(
        &(struct client_spec){.port = gateway_port(f->g, port), .cert = cert, .alpn = alpn});
}

/* Status of one GET on a connection of its own; 0 without an answer. */
static inline int
front_get(const struct front *f, int port, const struct pki_cert *cert)
{
    struct client *c = front_open(f, port, cert, "http/1.1");
    struct response r = client_get(c, "localhost", "/");
    int status = r.status;

    response_free(&r);
    client_close(c);
    return status;
}

#endif
