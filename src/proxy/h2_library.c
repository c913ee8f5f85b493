/* SPDX-License-Identifier: Apache-2.0
 *
 * Called by the version command; owns nothing.
 */
#include "proxy/h2_library.h"

#include <nghttp2/nghttp2.h>

const char *
h2_library_version(void)
{
    return nghttp2_version(0)->version_str;
}
