/* SPDX-License-Identifier: Apache-2.0
 *
 * The first thing that a newcomer does: the seven clients of `mkpki demo`, and none, each by
 * curl against verify and passthrough mode, in both TLS versions and both HTTP versions. What
 * curl then says must name the reason.
 */
#include "support/unit.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/gateway.h"
#include "support/proc.h"

#define WIDGET "{\"id\":\"1\",\"value\":\"4.99\"}"
#define LIMIT_MS 20000L

static const char config[] =
    "workers: 2\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\"}\n"
    "listeners:\n"
    "  - name: verify\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: demo}\n"
    "    default_action: {forward: execute-api}\n"
    "  - name: passthrough\n"
    "    bind: 127.0.0.1:@PORT2@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: passthrough}\n"
    "    default_action: {forward: execute-api}\n"
    "trust_stores:\n"
    "  demo: {ca_bundle: ca.pem, crls: [ca.crl.pem]}\n"
    "target_groups:\n"
    "  execute-api:\n"
    "    targets: [\"127.0.0.1:@API@\"]\n"
    "    host_header: abc123.execute-api.us-east-1.amazonaws.com\n"
    "    tls:\n"
    "      server_name: abc123.execute-api.us-east-1.amazonaws.com\n"
    "      ca_bundle: emulator-ca.pem\n";

enum listener { VERIFY = 1, PASSTHROUGH };

struct world {
    char *dir;
    struct proc *api;
    struct gateway *g;
};

static char *
in_dir(const struct world *w, const char *name, const char *suffix)
{
    return xformat("%s/%s%s", w->dir, name, suffix);
}

/* ---- the three programs, as `make run` starts them ---- */

static void
make_certificates(struct world *w)
{
    const char *argv[] = {program_path("mkpki"), "demo", w->dir, NULL};
    struct proc_result r = proc_run(&(struct proc_spec){.argv = argv}, 30000);

    assert_int_equal(r.status, 0);
    proc_result_free(&r);
}

static char *
start_api(struct world *w)
{
    char *cert = in_dir(w, "emulator", ".pem");
    char *key = in_dir(w, "emulator", ".key");
    const char *argv[] = {
        program_path("execute-api"), "--listen", "127.0.0.1:0", "--cert", cert, "--key", key, NULL};
    struct bytes out;
    char *port;

    w->api = proc_start(&(struct proc_spec){.argv = argv});
    assert_true(proc_wait_text(w->api, "execute-api: ready", 10000));
    out = proc_stdout(w->api);
    port = xformat("%lu", strtoul(strrchr(out.ptr, ':') + 1, NULL, 10));
    bytes_free(&out);
    free(cert);
    free(key);
    return port;
}

static int
setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    char *port;

    w->dir = gateway_dir_new();
    make_certificates(w);
    port = start_api(w);
    w->g = gateway_start(&(struct gateway_spec){
        .yaml = config, .dir = w->dir, .vars = (const char *const[]){"API", port, NULL}});
    free(port);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;
    int status = gateway_stop(w->g);
    int api_status = proc_stop(w->api, 10000);

    proc_free(w->api);
    free(w->dir);
    free(w);
    return status == 0 && api_status == 0 ? 0 : -1;
}

/* ---- curl ---- */

struct ask {
    enum listener listener;
    const char *client; /* NULL: no certificate */
    const char *path;
    long http;
    long tls;
};

struct answer {
    CURLcode code;
    char error[CURL_ERROR_SIZE];
    long status;
    long http;
    struct bytes body;
};

static size_t
keep(char *p, size_t size, size_t n, void *to)
{
    bytes_add(to, p, size * n);
    return size * n;
}

static void
set_certificate(CURL *curl, const struct world *w, const char *client)
{
    char *cert = in_dir(w, client, ".pem");
    char *key = in_dir(w, client, ".key");

    curl_easy_setopt(curl, CURLOPT_SSLCERT, cert);
    curl_easy_setopt(curl, CURLOPT_SSLKEY, key);
    free(cert);
    free(key);
}

