/* SPDX-License-Identifier: Apache-2.0
 *
 * What the origin is told about clients, to the byte: from real certificates with awkward
 * names and serials, in verify and passthrough mode, under names of one's own, after a renaming
 * on live connections, and with many requests of different clients mixed.
 */
#include "20_front.h"

#include <ctype.h>
#include <openssl/pem.h>
#include <pthread.h>

static const char config[] =
    "workers: 1\n"
    "admin: {bind: \"127.0.0.1:@ADMIN@\"}\n"
    "listeners:\n"
    "  - name: verify\n"
    "    bind: 127.0.0.1:@PORT@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: verify, trust_store: clients}\n"
    "    default_action: {forward: api}\n"
    "    attributes: {@VERIFY_NAMES@}\n"
    "  - name: passthrough\n"
    "    bind: 127.0.0.1:@PORT2@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: passthrough}\n"
    "    default_action: {forward: api}\n"
    "    attributes: {@PASSTHROUGH_NAMES@}\n"
    "  - name: optional\n"
    "    bind: 127.0.0.1:@PORT3@\n"
    "    certificates: [{certificate: server.pem, private_key: server.key}]\n"
    "    mutual_authentication: {mode: optional, trust_store: clients}\n"
    "    default_action: {forward: echo}\n"
    "trust_stores:\n"
    "  clients: {ca_bundle: ca.pem}\n"
    "target_groups:\n"
    "  api: {protocol: http, targets: [\"127.0.0.1:@ORIGIN@\"]}\n"
    "  echo:\n"
    "    targets: [\"127.0.0.1:@ECHO@\"]\n"
    "    host_header: abc123.execute-api.us-east-1.amazonaws.com\n"
    "    tls: {server_name: localhost, ca_bundle: origin-ca.pem}\n";

enum listener { VERIFY = 1, PASSTHROUGH, OPTIONAL };

#define NAME(what, name) "routing.http.request.x_amzn_mtls_clientcert" what ".header_name: " name

static const char renamed[] =
    NAME("_serial_number", "X-Serial") ", " NAME("_issuer", "X-Issued-By") ", " NAME(
        "_subject", "X-Who") ", " NAME("_validity", "X-When") ", " NAME("_leaf", "X-Cert");

static const char *const default_names[] = {
    "X-Amzn-Mtls-Clientcert-Serial-Number", "X-Amzn-Mtls-Clientcert-Issuer",
    "X-Amzn-Mtls-Clientcert-Subject",       "X-Amzn-Mtls-Clientcert-Validity",
    "X-Amzn-Mtls-Clientcert-Leaf",
};
static const char *const own_names[] = {"X-Serial", "X-Issued-By", "X-Who", "X-When", "X-Cert"};

struct world {
    struct front *f;
    struct proc *echo;
    struct pki_cert *bob;
};

/* ---- the world ---- */

static void
start_echo(struct world *w)
{
    const char *argv[] = {program_path("execute-api"),
                          "--listen",
                          "127.0.0.1:0",
                          "--cert",
                          front_path(w->f, "server.pem"),
                          "--key",
                          front_path(w->f, "server.key"),
                          NULL};
    struct bytes out;
    static char port[8];

    pki_write_certs(front_path(w->f, "origin-ca.pem"), w->f->root, NULL);
    w->echo = proc_start(&(struct proc_spec){.argv = argv});
    assert_true(proc_wait_text(w->echo, "execute-api: ready", 10000));
    out = proc_stdout(w->echo);
    (void)snprintf(port, sizeof(port), "%lu", strtoul(strrchr(out.ptr, ':') + 1, NULL, 10));
    front_var(w->f, "ECHO", port);
    bytes_free(&out);
}

static int
setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->f = front_new(NULL);
    w->bob = pki_client(w->f->ca, "bob");
    start_echo(w);
    front_var(w->f, "VERIFY_NAMES", "");
    front_var(w->f, "PASSTHROUGH_NAMES", "");
    front_start(w->f, config);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;
    int status = front_done(w->f);

    (void)proc_stop(w->echo, 10000);
    proc_free(w->echo);
    pki_free(w->bob);
    free(w);
    return status == 0 ? 0 : -1;
}

/* ---- what is expected, written anew ---- */

