/* attach: begin to trace a process that is running, and leave it as if nothing had been.
 *
 * All threads are seized and stopped, found by reading /proc/PID/task until nothing new turns up. From then
 * on new threads and children are traced by themselves (options of trace_seize()). The one exception is a
 * child that vfork made in the moment of attaching: it runs in the memory of the process, which waits for it.
 *
 * An attached process is not killed when reel ends. BUT: when reel itself is killed (kill -9) while int3
 * probes are live, nobody handles the next hit, and THE PROCESS DIES of SIGTRAP. Only a handler inside the
 * process could prevent that; there is none yet. Without live probes the process survives: the kernel
 * detaches.
 *
 * System calls that the stopping interrupts go on as if nothing had happened. Most the kernel restarts by
 * itself; for those that would return EINTR (epoll_wait, sigtimedwait, semop, sockets with timeouts) a
 * restart is forced. Their timeout then begins anew.
 *
 * Not undone: pages of probed code stay private copies of the process. */
#ifndef REEL_TRACER_ATTACH_H
#define REEL_TRACER_ATTACH_H

#include "tracer/engine.h"
#include "tracer/trap.h"

/* Tasks that are stopped together, each with the stop that it stands at. */
struct halt {
    struct stop *stops;
    size_t count, room;
};

/* A STOP_NEW_TASK among the stops of a halt may tell of a task that is in the halt itself, with its first
 * stop: each is to be resumed once only. (A second resume swallows the stop that has come since, a hit for
 * instance.) */

/* What attach() says about a process that it cannot attach to, as far as that can be seen from outside. */
struct error *attach_check(pid_t pid);

/* Attach to all threads of the process `pid` and stop them. The stops in *ret (released with halt_deinit())
 * have to be dealt with like those of engine_next(); attach_resume() does so.
 *
 * Errors, each says what is the matter: ERROR_NOT_FOUND no such process; ERROR_UNSUPPORTED it is a zombie, a
 * kernel thread, a 32-bit program, reel itself, or traced already (by whom); ERROR_USAGE the id of a thread;
 * ERROR_SYSTEM with EPERM not allowed, with a hint at the reason. After an error the process runs on. */
struct error *attach(struct engine *engine, pid_t pid, struct halt *ret);

/* Let those that stopped within a system call (fork, exec) come to its end, where calls can be injected
 * (inject.h); those that end (STOP_EXITING) stay. What their stops tell (STOP_NEW_TASK) has to be noted
 * before. Tasks that die meanwhile are taken out of halt. Errors: ERROR_OTHER a task does not stop. */
struct error *attach_settle(struct halt *halt);

/* Trace all threads of a running process without stopping any (trace_seize_watched()). Errors as attach();
 * after one, threads may be traced already, which ends with this process. */
struct error *attach_running(struct engine *engine, pid_t pid, unsigned flags);

/* Let all go on, each according to its stop (engine_pass()), and release halt. */
struct error *attach_resume(struct halt *halt);

/* Stop all threads of a traced process, for instance to detach. Tasks that are stopped already have to be in
 * `halt` with their stop; the others are added. ERROR_OTHER when a thread does not stop (it waits for a vfork
 * child, or for a disk): the others are stopped nonetheless and in halt. Ends of tasks stay for
 * engine_next(). */
struct error *halt_process(struct engine *engine, pid_t pid, struct halt *halt);
/* Add a stop that the caller holds. */
struct error *halt_add(struct halt *halt, const struct stop *stop);
void halt_deinit(struct halt *halt);

/* Leave a process: remove all traps of set (may be NULL) and its slots, and detach from all threads. `halt`
 * holds the stops that the caller holds, as for halt_process(), and is released. Signals that were about to
 * be delivered are delivered; a stopped process stays stopped. The tasks are gone from the engine. A hit that
 * was not handled yet is taken back. Traps that the program had overwritten are left (*ret_patched_away, may
 * be NULL, counts them).
 *
 * Children stay traced. One that was forked just now has the traps' bytes, and its parent's STOP_NEW_TASK may
 * be among the stops that come only now. So call halt_process() first, look at what is in halt (clone the set
 * for such children, note hits), and detach then.
 *
 * After an error of halt_process() nothing has changed, and halt holds the stops of those that did stop: deal
 * with them, let them go on, try again later. For a process that shares its memory with another that stays
 * traced (a vfork child) set must be NULL. */
struct error *detach(struct engine *engine, pid_t pid, struct trap_set *set, struct halt *halt,
                     size_t *ret_patched_away);

#endif
