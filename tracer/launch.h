/* launch: start a program under the tracer, with a seccomp filter that sends its system calls to us.
 *
 * Without the filter only the events of struct stop are reported. The filter (RET_TRACE) and exec happen in
 * the child; every descendant inherits the filter, so all of them must be traced to the end. Without
 * CAP_SYS_ADMIN the kernel demands PR_SET_NO_NEW_PRIVS, which launch sets: set-user-ID programs then run
 * without their privileges, as they do under any tracer. Source: seccomp(2), ptrace(2). */
#ifndef REEL_TRACER_LAUNCH_H
#define REEL_TRACER_LAUNCH_H

#include "tracer/engine.h"

/* What stops of reel's filter have as their message: the program's own may say RET_TRACE, too. */
#define LAUNCH_FILTER_DATA 0x7265

/* Start argv (found through PATH like execvp(3)) and run it to the exit stop of its first execve: the new
 * program is loaded and has not executed an instruction. *ret belongs to the engine. The child gets the
 * signal mask and dispositions that reel itself was started with (launch_save_signals()). ERROR_NO_PROGRAM
 * and ERROR_NOT_RUNNABLE as env(1) tells "not found" from "found but cannot be run". */
struct error *launch(struct engine *engine, char *const argv[], bool filter, struct task **ret);

/* Note signal mask, dispositions and alarm of this process, for the program, and unblock all signals and stop
 * the alarm for reel. To be called before reel changes any. */
void launch_save_signals(void);

/* Raise this process's limit of open files as far as it may go; programs that are launched get the old one.
 */
void launch_raise_files(void);

#endif
