/* SPDX-License-Identifier: Apache-2.0
 *
 * execute-api: the emulator's options, sockets, threads and signals. TERM and INT end it
 * with 0. What it answers is in api.c.
 */
#include "emulator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, BACKLOG = 4096, ADDRESS_MAX = 64 };

static const char usage_text[] =
    "usage: execute-api [--listen ADDR:PORT] --cert PEM --key PEM | --plain\n"
    "                   [--client-ca PEM] [--api-id ID] [--region REGION] [--domain NAME]\n"
    "                   [--vpce ID] [--require-vpce ID] [--no-payload-limit]\n"
    "                   [--header-limit BYTES] [--workers N] [--access-log FILE]\n"
    "Answers as a private REST API behind its VPC endpoint: GET /widgets, any /echo, /ping,\n"
    "/sping, and for tests GET /bytes/N, any /sink, any /status/N.\n";

static uint64_t
number_of(const char *text)
{
    char *end = NULL;
    unsigned long long n;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-') {
        fprintf(stderr, "execute-api: \"%s\" is not a number\n", text);
        exit(EXIT_USAGE);
    }
    return n;
}

static bool
option_use(struct em_options *o, int c, const char *value)
{
    switch (c) {
    case 'l':
        o->listen = value;
        return true;
    case 'c':
        o->cert = value;
        return true;
    case 'k':
        o->key = value;
        return true;
    case 'C':
        o->client_ca = value;
        return true;
    case 'p':
        o->plain = true;
        return true;
    case 'a':
        o->api_id = value;
        return true;
    case 'r':
        o->region = value;
        return true;
    case 'd':
        o->domain = value;
        return true;
    case 'v':
        o->vpce = value;
        return true;
    case 'V':
        o->require_vpce = value;
        return true;
    case 'n':
        o->no_payload_limit = true;
        return true;
    case 'H':
        o->header_limit = number_of(value);
        return true;
    case 'w':
        o->workers = (int)size_min(number_of(value), EM_WORKERS_MAX);
        return o->workers > 0;
    case 'L':
        o->access_log = value;
        return true;
    default:
        return false;
    }
}

