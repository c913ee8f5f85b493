/* SPDX-License-Identifier: Apache-2.0
 *
 * Trust stores of a snapshot: which files the configured lists are, then cert/trust does
 * the rest. Called by snapshot_build on the control thread. Owns the list of files for the
 * time of the call. Must never turn a configured source into no list at all in silence.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/limits.h"
#include "conf/mem.h"
#include "conf/snapshot_priv.h"

/* The files of one trust store's crls. */
struct files {
    struct snapshot_job *job;
    const struct config_trust_store *store;
    struct arena arena;
    const char *paths[CRL_FILES_MAX];
    struct stat stats[CRL_FILES_MAX];
    size_t count;
    bool is_full;
};

static void
report(struct files *f, const struct config_crl_source *src, const char *path, const char *text)
{
    diag_error(f->job->diag, f->job->config->file, src->pos.line, src->pos.column,
               "trust_stores.%s.crls: %s: %s", f->store->name, path, text);
}

/* A file that is named twice, by itself and by its folder, is one list. */
static bool
is_there_already(const struct files *f, const struct stat *st)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->stats[i].st_dev == st->st_dev && f->stats[i].st_ino == st->st_ino)
            return true;
    return false;
}

static void
add_file(struct files *f, const struct config_crl_source *src, const char *path,
         const struct stat *st)
{
    if (f->is_full || is_there_already(f, st))
        return;
    if (f->count == CRL_FILES_MAX) {
        char text[64];

        snprintf(text, sizeof(text), "more than %d lists in one trust store", CRL_FILES_MAX);
        report(f, src, path, text);
        f->is_full = true;
        return;
    }
    f->paths[f->count] = conf_str(&f->arena, str_from(path)).ptr;
    f->stats[f->count] = *st;
    f->count++;
}

static int
is_list_name(const struct dirent *entry)
{
    struct str name = str_from(entry->d_name);

    return name.ptr[0] != '.' && (str_ends(name, STR(".pem")) || str_ends(name, STR(".crl")));
}

static int
compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* What is no regular file is passed on all the same: whoever reads it refuses it in words. */
static void
add_entry(struct files *f, const struct config_crl_source *src, const char *name)
{
    char *path = file_join(src->path, name);
    struct stat st;

    if (stat(path, &st) != 0)
        report(f, src, path, strerror(errno));
    else
        add_file(f, src, path, &st);
    free(path);
}

/* With crl_missing: allow the folder may be filled later; otherwise nobody could get in. */
static void
report_empty(struct files *f, const struct config_crl_source *src)
{
    static const char text[] = "the folder holds no revocation list (*.pem or *.crl)";

    if (f->store->crl_missing == CRL_MISSING_REFUSE)
        report(f, src, src->path, text);
    else
        diag_warn(f->job->diag, f->job->config->file, src->pos.line, src->pos.column,
                  "trust_stores.%s.crls: %s: %s", f->store->name, src->path, text);
}

