/* SPDX-License-Identifier: Apache-2.0
 *
 * mkpki: the certificates, keys and lists of the demo, the tests and the benchmark, as
 * files. Run by make and by hand; everything it knows about shapes is in support/pki.
 */
#include <errno.h>
#include <getopt.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "demo.h"
#include "support/pki.h"

enum { EXIT_USAGE = 2, NUMBER_MAX_DIGITS = 12, DAY_S = 86400 };

struct options {
    const char *ca;
    const char *ca_key;
    const char *out;
    const char *name;
    const char *names;
    const char *revoke; /* certificate file */
    uint64_t entries;
    uint64_t count;
    uint64_t number;
    uint64_t seed;
    uint64_t days;
    bool force;
    bool sorted;
    bool der;
};

static const char usage_text[] =
    "usage: mkpki demo DIR [--force]\n"
    "       mkpki ca --out DIR --name NAME [--ca CA.pem]\n"
    "       mkpki clients --ca CA.pem --count N --out DIR [--name PREFIX]\n"
    "       mkpki server --ca CA.pem --names HOST,HOST --out DIR [--name NAME]\n"
    "       mkpki crl --ca CA.pem --out FILE [--entries N] [--revoke CERT.pem] [--number N]\n"
    "                 [--days N] [--sorted] [--der] [--seed N]\n"
    "CA.key stands beside CA.pem unless --ca-key names it.\n";

static int
usage(void)
{
    fputs(usage_text, stderr);
    return EXIT_USAGE;
}

static uint64_t
number_of(const char *text)
{
    uint64_t value = 0;

    if (*text == '\0' || strlen(text) > NUMBER_MAX_DIGITS)
        die("\"%s\" is not a number", text);
    for (const char *at = text; *at; at++) {
        if (*at < '0' || *at > '9')
            die("\"%s\" is not a number", text);
        value = value * 10 + (uint64_t)(*at - '0');
    }
    return value;
}

static bool
option_use(struct options *o, int c, const char *value)
{
    switch (c) {
    case 'c':
        o->ca = value;
        return true;
    case 'k':
        o->ca_key = value;
        return true;
    case 'o':
        o->out = value;
        return true;
    case 'n':
        o->name = value;
        return true;
    case 'N':
        o->names = value;
        return true;
    case 'r':
        o->revoke = value;
        return true;
    case 'f':
        o->force = true;
        return true;
    case 'S':
        o->sorted = true;
        return true;
    case 'D':
        o->der = true;
        return true;
    default:
        return false;
    }
}

static bool
option_use_number(struct options *o, int c, const char *value)
{
    switch (c) {
    case 'e':
        o->entries = number_of(value);
        return true;
    case 'C':
        o->count = number_of(value);
        return true;
    case 'u':
        o->number = number_of(value);
        return true;
    case 's':
        o->seed = number_of(value);
        return true;
    case 'd':
        o->days = number_of(value);
        return true;
    default:
        return false;
    }
}

