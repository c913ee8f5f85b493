/* SPDX-License-Identifier: Apache-2.0
 *
 * However many connections a reload concerns, no turn of an event loop is taken up by it: others
 * are served in between. Measured as the processor time of the longest turn, which other programs
 * on the machine do not lengthen much; the bound is far above what a slice takes and far below
 * what all connections at once would. Runs the release program.
 */
#include "20_front.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/count_preload.h"

enum { CONNS = 1000, OPEN_MS = 60000, END_MS = 20000, TURN_NS_MAX = 14 * 1000 * 1000 };

static const char stalls_yaml[] =
    "workers: 1\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\", socket: admin.sock}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: ca.pem, crls: [lists.pem]}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "listeners:\n"
    "  - name: @NAME@\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    attributes: {idle_timeout.timeout_seconds: 300}\n"
    "    mutual_authentication: {@MUTUAL@}\n"
    "    default_action: {fixed_response: {status: 200}}\n";

struct world {
    struct front *f;
    struct pki_cert *clients[CONNS];
    struct pki_cert *other_root;
    struct proc *load;
    struct count_totals *totals;
    char *env[2];
    const char *env_list[3];
};

/* NULL when it is not there. */
static char *
built(const char *name)
{
    const char *folder = getenv("BUILD");
    char *path = xformat("%s/%s", folder != NULL ? folder : "build", name);
    char *whole = realpath(path, NULL);

    free(path);
    return whole;
}

static bool
is_built(void)
{
    static const char *const names[] = {"sallyport", "loadgen", "count_preload.so"};
    bool is = true;

    for (size_t i = 0; i < array_len(names); i++) {
        char *path = built(names[i]);

        is = is && path != NULL;
        free(path);
    }
    return is;
}

static struct count_totals *
totals_map(const struct front *f)
{
    static const struct count_totals zero;
    void *p;
    int fd;

    file_spill(front_path(f, "totals"), &zero, sizeof(zero), 0600);
    fd = open(front_path(f, "totals"), O_RDWR | O_CLOEXEC);
    p = mmap(NULL, sizeof(zero), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        die("the counters cannot be mapped");
    close(fd);
    return p;
}

static void
write_clients(struct world *w)
{
    char *dir = xformat("%s/clients", w->f->dir);

    assert_int_equal(mkdir(dir, 0700), 0);
    for (int i = 0; i < CONNS; i++) {
        char *name = xformat("client%04d", i);

        w->clients[i] = pki_client(w->f->ca, name);
        pki_write_pair(dir, name, w->clients[i]);
        free(name);
    }
    free(dir);
}

/* One idle connection for each client. */
static void
open_load(struct world *w)
{
    char *url = xformat("https://localhost:%u/", gateway_port(w->f->g, 1));
    char *dir = xformat("%s/clients", w->f->dir);
    char *count = xformat("%d", CONNS);
    char *program = built("loadgen");
    const char *const argv[] = {program, "--idle",     "--connections", count,       "--cert-dir",
                                dir,     "--duration", "600",           "--timeout", "60000",
                                url,     NULL};

    w->load = proc_start(&(struct proc_spec){.argv = argv, .name = "loadgen"});
    assert_true(proc_wait_text(w->load, "connections open", OPEN_MS));
    free(program);
    free(url);
    free(dir);
    free(count);
}

static int
setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    char *program = built("sallyport");
    char *counter = built("count_preload.so");

    setenv("SALLYPORT_BIN", program, 1);
    w->f = front_new(NULL);
    w->other_root = pki_root("Other Root");
    write_clients(w);
    w->totals = totals_map(w->f);
    w->env[0] = xformat("LD_PRELOAD=%s", counter);
    w->env[1] = xformat("COUNT_FILE=%s", front_path(w->f, "totals"));
    w->env_list[0] = w->env[0];
    w->env_list[1] = w->env[1];
    front_var(w->f, "NAME", "first");
    front_var(w->f, "MUTUAL", "mode: verify, trust_store: clients");
    w->f->g = gateway_start(&(struct gateway_spec){.yaml = stalls_yaml,
                                                   .vars = w->f->vars,
                                                   .dir = w->f->dir,
                                                   .nofile = CONNS + 200,
                                                   .env = w->env_list});
    open_load(w);
    free(program);
    free(counter);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;
    int status;

    (void)proc_stop(w->load, END_MS);
    proc_free(w->load);
    status = front_done(w->f);
    for (int i = 0; i < CONNS; i++)
        pki_free(w->clients[i]);
    pki_free(w->other_root);
    munmap(w->totals, sizeof(*w->totals));
    free(w->env[0]);
    free(w->env[1]);
    free(w);
    return status == 0 ? 0 : -1;
}

