/* SPDX-License-Identifier: Apache-2.0
 *
 * The signature over a request to S3, as AWS describes it under "Signature Version 4".
 * Called by supply on the control thread; owns nothing but what it returns. Must never
 * leave a derived key in memory.
 */
#include "ctl/sigv4.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/secret.h"
#include "ctl/mem.h"

#define HASH_BYTES 32

static void
hex_sha256(struct str s, char ret[2 * HASH_BYTES + 1])
{
    uint8_t hash[HASH_BYTES];

    gw_assert(EVP_Digest(s.ptr != NULL ? s.ptr : "", s.len, hash, NULL, EVP_sha256(), NULL) == 1);
    str_hex_lower(ret, hash, HASH_BYTES);
    ret[2 * HASH_BYTES] = '\0';
}

/* In place: the key becomes HMAC-SHA256(key, text). */
static void
hmac(uint8_t key[HASH_BYTES], size_t key_len, struct str text, uint8_t ret[HASH_BYTES])
{
    uint8_t out[HASH_BYTES];
    size_t len = 0;

    gw_assert(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, key_len,
                        (const unsigned char *)text.ptr, text.len, out, sizeof(out), &len) != NULL);
    gw_assert(len == HASH_BYTES);
    memcpy(ret, out, sizeof(out));
    secret_wipe(out, sizeof(out));
}

/* "20130524T000000Z" from "2013-05-24T00:00:00Z". */
static void
format_date(int64_t at_s, char ret[SIGV4_DATE_LEN + 1])
{
    char iso[CLOCK_ISO_LEN];
    size_t n = 0;

    clock_format_iso(iso, at_s);
    for (size_t i = 0; i < sizeof(iso); i++) {
        if (iso[i] != '-' && iso[i] != ':')
            ret[n++] = iso[i];
    }
    gw_assert(n == SIGV4_DATE_LEN);
    ret[n] = '\0';
}

static int
compare_headers(const void *a, const void *b)
{
    return str_cmp(((const struct sigv4_header *)a)->name, ((const struct sigv4_header *)b)->name);
}

struct headers {
    struct sigv4_header items[SIGV4_HEADERS_MAX + 4];
    size_t count;
};

static void
collect(const struct sigv4_request *req, const struct sigv4_key *key,
        const struct sigv4_signed *facts, struct headers *ret)
{
    gw_assert(req->header_count <= SIGV4_HEADERS_MAX);
    ret->count = 0;
    for (size_t i = 0; i < req->header_count; i++)
        ret->items[ret->count++] = req->headers[i];
    ret->items[ret->count++] = (struct sigv4_header){STR("host"), req->host};
    ret->items[ret->count++] =
        (struct sigv4_header){STR("x-amz-content-sha256"), str_from(facts->payload)};
    ret->items[ret->count++] = (struct sigv4_header){STR("x-amz-date"), str_from(facts->date)};
    if (key->session_token.len > 0)
        ret->items[ret->count++] =
            (struct sigv4_header){STR("x-amz-security-token"), key->session_token};
    qsort(ret->items, ret->count, sizeof(ret->items[0]), compare_headers);
}

static void
print_names(FILE *out, const struct headers *h)
{
    for (size_t i = 0; i < h->count; i++)
        fprintf(out, "%s%.*s", i > 0 ? ";" : "", STR_ARG(h->items[i].name));
}

/* The hash of the canonical request. */
static void
hash_request(const struct sigv4_request *req, const struct headers *h, const char *payload,
             char ret[2 * HASH_BYTES + 1])
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    gw_assert(out != NULL);
    fprintf(out, "GET\n%.*s\n%.*s\n", STR_ARG(req->path), STR_ARG(req->query));
    for (size_t i = 0; i < h->count; i++)
        fprintf(out, "%.*s:%.*s\n", STR_ARG(h->items[i].name),
                STR_ARG(str_trim(h->items[i].value)));
    fputc('\n', out);
    print_names(out, h);
    fprintf(out, "\n%s", payload);
    gw_assert(fclose(out) == 0);
    hex_sha256(str_make(text, len), ret);
    secret_wipe(text, len); /* holds the session token */
    free(text);
}

static void
derive_key(const struct sigv4_request *req, const struct sigv4_key *key, struct str day,
           uint8_t ret[HASH_BYTES])
{
    size_t len = strlen("AWS4") + key->secret_access_key.len;
    uint8_t *first = mem_calloc(1, len);

    memcpy(first, "AWS4", 4);
    memcpy(first + 4, key->secret_access_key.ptr, key->secret_access_key.len);
    hmac(first, len, day, ret);
    secret_wipe(first, len);
    free(first);
    hmac(ret, HASH_BYTES, req->region, ret);
    hmac(ret, HASH_BYTES, req->service, ret);
    hmac(ret, HASH_BYTES, STR("aws4_request"), ret);
}

void
sigv4_sign(const struct sigv4_request *req, const struct sigv4_key *key, struct sigv4_signed *ret)
{
    char request_hash[2 * HASH_BYTES + 1], signature[2 * HASH_BYTES + 1];
    uint8_t signing_key[HASH_BYTES], mac[HASH_BYTES];
    struct headers headers;
    char *scope = NULL, *to_sign = NULL, *names = NULL;
    size_t names_len = 0;
    FILE *out = open_memstream(&names, &names_len);

    format_date(req->at_s, ret->date);
    hex_sha256(STR(""), ret->payload);
    collect(req, key, ret, &headers);
    hash_request(req, &headers, ret->payload, request_hash);
    gw_assert(asprintf(&scope, "%.8s/%.*s/%.*s/aws4_request", ret->date, STR_ARG(req->region),
                       STR_ARG(req->service)) > 0);
    gw_assert(asprintf(&to_sign, "AWS4-HMAC-SHA256\n%s\n%s\n%s", ret->date, scope, request_hash) >
              0);
    derive_key(req, key, str_make(ret->date, 8), signing_key);
    hmac(signing_key, sizeof(signing_key), str_from(to_sign), mac);
    secret_wipe(signing_key, sizeof(signing_key));
    str_hex_lower(signature, mac, sizeof(mac));
    signature[2 * HASH_BYTES] = '\0';
    gw_assert(out != NULL);
    print_names(out, &headers);
    gw_assert(fclose(out) == 0);
    gw_assert(asprintf(&ret->authorization,
                       "AWS4-HMAC-SHA256 Credential=%.*s/%s, SignedHeaders=%s, Signature=%s",
                       STR_ARG(key->access_key_id), scope, names, signature) > 0);
    free(names);
    free(to_sign);
    free(scope);
}

char *
sigv4_encode_path(struct str prefix, struct str object)
{
    static const char hex[] = "0123456789ABCDEF";
    char *ret = mem_calloc(prefix.len + 3 * object.len + 2, 1);
    size_t n = prefix.len;

    memcpy(ret, prefix.ptr != NULL ? prefix.ptr : "", prefix.len);
    ret[n++] = '/';
    for (size_t i = 0; i < object.len; i++) {
        char c = object.ptr[i];

        if (ascii_is_alpha(c) || ascii_is_digit(c) || (c != '\0' && strchr("-._~/", c) != NULL)) {
            ret[n++] = c;
            continue;
        }
        ret[n++] = '%';
        ret[n++] = hex[(uint8_t)c >> 4];
        ret[n++] = hex[(uint8_t)c & 15];
    }
    ret[n] = '\0';
    return ret;
}
