/* SPDX-License-Identifier: Apache-2.0
 *
 * What a client may not say, or may not say to the upstream, decided on the parsed model
 * for both HTTP versions: hop-by-hop fields (RFC 9110 7.6.1), nominations by Connection,
 * reserved identity names, desync classes. Fields to drop are marked, never removed.
 */
#ifndef HTTP_HYGIENE_H
#define HTTP_HYGIENE_H

#include "http/h1_parse.h"
#include "http/msg.h"

/* Names that belong to the gateway. Built once per listener; lower case, and every
 * byte but letters and digits as '-', before the comparison. */
struct hygiene_names {
    const struct str *renamed; /* names that attributes gave to identity headers */
    size_t renamed_count;
};

/* True for x-amzn-mtls-*, x-amzn-tls-*, client-cert, client-cert-chain, x-forwarded-client-cert,
 * x-forwarded-tls-client-cert*, ssl-client-*, x-ssl-*, x-client-cert*, x-client-verify,
 * x-client-dn and relatives, and every renamed name; any case, any byte but letters
 * and digits counts as '-'. */
bool hygiene_is_identity_name(const struct hygiene_names *names, struct str name);

struct hygiene_result {
    uint32_t identity_dropped; /* client-sent identity fields marked */
    uint32_t hop_dropped;
};

/* Marks fields of req, imitations of X-Forwarded-For, -Proto and -Port among them; sets keep_alive
 * and expect_continue. Connection may nominate only what may
 * be dropped: nominating identity, Host, Content-*, Transfer-Encoding, Authorization, Cookie or
 * X-Forwarded-* is BAD_CONNECTION. Expect other than 100-continue is BAD_EXPECT. */
int hygiene_request(const struct hygiene_names *names, struct http_req *req,
                    struct hygiene_result *ret, enum h1_fault *ret_fault) GW_MUST_USE;
/* Hop-by-hop and identity fields of a response are marked; 101 is refused (BAD_STATUS) as no
 * upgrade is ever forwarded. */
int hygiene_response(struct http_resp *resp, enum h1_fault *ret_fault) GW_MUST_USE;

#endif
