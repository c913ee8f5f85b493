/* SPDX-License-Identifier: Apache-2.0
 *
 * From the file to struct config: bytes, nodes, typed values, cross-checks. Called by the
 * control plane at start, at reload and by `check` and `explain`. Owns the config's arena.
 * Must never return a config when anything at all was wrong with the file.
 */
#include "conf/config.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/limits.h"
#include "conf/config_check.h"
#include "conf/digest.h"
#include "conf/mem.h"
#include "conf/reader.h"

static struct config *
config_new(const char *file)
{
    struct config *c = calloc(1, sizeof(*c));
    char *dir = file_dirname(file);

    gw_assert(c != NULL);
    conf_arena_init(&c->arena);
    c->file = conf_str(&c->arena, str_from(file)).ptr;
    c->dir = conf_str(&c->arena, str_from(dir)).ptr;
    free(dir);
    return c;
}

void
config_free(struct config *c)
{
    struct arena arena;

    if (c == NULL)
        return;
    arena = c->arena;
    arena_done(&arena);
    free(c);
}

int
config_parse(struct str text, const char *file, struct diag *diag, struct config **ret)
{
    struct config *c = config_new(file);
    struct reader r = {.diag = diag, .arena = &c->arena, .file = c->file, .dir = c->dir};
    size_t errors_before = diag->error_count;
    struct yaml_node *root = NULL;

    if (yaml_parse(text, c->file, &c->arena, diag, &root) == 0) {
        reader_section(&r, SECTION_ROOT, root, c);
        config_check(c, diag);
    }
    if (diag->error_count != errors_before) {
        config_free(c);
        return GW_E_CONFIG;
    }
    *ret = c;
    return 0;
}

int
config_load(const char *path, struct diag *diag, struct config **ret)
{
    struct file file = {0};
    int err = file_read(path, CONFIG_BYTES_MAX, FILE_PUBLIC, false, diag, &file);

    if (err != 0)
        return err;
    err = config_parse(str_make(file.bytes, file.len), path, diag, ret);
    file_done(&file);
    return err;
}

struct config_listener
config_host_view(const struct config_listener *l, const struct config_host *h)
{
    struct config_listener view = *l;

    view.certificates = h->certificates;
    view.certificate_count = h->certificate_count;
    view.mutual = h->mutual;
    view.rules = h->rules;
    view.rule_count = h->rule_count;
    view.default_action = h->default_action;
    view.hosts = NULL;
    view.host_count = 0;
    return view;
}

char *
config_list_cache_path(const struct config *c, const char *url)
{
    uint8_t bytes[DIGEST_BYTES];
    char hex[2 * DIGEST_BYTES + 1] = {0};
    char *path = NULL;

    if (c->state_dir == NULL)
        return NULL;
    digest_bytes(str_from(url), bytes);
    str_hex_lower(hex, bytes, sizeof(bytes));
    gw_assert(asprintf(&path, "%s/lists/%s.crl", c->state_dir, hex) > 0);
    return path;
}
