#include "tracer/drainer.h"

#include "base/thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define BATCH 500 /* records at a time: less than a millisecond, for which a stop has to wait */
/* Nanoseconds of sleep when there was nothing: longer each time. */
#define SLEEP_LEAST 20000
#define SLEEP_MOST  1000000

struct drainer {
    struct calltrace *calltrace;
    pthread_t thread;
    pthread_mutex_t lock;
    unsigned waiting; /* stops that want the lock */
    bool ends;
    struct error *err;
};

static void sleep_for(long ns) {
    const struct timespec time = {.tv_nsec = ns};
    nanosleep(&time, NULL);
}

static void keep(struct drainer *drainer, struct error *err) {
    if (drainer->err)
        error_free(err);
    else
        drainer->err = err;
}

static void *run(void *context) {
    struct drainer *drainer = context;
    long sleep = SLEEP_LEAST;
    thread_step_back(); /* also behind what moves records out of the way (ring_mover.h) */
    while (!__atomic_load_n(&drainer->ends, __ATOMIC_ACQUIRE)) {
        bool more = false;
        pthread_mutex_lock(&drainer->lock);
        keep(drainer, calltrace_drain(drainer->calltrace, BATCH, &more));
        pthread_mutex_unlock(&drainer->lock);
        sleep = more ? SLEEP_LEAST : sleep * 2 > SLEEP_MOST ? SLEEP_MOST : sleep * 2;
        if (!more || __atomic_load_n(&drainer->waiting, __ATOMIC_ACQUIRE))
            sleep_for(sleep);
    }
    return NULL;
}

struct error *drainer_create(struct calltrace *calltrace, struct drainer **ret) {
    struct drainer *drainer = calloc(1, sizeof(*drainer));
    if (!drainer)
        return &error_no_memory;
    drainer->calltrace = calltrace;
    pthread_mutex_init(&drainer->lock, NULL);
    int errnum = thread_start(&drainer->thread, run, drainer);
    if (errnum) {
        free(drainer);
        return error_system(errnum, "a thread for the trace");
    }
    *ret = drainer;
    return NULL;
}

struct error *drainer_destroy(struct drainer *drainer) {
    if (!drainer)
        return NULL;
    __atomic_store_n(&drainer->ends, true, __ATOMIC_RELEASE);
    pthread_join(drainer->thread, NULL);
    struct error *err = drainer->err;
    pthread_mutex_destroy(&drainer->lock);
    free(drainer);
    return err;
}

void drainer_lock(struct drainer *drainer) {
    if (!drainer)
        return;
    __atomic_fetch_add(&drainer->waiting, 1, __ATOMIC_ACQ_REL);
    pthread_mutex_lock(&drainer->lock);
    __atomic_fetch_sub(&drainer->waiting, 1, __ATOMIC_ACQ_REL);
}

void drainer_unlock(struct drainer *drainer) {
    if (drainer)
        pthread_mutex_unlock(&drainer->lock);
}

struct error *drainer_error(struct drainer *drainer) {
    struct error *err = drainer ? drainer->err : NULL;
    if (drainer)
        drainer->err = NULL;
    return err;
}