static void
add_folder(struct files *f, const struct config_crl_source *src)
{
    struct dirent **entries = NULL;
    int count = scandir(src->path, &entries, is_list_name, compare_names);

    if (count < 0)
        report(f, src, src->path, strerror(errno));
    else if (count == 0)
        report_empty(f, src);
    for (int i = 0; i < count; i++) {
        add_entry(f, src, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

/* Until a fetched list is there crl_missing decides about its issuer's clients, so that the
 * gateway can start while the source is down. */
static void
add_fetched(struct files *f, const struct config_crl_source *src)
{
    char *path = config_list_cache_path(f->job->config, src->url);
    struct stat st;

    gw_assert(path != NULL);
    if (stat(path, &st) == 0)
        add_file(f, src, path, &st);
    else if (errno == ENOENT)
        diag_warn(f->job->diag, f->job->config->file, src->pos.line, src->pos.column,
                  "trust_stores.%s.crls: %s: the list is not there yet; clients of its issuer are "
                  "%s until it is",
                  f->store->name, src->url,
                  f->store->crl_missing == CRL_MISSING_REFUSE ? "refused" : "admitted unchecked");
    else
        report(f, src, path, strerror(errno));
    free(path);
}

static void
add_source(struct files *f, const struct config_crl_source *src)
{
    struct stat st;

    if (src->url != NULL) {
        add_fetched(f, src);
        return;
    }

    if (stat(src->path, &st) != 0)
        report(f, src, src->path, strerror(errno));
    else if (S_ISDIR(st.st_mode))
        add_folder(f, src);
    else
        add_file(f, src, src->path, &st);
}

static const struct trust *
previous_trust(const struct snapshot_job *job, const char *name)
{
    const struct snapshot *previous = job->previous;

    for (size_t i = 0; previous != NULL && i < previous->trust_count; i++)
        if (strcmp(trust_name(previous->trusts[i]), name) == 0)
            return previous->trusts[i];
    return NULL;
}

static struct trust_exception *
copy_exceptions(const struct config_trust_store *store)
{
    struct trust_exception *items = calloc(store->exception_count + 1, sizeof(*items));

    gw_assert(items != NULL);
    for (size_t i = 0; i < store->exception_count; i++) {
        const struct config_exception *from = &store->exceptions[i];
        size_t len = 0;

        items[i] = (struct trust_exception){.kind = (enum trust_exception_kind)from->allow,
                                            .issuer = from->issuer,
                                            .max_age_s = from->max_age_ms / 1000,
                                            .until_s = from->until_s,
                                            .why = from->why};
        if (from->sha256 != NULL)
            gw_assert(str_unhex(str_from(from->sha256), items[i].sha256, sizeof(items[i].sha256),
                                &len) == 0 &&
                      len == sizeof(items[i].sha256));
    }
    return items;
}

static void
build_trust(struct snapshot_job *job, struct files *f, struct trust **ret)
{
    struct trust_exception *exceptions = copy_exceptions(f->store);
    const struct config_trust_store *store = f->store;
    size_t errors_before = job->diag->error_count;
    struct trust_source src = {
        .name = store->name,
        .ca_bundle = store->ca_bundle,
        .crl_paths = f->paths,
        .crl_missing = (enum crl_missing)store->crl_missing,
        .crl_expired = (enum crl_expired)store->crl_expired,
        .crl_grace_s = store->crl_grace_ms / 1000,
        .max_chain_depth = (int)store->max_chain_depth,
        .crls_configured = store->crl_count > 0,
        .floors = f->job->config->list_floors,
        .floor_count = f->job->config->list_floor_count,
        .floors_file = f->job->config->list_floors_file,
        .exceptions = exceptions,
        .exception_count = store->exception_count,
    };
    int err;

    for (size_t i = 0; i < store->crl_count; i++)
        add_source(f, &store->crls[i]);
    src.crl_path_count = f->count;
    diag_named_at(job->diag, job->config->file, store->ca_bundle_pos.line,
                  store->ca_bundle_pos.column);
    err = trust_build(&src, previous_trust(job, store->name), job->now_s, job->diag, ret);
    diag_named_nowhere(job->diag);
    free(exceptions);
    if (err == 0)
        return;
    /* Whatever the reason: a store that could not be built fails the load. */
    if (job->diag->error_count == errors_before)
        diag_error(job->diag, job->config->file, store->pos.line, store->pos.column,
                   "trust_stores.%s: cannot be loaded", store->name);
}

void
snapshot_build_trusts(struct snapshot_job *job)
{
    const struct config *config = job->config;
    struct snapshot *s = job->snapshot;
    struct files *f = calloc(1, sizeof(*f));

    s->trust_count = config->trust_store_count;
    s->trusts = calloc(s->trust_count + 1, sizeof(struct trust *));
    gw_assert(f != NULL && s->trusts != NULL);
    for (size_t i = 0; i < s->trust_count; i++) {
        f->job = job;
        f->store = &config->trust_stores[i];
        f->count = 0;
        f->is_full = false;
        conf_arena_init(&f->arena);
        build_trust(job, f, &s->trusts[i]);
        arena_done(&f->arena);
    }
    free(f);
}
