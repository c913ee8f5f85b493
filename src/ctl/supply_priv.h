/* SPDX-License-Identifier: Apache-2.0
 *
 * One list that is fetched: what is asked (supply_request.c), what becomes of the answer
 * (supply_list.c), and when (supply.c).
 */
#ifndef CTL_SUPPLY_PRIV_H
#define CTL_SUPPLY_PRIV_H

#include <sys/stat.h>

#include "conf/digest.h"
#include "ctl/credentials.h"
#include "ctl/fetch.h"
#include "ctl/supply.h"

#define SUPPLY_WHY_MAX 512

/* A trust store that wants the list. */
struct supply_store {
    char *name;
    char *ca_bundle;
    enum crl_expired crl_expired;
    int64_t crl_grace_s;
};

struct supply_source {
    char *url;
    char *cache_path;
    char *tags_path; /* ETag and date of the copy */
    char *region;    /* NULL: the environment's */
    int64_t interval_ms;
    size_t max_bytes;
    struct supply_store *stores;
    size_t store_count;
    /* Of the copy */
    struct stat copy_stat; /* when copy_sha256 was computed */
    uint8_t copy_sha256[DIGEST_BYTES];
    bool has_copy;
    char etag[FETCH_TAG_MAX];
    char last_modified[FETCH_TAG_MAX];
    bool is_unused; /* a copy that was not loaded yet */
    /* Of the schedule */
    bool is_wanted;
    bool waits_for_credentials;
    bool is_conditional; /* the question under way */
    uint64_t number;     /* of the transfer under way; 0: none */
    unsigned failures;
    int64_t next_ms;
    char error[SUPPLY_WHY_MAX];
    uint64_t error_count;
    int64_t last_fetch_s, last_success_s;
};

/* ---- supply_request.c ---- */

bool supply_needs_credentials(const struct supply_source *s);
/* The question; signed for s3, unsigned without credentials. GW_E_CONFIG with why. */
int supply_request(struct supply_source *s, const struct credentials *c, int64_t now_s,
                   struct fetch_request *ret, char why[SUPPLY_WHY_MAX]) GW_MUST_USE;

/* ---- supply_list.c ---- */

/* Every source of the configuration once, copies and tags read; malloc. */
struct supply_source *supply_sources(const struct config *config, size_t *ret_count);
void supply_source_done(struct supply_source *s);
/* Looks at the copy again when it changed; has_copy and copy_sha256 are right afterwards, and the
 * tags are empty when they belong to another copy. */
void supply_copy_check(struct supply_source *s);
/* Would every trust store that wants it take this text? */
bool supply_list_is_good(const struct supply_source *s, struct str text,
                         const struct liststate *floors, int64_t now_s, char why[SUPPLY_WHY_MAX]);
bool supply_copy_is_good(struct supply_source *s, const struct liststate *floors, int64_t now_s);
/* Sets *ret_is_new when the copy was replaced. False with why: the copy is as it was. */
bool
supply_answer(struct supply_source *s, const struct fetch_result *r, const struct liststate *floors,
              int64_t now_s, bool *ret_is_new, char why[SUPPLY_WHY_MAX]);

#endif
