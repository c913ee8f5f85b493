/* SPDX-License-Identifier: Apache-2.0
 *
 * The judge beside an oracle: thousands of certificates and paths of random shape go to
 * verify_chain and to X509_verify_cert with the same anchors, the same time and nothing of our
 * own. Where both do not say the same a row of the table says why; a row that nothing needed is
 * as wrong as a disagreement without a row. Nobody is admitted whom the oracle refuses, but for the
 * last second of a certificate.
 */
#include "support/pki.h"
#include "unit/verify_store.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <time.h>

enum { CASES = 5000, SENT_MAX = 7 };

/* The same shapes on every run. */
static uint64_t random_state;

static unsigned
pick(unsigned below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 11) % below);
}

/* ---- authorities ---- */

enum issuer {
    OF_ROOT,
    OF_INTERMEDIATE,
    OF_ANCHORED, /* an intermediate that is in the bundle */
    OF_SECOND,
    OF_THIRD,
    OF_FOURTH,
    OF_CROSSED, /* certified by the root and by a foreign one */
    OF_LOOP,    /* two that certify each other, and nobody else */
    OF_EXIT,    /* the same, and the root certifies one of them */
    OF_BELOW_SHORT,
    OF_EXPIRED,
    OF_FUTURE,
    OF_NO_SIGNER, /* keyUsage without keyCertSign */
    OF_LEAF,      /* CA:FALSE */
    OF_NO_BASIC,
    OF_V1,
    OF_CONSTRAINED, /* DNS names below .example only */
    OF_EXCLUDED,    /* all but those */
    OF_SERVERS,     /* extendedKeyUsage serverAuth */
    OF_WEAK_KEY,
    OF_WEAK_RSA,
    OF_ODD_CURVE,
    OF_SHA1,
    OF_SHA224,
    OF_CRITICAL,
    OF_TWIN, /* the root's name with another key */
    OF_FOREIGN,
    ISSUERS
};

/* Who issued, and what a client has to send to show the way to the root. */
struct way {
    struct pki_cert *issuer;
    struct pki_cert *sent[4];
    size_t count;
};

struct world {
    struct fixture f;
    struct way ways[ISSUERS];
    struct pki_cert *made[64];
    size_t made_count;
    X509_STORE *oracle;
};

static struct pki_cert *
keep(struct world *w, struct pki_cert *c)
{
    assert_non_null(c);
    assert_true(w->made_count < array_len(w->made));
    w->made[w->made_count++] = c;
    return c;
}

static struct pki_cert *
certify(struct world *w, struct pki_cert_spec spec, const struct pki_cert *issuer)
{
    if (spec.role != PKI_CLIENT || spec.cn == NULL)
        spec.role = PKI_CA;
    return keep(w, pki_issue(&spec, issuer));
}

static void
way_add(struct way *way, struct pki_cert *cert)
{
    assert_true(way->count < array_len(way->sent));
    way->sent[way->count++] = cert;
}

static void
one_step(struct world *w, enum issuer i, struct pki_cert_spec spec)
{
    spec.role = PKI_CA;
    w->ways[i].issuer = certify(w, spec, w->f.root);
    way_add(&w->ways[i], w->ways[i].issuer);
}

static void
make_steps(struct world *w)
{
    static const enum issuer order[] = {OF_INTERMEDIATE, OF_SECOND, OF_THIRD, OF_FOURTH};
    static const char *const cns[] = {"First", "Second", "Third", "Fourth"};
    struct pki_cert *above = w->f.root;

    w->ways[OF_ROOT].issuer = w->f.root;
    w->ways[OF_ANCHORED].issuer = w->f.ca;
    for (size_t i = 0; i < array_len(order); i++) {
        struct way *way = &w->ways[order[i]];

        if (i > 0)
            *way = w->ways[order[i - 1]];
        way->issuer = certify(w, (struct pki_cert_spec){.role = PKI_CA, .cn = cns[i]}, above);
        way_add(way, way->issuer);
        above = way->issuer;
    }
}