static struct answer
ask(const struct world *w, struct ask q)
{
    struct answer a = {.code = CURLE_OK};
    CURL *curl = curl_easy_init();
    char *url = xformat("https://localhost:%u%s", gateway_port(w->g, (int)q.listener), q.path);
    char *ca = in_dir(w, "server-ca", ".pem");

    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, q.http);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, q.tls);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, LIMIT_MS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, a.error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &a.body);
    if (q.client != NULL)
        set_certificate(curl, w, q.client);
    a.code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a.status);
    curl_easy_getinfo(curl, CURLINFO_HTTP_VERSION, &a.http);
    curl_easy_cleanup(curl);
    free(url);
    free(ca);
    return a;
}

#define TLS_12_ONLY (CURL_SSLVERSION_TLSv1_2 | CURL_SSLVERSION_MAX_TLSv1_2)
#define TLS_13_ONLY (CURL_SSLVERSION_TLSv1_3 | CURL_SSLVERSION_MAX_TLSv1_3)

static const struct version {
    long http;
    long http_got;
    long tls;
    const char *name;
} versions[] = {
    {CURL_HTTP_VERSION_1_1, CURL_HTTP_VERSION_1_1, TLS_12_ONLY, "http/1.1 over TLS 1.2"},
    {CURL_HTTP_VERSION_1_1, CURL_HTTP_VERSION_1_1, TLS_13_ONLY, "http/1.1 over TLS 1.3"},
    {CURL_HTTP_VERSION_2TLS, CURL_HTTP_VERSION_2_0, TLS_12_ONLY, "h2 over TLS 1.2"},
    {CURL_HTTP_VERSION_2TLS, CURL_HTTP_VERSION_2_0, TLS_13_ONLY, "h2 over TLS 1.3"},
};

/* libcurl has words of its own for alert certificate_expired in the handshake, and error 60. */
#define CURL_EXPIRED "SSL certificate verification failed"

/* What the seven are, and what curl says of those that are turned away. */
static const struct demo {
    const char *client;
    const char *words_12; /* NULL: admitted */
    const char *words_13;
} demos[] = {
    {"client", NULL, NULL},
    {"client2", NULL, NULL},
    {"revoked", "alert certificate revoked", "alert certificate revoked"},
    {"expired", CURL_EXPIRED, "alert certificate expired"},
    {"not-yet-valid", CURL_EXPIRED, "alert certificate expired"},
    {"untrusted", "alert unknown ca", "alert unknown ca"},
    {"server-only", "alert unsupported certificate", "alert unsupported certificate"},
    {NULL, "alert handshake failure", "alert certificate required"},
};

static struct answer
ask_as(const struct world *w, enum listener listener, const struct demo *d, const struct version *v,
       const char *path)
{
    struct answer a = ask(w, (struct ask){listener, d->client, path, v->http, v->tls});

    print_message("%-13s %-21s: %d, %ld, %s\n", d->client != NULL ? d->client : "(none)", v->name,
                  (int)a.code, a.status, a.code == CURLE_OK ? a.body.ptr : a.error);
    return a;
}

static void
expect_served(const struct answer *a, const struct version *v)
{
    assert_int_equal(a->code, CURLE_OK);
    assert_int_equal(a->status, 200);
    assert_int_equal(a->http, v->http_got);
}

static void
expect_turned_away(const struct answer *a, const char *words)
{
    /* 35 in the handshake, 56 where the refusal comes after the client's side of it is done. */
    assert_true(a->code == CURLE_SSL_CONNECT_ERROR || a->code == CURLE_RECV_ERROR ||
                strcmp(words, CURL_EXPIRED) == 0);
    assert_int_equal(a->status, 0);
    assert_non_null(strstr(a->error, words));
}

/* ---- promises ---- */

