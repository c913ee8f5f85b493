/* SPDX-License-Identifier: Apache-2.0
 *
 * The deny command: add, remove and list, by way of the admin socket. Called by commands.c.
 * Owns the request it writes. Must never judge what is typed: the gateway does.
 */
#include <getopt.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/str.h"
#include "ctl/commands_priv.h"
#include "ctl/mem.h"

struct deny_arguments {
    struct admin_arguments admin;
    const char *action; /* add, remove, list */
    const char *what;
    const char *until;
    const char *why;
};

enum { OPT_UNTIL = 256, OPT_WHY };

static int
take_words(int argc, char **argv, struct deny_arguments *a)
{
    int words = argc - optind;

    a->action = words > 0 ? argv[optind] : NULL;
    if (a->action == NULL)
        return command_usage("deny", "wants add WHAT, remove WHAT or list");
    if (strcmp(a->action, "list") == 0)
        return words == 1 ? COMMAND_OK
                          : command_usage("deny", "list does not take \"%s\"", argv[optind + 1]);
    if (strcmp(a->action, "add") != 0 && strcmp(a->action, "remove") != 0)
        return command_usage("deny", "wants add, remove or list, not \"%s\"", a->action);
    if (words != 2)
        return command_usage(
            "deny", "%s wants one of sha256:HEX, spki:HEX, serial:ISSUER:HEX, san:NAME", a->action);
    a->what = argv[optind + 1];
    return COMMAND_OK;
}

static int
check_options(const struct deny_arguments *a)
{
    bool is_add;

    gw_assert(a->action != NULL);
    is_add = strcmp(a->action, "add") == 0;
    if (!is_add && (a->until != NULL || a->why != NULL))
        return command_usage("deny", "takes --until and --why only with add");
    if (a->admin.is_json && strcmp(a->action, "list") != 0)
        return command_usage("deny", "takes --json only with list");
    return COMMAND_OK;
}

static int
parse_arguments(int argc, char **argv, struct deny_arguments *ret)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},  {"socket", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},          {"until", required_argument, NULL, OPT_UNTIL},
        {"why", required_argument, NULL, OPT_WHY}, {0}};
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, "c:s:", options, NULL)) != -1) {
        if (c == 'c')
            ret->admin.config = optarg;
        else if (c == 's')
            ret->admin.socket = optarg;
        else if (c == 'j')
            ret->admin.is_json = true;
        else if (c == OPT_UNTIL)
            ret->until = optarg;
        else if (c == OPT_WHY)
            ret->why = optarg;
        else
            return command_usage("deny", "does not take %s", argv[optind - 1]);
    }
    if (take_words(argc, argv, ret) != COMMAND_OK)
        return COMMAND_USAGE;
    return check_options(ret);
}

/* name=value with everything escaped that a query could misread. */
static void
write_value(FILE *out, const char *name, const char *value)
{
    fprintf(out, "%s=", name);
    for (const char *p = value; *p != '\0'; p++) {
        if (ascii_is_alpha(*p) || ascii_is_digit(*p) || strchr("-._~:/,", *p) != NULL)
            fputc(*p, out);
        else
            fprintf(out, "%%%02X", (unsigned char)*p);
    }
}

/* malloc */
static char *
change_path(const struct deny_arguments *a)
{
    char *path = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&path, &len);

    gw_assert(out != NULL && a->what != NULL);
    fputs(strcmp(a->action, "add") == 0 ? "/deny?" : "/deny/remove?", out);
    write_value(out, "what", a->what);
    if (a->until != NULL)
        write_value(out, "&until", a->until);
    if (a->why != NULL)
        write_value(out, "&why", a->why);
    gw_assert(fclose(out) == 0);
    return path;
}

int
command_deny(int argc, char **argv)
{
    struct admin_question q = {.timeout_ms = ADMIN_TIMEOUT_MS + DENY_REPORT_TIMEOUT_MS};
    struct deny_arguments a = {0};
    char *path = NULL;
    int status;

    if (parse_arguments(argc, argv, &a) != COMMAND_OK)
        return COMMAND_USAGE;
    gw_assert(a.action != NULL);
    if (strcmp(a.action, "list") == 0) {
        q.method = "GET";
        q.path = a.admin.is_json ? "/deny" : "/deny.txt";
    } else {
        path = change_path(&a);
        q.method = "POST";
        q.path = path;
    }
    status = command_ask(&a.admin, &q);
    free(path);
    return status;
}
