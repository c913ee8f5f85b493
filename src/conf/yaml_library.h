/* SPDX-License-Identifier: Apache-2.0
 *
 * The version of the library that this folder owns, for `sallyport version`.
 */
#ifndef CONF_YAML_LIBRARY_H
#define CONF_YAML_LIBRARY_H

/* Of libyaml, as linked. Static. */
const char *yaml_library_version(void);

#endif
