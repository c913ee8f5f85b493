/* SPDX-License-Identifier: Apache-2.0
 *
 * Start, run and stop of the whole gateway. Called by the `run` command on the main thread,
 * which is the control thread from then on; owns everything that lives that long. Must
 * never touch what belongs to a worker but by a message.
 */
#include "ctl/gateway.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cert/fastkey.h"
#include "ctl/gateway_priv.h"
#include "ctl/mem.h"
#include "ctl/notify.h"
#include "ctl/sandbox.h"

/* ---- draining ------------------------------------------------------------------------------ */

static void
on_drain_timer(void *arg)
{
    struct gateway *g = arg;

    log_event(LOG_WARN, "gateway", "connections were left after %d s; stopping all the same",
              DRAIN_TIMEOUT_MS / 1000);
    loop_stop(g->loop);
}

static void
gateway_drain(struct gateway *g)
{
    g->phase = GATEWAY_DRAINING;
    reload_cancel(&g->reload);
    admin_reload_done(g->admin, UINT64_MAX - 1, false, "the gateway is stopping\n");
    gateway_drain_workers(g);
    loop_timer_set(&g->drain_timer,
                   loop_now_fresh(g->loop)->mono_ms + DRAIN_TIMEOUT_MS + DRAIN_MARGIN_MS);
}

static void
gateway_terminate(struct gateway *g, int signo)
{
    const char *name = signals_name(signo);

    if (g->phase != GATEWAY_SERVING) {
        log_event(LOG_WARN, "gateway", "%s while %s: stopping at once", name,
                  g->phase == GATEWAY_STARTING ? "starting" : "draining");
        loop_stop(g->loop);
        return;
    }
    log_event(LOG_INFO, "gateway", "%s: draining for at most %d s; again to stop at once", name,
              DRAIN_TIMEOUT_MS / 1000);
    notify_send("STOPPING=1");
    handover_cancel(g->handover);
    g->handover = NULL;
    gateway_drain(g);
}

/* ---- handing over -------------------------------------------------------------------------- */

static void
on_handover_done(void *arg, pid_t pid, const char *error)
{
    struct gateway *g = arg;

    g->handover = NULL;
    if (error != NULL) {
        log_event(LOG_ERROR, "gateway",
                  "the new program (process %d) does not serve: %s; "
                  "this one goes on",
                  (int)pid, error);
        return;
    }
    log_event(LOG_INFO, "gateway", "process %d serves now; draining", (int)pid);
    notify_send("MAINPID=%d", (int)pid);
    g->has_handed_over = true;
    deny_book_let_go(g->deny.book);
    admin_stop_listening(g->admin);
    gateway_drain(g);
}

static void
gateway_hand_over(struct gateway *g)
{
    const struct handover_hooks hooks = {.on_done = on_handover_done, .arg = g};
    struct handover_plan plan = {
        .program = g->program, .argv = g->options->argv, .timeout_ms = HANDOVER_TIMEOUT_MS};
    struct diag diag;
    int *fds;

    if (g->phase != GATEWAY_SERVING || g->handover != NULL) {
        log_event(LOG_WARN, "gateway", "USR2 while %s: ignored",
                  g->handover != NULL ? "a new program starts already" : "not serving");
        return;
    }
    fds = sockets_fds(&g->sockets, &plan.fd_count);
    if (admin_tcp_fd(g->admin) >= 0) {
        fds = mem_resize(fds, plan.fd_count + 1, sizeof(*fds));
        fds[plan.fd_count++] = admin_tcp_fd(g->admin);
    }
    plan.fds = fds;
    diag_init(&diag);
    if (handover_start(g->loop, &plan, &hooks, &diag, &g->handover) == 0)
        log_event(LOG_INFO, "gateway", "USR2: starting %s on the same sockets", g->program);
    for (size_t i = 0; i < diag.count; i++)
        log_event(LOG_ERROR, "gateway", "USR2: %s; this one goes on", diag.entries[i].text);
    diag_done(&diag);
    free(fds);
}

/* ---- events of the control loop ------------------------------------------------------------ */

