/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificate members of the JSON logs. Called by conn_log and access_log; owns nothing.
 * Must bear a certificate of which only some facts could be read.
 */
#include "obs/cert_fields.h"

void
cert_fields_json_alb(struct line *l, const struct identity *cert)
{
    static const struct identity unknown;
    const struct identity *c = cert != NULL ? cert : &unknown;

    line_json_text(l, STR("leaf_client_cert_subject"), c->subject, LINE_LONG);
    line_json_text(l, STR("leaf_client_cert_validity"), c->validity, LINE_SHORT);
    line_json_text(l, STR("leaf_client_cert_serial_number"), c->serial, LINE_SHORT);
}

static void
json_digest(struct line *l, const uint8_t digest[32])
{
    static const uint8_t unknown[32];
    char hex[64];

    if (memcmp(digest, unknown, sizeof(unknown)) == 0)
        return;
    str_hex_lower(hex, digest, 32);
    line_json_text(l, STR("sha256"), str_make(hex, sizeof(hex)), LINE_SHORT);
}

void
cert_fields_json_more(struct line *l, const struct identity *cert)
{
    if (cert == NULL)
        return;
    line_json_text_if(l, STR("issuer"), cert->issuer, LINE_LONG);
    json_digest(l, cert->sha256);
    line_json_list_if(l, STR("san_dns"), cert->san_dns.items, cert->san_dns.count);
    line_json_list_if(l, STR("san_uri"), cert->san_uri.items, cert->san_uri.count);
    line_json_list_if(l, STR("san_email"), cert->san_email.items, cert->san_email.count);
    line_json_list_if(l, STR("san_ip"), cert->san_ip.items, cert->san_ip.count);
}
