/* step: make a stopped task execute a little of its program, and no more.
 *
 * The stop that ends it is waited for here. Should another one come first (a signal, an end), it is left for
 * whoever waits for tasks, and *ret_done is false: the task is then to be taken as running. */
#ifndef REEL_TRACER_STEP_H
#define REEL_TRACER_STEP_H

#include "tracer/task.h"

#include <stddef.h>

/* What stepping over an instruction would mean. */
enum step_kind {
    STEP_PLAIN,
    STEP_REPEATS, /* it stops in the middle of itself: rep movs and its like */
    STEP_NEVER,   /* a system call, a trap, what the trap flag would show in, or no instruction */
};

/* Of the instruction at the start of bytes. */
enum step_kind step_classify(const uint8_t *bytes, size_t size, size_t *ret_length);

/* Execute one instruction, of kind STEP_PLAIN. The task is in a signal stop (SIGTRAP) then. SIGTRAP must be
 * neither blocked nor ignored: the kernel would reset the program's action. */
struct error *step_once(struct task *task, bool *ret_done);

/* Run until `address` is about to be executed: with a breakpoint there for that time. The same holds. */
struct error *step_until(struct task *task, uint64_t address, bool *ret_done);

#endif