static bool
options_read(int argc, char **argv, struct em_options *o)
{
    static const struct option table[] = {
        {"listen", required_argument, NULL, 'l'},
        {"cert", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'},
        {"client-ca", required_argument, NULL, 'C'},
        {"plain", no_argument, NULL, 'p'},
        {"api-id", required_argument, NULL, 'a'},
        {"region", required_argument, NULL, 'r'},
        {"domain", required_argument, NULL, 'd'},
        {"vpce", required_argument, NULL, 'v'},
        {"require-vpce", required_argument, NULL, 'V'},
        {"no-payload-limit", no_argument, NULL, 'n'},
        {"header-limit", required_argument, NULL, 'H'},
        {"workers", required_argument, NULL, 'w'},
        {"access-log", required_argument, NULL, 'L'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1)
        if (!option_use(o, c, optarg))
            return false;
    return optind == argc && (o->plain || (o->cert && o->key));
}

static int
alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
            unsigned int in_len, void *arg)
{
    static const unsigned char http1[] = "\x08http/1.1";

    (void)ssl;
    (void)arg;
    for (unsigned int at = 0; at < in_len; at += in[at] + 1u) {
        if (in[at] == 8 && at + 9 <= in_len && memcmp(in + at, http1, 9) == 0) {
            *out = http1 + 1;
            *out_len = 8;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

static SSL_CTX *
tls_make(const struct em_options *o)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
        die("cannot set up TLS");
    if (SSL_CTX_use_certificate_chain_file(ctx, o->cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, o->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        die("%s, %s: %s", o->cert, o->key, ERR_reason_error_string(ERR_peek_error()));
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(ctx, alpn_select, NULL);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"execute-api", 11);
    if (o->client_ca) {
        if (SSL_CTX_load_verify_locations(ctx, o->client_ca, NULL) != 1)
            die("%s: %s", o->client_ca, ERR_reason_error_string(ERR_peek_error()));
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return ctx;
}

/* "127.0.0.1:9443" or "[::1]:0". */
static struct addrinfo *
address_parse(const char *text)
{
    char host[ADDRESS_MAX];
    const char *colon = strrchr(text, ':');
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    size_t len = colon ? (size_t)(colon - text) : 0;

    if (len > 1 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (!colon || len == 0 || len >= sizeof(host))
        die("--listen wants ADDR:PORT, not \"%s\"", text);
    memcpy(host, text, len);
    host[len] = '\0';
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        die("--listen wants a numeric ADDR:PORT, not \"%s\"", text);
    return found;
}

static int
listen_on(const struct addrinfo *where, const char *text, bool shared_port)
{
    int fd = socket(where->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0)
        die("socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (shared_port)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (bind(fd, where->ai_addr, where->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        die("cannot listen on %s: %s", text, strerror(errno));
    return fd;
}

/* Workers share one port; with port 0 the first one picks it. */
static void
listen_all(struct em_worker *workers, int count, const char *text)
{
    struct addrinfo *where = address_parse(text);
    char host[ADDRESS_MAX];
    char port[16];

    for (int i = 0; i < count; i++) {
        workers[i].listen_fd = listen_on(where, text, count > 1);
        if (i == 0)
            getsockname(workers[0].listen_fd, where->ai_addr, &where->ai_addrlen);
    }
    getnameinfo(where->ai_addr, where->ai_addrlen, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    printf(strchr(host, ':') ? "execute-api: ready [%s]:%s\n" : "execute-api: ready %s:%s\n", host,
           port);
    fflush(stdout);
    freeaddrinfo(where);
}

static void
shared_init(struct em_shared *s)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct rlimit files;

    for (size_t i = 0; i < sizeof(s->pattern); i++)
        s->pattern[i] = alphabet[i % 64];
    s->ctx = s->opt.plain ? NULL : tls_make(&s->opt);
    s->stop_fd = eventfd(0, EFD_CLOEXEC);
    s->log_fd = -1;
    if (s->opt.access_log) {
        s->log_fd = open(s->opt.access_log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (s->log_fd < 0)
            die("%s: %s", s->opt.access_log, strerror(errno));
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static void
serve(struct em_shared *s)
{
    struct em_worker *workers = xcalloc((size_t)s->opt.workers, sizeof(*workers));
    uint64_t one = 1;
    sigset_t ends;
    int signo;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    listen_all(workers, s->opt.workers, s->opt.listen);
    for (int i = 0; i < s->opt.workers; i++) {
        workers[i].shared = s;
        if (pthread_create(&workers[i].thread, NULL, em_worker_run, &workers[i]) != 0)
            die("cannot start a thread");
    }
    sigwait(&ends, &signo);
    if (write(s->stop_fd, &one, sizeof(one)) < 0)
        die("cannot stop the workers");
    for (int i = 0; i < s->opt.workers; i++) {
        pthread_join(workers[i].thread, NULL);
        close(workers[i].listen_fd);
    }
    free(workers);
}

int
main(int argc, char **argv)
{
    struct em_shared *s = xcalloc(1, sizeof(*s));

    s->opt = (struct em_options){.listen = "127.0.0.1:9443",
                                 .api_id = "abc123",
                                 .region = "us-east-1",
                                 .vpce = "vpce-0a1b",
                                 .workers = 1};
    if (!options_read(argc, argv, &s->opt)) {
        fputs(usage_text, stderr);
        free(s);
        return EXIT_USAGE;
    }
    shared_init(s);
    serve(s);
    SSL_CTX_free(s->ctx);
    close(s->stop_fd);
    if (s->log_fd >= 0)
        close(s->log_fd);
    free(s);
    return 0;
}
