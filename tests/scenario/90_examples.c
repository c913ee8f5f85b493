/* SPDX-License-Identifier: Apache-2.0
 *
 * What the documents tell a reader to type is typed here: every command that the demo prints
 * and every command block of the README files. A command that nothing below knows is a failure:
 * it is given its expected outcome, or the reason why it cannot run here. The demo's ports are
 * fixed, so the test has a network of its own where the kernel allows that.
 */
#include "support/unit.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#include "support/proc.h"

#define COMMAND_MS 60000
#define READY_MS 60000

struct world {
    char *dir;  /* copies of what the documents talk about, and build/ */
    char *work; /* DIR/example: where an operator would stand */
    char *path; /* PATH=..., DIR/build first */
    struct proc *demo;
};

/* What a command that the demo prints must do; known by the comment above it. */
struct printed {
    const char *comment; /* how it begins */
    bool is_good;
    const char *output;
};

/* A command, or a whole block of ```sh, of a document; known by its first line. */
struct example {
    const char *file;
    const char *first;
    const char *edit;   /* sed script that puts real names in place of those of the page */
    const char *output; /* it must say this; NULL: anything */
    const char *after;  /* a command that must succeed afterwards */
    const char *why;    /* why it cannot run here; the fields above are unused */
    bool is_refused;    /* it must fail */
};

static const struct printed printed_rows[] = {
    {"a good certificate", true, "{\"id\":\"1\",\"value\":\"4.99\"}"},
    {"what the API is told", true, "[\"X-Amzn-Mtls-Clientcert-Subject\",\"CN=client2"},
    {"passthrough mode", true, "[\"X-Amzn-Mtls-Clientcert\",\"-----BEGIN%20CERTIFICATE"},
    {"revoked", false, "alert certificate revoked"},
    {"expired", false, "alert certificate expired"},
    {"not valid yet", false, "alert certificate expired"},
    {"issued by an authority that is not", false, "alert unknown ca"},
    {"a certificate for servers", false, "alert unsupported certificate"},
    {"no certificate", false, "alert certificate required"},
    {"why, step by step", false, "REFUSED: ClientCertCrlHit"},
    {"is it well", true, "ok\n"},
    {"is it well", true, "serving"},
    {"one line a connection", true, "Failed:ClientCertCrlHit"},
    {"one line a connection", true, "\"GET https://localhost:8443/widgets HTTP/2.0\""},
};

/* sed scripts */
#define CONFIGURED "s/ FILE/ conf\\/demo.yaml/; s/ CHAIN.pem/ build\\/demo\\/client.pem/;"
#define OF_VERIFY "s/ --cert/ --listener verify&/;"
#define PROCESS                                               \
    "s/ PID/ $(sallyport status -c conf\\/demo.yaml --json |" \
    " sed -n 's,.*\"process\":\\\\([0-9]*\\\\).*,\\\\1,p')/;"

static const struct example examples[] = {
    {.file = "README.md",
     .first = "make run",
     .why = "installs and builds; what it starts then is this test's demo"},
    {.file = "README.md", .first = "make test", .why = "this test is a part of it"},
    {.file = "README.md",
     .first = "curl --cacert build/demo/server-ca.pem --cert build/demo/client.pem",
     .output = "{\"id\":\"1\",\"value\":\"4.99\"}"},
    {.file = "README.md",
     .first = "curl --cacert build/demo/server-ca.pem --cert build/demo/revoked.pem",
     .output = "alert certificate revoked",
     .is_refused = true},
    {.file = "README.md",
     .first = "sallyport check -c FILE",
     .edit = CONFIGURED,
     .output = "conf/demo.yaml: valid ("},
    {.file = "README.md", .first = "sallyport run -c FILE", .why = "the demo runs it"},
    {.file = "README.md",
     .first = "sallyport explain -c FILE",
     .edit = CONFIGURED OF_VERIFY,
     .output = "ADMITTED"},
    {.file = "README.md",
     .first = "sallyport status -c FILE",
     .edit = CONFIGURED,
     .output = "serving"},
    {.file = "README.md",
     .first = "sallyport deny add",
     .edit = CONFIGURED,
     .after = "sallyport deny list -c conf/demo.yaml | grep laptop"},
    {.file = "README.md", .first = "kill -HUP PID", .edit = PROCESS},
    {.file = "truststore/README.md",
     .first = "sallyport explain --trust-store partners.pem.new",
     .output = "generation",
     .after = "test ! -e partners.pem.new"},
    {.file = "truststore/README.md",
     .first = "cat >sample.cnf <<'CNF'",
     .after = "test -s sample.crl.pem && test ! -e sample.key && openssl verify -crl_check "
              "-CAfile sample.pem -CRLfile sample.crl.pem sample.pem"},
    {.file = "crl/README.md",
     .first = "curl -fsS -o partners.crl.pem.new",
     .edit = "s,https://ca.example/partners.crl.pem,file://$PWD/ca.crl.pem,",
     .after = "cmp ca.crl.pem crl/partners.crl.pem"},
    {.file = "deploy/README.md",
     .first = "make",
     .why = "installs for the whole machine, with root and systemd"},
};

