/* SPDX-License-Identifier: Apache-2.0
 *
 * The version of the library that the HTTP/2 codec owns, for `sallyport version`.
 */
#ifndef PROXY_H2_LIBRARY_H
#define PROXY_H2_LIBRARY_H

/* Of libnghttp2, as linked. Static. */
const char *h2_library_version(void);

#endif
