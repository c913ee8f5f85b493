/* SPDX-License-Identifier: Apache-2.0
 *
 * One HTTP GET as it is safe to make for a gateway: http and https only, no redirects, no
 * proxy of the environment, no compression, bytes counted by ourselves, deadlines, and no
 * connection to link-local addresses, where machines keep their metadata services.
 *
 * Transfers run on a thread of their own, several at a time; answers come to the control
 * loop. All functions are for the control thread.
 */
#ifndef CTL_FETCH_H
#define CTL_FETCH_H

#include <sys/socket.h>

#include "base/limits.h"
#include "net/loop.h"

/* Everything is malloc and freed by fetch_request_done. */
struct fetch_request {
    char *url;
    char **headers; /* "Name: value" */
    size_t header_count;
    char *ca_bundle; /* NULL: the system's */
    size_t max_bytes;
    int64_t timeout_ms;
    int slow_s;          /* with fewer than FETCH_SLOW_BYTES a second for so long it ends */
    bool is_credentials; /* the address of the container credentials may be asked, and no other
                          * link-local one */
};

struct fetch_result {
    int status;      /* 0: no whole answer */
    char error[256]; /* why not */
    char *body;      /* malloc, a NUL follows; NULL without */
    size_t len;
    char etag[FETCH_TAG_MAX];
    char last_modified[FETCH_TAG_MAX];
};

void fetch_request_add_header(struct fetch_request *req, const char *fmt, ...) GW_PRINTF(2, 3);
/* Wipes the headers: they may hold signatures and tokens. */
void fetch_request_done(struct fetch_request *req);
/* Wipes the body. */
void fetch_result_done(struct fetch_result *r);

/* Borrowed, for ever. */
const char *fetch_library_version(void);
/* On the calling thread, which waits. */
void fetch_run(const struct fetch_request *req, struct fetch_result *ret);
bool fetch_address_is_allowed(const struct sockaddr *sa, bool is_credentials);
/* When to ask again: the interval with up to a tenth more; after failures 1 s, 2 s, 4 s ... to
 * FETCH_BACKOFF_MAX_MS, the same way. random is any number. */
int64_t fetch_delay_ms(int64_t interval_ms, unsigned failures, uint64_t random);

struct fetcher;

/* on_done gets the number that fetcher_start gave; the result is its own for the call. */
struct fetcher *
fetcher_new(struct loop *control,
            void (*on_done)(void *arg, uint64_t number, struct fetch_result *r), void *arg);
/* Does not wait for transfers. on_done is not called afterwards. NULL is fine. */
void fetcher_free(struct fetcher *f);
/* Takes what req holds. */
uint64_t fetcher_start(struct fetcher *f, struct fetch_request *req);

#endif