#define stalls_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* A reload that leaves so many connections open, and its longest turn. */
static void
assert_no_stall(struct world *w, const char *what, int64_t left)
{
    int64_t until = now_ms() + END_MS;
    double cpu_ms, wall_ms;

    sleep_ms(100);
    __atomic_store_n(&w->totals->turn_cpu_ns, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&w->totals->turn_wall_ns, 0, __ATOMIC_RELAXED);
    assert_int_equal(gateway_reload(w->f->g), GATEWAY_RELOADED);
    while (front_metric(w->f, "sallyport_connections_active") != left && now_ms() < until)
        sleep_ms(20);
    assert_int_equal(front_metric(w->f, "sallyport_connections_active"), left);
    cpu_ms = (double)__atomic_load_n(&w->totals->turn_cpu_ns, __ATOMIC_RELAXED) / 1e6;
    wall_ms = (double)__atomic_load_n(&w->totals->turn_wall_ns, __ATOMIC_RELAXED) / 1e6;
    print_message("# %s, %d connections: longest turn %.2f ms of processor time, %.2f ms\n", what,
                  CONNS, cpu_ms, wall_ms);
    assert_true(cpu_ms > 0);
    assert_true(cpu_ms < TURN_NS_MAX / 1e6);
}

static void
revoke_every_other(struct world *w)
{
    struct pki_crl_entry entries[CONNS / 2];

    for (int i = 0; i < CONNS / 2; i++)
        entries[i] = (struct pki_crl_entry){.cert = w->clients[2 * i]};
    (void)remove(front_path(w->f, "lists.pem"));
    front_add_list(w->f, "lists.pem", w->other_root, &(struct pki_crl_spec){.number = 2});
    front_add_list(w->f, "lists.pem", w->f->root, &(struct pki_crl_spec){.number = 2});
    front_add_list(
        w->f, "lists.pem", w->f->ca,
        &(struct pki_crl_spec){.number = 2, .entries = entries, .entry_count = CONNS / 2});
}

static void
neither_authorities_nor_lists_that_change_stall_anybody(void **state)
{
    struct world *w = *state;

    pki_write_certs(front_path(w->f, "ca.pem"), w->f->root, w->f->ca, w->other_root, NULL);
    front_add_list(w->f, "lists.pem", w->other_root, &(struct pki_crl_spec){.number = 1});
    assert_no_stall(w, "authority added", CONNS);
    revoke_every_other(w);
    assert_no_stall(w, "half revoked", CONNS / 2);
    pki_write_certs(front_path(w->f, "ca.pem"), w->other_root, NULL);
    (void)remove(front_path(w->f, "lists.pem"));
    front_add_list(w->f, "lists.pem", w->other_root, &(struct pki_crl_spec){.number = 3});
    assert_no_stall(w, "authority removed", 0);
}

static void
a_listener_that_is_removed_stalls_nobody(void **state)
{
    struct world *w = *state;

    front_var(w->f, "NAME", "second");
    gateway_set_yaml(w->f->g, stalls_yaml, w->f->vars);
    assert_no_stall(w, "listener removed", 0);
}

static void
a_mode_that_changes_stalls_nobody(void **state)
{
    struct world *w = *state;

    front_var(w->f, "MUTUAL", "mode: passthrough");
    gateway_set_yaml(w->f->g, stalls_yaml, w->f->vars);
    assert_no_stall(w, "mode changed", 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        stalls_test(neither_authorities_nor_lists_that_change_stall_anybody),
        stalls_test(a_listener_that_is_removed_stalls_nobody),
        stalls_test(a_mode_that_changes_stalls_nobody),
    };

    if (!is_built()) {
        printf("ok 1 - stalls # SKIP build/sallyport and build/count_preload.so are not built\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
