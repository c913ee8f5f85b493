/* SPDX-License-Identifier: Apache-2.0
 *
 * Our lists beside OpenSSL's own: random lists, complete and in parts, with every reason and
 * every age, and for each the question whether a certificate is revoked. Rows say where both
 * differ and why; each row must be needed.
 */
#include "support/pki.h"
#include "unit/trust_files.h"

#include <openssl/x509_vfy.h>

enum { CASES = 1200, CLIENTS = 6, LISTS_MAX = 3 };

static uint64_t random_state = 0x5a11b0a7;

static unsigned
pick(unsigned below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 11) % below);
}

/* What one random case is made of. */
struct kase {
    struct pki_crl_entry entries[LISTS_MAX][CLIENTS];
    struct pki_idp idp[LISTS_MAX];
    struct pki_crl_spec specs[LISTS_MAX];
    size_t count;
    bool is_on_any[CLIENTS];
    bool is_removed[CLIENTS]; /* listed as removeFromCRL, in one list or more */
    bool is_listed[CLIENTS];  /* otherwise, in a list that does not cover clients */
};

struct world {
    struct fixture *f;
    struct pki_cert *clients[CLIENTS];
};

/* A part per list: everything, users only, CAs only. */
static void
random_list(const struct world *w, struct kase *k)
{
    size_t at = k->count++;
    struct pki_crl_spec *spec = &k->specs[at];

    *spec = (struct pki_crl_spec){.entries = k->entries[at],
                                  .number = 1 + pick(200),
                                  .this_update_s = w->f->now_s - 1000,
                                  .time_form = pick(2) == 0 ? PKI_TIME_UTC : PKI_TIME_GENERALIZED};
    spec->next_update_s = w->f->now_s + (pick(5) == 0 ? -10 : 1000);
    k->idp[at] = (struct pki_idp){.only_users = at == 1, .only_cas = at == 2};
    if (at > 0)
        spec->idp = &k->idp[at];
    for (int i = 0; i < CLIENTS; i++) {
        struct pki_crl_entry *e = &k->entries[at][spec->entry_count];

        if (pick(4) > 0)
            continue;
        *e = (struct pki_crl_entry){.cert = w->clients[i],
                                    .reason = (enum pki_reason)pick(PKI_REASON_AA_COMPROMISE + 1),
                                    .invalidity_date = pick(3) == 0};
        if (e->reason == 8) /* not assigned */
            e->reason = PKI_REASON_NONE;
        spec->entry_count++;
        k->is_on_any[i] = true;
        k->is_removed[i] |= e->reason == PKI_REASON_REMOVE_FROM_CRL;
        k->is_listed[i] |= e->reason != PKI_REASON_REMOVE_FROM_CRL && at == 2;
    }
}

static void
random_case(const struct world *w, struct kase *k)
{
    memset(k, 0, sizeof(*k));
    for (size_t i = 0; i < LISTS_MAX; i++) {
        if (pick(2) == 0)
            random_list(w, k);
        else
            k->count = i + 1; /* the place stays empty */
    }
}

static X509_STORE *
oracle_new(const struct world *w)
{
    X509_STORE *store = X509_STORE_new();
    X509_VERIFY_PARAM *param = X509_STORE_get0_param(store);

    assert_int_equal(X509_STORE_add_cert(store, w->f->ca->x509), 1);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_CRL_CHECK |
                                           X509_V_FLAG_EXTENDED_CRL_SUPPORT);
    X509_VERIFY_PARAM_set_time(param, (time_t)w->f->now_s);
    return store;
}

/* Writes the lists for us and adds them to the oracle's store. */
static void
give_lists(const struct world *w, const struct kase *k, X509_STORE *store)
{
    struct fixture *f = w->f;

    while (f->src.crl_path_count > 0)
        free((void *)(uintptr_t)f->paths[--f->src.crl_path_count]);
    f->src.crls_configured = true;
    for (size_t i = 0; i < k->count; i++) {
        struct bytes der;
        const uint8_t *p;
        X509_CRL *crl;
        char name[32];

        if (k->specs[i].number == 0)
            continue;
        der = pki_crl_der(&k->specs[i], f->ca);
        p = (const uint8_t *)der.ptr;
        crl = d2i_X509_CRL(NULL, &p, (long)der.len);
        assert_non_null(crl);
        assert_int_equal(X509_STORE_add_crl(store, crl), 1);
        X509_CRL_free(crl);
        (void)snprintf(name, sizeof(name), "%zu.crl", i);
        f->paths[f->src.crl_path_count++] = unit_write_file(f->dir, name, bytes_str(&der));
        bytes_free(&der);
    }
}