/* PEM with its spaces and line ends as URLs have them. */
static void
add_encoded_pem(struct bytes *out, X509 *x)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long n;

    assert_int_equal(PEM_write_bio_X509(bio, x), 1);
    n = BIO_get_mem_data(bio, &text);
    for (long i = 0; i < n; i++) {
        if (text[i] == ' ')
            bytes_puts(out, "%20");
        else if (text[i] == '\n')
            bytes_puts(out, "%0A");
        else
            bytes_add(out, &text[i], 1);
    }
    BIO_free(bio);
}

static void
add_name(struct bytes *out, const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long n;

    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
    n = BIO_get_mem_data(bio, &text);
    bytes_add(out, text, (size_t)n);
    BIO_free(bio);
}

static void
add_time(struct bytes *out, const ASN1_TIME *t)
{
    struct tm tm;

    assert_int_equal(ASN1_TIME_to_tm(t, &tm), 1);
    bytes_printf(out, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* The five lines, in this order and with nothing between them. */
static struct bytes
five_lines(const struct pki_cert *c, const char *serial, const char *subject,
           const char *const names[5])
{
    struct bytes out = {0};

    bytes_printf(&out, "\r\n%s: %s\r\n%s: ", names[0], serial, names[1]);
    add_name(&out, X509_get_issuer_name(c->x509));
    bytes_printf(&out, "\r\n%s: %s\r\n%s: NotBefore=", names[2], subject, names[3]);
    add_time(&out, X509_get0_notBefore(c->x509));
    bytes_puts(&out, ";NotAfter=");
    add_time(&out, X509_get0_notAfter(c->x509));
    bytes_printf(&out, "\r\n%s: ", names[4]);
    add_encoded_pem(&out, c->x509);
    bytes_puts(&out, "\r\n");
    return out;
}

static char *
serial_hex(const struct pki_cert *c)
{
    BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(c->x509), NULL);
    char *hex = BN_bn2hex(bn);
    char *copy = xstrdup(hex);

    OPENSSL_free(hex);
    BN_free(bn);
    return copy;
}

/* Lines whose name begins so, in any case, '_' for '-' too. */
static size_t
count_fields(struct str text, const char *prefix)
{
    struct str line;
    bool done = false;
    size_t count = 0;

    while (str_split_next(&text, '\n', &done, &line)) {
        size_t i = 0;

        while (prefix[i] != '\0' && i < line.len &&
               tolower((unsigned char)(line.ptr[i] == '_' ? '-' : line.ptr[i])) ==
                   tolower((unsigned char)prefix[i]))
            i++;
        count += prefix[i] == '\0';
    }
    return count;
}

/* ---- requests ---- */

#define SPOOFS                                                                         \
    "X-Amzn-Mtls-Clientcert-Subject: CN=evil\r\nx_amzn_mtls_clientcert_leaf: evil\r\n" \
    "X-Amzn-Mtls-Clientcert: evil\r\nClient-Cert: evil\r\n"
/* Dropped as well where they are the names of one's own. */
#define OWN_SPOOFS SPOOFS "X-Who: evil\r\nX-Serial: evil\r\nx_cert: evil\r\n"

static int
ask_h1(struct client *c, const char *fields)
{
    char *text = xformat("GET / HTTP/1.1\r\nHost: localhost\r\n%s\r\n", fields);
    struct response r = client_exchange(c, text);
    int status = r.status;

    response_free(&r);
    free(text);
    return status;
}

static int
ask_h2(struct client *c, uint32_t id, bool is_renamed)
{
    static const struct h2_field fields[] = {
        H2_FIELD(":method", "GET"),
        H2_FIELD(":scheme", "https"),
        H2_FIELD(":authority", "localhost"),
        H2_FIELD(":path", "/"),
        H2_FIELD("x-amzn-mtls-clientcert-subject", "CN=evil"),
        H2_FIELD("client_cert", "evil"),
        H2_FIELD("x-who", "evil"),
    };
    struct h2_response r;
    int status;

    assert_int_equal(h2_headers(c, id, fields, array_len(fields) - !is_renamed, true), CLIENT_OK);
    r = h2_response(c, id);
    status = r.status;
    h2_response_free(&r);
    return status;
}

/* The request that the origin got last is exactly want and, besides, nothing of a client's. */
static void
expect_seen(struct world *w, struct str want, size_t amzn_fields)
{
    struct bytes all = origin_received_all(w->f->origin);
    const char *at = NULL;
    struct str last;

    for (const char *next = all.ptr; next != NULL; next = strstr(next + 1, "GET / HTTP/1.1\r\n"))
        at = next;
    assert_non_null(at);
    last = str_make(at, strlen(at));
    if (find_bytes(last.ptr, last.len, want.ptr, want.len) == NULL)
        fail_msg("not\n%.*s\nin\n%.*s", STR_ARG(want), STR_ARG(last));
    assert_int_equal(count_fields(last, "x-amzn-mtls"), amzn_fields);
    assert_null(strstr(last.ptr, "evil"));
    bytes_free(&all);
}

/* Both versions of HTTP, twice each: the block is rendered once and used again. */
static void
expect_five(struct world *w, const struct pki_cert *leaf, const char *serial, const char *subject)
{
    struct bytes want = five_lines(leaf, serial, subject, default_names);
    struct client *c = front_open(w->f, VERIFY, leaf, "http/1.1");

    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask_h1(c, SPOOFS), 200);
        expect_seen(w, bytes_str(&want), 5);
    }
    client_close(c);
    c = front_open(w->f, VERIFY, leaf, "h2");
    assert_int_equal(h2_start(c, STR("")), CLIENT_OK);
    for (uint32_t id = 1; id < 5; id += 2) {
        assert_int_equal(ask_h2(c, id, false), 200);
        expect_seen(w, bytes_str(&want), 5);
    }
    client_close(c);
    bytes_free(&want);
}

