/* SPDX-License-Identifier: Apache-2.0
 *
 * One strict pass over a whole HTTP/1 head into the version-neutral model. Called by the
 * codecs after h1_scan found the end. Names and values stay slices of the head; the arena
 * takes the field array and the canonical host and path. Pure, any thread.
 * Must never guess: whatever two parsers could read differently is refused.
 */
#include "http/h1_parse.h"

#include "base/limits.h"
#include "http/chars.h"
#include "http/target.h"

struct cursor {
    const char *at;
    const char *end;
};

/* The fields that decide about framing and routing, picked up on the way. */
struct facts {
    struct str host;
    struct str content_length;
    struct str transfer_encoding;
    uint32_t host_count;
    uint32_t content_length_count;
    uint32_t transfer_encoding_count;
};

struct fault_row {
    int status;
    const char *text;
    const char *class;
    const char *class_reason;
};

static const struct fault_row fault_rows[H1_FAULT_COUNT + 1] = {
#define X(name, status, text, class, reason) [H1_FAULT_##name] = {status, text, class, reason},
    H1_FAULTS
#undef X
        [H1_FAULT_COUNT] = {400, "unknown fault", "", ""},
};

static const struct fault_row *
row_of(enum h1_fault fault)
{
    return &fault_rows[fault < H1_FAULT_COUNT ? fault : H1_FAULT_COUNT];
}

int
h1_fault_status(enum h1_fault fault)
{
    return row_of(fault)->status;
}

const char *
h1_fault_text(enum h1_fault fault)
{
    return row_of(fault)->text;
}

const char *
h1_fault_class(enum h1_fault fault)
{
    return row_of(fault)->class;
}

const char *
h1_fault_class_reason(enum h1_fault fault)
{
    return row_of(fault)->class_reason;
}

static int
refuse(enum h1_fault fault, enum h1_fault *ret_fault)
{
    *ret_fault = fault;
    return GW_E_PROTO;
}

/* The scanner promises this; asking again keeps every loop below inside the head. */
static bool
head_is_closed(struct str head)
{
    return head.len >= 4 && memcmp(head.ptr + head.len - 4, "\r\n\r\n", 4) == 0;
}

static bool
take(struct cursor *c, struct str want)
{
    if ((size_t)(c->end - c->at) < want.len || memcmp(c->at, want.ptr, want.len) != 0)
        return false;
    c->at += want.len;
    return true;
}

static struct str
take_class(struct cursor *c, unsigned classes)
{
    const char *from = c->at;

    while (c->at < c->end && char_is(*c->at, classes))
        c->at++;
    return str_make(from, (size_t)(c->at - from));
}

static void
note_fact(struct facts *f, const struct http_header *field)
{
    switch (field->token) {
    case HEADER_HOST:
        f->host = field->value;
        f->host_count++;
        break;
    case HEADER_CONTENT_LENGTH:
        f->content_length = field->value;
        f->content_length_count++;
        break;
    case HEADER_TRANSFER_ENCODING:
        f->transfer_encoding = field->value;
        f->transfer_encoding_count++;
        break;
    default:
        break;
    }
}

/* One field line, its CRLF included. "No whitespace is allowed between the field name and
 * colon" (RFC 9112 5.1) holds because a token ends at the white space. */
static enum h1_fault
parse_field(struct cursor *c, struct http_headers *headers, struct facts *facts)
{
    struct str name = take_class(c, CHAR_TOKEN);
    const char *from;
    const char *to;
    const char *cr;

    if (name.len == 0 || !take(c, STR(":")))
        return H1_FAULT_BAD_NAME;
    from = c->at;
    while (from < c->end && (*from == ' ' || *from == '\t'))
        from++;
    cr = memchr(from, '\r', (size_t)(c->end - from));
    if (cr == NULL || cr + 1 == c->end || cr[1] != '\n')
        return H1_FAULT_BARE_CR;
    to = cr;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    c->at = cr + 2;
    if (http_headers_add(headers, name, str_make(from, (size_t)(to - from))) != 0)
        return H1_FAULT_TOO_MANY_HEADERS;
    if (headers->fields[headers->count - 1].token != HEADER_OTHER)
        note_fact(facts, &headers->fields[headers->count - 1]);
    else if (http_header_imitates_framing(name))
        return H1_FAULT_SUSPICIOUS_NAME;
    return H1_FAULT_NONE;
}