static int
ask_oracle(X509_STORE *store, X509 *cert)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int error = X509_V_OK;

    assert_int_equal(X509_STORE_CTX_init(ctx, store, cert, NULL), 1);
    if (X509_verify_cert(ctx) != 1)
        error = X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return error;
}

static int
state_of(int error)
{
    switch (error) {
    case X509_V_OK:
        return REVOCATION_GOOD;
    case X509_V_ERR_CERT_REVOKED:
        return REVOCATION_HIT;
    case X509_V_ERR_CRL_HAS_EXPIRED:
        return REVOCATION_EXPIRED;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
        return REVOCATION_MISSING;
    default:
        return -1;
    }
}

static const char *const why[] = {
    "removeFromCRL in a complete list is no way back in",
    "what is listed is revoked, whatever the list is said to cover",
    "of an old list and a current one the serial in the old one still counts",
};
static unsigned needed[array_len(why)];

/* Ours is never the better word, and worse only for a reason. */
static bool
is_explained(const struct kase *k, int client, int oracle, int ours)
{
    if (ours != REVOCATION_HIT)
        return false;
    if (k->is_removed[client])
        needed[0]++;
    else if (k->is_listed[client])
        needed[1]++;
    else if (oracle == REVOCATION_GOOD || oracle == REVOCATION_EXPIRED)
        needed[2]++;
    else
        return false;
    return true;
}

static void
run_case(const struct world *w, unsigned n, unsigned seen[4])
{
    X509_STORE *store = oracle_new(w);
    struct trust *before, *t;
    struct kase k;

    random_case(w, &k);
    give_lists(w, &k, store);
    w->f->now_s -= 500; /* loaded while all were current */
    before = build(w->f, NULL);
    w->f->now_s += 500;
    t = build(w->f, before);
    for (int i = 0; i < CLIENTS; i++) {
        int oracle = state_of(ask_oracle(store, w->clients[i]->x509));
        int ours = (int)ask(w->f, t, w->clients[i]).state;

        assert_int_equal(ours == REVOCATION_HIT, k.is_on_any[i]);
        if (oracle != ours && !is_explained(&k, i, oracle, ours))
            fail_msg("case %u, client %d: the oracle says %d, we say %d", n, i, oracle, ours);
        seen[ours]++;
    }
    trust_unref(t);
    trust_unref(before);
    X509_STORE_free(store);
}

static void
random_lists_say_what_openssl_says(void **state)
{
    static const struct str serials[CLIENTS] = {
        STR_INIT("\x01"),
        STR_INIT("\x00\xff"),
        STR_INIT("\x80"),
        STR_INIT("\x7f\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34\x56\x78\x9a\xbc\xde\xf0"),
        STR_INIT("\x00\xf2\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34\x56\x78\x9a\xbc\xde\xf0"),
        STR_INIT("\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34\x56"),
    };
    struct world w = {.f = *state};
    unsigned seen[4] = {0};

    for (int i = 0; i < CLIENTS; i++) {
        struct pki_cert_spec spec = {.cn = "client", .serial = serials[i]};

        w.clients[i] = pki_issue(&spec, w.f->ca);
    }
    for (unsigned n = 0; n < CASES; n++)
        run_case(&w, n, seen);
    printf("%d answers: good %u, revoked %u, no list %u, expired %u\n", CASES * CLIENTS,
           seen[REVOCATION_GOOD], seen[REVOCATION_HIT], seen[REVOCATION_MISSING],
           seen[REVOCATION_EXPIRED]);
    for (size_t i = 0; i < array_len(why); i++) {
        printf("%5u %s\n", needed[i], why[i]);
        assert_true(needed[i] > 0);
    }
    for (size_t i = 0; i < array_len(seen); i++)
        assert_true(seen[i] > CASES / 20);
    for (int i = 0; i < CLIENTS; i++)
        pki_free(w.clients[i]);
}

#define with_files(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_files(random_lists_say_what_openssl_says),
    };

    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
