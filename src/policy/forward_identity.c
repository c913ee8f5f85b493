/* SPDX-License-Identifier: Apache-2.0
 *
 * The identity lines for the upstream, rendered once per connection into its arena and copied
 * as one block into every request head. Called by the connection after the handshake, on the
 * worker's thread. Must never join a value with anything that a client sent, or cut one.
 */
#include "policy/forward.h"

#include "base/limits.h"
#include "base/map.h"
#include "policy/handover.h"

/* Five of the certificate, those of handover, two of TLS. */
#define IDENTITY_LINES_MAX (5 + HANDOVER_LINES_MAX + 2)

const struct forward_names forward_names_default = {
    .serial = STR_INIT("X-Amzn-Mtls-Clientcert-Serial-Number"),
    .issuer = STR_INIT("X-Amzn-Mtls-Clientcert-Issuer"),
    .subject = STR_INIT("X-Amzn-Mtls-Clientcert-Subject"),
    .validity = STR_INIT("X-Amzn-Mtls-Clientcert-Validity"),
    .leaf = STR_INIT("X-Amzn-Mtls-Clientcert-Leaf"),
    .chain = STR_INIT("X-Amzn-Mtls-Clientcert"),
    .tls_version = STR_INIT("x-amzn-tls-version"),
    .tls_cipher = STR_INIT("x-amzn-tls-cipher-suite"),
};

struct line {
    struct str name;
    struct str value;
};

struct lines {
    struct line items[IDENTITY_LINES_MAX];
    uint32_t count;
};

static void
lines_add(struct lines *l, struct str name, struct str value)
{
    l->items[l->count++] = (struct line){name, value};
}

/* More headers about a verified client. */
static int
collect_handover(const struct forward_settings *s, const struct forward_identity *in,
                 struct arena *arena, struct lines *l)
{
    struct handover_input input = {s->handover, in->identity, in->chain, in->chain_count};
    struct handover_line extra[HANDOVER_LINES_MAX];
    uint32_t count = 0;
    int err = 0;

    if (s->handover != 0)
        err = handover_render(&input, arena, extra, &count);
    for (uint32_t i = 0; i < count && err == 0; i++)
        lines_add(l, extra[i].name, extra[i].value);
    return err;
}

/* ALB's order. A mode that does not verify never sends the five. */
static int
collect(const struct forward_settings *s, const struct forward_identity *in, struct arena *arena,
        struct lines *l)
{
    const struct forward_names *n = &s->names;
    bool is_verified = in->mode == MUTUAL_VERIFY || in->mode == MUTUAL_OPTIONAL;
    int err = 0;

    if (is_verified && in->identity != NULL) {
        lines_add(l, n->serial, in->identity->serial);
        lines_add(l, n->issuer, in->identity->issuer);
        lines_add(l, n->subject, in->identity->subject);
        lines_add(l, n->validity, in->identity->validity);
        lines_add(l, n->leaf, in->identity->leaf);
        err = collect_handover(s, in, arena, l);
    } else if (in->mode == MUTUAL_PASSTHROUGH && in->chain_pem.len > 0) {
        lines_add(l, n->chain, in->chain_pem);
    }
    if (s->sends_tls_headers) {
        lines_add(l, n->tls_version, in->tls_version);
        lines_add(l, n->tls_cipher, in->tls_cipher);
    }
    return err;
}

static char *
add(char *at, struct str s)
{
    if (s.len > 0)
        memcpy(at, s.ptr, s.len);
    return at + s.len;
}

static void
render(const struct lines *l, char *at)
{
    for (uint32_t i = 0; i < l->count; i++) {
        at = add(at, l->items[i].name);
        at = add(at, STR(": "));
        at = add(at, l->items[i].value);
        at = add(at, STR("\r\n"));
    }
}

/* identity.c has refused every certificate that cannot be stated in one line; a value that
 * could end a line all the same must not reach the upstream. */
static int
measure(const struct lines *l, size_t *ret_len)
{
    size_t len = 0;

    for (uint32_t i = 0; i < l->count; i++) {
        const struct line *line = &l->items[i];

        if (!http_is_token(line->name) || !http_is_field_value(line->value))
            return GW_E_BUG;
        len += line->name.len + line->value.len + 4;
    }
    *ret_len = len;
    return 0;
}

uint64_t
forward_identity_hash(const struct forward_settings *settings)
{
    static const uint64_t key[2] = {0};
    const struct forward_names *n = &settings->names;
    const struct str names[] = {n->serial, n->issuer, n->subject,     n->validity,
                                n->leaf,   n->chain,  n->tls_version, n->tls_cipher};
    uint64_t hash = (uint64_t)settings->handover << 1 | settings->sends_tls_headers;

    for (size_t i = 0; i < array_len(names); i++)
        hash = hash * 31 + siphash24(key, names[i].ptr, names[i].len);
    return hash;
}

int
forward_identity_render(const struct forward_settings *settings, const struct forward_identity *in,
                        struct arena *arena, struct str *ret_block, uint32_t *ret_lines)
{
    struct lines lines = {.count = 0};
    size_t len = 0;
    char *block;
    int err;

    err = collect(settings, in, arena, &lines);
    if (err == 0)
        err = measure(&lines, &len);
    if (err != 0)
        return err;
    if (len > IDENTITY_BLOCK_MAX)
        return GW_E_LIMIT;
    block = arena_alloc(arena, len);
    if (block == NULL)
        return GW_E_LIMIT;
    render(&lines, block);
    *ret_block = str_make(block, len);
    *ret_lines = lines.count;
    return 0;
}
