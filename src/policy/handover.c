/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of the hand-over headers. Called by forward_identity once per client, on the
 * worker's thread; texts live in the caller's arena. Must never write a value that a reader
 * could split elsewhere than meant.
 */
#include "policy/handover.h"

#include <stdlib.h>

#include "base/assert.h"
#include "cert/cert.h"

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* ---- text that grows in one piece of arena ---- */

/* Measured first, written second: both passes run the same code. */
struct out {
    char *at; /* NULL while measuring */
    size_t len;
};

static void
put(struct out *o, struct str s)
{
    if (o->at != NULL && s.len > 0)
        memcpy(o->at + o->len, s.ptr, s.len);
    o->len += s.len;
}

static void
put_char(struct out *o, char c)
{
    if (o->at != NULL)
        o->at[o->len] = c;
    o->len++;
}

/* ---- bytes ---- */

/* RFC 8941 3.3.5: standard alphabet, padded, between colons. */
static void
put_byte_sequence(struct out *o, struct str bytes)
{
    const uint8_t *p = (const uint8_t *)bytes.ptr;

    put_char(o, ':');
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = size_min(bytes.len - i, 3);
        uint32_t v =
            (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0U);

        put_char(o, base64_digits[v >> 18]);
        put_char(o, base64_digits[v >> 12 & 63]);
        put_char(o, n > 1 ? base64_digits[v >> 6 & 63] : '=');
        put_char(o, n > 2 ? base64_digits[v & 63] : '=');
    }
    put_char(o, ':');
}

static int
put_cert(struct out *o, X509 *cert)
{
    uint8_t *der;
    size_t len;

    if (cert_der(cert, &der, &len) != 0)
        return GW_E_DENIED;
    put_byte_sequence(o, str_make(der, len));
    free(der);
    return 0;
}

static int
write_client_cert(struct out *o, const struct handover_input *in)
{
    return put_cert(o, in->chain[0]);
}

static int
write_chain(struct out *o, const struct handover_input *in)
{
    for (int i = 1; i + 1 < in->chain_count; i++) {
        int err;

        if (i > 1)
            put(o, STR(", "));
        err = put_cert(o, in->chain[i]);
        if (err != 0)
            return err;
    }
    return 0;
}

static void
put_sha256(struct out *o, const struct identity *id)
{
    char hex[2 * sizeof(id->sha256)];

    str_hex_lower(hex, id->sha256, sizeof(id->sha256));
    put(o, str_make(hex, sizeof(hex)));
}

static int
write_sha256(struct out *o, const struct handover_input *in)
{
    put_sha256(o, in->identity);
    return 0;
}

/* ---- names ---- */

static bool
is_printable(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e)
            return false;
    }
    return true;
}

/* RFC 8941 3.3.3. */
static int
put_string(struct out *o, struct str s)
{
    if (!is_printable(s))
        return GW_E_DENIED;
    put_char(o, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"' || s.ptr[i] == '\\')
            put_char(o, '\\');
        put_char(o, s.ptr[i]);
    }
    put_char(o, '"');
    return 0;
}

static int
put_list(struct out *o, const struct identity_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        int err;

        if (i > 0)
            put(o, STR(", "));
        err = put_string(o, list->items[i]);
        if (err != 0)
            return err;
    }
    return 0;
}

static int
write_san_dns(struct out *o, const struct handover_input *in)
{
    return put_list(o, &in->identity->san_dns);
}

static int
write_san_uri(struct out *o, const struct handover_input *in)
{
    return put_list(o, &in->identity->san_uri);
}

static int
write_san_email(struct out *o, const struct handover_input *in)
{
    return put_list(o, &in->identity->san_email);
}

static int
write_san_ip(struct out *o, const struct handover_input *in)
{
    return put_list(o, &in->identity->san_ip);
}

/* ---- Envoy ---- */

/* Envoy escapes three more characters than the leaf header of Application Load Balancer. */
static void
put_xfcc_pem(struct out *o, struct str leaf)
{
    for (size_t i = 0; i < leaf.len; i++) {
        switch (leaf.ptr[i]) {
        case '+':
            put(o, STR("%2B"));
            break;
        case '/':
            put(o, STR("%2F"));
            break;
        case '=':
            put(o, STR("%3D"));
            break;
        default:
            put_char(o, leaf.ptr[i]);
        }
    }
}

