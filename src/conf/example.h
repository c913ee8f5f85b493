/* SPDX-License-Identifier: Apache-2.0
 *
 * The complete example: every key of the schema with its default and a line of words. What
 * is not available yet, and what excludes a neighbour, stands there as a comment.
 */
#ifndef CONF_EXAMPLE_H
#define CONF_EXAMPLE_H

#include <stdio.h>

/* conf/sallyport.yaml, byte for byte. */
void config_example_write(FILE *out);

#endif
