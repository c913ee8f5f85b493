/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints and reads names. Called once per connection for the identity, and for messages.
 * The common string types are printed here, without OpenSSL's stream machinery; names with
 * anything else in them are left to OpenSSL, so that every byte stays the same. Owns
 * nothing; any thread. It must never emit a byte outside 0x20-0x7e.
 */
#include "cert/name.h"

#include <openssl/bio.h>
#include <openssl/objects.h>
#include <stdio.h>

#include "base/limits.h"
#include "cert/der.h"

struct out {
    char *dst;
    size_t size; /* with room for the NUL */
    size_t len;
    bool is_full;
};

static void
put(struct out *o, const char *p, size_t n)
{
    if (o->is_full || n >= o->size - o->len) {
        o->is_full = true;
        return;
    }
    memcpy(o->dst + o->len, p, n);
    o->len += n;
}

static void
put_hex(struct out *o, uint8_t byte)
{
    char text[3] = "\\";

    str_hex_upper(text + 1, &byte, 1);
    put(o, text, sizeof(text));
}

/* ---- RFC 2253 ---- */

enum string_form { FORM_OTHER, FORM_UTF8, FORM_LATIN1 };

static enum string_form
form_of(int type)
{
    switch (type) {
    case V_ASN1_UTF8STRING:
        return FORM_UTF8;
    case V_ASN1_PRINTABLESTRING:
    case V_ASN1_IA5STRING:
    case V_ASN1_T61STRING:
    case V_ASN1_NUMERICSTRING:
    case V_ASN1_VISIBLESTRING:
        return FORM_LATIN1;
    default:
        return FORM_OTHER;
    }
}

/* OpenSSL looks at the last place before the first: a lone '#' is not escaped. */
static bool
needs_backslash(uint8_t c, bool is_first, bool is_last)
{
    switch (c) {
    case ',':
    case '+':
    case '"':
    case '\\':
    case '<':
    case '>':
    case ';':
        return true;
    case ' ':
        return is_first || is_last;
    case '#':
        return is_first && !is_last;
    default:
        return false;
    }
}

static void
put_value(struct out *o, const uint8_t *p, size_t len, enum string_form form)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t c = p[i];
        char escaped[2] = {'\\', (char)c};

        if (c >= 0x80 && form == FORM_LATIN1) {
            put_hex(o, (uint8_t)(0xc0 | c >> 6));
            put_hex(o, (uint8_t)(0x80 | (c & 0x3f)));
        } else if (c < 0x20 || c >= 0x7f) {
            put_hex(o, c);
        } else if (needs_backslash(c, i == 0, i + 1 == len)) {
            put(o, escaped, 2);
        } else {
            put(o, escaped + 1, 1);
        }
    }
}

/* False when the name holds something that is left to OpenSSL. */
static bool
put_entry(struct out *o, const X509_NAME_ENTRY *entry)
{
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
    int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    enum string_form form = form_of(ASN1_STRING_type(value));
    const char *type;

    if (nid == NID_undef || form == FORM_OTHER)
        return false;
    type = OBJ_nid2sn(nid);
    put(o, type, strlen(type));
    put(o, "=", 1);
    put_value(o, ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value), form);
    return true;
}

static bool
has_long_type(const X509_NAME *name)
{
    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        const ASN1_OBJECT *type = X509_NAME_ENTRY_get_object(X509_NAME_get_entry(name, i));

        if (OBJ_length(type) > OID_BYTES_MAX)
            return true;
    }
    return false;
}

static int
put_by_openssl(struct out *o, const X509_NAME *name)
{
    BIO *bio = NULL;
    char *text;
    long len;
    int err = GW_E_PARSE;

    if (has_long_type(name))
        return GW_E_LIMIT;
    bio = BIO_new(BIO_s_mem());
    if (bio == NULL)
        return GW_E_NOMEM;
    if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
        len = BIO_get_mem_data(bio, &text);
        put(o, text, len > 0 ? (size_t)len : 0);
        err = 0;
    }
    BIO_free(bio);
    return err;
}

/* Prints what fits; *o tells whether that was all. */
static int
put_name(struct out *o, const X509_NAME *name)
{
    int previous_set = -1;

    for (int i = X509_NAME_entry_count(name) - 1; i >= 0 && !o->is_full; i--) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        int set = X509_NAME_ENTRY_set(entry);

        if (previous_set >= 0)
            put(o, set == previous_set ? "+" : ",", 1);
        previous_set = set;
        if (!put_entry(o, entry)) {
            o->len = 0;
            o->is_full = false;
            return put_by_openssl(o, name);
        }
    }
    return 0;
}

