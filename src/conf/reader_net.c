/* SPDX-License-Identifier: Apache-2.0
 *
 * Readers of what is about the network: addresses to bind, networks, protocols, targets,
 * host names, and where revocation lists come from. Called through the table in reader.c.
 * Owns nothing. Must never resolve a name.
 */
#include "base/limits.h"
#include "conf/mem.h"
#include "conf/reader.h"
#include "conf/value.h"
#include "http/target.h"

#define WANT_BIND "an address and port such as 0.0.0.0:8443 or [::]:8443"
#define WANT_TARGET "a host and port such as api.internal:443 or 10.0.0.7:443"
#define WANT_CIDR "a network such as 10.0.0.0/8 (bits beyond the prefix zero) or an address"

/* ---- addresses ---- */

bool
reader_bind_address(struct reader *r, const struct yaml_node *node, struct config_address *ret)
{
    struct addr addr;

    if (!reader_is_scalar(r, node, WANT_BIND))
        return false;
    if (addr_parse(node->text, &addr) != 0) {
        reader_expected(r, node, WANT_BIND);
        return false;
    }
    if (addr_port(&addr) == 0) {
        reader_error(r, node, "port 0 is no port; expected 1 to 65535");
        return false;
    }
    ret->addr = addr;
    ret->pos = reader_pos(node);
    return true;
}

void
reader_address(struct reader *r, const struct reader_slot *slot)
{
    (void)reader_bind_address(r, slot->node, slot->dst);
}

void
reader_addresses(struct reader *r, const struct reader_slot *slot)
{
    struct reader_path step = {.up = r->path};
    struct config_address *items;
    size_t count = 0;

    if (slot->node->kind == YAML_SCALAR) {
        items = conf_calloc(r->arena, 1, sizeof(*items));
        count = reader_bind_address(r, slot->node, items);
    } else if (reader_is_list(r, slot->node, slot->key->max)) {
        items = conf_calloc(r->arena, slot->node->count, sizeof(*items));
        r->path = &step;
        for (const struct yaml_node *n = slot->node->first; n; n = n->next, step.index++)
            count += reader_bind_address(r, n, &items[count]);
        r->path = step.up;
    } else {
        return;
    }
    *(struct config_address **)slot->dst = items;
    *slot->ret_count = count;
}

static bool
read_cidr(struct reader *r, const struct yaml_node *node, struct cidr *ret)
{
    if (!reader_is_scalar(r, node, WANT_CIDR))
        return false;
    if (cidr_parse(node->text, ret) == 0)
        return true;
    reader_expected(r, node, WANT_CIDR);
    return false;
}

void
reader_cidrs(struct reader *r, const struct reader_slot *slot)
{
    struct reader_path step = {.up = r->path};
    struct cidr *items;
    size_t count = 0;

    if (!reader_is_list(r, slot->node, slot->key->max))
        return;
    items = conf_calloc(r->arena, slot->node->count, sizeof(*items));
    r->path = &step;
    for (const struct yaml_node *n = slot->node->first; n != NULL; n = n->next, step.index++)
        count += read_cidr(r, n, &items[count]);
    r->path = step.up;
    *(struct cidr **)slot->dst = items;
    *slot->ret_count = count;
}

void
reader_protocols(struct reader *r, const struct reader_slot *slot)
{
    static const struct schema_choice choices[] = {{"h2", 0, false}, {"http/1.1", 1, false}, {0}};
    struct config_protocols *protocols = slot->dst;
    struct reader_path step = {.up = r->path};

    if (!reader_is_list(r, slot->node, RULE_VALUES_MAX))
        return;
    protocols->pos = reader_pos(slot->node);
    r->path = &step;
    for (const struct yaml_node *n = slot->node->first; n != NULL; n = n->next, step.index++) {
        int which = reader_pick(r, n, choices);
        bool *has = which == 0 ? &protocols->has_h2 : &protocols->has_http11;

        if (which >= 0 && *has)
            reader_error(r, n, "%s stands here twice", choices[which].text);
        else if (which >= 0)
            *has = true;
    }
    r->path = step.up;
}

/* ---- names ---- */

/* "name:port", "[v6]:port" or "1.2.3.4:port". */
static bool
read_target(struct reader *r, const struct yaml_node *node, struct config_target *ret)
{
    char text[ADDR_TEXT_MAX];
    struct str authority;
    struct str host;
    uint16_t port = 0;
    struct addr addr;

    if (!reader_is_scalar(r, node, WANT_TARGET))
        return false;
    if (authority_parse(node->text, r->arena, &authority, &host, &port) != 0 || port == 0) {
        reader_expected(r, node, WANT_TARGET);
        return false;
    }
    ret->port = port;
    ret->pos = reader_pos(node);
    ret->is_address = addr_parse(authority, &addr) == 0;
    if (ret->is_address) {
        ret->address = addr;
        (void)addr_format_ip(&addr, text);
        host = str_from(text);
    }
    ret->name = conf_str(r->arena, host).ptr;
    return true;
}

void
reader_targets(struct reader *r, const struct reader_slot *slot)
{
    struct reader_path step = {.up = r->path};
    struct config_target *items;
    size_t count = 0;

    if (!reader_is_list(r, slot->node, slot->key->max))
        return;
    items = conf_calloc(r->arena, slot->node->count, sizeof(*items));
    r->path = &step;
    for (const struct yaml_node *n = slot->node->first; n != NULL; n = n->next, step.index++)
        count += read_target(r, n, &items[count]);
    r->path = step.up;
    *(struct config_target **)slot->dst = items;
    *slot->ret_count = count;
}