static void
verify_mode_serves_the_good_and_names_why_it_does_not_serve_the_others(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < array_len(demos) * array_len(versions); i++) {
        const struct demo *d = &demos[i / array_len(versions)];
        const struct version *v = &versions[i % array_len(versions)];
        const char *words = v->tls == TLS_12_ONLY ? d->words_12 : d->words_13;
        struct answer a = ask_as(w, VERIFY, d, v, "/widgets");

        if (words == NULL) {
            expect_served(&a, v);
            assert_string_equal(a.body.ptr, WIDGET);
        } else {
            expect_turned_away(&a, words);
            assert_int_equal(a.body.len, 0);
        }
        bytes_free(&a.body);
    }
}

static void
passthrough_mode_serves_everybody_and_shows_the_certificate(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < array_len(demos) * array_len(versions); i++) {
        const struct demo *d = &demos[i / array_len(versions)];
        const struct version *v = &versions[i % array_len(versions)];
        struct answer a = ask_as(w, PASSTHROUGH, d, v, "/widgets");

        expect_served(&a, v);
        assert_string_equal(a.body.ptr, WIDGET);
        bytes_free(&a.body);
        a = ask(w, (struct ask){PASSTHROUGH, d->client, "/echo", v->http, v->tls});
        expect_served(&a, v);
        assert_int_equal(count_text(bytes_str(&a.body), "X-Amzn-Mtls-Clientcert\""),
                         d->client != NULL ? 1 : 0);
        assert_int_equal(count_text(bytes_str(&a.body), "X-Amzn-Mtls-"), d->client != NULL ? 1 : 0);
        bytes_free(&a.body);
    }
}

static void
the_api_is_told_which_client_it_was(void **state)
{
    static const char *const clients[] = {"client", "client2"};
    struct world *w = *state;

    for (size_t i = 0; i < array_len(clients) * array_len(versions); i++) {
        const struct version *v = &versions[i / array_len(clients)];
        const char *client = clients[i % array_len(clients)];
        struct answer a = ask(w, (struct ask){VERIFY, client, "/echo", v->http, v->tls});
        char *subject = xformat("\"CN=%s,OU=Partners,O=Sallyport Demo,C=US\"", client);

        expect_served(&a, v);
        assert_int_equal(count_text(bytes_str(&a.body), "X-Amzn-Mtls-Clientcert-Subject"), 1);
        assert_int_equal(count_text(bytes_str(&a.body), subject), 1);
        assert_int_equal(count_text(bytes_str(&a.body), "X-Amzn-Mtls-"), 5);
        bytes_free(&a.body);
        free(subject);
    }
}

/* The name in the certificate is what the client connects to, and no other passes. */
static void
curl_believes_the_gateway_only_under_its_name(void **state)
{
    struct world *w = *state;
    CURL *curl = curl_easy_init();
    char *ca = in_dir(w, "server-ca", ".pem");
    char *url = xformat("https://other.example.test:%u/", gateway_port(w->g, VERIFY));
    char *where = xformat("other.example.test:%u:127.0.0.1", gateway_port(w->g, VERIFY));
    struct curl_slist *names = curl_slist_append(NULL, where);

    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, LIMIT_MS);
    curl_easy_setopt(curl, CURLOPT_RESOLVE, names);
    set_certificate(curl, w, "client");
    assert_int_equal(curl_easy_perform(curl), CURLE_PEER_FAILED_VERIFICATION);
    curl_slist_free_all(names);
    curl_easy_cleanup(curl);
    free(ca);
    free(url);
    free(where);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verify_mode_serves_the_good_and_names_why_it_does_not_serve_the_others),
        cmocka_unit_test(passthrough_mode_serves_everybody_and_shows_the_certificate),
        cmocka_unit_test(the_api_is_told_which_client_it_was),
        cmocka_unit_test(curl_believes_the_gateway_only_under_its_name),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
