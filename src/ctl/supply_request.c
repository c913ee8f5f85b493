/* SPDX-License-Identifier: Apache-2.0
 *
 * What is asked of the server of a list: the URL as it stands, or a signed request to S3.
 * Called by supply on the control thread; owns nothing. Must never send credentials to a
 * server that the configuration or the environment does not name.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/mem.h"
#include "ctl/supply_priv.h"

bool
supply_needs_credentials(const struct supply_source *s)
{
    return str_starts_nocase(str_from(s->url), STR("s3://"));
}

static const char *
env(const char *first, const char *second)
{
    const char *value = getenv(first);

    if (value == NULL || value[0] == '\0')
        value = getenv(second);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Where an object lies. All malloc. */
struct place {
    char *base; /* "https://HOST" */
    char *path;
};

static bool
is_bucket(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (!ascii_is_digit(c) && !(c >= 'a' && c <= 'z') && c != '-' && c != '.')
            return false;
    }
    return s.len >= 3 && s.len <= 63;
}

/* The bucket goes into the host name unless its dots would not fit the certificate. */
static struct place
find_place(struct str bucket, struct str object, const char *region)
{
    const char *endpoint = env("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL");
    const char *suffix =
        str_starts(str_from(region), STR("cn-")) ? "amazonaws.com.cn" : "amazonaws.com";
    struct place p = {.base = NULL};
    char *prefix = NULL;

    if (endpoint == NULL && str_chr(bucket, '.') < 0) {
        gw_assert(asprintf(&p.base, "https://%.*s.s3.%s.%s", STR_ARG(bucket), region, suffix) > 0);
        p.path = sigv4_encode_path(STR(""), object);
        return p;
    }
    if (endpoint != NULL)
        p.base = mem_strdup(endpoint);
    else
        gw_assert(asprintf(&p.base, "https://s3.%s.%s", region, suffix) > 0);
    while (str_ends(str_from(p.base), STR("/")))
        p.base[strlen(p.base) - 1] = '\0';
    gw_assert(asprintf(&prefix, "/%.*s", STR_ARG(bucket)) > 0);
    p.path = sigv4_encode_path(str_from(prefix), object);
    free(prefix);
    return p;
}

static void
sign(const struct place *p, const char *region, const struct credentials *c, int64_t now_s,
     struct fetch_request *ret)
{
    struct str host = str_from(p->base);
    struct sigv4_request req = {
        .path = str_from(p->path), .region = str_from(region), .service = STR("s3"), .at_s = now_s};
    struct sigv4_key key = credentials_key(c);
    struct sigv4_signed got;
    ptrdiff_t slash = str_chr(host, '/');

    if (slash >= 0)
        host = str_sub(host, (size_t)slash + 2, host.len);
    req.host = host;
    sigv4_sign(&req, &key, &got);
    fetch_request_add_header(ret, "Host: %.*s", STR_ARG(host));
    fetch_request_add_header(ret, "X-Amz-Date: %s", got.date);
    fetch_request_add_header(ret, "X-Amz-Content-Sha256: %s", got.payload);
    if (key.session_token.len > 0)
        fetch_request_add_header(ret, "X-Amz-Security-Token: %.*s", STR_ARG(key.session_token));
    fetch_request_add_header(ret, "Authorization: %s", got.authorization);
    free(got.authorization);
}

static int
request_s3(const struct supply_source *s, const struct credentials *c, int64_t now_s,
           struct fetch_request *ret, char why[SUPPLY_WHY_MAX])
{
    const char *region = s->region != NULL ? s->region : env("AWS_REGION", "AWS_DEFAULT_REGION");
    struct str rest = str_sub(str_from(s->url), strlen("s3://"), SIZE_MAX);
    ptrdiff_t slash = str_chr(rest, '/');
    struct str bucket = str_sub(rest, 0, slash < 0 ? 0 : (size_t)slash);
    struct str object = str_sub(rest, bucket.len + 1, rest.len);
    struct place p;

    if (!is_bucket(bucket) || object.len == 0 || region == NULL) {
        (void)snprintf(why, SUPPLY_WHY_MAX, "%s",
                       region == NULL ? "no region: set `region` of the list, or AWS_REGION"
                                      : "is not of the form s3://BUCKET/KEY");
        return GW_E_CONFIG;
    }
    p = find_place(bucket, object, region);
    gw_assert(asprintf(&ret->url, "%s%s", p.base, p.path) > 0);
    if (c->access_key_id != NULL)
        sign(&p, region, c, now_s, ret);
    free(p.base);
    free(p.path);
    return 0;
}

int
supply_request(struct supply_source *s, const struct credentials *c, int64_t now_s,
               struct fetch_request *ret, char why[SUPPLY_WHY_MAX])
{
    struct fetch_request req = {
        .max_bytes = s->max_bytes, .timeout_ms = FETCH_TIMEOUT_MS, .slow_s = FETCH_SLOW_S};
    int rc = 0;

    if (supply_needs_credentials(s))
        rc = request_s3(s, c, now_s, &req, why);
    else
        req.url = mem_strdup(s->url);
    if (rc != 0) {
        fetch_request_done(&req);
        return rc;
    }
    supply_copy_check(s);
    if (s->has_copy && s->etag[0] != '\0')
        fetch_request_add_header(&req, "If-None-Match: %s", s->etag);
    if (s->has_copy && s->last_modified[0] != '\0')
        fetch_request_add_header(&req, "If-Modified-Since: %s", s->last_modified);
    s->is_conditional = s->has_copy && (s->etag[0] != '\0' || s->last_modified[0] != '\0');
    *ret = req;
    return 0;
}
