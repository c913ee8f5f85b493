/* SPDX-License-Identifier: Apache-2.0
 *
 * Every file that the gateway reads, broken in every way that files break, alone and in pairs,
 * at start and at reload. It may refuse to start, and it may keep what it had; nobody gets in
 * who did not before.
 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/client.h"
#include "support/gateway.h"
#include "support/pki.h"

static const char yaml[] =
    "workers: 1\nstate_dir: state\nadmin: {bind: 127.0.0.1:@ADMIN@, socket: admin.sock}\n"
    "listeners:\n"
    "  - name: front\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: clients}\n"
    "    default_action: {fixed_response: {status: 200, body: in}}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: ca.pem, crls: [lists], crl_missing: allow, crl_expired: allow}\n";

/* crl_missing and crl_expired are as lax as they can be: what is missing must still be noticed. */
static const char *const paths[] = {
    "ca.pem",     "lists/ca.crl",   "lists/root.crl",    "server.pem",
    "server.key", "sallyport.yaml", "state/list-numbers"};
enum { FILES = 7, RELOADED_FILES = 6 };

enum fault {
    DELETED,
    EMPTY,
    CUT,
    HALF_A_LINE,
    A_BIT,
    ZEROES,
    NO_TEXT,
    TEXT_BEFORE,
    TWICE,
    FOREIGN, /* a good file of the same kind, of somebody else */
    SWAPPED, /* with the next file */
    FOLDER,
    PIPE,
    LOOP, /* a link to itself */
    NOWHERE,
    FAULTS
};

static const char *const fault_names[FAULTS] = {
    "deleted", "empty",    "cut",         "half a line", "a bit",
    "zeroes",  "newlines", "text before", "twice",       "foreign",
    "swapped", "a folder", "a pipe",      "a loop",      "a link to nowhere"};

struct world {
    char *dir;
    struct pki_cert *root, *ca, *other, *server, *alice, *mallory, *stranger;
    struct gateway *g;
    struct bytes good[FILES];
    struct bytes foreign[FILES];
};

static char *
in_dir(const struct world *w, const char *name)
{
    return unit_path(w->dir, name);
}

static void
make_folder(struct world *w, const char *name)
{
    char *path = in_dir(w, name);

    assert_int_equal(mkdir(path, 0700), 0);
    free(path);
}

static void
write_file(const struct world *w, const char *name, struct bytes text)
{
    char *path = in_dir(w, name);

    file_spill(path, text.ptr, text.len, 0600);
    free(path);
}

static struct bytes
list_of(const struct pki_cert *issuer, const struct pki_cert *revoked, uint64_t number)
{
    struct pki_crl_entry entry = {.cert = revoked};
    struct pki_crl_spec spec = {
        .entries = &entry, .entry_count = revoked != NULL, .number = number};

    return pki_crl_pem(&spec, issuer);
}

static void
make_foreign(struct world *w)
{
    pki_pem_cert(&w->foreign[0], w->other);
    w->foreign[1] = list_of(w->other, NULL, 9);
    w->foreign[2] = list_of(w->other, NULL, 9);
    pki_pem_cert(&w->foreign[3], w->other);
    bytes_puts(&w->foreign[4], "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    bytes_puts(&w->foreign[5], "listeners: []\n");
    bytes_puts(&w->foreign[6], "sallyport list numbers 1\nend 0\n");
}

static int
setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    struct bytes list;
    char *path;

    w->dir = dir_temp("faults");
    w->root = pki_root("Test Root");
    w->ca = pki_intermediate(w->root, "Test CA");
    w->other = pki_root("Test CA"); /* the same name, another key */
    w->server = pki_server(w->ca, "localhost,127.0.0.1");
    w->alice = pki_client(w->ca, "alice");
    w->mallory = pki_client(w->ca, "mallory");
    w->stranger = pki_client(w->other, "stranger");
    make_folder(w, "lists");
    make_folder(w, "state");
    pki_write_pair(w->dir, "server", w->server);
    path = in_dir(w, "ca.pem");
    pki_write_certs(path, w->root, w->ca, NULL);
    free(path);
    list = list_of(w->ca, w->mallory, 5);
    write_file(w, "lists/ca.crl", list);
    bytes_free(&list);
    list = list_of(w->root, NULL, 5);
    write_file(w, "lists/root.crl", list);
    bytes_free(&list);
    make_foreign(w);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    (void)gateway_stop(w->g);
    for (int i = 0; i < FILES; i++) {
        bytes_free(&w->good[i]);
        bytes_free(&w->foreign[i]);
    }
    pki_free(w->stranger);
    pki_free(w->mallory);
    pki_free(w->alice);
    pki_free(w->server);
    pki_free(w->other);
    pki_free(w->ca);
    pki_free(w->root);
    dir_remove(w->dir);
    free(w->dir);
    free(w);
    return 0;
}

