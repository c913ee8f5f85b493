/* SPDX-License-Identifier: Apache-2.0
 *
 * The demo PKI: every file that `make run` and the README's curl lines use.
 */
#ifndef PKI_DEMO_H
#define PKI_DEMO_H

#include "base/base.h"

/* Makes the files in dir. Files that are all there and good for a day more are kept unless
 * force. True when files were made. */
bool demo_make(const char *dir, bool force);

#endif
