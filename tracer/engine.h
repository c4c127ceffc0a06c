/* engine: the loop `next stop, classify, dispatch`. It owns the tasks and knows nothing of what consumers do
 * with stops.
 *
 * One engine a process, since it waits for all children. */
#ifndef REEL_TRACER_ENGINE_H
#define REEL_TRACER_ENGINE_H

#include "base/table.h"
#include "tracer/stop.h"

#include <stddef.h>

#define ENGINE_ENDED 64

struct engine {
    struct task **tasks;
    size_t count, room;
    struct table by_tid;
    struct task *gone; /* reported as gone, freed at the next call */
    /* ends that came before the parent's stop told of the task */
    pid_t ended[ENGINE_ENDED];
    size_t ended_next;
};

void engine_init(struct engine *engine);
/* Frees the tasks; it does not touch the processes. */
void engine_deinit(struct engine *engine);

/* The task with this tid, made when it is new. NULL when memory is out. */
struct task *engine_task(struct engine *engine, pid_t tid);

/* Is this a tracee? */
bool engine_traces(const struct engine *engine, pid_t tid);

/* Forget a task that is no longer traced (detached), and free it. */
void engine_forget(struct engine *engine, struct task *task);

/* Wait for the next stop of any tracee. STOP_NONE when there are no tracees (left): other children of this
 * process are not waited for. */
struct error *engine_next(struct engine *engine, struct stop *ret);

/* The same of one task that is traced. With `wait` until it stops or ends, else STOP_NONE when it has done
 * neither yet. */
struct error *engine_next_of(struct engine *engine, struct task *task, bool wait, struct stop *ret);

/* The next stop of any tracee, as engine_next(), but nothing is taken from the kernel. A stop stays reported
 * until its task is resumed: should this process be killed before, the kernel delivers the stop's signal
 * itself, instead of losing it. So deal with each stop before the next call. Of an end the zombie is still
 * there: look at it, then engine_bury(). STOP_TICK: a signal has interrupted the wait. */
struct error *engine_peek(struct engine *engine, struct stop *ret);
/* Take the end of a task that engine_peek() has told of, and forget it. */
void engine_bury(struct engine *engine, const struct stop *stop);

/* Make engine_next() return STOP_TICK about every `milliseconds` while nothing else happens; 0 switches it
 * off. Uses ITIMER_REAL and SIGALRM of the tracer process. */
struct error *engine_set_tick(unsigned milliseconds);

/* ERROR_UNSUPPORTED when /proc shows the processes of another PID namespace, under other numbers. */
struct error *engine_check_proc(void);

/* Keep this process, and the tracees it starts from now on, on the processor it runs on: a stop costs a third
 * less when tracer and tracee share one (no wake-up of another processor). Failure is no harm and is ignored.
 */
void engine_pin(void);

/* The same on this processor, if it may be used here (-1: never); else on the one it runs on. */
void engine_pin_to(int processor);

/* Who deals with a stop. The first consumer that returns true has dealt with it (and resumed the task). */
struct consumer {
    bool (*handle)(void *context, const struct stop *stop, struct error **ret_error);
    void *context;
};

/* Dispatch until there are no tracees, a consumer reports an error, or *done becomes true. A stop that no
 * consumer wants is passed through with engine_pass(). */
struct error *engine_run(struct engine *engine, const struct consumer *consumers, size_t count,
                         const bool *done);

/* Let a stop pass as if there were no tracer: signals are delivered, group stops kept. A task that is gone is
 * no error. */
struct error *engine_pass(const struct stop *stop);

#endif
