/* SPDX-License-Identifier: Apache-2.0
 *
 * The bounds of the control thread, part of limits.h. Include that one.
 */
#ifndef BASE_LIMITS_CONTROL_H
#define BASE_LIMITS_CONTROL_H

enum {
    /* Supply of revocation lists */
    FETCH_PARALLEL_MAX = 4, /* transfers at once; each may hold a whole list */
    FETCH_QUEUE_MAX = 4096, /* waiting: one for each URL of the configuration */
    FETCH_CONNECT_TIMEOUT_MS = 10000,
    FETCH_TIMEOUT_MS = 60000,       /* of a whole transfer */
    FETCH_FIRST_TIMEOUT_MS = 10000, /* the same at start, where the gateway waits for it */
    FETCH_SLOW_BYTES = 1024,        /* a second; slower for FETCH_SLOW_S ends the transfer */
    FETCH_SLOW_S = 30,
    FETCH_HEAD_BYTES_MAX = 65536, /* of an answer */
    FETCH_TAG_MAX = 512,          /* ETag and Last-Modified */
    FETCH_BACKOFF_MIN_MS = 1000,  /* after the first failure, then doubled */
    FETCH_BACKOFF_MAX_MS = 600000,
    FETCH_CREDENTIALS_BYTES_MAX = 65536,
    FETCH_CREDENTIALS_MARGIN_S = 300, /* credentials are renewed before their end */
    LIST_STATE_ENTRIES_MAX = 16384,   /* issuers and scopes remembered */
    LIST_STATE_BYTES_MAX = 16777216,
    LIST_AGE_CHECK_MS = 60000,    /* lists are looked at this often: the clock may jump */
    LIST_AGE_WARN_PERCENT = 75,   /* of the validity of a list */
    WATCH_DEBOUNCE_MS = 200,      /* after the last change of a file */
    WATCH_DEBOUNCE_MAX_MS = 2000, /* changes that do not stop are loaded all the same */
    WATCH_PATHS_MAX = 4096,

    /* Control: status, admin address, hand-over of the listening sockets */
    STATUS_ATTENTION_MAX = 100,          /* rows; the rest is counted */
    STATUS_CERTIFICATE_WARN_S = 1209600, /* a server certificate ends within 14 days */
    ADMIN_CONNS_MAX = 64,
    ADMIN_HEAD_MAX = 8192,
    ADMIN_TIMEOUT_MS = 10000,         /* from accept to the last byte */
    ADMIN_RELOAD_TIMEOUT_MS = 120000, /* the same for a client that waits for a reload */
    ADMIN_REPLY_BYTES_MAX = 16777216,
    DENY_SERIAL_BYTES_MAX = 64,      /* longer serial numbers are denied by fingerprint */
    DENY_WHY_MAX = 256,              /* bytes of the reason that an operator gives */
    DENY_FILE_BYTES_MAX = 33554432,  /* DENY_ENTRIES_MAX of the longest entries */
    DENY_REPORT_TIMEOUT_MS = 5000,   /* for the workers to say how many connections they closed */
    HANDOVER_FDS_MAX = 16384,        /* their numbers fit one environment variable */
    HANDOVER_TIMEOUT_MS = 60000,     /* for the new program to say that it is ready */
    STOP_TIMEOUT_S = 60,             /* from the end of the loop to the end of the process */
    DRAIN_MARGIN_MS = 2000,          /* after DRAIN_TIMEOUT_MS, for workers to report */
    RELOAD_SWEEP_TIMEOUT_MS = 30000, /* for the workers to judge every connection again */
    RELOAD_TEXT_MAX = 65536,         /* error lines of the last reload that status keeps */
};

#endif
