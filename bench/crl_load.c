/* SPDX-License-Identifier: Apache-2.0
 *
 * What a large revocation list costs: makes one of N entries (default 1,000,000), loads it as
 * the gateway does and prints one JSON object. No gateway, no network; single thread.
 *
 *   crl_load [entries] [sorted|random]
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/file.h"
#include "base/limits.h"
#include "cert/crl.h"
#include "cert/crl_index.h"
#include "cert/der.h"
#include "cert/pem.h"
#include "cert/trust.h"
#include "support/pki.h"

enum { ENTRIES_DEFAULT = 1000000, LOOKUPS = 1000000, PROBES = 4096, SEED = 7 };

static double
seconds_since(int64_t start_us)
{
    return (double)(now_us() - start_us) / 1e6;
}

/* Resident bytes of the process; peak when asked. */
static size_t
resident_bytes(bool peak)
{
    const char *key = peak ? "VmHWM:" : "VmRSS:";
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    size_t kib = 0;

    if (f == NULL)
        die("/proc/self/status cannot be read");
    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0)
            kib = strtoull(line + strlen(key), NULL, 10);
    }
    fclose(f);
    return kib * 1024;
}

/* Starts the peak anew, so that making the list does not count. */
static void
reset_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");

    if (f != NULL) {
        fputs("5", f);
        fclose(f);
    }
}

/* ---- the steps of a load, timed one by one ---- */

struct steps {
    struct str der; /* a copy */
    double decode_s, hash_s, walk_s, index_s;
    size_t index_bytes;
};

static int
keep_der(void *arg, struct str der, int line)
{
    struct steps *s = arg;
    char *copy = xmalloc(der.len);

    (void)line;
    memcpy(copy, der.ptr, der.len);
    s->der = str_make(copy, der.len);
    return 0;
}

static int
ignore_der(void *arg, struct str der, int line)
{
    (void)arg;
    (void)der;
    (void)line;
    return 0;
}

static void
time_decode(const char *path, struct steps *s)
{
    struct pem_input in = {.file = path, .label = "X509 CRL", .destroys_text = true};
    struct file file = {0};
    struct diag diag;
    int64_t start_us;

    diag_init(&diag);
    if (file_read(path, CRL_FILE_BYTES_MAX, FILE_PUBLIC, true, &diag, &file) != 0)
        die("%s cannot be read", path);
    in.text = str_make(file.bytes, file.len);
    in.destroys_text = false;
    if (pem_parse(&in, keep_der, s, &diag) != 0)
        die("%s cannot be decoded", path);
    in.destroys_text = true;
    start_us = now_us();
    if (pem_parse(&in, ignore_der, s, &diag) != 0)
        die("%s cannot be decoded in place", path);
    s->decode_s = seconds_since(start_us);
    file_done(&file);
    diag_done(&diag);
}

static void
time_hash(struct steps *s)
{
    uint8_t digest[32];
    int64_t start_us = now_us();

    if (EVP_Digest(s->der.ptr, s->der.len, digest, NULL, EVP_sha256(), NULL) != 1)
        die("no digest");
    s->hash_s = seconds_since(start_us);
}

/* The entries of the list, found as cert/crl finds them. */
static struct str
entries_of(struct str der)
{
    struct str certificate_list, tbs, entries = {0};
    struct der outer = der_open(der), list, in;
    struct der_item item;

    if (der_expect(&outer, DER_SEQUENCE, &certificate_list) != 0)
        die("no list");
    list = der_open(certificate_list);
    if (der_expect(&list, DER_SEQUENCE, &tbs) != 0)
        die("no list");
    in = der_open(tbs);
    for (int i = 0; i < 5; i++) {
        if (der_read(&in, &item) != 0)
            die("no list");
    }
    if (der_expect(&in, DER_SEQUENCE, &entries) != 0)
        die("no entries");
    return entries;
}

static void
time_index(struct steps *s)
{
    struct str entries = entries_of(s->der);
    struct crl_count count = {0};
    struct crl_index index;
    int64_t start_us = now_us();

    for (int pass = 0; pass < 2; pass++) {
        struct der list = der_open(entries);

        if (pass == 1 && crl_index_init(&index, &count) != 0)
            die("no memory");
        while (!der_at_end(&list)) {
            struct crl_serial serial;
            struct str entry, content;
            struct der_item time;
            struct der in;
            int64_t at_s;

            if (der_expect(&list, DER_SEQUENCE, &entry) != 0)
                die("no entry");
            in = der_open(entry);
            if (der_expect(&in, DER_INTEGER, &content) != 0)
                die("no serial");
            serial = crl_serial_from_content(content);
            if (pass == 0) {
                crl_index_count(&count, &serial);
                continue;
            }
            if (der_read(&in, &time) != 0 || der_time(time.tag, time.body, &at_s) != 0)
                die("no time");
            crl_index_add(&index, &serial, at_s, -1);
        }
    }
    s->walk_s = seconds_since(start_us);
    start_us = now_us();
    crl_index_seal(&index);
    s->index_s = seconds_since(start_us);
    s->index_bytes = crl_index_bytes(&index);
    crl_index_done(&index);
}

