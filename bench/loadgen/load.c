/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop of loadgen: opens connections, says when requests may start, ends the run in
 * time. Owns everything that a run uses. It must never outlive its duration by more than
 * the time for the last answers.
 */
#include "loadgen.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static volatile sig_atomic_t is_told_to_end;

/* INT and TERM: the run is over now, with its report. */
static void
on_signal(int signo)
{
    is_told_to_end = signo;
}

bool
lg_may_start(struct lg_load *l, int64_t *ret_start_us)
{
    const struct lg_options *o = &l->opt;

    if (l->stopping || (o->requests > 0 && l->started >= o->requests))
        return false;
    if (o->rate > 0) {
        if (l->due > (double)l->now_us)
            return false;
        *ret_start_us = (int64_t)l->due;
        l->due += 1e6 / o->rate;
    } else {
        *ret_start_us = now_us();
    }
    l->started++;
    return true;
}

void
lg_answered(struct lg_conn *c, struct lg_request *r)
{
    struct lg_load *l = c->load;
    int64_t took = now_us() - r->start_us;

    c->answered++;
    l->stats->requests++;
    l->interval->requests++;
    l->stats->status[r->status]++;
    l->interval->status[r->status]++;
    lg_hist_add(&l->stats->latency, took);
    lg_hist_add(&l->interval->latency, took);
    r->busy = false;
}

/* Beyond the last stream of a GOAWAY: not processed, so it is asked again elsewhere. */
void
lg_refused(struct lg_conn *c)
{
    c->load->stats->refused++;
    c->load->started--;
}

void
lg_failed(struct lg_conn *c, enum lg_error kind)
{
    if (c->load->stopping)
        return;
    c->load->stats->errors[kind]++;
    c->load->interval->errors[kind]++;
}

static bool
is_one_shot(const struct lg_load *l)
{
    return l->opt.mode == LG_FULL || l->opt.mode == LG_RESUMED;
}

/* One-shot connections are opened for a request that is due; others are kept open. */
static void
open_some(struct lg_load *l)
{
    for (unsigned i = 0; i < l->opt.connections; i++) {
        struct lg_conn *c = &l->conns[i];
        int64_t start = 0;

        if (c->state != LG_CLOSED || c->retry_us > l->now_us || l->stopping)
            continue;
        if (l->opt.mode == LG_IDLE && c->answered > 0)
            continue; /* lost while idle: stays lost, so that it is seen */
        if (l->opening >= l->opt.connecting_max)
            return;
        if (is_one_shot(l) && !lg_may_start(l, &start))
            return;
        c->preset_us = start;
        c->cert = &l->certs[c->number % l->cert_count];
        if (is_one_shot(l))
            c->number += l->opt.connections; /* the next certificate next time */
        lg_conn_open(c);
        c->preset_us = c->state == LG_CLOSED ? 0 : start;
    }
}

/* Open loop: requests that have become due go to connections that can take them. */
static void
ask_due(struct lg_load *l)
{
    if (l->opt.rate <= 0 || is_one_shot(l))
        return;
    for (unsigned i = 0; i < l->opt.connections && l->due <= (double)l->now_us; i++) {
        struct lg_conn *c = &l->conns[(l->started + i) % l->opt.connections];

        if (c->state != LG_OPEN || c->busy >= l->opt.streams || c->is_ready)
            continue;
        lg_conn_run(c);
    }
}

static void
expire(struct lg_load *l)
{
    for (unsigned i = 0; i < l->opt.connections; i++) {
        struct lg_conn *c = &l->conns[i];
        int64_t oldest = c->opened_us;

        if (c->state == LG_CLOSED || c->is_ready || (c->state == LG_OPEN && c->busy == 0))
            continue;
        if (c->state == LG_OPEN && !l->opt.h2)
            oldest = c->requests[c->first].start_us;
        for (unsigned k = 0; c->state == LG_OPEN && l->opt.h2 && k < l->opt.streams; k++)
            if (c->requests[k].busy && (oldest == c->opened_us || c->requests[k].start_us < oldest))
                oldest = c->requests[k].start_us;
        if (l->now_us - oldest < l->opt.timeout_us)
            continue;
        for (unsigned k = 0; k < (c->busy ? c->busy : 1); k++)
            lg_failed(c, LG_E_TIMEOUT);
        lg_conn_close(c);
        if (c->h2)
            lg_h2_end(c);
    }
}

static unsigned
busy_count(const struct lg_load *l)
{
    unsigned n = 0;

    for (unsigned i = 0; i < l->opt.connections; i++)
        n += l->conns[i].state != LG_CLOSED &&
             (l->conns[i].busy > 0 || l->conns[i].preset_us || l->conns[i].state != LG_OPEN);
    return n;
}