static enum h1_fault
parse_fields(struct cursor *c, struct http_headers *headers, struct facts *facts)
{
    while (c->at < c->end && *c->at != '\r') {
        enum h1_fault fault = parse_field(c, headers, facts);

        if (fault != H1_FAULT_NONE)
            return fault;
    }
    return take(c, STR("\r\n")) && c->at == c->end ? H1_FAULT_NONE : H1_FAULT_BAD_LINE;
}

/* Fields were collected on the stack; the arena gets as many as there are, and a few for the
 * gateway's own. */
static enum h1_fault
keep_fields(const struct http_headers *found, struct arena *arena, struct http_headers *ret)
{
    struct http_headers kept;

    if (http_headers_init(&kept, arena, found->count + HEADERS_SPARE) != 0)
        return H1_FAULT_NO_MEMORY;
    memcpy(kept.fields, found->fields, sizeof(*kept.fields) * found->count);
    kept.count = found->count;
    *ret = kept;
    return H1_FAULT_NONE;
}

/* RFC 9112 6.1, 6.2 and 6.3, with every "may" and "ought to handle" decided as a refusal. */
static enum h1_fault
framing_judge(const struct facts *f, enum http_version version, enum http_framing *ret_framing,
              uint64_t *ret_length)
{
    if (f->transfer_encoding_count > 0) {
        if (f->content_length_count > 0)
            return H1_FAULT_LENGTH_AND_CHUNKED;
        if (version == HTTP_10)
            return H1_FAULT_CHUNKED_IN_10;
        if (f->transfer_encoding_count > 1 || !str_eq_nocase(f->transfer_encoding, STR("chunked")))
            return H1_FAULT_BAD_TRANSFER_ENCODING;
        *ret_framing = FRAMING_CHUNKED;
        return H1_FAULT_NONE;
    }
    if (f->content_length_count > 1)
        return H1_FAULT_MANY_CONTENT_LENGTHS;
    if (f->content_length_count == 1) {
        if (str_parse_u64(f->content_length, CONTENT_LENGTH_MAX, ret_length) != 0)
            return H1_FAULT_BAD_CONTENT_LENGTH;
        *ret_framing = FRAMING_LENGTH;
    }
    return H1_FAULT_NONE;
}

/* "HTTP/" DIGIT "." DIGIT and what follows it; only 1.0 and 1.1 are spoken. */
static enum h1_fault
parse_version(struct cursor *c, char after, enum http_version *ret)
{
    if (c->end - c->at < 9 || memcmp(c->at, "HTTP/", 5) != 0 || !char_is(c->at[5], CHAR_DIGIT) ||
        c->at[6] != '.' || !char_is(c->at[7], CHAR_DIGIT) || c->at[8] != after)
        return H1_FAULT_BAD_LINE;
    if (c->at[5] != '1' || (c->at[7] != '0' && c->at[7] != '1'))
        return H1_FAULT_BAD_VERSION;
    *ret = c->at[7] == '1' ? HTTP_11 : HTTP_10;
    c->at += 8;
    return H1_FAULT_NONE;
}

static enum h1_fault
parse_request_line(struct cursor *c, struct http_req *req)
{
    const char *from;
    const char *space;
    enum h1_fault fault;

    req->method_text = take_class(c, CHAR_TOKEN);
    if (req->method_text.len == 0 || req->method_text.len > METHOD_BYTES_MAX || !take(c, STR(" ")))
        return H1_FAULT_BAD_METHOD;
    req->method = http_method_parse(req->method_text);
    from = c->at;
    while (c->at < c->end && *c->at != ' ' && *c->at != '\r')
        c->at++;
    space = c->at;
    if (space == from || !take(c, STR(" ")))
        return H1_FAULT_BAD_LINE;
    req->target = str_make(from, (size_t)(space - from));
    fault = parse_version(c, '\r', &req->version);
    if (fault != H1_FAULT_NONE)
        return fault;
    return take(c, STR("\r\n")) ? H1_FAULT_NONE : H1_FAULT_BAD_LINE;
}

static enum h1_fault
parse_request(struct str head, struct arena *arena, struct http_req *req)
{
    struct http_header fields[REQUEST_HEADERS_MAX];
    struct http_headers found = {.fields = fields, .count_max = array_len(fields)};
    struct facts facts = {.host_count = 0};
    struct cursor c = {head.ptr, head.ptr + head.len};
    enum h1_fault fault;

    if (!head_is_closed(head))
        return H1_FAULT_BAD_LINE;
    (void)take(&c, STR("\r\n"));
    fault = parse_request_line(&c, req);
    if (fault == H1_FAULT_NONE)
        fault = parse_fields(&c, &found, &facts);
    if (fault == H1_FAULT_NONE)
        fault = framing_judge(&facts, req->version, &req->framing, &req->content_length);
    if (fault != H1_FAULT_NONE)
        return fault;
    if (facts.host_count > 1)
        return H1_FAULT_MANY_HOSTS;
    if (target_parse(req->target, facts.host, arena, req, &fault) != 0)
        return fault;
    req->keep_alive = req->version == HTTP_11;
    req->head_bytes = head.len;
    return keep_fields(&found, arena, &req->headers);
}

