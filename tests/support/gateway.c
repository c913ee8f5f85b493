/* SPDX-License-Identifier: Apache-2.0
 *
 * One running gateway of a scenario test. Called from the test's main thread; owns the
 * child, its folder and its ports. It knows the program only from outside: command line,
 * ready line, signals, log lines. It must never leave a process or a folder behind.
 */
#include "support/gateway.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/client.h"

enum {
    PORTS = 8,
    READY_TIMEOUT_MS = 20000,
    RELOAD_TIMEOUT_MS = 20000,
    STOP_TIMEOUT_MS = 40000,
    COMMAND_TIMEOUT_MS = 30000,
    POLL_MS = 5,
    PATHS = 4,
    ARGS_MAX = 64,
};

struct gateway {
    char *dir;
    char *config;
    struct proc *proc;
    uint16_t ports[PORTS];
    uint16_t admin_port;
    bool ready;
    bool keep_dir;
    unsigned long long generation; /* the last one it said to be in use */
    char *paths[PATHS];
    unsigned next_path;
};

char *
gateway_dir_new(void)
{
    return dir_temp("sallyport");
}

/* ---- placeholders ---- */

/* Value of @name@, malloc; NULL: not one of ours. */
static char *
placeholder(const struct gateway *g, const char *const *vars, struct str name)
{
    if (str_eq(name, STR("DIR")))
        return xstrdup(g->dir);
    if (str_eq(name, STR("ADMIN")))
        return xformat("%u", g->admin_port);
    if (str_eq(name, STR("PORT")))
        return xformat("%u", g->ports[0]);
    if (name.len == 5 && memcmp(name.ptr, "PORT", 4) == 0 && name.ptr[4] >= '1' &&
        name.ptr[4] <= '0' + PORTS)
        return xformat("%u", g->ports[name.ptr[4] - '1']);
    for (size_t i = 0; vars && vars[i] && vars[i + 1]; i += 2)
        if (str_eq(name, str_from(vars[i])))
            return xstrdup(vars[i + 1]);
    return NULL;
}

static size_t
name_length(const char *at)
{
    return strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
}

static struct bytes
expand(const struct gateway *g, const char *const *vars, const char *text)
{
    struct bytes out = {0};

    while (*text) {
        size_t plain = strcspn(text, "@");
        size_t name;
        char *value;

        bytes_add(&out, text, plain);
        text += plain;
        if (!*text)
            break;
        name = name_length(text + 1);
        value = name > 0 && text[1 + name] == '@' ? placeholder(g, vars, str_make(text + 1, name))
                                                  : NULL;
        if (name > 0 && text[1 + name] == '@' && !value)
            die("@%.*s@ has no value", (int)name, text + 1);
        bytes_puts(&out, value ? value : "@");
        text += value ? name + 2 : 1;
        free(value);
    }
    return out;
}

void
gateway_set_yaml(struct gateway *g, const char *yaml, const char *const *vars)
{
    struct bytes text = expand(g, vars, yaml);

    file_spill(g->config, text.ptr, text.len, 0600);
    bytes_free(&text);
}

/* ---- life ---- */

static void
print_output(const struct gateway *g)
{
    struct bytes out = proc_stdout(g->proc);
    struct bytes err = proc_stderr(g->proc);

    fprintf(stderr, "--- standard output\n%.*s--- standard error\n%.*s---\n",
            STR_ARG(bytes_str(&out)), STR_ARG(bytes_str(&err)));
    bytes_free(&out);
    bytes_free(&err);
}

static void
start_program(struct gateway *g, const struct gateway_spec *spec)
{
    const char *argv[] = {program_path("sallyport"), "run", "-c", g->config, NULL};
    const struct proc_spec child = {.argv = argv,
                                    .env = spec->env,
                                    .name = "sallyport",
                                    .cwd = g->dir,
                                    .log_dir = g->dir,
                                    .nofile = spec->nofile,
                                    .address_space = spec->address_space};

    g->proc = proc_start(&child);
    g->ready = proc_wait_text(g->proc, "sallyport: ready", READY_TIMEOUT_MS);
}

bool
gateway_restart(struct gateway *g, int signo)
{
    static const struct gateway_spec plain = {.yaml = NULL};

    proc_signal(g->proc, signo);
    (void)proc_wait(g->proc, STOP_TIMEOUT_MS);
    proc_free(g->proc);
    g->generation = 1;
    start_program(g, &plain);
    return g->ready;
}

struct gateway *
gateway_start(const struct gateway_spec *spec)
{
    struct gateway *g = xcalloc(1, sizeof(*g));

    g->dir = spec->dir ? xstrdup(spec->dir) : gateway_dir_new();
    g->config = xformat("%s/sallyport.yaml", g->dir);
    for (int i = 0; i < PORTS; i++)
        g->ports[i] = port_free();
    g->admin_port = port_free();
    g->generation = 1;
    g->keep_dir = spec->keep_dir;
    gateway_set_yaml(g, spec->yaml, spec->vars);
    start_program(g, spec);
    if (!g->ready && !spec->may_fail) {
        print_output(g);
        die("the gateway did not get ready");
    }
    return g;
}

bool
gateway_is_ready(const struct gateway *g)
{
    return g->ready;
}

const char *
gateway_dir(const struct gateway *g)
{
    return g->dir;
}

uint16_t
gateway_port(const struct gateway *g, int n)
{
    if (n < 1 || n > PORTS)
        die("a gateway has ports 1 to %d", (int)PORTS);
    return g->ports[n - 1];
}

uint16_t
gateway_admin_port(const struct gateway *g)
{
    return g->admin_port;
}

