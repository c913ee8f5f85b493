/* SPDX-License-Identifier: Apache-2.0
 *
 * What the process gives up before it meets a client: core dumps, being traced, new
 * privileges, and root. Each step is one way.
 */
#ifndef CTL_SANDBOX_H
#define CTL_SANDBOX_H

#include "base/diag.h"
#include "base/err.h"

/* First thing of `run`: no core file, not dumpable, as many descriptors as the hard limit
 * allows. Never fails: what the kernel refuses is left as it was. */
void sandbox_limits(void);
/* After this no program that is started can gain privileges. */
int sandbox_no_new_privileges(struct diag *diag) GW_MUST_USE;
/* True when the process is root, which is when `run_as` applies. */
bool sandbox_is_root(void);
/* Becomes user and group for good, supplementary groups dropped, and proves that there is no way
 * back. group NULL: the user's own. file is for messages. GW_E_CONFIG with diag filled. */
int sandbox_become(const char *user, const char *group, const char *file,
                   struct diag *diag) GW_MUST_USE;

/* Dir, and every file in it that has no other name, to that user. A folder that is not there is no
 * error. */
int sandbox_give_folder(const char *dir, const char *user, const char *group, const char *file,
                        struct diag *diag) GW_MUST_USE;
/* True when dir belongs to the user already. */
bool sandbox_is_folder_of(const char *dir, const char *user);

#endif
