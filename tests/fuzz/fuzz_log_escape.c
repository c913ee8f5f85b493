/* SPDX-License-Identifier: Apache-2.0
 *
 * conn_log_format and access_log_format with hostile text in every field: whatever comes in, out
 * comes one line of printable ASCII, with ALB's number of fields or as JSON that parses back.
 *
 * Input: one byte that says how the rest is spread, then the text.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "obs/access_log.h"
#include "obs/conn_log.h"
#include "support/json_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(claim, line)                                                           \
    do {                                                                            \
        if (!(claim)) {                                                             \
            fprintf(stderr, "%s does not hold for: %.*s\n", #claim, STR_ARG(line)); \
            abort();                                                                \
        }                                                                           \
    } while (0)

struct text {
    struct str whole;
    bool is_split; /* each field gets a piece, otherwise each gets everything */
    size_t next;
};

static struct str
take(struct text *t)
{
    size_t piece = t->is_split ? t->whole.len / 8 : t->whole.len;
    struct str s = str_sub(t->whole, t->is_split ? t->next : 0, piece);

    t->next = (t->next + piece) % (t->whole.len + 1);
    return s;
}

static void
must_be_one_line(struct str line)
{
    must(line.len > 0 && line.len <= LOG_LINE_MAX, line);
    must(line.ptr[line.len - 1] == '\n', line);
    for (size_t i = 0; i + 1 < line.len; i++)
        must(line.ptr[i] >= 0x20 && line.ptr[i] < 0x7f, line);
}

/* Fields are separated by one space outside quotes; quotes come in pairs around a field. */
static void
must_have_fields(struct str line, size_t want)
{
    size_t count = 1;
    bool is_quoted = false;

    must_be_one_line(line);
    for (size_t i = 0; i < line.len; i++) {
        is_quoted ^= line.ptr[i] == '"';
        count += line.ptr[i] == ' ' && !is_quoted;
    }
    must(!is_quoted, line);
    must(count == want, line);
}

static bool
is_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] >= 0x80)
            return false;
    }
    return true;
}

/* The value comes back as it went in, unless it was cut or is no UTF-8. */
static void
must_parse_back(struct str line, const char *key, struct str want)
{
    struct bytes got = {0};
    struct str raw;

    must_be_one_line(line);
    must(json_is_valid(line), line);
    if (json_member_count(line, "truncated") == 0 && want.len > 0 && is_ascii(want)) {
        must(json_member(line, key, &raw) && json_decode(raw, &got), line);
        must(str_eq(bytes_str(&got), want), line);
    }
    bytes_free(&got);
}

static void
run_conn(struct text *t, char *dst)
{
    struct str sans[2] = {take(t), take(t)};
    struct identity cert = {.subject = take(t),
                            .issuer = take(t),
                            .serial = take(t),
                            .validity = take(t),
                            .san_dns = {sans, 2},
                            .san_uri = {sans, 1}};
    struct conn_record r = {.cert = &cert,
                            .client_ip = take(t),
                            .listener = take(t),
                            .elb = take(t),
                            .local_ip = take(t),
                            .tls_version = take(t),
                            .tls_cipher = take(t),
                            .detail = take(t),
                            .trace_id = take(t),
                            .sni = take(t),
                            .rule = take(t),
                            .has_verify_status = true,
                            .reason = REASON_CRL_HIT};
    size_t len = conn_log_format(LOG_FORMAT_ALB, &r, dst, LOG_LINE_MAX);

    must_have_fields(str_make(dst, len), 15);
    len = conn_log_format(LOG_FORMAT_JSON, &r, dst, LOG_LINE_MAX);
    must_parse_back(str_make(dst, len), "sni", r.sni);
}

static void
run_access(struct text *t, char *dst)
{
    struct stream_record r = {.type = take(t),
                              .elb = take(t),
                              .client_ip = take(t),
                              .local_ip = take(t),
                              .target = take(t),
                              .method = take(t),
                              .scheme = take(t),
                              .authority = take(t),
                              .uri = take(t),
                              .http_version = take(t),
                              .user_agent = take(t),
                              .target_group = take(t),
                              .trace_id = take(t),
                              .domain_name = take(t),
                              .actions = take(t),
                              .error_reason = take(t),
                              .conn_trace_id = take(t),
                              .end = take(t),
                              .status = 200};
    size_t len = access_log_format(LOG_FORMAT_ALB, &r, dst, LOG_LINE_MAX);

    must_have_fields(str_make(dst, len), 34);
    len = access_log_format(LOG_FORMAT_JSON, &r, dst, LOG_LINE_MAX);
    must_parse_back(str_make(dst, len), "user_agent", r.user_agent);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text t;
    char *dst;

    if (size < 1)
        return 0;
    /* A block of its own, so that a byte too many is seen. */
    dst = malloc(LOG_LINE_MAX);
    t = (struct text){.whole = str_make(data + 1, size - 1), .is_split = (data[0] & 1) != 0};
    if ((data[0] & 2) != 0)
        run_conn(&t, dst);
    else
        run_access(&t, dst);
    free(dst);
    return 0;
}
