/* SPDX-License-Identifier: Apache-2.0
 *
 * Request targets: the four forms of RFC 9112 3.2, the bytes they may
 * have, and the normalised readings of the path that rules match.
 * Called by both HTTP versions. Pure; copies go to the caller's arena,
 * and only when a path is not normal already. Must never change what is
 * forwarded, and never decode a byte of it.
 */
#include "http/target.h"

#include "base/limits.h"
#include "http/chars.h"

enum {
    PORT_HTTP = 80,
    PORT_HTTPS = 443,
};

/* What the one look at a path found. */
struct path_look {
    bool has_escape;
    bool has_slash_pair; /* "//" or "/." somewhere: dot segments and empty ones are possible */
};

/* A percent escape at p: two hex digits follow. In the path, an escaped NUL, CR or LF is refused:
 * an upstream that decodes first would see a control byte. */
static bool
escape_is_fine(const char *p, const char *end, bool is_path)
{
    unsigned value;

    if (end - p < 3 || !char_is(p[1], CHAR_HEX) || !char_is(p[2], CHAR_HEX))
        return false;
    value = char_hex_value(p[1]) << 4 | char_hex_value(p[2]);
    return !is_path || (value != '\0' && value != '\r' && value != '\n');
}

/* The path ends at '?' or at the end. False for a byte that no path has. */
static bool
path_look_at(struct str text, struct path_look *look, size_t *ret_len)
{
    const char *p = text.ptr;
    const char *end = text.ptr + text.len;

    while (p < end && *p != '?') {
        if (char_is(*p, CHAR_PATH)) {
            p++;
        } else if (*p == '/') {
            p++;
            look->has_slash_pair |= p < end && (*p == '/' || *p == '.');
        } else if (*p == '%' && escape_is_fine(p, end, true)) {
            look->has_escape = true;
            p += 3;
        } else {
            return false;
        }
    }
    *ret_len = (size_t)(p - text.ptr);
    return true;
}

static bool
query_is_fine(struct str query)
{
    for (size_t i = 0; i < query.len; i++) {
        if (char_is(query.ptr[i], CHAR_QUERY))
            continue;
        if (query.ptr[i] != '%' || !escape_is_fine(query.ptr + i, query.ptr + query.len, false))
            return false;
        i += 2;
    }
    return true;
}

/* Copies path with escaped unreserved bytes decoded and other escapes in upper case (RFC 3986
 * 6.2.2). The loose reading also takes an escaped slash or backslash for a slash. */
static size_t
path_decode(struct str path, bool is_loose, char *dst)
{
    size_t n = 0;

    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];

        if (c != '%') {
            dst[n++] = c;
            continue;
        }
        c = (char)(char_hex_value(path.ptr[i + 1]) << 4 | char_hex_value(path.ptr[i + 2]));
        if (char_is(c, CHAR_UNRESERVED)) {
            dst[n++] = c;
        } else if (is_loose && (c == '/' || c == '\\')) {
            dst[n++] = '/';
        } else {
            str_hex_upper(dst + n + 1, (const uint8_t *)&c, 1);
            dst[n] = '%';
            n += 3;
        }
        i += 2;
    }
    return n;
}

enum segment_kind { SEGMENT_NAME, SEGMENT_EMPTY, SEGMENT_DOT, SEGMENT_DOT_DOT };

/* The loose reading drops path parameters, as servlet containers do: "..;x" is "..". */
static enum segment_kind
segment_kind(struct str segment, bool is_loose)
{
    ptrdiff_t semicolon = is_loose ? str_chr(segment, ';') : -1;

    if (segment.len == 0)
        return SEGMENT_EMPTY;
    if (semicolon >= 0)
        segment.len = (size_t)semicolon;
    if (str_eq(segment, STR(".")))
        return SEGMENT_DOT;
    return str_eq(segment, STR("..")) ? SEGMENT_DOT_DOT : SEGMENT_NAME;
}

