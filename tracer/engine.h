/* engine: the loop `next stop, classify, dispatch`. It owns the tasks and knows nothing of what consumers do
 * with stops.
 *
 * One engine a thread, since it waits for all tracees and children of its thread: only the thread that traces
 * a task may talk to it. */
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
    struct task *pending; /* to be resumed: task_resume_later() */
    struct task *gone;    /* reported as gone, freed at the next call */
    /* ends that came before the parent's stop told of the task */
    pid_t ended[ENGINE_ENDED];
    size_t ended_next;
    /* Called around each wait of engine_next(), or NULL: several threads whose engines share a lock let go of
     * it there. */
    void (*wait_begins)(void *context);
    void (*wait_ends)(void *context);
    void *wait_context;
};

void engine_init(struct engine *engine);
/* Frees the tasks; it does not touch the processes. */
void engine_deinit(struct engine *engine);

/* The task with this tid, made when it is new. NULL when memory is out. */
struct task *engine_task(struct engine *engine, pid_t tid);

/* Is this a tracee? */
bool engine_traces(const struct engine *engine, pid_t tid);

/* As task_resume(), when this engine waits next, for whichever task, and has let go of the lock
 * (wait_begins). A task on the tracer's processor may take it over at once, and would keep all others
 * waiting. That the task is gone is not told: its end is the next stop. Without a lock it is resumed at once.
 */
struct error *task_resume_later(struct task *task, enum resume how, int signo);

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

/* Make engine_next() of this thread return STOP_TICK about every `milliseconds` while nothing else happens; 0
 * switches it off, and frees the timer. Uses a timer of the thread, and SIGALRM; whoever sends it SIGALRM
 * (pthread_kill) wakes it, too. */
struct error *engine_set_tick(unsigned milliseconds);

/* The task has ended where nobody could see it: as if it had been reported. */
void engine_lost(struct engine *engine, struct task *task, struct stop *ret);

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
