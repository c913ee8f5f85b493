/* SPDX-License-Identifier: Apache-2.0
 *
 * h1_scan, h1_parse_request, h1_parse_response and hygiene: any bytes, read as a request and as a
 * response. Byte by byte gives the same answer as whole, and what is accepted keeps the
 * promises of the model.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "http/h1_parse.h"
#include "http/hygiene.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct scanned {
    int err;
    size_t len;
    enum h1_fault fault;
};

static struct scanned
scan_in_steps(struct str bytes, bool is_request, size_t step)
{
    struct scanned r = {.err = GW_E_AGAIN};
    struct h1_scan scan;

    h1_scan_init(&scan, is_request);
    for (size_t fed = 0; r.err == GW_E_AGAIN && fed < bytes.len;) {
        fed = size_min(bytes.len, fed + step);
        r.err = h1_scan(&scan, str_sub(bytes, 0, fed), &r.len, &r.fault);
    }
    return r;
}

static struct scanned
scan_both_ways(struct str bytes, bool is_request)
{
    struct scanned whole = scan_in_steps(bytes, is_request, bytes.len);
    struct scanned drip = scan_in_steps(bytes, is_request, 1);

    gw_assert(whole.err == drip.err && whole.len == drip.len && whole.fault == drip.fault);
    gw_assert(whole.err != GW_E_PROTO || whole.fault != H1_FAULT_NONE);
    return whole;
}

static void
check_headers(const struct http_headers *headers)
{
    gw_assert(headers->count + HEADERS_SPARE == headers->count_max);
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct http_header *field = &headers->fields[i];

        gw_assert(http_is_token(field->name));
        gw_assert(http_is_field_value(field->value));
        gw_assert(str_trim(field->value).len == field->value.len);
        gw_assert(!http_header_imitates_framing(field->name));
    }
}

static void
check_framing(const struct http_headers *headers, enum http_framing framing)
{
    uint32_t lengths = http_headers_count(headers, HEADER_CONTENT_LENGTH);
    uint32_t encodings = http_headers_count(headers, HEADER_TRANSFER_ENCODING);

    gw_assert(lengths + encodings <= 1);
    gw_assert(framing != FRAMING_LENGTH || lengths == 1);
    gw_assert(framing != FRAMING_CHUNKED || encodings == 1);
}

static void
check_request(struct http_req *req)
{
    struct hygiene_result result;
    enum h1_fault fault;

    check_headers(&req->headers);
    check_framing(&req->headers, req->framing);
    gw_assert(http_is_token(req->method_text) && req->method_text.len <= METHOD_BYTES_MAX);
    gw_assert(req->version != HTTP_20 && req->framing != FRAMING_UNTIL_CLOSE);
    gw_assert((req->framing != FRAMING_NONE) ==
              (http_headers_count(&req->headers, HEADER_CONTENT_LENGTH) +
                   http_headers_count(&req->headers, HEADER_TRANSFER_ENCODING) >
               0));
    gw_assert(http_headers_count(&req->headers, HEADER_HOST) <= 1);
    gw_assert(req->version == HTTP_10 || req->host.len > 0);
    if (hygiene_request(NULL, req, &result, &fault) != 0)
        return;
    gw_assert(result.identity_dropped + result.hop_dropped <= req->headers.count);
    for (uint32_t i = 0; i < req->headers.count; i++) {
        const struct http_header *field = &req->headers.fields[i];

        gw_assert(field->is_dropped || !hygiene_is_identity_name(NULL, field->name));
        gw_assert(field->is_dropped || !http_header_is_hop_by_hop(field->token));
    }
}

static void
run_request(struct str bytes)
{
    struct scanned s = scan_both_ways(bytes, true);
    struct arena arena;
    struct http_req req;
    enum h1_fault fault;

    if (s.err != 0)
        return;
    arena_init(&arena, STREAM_ARENA_BLOCK, STREAM_ARENA_MAX);
    if (h1_parse_request(str_sub(bytes, 0, s.len), &arena, &req, &fault) == 0)
        check_request(&req);
    arena_done(&arena);
}

static void
run_response(struct str bytes, enum http_method method)
{
    struct scanned s = scan_both_ways(bytes, false);
    struct arena arena;
    struct http_resp resp;
    enum h1_fault fault;

    if (s.err != 0)
        return;
    arena_init(&arena, STREAM_ARENA_BLOCK, STREAM_ARENA_MAX);
    if (h1_parse_response(str_sub(bytes, 0, s.len), method, &arena, &resp, &fault) == 0) {
        check_headers(&resp.headers);
        check_framing(&resp.headers, resp.framing);
        gw_assert(resp.status >= 100 && resp.status <= 999);
        gw_assert(http_is_field_value(resp.reason));
        gw_assert(!resp.keep_alive || resp.framing != FRAMING_UNTIL_CLOSE);
        (void)!hygiene_response(&resp, &fault);
    }
    arena_done(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_make(data, size);

    run_request(bytes);
    run_response(bytes, METHOD_GET);
    run_response(bytes, METHOD_HEAD);
    return 0;
}