/* RFC 2253 text has escaped its quotes already, and Envoy writes it as it is. At the end a
 * backslash would take the closing quote with it for some readers. */
static int
put_xfcc_subject(struct out *o, struct str subject)
{
    if (!is_printable(subject) || str_ends(subject, STR("\\")))
        return GW_E_DENIED;
    put(o, STR(";Subject=\""));
    put(o, subject);
    put_char(o, '"');
    return 0;
}

/* Bare as Envoy writes it, unless that could be read as more than one value: then in quotes, as
 * its documentation says. Readers do not agree on quotes and backslashes inside. */
static int
put_xfcc_names(struct out *o, struct str key, const struct identity_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct str s = list->items[i];
        bool is_quoted = str_chr(s, ',') >= 0 || str_chr(s, ';') >= 0 || str_chr(s, '=') >= 0 ||
                         str_chr(s, ' ') >= 0;

        if (!is_printable(s) || str_chr(s, '"') >= 0 || str_chr(s, '\\') >= 0)
            return GW_E_DENIED;
        put(o, key);
        put(o, is_quoted ? STR("\"") : STR(""));
        put(o, s);
        put(o, is_quoted ? STR("\"") : STR(""));
    }
    return 0;
}

static int
write_xfcc(struct out *o, const struct handover_input *in)
{
    const struct identity *id = in->identity;
    int err;

    put(o, STR("Hash="));
    put_sha256(o, id);
    put(o, STR(";Cert=\""));
    put_xfcc_pem(o, id->leaf);
    put_char(o, '"');
    err = put_xfcc_subject(o, id->subject);
    if (err == 0)
        err = put_xfcc_names(o, STR(";URI="), &id->san_uri);
    if (err == 0)
        err = put_xfcc_names(o, STR(";DNS="), &id->san_dns);
    return err;
}

/* ---- all of them ---- */

struct header {
    unsigned bit;
    struct str name;
    int (*write)(struct out *o, const struct handover_input *in);
};

static const struct header headers[HANDOVER_LINES_MAX] = {
    {HANDOVER_CLIENT_CERT, STR_INIT("Client-Cert"), write_client_cert},
    {HANDOVER_CLIENT_CERT_CHAIN, STR_INIT("Client-Cert-Chain"), write_chain},
    {HANDOVER_XFCC, STR_INIT("X-Forwarded-Client-Cert"), write_xfcc},
    {HANDOVER_SAN, STR_INIT("X-Client-Cert-San-Dns"), write_san_dns},
    {HANDOVER_SAN, STR_INIT("X-Client-Cert-San-Uri"), write_san_uri},
    {HANDOVER_SAN, STR_INIT("X-Client-Cert-San-Email"), write_san_email},
    {HANDOVER_SAN, STR_INIT("X-Client-Cert-San-Ip"), write_san_ip},
    {HANDOVER_SHA256, STR_INIT("X-Client-Cert-Sha256"), write_sha256},
};

static int
render_line(const struct header *h, const struct handover_input *in, struct arena *arena,
            struct str *ret)
{
    struct out o = {0};
    int err = h->write(&o, in);

    if (err != 0)
        return err;
    if (o.len == 0) {
        *ret = (struct str){0};
        return 0;
    }
    o.at = arena_alloc(arena, o.len);
    if (o.at == NULL)
        return GW_E_LIMIT;
    o.len = 0;
    err = h->write(&o, in);
    *ret = str_make(o.at, o.len);
    return err;
}

int
handover_render(const struct handover_input *in, struct arena *arena,
                struct handover_line lines[HANDOVER_LINES_MAX], uint32_t *ret_count)
{
    uint32_t count = 0;

    gw_assert(in->chain_count > 0);
    for (size_t i = 0; i < array_len(headers); i++) {
        struct str value;
        int err;

        if ((in->wanted & headers[i].bit) == 0)
            continue;
        err = render_line(&headers[i], in, arena, &value);
        if (err != 0)
            return err;
        if (value.len > 0)
            lines[count++] = (struct handover_line){headers[i].name, value};
    }
    *ret_count = count;
    return 0;
}

bool
handover_has_name(unsigned wanted, struct str name)
{
    for (size_t i = 0; i < array_len(headers); i++) {
        if ((wanted & headers[i].bit) != 0 && str_eq_nocase(headers[i].name, name))
            return true;
    }
    return false;
}
