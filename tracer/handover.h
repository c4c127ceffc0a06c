/* handover: a tracee goes from one thread of the tracer to another.
 *
 * Only the thread that traces a task may talk to it, and PTRACE_DETACH lets the task run. So it is given away
 * running in a loop, with all signals blocked, which ends by itself after some seconds, in an invalid
 * instruction: should the tracer die in between, the task dies as it would have (PTRACE_O_EXITKILL), only
 * later. The other thread seizes and interrupts it, and puts back what was there. It makes no system call in
 * between, which a seccomp filter that wants a tracer would answer with ENOSYS.
 *
 * Source: ptrace(2), "Detaching of the tracee". */
#ifndef REEL_TRACER_HANDOVER_H
#define REEL_TRACER_HANDOVER_H

#include "tracer/engine.h"
#include "tracer/task.h"

/* The loop, for code that puts it where the program does not come by. */
extern const uint8_t handover_loop[];
#define HANDOVER_LOOP_SIZE 9

/* What a task was when it was given away. */
struct handover {
    pid_t tid;
    struct user_regs_struct regs;
    uint64_t sigmask;
    bool filtered, strict, watched;
};

/* May the task be seized again: is it not beyond what this user may trace (set-user-ID, Yama), and is the
 * loop there? The task is stopped. */
bool handover_is_possible(struct task *task, uint64_t loop);

/* Give it away. It stands at its first stop, or at the exit of a system call, or of one that was cancelled.
 * The engine forgets it, and the task is freed. ERROR_TASK_GONE: it was not given away, its end is the next
 * stop. */
struct error *handover_give(struct engine *engine, struct task *task, uint64_t loop, struct handover *ret);

/* Take it, in another thread: it is the engine's then, with the registers and the mask it had. Waits. The
 * stop is STOP_BORN, or STOP_GROUP or STOP_SIGNAL (SIGSTOP) when it was stopped in between, or STOP_EXITED or
 * STOP_KILLED. */
struct error *handover_take(struct engine *engine, const struct handover *handover, struct stop *ret);

#endif
