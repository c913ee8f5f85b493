/* SPDX-License-Identifier: Apache-2.0
 *
 * Where AWS credentials come from, in the order of AWS's own tools: the environment, the
 * shared credentials file, the container endpoint. Only the last needs a transfer, which the
 * caller makes.
 */
#ifndef CTL_CREDENTIALS_H
#define CTL_CREDENTIALS_H

#include "ctl/fetch.h"
#include "ctl/sigv4.h"

struct credentials {
    char *access_key_id; /* all malloc; NULL: none */
    char *secret_access_key;
    char *session_token; /* may be NULL */
    int64_t expires_s;   /* INT64_MAX: not known to end */
};

/* Wipes them. Safe on a zeroed struct. */
void credentials_done(struct credentials *c);
struct sigv4_key credentials_key(const struct credentials *c);

/* From the environment or the file. GW_E_NOTFOUND when neither has any; GW_E_CONFIG with why when
 * one is wrong. */
int credentials_local(struct credentials *ret, char why[256]) GW_MUST_USE;
/* The request to the container endpoint. GW_E_NOTFOUND when the environment names none;
 * GW_E_CONFIG when it names one that must not be asked. */
int credentials_request(struct fetch_request *ret, char why[256]) GW_MUST_USE;
/* Its answer. */
int credentials_parse(struct str json, struct credentials *ret) GW_MUST_USE;
/* One profile of a credentials file. GW_E_NOTFOUND when it is not there or not whole. */
int
credentials_parse_file(struct str text, struct str profile, struct credentials *ret) GW_MUST_USE;

#endif