/* Drops dot segments in place (RFC 3986 5.2.4); the loose reading drops empty segments, too.
 * path begins with '/'. False when ".." leaves the root. */
static bool
path_resolve(char *path, size_t *len, bool is_loose)
{
    size_t out = 0;
    size_t end;

    for (size_t at = 0; at < *len; at = end) {
        const char *slash = memchr(path + at + 1, '/', *len - at - 1);
        enum segment_kind kind;

        end = slash != NULL ? (size_t)(slash - path) : *len;
        kind = segment_kind(str_make(path + at + 1, end - at - 1), is_loose);
        if (kind == SEGMENT_NAME || (kind == SEGMENT_EMPTY && !is_loose)) {
            memmove(path + out, path + at, end - at);
            out += end - at;
            continue;
        }
        if (kind == SEGMENT_DOT_DOT) {
            if (out == 0)
                return false;
            while (path[--out] != '/')
                continue;
        }
        if (end == *len)
            path[out++] = '/';
    }
    *len = out;
    return true;
}

static enum h1_fault
path_read(struct str path, bool is_loose, struct arena *arena, struct str *ret, bool *ret_had_dots)
{
    char *copy = arena_alloc(arena, path.len);
    size_t decoded_len;
    size_t len;

    if (copy == NULL)
        return H1_FAULT_NO_MEMORY;
    decoded_len = len = path_decode(path, is_loose, copy);
    if (!path_resolve(copy, &len, is_loose))
        return H1_FAULT_BAD_TARGET;
    *ret = str_make(copy, len);
    *ret_had_dots = len != decoded_len;
    return H1_FAULT_NONE;
}

static enum h1_fault
path_normalise(struct path_look look, struct arena *arena, struct http_req *req)
{
    bool had_dots = false;
    bool is_shortened = false;
    enum h1_fault fault;

    req->route_path = req->path;
    req->loose_path = req->path;
    if (!look.has_escape && !look.has_slash_pair)
        return H1_FAULT_NONE;
    fault = path_read(req->path, false, arena, &req->route_path, &had_dots);
    if (fault == H1_FAULT_NONE)
        fault = path_read(req->path, true, arena, &req->loose_path, &is_shortened);
    req->path_is_ambiguous = had_dots || !str_eq(req->route_path, req->loose_path);
    return fault;
}

/* "/path?query", the target itself or the rest of an absolute one. */
static enum h1_fault
origin_form(struct str text, struct arena *arena, struct http_req *req)
{
    struct path_look look = {0};
    size_t path_len;

    if (text.len == 0 || text.ptr[0] != '/' || !path_look_at(text, &look, &path_len))
        return H1_FAULT_BAD_TARGET;
    req->path = str_sub(text, 0, path_len);
    if (path_len < text.len) {
        req->query = str_sub(text, path_len + 1, text.len);
        if (!query_is_fine(req->query))
            return H1_FAULT_BAD_TARGET;
    }
    return path_normalise(look, arena, req);
}

static enum h1_fault
authority_set(struct str text, struct arena *arena, struct http_req *req)
{
    switch (authority_parse(text, arena, &req->authority, &req->host, &req->port)) {
    case 0:
        return H1_FAULT_NONE;
    case GW_E_NOSPACE:
        return H1_FAULT_NO_MEMORY;
    default:
        return H1_FAULT_BAD_HOST;
    }
}

/* Host beside an authority that the target named: RFC 9112 3.2 wants them identical. A default
 * port may be written in one and not in the other. */
static enum h1_fault
host_agrees(struct str host, uint16_t default_port, struct arena *arena, const struct http_req *req)
{
    struct http_req other = {0};
    enum h1_fault fault = authority_set(host, arena, &other);
    uint16_t port = req->port != 0 ? req->port : default_port;
    uint16_t other_port = other.port != 0 ? other.port : default_port;

    if (fault != H1_FAULT_NONE)
        return fault;
    return str_eq(other.host, req->host) && port == other_port ? H1_FAULT_NONE
                                                               : H1_FAULT_HOST_MISMATCH;
}

