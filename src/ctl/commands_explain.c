/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of `explain`. Called by commands.c. Owns the lists of repeated options. Must
 * never judge.
 */
#include <getopt.h>
#include <stdio.h>

#include "ctl/commands_priv.h"
#include "ctl/explain.h"
#include "ctl/mem.h"

enum {
    OPT_CONFIG = 'c',
    OPT_TEXTS = 256, /* those that are one text begin here */
    OPT_LISTENER = OPT_TEXTS,
    OPT_SNI,
    OPT_CERT,
    OPT_TRUST_STORE,
    OPT_CRL,
    OPT_UNTRUSTED,
    OPT_AT,
    OPT_JSON,
    OPT_METHOD,
    OPT_HOST,
    OPT_PATH,
    OPT_HEADER,
    OPT_SOURCE,
    OPT_VPC_ENDPOINT,
};

static const struct option explain_long_options[] = {
    {"config", required_argument, NULL, OPT_CONFIG},
    {"listener", required_argument, NULL, OPT_LISTENER},
    {"sni", required_argument, NULL, OPT_SNI},
    {"cert", required_argument, NULL, OPT_CERT},
    {"trust-store", required_argument, NULL, OPT_TRUST_STORE},
    {"crl", required_argument, NULL, OPT_CRL},
    {"untrusted", required_argument, NULL, OPT_UNTRUSTED},
    {"at", required_argument, NULL, OPT_AT},
    {"json", no_argument, NULL, OPT_JSON},
    {"method", required_argument, NULL, OPT_METHOD},
    {"host", required_argument, NULL, OPT_HOST},
    {"path", required_argument, NULL, OPT_PATH},
    {"header", required_argument, NULL, OPT_HEADER},
    {"source", required_argument, NULL, OPT_SOURCE},
    {"vpc-endpoint", required_argument, NULL, OPT_VPC_ENDPOINT},
    {0},
};

struct explain_lists {
    const char **crls;
    const char **headers;
};

static void
list_push(const char ***list, size_t *count, const char *value)
{
    *list = mem_resize(*list, *count + 1, sizeof(**list));
    (*list)[(*count)++] = value;
}

/* False when it is no option of explain. */
static bool
take_option(int c, const char *value, struct explain_options *o, struct explain_lists *lists)
{
    const char **texts[] = {
        [OPT_LISTENER - OPT_TEXTS] = &o->listener,
        [OPT_SNI - OPT_TEXTS] = &o->sni,
        [OPT_CERT - OPT_TEXTS] = &o->cert,
        [OPT_TRUST_STORE - OPT_TEXTS] = &o->trust_store,
        [OPT_UNTRUSTED - OPT_TEXTS] = &o->untrusted,
        [OPT_AT - OPT_TEXTS] = &o->at,
        [OPT_METHOD - OPT_TEXTS] = &o->method,
        [OPT_HOST - OPT_TEXTS] = &o->host,
        [OPT_PATH - OPT_TEXTS] = &o->path,
        [OPT_SOURCE - OPT_TEXTS] = &o->source,
        [OPT_VPC_ENDPOINT - OPT_TEXTS] = &o->vpc_endpoint,
    };

    if (c == OPT_CONFIG)
        o->config = value;
    else if (c == OPT_JSON)
        o->is_json = true;
    else if (c == OPT_CRL)
        list_push(&lists->crls, &o->crl_count, value);
    else if (c == OPT_HEADER)
        list_push(&lists->headers, &o->header_count, value);
    else if (c >= OPT_LISTENER && c <= OPT_VPC_ENDPOINT)
        *texts[c - OPT_TEXTS] = value;
    else
        return false;
    return true;
}

static bool
has_request(const struct explain_options *o)
{
    return o->method != NULL || o->path != NULL || o->header_count > 0 || o->source != NULL ||
           o->vpc_endpoint != NULL;
}

static int
check_options(const struct explain_options *o)
{
    if (o->cert == NULL)
        return command_usage("explain", "needs --cert FILE");
    if ((o->config == NULL) == (o->trust_store == NULL))
        return command_usage("explain", "needs either -c FILE or --trust-store FILE");
    if (o->config == NULL &&
        (has_request(o) || o->host != NULL || o->sni != NULL || o->listener != NULL))
        return command_usage("explain", "needs -c FILE for a listener, a name or a request");
    if (o->config != NULL && o->crl_count > 0)
        return command_usage("explain", "takes --crl only with --trust-store");
    if (has_request(o) && o->path == NULL)
        return command_usage("explain", "needs --path for a request");
    return COMMAND_OK;
}

int
command_explain(int argc, char **argv)
{
    struct explain_options o = {0};
    struct explain_lists lists = {NULL, NULL};
    int status = COMMAND_OK;
    int c;

    opterr = 0;
    while (status == COMMAND_OK &&
           (c = getopt_long(argc, argv, "c:", explain_long_options, NULL)) != -1) {
        if (!take_option(c, optarg, &o, &lists))
            status = command_usage("explain", "does not take %s", argv[optind - 1]);
    }
    if (status == COMMAND_OK && optind < argc)
        status = command_usage("explain", "does not take \"%s\"", argv[optind]);
    if (status == COMMAND_OK)
        status = check_options(&o);
    o.crls = lists.crls;
    o.headers = lists.headers;
    if (status == COMMAND_OK)
        status = explain_run(&o, stdout, stderr);
    free(lists.crls);
    free(lists.headers);
    return status;
}