/* ---- names ---- */

#define MAX_ATTRS 4

static const struct name_case {
    const char *subject;
    struct pki_attr attrs[MAX_ATTRS];
    size_t count;
} name_cases[] = {
    {"CN=alice,O=Example,C=US",
     {{"C", STR_INIT("US"), V_ASN1_PRINTABLESTRING, false},
      {"O", STR_INIT("Example"), 0, false},
      {"CN", STR_INIT("alice"), 0, false}},
     3},
    {"CN=Zo\\C3\\AB M\\C3\\BCller,O=\\E6\\A0\\AA\\E5\\BC\\8F",
     {{"O", STR_INIT("\xe6\xa0\xaa\xe5\xbc\x8f"), 0, false},
      {"CN", STR_INIT("Zo\xc3\xab M\xc3\xbcller"), 0, false}},
     2},
    {"CN=a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h", {{"CN", STR_INIT("a,b+c\"d\\e<f>g;h"), 0, false}}, 1},
    {"CN=\\ both \\ ,OU=\\#hash",
     {{"OU", STR_INIT("#hash"), 0, false}, {"CN", STR_INIT(" both  "), 0, false}},
     2},
    {"OU=Dev+CN=bob,O=Example",
     {{"O", STR_INIT("Example"), 0, false},
      {"CN", STR_INIT("bob"), 0, false},
      {"OU", STR_INIT("Dev"), 0, true}},
     3},
    {"emailAddress=a@b.example,DC=example,CN=mail",
     {{"CN", STR_INIT("mail"), 0, false},
      {"DC", STR_INIT("example"), V_ASN1_IA5STRING, false},
      {"emailAddress", STR_INIT("a@b.example"), V_ASN1_IA5STRING, false}},
     3},
    {"1.3.6.1.4.1.55555.9=#0C0161,CN=odd",
     {{"CN", STR_INIT("odd"), 0, false}, {"1.3.6.1.4.1.55555.9", STR_INIT("a"), 0, false}},
     2},
    {"CN=A\\C3\\A9", {{"CN", STR_INIT("\0A\0\xe9"), V_ASN1_BMPSTRING, false}}, 1},
};

static void
names_reach_the_origin_to_the_byte(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < array_len(name_cases); i++) {
        const struct name_case *n = &name_cases[i];
        struct pki_cert *leaf;
        struct bytes oracle = {0};
        char *serial;

        leaf =
            pki_issue(&(struct pki_cert_spec){.attrs = n->attrs, .attr_count = n->count}, w->f->ca);
        serial = serial_hex(leaf);
        add_name(&oracle, X509_get_subject_name(leaf->x509));
        assert_string_equal(oracle.ptr, n->subject);
        expect_five(w, leaf, serial, n->subject);
        bytes_free(&oracle);
        free(serial);
        pki_free(leaf);
    }
}

