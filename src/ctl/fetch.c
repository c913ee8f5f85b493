/* SPDX-License-Identifier: Apache-2.0
 *
 * One transfer by libcurl, and the rules that it must keep. Called by fetch_thread on its
 * thread, and by supply at start. Owns the handle and what it received for the time of the
 * transfer. Must never connect where a rule forbids it, nor keep more than the cap.
 */
#include "ctl/fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/secret.h"
#include "ctl/fetch_priv.h"
#include "ctl/mem.h"

const char *
fetch_library_version(void)
{
    return curl_version_info(CURLVERSION_NOW)->version;
}

/* ---- request and result -------------------------------------------------------------------- */

void
fetch_request_add_header(struct fetch_request *req, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    gw_assert(vasprintf(&text, fmt, args) >= 0);
    va_end(args);
    req->headers = mem_resize(req->headers, req->header_count + 1, sizeof(*req->headers));
    req->headers[req->header_count++] = text;
}

void
fetch_request_done(struct fetch_request *req)
{
    for (size_t i = 0; i < req->header_count; i++) {
        secret_wipe(req->headers[i], strlen(req->headers[i]));
        free(req->headers[i]);
    }
    free(req->headers);
    free(req->url);
    free(req->ca_bundle);
    *req = (struct fetch_request){.url = NULL};
}

void
fetch_result_done(struct fetch_result *r)
{
    if (r->body != NULL)
        secret_wipe(r->body, r->len);
    free(r->body);
    r->body = NULL;
    r->len = 0;
}

int64_t
fetch_delay_ms(int64_t interval_ms, unsigned failures, uint64_t random)
{
    int64_t ms = interval_ms;

    if (failures > 0) {
        ms = (int64_t)FETCH_BACKOFF_MIN_MS << (failures - 1 < 20 ? failures - 1 : 20);
        ms = ms < FETCH_BACKOFF_MAX_MS ? ms : FETCH_BACKOFF_MAX_MS;
    }
    return ms + (int64_t)(random % (uint64_t)(ms / 10 + 1));
}

/* ---- where a transfer may connect ---------------------------------------------------------- */

/* a in host order. Link-local, "this network", multicast, reserved and broadcast. */
static bool
is_allowed_v4(uint32_t a, bool is_credentials)
{
    const uint32_t container = 0xa9feaa02; /* 169.254.170.2 */

    if (a == container)
        return is_credentials;
    return (a >> 16) != 0xa9fe && (a >> 24) != 0 && (a >> 28) != 0xe && (a >> 28) != 0xf;
}

static bool
is_allowed_v6(const struct in6_addr *a, bool is_credentials)
{
    static const uint8_t metadata[4] = {0xfd, 0x00, 0x0e, 0xc2}; /* fd00:ec2::/32, AWS's own */
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    uint32_t low;

    memcpy(&low, a->s6_addr + 12, sizeof(low));
    if (IN6_IS_ADDR_V4MAPPED(a) || memcmp(a->s6_addr, nat64, sizeof(nat64)) == 0)
        return is_allowed_v4(ntohl(low), is_credentials);
    if (IN6_IS_ADDR_LOOPBACK(a))
        return true;
    return !IN6_IS_ADDR_V4COMPAT(a) && !IN6_IS_ADDR_UNSPECIFIED(a) && !IN6_IS_ADDR_LINKLOCAL(a) &&
           !IN6_IS_ADDR_MULTICAST(a) && memcmp(a->s6_addr, metadata, sizeof(metadata)) != 0;
}

bool
fetch_address_is_allowed(const struct sockaddr *sa, bool is_credentials)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (sa->sa_family == AF_INET) {
        memcpy(&v4, sa, sizeof(v4));
        return is_allowed_v4(ntohl(v4.sin_addr.s_addr), is_credentials);
    }
    if (sa->sa_family != AF_INET6)
        return false;
    memcpy(&v6, sa, sizeof(v6));
    return is_allowed_v6(&v6.sin6_addr, is_credentials);
}

/* ---- callbacks of libcurl ------------------------------------------------------------------ */