/* The supervisor knows a reload by both ends (sd_notify(3), RELOADING=1). */
static int
on_build(void *arg, struct diag *diag)
{
    struct gateway *g = arg;

    notify_send("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)loop_now_fresh(g->loop)->mono_us);
    return generation_hooks.build(arg, diag);
}

static uint64_t
gateway_reload(struct gateway *g)
{
    if (g->phase != GATEWAY_STARTING && g->phase != GATEWAY_SERVING)
        return 0;
    return reload_request(&g->reload);
}

static void
on_signal(void *arg, int signo)
{
    struct gateway *g = arg;

    switch (signo) {
    case SIGHUP:
        if (gateway_reload(g) == 0)
            log_event(LOG_WARN, "gateway", "HUP while draining: ignored");
        break;
    case SIGUSR1:
        log_writer_reopen(g->logs);
        log_event(LOG_INFO, "gateway", "USR1: log files reopened");
        break;
    case SIGUSR2:
        gateway_hand_over(g);
        break;
    default:
        gateway_terminate(g, signo);
        break;
    }
}

static void
on_addresses(void *arg, struct addrset *set)
{
    struct gateway *g = arg;

    for (unsigned i = 0; i < g->worker_count; i++)
        worker_post_addresses(g->workers[i].worker, addrset_ref(set));
    addrset_unref(set);
}

static void
on_settled(void *arg, uint64_t round)
{
    struct gateway *g = arg;

    reload_resolved(&g->reload, round);
}

static uint64_t
on_admin_reload(void *arg)
{
    return gateway_reload(arg);
}

static void
on_reload_done(void *arg, const struct reload_outcome *outcome)
{
    struct gateway *g = arg;

    if (g->phase == GATEWAY_SERVING && outcome->number > 1)
        notify_send("READY=1");
    supply_loaded(g->supply, outcome->is_loaded);
    admin_reload_done(g->admin, outcome->number, outcome->is_loaded, outcome->text);
}

void
gateway_addresses(const struct gateway *g, FILE *out)
{
    const struct site *site = g->current->snapshot->site;
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < site->listener_count; i++) {
        const struct site_listener *l = &site->listeners[i];

        for (size_t j = 0; j < l->address_count; j++) {
            const struct socket_entry *e = sockets_find(&g->sockets, &l->addresses[j]);

            addr_format(e != NULL ? &e->bound : &l->addresses[j], text);
            fprintf(out, "%s%.*s on %s", i + j > 0 ? ", " : "", STR_ARG(l->name), text);
        }
    }
    if (g->admin_bound.len > 0) {
        addr_format(&g->admin_bound, text);
        fprintf(out, ", admin on %s", text);
    }
}

static int gateway_open_admin(struct gateway *g, struct diag *diag);

static void
gateway_say_ready(struct gateway *g)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    gw_assert(out != NULL);
    gateway_addresses(g, out);
    gw_assert(fclose(out) == 0);
    log_event(LOG_INFO, "gateway", "version %s, process %d, %u workers: %s", SALLYPORT_VERSION,
              (int)getpid(), g->worker_count, text);
    printf("sallyport: ready: %s\n", text);
    (void)fflush(stdout);
    free(text);
    handover_say_ready(&g->inherited);
    notify_send("READY=1\nMAINPID=%d", (int)getpid());
}

/* What the socket unit opens and the configuration does not name. */
static void
gateway_close_unused(struct gateway *g)
{
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < g->sockets.inherited_count; i++) {
        addr_format(&g->sockets.inherited[i].bound, text);
        log_event(LOG_WARN, "gateway",
                  "the inherited address %s is the bind of no listener; closed", text);
    }
    (void)sockets_close_inherited(&g->sockets);
}

/* The admin addresses of a gateway that replaces another are taken over at the last moment. */
static void
gateway_first_commit(struct gateway *g)
{
    struct diag diag;

    gateway_close_unused(g);
    diag_init(&diag);
    if (g->inherited.is_upgrade && gateway_open_admin(g, &diag) != 0) {
        diag_print(&diag, stderr);
        g->exit_status = 1;
        loop_stop(g->loop);
    } else {
        if (g->inherited.is_upgrade)
            gateway_deny_take_over(g);
        g->phase = GATEWAY_SERVING;
        gateway_say_ready(g);
    }
    diag_done(&diag);
}

static void
on_commit(void *arg, uint64_t generation)
{
    struct gateway *g = arg;

    generation_commit(g, generation);
    gateway_lists_commit(g);
    if (g->phase == GATEWAY_STARTING)
        gateway_first_commit(g);
}

/* ---- start --------------------------------------------------------------------------------- */