/* Within the limit of 2 KB whole, and never cut. */
static void
a_long_name_reaches_the_origin_whole(void **state)
{
    enum { UNITS = 30, UNIT_BYTES = 60 };
    struct world *w = *state;
    static char text[UNIT_BYTES];
    struct pki_attr attrs[UNITS];
    struct bytes subject = {0};
    struct pki_cert *leaf;
    char *serial;

    memset(text, 'u', sizeof(text));
    for (size_t i = 0; i < UNITS; i++) {
        attrs[i] = (struct pki_attr){"OU", str_make(text, sizeof(text)), 0, false};
        bytes_printf(&subject, "%sOU=%.*s", i > 0 ? "," : "", UNIT_BYTES, text);
    }
    leaf = pki_issue(&(struct pki_cert_spec){.attrs = attrs, .attr_count = UNITS}, w->f->ca);
    serial = serial_hex(leaf);
    expect_five(w, leaf, serial, subject.ptr);
    free(serial);
    pki_free(leaf);
    bytes_free(&subject);
}

/* ---- serial numbers ---- */

static void
serials_reach_the_origin_to_the_byte(void **state)
{
    static const struct {
        struct str octets;
        const char *hex;
    } cases[] = {
        {STR_INIT("\x05"), "05"},
        {STR_INIT("\x03\xa5\xb1"), "03A5B1"},
        {STR_INIT("\x00\x80\x01"), "8001"},
        {STR_INIT("\x00\xfe\xf2\x57\x37\x2d\x5c\x14\xd4"), "FEF257372D5C14D4"},
        {STR_INIT("\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                  "\xff"),
         "7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"},
        {STR_INIT("\x5c\x6f\x62\x00\xb9\xc8\x37\xc9\x22\xa4\xea\x00\x10\x3b\x77\x2c\x54\x1d\x48"
                  "\x2c"),
         "5C6F6200B9C837C922A4EA00103B772C541D482C"},
        {STR_INIT("\xff\x7f"), "-81"},
        {STR_INIT("\x80"), "-80"},
    };
    struct world *w = *state;

    for (size_t i = 0; i < array_len(cases); i++) {
        struct pki_cert *leaf =
            pki_issue(&(struct pki_cert_spec){.cn = "serial", .serial = cases[i].octets}, w->f->ca);

        expect_five(w, leaf, cases[i].hex, "CN=serial");
        pki_free(leaf);
    }
}

/* ---- passthrough ---- */

static void
expect_chain(struct world *w, const struct client_spec *how, const struct pki_cert *const *sent,
             size_t count)
{
    struct client_spec spec = *how;
    struct bytes want = {0};
    struct client *c;

    bytes_puts(&want, "\r\nX-Amzn-Mtls-Clientcert: ");
    for (size_t i = 0; i < count; i++)
        add_encoded_pem(&want, sent[i]->x509);
    bytes_puts(&want, "\r\n");
    spec.port = gateway_port(w->f->g, PASSTHROUGH);
    spec.alpn = "http/1.1";
    c = client_open(&spec);
    assert_int_equal(ask_h1(c, SPOOFS), 200);
    expect_seen(w, bytes_str(&want), 1);
    client_close(c);
    bytes_free(&want);
}

/* Whatever it is: nobody judges it here. */
static void
passthrough_hands_over_the_chain_as_it_was_sent(void **state)
{
    struct world *w = *state;
    struct pki_cert *strange_root = pki_root("Strange Root");
    struct pki_cert *strange_ca = pki_intermediate(strange_root, "Strange CA");
    struct pki_cert *stranger = pki_client(strange_ca, "stranger");
    const struct pki_cert *whole[] = {stranger, strange_ca, strange_root};
    const struct pki_cert *alone[] = {stranger};
    const struct pki_cert *mixed[] = {stranger, w->f->ca, strange_root, w->f->ca};

    expect_chain(w, &(struct client_spec){.cert = stranger}, whole, 2);
    expect_chain(w, &(struct client_spec){.cert = stranger, .leaf_only = true}, alone, 1);
    expect_chain(w, &(struct client_spec){.cert = stranger, .chain = whole + 1, .chain_count = 2},
                 whole, 3);
    expect_chain(w, &(struct client_spec){.cert = stranger, .chain = mixed + 1, .chain_count = 3},
                 mixed, 4);
    pki_free(stranger);
    pki_free(strange_ca);
    pki_free(strange_root);
}

static void
without_a_certificate_nothing_is_said(void **state)
{
    struct world *w = *state;
    struct client *c = front_open(w->f, PASSTHROUGH, NULL, "http/1.1");

    assert_int_equal(ask_h1(c, SPOOFS), 200);
    expect_seen(w, STR("\r\nHost: localhost\r\n"), 0);
    client_close(c);
}

/* ---- names of one's own ---- */

static void
rename_by_reload(struct world *w, const char *verify, const char *passthrough)
{
    front_var(w->f, "VERIFY_NAMES", verify);
    front_var(w->f, "PASSTHROUGH_NAMES", passthrough);
    gateway_set_yaml(w->f->g, config, w->f->vars);
    assert_int_equal(gateway_reload(w->f->g), GATEWAY_RELOADED);
}

/* The same connections before, during and after: each request carries the names of its time, and
 * what a client sends under either is dropped. */
static void
renaming_reaches_live_connections(void **state)
{
    struct world *w = *state;
    char *serial = serial_hex(w->f->alice);
    struct bytes before = five_lines(w->f->alice, serial, "CN=alice", default_names);
    struct bytes after = five_lines(w->f->alice, serial, "CN=alice", own_names);
    struct client *h1 = front_open(w->f, VERIFY, w->f->alice, "http/1.1");
    struct client *h2 = front_open(w->f, VERIFY, w->f->alice, "h2");
    uint32_t id = 1;

    assert_int_equal(h2_start(h2, STR("")), CLIENT_OK);
    for (int round = 0; round < 6; round++) {
        bool is_renamed = round % 2 == 1;
        struct str want = bytes_str(is_renamed ? &after : &before);
        struct client *fresh;

        rename_by_reload(w, is_renamed ? renamed : "", "");
        fresh = front_open(w->f, VERIFY, w->f->alice, "http/1.1");
        assert_int_equal(ask_h1(h1, is_renamed ? OWN_SPOOFS : SPOOFS), 200);
        expect_seen(w, want, is_renamed ? 0 : 5);
        assert_int_equal(ask_h1(fresh, is_renamed ? OWN_SPOOFS : SPOOFS), 200);
        expect_seen(w, want, is_renamed ? 0 : 5);
        if (is_renamed) {
            assert_int_equal(ask_h2(h2, id, true), 200);
            expect_seen(w, want, 0);
            id += 2;
        }
        client_close(fresh);
    }
    client_close(h1);
    client_close(h2);
    bytes_free(&before);
    bytes_free(&after);
    free(serial);
    rename_by_reload(w, "", "");
}

static void
renaming_reaches_live_connections_in_passthrough_mode(void **state)
{
    struct world *w = *state;
    struct client *c = front_open(w->f, PASSTHROUGH, w->f->alice, "http/1.1");
    struct bytes pem = {0};
    struct bytes want = {0};

    add_encoded_pem(&pem, w->f->alice->x509);
    add_encoded_pem(&pem, w->f->ca->x509);
    assert_int_equal(ask_h1(c, ""), 200);
    bytes_printf(&want, "\r\nX-Amzn-Mtls-Clientcert: %s\r\n", pem.ptr);
    expect_seen(w, bytes_str(&want), 1);
    rename_by_reload(w, "", NAME("", "X-Who"));
    assert_int_equal(ask_h1(c, "X-Who: evil\r\nX-Amzn-Mtls-Clientcert: evil\r\n"), 200);
    want.len = 0;
    bytes_printf(&want, "\r\nX-Who: %s\r\n", pem.ptr);
    expect_seen(w, bytes_str(&want), 0);
    rename_by_reload(w, "", "");
    assert_int_equal(ask_h1(c, "X-Amzn-Mtls-Clientcert: evil\r\n"), 200);
    want.len = 0;
    bytes_printf(&want, "\r\nX-Amzn-Mtls-Clientcert: %s\r\n", pem.ptr);
    expect_seen(w, bytes_str(&want), 1);
    client_close(c);
    bytes_free(&pem);
    bytes_free(&want);
}

/* ---- many at once ---- */

enum { STREAMS = 100, ROUNDS_PER_CONN = 10 };

/* One client with its own thread, which must not assert. */
struct talker {
    const struct world *w;
    const struct pki_cert *cert; /* NULL: none */
    const char *subject;         /* NULL: nobody may be named */
    int rounds;
    size_t answered;
    size_t crossed;
    char error[256];
    pthread_t thread;
};

static void
judge_answer(struct talker *t, const struct h2_response *r, const char *path)
{
    struct str body = bytes_str(&r->body);
    size_t named = count_text(body, "X-Amzn-Mtls-Clientcert-Subject");
    bool is_own = t->subject == NULL ? named == 0 && count_text(body, "X-Amzn-Mtls") == 0
                                     : named == 1 && count_text(body, t->subject) >= 1;

    t->answered += r->status == 200;
    if (r->status == 200 && (!is_own || count_text(body, path) < 1)) {
        t->crossed++;
        (void)snprintf(t->error, sizeof(t->error), "%s: %.*s", path, (int)size_min(body.len, 200),
                       body.ptr);
    }
}

static bool
talk_round(struct talker *t, struct client *c, int round)
{
    uint32_t first = (uint32_t)(round % ROUNDS_PER_CONN * STREAMS * 2 + 1);
    char path[64];

    for (uint32_t i = 0; i < STREAMS; i++) {
        (void)snprintf(path, sizeof(path), "/echo?who=%s&n=%d.%u!",
                       t->subject != NULL ? t->subject + 3 : "nobody", round, i);
        if (h2_get(c, first + 2 * i, "localhost", path) != CLIENT_OK)
            return false;
    }
    for (uint32_t i = 0; i < STREAMS; i++) {
        struct h2_response r = h2_response(c, first + 2 * i);

        (void)snprintf(path, sizeof(path), "who=%s&n=%d.%u!",
                       t->subject != NULL ? t->subject + 3 : "nobody", round, i);
        judge_answer(t, &r, path);
        h2_response_free(&r);
    }
    return true;
}

static void *
talk(void *arg)
{
    struct talker *t = arg;
    struct client *c = NULL;

    for (int round = 0; round < t->rounds; round++) {
        if (round % ROUNDS_PER_CONN == 0) {
            client_close(c);
            c = front_open(t->w->f, OPTIONAL, t->cert, "h2");
            (void)h2_start(c, STR(""));
            client_set_timeout(c, 20000);
        }
        if (!talk_round(t, c, round)) {
            (void)snprintf(t->error, sizeof(t->error), "round %d: %s", round, client_error(c));
            break;
        }
    }
    client_close(c);
    return NULL;
}

/* On one worker, over one pool of connections to the origin. */
static void
identities_never_cross(void **state)
{
    struct world *w = *state;
    int rounds = front_is_long() ? 5000 : 100;
    struct talker talkers[] = {
        {.w = w, .cert = w->f->alice, .subject = "CN=alice", .rounds = rounds},
        {.w = w, .cert = w->bob, .subject = "CN=bob", .rounds = rounds},
        {.w = w, .rounds = rounds / 4},
    };
    int64_t start = now_ms();
    size_t answered = 0;
    size_t crossed = 0;

    for (size_t i = 0; i < array_len(talkers); i++)
        assert_int_equal(pthread_create(&talkers[i].thread, NULL, talk, &talkers[i]), 0);
    for (size_t i = 0; i < array_len(talkers); i++) {
        (void)pthread_join(talkers[i].thread, NULL);
        if (talkers[i].error[0] != '\0')
            print_error("%s\n", talkers[i].error);
        answered += talkers[i].answered;
        crossed += talkers[i].crossed;
    }
    print_message("%zu responses of 3 clients in %lld ms, %zu with an identity not their own\n",
                  answered, (long long)(now_ms() - start), crossed);
    assert_int_equal(crossed, 0);
    assert_int_equal(answered, (size_t)(2 * rounds + rounds / 4) * STREAMS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_reach_the_origin_to_the_byte),
        cmocka_unit_test(a_long_name_reaches_the_origin_whole),
        cmocka_unit_test(serials_reach_the_origin_to_the_byte),
        cmocka_unit_test(passthrough_hands_over_the_chain_as_it_was_sent),
        cmocka_unit_test(without_a_certificate_nothing_is_said),
        cmocka_unit_test(renaming_reaches_live_connections),
        cmocka_unit_test(renaming_reaches_live_connections_in_passthrough_mode),
        cmocka_unit_test(identities_never_cross),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
