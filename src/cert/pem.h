/* SPDX-License-Identifier: Apache-2.0
 *
 * PEM bundles, strictly: every BEGIN has its END, the whole text is consumed, base64 is
 * canonical, and nothing but blank lines and lines that begin with '#' stands between
 * objects. A text that ends inside an object, has an unknown label, or holds no object
 * is refused: a cut file never loads as a smaller one.
 */
#ifndef CERT_PEM_H
#define CERT_PEM_H

#include "base/diag.h"
#include "base/str.h"

/* der is borrowed for the call. line is that of the BEGIN line. Non-zero stops the parse. */
typedef int (*pem_object_fn)(void *arg, struct str der, int line);

struct pem_input {
    struct str text;
    const char *file;  /* for messages */
    const char *label; /* "CERTIFICATE", "X509 CRL" */
    /* text is writable and the caller's to destroy: objects are decoded in place, which saves
     * the second buffer of a large list. */
    bool destroys_text;
};

/* Each object in order; one base64 buffer is reused, sized for the largest object, so that a
 * list of a million entries is decoded once at memory speed. GW_E_CONFIG with diag filled, or
 * what on_object returned. */
int pem_parse(const struct pem_input *in, pem_object_fn on_object, void *arg,
              struct diag *diag) GW_MUST_USE;

#endif