/* ---- lookups ---- */

static double
time_lookups(const struct crl *crl, uint64_t entries, bool is_sorted, bool listed)
{
    uint8_t(*probes)[PKI_SYNTHETIC_SERIAL_BYTES] = xmalloc(PROBES * sizeof(*probes));
    size_t hits = 0;
    int64_t start_us;
    double seconds;

    for (size_t i = 0; i < PROBES; i++) {
        pki_synthetic_serial(SEED, is_sorted, (i * 2654435761u) % entries, probes[i]);
        if (!listed)
            probes[i][8] ^= 0x55;
    }
    start_us = now_us();
    for (size_t i = 0; i < LOOKUPS; i++)
        hits += crl_contains(crl, str_make(probes[i % PROBES], PKI_SYNTHETIC_SERIAL_BYTES));
    seconds = seconds_since(start_us);
    if (hits != (listed ? LOOKUPS : 0))
        die("%zu hits of %d lookups", hits, LOOKUPS);
    free(probes);
    return seconds * 1e9 / LOOKUPS;
}

int
main(int argc, char **argv)
{
    uint64_t entries = argc > 1 ? strtoull(argv[1], NULL, 10) : ENTRIES_DEFAULT;
    bool is_sorted = argc > 2 && strcmp(argv[2], "sorted") == 0;
    char *dir = dir_temp("crl_load");
    char *ca_path = xformat("%s/ca.pem", dir), *crl_path = xformat("%s/ca.crl.pem", dir);
    struct pki_cert *ca = pki_root("Bench CA");
    struct pki_crl_spec spec = {
        .synthetic_count = entries, .synthetic_seed = SEED, .synthetic_sorted = is_sorted};
    const char *const paths[] = {crl_path};
    struct trust_source src = {.name = "bench",
                               .ca_bundle = ca_path,
                               .crl_paths = paths,
                               .crl_path_count = 1,
                               .max_chain_depth = 4};
    struct trust *trust, *again;
    struct steps steps = {0};
    size_t before, after, peak;
    double load_s, reload_s;
    int64_t start_us;
    struct diag diag;

    pki_write_certs(ca_path, ca, NULL);
    pki_crl_write(crl_path, true, &spec, ca);
    diag_init(&diag);
    time_decode(crl_path, &steps);
    time_hash(&steps);
    time_index(&steps);
    free((void *)(uintptr_t)steps.der.ptr);

    reset_peak();
    before = resident_bytes(false);
    start_us = now_us();
    if (trust_build(&src, NULL, wall_s(), &diag, &trust) != 0) {
        diag_print(&diag, stderr);
        die("the list was refused");
    }
    load_s = seconds_since(start_us);
    after = resident_bytes(false);
    peak = resident_bytes(true);
    start_us = now_us();
    if (trust_build(&src, trust, wall_s(), &diag, &again) != 0)
        die("the unchanged list was refused");
    reload_s = seconds_since(start_us);

    printf("{\"entries\": %llu, \"sorted\": %s, \"load_seconds\": %.3f, "
           "\"reload_unchanged_seconds\": %.3f, \"pem_decode_seconds\": %.3f, "
           "\"sha256_seconds\": %.3f, \"der_walk_seconds\": %.3f, \"sort_seconds\": %.3f, "
           "\"list_bytes\": %zu, \"index_bytes\": %zu, \"bytes_per_entry\": %.2f, "
           "\"resident_growth_bytes\": %zd, \"peak_growth_bytes\": %zd, "
           "\"lookup_listed_ns\": %.0f, \"lookup_unlisted_ns\": %.0f}\n",
           (unsigned long long)entries, is_sorted ? "true" : "false", load_s, reload_s,
           steps.decode_s, steps.hash_s, steps.walk_s, steps.index_s,
           crl_bytes(trust_crl(trust, 0)), steps.index_bytes,
           (double)steps.index_bytes / (double)(entries > 0 ? entries : 1),
           (ssize_t)(after - before), (ssize_t)(peak - before),
           time_lookups(trust_crl(trust, 0), entries, is_sorted, true),
           time_lookups(trust_crl(trust, 0), entries, is_sorted, false));

    trust_unref(again);
    trust_unref(trust);
    diag_done(&diag);
    pki_free(ca);
    dir_remove(dir);
    free(ca_path);
    free(crl_path);
    free(dir);
    return 0;
}
