/* SPDX-License-Identifier: Apache-2.0
 *
 * How `explain` tells its story: text for a tired operator, JSON for a program, and what
 * to do about each reason. Called by explain.c. Owns nothing. Must never change a verdict.
 */
#include "ctl/explain_priv.h"

#include "base/clock.h"
#include "cert/cert.h"
#include "cert/name.h"
#include "ctl/report.h"

const char *
explain_advice(enum reason reason)
{
    static const char *const advice[REASON_COUNT] = {
        [REASON_NONE] = "nothing: the gateway admits it",
        [REASON_MAX_CHAIN_DEPTH] =
            "raise max_chain_depth of the trust store, or have the client certified nearer to an "
            "authority of the bundle (an intermediate in the bundle shortens the chain)",
        [REASON_MAX_SIZE] =
            "the client needs a certificate with fewer or shorter names, or a shorter chain",
        [REASON_CRL_HIT] =
            "the authority has revoked this certificate: ask it why, and have a new one issued; a "
            "revocation cannot be taken back in the gateway",
        [REASON_CRL_PROCESSING] =
            "look at the revocation lists: run `sallyport check` and replace the one it names",
        [REASON_UNTRUSTED] =
            "if the client should be trusted, add its authority to ca_bundle; if it is there "
            "already, the client must send the intermediates between it and its certificate",
        [REASON_NOT_YET_VALID] =
            "compare the clocks of the gateway and of the issuing authority, or wait for notBefore",
        [REASON_EXPIRED] =
            "have the certificate renewed; until then an exception of the trust store (exceptions: "
            "{allow: expired, ...}) can admit it alone and until a date; "
            "ignore_client_certificate_expiry admits expired ones for everybody on the listener",
        [REASON_TYPE_UNSUPPORTED] =
            "the client needs an RSA key of 2048 bits or more, or ECDSA on P-256, P-384 or P-521, "
            "in a version 3 certificate",
        [REASON_INVALID] = "the certificate is malformed or contradicts itself: it must be issued "
                           "anew, the step above says what is wrong",
        [REASON_PURPOSE_INVALID] =
            "the certificate must allow TLS clients: extendedKeyUsage clientAuth, and keyUsage "
            "digitalSignature when it is there; server certificates do not. Until it has another "
            "one an "
            "exception of the trust store (exceptions: {allow: no_client_auth_eku, ...}) can "
            "admit it alone and until a date",
        [REASON_REJECTED] = "read the step above: the gateway's own check says what it refused",
        [REASON_INCOMPATIBLE] =
            "the chain is signed with an algorithm that is too weak; SHA-256 or better is needed",
        [REASON_UNMAPPED] = "read the step above, and the gateway's diagnostic log of that moment",
        [REASON_MISSING] = "configure the client to send its certificate and key",
        [REASON_CERT_DENIED] = "a rule or the deny list names this client: change that entry if "
                               "the client is welcome",
        [REASON_CRL_MISSING] =
            "add the list of the issuer named above to crls, or set crl_missing: allow to go "
            "without",
        [REASON_CRL_EXPIRED] =
            "fetch a new list from the authority and reload; crl_expired: grace bridges an outage",
        [REASON_HANDSHAKE_TIMEOUT] = "the client or the network is too slow: look at both",
        [REASON_PROTOCOL_MISMATCH] =
            "the client must speak TLS 1.2 or 1.3, and h2 or http/1.1 as the listener offers",
    };

    return advice[reason];
}

static const char *
mode_word(enum mutual_mode mode)
{
    switch (mode) {
    case MUTUAL_OFF:
        return "off";
    case MUTUAL_PASSTHROUGH:
        return "passthrough";
    case MUTUAL_OPTIONAL:
        return "optional";
    case MUTUAL_VERIFY:
        return "verify";
    }
    return "?";
}

static void
print_time(FILE *out, int64_t wall_s)
{
    char text[CLOCK_ISO_LEN];

    clock_format_iso(text, wall_s);
    fprintf(out, "%.*s", CLOCK_ISO_LEN, text);
}

/* ---- text ---------------------------------------------------------------------------------- */

