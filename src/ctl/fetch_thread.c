/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread that transfers run on. Called by supply on the control thread; the queue is
 * guarded by one lock, which is never held during a transfer. Answers travel to the
 * control loop as messages. Must never make the control thread wait for a server.
 */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "base/list.h"
#include "base/ref.h"
#include "ctl/fetch.h"
#include "ctl/fetch_priv.h"
#include "ctl/mem.h"

#define POLL_MS 1000

struct job {
    struct job *next;
    struct fetcher *fetcher;
    struct loop_msg msg; /* the way back */
    struct fetch_request request;
    struct fetch_transfer transfer;
    struct fetch_result result;
    uint64_t number;
};

/* Counted: the owner, the thread, and each message under way. */
struct fetcher {
    struct ref ref;
    pthread_mutex_t lock;
    pthread_t thread;
    CURLM *multi;
    struct loop *control;
    void (*on_done)(void *arg, uint64_t number, struct fetch_result *r);
    void *arg;
    struct job *first, **end; /* waiting */
    struct job *running;      /* the thread's own */
    unsigned running_count;
    uint64_t last_number;
    bool is_closed;
};

static void
job_free(struct job *j)
{
    fetch_request_done(&j->request);
    fetch_result_done(&j->result);
    free(j);
}

static void
fetcher_unref(struct fetcher *f)
{
    if (!ref_drop(&f->ref))
        return;
    while (f->first != NULL) {
        struct job *j = f->first;

        f->first = j->next;
        job_free(j);
    }
    curl_multi_cleanup(f->multi);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

/* On the control loop, which is the only thread that closes the fetcher. */
static void
on_message(struct loop_msg *msg)
{
    struct job *j = container_of(msg, struct job, msg);
    struct fetcher *f = j->fetcher;

    if (!f->is_closed)
        f->on_done(f->arg, j->number, &j->result);
    job_free(j);
    fetcher_unref(f);
}

/* ---- on the thread ------------------------------------------------------------------------- */

static void
job_unlink(struct fetcher *f, struct job *j)
{
    struct job **at = &f->running;

    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    f->running_count--;
}

/* Nothing is posted once the fetcher is closed: the loop may be gone. */
static void
job_finish(struct fetcher *f, struct job *j)
{
    j->result = j->transfer.result;
    j->transfer.result.body = NULL;
    fetch_transfer_done(&j->transfer);
    pthread_mutex_lock(&f->lock);
    if (f->is_closed) {
        job_free(j);
    } else {
        ref_take(&f->ref);
        j->msg.run = on_message;
        loop_post(f->control, &j->msg);
    }
    pthread_mutex_unlock(&f->lock);
}

static void
job_start(struct fetcher *f, struct job *j)
{
    if (!fetch_transfer_init(&j->transfer, &j->request) ||
        curl_multi_add_handle(f->multi, j->transfer.easy) != CURLM_OK) {
        (void)snprintf(j->transfer.result.error, sizeof(j->transfer.result.error),
                       "the transfer cannot be set up");
        job_finish(f, j);
        return;
    }
    j->next = f->running;
    f->running = j;
    f->running_count++;
}

/* False when the fetcher is closed. */
static bool
take_jobs(struct fetcher *f)
{
    bool is_closed = false;

    while (f->running_count < FETCH_PARALLEL_MAX) {
        struct job *j;

        pthread_mutex_lock(&f->lock);
        is_closed = f->is_closed;
        j = is_closed ? NULL : f->first;
        if (j != NULL)
            f->first = j->next;
        if (f->first == NULL)
            f->end = &f->first;
        pthread_mutex_unlock(&f->lock);
        if (j == NULL)
            break;
        job_start(f, j);
    }
    if (f->running_count == FETCH_PARALLEL_MAX) {
        pthread_mutex_lock(&f->lock);
        is_closed = f->is_closed;
        pthread_mutex_unlock(&f->lock);
    }
    return !is_closed;
}

static struct job *
job_of(struct fetcher *f, const CURL *easy)
{
    struct job *j = f->running;

    while (j != NULL && j->transfer.easy != easy)
        j = j->next;
    gw_assert(j != NULL);
    return j;
}

static void
reap(struct fetcher *f)
{
    const CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(f->multi, &left)) != NULL) {
        int code = (int)msg->data.result;
        struct job *j;

        if (msg->msg != CURLMSG_DONE)
            continue;
        j = job_of(f, msg->easy_handle);
        fetch_transfer_end(&j->transfer, code);
        (void)curl_multi_remove_handle(f->multi, j->transfer.easy);
        job_unlink(f, j);
        job_finish(f, j);
    }
}

static void *
fetcher_main(void *arg)
{
    struct fetcher *f = arg;
    int running;

    while (take_jobs(f)) {
        (void)curl_multi_perform(f->multi, &running);
        reap(f);
        (void)curl_multi_poll(f->multi, NULL, 0, POLL_MS, NULL);
    }
    while (f->running != NULL) {
        struct job *j = f->running;

        (void)curl_multi_remove_handle(f->multi, j->transfer.easy);
        job_unlink(f, j);
        job_finish(f, j);
    }
    fetcher_unref(f);
    return NULL;
}

/* ---- on the control thread ----------------------------------------------------------------- */

struct fetcher *
fetcher_new(struct loop *control,
            void (*on_done)(void *arg, uint64_t number, struct fetch_result *), void *arg)
{
    struct fetcher *f = mem_calloc(1, sizeof(*f));

    gw_assert(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    ref_init(&f->ref);
    pthread_mutex_init(&f->lock, NULL);
    f->control = control;
    f->on_done = on_done;
    f->arg = arg;
    f->end = &f->first;
    f->multi = curl_multi_init();
    gw_assert(f->multi != NULL);
    ref_take(&f->ref);
    gw_assert(pthread_create(&f->thread, NULL, fetcher_main, f) == 0);
    (void)pthread_setname_np(f->thread, "fetch");
    return f;
}

uint64_t
fetcher_start(struct fetcher *f, struct fetch_request *req)
{
    struct job *j = mem_calloc(1, sizeof(*j));
    uint64_t number = ++f->last_number;

    j->fetcher = f;
    j->number = number;
    j->request = *req;
    *req = (struct fetch_request){.url = NULL};
    pthread_mutex_lock(&f->lock);
    *f->end = j;
    f->end = &j->next;
    pthread_mutex_unlock(&f->lock);
    (void)curl_multi_wakeup(f->multi);
    return number;
}

void
fetcher_free(struct fetcher *f)
{
    struct timespec until;

    if (f == NULL)
        return;
    pthread_mutex_lock(&f->lock);
    f->is_closed = true;
    pthread_mutex_unlock(&f->lock);
    (void)curl_multi_wakeup(f->multi);
    /* A lookup of a name may take many seconds; then the thread ends by itself and frees what it
     * holds. */
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    if (pthread_timedjoin_np(f->thread, NULL, &until) != 0)
        pthread_detach(f->thread);
    fetcher_unref(f);
}