/* a certified by b and b by a; both stand in for themselves until the other is there. */
static void
make_loop(struct world *w, enum issuer i, const char *a_cn, const char *b_cn)
{
    struct pki_cert *b0 = certify(w, (struct pki_cert_spec){.role = PKI_CA, .cn = b_cn}, NULL);
    struct pki_cert *a = certify(w, (struct pki_cert_spec){.role = PKI_CA, .cn = a_cn}, b0);
    struct pki_cert *b =
        certify(w, (struct pki_cert_spec){.role = PKI_CA, .cn = b_cn, .key = b0->key}, a);

    w->ways[i].issuer = a;
    way_add(&w->ways[i], a);
    way_add(&w->ways[i], b);
    if (i == OF_EXIT)
        way_add(&w->ways[i],
                certify(w, (struct pki_cert_spec){.role = PKI_CA, .cn = b_cn, .key = b0->key},
                        w->f.root));
}

static void
make_crossed(struct world *w)
{
    struct pki_cert *ours =
        certify(w, (struct pki_cert_spec){.role = PKI_CA, .cn = "Crossed"}, w->f.root);

    w->ways[OF_CROSSED].issuer = ours;
    way_add(&w->ways[OF_CROSSED],
            certify(w, (struct pki_cert_spec){.role = PKI_CA, .cn = "Crossed", .key = ours->key},
                    w->f.foreign_root));
    way_add(&w->ways[OF_CROSSED], w->f.foreign_root);
    way_add(&w->ways[OF_CROSSED], ours);
}

static void
make_foreign(struct world *w)
{
    struct way *twin = &w->ways[OF_TWIN], *foreign = &w->ways[OF_FOREIGN];

    twin->issuer = certify(w, (struct pki_cert_spec){.role = PKI_CA, .cn = "Test Root"}, NULL);
    way_add(twin, twin->issuer);
    foreign->issuer = w->f.foreign_ca;
    way_add(foreign, w->f.foreign_ca);
    way_add(foreign, w->f.foreign_root);
}

static void
make_ways(struct world *w)
{
    int64_t now_s = w->f.now_s;
    struct pki_cert *limited;

    make_steps(w);
    make_crossed(w);
    make_loop(w, OF_LOOP, "Loop A", "Loop B");
    make_loop(w, OF_EXIT, "Exit A", "Exit B");
    make_foreign(w);
    one_step(w, OF_BELOW_SHORT, (struct pki_cert_spec){.cn = "Short", .pathlen = PKI_PATHLEN(0)});
    limited = w->ways[OF_BELOW_SHORT].issuer;
    w->ways[OF_BELOW_SHORT].issuer =
        certify(w, (struct pki_cert_spec){.role = PKI_CA, .cn = "Below"}, limited);
    way_add(&w->ways[OF_BELOW_SHORT], w->ways[OF_BELOW_SHORT].issuer);
    one_step(w, OF_EXPIRED,
             (struct pki_cert_spec){
                 .cn = "Old", .not_before_s = now_s - 9 * DAY, .not_after_s = now_s - DAY});
    one_step(w, OF_FUTURE, (struct pki_cert_spec){.cn = "Young", .not_before_s = now_s + DAY});
    one_step(w, OF_NO_SIGNER, (struct pki_cert_spec){.cn = "No Signer", .ku = "cRLSign"});
    one_step(w, OF_LEAF, (struct pki_cert_spec){.cn = "No CA", .basic = PKI_BASIC_EE});
    one_step(w, OF_NO_BASIC, (struct pki_cert_spec){.cn = "Plain", .basic = PKI_BASIC_NONE});
    one_step(w, OF_V1, (struct pki_cert_spec){.cn = "Version 1", .version = 1});
    one_step(
        w, OF_CONSTRAINED,
        (struct pki_cert_spec){.cn = "Constrained", .name_constraints = "permitted;DNS:example"});
    one_step(w, OF_EXCLUDED,
             (struct pki_cert_spec){.cn = "Excluding", .name_constraints = "excluded;DNS:example"});
    one_step(w, OF_SERVERS, (struct pki_cert_spec){.cn = "Servers", .eku = "serverAuth"});
    one_step(w, OF_WEAK_KEY, (struct pki_cert_spec){.cn = "Weak", .key_kind = PKI_P224});
    one_step(w, OF_WEAK_RSA, (struct pki_cert_spec){.cn = "Weak RSA", .key_kind = PKI_RSA1024});
    one_step(w, OF_ODD_CURVE, (struct pki_cert_spec){.cn = "Odd", .key_kind = PKI_SECP256K1});
    one_step(w, OF_SHA1, (struct pki_cert_spec){.cn = "Sha", .digest = "SHA1"});
    one_step(w, OF_SHA224, (struct pki_cert_spec){.cn = "Sha 2", .digest = "SHA224"});
    one_step(w, OF_CRITICAL,
             (struct pki_cert_spec){.cn = "Critical", .unknown_critical_ext = true});
}

