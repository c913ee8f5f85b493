/* SPDX-License-Identifier: Apache-2.0
 *
 * Body framing of HTTP/1: decoder for the four framings, encoder for chunked. Pure: the
 * decoder is given bytes and says how many of them it used and which piece is payload, so
 * payload is never copied here. Chunk extensions are dropped (at most CHUNK_EXT_BYTES_MAX
 * a body), trailers are checked and dropped.
 */
#ifndef HTTP_H1_BODY_H
#define HTTP_H1_BODY_H

#include "http/h1_parse.h"
#include "http/msg.h"

struct h1_body {
    enum http_framing framing;
    uint32_t state;
    uint64_t left;     /* of the length or the current chunk */
    uint32_t line_len; /* of the chunk-size or trailer line being read */
    uint32_t ext_bytes;
    uint32_t trailer_bytes;
    uint32_t trailer_count;
    uint32_t digits;
    bool is_done;
};

void h1_body_init(struct h1_body *b, enum http_framing framing, uint64_t content_length);

/* One step over in: *ret_used bytes are finished with; *ret_payload is a slice of in (maybe
 * empty) with body bytes, inside the used part. Call again while used > 0 and not done.
 * 0, GW_E_AGAIN (needs more input, nothing used), GW_E_PROTO with *ret_fault. After is_done
 * nothing is used. */
int h1_body_decode(struct h1_body *b, struct str in, size_t *ret_used, struct str *ret_payload,
                   enum h1_fault *ret_fault) GW_MUST_USE;
/* The stream ended. 0 if the body may end here (until-close, none, done), else GW_E_PROTO. */
int h1_body_eof(struct h1_body *b) GW_MUST_USE;

/* Chunk head "HEX\r\n" for a payload of n > 0 bytes; dst has room for H1_CHUNK_HEAD_MAX. Returns
 * its length. After the payload comes "\r\n"; the body ends with H1_CHUNK_LAST. */
#define H1_CHUNK_HEAD_MAX 18
#define H1_CHUNK_LAST STR("0\r\n\r\n")
/* Of one piece, and the last chunk behind it. */
#define H1_CHUNK_OVERHEAD (H1_CHUNK_HEAD_MAX + 2 + 5)
size_t h1_chunk_head(char *dst, uint64_t n);

#endif
