/* SPDX-License-Identifier: Apache-2.0
 *
 * One running gateway of a scenario test, in a folder of its own. The configuration is
 * text with placeholders:
 *
 *   @DIR@           the folder (also where relative paths start)
 *   @PORT@ @PORT2@ ... @PORT8@   free TCP ports, the same on every reload
 *   @ADMIN@         free port for the admin address
 *   @NAME@          from vars: {"NAME", "value", ..., NULL}
 *
 *   struct gateway *g = gateway_start(&(struct gateway_spec){.yaml = text, .vars = vars});
 *   ... gateway_port(g, 1) ...
 *   gateway_stop(g);
 */
#ifndef SUPPORT_GATEWAY_H
#define SUPPORT_GATEWAY_H

#include "support/proc.h"
#include "support/util.h"

struct gateway_spec {
    const char *yaml;
    const char *const *vars; /* pairs, ends with NULL; may be NULL */
    const char *dir;         /* existing folder with the files; NULL: a temporary one */
    bool may_fail;           /* return a gateway that did not get ready instead of dying */
    bool keep_dir;           /* gateway_stop leaves dir to the caller */
    unsigned nofile;
    uint64_t address_space;
    const char *const *env;
};

struct gateway;

/* A temporary folder to write certificates into before gateway_start; malloc. Given as
 * spec.dir it is removed by gateway_stop. */
char *gateway_dir_new(void);

/* Writes DIR/sallyport.yaml, starts `sallyport run`, waits for its ready line. Dies with the
 * program's output when it does not get there. */
struct gateway *gateway_start(const struct gateway_spec *spec);
bool gateway_is_ready(const struct gateway *g);
/* Ends the program by a signal, waits, and starts it again in the same folder, on the same ports.
 * False when it does not get ready. */
bool gateway_restart(struct gateway *g, int signo);
const char *gateway_dir(const struct gateway *g);
uint16_t gateway_port(const struct gateway *g, int n); /* 1..8 */
uint16_t gateway_admin_port(const struct gateway *g);
struct proc *gateway_proc(struct gateway *g);
/* DIR/NAME; valid until the fourth next call. */
const char *gateway_path(const struct gateway *g, const char *name);

enum gateway_reload { GATEWAY_RELOADED, GATEWAY_REFUSED, GATEWAY_SILENT };

/* Replaces the configuration file (same placeholders and ports); does not reload. */
void gateway_set_yaml(struct gateway *g, const char *yaml, const char *const *vars);
/* HUP, then waits until the gateway says how it ended. */
enum gateway_reload gateway_reload(struct gateway *g);

/* Content of DIR/NAME; empty when the file does not exist. */
struct bytes gateway_log(const struct gateway *g, const char *name);
/* True when DIR/NAME contains text within the time. */
bool gateway_wait_log(const struct gateway *g, const char *name, const char *text, int timeout_ms);
/* The same for text that is there count times. Lines of different workers come in any order. */
bool gateway_wait_log_count(const struct gateway *g, const char *name, const char *text,
                            size_t count, int timeout_ms);
/* The whole diagnostic log (standard error) so far. */
struct bytes gateway_diag(const struct gateway *g);

/* GET on the admin address: status, and the body into out (may be NULL). */
int gateway_admin_get(const struct gateway *g, const char *path, struct bytes *out);

/* True when that page is answered 200 and contains text; the second waits for it. */
bool gateway_page_says(const struct gateway *g, const char *path, const char *text);
bool gateway_wait_page(const struct gateway *g, const char *path, const char *text, int timeout_ms);

/* TERM; exit status (0 expected), frees everything. With SALLYPORT_KEEP set in the environment the
 * folder stays for a look. NULL is fine. */
int gateway_stop(struct gateway *g);
/* `sallyport ARGS...` to its end, placeholders of g replaced; ends with NULL. */
struct proc_result gateway_command(const struct gateway *g, ...) __attribute__((sentinel));
/* The same without a running gateway. */
struct proc_result sallyport_command(const char *const *args, int timeout_ms);

#endif
