/* calltrace: turns stops of traced programs into the events of a trace.
 *
 * It plants traps, deals with their hits, and writes events; it does not wait for stops and does not resume
 * tasks. That is its host's part: tracer/livetrace.c for programs that run, replay/retrace.c for the puppet
 * of a recording. Each function is called with tasks standing still. */
#ifndef REEL_TRACER_CALLTRACE_H
#define REEL_TRACER_CALLTRACE_H

#include "config/option.h"
#include "tracer/attach.h"
#include "tracer/modules.h"
#include "tracer/stop.h"
#include "tracer/syscall.h"

struct calltrace;

/* What calltrace needs of its host. */
struct calltrace_host {
    struct module_opener opener;
    /* Nanoseconds since 1970, UTC. */
    uint64_t (*now)(void *context);
    void *context;
    const char *const *arguments;     /* of the first program, for the trace's metadata; NULL: unknown */
    const char *source;               /* "launch", "attach" or "recording" */
    uint64_t (*entry)(void *context); /* of the program of the process that begins, or NULL: ask the kernel */
    bool one_of_many;                 /* also the first file is named by its process */
    /* For the puppet, see trap_set_reserve(); instruction 0: no puppet. */
    const struct memory_range *reserved;
    size_t reserved_count;
    uint64_t instruction;
    bool only_traps; /* jump probes are not possible */
};

/* options and what host points to must outlive it. ERROR_USAGE when the options cannot be understood. */
struct error *calltrace_create(const struct trace_options *options, const struct calltrace_host *host,
                               struct calltrace **ret);

/* Write everything and close all files. It does not touch the processes. */
struct error *calltrace_finish(struct calltrace *calltrace);
/* calltrace_finish(), and free. NULL is fine. */
void calltrace_destroy(struct calltrace *calltrace);

/* What has been done, complete after calltrace_finish(). */
struct calltrace_totals {
    uint64_t events, dropped, functions; /* functions: planted */
    uint64_t lost;                       /* records that there was no room for */
    unsigned files;
    const char *path; /* of the first file; owned by the calltrace */
};
struct calltrace_totals calltrace_totals(const struct calltrace *calltrace);

/* How a process came to be traced. */
enum process_origin { ORIGIN_LAUNCH, ORIGIN_ATTACH, ORIGIN_FORK, ORIGIN_EXEC };

/* For ORIGIN_ATTACH: read what is to be traced while the process still runs, so that it stands still for less
 * time. */
struct error *calltrace_prepare(struct calltrace *calltrace, pid_t pid);
/* A process whose first task stands still: find its modules, plant probes. pid and tid are the numbers to
 * show (those of the recording). ORIGIN_EXEC: the process has become another program; all its old threads are
 * gone. ERROR_NOT_FOUND when nothing at all can be traced in the first process. */
struct error *calltrace_process(struct calltrace *calltrace, struct task *task, pid_t pid,
                                enum process_origin origin);
/* The memory of this task's process has just been replaced (PTRACE_EVENT_EXEC): its traps are gone with it.
 * calltrace_process() with ORIGIN_EXEC follows. */
struct error *calltrace_exec_begins(struct calltrace *calltrace, pid_t tid);
/* A child: `task` is its first stop, parent the task that made it. shares_memory: vfork. */
struct error *calltrace_fork(struct calltrace *calltrace, struct task *task, pid_t parent, pid_t shown_pid,
                             bool shares_memory);
/* A thread, which stands at its first stop or at the stop of an attach. of: a task of its process. */
struct error *calltrace_thread(struct calltrace *calltrace, struct task *task, pid_t of, pid_t shown_tid,
                               bool is_new);
/* A thread is gone; the last one takes the process along. signo: it was killed, status: else. */
struct error *calltrace_gone(struct calltrace *calltrace, pid_t tid, bool process_too, int status, int signo);

/* A STOP_SIGNAL, whose signo may be changed. *ret_done: it was a matter of the tracer's; resume with signal
 * 0. Else the signal is the program's, which the trace notes when it is of interest. */
struct error *calltrace_signal_stop(struct calltrace *calltrace, struct stop *stop, bool *ret_done);
/* The same, but other signals are not noted: the host tells of them by calltrace_signal(). */
struct error *calltrace_trap(struct calltrace *calltrace, struct stop *stop, bool *ret_done);
/* The task has come to a stop that the host knows of otherwise: what its probes have noted is told now. */
struct error *calltrace_passed(struct calltrace *calltrace, pid_t tid);
/* A signal that reaches the program; handled: a handler will run. For hosts that know it otherwise than by a
 * stop. */
struct error *calltrace_signal(struct calltrace *calltrace, pid_t tid, const siginfo_t *info, bool handled,
                               bool fatal);

/* A system call that has returned; memory is the caller's. */
struct error *calltrace_call(struct calltrace *calltrace, pid_t tid, const struct syscall_call *call,
                             const struct memory_reader *memory);

/* Deal with what jump probes have noted; at most so many records, *ret_more: there may be more. Called again
 * and again, also from another thread when that has made sure that no other function here is running. */
struct error *calltrace_drain(struct calltrace *calltrace, unsigned most, bool *ret_more);
/* After an attach: halt has the stops of all threads of the processes that were begun. */
struct error *calltrace_arm(struct calltrace *calltrace, struct halt *halt);
/* To be called with each STOP_SIGNAL first. calltrace_drain() may be running: the task may wait for it. The
 * task may be made to run on a little: *stop may be another one afterwards, of any kind. */
struct error *calltrace_settle(struct calltrace *calltrace, struct stop *stop);
/* Take the jump probes out of a process whose threads all stand still, as halt says; stops may be others
 * afterwards, as with calltrace_settle(). For leaving it. */
struct error *calltrace_disarm(struct calltrace *calltrace, pid_t pid, struct halt *halt);

/* New mappings may hold modules to be traced: look at them. */
struct error *calltrace_mappings_changed(struct calltrace *calltrace, pid_t tid);
/* [start, end) is gone. */
void calltrace_unmapped(struct calltrace *calltrace, pid_t tid, uint64_t start, uint64_t end);

/* The traps of the process that this task belongs to (for detach()), or NULL. */
struct trap_set *calltrace_traps(struct calltrace *calltrace, pid_t tid);
/* Is there a vfork child that uses the memory, and so the traps, of its parent? */
bool calltrace_borrows(const struct calltrace *calltrace);
/* Is this task known? */
bool calltrace_knows(const struct calltrace *calltrace, pid_t tid);
/* A limit was reached, or writing failed: there is no use in going on. */
bool calltrace_full(const struct calltrace *calltrace);
/* Write what is buffered (from a tick). */
struct error *calltrace_flush(struct calltrace *calltrace);

#endif