struct proc *
gateway_proc(struct gateway *g)
{
    return g->proc;
}

const char *
gateway_path(const struct gateway *g, const char *name)
{
    struct gateway *changing = (struct gateway *)(uintptr_t)g;
    char **slot = &changing->paths[changing->next_path++ % PATHS];

    free(*slot);
    *slot = xformat("%s/%s", g->dir, name);
    return *slot;
}

/* ---- reload ---- */

/* The highest N of "generation N in use" in text. */
static unsigned long long
generation_in(const char *text)
{
    static const char mark[] = "generation ";
    unsigned long long highest = 0;

    for (const char *at = strstr(text, mark); at; at = strstr(at + 1, mark)) {
        char *end;
        unsigned long long n = strtoull(at + sizeof(mark) - 1, &end, 10);

        if (strncmp(end, " in use", 7) == 0 && n > highest)
            highest = n;
    }
    return highest;
}

enum gateway_reload
gateway_reload(struct gateway *g)
{
    struct bytes before = gateway_diag(g);
    size_t from = before.len;
    int64_t deadline = now_ms() + RELOAD_TIMEOUT_MS;
    enum gateway_reload result = GATEWAY_SILENT;

    bytes_free(&before);
    proc_signal(g->proc, SIGHUP);
    while (result == GATEWAY_SILENT && now_ms() < deadline && proc_is_running(g->proc)) {
        struct bytes text = gateway_diag(g);
        const char *fresh = text.len > from ? text.ptr + from : "";
        unsigned long long generation = generation_in(fresh);

        if (generation > g->generation) {
            g->generation = generation;
            result = GATEWAY_RELOADED;
        } else if (strstr(fresh, "reload refused")) {
            result = GATEWAY_REFUSED;
        }
        bytes_free(&text);
        if (result == GATEWAY_SILENT)
            sleep_ms(POLL_MS);
    }
    return result;
}

/* ---- what it writes and says ---- */

struct bytes
gateway_log(const struct gateway *g, const char *name)
{
    char *path = xformat("%s/%s", g->dir, name);
    struct bytes text = {0};

    if (file_exists(path))
        text = file_slurp(path);
    else
        bytes_add(&text, "", 0);
    free(path);
    return text;
}

bool
gateway_wait_log_count(const struct gateway *g, const char *name, const char *text, size_t count,
                       int timeout_ms)
{
    int64_t deadline = now_ms() + timeout_ms;

    for (;;) {
        struct bytes log = gateway_log(g, name);
        bool found = count_text(bytes_str(&log), text) >= count;

        bytes_free(&log);
        if (found || now_ms() >= deadline)
            return found;
        sleep_ms(POLL_MS);
    }
}

bool
gateway_wait_log(const struct gateway *g, const char *name, const char *text, int timeout_ms)
{
    return gateway_wait_log_count(g, name, text, 1, timeout_ms);
}

struct bytes
gateway_diag(const struct gateway *g)
{
    return proc_stderr(g->proc);
}

int
gateway_admin_get(const struct gateway *g, const char *path, struct bytes *out)
{
    struct client *c = client_open(&(struct client_spec){.port = g->admin_port, .plain = true});
    struct response r = client_get(c, "localhost", path);
    int status = r.status;

    if (out)
        bytes_add(out, r.body.ptr, r.body.len);
    response_free(&r);
    client_close(c);
    return status;
}

bool
gateway_page_says(const struct gateway *g, const char *path, const char *text)
{
    struct bytes body = {.ptr = NULL};
    bool says = gateway_admin_get(g, path, &body) == 200 &&
                find_bytes(body.ptr, body.len, text, strlen(text)) != NULL;

    bytes_free(&body);
    return says;
}

bool
gateway_wait_page(const struct gateway *g, const char *path, const char *text, int timeout_ms)
{
    int64_t deadline = now_ms() + timeout_ms;

    while (!gateway_page_says(g, path, text)) {
        if (now_ms() >= deadline)
            return false;
        sleep_ms(10 * POLL_MS);
    }
    return true;
}

int
gateway_stop(struct gateway *g)
{
    int status;

    if (!g)
        return 0;
    status = proc_stop(g->proc, STOP_TIMEOUT_MS);
    proc_free(g->proc);
    if (getenv("SALLYPORT_KEEP"))
        fprintf(stderr, "kept: %s\n", g->dir);
    else if (!g->keep_dir)
        dir_remove(g->dir);
    for (int i = 0; i < PATHS; i++)
        free(g->paths[i]);
    free(g->config);
    free(g->dir);
    free(g);
    return status;
}

/* ---- commands ---- */

struct proc_result
sallyport_command(const char *const *args, int timeout_ms)
{
    const char *argv[ARGS_MAX] = {program_path("sallyport")};
    struct proc_spec spec = {.argv = argv, .name = "command"};
    size_t n = 1;

    for (; *args && n + 1 < ARGS_MAX; args++)
        argv[n++] = *args;
    return proc_run(&spec, timeout_ms);
}

struct proc_result
gateway_command(const struct gateway *g, ...)
{
    char *args[ARGS_MAX] = {NULL};
    size_t n = 0;
    const char *arg;
    struct proc_result r;
    va_list ap;

    va_start(ap, g);
    while (n + 2 < ARGS_MAX && (arg = va_arg(ap, const char *)) != NULL)
        args[n++] = expand(g, NULL, arg).ptr;
    va_end(ap);
    r = sallyport_command((const char *const *)args, COMMAND_TIMEOUT_MS);
    for (size_t i = 0; i < n; i++)
        free(args[i]);
    return r;
}