/* ---- the gateway ---- */

static bool
start(struct world *w)
{
    w->g = gateway_start(
        &(struct gateway_spec){.yaml = yaml, .dir = w->dir, .may_fail = true, .keep_dir = true});
    return gateway_is_ready(w->g);
}

static void
stop(struct world *w)
{
    (void)gateway_stop(w->g);
    w->g = NULL;
}

static bool
is_in(struct world *w, const struct pki_cert *cert)
{
    struct client *c =
        client_open(&(struct client_spec){.port = gateway_port(w->g, 1), .cert = cert});
    struct response r = client_get(c, "localhost", "/");
    bool got = r.status == 200;

    response_free(&r);
    client_close(c);
    return got;
}

static void
assert_only_alice(struct world *w, const char *what)
{
    if (!is_in(w, w->alice))
        fail_msg("%s: alice is refused", what);
    if (is_in(w, w->mallory))
        fail_msg("%s: who is revoked gets in", what);
    if (is_in(w, w->stranger))
        fail_msg("%s: who is unknown gets in", what);
}

static void
keep_good_files(struct world *w)
{
    for (int i = 0; i < FILES; i++) {
        char *path = in_dir(w, paths[i]);

        w->good[i] = file_slurp(path);
        assert_true(w->good[i].len > 0);
        free(path);
    }
}

/* ---- breaking ---- */

static void
spill(const char *path, const struct bytes *text, size_t len)
{
    file_spill(path, text->ptr, len, 0600);
}

static void
spill_changed(const char *path, const struct bytes *good, enum fault fault)
{
    struct bytes text = {0};

    if (fault == TEXT_BEFORE)
        bytes_puts(&text, "Bag Attributes\n");
    if (fault != NO_TEXT)
        bytes_add(&text, good->ptr, good->len);
    if (fault == TWICE)
        bytes_add(&text, good->ptr, good->len);
    if (fault == NO_TEXT)
        bytes_puts(&text, "\n\n\n");
    if (fault == A_BIT)
        text.ptr[text.len / 2] ^= 1;
    if (fault == ZEROES)
        memset(text.ptr + text.len / 2, 0, text.len - text.len / 2);
    spill(path, &text, text.len);
    bytes_free(&text);
}

static void
damage(const struct world *w, int file, enum fault fault)
{
    const struct bytes *good = &w->good[file];
    char *path = in_dir(w, paths[file]);

    assert_int_equal(unlink(path), 0);
    switch (fault) {
    case DELETED:
        break;
    case EMPTY:
    case CUT:
    case HALF_A_LINE:
        spill(path, good, fault == EMPTY ? 0 : fault == CUT ? good->len / 2 : good->len - 20);
        break;
    case FOREIGN:
        spill(path, &w->foreign[file], w->foreign[file].len);
        break;
    case SWAPPED:
        spill(path, &w->good[(file + 1) % FILES], w->good[(file + 1) % FILES].len);
        break;
    case FOLDER:
        assert_int_equal(mkdir(path, 0700), 0);
        break;
    case PIPE:
        assert_int_equal(mkfifo(path, 0600), 0);
        break;
    case LOOP:
        assert_int_equal(symlink(path, path), 0);
        break;
    case NOWHERE:
        assert_int_equal(symlink("/nonexistent/file", path), 0);
        break;
    default:
        spill_changed(path, good, fault);
        break;
    }
    free(path);
}

static void
repair(const struct world *w, int file)
{
    char *path = in_dir(w, paths[file]);

    if (unlink(path) != 0)
        (void)rmdir(path);
    spill(path, &w->good[file], w->good[file].len);
    free(path);
}

static char *
name_of(int a, enum fault fa, int b, enum fault fb)
{
    if (b < 0)
        return xformat("%s %s", paths[a], fault_names[fa]);
    return xformat("%s %s, %s %s", paths[a], fault_names[fa], paths[b], fault_names[fb]);
}

/* ---- at reload ---- */

/* Nothing that is wrong is taken; what was in use stays so. */
static unsigned
reload_broken(struct world *w, const char *what)
{
    enum gateway_reload end = gateway_reload(w->g);

    if (end == GATEWAY_SILENT)
        fail_msg("%s: the reload does not end", what);
    assert_only_alice(w, what);
    return end == GATEWAY_REFUSED;
}