/* CPUs that we may run on. */
static unsigned
cpu_count(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

    if (n < 1)
        return 1;
    return n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

static char *
own_program(const char *argv0)
{
    char *path = realpath("/proc/self/exe", NULL);

    return path != NULL ? path : mem_strdup(argv0);
}

static int
gateway_bind_admin(struct gateway *g, const struct config *config, struct diag *diag)
{
    const struct addr *at = &config->admin.bind.addr;
    char text[ADDR_TEXT_MAX];

    if (at->len == 0)
        return 0;
    g->admin_fd = sockets_take_inherited(&g->sockets, at);
    if (g->admin_fd < 0 && sock_listen(at, false, &g->admin_fd) != 0) {
        addr_format(at, text);
        diag_error(diag, config->file, config->admin.pos.line, config->admin.pos.column,
                   "admin.bind: cannot listen on %s: %s", text, strerror(errno));
        g->admin_fd = -1;
        return GW_E_CONFIG;
    }
    return sock_local_addr(g->admin_fd, &g->admin_bound);
}

static int
gateway_open_admin(struct gateway *g, struct diag *diag)
{
    const struct generation *gen = g->current != NULL ? g->current : g->built;
    const struct config *config = gen->snapshot->config;
    int rc = 0;

    if (g->admin_fd >= 0)
        rc = admin_listen_tcp(g->admin, g->admin_fd);
    g->admin_fd = -1;
    if (rc != 0) {
        diag_error(diag, config->file, 0, 0, "admin.bind: cannot be watched");
        return rc;
    }
    if (config->admin.socket == NULL)
        return 0;
    return admin_listen_unix(g->admin, config->admin.socket, g->inherited.is_upgrade, config->file,
                             diag);
}

static void
warn_of_secret(const struct config *config, const struct config_pos *at, const char *path,
               struct diag *diag)
{
    if (path != NULL && access(path, R_OK) != 0)
        diag_warn(diag, config->file, at->line, at->column,
                  "%s cannot be read by \"%s\" (%s): every reload will be refused; let its group "
                  "read it, mode 0640",
                  path, config->run_as.user, strerror(errno));
}

/* What root could read and the user of run_as will not be able to. */
static void
warn_of_secrets(const struct config *config, struct diag *diag)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *l = &config->listeners[i];

        for (size_t j = 0; j < l->certificate_count; j++)
            warn_of_secret(config, &l->certificates[j].pos, l->certificates[j].private_key, diag);
        warn_of_secret(config, &l->tls.ticket_keys_pos, l->tls.ticket_keys, diag);
        for (size_t j = 0; j < l->host_count; j++) {
            const struct config_host *h = &l->hosts[j];

            for (size_t k = 0; !h->shares_certificates && k < h->certificate_count; k++)
                warn_of_secret(config, &h->certificates[k].pos, h->certificates[k].private_key,
                               diag);
        }
    }
    for (size_t i = 0; i < config->target_group_count; i++)
        warn_of_secret(config, &config->target_groups[i].tls.pos,
                       config->target_groups[i].tls.client_private_key, diag);
}

static int
become_user(const struct config *config, struct diag *diag)
{
    const struct config_run_as *to = &config->run_as;

    if (sandbox_become(to->user, to->group, config->file, diag) != 0)
        return GW_E_CONFIG;
    warn_of_secrets(config, diag);
    if (config->state_dir == NULL || access(config->state_dir, R_OK | W_OK | X_OK) == 0)
        return 0;
    diag_error(diag, config->file, config->state_dir_pos.line, config->state_dir_pos.column,
               "state_dir: %s is not for \"%s\" to write (%s); make it the folder of that user",
               config->state_dir, to->user, strerror(errno));
    return GW_E_CONFIG;
}

/* From root to the user of run_as, once everything that needs root is done. */
static int
gateway_drop_powers(const struct config *config, struct diag *diag)
{
    const char *user = config->run_as.user;

    if (sandbox_is_root() && user == NULL)
        diag_warn(diag, config->file, 0, 0,
                  "runs as root; name an unprivileged user in run_as, or start it as one");
    if (sandbox_is_root() && user != NULL && become_user(config, diag) != 0)
        return GW_E_CONFIG;
    return sandbox_no_new_privileges(diag);
}

static void
gateway_plan_workers(struct gateway *g, const struct config *config)
{
    g->worker_count = config->workers > 0 ? (unsigned)config->workers : cpu_count();
    g->workers = mem_calloc(g->worker_count, sizeof(*g->workers));
    for (unsigned i = 0; i < g->worker_count; i++)
        g->workers[i].gateway = g;
    sockets_init(&g->sockets, g->worker_count);
    for (size_t i = 0; i < g->inherited.count; i++) {
        if (!sockets_inherit(&g->sockets, g->inherited.fds[i]))
            log_event(LOG_WARN, "gateway", "inherited descriptor %d is no listening TCP socket",
                      g->inherited.fds[i]);
    }
    g->inherited.count = 0; /* they belong to the set now */
}

