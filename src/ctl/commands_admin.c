/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands that talk to a running gateway: reload and status. Called by commands.c.
 * Owns nothing. Must never change anything but through the admin socket.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "conf/config.h"
#include "ctl/commands_priv.h"
#include "ctl/mem.h"

#define DEFAULT_SOCKET "/run/sallyport/admin.sock"

static int
parse_arguments(int argc, char **argv, struct admin_arguments *ret)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"socket", required_argument, NULL, 's'},
                                            {"json", no_argument, NULL, 'j'},
                                            {0}};
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, "c:s:", options, NULL)) != -1) {
        if (c == 'c')
            ret->config = optarg;
        else if (c == 's')
            ret->socket = optarg;
        else if (c == 'j')
            ret->is_json = true;
        else
            return command_usage(argv[0], "does not take %s", argv[optind - 1]);
    }
    if (optind < argc)
        return command_usage(argv[0], "does not take \"%s\"", argv[optind]);
    return COMMAND_OK;
}

/* The socket's path; malloc. NULL with diag filled. */
static char *
find_socket(const struct admin_arguments *a, struct diag *diag)
{
    struct config *config = NULL;
    char *path = NULL;

    if (a->socket != NULL || a->config == NULL)
        return mem_strdup(a->socket != NULL ? a->socket : DEFAULT_SOCKET);
    if (config_load(a->config, diag, &config) != 0) {
        diag_error(diag, a->config, 0, 0,
                   "where the gateway listens cannot be read from it; --socket PATH says it too");
        return NULL;
    }
    if (config->admin.socket == NULL)
        diag_error(diag, a->config, 0, 0,
                   "names no admin socket; add admin: {socket: PATH}, or send signals instead");
    else
        path = mem_strdup(config->admin.socket);
    config_free(config);
    return path;
}

/* Good answers go to standard output, all others to standard error. */
static int
ask(const struct admin_arguments *a, struct admin_question *q, struct diag *diag)
{
    struct admin_answer answer;
    char *path = find_socket(a, diag);
    int rc;

    if (path == NULL)
        return COMMAND_FAILED;
    q->socket = path;
    rc = admin_call(q, diag, &answer);
    free(path);
    if (rc != 0)
        return COMMAND_FAILED;
    fwrite(answer.body, 1, answer.len, answer.status == 200 ? stdout : stderr);
    rc = answer.status == 200 ? COMMAND_OK : COMMAND_FAILED;
    admin_answer_done(&answer);
    return rc;
}

int
command_ask(const struct admin_arguments *a, struct admin_question *q)
{
    struct diag diag;
    int status;

    diag_init(&diag);
    status = ask(a, q, &diag);
    diag_print(&diag, stderr);
    diag_done(&diag);
    return status;
}

int
command_reload(int argc, char **argv)
{
    struct admin_question q = {
        .method = "POST", .path = "/reload", .timeout_ms = ADMIN_RELOAD_TIMEOUT_MS};
    struct admin_arguments a = {0};

    if (parse_arguments(argc, argv, &a) != COMMAND_OK)
        return COMMAND_USAGE;
    if (a.is_json)
        return command_usage(argv[0], "does not take --json");
    return command_ask(&a, &q);
}

int
command_status(int argc, char **argv)
{
    struct admin_question q = {.method = "GET", .timeout_ms = ADMIN_TIMEOUT_MS};
    struct admin_arguments a = {0};

    if (parse_arguments(argc, argv, &a) != COMMAND_OK)
        return COMMAND_USAGE;
    q.path = a.is_json ? "/status.json" : "/status.txt";
    return command_ask(&a, &q);
}