/* ---- a network of our own ------------------------------------------------------------------ */

static void
write_proc(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (write(fd, text, strlen(text)) < 0)
        fprintf(stderr, "%s cannot be written\n", path);
    close(fd);
}

static bool
loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;

    if (fd >= 0)
        close(fd);
    return is_up;
}

static bool
network_new(void)
{
    char *uids = xformat("%u %u 1", geteuid(), geteuid());
    char *gids = xformat("%u %u 1", getegid(), getegid());
    bool is_new = unshare(CLONE_NEWNET) == 0;

    if (!is_new && unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) {
        write_proc("/proc/self/setgroups", "deny");
        write_proc("/proc/self/uid_map", uids);
        write_proc("/proc/self/gid_map", gids);
        is_new = true;
    }
    free(uids);
    free(gids);
    return is_new && loopback_up();
}

static bool
port_is_free(uint16_t port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    bool is_free;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    is_free = bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0;
    close(fd);
    return is_free;
}

static bool
demo_ports_are_free(void)
{
    return port_is_free(8443) && port_is_free(8444) && port_is_free(9901) && port_is_free(9443);
}

/* ---- commands ------------------------------------------------------------------------------ */

static struct proc_result
shell(const struct world *w, const char *cwd, const char *script)
{
    const char *argv[] = {"sh", "-e", "-c", script, NULL};
    const char *env[] = {w->path, NULL};

    return proc_run(&(struct proc_spec){.argv = argv, .env = env, .cwd = cwd}, COMMAND_MS);
}

static void
shell_must(const struct world *w, const char *cwd, const char *script)
{
    struct proc_result r = shell(w, cwd, script);

    if (r.status != 0)
        die("%s\nended with %d: %.*s%.*s", script, r.status, (int)r.out.len, r.out.ptr,
            (int)r.err.len, r.err.ptr);
    proc_result_free(&r);
}

/* What is wrong with the outcome goes to standard error. */
static bool
outcome_is(const struct proc_result *r, bool is_good, const char *output, const char *script)
{
    bool says = output == NULL || find_bytes(r->out.ptr, r->out.len, output, strlen(output)) ||
                find_bytes(r->err.ptr, r->err.len, output, strlen(output));

    if ((r->status == 0) == is_good && says)
        return true;
    fprintf(stderr, "$ %s\nended with %d, %s was expected%s%s\n%.*s%.*s\n", script, r->status,
            is_good ? "0" : "a failure", output != NULL ? ", with the text " : "",
            output != NULL ? output : "", (int)r->out.len, r->out.ptr, (int)r->err.len, r->err.ptr);
    return false;
}

/* ---- the demo ------------------------------------------------------------------------------ */

static void
world_copy(struct world *w)
{
    static const char *const programs[] = {"sallyport", "execute-api", "mkpki"};
    char *script = xformat("cp -R README.md conf crl truststore deploy %s", w->dir);
    char *real, *link;

    shell_must(w, NULL, script);
    free(script);
    shell_must(w, w->dir, "mkdir build example example/crl");
    for (size_t i = 0; i < array_len(programs); i++) {
        real = realpath(program_path(programs[i]), NULL);
        link = xformat("%s/build/%s", w->dir, programs[i]);
        if (real == NULL || symlink(real, link) != 0)
            die("%s is not built", programs[i]);
        free(real);
        free(link);
    }
}

static int
world_start(void **state)
{
    static const char *const argv[] = {"sh", "deploy/demo.sh", NULL};
    struct world *w = xcalloc(1, sizeof(*w));
    const char *env[] = {"BUILD=build", NULL};

    w->dir = dir_temp("examples");
    w->work = xformat("%s/example", w->dir);
    w->path = xformat("PATH=%s/build:%s", w->dir, getenv("PATH"));
    *state = w;
    world_copy(w);
    w->demo = proc_start(&(struct proc_spec){.argv = argv, .env = env, .cwd = w->dir});
    if (!proc_wait_text(w->demo, "sallyport: ready", READY_MS))
        die("the demo was not ready in time");
    /* The files that truststore/ and crl/ speak of, beside a configuration of the demo's. */
    shell_must(w, w->work,
               "sed 's,crls: .*,crls: [crl/partners.crl.pem],; s,ca_bundle: .*/ca.pem,"
               "ca_bundle: partners.pem,' ../conf/demo.yaml >sallyport.yaml;"
               "cp ../build/demo/ca.pem partners.pem; cp partners.pem partners.pem.new;"
               "cp ../build/demo/client.pem some-client.pem;"
               "cp ../build/demo/ca.crl.pem ca.crl.pem; cp ca.crl.pem crl/partners.crl.pem");
    return 0;
}