static bool
is_over(struct lg_load *l)
{
    bool enough = l->opt.requests > 0 && l->started >= l->opt.requests;

    if (l->now_us >= l->end_us || is_told_to_end)
        return true;
    if (l->opt.hold_us > 0 && l->hold_end_us > 0 && l->now_us >= l->hold_end_us)
        return true;
    return enough && l->opt.mode != LG_IDLE && busy_count(l) == 0;
}

static void
run_ready(struct lg_load *l)
{
    struct lg_conn *list = l->ready;

    l->ready = NULL;
    while (list) {
        struct lg_conn *c = list;

        list = c->next_ready;
        c->is_ready = false;
        if (c->state != LG_CLOSED)
            lg_conn_run(c);
    }
}

/* To the nanosecond: a request sent late would have its lateness counted as latency. */
static struct timespec
wait_time(const struct lg_load *l)
{
    double left_us = LG_TICK_MS * 1e3;

    if (l->ready)
        left_us = 0;
    else if (l->opt.rate > 0)
        left_us = fmin(left_us, fmax(0, l->due - (double)now_us()));
    return (struct timespec){.tv_nsec = (long)(left_us * 1e3)};
}

static void
run_events(struct lg_load *l)
{
    struct epoll_event events[LG_EVENTS];
    struct timespec wait = wait_time(l);
    int n = epoll_pwait2(l->epoll_fd, events, LG_EVENTS, &wait, NULL);

    l->now_us = now_us();
    for (int i = 0; i < n; i++) {
        struct lg_conn *c = events[i].data.ptr;

        c->is_read = false;
        if (c->state != LG_CLOSED && !c->is_ready)
            lg_conn_run(c);
    }
}

/* Idle mode: one line when everything is open and answered, for the script that waits. */
static void
say_open(struct lg_load *l)
{
    if (l->opt.mode != LG_IDLE || l->said_open || l->open < l->opt.connections || busy_count(l) > 0)
        return;
    l->said_open = true;
    l->hold_end_us = l->now_us + l->opt.hold_us;
    fprintf(stderr, "loadgen: %u connections open\n", l->open);
}

static void
loop(struct lg_load *l)
{
    int64_t next_tick = 0;
    int64_t warm_us = l->now_us + l->opt.warmup_us;
    int64_t next_report = 0;
    bool warm = l->opt.warmup_us == 0;

    while (!is_over(l)) {
        open_some(l);
        ask_due(l);
        run_ready(l);
        run_events(l);
        if (!warm && l->now_us >= warm_us) {
            warm = true;
            l->start_us = l->now_us;
            lg_stats_reset(l);
        }
        if (l->now_us >= next_tick) {
            next_tick = l->now_us + (int64_t)LG_TICK_MS * 1000;
            expire(l);
            say_open(l);
        }
        if (next_report == 0)
            next_report = l->start_us + l->opt.interval_us;
        if (l->opt.interval_us > 0 && l->now_us >= next_report) {
            next_report += l->opt.interval_us;
            lg_report_interval(l);
        }
    }
}

static void
raise_file_limit(const struct lg_options *o)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        return;
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    if (r.rlim_cur < o->connections + 32)
        die("%u connections need more than the %llu descriptors allowed", o->connections,
            (unsigned long long)r.rlim_cur);
}

static void
conns_make(struct lg_load *l)
{
    l->conns = xcalloc(l->opt.connections, sizeof(*l->conns));
    for (unsigned i = 0; i < l->opt.connections; i++) {
        struct lg_conn *c = &l->conns[i];

        c->load = l;
        c->fd = -1;
        c->number = i;
        c->cert = &l->certs[i % l->cert_count];
        c->requests = xcalloc(l->opt.streams, sizeof(*c->requests));
    }
}

static void
conns_free(struct lg_load *l)
{
    for (unsigned i = 0; i < l->opt.connections; i++) {
        struct lg_conn *c = &l->conns[i];

        lg_conn_close(c);
        if (c->h2)
            lg_h2_end(c);
        bytes_free(&c->out);
        bytes_free(&c->head);
        free(c->requests);
    }
    free(l->conns);
}

void
lg_run(struct lg_load *l)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    prctl(PR_SET_TIMERSLACK, 1); /* ns; waits would be 50 us longer */
    raise_file_limit(&l->opt);
    memset(l->block, 'x', sizeof(l->block));
    l->stats = xcalloc(1, sizeof(*l->stats));
    l->interval = xcalloc(1, sizeof(*l->interval));
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0)
        die("epoll: %s", strerror(errno));
    lg_certs_load(l);
    lg_h1_prepare(l);
    conns_make(l);
    lg_stats_reset(l);
    l->now_us = now_us();
    l->start_us = l->now_us;
    l->due = (double)l->now_us;
    l->end_us = l->now_us + l->opt.warmup_us + l->opt.duration_us;
    loop(l);
    l->stopping = true;
    lg_report(l);
    conns_free(l);
    lg_certs_free(l);
    close(l->epoll_fd);
    bytes_free(&l->request);
    free(l->stats);
    free(l->interval);
}
