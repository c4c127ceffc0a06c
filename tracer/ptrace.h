/* ptrace: the one place that calls ptrace(2).
 *
 * Thin, typed wrappers: each names the request it makes, returns errors as struct error, and says
 * ERROR_TASK_GONE when the tracee has died meanwhile (ESRCH), which every caller must expect: SIGKILL does
 * not wait for stops. All of them need the task to be stopped, except trace_seize() and trace_interrupt().
 * Source: ptrace(2). */
#ifndef REEL_TRACER_PTRACE_H
#define REEL_TRACER_PTRACE_H

#include "base/error.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

/* How a stopped task goes on. */
enum resume {
    RESUME_CONT,        /* to the next stop of any kind but a syscall's */
    RESUME_SYSCALL,     /* also stop at the next syscall entry or exit */
    RESUME_SYSEMU,      /* stop at the next syscall entry; that call is not executed */
    RESUME_STEP,        /* one instruction */
    RESUME_SYSEMU_STEP, /* one instruction; a system call is not executed, but stops at its entry */
    RESUME_LISTEN,      /* stay in a group stop, but hear of its end */
};

/* PTRACE_SEIZE with the options every tracee of reel has; kill_with_tracer adds PTRACE_O_EXITKILL. */
struct error *trace_seize(pid_t tid, bool kill_with_tracer);
/* What a process that is only watched is traced with: it stops for signals, exec, new threads, and what else
 * flags say, and outlives its tracer. */
enum {
    WATCH_PROCESSES = 1, /* new processes are watched, too */
    WATCH_EXITS = 2, /* it stops when it is about to end, which makes short processes take twice as long */
};
struct error *trace_seize_watched(pid_t tid, unsigned flags);
/* The same for a stopped task that is traced already. */
struct error *trace_watch(pid_t tid, unsigned flags);
struct error *trace_interrupt(pid_t tid);
struct error *trace_detach(pid_t tid, int signo);
struct error *trace_resume(pid_t tid, enum resume how, int signo);

struct error *trace_get_registers(pid_t tid, struct user_regs_struct *ret);
struct error *trace_set_registers(pid_t tid, const struct user_regs_struct *regs);
/* Write one word of struct user at offset (offsetof(struct user, regs.rax)). */
struct error *trace_set_user_word(pid_t tid, size_t offset, uint64_t value);
struct error *trace_get_user_word(pid_t tid, size_t offset, uint64_t *ret);

/* The XSAVE area (NT_X86_XSTATE), at most XSTATE_MAX bytes: FPU, SSE, AVX, ... */
#define XSTATE_MAX 16384
struct error *trace_get_xstate(pid_t tid, void *ret, size_t *ret_size);
struct error *trace_set_xstate(pid_t tid, const void *xstate, size_t size);

struct error *trace_get_siginfo(pid_t tid, siginfo_t *ret);
struct error *trace_set_siginfo(pid_t tid, const siginfo_t *info);
/* Is a signal of this number and si_code queued for this very task (PTRACE_PEEKSIGINFO; of the first 32)? */
struct error *trace_has_pending(pid_t tid, int signo, int code, bool *ret);
/* The mask of blocked signals, bit signo-1. */
struct error *trace_get_sigmask(pid_t tid, uint64_t *ret);
struct error *trace_set_sigmask(pid_t tid, uint64_t mask);
/* PTRACE_GETEVENTMSG: the new tid of a fork, the exit status, ... */
struct error *trace_event_message(pid_t tid, unsigned long *ret);

/* PTRACE_GET_SYSCALL_INFO of a task in a syscall stop: whether it is the entry, and of which call (at an
 * entry only). */
struct error *trace_get_syscall(pid_t tid, bool *ret_entry, uint64_t *ret_number);

/* Stops of this process's tracees come without a SIGCHLD, which nobody here waits for, and which costs a
 * tenth of a stop when there are several threads. SIGCHLD gets its default action. Source:
 * do_notify_parent_cldstop() in kernel/signal.c. */
void trace_without_signals(void);

/* In a child that becomes a tracee of its parent at once: the puppet, the probes of probes.c. 0 or -1. */
int trace_me(void);
/* For such a child: syscall stops marked, killed with its tracer. */
struct error *trace_set_options(pid_t tid);

#endif