void
reader_host_header(struct reader *r, const struct reader_slot *slot)
{
    struct str authority;
    struct str host;
    uint16_t port;

    if (!reader_is_scalar(r, slot->node, "preserve or a host name"))
        return;
    if (str_eq(slot->node->text, STR("preserve")))
        return;
    if (authority_parse(slot->node->text, r->arena, &authority, &host, &port) != 0)
        reader_expected(r, slot->node, "preserve or a host name");
    else
        *(const char **)slot->dst = conf_str(r->arena, authority).ptr;
}

void
reader_server_name(struct reader *r, const struct reader_slot *slot)
{
    struct str text = slot->node->text;
    char *name;
    size_t len;

    if (!reader_is_scalar(r, slot->node, "a host name"))
        return;
    name = conf_calloc(r->arena, text.len + 1, 1);
    if (host_canonical(text, name, &len) != 0) {
        reader_expected(r, slot->node, "a host name");
        return;
    }
    /* An address is compared without its brackets. */
    if (name[0] == '[') {
        name++;
        len -= 2;
    }
    name[len] = '\0';
    *(const char **)slot->dst = name;
}

/* What SNI can carry: no address, and a wildcard only for the whole first label. */
static bool
read_host_name(struct reader *r, const struct yaml_node *item, struct str *ret)
{
    static const char want[] = "a host name such as api.example.test or *.example.test";
    bool is_wildcard;
    struct cidr cidr;
    struct str rest;
    char *name;
    size_t len;

    if (!reader_is_scalar(r, item, want))
        return false;
    is_wildcard = str_starts(item->text, STR("*."));
    rest = str_sub(item->text, is_wildcard ? 2 : 0, item->text.len);
    name = conf_calloc(r->arena, item->text.len + 3, 1);
    if (host_canonical(rest, name + 2, &len) != 0 || name[2] == '[' ||
        cidr_parse(str_make(name + 2, len), &cidr) == 0) {
        reader_expected(r, item, want);
        return false;
    }
    name[0] = '*';
    name[1] = '.';
    *ret = is_wildcard ? str_make(name, len + 2) : str_make(name + 2, len);
    return true;
}

void
reader_host_names(struct reader *r, const struct reader_slot *slot)
{
    reader_str_list(r, slot, read_host_name);
}

/* ---- revocation lists ---- */

static bool
is_url(struct str text)
{
    return str_starts_nocase(text, STR("https://")) || str_starts_nocase(text, STR("http://")) ||
           str_starts_nocase(text, STR("s3://"));
}

/* "user:password@" in front of the host. */
static bool
has_userinfo(struct str url)
{
    const char *host = strstr(url.ptr, "://") + 3;

    return memchr(host, '@', strcspn(host, "/?")) != NULL;
}

static const char *
read_url(struct reader *r, const struct yaml_node *node)
{
    struct str url = node->text;

    if (has_userinfo(url)) {
        reader_error(r, node,
                     "expected a URL without a user name or password: it stands in logs and on "
                     "/status");
        return NULL;
    }
    if (url.len <= URL_BYTES_MAX && value_is_printable(url) && str_chr(url, ' ') < 0 &&
        str_chr(url, '#') < 0)
        return url.ptr;
    reader_error(r, node, "expected a URL of at most %d bytes, without space and '#'",
                 URL_BYTES_MAX);
    return NULL;
}

void
reader_crl_url(struct reader *r, const struct reader_slot *slot)
{
    static const char want[] = "a URL that begins with https://, http:// or s3://";

    if (!reader_is_scalar(r, slot->node, want))
        return;
    if (!is_url(slot->node->text))
        reader_expected(r, slot->node, want);
    else
        *(const char **)slot->dst = read_url(r, slot->node);
}

/* A URL alone has the presets of the map's other keys. */
static bool
read_crl_scalar(struct reader *r, const struct yaml_node *node, struct config_crl_source *ret)
{
    if (!reader_is_scalar(r, node, "a file, a folder or a URL"))
        return false;
    ret->pos = reader_pos(node);
    if (is_url(node->text)) {
        reader_section(r, SECTION_CRL, NULL, ret);
        ret->url = read_url(r, node);
        return ret->url != NULL;
    }
    if (strstr(node->text.ptr, "://") != NULL) {
        reader_expected(r, node, "a file, a folder, or a URL of https, http or s3");
        return false;
    }
    if (node->text.len == 0 || node->text.len > PATH_BYTES_MAX) {
        reader_error(r, node, "expected a path of 1 to %d bytes", PATH_BYTES_MAX);
        return false;
    }
    ret->path = reader_resolve(r, node->text);
    return true;
}

static bool
read_crl(struct reader *r, const struct yaml_node *node, struct config_crl_source *ret)
{
    if (node->kind != YAML_MAP)
        return read_crl_scalar(r, node, ret);
    reader_section(r, SECTION_CRL, node, ret);
    return ret->url != NULL;
}

void
reader_crls(struct reader *r, const struct reader_slot *slot)
{
    struct reader_path step = {.up = r->path};
    struct config_crl_source *items;
    size_t count = 0;

    if (!reader_is_list(r, slot->node, slot->key->max))
        return;
    items = conf_calloc(r->arena, slot->node->count, sizeof(*items));
    r->path = &step;
    for (const struct yaml_node *n = slot->node->first; n != NULL; n = n->next, step.index++)
        count += read_crl(r, n, &items[count]);
    r->path = step.up;
    *(struct config_crl_source **)slot->dst = items;
    *slot->ret_count = count;
}