static void
gateway_start_services(struct gateway *g)
{
    const struct resolve_hooks resolve_hooks = {
        .on_addresses = on_addresses, .on_settled = on_settled, .arg = g};
    const struct admin_hooks admin_hooks = {
        .on_get = status_get,
        .on_reload = on_admin_reload,
        .on_local = gateway_deny_request,
        .arg = g,
    };
    struct reload_hooks reload_hooks = generation_hooks;

    reload_hooks.build = on_build;
    reload_hooks.commit = on_commit;
    reload_hooks.done = on_reload_done;
    reload_hooks.arg = g;
    reload_init(&g->reload, g->loop, g->worker_count, &reload_hooks);
    loop_timer_init(g->loop, &g->drain_timer, on_drain_timer, g);
    g->admin = admin_new(g->loop, &admin_hooks);
    gateway_lists_start(g);
    g->resolver = resolver_new(g->loop, &resolve_system, &resolve_hooks);
}

/* Everything up to the loop; each step needs those before it. */
static int
gateway_start(struct gateway *g, struct diag *diag)
{
    const struct config *config;
    int rc = handover_read(&g->inherited, diag);

    if (rc != 0)
        return rc;
    rc = generation_load(g, diag);
    if (rc != 0)
        return rc;
    config = g->built->snapshot->config;
    log_set_level((enum log_level)config->logging.level);
    gateway_plan_workers(g, config);
    rc = generation_bind(g, diag);
    if (gateway_bind_admin(g, config, diag) != 0 || rc != 0)
        return GW_E_CONFIG;
    rc = gateway_drop_powers(config, diag);
    if (rc != 0)
        return rc;
    g->logs = log_writer_new(g->worker_count);
    rc = generation_open_logs(g, diag);
    if (rc != 0)
        return rc;
    rc = gateway_start_workers(g, diag);
    if (rc != 0)
        return rc;
    rc = gateway_open_deny(g, config, diag);
    if (rc != 0)
        return rc;
    gateway_start_services(g);
    return g->inherited.is_upgrade ? 0 : gateway_open_admin(g, diag);
}

/* ---- stop ---------------------------------------------------------------------------------- */

/* Whatever was started, in the opposite order. */
static void
gateway_stop(struct gateway *g)
{
    g->phase = GATEWAY_STOPPING;
    handover_cancel(g->handover);
    resolver_free(g->resolver);
    gateway_lists_stop(g);
    reload_done(&g->reload);
    admin_free(g->admin);
    gateway_close_deny(g);
    gateway_stop_workers(g);
    loop_timer_done(&g->drain_timer);
    signals_stop(&g->signals);
    generations_done(g);
    loop_free(g->loop); /* late messages free what they carry: snapshots of the workers too */
    free(g->workers);
    if (g->logs != NULL)
        log_writer_free(g->logs);
    sockets_done(&g->sockets);
    if (g->admin_fd >= 0)
        close(g->admin_fd);
    handover_in_done(&g->inherited);
    free(g->program);
}

int
gateway_run(const struct gateway_options *options)
{
    struct gateway g = {.options = options, .admin_fd = -1, .inherited = {.ready_fd = -1}};
    struct diag diag;

    sandbox_limits();
    (void)fastkey_install();
    signals_block();
    diag_init(&diag);
    g.program = own_program(options->argv[0]);
    g.loop = loop_new();
    gw_assert(g.loop != NULL);
    gw_assert(signals_start(&g.signals, g.loop, on_signal, &g) == 0);
    g.started_wall_s = clock_wall_s(loop_now_fresh(g.loop));
    g.started_mono_ms = loop_now(g.loop)->mono_ms;
    if (gateway_start(&g, &diag) != 0) {
        diag_print(&diag, stderr);
        fprintf(stderr, "sallyport: not started, because of the errors above\n");
        g.exit_status = 1;
    } else {
        for (size_t i = 0; i < diag.count; i++)
            log_event(LOG_WARN, "gateway", "%s", diag.entries[i].text);
        reload_first(&g.reload);
        loop_run(g.loop);
    }
    diag_done(&diag);
    /* Signals stay blocked, so that the stop is clean; but it does not take for ever. */
    (void)alarm(STOP_TIMEOUT_S);
    gateway_stop(&g);
    return g.exit_status;
}
