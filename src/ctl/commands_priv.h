/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands that have a file of their own, and what they share.
 */
#ifndef CTL_COMMANDS_PRIV_H
#define CTL_COMMANDS_PRIV_H

#include "base/base.h"
#include "ctl/admin_client.h"

enum { COMMAND_OK = 0, COMMAND_FAILED = 1, COMMAND_USAGE = 2 };

/* Prints what is wrong and where to read on; returns COMMAND_USAGE. */
int command_usage(const char *command, const char *fmt, ...) GW_PRINTF(2, 3);

/* Which gateway is asked, and how it answers. */
struct admin_arguments {
    const char *config;
    const char *socket;
    bool is_json;
};

/* One request, its socket filled in; the answer or what is wrong is printed. */
int command_ask(const struct admin_arguments *a, struct admin_question *q);

/* The FILE of "-c FILE" when nothing else is given; NULL after a message. */
const char *command_config(int argc, char **argv);

/* argv[0] is the command's name. */
int command_check(int argc, char **argv);
int command_deny(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_reload(int argc, char **argv);
int command_status(int argc, char **argv);

#endif
