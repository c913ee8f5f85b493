/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands of the program and what they take: run, check, explain, reload, status,
 * deny, version, help.
 */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

/* Returns the exit status: 0 good, 1 not (the command says what that means), 2 wrong usage. */
int commands_run(int argc, char **argv);

#endif
