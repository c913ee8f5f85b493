/* SPDX-License-Identifier: Apache-2.0
 *
 * Options of loadgen. What it does with them is in load.c.
 */
#include "loadgen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { EXIT_USAGE = 2, DURATION_DEFAULT_S = 10, TIMEOUT_DEFAULT_MS = 10000, CONNECTING_MAX = 64 };

static const char usage_text[] =
    "usage: loadgen [options] https://HOST:PORT/PATH\n"
    "  --connect ADDR:PORT   where to connect; HOST then only names (SNI and Host)\n"
    "  --sni NAME  --host NAME  --header 'Name: value'  --method M\n"
    "  --cert PEM --key PEM | --cert-dir DIR   client certificates, in turn\n"
    "  --ca PEM              verify the server\n"
    "  --http 1|2            --tls 1.2|1.3\n"
    "  --connections N       --streams N (HTTP/2) or --pipeline N (HTTP/1)\n"
    "  --handshake full|resumed   one GET per connection\n"
    "  --idle                open the connections, ask once on each, hold them\n"
    "  --hold SECONDS        with --idle: end that long after all are open\n"
    "  --requests N  --duration SECONDS  --warmup SECONDS  --timeout MS\n"
    "  --rate N              requests (or handshakes) per second, open loop\n"
    "  --body BYTES          upload of that size\n"
    "  --sources N           connect from 127.0.0.2 and up\n"
    "  --connecting N        handshakes at once while opening\n"
    "  --report-interval SECONDS   JSON lines on standard error\n"
    "  --watch PID,PID       count CPU time and memory of these processes\n"
    "One JSON object on standard output at the end.\n";

static double
number_of(const char *text)
{
    char *end = NULL;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value >= 0) || value > 1e18)
        die("\"%s\" is not a number", text);
    return value;
}

static unsigned
count_of(const char *text, unsigned max)
{
    double value = number_of(text);

    if (value < 1 || value > max)
        die("\"%s\" is not between 1 and %u", text, max);
    return (unsigned)value;
}

static void
address_parse(const char *host, size_t host_len, const char *port, struct sockaddr_in *ret)
{
    char text[64] = "127.0.0.1";

    if (host_len >= sizeof(text))
        die("host name is too long");
    if (host_len != 9 || memcmp(host, "localhost", 9) != 0) {
        memcpy(text, host, host_len);
        text[host_len] = '\0';
    }
    ret->sin_family = AF_INET;
    ret->sin_port = htons((uint16_t)count_of(port, 65535));
    if (inet_pton(AF_INET, text, &ret->sin_addr) != 1)
        die("%s is no IPv4 address: say where with --connect ADDR:PORT", text);
}

static void
connect_parse(const char *text, struct sockaddr_in *ret)
{
    const char *colon = strrchr(text, ':');

    if (!colon)
        die("--connect wants ADDR:PORT, not \"%s\"", text);
    address_parse(text, (size_t)(colon - text), colon + 1, ret);
}

/* https://HOST:PORT/PATH; */
static void
url_parse(const char *url, struct lg_options *o)
{
    const char *at = url;
    size_t authority_len;
    char *host;
    char *port;

    if (strncmp(at, "https://", 8) != 0 && strncmp(at, "http://", 7) != 0)
        die("\"%s\" is no http or https URL", url);
    o->plain = at[4] == ':';
    at += o->plain ? 7 : 8;
    authority_len = strcspn(at, "/");
    host = o->url_host = xformat("%.*s", (int)authority_len, at);
    o->url_authority = xstrdup(host);
    if (!o->authority)
        o->authority = o->url_authority;
    o->path = at[authority_len] ? at + authority_len : "/";
    port = strrchr(host, ':');
    if (port)
        *port++ = '\0';
    if (!o->sni && inet_addr(host) == INADDR_NONE)
        o->sni = host;
    if (o->to.sin_family == 0)
        address_parse(host, strlen(host), port ? port : o->plain ? "80" : "443", &o->to);
}

static bool
option_use_text(struct lg_options *o, int c, const char *value)
{
    switch (c) {
    case 'C':
        connect_parse(value, &o->to);
        return true;
    case 's':
        o->sni = value;
        return true;
    case 'h':
        o->authority = value;
        return true;
    case 'H':
        if (o->header_count == LG_HEADERS_MAX)
            die("more than %d headers", (int)LG_HEADERS_MAX);
        o->headers[o->header_count++] = value;
        return true;
    case 'm':
        o->method = value;
        return true;
    case 'c':
        o->cert = value;
        return true;
    case 'k':
        o->key = value;
        return true;
    case 'D':
        o->cert_dir = value;
        return true;
    case 'a':
        o->ca = value;
        return true;
    case 'W':
        lg_watch_parse(o, value);
        return true;
    default:
        return false;
    }
}

