/* SPDX-License-Identifier: Apache-2.0
 *
 * From decoded HTTP/2 fields to the version-neutral request (RFC 9113 8.2 and 8.3). The
 * codec has collected regular fields in req->headers (http_headers_init, _add) and the
 * pseudo-header values; here they are judged by the same tables as HTTP/1 heads. Pure.
 * What it does not do: HPACK, hygiene (call hygiene_request next), counting DATA bytes
 * against content_length.
 */
#ifndef HTTP_H2_REQUEST_H
#define HTTP_H2_REQUEST_H

#include "base/arena.h"
#include "http/h1_parse.h"
#include "http/msg.h"

/* Fills all of req but headers, from the pseudo-header values (ptr NULL when absent) and the fields
 * in req->headers, whose memory must live as long as req. Cookie crumbs become one field.
 * end_stream: no DATA follows, so there is no body; a body of unknown length is FRAMING_CHUNKED,
 * and only an announced length is FRAMING_LENGTH (0 too). GW_E_PROTO with *ret_fault; req is then
 * not to be used. */
int h2_request_finish(struct http_req *req, struct str method, struct str scheme,
                      struct str authority, struct str path, bool end_stream, struct arena *arena,
                      enum h1_fault *ret_fault) GW_MUST_USE;

#endif