static void
text_verdict(const struct explain *e, FILE *out)
{
    if (!e->is_judged && e->is_admitted)
        fprintf(out, "ADMITTED, NOT JUDGED: %.*s\n", STR_ARG(e->detail));
    else if (e->is_admitted)
        fprintf(out, "ADMITTED\n");
    else
        fprintf(out, "REFUSED: %s: %s\n", reason_token(e->reason), reason_text(e->reason));
    if (!e->is_admitted && e->detail.len > 0)
        fprintf(out, "  %.*s\n", STR_ARG(e->detail));
}

/* Empty when none was needed. */
static struct str
exception_text(const struct explain *e, char text[EXCEPTION_TEXT_MAX])
{
    text[0] = '\0';
    if (e->is_admitted && e->verdict.exception != NULL)
        exception_describe(e->verdict.exception, text);
    return str_from(text);
}

static void
text_context(const struct explain *e, FILE *out)
{
    char name[CERT_TEXT_MAX], exception[EXCEPTION_TEXT_MAX];

    cert_describe(e->leaf, name);
    fprintf(out, "\n  certificate  %s\n  judged at    ", name);
    print_time(out, e->at_s);
    fprintf(out, "%s%s\n", e->options->at != NULL ? " (as asked by --at)" : "",
            e->is_judged ? ", anew: not from the cache of verdicts" : "");
    if (e->listener != NULL)
        fprintf(out, "  listener     %.*s, mode %s%s%.*s\n", STR_ARG(e->listener->name),
                mode_word(e->mode), e->sni.len > 0 ? ", SNI " : "", STR_ARG(e->sni));
    if (e->trust != NULL)
        fprintf(out, "  trust store  %s, %zu %s, %zu revocation %s\n", trust_name(e->trust),
                trust_ca_count(e->trust),
                trust_ca_count(e->trust) == 1 ? "authority" : "authorities",
                trust_crl_count(e->trust), trust_crl_count(e->trust) == 1 ? "list" : "lists");
    if (exception_text(e, exception).len > 0)
        fprintf(out, "  exception    %s\n", exception);
}

static void
text_cert(FILE *out, int at, const X509 *cert, const char *where)
{
    int64_t from_s, until_s;
    char name[CERT_TEXT_MAX];

    cert_describe(cert, name);
    fprintf(out, "  %d  %s%s", at, name, where);
    if (cert_dates(cert, &from_s, &until_s) == 0) {
        fprintf(out, ", valid ");
        print_time(out, from_s);
        fprintf(out, " to ");
        print_time(out, until_s);
    }
    fputc('\n', out);
}

/* Without a path, what there was to make one from. */
static void
text_chain(const struct explain *e, FILE *out)
{
    const struct verdict *v = &e->verdict;

    fprintf(out, v->chain_count > 0 ? "\nChain\n" : "\nSent\n");
    for (int i = 0; i < v->chain_count; i++)
        text_cert(out, i, v->chain[i], i + 1 == v->chain_count ? ", in the trust store" : "");
    for (int i = 0; v->chain_count == 0 && i < sk_X509_num(e->sent); i++)
        text_cert(out, i, sk_X509_value(e->sent, i), "");
}

static void
text_steps(const struct explain *e, FILE *out)
{
    fprintf(out, "\nSteps\n");
    for (size_t i = 0; i < e->step_count; i++)
        fprintf(out, "  %2zu. %-3s %.*s\n", i + 1, e->steps[i].is_ok ? "ok" : "NO",
                STR_ARG(e->steps[i].text));
}

static void
text_request(const struct explain *e, FILE *out)
{
    const struct explain_request *r = &e->request;

    if (!r->is_asked)
        return;
    fprintf(out, "\nRequest\n  %.*s\n", STR_ARG(r->line));
    if (r->is_refused)
        fprintf(out, "  never sent: the handshake fails\n");
    else
        fprintf(out, "  %.*s\n", STR_ARG(r->action));
}

