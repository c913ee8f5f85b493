/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads AWS credentials. Called by supply on the control thread; owns nothing but what it
 * returns. Must never log a secret, nor send a request for credentials over plain HTTP to
 * anything but this machine and the container endpoint.
 */
#include "ctl/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/secret.h"
#include "ctl/mem.h"

#define WHY_MAX 256

static void
wipe(char *s)
{
    if (s != NULL)
        secret_wipe(s, strlen(s));
    free(s);
}

void
credentials_done(struct credentials *c)
{
    wipe(c->access_key_id);
    wipe(c->secret_access_key);
    wipe(c->session_token);
    *c = (struct credentials){.access_key_id = NULL};
}

struct sigv4_key
credentials_key(const struct credentials *c)
{
    return (struct sigv4_key){.access_key_id = str_from(c->access_key_id),
                              .secret_access_key = str_from(c->secret_access_key),
                              .session_token = str_from(c->session_token)};
}

/* What goes into a header field. */
static bool
is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= 0x20 || s.ptr[i] > 0x7e)
            return false;
    }
    return s.len > 0;
}

static void
set(char **field, struct str value)
{
    char *copy = mem_calloc(1, value.len + 1);

    memcpy(copy, value.ptr != NULL ? value.ptr : "", value.len);
    wipe(*field);
    *field = copy;
}

/* Takes c: whole credentials to ret, anything else is wiped. */
static int
give(struct credentials *c, struct credentials *ret)
{
    if (!is_token(str_from(c->access_key_id)) || !is_token(str_from(c->secret_access_key)) ||
        (c->session_token != NULL && !is_token(str_from(c->session_token)))) {
        credentials_done(c);
        return GW_E_NOTFOUND;
    }
    *ret = *c;
    return 0;
}

/* ---- the shared file ----------------------------------------------------------------------- */

static char **
field_named(struct credentials *c, struct str name)
{
    if (str_eq(name, STR("aws_access_key_id")))
        return &c->access_key_id;
    if (str_eq(name, STR("aws_secret_access_key")))
        return &c->secret_access_key;
    return str_eq(name, STR("aws_session_token")) ? &c->session_token : NULL;
}

static struct str
trim_line(struct str line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return str_trim(line);
}

int
credentials_parse_file(struct str text, struct str profile, struct credentials *ret)
{
    struct credentials c = {.expires_s = INT64_MAX};
    struct str line;
    bool done = false, is_profile = false;

    while (str_split_next(&text, '\n', &done, &line)) {
        ptrdiff_t equals;
        char **field;

        line = trim_line(line);
        if (line.len > 1 && line.ptr[0] == '[') {
            is_profile = line.ptr[line.len - 1] == ']' &&
                         str_eq(str_trim(str_sub(line, 1, line.len - 2)), profile);
            continue;
        }
        equals = str_chr(line, '=');
        if (!is_profile || equals < 0 || line.ptr[0] == '#' || line.ptr[0] == ';')
            continue;
        field = field_named(&c, str_trim(str_sub(line, 0, (size_t)equals)));
        if (field != NULL)
            set(field, str_trim(str_sub(line, (size_t)equals + 1, line.len)));
    }
    return give(&c, ret);
}

static char *
file_path(void)
{
    const char *path = getenv("AWS_SHARED_CREDENTIALS_FILE");
    const char *home = getenv("HOME");

    if (path != NULL && path[0] != '\0')
        return mem_strdup(path);
    return home != NULL && home[0] == '/' ? file_join(home, ".aws/credentials") : NULL;
}

static int
read_file(const char *path, struct credentials *ret, char why[WHY_MAX])
{
    const char *profile = getenv("AWS_PROFILE");
    struct file file = {0};
    struct diag diag;
    int rc;

    diag_init(&diag);
    rc = file_read(path, FETCH_CREDENTIALS_BYTES_MAX, FILE_SECRET, false, &diag, &file);
    if (rc != 0) {
        (void)snprintf(why, WHY_MAX, "%s", diag.count > 0 ? diag.entries[0].text : path);
    } else {
        if (profile == NULL || profile[0] == '\0')
            profile = "default";
        rc = credentials_parse_file(str_make(file.bytes, file.len), str_from(profile), ret);
        if (rc != 0)
            (void)snprintf(why, WHY_MAX, "%s has no whole credentials of profile %.64s", path,
                           profile);
        file_done(&file);
    }
    diag_done(&diag);
    return rc == 0 ? 0 : GW_E_CONFIG;
}

