/* SPDX-License-Identifier: Apache-2.0
 *
 * The bodies and status lines of the gateway's own answers. Phrases are those that ALB's
 * error pages show, which are nginx's; where neither is known, those of RFC 9110.
 * Static data, any thread. Must never contain a byte of the request.
 */
#include "http/reply.h"

#define REPLIES                                   \
    X(301, "301 Moved Permanently")               \
    X(302, "302 Found")                           \
    X(303, "303 See Other")                       \
    X(307, "307 Temporary Redirect")              \
    X(308, "308 Permanent Redirect")              \
    X(400, "400 Bad Request")                     \
    X(401, "401 Authorization Required")          \
    X(403, "403 Forbidden")                       \
    X(404, "404 Not Found")                       \
    X(405, "405 Method Not Allowed")              \
    X(408, "408 Request Time-out")                \
    X(413, "413 Request Entity Too Large")        \
    X(414, "414 Request-URI Too Large")           \
    X(417, "417 Expectation Failed")              \
    X(421, "421 Misdirected Request")             \
    X(429, "429 Too Many Requests")               \
    X(431, "431 Request Header Fields Too Large") \
    X(460, "460 Client Closed Connection")        \
    X(463, "463 Too Many Forwarded Addresses")    \
    X(464, "464 Incompatible Protocol Versions")  \
    X(500, "500 Internal Server Error")           \
    X(501, "501 Not Implemented")                 \
    X(502, "502 Bad Gateway")                     \
    X(503, "503 Service Temporarily Unavailable") \
    X(504, "504 Gateway Time-out")                \
    X(505, "505 HTTP Version Not Supported")      \
    X(507, "507 Insufficient Storage")            \
    X(561, "561 Unauthorized")                    \
    X(562, "562 Unusable Key Set")

struct str
reply_body(int status)
{
    switch (status) {
#define X(code, line)                                                             \
    case code:                                                                    \
        return STR("<html>\r\n<head><title>" line "</title></head>\r\n<body>\r\n" \
                   "<center><h1>" line "</h1></center>\r\n</body>\r\n</html>\r\n");
        REPLIES
#undef X
    default:
        return STR("");
    }
}

struct str
reply_status_line(int status)
{
    switch (status) {
#define X(code, line) \
    case code:        \
        return STR(line);
        REPLIES
#undef X
    default:
        return STR("");
    }
}
