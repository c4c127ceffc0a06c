/* worker: a thread that does jobs, one after the other in the order in which they came, while its owner goes
 * on.
 *
 * The thread starts with the first job, so a worker that is never needed costs nothing; it takes no signals,
 * and runs on the processors that the caller names, whatever the caller itself is bound to. All functions
 * but the jobs are called by one thread, the owner. */
#ifndef REEL_BASE_WORKER_H
#define REEL_BASE_WORKER_H

#include "base/error.h"

#include <sched.h>
#include <stddef.h>
#include <stdint.h>

struct worker;

/* A job: freed by whoever wrote run(), which gets it. */
struct worker_job {
    void (*run)(struct worker_job *job);
    size_t weight; /* bytes of memory that it holds */
    /* the worker's own */
    struct worker_job *next;
};

/* most_weight: of all jobs that wait or run, together; more than that and worker_put() waits. */
struct error *worker_create(size_t most_weight, const cpu_set_t *processors, struct worker **ret);

/* Do all jobs, end the thread, free. NULL is fine. */
void worker_destroy(struct worker *worker);

/* Add a job, and return its ticket (from 1, ascending). Without the memory for a thread it is done at once.
 */
uint64_t worker_put(struct worker *worker, struct worker_job *job);

/* Wait until the job of this ticket, and so all before it, are done; what they have written is then visible.
 * Ticket 0 does not wait. */
void worker_wait(struct worker *worker, uint64_t ticket);

#endif