/* ---- the oracle ---- */

static X509_STORE *
oracle_new(const struct world *w)
{
    X509_STORE *store = X509_STORE_new();
    X509_VERIFY_PARAM *param = X509_STORE_get0_param(store);

    assert_int_equal(X509_STORE_add_cert(store, w->f.root->x509), 1);
    assert_int_equal(X509_STORE_add_cert(store, w->f.ca->x509), 1);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
    X509_VERIFY_PARAM_set_auth_level(param, 2);
    assert_int_equal(X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT), 1);
    X509_VERIFY_PARAM_set_time(param, (time_t)w->f.now_s);
    return store;
}

/* What it says about one case. */
struct saying {
    int error; /* X509_V_OK */
    int count; /* of the path down to its first anchor */
    X509 *path[16];
};

static void
ask_oracle(const struct world *w, X509 *leaf, STACK_OF(X509) * sent, struct saying *ret)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) * path;
    bool is_down = false;

    assert_int_equal(X509_STORE_CTX_init(ctx, w->oracle, leaf, sent), 1);
    *ret = (struct saying){.error = X509_V_OK};
    if (X509_verify_cert(ctx) != 1)
        ret->error = X509_STORE_CTX_get_error(ctx);
    path = X509_STORE_CTX_get0_chain(ctx);
    for (int i = 0; i < sk_X509_num(path) && !is_down && i < (int)array_len(ret->path); i++) {
        X509 *cert = sk_X509_value(path, i);

        ret->path[ret->count++] = cert; /* lives in the world or in the case */
        is_down = X509_cmp(cert, w->f.root->x509) == 0 || X509_cmp(cert, w->f.ca->x509) == 0;
    }
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
}

/* ---- why the judge refuses whom the oracle admits ---- */

struct explanation {
    enum reason reason;
    bool (*holds)(const struct saying *s);
    const char *why;
};

static bool
has_old_version(const struct saying *s)
{
    for (int i = 0; i + 1 < s->count; i++) {
        if (X509_get_version(s->path[i]) != X509_VERSION_3)
            return true;
    }
    return false;
}

static bool
is_allowed_key(X509 *cert)
{
    EVP_PKEY *key = X509_get0_pubkey(cert);
    char group[64] = "";
    size_t len;

    if (EVP_PKEY_is_a(key, "RSA"))
        return EVP_PKEY_get_bits(key) >= 2048 && EVP_PKEY_get_bits(key) <= 8192;
    if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof(group), &len) != 1)
        return false;
    return strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0 ||
           strcmp(group, "secp521r1") == 0;
}

static bool
has_other_key(const struct saying *s)
{
    for (int i = 0; i + 1 < s->count; i++) {
        if (!is_allowed_key(s->path[i]))
            return true;
    }
    return false;
}

static bool
has_other_digest(const struct saying *s)
{
    for (int i = 0; i + 1 < s->count; i++) {
        int md;

        if (X509_get_signature_info(s->path[i], &md, NULL, NULL, NULL) != 1 ||
            (md != NID_sha256 && md != NID_sha384 && md != NID_sha512))
            return true;
    }
    return false;
}

static bool
is_authority(const struct saying *s)
{
    return (X509_get_extension_flags(s->path[0]) & EXFLAG_CA) != 0;
}

static bool
lacks_digital_signature(const struct saying *s)
{
    return (X509_get_key_usage(s->path[0]) & X509v3_KU_DIGITAL_SIGNATURE) == 0;
}