static bool
options_read(int argc, char **argv, struct options *o)
{
    static const struct option table[] = {
        {"ca", required_argument, NULL, 'c'},
        {"ca-key", required_argument, NULL, 'k'},
        {"out", required_argument, NULL, 'o'},
        {"name", required_argument, NULL, 'n'},
        {"names", required_argument, NULL, 'N'},
        {"revoke", required_argument, NULL, 'r'},
        {"entries", required_argument, NULL, 'e'},
        {"count", required_argument, NULL, 'C'},
        {"number", required_argument, NULL, 'u'},
        {"seed", required_argument, NULL, 's'},
        {"days", required_argument, NULL, 'd'},
        {"force", no_argument, NULL, 'f'},
        {"sorted", no_argument, NULL, 'S'},
        {"der", no_argument, NULL, 'D'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1)
        if (!option_use(o, c, optarg) && !option_use_number(o, c, optarg))
            return false;
    return true;
}

/* CA.pem with CA.key beside it. */
static struct pki_cert *
ca_load(const struct options *o)
{
    size_t stem = strlen(o->ca);
    char *beside;
    struct pki_cert *ca;

    if (stem > 4 && strcmp(o->ca + stem - 4, ".pem") == 0)
        stem -= 4;
    beside = xformat("%.*s.key", (int)stem, o->ca);
    ca = pki_load(o->ca, o->ca_key ? o->ca_key : beside);
    if (!ca)
        die("%s and %s are not a certificate and its key", o->ca, o->ca_key ? o->ca_key : beside);
    free(beside);
    return ca;
}

static void
out_dir(const char *dir)
{
    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        die("%s: %s", dir, strerror(errno));
}

static int
command_ca(const struct options *o)
{
    struct pki_cert *issuer = o->ca ? ca_load(o) : NULL;
    struct pki_cert *ca;

    if (!o->out || !o->name)
        return usage();
    out_dir(o->out);
    ca = pki_issue(&(struct pki_cert_spec){.role = PKI_CA, .cn = o->name}, issuer);
    pki_write_pair(o->out, o->name, ca);
    pki_free(ca);
    pki_free(issuer);
    return 0;
}

static int
command_clients(const struct options *o)
{
    struct pki_cert *ca;

    if (!o->ca || !o->out || o->count == 0)
        return usage();
    ca = ca_load(o);
    out_dir(o->out);
    for (uint64_t i = 0; i < o->count; i++) {
        char *name = xformat("%s%05llu", o->name ? o->name : "client", (unsigned long long)i);
        struct pki_cert *leaf = pki_client(ca, name);

        pki_write_pair(o->out, name, leaf);
        pki_free(leaf);
        free(name);
    }
    pki_free(ca);
    return 0;
}

static int
command_server(const struct options *o)
{
    struct pki_cert *ca;
    struct pki_cert *leaf;

    if (!o->ca || !o->out || !o->names)
        return usage();
    ca = ca_load(o);
    out_dir(o->out);
    leaf = pki_server(ca, o->names);
    pki_write_pair(o->out, o->name ? o->name : "server", leaf);
    pki_free(leaf);
    pki_free(ca);
    return 0;
}

/* Only the serial matters, so a key is not needed. */
static struct str
serial_from_file(const char *path, struct bytes *der)
{
    X509 *x = NULL;
    struct bytes pem = file_slurp(path);
    BIO *in = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    unsigned char *raw = NULL;
    int len;

    x = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    len = x ? i2d_ASN1_INTEGER(X509_get0_serialNumber(x), &raw) : 0;
    if (len < 3)
        die("%s: no certificate", path);
    bytes_add(der, raw + 2, (size_t)len - 2);
    OPENSSL_free(raw);
    X509_free(x);
    BIO_free(in);
    bytes_free(&pem);
    return bytes_str(der);
}

static int
command_crl(const struct options *o)
{
    struct bytes serial = {0};
    struct pki_crl_entry entry = {.reason = PKI_REASON_KEY_COMPROMISE};
    struct pki_crl_spec spec = {.synthetic_count = o->entries,
                                .synthetic_seed = o->seed,
                                .synthetic_sorted = o->sorted,
                                .number = o->number};
    struct pki_cert *ca;

    if (!o->ca || !o->out)
        return usage();
    ca = ca_load(o);
    if (o->revoke) {
        entry.serial = serial_from_file(o->revoke, &serial);
        spec.entries = &entry;
        spec.entry_count = 1;
    }
    if (o->days > 0)
        spec.next_update_s = wall_s() + (int64_t)o->days * DAY_S;
    pki_crl_write(o->out, !o->der, &spec, ca);
    bytes_free(&serial);
    pki_free(ca);
    return 0;
}

static int
command_demo(const struct options *o, const char *dir)
{
    if (demo_make(dir, o->force))
        printf("mkpki: made the demo certificates in %s\n", dir);
    return 0;
}

int
main(int argc, char **argv)
{
    struct options o = {0};
    const char *command = argc > 1 ? argv[1] : "";

    if (argc < 2 || !options_read(argc - 1, argv + 1, &o))
        return usage();
    if (strcmp(command, "demo") == 0 && optind + 1 == argc - 1)
        return command_demo(&o, argv[1 + optind]);
    if (optind != argc - 1)
        return usage();
    if (strcmp(command, "ca") == 0)
        return command_ca(&o);
    if (strcmp(command, "clients") == 0)
        return command_clients(&o);
    if (strcmp(command, "server") == 0)
        return command_server(&o);
    if (strcmp(command, "crl") == 0)
        return command_crl(&o);
    return usage();
}
