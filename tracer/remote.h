/* remote: make a stopped task execute a system call of ours. */
#ifndef REEL_TRACER_REMOTE_H
#define REEL_TRACER_REMOTE_H

#include "tracer/task.h"

/* Execute call `number` in task with the syscall instruction at `instruction` (two bytes, 0f 05, executable
 * in the task), and put the registers back as they were. The task must be in a stop that is not a syscall
 * entry. *ret is the result as the kernel gives it (negative errno). All signals are held meanwhile. The call
 * must not block, and must not unmap the instruction. ERROR_TASK_GONE when the task dies of a SIGKILL: its
 * end is then still to be waited for. */
struct error *remote_syscall(struct task *task, uint64_t instruction, long number, const uint64_t args[6],
                             int64_t *ret);

#define REMOTE_SYSCALL(task, instruction, number, ret, ...)                                                  \
    remote_syscall(task, instruction, number, (const uint64_t[6]){__VA_ARGS__}, ret)

#endif
