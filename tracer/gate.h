/* gate: a system call of ours in a task of a process that lives on when the tracer dies.
 *
 * The call is made with the stack pointer at a frame that was written below the task's stack, by a syscall
 * instruction that is followed by ret: whatever becomes of the tracer, the task returns from there into the
 * program's own code that calls rt_sigreturn, and is as before. Mostly it does not come to that: when the
 * call has returned, the tracer puts all back. */
#ifndef REEL_TRACER_GATE_H
#define REEL_TRACER_GATE_H

#include "tracer/task.h"

/* As remote_syscall(), in a stop that answers an interrupt (PTRACE_EVENT_STOP), also of a group; it ends in a
 * stop of that kind. *ret_done is false when that is not possible here, and nothing has happened: libc is not
 * there, or the stack has no room. The call may not unmap what the gate consists of. */
struct error *gate_syscall(struct task *task, long number, const uint64_t args[6], bool *ret_done,
                           int64_t *ret);

#endif
