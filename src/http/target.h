/* SPDX-License-Identifier: Apache-2.0
 *
 * Request targets, authorities and host names. There is one canonical form of a host, and
 * the same function makes it for SNI, Host, :authority, certificates' names and the
 * configuration, so that TLS policy and HTTP routing can never disagree.
 *
 * Nothing is decoded before forwarding. Rules match normalised copies of the path:
 *   route_path  escaped unreserved bytes decoded, dot segments resolved (RFC 3986 6.2.2), "//"
 *               kept: what a correct upstream understands;
 *   loose_path  an escaped slash or backslash is a slash too, empty segments are dropped and
 *               "..;x" is "..": what the most permissive one may understand.
 * path_is_ambiguous says that path, route_path and loose_path may differ in meaning; whoever
 * routes then matches all three and refuses the request when they lead to different rules.
 *
 * Bytes: the path is RFC 3986's, to the letter. In the query also the bytes that browsers send
 * raw are let through, | { } ^ ` [ and ]; refused are space, ", <, >, #, backslash and all else.
 */
#ifndef HTTP_TARGET_H
#define HTTP_TARGET_H

#include "base/arena.h"
#include "http/h1_parse.h"
#include "http/msg.h"

/* Lower-case, one trailing dot removed. Labels of 1 to 63 letters, digits, '-' and '_', at most 253
 * bytes in all; IPv4 in four decimal numbers (a name whose last label is a number is nothing
 * else); or [IPv6], in its shortest spelling. Anything else (comma, userinfo, space, '%',
 * non-ASCII, empty, empty label) is GW_E_PARSE. dst has host.len bytes and may be host.ptr. */
int host_canonical(struct str host, char *dst, size_t *ret_len) GW_MUST_USE;
/* "host", "host:port" or "[v6]:port" split and canonicalised into the arena; *ret_authority is
 * host plus ":port" when there was one. Port 1-65535 without leading zero sign or space. */
int authority_parse(struct str text, struct arena *arena, struct str *ret_authority,
                    struct str *ret_host, uint16_t *ret_port) GW_MUST_USE;

/* Fills target, authority, host, port, path, query, route_path, loose_path and path_is_ambiguous
 * of req (whose method and version are set) from the target text and
 * the Host value (ptr NULL when absent). For HTTP/2 pass :path and :authority. Forms by method
 * (RFC 9112 3.2). The target "?x" part and fragment rules of RFC 3986; '#', backslash,
 * control, non-ASCII and malformed percent escapes are BAD_TARGET; so is an encoded NUL, CR
 * or LF in the path, and a path with which normalising leaves the root. */
int target_parse(struct str target, struct str host, struct arena *arena, struct http_req *req,
                 enum h1_fault *ret_fault) GW_MUST_USE;

/* "*.example.com" matches one label; a pattern without a star matches itself. Both canonical. */
bool host_matches(struct str pattern, struct str host);

#endif
