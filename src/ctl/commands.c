/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of commands, and the short ones: run, version, help. Called by main.
 * Owns nothing. Must never do what another command is for.
 */
#include "ctl/commands.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf/yaml_library.h"
#include "ctl/commands_priv.h"
#include "ctl/fetch.h"
#include "ctl/gateway.h"
#include "ctl/mem.h"
#include "net/net_library.h"
#include "proxy/h2_library.h"
#include "tls/tls_ctx.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *arguments;
    const char *text;
};

static int command_run(int argc, char **argv);
static int command_version(int argc, char **argv);
static int command_help(int argc, char **argv);

static const struct command commands[] = {
    {"run", command_run, "-c FILE", "run the gateway in the foreground"},
    {"check", command_check, "-c FILE",
     "load the configuration and every file it names; print every error"},
    {"explain", command_explain,
     "-c FILE [--listener NAME] [--sni HOST] --cert CHAIN.pem [--untrusted FILE]\n"
     "           [--method M --host H --path P --header 'K: V' --source IP --vpc-endpoint ID]\n"
     "           [--at RFC3339] [--json]\n"
     "  explain  --trust-store CA.pem [--crl FILE]... [--untrusted FILE] [--at RFC3339] [--json]\n"
     "           --cert LEAF.pem",
     "judge a client certificate, and a request, as live traffic would be; print each step"},
    {"reload", command_reload, "[-c FILE | --socket PATH]",
     "reload the running gateway; print what was loaded or every error"},
    {"status", command_status, "[-c FILE | --socket PATH] [--json]",
     "print the state of the running gateway"},
    {"deny", command_deny,
     "add WHAT [--until RFC3339|DURATION] [--why TEXT] [-c FILE | --socket PATH]\n"
     "  deny     remove WHAT | list [--json]",
     "refuse a client at once, whatever its certificate says; WHAT is sha256:HEX, spki:HEX,\n"
     "           serial:ISSUER:HEX or san:NAME"},
    {"version", command_version, "", "print the version and those of the libraries"},
    {"help", command_help, "", "print this"},
};

int
command_usage(const char *command, const char *fmt, ...)
{
    va_list args;

    fprintf(stderr, "sallyport %s: ", command);
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    fputs("; `sallyport help` shows what there is\n", stderr);
    return COMMAND_USAGE;
}

static int
command_help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("Sallyport, a mutual-TLS gateway for private APIs.\n\nusage: sallyport COMMAND ...\n");
    for (size_t i = 0; i < array_len(commands); i++)
        printf("  %-8s %s\n           %s\n", commands[i].name, commands[i].arguments,
               commands[i].text);
    puts("\nSignals to a running gateway: HUP reloads, TERM and INT drain and stop, USR1 reopens\n"
         "the log files, USR2 starts the new program on the same sockets.\n\n"
         "Exit status: 0 good; 1 could not start, not valid, refused; 2 wrong usage or "
         "unreadable input.");
    return COMMAND_OK;
}

static int
command_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("sallyport %s\n%s\nlibnghttp2 %s\nlibevent %s\nlibyaml %s\nlibcurl %s\n",
           SALLYPORT_VERSION, OpenSSL_version(OPENSSL_VERSION), h2_library_version(),
           net_library_version(), yaml_library_version(), fetch_library_version());
    return COMMAND_OK;
}

const char *
command_config(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {0}};
    const char *config = NULL;
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (c != 'c') {
            command_usage(argv[0], "does not take %s", argv[optind - 1]);
            return NULL;
        }
        config = optarg;
    }
    if (optind < argc) {
        command_usage(argv[0], "does not take \"%s\"", argv[optind]);
        return NULL;
    }
    if (config == NULL)
        command_usage(argv[0], "needs -c FILE");
    return config;
}

static int
command_run(int argc, char **argv)
{
    struct gateway_options options = {.config_path = command_config(argc, argv)};

    if (options.config_path == NULL)
        return COMMAND_USAGE;
    options.argv = argv - 1; /* commands_run cut the program's name off */
    return gateway_run(&options);
}

int
commands_run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;

    if (name == NULL) {
        fputs("usage: sallyport COMMAND ...; `sallyport help` shows the commands\n", stderr);
        return COMMAND_USAGE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    for (size_t i = 0; i < array_len(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    return command_usage(name, "is no command");
}
