/* SPDX-License-Identifier: Apache-2.0
 *
 * Called by the version command; owns nothing.
 */
#include "net/net_library.h"

#include <event2/event.h>

const char *
net_library_version(void)
{
    return event_get_version();
}