/* "https://authority/path?query". Without a path it is "/", or "*" for OPTIONS (RFC 9112 3.2.4). */
static enum h1_fault
absolute_form(struct str target, struct str host, struct arena *arena, struct http_req *req)
{
    bool is_https = str_starts_nocase(target, STR("https://"));
    struct str rest = str_sub(target, is_https ? 8 : 7, target.len);
    size_t end = 0;
    enum h1_fault fault;

    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
        end++;
    fault = authority_set(str_sub(rest, 0, end), arena, req);
    if (fault == H1_FAULT_NONE && host.ptr != NULL)
        fault = host_agrees(host, is_https ? PORT_HTTPS : PORT_HTTP, arena, req);
    if (fault != H1_FAULT_NONE)
        return fault;
    rest = str_sub(rest, end, rest.len);
    if (rest.len > 0 && rest.ptr[0] == '/')
        return origin_form(rest, arena, req);
    req->path = rest.len == 0 && req->method == METHOD_OPTIONS ? STR("*") : STR("/");
    req->route_path = req->path;
    req->loose_path = req->path;
    if (rest.len > 0)
        req->query = str_sub(rest, 1, rest.len);
    return query_is_fine(req->query) ? H1_FAULT_NONE : H1_FAULT_BAD_TARGET;
}

/* CONNECT names only where to: host and port, both needed (RFC 9112 3.2.3). */
static enum h1_fault
authority_form(struct str target, struct str host, struct arena *arena, struct http_req *req)
{
    enum h1_fault fault = authority_set(target, arena, req);

    if (fault == H1_FAULT_BAD_HOST || (fault == H1_FAULT_NONE && req->port == 0))
        return H1_FAULT_BAD_TARGET;
    if (fault == H1_FAULT_NONE && host.ptr != NULL)
        fault = host_agrees(host, req->port, arena, req);
    return fault;
}

/* HTTP/2 has the authority elsewhere and only a path here. */
static bool
is_absolute(struct str target, enum http_version version)
{
    if (version == HTTP_20 || target.len == 0 || target.ptr[0] == '/')
        return false;
    return str_starts_nocase(target, STR("http://")) || str_starts_nocase(target, STR("https://"));
}

static enum h1_fault
target_forms(struct str target, struct str host, struct arena *arena, struct http_req *req)
{
    enum h1_fault fault = H1_FAULT_NONE;

    if (host.ptr == NULL && req->version != HTTP_10)
        return H1_FAULT_NO_HOST;
    if (req->method == METHOD_CONNECT)
        return authority_form(target, host, arena, req);
    if (is_absolute(target, req->version))
        return absolute_form(target, host, arena, req);
    if (host.ptr != NULL)
        fault = authority_set(host, arena, req);
    if (fault != H1_FAULT_NONE)
        return fault;
    if (req->method != METHOD_OPTIONS || !str_eq(target, STR("*")))
        return origin_form(target, arena, req);
    req->path = target;
    req->route_path = target;
    req->loose_path = target;
    return H1_FAULT_NONE;
}

int
target_parse(struct str target, struct str host, struct arena *arena, struct http_req *req,
             enum h1_fault *ret_fault)
{
    struct http_req parsed = *req;
    enum h1_fault fault;

    parsed.target = target;
    parsed.authority = parsed.host = parsed.path = parsed.query = STR("");
    parsed.query.ptr = NULL;
    parsed.route_path = parsed.loose_path = STR("");
    parsed.port = 0;
    parsed.path_is_ambiguous = false;
    fault = target_forms(target, host, arena, &parsed);
    if (fault != H1_FAULT_NONE) {
        *ret_fault = fault;
        return GW_E_PROTO;
    }
    *req = parsed;
    return 0;
}
