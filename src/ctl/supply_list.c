/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of an answer: judged by the same code as a list on disk, then it replaces the
 * copy, or the copy stays. Called by supply on the control thread; owns nothing. Must never
 * write a list that a load would refuse for itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "ctl/mem.h"
#include "ctl/supply_priv.h"

/* ---- sources ------------------------------------------------------------------------------- */

static void
store_add(struct supply_source *s, const struct config_trust_store *store)
{
    s->stores = mem_resize(s->stores, s->store_count + 1, sizeof(*s->stores));
    s->stores[s->store_count++] =
        (struct supply_store){.name = mem_strdup(store->name),
                              .ca_bundle = mem_strdup(store->ca_bundle),
                              .crl_expired = (enum crl_expired)store->crl_expired,
                              .crl_grace_s = store->crl_grace_ms / 1000};
}

/* "etag VALUE", "last-modified VALUE", "sha256 HEX"; what is not so is no tag. */
static void
tags_read(struct supply_source *s)
{
    struct file file = {0};
    struct diag diag;
    struct str rest, line;
    char hex[2 * DIGEST_BYTES];
    bool done = false, is_ours = false;

    diag_init(&diag);
    if (file_read(s->tags_path, KIB(4), FILE_PUBLIC, false, &diag, &file) == 0) {
        rest = str_make(file.bytes, file.len);
        str_hex_lower(hex, s->copy_sha256, DIGEST_BYTES);
        while (str_split_next(&rest, '\n', &done, &line)) {
            if (str_starts(line, STR("etag ")) && line.len - 5 < sizeof(s->etag))
                (void)snprintf(s->etag, sizeof(s->etag), "%.*s", (int)line.len - 5, line.ptr + 5);
            if (str_starts(line, STR("last-modified ")) && line.len - 14 < sizeof(s->etag))
                (void)snprintf(s->last_modified, sizeof(s->last_modified), "%.*s",
                               (int)line.len - 14, line.ptr + 14);
            is_ours |= str_starts(line, STR("sha256 ")) &&
                       str_eq(str_sub(line, 7, line.len), str_make(hex, sizeof(hex)));
        }
        file_done(&file);
    }
    if (!is_ours)
        s->etag[0] = s->last_modified[0] = '\0';
    diag_done(&diag);
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void
supply_copy_check(struct supply_source *s)
{
    struct file file = {0};
    struct diag diag;
    struct stat st;

    if (stat(s->cache_path, &st) != 0) {
        s->has_copy = false;
        return;
    }
    if (s->has_copy && same_file(&st, &s->copy_stat))
        return;
    diag_init(&diag);
    s->has_copy =
        file_read(s->cache_path, CRL_FILE_BYTES_MAX, FILE_PUBLIC, true, &diag, &file) == 0;
    if (s->has_copy) {
        digest_bytes(str_make(file.bytes, file.len), s->copy_sha256);
        s->copy_stat = st;
        file_done(&file);
        tags_read(s);
    }
    diag_done(&diag);
}

static struct supply_source *
source_find(struct supply_source *items, size_t count, const char *url)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(items[i].url, url) == 0)
            return &items[i];
    }
    return NULL;
}

static void
source_init(struct supply_source *s, const struct config *config,
            const struct config_crl_source *src)
{
    *s = (struct supply_source){.url = mem_strdup(src->url),
                                .cache_path = config_list_cache_path(config, src->url),
                                .region = src->region != NULL ? mem_strdup(src->region) : NULL,
                                .interval_ms = src->interval_ms,
                                .max_bytes = (size_t)src->max_bytes};
    gw_assert(s->cache_path != NULL);
    gw_assert(asprintf(&s->tags_path, "%s.tags", s->cache_path) > 0);
    supply_copy_check(s);
}

struct supply_source *
supply_sources(const struct config *config, size_t *ret_count)
{
    struct supply_source *items = NULL;
    size_t count = 0;

    for (size_t i = 0; i < config->trust_store_count; i++) {
        const struct config_trust_store *store = &config->trust_stores[i];

        for (size_t j = 0; j < store->crl_count; j++) {
            const struct config_crl_source *src = &store->crls[j];
            struct supply_source *s;

            if (src->url == NULL)
                continue;
            s = source_find(items, count, src->url);
            if (s == NULL) {
                items = mem_resize(items, count + 1, sizeof(*items));
                s = &items[count++];
                source_init(s, config, src);
            }
            store_add(s, store);
        }
    }
    *ret_count = count;
    return items;
}

void
supply_source_done(struct supply_source *s)
{
    for (size_t i = 0; i < s->store_count; i++) {
        free(s->stores[i].name);
        free(s->stores[i].ca_bundle);
    }
    free(s->stores);
    free(s->url);
    free(s->cache_path);
    free(s->tags_path);
    free(s->region);
}

/* ---- judging ------------------------------------------------------------------------------- */

