/* SPDX-License-Identifier: Apache-2.0
 *
 * The running gateway: everything that lives from start to stop, in that order.
 *
 *   start: configuration, snapshot, sockets, privileges, logs, workers, resolver, admin
 *   ready: the first generation is with the workers; says so on standard output
 *   stop:  drain, join, free
 */
#ifndef CTL_GATEWAY_H
#define CTL_GATEWAY_H

struct gateway_options {
    const char *config_path;
    char *const *argv; /* as the process was started, for USR2; ends with NULL */
};

/* Runs until a signal ends it. The exit status: 0 after a clean stop, 1 when it could not start. */
int gateway_run(const struct gateway_options *options);

#endif