static int
world_stop(void **state)
{
    struct world *w = *state;
    int status = proc_stop(w->demo, COMMAND_MS);

    proc_free(w->demo);
    dir_remove(w->dir);
    free(w->dir);
    free(w->work);
    free(w->path);
    free(w);
    return status == 143 ? 0 : -1;
}

/* The next row for a command below this comment; rows that share a comment come in order. */
static const struct printed *
printed_find(struct str comment, const bool *used)
{
    for (size_t i = 0; i < array_len(printed_rows); i++) {
        if (!used[i] && str_starts(comment, str_from(printed_rows[i].comment)))
            return &printed_rows[i];
    }
    return NULL;
}

static bool
printed_holds(const struct world *w, const struct printed *row, struct str command)
{
    char *script = xformat("%.*s", STR_ARG(command));
    struct proc_result r = shell(w, w->dir, script);
    bool holds = outcome_is(&r, row->is_good, row->output, script);

    proc_result_free(&r);
    free(script);
    return holds;
}

static void
the_demo_prints_commands_that_do_what_it_says(void **state)
{
    const struct world *w = *state;
    struct bytes text = proc_stdout(w->demo);
    struct str rest = bytes_str(&text), line, comment = STR("");
    bool used[array_len(printed_rows)] = {false};
    bool done = false;
    size_t bad = 0;

    while (str_split_next(&rest, '\n', &done, &line)) {
        const struct printed *row;

        if (str_starts(line, STR("  # ")))
            comment = str_sub(line, 4, line.len);
        if (!str_starts(line, STR("  ")) || str_starts(line, STR("  # ")))
            continue;
        row = printed_find(comment, used);
        if (row == NULL) {
            fprintf(stderr, "no row of this test is for: %.*s\n", STR_ARG(line));
            bad++;
            continue;
        }
        used[row - printed_rows] = true;
        bad += printed_holds(w, row, str_sub(line, 2, line.len)) ? 0 : 1;
    }
    for (size_t i = 0; i < array_len(used); i++) {
        if (!used[i])
            fprintf(stderr, "the demo prints nothing for: %s\n", printed_rows[i].comment);
        bad += used[i] ? 0 : 1;
    }
    bytes_free(&text);
    assert_int_equal(bad, 0);
}

/* ---- the documents ------------------------------------------------------------------------- */

static const struct example *
example_find(const char *file, struct str first)
{
    const struct example *best = NULL;

    for (size_t i = 0; i < array_len(examples); i++) {
        const struct example *e = &examples[i];

        if (strcmp(e->file, file) == 0 && str_starts(first, str_from(e->first)) &&
            (best == NULL || strlen(e->first) > strlen(best->first)))
            best = e;
    }
    return best;
}

/* The script with the names of the page replaced; malloc. */
static char *
example_script(const struct world *w, const struct example *e, struct str script)
{
    const char *argv[] = {"sed", e->edit, "script", NULL};
    char *path = xformat("%s/script", w->dir);
    struct proc_result r;
    char *text;

    if (e->edit == NULL) {
        free(path);
        return xformat("%.*s", STR_ARG(script));
    }
    file_spill(path, script.ptr, script.len, 0600);
    free(path);
    r = proc_run(&(struct proc_spec){.argv = argv, .cwd = w->dir}, COMMAND_MS);
    if (r.status != 0)
        die("sed '%s': %.*s", e->edit, (int)r.err.len, r.err.ptr);
    text = xformat("%.*s", (int)r.out.len, r.out.ptr);
    proc_result_free(&r);
    return text;
}

/* README.md speaks from the repository, the others from the folder of a configuration. */
static bool
example_holds(const struct world *w, const char *file, struct str script)
{
    ptrdiff_t end = str_chr(script, '\n');
    struct str first = end < 0 ? script : str_sub(script, 0, (size_t)end);
    const struct example *e = example_find(file, first);
    const char *cwd = strcmp(file, "README.md") == 0 ? w->dir : w->work;
    struct proc_result r;
    char *text;
    bool holds;

    if (e == NULL) {
        fprintf(stderr, "%s: no row of this test is for: %.*s\n", file, STR_ARG(first));
        return false;
    }
    if (e->why != NULL)
        return true;
    text = example_script(w, e, script);
    r = shell(w, cwd, text);
    holds = outcome_is(&r, !e->is_refused, e->output, text);
    proc_result_free(&r);
    free(text);
    if (holds && e->after != NULL)
        shell_must(w, cwd, e->after);
    return holds;
}

