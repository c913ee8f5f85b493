/* SPDX-License-Identifier: Apache-2.0
 *
 * The version of the library that this folder owns, for `sallyport version`.
 */
#ifndef NET_NET_LIBRARY_H
#define NET_NET_LIBRARY_H

/* Of libevent, as linked. Static. */
const char *net_library_version(void);

#endif
