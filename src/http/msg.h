/* SPDX-License-Identifier: Apache-2.0
 *
 * Version-neutral model of a request and a response. Both HTTP versions parse into it and
 * every forwarded byte is written from it. All slices are borrowed from the memory that
 * the parser was given (the stream arena) and live as long.
 */
#ifndef HTTP_MSG_H
#define HTTP_MSG_H

#include "base/str.h"
#include "http/headers.h"

enum http_version { HTTP_10, HTTP_11, HTTP_20 };

enum http_method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_PATCH,
    METHOD_TRACE,   /* answered 405 */
    METHOD_CONNECT, /* answered 405 */
    METHOD_OTHER,   /* a valid token that is none of these */
};

/* How a body is delimited (RFC 9112 6). */
enum http_framing {
    FRAMING_NONE,        /* no body */
    FRAMING_LENGTH,      /* content_length bytes */
    FRAMING_CHUNKED,     /* HTTP/1.1 chunked; for HTTP/2 without content-length too */
    FRAMING_UNTIL_CLOSE, /* responses only */
};

struct http_req {
    enum http_version version;
    enum http_method method;
    struct str method_text;
    struct str target;      /* as sent, validated to RFC 3986 bytes */
    struct str authority;   /* canonical, with its port; empty in HTTP/1.0 only */
    struct str host;        /* authority without the port */
    uint16_t port;          /* of the authority, 0 when it had none */
    struct str path;        /* of target: without query, as sent; "*" for OPTIONS * */
    struct str query;       /* after '?', as sent; ptr NULL when there was no '?' */
    struct str route_path;  /* normalised copy that rules match (target.h) */
    struct str loose_path;  /* its most permissive reading (target.h) */
    bool path_is_ambiguous; /* rules must agree on path, route_path and loose_path, else refuse */
    struct http_headers headers; /* client's fields in order; framing and Host are kept in the
                                    table too, the forwarder skips them by token */
    enum http_framing framing;
    uint64_t content_length; /* for FRAMING_LENGTH */
    bool keep_alive;         /* what the client asked for, version default applied */
    bool expect_continue;
    size_t head_bytes; /* as received, for the log; for HTTP/2 decoded size */
};

struct http_resp {
    enum http_version version;
    int status; /* 100-999 */
    struct str reason;
    struct http_headers headers;
    enum http_framing framing;
    uint64_t content_length;
    bool keep_alive;
    size_t head_bytes;
};

/* Static text: "Not Found". Unknown codes give "Unknown". */
const char *http_status_text(int status);
enum http_method http_method_parse(struct str text);

#endif