static curl_socket_t
on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *at)
{
    struct fetch_transfer *t = arg;

    if (purpose != CURLSOCKTYPE_IPCXN || !fetch_address_is_allowed(&at->addr, t->is_credentials)) {
        t->is_forbidden = true;
        return CURL_SOCKET_BAD;
    }
    return socket(at->family, at->socktype | SOCK_CLOEXEC, at->protocol);
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct fetch_transfer *t = arg;
    struct fetch_result *r = &t->result;
    size_t n = size * count;

    if (n > t->max_bytes - r->len) {
        t->is_too_large = true;
        return 0;
    }
    if (t->room - r->len < n + 1) {
        size_t room = size_min(size_max(2 * t->room, r->len + n + 1), t->max_bytes + 1);
        char *grown = realloc(r->body, room);

        if (grown == NULL)
            return 0;
        r->body = grown;
        t->room = room;
    }
    memcpy(r->body + r->len, bytes, n);
    r->len += n;
    r->body[r->len] = '\0';
    return n;
}

/* A tag that does not fit, or could break a header of ours, is none. */
static void
keep_tag(struct str line, struct str name, char tag[FETCH_TAG_MAX])
{
    struct str value;

    if (!str_starts_nocase(line, name))
        return;
    while (line.len > 0 && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    value = str_trim(str_sub(line, name.len, line.len));
    tag[0] = '\0';
    if (value.len >= FETCH_TAG_MAX)
        return;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < 0x20 || value.ptr[i] > 0x7e)
            return;
    }
    memcpy(tag, value.ptr, value.len);
    tag[value.len] = '\0';
}

static size_t
on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct fetch_transfer *t = arg;
    struct str line = str_make(bytes, size * count);

    t->head_bytes += line.len;
    if (t->head_bytes > FETCH_HEAD_BYTES_MAX) {
        t->is_too_large = true;
        return 0;
    }
    keep_tag(line, STR("ETag:"), t->result.etag);
    keep_tag(line, STR("Last-Modified:"), t->result.last_modified);
    return line.len;
}

/* ---- one transfer -------------------------------------------------------------------------- */

static bool
set_rules(CURL *c, struct fetch_transfer *t, const struct fetch_request *req)
{
    return curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HTTP09_ALLOWED, 0L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)FETCH_CONNECT_TIMEOUT_MS) ==
               CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)FETCH_SLOW_BYTES) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)req->slow_s) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, t) == CURLE_OK;
}

static bool
set_request(CURL *c, struct fetch_transfer *t, const struct fetch_request *req)
{
    for (size_t i = 0; i < req->header_count; i++) {
        struct curl_slist *next = curl_slist_append(t->headers, req->headers[i]);

        if (next == NULL)
            return false;
        t->headers = next;
    }
    if (req->ca_bundle != NULL && curl_easy_setopt(c, CURLOPT_CAINFO, req->ca_bundle) != CURLE_OK)
        return false;
    return curl_easy_setopt(c, CURLOPT_URL, req->url) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_USERAGENT, "sallyport/" SALLYPORT_VERSION) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->text) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEDATA, t) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HEADERDATA, t) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PRIVATE, t) == CURLE_OK;
}

/* A handle with a rule missing is not used. */
bool
fetch_transfer_init(struct fetch_transfer *t, const struct fetch_request *req)
{
    t->max_bytes = req->max_bytes;
    t->is_credentials = req->is_credentials;
    t->easy = curl_easy_init();
    return t->easy != NULL && set_rules(t->easy, t, req) && set_request(t->easy, t, req);
}

static void
say_why(struct fetch_transfer *t, CURLcode code)
{
    struct fetch_result *r = &t->result;

    if (t->is_forbidden)
        (void)snprintf(r->error, sizeof(r->error),
                       "its address is link-local, multicast or unspecified; not asked");
    else if (t->is_too_large)
        (void)snprintf(r->error, sizeof(r->error), "larger than %zu bytes", t->max_bytes);
    else
        (void)snprintf(r->error, sizeof(r->error), "%s",
                       t->text[0] != '\0' ? t->text : curl_easy_strerror(code));
}

void
fetch_transfer_end(struct fetch_transfer *t, int code)
{
    long status = 0;

    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status > 0)
        t->result.status = (int)status;
    else
        say_why(t, (CURLcode)code);
}

void
fetch_transfer_done(struct fetch_transfer *t)
{
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    fetch_result_done(&t->result);
}

void
fetch_run(const struct fetch_request *req, struct fetch_result *ret)
{
    struct fetch_transfer t = {.easy = NULL};

    gw_assert(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    if (fetch_transfer_init(&t, req))
        fetch_transfer_end(&t, (int)curl_easy_perform(t.easy));
    else
        (void)snprintf(t.result.error, sizeof(t.result.error), "the transfer cannot be set up");
    *ret = t.result;
    t.result.body = NULL;
    fetch_transfer_done(&t);
}
