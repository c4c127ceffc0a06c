/* await: wait for one task, without taking its end away from engine_next(). */
#ifndef REEL_TRACER_AWAIT_H
#define REEL_TRACER_AWAIT_H

#include "tracer/task.h"

/* Wait for the next stop of a task that runs; *ret is its wait status (stop_classify() takes it).
 * ERROR_TASK_GONE when it ends, or is not ours (any more): its end stays for engine_next().
 * milliseconds is how long to wait at most, < 0 for ever; ERROR_LIMIT when it has not stopped by then. */
struct error *await_stop(struct task *task, int milliseconds, int *ret);

/* Between two looks at a task that is about to stop: at first only others are let run. */
void await_pause(unsigned looks);

/* Has it stopped already? *ret is then its wait status. */
struct error *await_peek(struct task *task, bool *ret_stopped, int *ret);

#endif
