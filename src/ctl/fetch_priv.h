/* SPDX-License-Identifier: Apache-2.0
 *
 * One transfer, for fetch.c and the thread that runs several.
 */
#ifndef CTL_FETCH_PRIV_H
#define CTL_FETCH_PRIV_H

#include <curl/curl.h>

#include "ctl/fetch.h"

struct fetch_transfer {
    CURL *easy;
    struct curl_slist *headers;
    struct fetch_result result;
    char text[CURL_ERROR_SIZE];
    size_t max_bytes;
    size_t room;
    size_t head_bytes;
    bool is_credentials;
    bool is_forbidden;
    bool is_too_large;
};

/* t is zeroed. False: not to be used, and to be given to fetch_transfer_done. */
bool fetch_transfer_init(struct fetch_transfer *t, const struct fetch_request *req);
/* The result, from libcurl's code. */
void fetch_transfer_end(struct fetch_transfer *t, int code);
void fetch_transfer_done(struct fetch_transfer *t);

#endif
