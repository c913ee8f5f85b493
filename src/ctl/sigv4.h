/* SPDX-License-Identifier: Apache-2.0
 *
 * AWS Signature Version 4 of a GET without a body: pure, no clock, no environment.
 */
#ifndef CTL_SIGV4_H
#define CTL_SIGV4_H

#include "base/str.h"

struct sigv4_key {
    struct str access_key_id;
    struct str secret_access_key;
    struct str session_token; /* may be empty */
};

/* A header field that is signed. Names in lower case. */
struct sigv4_header {
    struct str name;
    struct str value;
};

struct sigv4_request {
    struct str host;                    /* as the Host field will say */
    struct str path;                    /* encoded, begins with '/' */
    struct str query;                   /* canonical, without '?'; may be empty */
    const struct sigv4_header *headers; /* beyond those that signing adds */
    size_t header_count;
    struct str region;
    struct str service;
    int64_t at_s; /* since the epoch */
};

#define SIGV4_DATE_LEN 16   /* "20130524T000000Z" */
#define SIGV4_HEADERS_MAX 8 /* of a request, those that signing adds not counted */

struct sigv4_signed {
    char date[SIGV4_DATE_LEN + 1]; /* X-Amz-Date */
    char payload[64 + 1];          /* X-Amz-Content-Sha256: of the empty body */
    char *authorization;           /* malloc */
};

/* Signed besides headers: host, x-amz-content-sha256, x-amz-date and, with a session token,
 * x-amz-security-token. */
void
sigv4_sign(const struct sigv4_request *req, const struct sigv4_key *key, struct sigv4_signed *ret);
/* An object's key as a path: every byte but letters, digits, "-._~" and '/' as %XX. Begins with
 * '/'; malloc. */
char *sigv4_encode_path(struct str prefix, struct str object);

#endif