static bool
is_long(const struct saying *s)
{
    return s->count > CHAIN_DEPTH_DEFAULT;
}

static const struct explanation explanations[] = {
    {REASON_TYPE_UNSUPPORTED, has_old_version, "ALB takes X.509 version 3 only"},
    {REASON_TYPE_UNSUPPORTED, has_other_key, "ALB takes RSA of 2048 bits on and three curves only"},
    {REASON_INCOMPATIBLE, has_other_digest, "SHA-224 passes the oracle's level 2"},
    {REASON_PURPOSE_INVALID, is_authority, "an authority is no client"},
    {REASON_PURPOSE_INVALID, lacks_digital_signature,
     "keyAgreement is enough for the oracle, but TLS 1.3 clients sign"},
    {REASON_MAX_CHAIN_DEPTH, is_long, "max_chain_depth counts every certificate"},
};

static unsigned needed[array_len(explanations)];

/* RFC 5280 4.1.2.5: notAfter is the last second; the oracle ends one earlier. */
static bool
is_last_second(const struct world *w, const struct saying *s)
{
    bool is_last = false;

    for (int i = 0; i < s->count; i++) {
        time_t now_s = (time_t)w->f.now_s, before_s = now_s - 1;

        if (X509_cmp_time(X509_get0_notAfter(s->path[i]), &before_s) < 0)
            return false;
        is_last |= X509_cmp_time(X509_get0_notAfter(s->path[i]), &now_s) < 0;
    }
    return s->error == X509_V_ERR_CERT_HAS_EXPIRED && is_last;
}

static bool
is_explained(const struct saying *s, enum reason reason)
{
    bool is_found = false;

    for (size_t i = 0; i < array_len(explanations); i++) {
        if (explanations[i].reason != reason || !explanations[i].holds(s))
            continue;
        needed[i]++;
        is_found = true;
    }
    return is_found;
}

/* ---- one case ---- */

struct kase {
    struct pki_cert_spec spec;
    enum issuer from;
    const struct pki_cert *issuer;
    struct pki_san san;
    X509 *sent[SENT_MAX];
    size_t sent_count;
    unsigned oddities;
    unsigned number;
    bool has_gap;
};

static void
random_dates(struct kase *k, int64_t now_s)
{
    static const int64_t before[] = {0, 1, -1, -DAY, -5000 * DAY, DAY};
    static const int64_t after[] = {0, 1, -1, -DAY, DAY, 20000 * DAY};

    k->spec.not_before_s = now_s - 2 * DAY;
    if (pick(2) == 0)
        k->spec.not_before_s = now_s + before[pick(array_len(before))];
    else
        k->spec.not_after_s = now_s + after[pick(array_len(after))];
    k->oddities++;
}

static void
random_usage(struct kase *k)
{
    static const char *const ekus[] = {PKI_NONE,
                                       "serverAuth",
                                       "clientAuth,serverAuth",
                                       "anyExtendedKeyUsage",
                                       "1.3.6.1.5.5.7.3.9",
                                       "codeSigning"};
    static const char *const kus[] = {PKI_NONE,
                                      "keyAgreement",
                                      "keyEncipherment",
                                      "keyCertSign",
                                      "cRLSign",
                                      "nonRepudiation",
                                      "digitalSignature,keyEncipherment"};

    if (pick(2) == 0)
        k->spec.eku = ekus[pick(array_len(ekus))];
    else
        k->spec.ku = kus[pick(array_len(kus))];
    k->oddities++;
}

static void
random_crypto(struct kase *k)
{
    static const enum pki_key_kind keys[] = {PKI_P384,        PKI_P521,    PKI_P224,
                                             PKI_SECP256K1,   PKI_RSA1024, PKI_RSA2048,
                                             PKI_RSA_PSS2048, PKI_ED25519, PKI_P256_EXPLICIT};
    static const char *const digests[] = {"SHA1", "SHA224", "SHA384", "SHA512"};

    if (pick(3) > 0)
        k->spec.key_kind = keys[pick(array_len(keys))];
    else
        k->spec.digest = digests[pick(array_len(digests))];
    k->oddities++;
}