int
h1_parse_request(struct str head, struct arena *arena, struct http_req *req,
                 enum h1_fault *ret_fault)
{
    struct http_req parsed = {.framing = FRAMING_NONE};
    enum h1_fault fault = parse_request(head, arena, &parsed);

    if (fault != H1_FAULT_NONE)
        return refuse(fault, ret_fault);
    *req = parsed;
    return 0;
}

/* "HTTP/1.1 200 OK" with CRLF. The space before an empty phrase is asked of servers by RFC 9112 4
 * but nobody reads a line without it differently, so it may be missing. */
static enum h1_fault
parse_status_line(struct cursor *c, struct http_resp *resp)
{
    struct str digits;

    if (parse_version(c, ' ', &resp->version) != H1_FAULT_NONE)
        return H1_FAULT_BAD_STATUS;
    c->at++;
    digits = take_class(c, CHAR_DIGIT);
    if (digits.len != 3 || digits.ptr[0] == '0')
        return H1_FAULT_BAD_STATUS;
    resp->status = (digits.ptr[0] - '0') * 100 + (digits.ptr[1] - '0') * 10 + (digits.ptr[2] - '0');
    if (take(c, STR(" ")))
        resp->reason = take_class(c, CHAR_VALUE);
    return take(c, STR("\r\n")) ? H1_FAULT_NONE : H1_FAULT_BAD_STATUS;
}

/* RFC 9112 6.3: what follows this head, whatever the fields say. An upstream that announces a
 * body where none may be is not trusted with another request on the connection. */
static enum h1_fault
response_body_judge(struct http_resp *resp, enum http_method request_method, bool has_framing)
{
    bool is_interim = resp->status < 200;

    if (is_interim || resp->status == 204) {
        bool announces_body = resp->framing == FRAMING_CHUNKED || resp->content_length > 0;

        if (announces_body && is_interim)
            return H1_FAULT_BAD_STATUS;
        if (announces_body)
            resp->keep_alive = false;
        resp->framing = FRAMING_NONE;
        return H1_FAULT_NONE;
    }
    if (request_method == METHOD_HEAD || resp->status == 304) {
        resp->framing = FRAMING_NONE;
        return H1_FAULT_NONE;
    }
    if (!has_framing) {
        resp->framing = FRAMING_UNTIL_CLOSE;
        resp->keep_alive = false;
    }
    return H1_FAULT_NONE;
}

static enum h1_fault
parse_response(struct str head, enum http_method request_method, struct arena *arena,
               struct http_resp *resp)
{
    struct http_header fields[RESPONSE_HEADERS_MAX];
    struct http_headers found = {.fields = fields, .count_max = array_len(fields)};
    struct facts facts = {.host_count = 0};
    struct cursor c = {head.ptr, head.ptr + head.len};
    enum h1_fault fault;

    if (!head_is_closed(head))
        return H1_FAULT_BAD_STATUS;
    fault = parse_status_line(&c, resp);
    if (fault == H1_FAULT_NONE)
        fault = parse_fields(&c, &found, &facts);
    if (fault == H1_FAULT_NONE)
        fault = framing_judge(&facts, resp->version, &resp->framing, &resp->content_length);
    if (fault != H1_FAULT_NONE)
        return fault;
    resp->keep_alive = resp->version == HTTP_11;
    fault = response_body_judge(resp, request_method,
                                facts.content_length_count + facts.transfer_encoding_count > 0);
    if (fault != H1_FAULT_NONE)
        return fault;
    resp->head_bytes = head.len;
    return keep_fields(&found, arena, &resp->headers);
}

int
h1_parse_response(struct str head, enum http_method request_method, struct arena *arena,
                  struct http_resp *resp, enum h1_fault *ret_fault)
{
    struct http_resp parsed = {.framing = FRAMING_NONE};
    enum h1_fault fault = parse_response(head, request_method, arena, &parsed);

    if (fault != H1_FAULT_NONE)
        return refuse(fault, ret_fault);
    *resp = parsed;
    return 0;
}