void
explain_print_text(const struct explain *e, FILE *out)
{
    text_verdict(e, out);
    text_context(e, out);
    text_steps(e, out);
    text_chain(e, out);
    text_request(e, out);
    if (!e->is_admitted)
        fprintf(out, "\nWhat to do\n  %s\n", explain_advice(e->reason));
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void
json_key(FILE *out, const char *key)
{
    fputc(',', out);
    report_json_string(out, str_from(key));
    fputc(':', out);
}

/* An empty value is null. */
static void
json_str(FILE *out, const char *key, struct str value)
{
    json_key(out, key);
    if (value.len == 0)
        fputs("null", out);
    else
        report_json_string(out, value);
}

static void
json_time(FILE *out, const char *key, int64_t wall_s)
{
    json_key(out, key);
    fputc('"', out);
    print_time(out, wall_s);
    fputc('"', out);
}

static void
json_cert(const X509 *cert, FILE *out)
{
    char subject[CERT_TEXT_MAX * 4], issuer[CERT_TEXT_MAX * 4], serial[CERT_SERIAL_TEXT_MAX];
    uint8_t digest[CERT_DIGEST_BYTES];
    char hex[2 * CERT_DIGEST_BYTES];
    int64_t from_s, until_s;

    name_describe(X509_get_subject_name(cert), subject, sizeof(subject));
    name_describe(X509_get_issuer_name(cert), issuer, sizeof(issuer));
    cert_serial_text(cert, serial);
    fputs("{\"subject\":", out);
    report_json_string(out, str_from(subject));
    json_str(out, "issuer", str_from(issuer));
    json_str(out, "serial", str_from(serial));
    if (cert_dates(cert, &from_s, &until_s) == 0) {
        json_time(out, "not_before", from_s);
        json_time(out, "not_after", until_s);
    }
    if (cert_digest(cert, digest) == 0) {
        str_hex_lower(hex, digest, sizeof(digest));
        json_str(out, "sha256", str_make(hex, sizeof(hex)));
    }
    fputc('}', out);
}

static void
json_chain(const struct explain *e, FILE *out)
{
    json_key(out, "chain");
    fputc('[', out);
    for (int i = 0; i < e->verdict.chain_count; i++) {
        fputs(i > 0 ? "," : "", out);
        json_cert(e->verdict.chain[i], out);
    }
    fputc(']', out);
    json_key(out, "sent");
    fputc('[', out);
    for (int i = 0; i < sk_X509_num(e->sent); i++) {
        fputs(i > 0 ? "," : "", out);
        json_cert(sk_X509_value(e->sent, i), out);
    }
    fputc(']', out);
}

static void
json_steps(const struct explain *e, FILE *out)
{
    json_key(out, "steps");
    fputc('[', out);
    for (size_t i = 0; i < e->step_count; i++) {
        fprintf(out, "%s{\"ok\":%s", i > 0 ? "," : "", e->steps[i].is_ok ? "true" : "false");
        json_str(out, "text", e->steps[i].text);
        fputc('}', out);
    }
    fputc(']', out);
}

static void
json_request(const struct explain *e, FILE *out)
{
    const struct explain_request *r = &e->request;

    if (!r->is_asked)
        return;
    json_key(out, "request");
    fputs("{\"request\":", out);
    report_json_string(out, r->line);
    json_str(out, "action", r->action);
    json_key(out, "rule");
    if (r->rule != NULL)
        fprintf(out, "%d", r->rule->priority);
    else
        fputs("null", out);
    json_key(out, "status");
    if (r->status != 0)
        fprintf(out, "%d}", r->status);
    else
        fputs("null}", out);
}

void
explain_print_json(const struct explain *e, FILE *out)
{
    char exception[EXCEPTION_TEXT_MAX];

    fprintf(out, "{\"verdict\":\"%s\"", e->is_admitted ? "admit" : "refuse");
    json_str(out, "reason", e->is_admitted ? STR("") : str_from(reason_token(e->reason)));
    json_str(out, "detail", e->detail);
    json_key(out, "judged");
    fputs(e->is_judged ? "true" : "false", out);
    json_key(out, "cached"); /* as is_cached of the connection log */
    fputs("false", out);
    json_time(out, "at", e->at_s);
    json_str(out, "mode", str_from(mode_word(e->mode)));
    json_str(out, "listener", e->listener != NULL ? e->listener->name : STR(""));
    json_str(out, "sni", e->sni);
    json_str(out, "trust_store", str_from(e->trust != NULL ? trust_name(e->trust) : NULL));
    json_str(out, "exception", exception_text(e, exception));
    json_chain(e, out);
    json_steps(e, out);
    json_request(e, out);
    json_str(out, "advice", e->is_admitted ? STR("") : str_from(explain_advice(e->reason)));
    fputs("}\n", out);
}