/* An indented line is a command when it begins with the name of a program. */
static bool
is_command(const struct world *w, struct str line)
{
    ptrdiff_t end = str_chr(line, ' ');
    struct str word = end < 0 ? line : str_sub(line, 0, (size_t)end);
    struct proc_result r;
    char *script;
    bool is_one;

    if (word.len == 0 || line.ptr[0] < 'a' || line.ptr[0] > 'z')
        return false;
    script = xformat("command -v '%.*s'", STR_ARG(word));
    r = shell(w, w->dir, script);
    is_one = r.status == 0;
    proc_result_free(&r);
    free(script);
    return is_one;
}

/* Runs what it finds; the number of examples that do not hold. */
static size_t
document_check(const struct world *w, const char *file, size_t *ret_count)
{
    struct bytes text = file_slurp(file), block = {0};
    struct str rest = bytes_str(&text), line;
    bool done = false, is_shell = false, is_fenced = false;
    size_t bad = 0, count = 0;

    while (str_split_next(&rest, '\n', &done, &line)) {
        struct str bare = line;

        while (bare.len > 0 && bare.ptr[0] == ' ')
            bare = str_sub(bare, 1, bare.len);
        if (str_starts(bare, STR("```"))) {
            if (is_shell) {
                bad += example_holds(w, file, bytes_str(&block)) ? 0 : 1;
                count++;
                bytes_free(&block);
            }
            is_shell = !is_fenced && str_eq(bare, STR("```sh"));
            is_fenced = !is_fenced;
        } else if (is_shell) {
            bytes_add(&block, line.ptr, line.len);
            bytes_puts(&block, "\n");
        } else if (!is_fenced && line.len - bare.len == 4 && is_command(w, bare)) {
            bad += example_holds(w, file, bare) ? 0 : 1;
            count++;
        }
    }
    bytes_free(&text);
    *ret_count = count;
    return bad;
}

static void
the_documents_show_commands_that_work(void **state)
{
    static const struct {
        const char *file;
        size_t least; /* examples: fewer and this test has gone blind */
    } documents[] = {{"README.md", 8},
                     {"truststore/README.md", 2},
                     {"crl/README.md", 1},
                     {"deploy/README.md", 1}};
    const struct world *w = *state;
    size_t bad = 0, count = 0;

    for (size_t i = 0; i < array_len(documents); i++) {
        bad += document_check(w, documents[i].file, &count);
        if (count < documents[i].least)
            fprintf(stderr, "%s: only %zu examples were found\n", documents[i].file, count);
        assert_true(count >= documents[i].least);
    }
    assert_int_equal(bad, 0);
}

/* A second demo says what is in its way, and leaves the first alone. */
static void
a_second_demo_says_why_it_cannot_run(void **state)
{
    static const char again[] = "sh deploy/demo.sh";
    static const char elsewhere[] =
        "mkdir -p other/build; cp -R conf deploy truststore crl other/;"
        "cp -P build/sallyport build/execute-api build/mkpki other/build/;"
        "cd other; sh deploy/demo.sh";
    const struct world *w = *state;
    struct proc_result r = shell(w, w->dir, again);

    assert_true(outcome_is(&r, false, "demo: runs already", again));
    proc_result_free(&r);
    r = shell(w, w->dir, elsewhere);
    assert_true(outcome_is(&r, false,
                           "cannot listen on 127.0.0.1:9443: Address already in use\n"
                           "demo: a port of the demo is taken",
                           elsewhere));
    proc_result_free(&r);
    shell_must(w, w->dir, "sallyport status -c conf/demo.yaml | grep serving");
}

/* deploy/sallyport.yaml in a folder as the installation guide lays it out. */
static void
the_configuration_of_the_unit_is_valid(void **state)
{
    const struct world *w = *state;

    shell_must(w, w->dir,
               "mkdir -p etc/tls etc/truststore etc/crl; cp deploy/sallyport.yaml etc/;"
               "cp build/demo/server.pem build/demo/server.key etc/tls/;"
               "cp build/demo/ca.pem etc/truststore/partners.pem;"
               "cp build/demo/ca.crl.pem etc/crl/partners.crl.pem;"
               "sallyport check -c etc/sallyport.yaml");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_demo_prints_commands_that_do_what_it_says),
        cmocka_unit_test(the_documents_show_commands_that_work),
        cmocka_unit_test(a_second_demo_says_why_it_cannot_run),
        cmocka_unit_test(the_configuration_of_the_unit_is_valid),
    };

    if (!network_new() && !demo_ports_are_free()) {
        puts("1..1\nok 1 - examples # SKIP the demo's ports are taken, and no other network is "
             "to be had");
        return 0;
    }
    return cmocka_run_group_tests(tests, world_start, world_stop);
}
