/* SPDX-License-Identifier: Apache-2.0
 *
 * The members that both JSON logs have for a client certificate. Pure.
 */
#ifndef OBS_CERT_FIELDS_H
#define OBS_CERT_FIELDS_H

#include "cert/identity.h"
#include "obs/line.h"

/* Subject, validity and serial under the names of ALB's connection log; null without. */
void cert_fields_json_alb(struct line *l, const struct identity *cert);
/* What ALB leaves out: issuer, sha256, san_dns, san_uri, san_email, san_ip. Left out without. */
void cert_fields_json_more(struct line *l, const struct identity *cert);

#endif
