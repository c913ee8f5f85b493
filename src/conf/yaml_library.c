/* SPDX-License-Identifier: Apache-2.0
 *
 * Called by the version command; owns nothing.
 */
#include "conf/yaml_library.h"

#include <yaml.h>

const char *
yaml_library_version(void)
{
    return yaml_get_version_string();
}
