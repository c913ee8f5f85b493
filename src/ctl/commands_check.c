/* SPDX-License-Identifier: Apache-2.0
 *
 * The check command: everything that `run` would load, and a look at the places that it would
 * write to. Called by commands.c. Owns what it builds. Must never make or change a file, nor
 * bind an address: the gateway may be running.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "conf/snapshot.h"
#include "ctl/commands_priv.h"
#include "ctl/mem.h"

/* ---- where `run` will write ---------------------------------------------------------------- */

struct place {
    const char *key;
    const char *path; /* NULL: not in the file */
    struct config_pos at;
    const char *want;
    bool (*is_right)(mode_t mode);
};

static bool
is_log(mode_t mode)
{
    return !S_ISDIR(mode);
}

static bool
is_folder(mode_t mode)
{
    return S_ISDIR(mode);
}

static bool
is_socket(mode_t mode)
{
    return S_ISSOCK(mode);
}

/* What is not there may be made before the start, on another machine than this one even; what is
 * there as something else will be in the way. */
static void
look_at(const struct config *config, const struct place *p, struct diag *diag)
{
    struct stat st;
    char *folder;

    if (p->path == NULL || strcmp(p->path, "-") == 0)
        return;
    if (stat(p->path, &st) == 0) {
        if (!p->is_right(st.st_mode))
            diag_error(diag, config->file, p->at.line, p->at.column, "%s: %s is there and is no %s",
                       p->key, p->path, p->want);
        return;
    }
    folder = file_dirname(p->path);
    if (stat(folder, &st) != 0)
        diag_warn(diag, config->file, p->at.line, p->at.column,
                  "%s: the folder %s is not there (%s); `run` needs it", p->key, folder,
                  strerror(errno));
    free(folder);
}

static void
look_at_user(const struct config *config, struct diag *diag)
{
    const struct config_run_as *run_as = &config->run_as;

    if (run_as->user != NULL && getpwnam(run_as->user) == NULL)
        diag_warn(diag, config->file, run_as->pos.line, run_as->pos.column,
                  "run_as.user: this machine has no user \"%s\"", run_as->user);
}

static void
look_at_places(const struct config *c, struct diag *diag)
{
    const struct place places[] = {
        {"state_dir", c->state_dir, c->state_dir_pos, "folder", is_folder},
        {"admin.socket", c->admin.socket, c->admin.pos, "socket", is_socket},
        {"logging.access", c->logging.access.path, c->logging.access.pos, "file", is_log},
        {"logging.connection", c->logging.connection.path, c->logging.connection.pos, "file",
         is_log},
    };

    for (size_t i = 0; i < array_len(places); i++)
        look_at(c, &places[i], diag);
    look_at_user(c, diag);
}

/* ---- the command --------------------------------------------------------------------------- */

static void
print_count(size_t n, const char *one, const char *many, bool is_first)
{
    printf("%s%zu %s", is_first ? "" : ", ", n, n == 1 ? one : many);
}

static size_t
count_rules(const struct config_listener *l)
{
    size_t count = l->rule_count;

    /* A host without rules of its own has the listener's. */
    for (size_t i = 0; i < l->host_count; i++)
        count += l->hosts[i].rules != l->rules ? l->hosts[i].rule_count : 0;
    return count;
}

static void
print_valid(const struct snapshot *s, const char *file)
{
    size_t rules = 0, lists = 0;

    for (size_t i = 0; i < s->site->listener_count; i++)
        rules += count_rules(&s->config->listeners[i]);
    for (size_t i = 0; i < s->trust_count; i++)
        lists += trust_crl_count(s->trusts[i]);
    printf("%s: valid (", file);
    print_count(s->site->listener_count, "listener", "listeners", true);
    print_count(rules, "rule", "rules", false);
    print_count(s->trust_count, "trust store", "trust stores", false);
    print_count(lists, "revocation list", "revocation lists", false);
    print_count(s->site->upstream_count, "target group", "target groups", false);
    puts(")");
}

static int
check(const char *file, struct diag *diag)
{
    struct config *config = NULL;
    struct snapshot *snapshot = NULL;
    struct clock now;

    clock_read(&now);
    if (config_load(file, diag, &config) != 0)
        return COMMAND_FAILED;
    look_at_places(config, diag);
    if (snapshot_build(config, NULL, clock_wall_s(&now), diag, &snapshot) != 0)
        return COMMAND_FAILED;
    if (!diag_has_errors(diag))
        print_valid(snapshot, file);
    snapshot_unref(snapshot);
    return diag_has_errors(diag) ? COMMAND_FAILED : COMMAND_OK;
}

int
command_check(int argc, char **argv)
{
    const char *file = command_config(argc, argv);
    struct diag diag;
    int status;

    if (file == NULL)
        return COMMAND_USAGE;
    diag_init(&diag);
    status = check(file, &diag);
    diag_print(&diag, stderr);
    diag_done(&diag);
    return status;
}