static void
random_shape(struct kase *k)
{
    static const enum pki_basic basics[] = {PKI_BASIC_NONE, PKI_BASIC_CA, PKI_BASIC_EE,
                                            PKI_BASIC_CA_NOT_CRITICAL};

    switch (pick(7)) {
    case 0:
        k->spec.basic = basics[pick(array_len(basics))];
        break;
    case 1:
        k->spec.version = 1 + (int)pick(2);
        break;
    case 2:
        k->spec.unknown_critical_ext = true;
        break;
    case 3:
        k->spec.wrong_aki = true;
        break;
    case 4:
        k->spec.corrupt_signature = true;
        break;
    case 5:
        k->spec.no_ski = true;
        k->spec.no_aki = pick(2) == 0;
        break;
    default:
        k->spec.pathlen = PKI_PATHLEN((int)pick(2));
        break;
    }
    k->oddities++;
}

static void
random_san(struct kase *k)
{
    static const struct pki_san sans[] = {
        {PKI_SAN_DNS, STR_INIT("a.example")},   {PKI_SAN_DNS, STR_INIT("a.test")},
        {PKI_SAN_DNS, STR_INIT("example")},     {PKI_SAN_DNS, STR_INIT("*.example")},
        {PKI_SAN_EMAIL, STR_INIT("a@example")}, {PKI_SAN_URI, STR_INIT("spiffe://example/a")}};

    k->san = sans[pick(array_len(sans))];
    k->spec.sans = &k->san;
    k->spec.san_count = 1;
}

/* Mostly what is needed, in any order, with gaps, repetitions and things that do not belong. */
static void
random_sent(const struct world *w, struct kase *k)
{
    const struct way *way = &w->ways[k->from];

    for (size_t i = 0; i < way->count; i++) {
        if (pick(12) > 0)
            k->sent[k->sent_count++] = way->sent[i]->x509;
        else
            k->has_gap = true;
        if (pick(10) == 0 && k->sent_count < SENT_MAX)
            k->sent[k->sent_count++] = way->sent[i]->x509;
    }
    while (pick(3) == 0 && k->sent_count < SENT_MAX)
        k->sent[k->sent_count++] = w->made[pick((unsigned)w->made_count)]->x509;
    for (size_t i = k->sent_count; i > 1; i--) {
        size_t j = pick((unsigned)i);
        X509 *held = k->sent[i - 1];

        k->sent[i - 1] = k->sent[j];
        k->sent[j] = held;
    }
}

static void
random_case(const struct world *w, struct kase *k)
{
    *k = (struct kase){.spec = {.cn = "alice"}};
    k->from = pick(3) == 0 ? OF_INTERMEDIATE : (enum issuer)pick(ISSUERS);
    k->issuer = w->ways[k->from].issuer;
    if (pick(3) == 0)
        random_san(k);
    if (pick(5) == 0)
        random_dates(k, w->f.now_s);
    if (pick(4) == 0)
        random_usage(k);
    if (pick(5) == 0)
        random_crypto(k);
    if (pick(4) == 0)
        random_shape(k);
    random_sent(w, k);
}

/* ---- the comparison ---- */

struct tally {
    unsigned both_admit, both_refuse, only_oracle_admits, last_second, unreadable, same_reason;
};

/* Where the oracle's first error leaves no choice. */
static enum reason
reason_of(int error)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return REASON_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return REASON_NOT_YET_VALID;
    case X509_V_ERR_INVALID_PURPOSE:
        return REASON_PURPOSE_INVALID;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_EC_KEY_EXPLICIT_PARAMS:
        return REASON_TYPE_UNSUPPORTED;
    case X509_V_ERR_CA_MD_TOO_WEAK:
        return REASON_INCOMPATIBLE;
    default:
        return REASON_UNTRUSTED;
    }
}

static void
fail_case(const struct kase *k, unsigned n, const struct saying *s, const struct verdict *v)
{
    fail_msg("case %u, issuer %d, %zu sent: the oracle says \"%s\" (%d certificates), the judge %s "
             "(%s)",
             n, k->from, k->sent_count, X509_verify_cert_error_string(s->error), s->count,
             reason_token(v->reason), v->detail);
}

