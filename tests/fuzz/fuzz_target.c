/* SPDX-License-Identifier: Apache-2.0
 *
 * target_parse, authority_parse and host_canonical: the first byte chooses method and version, then
 * comes the target, and behind a line feed the Host. What is canonical stays as it is when
 * parsed again; the upstream never gets a byte that was not sent.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "http/chars.h"
#include "http/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_host(struct str text)
{
    char *once = malloc(text.len + 1);
    char *twice = malloc(text.len + 1);
    size_t len;
    size_t again_len;

    gw_assert(once != NULL && twice != NULL);
    once[text.len] = '#';
    if (host_canonical(text, once, &len) == 0) {
        gw_assert(len > 0 && len <= text.len);
        gw_assert(host_canonical(str_make(once, len), twice, &again_len) == 0);
        gw_assert(str_eq(str_make(once, len), str_make(twice, again_len)));
    }
    gw_assert(once[text.len] == '#');
    free(once);
    free(twice);
}

static void
check_authority(const struct http_req *req, struct arena *arena)
{
    struct str authority;
    struct str host;
    uint16_t port;

    gw_assert(authority_parse(req->authority, arena, &authority, &host, &port) == 0);
    gw_assert(str_eq(authority, req->authority) && str_eq(host, req->host) && port == req->port);
    gw_assert(host_matches(req->host, host));
}

/* A strict reading may, read loosely, leave the root where the path itself did not. */
static void
check_path(const struct http_req *req, struct str path, bool is_loose, struct arena *arena)
{
    struct http_req again = {.version = HTTP_11, .method = METHOD_GET};
    enum h1_fault fault;
    int err;

    gw_assert(path.len > 0 && path.len <= req->path.len && path.ptr[0] == '/');
    err = target_parse(path, STR("a"), arena, &again, &fault);
    gw_assert(err == 0 || (!is_loose && fault == H1_FAULT_BAD_TARGET));
    gw_assert(err != 0 || str_eq(again.route_path, path));
    gw_assert(!is_loose || str_eq(again.loose_path, path));
}

static void
check_accepted(const struct http_req *req, struct str target, struct arena *arena)
{
    gw_assert(str_eq(req->target, target));
    for (size_t i = 0; i < target.len; i++)
        gw_assert(target.ptr[i] > 0x20 && target.ptr[i] < 0x7f && target.ptr[i] != '#');
    if (req->authority.len > 0)
        check_authority(req, arena);
    gw_assert(req->authority.len > 0 || req->version == HTTP_10);
    if (req->method == METHOD_CONNECT || str_eq(req->path, STR("*")))
        return;
    gw_assert(req->path.len > 0 && req->path.ptr[0] == '/');
    check_path(req, req->route_path, false, arena);
    check_path(req, req->loose_path, true, arena);
    gw_assert(req->path_is_ambiguous || str_eq(req->route_path, req->loose_path));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum http_method methods[] = {METHOD_GET, METHOD_OPTIONS, METHOD_CONNECT,
                                               METHOD_OTHER};
    struct http_req req = {.version = HTTP_11};
    struct arena arena;
    enum h1_fault fault = H1_FAULT_NONE;
    struct str target;
    struct str host = {NULL, 0};
    ptrdiff_t newline;

    if (size == 0)
        return 0;
    req.method = methods[data[0] & 3];
    req.version = (enum http_version)((data[0] >> 2) % 3);
    target = str_make(data + 1, size - 1);
    newline = str_chr(target, '\n');
    if (newline >= 0) {
        host = str_sub(target, (size_t)newline + 1, target.len);
        target = str_sub(target, 0, (size_t)newline);
    }
    arena_init(&arena, STREAM_ARENA_BLOCK, 16 * size + STREAM_ARENA_MAX);
    if (target_parse(target, host, &arena, &req, &fault) == 0)
        check_accepted(&req, target, &arena);
    else
        gw_assert(fault != H1_FAULT_NONE);
    check_host(target);
    check_host(host);
    arena_done(&arena);
    return 0;
}
