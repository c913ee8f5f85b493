/* SPDX-License-Identifier: Apache-2.0
 *
 * Why would this certificate (and this request) be admitted or refused? Judged by the same
 * functions as live traffic, printed verdict first, then step by step, then what to do.
 * Reads files and prints; talks to no running gateway.
 */
#ifndef CTL_EXPLAIN_H
#define CTL_EXPLAIN_H

#include <stdio.h>

#include "base/str.h"

enum { EXPLAIN_ADMIT = 0, EXPLAIN_REFUSE = 1, EXPLAIN_ERROR = 2 };

struct explain_options {
    /* With a configuration */
    const char *config;
    const char *listener; /* NULL: the only one */
    const char *sni;      /* NULL: the host of the request, or none */
    /* Or without */
    const char *trust_store;
    const char *const *crls;
    size_t crl_count;
    /* Both */
    const char *cert;      /* leaf, then what the client sends with it */
    const char *untrusted; /* more certificates that the client sends */
    const char *at;        /* RFC 3339; NULL: now */
    bool is_json;
    /* A request; path NULL and method NULL: none. Needs a configuration. */
    const char *method;
    const char *host;
    const char *path;
    const char *source;
    const char *vpc_endpoint;
    const char *const *headers; /* "Name: value" */
    size_t header_count;
};

/* Returns EXPLAIN_...; what is wrong with the input goes to err. */
int explain_run(const struct explain_options *options, FILE *out, FILE *err);

#endif
