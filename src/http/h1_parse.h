/* SPDX-License-Identifier: Apache-2.0
 *
 * Strict HTTP/1 heads (RFC 9112). Two steps, both without a socket or a clock:
 *
 *   h1_scan   is fed what has arrived so far, again and again; it looks at each byte once,
 *             refuses illegal bytes at once and says where the head ends.
 *   h1_parse_request / _response   take the whole head in one piece.
 *
 * Strict means: CRLF only, no obs-fold, no white space before the colon, exactly one space
 * between the parts of the first line, origin-form (or absolute-form, or "*" for OPTIONS),
 * Host exactly once for 1.1, Content-Length at most once and digits only, Transfer-Encoding
 * only "chunked", once, 1.1 only, never both; names that only look like the two framing
 * names (after removing everything but letters and digits) are refused.
 * What it does not do: routing, hop-by-hop removal (hygiene.h), body decoding (h1_body.h).
 */
#ifndef HTTP_H1_PARSE_H
#define HTTP_H1_PARSE_H

#include "base/arena.h"
#include "http/msg.h"

/* Why a head was refused, and the status the client gets; how an Application Load Balancer calls it
 * in its access log ("Classification reasons"), where it has a name for it.
 * Rows: X(name, status, text, class, reason) */
#define H1_FAULTS                                                                                \
    X(NONE, 0, "", "", "")                                                                       \
    X(BAD_BYTE, 400, "illegal byte", "Severe", "BadHeader")                                      \
    X(BARE_LF, 400, "line feed without carriage return", "Acceptable", "NonCrLfLineTermination") \
    X(BARE_CR, 400, "carriage return without line feed", "Severe", "BadHeader")                  \
    X(BAD_METHOD, 400, "malformed method", "Severe", "BadMethod")                                \
    X(BAD_TARGET, 400, "malformed request target", "Severe", "BadUri")                           \
    X(BAD_VERSION, 505, "HTTP version not supported", "Severe", "BadVersion")                    \
    X(BAD_LINE, 400, "malformed first line", "Ambiguous", "PartialHeaderLine")                   \
    X(LINE_TOO_LONG, 414, "request line too long", "", "")                                       \
    X(BAD_NAME, 400, "malformed header name", "Ambiguous", "EmptyHeader")                        \
    X(BAD_VALUE, 400, "malformed header value", "Severe", "BadHeader")                           \
    X(FOLDED, 400, "folded header line", "Ambiguous", "MultilineHeader")                         \
    X(HEADER_TOO_LONG, 431, "header line too long", "", "")                                      \
    X(HEAD_TOO_LONG, 431, "header block too long", "", "")                                       \
    X(TOO_MANY_HEADERS, 431, "too many header fields", "", "")                                   \
    X(NO_HOST, 400, "no Host header", "", "")                                                    \
    X(MANY_HOSTS, 400, "more than one Host header", "", "")                                      \
    X(BAD_HOST, 400, "malformed Host or authority", "", "")                                      \
    X(HOST_MISMATCH, 400, "Host differs from the request target", "", "")                        \
    X(BAD_CONTENT_LENGTH, 400, "malformed Content-Length", "Severe", "BadContentLength")         \
    X(MANY_CONTENT_LENGTHS, 400, "more than one Content-Length", "Severe",                       \
      "MultipleContentLength")                                                                   \
    X(BAD_TRANSFER_ENCODING, 501, "Transfer-Encoding other than chunked", "Severe",              \
      "BadTransferEncoding")                                                                     \
    X(LENGTH_AND_CHUNKED, 400, "Content-Length with Transfer-Encoding", "Ambiguous",             \
      "BothTeClPresent")                                                                         \
    X(CHUNKED_IN_10, 400, "Transfer-Encoding in HTTP/1.0", "Ambiguous",                          \
      "UndefinedTransferEncodingSemantics")                                                      \
    X(SUSPICIOUS_NAME, 400, "header name imitates a framing header", "Ambiguous",                \
      "SuspiciousHeader")                                                                        \
    X(BAD_CONNECTION, 400, "Connection names a header that must not be dropped", "", "")         \
    X(BAD_EXPECT, 417, "Expect other than 100-continue", "", "")                                 \
    X(BAD_STATUS, 502, "malformed status line", "", "")                                          \
    X(BAD_CHUNK, 400, "malformed chunk", "", "")                                                 \
    X(BAD_TRAILER, 400, "malformed trailer", "", "")                                             \
    X(CONNECTION_FIELD, 400, "connection-specific field in HTTP/2", "", "")                      \
    X(BAD_SCHEME, 400, "scheme other than https", "", "")                                        \
    X(NO_MEMORY, 431, "header block too large for its arena", "", "")

enum h1_fault {
#define X(name, status, text, class, reason) H1_FAULT_##name,
    H1_FAULTS
#undef X
        H1_FAULT_COUNT
};

int h1_fault_status(enum h1_fault fault);
const char *h1_fault_text(enum h1_fault fault);
/* "" where there is none. */
const char *h1_fault_class(enum h1_fault fault);
const char *h1_fault_class_reason(enum h1_fault fault);

struct h1_scan {
    size_t seen;       /* bytes already looked at */
    size_t line_start; /* of the line being looked at */
    size_t head_max;   /* REQUEST_HEAD_MAX or RESPONSE_HEAD_MAX */
    uint32_t state;
    uint32_t line_count;
    bool is_request;
};

void h1_scan_init(struct h1_scan *s, bool is_request);
/* bytes is everything since the head's first byte (it may move between calls). 0 with *ret_len
 * (head length including the empty line), GW_E_AGAIN, or GW_E_PROTO with *ret_fault. For
 * requests one leading CRLF is tolerated (RFC 9112 2.2) and is part of the length. */
int
h1_scan(struct h1_scan *s, struct str bytes, size_t *ret_len, enum h1_fault *ret_fault) GW_MUST_USE;

/* The statuses above are for requests: whatever is wrong with a response is 502 to the client.
 *
 * head must have passed h1_scan and stay alive as long as *req; the arena takes the header array
 * and canonical copies. GW_E_PROTO with *ret_fault. */
int h1_parse_request(struct str head, struct arena *arena, struct http_req *req,
                     enum h1_fault *ret_fault) GW_MUST_USE;
/* request_method decides about bodies (HEAD; RFC 9112 6.3). 1xx heads are returned like others,
 * with FRAMING_NONE. */
int h1_parse_response(struct str head, enum http_method request_method, struct arena *arena,
                      struct http_resp *resp, enum h1_fault *ret_fault) GW_MUST_USE;

#endif
