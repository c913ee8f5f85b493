/* SPDX-License-Identifier: Apache-2.0
 *
 * STATE_DIR/list-numbers: number and date of the newest revocation list of each issuer and
 * scope that was ever in use, so that an older one is refused after a restart too. Text:
 *
 *   sallyport list numbers 1
 *   STORE ISSUER SCOPE LIST NUMBER THIS-UPDATE       digests in hex, the time as RFC 3339
 *   end SHA-256                                      of everything before this line
 *
 * A file that is not exactly so is an error: half a memory would let an older list in.
 * Control thread only.
 */
#ifndef CTL_LISTSTATE_H
#define CTL_LISTSTATE_H

#include "base/diag.h"
#include "cert/trust.h"

struct liststate {
    char *path; /* NULL without a state folder: nothing outlives the process */
    struct trust_floor *floors;
    size_t count;
};

/* Without the file nothing is remembered yet. GW_E_CONFIG with diag filled. */
int liststate_load(struct liststate *s, const char *state_dir, struct diag *diag) GW_MUST_USE;
void liststate_done(struct liststate *s);
/* The lists of a store that has come into use. True when something has changed. */
bool liststate_take(struct liststate *s, const struct trust *t);
/* On disk, or GW_E_SYS. */
int liststate_save(const struct liststate *s) GW_MUST_USE;

/* The text and back, for tests. The text is malloc. GW_E_CONFIG with diag filled. */
char *liststate_format(const struct liststate *s);
int liststate_parse(struct liststate *s, struct str text, struct diag *diag) GW_MUST_USE;

#endif
