/* SPDX-License-Identifier: Apache-2.0
 *
 * Sallyport: a mutual-TLS gateway for private APIs. The commands are in ctl/commands.c; the
 * gateway itself begins in ctl/gateway.c.
 */
#include "ctl/commands.h"

int
main(int argc, char **argv)
{
    return commands_run(argc, argv);
}