/* A plain certificate of an odd issuer, or an odd one of a plain issuer, has one fault. */
static bool
has_one_fault(const struct kase *k)
{
    unsigned faults = k->oddities + k->has_gap + (k->from != OF_INTERMEDIATE);

    return faults == 1;
}

static void
compare(const struct world *w, const struct kase *k, const struct saying *s,
        const struct verdict *v, struct tally *t)
{
    unsigned n = k->number;

    if (s->error == X509_V_OK && v->is_admitted) {
        t->both_admit++;
        if (s->count != v->chain_count)
            fail_case(k, n, s, v);
    } else if (s->error == X509_V_OK) {
        t->only_oracle_admits++;
        if (!is_explained(s, v->reason))
            fail_case(k, n, s, v);
    } else if (v->is_admitted) {
        t->last_second++;
        if (!is_last_second(w, s))
            fail_case(k, n, s, v);
    } else {
        t->both_refuse++;
        assert_int_not_equal(v->reason, REASON_UNMAPPED);
        if (has_one_fault(k) && s->count <= CHAIN_DEPTH_DEFAULT) {
            t->same_reason += v->reason == reason_of(s->error);
            if (v->reason != reason_of(s->error) && v->reason != REASON_TYPE_UNSUPPORTED &&
                v->reason != REASON_INCOMPATIBLE)
                fail_case(k, n, s, v);
        }
    }
}

static void
run_case(const struct world *w, unsigned n, struct tally *t)
{
    STACK_OF(X509) *sent = sk_X509_new_null();
    struct pki_cert *leaf;
    struct verdict v;
    struct saying s;
    struct kase k;

    random_case(w, &k);
    k.number = n;
    leaf = pki_issue(&k.spec, k.issuer);
    for (size_t i = 0; i < k.sent_count; i++)
        sk_X509_push(sent, k.sent[i]);
    if (leaf->x509 == NULL) {
        t->unreadable++;
    } else {
        ask_oracle(w, leaf->x509, sent, &s);
        verify_chain(w->f.trust, leaf->x509, sent, NULL, w->f.now_s, NULL, &v);
        compare(w, &k, &s, &v, t);
        verdict_done(&v);
    }
    sk_X509_free(sent);
    pki_free(leaf);
}

static struct world *
world_new(void)
{
    struct world *w = calloc(1, sizeof(*w));
    struct fixture *all;
    void *state;

    assert_int_equal(setup_all(&state), 0);
    all = state;
    w->f = *all;
    free(all);
    state = &w->f;
    assert_int_equal(setup(&state), 0);
    use_bundle(&w->f, w->f.root, w->f.ca);
    make_ways(w);
    w->oracle = oracle_new(w);
    return w;
}

static void
world_free(struct world *w)
{
    void *state = &w->f;

    X509_STORE_free(w->oracle);
    for (size_t i = 0; i < w->made_count; i++)
        pki_free(w->made[i]);
    (void)teardown(&state);
    pki_free(w->f.ca);
    pki_free(w->f.root);
    pki_free(w->f.foreign_ca);
    pki_free(w->f.foreign_root);
    free(w);
}

static void
the_judge_and_the_oracle_agree_but_where_the_table_says(void **state)
{
    struct world *w = world_new();
    struct tally t = {0};

    (void)state;
    random_state = 0x5a11b0a7;
    for (unsigned n = 0; n < CASES; n++)
        run_case(w, n, &t);
    printf("%d cases: both admit %u, both refuse %u (%u with one fault and the same reason), only "
           "the oracle admits %u, only the judge, for a second, %u, unreadable %u\n",
           CASES, t.both_admit, t.both_refuse, t.same_reason, t.only_oracle_admits, t.last_second,
           t.unreadable);
    assert_true(t.last_second > 0);
    for (size_t i = 0; i < array_len(explanations); i++) {
        printf("%5u %s: %s\n", needed[i], reason_token(explanations[i].reason),
               explanations[i].why);
        assert_true(needed[i] > 0);
    }
    assert_true(t.both_admit > CASES / 10);
    assert_true(t.both_refuse > CASES / 10);
    world_free(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_judge_and_the_oracle_agree_but_where_the_table_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