static bool
option_use_number(struct lg_options *o, int c, const char *value)
{
    switch (c) {
    case 'n':
        o->connections = count_of(value, LG_CONNS_MAX);
        return true;
    case 'S':
        o->streams = count_of(value, LG_STREAMS_MAX);
        return true;
    case 'r':
        o->requests = (uint64_t)number_of(value);
        return true;
    case 'd':
        o->duration_us = (int64_t)(number_of(value) * 1e6);
        return true;
    case 'w':
        o->warmup_us = (int64_t)(number_of(value) * 1e6);
        return true;
    case 't':
        o->timeout_us = (int64_t)(number_of(value) * 1e3);
        return true;
    case 'R':
        o->rate = number_of(value);
        return true;
    case 'b':
        o->body = (uint64_t)number_of(value);
        return true;
    case 'N':
        o->sources = count_of(value, LG_SOURCES_MAX);
        return true;
    case 'o':
        o->hold_us = (int64_t)(number_of(value) * 1e6);
        return true;
    case 'g':
        o->connecting_max = count_of(value, LG_CONNS_MAX);
        return true;
    case 'i':
        o->interval_us = (int64_t)(number_of(value) * 1e6);
        return true;
    default:
        return false;
    }
}

static bool
option_use_choice(struct lg_options *o, int c, const char *value)
{
    switch (c) {
    case 'p':
        o->h2 = strcmp(value, "2") == 0;
        return o->h2 || strcmp(value, "1") == 0;
    case 'v':
        o->tls_version = strcmp(value, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
        return strcmp(value, "1.2") == 0 || strcmp(value, "1.3") == 0;
    case 'x':
        o->mode = strcmp(value, "full") == 0 ? LG_FULL : LG_RESUMED;
        return strcmp(value, "full") == 0 || strcmp(value, "resumed") == 0;
    case 'I':
        o->mode = LG_IDLE;
        return true;
    default:
        return false;
    }
}

static bool
options_read(int argc, char **argv, struct lg_options *o)
{
    static const struct option table[] = {
        {"connect", required_argument, NULL, 'C'},
        {"sni", required_argument, NULL, 's'},
        {"host", required_argument, NULL, 'h'},
        {"header", required_argument, NULL, 'H'},
        {"method", required_argument, NULL, 'm'},
        {"cert", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'},
        {"cert-dir", required_argument, NULL, 'D'},
        {"ca", required_argument, NULL, 'a'},
        {"http", required_argument, NULL, 'p'},
        {"tls", required_argument, NULL, 'v'},
        {"connections", required_argument, NULL, 'n'},
        {"streams", required_argument, NULL, 'S'},
        {"pipeline", required_argument, NULL, 'S'},
        {"handshake", required_argument, NULL, 'x'},
        {"idle", no_argument, NULL, 'I'},
        {"requests", required_argument, NULL, 'r'},
        {"duration", required_argument, NULL, 'd'},
        {"warmup", required_argument, NULL, 'w'},
        {"timeout", required_argument, NULL, 't'},
        {"rate", required_argument, NULL, 'R'},
        {"body", required_argument, NULL, 'b'},
        {"sources", required_argument, NULL, 'N'},
        {"connecting", required_argument, NULL, 'g'},
        {"report-interval", required_argument, NULL, 'i'},
        {"watch", required_argument, NULL, 'W'},
        {"hold", required_argument, NULL, 'o'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1)
        if (!option_use_text(o, c, optarg) && !option_use_number(o, c, optarg) &&
            !option_use_choice(o, c, optarg))
            return false;
    return optind + 1 == argc && (o->cert != NULL) == (o->key != NULL);
}

int
main(int argc, char **argv)
{
    struct lg_load *l = xcalloc(1, sizeof(*l));
    struct lg_options *o = &l->opt;

    o->connections = 10;
    o->streams = 1;
    o->connecting_max = CONNECTING_MAX;
    o->duration_us = (int64_t)DURATION_DEFAULT_S * 1000000;
    o->timeout_us = (int64_t)TIMEOUT_DEFAULT_MS * 1000;
    if (!options_read(argc, argv, o)) {
        fputs(usage_text, stderr);
        free(l);
        return EXIT_USAGE;
    }
    url_parse(argv[optind], o);
    if (!o->method)
        o->method = o->body > 0 ? "POST" : "GET";
    if (o->body > 0 && !o->h2)
        o->streams = 1; /* a pipelined upload would have to be queued */
    if (o->plain)
        o->h2 = false;
    lg_run(l);
    free(o->url_host);
    free(o->url_authority);
    free(l);
    return 0;
}