int
credentials_local(struct credentials *ret, char why[WHY_MAX])
{
    const char *id = getenv("AWS_ACCESS_KEY_ID");
    const char *key = getenv("AWS_SECRET_ACCESS_KEY");
    const char *token = getenv("AWS_SESSION_TOKEN");
    struct credentials c = {.expires_s = INT64_MAX};
    char *path;
    int rc = GW_E_NOTFOUND;

    if (id != NULL && key != NULL && id[0] != '\0') {
        set(&c.access_key_id, str_from(id));
        set(&c.secret_access_key, str_from(key));
        if (token != NULL && token[0] != '\0')
            set(&c.session_token, str_from(token));
        if (give(&c, ret) == 0)
            return 0;
        (void)snprintf(why, WHY_MAX, "the AWS_ variables hold bytes that no credentials have");
        return GW_E_CONFIG;
    }
    path = file_path();
    if (path != NULL && access(path, F_OK) == 0)
        rc = read_file(path, ret, why);
    free(path);
    return rc;
}

/* ---- the container endpoint ---------------------------------------------------------------- */

/* Over plain HTTP only where nobody else listens in. */
static bool
is_safe_url(struct str url)
{
    static const struct str allowed[] = {
        STR_INIT("https://"),
        STR_INIT("http://127.0.0.1/"),
        STR_INIT("http://127.0.0.1:"),
        STR_INIT("http://localhost/"),
        STR_INIT("http://localhost:"),
        STR_INIT("http://[::1]/"),
        STR_INIT("http://[::1]:"),
        STR_INIT("http://169.254.170.2/"),
        STR_INIT("http://169.254.170.2:"),
    };

    if (!is_token(url) || str_chr(url, '@') >= 0)
        return false;
    for (size_t i = 0; i < array_len(allowed); i++) {
        if (str_starts(url, allowed[i]))
            return true;
    }
    return false;
}

int
credentials_request(struct fetch_request *ret, char why[WHY_MAX])
{
    const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    const char *token = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    char *url = NULL;

    if (relative != NULL && relative[0] == '/')
        gw_assert(asprintf(&url, "http://169.254.170.2%s", relative) > 0);
    else if (full != NULL && full[0] != '\0')
        url = mem_strdup(full);
    else
        return GW_E_NOTFOUND;
    if (!is_safe_url(str_from(url))) {
        (void)snprintf(why, WHY_MAX, "the container credentials URI is neither https nor local");
        free(url);
        return GW_E_CONFIG;
    }
    *ret = (struct fetch_request){.url = url,
                                  .max_bytes = FETCH_CREDENTIALS_BYTES_MAX,
                                  .timeout_ms = FETCH_CONNECT_TIMEOUT_MS,
                                  .slow_s = FETCH_SLOW_S,
                                  .is_credentials = true};
    if (token != NULL && is_token(str_from(token)))
        fetch_request_add_header(ret, "Authorization: %s", token);
    return 0;
}

/* The next "..." of *rest, which is cut off behind it. Escapes do not occur in what is looked for
 * but "\/", which stands for itself. */
static bool
next_string(struct str *rest, char *buf, size_t room)
{
    ptrdiff_t quote = str_chr(*rest, '"');
    size_t n = 0, i;

    if (quote < 0)
        return false;
    for (i = (size_t)quote + 1; i < rest->len && rest->ptr[i] != '"'; i++) {
        if (rest->ptr[i] == '\\' && (i + 1 == rest->len || rest->ptr[++i] != '/'))
            return false;
        if (n + 1 == room)
            return false;
        buf[n++] = rest->ptr[i];
    }
    buf[n] = '\0';
    if (i == rest->len)
        return false;
    *rest = str_sub(*rest, i + 1, rest->len);
    return true;
}

static bool
take_member(struct credentials *c, const char *name, const char *value)
{
    if (strcmp(name, "AccessKeyId") == 0)
        set(&c->access_key_id, str_from(value));
    else if (strcmp(name, "SecretAccessKey") == 0)
        set(&c->secret_access_key, str_from(value));
    else if (strcmp(name, "Token") == 0)
        set(&c->session_token, str_from(value));
    else if (strcmp(name, "Expiration") == 0)
        return clock_parse_rfc3339(str_from(value), &c->expires_s) == 0;
    return true;
}

/* A flat object of strings; other values of members that nobody asks for are passed over. */
int
credentials_parse(struct str json, struct credentials *ret)
{
    struct credentials c = {.expires_s = INT64_MAX};
    size_t room = json.len + 1;
    char name[64], *value = mem_calloc(1, room);
    bool is_good = true;

    while (is_good && next_string(&json, name, sizeof(name))) {
        struct str rest = str_trim(json);

        if (rest.len == 0 || rest.ptr[0] != ':') {
            is_good = false;
            break;
        }
        rest = str_trim(str_sub(rest, 1, rest.len));
        if (rest.len == 0 || rest.ptr[0] != '"')
            continue;
        json = rest;
        is_good = next_string(&json, value, room) && take_member(&c, name, value);
    }
    secret_wipe(value, room);
    free(value);
    if (is_good)
        return give(&c, ret) == 0 ? 0 : GW_E_PARSE;
    credentials_done(&c);
    return GW_E_PARSE;
}