int
name_format(const X509_NAME *name, char *dst, size_t dst_size, size_t *ret_len)
{
    struct out o = {.dst = dst, .size = dst_size};
    int err = put_name(&o, name);

    if (err != 0)
        return err;
    if (o.is_full || dst_size == 0)
        return GW_E_LIMIT;
    dst[o.len] = 0;
    *ret_len = o.len;
    return 0;
}

void
name_describe(const X509_NAME *name, char *dst, size_t dst_size)
{
    static const char cut[] = "...";
    struct out o = {.dst = dst, .size = dst_size};

    if (dst_size == 0)
        return;
    if (put_name(&o, name) != 0) {
        (void)snprintf(dst, dst_size, "(a name that cannot be printed)");
        return;
    }
    dst[o.len] = 0;
    if (o.is_full && o.len + sizeof(cut) > dst_size)
        o.len = dst_size > sizeof(cut) ? dst_size - sizeof(cut) : 0;
    if (o.is_full)
        (void)snprintf(dst + o.len, dst_size - o.len, "%s", cut);
}

/* ---- values ---- */

/* The code point at *p, which advances; negative when it is malformed. */
static int32_t
take_utf8(const uint8_t **p, const uint8_t *end)
{
    uint8_t c = *(*p)++;
    int more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    static const int32_t least[] = {0, 0x80, 0x800, 0x10000};
    int32_t v = c;

    if (more > 0) {
        if (c < 0xc2 || c > 0xf4 || end - *p < more)
            return -1;
        v = c & (0x3f >> more);
    }
    for (int i = 0; i < more; i++) {
        if ((**p & 0xc0) != 0x80)
            return -1;
        v = v << 6 | (*(*p)++ & 0x3f);
    }
    if (v < least[more] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
        return -1;
    return v;
}

/* One, two or four big-endian octets. */
static int32_t
take_fixed(const uint8_t **p, const uint8_t *end, int width)
{
    uint32_t v = 0;

    if (end - *p < width)
        return -1;
    for (int i = 0; i < width; i++)
        v = v << 8 | *(*p)++;
    if (v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
        return -1;
    return (int32_t)v;
}

static size_t
encode_utf8(int32_t v, char out[4])
{
    if (v < 0x80) {
        out[0] = (char)v;
        return 1;
    }
    if (v < 0x800) {
        out[0] = (char)(0xc0 | v >> 6);
        out[1] = (char)(0x80 | (v & 0x3f));
        return 2;
    }
    if (v < 0x10000) {
        out[0] = (char)(0xe0 | v >> 12);
        out[1] = (char)(0x80 | (v >> 6 & 0x3f));
        out[2] = (char)(0x80 | (v & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | v >> 18);
    out[1] = (char)(0x80 | (v >> 12 & 0x3f));
    out[2] = (char)(0x80 | (v >> 6 & 0x3f));
    out[3] = (char)(0x80 | (v & 0x3f));
    return 4;
}

/* Octets a character; 0: UTF-8; negative: no string type at all. */
static int
width_of(int type)
{
    switch (type) {
    case V_ASN1_UTF8STRING:
        return 0;
    case V_ASN1_BMPSTRING:
        return 2;
    case V_ASN1_UNIVERSALSTRING:
        return 4;
    default:
        return form_of(type) == FORM_LATIN1 ? 1 : -1;
    }
}

/* C0, DEL and C1: nothing that a name is made of. */
static bool
is_control(int32_t v)
{
    return v < 0x20 || (v >= 0x7f && v < 0xa0);
}

int
name_value(const ASN1_STRING *value, struct arena *arena, struct str *ret)
{
    const uint8_t *p = ASN1_STRING_get0_data(value);
    size_t bytes = (size_t)ASN1_STRING_length(value);
    const uint8_t *end = p + bytes;
    int width = width_of(ASN1_STRING_type(value));
    size_t len = 0;
    char *dst;

    if (width < 0)
        return GW_E_DENIED;
    dst = arena_alloc(arena, 2 * bytes + 1); /* Latin-1 doubles at most, the others grow less */
    if (dst == NULL)
        return GW_E_NOMEM;
    while (p < end) {
        int32_t v = width == 0 ? take_utf8(&p, end) : take_fixed(&p, end, width);

        if (v < 0 || is_control(v))
            return GW_E_DENIED;
        len += encode_utf8(v, dst + len);
    }
    dst[len] = 0;
    *ret = str_make(dst, len);
    return 0;
}
