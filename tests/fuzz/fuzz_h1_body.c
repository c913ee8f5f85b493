/* SPDX-License-Identifier: Apache-2.0
 *
 * h1_body_decode: the first byte chooses framing and cuts, the rest is the body. Pieces of any
 * size give the same payload and end as the whole does, and what is decoded and encoded
 * again is decoded to the same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "http/h1_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
    int err;
    bool is_done;
    size_t used;
    size_t payload_bytes;
    uint64_t payload_hash;
};

static void
add_payload(struct result *r, struct str payload)
{
    r->payload_bytes += payload.len;
    for (size_t i = 0; i < payload.len; i++)
        r->payload_hash = (r->payload_hash ^ (uint8_t)payload.ptr[i]) * UINT64_C(0x100000001b3);
}

/* Re-encodes into copy (may be NULL), which has room for all. */
static struct result
decode(enum http_framing framing, uint64_t length, struct str in, size_t step, char *copy,
       size_t *copy_len)
{
    struct result r = {0};
    struct h1_body body;

    h1_body_init(&body, framing, length);
    for (size_t end = size_min(step, in.len); r.used < in.len && r.err == 0 && !body.is_done;) {
        struct str payload;
        enum h1_fault fault = H1_FAULT_NONE;
        size_t used = 0;

        if (r.used == end)
            end = size_min(end + step, in.len);
        r.err = h1_body_decode(&body, str_sub(in, r.used, end - r.used), &used, &payload, &fault);
        gw_assert((r.err != 0) == (fault != H1_FAULT_NONE));
        if (r.err != 0)
            break;
        gw_assert(used > 0 && used <= end - r.used && payload.len <= used);
        r.used += used;
        add_payload(&r, payload);
        if (copy != NULL && payload.len > 0) {
            *copy_len += h1_chunk_head(copy + *copy_len, payload.len);
            memcpy(copy + *copy_len, payload.ptr, payload.len);
            *copy_len += payload.len;
            memcpy(copy + *copy_len, "\r\n", 2);
            *copy_len += 2;
        }
    }
    r.is_done = body.is_done;
    gw_assert(r.is_done || framing == FRAMING_UNTIL_CLOSE || h1_body_eof(&body) != 0);
    return r;
}

static void
encode_again(struct str in, struct result whole)
{
    /* Each payload byte may become a chunk of its own. */
    char *copy = malloc(in.len * (H1_CHUNK_HEAD_MAX + 3) + H1_CHUNK_LAST.len);
    size_t len = 0;
    struct result again;

    gw_assert(copy != NULL);
    (void)decode(FRAMING_CHUNKED, 0, in, 7, copy, &len);
    memcpy(copy + len, H1_CHUNK_LAST.ptr, H1_CHUNK_LAST.len);
    again = decode(FRAMING_CHUNKED, 0, str_make(copy, len + H1_CHUNK_LAST.len), 5, NULL, NULL);
    gw_assert(again.err == 0 && again.is_done && again.used == len + H1_CHUNK_LAST.len);
    gw_assert(again.payload_bytes == whole.payload_bytes);
    gw_assert(again.payload_hash == whole.payload_hash);
    free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum http_framing framings[] = {FRAMING_CHUNKED, FRAMING_CHUNKED, FRAMING_LENGTH,
                                                 FRAMING_UNTIL_CLOSE};
    enum http_framing framing;
    struct result whole;
    struct result drip;
    struct str in;
    size_t step;

    if (size == 0)
        return 0;
    framing = framings[data[0] & 3];
    step = (size_t)(data[0] >> 2) + 1;
    in = str_make(data + 1, size - 1);
    whole = decode(framing, data[0], in, in.len + 1, NULL, NULL);
    drip = decode(framing, data[0], in, step, NULL, NULL);
    gw_assert(whole.err == drip.err && whole.is_done == drip.is_done);
    gw_assert(whole.payload_bytes == drip.payload_bytes);
    gw_assert(whole.payload_hash == drip.payload_hash);
    gw_assert(whole.err != 0 || whole.used == drip.used);
    if (framing == FRAMING_CHUNKED && whole.is_done)
        encode_again(in, whole);
    return 0;
}