static void
a_broken_file_changes_nothing_at_reload(void **state)
{
    struct world *w = *state;
    unsigned refused = 0, tried = 0;

    assert_true(start(w));
    keep_good_files(w);
    assert_only_alice(w, "at first");
    for (int i = 0; i < RELOADED_FILES; i++) {
        for (enum fault f = 0; f < FAULTS; f++) {
            char *what = name_of(i, f, -1, f);

            damage(w, i, f);
            refused += reload_broken(w, what);
            repair(w, i);
            tried++;
            free(what);
        }
    }
    printf("%u faults alone at reload, %u of them refused\n", tried, refused);
    assert_true(refused >= tried * 9 / 10);
    assert_int_equal(gateway_reload(w->g), GATEWAY_RELOADED);
    assert_only_alice(w, "at last");
}

static void
two_broken_files_change_nothing_at_reload(void **state)
{
    struct world *w = *state;
    unsigned tried = 0;

    assert_true(start(w));
    keep_good_files(w);
    for (int i = 0; i < RELOADED_FILES; i++) {
        for (int j = i + 1; j < RELOADED_FILES; j++) {
            for (int k = 0; k < 2; k++) {
                enum fault fi = (enum fault)((i * 7 + j * 3 + k * 4) % FAULTS);
                enum fault fj = (enum fault)((i + j * 5 + k * 11) % FAULTS);
                char *what = name_of(i, fi, j, fj);

                damage(w, i, fi);
                damage(w, j, fj);
                (void)reload_broken(w, what);
                repair(w, i);
                repair(w, j);
                tried++;
                free(what);
            }
        }
    }
    printf("%u pairs at reload\n", tried);
    assert_int_equal(gateway_reload(w->g), GATEWAY_RELOADED);
    assert_only_alice(w, "at last");
}

/* ---- at start ---- */

/* Who may come in and who is revoked. The rest is broken at reload above. */
static bool
is_tried_at_start(int file)
{
    return strcmp(paths[file], "ca.pem") == 0 || strncmp(paths[file], "lists/", 6) == 0 ||
           strncmp(paths[file], "state/", 6) == 0;
}

static unsigned
start_broken(struct world *w, const char *what)
{
    bool is_ready = start(w);

    if (is_ready && (is_in(w, w->mallory) || is_in(w, w->stranger)))
        fail_msg("%s: starts, and admits who should not be", what);
    stop(w);
    return !is_ready;
}

static void
a_broken_file_lets_nobody_in_at_start(void **state)
{
    struct world *w = *state;
    unsigned refused = 0, tried = 0;

    assert_true(start(w));
    keep_good_files(w);
    stop(w);
    for (int i = 0; i < FILES; i++) {
        for (enum fault f = 0; f < FAULTS && is_tried_at_start(i); f++) {
            char *what = name_of(i, f, -1, f);

            damage(w, i, f);
            refused += start_broken(w, what);
            repair(w, i);
            tried++;
            free(what);
        }
    }
    printf("%u faults alone at start, %u of them refused\n", tried, refused);
    assert_true(refused >= tried * 8 / 10);
    assert_true(start(w));
    assert_only_alice(w, "at last");
}

static void
two_broken_files_let_nobody_in_at_start(void **state)
{
    struct world *w = *state;
    unsigned tried = 0;

    assert_true(start(w));
    keep_good_files(w);
    stop(w);
    for (int i = 0; i < FILES; i++) {
        for (int n = 0; n < 2 * FILES; n++) {
            int j = n / 2;
            enum fault fi = (enum fault)((n % 2 * 5 + i * 7 + j * 3) % FAULTS);
            enum fault fj = (enum fault)((i + j * 5) % FAULTS);
            char *what = name_of(i, fi, j, fj);

            if (i < j && is_tried_at_start(i) && is_tried_at_start(j)) {
                damage(w, i, fi);
                damage(w, j, fj);
                (void)start_broken(w, what);
                repair(w, i);
                repair(w, j);
                tried++;
            }
            free(what);
        }
    }
    printf("%u pairs at start\n", tried);
    assert_true(start(w));
    assert_only_alice(w, "at last");
}

#define in_world(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        in_world(a_broken_file_changes_nothing_at_reload),
        in_world(two_broken_files_change_nothing_at_reload),
        in_world(a_broken_file_lets_nobody_in_at_start),
        in_world(two_broken_files_let_nobody_in_at_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
