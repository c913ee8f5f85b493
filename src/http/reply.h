/* SPDX-License-Identifier: Apache-2.0
 *
 * Responses the gateway makes itself, with ALB's bodies (Troubleshoot your Application Load
 * Balancers): nginx-style HTML with CRLF line ends, Content-Type text/html, Server awselb/2.0.
 */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include "base/str.h"

/* The HTML body for a status, static text. Every status the gateway can produce has one; any
 * other gives the empty slice. */
struct str reply_body(int status);
/* "503 Service Temporarily Unavailable": as ALB words it, which differs from RFC 9110 for some.
 * Empty as above: then http_status_text has the phrase. */
struct str reply_status_line(int status);

#endif
