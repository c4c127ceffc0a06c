/* inject: a system call of ours in a task, in a stop of which the task must not notice that it was used so.
 *
 * remote_syscall() ends in another stop than it began in: the signal that was about to be delivered would
 * lose its siginfo, and a group stop would be over. Here both are as before. */
#ifndef REEL_TRACER_INJECT_H
#define REEL_TRACER_INJECT_H

#include "tracer/remote.h"
#include "tracer/stop.h"

/* Can a call be injected in this kind of stop? Not within a call of the program's own: a result is yet to be
 * written to rax. */
bool inject_is_possible(enum stop_kind kind);

/* As remote_syscall(), in a stop of a kind that it is possible in. ERROR_OTHER, and nothing done, in the
 * stops within a call that ptrace calls events (fork, exec, ...). */
struct error *inject(struct task *task, uint64_t instruction, long number, const uint64_t args[6],
                     int64_t *ret);

#define INJECT(task, instruction, number, ret, ...)                                                          \
    inject(task, instruction, number, (const uint64_t[6]){__VA_ARGS__}, ret)

/* Make a stopped task go to a stop where it is possible, when `stop` is none. Its own call is done then, or
 * will be restarted. *stop becomes the new one: what the old one told (STOP_NEW_TASK) has to be noted before.
 */
struct error *inject_prepare(struct stop *stop);

#endif
