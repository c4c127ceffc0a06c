#include "base/worker.h"

#include "base/thread.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct worker {
    cpu_set_t processors;
    size_t most_weight;
    bool started; /* the owner's */
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    struct worker_job *first, **end; /* those that wait */
    size_t weight;                   /* of these, and of the one that runs */
    uint64_t put, done;              /* how many */
    bool ending;
};

struct error *worker_create(size_t most_weight, const cpu_set_t *processors, struct worker **ret) {
    struct worker *worker = calloc(1, sizeof(*worker));
    if (!worker)
        return &error_no_memory;
    worker->processors = *processors;
    worker->most_weight = most_weight;
    worker->end = &worker->first;
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->changed, NULL);
    *ret = worker;
    return NULL;
}

/* Called with the lock, which is not held while the job runs. */
static void run_first(struct worker *worker) {
    struct worker_job *job = worker->first;
    size_t weight = job->weight;
    worker->first = job->next;
    if (!worker->first)
        worker->end = &worker->first;
    pthread_mutex_unlock(&worker->mutex);
    job->run(job);
    pthread_mutex_lock(&worker->mutex);
    worker->weight -= weight;
    worker->done++;
    pthread_cond_broadcast(&worker->changed);
}

static void *run_all(void *context) {
    struct worker *worker = context;
    (void)sched_setaffinity(0, sizeof(worker->processors), &worker->processors);
    pthread_mutex_lock(&worker->mutex);
    while (worker->first || !worker->ending)
        if (worker->first)
            run_first(worker);
        else
            pthread_cond_wait(&worker->changed, &worker->mutex);
    pthread_mutex_unlock(&worker->mutex);
    return NULL;
}

static bool start(struct worker *worker) {
    if (!worker->started)
        worker->started = thread_start(&worker->thread, run_all, worker) == 0;
    return worker->started;
}

uint64_t worker_put(struct worker *worker, struct worker_job *job) {
    bool threaded = start(worker);
    pthread_mutex_lock(&worker->mutex);
    while (worker->weight && worker->weight + job->weight > worker->most_weight)
        pthread_cond_wait(&worker->changed, &worker->mutex);
    job->next = NULL;
    *worker->end = job;
    worker->end = &job->next;
    worker->weight += job->weight;
    uint64_t ticket = ++worker->put;
    if (threaded)
        pthread_cond_broadcast(&worker->changed);
    else
        run_first(worker);
    pthread_mutex_unlock(&worker->mutex);
    return ticket;
}

void worker_wait(struct worker *worker, uint64_t ticket) {
    pthread_mutex_lock(&worker->mutex);
    while (worker->done < ticket)
        pthread_cond_wait(&worker->changed, &worker->mutex);
    pthread_mutex_unlock(&worker->mutex);
}

void worker_destroy(struct worker *worker) {
    if (!worker)
        return;
    if (worker->started) {
        pthread_mutex_lock(&worker->mutex);
        worker->ending = true;
        pthread_cond_broadcast(&worker->changed);
        pthread_mutex_unlock(&worker->mutex);
        pthread_join(worker->thread, NULL);
    }
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->mutex);
    free(worker);
}
