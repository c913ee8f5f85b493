/* SPDX-License-Identifier: Apache-2.0
 *
 * The trust stores of a configuration as plain data: authorities, where revocation lists come
 * from, exceptions. Part of config.h.
 */
#ifndef CONF_CONFIG_TRUST_H
#define CONF_CONFIG_TRUST_H

#include "base/base.h"
#include "cert/exception.h"

/* Where a value stands in the file; line 0: it is a default. */
struct config_pos {
    int line;
    int column;
};

/* Where revocation lists come from: either a path or a URL. */
struct config_crl_source {
    const char *path;    /* a file or a folder; NULL: a URL */
    const char *url;     /* https, http or s3; NULL: a path */
    int64_t interval_ms; /* of a URL: between two questions */
    int64_t max_bytes;   /* of a URL */
    const char *region;  /* of an s3 URL; NULL: the environment's */
    struct config_pos pos;
};

struct config_exception {
    int allow;          /* enum trust_exception_kind */
    int64_t max_age_ms; /* 0: not in the file */
    const char *issuer; /* RFC 2253; NULL: not in the file */
    const char *sha256; /* 64 lower hex digits; NULL: not in the file */
    int64_t until_s;
    const char *why;
    struct config_pos pos;
};

struct config_trust_store {
    const char *name;
    const char *ca_bundle;
    struct config_crl_source *crls;
    size_t crl_count;
    int crl_missing; /* enum crl_missing */
    int crl_expired; /* enum crl_expired */
    int64_t crl_grace_ms;
    int64_t max_chain_depth;
    struct config_exception *exceptions;
    size_t exception_count;
    struct config_pos pos;
    struct config_pos ca_bundle_pos;
    struct config_pos crls_pos;
    struct config_pos crl_missing_pos;
    struct config_pos crl_expired_pos;
    struct config_pos crl_grace_pos;
};

#endif