static bool
store_takes(const struct supply_store *store, const char *name, struct str text,
            const struct liststate *floors, int64_t now_s, struct diag *diag)
{
    struct trust_source src = {.name = store->name,
                               .ca_bundle = store->ca_bundle,
                               .crls_configured = true,
                               .crl_missing = CRL_MISSING_ALLOW,
                               .crl_expired = store->crl_expired,
                               .crl_grace_s = store->crl_grace_s,
                               .max_chain_depth = 1,
                               .floors = floors->floors,
                               .floor_count = floors->count,
                               .floors_file = floors->path != NULL ? floors->path : "-",
                               .candidate_name = name,
                               .candidate_len = text.len};
    struct trust *t = NULL;
    bool is_taken;

    /* A copy: reading destroys it. */
    src.candidate = mem_calloc(1, text.len + 1);
    memcpy(src.candidate, text.ptr, text.len);
    is_taken = trust_build(&src, NULL, now_s, diag, &t) == 0;
    trust_unref(t);
    free(src.candidate);
    return is_taken;
}

static void
first_error(const struct diag *diag, char why[SUPPLY_WHY_MAX])
{
    for (size_t i = 0; i < diag->count; i++) {
        if (diag->entries[i].is_warning)
            continue;
        (void)snprintf(why, SUPPLY_WHY_MAX, "%s", diag->entries[i].text);
        return;
    }
    (void)snprintf(why, SUPPLY_WHY_MAX, "cannot be loaded");
}

bool
supply_list_is_good(const struct supply_source *s, struct str text, const struct liststate *floors,
                    int64_t now_s, char why[SUPPLY_WHY_MAX])
{
    bool is_good = true;

    if (text.len == 0) {
        (void)snprintf(why, SUPPLY_WHY_MAX, "empty");
        return false;
    }
    for (size_t i = 0; i < s->store_count && is_good; i++) {
        struct diag diag;

        diag_init(&diag);
        is_good = store_takes(&s->stores[i], "the answer", text, floors, now_s, &diag);
        if (!is_good)
            first_error(&diag, why);
        diag_done(&diag);
    }
    return is_good;
}

bool
supply_copy_is_good(struct supply_source *s, const struct liststate *floors, int64_t now_s)
{
    char why[SUPPLY_WHY_MAX];
    struct file file = {0};
    struct diag diag;
    bool is_good = false;

    diag_init(&diag);
    if (file_read(s->cache_path, CRL_FILE_BYTES_MAX, FILE_PUBLIC, true, &diag, &file) == 0) {
        is_good = supply_list_is_good(s, str_make(file.bytes, file.len), floors, now_s, why);
        file_done(&file);
    }
    diag_done(&diag);
    return is_good;
}

/* ---- replacing ----------------------------------------------------------------------------- */

static bool
copy_write(struct supply_source *s, struct str text, char why[SUPPLY_WHY_MAX])
{
    char *dir = file_dirname(s->cache_path);
    bool is_written =
        (mkdir(dir, 0700) == 0 || errno == EEXIST) && file_replace(s->cache_path, text) == 0;

    if (!is_written)
        (void)snprintf(why, SUPPLY_WHY_MAX, "%s: %s", s->cache_path, strerror(errno));
    free(dir);
    return is_written;
}

/* Without the tags the list is fetched whole next time. */
static void
tags_write(struct supply_source *s, const struct fetch_result *r)
{
    char hex[2 * DIGEST_BYTES];
    char *text = NULL;

    str_hex_lower(hex, s->copy_sha256, DIGEST_BYTES);
    gw_assert(asprintf(&text, "etag %s\nlast-modified %s\nsha256 %.*s\n", r->etag, r->last_modified,
                       (int)sizeof(hex), hex) > 0);
    (void)snprintf(s->etag, sizeof(s->etag), "%s", r->etag);
    (void)snprintf(s->last_modified, sizeof(s->last_modified), "%s", r->last_modified);
    if (file_replace(s->tags_path, str_from(text)) != 0)
        s->etag[0] = s->last_modified[0] = '\0';
    free(text);
}

static bool
take_list(struct supply_source *s, const struct fetch_result *r, const struct liststate *floors,
          int64_t now_s, bool *ret_is_new, char why[SUPPLY_WHY_MAX])
{
    struct str text = str_make(r->body, r->len);
    uint8_t sha256[DIGEST_BYTES];

    if (!supply_list_is_good(s, text, floors, now_s, why))
        return false;
    digest_bytes(text, sha256);
    supply_copy_check(s);
    if (!s->has_copy || memcmp(sha256, s->copy_sha256, sizeof(sha256)) != 0) {
        if (!copy_write(s, text, why))
            return false;
        *ret_is_new = true;
        supply_copy_check(s);
    }
    tags_write(s, r);
    return true;
}

bool
supply_answer(struct supply_source *s, const struct fetch_result *r, const struct liststate *floors,
              int64_t now_s, bool *ret_is_new, char why[SUPPLY_WHY_MAX])
{
    *ret_is_new = false;
    if (r->status == 200)
        return take_list(s, r, floors, now_s, ret_is_new, why);
    if (r->status == 304 && s->is_conditional)
        return true;
    if (r->status == 0)
        (void)snprintf(why, SUPPLY_WHY_MAX, "%s", r->error);
    else
        (void)snprintf(why, SUPPLY_WHY_MAX, "answered %d%s", r->status,
                       r->status >= 300 && r->status < 400 ? "; redirects are not followed" : "");
    return false;
}
